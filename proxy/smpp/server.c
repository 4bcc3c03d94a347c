/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SMPP session's connection: its beginning, TLS, states, output, its end. What the partner sends
 * is taken up in input.c, what it takes too long for in timers.c.
 */
#include "proxy/smpp/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* ---- states ---- */

static const struct {
    const char *name;
    unsigned next; /* states that may follow; ESME_CLOSING may always */
} states[ESME_STATE_COUNT] = {
    [ESME_HANDSHAKE] = {"HANDSHAKE", ESME_BIT(ESME_OPEN)},
    [ESME_OPEN] = {"OPEN", ESME_BIT(ESME_AUTH_CHECK) | ESME_BOUND},
    [ESME_AUTH_CHECK] = {"AUTH_CHECK", ESME_BIT(ESME_OPEN) | ESME_BIT(ESME_PENALTY) | ESME_BOUND},
    [ESME_PENALTY] = {"PENALTY", ESME_BIT(ESME_OPEN) | ESME_BOUND},
    [ESME_BOUND_TX] = {"BOUND_TX", ESME_BIT(ESME_UNBINDING)},
    [ESME_BOUND_RX] = {"BOUND_RX", ESME_BIT(ESME_UNBINDING)},
    [ESME_BOUND_TRX] = {"BOUND_TRX", ESME_BIT(ESME_UNBINDING)},
    [ESME_UNBINDING] = {"UNBINDING", 0},
    [ESME_CLOSING] = {"CLOSING", 0},
};

const char *esme_state_name(enum esme_state state)
{
    return states[state].name;
}

void esme_enter(struct smpp_session *session, enum esme_state state)
{
    if (state != ESME_CLOSING && (states[session->state].next & ESME_BIT(state)) == 0) {
        log_event(LOG_LEVEL_ERROR, "smpp state transition not allowed",
                  LOG_TEXT("session", session->id), LOG_TEXT("from", states[session->state].name),
                  LOG_TEXT("to", states[state].name));
        /* Fail closed: a session that lost its way must not carry anything. */
        esme_end(session, "internal error");
        return;
    }
    log_event(LOG_LEVEL_DEBUG, "smpp state", LOG_TEXT("session", session->id),
              LOG_TEXT("from", states[session->state].name), LOG_TEXT("to", states[state].name));
    session->state = state;
    session->state_deadline = esme_patience(session, state);
    if (!esme_is(session, ESME_BOUND))
        session->enquire_deadline = ESME_NEVER;
    if (!esme_is(session, ESME_RECEIVES))
        esme_receive_no_more(session);
    esme_arm(session);
}

/* ---- output ---- */

bool esme_write(struct smpp_session *session, const void *pdu, size_t length)
{
    if (session->ended)
        return false;
    if (evbuffer_add(bufferevent_get_output(session->bev), pdu, length) == 0)
        return true;
    esme_end(session, "out of memory");
    return false;
}

void esme_answer(struct smpp_session *session, uint32_t command, uint32_t status, uint32_t sequence)
{
    uint8_t pdu[SMPP_HEADER_BYTES];
    size_t length = smpp_header_write(pdu, sizeof(pdu), SMPP_RESP(command), status, sequence);
    esme_write(session, pdu, length);
}

uint32_t esme_next_sequence(struct smpp_session *session)
{
    /* 1 … 0x7fffffff (3.4, 3.2): others are reserved. */
    session->sequence = session->sequence >= 0x7fffffff ? 1 : session->sequence + 1;
    return session->sequence;
}

void esme_unbind(struct smpp_session *session, const char *why)
{
    uint8_t pdu[SMPP_HEADER_BYTES];
    session->unbind_sequence = esme_next_sequence(session);
    session->unbind_theirs = false;
    session->close_why = why;
    size_t length = smpp_header_write(pdu, sizeof(pdu), SMPP_UNBIND, 0, session->unbind_sequence);
    if (!esme_write(session, pdu, length))
        return;
    esme_enter(session, ESME_UNBINDING);
    esme_flush(session);
}

void esme_close(struct smpp_session *session, const char *why)
{
    if (session->ended || session->state == ESME_CLOSING)
        return;
    esme_bind_abandoned(session);
    esme_enter(session, ESME_CLOSING);
    session->close_why = why;
    bufferevent_disable(session->bev, EV_READ);
    if (evbuffer_get_length(bufferevent_get_output(session->bev)) == 0)
        esme_end(session, why);
    else /* libevent writes, and calls when it has: it must not find that somebody else did */
        flush_forget(session->lane->loop, &session->flush);
}

/* ---- the end ---- */

/* Says close_notify, so that the peer can tell an end from a cut (RFC 8446, 6.1). What the socket
 * does not take at once is not worth waiting for. */
static void end_tls(struct smpp_session *session)
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
    struct smpp_session *session = (struct smpp_session *)task;
    if (session->bev != NULL) {
        flush_forget(session->lane->loop, &session->flush);
        end_tls(session);
        bufferevent_free(session->bev);
        session->bev = NULL;
        event_free(session->timer);
        session->timer = NULL;
    }
    if (!session->released)
        return; /* it comes again when what is in flight was replied to */
    esme_multi_free_all(session);
    snapshot_unref(&session->snapshot);
    free(session->flights);
    free(session->delivered);
    free(session);
}

/* The connection is over and nothing is in flight. */
static void release(struct smpp_session *session)
{
    bool pending = session->bev != NULL; /* the task is on its way already */
    session->released = true;
    ticket_revoke(session->lane->binds, session->ticket);
    if (!pending)
        loop_defer(session->lane->loop, &session->end_task);
}

void esme_end(struct smpp_session *session, const char *why)
{
    if (session->ended)
        return;
    esme_receive_no_more(session);
    esme_bind_abandoned(session);
    session->ended = true;
    /* Of strangers there may be thousands a second: what they were refused is counted already. */
    bool stranger = session->refused || session->account == NULL;
    log_event(stranger ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "session ended",
              LOG_TEXT("session", session->id), LOG_TEXT("peer", session->peer_text),
              LOG_TEXT("account", session->account != NULL ? session->account->name : "-"),
              LOG_NUMBER("submitted", session->submitted), LOG_TEXT("why", why));
    esme_leave(session);
    bufferevent_setcb(session->bev, NULL, NULL, NULL, NULL);
    bufferevent_disable(session->bev, EV_READ | EV_WRITE);
    event_del(session->timer);
    atomic_fetch_sub(&session->entrance->sessions, 1);
    atomic_fetch_sub(&session->lane->gate->sessions, 1);
    session->end_task.run = free_session;
    loop_defer(session->lane->loop, &session->end_task);
    if (session->open == 0)
        release(session);
}

struct smpp_session *esme_redeem(void *lane, struct ticket ticket)
{
    return ticket_redeem(((struct lane *)lane)->binds, ticket);
}

/* ---- what was waited for ---- */

/* A session with nothing under way leaves; others may finish, and are asked again. */
static void drain(struct smpp_session *session)
{
    switch (session->state) {
    case ESME_OPEN:
    case ESME_HANDSHAKE:
        esme_close(session, "the gate drains");
        break;
    case ESME_PENALTY:
        /* A guesser's penalty does not hold up a restart. */
        esme_answer(session, session->bind_command, SMPP_RBINDFAIL, session->bind_sequence);
        esme_close(session, "the gate drains");
        break;
    case ESME_BOUND_TX:
    case ESME_BOUND_RX:
    case ESME_BOUND_TRX:
        if (session->open == 0 && session->n_delivered == 0)
            esme_unbind(session, "the gate drains");
        break;
    default:
        break;
    }
}

void esme_settle(struct smpp_session *session)
{
    if (session->ended) {
        if (session->open == 0 && !session->released)
            release(session);
        return;
    }
    if (session->state == ESME_CLOSING || session->processing)
        return;
    if (session->state == ESME_UNBINDING && session->unbind_theirs && session->open == 0) {
        esme_answer(session, SMPP_UNBIND, SMPP_ROK, session->unbind_sequence);
        esme_close(session, "unbound");
        return;
    }
    /* A peer that closed only its sending side still reads: what it asked is answered. */
    bool others = session->open > 0 || session->state == ESME_AUTH_CHECK ||
                  session->state == ESME_PENALTY || esme_stalled(session);
    if (session->peer_closed && !others)
        esme_close(session, "closed by the peer");
    else if (session->lane->draining)
        drain(session);
}

/* ---- libevent's callbacks ---- */

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    struct smpp_session *session = arg;
    esme_heard(session, clock_monotonic());
    esme_continue(session);
}

/* All output is out. */
static void on_written(struct bufferevent *bev, void *arg)
{
    (void)bev;
    struct smpp_session *session = arg;
    session->stalled_deadline = ESME_NEVER;
    if (session->state == ESME_CLOSING)
        esme_end(session, session->close_why);
    else
        esme_continue(session);
}

static void on_secured(struct smpp_session *session)
{
    SSL *ssl = bufferevent_openssl_get_ssl(session->bev);
    if (!tls_peer_fingerprint(ssl, session->fingerprint))
        session->fingerprint[0] = '\0';
    session->tls_active = true;
    esme_enter(session, ESME_OPEN);
    esme_continue(session);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct smpp_session *session = arg;
    if ((what & BEV_EVENT_CONNECTED) != 0) {
        if (session->state == ESME_HANDSHAKE)
            on_secured(session);
        return;
    }
    if (session->state == ESME_HANDSHAKE) {
        unsigned long code = bufferevent_get_openssl_error(bev);
        char reason[160] = "peer closed the connection";
        if (code != 0)
            ERR_error_string_n(code, reason, sizeof(reason));
        refusals_add(&session->lane->gate->refusals, REFUSAL_HANDSHAKE, session->id,
                     session->peer_text, reason);
        esme_end(session, "TLS handshake failed");
        return;
    }
    session->peer_closed = true;
    if ((what & BEV_EVENT_EOF) != 0) {
        /* It will answer nothing any more. */
        session->enquire_deadline = ESME_NEVER;
        esme_receive_no_more(session);
        esme_continue(session);
    } else {
        esme_end(session, "connection lost");
    }
}

static void set_callbacks(struct smpp_session *session)
{
    bufferevent_setcb(session->bev, on_read, on_written, on_event, session);
}

/* ---- beginning ---- */

static void start_handshake(struct smpp_session *session)
{
    evutil_socket_t fd = bufferevent_getfd(session->bev);
    SSL *ssl = SSL_new(session->tls_context);
    if (ssl == NULL) {
        esme_end(session, "out of memory");
        return;
    }
    struct bufferevent *plain = session->bev;
    bufferevent_setcb(plain, NULL, NULL, NULL, NULL);
    struct bufferevent *secure = bufferevent_openssl_socket_new(
        loop_base(session->lane->loop), fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (secure == NULL) {
        /* Out of memory halfway: libevent may or may not have freed ssl, and losing it is better
         * than freeing it twice. The plain one still has the socket, and closes it. */
        esme_end(session, "out of memory");
        return;
    }
    bufferevent_setfd(plain, -1);
    bufferevent_free(plain);
    bufferevent_openssl_set_allow_dirty_shutdown(secure, 1);
    session->bev = secure;
    set_callbacks(session);
    bufferevent_enable(secure, EV_READ | EV_WRITE);
}

static struct smpp_session *new_session(struct lane *lane, struct bufferevent *bev)
{
    struct smpp_session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return NULL;
    session->timer = event_new(loop_base(lane->loop), -1, 0, esme_on_timer, session);
    session->ticket = ticket_issue(lane->binds, session);
    if (session->timer == NULL || session->ticket.generation == 0) {
        if (session->timer != NULL)
            event_free(session->timer);
        ticket_revoke(lane->binds, session->ticket);
        free(session);
        return NULL;
    }
    session->lane = lane;
    session->bev = bev;
    session->flush.source = esme_flush_source;
    session->first_free = UINT32_MAX;
    session->timer_at = session->state_deadline = session->partial_deadline = ESME_NEVER;
    session->stalled_deadline = session->enquire_deadline = ESME_NEVER;
    session->snapshot = snapshot_ref(lane->snapshot);
    return session;
}

static void name_peer(struct smpp_session *session, const struct sockaddr *peer)
{
    bool six = peer->sa_family == AF_INET6;
    memcpy(&session->peer, peer, six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
    const void *address = six ? (const void *)&((const struct sockaddr_in6 *)peer)->sin6_addr
                              : (const void *)&((const struct sockaddr_in *)peer)->sin_addr;
    if (inet_ntop(peer->sa_family, address, session->peer_text, sizeof(session->peer_text)) == NULL)
        str_copy(session->peer_text, sizeof(session->peer_text), "unknown");
}

struct smpp_session *smpp_serve(struct lane *lane, struct entrance *entrance, size_t listener,
                                struct bufferevent *bev, const struct sockaddr *peer)
{
    struct smpp_session *session = new_session(lane, bev);
    if (session == NULL) {
        bufferevent_free(bev);
        atomic_fetch_sub(&entrance->sessions, 1);
        atomic_fetch_sub(&lane->gate->sessions, 1);
        return NULL;
    }
    session->entrance = entrance;
    session->listener = &session->snapshot->config->listeners[listener];
    session->tls_context = session->snapshot->tls[listener];
    int64_t now = clock_monotonic();
    session->login_deadline = now + session->listener->login_timeout;
    session->heard_at = session->busy_at = now;
    record_new_id(session->id);
    name_peer(session, peer);
    bool implicit = session->listener->tls == TLS_IMPLICIT;
    session->state = implicit ? ESME_HANDSHAKE : ESME_OPEN;
    session->state_deadline = esme_patience(session, session->state);
    set_callbacks(session);
    if (!esme_admit_address(session))
        return NULL;
    log_event(LOG_LEVEL_DEBUG, "session opened", LOG_TEXT("session", session->id),
              LOG_TEXT("listener", session->listener->name), LOG_TEXT("peer", session->peer_text));
    esme_arm(session);
    if (lane->draining)
        esme_end(session, "the gate drains"); /* SMPP has no word for it before a bind */
    else if (implicit)
        start_handshake(session);
    else
        bufferevent_enable(session->bev, EV_READ | EV_WRITE);
    return session->ended ? NULL : session;
}

/* ---- for all sessions of a lane ---- */

static void drain_one(void *object, void *arg)
{
    (void)arg;
    esme_settle(object);
}

void smpp_drain(struct lane *lane)
{
    lane->draining = true;
    ticket_each(lane->binds, drain_one, NULL);
}

static void abort_one(void *object, void *arg)
{
    (void)arg;
    struct smpp_session *session = object;
    /* What was answered in this turn may tell of a message that the provider has. */
    if (!session->ended && !session->tls_active && session->state != ESME_HANDSHAKE)
        flush_now(session->bev);
    esme_end(session, "the gate shuts down");
    if (session->released)
        return;
    esme_forget_flights(session);
    esme_settle(session);
}

void smpp_abort_all(struct lane *lane)
{
    ticket_each(lane->binds, abort_one, NULL);
}
