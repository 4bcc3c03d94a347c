/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole-message submission through libESMTP against scripted servers: what the session is told, and
 * that each known defect of the library is fenced. SIGPIPE is not ignored here: no worker may be
 * hit by it.
 */
#include "adapters/esmtp/esmtp.h"
#include "adapters/esmtp/header.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "tests/unit/test_adapters_fake.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The configuration here is made by hand and outlives all. */
__attribute__((weak)) struct config *config_ref(struct config *config)
{
    return config;
}
__attribute__((weak)) void config_unref(struct config **config)
{
    *config = NULL;
}

#define MILLISECONDS INT64_C(1000)
#define GUARD        (40 * CLOCK_SECOND)
#define ROWS(array)  ((int)(sizeof(array) / sizeof((array)[0])))

/* ---- the stage: a loop, a provider, a fake server, a folder ---- */

struct stage {
    char folder[64];
    struct config config;
    struct provider_config provider_config;
    struct loop *loop;
    struct provider *provider;
    struct fake *fake;
};

static void stage_path(const struct stage *stage, const char *name, char out[160])
{
    snprintf(out, 160, "%s/%s", stage->folder, name);
}

static void stage_begin(struct stage *stage)
{
    log_set_level(LOG_LEVEL_ERROR);
    *stage = (struct stage){0};
    snprintf(stage->folder, sizeof(stage->folder), "/tmp/octroi-esmtp-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(stage->folder));
    stage->config.hostname = "gate.example.org";
    stage->config.state_dir = stage->folder;
    stage->provider_config = (struct provider_config){
        .name = "fake",
        .adapter = ADAPTER_ESMTP,
        .host = "127.0.0.1",
        .tls_name = "mx.example.org",
        .connections = 4,
        .connect_timeout = 10 * CLOCK_SECOND,
        .reply_timeout = 10 * CLOCK_SECOND,
        .final_timeout = 10 * CLOCK_SECOND,
        .idle_timeout = 10 * CLOCK_SECOND,
    };
}

static void stage_serve(struct stage *stage, const char *const *const *scripts)
{
    struct error err;
    static char certificate[160], key[160];
    bool tls = stage->provider_config.tls != TLS_NONE;
    stage_path(stage, "cert.pem", certificate);
    stage_path(stage, "key.pem", key);
    if (tls) {
        fake_certificate("mx.example.org", certificate, key);
        stage->provider_config.tls_ca_file = certificate;
    }
    stage->fake = fake_new(scripts, tls ? certificate : NULL, key);
    stage->provider_config.port = fake_port(stage->fake);
    ck_assert_int_eq(loop_new(0, &stage->loop, &err), RESULT_OK);
    ck_assert_int_eq(provider_new(&stage->provider_config, &stage->config, &stage->loop, 1,
                                  &stage->provider, &err),
                     RESULT_OK);
}

static void remove_file(const struct stage *stage, const char *name)
{
    char path[160];
    stage_path(stage, name, path);
    unlink(path);
}

static void stage_end(struct stage *stage)
{
    char path[160];
    provider_unref(&stage->provider);
    loop_free(&stage->loop);
    fake_stop(stage->fake);
    ck_assert_str_eq(fake_problem(stage->fake), "");
    fake_free(stage->fake);
    remove_file(stage, "providers/fake.json");
    remove_file(stage, "cert.pem");
    remove_file(stage, "key.pem");
    stage_path(stage, "providers", path);
    rmdir(path);
    ck_assert_int_eq(rmdir(stage->folder), 0);
}

/* ---- a session: sends one message and writes down what it is told ---- */

#define HEADER "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: <a@example.org>\r\n"
#define ID     "Message-ID: <1@example.org>\r\n"
#define PLAIN  HEADER ID "Subject: x\r\n\r\nbody\r\n"

struct session {
    struct stage *stage;
    struct mail_transaction *transaction;
    const char *content; /* as it is on the wire; NULL: PLAIN */
    uint64_t more;       /* bytes of lines behind it */
    size_t most_pending;
    unsigned drained;
    unsigned recipients;
    bool eight_bit, utf8, hold;
    bool inside; /* within one of the calls that must not call back */
    bool done;
    char why[512];
    char log[512];
};

static void note(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void note(struct session *session, const char *format, ...)
{
    size_t at = strlen(session->log);
    ck_assert_msg(!session->inside, "called back from within a call");
    ck_assert_msg(!session->done, "called back after the end");
    va_list args;
    va_start(args, format);
    if (at > 0 && at < sizeof(session->log) - 1)
        session->log[at++] = ' ';
    vsnprintf(session->log + at, sizeof(session->log) - at, format, args);
    va_end(args);
}

static void give(struct session *session, const char *bytes, size_t length)
{
    struct evbuffer *content = evbuffer_new();
    evbuffer_add(content, bytes, length);
    session->inside = true;
    mail_content(session->transaction, content);
    session->inside = false;
    ck_assert_uint_eq(evbuffer_get_length(content), 0);
    if (mail_pending(session->transaction) > session->most_pending)
        session->most_pending = mail_pending(session->transaction);
    evbuffer_free(content);
}

static void give_more(struct session *session)
{
    static char block[64 * 64 + 1];
    if (block[0] == '\0')
        for (unsigned i = 0; i < 64; i++)
            memcpy(block + (size_t)64 * i,
                   "0123456789012345678901234567890123456789012345678901234567890.\r\n", 65);
    while (session->more > 0 && mail_pending(session->transaction) <= MAIL_PENDING_HIGH) {
        size_t length = session->more < 4096 ? (size_t)session->more / 64 * 64 : 4096;
        if (length == 0)
            length = 64;
        give(session, block, length);
        session->more -= session->more < length ? session->more : length;
    }
    if (session->more == 0) {
        session->inside = true;
        mail_finish(session->transaction);
        session->inside = false;
    }
}

static void on_recipient(void *arg, unsigned index, const struct mail_reply *reply)
{
    struct session *session = arg;
    (void)index;
    note(session, "%d", reply->code);
    if (session->hold || index + 1 < session->recipients)
        return;
    give(session, session->content, strlen(session->content));
    give_more(session);
}

static void on_content_refused(void *arg, const struct mail_reply *reply)
{
    note(arg, "content %d", reply->code);
}

static void on_drained(void *arg)
{
    struct session *session = arg;
    ck_assert_uint_lt(mail_pending(session->transaction), MAIL_PENDING_LOW);
    session->drained++;
    give_more(session);
}

static void on_finished(void *arg, enum outcome outcome, const struct mail_reply *reply,
                        const char *queue_id)
{
    struct session *session = arg;
    note(session, "%s %d%s%s",
         outcome == OUTCOME_ACCEPTED  ? "accepted"
         : outcome == OUTCOME_REFUSED ? "refused"
                                      : "unknown",
         reply->code, queue_id != NULL ? " " : "", queue_id != NULL ? queue_id : "");
    str_copy(session->why, sizeof(session->why), reply->text);
    session->done = true;
    mail_abort(&session->transaction);
}

static void on_failed(void *arg, bool nothing_said, const struct error *why)
{
    struct session *session = arg;
    ck_assert_str_ne(why->text, "");
    note(session, nothing_said ? "failed unsaid" : "failed");
    str_copy(session->why, sizeof(session->why), why->text);
    session->done = true;
    mail_abort(&session->transaction);
}

static const struct mail_handler handler = {on_recipient, on_content_refused, on_drained,
                                            on_finished, on_failed};

static void session_begin(struct session *session, struct stage *stage)
{
    struct error err;
    struct mail_envelope envelope = {.sender = "a@example.org",
                                     .eight_bit = session->eight_bit,
                                     .utf8 = session->utf8,
                                     .ret = "",
                                     .envid = ""};
    session->stage = stage;
    if (session->content == NULL)
        session->content = PLAIN;
    if (session->recipients == 0)
        session->recipients = 1;
    session->inside = true;
    session->transaction =
        mail_begin(stage->provider, stage->loop, &envelope, &handler, session, &err);
    ck_assert_ptr_nonnull(session->transaction);
    for (unsigned i = 0; i < session->recipients; i++)
        mail_recipient(session->transaction, i, &(struct mail_rcpt){"r@example.net", "", ""});
    session->inside = false;
}

#define WAIT_UNTIL(stage, condition)                                                            \
    do {                                                                                        \
        int64_t guard_ = clock_monotonic() + GUARD;                                             \
        while (!(condition)) {                                                                  \
            loop_turn((stage)->loop);                                                           \
            usleep(200);                                                                        \
            ck_assert_msg(clock_monotonic() < guard_, "nothing happens any more: " #condition); \
        }                                                                                       \
    } while (0)

static void session_run(struct session *session, struct stage *stage)
{
    session_begin(session, stage);
    WAIT_UNTIL(stage, session->done);
}

/* ---- what a provider may say ---- */

#define HELLO \
    "<EHLO gate.example.org", ">250-fake\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SIZE 9999999"
#define HI    ">220 hi", HELLO
#define MAIL  "<MAIL FROM:<a@example.org> SIZE=", ">250 2.1.0 ok"
#define RCPT  "<RCPT TO:<r@example.net>", ">250 2.1.5 ok"
#define DATA  "<DATA", ">354 go"
#define QUIT  "<QUIT", ">221 bye"
#define CODES "<EHLO", ">250-fake\r\n250 ENHANCEDSTATUSCODES"
#define BARE  "<MAIL", ">250 2.1.0 ok", "<RCPT", ">250 2.1.5 ok"
#define TLS   ">220 hi", "<EHLO", ">250-fake\r\n250 STARTTLS", "<STARTTLS", ">220 go", "T"
#define AUTH  ">220 hi", "<EHLO", ">250-fake\r\n250 AUTH PLAIN LOGIN"
#define STEPS 32

struct row {
    const char *name;
    const char *told;
    const char *script[STEPS];
    const char *why; /* a part of the reason; NULL: any */
    enum tls_mode tls;
    bool verify, username, eight_bit, utf8;
    const char *tls_name;
    const char *content;
    uint64_t more;
};

static const struct row rows[] = {
    {"accepted", "250 accepted 250 4F00D",
     .script = {HI, MAIL, RCPT, DATA, ".", ">250 2.0.0 Ok: queued as 4F00D", QUIT}},
    {"nobody waits for QUIT to be answered", "250 accepted 250",
     .script = {HI, MAIL, RCPT, DATA, ".", ">250 2.0.0 ok", "<QUIT", "P", "P"}},
    {"MAIL refused", "250 refused 451", .script = {HI, "<MAIL", ">451 4.3.0 later", QUIT},
     .why = "later"},
    {"RCPT refused", "250 refused 550", .script = {HI, MAIL, "<RCPT", ">550 5.1.1 no", QUIT},
     .why = "5.1.1"},
    {"DATA refused", "250 refused 452",
     .script = {HI, MAIL, RCPT, "<DATA", ">452 4.3.1 full", QUIT}},
    {"the message refused", "250 refused 554",
     .script = {HI, MAIL, RCPT, DATA, ".", ">554 5.7.1 spam", QUIT}, .why = "spam"},
    {"the greeting refused", "250 failed unsaid", .script = {">421 no", QUIT}, .why = "421"},
    {"EHLO refused", "250 failed unsaid", .script = {">220 hi", "<EHLO", ">421 no", QUIT}},
    {"HELO only", "250 accepted 250",
     .script = {">220 hi", "<EHLO", ">502 what", "<HELO gate", ">250 fake", BARE, DATA, ".",
                ">250 ok", QUIT}},
    {"no SMTP at all", "250 failed unsaid", .script = {">HTTP/1.1 400 Bad Request"}},
    {"gone at once", "250 failed unsaid", .script = {NULL}},
    {"gone after MAIL", "250 failed", .script = {HI, "<MAIL"}},
    /* 5: the library's functions say 1 to both of these. */
    {"gone before 354", "250 failed", .script = {HI, MAIL, RCPT, "<DATA"}},
    /* The library swallows what write(2) says, pulls on to the end, and hears nothing then. */
    {"gone within the content", "250 unknown 451", .script = {HI, MAIL, RCPT, DATA},
     .more = 8000000},
    {"gone after the dot", "250 unknown 451", .script = {HI, MAIL, RCPT, DATA, "."}},
    {"odd answer to the dot", "250 unknown 451",
     .script = {HI, MAIL, RCPT, DATA, ".", ">354 more?", QUIT}},
    /* What is cut off would be said to be complete by BDAT LAST. */
    {"CHUNKING is not used", "250 accepted 250",
     .script = {">220 hi", "<EHLO", ">250-fake\r\n250-CHUNKING\r\n250-x\r\n250 chunking", BARE,
                DATA, ".", ">250 ok", QUIT}},
    {"CHUNKING cut in two", "250 failed unsaid",
     .script = {">220 hi", "<EHLO", "=250-fake\r\n250 CHUN", "P", ">KING", "<NOOP   ", ">250 ok",
                QUIT},
     .why = "pieces"},
    /* 6 */
    {"differing enhanced codes", "250 unknown 451",
     .script = {">220 hi", CODES, BARE, DATA, ".", ">250-2.0.0 ok\r\n250 2.6.0 thanks", QUIT}},
    /* 4: a 250 counts only once the content was pulled, and nothing is heard before it is asked. */
    {"250 instead of 354", "250 failed",
     .script = {HI, MAIL, RCPT, "<DATA", ">250 queued as 1", QUIT}},
    {"250 together with 354", "250 failed",
     .script = {HI, MAIL, RCPT, "<DATA", "=354 go\r\n250 queued as 1\r\n", QUIT},
     .why = "more than it was asked"},
    {"speaks ahead after EHLO", "250 failed unsaid",
     .script = {">220 hi", "<EHLO", "=250 fake\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", QUIT}},
    {"injected before TLS", "250 failed unsaid",
     .script = {">220 hi", "<EHLO", ">250-fake\r\n250 STARTTLS", "<STARTTLS",
                "=220 go\r\n250 x\r\n250 x\r\n250 x\r\n354 x\r\n250 x\r\n", QUIT},
     .why = "more than it was asked", .tls = TLS_REQUIRED},
    {"half a line injected before TLS", "250 failed unsaid",
     .script = {">220 hi", "<EHLO", ">250-fake\r\n250 STARTTLS", "<STARTTLS", "=220 go\r\n25",
                QUIT},
     .tls = TLS_REQUIRED},
    /* TLS, 7 */
    {"TLS", "250 accepted 250", .script = {TLS, HELLO, MAIL, RCPT, DATA, ".", ">250 ok", QUIT},
     .tls = TLS_REQUIRED, .verify = true},
    {"no TLS offered where it is required", "250 failed unsaid", .script = {HI, QUIT},
     .why = "STARTTLS", .tls = TLS_REQUIRED},
    {"no TLS offered where it is optional", "250 accepted 250",
     .script = {HI, MAIL, RCPT, DATA, ".", ">250 ok", QUIT}, .tls = TLS_OPTIONAL},
    {"STARTTLS refused", "250 failed unsaid",
     .script = {">220 hi", "<EHLO", ">250-fake\r\n250 STARTTLS", "<STARTTLS", ">454 4.7.0 no",
                QUIT},
     .tls = TLS_OPTIONAL},
    {"a certificate for another name", "250 failed unsaid", .script = {TLS, HELLO},
     .why = "TLS failed", .tls = TLS_REQUIRED, .verify = true, .tls_name = "other.example.org"},
    {"not verified", "250 accepted 250",
     .script = {TLS, HELLO, MAIL, RCPT, DATA, ".", ">250 ok", QUIT}, .tls = TLS_OPTIONAL,
     .tls_name = "other.example.org"},
    /* 8 */
    {"AUTH", "250 accepted 250",
     .script = {AUTH, "<AUTH PLAIN AHVzZXIAc2VjcmV0", ">235 ok", BARE, DATA, ".", ">250 ok", QUIT},
     .username = true},
    {"AUTH in two steps", "250 accepted 250",
     .script = {">220 hi", "<EHLO", ">250-fake\r\n250 AUTH LOGIN", "<AUTH LOGIN dXNlcg==",
                ">334 UGFzc3dvcmQ6", "<c2VjcmV0", ">235 ok", BARE, DATA, ".", ">250 ok", QUIT},
     .username = true},
    {"AUTH refused", "250 failed unsaid", .script = {AUTH, "<AUTH PLAIN", ">535 5.7.8 no", QUIT},
     .why = "refused the password", .username = true},
    {"AUTH refused in pieces", "250 failed unsaid",
     .script = {AUTH, "<AUTH PLAIN", "=535 5.7", "P", ">.8 no", "<NOOP   ", ">250 ok", QUIT},
     .why = "refused the password", .username = true},
    {"AUTH refused for now", "250 failed unsaid",
     .script = {AUTH, "<AUTH PLAIN", ">454 4.7.0 later", QUIT}, .username = true},
    {"no AUTH offered", "250 failed unsaid", .script = {HI, QUIT}, .why = "offers no AUTH",
     .username = true},
    {"no AUTH by HELO", "250 failed unsaid",
     .script = {">220 hi", "<EHLO", ">502 what", "<HELO", ">250 fake", QUIT}, .username = true},
    /* What it cannot carry. */
    {"8 bits", "250 accepted 250",
     .script = {HI, "<MAIL FROM:<a@example.org> SIZE=110 BODY=8BITMIME", ">250 ok", RCPT, DATA, ".",
                ">250 ok", QUIT},
     .eight_bit = true},
    {"8 bits not offered", "250 failed unsaid", .script = {">220 hi", "<EHLO", ">250 fake", QUIT},
     .why = "8BITMIME", .eight_bit = true},
    {"UTF-8 addresses", "250 refused 554", .script = {NULL}, .why = "SMTPUTF8", .utf8 = true},
    /* 9 */
    {"a bare LF", "250 refused 554", .script = {NULL}, .why = "CR LF",
     .content = PLAIN "a\n.\r\nb\r\n"},
    {"two To", "250 refused 554", .script = {NULL}, .why = "twice",
     .content = "To: x\r\nTo: y\r\n" PLAIN},
    {"Return-Path", "250 refused 554", .script = {NULL}, .why = "lost",
     .content = "Return-Path: <>\r\n" PLAIN},
    {"no From", "250 refused 554", .script = {NULL}, .why = "From",
     .content = "Date: x\r\n" ID "\r\nbody\r\n"},
};

static bool connects(const struct row *row)
{
    return row->script[0] != NULL || row->content != NULL || row->utf8 ||
           strcmp(row->name, "gone at once") == 0;
}

START_TEST(providers_say_what_they_like)
{
    const struct row *row = &rows[_i];
    struct stage stage;
    struct session session = {
        .eight_bit = row->eight_bit, .utf8 = row->utf8, .content = row->content, .more = row->more};
    const char *const *const scripts[] = {row->script, NULL};
    ck_assert(connects(row));
    stage_begin(&stage);
    stage.provider_config.tls = row->tls;
    stage.provider_config.tls_verify = row->verify;
    if (row->tls_name != NULL)
        stage.provider_config.tls_name = row->tls_name;
    if (row->username) {
        stage.provider_config.username = "user";
        stage.provider_config.password = "secret";
    }
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    ck_assert_msg(strcmp(session.log, row->told) == 0, "%s: told '%s' (%s) instead of '%s', %s",
                  row->name, session.log, session.why, row->told, fake_problem(stage.fake));
    if (row->why != NULL)
        ck_assert_msg(strstr(session.why, row->why) != NULL, "%s: because of '%s'", row->name,
                      session.why);
    ck_assert_ptr_null(strstr(session.why, "secret"));
    /* Never tried again by itself; and not at all if the letter is no good. */
    ck_assert_uint_eq(fake_connections(stage.fake), row->content != NULL || row->utf8 ? 0U : 1U);
    stage_end(&stage);
}
END_TEST

/* ---- the bytes ---- */

#define SIGNED                                                                         \
    "Received: from a\r\n\tby b; x\r\nReceived: from c\r\n\tby d; y\r\n"               \
    "DKIM-Signature: v=1; a=rsa-sha256; h=From:Date;\r\n b=abc\r\n\t def==\r\n"        \
    "DKIM-Signature: v=1; second\r\nX-Empty:\r\nreceived:\tlower\r\n"                  \
    "List-Unsubscribe: <https://example.org/u>\r\nList-Unsubscribe-Post: "             \
    "List-Unsubscribe=One-Click\r\n"                                                   \
    "Content-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\nResent-To: x\r\n" \
    "Resent-To: y\r\n"

static const char *const identical[] = {
    PLAIN,
    SIGNED PLAIN,
    SIGNED HEADER "Subject: no Message-ID\r\n\r\nbody\r\n",
    "date: x\r\nFROM: <a@example.org>\r\nmessage-id: <a@b>\r\nto: <x@example.net>\r\n\r\nx\r\n",
    HEADER ID "To: a <a@example.net>,\r\n\tb <b@example.net>,\r\n   c <c@example.net>\r\n"
              "Cc: x\r\nBcc: y\r\nSender: z\r\nReply-To: q\r\nDisposition-Notification-To: r\r\n"
              "\r\n\r\n\r\n",
    HEADER ID "Subject: dots\r\n\r\n..\r\n..a\r\n...b\r\na.\r\n\r\n..\r\n",
    HEADER ID "Subject: \xc3\xa9\r\n\r\n\xff\xfe\x80\t\x01\r\n",
    HEADER "..Odd: a field that begins with a dot\r\n" ID "no colon at all\r\n\r\nx\r\n",
};

START_TEST(bytes_are_kept)
{
    static const char *const script[] = {HI, MAIL, RCPT, DATA, ".", ">250 ok", QUIT, NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct session session = {.content = identical[_i]};
    size_t length;
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "250 accepted 250");
    const char *content = fake_content(stage.fake, &length);
    ck_assert_msg(length == strlen(identical[_i]) && memcmp(content, identical[_i], length) == 0,
                  "became %.*s", (int)length, content);
    stage_end(&stage);
}
END_TEST

/* A header of long folded lines, larger than any of the library's buffers. */
START_TEST(long_headers_are_kept)
{
    static const char *const script[] = {HI, MAIL, RCPT, DATA, ".", ">250 ok", QUIT, NULL};
    const char *const *const scripts[] = {script, NULL};
    struct stage stage;
    struct strbuf content = {0};
    size_t length;
    strbuf_add_str(&content, HEADER "X-Long:");
    for (unsigned i = 0; i < 60; i++) {
        strbuf_add_str(&content, "\r\n ");
        for (unsigned j = 0; j < 99; j++)
            strbuf_add_str(&content, "abcdefghi.");
    }
    strbuf_add_str(&content, "\r\n" ID "\r\nbody\r\n");
    struct session session = {.content = content.data};
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    ck_assert_str_eq(session.log, "250 accepted 250");
    const char *seen = fake_content(stage.fake, &length);
    ck_assert_uint_eq(length, content.length);
    ck_assert_int_eq(memcmp(seen, content.data, length), 0);
    strbuf_free(&content);
    stage_end(&stage);
}
END_TEST

/* Only a missing Date is added, and only where nothing is signed (RFC 6409). */
START_TEST(a_missing_date_is_added)
{
    static const char *const script[] = {HI, MAIL, RCPT, DATA, ".", ">250 ok", QUIT, NULL};
    const char *const *const scripts[] = {script, NULL};
    static const char content[] = "From: <a@example.org>\r\nSubject: x\r\n";
    struct stage stage;
    struct session session = {.content = "From: <a@example.org>\r\nSubject: x\r\n\r\nbody\r\n"};
    size_t length;
    stage_begin(&stage);
    stage_serve(&stage, scripts);
    session_run(&session, &stage);
    const char *seen = fake_content(stage.fake, &length);
    ck_assert_uint_gt(length, sizeof(content) + 8);
    ck_assert_int_eq(memcmp(seen, content, sizeof(content) - 1), 0);
    ck_assert_int_eq(memcmp(seen + sizeof(content) - 1, "Date: ", 6), 0);
    ck_assert_int_eq(memcmp(seen + length - 10, "\r\n\r\nbody\r\n", 10), 0);
    const char *end = memchr(seen + sizeof(content) - 1, '\r', 80);
    ck_assert_ptr_eq(end, seen + length - 10);
    stage_end(&stage);
}
END_TEST

static const struct {
    const char *content;
    const char *why; /* NULL: it may go */
} letters[] = {
    {PLAIN, NULL},
    {HEADER "\r\n", NULL},
    {HEADER, NULL},
    {SIGNED PLAIN, NULL},
    {"From: a\r\n\r\nx\r\n", NULL},
    {"From: a\r\nDKIM-Signature: x\r\n\r\nx\r\n", "Date"},
    {PLAIN "Return-Path: in the body\r\nTo: a\r\nTo: b\r\n", NULL},
    {"X: a\r\n Return-Path: folded\r\n" PLAIN, NULL},
    {"original-recipient: a\r\n" PLAIN, "Original-Recipient"},
    {"MESSAGE-ID: a\r\n" PLAIN, "Message-Id"},
    {"Reply-To: a\r\nReply-To: a\r\n" PLAIN, "Reply-To"},
    {"Bcc: a\r\nBcc: a\r\n" PLAIN, "Bcc"},
    {"From : a\r\nDate: x\r\n\r\n", "From"},
    {"", "From"},
    {"\r\nFrom: in the body\r\n", "From"},
    {PLAIN "a\rb\r\n", "CR LF"},
    {PLAIN "a\nb\r\n", "CR LF"},
    {PLAIN "a\r\r\nb\r\n", "CR LF"},
    {PLAIN "a", "CR LF"},
    {PLAIN "a\r", "CR LF"},
    {"a\n" PLAIN, "CR LF"},
};

START_TEST(letters_are_inspected)
{
    struct letter_shape shape;
    struct error err;
    struct letter *letter =
        letter_new(&(struct mail_envelope){.sender = "", .ret = "", .envid = ""}, NULL);
    letter_add(letter, letters[_i].content, strlen(letters[_i].content));
    enum result result = letter_inspect(letter, &shape, &err);
    if (letters[_i].why == NULL) {
        ck_assert_int_eq(result, RESULT_OK);
    } else {
        ck_assert_int_eq(result, RESULT_BAD_INPUT);
        ck_assert_msg(strstr(err.text, letters[_i].why) != NULL, "'%s'", err.text);
    }
    letter_free(&letter);
}
END_TEST

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

int main(void)
{
    const TTest *const tests[] = {long_headers_are_kept,
                                  a_missing_date_is_added,
                                  tls_is_1_2_and_the_context_lasts,
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
    Suite *esmtp = unit_suite("esmtp", tests);
    TCase *tables = tcase_create("tables");
    tcase_set_timeout(tables, UNIT_SECONDS);
    tcase_add_loop_test(tables, providers_say_what_they_like, 0, ROWS(rows));
    tcase_add_loop_test(tables, bytes_are_kept, 0, ROWS(identical));
    tcase_add_loop_test(tables, letters_are_inspected, 0, ROWS(letters));
    tcase_add_loop_test(tables, aborted_at_any_time, 0, 3);
    suite_add_tcase(esmtp, tables);
    Suite *const suites[] = {esmtp, NULL};
    return unit_run(suites);
}
