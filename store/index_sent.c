/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index's questions for what comes back from the network: which message a provider's id stands
 * for, and which partners wrote to a number.
 */
#include "store/index.h"

#include "base/str.h"

/* Ids come round again after a while at some providers: the newest is meant. */
static const char sent_sql[] =
    "SELECT id, at, partner, stream, account, report FROM entry"
    " WHERE queue_id = ?1 AND provider = ?2 AND channel = 'sms'"
    " AND (?3 IS NULL OR recipient_key = ?3) ORDER BY at DESC, seq DESC LIMIT 1";

/* A screened list was handed over, not written to. */
static const char reached_sql[] =
    "SELECT partner FROM entry WHERE recipient_key = ?1 AND at >= ?2 AND channel = 'sms'"
    " AND effect = 'passed' AND list IS NULL AND partner IS NOT NULL"
    " AND (?3 IS NULL OR provider = ?3) GROUP BY partner";

enum result journal_index_sent(struct journal_index *index, const char *provider,
                               const char *queue_id, const uint8_t *key,
                               struct sent_message *sent_out, struct error *err)
{
    enum result result = RESULT_OK;
    *sent_out = (struct sent_message){0};
    if (index->sent == NULL)
        result = sql_prepare(index->db, sent_sql, &index->sent, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_stmt *statement = index->sent;
    sqlite3_bind_text(statement, 1, queue_id, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, provider, -1, SQLITE_STATIC);
    if (key != NULL)
        sqlite3_bind_blob(statement, 3, key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        sent_out->at = sqlite3_column_int64(statement, 1);
        sent_out->report = sqlite3_column_int(statement, 5) != 0;
        bool whole =
            str_copy(sent_out->id, sizeof(sent_out->id), sql_text(statement, 0)) &&
            str_copy(sent_out->partner, sizeof(sent_out->partner), sql_text(statement, 2)) &&
            str_copy(sent_out->stream, sizeof(sent_out->stream), sql_text(statement, 3)) &&
            str_copy(sent_out->account, sizeof(sent_out->account), sql_text(statement, 4));
        if (!whole)
            result = error_set(err, RESULT_DAMAGED, "index: a decision's names are too long");
    } else if (code == SQLITE_DONE) {
        result = error_set(err, RESULT_NOT_FOUND, "no message of this id is on record");
    } else {
        result = sql_failure(index->db, "index", err);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
}

enum result journal_index_reached(struct journal_index *index,
                                  const uint8_t key[RECIPIENT_KEY_BYTES], const char *provider,
                                  int64_t since, reached_fn *on_partner, void *arg,
                                  struct error *err)
{
    enum result result = RESULT_OK;
    int code;
    if (index->reached == NULL)
        result = sql_prepare(index->db, reached_sql, &index->reached, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_stmt *statement = index->reached;
    sqlite3_bind_blob(statement, 1, key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, since);
    if (provider != NULL)
        sqlite3_bind_text(statement, 3, provider, -1, SQLITE_STATIC);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        if (!on_partner(arg, sql_text(statement, 0)))
            break;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = sql_failure(index->db, "index", err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
}
