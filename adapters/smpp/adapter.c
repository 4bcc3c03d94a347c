/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The adapter `smpp`: its binds spread over the loops and kept open, whether or not messages wait,
 * and the door by which a message comes in. Sending looks for a bind with room, on the message's
 * own loop first; nothing is answered before sms_send has returned.
 */
#include "adapters/smpp/smpp.h"

#include "base/ticket.h"
#include "base/tls.h"

#include <stdlib.h>

/* ---- the provider's part ---- */

static enum result smpp_start(struct provider *provider, struct error *err)
{
    const struct provider_config *config = provider->config;
    if (config->connections == 0 || config->window == 0)
        return error_set(err, RESULT_BAD_INPUT, "provider %s may have no bind, or no request",
                         config->name);
    enum result result = RESULT_OK;
    if (config->tls != TLS_NONE)
        result = tls_client_context(config->tls_verify, config->tls_ca_file, &provider->tls, err);
    if (result == RESULT_OK)
        result = workers_new(2, config->connections + 16, &provider->helpers, err);
    if (result != RESULT_OK)
        return result;
    provider->own = smpp_places_new(provider);
    return provider->own != NULL ? RESULT_OK : error_no_memory(err);
}

static void smpp_stop(struct provider *provider)
{
    struct smpp_places *places = provider->own;
    smpp_places_free(&places);
}

/* ---- the port ---- */

/* The seats are dealt out to the loops one by one; the receiver of separate binds is the last. */
static uint32_t command_of(const struct smpp_port *port, unsigned seat)
{
    const struct provider_config *config = smpp_config(port);
    if (seat >= config->connections)
        return SMPP_BIND_RECEIVER;
    if (config->binds == SMPP_BINDS_TRANSCEIVER && port->base.provider->sink != NULL)
        return SMPP_BIND_TRANSCEIVER;
    return SMPP_BIND_TRANSMITTER;
}

static void make_links(struct smpp_port *port);

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    make_links(arg);
}

/* Memory was too short: what could not be made now is made later, whether or not messages come. */
static void make_again(struct smpp_port *port)
{
    static const struct timeval pause = {.tv_sec = 1};
    struct error why;
    error_no_memory(&why);
    provider_attempt_failed(port->base.provider, &why);
    if (!port->again_set)
        (void)evtimer_assign(&port->again, loop_base(port->base.loop), on_again, port);
    port->again_set = true;
    /* Without memory for a timer, too: at the loop's next turn. */
    if (event_add(&port->again, &pause) != 0)
        event_active(&port->again, EV_TIMEOUT, 0);
}

static void make_links(struct smpp_port *port)
{
    const struct provider *provider = port->base.provider;
    unsigned seats = smpp_seats(provider);
    if (port->begun || port->closing || port->abandoned)
        return;
    for (;;) {
        unsigned seat = loop_index(port->base.loop) + port->n_made * provider->n_ports;
        if (seat >= seats)
            break;
        struct smpp_link *link = smpp_link_new(port, command_of(port, seat));
        if (link == NULL) {
            make_again(port);
            return;
        }
        port->n_made++;
        TAILQ_INSERT_TAIL(&port->links, link, entry);
        smpp_link_open(link);
    }
    port->begun = true;
}

static void run_begin(struct loop_task *task)
{
    make_links(CONTAINER_OF(task, struct smpp_port, begin));
}

void smpp_port_begin(struct smpp_port *port)
{
    struct provider *provider = port->base.provider;
    if (port->begun)
        return;
    if (smpp_places_begin(port)) {
        pthread_mutex_lock(&provider->lock);
        provider->state.limit = smpp_seats(provider);
        pthread_mutex_unlock(&provider->lock);
        /* All of them are there: who warms, or sends, holds the provider. */
        for (unsigned i = 0; i < provider->n_ports; i++) {
            struct smpp_port *other = (struct smpp_port *)provider->ports[i];
            if (other != port)
                loop_post(other->base.loop, &other->begin);
        }
    }
    make_links(port);
}

static void smpp_warm(struct provider_port *base)
{
    smpp_port_begin((struct smpp_port *)base);
}

static void free_port(struct smpp_port *port)
{
    struct provider *provider = port->base.provider;
    struct smpp_link *link;
    while ((link = TAILQ_FIRST(&port->links)) != NULL) {
        TAILQ_REMOVE(&port->links, link, entry);
        smpp_link_free(&link);
    }
    if (port->timer != NULL)
        event_free(port->timer);
    ticket_table_free(&port->tickets);
    free(port);
    provider_port_gone(provider);
}

static void run_gone(struct loop_task *task)
{
    free_port(CONTAINER_OF(task, struct smpp_port, gone));
}

static void run_wake(struct loop_task *task)
{
    struct smpp_port *port = CONTAINER_OF(task, struct smpp_port, wake);
    struct smpp_link *link;
    struct error why;
    smpp_places_woken(port);
    if (port->closing) {
        loop_defer(port->base.loop, &port->gone);
        return;
    }
    if (!provider_is_out(port->base.provider, &why))
        TAILQ_FOREACH(link, &port->links, entry)
    smpp_link_hurry(link);
    smpp_queue_pump(port);
}

static struct provider_port *smpp_port_new(void)
{
    struct smpp_port *port = calloc(1, sizeof(*port));
    if (port == NULL)
        return NULL;
    TAILQ_INIT(&port->links);
    TAILQ_INIT(&port->urgent);
    TAILQ_INIT(&port->queue);
    port->begin.run = run_begin;
    port->wake.run = run_wake;
    port->gone.run = run_gone;
    return &port->base;
}

/* No message is left, and nothing that came in: each of them holds the provider. */
static void smpp_port_close(struct provider_port *base)
{
    struct smpp_port *port = (struct smpp_port *)base;
    struct smpp_link *link, *next;
    bool free_now = smpp_places_close(port);
    if (port->again_set)
        (void)event_del(&port->again);
    for (link = TAILQ_FIRST(&port->links); link != NULL; link = next) {
        next = TAILQ_NEXT(link, entry);
        struct smpp_trial *trial = link->trial;
        smpp_link_cut(link);
        if (trial != NULL)
            smpp_trial_end(link);
    }
    if (free_now)
        loop_defer(base->loop, &port->gone);
}

/* ---- messages ---- */

static void run_no_memory(struct loop_task *task)
{
    struct sms_job *job = CONTAINER_OF(task, struct sms_job, task);
    const struct sms_answer answer = {.outcome = OUTCOME_NONE, .id = "", .text = "out of memory"};
    sms_job_answer(&job, &answer);
}

static void run_refused(struct loop_task *task)
{
    smpp_work_refused(CONTAINER_OF(task, struct smpp_work, task), false);
}

static void run_unsaid(struct loop_task *task)
{
    struct smpp_work *work = CONTAINER_OF(task, struct smpp_work, task);
    struct error why = work->why;
    smpp_work_unsaid(work, false, &why);
}

static void run_arrived(struct loop_task *task)
{
    struct smpp_work *work = CONTAINER_OF(task, struct smpp_work, task);
    smpp_queue_add(work->at, work);
}

static void smpp_send(struct provider_port *base, struct sms_job *job)
{
    struct smpp_port *port = (struct smpp_port *)base;
    struct smpp_work *work = smpp_work_new(port, job);
    smpp_port_begin(port);
    if (work == NULL) {
        job->task.run = run_no_memory;
        loop_defer(base->loop, &job->task);
        return;
    }
    if (!smpp_work_plan(work, port)) {
        work->task.run = work->refusal.outcome == OUTCOME_NONE ? run_unsaid : run_refused;
        loop_defer(base->loop, &work->task);
    } else if (smpp_places_out(port, &work->why) ||
               !smpp_places_enter(port, &work->at, &work->why)) {
        work->task.run = run_unsaid;
        loop_defer(base->loop, &work->task);
    } else {
        work->task.run = run_arrived;
        if (work->at == port)
            loop_defer(base->loop, &work->task);
        else
            loop_post(work->at->base.loop, &work->task);
    }
}

static void smpp_abandon(struct provider_port *base)
{
    struct smpp_port *port = (struct smpp_port *)base;
    struct smpp_link *link, *next;
    struct error why;
    error_set(&why, RESULT_UNAVAILABLE, "the gateway ended before an answer came");
    port->abandoned = true;
    for (link = TAILQ_FIRST(&port->links); link != NULL; link = next) {
        next = TAILQ_NEXT(link, entry); /* a trial's leaves the list */
        smpp_link_abandon(link, &why);
    }
    smpp_queue_pump(port);
}

const struct adapter_ops smpp_ops = {
    .max_recipients = 1,
    .start = smpp_start,
    .stop = smpp_stop,
    .port_new = smpp_port_new,
    .port_close = smpp_port_close,
    .warm = smpp_warm,
    .test = smpp_trial_begin,
    .send = smpp_send,
    .abandon = smpp_abandon,
};
