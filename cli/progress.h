/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bar for long work, with its rate and the time left, on standard error, only where that is a
 * terminal: anywhere else nothing is written, neither text nor control codes.
 */
#ifndef OCTROI_CLI_PROGRESS_H
#define OCTROI_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *what; /* borrowed: "importing" */
    const char *unit; /* borrowed: what `items` counts, such as "lines" */
    bool terminal;
    bool shown;
    int64_t started; /* clock_monotonic */
    int64_t drawn;
    uint64_t done_before, items_before; /* by an earlier go: no part of the rate */
};

void progress_start(struct progress *progress, const char *what, const char *unit);
/* Work that goes on where an earlier go stopped: so much was done by then. The clock starts now. */
void progress_resume(struct progress *progress, uint64_t done, uint64_t items);
/* done of total bytes (total 0: not known), and how many items that was. Draws at most ten times a
 * second, so it may be called for each item. */
void progress_show(struct progress *progress, uint64_t done, uint64_t total, uint64_t items);
/* Removes the bar, so that the next line starts clean. Call before anything else is printed. */
void progress_clear(struct progress *progress);

/* The line that is drawn, at most width columns; seconds since the start. For tests, too. */
void progress_line(const struct progress *progress, uint64_t done, uint64_t total, uint64_t items,
                   double seconds, size_t width, char *out, size_t size);

#endif
