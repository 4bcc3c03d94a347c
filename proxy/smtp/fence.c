/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keeps a hostile or clumsy client in bounds: how many connections its address and its partner
 * may hold, and how long it may take. A deadline that every byte renews is none: so being an
 * account, an envelope and content each have a budget of time, and only the time in which the
 * client alone was waited for is taken from it. What the provider, the journal or the helpers owe
 * is never held against the client.
 */
#include "proxy/smtp/session.h"

#include "base/clock.h"
#include "proxy/net/admission.h"

/* Commands between two recipients or messages. A pool that says NOOP every half minute to keep a
 * connection open is let do so for most of an hour; then it is told to come again. */
#define CHATTER_MAX 100
/* From MAIL to DATA a client may take the patience for so many commands, in all. */
#define ENVELOPE_IDLES 2

/* ---- who holds how many ---- */

/* The one reply a session that is turned away gets, and its end. Returns false. */
static bool turn_away(struct smtp_session *session, enum refusal refusal, const char *text)
{
    const char *partner = session->account != NULL ? session->account->stream->terms.partner->id
                                                   : session->listener->name;
    connection_turn_away(session->connection, refusal,
                         refusal == REFUSAL_PARTNER ? partner : session->listener->name);
    if (session->listener->tls == TLS_IMPLICIT && !connection_is_secured(session->connection)) {
        smtp_end(session, "refused"); /* nothing can be said in clear */
        return false;
    }
    smtp_reply(session, 421, text);
    smtp_close(session);
    return false;
}

/* It is counted already. */
static bool is_let_in(struct smtp_session *session)
{
    struct gate *gate = session->lane->gate;
    unsigned inside = peers_count(gate->peers, PEER_ADDRESS, connection_key(session->connection),
                                  sizeof(struct peer_key)) -
                      1;
    return admission_let_in(gate, session->snapshot->config, session->listener,
                            (const struct sockaddr *)connection_shown(session->connection), inside);
}

bool smtp_admit_address(struct smtp_session *session)
{
    /* A balancer stands for all whom it has not named yet, or will not name. */
    bool balancer = smtp_is_trusted(session, connection_shown(session->connection));
    unsigned most = balancer ? 0 : session->listener->max_connections_per_address;
    if (!connection_admit_address(session->connection, most))
        return turn_away(session, REFUSAL_ADDRESS, SMTP_ADDRESS_FULL);
    /* Who comes by itself was looked at by the door. */
    return !smtp_is_trusted(session, connection_peer(session->connection)) || is_let_in(session) ||
           turn_away(session, REFUSAL_AUTH_HELD, SMTP_GUESSER);
}

bool smtp_admit_partner(struct smtp_session *session)
{
    return connection_admit_partner(session->connection, session->snapshot, session->account) ||
           turn_away(session, REFUSAL_PARTNER,
                     "4.7.0 Too many connections of your company, try again later");
}

/* ---- how long it takes ---- */

static void count_wait(struct smtp_session *session, int64_t now)
{
    if (session->waiting)
        session->waited += now - session->waited_at;
    session->waiting = smtp_waits_for_peer(session);
    session->waited_at = now;
}

void smtp_pace(struct smtp_session *session)
{
    bool before = session->waiting;
    count_wait(session, clock_monotonic());
    /* Others kept it waiting until now: its own time begins. */
    if (!before && session->waiting && session->state != SMTP_CLOSING)
        smtp_touch(session);
}

void smtp_pace_start(struct smtp_session *session)
{
    count_wait(session, clock_monotonic());
    session->waited = 0;
}

/* When the budget of this stage is used up, if the client is waited for all along. */
static int64_t budget_end(const struct smtp_session *session, int64_t now)
{
    const struct smtp_transaction *transaction = session->transaction;
    const struct listener_config *listener = session->listener;
    if (transaction == NULL || !session->waiting)
        return INT64_MAX;
    if (session->state == SMTP_COMMAND)
        return now + ENVELOPE_IDLES * listener->idle_timeout - session->waited;
    if (listener->min_rate == 0)
        return INT64_MAX;
    /* More than a message may be buys no more time: what is thrown away ends, too. */
    uint64_t bytes = transaction->scan.bytes + transaction->scan.column;
    if (bytes > listener->max_message_size)
        bytes = listener->max_message_size;
    return now + listener->idle_timeout +
           (int64_t)(bytes * (uint64_t)CLOCK_SECOND / listener->min_rate) - session->waited;
}

static bool must_log_in(const struct smtp_session *session)
{
    return session->account == NULL && session->state != SMTP_CLOSING;
}

int64_t smtp_fence(struct smtp_session *session, int64_t now)
{
    count_wait(session, now);
    int64_t end = budget_end(session, now);
    return must_log_in(session) && session->login_deadline < end ? session->login_deadline : end;
}

bool smtp_time_out(struct smtp_session *session)
{
    int64_t now = clock_monotonic();
    if (must_log_in(session) && now >= session->login_deadline) {
        connection_turn_away(session->connection, REFUSAL_LOGIN_LATE, session->listener->name);
        smtp_reply(session, 421, "4.7.0 You did not log in in time, closing");
    } else if (now >= smtp_fence(session, now)) {
        connection_refuse(session->connection, REFUSAL_SLOW,
                          session->account != NULL ? session->account->name : NULL);
        smtp_reply(session, 421, "4.4.2 You are too slow, closing");
    } else if (now >= session->idle_deadline) {
        smtp_reply(session, 421, "4.4.2 Timed out waiting for you, closing");
    } else {
        return false;
    }
    smtp_close(session);
    return true;
}

/* ---- how much it talks ---- */

bool smtp_talks_idly(struct smtp_session *session, enum smtp_verb verb)
{
    if (verb == VERB_QUIT)
        return false;
    if ((verb == VERB_RCPT || verb == VERB_DATA) && session->transaction != NULL) {
        session->chatter = 0;
        return false;
    }
    if (++session->chatter <= CHATTER_MAX)
        return false;
    connection_refuse(session->connection, REFUSAL_CHATTER,
                      session->account != NULL ? session->account->name : NULL);
    smtp_reply(session, 421, "4.7.0 Too many commands without a message, closing");
    smtp_close(session);
    return true;
}
