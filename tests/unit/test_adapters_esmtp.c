/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole-message submission through libESMTP against scripted servers: what the session is told, and
 * that each known defect of the library is fenced. SIGPIPE is not ignored here: no worker may be
 * hit by it.
 */
#include "adapters/esmtp/header.h"
#include "base/str.h"
#include "tests/unit/test_adapters_esmtp_stage.h"

#include <string.h>

/* ---- what a provider may say ---- */

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

int main(void)
{
    const TTest *const tests[] = {long_headers_are_kept, a_missing_date_is_added, NULL};
    Suite *esmtp = unit_suite("esmtp", tests);
    TCase *tables = tcase_create("tables");
    tcase_set_timeout(tables, UNIT_SECONDS);
    tcase_add_loop_test(tables, providers_say_what_they_like, 0, ROWS(rows));
    tcase_add_loop_test(tables, bytes_are_kept, 0, ROWS(identical));
    tcase_add_loop_test(tables, letters_are_inspected, 0, ROWS(letters));
    suite_add_tcase(esmtp, tables);
    Suite *const suites[] = {esmtp, esmtp_work_suite(), NULL};
    return unit_run(suites);
}
