/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file a command writes as a whole: FILE.part while it grows, FILE once it is complete and on
 * disk, so that a half one is never taken for it. What is no ordinary file (standard output, a
 * pipe, a device) is written as it is. Lists are of persons: 0600.
 */
#ifndef OCTROI_CLI_OUTFILE_H
#define OCTROI_CLI_OUTFILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>

struct outfile {
    FILE *stream;     /* owned, unless it is standard output; NULL: nobody asked for it */
    char *path;       /* owned; where it is to be in the end; NULL: it is there already */
    char *part;       /* owned */
    const char *name; /* borrowed; for messages */
};

/* path NULL: standard output. Made with the rights of who typed the command, so before
 * context_open; then others may still be given up. A FILE.part that is there already is taken only
 * when it is the user's own plain file. False after having printed why. */
bool outfile_open(struct outfile *file, const char *path);
/* A child that keeps these rights until outfile_end, to put the files that are open by now in their
 * place where the user that context_open turns into may not, and for nothing else; only where it is
 * needed. The files stay where they are in memory. */
bool outfile_keep_rights(void);
/* Everything is on disk and in its place. */
enum result outfile_end(struct outfile *file, struct error *err);
/* Closes; what was written stays in FILE.part. */
void outfile_close(struct outfile *file);
/* When all files are in their place. */
void outfile_let_rights_go(void);

#endif
