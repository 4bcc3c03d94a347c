/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to a provider: its state machine, its socket, its one timer. It owns the
 * bufferevent (with it the socket and the TLS session) and borrows its transaction. It refuses to
 * go on when it cannot tell any more which command an answer belongs to: it closes.
 */
#include "adapters/smtp/smtp.h"

#include "base/clock.h"
#include "base/flush.h"
#include "base/log.h"
#include "store/record.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUIT_TIMEOUT (2 * CLOCK_SECOND)

static const struct {
    const char *name;
    const char *awaited; /* in "no answer to …" */
    unsigned next;       /* the states it may go to, CLOSED aside */
} states[SMTP_STATE_COUNT] = {
#define TO(state) (1u << SMTP_##state)
    [SMTP_RESOLVING] = {"resolving", "the name lookup", TO(CONNECTING)},
    [SMTP_CONNECTING] = {"connecting", "the connection request", TO(HANDSHAKE) | TO(GREETING)},
    [SMTP_HANDSHAKE] = {"handshake", "the TLS handshake", TO(GREETING) | TO(EHLO)},
    [SMTP_GREETING] = {"greeting", "the connection (no greeting)", TO(EHLO)},
    [SMTP_EHLO] = {"ehlo", "EHLO", TO(STARTTLS) | TO(AUTH) | TO(READY)},
    [SMTP_STARTTLS] = {"starttls", "STARTTLS", TO(HANDSHAKE) | TO(AUTH) | TO(READY)},
    [SMTP_AUTH] = {"auth", "AUTH", TO(READY)},
    [SMTP_READY] = {"ready", "nothing", TO(ENVELOPE) | TO(QUIT)},
    [SMTP_ENVELOPE] = {"envelope", "MAIL or RCPT", TO(READY) | TO(DATA) | TO(DRAIN)},
    [SMTP_DATA] = {"data", "DATA", TO(CONTENT) | TO(DRAIN)},
    [SMTP_CONTENT] = {"content", "the content (it is not taken)", TO(FINAL)},
    [SMTP_FINAL] = {"final", "the final dot", TO(READY)},
    [SMTP_DRAIN] = {"drain", "MAIL or RCPT", TO(RSET)},
    [SMTP_RSET] = {"rset", "RSET", TO(READY)},
    [SMTP_QUIT] = {"quit", "QUIT", 0},
    [SMTP_CLOSED] = {"closed", "nothing", 0},
#undef TO
};

void smtp_set_state(struct smtp_connection *connection, enum smtp_state state)
{
    bool allowed = connection->state != SMTP_CLOSED &&
                   (state == SMTP_CLOSED || (states[connection->state].next & (1u << state)) != 0);
    log_event(allowed ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
              allowed ? "smtp state" : "smtp state not allowed",
              LOG_TEXT("provider", smtp_config(connection->port)->name),
              LOG_TEXT("from", states[connection->state].name), LOG_TEXT("to", states[state].name));
    if (connection->trial != NULL)
        smtp_trial_step(connection, state, NULL);
    connection->state = state;
}

/* ---- deadlines: one timer, moved only when it fires ---- */

static void arm(struct smtp_connection *connection, int64_t now)
{
    int64_t wait = connection->deadline > now ? connection->deadline - now : 0;
    struct timeval tv = {.tv_sec = wait / CLOCK_SECOND, .tv_usec = wait % CLOCK_SECOND};
    connection->armed = connection->deadline;
    /* Without memory for a timer: look again at the loop's next turn. */
    if (event_add(connection->timer, &tv) != 0)
        event_active(connection->timer, EV_TIMEOUT, 0);
}

void smtp_set_deadline(struct smtp_connection *connection, int64_t microseconds)
{
    if (microseconds <= 0) {
        connection->deadline = 0;
        return;
    }
    int64_t now = clock_monotonic();
    connection->deadline = now + microseconds;
    if (connection->armed == 0 || connection->deadline < connection->armed)
        arm(connection, now);
}

static void note_silence(struct smtp_connection *connection)
{
    struct error why;
    error_set(&why, RESULT_UNAVAILABLE, "provider %s: no answer in time to %s",
              smtp_config(connection->port)->name, states[connection->state].awaited);
    if (provider_unanswered(connection->port->base.provider, &why))
        smtp_pool_retry(connection->port);
}

static void expired(struct smtp_connection *connection)
{
    if (connection->state > SMTP_READY && connection->state < SMTP_QUIT)
        note_silence(connection);
    switch (connection->state) {
    case SMTP_RESOLVING:
    case SMTP_CONNECTING:
        dial_expired(&connection->dial);
        break;
    case SMTP_READY:
        smtp_connection_quit(connection);
        break;
    case SMTP_DRAIN:
    case SMTP_RSET:
    case SMTP_QUIT:
        smtp_connection_close(connection);
        break;
    default:
        smtp_connection_fail(connection, "no answer in time to %s",
                             states[connection->state].awaited);
        break;
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct smtp_connection *connection = arg;
    connection->armed = 0;
    if (connection->deadline == 0)
        return;
    int64_t now = clock_monotonic();
    if (now < connection->deadline) {
        arm(connection, now);
        return;
    }
    connection->deadline = 0;
    expired(connection);
}

/* ---- life ---- */

static void run_release(struct loop_task *task)
{
    struct smtp_connection *connection = CONTAINER_OF(task, struct smtp_connection, release);
    dial_end(&connection->dial);
    smtp_trial_end(connection);
    free(connection);
}

/* All that was said in this turn goes out in one write. */
static struct bufferevent *flush_source(struct flush *flush)
{
    return CONTAINER_OF(flush, struct smtp_connection, flush)->bev;
}

static void flush_written(struct flush *flush)
{
    struct smtp_connection *connection = CONTAINER_OF(flush, struct smtp_connection, flush);
    if (connection->transaction != NULL)
        smtp_transaction_written(connection->transaction);
}

/* ---- from a name to a socket ---- */

static void on_resolved(struct dial *dial)
{
    smtp_set_state(CONTAINER_OF(dial, struct smtp_connection, dial), SMTP_CONNECTING);
}

static void on_trying(struct dial *dial)
{
    struct smtp_connection *connection = CONTAINER_OF(dial, struct smtp_connection, dial);
    smtp_set_deadline(connection, smtp_config(connection->port)->connect_timeout);
}

static void on_connected(struct dial *dial, int fd)
{
    struct smtp_connection *connection = CONTAINER_OF(dial, struct smtp_connection, dial);
    const struct provider_config *config = smtp_config(connection->port);
    bool tls = config->tls == TLS_IMPLICIT;
    connection->fd = fd;
    if (!smtp_connection_wrap(connection, tls)) {
        smtp_connection_fail(connection, "out of memory");
        return;
    }
    smtp_set_deadline(connection, config->connect_timeout);
    smtp_set_state(connection, tls ? SMTP_HANDSHAKE : SMTP_GREETING);
}

static void on_dial_failed(struct dial *dial, const struct error *why)
{
    smtp_connection_lost(CONTAINER_OF(dial, struct smtp_connection, dial), false, why);
}

static const struct dial_ops dial_ops = {.resolved = on_resolved,
                                         .trying = on_trying,
                                         .connected = on_connected,
                                         .failed = on_dial_failed};

void smtp_connection_dial(struct smtp_connection *connection)
{
    smtp_set_deadline(connection, smtp_config(connection->port)->connect_timeout);
    dial_begin(&connection->dial);
}

struct smtp_connection *smtp_connection_open(struct smtp_port *port)
{
    struct smtp_connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL)
        return NULL;
    connection->timer = event_new(loop_base(port->base.loop), -1, 0, on_timer, connection);
    if (connection->timer == NULL) {
        free(connection);
        return NULL;
    }
    connection->port = port;
    connection->fd = -1;
    dial_init(&connection->dial, &dial_ops, port->base.provider, port->base.loop);
    connection->flush = (struct flush){.source = flush_source, .written = flush_written};
    connection->release.run = run_release;
    TAILQ_INSERT_TAIL(&port->connections, connection, all);
    return connection;
}

void smtp_connection_bind(struct smtp_connection *connection, struct smtp_transaction *transaction)
{
    struct provider *provider = connection->port->base.provider;
    connection->transaction = transaction;
    transaction->connection = connection;
    pthread_mutex_lock(&provider->lock);
    provider->state.busy++;
    pthread_mutex_unlock(&provider->lock);
    if (connection->state == SMTP_READY)
        smtp_connection_begin(connection);
}

void smtp_connection_begin(struct smtp_connection *connection)
{
    connection->transactions++;
    smtp_set_deadline(connection, 0);
    smtp_set_state(connection, SMTP_ENVELOPE);
    smtp_transaction_start(connection->transaction);
}

void smtp_connection_unbind(struct smtp_connection *connection)
{
    struct provider *provider = connection->port->base.provider;
    if (connection->transaction == NULL)
        return;
    connection->transaction->connection = NULL;
    connection->transaction = NULL;
    pthread_mutex_lock(&provider->lock);
    provider->state.busy--;
    pthread_mutex_unlock(&provider->lock);
}

static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
    struct smtp_connection *connection = arg;
    if (info->n_added > 0)
        flush_later(connection->port->base.loop, &connection->flush);
    if (info->n_deleted == 0 ||
        (connection->state != SMTP_CONTENT && connection->state != SMTP_FINAL))
        return;
    /* Progress. With nothing left to write, only the answer to the dot is awaited. */
    if (evbuffer_get_length(output) > 0)
        smtp_set_deadline(connection, connection->port->base.provider->content_stall);
    else
        smtp_set_deadline(connection, connection->state == SMTP_FINAL
                                          ? smtp_config(connection->port)->final_timeout
                                          : 0);
}

struct evbuffer *smtp_output(const struct smtp_connection *connection)
{
    return bufferevent_get_output(connection->bev);
}

/* Gives the socket back in connection->fd when keep_socket, else closes it. */
static void drop_bufferevent(struct smtp_connection *connection, bool keep_socket)
{
    if (connection->bev == NULL)
        return;
    evbuffer_remove_cb(smtp_output(connection), on_output, connection);
    bufferevent_setcb(connection->bev, NULL, NULL, NULL, NULL);
    if (keep_socket) {
        connection->fd = bufferevent_getfd(connection->bev);
        bufferevent_setfd(connection->bev, -1);
    }
    bufferevent_free(connection->bev);
    connection->bev = NULL;
}

void smtp_connection_close(struct smtp_connection *connection)
{
    if (connection->state == SMTP_CLOSED)
        return;
    if (connection->probe)
        provider_abandoned(connection->port->base.provider, true);
    smtp_pool_remove_idle(connection);
    smtp_connection_unbind(connection);
    dial_forget(&connection->dial);
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
    smtp_set_state(connection, SMTP_CLOSED);
    drop_bufferevent(connection, false);
    flush_forget(connection->port->base.loop, &connection->flush);
    event_free(connection->timer);
    connection->timer = NULL;
    TAILQ_REMOVE(&connection->port->connections, connection, all);
    loop_defer(connection->port->base.loop, &connection->release);
    smtp_places_release(connection->port);
}

/* A connection that was lost before it could carry mail. */
static void attempt_failed(struct smtp_connection *connection, const struct error *why)
{
    bool opened = provider_unconnected(connection->port->base.provider, connection->probe, why);
    connection->probe = false;
    if (opened || connection->transaction == NULL)
        smtp_pool_retry(connection->port);
}

void smtp_connection_lost(struct smtp_connection *connection, bool peer_left,
                          const struct error *why)
{
    struct smtp_transaction *transaction = connection->transaction;
    enum smtp_state state = connection->state;
    if (state == SMTP_CLOSED)
        return;
    if (connection->trial != NULL)
        smtp_trial_step(connection, SMTP_CLOSED, why);
    else if (state < SMTP_READY)
        attempt_failed(connection, why);
    char error[sizeof(why->text)];
    reply_scrub(why->text, error, sizeof(error)); /* a reply may repeat the recipient's address */
    log_event(state < SMTP_READY || transaction != NULL ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG,
              "provider connection lost", LOG_TEXT("provider", smtp_config(connection->port)->name),
              LOG_TEXT("state", states[state].name), LOG_TEXT("error", error));
    bool may_retry = peer_left && connection->was_idle;
    smtp_connection_close(connection);
    if (transaction != NULL)
        smtp_transaction_lost(transaction, state, may_retry, why);
}

static void say_why(const struct smtp_connection *connection, struct error *why, const char *format,
                    va_list args)
{
    char text[400];
    vsnprintf(text, sizeof(text), format, args);
    error_set(why, RESULT_UNAVAILABLE, "provider %s: %s", smtp_config(connection->port)->name,
              text);
}

void smtp_connection_fail(struct smtp_connection *connection, const char *format, ...)
{
    struct error why;
    va_list args;
    va_start(args, format);
    say_why(connection, &why, format, args);
    va_end(args);
    smtp_connection_lost(connection, false, &why);
}

void smtp_connection_refused(struct smtp_connection *connection, bool turned_away,
                             const char *format, ...)
{
    struct smtp_port *port = connection->port;
    struct smtp_transaction *transaction = connection->transaction;
    struct error why;
    va_list args;
    va_start(args, format);
    say_why(connection, &why, format, args);
    va_end(args);
    if (!turned_away || connection->trial != NULL || !smtp_places_turned_away(port)) {
        smtp_connection_lost(connection, false, &why);
        return;
    }
    /* It answers, and has others of ours: nothing is wrong with it. */
    if (connection->probe)
        smtp_pool_retry(port);
    smtp_connection_close(connection);
    if (transaction != NULL)
        smtp_pool_acquire(port, transaction, false);
}

/* ---- saying ---- */

bool smtp_command(struct smtp_connection *connection, const char *format, ...)
{
    if (connection->outstanding == 0 &&
        (evbuffer_get_length(bufferevent_get_input(connection->bev)) > 0 ||
         reply_begun(&connection->parser))) {
        smtp_connection_fail(connection, "it sent what nobody asked for");
        return false;
    }
    va_list args;
    va_start(args, format);
    int added = evbuffer_add_vprintf(smtp_output(connection), format, args);
    va_end(args);
    if (added < 0 || evbuffer_add(smtp_output(connection), "\r\n", 2) != 0) {
        smtp_connection_fail(connection, "out of memory");
        return false;
    }
    if (connection->outstanding == 0)
        smtp_set_deadline(connection, smtp_config(connection->port)->reply_timeout);
    return true;
}

static void send_rset(struct smtp_connection *connection)
{
    smtp_set_state(connection, SMTP_RSET);
    smtp_command(connection, "RSET");
}

void smtp_connection_reset(struct smtp_connection *connection)
{
    smtp_set_state(connection, SMTP_DRAIN);
    if (connection->outstanding == 0)
        send_rset(connection);
}

void smtp_connection_quit(struct smtp_connection *connection)
{
    smtp_pool_remove_idle(connection);
    smtp_set_state(connection, SMTP_QUIT);
    if (smtp_command(connection, "QUIT"))
        smtp_set_deadline(connection, QUIT_TIMEOUT);
}

bool smtp_connection_stale(const struct smtp_connection *connection)
{
    /* Under TLS a readable socket may hold a mere session ticket: nothing can be said. */
    if (connection->secure)
        return false;
    char byte;
    ssize_t got = recv(bufferevent_getfd(connection->bev), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* ---- hearing ---- */

static void take_reply(struct smtp_connection *connection, const struct mail_reply *reply)
{
    bool more = evbuffer_get_length(bufferevent_get_input(connection->bev)) > 0;
    switch (connection->state) {
    case SMTP_GREETING:
    case SMTP_EHLO:
    case SMTP_STARTTLS:
    case SMTP_AUTH:
        /* After STARTTLS this is what somebody slipped in before the handshake (RFC 3207, 6). */
        if (more)
            smtp_connection_fail(connection, "it sent more than the answer to %s",
                                 states[connection->state].awaited);
        else {
            smtp_trial_heard(connection, reply);
            smtp_hello_reply(connection, reply);
        }
        break;
    case SMTP_ENVELOPE:
    case SMTP_DATA:
    case SMTP_CONTENT:
    case SMTP_FINAL:
        smtp_transaction_reply(connection->transaction, reply);
        break;
    case SMTP_DRAIN:
        connection->outstanding--;
        if (reply->code == 421)
            smtp_connection_close(connection);
        else if (connection->outstanding == 0)
            send_rset(connection);
        else
            smtp_set_deadline(connection, smtp_config(connection->port)->reply_timeout);
        break;
    case SMTP_RSET:
        provider_answered(connection->port->base.provider);
        if (reply->code / 100 == 2 && !more)
            smtp_pool_ready(connection);
        else
            smtp_connection_close(connection);
        break;
    default:
        smtp_connection_close(connection);
        break;
    }
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct smtp_connection *connection = arg;
    /* A new TLS layer has a new bufferevent: its bytes come with its own callback. */
    while (connection->bev == bev) {
        struct evbuffer *input = bufferevent_get_input(bev);
        if (evbuffer_get_length(input) == 0)
            return;
        if (connection->state == SMTP_READY) {
            smtp_connection_fail(connection, "it spoke while idle");
            return;
        }
        enum reply_status status =
            reply_parse(&connection->parser, input,
                        connection->state == SMTP_EHLO ? smtp_hello_line : NULL, connection);
        if (status == REPLY_GARBAGE)
            smtp_connection_fail(connection, "it sent what is no SMTP reply");
        else if (status == REPLY_MORE && connection->state == SMTP_CONTENT)
            smtp_connection_fail(connection, "it spoke before the end of the content");
        else if (status == REPLY_DONE)
            take_reply(connection, &connection->parser.reply);
        if (status != REPLY_DONE)
            return;
    }
}

static void on_write(struct bufferevent *bev, void *arg)
{
    (void)bev;
    struct smtp_connection *connection = arg;
    if (connection->transaction != NULL)
        smtp_transaction_written(connection->transaction);
}

static void tls_failed(struct smtp_connection *connection, struct bufferevent *bev, short events)
{
    char text[160];
    dial_tls_problem(&connection->dial, bev, events, text, sizeof(text));
    smtp_connection_fail(connection, "the TLS handshake failed (%s)", text);
}

static void on_event(struct bufferevent *bev, short events, void *arg)
{
    struct smtp_connection *connection = arg;
    if ((events & BEV_EVENT_CONNECTED) != 0) {
        if (connection->state == SMTP_HANDSHAKE)
            smtp_hello_secured(connection);
        return;
    }
    struct error why;
    int failed = EVUTIL_SOCKET_ERROR();
    if (connection->state == SMTP_HANDSHAKE) {
        tls_failed(connection, bev, events);
        return;
    }
    const char *name = smtp_config(connection->port)->name;
    if ((events & BEV_EVENT_ERROR) != 0 && failed != 0 && !connection->secure)
        error_errno(&why, RESULT_UNAVAILABLE, failed, "provider %s: the connection broke", name);
    else
        error_set(&why, RESULT_UNAVAILABLE, "provider %s: it closed the connection", name);
    smtp_connection_lost(connection, true, &why);
}

bool smtp_connection_wrap(struct smtp_connection *connection, bool tls)
{
    drop_bufferevent(connection, true);
    connection->bev =
        dial_wrap(&connection->dial, connection->fd, tls,
                  connection->trial != NULL ? smtp_trial_certificate(connection) : NULL);
    if (connection->bev == NULL)
        return false;
    connection->fd = -1;
    reply_reset(&connection->parser);
    bufferevent_setcb(connection->bev, on_read, on_write, on_event, connection);
    bufferevent_setwatermark(connection->bev, EV_WRITE, MAIL_PENDING_LOW - 1, 0);
    return evbuffer_add_cb(smtp_output(connection), on_output, connection) != NULL &&
           bufferevent_enable(connection->bev, EV_READ | EV_WRITE) == 0;
}
