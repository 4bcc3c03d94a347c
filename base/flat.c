/* SPDX-License-Identifier: Apache-2.0 */
#include "base/flat.h"

#include "base/str.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* How many of eight bytes come before the first that is not printable ASCII, a quote or a
 * backslash: eight at a time is a third of the work of reading a record. */
static size_t plain_bytes(const char *eight)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, eight, sizeof(word));
    word = le64toh(word);
    uint64_t quotes = word ^ (ones * '"');
    uint64_t slashes = word ^ (ones * '\\');
    /* The high bit of each byte that is one; of those above it, perhaps, too, by what is carried.
     */
    uint64_t odd = ((word - ones * 0x20) | (quotes - ones) | (slashes - ones) | word) & ones << 7;
    return odd != 0 ? (size_t)__builtin_ctzll(odd) / 8 : 8;
}

bool flat_text(const char **at, const char *end, const char **text_out, size_t *length_out)
{
    const char *from = *at + 1;
    const char *p = from;
    if (*at >= end || **at != '"')
        return false;
    for (size_t plain = 8; plain == 8 && end - p >= 8; p += plain)
        plain = plain_bytes(p);
    while (p < end && *p != '"') {
        unsigned char c = (unsigned char)*p;
        size_t step = 1;
        if (c < 0x20 || c == '\\')
            return false;
        if (c >= 0x80)
            step = utf8_sequence((const unsigned char *)p, (size_t)(end - p));
        if (step == 0)
            return false;
        p += step;
    }
    if (p >= end)
        return false;
    *text_out = from;
    *length_out = (size_t)(p - from);
    *at = p + 1;
    return true;
}

bool flat_number(const char **at, const char *end, int64_t *number_out)
{
    const char *from = *at;
    const char *p = from;
    int64_t value = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (p - from >= 18)
            return false;
        value = value * 10 + (*p - '0');
    }
    if (p == from || (*from == '0' && p - from > 1))
        return false;
    *number_out = value;
    *at = p;
    return true;
}

/* ---- a whole object ---- */

static void skip_blanks(const char **at, const char *end)
{
    while (*at < end && (**at == ' ' || **at == '\n' || **at == '\t' || **at == '\r'))
        ++*at;
}

/* Moves behind c and the blanks around it. */
static bool take(const char **at, const char *end, char c)
{
    skip_blanks(at, end);
    if (*at >= end || **at != c)
        return false;
    ++*at;
    skip_blanks(at, end);
    return true;
}

static bool take_word(const char **at, const char *end, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(end - *at) < length || memcmp(*at, word, length) != 0)
        return false;
    *at += length;
    return true;
}

/* NULL: not plain. */
static json_t *take_value(const char **at, const char *end)
{
    const char *text;
    size_t length;
    int64_t number;
    if (flat_text(at, end, &text, &length))
        return json_stringn_nocheck(text, length);
    if (flat_number(at, end, &number))
        return json_integer(number);
    if (take_word(at, end, "true"))
        return json_true();
    if (take_word(at, end, "false"))
        return json_false();
    return take_word(at, end, "null") ? json_null() : NULL;
}

static bool take_member(json_t *object, const char **at, const char *end)
{
    char key[64];
    const char *name;
    size_t length;
    if (!flat_text(at, end, &name, &length) || !str_copy_n(key, sizeof(key), name, length) ||
        !take(at, end, ':') || json_object_get(object, key) != NULL)
        return false;
    return json_object_set_new_nocheck(object, key, take_value(at, end)) == 0;
}

json_t *flat_json(const char *text, size_t length)
{
    const char *end = text + length;
    json_t *object = json_object();
    bool plain = object != NULL && take(&text, end, '{');
    bool more = plain;
    while (more) {
        plain = take_member(object, &text, end);
        more = plain && take(&text, end, ',');
    }
    if (plain && take(&text, end, '}') && text == end)
        return object;
    json_decref(object);
    return NULL;
}
