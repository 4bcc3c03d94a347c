/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standing: what the events of one person amount to, laid out for the one question asked before
 * every message. One compact row an event, and the row's number begins with the first bits of the
 * person's key: all that is known of a person lies together, in a tree whose inner nodes hold
 * nothing but numbers. So those nodes stay in memory however many people there are, and a look-up
 * reads one page.
 *
 * It is derived: every row follows from a row of `event` and from nothing else. Nobody edits it;
 * whoever doubts it compares it (registry_check) or mends it (registry_rebuild).
 */
#include "store/registry_internal.h"

#include <inttypes.h>
#include <string.h>

#define COLUMNS                                                                              \
    "standing_id, recipient_key, digest, channel, kind, occurred_at, form_id, form_version," \
    " partners, basis, supplier, collector, evidence"
#define INSERT_SQL                   \
    "INSERT INTO standing (" COLUMNS \
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
static const char set_sql[] =
    INSERT_SQL " ON CONFLICT (standing_id) DO UPDATE SET recipient_key = excluded.recipient_key,"
               " digest = excluded.digest, channel = excluded.channel,"
               " kind = excluded.kind, occurred_at = excluded.occurred_at,"
               " form_id = excluded.form_id, form_version = excluded.form_version,"
               " partners = excluded.partners, basis = excluded.basis,"
               " supplier = excluded.supplier, collector = excluded.collector,"
               " evidence = excluded.evidence";

struct standing_range standing_range(const uint8_t key[RECIPIENT_KEY_BYTES])
{
    int64_t prefix =
        ((int64_t)key[0] << 24 | (int64_t)key[1] << 16 | (int64_t)key[2] << 8 | key[3]) >> 1;
    int64_t first = prefix << STANDING_EVENT_BITS;
    return (struct standing_range){first, first + STANDING_EVENT_MOST};
}

void standing_bind(sqlite3_stmt *statement, const uint8_t key[RECIPIENT_KEY_BYTES])
{
    struct standing_range range = standing_range(key);
    sqlite3_bind_int64(statement, 1, range.first);
    sqlite3_bind_int64(statement, 2, range.last);
    sqlite3_bind_blob(statement, 3, key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
}

int64_t standing_id(const uint8_t key[RECIPIENT_KEY_BYTES], int64_t event_id)
{
    return standing_range(key).first + event_id;
}

void standing_bind_row(sqlite3_stmt *statement, const struct event_record *record,
                       const uint8_t digest[EVENT_DIGEST_BYTES])
{
    sqlite3_bind_int64(statement, 1, standing_id(record->recipient_key, record->id));
    sqlite3_bind_blob(statement, 2, record->recipient_key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 3, digest, EVENT_DIGEST_BYTES, SQLITE_STATIC);
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

static bool is_digest(sqlite3_stmt *statement, const uint8_t digest[EVENT_DIGEST_BYTES])
{
    const void *found = sqlite3_column_blob(statement, 0);
    return found != NULL && sqlite3_column_bytes(statement, 0) == EVENT_DIGEST_BYTES &&
           memcmp(found, digest, EVENT_DIGEST_BYTES) == 0;
}

/* Not left to the insertion, by NOT EXISTS: SQLite would make a temporary table for each row. */
enum result standing_known(struct registry *registry, const struct event_record *record,
                           const uint8_t digest[EVENT_DIGEST_BYTES], bool *known_out,
                           unsigned *rows_out, struct error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    *known_out = false;
    *rows_out = 0;
    enum result result = registry_prepared(registry, STATEMENT_STANDING_KNOWN,
                                           "SELECT digest FROM standing WHERE standing_id BETWEEN"
                                           " ?1 AND ?2 AND recipient_key = ?3",
                                           &statement, err);
    if (result != RESULT_OK)
        return result;
    standing_bind(statement, record->recipient_key);
    do {
        result = registry_step(registry, statement, &row, err);
        *rows_out += row;
        *known_out = result == RESULT_OK && row && is_digest(statement, digest);
    } while (result == RESULT_OK && row && !*known_out);
    registry_done(statement);
    return result;
}

/* ---- a "no" that may have been said ---- */

struct stops {
    const struct stop_scope *scope;
    int64_t at;
    int64_t left, granted; /* the latest; INT64_MIN: none. granted: up to at */
    unsigned count;
};

static bool lists(const char *partners, const char *partner)
{
    size_t length = strlen(partner);
    while (*partners != '\0') {
        size_t item = strcspn(partners, "|");
        if (item == length && strncmp(partners, partner, length) == 0)
            return true;
        partners += item + (partners[item] == '|');
    }
    return false;
}

static void note_stop(struct stops *stops, sqlite3_stmt *statement, enum event_kind kind)
{
    const char *partners = sql_text(statement, 2);
    const char *partner = stops->scope->partner;
    int64_t moment = sqlite3_column_int64(statement, 1);
    bool wide = partners[0] == '\0' || (partner != NULL && lists(partners, partner));
    bool strong = kind == EVENT_OBJECTED || kind == stops->scope->kind;
    if (!wide || !strong || sql_text(statement, 3)[0] != '\0')
        return;
    stops->count++;
    if (moment > stops->left)
        stops->left = moment;
}

static enum result note_row(struct stops *stops, sqlite3_stmt *statement, struct error *err)
{
    enum event_kind kind;
    int64_t moment = sqlite3_column_int64(statement, 1);
    if (!event_kind_parse(sql_text(statement, 0), &kind))
        return error_set(err, RESULT_DAMAGED, "a standing holds an unknown word");
    if (kind == EVENT_WITHDRAWN || kind == EVENT_OBJECTED)
        note_stop(stops, statement, kind);
    else if ((kind == EVENT_GIVEN || kind == EVENT_RENEWED) && moment <= stops->at &&
             moment > stops->granted)
        stops->granted = moment;
    return RESULT_OK;
}

enum result registry_find_stop(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                               const struct stop_scope *scope, int64_t at,
                               struct stop_standing *standing_out, struct error *err)
{
    struct stops stops = {.scope = scope, .at = at, .left = INT64_MIN, .granted = INT64_MIN};
    sqlite3_stmt *statement;
    bool row = true;
    *standing_out = (struct stop_standing){0};
    enum result result = registry_prepared(
        registry, STATEMENT_STANDING_STOPS,
        "SELECT kind, occurred_at, partners, collector FROM standing WHERE standing_id BETWEEN"
        " ?1 AND ?2 AND recipient_key = ?3 AND channel = ?4",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    standing_bind(statement, key);
    registry_bind_text(statement, 4, channel_name(scope->channel));
    while (result == RESULT_OK && row) {
        result = registry_step(registry, statement, &row, err);
        if (result == RESULT_OK && row)
            result = note_row(&stops, statement, err);
    }
    registry_done(statement);
    if (result != RESULT_OK || stops.left == INT64_MIN)
        return result;
    standing_out->holds = stops.left >= stops.granted;
    standing_out->said = standing_out->holds && (stops.left >= at || at - stops.left <= STOP_NEAR ||
                                                 stops.count >= STOPS_MOST);
    return RESULT_OK;
}

enum result standing_add(struct registry *registry, const struct event_record *record,
                         const uint8_t digest[EVENT_DIGEST_BYTES], struct error *err)
{
    sqlite3_stmt *statement;
    if (record->id > STANDING_EVENT_MOST)
        return error_set(err, RESULT_UNAVAILABLE, "the registry is full: it has %" PRId64 " events",
                         record->id);
    enum result result =
        registry_prepared(registry, STATEMENT_STANDING_ADD, INSERT_SQL, &statement, err);
    if (result != RESULT_OK)
        return result;
    standing_bind_row(statement, record, digest);
    return sql_run(registry->db, statement, err);
}

enum result standing_set(struct registry *registry, const struct event_record *record,
                         const uint8_t digest[EVENT_DIGEST_BYTES], struct error *err)
{
    sqlite3_stmt *statement;
    enum result result =
        registry_prepared(registry, STATEMENT_STANDING_SET, set_sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    standing_bind_row(statement, record, digest);
    return sql_run(registry->db, statement, err);
}

enum result standing_drop(struct registry *registry, int64_t id, struct error *err)
{
    sqlite3_stmt *statement;
    enum result result =
        registry_prepared(registry, STATEMENT_STANDING_DROP,
                          "DELETE FROM standing WHERE standing_id = ?1", &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, id);
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
        "SELECT recipient_key = ?2 AND digest = ?3 AND channel = ?4 AND kind = ?5 AND occurred_at "
        "= ?6 AND form_id IS ?7"
        " AND form_version IS ?8 AND partners = ?9 AND basis = ?10 AND supplier = ?11"
        " AND collector = ?12 AND evidence = ?13"
        " FROM standing WHERE standing_id = ?1",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    standing_bind_row(statement, record, digest);
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

enum result standing_stretch(struct registry *registry, int64_t after, int rows,
                             struct standing_range *range_out, struct error *err)
{
    sqlite3_stmt *statement;
    bool row;
    enum result result = registry_prepared(
        registry, STATEMENT_STANDING_STRETCH,
        "SELECT min(standing_id), max(standing_id) FROM (SELECT standing_id FROM standing"
        " WHERE standing_id > ?1 ORDER BY standing_id LIMIT ?2)",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, after);
    sqlite3_bind_int(statement, 2, rows);
    result = registry_step(registry, statement, &row, err);
    *range_out = (struct standing_range){0, -1};
    if (result == RESULT_OK && row && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        *range_out =
            (struct standing_range){sqlite3_column_int64(statement, 0),
                                    sqlite3_column_int64(statement, 1) | STANDING_EVENT_MOST};
    registry_done(statement);
    return result;
}
