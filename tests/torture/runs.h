/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a subject with its first allocation failing, its second, … and reports what that finds.
 * Subjects are processes of their own; one that dies is continued by another.
 */
#ifndef OCTROI_TESTS_TORTURE_RUNS_H
#define OCTROI_TESTS_TORTURE_RUNS_H

#include "tests/torture/alloc.h"

#include <stddef.h>

struct torture_subject {
    const char *name;
    void (*begin)(void *arg); /* once a process; may be NULL */
    /* Once with allocation number failing made to fail (0: none). Returns how many allocations it
     * made; *reached_out: the failure's turn came. What breaks a promise ends the process. */
    unsigned long (*run)(void *arg, unsigned long failing, enum torture_mode mode,
                         bool *reached_out);
    void (*end)(void *arg); /* may be NULL */
    void *arg;
    bool forks; /* each run is a process of its own: none makes anything for the next */
};

/*
 * Arguments: --most N  at most N failures a subject and mode, spread evenly; 0: every one
 *                      (default: TORTURE_MOST of the environment, else most)
 *            --only NAME[:FAILING[:one|all]]  one subject, or one of its runs
 *            --leaks   looks for leaks after each run, to find which one leaks
 *            --jobs N  subjects at the same time (default: as many as there are processors)
 * Prints Check's summary line. Returns main's exit status.
 */
int torture_main(int argc, char **argv, const struct torture_subject *subjects, size_t n,
                 unsigned long most);

/* It is the short form that runs: nothing else was asked for. */
bool torture_is_short(void);

#endif
