/* SPDX-License-Identifier: Apache-2.0 */
/* The cut-through SMTP client against scripted servers: what the session is told, word by word. */
#include "base/clock.h"
#include "base/file.h"
#include "tests/unit/test_adapters_stage.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- what a provider may say ---- */

#define STEPS 24
/* More than a line of a reply may hold. */
#define X100                                             \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X700      X100 X100 X100 X100 X100 X100 X100
#define LONG      X700 X700 X700
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

/* ---- TLS and AUTH ---- */

#define TLS_OFFER ">220 hi", "<EHLO", ">250-fake\r\n250-PIPELINING\r\n250 STARTTLS"
#define AFTER_TLS "<EHLO", ">250 fake", MAIL, RCPT, DATA, ".", ">250 ok", "<QUIT"
#define AUTH_FAULT(name, ...)                                                          \
    {                                                                                  \
        name, TLS_NONE, false, false, NULL, true, "failed unsaid",                     \
        {                                                                              \
            ">220 hi", "<EHLO", ">250-x\r\n250 AUTH PLAIN", "<AUTH PLAIN", __VA_ARGS__ \
        }                                                                              \
    }
#define STARTTLS_FAULT(name, ...)                                                 \
    {                                                                             \
        name, TLS_REQUIRED, true, true, "mx.example.org", false, "failed unsaid", \
        {                                                                         \
            TLS_OFFER, "<STARTTLS", __VA_ARGS__                                   \
        }                                                                         \
    }
#define PLAIN_AUTH "AUTH PLAIN AHVzZXIAcGFzcw==\r\n" /* NUL user NUL pass */

static const struct {
    const char *name;
    enum tls_mode tls;
    bool verify;
    bool trusted;
    const char *tls_name;
    bool auth;
    const char *told;
    const char *script[STEPS];
} secured[] = {
    {"STARTTLS",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     false,
     "250 accepted 250",
     {TLS_OFFER, "<STARTTLS", ">220 go", "T", AFTER_TLS}},
    {"implicit",
     TLS_IMPLICIT,
     true,
     true,
     "mx.example.org",
     false,
     "250 accepted 250",
     {"T", ">220 hi", AFTER_TLS}},
    {"optional, unverified",
     TLS_OPTIONAL,
     false,
     false,
     NULL,
     false,
     "250 accepted 250",
     {TLS_OFFER, "<STARTTLS", ">220 go", "T", AFTER_TLS}},
    {"optional, not offered",
     TLS_OPTIONAL,
     false,
     false,
     NULL,
     false,
     "250 accepted 250",
     {">220 hi", AFTER_TLS}},
    {"optional, refused",
     TLS_OPTIONAL,
     false,
     false,
     NULL,
     false,
     "250 accepted 250",
     {TLS_OFFER, "<STARTTLS", ">454 not now", MAIL, RCPT, DATA, ".", ">250 ok", "<QUIT"}},
    {"required, not offered",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     false,
     "failed unsaid",
     {HELLO, "W"}},
    {"required, refused",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     false,
     "failed unsaid",
     {TLS_OFFER, "<STARTTLS", ">454 not now", "W"}},
    {"slipped in before the handshake",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     false,
     "failed unsaid",
     {TLS_OFFER, "<STARTTLS", ">220 go\r\n250 injected", "T", AFTER_TLS}},
    {"wrong name",
     TLS_REQUIRED,
     true,
     true,
     "other.example.org",
     false,
     "failed unsaid",
     {TLS_OFFER, "<STARTTLS", ">220 go", "T"}},
    {"wrong name, implicit",
     TLS_IMPLICIT,
     true,
     true,
     "other.example.org",
     false,
     "failed unsaid",
     {"T"}},
    {"untrusted",
     TLS_REQUIRED,
     true,
     false,
     "mx.example.org",
     false,
     "failed unsaid",
     {TLS_OFFER, "<STARTTLS", ">220 go", "T"}},
    {"no TLS at all",
     TLS_IMPLICIT,
     true,
     true,
     "mx.example.org",
     false,
     "failed unsaid",
     {">220 hi", "W"}},
    {"EOF in the handshake",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     false,
     "failed unsaid",
     {TLS_OFFER, "<STARTTLS", ">220 go"}},
    {"AUTH PLAIN",
     TLS_NONE,
     false,
     false,
     NULL,
     true,
     "250 accepted 250",
     {">220 hi", "<EHLO", ">250-x\r\n250 AUTH LOGIN PLAIN", "<" PLAIN_AUTH, ">235 ok", MAIL, RCPT,
      DATA, ".", ">250 ok", "<QUIT"}},
    {"AUTH LOGIN",
     TLS_NONE,
     false,
     false,
     NULL,
     true,
     "250 accepted 250",
     {">220 hi", "<EHLO", ">250-x\r\n250 AUTH LOGIN", "<AUTH LOGIN\r\n", ">334 VXNlcm5hbWU6",
      "<dXNlcg==\r\n", ">334 UGFzc3dvcmQ6", "<cGFzcw==\r\n", ">235 ok", MAIL, RCPT, DATA, ".",
      ">250 ok", "<QUIT"}},
    {"AUTH under TLS",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     true,
     "250 accepted 250",
     {TLS_OFFER, "<STARTTLS", ">220 go", "T", "<EHLO", ">250-x\r\n250 AUTH PLAIN", "<" PLAIN_AUTH,
      ">235 ok", MAIL, RCPT, DATA, ".", ">250 ok", "<QUIT"}},
    {"AUTH offered in clear only",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     true,
     "failed unsaid",
     {">220 hi", "<EHLO", ">250-AUTH PLAIN\r\n250-AUTH PLAIN\r\n250 STARTTLS", "<STARTTLS",
      ">220 go", "T", "<EHLO", ">250 x"}},
    {"AUTH refused",
     TLS_NONE,
     false,
     false,
     NULL,
     true,
     "failed unsaid",
     {">220 hi", "<EHLO", ">250-x\r\n250 AUTH PLAIN", "<AUTH PLAIN", ">535 no", "W"}},
    {"AUTH LOGIN refused",
     TLS_NONE,
     false,
     false,
     NULL,
     true,
     "failed unsaid",
     {">220 hi", "<EHLO", ">250-x\r\n250 AUTH LOGIN", "<AUTH LOGIN", ">334 ", "<dX", ">535 no",
      "W"}},
    {"AUTH LOGIN granted too early",
     TLS_NONE,
     false,
     false,
     NULL,
     true,
     "failed unsaid",
     {">220 hi", "<EHLO", ">250-x\r\n250 AUTH LOGIN", "<AUTH LOGIN", ">235 ok", "W"}},
    {"AUTH not offered", TLS_NONE, false, false, NULL, true, "failed unsaid", {HELLO, "W"}},
    {"no answer to AUTH",
     TLS_NONE,
     false,
     false,
     NULL,
     true,
     "failed unsaid",
     {">220 hi", "<EHLO", ">250-x\r\n250 AUTH PLAIN", "<AUTH PLAIN", "W"}},
    {"no handshake", TLS_IMPLICIT, true, true, "mx.example.org", false, "failed unsaid", {"W"}},
    AUTH_FAULT("EOF after AUTH", NULL),
    AUTH_FAULT("EOF within the answer to AUTH", "=23"),
    AUTH_FAULT("too long an answer to AUTH", ">235 " LONG, "W"),
    AUTH_FAULT("garbage to AUTH", ">?", "W"),
    STARTTLS_FAULT("EOF after STARTTLS", NULL),
    STARTTLS_FAULT("EOF within the answer to STARTTLS", "=22"),
    STARTTLS_FAULT("too long an answer to STARTTLS", ">220 " LONG, "W"),
    STARTTLS_FAULT("garbage to STARTTLS", ">?", "W"),
    STARTTLS_FAULT("no more than half a handshake", ">220 go", "=\x16\x03\x03", "W"),
    STARTTLS_FAULT("too much instead of a handshake", ">220 go", ">" LONG, "W"),
    {"no answer to STARTTLS",
     TLS_REQUIRED,
     true,
     true,
     "mx.example.org",
     false,
     "failed unsaid",
     {TLS_OFFER, "<STARTTLS", "W"}},
};

START_TEST(tls_and_auth)
{
    struct stage stage;
    struct session session = {.recipients = 1};
    const char *const *const scripts[] = {secured[_i].script, NULL};
    char certificate[160];
    stage_begin(&stage);
    stage_path(&stage, "cert.pem", certificate);
    stage.provider_config.tls = secured[_i].tls;
    stage.provider_config.tls_verify = secured[_i].verify;
    stage.provider_config.tls_name = secured[_i].tls_name;
    stage.provider_config.tls_ca_file = secured[_i].trusted ? certificate : NULL;
    if (secured[_i].auth) {
        stage.provider_config.username = "user";
        stage.provider_config.password = "pass";
    }
    if (strstr(secured[_i].name, "no ") != NULL)
        stage_be_impatient(&stage);
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    struct provider_state state;
    provider_state(stage.provider, &state);
    ck_assert_msg(strcmp(session.log, secured[_i].told) == 0, "%s: told \"%s\" (%s)",
                  secured[_i].name, session.log, state.last_error);
    ck_assert_msg(strstr(state.last_error, "pass") == NULL, "the password is in %s",
                  state.last_error);
    stage_end(&stage);
}
END_TEST

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

#define ROWS(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
    const TTest *const tests[] = {content_that_is_not_taken_ends,
                                  a_lookup_has_a_deadline,
                                  a_connection_request_has_a_deadline,
                                  a_silent_session_is_not_the_providers_fault,
                                  nobody_listens,
                                  a_name_is_looked_up,
                                  a_lookup_may_outlive_its_connection,
                                  a_warm_connection_is_used_again,
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
    Suite *connections = unit_suite("smtp connections", tests);
    Suite *tables = suite_create("smtp answers");
    TCase *cases = tcase_create("tables");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_loop_test(cases, answers_are_the_providers, 0, ROWS(rows));
    tcase_add_loop_test(cases, silence_ends_at_its_deadline, 0, ROWS(silences));
    tcase_add_loop_test(cases, a_fault_within_the_content, 0, ROWS(within_content));
    tcase_add_loop_test(cases, a_farewell_is_short, 0, ROWS(farewells));
    tcase_add_loop_test(cases, tls_and_auth, 0, ROWS(secured));
    tcase_add_loop_test(cases, the_cap_holds_over_the_loops, 0, 5);
    tcase_add_loop_test(cases, an_abort_never_says_the_dot, 0, MOMENTS);
    suite_add_tcase(tables, cases);
    Suite *const suites[] = {connections, tables, NULL};
    return unit_run(suites);
}
