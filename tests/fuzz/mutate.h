/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For targets whose inputs are scripts of lines: libFuzzer's own mutations know bytes, so this adds
 * those that keep a script one: a line comes, goes, moves or comes again. Other fuzzers, and the
 * replay of a corpus, do without.
 */
#ifndef OCTROI_TESTS_FUZZ_MUTATE_H
#define OCTROI_TESTS_FUZZ_MUTATE_H

#include "tests/fuzz/fuzz.h"

/* Lines worth adding; the target's. */
extern const char *const fuzz_lines[];
extern const size_t fuzz_n_lines;

#endif
