/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a message that came by SMPP go on as they came; a text that came by HTTP is encoded. */
#include "proxy/sms/delivery.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define TLV_HEAD 4

static uint8_t *copy_bytes(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length + 1);
    if (copy != NULL && length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

/* All but message_payload, which is the body. */
static bool keep_tlvs(struct smpp_span tlvs, struct sms_delivery *what)
{
    const uint8_t *at = tlvs.data;
    size_t left = tlvs.length;
    if (left < TLV_HEAD)
        return true;
    what->tlvs = malloc(left);
    if (what->tlvs == NULL)
        return false;
    while (left >= TLV_HEAD) {
        unsigned tag = (unsigned)at[0] << 8 | at[1];
        size_t size = TLV_HEAD + ((size_t)at[2] << 8 | at[3]);
        if (size > left)
            break;
        if (tag != SMPP_TAG_MESSAGE_PAYLOAD) {
            memcpy(what->tlvs + what->tlvs_length, at, size);
            what->tlvs_length += size;
        }
        at += size;
        left -= size;
    }
    return true;
}

static enum result of_smpp(const struct smpp_message *message, struct sms_delivery *what)
{
    struct smpp_span text;
    if (!smpp_message_text(message, &text))
        return RESULT_BAD_INPUT;
    what->to_ton = message->destination.ton;
    what->to_npi = message->destination.npi;
    what->esm_class = message->esm_class;
    what->protocol_id = message->protocol_id;
    what->data_coding = message->data_coding;
    what->length = text.length;
    what->body = copy_bytes(text.data, text.length);
    return what->body != NULL && keep_tlvs(message->tlvs, what) ? RESULT_OK : RESULT_NO_MEMORY;
}

static enum result of_text(const char *text, struct sms_delivery *what)
{
    struct sms_shape shape;
    if (!sms_measure(text, SMS_ALPHABET_GSM, &shape) || shape.parts == 0)
        return RESULT_BAD_INPUT;
    size_t size = shape.data_coding == 8 ? 2 * shape.units : shape.units;
    what->data_coding = shape.data_coding;
    what->body = malloc(size + 1);
    if (what->body == NULL)
        return RESULT_NO_MEMORY;
    return sms_encode(text, SMS_ALPHABET_GSM, &shape, what->body, size, &what->length)
               ? RESULT_OK
               : RESULT_BAD_INPUT;
}

enum result sms_delivery_of(const struct sms_inbound *inbound, struct sms_delivery *what_out)
{
    enum result result = RESULT_OK;
    *what_out = (struct sms_delivery){.kind = inbound->kind};
    str_copy(what_out->to, sizeof(what_out->to), inbound->to);
    sms_sender_kind(inbound->to, &what_out->to_ton, &what_out->to_npi);
    if (inbound->kind == SMS_INBOUND_REPORT)
        what_out->receipt = *inbound->receipt;
    else if (inbound->kind == SMS_INBOUND_MESSAGE)
        result = inbound->as_was != NULL ? of_smpp(inbound->as_was, what_out)
                                         : of_text(inbound->text, what_out);
    return result;
}

bool sms_delivery_copy(const struct sms_delivery *what, struct sms_delivery *copy_out)
{
    *copy_out = *what;
    copy_out->body = what->body != NULL ? copy_bytes(what->body, what->length) : NULL;
    copy_out->tlvs = what->tlvs != NULL ? copy_bytes(what->tlvs, what->tlvs_length) : NULL;
    if ((what->body != NULL && copy_out->body == NULL) ||
        (what->tlvs != NULL && copy_out->tlvs == NULL)) {
        sms_delivery_end(copy_out);
        return false;
    }
    return true;
}
