/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places under the cap on a provider's connections, shared by all loops under the provider's
 * lock, which is held for a few instructions. A place that becomes free is handed straight to a
 * waiter, of whatever loop, so that nobody can overtake it. A provider that turns a connection away
 * while there are others has shown how many it takes: the cap is lowered to that, and raised again
 * one by one. It knows of counts only; connections and waiters are pool.c's.
 */
#include "adapters/smtp/smtp.h"

#include "base/clock.h"
#include "base/log.h"

/* NULL: that loop has closed its port already. */
static struct smtp_port *port_at(const struct provider *provider, unsigned i)
{
    return (struct smtp_port *)provider->ports[i];
}

/* ---- the lock is held where a name ends in _locked ---- */

static unsigned unserved_locked(const struct smtp_port *port)
{
    return port->n_waiting > port->granted ? port->n_waiting - port->granted : 0;
}

static unsigned others_wait_locked(const struct smtp_port *port, bool *poorer_out)
{
    const struct provider *provider = port->base.provider;
    unsigned waiting = 0;
    *poorer_out = false;
    for (unsigned i = 0; i < provider->n_ports; i++) {
        const struct smtp_port *other = port_at(provider, i);
        if (other == port || other == NULL || unserved_locked(other) == 0)
            continue;
        waiting += unserved_locked(other);
        if (other->open == 0 || other->open + 1 < port->open)
            *poorer_out = true;
    }
    return waiting;
}

/* A limit that was lowered grows with the time, as somebody looks. */
static bool has_room_locked(struct provider *provider)
{
    struct provider_state *state = &provider->state;
    unsigned configured = provider->config->connections;
    if (state->limit < configured) {
        int64_t now = clock_monotonic();
        while (state->limit < configured && now >= provider->limit_grows_at) {
            state->limit++;
            provider->limit_grows_at += provider->limit_pause;
        }
    }
    return state->connections < state->limit;
}

/* Gives port a place that is free. */
static void grant_locked(struct smtp_port *port)
{
    port->base.provider->state.connections++;
    port->open++;
    port->granted++;
    if (!port->told) {
        port->told = true;
        loop_post(port->base.loop, &port->grant);
    }
}

/* Asks a loop that has idle connections to close one: its place will then come here. */
static void ask_others_locked(struct smtp_port *port)
{
    const struct provider *provider = port->base.provider;
    for (unsigned i = 0; i < provider->n_ports; i++) {
        struct smtp_port *other = port_at(provider, i);
        if (other == port || other == NULL || other->n_idle == 0 || other->asked)
            continue;
        other->asked = true;
        loop_post(other->base.loop, &other->ask);
        return;
    }
}

/* ---- what the pool calls ---- */

bool smtp_places_reserve(struct smtp_port *port)
{
    struct provider *provider = port->base.provider;
    pthread_mutex_lock(&provider->lock);
    bool free_place = has_room_locked(provider);
    if (free_place) {
        provider->state.connections++;
        port->open++;
    }
    pthread_mutex_unlock(&provider->lock);
    return free_place;
}

void smtp_places_release(struct smtp_port *port)
{
    struct provider *provider = port->base.provider;
    pthread_mutex_lock(&provider->lock);
    port->open--;
    provider->state.connections--;
    struct smtp_port *next = NULL;
    for (unsigned i = 0; i < provider->n_ports && next == NULL; i++) {
        struct smtp_port *other = port_at(provider, (provider->next_port + i) % provider->n_ports);
        if (other != NULL && unserved_locked(other) > 0)
            next = other;
    }
    if (next != NULL && has_room_locked(provider)) {
        provider->next_port = (loop_index(next->base.loop) + 1) % provider->n_ports;
        grant_locked(next);
    }
    pthread_mutex_unlock(&provider->lock);
}

void smtp_places_wait(struct smtp_port *port)
{
    struct provider *provider = port->base.provider;
    pthread_mutex_lock(&provider->lock);
    port->n_waiting++;
    /* A place may have become free since it was asked for. */
    if (has_room_locked(provider))
        grant_locked(port);
    else
        ask_others_locked(port);
    pthread_mutex_unlock(&provider->lock);
}

void smtp_places_wait_ends(struct smtp_port *port)
{
    pthread_mutex_lock(&port->base.provider->lock);
    port->n_waiting--;
    pthread_mutex_unlock(&port->base.provider->lock);
}

unsigned smtp_places_take_granted(struct smtp_port *port)
{
    struct provider *provider = port->base.provider;
    pthread_mutex_lock(&provider->lock);
    unsigned granted = port->granted;
    port->granted = 0;
    port->told = false;
    pthread_mutex_unlock(&provider->lock);
    return granted;
}

unsigned smtp_places_others_wait(struct smtp_port *port, bool *poorer_out)
{
    pthread_mutex_lock(&port->base.provider->lock);
    unsigned waiting = others_wait_locked(port, poorer_out);
    pthread_mutex_unlock(&port->base.provider->lock);
    return waiting;
}

bool smtp_places_keep_idle(struct smtp_port *port)
{
    struct provider *provider = port->base.provider;
    bool poorer;
    pthread_mutex_lock(&provider->lock);
    bool keep = others_wait_locked(port, &poorer) == 0;
    if (keep)
        port->n_idle++;
    pthread_mutex_unlock(&provider->lock);
    return keep;
}

void smtp_places_idle_gone(struct smtp_port *port)
{
    pthread_mutex_lock(&port->base.provider->lock);
    port->n_idle--;
    pthread_mutex_unlock(&port->base.provider->lock);
}

bool smtp_places_turned_away(struct smtp_port *port)
{
    struct provider *provider = port->base.provider;
    struct provider_state *state = &provider->state;
    pthread_mutex_lock(&provider->lock);
    unsigned others = state->connections - 1;
    unsigned before = state->limit;
    /* Alone it shows nothing of how many would be taken. */
    if (others == 0)
        state->limit = provider->config->connections;
    else if (others < state->limit)
        state->limit = others;
    provider->limit_grows_at = clock_monotonic() + provider->limit_pause;
    bool lowered = state->limit < before;
    pthread_mutex_unlock(&provider->lock);
    if (lowered)
        log_event(LOG_LEVEL_WARN, "provider takes fewer connections",
                  LOG_TEXT("provider", provider->config->name), LOG_NUMBER("connections", others),
                  LOG_NUMBER("configured", provider->config->connections));
    return others > 0;
}
