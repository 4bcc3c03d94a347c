/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What decisions have in common, numbered, and how many of each there were on each day (UTC). Only
 * the files of the index include this.
 *
 * A decision's kind is its partner, stream, channel, purpose, verdict, reason, effect, mode and
 * policy, and whether it was of a screened list; its origin is the form, collector and supplier of
 * the event it relied on, as they were found when it was indexed. Both hold nothing of a person.
 * They are kept when the last decision of theirs has gone. `daily` and `daily_origin` count the
 * decisions there are, the former without their origins, because most questions are without them.
 */
#ifndef OCTROI_STORE_INDEX_KIND_H
#define OCTROI_STORE_INDEX_KIND_H

#include "store/index.h"
#include "store/tally.h"

/* The columns of a kind: those before TALLY_DAY. */
#define KIND_TEXTS TALLY_DAY

enum {
    ORIGIN_NONE = 0,
    /* the decision relied on no event: no row of its table */ ORIGIN_GONE = 1
};

/* The tables, for the index's schema. */
extern const char index_kind_schema[];

struct index_text {
    const char *text; /* borrowed; NULL counts as "" */
    size_t length;
};

struct index_kind {
    struct index_text texts[KIND_TEXTS]; /* by enum tally_by */
    bool listed;
};

/* The day since 1970 in which it lies. */
int64_t index_day(int64_t at);

/* These are called within the transaction that writes the decision. A number that is not known yet
 * gets its row. */
enum result index_kind(struct journal_index *index, const struct index_kind *kind,
                       int64_t *number_out, struct error *err);
/* The same kind with another effect. */
enum result index_kind_effect(struct journal_index *index, int64_t kind, const char *effect,
                              size_t length, int64_t *number_out, struct error *err);
/* Of an event of the registry; ORIGIN_GONE when it is no longer held, or there is no registry that
 * could be read. RESULT_UNAVAILABLE when it is only not to be read now. */
enum result index_origin(struct journal_index *index, int64_t event, int64_t *number_out,
                         struct error *err);
/* What was written to the registry up to now is seen by the next index_origin: to be called once
 * it is known which rows are durable, as those rely on no later event. */
void index_origin_refresh(struct journal_index *index);

/* A decision came (1) or went (-1). */
enum result index_count(struct journal_index *index, int64_t at, int64_t kind, int64_t origin,
                        int rows, struct error *err);
/* Before the transaction is committed, and when it is undone. */
enum result index_kinds_flush(struct journal_index *index, struct error *err);
void index_kinds_forget(struct journal_index *index);
/* With the file. */
void index_kinds_close(struct journal_index *index);

#endif
