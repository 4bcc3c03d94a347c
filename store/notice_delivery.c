/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deliveries: which partner was told of which notice, or is to be. When the last of a notice's has
 * ended its address is erased; what remains is who was told when, for as long as the event.
 */
#include "store/notices.h"

#include "store/registry_internal.h"

#include <inttypes.h>
#include <string.h>

static const char *const state_names[DELIVERY_STATES] = {
    [DELIVERY_WAITING] = "waiting",
    [DELIVERY_ACKNOWLEDGED] = "acknowledged",
    [DELIVERY_GIVEN_UP] = "given-up",
    [DELIVERY_UNTOLD] = "untold",
};

const char *delivery_state_name(enum delivery_state state)
{
    return state_names[state];
}

bool delivery_state_parse(const char *text, enum delivery_state *state_out)
{
    for (int i = 0; i < DELIVERY_STATES; i++)
        if (strcmp(text, state_names[i]) == 0) {
            *state_out = (enum delivery_state)i;
            return true;
        }
    return false;
}

/* ---- reading ---- */

#define DELIVERY_COLUMNS                                                              \
    EVENT_COLUMNS ", e.hash, n.sealed, n.created_at, d.partner, d.state, d.attempts," \
                  " d.next_at, d.last_at, d.last_answer, d.ended_at,"                 \
                  " (SELECT i.identifier FROM identifier i"                           \
                  " WHERE i.recipient_key = d.recipient_key AND i.partner = d.partner)"
#define DELIVERY_TABLES \
    " FROM notice_delivery d JOIN notice n USING (event_id) JOIN event e USING (event_id)"

static enum result read_delivery(sqlite3_stmt *statement, struct delivery *delivery,
                                 struct error *err)
{
    int at = EVENT_COLUMN_COUNT + NOTICE_COLUMN_COUNT;
    enum result result = notice_read(statement, &delivery->notice, err);
    if (result != RESULT_OK)
        return result;
    delivery->partner = sql_text(statement, at);
    delivery->attempts = (unsigned)sqlite3_column_int64(statement, at + 2);
    delivery->next_at = sqlite3_column_int64(statement, at + 3);
    delivery->last_at = sqlite3_column_int64(statement, at + 4);
    delivery->last_answer = sql_text(statement, at + 5);
    delivery->ended_at = sqlite3_column_int64(statement, at + 6);
    delivery->identifier =
        sqlite3_column_type(statement, at + 7) == SQLITE_NULL ? NULL : sql_text(statement, at + 7);
    if (!delivery_state_parse(sql_text(statement, at + 1), &delivery->state))
        return error_set(err, RESULT_DAMAGED,
                         "the notice of event %" PRId64 " to a partner is in an unknown state",
                         delivery->notice.event.id);
    return RESULT_OK;
}

enum result registry_due_deliveries(struct registry *registry, const char *partner, int64_t now,
                                    delivery_fn *on_delivery, void *arg, struct error *err)
{
    sqlite3_stmt *statement;
    struct error why = {0};
    bool row = false, goes_on = true, damaged = false;
    enum result result = registry_prepared(
        registry, STATEMENT_DELIVERY_DUE,
        "SELECT " DELIVERY_COLUMNS DELIVERY_TABLES
        " WHERE d.partner = ?1 AND d.state = 'waiting' AND d.next_at <= ?2"
        " AND NOT EXISTS (SELECT 1 FROM notice_delivery o WHERE o.partner = d.partner"
        " AND o.recipient_key = d.recipient_key AND o.event_id < d.event_id"
        " AND o.state = 'waiting') ORDER BY d.next_at, d.event_id",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, partner);
    sqlite3_bind_int64(statement, 2, now);
    while (goes_on) {
        struct delivery delivery;
        result = registry_step(registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        if (read_delivery(statement, &delivery, damaged ? NULL : &why) == RESULT_OK)
            goes_on = on_delivery(arg, &delivery);
        else
            damaged = true;
    }
    registry_done(statement);
    return rows_end(result, damaged, &why, err);
}

enum result registry_waiting_partners(struct registry *registry, holder_fn *on_partner, void *arg,
                                      struct error *err)
{
    sqlite3_stmt *statement;
    char partner[256] = "";
    bool row = true;
    /* From one to the next: to group them would read every row that waits. */
    enum result result = registry_prepared(
        registry, STATEMENT_DELIVERY_PARTNERS,
        "SELECT partner FROM notice_delivery WHERE state = 'waiting' AND partner > ?1"
        " ORDER BY partner LIMIT 1",
        &statement, err);
    while (result == RESULT_OK && row) {
        registry_bind_text(statement, 1, partner);
        result = registry_step(registry, statement, &row, err);
        if (result == RESULT_OK && row &&
            !str_copy(partner, sizeof(partner), sql_text(statement, 0)))
            result = error_set(err, RESULT_DAMAGED, "a notice is for what is no partner");
        sqlite3_reset(statement);
        if (result == RESULT_OK && row && !on_partner(arg, partner))
            break;
    }
    if (result == RESULT_OK)
        registry_done(statement);
    return result;
}

/* By hand, since what is not asked for must not keep an index from being used. */
static void compose(struct strbuf *sql, const struct delivery_filter *filter)
{
    strbuf_add_str(sql, "SELECT " DELIVERY_COLUMNS DELIVERY_TABLES " WHERE d.event_id < ?4");
    if (filter->recipient_key != NULL)
        strbuf_add_str(sql, " AND d.event_id IN (SELECT s.event_id FROM standing s WHERE"
                            " s.standing_id BETWEEN ?1 AND ?2 AND s.recipient_key = ?3)");
    if (filter->partner != NULL)
        strbuf_add_str(sql, " AND d.partner = ?5");
    if (filter->has_state)
        strbuf_add_str(sql, " AND d.state = ?6");
    if (filter->created_before != INT64_MAX)
        strbuf_add_str(sql, " AND n.created_at < ?7");
    strbuf_add_str(sql, " ORDER BY d.event_id DESC, d.partner");
}

static void bind_filter(sqlite3_stmt *statement, const struct delivery_filter *filter)
{
    if (filter->recipient_key != NULL)
        standing_bind(statement, filter->recipient_key);
    sqlite3_bind_int64(statement, 4, filter->before_id);
    if (filter->partner != NULL)
        registry_bind_text(statement, 5, filter->partner);
    if (filter->has_state)
        registry_bind_text(statement, 6, delivery_state_name(filter->state));
    if (filter->created_before != INT64_MAX)
        sqlite3_bind_int64(statement, 7, filter->created_before);
}

enum result registry_deliveries(struct registry *registry, const struct delivery_filter *filter,
                                delivery_fn *on_delivery, void *arg, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    struct strbuf sql = {0};
    uint64_t count = 0;
    int64_t last = 0;
    bool row = false, goes_on = true;
    compose(&sql, filter);
    enum result result =
        sql.failed ? error_no_memory(err) : sql_prepare(registry->db, sql.data, &statement, err);
    strbuf_free(&sql);
    if (result != RESULT_OK)
        return result;
    bind_filter(statement, filter);
    while (goes_on) {
        struct delivery delivery;
        result = registry_step(registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        result = read_delivery(statement, &delivery, err);
        if (result != RESULT_OK ||
            (filter->limit > 0 && count >= filter->limit && delivery.notice.event.id != last))
            break;
        last = delivery.notice.event.id;
        count++;
        goes_on = on_delivery(arg, &delivery);
    }
    sqlite3_finalize(statement);
    return result;
}

/* ---- counting ---- */

static enum result count_states(struct registry *registry, struct delivery_counts *counts,
                                struct error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    enum delivery_state state;
    enum result result =
        registry_prepared(registry, STATEMENT_DELIVERY_TOTALS,
                          "SELECT state, deliveries FROM notice_total", &statement, err);
    if (result != RESULT_OK)
        return result;
    while (row) {
        result = registry_step(registry, statement, &row, err);
        if (result != RESULT_OK)
            break;
        if (row && delivery_state_parse(sql_text(statement, 0), &state))
            counts->states[state] = (uint64_t)sqlite3_column_int64(statement, 1);
    }
    registry_done(statement);
    return result;
}

enum result registry_delivery_counts(struct registry *registry, struct delivery_counts *counts_out,
                                     struct error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    *counts_out = (struct delivery_counts){0};
    enum result result = count_states(registry, counts_out, err);
    if (result == RESULT_OK)
        result = registry_prepared(
            registry, STATEMENT_DELIVERY_OLDEST,
            "SELECT created_at FROM notice WHERE event_id ="
            " (SELECT min(d.event_id) FROM notice_delivery d INDEXED BY notice_turn"
            " WHERE d.state = 'waiting')",
            &statement, err);
    if (result != RESULT_OK)
        return result;
    result = registry_step(registry, statement, &row, err);
    if (result == RESULT_OK && row)
        counts_out->oldest_waiting = sqlite3_column_int64(statement, 0);
    registry_done(statement);
    return result;
}

enum result registry_overdue_deliveries(struct registry *registry, const char *partner,
                                        int64_t before, uint64_t *count_out, int64_t *oldest_out,
                                        struct error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    *count_out = 0;
    enum result result = registry_prepared(
        registry, STATEMENT_DELIVERY_OVERDUE,
        "SELECT count(*), min(n.created_at) FROM notice_delivery d INDEXED BY notice_turn JOIN "
        "notice n"
        " USING (event_id) WHERE d.partner = ?1 AND d.state = 'waiting' AND n.created_at < ?2",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, partner);
    sqlite3_bind_int64(statement, 2, before);
    result = registry_step(registry, statement, &row, err);
    if (result == RESULT_OK && row) {
        *count_out = (uint64_t)sqlite3_column_int64(statement, 0);
        if (oldest_out != NULL)
            *oldest_out = sqlite3_column_int64(statement, 1);
    }
    registry_done(statement);
    return result;
}

/* ---- what became of an attempt ---- */

static enum result erase_address(struct registry *registry, int64_t notice, struct error *err)
{
    sqlite3_stmt *statement;
    enum result result = registry_prepared(
        registry, STATEMENT_ADDRESS_DROP,
        "UPDATE notice SET sealed = NULL WHERE event_id = ?1 AND NOT EXISTS"
        " (SELECT 1 FROM notice_delivery d WHERE d.event_id = ?1 AND d.state = 'waiting')",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, notice);
    return sql_run(registry->db, statement, err);
}

static enum result note(struct registry *registry, int64_t notice, const char *partner,
                        enum delivery_state state, int64_t at, int64_t next_at, const char *answer,
                        struct error *err)
{
    sqlite3_stmt *statement;
    enum result result = registry_prepared(
        registry, STATEMENT_DELIVERY_NOTE,
        "UPDATE notice_delivery SET state = ?3, attempts = attempts + 1, last_at = ?4,"
        " next_at = ?5, last_answer = ?6, ended_at = ?7"
        " WHERE event_id = ?1 AND partner = ?2 AND state = 'waiting'",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, notice);
    registry_bind_text(statement, 2, partner);
    registry_bind_text(statement, 3, delivery_state_name(state));
    sqlite3_bind_int64(statement, 4, at);
    sqlite3_bind_int64(statement, 5, next_at);
    registry_bind_text(statement, 6, answer);
    if (state != DELIVERY_WAITING)
        sqlite3_bind_int64(statement, 7, at);
    result = sql_run(registry->db, statement, err);
    int changed = sqlite3_changes(registry->db);
    sqlite3_clear_bindings(statement);
    if (result == RESULT_OK && changed == 0)
        result = error_set(err, RESULT_NOT_FOUND, "no notice of event %" PRId64 " waits for %s",
                           notice, partner);
    return result;
}

enum result registry_note_delivery(struct registry *registry, int64_t notice, const char *partner,
                                   enum delivery_state state, int64_t at, int64_t next_at,
                                   const char *answer, struct error *err)
{
    bool own;
    enum result result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    result = note(registry, notice, partner, state, at, next_at, answer, err);
    if (result == RESULT_OK && state != DELIVERY_WAITING)
        result = erase_address(registry, notice, err);
    return registry_leave(registry, own, result, err);
}

/* ---- once more ---- */

static enum result run_retry(struct registry *registry, const char *sql, const char *partner,
                             int64_t now, uint64_t *count, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(registry->db, sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    if (partner != NULL)
        registry_bind_text(statement, 1, partner);
    (void)sqlite3_bind_int64(statement, 2, now); /* one of the two has no use for it */
    result = sql_run(registry->db, statement, err);
    *count += result == RESULT_OK ? (uint64_t)sqlite3_changes64(registry->db) : 0;
    sqlite3_finalize(statement);
    return result;
}

enum result registry_retry_deliveries(struct registry *registry, const char *partner, int64_t now,
                                      uint64_t *count_out, struct error *err)
{
    uint64_t first = 0;
    bool own;
    *count_out = 0;
    enum result result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    result = run_retry(registry,
                       "UPDATE notice_delivery SET state = 'waiting', next_at = ?2, ended_at = NULL"
                       " WHERE (?1 IS NULL OR partner = ?1)"
                       " AND ((state = 'waiting' AND next_at > ?2)"
                       " OR (state IN ('given-up', 'untold') AND EXISTS (SELECT 1 FROM identifier i"
                       " WHERE i.recipient_key = notice_delivery.recipient_key"
                       " AND i.partner = notice_delivery.partner)))",
                       partner, now, count_out, err);
    if (result == RESULT_OK)
        result =
            run_retry(registry,
                      "UPDATE notice_delivery SET next_at = 0 WHERE state = 'waiting'"
                      " AND (?1 IS NULL OR partner = ?1) AND event_id = (SELECT min(o.event_id)"
                      " FROM notice_delivery o WHERE o.partner = notice_delivery.partner"
                      " AND o.state = 'waiting')",
                      partner, now, &first, err);
    return registry_leave(registry, own, result, err);
}

enum result registry_hasten_deliveries(struct registry *registry, const char *partner,
                                       int64_t since, int64_t now, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(registry->db,
                                     "UPDATE notice_delivery SET next_at = ?3 WHERE partner = ?1"
                                     " AND state = 'waiting' AND next_at > ?3"
                                     " AND (last_at IS NULL OR last_at >= ?2)",
                                     &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, partner);
    sqlite3_bind_int64(statement, 2, since);
    sqlite3_bind_int64(statement, 3, now);
    result = sql_run(registry->db, statement, err);
    sqlite3_finalize(statement);
    return result;
}
