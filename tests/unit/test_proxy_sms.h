/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of test_proxy_sms, one file each. */
#ifndef OCTROI_TESTS_TEST_PROXY_SMS_H
#define OCTROI_TESTS_TEST_PROXY_SMS_H

#include "tests/unit/unit.h"

Suite *sms_binds_suite(void);
Suite *sms_callbacks_suite(void);
Suite *sms_sent_suite(void);
Suite *sms_recorder_suite(void);
Suite *sms_inbound_suite(void);

#endif
