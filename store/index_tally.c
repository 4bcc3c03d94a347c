/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the index's decisions for any number of tallies. SQLite only reads and joins: its
 * own GROUP BY sorts all rows first, which for millions of them takes longer than reading them.
 * Forms, collectors and suppliers are those of the event relied on, from the registry's file. Of
 * what observe mode let through only totals remain after a while: they are added, or a report would
 * say that everything was permitted.
 */
#include "base/file.h"
#include "store/index.h"
#include "store/tally.h"

#include <string.h>

/* The columns of decision, as far as they are columns. */
static const char *const expressions[TALLY_BY_COUNT] = {
    [TALLY_PARTNER] = "d.partner",
    [TALLY_STREAM] = "d.stream",
    [TALLY_CHANNEL] = "d.channel",
    [TALLY_PURPOSE] = "d.purpose",
    [TALLY_VERDICT] = "d.verdict",
    [TALLY_REASON] = "d.reason",
    [TALLY_EFFECT] = "d.effect",
    [TALLY_MODE] = "d.mode",
    [TALLY_POLICY] = "d.policy",
    [TALLY_DAY] = "NULL", /* made of `at`, a day at a time */
    [TALLY_FORM] = "e.form_id || '@' || e.form_version",
    [TALLY_COLLECTOR] = "coalesce(f.collector_name, e.collector)",
    [TALLY_SUPPLIER] = "e.supplier",
};

enum { COLUMN_AT, COLUMN_VERDICT, COLUMN_EFFECT, COLUMN_EVENT, COLUMN_FOUND, COLUMN_KEYS };

struct pass {
    bool wanted[TALLY_BY_COUNT];
    int column[TALLY_BY_COUNT];
    bool joined;
    struct tally *const *tallies;
    size_t n;
    int64_t day_start; /* of the day text */
    char day[12];
};

static bool is_of_event(enum tally_by by)
{
    return by == TALLY_FORM || by == TALLY_COLLECTOR || by == TALLY_SUPPLIER;
}

static void plan(struct pass *pass, struct tally *const *tallies, size_t n)
{
    int next = COLUMN_KEYS;
    *pass = (struct pass){.tallies = tallies, .n = n, .day_start = INT64_MIN};
    for (size_t by = 0; by < TALLY_BY_COUNT; by++) {
        for (size_t i = 0; i < n; i++)
            pass->wanted[by] = pass->wanted[by] || tally_has(tallies[i], (enum tally_by)by);
        if (pass->wanted[by])
            pass->column[by] = next++;
        pass->joined = pass->joined || (pass->wanted[by] && is_of_event((enum tally_by)by));
    }
}

static void compose(struct strbuf *sql, const struct pass *pass, const struct tally_filter *filter)
{
    strbuf_add_str(sql, "SELECT d.at, d.verdict, d.effect, d.event, ");
    strbuf_add_str(sql, pass->joined ? "e.event_id" : "NULL");
    for (size_t by = 0; by < TALLY_BY_COUNT; by++) {
        if (!pass->wanted[by])
            continue;
        strbuf_add_str(sql, ", ");
        strbuf_add_str(sql, expressions[by]);
    }
    strbuf_add_str(sql, " FROM decision d");
    if (pass->joined)
        strbuf_add_str(sql, " LEFT JOIN registry.event e ON e.event_id = d.event");
    if (pass->wanted[TALLY_COLLECTOR])
        strbuf_add_str(sql, " LEFT JOIN registry.form f ON f.id = e.form_id"
                            " AND f.version = e.form_version");
    strbuf_add_str(sql, " WHERE d.at >= ?1 AND d.at < ?2");
    if (filter->partner != NULL)
        strbuf_add_str(sql, " AND d.partner = ?3");
}

/* Formatting a day takes longer than all else that is done for a row. */
static const char *day_of(struct pass *pass, int64_t at)
{
    if (at < pass->day_start || at >= pass->day_start + CLOCK_DAY) {
        char text[CLOCK_TEXT];
        int64_t into = at % CLOCK_DAY;
        pass->day_start = at - (into < 0 ? into + CLOCK_DAY : into);
        clock_format(pass->day_start, text);
        str_copy_n(pass->day, sizeof(pass->day), text, strlen("2026-01-31"));
    }
    return pass->day;
}

static const char *text_or_none(sqlite3_stmt *row, int column)
{
    const char *text = sql_text(row, column);
    return *text != '\0' ? text : TALLY_NONE;
}

static bool count_row(struct pass *pass, sqlite3_stmt *row)
{
    const char *values[TALLY_BY_COUNT] = {0};
    const char *verdict = sql_text(row, COLUMN_VERDICT);
    const char *effect = sql_text(row, COLUMN_EFFECT);
    bool gone = pass->joined && sqlite3_column_type(row, COLUMN_EVENT) != SQLITE_NULL &&
                sqlite3_column_type(row, COLUMN_FOUND) == SQLITE_NULL;
    bool blocked = strcmp(verdict, verdict_name(VERDICT_BLOCK)) == 0;
    const struct tally_counts counts = {
        .decisions = 1,
        .pass = strcmp(verdict, verdict_name(VERDICT_PASS)) == 0,
        .block = blocked,
        .defer = strcmp(verdict, verdict_name(VERDICT_DEFER)) == 0,
        .let_through = blocked && strcmp(effect, effect_name(EFFECT_PASSED)) == 0,
        .discarded = strcmp(effect, effect_name(EFFECT_DISCARDED)) == 0,
    };
    for (size_t by = 0; by < TALLY_BY_COUNT; by++) {
        if (!pass->wanted[by])
            continue;
        if (by == TALLY_DAY)
            values[by] = day_of(pass, sqlite3_column_int64(row, COLUMN_AT));
        else if (gone && is_of_event((enum tally_by)by))
            values[by] = TALLY_GONE;
        else
            values[by] = text_or_none(row, pass->column[by]);
    }
    for (size_t i = 0; i < pass->n; i++)
        if (!tally_add(pass->tallies[i], values, &counts))
            return false;
    return true;
}

/* ---- totals ---- */

#define DAY_START "CAST(strftime('%s', t.day) AS INTEGER) * 1000000"

/* While a purge is under way, or was killed, decisions may stand beside the totals that count them:
 * what is still there was counted above. */
static const char totals_sql[] =
    "SELECT t.day, t.partner, t.channel, t.reason, sum(t.rows) -"
    " (SELECT count(*) FROM decision d WHERE d.verdict <> 'pass' AND d.verdict = 'block'"
    " AND d.reason = t.reason AND d.at >= " DAY_START " AND d.at < " DAY_START " + 86400000000"
    " AND d.mode = 'observe' AND d.list IS NULL AND d.partner = t.partner"
    " AND d.channel = t.channel) FROM total t"
    " WHERE " DAY_START " >= ?1 AND " DAY_START " + 86400000000 <= ?2"
    " AND (?3 IS NULL OR t.partner = ?3) GROUP BY t.day, t.partner, t.channel, t.reason";

static bool add_total(struct pass *pass, sqlite3_stmt *row)
{
    const char *values[TALLY_BY_COUNT];
    int64_t rows = sqlite3_column_int64(row, 4);
    if (rows <= 0)
        return true;
    const struct tally_counts counts = {
        .decisions = (uint64_t)rows, .block = (uint64_t)rows, .let_through = (uint64_t)rows};
    for (size_t by = 0; by < TALLY_BY_COUNT; by++)
        values[by] = TALLY_GONE;
    values[TALLY_DAY] = sql_text(row, 0);
    values[TALLY_PARTNER] = text_or_none(row, 1);
    values[TALLY_CHANNEL] = text_or_none(row, 2);
    values[TALLY_REASON] = text_or_none(row, 3);
    values[TALLY_VERDICT] = verdict_name(VERDICT_BLOCK);
    values[TALLY_EFFECT] = effect_name(EFFECT_PASSED);
    values[TALLY_MODE] = mode_name(MODE_OBSERVE);
    for (size_t i = 0; i < pass->n; i++)
        if (!tally_add(pass->tallies[i], values, &counts))
            return false;
    return true;
}

/* ---- reading ---- */

/* A second file of the same connection, only read. It must be there: SQLite would make it. */
static enum result attach(struct journal_index *index, const char *registry_path, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    if (registry_path == NULL || !file_exists(registry_path))
        return error_set(err, RESULT_NOT_FOUND, "there is no registry to look events up in");
    enum result result = sql_prepare(index->db, "ATTACH ?1 AS registry", &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_text(statement, 1, registry_path, -1, SQLITE_STATIC);
    result = sql_run(index->db, statement, err);
    sqlite3_finalize(statement);
    return result;
}

typedef bool count_fn(struct pass *pass, sqlite3_stmt *row);

static enum result read_rows(struct journal_index *index, const char *sql,
                             const struct tally_filter *filter, struct pass *pass, count_fn *count,
                             struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code = SQLITE_DONE;
    enum result result = sql_prepare(index->db, sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, filter->since);
    sqlite3_bind_int64(statement, 2, filter->until);
    if (filter->partner != NULL)
        sqlite3_bind_text(statement, 3, filter->partner, -1, SQLITE_STATIC);
    while (result == RESULT_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        if (!count(pass, statement))
            result = error_set(err, RESULT_NO_MEMORY,
                               "the answer is too large: ask for fewer columns or days");
    if (result == RESULT_OK && code != SQLITE_DONE)
        result = sql_failure(index->db, "index", err);
    sqlite3_finalize(statement);
    return result;
}

/* Both of one moment: what a purge takes from the one it has added to the other. */
static enum result read_all(struct journal_index *index, const struct tally_filter *filter,
                            struct pass *pass, struct error *err)
{
    struct strbuf sql = {0};
    compose(&sql, pass, filter);
    enum result result = sql.failed ? error_no_memory(err) : sql_exec(index->db, "BEGIN", err);
    if (result == RESULT_OK) {
        result = read_rows(index, sql.data, filter, pass, count_row, err);
        if (result == RESULT_OK)
            result = read_rows(index, totals_sql, filter, pass, add_total, err);
        (void)sql_exec(index->db, "ROLLBACK", NULL);
    }
    strbuf_free(&sql);
    return result;
}

enum result journal_index_tally(struct journal_index *index, const struct tally_filter *filter,
                                struct tally *const *tallies, size_t n, struct error *err)
{
    struct pass pass;
    plan(&pass, tallies, n);
    enum result result = pass.joined ? attach(index, filter->registry_path, err) : RESULT_OK;
    if (result != RESULT_OK)
        return result;
    result = read_all(index, filter, &pass, err);
    if (pass.joined)
        (void)sql_exec(index->db, "DETACH registry", NULL);
    return result;
}
