/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's own structure, shared by opening.c, gateway.c (life), reload.c and status.c. */
#ifndef OCTROI_PROXY_INTERNAL_H
#define OCTROI_PROXY_INTERNAL_H

#include "base/seal.h"
#include "office/checker.h"
#include "office/clerk.h"
#include "proxy/anchor.h"
#include "proxy/control.h"
#include "proxy/desk/desk.h"
#include "proxy/indexer.h"
#include "proxy/intake.h"
#include "proxy/lane.h"
#include "proxy/net/handover.h"
#include "proxy/net/inlet.h"
#include "proxy/net/listen.h"
#include "proxy/post/post.h"
#include "store/journal.h"

#include <pthread.h>

#define ENTRANCES_MAX 64 /* addresses listened on during one life of the process */

/* Posted to a lane to see whether it still comes round. */
struct pulse {
    struct loop_task task;
    _Atomic bool awaited;
};

struct lane_slot;

/* Posted to a lane to say what it still has (waiting.c). */
struct survey {
    struct loop_task task;
    struct lane_slot *slot;
    _Atomic bool awaited;
};

/* Asks a lane to come to its end: in good order, or at once. */
struct lane_drain {
    struct loop_task task;
    struct lane_slot *slot;
    bool at_once;
    bool posted; /* the main thread's; each is asked once */
};

/* A lane and what the gateway keeps beside it. */
struct lane_slot {
    struct lane lane;
    pthread_t thread;
    bool started;
    struct pulse pulse;
    struct survey survey;
    struct lane_drain drain;
    struct lane_drain end;
};

struct gateway {
    const char *config_file; /* borrowed */
    struct gate gate;
    struct workers *workers;         /* owned */
    struct credentials *credentials; /* owned */
    struct rates *rates;             /* owned */
    struct peers *peers;             /* owned */
    struct guesses *guesses;         /* owned */
    struct reserve *reserve;         /* owned */
    struct binds *binds;             /* owned */
    struct segments *segments;       /* owned */
    struct sent *sent;               /* owned */
    struct inbox *inbox;             /* owned */
    struct desk *desk;               /* owned */
    struct metrics *metrics;         /* owned */
    struct signing_key *journal_key; /* owned */
    struct seal *seal;               /* owned; NULL: there is no key, and nothing needs one */
    struct journal *journal;         /* owned */
    struct indexer *indexer;         /* owned */
    struct checker *checker;         /* owned */
    struct clerk *clerk;             /* owned */
    struct anchor *anchor;           /* owned */
    struct notices *notices;         /* owned */
    struct post *post;               /* owned; mail to compliance */
    struct control *control;         /* owned */
    struct intake *intake;           /* owned */
    struct snapshot *snapshot;       /* owned reference; the main thread's */
    struct loop *main_loop;          /* owned */
    struct loop **loops;             /* owned; the lanes' */
    struct lane_slot *lanes;         /* owned */
    unsigned n_lanes;
    struct entrance *entrances[ENTRANCES_MAX]; /* owned */
    size_t n_entrances;
    unsigned descriptors_own;  /* held by the gateway itself when it began */
    struct inlets inlets;      /* owned; all sockets that are listened on */
    struct handover *handover; /* owned; to the process that takes over */
    bool committed;            /* it does: we drain for it */
    bool asked_to_end;         /* by a signal */
    int predecessor;           /* owned; connection to the process we take over from, or -1 */
    int lock_fd;
    int64_t started_at;
    int64_t drain_until;    /* monotonic; 0: not draining */
    int64_t say_at;         /* waiting.c; 0: nothing was to be said yet */
    int64_t watchdog_every; /* 0: nobody asked */
    int64_t watchdog_at;
    char reload_error[512];
};

/* opening.c: everything up to the lanes' threads. On failure close_all has to follow all the same.
 */
enum entry {
    ENTRY_PLAIN,    /* nobody else may serve */
    ENTRY_TAKEOVER, /* who serves shall hand over */
    ENTRY_AGAIN     /* we handed over, and nobody took it up */
};
enum result gateway_open(struct gateway *gateway, struct config *config, enum entry entry,
                         struct error *err);

/* reload.c: what the lanes serve. */

/* All that can fail of making config what new sessions get; nothing has changed until
 * gateway_follow, which cannot fail. Both, and gateway_forget, end the plan. */
struct plan;
enum result gateway_plan(struct gateway *gateway, struct config *config, struct plan **plan_out,
                         struct error *err);
void gateway_follow(struct gateway *gateway, struct plan **plan);
void gateway_forget(struct gateway *gateway, struct plan **plan);
void gateway_reload(struct gateway *gateway);
/* The keys that seal, as the file has them now; NULL where there is none and config needs none. */
enum result gateway_load_seal(const struct config *config, struct seal **seal_out,
                              struct error *err);
/* After the start: a socket for each lane where fewer were inherited. */
void gateway_widen(struct gateway *gateway);
/* Somebody besides us has the sockets of this address. */
bool gateway_holds_elsewhere(const struct gateway *gateway, const char *bind_text);
/* Loads the file, problems to standard error. */
enum result gateway_load_config(const char *file, struct config **config_out, struct error *err);

/* gateway.c: takes a request to hand over, or to write to the journal (control_take_fn). */
bool gateway_take(void *gateway, const char *request, int fd);

/* history.c: puts config on record, to be called before the first decision under it can be made. */
enum result gateway_note_configuration(struct gateway *gateway, const struct config *config,
                                       const char *cause, struct error *err);

/* proxy/metrics/collect.c: metrics_collect_fn, on a lane's thread. */
struct metrics_text;
void gateway_collect(void *gateway, const struct snapshot *snapshot, struct metrics_text *text);

/* status.c */
void gateway_answer(void *gateway, const char *request, struct strbuf *reply);

#endif
