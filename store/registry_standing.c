/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standing: what the events of one person amount to, laid out for the one question asked before
 * every message. One compact row an event, ordered by person, so that a look-up is one descent of
 * one tree whatever the registry's size; and what makes two events the same is its key, so that
 * importing a file twice changes nothing.
 *
 * It is derived: every row follows from a row of `event` and from nothing else. Nobody edits it;
 * whoever doubts it compares it (registry_check) or mends it (registry_rebuild).
 */
#include "store/registry_internal.h"

#include <string.h>

#define INSERT_SQL                                                                                \
    "INSERT INTO standing (recipient_key, digest, event_id, channel, kind, occurred_at, form_id," \
    " form_version, partners, basis, supplier, collector, evidence)"                              \
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"                            \
    " ON CONFLICT (recipient_key, digest) DO "
static const char add_sql[] = INSERT_SQL "NOTHING";
static const char set_sql[] =
    INSERT_SQL "UPDATE SET event_id = excluded.event_id, channel = excluded.channel,"
               " kind = excluded.kind, occurred_at = excluded.occurred_at,"
               " form_id = excluded.form_id, form_version = excluded.form_version,"
               " partners = excluded.partners, basis = excluded.basis,"
               " supplier = excluded.supplier, collector = excluded.collector,"
               " evidence = excluded.evidence";

static void bind_row(sqlite3_stmt *statement, const struct event_record *record,
                     const uint8_t digest[EVENT_DIGEST_BYTES])
{
    sqlite3_bind_blob(statement, 1, record->recipient_key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, digest, EVENT_DIGEST_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, record->id);
    registry_bind_text(statement, 4, record->channel);
    registry_bind_text(statement, 5, record->kind);
    sqlite3_bind_int64(statement, 6, record->occurred_at);
    if (record->form_id != NULL) {
        registry_bind_text(statement, 7, record->form_id);
        sqlite3_bind_int(statement, 8, record->form_version);
    }
    registry_bind_text(statement, 9, record->partners);
    registry_bind_text(statement, 10, record->basis);
    registry_bind_text(statement, 11, record->supplier);
    registry_bind_text(statement, 12, record->collector);
    sqlite3_bind_int(statement, 13, record->evidence[0] != '\0');
}

enum result standing_add(struct registry *registry, const struct event_record *record,
                         const uint8_t digest[EVENT_DIGEST_BYTES], bool *added_out,
                         struct error *err)
{
    sqlite3_stmt *statement;
    enum result result =
        registry_prepared(registry, STATEMENT_STANDING_ADD, add_sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    bind_row(statement, record, digest);
    result = sql_run(registry->db, statement, err);
    *added_out = result == RESULT_OK && sqlite3_changes(registry->db) > 0;
    return result;
}

enum result standing_set(struct registry *registry, const struct event_record *record,
                         const uint8_t digest[EVENT_DIGEST_BYTES], struct error *err)
{
    sqlite3_stmt *statement;
    enum result result =
        registry_prepared(registry, STATEMENT_STANDING_SET, set_sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    bind_row(statement, record, digest);
    return sql_run(registry->db, statement, err);
}

enum result standing_drop(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                          const uint8_t digest[EVENT_DIGEST_BYTES], struct error *err)
{
    sqlite3_stmt *statement;
    enum result result = registry_prepared(
        registry, STATEMENT_STANDING_DROP,
        "DELETE FROM standing WHERE recipient_key = ?1 AND digest = ?2", &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(statement, 1, key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, digest, EVENT_DIGEST_BYTES, SQLITE_STATIC);
    return sql_run(registry->db, statement, err);
}

enum result standing_compare(struct registry *registry, const struct event_record *record,
                             const uint8_t digest[EVENT_DIGEST_BYTES],
                             enum standing_state *state_out, struct error *err)
{
    sqlite3_stmt *statement;
    bool row;
    enum result result = registry_prepared(
        registry, STATEMENT_STANDING_GET,
        "SELECT event_id = ?3 AND channel = ?4 AND kind = ?5 AND occurred_at = ?6 AND form_id IS ?7"
        " AND form_version IS ?8 AND partners = ?9 AND basis = ?10 AND supplier = ?11"
        " AND collector = ?12 AND evidence = ?13"
        " FROM standing s WHERE recipient_key = ?1 AND digest = ?2",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    bind_row(statement, record, digest);
    result = registry_step(registry, statement, &row, err);
    if (!row)
        *state_out = STANDING_MISSING;
    else if (sqlite3_column_int(statement, 0) != 0)
        *state_out = STANDING_RIGHT;
    else
        *state_out = STANDING_DIFFERENT;
    registry_done(statement);
    return result;
}

enum result standing_known(struct registry *registry, const struct event_record *record,
                           const uint8_t digest[EVENT_DIGEST_BYTES], bool *known_out,
                           struct error *err)
{
    sqlite3_stmt *statement;
    enum result result = registry_prepared(
        registry, STATEMENT_STANDING_KNOWN,
        "SELECT 1 FROM standing WHERE recipient_key = ?1 AND digest = ?2", &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(statement, 1, record->recipient_key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, digest, EVENT_DIGEST_BYTES, SQLITE_STATIC);
    result = registry_step(registry, statement, known_out, err);
    registry_done(statement);
    return result;
}
