/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long an SMPP peer may take: to log in, to finish a PDU it began, to read what it was told, to
 * answer what it was asked; and when it is asked whether it is still there. What the provider, the
 * journal or the helpers owe is never held against it.
 */
#include "proxy/smpp/session.h"

#include "base/clock.h"

#define UNBINDING_US (5 * CLOCK_SECOND)

int64_t esme_patience(const struct smpp_session *session, enum esme_state state)
{
    switch (state) {
    case ESME_HANDSHAKE:
        return clock_monotonic() + CONNECTION_HANDSHAKE_US;
    case ESME_PENALTY:
        /* From when the password came, so that it shows nothing of how long the hash took. */
        return session->auth_began + session->auth_delay;
    case ESME_UNBINDING:
        /* The peer's own unbind waits for others, who have deadlines of their own. */
        return session->unbind_theirs ? ESME_NEVER : clock_monotonic() + UNBINDING_US;
    case ESME_CLOSING:
        return clock_monotonic() + CONNECTION_CLOSING_US;
    default:
        return ESME_NEVER;
    }
}

static void earliest(int64_t *at, int64_t other)
{
    if (other < *at)
        *at = other;
}

/* In AUTH_CHECK the helpers are waited for; PENALTY and CLOSING end by themselves. */
static bool must_log_in(const struct smpp_session *session)
{
    return session->account == NULL &&
           esme_is(session, ESME_BIT(ESME_HANDSHAKE) | ESME_BIT(ESME_OPEN));
}

/* Who only sends, and sends nothing, has no use for its bind. Who receives waits for us, and its
 * silence says nothing: it is asked by enquire_link. */
static int64_t idle_deadline(const struct smpp_session *session)
{
    return session->state == ESME_BOUND_TX && session->open == 0
               ? session->busy_at + session->listener->idle_timeout
               : ESME_NEVER;
}

static int64_t enquire_at(const struct smpp_session *session)
{
    return esme_is(session, ESME_BOUND) && !connection_was_hung_up(session->connection) &&
                   session->enquire_deadline == ESME_NEVER && session->listener->enquire_every > 0
               ? session->heard_at + session->listener->enquire_every
               : ESME_NEVER;
}

static int64_t next_deadline(const struct smpp_session *session)
{
    int64_t at = session->state_deadline;
    if (session->state == ESME_CLOSING)
        return at;
    if (must_log_in(session))
        earliest(&at, session->login_deadline);
    earliest(&at, session->partial_deadline);
    earliest(&at, session->stalled_deadline);
    earliest(&at, session->enquire_deadline);
    earliest(&at, enquire_at(session));
    earliest(&at, idle_deadline(session));
    if (session->n_delivered > 0)
        earliest(&at, session->delivered[0].deadline);
    return at;
}

void esme_arm(struct smpp_session *session)
{
    connection_set_deadline(session->connection, next_deadline(session));
}

/* Whatever it said shows that it is there, not only the answer. */
void esme_heard(struct smpp_session *session, int64_t now)
{
    session->heard_at = now;
    session->enquire_deadline = ESME_NEVER;
}

static void enquire(struct smpp_session *session, int64_t now)
{
    uint8_t pdu[SMPP_HEADER_BYTES];
    session->enquire_deadline = now + session->listener->reply_timeout;
    size_t length =
        smpp_header_write(pdu, sizeof(pdu), SMPP_ENQUIRE_LINK, 0, esme_next_sequence(session));
    if (esme_write(session, pdu, length))
        esme_flush(session);
}

static void refuse(struct smpp_session *session, enum refusal refusal, const char *why)
{
    connection_turn_away(session->connection, refusal,
                         session->account != NULL ? session->account->name
                                                  : session->listener->name);
    esme_end(session, why);
}

static void state_over(struct smpp_session *session)
{
    switch (session->state) {
    case ESME_PENALTY:
        esme_penalty_over(session);
        break;
    case ESME_HANDSHAKE:
        connection_refuse(session->connection, REFUSAL_HANDSHAKE, "timed out");
        esme_end(session, "timed out");
        break;
    case ESME_UNBINDING:
        esme_close(session, session->close_why);
        break;
    default:
        esme_end(session, "timed out");
    }
}

static void look(struct smpp_session *session, int64_t now)
{
    if (now >= session->state_deadline) {
        state_over(session);
    } else if (session->state == ESME_CLOSING) {
        return;
    } else if (must_log_in(session) && now >= session->login_deadline) {
        refuse(session, REFUSAL_LOGIN_LATE, "not bound in time");
    } else if (now >= session->partial_deadline) {
        refuse(session, REFUSAL_SLOW, "a PDU was not whole in time");
    } else if (now >= session->stalled_deadline) {
        refuse(session, REFUSAL_SLOW, "does not read");
    } else if (now >= session->enquire_deadline) {
        esme_end(session, "enquire_link was not answered");
    } else {
        esme_deliveries_late(session, now);
        if (now >= idle_deadline(session))
            esme_unbind(session, "idle");
        else if (now >= enquire_at(session))
            enquire(session, now);
        /* What is given up may have been all that a drain waited for. */
        esme_settle(session);
    }
}

void esme_late(void *arg)
{
    struct smpp_session *session = arg;
    int64_t now = clock_monotonic();
    /* What the peer did since may have moved it. */
    if (now >= next_deadline(session))
        look(session, now);
    if (!session->ended)
        esme_arm(session);
}
