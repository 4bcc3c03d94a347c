/* SPDX-License-Identifier: Apache-2.0 */
/* The cut-through SMTP client against scripted servers: what the session is told, word by word. */
#include "base/clock.h"
#include "tests/unit/test_adapters_smtp_parts.h"
#include "tests/unit/test_adapters_stage.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- what a provider may say ---- */

#define DRAINING  HELLO, "<MAIL", "<RCPT", "<RCPT", ">552 too big"
#define RESETTING HELLO, MAIL, "<RCPT", ">550 no", "<RSET"

struct row {
    const char *name;
    unsigned recipients;
    const char *told;
    const char *script[STEPS];
};

static const struct row rows[] = {
    {"accepted",
     1,
     "250 accepted 250 4XyZ9",
     {HELLO, "<MAIL FROM:<a@example.org> SIZE=1234\r\n", ">250 ok", RCPT, DATA, ".",
      ">250 2.0.0 Ok: queued as 4XyZ9", "<QUIT"}},
    {"answers of many lines",
     1,
     "250 accepted 250",
     {">220-hi\r\n220 there", "<EHLO", ">250-a\r\n250 b", MAIL, "<RCPT", ">250-one\r\n250 two",
      DATA, ".", ">250-thank\r\n250 you", "<QUIT"}},
    {"a code without text",
     1,
     "250 accepted 250",
     {HELLO, "<MAIL", ">250", "<RCPT", ">250", "<DATA", ">354", ".", ">250", "<QUIT"}},
    {"an answer in two parts",
     1,
     "250 accepted 250",
     {"=22", "P", "=0 hi\r", "P", "=\n", "<EHLO", ">250 x", MAIL, RCPT, DATA, ".", "=25", "P",
      ">0 ok", "<QUIT"}},
    {"one command at a time",
     2,
     "250 250 accepted 250",
     {HELLO_ONE, "<MAIL", "N", ">250 ok", "<RCPT", "N", ">250 ok", "<RCPT", "N", ">250 ok", DATA,
      ".", ">250 ok", "<QUIT"}},
    {"all at once",
     2,
     "250 550 accepted 250",
     {HELLO, "<MAIL", "<RCPT TO:<r0@", "<RCPT TO:<r1@", "N", ">250 ok\r\n250 ok\r\n550 no", DATA,
      ".", ">250 ok", "<QUIT"}},
    {"mixed answers",
     4,
     "250 550 451 251 accepted 250",
     {HELLO, MAIL, RCPT, "<RCPT", ">550 5.1.1 no", "<RCPT", ">451 later", "<RCPT", ">251 else",
      DATA, ".", ">250 ok", "<QUIT"}},
    {"all refused, and the connection is kept",
     2,
     "550 551",
     {HELLO, MAIL, "<RCPT", ">550 no", "<RCPT", ">551 no", "<RSET", ">250 ok", "<QUIT"}},
    {"MAIL refused",
     2,
     "552 552",
     {HELLO, "<MAIL", "<RCPT", "<RCPT", ">552 too big", "N", ">503 no", ">503 no", "<RSET",
      ">250 ok", "<QUIT"}},
    {"MAIL refused, one at a time",
     2,
     "450 450",
     {HELLO_ONE, "<MAIL", ">450 no", "<RSET", ">250 ok", "<QUIT"}},
    {"DATA refused",
     1,
     "250 content 554 refused 554",
     {HELLO, MAIL, RCPT, "<DATA", ">554 no", "<RSET", ">250 ok", "<QUIT"}},
    {"DATA answered 250",
     1,
     "250 content 451 refused 451",
     {HELLO, MAIL, RCPT, "<DATA", ">250 ok", "W"}},
    {"refused at the end",
     1,
     "250 refused 552",
     {HELLO, MAIL, RCPT, DATA, ".", ">552 5.3.4 no", "<QUIT"}},
    {"deferred at the end",
     1,
     "250 refused 451",
     {HELLO, MAIL, RCPT, DATA, ".", ">451 no", "<QUIT"}},
    {"421 greeting", 1, "failed unsaid", {">421 busy"}},
    {"554 greeting", 1, "failed unsaid", {">554 never", "W"}},
    {"421 to EHLO", 1, "failed unsaid", {">220 hi", "<EHLO", ">421 no"}},
    {"EHLO refused", 1, "failed unsaid", {">220 hi", "<EHLO", ">502 no"}},
    {"421 to MAIL", 2, "421 421", {HELLO, "<MAIL", ">421 bye"}},
    {"421 to RCPT", 2, "250 421 failed", {HELLO_ONE, MAIL, RCPT, "<RCPT", ">421 bye"}},
    {"421 to DATA", 1, "250 content 421 refused 421", {HELLO, MAIL, RCPT, "<DATA", ">421 bye"}},
    {"421 to the dot", 1, "250 refused 421", {HELLO, MAIL, RCPT, DATA, ".", ">421 bye"}},
    {"421 on top of the answer",
     1,
     "250 accepted 250",
     {HELLO, MAIL, RCPT, DATA, ".", ">250 ok\r\n421 bye"}},
    {"refused in the middle",
     1,
     "250 content 552 refused 552",
     {HELLO, MAIL, RCPT, "<DATA", ">354 go\r\n552 too big"}},
    {"accepted before the dot", 1, "250 failed", {HELLO, MAIL, RCPT, "<DATA", ">354 go\r\n250 ok"}},
    {"garbage greeting", 1, "failed unsaid", {">SSH-2.0-OpenSSH"}},
    {"garbage to EHLO", 1, "failed unsaid", {">220 hi", "<EHLO", ">what?"}},
    {"two codes in one answer", 1, "failed unsaid", {">220 hi", "<EHLO", ">250-a\r\n251 b"}},
    {"bare LF", 1, "failed unsaid", {"=220 hi\n"}},
    {"four digits", 1, "failed unsaid", {">2200 hi"}},
    {"a code of no class", 1, "failed unsaid", {">120 hi"}},
    {"garbage to MAIL", 1, "failed", {HELLO, "<MAIL", ">2x0 hm"}},
    {"354 to MAIL", 1, "failed", {HELLO, "<MAIL", ">354 hm"}},
    {"garbage to RCPT", 1, "failed", {HELLO, MAIL, "<RCPT", ">?"}},
    {"garbage to DATA", 1, "250 failed", {HELLO, MAIL, RCPT, "<DATA", ">?"}},
    {"garbage to the dot", 1, "250 unknown 451", {HELLO, MAIL, RCPT, DATA, ".", ">250_ok"}},
    {"354 to the dot", 1, "250 unknown 451", {HELLO, MAIL, RCPT, DATA, ".", ">354 more"}},
    {"EOF at once", 1, "failed unsaid", {NULL}},
    {"EOF after the greeting", 1, "failed unsaid", {">220 hi"}},
    {"EOF in the greeting", 1, "failed unsaid", {"=220 h"}},
    {"EOF after EHLO", 1, "failed unsaid", {">220 hi", "<EHLO"}},
    {"EOF after MAIL", 1, "failed", {HELLO, "<MAIL"}},
    {"EOF between answers", 2, "250 failed", {HELLO, "<MAIL", "<RCPT", ">250 ok\r\n250 ok"}},
    {"EOF after DATA", 1, "250 failed", {HELLO, MAIL, RCPT, "<DATA"}},
    {"EOF after the dot", 1, "250 unknown 451", {HELLO, MAIL, RCPT, DATA, "."}},
    {"EOF within the last answer", 1, "250 unknown 451", {HELLO, MAIL, RCPT, DATA, ".", "=250 o"}},
    {"an answer too many", 1, "250 failed", {HELLO, MAIL, "<RCPT", ">250 ok\r\n250 ok", "W"}},
    {"8BITMIME is not offered", 1, "554", {HELLO_ONE, "<QUIT"}},
    {"too long a greeting", 1, "failed unsaid", {">220 " LONG, "W"}},
    {"EOF within the answer to EHLO", 1, "failed unsaid", {">220 hi", "<EHLO", "=250-fake\r\n25"}},
    {"too long an answer to EHLO", 1, "failed unsaid", {">220 hi", "<EHLO", ">250 " LONG, "W"}},
    {"EOF within the answer to MAIL", 1, "failed", {HELLO, "<MAIL", "=250"}},
    {"EOF within the answer to RCPT", 1, "failed", {HELLO, MAIL, "<RCPT", "=250-one\r\n"}},
    {"too long an answer to RCPT", 1, "failed", {HELLO, MAIL, "<RCPT", ">250 " LONG, "W"}},
    {"EOF within the answer to DATA", 1, "250 failed", {HELLO, MAIL, RCPT, "<DATA", "=354"}},
    {"too long an answer to DATA",
     1,
     "250 failed",
     {HELLO, MAIL, RCPT, "<DATA", ">354 " LONG, "W"}},
    {"too long an answer to the dot",
     1,
     "250 unknown 451",
     {HELLO, MAIL, RCPT, DATA, ".", ">250 " LONG, "W"}},
    {"EOF after a refused MAIL", 2, "552 552", {DRAINING}},
    {"EOF within an answer behind a refused MAIL", 2, "552 552", {DRAINING, "=50"}},
    {"too long an answer behind a refused MAIL", 2, "552 552", {DRAINING, ">503 " LONG, "W"}},
    {"garbage behind a refused MAIL", 2, "552 552", {DRAINING, ">?", "W"}},
    {"421 behind a refused MAIL", 2, "552 552", {DRAINING, ">421 bye", "W"}},
    {"EOF after RSET", 1, "550", {RESETTING}},
    {"EOF within the answer to RSET", 1, "550", {RESETTING, "=2"}},
    {"too long an answer to RSET", 1, "550", {RESETTING, ">250 " LONG, "W"}},
    {"garbage to RSET", 1, "550", {RESETTING, ">?", "W"}},
    {"RSET refused", 1, "550", {RESETTING, ">502 no", "W"}},
};

static void run_row(const struct row *row)
{
    struct stage stage;
    struct session session = {.recipients = row->recipients};
    const char *const *const scripts[] = {row->script, NULL};
    session.eight_bit = strstr(row->name, "8BITMIME") != NULL;
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    /* What follows the end (RSET) is given the time to happen. */
    int64_t until = clock_monotonic() + 120 * MILLISECONDS;
    while (clock_monotonic() < until)
        stage_turn(&stage);
    struct provider_state state;
    provider_state(stage.provider, &state);
    ck_assert_msg(strcmp(session.log, row->told) == 0, "%s: told \"%s\", not \"%s\" (%s)",
                  row->name, session.log, row->told, state.last_error);
    ck_assert_msg(fake_problem(stage.fake)[0] == '\0', "%s: %s", row->name,
                  fake_problem(stage.fake));
    ck_assert_msg(state.busy == 0, "%s: busy", row->name);
    ck_assert_msg(fake_connections(stage.fake) == 1, "%s: tried again", row->name);
    stage_end(&stage);
}

START_TEST(answers_are_the_providers)
{
    run_row(&rows[_i]);
}
END_TEST

/* ---- silence, in every state ---- */

static const struct row silences[] = {
    {"no greeting", 1, "failed unsaid", {"W"}},
    {"EHLO", 1, "failed unsaid", {">220 hi", "<EHLO", "W"}},
    {"half a line", 1, "failed unsaid", {"=220 ", "W"}},
    {"MAIL", 1, "failed", {HELLO, "<MAIL", "W"}},
    {"RCPT", 2, "250 failed", {HELLO, MAIL, RCPT, "W"}},
    {"DATA", 1, "250 failed", {HELLO, MAIL, RCPT, "<DATA", "W"}},
    {"the dot", 1, "250 unknown 451", {HELLO, MAIL, RCPT, DATA, ".", "W"}},
    {"RSET", 1, "550", {RESETTING, "W"}},
    {"behind a refused MAIL", 2, "552 552", {DRAINING, "W"}},
    {"half an answer to RCPT", 2, "250 failed", {HELLO, MAIL, RCPT, "=25", "W"}},
};

START_TEST(silence_ends_at_its_deadline)
{
    const struct row *row = &silences[_i];
    struct stage stage;
    struct session session = {.recipients = row->recipients};
    struct provider_state state;
    const char *const *const scripts[] = {row->script, NULL};
    stage_begin(&stage);
    stage_be_impatient(&stage);
    stage_serve(&stage, scripts);
    int64_t start = clock_monotonic();
    session_run(&session, &stage);
    ck_assert_msg(strcmp(session.log, row->told) == 0, "%s: told \"%s\"", row->name, session.log);
    ck_assert_int_lt(clock_monotonic() - start, 2 * CLOCK_SECOND);
    WAIT_UNTIL(&stage, (provider_state(stage.provider, &state), state.connections == 0));
    stage_end(&stage);
}
END_TEST

START_TEST(content_that_is_not_taken_ends)
{
    static const char *const script[] = {HELLO, MAIL, RCPT, DATA, "P", "P", "P", "P",
                                         "P",   "P",  "P",  "P",  "P", "P", NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session session = {.to_send = 64 * 1024 * 1024};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    stage.provider->content_stall = 100 * MILLISECONDS;
    int64_t start = clock_monotonic();
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "250 failed");
    ck_assert_int_lt(clock_monotonic() - start, 550 * MILLISECONDS);
    stage_end(&stage);
}
END_TEST

START_TEST(a_silent_session_is_not_the_providers_fault)
{
    static const char *const script[] = {HELLO, MAIL, RCPT, DATA, ".", ">250 ok", "<QUIT", NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session session = {.half = true};
    stage_begin(&stage);
    stage_be_impatient(&stage);
    stage_serve(&stage, scripts);
    stage.provider->content_stall = 100 * MILLISECONDS;
    session_begin(&session, &stage, 0);
    WAIT_UNTIL(&stage, fake_content_bytes(stage.fake) > 0);
    int64_t until = clock_monotonic() + 400 * MILLISECONDS;
    while (clock_monotonic() < until)
        stage_turn(&stage);
    mail_finish(session.transaction);
    WAIT_UNTIL(&stage, session.done);
    ck_assert_str_eq(session.log, "250 accepted 250");
    stage_end(&stage);
}
END_TEST

/* What a provider may do while content is on its way to it; the dot is never said. */
static const char *const within_content[][1] = {{NULL}, {"=25"},     {">250 " LONG},
                                                {">?"}, {">250 ok"}, {">354 go"}};

START_TEST(a_fault_within_the_content)
{
    const char *const script[] = {HELLO, MAIL, RCPT, DATA, "P", within_content[_i][0], NULL, NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session session = {.half = true};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "250 failed");
    stage_end(&stage);
}
END_TEST

/* Whatever the answer to QUIT, the connection is gone soon. */
static const char *const farewells[] = {NULL, "W", "=22", ">221 " LONG, ">?", ">500 no"};

START_TEST(a_farewell_is_short)
{
    const char *const script[] = {HELLO,   MAIL,          RCPT,
                                  DATA,    ".",           ">250 ok",
                                  "<QUIT", farewells[_i], farewells[_i] != NULL ? "W" : NULL,
                                  NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session session = {.recipients = 1};
    struct provider_state state;
    stage_begin(&stage);
    stage.provider_config.idle_timeout = 100 * MILLISECONDS;
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "250 accepted 250");
    WAIT_UNTIL(&stage, (provider_state(stage.provider, &state), state.connections == 0));
    stage_end(&stage);
}
END_TEST

/* ---- before there is a connection ---- */

struct nap {
    struct worker_job job;
    atomic_bool *over;
};

static void nap(struct worker_job *job)
{
    while (!atomic_load(((struct nap *)job)->over))
        usleep(1000);
}

static unsigned naps_ended;

static void nap_over(struct loop_task *task)
{
    (void)task;
    naps_ended++;
}

START_TEST(a_lookup_has_a_deadline)
{
    static const char *const script[] = {NULL};
    const char *const *const scripts[] = {script, NULL};
    atomic_bool over = false;
    struct nap naps[2]; /* as many as a provider has helpers */
    struct stage stage;
    struct session session = {.recipients = 1};
    naps_ended = 0;
    stage_begin(&stage);
    stage_be_impatient(&stage);
    stage.provider_config.host = "localhost";
    stage_serve(&stage, scripts);
    for (unsigned i = 0; i < 2; i++) {
        naps[i] = (struct nap){{.task.run = nap_over, .work = nap, .home = stage.loops[0]}, &over};
        ck_assert(provider_submit(stage.provider, &naps[i].job));
    }
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "failed unsaid");
    atomic_store(&over, true);
    WAIT_UNTIL(&stage, naps_ended == 2);
    stage_end(&stage);
}
END_TEST

/* A listener whose queue is full answers no further request. */
START_TEST(a_connection_request_has_a_deadline)
{
    static const char *const script[] = {NULL};
    const char *const *const scripts[] = {script, NULL};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    struct stage stage;
    struct session session = {.recipients = 1};
    int queued[4];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(listener, 0), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    for (unsigned i = 0; i < 4; i++) {
        queued[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(queued[i], (struct sockaddr *)&address, length);
    }
    stage_begin(&stage);
    stage_be_impatient(&stage);
    stage_serve(&stage, scripts);
    stage.provider_config.port = ntohs(address.sin_port);
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "failed unsaid");
    stage_end(&stage);
    for (unsigned i = 0; i < 4; i++)
        close(queued[i]);
    close(listener);
}
END_TEST

START_TEST(nobody_listens)
{
    static const char *const script[] = {NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session session = {.recipients = 1}, by_name = {.recipients = 1};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    stage.provider_config.port = 1;
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "failed unsaid");
    stage.provider_config.host = "name.invalid";
    session_run(&by_name, &stage);
    ck_assert_str_eq(by_name.log, "failed unsaid");
    stage_end(&stage);
}
END_TEST

START_TEST(a_name_is_looked_up)
{
    static const char *const script[] = {HELLO, MAIL, RCPT, DATA, ".", ">250 ok", "<QUIT", NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session session = {.recipients = 1};
    stage_begin(&stage);
    stage.provider_config.host = "localhost";
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "250 accepted 250");
    stage_end(&stage);
}
END_TEST

START_TEST(a_lookup_may_outlive_its_connection)
{
    static const char *const script[] = {NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    stage_begin(&stage);
    stage.provider_config.host = "localhost";
    stage_serve(&stage, scripts);
    provider_warm(stage.provider, stage.loops[0]);
    stage_end(&stage);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {content_that_is_not_taken_ends,
                                  a_lookup_has_a_deadline,
                                  a_connection_request_has_a_deadline,
                                  a_silent_session_is_not_the_providers_fault,
                                  nobody_listens,
                                  a_name_is_looked_up,
                                  a_lookup_may_outlive_its_connection,
                                  NULL};
    Suite *lookups = unit_suite("smtp look-ups", tests);
    Suite *tables = suite_create("smtp answers");
    TCase *cases = tcase_create("tables");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_loop_test(cases, answers_are_the_providers, 0, ROWS(rows));
    tcase_add_loop_test(cases, silence_ends_at_its_deadline, 0, ROWS(silences));
    tcase_add_loop_test(cases, a_fault_within_the_content, 0, ROWS(within_content));
    tcase_add_loop_test(cases, a_farewell_is_short, 0, ROWS(farewells));
    suite_add_tcase(tables, cases);
    Suite *const suites[] = {lookups, tables, smtp_tls_suite(), smtp_pool_suite(), NULL};
    return unit_run(suites);
}
