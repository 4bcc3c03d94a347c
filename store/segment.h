/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One segment file as bytes: names, lines, the hash chain, and a reader that streams lines in
 * constant memory. The format is told in store/record.h and, for outsiders, in docs/JOURNAL.md.
 *
 * What is durable: the writer holds an open-file-description lock on everything past the last
 * synced byte of its segment. A reader asks where that lock begins and stops there, so it never
 * sees bytes that a failed write may take back; a writer that died holds no lock. Readers never
 * lock, hence never delay the writer.
 */
#ifndef OCTROI_STORE_SEGMENT_H
#define OCTROI_STORE_SEGMENT_H

#include "base/crypto.h"
#include "base/error.h"
#include "base/str.h"
#include "store/record.h"

#include <openssl/evp.h>

#define SALT_BYTES         16
#define SEGMENT_FORMAT     1
#define SEGMENT_RECORD_MAX 65536 /* bytes of one record; a decision takes about 500 */
#define SEGMENT_LINE_MAX   (64 + 1 + 32 + 1 + SEGMENT_RECORD_MAX)
#define SEGMENT_LAST       UINT64_C(99999999) /* eight digits in the name */
#define SEGMENT_LABEL      280

/* ---- hashing; the state is kept because rows come by the thousand. One thread. ---- */

struct hasher {
    EVP_MD *md;      /* owned */
    EVP_MD_CTX *ctx; /* owned */
};

bool hasher_open(struct hasher *hasher);
void hasher_close(struct hasher *hasher);
bool hasher_pair(struct hasher *hasher, const void *a, size_t a_length, const void *b,
                 size_t b_length, uint8_t out[SHA256_BYTES]);

/* ---- lines ---- */

struct line {
    uint8_t hash[SHA256_BYTES];
    uint8_t salt[SALT_BYTES];    /* unless erased */
    uint8_t inner[SHA256_BYTES]; /* when erased */
    bool erased;
    const char *record; /* borrowed from the text; "-" when erased */
    size_t length;
};

/* text is a line without its LF. Strict: lower-case hex only, so that no byte can change unseen. */
bool line_parse(const char *text, size_t length, struct line *line_out);
/* Whether the line's hash is the one that follows previous. False also when hashing fails. */
bool line_holds(struct hasher *hasher, const uint8_t previous[SHA256_BYTES],
                const struct line *line);
/* Appends the line of a record to out and moves head on to its hash. */
bool line_add(struct hasher *hasher, struct strbuf *out, uint8_t head[SHA256_BYTES],
              const uint8_t salt[SALT_BYTES], const char *record, size_t length);
/* Whether bytes after the last LF may be what an interrupted write left: a proper prefix of a
 * line, and not a whole record with something after it. */
bool line_is_torn(struct hasher *hasher, const uint8_t previous[SHA256_BYTES], const char *tail,
                  size_t length);

/* ---- the records the journal itself writes ---- */

enum record_type {
    RECORD_OTHER,
    RECORD_DECISION,
    RECORD_OUTCOME,
    RECORD_SEGMENT,
    RECORD_CHECKPOINT,
    RECORD_RECOVERED,
    RECORD_REGISTRY,
    RECORD_SCREENING,
    RECORD_SCREENED,
    RECORD_TOTALS,
    RECORD_PURGING,
    RECORD_PURGED,
    RECORD_CONFIGURATION,
    RECORD_ACCESS
};

enum record_type record_type(const char *record, size_t length);
/* The id of a line's record as far as it can be read, also when damaged; false: there is none. */
bool line_id(const char *text, size_t length, char out[RECORD_ID]);

void record_segment(struct strbuf *out, const char *gateway, uint64_t number,
                    const uint8_t previous[SHA256_BYTES], int64_t at);
/* row: how many records precede it; head: the hash before it. False when signing fails. */
bool record_checkpoint(struct strbuf *out, const struct signing_key *key, const char *gateway,
                       uint64_t row, const uint8_t head[SHA256_BYTES], int64_t at);
void record_recovered(struct strbuf *out, uint64_t segment, uint64_t bytes,
                      const uint8_t digest[SHA256_BYTES], int64_t at);

/* NULL when it holds, else what is wrong. key NULL: the signature is not looked at. */
const char *checkpoint_fault(const char *record, size_t length, uint64_t row,
                             const uint8_t head[SHA256_BYTES], const struct signing_key *key);
const char *segment_fault(const char *record, size_t length, uint64_t number,
                          const uint8_t previous[SHA256_BYTES]);
/* The row a checkpoint names and the hash before it. */
bool checkpoint_read(const char *record, size_t length, uint64_t *row_out,
                     uint8_t head_out[SHA256_BYTES]);

/* ---- walking the chain, line after line, as the start, verify and the index do ---- */

struct chain_walk {
    struct hasher hasher;
    const struct signing_key *key; /* borrowed; NULL: signatures are not looked at */
    uint64_t segment;              /* number of the file being read */
    uint64_t lines;                /* of that file, so far */
    uint64_t rows;                 /* of all files */
    uint64_t since;                /* rows after the last checkpoint */
    uint64_t erased;
    uint64_t checkpoints;
    uint8_t head[SHA256_BYTES]; /* hash of the last row */
    struct line line;           /* the last one that held */
};

bool chain_open(struct chain_walk *walk, const struct signing_key *key);
void chain_close(struct chain_walk *walk);
/* Begins the next file at its first line. */
void chain_segment(struct chain_walk *walk, uint64_t number);
/* Takes one line; NULL when it holds, else what is wrong, and nothing has moved. */
const char *chain_step(struct chain_walk *walk, const char *text, size_t length);
/* "row 17, id 01KB…, journal/00000001.seg line 17: fault", for the line that did not hold. */
void chain_where(const struct chain_walk *walk, const char *directory, const char *text,
                 size_t length, const char *fault, char *out, size_t size);

/* ---- files ---- */

/* "directory/NNNNNNNN.seg", owned by the caller; NULL when memory is short. */
char *segment_path(const char *directory, uint64_t number, const char *suffix);
/* As it is shown to people: the directory's own name and the file's. */
void segment_label(const char *directory, uint64_t number, char out[SEGMENT_LABEL]);
/* Number of the last segment, 0 when there is none. RESULT_DAMAGED names a missing one. */
enum result segment_last(const char *directory, uint64_t *last_out, struct error *err);
/* Takes the writer's lock on all bytes from offset on. RESULT_CONFLICT when another process, or
 * another journal of this one, has it. Bytes before offset must be rows to be kept. */
enum result segment_lock(int fd, const char *path, uint64_t offset, struct error *err);
/* Gives up the lock below offset: those bytes are durable now. */
enum result segment_release(int fd, const char *path, uint64_t offset, struct error *err);
/* Bytes of the file that are durable. Without a writer (*live_out false) it is the whole file, of
 * which a power cut may still take what a killed writer had not synced. */
enum result segment_durable(int fd, const char *path, uint64_t *bytes_out, bool *live_out,
                            struct error *err);

enum segment_read {
    SEGMENT_LINE, /* text and length are set, the LF not included */
    SEGMENT_END,  /* nothing complete is left; text and length are the bytes after the last LF */
    SEGMENT_TOO_LONG, /* no LF within SEGMENT_LINE_MAX bytes */
    SEGMENT_FAILED    /* err is set */
};

struct segment_reader {
    int fd;          /* owned */
    char *path;      /* owned */
    uint64_t offset; /* of the next line */
    uint64_t limit;  /* nothing past it is read */
    bool live;       /* a writer held the file when it was opened */
    const char *text;
    size_t length;
    char *buffer; /* owned */
    size_t start;
    size_t end;
    bool ended;
};

/* RESULT_NOT_FOUND when there is no such segment. */
enum result segment_reader_open(struct segment_reader *reader, const char *directory,
                                uint64_t number, uint64_t offset, struct error *err);
enum segment_read segment_reader_next(struct segment_reader *reader, struct error *err);
void segment_reader_close(struct segment_reader *reader);

#endif
