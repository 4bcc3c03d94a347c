/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text helpers: a growable buffer, hex and base64, ASCII case. A strbuf that could not grow
 * remembers it (`failed`), so that a long composition is checked once, at its end.
 */
#ifndef OCTROI_BASE_STR_H
#define OCTROI_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strbuf {
    char *data; /* owned, NUL-terminated once anything was added, else NULL */
    size_t length;
    size_t capacity;
    bool failed; /* an addition found no memory; data then holds what fitted before */
};

void strbuf_free(struct strbuf *buf);
void strbuf_clear(struct strbuf *buf);
void strbuf_add(struct strbuf *buf, const void *bytes, size_t length);
void strbuf_add_str(struct strbuf *buf, const char *text);
void strbuf_add_char(struct strbuf *buf, char c);
void strbuf_add_format(struct strbuf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void strbuf_add_uint(struct strbuf *buf, uint64_t value);
/* As the inside of a JSON string: quotes, backslashes and controls escaped, and each byte that is
 * not part of valid UTF-8 replaced by U+FFFD, so that the result is always valid JSON. */
void strbuf_add_json(struct strbuf *buf, const char *text, size_t length);
/* `"key":"value"`, or `"key":null` when value is NULL; a comma first unless after `{` or at the
 * start of the buffer. */
void strbuf_add_json_field(struct strbuf *buf, const char *key, const char *value);
void strbuf_add_json_number(struct strbuf *buf, const char *key, int64_t value);
/* Gives the text away (the caller frees it) and leaves buf empty; NULL when buf failed. */
char *strbuf_take(struct strbuf *buf);

/* Lower-case hex; out holds 2 * length + 1 bytes. */
void hex_encode(const uint8_t *bytes, size_t length, char *out);
/* False unless text is exactly 2 * length hex digits of either case. */
bool hex_decode(const char *text, size_t text_length, uint8_t *out, size_t length);
/* The same, without capitals. */
bool hex_decode_lower(const char *text, size_t text_length, uint8_t *out, size_t length);

/* Standard alphabet with padding. out holds at least 4 * ((length + 2) / 3) + 1 bytes. */
void base64_encode(const uint8_t *bytes, size_t length, char *out);
/* Strict: padding required, no other character. Returns the number of bytes written, or -1. out
 * holds at least 3 * (text_length / 4) bytes. */
ptrdiff_t base64_decode(const char *text, size_t text_length, uint8_t *out);

/* Case-insensitive over ASCII only, whatever the locale. */
bool ascii_equal(const char *a, const char *b);
bool ascii_equal_n(const char *a, size_t a_length, const char *b);
bool ascii_has_prefix(const char *text, const char *prefix);
void ascii_lower(char *text);

/* Copies at most size - 1 bytes and terminates; false when text was cut. */
bool str_copy(char *out, size_t size, const char *text);
bool str_copy_n(char *out, size_t size, const char *text, size_t length);

/* Length of the valid UTF-8 sequence at text, or 0 when there is none (also for overlong forms,
 * surrogates and values above U+10FFFF). */
size_t utf8_sequence(const unsigned char *text, size_t length);
bool utf8_valid(const char *text, size_t length);

#endif
