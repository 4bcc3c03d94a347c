/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of test_base, by what they need. */
#ifndef OCTROI_TESTS_TEST_BASE_PARTS_H
#define OCTROI_TESTS_TEST_BASE_PARTS_H

#include "tests/unit/unit.h"

Suite *csv_suite(void);
Suite *flat_suite(void);
Suite *flush_suite(void);
Suite *language_suite(void);
Suite *loop_suite(void);
Suite *net_suite(void);
Suite *seal_suite(void);
Suite *secrets_suite(void);

#endif
