/* SPDX-License-Identifier: Apache-2.0 */
/* SMTP command lines: what gets past them is only ever of the grammar. */
#include "base/clock.h"
#include "proxy/rate.h"
#include "proxy/smtp/command.h"
#include "tests/unit/test_proxy_parts.h"

#include <stdio.h>
#include <string.h>

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct smtp_route only_8bit = {.eight_bit = true};

static const struct {
    const char *arguments;
    int code;           /* 0: fine */
    const char *sender; /* when fine */
    unsigned size;
    bool eight_bit;
} mails[] = {
    {"FROM:<a@acme.example>", 0, "a@acme.example", 0, false},
    {"from:<a@acme.example>", 0, "a@acme.example", 0, false},
    {"FROM: <a@acme.example>", 0, "a@acme.example", 0, false},
    {"FROM:<a@acme.example> ", 0, "a@acme.example", 0, false},
    {"FROM:<>", 0, "", 0, false},
    {"FROM:<A.b+c@ACME.example>", 0, "A.b+c@ACME.example", 0, false},
    {"FROM:<a@acme.example> SIZE=17 BODY=8BITMIME", 0, "a@acme.example", 17, true},
    {"FROM:<a@acme.example> body=7bit  size=017", 0, "a@acme.example", 17, false},
    {"FROM:<a@acme.example> AUTH=<>", 0, "a@acme.example", 0, false},
    {"FROM:<\"a b\"@acme.example>", 0, "\"a b\"@acme.example", 0, false},
    {"FROM:<\"a>b\"@acme.example>", 0, "\"a>b\"@acme.example", 0, false},
    {"FROM:<\"a\\\">b\"@acme.example>", 553, NULL, 0, false},
    /* Syntax. */
    {"", 501, NULL, 0, false},
    {"FROM", 501, NULL, 0, false},
    {"FROM:", 501, NULL, 0, false},
    {"FROM :<a@acme.example>", 501, NULL, 0, false},
    {"TO:<a@acme.example>", 501, NULL, 0, false},
    {"FROM:a@acme.example", 501, NULL, 0, false},
    {"FROM:<a@acme.example", 501, NULL, 0, false},
    {"FROM:<\"a@acme.example>", 501, NULL, 0, false},
    {"FROM:<a@acme.example>SIZE=1", 501, NULL, 0, false},
    {"FROM:<a@acme.example>>", 501, NULL, 0, false},
    {"FROM:<<a@acme.example>", 501, NULL, 0, false},
    {"FROM:<a@acme.example> <b@acme.example>", 555, NULL, 0, false},
    /* What must never reach upstream. */
    {"FROM:<a@acme.example\r>", 501, NULL, 0, false},
    {"FROM:<a\n@acme.example>", 501, NULL, 0, false},
    {"FROM:<\"a\r\nRCPT TO:<x@y.example>\"@acme.example>", 501, NULL, 0, false},
    {"FROM:<\"a\tb\"@acme.example>", 501, NULL, 0, false},
    {"FROM:<a\x7f@acme.example>", 501, NULL, 0, false},
    {"FROM:<a b@acme.example>", 501, NULL, 0, false},
    {"FROM:<@relay.example:a@acme.example>", 501, NULL, 0, false},
    {"FROM:<@relay.example,@b.example:a@acme.example>", 501, NULL, 0, false},
    {"FROM:<a%b.example@acme.example>", 553, NULL, 0, false},
    {"FROM:<b.example!a@acme.example>", 553, NULL, 0, false},
    {"FROM:<\"a@b\"@acme.example>", 553, NULL, 0, false},
    {"FROM:<a@b@acme.example>", 553, NULL, 0, false},
    {"FROM:<a@[192.0.2.1]>", 553, NULL, 0, false},
    {"FROM:<a>", 553, NULL, 0, false},
    {"FROM:<a@>", 553, NULL, 0, false},
    {"FROM:<a@acme>extra", 501, NULL, 0, false},
    {"FROM:<caf\xc3\xa9@acme.example>", 553, NULL, 0, false},
    {"FROM:<a@caf\xc3\xa9.example>", 553, NULL, 0, false},
    {"FROM:<a\xff@acme.example>", 553, NULL, 0, false},
    {"FROM:<" A64 "a@acme.example>", 553, NULL, 0, false},
    {"FROM:<" A64 A64 A64 A64 A64 "@acme.example>", 501, NULL, 0, false},
    /* Parameters. */
    {"FROM:<a@acme.example> SIZE=1 SIZE=2", 501, NULL, 0, false},
    {"FROM:<a@acme.example> BODY=7BIT BODY=7BIT", 501, NULL, 0, false},
    {"FROM:<a@acme.example> SIZE", 501, NULL, 0, false},
    {"FROM:<a@acme.example> SIZE=", 501, NULL, 0, false},
    {"FROM:<a@acme.example> SIZE=-1", 501, NULL, 0, false},
    {"FROM:<a@acme.example> SIZE=1k", 501, NULL, 0, false},
    {"FROM:<a@acme.example> SIZE=9999999999999999999", 501, NULL, 0, false},
    {"FROM:<a@acme.example> BODY=BINARYMIME", 501, NULL, 0, false},
    {"FROM:<a@acme.example> AUTH=<> AUTH=<>", 501, NULL, 0, false},
    {"FROM:<a@acme.example> SMTPUTF8", 553, NULL, 0, false},
    {"FROM:<a@acme.example> RET=FULL", 555, NULL, 0, false},
    {"FROM:<a@acme.example> ENVID=x", 555, NULL, 0, false},
    {"FROM:<a@acme.example> NOTIFY=NEVER", 555, NULL, 0, false},
    {"FROM:<a@acme.example> =", 555, NULL, 0, false},
    {"FROM:<a@acme.example> XSIZE=1", 555, NULL, 0, false},
};

START_TEST(mail_from)
{
    struct smtp_mail mail;
    struct smtp_refusal refusal = smtp_parse_mail(mails[_i].arguments, &only_8bit, &mail);
    ck_assert_msg(refusal.code == mails[_i].code, "%s: %d %s", mails[_i].arguments, refusal.code,
                  refusal.text ? refusal.text : "");
    if (refusal.code != 0) {
        ck_assert_ptr_nonnull(refusal.text);
        return;
    }
    ck_assert_str_eq(mail.sender, mails[_i].sender);
    ck_assert_str_eq(mail.domain, mails[_i].sender[0] != '\0' ? "acme.example" : "");
    ck_assert_uint_eq(mail.size, mails[_i].size);
    ck_assert_int_eq(mail.eight_bit, mails[_i].eight_bit);
}
END_TEST

START_TEST(eight_bit_only_where_carried)
{
    struct smtp_mail mail;
    struct smtp_route none = {0};
    ck_assert_int_eq(smtp_parse_mail("FROM:<a@a.example> BODY=8BITMIME", &none, &mail).code, 554);
    ck_assert_int_eq(smtp_parse_mail("FROM:<a@a.example> BODY=7BIT", &none, &mail).code, 0);
}
END_TEST

static const struct {
    const char *arguments;
    int code;
    const char *address;
} rcpts[] = {
    {"TO:<a@b.example>", 0, "a@b.example"},
    {"to: <a@b.example>  ", 0, "a@b.example"},
    {"TO:<\"a b\"@b.example>", 0, "\"a b\"@b.example"},
    {"TO:<\"a\\>b\"@b.example>", 0, "\"a\\>b\"@b.example"},
    {"TO:<\"a\\\xc3\\\xa9\"@b.example>", 501, NULL},
    {"TO:<\"a\\\001\"@b.example>", 501, NULL},
    {"TO:<>", 553, NULL},
    {"FROM:<a@b.example>", 501, NULL},
    {"TO:a@b.example", 501, NULL},
    {"TO:<Postmaster>", 553, NULL},
    {"TO:<@x.example:a@b.example>", 501, NULL},
    {"TO:<a%c.example@b.example>", 553, NULL},
    {"TO:<c.example!a@b.example>", 553, NULL},
    {"TO:<\"a@c.example\"@b.example>", 553, NULL},
    {"TO:<\xc3\xa9@b.example>", 553, NULL},
    {"TO:<a@b.example> NOTIFY=NEVER", 555, NULL},
    {"TO:<a@b.example> ORCPT=rfc822;a@b.example", 555, NULL},
    {"TO:<a@b.example>\r\nDATA", 501, NULL},
    {"TO:<a@b.example\r\nDATA\r\n>", 501, NULL},
};

START_TEST(rcpt_to)
{
    struct smtp_rcpt rcpt;
    struct smtp_refusal refusal = smtp_parse_rcpt(rcpts[_i].arguments, &only_8bit, false, &rcpt);
    ck_assert_msg(refusal.code == rcpts[_i].code, "%s: %d %s", rcpts[_i].arguments, refusal.code,
                  refusal.text ? refusal.text : "");
    if (refusal.code == 0)
        ck_assert_str_eq(rcpt.address, rcpts[_i].address);
}
END_TEST

START_TEST(verbs)
{
    static const struct {
        const char *line;
        enum smtp_verb verb;
        const char *arguments;
    } rows[] = {
        {"EHLO x", VERB_EHLO, "x"},       {"ehlo x", VERB_EHLO, "x"},
        {"QUIT", VERB_QUIT, ""},          {"QUIT ", VERB_QUIT, ""},
        {"DATA", VERB_DATA, ""},          {"DATAX", VERB_UNKNOWN, ""},
        {"DAT", VERB_UNKNOWN, ""},        {"", VERB_UNKNOWN, ""},
        {" NOOP", VERB_UNKNOWN, "NOOP"},  {"MAIL\tFROM:<>", VERB_UNKNOWN, ""},
        {"BDAT 5", VERB_BDAT, "5"},       {"AUTH PLAIN =", VERB_AUTH, "PLAIN ="},
        {"expn list", VERB_EXPN, "list"}, {"XCLIENT A=b", VERB_XCLIENT, "A=b"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *arguments = NULL;
        ck_assert_int_eq(smtp_verb_of(rows[i].line, &arguments), rows[i].verb);
        ck_assert_str_eq(arguments, rows[i].arguments);
    }
    ck_assert_uint_eq(smtp_verb_limit(VERB_AUTH), 12288);
    ck_assert_uint_eq(smtp_verb_limit(VERB_UNKNOWN), 512);
}
END_TEST

START_TEST(helo_names)
{
    static const char *const good[] = {"a", "mx-1.acme.example", "under_score.example",
                                       "[192.0.2.1]", "[IPv6:2001:db8::1]"};
    static const char *const bad[] = {"",    "[]",  "[",   "a b", "a@b",  "a\rb",
                                      "<a>", "a;b", "(a)", "[a",  "[a]b", "caf\xc3\xa9"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(smtp_valid_helo(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!smtp_valid_helo(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(rate_limits)
{
    struct rates *rates = rates_new();
    ck_assert_ptr_nonnull(rates);
    int64_t now = 1000 * CLOCK_SECOND;
    for (int i = 0; i < 1000; i++)
        ck_assert(rates_admit(rates, "p", "free", 0, now));
    for (int i = 0; i < 5; i++)
        ck_assert(rates_admit(rates, "p", "s", 5, now));
    ck_assert(!rates_admit(rates, "p", "s", 5, now));
    ck_assert(rates_admit(rates, "p", "other", 5, now));
    ck_assert(rates_admit(rates, "q", "s", 5, now));
    ck_assert(!rates_admit(rates, "p", "s", 5, now + CLOCK_SECOND / 10));
    ck_assert(rates_admit(rates, "p", "s", 5, now + CLOCK_SECOND / 4));
    ck_assert(!rates_admit(rates, "p", "s", 5, now + CLOCK_SECOND / 4));
    /* Idle time is not saved up beyond one second's worth. */
    for (int i = 0; i < 5; i++)
        ck_assert(rates_admit(rates, "p", "s", 5, now + 3600 * CLOCK_SECOND));
    ck_assert(!rates_admit(rates, "p", "s", 5, now + 3600 * CLOCK_SECOND));
    rates_free(&rates);
}
END_TEST

/* Names come and go, as tokens do and links: what is idle takes no memory, and there is a cap. */
START_TEST(rate_buckets_go)
{
    char name[16];
    struct rates *rates = rates_new();
    int64_t now = 1000 * CLOCK_SECOND;
    for (int i = 0; i < 70000; i++) {
        snprintf(name, sizeof(name), "%d", i);
        ck_assert_int_eq(rates_admit(rates, "", name, 10, now), i < 65536);
        ck_assert(i < 65536 || rates_first(rates, "view", name, CLOCK_SECOND, now));
    }
    ck_assert_uint_eq(rates_count(rates), 65536);
    now += CLOCK_SECOND;
    for (int i = 0; i < 5000; i++) /* each walks a list */
        (void)rates_admit(rates, "", "another", 10, now);
    ck_assert_uint_eq(rates_count(rates), 1);
    rates_free(&rates);
}
END_TEST

START_TEST(rate_first)
{
    struct rates *rates = rates_new();
    int64_t now = 1000 * CLOCK_SECOND;
    ck_assert(rates_first(rates, "view", "a", 60 * CLOCK_SECOND, now));
    ck_assert(!rates_first(rates, "view", "a", 60 * CLOCK_SECOND, now + 59 * CLOCK_SECOND));
    ck_assert(rates_first(rates, "view", "b", 60 * CLOCK_SECOND, now));
    ck_assert(rates_first(rates, "press", "a", 60 * CLOCK_SECOND, now));
    ck_assert(rates_first(rates, "view", "a", 60 * CLOCK_SECOND, now + 60 * CLOCK_SECOND));
    rates_forget(rates, "view", "a", now + 60 * CLOCK_SECOND);
    ck_assert(rates_first(rates, "view", "a", 60 * CLOCK_SECOND, now + 60 * CLOCK_SECOND));
    rates_free(&rates);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {eight_bit_only_where_carried,
                                  verbs,
                                  helo_names,
                                  rate_limits,
                                  rate_buckets_go,
                                  rate_first,
                                  NULL};
    Suite *command = unit_suite("command", tests);
    TCase *cases = tcase_create("tables");
    tcase_add_loop_test(cases, mail_from, 0, (int)(sizeof(mails) / sizeof(mails[0])));
    tcase_add_loop_test(cases, rcpt_to, 0, (int)(sizeof(rcpts) / sizeof(rcpts[0])));
    suite_add_tcase(command, cases);
    Suite *const suites[] = {command,       parameters_suite(), content_suite(),
                             fence_suite(), handover_suite(),   header_suite(),
                             link_suite(),  balancer_suite(),   NULL};
    return unit_run(suites);
}
