/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes from the network by a provider: replies of people and delivery reports. Each goes to
 * the sink, and the provider is answered as the sink answers: acknowledged once it is safe, or
 * asked to come again. What cannot be read gets the codec's status. It keeps nothing.
 */
#include "adapters/smpp/smpp.h"

#include "base/log.h"
#include "base/ticket.h"

#include <stdlib.h>

/* ---- answers ---- */

static void respond(struct smpp_link *link, uint32_t command, uint32_t status, uint32_t sequence)
{
    uint8_t bytes[SMPP_HEADER_BYTES + 1];
    size_t length =
        smpp_response_write(bytes, sizeof(bytes), SMPP_RESP(command), status, sequence, "");
    (void)smpp_link_write(link, bytes, length);
}

static void inbound_free(struct smpp_inbound *inbound)
{
    struct smpp_link *link = inbound->link;
    TAILQ_REMOVE(&link->inbound, inbound, entry);
    link->n_inbound--;
    ticket_revoke(link->port->tickets, inbound->ticket);
    free(inbound);
}

void smpp_receive_forget(struct smpp_link *link)
{
    struct smpp_inbound *inbound, *next;
    for (inbound = TAILQ_FIRST(&link->inbound); inbound != NULL; inbound = next) {
        next = TAILQ_NEXT(inbound, entry);
        inbound_free(inbound);
    }
}

/* Each call of the sink holds a reference to the provider, and with it the port. */
static void on_taken(void *owner, struct ticket ticket, enum sms_taken taken)
{
    struct smpp_port *port = owner;
    struct provider *provider = port->base.provider;
    struct smpp_inbound *inbound = ticket_redeem(port->tickets, ticket);
    if (inbound != NULL) {
        struct smpp_link *link = inbound->link;
        uint32_t command = inbound->command, sequence = inbound->sequence;
        inbound_free(inbound);
        respond(link, command, taken == SMS_TAKEN ? SMPP_ROK : SMPP_RSYSERR, sequence);
    }
    provider_unref(&provider);
}

/* ---- what it is ---- */

static bool is_report(const struct smpp_message *message)
{
    unsigned type = message->esm_class & SMPP_ESM_TYPE;
    struct smpp_span id, state;
    if (type == SMPP_ESM_REPORT || type == SMPP_ESM_INTERMEDIATE)
        return true;
    /* Some providers say so in TLVs alone. */
    return smpp_tlv_find(message->tlvs, SMPP_TAG_RECEIPTED_MESSAGE_ID, &id) &&
           smpp_tlv_find(message->tlvs, SMPP_TAG_MESSAGE_STATE, &state);
}

/* So that no STOP is missed: what is broken at its end is read up to there, and what says it is
 * something unknown may be ASCII all the same. */
static void read_broken(const struct smpp_port *port, uint8_t data_coding, const uint8_t *bytes,
                        size_t length, char *text, size_t size)
{
    const size_t cut_most = 3; /* half a unit, and the first half of a pair */
    bool ascii = true;
    for (size_t cut = 1; cut <= cut_most && cut < length; cut++)
        if (sms_decode(data_coding, smpp_config(port)->alphabet, bytes, length - cut, text, size))
            return;
    for (size_t i = 0; i < length && ascii; i++)
        ascii = (bytes[i] >= ' ' && bytes[i] < 0x7f) || (bytes[i] >= '\t' && bytes[i] <= '\r');
    if (!ascii || !sms_decode(1, SMS_ALPHABET_GSM, bytes, length, text, size))
        text[0] = '\0';
}

/* UTF-8, the caller's; "" when it is binary. NULL: memory is short. */
static char *text_of(const struct smpp_port *port, const struct smpp_message *message,
                     struct smpp_span body)
{
    size_t header = 0;
    if ((message->esm_class & SMPP_ESM_UDHI) != 0)
        header = sms_header_length(body.data, body.length);
    /* No character takes more than three bytes for one that came. */
    size_t size = 3 * (body.length - header) + 1;
    char *text = malloc(size);
    if (text == NULL)
        return NULL;
    text[0] = '\0';
    if (body.length > header && !sms_decode(message->data_coding, smpp_config(port)->alphabet,
                                            body.data + header, body.length - header, text, size))
        read_broken(port, message->data_coding, body.data + header, body.length - header, text,
                    size);
    return text;
}

/* False: memory is short. */
static bool hand_over(struct smpp_link *link, struct smpp_inbound *inbound,
                      const struct smpp_message *message, const struct receipt *receipt,
                      struct smpp_span body)
{
    struct smpp_port *port = link->port;
    struct provider *provider = port->base.provider;
    char *text = receipt == NULL ? text_of(port, message, body) : NULL;
    if (receipt == NULL && text == NULL)
        return false;
    const struct sms_inbound said = {
        .kind = receipt != NULL ? SMS_INBOUND_REPORT : SMS_INBOUND_MESSAGE,
        .from = message->source.text,
        .to = message->destination.text,
        .text = text != NULL ? text : "",
        .as_was = receipt == NULL ? message : NULL,
        .id = receipt != NULL ? receipt->id : "",
        .receipt = receipt,
    };
    /* Given back by on_taken, which may free inbound, and close the link, before this returns. */
    (void)provider_ref(provider);
    provider->sink->on_inbound(provider->sink->gate, provider, port->base.loop, &said, on_taken,
                               port, inbound->ticket);
    free(text);
    return true;
}

static struct smpp_inbound *inbound_new(struct smpp_link *link, const struct smpp_header *header)
{
    struct smpp_port *port = link->port;
    struct smpp_inbound *inbound = calloc(1, sizeof(*inbound));
    if (inbound == NULL)
        return NULL;
    if (port->tickets == NULL)
        port->tickets = ticket_table_new();
    if (port->tickets != NULL)
        inbound->ticket = ticket_issue(port->tickets, inbound);
    if (inbound->ticket.generation == 0) {
        free(inbound);
        return NULL;
    }
    inbound->link = link;
    inbound->command = header->command;
    inbound->sequence = header->sequence;
    TAILQ_INSERT_TAIL(&link->inbound, inbound, entry);
    link->n_inbound++;
    return inbound;
}

/* What is to be answered at once; 0: the sink answers. */
static uint32_t take(struct smpp_link *link, const struct smpp_header *header,
                     const struct smpp_message *message)
{
    struct receipt receipt;
    struct smpp_span body;
    bool report = is_report(message);
    if (!smpp_message_text(message, &body))
        return SMPP_RINVMSGLEN;
    if (report && !receipt_read(message, &receipt)) {
        /* To come again would not mend it. */
        log_event(LOG_LEVEL_WARN, "delivery report refused",
                  LOG_TEXT("provider", smpp_config(link->port)->name),
                  LOG_TEXT("error", "it names no message"));
        return SMPP_RX_R_APPN;
    }
    struct smpp_inbound *inbound = inbound_new(link, header);
    if (inbound == NULL)
        return SMPP_RSYSERR;
    if (hand_over(link, inbound, message, report ? &receipt : NULL, body))
        return SMPP_ROK;
    inbound_free(inbound);
    return SMPP_RSYSERR;
}

void smpp_receive(struct smpp_link *link, const struct smpp_header *header, const uint8_t *body,
                  size_t length)
{
    const struct provider *provider = link->port->base.provider;
    struct smpp_message message;
    uint32_t status = smpp_message_read(header->command, body, length, &message);
    if (link->trial != NULL || link->state == LINK_LEAVING)
        status = SMPP_RSYSERR; /* kept there, for who can take it */
    else if (link->state != LINK_READY || provider->sink == NULL)
        status = SMPP_RINVBNDSTS;
    else if (link->n_inbound >= SMPP_INBOUND_MAX)
        status = SMPP_RMSGQFUL;
    else if (status == SMPP_ROK)
        status = take(link, header, &message);
    if (status != SMPP_ROK)
        respond(link, header->command, status, header->sequence);
}
