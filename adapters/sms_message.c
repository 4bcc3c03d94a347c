/* SPDX-License-Identifier: Apache-2.0 */
/* A message as it is copied on its way: everything it points at in one piece of memory. */
#include "adapters/sms.h"

#include <string.h>

#define SHORT_CODE_DIGITS 6

void sms_sender_kind(const char *sender, uint8_t *ton_out, uint8_t *npi_out)
{
    const char *digits = *sender == '+' ? sender + 1 : sender;
    size_t length = strspn(digits, "0123456789");
    bool number = length > 0 && digits[length] == '\0';
    *npi_out = SMPP_NPI_UNKNOWN;
    if (!number) {
        *ton_out = SMPP_TON_ALPHANUMERIC;
    } else if (length <= SHORT_CODE_DIGITS && *sender != '+') {
        *ton_out = SMPP_TON_NETWORK;
    } else {
        *ton_out = SMPP_TON_INTERNATIONAL;
        *npi_out = SMPP_NPI_E164;
    }
}

/* ---- copies ---- */

/* Where the next copy goes. */
struct room {
    char *at;
};

static size_t text_size(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

static const char *keep_text(struct room *room, const char *text)
{
    size_t size = text_size(text);
    if (size == 0)
        return NULL;
    char *copy = memcpy(room->at, text, size);
    room->at += size;
    return copy;
}

static struct smpp_span keep_span(struct room *room, struct smpp_span span)
{
    if (span.length > 0) {
        memcpy(room->at, span.data, span.length);
        span.data = (const uint8_t *)room->at;
        room->at += span.length;
    }
    return span;
}

size_t sms_message_room(const struct sms_message *message)
{
    size_t size = text_size(message->reference) + text_size(message->sender) +
                  text_size(message->to) + text_size(message->text);
    const struct sms_raw *raw = message->raw;
    if (raw != NULL)
        size += text_size(raw->service_type) + text_size(raw->schedule) + text_size(raw->validity) +
                raw->body.length + raw->tlvs.length;
    return size;
}

void sms_message_keep(const struct sms_message *message, char *memory,
                      struct sms_message *message_out, struct sms_raw *raw_out)
{
    struct room room = {.at = memory};
    *message_out = *message;
    message_out->reference = keep_text(&room, message->reference);
    message_out->sender = keep_text(&room, message->sender);
    message_out->to = keep_text(&room, message->to);
    message_out->text = keep_text(&room, message->text);
    if (message->raw == NULL)
        return;
    *raw_out = *message->raw;
    raw_out->service_type = keep_text(&room, message->raw->service_type);
    raw_out->schedule = keep_text(&room, message->raw->schedule);
    raw_out->validity = keep_text(&room, message->raw->validity);
    raw_out->body = keep_span(&room, message->raw->body);
    raw_out->tlvs = keep_span(&room, message->raw->tlvs);
    message_out->raw = raw_out;
}
