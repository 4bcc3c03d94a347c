/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partners, their streams and the policies of the channels, as declared in the configuration. All
 * of it is immutable once loaded; the configuration's snapshot owns every pointer here.
 */
#ifndef OCTROI_POLICY_PARTNER_H
#define OCTROI_POLICY_PARTNER_H

#include "base/clock.h"
#include "base/str.h"
#include "policy/model.h"

struct partner {
    const char *id;
    const char *name;
    const char *siren; /* "" when not given */
    const char **categories;
    size_t n_categories;
    enum mode mode;
};

enum unsubscribe { UNSUBSCRIBE_OFF, UNSUBSCRIBE_ADD, UNSUBSCRIBE_REQUIRE };
/* With UNSUBSCRIBE_ADD, what becomes of a message that brings a way out of its own. */
enum unsubscribe_existing { EXISTING_REFUSE, EXISTING_LEAVE };

struct stream {
    const char *id;
    const struct partner *partner;
    enum channel channel;
    enum stream_class class;
    /* E-mail: lower-case A-label domains, exact ("acme.example") or with a leading dot for all
     * subdomains (".mail.acme.example"). SMS: sender ids, compared exactly. */
    const char **senders;
    size_t n_senders;
    const char *sector; /* "" when none */
    enum unsubscribe unsubscribe;
    enum unsubscribe_existing existing;
};

/* True when the domain (lower-case A-label) of a MAIL FROM or From header belongs to the stream. */
bool stream_allows_domain(const struct stream *stream, const char *domain);
/* Whether a way out is added to the stream's messages: to prospecting mail only. */
bool stream_adds_unsubscribe(const struct stream *stream);
/* True when the SMS sender id belongs to the stream. */
bool stream_allows_sender_id(const struct stream *stream, const char *sender_id);

enum partner_naming { NAMING_NAMED, NAMING_CATEGORY };
enum added_later { ADDED_LATER_BLOCK, ADDED_LATER_PASS };

struct opening {
    int from; /* minutes after midnight, inclusive */
    int to;   /* minutes after midnight, exclusive */
};

struct channel_policy {
    enum channel channel;
    unsigned accept; /* BASIS_BIT set */
    /* The law of live calls changed on a day: a question about an instant before accept_since is
     * judged by accept_before instead. accept_since 0: accept holds whatever the instant. */
    unsigned accept_before;
    int64_t accept_since;
    enum partner_naming partner_naming;
    enum added_later partner_added_later;
    struct duration stale_after;
    const char **banned_sectors;
    size_t n_banned_sectors;
    struct opening *hours; /* NULL: always open */
    size_t n_hours;
    unsigned days;        /* bit 0 Monday … bit 6 Sunday */
    const char *holidays; /* "" or a country such as "FR" */
    const char *timezone; /* IANA name */
    bool stop_mention;
    /* First 12 hex digits of the SHA-256 of all of the above in canonical text: the journal's
     * `policy` field. Filled by channel_policy_stamp; "" when memory or the hash failed, and then
     * the policy must not be used. */
    char version[13];
};

/* 2026-08-11T00:00:00+02:00: from here on a live call needs consent (loi 2025-594, art. 13). */
#define CALL_CONSENT_SINCE (INT64_C(1786399200) * CLOCK_SECOND)

/* The strict defaults of a channel (facts/law): consent for email, sms and autocall, and for call
 * since CALL_CONSENT_SINCE; information, or more, for post and for call before that; named
 * partners; nothing added later; three years. */
void channel_policy_default(enum channel channel, struct channel_policy *policy_out);
void channel_policy_stamp(struct channel_policy *policy);
/* Appends the canonical text that `version` is the hash of. */
void channel_policy_canonical(struct strbuf *out, const struct channel_policy *policy);

/* The bases that permit at that instant, and from now on whatever the instant. */
unsigned channel_policy_accepts(const struct channel_policy *policy, int64_t instant);
void channel_policy_accept(struct channel_policy *policy, unsigned bases);

#endif
