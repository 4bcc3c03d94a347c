/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider: one a configured provider, counted and shared by all loops. It owns what the loops
 * share (totals, capabilities, the TLS context, the helper threads) under one lock that is held for
 * a few instructions only, and one port a loop, which only that loop touches. It never waits for a
 * loop: closing is posted to each, and the last one to close frees the rest.
 */
#include "adapters/internal.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A provider that refused connections is asked for one more so often: it refuses one attempt a
 * pause at most. */
#define LIMIT_PAUSE   (30 * CLOCK_SECOND)
#define CONTENT_STALL (180 * INT64_C(1000000)) /* RFC 5321, 4.5.3.2.5: three minutes a block */

static void endpoint_of(const struct provider_config *config, char out[320])
{
    snprintf(out, 320, "%s:%u", config->host != NULL ? config->host : "", config->port);
}

/* All that is not a loop's. */
static void provider_free(struct provider *provider)
{
    if (provider->ops->helpers_touch_it)
        workers_free(&provider->helpers);
    else
        workers_leave(&provider->helpers);
    if (provider->ops->stop != NULL)
        provider->ops->stop(provider);
    SSL_CTX_free(provider->tls);
    capability_file_unref(&provider->file);
    pthread_mutex_destroy(&provider->lock);
    if (provider->owner != NULL)
        config_unref(&provider->owner);
    free(provider);
}

static void run_close(struct loop_task *task)
{
    struct provider_port *port = CONTAINER_OF(task, struct provider_port, close);
    port->provider->ops->port_close(port);
}

static char *path_of(const struct provider_config *config, const char *state_dir)
{
    struct strbuf path = {0};
    strbuf_add_format(&path, "%s/providers/%s.json", state_dir, config->name);
    return strbuf_take(&path);
}

/* No provider runs without its file's folder, so that a wrong state_dir is seen at the start. */
static enum result open_capabilities(struct provider *provider, struct error *err)
{
    const char *state_dir = provider->owner != NULL ? provider->owner->state_dir : NULL;
    if (state_dir == NULL)
        return RESULT_OK;
    char *folder = file_join(state_dir, "providers");
    enum result result =
        folder == NULL ? error_no_memory(err) : file_make_folder(folder, 0750, err);
    free(folder);
    if (result != RESULT_OK)
        return result;
    char *path = path_of(provider->config, state_dir);
    if (path == NULL)
        return error_no_memory(err);
    char endpoint[320];
    struct error problem;
    endpoint_of(provider->config, endpoint);
    if (capabilities_load(path, endpoint, &provider->state.capabilities, &problem) ==
        RESULT_DAMAGED)
        log_event(LOG_LEVEL_WARN, "capabilities forgotten",
                  LOG_TEXT("provider", provider->config->name), LOG_TEXT("error", problem.text));
    provider->file = capability_file_new(path, endpoint);
    return provider->file != NULL ? RESULT_OK : error_no_memory(err);
}

void provider_remembered(const struct provider_config *config, const char *state_dir,
                         struct capabilities *out)
{
    char endpoint[320];
    struct error problem;
    char *path = path_of(config, state_dir);
    *out = (struct capabilities){0};
    endpoint_of(config, endpoint);
    if (path != NULL)
        (void)capabilities_load(path, endpoint, out, &problem);
    free(path);
}

static enum result make_ports(struct provider *provider, struct loop *const *loops,
                              struct error *err)
{
    for (unsigned i = 0; i < provider->n_ports; i++) {
        struct provider_port *port = provider->ops->port_new();
        if (port == NULL)
            return error_no_memory(err);
        port->provider = provider;
        port->loop = loops[i];
        port->close.run = run_close;
        provider->ports[loop_index(loops[i])] = port;
    }
    return RESULT_OK;
}

static const struct adapter_ops *ops_of(const struct provider_config *config)
{
    static const struct adapter_ops *const adapters[] = {[ADAPTER_SMTP] = &smtp_ops,
                                                         [ADAPTER_ESMTP] = &esmtp_ops,
                                                         [ADAPTER_CAPTURE] = &capture_ops,
                                                         [ADAPTER_SMPP] = &smpp_ops,
                                                         [ADAPTER_HTTP] = &http_ops};
    return adapters[config->adapter];
}

enum result provider_check(const struct provider_config *config, const char *public_url,
                           config_problem_fn *on_problem, void *arg, struct error *err)
{
    const struct adapter_ops *ops = ops_of(config);
    return ops->check != NULL ? ops->check(config, public_url, on_problem, arg, err) : RESULT_OK;
}

/* keep: what it offers is kept over restarts; else it is made for a test only. */
static enum result make(const struct provider_config *config, struct config *owner, bool keep,
                        struct loop *const *loops, unsigned n_loops, struct provider **provider_out,
                        struct error *err)
{
    for (unsigned i = 0; i < n_loops; i++)
        if (loop_index(loops[i]) >= n_loops)
            return error_set(err, RESULT_BAD_INPUT, "the loops are not numbered from 0");
    struct provider *provider =
        calloc(1, sizeof(*provider) + n_loops * sizeof(struct provider_port *));
    if (provider == NULL)
        return error_no_memory(err);
    /* What speaks SMTP by a library is tested by the one client that can say how it went. */
    provider->ops = !keep && config->adapter == ADAPTER_ESMTP ? &smtp_ops : ops_of(config);
    provider->config = config;
    provider->owner = config_ref(owner);
    provider->content_stall = CONTENT_STALL;
    provider->n_ports = n_loops;
    provider->limit_pause = LIMIT_PAUSE;
    provider->state.limit = config->connections;
    pthread_mutex_init(&provider->lock, NULL);
    atomic_init(&provider->refs, 1);
    atomic_init(&provider->open_ports, n_loops);

    enum result result = keep ? open_capabilities(provider, err) : RESULT_OK;
    if (result == RESULT_OK)
        result = provider->ops->start(provider, err);
    if (result == RESULT_OK)
        result = make_ports(provider, loops, err);
    if (result != RESULT_OK) {
        /* No port has done anything yet: they are plain memory. */
        for (unsigned i = 0; i < n_loops; i++)
            free(provider->ports[i]);
        provider_free(provider);
        return result;
    }
    *provider_out = provider;
    return RESULT_OK;
}

enum result provider_new(const struct provider_config *config, struct config *owner,
                         struct loop *const *loops, unsigned n_loops,
                         struct provider **provider_out, struct error *err)
{
    return make(config, owner, true, loops, n_loops, provider_out, err);
}

enum result provider_new_for_test(const struct provider_config *config, struct config *owner,
                                  struct loop *loop, struct provider **provider_out,
                                  struct error *err)
{
    return make(config, owner, false, &loop, 1, provider_out, err);
}

struct provider *provider_ref(struct provider *provider)
{
    atomic_fetch_add(&provider->refs, 1);
    return provider;
}

void provider_unref(struct provider **provider_pointer)
{
    struct provider *provider = *provider_pointer;
    *provider_pointer = NULL;
    if (provider == NULL || atomic_fetch_sub(&provider->refs, 1) != 1)
        return;
    /* The last port to close frees the provider, perhaps while this runs. */
    unsigned n_ports = provider->n_ports;
    if (n_ports == 0)
        provider_free(provider);
    for (unsigned i = 0; i < n_ports; i++) {
        struct provider_port *port = provider->ports[i];
        loop_post(port->loop, &port->close);
    }
}

void provider_port_gone(struct provider *provider)
{
    if (atomic_fetch_sub(&provider->open_ports, 1) == 1)
        provider_free(provider);
}

const char *provider_name(const struct provider *provider)
{
    return provider->config->name;
}

const char *provider_digest(const struct provider *provider)
{
    return provider->config->digest;
}

unsigned provider_max_recipients(const struct provider *provider)
{
    return provider->ops->max_recipients;
}

/* The lock is no part of what const promises. */
static pthread_mutex_t *lock_of(const struct provider *provider)
{
    return &((struct provider *)provider)->lock;
}

void provider_capabilities(const struct provider *provider, struct capabilities *out)
{
    pthread_mutex_lock(lock_of(provider));
    *out = provider->state.capabilities;
    pthread_mutex_unlock(lock_of(provider));
}

void provider_state(const struct provider *provider, struct provider_state *out)
{
    int64_t now = clock_now(), tick = clock_monotonic();
    pthread_mutex_lock(lock_of(provider));
    const struct breaker *breaker = &provider->breaker;
    *out = provider->state;
    out->breaker = breaker_state_name(breaker->state);
    out->attempts_failed = breaker->unconnected + breaker->unanswered;
    out->retry_at = breaker->state == BREAKER_OPEN ? now + (breaker->retry_at - tick) : 0;
    pthread_mutex_unlock(lock_of(provider));
}

void provider_count(struct provider *provider, enum outcome outcome)
{
    pthread_mutex_lock(&provider->lock);
    switch (outcome) {
    case OUTCOME_ACCEPTED:
        provider->state.accepted++;
        provider->state.last_error[0] = '\0';
        break;
    case OUTCOME_REFUSED:
        provider->state.refused++;
        break;
    default:
        provider->state.unknown++;
        break;
    }
    pthread_mutex_unlock(&provider->lock);
}

void provider_note_answer(struct provider *provider, enum outcome outcome, int64_t since)
{
    if (since != 0 && (outcome == OUTCOME_ACCEPTED || outcome == OUTCOME_REFUSED))
        histogram_add(&provider->answers, clock_monotonic() - since);
}

void provider_answer_times(const struct provider *provider, struct histogram_reading *times_out)
{
    histogram_read(&provider->answers, times_out);
}

bool provider_submit(struct provider *provider, struct worker_job *job)
{
    return provider->helpers != NULL && workers_submit(provider->helpers, job);
}

/* Touches nothing of the provider, which may go meanwhile. */
struct save_job {
    struct worker_job job;
    struct capability_file *file; /* owned: one reference */
};

static void save_discard(struct worker_job *job)
{
    struct save_job *save = (struct save_job *)job;
    capability_file_unref(&save->file);
    free(save);
}

static void save_work(struct worker_job *job)
{
    capability_file_write(((struct save_job *)job)->file);
}

void provider_learned(struct provider *provider, struct loop *loop,
                      const struct capabilities *capabilities)
{
    (void)loop; /* nobody waits for the file */
    pthread_mutex_lock(&provider->lock);
    struct capabilities *known = &provider->state.capabilities;
    bool changed = known->bits != capabilities->bits || known->max_size != capabilities->max_size;
    *known = *capabilities;
    provider->state.last_error[0] = '\0';
    pthread_mutex_unlock(&provider->lock);
    if (!changed || provider->file == NULL)
        return;
    capability_file_set(provider->file, capabilities);
    struct save_job *save = calloc(1, sizeof(*save));
    if (save != NULL) {
        save->job.work = save_work;
        save->job.discard = save_discard;
        save->file = capability_file_ref(provider->file);
    }
    if (save == NULL || !provider_submit(provider, &save->job)) {
        if (save != NULL)
            save_discard(&save->job);
        log_event(LOG_LEVEL_WARN, "capabilities not kept",
                  LOG_TEXT("provider", provider->config->name),
                  LOG_TEXT("error", "no helper for it"));
    }
}
