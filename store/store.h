/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session needs of the store, answered by callback: the facts on a recipient, and rows made
 * durable in the journal. SQLite answers look-ups before store_look_up returns; PostgreSQL, and
 * the test double, answer later and in any order. No caller may assume either.
 *
 * One struct store belongs to one loop; all calls and all answers happen on that loop's thread.
 */
#ifndef OCTROI_STORE_STORE_H
#define OCTROI_STORE_STORE_H

#include "base/error.h"
#include "base/ticket.h"
#include "policy/facts.h"
#include "policy/recipient.h"

struct store;
struct journal_batch; /* store/journal.h */
struct token;         /* store/tokens.h */

struct store_query {
    uint8_t recipient_key[RECIPIENT_KEY_BYTES];
    const char
        *partner; /* borrowed until store_look_up returns; a store that answers later copies */
    const char *stream;
};

/* facts: valid during the call only; NULL unless result is RESULT_OK. */
typedef void store_facts_fn(void *owner, struct ticket ticket, enum result result,
                            const struct facts *facts);
/* token: valid during the call only; NULL unless result is RESULT_OK. RESULT_NOT_FOUND: it is none,
 * or good no more; any other: that cannot be said now. */
typedef void store_token_fn(void *owner, struct ticket ticket, enum result result,
                            const struct token *token);
/* RESULT_OK: every row of the batch is durable. Else none of it may be relied on. */
typedef void store_durable_fn(void *owner, struct ticket ticket, enum result result);

struct store_ops {
    void (*look_up)(struct store *store, const struct store_query *query, store_facts_fn *answer,
                    void *owner, struct ticket ticket);
    void (*find_token)(struct store *store, const char *text, int64_t now, store_token_fn *answer,
                       void *owner, struct ticket ticket);
    void (*append)(struct store *store, struct journal_batch *batch, store_durable_fn *answer,
                   void *owner, struct ticket ticket);
    void (*hold)(struct store *store, bool holds); /* NULL: look-ups cost it nothing more alone */
    void (*close)(struct store *store);
};

/* Embedded as the first member of every implementation. */
struct store {
    const struct store_ops *ops;
};

/* owner (borrowed) is passed back with the ticket: the loop's session table lives there. */
static inline void store_look_up(struct store *store, const struct store_query *query,
                                 store_facts_fn *answer, void *owner, struct ticket ticket)
{
    store->ops->look_up(store, query, answer, owner, ticket);
}

/* The token this text is, as the registry has it now: one that was revoked counts no more from then
 * on. text is borrowed until store_find_token returns. */
static inline void store_find_token(struct store *store, const char *text, int64_t now,
                                    store_token_fn *answer, void *owner, struct ticket ticket)
{
    store->ops->find_token(store, text, now, answer, owner, ticket);
}

/* Takes the batch (owned from now on by the store, also on failure). answer may be NULL: the rows
 * are then kept and tried again until they are durable, because nobody waits for them. */
static inline void store_append(struct store *store, struct journal_batch *batch,
                                store_durable_fn *answer, void *owner, struct ticket ticket)
{
    store->ops->append(store, batch, answer, owner, ticket);
}

/* Between the two, look-ups may be answered from one and the same state of the registry, the one
 * that the first of them finds (adr/0034). Only for what has all arrived already: whoever asks
 * about something that arrives later must be told of what was written before. Within one call of
 * the loop. Of one within another the first release ends both: what follows is looked up alone. */
static inline void store_hold(struct store *store)
{
    if (store->ops->hold != NULL)
        store->ops->hold(store, true);
}

static inline void store_release(struct store *store)
{
    if (store->ops->hold != NULL)
        store->ops->hold(store, false);
}

static inline void store_close(struct store **store)
{
    if (*store != NULL)
        (*store)->ops->close(*store);
    *store = NULL;
}

struct loop;
struct journal;

/* The embedded store of one loop: its own read connection to the registry, and the process's one
 * journal (borrowed). The registry must exist, in this program's layout: registry_open brings
 * it there. Answers to appends may come after store_close: drain the journal and the loop before
 * the owner goes. A look-up that fails is RESULT_UNAVAILABLE, whatever the cause. */
enum result store_open_sqlite(const char *registry_path, struct journal *journal, struct loop *loop,
                              struct store **store_out, struct error *err);

#endif
