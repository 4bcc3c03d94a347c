/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read of requests before it is known whose they are: bounded for a lane, and for each
 * address. When there is too much of it, who holds the most ends, never simply who comes next: else
 * whoever fills the room would keep all others out.
 */
#include "proxy/http/internal.h"

#include "base/clock.h"

/* On one lane. */
#define STRANGERS_BYTES ((size_t)32 * 1024 * 1024)
/* Of these an address may hold one part, or one request of the listener if that is more. */
#define STRANGERS_SHARES 16

void http_stranger_meet(struct http_connection *connection)
{
    const struct http_front *front = connection->door->front;
    uint64_t hash = front->seed;
    /* Behind a balancer there are many: each connection of it counts for itself. */
    if (listener_trusts(connection->listener, (const struct sockaddr *)&connection->peer))
        hash ^= (uintptr_t)connection >> 6;
    else
        for (size_t i = 0; i < sizeof(connection->admission.address.bytes); i++)
            hash = (hash ^ connection->admission.address.bytes[i]) * UINT64_C(0x100000001b3);
    hash ^= hash >> 29;
    connection->holder = (unsigned)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 32) % HTTP_HOLDERS;
}

void http_stranger_release(struct http_connection *connection)
{
    struct http_front *front = connection->door->front;
    front->strangers -= connection->charged;
    front->held[connection->holder] -= connection->charged;
    connection->charged = 0;
}

static unsigned fullest(const struct http_front *front)
{
    unsigned most = 0;
    for (unsigned i = 1; i < HTTP_HOLDERS; i++)
        if (front->held[i] > front->held[most])
            most = i;
    return most;
}

/* The heaviest connection of the holder ends, at once, but not within evhttp's reading. Of equals
 * the oldest. False: there is none. */
static bool end_heaviest(struct http_front *front, unsigned holder)
{
    struct http_connection *heaviest = NULL;
    for (struct http_connection *connection = TAILQ_FIRST(&front->connections); connection != NULL;
         connection = TAILQ_NEXT(connection, entry)) {
        if (connection->holder == holder && connection->charged > 0 &&
            (heaviest == NULL || connection->charged > heaviest->charged))
            heaviest = connection;
    }
    if (heaviest == NULL)
        return false;
    http_stranger_release(heaviest);
    heaviest->too_heavy = true;
    http_connection_wake_at(heaviest, clock_monotonic());
    return true;
}

void http_stranger_charge(struct http_connection *connection, size_t bytes)
{
    struct http_front *front = connection->door->front;
    unsigned holder = connection->holder;
    size_t share = STRANGERS_BYTES / STRANGERS_SHARES;
    size_t whole = connection->listener->max_body_size + 2 * HTTP_HEADERS_MAX;
    if (share < whole)
        share = whole;
    if (connection->identified || connection->too_heavy)
        return;
    front->strangers += bytes;
    front->held[holder] += bytes;
    connection->charged += bytes;
    while (front->held[holder] > share && end_heaviest(front, holder)) {
    }
    while (front->strangers > STRANGERS_BYTES && end_heaviest(front, fullest(front))) {
    }
}
