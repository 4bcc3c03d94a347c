/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long things take, counted in buckets between 100 µs and a minute: what is quick in memory,
 * what waits for a disk, what waits for somebody else's machine. All zero is how one begins. Any
 * thread; nothing is locked, so a reading beside additions may miss those of the moment.
 */
#ifndef OCTROI_BASE_HISTOGRAM_H
#define OCTROI_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS 18

/* Microseconds, ascending; a bucket holds what took no longer. The last one has no bound. */
extern const int64_t histogram_bounds[HISTOGRAM_BOUNDS];

struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_BOUNDS + 1];
    _Atomic uint64_t sum; /* microseconds */
};

struct histogram_reading {
    uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* of each bucket alone */
    uint64_t sum;
};

/* What a clock that was set back would make negative counts as nothing. */
void histogram_add(struct histogram *histogram, int64_t microseconds);
void histogram_read(const struct histogram *histogram, struct histogram_reading *reading_out);

#endif
