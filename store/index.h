/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's index inside: a SQLite file that can be rebuilt from the segments at any time, so
 * it is never synced and a damaged one is thrown away. It holds no authority.
 */
#ifndef OCTROI_STORE_INDEX_H
#define OCTROI_STORE_INDEX_H

#include "store/journal.h"
#include "store/sql.h"

struct journal_index {
    char *path;           /* owned */
    char *directory;      /* owned; of the segments */
    char *registry_path;  /* owned; NULL: none */
    sqlite3 *db;          /* owned; NULL only while it is being rebuilt */
    sqlite3_stmt *insert; /* owned, as those below */
    sqlite3_stmt *outcome;
    sqlite3_stmt *position;
    sqlite3_stmt *move;
    sqlite3_stmt *find;     /* index_purge.c; NULL until first used */
    sqlite3_stmt *contacts; /* index_contacts.c; likewise */
    sqlite3_stmt *sent;     /* index_sent.c; likewise */
    sqlite3_stmt *reached;
    sqlite3_stmt *access; /* index_row.c; likewise, as those below */
    sqlite3_stmt *other_effect;
    sqlite3_stmt *move_effect;
    struct index_kinds *kinds; /* owned; index_kind.c; NULL until first used */
    struct index_pending
        *pending; /* owned; index_pending.c; likewise; empty between transactions */
    bool broken;  /* the file itself does not hold, as opposed to the segments */
};

/* The last row an index knows, indexed or only seen, whatever its version: 0 when there is no
 * index, or one that is damaged. */
enum result index_last_row(const char *index_path, uint64_t *rows_out,
                           uint8_t hash_out[SHA256_BYTES], struct error *err);
/* store/journal_verify.c: whether the index knows rows that a journal, just opened and not yet
 * extended, does not end with: RESULT_DAMAGED. Cheap; an index that is missing, damaged or not to
 * be opened says nothing. */
enum result index_compare_end(const char *index_path, const struct journal_state *state,
                              struct error *err);
/* store/index_row.c: one record as it is inserted. RESULT_DAMAGED when it cannot be read. */
enum result index_record(struct journal_index *index, uint64_t seq,
                         const uint8_t hash[SHA256_BYTES], const char *record, size_t length,
                         struct error *err);
enum result index_unreadable(uint64_t seq, struct error *err);
/* Decisions wait for their outcome until then: before the transaction is committed; and when it is
 * undone. */
enum result index_rows_flush(struct journal_index *index, struct error *err);
void index_rows_forget(struct journal_index *index);
/* Where a decision stands in the order of the log. */
struct index_place {
    int64_t at;
    int64_t seq;
};
/* store/index_merge.c: the next places, at most `most`, of decisions of these kinds, in the
 * filter's order, behind `after` if that is not NULL. Reads no decision itself. */
struct index_merge {
    const struct log_filter *filter;
    const int64_t *kinds;
    size_t n_kinds;
    size_t most;
    const struct index_place *after;
};
enum result index_merge(struct journal_index *index, const struct index_merge *merge,
                        struct index_place *places, size_t *count_out, struct error *err);
/* store/index_log.c: one moment for several questions, unless the caller has one already. */
enum result index_begin(struct journal_index *index, bool *begun_out, struct error *err);
void index_end(struct journal_index *index, bool begun);
/* store/index_total.c: what remains of erased detail. */
enum result index_totals(struct journal_index *index, uint64_t seq, const char *record,
                         size_t length, struct error *err);
/* store/index_erased.c: retention begins. */
enum result index_purging(struct journal_index *index, uint64_t seq, const char *record,
                          size_t length, struct error *err);
/* store/index_screening.c: the begin or the end of a screening. */
enum result index_screening(struct journal_index *index, uint64_t seq, const char *record,
                            size_t length, struct error *err);

#endif
