/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of one person's history has outlived its purpose. Pure: events and a moment in, a fate for
 * each event out; the store erases what this says and nothing else.
 *
 * Two promises, tried over random histories in tests/unit/test_policy_retention.c: erasing never
 * makes pass what was blocked, and never blocks what passes. Together with the horizon (below) the
 * first also holds when an old file is imported again.
 */
#ifndef OCTROI_POLICY_RETENTION_H
#define OCTROI_POLICY_RETENTION_H

#include "base/clock.h"
#include "policy/model.h"

#include <stdint.h>

struct retention_periods {
    struct duration consent;    /* after the person's last own act of any kind: the end */
    struct duration proof;      /* of an ended consent, after its end */
    struct duration opposition; /* of an objection or withdrawal, after it was made */
};

enum retention_fate {
    RETENTION_KEEP,
    RETENTION_PROOF, /* a grant that has ended: it passes nowhere and is kept as proof only */
    RETENTION_ERASE
};

struct retention_event {
    int64_t id;
    enum event_kind kind;
    enum channel channel;
    int64_t occurred_at;
    bool of_all; /* withdrawn, objected: names neither partners nor a collector */
    enum retention_fate fate;
};

struct retention_counts {
    uint64_t ended;       /* grants kept as proof only */
    uint64_t proofs;      /* grants and acts to be erased */
    uint64_t oppositions; /* objections and withdrawals to be erased */
    /* The earliest moment of each kind; INT64_MAX when there is none. */
    int64_t oldest_ended, oldest_proof, oldest_opposition;
    /* The latest of the oppositions to be erased; INT64_MIN when there is none. From then on nobody
     * can tell whether a grant up to that moment was taken back: the registry takes no such grant
     * any more (the horizon). */
    int64_t horizon;
};

/* Sets the fate of each of the events, which are all that is on record of one person. */
void retention_select(struct retention_event *events, size_t n,
                      const struct retention_periods *periods, int64_t now,
                      struct retention_counts *counts_out);

#endif
