/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded store of one loop: a read-only connection to the registry for look-ups, answered at
 * once, and the process's journal for appends, answered through the loop's mailbox. A look-up that
 * fails for whatever reason is RESULT_UNAVAILABLE: the gate cannot decide, so nothing passes.
 *
 * An append's completion holds no pointer to the store: it may come after store_close, as long as
 * the loop is drained before the loop itself (and the owner named in the append) is freed.
 */
#include "store/registry_internal.h"
#include "store/store.h"

#include "base/log.h"
#include "base/loop.h"
#include "store/journal.h"
#include "store/tokens.h"

#include <stdlib.h>
#include <string.h>

/* A reader of a WAL file waits for nobody but a recovery after a crash; a loop must not stand
 * still for longer than this. */
#define READ_BUSY_MS 100

struct sqlite_store {
    struct store store;        /* first: what the caller holds */
    struct registry *registry; /* owned */
    char *path;                /* owned; where the registry is */
    struct journal *journal;   /* borrowed */
    struct loop *loop;         /* borrowed */
    bool holds;                /* store_hold */
    bool failing;              /* the last look-up failed: it has been logged */
};

struct completion {
    struct loop_task task; /* first: what the loop hands back */
    enum result result;
    store_durable_fn *answer;
    void *owner; /* borrowed */
    struct ticket ticket;
};

/* Once when it begins and once when it ends: a thousand refused messages are one trouble. */
static void note_state(struct sqlite_store *self, enum result result, const struct error *err)
{
    bool failing = result != RESULT_OK;
    if (failing && !self->failing)
        log_event(LOG_LEVEL_ERROR, "registry unavailable", LOG_TEXT("reason", err->text),
                  LOG_NUMBER("loop", loop_index(self->loop)));
    else if (!failing && self->failing)
        log_event(LOG_LEVEL_INFO, "registry available again",
                  LOG_NUMBER("loop", loop_index(self->loop)));
    self->failing = failing;
}

/*
 * The file that was opened must still be the one of that name: after a restore from a backup, or
 * while the file is away, commands write withdrawals elsewhere than here, and the old file would
 * answer from the past for ever. A new file is opened in its place.
 */
static enum result follow(struct sqlite_store *self, struct error *err)
{
    bool moved = false;
    struct registry *fresh = NULL;
    if (registry_holding(self->registry))
        return RESULT_OK;
    enum result result = registry_has_moved(self->registry, &moved, err);
    if (result != RESULT_OK || !moved)
        return result;
    result = registry_open_as(self->path, SQL_READ, READ_BUSY_MS, &fresh, err);
    if (result != RESULT_OK)
        return result;
    log_event(LOG_LEVEL_WARN, "registry was replaced, opened anew",
              LOG_NUMBER("loop", loop_index(self->loop)));
    registry_close(&self->registry);
    self->registry = fresh;
    if (self->holds)
        registry_hold(fresh);
    return RESULT_OK;
}

static void look_up(struct store *store, const struct store_query *query, store_facts_fn *answer,
                    void *owner, struct ticket ticket)
{
    struct sqlite_store *self = (struct sqlite_store *)store;
    const struct facts *facts = NULL;
    struct error err = {0};
    enum result result = follow(self, &err);
    if (result == RESULT_OK)
        result = registry_facts(self->registry, query->recipient_key, query->partner, query->stream,
                                &facts, &err);
    note_state(self, result, &err);
    if (result == RESULT_OK)
        answer(owner, ticket, RESULT_OK, facts);
    else
        answer(owner, ticket, RESULT_UNAVAILABLE, NULL);
}

static void find_token(struct store *store, const char *text, int64_t now, store_token_fn *answer,
                       void *owner, struct ticket ticket)
{
    struct sqlite_store *self = (struct sqlite_store *)store;
    struct token token;
    struct error err = {0};
    enum result result = follow(self, &err);
    if (result == RESULT_OK)
        result = registry_find_token(self->registry, text, now, &token, &err);
    bool known = result == RESULT_OK || result == RESULT_NOT_FOUND;
    note_state(self, known ? RESULT_OK : result, &err);
    answer(owner, ticket, known ? result : RESULT_UNAVAILABLE, result == RESULT_OK ? &token : NULL);
}

static void complete(struct loop_task *task)
{
    struct completion *completion = (struct completion *)task;
    completion->answer(completion->owner, completion->ticket, completion->result);
    free(completion);
}

static void append(struct store *store, struct journal_batch *batch, store_durable_fn *answer,
                   void *owner, struct ticket ticket)
{
    struct sqlite_store *self = (struct sqlite_store *)store;
    if (answer == NULL) {
        journal_append(self->journal, batch, self->loop, NULL, NULL);
        return;
    }
    struct completion *completion = calloc(1, sizeof(*completion));
    if (completion == NULL) {
        journal_batch_free(&batch);
        answer(owner, ticket, RESULT_NO_MEMORY);
        return;
    }
    completion->task.run = complete;
    completion->result = RESULT_UNAVAILABLE;
    completion->answer = answer;
    completion->owner = owner;
    completion->ticket = ticket;
    journal_append(self->journal, batch, self->loop, &completion->task, &completion->result);
}

static void hold(struct store *store, bool holds)
{
    struct sqlite_store *self = (struct sqlite_store *)store;
    self->holds = holds;
    if (holds)
        registry_hold(self->registry);
    else
        registry_release(self->registry);
}

static void close_store(struct store *store)
{
    struct sqlite_store *self = (struct sqlite_store *)store;
    registry_close(&self->registry);
    free(self->path);
    free(self);
}

enum result store_open_sqlite(const char *registry_path, struct journal *journal, struct loop *loop,
                              struct store **store_out, struct error *err)
{
    static const struct store_ops ops = {
        .look_up = look_up,
        .find_token = find_token,
        .append = append,
        .hold = hold,
        .close = close_store,
    };
    struct sqlite_store *self = calloc(1, sizeof(*self));
    if (self == NULL)
        return error_no_memory(err);
    self->path = strdup(registry_path);
    enum result result = self->path == NULL ? error_no_memory(err)
                                            : registry_open_as(registry_path, SQL_READ,
                                                               READ_BUSY_MS, &self->registry, err);
    if (result != RESULT_OK) {
        free(self->path);
        free(self);
        return result;
    }
    self->store.ops = &ops;
    self->journal = journal;
    self->loop = loop;
    *store_out = &self->store;
    return RESULT_OK;
}
