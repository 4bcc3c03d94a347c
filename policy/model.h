/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of the consent model as enums, with their one spelling in text. The spellings are
 * stable: they stand in the configuration, the consent CSV, the registry and the journal.
 */
#ifndef OCTROI_POLICY_MODEL_H
#define OCTROI_POLICY_MODEL_H

#include <stdbool.h>
#include <stddef.h>

enum channel {
    CHANNEL_EMAIL,
    CHANNEL_SMS,
    CHANNEL_CALL,
    CHANNEL_AUTOCALL,
    CHANNEL_POST,
    CHANNEL_COUNT
};
#define CHANNEL_BIT(channel) (1u << (channel))

/* `receipt` of messages and `transmission` of data are two acts. */
enum purpose { PURPOSE_RECEIPT, PURPOSE_TRANSMISSION, PURPOSE_COUNT };
#define PURPOSE_BIT(purpose) (1u << (purpose))

enum basis { BASIS_CONSENT, BASIS_SOFT_OPT_IN, BASIS_PROFESSIONAL, BASIS_INFORMED, BASIS_COUNT };
#define BASIS_BIT(basis) (1u << (basis))

enum event_kind {
    EVENT_GIVEN,
    EVENT_RENEWED,
    EVENT_WITHDRAWN,
    EVENT_OBJECTED,
    EVENT_ACTIVE, /* an own act of the person that keeps the consent fresh */
    EVENT_KIND_COUNT
};

enum stream_class { CLASS_PROSPECTING, CLASS_SERVICE, CLASS_COUNT };
enum mode { MODE_ENFORCE, MODE_OBSERVE, MODE_DISCARD, MODE_COUNT };
enum verdict { VERDICT_PASS, VERDICT_BLOCK, VERDICT_DEFER, VERDICT_COUNT };

/* What was done with the message for this recipient. */
enum effect {
    EFFECT_PASSED,
    EFFECT_REFUSED,
    EFFECT_DEFERRED,
    EFFECT_DISCARDED,
    EFFECT_ABANDONED, /* the partner gave up before the end */
    EFFECT_COUNT
};

/* What the provider did with it; OUTCOME_NONE is null in the journal. */
enum outcome { OUTCOME_NONE, OUTCOME_ACCEPTED, OUTCOME_REFUSED, OUTCOME_UNKNOWN, OUTCOME_COUNT };

/* Reason codes, in the order of the rules (consent-model). Stable once released. */
enum reason {
    REASON_SUSPENDED,           /* rule 1, 8a */
    REASON_SENDER_NOT_ALLOWED,  /* rule 2 */
    REASON_SERVICE,             /* rule 3, passes */
    REASON_SECTOR_BAN,          /* rule 4 */
    REASON_OBJECTED,            /* rule 5 */
    REASON_WITHDRAWN,           /* rule 6 */
    REASON_NO_CONSENT,          /* rule 7 */
    REASON_NOT_INFORMED,        /* rule 7 where the basis is information */
    REASON_CHANNEL_MISMATCH,    /* rule 8 */
    REASON_PARTNER_NOT_SHOWN,   /* rule 9 */
    REASON_PARTNER_ADDED_LATER, /* rule 10 */
    REASON_PARTNER_NOT_NAMED,   /* rule 11 */
    REASON_UNPROVEN,            /* rule 12 */
    REASON_FORM_INVALID,        /* rule 13 */
    REASON_PURPOSE_MISMATCH,    /* rule 14 */
    REASON_STALE,               /* rule 15 */
    REASON_BASIS_NOT_ACCEPTED,  /* rule 16 */
    REASON_SOFT_OPTIN_INVALID,  /* rule 17 */
    REASON_NOT_PROFESSIONAL,    /* rule 17 */
    REASON_OPTOUT_MISSING,      /* rule 18 */
    REASON_IDENTITY_MISSING,    /* rule 18 */
    REASON_STOP_MISSING,        /* rule 18 */
    REASON_OUTSIDE_HOURS,       /* rule 19, defers */
    REASON_CONSENT,             /* rule 20, passes */
    REASON_SOFT_OPTIN,          /* rule 20, passes */
    REASON_PROFESSIONAL,        /* rule 20, passes */
    REASON_INFORMED,            /* rule 20, passes */
    REASON_MALFORMED, /* not mail by its standards, so that it could be read otherwise: blocks */
    REASON_UNABLE,    /* the gate could not decide or could not journal: defers */
    REASON_COUNT
};

const char *channel_name(enum channel channel);
const char *purpose_name(enum purpose purpose);
/* "email|sms" from the bits of CHANNEL_BIT or PURPOSE_BIT. out holds size bytes, 64 are enough. */
void channels_text(unsigned channels, char *out, size_t size);
void purposes_text(unsigned purposes, char *out, size_t size);
const char *basis_name(enum basis basis);
const char *event_kind_name(enum event_kind kind);
const char *stream_class_name(enum stream_class class);
const char *mode_name(enum mode mode);
const char *verdict_name(enum verdict verdict);
const char *effect_name(enum effect effect);
const char *outcome_name(enum outcome outcome); /* NULL for OUTCOME_NONE */
const char *reason_name(enum reason reason);
/* One English sentence for a human, for example in the SMTP answer and in `log`. */
const char *reason_text(enum reason reason);

/* Exact spelling only; false leaves the out-parameter alone. */
bool channel_parse(const char *text, enum channel *channel_out);
bool purpose_parse(const char *text, enum purpose *purpose_out);
bool basis_parse(const char *text, enum basis *basis_out);
bool event_kind_parse(const char *text, enum event_kind *kind_out);
bool stream_class_parse(const char *text, enum stream_class *class_out);
bool mode_parse(const char *text, enum mode *mode_out);
bool verdict_parse(const char *text, enum verdict *verdict_out);
bool reason_parse(const char *text, enum reason *reason_out);

#endif
