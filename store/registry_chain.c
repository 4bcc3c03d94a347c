/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain of consent events, in the manner of the journal's: each row carries
 *
 *     hash  = SHA-256(hash of the row before ‖ INNER)
 *     INNER = SHA-256(salt ‖ text)
 *
 * so that a changed, removed or inserted event shows, and one that retention erases (its columns
 * emptied, INNER in place of the salt) does not break what follows. The text is every column of the
 * row in a form no two rows share; docs/REGISTRY.md says which. Before the first event stand 32
 * zero bytes.
 */
#include "base/crypto.h"
#include "store/registry_internal.h"

#include <inttypes.h>
#include <string.h>

/* ---- the canonical text ---- */

/* Length first, so that no two different events share one text. */
static void add_field(struct strbuf *text, const char *value)
{
    size_t length = strlen(value);
    strbuf_add_uint(text, length);
    strbuf_add_char(text, ':');
    strbuf_add(text, value, length);
}

static void add_number(struct strbuf *text, int64_t value)
{
    if (value < 0)
        strbuf_add_char(text, '-');
    strbuf_add_uint(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    strbuf_add_char(text, ';');
}

/* Left in registry->scratch. */
static enum result compose(struct registry *registry, const struct event_record *record,
                           struct error *err)
{
    char key[2 * RECIPIENT_KEY_BYTES + 1];
    struct strbuf *text = &registry->scratch;
    strbuf_clear(text);
    hex_encode(record->recipient_key, RECIPIENT_KEY_BYTES, key);
    add_field(text, key);
    add_field(text, record->channel);
    add_field(text, record->kind);
    add_number(text, record->occurred_at);
    add_field(text, record->form_id != NULL ? record->form_id : "");
    add_number(text, record->form_id != NULL ? record->form_version : 0);
    add_field(text, record->partners);
    add_field(text, record->basis);
    add_field(text, record->supplier);
    add_field(text, record->collector);
    add_field(text, record->evidence);
    return text->failed ? error_no_memory(err) : RESULT_OK;
}

static enum result cannot_hash(struct error *err)
{
    return error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
}

enum result event_digest(struct registry *registry, const struct event_record *record,
                         uint8_t digest[EVENT_DIGEST_BYTES], struct error *err)
{
    uint8_t whole[SHA256_BYTES];
    enum result result = compose(registry, record, err);
    if (result != RESULT_OK)
        return result;
    if (!hasher_pair(&registry->hasher, registry->scratch.data, registry->scratch.length, "", 0,
                     whole))
        return cannot_hash(err);
    memcpy(digest, whole, EVENT_DIGEST_BYTES);
    return RESULT_OK;
}

/* registry->scratch holds what compose made of the record. */
static enum result link_composed(struct registry *registry, const struct event_record *record,
                                 const uint8_t salt[EVENT_SALT_BYTES],
                                 const uint8_t previous[SHA256_BYTES], uint8_t inner[SHA256_BYTES],
                                 uint8_t hash[SHA256_BYTES], struct error *err)
{
    struct strbuf *text = &registry->scratch;
    add_number(text, record->recorded_at);
    add_field(text, record->origin);
    add_number(text, record->id);
    if (text->failed)
        return error_no_memory(err);
    bool ok =
        hasher_pair(&registry->hasher, salt, EVENT_SALT_BYTES, text->data, text->length, inner) &&
        hasher_pair(&registry->hasher, previous, SHA256_BYTES, inner, SHA256_BYTES, hash);
    return ok ? RESULT_OK : cannot_hash(err);
}

enum result event_link(struct registry *registry, const struct event_record *record,
                       const uint8_t salt[EVENT_SALT_BYTES], const uint8_t previous[SHA256_BYTES],
                       uint8_t inner[SHA256_BYTES], uint8_t hash[SHA256_BYTES], struct error *err)
{
    enum result result = compose(registry, record, err);
    return result == RESULT_OK ? link_composed(registry, record, salt, previous, inner, hash, err)
                               : result;
}

/* ---- rows ---- */

enum result event_read(sqlite3_stmt *statement, struct event_record *record_out, struct error *err)
{
    bool has_key = sqlite3_column_type(statement, 1) != SQLITE_NULL;
    bool has_form = sqlite3_column_type(statement, 6) != SQLITE_NULL;
    *record_out = (struct event_record){
        .id = sqlite3_column_int64(statement, 0),
        .recipient_key = has_key ? sqlite3_column_blob(statement, 1) : NULL,
        .channel = sql_text(statement, 2),
        .kind = sql_text(statement, 3),
        .occurred_at = sqlite3_column_int64(statement, 4),
        .recorded_at = sqlite3_column_int64(statement, 5),
        .form_id = has_form ? sql_text(statement, 6) : NULL,
        .form_version = sqlite3_column_int(statement, 7),
        .partners = sql_text(statement, 8),
        .basis = sql_text(statement, 9),
        .supplier = sql_text(statement, 10),
        .collector = sql_text(statement, 11),
        .evidence = sql_text(statement, 12),
        .origin = sql_text(statement, 13),
    };
    if (has_key && (record_out->recipient_key == NULL ||
                    sqlite3_column_bytes(statement, 1) != RECIPIENT_KEY_BYTES))
        return error_set(err, RESULT_DAMAGED, "event %" PRId64 " names nobody", record_out->id);
    return RESULT_OK;
}

enum result event_find_head(struct registry *registry, struct error *err)
{
    sqlite3_stmt *statement;
    bool row;
    if (registry->head.known)
        return RESULT_OK;
    enum result result = registry_prepared(
        registry, STATEMENT_EVENT_LAST,
        "SELECT event_id, hash FROM event ORDER BY event_id DESC LIMIT 1", &statement, err);
    if (result != RESULT_OK)
        return result;
    registry->head = (struct event_head){0};
    result = registry_step(registry, statement, &row, err);
    if (result == RESULT_OK && row) {
        const void *hash = sqlite3_column_blob(statement, 1);
        if (hash == NULL || sqlite3_column_bytes(statement, 1) != SHA256_BYTES)
            result = error_set(err, RESULT_DAMAGED, "the last event has no hash");
        else
            memcpy(registry->head.hash, hash, SHA256_BYTES);
        registry->head.id = sqlite3_column_int64(statement, 0);
    }
    registry_done(statement);
    registry->head.known = result == RESULT_OK;
    return result;
}

/* Each salt is given out once. */
static const uint8_t *next_salt(struct event_salts *salts)
{
    if (salts->left == 0 && !random_bytes(salts->pool, sizeof(salts->pool)))
        return NULL;
    if (salts->left == 0)
        salts->left = sizeof(salts->pool);
    const uint8_t *salt = salts->pool + sizeof(salts->pool) - salts->left;
    salts->left -= EVENT_SALT_BYTES;
    return salt;
}

static void bind_said(sqlite3_stmt *statement, const struct event_record *record)
{
    sqlite3_bind_blob(statement, 2, record->recipient_key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    registry_bind_text(statement, 3, record->channel);
    registry_bind_text(statement, 4, record->kind);
    sqlite3_bind_int64(statement, 5, record->occurred_at);
    sqlite3_bind_int64(statement, 6, record->recorded_at);
    if (record->form_id != NULL) {
        registry_bind_text(statement, 7, record->form_id);
        sqlite3_bind_int(statement, 8, record->form_version);
    }
    registry_bind_text(statement, 9, record->partners);
    registry_bind_text(statement, 10, record->basis);
    registry_bind_text(statement, 11, record->supplier);
    registry_bind_text(statement, 12, record->collector);
    registry_bind_text(statement, 13, record->evidence);
    registry_bind_text(statement, 14, record->origin);
}

/* As retention leaves an event. */
static void bind_nothing_said(sqlite3_stmt *statement)
{
    static const int texts[] = {3, 4, 9, 10, 11, 12, 13, 14};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        registry_bind_text(statement, texts[i], "");
    sqlite3_bind_int64(statement, 5, 0);
    sqlite3_bind_int64(statement, 6, 0);
}

enum result event_append(struct registry *registry, const struct event_record *record, bool erased,
                         struct error *err)
{
    uint8_t inner[SHA256_BYTES], hash[SHA256_BYTES];
    sqlite3_stmt *statement;
    const uint8_t *salt = next_salt(&registry->salts);
    if (salt == NULL)
        return error_set(err, RESULT_SYSTEM, "no random bytes to be had");
    enum result result =
        link_composed(registry, record, salt, registry->head.hash, inner, hash, err);
    if (result == RESULT_OK)
        result = registry_prepared(
            registry, STATEMENT_EVENT_ADD,
            "INSERT INTO event (event_id, recipient_key, channel, kind, occurred_at, recorded_at,"
            " form_id, form_version, partners, basis, supplier, collector, evidence, origin,"
            " salt, hash)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, record->id);
    if (erased)
        bind_nothing_said(statement);
    else
        bind_said(statement, record);
    sqlite3_bind_blob(statement, 15, erased ? inner : salt,
                      erased ? SHA256_BYTES : EVENT_SALT_BYTES, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 16, hash, sizeof(hash), SQLITE_STATIC);
    result = sql_run(registry->db, statement, err);
    if (result != RESULT_OK)
        return result;
    registry->head.id = record->id;
    memcpy(registry->head.hash, hash, sizeof(hash));
    return RESULT_OK;
}

/* ---- erasing ---- */

static enum result blank(struct registry *registry, int64_t id, const uint8_t inner[SHA256_BYTES],
                         struct error *err)
{
    sqlite3_stmt *statement;
    enum result result = registry_prepared(
        registry, STATEMENT_EVENT_ERASE,
        "UPDATE event SET recipient_key = NULL, channel = '', kind = '', occurred_at = 0,"
        " recorded_at = 0, form_id = NULL, form_version = NULL, partners = '', basis = '',"
        " supplier = '', collector = '', evidence = '', origin = '', salt = ?2"
        " WHERE event_id = ?1",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_blob(statement, 2, inner, SHA256_BYTES, SQLITE_STATIC);
    return sql_run(registry->db, statement, err);
}

/* The statement stands on the event and its salt. */
static enum result erase_row(struct registry *registry, sqlite3_stmt *statement, int64_t id,
                             struct error *err)
{
    static const uint8_t nowhere[SHA256_BYTES];
    uint8_t inner[SHA256_BYTES], hash[SHA256_BYTES];
    struct event_record record;
    const void *salt = sqlite3_column_blob(statement, EVENT_COLUMN_COUNT);
    enum result result = event_read(statement, &record, err);
    if (result != RESULT_OK || record.recipient_key == NULL)
        return result;
    if (salt == NULL || sqlite3_column_bytes(statement, EVENT_COLUMN_COUNT) != EVENT_SALT_BYTES)
        return error_set(err, RESULT_DAMAGED, "event %" PRId64 " has no salt", id);
    result = event_link(registry, &record, salt, nowhere, inner, hash, err);
    if (result == RESULT_OK)
        result = standing_drop(registry, standing_id(record.recipient_key, record.id), err);
    if (result == RESULT_OK)
        result = notice_drop(registry, id, err);
    if (result == RESULT_OK)
        result = notice_forget_person(registry, record.recipient_key, err);
    return result == RESULT_OK ? blank(registry, id, inner, err) : result;
}

enum result registry_erase_event(struct registry *registry, int64_t id, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool own, row;
    enum result result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    result = sql_prepare(registry->db,
                         "SELECT " EVENT_COLUMNS ", e.salt FROM event e WHERE e.event_id = ?1",
                         &statement, err);
    if (result == RESULT_OK) {
        sqlite3_bind_int64(statement, 1, id);
        result = registry_step(registry, statement, &row, err);
        if (result == RESULT_OK && !row)
            result = error_set(err, RESULT_NOT_FOUND, "there is no event %" PRId64, id);
        if (result == RESULT_OK)
            result = erase_row(registry, statement, id, err);
    }
    sqlite3_finalize(statement);
    return registry_leave(registry, own, result, err);
}
