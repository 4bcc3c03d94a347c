/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The question asked before every message: what is known of this person, relative to one partner
 * and stream. Standing and suspensions are read in one read transaction, so that a verdict never
 * mixes two states of the file; between two calls nothing is remembered but prepared statements.
 */
#include "store/registry_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char suspensions_sql[] =
    "SELECT EXISTS (SELECT 1 FROM suspension"
    " WHERE kind = 'partner' AND id = ?1 AND resumed_at IS NULL),"
    " EXISTS (SELECT 1 FROM suspension"
    " WHERE kind = 'stream' AND id = ?1 || '/' || ?2 AND resumed_at IS NULL)";

static const char events_sql[] =
    "SELECT e.event_id, e.kind, e.channel, e.occurred_at, e.basis, e.partners, e.collector,"
    " e.supplier, e.evidence <> '', e.form_id, e.form_version,"
    " e.supplier <> '' AND EXISTS (SELECT 1 FROM suspension s"
    " WHERE s.kind = 'supplier' AND s.id = e.supplier AND s.resumed_at IS NULL)"
    " FROM event e WHERE e.recipient_key = ?1";

/* A later version that was invalidated does not count: its list proves nothing. A partner that
 * only an earlier version listed was not shown to who saw this one. */
static const char form_sql[] =
    "SELECT f.form_key, f.collector_siren, f.collector_name, f.channels, f.purposes,"
    " f.effective_from,"
    " (SELECT min(n.effective_from) FROM form n WHERE n.id = f.id AND n.version > f.version),"
    " f.invalidated_at IS NOT NULL,"
    " EXISTS (SELECT 1 FROM suspension s"
    " WHERE s.kind = 'form' AND s.id = f.id AND s.resumed_at IS NULL),"
    " EXISTS (SELECT 1 FROM form_partner p WHERE p.form_key = f.form_key AND p.partner = ?3),"
    " EXISTS (SELECT 1 FROM form n JOIN form_partner p ON p.form_key = n.form_key"
    " WHERE n.id = f.id AND n.version > f.version AND n.invalidated_at IS NULL"
    " AND p.partner = ?3),"
    " (SELECT count(*) FROM form_category c WHERE c.form_key = f.form_key)"
    " FROM form f WHERE f.id = ?1 AND f.version = ?2";

/* A form already read for this answer. */
struct known_form {
    struct form_facts facts; /* categories borrowed from the arena like all else */
    struct known_form *next;
};

struct asking {
    struct registry *registry;
    const char *partner;
    struct known_form *forms;
    struct error *err;
};

static bool lists_word(const char *joined, const char *word)
{
    size_t length = strlen(word);
    while (*joined != '\0') {
        size_t item = strcspn(joined, "|");
        if (item == length && memcmp(joined, word, length) == 0)
            return true;
        joined += item;
        joined += *joined == '|';
    }
    return false;
}

static const char *keep(struct asking *asking, sqlite3_stmt *statement, int column)
{
    return arena_copy(asking->registry->arena, sql_text(statement, column),
                      (size_t)sqlite3_column_bytes(statement, column));
}

static enum result read_suspensions(struct asking *asking, const char *stream)
{
    struct registry *registry = asking->registry;
    sqlite3_stmt *statement;
    bool row;
    enum result result = registry_prepared(registry, STATEMENT_FACTS_SUSPENSIONS, suspensions_sql,
                                           &statement, asking->err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, asking->partner);
    registry_bind_text(statement, 2, stream);
    result = registry_step(registry, statement, &row, asking->err);
    if (result == RESULT_OK) {
        registry->facts.partner_suspended = sqlite3_column_int(statement, 0) != 0;
        registry->facts.stream_suspended = sqlite3_column_int(statement, 1) != 0;
    }
    registry_done(statement);
    return result;
}

static enum result read_categories(struct asking *asking, int64_t form_key, size_t count,
                                   struct form_facts *form)
{
    struct registry *registry = asking->registry;
    sqlite3_stmt *statement;
    enum result result = registry_prepared(
        registry, STATEMENT_FACTS_CATEGORIES,
        "SELECT category FROM form_category WHERE form_key = ?1 ORDER BY category", &statement,
        asking->err);
    if (result != RESULT_OK)
        return result;
    form->categories = arena_alloc(registry->arena, count * sizeof(*form->categories));
    if (form->categories == NULL)
        return error_no_memory(asking->err);
    sqlite3_bind_int64(statement, 1, form_key);
    while (result == RESULT_OK && form->n_categories < count) {
        bool row;
        result = registry_step(registry, statement, &row, asking->err);
        if (result != RESULT_OK || !row)
            break;
        const char *category = keep(asking, statement, 0);
        if (category == NULL)
            result = error_no_memory(asking->err);
        else
            form->categories[form->n_categories++] = category;
    }
    registry_done(statement);
    return result;
}

static enum result fill_form(struct asking *asking, sqlite3_stmt *statement,
                             struct form_facts *form)
{
    bool has_siren = sql_text(statement, 1)[0] != '\0';
    form->collector = keep(asking, statement, has_siren ? 1 : 2);
    form->collector_name = has_siren ? keep(asking, statement, 2) : NULL;
    if (form->collector == NULL || (has_siren && form->collector_name == NULL))
        return error_no_memory(asking->err);
    if (!registry_channels_parse(sql_text(statement, 3), &form->channels) ||
        !registry_purposes_parse(sql_text(statement, 4), &form->purposes))
        return error_set(asking->err, RESULT_DAMAGED,
                         "form %s@%d holds an unknown channel or purpose", form->id, form->version);
    form->effective_from = sqlite3_column_int64(statement, 5);
    form->effective_until = sqlite3_column_type(statement, 6) == SQLITE_NULL
                                ? INT64_MAX
                                : sqlite3_column_int64(statement, 6);
    form->invalidated = sqlite3_column_int(statement, 7) != 0;
    form->suspended = sqlite3_column_int(statement, 8) != 0;
    form->presence = sqlite3_column_int(statement, 9)    ? PRESENCE_LISTED
                     : sqlite3_column_int(statement, 10) ? PRESENCE_LATER
                                                         : PRESENCE_NEVER;
    size_t categories = (size_t)sqlite3_column_int64(statement, 11);
    return categories == 0
               ? RESULT_OK
               : read_categories(asking, sqlite3_column_int64(statement, 0), categories, form);
}

/* form_out: NULL when the form is not registered. */
static enum result read_form(struct asking *asking, const char *id, int version,
                             const struct form_facts **form_out)
{
    struct registry *registry = asking->registry;
    *form_out = NULL;
    for (struct known_form *known = asking->forms; known != NULL; known = known->next)
        if (known->facts.version == version && strcmp(known->facts.id, id) == 0) {
            *form_out = &known->facts;
            return RESULT_OK;
        }
    sqlite3_stmt *statement;
    enum result result =
        registry_prepared(registry, STATEMENT_FACTS_FORM, form_sql, &statement, asking->err);
    if (result != RESULT_OK)
        return result;
    struct known_form *known = arena_alloc(registry->arena, sizeof(*known));
    char *own_id = arena_str(registry->arena, id);
    if (known == NULL || own_id == NULL)
        return error_no_memory(asking->err);
    known->facts.id = own_id;
    known->facts.version = version;
    bool row;
    registry_bind_text(statement, 1, own_id);
    sqlite3_bind_int(statement, 2, version);
    registry_bind_text(statement, 3, asking->partner);
    result = registry_step(registry, statement, &row, asking->err);
    if (result == RESULT_OK && row) {
        result = fill_form(asking, statement, &known->facts);
        known->next = asking->forms;
        asking->forms = known;
        *form_out = &known->facts;
    }
    registry_done(statement);
    return result;
}

static enum result fill_event(struct asking *asking, sqlite3_stmt *statement,
                              struct consent_event *event)
{
    *event = (struct consent_event){
        .id = sqlite3_column_int64(statement, 0),
        .occurred_at = sqlite3_column_int64(statement, 3),
        .has_evidence = sqlite3_column_int(statement, 8) != 0,
        .supplier_suspended = sqlite3_column_int(statement, 11) != 0,
    };
    if (!event_kind_parse(sql_text(statement, 1), &event->kind) ||
        !channel_parse(sql_text(statement, 2), &event->channel) ||
        !basis_parse(sql_text(statement, 4), &event->basis))
        return error_set(asking->err, RESULT_DAMAGED, "event %" PRId64 " holds an unknown word",
                         event->id);
    const char *partners = sql_text(statement, 5);
    event->names_partners = partners[0] != '\0';
    event->names_this_partner = event->names_partners && lists_word(partners, asking->partner);
    if (sql_text(statement, 6)[0] != '\0') {
        event->collector = keep(asking, statement, 6);
        if (event->collector == NULL)
            return error_no_memory(asking->err);
    }
    if (sql_text(statement, 7)[0] != '\0') {
        event->supplier = keep(asking, statement, 7);
        if (event->supplier == NULL)
            return error_no_memory(asking->err);
    }
    if (sqlite3_column_type(statement, 9) == SQLITE_NULL)
        return RESULT_OK;
    return read_form(asking, sql_text(statement, 9), sqlite3_column_int(statement, 10),
                     &event->form);
}

static enum result reserve_event(struct registry *registry, struct error *err)
{
    if (registry->facts.n_events < registry->events_capacity)
        return RESULT_OK;
    size_t capacity = registry->events_capacity > 0 ? registry->events_capacity * 2 : 16;
    struct consent_event *events = capacity <= REGISTRY_EVENTS_MAX
                                       ? realloc(registry->events, capacity * sizeof(*events))
                                       : NULL;
    if (events == NULL)
        return error_no_memory(err);
    registry->events = events;
    registry->events_capacity = capacity;
    return RESULT_OK;
}

static enum result read_events(struct asking *asking, const uint8_t key[RECIPIENT_KEY_BYTES])
{
    struct registry *registry = asking->registry;
    sqlite3_stmt *statement;
    enum result result =
        registry_prepared(registry, STATEMENT_FACTS_EVENTS, events_sql, &statement, asking->err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(statement, 1, key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    while (result == RESULT_OK) {
        bool row;
        result = registry_step(registry, statement, &row, asking->err);
        if (result != RESULT_OK || !row)
            break;
        result = reserve_event(registry, asking->err);
        if (result == RESULT_OK)
            result = fill_event(asking, statement, &registry->events[registry->facts.n_events++]);
    }
    registry_done(statement);
    registry->facts.events = registry->events;
    return result;
}

static enum result run_plain(struct registry *registry, enum registry_statement slot,
                             const char *sql, struct error *err)
{
    sqlite3_stmt *statement;
    enum result result = registry_prepared(registry, slot, sql, &statement, err);
    return result == RESULT_OK ? sql_run(registry->db, statement, err) : result;
}

enum result registry_facts(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                           const char *partner, const char *stream, const struct facts **facts_out,
                           struct error *err)
{
    struct asking asking = {.registry = registry, .partner = partner, .err = err};
    bool own = !registry->in_transaction;
    enum result result = RESULT_OK;
    arena_reset(registry->arena);
    registry->facts = (struct facts){0};
    if (own)
        result = run_plain(registry, STATEMENT_READ_BEGIN, "BEGIN", err);
    if (result != RESULT_OK)
        return result;
    result = read_suspensions(&asking, stream);
    if (result == RESULT_OK)
        result = read_events(&asking, key);
    if (own) {
        enum result ended =
            run_plain(registry, STATEMENT_READ_END, "COMMIT", result == RESULT_OK ? err : NULL);
        if (ended != RESULT_OK)
            registry_rollback(registry);
        if (result == RESULT_OK)
            result = ended;
    }
    if (result == RESULT_OK)
        *facts_out = &registry->facts;
    return result;
}
