/* SPDX-License-Identifier: Apache-2.0 */
/* The circuit breaker behind whole messages: what counts against a provider, who may try it while
 * it is out of service, and that nobody waits for it then. */
#include "adapters/esmtp/esmtp.h"
#include "base/clock.h"
#include "tests/unit/test_adapters_stage.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTENT                                                                                  \
    "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: <a@example.org>\r\nMessage-ID: <1@x.org>\r\n" \
    "\r\nbody\r\n"
#define EIGHT  ">220 hi", "<EHLO", ">250-fake\r\n250-DSN\r\n250 8BITMIME"
#define LOGIN  ">220 hi", "<EHLO", ">250-fake\r\n250 AUTH PLAIN"
#define QUIT   "<QUIT", ">221 bye"
#define ALL    HELLO, MESSAGE, QUIT
#define SECOND "P", "P", "P", "P", "P", "P", "P", "P", "P", "P", "P", "P", "P", "P", "P", "P", "P"

static const char *const dead[] = {">554 no", QUIT, NULL};
static const char *const mute[] = {HELLO, MAIL, "W", NULL};
static const char *const alive[] = {ALL, NULL};

static void begin(struct stage *stage)
{
    stage_begin(stage);
    stage->provider_config.adapter = ADAPTER_ESMTP;
}

static struct session letter(void)
{
    return (struct session){.content = CONTENT};
}

static struct provider_state state_of(const struct stage *stage)
{
    struct provider_state state;
    provider_state(stage->provider, &state);
    return state;
}

static bool is(const struct stage *stage, const char *breaker)
{
    return strcmp(state_of(stage).breaker, breaker) == 0;
}

static bool due(const struct stage *stage)
{
    struct provider_state state = state_of(stage);
    return strcmp(state.breaker, "open") == 0 && state.retry_at <= clock_now();
}

static void send_told(struct stage *stage, const char *told)
{
    struct session session = letter();
    session_run(&session, stage);
    ck_assert_msg(strcmp(session.log, told) == 0, "told '%s' (%s)", session.log, session.why);
}

static void fail_until_open(struct stage *stage, const char *told)
{
    for (unsigned i = 0; i < BREAKER_THRESHOLD; i++) {
        ck_assert_str_eq(state_of(stage).breaker, "closed");
        send_told(stage, told);
    }
    ck_assert_str_eq(state_of(stage).breaker, "open");
    ck_assert_int_gt(state_of(stage).retry_at, clock_now());
}

/* After three failures no message is taken for it; the first one after the pause brings it back. */
START_TEST(a_dead_provider_is_left_alone_and_comes_back)
{
    const char *const *const scripts[] = {dead, dead, dead, alive, NULL};
    struct stage stage;
    begin(&stage);
    stage_serve(&stage, scripts);
    fail_until_open(&stage, "250 failed unsaid");
    for (unsigned i = 0; i < 20; i++) {
        struct session refused = letter();
        session_run(&refused, &stage);
        ck_assert_str_eq(refused.log, "failed unsaid");
        ck_assert_msg(strstr(refused.why, "out of service") != NULL, "%s", refused.why);
    }
    ck_assert_uint_eq(fake_connections(stage.fake), 3);
    ck_assert(strstr(state_of(&stage).last_error, "554") != NULL);
    WAIT_UNTIL(&stage, due(&stage));
    send_told(&stage, "250 accepted 250");
    ck_assert_str_eq(state_of(&stage).breaker, "closed");
    ck_assert_uint_eq(state_of(&stage).attempts_failed, 0);
    ck_assert_int_eq(state_of(&stage).retry_at, 0);
    ck_assert_str_eq(state_of(&stage).last_error, "");
    send_told(&stage, "250 accepted 250");
    stage_end(&stage);
}
END_TEST

static const struct {
    const char *name;
    const char *told;
    const char *breaker; /* after three of them */
    const char *script[20];
    bool impatient, username, eight_bit, utf8;
} kinds[] = {
    {"refused by the greeting", "250 failed unsaid", "open", .script = {">554 no", QUIT}},
    {"turned away, though alone", "250 failed unsaid", "open", .script = {">421 later", QUIT}},
    {"no greeting", "250 failed unsaid", "open", .script = {"W"}, .impatient = true},
    {"no answer to EHLO", "250 failed unsaid", "open", .script = {">220 hi", "<EHLO", "W"},
     .impatient = true},
    {"gone at once", "250 failed unsaid", "open", .script = {NULL}},
    {"a refused password", "250 failed unsaid", "open", .script = {LOGIN, "<AUTH", ">535 no", QUIT},
     .username = true},
    {"no answer to MAIL", "250 failed", "open", .script = {HELLO, "<MAIL", "W"}, .impatient = true},
    {"no answer to the dot", "250 unknown 451", "open",
     .script = {HELLO, MAIL, RCPT, DATA, ".", "W"}, .impatient = true},
    /* What answers is in service. */
    {"a refused recipient", "250 refused 550", "closed",
     .script = {HELLO, MAIL, "<RCPT", ">550 no", QUIT}},
    {"a refused message", "250 refused 554", "closed",
     .script = {HELLO, MAIL, RCPT, DATA, ".", ">554 no", QUIT}},
    {"lost after MAIL", "250 failed", "closed", .script = {HELLO, "<MAIL"}},
    {"lost after the dot", "250 unknown 451", "closed", .script = {HELLO, MAIL, RCPT, DATA, "."}},
    {"no 8BITMIME for this one", "250 failed unsaid", "closed", .script = {HELLO_ONE, QUIT},
     .eight_bit = true},
    /* What was never tried shows nothing. */
    {"refused by ourselves", "250 refused 554", "closed", .script = {NULL}, .utf8 = true},
};

START_TEST(only_failures_count)
{
    const char *const *const scripts[] = {kinds[_i].script, NULL};
    struct stage stage;
    begin(&stage);
    if (kinds[_i].impatient)
        stage_be_impatient(&stage);
    if (kinds[_i].username) {
        stage.provider_config.username = "user";
        stage.provider_config.password = "secret";
    }
    stage_serve(&stage, scripts);
    for (unsigned i = 0; i < BREAKER_THRESHOLD; i++) {
        struct session session = letter();
        session.eight_bit = kinds[_i].eight_bit;
        session.utf8 = kinds[_i].utf8;
        ck_assert_str_eq(state_of(&stage).breaker, "closed");
        session_run(&session, &stage);
        ck_assert_msg(strcmp(session.log, kinds[_i].told) == 0, "%s: told '%s' (%s)",
                      kinds[_i].name, session.log, session.why);
    }
    ck_assert_msg(is(&stage, kinds[_i].breaker), "%s: %s", kinds[_i].name,
                  state_of(&stage).breaker);
    stage_end(&stage);
}
END_TEST

/* Failures to connect and silences are counted apart, and an answer ends the latter. */
START_TEST(kinds_are_counted_apart)
{
    const char *const *const scripts[] = {mute, mute, dead, dead, alive, mute, dead, dead, NULL};
    static const char *const told[] = {"250 failed",        "250 failed",       "250 failed unsaid",
                                       "250 failed unsaid", "250 accepted 250", "250 failed",
                                       "250 failed unsaid", "250 failed unsaid"};
    struct stage stage;
    begin(&stage);
    stage.provider_config.reply_timeout = 300 * MILLISECONDS;
    stage_serve(&stage, scripts);
    for (unsigned i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        send_told(&stage, told[i]);
        ck_assert_str_eq(state_of(&stage).breaker, "closed");
    }
    ck_assert_uint_eq(state_of(&stage).attempts_failed, 3);
    send_told(&stage, "250 failed unsaid");
    ck_assert_str_eq(state_of(&stage).breaker, "open");
    stage_end(&stage);
}
END_TEST

/* While an attempt is due one message a second is let in, and a slow client holds it for no other;
 * while one is under way, none. */
START_TEST(one_attempt_at_a_time)
{
    static const char *const slow[] = {SECOND, SECOND, ">554 no", QUIT, NULL};
    const char *const *const scripts[] = {dead, dead, dead, slow, NULL};
    struct session held = letter(), probe = letter();
    struct stage stage;
    begin(&stage);
    stage.n_loops = 2;
    stage_serve(&stage, scripts);
    fail_until_open(&stage, "250 failed unsaid");
    WAIT_UNTIL(&stage, due(&stage));
    held.hold = true;
    session_begin(&held, &stage, 0);
    WAIT_UNTIL(&stage, held.log[0] != '\0');
    ck_assert_str_eq(held.log, "250");
    send_told(&stage, "failed unsaid");
    usleep(1100000);
    session_begin(&probe, &stage, 1);
    WAIT_UNTIL(&stage, is(&stage, "half-open"));
    usleep(1100000); /* the next second has begun, the attempt has not ended */
    for (unsigned i = 0; i < 10; i++)
        send_told(&stage, "failed unsaid");
    WAIT_UNTIL(&stage, probe.done);
    ck_assert_str_eq(probe.log, "250 failed unsaid");
    ck_assert_str_eq(state_of(&stage).breaker, "open");
    ck_assert_int_gt(state_of(&stage).retry_at, clock_now() + CLOCK_SECOND);
    ck_assert_uint_eq(fake_connections(stage.fake), 4);
    mail_abort(&held.transaction);
    stage_end(&stage);
}
END_TEST

/* It is back when it may be told of a message: others need not wait until that one is answered. */
START_TEST(back_before_the_answer)
{
    static const char *const slow[] = {HELLO, MAIL, RCPT, DATA, ".", SECOND, ">250 ok", QUIT, NULL};
    const char *const *const scripts[] = {dead, dead, dead, slow, alive, NULL};
    struct session probe = letter();
    struct stage stage;
    begin(&stage);
    stage_serve(&stage, scripts);
    fail_until_open(&stage, "250 failed unsaid");
    WAIT_UNTIL(&stage, due(&stage));
    session_begin(&probe, &stage, 0);
    WAIT_UNTIL(&stage, is(&stage, "closed"));
    ck_assert(!probe.done);
    send_told(&stage, "250 accepted 250");
    ck_assert(!probe.done);
    WAIT_UNTIL(&stage, probe.done);
    ck_assert_str_eq(probe.log, "250 accepted 250");
    stage_end(&stage);
}
END_TEST

/* After silences a connection is no proof: the next silence opens it again. */
START_TEST(on_parole_after_silences)
{
    const char *const *const scripts[] = {mute, mute, mute, mute, alive, NULL};
    struct stage stage;
    begin(&stage);
    stage.provider_config.reply_timeout = 300 * MILLISECONDS;
    stage.provider_config.connections = 8;
    stage_serve(&stage, scripts);
    fail_until_open(&stage, "250 failed");
    WAIT_UNTIL(&stage, due(&stage));
    send_told(&stage, "250 failed");
    ck_assert_str_eq(state_of(&stage).breaker, "open");
    ck_assert_int_gt(state_of(&stage).retry_at, clock_now() + CLOCK_SECOND);
    WAIT_UNTIL(&stage, due(&stage));
    send_told(&stage, "250 accepted 250");
    ck_assert_str_eq(state_of(&stage).breaker, "closed");
    stage_end(&stage);
}
END_TEST

/* Who was in line for a worker when it went out of service is told at once. */
START_TEST(those_in_line_are_told)
{
    static const char *const slow[] = {"P", "P", ">554 no", QUIT, NULL};
    const char *const *const scripts[] = {slow, NULL};
    static struct session sessions[10];
    struct stage stage;
    begin(&stage);
    stage.n_loops = 2;
    stage.provider_config.connections = 1;
    stage_serve(&stage, scripts);
    for (unsigned i = 0; i < 10; i++) {
        sessions[i] = letter();
        session_begin(&sessions[i], &stage, i % 2);
    }
    unsigned told = 0;
    for (unsigned i = 0; i < 10; i++) {
        WAIT_UNTIL(&stage, sessions[i].done);
        ck_assert_str_eq(sessions[i].log, "250 failed unsaid");
        told += strstr(sessions[i].why, "out of service") != NULL;
    }
    ck_assert_str_eq(state_of(&stage).breaker, "open");
    ck_assert_uint_ge(told, 6); /* a worker may take one more before the loop has counted */
    ck_assert_uint_le(fake_connections(stage.fake), 4);
    ck_assert_uint_eq(state_of(&stage).busy, 0);
    stage_end(&stage);
}
END_TEST

/* An attempt that its own client gave up shows nothing, and the next may come at once. */
START_TEST(given_up_by_ourselves)
{
    static const char *const silent[] = {"W", NULL};
    const char *const *const scripts[] = {dead, dead, dead, silent, alive, NULL};
    struct session probe = letter();
    static struct stage stage; /* a worker that is left behind reads the configuration to its end */
    begin(&stage);
    stage.provider_config.connect_timeout = CLOCK_SECOND;
    stage.provider_config.reply_timeout = CLOCK_SECOND;
    stage_serve(&stage, scripts);
    fail_until_open(&stage, "250 failed unsaid");
    WAIT_UNTIL(&stage, due(&stage));
    session_begin(&probe, &stage, 0);
    WAIT_UNTIL(&stage, fake_connections(stage.fake) == 4);
    ck_assert_str_eq(state_of(&stage).breaker, "half-open");
    mail_abort(&probe.transaction);
    ck_assert(due(&stage));
    ck_assert_uint_eq(state_of(&stage).attempts_failed, 3);
    usleep(1100000);
    send_told(&stage, "250 accepted 250");
    ck_assert_str_eq(state_of(&stage).breaker, "closed");
    stage_end(&stage);
}
END_TEST

/* A worker that is idle takes one letter, however many come before it wakes: the others get one of
 * their own. */
START_TEST(letters_that_come_together)
{
    static const char *const slow[] = {"P", "P", "P", "P", "P", ALL, NULL};
    const char *const *const scripts[] = {alive, slow, NULL};
    struct session sessions[4];
    struct stage stage;
    begin(&stage);
    stage_serve(&stage, scripts);
    send_told(&stage, "250 accepted 250");
    for (unsigned i = 0; i < 4; i++) {
        sessions[i] = letter();
        session_begin(&sessions[i], &stage, 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        WAIT_UNTIL(&stage, sessions[i].done);
        ck_assert_str_eq(sessions[i].log, "250 accepted 250");
    }
    ck_assert_uint_eq(fake_most_at_once(stage.fake), 4);
    stage_end(&stage);
}
END_TEST

/* ---- a worker that outlives main ---- */

static struct stage left; /* it reads the configuration to its end */
static unsigned threads_before;

static unsigned threads_now(void)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned n = 0;
    ck_assert_ptr_nonnull(tasks);
    for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        n += entry->d_name[0] != '.';
    closedir(tasks);
    return n;
}

/* Registered before OpenSSL could register anything: this runs after all that it does at exit. */
static void at_the_end(void)
{
    int64_t guard = clock_monotonic() + GUARD;
    /* It fails when all was cleaned up. */
    bool kept = OPENSSL_init_crypto(0, NULL) == 1;
    fake_stop(left.fake); /* until the library hangs up */
    while (threads_now() > threads_before && clock_monotonic() < guard)
        usleep(1000);
    if (!kept || threads_now() > threads_before)
        _exit(EXIT_FAILURE);
    fake_free(left.fake);
}

/* A worker that was left behind may end after main, and has something of OpenSSL's to free then. */
START_TEST(left_behind_at_the_end_of_the_process)
{
    static const char *const silent[] = {"W", NULL};
    static const char *const *const scripts[] = {silent, NULL};
    static struct session lost;
    char path[160];
    threads_before = threads_now();
    ck_assert_int_eq(atexit(at_the_end), 0);
    lost = letter();
    begin(&left);
    left.provider_config.connect_timeout = CLOCK_SECOND;
    left.provider_config.reply_timeout = CLOCK_SECOND;
    stage_serve(&left, scripts);
    session_begin(&lost, &left, 0);
    WAIT_UNTIL(&left, fake_connections(left.fake) == 1);
    mail_abort(&lost.transaction);
    provider_unref(&left.provider);
    loop_free(&left.loops[0]);
    stage_remove(&left, "providers/fake.json");
    stage_path(&left, "providers", path);
    rmdir(path);
    rmdir(left.folder);
    ck_assert_uint_ge(threads_now(), threads_before + 3); /* two of the server, and the worker */
}
END_TEST

/* It has one of ours and would have no other: nothing is wrong with it. */
START_TEST(turned_away_beside_others)
{
    static const char *const kept[] = {HELLO,  MAIL,   RCPT,      DATA, ".",
                                       SECOND, SECOND, ">250 ok", QUIT, NULL};
    static const char *const away[] = {">421 too many", QUIT, NULL};
    const char *const *const scripts[] = {kept, away, NULL};
    struct session holder = letter();
    struct stage stage;
    begin(&stage);
    stage_serve(&stage, scripts);
    session_begin(&holder, &stage, 0);
    WAIT_UNTIL(&stage, fake_content_bytes(stage.fake) > 0);
    for (unsigned i = 0; i < 2 * BREAKER_THRESHOLD; i++)
        send_told(&stage, "250 failed unsaid");
    ck_assert(!holder.done);
    ck_assert_str_eq(state_of(&stage).breaker, "closed");
    WAIT_UNTIL(&stage, holder.done);
    ck_assert_str_eq(holder.log, "250 accepted 250");
    fail_until_open(&stage, "250 failed unsaid");
    stage_end(&stage);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_dead_provider_is_left_alone_and_comes_back,
                                  kinds_are_counted_apart,
                                  one_attempt_at_a_time,
                                  back_before_the_answer,
                                  on_parole_after_silences,
                                  those_in_line_are_told,
                                  given_up_by_ourselves,
                                  letters_that_come_together,
                                  left_behind_at_the_end_of_the_process,
                                  turned_away_beside_others,
                                  NULL};
    Suite *trouble = unit_suite("esmtp trouble", tests);
    TCase *tables = tcase_create("tables");
    tcase_set_timeout(tables, UNIT_SECONDS);
    tcase_add_loop_test(tables, only_failures_count, 0, ROWS(kinds));
    suite_add_tcase(trouble, tables);
    Suite *const suites[] = {trouble, NULL};
    return unit_run(suites);
}
