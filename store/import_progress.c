/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far an import has come, on record beside the events it brought, one row an origin until it
 * has come to its end. It holds no address: sums, counts, and the columns of a header.
 */
#include "store/import_internal.h"

#include "base/clock.h"
#include "store/registry_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void write_classes(const struct import_counts *counts, struct strbuf *out)
{
    for (int i = 0; i < IMPORT_CLASS_COUNT; i++) {
        strbuf_add_str(out, i > 0 ? " " : "");
        strbuf_add_uint(out, counts->classes[i]);
    }
}

static void read_classes(const char *text, struct import_counts *counts)
{
    for (int i = 0; i < IMPORT_CLASS_COUNT && *text != '\0'; i++) {
        char *end;
        counts->classes[i] = strtoull(text, &end, 10);
        text = end;
    }
}

/* The name of its row: an address in a file's name is masked as it is in the events' origin. */
static enum result bind_origin(sqlite3_stmt *statement, const char *origin, struct error *err)
{
    return registry_bind_masked(statement, 1, origin, err);
}

static bool copy_sum(sqlite3_stmt *statement, int column, uint8_t out[SHA256_BYTES])
{
    const void *blob = sqlite3_column_blob(statement, column);
    if (blob == NULL || sqlite3_column_bytes(statement, column) != SHA256_BYTES)
        return false;
    memcpy(out, blob, SHA256_BYTES);
    return true;
}

void import_progress_free(struct import_progress *progress)
{
    strbuf_free(&progress->place.reader);
    strbuf_free(&progress->told.reader);
}

/* Four columns from first on. */
static bool read_place(sqlite3_stmt *statement, int first, struct import_place *place)
{
    place->bytes = (uint64_t)sqlite3_column_int64(statement, first);
    place->line = (uint64_t)sqlite3_column_int64(statement, first + 2);
    strbuf_clear(&place->reader);
    strbuf_add(&place->reader, "", 0);
    strbuf_add_str(&place->reader, sql_text(statement, first + 3));
    return copy_sum(statement, first + 1, place->sha256);
}

static enum result read_row(sqlite3_stmt *statement, struct import_progress *out, struct error *err)
{
    bool holds = copy_sum(statement, 0, out->settings) &&
                 import_input_parse(sql_text(statement, 1), &out->input) &&
                 read_place(statement, 4, &out->place) && read_place(statement, 8, &out->told);
    int shape = sqlite3_column_int(statement, 2);
    if (!holds || shape < SHAPE_CSV || shape > SHAPE_ITEMS)
        return error_set(err, RESULT_DAMAGED, "the progress on record is not readable");
    out->shape = (enum import_shape)shape;
    out->started_at = sqlite3_column_int64(statement, 3);
    out->counts.lines = (uint64_t)sqlite3_column_int64(statement, 12);
    out->counts.accepted = (uint64_t)sqlite3_column_int64(statement, 13);
    out->counts.duplicates = (uint64_t)sqlite3_column_int64(statement, 14);
    out->counts.refused = (uint64_t)sqlite3_column_int64(statement, 15);
    out->counts.events_added = (uint64_t)sqlite3_column_int64(statement, 16);
    read_classes(sql_text(statement, 17), &out->counts);
    return out->place.reader.failed || out->told.reader.failed ? error_no_memory(err) : RESULT_OK;
}

enum result import_progress_load(struct registry *registry, const char *origin,
                                 struct import_progress *progress_out, bool *found_out,
                                 struct error *err)
{
    sqlite3_stmt *statement = NULL;
    *found_out = false;
    enum result result =
        sql_prepare(registry->db,
                    "SELECT settings, input, shape, started_at, bytes, sha256, line, reader,"
                    " told_bytes, told_sha256, told_line, told_reader, lines, accepted,"
                    " duplicates, refused, events, classes"
                    " FROM import_progress WHERE origin = ?1",
                    &statement, err);
    if (result == RESULT_OK)
        result = bind_origin(statement, origin, err);
    if (result == RESULT_OK)
        result = registry_step(registry, statement, found_out, err);
    if (result == RESULT_OK && *found_out)
        result = read_row(statement, progress_out, err);
    sqlite3_finalize(statement);
    return result;
}

static void bind_place(sqlite3_stmt *statement, int first, const struct import_place *place)
{
    sqlite3_bind_int64(statement, first, (int64_t)place->bytes);
    sqlite3_bind_blob(statement, first + 1, place->sha256, SHA256_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(statement, first + 2, (int64_t)place->line);
    registry_bind_text(statement, first + 3, place->reader.data);
}

static void bind_counts(sqlite3_stmt *statement, int first, const struct import_counts *counts)
{
    sqlite3_bind_int64(statement, first, (int64_t)counts->lines);
    sqlite3_bind_int64(statement, first + 1, (int64_t)counts->accepted);
    sqlite3_bind_int64(statement, first + 2, (int64_t)counts->duplicates);
    sqlite3_bind_int64(statement, first + 3, (int64_t)counts->refused);
    sqlite3_bind_int64(statement, first + 4, (int64_t)counts->events_added);
}

/* An upsert would name every column twice; a row that is there is in the way of nobody. */
static const char save_sql[] =
    "INSERT OR REPLACE INTO import_progress (origin, settings, input, shape, started_at,"
    " saved_at, bytes, sha256, line, reader, told_bytes, told_sha256, told_line, told_reader,"
    " lines, accepted, duplicates, refused, events, classes) VALUES"
    " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";

enum result import_progress_save(struct registry *registry, const char *origin,
                                 const struct import_progress *progress, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    struct strbuf classes = {0};
    write_classes(&progress->counts, &classes);
    enum result result = classes.failed ? error_no_memory(err) : RESULT_OK;
    if (result == RESULT_OK)
        result = sql_prepare(registry->db, save_sql, &statement, err);
    if (result == RESULT_OK)
        result = bind_origin(statement, origin, err);
    if (result == RESULT_OK) {
        sqlite3_bind_blob(statement, 2, progress->settings, SHA256_BYTES, SQLITE_STATIC);
        registry_bind_text(statement, 3, import_input_name(progress->input));
        sqlite3_bind_int(statement, 4, (int)progress->shape);
        sqlite3_bind_int64(statement, 5, progress->started_at);
        sqlite3_bind_int64(statement, 6, clock_now());
        bind_place(statement, 7, &progress->place);
        bind_place(statement, 11, &progress->told);
        bind_counts(statement, 15, &progress->counts);
        registry_bind_text(statement, 20, classes.data);
        result = sql_run(registry->db, statement, err);
    }
    sqlite3_finalize(statement);
    strbuf_free(&classes);
    return result;
}

enum result import_progress_drop(struct registry *registry, const char *origin, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result =
        sql_prepare(registry->db, "DELETE FROM import_progress WHERE origin = ?1", &statement, err);
    if (result == RESULT_OK)
        result = bind_origin(statement, origin, err);
    if (result == RESULT_OK)
        result = sql_run(registry->db, statement, err);
    sqlite3_finalize(statement);
    return result;
}
