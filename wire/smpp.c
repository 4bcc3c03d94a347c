/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMPP 3.4 into structures. A cursor that remembers its first failure walks the body once; every
 * step asks how much is left, so that no length which a peer claims is believed. Allocates nothing.
 */
#include "wire/smpp.h"

#include <string.h>

struct cursor {
    const uint8_t *at;
    size_t left;
    uint32_t status; /* the first thing that was wrong; from then on nothing is read */
};

static void fail(struct cursor *in, uint32_t status)
{
    if (in->status == SMPP_ROK)
        in->status = status;
    in->left = 0;
}

static uint32_t be16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static uint32_t be32(const uint8_t *bytes)
{
    return be16(bytes) << 16 | be16(bytes + 2);
}

static uint8_t take_byte(struct cursor *in)
{
    if (in->left < 1) {
        fail(in, SMPP_RINVCMDLEN);
        return 0;
    }
    in->left--;
    return *in->at++;
}

/* A C-octet string of at most size bytes, its NUL among them. */
static void take_text(struct cursor *in, char *out, size_t size)
{
    size_t within = in->left < size ? in->left : size;
    const uint8_t *end = within > 0 ? memchr(in->at, '\0', within) : NULL;
    if (end == NULL) {
        fail(in, SMPP_RINVCMDLEN);
        return;
    }
    size_t length = (size_t)(end - in->at);
    memcpy(out, in->at, length + 1);
    in->at += length + 1;
    in->left -= length + 1;
}

/* A time is either not given, one NUL, or 16 characters and a NUL. */
static void take_time(struct cursor *in, char out[17], uint32_t status)
{
    bool whole = in->left >= 17;
    take_text(in, out, 17);
    if (in->status != SMPP_ROK) {
        if (whole)
            in->status = status;
        return;
    }
    size_t length = strlen(out);
    if (length != 0 && length != 16)
        fail(in, status);
}

static void take_address(struct cursor *in, struct smpp_address *out, size_t size)
{
    out->ton = take_byte(in);
    out->npi = take_byte(in);
    take_text(in, out->text, size);
}

static struct smpp_span take_span(struct cursor *in, size_t length)
{
    if (in->left < length) {
        fail(in, SMPP_RINVCMDLEN);
        return (struct smpp_span){0};
    }
    struct smpp_span span = {.data = in->at, .length = length};
    in->at += length;
    in->left -= length;
    return span;
}

/* Whatever is left must be TLVs, each whole. Their meaning is not looked at. */
static struct smpp_span take_tlvs(struct cursor *in)
{
    struct smpp_span tlvs = {.data = in->at, .length = in->left};
    while (in->left > 0) {
        if (in->left < 4) {
            fail(in, SMPP_RINVOPTPARSTREAM);
            break;
        }
        size_t length = be16(in->at + 2);
        if (in->left - 4 < length) {
            fail(in, SMPP_RINVPARLEN);
            break;
        }
        in->at += 4 + length;
        in->left -= 4 + length;
    }
    return in->status == SMPP_ROK ? tlvs : (struct smpp_span){0};
}

static uint32_t take_end(struct cursor *in)
{
    if (in->left > 0)
        fail(in, SMPP_RINVCMDLEN);
    return in->status;
}

static struct cursor cursor_of(const uint8_t *body, size_t length)
{
    return (struct cursor){.at = body, .left = length, .status = SMPP_ROK};
}

void smpp_header_read(const uint8_t bytes[SMPP_HEADER_BYTES], struct smpp_header *header_out)
{
    *header_out = (struct smpp_header){
        .length = be32(bytes),
        .command = be32(bytes + 4),
        .status = be32(bytes + 8),
        .sequence = be32(bytes + 12),
    };
}

uint32_t smpp_bind_read(const uint8_t *body, size_t length, struct smpp_bind *out)
{
    struct cursor in = cursor_of(body, length);
    memset(out, 0, sizeof(*out));
    take_text(&in, out->system_id, sizeof(out->system_id));
    take_text(&in, out->password, sizeof(out->password));
    take_text(&in, out->system_type, sizeof(out->system_type));
    out->version = take_byte(&in);
    take_address(&in, &out->range, 41);
    uint32_t status = take_end(&in);
    if (status != SMPP_ROK)
        explicit_bzero(out, sizeof(*out));
    return status;
}

/* 254 is the most that 3.4 allows; 255 would be 5.0's, which no 3.4 provider takes. */
static void take_short_message(struct cursor *in, struct smpp_span *out)
{
    size_t length = take_byte(in);
    if (length > 254)
        fail(in, SMPP_RINVMSGLEN);
    else
        *out = take_span(in, length);
}

/* From esm_class to the text: what submit_sm, deliver_sm and submit_multi have in common. */
static void take_message(struct cursor *in, struct smpp_message *out)
{
    out->esm_class = take_byte(in);
    out->protocol_id = take_byte(in);
    out->priority = take_byte(in);
    take_time(in, out->schedule, SMPP_RINVSCHED);
    take_time(in, out->validity, SMPP_RINVEXPIRY);
    out->registered = take_byte(in);
    out->replace = take_byte(in);
    out->data_coding = take_byte(in);
    out->default_message = take_byte(in);
    take_short_message(in, &out->text);
}

/* Nothing of what could not be read is left to be used by mistake. */
static uint32_t message_end(struct cursor *in, struct smpp_message *out)
{
    if (in->status == SMPP_ROK)
        out->tlvs = take_tlvs(in);
    if (in->status != SMPP_ROK)
        memset(out, 0, sizeof(*out));
    return in->status;
}

uint32_t smpp_message_read(uint32_t command, const uint8_t *body, size_t length,
                           struct smpp_message *out)
{
    struct cursor in = cursor_of(body, length);
    memset(out, 0, sizeof(*out));
    size_t address = command == SMPP_DATA_SM ? 65 : 21;
    take_text(&in, out->service_type, sizeof(out->service_type));
    take_address(&in, &out->source, address);
    take_address(&in, &out->destination, address);
    if (command == SMPP_DATA_SM) {
        out->esm_class = take_byte(&in);
        out->registered = take_byte(&in);
        out->data_coding = take_byte(&in);
    } else {
        take_message(&in, out);
    }
    return message_end(&in, out);
}

static void take_destination(struct cursor *in, struct smpp_destination *out)
{
    memset(out, 0, sizeof(*out));
    uint8_t flag = take_byte(in);
    if (flag == 1) {
        take_address(in, &out->address, 21);
    } else if (flag == 2) {
        out->list = true;
        take_text(in, out->address.text, 21);
    } else {
        fail(in, SMPP_RINVDESTFLAG);
    }
}

uint32_t smpp_multi_read(const uint8_t *body, size_t length, struct smpp_message *out,
                         struct smpp_destination *destinations, size_t *n_out)
{
    struct cursor in = cursor_of(body, length);
    memset(out, 0, sizeof(*out));
    *n_out = 0;
    take_text(&in, out->service_type, sizeof(out->service_type));
    take_address(&in, &out->source, 21);
    size_t n = take_byte(&in);
    if (n < 1 || n > SMPP_MULTI_MAX)
        fail(&in, SMPP_RINVNUMDESTS);
    for (size_t i = 0; i < n && in.status == SMPP_ROK; i++)
        take_destination(&in, &destinations[i]);
    take_message(&in, out);
    uint32_t status = message_end(&in, out);
    if (status == SMPP_ROK)
        *n_out = n;
    return status;
}

uint32_t smpp_response_read(const uint8_t *body, size_t length, struct smpp_response *out)
{
    struct cursor in = cursor_of(body, length);
    memset(out, 0, sizeof(*out));
    if (length == 0)
        return SMPP_ROK;
    take_text(&in, out->message_id, sizeof(out->message_id));
    if (in.status == SMPP_ROK)
        out->tlvs = take_tlvs(&in);
    if (in.status != SMPP_ROK)
        memset(out, 0, sizeof(*out));
    return in.status;
}

uint32_t smpp_id_read(uint32_t command, const uint8_t *body, size_t length,
                      char id_out[SMPP_ID_MAX])
{
    struct cursor in = cursor_of(body, length);
    struct smpp_message rest = {0};
    memset(id_out, 0, SMPP_ID_MAX);
    if (command == SMPP_CANCEL_SM)
        take_text(&in, rest.service_type, sizeof(rest.service_type));
    take_text(&in, id_out, SMPP_ID_MAX);
    take_address(&in, &rest.source, 21);
    if (command == SMPP_CANCEL_SM)
        take_address(&in, &rest.destination, 21);
    if (command == SMPP_REPLACE_SM) {
        take_time(&in, rest.schedule, SMPP_RINVSCHED);
        take_time(&in, rest.validity, SMPP_RINVEXPIRY);
        rest.registered = take_byte(&in);
        rest.default_message = take_byte(&in);
        take_short_message(&in, &rest.text);
    }
    uint32_t status = take_end(&in);
    if (status != SMPP_ROK)
        memset(id_out, 0, SMPP_ID_MAX);
    return status;
}

/* Steps over the first TLV of *tlvs; false at their end. Checks again what take_tlvs checked: a
 * wrong span must not become a wrong read. */
static bool next_tlv(struct smpp_span *tlvs, uint32_t *tag_out, struct smpp_span *value_out)
{
    if (tlvs->length < 4)
        return false;
    size_t length = be16(tlvs->data + 2);
    if (tlvs->length - 4 < length)
        return false;
    *tag_out = be16(tlvs->data);
    *value_out = (struct smpp_span){.data = tlvs->data + 4, .length = length};
    tlvs->data += 4 + length;
    tlvs->length -= 4 + length;
    return true;
}

bool smpp_tlv_find(struct smpp_span tlvs, uint16_t tag, struct smpp_span *value_out)
{
    uint32_t found = 0;
    struct smpp_span value;
    while (next_tlv(&tlvs, &found, &value))
        if (found == tag) {
            *value_out = value;
            return true;
        }
    *value_out = (struct smpp_span){0};
    return false;
}

bool smpp_tlv_number(struct smpp_span tlvs, uint16_t tag, uint32_t *number_out)
{
    struct smpp_span value;
    *number_out = 0;
    if (!smpp_tlv_find(tlvs, tag, &value) || value.length < 1 || value.length > 4)
        return false;
    for (size_t i = 0; i < value.length; i++)
        *number_out = *number_out << 8 | value.data[i];
    return true;
}

bool smpp_message_text(const struct smpp_message *message, struct smpp_span *text_out)
{
    struct smpp_span rest = message->tlvs;
    struct smpp_span value;
    uint32_t tag = 0;
    unsigned payloads = 0;
    *text_out = message->text;
    while (next_tlv(&rest, &tag, &value))
        if (tag == SMPP_TAG_MESSAGE_PAYLOAD) {
            payloads++;
            *text_out = value;
        }
    /* Of two texts, who knows which one the provider sends. */
    if (payloads + (message->text.length > 0 ? 1 : 0) <= 1)
        return true;
    *text_out = (struct smpp_span){0};
    return false;
}
