/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane: one loop thread and all that lives on it and never leaves it: its sessions, its store
 * reader, its keyed hash, its reference to the current snapshot. What lanes share hangs on struct
 * gate and is safe to use from any thread.
 */
#ifndef OCTROI_PROXY_LANE_H
#define OCTROI_PROXY_LANE_H

#include "base/crypto.h"
#include "base/loop.h"
#include "base/ticket.h"
#include "proxy/credentials.h"
#include "proxy/guesses.h"
#include "proxy/peers.h"
#include "proxy/rate.h"
#include "proxy/refusals.h"
#include "proxy/snapshot.h"
#include "store/store.h"

#include <stdatomic.h>

struct binds;
struct checker;
struct clerk;
struct desk;
struct gateway;
struct http_front;
struct inbox;
struct metrics;
struct segments;
struct sent;
struct idempotency;

/* Where partners come in: an address that is, or was, listened on. Lives as long as the gate. */
struct entrance {
    char bind[128];        /* as configured; the identity over reloads */
    struct entrance *next; /* the gate's */
    _Atomic unsigned sessions;
    /* Another process holds the sockets as well: closing ours loses no connection. */
    _Atomic bool held_elsewhere;
    bool handed_over; /* the main thread's */
    bool open; /* the main thread's: lanes have doors to it, or will when they run their mail */
};

/* Shared by all lanes. */
struct gate {
    struct credentials *credentials;    /* borrowed */
    struct rates *rates;                /* borrowed */
    struct peers *peers;                /* borrowed */
    struct guesses *guesses;            /* borrowed */
    struct reserve *reserve;            /* borrowed; descriptors.h */
    struct binds *binds;                /* borrowed; sms/binds.h */
    struct segments *segments;          /* borrowed; sms/segments.h */
    struct sent *sent;                  /* borrowed; sms/sent.h */
    struct inbox *inbox;                /* borrowed; sms/inbound.h */
    struct desk *desk;                  /* borrowed; desk/desk.h; NULL: it has ended */
    const struct seal *seal;            /* borrowed; base/seal.h; NULL: there is no key */
    struct metrics *metrics;            /* borrowed; metrics/metrics.h; NULL: nothing is counted */
    struct checker *checker;            /* borrowed; office/checker.h; there while the desk is */
    struct clerk *clerk;                /* borrowed; office/clerk.h; likewise */
    struct gateway *gateway;            /* what it is the gate of; NULL: of none (tests) */
    struct entrance *_Atomic entrances; /* the newest; only added to, by the main thread */
    /* http/idempotency.h: made and freed by the lanes that have listeners of HTTP. */
    struct idempotency *idempotency;
    struct refusals refusals;
    /* Sessions for which there are descriptors beside those the providers may need; 0: no limit. */
    _Atomic unsigned sessions_most;
    _Atomic unsigned sessions;
    _Atomic unsigned doors;   /* open, on all lanes */
    _Atomic unsigned flights; /* messages of proxy/sms under way, on all lanes */
    _Atomic unsigned calls;   /* requests of services under way, on all lanes */
    _Atomic uint64_t verdicts[VERDICT_COUNT];
};

struct lane {
    struct gate *gate;             /* borrowed */
    struct loop *loop;             /* borrowed */
    struct store *store;           /* owned */
    struct hmac *hmac;             /* owned */
    struct ticket_table *sessions; /* owned; what each ticket stands for is a struct smtp_session */
    struct ticket_table *binds;    /* owned; … a struct smpp_session */
    struct ticket_table *requests; /* owned; … a request of proxy/http */
    struct ticket_table *flights;  /* owned; … a message of proxy/sms */
    struct http_front *http;       /* owned; NULL while there is no http listener */
    struct snapshot *snapshot;     /* owned reference: what new sessions get */
    struct door *doors;            /* owned; the lane's thread's, or anybody's once it ended */
    bool unrecorded; /* the last rows that content waited for did not become durable */
    bool draining;
    bool ending; /* all that runs is ended now: nothing is begun any more */
};

/* Everything but the store and the snapshot, which the caller sets. key: the gateway's recipient
 * key. */
enum result lane_init(struct lane *lane, struct gate *gate, struct loop *loop, const uint8_t *key,
                      size_t key_length, struct error *err);
/* On the lane's thread or after it ended; there must be no session left. */
void lane_end(struct lane *lane);

#endif
