/* SPDX-License-Identifier: Apache-2.0 */
/* `octroi provider test` of a provider by HTTP: each step told, and never a message. */
#include "tests/unit/test_adapters_http_parts.h"
#include "tests/unit/test_adapters_http_stage.h"
#include "tests/unit/unit.h"

#include <event2/http.h>
#include <stdio.h>
#include <string.h>

struct trial {
    char log[1024];
    bool over, works, inside;
};

static void on_finding(void *arg, const struct provider_finding *finding)
{
    struct trial *trial = arg;
    size_t length = strlen(trial->log);
    ck_assert(!trial->inside);
    ck_assert_ptr_null(strstr(finding->detail, "secret-1"));
    if (finding->step == NULL) {
        ck_assert(!trial->over);
        trial->over = true;
        trial->works = finding->ok;
        return;
    }
    ck_assert(!trial->over && finding->took >= 0);
    snprintf(trial->log + length, sizeof(trial->log) - length, "%s%s%s", length > 0 ? " " : "",
             finding->ok ? "" : "!", finding->step);
}

static void try_it(struct http_stage *stage, struct trial *trial)
{
    *trial = (struct trial){.inside = true};
    provider_test(stage->provider, stage->loops[0], on_finding, trial);
    trial->inside = false;
    WAIT_UNTIL(stage, trial->over);
}

static const char with_test[] = "auth = \"basic\"\n"
                                "request: { url = \"{url}/send\" }\n"
                                "answer: { accepted: { status = [ 200 ] } error = [ \"e\" ] }\n"
                                "test: { url = \"{url}/account\" }\n";

START_TEST(a_provider_is_tested_without_a_message)
{
    struct http_stage stage;
    struct trial trial;
    stage_begin(&stage);
    stage_template(&stage, with_test);
    stage_answer(&stage, 200, "{}");
    stage_answer(&stage, 401, "{\"e\":\"who is secret-1?\"}");
    stage_script(&stage, (struct scripted){.deed = DEED_CLOSE});
    stage_serve(&stage);
    try_it(&stage, &trial);
    ck_assert_str_eq(trial.log, "template resolve connect request");
    ck_assert(trial.works);
    ck_assert_str_eq(stage.asked[0].line, "GET /account");
    ck_assert_ptr_nonnull(
        strstr(stage.asked[0].headers, "Authorization: Basic dXNlcjpzZWNyZXQtMQ==\n"));
    try_it(&stage, &trial);
    ck_assert_str_eq(trial.log, "template resolve connect !request");
    ck_assert(!trial.works);
    try_it(&stage, &trial);
    ck_assert_str_eq(trial.log, "template resolve connect !request");
    evhttp_free(stage.server);
    stage.server = NULL;
    try_it(&stage, &trial);
    ck_assert_str_eq(trial.log, "template resolve !connect");
    stage_end(&stage);
}
END_TEST

START_TEST(a_provider_without_a_test_request_is_connected_to)
{
    struct http_stage stage;
    struct trial trial;
    char certificate[160], key[160];
    stage_begin_tls(&stage, certificate, key);
    stage.provider_config.tls_verify = false;
    stage_serve(&stage);
    try_it(&stage, &trial);
    ck_assert_str_eq(trial.log, "template resolve connect tls");
    ck_assert(trial.works);
    ck_assert_uint_eq(stage.n_asked, 0);
    stage_end(&stage);
    stage_begin_tls(&stage, certificate, key);
    stage_serve(&stage);
    try_it(&stage, &trial);
    ck_assert_str_eq(trial.log, "template resolve connect !tls");
    ck_assert(!trial.works);
    stage_end(&stage);
}
END_TEST

START_TEST(a_name_that_is_none_fails_the_test)
{
    struct http_stage stage;
    struct trial trial;
    stage_begin(&stage);
    stage_template(&stage, HTTP_PLAIN);
    stage.provider_config.url = "https://nobody.invalid";
    stage_answer(&stage, 200, "{}");
    stage_serve(&stage);
    try_it(&stage, &trial);
    ck_assert_str_eq(trial.log, "template !resolve");
    ck_assert(!trial.works);
    stage_end(&stage);
}
END_TEST

Suite *http_trial_suite(void)
{
    const TTest *const tests[] = {a_provider_is_tested_without_a_message,
                                  a_provider_without_a_test_request_is_connected_to,
                                  a_name_that_is_none_fails_the_test, NULL};
    return unit_suite("trial", tests);
}
