/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cut-through SMTP client, inside. Three things: the port (a loop's share of the provider: its
 * connections, the idle ones among them, who waits for one), the connection (one state machine),
 * the transaction (what the session holds). All of them live on one loop.
 *
 * Who calls whom: transaction -> pool -> connection; a connection tells its transaction by the
 * smtp_transaction_* functions, and the pool that it is free by smtp_pool_ready. Nothing is freed
 * but by a deferred task, so a function may go on using what it has just closed.
 */
#ifndef OCTROI_ADAPTERS_SMTP_SMTP_H
#define OCTROI_ADAPTERS_SMTP_SMTP_H

#include "adapters/certificate.h"
#include "adapters/dial.h"
#include "adapters/internal.h"
#include "adapters/smtp/reply.h"
#include "base/flush.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/queue.h>

/* How many answers may be awaited at once in a pipelined envelope. */
#define PIPELINE_WINDOW 100
/* A connection is renewed after so many transactions. */
#define CONNECTION_REUSES 1000

enum smtp_state {
    SMTP_RESOLVING,
    SMTP_CONNECTING,
    SMTP_HANDSHAKE, /* TLS, at connect or after STARTTLS */
    SMTP_GREETING,
    SMTP_EHLO,
    SMTP_STARTTLS,
    SMTP_AUTH,
    SMTP_READY,    /* idle */
    SMTP_ENVELOPE, /* MAIL and RCPT */
    SMTP_DATA,     /* said, not answered */
    SMTP_CONTENT,
    SMTP_FINAL, /* the dot is given to the socket's buffer */
    SMTP_DRAIN, /* given up; answers to what was said are awaited before RSET */
    SMTP_RSET,
    SMTP_QUIT,
    SMTP_CLOSED,
    SMTP_STATE_COUNT
};

/* What one EHLO offered. */
struct smtp_offer {
    unsigned bits; /* CAPABILITY_… */
    uint64_t max_size;
    bool auth_plain;
    bool auth_login;
};

enum smtp_auth { AUTH_NONE, AUTH_PLAIN, AUTH_LOGIN_NAME, AUTH_LOGIN_PASSWORD, AUTH_LOGIN_END };

struct smtp_transaction;
struct smtp_trial;

struct smtp_connection {
    TAILQ_ENTRY(smtp_connection) all;
    TAILQ_ENTRY(smtp_connection) idle;    /* while listed */
    bool listed;                          /* among the idle ones; then it is READY */
    struct smtp_port *port;               /* borrowed */
    struct smtp_transaction *transaction; /* borrowed; NULL when none */
    enum smtp_state state;

    struct dial dial;        /* while RESOLVING and CONNECTING */
    int fd;                  /* owned until bev has it; -1: none */
    struct bufferevent *bev; /* owned; with it the socket and the TLS session */
    struct event *timer;     /* owned; never later than deadline */
    int64_t deadline;        /* clock_monotonic; 0: none */
    int64_t armed;           /* when timer fires; 0: not at all */

    struct reply_parser parser;
    struct smtp_offer offer;
    enum smtp_auth auth;
    unsigned outstanding;  /* answers awaited in ENVELOPE and DRAIN */
    unsigned transactions; /* begun on it */
    bool secure;
    bool starttls_seen;       /* its EHLO in clear offered STARTTLS */
    bool was_idle;            /* the transaction on it found it idle */
    bool probe;               /* the one attempt of a half-open breaker, not decided yet */
    struct smtp_trial *trial; /* owned; NULL but for a test of the provider */
    struct flush flush;       /* of its output */
    struct loop_task release;
};

struct smtp_port {
    struct provider_port base; /* first */
    TAILQ_HEAD(smtp_connection_list, smtp_connection) connections;
    TAILQ_HEAD(smtp_idle_list, smtp_connection) idle; /* the one used last comes first */
    TAILQ_HEAD(smtp_wait_list, smtp_transaction)
    waiters;                   /* the one that waited longest comes first */
    struct event *wait_timer;  /* owned; made with the first waiter */
    struct event *retry_timer; /* owned; made with the first failure: the next attempt without a
                                * message */
    bool closing;

    /* Under the provider's lock, since other loops look at them. */
    unsigned open; /* connections counted in provider_state.connections */
    unsigned n_idle;
    unsigned n_waiting;
    unsigned granted;       /* free places given to this port and not yet used; counted in open */
    bool asked;             /* ask is posted */
    bool told;              /* grant is posted */
    struct loop_task ask;   /* another loop wants an idle connection of this one closed */
    struct loop_task grant; /* granted grew */
    struct loop_task gone;
};

struct smtp_recipient {
    struct smtp_recipient *next;
    unsigned index;
    bool ours;          /* not said to the provider: it lacks what this one needs */
    const char *notify; /* "" when none; both stand behind address */
    const char *orcpt;
    char address[];
};

struct smtp_transaction {
    struct mail_transaction base;       /* first */
    struct smtp_port *port;             /* borrowed */
    struct smtp_connection *connection; /* borrowed; NULL: waiting, refused or ended */
    TAILQ_ENTRY(smtp_transaction) wait;
    bool waiting;
    int64_t wait_until;    /* clock_monotonic; 0: it has not waited yet */
    struct loop_task step; /* what must not be called back at once, and the end */
    bool step_queued;

    char *sender; /* owned */
    char *envid;  /* owned; "" when none */
    char ret[8];  /* "" when none */
    uint64_t size;
    bool eight_bit;
    bool utf8;
    struct smtp_recipient *first; /* unanswered, oldest first; owned */
    struct smtp_recipient **last;
    struct smtp_recipient *unsent; /* the first of them not yet said */
    unsigned accepted;
    unsigned answered;
    unsigned replies; /* of the provider, to this transaction */
    bool mail_sent;
    bool mail_answered;
    bool retried;

    struct evbuffer *held; /* owned; content given before 354 */
    bool content_given;    /* mail_content or mail_finish was called */
    bool finish_given;
    bool above_high;

    struct mail_reply refusal; /* code 0: none; else what each recipient and the content get */
    bool refusal_counted;
    bool content_refused_told;
    bool failed;
    bool nothing_said;
    struct error why;
    enum outcome outcome; /* OUTCOME_NONE: not yet */
    struct mail_reply final;
    bool has_queue_id;
    char queue_id[QUEUE_ID_MAX];
    bool ended;
};

/* ---- connection.c ---- */

/* The caller holds a place under the cap for it, and loses it with the connection. NULL when
 * memory is short; the place is then still the caller's. */
struct smtp_connection *smtp_connection_open(struct smtp_port *port);
void smtp_set_state(struct smtp_connection *connection, enum smtp_state state);
/* 0: none. */
void smtp_set_deadline(struct smtp_connection *connection, int64_t microseconds);
/* Begins to connect it. */
void smtp_connection_dial(struct smtp_connection *connection);
/* Ties the transaction to the connection; a READY one begins its envelope. */
void smtp_connection_bind(struct smtp_connection *connection, struct smtp_transaction *transaction);
/* A bound connection has become READY: begins its envelope. */
void smtp_connection_begin(struct smtp_connection *connection);
void smtp_connection_unbind(struct smtp_connection *connection);
/* One command line, awaited under reply_timeout; false when the connection failed instead, because
 * unread bytes would be taken for its answer, or memory is short. */
bool smtp_command(struct smtp_connection *connection, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The transaction on it has let go of it in the envelope: RSET, then back to the pool. */
void smtp_connection_reset(struct smtp_connection *connection);
void smtp_connection_quit(struct smtp_connection *connection);
/* Closes at once and tells its transaction. peer_left: it closed or broke, as a connection does
 * that was idle for too long. */
void smtp_connection_lost(struct smtp_connection *connection, bool peer_left,
                          const struct error *why);
void smtp_connection_fail(struct smtp_connection *connection, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The provider would not have this connection. turned_away: for now; while there are others, they
 * are as many as it takes, and the transaction waits for one of them. */
void smtp_connection_refused(struct smtp_connection *connection, bool turned_away,
                             const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Closes at once and tells nobody. */
void smtp_connection_close(struct smtp_connection *connection);
/* Puts a bufferevent on fd: plain, or with a TLS handshake to come. */
bool smtp_connection_wrap(struct smtp_connection *connection, bool tls);
/* Plain sockets: whether the peer has closed, or has sent what nobody asked for. */
bool smtp_connection_stale(const struct smtp_connection *connection);
struct evbuffer *smtp_output(const struct smtp_connection *connection);

static inline const struct provider_config *smtp_config(const struct smtp_port *port)
{
    return port->base.provider->config;
}

/* ---- hello.c: from the greeting to READY ---- */

void smtp_hello_reply(struct smtp_connection *connection, const struct mail_reply *reply);
void smtp_hello_line(void *connection, unsigned number, const char *text, size_t length);
void smtp_hello_secured(struct smtp_connection *connection);

/* ---- pool.c ---- */

/* Gives the transaction a connection now, or one day, or fails it. fresh: not an idle one. */
void smtp_pool_acquire(struct smtp_port *port, struct smtp_transaction *transaction, bool fresh);
void smtp_pool_cancel(struct smtp_port *port, struct smtp_transaction *transaction);
/* The connection is free, its state settled: serve a waiter, keep it warm, or close it. */
void smtp_pool_ready(struct smtp_connection *connection);
void smtp_pool_remove_idle(struct smtp_connection *connection);
void smtp_pool_warm(struct provider_port *port);
/* Tries again without a message, when the provider may be tried again. */
void smtp_pool_retry(struct smtp_port *port);
struct provider_port *smtp_port_new(void);
void smtp_port_close(struct provider_port *port);

/* ---- places.c: the cap on connections, over all loops ---- */

/* Takes a free place. */
bool smtp_places_reserve(struct smtp_port *port);
/* A connection is gone, or was not made: its place is free. */
void smtp_places_release(struct smtp_port *port);
/* The port has one waiter more: gives it a place, or asks other loops for one. */
void smtp_places_wait(struct smtp_port *port);
void smtp_places_wait_ends(struct smtp_port *port);
/* Takes what was granted to this port. */
unsigned smtp_places_take_granted(struct smtp_port *port);
/* How many waiters other loops have; *poorer_out: one such loop holds clearly less than port. */
unsigned smtp_places_others_wait(struct smtp_port *port, bool *poorer_out);
/* One idle connection more, unless another loop needs its place: then false. */
bool smtp_places_keep_idle(struct smtp_port *port);
void smtp_places_idle_gone(struct smtp_port *port);
/* A new connection, which still holds its place, was turned away. True when there are others: the
 * cap is their number now. */
bool smtp_places_turned_away(struct smtp_port *port);

/* ---- trial.c: the test of a provider ---- */

/* The connection's state is about to change, or why says how it was lost in its state. */
void smtp_trial_step(struct smtp_connection *connection, enum smtp_state to,
                     const struct error *why);
/* What a test sees of the certificate. */
struct certificate_seen *smtp_trial_certificate(const struct smtp_connection *connection);
/* Its connection is closed: the end. */
void smtp_trial_end(struct smtp_connection *connection);
void smtp_trial_begin(struct provider_port *port, provider_finding_fn *report, void *arg);
/* The greeting, or EHLO's or AUTH's answer, for the finding. */
void smtp_trial_heard(struct smtp_connection *connection, const struct mail_reply *reply);

/* ---- transaction.c ---- */

static inline struct provider *smtp_provider_of(const struct smtp_transaction *transaction)
{
    return transaction->port->base.provider;
}

/* Runs the deferred step when the loop comes round. */
void smtp_transaction_kick(struct smtp_transaction *transaction);
/* Output became shorter. */
void smtp_transaction_written(struct smtp_transaction *transaction);
void smtp_transaction_fail(struct smtp_transaction *transaction, bool nothing_said,
                           const struct error *why);
/* The message's answer, in final, or that it was lost. */
void smtp_transaction_finished(struct smtp_transaction *transaction, enum outcome outcome);
/* From now on each recipient and the content get this reply, without a connection. */
void smtp_transaction_refuse(struct smtp_transaction *transaction, const struct mail_reply *reply);
/* Lets go of the connection, which is in ENVELOPE or DATA with its commands answered or awaited. */
void smtp_transaction_let_go(struct smtp_transaction *transaction);
/* The oldest unanswered recipient is answered. */
void smtp_transaction_pop(struct smtp_transaction *transaction);
bool smtp_transaction_pass(struct smtp_transaction *transaction, struct evbuffer *from);
void smtp_transaction_dot(struct smtp_transaction *transaction);

/* ---- envelope.c ---- */

/* The grammar was checked before; what could become a command or a parameter of its own is not
 * taken even so. */
bool smtp_transaction_sayable(const struct smtp_transaction *transaction,
                              const struct smtp_recipient *recipient);
/* Answers the oldest recipients, as long as they are ours to refuse. */
void smtp_transaction_answer_ours(struct smtp_transaction *transaction);
/* Its connection is in ENVELOPE: say what there is to say. */
void smtp_transaction_start(struct smtp_transaction *transaction);
/* Says what may be said now. */
void smtp_transaction_say(struct smtp_transaction *transaction);

/* ---- answer.c ---- */

/* A reply in ENVELOPE, DATA, CONTENT or FINAL. */
void smtp_transaction_reply(struct smtp_transaction *transaction, const struct mail_reply *reply);
/* Its connection, in this state, is gone. */
void smtp_transaction_lost(struct smtp_transaction *transaction, enum smtp_state state,
                           bool may_retry, const struct error *why);

#endif
