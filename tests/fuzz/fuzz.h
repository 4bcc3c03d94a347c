/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput; it states what
 * must hold for every input, not only that nothing crashes. Under libFuzzer the input is made up,
 * in `make check` tests/fuzz/replay_main.c replays the corpus.
 */
#ifndef OCTROI_TESTS_FUZZ_FUZZ_H
#define OCTROI_TESTS_FUZZ_FUZZ_H

#ifndef MUST_ABORTS
#define MUST_ABORTS
#endif
#include "tests/must.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of its own size, so that a sanitizer sees a read past its end; with a NUL behind it when
 * terminated. To be freed. */
static inline char *fuzz_copy(const void *bytes, size_t size, bool terminated)
{
    size_t room = size + (terminated ? 1 : 0);
    char *copy = malloc(room > 0 ? room : 1);
    must(copy != NULL);
    if (size > 0)
        memcpy(copy, bytes, size);
    if (terminated)
        copy[size] = '\0';
    return copy;
}

/* A number that only the input decides, so that a finding can be repeated. */
static inline uint64_t fuzz_hash(const uint8_t *data, size_t size)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * UINT64_C(1099511628211);
    return hash;
}

/* The next of a row of numbers that state begins. */
static inline uint64_t fuzz_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* Ways of cutting an input that must all come to the same. */
enum { CUT_WHOLE, CUT_BYTES, CUT_PIECES, CUT_WAYS };

/* Length of the next piece of what is left, which is not nothing. */
static inline size_t fuzz_cut(int way, uint64_t *state, size_t left)
{
    if (way == CUT_WHOLE)
        return left;
    if (way == CUT_BYTES)
        return 1;
    uint64_t number = fuzz_random(state);
    size_t length = 1 + (size_t)number % ((*state >> 60) == 0 ? 3000 : 7);
    return length < left ? length : left;
}

/* Not empty, and without control characters. */
static inline bool fuzz_one_line(const char *text)
{
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

#endif
