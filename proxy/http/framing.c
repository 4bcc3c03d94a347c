/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether all on the way see the same request. Its bytes are followed beside evhttp, which ends
 * lines at a NUL, takes "0x1f", "+1f" or "1f x" for the size of a chunk, and does without the line
 * end behind one; its headers must say one thing. Nothing is read for anybody here; it is only ever
 * a reason to refuse.
 */
#include "proxy/http/internal.h"

#include <event2/keyvalq_struct.h>
#include <string.h>

static const char coding_name[] = "transfer-encoding:";
static const char version[] = "HTTP/1.";

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* "METHOD TARGET HTTP/1.1": two spaces, and a version behind the second. */
static void take_first(struct http_framing *framing, char c)
{
    if (c == ' ') { /* no method, or no target */
        framing->odd = framing->length == 0 || (framing->spaces == 1 && framing->matched == 0);
        framing->spaces++;
        framing->matched = 0;
    } else if (framing->spaces == 2) {
        size_t at = framing->matched++;
        bool fits = at < strlen(version) ? c == version[at] : at == strlen(version);
        framing->odd = framing->odd || !fits || (at == strlen(version) && (c < '0' || c > '9'));
        framing->old = c == '0';
    } else {
        framing->matched++;
        framing->odd = (unsigned char)c < 0x20 || c == 0x7f ||
                       (framing->spaces == 0 &&
                        ((unsigned char)c > 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL));
    }
}

static void take_field(struct http_framing *framing, char c)
{
    if (framing->matched == framing->length && framing->matched < strlen(coding_name) &&
        lower(c) == coding_name[framing->matched] && ++framing->matched == strlen(coding_name))
        framing->chunked = true;
}

static void take_size(struct http_framing *framing, char c)
{
    static const char digits[] = "0123456789abcdef";
    if (framing->extended)
        return;
    const char *digit = strchr(digits, lower(c)); /* c is not NUL */
    if (c == ';' && framing->length > 0)
        framing->extended = true;
    else if (digit == NULL || framing->left > UINT64_MAX >> 8)
        framing->odd = true;
    else
        framing->left = framing->left * 16 + (uint64_t)(digit - digits);
}

static void end_first(struct http_framing *framing)
{
    if (framing->length == 0) /* an empty line before it is nothing */
        return;
    framing->odd = framing->spaces != 2 || framing->matched != strlen(version) + 1;
    framing->part = FRAMING_FIELDS;
}

static void end_fields(struct http_framing *framing)
{
    if (framing->length > 0)
        return;
    framing->odd = framing->chunked && framing->old; /* 1.0 knows no coding */
    framing->part = framing->chunked ? FRAMING_SIZE : FRAMING_REST;
}

static void end_line(struct http_framing *framing)
{
    switch (framing->part) {
    case FRAMING_FIRST:
        end_first(framing);
        break;
    case FRAMING_FIELDS:
        end_fields(framing);
        break;
    case FRAMING_SIZE:
        framing->odd = framing->length == 0 || !framing->cr;
        framing->part = framing->left > 0 ? FRAMING_DATA : FRAMING_TRAILERS;
        framing->extended = false;
        break;
    case FRAMING_DATA_END:
        framing->odd = framing->length > 0 || !framing->cr;
        framing->part = FRAMING_SIZE;
        break;
    default: /* a trailer */
        if (framing->length == 0)
            framing->part = FRAMING_REST;
    }
    framing->length = framing->matched = 0;
    framing->cr = false;
}

static void take(struct http_framing *framing, char c)
{
    if (c == '\n') {
        end_line(framing);
        return;
    }
    if (framing->cr || c == '\0') {
        framing->odd = true;
        return;
    }
    framing->cr = c == '\r';
    if (framing->cr)
        return;
    if (framing->part == FRAMING_FIRST)
        take_first(framing, c);
    else if (framing->part == FRAMING_FIELDS)
        take_field(framing, c);
    else if (framing->part == FRAMING_SIZE)
        take_size(framing, c);
    framing->length++;
}

void http_framing_follow(struct http_framing *framing, const char *bytes, size_t length)
{
    size_t i = 0;
    for (; i < length && !framing->odd && framing->part != FRAMING_REST;) {
        if (framing->part != FRAMING_DATA) {
            take(framing, bytes[i++]);
            continue;
        }
        size_t piece = length - i < framing->left ? length - i : (size_t)framing->left;
        i += piece;
        framing->left -= piece;
        if (framing->left == 0)
            framing->part = FRAMING_DATA_END;
    }
    if (framing->odd)
        framing->length += length - i;
}

bool http_framing_is_endless(const struct http_framing *framing)
{
    bool line = framing->part == FRAMING_SIZE || framing->part == FRAMING_DATA_END ||
                framing->part == FRAMING_TRAILERS;
    return (framing->odd || line) && framing->length > HTTP_CHUNK_LINE_MAX;
}

bool http_framing_is_clear(const struct http_framing *framing)
{
    return !framing->odd && framing->part == FRAMING_REST;
}

/* ---- headers ---- */

static bool is_token(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "!#$%&'*+-.^_`|~0123456789"
                                                "abcdefghijklmnopqrstuvwxyz"
                                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

bool http_ends_clearly(const struct evkeyvalq *headers, enum http_method method)
{
    const struct evkeyval *header;
    const char *length = NULL;
    const char *coding = NULL;
    TAILQ_FOREACH(header, headers, next)
    {
        if (!is_token(header->key))
            return false;
        if (ascii_equal(header->key, "Content-Length")) {
            int64_t number;
            if (length != NULL || !http_number(header->value, INT64_C(1) << 50, &number))
                return false;
            length = header->value;
        }
        if (ascii_equal(header->key, "Transfer-Encoding")) {
            if (coding != NULL || !ascii_equal(header->value, "chunked"))
                return false;
            coding = header->value;
        }
    }
    if (length != NULL && coding != NULL)
        return false;
    return method == HTTP_METHOD_POST ||
           ((length == NULL || strspn(length, "0") == strlen(length)) && coding == NULL);
}

bool http_says_one_thing(const struct evkeyvalq *headers)
{
    static const char *const names[] = {"Host", "Authorization", "Content-Type", "Idempotency-Key"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!http_header_clear(headers, names[i]))
            return false;
    return true;
}
