/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session's connection: its beginning, TLS, states and deadlines, replies, its end. What the
 * partner sends is taken up in input.c.
 */
#include "proxy/smtp/session.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERRORS_MAX 20
/* A balancer sends its header with the first packet, and one lost packet comes again within three
 * seconds. */
#define PROXY_US (5 * CLOCK_SECOND)

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
        return CONNECTION_HANDSHAKE_US;
    case SMTP_PROXY:
        return PROXY_US;
    case SMTP_CLOSING:
        return CONNECTION_CLOSING_US;
    case SMTP_PENALTY: {
        /* From when the password came, so that it shows nothing of how long the hash took. */
        int64_t left = session->auth_began + session->auth_delay - clock_monotonic();
        return left > 0 ? left : 0;
    }
    case SMTP_AUTH_CHECK:
        return smtp_auth_patience(session);
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

void smtp_touch(struct smtp_session *session)
{
    int64_t wait = patience(session, session->state);
    int64_t now = clock_monotonic();
    int64_t fence = smtp_fence(session, now);
    bool others = wait == INT64_MAX;
    session->idle_deadline = others ? DEADLINE_NEVER : now + wait;
    connection_set_deadline(session->connection, !others && fence < session->idle_deadline
                                                     ? fence
                                                     : session->idle_deadline);
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
    struct evbuffer *output = connection_output(session->connection);
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
    if (connection_close(session->connection))
        smtp_end(session, "closed");
}

/* ---- the end ---- */

static void free_session(struct loop_task *task)
{
    struct smtp_session *session = (struct smtp_session *)task;
    connection_free(&session->connection);
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
    connection_end(session->connection, session->account != NULL ? session->account->name : NULL,
                   NULL, why);
    ticket_revoke(session->lane->sessions, session->ticket);
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
    session->account = config_account_of_peer(
        session->snapshot->config, (const struct sockaddr *)connection_client(session->connection),
        connection_fingerprint(session->connection));
}

bool smtp_auth_allowed(const struct smtp_session *session)
{
    return connection_is_secured(session->connection) || connection_is_local(session->connection);
}

bool smtp_client_known(struct smtp_session *session, const struct sockaddr_storage *client)
{
    session->balancer = smtp_is_trusted(session, client);
    connection_name_client(session->connection, client);
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

/* ---- the connection's callbacks ---- */

void smtp_greet(struct smtp_session *session)
{
    char text[320];
    snprintf(text, sizeof(text), "%s ESMTP octroi", session->snapshot->config->hostname);
    smtp_reply(session, 220, text);
}

static void on_heard(void *session)
{
    smtp_continue(session);
}

static void on_written(void *arg)
{
    struct smtp_session *session = arg;
    if (session->state == SMTP_CLOSING)
        smtp_end(session, "closed");
    else if (session->state == SMTP_TLS_FLUSH)
        smtp_start_handshake(session);
    else
        smtp_continue(session);
}

static void on_secured(void *arg)
{
    struct smtp_session *session = arg;
    bool after_starttls = session->greeted;
    /* RFC 3207, 4.2: what was learned in clear is forgotten. */
    smtp_start_over(session);
    smtp_enter(session, SMTP_COMMAND);
    if (!smtp_admit_partner(session))
        return;
    if (!after_starttls && !session->lane->draining)
        smtp_greet(session);
    smtp_continue(session);
}

static void on_hung_up(void *session)
{
    smtp_continue(session);
}

static void on_lost(void *arg, const char *why)
{
    struct smtp_session *session = arg;
    if (session->state == SMTP_FINAL)
        /* The provider may yet say that it took the message: that has to be journalled. */
        connection_silence(session->connection);
    else
        smtp_end(session, why);
}

static void on_late(void *arg)
{
    struct smtp_session *session = arg;
    switch (session->state) {
    case SMTP_PENALTY:
        smtp_auth_penalty_over(session);
        break;
    case SMTP_AUTH_CHECK:
        smtp_auth_let_go(session);
        break;
    case SMTP_PROXY:
    case SMTP_HANDSHAKE:
    case SMTP_TLS_FLUSH:
        connection_refuse(session->connection, REFUSAL_HANDSHAKE, "timed out");
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
            connection_set_deadline(session->connection, fence < session->idle_deadline
                                                             ? fence
                                                             : session->idle_deadline);
        }
    }
}

static const struct connection_calls calls = {
    .heard = on_heard,
    .written = on_written,
    .secured = on_secured,
    .hung_up = on_hung_up,
    .lost = on_lost,
    .late = on_late,
    .awaits_written = smtp_awaits_written,
};

/* ---- beginning ---- */

void smtp_start_handshake(struct smtp_session *session)
{
    smtp_enter(session, SMTP_HANDSHAKE);
    session->reading_paused = false;
    if (!connection_start_tls(session->connection, session->tls_context))
        smtp_end(session, "out of memory");
}

void smtp_begin(struct smtp_session *session)
{
    log_event(LOG_LEVEL_DEBUG, "session opened", LOG_TEXT("session", session->id),
              LOG_TEXT("listener", session->listener->name), LOG_TEXT("peer", session->peer));
    if (session->listener->tls == TLS_IMPLICIT) {
        smtp_start_handshake(session);
        return;
    }
    smtp_touch(session);
    connection_open(session->connection);
    if (session->lane->draining)
        smtp_continue(session); /* 421 instead of a greeting */
    else
        smtp_greet(session);
}

/* NULL: no memory, the connection is closed. */
static struct smtp_session *new_session(struct lane *lane, struct entrance *entrance,
                                        struct bufferevent *bev, const struct sockaddr *peer)
{
    struct smtp_session *session = calloc(1, sizeof(*session));
    struct connection *connection = connection_new(lane, entrance, bev, peer, &calls, session);
    if (session != NULL)
        session->ticket = ticket_issue(lane->sessions, session);
    if (session == NULL || connection == NULL || session->ticket.generation == 0) {
        connection_free(&connection);
        if (session != NULL)
            ticket_revoke(lane->sessions, session->ticket);
        free(session);
        return NULL;
    }
    session->state = SMTP_COMMAND;
    session->lane = lane;
    session->connection = connection;
    session->id = connection_id(connection);
    session->peer = connection_shown_text(connection);
    session->snapshot = snapshot_ref(lane->snapshot);
    return session;
}

struct smtp_session *smtp_serve(struct lane *lane, struct entrance *entrance, size_t listener,
                                struct bufferevent *bev, const struct sockaddr *peer)
{
    struct smtp_session *session = new_session(lane, entrance, bev, peer);
    if (session == NULL)
        return NULL;
    session->listener = &session->snapshot->config->listeners[listener];
    session->tls_context = session->snapshot->tls[listener];
    session->login_deadline = clock_monotonic() + session->listener->login_timeout;
    if (session->listener->proxy_protocol)
        smtp_await_header(session);
    else if (smtp_client_known(session, connection_peer(session->connection)))
        smtp_begin(session);
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

static void count_one(void *object, void *arg)
{
    const struct smtp_session *session = object;
    ((unsigned *)arg)[session->state]++;
}

void smtp_survey(struct lane *lane, struct strbuf *out)
{
    unsigned counts[SMTP_STATE_COUNT] = {0};
    ticket_each(lane->sessions, count_one, counts);
    for (int i = 0; i < SMTP_STATE_COUNT; i++)
        if (counts[i] > 0)
            strbuf_add_format(out, "%s%s %u", out->length > 0 ? ", " : "", states[i].name,
                              counts[i]);
}

static void abort_one(void *object, void *arg)
{
    (void)arg;
    struct smtp_session *session = object;
    /* What was answered in this turn may tell of a message that the provider has. */
    if (!session->ended)
        connection_flush_now(session->connection);
    smtp_end(session, "the gate shuts down");
}

void smtp_abort_all(struct lane *lane)
{
    ticket_each(lane->sessions, abort_one, NULL);
}
