/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages that wait on a loop, for a window, a bind or the rate: connect_timeout at most. They
 * go out in the order of their deadlines, over the link with the most room, or to another loop that
 * has room when this one has none. When the provider goes out of service nobody waits for it.
 */
#include "adapters/smpp/smpp.h"

static bool is_empty(const struct smpp_port *port)
{
    return TAILQ_EMPTY(&port->urgent) && TAILQ_EMPTY(&port->queue);
}

static struct smpp_works *list_of(struct smpp_port *port, const struct smpp_work *work)
{
    return work->taken > 0 ? &port->urgent : &port->queue;
}

static struct smpp_work *first_of(struct smpp_port *port)
{
    struct smpp_work *first = TAILQ_FIRST(&port->urgent);
    return first != NULL ? first : TAILQ_FIRST(&port->queue);
}

/* ---- the timer: deadlines, and the pace ---- */

static void arm(struct smpp_port *port)
{
    const struct smpp_work *const firsts[] = {TAILQ_FIRST(&port->urgent),
                                              TAILQ_FIRST(&port->queue)};
    int64_t due = port->paced_until;
    if (port->timer == NULL)
        return; /* nobody has waited here yet */
    for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++)
        if (firsts[i] != NULL && (due == 0 || firsts[i]->deadline < due))
            due = firsts[i]->deadline;
    if (due == 0) {
        (void)event_del(port->timer);
        return;
    }
    int64_t wait = due - clock_monotonic();
    if (wait < 0)
        wait = 0;
    struct timeval tv = {.tv_sec = wait / CLOCK_SECOND, .tv_usec = wait % CLOCK_SECOND};
    /* Without memory for a timer: look again at the loop's next turn. */
    if (event_add(port->timer, &tv) != 0)
        event_active(port->timer, EV_TIMEOUT, 0);
}

static void expire(struct smpp_port *port, struct smpp_works *works, int64_t now)
{
    struct smpp_work *first;
    while ((first = TAILQ_FIRST(works)) != NULL && first->deadline <= now) {
        struct error why;
        error_set(&why, RESULT_UNAVAILABLE, "provider %s: no bind had room for it in time",
                  smpp_config(port)->name);
        TAILQ_REMOVE(works, first, entry);
        smpp_work_unsaid(first, true, &why);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct smpp_port *port = arg;
    int64_t now = clock_monotonic();
    if (port->paced_until <= now)
        port->paced_until = 0;
    expire(port, &port->urgent, now);
    expire(port, &port->queue, now);
    smpp_queue_pump(port);
}

static bool prepare(struct smpp_port *port)
{
    if (port->timer == NULL)
        port->timer = evtimer_new(loop_base(port->base.loop), on_timer, port);
    return port->timer != NULL;
}

/* ---- who goes ---- */

static struct smpp_link *roomiest(struct smpp_port *port)
{
    struct smpp_link *link, *best = NULL;
    TAILQ_FOREACH(link, &port->links, entry)
    if (smpp_link_has_room(link) && (best == NULL || link->n_requests < best->n_requests))
        best = link;
    return best;
}

static void run_moved(struct loop_task *task)
{
    struct smpp_work *work = CONTAINER_OF(task, struct smpp_work, task);
    smpp_queue_add(work->at, work);
}

/* To a loop that has room; false: there is none. */
static bool move_away(struct smpp_port *port, struct smpp_work *work)
{
    struct smpp_port *to = smpp_places_move(port);
    if (to == NULL)
        return false;
    TAILQ_REMOVE(list_of(port, work), work, entry);
    work->at = to;
    work->task.run = run_moved;
    loop_post(to->base.loop, &work->task);
    return true;
}

static void give_up_all(struct smpp_port *port, const struct error *why)
{
    struct smpp_work *first;
    while ((first = first_of(port)) != NULL) {
        TAILQ_REMOVE(list_of(port, first), first, entry);
        smpp_work_unsaid(first, true, why);
    }
}

void smpp_queue_pump(struct smpp_port *port)
{
    struct smpp_work *first;
    struct error why;
    if (port->abandoned) {
        error_set(&why, RESULT_UNAVAILABLE, "the gateway ended");
        give_up_all(port, &why);
    } else if (!is_empty(port) && smpp_places_out(port, &why)) {
        give_up_all(port, &why);
    }
    while ((first = first_of(port)) != NULL && port->paced_until == 0) {
        struct smpp_link *link = roomiest(port);
        if (link == NULL && move_away(port, first))
            continue;
        if (link == NULL)
            break;
        int64_t early = smpp_places_pace(port);
        if (early > 0) {
            port->paced_until = clock_monotonic() + early;
            break;
        }
        TAILQ_REMOVE(list_of(port, first), first, entry);
        smpp_link_send(link, first);
    }
    arm(port);
    if (is_empty(port))
        smpp_places_wake(port, false);
}

void smpp_queue_add(struct smpp_port *port, struct smpp_work *work)
{
    struct smpp_works *works = list_of(port, work);
    if (!prepare(port)) {
        struct error why;
        error_no_memory(&why);
        smpp_work_unsaid(work, true, &why);
        return;
    }
    struct smpp_work *after = TAILQ_LAST(works, smpp_works);
    while (after != NULL && after->deadline > work->deadline)
        after = TAILQ_PREV(after, smpp_works, entry);
    if (after != NULL)
        TAILQ_INSERT_AFTER(works, after, work, entry);
    else
        TAILQ_INSERT_HEAD(works, work, entry);
    smpp_queue_pump(port);
}
