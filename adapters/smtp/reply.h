/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMTP replies (RFC 5321, 4.2), parsed as their bytes arrive. Strict where a mistake could shift
 * one answer onto another command: three digits, one code for all lines, CRLF only, caps.
 */
#ifndef OCTROI_ADAPTERS_SMTP_REPLY_H
#define OCTROI_ADAPTERS_SMTP_REPLY_H

#include "adapters/adapter.h"

#include <event2/buffer.h>
#include <stddef.h>

/* RFC 5321 allows 512, CRLF included; real servers go beyond it. */
#define REPLY_LINE_MAX  2000
#define REPLY_TOTAL_MAX (64 * 1024)
#define QUEUE_ID_MAX    128

enum reply_status { REPLY_MORE, REPLY_DONE, REPLY_GARBAGE };

/* Each line without its code: number counts from 0; text is not sanitised nor terminated. */
typedef void reply_line_fn(void *arg, unsigned number, const char *text, size_t length);

struct reply_parser {
    struct mail_reply reply; /* complete when reply_parse said REPLY_DONE, until the next call */
    unsigned lines;
    size_t total;
    size_t text_length;
    bool done;
};

void reply_reset(struct reply_parser *parser);
/* Takes at most one reply out of input. on_line may be NULL. */
enum reply_status reply_parse(struct reply_parser *parser, struct evbuffer *input,
                              reply_line_fn *on_line, void *arg);

/* Whether lines of a reply were taken whose last one has not come yet. */
bool reply_begun(const struct reply_parser *parser);

/* A reply of the gate's own making. */
void reply_format(struct mail_reply *reply, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The queue id that a final reply names ("queued as X", "id=X", "ok X"); false when it names none,
 * or one that looks like an address. */
bool reply_queue_id(const struct mail_reply *reply, char out[QUEUE_ID_MAX]);

#endif
