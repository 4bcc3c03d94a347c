/* SPDX-License-Identifier: Apache-2.0 */
/* What the index answers about one person: several questions of one state, and sums. */
#include "store/index_person.h"

#include "store/index.h"

#include <stdio.h>

enum result journal_index_view_begin(struct journal_index *index, struct error *err)
{
    /* Deferred: no lock, and what is first read fixes what all the rest will see. */
    return sql_exec(index->db, "BEGIN", err);
}

void journal_index_view_end(struct journal_index *index)
{
    /* Nothing was written: there is nothing that a failure could lose. */
    (void)sql_exec(index->db, "ROLLBACK", NULL);
}

static const char sums_sql[] =
    "SELECT partner, channel, purpose, verdict, effect, outcome, count(*), min(at), max(at), list"
    " FROM entry WHERE recipient_key = ?1"
    " GROUP BY partner, channel, purpose, verdict, effect, outcome, list"
    " ORDER BY partner, channel, purpose, verdict, effect, outcome, min(at), list";

static const char *text(sqlite3_stmt *statement, int column)
{
    return (const char *)sqlite3_column_text(statement, column);
}

static const char *hash(sqlite3_stmt *statement, int column, char out[2 * SHA256_BYTES + 1])
{
    const void *bytes = sqlite3_column_blob(statement, column);
    if (bytes == NULL || sqlite3_column_bytes(statement, column) != SHA256_BYTES)
        return NULL;
    hex_encode(bytes, SHA256_BYTES, out);
    return out;
}

enum result journal_index_sums(struct journal_index *index,
                               const uint8_t recipient_key[RECIPIENT_KEY_BYTES], log_sum_fn *on_sum,
                               void *arg, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(index->db, sums_sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(statement, 1, recipient_key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        char list[2 * SHA256_BYTES + 1];
        const struct log_sum sum = {
            .partner = text(statement, 0),
            .channel = text(statement, 1),
            .purpose = text(statement, 2),
            .verdict = text(statement, 3),
            .effect = text(statement, 4),
            .outcome = text(statement, 5),
            .count = (uint64_t)sqlite3_column_int64(statement, 6),
            .first_at = sqlite3_column_int64(statement, 7),
            .last_at = sqlite3_column_int64(statement, 8),
            .list = hash(statement, 9, list),
        };
        if (!on_sum(arg, &sum))
            break;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = sql_failure(index->db, "index", err);
    sqlite3_finalize(statement);
    return result;
}

/* ---- who looked ---- */

static enum result ask_accesses(struct journal_index *index, const char *sql,
                                const uint8_t recipient_key[RECIPIENT_KEY_BYTES],
                                bool (*on_row)(void *arg, sqlite3_stmt *row), void *arg,
                                struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code;
    enum result result = sql_prepare(index->db, sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(statement, 1, recipient_key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        if (!on_row(arg, statement))
            break;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = sql_failure(index->db, "index", err);
    sqlite3_finalize(statement);
    return result;
}

struct access_call {
    log_access_fn *on_access;
    log_access_sum_fn *on_sum;
    void *arg;
};

static bool give_access(void *arg, sqlite3_stmt *row)
{
    const struct access_call *call = arg;
    const struct log_access access = {
        .id = text(row, 0),
        .gateway = text(row, 1),
        .who = text(row, 2),
        .act = text(row, 3),
        .partner = text(row, 4),
        .channel = text(row, 5),
        .subject = text(row, 6),
        .answer = text(row, 7),
        .at = sqlite3_column_int64(row, 8),
    };
    return call->on_access(call->arg, &access);
}

enum result journal_index_accesses(struct journal_index *index,
                                   const uint8_t recipient_key[RECIPIENT_KEY_BYTES],
                                   log_access_fn *on_access, void *arg, struct error *err)
{
    struct access_call call = {.on_access = on_access, .arg = arg};
    return ask_accesses(index,
                        "SELECT id, gateway, who, act, partner, channel, subject, answer, at"
                        " FROM access WHERE recipient_key = ?1 ORDER BY at, seq",
                        recipient_key, give_access, &call, err);
}

enum result journal_index_latest_accesses(struct journal_index *index,
                                          const uint8_t recipient_key[RECIPIENT_KEY_BYTES],
                                          unsigned limit, log_access_fn *on_access, void *arg,
                                          struct error *err)
{
    struct access_call call = {.on_access = on_access, .arg = arg};
    char sql[192];
    snprintf(sql, sizeof(sql),
             "SELECT id, gateway, who, act, partner, channel, subject, answer, at"
             " FROM access WHERE recipient_key = ?1 ORDER BY at DESC, seq DESC LIMIT %u",
             limit);
    return ask_accesses(index, sql, recipient_key, give_access, &call, err);
}

static bool give_access_sum(void *arg, sqlite3_stmt *row)
{
    const struct access_call *call = arg;
    const struct log_access_sum sum = {
        .who = text(row, 0),
        .act = text(row, 1),
        .partner = text(row, 2),
        .count = (uint64_t)sqlite3_column_int64(row, 3),
        .first_at = sqlite3_column_int64(row, 4),
        .last_at = sqlite3_column_int64(row, 5),
    };
    return call->on_sum(call->arg, &sum);
}

enum result journal_index_access_sums(struct journal_index *index,
                                      const uint8_t recipient_key[RECIPIENT_KEY_BYTES],
                                      log_access_sum_fn *on_sum, void *arg, struct error *err)
{
    struct access_call call = {.on_sum = on_sum, .arg = arg};
    return ask_accesses(index,
                        "SELECT who, act, partner, count(*), min(at), max(at) FROM access"
                        " WHERE recipient_key = ?1 GROUP BY who, act, partner"
                        " ORDER BY who, act, partner",
                        recipient_key, give_access_sum, &call, err);
}
