/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/mutate.h"

extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

/* Where the n-th line begins. */
static size_t line_at(const uint8_t *data, size_t size, unsigned n)
{
    size_t at = 0;
    for (; n > 0 && at < size; n--) {
        const uint8_t *feed = memchr(data + at, '\n', size - at);
        at = feed != NULL ? (size_t)(feed - data) + 1 : size;
    }
    return at;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    uint64_t state = seed;
    unsigned n_lines = 1;
    for (size_t i = 0; i < size; i++)
        n_lines += data[i] == '\n';
    unsigned what = (unsigned)(fuzz_random(&state) % 8);
    size_t at = line_at(data, size, (unsigned)(fuzz_random(&state) % n_lines));
    const uint8_t *feed = at < size ? memchr(data + at, '\n', size - at) : NULL;
    size_t end = feed != NULL ? (size_t)(feed - data) + 1 : size;
    if (what < 2 || size == 0)
        return LLVMFuzzerMutate(data, size, max);
    if (what == 2) { /* a line goes */
        memmove(data + at, data + end, size - end);
        return size - (end - at);
    }
    char line[300];
    const char *from = fuzz_lines[fuzz_random(&state) % fuzz_n_lines];
    if (what == 3 && end > at && end - at < sizeof(line)) { /* a line moves, or comes again */
        snprintf(line, sizeof(line), "%.*s", (int)(end - at), (const char *)data + at);
        at = line_at(data, size, (unsigned)(fuzz_random(&state) % n_lines));
    } else {
        snprintf(line, sizeof(line), "%s\n", from);
    }
    size_t length = strlen(line);
    if (size + length > max)
        return LLVMFuzzerMutate(data, size, max);
    memmove(data + at + length, data + at, size - at);
    memcpy(data + at, line, length);
    return size + length;
}
