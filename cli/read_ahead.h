/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the kernel, beside the work, to have a whole file in memory: a million look-ups fall
 * anywhere in a registry, and where it has to be fetched page by page they take a hundred times as
 * long as reading it through. What is there already costs nothing.
 */
#ifndef OCTROI_CLI_READ_AHEAD_H
#define OCTROI_CLI_READ_AHEAD_H

#include <stdint.h>

struct read_ahead;

/* Nothing happens (and it may be NULL) when so many look-ups do not warrant it, the file is too
 * large for this machine, or anything fails: it is only a matter of speed. */
struct read_ahead *read_ahead_begin(const char *path, uint64_t look_ups);
/* Only when this process has no SQLite connection to the file any more: closing any descriptor of a
 * file gives up all POSIX locks the process has on it, and SQLite's are such. */
void read_ahead_end(struct read_ahead **ahead);

#endif
