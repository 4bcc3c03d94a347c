/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of DSN (RFC 3461, RFC 6533) and SMTPUTF8 (RFC 6531): all of their grammar, and
 * nothing else. */
#include "proxy/smtp/command.h"
#include "tests/unit/test_proxy_parts.h"

#include <stdio.h>
#include <string.h>

#define A10  "aaaaaaaaaa"
#define A99  A10 A10 A10 A10 A10 A10 A10 A10 A10 "aaaaaaaaa"
#define A492 A99 A99 A99 A99 A10 A10 A10 A10 A10 A10 A10 A10 A10 "aaaaaa"

static const struct smtp_route all = {.eight_bit = true, .dsn = true, .utf8 = true};

static const struct {
    const char *parameters;
    int code;
    const char *ret, *envid;
} mails[] = {
    {"", 0, "", ""},
    {"RET=FULL", 0, "FULL", ""},
    {"ret=hdrs", 0, "HDRS", ""},
    {"ENVID=QQ314159", 0, "", "QQ314159"},
    {"ENVID=a+2Bb+3Dc+20d RET=FULL", 0, "FULL", "a+2Bb+3Dc+20d"},
    {"ENVID=" A99 "b", 0, "", A99 "b"},
    {"ENVID=" A99 "bc", 501, NULL, NULL},
    {"ENVID", 501, NULL, NULL},
    {"ENVID=", 501, NULL, NULL},
    {"ENVID=a+", 501, NULL, NULL},
    {"ENVID=a+2", 501, NULL, NULL},
    {"ENVID=a+2b", 501, NULL, NULL}, /* upper case, says xtext */
    {"ENVID=a+G0", 501, NULL, NULL},
    {"ENVID=a=b", 501, NULL, NULL},
    {"ENVID=a\tb", 501, NULL, NULL},
    {"ENVID=caf\u00e9", 501, NULL, NULL},
    /* What is encoded is printable, too: it ends up in the lines of a report. */
    {"ENVID=a+0D+0ARCPT", 501, NULL, NULL},
    {"ENVID=a+00", 501, NULL, NULL},
    {"ENVID=a+7F", 501, NULL, NULL},
    {"ENVID=a+E9", 501, NULL, NULL},
    {"ENVID=a ENVID=b", 501, NULL, NULL},
    {"RET", 501, NULL, NULL},
    {"RET=", 501, NULL, NULL},
    {"RET=BODY", 501, NULL, NULL},
    {"RET=FULL,HDRS", 501, NULL, NULL},
    {"RET=FULL RET=FULL", 501, NULL, NULL},
};

START_TEST(mail_parameters)
{
    struct smtp_mail mail;
    char text[1024];
    snprintf(text, sizeof(text), "FROM:<a@acme.example> %s", mails[_i].parameters);
    struct smtp_refusal refusal = smtp_parse_mail(text, &all, &mail);
    ck_assert_msg(refusal.code == mails[_i].code, "%s: %d %s", text, refusal.code,
                  refusal.text ? refusal.text : "");
    if (refusal.code != 0)
        return;
    ck_assert_str_eq(mail.ret, mails[_i].ret);
    ck_assert_str_eq(mail.envid, mails[_i].envid);
    /* The same where the route does not carry DSN. */
    struct smtp_route less = {.eight_bit = true, .utf8 = true};
    ck_assert_int_eq(smtp_parse_mail(text, &less, &mail).code,
                     mails[_i].parameters[0] != '\0' ? 555 : 0);
}
END_TEST

/* "8 " before the parameters: MAIL said SMTPUTF8. */
static const struct {
    const char *parameters;
    int code;
    const char *notify, *orcpt;
} rcpts[] = {
    {"NOTIFY=NEVER", 0, "NEVER", ""},
    {"notify=never", 0, "NEVER", ""},
    {"NOTIFY=SUCCESS", 0, "SUCCESS", ""},
    {"NOTIFY=delay,Failure,SUCCESS", 0, "SUCCESS,FAILURE,DELAY", ""},
    {"NOTIFY=FAILURE,DELAY", 0, "FAILURE,DELAY", ""},
    {"NOTIFY", 501, NULL, NULL},
    {"NOTIFY=", 501, NULL, NULL},
    {"NOTIFY=NEVER,SUCCESS", 501, NULL, NULL},
    {"NOTIFY=SUCCESS,NEVER", 501, NULL, NULL},
    {"NOTIFY=SUCCESS,SUCCESS", 501, NULL, NULL},
    {"NOTIFY=SUCCESS,", 501, NULL, NULL},
    {"NOTIFY=,SUCCESS", 501, NULL, NULL},
    {"NOTIFY=SUCCESS,,DELAY", 501, NULL, NULL},
    {"NOTIFY=ALWAYS", 501, NULL, NULL},
    {"NOTIFY=NEVER NOTIFY=NEVER", 501, NULL, NULL},
    {"ORCPT=rfc822;bob@example.org", 0, "", "rfc822;bob@example.org"},
    {"NOTIFY=DELAY ORCPT=RFC822;b+2Bob@example.org", 0, "DELAY", "RFC822;b+2Bob@example.org"},
    {"ORCPT=X-other;+20any+20thing", 0, "", "X-other;+20any+20thing"},
    {"ORCPT=rfc822;" A492 "b", 0, "", "rfc822;" A492 "b"},
    {"ORCPT=rfc822;" A492 "bc", 501, NULL, NULL},
    {"ORCPT", 501, NULL, NULL},
    {"ORCPT=", 501, NULL, NULL},
    {"ORCPT=rfc822", 501, NULL, NULL},
    {"ORCPT=rfc822;", 501, NULL, NULL},
    {"ORCPT=;bob@example.org", 501, NULL, NULL},
    {"ORCPT=rfc(822);bob@example.org", 501, NULL, NULL},
    {"ORCPT=rfc822;a=b@example.org", 501, NULL, NULL},
    {"ORCPT=rfc822;a+0D+0AMAIL", 501, NULL, NULL},
    {"ORCPT=rfc822;\u00e9@example.org", 501, NULL, NULL},
    {"8 ORCPT=rfc822;\u00e9@example.org", 501, NULL, NULL},
    {"ORCPT=rfc822;a@b.example ORCPT=rfc822;a@b.example", 501, NULL, NULL},
    /* RFC 6533. */
    {"ORCPT=utf-8;bob@example.org", 0, "", "utf-8;bob@example.org"},
    {"ORCPT=UTF-8;\\x{E9}lodie@example.org", 0, "", "UTF-8;\\x{E9}lodie@example.org"},
    {"ORCPT=utf-8;\\x{1F600}@example.org", 0, "", "utf-8;\\x{1F600}@example.org"},
    {"ORCPT=utf-8;a+2Bb@example.org", 0, "", "utf-8;a+2Bb@example.org"},
    {"8 ORCPT=utf-8;\u00e9@example.org", 0, "", "utf-8;\u00e9@example.org"},
    {"ORCPT=utf-8;\u00e9@example.org", 501, NULL, NULL},
    {"8 ORCPT=utf-8;\xe9@example.org", 501, NULL, NULL},
    {"8 ORCPT=utf-8;\xc2\x85@example.org", 501, NULL, NULL},
    {"8 ORCPT=utf-8;\u00e9+0A", 501, NULL, NULL},
    {"8 ORCPT=utf-8;\u00e9\\x{A}", 501, NULL, NULL},
    {"8 ORCPT=utf-8;\u00e9\\x{D800}", 501, NULL, NULL},
    {"8 ORCPT=utf-8;\u00e9\\x{0A}", 501, NULL, NULL},
    {"8 ORCPT=utf-8;\u00e9\\x{110000}", 501, NULL, NULL},
    {"8 ORCPT=utf-8;\u00e9\\x{E9", 501, NULL, NULL},
    {"RET=FULL", 555, NULL, NULL},
    {"SMTPUTF8", 555, NULL, NULL},
};

START_TEST(rcpt_parameters)
{
    struct smtp_rcpt rcpt;
    char text[1200];
    bool utf8 = strncmp(rcpts[_i].parameters, "8 ", 2) == 0;
    snprintf(text, sizeof(text), "TO:<a@b.example> %s", rcpts[_i].parameters + (utf8 ? 2 : 0));
    struct smtp_refusal refusal = smtp_parse_rcpt(text, &all, utf8, &rcpt);
    ck_assert_msg(refusal.code == rcpts[_i].code, "%s: %d %s", text, refusal.code,
                  refusal.text ? refusal.text : "");
    if (refusal.code != 0)
        return;
    ck_assert_str_eq(rcpt.address, "a@b.example");
    ck_assert_str_eq(rcpt.notify, rcpts[_i].notify);
    ck_assert_str_eq(rcpt.orcpt, rcpts[_i].orcpt);
    struct smtp_route less = {.eight_bit = true, .utf8 = true};
    ck_assert_int_eq(smtp_parse_rcpt(text, &less, utf8, &rcpt).code, 555);
}
END_TEST

static const struct {
    const char *arguments;
    int code;
    const char *sender, *domain;
    bool utf8;
} senders[] = {
    {"FROM:<\u00e9lodie@acme.example> SMTPUTF8", 0, "\u00e9lodie@acme.example", "acme.example",
     true},
    {"FROM:<a@acme.example> smtputf8", 0, "a@acme.example", "acme.example", true},
    {"FROM:<> SMTPUTF8", 0, "", "", true},
    {"FROM:<\"\u00e9 b\"@acme.example> SMTPUTF8 SIZE=1", 0, "\"\u00e9 b\"@acme.example",
     "acme.example", true},
    /* The provider is told the domain that is judged, in letters nobody reads differently. */
    {"FROM:<a@b\u00fccher.example> SMTPUTF8", 0, "a@xn--bcher-kva.example", "xn--bcher-kva.example",
     true},
    {"FROM:<a@fa\u00df.example> SMTPUTF8", 0, "a@xn--fa-hia.example", "xn--fa-hia.example", true},
    {"FROM:<A@ACME\u3002example> SMTPUTF8", 0, "A@acme.example", "acme.example", true},
    {"FROM:<A@XN--BCHER-KVA.example> SMTPUTF8", 0, "A@XN--BCHER-KVA.example",
     "xn--bcher-kva.example", true},
    /* Only when said so. */
    {"FROM:<\u00e9lodie@acme.example>", 553, NULL, NULL, false},
    {"FROM:<a@b\u00fccher.example>", 553, NULL, NULL, false},
    {"FROM:<a@acme.example> SMTPUTF8 SMTPUTF8", 501, NULL, NULL, false},
    {"FROM:<a@acme.example> SMTPUTF8=YES", 501, NULL, NULL, false},
    {"FROM:<\xe9@acme.example> SMTPUTF8", 553, NULL, NULL, false},
    {"FROM:<a\xed\xa0\x80@acme.example> SMTPUTF8", 553, NULL, NULL, false},
    {"FROM:<a@\xff.example> SMTPUTF8", 553, NULL, NULL, false},
    {"FROM:<a\xc2\x85@acme.example> SMTPUTF8", 553, NULL, NULL, false},
    {"FROM:<a\u202e@acme.example> SMTPUTF8", 553, NULL, NULL, false},
    {"FROM:<a\uff20acme.example> SMTPUTF8", 553, NULL, NULL, false},
};

START_TEST(utf8_senders)
{
    struct smtp_mail mail;
    struct smtp_refusal refusal = smtp_parse_mail(senders[_i].arguments, &all, &mail);
    ck_assert_msg(refusal.code == senders[_i].code, "%s: %d %s", senders[_i].arguments,
                  refusal.code, refusal.text ? refusal.text : "");
    if (refusal.code == 553)
        ck_assert_msg(strncmp(refusal.text, "5.6.7", 5) == 0 || strstr(refusal.text, "5.1.7"), "%s",
                      refusal.text);
    if (refusal.code != 0)
        return;
    ck_assert_str_eq(mail.sender, senders[_i].sender);
    ck_assert_str_eq(mail.domain, senders[_i].domain);
    ck_assert_int_eq(mail.utf8, senders[_i].utf8);
    struct smtp_route less = {.eight_bit = true, .dsn = true};
    ck_assert_int_eq(smtp_parse_mail(senders[_i].arguments, &less, &mail).code, 553);
}
END_TEST

START_TEST(utf8_recipients)
{
    struct smtp_rcpt rcpt;
    ck_assert_int_eq(smtp_parse_rcpt("TO:<\u00c9@b\u00fccher.example>", &all, true, &rcpt).code, 0);
    ck_assert_str_eq(rcpt.address, "\u00c9@xn--bcher-kva.example");
    struct smtp_refusal refusal = smtp_parse_rcpt("TO:<\u00c9@b.example>", &all, false, &rcpt);
    ck_assert_int_eq(refusal.code, 553);
    ck_assert(strncmp(refusal.text, "5.6.7 ", 6) == 0);
    refusal = smtp_parse_rcpt("TO:<a@b\u00fccher.example>", &all, false, &rcpt);
    ck_assert_int_eq(refusal.code, 553);
    ck_assert_int_eq(smtp_parse_rcpt("TO:<a\xe9@b.example>", &all, true, &rcpt).code, 553);
}
END_TEST

START_TEST(decodes_xtext)
{
    char out[8];
    ck_assert(xtext_decode("a+2Bb", out, sizeof(out)));
    ck_assert_str_eq(out, "a+b");
    ck_assert(xtext_decode("1234567", out, sizeof(out)));
    ck_assert(!xtext_decode("12345678", out, sizeof(out)));
    ck_assert(!xtext_decode("+0A", out, sizeof(out)));
    ck_assert(!xtext_decode("+", out, sizeof(out)));
    ck_assert(xtext_valid("[UNAVAILABLE]"));
    ck_assert(!xtext_valid("a b"));
}
END_TEST

START_TEST(room_for_parameters)
{
    /* The longest that the standards allow fits into a line. */
    char line[SMTP_ENVELOPE_MAX + 1];
    struct smtp_rcpt rcpt;
    int length =
        snprintf(line, sizeof(line), "RCPT TO:<%.64s@b.example> NOTIFY=%s ORCPT=rfc822;%sb\r\n",
                 A99, "SUCCESS,FAILURE,DELAY", A492);
    ck_assert_uint_le((size_t)length, smtp_verb_limit(VERB_RCPT));
    ck_assert_uint_eq(smtp_verb_limit(VERB_MAIL), smtp_verb_limit(VERB_RCPT));
    line[length - 2] = '\0';
    ck_assert_int_eq(smtp_parse_rcpt(line + 5, &all, false, &rcpt).code, 0);
}
END_TEST

Suite *parameters_suite(void)
{
    const TTest *const tests[] = {utf8_recipients, decodes_xtext, room_for_parameters, NULL};
    Suite *suite = unit_suite("parameters", tests);
    TCase *cases = tcase_create("tables");
    tcase_add_loop_test(cases, mail_parameters, 0, (int)(sizeof(mails) / sizeof(mails[0])));
    tcase_add_loop_test(cases, rcpt_parameters, 0, (int)(sizeof(rcpts) / sizeof(rcpts[0])));
    tcase_add_loop_test(cases, utf8_senders, 0, (int)(sizeof(senders) / sizeof(senders[0])));
    suite_add_tcase(suite, cases);
    return suite;
}
