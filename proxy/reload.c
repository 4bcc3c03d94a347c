/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration becomes what the gateway serves: at the start, and again with each SIGHUP. All
 * that can fail happens first, on the main thread; then each lane swaps its snapshot and its doors
 * by mailbox. Sessions of SMTP that run keep what they started with; those of SMPP, which last for
 * weeks, go on under the new one (smpp/bind.c).
 */
#include "proxy/internal.h"
#include "proxy/smpp/server.h"
#include "proxy/sms/inbound.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "proxy/descriptors.h"
#include "proxy/metrics/metrics.h"
#include "proxy/notices/notices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- on each lane ---- */

struct new_door {
    struct new_door *next;
    struct entrance *entrance;
    int fd; /* owned */
};

struct install {
    struct loop_task task;
    struct lane_slot *slot;
    struct snapshot *snapshot; /* owned reference */
    struct new_door *openings; /* owned */
};

static bool is_gone(const struct entrance *entrance, const void *config)
{
    return config_listener(config, entrance->bind) == NULL;
}

static void run_install(struct loop_task *task)
{
    struct install *install = (struct install *)task;
    struct lane *lane = &install->slot->lane;
    if (lane->snapshot != NULL)
        doors_retire(lane, lane->snapshot, is_gone, install->snapshot->config);
    snapshot_unref(&lane->snapshot);
    lane->snapshot = install->snapshot;
    smpp_adopt_all(lane);
    while (install->openings != NULL) {
        struct new_door *opening = install->openings;
        install->openings = opening->next;
        if (!door_open(lane, opening->entrance, opening->fd))
            log_event(LOG_LEVEL_ERROR, "out of memory, a listener has a loop less",
                      LOG_TEXT("bind", opening->entrance->bind));
        free(opening);
    }
    free(install);
}

/* ---- on the main thread ---- */

struct plan {
    struct snapshot *snapshot; /* owned reference */
    size_t inlets_before;      /* those from here on are new */
    struct install *installs[];
};

static struct entrance *find_entrance(const struct gateway *gateway, const char *bind_text)
{
    for (size_t i = 0; i < gateway->n_entrances; i++)
        if (strcmp(gateway->entrances[i]->bind, bind_text) == 0)
            return gateway->entrances[i];
    return NULL;
}

bool gateway_holds_elsewhere(const struct gateway *gateway, const char *bind_text)
{
    const struct entrance *entrance = find_entrance(gateway, bind_text);
    return entrance != NULL && atomic_load(&entrance->held_elsewhere);
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
    entrance->next = atomic_load(&gateway->gate.entrances);
    atomic_store(&gateway->gate.entrances, entrance);
    *entrance_out = entrance;
    return RESULT_OK;
}

/* One socket a lane. Those that were inherited are all there are until we serve: the kernel would
 * put connections into one beside them at once, and if we do not come to serve they are cut. */
static enum result bind_sockets(struct gateway *gateway, const struct listener_config *listener,
                                struct error *err)
{
    enum result result = RESULT_OK;
    if (inlets_count(&gateway->inlets, listener->bind) > 0)
        return RESULT_OK;
    for (unsigned i = 0; i < gateway->n_lanes && result == RESULT_OK; i++) {
        int fd;
        result = listen_open(listener, &fd, err);
        if (result == RESULT_OK)
            result = inlets_add(&gateway->inlets, listener->bind, fd, false, err);
    }
    return result;
}

static enum result add_opening(struct install *install, struct entrance *entrance, int fd,
                               struct error *err)
{
    struct new_door *opening = calloc(1, sizeof(*opening));
    if (opening == NULL)
        return error_no_memory(err);
    opening->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (opening->fd < 0) {
        free(opening);
        return error_errno(err, RESULT_SYSTEM, errno, "cannot listen on %s", entrance->bind);
    }
    opening->entrance = entrance;
    /* new_plan has filled the whole list.
     * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    opening->next = install->openings;
    install->openings = opening;
    return RESULT_OK;
}

/* Every socket has a lane, and every lane a socket, whichever are more. */
static enum result spread(struct gateway *gateway, struct plan *plan, struct entrance *entrance,
                          struct error *err)
{
    size_t n = inlets_count(&gateway->inlets, entrance->bind);
    enum result result = RESULT_OK;
    for (size_t i = 0; (i < n || i < gateway->n_lanes) && result == RESULT_OK; i++)
        result = add_opening(plan->installs[i % gateway->n_lanes], entrance,
                             inlets_nth(&gateway->inlets, entrance->bind, i)->fd, err);
    return result;
}

static enum result open_sockets(struct gateway *gateway, const struct config *config,
                                struct plan *plan, struct error *err)
{
    enum result result = RESULT_OK;
    for (size_t i = 0; i < config->n_listeners && result == RESULT_OK; i++) {
        struct entrance *entrance;
        result = add_entrance(gateway, config->listeners[i].bind, &entrance, err);
        if (result != RESULT_OK || entrance->open)
            continue;
        result = bind_sockets(gateway, &config->listeners[i], err);
        if (result == RESULT_OK)
            result = spread(gateway, plan, entrance, err);
    }
    return result;
}

static void free_install(struct install *install)
{
    while (install != NULL && install->openings != NULL) {
        struct new_door *opening = install->openings;
        install->openings = opening->next;
        close(opening->fd);
        free(opening);
    }
    free(install);
}

void gateway_forget(struct gateway *gateway, struct plan **plan_pointer)
{
    struct plan *plan = *plan_pointer;
    if (plan == NULL)
        return;
    for (unsigned i = 0; i < gateway->n_lanes; i++)
        free_install(plan->installs[i]);
    inlets_cut(&gateway->inlets, plan->inlets_before);
    snapshot_unref(&plan->snapshot);
    free(plan);
    *plan_pointer = NULL;
}

static struct plan *new_plan(struct gateway *gateway)
{
    struct plan *plan = calloc(1, sizeof(*plan) + gateway->n_lanes * sizeof(struct install *));
    if (plan == NULL)
        return NULL;
    plan->inlets_before = gateway->inlets.n;
    for (unsigned i = 0; i < gateway->n_lanes; i++) {
        plan->installs[i] = calloc(1, sizeof(*plan->installs[i]));
        if (plan->installs[i] == NULL) {
            gateway_forget(gateway, &plan);
            return NULL;
        }
        plan->installs[i]->task.run = run_install;
        plan->installs[i]->slot = &gateway->lanes[i];
    }
    return plan;
}

/* Sockets of addresses no longer listened on. Lanes that accept from them go on until nobody waits
 * there; somebody else's are left as they are. */
static void drop_unlisted(struct gateway *gateway, const struct config *config)
{
    for (size_t i = gateway->inlets.n; i-- > 0;) {
        const struct inlet *inlet = &gateway->inlets.list[i];
        if (config_listener(config, inlet->bind) != NULL)
            continue;
        struct entrance *entrance = find_entrance(gateway, inlet->bind);
        if (entrance != NULL && entrance->open && !inlet->lent)
            listen_shut(inlet->fd);
    }
    for (size_t i = gateway->inlets.n; i-- > 0;) {
        char bind_text[INLET_BIND];
        str_copy(bind_text, sizeof(bind_text), gateway->inlets.list[i].bind);
        if (config_listener(config, bind_text) != NULL)
            continue;
        inlets_drop(&gateway->inlets, bind_text);
        i = gateway->inlets.n;
    }
    for (size_t i = 0; i < gateway->n_entrances; i++)
        gateway->entrances[i]->open = config_listener(config, gateway->entrances[i]->bind) != NULL;
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

enum result gateway_plan(struct gateway *gateway, struct config *config, struct plan **plan_out,
                         struct error *err)
{
    /* At the start: what the one before listened on and we do not is not taken over. */
    if (gateway->snapshot == NULL)
        drop_unlisted(gateway, config);
    struct plan *plan = new_plan(gateway);
    if (plan == NULL)
        return error_no_memory(err);
    enum result result = open_sockets(gateway, config, plan, err);
    if (result == RESULT_OK)
        result = snapshot_new(config_ref(config), gateway->snapshot, gateway->loops,
                              gateway->n_lanes, &plan->snapshot, err);
    if (result != RESULT_OK)
        gateway_forget(gateway, &plan);
    *plan_out = plan;
    return result;
}

static bool has(const struct snapshot *snapshot, const struct provider *provider)
{
    for (size_t i = 0; snapshot != NULL && i < snapshot->config->n_providers; i++)
        if (snapshot->providers[i] == provider)
            return true;
    return false;
}

/* Where what comes back goes: said to the providers that previous (NULL at the start) did not have,
 * before any loop runs them. */
static void listen_to_providers(const struct snapshot *snapshot, const struct snapshot *previous,
                                const struct sms_sink *sink)
{
    for (size_t i = 0; i < snapshot->config->n_providers; i++)
        if (!has(previous, snapshot->providers[i]))
            provider_set_sink(snapshot->providers[i], sink);
}

void gateway_follow(struct gateway *gateway, struct plan **plan_pointer)
{
    struct plan *plan = *plan_pointer;
    drop_unlisted(gateway, plan->snapshot->config);
    listen_to_providers(plan->snapshot, gateway->snapshot, inbox_sink(gateway->inbox));
    for (size_t i = 0; i < gateway->inlets.n; i++) {
        const struct inlet *inlet = &gateway->inlets.list[i];
        struct entrance *entrance = find_entrance(gateway, inlet->bind);
        if (entrance != NULL)
            atomic_store(&entrance->held_elsewhere, inlet->lent);
        /* Who had it before may have shut it, being told to end while it handed over. */
        if (gateway->snapshot == NULL && !inlet->lent)
            listen_unshut(inlet->fd);
    }
    if (gateway->snapshot == NULL)
        gateway->descriptors_own = descriptors_open(); /* nothing comes in yet */
    for (unsigned i = 0; i < gateway->n_lanes; i++) {
        plan->installs[i]->snapshot = snapshot_ref(plan->snapshot);
        loop_post(gateway->loops[i], &plan->installs[i]->task);
    }
    post_follow(gateway->post, plan->snapshot);
    snapshot_unref(&gateway->snapshot);
    gateway->snapshot = plan->snapshot;
    notices_follow(gateway->notices, gateway->snapshot->config);
    free(plan);
    *plan_pointer = NULL;
    atomic_store(&gateway->gate.sessions_most,
                 descriptors_for_sessions(gateway->snapshot->config, gateway->descriptors_own));
    warm_providers(gateway);
}

struct widening {
    struct loop_task task;
    struct lane *lane;
    struct entrance *entrance;
    int fd; /* owned */
};

static void run_widening(struct loop_task *task)
{
    struct widening *widening = (struct widening *)task;
    if (widening->lane->draining)
        close(widening->fd);
    else
        (void)door_open(widening->lane, widening->entrance, widening->fd);
    free(widening);
}

/* False: the lanes share what there is, which serves as well, if less evenly. */
static bool widen(struct gateway *gateway, const struct listener_config *listener, unsigned lane)
{
    int fd;
    struct widening *widening = calloc(1, sizeof(*widening));
    if (widening == NULL || listen_open(listener, &fd, NULL) != RESULT_OK) {
        free(widening);
        return false;
    }
    /* Never a socket without a door: who is put there would wait for ever. */
    widening->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (widening->fd < 0) {
        close(fd);
        free(widening);
        return false;
    }
    if (inlets_add(&gateway->inlets, listener->bind, fd, false, NULL) != RESULT_OK) {
        close(widening->fd);
        free(widening);
        return false;
    }
    widening->task.run = run_widening;
    widening->lane = &gateway->lanes[lane].lane;
    widening->entrance = find_entrance(gateway, listener->bind);
    loop_post(gateway->loops[lane], &widening->task);
    return true;
}

void gateway_widen(struct gateway *gateway)
{
    const struct config *config = gateway->snapshot->config;
    for (size_t i = 0; i < config->n_listeners; i++) {
        const char *bind_text = config->listeners[i].bind;
        const struct inlet *first = inlets_nth(&gateway->inlets, bind_text, 0);
        if (first == NULL || first->lent)
            continue; /* what waits in a socket of ours would end with us; in a lent one it stays */
        size_t n = inlets_count(&gateway->inlets, bind_text);
        while (n < gateway->n_lanes && widen(gateway, &config->listeners[i], (unsigned)n))
            n++;
    }
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
        {"seal_key_file", now->seal_key_file, next->seal_key_file},
    };
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (strcmp(fixed[i].before, fixed[i].after) != 0)
            return error_set(err, RESULT_BAD_INPUT, "%s can only be changed by a restart",
                             fixed[i].key);
    /* A socket serves one protocol as long as it is open. */
    for (size_t i = 0; i < now->n_listeners; i++)
        for (size_t j = 0; j < next->n_listeners; j++)
            if (strcmp(now->listeners[i].bind, next->listeners[j].bind) == 0 &&
                now->listeners[i].protocol != next->listeners[j].protocol)
                return error_set(err, RESULT_BAD_INPUT,
                                 "the protocol on %s can only be changed by a restart",
                                 now->listeners[i].bind);
    return RESULT_OK;
}

enum result gateway_load_seal(const struct config *config, struct seal **seal_out,
                              struct error *err)
{
    char key[256];
    enum result result = seal_load(config->seal_key_file, seal_out, err);
    if (result != RESULT_NOT_FOUND)
        return result;
    if (!config_needs_seal(config, key, sizeof(key)))
        return RESULT_OK;
    return error_set(err, result, "%s does not exist, and %s needs it: octroi key add makes it",
                     config->seal_key_file, key);
}

/* A key that was added, or taken away, counts from now on. The first one of all waits for a
 * restart: who works with a seal was given it when the gateway began. */
static enum result load_seal_again(struct gateway *gateway, const struct config *config,
                                   struct seal **seal_out, struct error *err)
{
    char key[256];
    if (gateway->seal != NULL)
        return seal_load(config->seal_key_file, seal_out, err);
    return config_needs_seal(config, key, sizeof(key))
               ? error_set(err, RESULT_BAD_INPUT,
                           "%s needs %s, which was not there when the gateway began: restart it",
                           key, config->seal_key_file)
               : RESULT_OK;
}

void gateway_reload(struct gateway *gateway)
{
    struct config *config = NULL;
    struct error err;
    enum result result = gateway_load_config(gateway->config_file, &config, &err);
    if (result == RESULT_OK) {
        result = check_fixed(gateway->snapshot->config, config, &err);
        struct plan *plan = NULL;
        struct seal *seal = NULL;
        if (result == RESULT_OK)
            result = load_seal_again(gateway, config, &seal, &err);
        if (result == RESULT_OK)
            result = gateway_plan(gateway, config, &plan, &err);
        if (result == RESULT_OK && strcmp(gateway->snapshot->config->sha256, config->sha256) != 0)
            result = gateway_note_configuration(gateway, config, "reload", &err);
        if (result == RESULT_OK && seal != NULL)
            seal_adopt(gateway->seal, &seal);
        if (result == RESULT_OK)
            gateway_follow(gateway, &plan);
        seal_free(&seal);
        gateway_forget(gateway, &plan);
        config_unref(&config);
    }
    metrics_note_reload(gateway->metrics, result == RESULT_OK, clock_now());
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
