/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets which connection. A loop keeps its own idle connections and its own waiters; the cap on
 * connections is the provider's over all loops (places.c). Idle connections of other loops are
 * asked for through their mailboxes. A new connection is attempted only if the provider's breaker
 * admits it; what failed without a message is tried again in the background.
 */
#include "adapters/smtp/smtp.h"

#include "base/clock.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>

/* ---- waiters ---- */

static void remove_waiter(struct smtp_port *port, struct smtp_transaction *transaction)
{
    TAILQ_REMOVE(&port->waiters, transaction, wait);
    transaction->waiting = false;
    smtp_places_wait_ends(port);
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

static void wait_in_line(struct smtp_port *port, struct smtp_transaction *transaction)
{
    if (port->wait_timer == NULL)
        port->wait_timer = event_new(loop_base(port->base.loop), -1, 0, on_wait_timer, port);
    if (port->wait_timer == NULL) {
        struct error why;
        error_no_memory(&why);
        smtp_transaction_fail(transaction, true, &why);
        return;
    }
    transaction->waiting = true;
    /* Who was turned away goes on waiting, at the place that its time gives it. */
    if (transaction->wait_until == 0)
        transaction->wait_until = clock_monotonic() + smtp_config(port)->connect_timeout;
    struct smtp_transaction *after = TAILQ_LAST(&port->waiters, smtp_wait_list);
    while (after != NULL && after->wait_until > transaction->wait_until)
        after = TAILQ_PREV(after, smtp_wait_list, wait);
    if (after != NULL)
        TAILQ_INSERT_AFTER(&port->waiters, after, transaction, wait);
    else
        TAILQ_INSERT_HEAD(&port->waiters, transaction, wait);
    if (TAILQ_FIRST(&port->waiters) == transaction)
        arm_wait_timer(port);
    smtp_places_wait(port);
}

/* ---- new connections ---- */

/* A place under the cap is held: use it, for transaction or (NULL) to warm up. */
static void open_new(struct smtp_port *port, struct smtp_transaction *transaction)
{
    struct provider *provider = port->base.provider;
    struct smtp_connection *connection = NULL;
    struct error why;
    bool probe = false;
    if (provider_admit(provider, transaction != NULL, &probe, &why)) {
        connection = smtp_connection_open(port);
        error_no_memory(&why);
    }
    if (connection == NULL) {
        provider_abandoned(provider, probe);
        smtp_places_release(port);
        if (transaction != NULL)
            smtp_transaction_fail(transaction, true, &why);
        return;
    }
    connection->probe = probe;
    if (transaction != NULL)
        smtp_connection_bind(connection, transaction);
    smtp_connection_dial(connection);
}

static void run_grant(struct loop_task *task)
{
    struct smtp_port *port = CONTAINER_OF(task, struct smtp_port, grant);
    for (unsigned granted = smtp_places_take_granted(port); granted > 0; granted--) {
        struct smtp_transaction *first = TAILQ_FIRST(&port->waiters);
        if (first == NULL) {
            smtp_places_release(port);
            continue;
        }
        remove_waiter(port, first);
        open_new(port, first);
    }
}

static void run_ask(struct loop_task *task)
{
    struct smtp_port *port = CONTAINER_OF(task, struct smtp_port, ask);
    bool poorer;
    pthread_mutex_lock(&port->base.provider->lock);
    port->asked = false;
    pthread_mutex_unlock(&port->base.provider->lock);
    unsigned wanted = smtp_places_others_wait(port, &poorer);
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
    smtp_places_idle_gone(port);
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
    if (connection->transaction == NULL && connection->state < SMTP_READY && !connection->probe &&
        connection->trial == NULL)
        return connection;
    return NULL;
}

/* While it is out of service nobody waits for it. */
static bool out_of_service(struct smtp_port *port, struct smtp_transaction *transaction)
{
    struct error why;
    if (!provider_is_out(port->base.provider, &why))
        return false;
    smtp_transaction_fail(transaction, true, &why);
    return true;
}

void smtp_pool_acquire(struct smtp_port *port, struct smtp_transaction *transaction, bool fresh)
{
    struct smtp_connection *connection = NULL;
    bool first_in_line = TAILQ_EMPTY(&port->waiters);
    if (!fresh && first_in_line && !provider_is_mute(port->base.provider))
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
    else if (smtp_places_reserve(port))
        open_new(port, transaction);
    else if (!out_of_service(port, transaction))
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
    if (!smtp_places_keep_idle(port))
        return false;
    connection->listed = true;
    TAILQ_INSERT_HEAD(&port->idle, connection, idle);
    return true;
}

static bool must_give_way(struct smtp_port *port)
{
    bool poorer;
    (void)smtp_places_others_wait(port, &poorer);
    return poorer;
}

void smtp_pool_ready(struct smtp_connection *connection)
{
    struct smtp_port *port = connection->port;
    bool fresh = connection->state < SMTP_READY;
    if (fresh && connection->trial != NULL) {
        smtp_set_state(connection, SMTP_READY);
        smtp_connection_quit(connection);
        return;
    }
    if (fresh) {
        learn(connection);
        connection->probe = false;
        provider_connected(port->base.provider);
    }
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
    if (TAILQ_EMPTY(&port->idle) && unbound_coming(port) == NULL && smtp_places_reserve(port))
        open_new(port, NULL);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct smtp_port *port = arg;
    struct error why;
    if (!provider_is_out(port->base.provider, &why)) {
        smtp_pool_warm(&port->base);
        return;
    }
    if (smtp_places_reserve(port))
        open_new(port, NULL);
    /* Another loop tries, or it is too early, or there is no place under the cap. */
    if (provider_is_out(port->base.provider, &why))
        smtp_pool_retry(port);
}

void smtp_pool_retry(struct smtp_port *port)
{
    if (port->closing)
        return;
    if (port->retry_timer == NULL)
        port->retry_timer = evtimer_new(loop_base(port->base.loop), on_retry, port);
    if (port->retry_timer == NULL)
        return; /* without it, the next message tries */
    int64_t wait = provider_retry_in(port->base.provider);
    struct timeval tv = {.tv_sec = wait / CLOCK_SECOND, .tv_usec = wait % CLOCK_SECOND};
    (void)evtimer_add(port->retry_timer, &tv);
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
    if (port->retry_timer != NULL)
        event_free(port->retry_timer);
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
