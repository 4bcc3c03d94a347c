/* SPDX-License-Identifier: Apache-2.0 */
/* The registry's forms: versions go in and never change; they can only be invalidated. */
#include "store/registry_internal.h"

#include "base/clock.h"
#include "base/crypto.h"

#include <inttypes.h>
#include <string.h>

/* A statement for one use: preparing costs nothing against what these functions do, and their
 * callbacks may call the registry again. */
static enum result run_once(struct registry *registry, sqlite3_stmt *statement, struct error *err)
{
    bool row;
    enum result result = registry_step(registry, statement, &row, err);
    sqlite3_finalize(statement);
    return result;
}

/* known_out: this very file is there already. */
static enum result check_same(struct registry *registry, const struct form *form,
                              const uint8_t digest[SHA256_BYTES], bool *known_out,
                              struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(
        registry->db, "SELECT sha256 FROM form WHERE id = ?1 AND version = ?2", &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, form->id);
    sqlite3_bind_int(statement, 2, form->version);
    result = registry_step(registry, statement, known_out, err);
    if (result == RESULT_OK && *known_out &&
        (sqlite3_column_bytes(statement, 0) != SHA256_BYTES ||
         memcmp(sqlite3_column_blob(statement, 0), digest, SHA256_BYTES) != 0))
        result = error_set(err, RESULT_CONFLICT, "form %s@%d is registered with other content",
                           form->id, form->version);
    sqlite3_finalize(statement);
    return result;
}

/* Versions must begin in their order, also when they are added out of it: a version's life ends
 * where the next one's begins. */
static enum result check_order(struct registry *registry, const struct form *form,
                               struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result =
        sql_prepare(registry->db,
                    "SELECT version, effective_from FROM form WHERE id = ?1"
                    " AND ((version < ?2 AND effective_from > ?3)"
                    "   OR (version > ?2 AND effective_from < ?3)) ORDER BY version LIMIT 1",
                    &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, form->id);
    sqlite3_bind_int(statement, 2, form->version);
    sqlite3_bind_int64(statement, 3, form->effective_from);
    bool found;
    result = registry_step(registry, statement, &found, err);
    if (result == RESULT_OK && found) {
        int other = sqlite3_column_int(statement, 0);
        char begins[CLOCK_TEXT];
        char other_begins[CLOCK_TEXT];
        clock_format_seconds(form->effective_from, begins);
        clock_format_seconds(sqlite3_column_int64(statement, 1), other_begins);
        result =
            error_set(err, RESULT_CONFLICT, "form %s@%d would begin at %s, %s %s@%d does (%s)",
                      form->id, form->version, begins, other < form->version ? "before" : "after",
                      form->id, other, other_begins);
    }
    sqlite3_finalize(statement);
    return result;
}

static enum result insert_row(struct registry *registry, const struct form *form,
                              const uint8_t digest[SHA256_BYTES], struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(
        registry->db,
        "INSERT INTO form (id, version, collector_name, collector_siren, channels,"
        " purposes, language, display, url, wording, effective_from, json, sha256,"
        " added_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    char channels[REGISTRY_SET_TEXT];
    char purposes[REGISTRY_SET_TEXT];
    registry_channels_text(form->channels, channels);
    registry_purposes_text(form->purposes, purposes);
    registry_bind_text(statement, 1, form->id);
    sqlite3_bind_int(statement, 2, form->version);
    registry_bind_text(statement, 3, form->collector_name);
    registry_bind_text(statement, 4, form->collector_siren);
    registry_bind_text(statement, 5, channels);
    registry_bind_text(statement, 6, purposes);
    registry_bind_text(statement, 7, form->language);
    registry_bind_text(statement, 8, form->display);
    registry_bind_text(statement, 9, form->url);
    registry_bind_text(statement, 10, form->wording);
    sqlite3_bind_int64(statement, 11, form->effective_from);
    registry_bind_text(statement, 12, form->json);
    sqlite3_bind_blob(statement, 13, digest, SHA256_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 14, clock_now());
    return run_once(registry, statement, err);
}

static enum result insert_words(struct registry *registry, const char *sql, int64_t form_key,
                                const char **words, size_t count, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(registry->db, sql, &statement, err);
    for (size_t i = 0; result == RESULT_OK && i < count; i++) {
        sqlite3_bind_int64(statement, 1, form_key);
        registry_bind_text(statement, 2, words[i]);
        result = sql_run(registry->db, statement, err);
    }
    sqlite3_finalize(statement);
    return result;
}

static enum result insert_form(struct registry *registry, const struct form *form,
                               const uint8_t digest[SHA256_BYTES], struct error *err)
{
    enum result result = check_order(registry, form, err);
    if (result == RESULT_OK)
        result = insert_row(registry, form, digest, err);
    if (result != RESULT_OK)
        return result;
    int64_t form_key = sqlite3_last_insert_rowid(registry->db);
    result = insert_words(registry, "INSERT INTO form_partner (form_key, partner) VALUES (?1, ?2)",
                          form_key, form->partners, form->n_partners, err);
    if (result == RESULT_OK)
        result =
            insert_words(registry, "INSERT INTO form_category (form_key, category) VALUES (?1, ?2)",
                         form_key, form->categories, form->n_categories, err);
    return result;
}

enum result registry_add_form(struct registry *registry, const struct form *form, bool *added_out,
                              struct error *err)
{
    uint8_t digest[SHA256_BYTES];
    *added_out = false;
    if (!sha256(form->json, strlen(form->json), digest))
        return error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
    bool own;
    enum result result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    bool known = false;
    result = check_same(registry, form, digest, &known, err);
    if (result == RESULT_OK && !known)
        result = insert_form(registry, form, digest, err);
    result = registry_leave(registry, own, result, err);
    *added_out = result == RESULT_OK && !known;
    return result;
}

/* ---- the version before ---- */

/* The life of the latest version below, as it is now; what was invalidated has nothing to lose. */
static enum result version_before(struct registry *registry, const struct form *form,
                                  struct form_end *end, int64_t *until_out, bool *valid_out,
                                  struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result =
        sql_prepare(registry->db,
                    "SELECT f.version, f.invalidated_at IS NULL,"
                    " (SELECT min(n.effective_from) FROM form n"
                    " WHERE n.id = f.id AND n.version > f.version)"
                    " FROM form f WHERE f.id = ?1 AND f.version ="
                    " (SELECT max(b.version) FROM form b WHERE b.id = ?1 AND b.version < ?2)"
                    " AND f.effective_from <= ?3"
                    " AND NOT EXISTS (SELECT 1 FROM form s WHERE s.id = ?1 AND s.version = ?2)",
                    &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, form->id);
    sqlite3_bind_int(statement, 2, form->version);
    sqlite3_bind_int64(statement, 3, form->effective_from);
    bool found;
    result = registry_step(registry, statement, &found, err);
    if (result == RESULT_OK && found) {
        *valid_out = sqlite3_column_int(statement, 1) != 0;
        *until_out = sqlite3_column_type(statement, 2) == SQLITE_NULL
                         ? INT64_MAX
                         : sqlite3_column_int64(statement, 2);
        if (*until_out > form->effective_from)
            end->version = sqlite3_column_int(statement, 0);
    }
    sqlite3_finalize(statement);
    return result;
}

enum result registry_form_end(struct registry *registry, const struct form *form,
                              struct form_end *end_out, struct error *err)
{
    int64_t until = INT64_MAX;
    bool valid = false;
    *end_out = (struct form_end){0};
    enum result result = version_before(registry, form, end_out, &until, &valid, err);
    if (result != RESULT_OK || end_out->version == 0 || !valid)
        return result;
    sqlite3_stmt *statement = NULL;
    result = sql_prepare(registry->db,
                         "SELECT count(*) FROM event WHERE form_id = ?1 AND form_version = ?2"
                         " AND kind IN ('given', 'renewed')"
                         " AND occurred_at >= ?3 AND occurred_at < ?4",
                         &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, form->id);
    sqlite3_bind_int(statement, 2, end_out->version);
    sqlite3_bind_int64(statement, 3, form->effective_from);
    sqlite3_bind_int64(statement, 4, until);
    bool row;
    result = registry_step(registry, statement, &row, err);
    if (result == RESULT_OK && row)
        end_out->lost = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return result;
}

/* ---- reading ---- */

static const char forms_sql[] =
    "SELECT f.id, f.version, f.collector_name, f.collector_siren, f.channels, f.purposes,"
    " f.language, f.effective_from,"
    " (SELECT min(n.effective_from) FROM form n WHERE n.id = f.id AND n.version > f.version),"
    " (SELECT count(*) FROM form_partner p WHERE p.form_key = f.form_key),"
    " f.added_at, f.invalidated_at, f.invalid_reason, f.json,"
    " (SELECT count(*) FROM event e WHERE e.form_id = f.id AND e.form_version = f.version)"
    " FROM form f WHERE (?1 IS NULL OR f.id = ?1) AND (?2 = 0 OR f.version = ?2)"
    " ORDER BY f.id, f.version";

static enum result read_row(sqlite3_stmt *statement, struct form_row *row, struct error *err)
{
    *row = (struct form_row){
        .id = sql_text(statement, 0),
        .version = sqlite3_column_int(statement, 1),
        .collector_name = sql_text(statement, 2),
        .collector_siren = sql_text(statement, 3),
        .language = sql_text(statement, 6),
        .effective_from = sqlite3_column_int64(statement, 7),
        .effective_until = sqlite3_column_type(statement, 8) == SQLITE_NULL
                               ? INT64_MAX
                               : sqlite3_column_int64(statement, 8),
        .n_partners = (size_t)sqlite3_column_int64(statement, 9),
        .added_at = sqlite3_column_int64(statement, 10),
        .invalidated_at = sqlite3_column_int64(statement, 11),
        .invalid_reason = sql_text(statement, 12),
        .json = sql_text(statement, 13),
        .events = (uint64_t)sqlite3_column_int64(statement, 14),
    };
    if (!registry_channels_parse(sql_text(statement, 4), &row->channels) ||
        !registry_purposes_parse(sql_text(statement, 5), &row->purposes))
        return error_set(err, RESULT_DAMAGED, "form %s@%d holds an unknown channel or purpose",
                         row->id, row->version);
    return RESULT_OK;
}

enum result registry_forms(struct registry *registry, const char *id, int version,
                           form_row_fn *on_row, void *arg, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(registry->db, forms_sql, &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, id);
    sqlite3_bind_int(statement, 2, version);
    bool any = false;
    bool row = true;
    while (result == RESULT_OK) {
        struct form_row form;
        result = registry_step(registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        any = true;
        result = read_row(statement, &form, err);
        if (result == RESULT_OK && !on_row(arg, &form))
            break;
    }
    sqlite3_finalize(statement);
    if (result == RESULT_OK && !any && id != NULL)
        return version == 0
                   ? error_set(err, RESULT_NOT_FOUND, "form %s is not registered", id)
                   : error_set(err, RESULT_NOT_FOUND, "form %s@%d is not registered", id, version);
    return result;
}

static enum result invalidate(struct registry *registry, const char *id, int version,
                              const char *reason, int64_t at, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result =
        sql_prepare(registry->db, "SELECT invalidated_at FROM form WHERE id = ?1 AND version = ?2",
                    &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, id);
    sqlite3_bind_int(statement, 2, version);
    bool found;
    result = registry_step(registry, statement, &found, err);
    if (result == RESULT_OK && !found) {
        result = error_set(err, RESULT_NOT_FOUND, "form %s@%d is not registered", id, version);
    } else if (result == RESULT_OK && sqlite3_column_type(statement, 0) != SQLITE_NULL) {
        char when[CLOCK_TEXT];
        clock_format_seconds(sqlite3_column_int64(statement, 0), when);
        result =
            error_set(err, RESULT_CONFLICT, "form %s@%d is invalid since %s", id, version, when);
    }
    sqlite3_finalize(statement);
    if (result == RESULT_OK)
        result = sql_prepare(registry->db,
                             "UPDATE form SET invalidated_at = ?3, invalid_reason = ?4"
                             " WHERE id = ?1 AND version = ?2",
                             &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, id);
    sqlite3_bind_int(statement, 2, version);
    sqlite3_bind_int64(statement, 3, at);
    result = registry_bind_masked(statement, 4, reason, err);
    if (result == RESULT_OK)
        return run_once(registry, statement, err);
    sqlite3_finalize(statement);
    return result;
}

enum result registry_invalidate_form(struct registry *registry, const char *id, int version,
                                     const char *reason, int64_t at, struct error *err)
{
    bool own;
    enum result result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    result = invalidate(registry, id, version, reason, at, err);
    return registry_leave(registry, own, result, err);
}
