/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the registry knows when a question is asked: facts in, verdict out. The store fetches them
 * in one read transaction and hands them over; policy never fetches anything. Everything here is
 * already relative to the partner asked about, so that a list of four hundred partners costs one
 * look-up and not four hundred strings.
 */
#ifndef OCTROI_POLICY_FACTS_H
#define OCTROI_POLICY_FACTS_H

#include "policy/model.h"

#include <stdint.h>

/* Where the partner asked about stands on a form's lists. */
enum presence {
    PRESENCE_NEVER, /* in no version of the form */
    PRESENCE_LATER, /* only in a version later than this one */
    PRESENCE_LISTED /* in this version's list */
};

struct form_facts {
    const char *id;
    int version;
    const char *collector;      /* the collector's SIREN, or its name when it has none */
    const char *collector_name; /* as the form spells it; NULL when collector is the name */
    unsigned channels;          /* CHANNEL_BIT set */
    unsigned purposes;          /* PURPOSE_BIT set */
    int64_t effective_from;
    int64_t effective_until; /* exclusive: the next version's start; INT64_MAX while current */
    bool invalidated;
    bool suspended; /* the form (any version) is suspended */
    enum presence presence;
    const char **categories; /* partner categories shown */
    size_t n_categories;
};

struct consent_event {
    int64_t id; /* the registry's number of the event */
    enum event_kind kind;
    enum channel channel;
    int64_t occurred_at;
    enum basis basis; /* of given and renewed */
    /* The partners column: empty (the form's own list; for withdrawn and objected: all partners),
     * or a list that does or does not hold the partner asked about. */
    bool names_partners;
    bool names_this_partner;
    const char *collector; /* objected: only to this one, by SIREN or name; or NULL */
    const char *supplier;  /* NULL when none */
    bool supplier_suspended;
    bool supplier_invalidated; /* for good: no grant it brought counts, whenever it came */
    bool has_evidence;
    const struct form_facts *form; /* NULL: imported without a form */
};

struct facts {
    bool partner_suspended;
    bool stream_suspended;
    const struct consent_event *events; /* of one recipient, all channels, in no given order */
    size_t n_events;
};

#endif
