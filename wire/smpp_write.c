/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMPP 3.4 out of structures. Room is checked at every step, and a field that its maximum does not
 * hold fails the whole PDU: cutting it would send something nobody asked for.
 */
#include "wire/smpp.h"

#include <string.h>

struct pen {
    uint8_t *out;
    size_t room;
    size_t length; /* written so far */
    bool failed;
};

static void put(struct pen *pen, const void *bytes, size_t length)
{
    if (pen->failed || pen->room - pen->length < length) {
        pen->failed = true;
        return;
    }
    if (length > 0)
        memcpy(pen->out + pen->length, bytes, length);
    pen->length += length;
}

static void put_byte(struct pen *pen, uint8_t byte)
{
    put(pen, &byte, 1);
}

static void put_number(struct pen *pen, uint32_t number)
{
    put(pen,
        (const uint8_t[]){(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                          (uint8_t)number},
        4);
}

/* size: the field's maximum with its NUL. */
static void put_text(struct pen *pen, const char *text, size_t size)
{
    size_t length = strnlen(text, size);
    if (length == size) {
        pen->failed = true;
        return;
    }
    put(pen, text, length);
    put_byte(pen, 0);
}

static void put_time(struct pen *pen, const char *text)
{
    size_t length = strnlen(text, 17);
    if (length != 0 && length != 16)
        pen->failed = true;
    put_text(pen, text, 17);
}

static void put_address(struct pen *pen, const struct smpp_address *address, size_t size)
{
    put_byte(pen, address->ton);
    put_byte(pen, address->npi);
    put_text(pen, address->text, size);
}

static void put_tlv(struct pen *pen, uint32_t tag, const void *value, size_t length)
{
    if (length > 0xffff) {
        pen->failed = true;
        return;
    }
    put(pen,
        (const uint8_t[]){(uint8_t)(tag >> 8), (uint8_t)tag, (uint8_t)(length >> 8),
                          (uint8_t)length},
        4);
    put(pen, value, length);
}

static struct pen begin(uint8_t *out, size_t room, uint32_t command, uint32_t status,
                        uint32_t sequence)
{
    struct pen pen = {.out = out, .room = room < SMPP_PDU_MAX ? room : SMPP_PDU_MAX};
    put_number(&pen, 0); /* the length: finish() knows it */
    put_number(&pen, command);
    put_number(&pen, status);
    put_number(&pen, sequence);
    return pen;
}

static size_t finish(struct pen *pen)
{
    if (pen->failed)
        return 0;
    struct pen first = {.out = pen->out, .room = 4};
    put_number(&first, (uint32_t)pen->length);
    return pen->length;
}

size_t smpp_header_write(uint8_t *out, size_t room, uint32_t command, uint32_t status,
                         uint32_t sequence)
{
    struct pen pen = begin(out, room, command, status, sequence);
    return finish(&pen);
}

size_t smpp_bind_write(uint8_t *out, size_t room, uint32_t command, uint32_t sequence,
                       const struct smpp_bind *bind)
{
    struct pen pen = begin(out, room, command, SMPP_ROK, sequence);
    put_text(&pen, bind->system_id, sizeof(bind->system_id));
    put_text(&pen, bind->password, sizeof(bind->password));
    put_text(&pen, bind->system_type, sizeof(bind->system_type));
    put_byte(&pen, bind->version);
    put_address(&pen, &bind->range, 41);
    return finish(&pen);
}

static void put_message(struct pen *pen, const struct smpp_message *message)
{
    put_byte(pen, message->esm_class);
    put_byte(pen, message->protocol_id);
    put_byte(pen, message->priority);
    put_time(pen, message->schedule);
    put_time(pen, message->validity);
    put_byte(pen, message->registered);
    put_byte(pen, message->replace);
    put_byte(pen, message->data_coding);
    put_byte(pen, message->default_message);
    if (message->text.length > 254)
        pen->failed = true;
    put_byte(pen, (uint8_t)message->text.length);
    put(pen, message->text.data, message->text.length);
    put(pen, message->tlvs.data, message->tlvs.length);
}

size_t smpp_message_write(uint8_t *out, size_t room, uint32_t command, uint32_t sequence,
                          const struct smpp_message *message)
{
    struct pen pen = begin(out, room, command, SMPP_ROK, sequence);
    size_t address = command == SMPP_DATA_SM ? 65 : 21;
    put_text(&pen, message->service_type, sizeof(message->service_type));
    put_address(&pen, &message->source, address);
    put_address(&pen, &message->destination, address);
    if (command == SMPP_DATA_SM) {
        put_byte(&pen, message->esm_class);
        put_byte(&pen, message->registered);
        put_byte(&pen, message->data_coding);
        if (message->text.length > 0) /* data_sm has no place for it */
            pen.failed = true;
        put(&pen, message->tlvs.data, message->tlvs.length);
    } else {
        put_message(&pen, message);
    }
    return finish(&pen);
}

size_t smpp_multi_write(uint8_t *out, size_t room, uint32_t sequence,
                        const struct smpp_message *message,
                        const struct smpp_destination *destinations, size_t n)
{
    struct pen pen = begin(out, room, SMPP_SUBMIT_MULTI, SMPP_ROK, sequence);
    put_text(&pen, message->service_type, sizeof(message->service_type));
    put_address(&pen, &message->source, 21);
    if (n < 1 || n > SMPP_MULTI_MAX)
        return 0;
    put_byte(&pen, (uint8_t)n);
    for (size_t i = 0; i < n; i++) {
        put_byte(&pen, destinations[i].list ? 2 : 1);
        if (destinations[i].list)
            put_text(&pen, destinations[i].address.text, 21);
        else
            put_address(&pen, &destinations[i].address, 21);
    }
    put_message(&pen, message);
    return finish(&pen);
}

size_t smpp_response_write(uint8_t *out, size_t room, uint32_t command, uint32_t status,
                           uint32_t sequence, const char *message_id)
{
    struct pen pen = begin(out, room, command | SMPP_RESPONSE, status, sequence);
    if (status == SMPP_ROK)
        put_text(&pen, message_id, SMPP_ID_MAX);
    return finish(&pen);
}

size_t smpp_multi_response_write(uint8_t *out, size_t room, uint32_t sequence,
                                 const char *message_id,
                                 const struct smpp_refused_destination *refused, size_t n)
{
    struct pen pen = begin(out, room, SMPP_RESP(SMPP_SUBMIT_MULTI), SMPP_ROK, sequence);
    if (n > SMPP_MULTI_MAX)
        return 0;
    put_text(&pen, message_id, SMPP_ID_MAX);
    put_byte(&pen, (uint8_t)n);
    for (size_t i = 0; i < n; i++) {
        put_address(&pen, &refused[i].address, 21);
        put_number(&pen, refused[i].status);
    }
    return finish(&pen);
}

size_t smpp_bind_response_write(uint8_t *out, size_t room, uint32_t command, uint32_t status,
                                uint32_t sequence, const char *system_id, uint8_t version)
{
    struct pen pen = begin(out, room, command | SMPP_RESPONSE, status, sequence);
    if (status == SMPP_ROK) {
        put_text(&pen, system_id, 16);
        if (version != 0)
            put_tlv(&pen, SMPP_TAG_SC_INTERFACE_VERSION, &version, 1);
    }
    return finish(&pen);
}

bool smpp_tlv_write(uint8_t *tlvs, size_t room, size_t *length_inout, uint16_t tag,
                    const void *value, size_t value_length)
{
    if (*length_inout > room)
        return false;
    struct pen pen = {.out = tlvs, .room = room, .length = *length_inout};
    put_tlv(&pen, tag, value, value_length);
    if (!pen.failed)
        *length_inout = pen.length;
    return !pen.failed;
}
