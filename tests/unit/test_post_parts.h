/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCTROI_TESTS_TEST_POST_PARTS_H
#define OCTROI_TESTS_TEST_POST_PARTS_H

#include "tests/unit/unit.h"

Suite *digest_suite(void);

#endif
