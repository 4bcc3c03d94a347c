/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets, one a stream, shared by all loops: a stream's `rate` is for the whole gateway. */
#ifndef OCTROI_PROXY_RATE_H
#define OCTROI_PROXY_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rates;

struct rates *rates_new(void);
void rates_free(struct rates **rates);
/* Takes one token of the bucket named by partner and stream, which holds one second's worth. now:
 * clock_monotonic. rate 0 always admits. False: over the rate, or no memory to count. */
bool rates_admit(struct rates *rates, const char *partner, const char *stream, unsigned rate,
                 int64_t now);

#endif
