/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of the rules about a message: whose number, which sender, which text. */
#include "base/clock.h"
#include "proxy/sms/internal.h"

#include <stdio.h>
#include <string.h>

/* A text of 255 parts in GSM's alphabet, each character three bytes of UTF-8. */
#define TEXT_MAX (SMS_PARTS_MAX * SMS_PART_GSM_LONG * 3 + 1)
/* Digits that are no national number of any plan where national numbers begin with 0. */
#define INTERNATIONAL_DIGITS 10

bool sms_read_number(const struct sms_submission *submission, struct address *to_out)
{
    const char *text = submission->to;
    const char *region = submission->snapshot->config->region;
    char international[32];
    size_t digits = strspn(text, "0123456789");
    /* Partners write 33612345678, with a type of number that says so or without. */
    bool bare = text[digits] == '\0' && digits > 0 && text[0] != '0' &&
                (submission->to_international || digits >= INTERNATIONAL_DIGITS);
    if (bare && digits < sizeof(international) - 1) {
        snprintf(international, sizeof(international), "+%s", text);
        if (address_parse_phone(international, region, to_out, NULL) == RESULT_OK)
            return true;
    }
    return address_parse_phone(text, region, to_out, NULL) == RESULT_OK;
}

/* ---- the text ---- */

static enum sms_alphabet alphabet_of(const struct sms_flight *flight)
{
    /* What the partner calls the default alphabet is its provider's: the message goes there as it
     * is. */
    return sms_flight_provider(flight)->alphabet;
}

static bool has_header(const struct sms_flight *flight)
{
    return flight->message.raw != NULL && (flight->message.raw->esm_class & SMPP_ESM_UDHI) != 0;
}

static bool is_part(const struct sms_flight *flight, struct sms_part *part_out)
{
    const struct sms_raw *raw = flight->message.raw;
    uint32_t reference, total, number;
    if (raw == NULL)
        return false;
    if (has_header(flight))
        return sms_header_part(raw->body.data, raw->body.length, part_out);
    if (!smpp_tlv_number(raw->tlvs, SMPP_TAG_SAR_MSG_REF_NUM, &reference) ||
        !smpp_tlv_number(raw->tlvs, SMPP_TAG_SAR_TOTAL_SEGMENTS, &total) ||
        !smpp_tlv_number(raw->tlvs, SMPP_TAG_SAR_SEGMENT_SEQNUM, &number) || total == 0 ||
        total > SMS_PARTS_MAX || number == 0 || number > total)
        return false;
    *part_out = (struct sms_part){.reference = reference, .total = total, .number = number};
    return true;
}

/* The text of the message, in out if it must be decoded; "" when it is none. */
static const char *read_text(const struct sms_flight *flight, char *out, size_t size)
{
    const struct sms_raw *raw = flight->message.raw;
    if (raw == NULL)
        return flight->message.text;
    struct smpp_span body = raw->body;
    if (has_header(flight)) {
        size_t header = sms_header_length(body.data, body.length);
        if (header == 0)
            return "";
        body.data += header;
        body.length -= header;
    }
    return sms_decode(raw->data_coding, alphabet_of(flight), body.data, body.length, out, size)
               ? out
               : "";
}

unsigned sms_flight_parts(const struct sms_flight *flight)
{
    struct sms_shape shape;
    if (flight->message.text == NULL ||
        !sms_measure(flight->message.text, alphabet_of(flight), &shape) || shape.parts == 0)
        return 1;
    return shape.parts;
}

/* ---- the rules ---- */

/* What the last part says, seen together with the end of the one before. */
static void judge_content(struct sms_flight *flight, const char *before, const char *text)
{
    char joined[2 * SEGMENTS_TAIL + 1];
    const struct stream *stream = &flight->account->stream->terms;
    const struct channel_policy *policy = &flight->snapshot->config->policies[CHANNEL_SMS];
    struct judgement alone = flight->judgement;
    if (policy_judge_sms(stream, policy, text[0] != '\0' ? text : NULL, &alone))
        return;
    /* The mention may be cut in two. */
    snprintf(joined, sizeof(joined), "%s%.*s", before, SEGMENTS_TAIL, text);
    if (before[0] == '\0' || !policy_judge_sms(stream, policy, joined, &flight->judgement))
        flight->judgement = alone;
}

/* Whether anything depends on what the message says. */
static bool text_matters(const struct sms_flight *flight)
{
    return flight->message.prospecting &&
           flight->snapshot->config->policies[CHANNEL_SMS].stop_mention;
}

static void judge_text(struct sms_flight *flight)
{
    char decoded[TEXT_MAX];
    char before[SEGMENTS_TAIL] = "";
    struct sms_part part;
    bool matters = text_matters(flight);
    const char *partner = flight->account->stream->terms.partner->id;
    bool whole = true;
    decoded[0] = '\0';
    const char *text = matters ? read_text(flight, decoded, sizeof(decoded)) : "";
    if (is_part(flight, &part)) {
        const struct segment_key key = {
            .account = flight->account->name,
            .sender = flight->message.sender,
            .recipient_key = flight->who.key,
            .part = part,
            .header = has_header(flight),
            .watched = matters && has_header(flight) ? partner : NULL,
        };
        segments_join(flight->lane->gate->segments, &key, text, clock_monotonic(),
                      &flight->judgement, before);
        /* An SMSC that does not know SAR TLVs delivers each part as a message of its own. */
        whole = !key.header || part.number == part.total;
        if (!key.header)
            before[0] = '\0';
    }
    if (matters && whole && flight->judgement.verdict == VERDICT_PASS)
        judge_content(flight, before, text);
    wipe(decoded, strlen(decoded));
}

void sms_judge(struct sms_flight *flight, const struct facts *facts)
{
    const struct stream *stream = &flight->account->stream->terms;
    struct question question = {
        .partner = stream->partner,
        .stream = stream,
        .policy = &flight->snapshot->config->policies[CHANNEL_SMS],
        .channel = CHANNEL_SMS,
        .purpose = PURPOSE_RECEIPT,
        .now = clock_now(),
        .sender = flight->message.sender,
    };
    policy_judge(&question, facts, &flight->judgement, NULL);
    flight->judgement.form_id = NULL; /* it is borrowed from the facts, which end here */
    judge_text(flight);
}
