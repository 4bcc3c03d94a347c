/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention of the registry: person by person, what policy/retention.h says has outlived its
 * purpose is erased where it stands, so that the chain of events goes on holding. In transactions
 * of a twentieth of a second, with pauses as long, so that nobody who writes beside it waits; in
 * constant memory. A kill leaves whole transactions, and the next purge finds the rest.
 */
#ifndef OCTROI_STORE_REGISTRY_PURGE_H
#define OCTROI_STORE_REGISTRY_PURGE_H

#include "policy/retention.h"
#include "store/registry.h"

struct purge_tally {
    uint64_t persons, events;
    int64_t oldest; /* of the events; INT64_MAX: none */
};

struct registry_purge_counts {
    struct purge_tally ended;       /* grants that are kept as proof only */
    struct purge_tally proofs;      /* grants and acts that go */
    struct purge_tally oppositions; /* objections and withdrawals that go */
    struct purge_tally identifiers; /* of people of whom nothing else is on record */
    uint64_t persons;               /* of whom events go */
};

/* erases false: only counts, and writes nothing. progress: events looked at, of all (may be
 * NULL). */
enum result registry_purge(struct registry *registry, const struct retention_periods *periods,
                           int64_t now, bool erases, registry_progress_fn *progress, void *arg,
                           struct registry_purge_counts *counts_out, struct error *err);

#endif
