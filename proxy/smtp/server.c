/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session's connection: its beginning, TLS, states and deadlines, replies, its end. What the
 * partner sends is taken up in input.c.
 */
#include "proxy/smtp/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERRORS_MAX   20
#define HANDSHAKE_US (30 * CLOCK_SECOND)
/* A balancer sends its header with the first packet, and one lost packet comes again within three
 * seconds. */
#define PROXY_US   (5 * CLOCK_SECOND)
#define CLOSING_US (10 * CLOCK_SECOND)

/* ---- states ---- */

#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned next; /* states that may follow; SMTP_CLOSING may always */
} states[SMTP_STATE_COUNT] = {
    [SMTP_PROXY] = {"PROXY", BIT(SMTP_COMMAND) | BIT(SMTP_HANDSHAKE)},
    [SMTP_COMMAND] = {"COMMAND", BIT(SMTP_AUTH) | BIT(SMTP_AUTH_CHECK) | BIT(SMTP_PENALTY) |
                                     BIT(SMTP_TLS_FLUSH) | BIT(SMTP_HANDSHAKE) |
                                     BIT(SMTP_REFUSING) | BIT(SMTP_HEADER) | BIT(SMTP_DRAIN)},
    [SMTP_AUTH] = {"AUTH", BIT(SMTP_COMMAND) | BIT(SMTP_AUTH_CHECK) | BIT(SMTP_PENALTY)},
    [SMTP_AUTH_CHECK] = {"AUTH_CHECK", BIT(SMTP_COMMAND) | BIT(SMTP_PENALTY)},
    [SMTP_PENALTY] = {"PENALTY", BIT(SMTP_COMMAND)},
    [SMTP_TLS_FLUSH] = {"TLS_FLUSH", BIT(SMTP_HANDSHAKE)},
    [SMTP_HANDSHAKE] = {"HANDSHAKE", BIT(SMTP_COMMAND)},
    [SMTP_REFUSING] = {"REFUSING", BIT(SMTP_COMMAND)},
    [SMTP_HEADER] = {"HEADER", BIT(SMTP_JUDGING) | BIT(SMTP_DRAIN)},
    [SMTP_JUDGING] = {"JUDGING", BIT(SMTP_BODY) | BIT(SMTP_DRAIN)},
    [SMTP_BODY] = {"BODY", BIT(SMTP_FINAL) | BIT(SMTP_DRAIN)},
    [SMTP_DRAIN] = {"DRAIN", BIT(SMTP_DRAINED) | BIT(SMTP_COMMAND)},
    [SMTP_DRAINED] = {"DRAINED", BIT(SMTP_COMMAND)},
    [SMTP_FINAL] = {"FINAL", BIT(SMTP_COMMAND)},
    [SMTP_CLOSING] = {"CLOSING", 0},
};

static int64_t patience(const struct smtp_session *session, enum smtp_state state)
{
    switch (state) {
    case SMTP_HANDSHAKE:
    case SMTP_TLS_FLUSH:
        return HANDSHAKE_US;
    case SMTP_PROXY:
        return PROXY_US;
    case SMTP_CLOSING:
        return CLOSING_US;
    case SMTP_PENALTY: {
        /* From when the password came, so that it shows nothing of how long the hash took. */
        int64_t left = session->auth_began + session->auth_delay - clock_monotonic();
        return left > 0 ? left : 0;
    }
    case SMTP_AUTH_CHECK:
    case SMTP_REFUSING:
    case SMTP_JUDGING:
    case SMTP_DRAINED:
    case SMTP_FINAL:
        /* Others owe the next step, and they have deadlines of their own. */
        return INT64_MAX;
    default:
        return session->listener->idle_timeout;
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg);

/* The timer fires at the deadline it was set for and then looks whether that has moved: setting a
 * later deadline, which happens with every command, costs a store and no call. */
static void arm_timer(struct smtp_session *session)
{
    if (session->deadline == INT64_MAX || session->timer_at <= session->deadline)
        return;
    int64_t wait = session->deadline - clock_monotonic();
    if (wait < 1000)
        wait = 1000;
    struct timeval tv = {.tv_sec = wait / CLOCK_SECOND, .tv_usec = wait % CLOCK_SECOND};
    event_add(session->timer, &tv);
    session->timer_at = session->deadline;
}

void smtp_touch(struct smtp_session *session)
{
    int64_t wait = patience(session, session->state);
    int64_t now = clock_monotonic();
    int64_t fence = smtp_fence(session, now);
    session->idle_deadline = wait == INT64_MAX ? INT64_MAX : now + wait;
    session->deadline =
        wait != INT64_MAX && fence < session->idle_deadline ? fence : session->idle_deadline;
    arm_timer(session);
}

void smtp_enter(struct smtp_session *session, enum smtp_state state)
{
    if (state != SMTP_CLOSING && (states[session->state].next & BIT(state)) == 0) {
        log_event(LOG_LEVEL_ERROR, "smtp state transition not allowed",
                  LOG_TEXT("session", session->id), LOG_TEXT("from", states[session->state].name),
                  LOG_TEXT("to", states[state].name));
        /* Fail closed: a session that lost its way must not carry anything. */
        smtp_end(session, "internal error");
        return;
    }
    log_event(LOG_LEVEL_DEBUG, "smtp state", LOG_TEXT("session", session->id),
              LOG_TEXT("from", states[session->state].name), LOG_TEXT("to", states[state].name));
    bool content_begins =
        session->state == SMTP_COMMAND && (state == SMTP_HEADER || state == SMTP_DRAIN);
    session->state = state;
    if (content_begins)
        smtp_pace_start(session);
    smtp_touch(session);
}

/* ---- replies ---- */

/* One line of a reply. A partner must never see a line break that was not meant as one. */
static size_t format_reply(char out[1024], int code, bool more, const char *text, size_t length)
{
    size_t n = 0;
    for (int unit = 100; unit > 0; unit /= 10)
        out[n++] = (char)('0' + code / unit % 10);
    out[n++] = more ? '-' : ' ';
    for (size_t i = 0; i < length && i < 1000; i++) {
        bool control = (unsigned char)text[i] < 0x20 || text[i] == 0x7f;
        out[n++] = control ? '?' : text[i];
    }
    out[n++] = '\r';
    out[n++] = '\n';
    return n;
}

void smtp_reply(struct smtp_session *session, int code, const char *text)
{
    struct evbuffer *output = bufferevent_get_output(session->bev);
    while (text != NULL) {
        const char *line_end = strchr(text, '\n');
        size_t length = line_end != NULL ? (size_t)(line_end - text) : strlen(text);
        char line[1024];
        size_t n = format_reply(line, code, line_end != NULL, text, length);
        if (evbuffer_add(output, line, n) != 0) {
            smtp_end(session, "out of memory");
            return;
        }
        text = line_end != NULL ? line_end + 1 : NULL;
    }
}

void smtp_refuse(struct smtp_session *session, int code, const char *text)
{
    smtp_reply(session, code, text);
    if (++session->errors < ERRORS_MAX)
        return;
    smtp_reply(session, 421, "4.7.0 Too many errors, closing");
    smtp_close(session);
}

void smtp_close(struct smtp_session *session)
{
    if (session->ended || session->state == SMTP_CLOSING)
        return;
    smtp_transaction_end(session);
    smtp_enter(session, SMTP_CLOSING);
    bufferevent_disable(session->bev, EV_READ);
    if (evbuffer_get_length(bufferevent_get_output(session->bev)) == 0)
        smtp_end(session, "closed");
}

/* ---- the end ---- */

/* Says close_notify, so that the peer can tell an end from a cut (RFC 8446, 6.1). What the socket
 * does not take at once is not worth waiting for. */
static void end_tls(struct smtp_session *session)
{
    SSL *ssl = bufferevent_openssl_get_ssl(session->bev);
    if (ssl == NULL || !SSL_is_init_finished(ssl))
        return;
    SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
    SSL_shutdown(ssl);
    ERR_clear_error();
}

static void free_session(struct loop_task *task)
{
    struct smtp_session *session = (struct smtp_session *)task;
    flush_forget(session->lane->loop, &session->flush);
    if (session->bev != NULL) {
        end_tls(session);
        bufferevent_free(session->bev);
    }
    if (session->timer != NULL)
        event_free(session->timer);
    snapshot_unref(&session->snapshot);
    free(session->auth_name);
    free(session->helo);
    free(session);
}

void smtp_end(struct smtp_session *session, const char *why)
{
    if (session->ended)
        return;
    smtp_transaction_end(session);
    smtp_auth_abandoned(session);
    session->ended = true;
    /* Of strangers there may be thousands a second: what they were refused is counted already. */
    bool stranger = session->refused || session->account == NULL;
    log_event(stranger ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "session ended",
              LOG_TEXT("session", session->id), LOG_TEXT("peer", session->peer_text),
              LOG_TEXT("account", session->account != NULL ? session->account->name : "-"),
              LOG_TEXT("why", why));
    smtp_leave(session);
    bufferevent_setcb(session->bev, NULL, NULL, NULL, NULL);
    bufferevent_disable(session->bev, EV_READ | EV_WRITE);
    event_del(session->timer);
    ticket_revoke(session->lane->sessions, session->ticket);
    atomic_fetch_sub(&session->entrance->sessions, 1);
    atomic_fetch_sub(&session->lane->gate->sessions, 1);
    session->end_task.run = free_session;
    loop_defer(session->lane->loop, &session->end_task);
}

struct smtp_session *smtp_redeem(void *lane, struct ticket ticket)
{
    return ticket_redeem(((struct lane *)lane)->sessions, ticket);
}

/* ---- who it is ---- */

void smtp_identify(struct smtp_session *session)
{
    if (session->authenticated)
        return;
    session->account =
        config_account_of_peer(session->snapshot->config, (const struct sockaddr *)&session->peer,
                               session->fingerprint[0] ? session->fingerprint : NULL);
}

bool smtp_auth_allowed(const struct smtp_session *session)
{
    return session->tls_active || session->loopback;
}

static const void *address_of(const struct sockaddr_storage *peer)
{
    return peer->ss_family == AF_INET6
               ? (const void *)&((const struct sockaddr_in6 *)peer)->sin6_addr
               : (const void *)&((const struct sockaddr_in *)peer)->sin_addr;
}

const struct sockaddr_storage *smtp_shown_peer(const struct smtp_session *session)
{
    return session->peer.ss_family != AF_UNSPEC ? &session->peer : &session->connection;
}

bool smtp_peer_known(struct smtp_session *session)
{
    const struct sockaddr_storage *shown = smtp_shown_peer(session);
    /* A client that a balancer vouches for is not on this machine because the balancer is. */
    session->loopback = peer_is_loopback((const struct sockaddr *)&session->connection) &&
                        peer_is_loopback((const struct sockaddr *)&session->peer);
    session->balancer = smtp_is_trusted(session, &session->peer);
    if (inet_ntop(shown->ss_family, address_of(shown), session->peer_text,
                  sizeof(session->peer_text)) == NULL)
        str_copy(session->peer_text, sizeof(session->peer_text), "unknown");
    smtp_identify(session);
    return smtp_admit_address(session) && smtp_admit_partner(session);
}

void smtp_start_over(struct smtp_session *session)
{
    session->greeted = session->extended = false;
    free(session->helo);
    session->helo = NULL;
    session->authenticated = false;
    session->account = NULL;
    smtp_identify(session);
}

/* ---- libevent's callbacks ---- */

void smtp_greet(struct smtp_session *session)
{
    char text[320];
    snprintf(text, sizeof(text), "%s ESMTP octroi", session->snapshot->config->hostname);
    smtp_reply(session, 220, text);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    smtp_continue(arg);
}

/* All replies are out. */
static void on_written(struct bufferevent *bev, void *arg)
{
    (void)bev;
    struct smtp_session *session = arg;
    if (session->state == SMTP_CLOSING)
        smtp_end(session, "closed");
    else if (session->state == SMTP_TLS_FLUSH)
        smtp_start_handshake(session);
    else
        smtp_continue(session);
}

static void on_secured(struct smtp_session *session)
{
    SSL *ssl = bufferevent_openssl_get_ssl(session->bev);
    bool after_starttls = session->greeted;
    if (session->forwarded || !tls_peer_fingerprint(ssl, session->fingerprint))
        session->fingerprint[0] = '\0';
    session->tls_active = true;
    /* RFC 3207, 4.2: what was learned in clear is forgotten. */
    smtp_start_over(session);
    smtp_enter(session, SMTP_COMMAND);
    if (!smtp_admit_partner(session))
        return;
    if (!after_starttls && !session->lane->draining)
        smtp_greet(session);
    smtp_continue(session);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct smtp_session *session = arg;
    if ((what & BEV_EVENT_CONNECTED) != 0) {
        if (session->state == SMTP_HANDSHAKE)
            on_secured(session);
        return;
    }
    if (session->state == SMTP_HANDSHAKE) {
        unsigned long code = bufferevent_get_openssl_error(bev);
        char reason[160] = "peer closed the connection";
        if (code != 0)
            ERR_error_string_n(code, reason, sizeof(reason));
        refusals_add(&session->lane->gate->refusals, REFUSAL_HANDSHAKE, session->id,
                     session->peer_text, reason);
        smtp_end(session, "TLS handshake failed");
        return;
    }
    session->peer_closed = true;
    if ((what & BEV_EVENT_EOF) != 0) {
        smtp_continue(session);
    } else if (session->state == SMTP_FINAL) {
        /* The provider may yet say that it took the message: that has to be journalled. */
        bufferevent_disable(bev, EV_READ | EV_WRITE);
    } else {
        smtp_end(session, "connection lost");
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct smtp_session *session = arg;
    session->timer_at = INT64_MAX;
    if (session->deadline == INT64_MAX)
        return;
    if (clock_monotonic() < session->deadline) {
        arm_timer(session);
        return;
    }
    switch (session->state) {
    case SMTP_PENALTY:
        smtp_auth_penalty_over(session);
        break;
    case SMTP_PROXY:
    case SMTP_HANDSHAKE:
    case SMTP_TLS_FLUSH:
        refusals_add(&session->lane->gate->refusals, REFUSAL_HANDSHAKE, session->id,
                     session->peer_text, "timed out");
        smtp_end(session, "timed out");
        break;
    case SMTP_CLOSING:
        smtp_end(session, "timed out");
        break;
    default:
        if (!smtp_waits_for_peer(session)) {
            /* It is the provider who is late, and it has deadlines of its own. */
            smtp_touch(session);
            break;
        }
        if (!smtp_time_out(session)) {
            int64_t fence = smtp_fence(session, clock_monotonic());
            session->deadline = fence < session->idle_deadline ? fence : session->idle_deadline;
            arm_timer(session);
        }
    }
}

static void set_callbacks(struct smtp_session *session)
{
    bufferevent_setcb(session->bev, on_read, on_written, on_event, session);
}

/* ---- TLS ---- */

void smtp_start_handshake(struct smtp_session *session)
{
    smtp_enter(session, SMTP_HANDSHAKE);
    evutil_socket_t fd = bufferevent_getfd(session->bev);
    SSL *ssl = SSL_new(session->tls_context);
    if (ssl == NULL) {
        smtp_end(session, "out of memory");
        return;
    }
    /* The plain bufferevent goes, and with it whatever the client sent before TLS: nothing read in
     * clear is ever taken for something said under TLS. */
    bufferevent_disable(session->bev, EV_READ | EV_WRITE);
    bufferevent_setcb(session->bev, NULL, NULL, NULL, NULL);
    struct bufferevent *plain = session->bev;
    struct bufferevent *secure = bufferevent_openssl_socket_new(
        loop_base(session->lane->loop), fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (secure == NULL) {
        /* Out of memory halfway: libevent may or may not have freed ssl, and losing it is better
         * than freeing it twice. The plain one still has the socket, and closes it. */
        smtp_end(session, "out of memory");
        return;
    }
    bufferevent_setfd(plain, -1);
    bufferevent_free(plain);
    bufferevent_openssl_set_allow_dirty_shutdown(secure, 1);
    session->bev = secure;
    session->reading_paused = false;
    set_callbacks(session);
    bufferevent_enable(secure, EV_READ | EV_WRITE);
}

/* ---- beginning ---- */

void smtp_begin(struct smtp_session *session)
{
    log_event(LOG_LEVEL_DEBUG, "session opened", LOG_TEXT("session", session->id),
              LOG_TEXT("listener", session->listener->name), LOG_TEXT("peer", session->peer_text));
    if (session->listener->tls == TLS_IMPLICIT) {
        smtp_start_handshake(session);
        return;
    }
    smtp_touch(session);
    bufferevent_enable(session->bev, EV_READ | EV_WRITE);
    if (session->lane->draining)
        smtp_continue(session); /* 421 instead of a greeting */
    else
        smtp_greet(session);
}

static struct smtp_session *new_session(struct lane *lane, struct bufferevent *bev)
{
    struct smtp_session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return NULL;
    session->timer = event_new(loop_base(lane->loop), -1, 0, on_timer, session);
    session->ticket = ticket_issue(lane->sessions, session);
    if (session->timer == NULL || session->ticket.generation == 0) {
        if (session->timer != NULL)
            event_free(session->timer);
        ticket_revoke(lane->sessions, session->ticket);
        free(session);
        return NULL;
    }
    session->state = SMTP_COMMAND;
    session->lane = lane;
    session->bev = bev;
    session->flush.source = smtp_flush_source;
    session->timer_at = INT64_MAX;
    session->snapshot = snapshot_ref(lane->snapshot);
    return session;
}

struct smtp_session *smtp_serve(struct lane *lane, struct entrance *entrance, size_t listener,
                                struct bufferevent *bev, const struct sockaddr *peer)
{
    struct smtp_session *session = new_session(lane, bev);
    if (session == NULL) {
        bufferevent_free(bev);
        atomic_fetch_sub(&entrance->sessions, 1);
        atomic_fetch_sub(&lane->gate->sessions, 1);
        return NULL;
    }
    session->entrance = entrance;
    session->listener = &session->snapshot->config->listeners[listener];
    session->tls_context = session->snapshot->tls[listener];
    session->login_deadline = clock_monotonic() + session->listener->login_timeout;
    record_new_id(session->id);
    memcpy(&session->connection, peer,
           peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
    set_callbacks(session);
    if (session->listener->proxy_protocol) {
        smtp_await_header(session);
    } else {
        session->peer = session->connection;
        if (smtp_peer_known(session))
            smtp_begin(session);
    }
    return session->ended ? NULL : session;
}

/* ---- for all sessions of a lane ---- */

static void drain_one(void *object, void *arg)
{
    (void)arg;
    smtp_continue(object);
}

void smtp_drain(struct lane *lane)
{
    lane->draining = true;
    ticket_each(lane->sessions, drain_one, NULL);
}

static void abort_one(void *object, void *arg)
{
    (void)arg;
    struct smtp_session *session = object;
    /* What was answered in this turn may tell of a message that the provider has. */
    if (!session->ended && !session->tls_active && session->state != SMTP_HANDSHAKE)
        flush_now(session->bev);
    smtp_end(session, "the gate shuts down");
}

void smtp_abort_all(struct lane *lane)
{
    ticket_each(lane->sessions, abort_one, NULL);
}
