/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list that is screened, as a file: its SHA-256, known before its first row is judged, its
 * layout, and its bytes once more from the start. It is read twice; that it stayed the same in
 * between is for list_unchanged to say.
 *
 * What comes through a pipe can be read only once, so it is first spooled to a file that has no
 * name from the start (O_TMPFILE, 0600) in state_dir: the one place that the service user alone can
 * read and that is meant to hold what the gateway needs. Clear addresses are then on that disk
 * until the command ends, however it ends, as they are in the list itself; memory would be without
 * a bound.
 */
#ifndef OCTROI_CLI_SCREEN_LIST_H
#define OCTROI_CLI_SCREEN_LIST_H

#include "base/crypto.h"
#include "cli/screen_column.h"

#include <stdint.h>
#include <stdio.h>

struct list {
    int fd;                         /* owned */
    const char *name;               /* borrowed; for messages */
    uint64_t size;                  /* bytes */
    uint8_t sha256[SHA256_BYTES];   /* of all of it */
    char hex[2 * SHA256_BYTES + 1]; /* the same */
    struct layout layout;
    const char *line_end;        /* of its first line: "\r\n" or "\n" */
    struct sha256_stream *again; /* owned; of what was read the second time */
    uint64_t read;               /* bytes, the second time */
};

/* Reads all of input. on_bytes (may be NULL) hears how much was read, of how much (0: unknown). */
typedef void list_progress_fn(void *arg, uint64_t done, uint64_t total);
enum result list_open(struct list *list, FILE *input, const char *name, const char *state_dir,
                      list_progress_fn *on_bytes, void *arg, struct error *err);
enum result list_layout(struct list *list, const struct layout_question *question,
                        struct error *err);
/* The next bytes from the start; *got_out is 0 at the end. */
enum result list_read(struct list *list, char *out, size_t size, size_t *got_out,
                      struct error *err);
/* At the end: RESULT_CONFLICT when it is not what its SHA-256 was taken of. */
enum result list_unchanged(struct list *list, struct error *err);
void list_close(struct list *list);

#endif
