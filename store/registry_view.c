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
    " f.added_at, f.invalidated_at, f.invalid_reason, f.json, f.id, f.version"
    " FROM form f WHERE (?1 IS NULL OR f.id = ?1) AND (?2 = 0 OR f.version = ?2)"
    " ORDER BY f.id, f.version";

static enum result give(sqlite3_stmt *statement, form_row_fn *on_row, void *arg, bool *more_out,
                        struct error *err)
{
    struct form_row row = {
        .id = sql_text(statement, 11),
        .version = sqlite3_column_int(statement, 12),
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
        return error_set(err, RESULT_DAMAGED, "form %s@%d holds an unknown channel or purpose",
                         row.id, row.version);
    *more_out = on_row(arg, &row);
    return RESULT_OK;
}

enum result registry_form_versions(struct registry *registry, const char *id, int version,
                                   form_row_fn *on_row, void *arg, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool found = false;
    bool row = false;
    bool more = true;
    enum result result = sql_prepare(registry->db, version_sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, id);
    sqlite3_bind_int(statement, 2, version);
    while (result == RESULT_OK && more) {
        result = registry_step(registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        found = true;
        result = give(statement, on_row, arg, &more, err);
    }
    sqlite3_finalize(statement);
    return result == RESULT_OK && !found && version != 0
               ? error_set(err, RESULT_NOT_FOUND, "form %s@%d is not registered", id, version)
               : result;
}
