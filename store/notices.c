/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices as they are written and spread: one row with each withdrawal and objection, in its own
 * transaction; later one delivery (notice_delivery.c) for each partner concerned. The row is small,
 * for a list of a million objections brings as many, most of which concern nobody and go at once.
 */
#include "store/notices.h"

#include "store/registry_internal.h"

#include <inttypes.h>
#include <string.h>

void registry_seal_with(struct registry *registry, const struct seal *seal)
{
    registry->seal = seal;
}

/* ---- written ---- */

enum result notice_add(struct registry *registry, const struct event_input *event,
                       const struct event_record *record, struct error *err)
{
    sqlite3_stmt *statement;
    struct strbuf *sealed = &registry->sealed;
    bool seals = registry->seal != NULL && event->address != NULL;
    strbuf_clear(sealed);
    if (seals && !seal_close(registry->seal, SEAL_FOR_NOTICES, event->address,
                             strlen(event->address), sealed))
        return error_set(err, RESULT_SYSTEM, "the address cannot be sealed for the notice");
    enum result result = registry_prepared(
        registry, STATEMENT_NOTICE_ADD,
        "INSERT INTO notice (event_id, sealed, created_at, named) VALUES (?1, ?2, ?3, ?4)",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, record->id);
    if (seals)
        sqlite3_bind_blob(statement, 2, sealed->data, (int)sealed->length, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, record->recorded_at);
    sqlite3_bind_int(statement, 4, record->partners[0] != '\0');
    result = sql_run(registry->db, statement, err);
    sqlite3_clear_bindings(statement);
    return result;
}

/* ---- gone ---- */

static enum result drop(struct registry *registry, enum registry_statement slot, const char *sql,
                        int64_t event_id, struct error *err)
{
    sqlite3_stmt *statement;
    enum result result = registry_prepared(registry, slot, sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, event_id);
    return sql_run(registry->db, statement, err);
}

enum result notice_drop(struct registry *registry, int64_t event_id, struct error *err)
{
    enum result result = drop(registry, STATEMENT_DELIVERIES_DROP,
                              "DELETE FROM notice_delivery WHERE event_id = ?1", event_id, err);
    return result == RESULT_OK ? drop(registry, STATEMENT_NOTICE_DROP,
                                      "DELETE FROM notice WHERE event_id = ?1", event_id, err)
                               : result;
}

enum result notice_forget_person(struct registry *registry, const uint8_t *key, struct error *err)
{
    sqlite3_stmt *statement;
    enum result result = registry_prepared(
        registry, STATEMENT_IDENTIFIERS_DROP,
        "DELETE FROM identifier WHERE recipient_key = ?3 AND NOT EXISTS (SELECT 1 FROM standing"
        " WHERE standing_id BETWEEN ?1 AND ?2 AND recipient_key = ?3)",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    standing_bind(statement, key);
    result = sql_run(registry->db, statement, err);
    sqlite3_clear_bindings(statement);
    return result;
}

/* ---- spread ---- */

/* The rows that could be read have been given; then the first that could not is told of. */
enum result rows_end(enum result result, bool damaged, const struct error *why, struct error *err)
{
    if (result != RESULT_OK || !damaged)
        return result;
    return error_set(err, RESULT_DAMAGED, "%s", why->text);
}

#define UNSPREAD                                               \
    "SELECT " EVENT_COLUMNS ", e.hash, n.sealed, n.created_at" \
    " FROM notice n JOIN event e USING (event_id) WHERE n.spread_at IS NULL"

enum result registry_unspread_notices(struct registry *registry, bool named, notice_fn *on_notice,
                                      void *arg, struct error *err)
{
    sqlite3_stmt *statement;
    struct error why = {0};
    bool row = false, goes_on = true, damaged = false;
    enum result result =
        named ? registry_prepared(registry, STATEMENT_NOTICES_NAMED,
                                  UNSPREAD " AND n.named = 1 ORDER BY n.event_id", &statement, err)
              : registry_prepared(registry, STATEMENT_NOTICES_UNSPREAD,
                                  UNSPREAD " ORDER BY n.event_id", &statement, err);
    if (result != RESULT_OK)
        return result;
    while (goes_on) {
        struct notice notice;
        result = registry_step(registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        if (notice_read(statement, &notice, damaged ? NULL : &why) == RESULT_OK)
            goes_on = on_notice(arg, &notice);
        else
            damaged = true;
    }
    registry_done(statement);
    return rows_end(result, damaged, &why, err);
}

enum result notice_read(sqlite3_stmt *statement, struct notice *notice, struct error *err)
{
    enum result result = event_read_row(statement, &notice->event, err);
    if (result != RESULT_OK)
        return result;
    notice->recipient_key = sqlite3_column_blob(statement, 1);
    notice->event_hash = sqlite3_column_blob(statement, EVENT_COLUMN_COUNT);
    notice->sealed = sqlite3_column_blob(statement, EVENT_COLUMN_COUNT + 1);
    notice->sealed_length = (size_t)sqlite3_column_bytes(statement, EVENT_COLUMN_COUNT + 1);
    notice->created_at = sqlite3_column_int64(statement, EVENT_COLUMN_COUNT + 2);
    if (notice->recipient_key == NULL || notice->event_hash == NULL ||
        sqlite3_column_bytes(statement, EVENT_COLUMN_COUNT) != SHA256_BYTES)
        return error_set(err, RESULT_DAMAGED, "event %" PRId64 " has a notice and names nobody",
                         notice->event.id);
    return RESULT_OK;
}

/* A text of names parted by '|', each of which is given once. */
struct name_list {
    struct strbuf names; /* those given, each with its NUL */
    holder_fn *on_partner;
    void *arg;
};

static bool is_new(const struct name_list *list, const char *name, size_t length)
{
    const char *end = list->names.data + list->names.length;
    for (const char *at = list->names.data; at != NULL && at < end; at += strlen(at) + 1)
        if (strlen(at) == length && memcmp(at, name, length) == 0)
            return false;
    return true;
}

/* False: the caller has enough, or memory is short (then names.failed). */
static bool give_names(struct name_list *list, const char *joined)
{
    while (*joined != '\0') {
        size_t length = strcspn(joined, "|");
        if (is_new(list, joined, length)) {
            size_t place = list->names.length;
            strbuf_add(&list->names, joined, length);
            strbuf_add(&list->names, "", 1);
            if (list->names.failed || !list->on_partner(list->arg, list->names.data + place))
                return false;
        }
        joined += length;
        joined += *joined == '|';
    }
    return true;
}

/* Whatever became of the grant since: who was handed an address may still have it. */
static const char holders_sql[] =
    "SELECT partners FROM standing WHERE standing_id BETWEEN ?1 AND ?2 AND recipient_key = ?3"
    " AND kind IN ('given', 'renewed') AND partners <> ''"
    " UNION SELECT p.partner FROM standing s"
    /* Who joined the list later may have been let pass, by its category or by the policy. */
    " JOIN form f ON f.id = s.form_id AND f.version >= s.form_version"
    " JOIN form_partner p ON p.form_key = f.form_key"
    " WHERE s.standing_id BETWEEN ?1 AND ?2 AND s.recipient_key = ?3"
    " AND s.kind IN ('given', 'renewed') AND s.partners = ''";

static const char categories_sql[] =
    "SELECT DISTINCT c.category FROM standing s"
    " JOIN form f ON f.id = s.form_id AND f.version = s.form_version"
    " JOIN form_category c ON c.form_key = f.form_key"
    " WHERE s.standing_id BETWEEN ?1 AND ?2 AND s.recipient_key = ?3"
    " AND s.kind IN ('given', 'renewed') AND s.partners = ''";

/* Names of partners and categories hold no '|'. */
static enum result list_names(struct registry *registry, enum registry_statement slot,
                              const char *sql, const uint8_t key[RECIPIENT_KEY_BYTES],
                              holder_fn *on_name, void *arg, struct error *err)
{
    sqlite3_stmt *statement;
    struct name_list list = {.on_partner = on_name, .arg = arg};
    bool row = false, goes_on = true;
    enum result result = registry_prepared(registry, slot, sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    standing_bind(statement, key);
    while (goes_on) {
        result = registry_step(registry, statement, &row, err);
        goes_on = result == RESULT_OK && row && give_names(&list, sql_text(statement, 0));
    }
    registry_done(statement);
    if (list.names.failed)
        result = error_no_memory(err);
    strbuf_free(&list.names);
    return result;
}

enum result registry_holders(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                             holder_fn *on_partner, void *arg, struct error *err)
{
    return list_names(registry, STATEMENT_NOTICE_HOLDERS, holders_sql, key, on_partner, arg, err);
}

enum result registry_holder_categories(struct registry *registry,
                                       const uint8_t key[RECIPIENT_KEY_BYTES],
                                       holder_fn *on_category, void *arg, struct error *err)
{
    return list_names(registry, STATEMENT_NOTICE_CATEGORIES, categories_sql, key, on_category, arg,
                      err);
}

static enum result add_delivery(struct registry *registry, int64_t event_id,
                                const struct concerned *concerned, int64_t at, struct error *err)
{
    sqlite3_stmt *statement;
    bool told = concerned->hindrance == NULL;
    enum result result = registry_prepared(
        registry, STATEMENT_DELIVERY_ADD,
        "INSERT INTO notice_delivery (event_id, partner, recipient_key, state, attempts, next_at,"
        " last_answer, ended_at)"
        " SELECT event_id, ?2, recipient_key, ?3, 0, ?4, ?5, ?6 FROM event WHERE event_id = ?1",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, event_id);
    registry_bind_text(statement, 2, concerned->partner);
    registry_bind_text(statement, 3,
                       delivery_state_name(told ? DELIVERY_WAITING : DELIVERY_UNTOLD));
    sqlite3_bind_int64(statement, 4, at);
    registry_bind_text(statement, 5, told ? "" : concerned->hindrance);
    if (!told)
        sqlite3_bind_int64(statement, 6, at);
    result = sql_run(registry->db, statement, err);
    sqlite3_clear_bindings(statement);
    return result;
}

static enum result mark_spread(struct registry *registry, int64_t event_id, bool keeps_address,
                               int64_t at, struct error *err)
{
    sqlite3_stmt *statement;
    enum result result =
        registry_prepared(registry, STATEMENT_NOTICE_SPREAD,
                          "UPDATE notice SET spread_at = ?2, sealed = CASE WHEN ?3 THEN sealed END"
                          " WHERE event_id = ?1 AND spread_at IS NULL",
                          &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, event_id);
    sqlite3_bind_int64(statement, 2, at);
    sqlite3_bind_int(statement, 3, keeps_address);
    result = sql_run(registry->db, statement, err);
    if (result == RESULT_OK && sqlite3_changes(registry->db) == 0)
        result =
            error_set(err, RESULT_CONFLICT, "the notice of event %" PRId64 " is spread", event_id);
    return result;
}

enum result registry_spread_notice(struct registry *registry, int64_t notice,
                                   const struct concerned *partners, size_t n_partners, int64_t at,
                                   struct error *err)
{
    bool own, told = false;
    for (size_t i = 0; i < n_partners; i++)
        told = told || partners[i].hindrance == NULL;
    enum result result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    result = mark_spread(registry, notice, told, at, err);
    for (size_t i = 0; result == RESULT_OK && i < n_partners; i++)
        result = add_delivery(registry, notice, &partners[i], at, err);
    if (result == RESULT_OK && n_partners == 0)
        result = notice_drop(registry, notice, err);
    return registry_leave(registry, own, result, err);
}

/* ---- what partners call people ---- */

enum result registry_set_identifier(struct registry *registry,
                                    const uint8_t key[RECIPIENT_KEY_BYTES], const char *partner,
                                    const char *identifier, int64_t at, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool own, forgets = identifier[0] == '\0';
    if (!utf8_valid(identifier, strlen(identifier)) || strlen(identifier) > IDENTIFIER_MOST)
        return error_set(err, RESULT_BAD_INPUT, "an identifier is UTF-8 of at most %d bytes",
                         IDENTIFIER_MOST);
    enum result result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    result =
        sql_prepare(registry->db,
                    forgets ? "DELETE FROM identifier WHERE recipient_key = ?1"
                              " AND partner = ?2"
                            : "INSERT INTO identifier (recipient_key, partner, identifier,"
                              " set_at) VALUES (?1, ?2, ?3, ?4)"
                              " ON CONFLICT (recipient_key, partner) DO UPDATE"
                              " SET identifier = excluded.identifier, set_at = excluded.set_at",
                    &statement, err);
    if (result == RESULT_OK) {
        sqlite3_bind_blob(statement, 1, key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
        registry_bind_text(statement, 2, partner);
        if (!forgets) {
            registry_bind_text(statement, 3, identifier);
            sqlite3_bind_int64(statement, 4, at);
        }
        result = sql_run(registry->db, statement, err);
    }
    sqlite3_finalize(statement);
    return registry_leave(registry, own, result, err);
}

enum result registry_identifiers(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                                 identifier_fn *on_identifier, void *arg, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false, goes_on = true;
    enum result result = sql_prepare(registry->db,
                                     "SELECT partner, identifier, set_at FROM identifier"
                                     " WHERE recipient_key = ?1 ORDER BY partner",
                                     &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(statement, 1, key, RECIPIENT_KEY_BYTES, SQLITE_STATIC);
    while (goes_on) {
        result = registry_step(registry, statement, &row, err);
        goes_on = result == RESULT_OK && row &&
                  on_identifier(arg, sql_text(statement, 0), sql_text(statement, 1),
                                sqlite3_column_int64(statement, 2));
    }
    sqlite3_finalize(statement);
    return result;
}
