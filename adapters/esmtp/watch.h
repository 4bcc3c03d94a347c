/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads along on the wire that libESMTP speaks on. The library tells too little (not whether AUTH
 * went well, not what EHLO offered) and believes too much (bytes that came before they were asked
 * for, across STARTTLS even), so every reply is parsed here a second time, strictly, and counted
 * against what was said.
 *
 * It decides nothing and stores no secret: of a line that is said only the verb is kept, of the
 * lines of an AUTH exchange not even that.
 */
#ifndef OCTROI_ADAPTERS_ESMTP_WATCH_H
#define OCTROI_ADAPTERS_ESMTP_WATCH_H

#include "adapters/smtp/reply.h"

#include <stdbool.h>
#include <stddef.h>

enum wire_verb {
    WIRE_CONNECT, /* answered by the greeting */
    WIRE_EHLO,
    WIRE_HELO,
    WIRE_STARTTLS,
    WIRE_AUTH, /* and the lines that follow it */
    WIRE_MAIL,
    WIRE_RCPT,
    WIRE_DATA,
    WIRE_DOT,
    WIRE_OTHER,
};

struct wire_watch {
    struct evbuffer *input; /* owned: what was read and is no whole reply yet */
    struct reply_parser parser;
    enum wire_verb verb; /* the last one said */
    unsigned owed;       /* replies still to come */
    char word[9];        /* the beginning of the line being said */
    size_t word_length;
    bool in_argument;
    bool challenged; /* the last reply was 334: what is said now is a secret */

    enum wire_verb answered;    /* what the last reply was to */
    struct mail_reply reply;    /* the last one; code 0: none yet */
    struct mail_reply negative; /* the last 4xx or 5xx; code 0: none yet */
    enum wire_verb refused;     /* what that was to */
    struct mail_reply final;    /* the first one to the dot; code 0: none yet */
    bool ahead;                 /* the peer said more than it was asked, or no SMTP at all */
    bool secure;                /* TLS */
    bool authenticated;         /* AUTH was answered with 235 */
    bool mail_said;             /* MAIL: from here on the peer knows of the letter */
    bool offers_chunking;
    bool offers_auth;           /* by a mechanism that libESMTP has */
    struct capabilities offers; /* the last EHLO */
};

bool watch_init(struct wire_watch *watch);
void watch_clear(struct wire_watch *watch);
/* A new connection. */
void watch_connected(struct wire_watch *watch);
void watch_said(struct wire_watch *watch, const char *bytes, size_t length);
void watch_heard(struct wire_watch *watch, const char *bytes, size_t length);
/* The handshake is over. */
void watch_secured(struct wire_watch *watch);
/* The content was handed over whole: the dot is next. */
void watch_content_given(struct wire_watch *watch);

#endif
