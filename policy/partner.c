/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/partner.h"

#include "base/crypto.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

/* ".example.org" covers every subdomain of example.org, not example.org itself. */
static bool below(const char *domain, const char *suffix)
{
    size_t length = strlen(domain);
    size_t suffix_length = strlen(suffix);
    return length > suffix_length && strcmp(domain + length - suffix_length, suffix) == 0;
}

bool stream_allows_domain(const struct stream *stream, const char *domain)
{
    if (domain[0] == '\0')
        return false;
    for (size_t i = 0; i < stream->n_senders; i++) {
        const char *sender = stream->senders[i];
        if (sender[0] == '.' ? below(domain, sender) : strcmp(domain, sender) == 0)
            return true;
    }
    return false;
}

bool stream_allows_sender_id(const struct stream *stream, const char *sender_id)
{
    if (sender_id[0] == '\0')
        return false;
    for (size_t i = 0; i < stream->n_senders; i++)
        if (strcmp(sender_id, stream->senders[i]) == 0)
            return true;
    return false;
}

void channel_policy_default(enum channel channel, struct channel_policy *policy_out)
{
    const unsigned informed = BASIS_BIT(BASIS_INFORMED) | BASIS_BIT(BASIS_CONSENT);
    *policy_out = (struct channel_policy){
        .channel = channel,
        .accept = channel == CHANNEL_POST ? informed : BASIS_BIT(BASIS_CONSENT),
        .accept_before = channel == CHANNEL_CALL ? informed : 0,
        .accept_since = channel == CHANNEL_CALL ? CALL_CONSENT_SINCE : 0,
        .partner_naming = NAMING_NAMED,
        .partner_added_later = ADDED_LATER_BLOCK,
        .stale_after = {.months = 36},
        .days = 0x7f,
        .holidays = "",
        .timezone = "Europe/Paris",
    };
    channel_policy_stamp(policy_out);
}

unsigned channel_policy_accepts(const struct channel_policy *policy, int64_t instant)
{
    return policy->accept_since != 0 && instant < policy->accept_since ? policy->accept_before
                                                                       : policy->accept;
}

void channel_policy_accept(struct channel_policy *policy, unsigned bases)
{
    policy->accept = bases;
    policy->accept_before = 0;
    policy->accept_since = 0;
}

/* JSON serves as the canonical text: it leaves no doubt where one value ends. */
void channel_policy_canonical(struct strbuf *out, const struct channel_policy *policy)
{
    strbuf_add_char(out, '{');
    strbuf_add_json_field(out, "channel", channel_name(policy->channel));
    strbuf_add_json_number(out, "accept", policy->accept);
    if (policy->accept_since != 0) {
        strbuf_add_json_number(out, "accept_before", policy->accept_before);
        strbuf_add_json_number(out, "accept_since", policy->accept_since);
    }
    strbuf_add_json_number(out, "partner_naming", policy->partner_naming);
    strbuf_add_json_number(out, "partner_added_later", policy->partner_added_later);
    strbuf_add_json_number(out, "stale_months", policy->stale_after.months);
    strbuf_add_json_number(out, "stale_microseconds", policy->stale_after.microseconds);
    for (size_t i = 0; i < policy->n_banned_sectors; i++)
        strbuf_add_json_field(out, "banned_sector", policy->banned_sectors[i]);
    /* No hours at all is not the same as an empty list of them. */
    strbuf_add_json_number(out, "always_open", policy->hours == NULL);
    for (size_t i = 0; policy->hours != NULL && i < policy->n_hours; i++) {
        strbuf_add_json_number(out, "from", policy->hours[i].from);
        strbuf_add_json_number(out, "to", policy->hours[i].to);
    }
    strbuf_add_json_number(out, "days", policy->days & 0x7f);
    strbuf_add_json_field(out, "holidays", policy->holidays);
    strbuf_add_json_field(out, "timezone", policy->timezone);
    strbuf_add_json_number(out, "stop_mention", policy->stop_mention);
    strbuf_add_char(out, '}');
}

void channel_policy_stamp(struct channel_policy *policy)
{
    struct strbuf text = {0};
    uint8_t digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    policy->version[0] = '\0';
    channel_policy_canonical(&text, policy);
    if (!text.failed && sha256(text.data, text.length, digest)) {
        hex_encode(digest, sizeof(digest), hex);
        str_copy_n(policy->version, sizeof(policy->version), hex, sizeof(policy->version) - 1);
    }
    strbuf_free(&text);
}
