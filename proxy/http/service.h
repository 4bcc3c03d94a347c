/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a service other than SMS hangs on the shared HTTP server: a table of routes, each with a
 * handler that gets the call and answers it at once or later. Which services a listener has is the
 * configuration's (`services`); a route of a service it has not is not there (404).
 *
 * The server has read the whole request (caps, deadlines, no smuggling: request.c); connections,
 * draining and the answer's bytes stay its business. A handler never sees evhttp.
 */
#ifndef OCTROI_PROXY_HTTP_SERVICE_H
#define OCTROI_PROXY_HTTP_SERVICE_H

#include "proxy/http/call.h"
#include "proxy/lane.h"
#include "proxy/peers.h"
#include "store/record.h"
#include "store/tokens.h"

struct service_call;

/* Requests of one token that may be worked on at a time, over all lanes: few beside what the desk
 * takes, so that no program keeps others', or a person's withdrawal, waiting. */
#define SERVICE_WINDOW 100

/* On the lane's thread, once. It must end with service_answer, at once or later, exactly once. */
typedef void service_handler(struct service_call *call);

struct service_route {
    const char *pattern; /* "*" stands for a segment; the second star of two is tails[1] */
    unsigned methods;    /* HTTP_METHOD_ bits, one handler for all of them */
    unsigned service;    /* SERVICE_ bit */
    /* Of the token that must come as "Authorization: Bearer …"; 0: none is asked for. The server
     * looks it up, applies its rate, and answers 401, 403, 429 itself. */
    unsigned scope;
    /* From this machine no token is asked for. */
    bool open_here;
    /* It acts: what it answered to an Idempotency-Key is answered again (2xx within
     * IDEMPOTENCY_ANSWER bytes). For questions the moment counts, so they ignore the key. */
    bool once;
    service_handler *handle;
};

/* One request of a service. Lives until it was answered, also when its connection goes before. */
struct service_call {
    struct http_call http; /* the request, and the answer to be written (call.h) */
    struct lane *lane;     /* borrowed */
    struct token token;    /* id "" where none was asked for */
    const char *peer;      /* address as text, for logs */
    const struct peer_key *peer_key;
    bool local;   /* it comes from this machine */
    bool vouched; /* through a balancer that the listener trusts */
    char request_id[RECORD_ID];
    void *own; /* the handler's, in http.arena, between its steps */
};

/* Whether this call may concern the partner: a token of one partner concerns no other. False: that
 * was answered (403). */
bool service_concerns(struct service_call *call, const char *partner);

/* Counts the call, until it ends, among those of this kind and name; at most SERVICE_HOLDS times a
 * call. False: there are `most` of them already, or no memory to count; the handler answers. */
#define SERVICE_HOLDS     4
#define SERVICE_HOLD_NAME 32
bool service_hold(struct service_call *call, enum peer_kind kind, const void *name, size_t length,
                  unsigned most);
/* 429: too many at a time, or within a second. */
void service_refuse_crowd(struct service_call *call, const char *detail);

/* To come back to a call from another thread or a callback: a handle is good for as long as the
 * call lives; service_redeem gives NULL afterwards (the lane has ended). */
struct ticket service_ticket(const struct service_call *call);
struct service_call *service_redeem(struct lane *lane, struct ticket ticket);
/* Sends http.answer. */
void service_answer(struct service_call *call);
/* The service knows who asks: the connection need not be told apart from a stranger's any more,
 * which ends when the listener's time to log in is over. */
void service_identified(struct service_call *call);
/* Whatever is answered is told then at the earliest (clock_monotonic), if anybody still waits. */
void service_tell_late(struct service_call *call, int64_t at);
/* A problem (RFC 9457) as the whole answer: http_problem and service_answer. */
void service_problem(struct service_call *call, int status, const char *type, const char *title,
                     const char *detail);
/* The answer that is written is sent once the batch is durable; when it does not become so, 503.
 * Takes the batch; NULL: there was no memory for it, which is 503, too. */
void service_answer_recorded(struct service_call *call, struct journal_batch *batch);
/* The same, with an answer of the service's own, from unrecorded, when it does not become so. */
void service_answer_recorded_or(struct service_call *call, struct journal_batch *batch,
                                service_handler *unrecorded);

/* The tables, each in its folder. Ends with a pattern of NULL. */
extern const struct service_route api_routes[];         /* proxy/api */
extern const struct service_route unsubscribe_routes[]; /* proxy/unsubscribe */
extern const struct service_route metrics_routes[];     /* proxy/metrics */
extern const struct service_route console_routes[];     /* proxy/console */
/* … and what is asked for after all else: what nobody has. */
extern const struct service_route console_other_routes[];

#endif
