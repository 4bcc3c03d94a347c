/* SPDX-License-Identifier: Apache-2.0 */
/* One record into the index. */
#include "store/index.h"
#include "store/segment.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static enum result unreadable(uint64_t seq, struct error *err)
{
    return error_set(err, RESULT_DAMAGED, "row %" PRIu64 ": the record cannot be read", seq);
}

/* The text lives as long as the JSON, which outlives the statement's step. */
static void bind_text(sqlite3_stmt *statement, int column, const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    if (json_is_string(value))
        sqlite3_bind_text(statement, column, json_string_value(value),
                          (int)json_string_length(value), SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, column);
}

static void bind_number(sqlite3_stmt *statement, int column, const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    if (json_is_integer(value))
        sqlite3_bind_int64(statement, column, json_integer_value(value));
    else
        sqlite3_bind_null(statement, column);
}

static enum result add_decision(struct journal_index *index, uint64_t seq,
                                const uint8_t hash[SHA256_BYTES], const json_t *json,
                                struct error *err)
{
    static const char *const texts[] = {"gateway", "session", "partner",   "stream",  "account",
                                        "channel", "purpose", "recipient", "verdict", "reason",
                                        "effect",  "mode",    "policy",    "provider"};
    sqlite3_stmt *insert = index->insert;
    const char *at = json_string_value(json_object_get(json, "at"));
    const char *hex = json_string_value(json_object_get(json, "recipient_key"));
    uint8_t key[RECIPIENT_KEY_BYTES];
    int64_t instant;
    if (at == NULL || !clock_parse(at, strlen(at), &instant) ||
        !json_is_string(json_object_get(json, "id")) ||
        (hex != NULL && !hex_decode(hex, strlen(hex), key, sizeof(key))))
        return unreadable(seq, err);
    sqlite3_bind_int64(insert, 1, (sqlite3_int64)seq);
    sqlite3_bind_blob(insert, 2, hash, SHA256_BYTES, SQLITE_STATIC);
    bind_text(insert, 3, json, "id");
    sqlite3_bind_int64(insert, 4, instant);
    if (hex != NULL)
        sqlite3_bind_blob(insert, 5, key, sizeof(key), SQLITE_STATIC);
    else
        sqlite3_bind_null(insert, 5);
    bind_number(insert, 6, json, "event");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        bind_text(insert, 7 + (int)i, json, texts[i]);
    return sql_run(index->db, insert, err);
}

static enum result add_outcome(struct journal_index *index, uint64_t seq, const json_t *json,
                               struct error *err)
{
    static const char *const texts[] = {"id",       "outcome",        "effect",
                                        "provider", "provider_reply", "queue_id"};
    if (!json_is_string(json_object_get(json, "id")))
        return unreadable(seq, err);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        bind_text(index->outcome, 1 + (int)i, json, texts[i]);
    bind_number(index->outcome, 7, json, "size");
    return sql_run(index->db, index->outcome, err);
}

enum result index_record(struct journal_index *index, uint64_t seq,
                         const uint8_t hash[SHA256_BYTES], const char *record, size_t length,
                         struct error *err)
{
    enum record_type type = record_type(record, length);
    if (type != RECORD_DECISION && type != RECORD_OUTCOME)
        return RESULT_OK;
    json_t *json = json_loadb(record, length, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL)
        return unreadable(seq, err);
    enum result result = type == RECORD_DECISION ? add_decision(index, seq, hash, json, err)
                                                 : add_outcome(index, seq, json, err);
    json_decref(json);
    return result;
}
