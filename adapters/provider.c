/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider: one a configured provider, counted and shared by all loops. It owns what the loops
 * share (totals, capabilities, the TLS context, the helper threads) under one lock that is held for
 * a few instructions only, and one port a loop, which only that loop touches. It never waits for a
 * loop: closing is posted to each, and the last one to close frees the rest.
 */
#include "adapters/internal.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "store/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTENT_STALL (180 * INT64_C(1000000)) /* RFC 5321, 4.5.3.2.5: three minutes a block */

static void endpoint_of(const struct provider *provider, char out[320])
{
    const char *host = provider->config->host;
    snprintf(out, 320, "%s:%u", host != NULL ? host : "", provider->config->port);
}

/* All that is not a loop's. */
static void provider_free(struct provider *provider)
{
    workers_free(&provider->helpers);
    SSL_CTX_free(provider->tls);
    free(provider->capabilities_file);
    pthread_mutex_destroy(&provider->lock);
    pthread_mutex_destroy(&provider->save_lock);
    if (provider->owner != NULL)
        config_unref(&provider->owner);
    free(provider);
}

static void run_close(struct loop_task *task)
{
    struct provider_port *port = CONTAINER_OF(task, struct provider_port, close);
    port->provider->ops->port_close(port);
}

/* No provider runs without its file's folder, so that a wrong state_dir is seen at the start. */
static enum result open_capabilities(struct provider *provider, struct error *err)
{
    if (provider->owner == NULL || provider->owner->state_dir == NULL)
        return RESULT_OK;
    char *folder = file_join(provider->owner->state_dir, "providers");
    struct strbuf path = {0};
    enum result result = folder == NULL ? error_no_memory(err) : RESULT_OK;
    if (result == RESULT_OK)
        result = file_make_folder(folder, 0750, err);
    if (result == RESULT_OK) {
        strbuf_add_format(&path, "%s/%s.json", folder, provider->config->name);
        provider->capabilities_file = strbuf_take(&path);
        if (provider->capabilities_file == NULL)
            result = error_no_memory(err);
    }
    strbuf_free(&path);
    free(folder);
    if (result != RESULT_OK)
        return result;

    char endpoint[320];
    struct error problem;
    endpoint_of(provider, endpoint);
    if (capabilities_load(provider->capabilities_file, endpoint, &provider->state.capabilities,
                          &problem) == RESULT_DAMAGED)
        log_event(LOG_LEVEL_WARN, "capabilities forgotten",
                  LOG_TEXT("provider", provider->config->name), LOG_TEXT("error", problem.text));
    return RESULT_OK;
}

enum result provider_new(const struct provider_config *config, struct config *owner,
                         struct loop *const *loops, unsigned n_loops,
                         struct provider **provider_out, struct error *err)
{
    for (unsigned i = 0; i < n_loops; i++)
        if (loop_index(loops[i]) >= n_loops)
            return error_set(err, RESULT_BAD_INPUT, "the loops are not numbered from 0");
    struct provider *provider =
        calloc(1, sizeof(*provider) + n_loops * sizeof(struct provider_port *));
    if (provider == NULL)
        return error_no_memory(err);
    provider->ops = config->adapter == ADAPTER_CAPTURE ? &capture_ops : &smtp_ops;
    provider->config = config;
    provider->owner = config_ref(owner);
    provider->content_stall = CONTENT_STALL;
    provider->n_ports = n_loops;
    pthread_mutex_init(&provider->lock, NULL);
    pthread_mutex_init(&provider->save_lock, NULL);
    atomic_init(&provider->refs, 1);
    atomic_init(&provider->open_ports, n_loops);
    atomic_init(&provider->closing, false);

    enum result result = open_capabilities(provider, err);
    if (result == RESULT_OK)
        result = provider->ops->start(provider, err);
    for (unsigned i = 0; i < n_loops && result == RESULT_OK; i++) {
        struct provider_port *port = provider->ops->port_new();
        if (port == NULL) {
            result = error_no_memory(err);
            break;
        }
        port->provider = provider;
        port->loop = loops[i];
        port->close.run = run_close;
        provider->ports[loop_index(loops[i])] = port;
    }
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
    /* The helpers' answers must be in the mailboxes before the ports close. A helper that sits in
     * a name lookup is waited for; those still queued see `closing` and do nothing. */
    atomic_store(&provider->closing, true);
    pthread_mutex_lock(&provider->lock);
    struct workers *helpers = provider->helpers;
    provider->helpers = NULL;
    pthread_mutex_unlock(&provider->lock);
    workers_free(&helpers);
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
    pthread_mutex_lock(lock_of(provider));
    *out = provider->state;
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

void provider_attempt_failed(struct provider *provider, const struct error *why)
{
    pthread_mutex_lock(&provider->lock);
    /* A reply may repeat the recipient's address. */
    reply_scrub(why->text, provider->state.last_error, sizeof(provider->state.last_error));
    pthread_mutex_unlock(&provider->lock);
}

void provider_count_failed(struct provider *provider, const struct error *why)
{
    pthread_mutex_lock(&provider->lock);
    provider->state.failed++;
    /* A reply may repeat the recipient's address. */
    reply_scrub(why->text, provider->state.last_error, sizeof(provider->state.last_error));
    pthread_mutex_unlock(&provider->lock);
}

bool provider_submit(struct provider *provider, struct worker_job *job)
{
    pthread_mutex_lock(&provider->lock);
    bool taken = provider->helpers != NULL && workers_submit(provider->helpers, job);
    pthread_mutex_unlock(&provider->lock);
    return taken;
}

struct save_job {
    struct worker_job job;
    struct provider *provider; /* borrowed: its last unref waits for its helpers */
};

static void save_work(struct worker_job *job)
{
    struct provider *provider = ((struct save_job *)job)->provider;
    struct capabilities capabilities;
    struct error err;
    char endpoint[320];
    endpoint_of(provider, endpoint);
    pthread_mutex_lock(&provider->save_lock);
    provider_capabilities(provider, &capabilities);
    if (capabilities_save(provider->capabilities_file, endpoint, &capabilities, &err) != RESULT_OK)
        log_event(LOG_LEVEL_WARN, "capabilities not kept",
                  LOG_TEXT("provider", provider->config->name), LOG_TEXT("error", err.text));
    pthread_mutex_unlock(&provider->save_lock);
}

static void save_done(struct loop_task *task)
{
    free(CONTAINER_OF(task, struct save_job, job.task));
}

void provider_learned(struct provider *provider, struct loop *loop,
                      const struct capabilities *capabilities)
{
    pthread_mutex_lock(&provider->lock);
    struct capabilities *known = &provider->state.capabilities;
    bool changed = known->bits != capabilities->bits || known->max_size != capabilities->max_size;
    *known = *capabilities;
    provider->state.last_error[0] = '\0';
    pthread_mutex_unlock(&provider->lock);
    if (!changed || provider->capabilities_file == NULL)
        return;
    struct save_job *save = calloc(1, sizeof(*save));
    if (save != NULL) {
        save->job.work = save_work;
        save->job.task.run = save_done;
        save->job.home = loop;
        save->provider = provider;
    }
    if (save == NULL || !provider_submit(provider, &save->job)) {
        free(save);
        log_event(LOG_LEVEL_WARN, "capabilities not kept",
                  LOG_TEXT("provider", provider->config->name),
                  LOG_TEXT("error", "no helper for it"));
    }
}
