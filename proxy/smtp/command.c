/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/smtp/command.h"

#include "base/str.h"
#include "policy/recipient.h"

#include <string.h>

static const struct {
    const char *name;
    size_t limit;
} verbs[VERB_COUNT] = {
    [VERB_UNKNOWN] = {"", SMTP_LINE_MAX},      [VERB_EHLO] = {"EHLO", SMTP_LINE_MAX},
    [VERB_HELO] = {"HELO", SMTP_LINE_MAX},     [VERB_STARTTLS] = {"STARTTLS", SMTP_LINE_MAX},
    [VERB_AUTH] = {"AUTH", SMTP_AUTH_MAX},     [VERB_MAIL] = {"MAIL", SMTP_ENVELOPE_MAX},
    [VERB_RCPT] = {"RCPT", SMTP_ENVELOPE_MAX}, [VERB_DATA] = {"DATA", SMTP_LINE_MAX},
    [VERB_RSET] = {"RSET", SMTP_LINE_MAX},     [VERB_NOOP] = {"NOOP", SMTP_LINE_MAX},
    [VERB_VRFY] = {"VRFY", SMTP_LINE_MAX},     [VERB_HELP] = {"HELP", SMTP_LINE_MAX},
    [VERB_QUIT] = {"QUIT", SMTP_LINE_MAX},
};

enum smtp_verb smtp_verb_of(const char *line, const char **arguments_out)
{
    size_t length = strcspn(line, " ");
    *arguments_out = line[length] == ' ' ? line + length + 1 : line + length;
    for (int i = VERB_UNKNOWN + 1; i < VERB_COUNT; i++)
        if (ascii_equal_n(line, length, verbs[i].name))
            return (enum smtp_verb)i;
    return VERB_UNKNOWN;
}

const char *smtp_verb_name(enum smtp_verb verb)
{
    return verb == VERB_UNKNOWN ? "an unknown command" : verbs[verb].name;
}

size_t smtp_verb_limit(enum smtp_verb verb)
{
    return verbs[verb].limit;
}

static struct smtp_refusal refuse(int code, const char *text)
{
    return (struct smtp_refusal){.code = code, .text = text};
}

static const struct smtp_refusal fine = {0};

/*
 * "<" path ">" at *text; moves *text behind it. Quoted local parts may hold '>', so the end is
 * looked for outside quotes. Spaces before "<" are tolerated: several real clients send them.
 */
static struct smtp_refusal take_path(const char **text, char *out, size_t size)
{
    const char *at = *text;
    while (*at == ' ')
        at++;
    if (*at != '<')
        return refuse(501, "5.5.4 The address must stand between < and >");
    const char *start = ++at;
    bool quoted = false;
    for (; *at != '\0' && (quoted || *at != '>'); at++) {
        unsigned char c = (unsigned char)*at;
        if (c < 0x20 || c == 0x7f)
            return refuse(501, "5.5.2 Control characters are not allowed in an address");
        if (c >= 0x80)
            return refuse(553, "5.6.7 Addresses beyond ASCII are not supported here");
        if (c == '"')
            quoted = !quoted;
        else if (c == '\\' && quoted && at[1] != '\0')
            at++;
        else if ((c == ' ' || c == '<') && !quoted)
            return refuse(501, "5.1.3 The address is not valid");
    }
    if (*at != '>')
        return refuse(501, "5.5.4 The address must stand between < and >");
    if (*start == '@')
        return refuse(501, "5.1.3 Source routes are not accepted");
    if (!str_copy_n(out, size, start, (size_t)(at - start)))
        return refuse(501, "5.1.3 The address is too long");
    at++;
    if (*at != ' ' && *at != '\0')
        return refuse(501, "5.5.4 A space must stand between the address and its parameters");
    *text = at;
    return fine;
}

/* The next "KEY[=VALUE]"; false at the end. Both parts are cut to their buffers' sizes, which are
 * larger than any value that is accepted. */
static bool next_parameter(const char **text, char *key, size_t key_size, char *value,
                           size_t value_size)
{
    while (**text == ' ')
        (*text)++;
    if (**text == '\0')
        return false;
    size_t length = strcspn(*text, " ");
    size_t key_length = strcspn(*text, "= ");
    str_copy_n(key, key_size, *text, key_length);
    if (key_length < length)
        str_copy_n(value, value_size, *text + key_length + 1, length - key_length - 1);
    else
        value[0] = '\0';
    *text += length;
    return true;
}

static struct smtp_refusal take_size(const char *value, uint64_t *size_out)
{
    uint64_t size = 0;
    size_t length = strlen(value);
    if (length == 0 || length > 18 || strspn(value, "0123456789") != length)
        return refuse(501, "5.5.4 SIZE needs a number");
    for (; *value != '\0'; value++)
        size = size * 10 + (uint64_t)(*value - '0');
    *size_out = size;
    return fine;
}

static struct smtp_refusal mail_parameters(const char *text, bool eight_bit_offered,
                                           struct smtp_mail *mail)
{
    char key[64];
    char value[1024];
    bool seen_size = false;
    bool seen_body = false;
    while (next_parameter(&text, key, sizeof(key), value, sizeof(value))) {
        if (ascii_equal(key, "SIZE") && !seen_size) {
            seen_size = true;
            struct smtp_refusal refusal = take_size(value, &mail->size);
            if (refusal.code != 0)
                return refusal;
        } else if (ascii_equal(key, "BODY") && !seen_body) {
            seen_body = true;
            if (ascii_equal(value, "8BITMIME"))
                mail->eight_bit = true;
            else if (!ascii_equal(value, "7BIT"))
                return refuse(501, "5.5.4 BODY must be 7BIT or 8BITMIME");
            if (mail->eight_bit && !eight_bit_offered)
                return refuse(554, "5.6.3 The provider's route does not carry 8BITMIME");
        } else if (ascii_equal(key, "AUTH")) {
            /* RFC 4954, 5: must be accepted from an authenticated client; nothing here uses it. */
        } else if (ascii_equal(key, "SIZE") || ascii_equal(key, "BODY")) {
            return refuse(501, "5.5.4 A parameter is given twice");
        } else {
            return refuse(555, "5.5.4 A parameter of MAIL is not supported");
        }
    }
    return fine;
}

static struct smtp_refusal address_refusal(const struct error *err)
{
    /* The texts of policy/recipient never repeat the address; they are kept for unit tests and
     * commands. A partner's software needs the code and the kind of fault. */
    (void)err;
    return refuse(553, "5.1.3 The address is not valid");
}

struct smtp_refusal smtp_parse_mail(const char *arguments, bool eight_bit_offered,
                                    struct smtp_mail *mail_out)
{
    *mail_out = (struct smtp_mail){0};
    if (!ascii_has_prefix(arguments, "FROM:"))
        return refuse(501, "5.5.4 Syntax: MAIL FROM:<address>");
    const char *text = arguments + 5;
    struct smtp_refusal refusal = take_path(&text, mail_out->sender, sizeof(mail_out->sender));
    if (refusal.code != 0)
        return refusal;
    if (mail_out->sender[0] != '\0') {
        struct address address;
        struct error err;
        if (address_parse_email(mail_out->sender, &address, &err) != RESULT_OK)
            return refuse(553, "5.1.7 The sender's address is not valid");
        const char *at = strrchr(address.text, '@');
        str_copy(mail_out->domain, sizeof(mail_out->domain), at + 1);
    }
    return mail_parameters(text, eight_bit_offered, mail_out);
}

struct smtp_refusal smtp_parse_rcpt(const char *arguments, char *address_out, size_t size)
{
    if (!ascii_has_prefix(arguments, "TO:"))
        return refuse(501, "5.5.4 Syntax: RCPT TO:<address>");
    const char *text = arguments + 3;
    struct smtp_refusal refusal = take_path(&text, address_out, size);
    if (refusal.code != 0)
        return refusal;
    struct address address;
    struct error err;
    enum result result = address_parse_email(address_out, &address, &err);
    wipe(&address, sizeof(address));
    if (result != RESULT_OK)
        return address_refusal(&err);
    char key[64];
    char value[1024];
    if (next_parameter(&text, key, sizeof(key), value, sizeof(value)))
        return refuse(555, "5.5.4 A parameter of RCPT is not supported");
    return fine;
}

bool smtp_valid_helo(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > 255)
        return false;
    static const char domain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
    if (name[0] != '[')
        return strspn(name, domain) == length;
    static const char literal[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:-";
    return length > 2 && name[length - 1] == ']' && strspn(name + 1, literal) == length - 2;
}
