/* SPDX-License-Identifier: Apache-2.0 */
/* Suppliers and what they brought. */
#include "store/registry_internal.h"

enum result registry_suppliers(struct registry *registry, const char *id,
                               supplier_total_fn *on_supplier, void *arg, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool found = false;
    enum result result =
        sql_prepare(registry->db,
                    "SELECT s.id, coalesce(t.consents, 0), s.first_seen, coalesce(t.last_at, 0),"
                    " coalesce(s.invalidated_at, 0), coalesce(s.invalid_reason, '')"
                    " FROM supplier s LEFT JOIN supplier_total t ON t.supplier = s.id"
                    " WHERE ?1 IS NULL OR s.id = ?1 ORDER BY 2 DESC, s.id",
                    &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, id);
    while (result == RESULT_OK) {
        bool row;
        result = registry_step(registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        const struct supplier_total supplier = {
            .id = sql_text(statement, 0),
            .consents = (uint64_t)sqlite3_column_int64(statement, 1),
            .first_at = sqlite3_column_int64(statement, 2),
            .last_at = sqlite3_column_int64(statement, 3),
            .invalidated_at = sqlite3_column_int64(statement, 4),
            .invalid_reason = sql_text(statement, 5),
        };
        found = true;
        if (!on_supplier(arg, &supplier))
            break;
    }
    sqlite3_finalize(statement);
    if (result == RESULT_OK && id != NULL && !found)
        return error_set(err, RESULT_NOT_FOUND, "there is no such supplier");
    return result;
}
