/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One letter's way through libESMTP, as session.c and wire.c see it. It lives on a worker's thread,
 * a little longer than the submission it is about.
 */
#ifndef OCTROI_ADAPTERS_ESMTP_SESSION_H
#define OCTROI_ADAPTERS_ESMTP_SESSION_H

#include "adapters/esmtp/esmtp.h"
#include "adapters/esmtp/header.h"
#include "adapters/esmtp/watch.h"

/* What the library is given at a time. */
#define BLOCK_SIZE 4096

struct session {
    const struct esmtp_route *route;
    struct submission *submission; /* NULL once it was reported */
    struct wire_watch watch;
    struct letter_shape shape;
    bool stopped; /* why says what for; nothing was or will be accepted */
    struct error why;

    bool tried;           /* the library was set to work */
    bool connected;       /* esmtp_connected was called */
    bool silent;          /* it took no content for too long */
    bool chunking_hidden; /* from the library, in the last EHLO */

    /* The peer's verdict as the library's events brought it. */
    bool sent;                 /* MESSAGESENT */
    struct mail_reply refusal; /* of MAIL or RCPT; code 0: none */

    uint64_t offset;
    bool decoy_given;
    int64_t last_pull; /* 0: none yet */
    char block[BLOCK_SIZE];
};

/* ---- wire.c ---- */

/* Nothing was or will be accepted; the first reason stays. */
void session_stop(struct session *session, enum result code, const char *text);
/* All of the content was handed to the library. */
bool session_given(const struct session *session);
/* When this time is over the worker counts as stuck. */
void session_expect_within(struct session *session, int64_t timeout);
/* libESMTP's monitor callback; arg is the session. */
void session_on_wire(const char *bytes, int length, int writing, void *arg);

#endif
