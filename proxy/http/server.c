/* SPDX-License-Identifier: Apache-2.0 */
/* Doors: evhttp on listening sockets, and all of a lane's connections at once. */
#include "proxy/http/server.h"

#include "base/crypto.h"
#include "base/log.h"
#include "proxy/http/internal.h"

#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>

/* Only for connections evhttp made without us (http_connection_new): ours have their own timer. */
#define STRANGER_SECONDS 30

bool http_find_listener(const struct config *config, const struct entrance *entrance,
                        size_t *index_out)
{
    const struct listener_config *listener = config_listener(config, entrance->bind);
    if (listener == NULL || listener->protocol != PROTOCOL_HTTP)
        return false;
    *index_out = (size_t)(listener - config->listeners);
    return true;
}

/* ---- the front ---- */

static struct http_front *front_of(struct lane *lane)
{
    if (lane->http != NULL)
        return lane->http;
    struct http_front *front = calloc(1, sizeof(*front));
    if (front == NULL || !random_bytes(&front->seed, sizeof(front->seed)) ||
        !idempotency_hold(&lane->gate->idempotency)) {
        free(front);
        return NULL;
    }
    front->lane = lane;
    front->draining = lane->draining;
    TAILQ_INIT(&front->connections);
    lane->http = front;
    return front;
}

/* ---- doors ---- */

static void free_door(struct http_door *door)
{
    if (door->http != NULL)
        evhttp_free(door->http);
    free(door);
}

static void run_free_door(struct loop_task *task)
{
    free_door(CONTAINER_OF(task, struct http_door, task));
}

/* Not at once: evhttp may be at work on its last connection. */
static void free_if_done(struct http_door *door)
{
    struct http_front *front = door->front;
    if (door->bound != NULL || door->connections > 0)
        return;
    struct http_door **link = &front->doors;
    while (*link != door)
        link = &(*link)->next;
    *link = door->next;
    door->task.run = run_free_door;
    loop_defer(front->lane->loop, &door->task);
}

void http_door_leave(struct http_door *door)
{
    door->connections--;
    free_if_done(door);
}

static struct evhttp *new_server(struct http_door *door, struct event_base *base)
{
    static const struct timeval patience = {.tv_sec = STRANGER_SECONDS};
    struct evhttp *http = evhttp_new(base);
    if (http == NULL)
        return NULL;
    evhttp_set_max_headers_size(http, HTTP_HEADERS_MAX);
    evhttp_set_timeout_tv(http, &patience);
    /* Who sends too much is told so once it is read: closing a socket with something unread takes
     * back what was said. */
    evhttp_set_flags(http, EVHTTP_SERVER_LINGERING_CLOSE);
    /* All of them, and unknown ones too: 405 with Allow is ours to say. */
    evhttp_set_allowed_methods(http, 0xffff);
    evhttp_set_default_content_type(http, NULL);
    evhttp_set_bevcb(http, http_connection_new, door);
    evhttp_set_gencb(http, http_on_request, door);
    return http;
}

struct http_door *http_door_open(struct lane *lane, struct entrance *entrance,
                                 struct evconnlistener *socket)
{
    struct http_front *front = front_of(lane);
    struct http_door *door = front != NULL ? calloc(1, sizeof(*door)) : NULL;
    if (door == NULL)
        return NULL;
    door->front = front;
    door->entrance = entrance;
    door->http = new_server(door, loop_base(lane->loop));
    if (door->http != NULL)
        door->bound = evhttp_bind_listener(door->http, socket);
    if (door->bound == NULL) {
        free_door(door);
        return NULL;
    }
    door->next = front->doors;
    front->doors = door;
    return door;
}

void http_door_close(struct http_door **door_pointer)
{
    struct http_door *door = *door_pointer;
    *door_pointer = NULL;
    if (door == NULL)
        return;
    evhttp_del_accept_socket(door->http, door->bound);
    door->bound = NULL;
    free_if_done(door);
}

/* ---- all of them ---- */

void http_drain(struct lane *lane)
{
    struct http_front *front = lane->http;
    if (front == NULL)
        return;
    front->draining = true;
    struct http_connection *next;
    for (struct http_connection *c = TAILQ_FIRST(&front->connections); c != NULL; c = next) {
        next = TAILQ_NEXT(c, entry);
        http_connection_drain(c);
    }
}

void http_abort_all(struct lane *lane)
{
    struct http_front *front = lane->http;
    if (front == NULL)
        return;
    struct http_connection *next;
    for (struct http_connection *c = TAILQ_FIRST(&front->connections); c != NULL; c = next) {
        next = TAILQ_NEXT(c, entry);
        if (c->evcon != NULL)
            http_connection_end(c, "the gate shuts down");
    }
}

void http_free(struct lane *lane)
{
    struct http_front *front = lane->http;
    if (front == NULL)
        return;
    http_abort_all(lane);
    /* Left are those that evhttp took in this very turn, and their doors. */
    while (!TAILQ_EMPTY(&front->connections)) {
        struct http_connection *connection = TAILQ_FIRST(&front->connections);
        TAILQ_REMOVE(&front->connections, connection, entry);
        connection->door = NULL;
    }
    while (front->doors != NULL) {
        struct http_door *door = front->doors;
        front->doors = door->next;
        free_door(door);
    }
    http_requests_free(lane);
    idempotency_let_go(&lane->gate->idempotency);
    lane->http = NULL;
    free(front);
}
