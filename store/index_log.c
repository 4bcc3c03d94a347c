/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index's question: decisions newest first, by any mix of filters. A person's and those of a
 * reference are few, and everything is in order as it stands: these are read as they come. Else the
 * filter stands for some kinds of decisions, each of which the index has in order: their next rows
 * are found by merging (index_merge.c), which takes as long as there are kinds, however few rows
 * there are and wherever they lie.
 */
#include "store/index.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_ROWS = 1000 };

static const char columns[] =
    "SELECT seq, id, at, gateway, session, partner, stream, account, channel, purpose, recipient,"
    " recipient_key, verdict, reason, effect, mode, policy, event, provider, outcome,"
    " provider_reply, queue_id, size, hash, list FROM entry";

/* Whether it speaks of what a kind is made of. */
static bool asks_for_kinds(const struct log_filter *filter)
{
    return filter->has_verdict || filter->stopped || filter->has_channel ||
           filter->partner != NULL || filter->stream != NULL || filter->reason != NULL ||
           filter->effect != NULL || filter->not_sent || filter->purpose != NULL;
}

static void compose_kinds(struct strbuf *sql, const struct log_filter *filter)
{
    strbuf_add_str(sql, "SELECT kind FROM kind WHERE 1");
    if (filter->has_verdict)
        strbuf_add_str(sql, " AND verdict = ?1");
    if (filter->stopped)
        strbuf_add_str(sql, " AND verdict <> 'pass'");
    if (filter->has_channel)
        strbuf_add_str(sql, " AND channel = ?2");
    if (filter->partner != NULL)
        strbuf_add_str(sql, " AND partner = ?3");
    if (filter->reason != NULL)
        strbuf_add_str(sql, " AND reason = ?4");
    if (filter->stream != NULL)
        strbuf_add_str(sql, " AND stream = ?12");
    if (filter->effect != NULL)
        strbuf_add_str(sql, " AND effect = ?13");
    if (filter->not_sent)
        strbuf_add_str(sql, " AND verdict = 'block' AND effect <> 'passed'");
    if (filter->purpose != NULL)
        strbuf_add_str(sql, " AND purpose = ?14");
}

static void bind_kinds(sqlite3_stmt *statement, const struct log_filter *filter)
{
    /* A parameter the text does not have is refused by SQLite, which does no harm. */
    if (filter->has_verdict)
        sqlite3_bind_text(statement, 1, verdict_name(filter->verdict), -1, SQLITE_STATIC);
    if (filter->has_channel)
        sqlite3_bind_text(statement, 2, channel_name(filter->channel), -1, SQLITE_STATIC);
    if (filter->partner != NULL)
        sqlite3_bind_text(statement, 3, filter->partner, -1, SQLITE_STATIC);
    if (filter->reason != NULL)
        sqlite3_bind_text(statement, 4, filter->reason, -1, SQLITE_STATIC);
    if (filter->stream != NULL)
        sqlite3_bind_text(statement, 12, filter->stream, -1, SQLITE_STATIC);
    if (filter->effect != NULL)
        sqlite3_bind_text(statement, 13, filter->effect, -1, SQLITE_STATIC);
    if (filter->purpose != NULL)
        sqlite3_bind_text(statement, 14, filter->purpose, -1, SQLITE_STATIC);
}

/* The plus keeps SQLite from going through the kinds where the person's rows are fewer. */
static void compose(struct strbuf *sql, const struct log_filter *filter)
{
    strbuf_add_str(sql, columns);
    strbuf_add_str(sql, " WHERE 1");
    if (filter->id != NULL)
        strbuf_add_str(sql, " AND id = ?9");
    if (filter->recipient_key != NULL)
        strbuf_add_str(sql, " AND recipient_key = ?5");
    if (asks_for_kinds(filter)) {
        strbuf_add_str(sql, " AND +kind IN (");
        compose_kinds(sql, filter);
        strbuf_add_char(sql, ')');
    }
    if (filter->since != INT64_MIN)
        strbuf_add_str(sql, " AND at >= ?6");
    if (filter->until != INT64_MAX)
        strbuf_add_str(sql, " AND at < ?7");
    if (filter->before_seq != 0)
        strbuf_add_str(sql, " AND (at, seq) < (?10, ?11)");
    strbuf_add_str(sql, filter->oldest_first ? " ORDER BY at, seq LIMIT ?8"
                                             : " ORDER BY at DESC, seq DESC LIMIT ?8");
}

static void bind(sqlite3_stmt *statement, const struct log_filter *filter)
{
    bind_kinds(statement, filter);
    if (filter->recipient_key != NULL)
        sqlite3_bind_blob(statement, 5, filter->recipient_key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    if (filter->since != INT64_MIN)
        sqlite3_bind_int64(statement, 6, filter->since);
    if (filter->until != INT64_MAX)
        sqlite3_bind_int64(statement, 7, filter->until);
    sqlite3_bind_int64(statement, 8, filter->limit > 0 ? (sqlite3_int64)filter->limit : -1);
    if (filter->id != NULL)
        sqlite3_bind_text(statement, 9, filter->id, -1, SQLITE_STATIC);
    if (filter->before_seq != 0) {
        sqlite3_bind_int64(statement, 10, filter->before_at);
        sqlite3_bind_int64(statement, 11, (sqlite3_int64)filter->before_seq);
    }
}

static const char *text(sqlite3_stmt *statement, int column)
{
    return (const char *)sqlite3_column_text(statement, column);
}

static const char *hex(sqlite3_stmt *statement, int column, char out[2 * SHA256_BYTES + 1])
{
    const void *bytes = sqlite3_column_blob(statement, column);
    if (bytes == NULL || sqlite3_column_bytes(statement, column) != SHA256_BYTES)
        return NULL;
    hex_encode(bytes, SHA256_BYTES, out);
    return out;
}

static bool give(sqlite3_stmt *row, log_entry_fn *on_entry, void *arg)
{
    char at[CLOCK_TEXT];
    char key[2 * SHA256_BYTES + 1];
    char hash[2 * SHA256_BYTES + 1];
    char list[2 * SHA256_BYTES + 1];
    clock_format(sqlite3_column_int64(row, 2), at);
    bool sized = sqlite3_column_type(row, 22) != SQLITE_NULL;
    struct log_entry entry = {
        .seq = (uint64_t)sqlite3_column_int64(row, 0),
        .instant = sqlite3_column_int64(row, 2),
        .id = text(row, 1),
        .at = at,
        .gateway = text(row, 3),
        .session = text(row, 4),
        .partner = text(row, 5),
        .stream = text(row, 6),
        .account = text(row, 7),
        .channel = text(row, 8),
        .purpose = text(row, 9),
        .recipient = text(row, 10),
        .recipient_key = hex(row, 11, key),
        .verdict = text(row, 12),
        .reason = text(row, 13),
        .effect = text(row, 14),
        .mode = text(row, 15),
        .policy = text(row, 16),
        .event = sqlite3_column_int64(row, 17),
        .provider = text(row, 18),
        .outcome = text(row, 19),
        .provider_reply = text(row, 20),
        .queue_id = text(row, 21),
        .size = sized ? sqlite3_column_int64(row, 22) : -1,
        .hash = hex(row, 23, hash),
        .list = hex(row, 24, list),
    };
    return on_entry(arg, &entry);
}

enum result index_begin(struct journal_index *index, bool *begun_out, struct error *err)
{
    *begun_out = sqlite3_get_autocommit(index->db) != 0;
    return *begun_out ? sql_exec(index->db, "BEGIN", err) : RESULT_OK;
}

void index_end(struct journal_index *index, bool begun)
{
    /* Nothing was written: there is nothing that a failure could lose. */
    if (begun)
        (void)sql_exec(index->db, "ROLLBACK", NULL);
}

/* ---- as it stands ---- */

static enum result read_along(struct journal_index *index, const struct log_filter *filter,
                              log_entry_fn *on_entry, void *arg, struct error *err)
{
    struct strbuf sql = {0};
    sqlite3_stmt *statement = NULL;
    compose(&sql, filter);
    enum result result =
        sql.failed ? error_no_memory(err) : sql_prepare(index->db, sql.data, &statement, err);
    strbuf_free(&sql);
    if (result != RESULT_OK)
        return result;
    bind(statement, filter);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        if (!give(statement, on_entry, arg))
            break;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = sql_failure(index->db, "index", err);
    sqlite3_finalize(statement);
    return result;
}

enum result journal_index_back(struct journal_index *index, int64_t before, uint64_t rows,
                               int64_t *at_out, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(index->db,
                                     "SELECT at FROM decision INDEXED BY decision_at WHERE at < ?1"
                                     " ORDER BY at DESC LIMIT 1 OFFSET ?2",
                                     &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, before);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)rows);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *at_out = sqlite3_column_int64(statement, 0);
    else
        result = code == SQLITE_DONE ? RESULT_NOT_FOUND : sql_failure(index->db, "index", err);
    sqlite3_finalize(statement);
    return result;
}

/* ---- by kinds ---- */

struct merged {
    const struct log_filter *filter;
    int64_t *kinds; /* owned */
    size_t n_kinds;
    struct index_place *places; /* owned; BLOCK_ROWS of them */
    sqlite3_stmt *row;          /* owned */
    log_entry_fn *on_entry;
    void *arg;
    bool over; /* the caller has enough */
};

static enum result read_kinds(struct journal_index *index, struct merged *merged, struct error *err)
{
    struct strbuf sql = {0};
    sqlite3_stmt *statement = NULL;
    size_t capacity = 0;
    int code = SQLITE_DONE;
    compose_kinds(&sql, merged->filter);
    enum result result =
        sql.failed ? error_no_memory(err) : sql_prepare(index->db, sql.data, &statement, err);
    strbuf_free(&sql);
    if (result != RESULT_OK)
        return result;
    bind_kinds(statement, merged->filter);
    while (result == RESULT_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (merged->n_kinds == capacity) {
            capacity = capacity > 0 ? capacity * 2 : 64;
            int64_t *kinds = reallocarray(merged->kinds, capacity, sizeof(*kinds));
            if (kinds == NULL) {
                result = error_no_memory(err);
                break;
            }
            merged->kinds = kinds;
        }
        merged->kinds[merged->n_kinds++] = sqlite3_column_int64(statement, 0);
    }
    if (result == RESULT_OK && code != SQLITE_DONE)
        result = sql_failure(index->db, "index", err);
    sqlite3_finalize(statement);
    return result;
}

static enum result give_row(struct journal_index *index, struct merged *merged, int64_t seq,
                            struct error *err)
{
    enum result result = RESULT_OK;
    sqlite3_bind_int64(merged->row, 1, seq);
    int code = sqlite3_step(merged->row);
    if (code == SQLITE_ROW)
        merged->over = !give(merged->row, merged->on_entry, merged->arg);
    else
        result = sql_failure(index->db, "index", err);
    sqlite3_reset(merged->row);
    return result;
}

static enum result give_blocks(struct journal_index *index, struct merged *merged,
                               struct error *err)
{
    uint64_t left = merged->filter->limit > 0 ? merged->filter->limit : UINT64_MAX;
    struct index_place last = {0};
    size_t count = 0;
    struct index_merge merge = {
        .filter = merged->filter, .kinds = merged->kinds, .n_kinds = merged->n_kinds};
    do {
        merge.most = left < BLOCK_ROWS ? (size_t)left : BLOCK_ROWS;
        enum result result = index_merge(index, &merge, merged->places, &count, err);
        for (size_t i = 0; result == RESULT_OK && i < count && !merged->over; i++)
            result = give_row(index, merged, merged->places[i].seq, err);
        if (result != RESULT_OK)
            return result;
        if (count > 0)
            last = merged->places[count - 1];
        merge.after = &last;
        left -= count;
    } while (!merged->over && left > 0 && count == merge.most);
    return RESULT_OK;
}

static enum result read_merged(struct journal_index *index, const struct log_filter *filter,
                               log_entry_fn *on_entry, void *arg, struct error *err)
{
    struct merged merged = {.filter = filter, .on_entry = on_entry, .arg = arg};
    struct strbuf sql = {0};
    strbuf_add_str(&sql, columns);
    strbuf_add_str(&sql, " WHERE seq = ?1");
    merged.places = calloc(BLOCK_ROWS, sizeof(*merged.places));
    enum result result = sql.failed || merged.places == NULL
                             ? error_no_memory(err)
                             : sql_prepare(index->db, sql.data, &merged.row, err);
    if (result == RESULT_OK)
        result = read_kinds(index, &merged, err);
    if (result == RESULT_OK)
        result = give_blocks(index, &merged, err);
    sqlite3_finalize(merged.row);
    strbuf_free(&sql);
    free(merged.places);
    free(merged.kinds);
    return result;
}

enum result journal_index_log(struct journal_index *index, const struct log_filter *filter,
                              log_entry_fn *on_entry, void *arg, struct error *err)
{
    bool begun;
    bool along = filter->id != NULL || filter->recipient_key != NULL || !asks_for_kinds(filter);
    enum result result = index_begin(index, &begun, err);
    if (result == RESULT_OK)
        result = along ? read_along(index, filter, on_entry, arg, err)
                       : read_merged(index, filter, on_entry, arg, err);
    if (result == RESULT_DAMAGED)
        error_prefix(err, "%s may be deleted and is then built anew", index->path);
    index_end(index, begun);
    return result;
}

static bool note_instant(void *arg, const struct log_entry *entry)
{
    int64_t **instant = arg;
    **instant = entry->instant;
    *instant = NULL;
    return false;
}

enum result journal_index_span(struct journal_index *index, const struct log_filter *filter,
                               int64_t *oldest_out, int64_t *newest_out, struct error *err)
{
    struct log_filter one = *filter;
    int64_t *oldest = oldest_out;
    int64_t *newest = newest_out;
    bool begun;
    enum result result = index_begin(index, &begun, err);
    one.limit = 1;
    one.oldest_first = false;
    if (result == RESULT_OK)
        result = journal_index_log(index, &one, note_instant, &newest, err);
    one.oldest_first = true;
    if (result == RESULT_OK && newest == NULL)
        result = journal_index_log(index, &one, note_instant, &oldest, err);
    index_end(index, begun);
    if (result == RESULT_OK && newest != NULL)
        result = error_set(err, RESULT_NOT_FOUND, "there is no such decision");
    return result;
}
