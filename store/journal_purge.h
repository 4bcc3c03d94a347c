/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention of the journal: records that have outlived their purpose are erased where they stand
 * (docs/JOURNAL.md), so that the chain and its checkpoints go on holding. Decisions and their
 * outcomes go; what the journal says about itself and the gateway stays. Runs beside the gateway:
 * only segments nobody writes to any more are touched, each rewritten beside the old one and put
 * in its place whole, so that a reader has either and a kill leaves either.
 *
 * Of what observe mode let through, totals remain: a `totals` record is durable before the first
 * of the decisions it counts is erased. Limits are midnights (UTC), and a segment that is touched
 * is closed, so that a day of a segment is counted once and for all.
 */
#ifndef OCTROI_STORE_JOURNAL_PURGE_H
#define OCTROI_STORE_JOURNAL_PURGE_H

#include "store/journal.h"

struct journal_purge_limits {
    int64_t journal; /* decisions before it go */
    int64_t detail;  /* ... of partners in observe mode that would have been stopped, before this */
};

/* The midnight (UTC) that the period before now reaches back to. */
int64_t journal_purge_limit(int64_t now, struct duration period);

struct journal_purge_counts {
    uint64_t decisions, outcomes;               /* past limits.journal */
    uint64_t detail_decisions, detail_outcomes; /* past limits.detail only */
    uint64_t accesses;                          /* past limits.journal: looks at people */
    int64_t oldest, oldest_detail;              /* INT64_MAX: none */
    uint64_t totals;                            /* records that were appended */
};

/* Makes records (lines, each ended by LF) durable in the journal; may take the text's memory. */
typedef enum result journal_purge_append_fn(void *arg, struct strbuf *lines, struct error *err);
typedef void journal_purge_progress_fn(void *arg, uint64_t bytes_done, uint64_t bytes_total);

struct journal_purge {
    const char *directory;         /* borrowed, as all of this */
    struct journal_index *index;   /* caught up here */
    const struct signing_key *key; /* public; damage is not to be worked into */
    struct journal_purge_limits limits;
    journal_purge_append_fn *append;
    void *append_arg;
    journal_purge_progress_fn *progress; /* may be NULL */
    void *progress_arg;
};

/* What is past the limits, in all segments. Changes nothing. RESULT_DAMAGED, as from
 * journal_purge_run, names the row that does not hold. */
enum result journal_purge_count(const struct journal_purge *purge,
                                struct journal_purge_counts *counts_out, struct error *err);
/* Erases it in all segments but the last: append a `purging` record first, which closes the one
 * that is written to. After a failure or a kill it can be run again, and finishes. */
enum result journal_purge_run(const struct journal_purge *purge,
                              struct journal_purge_counts *counts_out, struct error *err);

/* The records around it. persons and events: what was erased in the registry. */
struct purged_registry {
    uint64_t persons, proofs, oppositions;
};
void record_purging(struct strbuf *out, const struct journal_purge_limits *limits, int64_t at);
void record_purged(struct strbuf *out, const struct journal_purge_limits *limits,
                   const struct journal_purge_counts *journal,
                   const struct purged_registry *registry, int64_t at);

#endif
