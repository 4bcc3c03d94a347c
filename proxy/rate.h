/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token buckets, shared by all loops: a stream's `rate`, or a token's, is for the whole gateway.
 * Only buckets that are not full take memory, and their number has a cap.
 */
#ifndef OCTROI_PROXY_RATE_H
#define OCTROI_PROXY_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rates;

struct rates *rates_new(void);
void rates_free(struct rates **rates);
/* Takes one token of the bucket named by partner and stream, which holds one second's worth. now:
 * clock_monotonic. rate 0 always admits. False: over the rate, or no memory to count. */
bool rates_admit(struct rates *rates, const char *partner, const char *stream, unsigned rate,
                 int64_t now);
/* Whether this is the first of its kind and name within `every` microseconds; true, too, when there
 * is no place to remember it in. */
bool rates_first(struct rates *rates, const char *kind, const char *name, int64_t every,
                 int64_t now);
/* The next one is the first again: what the last was for did not happen. */
void rates_forget(struct rates *rates, const char *kind, const char *name, int64_t now);
/* How many buckets take memory: for tests. */
size_t rates_count(struct rates *rates);

#endif
