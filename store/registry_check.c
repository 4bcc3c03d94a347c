/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking the whole registry over: whether the chain of events holds, and whether every standing
 * follows from its event and every event has its standing. Without the second, who deleted a
 * withdrawal from the table that is looked up would go unseen.
 */
#include "store/registry_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PROGRESS_EVERY 4096

struct walk {
    struct registry *registry;
    struct registry_report *report;
    registry_progress_fn *progress;
    void *arg;
    uint64_t total;
    struct error *err;
};

/* The first complaint is kept: what follows often follows from it. */
static void complain(struct walk *walk, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void complain(struct walk *walk, const char *format, ...)
{
    va_list args;
    if (walk->report->where[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(walk->report->where, sizeof(walk->report->where), format, args);
    va_end(args);
}

static void count_event(struct walk *walk)
{
    if (walk->report->events++ % PROGRESS_EVERY == 0 && walk->progress != NULL)
        walk->progress(walk->arg, walk->report->events, walk->total);
}

enum result registry_count(struct registry *registry, const char *sql, uint64_t *count_out,
                           struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row;
    enum result result = sql_prepare(registry->db, sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    result = registry_step(registry, statement, &row, err);
    if (result == RESULT_OK && row)
        *count_out = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return result;
}

/* ---- the chain ---- */

enum result registry_head(struct registry *registry, int64_t *id_out,
                          uint8_t hash_out[SHA256_BYTES], struct error *err)
{
    registry->head.known = false;
    enum result result = event_find_head(registry, err);
    if (result != RESULT_OK)
        return result;
    *id_out = registry->head.id;
    memcpy(hash_out, registry->head.hash, SHA256_BYTES);
    registry->head.known = registry->in_transaction;
    return RESULT_OK;
}

static enum result take_hash(sqlite3_stmt *statement, int column, int64_t id,
                             uint8_t hash_out[SHA256_BYTES], struct error *err)
{
    const void *hash = sqlite3_column_blob(statement, column);
    if (hash == NULL || sqlite3_column_bytes(statement, column) != SHA256_BYTES)
        return error_set(err, RESULT_DAMAGED, "event %" PRId64 " has no hash", id);
    memcpy(hash_out, hash, SHA256_BYTES);
    return RESULT_OK;
}

enum result registry_event_hash(struct registry *registry, int64_t id,
                                uint8_t hash_out[SHA256_BYTES], struct error *err)
{
    sqlite3_stmt *statement;
    bool row;
    enum result result =
        registry_prepared(registry, STATEMENT_EVENT_GET,
                          "SELECT hash FROM event WHERE event_id = ?1", &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, id);
    result = registry_step(registry, statement, &row, err);
    if (result == RESULT_OK && !row)
        result = error_set(err, RESULT_NOT_FOUND, "there is no event %" PRId64, id);
    if (result == RESULT_OK)
        result = take_hash(statement, 0, id, hash_out, err);
    registry_done(statement);
    return result;
}

/* The statement stands on an event, its salt and its hash; previous is the hash before it. */
static enum result check_link(struct walk *walk, sqlite3_stmt *statement,
                              const struct event_record *record)
{
    uint8_t inner[SHA256_BYTES], hash[SHA256_BYTES], stored[SHA256_BYTES];
    struct registry *registry = walk->registry;
    const void *salt = sqlite3_column_blob(statement, EVENT_COLUMN_COUNT);
    int salt_bytes = sqlite3_column_bytes(statement, EVENT_COLUMN_COUNT);
    bool erased = record->recipient_key == NULL;
    enum result result =
        take_hash(statement, EVENT_COLUMN_COUNT + 1, record->id, stored, walk->err);
    if (result != RESULT_OK)
        return result;
    if (salt == NULL || salt_bytes != (erased ? SHA256_BYTES : EVENT_SALT_BYTES))
        return error_set(walk->err, RESULT_DAMAGED, "event %" PRId64 " has no salt", record->id);
    if (!erased)
        result = event_link(registry, record, salt, walk->report->head, inner, hash, walk->err);
    else if (!hasher_pair(&registry->hasher, walk->report->head, SHA256_BYTES, salt, SHA256_BYTES,
                          hash))
        result = error_set(walk->err, RESULT_SYSTEM, "cannot compute SHA-256");
    if (result == RESULT_OK && memcmp(hash, stored, SHA256_BYTES) != 0)
        complain(walk, "event %" PRId64 ": what it says does not match its hash", record->id);
    memcpy(walk->report->head, stored, SHA256_BYTES);
    return result;
}

static enum result check_standing(struct walk *walk, const struct event_record *record)
{
    uint8_t digest[EVENT_DIGEST_BYTES];
    enum standing_state state = STANDING_RIGHT;
    enum result result = event_digest(walk->registry, record, digest, walk->err);
    if (result == RESULT_OK)
        result = standing_compare(walk->registry, record, digest, &state, walk->err);
    if (state == STANDING_MISSING) {
        walk->report->missing++;
        complain(walk, "event %" PRId64 ": its standing is missing (octroi consent rebuild)",
                 record->id);
    } else if (state == STANDING_DIFFERENT) {
        walk->report->different++;
        complain(walk,
                 "event %" PRId64 ": its standing says something else (octroi consent rebuild)",
                 record->id);
    }
    return result;
}

static enum result check_events(struct walk *walk)
{
    sqlite3_stmt *statement = NULL;
    enum result result =
        sql_prepare(walk->registry->db,
                    "SELECT " EVENT_COLUMNS ", e.salt, e.hash FROM event e ORDER BY e.event_id",
                    &statement, walk->err);
    while (result == RESULT_OK) {
        struct event_record record;
        bool row;
        result = registry_step(walk->registry, statement, &row, walk->err);
        if (result != RESULT_OK || !row)
            break;
        count_event(walk);
        result = event_read(statement, &record, walk->err);
        if (result == RESULT_OK)
            result = check_link(walk, statement, &record);
        if (result == RESULT_OK && record.recipient_key == NULL)
            walk->report->erased++;
        else if (result == RESULT_OK)
            result = check_standing(walk, &record);
        walk->report->last = record.id;
    }
    sqlite3_finalize(statement);
    return result;
}

/* Every event that is not erased has its standing by now; whatever is beyond that follows from
 * none.
 */
static enum result count_foreign(struct walk *walk)
{
    enum result result =
        registry_count(walk->registry,
                       "SELECT count(*) FROM standing s WHERE NOT EXISTS (SELECT 1 FROM event e"
                       " WHERE e.event_id = s.event_id AND e.recipient_key = s.recipient_key)",
                       &walk->report->foreign, walk->err);
    uint64_t standings = 0;
    uint64_t events = walk->report->events - walk->report->erased - walk->report->missing;
    if (result == RESULT_OK)
        result =
            registry_count(walk->registry, "SELECT count(*) FROM standing", &standings, walk->err);
    if (standings > events && standings - events > walk->report->foreign)
        walk->report->foreign = standings - events;
    if (walk->report->foreign > 0)
        complain(walk, "%" PRIu64 " standings follow from no event (octroi consent rebuild)",
                 walk->report->foreign);
    return result;
}

enum result registry_check(struct registry *registry, registry_progress_fn *progress, void *arg,
                           struct registry_report *report_out, struct error *err)
{
    struct walk walk = {
        .registry = registry, .report = report_out, .progress = progress, .arg = arg, .err = err};
    *report_out = (struct registry_report){0};
    enum result result = sql_exec(registry->db, "BEGIN", err);
    if (result != RESULT_OK)
        return result;
    result =
        registry_count(registry, "SELECT coalesce(max(event_id), 0) FROM event", &walk.total, err);
    if (result == RESULT_OK)
        result = check_events(&walk);
    if (result == RESULT_OK)
        result = count_foreign(&walk);
    registry_rollback(registry); /* nothing was written */
    if (result == RESULT_DAMAGED)
        complain(&walk, "%s", err != NULL ? err->text : "damaged");
    if (result == RESULT_OK && report_out->where[0] != '\0')
        result = error_set(err, RESULT_DAMAGED, "%s", report_out->where);
    return result;
}
