/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a partner is told: delivery reports and people's messages, by deliver_sm. Only its own
 * deliver_sm_resp with ESME_ROK makes one taken; whatever else happens, it is kept where it came
 * from and comes again.
 */
#include "proxy/smpp/session.h"

#include "base/clock.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 254 /* bytes of short_message; more goes as message_payload */
/* Header, addresses and the other fields of a deliver_sm, and TLVs of our own. */
#define AROUND_MAX 512

/* ---- the PDU ---- */

/* Writes the two TLVs of a report. The text says the same, for those who do not know them. */
static bool report_tlvs(const struct receipt *receipt, uint8_t *out, size_t room,
                        size_t *length_out)
{
    uint8_t state = (uint8_t)receipt->state;
    *length_out = 0;
    return smpp_tlv_write(out, room, length_out, SMPP_TAG_RECEIPTED_MESSAGE_ID, receipt->id,
                          strlen(receipt->id) + 1) &&
           smpp_tlv_write(out, room, length_out, SMPP_TAG_MESSAGE_STATE, &state, 1);
}

static bool put_report(const struct smpp_session *session, const struct sms_delivery *what,
                       struct smpp_message *message, uint8_t *tlvs, size_t room,
                       char text[TEXT_MAX])
{
    size_t length = 0;
    message->esm_class = SMPP_ESM_REPORT;
    message->text =
        (struct smpp_span){(const uint8_t *)text, receipt_write(text, TEXT_MAX, &what->receipt)};
    if (session->tlvs && !report_tlvs(&what->receipt, tlvs, room, &length))
        return false;
    message->tlvs = (struct smpp_span){tlvs, length};
    return message->text.length > 0;
}

static bool put_message(const struct smpp_session *session, const struct sms_delivery *what,
                        struct smpp_message *message, uint8_t *tlvs, size_t room)
{
    size_t length = session->tlvs ? what->tlvs_length : 0;
    message->esm_class = what->esm_class;
    message->protocol_id = what->protocol_id;
    message->data_coding = what->data_coding;
    if (length > room)
        return false;
    if (length > 0)
        memcpy(tlvs, what->tlvs, length);
    if (what->length <= TEXT_MAX)
        message->text = (struct smpp_span){what->body, what->length};
    else if (!smpp_tlv_write(tlvs, room, &length, SMPP_TAG_MESSAGE_PAYLOAD, what->body,
                             what->length))
        return false;
    message->tlvs = (struct smpp_span){tlvs, length};
    return true;
}

/* Puts the delivery into the output. False: no memory, or it is nothing SMPP can carry. */
static bool send_delivery(struct smpp_session *session, const struct sms_delivery *what,
                          uint32_t sequence)
{
    struct smpp_message message = {.source = {.ton = SMPP_TON_INTERNATIONAL, .npi = SMPP_NPI_E164},
                                   .destination = {.ton = what->to_ton, .npi = what->to_npi}};
    char text[TEXT_MAX];
    str_copy(message.source.text, sizeof(message.source.text), what->from);
    str_copy(message.destination.text, sizeof(message.destination.text), what->to);
    size_t room = what->tlvs_length + what->length + AROUND_MAX;
    uint8_t *tlvs = malloc(2 * room);
    if (tlvs == NULL)
        return false;
    uint8_t *pdu = tlvs + room;
    bool ok = what->kind == SMS_INBOUND_REPORT
                  ? put_report(session, what, &message, tlvs, room, text)
                  : put_message(session, what, &message, tlvs, room);
    size_t length = ok ? smpp_message_write(pdu, room, SMPP_DELIVER_SM, sequence, &message) : 0;
    ok = length > 0 && evbuffer_add(connection_output(session->connection), pdu, length) == 0;
    free(tlvs);
    return ok;
}

/* ---- what is outstanding ---- */

/* binds_take_fn. Never ends the session: it is in the middle of being told something. */
static void on_delivery(void *object, struct delivery *delivery, const struct sms_delivery *what)
{
    struct smpp_session *session = object;
    uint32_t sequence = esme_next_sequence(session);
    if (session->lane->draining || session->leaving != NULL ||
        session->n_delivered == ESME_DELIVERED_MAX || esme_stalled(session) ||
        !send_delivery(session, what, sequence)) {
        binds_answer(delivery, SMS_TAKE_LATER);
        return;
    }
    session->delivered[session->n_delivered++] = (struct esme_delivered){
        .sequence = sequence,
        .deadline = clock_monotonic() + session->listener->reply_timeout,
        .delivery = delivery,
    };
    esme_flush(session);
    esme_arm(session);
}

static void answer(struct smpp_session *session, unsigned i, enum sms_taken taken)
{
    struct delivery *delivery = session->delivered[i].delivery;
    session->n_delivered--;
    memmove(session->delivered + i, session->delivered + i + 1,
            (session->n_delivered - i) * sizeof(session->delivered[0]));
    binds_answer(delivery, taken);
}

void esme_delivered(struct smpp_session *session, uint32_t sequence, uint32_t status)
{
    for (unsigned i = 0; i < session->n_delivered; i++)
        if (session->delivered[i].sequence == sequence) {
            answer(session, i, status == SMPP_ROK ? SMS_TAKEN : SMS_TAKE_LATER);
            return;
        }
}

void esme_deliveries_late(struct smpp_session *session, int64_t now)
{
    while (session->n_delivered > 0 && session->delivered[0].deadline <= now)
        answer(session, 0, SMS_TAKE_LATER);
}

/* ---- the place ---- */

bool esme_receive(struct smpp_session *session)
{
    struct lane *lane = session->lane;
    session->delivered = calloc(ESME_DELIVERED_MAX, sizeof(session->delivered[0]));
    if (session->delivered != NULL)
        session->place = binds_enter(lane->gate->binds, lane->loop, session->account->name,
                                     on_delivery, session);
    return session->place != NULL;
}

void esme_receive_no_more(struct smpp_session *session)
{
    session->n_delivered = 0; /* who leaves has answered all */
    if (session->place != NULL)
        binds_leave(&session->place);
}
