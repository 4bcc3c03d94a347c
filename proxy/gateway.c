/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's life: lock, keys, journal, lanes, signals, and the way down in the opposite order.
 * The main thread runs a small loop of its own for signals, reload and the control socket.
 */
#include "proxy/gateway.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "proxy/internal.h"
#include "proxy/smtp/server.h"
#include "store/registry.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define HELPERS       2
#define HELPERS_QUEUE 1024
#define DRAIN_US      (30 * CLOCK_SECOND)

/* ---- beginning ---- */

/* Only one writer may extend the chain. */
static enum result take_lock(struct gateway *gateway, const char *state_dir, struct error *err)
{
    char *path = file_join(state_dir, "lock");
    if (path == NULL)
        return error_no_memory(err);
    enum result result = RESULT_OK;
    gateway->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (gateway->lock_fd < 0)
        result = error_errno(err, RESULT_SYSTEM, errno, "cannot open %s", path);
    else if (flock(gateway->lock_fd, LOCK_EX | LOCK_NB) != 0)
        result = errno == EWOULDBLOCK
                     ? error_set(err, RESULT_CONFLICT, "another gateway serves %s", state_dir)
                     : error_errno(err, RESULT_SYSTEM, errno, "cannot lock %s", path);
    free(path);
    return result;
}

static enum result open_journal(struct gateway *gateway, const struct config *config,
                                struct error *err)
{
    enum result result =
        signing_key_load_private(config->journal_key_file, &gateway->journal_key, err);
    if (result != RESULT_OK)
        return result;
    char *directory = file_join(config->state_dir, "journal");
    char *index = file_join(config->state_dir, "journal.db");
    if (directory == NULL || index == NULL) {
        result = error_no_memory(err);
    } else {
        struct journal_options options = {
            .directory = directory,
            .index_path = index,
            .gateway = config->hostname,
            .key = gateway->journal_key,
            .segment_size = config->journal.segment_size,
            .checkpoint_every = config->journal.checkpoint_every,
        };
        result = journal_open(&options, &gateway->journal, err);
        if (result != RESULT_OK)
            error_prefix(err, "journal");
        if (result == RESULT_OK)
            result = indexer_start(index, directory, &gateway->indexer, err);
    }
    free(directory);
    free(index);
    return result;
}

static enum result open_lane(struct gateway *gateway, unsigned i, const char *registry,
                             const uint8_t *key, size_t key_length, struct error *err)
{
    struct lane *lane = &gateway->lanes[i].lane;
    enum result result = loop_new(i, &gateway->loops[i], err);
    if (result == RESULT_OK)
        result = lane_init(lane, &gateway->gate, gateway->loops[i], key, key_length, err);
    if (result == RESULT_OK)
        result =
            store_open_sqlite(registry, gateway->journal, gateway->loops[i], &lane->store, err);
    return result;
}

/* The registry is opened for writing once, so that migrations are done before anyone reads. */
static enum result migrate(const char *registry, struct error *err)
{
    struct registry *writer = NULL;
    enum result result = registry_open(registry, false, &writer, err);
    registry_close(&writer);
    return result;
}

static enum result open_lanes(struct gateway *gateway, const struct config *config,
                              struct error *err)
{
    struct strbuf hex = {0};
    uint8_t key[32];
    enum result result = file_read_secret(config->recipient_key_file, &hex, err);
    if (result == RESULT_OK && !hex_decode(hex.data, hex.length, key, sizeof(key)))
        result = error_set(err, RESULT_BAD_INPUT, "%s must hold 64 hex digits",
                           config->recipient_key_file);
    char *registry = file_join(config->state_dir, "registry.db");
    if (result == RESULT_OK && registry == NULL)
        result = error_no_memory(err);
    if (result == RESULT_OK)
        result = migrate(registry, err);
    gateway->loops = calloc(config->threads, sizeof(*gateway->loops));
    gateway->lanes = calloc(config->threads, sizeof(*gateway->lanes));
    if (result == RESULT_OK && (gateway->loops == NULL || gateway->lanes == NULL))
        result = error_no_memory(err);
    for (unsigned i = 0; i < config->threads && result == RESULT_OK; i++) {
        gateway->n_lanes = i + 1;
        result = open_lane(gateway, i, registry, key, sizeof(key), err);
    }
    wipe(key, sizeof(key));
    if (hex.data != NULL)
        wipe(hex.data, hex.length);
    strbuf_free(&hex);
    free(registry);
    return result;
}

static void *run_lane(void *loop)
{
    loop_run(loop);
    return NULL;
}

static enum result start_lanes(struct gateway *gateway, struct error *err)
{
    sigset_t all, before;
    int failed = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < gateway->n_lanes && failed == 0; i++) {
        failed = pthread_create(&gateway->lanes[i].thread, NULL, run_lane, gateway->loops[i]);
        gateway->lanes[i].started = failed == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return error_errno(err, RESULT_SYSTEM, failed, "cannot start a loop's thread");
    return RESULT_OK;
}

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

/* What tells the many from the few: rates, connections of one peer, failed logins. */
static enum result open_counters(struct gateway *gateway, struct error *err)
{
    gateway->rates = rates_new();
    gateway->peers = peers_new();
    if (gateway->rates == NULL || gateway->peers == NULL)
        return error_no_memory(err);
    enum result result = guesses_new(&gateway->guesses, err);
    if (result == RESULT_OK)
        result = credentials_new(gateway->workers, gateway->peers, &gateway->credentials, err);
    gateway->gate.credentials = gateway->credentials;
    gateway->gate.rates = gateway->rates;
    gateway->gate.peers = gateway->peers;
    gateway->gate.guesses = gateway->guesses;
    return result;
}

static enum result open_all(struct gateway *gateway, const struct config *config, struct error *err)
{
    enum result result = take_lock(gateway, config->state_dir, err);
    if (result == RESULT_OK)
        result = open_journal(gateway, config, err);
    if (result == RESULT_OK)
        result = workers_new(HELPERS, HELPERS_QUEUE, &gateway->workers, err);
    if (result == RESULT_OK)
        result = open_counters(gateway, err);
    if (result == RESULT_OK)
        result = open_lanes(gateway, config, err);
    if (result == RESULT_OK)
        result = loop_new(gateway->n_lanes, &gateway->main_loop, err);
    if (result == RESULT_OK)
        result = control_new(config->state_dir, gateway->main_loop, gateway_answer, gateway,
                             &gateway->control, err);
    return result;
}

/* ---- draining ---- */

struct lane_task {
    struct loop_task task;
    struct lane_slot *slot;
    bool at_once;
};

static void run_drain(struct loop_task *task)
{
    struct lane_task *drain = (struct lane_task *)task;
    struct lane_slot *slot = drain->slot;
    while (slot->n_doors > 0)
        door_close(&slot->doors[--slot->n_doors]);
    smtp_drain(&slot->lane);
    if (drain->at_once)
        smtp_abort_all(&slot->lane);
    free(drain);
}

static void drain_lanes(struct gateway *gateway, bool at_once)
{
    for (unsigned i = 0; i < gateway->n_lanes; i++) {
        struct lane_task *drain = calloc(1, sizeof(*drain));
        if (drain == NULL)
            continue; /* the loop is stopped all the same when the time is up */
        drain->task.run = run_drain;
        drain->slot = &gateway->lanes[i];
        drain->at_once = at_once;
        loop_post(gateway->loops[i], &drain->task);
    }
}

static void on_terminate(evutil_socket_t signal_number, short what, void *arg)
{
    (void)what;
    struct gateway *gateway = arg;
    if (gateway->drain_until != 0) {
        log_event(LOG_LEVEL_WARN, "asked twice, ending now");
        gateway->drain_until = clock_monotonic();
        return;
    }
    log_event(LOG_LEVEL_INFO, "draining", LOG_NUMBER("signal", signal_number),
              LOG_NUMBER("sessions", atomic_load(&gateway->gate.sessions)));
    gateway->drain_until = clock_monotonic() + DRAIN_US;
    drain_lanes(gateway, false);
}

/* Sums up what was refused; looks while draining whether all is done, or the time is up. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct gateway *gateway = arg;
    refusals_tick(&gateway->gate.refusals);
    if (gateway->drain_until == 0)
        return;
    unsigned sessions = atomic_load(&gateway->gate.sessions);
    bool late = clock_monotonic() >= gateway->drain_until;
    if (sessions > 0 && late) {
        log_event(LOG_LEVEL_WARN, "ending sessions that did not finish",
                  LOG_NUMBER("sessions", sessions));
        drain_lanes(gateway, true);
    }
    if (sessions == 0 || late)
        loop_stop(gateway->main_loop);
}

static void on_hangup(evutil_socket_t signal_number, short what, void *arg)
{
    (void)signal_number;
    (void)what;
    struct gateway *gateway = arg;
    if (gateway->drain_until == 0)
        gateway_reload(gateway);
}

static enum result serve(struct gateway *gateway, struct error *err)
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
    if (ok)
        loop_run(gateway->main_loop);
    for (size_t i = 0; i < n; i++)
        if (events[i] != NULL)
            event_free(events[i]);
    return ok ? RESULT_OK : error_no_memory(err);
}

/* ---- the way down ---- */

static void stop_lanes(struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        if (gateway->lanes[i].started)
            loop_stop(gateway->loops[i]);
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        if (gateway->lanes[i].started)
            pthread_join(gateway->lanes[i].thread, NULL);
    /* Answers of helpers and of the journal's writer still come to the loops' mailboxes: both end
     * before the loops go. */
    workers_free(&gateway->workers);
    journal_close(&gateway->journal);
    indexer_stop(&gateway->indexer);
}

static void close_all(struct gateway *gateway)
{
    control_free(&gateway->control);
    /* Also after a failed start: the mailbox is in order, so this runs before the stop. */
    if (gateway->main_loop != NULL)
        drain_lanes(gateway, true);
    stop_lanes(gateway);
    for (unsigned i = 0; i < gateway->n_lanes; i++) {
        struct lane_slot *slot = &gateway->lanes[i];
        while (slot->n_doors > 0)
            door_close(&slot->doors[--slot->n_doors]);
        /* What sessions left to be freed goes while every loop still stands. */
        if (gateway->loops[i] != NULL)
            loop_turn(gateway->loops[i]);
    }
    snapshot_unref(&gateway->snapshot);
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        snapshot_unref(&gateway->lanes[i].lane.snapshot);
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        loop_free(&gateway->loops[i]);
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        lane_end(&gateway->lanes[i].lane);
    loop_free(&gateway->main_loop);
    free(gateway->loops);
    free(gateway->lanes);
    credentials_free(&gateway->credentials);
    guesses_free(&gateway->guesses);
    peers_free(&gateway->peers);
    rates_free(&gateway->rates);
    signing_key_free(&gateway->journal_key);
    for (size_t i = 0; i < gateway->n_entrances; i++)
        free(gateway->entrances[i]);
    if (gateway->lock_fd >= 0)
        close(gateway->lock_fd);
}

enum result gateway_run(const char *config_file, struct error *err)
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
    struct gateway *gateway = calloc(1, sizeof(*gateway));
    if (gateway == NULL) {
        config_unref(&config);
        return error_no_memory(err);
    }
    gateway->config_file = config_file;
    gateway->lock_fd = -1;
    gateway->started_at = clock_now();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* under `ulimit -f`: a write that fails is enough */
    raise_descriptor_limit();
    result = open_all(gateway, config, err);
    if (result == RESULT_OK)
        result = gateway_install(gateway, config, err);
    else
        config_unref(&config);
    if (result == RESULT_OK)
        result = start_lanes(gateway, err);
    if (result == RESULT_OK) {
        log_event(LOG_LEVEL_INFO, "serving",
                  LOG_TEXT("gateway", gateway->snapshot->config->hostname),
                  LOG_NUMBER("loops", gateway->n_lanes),
                  LOG_NUMBER("listeners", gateway->snapshot->config->n_listeners));
        result = serve(gateway, err);
    }
    close_all(gateway);
    free(gateway);
    if (result == RESULT_OK)
        log_event(LOG_LEVEL_INFO, "ended");
    return result;
}
