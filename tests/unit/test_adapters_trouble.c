/* SPDX-License-Identifier: Apache-2.0 */
/* Providers in trouble: the breaker, connections turned away, lost extensions, slow name look-ups,
 * and the test a person runs. */
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "tests/unit/test_adapters_stage.h"
#include "tests/unit/unit.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- the breaker, alone ---- */

/* One letter an event: c connected, f failed, F a probe failed, u unanswered, a answered, x a probe
 * abandoned, ? admit (upper case P when it makes this the probe, + admitted, - not), digits: so
 * many seconds pass. */
static const struct {
    const char *events;
    const char *seen; /* after each event: . closed, o open, h half-open; of ? the answer first */
} lives[] = {
    {"ff?", "..+."},
    {"fff?", "..o-o"},
    {"ffcff?", ".....+."},
    {"fff2??", "..ooPh-h"},
    {"fff2?c?", "..ooPh.+."},
    {"fff2?F?", "..ooPho-o"},
    /* the second pause is of two seconds: not over after one, over after three */
    {"fff2?F1?2?", "..ooPhoo-ooPh"},
    /* late failures of others prove nothing */
    {"fffff2?", "..oooo"
                "Ph"},
    {"fff2?f?", "..ooPhh-h"},
    /* an old attempt that succeeds closes it */
    {"fffc?", "..o.+."},
    {"fff2?x?", "..ooPhoPh"},
    /* silences are not disproved by a connection, but by an answer */
    {"ucucu?", "....o-o"},
    {"uacuau?", "......+."},
    {"uuu2?cu?", "..ooPh.o-o"},
    {"uuu2?cau?", "..ooPh...+."},
    {"fuf?", "...+."},
};

static void live(const char *events, char *seen)
{
    struct breaker breaker = {0};
    int64_t now = 1000;
    bool probe = false;
    const uint32_t least = 0; /* the shortest of the pauses */
    for (; *events != '\0'; events++) {
        if (*events >= '0' && *events <= '9')
            now += (*events - '0') * CLOCK_SECOND;
        switch (*events) {
        case 'c':
            breaker_connected(&breaker);
            break;
        case 'f':
        case 'F':
            breaker_unconnected(&breaker, *events == 'F', now, least);
            break;
        case 'u':
            breaker_unanswered(&breaker, now, least);
            break;
        case 'a':
            breaker_answered(&breaker);
            break;
        case 'x':
            breaker_abandoned(&breaker, true, now);
            break;
        case '?':
            if (!breaker_admit(&breaker, now, &probe))
                *seen++ = '-';
            else
                *seen++ = probe ? 'P' : '+';
            break;
        default:
            break;
        }
        *seen++ = ".oh"[breaker.state];
    }
    *seen = '\0';
}

START_TEST(the_breaker_lives_as_told)
{
    char seen[64];
    live(lives[_i].events, seen);
    ck_assert_msg(strcmp(seen, lives[_i].seen) == 0, "%s: %s, not %s", lives[_i].events, seen,
                  lives[_i].seen);
}
END_TEST

START_TEST(pauses_double_and_are_spread)
{
    static const int64_t seconds[] = {1, 2, 4, 8, 16, 32, 60, 60};
    for (unsigned i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        int64_t whole = seconds[i] * CLOCK_SECOND;
        int64_t least = INT64_MAX, most = 0;
        for (uint32_t chance = 0; chance < UINT32_MAX - 5000000; chance += 4999999) {
            int64_t pause = breaker_pause(i, chance);
            least = pause < least ? pause : least;
            most = pause > most ? pause : most;
        }
        ck_assert_int_ge(least, whole - whole / 4);
        ck_assert_int_le(most, whole + whole / 4);
        ck_assert_int_lt(least, whole - whole / 8);
        ck_assert_int_gt(most, whole + whole / 8);
        ck_assert_int_eq(breaker_pause(i, 0), whole - whole / 4);
    }
    ck_assert_int_le(breaker_pause(1000000, 7), 75 * CLOCK_SECOND);
}
END_TEST

/* ---- the breaker at work ---- */

static struct provider_state state_of(const struct stage *stage)
{
    struct provider_state state;
    provider_state(stage->provider, &state);
    return state;
}

static void fail_until_open(struct stage *stage, const char *told)
{
    for (unsigned i = 0; i < BREAKER_THRESHOLD; i++) {
        struct session session = {.recipients = 1};
        ck_assert_str_eq(state_of(stage).breaker, "closed");
        session_run(&session, stage);
        ck_assert_str_eq(session.log, told);
    }
    ck_assert_str_eq(state_of(stage).breaker, "open");
    ck_assert_int_gt(state_of(stage).retry_at, clock_now());
}

/* After three failures nobody is made to try; then it comes back by itself, before any message. */
START_TEST(a_dead_provider_is_left_alone_and_comes_back)
{
    static const char *const dead[] = {">554 no", NULL};
    static const char *const alive[] = {HELLO, MESSAGE, "<QUIT", NULL};
    const char *const *const scripts[] = {dead, dead, dead, alive, NULL};
    struct stage stage;
    struct session last = {.recipients = 1};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    fail_until_open(&stage, "failed unsaid");
    for (unsigned i = 0; i < 20; i++) {
        struct session refused = {.recipients = 1};
        session_run(&refused, &stage);
        ck_assert_str_eq(refused.log, "failed unsaid");
    }
    ck_assert_uint_eq(fake_connections(stage.fake), 3);
    ck_assert(strstr(state_of(&stage).last_error, "554") != NULL);
    WAIT_UNTIL(&stage, strcmp(state_of(&stage).breaker, "closed") == 0);
    ck_assert_uint_eq(fake_connections(stage.fake), 4);
    ck_assert_uint_eq(state_of(&stage).attempts_failed, 0);
    ck_assert_int_eq(state_of(&stage).retry_at, 0);
    session_run(&last, &stage);
    ck_assert_str_eq(last.log, "250 accepted 250");
    ck_assert_uint_eq(fake_connections(stage.fake), 4);
    stage_end(&stage);
}
END_TEST

/* While the probe is out nobody goes with it, and its failure opens the breaker again. */
START_TEST(one_probe_at_a_time)
{
    static const char *const dead[] = {">554 no", NULL};
    static const char *const slow[] = {"P", "P", "P", "P", ">554 no", NULL};
    static const char *const alive[] = {HELLO, NULL};
    const char *const *const scripts[] = {dead, dead, dead, slow, alive, NULL};
    struct stage stage;
    stage_begin(&stage);
    stage.n_loops = 2;
    stage_serve(&stage, scripts);
    fail_until_open(&stage, "failed unsaid");
    WAIT_UNTIL(&stage, strcmp(state_of(&stage).breaker, "half-open") == 0);
    for (unsigned i = 0; i < 10; i++) {
        struct session refused = {.recipients = 1};
        session_begin(&refused, &stage, i % 2);
        WAIT_UNTIL(&stage, refused.done);
        ck_assert_str_eq(refused.log, "failed unsaid");
    }
    ck_assert_str_eq(state_of(&stage).breaker, "half-open");
    WAIT_UNTIL(&stage, strcmp(state_of(&stage).breaker, "open") == 0);
    ck_assert_uint_eq(fake_connections(stage.fake), 4);
    stage_end(&stage);
}
END_TEST

START_TEST(silences_open_it_and_refusals_do_not)
{
    static const char *const mute[] = {HELLO, MAIL, "W", NULL};
    static const char *const strict[] = {HELLO,   "@",       MAIL, "<RCPT", ">550 no",
                                         "<RSET", ">250 ok", "*",  NULL};
    const char *const *const scripts[][2] = {{mute, NULL}, {strict, NULL}};
    struct stage stage;
    stage_begin(&stage);
    if (_i == 0)
        stage_be_impatient(&stage);
    stage_serve(&stage, scripts[_i]);
    if (_i == 0) {
        struct session refused = {.recipients = 1};
        fail_until_open(&stage, "failed");
        session_run(&refused, &stage);
        ck_assert_str_eq(refused.log, "failed unsaid");
    }
    for (unsigned i = 0; i < 10 && _i == 1; i++) {
        struct session refused = {.recipients = 1};
        session_run(&refused, &stage);
        ck_assert_str_eq(refused.log, "550");
        ck_assert_str_eq(state_of(&stage).breaker, "closed");
    }
    stage_end(&stage);
}
END_TEST

/* What cannot be warmed up is tried again, so that its capabilities are known one day. */
START_TEST(warming_up_is_tried_again)
{
    static const char *const dead[] = {">421 starting", NULL};
    static const char *const alive[] = {HELLO, "<QUIT", NULL};
    const char *const *const scripts[] = {dead, dead, alive, NULL};
    struct stage stage;
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    provider_warm(stage.provider, stage.loops[0]);
    WAIT_UNTIL(&stage, state_of(&stage).capabilities.bits != 0);
    ck_assert_uint_eq(fake_connections(stage.fake), 3);
    ck_assert_uint_eq(state_of(&stage).connections, 1);
    stage_end(&stage);
}
END_TEST

/* ---- connections turned away ---- */

/* It takes two of ours; ten messages at once all get through, over those. */
START_TEST(a_provider_takes_fewer_connections)
{
    static const char *const kept[] = {HELLO, "@", MESSAGE, "*", NULL};
    static const char *const away[] = {">421 too many", "W", NULL};
    const char *const *const scripts[] = {kept, kept, away, NULL};
    static struct session sessions[20];
    struct stage stage;
    memset(sessions, 0, sizeof(sessions));
    stage_begin(&stage);
    stage.n_loops = 2;
    stage.provider_config.connections = 8;
    stage_serve(&stage, scripts);
    stage.provider->limit_pause = 600 * CLOCK_SECOND;
    for (unsigned i = 0; i < 20; i++)
        session_begin(&sessions[i], &stage, i % (unsigned)_i);
    for (unsigned i = 0; i < 20; i++) {
        WAIT_UNTIL(&stage, sessions[i].done);
        ck_assert_str_eq(sessions[i].log, "250 accepted 250");
    }
    ck_assert_uint_le(state_of(&stage).limit, 2);
    ck_assert_str_eq(state_of(&stage).breaker, "closed");
    stage_end(&stage);
}
END_TEST

START_TEST(the_limit_grows_again)
{
    static const char *const kept[] = {HELLO, "@", MESSAGE, "*", NULL};
    static const char *const away[] = {">421 too many", NULL};
    const char *const *const scripts[] = {kept, away, kept, NULL};
    static struct session sessions[6];
    struct stage stage;
    struct session holder = {.recipients = 1}, second = {.recipients = 1};
    stage_begin(&stage);
    stage.provider_config.connections = 3;
    stage_serve(&stage, scripts);
    stage.provider->limit_pause = 300 * MILLISECONDS;
    session_run(&holder, &stage);
    session_begin(&sessions[0], &stage, 0);
    session_begin(&second, &stage, 0);
    WAIT_UNTIL(&stage, sessions[0].done && second.done);
    ck_assert_str_eq(second.log, "250 accepted 250");
    ck_assert_uint_eq(state_of(&stage).limit, 1);
    usleep(350000);
    for (unsigned i = 0; i < 6; i++) {
        sessions[i] = (struct session){.recipients = 1};
        session_begin(&sessions[i], &stage, 0);
    }
    ck_assert_uint_eq(state_of(&stage).limit, 2);
    for (unsigned i = 0; i < 6; i++) {
        WAIT_UNTIL(&stage, sessions[i].done);
        ck_assert_str_eq(sessions[i].log, "250 accepted 250");
    }
    stage_end(&stage);
}
END_TEST

/* Turned away alone, that is the provider's trouble, and nobody waits for ever. */
START_TEST(turned_away_alone)
{
    static const char *const away[] = {">421 never", NULL};
    const char *const *const scripts[] = {away, NULL};
    static struct session sessions[12];
    struct stage stage;
    memset(sessions, 0, sizeof(sessions));
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    for (unsigned i = 0; i < 12; i++)
        session_begin(&sessions[i], &stage, 0);
    for (unsigned i = 0; i < 12; i++) {
        WAIT_UNTIL(&stage, sessions[i].done);
        ck_assert_str_eq(sessions[i].log, "failed unsaid");
    }
    ck_assert_str_eq(state_of(&stage).breaker, "open");
    ck_assert_uint_eq(state_of(&stage).connections, 0);
    ck_assert_uint_eq(state_of(&stage).limit, 4);
    stage_end(&stage);
}
END_TEST

/* ---- DSN and SMTPUTF8 ---- */

#define ALL_HELLO \
    ">220 hi", "<EHLO", ">250-fake\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8"
#define END DATA, ".", ">250 ok", "<QUIT"

static const struct {
    const char *name;
    struct session session;
    const char *told;
    const char *script[20];
} extended[] = {
    {"all of it",
     {.eight_bit = true,
      .utf8 = true,
      .sender = "d\xc3\xa9@example.org",
      .address = "r\xc3\xa9@example.net",
      .ret = "HDRS",
      .envid = "QQ+2B1",
      .notify = "SUCCESS,DELAY",
      .notify_of = 1,
      .orcpt = "rfc822;r@example.net"},
     "250 accepted 250",
     {ALL_HELLO,
      "<MAIL FROM:<d\xc3\xa9@example.org> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1\r\n",
      ">250 ok",
      "<RCPT TO:<r\xc3\xa9@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;r@example.net\r\n",
      ">250 ok", END}},
    {"nothing asked, nothing said",
     {0},
     "250 accepted 250",
     {ALL_HELLO, "<MAIL FROM:<a@example.org>\r\n", ">250 ok", "<RCPT TO:<r0@example.net>\r\n",
      ">250 ok", END}},
    {"no SMTPUTF8", {.utf8 = true}, "553", {HELLO, "<QUIT"}},
    {"no DSN for RET", {.ret = "FULL"}, "555", {HELLO, "<QUIT"}},
    {"no DSN for ENVID", {.envid = "x", .recipients = 2}, "555 555", {HELLO, "<QUIT"}},
    {"no DSN for one of three",
     {.recipients = 3, .notify = "NEVER", .notify_of = 2},
     "250 555 550 accepted 250",
     {HELLO, MAIL, "<RCPT TO:<r0@", "<RCPT TO:<r2@example.net>\r\n", ">250 ok\r\n550 no", END}},
    {"no DSN for the first",
     {.recipients = 2, .notify = "NEVER", .notify_of = 1},
     "555 250 accepted 250",
     {HELLO_ONE, MAIL, "<RCPT TO:<r1@", ">250 ok", END}},
    {"no DSN for the last",
     {.recipients = 2, .notify = "NEVER", .notify_of = 2},
     "250 555 accepted 250",
     {HELLO_ONE, MAIL, "<RCPT TO:<r0@", ">250 ok", END}},
    {"no DSN for any", {.recipients = 2, .orcpt = "rfc822;x"}, "555 555", {HELLO, "<QUIT"}},
    {"not ASCII without SMTPUTF8", {.address = "\xc3\xa9@x.org"}, "failed unsaid", {HELLO, "W"}},
    {"not UTF-8", {.utf8 = true, .address = "\xc3(@x.org"}, "failed unsaid", {HELLO, "W"}},
    {"a line end", {.address = "a@x.org>\r\nRSET"}, "failed unsaid", {HELLO, "W"}},
    {"a parameter within an address",
     {.address = "a@x.org> NOTIFY=NEVER <"},
     "failed unsaid",
     {HELLO, "W"}},
    {"a space in ENVID", {.envid = "a NOTIFY=NEVER"}, "failed unsaid", {HELLO, "W"}},
    {"a line end in ORCPT", {.orcpt = "rfc822;a\r\nRSET"}, "failed unsaid", {HELLO, "W"}},
    {"a control character in NOTIFY",
     {.notify = "NEVER\x01", .notify_of = 1},
     "failed unsaid",
     {HELLO, "W"}},
    {"a quoted local part",
     {.address = "\"a> b\\\"\"@x.org"},
     "250 accepted 250",
     {HELLO, MAIL, "<RCPT TO:<\"a> b\\\"\"@x.org>\r\n", ">250 ok", END}},
};

START_TEST(what_ehlo_allows_is_said)
{
    struct stage stage;
    struct session session = extended[_i].session;
    const char *const *const scripts[] = {extended[_i].script, NULL};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    for (unsigned i = 0; i < 100; i++)
        stage_turn(&stage);
    ck_assert_msg(strcmp(session.log, extended[_i].told) == 0, "%s: told \"%s\", not \"%s\" (%s)",
                  extended[_i].name, session.log, extended[_i].told, state_of(&stage).last_error);
    ck_assert_uint_eq(state_of(&stage).busy, 0);
    stage_end(&stage);
}
END_TEST

/* What the next connection offers is what counts, and what is remembered. */
START_TEST(a_lost_extension_is_learned)
{
    static const char *const rich[] = {ALL_HELLO, MAIL, RCPT, DATA, ".", ">250 ok\r\n421 bye",
                                       NULL};
    static const char *const poor[] = {HELLO, "<QUIT", NULL};
    const char *const *const scripts[] = {rich, poor, NULL};
    struct stage stage;
    struct session first = {.utf8 = true}, second = {.utf8 = true};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    session_run(&first, &stage);
    ck_assert_str_eq(first.log, "250 accepted 250");
    ck_assert_uint_ne(state_of(&stage).capabilities.bits & CAPABILITY_SMTPUTF8, 0);
    ck_assert_uint_ne(state_of(&stage).capabilities.bits & CAPABILITY_DSN, 0);
    WAIT_UNTIL(&stage, state_of(&stage).connections == 0);
    session_run(&second, &stage);
    ck_assert_str_eq(second.log, "553");
    ck_assert_uint_eq(state_of(&stage).capabilities.bits,
                      CAPABILITY_KNOWN | CAPABILITY_PIPELINING | CAPABILITY_SIZE);
    stage_end(&stage);
}
END_TEST

/* ---- a name look-up that takes its time ---- */

static atomic_bool look_up_held, look_up_begun;

/* In the place of the C library's. */
int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if ((hints->ai_flags & AI_NUMERICHOST) == 0 && strcmp(host, "slow.example") == 0) {
        atomic_store(&look_up_begun, true);
        while (atomic_load(&look_up_held))
            usleep(1000);
        host = "127.0.0.1";
    }
    return real(host, service, hints, out);
}

/* The provider and its loop go while the resolver thinks; whoever looks is not waited for, and
 * frees what it found. */
START_TEST(nobody_waits_for_the_resolver)
{
    static const char *const script[] = {NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    stage_begin(&stage);
    stage.provider_config.host = "slow.example";
    stage_serve(&stage, scripts);
    atomic_store(&look_up_held, true);
    for (unsigned i = 0; i < 4; i++) {
        struct session session = {.recipients = 1};
        session_begin(&session, &stage, 0);
        mail_abort(&session.transaction); /* one connection is coming all the same */
    }
    WAIT_UNTIL(&stage, atomic_load(&look_up_begun));
    int64_t before = clock_monotonic();
    provider_unref(&stage.provider);
    loop_free(&stage.loops[0]);
    ck_assert_int_lt(clock_monotonic() - before, 10 * CLOCK_SECOND);
    atomic_store(&look_up_held, false);
    usleep(50000); /* so that a use of what is freed has the time to happen */
    stage.n_loops = 0;
    stage_end(&stage);
}
END_TEST

/* ---- the test a person runs ---- */

struct findings {
    bool done;
    bool works;
    char steps[200];
    char details[4000];
};

static void on_finding(void *arg, const struct provider_finding *finding)
{
    struct findings *findings = arg;
    ck_assert(!findings->done);
    if (finding->step == NULL) {
        findings->done = true;
        findings->works = finding->ok;
        return;
    }
    size_t steps = strlen(findings->steps), details = strlen(findings->details);
    snprintf(findings->steps + steps, sizeof(findings->steps) - steps, "%s%s%s",
             steps > 0 ? " " : "", finding->step, finding->ok ? "" : "!");
    snprintf(findings->details + details, sizeof(findings->details) - details, "%s\n",
             finding->detail);
}

static const struct {
    enum tls_mode tls;
    bool verify;
    const char *tls_name;
    const char *username;
    bool works;
    const char *steps;
    const char *detail; /* found among them */
    const char *script[20];
} trials[] = {
    {TLS_NONE,
     false,
     NULL,
     NULL,
     true,
     "resolve connect greeting ehlo quit",
     "PIPELINING, SIZE 9999",
     {HELLO, "<QUIT", ">221 bye"}},
    {TLS_REQUIRED,
     true,
     "mx.example.org",
     "user",
     true,
     "resolve connect greeting ehlo starttls tls ehlo auth quit",
     "CN=mx.example.org, expires",
     {">220 hi", "<EHLO", ">250-x\r\n250 STARTTLS", "<STARTTLS", ">220 go", "T", "<EHLO",
      ">250-x\r\n250 AUTH PLAIN", "<AUTH", ">235 ok", "<QUIT", ">221 bye"}},
    {TLS_IMPLICIT,
     true,
     "mx.example.org",
     NULL,
     true,
     "resolve connect tls greeting ehlo quit",
     "; verified",
     {"T", HELLO, "<QUIT", ">221 bye"}},
    {TLS_IMPLICIT,
     false,
     "other.example.org",
     NULL,
     true,
     "resolve connect tls greeting ehlo quit",
     "NOT verified",
     {"T", HELLO, "<QUIT", ">221 bye"}},
    {TLS_IMPLICIT,
     true,
     "other.example.org",
     NULL,
     false,
     "resolve connect tls!",
     "ostname mismatch); certificate of CN=mx.example.org",
     {"T"}},
    {TLS_NONE,
     false,
     NULL,
     "user",
     false,
     "resolve connect greeting ehlo auth!",
     "AUTH with 535",
     {">220 hi", "<EHLO", ">250-x\r\n250 AUTH PLAIN", "<AUTH", ">535 not passw0rd", "W"}},
    {TLS_NONE, false, NULL, NULL, false, "resolve connect greeting!", "no greeting", {"W"}},
    {TLS_NONE, false, NULL, NULL, false, "resolve connect greeting!", "421 busy", {">421 busy"}},
    {TLS_NONE,
     false,
     NULL,
     NULL,
     true,
     "resolve connect greeting ehlo quit",
     "no extensions",
     {HELLO_ONE, "<QUIT"}},
};

START_TEST(a_provider_is_tested)
{
    struct stage stage;
    struct findings findings = {0};
    const char *const *const scripts[] = {trials[_i].script, NULL};
    char certificate[160];
    stage_begin(&stage);
    stage_path(&stage, "cert.pem", certificate);
    stage.provider_config.tls = trials[_i].tls;
    stage.provider_config.tls_verify = trials[_i].verify;
    stage.provider_config.tls_name = trials[_i].tls_name;
    stage.provider_config.tls_ca_file = trials[_i].tls != TLS_NONE ? certificate : NULL;
    stage.provider_config.username = trials[_i].username;
    stage.provider_config.password = "passw0rd";
    if (strcmp(trials[_i].detail, "no greeting") == 0)
        stage_be_impatient(&stage);
    stage_serve(&stage, scripts);
    provider_test(stage.provider, stage.loops[0], on_finding, &findings);
    ck_assert_str_eq(findings.steps, "");
    WAIT_UNTIL(&stage, findings.done);
    ck_assert_str_eq(findings.steps, trials[_i].steps);
    ck_assert_int_eq(findings.works, trials[_i].works);
    ck_assert_msg(strstr(findings.details, trials[_i].detail) != NULL, "%s", findings.details);
    ck_assert_ptr_null(strstr(findings.details, "passw0rd"));
    /* It is no part of the provider's life. */
    ck_assert_uint_eq(state_of(&stage).capabilities.bits, 0);
    ck_assert_uint_eq(state_of(&stage).attempts_failed, 0);
    ck_assert_uint_eq(state_of(&stage).connections, 0);
    stage_end(&stage);
}
END_TEST

#define ROWS(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
    const TTest *const tests[] = {pauses_double_and_are_spread,
                                  a_dead_provider_is_left_alone_and_comes_back,
                                  one_probe_at_a_time,
                                  warming_up_is_tried_again,
                                  the_limit_grows_again,
                                  turned_away_alone,
                                  a_lost_extension_is_learned,
                                  nobody_waits_for_the_resolver,
                                  NULL};
    Suite *trouble = unit_suite("providers in trouble", tests);
    TCase *cases = tcase_create("tables");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_loop_test(cases, the_breaker_lives_as_told, 0, ROWS(lives));
    tcase_add_loop_test(cases, silences_open_it_and_refusals_do_not, 0, 2);
    tcase_add_loop_test(cases, a_provider_takes_fewer_connections, 1, 3);
    tcase_add_loop_test(cases, what_ehlo_allows_is_said, 0, ROWS(extended));
    tcase_add_loop_test(cases, a_provider_is_tested, 0, ROWS(trials));
    suite_add_tcase(trouble, cases);
    Suite *const suites[] = {trouble, NULL};
    return unit_run(suites);
}
