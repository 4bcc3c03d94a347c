/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold in a test double, whoever runs it: a unit test, where it fails that test, or a
 * fuzz target (MUST_ABORTS), where it ends the program, which is how a fuzzer learns of a finding.
 */
#ifndef OCTROI_TESTS_MUST_H
#define OCTROI_TESTS_MUST_H

#ifdef MUST_ABORTS
#include <stdio.h>
#include <stdlib.h>
#define must_fail(format, ...) \
    (fprintf(stderr, "%s:%d: " format "\n", __FILE__, __LINE__, ##__VA_ARGS__), abort())
#else
#include "tests/unit/unit.h"
#define must_fail(format, ...) ck_abort_msg(format, ##__VA_ARGS__)
#endif

#define must_say(condition, format, ...) ((condition) ? (void)0 : must_fail(format, ##__VA_ARGS__))
/* Also in a release build, where assert is nothing. */
#define must(condition) must_say(condition, "%s", #condition)

#endif
