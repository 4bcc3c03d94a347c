/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCTROI_TESTS_ADAPTERS_HTTP_PARTS_H
#define OCTROI_TESTS_ADAPTERS_HTTP_PARTS_H

#include <check.h>

Suite *http_text_suite(void);
Suite *http_template_suite(void);
Suite *http_hook_suite(void);
Suite *http_trial_suite(void);
Suite *http_end_suite(void);

#endif
