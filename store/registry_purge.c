/* SPDX-License-Identifier: Apache-2.0 */
#include "store/registry_purge.h"

#include "base/clock.h"
#include "store/registry_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CANDIDATES = 256, /* persons of whom something goes, noted before they are erased */
    READ_ROWS = 4096  /* of one read, which is sorted by person */
};
#define WRITE_MOST (CLOCK_SECOND / 20)

struct purge {
    struct registry *registry;
    const struct retention_periods *periods;
    int64_t now;
    bool erases;
    registry_progress_fn *progress;
    void *arg;
    uint64_t done, total; /* standings */
    struct registry_purge_counts *counts;

    uint8_t key[RECIPIENT_KEY_BYTES]; /* of the person at hand, then the last one looked at */
    struct retention_event *events;   /* owned; of the person at hand */
    size_t n, capacity;
    uint8_t candidates[CANDIDATES][RECIPIENT_KEY_BYTES];
    size_t n_candidates;
    int64_t rows[CANDIDATES]; /* of the identifiers at hand, whose persons are the candidates */
};

static const char columns[] = "SELECT recipient_key, event_id, kind, channel, occurred_at,"
                              " partners = '' AND collector = '' FROM standing";

/* ---- one person ---- */

static enum result take_row(struct purge *purge, sqlite3_stmt *row, struct error *err)
{
    struct retention_event event = {
        .id = sqlite3_column_int64(row, 1),
        .occurred_at = sqlite3_column_int64(row, 4),
        .of_all = sqlite3_column_int(row, 5) != 0,
    };
    if (!event_kind_parse(sql_text(row, 2), &event.kind) ||
        !channel_parse(sql_text(row, 3), &event.channel))
        return error_set(err, RESULT_DAMAGED, "event %" PRId64 " holds an unknown word", event.id);
    if (purge->n == purge->capacity) {
        size_t capacity = purge->capacity > 0 ? purge->capacity * 2 : 64;
        struct retention_event *events =
            capacity <= 2 * (size_t)REGISTRY_EVENTS_MAX
                ? reallocarray(purge->events, capacity, sizeof(*events))
                : NULL;
        if (events == NULL)
            return error_no_memory(err);
        purge->events = events;
        purge->capacity = capacity;
    }
    purge->events[purge->n++] = event;
    return RESULT_OK;
}

static void tally(struct purge_tally *tally, uint64_t events, int64_t oldest)
{
    tally->persons += events > 0;
    tally->events += events;
    if (events > 0 && oldest < tally->oldest)
        tally->oldest = oldest;
}

static bool goes(const struct retention_counts *counts)
{
    return counts->proofs > 0 || counts->oppositions > 0;
}

static void count_erased(struct purge *purge, const struct retention_counts *counts)
{
    tally(&purge->counts->proofs, counts->proofs, counts->oldest_proof);
    tally(&purge->counts->oppositions, counts->oppositions, counts->oldest_opposition);
    purge->counts->persons += goes(counts);
}

/* The person's last row has come. What goes is counted when it goes, which is later. */
static void end_person(struct purge *purge)
{
    struct retention_counts counts;
    if (purge->n == 0)
        return;
    retention_select(purge->events, purge->n, purge->periods, purge->now, &counts);
    tally(&purge->counts->ended, counts.ended, counts.oldest_ended);
    if (!purge->erases)
        count_erased(purge, &counts);
    else if (goes(&counts))
        memcpy(purge->candidates[purge->n_candidates++], purge->key, RECIPIENT_KEY_BYTES);
    purge->done += purge->n;
    purge->n = 0;
    if (purge->progress != NULL)
        purge->progress(purge->arg, purge->done, purge->total);
}

/* ---- erasing ---- */

/* Read again under the lock: a person may have done something since. */
static enum result erase_person(struct purge *purge, const uint8_t *key, struct error *err)
{
    struct registry *registry = purge->registry;
    sqlite3_stmt *statement;
    struct retention_counts counts;
    char sql[sizeof(columns) + 80];
    bool row = false;
    snprintf(sql, sizeof(sql), "%s WHERE standing_id BETWEEN ?1 AND ?2 AND recipient_key = ?3",
             columns);
    purge->n = 0;
    enum result result = registry_prepared(registry, STATEMENT_PERSON, sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    standing_bind(statement, key);
    do {
        result = registry_step(registry, statement, &row, err);
        if (result == RESULT_OK && row)
            result = take_row(purge, statement, err);
    } while (result == RESULT_OK && row);
    registry_done(statement);
    retention_select(purge->events, purge->n, purge->periods, purge->now, &counts);
    for (size_t i = 0; result == RESULT_OK && i < purge->n; i++)
        if (purge->events[i].fate == RETENTION_ERASE)
            result = registry_erase_event(registry, purge->events[i].id, err);
    if (result == RESULT_OK && counts.horizon != INT64_MIN)
        result = registry_move_horizon(registry, counts.horizon, err);
    if (result == RESULT_OK)
        count_erased(purge, &counts);
    purge->n = 0;
    return result;
}

/* As many as go into one short transaction, from *next on. */
static enum result erase_some(struct purge *purge, size_t *next, struct error *err)
{
    struct registry_purge_counts before = *purge->counts;
    enum result result = registry_begin(purge->registry, err);
    if (result != RESULT_OK)
        return result;
    int64_t began = clock_monotonic();
    do {
        result = erase_person(purge, purge->candidates[*next], err);
        ++*next;
    } while (result == RESULT_OK && *next < purge->n_candidates &&
             clock_monotonic() - began < WRITE_MOST);
    if (result == RESULT_OK)
        result = registry_commit(purge->registry, err);
    else
        registry_rollback(purge->registry);
    if (result != RESULT_OK)
        *purge->counts = before; /* what is told is what is done */
    else
        clock_sleep(clock_monotonic() - began);
    return result;
}

static enum result erase_candidates(struct purge *purge, struct error *err)
{
    enum result result = RESULT_OK;
    for (size_t next = 0; result == RESULT_OK && next < purge->n_candidates;)
        result = erase_some(purge, &next, err);
    purge->n_candidates = 0;
    return result;
}

/* ---- all of them ---- */

static enum result next_row(struct purge *purge, sqlite3_stmt *row, struct error *err)
{
    const void *key = sqlite3_column_blob(row, 0);
    if (key == NULL || sqlite3_column_bytes(row, 0) != RECIPIENT_KEY_BYTES)
        return error_set(err, RESULT_DAMAGED, "a standing names nobody: octroi consent rebuild");
    if (purge->n > 0 && memcmp(key, purge->key, RECIPIENT_KEY_BYTES) != 0)
        end_person(purge);
    memcpy(purge->key, key, RECIPIENT_KEY_BYTES);
    return take_row(purge, row, err);
}

static bool begins_person(const struct purge *purge, sqlite3_stmt *row)
{
    const void *key = sqlite3_column_blob(row, 0);
    return purge->n == 0 || key == NULL || memcmp(key, purge->key, RECIPIENT_KEY_BYTES) != 0;
}

/* The persons of a range, and in it those after purge->key when it goes on. Ends with a whole
 * person; *more_out: there are others. */
static enum result read_some(struct purge *purge, const struct standing_range *range, bool goes_on,
                             bool *more_out, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    char sql[sizeof(columns) + 120];
    uint8_t after[RECIPIENT_KEY_BYTES];
    bool row = true;
    *more_out = false;
    snprintf(sql, sizeof(sql), "%s WHERE standing_id BETWEEN ?1 AND ?2%s ORDER BY recipient_key",
             columns, goes_on ? " AND recipient_key > ?3" : "");
    enum result result = sql_prepare(purge->registry->db, sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, range->first);
    sqlite3_bind_int64(statement, 2, range->last);
    memcpy(after, purge->key, sizeof(after));
    if (goes_on)
        sqlite3_bind_blob(statement, 3, after, sizeof(after), SQLITE_STATIC);
    while (result == RESULT_OK) {
        result = registry_step(purge->registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        *more_out = purge->n_candidates >= CANDIDATES - 1 && begins_person(purge, statement);
        if (*more_out)
            break;
        result = next_row(purge, statement, err);
    }
    sqlite3_finalize(statement);
    if (result == RESULT_OK)
        end_person(purge);
    purge->n = 0;
    return result;
}

static enum result purge_range(struct purge *purge, const struct standing_range *range,
                               struct error *err)
{
    enum result result = RESULT_OK;
    bool more = true;
    for (bool goes_on = false; result == RESULT_OK && more; goes_on = true) {
        result = read_some(purge, range, goes_on, &more, err);
        if (result == RESULT_OK)
            result = erase_candidates(purge, err);
    }
    return result;
}

/* ---- what partners call people of whom nothing is on record ---- */

#define ALONE                                                          \
    " FROM identifier WHERE rowid = ?4 AND set_at < ?5 AND NOT EXISTS" \
    " (SELECT 1 FROM standing WHERE standing_id BETWEEN ?1 AND ?2 AND recipient_key = ?3)"

/* Those set before, from after on: *after moves to the last that was read. */
static enum result read_identifiers(struct purge *purge, int64_t before, int64_t *after,
                                    struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = true;
    purge->n_candidates = 0;
    enum result result = sql_prepare(purge->registry->db,
                                     "SELECT rowid, recipient_key FROM identifier"
                                     " WHERE rowid > ?1 AND set_at < ?2 ORDER BY rowid",
                                     &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, *after);
    sqlite3_bind_int64(statement, 2, before);
    while (purge->n_candidates < CANDIDATES) {
        result = registry_step(purge->registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        *after = sqlite3_column_int64(statement, 0);
        if (sqlite3_column_bytes(statement, 1) != RECIPIENT_KEY_BYTES)
            continue;
        purge->rows[purge->n_candidates] = *after;
        memcpy(purge->candidates[purge->n_candidates++], sqlite3_column_blob(statement, 1),
               RECIPIENT_KEY_BYTES);
    }
    sqlite3_finalize(statement);
    return result;
}

static enum result forget_identifier(struct purge *purge, size_t which, int64_t before,
                                     struct error *err)
{
    static const char *const sql[] = {"SELECT set_at" ALONE, "DELETE" ALONE};
    sqlite3_stmt *statement = NULL;
    bool row = false;
    enum result result = RESULT_OK;
    const int steps = purge->erases ? 2 : 1;
    for (int step = 0; step < steps && result == RESULT_OK; step++) {
        result = sql_prepare(purge->registry->db, sql[step], &statement, err);
        if (result != RESULT_OK)
            return result;
        standing_bind(statement, purge->candidates[which]);
        sqlite3_bind_int64(statement, 4, purge->rows[which]);
        sqlite3_bind_int64(statement, 5, before);
        result = step == 1 ? sql_run(purge->registry->db, statement, err)
                           : registry_step(purge->registry, statement, &row, err);
        if (result == RESULT_OK && step == 0 && row)
            tally(&purge->counts->identifiers, 1, sqlite3_column_int64(statement, 0));
        sqlite3_finalize(statement);
    }
    return result;
}

/* As many as were read: in one short transaction. */
static enum result forget_identifiers(struct purge *purge, int64_t before, struct error *err)
{
    struct purge_tally counted = purge->counts->identifiers;
    int64_t began = clock_monotonic();
    enum result result = purge->erases ? registry_begin(purge->registry, err) : RESULT_OK;
    if (result != RESULT_OK)
        return result;
    for (size_t i = 0; i < purge->n_candidates && result == RESULT_OK; i++)
        result = forget_identifier(purge, i, before, err);
    if (!purge->erases)
        return result;
    if (result == RESULT_OK)
        result = registry_commit(purge->registry, err);
    else
        registry_rollback(purge->registry);
    if (result != RESULT_OK)
        purge->counts->identifiers = counted;
    else
        clock_sleep(clock_monotonic() - began);
    return result;
}

static enum result purge_identifiers(struct purge *purge, struct error *err)
{
    int64_t before = clock_subtract(purge->now, purge->periods->consent), after = 0;
    enum result result = RESULT_OK;
    do {
        result = read_identifiers(purge, before, &after, err);
        if (result == RESULT_OK && purge->n_candidates > 0)
            result = forget_identifiers(purge, before, err);
    } while (result == RESULT_OK && purge->n_candidates > 0);
    return result;
}

enum result registry_purge(struct registry *registry, const struct retention_periods *periods,
                           int64_t now, bool erases, registry_progress_fn *progress, void *arg,
                           struct registry_purge_counts *counts_out, struct error *err)
{
    struct purge_tally none = {.oldest = INT64_MAX};
    struct standing_range range = {0, -1};
    *counts_out = (struct registry_purge_counts){
        .ended = none, .proofs = none, .oppositions = none, .identifiers = none};
    struct purge *purge = calloc(1, sizeof(*purge));
    if (purge == NULL)
        return error_no_memory(err);
    purge->registry = registry;
    purge->periods = periods;
    purge->now = now;
    purge->erases = erases;
    purge->progress = progress;
    purge->arg = arg;
    purge->counts = counts_out;
    enum result result =
        registry_count(registry, "SELECT count(*) FROM standing", &purge->total, err);
    while (result == RESULT_OK) {
        result = standing_stretch(registry, range.last, READ_ROWS, &range, err);
        if (result != RESULT_OK || range.last < range.first)
            break;
        result = purge_range(purge, &range, err);
    }
    if (result == RESULT_OK)
        result = purge_identifiers(purge, err);
    free(purge->events);
    free(purge);
    return result;
}
