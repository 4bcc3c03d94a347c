/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of HTTP towards partners share beside the stage. */
#ifndef OCTROI_TESTS_TEST_PROXY_HTTP_SHAPES_H
#define OCTROI_TESTS_TEST_PROXY_HTTP_SHAPES_H

#include "tests/unit/test_proxy_http_stage.h"

#define JSON    "Content-Type: application/json\r\n"
#define FORM    "Content-Type: application/x-www-form-urlencoded\r\n"
#define MESSAGE "{\"to\":\"+33612345670\",\"from\":\"ACME\",\"text\":\"Hello\"}"

/* The body; the caller's. */
json_t *parse(const struct answer *answer);

#define must_text(json, name, value)                                      \
    do {                                                                  \
        const char *is_ = json_string_value(json_object_get(json, name)); \
        must_say(is_ != NULL && strcmp(is_, value) == 0, "%s: %s", name,  \
                 is_ != NULL ? is_ : "(none)");                           \
    } while (0)

/* The header of acme-sms's login, and more. */
const char *with_login(const char *more);
/* POST of the native shape, as acme-sms, with these further headers. */
const char *request(const char *headers, const char *body);

Suite *http_requests_suite(void);
Suite *http_native_suite(void);
Suite *http_shapes_suite(void);
Suite *http_lists_suite(void);
Suite *http_service_suite(void);
Suite *http_stream_suite(void);
Suite *http_stream_end_suite(void);

#endif
