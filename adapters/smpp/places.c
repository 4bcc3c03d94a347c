/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the loops know of each other: on which there is room for a message, and how many wait; and
 * what holds for the provider as a whole: the cap on those that wait, the rate. All of it under the
 * provider's lock, which is held for a few instructions. It knows counts only: messages are
 * queue.c's, links are link.c's.
 */
#include "adapters/smpp/smpp.h"

#include "base/crypto.h"

#include <stdlib.h>

/* So much earlier than its turn a message may come: timers are not that exact, and a burst that
 * fits the rate need not be spread. */
#define BURST (CLOCK_SECOND / 10)

struct place {
    unsigned room;    /* the windows of the links that take messages now */
    unsigned used;    /* messages counted here: out, waiting, or on their way here */
    unsigned waiting; /* of them, those that are not out */
    unsigned ready;   /* links that are bound and may carry messages */
};

struct smpp_places {
    bool begun;
    unsigned ready;
    unsigned waiting;
    unsigned waiting_max;
    int64_t next_at; /* monotonic: the turn of the next message; of the rate */
    uint8_t reference;
    struct place loops[];
};

unsigned smpp_seats(const struct provider *provider)
{
    const struct provider_config *config = provider->config;
    bool receiver = config->binds == SMPP_BINDS_SEPARATE && provider->sink != NULL;
    return config->connections + (receiver ? 1 : 0);
}

struct smpp_places *smpp_places_new(const struct provider *provider)
{
    const struct provider_config *config = provider->config;
    struct smpp_places *places =
        calloc(1, sizeof(*places) + provider->n_ports * sizeof(struct place));
    if (places == NULL)
        return NULL;
    places->waiting_max = SMPP_WAITING_WINDOWS * config->window * config->connections;
    /* Two gateways, or one that was started again, shall not count alike. */
    (void)random_bytes(&places->reference, sizeof(places->reference));
    return places;
}

void smpp_places_free(struct smpp_places **places)
{
    free(*places);
    *places = NULL;
}

/* ---- the lock is held where a name ends in _locked ---- */

static struct smpp_places *lock(struct smpp_port *port)
{
    struct provider *provider = port->base.provider;
    pthread_mutex_lock(&provider->lock);
    return provider->own;
}

static void unlock(struct smpp_port *port)
{
    pthread_mutex_unlock(&port->base.provider->lock);
}

static struct place *place_of(struct smpp_places *places, const struct smpp_port *port)
{
    return &places->loops[loop_index(port->base.loop)];
}

/* NULL: that loop has closed its port already. */
static struct smpp_port *port_at(const struct provider *provider, unsigned i)
{
    return (struct smpp_port *)provider->ports[i];
}

static bool has_room(const struct place *place)
{
    return place->used < place->room;
}

/* The loop with the most room; NULL: none has any. */
static struct smpp_port *roomiest_locked(const struct provider *provider)
{
    const struct smpp_places *places = provider->own;
    struct smpp_port *best = NULL;
    unsigned most = 0;
    for (unsigned i = 0; i < provider->n_ports; i++) {
        const struct place *place = &places->loops[i];
        if (port_at(provider, i) == NULL || !has_room(place) || place->room - place->used <= most)
            continue;
        most = place->room - place->used;
        best = port_at(provider, i);
    }
    return best;
}

/* Where there is no room anywhere: the loop whose links have the least to do. A loop without links
 * is as good as any while there are none. */
static struct smpp_port *least_loaded_locked(struct smpp_port *port)
{
    const struct provider *provider = port->base.provider;
    const struct smpp_places *places = provider->own;
    struct smpp_port *best = port;
    const struct place *least = place_of(provider->own, port);
    for (unsigned i = 0; i < provider->n_ports; i++) {
        const struct place *place = &places->loops[i];
        if (port_at(provider, i) == NULL || place->ready == 0)
            continue;
        if (least->ready == 0 ||
            (uint64_t)place->used * least->ready < (uint64_t)least->used * place->ready) {
            least = place;
            best = port_at(provider, i);
        }
    }
    return best;
}

static void wake_locked(struct smpp_port *port)
{
    if (port == NULL || port->woken || port->closing)
        return;
    port->woken = true;
    loop_post(port->base.loop, &port->wake);
}

/* ---- what the others call ---- */

bool smpp_places_begin(struct smpp_port *port)
{
    struct smpp_places *places = lock(port);
    bool first = !places->begun;
    places->begun = true;
    unlock(port);
    return first;
}

bool smpp_places_out(struct smpp_port *port, struct error *why)
{
    struct smpp_places *places = lock(port);
    bool ready = places->ready > 0;
    unlock(port);
    /* Links that stand are good, unless what they carry is not answered. */
    if (ready && !provider_is_mute(port->base.provider))
        return false;
    return provider_is_out(port->base.provider, why);
}

bool smpp_places_enter(struct smpp_port *port, struct smpp_port **at_out, struct error *why)
{
    struct smpp_places *places = lock(port);
    bool taken = places->waiting < places->waiting_max;
    if (taken) {
        struct smpp_port *at = port;
        if (!has_room(place_of(places, port)))
            at = roomiest_locked(port->base.provider);
        if (at == NULL)
            at = least_loaded_locked(port);
        place_of(places, at)->used++;
        place_of(places, at)->waiting++;
        places->waiting++;
        *at_out = at;
    }
    unlock(port);
    if (!taken)
        error_set(why, RESULT_UNAVAILABLE, "provider %s: too many messages wait for it already",
                  smpp_config(port)->name);
    return taken;
}

void smpp_places_leave(struct smpp_port *port, bool waiting)
{
    struct smpp_places *places = lock(port);
    place_of(places, port)->used--;
    if (waiting) {
        place_of(places, port)->waiting--;
        places->waiting--;
    }
    unlock(port);
}

void smpp_places_sent(struct smpp_port *port)
{
    struct smpp_places *places = lock(port);
    place_of(places, port)->waiting--;
    places->waiting--;
    unlock(port);
}

void smpp_places_waits(struct smpp_port *port)
{
    struct smpp_places *places = lock(port);
    place_of(places, port)->waiting++;
    places->waiting++;
    unlock(port);
}

struct smpp_port *smpp_places_move(struct smpp_port *port)
{
    struct smpp_places *places = lock(port);
    struct smpp_port *to = roomiest_locked(port->base.provider);
    if (to == port)
        to = NULL; /* what has room here is about to be used */
    if (to != NULL) {
        place_of(places, port)->used--;
        place_of(places, port)->waiting--;
        place_of(places, to)->used++;
        place_of(places, to)->waiting++;
    }
    unlock(port);
    return to;
}

void smpp_places_ready(struct smpp_port *port, int more)
{
    struct smpp_places *places = lock(port);
    place_of(places, port)->ready += (unsigned)more;
    places->ready += (unsigned)more;
    unlock(port);
}

void smpp_places_room(struct smpp_port *port, int more)
{
    struct smpp_places *places = lock(port);
    unsigned window = smpp_config(port)->window;
    struct place *place = place_of(places, port);
    place->room = more > 0 ? place->room + window : place->room - window;
    unlock(port);
}

void smpp_places_bound(struct smpp_port *port, int more)
{
    (void)lock(port);
    port->base.provider->state.connections += (unsigned)more;
    unlock(port);
}

void smpp_places_busy(struct smpp_port *port, int more)
{
    (void)lock(port);
    port->base.provider->state.busy += (unsigned)more;
    unlock(port);
}

bool smpp_places_stand(struct smpp_port *port, bool sends)
{
    struct smpp_places *places = lock(port);
    bool any = sends ? places->ready > 0 : port->base.provider->state.connections > 0;
    unlock(port);
    return any;
}

void smpp_places_wake(struct smpp_port *port, bool all)
{
    const struct provider *provider = port->base.provider;
    struct smpp_places *places = lock(port);
    if (all || (places->waiting > 0 && has_room(place_of(places, port))))
        for (unsigned i = 0; i < provider->n_ports; i++)
            if (port_at(provider, i) != port && (all || places->loops[i].waiting > 0))
                wake_locked(port_at(provider, i));
    unlock(port);
}

void smpp_places_woken(struct smpp_port *port)
{
    (void)lock(port);
    port->woken = false;
    unlock(port);
}

int64_t smpp_places_pace(struct smpp_port *port)
{
    unsigned rate = smpp_config(port)->rate;
    if (rate == 0)
        return 0;
    int64_t now = clock_monotonic();
    struct smpp_places *places = lock(port);
    if (places->next_at < now)
        places->next_at = now;
    int64_t early = places->next_at - now - BURST;
    if (early <= 0) {
        places->next_at += CLOCK_SECOND / rate;
        early = 0;
    }
    unlock(port);
    return early;
}

uint8_t smpp_places_reference(struct smpp_port *port)
{
    struct smpp_places *places = lock(port);
    uint8_t reference = ++places->reference;
    unlock(port);
    return reference;
}

bool smpp_places_close(struct smpp_port *port)
{
    struct provider *provider = port->base.provider;
    (void)lock(port);
    port->closing = true;
    bool woken = port->woken;
    provider->ports[loop_index(port->base.loop)] = NULL;
    unlock(port);
    return !woken;
}
