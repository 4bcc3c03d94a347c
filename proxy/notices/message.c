/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard Webhooks: an id that stays the same over attempts, the moment of the attempt, and
 * HMAC-SHA-256 over "ID.SECONDS.BODY". The address travels as a JWE that only the partner opens, or
 * not at all.
 */
#include "proxy/notices/message.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/jose.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool message_id(const struct delivery *delivery, char out[MESSAGE_ID])
{
    uint8_t hash[SHA256_BYTES];
    if (!sha256_pair(delivery->notice.event_hash, SHA256_BYTES, delivery->partner,
                     strlen(delivery->partner), hash))
        return false;
    memcpy(out, "msg_", 4);
    hex_encode(hash, 16, out + 4);
    return true;
}

/* The address as it was sealed for the outbox, which the caller wipes. */
static enum result open_address(const struct delivery *delivery, const struct seal *seal,
                                struct strbuf *out, struct error *err)
{
    if (delivery->notice.sealed == NULL)
        return error_set(err, RESULT_NOT_FOUND, "the address is not known");
    if (seal == NULL)
        return error_set(err, RESULT_NOT_FOUND, "the key that sealed the address is not here");
    enum result result = seal_open(seal, SEAL_FOR_NOTICES, delivery->notice.sealed,
                                   delivery->notice.sealed_length, out, err);
    return result == RESULT_BAD_INPUT
               ? error_set(err, RESULT_NOT_FOUND, "the key that sealed the address is not here")
               : result;
}

static void add_masked(const char *text, struct strbuf *out)
{
    struct address address;
    struct recipient recipient;
    struct error err;
    bool known = text != NULL && address_parse(text, "FR", &address, &err) == RESULT_OK;
    if (known)
        recipient_mask(&address, &recipient);
    strbuf_add_json_field(out, "masked", known ? recipient.masked : NULL);
    wipe(&address, sizeof(address));
}

static enum result add_recipient(const struct notices_config *notices,
                                 const struct delivery *delivery, const struct strbuf *address,
                                 struct strbuf *out, struct error *err)
{
    bool sealed = notices->address == NOTICE_SEALED && address->data != NULL;
    strbuf_add_str(out, ",\"recipient\":{");
    if (sealed) {
        strbuf_add_str(out, "\"sealed\":\"");
        if (!jwe_seal(notices->address_key, address->data, address->length, out))
            return error_set(err, RESULT_SYSTEM, "the address cannot be sealed for the partner");
        strbuf_add_char(out, '"');
    }
    if (delivery->identifier != NULL)
        strbuf_add_json_field(out, "identifier", delivery->identifier);
    strbuf_add_char(out, '}');
    add_masked(address->data, out);
    return RESULT_OK;
}

static void add_scope(const struct event_row *event, struct strbuf *out)
{
    bool collector = event->collector[0] != '\0';
    strbuf_add_json_field(out, "scope",
                          event->partners[0] != '\0' ? "partner"
                          : collector                ? "collector"
                                                     : "all");
    if (collector)
        strbuf_add_json_field(out, "collector", event->collector);
}

static void add_what(const struct delivery *delivery, struct strbuf *out)
{
    const struct event_row *event = &delivery->notice.event;
    char when[CLOCK_TEXT];
    strbuf_add_char(out, '{');
    strbuf_add_json_field(out, "type",
                          event->kind == EVENT_OBJECTED ? "consent.objected" : "consent.withdrawn");
    clock_format(event->recorded_at, when);
    strbuf_add_json_field(out, "timestamp", when);
    strbuf_add_str(out, ",\"data\":{");
    strbuf_add_json_number(out, "event", event->id);
    strbuf_add_json_field(out, "partner", delivery->partner);
    strbuf_add_json_field(out, "channel", channel_name(event->channel));
    clock_format(event->occurred_at, when);
    strbuf_add_json_field(out, "occurred_at", when);
    add_scope(event, out);
}

enum result message_body(const struct notices_config *notices, const struct delivery *delivery,
                         const struct seal *seal, struct strbuf *out, struct error *err)
{
    struct strbuf address = {0};
    enum result result = open_address(delivery, seal, &address, err);
    if (result == RESULT_NOT_FOUND && delivery->identifier != NULL)
        result = RESULT_OK;
    else if (notices->address == NOTICE_IDENTIFIER && delivery->identifier == NULL &&
             (result == RESULT_OK || result == RESULT_NOT_FOUND))
        result = error_set(err, RESULT_NOT_FOUND, "the partner gave no identifier of this person");
    if (result == RESULT_OK) {
        add_what(delivery, out);
        result = add_recipient(notices, delivery, &address, out, err);
        strbuf_add_str(out, "}}");
    }
    if (address.data != NULL)
        wipe(address.data, address.length);
    strbuf_free(&address);
    return result == RESULT_OK && out->failed ? error_no_memory(err) : result;
}

bool message_sign(const struct notices_config *notices, const char *id, int64_t at,
                  const char *body, struct strbuf *out)
{
    uint8_t mac[SHA256_BYTES];
    char text[4 * ((SHA256_BYTES + 2) / 3) + 1];
    struct strbuf content = {0};
    struct hmac *hmac = hmac_new(notices->secret, notices->secret_length);
    strbuf_add_format(&content, "%s.%" PRId64 ".%s", id, at / CLOCK_SECOND, body);
    bool signed_ok =
        hmac != NULL && !content.failed && hmac_compute(hmac, content.data, content.length, mac);
    if (signed_ok) {
        base64_encode(mac, sizeof(mac), text);
        strbuf_add_str(out, "webhook-signature: v1,");
        strbuf_add_str(out, text);
    }
    hmac_free(&hmac);
    strbuf_free(&content);
    return signed_ok && !out->failed;
}
