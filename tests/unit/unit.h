/* SPDX-License-Identifier: Apache-2.0 */
/* Every unit test program is a list of suites and this main. */
#ifndef OCTROI_TESTS_UNIT_H
#define OCTROI_TESTS_UNIT_H

#include <check.h>
#include <stdlib.h>

/* For the slowest disk and sanitizer, a test hung is seen all the same: in tests of the journal the
 * time is that of two thousand syncs. */
enum { UNIT_SECONDS = 300 };

/* A provider's helper thread may still be on its way out of a look-up that nobody waits for when
 * the process ends: what glibc's resolver holds for that thread it frees with it. */
const char *__lsan_default_suppressions(void);
__attribute__((weak)) const char *__lsan_default_suppressions(void)
{
    return "leak:__res_context_send\nleak:__res_vinit\n";
}

/* Runs the suites in one process each test (fork), prints Check's summary line. */
static inline int unit_run(Suite *const *suites)
{
    SRunner *runner = srunner_create(*suites);
    while (*++suites != NULL)
        srunner_add_suite(runner, *suites);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static inline Suite *unit_suite(const char *name, const TTest *const *tests)
{
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    tcase_set_timeout(cases, UNIT_SECONDS);
    for (; *tests != NULL; tests++)
        tcase_add_test(cases, *tests);
    suite_add_tcase(suite, cases);
    return suite;
}

#endif
