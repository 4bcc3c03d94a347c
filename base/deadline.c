/* SPDX-License-Identifier: Apache-2.0 */
#include "base/deadline.h"

#include "base/clock.h"

#include <event2/event.h>

#define SOONEST_US                                                                 \
    1000 /* what is late already passes with the loop's next turns, not within one \
          */

static void arm(struct deadline *deadline)
{
    if (deadline->at == DEADLINE_NEVER || deadline->fires_at <= deadline->at)
        return;
    int64_t wait = deadline->at - clock_monotonic();
    if (wait < SOONEST_US)
        wait = SOONEST_US;
    struct timeval tv = {.tv_sec = wait / CLOCK_SECOND, .tv_usec = wait % CLOCK_SECOND};
    event_add(deadline->timer, &tv);
    deadline->fires_at = deadline->at;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct deadline *deadline = arg;
    deadline->fires_at = DEADLINE_NEVER;
    if (deadline->at == DEADLINE_NEVER)
        return;
    if (clock_monotonic() < deadline->at)
        arm(deadline);
    else
        deadline->passed(deadline->arg);
}

bool deadline_begin(struct deadline *deadline, struct event_base *base, void (*passed)(void *arg),
                    void *arg)
{
    *deadline = (struct deadline){
        .at = DEADLINE_NEVER, .fires_at = DEADLINE_NEVER, .passed = passed, .arg = arg};
    deadline->timer = event_new(base, -1, 0, on_timer, deadline);
    return deadline->timer != NULL;
}

void deadline_set(struct deadline *deadline, int64_t at)
{
    deadline->at = at;
    arm(deadline);
}

void deadline_stop(struct deadline *deadline)
{
    deadline->at = deadline->fires_at = DEADLINE_NEVER;
    event_del(deadline->timer);
}

void deadline_end(struct deadline *deadline)
{
    if (deadline->timer != NULL)
        event_free(deadline->timer);
    deadline->timer = NULL;
}
