/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index's part in retention: it knows the decision an outcome belongs to and the totals there
 * are already, forgets what is erased, and keeps its place out of a file that is being replaced.
 */
#include "policy/judge.h"
#include "store/index_kind.h"
#include "store/purge_internal.h"

#include <inttypes.h>

enum { FORGET_ROWS = 2000, TRIES = 10 };

/* ---- questions ---- */

static bool is_detail(sqlite3_stmt *row)
{
    enum mode mode;
    enum verdict verdict;
    enum reason reason;
    return sqlite3_column_type(row, 4) == SQLITE_NULL && mode_parse(sql_text(row, 1), &mode) &&
           verdict_parse(sql_text(row, 2), &verdict) && reason_parse(sql_text(row, 3), &reason) &&
           verdict == VERDICT_BLOCK && mode == MODE_OBSERVE && !reason_always_enforced(reason);
}

/* How far the index is and what it knows, in one statement: it may be built anew meanwhile, and
 * what it does not know yet must not be taken for erased. */
static enum result look(struct journal_index *index, struct purge_text id, uint64_t *rows_out,
                        struct index_decision *decision_out, struct error *err)
{
    *decision_out = (struct index_decision){0};
    enum result result = RESULT_OK;
    if (index->find == NULL)
        result =
            sql_prepare(index->db,
                        "SELECT d.at, k.mode, k.verdict, k.reason, d.list, p.rows FROM position p"
                        " LEFT JOIN decision d ON d.id = ?1 LEFT JOIN kind k ON k.kind = d.kind",
                        &index->find, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_stmt *statement = index->find;
    sqlite3_bind_text(statement, 1, id.text, (int)id.length, SQLITE_STATIC);
    if (sqlite3_step(statement) == SQLITE_ROW) {
        *rows_out = (uint64_t)sqlite3_column_int64(statement, 5);
        decision_out->known = sqlite3_column_type(statement, 0) != SQLITE_NULL;
        decision_out->at = sqlite3_column_int64(statement, 0);
        decision_out->detail = decision_out->known && is_detail(statement);
    } else {
        result = sql_failure(index->db, "index", err);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
}

enum result index_find_decision(struct journal_index *index, struct purge_text id,
                                uint64_t row_number, struct index_decision *decision_out,
                                struct error *err)
{
    uint64_t rows = 0;
    enum result result = look(index, id, &rows, decision_out, err);
    for (int i = 0; result == RESULT_OK && rows < row_number && i < TRIES; i++) {
        result = journal_index_catch_up(index, 0, NULL, err);
        if (result == RESULT_OK)
            result = look(index, id, &rows, decision_out, err);
    }
    if (result == RESULT_OK && rows < row_number)
        result =
            error_set(err, RESULT_UNAVAILABLE,
                      "the journal's index does not get to row %" PRIu64 ": try again", row_number);
    return result;
}

enum result index_total_known(struct journal_index *index, uint64_t segment, const char *day,
                              unsigned part, bool *known_out, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(
        index->db, "SELECT 1 FROM total WHERE segment = ?1 AND day = ?2 AND part = ?3 LIMIT 1",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)segment);
    sqlite3_bind_text(statement, 2, day, -1, SQLITE_STATIC);
    sqlite3_bind_int(statement, 3, (int)part);
    int code = sqlite3_step(statement);
    *known_out = code == SQLITE_ROW;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = sql_failure(index->db, "index", err);
    sqlite3_finalize(statement);
    return result;
}

/* ---- forgetting ---- */

/* The same rule as is_detail, so that SQLite need not be asked row by row. */
static void compose_forget(struct strbuf *sql)
{
    strbuf_add_str(sql, "DELETE FROM decision WHERE seq IN (SELECT seq FROM decision"
                        " WHERE seq BETWEEN ?1 AND ?2 AND (at < ?3 OR (at < ?4 AND list IS NULL"
                        " AND kind IN (SELECT kind FROM kind WHERE mode = 'observe'"
                        " AND verdict = 'block' AND reason IN (''");
    for (int i = 0; i < REASON_COUNT; i++)
        if (!reason_always_enforced((enum reason)i))
            strbuf_add_format(sql, ",'%s'", reason_name((enum reason)i));
    strbuf_add_format(sql, ")))) LIMIT %d) RETURNING at, kind, origin", FORGET_ROWS);
}

/* Some rows, and their share of the sums. */
static enum result forget_some(struct journal_index *index, sqlite3_stmt *statement,
                               uint64_t *gone_out, struct error *err)
{
    enum result result = RESULT_OK;
    int code;
    *gone_out = 0;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && result == RESULT_OK) {
        ++*gone_out;
        if (sqlite3_column_count(statement) > 1)
            result = index_count(index, sqlite3_column_int64(statement, 0),
                                 sqlite3_column_int64(statement, 1),
                                 sqlite3_column_int64(statement, 2), -1, err);
    }
    if (result == RESULT_OK && code != SQLITE_DONE)
        result = sql_failure(index->db, "index", err);
    sqlite3_reset(statement);
    return result == RESULT_OK ? index_kinds_flush(index, err) : result;
}

/* A transaction of its own, unless one is open. */
static enum result forget_once(struct journal_index *index, sqlite3_stmt *statement,
                               uint64_t *gone_out, struct error *err)
{
    bool own = sqlite3_get_autocommit(index->db) != 0;
    enum result result = own ? sql_exec(index->db, "BEGIN IMMEDIATE", err) : RESULT_OK;
    if (result != RESULT_OK)
        return result;
    result = forget_some(index, statement, gone_out, err);
    if (own)
        return index_release(index, result, err);
    return result;
}

static enum result forget(struct journal_index *index, const char *sql,
                          const struct journal_purge_limits *limits, uint64_t from, uint64_t to,
                          struct error *err)
{
    sqlite3_stmt *statement = NULL;
    uint64_t gone = 0;
    enum result result = sql_prepare(index->db, sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)from);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)to);
    sqlite3_bind_int64(statement, 3, limits->journal);
    if (sqlite3_bind_parameter_count(statement) > 3)
        sqlite3_bind_int64(statement, 4, limits->detail);
    do
        result = forget_once(index, statement, &gone, err);
    while (result == RESULT_OK && gone > 0);
    sqlite3_finalize(statement);
    return result;
}

enum result index_forget(struct journal_index *index, const struct journal_purge_limits *limits,
                         uint64_t from, uint64_t to, struct error *err)
{
    struct strbuf sql = {0};
    compose_forget(&sql);
    enum result result =
        sql.failed ? error_no_memory(err) : forget(index, sql.data, limits, from, to, err);
    strbuf_clear(&sql);
    strbuf_add_format(&sql,
                      "DELETE FROM access WHERE seq IN (SELECT seq FROM access"
                      " WHERE seq BETWEEN ?1 AND ?2 AND at < ?3 LIMIT %d) RETURNING seq",
                      FORGET_ROWS);
    if (result == RESULT_OK)
        result = sql.failed ? error_no_memory(err) : forget(index, sql.data, limits, from, to, err);
    strbuf_free(&sql);
    return result;
}

/* ---- holding still ---- */

static enum result place(struct journal_index *index, uint64_t *segment_out, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(index->db, "SELECT segment FROM position", &statement, err);
    if (result != RESULT_OK)
        return result;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *segment_out = (uint64_t)sqlite3_column_int64(statement, 0);
    else
        result = sql_failure(index->db, "index", err);
    sqlite3_finalize(statement);
    return result;
}

/* Its place in a file is an offset, which means nothing in the file that replaces it. */
enum result index_hold(struct journal_index *index, uint64_t segment, struct error *err)
{
    for (int i = 0; i < TRIES; i++) {
        uint64_t at = 0;
        enum result result = journal_index_catch_up(index, 0, NULL, err);
        if (result == RESULT_OK)
            result = sql_exec(index->db, "BEGIN IMMEDIATE", err);
        if (result != RESULT_OK)
            return result;
        result = place(index, &at, err);
        if (result == RESULT_OK && at > segment)
            return RESULT_OK;
        (void)sql_exec(index->db, "ROLLBACK", NULL);
        if (result != RESULT_OK)
            return result;
    }
    return error_set(err, RESULT_UNAVAILABLE,
                     "the journal's index does not get past segment %" PRIu64 ": try again",
                     segment);
}

enum result index_release(struct journal_index *index, enum result result, struct error *err)
{
    if (result == RESULT_OK)
        result = sql_exec(index->db, "COMMIT", err);
    if (result != RESULT_OK) {
        index_kinds_forget(index);
        (void)sql_exec(index->db, "ROLLBACK", NULL); /* the first error is the one that counts */
    }
    return result;
}
