/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Screenings in the index: their begin and end as the journal tells them, and what a screening that
 * was interrupted needs to go on exactly where it stopped. A decision says which row of the list it
 * is about, so that rows which retention took out of the middle are noticed and never made good by
 * guessing.
 */
#include "store/index.h"
#include "store/segment.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- in ---- */

static const char *text_of(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static enum result begin(struct journal_index *index, uint64_t seq, const json_t *json, int64_t at,
                         struct error *err)
{
    static const char *const texts[] = {"gateway", "partner", "channel", "purpose", "name"};
    uint8_t list[SHA256_BYTES];
    sqlite3_stmt *statement = NULL;
    const char *hex = text_of(json, "list");
    if (hex == NULL || !hex_decode(hex, strlen(hex), list, sizeof(list)))
        return index_unreadable(seq, err);
    enum result result =
        sql_prepare(index->db,
                    "INSERT OR IGNORE INTO screening (seq, id, at, list, gateway, partner, channel,"
                    " purpose, name) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)seq);
    sqlite3_bind_text(statement, 2, text_of(json, "id"), -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, at);
    sqlite3_bind_blob(statement, 4, list, sizeof(list), SQLITE_STATIC);
    for (int i = 0; i < (int)(sizeof(texts) / sizeof(texts[0])); i++)
        sqlite3_bind_text(statement, 5 + i, text_of(json, texts[i]), -1, SQLITE_STATIC);
    result = sql_run(index->db, statement, err);
    sqlite3_finalize(statement);
    return result;
}

static enum result end(struct journal_index *index, const json_t *json, int64_t at,
                       struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(
        index->db, "UPDATE screening SET ended_at = ?2, rows = ?3, passed = ?4 WHERE id = ?1",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_text(statement, 1, text_of(json, "id"), -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, at);
    sqlite3_bind_int64(statement, 3, json_integer_value(json_object_get(json, "rows")));
    sqlite3_bind_int64(statement, 4, json_integer_value(json_object_get(json, "passed")));
    result = sql_run(index->db, statement, err);
    sqlite3_finalize(statement);
    return result;
}

enum result index_screening(struct journal_index *index, uint64_t seq, const char *record,
                            size_t length, struct error *err)
{
    json_t *json = json_loadb(record, length, JSON_REJECT_DUPLICATES, NULL);
    const char *when = text_of(json, "at");
    int64_t at;
    enum result result;
    if (when == NULL || text_of(json, "id") == NULL || !clock_parse(when, strlen(when), &at))
        result = index_unreadable(seq, err);
    else if (record_type(record, length) == RECORD_SCREENING)
        result = begin(index, seq, json, at, err);
    else
        result = end(index, json, at, err);
    json_decref(json);
    return result;
}

/* ---- out ---- */

enum result journal_index_screening(struct journal_index *index, const uint8_t list[SHA256_BYTES],
                                    const char *partner, enum channel channel,
                                    struct listed_screening *screening_out, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result =
        sql_prepare(index->db,
                    "SELECT id, at, ended_at IS NOT NULL, (SELECT count(DISTINCT list_row)"
                    " FROM decision d WHERE d.session = s.id AND d.list IS NOT NULL), passed"
                    " FROM screening s"
                    " WHERE list = ?1 AND partner = ?2 AND channel = ?3"
                    " ORDER BY ended_at IS NOT NULL, seq DESC LIMIT 1",
                    &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(statement, 1, list, SHA256_BYTES, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, partner, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, channel_name(channel), -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        str_copy(screening_out->id, sizeof(screening_out->id), sql_text(statement, 0));
        screening_out->at = sqlite3_column_int64(statement, 1);
        screening_out->ended = sqlite3_column_int(statement, 2) != 0;
        screening_out->decisions = (uint64_t)sqlite3_column_int64(statement, 3);
        screening_out->passed = (uint64_t)sqlite3_column_int64(statement, 4);
    } else if (code == SQLITE_DONE) {
        result = error_set(err, RESULT_NOT_FOUND, "the list was not screened before");
    } else {
        result = sql_failure(index->db, "index", err);
    }
    sqlite3_finalize(statement);
    return result;
}

struct listed_decisions {
    struct journal_index *index; /* borrowed */
    sqlite3_stmt *statement;     /* owned */
    char *screening;             /* owned */
    uint64_t row;                /* the last one given */
};

enum result journal_index_decisions(struct journal_index *index, const char *screening,
                                    struct listed_decisions **decisions_out, struct error *err)
{
    struct listed_decisions *decisions = calloc(1, sizeof(*decisions));
    if (decisions == NULL)
        return error_no_memory(err);
    enum result result = RESULT_OK;
    decisions->index = index;
    decisions->screening = strdup(screening);
    if (decisions->screening == NULL)
        result = error_no_memory(err);
    if (result == RESULT_OK)
        result = sql_prepare(index->db,
                             "SELECT list_row, id, recipient_key, verdict, reason FROM entry"
                             " WHERE session = ?1 AND list IS NOT NULL"
                             " ORDER BY list_row, seq DESC",
                             &decisions->statement, err);
    if (result != RESULT_OK) {
        listed_decisions_free(&decisions);
        return result;
    }
    sqlite3_bind_text(decisions->statement, 1, decisions->screening, -1, SQLITE_STATIC);
    *decisions_out = decisions;
    return RESULT_OK;
}

enum result listed_decisions_next(struct listed_decisions *decisions, bool *row_out,
                                  struct listed_decision *decision, struct error *err)
{
    sqlite3_stmt *statement = decisions->statement;
    int code;
    do /* what was corrected afterwards stands behind its correction */
        code = sqlite3_step(statement);
    while (code == SQLITE_ROW && decisions->row > 0 &&
           (uint64_t)sqlite3_column_int64(statement, 0) == decisions->row);
    *row_out = code == SQLITE_ROW;
    if (code == SQLITE_DONE)
        return RESULT_OK;
    if (code != SQLITE_ROW)
        return sql_failure(decisions->index->db, "index", err);
    bool keyed = sqlite3_column_bytes(statement, 2) == RECIPIENT_KEY_BYTES;
    decision->row = (uint64_t)sqlite3_column_int64(statement, 0);
    decision->id = sql_text(statement, 1);
    decision->recipient_key = keyed ? sqlite3_column_blob(statement, 2) : NULL;
    if (decision->row != decisions->row + 1 ||
        !verdict_parse(sql_text(statement, 3), &decision->verdict) ||
        !reason_parse(sql_text(statement, 4), &decision->reason))
        return error_set(err, RESULT_DAMAGED,
                         "the journal no longer holds all decisions of screening %s (row %" PRIu64
                         " is missing)",
                         decisions->screening, decisions->row + 1);
    decisions->row = decision->row;
    return RESULT_OK;
}

void listed_decisions_free(struct listed_decisions **decisions)
{
    if (*decisions == NULL)
        return;
    sqlite3_finalize((*decisions)->statement);
    free((*decisions)->screening);
    free(*decisions);
    *decisions = NULL;
}
