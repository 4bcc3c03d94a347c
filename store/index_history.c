/* SPDX-License-Identifier: Apache-2.0 */
/* What the index keeps beside decisions: the configuration's history, the signed checkpoints. */
#include "store/index.h"

static enum result give_records(struct journal_index *index, const char *sql, int64_t since,
                                int64_t until, history_record_fn *on_record, void *arg,
                                struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code;
    enum result result = sql_prepare(index->db, sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, since);
    sqlite3_bind_int64(statement, 2, until);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        if (!on_record(arg, sqlite3_column_int64(statement, 0), sql_text(statement, 1),
                       (size_t)sqlite3_column_bytes(statement, 1)))
            break;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = sql_failure(index->db, "index", err);
    sqlite3_finalize(statement);
    return result;
}

enum result journal_index_configurations(struct journal_index *index, int64_t since, int64_t until,
                                         history_record_fn *on_record, void *arg, struct error *err)
{
    /* All parts of one configuration carry the same moment. */
    return give_records(index,
                        "SELECT at, record FROM configuration WHERE at < ?2 AND at >="
                        " coalesce((SELECT max(at) FROM configuration WHERE at <= ?1), ?1)"
                        " ORDER BY seq",
                        since, until, on_record, arg, err);
}

enum result journal_index_checkpoints(struct journal_index *index, int64_t since, int64_t until,
                                      history_record_fn *on_record, void *arg, struct error *err)
{
    return give_records(index,
                        "SELECT at, record FROM checkpoint WHERE"
                        " seq = (SELECT max(seq) FROM checkpoint WHERE at < ?1)"
                        " OR seq IN (SELECT max(seq) FROM checkpoint WHERE at >= ?1 AND at < ?2"
                        " GROUP BY at / 86400000000)"
                        " OR seq = (SELECT min(seq) FROM checkpoint WHERE at >= ?2) ORDER BY seq",
                        since, until, on_record, arg, err);
}

enum result journal_index_checkpoint(struct journal_index *index, uint64_t row,
                                     history_record_fn *on_record, void *arg, struct error *err)
{
    /* It is the record behind that row. */
    return give_records(index, "SELECT at, record FROM checkpoint WHERE seq = ?1 + 1", (int64_t)row,
                        0, on_record, arg, err);
}
