/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_free(struct strbuf *buf)
{
    free(buf->data);
    *buf = (struct strbuf){0};
}

void strbuf_clear(struct strbuf *buf)
{
    buf->length = 0;
    buf->failed = false;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

static bool strbuf_reserve(struct strbuf *buf, size_t more)
{
    if (buf->failed)
        return false;
    if (more >= SIZE_MAX - buf->length - 1) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->length + more + 1;
    if (need <= buf->capacity)
        return true;
    size_t capacity = buf->capacity ? buf->capacity : 64;
    while (capacity < need)
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    char *data = realloc(buf->data, capacity);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

void strbuf_add(struct strbuf *buf, const void *bytes, size_t length)
{
    if (!strbuf_reserve(buf, length))
        return;
    if (length > 0)
        memcpy(buf->data + buf->length, bytes, length);
    buf->length += length;
    buf->data[buf->length] = '\0';
}

void strbuf_add_str(struct strbuf *buf, const char *text)
{
    strbuf_add(buf, text, strlen(text));
}

void strbuf_add_char(struct strbuf *buf, char c)
{
    strbuf_add(buf, &c, 1);
}

void strbuf_add_format(struct strbuf *buf, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        buf->failed = true;
    else if (strbuf_reserve(buf, (size_t)length)) {
        vsnprintf(buf->data + buf->length, (size_t)length + 1, format, again);
        buf->length += (size_t)length;
    }
    va_end(again);
}

void strbuf_add_uint(struct strbuf *buf, uint64_t value)
{
    char digits[20];
    size_t n = sizeof(digits);
    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    strbuf_add(buf, digits + n, sizeof(digits) - n);
}

/* What JSON takes as it is, within ASCII. */
static bool is_json_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void strbuf_add_json(struct strbuf *buf, const char *text, size_t length)
{
    size_t plain = 0; /* start of the run that needs no escape */
    size_t i = 0;
    while (i < length) {
        unsigned char c = (unsigned char)text[i];
        if (is_json_plain(c)) {
            i++;
            continue;
        }
        size_t sequence =
            c >= 0x80 ? utf8_sequence((const unsigned char *)text + i, length - i) : 0;
        if (sequence > 0) {
            i += sequence;
            continue;
        }
        strbuf_add(buf, text + plain, i - plain);
        if (c == '"' || c == '\\') {
            strbuf_add_char(buf, '\\');
            strbuf_add_char(buf, (char)c);
        } else if (c < 0x80) {
            strbuf_add_format(buf, "\\u%04x", c);
        } else {
            strbuf_add_str(buf, "\xef\xbf\xbd");
        }
        plain = ++i;
    }
    strbuf_add(buf, text + plain, length - plain);
}

/* Writes `,"key":` with room for more behind it; NULL when memory is short. Rows of the journal are
 * made of these, some thirty a message: one look at the memory has to do. */
static char *begin_json_value(struct strbuf *buf, const char *key, size_t more)
{
    size_t length = strlen(key);
    if (!strbuf_reserve(buf, length + 4 + more))
        return NULL;
    char *p = buf->data + buf->length;
    if (buf->length > 0 && p[-1] != '{')
        *p++ = ',';
    *p++ = '"';
    memcpy(p, key, length);
    p += length;
    *p++ = '"';
    *p++ = ':';
    return p;
}

static void end_json_value(struct strbuf *buf, char *end)
{
    buf->length = (size_t)(end - buf->data);
    *end = '\0';
}

void strbuf_add_json_field(struct strbuf *buf, const char *key, const char *value)
{
    const char *text = value != NULL ? value : "null";
    size_t length = strlen(text);
    char *p = begin_json_value(buf, key, length + 2);
    if (p == NULL)
        return;
    if (value == NULL) {
        memcpy(p, text, length);
        end_json_value(buf, p + length);
        return;
    }
    *p++ = '"';
    size_t plain = 0;
    for (; plain < length && is_json_plain((unsigned char)text[plain]); plain++)
        p[plain] = text[plain];
    end_json_value(buf, p + plain);
    if (plain < length)
        strbuf_add_json(buf, text + plain, length - plain);
    strbuf_add_char(buf, '"');
}

void strbuf_add_json_number(struct strbuf *buf, const char *key, int64_t value)
{
    char *p = begin_json_value(buf, key, 0);
    if (p == NULL)
        return;
    end_json_value(buf, p);
    if (value < 0) {
        strbuf_add_char(buf, '-');
        strbuf_add_uint(buf, -(uint64_t)value);
    } else {
        strbuf_add_uint(buf, (uint64_t)value);
    }
}

char *strbuf_take(struct strbuf *buf)
{
    if (buf->failed || !strbuf_reserve(buf, 0)) {
        strbuf_free(buf);
        return NULL;
    }
    buf->data[buf->length] = '\0';
    char *text = buf->data;
    *buf = (struct strbuf){0};
    return text;
}

void hex_encode(const uint8_t *bytes, size_t length, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * length] = '\0';
}

/* One more than a digit's value, and whether it is a capital; 0: no digit. A journal's line has 160
 * of them. */
enum { HEX_CAPITAL = 0x20 };
static const uint8_t hex_values[UINT8_MAX + 1] = {
    ['0'] = 1,
    ['1'] = 2,
    ['2'] = 3,
    ['3'] = 4,
    ['4'] = 5,
    ['5'] = 6,
    ['6'] = 7,
    ['7'] = 8,
    ['8'] = 9,
    ['9'] = 10,
    ['a'] = 11,
    ['b'] = 12,
    ['c'] = 13,
    ['d'] = 14,
    ['e'] = 15,
    ['f'] = 16,
    ['A'] = HEX_CAPITAL | 11,
    ['B'] = HEX_CAPITAL | 12,
    ['C'] = HEX_CAPITAL | 13,
    ['D'] = HEX_CAPITAL | 14,
    ['E'] = HEX_CAPITAL | 15,
    ['F'] = HEX_CAPITAL | 16,
};

static bool decode_hex(const char *text, size_t text_length, uint8_t *out, size_t length,
                       unsigned refused)
{
    if (text_length != 2 * length)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned int high = hex_values[(unsigned char)text[2 * i]];
        unsigned int low = hex_values[(unsigned char)text[2 * i + 1]];
        if (high == 0 || low == 0 || ((high | low) & refused) != 0)
            return false;
        out[i] = (uint8_t)(((high & ~HEX_CAPITAL) - 1) << 4 | ((low & ~HEX_CAPITAL) - 1));
    }
    return true;
}

bool hex_decode(const char *text, size_t text_length, uint8_t *out, size_t length)
{
    return decode_hex(text, text_length, out, length, 0);
}

bool hex_decode_lower(const char *text, size_t text_length, uint8_t *out, size_t length)
{
    return decode_hex(text, text_length, out, length, HEX_CAPITAL);
}

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const uint8_t *bytes, size_t length, char *out)
{
    while (length > 0) {
        uint32_t group = (uint32_t)bytes[0] << 16;
        if (length > 1)
            group |= (uint32_t)bytes[1] << 8;
        if (length > 2)
            group |= bytes[2];
        *out++ = base64_alphabet[group >> 18 & 63];
        *out++ = base64_alphabet[group >> 12 & 63];
        *out++ = length > 1 ? base64_alphabet[group >> 6 & 63] : '=';
        *out++ = length > 2 ? base64_alphabet[group & 63] : '=';
        size_t taken = length < 3 ? length : 3;
        bytes += taken;
        length -= taken;
    }
    *out = '\0';
}

ptrdiff_t base64_decode(const char *text, size_t text_length, uint8_t *out)
{
    if (text_length % 4 != 0)
        return -1;
    uint8_t *start = out;
    for (size_t i = 0; i < text_length; i += 4) {
        uint32_t group = 0;
        int padding = 0;
        for (size_t j = 0; j < 4; j++) {
            char c = text[i + j];
            const char *found = c != '\0' ? strchr(base64_alphabet, c) : NULL;
            if (found != NULL && padding == 0)
                group = group << 6 | (uint32_t)(found - base64_alphabet);
            else if (c == '=' && j >= 2 && i + 4 == text_length) {
                group <<= 6;
                padding++;
            } else
                return -1;
        }
        *out++ = (uint8_t)(group >> 16);
        if (padding < 2)
            *out++ = (uint8_t)(group >> 8);
        if (padding < 1)
            *out++ = (uint8_t)group;
    }
    return out - start;
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool ascii_equal_n(const char *a, size_t a_length, const char *b)
{
    for (size_t i = 0; i < a_length; i++)
        if (b[i] == '\0' || lower(a[i]) != lower(b[i]))
            return false;
    return b[a_length] == '\0';
}

bool ascii_equal(const char *a, const char *b)
{
    return ascii_equal_n(a, strlen(a), b);
}

bool ascii_has_prefix(const char *text, const char *prefix)
{
    for (; *prefix != '\0'; text++, prefix++)
        if (lower(*text) != lower(*prefix))
            return false;
    return true;
}

void ascii_lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = (char)lower(*text);
}

bool str_copy_n(char *out, size_t size, const char *text, size_t length)
{
    bool fits = length < size;
    if (!fits)
        length = size - 1;
    memcpy(out, text, length);
    out[length] = '\0';
    return fits;
}

bool str_copy(char *out, size_t size, const char *text)
{
    return str_copy_n(out, size, text, strlen(text));
}

size_t utf8_sequence(const unsigned char *text, size_t length)
{
    if (length == 0)
        return 0;
    unsigned char c = text[0];
    if (c < 0x80)
        return 1;
    size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || length < need)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && text[1] < 0xa0) || (c == 0xed && text[1] > 0x9f) ||
        (c == 0xf0 && text[1] < 0x90) || (c == 0xf4 && text[1] > 0x8f))
        return 0;
    return need;
}

bool utf8_valid(const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t n = utf8_sequence((const unsigned char *)text + i, length - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}
