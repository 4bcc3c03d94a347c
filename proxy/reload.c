/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration becomes what the gateway serves: at the start, and again with each SIGHUP. All
 * that can fail happens first, on the main thread; then each lane swaps its snapshot and its doors
 * by mailbox. Sessions that run keep what they started with.
 */
#include "proxy/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "proxy/descriptors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- on each lane ---- */

struct install {
    struct loop_task task;
    struct lane_slot *slot;
    struct snapshot *snapshot; /* owned reference */
    struct {
        struct entrance *entrance;
        int fd;
    } opening[ENTRANCES_MAX];
    size_t n_opening;
};

static bool is_listened_on(const struct config *config, const struct entrance *entrance)
{
    for (size_t i = 0; i < config->n_listeners; i++)
        if (strcmp(config->listeners[i].bind, entrance->bind) == 0)
            return true;
    return false;
}

static void run_install(struct loop_task *task)
{
    struct install *install = (struct install *)task;
    struct lane_slot *slot = install->slot;
    snapshot_unref(&slot->lane.snapshot);
    slot->lane.snapshot = install->snapshot;
    size_t kept = 0;
    for (size_t i = 0; i < slot->n_doors; i++) {
        if (is_listened_on(install->snapshot->config, door_entrance(slot->doors[i])))
            slot->doors[kept++] = slot->doors[i];
        else
            door_close(&slot->doors[i]);
    }
    slot->n_doors = kept;
    for (size_t i = 0; i < install->n_opening; i++) {
        struct door *door =
            door_open(&slot->lane, install->opening[i].entrance, install->opening[i].fd);
        if (door == NULL)
            log_event(LOG_LEVEL_ERROR, "out of memory, a listener has a loop less",
                      LOG_TEXT("bind", install->opening[i].entrance->bind));
        else
            slot->doors[slot->n_doors++] = door;
    }
    free(install);
}

/* ---- on the main thread ---- */

static struct entrance *find_entrance(struct gateway *gateway, const char *bind_text)
{
    for (size_t i = 0; i < gateway->n_entrances; i++)
        if (strcmp(gateway->entrances[i]->bind, bind_text) == 0)
            return gateway->entrances[i];
    return NULL;
}

static bool listened_before(const struct gateway *gateway, const char *bind_text)
{
    if (gateway->snapshot == NULL)
        return false;
    const struct config *config = gateway->snapshot->config;
    for (size_t i = 0; i < config->n_listeners; i++)
        if (strcmp(config->listeners[i].bind, bind_text) == 0)
            return true;
    return false;
}

static enum result add_entrance(struct gateway *gateway, const char *bind_text,
                                struct entrance **entrance_out, struct error *err)
{
    *entrance_out = find_entrance(gateway, bind_text);
    if (*entrance_out != NULL)
        return RESULT_OK;
    if (gateway->n_entrances == ENTRANCES_MAX)
        return error_set(err, RESULT_UNAVAILABLE,
                         "more than %d addresses were listened on since the start: restart",
                         ENTRANCES_MAX);
    struct entrance *entrance = calloc(1, sizeof(*entrance));
    if (entrance == NULL)
        return error_no_memory(err);
    str_copy(entrance->bind, sizeof(entrance->bind), bind_text);
    gateway->entrances[gateway->n_entrances++] = entrance;
    *entrance_out = entrance;
    return RESULT_OK;
}

/* One socket a lane for each address that is new. */
static enum result open_sockets(struct gateway *gateway, const struct config *config,
                                struct install **installs, struct error *err)
{
    for (size_t i = 0; i < config->n_listeners; i++) {
        if (listened_before(gateway, config->listeners[i].bind))
            continue;
        struct entrance *entrance;
        enum result result = add_entrance(gateway, config->listeners[i].bind, &entrance, err);
        for (unsigned j = 0; j < gateway->n_lanes && result == RESULT_OK; j++) {
            int fd;
            result = listen_open(&config->listeners[i], &fd, err);
            if (result != RESULT_OK)
                break;
            /* new_installs has filled the whole list.
             * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
            size_t n = installs[j]->n_opening++;
            installs[j]->opening[n].entrance = entrance;
            installs[j]->opening[n].fd = fd;
        }
        if (result != RESULT_OK)
            return result;
    }
    return RESULT_OK;
}

static void discard_installs(struct gateway *gateway, struct install **installs)
{
    for (unsigned j = 0; installs != NULL && j < gateway->n_lanes; j++) {
        if (installs[j] == NULL)
            continue;
        for (size_t i = 0; i < installs[j]->n_opening; i++)
            close(installs[j]->opening[i].fd);
        free(installs[j]);
    }
    free(installs);
}

static struct install **new_installs(struct gateway *gateway)
{
    struct install **installs = calloc(gateway->n_lanes, sizeof(*installs));
    for (unsigned j = 0; installs != NULL && j < gateway->n_lanes; j++) {
        installs[j] = calloc(1, sizeof(**installs));
        if (installs[j] == NULL) {
            discard_installs(gateway, installs);
            return NULL;
        }
        installs[j]->task.run = run_install;
        installs[j]->slot = &gateway->lanes[j];
    }
    return installs;
}

struct warm_task {
    struct loop_task task;
    struct snapshot *snapshot; /* owned reference */
    struct loop *loop;
};

/* So that the first EHLO already knows what the routes carry. */
static void run_warm(struct loop_task *task)
{
    struct warm_task *warm = (struct warm_task *)task;
    for (size_t i = 0; i < warm->snapshot->config->n_providers; i++)
        provider_warm(warm->snapshot->providers[i], warm->loop);
    snapshot_unref(&warm->snapshot);
    free(warm);
}

static void warm_providers(struct gateway *gateway)
{
    struct warm_task *warm = calloc(1, sizeof(*warm));
    if (warm == NULL)
        return; /* the first message will open the connection */
    warm->task.run = run_warm;
    warm->snapshot = snapshot_ref(gateway->snapshot);
    warm->loop = gateway->loops[0];
    loop_post(warm->loop, &warm->task);
}

enum result gateway_install(struct gateway *gateway, struct config *config, struct error *err)
{
    struct install **installs = new_installs(gateway);
    if (installs == NULL) {
        config_unref(&config);
        return error_no_memory(err);
    }
    struct snapshot *snapshot = NULL;
    enum result result = open_sockets(gateway, config, installs, err);
    if (result == RESULT_OK)
        result = snapshot_new(config, gateway->snapshot, gateway->loops, gateway->n_lanes,
                              &snapshot, err);
    else
        config_unref(&config);
    if (result != RESULT_OK) {
        discard_installs(gateway, installs);
        return result;
    }
    if (gateway->snapshot == NULL)
        gateway->descriptors_own = descriptors_open(); /* nothing comes in yet */
    for (unsigned j = 0; j < gateway->n_lanes; j++) {
        installs[j]->snapshot = snapshot_ref(snapshot);
        loop_post(gateway->loops[j], &installs[j]->task);
    }
    free(installs);
    snapshot_unref(&gateway->snapshot);
    gateway->snapshot = snapshot;
    atomic_store(&gateway->gate.sessions_most,
                 descriptors_for_sessions(snapshot->config, gateway->descriptors_own));
    warm_providers(gateway);
    return RESULT_OK;
}

static void print_problem(void *arg, const char *file, int line, const char *message)
{
    (void)arg;
    fprintf(stderr, "%s:%d: %s\n", file, line, message);
}

enum result gateway_load_config(const char *file, struct config **config_out, struct error *err)
{
    return config_load(file, print_problem, NULL, config_out, err);
}

/* What only a restart can change, because running sessions and open files depend on it. */
static enum result check_fixed(const struct config *now, const struct config *next,
                               struct error *err)
{
    const struct {
        const char *key;
        const char *before;
        const char *after;
    } fixed[] = {
        {"state_dir", now->state_dir, next->state_dir},
        {"registry", now->registry, next->registry},
        {"recipient_key_file", now->recipient_key_file, next->recipient_key_file},
        {"journal_key_file", now->journal_key_file, next->journal_key_file},
    };
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (strcmp(fixed[i].before, fixed[i].after) != 0)
            return error_set(err, RESULT_BAD_INPUT, "%s can only be changed by a restart",
                             fixed[i].key);
    return RESULT_OK;
}

void gateway_reload(struct gateway *gateway)
{
    struct config *config = NULL;
    struct error err;
    enum result result = gateway_load_config(gateway->config_file, &config, &err);
    if (result == RESULT_OK) {
        result = check_fixed(gateway->snapshot->config, config, &err);
        if (result == RESULT_OK)
            result = gateway_install(gateway, config, &err);
        else
            config_unref(&config);
    }
    if (result == RESULT_OK) {
        gateway->reload_error[0] = '\0';
        log_event(LOG_LEVEL_INFO, "reloaded", LOG_TEXT("file", gateway->config_file),
                  LOG_TEXT("version", gateway->snapshot->config->version));
    } else {
        str_copy(gateway->reload_error, sizeof(gateway->reload_error), err.text);
        log_event(LOG_LEVEL_ERROR, "not reloaded, the configuration in force stays",
                  LOG_TEXT("file", gateway->config_file), LOG_TEXT("reason", err.text));
    }
}
