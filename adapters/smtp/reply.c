/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/smtp/reply.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void reply_reset(struct reply_parser *parser)
{
    parser->reply.code = 0;
    parser->reply.text[0] = '\0';
    parser->lines = 0;
    parser->total = 0;
    parser->text_length = 0;
    parser->done = false;
}

/* What is not printable becomes '?'; a sequence that does not fit whole ends the text. */
static void add_text(struct reply_parser *parser, const char *text, size_t length)
{
    char *out = parser->reply.text;
    size_t at = parser->text_length;
    if (parser->lines > 0 && at + 1 < REPLY_TEXT_MAX)
        out[at++] = '\n';
    for (size_t i = 0; i < length;) {
        const unsigned char *byte = (const unsigned char *)text + i;
        size_t sequence = utf8_sequence(byte, length - i);
        /* U+0080 to U+009F are controls, too. */
        bool printable = sequence > 1 ? !(byte[0] == 0xc2 && byte[1] < 0xa0)
                                      : (sequence == 1 && byte[0] >= 0x20 && byte[0] < 0x7f);
        size_t bytes = sequence == 0 ? 1 : sequence;
        size_t wanted = printable ? bytes : 1;
        if (at + wanted >= REPLY_TEXT_MAX)
            break;
        if (printable)
            memcpy(out + at, byte, bytes);
        else
            out[at] = byte[0] == '\t' ? ' ' : '?';
        at += wanted;
        i += bytes;
    }
    out[at] = '\0';
    parser->text_length = at;
}

/* line: without CRLF. */
static enum reply_status take_line(struct reply_parser *parser, const char *line, size_t length,
                                   reply_line_fn *on_line, void *arg)
{
    if (length < 3 || line[0] < '2' || line[0] > '5' || line[1] < '0' || line[1] > '9' ||
        line[2] < '0' || line[2] > '9')
        return REPLY_GARBAGE;
    int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    if (parser->lines > 0 && code != parser->reply.code)
        return REPLY_GARBAGE;
    bool last = length == 3 || line[3] == ' ';
    if (!last && line[3] != '-')
        return REPLY_GARBAGE;
    const char *text = line + (length > 3 ? 4 : 3);
    size_t text_length = length > 3 ? length - 4 : 0;
    parser->reply.code = code;
    add_text(parser, text, text_length);
    if (on_line != NULL)
        on_line(arg, parser->lines, text, text_length);
    parser->lines++;
    parser->done = last;
    return last ? REPLY_DONE : REPLY_MORE;
}

enum reply_status reply_parse(struct reply_parser *parser, struct evbuffer *input,
                              reply_line_fn *on_line, void *arg)
{
    if (parser->done)
        reply_reset(parser);
    for (;;) {
        struct evbuffer_ptr end = evbuffer_search(input, "\n", 1, NULL);
        if (end.pos < 0)
            return evbuffer_get_length(input) < REPLY_LINE_MAX ? REPLY_MORE : REPLY_GARBAGE;
        size_t length = (size_t)end.pos + 1;
        parser->total += length;
        if (length < 2 || length > REPLY_LINE_MAX || parser->total > REPLY_TOTAL_MAX)
            return REPLY_GARBAGE;
        char line[REPLY_LINE_MAX];
        if (evbuffer_remove(input, line, length) != (int)length || line[length - 2] != '\r')
            return REPLY_GARBAGE;
        enum reply_status status = take_line(parser, line, length - 2, on_line, arg);
        if (status != REPLY_MORE)
            return status;
    }
}

bool reply_begun(const struct reply_parser *parser)
{
    return parser->lines > 0 && !parser->done;
}

void reply_format(struct mail_reply *reply, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reply->text, sizeof(reply->text), format, args);
    va_end(args);
    reply->code = code;
}

/* What follows mark in text, without regard to case; NULL when it is not there. */
static const char *after(const char *text, const char *mark)
{
    for (; *text != '\0'; text++)
        if (ascii_has_prefix(text, mark))
            return text + strlen(mark);
    return NULL;
}

/* A word of the letters queue ids are made of, with a digit in it. */
static bool take_id(const char *at, char out[QUEUE_ID_MAX])
{
    at += strspn(at, " :<");
    size_t length = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
    bool digit = strcspn(at, "0123456789") < length;
    /* The word must end there: the beginning of an address, with a tag perhaps, is no id. */
    if (!digit || length >= QUEUE_ID_MAX ||
        (at[length] != '\0' && strchr(" \t\n>);,:", at[length]) == NULL))
        return false;
    while (length > 0 && at[length - 1] == '.')
        length--;
    return str_copy_n(out, QUEUE_ID_MAX, at, length);
}

bool reply_queue_id(const struct mail_reply *reply, char out[QUEUE_ID_MAX])
{
    static const char *const marks[] = {"queued as", " id="};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        const char *at = after(reply->text, marks[i]);
        if (at != NULL)
            return take_id(at, out);
    }
    /* "2.0.0 Ok 0102018f…" and "ok 1718 qp 42": only as the first word. */
    const char *at = reply->text + strspn(reply->text, "0123456789.");
    at += strspn(at, " ");
    if (ascii_has_prefix(at, "id="))
        return take_id(at + 3, out);
    if (ascii_has_prefix(at, "ok") && (at[2] == ' ' || at[2] == ':'))
        return take_id(at + 2, out);
    return false;
}
