/* SPDX-License-Identifier: Apache-2.0 */
#include "store/index.h"

#include "base/file.h"
#include "base/log.h"
#include "store/index_kind.h"
#include "store/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Said once: an index of another version than the tables claim would be built anew at each opening.
 */
#define INDEX_VERSION         12
#define TEXT_OF(value)        #value
#define NUMBER_AS_TEXT(value) TEXT_OF(value)

enum { INDEX_ROWS = 20000, BUSY_MS = 10000, OPEN_TRIES = 25 };

/* Instants are microseconds; keys and hashes are bytes. The log is read newest first, by time and
 * then row, of everything, of a person, or of some kinds of decisions (index_kind.h), which stand
 * for any mix of partner, channel, reason and so on. Delivery reports of SMS ask by the provider's
 * id. What was seen of the
 * journal may be ahead of what is indexed. A screening that was interrupted goes on where its
 * decisions, in their order, say. `total` holds what is left of erased detail of observe mode,
 * `purging` before which moments retention erased.
 */
static const char schema[] =
    /* What many decisions have in common is their kind's (index_kind.c); `entry` has both. */
    "CREATE TABLE decision (seq INTEGER PRIMARY KEY, hash BLOB NOT NULL, id TEXT NOT NULL,"
    " at INTEGER NOT NULL, gateway TEXT, session TEXT, account TEXT, channel TEXT, recipient TEXT,"
    " recipient_key BLOB, event INTEGER, provider TEXT, outcome TEXT, provider_reply TEXT,"
    " queue_id TEXT, size INTEGER, list BLOB, list_row INTEGER, report INTEGER,"
    " kind INTEGER NOT NULL, origin INTEGER NOT NULL);"
    "CREATE INDEX decision_id ON decision (id);"
    "CREATE INDEX decision_at ON decision (at);"
    "CREATE INDEX decision_recipient ON decision (recipient_key, at)"
    " WHERE recipient_key IS NOT NULL;"
    "CREATE INDEX decision_kind ON decision (kind, at, origin);"
    "CREATE INDEX decision_listed ON decision (session, list_row) WHERE list IS NOT NULL;"
    "CREATE INDEX decision_sent ON decision (queue_id, provider)"
    " WHERE queue_id IS NOT NULL AND channel = 'sms';"
    "CREATE TABLE screening (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " at INTEGER NOT NULL, gateway TEXT, partner TEXT, channel TEXT, purpose TEXT,"
    " list BLOB, name TEXT, ended_at INTEGER, rows INTEGER, passed INTEGER);"
    "CREATE INDEX screening_list ON screening (list);"
    "CREATE TABLE total (segment INTEGER NOT NULL, day TEXT NOT NULL, part INTEGER NOT NULL,"
    " partner TEXT NOT NULL, channel TEXT NOT NULL, reason TEXT NOT NULL, rows INTEGER NOT NULL,"
    " PRIMARY KEY (segment, day, part, partner, channel, reason)) WITHOUT ROWID;"
    "CREATE TABLE purging (seq INTEGER PRIMARY KEY, journal INTEGER NOT NULL,"
    " detail INTEGER NOT NULL);"
    /* What the gate was told to do (one row a record), and the signed ends of the chain. */
    "CREATE TABLE configuration (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL,"
    " record TEXT NOT NULL);"
    "CREATE TABLE checkpoint (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, record TEXT NOT NULL);"
    "CREATE INDEX checkpoint_at ON checkpoint (at);"
    /* Who looked at whom, or acted on whom; acts that concern nobody in particular are not in it.
     */
    "CREATE TABLE access (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL,"
    " recipient_key BLOB NOT NULL, id TEXT, gateway TEXT, who TEXT, act TEXT, partner TEXT,"
    " channel TEXT, subject TEXT, answer TEXT);"
    "CREATE INDEX access_recipient ON access (recipient_key, at);"
    "CREATE TABLE position (one INTEGER PRIMARY KEY CHECK (one = 1), segment INTEGER NOT NULL,"
    " offset INTEGER NOT NULL, rows INTEGER NOT NULL, hash BLOB NOT NULL,"
    " seen_rows INTEGER NOT NULL, seen_hash BLOB NOT NULL);"
    "INSERT INTO position VALUES (1, 1, 0, 0, zeroblob(32), 0, zeroblob(32));"
    "PRAGMA user_version = " NUMBER_AS_TEXT(INDEX_VERSION) ";";

/* How far the segments are indexed. */
struct position {
    uint64_t segment;
    uint64_t offset;
    uint64_t rows;
    uint8_t hash[SHA256_BYTES];
};

/* ---- opening and rebuilding ---- */

static enum result user_version(sqlite3 *db, int *version_out, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(db, "PRAGMA user_version", &statement, err);
    if (result != RESULT_OK)
        return result;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *version_out = sqlite3_column_int(statement, 0);
    else
        result = sql_failure(db, "index", err);
    sqlite3_finalize(statement);
    return result;
}

static void close_db(struct journal_index *index)
{
    sqlite3_stmt **const statements[] = {&index->insert,       &index->outcome,    &index->position,
                                         &index->move,         &index->find,       &index->contacts,
                                         &index->sent,         &index->reached,    &index->access,
                                         &index->other_effect, &index->move_effect};
    index_rows_forget(index);
    free(index->pending);
    index->pending = NULL;
    index_kinds_close(index);
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        sqlite3_finalize(*statements[i]);
        *statements[i] = NULL;
    }
    sql_close(&index->db);
}

/* Two processes may open a new index at once: one makes the tables, the other then finds them. */
static enum result make_tables(sqlite3 *db, struct error *err)
{
    int version = 0;
    enum result result = sql_exec(db, "BEGIN IMMEDIATE", err);
    if (result != RESULT_OK)
        return result;
    result = user_version(db, &version, err);
    if (result == RESULT_OK && version != 0 && version != INDEX_VERSION)
        result = error_set(err, RESULT_DAMAGED, "index of version %d", version);
    if (result == RESULT_OK && version == 0)
        result = sql_exec(db, schema, err);
    if (result == RESULT_OK && version == 0)
        result = sql_exec(db, index_kind_schema, err);
    if (result == RESULT_OK)
        result = sql_exec(db, "COMMIT", err);
    if (result != RESULT_OK)
        (void)sql_exec(db, "ROLLBACK", NULL);
    /* Whatever stands in the way of the tables is not an index of this program. */
    return result == RESULT_SYSTEM ? RESULT_DAMAGED : result;
}

/* A new index made by root, who only wanted to read the log, must stay usable for the gateway: it
 * gets the owner of the segments. SQLite gives its side files the owner of the main one. */
static void make_file(const struct journal_index *index)
{
    struct stat st;
    int fd = geteuid() == 0 ? open(index->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return;
    if (stat(index->directory, &st) == 0 && fchown(fd, st.st_uid, st.st_gid) != 0)
        log_event(LOG_LEVEL_WARN, "index keeps root's ownership", LOG_TEXT("file", index->path));
    close(fd);
}

static enum result open_db(struct journal_index *index, struct error *err)
{
    make_file(index);
    enum result result = sql_open(index->path, SQL_CREATE, BUSY_MS, &index->db, err);
    /* SQLite does not wait where two connections turn a new file to WAL at once. */
    for (int i = 0; result == RESULT_UNAVAILABLE && i < OPEN_TRIES; i++) {
        usleep(20000);
        result = sql_open(index->path, SQL_CREATE, BUSY_MS, &index->db, err);
    }
    if (result == RESULT_OK)
        result = sql_exec(
            index->db,
            "PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384",
            err);
    if (result == RESULT_OK)
        result = make_tables(index->db, err);
    if (result == RESULT_OK)
        result = sql_prepare(index->db,
                             "INSERT INTO decision (seq, hash, id, at, gateway, session,"
                             " account, channel, recipient, recipient_key, event, provider, list,"
                             " list_row, kind, origin, outcome, provider_reply, queue_id, size,"
                             " report) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
                             " ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
                             &index->insert, err);
    if (result == RESULT_OK)
        result = sql_prepare(index->db,
                             "UPDATE decision SET outcome = ?2,"
                             " provider = coalesce(?4, provider), provider_reply = ?5,"
                             " queue_id = ?6, size = ?7, report = ?8 WHERE id = ?1"
                             " AND (?3 IS NULL OR ?3 = (SELECT effect FROM kind"
                             " WHERE kind.kind = decision.kind))",
                             &index->outcome, err);
    if (result == RESULT_OK)
        result = sql_prepare(index->db, "SELECT segment, offset, rows, hash FROM position",
                             &index->position, err);
    if (result == RESULT_OK)
        result = sql_prepare(index->db,
                             "UPDATE position SET segment = ?1, offset = ?2, rows = ?3, hash = ?4",
                             &index->move, err);
    if (result != RESULT_OK)
        close_db(index);
    return result;
}

static enum result note_seen(struct journal_index *index, uint64_t rows,
                             const uint8_t hash[SHA256_BYTES], struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(
        index->db, "UPDATE position SET seen_rows = ?1, seen_hash = ?2", &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)rows);
    sqlite3_bind_blob(statement, 2, hash, SHA256_BYTES, SQLITE_STATIC);
    result = sql_run(index->db, statement, err);
    sqlite3_finalize(statement);
    return result;
}

/*
 * Everything in it follows from the segments but one thing: how far they had come. That is carried
 * over where it can be read, so that rows which are cut off are missed all the same.
 */
static enum result rebuild(struct journal_index *index, struct error *err)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    uint8_t seen_hash[SHA256_BYTES];
    uint64_t seen_rows = 0;
    close_db(index);
    struct error why = {0};
    bool known = index_last_row(index->path, &seen_rows, seen_hash, &why) == RESULT_OK;
    log_event(LOG_LEVEL_WARN, "the journal's index is made anew", LOG_TEXT("file", index->path),
              LOG_NUMBER("rows", (int64_t)seen_rows));
    if (!known)
        log_event(LOG_LEVEL_ERROR, "how far the journal had come cannot be read any more",
                  LOG_TEXT("file", index->path), LOG_TEXT("reason", why.text));
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        struct strbuf path = {0};
        strbuf_add_str(&path, index->path);
        strbuf_add_str(&path, suffixes[i]);
        bool gone = !path.failed && (unlink(path.data) == 0 || errno == ENOENT);
        int failed = errno;
        strbuf_free(&path);
        if (!gone)
            return error_errno(err, RESULT_UNAVAILABLE, failed, "cannot remove the damaged %s",
                               index->path);
    }
    enum result result = open_db(index, err);
    if (result == RESULT_OK && known && seen_rows > 0)
        result = note_seen(index, seen_rows, seen_hash, err);
    return result;
}

/* Also after a rebuilding that failed half-way: the files are gone, and none was opened since. */
static enum result open_or_rebuild(struct journal_index *index, struct error *err)
{
    enum result result = index->db != NULL ? RESULT_OK : open_db(index, err);
    return result == RESULT_DAMAGED ? rebuild(index, err) : result;
}

enum result journal_index_open(const char *index_path, const char *directory,
                               const char *registry_path, struct journal_index **index_out,
                               struct error *err)
{
    struct journal_index *index = calloc(1, sizeof(*index));
    enum result result = RESULT_OK;
    if (index == NULL)
        return error_no_memory(err);
    index->path = strdup(index_path);
    index->directory = strdup(directory);
    index->registry_path = registry_path != NULL ? strdup(registry_path) : NULL;
    if (index->path == NULL || index->directory == NULL ||
        (registry_path != NULL && index->registry_path == NULL))
        result = error_no_memory(err);
    if (result == RESULT_OK)
        result = open_or_rebuild(index, err);
    if (result != RESULT_OK) {
        journal_index_close(&index);
        return result;
    }
    *index_out = index;
    return RESULT_OK;
}

void journal_index_close(struct journal_index **index)
{
    if (*index == NULL)
        return;
    close_db(*index);
    free((*index)->path);
    free((*index)->directory);
    free((*index)->registry_path);
    free(*index);
    *index = NULL;
}

void journal_index_watch(struct journal_index *index, int (*is_over)(void *arg), void *arg)
{
    sql_watch(index->db, is_over, arg);
}

/* ---- the position ---- */

static bool read_position(sqlite3_stmt *statement, struct position *position_out)
{
    bool ok =
        sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_bytes(statement, 3) == SHA256_BYTES;
    if (ok) {
        position_out->segment = (uint64_t)sqlite3_column_int64(statement, 0);
        position_out->offset = (uint64_t)sqlite3_column_int64(statement, 1);
        position_out->rows = (uint64_t)sqlite3_column_int64(statement, 2);
        memcpy(position_out->hash, sqlite3_column_blob(statement, 3), SHA256_BYTES);
    }
    sqlite3_reset(statement);
    return ok;
}

static enum result get_position(struct journal_index *index, struct position *position_out,
                                struct error *err)
{
    if (read_position(index->position, position_out))
        return RESULT_OK;
    return sql_failure(index->db, "index", err);
}

static enum result set_position(struct journal_index *index, const struct position *position,
                                struct error *err)
{
    sqlite3_bind_int64(index->move, 1, (sqlite3_int64)position->segment);
    sqlite3_bind_int64(index->move, 2, (sqlite3_int64)position->offset);
    sqlite3_bind_int64(index->move, 3, (sqlite3_int64)position->rows);
    sqlite3_bind_blob(index->move, 4, position->hash, SHA256_BYTES, SQLITE_STATIC);
    return sql_run(index->db, index->move, err);
}

enum result journal_index_note(struct journal_index *index, const struct journal_state *state,
                               struct error *err)
{
    enum result result = open_or_rebuild(index, err);
    return result == RESULT_OK ? note_seen(index, state->rows, state->head, err) : result;
}

enum result journal_index_head(struct journal_index *index, uint64_t *rows_out,
                               uint8_t hash_out[SHA256_BYTES], struct error *err)
{
    struct position position = {0};
    enum result result = get_position(index, &position, err);
    *rows_out = position.rows;
    memcpy(hash_out, position.hash, SHA256_BYTES);
    return result;
}

/* Also of an index of another version: what is said of the journal's end has not changed. */
enum result index_last_row(const char *index_path, uint64_t *rows_out,
                           uint8_t hash_out[SHA256_BYTES], struct error *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    struct position position = {0};
    *rows_out = 0;
    if (!file_exists(index_path))
        return RESULT_OK;
    enum result result = sql_open(index_path, SQL_READ, BUSY_MS, &db, err);
    if (result == RESULT_OK)
        result = sql_prepare(db,
                             "SELECT segment, offset, max(rows, seen_rows),"
                             " CASE WHEN seen_rows > rows THEN seen_hash ELSE hash END"
                             " FROM position",
                             &statement, err);
    if (result == RESULT_OK && read_position(statement, &position)) {
        *rows_out = position.rows;
        memcpy(hash_out, position.hash, SHA256_BYTES);
    } else if (result == RESULT_OK) {
        result = sql_failure(db, "index", err);
    }
    sqlite3_finalize(statement);
    sql_close(&db);
    /* Damaged, or without such a table: it knows of no end. */
    return result == RESULT_DAMAGED || result == RESULT_SYSTEM ? RESULT_OK : result;
}

/* ---- catching up ---- */

static enum result segment_damaged(struct journal_index *index, const struct position *position,
                                   const char *fault, struct error *err)
{
    char label[SEGMENT_LABEL];
    segment_label(index->directory, position->segment, label);
    return error_set(err, RESULT_DAMAGED, "row %" PRIu64 ", %s: %s", position->rows + 1, label,
                     fault);
}

/* Opens the position's segment. *finished_out: the next one exists, so this one has its end. */
static enum result open_segment(struct journal_index *index, const struct position *position,
                                struct segment_reader *reader, bool *finished_out,
                                struct error *err)
{
    char *next = segment_path(index->directory, position->segment + 1, ".seg");
    if (next == NULL)
        return error_no_memory(err);
    *finished_out = file_exists(next); /* before the size is read, which is then the last */
    free(next);
    enum result result =
        segment_reader_open(reader, index->directory, position->segment, position->offset, err);
    if (result == RESULT_NOT_FOUND && position->rows > 0)
        return segment_damaged(index, position, "the file is missing", err);
    if (result == RESULT_OK && reader->limit < position->offset) {
        segment_reader_close(reader);
        return segment_damaged(index, position, "the file ends before what is indexed", err);
    }
    return result;
}

/* A killed writer leaves rows that are whole and perhaps not yet on disk. They are made durable
 * before the index knows them: a row it knows must never vanish by accident. */
static enum result settle(const struct segment_reader *reader, struct error *err)
{
    if (reader->live || reader->limit == reader->offset || fdatasync(reader->fd) == 0 ||
        errno == EROFS || errno == EINVAL)
        return RESULT_OK;
    return error_errno(err, RESULT_UNAVAILABLE, errno, "cannot sync %s", reader->path);
}

/* Takes lines of one segment until it has no more or rows reach up_to. */
static enum result take_lines(struct journal_index *index, struct segment_reader *reader,
                              struct chain_walk *walk, struct position *position, uint64_t up_to,
                              bool finished, struct error *err)
{
    while (position->rows < up_to) {
        enum segment_read read = segment_reader_next(reader, err);
        if (read == SEGMENT_FAILED)
            return RESULT_SYSTEM;
        if (read == SEGMENT_TOO_LONG || (read == SEGMENT_END && finished && reader->length > 0))
            return segment_damaged(index, position, "the line has no end", err);
        if (read == SEGMENT_END) {
            if (finished) {
                position->segment++;
                position->offset = 0;
            }
            return RESULT_OK;
        }
        const char *fault = chain_step(walk, reader->text, reader->length);
        if (fault != NULL)
            return segment_damaged(index, position, fault, err);
        enum result result = RESULT_OK;
        if (!walk->line.erased)
            result = index_record(index, walk->rows, walk->line.hash, walk->line.record,
                                  walk->line.length, err);
        if (result != RESULT_OK)
            return result;
        position->rows = walk->rows;
        position->offset = reader->offset;
        memcpy(position->hash, walk->head, SHA256_BYTES);
    }
    return RESULT_OK;
}

/* Moves position on by at most `rows`; stops where it did when nothing more is there. */
static enum result take_rows(struct journal_index *index, struct position *position, uint64_t rows,
                             struct error *err)
{
    struct chain_walk walk;
    enum result result = RESULT_OK;
    uint64_t up_to = position->rows + rows;
    uint64_t before = 0;
    if (!chain_open(&walk, NULL))
        return error_no_memory(err);
    walk.rows = position->rows;
    memcpy(walk.head, position->hash, SHA256_BYTES);
    do {
        struct segment_reader reader = {.fd = -1};
        bool finished = false;
        before = position->segment;
        chain_segment(&walk, position->segment);
        walk.lines = position->offset > 0;
        result = open_segment(index, position, &reader, &finished, err);
        if (result == RESULT_NOT_FOUND) { /* no journal yet */
            result = RESULT_OK;
            break;
        }
        if (result == RESULT_OK)
            result = settle(&reader, err);
        index_origin_refresh(index);
        if (result == RESULT_OK)
            result = take_lines(index, &reader, &walk, position, up_to, finished, err);
        segment_reader_close(&reader);
    } while (result == RESULT_OK && position->segment != before && position->rows < up_to);
    chain_close(&walk);
    return result;
}

/* To be asked before the next call to SQLite, which forgets. */
static void note_broken(struct journal_index *index)
{
    int code = sqlite3_errcode(index->db) & 0xff;
    index->broken = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

/* One transaction. *taken_out is 0 when there was nothing to do. */
static enum result index_some(struct journal_index *index, uint64_t rows, uint64_t *taken_out,
                              struct error *err)
{
    struct position position = {0};
    *taken_out = 0;
    enum result result = sql_exec(index->db, "BEGIN IMMEDIATE", err);
    if (result != RESULT_OK) {
        note_broken(index);
        return result;
    }
    result = get_position(index, &position, err);
    uint64_t before = position.rows;
    if (result == RESULT_OK)
        result = take_rows(index, &position, rows, err);
    if (result == RESULT_OK)
        result = index_rows_flush(index, err);
    if (result == RESULT_OK)
        result = index_kinds_flush(index, err);
    if (result == RESULT_OK)
        result = set_position(index, &position, err);
    if (result == RESULT_OK)
        result = sql_exec(index->db, "COMMIT", err);
    if (result == RESULT_OK) {
        *taken_out = position.rows - before;
    } else {
        note_broken(index);
        index_rows_forget(index);
        index_kinds_forget(index);
        (void)sqlite3_exec(index->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return result;
}

/* Looks without taking the write lock, so that readers of an index that is up to date do not
 * stand in each other's way. */
static enum result is_behind(struct journal_index *index, bool *behind_out, struct error *err)
{
    struct position position = {0};
    struct segment_reader reader = {.fd = -1};
    bool finished = false;
    *behind_out = false;
    enum result result = get_position(index, &position, err);
    if (result != RESULT_OK) {
        note_broken(index);
        return result;
    }
    result = open_segment(index, &position, &reader, &finished, err);
    if (result == RESULT_NOT_FOUND)
        return RESULT_OK;
    if (result == RESULT_OK)
        *behind_out = finished || reader.limit > position.offset;
    segment_reader_close(&reader);
    return result;
}

enum result journal_index_catch_up(struct journal_index *index, uint64_t max_rows,
                                   uint64_t *rows_out, struct error *err)
{
    uint64_t total = 0;
    uint64_t taken = 0;
    bool behind = false;
    bool rebuilt = false;
    enum result result = open_or_rebuild(index, err);
    if (rows_out != NULL)
        *rows_out = 0;
    if (result != RESULT_OK)
        return result;
    do {
        uint64_t rows = INDEX_ROWS;
        if (max_rows > 0 && max_rows - total < rows)
            rows = max_rows - total;
        taken = 0;
        result = is_behind(index, &behind, err);
        if (result == RESULT_OK && behind)
            result = index_some(index, rows, &taken, err);
        if (result == RESULT_DAMAGED && !rebuilt && index->broken) {
            rebuilt = true;
            index->broken = false;
            total = 0;
            result = rebuild(index, err);
            taken = 1; /* go on */
            continue;
        }
        total += taken;
    } while (result == RESULT_OK && taken > 0 && (max_rows == 0 || total < max_rows));
    if (rows_out != NULL)
        *rows_out = total;
    return result;
}
