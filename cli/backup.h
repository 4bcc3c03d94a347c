/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of a gateway's state as one tar: the journal, the registry, the journal's public key, a
 * list of SHA-256 sums that sha256sum -c can read, and, only if asked, configuration and keys. The
 * journal's index is left out: it is built anew.
 *
 * What is copied is one state. First it is fixed how far the journal goes, to a durable row; the
 * registry is copied after that. An event is in the registry before a decision relies on it, so
 * no row of the copy names an event that is missing from it; the other way round one could. The
 * sums come last, because nothing is written twice: a copy that was cut off has none.
 */
#ifndef OCTROI_CLI_BACKUP_H
#define OCTROI_CLI_BACKUP_H

#include "base/str.h"
#include "cli/context.h"
#include "cli/progress.h"

#define BACKUP_SUMS   "MANIFEST"
#define BACKUP_ABOUT  "BACKUP.json"
#define BACKUP_PUBLIC "keys/journal.pub"

/* A file that goes in as it was read, with the rights of who typed the command. */
struct backup_secret {
    char *name; /* owned; in the archive */
    struct strbuf text;
};

struct backup_secrets {
    struct backup_secret *list; /* owned */
    size_t count;
};

/* cli/backup_state.c: the two things that grow while they are copied. */

struct backup_journal {
    char *directory; /* owned */
    uint64_t last;   /* number of the last segment; 0: there is none */
    int end_fd;      /* owned; the last segment */
    uint64_t end_bytes;
};
/* Fixes how far the journal goes: to a durable row. */
enum result backup_journal_fix(const char *directory, struct backup_journal *journal_out,
                               struct error *err);
/* A segment's descriptor (the caller's) and how much of it belongs to the copy. */
enum result backup_journal_segment(const struct backup_journal *journal, uint64_t number,
                                   int *fd_out, uint64_t *bytes_out, struct error *err);
void backup_journal_end(struct backup_journal *journal);
/* A copy of the registry as it is now, in a file that has no name any more; whoever reads or
 * writes the registry meanwhile does not wait. */
enum result backup_registry(const char *registry_path, const char *folder,
                            struct progress *progress, int *fd_out, struct error *err);

struct backup_counts {
    uint64_t files, bytes, segments;
};

/* cli/backup_write.c */
enum result backup_write(const struct context *context, const struct backup_secrets *secrets,
                         FILE *stream, struct progress *progress, struct backup_counts *counts_out,
                         struct error *err);

/* cli/backup_read.c: what is in the archive goes into an open, empty folder, each file 0600, and
 * every file must be what the sums say. RESULT_DAMAGED says which is not, RESULT_BAD_INPUT that it
 * is no such archive. */
enum result backup_read(FILE *stream, int folder, struct progress *progress,
                        struct backup_counts *counts_out, struct error *err);

#endif
