/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole-message submission on libESMTP, which blocks, so it runs in worker threads of its own: as
 * many a provider as `connections` says, started as they are needed. A worker owns its letter and
 * its libESMTP session; the loop owns the deadline. A worker that overruns it is given up: whoever
 * waits is answered, what the worker may still find out is dropped, and its place stays taken
 * until the library comes back.
 *
 * What libESMTP 1.1.0 cannot be trusted with, and where that is fenced, is in
 * docs/adr/0011-buffer-helper-and-libesmtp.md.
 */
#ifndef OCTROI_ADAPTERS_ESMTP_H
#define OCTROI_ADAPTERS_ESMTP_H

#include "adapters/buffer.h"

/* ---- sending one letter, for a partner or for the gate itself ---- */

/* On the port's loop. Takes the letter, also on failure. One recipient; the content must have From
 * and lines that end in CR LF. The caller keeps the provider until done was called or the
 * submission cancelled. */
struct submission *esmtp_send(struct provider_port *port, struct letter *letter,
                              submission_done_fn *done, void *arg, struct error *err);
void esmtp_cancel(struct submission **submission);
/* False (err) when every worker is stuck, or the provider out of service. */
bool esmtp_ready(struct provider_port *port, struct error *err);

/* ---- inside ---- */

struct esmtp_pool;

/* What a worker may use, whatever becomes of the provider meanwhile. */
struct esmtp_route {
    const struct provider_config *config; /* borrowed from owner */
    struct config *owner;                 /* owned: one reference */
    SSL_CTX *tls;                         /* owned; NULL when tls is none */
};

enum esmtp_content {
    CONTENT_OPEN,      /* not all of it was handed to the library: the dot cannot have been said */
    CONTENT_GIVEN,     /* all of it was: the dot may be on the wire */
    CONTENT_CANCELLED, /* and it never will be */
};

enum esmtp_state { ESMTP_WAITING, ESMTP_RUNNING, ESMTP_DONE };

/* How far a letter came, which is what it says of the provider's health. */
enum esmtp_reach {
    REACH_NOWHERE,   /* nothing was tried, or it was given up by ourselves */
    REACH_ATTEMPT,   /* a connection that never might carry mail */
    REACH_AWAY,      /* the same: it was turned away for now */
    REACH_CONNECTED, /* one that might, and then lost; esmtp_connected was called */
    REACH_SILENCE,   /* one that might, and no answer in time */
    REACH_ANSWER,    /* one that might, and the message was answered */
};

struct submission {
    struct loop_task task; /* posted home with the result */
    struct submission *next;
    struct esmtp_pool *pool; /* borrowed */
    struct loop *home;       /* borrowed; only while it was not given up */
    struct provider *provider;
    struct letter *letter; /* owned */
    int64_t content_stall;

    /* Under the pool's lock. */
    enum esmtp_state state;
    bool given_up; /* nobody waits any more: who has it frees it */
    bool standing; /* its connection may carry mail, or has */

    /* Any thread. */
    atomic_int content;    /* enum esmtp_content */
    atomic_llong deadline; /* monotonic: when the worker counts as stuck */
    atomic_bool said;      /* MAIL was said */

    /* The worker's, then the loop's. */
    struct submission_result result;
    enum esmtp_reach reach;
    struct capabilities offers; /* bits 0: not learned */

    /* The loop's. */
    struct event *timer; /* owned */
    bool probe;          /* the one attempt of a provider out of service */
    submission_done_fn *done;
    void *arg;
};

/* pool.c. config, owner and tls become the pool's, also on failure. */
enum result esmtp_pool_new(struct esmtp_route route, struct esmtp_pool **pool_out,
                           struct error *err);
/* Waits for its workers, but only a moment for one that is stuck: that one frees the rest. */
void esmtp_pool_close(struct esmtp_pool **pool);

/* On a worker, once, when the connection may carry mail. */
void esmtp_connected(struct submission *submission);
/* On a worker, once, when result and reach are filled in: posts it home. The submission is gone
 * then. */
void esmtp_report(struct submission *submission);

/* session.c: on a worker. Reports as soon as the answer is there, and then takes its leave. */
void esmtp_deliver(const struct esmtp_route *route, struct submission *submission);

/* tls.c */
enum result esmtp_tls_new(const struct provider_config *config, SSL_CTX **context_out,
                          struct error *err);

#endif
