/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The circuit breaker of a provider: after a few failures in a row nobody is made to wait for it
 * any more, and one attempt at a time finds out whether it is back. Pure: the time and the chance
 * are given to it; who shares one holds a lock around it.
 *
 * Two kinds of failure are counted apart, each by its own proof of the contrary. A connection that
 * does not come to be (resolve, connect, TLS, greeting, EHLO, AUTH) is disproved by one that does;
 * a silence within a message (no answer in time) only by a message that was answered.
 */
#ifndef OCTROI_ADAPTERS_BREAKER_H
#define OCTROI_ADAPTERS_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

/* Three: one failure is chance, two may share one cause, a third costs a third partner its time. */
#define BREAKER_THRESHOLD 3
/* The first pause is what a restart takes; the last is what an operator waits for after a repair.
 */
#define BREAKER_FIRST_PAUSE INT64_C(1000000)
#define BREAKER_LAST_PAUSE  INT64_C(60000000)

enum breaker_state {
    BREAKER_CLOSED,   /* attempts as they come */
    BREAKER_OPEN,     /* none before retry_at */
    BREAKER_HALF_OPEN /* one is under way, none beside it */
};

struct breaker {
    enum breaker_state state;
    unsigned unconnected; /* failed connections in a row */
    unsigned unanswered;  /* silences in a row */
    unsigned openings;    /* in a row: the pause doubles with each */
    int64_t retry_at;     /* monotonic microseconds; of OPEN */
};

const char *breaker_state_name(enum breaker_state state);
/* The pause after so many openings (0: the first), give or take a quarter. */
int64_t breaker_pause(unsigned openings, uint32_t chance);

/* Whether a connection may be attempted now. *probe_out: it is the one attempt of HALF_OPEN, and
 * its end (connected, unconnected or abandoned) must be told with probe true. */
bool breaker_admit(struct breaker *breaker, int64_t now, bool *probe_out);
/* The attempt came to a connection that may carry mail. */
void breaker_connected(struct breaker *breaker);
/* It did not. These two say whether this opened it. */
bool breaker_unconnected(struct breaker *breaker, bool probe, int64_t now, uint32_t chance);
/* A command of a message was not answered in time. */
bool breaker_unanswered(struct breaker *breaker, int64_t now, uint32_t chance);
/* A message, or all of its recipients, were answered, whatever the answer. */
void breaker_answered(struct breaker *breaker);
/* The attempt was given up by ourselves: it shows nothing, and the next may come at once. */
void breaker_abandoned(struct breaker *breaker, bool probe, int64_t now);

#endif
