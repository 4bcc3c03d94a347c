/* SPDX-License-Identifier: Apache-2.0 */
/* What the journal's index answers about one person: several questions of one state, and sums. */
#ifndef OCTROI_STORE_INDEX_PERSON_H
#define OCTROI_STORE_INDEX_PERSON_H

#include "store/journal.h"

/* Several questions of one state: between these two, what is indexed meanwhile is not seen. Nothing
 * may be indexed through this index then. */
enum result journal_index_view_begin(struct journal_index *index, struct error *err);
void journal_index_view_end(struct journal_index *index);

/* How many decisions about one person came out alike; NULL where the journal has null. */
struct log_sum {
    const char *partner, *channel, *purpose, *verdict, *effect, *outcome;
    const char *list; /* of a screening: SHA-256 of the list in hex */
    uint64_t count;
    int64_t first_at, last_at;
};
/* In order of partner, channel, purpose; return false to stop. */
typedef bool log_sum_fn(void *arg, const struct log_sum *sum);
enum result journal_index_sums(struct journal_index *index,
                               const uint8_t recipient_key[RECIPIENT_KEY_BYTES], log_sum_fn *on_sum,
                               void *arg, struct error *err);

/* Who looked at the person, or acted on her, over HTTP; NULL where the journal has null. */
struct log_access {
    const char *id, *gateway, *who, *act, *partner, *channel, *subject, *answer;
    int64_t at;
};
/* Oldest first; return false to stop. */
typedef bool log_access_fn(void *arg, const struct log_access *access);
enum result journal_index_accesses(struct journal_index *index,
                                   const uint8_t recipient_key[RECIPIENT_KEY_BYTES],
                                   log_access_fn *on_access, void *arg, struct error *err);

/* The latest of them, newest first. */
enum result journal_index_latest_accesses(struct journal_index *index,
                                          const uint8_t recipient_key[RECIPIENT_KEY_BYTES],
                                          unsigned limit, log_access_fn *on_access, void *arg,
                                          struct error *err);

/* How often somebody did the same. */
struct log_access_sum {
    const char *who, *act, *partner;
    uint64_t count;
    int64_t first_at, last_at;
};
typedef bool log_access_sum_fn(void *arg, const struct log_access_sum *sum);
enum result journal_index_access_sums(struct journal_index *index,
                                      const uint8_t recipient_key[RECIPIENT_KEY_BYTES],
                                      log_access_sum_fn *on_sum, void *arg, struct error *err);

#endif
