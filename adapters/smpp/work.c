/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message as SMPP requests: one submit_sm, or one for each segment of a long text. What the
 * partner said in SMPP goes as it came, but for what is the gate's to say: the number that was
 * judged, whether a delivery report is wanted, and the time, which is now.
 */
#include "adapters/smpp/smpp.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_MESSAGE_MAX 254 /* bytes of short_message; what is longer goes as message_payload */
#define UDH_BYTES         6

struct smpp_work *smpp_work_new(struct smpp_port *port, struct sms_job *job)
{
    struct smpp_work *work = calloc(1, sizeof(*work));
    if (work == NULL)
        return NULL;
    work->job = job;
    work->deadline = clock_monotonic() + smpp_config(port)->connect_timeout;
    work->requests = 1;
    return work;
}

void smpp_work_free(struct smpp_work **work)
{
    free((*work)->text);
    free(*work);
    *work = NULL;
}

/* ---- how it travels ---- */

static bool refuse(struct smpp_work *work, enum sms_refusal refusal, uint32_t status,
                   const char *text)
{
    work->refusal = (struct sms_answer){.outcome = OUTCOME_REFUSED,
                                        .refusal = refusal,
                                        .id = "",
                                        .smpp_status = status,
                                        .text = text};
    return false;
}

/* The judged number, as E.164 digits. */
static bool is_number(const char *to)
{
    size_t digits = strspn(to + 1, "0123456789");
    return to[0] == '+' && digits > 0 && digits <= 20 && to[digits + 1] == '\0';
}

static bool plan_text(struct smpp_work *work, struct smpp_port *port)
{
    const struct provider_config *config = smpp_config(port);
    const char *text = work->job->message.text;
    struct sms_shape *shape = &work->shape;
    if (!sms_measure(text, config->alphabet, shape))
        return refuse(work, SMS_REFUSED_FOR_GOOD, SMPP_RINVMSGLEN, "the text is not UTF-8");
    if (shape->parts == 0)
        return refuse(work, SMS_REFUSED_FOR_GOOD, SMPP_RINVMSGLEN, "the text is too long");
    size_t room = 2 * shape->units + 1;
    work->text = malloc(room);
    if (work->text == NULL) {
        error_no_memory(&work->why);
        return false;
    }
    if (!sms_encode(text, config->alphabet, shape, work->text, room, &work->length))
        return refuse(work, SMS_REFUSED_FOR_GOOD, SMPP_RINVMSGLEN, "the text cannot be encoded");
    if (shape->parts == 1)
        return true;
    if (config->long_messages == LONG_SEGMENTS) {
        work->requests = shape->parts;
        work->reference = smpp_places_reference(port);
    } else {
        work->payload = true;
    }
    return true;
}

bool smpp_work_plan(struct smpp_work *work, struct smpp_port *port)
{
    const struct sms_message *message = &work->job->message;
    if (!is_number(message->to))
        return refuse(work, SMS_REFUSED_NUMBER, SMPP_RINVDSTADR, "the number is not in E.164");
    if (message->raw == NULL)
        return plan_text(work, port);
    work->payload = message->raw->payload || message->raw->body.length > SHORT_MESSAGE_MAX;
    return true;
}

/* ---- the request ---- */

/* Relative, rounded up to a second: "000002000000000R" is two days. Months have thirty days here,
 * which providers take for the same. */
static void write_validity(int64_t microseconds, char out[17])
{
    int64_t seconds = (microseconds + CLOCK_SECOND - 1) / CLOCK_SECOND;
    unsigned days = seconds < INT64_C(86400) * 36000 ? (unsigned)(seconds / 86400) : 35999;
    unsigned rest = (unsigned)(seconds % 86400);
    char text[80];
    snprintf(text, sizeof(text), "%02u%02u%02u%02u%02u%02u000R", days / 360, days % 360 / 30,
             days % 30, rest / 3600, rest / 60 % 60, rest % 60);
    (void)str_copy(out, 17, text);
}

/* Whether the SMSC shall report, and how. */
static uint8_t registered(const struct sms_message *message)
{
    uint8_t asked = message->raw != NULL ? message->raw->registered : 0;
    uint8_t others = asked & (uint8_t)~SMPP_REGISTERED_ANY;
    if (!message->report)
        return others;
    return (asked & SMPP_REGISTERED_ANY) != 0 ? asked : (uint8_t)(others | 1);
}

static bool address_source(const struct sms_message *message, struct smpp_address *source_out)
{
    const char *sender = message->sender;
    /* SMPP writes international numbers without it, whether the partner said so or we chose it. */
    if (message->sender_ton == SMPP_TON_INTERNATIONAL && *sender == '+')
        sender++;
    source_out->ton = message->sender_ton;
    source_out->npi = message->sender_npi;
    return str_copy(source_out->text, sizeof(source_out->text), sender);
}

/* Fields that both forms have. False: something is longer than SMPP has room for. */
static bool fill_common(const struct sms_message *message, struct smpp_message *out)
{
    bool fits = address_source(message, &out->source);
    out->destination.ton = SMPP_TON_INTERNATIONAL;
    out->destination.npi = SMPP_NPI_E164;
    out->registered = registered(message);
    if (message->validity > 0)
        write_validity(message->validity, out->validity);
    return str_copy(out->destination.text, sizeof(out->destination.text), message->to + 1) && fits;
}

/* No schedule: what was judged is judged for now. */
static bool fill_raw(const struct sms_raw *raw, struct smpp_message *out)
{
    bool fits = str_copy(out->service_type, sizeof(out->service_type),
                         raw->service_type != NULL ? raw->service_type : "");
    out->esm_class = raw->esm_class;
    out->protocol_id = raw->protocol_id;
    out->priority = raw->priority;
    out->data_coding = raw->data_coding;
    out->default_message = raw->default_message;
    out->text = raw->body;
    out->tlvs = raw->tlvs;
    if (raw->validity != NULL && raw->validity[0] != '\0')
        fits = str_copy(out->validity, sizeof(out->validity), raw->validity) && fits;
    return fits;
}

/* The segment in turn, with its header, in front of what is left of tlvs. */
static void fill_segment(const struct smpp_work *work, enum sms_alphabet alphabet, uint8_t *room,
                         struct smpp_message *out)
{
    size_t from = 0, length = 0;
    unsigned number = work->taken + 1;
    const uint8_t header[UDH_BYTES] = {
        5, 0, 3, work->reference, (uint8_t)work->requests, (uint8_t)number};
    sms_cut(work->text, work->length, alphabet, &work->shape, number, &from, &length);
    memcpy(room, header, sizeof(header));
    memcpy(room + sizeof(header), work->text + from, length);
    out->esm_class |= SMPP_ESM_UDHI;
    /* One report for one message: a report names its part, and only the first one's id is given to
     * the partner and is on record. Those of the others would be reports about nothing. */
    if (number > 1)
        out->registered &= (uint8_t)~SMPP_REGISTERED_ANY;
    out->text = (struct smpp_span){.data = room, .length = sizeof(header) + length};
}

/* The text leaves short_message for a TLV behind those that came. */
static bool move_to_payload(struct smpp_port *port, struct smpp_message *out)
{
    size_t length = out->tlvs.length;
    if (length > sizeof(port->tlvs))
        return false;
    if (length > 0)
        memcpy(port->tlvs, out->tlvs.data, length);
    if (!smpp_tlv_write(port->tlvs, sizeof(port->tlvs), &length, SMPP_TAG_MESSAGE_PAYLOAD,
                        out->text.data, out->text.length))
        return false;
    out->tlvs = (struct smpp_span){.data = port->tlvs, .length = length};
    out->text = (struct smpp_span){0};
    return true;
}

size_t smpp_work_write(const struct smpp_work *work, struct smpp_port *port, uint32_t sequence)
{
    const struct sms_message *message = &work->job->message;
    struct smpp_message out = {0};
    bool fits = fill_common(message, &out);
    if (message->raw != NULL) {
        fits = fill_raw(message->raw, &out) && fits;
    } else {
        out.data_coding = work->shape.data_coding;
        out.text = (struct smpp_span){.data = work->text, .length = work->length};
        if (work->requests > 1)
            fill_segment(work, smpp_config(port)->alphabet, port->tlvs, &out);
    }
    if (work->payload)
        fits = move_to_payload(port, &out) && fits;
    if (!fits)
        return 0;
    return smpp_message_write(port->out, sizeof(port->out), SMPP_SUBMIT_SM, sequence, &out);
}
