/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of the chain and the file it grows in. Owns the current segment: begins new ones, puts
 * checkpoints in, writes and syncs what was added, and takes it back when that fails, so that what
 * it remembers is always what is durable. Knows nothing of threads and batches (store/journal.c).
 *
 *   segment_writer_begin, segment_writer_add …, segment_writer_commit
 */
#ifndef OCTROI_STORE_SEGMENT_WRITER_H
#define OCTROI_STORE_SEGMENT_WRITER_H

#include "store/segment.h"

#define CHECKPOINT_ROWS 10000
#define SALTS_AHEAD     256 /* drawn at once, because a row needs only 16 bytes */

struct chain_end {
    uint64_t rows;
    uint64_t since; /* rows after the last checkpoint */
    uint8_t head[SHA256_BYTES];
};

struct segment_writer {
    char *directory;               /* owned */
    char *gateway;                 /* owned */
    const struct signing_key *key; /* borrowed */
    uint64_t segment_size;
    struct hasher hasher;

    uint64_t number;
    char *path;      /* owned */
    int fd;          /* owned; holds the lock from offset on */
    uint64_t offset; /* durable bytes of the segment */
    struct chain_end durable;
    bool uncut; /* the file may hold bytes past offset that could not be taken back */

    struct strbuf out; /* lines added and not yet written */
    struct strbuf record;
    struct chain_end pending; /* the end once out is durable */
    uint8_t salts[SALTS_AHEAD][SALT_BYTES];
    size_t salts_left;
};

/* Finds the end of the chain (see journal_open), puts a torn tail aside and makes the first
 * segment when there is none. */
enum result segment_writer_open(struct segment_writer *writer, const char *directory,
                                const char *gateway, const struct signing_key *key,
                                uint64_t segment_size, struct error *err);
/* Does not write: commit first. Safe after a failed open. */
void segment_writer_close(struct segment_writer *writer);

enum writer_rows {
    WRITER_NONE, /* at most a checkpoint will be added */
    WRITER_ROWS,
    WRITER_ROWS_ANEW /* in a segment of their own, so that the one before is closed */
};

/* Forgets what was added and not committed; when rows are to follow and this segment is full,
 * begins a new one. All failures of begin and commit are RESULT_UNAVAILABLE or RESULT_NO_MEMORY and
 * leave the durable end as it was: try again later. */
enum result segment_writer_begin(struct segment_writer *writer, enum writer_rows rows,
                                 struct error *err);
/* Also adds the checkpoint that is due every CHECKPOINT_ROWS. False when memory is short or a
 * cryptographic act failed; then begin again. */
bool segment_writer_add(struct segment_writer *writer, const char *record, size_t length);
/* Nothing when no row was added since the last one. */
bool segment_writer_checkpoint(struct segment_writer *writer);
enum result segment_writer_commit(struct segment_writer *writer, struct error *err);

/* store/segment_recover.c: what segment_writer_open reads before it writes. */
struct segment_tail {
    uint64_t torn_bytes;
    uint8_t torn_digest[SHA256_BYTES];
};
/* Sets number, path, fd (locked), offset and durable; changes nothing on disk but to put a torn
 * tail aside. number stays 0 when the folder holds no segment. */
enum result segment_recover(struct segment_writer *writer, struct segment_tail *tail_out,
                            struct error *err);

#endif
