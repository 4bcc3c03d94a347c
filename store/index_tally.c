/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tallies out of the sums that the index keeps by day (index_kind.h): how long it takes depends on
 * how many kinds of decisions there were on how many days, not on how many decisions. Of a day that
 * is not in the period whole, the decisions of its smaller part are counted in decision_kind and
 * added, or taken from the day's sum; no decision is read. Of what observe mode let through only
 * totals remain after a while: they are added, or a report would say that everything was permitted.
 */
#include "base/arena.h"
#include "store/index_kind.h"
#include "store/sums.h"

#include <stdlib.h>
#include <string.h>

#define NAMES_BYTES ((size_t)1024 * 1024 * 1024) /* of kinds and origins */

static const char kinds_sql[] =
    "SELECT kind, partner, stream, channel, purpose, verdict, reason, effect, mode, policy"
    " FROM kind WHERE (?1 IS NULL OR partner = ?1) AND (?2 IS NULL OR purpose = ?2)";
static const char origins_sql[] = "SELECT origin, form, collector, supplier FROM origin";
static const char daily_sql[] = "SELECT day, kind, 0, rows FROM daily"
                                " WHERE day BETWEEN ?1 AND ?2 ORDER BY day, kind";
static const char daily_origin_sql[] = "SELECT day, kind, origin, rows FROM daily_origin"
                                       " WHERE day BETWEEN ?1 AND ?2 ORDER BY day, kind, origin";
static const char part_sql[] = "SELECT 0, count(*) FROM decision"
                               " WHERE kind = ?1 AND at >= ?2 AND at < ?3";
static const char part_origin_sql[] = "SELECT origin, 1 FROM decision"
                                      " WHERE kind = ?1 AND at >= ?2 AND at < ?3";

/* The texts of kinds or of origins by number. */
struct names {
    const char *const **rows; /* owned; NULL where there is none */
    size_t count;
};

struct counter {
    int64_t rows;
    bool touched;
};

struct pass {
    struct journal_index *index;
    const struct tally_filter *filter;
    struct tally *const *tallies;
    size_t n;
    bool with_origin;    /* those tallies that ask for it, else the others */
    struct arena *arena; /* owned */
    struct names kinds, origins;
    sqlite3_stmt *part;       /* owned; NULL until first used */
    struct sums whole_period; /* for tallies without days */
    bool wants_day, wants_no_day;
    /* Of one kind on one day: */
    int64_t day, kind;
    struct counter *counters; /* owned; by origin */
    int64_t *touched;         /* owned; the origins of those that are */
    size_t n_touched;
    int64_t text_of; /* the day of day_text */
    char day_text[12];
};

static bool has_origin(const struct tally *tally)
{
    return tally_has(tally, TALLY_FORM) || tally_has(tally, TALLY_COLLECTOR) ||
           tally_has(tally, TALLY_SUPPLIER);
}

static bool is_of_pass(const struct pass *pass, size_t i)
{
    return has_origin(pass->tallies[i]) == pass->with_origin;
}

static enum result too_large(struct error *err)
{
    return error_set(err, RESULT_NO_MEMORY,
                     "the answer is too large: ask for fewer columns or days");
}

/* ---- names ---- */

static bool add_name(struct pass *pass, struct names *names, sqlite3_stmt *row)
{
    int64_t number = sqlite3_column_int64(row, 0);
    int columns = sqlite3_column_count(row) - 1;
    if (number < 0 || number > INT32_MAX) /* no number that numbering gives */
        return false;
    size_t most = (size_t)number + 1;
    if (names->rows == NULL || most > names->count) {
        most = most < 64 ? 64 : most + most / 2;
        const char *const **rows = reallocarray(names->rows, most, sizeof(*rows));
        if (rows == NULL)
            return false;
        memset(rows + names->count, 0, (most - names->count) * sizeof(*rows));
        names->rows = rows;
        names->count = most;
    }
    const char **texts = arena_alloc(pass->arena, (size_t)columns * sizeof(*texts));
    for (int i = 0; texts != NULL && i < columns; i++) {
        const char *text = sql_text(row, 1 + i);
        texts[i] = *text != '\0' ? arena_str(pass->arena, text) : TALLY_NONE;
        if (texts[i] == NULL)
            texts = NULL;
    }
    names->rows[number] = texts;
    return texts != NULL;
}

static enum result read_names(struct pass *pass, const char *sql, struct names *names,
                              struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code = SQLITE_DONE;
    enum result result = sql_prepare(pass->index->db, sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    /* Origins have neither parameter: SQLite refuses them, which does no harm. */
    if (pass->filter->partner != NULL)
        sqlite3_bind_text(statement, 1, pass->filter->partner, -1, SQLITE_STATIC);
    if (pass->filter->purpose != NULL)
        sqlite3_bind_text(statement, 2, pass->filter->purpose, -1, SQLITE_STATIC);
    while (result == RESULT_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        if (!add_name(pass, names, statement))
            result = too_large(err);
    if (result == RESULT_OK && code != SQLITE_DONE)
        result = sql_failure(pass->index->db, "index", err);
    sqlite3_finalize(statement);
    return result;
}

static const char *const *name_of(const struct names *names, int64_t number)
{
    return number >= 0 && (uint64_t)number < names->count ? names->rows[number] : NULL;
}

/* ---- into the tallies ---- */

/* Formatting a day takes longer than all else that is done for a sum. */
static const char *day_text(struct pass *pass, int64_t day)
{
    if (day != pass->text_of) {
        char text[CLOCK_TEXT];
        pass->text_of = day;
        clock_format(day * CLOCK_DAY, text);
        str_copy_n(pass->day_text, sizeof(pass->day_text), text, strlen("2026-01-31"));
    }
    return pass->day_text;
}

static bool add_to_tallies(struct pass *pass, const struct sum *sum, bool with_day)
{
    static const char *const no_event[] = {TALLY_NONE, TALLY_NONE, TALLY_NONE};
    const char *values[TALLY_BY_COUNT] = {0};
    const char *const *kind = name_of(&pass->kinds, sum->kind);
    const char *const *origin = name_of(&pass->origins, sum->origin);
    uint64_t rows = (uint64_t)sum->rows;
    memcpy(values, kind, KIND_TEXTS * sizeof(*values));
    memcpy(values + TALLY_FORM, origin != NULL ? origin : no_event, sizeof(no_event));
    if (with_day)
        values[TALLY_DAY] = day_text(pass, sum->day);
    bool blocked = strcmp(values[TALLY_VERDICT], verdict_name(VERDICT_BLOCK)) == 0;
    bool passed = strcmp(values[TALLY_EFFECT], effect_name(EFFECT_PASSED)) == 0;
    const struct tally_counts counts = {
        .decisions = rows,
        .pass = strcmp(values[TALLY_VERDICT], verdict_name(VERDICT_PASS)) == 0 ? rows : 0,
        .block = blocked ? rows : 0,
        .defer = strcmp(values[TALLY_VERDICT], verdict_name(VERDICT_DEFER)) == 0 ? rows : 0,
        .let_through = blocked && passed ? rows : 0,
        .discarded = strcmp(values[TALLY_EFFECT], effect_name(EFFECT_DISCARDED)) == 0 ? rows : 0,
    };
    for (size_t i = 0; i < pass->n; i++)
        if (is_of_pass(pass, i) && tally_has(pass->tallies[i], TALLY_DAY) == with_day &&
            !tally_add(pass->tallies[i], values, &counts))
            return false;
    return true;
}

static bool take_sum(struct pass *pass, int64_t origin, int64_t rows)
{
    const struct sum sum = {.day = pass->day, .kind = pass->kind, .origin = origin, .rows = rows};
    return rows <= 0 ||
           ((!pass->wants_day || add_to_tallies(pass, &sum, true)) &&
            (!pass->wants_no_day || sums_add(&pass->whole_period, 0, pass->kind, origin, rows)));
}

/* ---- a kind on a day ---- */

static bool touch(struct pass *pass, int64_t origin, int64_t rows)
{
    size_t count = pass->with_origin ? pass->origins.count : 1;
    if (origin < 0 || (uint64_t)origin >= count)
        return false;
    struct counter *counter = &pass->counters[origin];
    if (!counter->touched)
        pass->touched[pass->n_touched++] = origin;
    counter->touched = true;
    counter->rows += rows;
    return true;
}

/* Adds the decisions of that kind in [since, until) to the counters, or takes them off. */
static enum result count_part(struct pass *pass, int64_t since, int64_t until, int sign,
                              struct error *err)
{
    enum result result = RESULT_OK;
    int code = SQLITE_DONE;
    if (since >= until)
        return RESULT_OK;
    if (pass->part == NULL)
        result = sql_prepare(pass->index->db, pass->with_origin ? part_origin_sql : part_sql,
                             &pass->part, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(pass->part, 1, pass->kind);
    sqlite3_bind_int64(pass->part, 2, since);
    sqlite3_bind_int64(pass->part, 3, until);
    while (result == RESULT_OK && (code = sqlite3_step(pass->part)) == SQLITE_ROW)
        if (!touch(pass, sqlite3_column_int64(pass->part, 0),
                   sign * sqlite3_column_int64(pass->part, 1)))
            result = error_set(err, RESULT_DAMAGED, "index: a decision's origin is not there");
    if (result == RESULT_OK && code != SQLITE_DONE)
        result = sql_failure(pass->index->db, "index", err);
    sqlite3_reset(pass->part);
    return result;
}

/* The counters hold the whole day's; of a day that is not asked for whole, they are put right. */
static enum result cut_to_period(struct pass *pass, struct error *err)
{
    int64_t start = pass->day * CLOCK_DAY;
    int64_t end = start + CLOCK_DAY;
    int64_t since = pass->filter->since > start ? pass->filter->since : start;
    int64_t until = pass->filter->until < end ? pass->filter->until : end;
    if (until - since > CLOCK_DAY / 2) {
        enum result result = count_part(pass, start, since, -1, err);
        return result == RESULT_OK ? count_part(pass, until, end, -1, err) : result;
    }
    for (size_t i = 0; i < pass->n_touched; i++)
        pass->counters[pass->touched[i]].rows = 0;
    return count_part(pass, since, until, 1, err);
}

static enum result finish_kind(struct pass *pass, struct error *err)
{
    enum result result = RESULT_OK;
    if (pass->n_touched > 0)
        result = cut_to_period(pass, err);
    for (size_t i = 0; i < pass->n_touched; i++) {
        struct counter *counter = &pass->counters[pass->touched[i]];
        if (result == RESULT_OK && !take_sum(pass, pass->touched[i], counter->rows))
            result = too_large(err);
        *counter = (struct counter){0};
    }
    pass->n_touched = 0;
    return result;
}

/* ---- the days ---- */

static enum result take_row(struct pass *pass, sqlite3_stmt *row, struct error *err)
{
    int64_t day = sqlite3_column_int64(row, 0);
    int64_t kind = sqlite3_column_int64(row, 1);
    enum result result = RESULT_OK;
    if (day != pass->day || kind != pass->kind)
        result = finish_kind(pass, err);
    pass->day = day;
    pass->kind = kind;
    if (result != RESULT_OK ||
        name_of(&pass->kinds, kind) == NULL) /* another partner's or purpose's */
        return result;
    if (!touch(pass, sqlite3_column_int64(row, 2), sqlite3_column_int64(row, 3)))
        return error_set(err, RESULT_DAMAGED, "index: the origin of a sum is not there");
    return RESULT_OK;
}

static enum result read_days(struct pass *pass, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code = SQLITE_DONE;
    enum result result = sql_prepare(
        pass->index->db, pass->with_origin ? daily_origin_sql : daily_sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, index_day(pass->filter->since));
    sqlite3_bind_int64(statement, 2, index_day(pass->filter->until - 1));
    while (result == RESULT_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        result = take_row(pass, statement, err);
    if (result == RESULT_OK && code != SQLITE_DONE)
        result = sql_failure(pass->index->db, "index", err);
    if (result == RESULT_OK)
        result = finish_kind(pass, err);
    sqlite3_finalize(statement);
    return result;
}

static enum result take_period(struct pass *pass, struct error *err)
{
    for (size_t i = 0; i < pass->whole_period.count; i++)
        if (!add_to_tallies(pass, &pass->whole_period.all[i], false))
            return too_large(err);
    return RESULT_OK;
}

static enum result run_pass(struct pass *pass, struct error *err)
{
    enum result result = RESULT_OK;
    for (size_t i = 0; i < pass->n; i++) {
        bool day = tally_has(pass->tallies[i], TALLY_DAY);
        pass->wants_day = pass->wants_day || (is_of_pass(pass, i) && day);
        pass->wants_no_day = pass->wants_no_day || (is_of_pass(pass, i) && !day);
    }
    if (!pass->wants_day && !pass->wants_no_day)
        return RESULT_OK;
    pass->arena = arena_new(NAMES_BYTES);
    if (pass->arena == NULL)
        return error_no_memory(err);
    result = read_names(pass, kinds_sql, &pass->kinds, err);
    if (result == RESULT_OK && pass->with_origin)
        result = read_names(pass, origins_sql, &pass->origins, err);
    if (result != RESULT_OK)
        return result;
    size_t count = pass->origins.count > 0 ? pass->origins.count : 1;
    pass->counters = calloc(count, sizeof(*pass->counters));
    pass->touched = calloc(count, sizeof(*pass->touched));
    if (pass->counters == NULL || pass->touched == NULL)
        return error_no_memory(err);
    result = read_days(pass, err);
    return result == RESULT_OK ? take_period(pass, err) : result;
}

static enum result count_sums(struct journal_index *index, const struct tally_filter *filter,
                              struct tally *const *tallies, size_t n, bool with_origin,
                              struct error *err)
{
    struct pass pass = {.index = index,
                        .filter = filter,
                        .tallies = tallies,
                        .n = n,
                        .with_origin = with_origin,
                        .text_of = INT64_MIN};
    enum result result = run_pass(&pass, err);
    sqlite3_finalize(pass.part);
    sums_free(&pass.whole_period);
    free(pass.counters);
    free(pass.touched);
    free(pass.kinds.rows);
    free(pass.origins.rows);
    arena_free(&pass.arena);
    return result;
}

/* ---- totals ---- */

#define DAY_START "CAST(strftime('%s', t.day) AS INTEGER) * 1000000"

/* While a purge is under way, or was killed, decisions may stand beside the totals that count them:
 * what is still there was counted above. */
static const char totals_sql[] =
    "SELECT t.day, t.partner, t.channel, t.reason, sum(t.rows) -"
    " (SELECT coalesce(sum(s.rows), 0) FROM kind k CROSS JOIN daily s"
    " ON s.day = CAST(strftime('%s', t.day) AS INTEGER) / 86400 AND s.kind = k.kind"
    " WHERE k.partner = t.partner AND k.channel = t.channel AND k.reason = t.reason"
    " AND k.verdict = 'block' AND k.mode = 'observe' AND k.listed = 0) FROM total t"
    " WHERE " DAY_START " >= ?1 AND " DAY_START " + 86400000000 <= ?2"
    " AND (?3 IS NULL OR t.partner = ?3) GROUP BY t.day, t.partner, t.channel, t.reason";

static const char *text_or_none(sqlite3_stmt *row, int column)
{
    const char *text = sql_text(row, column);
    return *text != '\0' ? text : TALLY_NONE;
}

static bool add_total(struct tally *const *tallies, size_t n, sqlite3_stmt *row)
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
    for (size_t i = 0; i < n; i++)
        if (!tally_add(tallies[i], values, &counts))
            return false;
    return true;
}

static enum result count_totals(struct journal_index *index, const struct tally_filter *filter,
                                struct tally *const *tallies, size_t n, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code = SQLITE_DONE;
    enum result result = sql_prepare(index->db, totals_sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, filter->since);
    sqlite3_bind_int64(statement, 2, filter->until);
    if (filter->partner != NULL)
        sqlite3_bind_text(statement, 3, filter->partner, -1, SQLITE_STATIC);
    while (result == RESULT_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        if (!add_total(tallies, n, statement))
            result = too_large(err);
    if (result == RESULT_OK && code != SQLITE_DONE)
        result = sql_failure(index->db, "index", err);
    sqlite3_finalize(statement);
    return result;
}

static bool is_of_messages(const struct tally_filter *filter)
{
    return filter->purpose == NULL || strcmp(filter->purpose, purpose_name(PURPOSE_RECEIPT)) == 0;
}

enum result journal_index_tally(struct journal_index *index, const struct tally_filter *filter,
                                struct tally *const *tallies, size_t n, struct error *err)
{
    bool begun;
    if (filter->since >= filter->until)
        return RESULT_OK;
    /* All of one moment: what a purge takes from the one it has added to the other. */
    enum result result = index_begin(index, &begun, err);
    if (result == RESULT_OK)
        result = count_sums(index, filter, tallies, n, false, err);
    if (result == RESULT_OK)
        result = count_sums(index, filter, tallies, n, true, err);
    if (result == RESULT_OK && is_of_messages(filter))
        result = count_totals(index, filter, tallies, n, err);
    index_end(index, begun);
    return result;
}
