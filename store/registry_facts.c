/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The question asked before every message: what is known of this person, relative to one partner
 * and stream. Standing and suspensions are read in one read transaction, so that a verdict never
 * mixes two states of the file. Of forms, suspensions and suppliers, which thousands of people
 * share, a connection remembers what it read, for as long as SQLite says, within that
 * same read transaction, that nobody has written to the file since (docs/adr/0014). Of persons
 * nothing is.
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
    " e.supplier, e.evidence, e.form_id, e.form_version"
    " FROM standing e WHERE e.standing_id BETWEEN ?1 AND ?2 AND e.recipient_key = ?3";

/* Of thousands of suppliers the few that something is wrong with. */
static const char stops_sql[] =
    "SELECT id, max(suspended), max(invalidated) FROM"
    " (SELECT id, 1 AS suspended, 0 AS invalidated FROM suspension"
    " WHERE kind = 'supplier' AND resumed_at IS NULL"
    " UNION ALL SELECT id, 0, 1 FROM supplier WHERE invalidated_at IS NOT NULL)"
    " GROUP BY id ORDER BY id";

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

/* A form as it is for one partner; all in the kept arena. */
struct known_form {
    struct known_form *next;
    const char *partner;
    struct form_facts facts;
};

struct known_suspension {
    struct known_suspension *next;
    const char *partner;
    const char *stream; /* "" when none was asked for */
    bool partner_suspended;
    bool stream_suspended;
};

struct known_stop {
    const char *supplier;
    bool suspended, invalidated;
};

struct asking {
    struct registry *registry;
    const char *partner;
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

static const char *keep(struct arena *arena, sqlite3_stmt *statement, int column)
{
    return arena_copy(arena, sql_text(statement, column),
                      (size_t)sqlite3_column_bytes(statement, column));
}

/* ---- what is remembered ---- */

static void forget(struct registry *registry)
{
    struct arena *arena = registry->kept.arena;
    arena_reset(arena);
    registry->kept = (struct registry_kept){.arena = arena, .changes = -1};
}

/* Within the read transaction: what is kept from here on is true of it. */
static enum result refresh(struct registry *registry, struct error *err)
{
    sqlite3_stmt *statement;
    bool row;
    /* data_version tells what others wrote, the count of changes what this connection did. What is
     * read within a transaction of its own may yet be rolled back: that is kept for one answer. */
    int64_t changes = sqlite3_total_changes64(registry->db);
    if (registry->in_transaction || registry->kept.count >= REGISTRY_KEPT_MOST ||
        changes != registry->kept.changes)
        forget(registry);
    enum result result =
        registry_prepared(registry, STATEMENT_DATA_VERSION, "PRAGMA data_version", &statement, err);
    if (result != RESULT_OK)
        return result;
    result = registry_step(registry, statement, &row, err);
    int64_t version = result == RESULT_OK ? sqlite3_column_int64(statement, 0) : 0;
    registry_done(statement);
    if (result != RESULT_OK)
        return result;
    if (version != registry->kept.version)
        forget(registry);
    registry->kept.version = version;
    registry->kept.changes = registry->in_transaction ? -1 : changes;
    return RESULT_OK;
}

static const struct known_suspension *kept_suspension(const struct registry_kept *kept,
                                                      const char *partner, const char *stream)
{
    const struct known_suspension *known = kept->suspensions;
    while (known != NULL &&
           (strcmp(known->partner, partner) != 0 || strcmp(known->stream, stream) != 0))
        known = known->next;
    return known;
}

static const struct known_form *kept_form(const struct registry_kept *kept, const char *partner,
                                          const char *id, int version)
{
    const struct known_form *known = kept->forms;
    while (known != NULL && (known->facts.version != version || strcmp(known->facts.id, id) != 0 ||
                             strcmp(known->partner, partner) != 0))
        known = known->next;
    return known;
}

/* ---- reading ---- */

/* The statement stands on the row that says it. */
static const struct known_suspension *keep_suspension(struct registry_kept *kept,
                                                      const char *partner, const char *stream,
                                                      sqlite3_stmt *statement)
{
    struct known_suspension *known = arena_alloc(kept->arena, sizeof(*known));
    const char *own_partner = arena_str(kept->arena, partner);
    const char *own_stream = arena_str(kept->arena, stream);
    if (known == NULL || own_partner == NULL || own_stream == NULL)
        return NULL;
    *known = (struct known_suspension){
        .next = kept->suspensions,
        .partner = own_partner,
        .stream = own_stream,
        .partner_suspended = sqlite3_column_int(statement, 0) != 0,
        .stream_suspended = sqlite3_column_int(statement, 1) != 0,
    };
    kept->suspensions = known;
    kept->count++;
    return known;
}

static enum result read_suspensions(struct asking *asking, const char *stream)
{
    struct registry *registry = asking->registry;
    enum result result = RESULT_OK;
    const struct known_suspension *known =
        kept_suspension(&registry->kept, asking->partner, stream);
    if (known == NULL) {
        sqlite3_stmt *statement;
        bool row;
        result = registry_prepared(registry, STATEMENT_FACTS_SUSPENSIONS, suspensions_sql,
                                   &statement, asking->err);
        if (result != RESULT_OK)
            return result;
        registry_bind_text(statement, 1, asking->partner);
        registry_bind_text(statement, 2, stream);
        result = registry_step(registry, statement, &row, asking->err);
        if (result == RESULT_OK)
            known = keep_suspension(&registry->kept, asking->partner, stream, statement);
        registry_done(statement);
        if (result == RESULT_OK && known == NULL)
            result = error_no_memory(asking->err);
    }
    if (result == RESULT_OK) {
        registry->facts.partner_suspended = known->partner_suspended;
        registry->facts.stream_suspended = known->stream_suspended;
    }
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
    form->categories = arena_alloc(registry->kept.arena, count * sizeof(*form->categories));
    if (form->categories == NULL)
        return error_no_memory(asking->err);
    sqlite3_bind_int64(statement, 1, form_key);
    while (result == RESULT_OK && form->n_categories < count) {
        bool row;
        result = registry_step(registry, statement, &row, asking->err);
        if (result != RESULT_OK || !row)
            break;
        const char *category = keep(asking->registry->kept.arena, statement, 0);
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
    form->collector = keep(asking->registry->kept.arena, statement, has_siren ? 1 : 2);
    form->collector_name = has_siren ? keep(asking->registry->kept.arena, statement, 2) : NULL;
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

/* The statement stands on the form's row. */
static enum result keep_form(struct asking *asking, const char *id, int version,
                             sqlite3_stmt *statement, const struct form_facts **form_out)
{
    struct registry_kept *kept = &asking->registry->kept;
    struct known_form *known = arena_alloc(kept->arena, sizeof(*known));
    char *own_id = arena_str(kept->arena, id);
    char *own_partner = arena_str(kept->arena, asking->partner);
    if (known == NULL || own_id == NULL || own_partner == NULL)
        return error_no_memory(asking->err);
    known->partner = own_partner;
    known->facts.id = own_id;
    known->facts.version = version;
    enum result result = fill_form(asking, statement, &known->facts);
    if (result != RESULT_OK)
        return result;
    known->next = kept->forms;
    kept->forms = known;
    kept->count++;
    *form_out = &known->facts;
    return RESULT_OK;
}

/* form_out: NULL when the form is not registered. id lives until the next step of its statement. */
static enum result read_form(struct asking *asking, const char *id, int version,
                             const struct form_facts **form_out)
{
    struct registry *registry = asking->registry;
    const struct known_form *kept = kept_form(&registry->kept, asking->partner, id, version);
    *form_out = kept != NULL ? &kept->facts : NULL;
    if (kept != NULL)
        return RESULT_OK;
    sqlite3_stmt *statement;
    bool row;
    enum result result =
        registry_prepared(registry, STATEMENT_FACTS_FORM, form_sql, &statement, asking->err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, id);
    sqlite3_bind_int(statement, 2, version);
    registry_bind_text(statement, 3, asking->partner);
    result = registry_step(registry, statement, &row, asking->err);
    if (result == RESULT_OK && row)
        result = keep_form(asking, id, version, statement, form_out);
    registry_done(statement);
    return result;
}

static int compare_stop(const void *key, const void *stop)
{
    return strcmp(key, ((const struct known_stop *)stop)->supplier);
}

/* In the order of their bytes, as SQLite compares: for bsearch. */
static enum result read_stops(struct asking *asking)
{
    struct registry_kept *kept = &asking->registry->kept;
    struct known_stop *stops = NULL;
    size_t n = 0, room = 0;
    sqlite3_stmt *statement;
    bool row;
    if (kept->stops != NULL)
        return RESULT_OK;
    enum result result = registry_prepared(asking->registry, STATEMENT_FACTS_STOPS, stops_sql,
                                           &statement, asking->err);
    if (result != RESULT_OK)
        return result;
    while ((result = registry_step(asking->registry, statement, &row, asking->err)) == RESULT_OK &&
           row) {
        if (n == room) {
            /* What it grew out of stays in the arena until all is forgotten. */
            struct known_stop *grown =
                arena_alloc(kept->arena, (room = room * 2 + 16) * sizeof(*grown));
            if (grown != NULL && n > 0)
                memcpy(grown, stops, n * sizeof(*grown));
            stops = grown;
        }
        const char *supplier = stops != NULL ? keep(kept->arena, statement, 0) : NULL;
        if (supplier == NULL) {
            result = error_no_memory(asking->err);
            break;
        }
        stops[n++] = (struct known_stop){supplier, sqlite3_column_int(statement, 1) != 0,
                                         sqlite3_column_int(statement, 2) != 0};
    }
    registry_done(statement);
    if (result == RESULT_OK) {
        static const struct known_stop none;
        kept->stops = stops != NULL ? stops : &none;
        kept->n_stops = n;
    }
    return result;
}

static enum result read_supplier(struct asking *asking, struct consent_event *event)
{
    enum result result = read_stops(asking);
    if (result != RESULT_OK)
        return result;
    const struct registry_kept *kept = &asking->registry->kept;
    const struct known_stop *stop =
        bsearch(event->supplier, kept->stops, kept->n_stops, sizeof(*kept->stops), compare_stop);
    event->supplier_suspended = stop != NULL && stop->suspended;
    event->supplier_invalidated = stop != NULL && stop->invalidated;
    return RESULT_OK;
}

static enum result fill_event(struct asking *asking, sqlite3_stmt *statement,
                              struct consent_event *event)
{
    *event = (struct consent_event){
        .id = sqlite3_column_int64(statement, 0),
        .occurred_at = sqlite3_column_int64(statement, 3),
        .has_evidence = sqlite3_column_int(statement, 8) != 0,
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
        event->collector = keep(asking->registry->arena, statement, 6);
        if (event->collector == NULL)
            return error_no_memory(asking->err);
    }
    if (sql_text(statement, 7)[0] != '\0') {
        event->supplier = keep(asking->registry->arena, statement, 7);
        if (event->supplier == NULL)
            return error_no_memory(asking->err);
        enum result result = read_supplier(asking, event);
        if (result != RESULT_OK)
            return result;
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
    standing_bind(statement, key);
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

/* ---- the question ---- */

static enum result begin_reading(struct registry *registry, struct error *err)
{
    enum result result = run_plain(registry, STATEMENT_READ_BEGIN, "BEGIN", err);
    if (result == RESULT_OK)
        result = refresh(registry, err);
    return result;
}

static enum result end_reading(struct registry *registry, struct error *err)
{
    enum result result = run_plain(registry, STATEMENT_READ_END, "COMMIT", err);
    if (result != RESULT_OK)
        registry_rollback(registry);
    registry->reading = false;
    return result;
}

static enum result answer(struct asking *asking, const uint8_t key[RECIPIENT_KEY_BYTES],
                          const char *stream)
{
    enum result result = read_suspensions(asking, stream != NULL ? stream : "");
    if (result == RESULT_OK)
        result = read_events(asking, key);
    return result;
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
    if (registry->reading && registry->kept.count >= REGISTRY_KEPT_MOST)
        (void)end_reading(registry, NULL); /* room is made by beginning anew */
    if (!own)
        result = refresh(registry, err);
    else if (!registry->reading)
        result = begin_reading(registry, err);
    if (result == RESULT_OK)
        result = answer(&asking, key, stream);
    registry->reading = own && registry->holds && result == RESULT_OK;
    if (own && !registry->reading && !sqlite3_get_autocommit(registry->db)) {
        enum result ended = end_reading(registry, result == RESULT_OK ? err : NULL);
        if (result == RESULT_OK)
            result = ended;
    }
    if (result == RESULT_OK)
        *facts_out = &registry->facts;
    else
        forget(registry); /* it may have been for want of room */
    return result;
}

void registry_hold(struct registry *registry)
{
    registry->holds = true;
}

void registry_release(struct registry *registry)
{
    registry->holds = false;
    if (registry->reading)
        (void)end_reading(registry, NULL);
}

bool registry_holding(const struct registry *registry)
{
    return registry->reading;
}
