/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading addresses. One mailbox should have one spelling here, or an opt-out under one spelling
 * would not stop a message to the other; and what two mail systems could read differently (source
 * routes, '%' and '!' routing, an '@' in quotes, an escaped quote) is refused.
 */
#include "policy/recipient.h"

#include "base/str.h"
#include "policy/phone.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#define LOCAL_MAX 64 /* bytes, RFC 5321 4.5.3.1.1 */
/* Fifteen digits of E.164, and room for an international and a carrier prefix. */
#define DIALLED_MAX 32

static enum result bad(struct error *err, const char *what)
{
    return error_set(err, RESULT_BAD_INPUT, "%s", what);
}

static bool is_atext(unsigned char c)
{
    return c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c != '\0' && strchr("#$&'*+-/=?^_`{|}~", c) != NULL);
}

/* qtext and the space (RFC 5321 4.1.2, RFC 6531), less what routes: '%', '!' and '@'. */
static bool is_qtext(unsigned char c)
{
    return c >= 0x80 || (c >= 0x20 && c < 0x7f && strchr("\"\\%!@", c) == NULL);
}

static bool is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

/* Atoms with single dots between them. */
static bool is_dot_string(const char *text)
{
    bool after_atom = false;
    for (; *text != '\0'; text++) {
        if (*text == '.' ? !after_atom : !is_atext((unsigned char)*text))
            return false;
        after_atom = *text != '.';
    }
    return after_atom;
}

static bool is_quotable(const char *text)
{
    for (; *text != '\0'; text++)
        if (!is_qtext((unsigned char)*text))
            return false;
    return true;
}

/* Takes the quotes off. text stands on the opening one and is left behind the closing one; out
 * holds LOCAL_MAX + 1 bytes. */
static enum result read_quoted(const char **text, char *out, struct error *err)
{
    const char *from = *text + 1;
    size_t length = 0;
    for (; *from != '"'; from++) {
        if (*from == '\\' && (*++from & 0x80) != 0) /* an escaped character means itself */
            return bad(err, "a backslash may only stand before an ASCII character");
        if (*from == '\0')
            return bad(err, "the quoted local part does not end");
        if (!is_qtext((unsigned char)*from))
            return bad(err, "the quoted local part has a character that is not accepted");
        if (length == LOCAL_MAX)
            return bad(err, "the local part is longer than 64 bytes");
        out[length++] = *from;
    }
    out[length] = '\0';
    *text = from + 1;
    return length > 0 ? RESULT_OK : bad(err, "the local part is empty");
}

static enum result read_plain(const char **text, char *out, struct error *err)
{
    size_t length = strcspn(*text, "@");
    if (length == 0)
        return bad(err, "the local part is empty");
    if (length > LOCAL_MAX)
        return bad(err, "the local part is longer than 64 bytes");
    str_copy_n(out, LOCAL_MAX + 1, *text, length);
    *text += length;
    if (strpbrk(out, "%!") != NULL)
        return bad(err, "the local part has '%' or '!', which some mail systems route by");
    return is_dot_string(out) ? RESULT_OK
                              : bad(err, "the local part is not written as RFC 5321 wants it");
}

/* Controls, unassigned and invisible characters and exotic spaces name nobody. */
static bool is_readable(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    ucs4_t c;
    while ((at = u8_next(&c, at)) != NULL)
        if (c >= 0x80 &&
            uc_is_general_category_withtable(c, UC_CATEGORY_MASK_C | UC_CATEGORY_MASK_Z))
            return false;
    return true;
}

/* Case folding, and NFC so that one letter has one encoding. */
static enum result fold_unicode(char *local, struct error *err)
{
    size_t length = strlen(local);
    if (!utf8_valid(local, length))
        return bad(err, "the local part is not UTF-8");
    if (!is_readable(local))
        return bad(err, "the local part has a character that cannot be seen");
    size_t folded_length = 0;
    uint8_t *folded =
        u8_casefold((const uint8_t *)local, length, NULL, UNINORM_NFC, NULL, &folded_length);
    if (folded == NULL)
        return error_no_memory(err);
    bool fits = str_copy_n(local, LOCAL_MAX + 1, (const char *)folded, folded_length);
    free(folded);
    return fits ? RESULT_OK : bad(err, "the local part is longer than 64 bytes");
}

/* NFC can turn a letter into ASCII (U+037E becomes ';'), so what came out is judged again. A local
 * part that needs no quotes loses them: "john"@… and john@… are one mailbox. */
static enum result write_local(const char *local, bool quoted, struct address *address_out,
                               struct error *err)
{
    bool plain = is_dot_string(local);
    if (!plain && !(quoted && is_quotable(local)))
        return bad(err, "the local part has a character that is not accepted");
    if (strlen(local) + (plain ? 0 : 2) > LOCAL_MAX)
        return bad(err, "the local part is longer than 64 bytes");
    char *out = address_out->text;
    if (!plain)
        *out++ = '"';
    size_t length = strlen(local);
    memcpy(out, local, length);
    out += length;
    if (!plain)
        *out++ = '"';
    *out = '\0';
    return RESULT_OK;
}

enum result address_parse_email(const char *text, struct address *address_out, struct error *err)
{
    char local[LOCAL_MAX + 1];
    char domain[DOMAIN_MAX];
    bool quoted = *text == '"';
    enum result result = quoted ? read_quoted(&text, local, err) : read_plain(&text, local, err);
    if (result != RESULT_OK)
        return result;
    if (*text != '@')
        return bad(err, "the address has no '@' after its local part");
    text++;
    if (strchr(text, '@') != NULL)
        return bad(err, "the address has more than one '@'");
    if (*text == '[')
        return bad(err, "an IP address instead of a domain is not accepted");
    if (is_ascii(local))
        ascii_lower(local);
    else if ((result = fold_unicode(local, err)) != RESULT_OK)
        return result;
    result = domain_normalise(text, domain, err);
    if (result != RESULT_OK)
        return result;
    if (strchr(domain, '.') == NULL)
        return bad(err, "the domain has no dot");
    address_out->kind = ADDRESS_EMAIL;
    result = write_local(local, quoted, address_out, err);
    if (result != RESULT_OK)
        return result;
    size_t length = strlen(address_out->text);
    address_out->text[length++] = '@';
    if (!str_copy(address_out->text + length, ADDRESS_MAX - length, domain))
        return bad(err, "the address is too long");
    return RESULT_OK;
}

/* What people put between digits: the length of such a separator at text, or 0. */
static size_t phone_separator(const char *text)
{
    static const char *const separators[] = {
        " ", ".", "-", "(", ")", "/", "\u00a0", "\u2009", "\u202f", "\u2010", "\u2011", "\u2013",
    };
    for (size_t i = 0; i < sizeof(separators) / sizeof(separators[0]); i++) {
        size_t length = strlen(separators[i]);
        if (strncmp(text, separators[i], length) == 0)
            return length;
    }
    return 0;
}

/* Leaves the digits and a leading '+' of text in out. Anything else but separators is refused:
 * libphonenumber would read letters as keys, and silently cut what it takes for an extension or a
 * second number. */
static bool dialled_digits(const char *text, char *out, size_t size)
{
    size_t length = 0;
    while (*text != '\0') {
        bool digit = *text >= '0' && *text <= '9';
        size_t separator = digit ? 0 : phone_separator(text);
        if (separator > 0) {
            text += separator;
            continue;
        }
        if ((!digit && !(*text == '+' && length == 0)) || length + 1 == size)
            return false;
        out[length++] = *text++;
    }
    out[length] = '\0';
    return length > 0;
}

enum result address_parse_phone(const char *text, const char *region, struct address *address_out,
                                struct error *err)
{
    char digits[DIALLED_MAX];
    if (!dialled_digits(text, digits, sizeof(digits)))
        return bad(err, "not a phone number: only digits, a leading '+' and separators are read");
    if (!phone_to_e164(digits, region, address_out->text, sizeof(address_out->text)))
        return error_set(err, RESULT_BAD_INPUT, "not a valid phone number (read as dialled in %s)",
                         region);
    address_out->kind = ADDRESS_PHONE;
    return RESULT_OK;
}

enum result address_parse(const char *text, const char *region, struct address *address_out,
                          struct error *err)
{
    if (strchr(text, '@') != NULL)
        return address_parse_email(text, address_out, err);
    if (strpbrk(text, "0123456789") == NULL)
        return bad(err, "neither an e-mail address (no @) nor a phone number (no digit)");
    return address_parse_phone(text, region, address_out, err);
}

bool address_fits(enum address_kind kind, enum channel channel)
{
    switch (channel) {
    case CHANNEL_EMAIL:
        return kind == ADDRESS_EMAIL;
    case CHANNEL_SMS:
    case CHANNEL_CALL:
    case CHANNEL_AUTOCALL:
        return kind == ADDRESS_PHONE;
    case CHANNEL_POST:
        return true;
    case CHANNEL_COUNT:
        break;
    }
    return false;
}
