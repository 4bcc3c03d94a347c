/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts in memory by day, kind and origin (store/index_kind.h): what a transaction adds to the
 * index's sums, and what a tally has read of them.
 */
#ifndef OCTROI_STORE_SUMS_H
#define OCTROI_STORE_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sum {
    int64_t day; /* since 1970, UTC */
    int64_t kind;
    int64_t origin;
    int64_t rows;
};

/* All zeros: empty. */
struct sums {
    struct sum *all; /* owned; in order of coming */
    size_t count;
    size_t capacity;
    uint32_t *slots; /* owned; index into all + 1; 0: free */
    size_t n_slots;  /* a power of two */
};

/* rows may be negative. False when memory is short: nothing was added. */
bool sums_add(struct sums *sums, int64_t day, int64_t kind, int64_t origin, int64_t rows);
/* Forgets all counts and keeps the memory. */
void sums_clear(struct sums *sums);
void sums_free(struct sums *sums);

#endif
