/* SPDX-License-Identifier: Apache-2.0 */
/* A `totals` record into the index: what is left of erased detail of observe mode. */
#include "store/index.h"
#include "store/segment.h"

#include <jansson.h>

struct total {
    json_int_t segment, part;
    const char *day;
};

static enum result add_count(struct journal_index *index, sqlite3_stmt *statement, uint64_t seq,
                             const struct total *total, json_t *entry, struct error *err)
{
    const char *partner, *channel, *reason;
    json_int_t rows;
    if (json_unpack(entry, "{s:s, s:s, s:s, s:I}", "partner", &partner, "channel", &channel,
                    "reason", &reason, "rows", &rows) != 0)
        return index_unreadable(seq, err);
    sqlite3_bind_int64(statement, 1, total->segment);
    sqlite3_bind_text(statement, 2, total->day, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, total->part);
    sqlite3_bind_text(statement, 4, partner, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 5, channel, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 6, reason, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 7, rows);
    return sql_run(index->db, statement, err);
}

enum result index_totals(struct journal_index *index, uint64_t seq, const char *record,
                         size_t length, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    struct total total = {0};
    json_t *counts = NULL;
    json_t *entry = NULL;
    size_t i;
    enum result result = RESULT_OK;
    json_t *json = json_loadb(record, length, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL || json_unpack(json, "{s:I, s:s, s:I, s:o}", "segment", &total.segment, "day",
                                    &total.day, "part", &total.part, "counts", &counts) != 0)
        result = index_unreadable(seq, err);
    if (result == RESULT_OK)
        result =
            sql_prepare(index->db,
                        "INSERT INTO total (segment, day, part, partner, channel, reason, rows)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
                        &statement, err);
    if (result == RESULT_OK)
        json_array_foreach(counts, i, entry)
        {
            if (result == RESULT_OK)
                result = add_count(index, statement, seq, &total, entry, err);
        }
    sqlite3_finalize(statement);
    json_decref(json);
    return result;
}
