/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry's layout, as a list of migrations. A migration is never edited once released: a
 * change is a new one at the end. Words of the model (channels, kinds, bases) are kept as text in
 * their one stable spelling, so that the file can be read without this program; instants are
 * microseconds since 1970. Beyond triggers, AUTOINCREMENT and 64-bit INTEGER keys the SQL is what
 * PostgreSQL and CockroachDB also take.
 *
 * An event's partners are one '|'-joined column and not a table: they are only ever read together
 * with their event, and the look-up before each message is spared a join. Partner ids cannot hold
 * a '|'. An event names its form by id and version rather than by row: a withdrawal may name a
 * form that was never registered, and is kept all the same.
 */
#include "store/registry_internal.h"

#include <inttypes.h>
#include <stdio.h>

static const char migration_1[] =
    "CREATE TABLE form ("
    " form_key INTEGER PRIMARY KEY,"
    " id TEXT NOT NULL,"
    " version INTEGER NOT NULL,"
    " collector_name TEXT NOT NULL,"
    " collector_siren TEXT NOT NULL,"
    " channels TEXT NOT NULL,"
    " purposes TEXT NOT NULL,"
    " language TEXT NOT NULL,"
    " display TEXT NOT NULL,"
    " url TEXT NOT NULL,"
    " wording TEXT NOT NULL,"
    " effective_from BIGINT NOT NULL,"
    " json TEXT NOT NULL,"
    " sha256 BLOB NOT NULL,"
    " added_at BIGINT NOT NULL,"
    " invalidated_at BIGINT,"
    " invalid_reason TEXT,"
    " UNIQUE (id, version));"
    "CREATE TABLE form_partner ("
    " form_key INTEGER NOT NULL REFERENCES form (form_key),"
    " partner TEXT NOT NULL,"
    " PRIMARY KEY (form_key, partner));"
    "CREATE TABLE form_category ("
    " form_key INTEGER NOT NULL REFERENCES form (form_key),"
    " category TEXT NOT NULL,"
    " PRIMARY KEY (form_key, category));"
    "CREATE TABLE supplier ("
    " id TEXT PRIMARY KEY NOT NULL,"
    " first_seen BIGINT NOT NULL);"
    /* AUTOINCREMENT: the journal refers to events by number, so no number is ever given twice. */
    "CREATE TABLE event ("
    " event_id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " digest BLOB NOT NULL UNIQUE,"
    " recipient_key BLOB NOT NULL,"
    " channel TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " occurred_at BIGINT NOT NULL,"
    " recorded_at BIGINT NOT NULL,"
    " form_id TEXT,"
    " form_version INTEGER,"
    " partners TEXT NOT NULL,"
    " basis TEXT NOT NULL,"
    " supplier TEXT NOT NULL,"
    " collector TEXT NOT NULL,"
    " evidence TEXT NOT NULL,"
    " origin TEXT NOT NULL);"
    "CREATE INDEX event_recipient ON event (recipient_key);"
    "CREATE INDEX event_form ON event (form_id, form_version) WHERE form_id IS NOT NULL;"
    "CREATE TRIGGER event_no_update BEFORE UPDATE ON event"
    " BEGIN SELECT RAISE(ABORT, 'consent events are never changed'); END;"
    "CREATE TRIGGER event_no_delete BEFORE DELETE ON event"
    " BEGIN SELECT RAISE(ABORT, 'consent events are never deleted'); END;"
    "CREATE TABLE suspension ("
    " suspension_id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " kind TEXT NOT NULL,"
    " id TEXT NOT NULL,"
    " suspended_at BIGINT NOT NULL,"
    " reason TEXT NOT NULL,"
    " resumed_at BIGINT,"
    " resume_reason TEXT);"
    /* At most one open suspension of each thing, and the hot path's way to it. */
    "CREATE UNIQUE INDEX suspension_open ON suspension (kind, id) WHERE resumed_at IS NULL;";

/* Events become a chain, and what is looked up becomes a table of its own. No AUTOINCREMENT any
 * more: as rows are never deleted, no number is given twice. */
static const char migration_2[] =
    "DROP TRIGGER event_no_update;"
    "DROP TRIGGER event_no_delete;"
    "DROP INDEX event_recipient;"
    "DROP INDEX event_form;"
    "ALTER TABLE event RENAME TO event_1;"
    "CREATE TABLE event ("
    " event_id INTEGER PRIMARY KEY NOT NULL,"
    " recipient_key BLOB,"
    " channel TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " occurred_at BIGINT NOT NULL,"
    " recorded_at BIGINT NOT NULL,"
    " form_id TEXT,"
    " form_version INTEGER,"
    " partners TEXT NOT NULL,"
    " basis TEXT NOT NULL,"
    " supplier TEXT NOT NULL,"
    " collector TEXT NOT NULL,"
    " evidence TEXT NOT NULL,"
    " origin TEXT NOT NULL,"
    " salt BLOB NOT NULL," /* of an erased event: INNER */
    " hash BLOB NOT NULL,"
    " CHECK (length(hash) = 32),"
    " CHECK (length(salt) = CASE WHEN recipient_key IS NULL THEN 32 ELSE 16 END));"
    "CREATE INDEX event_form ON event (form_id, form_version) WHERE form_id IS NOT NULL;"
    /* An event may only ever be erased, as a whole, and then keeps its place in the chain. */
    "CREATE TRIGGER event_no_update BEFORE UPDATE ON event"
    " WHEN NOT (NEW.event_id = OLD.event_id AND NEW.hash = OLD.hash"
    " AND OLD.recipient_key IS NOT NULL AND NEW.recipient_key IS NULL"
    " AND NEW.form_id IS NULL AND NEW.form_version IS NULL"
    " AND NEW.occurred_at = 0 AND NEW.recorded_at = 0"
    " AND NEW.channel || NEW.kind || NEW.partners || NEW.basis || NEW.supplier"
    " || NEW.collector || NEW.evidence || NEW.origin = '')"
    " BEGIN SELECT RAISE(ABORT, 'consent events are never changed'); END;"
    "CREATE TRIGGER event_no_delete BEFORE DELETE ON event"
    " BEGIN SELECT RAISE(ABORT, 'consent events are never deleted'); END;"
    "CREATE TABLE standing ("
    " recipient_key BLOB NOT NULL,"
    " digest BLOB NOT NULL,"
    " event_id BIGINT NOT NULL,"
    " channel TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " occurred_at BIGINT NOT NULL,"
    " form_id TEXT,"
    " form_version INTEGER,"
    " partners TEXT NOT NULL,"
    " basis TEXT NOT NULL,"
    " supplier TEXT NOT NULL,"
    " collector TEXT NOT NULL,"
    " evidence INTEGER NOT NULL," /* whether there is any */
    /* Whoever else writes here: a key of another type would be looked up in vain. */
    " CHECK (typeof(recipient_key) = 'blob' AND length(recipient_key) = 32),"
    " CHECK (typeof(digest) = 'blob' AND length(digest) = 16),"
    " PRIMARY KEY (recipient_key, digest)) WITHOUT ROWID;";

static enum result add_old_standing(struct registry *registry, sqlite3_stmt *insert,
                                    const struct event_record *record,
                                    const uint8_t digest[EVENT_DIGEST_BYTES], bool *added_out,
                                    struct error *err)
{
    standing_bind_row(insert, record, digest);
    sqlite3_bind_int64(insert, 1, record->id);
    enum result result = sql_run(registry->db, insert, err);
    *added_out = result == RESULT_OK && sqlite3_changes(registry->db) > 0;
    return result;
}

/* The chain is beyond SQL. Numbers stay: the journal refers to events by them. Two events that came
 * to say the same when addresses were masked were told apart by layout 1; now the later one keeps
 * its place and number only, so that every event has the one standing that is its own. */
static enum result chain_old_events(struct registry *registry, struct error *err)
{
    sqlite3_stmt *statement = NULL, *insert = NULL;
    registry->head = (struct event_head){.known = true};
    enum result result =
        sql_prepare(registry->db, "SELECT " EVENT_COLUMNS " FROM event_1 e ORDER BY e.event_id",
                    &statement, err);
    if (result == RESULT_OK)
        result = sql_prepare(
            registry->db,
            "INSERT INTO standing (event_id, recipient_key, digest, channel, kind, occurred_at,"
            " form_id, form_version, partners, basis, supplier, collector, evidence)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
            " ON CONFLICT (recipient_key, digest) DO NOTHING",
            &insert, err);
    while (result == RESULT_OK) {
        struct event_record record;
        uint8_t digest[EVENT_DIGEST_BYTES];
        bool row, added;
        result = registry_step(registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        result = event_read(statement, &record, err);
        if (result == RESULT_OK && record.recipient_key == NULL)
            result = error_set(err, RESULT_DAMAGED, "event %" PRId64 " names nobody", record.id);
        if (result == RESULT_OK)
            result = event_digest(registry, &record, digest, err);
        if (result == RESULT_OK)
            result = add_old_standing(registry, insert, &record, digest, &added, err);
        if (result == RESULT_OK)
            result = event_append(registry, &record, !added, err);
    }
    sqlite3_finalize(statement);
    sqlite3_finalize(insert);
    registry->head.known = false;
    return result == RESULT_OK ? sql_exec(registry->db, "DROP TABLE event_1", err) : result;
}

/* What a supplier brought can be invalid for good, as a form version can. */
static const char migration_3[] = "ALTER TABLE supplier ADD COLUMN invalidated_at BIGINT;"
                                  "ALTER TABLE supplier ADD COLUMN invalid_reason TEXT;";
/* How far imports that were not finished have come (store/import_progress.c). */
static const char migration_4[] = "CREATE TABLE import_progress ("
                                  " origin TEXT PRIMARY KEY NOT NULL,"
                                  " settings BLOB NOT NULL,"
                                  " input TEXT NOT NULL,"
                                  " shape INTEGER NOT NULL,"
                                  " started_at BIGINT NOT NULL,"
                                  " saved_at BIGINT NOT NULL,"
                                  " bytes BIGINT NOT NULL,"
                                  " sha256 BLOB NOT NULL,"
                                  " line BIGINT NOT NULL,"
                                  " reader TEXT NOT NULL,"
                                  " told_bytes BIGINT NOT NULL,"
                                  " told_sha256 BLOB NOT NULL,"
                                  " told_line BIGINT NOT NULL,"
                                  " told_reader TEXT NOT NULL,"
                                  " lines BIGINT NOT NULL,"
                                  " accepted BIGINT NOT NULL,"
                                  " duplicates BIGINT NOT NULL,"
                                  " refused BIGINT NOT NULL,"
                                  " events BIGINT NOT NULL,"
                                  " classes TEXT NOT NULL);";
/* Up to where oppositions have been erased: see store/registry_horizon.c. */
static const char migration_5[] = "CREATE TABLE retention ("
                                  " one INTEGER PRIMARY KEY CHECK (one = 1),"
                                  " horizon BIGINT NOT NULL);";

/* Standings get numbers, so that the tree that is searched before every message is narrow. A column
 * event_id is there for whoever reads the file; it takes no room. */
static const char migration_6[] =
    "ALTER TABLE standing RENAME TO standing_5;"
    "CREATE TABLE standing ("
    " standing_id INTEGER PRIMARY KEY NOT NULL,"
    " recipient_key BLOB NOT NULL,"
    " digest BLOB NOT NULL,"
    " channel TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " occurred_at BIGINT NOT NULL,"
    " form_id TEXT,"
    " form_version INTEGER,"
    " partners TEXT NOT NULL,"
    " basis TEXT NOT NULL,"
    " supplier TEXT NOT NULL,"
    " collector TEXT NOT NULL,"
    " evidence INTEGER NOT NULL," /* whether there is any */
    " event_id BIGINT GENERATED ALWAYS AS (standing_id & 4294967295) VIRTUAL,"
    " CHECK (standing_id >= 0),"
    " CHECK (typeof(recipient_key) = 'blob' AND length(recipient_key) = 32),"
    " CHECK (typeof(digest) = 'blob' AND length(digest) = 16));"
    /* For who asks which suppliers something is wrong with. */
    "CREATE INDEX supplier_invalid ON supplier (id) WHERE invalidated_at IS NOT NULL;";

static void standing_number(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    int64_t event = sqlite3_value_int64(argv[1]);
    if (sqlite3_value_bytes(argv[0]) != RECIPIENT_KEY_BYTES || event < 1 ||
        event > STANDING_EVENT_MOST)
        sqlite3_result_error(context,
                             "a standing is damaged: octroi consent rebuild of the version"
                             " before mends it",
                             -1);
    else
        sqlite3_result_int64(context, standing_id(sqlite3_value_blob(argv[0]), event));
}

/* In the order of the keys, which is that of the numbers: the new table is filled from one end. */
static enum result number_standings(struct registry *registry, struct error *err)
{
    static const char function[] = "standing_number";
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    if (sqlite3_create_function(registry->db, function, 2, flags, NULL, standing_number, NULL,
                                NULL) != SQLITE_OK)
        return sql_failure(registry->db, "database", err);
    enum result result =
        sql_exec(registry->db,
                 "INSERT INTO standing (standing_id, recipient_key, digest, channel, kind,"
                 " occurred_at, form_id, form_version, partners, basis, supplier, collector,"
                 " evidence) SELECT standing_number(recipient_key, event_id), recipient_key,"
                 " digest, channel, kind, occurred_at, form_id, form_version, partners, basis,"
                 " supplier, collector, evidence FROM standing_5 ORDER BY recipient_key;"
                 "DROP TABLE standing_5",
                 err);
    sqlite3_create_function(registry->db, function, 2, flags, NULL, NULL, NULL, NULL);
    return result;
}

/* What the way out and the interface for programs need. A token is known by its hash alone. A
 * notice is a withdrawal or objection that partners are to learn of: written with its event, with
 * the address sealed (base/seal.h) for as long as a delivery waits. identifier: what a partner
 * calls a person. */
static const char migration_7[] = "CREATE TABLE token ("
                                  " token_id TEXT PRIMARY KEY NOT NULL,"
                                  " name TEXT NOT NULL,"
                                  " hash BLOB NOT NULL,"
                                  " scopes TEXT NOT NULL,"  /* joined by '|' */
                                  " partner TEXT NOT NULL," /* "": any */
                                  " rate BIGINT NOT NULL,"  /* requests a second; 0: no limit */
                                  " created_at BIGINT NOT NULL,"
                                  " expires_at BIGINT NOT NULL,"
                                  " revoked_at BIGINT,"
                                  " CHECK (length(hash) = 32));"
                                  "CREATE TABLE notice ("
                                  " event_id INTEGER PRIMARY KEY NOT NULL,"
                                  " sealed BLOB," /* NULL: not known, or no longer needed */
                                  " created_at BIGINT NOT NULL,"
                                  " spread_at BIGINT);" /* NULL: to whom was not looked at yet */
                                  "CREATE INDEX notice_unspread ON notice (event_id)"
                                  " WHERE spread_at IS NULL;"
                                  "CREATE TABLE notice_delivery ("
                                  " event_id BIGINT NOT NULL REFERENCES notice (event_id),"
                                  " partner TEXT NOT NULL,"
                                  " recipient_key BLOB NOT NULL,"
                                  /* waiting, acknowledged, given-up, untold */
                                  " state TEXT NOT NULL,"
                                  " attempts BIGINT NOT NULL,"
                                  " next_at BIGINT NOT NULL,"
                                  " last_at BIGINT,"
                                  " last_answer TEXT NOT NULL," /* never what the partner wrote */
                                  " ended_at BIGINT,"
                                  " PRIMARY KEY (event_id, partner));"
                                  "CREATE INDEX notice_due ON notice_delivery"
                                  " (partner, next_at, event_id) WHERE state = 'waiting';"
                                  /* Whether something older waits for the same person. */
                                  "CREATE INDEX notice_turn ON notice_delivery"
                                  " (partner, recipient_key, event_id) WHERE state = 'waiting';"
                                  "CREATE TABLE identifier ("
                                  " recipient_key BLOB NOT NULL,"
                                  " partner TEXT NOT NULL,"
                                  " identifier TEXT NOT NULL,"
                                  " set_at BIGINT NOT NULL,"
                                  " PRIMARY KEY (recipient_key, partner));";

/* A notice that names its partners is found among a million that do not; and how many deliveries
 * are in each state is kept, for they are counted every few seconds and stay for years. */
static const char migration_8[] =
    "ALTER TABLE notice ADD COLUMN named INTEGER NOT NULL DEFAULT 0;"
    "UPDATE notice SET named = 1 WHERE spread_at IS NULL AND EXISTS"
    " (SELECT 1 FROM event e WHERE e.event_id = notice.event_id AND e.partners <> '');"
    "CREATE INDEX notice_named ON notice (event_id) WHERE spread_at IS NULL AND named = 1;"
    "CREATE TABLE notice_total ("
    " state TEXT PRIMARY KEY NOT NULL,"
    " deliveries BIGINT NOT NULL);"
    "INSERT INTO notice_total SELECT state, count(*) FROM notice_delivery GROUP BY state;"
    "CREATE TRIGGER notice_total_added AFTER INSERT ON notice_delivery"
    " BEGIN INSERT INTO notice_total VALUES (NEW.state, 1)"
    " ON CONFLICT (state) DO UPDATE SET deliveries = deliveries + 1; END;"
    "CREATE TRIGGER notice_total_moved AFTER UPDATE OF state ON notice_delivery"
    " WHEN NEW.state <> OLD.state"
    " BEGIN UPDATE notice_total SET deliveries = deliveries - 1 WHERE state = OLD.state;"
    " INSERT INTO notice_total VALUES (NEW.state, 1)"
    " ON CONFLICT (state) DO UPDATE SET deliveries = deliveries + 1; END;"
    "CREATE TRIGGER notice_total_gone AFTER DELETE ON notice_delivery"
    " BEGIN UPDATE notice_total SET deliveries = deliveries - 1 WHERE state = OLD.state; END;";

/* Who may enter the console (store/users.h). A password is kept as crypt(5) writes it; a session is
 * known by its hash alone. */
static const char migration_9[] = "CREATE TABLE console_user ("
                                  " name TEXT PRIMARY KEY NOT NULL,"
                                  " role TEXT NOT NULL,"
                                  " hash TEXT," /* NULL: no password */
                                  " created_at BIGINT NOT NULL,"
                                  " removed_at BIGINT,"
                                  " last_seen_at BIGINT);"
                                  "CREATE TABLE console_session ("
                                  " hash BLOB PRIMARY KEY NOT NULL,"
                                  " name TEXT NOT NULL REFERENCES console_user (name),"
                                  " opened_at BIGINT NOT NULL,"
                                  " seen_at BIGINT NOT NULL,"
                                  " CHECK (length(hash) = 32));"
                                  "CREATE INDEX console_session_name ON console_session (name);";

/* What each supplier brought, counted as it comes and goes: nobody counts a million events to show
 * a list. */
#define BROUGHT(row) row ".supplier <> '' AND " row ".kind IN ('given', 'renewed')"
static const char migration_10[] =
    "CREATE TABLE supplier_total ("
    " supplier TEXT PRIMARY KEY NOT NULL,"
    " consents BIGINT NOT NULL,"
    " last_at BIGINT NOT NULL);" /* recorded; also of one that is erased since */
    "INSERT INTO supplier_total SELECT supplier, count(*), max(recorded_at) FROM event"
    " WHERE " BROUGHT(
        "event") " GROUP BY supplier;"
                 "CREATE TRIGGER supplier_total_added AFTER INSERT ON event WHEN " BROUGHT(
                     "NEW") " BEGIN INSERT INTO supplier_total VALUES (NEW.supplier, 1, "
                            "NEW.recorded_at)"
                            " ON CONFLICT (supplier) DO UPDATE SET consents = consents + 1,"
                            " last_at = max(last_at, excluded.last_at); END;"
                            "CREATE TRIGGER supplier_total_erased AFTER UPDATE ON event"
                            " WHEN NEW.supplier = '' AND " BROUGHT(
                                "OLD") " BEGIN UPDATE supplier_total SET consents = consents - 1 "
                                       "WHERE supplier = OLD.supplier; END;";

struct migration {
    const char *sql;
    enum result (*then)(struct registry *registry, struct error *err); /* may be NULL */
};

static const struct migration migrations[] = {{migration_1, NULL}, {migration_2, chain_old_events},
                                              {migration_3, NULL}, {migration_4, NULL},
                                              {migration_5, NULL}, {migration_6, number_standings},
                                              {migration_7, NULL}, {migration_8, NULL},
                                              {migration_9, NULL}, {migration_10, NULL}};
_Static_assert(sizeof(migrations) / sizeof(migrations[0]) == REGISTRY_SCHEMA_VERSION,
               "one migration a version");

static enum result read_number(sqlite3 *db, const char *sql, int64_t *number_out, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(db, sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *number_out = sqlite3_column_int64(statement, 0);
    else
        result = sql_failure(db, "database", err);
    sqlite3_finalize(statement);
    return result;
}

static enum result read_version(sqlite3 *db, int64_t *version_out, struct error *err)
{
    enum result result = read_number(db, "PRAGMA user_version", version_out, err);
    if (result != RESULT_OK)
        return result;
    if (*version_out > REGISTRY_SCHEMA_VERSION || *version_out < 0)
        return error_set(err, RESULT_DAMAGED,
                         "the registry has layout %" PRId64
                         ", this program knows layouts up to %d: a newer octroi wrote it",
                         *version_out, REGISTRY_SCHEMA_VERSION);
    if (*version_out > 0)
        return RESULT_OK;
    int64_t objects = 0;
    result = read_number(db, "SELECT count(*) FROM sqlite_master", &objects, err);
    if (result == RESULT_OK && objects > 0)
        return error_set(err, RESULT_DAMAGED, "is an SQLite file, but not a registry");
    return result;
}

/* Another process may have migrated since the version was read: it is read again under the lock. */
static enum result migrate_once(struct registry *registry, int64_t *version_out, struct error *err)
{
    sqlite3 *db = registry->db;
    enum result result = sql_exec(db, "BEGIN IMMEDIATE", err);
    if (result != RESULT_OK)
        return result;
    result = read_version(db, version_out, err);
    if (result == RESULT_OK && *version_out < REGISTRY_SCHEMA_VERSION) {
        const struct migration *migration = &migrations[*version_out];
        char pragma[48];
        snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", (int)*version_out + 1);
        result = sql_exec(db, migration->sql, err);
        if (result == RESULT_OK && migration->then != NULL)
            result = migration->then(registry, err);
        if (result == RESULT_OK)
            result = sql_exec(db, pragma, err);
        if (result == RESULT_OK)
            ++*version_out;
    }
    if (result == RESULT_OK)
        result = sql_exec(db, "COMMIT", err);
    if (result != RESULT_OK && !sqlite3_get_autocommit(db))
        (void)sql_exec(db, "ROLLBACK", NULL); /* the first error is the one that counts */
    return result;
}

enum result registry_migrate(struct registry *registry, struct error *err)
{
    int64_t version = 0;
    enum result result = read_version(registry->db, &version, err);
    while (result == RESULT_OK && version < REGISTRY_SCHEMA_VERSION)
        result = migrate_once(registry, &version, err);
    return result;
}

enum result registry_probe(const char *path, bool *older_out, struct error *err)
{
    sqlite3 *db = NULL;
    int64_t version = 0;
    enum result result = sql_open(path, SQL_READ, REGISTRY_BUSY_MS, &db, err);
    if (result == RESULT_OK)
        result = read_version(db, &version, err);
    *older_out = version < REGISTRY_SCHEMA_VERSION;
    sql_close(&db);
    if (result != RESULT_OK)
        error_prefix(err, "%s", path);
    return result;
}

enum result registry_check_schema(sqlite3 *db, struct error *err)
{
    int64_t version = 0;
    enum result result = read_version(db, &version, err);
    if (result == RESULT_OK && version < REGISTRY_SCHEMA_VERSION)
        return error_set(err, RESULT_UNAVAILABLE,
                         "the registry has layout %" PRId64
                         " and must be brought to layout %d by a command that writes",
                         version, REGISTRY_SCHEMA_VERSION);
    return result;
}
