/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The findings of one load: gathered while files are read and checked, reported once, in the order
 * of the files and lines. A finding never quotes a secret: who adds one sees to that.
 */
#ifndef OCTROI_CONFIG_PROBLEM_H
#define OCTROI_CONFIG_PROBLEM_H

#include "config/config.h"

/* One file that was read, or could not be. */
struct source {
    struct source *next; /* owned by the tree's arena, as path */
    const char *path;
    int order; /* 0 is the main file, then in the order of reading */
    dev_t device;
    ino_t inode;
};

struct problem {
    const struct source *source; /* borrowed from the tree */
    int line;
    size_t found; /* keeps findings of one line in the order they were made */
    char *text;   /* owned */
};

struct problems {
    struct problem *items; /* owned */
    size_t count;
    size_t capacity;
    bool no_memory;
};

void problem_add(struct problems *problems, const struct source *source, int line,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Reports all to on_problem (may be NULL). */
void problems_report(struct problems *problems, config_problem_fn *on_problem, void *arg);
void problems_free(struct problems *problems);

#endif
