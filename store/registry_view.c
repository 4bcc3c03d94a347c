/* SPDX-License-Identifier: Apache-2.0 */
/* Several questions answered from one and the same state of the registry, and one it lacks. */
#include "store/registry_view.h"

#include "store/registry_internal.h"

enum result registry_view_begin(struct registry *registry, struct error *err)
{
    if (registry->in_transaction)
        return error_set(err, RESULT_CONFLICT, "a transaction is open already");
    /* Deferred: it takes no lock, and what is first read fixes what all the rest will see. */
    enum result result = sql_exec(registry->db, "BEGIN", err);
    registry->in_transaction = result == RESULT_OK;
    return result;
}

void registry_view_end(struct registry *registry)
{
    registry_rollback(registry);
}

static const char version_sql[] =
    "SELECT f.collector_name, f.collector_siren, f.channels, f.purposes, f.language,"
    " f.effective_from,"
    " (SELECT min(n.effective_from) FROM form n WHERE n.id = f.id AND n.version > f.version),"
    " f.added_at, f.invalidated_at, f.invalid_reason, f.json"
    " FROM form f WHERE f.id = ?1 AND f.version = ?2";

static enum result give(sqlite3_stmt *statement, const char *id, int version, form_row_fn *on_row,
                        void *arg, struct error *err)
{
    struct form_row row = {
        .id = id,
        .version = version,
        .collector_name = sql_text(statement, 0),
        .collector_siren = sql_text(statement, 1),
        .language = sql_text(statement, 4),
        .effective_from = sqlite3_column_int64(statement, 5),
        .effective_until = sqlite3_column_type(statement, 6) == SQLITE_NULL
                               ? INT64_MAX
                               : sqlite3_column_int64(statement, 6),
        .added_at = sqlite3_column_int64(statement, 7),
        .invalidated_at = sqlite3_column_int64(statement, 8),
        .invalid_reason = sql_text(statement, 9),
        .json = sql_text(statement, 10),
    };
    if (!registry_channels_parse(sql_text(statement, 2), &row.channels) ||
        !registry_purposes_parse(sql_text(statement, 3), &row.purposes))
        return error_set(err, RESULT_DAMAGED, "form %s@%d holds an unknown channel or purpose", id,
                         version);
    on_row(arg, &row);
    return RESULT_OK;
}

enum result registry_form_version(struct registry *registry, const char *id, int version,
                                  form_row_fn *on_row, void *arg, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool found = false;
    enum result result = sql_prepare(registry->db, version_sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, id);
    sqlite3_bind_int(statement, 2, version);
    result = registry_step(registry, statement, &found, err);
    if (result == RESULT_OK && !found)
        result = error_set(err, RESULT_NOT_FOUND, "form %s@%d is not registered", id, version);
    else if (result == RESULT_OK)
        result = give(statement, id, version, on_row, arg, err);
    sqlite3_finalize(statement);
    return result;
}
