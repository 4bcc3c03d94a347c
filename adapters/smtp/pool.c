/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets which connection. A loop keeps its own idle connections and its own waiters; the cap on
 * connections is the provider's over all loops. A place under the cap that becomes free is handed
 * straight to a waiter, of whatever loop, so that nobody can overtake it; idle connections of other
 * loops are asked for through their mailboxes. What is shared lies under the provider's lock, held
 * for a few instructions.
 */
#include "adapters/smtp/smtp.h"

#include "base/clock.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>

/* NULL: that loop has closed its port already. */
static struct smtp_port *port_at(const struct provider *provider, unsigned i)
{
    return (struct smtp_port *)provider->ports[i];
}

/* ---- places under the cap; the lock is held where a name ends in _locked ---- */

static unsigned unserved_locked(const struct smtp_port *port)
{
    return port->n_waiting > port->granted ? port->n_waiting - port->granted : 0;
}

/* Waiters of the other loops; *poorer_out: whether one such loop holds clearly less than port. */
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

static bool reserve(struct smtp_port *port)
{
    struct provider *provider = port->base.provider;
    pthread_mutex_lock(&provider->lock);
    bool free_place = provider->state.connections < provider->config->connections;
    if (free_place) {
        provider->state.connections++;
        port->open++;
    }
    pthread_mutex_unlock(&provider->lock);
    return free_place;
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

void smtp_pool_release(struct smtp_port *port)
{
    struct provider *provider = port->base.provider;
    pthread_mutex_lock(&provider->lock);
    port->open--;
    struct smtp_port *next = NULL;
    for (unsigned i = 0; i < provider->n_ports && next == NULL; i++) {
        struct smtp_port *other = port_at(provider, (provider->next_port + i) % provider->n_ports);
        if (other != NULL && unserved_locked(other) > 0)
            next = other;
    }
    provider->state.connections--;
    if (next != NULL) {
        provider->next_port = (loop_index(next->base.loop) + 1) % provider->n_ports;
        grant_locked(next);
    }
    pthread_mutex_unlock(&provider->lock);
}

/* ---- waiters ---- */

static void remove_waiter(struct smtp_port *port, struct smtp_transaction *transaction)
{
    struct provider *provider = port->base.provider;
    TAILQ_REMOVE(&port->waiters, transaction, wait);
    transaction->waiting = false;
    pthread_mutex_lock(&provider->lock);
    port->n_waiting--;
    pthread_mutex_unlock(&provider->lock);
}

void smtp_pool_cancel(struct smtp_port *port, struct smtp_transaction *transaction)
{
    if (transaction->waiting)
        remove_waiter(port, transaction);
}

static void arm_wait_timer(struct smtp_port *port)
{
    const struct smtp_transaction *first = TAILQ_FIRST(&port->waiters);
    if (first == NULL)
        return;
    int64_t wait = first->wait_until - clock_monotonic();
    if (wait < 0)
        wait = 0;
    struct timeval tv = {.tv_sec = wait / CLOCK_SECOND, .tv_usec = wait % CLOCK_SECOND};
    /* Without memory for a timer: look again at the loop's next turn. */
    if (event_add(port->wait_timer, &tv) != 0)
        event_active(port->wait_timer, EV_TIMEOUT, 0);
}

static void on_wait_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct smtp_port *port = arg;
    int64_t now = clock_monotonic();
    struct smtp_transaction *first;
    while ((first = TAILQ_FIRST(&port->waiters)) != NULL && first->wait_until <= now) {
        struct error why;
        error_set(&why, RESULT_UNAVAILABLE, "provider %s: no connection became free in time",
                  smtp_config(port)->name);
        remove_waiter(port, first);
        smtp_transaction_fail(first, true, &why);
    }
    arm_wait_timer(port);
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

static void wait_in_line(struct smtp_port *port, struct smtp_transaction *transaction)
{
    struct provider *provider = port->base.provider;
    if (port->wait_timer == NULL)
        port->wait_timer = event_new(loop_base(port->base.loop), -1, 0, on_wait_timer, port);
    if (port->wait_timer == NULL) {
        struct error why;
        error_no_memory(&why);
        smtp_transaction_fail(transaction, true, &why);
        return;
    }
    transaction->waiting = true;
    transaction->wait_until = clock_monotonic() + smtp_config(port)->connect_timeout;
    TAILQ_INSERT_TAIL(&port->waiters, transaction, wait);
    if (TAILQ_FIRST(&port->waiters) == transaction)
        arm_wait_timer(port);
    pthread_mutex_lock(&provider->lock);
    port->n_waiting++;
    /* A place may have become free since it was asked for. */
    if (provider->state.connections < provider->config->connections)
        grant_locked(port);
    else
        ask_others_locked(port);
    pthread_mutex_unlock(&provider->lock);
}

/* A place under the cap is held: use it, for transaction or (NULL) to warm up. */
static void open_new(struct smtp_port *port, struct smtp_transaction *transaction)
{
    struct smtp_connection *connection = smtp_connection_open(port);
    if (connection == NULL) {
        struct error why;
        error_no_memory(&why);
        smtp_pool_release(port);
        if (transaction != NULL)
            smtp_transaction_fail(transaction, true, &why);
        return;
    }
    if (transaction != NULL)
        smtp_connection_bind(connection, transaction);
    smtp_dial(connection);
}

static void run_grant(struct loop_task *task)
{
    struct smtp_port *port = CONTAINER_OF(task, struct smtp_port, grant);
    struct provider *provider = port->base.provider;
    pthread_mutex_lock(&provider->lock);
    unsigned granted = port->granted;
    port->granted = 0;
    port->told = false;
    pthread_mutex_unlock(&provider->lock);
    for (; granted > 0; granted--) {
        struct smtp_transaction *first = TAILQ_FIRST(&port->waiters);
        if (first == NULL) {
            smtp_pool_release(port);
            continue;
        }
        remove_waiter(port, first);
        open_new(port, first);
    }
}

static void run_ask(struct loop_task *task)
{
    struct smtp_port *port = CONTAINER_OF(task, struct smtp_port, ask);
    struct provider *provider = port->base.provider;
    bool poorer;
    pthread_mutex_lock(&provider->lock);
    port->asked = false;
    unsigned wanted = others_wait_locked(port, &poorer);
    pthread_mutex_unlock(&provider->lock);
    struct smtp_connection *oldest;
    for (; wanted > 0 && (oldest = TAILQ_LAST(&port->idle, smtp_idle_list)) != NULL; wanted--)
        smtp_connection_quit(oldest);
}

/* ---- idle connections ---- */

void smtp_pool_remove_idle(struct smtp_connection *connection)
{
    struct smtp_port *port = connection->port;
    if (!connection->listed)
        return;
    connection->listed = false;
    TAILQ_REMOVE(&port->idle, connection, idle);
    pthread_mutex_lock(&port->base.provider->lock);
    port->n_idle--;
    pthread_mutex_unlock(&port->base.provider->lock);
}

static struct smtp_connection *take_idle(struct smtp_port *port)
{
    struct smtp_connection *connection;
    while ((connection = TAILQ_FIRST(&port->idle)) != NULL) {
        if (!smtp_connection_stale(connection)) {
            smtp_pool_remove_idle(connection);
            return connection;
        }
        smtp_connection_close(connection);
    }
    return NULL;
}

/* One that was opened to warm up, or whose transaction gave up meanwhile. */
static struct smtp_connection *unbound_coming(struct smtp_port *port)
{
    struct smtp_connection *connection;
    TAILQ_FOREACH(connection, &port->connections, all)
    if (connection->transaction == NULL && connection->state < SMTP_READY)
        return connection;
    return NULL;
}

void smtp_pool_acquire(struct smtp_port *port, struct smtp_transaction *transaction, bool fresh)
{
    struct smtp_connection *connection = NULL;
    bool first_in_line = TAILQ_EMPTY(&port->waiters);
    if (!fresh && first_in_line)
        connection = take_idle(port);
    if (connection != NULL) {
        connection->was_idle = true;
        smtp_connection_bind(connection, transaction);
        return;
    }
    if (first_in_line)
        connection = unbound_coming(port);
    if (connection != NULL)
        smtp_connection_bind(connection, transaction);
    else if (reserve(port))
        open_new(port, transaction);
    else
        wait_in_line(port, transaction);
}

static void learn(struct smtp_connection *connection)
{
    struct capabilities capabilities = {
        .bits = connection->offer.bits | CAPABILITY_KNOWN |
                (connection->starttls_seen ? CAPABILITY_STARTTLS : 0),
        .max_size = connection->offer.max_size,
    };
    provider_learned(connection->port->base.provider, connection->port->base.loop, &capabilities);
}

/* Puts it among the idle ones, unless another loop needs its place more. */
static bool keep_idle(struct smtp_connection *connection)
{
    struct smtp_port *port = connection->port;
    struct provider *provider = port->base.provider;
    bool poorer;
    pthread_mutex_lock(&provider->lock);
    bool keep = others_wait_locked(port, &poorer) == 0;
    if (keep)
        port->n_idle++;
    pthread_mutex_unlock(&provider->lock);
    if (keep) {
        connection->listed = true;
        TAILQ_INSERT_HEAD(&port->idle, connection, idle);
    }
    return keep;
}

static bool must_give_way(struct smtp_port *port)
{
    bool poorer;
    pthread_mutex_lock(&port->base.provider->lock);
    (void)others_wait_locked(port, &poorer);
    pthread_mutex_unlock(&port->base.provider->lock);
    return poorer;
}

void smtp_pool_ready(struct smtp_connection *connection)
{
    struct smtp_port *port = connection->port;
    bool fresh = connection->state < SMTP_READY;
    if (fresh)
        learn(connection);
    if (evbuffer_get_length(bufferevent_get_input(connection->bev)) > 0) {
        /* It has already said more than it was asked: the next answer could be anybody's. */
        smtp_connection_fail(connection, "it sent what nobody asked for");
        return;
    }
    smtp_set_deadline(connection, 0);
    smtp_set_state(connection, SMTP_READY);
    connection->was_idle = !fresh || connection->transaction == NULL;
    if (connection->transaction != NULL) {
        smtp_connection_begin(connection);
        return;
    }
    struct smtp_transaction *waiter = TAILQ_FIRST(&port->waiters);
    if (port->closing || connection->transactions >= CONNECTION_REUSES ||
        (waiter != NULL && must_give_way(port))) {
        smtp_connection_quit(connection);
    } else if (waiter != NULL) {
        remove_waiter(port, waiter);
        smtp_connection_bind(connection, waiter);
    } else if (keep_idle(connection)) {
        smtp_set_deadline(connection, smtp_config(port)->idle_timeout);
    } else {
        smtp_connection_quit(connection);
    }
}

/* ---- the port ---- */

void smtp_pool_warm(struct provider_port *base)
{
    struct smtp_port *port = (struct smtp_port *)base;
    if (TAILQ_EMPTY(&port->idle) && unbound_coming(port) == NULL && reserve(port))
        open_new(port, NULL);
}

static void run_gone(struct loop_task *task)
{
    struct smtp_port *port = CONTAINER_OF(task, struct smtp_port, gone);
    struct provider *provider = port->base.provider;
    pthread_mutex_lock(&provider->lock);
    provider->ports[loop_index(port->base.loop)] = NULL;
    pthread_mutex_unlock(&provider->lock);
    if (port->wait_timer != NULL)
        event_free(port->wait_timer);
    free(port);
    provider_port_gone(provider);
}

struct provider_port *smtp_port_new(void)
{
    struct smtp_port *port = calloc(1, sizeof(*port));
    if (port == NULL)
        return NULL;
    TAILQ_INIT(&port->connections);
    TAILQ_INIT(&port->idle);
    TAILQ_INIT(&port->waiters);
    port->ask.run = run_ask;
    port->grant.run = run_grant;
    port->gone.run = run_gone;
    return &port->base;
}

/* The loop may never turn again, so QUIT is said at once or not at all; its answer would change
 * nothing. */
static void farewell(struct smtp_connection *connection)
{
    static const char quit[] = "QUIT\r\n";
    if (connection->secure) {
        (void)SSL_write(bufferevent_openssl_get_ssl(connection->bev), quit, sizeof(quit) - 1);
        ERR_clear_error();
    } else {
        (void)send(bufferevent_getfd(connection->bev), quit, sizeof(quit) - 1,
                   MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

void smtp_port_close(struct provider_port *base)
{
    struct smtp_port *port = (struct smtp_port *)base;
    struct smtp_connection *connection;
    port->closing = true;
    while ((connection = TAILQ_FIRST(&port->connections)) != NULL) {
        if (connection->state == SMTP_READY)
            farewell(connection);
        smtp_connection_close(connection);
    }
    /* After the connections' own deferred tasks. */
    loop_defer(base->loop, &port->gone);
}
