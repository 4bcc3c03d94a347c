/* SPDX-License-Identifier: Apache-2.0 */
/*
 * submit_sm and data_sm: what was said becomes a submission, and what came of it the response, in
 * whatever order the replies come. An account has so many unanswered over all its binds (`window`);
 * what was in flight when a connection broke stays counted until it was replied to.
 */
#include "proxy/smpp/session.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NO_SLOT     UINT32_MAX
#define SLOTS_FIRST 16u
/* A window's submit_multis go out a few numbers at a time, so this is never reached. */
#define SLOTS_MOST (1u << 20)

/* ---- times ---- */

/* Two digits at text, within bounds; -1. */
static int two(const char *text, int least, int most)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return -1;
    int number = (text[0] - '0') * 10 + (text[1] - '0');
    return number >= least && number <= most ? number : -1;
}

/* YYMMDDhhmmsstnnp. A relative time has years of 365 and months of 30 days: nobody asks for them.
 */
bool esme_period(const char *text, int64_t now, int64_t *period_out)
{
    *period_out = 0;
    if (*text == '\0')
        return true;
    if (strlen(text) != 16 || text[12] < '0' || text[12] > '9')
        return false;
    bool relative = text[15] == 'R';
    int year = two(text, 0, 99);
    int month = two(text + 2, !relative, relative ? 99 : 12);
    int day = two(text + 4, !relative, relative ? 99 : 31);
    int hour = two(text + 6, 0, relative ? 99 : 23);
    int minute = two(text + 8, 0, relative ? 99 : 59);
    int second = two(text + 10, 0, relative ? 99 : 59);
    int quarters = two(text + 13, 0, relative ? 99 : 48);
    if ((year | month | day | hour | minute | second | quarters) < 0 ||
        (!relative && text[15] != '+' && text[15] != '-'))
        return false;
    if (relative) {
        int64_t days = (int64_t)year * 365 + (int64_t)month * 30 + day;
        *period_out =
            days * CLOCK_DAY + ((hour * 60 + minute) * INT64_C(60) + second) * CLOCK_SECOND;
        return true;
    }
    struct tm civil = {.tm_year = 100 + year,
                       .tm_mon = month - 1,
                       .tm_mday = day,
                       .tm_hour = hour,
                       .tm_min = minute,
                       .tm_sec = second};
    int64_t ahead = (int64_t)quarters * 15 * 60 * (text[15] == '+' ? 1 : -1);
    int64_t instant = ((int64_t)timegm(&civil) - ahead) * CLOCK_SECOND;
    /* One that is over already is not the same as none. */
    *period_out = instant > now ? instant - now : 1;
    return true;
}

/* ---- what is submitted ---- */

static size_t tlv_size(struct smpp_span tlvs, size_t at)
{
    return 4 + (size_t)(tlvs.data[at + 2] << 8 | tlvs.data[at + 3]);
}

/* All TLVs but the payload, which goes apart. It stands first or last nearly always, and then there
 * is nothing to copy. */
static bool without_payload(struct smpp_span tlvs, struct esme_content *content)
{
    size_t at = 0;
    content->raw.tlvs = tlvs;
    while (at < tlvs.length && (tlvs.data[at] << 8 | tlvs.data[at + 1]) != SMPP_TAG_MESSAGE_PAYLOAD)
        at += tlv_size(tlvs, at);
    if (at >= tlvs.length)
        return true;
    size_t payload = tlv_size(tlvs, at);
    size_t behind = tlvs.length - at - payload;
    content->raw.payload = true;
    if (behind == 0) {
        content->raw.tlvs.length = at;
    } else if (at == 0) {
        content->raw.tlvs = (struct smpp_span){tlvs.data + payload, behind};
    } else {
        content->tlvs = malloc(at + behind);
        if (content->tlvs == NULL)
            return false;
        memcpy(content->tlvs, tlvs.data, at);
        memcpy(content->tlvs + at, tlvs.data + at + payload, behind);
        content->raw.tlvs = (struct smpp_span){content->tlvs, at + behind};
    }
    return true;
}

uint32_t esme_content_make(const struct smpp_session *session, const struct smpp_message *message,
                           struct esme_content *content)
{
    const struct stream *stream = &session->account->stream->terms;
    int64_t now = clock_now();
    int64_t schedule;
    *content = (struct esme_content){.raw = {
                                         .esm_class = message->esm_class,
                                         .protocol_id = message->protocol_id,
                                         .priority = message->priority,
                                         .registered = message->registered,
                                         .data_coding = message->data_coding,
                                         .default_message = message->default_message,
                                         .service_type = message->service_type,
                                         .schedule = message->schedule,
                                         .validity = message->validity,
                                     }};
    /* What would be replaced has left: nothing is kept behind the gate. */
    if (message->replace != 0)
        return SMPP_RREPLACEFAIL;
    /* The SMSC would send a text of its own instead of the one that was judged. */
    if (message->default_message != 0 && stream->class == CLASS_PROSPECTING)
        return SMPP_RINVDFTMSGID;
    if (!esme_period(message->schedule, now, &schedule))
        return SMPP_RINVSCHED;
    if (!esme_period(message->validity, now, &content->validity))
        return SMPP_RINVEXPIRY;
    if (!smpp_message_text(message, &content->raw.body))
        return SMPP_RINVMSGLEN;
    return without_payload(message->tlvs, content) ? SMPP_ROK : SMPP_RSYSERR;
}

void esme_content_free(struct esme_content *content)
{
    free(content->tlvs);
    content->tlvs = NULL;
}

/* ---- the window ---- */

uint32_t esme_open(struct smpp_session *session)
{
    const struct account_config *account = session->account;
    if (session->lane->draining)
        return SMPP_RSYSERR;
    if (!peers_enter(session->lane->gate->peers, PEER_WINDOW, account->name, strlen(account->name),
                     account->stream->window))
        return SMPP_RMSGQFUL;
    session->open++;
    session->submitted++;
    session->errors = 0;
    return SMPP_ROK;
}

void esme_opened_over(struct smpp_session *session)
{
    const char *name = session->account->name;
    peers_leave(session->lane->gate->peers, PEER_WINDOW, name, strlen(name));
    session->open--;
    session->busy_at = clock_monotonic();
}

void esme_forget_flights(struct smpp_session *session)
{
    while (session->open > 0)
        esme_opened_over(session);
}

/* ---- flights ---- */

static bool grow(struct smpp_session *session)
{
    uint32_t n = session->n_slots > 0 ? session->n_slots * 2 : SLOTS_FIRST;
    struct esme_flight *flights =
        n <= SLOTS_MOST ? realloc(session->flights, n * sizeof(*flights)) : NULL;
    if (flights == NULL)
        return false;
    for (uint32_t i = n; i-- > session->n_slots;) {
        flights[i] = (struct esme_flight){.next_free = session->first_free};
        session->first_free = i;
    }
    session->flights = flights;
    session->n_slots = n;
    return true;
}

static void land(struct smpp_session *session, uint32_t slot)
{
    session->flights[slot] = (struct esme_flight){.next_free = session->first_free};
    session->first_free = slot;
}

uint32_t esme_status(const struct smpp_session *session, const struct sms_reply *reply)
{
    uint32_t status = sms_smpp_status(reply, session->account->stream->smpp_refusal);
    /* Whatever the words for it: nobody has taken it. */
    if (reply->end != SMS_END_ACCEPTED && status == SMPP_ROK)
        return SMPP_RSUBMITFAIL;
    return status;
}

static void respond(struct smpp_session *session, const struct esme_flight *flight,
                    const struct sms_reply *reply)
{
    uint8_t pdu[SMPP_HEADER_BYTES + SMPP_ID_MAX];
    size_t length = smpp_response_write(pdu, sizeof(pdu), flight->command,
                                        esme_status(session, reply), flight->sequence, reply->ref);
    esme_opened_over(session);
    if (!session->ended)
        esme_write(session, pdu, length);
}

static void on_reply(void *lane, struct ticket ticket, const struct sms_reply *reply)
{
    struct smpp_session *session = esme_redeem(lane, ticket);
    if (session == NULL || ticket.item >= session->n_slots ||
        session->flights[ticket.item].command == 0)
        return;
    struct esme_flight flight = session->flights[ticket.item];
    land(session, ticket.item);
    if (flight.multi != NULL)
        esme_multi_reply(session, &flight, reply);
    else
        respond(session, &flight, reply);
    esme_flush(session);
    esme_settle(session);
}

bool esme_fly(struct smpp_session *session, const struct esme_flight *flight,
              const struct smpp_message *message, const struct esme_content *content,
              const struct smpp_address *to)
{
    if (session->first_free == NO_SLOT && !grow(session))
        return false;
    uint32_t slot = session->first_free;
    session->first_free = session->flights[slot].next_free;
    session->flights[slot] = *flight;
    struct ticket ticket = session->ticket;
    ticket.item = slot;
    struct sms_submission submission = {
        .snapshot = session->snapshot,
        .account = session->account,
        .session = session->id,
        .sender = message->source.text,
        .sender_ton = message->source.ton,
        .sender_npi = message->source.npi,
        .to = to->text,
        .to_international = to->ton == SMPP_TON_INTERNATIONAL,
        .raw = &content->raw,
        .report = (message->registered & SMPP_REGISTERED_ANY) != 0,
        .scheduled = message->schedule[0] != '\0',
        .validity = content->validity,
    };
    sms_submit(session->lane, &submission, on_reply, session->lane, ticket);
    return true;
}

void esme_submit(struct smpp_session *session, const struct smpp_header *header,
                 const uint8_t *body, size_t length)
{
    struct smpp_message message;
    struct esme_content content = {.tlvs = NULL};
    uint32_t status = smpp_message_read(header->command, body, length, &message);
    if (status != SMPP_ROK) {
        esme_malformed(session, header->command, status, header->sequence);
        return;
    }
    status = esme_content_make(session, &message, &content);
    if (status == SMPP_ROK)
        status = esme_open(session);
    if (status == SMPP_ROK) {
        struct esme_flight flight = {.command = header->command, .sequence = header->sequence};
        if (!esme_fly(session, &flight, &message, &content, &message.destination)) {
            esme_opened_over(session);
            status = SMPP_RSYSERR;
        }
    }
    if (status != SMPP_ROK)
        esme_answer(session, header->command, status, header->sequence);
    esme_content_free(&content);
}
