/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the index knows of retention: up to when decisions were erased, and what was let through
 * under observation. A report that does not say so would take silence for a record.
 */
#include "store/index.h"
#include "store/segment.h"

#include <jansson.h>
#include <string.h>

static bool instant_of(const json_t *json, const char *name, int64_t *instant_out)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text != NULL && clock_parse(text, strlen(text), instant_out);
}

enum result index_purging(struct journal_index *index, uint64_t seq, const char *record,
                          size_t length, struct error *err)
{
    int64_t journal, detail;
    sqlite3_stmt *insert = NULL;
    json_t *json = json_loadb(record, length, JSON_REJECT_DUPLICATES, NULL);
    bool readable = instant_of(json, "journal_before", &journal) &&
                    instant_of(json, "observe_detail_before", &detail);
    json_decref(json);
    if (!readable)
        return index_unreadable(seq, err);
    enum result result = sql_prepare(index->db,
                                     "INSERT INTO purging (seq, journal, detail)"
                                     " VALUES (?1, ?2, ?3) ON CONFLICT (seq) DO NOTHING",
                                     &insert, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(insert, 1, (sqlite3_int64)seq);
    sqlite3_bind_int64(insert, 2, journal);
    sqlite3_bind_int64(insert, 3, detail);
    result = sql_run(index->db, insert, err);
    sqlite3_finalize(insert);
    return result;
}

/* A journal younger than the limit has lost nothing. Configurations and checkpoints are never
 * erased, so the oldest of them says how far back it went. What a longer period brings later does
 * not bring anything back: the latest limit counts. */
enum result journal_index_erased(struct journal_index *index, struct journal_erased *erased_out,
                                 struct error *err)
{
    sqlite3_stmt *statement = NULL;
    *erased_out = (struct journal_erased){0};
    enum result result =
        sql_prepare(index->db,
                    "SELECT coalesce(max(CASE WHEN"
                    " (SELECT min(at) FROM configuration) < journal OR"
                    " (SELECT min(at) FROM checkpoint) < journal THEN journal END), 0),"
                    " coalesce(max(CASE WHEN EXISTS (SELECT 1 FROM total) THEN detail END), 0)"
                    " FROM purging",
                    &statement, err);
    if (result != RESULT_OK)
        return result;
    if (sqlite3_step(statement) == SQLITE_ROW) {
        erased_out->decisions_before = sqlite3_column_int64(statement, 0);
        erased_out->detail_before = sqlite3_column_int64(statement, 1);
    } else {
        result = sql_failure(index->db, "index", err);
    }
    sqlite3_finalize(statement);
    return result;
}
