/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/snapshot.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct counted_snapshot {
    struct snapshot public; /* first, so that both pointers are the same */
    _Atomic unsigned references;
};

static struct provider *reusable(const struct snapshot *previous,
                                 const struct provider_config *config)
{
    if (previous == NULL)
        return NULL;
    for (size_t i = 0; i < previous->config->n_providers; i++) {
        struct provider *provider = previous->providers[i];
        if (provider != NULL && strcmp(provider_name(provider), config->name) == 0 &&
            strcmp(provider_digest(provider), config->digest) == 0)
            return provider_ref(provider);
    }
    return NULL;
}

static enum result make_providers(struct snapshot *snapshot, const struct snapshot *previous,
                                  struct loop *const *loops, unsigned n_loops, struct error *err)
{
    struct config *config = snapshot->config;
    snapshot->providers = calloc(config->n_providers + 1, sizeof(struct provider *));
    if (snapshot->providers == NULL)
        return error_no_memory(err);
    for (size_t i = 0; i < config->n_providers; i++) {
        snapshot->providers[i] = reusable(previous, &config->providers[i]);
        if (snapshot->providers[i] != NULL)
            continue;
        enum result result = provider_new(&config->providers[i], config, loops, n_loops,
                                          &snapshot->providers[i], err);
        if (result != RESULT_OK) {
            error_prefix(err, "provider %s", config->providers[i].name);
            return result;
        }
    }
    return RESULT_OK;
}

static enum result make_tls(struct snapshot *snapshot, struct error *err)
{
    const struct config *config = snapshot->config;
    snapshot->tls = calloc(config->n_listeners + 1, sizeof(SSL_CTX *));
    if (snapshot->tls == NULL)
        return error_no_memory(err);
    bool ask_certificate = false;
    for (size_t i = 0; i < config->n_accounts; i++)
        ask_certificate |= config->accounts[i].certificate_sha256 != NULL;
    for (size_t i = 0; i < config->n_listeners; i++) {
        const struct listener_config *listener = &config->listeners[i];
        if (listener->tls == TLS_NONE)
            continue;
        enum result result = tls_server_context(listener->certificate_file, listener->key_file,
                                                ask_certificate, &snapshot->tls[i], err);
        if (result != RESULT_OK) {
            error_prefix(err, "listener %s", listener->name);
            return result;
        }
    }
    return RESULT_OK;
}

enum result snapshot_new(struct config *config, const struct snapshot *previous,
                         struct loop *const *loops, unsigned n_loops,
                         struct snapshot **snapshot_out, struct error *err)
{
    struct counted_snapshot *counted = calloc(1, sizeof(*counted));
    if (counted == NULL) {
        config_unref(&config);
        return error_no_memory(err);
    }
    atomic_init(&counted->references, 1);
    struct snapshot *snapshot = &counted->public;
    snapshot->config = config;
    snapshot->loaded_at = clock_now();
    enum result result = make_tls(snapshot, err);
    if (result == RESULT_OK)
        result = make_providers(snapshot, previous, loops, n_loops, err);
    if (result != RESULT_OK) {
        snapshot_unref(&snapshot);
        return result;
    }
    *snapshot_out = snapshot;
    return RESULT_OK;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    atomic_fetch_add(&((struct counted_snapshot *)snapshot)->references, 1);
    return snapshot;
}

void snapshot_unref(struct snapshot **snapshot_pointer)
{
    struct snapshot *snapshot = *snapshot_pointer;
    *snapshot_pointer = NULL;
    if (snapshot == NULL ||
        atomic_fetch_sub(&((struct counted_snapshot *)snapshot)->references, 1) != 1)
        return;
    for (size_t i = 0; snapshot->providers != NULL && i < snapshot->config->n_providers; i++)
        provider_unref(&snapshot->providers[i]);
    for (size_t i = 0; snapshot->tls != NULL && i < snapshot->config->n_listeners; i++)
        SSL_CTX_free(snapshot->tls[i]);
    free(snapshot->providers);
    free(snapshot->tls);
    config_unref(&snapshot->config);
    free(snapshot);
}

struct provider *snapshot_provider(const struct snapshot *snapshot,
                                   const struct provider_config *config)
{
    return snapshot->providers[config - snapshot->config->providers];
}

static void narrow(struct capabilities *all, const struct provider *provider)
{
    struct capabilities one;
    provider_capabilities(provider, &one);
    all->bits &= one.bits;
    if (one.max_size > 0 && (all->max_size == 0 || one.max_size < all->max_size))
        all->max_size = one.max_size;
}

struct capabilities snapshot_stream_capabilities(const struct snapshot *snapshot,
                                                 const struct stream_config *stream)
{
    struct capabilities all = {.bits = ~0u};
    for (size_t i = 0; i < stream->n_providers; i++)
        narrow(&all, snapshot_provider(snapshot, stream->providers[i]));
    return all;
}

struct capabilities snapshot_capabilities(const struct snapshot *snapshot)
{
    struct capabilities all = {.bits = ~0u};
    const struct config *config = snapshot->config;
    for (size_t i = 0; i < config->n_streams; i++)
        for (size_t j = 0; config->streams[i].terms.channel == CHANNEL_EMAIL &&
                           j < config->streams[i].n_providers;
             j++)
            narrow(&all, snapshot_provider(snapshot, config->streams[i].providers[j]));
    return all;
}
