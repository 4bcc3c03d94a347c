/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's own structure, shared by gateway.c (life), reload.c and status.c. */
#ifndef OCTROI_PROXY_INTERNAL_H
#define OCTROI_PROXY_INTERNAL_H

#include "proxy/control.h"
#include "proxy/indexer.h"
#include "proxy/lane.h"
#include "proxy/net/listen.h"
#include "store/journal.h"

#include <pthread.h>

#define ENTRANCES_MAX 64 /* addresses listened on during one life of the process */

/* A lane and what the gateway keeps beside it. doors are touched on the lane's thread only. */
struct lane_slot {
    struct lane lane;
    pthread_t thread;
    bool started;
    struct door *doors[ENTRANCES_MAX]; /* owned */
    size_t n_doors;
};

struct gateway {
    const char *config_file; /* borrowed */
    struct gate gate;
    struct workers *workers;         /* owned */
    struct credentials *credentials; /* owned */
    struct rates *rates;             /* owned */
    struct peers *peers;             /* owned */
    struct guesses *guesses;         /* owned */
    struct signing_key *journal_key; /* owned */
    struct journal *journal;         /* owned */
    struct indexer *indexer;         /* owned */
    struct control *control;         /* owned */
    struct snapshot *snapshot;       /* owned reference; the main thread's */
    struct loop *main_loop;          /* owned */
    struct loop **loops;             /* owned; the lanes' */
    struct lane_slot *lanes;         /* owned */
    unsigned n_lanes;
    struct entrance *entrances[ENTRANCES_MAX]; /* owned */
    size_t n_entrances;
    unsigned descriptors_own; /* held by the gateway itself when it began */
    int lock_fd;
    int64_t started_at;
    int64_t drain_until; /* monotonic; 0: not draining */
    char reload_error[512];
};

/* reload.c: what the lanes serve. */

/* Makes config (its reference is taken, also on failure) what new sessions get: opens new listening
 * sockets first, so that a failure changes nothing. */
enum result gateway_install(struct gateway *gateway, struct config *config, struct error *err);
void gateway_reload(struct gateway *gateway);
/* Loads the file, problems to standard error. */
enum result gateway_load_config(const char *file, struct config **config_out, struct error *err);

/* status.c */
void gateway_answer(void *gateway, const char *request, struct strbuf *reply);

#endif
