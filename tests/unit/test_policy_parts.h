/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of test_policy that have a file of their own. */
#ifndef OCTROI_TESTS_TEST_POLICY_PARTS_H
#define OCTROI_TESTS_TEST_POLICY_PARTS_H

#include "tests/unit/unit.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

Suite *recipient_suite(void);

#endif
