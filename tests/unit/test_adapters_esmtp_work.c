/* SPDX-License-Identifier: Apache-2.0 */
/* The esmtp adapter at work: TLS, deadlines, the buffer helper, the end, what is learned. */
#include "base/str.h"
#include "tests/unit/test_adapters_esmtp_stage.h"

#include <dirent.h>
#include <string.h>

/* ---- TLS ---- */

static const char *const tls_script[] = {TLS, HELLO, MAIL, RCPT, DATA, ".", ">250 ok", QUIT, NULL};
static const char *const *const tls_scripts[] = {tls_script, NULL};

/* 1: a server that offers 1.3 and sends tickets is spoken to in 1.2. 2: the context outlives the
 * session that used it. */
START_TEST(tls_is_1_2_and_the_context_lasts)
{
    struct stage stage;
    stage_begin(&stage);
    stage.provider_config.tls = TLS_REQUIRED;
    stage.provider_config.tls_verify = true;
    stage_serve(&stage, tls_scripts);
    fake_tls_tickets(stage.fake);
    for (unsigned i = 0; i < 5; i++) {
        struct session session = {0};
        session_run(&session, &stage);
        ck_assert_msg(strcmp(session.log, "250 accepted 250") == 0, "%s: %s", session.log,
                      session.why);
        ck_assert_str_eq(fake_tls_version(stage.fake), "TLSv1.2");
        ck_assert_str_eq(fake_tls_name(stage.fake), "mx.example.org");
    }
    stage_end(&stage);
}
END_TEST

START_TEST(tls_1_3_alone_fails_at_once)
{
    struct stage stage;
    struct session session = {0};
    int64_t begun = clock_monotonic();
    stage_begin(&stage);
    stage.provider_config.tls = TLS_OPTIONAL;
    stage_serve(&stage, tls_scripts);
    fake_tls_only(stage.fake, TLS1_3_VERSION);
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "250 failed unsaid");
    ck_assert_msg(strstr(session.why, "TLS failed") != NULL, "%s", session.why);
    ck_assert_int_lt(clock_monotonic() - begun, 5 * CLOCK_SECOND);
    stage_end(&stage);
}
END_TEST

/* ---- deadlines ---- */

static const char *const silent[] = {">220 hi", "<EHLO", "W", NULL};
static const char *const good[] = {HI, MAIL, RCPT, DATA, ".", ">250 ok", QUIT, NULL};

/* While the only worker is stuck nothing else is begun; afterwards all is well again. */
START_TEST(a_stuck_worker_is_given_up)
{
    const char *const *const scripts[] = {silent, good, NULL};
    struct stage stage;
    struct session first = {0}, second = {0}, third = {0};
    struct provider_state state;
    struct error err;
    int64_t begun = clock_monotonic();
    stage_begin(&stage);
    stage.provider_config.connections = 1;
    stage.provider_config.reply_timeout = 200 * MILLISECONDS;
    stage_serve(&stage, scripts);
    session_run(&first, &stage);
    ck_assert_str_eq(first.log, "250 failed unsaid");
    ck_assert_int_lt(clock_monotonic() - begun, 4 * CLOCK_SECOND);
    session_run(&second, &stage);
    ck_assert_str_eq(second.log, "failed unsaid");
    ck_assert_msg(strstr(second.why, "stuck") != NULL, "%s", second.why);
    WAIT_UNTIL(&stage, esmtp_ready(stage.provider->ports[0], &err));
    stage.provider_config.reply_timeout = 10 * CLOCK_SECOND;
    session_run(&third, &stage);
    ck_assert_str_eq(third.log, "250 accepted 250");
    provider_state(stage.provider, &state);
    ck_assert_uint_eq(state.busy, 0);
    ck_assert_uint_eq(state.failed, 2);
    ck_assert_uint_eq(state.accepted, 1);
    stage_end(&stage);
}
END_TEST

/* A letter that finds all workers busy waits for one, but not for ever. */
START_TEST(waiting_has_an_end)
{
    const char *const *const scripts[] = {silent, good, NULL};
    struct stage stage;
    struct session first = {0}, second = {0};
    stage_begin(&stage);
    stage.provider_config.connections = 1;
    stage.provider_config.connect_timeout = 300 * MILLISECONDS;
    stage.provider_config.reply_timeout = 2 * CLOCK_SECOND;
    stage_serve(&stage, scripts);
    session_begin(&first, &stage);
    WAIT_UNTIL(&stage, fake_connections(stage.fake) == 1);
    session_run(&second, &stage);
    ck_assert_str_eq(second.log, "250 failed unsaid");
    ck_assert_msg(strstr(second.why, "no connection became free") != NULL, "%s", second.why);
    WAIT_UNTIL(&stage, first.done);
    ck_assert_uint_eq(fake_connections(stage.fake), 1);
    stage_end(&stage);
}
END_TEST

/* The answer to the dot comes after its deadline: it was told as unknown, and stays so. */
START_TEST(late_answers_are_dropped)
{
    static const char *const script[] = {HI,  MAIL, RCPT, DATA, ".", "P", "P",       "P",  "P",
                                         "P", "P",  "P",  "P",  "P", "P", ">250 ok", QUIT, NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session session = {0};
    struct provider_state state;
    struct error err;
    stage_begin(&stage);
    stage.provider_config.connections = 1;
    stage.provider_config.final_timeout = 100 * MILLISECONDS;
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "250 unknown 451");
    WAIT_UNTIL(&stage, esmtp_ready(stage.provider->ports[0], &err));
    provider_state(stage.provider, &state);
    ck_assert_uint_eq(state.unknown, 1);
    ck_assert_uint_eq(state.accepted, 0);
    stage_end(&stage);
}
END_TEST

/* 3: who reads nothing is given up before the library loses bytes; it never sees a dot. */
START_TEST(slow_readers_never_see_a_dot)
{
    static const char *const script[] = {HI,  MAIL, RCPT, DATA, "P", "P", "P", "P", "P",
                                         "P", "P",  "P",  "P",  "P", "P", "P", "~", NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session session = {.more = 20000000};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    stage.provider->content_stall = 200 * MILLISECONDS;
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "250 failed");
    stage_end(&stage);
}
END_TEST

/* 3, without the loop's help: the library has timed out and lost a block when it asks for more. */
START_TEST(lost_blocks_are_noticed)
{
#define SECOND "P", "P", "P", "P", "P", "P", "P", "P", "P", "P", "P", "P", "P", "P", "P", "P", "P"
    static const char *const script[] = {HI,     MAIL,   RCPT,   DATA,   SECOND, SECOND,
                                         SECOND, SECOND, SECOND, SECOND, "~",    NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session session = {.more = 20000000};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    stage.provider->content_stall = 200 * MILLISECONDS;
    session_begin(&session, &stage);
    WAIT_UNTIL(&stage, session.more == 0 && stage.provider->state.busy == 1);
    sleep(7); /* the loop does not turn */
    WAIT_UNTIL(&stage, session.done);
    ck_assert_str_eq(session.log, "250 failed");
    stage_end(&stage);
}
END_TEST

/* ---- the buffer helper ---- */

/* One recipient a message: what is said of it can then become the answer to the whole. */
START_TEST(one_recipient_a_message)
{
    const char *const *const scripts[] = {good, NULL};
    struct stage stage;
    struct session session = {.recipients = 2};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    ck_assert_uint_eq(provider_max_recipients(stage.provider), 1);
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "250 452 accepted 250");
    stage_end(&stage);
}
END_TEST

/* Memory does not grow with the message; every byte arrives. */
START_TEST(large_messages_go_through_a_file)
{
    const char *const *const scripts[] = {good, NULL};
    struct stage stage;
    struct session session = {.more = 64 * 200000};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "250 accepted 250");
    ck_assert_uint_gt(session.drained, 0);
    ck_assert_uint_le(session.most_pending, LETTER_IN_MEMORY + MAIL_PENDING_HIGH + 8192);
    ck_assert_uint_eq(fake_content_bytes(stage.fake), strlen(PLAIN) + 64 * 200000 + 3);
    stage_end(&stage);
}
END_TEST

START_TEST(a_file_that_cannot_be_made_refuses)
{
    static const char *const none[] = {NULL};
    const char *const *const scripts[] = {none, NULL};
    struct stage stage;
    struct session session = {.more = 64 * 20000};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    stage.config.state_dir = "/nonexistent";
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "250 refused 451");
    ck_assert_uint_eq(fake_connections(stage.fake), 0);
    stage_end(&stage);
}
END_TEST

/* At any time: before content, while the file is written, while a worker is at it. */
START_TEST(aborted_at_any_time)
{
    static const char *const half[] = {HI,  MAIL, RCPT, DATA, "P", "P",
                                       "P", "P",  "P",  "P",  "~", NULL};
    const char *const *const scripts[] = {half, NULL};
    struct stage stage;
    struct session session = {.hold = _i == 0, .more = 20000000};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    session_begin(&session, &stage);
    WAIT_UNTIL(&stage, session.log[0] != '\0');
    if (_i == 1)
        WAIT_UNTIL(&stage, session.drained > 3);
    if (_i == 2)
        WAIT_UNTIL(&stage, session.more == 0 && fake_connections(stage.fake) == 1);
    usleep(100000); /* the worker is held by a server that does not read */
    mail_abort(&session.transaction);
    for (unsigned i = 0; i < 20; i++)
        loop_turn(stage.loop);
    ck_assert_str_eq(session.log, "250");
    ck_assert_uint_eq(stage.provider->state.busy, 0);
    stage_end(&stage);
}
END_TEST

/* The end of a provider does not wait for a worker that is stuck. */
static int threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    ck_assert_ptr_nonnull(tasks);
    while (readdir(tasks) != NULL)
        count++;
    closedir(tasks);
    return count;
}

/* A worker that was left behind ends by itself; in the middle of that, what OpenSSL keeps for its
 * thread looks like a leak. */
static void await_threads(int count)
{
    for (int i = 0; i < 1000 && threads() > count; i++)
        usleep(10000);
    ck_assert_int_le(threads(), count);
}

START_TEST(the_end_is_not_held_up)
{
    const int before = threads();
    const char *const *const scripts[] = {silent, NULL};
    struct stage stage;
    struct session session = {0};
    stage_begin(&stage);
    stage.provider_config.reply_timeout = 3 * CLOCK_SECOND;
    stage_serve(&stage, scripts);
    session_begin(&session, &stage);
    WAIT_UNTIL(&stage, fake_connections(stage.fake) == 1);
    usleep(100000);
    mail_abort(&session.transaction);
    int64_t begun = clock_monotonic();
    provider_unref(&stage.provider);
    loop_free(&stage.loop);
    ck_assert_int_lt(clock_monotonic() - begun, 3 * CLOCK_SECOND);
    stage_end(&stage);
    await_threads(before);
}
END_TEST

/* ---- sending without a partner's session ---- */

struct own_mail {
    bool done;
    struct submission_result result;
};

static void own_mail_done(void *arg, const struct submission_result *result)
{
    struct own_mail *mail = arg;
    mail->done = true;
    mail->result = *result;
}

START_TEST(the_gate_may_send_by_itself)
{
    const char *const *const scripts[] = {good, NULL};
    struct stage stage;
    struct error err;
    struct own_mail mail = {0};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    struct letter *letter = letter_new(
        &(struct mail_envelope){.sender = "a@example.org", .ret = "", .envid = ""}, NULL);
    ck_assert(letter_add_recipient(letter, &(struct mail_rcpt){"r@example.net", "", ""}));
    letter_add(letter, PLAIN, strlen(PLAIN));
    ck_assert_ptr_nonnull(esmtp_send(stage.provider->ports[0], letter, own_mail_done, &mail, &err));
    WAIT_UNTIL(&stage, mail.done);
    ck_assert_int_eq(mail.result.outcome, OUTCOME_ACCEPTED);
    stage_end(&stage);
}
END_TEST

/* ---- what is learned ---- */

START_TEST(capabilities_are_learned_from_the_first_message)
{
    static const char *const script[] = {
        ">220 hi", "<EHLO", ">250-fake\r\n250-8bitmime\r\n250-SMTPUTF8\r\n250-DSN\r\n250 SIZE 4321",
        BARE,      DATA,    ".",
        ">250 ok", QUIT,    NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session session = {0};
    struct capabilities capabilities;
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    provider_capabilities(stage.provider, &capabilities);
    ck_assert_uint_eq(capabilities.bits, 0);
    session_run(&session, &stage);
    provider_capabilities(stage.provider, &capabilities);
    ck_assert_uint_eq(capabilities.bits,
                      CAPABILITY_KNOWN | CAPABILITY_8BITMIME | CAPABILITY_DSN | CAPABILITY_SIZE);
    ck_assert_uint_eq(capabilities.max_size, 4321);
    stage_end(&stage);
}
END_TEST

Suite *esmtp_work_suite(void)
{
    const TTest *const tests[] = {tls_is_1_2_and_the_context_lasts,
                                  tls_1_3_alone_fails_at_once,
                                  a_stuck_worker_is_given_up,
                                  waiting_has_an_end,
                                  late_answers_are_dropped,
                                  slow_readers_never_see_a_dot,
                                  lost_blocks_are_noticed,
                                  one_recipient_a_message,
                                  large_messages_go_through_a_file,
                                  a_file_that_cannot_be_made_refuses,
                                  the_end_is_not_held_up,
                                  the_gate_may_send_by_itself,
                                  capabilities_are_learned_from_the_first_message,
                                  NULL};
    Suite *suite = unit_suite("esmtp work", tests);
    TCase *cases = tcase_create("moments");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_loop_test(cases, aborted_at_any_time, 0, 3);
    suite_add_tcase(suite, cases);
    return suite;
}
