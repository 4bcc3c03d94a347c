/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invalidation in bulk: form versions, all forms of a collector, all a supplier brought. What falls
 * is collected in a table of this connection's own and made invalid at once; counting whose
 * consents fell comes after, takes no lock, and may take its time. Nothing is deleted, and nothing
 * here is ever undone: what was invalid by mistake comes back as a new form version, or under a new
 * supplier.
 */
#include "store/registry_internal.h"

#include "base/clock.h"

/* A grant that counted until ?3: neither its form version nor its supplier was invalid before. */
#define COUNTING                                                      \
    " e.kind IN ('given', 'renewed') AND e.recipient_key IS NOT NULL" \
    " AND NOT EXISTS (SELECT 1 FROM supplier s"                       \
    " WHERE s.id = e.supplier AND s.invalidated_at <> ?3)"            \
    " AND NOT EXISTS (SELECT 1 FROM form f WHERE f.id = e.form_id"    \
    " AND f.version = e.form_version AND f.invalidated_at <> ?3)"

struct falling {
    struct registry *registry;
    const struct invalidation *what;
    int64_t at;
    struct error *err;
};

/* Runs sql with what is bound to ?1 and ?2, and the moment to ?3, and reads its first two numbers
 * if it has any. */
static enum result run(struct falling *falling, const char *sql, const char *text, int number,
                       uint64_t *first_out, uint64_t *second_out)
{
    struct registry *registry = falling->registry;
    sqlite3_stmt *statement = NULL;
    bool row;
    enum result result = sql_prepare(registry->db, sql, &statement, falling->err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, text);
    if (sqlite3_bind_parameter_count(statement) >= 2)
        sqlite3_bind_int(statement, 2, number);
    if (sqlite3_bind_parameter_count(statement) >= 3)
        sqlite3_bind_int64(statement, 3, falling->at);
    result = registry_step(registry, statement, &row, falling->err);
    if (first_out != NULL)
        *first_out = result == RESULT_OK && row ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    if (second_out != NULL)
        *second_out = result == RESULT_OK && row ? (uint64_t)sqlite3_column_int64(statement, 1) : 0;
    sqlite3_finalize(statement);
    return result;
}

static enum result make_tables(struct falling *falling)
{
    return sql_exec(falling->registry->db,
                    "CREATE TEMP TABLE IF NOT EXISTS falling (id TEXT NOT NULL,"
                    " version INTEGER NOT NULL, PRIMARY KEY (id, version)) WITHOUT ROWID;"
                    "DELETE FROM temp.falling;",
                    falling->err);
}

/* ---- what falls ---- */

static enum result invalid_already(struct falling *falling, const char *what, const char *id,
                                   int version)
{
    return version != 0
               ? error_set(falling->err, RESULT_CONFLICT, "form %s@%d is invalid already", id,
                           version)
               : error_set(falling->err, RESULT_CONFLICT, "%s %s is invalid already", what, id);
}

static enum result collect_form(struct falling *falling, const struct form_name *form)
{
    uint64_t known = 0;
    uint64_t valid = 0;
    enum result result = run(falling,
                             "SELECT count(*), count(*) - count(invalidated_at) FROM form"
                             " WHERE id = ?1 AND (?2 = 0 OR version = ?2)",
                             form->id, form->version, &known, &valid);
    if (result != RESULT_OK)
        return result;
    if (known == 0 && form->version != 0)
        return error_set(falling->err, RESULT_NOT_FOUND, "form %s@%d is not registered", form->id,
                         form->version);
    if (known == 0)
        return error_set(falling->err, RESULT_NOT_FOUND, "form %s is not registered", form->id);
    if (valid == 0)
        return invalid_already(falling, "every version of form", form->id, form->version);
    return run(falling,
               "INSERT INTO temp.falling (id, version) SELECT id, version FROM form"
               " WHERE id = ?1 AND (?2 = 0 OR version = ?2) AND invalidated_at IS NULL"
               " ON CONFLICT (id, version) DO NOTHING",
               form->id, form->version, NULL, NULL);
}

#define OF_COLLECTOR " (collector_siren = ?1 OR lower(collector_name) = lower(?1))"

static enum result collect_collector(struct falling *falling, const char *collector)
{
    uint64_t known = 0;
    uint64_t valid = 0;
    enum result result = run(falling,
                             "SELECT count(*), count(*) - count(invalidated_at) FROM form"
                             " WHERE" OF_COLLECTOR,
                             collector, 0, &known, &valid);
    if (result != RESULT_OK)
        return result;
    if (known == 0)
        return error_set(falling->err, RESULT_NOT_FOUND,
                         "no form of collector \"%s\" is registered", collector);
    if (valid == 0)
        return invalid_already(falling, "every form of collector", collector, 0);
    return run(falling,
               "INSERT INTO temp.falling (id, version) SELECT id, version FROM form"
               " WHERE" OF_COLLECTOR " AND invalidated_at IS NULL"
               " ON CONFLICT (id, version) DO NOTHING",
               collector, 0, NULL, NULL);
}

static enum result check_supplier(struct falling *falling, const char *supplier)
{
    uint64_t known = 0;
    uint64_t valid = 0;
    enum result result = run(falling,
                             "SELECT count(*), count(*) - count(invalidated_at) FROM supplier"
                             " WHERE id = ?1",
                             supplier, 0, &known, &valid);
    if (result != RESULT_OK)
        return result;
    if (known == 0)
        return error_set(falling->err, RESULT_NOT_FOUND, "supplier \"%s\" is not in the registry",
                         supplier);
    return valid == 0 ? invalid_already(falling, "supplier", supplier, 0) : RESULT_OK;
}

static enum result collect(struct falling *falling)
{
    const struct invalidation *what = falling->what;
    enum result result = make_tables(falling);
    for (size_t i = 0; result == RESULT_OK && i < what->n_forms; i++)
        result = collect_form(falling, &what->forms[i]);
    if (result == RESULT_OK && what->collector != NULL)
        result = collect_collector(falling, what->collector);
    if (result == RESULT_OK && what->supplier != NULL)
        result = check_supplier(falling, what->supplier);
    return result;
}

/* ---- counting ---- */

static void add_row(struct invalidation_totals *totals, const struct invalidation_row *row)
{
    totals->grants += row->grants;
    totals->persons += row->persons;
}

static enum result count_forms(struct falling *falling, invalidation_row_fn *on_row, void *arg,
                               struct invalidation_totals *totals)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(falling->registry->db,
                                     "SELECT id, version FROM temp.falling ORDER BY id, version",
                                     &statement, falling->err);
    while (result == RESULT_OK) {
        struct invalidation_row fallen = {0};
        bool row;
        result = registry_step(falling->registry, statement, &row, falling->err);
        if (result != RESULT_OK || !row)
            break;
        fallen.form_id = sql_text(statement, 0);
        fallen.form_version = sqlite3_column_int(statement, 1);
        result = run(falling,
                     "SELECT count(*), count(DISTINCT e.recipient_key) FROM event e"
                     " WHERE e.form_id = ?1 AND e.form_version = ?2 AND" COUNTING,
                     fallen.form_id, fallen.form_version, &fallen.grants, &fallen.persons);
        totals->forms++;
        add_row(totals, &fallen);
        if (result == RESULT_OK && !on_row(arg, &fallen))
            break;
    }
    sqlite3_finalize(statement);
    return result;
}

static enum result count_supplier(struct falling *falling, invalidation_row_fn *on_row, void *arg,
                                  struct invalidation_totals *totals)
{
    struct invalidation_row fallen = {.supplier = falling->what->supplier};
    enum result result = run(falling,
                             "SELECT count(*), count(DISTINCT e.recipient_key) FROM event e"
                             " WHERE e.supplier = ?1 AND" COUNTING,
                             fallen.supplier, 0, &fallen.grants, &fallen.persons);
    totals->suppliers++;
    add_row(totals, &fallen);
    if (result == RESULT_OK)
        on_row(arg, &fallen);
    return result;
}

static enum result count_all(struct falling *falling, struct invalidation_totals *totals)
{
    /* What falls alone is counted already. */
    if (totals->forms + totals->suppliers == 1)
        return RESULT_OK;
    return run(falling,
               "SELECT count(*), count(DISTINCT recipient_key) FROM ("
               " SELECT e.event_id, e.recipient_key FROM temp.falling t"
               " JOIN event e ON e.form_id = t.id AND e.form_version = t.version WHERE" COUNTING
               " UNION SELECT e.event_id, e.recipient_key FROM event e"
               " WHERE ?1 <> '' AND e.supplier = ?1 AND" COUNTING ") AS fallen",
               falling->what->supplier != NULL ? falling->what->supplier : "", 0, &totals->grants,
               &totals->persons);
}

/* ---- the change ---- */

static enum result mark(struct falling *falling, const char *sql, const char *reason)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(falling->registry->db, sql, &statement, falling->err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(statement, 1, falling->at);
    result = registry_bind_masked(statement, 2, reason, falling->err);
    if (result == RESULT_OK && sqlite3_bind_parameter_count(statement) >= 3)
        registry_bind_text(statement, 3, falling->what->supplier);
    if (result == RESULT_OK)
        result = sql_run(falling->registry->db, statement, falling->err);
    sqlite3_finalize(statement);
    return result;
}

/* Somebody else may have been quicker since: what is invalid keeps its own date and reason. */
static enum result invalidate(struct falling *falling, const char *reason)
{
    bool own;
    enum result result = registry_enter(falling->registry, &own, falling->err);
    if (result != RESULT_OK)
        return result;
    result = mark(falling,
                  "UPDATE form SET invalidated_at = ?1, invalid_reason = ?2"
                  " WHERE invalidated_at IS NULL AND EXISTS (SELECT 1 FROM temp.falling t"
                  " WHERE t.id = form.id AND t.version = form.version)",
                  reason);
    if (result == RESULT_OK && falling->what->supplier != NULL)
        result = mark(falling,
                      "UPDATE supplier SET invalidated_at = ?1, invalid_reason = ?2"
                      " WHERE invalidated_at IS NULL AND id = ?3",
                      reason);
    return registry_leave(falling->registry, own, result, falling->err);
}

enum result registry_invalidate(struct registry *registry, const struct invalidation *what,
                                const char *reason, int64_t at, struct error *err)
{
    struct falling falling = {.registry = registry, .what = what, .at = at, .err = err};
    enum result result = collect(&falling);
    return result == RESULT_OK && reason != NULL ? invalidate(&falling, reason) : result;
}

enum result registry_count_invalidated(struct registry *registry, const struct invalidation *what,
                                       int64_t at, invalidation_row_fn *on_row, void *arg,
                                       struct invalidation_totals *totals_out, struct error *err)
{
    struct falling falling = {.registry = registry, .what = what, .at = at, .err = err};
    *totals_out = (struct invalidation_totals){0};
    enum result result = count_forms(&falling, on_row, arg, totals_out);
    if (result == RESULT_OK && what->supplier != NULL)
        result = count_supplier(&falling, on_row, arg, totals_out);
    return result == RESULT_OK ? count_all(&falling, totals_out) : result;
}

/* ---- reading ---- */

enum result registry_invalid_suppliers(struct registry *registry, const char *id, int version,
                                       supplier_row_fn *on_row, void *arg, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result =
        sql_prepare(registry->db,
                    "SELECT s.id, s.invalidated_at, s.invalid_reason FROM supplier s"
                    " WHERE s.invalidated_at IS NOT NULL AND (?1 IS NULL OR EXISTS ("
                    " SELECT 1 FROM event e WHERE e.form_id = ?1 AND e.form_version = ?2"
                    " AND e.supplier = s.id AND e.kind IN ('given', 'renewed')))"
                    " ORDER BY s.invalidated_at, s.id",
                    &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, id);
    sqlite3_bind_int(statement, 2, version);
    while (result == RESULT_OK) {
        bool row;
        result = registry_step(registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        struct supplier_row supplier = {
            .id = sql_text(statement, 0),
            .invalidated_at = sqlite3_column_int64(statement, 1),
            .invalid_reason = sql_text(statement, 2),
        };
        if (!on_row(arg, &supplier))
            break;
    }
    sqlite3_finalize(statement);
    return result;
}
