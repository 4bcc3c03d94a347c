/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record into the index. Records as this program writes them are flat, and nearly all hold
 * nothing that is escaped: those are read in place, a tenth of the work of building JSON values.
 * Every other record is read by Jansson, which also has the say on what cannot be read at all.
 */
#include "base/flat.h"
#include "store/index_kind.h"
#include "store/index_pending.h"
#include "store/segment.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Each list in the order in which record.c writes, so that a field is where it is looked for first;
 * but the type, which comes first, is last. */
static const char *const decision_names[] = {
    "id",      "at",      "gateway",   "session",       "partner", "stream", "account",
    "channel", "purpose", "recipient", "recipient_key", "verdict", "reason", "effect",
    "mode",    "policy",  "event",     "provider",      "list",    "row",    "type"};
enum {
    DECISION_ID,
    DECISION_AT,
    DECISION_GATEWAY,
    DECISION_SESSION,
    DECISION_PARTNER,
    DECISION_STREAM,
    DECISION_ACCOUNT,
    DECISION_CHANNEL,
    DECISION_PURPOSE,
    DECISION_RECIPIENT,
    DECISION_KEY,
    DECISION_VERDICT,
    DECISION_REASON,
    DECISION_EFFECT,
    DECISION_MODE,
    DECISION_POLICY,
    DECISION_EVENT,
    DECISION_PROVIDER,
    DECISION_LIST,
    DECISION_ROW
};
static const char *const outcome_names[] = {
    "id",       "at",   "outcome", "effect", "provider", "provider_reply",
    "queue_id", "size", "report",  "type"};
enum {
    OUTCOME_ID,
    OUTCOME_AT,
    OUTCOME_OUTCOME,
    OUTCOME_EFFECT,
    OUTCOME_PROVIDER,
    OUTCOME_REPLY,
    OUTCOME_QUEUE_ID,
    OUTCOME_SIZE,
    OUTCOME_REPORT
};
/* These are in the order of the insert's parameters. */
static const char *const access_names[] = {
    "at",      "recipient_key", "id",     "gateway",   "who",   "act", "partner",
    "channel", "subject",       "answer", "recipient", "count", "type"};
enum { ACCESS_AT, ACCESS_KEY, ACCESS_TEXTS, ACCESS_BOUND = 10 };

/* Where a decision's record has what its kind is made of. */
static const int kind_fields[KIND_TEXTS] = {
    [TALLY_PARTNER] = DECISION_PARTNER, [TALLY_STREAM] = DECISION_STREAM,
    [TALLY_CHANNEL] = DECISION_CHANNEL, [TALLY_PURPOSE] = DECISION_PURPOSE,
    [TALLY_VERDICT] = DECISION_VERDICT, [TALLY_REASON] = DECISION_REASON,
    [TALLY_EFFECT] = DECISION_EFFECT,   [TALLY_MODE] = DECISION_MODE,
    [TALLY_POLICY] = DECISION_POLICY,
};

static void fields_name(struct fields *fields, const char *const *names, size_t count)
{
    fields->names = names;
    fields->count = count;
    memset(fields->all, 0, count * sizeof(fields->all[0]));
}

static bool is_named(const char *wanted, const char *name, size_t length)
{
    return wanted[0] == name[0] && strncmp(wanted, name, length) == 0 && wanted[length] == '\0';
}

/* The count when there is none. */
static size_t field_place(const struct fields *fields, const char *name, size_t length)
{
    for (size_t i = 0; i < fields->count; i++)
        if (is_named(fields->names[i], name, length))
            return i;
    return fields->count;
}

/* ---- in place ---- */

static bool scan_value(const char **at, const char *end, struct field *field)
{
    if (end - *at >= 4 && memcmp(*at, "null", 4) == 0) {
        *at += 4;
        return true;
    }
    if (end - *at >= 4 && memcmp(*at, "true", 4) == 0) {
        *at += 4;
        field->is_number = true;
        field->number = 1;
        return true;
    }
    if (flat_text(at, end, &field->text, &field->length))
        return true;
    field->is_number = flat_number(at, end, &field->number);
    return field->is_number;
}

/* The name that is expected there, and the colon. */
static bool scan_expected(const char **at, const char *end, const char *name)
{
    size_t length = strlen(name);
    if ((size_t)(end - *at) < length + 3 || **at != '"' || memcmp(*at + 1, name, length) != 0 ||
        (*at)[length + 1] != '"' || (*at)[length + 2] != ':')
        return false;
    *at += length + 3;
    return true;
}

/* *place: in, where the name is looked for first; out, where it is. */
static bool scan_name(const char **at, const char *end, const struct fields *fields, size_t *place)
{
    const char *name;
    size_t length;
    if (*place == fields->count)
        *place = 0;
    if (scan_expected(at, end, fields->names[*place]))
        return true;
    if (!flat_text(at, end, &name, &length) || *at >= end || *(*at)++ != ':')
        return false;
    *place = field_place(fields, name, length);
    return *place < fields->count;
}

/* False for whatever is not plain; that is no judgement. */
static bool scan_record(struct fields *fields, const char *record, size_t length)
{
    const char *at = record;
    const char *end = record + length;
    size_t place = fields->count - 1;
    if (length < 2 || *at++ != '{')
        return false;
    do {
        if (!scan_name(&at, end, fields, &place) || fields->all[place].seen ||
            !scan_value(&at, end, &fields->all[place]))
            return false;
        fields->all[place++].seen = true;
    } while (at < end && *at++ == ',');
    return at == end && at[-1] == '}';
}

/* ---- by Jansson ---- */

/* The texts live as long as the JSON. */
static void fields_of_json(struct fields *fields, const json_t *json)
{
    for (size_t i = 0; i < fields->count; i++) {
        struct field *field = &fields->all[i];
        const json_t *value = json_object_get(json, fields->names[i]);
        *field = (struct field){0};
        if (json_is_string(value)) {
            field->text = json_string_value(value);
            field->length = json_string_length(value);
        } else if (json_is_integer(value)) {
            field->number = json_integer_value(value);
            field->is_number = true;
        } else if (json_is_true(value)) {
            field->number = 1;
            field->is_number = true;
        }
    }
}

/* ---- into the tables ---- */

enum result index_unreadable(uint64_t seq, struct error *err)
{
    return error_set(err, RESULT_DAMAGED, "row %" PRIu64 ": the record cannot be read", seq);
}

static void bind_text(sqlite3_stmt *statement, int column, const struct field *field)
{
    if (field->text != NULL)
        sqlite3_bind_text(statement, column, field->text, (int)field->length, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, column);
}

static void bind_number(sqlite3_stmt *statement, int column, const struct field *field)
{
    if (field->is_number)
        sqlite3_bind_int64(statement, column, field->number);
    else
        sqlite3_bind_null(statement, column);
}

/* out must stay as it is until the statement has run. False when it is text and not the hex of 32
 * bytes. */
static bool bind_hex(sqlite3_stmt *statement, int column, const struct field *field,
                     uint8_t out[SHA256_BYTES])
{
    if (field->text == NULL)
        return sqlite3_bind_null(statement, column) == SQLITE_OK;
    if (!hex_decode(field->text, field->length, out, SHA256_BYTES))
        return false;
    sqlite3_bind_blob(statement, column, out, SHA256_BYTES, SQLITE_STATIC);
    return true;
}

/* Counts it, and finds its kind and origin. */
static enum result count_decision(struct journal_index *index, const struct field *all,
                                  struct pending_decision *decision, struct error *err)
{
    struct index_kind kind = {.listed = all[DECISION_LIST].text != NULL};
    decision->origin = ORIGIN_NONE;
    for (size_t i = 0; i < KIND_TEXTS; i++) {
        const struct field *field = &all[kind_fields[i]];
        kind.texts[i] = (struct index_text){field->text, field->length};
    }
    enum result result = index_kind(index, &kind, &decision->kind, err);
    if (result == RESULT_OK && all[DECISION_EVENT].is_number)
        result = index_origin(index, all[DECISION_EVENT].number, &decision->origin, err);
    if (result == RESULT_OK)
        result = index_count(index, decision->at, decision->kind, decision->origin, 1, err);
    return result;
}

/* outcome may be NULL. The parameters are those of index.c. */
static enum result insert_decision(struct journal_index *index,
                                   const struct pending_decision *decision, const struct field *all,
                                   const struct field *outcome, struct error *err)
{
    static const struct field nothing[FIELDS_MAX];
    uint8_t key[SHA256_BYTES];
    uint8_t list[SHA256_BYTES];
    sqlite3_stmt *insert = index->insert;
    if (!bind_hex(insert, 10, &all[DECISION_KEY], key) ||
        !bind_hex(insert, 13, &all[DECISION_LIST], list))
        return index_unreadable(decision->seq, err);
    if (outcome == NULL)
        outcome = nothing;
    bool took_over = outcome[OUTCOME_PROVIDER].text != NULL;
    sqlite3_bind_int64(insert, 1, (sqlite3_int64)decision->seq);
    sqlite3_bind_blob(insert, 2, decision->hash, SHA256_BYTES, SQLITE_STATIC);
    bind_text(insert, 3, &all[DECISION_ID]);
    sqlite3_bind_int64(insert, 4, decision->at);
    bind_text(insert, 5, &all[DECISION_GATEWAY]);
    bind_text(insert, 6, &all[DECISION_SESSION]);
    bind_text(insert, 7, &all[DECISION_ACCOUNT]);
    bind_text(insert, 8, &all[DECISION_CHANNEL]);
    bind_text(insert, 9, &all[DECISION_RECIPIENT]);
    bind_number(insert, 11, &all[DECISION_EVENT]);
    bind_text(insert, 12, took_over ? &outcome[OUTCOME_PROVIDER] : &all[DECISION_PROVIDER]);
    bind_number(insert, 14, &all[DECISION_ROW]);
    sqlite3_bind_int64(insert, 15, decision->kind);
    sqlite3_bind_int64(insert, 16, decision->origin);
    bind_text(insert, 17, &outcome[OUTCOME_OUTCOME]);
    bind_text(insert, 18, &outcome[OUTCOME_REPLY]);
    bind_text(insert, 19, &outcome[OUTCOME_QUEUE_ID]);
    bind_number(insert, 20, &outcome[OUTCOME_SIZE]);
    bind_number(insert, 21, &outcome[OUTCOME_REPORT]);
    return sql_run(index->db, insert, err);
}

enum result index_rows_flush(struct journal_index *index, struct error *err)
{
    enum result result = RESULT_OK;
    for (size_t i = 0; result == RESULT_OK && i < pending_count(index); i++) {
        const struct pending_decision *each = pending_at(index, i);
        result = insert_decision(index, each, each->decision->fields.all,
                                 each->outcome != NULL ? each->outcome->fields.all : NULL, err);
    }
    pending_clear(index);
    return result;
}

void index_rows_forget(struct journal_index *index)
{
    pending_clear(index);
}

/* in_place: the fields lie in record, which is copied; else it is inserted at once. */
static enum result add_decision(struct journal_index *index, struct pending_decision *decision,
                                const struct fields *fields, const char *record, size_t length,
                                bool in_place, struct error *err)
{
    const struct field *all = fields->all;
    bool full = false;
    if (all[DECISION_AT].text == NULL || all[DECISION_ID].text == NULL ||
        !clock_parse(all[DECISION_AT].text, all[DECISION_AT].length, &decision->at))
        return index_unreadable(decision->seq, err);
    enum result result = count_decision(index, all, decision, err);
    if (result != RESULT_OK)
        return result;
    if (!in_place)
        return insert_decision(index, decision, all, NULL, err);
    result = pending_add(index, decision, fields, record, length, &full, err);
    if (result == RESULT_OK && full) {
        result = index_rows_flush(index, err);
        if (result == RESULT_OK)
            result = pending_add(index, decision, fields, record, length, &full, err);
    }
    return result;
}

/* The decision turned out otherwise: it is of another kind. */
static enum result move_effect(struct journal_index *index, const struct field *effect,
                               struct error *err)
{
    sqlite3_stmt *found = index->other_effect;
    int64_t seq = sqlite3_column_int64(found, 0);
    int64_t instant = sqlite3_column_int64(found, 1);
    int64_t before = sqlite3_column_int64(found, 2);
    int64_t origin = sqlite3_column_int64(found, 3);
    int64_t after;
    enum result result =
        index_kind_effect(index, before, effect->text, effect->length, &after, err);
    if (result == RESULT_OK)
        result = index_count(index, instant, before, origin, -1, err);
    if (result == RESULT_OK)
        result = index_count(index, instant, after, origin, 1, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(index->move_effect, 1, seq);
    sqlite3_bind_int64(index->move_effect, 2, after);
    return sql_run(index->db, index->move_effect, err);
}

/* *moved_out: there was one, and perhaps there is another. */
static enum result move_one(struct journal_index *index, const struct fields *fields,
                            bool *moved_out, struct error *err)
{
    const struct field *effect = &fields->all[OUTCOME_EFFECT];
    enum result result = RESULT_OK;
    if (index->other_effect == NULL)
        result = sql_prepare(index->db,
                             "SELECT seq, at, kind, origin FROM entry WHERE id = ?1"
                             " AND effect IS NOT ?2 LIMIT 1",
                             &index->other_effect, err);
    if (result == RESULT_OK && index->move_effect == NULL)
        result = sql_prepare(index->db, "UPDATE decision SET kind = ?2 WHERE seq = ?1",
                             &index->move_effect, err);
    if (result != RESULT_OK)
        return result;
    bind_text(index->other_effect, 1, &fields->all[OUTCOME_ID]);
    bind_text(index->other_effect, 2, effect);
    int code = sqlite3_step(index->other_effect);
    *moved_out = code == SQLITE_ROW;
    if (code == SQLITE_ROW)
        result = move_effect(index, effect, err);
    else if (code != SQLITE_DONE)
        result = sql_failure(index->db, "index", err);
    sqlite3_reset(index->other_effect);
    sqlite3_clear_bindings(index->other_effect);
    return result;
}

static enum result update_outcome(struct journal_index *index, const struct fields *fields,
                                  struct error *err)
{
    static const int texts[] = {OUTCOME_ID,       OUTCOME_OUTCOME, OUTCOME_EFFECT,
                                OUTCOME_PROVIDER, OUTCOME_REPLY,   OUTCOME_QUEUE_ID};
    enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };
    for (int i = 0; i < TEXTS; i++)
        bind_text(index->outcome, 1 + i, &fields->all[texts[i]]);
    bind_number(index->outcome, TEXTS + 1, &fields->all[OUTCOME_SIZE]);
    bind_number(index->outcome, TEXTS + 2, &fields->all[OUTCOME_REPORT]);
    return sql_run(index->db, index->outcome, err);
}

static bool as_decided(const struct field *outcome, const struct field *decision)
{
    const struct field *effect = &outcome[OUTCOME_EFFECT];
    const struct field *decided = &decision[DECISION_EFFECT];
    return effect->text == NULL || (decided->text != NULL && decided->length == effect->length &&
                                    memcmp(decided->text, effect->text, effect->length) == 0);
}

/* For the decisions that wait. *settled_out: some turned out as decided. */
static enum result settle_pending(struct journal_index *index, const struct fields *fields,
                                  const char *record, size_t length, bool *settled_out,
                                  struct error *err)
{
    const struct field *id = &fields->all[OUTCOME_ID];
    struct pending_decision *each = pending_first(index, id);
    for (; each != NULL; each = pending_next(index, each, id)) {
        if (!as_decided(fields->all, each->decision->fields.all))
            continue;
        each->outcome = pending_copy(fields, record, length);
        if (each->outcome == NULL)
            return error_no_memory(err);
        *settled_out = true;
    }
    return RESULT_OK;
}

/* A second outcome takes over but some of the first: that is left to the table, as is what does
 * not lie in place. */
static bool may_settle(struct journal_index *index, const struct field *id)
{
    struct pending_decision *each = pending_first(index, id);
    while (each != NULL && each->outcome == NULL)
        each = pending_next(index, each, id);
    return each == NULL;
}

/* Nearly all turn out as decided, so that is tried first. Others with this id may be in the table
 * already. */
static enum result add_outcome(struct journal_index *index, uint64_t seq,
                               const struct fields *fields, const char *record, size_t length,
                               bool in_place, struct error *err)
{
    const struct field *id = &fields->all[OUTCOME_ID];
    bool settled = false;
    bool moved = false;
    enum result result = RESULT_OK;
    if (id->text == NULL)
        return index_unreadable(seq, err);
    if (!in_place || !may_settle(index, id))
        result = index_rows_flush(index, err);
    else
        result = settle_pending(index, fields, record, length, &settled, err);
    if (result == RESULT_OK)
        result = update_outcome(index, fields, err);
    if (result != RESULT_OK || settled || sqlite3_changes(index->db) > 0 ||
        fields->all[OUTCOME_EFFECT].text == NULL)
        return result;
    result = index_rows_flush(index, err);
    if (result == RESULT_OK)
        result = move_one(index, fields, &moved, err);
    return result == RESULT_OK && moved ? update_outcome(index, fields, err) : result;
}

static enum result add_access(struct journal_index *index, uint64_t seq,
                              const struct fields *fields, struct error *err)
{
    const struct field *all = fields->all;
    enum result result = RESULT_OK;
    uint8_t key[SHA256_BYTES];
    int64_t instant;
    if (all[ACCESS_KEY].text == NULL)
        return RESULT_OK;
    if (index->access == NULL)
        result = sql_prepare(index->db,
                             "INSERT INTO access (seq, at, recipient_key, id, gateway, who, act,"
                             " partner, channel, subject, answer) VALUES"
                             " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                             &index->access, err);
    if (result != RESULT_OK)
        return result;
    if (all[ACCESS_AT].text == NULL ||
        !clock_parse(all[ACCESS_AT].text, all[ACCESS_AT].length, &instant) ||
        !bind_hex(index->access, 3, &all[ACCESS_KEY], key))
        return index_unreadable(seq, err);
    sqlite3_bind_int64(index->access, 1, (sqlite3_int64)seq);
    sqlite3_bind_int64(index->access, 2, instant);
    for (int i = ACCESS_TEXTS; i < ACCESS_BOUND; i++)
        bind_text(index->access, 2 + i, &all[i]);
    return sql_run(index->db, index->access, err);
}

/* Records that come seldom and are read as a whole: the text and its moment are all that is kept.
 */
static enum result add_whole(struct journal_index *index, const char *table, uint64_t seq,
                             const char *record, size_t length, struct error *err)
{
    char sql[120];
    sqlite3_stmt *insert = NULL;
    int64_t instant;
    json_t *json = json_loadb(record, length, JSON_REJECT_DUPLICATES, NULL);
    const char *at = json_string_value(json_object_get(json, "at"));
    bool readable = at != NULL && clock_parse(at, strlen(at), &instant);
    json_decref(json);
    if (!readable)
        return index_unreadable(seq, err);
    snprintf(sql, sizeof(sql),
             "INSERT INTO %s (seq, at, record) VALUES (?1, ?2, ?3) ON CONFLICT (seq) DO NOTHING",
             table);
    enum result result = sql_prepare(index->db, sql, &insert, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(insert, 1, (sqlite3_int64)seq);
    sqlite3_bind_int64(insert, 2, instant);
    sqlite3_bind_text(insert, 3, record, (int)length, SQLITE_STATIC);
    result = sql_run(index->db, insert, err);
    sqlite3_finalize(insert);
    return result;
}

enum result index_record(struct journal_index *index, uint64_t seq,
                         const uint8_t hash[SHA256_BYTES], const char *record, size_t length,
                         struct error *err)
{
    enum record_type type = record_type(record, length);
    struct fields fields;
    json_t *json = NULL;
    enum result result = RESULT_OK;
    if (type != RECORD_DECISION && type != RECORD_OUTCOME && type != RECORD_ACCESS)
        result = index_rows_flush(index, err);
    if (result != RESULT_OK)
        return result;
    if (type == RECORD_DECISION)
        fields_name(&fields, decision_names, sizeof(decision_names) / sizeof(decision_names[0]));
    else if (type == RECORD_OUTCOME)
        fields_name(&fields, outcome_names, sizeof(outcome_names) / sizeof(outcome_names[0]));
    else if (type == RECORD_ACCESS)
        fields_name(&fields, access_names, sizeof(access_names) / sizeof(access_names[0]));
    else if (type == RECORD_SCREENING || type == RECORD_SCREENED)
        return index_screening(index, seq, record, length, err);
    else if (type == RECORD_TOTALS)
        return index_totals(index, seq, record, length, err);
    else if (type == RECORD_PURGING)
        return index_purging(index, seq, record, length, err);
    else if (type == RECORD_CONFIGURATION)
        return add_whole(index, "configuration", seq, record, length, err);
    else if (type == RECORD_CHECKPOINT)
        return add_whole(index, "checkpoint", seq, record, length, err);
    else
        return RESULT_OK;
    bool in_place = scan_record(&fields, record, length);
    if (!in_place) {
        json = json_loadb(record, length, JSON_REJECT_DUPLICATES, NULL);
        if (json == NULL)
            return index_unreadable(seq, err);
        fields_of_json(&fields, json);
    }
    if (type == RECORD_DECISION) {
        struct pending_decision decision = {.seq = seq};
        memcpy(decision.hash, hash, SHA256_BYTES);
        result = add_decision(index, &decision, &fields, record, length, in_place, err);
    } else if (type == RECORD_OUTCOME) {
        result = add_outcome(index, seq, &fields, record, length, in_place, err);
    } else {
        result = add_access(index, seq, &fields, err);
    }
    json_decref(json);
    return result;
}
