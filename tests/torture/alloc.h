/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes allocations fail, one by one. See alloc.c for how, README for what is done with it.
 */
#ifndef OCTROI_TESTS_TORTURE_ALLOC_H
#define OCTROI_TESTS_TORTURE_ALLOC_H

#include <stdbool.h>

/* Two modes, because they find different bugs: one failure in an else healthy process meets the
 * code that goes on, and memory that stays short meets the code that cleans up. */
enum torture_mode { TORTURE_ONE, TORTURE_ALL, TORTURE_MODES };

/* From now on allocation number first (1 is the next) fails, in mode ALL those after it too.
 * first 0: none fails, they are only counted. All threads. */
void torture_arm(unsigned long first, enum torture_mode mode);
/* Allocations were counted since torture_arm. */
unsigned long torture_disarm(void);
/* How many were made to fail since torture_arm. */
unsigned long torture_failures(void);
/* What this thread allocates until torture_resume is neither counted nor made to fail: the test's
 * own memory. Nests. */
void torture_pause(void);
void torture_resume(void);

const char *torture_mode_name(enum torture_mode mode);

#endif
