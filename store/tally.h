/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts of decisions by any choice of columns. One pass over the index's sums fills several
 * tallies at once, each a hash table in memory: its size is that of the answer, not of the journal.
 */
#ifndef OCTROI_STORE_TALLY_H
#define OCTROI_STORE_TALLY_H

#include "store/journal.h"

enum tally_by {
    TALLY_PARTNER,
    TALLY_STREAM,
    TALLY_CHANNEL,
    TALLY_PURPOSE,
    TALLY_VERDICT,
    TALLY_REASON,
    TALLY_EFFECT,
    TALLY_MODE,
    TALLY_POLICY,
    TALLY_DAY,       /* "2026-01-31", UTC */
    TALLY_FORM,      /* "ID@VERSION" of the event relied on, as it was when this was indexed */
    TALLY_COLLECTOR, /* who ran that form */
    TALLY_SUPPLIER,  /* who handed that event over */
    TALLY_BY_COUNT
};
/* What TALLY_FORM and the two after it say of a decision that relied on no event, or on one that
 * names none; and where the event is no longer held. The second also stands for what totals of
 * erased decisions do not tell. */
#define TALLY_NONE "none"
#define TALLY_GONE "erased"

const char *tally_by_name(enum tally_by by);
bool tally_by_parse(const char *text, enum tally_by *by_out);

struct tally_counts {
    uint64_t decisions;
    uint64_t pass, block, defer; /* by verdict */
    uint64_t let_through;        /* blocked by the rules, passed because it is only observed */
    uint64_t discarded;          /* answered as if passed */
};
/* Blocked and not sent: what "blocked" means wherever people read it. */
uint64_t tally_stopped(const struct tally_counts *counts);

struct tally_row {
    const char *keys[TALLY_BY_COUNT]; /* in the order of the tally's columns; never NULL */
    struct tally_counts counts;
};

struct tally;
/* NULL when memory is short. The same column twice is the caller's mistake. */
struct tally *tally_new(const enum tally_by *by, size_t n);
void tally_free(struct tally **tally);
size_t tally_columns(const struct tally *tally);
enum tally_by tally_column(const struct tally *tally, size_t i);
bool tally_has(const struct tally *tally, enum tally_by by);
/* values: by enum tally_by; those of the tally's columns may not be NULL. False when memory is
 * short. */
bool tally_add(struct tally *tally, const char *const *values, const struct tally_counts *counts);
/* In the order of the columns. Afterwards nothing may be added. */
void tally_sort(struct tally *tally);
/* Most decisions first, then by columns. */
void tally_sort_by_count(struct tally *tally);
size_t tally_count(const struct tally *tally);
const struct tally_row *tally_row(const struct tally *tally, size_t i);
void tally_counts_add(struct tally_counts *sum, const struct tally_counts *more);

struct tally_filter {
    int64_t since;       /* inclusive */
    int64_t until;       /* exclusive */
    const char *partner; /* NULL: any */
    /* NULL: any. Totals of erased detail are of messages: rows of lists are not in them. */
    const char *purpose;
};

/* Fills the tallies from what is indexed (journal_index_catch_up first), the totals of erased
 * detail of observe mode included: those of days that are in the period whole. */
enum result journal_index_tally(struct journal_index *index, const struct tally_filter *filter,
                                struct tally *const *tallies, size_t n, struct error *err);

#endif
