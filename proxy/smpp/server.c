/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SMPP session's connection: its beginning, TLS, states, output, its end. What the partner sends
 * is taken up in input.c, what it takes too long for in timers.c.
 */
#include "proxy/smpp/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "proxy/guesses.h"

#include <stdlib.h>

/* ---- states ---- */

static const struct {
    const char *name;
    unsigned next; /* states that may follow; ESME_CLOSING may always */
} states[ESME_STATE_COUNT] = {
    [ESME_HANDSHAKE] = {"HANDSHAKE", ESME_BIT(ESME_OPEN)},
    [ESME_OPEN] = {"OPEN", ESME_BIT(ESME_AUTH_CHECK) | ESME_BIT(ESME_PENALTY) | ESME_BOUND},
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
    if (evbuffer_add(connection_output(session->connection), pdu, length) == 0)
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
    if (connection_close(session->connection))
        esme_end(session, why);
}

/* ---- the end ---- */

static void free_session(struct loop_task *task)
{
    struct smpp_session *session = (struct smpp_session *)task;
    connection_shut(session->connection);
    if (!session->released)
        return; /* it comes again when what is in flight was replied to */
    connection_free(&session->connection);
    esme_multi_free_all(session);
    snapshot_unref(&session->snapshot);
    free(session->flights);
    free(session->delivered);
    free(session);
}

/* The connection is over and nothing is in flight. */
static void release(struct smpp_session *session)
{
    bool pending = !connection_is_shut(session->connection); /* the task is on its way already */
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
    const struct log_field submitted = LOG_NUMBER("submitted", session->submitted);
    connection_end(session->connection, session->account != NULL ? session->account->name : NULL,
                   &submitted, why);
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

static void leave_idle(struct smpp_session *session, const char *why)
{
    if (esme_is(session, ESME_BOUND) && session->open == 0 && session->n_delivered == 0)
        esme_unbind(session, why);
}

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
    default:
        leave_idle(session, "the gate drains");
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
    bool others = session->open > 0 || esme_bind_waits(session) || esme_stalled(session);
    if (connection_was_hung_up(session->connection) && !others)
        esme_close(session, "closed by the peer");
    else if (session->lane->draining)
        drain(session);
    else if (session->leaving != NULL)
        leave_idle(session, session->leaving);
}

/* ---- the connection's callbacks ---- */

static void on_heard(void *arg)
{
    struct smpp_session *session = arg;
    esme_heard(session, clock_monotonic());
    esme_continue(session);
}

static void on_written(void *arg)
{
    struct smpp_session *session = arg;
    session->stalled_deadline = ESME_NEVER;
    if (session->state == ESME_CLOSING)
        esme_end(session, session->close_why);
    else
        esme_continue(session);
}

static void on_secured(void *arg)
{
    struct smpp_session *session = arg;
    esme_enter(session, ESME_OPEN);
    esme_continue(session);
}

static void on_hung_up(void *arg)
{
    struct smpp_session *session = arg;
    /* It will answer nothing any more. */
    session->enquire_deadline = ESME_NEVER;
    esme_receive_no_more(session);
    if (session->state == ESME_AUTH_CHECK)
        session->state_deadline = session->auth_began + GUESS_DELAY_FIRST;
    esme_continue(session);
}

static void on_lost(void *session, const char *why)
{
    esme_end(session, why);
}

static bool awaits_written(const void *session)
{
    return esme_stalled(session);
}

static const struct connection_calls calls = {
    .heard = on_heard,
    .written = on_written,
    .secured = on_secured,
    .hung_up = on_hung_up,
    .lost = on_lost,
    .late = esme_late,
    .awaits_written = awaits_written,
};

/* ---- beginning ---- */

/* NULL: no memory, the connection is closed. */
static struct smpp_session *new_session(struct lane *lane, struct entrance *entrance,
                                        struct bufferevent *bev, const struct sockaddr *peer)
{
    struct smpp_session *session = calloc(1, sizeof(*session));
    struct connection *connection = connection_new(lane, entrance, bev, peer, &calls, session);
    if (session != NULL)
        session->ticket = ticket_issue(lane->binds, session);
    if (session == NULL || connection == NULL || session->ticket.generation == 0) {
        connection_free(&connection);
        if (session != NULL)
            ticket_revoke(lane->binds, session->ticket);
        free(session);
        return NULL;
    }
    session->lane = lane;
    session->connection = connection;
    session->id = connection_id(connection);
    session->peer = connection_shown_text(connection);
    session->first_free = UINT32_MAX;
    session->state_deadline = session->partial_deadline = ESME_NEVER;
    session->stalled_deadline = session->enquire_deadline = ESME_NEVER;
    session->snapshot = snapshot_ref(lane->snapshot);
    return session;
}

struct smpp_session *smpp_serve(struct lane *lane, struct entrance *entrance, size_t listener,
                                struct bufferevent *bev, const struct sockaddr *peer)
{
    struct smpp_session *session = new_session(lane, entrance, bev, peer);
    if (session == NULL)
        return NULL;
    session->listener = &session->snapshot->config->listeners[listener];
    int64_t now = clock_monotonic();
    session->login_deadline = now + session->listener->login_timeout;
    session->heard_at = session->busy_at = now;
    connection_name_client(session->connection, connection_peer(session->connection));
    bool implicit = session->listener->tls == TLS_IMPLICIT;
    session->state = implicit ? ESME_HANDSHAKE : ESME_OPEN;
    session->state_deadline = esme_patience(session, session->state);
    if (!esme_admit_address(session))
        return NULL;
    log_event(LOG_LEVEL_DEBUG, "session opened", LOG_TEXT("session", session->id),
              LOG_TEXT("listener", session->listener->name), LOG_TEXT("peer", session->peer));
    esme_arm(session);
    if (lane->draining)
        esme_end(session, "the gate drains"); /* SMPP has no word for it before a bind */
    else if (!implicit)
        connection_open(session->connection);
    else if (!connection_start_tls(session->connection, session->snapshot->tls[listener]))
        esme_end(session, "out of memory");
    return session->ended ? NULL : session;
}

/* ---- for all sessions of a lane ---- */

static void adopt_one(void *object, void *arg)
{
    (void)arg;
    struct smpp_session *session = object;
    /* Who is not bound yet does so when it binds. */
    if (!session->ended && esme_is(session, ESME_BOUND) && !esme_adopt(session))
        esme_settle(session);
}

void smpp_adopt_all(struct lane *lane)
{
    ticket_each(lane->binds, adopt_one, NULL);
}

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

static void count_one(void *object, void *arg)
{
    const struct smpp_session *session = object;
    ((unsigned *)arg)[session->state]++;
}

void smpp_survey(struct lane *lane, struct strbuf *out)
{
    unsigned counts[ESME_STATE_COUNT] = {0};
    ticket_each(lane->binds, count_one, counts);
    for (int i = 0; i < ESME_STATE_COUNT; i++)
        if (counts[i] > 0)
            strbuf_add_format(out, "%s%s %u", out->length > 0 ? ", " : "", states[i].name,
                              counts[i]);
}

static void abort_one(void *object, void *arg)
{
    (void)arg;
    struct smpp_session *session = object;
    /* What was answered in this turn may tell of a message that the provider has. */
    if (!session->ended)
        connection_flush_now(session->connection);
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
