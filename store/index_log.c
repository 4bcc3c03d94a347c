/* SPDX-License-Identifier: Apache-2.0 */
/* The index's question: decisions newest first, by any mix of filters. */
#include "store/index.h"

#include <string.h>

static const char columns[] =
    "SELECT seq, id, at, gateway, session, partner, stream, account, channel, purpose, recipient,"
    " recipient_key, verdict, reason, effect, mode, policy, event, provider, outcome,"
    " provider_reply, queue_id, size, hash, list FROM decision WHERE 1";

/* SQLite uses a partial index only where the query repeats the index's own condition. */
static bool only_stopped(const struct log_filter *filter)
{
    enum reason reason;
    if (filter->has_verdict)
        return filter->verdict != VERDICT_PASS;
    if (filter->reason == NULL || !reason_parse(filter->reason, &reason))
        return false;
    switch (reason) {
    case REASON_SERVICE:
    case REASON_CONSENT:
    case REASON_SOFT_OPTIN:
    case REASON_PROFESSIONAL:
    case REASON_INFORMED:
        return false;
    default:
        return true;
    }
}

static void compose(struct strbuf *sql, const struct log_filter *filter)
{
    strbuf_add_str(sql, columns);
    if (filter->id != NULL)
        strbuf_add_str(sql, " AND id = ?9");
    if (filter->has_verdict)
        strbuf_add_str(sql, " AND verdict = ?1");
    if (only_stopped(filter) || filter->stopped)
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
    if (filter->recipient_key != NULL)
        strbuf_add_str(sql, " AND recipient_key = ?5");
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

enum result journal_index_log(struct journal_index *index, const struct log_filter *filter,
                              log_entry_fn *on_entry, void *arg, struct error *err)
{
    struct strbuf sql = {0};
    sqlite3_stmt *statement = NULL;
    enum result result = RESULT_OK;
    compose(&sql, filter);
    result = sql.failed ? error_no_memory(err) : sql_prepare(index->db, sql.data, &statement, err);
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
    if (result == RESULT_DAMAGED)
        error_prefix(err, "%s may be deleted and is then built anew", index->path);
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
