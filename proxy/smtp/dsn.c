/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/smtp/dsn.h"

#include "base/str.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- xtext ---- */

static int upper_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool printable(int c)
{
    return c >= 0x20 && c <= 0x7e;
}

/* The byte that *text stands for, *text behind it; -1 when it is no xtext. */
static int take_xchar(const char **text)
{
    const char *at = *text;
    if (*at == '+') {
        int high = upper_hex(at[1]);
        int low = high >= 0 ? upper_hex(at[2]) : -1;
        if (low < 0 || !printable(high * 16 + low))
            return -1;
        *text += 3;
        return high * 16 + low;
    }
    if (!printable((unsigned char)*at) || *at == ' ' || *at == '=')
        return -1;
    (*text)++;
    return (unsigned char)*at;
}

bool xtext_valid(const char *text)
{
    while (*text != '\0')
        if (take_xchar(&text) < 0)
            return false;
    return true;
}

bool xtext_decode(const char *text, char *out, size_t size)
{
    size_t length = 0;
    while (*text != '\0') {
        int c = take_xchar(&text);
        if (c < 0 || length + 1 >= size)
            return false;
        out[length++] = (char)c;
    }
    out[length] = '\0';
    return true;
}

/* ---- MAIL: RET and ENVID ---- */

const char *dsn_ret(const char *value)
{
    return ascii_equal(value, "FULL") ? "FULL" : ascii_equal(value, "HDRS") ? "HDRS" : NULL;
}

bool dsn_envid(const char *value)
{
    return *value != '\0' && strlen(value) <= DSN_ENVID_MAX && xtext_valid(value);
}

/* ---- RCPT: NOTIFY and ORCPT ---- */

bool dsn_notify(const char *value, char *out)
{
    static const char *const words[] = {"SUCCESS", "FAILURE", "DELAY"};
    unsigned asked = 0;
    if (ascii_equal(value, "NEVER"))
        return str_copy(out, DSN_NOTIFY, "NEVER");
    for (const char *at = value;; at++) {
        size_t length = strcspn(at, ",");
        unsigned i = 0;
        while (i < 3 && !ascii_equal_n(at, length, words[i]))
            i++;
        /* NEVER stands alone (RFC 3461, 4.1), so that it is no word of the list. */
        if (i == 3 || (asked & 1u << i) != 0)
            return false;
        asked |= 1u << i;
        at += length;
        if (*at == '\0')
            break;
    }
    size_t used = 0;
    for (unsigned i = 0; i < 3; i++) {
        if ((asked & 1u << i) == 0)
            continue;
        if (used > 0)
            out[used++] = ',';
        str_copy(out + used, DSN_NOTIFY - used, words[i]);
        used += strlen(words[i]);
    }
    return true;
}

/* RFC 822's atom, less what could be read as the end of the type or of a parameter. */
static bool is_address_type(const char *text, size_t length)
{
    static const char atom[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                               "!#$%&'*-/?^_`{|}~";
    return length > 0 && strspn(text, atom) == length;
}

/* "\x{HEX}" (RFC 6533, 3) at text: its length, or 0 when it is none or names no character that can
 * stand in an address. */
static size_t embedded_character(const char *text)
{
    size_t digits = 0;
    if (strncmp(text, "\\x{", 3) != 0)
        return 0;
    while (digits < 7 && upper_hex(text[3 + digits]) >= 0)
        digits++;
    if (digits < 2 || digits > 6 || text[3 + digits] != '}')
        return 0;
    unsigned long c = strtoul(text + 3, NULL, 16);
    if (c < 0x20 || c == 0x7f || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    return digits + 4;
}

/* utf-8-addr-xtext, and where the mail is announced so, utf-8-addr-unitext. */
static bool is_utf8_address(const char *text, bool utf8)
{
    while (*text != '\0') {
        size_t length = 1;
        unsigned char c = (unsigned char)*text;
        if (c == '\\')
            length = embedded_character(text);
        else if (c >= 0x80)
            length = utf8 ? utf8_sequence((const unsigned char *)text, strlen(text)) : 0;
        else if (!printable(c) || c == ' ' || c == '+' || c == '=')
            length = 0;
        if (length == 0)
            return false;
        /* What no terminal shows, a C1 control among it, is in no address. */
        if (length == 2 && c == 0xc2 && (unsigned char)text[1] < 0xa0)
            return false;
        text += length;
    }
    return true;
}

bool dsn_orcpt(const char *value, bool utf8)
{
    const char *address = strchr(value, ';');
    if (strlen(value) > DSN_ORCPT_MAX || address == NULL ||
        !is_address_type(value, (size_t)(address - value)) || *++address == '\0')
        return false;
    /* RFC 6533 has an encoding of its own for this type; clients that know only RFC 3461 write
     * xtext all the same, which can name ASCII alone. */
    if (ascii_equal_n(value, (size_t)(address - 1 - value), "utf-8") &&
        is_utf8_address(address, utf8))
        return true;
    return xtext_valid(address);
}
