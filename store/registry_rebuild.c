/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deriving every standing anew from the events, beside whoever else reads and writes: in place,
 * batch by batch. A batch is looked at without any lock first; only one in which something is not
 * right takes the write lock, looks again and mends, and then leaves others as much time as it
 * took.
 */
#include "store/registry_internal.h"

#include "base/clock.h"

#include <string.h>

#define BATCH_EVENTS 500

struct walk {
    struct registry *registry;
    struct registry_report *report;
    struct error *err;
    bool mends; /* within a write transaction; else it only looks */
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
    return walk->mends ? standing_set(walk->registry, record, digest, walk->err) : RESULT_OK;
}

/* more_out: there may be events after report->last. */
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

static bool holds(sqlite3_stmt *statement, int column, const uint8_t *bytes, int length)
{
    const void *found = sqlite3_column_blob(statement, column);
    return found != NULL && sqlite3_column_bytes(statement, column) == length &&
           memcmp(found, bytes, (size_t)length) == 0;
}

/* Whether the standing in columns 0 to 2 is that of the event behind it. */
static enum result belongs(struct walk *walk, sqlite3_stmt *statement, bool *belongs_out)
{
    const int64_t id = sqlite3_column_int64(statement, 0);
    uint8_t digest[EVENT_DIGEST_BYTES];
    struct event_record record = {
        .recipient_key = sqlite3_column_type(statement, 4) != SQLITE_NULL &&
                                 sqlite3_column_bytes(statement, 4) == RECIPIENT_KEY_BYTES
                             ? sqlite3_column_blob(statement, 4)
                             : NULL,
        .channel = sql_text(statement, 5),
        .kind = sql_text(statement, 6),
        .occurred_at = sqlite3_column_int64(statement, 7),
        .form_id = sqlite3_column_type(statement, 9) != SQLITE_NULL ? sql_text(statement, 9) : NULL,
        .form_version = sqlite3_column_int(statement, 10),
        .partners = sql_text(statement, 11),
        .basis = sql_text(statement, 12),
        .supplier = sql_text(statement, 13),
        .collector = sql_text(statement, 14),
        .evidence = sql_text(statement, 15),
    };
    *belongs_out = false;
    if (record.recipient_key == NULL ||
        id != standing_id(record.recipient_key, sqlite3_column_int64(statement, 3)) ||
        !holds(statement, 1, record.recipient_key, RECIPIENT_KEY_BYTES))
        return RESULT_OK;
    enum result result = event_digest(walk->registry, &record, digest, walk->err);
    *belongs_out = result == RESULT_OK && holds(statement, 2, digest, sizeof(digest));
    return result;
}

/* The standings after *place that follow from no event go. */
static enum result clear_batch(struct walk *walk, int64_t *place, bool *more_out)
{
    sqlite3_stmt *statement;
    unsigned seen = 0;
    enum result result =
        registry_prepared(walk->registry, STATEMENT_STANDING_BATCH,
                          "SELECT s.standing_id, s.recipient_key, s.digest, " EVENT_COLUMNS
                          " FROM standing s LEFT JOIN event e ON e.event_id = s.event_id"
                          " WHERE s.standing_id > ?1 ORDER BY s.standing_id LIMIT ?2",
                          &statement, walk->err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, *place);
    sqlite3_bind_int(statement, 2, BATCH_EVENTS);
    while (result == RESULT_OK) {
        bool row, right;
        result = registry_step(walk->registry, statement, &row, walk->err);
        if (result != RESULT_OK || !row)
            break;
        seen++;
        *place = sqlite3_column_int64(statement, 0);
        result = belongs(walk, statement, &right);
        if (result == RESULT_OK && !right) {
            walk->report->foreign++;
            if (walk->mends)
                result = standing_drop(walk->registry, *place, walk->err);
        }
    }
    registry_done(statement);
    *more_out = seen == BATCH_EVENTS;
    return result;
}

static uint64_t not_right(const struct registry_report *report)
{
    return report->missing + report->different + report->foreign;
}

static enum result take_batch(struct walk *walk, bool clearing, int64_t *place, bool *more_out)
{
    return clearing ? clear_batch(walk, place, more_out) : mend_batch(walk, more_out);
}

/* The batch that was looked at from *before and *start on, under the lock. */
static enum result mend_again(struct walk *walk, bool clearing,
                              const struct registry_report *before, int64_t *place, bool *more_out)
{
    bool own;
    int64_t began = clock_monotonic();
    *walk->report = *before;
    enum result result = registry_enter(walk->registry, &own, walk->err);
    if (result != RESULT_OK)
        return result;
    walk->mends = true;
    result = take_batch(walk, clearing, place, more_out);
    walk->mends = false;
    result = registry_leave(walk->registry, own, result, walk->err);
    clock_sleep(clock_monotonic() - began);
    return result;
}

static enum result pass(struct walk *walk, bool clearing, bool mends,
                        registry_progress_fn *progress, void *arg, uint64_t total)
{
    int64_t place = INT64_MIN; /* lower than what the table takes */
    enum result result = RESULT_OK;
    for (bool more = true; more && result == RESULT_OK;) {
        const struct registry_report before = *walk->report;
        int64_t start = place;
        result = take_batch(walk, clearing, &place, &more);
        if (result == RESULT_OK && mends && not_right(walk->report) > not_right(&before)) {
            place = start;
            result = mend_again(walk, clearing, &before, &place, &more);
        }
        if (progress != NULL)
            progress(arg, walk->report->events, total);
    }
    return result;
}

static enum result go_over(struct registry *registry, bool mends, registry_progress_fn *progress,
                           void *arg, struct registry_report *report_out, struct error *err)
{
    struct walk walk = {.registry = registry, .report = report_out, .err = err};
    uint64_t total = 0;
    *report_out = (struct registry_report){0};
    enum result result =
        registry_count(registry, "SELECT coalesce(max(event_id), 0) FROM event", &total, err);
    /* Foreign ones first: one that stands in the place of a right one would be taken for it. */
    if (result == RESULT_OK)
        result = pass(&walk, true, mends, progress, arg, total);
    if (result == RESULT_OK)
        result = pass(&walk, false, mends, progress, arg, total);
    return result;
}

enum result registry_rebuild(struct registry *registry, registry_progress_fn *progress, void *arg,
                             struct registry_report *report_out, struct error *err)
{
    return go_over(registry, true, progress, arg, report_out, err);
}

enum result registry_compare(struct registry *registry, registry_progress_fn *progress, void *arg,
                             struct registry_report *report_out, struct error *err)
{
    enum result result = go_over(registry, false, progress, arg, report_out, err);
    if (result == RESULT_OK && not_right(report_out) > 0)
        result = error_set(err, RESULT_DAMAGED,
                           "what is looked up of people does not follow from the events: octroi "
                           "consent rebuild, then octroi verify");
    return result;
}
