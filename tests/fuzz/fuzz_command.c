/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines: a refusal is a reply that can be sent as it is; what is accepted holds nothing
 * that could end a line or a path upstream, and is read the same when composed again.
 */
#include "base/str.h"
#include "policy/recipient.h"
#include "proxy/smtp/command.h"
#include "proxy/smtp/xclient.h"
#include "tests/fuzz/fuzz.h"

static void check_refusal(struct smtp_refusal refusal)
{
    must(refusal.code >= 400 && refusal.code <= 599);
    must(refusal.text != NULL && fuzz_one_line(refusal.text));
    must(refusal.text[0] == '0' + refusal.code / 100 && refusal.text[1] == '.');
}

static bool ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

/* What goes upstream between < and >. */
static void check_path(const char *path, bool utf8)
{
    bool quoted = false;
    must(utf8 ? utf8_valid(path, strlen(path)) : ascii(path));
    if (*path != '\0')
        must(ascii(strrchr(path, '@')));
    for (; *path != '\0'; path++) {
        must((unsigned char)*path >= 0x20 && *path != 0x7f);
        must(quoted || strchr(" <>", *path) == NULL);
        if (*path == '"')
            quoted = !quoted;
        else if (quoted && *path == '\\')
            must(*++path != '\0');
    }
    must(!quoted);
}

/* What goes upstream as a parameter's value. */
static void check_value(const char *value, size_t most, bool utf8)
{
    must(strlen(value) <= most && strpbrk(value, " =\x7f") == NULL);
    must(utf8 ? utf8_valid(value, strlen(value)) : ascii(value));
    for (; *value != '\0'; value++)
        must((unsigned char)*value > 0x20);
}

static void check_mail(const char *arguments, const struct smtp_route *route)
{
    static const struct smtp_route all = {true, true, true};
    struct smtp_mail mail;
    struct smtp_refusal refusal = smtp_parse_mail(arguments, route, &mail);
    if (refusal.code != 0) {
        check_refusal(refusal);
        return;
    }
    must(route->eight_bit || !mail.eight_bit);
    must(route->utf8 || !mail.utf8);
    must(route->dsn || (mail.ret[0] == '\0' && mail.envid[0] == '\0'));
    must((mail.sender[0] == '\0') == (mail.domain[0] == '\0'));
    check_path(mail.sender, mail.utf8);
    check_value(mail.envid, DSN_ENVID_MAX, false);
    must(strcmp(mail.ret, "") == 0 || strcmp(mail.ret, "FULL") == 0 ||
         strcmp(mail.ret, "HDRS") == 0);
    char again[800];
    struct smtp_mail second;
    snprintf(again, sizeof(again), "FROM:<%s> SIZE=%llu%s%s%s%s%s%s", mail.sender,
             (unsigned long long)mail.size, mail.eight_bit ? " BODY=8BITMIME" : "",
             mail.ret[0] ? " RET=" : "", mail.ret, mail.envid[0] ? " ENVID=" : "", mail.envid,
             mail.utf8 ? " SMTPUTF8" : "");
    must(smtp_parse_mail(again, &all, &second).code == 0);
    must(strcmp(mail.sender, second.sender) == 0 && strcmp(mail.domain, second.domain) == 0);
    must(mail.size == second.size && mail.eight_bit == second.eight_bit);
    must(mail.utf8 == second.utf8 && mail.ret == second.ret);
    must(strcmp(mail.envid, second.envid) == 0);
}

static void check_rcpt(const char *arguments, const struct smtp_route *route, bool utf8)
{
    struct smtp_rcpt rcpt;
    struct smtp_refusal refusal = smtp_parse_rcpt(arguments, route, utf8, &rcpt);
    if (refusal.code != 0) {
        check_refusal(refusal);
        return;
    }
    struct address parsed;
    check_path(rcpt.address, utf8);
    check_value(rcpt.notify, sizeof("SUCCESS,FAILURE,DELAY") - 1, false);
    check_value(rcpt.orcpt, DSN_ORCPT_MAX, utf8);
    must(route->dsn || (rcpt.notify[0] == '\0' && rcpt.orcpt[0] == '\0'));
    must(strstr(rcpt.notify, "NEVER") == NULL || strcmp(rcpt.notify, "NEVER") == 0);
    must(address_parse_email(rcpt.address, &parsed, NULL) == RESULT_OK);
    char again[1200];
    struct smtp_rcpt second;
    snprintf(again, sizeof(again), "TO:<%s>%s%s%s%s", rcpt.address,
             rcpt.notify[0] ? " NOTIFY=" : "", rcpt.notify, rcpt.orcpt[0] ? " ORCPT=" : "",
             rcpt.orcpt);
    must(smtp_parse_rcpt(again, route, utf8, &second).code == 0);
    must(strcmp(rcpt.address, second.address) == 0);
    must(strcmp(rcpt.notify, second.notify) == 0 && strcmp(rcpt.orcpt, second.orcpt) == 0);
}

static void check_xclient(const char *arguments)
{
    struct smtp_xclient client;
    struct smtp_refusal refusal = smtp_parse_xclient(arguments, &client);
    int family = client.address.ss_family;
    if (refusal.code != 0)
        check_refusal(refusal);
    else
        must(client.has_address ? family == AF_UNSPEC || family == AF_INET || family == AF_INET6
                                : family == AF_UNSPEC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = fuzz_copy(data, size, true);
    size_t length = strlen(line);
    const char *arguments = NULL;
    enum smtp_verb verb = smtp_verb_of(line, &arguments);
    must(verb >= VERB_UNKNOWN && verb < VERB_COUNT);
    must(arguments >= line && arguments <= line + length);
    must(smtp_verb_limit(verb) >= SMTP_LINE_MAX && smtp_verb_limit(verb) <= SMTP_LONGEST_LINE);
    if (verb != VERB_UNKNOWN) {
        must(ascii_has_prefix(line, smtp_verb_name(verb)));
        must(strcspn(line, " ") == strlen(smtp_verb_name(verb)));
    }
    /* Whatever the verb: the parsers must bear anything. */
    for (unsigned i = 0; i < 8; i++) {
        struct smtp_route route = {(i & 1) != 0, (i & 2) != 0, (i & 4) != 0};
        check_mail(arguments, &route);
        check_rcpt(arguments, &route, route.utf8);
    }
    check_xclient(arguments);
    if (smtp_valid_helo(arguments))
        must(fuzz_one_line(arguments) && strlen(arguments) <= 255 &&
             strpbrk(arguments, " <>()\"\\@") == NULL);
    free(line);
    return 0;
}
