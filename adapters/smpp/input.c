/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the provider says on a link, cut into PDUs and told apart: answers to what is out, and
 * requests of its own. Lengths are checked before anything is waited for. What is no SMPP ends the
 * connection; what is SMPP and makes no sense gets an answer.
 */
#include "adapters/smpp/smpp.h"

#include "base/log.h"

#include <stdlib.h>

/* ---- answers ---- */

/* An answer to nothing that is out: late, or the provider miscounts. */
static void on_stranger(struct smpp_link *link, const struct smpp_header *header)
{
    if (link->stranger_told)
        return;
    link->stranger_told = true;
    log_event(LOG_LEVEL_WARN, "smpp answer to nothing",
              LOG_TEXT("provider", smpp_config(link->port)->name),
              LOG_TEXT("command", smpp_command_name(header->command)),
              LOG_NUMBER("sequence", header->sequence));
}

static void on_bind_answer(struct smpp_link *link, const struct smpp_header *header,
                           const struct smpp_response *response)
{
    char text[80];
    link->refused = header->status != SMPP_ROK;
    if (header->status == SMPP_ROK && header->command == SMPP_RESP(link->command)) {
        if (link->trial != NULL)
            smpp_trial_heard(link, response);
        smpp_link_bound(link);
        return;
    }
    smpp_status_text(header->status, text, sizeof(text));
    smpp_link_fail(link, "it refused %s: %s", smpp_command_name(link->command), text);
}

static void on_submit_answer(struct smpp_link *link, const struct smpp_header *header,
                             const struct smpp_response *response)
{
    struct smpp_work *work = smpp_link_take(link, header->sequence);
    if (work == NULL) {
        on_stranger(link, header);
        return;
    }
    uint32_t status = header->status;
    if (header->command == (uint32_t)SMPP_GENERIC_NACK && status == SMPP_ROK)
        status = SMPP_RUNKNOWNERR; /* it says no, and not why */
    smpp_work_answered(work, link, status, response);
    smpp_link_left(link);
}

static void on_enquiry_answer(struct smpp_link *link, const struct smpp_header *header)
{
    if (link->enquiry_until == 0 || header->sequence != link->enquiry) {
        on_stranger(link, header);
        return;
    }
    link->enquiry_until = 0;
    if (link->state != LINK_CHECKING)
        return;
    smpp_link_set_state(link, LINK_UNBINDING);
    link->asked = smpp_link_next(link);
    if (smpp_link_say(link, SMPP_UNBIND, SMPP_ROK, link->asked))
        smpp_link_set_deadline(link, smpp_config(link->port)->reply_timeout);
}

static void on_nack(struct smpp_link *link, const struct smpp_header *header,
                    const struct smpp_response *response)
{
    if (link->state == LINK_BINDING && header->sequence == link->asked)
        on_bind_answer(link, header, response);
    else if (link->enquiry_until != 0 && header->sequence == link->enquiry)
        on_enquiry_answer(link, header); /* who says no is there */
    else
        on_submit_answer(link, header, response);
}

static void on_answer(struct smpp_link *link, const struct smpp_header *header, const uint8_t *body,
                      size_t length)
{
    struct smpp_response response;
    /* The status in the header is what counts. */
    if (smpp_response_read(body, length, &response) != SMPP_ROK)
        response = (struct smpp_response){0};
    switch (header->command) {
    case SMPP_RESP(SMPP_BIND_TRANSCEIVER):
    case SMPP_RESP(SMPP_BIND_TRANSMITTER):
    case SMPP_RESP(SMPP_BIND_RECEIVER):
        if (link->state == LINK_BINDING && header->sequence == link->asked)
            on_bind_answer(link, header, &response);
        else
            on_stranger(link, header);
        break;
    case SMPP_RESP(SMPP_SUBMIT_SM):
        on_submit_answer(link, header, &response);
        break;
    case SMPP_RESP(SMPP_ENQUIRE_LINK):
        on_enquiry_answer(link, header);
        break;
    case SMPP_RESP(SMPP_UNBIND):
        if (link->state == LINK_UNBINDING && header->sequence == link->asked)
            smpp_link_fail(link, "it unbound");
        else
            on_stranger(link, header);
        break;
    case (uint32_t)SMPP_GENERIC_NACK:
        on_nack(link, header, &response);
        break;
    default:
        on_stranger(link, header);
        break;
    }
}

/* ---- requests ---- */

static bool may_unbind(const struct smpp_link *link)
{
    return link->state == LINK_READY || link->state == LINK_CHECKING ||
           link->state == LINK_UNBINDING;
}

static void on_request(struct smpp_link *link, const struct smpp_header *header,
                       const uint8_t *body, size_t length)
{
    switch (header->command) {
    case SMPP_ENQUIRE_LINK:
        (void)smpp_link_say(link, SMPP_RESP(header->command), SMPP_ROK, header->sequence);
        break;
    case SMPP_DELIVER_SM:
    case SMPP_DATA_SM:
        smpp_receive(link, header, body, length);
        break;
    case SMPP_UNBIND:
        if (may_unbind(link))
            smpp_link_leave(link, header->sequence);
        else
            (void)smpp_link_say(link, SMPP_RESP(header->command), SMPP_RINVBNDSTS,
                                header->sequence);
        break;
    case SMPP_OUTBIND:
    case SMPP_ALERT_NOTIFICATION:
        log_event(LOG_LEVEL_INFO, "smpp request ignored",
                  LOG_TEXT("provider", smpp_config(link->port)->name),
                  LOG_TEXT("command", smpp_command_name(header->command)));
        break;
    case SMPP_BIND_RECEIVER:
    case SMPP_BIND_TRANSMITTER:
    case SMPP_BIND_TRANSCEIVER:
    case SMPP_QUERY_SM:
    case SMPP_SUBMIT_SM:
    case SMPP_REPLACE_SM:
    case SMPP_CANCEL_SM:
    case SMPP_SUBMIT_MULTI:
        /* It is the SMSC: these are ours to say. */
        (void)smpp_link_say(link, SMPP_RESP(header->command), SMPP_RINVBNDSTS, header->sequence);
        break;
    default:
        (void)smpp_link_say(link, (uint32_t)SMPP_GENERIC_NACK, SMPP_RINVCMDID, header->sequence);
        break;
    }
}

/* ---- PDUs ---- */

/* False: no whole one is there. */
static bool next_pdu(struct smpp_link *link)
{
    struct smpp_port *port = link->port;
    struct evbuffer *input = bufferevent_get_input(link->bev);
    struct smpp_header header;
    if (evbuffer_copyout(input, port->in, SMPP_HEADER_BYTES) < SMPP_HEADER_BYTES)
        return false;
    smpp_header_read(port->in, &header);
    if (header.length < SMPP_HEADER_BYTES || header.length > SMPP_PDU_MAX) {
        smpp_link_fail(link, "it sent what is no SMPP (a length of %u bytes)", header.length);
        return false;
    }
    if (evbuffer_get_length(input) < header.length)
        return false;
    (void)evbuffer_remove(input, port->in, header.length);
    const uint8_t *body = port->in + SMPP_HEADER_BYTES;
    size_t length = header.length - SMPP_HEADER_BYTES;
    if ((header.command & SMPP_RESPONSE) != 0)
        on_answer(link, &header, body, length);
    else
        on_request(link, &header, body, length);
    return true;
}

void smpp_input_read(struct smpp_link *link)
{
    struct smpp_port *port = link->port;
    struct bufferevent *bev = link->bev;
    link->heard_at = clock_monotonic();
    while (link->bev == bev && link->state != LINK_FAREWELL && next_pdu(link))
        ;
    smpp_queue_pump(port);
}
