/* SPDX-License-Identifier: Apache-2.0 */
/* Sender ids and numbers compared; nothing here is remembered. */
#include "proxy/sms/candidates.h"

#include "base/str.h"
#include "wire/smpp.h"

#include <stdlib.h>
#include <string.h>

/* From here on digits may be a whole number, not a short code. */
#define NUMBER_DIGITS 7
/* A country code and a number are this long nearly everywhere; what is shorter is more likely
 * written as dialled in the region. */
#define LONG_DIGITS 11

static bool is_digits(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* ---- a person's number ---- */

static bool parse(const char *prefix, const char *text, const char *region,
                  struct address *address_out)
{
    char whole[32];
    struct error err;
    if (strlen(prefix) + strlen(text) >= sizeof(whole))
        return false;
    str_copy(whole, sizeof(whole), prefix);
    str_copy(whole + strlen(prefix), sizeof(whole) - strlen(prefix), text);
    bool ok = address_parse_phone(whole, region, address_out, &err) == RESULT_OK;
    wipe(whole, sizeof(whole));
    return ok;
}

bool sms_read_origin(const char *text, unsigned ton, const char *region,
                     struct address *address_out)
{
    if (!is_digits(text) || text[0] == '0' || ton == SMPP_TON_NATIONAL)
        return parse("", text, region, address_out);
    bool international = ton == SMPP_TON_INTERNATIONAL || strlen(text) >= LONG_DIGITS;
    return parse(international ? "+" : "", text, region, address_out) ||
           parse(international ? "" : "+", text, region, address_out);
}

bool sms_is_number(const char *text, const char *region)
{
    struct address address;
    size_t digits = 0;
    for (const char *c = text; *c != '\0'; c++)
        digits += *c >= '0' && *c <= '9';
    return digits >= NUMBER_DIGITS && sms_read_origin(text, SMPP_TON_UNKNOWN, region, &address);
}

/* ---- sender ids ---- */

static const char *without_plus(const char *text)
{
    return *text == '+' ? text + 1 : text;
}

/* Reading a number takes longer than looking at its last digits, and senders may be thousands. */
static bool may_be_same_number(const char *a, const char *b)
{
    size_t a_length = strlen(a), b_length = strlen(b);
    return a_length >= NUMBER_DIGITS && b_length >= NUMBER_DIGITS &&
           memcmp(a + a_length - NUMBER_DIGITS, b + b_length - NUMBER_DIGITS, NUMBER_DIGITS) == 0;
}

bool sms_same_sender(const char *a, const char *b, const char *region)
{
    const char *a_digits = without_plus(a), *b_digits = without_plus(b);
    struct address a_number, b_number;
    if (!is_digits(a_digits) || !is_digits(b_digits))
        return ascii_equal(a, b);
    if (strcmp(a_digits, b_digits) == 0)
        return true;
    return may_be_same_number(a_digits, b_digits) &&
           sms_read_origin(a, SMPP_TON_UNKNOWN, region, &a_number) &&
           sms_read_origin(b, SMPP_TON_UNKNOWN, region, &b_number) &&
           strcmp(a_number.text, b_number.text) == 0;
}

/* ---- streams ---- */

static bool goes_through(const struct stream_config *stream, const char *provider)
{
    bool found = false;
    for (size_t i = 0; i < stream->n_providers && !found; i++)
        found = strcmp(stream->providers[i]->name, provider) == 0;
    return found && stream->terms.channel == CHANNEL_SMS;
}

static bool sends_as(const struct stream_config *stream, const char *sender, const char *region)
{
    bool found = false;
    for (size_t i = 0; i < stream->terms.n_senders && !found; i++)
        found = sms_same_sender(stream->terms.senders[i], sender, region);
    return found;
}

static bool candidates_new(const struct config *config, struct candidates *candidates_out)
{
    size_t most = config->n_streams + 1;
    *candidates_out = (struct candidates){
        .streams = calloc(most, sizeof(*candidates_out->streams)),
        .partners = calloc(most, sizeof(*candidates_out->partners)),
    };
    if (candidates_out->streams != NULL && candidates_out->partners != NULL)
        return true;
    candidates_end(candidates_out);
    return false;
}

static void add(struct candidates *candidates, const struct stream_config *stream)
{
    const char *partner = stream->terms.partner->id;
    candidates->streams[candidates->n_streams++] = stream;
    for (size_t i = 0; i < candidates->n_partners; i++)
        if (strcmp(candidates->partners[i], partner) == 0)
            return;
    candidates->partners[candidates->n_partners++] = partner;
}

bool candidates_find(const struct config *config, const char *provider, const char *sender,
                     struct candidates *candidates_out)
{
    if (!candidates_new(config, candidates_out))
        return false;
    for (size_t i = 0; i < config->n_streams && *sender != '\0'; i++)
        if (goes_through(&config->streams[i], provider) &&
            sends_as(&config->streams[i], sender, config->region))
            add(candidates_out, &config->streams[i]);
    return true;
}

bool candidates_of_partner(const struct config *config, const char *provider, const char *partner,
                           struct candidates *candidates_out)
{
    if (!candidates_new(config, candidates_out))
        return false;
    for (size_t i = 0; i < config->n_streams; i++)
        if (goes_through(&config->streams[i], provider) &&
            strcmp(config->streams[i].terms.partner->id, partner) == 0)
            add(candidates_out, &config->streams[i]);
    return true;
}

void candidates_end(struct candidates *candidates)
{
    free(candidates->streams);
    free(candidates->partners);
    *candidates = (struct candidates){0};
}
