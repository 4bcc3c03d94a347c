/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of test_proxy, one file each. */
#ifndef OCTROI_TESTS_TEST_PROXY_PARTS_H
#define OCTROI_TESTS_TEST_PROXY_PARTS_H

#include "tests/unit/unit.h"

Suite *balancer_suite(void);
Suite *content_suite(void);
Suite *fence_suite(void);
Suite *handover_suite(void);
Suite *header_suite(void);
Suite *link_suite(void);
Suite *parameters_suite(void);

#endif
