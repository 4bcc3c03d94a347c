/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deriving every standing anew from the events, beside whoever else reads and writes: in place and
 * in short transactions, so that a registry whose standings are right is read and not written.
 */
#include "store/registry_internal.h"

#include <string.h>

#define BATCH_EVENTS 2000

struct walk {
    struct registry *registry;
    struct registry_report *report;
    struct error *err;
};

/* ---- rebuilding ---- */

static enum result mend_event(struct walk *walk, const struct event_record *record)
{
    uint8_t digest[EVENT_DIGEST_BYTES];
    enum standing_state state = STANDING_RIGHT;
    enum result result = event_digest(walk->registry, record, digest, walk->err);
    if (result == RESULT_OK)
        result = standing_compare(walk->registry, record, digest, &state, walk->err);
    if (result != RESULT_OK || state == STANDING_RIGHT)
        return result;
    walk->report->missing += state == STANDING_MISSING;
    walk->report->different += state == STANDING_DIFFERENT;
    return standing_set(walk->registry, record, digest, walk->err);
}

/* Within a write transaction. more_out: there may be events after report->last. */
static enum result mend_batch(struct walk *walk, bool *more_out)
{
    sqlite3_stmt *statement;
    unsigned seen = 0;
    enum result result = registry_prepared(
        walk->registry, STATEMENT_EVENT_BATCH,
        "SELECT " EVENT_COLUMNS " FROM event e WHERE e.event_id > ?1 ORDER BY e.event_id LIMIT ?2",
        &statement, walk->err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, walk->report->last);
    sqlite3_bind_int(statement, 2, BATCH_EVENTS);
    while (result == RESULT_OK) {
        struct event_record record;
        bool row;
        result = registry_step(walk->registry, statement, &row, walk->err);
        if (result != RESULT_OK || !row)
            break;
        seen++;
        walk->report->events++;
        result = event_read(statement, &record, walk->err);
        if (result == RESULT_OK && record.recipient_key == NULL)
            walk->report->erased++;
        else if (result == RESULT_OK)
            result = mend_event(walk, &record);
        walk->report->last = record.id;
    }
    registry_done(statement);
    *more_out = seen == BATCH_EVENTS;
    return result;
}

/* A place in the table of standings. */
struct place {
    uint8_t key[RECIPIENT_KEY_BYTES];
    uint8_t digest[EVENT_DIGEST_BYTES];
};

/* The table's constraints see to type and length, unless somebody switched them off. */
static bool take_place(sqlite3_stmt *statement, struct place *place_out)
{
    const void *key = sqlite3_column_blob(statement, 0);
    const void *digest = sqlite3_column_blob(statement, 1);
    if (key == NULL || sqlite3_column_bytes(statement, 0) != RECIPIENT_KEY_BYTES ||
        digest == NULL || sqlite3_column_bytes(statement, 1) != EVENT_DIGEST_BYTES)
        return false;
    memcpy(place_out->key, key, sizeof(place_out->key));
    memcpy(place_out->digest, digest, sizeof(place_out->digest));
    return true;
}

/* Whether the event that the statement stands on, from column 2 on, makes this standing. */
static enum result belongs(struct walk *walk, sqlite3_stmt *statement, const struct place *place,
                           bool *belongs_out)
{
    uint8_t digest[EVENT_DIGEST_BYTES];
    struct event_record record = {
        .recipient_key = sqlite3_column_type(statement, 3) != SQLITE_NULL &&
                                 sqlite3_column_bytes(statement, 3) == RECIPIENT_KEY_BYTES
                             ? sqlite3_column_blob(statement, 3)
                             : NULL,
        .channel = sql_text(statement, 4),
        .kind = sql_text(statement, 5),
        .occurred_at = sqlite3_column_int64(statement, 6),
        .form_id = sqlite3_column_type(statement, 8) != SQLITE_NULL ? sql_text(statement, 8) : NULL,
        .form_version = sqlite3_column_int(statement, 9),
        .partners = sql_text(statement, 10),
        .basis = sql_text(statement, 11),
        .supplier = sql_text(statement, 12),
        .collector = sql_text(statement, 13),
        .evidence = sql_text(statement, 14),
    };
    *belongs_out = false;
    if (record.recipient_key == NULL ||
        memcmp(record.recipient_key, place->key, sizeof(place->key)) != 0)
        return RESULT_OK;
    enum result result = event_digest(walk->registry, &record, digest, walk->err);
    *belongs_out = result == RESULT_OK && memcmp(digest, place->digest, sizeof(digest)) == 0;
    return result;
}

/* Within a write transaction: the standings after *place that follow from no event go. */
static enum result clear_batch(struct walk *walk, struct place *place, bool *more_out)
{
    sqlite3_stmt *statement;
    unsigned seen = 0;
    enum result result =
        registry_prepared(walk->registry, STATEMENT_STANDING_BATCH,
                          "SELECT s.recipient_key, s.digest, " EVENT_COLUMNS
                          " FROM standing s LEFT JOIN event e ON e.event_id = s.event_id"
                          " WHERE (s.recipient_key, s.digest) > (?1, ?2)"
                          " ORDER BY s.recipient_key, s.digest LIMIT ?3",
                          &statement, walk->err);
    if (result != RESULT_OK)
        return result;
    struct place after = *place;
    sqlite3_bind_blob(statement, 1, after.key, sizeof(after.key), SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, after.digest, sizeof(after.digest), SQLITE_STATIC);
    sqlite3_bind_int(statement, 3, BATCH_EVENTS);
    while (result == RESULT_OK) {
        bool row, right;
        result = registry_step(walk->registry, statement, &row, walk->err);
        if (result != RESULT_OK || !row)
            break;
        seen++;
        if (!take_place(statement, place))
            result = error_set(walk->err, RESULT_DAMAGED,
                               "a standing has no key that could be one: it was not written here");
        if (result == RESULT_OK)
            result = belongs(walk, statement, place, &right);
        if (result == RESULT_OK && !right) {
            walk->report->foreign++;
            result = standing_drop(walk->registry, place->key, place->digest, walk->err);
        }
    }
    registry_done(statement);
    *more_out = seen == BATCH_EVENTS;
    return result;
}

/* One pass of short transactions over the whole; report->last or place is where it stands. */
static enum result rebuild_pass(struct walk *walk, bool clearing, registry_progress_fn *progress,
                                void *arg, uint64_t total)
{
    struct place place = {{0}, {0}};
    enum result result = RESULT_OK;
    for (bool more = true; more && result == RESULT_OK;) {
        bool own;
        result = registry_enter(walk->registry, &own, walk->err);
        if (result != RESULT_OK)
            break;
        result = clearing ? clear_batch(walk, &place, &more) : mend_batch(walk, &more);
        result = registry_leave(walk->registry, own, result, walk->err);
        if (progress != NULL)
            progress(arg, walk->report->events, total);
    }
    return result;
}

enum result registry_rebuild(struct registry *registry, registry_progress_fn *progress, void *arg,
                             struct registry_report *report_out, struct error *err)
{
    struct walk walk = {.registry = registry, .report = report_out, .err = err};
    uint64_t total = 0;
    *report_out = (struct registry_report){0};
    enum result result =
        registry_count(registry, "SELECT coalesce(max(event_id), 0) FROM event", &total, err);
    /* Foreign ones first: one that stands in the place of a right one would be taken for it. */
    if (result == RESULT_OK)
        result = rebuild_pass(&walk, true, progress, arg, total);
    if (result == RESULT_OK)
        result = rebuild_pass(&walk, false, progress, arg, total);
    return result;
}
