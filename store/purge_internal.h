/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the journal's purge share; nobody else includes it. */
#ifndef OCTROI_STORE_PURGE_INTERNAL_H
#define OCTROI_STORE_PURGE_INTERNAL_H

#include "store/index.h"
#include "store/journal_purge.h"
#include "store/segment.h"

/* ---- store/purge_fate.c: is this record to go? ---- */

enum purge_fate { PURGE_KEEP, PURGE_AGED, PURGE_DETAIL };

struct purge_text {
    const char *text; /* borrowed from the record; NULL: not there */
    size_t length;
};

struct purge_row {
    enum record_type type;
    int64_t at;
    bool detail;                                /* a decision of what observe mode let through */
    struct purge_text partner, channel, reason; /* of a decision */
};

/* Of the record in this row. Looks a decision up for its outcome, where the outcome is old enough
 * for that. */
enum result purge_fate(const struct journal_purge *purge, uint64_t row_number, const char *record,
                       size_t length, enum purge_fate *fate_out, struct purge_row *row_out,
                       struct error *err);

/* ---- store/purge_totals.c: what remains of a segment's detail ---- */

struct purge_totals;
struct purge_totals *purge_totals_new(void);
void purge_totals_free(struct purge_totals **totals);
void purge_totals_clear(struct purge_totals *totals);
/* False when memory is short. */
bool purge_totals_add(struct purge_totals *totals, const struct purge_row *row);
/* The records of all days the index does not know for this segment. */
enum result purge_totals_records(struct purge_totals *totals, struct journal_index *index,
                                 uint64_t segment, int64_t at, struct strbuf *lines,
                                 uint64_t *records_out, struct error *err);

/* ---- store/purge_rewrite.c: one segment, rewritten and put in place ---- */

/* walk stands at the end of the segment before, and afterwards at the end of this one. Of the
 * segment's rows, `rows` must turn out to be erased: as many as were counted. */
enum result purge_rewrite(const struct journal_purge *purge, struct chain_walk *walk,
                          uint64_t segment, uint64_t rows, struct error *err);
/* Takes away what a killed purge left beside the segments. */
enum result purge_clean(const char *directory, uint64_t last, struct error *err);

/* ---- store/index_purge.c ---- */

struct index_decision {
    bool known;
    int64_t at;
    bool detail; /* what observe mode let through */
};
/* Among the rows before this one, all of which are in the index by then: what is not known was
 * erased. */
enum result index_find_decision(struct journal_index *index, struct purge_text id,
                                uint64_t row_number, struct index_decision *decision_out,
                                struct error *err);
enum result index_total_known(struct journal_index *index, uint64_t segment, const char *day,
                              unsigned part, bool *known_out, struct error *err);
/* Forgets what is past the limits among rows from to to, a few thousand rows a transaction unless
 * one is open. */
enum result index_forget(struct journal_index *index, const struct journal_purge_limits *limits,
                         uint64_t from, uint64_t to, struct error *err);
/* Between the two nobody fills the index, and its place is past that segment: the file may be
 * replaced. index_release undoes what was done between when result is not RESULT_OK. */
enum result index_hold(struct journal_index *index, uint64_t segment, struct error *err);
enum result index_release(struct journal_index *index, enum result result, struct error *err);

#endif
