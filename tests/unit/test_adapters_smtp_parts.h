/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of test_adapters_smtp, one file each. */
#ifndef OCTROI_TESTS_ADAPTERS_SMTP_PARTS_H
#define OCTROI_TESTS_ADAPTERS_SMTP_PARTS_H

#include "tests/unit/unit.h"

Suite *smtp_pool_suite(void);
Suite *smtp_tls_suite(void);

#endif
