/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/model.h"

#include "base/language.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const channel_names[CHANNEL_COUNT] = {
    [CHANNEL_EMAIL] = "email",       [CHANNEL_SMS] = "sms",   [CHANNEL_CALL] = "call",
    [CHANNEL_AUTOCALL] = "autocall", [CHANNEL_POST] = "post",
};
static const char *const purpose_names[PURPOSE_COUNT] = {
    [PURPOSE_RECEIPT] = "receipt",
    [PURPOSE_TRANSMISSION] = "transmission",
};
static const char *const basis_names[BASIS_COUNT] = {
    [BASIS_CONSENT] = "consent",
    [BASIS_SOFT_OPT_IN] = "soft-opt-in",
    [BASIS_PROFESSIONAL] = "professional",
    [BASIS_INFORMED] = "informed",
};
static const char *const event_kind_names[EVENT_KIND_COUNT] = {
    [EVENT_GIVEN] = "given",       [EVENT_RENEWED] = "renewed", [EVENT_WITHDRAWN] = "withdrawn",
    [EVENT_OBJECTED] = "objected", [EVENT_ACTIVE] = "active",
};
static const char *const stream_class_names[CLASS_COUNT] = {
    [CLASS_PROSPECTING] = "prospecting",
    [CLASS_SERVICE] = "service",
};
static const char *const mode_names[MODE_COUNT] = {
    [MODE_ENFORCE] = "enforce",
    [MODE_OBSERVE] = "observe",
    [MODE_DISCARD] = "discard",
};
static const char *const verdict_names[VERDICT_COUNT] = {
    [VERDICT_PASS] = "pass",
    [VERDICT_BLOCK] = "block",
    [VERDICT_DEFER] = "defer",
};
static const char *const effect_names[EFFECT_COUNT] = {
    [EFFECT_PASSED] = "passed",       [EFFECT_REFUSED] = "refused",
    [EFFECT_DEFERRED] = "deferred",   [EFFECT_DISCARDED] = "discarded",
    [EFFECT_ABANDONED] = "abandoned",
};
static const char *const outcome_names[OUTCOME_COUNT] = {
    [OUTCOME_NONE] = NULL,
    [OUTCOME_ACCEPTED] = "accepted",
    [OUTCOME_REFUSED] = "refused",
    [OUTCOME_UNKNOWN] = "unknown",
};
static const char *const reason_names[REASON_COUNT] = {
    [REASON_SUSPENDED] = "SUSPENDED",
    [REASON_SENDER_NOT_ALLOWED] = "SENDER_NOT_ALLOWED",
    [REASON_SERVICE] = "SERVICE",
    [REASON_SECTOR_BAN] = "SECTOR_BAN",
    [REASON_OBJECTED] = "OBJECTED",
    [REASON_WITHDRAWN] = "WITHDRAWN",
    [REASON_NO_CONSENT] = "NO_CONSENT",
    [REASON_NOT_INFORMED] = "NOT_INFORMED",
    [REASON_CHANNEL_MISMATCH] = "CHANNEL_MISMATCH",
    [REASON_PARTNER_NOT_SHOWN] = "PARTNER_NOT_SHOWN",
    [REASON_PARTNER_ADDED_LATER] = "PARTNER_ADDED_LATER",
    [REASON_PARTNER_NOT_NAMED] = "PARTNER_NOT_NAMED",
    [REASON_UNPROVEN] = "UNPROVEN",
    [REASON_FORM_INVALID] = "FORM_INVALID",
    [REASON_PURPOSE_MISMATCH] = "PURPOSE_MISMATCH",
    [REASON_STALE] = "STALE",
    [REASON_BASIS_NOT_ACCEPTED] = "BASIS_NOT_ACCEPTED",
    [REASON_SOFT_OPTIN_INVALID] = "SOFT_OPTIN_INVALID",
    [REASON_NOT_PROFESSIONAL] = "NOT_PROFESSIONAL",
    [REASON_OPTOUT_MISSING] = "OPTOUT_MISSING",
    [REASON_IDENTITY_MISSING] = "IDENTITY_MISSING",
    [REASON_STOP_MISSING] = "STOP_MISSING",
    [REASON_OUTSIDE_HOURS] = "OUTSIDE_HOURS",
    [REASON_CONSENT] = "CONSENT",
    [REASON_SOFT_OPTIN] = "SOFT_OPTIN",
    [REASON_PROFESSIONAL] = "PROFESSIONAL",
    [REASON_INFORMED] = "INFORMED",
    [REASON_MALFORMED] = "MALFORMED",
    [REASON_UNABLE] = "UNABLE",
};
static const char *const reason_texts[REASON_COUNT] = {
    [REASON_SUSPENDED] = N_("The partner, stream, form or supplier is suspended."),
    [REASON_SENDER_NOT_ALLOWED] = N_("The sender identity does not belong to this stream."),
    [REASON_SERVICE] = N_("The message belongs to a service stream."),
    [REASON_SECTOR_BAN] = N_("Offers of this sector are banned on this channel."),
    [REASON_OBJECTED] = N_("The recipient objected to such messages."),
    [REASON_WITHDRAWN] = N_("The recipient withdrew consent."),
    [REASON_NO_CONSENT] = N_("No consent of the recipient is on record."),
    [REASON_NOT_INFORMED] = N_("No record shows that the recipient was informed."),
    [REASON_CHANNEL_MISMATCH] = N_("The recipient's consent is for another channel."),
    [REASON_PARTNER_NOT_SHOWN] = N_("The partner was never shown to the recipient."),
    [REASON_PARTNER_ADDED_LATER] =
        N_("The partner joined the form's list after the recipient consented."),
    [REASON_PARTNER_NOT_NAMED] =
        N_("Only a category was shown to the recipient, not the partner's name."),
    [REASON_UNPROVEN] = N_("No proof of the recipient's consent is on record."),
    [REASON_FORM_INVALID] = N_("The form or the supplier behind the consent was invalidated."),
    [REASON_PURPOSE_MISMATCH] = N_("The recipient's consent does not cover this purpose."),
    [REASON_STALE] = N_("The recipient's last own act is too old."),
    [REASON_BASIS_NOT_ACCEPTED] = N_("The legal basis on record is not accepted on this channel."),
    [REASON_SOFT_OPTIN_INVALID] = N_("The customer exception holds only for the seller itself."),
    [REASON_NOT_PROFESSIONAL] = N_("No record attests the recipient's professional role."),
    [REASON_OPTOUT_MISSING] = N_("The message offers no one-click way to unsubscribe."),
    [REASON_IDENTITY_MISSING] = N_("The message does not say who it is from."),
    [REASON_STOP_MISSING] = N_("The message does not carry the STOP mention."),
    [REASON_OUTSIDE_HOURS] = N_("Messages on this channel may not be sent at this hour."),
    [REASON_CONSENT] = N_("The recipient's consent is on record."),
    [REASON_SOFT_OPTIN] = N_("The recipient is a customer of the sender."),
    [REASON_PROFESSIONAL] = N_("The recipient is addressed in a professional role."),
    [REASON_INFORMED] = N_("The recipient was informed and did not object."),
    [REASON_MALFORMED] = N_("The message or the row could not be read."),
    [REASON_UNABLE] = N_("The gate cannot decide at the moment."),
};

static const char *name_of(const char *const *names, size_t count, size_t value)
{
    return value < count ? names[value] : NULL;
}

/* The index of text among names, or count. */
static size_t index_of(const char *const *names, size_t count, const char *text)
{
    size_t i = 0;
    while (i < count && (names[i] == NULL || strcmp(names[i], text) != 0))
        i++;
    return i;
}

/* Each word of the model is read and written through the same table, so that both agree. */
#define NAME_FUNCTION(function, type, table)                \
    const char *function(type value)                        \
    {                                                       \
        return name_of(table, COUNT(table), (size_t)value); \
    }
#define PARSE_FUNCTION(function, type, table)           \
    bool function(const char *text, type *value_out)    \
    {                                                   \
        size_t i = index_of(table, COUNT(table), text); \
        if (i == COUNT(table))                          \
            return false;                               \
        *value_out = (type)i;                           \
        return true;                                    \
    }

NAME_FUNCTION(channel_name, enum channel, channel_names)
NAME_FUNCTION(purpose_name, enum purpose, purpose_names)
NAME_FUNCTION(basis_name, enum basis, basis_names)
NAME_FUNCTION(event_kind_name, enum event_kind, event_kind_names)
NAME_FUNCTION(stream_class_name, enum stream_class, stream_class_names)
NAME_FUNCTION(mode_name, enum mode, mode_names)
NAME_FUNCTION(verdict_name, enum verdict, verdict_names)
NAME_FUNCTION(effect_name, enum effect, effect_names)
NAME_FUNCTION(outcome_name, enum outcome, outcome_names)
NAME_FUNCTION(reason_name, enum reason, reason_names)
NAME_FUNCTION(reason_text, enum reason, reason_texts)

PARSE_FUNCTION(channel_parse, enum channel, channel_names)
PARSE_FUNCTION(purpose_parse, enum purpose, purpose_names)
PARSE_FUNCTION(basis_parse, enum basis, basis_names)
PARSE_FUNCTION(event_kind_parse, enum event_kind, event_kind_names)
PARSE_FUNCTION(stream_class_parse, enum stream_class, stream_class_names)
PARSE_FUNCTION(mode_parse, enum mode, mode_names)
PARSE_FUNCTION(verdict_parse, enum verdict, verdict_names)
PARSE_FUNCTION(reason_parse, enum reason, reason_names)

static void add_word(char *out, size_t size, const char *word)
{
    size_t length = strlen(out);
    snprintf(out + length, size - length, "%s%s", length > 0 ? "|" : "", word);
}

void channels_text(unsigned channels, char *out, size_t size)
{
    *out = '\0';
    for (enum channel channel = 0; channel < CHANNEL_COUNT; channel++)
        if ((channels & CHANNEL_BIT(channel)) != 0)
            add_word(out, size, channel_name(channel));
}

void purposes_text(unsigned purposes, char *out, size_t size)
{
    *out = '\0';
    for (enum purpose purpose = 0; purpose < PURPOSE_COUNT; purpose++)
        if ((purposes & PURPOSE_BIT(purpose)) != 0)
            add_word(out, size, purpose_name(purpose));
}
