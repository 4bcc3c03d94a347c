/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consent events: checked, then appended; never changed, never reordered. What makes two events
 * the same is a digest over all that they say, so that importing a file twice changes nothing.
 *
 * Grants are held to strict rules. Withdrawals and objections are not: one that names an unknown
 * form, an unlisted partner or a moment to come is taken all the same, because refusing it would
 * let messages through.
 */
#include "store/registry_internal.h"

#include "base/clock.h"
#include "base/crypto.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_BYTES 16
#define SUPPLIER_MAX 128

static bool is_stop(enum event_kind kind)
{
    return kind == EVENT_WITHDRAWN || kind == EVENT_OBJECTED;
}

static bool supplier_valid(const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return length <= SUPPLIER_MAX && utf8_valid(text, length);
}

/* ---- checks ---- */

/* Whoever read the event from a table wants to name the column. */
static enum result refused(struct registry *registry, const char *column, enum result result)
{
    if (result == RESULT_BAD_INPUT)
        registry->refused = column;
    return result;
}

static enum result check_channels(const struct event_input *event, struct error *err)
{
    if (event->channels == 0 || event->channels >= CHANNEL_BIT(CHANNEL_COUNT))
        return error_set(err, RESULT_BAD_INPUT, "no channel is named");
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if ((event->channels & CHANNEL_BIT(i)) && !address_fits(event->address_kind, i))
            return error_set(err, RESULT_BAD_INPUT, "%s cannot be reached on channel %s",
                             event->address_kind == ADDRESS_EMAIL ? "an e-mail address"
                                                                  : "a phone number",
                             channel_name(i));
    return RESULT_OK;
}

static enum result check_moment(const struct event_input *event, int64_t now, struct error *err)
{
    if (is_stop(event->kind) || event->occurred_at <= now)
        return RESULT_OK;
    char when[CLOCK_TEXT];
    clock_format_seconds(event->occurred_at, when);
    return error_set(err, RESULT_BAD_INPUT, "%s cannot lie in the future (%s)",
                     event->kind == EVENT_ACTIVE ? "an act of the person" : "a grant", when);
}

/* The form's row number; RESULT_BAD_INPUT when it is not registered. */
static enum result find_form(struct registry *registry, const struct event_input *event,
                             int64_t *form_key_out, struct error *err)
{
    sqlite3_stmt *statement;
    enum result result = registry_prepared(
        registry, STATEMENT_FORM_EXISTS, "SELECT form_key FROM form WHERE id = ?1 AND version = ?2",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    bool found;
    registry_bind_text(statement, 1, event->form_id);
    sqlite3_bind_int(statement, 2, event->form_version);
    result = registry_step(registry, statement, &found, err);
    *form_key_out = sqlite3_column_int64(statement, 0);
    registry_done(statement);
    if (result == RESULT_OK && !found)
        result = error_set(err, RESULT_BAD_INPUT, "form %s@%d is not registered", event->form_id,
                           event->form_version);
    return result;
}

static enum result check_listed(struct registry *registry, const struct event_input *event,
                                int64_t form_key, const char *partner, struct error *err)
{
    sqlite3_stmt *statement;
    enum result result = registry_prepared(
        registry, STATEMENT_PARTNER_LISTED,
        "SELECT 1 FROM form_partner WHERE form_key = ?1 AND partner = ?2", &statement, err);
    if (result != RESULT_OK)
        return result;
    bool found;
    sqlite3_bind_int64(statement, 1, form_key);
    registry_bind_text(statement, 2, partner);
    result = registry_step(registry, statement, &found, err);
    registry_done(statement);
    if (result == RESULT_OK && !found)
        result = error_set(err, RESULT_BAD_INPUT, "partner \"%s\" is not on the list of %s@%d",
                           partner, event->form_id, event->form_version);
    return result;
}

static enum result check_form(struct registry *registry, const struct event_input *event,
                              struct error *err)
{
    if (event->form_id == NULL)
        return RESULT_OK;
    if (!form_id_valid(event->form_id) || event->form_version < 1)
        return refused(registry, "form",
                       error_set(err, RESULT_BAD_INPUT, "the form is not written as ID@VERSION"));
    if (is_stop(event->kind))
        return RESULT_OK;
    int64_t form_key = 0;
    enum result result = refused(registry, "form", find_form(registry, event, &form_key, err));
    for (size_t i = 0; result == RESULT_OK && i < event->n_partners; i++)
        result = refused(registry, "partners",
                         check_listed(registry, event, form_key, event->partners[i], err));
    return result;
}

static enum result check_words(struct registry *registry, const struct event_input *event,
                               struct error *err)
{
    for (size_t i = 0; i < event->n_partners; i++)
        if (!form_partner_valid(event->partners[i]))
            return refused(registry, "partners",
                           error_set(err, RESULT_BAD_INPUT,
                                     "partner %zu of the list is not a partner id", i + 1));
    if (!supplier_valid(event->supplier))
        return refused(registry, "supplier",
                       error_set(err, RESULT_BAD_INPUT,
                                 "the supplier is not one line of at most %d bytes", SUPPLIER_MAX));
    return RESULT_OK;
}

static enum result check_event(struct registry *registry, const struct event_input *event,
                               int64_t now, struct error *err)
{
    enum result result = refused(registry, "channel", check_channels(event, err));
    if (result == RESULT_OK)
        result = refused(registry, "occurred_at", check_moment(event, now, err));
    if (result == RESULT_OK)
        result = check_words(registry, event, err);
    if (result == RESULT_OK)
        result = check_form(registry, event, err);
    return result;
}

/* ---- the canonical text and its digest ---- */

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The list sorted, without repeats, joined: the order in which partners were written means
 * nothing. Left in registry->partners. */
static enum result join_partners(struct registry *registry, const struct event_input *event,
                                 struct error *err)
{
    struct strbuf *joined = &registry->partners;
    strbuf_clear(joined);
    strbuf_add(joined, "", 0);
    if (event->n_partners > 0) {
        const char **sorted = calloc(event->n_partners, sizeof(*sorted));
        if (sorted == NULL)
            return error_no_memory(err);
        memcpy(sorted, event->partners, event->n_partners * sizeof(*sorted));
        qsort(sorted, event->n_partners, sizeof(*sorted), compare_words);
        for (size_t i = 0; i < event->n_partners; i++) {
            if (i > 0 && strcmp(sorted[i - 1], sorted[i]) == 0)
                continue;
            if (i > 0)
                strbuf_add_char(joined, '|');
            strbuf_add_str(joined, sorted[i]);
        }
        free(sorted);
    }
    return joined->failed ? error_no_memory(err) : RESULT_OK;
}

/* Length first, so that no two different events share one text. */
static void add_field(struct strbuf *text, const void *bytes, size_t length)
{
    strbuf_add_uint(text, length);
    strbuf_add_char(text, ':');
    strbuf_add(text, bytes, length);
}

static void add_text(struct strbuf *text, const char *value)
{
    add_field(text, value, strlen(value));
}

static enum result compute_digest(struct registry *registry, const struct event_input *event,
                                  enum channel channel, uint8_t digest[SHA256_BYTES],
                                  struct error *err)
{
    struct strbuf *text = &registry->scratch;
    strbuf_clear(text);
    add_field(text, event->recipient_key, RECIPIENT_KEY_BYTES);
    add_text(text, channel_name(channel));
    add_text(text, event_kind_name(event->kind));
    strbuf_add_format(text, "%" PRId64 ";", event->occurred_at);
    add_text(text, event->form_id != NULL ? event->form_id : "");
    strbuf_add_format(text, "%d;", event->form_id != NULL ? event->form_version : 0);
    add_field(text, registry->partners.data, registry->partners.length);
    add_text(text, basis_name(event->basis));
    add_text(text, event->supplier);
    add_text(text, event->collector);
    add_text(text, event->evidence);
    if (text->failed)
        return error_no_memory(err);
    return sha256(text->data, text->length, digest)
               ? RESULT_OK
               : error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
}

/* ---- writing ---- */

static enum result add_supplier(struct registry *registry, const char *supplier, int64_t now,
                                struct error *err)
{
    sqlite3_stmt *statement;
    enum result result = registry_prepared(
        registry, STATEMENT_SUPPLIER_ADD,
        "INSERT INTO supplier (id, first_seen) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 2, now);
    result = registry_bind_masked(statement, 1, supplier, err);
    return result == RESULT_OK ? sql_run(registry->db, statement, err) : result;
}

static enum result insert_event(struct registry *registry, const struct event_input *event,
                                enum channel channel, const uint8_t *digest, int64_t now,
                                bool *added_out, struct error *err)
{
    sqlite3_stmt *statement;
    enum result result = registry_prepared(
        registry, STATEMENT_EVENT_ADD,
        "INSERT INTO event (digest, recipient_key, channel, kind, occurred_at, recorded_at,"
        " form_id, form_version, partners, basis, supplier, collector, evidence, origin)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
        " ON CONFLICT (digest) DO NOTHING",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(statement, 1, digest, DIGEST_BYTES, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, event->recipient_key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    registry_bind_text(statement, 3, channel_name(channel));
    registry_bind_text(statement, 4, event_kind_name(event->kind));
    sqlite3_bind_int64(statement, 5, event->occurred_at);
    sqlite3_bind_int64(statement, 6, now);
    if (event->form_id != NULL) {
        registry_bind_text(statement, 7, event->form_id);
        sqlite3_bind_int(statement, 8, event->form_version);
    }
    registry_bind_text(statement, 9, registry->partners.data);
    registry_bind_text(statement, 10, basis_name(event->basis));
    const char *const written[] = {event->supplier, event->collector, event->evidence,
                                   event->origin};
    for (int i = 0; i < 4 && result == RESULT_OK; i++)
        result = registry_bind_masked(statement, 11 + i, written[i], err);
    if (result == RESULT_OK)
        result = sql_run(registry->db, statement, err);
    else
        registry_done(statement);
    *added_out = result == RESULT_OK && sqlite3_changes(registry->db) > 0;
    return result;
}

static enum result insert_all(struct registry *registry, const struct event_input *event,
                              int64_t now, unsigned *added_out, struct error *err)
{
    enum result result = RESULT_OK;
    if (event->supplier[0] != '\0')
        result = add_supplier(registry, event->supplier, now, err);
    for (int i = 0; result == RESULT_OK && i < CHANNEL_COUNT; i++) {
        uint8_t digest[SHA256_BYTES];
        bool added = false;
        if (!(event->channels & CHANNEL_BIT(i)))
            continue;
        result = compute_digest(registry, event, i, digest, err);
        if (result == RESULT_OK)
            result = insert_event(registry, event, i, digest, now, &added, err);
        *added_out += added;
    }
    return result;
}

enum result registry_add_event(struct registry *registry, const struct event_input *event,
                               int64_t now, unsigned *added_out, struct error *err)
{
    bool own;
    *added_out = 0;
    enum result result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    result = check_event(registry, event, now, err);
    if (result == RESULT_OK)
        result = join_partners(registry, event, err);
    if (result == RESULT_OK)
        result = insert_all(registry, event, now, added_out, err);
    result = registry_leave(registry, own, result, err);
    if (result != RESULT_OK)
        *added_out = 0;
    return result;
}

/* ---- checking without writing ---- */

/* Digests already checked, in the connection's own temporary file: a repeated line is seen, and
 * the registry's lock is never taken. */
static enum result begin_checking(struct registry *registry, struct error *err)
{
    if (registry->checking)
        return RESULT_OK;
    enum result result =
        sql_exec(registry->db,
                 "CREATE TEMP TABLE checked_event (digest BLOB PRIMARY KEY) WITHOUT ROWID", err);
    registry->checking = result == RESULT_OK;
    return result;
}

static enum result check_digest(struct registry *registry, const uint8_t *digest, bool *new_out,
                                struct error *err)
{
    sqlite3_stmt *statement;
    bool known;
    enum result result = registry_prepared(
        registry, STATEMENT_EVENT_KNOWN, "SELECT 1 FROM event WHERE digest = ?1", &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(statement, 1, digest, DIGEST_BYTES, SQLITE_STATIC);
    result = registry_step(registry, statement, &known, err);
    registry_done(statement);
    *new_out = false;
    if (result != RESULT_OK || known)
        return result;
    result = registry_prepared(
        registry, STATEMENT_EVENT_CHECKED,
        "INSERT INTO temp.checked_event (digest) VALUES (?1) ON CONFLICT (digest) DO NOTHING",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(statement, 1, digest, DIGEST_BYTES, SQLITE_STATIC);
    result = sql_run(registry->db, statement, err);
    *new_out = result == RESULT_OK && sqlite3_changes(registry->db) > 0;
    return result;
}

enum result registry_check_event(struct registry *registry, const struct event_input *event,
                                 int64_t now, unsigned *added_out, struct error *err)
{
    *added_out = 0;
    enum result result = begin_checking(registry, err);
    if (result == RESULT_OK)
        result = check_event(registry, event, now, err);
    if (result == RESULT_OK)
        result = join_partners(registry, event, err);
    for (int i = 0; result == RESULT_OK && i < CHANNEL_COUNT; i++) {
        uint8_t digest[SHA256_BYTES];
        bool is_new = false;
        if (!(event->channels & CHANNEL_BIT(i)))
            continue;
        result = compute_digest(registry, event, i, digest, err);
        if (result == RESULT_OK)
            result = check_digest(registry, digest, &is_new, err);
        *added_out += is_new;
    }
    return result;
}

/* ---- reading ---- */

static enum result read_row(sqlite3_stmt *statement, struct event_row *row, struct error *err)
{
    *row = (struct event_row){
        .id = sqlite3_column_int64(statement, 0),
        .occurred_at = sqlite3_column_int64(statement, 3),
        .recorded_at = sqlite3_column_int64(statement, 4),
        .form_id = (const char *)sqlite3_column_text(statement, 5),
        .form_version = sqlite3_column_int(statement, 6),
        .partners = sql_text(statement, 7),
        .supplier = sql_text(statement, 9),
        .collector = sql_text(statement, 10),
        .evidence = sql_text(statement, 11),
        .origin = sql_text(statement, 12),
    };
    if (!event_kind_parse(sql_text(statement, 1), &row->kind) ||
        !channel_parse(sql_text(statement, 2), &row->channel) ||
        !basis_parse(sql_text(statement, 8), &row->basis))
        return error_set(err, RESULT_DAMAGED, "event %" PRId64 " holds an unknown word", row->id);
    return RESULT_OK;
}

enum result registry_events(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                            event_row_fn *on_row, void *arg, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result =
        sql_prepare(registry->db,
                    "SELECT event_id, kind, channel, occurred_at, recorded_at, form_id,"
                    " form_version, partners, basis, supplier, collector, evidence, origin"
                    " FROM event WHERE recipient_key = ?1 ORDER BY occurred_at, event_id",
                    &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(statement, 1, key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    while (result == RESULT_OK) {
        struct event_row event;
        bool row;
        result = registry_step(registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        result = read_row(statement, &event, err);
        if (result == RESULT_OK && !on_row(arg, &event))
            break;
    }
    sqlite3_finalize(statement);
    return result;
}
