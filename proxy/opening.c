/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's beginning, in the order that lets one process follow another: all that can be made
 * beside a running gateway first, so that a mistake leaves that one untouched; then its sockets,
 * its word that it ends, the lock; and last what only one may hold, the journal and the control
 * socket. What was made is unmade by close_all in gateway.c, however far this came.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/harden.h"
#include "base/log.h"
#include "proxy/descriptors.h"
#include "proxy/internal.h"
#include "proxy/metrics/metrics.h"
#include "proxy/net/handover.h"
#include "proxy/notices/notices.h"
#include "proxy/service.h"
#include "proxy/sms/binds.h"
#include "proxy/sms/inbound.h"
#include "proxy/sms/segments.h"
#include "store/registry.h"
#include "store/state_lock.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELPERS       2
#define HELPERS_QUEUE 1024
/* Beyond what it drains, the one before has to write its last rows and its index. */
#define FAREWELL_US (30 * CLOCK_SECOND)
/* The service manager is asked for so much more before it gives up on a start. */
#define MIGRATION_MOST (3600 * CLOCK_SECOND)

#define RECIPIENT_KEY_FILE_BYTES 32

static enum result read_recipient_key(const struct config *config,
                                      uint8_t key[RECIPIENT_KEY_FILE_BYTES], struct error *err)
{
    struct strbuf hex = {0};
    enum result result = file_read_secret(config->recipient_key_file, &hex, err);
    if (result == RESULT_OK && !hex_decode(hex.data, hex.length, key, RECIPIENT_KEY_FILE_BYTES))
        result = error_set(err, RESULT_BAD_INPUT, "%s must hold 64 hex digits",
                           config->recipient_key_file);
    if (hex.data != NULL)
        wipe(hex.data, hex.length);
    strbuf_free(&hex);
    return result;
}

/* ---- what one gateway alone may have ---- */

/* What works on registry and journal for officers, each on a thread of its own. */
static enum result start_office(struct gateway *gateway, const struct config *config,
                                const char *journal, const char *index, struct error *err)
{
    char *kept = file_join(config->state_dir, "checked.json");
    const struct checker_options checker = {.journal_path = journal,
                                            .index_path = index,
                                            .kept_path = kept,
                                            .key = gateway->journal_key};
    char *registry = file_join(config->state_dir, "registry.db");
    const struct clerk_options clerk = {.registry_path = registry,
                                        .index_path = index,
                                        .journal_path = journal,
                                        .spool = config->state_dir,
                                        .key = gateway->journal_key};
    enum result result = kept != NULL && registry != NULL
                             ? checker_start(&checker, &gateway->checker, err)
                             : error_no_memory(err);
    if (result == RESULT_OK)
        result = clerk_start(&clerk, &gateway->clerk, err);
    gateway->gate.checker = gateway->checker;
    gateway->gate.clerk = gateway->clerk;
    free(kept);
    free(registry);
    return result;
}

static enum result open_journal(struct gateway *gateway, const struct config *config,
                                struct error *err)
{
    enum result result = RESULT_OK;
    char *directory = file_join(config->state_dir, "journal");
    char *index = file_join(config->state_dir, "journal.db");
    char *registry = file_join(config->state_dir, "registry.db");
    if (directory == NULL || index == NULL || registry == NULL) {
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
            result =
                indexer_start(gateway->journal, index, directory, registry, &gateway->indexer, err);
        if (result == RESULT_OK)
            result = start_office(gateway, config, directory, index, err);
    }
    free(directory);
    free(index);
    free(registry);
    return result;
}

static enum result open_stores(struct gateway *gateway, const struct config *config,
                               struct error *err)
{
    enum result result = RESULT_OK;
    char *registry = file_join(config->state_dir, "registry.db");
    if (registry == NULL)
        result = error_no_memory(err);
    for (unsigned i = 0; i < gateway->n_lanes && result == RESULT_OK; i++)
        result = store_open_sqlite(registry, gateway->journal, gateway->loops[i],
                                   &gateway->lanes[i].lane.store, err);
    if (result == RESULT_OK)
        result = anchor_new(registry, config->hostname, gateway->journal, gateway->main_loop,
                            &gateway->anchor, err);
    free(registry);
    return result;
}

/* The registry is opened for writing once, so that migrations are done before anyone reads; and
 * only by who has the state directory to itself: a gateway of the version before would read it
 * slowly, and could not go back to it if this one failed. Of a large registry one may take minutes.
 */
static enum result migrate(const struct config *config, struct error *err)
{
    struct registry *writer = NULL;
    char *path = file_join(config->state_dir, "registry.db");
    if (path == NULL)
        return error_no_memory(err);
    service_notify("EXTEND_TIMEOUT_USEC=%" PRId64, MIGRATION_MOST);
    enum result result = registry_open(path, false, &writer, err);
    registry_close(&writer);
    free(path);
    return result;
}

static enum result start_inbox(struct gateway *gateway, const struct config *config,
                               struct error *err)
{
    enum result result = RESULT_OK;
    char *registry = file_join(config->state_dir, "registry.db");
    char *directory = file_join(config->state_dir, "journal");
    char *index = file_join(config->state_dir, "journal.db");
    if (registry == NULL || directory == NULL || index == NULL)
        result = error_no_memory(err);
    else
        result = inbox_start(gateway->inbox, registry, index, directory, gateway->gate.seal, err);
    free(registry);
    free(directory);
    free(index);
    return result;
}

/* What is asked for over HTTP and must not hold up a loop: three threads, so that one long list
 * keeps neither a withdrawal nor a page waiting. */
#define DESK_THREADS 3

static enum result start_desk(struct gateway *gateway, const struct config *config,
                              struct error *err)
{
    enum result result = RESULT_OK;
    uint8_t key[RECIPIENT_KEY_FILE_BYTES];
    char *registry = file_join(config->state_dir, "registry.db");
    char *directory = file_join(config->state_dir, "journal");
    char *index = file_join(config->state_dir, "journal.db");
    if (registry == NULL || directory == NULL || index == NULL)
        result = error_no_memory(err);
    else
        result = read_recipient_key(config, key, err);
    if (result == RESULT_OK) {
        struct desk_options options = {
            .threads = DESK_THREADS,
            .registry_path = registry,
            .index_path = index,
            .journal_path = directory,
            .recipient_key = key,
            .recipient_key_length = sizeof(key),
            .seal = gateway->gate.seal,
            .long_most = DESK_LONG_MOST,
        };
        result = desk_start(&options, &gateway->desk, err);
    }
    wipe(key, sizeof(key));
    gateway->gate.desk = gateway->desk;
    free(registry);
    free(directory);
    free(index);
    return result;
}

/* Only who has the state directory to itself tells partners anything. */
static enum result start_notices(struct gateway *gateway, struct config *config, struct error *err)
{
    enum result result = RESULT_OK;
    char *registry = file_join(config->state_dir, "registry.db");
    char *directory = file_join(config->state_dir, "journal");
    char *index = file_join(config->state_dir, "journal.db");
    if (registry == NULL || directory == NULL || index == NULL) {
        result = error_no_memory(err);
    } else {
        const struct notices_options options = {
            .registry_path = registry,
            .index_path = index,
            .journal_path = directory,
            .journal = gateway->journal,
            .seal = gateway->gate.seal,
            .config = config,
            .loop_index = gateway->n_lanes + 1,
        };
        result = notices_start(&options, &gateway->notices, err);
    }
    free(registry);
    free(directory);
    free(index);
    return result;
}

static enum result open_own(struct gateway *gateway, struct config *config, struct error *err)
{
    enum result result = open_journal(gateway, config, err);
    if (result == RESULT_OK)
        result = migrate(config, err);
    if (result == RESULT_OK)
        result = open_stores(gateway, config, err);
    if (result == RESULT_OK)
        result = start_inbox(gateway, config, err);
    if (result == RESULT_OK)
        result = start_desk(gateway, config, err);
    if (result == RESULT_OK)
        result = start_notices(gateway, config, err);
    if (result == RESULT_OK) {
        gateway->intake = intake_new(gateway->main_loop, gateway->journal);
        if (gateway->intake == NULL)
            result = error_no_memory(err);
    }
    if (result == RESULT_OK)
        result = control_new(config->state_dir, gateway->main_loop, gateway_answer, gateway_take,
                             gateway, &gateway->control, err);
    return result;
}

/* ---- what can be made beside another ---- */

static enum result open_lanes(struct gateway *gateway, const struct config *config,
                              struct error *err)
{
    uint8_t key[RECIPIENT_KEY_FILE_BYTES];
    enum result result = read_recipient_key(config, key, err);
    gateway->loops = calloc(config->threads, sizeof(*gateway->loops));
    gateway->lanes = calloc(config->threads, sizeof(*gateway->lanes));
    if (result == RESULT_OK && (gateway->loops == NULL || gateway->lanes == NULL))
        result = error_no_memory(err);
    for (unsigned i = 0; i < config->threads && result == RESULT_OK; i++) {
        gateway->n_lanes = i + 1;
        result = loop_new(i, &gateway->loops[i], err);
        if (result == RESULT_OK)
            result = lane_init(&gateway->lanes[i].lane, &gateway->gate, gateway->loops[i], key,
                               sizeof(key), err);
    }
    wipe(key, sizeof(key));
    return result;
}

/* What the messages of all lanes share. */
static enum result open_sms(struct gateway *gateway, struct error *err)
{
    struct lane **lanes = calloc(gateway->n_lanes, sizeof(struct lane *));
    if (lanes == NULL)
        return error_no_memory(err);
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        lanes[i] = &gateway->lanes[i].lane;
    gateway->binds = binds_new();
    gateway->segments = segments_new();
    gateway->sent = sent_new(0);
    if (gateway->binds != NULL && gateway->sent != NULL)
        gateway->inbox = inbox_new(lanes, gateway->n_lanes, gateway->binds, gateway->sent);
    free(lanes);
    if (gateway->segments == NULL || gateway->inbox == NULL)
        return error_no_memory(err);
    gateway->gate.binds = gateway->binds;
    gateway->gate.segments = gateway->segments;
    gateway->gate.sent = gateway->sent;
    gateway->gate.inbox = gateway->inbox;
    return RESULT_OK;
}

/* What tells the many from the few: rates, connections of one peer, failed logins. */
static enum result open_counters(struct gateway *gateway, struct error *err)
{
    gateway->rates = rates_new();
    gateway->peers = peers_new();
    gateway->reserve = reserve_new();
    gateway->metrics = metrics_new(gateway_collect, gateway);
    if (gateway->rates == NULL || gateway->peers == NULL || gateway->reserve == NULL ||
        gateway->metrics == NULL)
        return error_no_memory(err);
    enum result result = guesses_new(&gateway->guesses, err);
    if (result == RESULT_OK)
        result = credentials_new(gateway->workers, gateway->peers, gateway->guesses,
                                 &gateway->credentials, err);
    gateway->gate.credentials = gateway->credentials;
    gateway->gate.rates = gateway->rates;
    gateway->gate.peers = gateway->peers;
    gateway->gate.guesses = gateway->guesses;
    gateway->gate.reserve = gateway->reserve;
    gateway->gate.metrics = gateway->metrics;
    gateway->gate.gateway = gateway;
    return result;
}

/* What would stop the migration, found out while another gateway may still serve. */
static enum result check_registry(const struct config *config, struct error *err)
{
    char *path = file_join(config->state_dir, "registry.db");
    if (path == NULL)
        return error_no_memory(err);
    bool older;
    enum result result = RESULT_OK;
    if (access(path, R_OK | W_OK) != 0)
        result = errno == ENOENT ? error_set(err, RESULT_NOT_FOUND, "%s does not exist", path)
                                 : error_errno(err, RESULT_SYSTEM, errno, "cannot write %s", path);
    if (result == RESULT_OK)
        result = registry_probe(path, &older, err);
    free(path);
    return result;
}

static enum result open_common(struct gateway *gateway, const struct config *config,
                               struct error *err)
{
    enum result result =
        signing_key_load_private(config->journal_key_file, &gateway->journal_key, err);
    if (result == RESULT_OK)
        result = gateway_load_seal(config, &gateway->seal, err);
    gateway->gate.seal = gateway->seal;
    if (result == RESULT_OK)
        result = check_registry(config, err);
    if (result == RESULT_OK)
        result = workers_new(HELPERS, HELPERS_QUEUE, &gateway->workers, err);
    if (result == RESULT_OK)
        result = open_counters(gateway, err);
    if (result == RESULT_OK)
        result = open_lanes(gateway, config, err);
    if (result == RESULT_OK)
        result = open_sms(gateway, err);
    if (result == RESULT_OK)
        result = loop_new(gateway->n_lanes, &gateway->main_loop, err);
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
    harden_thread_signals(&all);
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

/* Last: it tells of what runs. */
static enum result start_post(struct gateway *gateway, const struct config *config,
                              struct error *err)
{
    const struct post_options options = {.state_dir = config->state_dir,
                                         .journal = gateway->journal,
                                         .journal_key = gateway->journal_key,
                                         .checker = gateway->checker,
                                         .loop = gateway->loops[0]};
    return post_start(&options, gateway->snapshot, &gateway->post, err);
}

/* ---- the order ---- */

/* The sockets of a gateway that runs, and how long it may take to leave. */
static enum result ask_predecessor(struct gateway *gateway, const struct config *config,
                                   int64_t *patience_out, struct error *err)
{
    int64_t drain_us;
    *patience_out =
        config->drain_timeout + FAREWELL_US; /* one may be on its way out, unreachable */
    enum result result =
        handover_ask(config->state_dir, &gateway->inlets, &gateway->predecessor, &drain_us, err);
    if (result == RESULT_OK) {
        *patience_out = drain_us + FAREWELL_US;
        log_event(LOG_LEVEL_INFO, "taking over", LOG_NUMBER("sockets", gateway->inlets.n));
    }
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* From here on the other process may be gone at any time, and that is as well. */
static enum result succeed(struct gateway *gateway, const struct config *config, int64_t patience,
                           struct error *err)
{
    enum result result = RESULT_OK;
    if (gateway->predecessor >= 0)
        result = handover_commit(gateway->predecessor, config, err);
    if (result == RESULT_NOT_FOUND)
        log_event(LOG_LEVEL_WARN, "the gateway before went away, waiting for its lock");
    else if (result != RESULT_OK)
        return result;
    return state_lock_take(config->state_dir, patience, &gateway->lock_fd, err);
}

enum result gateway_open(struct gateway *gateway, struct config *config, enum entry entry,
                         struct error *err)
{
    struct plan *plan = NULL;
    int64_t patience = 0;
    enum result result = RESULT_OK;
    if (entry != ENTRY_TAKEOVER)
        result = state_lock_take(config->state_dir, entry == ENTRY_AGAIN ? FAREWELL_US : 0,
                                 &gateway->lock_fd, err);
    if (result == RESULT_OK)
        result = open_common(gateway, config, err);
    if (result == RESULT_OK && entry == ENTRY_TAKEOVER)
        result = ask_predecessor(gateway, config, &patience, err);
    if (result == RESULT_OK)
        result = gateway_plan(gateway, config, &plan, err);
    if (result == RESULT_OK && entry == ENTRY_TAKEOVER)
        result = succeed(gateway, config, patience, err);
    if (result == RESULT_OK)
        result = open_own(gateway, config, err);
    if (result == RESULT_OK)
        result = gateway_note_configuration(gateway, config, "start", err);
    if (result != RESULT_OK) {
        gateway_forget(gateway, &plan);
        return result;
    }
    gateway_follow(gateway, &plan);
    metrics_note_reload(gateway->metrics, true, clock_now());
    result = start_lanes(gateway, err);
    return result == RESULT_OK ? start_post(gateway, config, err) : result;
}
