/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/smtp/command.h"

#include "base/str.h"
#include "policy/recipient.h"

#include <string.h>

static const struct {
    const char *name;
    size_t limit;
} verbs[VERB_COUNT] = {
    [VERB_UNKNOWN] = {"", SMTP_LINE_MAX},
    [VERB_EHLO] = {"EHLO", SMTP_LINE_MAX},
    [VERB_HELO] = {"HELO", SMTP_LINE_MAX},
    [VERB_STARTTLS] = {"STARTTLS", SMTP_LINE_MAX},
    [VERB_AUTH] = {"AUTH", SMTP_AUTH_MAX},
    [VERB_MAIL] = {"MAIL", SMTP_ENVELOPE_MAX},
    [VERB_RCPT] = {"RCPT", SMTP_ENVELOPE_MAX},
    [VERB_DATA] = {"DATA", SMTP_LINE_MAX},
    [VERB_RSET] = {"RSET", SMTP_LINE_MAX},
    [VERB_NOOP] = {"NOOP", SMTP_LINE_MAX},
    [VERB_VRFY] = {"VRFY", SMTP_LINE_MAX},
    [VERB_EXPN] = {"EXPN", SMTP_LINE_MAX},
    [VERB_HELP] = {"HELP", SMTP_LINE_MAX},
    [VERB_QUIT] = {"QUIT", SMTP_LINE_MAX},
    [VERB_XCLIENT] = {"XCLIENT", SMTP_ENVELOPE_MAX},
    /* However long: what follows is a chunk, and the connection has to end before it is read. */
    [VERB_BDAT] = {"BDAT", SMTP_LONGEST_LINE},
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

/* RFC 5321, 4.1.2, which RFC 6531 leaves as it is: bytes of UTF-8 that are escaped one by one would
 * be valid without their backslashes only. */
static bool is_quoted_pair(const char *escaped)
{
    return *escaped >= 0x20 && *escaped < 0x7f;
}

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
        if (c == '"')
            quoted = !quoted;
        else if (c == '\\' && quoted && !is_quoted_pair(++at))
            return refuse(501, "5.1.3 A backslash may only stand before an ASCII character");
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

/* Parameters may come in any order, so that what one of them says is judged when all are read. */
struct mail_seen {
    bool size, body, auth;
};

static const struct smtp_refusal twice = {501, "5.5.4 A parameter is given twice"};

static struct smtp_refusal take_body(const char *value, const struct smtp_route *route,
                                     struct smtp_mail *mail)
{
    if (ascii_equal(value, "8BITMIME"))
        mail->eight_bit = true;
    else if (!ascii_equal(value, "7BIT"))
        return refuse(501, "5.5.4 BODY must be 7BIT or 8BITMIME");
    if (mail->eight_bit && !route->eight_bit)
        return refuse(554, "5.6.3 The provider's route does not carry 8BITMIME");
    return fine;
}

static const struct smtp_refusal no_dsn = {555, "5.5.4 The provider's route does not carry DSN"};

static struct smtp_refusal take_mail_dsn(const char *key, const char *value,
                                         const struct smtp_route *route, struct smtp_mail *mail)
{
    if (!route->dsn)
        return no_dsn;
    if (ascii_equal(key, "RET")) {
        if (mail->ret[0] != '\0')
            return twice;
        const char *ret = dsn_ret(value);
        if (ret == NULL)
            return refuse(501, "5.5.4 RET must be FULL or HDRS");
        mail->ret = ret;
        return fine;
    }
    if (mail->envid[0] != '\0')
        return twice;
    if (!dsn_envid(value))
        return refuse(501, "5.5.4 ENVID must be xtext of at most 100 bytes");
    str_copy(mail->envid, sizeof(mail->envid), value);
    return fine;
}

static struct smtp_refusal mail_parameter(const char *key, const char *value,
                                          const struct smtp_route *route, struct mail_seen *seen,
                                          struct smtp_mail *mail)
{
    if (ascii_equal(key, "SIZE")) {
        if (seen->size)
            return twice;
        seen->size = true;
        return take_size(value, &mail->size);
    }
    if (ascii_equal(key, "BODY")) {
        if (seen->body)
            return twice;
        seen->body = true;
        return take_body(value, route, mail);
    }
    if (ascii_equal(key, "AUTH")) {
        /* RFC 4954, 5: must be accepted from an authenticated client; nothing here uses it. */
        if (seen->auth)
            return twice;
        seen->auth = true;
        return fine;
    }
    if (ascii_equal(key, "RET") || ascii_equal(key, "ENVID"))
        return take_mail_dsn(key, value, route, mail);
    if (!ascii_equal(key, "SMTPUTF8"))
        return refuse(555, "5.5.4 A parameter of MAIL is not supported");
    if (mail->utf8)
        return twice;
    if (*value != '\0')
        return refuse(501, "5.5.4 SMTPUTF8 takes no value");
    if (!route->utf8)
        return refuse(553, "5.6.7 The provider's route does not carry SMTPUTF8");
    mail->utf8 = true;
    return fine;
}

static bool is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

/*
 * Normalises path's address, whose domain then replaces one that was not ASCII. What is sent
 * upstream is else as it was written: a local part means what its own mail system says.
 */
static enum result take_address(char *path, size_t size, struct address *address_out)
{
    struct error err;
    enum result result = address_parse_email(path, address_out, &err);
    if (result != RESULT_OK)
        return result;
    char *domain = strrchr(path, '@') + 1;
    if (is_ascii(domain))
        return RESULT_OK;
    size_t left = size - (size_t)(domain - path);
    return str_copy(domain, left, strrchr(address_out->text, '@') + 1) ? RESULT_OK
                                                                       : RESULT_BAD_INPUT;
}

static const struct smtp_refusal unable = {451, "4.3.0 The gate cannot read this now, try again"};
static const struct smtp_refusal not_ascii = {
    553, "5.6.7 An address beyond ASCII takes SMTPUTF8, at MAIL"};

struct smtp_refusal smtp_parse_mail(const char *arguments, const struct smtp_route *route,
                                    struct smtp_mail *mail_out)
{
    char key[64];
    char value[1024];
    struct mail_seen seen = {0};
    *mail_out = (struct smtp_mail){.ret = ""};
    if (!ascii_has_prefix(arguments, "FROM:"))
        return refuse(501, "5.5.4 Syntax: MAIL FROM:<address>");
    const char *text = arguments + 5;
    struct smtp_refusal refusal = take_path(&text, mail_out->sender, sizeof(mail_out->sender));
    while (refusal.code == 0 && next_parameter(&text, key, sizeof(key), value, sizeof(value)))
        refusal = mail_parameter(key, value, route, &seen, mail_out);
    if (refusal.code != 0 || mail_out->sender[0] == '\0')
        return refusal;
    if (!mail_out->utf8 && !is_ascii(mail_out->sender))
        return not_ascii;
    struct address address;
    enum result result = take_address(mail_out->sender, sizeof(mail_out->sender), &address);
    if (result == RESULT_NO_MEMORY)
        return unable;
    if (result != RESULT_OK)
        return refuse(553, "5.1.7 The sender's address is not valid");
    str_copy(mail_out->domain, sizeof(mail_out->domain), strrchr(address.text, '@') + 1);
    return fine;
}

static struct smtp_refusal rcpt_parameter(const char *key, const char *value, bool dsn, bool utf8,
                                          struct smtp_rcpt *rcpt)
{
    bool notify = ascii_equal(key, "NOTIFY");
    if (!notify && !ascii_equal(key, "ORCPT"))
        return refuse(555, "5.5.4 A parameter of RCPT is not supported");
    if (!dsn)
        return no_dsn;
    if ((notify ? rcpt->notify : rcpt->orcpt)[0] != '\0')
        return twice;
    if (notify)
        return dsn_notify(value, rcpt->notify)
                   ? fine
                   : refuse(501, "5.5.4 NOTIFY must be NEVER, or some of SUCCESS, FAILURE, DELAY");
    if (!dsn_orcpt(value, utf8))
        return refuse(501, "5.5.4 ORCPT must be type;xtext of at most 500 bytes");
    str_copy(rcpt->orcpt, sizeof(rcpt->orcpt), value);
    return fine;
}

struct smtp_refusal smtp_parse_rcpt(const char *arguments, const struct smtp_route *route,
                                    bool utf8, struct smtp_rcpt *rcpt_out)
{
    char key[64];
    char value[1024];
    *rcpt_out = (struct smtp_rcpt){0};
    if (!ascii_has_prefix(arguments, "TO:"))
        return refuse(501, "5.5.4 Syntax: RCPT TO:<address>");
    const char *text = arguments + 3;
    struct smtp_refusal refusal = take_path(&text, rcpt_out->address, sizeof(rcpt_out->address));
    if (refusal.code != 0)
        return refusal;
    if (!utf8 && !is_ascii(rcpt_out->address))
        return not_ascii;
    struct address address;
    enum result result = take_address(rcpt_out->address, sizeof(rcpt_out->address), &address);
    wipe(&address, sizeof(address));
    /* The texts of policy/recipient say more, for people; a partner's software needs the code and
     * the kind of fault. */
    if (result != RESULT_OK)
        return result == RESULT_NO_MEMORY ? unable : refuse(553, "5.1.3 The address is not valid");
    while (refusal.code == 0 && next_parameter(&text, key, sizeof(key), value, sizeof(value)))
        refusal = rcpt_parameter(key, value, route->dsn, utf8, rcpt_out);
    wipe(value, sizeof(value));
    return refusal;
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
