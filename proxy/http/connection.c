/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: counted, fenced in time, and known from their first moment, none of which evhttp
 * does (docs/adr/0026). evhttp asks for a bufferevent with each socket it has accepted, and takes
 * it in the same turn of the loop: its connection is then the argument of the bufferevent's
 * callbacks. From there on evhttp says itself when it lets go (closecb).
 */
#include "proxy/http/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "proxy/descriptors.h"

#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A connection made as the gate began to drain may have its first request on the way. */
#define DRAIN_GRACE (5 * CLOCK_SECOND)

#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned next;
} states[HTTP_STATE_COUNT] = {
    [HTTP_BORN] = {"BORN", BIT(HTTP_WAITING) | BIT(HTTP_GONE)},
    [HTTP_WAITING] = {"WAITING", BIT(HTTP_READING) | BIT(HTTP_GONE)},
    [HTTP_READING] = {"READING", BIT(HTTP_WORKING) | BIT(HTTP_GONE)},
    [HTTP_WORKING] = {"WORKING", BIT(HTTP_ANSWERING) | BIT(HTTP_GONE)},
    [HTTP_ANSWERING] = {"ANSWERING",
                        BIT(HTTP_MAKING) | BIT(HTTP_WAITING) | BIT(HTTP_READING) | BIT(HTTP_GONE)},
    [HTTP_MAKING] = {"MAKING", BIT(HTTP_ANSWERING) | BIT(HTTP_GONE)},
    [HTTP_GONE] = {"GONE", 0},
};

void http_survey(struct lane *lane, struct strbuf *out)
{
    unsigned counts[HTTP_STATE_COUNT] = {0};
    const struct http_connection *connection;
    if (lane->http == NULL)
        return;
    TAILQ_FOREACH(connection, &lane->http->connections, entry)
    counts[connection->state]++;
    for (int i = 0; i < HTTP_STATE_COUNT; i++)
        if (counts[i] > 0)
            strbuf_add_format(out, "%s%s %u", out->length > 0 ? ", " : "", states[i].name,
                              counts[i]);
}

static struct lane *lane_of(const struct http_connection *connection)
{
    return connection->door->front->lane;
}

/* ---- time ---- */

/* What it has read buys a request time, at the listener's min_rate; without one each byte lets the
 * time begin anew. More than a body may be buys no more. */
static int64_t bought(const struct http_connection *connection)
{
    const struct listener_config *listener = connection->listener;
    uint64_t bytes = connection->bytes;
    if (listener->min_rate == 0)
        return connection->read_at - connection->since;
    if (bytes > listener->max_body_size + HTTP_HEADERS_MAX)
        bytes = listener->max_body_size + HTTP_HEADERS_MAX;
    return (int64_t)(bytes * (uint64_t)CLOCK_SECOND / listener->min_rate);
}

static int64_t deadline_of(const struct http_connection *connection)
{
    const struct listener_config *listener = connection->listener;
    int64_t idle = connection->since + listener->idle_timeout;
    int64_t login =
        connection->identified ? INT64_MAX : connection->born_at + listener->login_timeout;
    switch (connection->state) {
    case HTTP_WAITING:
        return idle < login ? idle : login;
    case HTTP_READING:
        if (connection->too_heavy)
            return connection->since;
        if (login != INT64_MAX)
            login += bought(connection);
        idle += bought(connection);
        return idle < login ? idle : login;
    case HTTP_ANSWERING:
        return idle;
    default:
        /* Others owe the next step, and they have deadlines of their own. */
        return INT64_MAX;
    }
}

void http_connection_wake_at(struct http_connection *connection, int64_t deadline)
{
    deadline_set(&connection->deadline, deadline);
}

bool http_connection_was_left(const struct http_connection *connection)
{
    struct pollfd peer = {.fd = bufferevent_getfd(connection->bev), .events = POLLRDHUP};
    return poll(&peer, 1, 0) == 1;
}

void http_connection_enter(struct http_connection *connection, enum http_state state)
{
    if ((states[connection->state].next & BIT(state)) == 0) {
        log_event(LOG_LEVEL_ERROR, "http state transition not allowed",
                  LOG_TEXT("session", connection->id),
                  LOG_TEXT("from", states[connection->state].name),
                  LOG_TEXT("to", states[state].name));
        return;
    }
    log_event(LOG_LEVEL_DEBUG, "http state", LOG_TEXT("session", connection->id),
              LOG_TEXT("from", states[connection->state].name), LOG_TEXT("to", states[state].name));
    http_stranger_release(connection);
    connection->too_heavy = false;
    connection->state = state;
    connection->since = connection->read_at = clock_monotonic();
    connection->bytes = 0;
    if (state == HTTP_READING)
        connection->framing = (struct http_framing){0};
    http_connection_wake_at(connection, deadline_of(connection));
}

static bool handshake_done(const struct http_connection *connection)
{
    SSL *ssl = connection->tls ? bufferevent_openssl_get_ssl(connection->bev) : NULL;
    return ssl == NULL || SSL_is_init_finished(ssl);
}

static void refuse(const struct http_connection *connection, enum refusal refusal, const char *why)
{
    refusals_add(&lane_of(connection)->gate->refusals, refusal, connection->id,
                 connection->peer_text, why);
}

/* How much of an answer the peer has not taken: what waits here, and in the socket, which takes
 * more than a slow peer reads in a long time. */
static size_t unread(const struct http_connection *connection)
{
    int queued = 0;
    if (ioctl(bufferevent_getfd(connection->bev), SIOCOUTQ, &queued) != 0 || queued < 0)
        queued = 0;
    return evbuffer_get_length(bufferevent_get_output(connection->bev)) + (size_t)queued;
}

void http_connection_open_end(struct http_connection *connection)
{
    connection->open_end = true;
}

void http_connection_given(struct http_connection *connection)
{
    connection->unread = unread(connection);
}

/* Whether a peer that has not taken all in time takes it, if slowly. */
static bool takes(struct http_connection *connection)
{
    size_t left = unread(connection);
    if (!connection->open_end || left >= connection->unread)
        return false;
    connection->unread = left;
    connection->since = clock_monotonic();
    http_connection_wake_at(connection, deadline_of(connection));
    return true;
}

#define BUSY                                                                      \
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\n" \
    "Content-Length: 0\r\n\r\n"
#define LATE "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

/* The answer of a connection that ends with it and whose request was not read: a socket takes so
 * little at once, or the peer is gone. Before TLS there is nothing to say it with, nor behind an
 * answer that the peer has not taken. What it said already is taken from the socket, for closing
 * one with something unread would take our word back. */
static void say_last(struct http_connection *connection, const char *answer)
{
    char unread[4096];
    evutil_socket_t fd = bufferevent_getfd(connection->bev);
    SSL *ssl = connection->tls ? bufferevent_openssl_get_ssl(connection->bev) : NULL;
    if (!handshake_done(connection) ||
        evbuffer_get_length(bufferevent_get_output(connection->bev)) > 0)
        return;
    if (ssl != NULL) {
        ERR_clear_error();
        (void)SSL_write(ssl, answer, (int)strlen(answer));
        ERR_clear_error();
    } else {
        ssize_t ignored = send(fd, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)ignored;
    }
    for (int i = 0; i < 16 && recv(fd, unread, sizeof(unread), MSG_DONTWAIT) > 0; i++) {
    }
}

static void on_late(void *arg)
{
    struct http_connection *connection = arg;
    if (connection->state == HTTP_ANSWERING && takes(connection))
        return;
    switch (connection->state) {
    case HTTP_WORKING:
    case HTTP_MAKING:
        deadline_set(&connection->deadline, DEADLINE_NEVER);
        http_request_timer(connection->request);
        return;
    case HTTP_READING:
        say_last(connection, connection->too_heavy ? BUSY : LATE);
        /* fall through */
    case HTTP_ANSWERING:
        refuse(connection, REFUSAL_SLOW,
               connection->too_heavy ? "holds the most of what is not whole"
                                     : connection->listener->name);
        http_connection_end(connection, connection->too_heavy ? "too heavy" : "too slow");
        return;
    default:
        /* What did not shake hands is counted as it goes. */
        if (!connection->identified && handshake_done(connection))
            refuse(connection, REFUSAL_LOGIN_LATE, connection->listener->name);
        http_connection_end(connection, "timed out");
    }
}

/* ---- the end ---- */

static void free_connection(struct loop_task *task)
{
    struct http_connection *connection = CONTAINER_OF(task, struct http_connection, task);
    deadline_end(&connection->deadline);
    admission_leave(&connection->admission);
    snapshot_unref(&connection->snapshot);
    free(connection);
}

static struct http_connection **bucket_of(struct http_front *front,
                                          const struct evhttp_connection *evcon)
{
    return &front->buckets[((uintptr_t)evcon >> 6) % HTTP_BUCKETS];
}

static void forget(struct http_connection *connection)
{
    struct http_connection **at = bucket_of(connection->door->front, connection->evcon);
    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    connection->evcon = NULL;
}

/* Its socket ends with a reset, now, for evhttp would end it in an orderly way: who takes the end
 * of a connection for that of an answer would take a part for the whole. */
static void reset(const struct http_connection *connection)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    (void)connect(bufferevent_getfd(connection->bev), &nobody, sizeof(nobody));
}

/* evhttp lets go of it: its bufferevent goes next, and with it the socket. */
static void on_closed(struct evhttp_connection *evcon, void *arg)
{
    (void)evcon;
    struct http_connection *connection = arg;
    if (connection->state == HTTP_WAITING && !handshake_done(connection))
        refuse(connection, REFUSAL_HANDSHAKE, "not done, or not in time");
    http_connection_enter(connection, HTTP_GONE);
    if (connection->open_end)
        reset(connection);
    if (connection->watch != NULL)
        evbuffer_remove_cb_entry(bufferevent_get_input(connection->bev), connection->watch);
    connection->watch = NULL;
    connection->bev = NULL;
    flush_forget(lane_of(connection)->loop, &connection->flush);
    deadline_stop(&connection->deadline);
    forget(connection);
    if (connection->request != NULL)
        http_request_orphan(connection->request);
    log_event(connection->identified ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "session ended",
              LOG_TEXT("session", connection->id), LOG_TEXT("peer", connection->peer_text),
              LOG_TEXT("listener", connection->listener->name));
    admission_leave(&connection->admission);
    struct http_door *door = connection->door;
    TAILQ_REMOVE(&door->front->connections, connection, entry);
    connection->task.run = free_connection;
    loop_defer(door->front->lane->loop, &connection->task);
    http_door_leave(door);
}

void http_connection_end(struct http_connection *connection, const char *why)
{
    log_event(LOG_LEVEL_DEBUG, "http connection ended", LOG_TEXT("session", connection->id),
              LOG_TEXT("why", why));
    evhttp_connection_free(connection->evcon);
}

/* ---- the beginning ---- */

/* The last so many bytes of what was read belong to the request that comes in. */
static void follow(struct http_connection *connection, struct evbuffer *input, size_t bytes)
{
    struct evbuffer_iovec pieces[4];
    struct evbuffer_ptr at;
    while (bytes > 0 && evbuffer_ptr_set(input, &at, evbuffer_get_length(input) - bytes,
                                         EVBUFFER_PTR_SET) == 0) {
        int n = evbuffer_peek(input, -1, &at, pieces, 4);
        if (n <= 0)
            break;
        for (int i = 0; i < n && i < 4; i++) {
            http_framing_follow(&connection->framing, pieces[i].iov_base, pieces[i].iov_len);
            bytes -= pieces[i].iov_len;
        }
    }
}

static void on_input(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    struct http_connection *connection = arg;
    if (info->n_added == 0)
        return;
    if (connection->state == HTTP_WAITING)
        http_connection_enter(connection, HTTP_READING);
    if (connection->state != HTTP_READING)
        return;
    follow(connection, buffer, info->n_added);
    connection->bytes += info->n_added;
    connection->read_at = clock_monotonic();
    http_connection_wake_at(connection, deadline_of(connection));
    if (http_framing_is_endless(&connection->framing)) {
        bufferevent_disable(connection->bev, EV_READ);
        connection->too_heavy = true;
        http_connection_wake_at(connection, clock_monotonic());
    }
    http_stranger_charge(connection, info->n_added);
}

void http_connection_answered(struct http_connection *connection)
{
    struct evbuffer *input = bufferevent_get_input(connection->bev);
    size_t more = evbuffer_get_length(input);
    connection->open_end = false;
    http_connection_enter(connection, more > 0 ? HTTP_READING : HTTP_WAITING);
    follow(connection, input, more);
    connection->bytes = more;
}

/* ---- output ---- */

static struct bufferevent *flush_source(struct flush *flush)
{
    return CONTAINER_OF(flush, struct http_connection, flush)->bev; /* NULL once GONE */
}

/* evhttp awaits its bufferevent's word for the next request. */
static void flush_written(struct flush *flush)
{
    const struct http_connection *connection = CONTAINER_OF(flush, struct http_connection, flush);
    if (connection->bev != NULL)
        bufferevent_trigger(connection->bev, EV_WRITE, 0);
}

void http_connection_flush(struct http_connection *connection)
{
    if (!connection->tls)
        flush_later(lane_of(connection)->loop, &connection->flush);
}

/* ---- at the door ---- */

static void turn_away(struct http_connection *connection, enum refusal refusal)
{
    say_last(connection, BUSY);
    refuse(connection, refusal, connection->door->entrance->bind);
    http_connection_end(connection, "refused");
}

static void refill(evutil_socket_t fd, short what, void *reserve)
{
    (void)fd;
    (void)what;
    reserve_refill(reserve);
}

/* It has the descriptor that was kept in reserve. It is put back once evhttp has closed it, which
 * it does in the next turn; till then every loop that accepts asks again. */
static void turn_away_last(struct http_connection *connection)
{
    static const struct timeval at_once = {0};
    struct lane *lane = lane_of(connection);
    turn_away(connection, REFUSAL_DESCRIPTORS);
    reserve_return(lane->gate->reserve);
    event_base_once(loop_base(lane->loop), -1, EV_TIMEOUT, refill, lane->gate->reserve, &at_once);
}

/* As doors do for other protocols (net/listen.c). */
static bool enter_gate(struct http_connection *connection, enum refusal *refusal_out)
{
    const struct listener_config *listener = connection->listener;
    bool balancer = listener_trusts(listener, (const struct sockaddr *)&connection->peer);
    *refusal_out = REFUSAL_ADDRESS;
    return admission_address(&connection->admission, (const struct sockaddr *)&connection->peer,
                             balancer ? 0 : listener->max_connections_per_address) &&
           admission_enter(&connection->admission, listener->max_connections, refusal_out);
}

bool http_connection_admit(struct http_connection *connection, struct snapshot *snapshot,
                           const struct account_config *account)
{
    if (admission_partner(&connection->admission, snapshot, account))
        return true;
    refuse(connection, REFUSAL_PARTNER, account->stream->terms.partner->id);
    return false;
}

/* The socket is there, and whose it is can be seen. False: it was refused, or is gone already. */
static bool meet(struct http_connection *connection)
{
    int one = 1;
    evutil_socket_t fd = bufferevent_getfd(connection->bev);
    socklen_t length = sizeof(connection->peer);
    enum refusal refusal;
    if (getpeername(fd, (struct sockaddr *)&connection->peer, &length) != 0) {
        http_connection_end(connection, "gone before it was known");
        return false;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    sockaddr_text((const struct sockaddr *)&connection->peer, connection->peer_text,
                  sizeof(connection->peer_text));
    peer_key_of((const struct sockaddr *)&connection->peer, &connection->admission.address);
    http_stranger_meet(connection);
    if (!reserve_allows(lane_of(connection)->gate->reserve)) {
        turn_away_last(connection);
        return false;
    }
    if (!enter_gate(connection, &refusal)) {
        turn_away(connection, refusal);
        return false;
    }
    return true;
}

/* Never taken by evhttp, or given up by it in the same turn: both when memory is short. */
static void bury(struct http_connection *connection, bool ours)
{
    struct http_door *door = connection->door;
    bufferevent_decref(connection->bev);
    if (ours)
        bufferevent_free(connection->bev);
    connection->state = HTTP_GONE;
    if (door != NULL) {
        TAILQ_REMOVE(&door->front->connections, connection, entry);
        http_door_leave(door);
    }
    free_connection(&connection->task);
}

static void on_born(struct loop_task *task)
{
    struct http_connection *connection = CONTAINER_OF(task, struct http_connection, task);
    void *evcon = NULL;
    bufferevent_getcb(connection->bev, NULL, NULL, NULL, &evcon);
    if (evcon == NULL || evcon == connection || connection->door == NULL) {
        bury(connection, evcon == connection);
        return;
    }
    struct http_front *front = connection->door->front;
    struct http_connection **bucket = bucket_of(front, evcon);
    connection->evcon = evcon;
    connection->next = *bucket;
    *bucket = connection;
    evhttp_connection_set_closecb(evcon, on_closed, connection);
    bufferevent_set_timeouts(connection->bev, NULL, NULL);
    bufferevent_decref(connection->bev); /* evhttp's, from now on */
    connection->watch =
        evbuffer_add_cb(bufferevent_get_input(connection->bev), on_input, connection);
    http_connection_enter(connection, HTTP_WAITING);
    if (connection->watch == NULL)
        http_connection_end(connection, "out of memory");
    else if (meet(connection))
        log_event(LOG_LEVEL_DEBUG, "session opened", LOG_TEXT("session", connection->id),
                  LOG_TEXT("listener", connection->listener->name),
                  LOG_TEXT("peer", connection->peer_text));
}

static struct bufferevent *new_bufferevent(struct event_base *base, SSL_CTX *tls)
{
    if (tls == NULL)
        return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    return tls_bufferevent(base, -1, SSL_new(tls), true);
}

static bool prepare(struct http_connection *connection, struct event_base *base,
                    struct http_door *door, size_t index)
{
    struct lane *lane = door->front->lane;
    connection->snapshot = snapshot_ref(lane->snapshot);
    connection->listener = &lane->snapshot->config->listeners[index];
    connection->tls = connection->listener->tls != TLS_NONE;
    if (!deadline_begin(&connection->deadline, base, on_late, connection) ||
        (connection->tls && lane->snapshot->tls[index] == NULL))
        return false;
    connection->bev = new_bufferevent(base, lane->snapshot->tls[index]);
    if (connection->bev == NULL)
        return false;
    /* evhttp looks at a body once it is whole, so that much must fit; what is pipelined behind it
     * waits in the socket. */
    bufferevent_setwatermark(connection->bev, EV_READ, 0,
                             connection->listener->max_body_size + 2 * HTTP_HEADERS_MAX);
    evhttp_set_max_body_size(door->http, (ev_ssize_t)connection->listener->max_body_size);
    return true;
}

struct bufferevent *http_connection_new(struct event_base *base, void *arg)
{
    struct http_door *door = arg;
    struct http_front *front = door->front;
    size_t index;
    struct http_connection *connection =
        http_find_listener(front->lane->snapshot->config, door->entrance, &index)
            ? calloc(1, sizeof(*connection))
            : NULL;
    if (connection == NULL)
        return NULL; /* evhttp makes one by itself; http_on_request knows it for a stranger */
    if (!prepare(connection, base, door, index)) {
        free_connection(&connection->task);
        return NULL;
    }
    connection->door = door;
    connection->admission.gate = front->lane->gate;
    connection->admission.entrance = door->entrance;
    connection->state = HTTP_BORN;
    connection->born_at = clock_monotonic();
    connection->flush = (struct flush){.source = flush_source, .written = flush_written};
    record_new_id(connection->id);
    /* Ours, until it is seen what evhttp did with it. */
    bufferevent_incref(connection->bev);
    bufferevent_setcb(connection->bev, NULL, NULL, NULL, connection);
    door->connections++;
    TAILQ_INSERT_TAIL(&front->connections, connection, entry);
    connection->task.run = on_born;
    loop_defer(front->lane->loop, &connection->task);
    return connection->bev;
}

struct http_connection *http_connection_of(const struct http_front *front,
                                           const struct evhttp_connection *evcon)
{
    struct http_connection *connection = *bucket_of((struct http_front *)(uintptr_t)front, evcon);
    while (connection != NULL && connection->evcon != evcon)
        connection = connection->next;
    return connection;
}

/* ---- draining ---- */

void http_connection_drain(struct http_connection *connection)
{
    if (connection->state != HTTP_WAITING)
        return;
    struct pollfd input = {.fd = bufferevent_getfd(connection->bev), .events = POLLIN};
    if (connection->asked && poll(&input, 1, 0) == 0) {
        http_connection_end(connection, "the gate drains");
        return;
    }
    int64_t grace = clock_monotonic() + DRAIN_GRACE;
    if (grace < connection->deadline.at)
        http_connection_wake_at(connection, grace);
}
