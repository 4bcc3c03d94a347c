/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's life between its beginning (opening.c) and its end: signals, draining, handing over
 * to a new process, and the way down. The main thread runs a small loop of its own for these,
 * reload and the control socket.
 */
#include "proxy/gateway.h"

#include "base/clock.h"
#include "base/log.h"
#include "proxy/descriptors.h"
#include "proxy/http/server.h"
#include "proxy/internal.h"
#include "proxy/metrics/metrics.h"
#include "proxy/notices/notices.h"
#include "proxy/service.h"
#include "proxy/smpp/server.h"
#include "proxy/sms/binds.h"
#include "proxy/sms/inbound.h"
#include "proxy/sms/segments.h"
#include "proxy/sms/sent.h"
#include "proxy/sms/sms.h"
#include "proxy/smtp/server.h"
#include "proxy/waiting.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Each session needs a descriptor, and its way to the provider another (descriptors.h). */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        log_event(LOG_LEVEL_DEBUG, "descriptors", LOG_NUMBER("limit", limit.rlim_cur));
}

/* ---- draining ---- */

static void run_drain(struct loop_task *task)
{
    struct lane_drain *drain = (struct lane_drain *)task;
    struct lane_slot *slot = drain->slot;
    /* Draining first: who still comes in through a door that retires is told 421. */
    slot->lane.draining = true;
    if (drain->at_once)
        doors_close(&slot->lane);
    else
        doors_retire(&slot->lane, slot->lane.snapshot, NULL, NULL);
    smtp_drain(&slot->lane);
    smpp_drain(&slot->lane);
    http_drain(&slot->lane);
    if (drain->at_once) {
        smtp_abort_all(&slot->lane);
        smpp_abort_all(&slot->lane);
        http_abort_all(&slot->lane);
        sms_abort_all(&slot->lane);
    }
}

static void drain_lanes(struct gateway *gateway, bool at_once)
{
    for (unsigned i = 0; i < gateway->n_lanes; i++) {
        struct lane_drain *drain = at_once ? &gateway->lanes[i].end : &gateway->lanes[i].drain;
        if (drain->posted)
            continue;
        drain->posted = true;
        drain->task.run = run_drain;
        drain->slot = &gateway->lanes[i];
        drain->at_once = at_once;
        loop_post(gateway->loops[i], &drain->task);
    }
}

static void begin_drain(struct gateway *gateway)
{
    struct inlets *inlets = &gateway->inlets;
    gateway->drain_until = clock_monotonic() + gateway->snapshot->config->drain_timeout;
    for (size_t i = 0; i < inlets->n; i++)
        if (!gateway_holds_elsewhere(gateway, inlets->list[i].bind))
            listen_shut(inlets->list[i].fd);
    /* What was handed over stays, in case nobody takes it up in the end. */
    for (size_t i = 0; i < gateway->n_entrances; i++)
        if (!gateway->entrances[i]->handed_over)
            inlets_drop(inlets, gateway->entrances[i]->bind);
    /* There is time to index now, and none when a successor waits for the lock. */
    indexer_let_go(gateway->indexer);
    intake_drain(gateway->intake);
    drain_lanes(gateway, false);
}

static void on_terminate(evutil_socket_t signal_number, short what, void *arg)
{
    (void)what;
    struct gateway *gateway = arg;
    if (gateway->asked_to_end) {
        log_event(LOG_LEVEL_WARN, "asked twice, ending now");
        gateway->drain_until = clock_monotonic();
        return;
    }
    gateway->asked_to_end = true;
    log_event(LOG_LEVEL_INFO, "draining", LOG_NUMBER("signal", signal_number),
              LOG_NUMBER("sessions", atomic_load(&gateway->gate.sessions)));
    if (gateway->drain_until != 0)
        return; /* for a successor; only, we shall not come back if there is none */
    service_notify("STOPPING=1\nSTATUS=Draining");
    handover_free(&gateway->handover);
    begin_drain(gateway);
}

/* ---- handing over ---- */

static bool on_committed(void *arg, const struct handover_commit *commit)
{
    struct gateway *gateway = arg;
    if (gateway->drain_until != 0)
        return false;
    for (size_t i = 0; i < gateway->n_entrances; i++) {
        struct entrance *entrance = gateway->entrances[i];
        for (size_t j = 0; j < commit->n && !entrance->handed_over; j++)
            entrance->handed_over = entrance->open && strcmp(commit->binds[j], entrance->bind) == 0;
        if (entrance->handed_over)
            atomic_store(&entrance->held_elsewhere, true);
    }
    gateway->committed = true;
    log_event(LOG_LEVEL_INFO, "handing over, draining",
              LOG_NUMBER("sessions", atomic_load(&gateway->gate.sessions)));
    begin_drain(gateway);
    return true;
}

static void on_broken(void *arg, const char *why)
{
    struct gateway *gateway = arg;
    gateway->handover = NULL;
    log_event(LOG_LEVEL_WARN, "the new process does not take over, serving on",
              LOG_TEXT("reason", why));
}

static void hand_over(struct gateway *gateway, int fd)
{
    if (gateway->drain_until != 0) {
        close(fd); /* to be waited for, not to be asked */
        return;
    }
    if (gateway->handover != NULL) {
        handover_refuse(fd, "another process is taking over");
        return;
    }
    const struct handover_calls calls = {
        .committed = on_committed, .broken = on_broken, .arg = gateway};
    struct error err;
    if (handover_offer(gateway->main_loop, fd, &gateway->inlets,
                       gateway->snapshot->config->drain_timeout, &calls, &gateway->handover,
                       &err) == RESULT_OK)
        log_event(LOG_LEVEL_INFO, "a new process asks to take over",
                  LOG_NUMBER("sockets", gateway->inlets.n));
    else
        log_event(LOG_LEVEL_WARN, "cannot hand over", LOG_TEXT("reason", err.text));
}

bool gateway_take(void *arg, const char *request, int fd)
{
    struct gateway *gateway = arg;
    if (strcmp(request, HANDOVER_REQUEST) != 0)
        return intake_take(gateway->intake, request, fd);
    hand_over(gateway, fd);
    return true;
}

/* ---- looking after itself ---- */

static void run_pulse(struct loop_task *task)
{
    struct pulse *pulse = (struct pulse *)task;
    atomic_store(&pulse->awaited, false);
}

/* The watchdog is told only what is true: that every loop came round since it was last told. */
static void feed_watchdog(struct gateway *gateway)
{
    if (gateway->watchdog_every == 0 || clock_monotonic() < gateway->watchdog_at)
        return;
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        if (atomic_load(&gateway->lanes[i].pulse.awaited))
            return;
    service_notify("WATCHDOG=1");
    gateway->watchdog_at = clock_monotonic() + gateway->watchdog_every;
    for (unsigned i = 0; i < gateway->n_lanes; i++) {
        struct pulse *pulse = &gateway->lanes[i].pulse;
        atomic_store(&pulse->awaited, true);
        pulse->task.run = run_pulse;
        loop_post(gateway->loops[i], &pulse->task);
    }
}

/* Sums up what was refused; looks while draining whether all is done, or the time is up. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct gateway *gateway = arg;
    refusals_tick(&gateway->gate.refusals);
    anchor_tick(gateway->anchor);
    feed_watchdog(gateway);
    if (gateway->drain_until == 0)
        return;
    /* Doors first: a session is counted before its door goes. */
    unsigned doors = atomic_load(&gateway->gate.doors);
    unsigned sessions = atomic_load(&gateway->gate.sessions);
    unsigned flights = atomic_load(&gateway->gate.flights);
    unsigned calls = atomic_load(&gateway->gate.calls);
    bool late = clock_monotonic() >= gateway->drain_until;
    if (sessions + flights + calls > 0 && late) {
        log_event(LOG_LEVEL_WARN, "ending sessions that did not finish",
                  LOG_NUMBER("sessions", sessions), LOG_NUMBER("messages", flights),
                  LOG_NUMBER("requests", calls));
        drain_lanes(gateway, true);
    }
    if ((doors == 0 && sessions == 0 && flights == 0 && calls == 0) || late)
        loop_stop(gateway->main_loop);
    else
        waiting_tick(gateway);
}

static void on_hangup(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number;
    (void)what;
    struct gateway *gateway = arg;
    if (gateway->drain_until != 0)
        return;
    service_notify_reloading();
    gateway_reload(gateway);
    service_notify("READY=1\nSTATUS=%s", gateway->reload_error[0] != '\0'
                                             ? "Serving; the last reload failed, see octroi status"
                                             : "Serving");
}

/* ---- serving ---- */

static void announce(struct gateway *gateway, enum entry entry)
{
    const struct config *config = gateway->snapshot->config;
    log_event(LOG_LEVEL_INFO, "serving", LOG_TEXT("gateway", config->hostname),
              LOG_NUMBER("loops", gateway->n_lanes), LOG_NUMBER("listeners", config->n_listeners));
    /* Before the one before ends, so that its end is not taken for the service's. */
    if (entry == ENTRY_TAKEOVER)
        service_notify("MAINPID=%ld\nREADY=1\nSTATUS=Serving", (long)getpid());
    else
        service_notify("READY=1\nSTATUS=Serving");
    if (gateway->predecessor >= 0)
        handover_serving(gateway->predecessor);
    gateway->predecessor = -1;
    gateway_widen(gateway);
}

/* Who was told that we serve may end us at once: signals are heard before anybody is. */
static enum result serve(struct gateway *gateway, enum entry entry, struct error *err)
{
    static const struct timeval tick = {.tv_usec = 50 * 1000};
    struct event_base *base = loop_base(gateway->main_loop);
    struct event *events[] = {
        evsignal_new(base, SIGTERM, on_terminate, gateway),
        evsignal_new(base, SIGINT, on_terminate, gateway),
        evsignal_new(base, SIGHUP, on_hangup, gateway),
        event_new(base, -1, EV_PERSIST, on_tick, gateway),
    };
    const size_t n = sizeof(events) / sizeof(events[0]);
    bool ok = true;
    for (size_t i = 0; i < n; i++)
        ok &= events[i] != NULL && event_add(events[i], i == n - 1 ? &tick : NULL) == 0;
    if (ok) {
        gateway->watchdog_every = service_watchdog();
        announce(gateway, entry);
        loop_run(gateway->main_loop);
    }
    for (size_t i = 0; i < n; i++)
        if (events[i] != NULL)
            event_free(events[i]);
    return ok ? RESULT_OK : error_no_memory(err);
}

/* ---- the way down ---- */

/* Rounds of all loops until none has anything for itself or for another: what is answered on one
 * and due on the next, and a provider's ports, which each close on their own loop. Far more than
 * any of that takes; a chain without an end shall not hold up the end. */
#define ROUNDS_MOST 1000

static bool are_quiet(const struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        if (gateway->loops[i] != NULL && !loop_is_quiet(gateway->loops[i]))
            return false;
    return true;
}

static void turn_lanes(const struct gateway *gateway)
{
    unsigned round = 0;
    do
        for (unsigned i = 0; i < gateway->n_lanes; i++)
            if (gateway->loops[i] != NULL)
                loop_turn(gateway->loops[i]);
    while (!are_quiet(gateway) && ++round < ROUNDS_MOST);
    if (round == ROUNDS_MOST)
        log_event(LOG_LEVEL_WARN, "loops do not come to rest");
}

static void stop_lanes(struct gateway *gateway, struct farewell *farewell)
{
    farewell_step(farewell, "loops");
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        if (gateway->lanes[i].started)
            loop_stop(gateway->loops[i]);
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        if (gateway->lanes[i].started)
            pthread_join(gateway->lanes[i].thread, NULL);
    /* Answers of helpers and of the journal's writer still come to the loops' mailboxes: both end
     * before the loops go. */
    farewell_step(farewell, "helpers");
    if (gateway->credentials != NULL)
        credentials_hurry(gateway->credentials);
    workers_free(&gateway->workers);
    farewell_step(farewell, "inbox");
    if (gateway->inbox != NULL)
        inbox_stop(gateway->inbox);
    /* What the desk was given is done, and goes on record while there is a journal. */
    farewell_step(farewell, "desk");
    gateway->gate.desk = NULL;
    desk_stop(&gateway->desk);
    gateway->gate.checker = NULL;
    gateway->gate.clerk = NULL;
    checker_stop(&gateway->checker);
    clerk_stop(&gateway->clerk);
    turn_lanes(gateway);
    notices_stop(&gateway->notices);
    turn_lanes(gateway);
    post_free(&gateway->post);
    indexer_let_go(gateway->indexer);
    farewell_step(farewell, "registry");
    anchor_now(gateway->anchor);
    anchor_free(&gateway->anchor);
    farewell_step(farewell, "journal");
    journal_close(&gateway->journal);
    farewell_step(farewell, "index");
    indexer_stop(&gateway->indexer);
}

static void close_all(struct gateway *gateway)
{
    struct farewell *farewell = farewell_begin();
    control_free(&gateway->control);
    intake_shut(gateway->intake);
    handover_free(&gateway->handover);
    if (gateway->predecessor >= 0)
        close(gateway->predecessor); /* which serves on, or again */
    farewell_step(farewell, "post");
    post_stop(gateway->post);
    /* Also after a failed start: the mailbox is in order, so this runs before the stop. */
    if (gateway->main_loop != NULL)
        drain_lanes(gateway, true);
    stop_lanes(gateway, farewell);
    farewell_step(farewell, "providers");
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        doors_close(&gateway->lanes[i].lane);
    /* What sessions left to be freed, and answers of providers, go while every loop still stands.
     */
    turn_lanes(gateway);
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        http_free(&gateway->lanes[i].lane);
    /* What providers still wait to hear is said before they go. */
    if (gateway->binds != NULL)
        binds_shut(gateway->binds);
    snapshot_unref(&gateway->snapshot);
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        snapshot_unref(&gateway->lanes[i].lane.snapshot);
    /* Nobody holds the providers any more: their ports close. */
    turn_lanes(gateway);
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        loop_free(&gateway->loops[i]);
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        lane_end(&gateway->lanes[i].lane);
    loop_free(&gateway->main_loop);
    intake_free(&gateway->intake); /* behind the journal's last answers in that mailbox */
    free(gateway->loops);
    free(gateway->lanes);
    credentials_free(&gateway->credentials);
    guesses_free(&gateway->guesses);
    peers_free(&gateway->peers);
    reserve_free(&gateway->reserve);
    inbox_free(&gateway->inbox);
    sent_free(&gateway->sent);
    segments_free(&gateway->segments);
    binds_free(&gateway->binds);
    rates_free(&gateway->rates);
    metrics_free(&gateway->metrics);
    signing_key_free(&gateway->journal_key);
    seal_free(&gateway->seal);
    for (size_t i = 0; i < gateway->n_entrances; i++)
        free(gateway->entrances[i]);
    inlets_free(&gateway->inlets);
    if (gateway->lock_fd >= 0)
        close(gateway->lock_fd);
    farewell_end(&farewell);
}

/* ---- one life, or several ---- */

/* What a life leaves behind when it handed over, until the new process serves. */
struct legacy {
    struct config *config; /* owned reference */
    struct inlets inlets;  /* owned */
    int successor;         /* owned; -1: none, the end is the end */
};

/* Takes the reference to config. legacy: what is inherited, then what is left. */
static enum result live(const char *config_file, struct config *config, enum entry entry,
                        struct legacy *legacy, struct error *err)
{
    struct gateway *gateway = calloc(1, sizeof(*gateway));
    if (gateway == NULL) {
        config_unref(&config);
        return error_no_memory(err);
    }
    gateway->config_file = config_file;
    gateway->lock_fd = gateway->predecessor = -1;
    gateway->started_at = clock_now();
    gateway->inlets = legacy->inlets;
    *legacy = (struct legacy){.successor = -1};
    enum result result = gateway_open(gateway, config, entry, err);
    config_unref(&config);
    if (result == RESULT_OK)
        result = serve(gateway, entry, err);
    if (gateway->committed && !gateway->asked_to_end) {
        legacy->successor = handover_detach(&gateway->handover);
        legacy->inlets = gateway->inlets;
        gateway->inlets = (struct inlets){0};
        legacy->config = config_ref(gateway->snapshot->config);
    }
    close_all(gateway);
    free(gateway);
    return result;
}

static enum result live_on(const char *config_file, struct config *config, enum entry entry,
                           struct error *err)
{
    struct legacy legacy = {.successor = -1};
    enum result result = service_sockets(config, &legacy.inlets, err);
    if (result != RESULT_OK) {
        inlets_free(&legacy.inlets);
        config_unref(&config);
        return result;
    }
    for (;;) {
        result = live(config_file, config, entry, &legacy, err);
        if (result != RESULT_OK || legacy.successor < 0)
            break;
        log_event(LOG_LEVEL_INFO, "handed over, waiting for the new process to serve");
        if (handover_await(legacy.successor))
            break;
        log_event(LOG_LEVEL_WARN, "the new process does not serve, serving again");
        config = legacy.config;
        legacy.config = NULL;
        entry = ENTRY_AGAIN;
    }
    inlets_free(&legacy.inlets);
    config_unref(&legacy.config);
    return result;
}

enum result gateway_run(const char *config_file, bool takeover, struct error *err)
{
    struct config *config = NULL;
    enum result result = gateway_load_config(config_file, &config, err);
    if (result != RESULT_OK)
        return result;
    if (config->n_listeners == 0) {
        config_unref(&config);
        return error_set(err, RESULT_BAD_INPUT, "%s has no listener: there is nothing to serve",
                         config_file);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* under `ulimit -f`: a write that fails is enough */
    signal(SIGHUP, SIG_IGN);  /* while there is nothing yet, or no more, that could be reloaded */
    raise_descriptor_limit();
    result = live_on(config_file, config, takeover ? ENTRY_TAKEOVER : ENTRY_PLAIN, err);
    if (result == RESULT_OK)
        log_event(LOG_LEVEL_INFO, "ended");
    return result;
}
