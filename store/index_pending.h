/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions of the transaction under way that are not yet in their table. Most outcomes follow
 * their decision within milliseconds: what is known of both is then inserted as one row, which is
 * never written again (a row that grows splits its page). Only index_row.c includes this.
 */
#ifndef OCTROI_STORE_INDEX_PENDING_H
#define OCTROI_STORE_INDEX_PENDING_H

#include "store/index.h"

enum { FIELDS_MAX = 24 };

struct field {
    const char *text; /* borrowed; NULL: not there, or no text */
    size_t length;
    int64_t number;
    bool is_number; /* or true, which reads as 1 */
    bool seen;
};

struct fields {
    const char *const *names; /* static */
    size_t count;
    struct field all[FIELDS_MAX];
};

/* The fields of one record, with the text they lie in. */
struct record_copy {
    struct fields fields;
    char text[];
};

struct pending_decision {
    uint64_t seq;
    uint8_t hash[SHA256_BYTES];
    int64_t at;
    int64_t kind;
    int64_t origin;
    struct record_copy *decision; /* owned */
    struct record_copy *outcome;  /* owned; NULL: none yet */
    uint32_t next; /* of those in the same slot; 0: none, else one more than its place */
};

struct index_pending;

/* *full_out: nothing was taken, those that wait are to be written first. The decision's id is its
 * first field, and all fields lie in record. */
enum result pending_add(struct journal_index *index, const struct pending_decision *decision,
                        const struct fields *fields, const char *record, size_t length,
                        bool *full_out, struct error *err);
/* The first that waits with that id, and the next; NULL. Borrowed until something is added. */
struct pending_decision *pending_first(struct journal_index *index, const struct field *id);
struct pending_decision *pending_next(struct journal_index *index,
                                      const struct pending_decision *decision,
                                      const struct field *id);
/* A copy whose texts are its own; NULL when memory is short. To be freed. */
struct record_copy *pending_copy(const struct fields *fields, const char *record, size_t length);
/* Those that wait, in the order of their rows. */
size_t pending_count(const struct journal_index *index);
struct pending_decision *pending_at(struct journal_index *index, size_t place);
/* None waits any more. */
void pending_clear(struct journal_index *index);

#endif
