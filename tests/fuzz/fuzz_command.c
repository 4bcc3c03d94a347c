/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines: a refusal is a reply that can be sent as it is; what is accepted holds nothing
 * that could end a line or a path upstream, and is read the same when composed again.
 */
#include "base/str.h"
#include "policy/recipient.h"
#include "proxy/smtp/command.h"
#include "tests/fuzz/fuzz.h"

static void check_refusal(struct smtp_refusal refusal)
{
    must(refusal.code >= 400 && refusal.code <= 599);
    must(refusal.text != NULL && fuzz_one_line(refusal.text));
    must(refusal.text[0] == '0' + refusal.code / 100 && refusal.text[1] == '.');
}

/* What goes upstream between < and >. */
static void check_path(const char *path)
{
    bool quoted = false;
    for (; *path != '\0'; path++) {
        must((unsigned char)*path >= 0x20 && (unsigned char)*path < 0x7f);
        must(quoted || strchr(" <>", *path) == NULL);
        if (*path == '"')
            quoted = !quoted;
        else if (quoted && *path == '\\')
            must(*++path != '\0');
    }
    must(!quoted);
}

static void check_mail(const char *arguments, bool eight_bit_offered)
{
    struct smtp_mail mail;
    struct smtp_refusal refusal = smtp_parse_mail(arguments, eight_bit_offered, &mail);
    if (refusal.code != 0) {
        check_refusal(refusal);
        return;
    }
    must(eight_bit_offered || !mail.eight_bit);
    must((mail.sender[0] == '\0') == (mail.domain[0] == '\0'));
    check_path(mail.sender);
    char again[600];
    struct smtp_mail second;
    snprintf(again, sizeof(again), "FROM:<%s> SIZE=%llu%s", mail.sender,
             (unsigned long long)mail.size, mail.eight_bit ? " BODY=8BITMIME" : "");
    must(smtp_parse_mail(again, true, &second).code == 0);
    must(strcmp(mail.sender, second.sender) == 0 && strcmp(mail.domain, second.domain) == 0);
    must(mail.size == second.size && mail.eight_bit == second.eight_bit);
}

static void check_rcpt(const char *arguments)
{
    char address[320];
    struct smtp_refusal refusal = smtp_parse_rcpt(arguments, address, sizeof(address));
    if (refusal.code != 0) {
        check_refusal(refusal);
        return;
    }
    struct address parsed;
    check_path(address);
    must(address_parse_email(address, &parsed, NULL) == RESULT_OK);
    char again[400];
    char second[320];
    snprintf(again, sizeof(again), "TO:<%s>", address);
    must(smtp_parse_rcpt(again, second, sizeof(second)).code == 0);
    must(strcmp(address, second) == 0);
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
    check_mail(arguments, true);
    check_mail(arguments, false);
    check_rcpt(arguments);
    if (smtp_valid_helo(arguments))
        must(fuzz_one_line(arguments) && strlen(arguments) <= 255 &&
             strpbrk(arguments, " <>()\"\\@") == NULL);
    free(line);
    return 0;
}
