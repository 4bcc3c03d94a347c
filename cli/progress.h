/* SPDX-License-Identifier: Apache-2.0 */
/* A bar for long work, on standard error, only where that is a terminal. */
#ifndef OCTROI_CLI_PROGRESS_H
#define OCTROI_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* borrowed: "importing" */
    const char *unit; /* borrowed: what `items` counts, such as "lines" */
    bool terminal;
    bool shown;
    int64_t started; /* clock_monotonic */
    int64_t drawn;
};

void progress_start(struct progress *progress, const char *what, const char *unit);
/* done of total bytes (total 0: not known), and how many items that was. Draws at most ten times a
 * second, so it may be called for each item. */
void progress_show(struct progress *progress, uint64_t done, uint64_t total, uint64_t items);
/* Removes the bar, so that the next line starts clean. Call before anything else is printed. */
void progress_clear(struct progress *progress);

#endif
