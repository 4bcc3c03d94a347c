/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to a provider: kept, shared, capped; given up; and how much goes over one. */
#include "base/clock.h"
#include "base/file.h"
#include "tests/unit/test_adapters_smtp_parts.h"
#include "tests/unit/test_adapters_stage.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* ---- connections: kept, shared, capped ---- */

START_TEST(a_warm_connection_is_used_again)
{
    static const char *const script[] = {HELLO, "@", MESSAGE, "*", NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct capabilities offered;
    struct provider_state state;
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    provider_capabilities(stage.provider, &offered);
    ck_assert_uint_eq(offered.bits, 0);
    provider_warm(stage.provider, stage.loops[0]);
    provider_warm(stage.provider, stage.loops[0]);
    WAIT_UNTIL(&stage, (provider_capabilities(stage.provider, &offered), offered.bits != 0));
    ck_assert_uint_eq(offered.bits, CAPABILITY_KNOWN | CAPABILITY_PIPELINING | CAPABILITY_SIZE);
    ck_assert_uint_eq(offered.max_size, 9999);
    for (unsigned i = 0; i < 5; i++) {
        struct session session = {.recipients = 1};
        session_run(&session, &stage);
        ck_assert_str_eq(session.log, "250 accepted 250");
    }
    provider_state(stage.provider, &state);
    ck_assert_uint_eq(state.accepted, 5);
    ck_assert_uint_eq(state.connections, 1);
    ck_assert_uint_eq(state.busy, 0);
    ck_assert_uint_eq(fake_connections(stage.fake), 1);
    /* What was learned is there after a restart. */
    char path[160];
    struct provider *again;
    struct error err;
    stage_path(&stage, "providers/fake.json", path);
    WAIT_UNTIL(&stage, file_exists(path));
    usleep(20000);
    ck_assert_int_eq(
        provider_new(&stage.provider_config, &stage.config, stage.loops, 1, &again, &err),
        RESULT_OK);
    provider_capabilities(again, &offered);
    ck_assert_uint_eq(offered.max_size, 9999);
    provider_unref(&again);
    stage_end(&stage);
}
END_TEST

START_TEST(a_stale_connection_is_replaced_once)
{
    /* The second server leaves without a word, too: that is the end. */
    static const char *const kept[] = {HELLO, MESSAGE, "<MAIL", NULL};
    static const char *const fresh[] = {HELLO, MESSAGE, "<MAIL", NULL};
    static const char *const leaves[] = {HELLO, "<MAIL", NULL};
    const char *const *const scripts[] = {kept, fresh, leaves, NULL};
    const char *const told[] = {"250 accepted 250", "250 accepted 250", "failed"};
    struct stage stage;
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    for (unsigned i = 0; i < 3; i++) {
        struct session session = {.recipients = 2};
        session.recipients = 1;
        session_run(&session, &stage);
        ck_assert_str_eq(session.log, told[i]);
    }
    ck_assert_uint_eq(fake_connections(stage.fake), 3);
    stage_end(&stage);
}
END_TEST

START_TEST(a_spoken_to_connection_is_not_retried)
{
    static const char *const kept[] = {HELLO, MESSAGE, "<MAIL", ">250 ok", NULL};
    const char *const *const scripts[] = {kept, NULL};
    struct stage stage;
    struct session first = {.recipients = 1}, second = {.recipients = 1};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    session_run(&first, &stage);
    session_run(&second, &stage);
    ck_assert_str_eq(second.log, "failed");
    ck_assert_uint_eq(fake_connections(stage.fake), 1);
    stage_end(&stage);
}
END_TEST

START_TEST(an_idle_connection_that_speaks_is_dropped)
{
    static const char *const speaks[] = {HELLO, MESSAGE, "P", ">421 idle", "W", NULL};
    static const char *const good[] = {HELLO, MESSAGE, "<QUIT", NULL};
    const char *const *const scripts[] = {speaks, good, NULL};
    struct stage stage;
    struct session first = {.recipients = 1}, second = {.recipients = 1};
    struct provider_state state;
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    session_run(&first, &stage);
    WAIT_UNTIL(&stage, (provider_state(stage.provider, &state), state.connections == 0));
    session_run(&second, &stage);
    ck_assert_str_eq(second.log, "250 accepted 250");
    stage_end(&stage);
}
END_TEST

/* The bytes are in the kernel already when the connection is taken: they must be seen. */
START_TEST(unread_bytes_are_seen_at_the_last_moment)
{
    static const char *const speaks[] = {HELLO, MESSAGE, "P", ">250 surprise", "W", NULL};
    static const char *const good[] = {HELLO, MESSAGE, "<QUIT", NULL};
    const char *const *const scripts[] = {speaks, good, NULL};
    struct stage stage;
    struct session first = {.recipients = 1}, second = {.recipients = 1};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    session_run(&first, &stage);
    stage_turn(&stage);
    usleep(120000);
    session_run(&second, &stage);
    ck_assert_str_eq(second.log, "250 accepted 250");
    ck_assert_uint_eq(fake_connections(stage.fake), 2);
    stage_end(&stage);
}
END_TEST

START_TEST(idle_connections_end)
{
    static const char *const script[] = {HELLO, MESSAGE, "<QUIT", ">221 bye", NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session session = {.recipients = 1};
    struct provider_state state;
    stage_begin(&stage);
    stage.provider_config.idle_timeout = 100 * MILLISECONDS;
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    WAIT_UNTIL(&stage, (provider_state(stage.provider, &state), state.connections == 0));
    stage_end(&stage);
}
END_TEST

/* 2 loops, 20 sessions each, and fewer places than that; everybody gets through. */
START_TEST(the_cap_holds_over_the_loops)
{
    static const char *const script[] = {HELLO, "@", MESSAGE, "*", NULL};
    const char *const *const scripts[] = {script, NULL};
    static struct session sessions[40];
    struct stage stage;
    struct provider_state state;
    memset(sessions, 0, sizeof(sessions));
    stage_begin(&stage);
    stage.n_loops = 2;
    stage.provider_config.connections = (unsigned)_i + 1;
    stage_serve(&stage, scripts);
    for (unsigned i = 0; i < 40; i++)
        session_begin(&sessions[i], &stage, i % 2);
    for (unsigned i = 0; i < 40; i++) {
        WAIT_UNTIL(&stage, sessions[i].done);
        ck_assert_str_eq(sessions[i].log, "250 accepted 250");
        provider_state(stage.provider, &state);
        ck_assert_uint_le(state.connections, stage.provider_config.connections);
    }
    ck_assert_uint_le(fake_most_at_once(stage.fake), stage.provider_config.connections + 1);
    stage_end(&stage);
}
END_TEST

/* The same with a thread a loop, for the thread sanitizer: each session belongs to its loop, and
 * the provider's last reference goes while the loops still run. */
struct start {
    struct loop_task task;
    struct stage *stage;
    struct session session;
    unsigned loop;
};

static atomic_uint undone;

static void run_start(struct loop_task *task)
{
    struct start *start = CONTAINER_OF(task, struct start, task);
    start->session.undone = &undone;
    session_begin(&start->session, start->stage, start->loop);
}

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

START_TEST(loops_in_threads_share_a_provider)
{
    static const char *const script[] = {HELLO, "@", MESSAGE, "*", NULL};
    const char *const *const scripts[] = {script, NULL};
    static struct start starts[200];
    pthread_t threads[LOOPS_MAX];
    struct stage stage;
    stage_begin(&stage);
    stage.n_loops = 2;
    stage.provider_config.connections = 3;
    stage_serve(&stage, scripts);
    atomic_store(&undone, 200);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_loop, stage.loops[i]), 0);
    for (unsigned i = 0; i < 200; i++) {
        starts[i] = (struct start){.task.run = run_start, .stage = &stage, .loop = i % 2};
        loop_post(stage.loops[i % 2], &starts[i].task);
    }
    int64_t guard = clock_monotonic() + 3 * GUARD;
    while (atomic_load(&undone) > 0 && clock_monotonic() < guard)
        usleep(1000);
    ck_assert_uint_eq(atomic_load(&undone), 0);
    provider_unref(&stage.provider);
    for (unsigned i = 0; i < 2; i++) {
        loop_stop(stage.loops[i]);
        pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < 200; i++)
        ck_assert_str_eq(starts[i].session.log, "250 accepted 250");
    stage_end(&stage);
}
END_TEST

START_TEST(an_idle_connection_of_another_loop_gives_way)
{
    static const char *const script[] = {HELLO, MESSAGE, "<QUIT", ">221 bye", NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session first = {.recipients = 1}, second = {.recipients = 1};
    stage_begin(&stage);
    stage.n_loops = 2;
    stage.provider_config.connections = 1;
    stage_serve(&stage, scripts);
    session_run(&first, &stage);
    session_begin(&second, &stage, 1);
    WAIT_UNTIL(&stage, second.done);
    ck_assert_str_eq(second.log, "250 accepted 250");
    stage_end(&stage);
}
END_TEST

/* One place, and a loop that always has the next message ready: the other still gets its turn. */
START_TEST(no_loop_starves)
{
    static const char *const script[] = {HELLO, "@", MESSAGE, "*", NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session greedy[3] = {{.done = true}, {.done = true}, {.done = true}};
    struct session modest = {.recipients = 1};
    stage_begin(&stage);
    stage.n_loops = 2;
    stage.provider_config.connections = 1;
    stage.provider_config.connect_timeout = 500 * MILLISECONDS;
    stage_serve(&stage, scripts);
    bool begun = false;
    while (!modest.done || !greedy[0].done || !greedy[1].done || !greedy[2].done) {
        for (unsigned i = 0; i < 3 && !modest.done; i++) {
            if (!greedy[i].done)
                continue;
            greedy[i] = (struct session){.recipients = 1};
            session_begin(&greedy[i], &stage, 0);
        }
        if (!begun)
            session_begin(&modest, &stage, 1);
        begun = true;
        stage_turn(&stage);
    }
    ck_assert_str_eq(modest.log, "250 accepted 250");
    stage_end(&stage);
}
END_TEST

START_TEST(waiting_for_a_connection_ends)
{
    static const char *const script[] = {HELLO, MAIL, RCPT, "<RSET", ">250 ok", "<QUIT", NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session holder = {.recipients = 1, .hold = true}, waiter = {.recipients = 1};
    stage_begin(&stage);
    stage.provider_config.connections = 1;
    stage.provider_config.connect_timeout = 200 * MILLISECONDS;
    stage_serve(&stage, scripts);
    session_begin(&holder, &stage, 0);
    WAIT_UNTIL(&stage, holder.answered == 1);
    session_run(&waiter, &stage);
    ck_assert_str_eq(waiter.log, "failed unsaid");
    mail_abort(&holder.transaction);
    for (unsigned i = 0; i < 200; i++)
        stage_turn(&stage);
    stage_end(&stage);
}
END_TEST

/* ---- giving up ---- */

enum moment { AT_ONCE, CONNECTING, ANSWERED, IN_CONTENT, MOMENTS };

START_TEST(an_abort_never_says_the_dot)
{
    static const char *const untouched[] = {HELLO, "<QUIT", NULL};
    /* The greeting waits, else all could be said in the one turn that is to begin connecting. */
    static const char *const slow[] = {"P", HELLO, "<QUIT", NULL};
    static const char *const reset[] = {HELLO, MAIL, RCPT, "<RSET", ">250 ok", "<QUIT", NULL};
    static const char *const content[] = {HELLO, MAIL, RCPT, DATA, "W", NULL};
    const char *const *const scripts[][2] = {
        {untouched, NULL}, {slow, NULL}, {reset, NULL}, {content, NULL}};
    struct stage stage;
    struct session session = {.hold = _i == ANSWERED, .half = _i == IN_CONTENT};
    struct provider_state state;
    stage_begin(&stage);
    stage_serve(&stage, scripts[_i]);
    session_begin(&session, &stage, 0);
    if (_i == CONNECTING)
        stage_turn(&stage);
    if (_i == ANSWERED || _i == IN_CONTENT)
        WAIT_UNTIL(&stage, session.answered == 1);
    for (unsigned i = 0; i < 100 && _i == IN_CONTENT; i++)
        stage_turn(&stage);
    mail_abort(&session.transaction);
    ck_assert_ptr_null(session.transaction);
    WAIT_UNTIL(&stage, (provider_state(stage.provider, &state),
                        state.busy == 0 && (_i == IN_CONTENT || state.capabilities.bits != 0)));
    for (unsigned i = 0; i < 200; i++)
        stage_turn(&stage);
    provider_state(stage.provider, &state);
    ck_assert_uint_eq(state.connections, _i == IN_CONTENT ? 0 : 1);
    ck_assert_str_eq(session.log, _i >= ANSWERED ? "250" : "");
    stage_end(&stage);
}
END_TEST

/* ---- size ---- */

START_TEST(a_hundred_megabytes_pass_through)
{
    static const char *const script[] = {HELLO, MAIL, RCPT, DATA, ".", ">250 ok", "<QUIT", NULL};
    const char *const *const scripts[] = {script, NULL};
    uint64_t size = UINT64_C(100) * 1024 * 1024;
    struct stage stage;
    struct session session = {.to_send = size};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "250 accepted 250");
    ck_assert_uint_ge(fake_content_bytes(stage.fake), size);
    ck_assert_uint_lt(session.most_pending, MAIL_PENDING_HIGH + 64 * 1024);
    stage_end(&stage);
}
END_TEST

START_TEST(a_thousand_recipients)
{
    static const char *const script[] = {HELLO, MAIL, "@", RCPT, "*", NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session session = {.recipients = 1000, .hold = true};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    session_begin(&session, &stage, 0);
    WAIT_UNTIL(&stage, session.answered == 1000);
    ck_assert_uint_eq(session.accepted, 1000);
    mail_abort(&session.transaction);
    provider_unref(&stage.provider);
    loop_free(&stage.loops[0]);
    stage.n_loops = 0;
    fake_stop(stage.fake); /* it did not expect RSET */
    fake_free(stage.fake);
    stage_remove(&stage, "providers/fake.json");
    char path[160];
    stage_path(&stage, "providers", path);
    rmdir(path);
    rmdir(stage.folder);
}
END_TEST

Suite *smtp_pool_suite(void)
{
    const TTest *const tests[] = {a_warm_connection_is_used_again,
                                  a_stale_connection_is_replaced_once,
                                  a_spoken_to_connection_is_not_retried,
                                  an_idle_connection_that_speaks_is_dropped,
                                  unread_bytes_are_seen_at_the_last_moment,
                                  idle_connections_end,
                                  loops_in_threads_share_a_provider,
                                  an_idle_connection_of_another_loop_gives_way,
                                  no_loop_starves,
                                  waiting_for_a_connection_ends,
                                  a_hundred_megabytes_pass_through,
                                  a_thousand_recipients,
                                  NULL};
    Suite *suite = unit_suite("smtp connections", tests);
    TCase *cases = tcase_create("tables");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_loop_test(cases, the_cap_holds_over_the_loops, 0, 5);
    tcase_add_loop_test(cases, an_abort_never_says_the_dot, 0, MOMENTS);
    suite_add_tcase(suite, cases);
    return suite;
}
