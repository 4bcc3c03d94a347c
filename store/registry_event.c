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

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
    struct registry_seen *seen = &registry->seen;
    sqlite3_stmt *statement;
    if (registry->in_transaction && seen->form_version == event->form_version &&
        strcmp(seen->form_id, event->form_id) == 0) {
        *form_key_out = seen->form_key;
        return RESULT_OK;
    }
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
    if (result != RESULT_OK || !str_copy(seen->form_id, sizeof(seen->form_id), event->form_id))
        seen->form_id[0] = '\0';
    seen->form_version = event->form_version;
    seen->form_key = *form_key_out;
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

/* ---- the event as it rests in the file ---- */

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

enum { FREE_TEXTS = 4 };

/* Free text comes to rest with its e-mail addresses masked; what is without one is used as it is.
 * The masked copies live in registry->masked until the next event. */
static enum result mask_texts(struct registry *registry, const char *const given[FREE_TEXTS],
                              const char *out[FREE_TEXTS], struct error *err)
{
    struct strbuf *masked = &registry->masked;
    size_t places[FREE_TEXTS];
    bool has_email[FREE_TEXTS];
    strbuf_clear(masked);
    for (int i = 0; i < FREE_TEXTS; i++) {
        out[i] = given[i];
        has_email[i] = text_has_email(given[i]);
        if (!has_email[i])
            continue;
        places[i] = masked->length;
        text_hide_emails(given[i], masked);
        strbuf_add_char(masked, '\0');
    }
    if (masked->failed)
        return error_no_memory(err);
    for (int i = 0; i < FREE_TEXTS; i++)
        if (has_email[i])
            out[i] = masked->data + places[i];
    return RESULT_OK;
}

/* All but the channel, which differs, and the number, which is given last. */
static enum result make_record(struct registry *registry, const struct event_input *event,
                               int64_t now, struct event_record *record_out, struct error *err)
{
    const char *const given[FREE_TEXTS] = {event->supplier, event->collector, event->evidence,
                                           event->origin};
    const char *texts[FREE_TEXTS];
    enum result result = join_partners(registry, event, err);
    if (result == RESULT_OK)
        result = mask_texts(registry, given, texts, err);
    if (result != RESULT_OK)
        return result;
    *record_out = (struct event_record){
        .recipient_key = event->recipient_key,
        .kind = event_kind_name(event->kind),
        .occurred_at = event->occurred_at,
        .recorded_at = now,
        .form_id = event->form_id,
        .form_version = event->form_version,
        .partners = registry->partners.data,
        .basis = basis_name(event->basis),
        .supplier = texts[0],
        .collector = texts[1],
        .evidence = texts[2],
        .origin = texts[3],
    };
    return RESULT_OK;
}

/* ---- writing ---- */

static enum result add_supplier(struct registry *registry, const char *supplier, int64_t now,
                                struct error *err)
{
    struct registry_seen *seen = &registry->seen;
    sqlite3_stmt *statement;
    if (strcmp(seen->supplier, supplier) == 0)
        return RESULT_OK;
    enum result result = registry_prepared(
        registry, STATEMENT_SUPPLIER_ADD,
        "INSERT INTO supplier (id, first_seen) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, supplier);
    sqlite3_bind_int64(statement, 2, now);
    result = sql_run(registry->db, statement, err);
    if (result != RESULT_OK || !str_copy(seen->supplier, sizeof(seen->supplier), supplier))
        seen->supplier[0] = '\0';
    return result;
}

static enum result check_crowd(struct registry *registry, const struct event_input *event,
                               uint64_t rows, struct error *err)
{
    if (is_stop(event->kind) || rows < RECIPIENT_EVENTS_MOST)
        return RESULT_OK;
    return refused(
        registry, "recipient",
        error_set(err, RESULT_BAD_INPUT,
                  "the recipient has %d events on record or more: no person's address is "
                  "on so many lists",
                  RECIPIENT_EVENTS_MOST));
}

/* A placeholder, not a person: a "no" is taken if it says anything. */
static enum result check_said(struct registry *registry, const struct event_input *event,
                              const struct event_record *record, uint64_t rows, bool *known,
                              struct error *err)
{
    struct stop_standing standing;
    struct stop_scope scope = {.kind = event->kind,
                               .partner = event->n_partners > 0 ? event->partners[0] : NULL};
    if (*known || !is_stop(event->kind) || rows < RECIPIENT_EVENTS_MOST || event->n_partners > 1 ||
        event->collector[0] != '\0' || !channel_parse(record->channel, &scope.channel))
        return RESULT_OK;
    enum result result = registry_find_stop(registry, event->recipient_key, &scope,
                                            event->occurred_at, &standing, err);
    *known = result == RESULT_OK && standing.said;
    return result;
}

/* Refused by its first new channel or not at all: then nothing of it was written. */
static enum result add_record(struct registry *registry, const struct event_input *event,
                              struct event_record *record, unsigned *added, struct error *err)
{
    uint8_t digest[EVENT_DIGEST_BYTES];
    bool known = false;
    unsigned rows = 0;
    record->id = registry->head.id + 1;
    enum result result = event_digest(registry, record, digest, err);
    if (result == RESULT_OK)
        result = standing_known(registry, record, digest, &known, &rows, err);
    if (result == RESULT_OK)
        result = check_said(registry, event, record, rows, &known, err);
    if (result == RESULT_OK && !known && *added == 0)
        result = check_crowd(registry, event, rows, err);
    if (result == RESULT_OK && !known)
        result = standing_add(registry, record, digest, err);
    if (result == RESULT_OK && !known)
        result = event_append(registry, record, false, err);
    if (result == RESULT_OK && !known && is_stop(event->kind))
        result = notice_add(registry, event, record, err);
    *added += result == RESULT_OK && !known;
    return result;
}

static enum result add_all(struct registry *registry, const struct event_input *event, int64_t now,
                           unsigned *added_out, struct error *err)
{
    struct event_record record;
    enum result result = make_record(registry, event, now, &record, err);
    if (result == RESULT_OK)
        result =
            refused(registry, "occurred_at", registry_check_horizon(registry, event, &record, err));
    if (result == RESULT_OK)
        result = event_find_head(registry, err);
    for (int i = 0; result == RESULT_OK && i < CHANNEL_COUNT; i++) {
        if (!(event->channels & CHANNEL_BIT(i)))
            continue;
        record.channel = channel_name((enum channel)i);
        result = add_record(registry, event, &record, added_out, err);
    }
    if (result == RESULT_OK && event->supplier[0] != '\0')
        result = add_supplier(registry, record.supplier, now, err);
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
        result = add_all(registry, event, now, added_out, err);
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
                 "CREATE TEMP TABLE checked_event (recipient_key BLOB, digest BLOB,"
                 " PRIMARY KEY (recipient_key, digest)) WITHOUT ROWID",
                 err);
    registry->checking = result == RESULT_OK;
    return result;
}

/* How many of this recipient's have been checked. */
static enum result count_checked(struct registry *registry, const uint8_t *key, uint64_t *rows,
                                 struct error *err)
{
    sqlite3_stmt *statement;
    bool row;
    enum result result = registry_prepared(
        registry, STATEMENT_EVENTS_CHECKED,
        "SELECT count(*) FROM temp.checked_event WHERE recipient_key = ?1", &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(statement, 1, key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    result = registry_step(registry, statement, &row, err);
    *rows += result == RESULT_OK && row ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    registry_done(statement);
    return result;
}

static enum result note_checked(struct registry *registry, const struct event_record *record,
                                const uint8_t digest[EVENT_DIGEST_BYTES], bool *new_out,
                                struct error *err)
{
    sqlite3_stmt *statement;
    enum result result = registry_prepared(registry, STATEMENT_EVENT_CHECKED,
                                           "INSERT INTO temp.checked_event (recipient_key, digest)"
                                           " VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                                           &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(statement, 1, record->recipient_key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, digest, EVENT_DIGEST_BYTES, SQLITE_STATIC);
    result = sql_run(registry->db, statement, err);
    *new_out = result == RESULT_OK && sqlite3_changes(registry->db) > 0;
    return result;
}

/* As add_record; a line that repeats one that was checked is known only once it is noted. */
static enum result check_record(struct registry *registry, const struct event_input *event,
                                const struct event_record *record, unsigned *added,
                                struct error *err)
{
    uint8_t digest[EVENT_DIGEST_BYTES];
    bool known = false, is_new = false;
    unsigned seen = 0;
    enum result result = event_digest(registry, record, digest, err);
    if (result == RESULT_OK)
        result = standing_known(registry, record, digest, &known, &seen, err);
    if (result == RESULT_OK)
        result = check_said(registry, event, record, seen, &known, err);
    if (result != RESULT_OK || known)
        return result;
    uint64_t rows = seen;
    if (!is_stop(event->kind))
        result = count_checked(registry, record->recipient_key, &rows, err);
    if (result == RESULT_OK)
        result = note_checked(registry, record, digest, &is_new, err);
    if (result == RESULT_OK && is_new && *added == 0)
        result = check_crowd(registry, event, rows, err);
    *added += result == RESULT_OK && is_new;
    return result;
}

enum result registry_check_event(struct registry *registry, const struct event_input *event,
                                 int64_t now, unsigned *added_out, struct error *err)
{
    struct event_record record;
    *added_out = 0;
    enum result result = begin_checking(registry, err);
    if (result == RESULT_OK)
        result = check_event(registry, event, now, err);
    if (result == RESULT_OK)
        result = make_record(registry, event, now, &record, err);
    if (result == RESULT_OK)
        result =
            refused(registry, "occurred_at", registry_check_horizon(registry, event, &record, err));
    for (int i = 0; result == RESULT_OK && i < CHANNEL_COUNT; i++) {
        if (!(event->channels & CHANNEL_BIT(i)))
            continue;
        record.channel = channel_name((enum channel)i);
        result = check_record(registry, event, &record, added_out, err);
    }
    return result;
}

/* ---- reading ---- */

enum result event_read_row(sqlite3_stmt *statement, struct event_row *row, struct error *err)
{
    struct event_record record;
    enum result result = event_read(statement, &record, err);
    if (result != RESULT_OK)
        return result;
    *row = (struct event_row){
        .id = record.id,
        .occurred_at = record.occurred_at,
        .recorded_at = record.recorded_at,
        .form_id = record.form_id,
        .form_version = record.form_version,
        .partners = record.partners,
        .supplier = record.supplier,
        .collector = record.collector,
        .evidence = record.evidence,
        .origin = record.origin,
    };
    if (!event_kind_parse(record.kind, &row->kind) ||
        !channel_parse(record.channel, &row->channel) || !basis_parse(record.basis, &row->basis))
        return error_set(err, RESULT_DAMAGED, "event %" PRId64 " holds an unknown word", row->id);
    return RESULT_OK;
}

enum result registry_events(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                            event_row_fn *on_row, void *arg, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result =
        sql_prepare(registry->db,
                    "SELECT " EVENT_COLUMNS " FROM standing s JOIN event e USING (event_id)"
                    " WHERE s.standing_id BETWEEN ?1 AND ?2 AND s.recipient_key = ?3"
                    " ORDER BY e.occurred_at, e.event_id",
                    &statement, err);
    if (result != RESULT_OK)
        return result;
    standing_bind(statement, key);
    while (result == RESULT_OK) {
        struct event_row event;
        bool row;
        result = registry_step(registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        result = event_read_row(statement, &event, err);
        if (result == RESULT_OK && !on_row(arg, &event))
            break;
    }
    sqlite3_finalize(statement);
    return result;
}

enum result registry_find_event(struct registry *registry, int64_t id, event_row_fn *on_row,
                                void *arg, struct error *err)
{
    sqlite3_stmt *statement;
    struct event_row event;
    bool row;
    enum result result =
        registry_prepared(registry, STATEMENT_EVENT_FIND,
                          "SELECT " EVENT_COLUMNS
                          " FROM event e WHERE e.event_id = ?1 AND e.recipient_key IS NOT NULL",
                          &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, id);
    result = registry_step(registry, statement, &row, err);
    if (result == RESULT_OK && !row)
        result = error_set(err, RESULT_NOT_FOUND, "there is no event %" PRId64, id);
    if (result == RESULT_OK)
        result = event_read_row(statement, &event, err);
    if (result == RESULT_OK)
        (void)on_row(arg, &event);
    registry_done(statement);
    return result;
}
