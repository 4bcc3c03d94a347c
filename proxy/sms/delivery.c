/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a message that came by SMPP go on as they came; a text that came by HTTP is encoded. */
#include "proxy/sms/delivery.h"

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

/* ---- by HTTP ---- */

static const char *state_word(enum receipt_state state)
{
    static const char *const words[] = {
        [RECEIPT_ENROUTE] = "enroute",
        [RECEIPT_DELIVERED] = "delivered",
        [RECEIPT_EXPIRED] = "expired",
        [RECEIPT_DELETED] = "deleted",
        [RECEIPT_UNDELIVERABLE] = "undeliverable",
        [RECEIPT_ACCEPTED] = "accepted",
        [RECEIPT_REJECTED] = "rejected",
    };
    size_t index = (size_t)state;
    bool known = index < sizeof(words) / sizeof(words[0]) && words[index] != NULL;
    return known ? words[index] : "unknown";
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static void add_number(struct strbuf *out, const char *key, const char *digits)
{
    char number[sizeof(((struct sms_delivery *)0)->from) + 1] = "+";
    str_copy(number + 1, sizeof(number) - 1, digits);
    strbuf_add_json_field(out, key, digits[0] != '\0' ? number : NULL);
}

static void add_bytes(struct strbuf *out, const struct sms_delivery *what)
{
    static const char digits[] = "0123456789abcdef";
    strbuf_add_json_number(out, "data_coding", what->data_coding);
    strbuf_add_json_number(out, "esm_class", what->esm_class);
    strbuf_add_str(out, ",\"data\":\"");
    for (size_t i = 0; i < what->length; i++) {
        strbuf_add_char(out, digits[what->body[i] >> 4]);
        strbuf_add_char(out, digits[what->body[i] & 0x0f]);
    }
    strbuf_add_char(out, '"');
}

void sms_delivery_json(const struct sms_delivery *what, const char *text, bool stop,
                       struct strbuf *out)
{
    bool report = what->kind == SMS_INBOUND_REPORT;
    strbuf_add_char(out, '{');
    strbuf_add_json_field(out, "type", report ? "report" : "message");
    if (report) {
        strbuf_add_json_field(out, "id", what->receipt.id);
        strbuf_add_json_field(out, "state", state_word(what->receipt.state));
        strbuf_add_json_field(out, "error", or_null(what->receipt.error));
        strbuf_add_json_field(out, "done_date", or_null(what->receipt.done_date));
        add_number(out, "to", what->from);
        strbuf_add_json_field(out, "from", or_null(what->to));
    } else {
        add_number(out, "from", what->from);
        strbuf_add_json_field(out, "to", or_null(what->to));
        strbuf_add_json_field(out, "text", text);
        strbuf_add_str(out, stop ? ",\"stop\":true" : ",\"stop\":false");
        if (text[0] == '\0' && what->length > 0)
            add_bytes(out, what);
    }
    strbuf_add_char(out, '}');
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
