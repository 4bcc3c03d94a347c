/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `connections`: how many requests run at a time over all loops. Whoever wants a place and finds
 * none is given the next that becomes free, in turn with the other loops.
 */
#include "adapters/http/http.h"

bool http_place_take(struct http_port *port)
{
    struct provider *provider = port->base.provider;
    struct http_own *own = http_own(port);
    pthread_mutex_lock(&provider->lock);
    bool taken = true;
    if (port->granted > 0)
        port->granted--;
    else if (own->places_free > 0)
        own->places_free--;
    else
        taken = false;
    port->wants = !taken;
    if (taken)
        provider->state.busy++;
    pthread_mutex_unlock(&provider->lock);
    return taken;
}

/* Under the lock: the place goes to who waits, else back. */
static void pass_on(struct provider *provider, struct http_own *own)
{
    for (unsigned i = 0; i < provider->n_ports; i++) {
        unsigned index = (own->next_port + i) % provider->n_ports;
        struct http_port *port = (struct http_port *)provider->ports[index];
        if (!port->wants)
            continue;
        own->next_port = index + 1;
        port->wants = false;
        port->granted++;
        if (!port->wake_posted) {
            port->wake_posted = true;
            loop_post(port->base.loop, &port->wake);
        }
        return;
    }
    own->places_free++;
}

void http_place_give(struct http_port *port)
{
    struct provider *provider = port->base.provider;
    pthread_mutex_lock(&provider->lock);
    provider->state.busy--;
    pass_on(provider, http_own(port));
    pthread_mutex_unlock(&provider->lock);
}

void http_place_forget(struct http_port *port)
{
    struct provider *provider = port->base.provider;
    pthread_mutex_lock(&provider->lock);
    port->wants = false;
    while (port->granted > 0) {
        port->granted--;
        pass_on(provider, http_own(port));
    }
    pthread_mutex_unlock(&provider->lock);
}

void http_place_woken(struct loop_task *task)
{
    struct http_port *port = CONTAINER_OF(task, struct http_port, wake);
    struct provider *provider = port->base.provider;
    pthread_mutex_lock(&provider->lock);
    port->wake_posted = false;
    pthread_mutex_unlock(&provider->lock);
    http_pump(port);
}
