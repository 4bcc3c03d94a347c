/* SPDX-License-Identifier: Apache-2.0 */
/* The immediate stop: suspensions, with their history, and the registry's counts. */
#include "store/registry_internal.h"

#include <string.h>

static const char *const kind_names[SUSPENSION_KIND_COUNT] = {
    [SUSPEND_PARTNER] = "partner",
    [SUSPEND_STREAM] = "stream",
    [SUSPEND_FORM] = "form",
    [SUSPEND_SUPPLIER] = "supplier",
};

const char *suspension_kind_name(enum suspension_kind kind)
{
    return kind_names[kind];
}

bool suspension_kind_parse(const char *text, enum suspension_kind *kind_out)
{
    for (int i = 0; i < SUSPENSION_KIND_COUNT; i++)
        if (strcmp(kind_names[i], text) == 0) {
            *kind_out = (enum suspension_kind)i;
            return true;
        }
    return false;
}

/* Whether sql, with up to two texts bound, finds a row. */
static enum result exists(struct registry *registry, const char *sql, const char *first,
                          const char *second, bool *found_out, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(registry->db, sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, first);
    if (second != NULL)
        registry_bind_text(statement, 2, second);
    result = registry_step(registry, statement, found_out, err);
    sqlite3_finalize(statement);
    return result;
}

/* Partners and streams are the configuration's; forms and suppliers are known here. */
static enum result check_known(struct registry *registry, enum suspension_kind kind, const char *id,
                               struct error *err)
{
    bool found = true;
    enum result result = RESULT_OK;
    if (kind == SUSPEND_FORM)
        result = exists(registry, "SELECT 1 FROM form WHERE id = ?1", id, NULL, &found, err);
    else if (kind == SUSPEND_SUPPLIER)
        result = exists(registry, "SELECT 1 FROM supplier WHERE id = ?1", id, NULL, &found, err);
    if (result == RESULT_OK && !found)
        result = error_set(err, RESULT_NOT_FOUND, "%s \"%s\" is not in the registry%s",
                           kind_names[kind], id,
                           kind == SUSPEND_FORM && strchr(id, '@') != NULL
                               ? " (a form is suspended by its id, with all its versions)"
                               : "");
    return result;
}

static enum result change(struct registry *registry, const char *sql, enum suspension_kind kind,
                          const char *id, const char *reason, int64_t at, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(registry->db, sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, kind_names[kind]);
    registry_bind_text(statement, 2, id);
    sqlite3_bind_int64(statement, 3, at);
    result = registry_bind_masked(statement, 4, reason, err);
    if (result == RESULT_OK)
        result = sql_run(registry->db, statement, err);
    sqlite3_finalize(statement);
    return result;
}

static enum result toggle(struct registry *registry, bool suspend, enum suspension_kind kind,
                          const char *id, const char *reason, int64_t at, struct error *err)
{
    bool own;
    bool suspended = false;
    enum result result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    result = check_known(registry, kind, id, err);
    if (result == RESULT_OK)
        result = exists(registry,
                        "SELECT 1 FROM suspension"
                        " WHERE kind = ?1 AND id = ?2 AND resumed_at IS NULL",
                        kind_names[kind], id, &suspended, err);
    if (result == RESULT_OK && suspended == suspend)
        result = error_set(err, RESULT_CONFLICT, "%s \"%s\" is %s", kind_names[kind], id,
                           suspend ? "suspended already" : "not suspended");
    if (result == RESULT_OK)
        result = change(registry,
                        suspend ? "INSERT INTO suspension (kind, id, suspended_at, reason)"
                                  " VALUES (?1, ?2, ?3, ?4)"
                                : "UPDATE suspension SET resumed_at = ?3, resume_reason = ?4"
                                  " WHERE kind = ?1 AND id = ?2 AND resumed_at IS NULL",
                        kind, id, reason, at, err);
    return registry_leave(registry, own, result, err);
}

enum result registry_suspend(struct registry *registry, enum suspension_kind kind, const char *id,
                             const char *reason, int64_t at, struct error *err)
{
    return toggle(registry, true, kind, id, reason, at, err);
}

enum result registry_resume(struct registry *registry, enum suspension_kind kind, const char *id,
                            const char *reason, int64_t at, struct error *err)
{
    return toggle(registry, false, kind, id, reason, at, err);
}

enum result registry_suspensions(struct registry *registry, suspension_row_fn *on_row, void *arg,
                                 struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result =
        sql_prepare(registry->db,
                    "SELECT kind, id, suspended_at, reason, resumed_at, resume_reason"
                    " FROM suspension ORDER BY suspended_at, suspension_id",
                    &statement, err);
    if (result != RESULT_OK)
        return result;
    while (result == RESULT_OK) {
        bool row;
        result = registry_step(registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        struct suspension_row suspension = {
            .id = sql_text(statement, 1),
            .suspended_at = sqlite3_column_int64(statement, 2),
            .reason = sql_text(statement, 3),
            .resumed = sqlite3_column_type(statement, 4) != SQLITE_NULL,
            .resumed_at = sqlite3_column_int64(statement, 4),
            .resume_reason = sql_text(statement, 5),
        };
        if (!suspension_kind_parse(sql_text(statement, 0), &suspension.kind))
            result = error_set(err, RESULT_DAMAGED, "a suspension is of an unknown kind");
        else if (!on_row(arg, &suspension))
            break;
    }
    sqlite3_finalize(statement);
    return result;
}

enum result registry_counts(struct registry *registry, struct registry_counts *counts_out,
                            struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(
        registry->db,
        "SELECT (SELECT coalesce(max(event_id), 0) FROM event), (SELECT count(*) FROM form),"
        " (SELECT count(*) FROM supplier),"
        " (SELECT count(*) FROM suspension WHERE resumed_at IS NULL)",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    bool row;
    result = registry_step(registry, statement, &row, err);
    if (result == RESULT_OK)
        *counts_out = (struct registry_counts){
            .events = (uint64_t)sqlite3_column_int64(statement, 0),
            .forms = (uint64_t)sqlite3_column_int64(statement, 1),
            .suppliers = (uint64_t)sqlite3_column_int64(statement, 2),
            .suspensions = (uint64_t)sqlite3_column_int64(statement, 3),
        };
    sqlite3_finalize(statement);
    return result;
}
