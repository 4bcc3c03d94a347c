/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the partner sends, one PDU at a time: its length is checked before its body is awaited, its
 * command against the state of the session before its body is looked at. Answers to submissions
 * come when they come; nothing waits for them here.
 */
#include "proxy/smpp/session.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"

#include <event2/event.h>
#include <string.h>

#define ERRORS_MAX 20 /* malformed PDUs in a row */

/* ---- what is refused ---- */

void esme_malformed(struct smpp_session *session, uint32_t command, uint32_t status,
                    uint32_t sequence)
{
    esme_answer(session, command, status, sequence);
    if (++session->errors <= ERRORS_MAX)
        return;
    connection_turn_away(session->connection, REFUSAL_CHATTER,
                         session->account != NULL ? session->account->name : NULL);
    esme_close(session, "too many malformed PDUs");
}

/* Nothing is kept behind the gate, so no message can be asked about, taken back or replaced: by the
 * time its submission was answered the provider has it, or nobody has. */
static void refuse_id(struct smpp_session *session, const struct smpp_header *header,
                      const uint8_t *body, size_t length, uint32_t refusal)
{
    char id[SMPP_ID_MAX];
    uint32_t status = smpp_id_read(header->command, body, length, id);
    if (status != SMPP_ROK)
        esme_malformed(session, header->command, status, header->sequence);
    else
        esme_answer(session, header->command, refusal, header->sequence);
}

/* ---- commands ---- */

static void take_unbind(struct smpp_session *session, const struct smpp_header *header)
{
    bool crossed = session->state == ESME_UNBINDING;
    if (crossed && session->unbind_theirs) {
        esme_malformed(session, header->command, SMPP_RINVBNDSTS, header->sequence);
        return;
    }
    session->unbind_sequence = header->sequence;
    session->unbind_theirs = true;
    if (crossed) /* with ours: nothing is in flight, and its answer says all */
        session->state_deadline = esme_patience(session, ESME_UNBINDING);
    else
        esme_enter(session, ESME_UNBINDING);
    /* esme_settle answers once all else is. */
}

/* States in which a command is possible. */
static unsigned allowed(uint32_t command)
{
    switch (command) {
    case SMPP_BIND_RECEIVER:
    case SMPP_BIND_TRANSMITTER:
    case SMPP_BIND_TRANSCEIVER:
        return ESME_BIT(ESME_OPEN);
    case SMPP_SUBMIT_SM:
    case SMPP_SUBMIT_MULTI:
    case SMPP_DATA_SM:
    case SMPP_QUERY_SM:
    case SMPP_CANCEL_SM:
    case SMPP_REPLACE_SM:
        return ESME_SENDS;
    case SMPP_UNBIND:
        return ESME_BOUND | ESME_BIT(ESME_UNBINDING);
    case SMPP_ENQUIRE_LINK:
        return ~0u;
    default: /* deliver_sm: it is we who deliver */
        return 0;
    }
}

static bool is_bind(uint32_t command)
{
    return command == SMPP_BIND_RECEIVER || command == SMPP_BIND_TRANSMITTER ||
           command == SMPP_BIND_TRANSCEIVER;
}

/* What was on its way when we said unbind is no mistake, and may come again elsewhere. */
static bool crossed_unbind(const struct smpp_session *session, uint32_t command)
{
    return session->state == ESME_UNBINDING && !session->unbind_theirs &&
           session->bind_command != SMPP_BIND_RECEIVER &&
           (command == SMPP_SUBMIT_SM || command == SMPP_SUBMIT_MULTI || command == SMPP_DATA_SM);
}

/* 3.4's commands of an ESME, and the SMSC's that has a response of its own. */
static bool known(uint32_t command)
{
    return allowed(command) != 0 || command == SMPP_DELIVER_SM;
}

static void take_request(struct smpp_session *session, const struct smpp_header *header,
                         uint8_t *body, size_t length)
{
    uint32_t command = header->command;
    if (!known(command)) {
        esme_malformed(session, (uint32_t)SMPP_GENERIC_NACK, SMPP_RINVCMDID, header->sequence);
        return;
    }
    if (crossed_unbind(session, command)) {
        esme_answer(session, command, SMPP_RSYSERR, header->sequence);
        return;
    }
    if (!esme_is(session, allowed(command))) {
        bool again = is_bind(command) && esme_is(session, ESME_BOUND);
        esme_malformed(session, command, again ? SMPP_RALYBND : SMPP_RINVBNDSTS, header->sequence);
        return;
    }
    switch (command) {
    case SMPP_ENQUIRE_LINK:
        esme_answer(session, command, SMPP_ROK, header->sequence);
        break;
    case SMPP_UNBIND:
        take_unbind(session, header);
        break;
    case SMPP_SUBMIT_SM:
    case SMPP_DATA_SM:
        esme_submit(session, header, body, length);
        break;
    case SMPP_SUBMIT_MULTI:
        esme_multi(session, header, body, length);
        break;
    case SMPP_QUERY_SM:
        refuse_id(session, header, body, length, SMPP_RQUERYFAIL);
        break;
    case SMPP_CANCEL_SM:
        refuse_id(session, header, body, length, SMPP_RCANCELFAIL);
        break;
    case SMPP_REPLACE_SM:
        refuse_id(session, header, body, length, SMPP_RREPLACEFAIL);
        break;
    default:
        esme_bind(session, header, body, length);
    }
}

/* What answers a request of ours; anything else it may say is not for us. */
static void take_response(struct smpp_session *session, const struct smpp_header *header)
{
    bool nack = header->command == (uint32_t)SMPP_GENERIC_NACK;
    if (nack || header->command == SMPP_RESP(SMPP_DELIVER_SM))
        /* A generic_nack is never a success, whatever its status says. */
        esme_delivered(session, header->sequence,
                       nack && header->status == SMPP_ROK ? SMPP_RSYSERR : header->status);
    if ((nack || header->command == SMPP_RESP(SMPP_UNBIND)) && session->state == ESME_UNBINDING &&
        !session->unbind_theirs && header->sequence == session->unbind_sequence)
        esme_close(session, session->close_why);
}

static void take(struct smpp_session *session, const struct smpp_header *header, uint8_t *pdu)
{
    uint8_t *body = pdu + SMPP_HEADER_BYTES;
    size_t length = header->length - SMPP_HEADER_BYTES;
    if (header->command != SMPP_ENQUIRE_LINK && header->command != SMPP_RESP(SMPP_ENQUIRE_LINK))
        session->busy_at = session->heard_at;
    if ((header->command & SMPP_RESPONSE) != 0)
        take_response(session, header);
    else
        take_request(session, header, body, length);
}

/* ---- PDUs ---- */

/* While a password is looked at, and while its answer is held back, the peer may ask whether we are
 * there; all else waits, for what it may do depends on that answer. */
static bool may_take(const struct smpp_session *session, uint32_t command)
{
    return !esme_is(session, ESME_BIT(ESME_AUTH_CHECK) | ESME_BIT(ESME_PENALTY)) ||
           command == SMPP_ENQUIRE_LINK || (command & SMPP_RESPONSE) != 0;
}

static void bad_length(struct smpp_session *session, const struct smpp_header *header)
{
    /* Where the next PDU begins is not known any more. Of strangers there may be thousands a
     * second: a browser, a scanner, TLS where there is none. */
    if (session->account == NULL)
        connection_refuse(session->connection, REFUSAL_NONSENSE,
                          "smpp command_length is not possible");
    else
        log_event(LOG_LEVEL_WARN, "smpp command_length is not possible",
                  LOG_TEXT("session", session->id), LOG_TEXT("peer", session->peer),
                  LOG_TEXT("account", session->account->name),
                  LOG_NUMBER("length", header->length));
    esme_answer(session, (uint32_t)SMPP_GENERIC_NACK, SMPP_RINVCMDLEN, header->sequence);
    esme_close(session, "bad command_length");
}

/* The PDU that has begun has to be whole in time, whatever comes of it meanwhile. */
static void await_rest(struct smpp_session *session, size_t held)
{
    if (held == 0)
        session->partial_deadline = ESME_NEVER;
    else if (session->partial_deadline == ESME_NEVER)
        session->partial_deadline = clock_monotonic() + session->listener->reply_timeout;
}

/* One PDU; false when there is none, or it has to wait. */
static bool step(struct smpp_session *session)
{
    if (session->ended || esme_is(session, ESME_BIT(ESME_HANDSHAKE) | ESME_BIT(ESME_CLOSING)) ||
        esme_stalled(session))
        return false;
    uint8_t bytes[SMPP_HEADER_BYTES];
    struct smpp_header header;
    struct evbuffer *input = connection_input(session->connection);
    size_t held = evbuffer_get_length(input);
    if (held < sizeof(bytes)) {
        await_rest(session, held);
        return false;
    }
    evbuffer_copyout(input, bytes, sizeof(bytes));
    smpp_header_read(bytes, &header);
    if (header.length < SMPP_HEADER_BYTES || header.length > SMPP_PDU_MAX) {
        bad_length(session, &header);
        return false;
    }
    if (held < header.length) {
        await_rest(session, held);
        return false;
    }
    session->partial_deadline = ESME_NEVER;
    if (!may_take(session, header.command))
        return false;
    uint8_t *pdu = evbuffer_pullup(input, (ev_ssize_t)header.length);
    if (pdu == NULL) {
        esme_end(session, "out of memory");
        return false;
    }
    take(session, &header, pdu);
    if (is_bind(header.command))
        wipe(pdu, header.length); /* it held a password */
    evbuffer_drain(input, header.length);
    return true;
}

/* Once over the mark, until all is out: libevent calls for that, and for nothing before. Then, too,
 * somebody waits to be told. */
bool esme_stalled(const struct smpp_session *session)
{
    size_t unread = evbuffer_get_length(connection_output(session->connection));
    return unread > ESME_OUTPUT_HIGH || (unread > 0 && session->stalled_deadline != ESME_NEVER);
}

void esme_flush(struct smpp_session *session)
{
    if (session->ended || session->processing)
        return;
    connection_flush(session->connection);
    bool stalled = session->state != ESME_CLOSING && esme_stalled(session);
    if (!stalled) {
        session->stalled_deadline = ESME_NEVER;
    } else if (session->stalled_deadline == ESME_NEVER) {
        session->stalled_deadline = clock_monotonic() + session->listener->reply_timeout;
        session->partial_deadline = ESME_NEVER; /* it is we who do not read */
    }
}

/* Reads on unless enough was read already. */
static void update_reading(struct smpp_session *session)
{
    size_t held = evbuffer_get_length(connection_input(session->connection));
    connection_read(session->connection, session->state != ESME_CLOSING && !esme_stalled(session) &&
                                             held < SMPP_PDU_MAX);
}

void esme_continue(struct smpp_session *session)
{
    if (session->ended)
        return;
    if (session->processing) {
        session->input_again = true;
        return;
    }
    session->processing = true;
    do {
        session->input_again = false;
        /* All that is taken here had arrived before: it may be judged by one state of the registry.
         */
        store_hold(session->lane->store);
        while (step(session))
            continue;
        store_release(session->lane->store);
    } while (session->input_again && !session->ended);
    session->processing = false;
    if (session->ended) {
        esme_settle(session); /* what it waited for may have come before it was over */
        return;
    }
    update_reading(session);
    esme_flush(session);
    esme_settle(session);
    if (!session->ended)
        esme_arm(session);
}
