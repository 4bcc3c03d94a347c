/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A deadline that moves more often than it passes. Its timer fires when it was first set for, and
 * then looks whether the deadline has moved: a later one, which comes with every command, costs a
 * store and no call.
 */
#ifndef OCTROI_BASE_DEADLINE_H
#define OCTROI_BASE_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#define DEADLINE_NEVER INT64_MAX

struct event;
struct event_base;

/* Part of whoever has to be in time. On the loop's thread. */
struct deadline {
    struct event *timer; /* owned; NULL: none was begun, or it is over */
    int64_t at;          /* monotonic microseconds; DEADLINE_NEVER: none */
    int64_t fires_at;    /* when the timer will; it re-arms itself */
    void (*passed)(void *arg);
    void *arg;
};

/* None is set yet. passed may set another one, and may end the deadline. False: no memory. */
bool deadline_begin(struct deadline *deadline, struct event_base *base, void (*passed)(void *arg),
                    void *arg);
void deadline_set(struct deadline *deadline, int64_t at);
/* Nothing passes any more. */
void deadline_stop(struct deadline *deadline);
/* Also of one that was never begun, or all zero. */
void deadline_end(struct deadline *deadline);

#endif
