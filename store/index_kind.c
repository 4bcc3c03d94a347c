/* SPDX-License-Identifier: Apache-2.0 */
#include "store/index_kind.h"

#include "store/index_kind_internal.h"

#include <stdlib.h>
#include <string.h>

enum { PENDING_MOST = 4096 /* sums of one transaction before they are written */ };

/* A kind is looked for by its text, and by what the totals of erased detail tell. ORIGIN_GONE is
 * there from the beginning. */
const char index_kind_schema[] =
    "CREATE TABLE kind (kind INTEGER PRIMARY KEY, partner TEXT NOT NULL, stream TEXT NOT NULL,"
    " channel TEXT NOT NULL, purpose TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,"
    " effect TEXT NOT NULL, mode TEXT NOT NULL, policy TEXT NOT NULL, listed INTEGER NOT NULL,"
    " UNIQUE (partner, channel, reason, verdict, mode, listed, stream, purpose, effect, policy));"
    "CREATE TABLE origin (origin INTEGER PRIMARY KEY, form TEXT NOT NULL,"
    " collector TEXT NOT NULL, supplier TEXT NOT NULL, UNIQUE (form, supplier, collector));"
    "INSERT INTO origin VALUES (1, '" TALLY_GONE "', '" TALLY_GONE "', '" TALLY_GONE "');"
    "CREATE TABLE daily (day INTEGER NOT NULL, kind INTEGER NOT NULL, rows INTEGER NOT NULL,"
    " PRIMARY KEY (day, kind)) WITHOUT ROWID;"
    "CREATE TABLE daily_origin (day INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " origin INTEGER NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY (day, kind, origin))"
    " WITHOUT ROWID;"
    /* A record always has the four words of the rules; what else it lacks is empty in its kind. */
    "CREATE VIEW entry AS SELECT seq, hash, id, at, gateway, session, account, decision.channel,"
    " recipient, recipient_key, event, provider, outcome, provider_reply, queue_id, size, list,"
    " list_row, report, decision.kind, origin, verdict, reason, effect, mode,"
    " nullif(partner, '') AS partner, nullif(stream, '') AS stream,"
    " nullif(purpose, '') AS purpose, nullif(policy, '') AS policy"
    " FROM decision CROSS JOIN kind WHERE kind.kind = decision.kind;";

static const char *const texts[KIND_STATEMENT_COUNT] = {
    [KIND_FIND] = "SELECT kind FROM kind WHERE partner = ?1 AND stream = ?2 AND channel = ?3"
                  " AND purpose = ?4 AND verdict = ?5 AND reason = ?6 AND effect = ?7"
                  " AND mode = ?8 AND policy = ?9 AND listed = ?10",
    [KIND_ADD] = "INSERT INTO kind (partner, stream, channel, purpose, verdict, reason, effect,"
                 " mode, policy, listed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [KIND_OF] = "SELECT partner, stream, channel, purpose, verdict, reason, effect, mode, policy,"
                " listed FROM kind WHERE kind = ?1",
    [ORIGIN_FIND] =
        "SELECT origin FROM origin WHERE form = ?1 AND collector = ?2 AND supplier = ?3",
    [ORIGIN_ADD] = "INSERT INTO origin (form, collector, supplier) VALUES (?1, ?2, ?3)",
    [DAILY_ADD] = "INSERT INTO daily (day, kind, rows) VALUES (?1, ?2, ?3)"
                  " ON CONFLICT (day, kind) DO UPDATE SET rows = rows + excluded.rows",
    [DAILY_CLEAR] = "DELETE FROM daily WHERE day = ?1 AND kind = ?2 AND rows = 0",
    [DAILY_ORIGIN_ADD] =
        "INSERT INTO daily_origin (day, kind, origin, rows) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (day, kind, origin) DO UPDATE SET rows = rows + excluded.rows",
    [DAILY_ORIGIN_CLEAR] =
        "DELETE FROM daily_origin WHERE day = ?1 AND kind = ?2 AND origin = ?3 AND rows = 0",
};

enum result index_kinds_get(struct journal_index *index, struct index_kinds **kinds_out,
                            struct error *err)
{
    if (index->kinds == NULL)
        index->kinds = calloc(1, sizeof(*index->kinds));
    *kinds_out = index->kinds;
    return index->kinds != NULL ? RESULT_OK : error_no_memory(err);
}

static enum result prepare(struct journal_index *index, enum kind_statement which,
                           sqlite3_stmt **statement_out, struct error *err)
{
    sqlite3_stmt **kept = &index->kinds->statements[which];
    enum result result =
        *kept != NULL ? RESULT_OK : sql_prepare(index->db, texts[which], kept, err);
    *statement_out = *kept;
    return result;
}

int64_t index_day(int64_t at)
{
    return at / CLOCK_DAY - (at % CLOCK_DAY < 0);
}

/* ---- numbers ---- */

/* Binds nothing that must outlive the call. */
typedef void bind_fn(sqlite3_stmt *statement, const void *what);

/* The number of the row that find looks for; add makes it. */
static enum result number_of(struct journal_index *index, enum kind_statement find,
                             enum kind_statement add, bind_fn *bind, const void *what,
                             int64_t *number_out, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = prepare(index, find, &statement, err);
    if (result != RESULT_OK)
        return result;
    bind(statement, what);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *number_out = sqlite3_column_int64(statement, 0);
    else if (code != SQLITE_DONE)
        result = sql_failure(index->db, "index", err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (code != SQLITE_DONE)
        return result;
    result = prepare(index, add, &statement, err);
    if (result != RESULT_OK)
        return result;
    bind(statement, what);
    result = sql_run(index->db, statement, err);
    *number_out = sqlite3_last_insert_rowid(index->db);
    return result;
}

/* Texts of the journal hold no NUL. */
static void add_text(struct strbuf *key, const struct index_text *text)
{
    if (text->text != NULL)
        strbuf_add(key, text->text, text->length);
    strbuf_add_char(key, '\0');
}

static void bind_text(sqlite3_stmt *statement, int column, const struct index_text *text)
{
    const char *bytes = text->text != NULL ? text->text : "";
    sqlite3_bind_text(statement, column, bytes, text->text != NULL ? (int)text->length : 0,
                      SQLITE_STATIC);
}

static void bind_kind(sqlite3_stmt *statement, const void *what)
{
    const struct index_kind *kind = what;
    for (int i = 0; i < KIND_TEXTS; i++)
        bind_text(statement, 1 + i, &kind->texts[i]);
    sqlite3_bind_int(statement, 1 + KIND_TEXTS, kind->listed);
}

static void bind_origin(sqlite3_stmt *statement, const void *what)
{
    const struct index_text *origin = what;
    for (int i = 0; i < ORIGIN_TEXTS; i++)
        bind_text(statement, 1 + i, &origin[i]);
}

enum result index_kind(struct journal_index *index, const struct index_kind *kind,
                       int64_t *number_out, struct error *err)
{
    struct index_kinds *kinds;
    enum result result = index_kinds_get(index, &kinds, err);
    if (result != RESULT_OK)
        return result;
    struct strbuf *key = &kinds->key;
    strbuf_clear(key);
    for (size_t i = 0; i < KIND_TEXTS; i++)
        add_text(key, &kind->texts[i]);
    strbuf_add_char(key, kind->listed ? '1' : '0');
    if (key->failed)
        return error_no_memory(err);
    if (numbering_find(&kinds->kinds, key->data, key->length, number_out))
        return RESULT_OK;
    result = number_of(index, KIND_FIND, KIND_ADD, bind_kind, kind, number_out, err);
    if (result == RESULT_OK && !numbering_add(&kinds->kinds, key->data, key->length, *number_out))
        result = error_no_memory(err);
    return result;
}

enum result index_kind_effect(struct journal_index *index, int64_t number, const char *effect,
                              size_t length, int64_t *number_out, struct error *err)
{
    struct index_kinds *kinds;
    sqlite3_stmt *statement = NULL;
    struct index_kind kind = {0};
    enum result result = index_kinds_get(index, &kinds, err);
    if (result == RESULT_OK)
        result = prepare(index, KIND_OF, &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, number);
    if (sqlite3_step(statement) == SQLITE_ROW) {
        for (int i = 0; i < KIND_TEXTS; i++)
            kind.texts[i] =
                (struct index_text){sql_text(statement, i), strlen(sql_text(statement, i))};
        kind.texts[TALLY_EFFECT] = (struct index_text){effect, length};
        kind.listed = sqlite3_column_int(statement, KIND_TEXTS) != 0;
        result = index_kind(index, &kind, number_out, err);
    } else {
        result = sql_failure(index->db, "index", err);
    }
    sqlite3_reset(statement);
    return result;
}

enum result index_origin_number(struct journal_index *index,
                                const struct index_text origin[ORIGIN_TEXTS], int64_t *number_out,
                                struct error *err)
{
    return number_of(index, ORIGIN_FIND, ORIGIN_ADD, bind_origin, origin, number_out, err);
}

/* ---- sums ---- */

static enum result write_sum(struct journal_index *index, enum kind_statement add,
                             enum kind_statement clear, const int64_t *columns, int n, int64_t rows,
                             struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = rows != 0 ? prepare(index, add, &statement, err) : RESULT_OK;
    if (result != RESULT_OK || rows == 0)
        return result;
    for (int i = 0; i < n; i++)
        sqlite3_bind_int64(statement, 1 + i, columns[i]);
    sqlite3_bind_int64(statement, 1 + n, rows);
    result = sql_run(index->db, statement, err);
    if (result == RESULT_OK && rows < 0)
        result = prepare(index, clear, &statement, err);
    if (result != RESULT_OK || rows > 0)
        return result;
    for (int i = 0; i < n; i++)
        sqlite3_bind_int64(statement, 1 + i, columns[i]);
    return sql_run(index->db, statement, err);
}

static enum result write_sums(struct journal_index *index, struct index_kinds *kinds,
                              struct error *err)
{
    enum result result = RESULT_OK;
    for (size_t i = 0; result == RESULT_OK && i < kinds->by_kind.count; i++) {
        const struct sum *sum = &kinds->by_kind.all[i];
        const int64_t columns[] = {sum->day, sum->kind};
        result = write_sum(index, DAILY_ADD, DAILY_CLEAR, columns, 2, sum->rows, err);
    }
    for (size_t i = 0; result == RESULT_OK && i < kinds->by_origin.count; i++) {
        const struct sum *sum = &kinds->by_origin.all[i];
        const int64_t columns[] = {sum->day, sum->kind, sum->origin};
        result = write_sum(index, DAILY_ORIGIN_ADD, DAILY_ORIGIN_CLEAR, columns, 3, sum->rows, err);
    }
    sums_clear(&kinds->by_kind);
    sums_clear(&kinds->by_origin);
    return result;
}

enum result index_count(struct journal_index *index, int64_t at, int64_t kind, int64_t origin,
                        int rows, struct error *err)
{
    struct index_kinds *kinds;
    int64_t day = index_day(at);
    enum result result = index_kinds_get(index, &kinds, err);
    if (result == RESULT_OK && kinds->by_origin.count >= PENDING_MOST)
        result = write_sums(index, kinds, err);
    if (result == RESULT_OK && (!sums_add(&kinds->by_kind, day, kind, 0, rows) ||
                                !sums_add(&kinds->by_origin, day, kind, origin, rows)))
        result = error_no_memory(err);
    return result;
}

enum result index_kinds_flush(struct journal_index *index, struct error *err)
{
    index_origin_refresh(index);
    return index->kinds != NULL ? write_sums(index, index->kinds, err) : RESULT_OK;
}

/* Numbers that were given in the transaction that is undone are not given. */
void index_kinds_forget(struct journal_index *index)
{
    struct index_kinds *kinds = index->kinds;
    index_origin_refresh(index);
    if (kinds == NULL)
        return;
    sums_clear(&kinds->by_kind);
    sums_clear(&kinds->by_origin);
    numbering_free(&kinds->kinds);
    numbering_free(&kinds->origins);
}

void index_kinds_close(struct journal_index *index)
{
    struct index_kinds *kinds = index->kinds;
    if (kinds == NULL)
        return;
    index_kinds_forget(index);
    index_registry_close(kinds);
    for (size_t i = 0; i < KIND_STATEMENT_COUNT; i++)
        sqlite3_finalize(kinds->statements[i]);
    sums_free(&kinds->by_kind);
    sums_free(&kinds->by_origin);
    strbuf_free(&kinds->key);
    free(kinds);
    index->kinds = NULL;
}
