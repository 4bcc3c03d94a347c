/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP adapter when the gateway ends at once: every message is answered once, the provider
 * goes, and nothing more is asked. */
#include "tests/unit/test_adapters_http_parts.h"
#include "tests/unit/test_adapters_http_stage.h"
#include "tests/unit/unit.h"

#include <event2/http.h>
#include <string.h>

static bool are_quiet(const struct http_stage *stage)
{
    for (unsigned i = 0; i < stage->n_loops; i++)
        if (!loop_is_quiet(stage->loops[i]))
            return false;
    return true;
}

/* Few rounds: nothing has to be waited for. */
static void come_to_rest(struct http_stage *stage)
{
    unsigned rounds = 0;
    do {
        stage_turn(stage);
        ck_assert_uint_lt(++rounds, 20);
    } while (!are_quiet(stage));
}

/* All ports close before any loop is freed. */
static void expect_the_end(struct http_stage *stage)
{
    struct provider_state state;
    struct provider *provider = stage->provider;
    provider_state(provider, &state);
    ck_assert_uint_eq(state.busy, 0);
    ck_assert_str_eq(state.breaker, "closed"); /* it is not the provider's fault */
    stage->provider = NULL;
    provider_unref(&provider);
    come_to_rest(stage);
    stage_end(stage);
}

static void expect(const struct heard *heard, const char *line)
{
    ck_assert_uint_eq(heard->count, 1);
    ck_assert_msg(strcmp(heard_line(heard), line) == 0, "%s: %s", heard_line(heard), heard->text);
}

/* On each loop one runs, one waits for a place, and one came in this turn. */
START_TEST(abandoned)
{
    struct http_stage stage;
    struct heard heard[7];
    struct sms_message message = stage_message();
    stage_begin(&stage);
    stage.n_loops = 2;
    stage.provider_config.connections = 2;
    stage_template(&stage, HTTP_PLAIN);
    stage_script(&stage, (struct scripted){.deed = DEED_HOLD});
    stage_serve(&stage);
    for (unsigned i = 0; i < 2; i++)
        stage_begin_send(&stage, i, &message, &heard[i]);
    WAIT_UNTIL(&stage, stage.held_now == 2);
    for (unsigned i = 2; i < 4; i++)
        stage_begin_send(&stage, i % 2, &message, &heard[i]);
    for (int i = 0; i < 5; i++)
        stage_turn(&stage);
    for (unsigned i = 4; i < 6; i++)
        stage_begin_send(&stage, i % 2, &message, &heard[i]);
    sms_abandon(stage.provider, stage.loops[0]);
    expect(&heard[0], "unknown");
    expect(&heard[2], "none");
    expect(&heard[4], "none");
    ck_assert_uint_eq(heard[1].count, 0); /* the other loop's own thread does it */
    sms_abandon(stage.provider, stage.loops[0]);
    come_to_rest(&stage);
    for (unsigned i = 0; i < 6; i++)
        expect(&heard[i], i < 2 ? "unknown" : "none");
    stage_begin_send(&stage, 1, &message, &heard[6]);
    come_to_rest(&stage);
    expect(&heard[6], "none");
    ck_assert_uint_eq(stage.n_asked, 2);
    stage_release(&stage, 200, "{}");
    expect_the_end(&stage);
}
END_TEST

/* libcurl has it, and not a byte of it has left. */
START_TEST(abandoned_before_it_left)
{
    struct http_stage stage;
    struct heard heard;
    struct sms_message message = stage_message();
    stage_begin(&stage);
    stage_template(&stage, HTTP_PLAIN);
    stage_answer(&stage, 200, "{}");
    stage_serve(&stage);
    stage_begin_send(&stage, 0, &message, &heard);
    struct http_port *port = (struct http_port *)stage.provider->ports[0];
    http_pump(port);
    ck_assert(!TAILQ_EMPTY(&port->running));
    sms_abandon(stage.provider, stage.loops[0]);
    expect(&heard, "none");
    come_to_rest(&stage);
    ck_assert_uint_eq(stage.n_asked, 0);
    expect_the_end(&stage);
}
END_TEST

/* A name is being looked up: it is not waited for. */
START_TEST(abandoned_while_it_looks_up)
{
    struct http_stage stage;
    struct heard heard[2];
    struct sms_message message = stage_message();
    stage_begin(&stage);
    stage_template(&stage, "request: { url = \"http://localhost:1/s\" }\n"
                           "answer: { accepted: { status = [ 200 ] } }\n");
    stage_serve(&stage);
    for (unsigned i = 0; i < 2; i++)
        stage_begin_send(&stage, 0, &message, &heard[i]);
    struct http_port *port = (struct http_port *)stage.provider->ports[0];
    http_pump(port);
    ck_assert_ptr_nonnull(port->lookup);
    sms_abandon(stage.provider, stage.loops[0]);
    ck_assert_ptr_null(port->lookup);
    for (unsigned i = 0; i < 2; i++)
        expect(&heard[i], "none");
    come_to_rest(&stage);
    expect_the_end(&stage);
}
END_TEST

static void on_finding(void *arg, const struct provider_finding *finding)
{
    unsigned *ends = arg;
    if (finding->step == NULL) {
        ck_assert(!finding->ok);
        (*ends)++;
    }
}

/* 0: it has not begun; 1: it waits for its address; 2: for the answer. */
START_TEST(abandoned_trial)
{
    struct http_stage stage;
    unsigned ends = 0;
    stage_begin(&stage);
    stage_template(&stage, _i == 1 ? "request: { url = \"http://localhost:1/s\" }\n"
                                     "answer: { accepted: { status = [ 200 ] } }\n"
                                   : "request: { url = \"{url}/send\" }\n"
                                     "answer: { accepted: { status = [ 200 ] } }\n"
                                     "test: { url = \"{url}/account\" }\n");
    stage_script(&stage, (struct scripted){.deed = DEED_HOLD});
    stage_serve(&stage);
    struct http_port *port = (struct http_port *)stage.provider->ports[0];
    provider_test(stage.provider, stage.loops[0], on_finding, &ends);
    if (_i == 1) {
        struct error err;
        ck_assert_int_eq(http_look_up(port, &err), HTTP_LOOKING);
        event_base_loop(loop_base(stage.loops[0]), EVLOOP_NONBLOCK);
    }
    if (_i == 2)
        WAIT_UNTIL(&stage, stage.held_now == 1);
    sms_abandon(stage.provider, stage.loops[0]);
    come_to_rest(&stage);
    ck_assert_uint_eq(ends, 1);
    stage_release(&stage, 200, "{}");
    expect_the_end(&stage);
}
END_TEST

Suite *http_end_suite(void)
{
    const TTest *const tests[] = {abandoned, abandoned_before_it_left, abandoned_while_it_looks_up,
                                  NULL};
    Suite *suite = unit_suite("end", tests);
    TCase *tables = tcase_create("tables");
    tcase_set_timeout(tables, UNIT_SECONDS);
    tcase_add_loop_test(tables, abandoned_trial, 0, 3);
    suite_add_tcase(suite, tables);
    return suite;
}
