/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The import's input: what it is, what of it was taken, and how an interrupted one is gone on with.
 * The bytes that an earlier go was done with are compared by their SHA-256 and not read again, but
 * for those whose refused lines may not have been told.
 */
#include "store/import_internal.h"

#include "base/clock.h"
#include "store/registry_internal.h"

#include <stdlib.h>
#include <string.h>

/* Keyed addresses fall anywhere in the table's indexes: with SQLite's usual 2 MiB nearly every row
 * of a large registry reads and writes pages anew. Memory of the import alone, in KiB. */
#define CACHE_KIB "-131072"

/* ---- places ---- */

/* Where the next record would begin, as of now. */
enum result import_note_place(struct import *import, struct error *err)
{
    struct import_place *place = &import->progress.place;
    place->bytes = import->taken;
    place->line = import->reader->ops->line(import->reader);
    strbuf_clear(&place->reader);
    import->reader->ops->save(import->reader, &place->reader);
    strbuf_add(&place->reader, "", 0);
    if (place->reader.failed)
        return error_no_memory(err);
    return sha256_stream_now(import->sum, place->sha256)
               ? RESULT_OK
               : error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
}

enum result import_copy_place(struct import_place *to, const struct import_place *from,
                              struct error *err)
{
    struct strbuf reader = to->reader;
    *to = *from;
    to->reader = reader;
    strbuf_clear(&to->reader);
    strbuf_add(&to->reader, from->reader.data, from->reader.length);
    return to->reader.failed ? error_no_memory(err) : RESULT_OK;
}

static enum result add_to_sum(struct import *import, const char *bytes, size_t length,
                              struct error *err)
{
    import->taken += length;
    return sha256_stream_add(import->sum, bytes, length)
               ? RESULT_OK
               : error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
}

/* The bytes up to a place on record must be those that were read then. */
static enum result check_place(struct import *import, const struct import_place *place,
                               struct error *err)
{
    uint8_t sum[SHA256_BYTES];
    if (!sha256_stream_now(import->sum, sum))
        return error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
    return memcmp(sum, place->sha256, sizeof(sum)) == 0
               ? RESULT_OK
               : error_set(err, RESULT_CONFLICT,
                           "this is not the file whose import was interrupted: it differs before "
                           "line %llu",
                           (unsigned long long)place->line);
}

void import_taken(struct import *import, const char *bytes, size_t length)
{
    struct error err = {0};
    const struct import_place *place = &import->progress.place;
    enum result result = RESULT_OK;
    import->moved = true;
    if (import->replays && import->taken < place->bytes && import->taken + length >= place->bytes) {
        size_t first = (size_t)(place->bytes - import->taken);
        result = add_to_sum(import, bytes, first, &err);
        if (result == RESULT_OK)
            result = check_place(import, place, &err);
        bytes += first;
        length -= first;
    }
    if (result == RESULT_OK)
        result = add_to_sum(import, bytes, length, &err);
    if (result != RESULT_OK && import->failure == RESULT_OK)
        (void)import_fail(import, result, &err);
}

void import_hold(struct import *import)
{
    struct error err = {0};
    bool moves = !import->held && !import->replays;
    enum result result = moves ? import_note_place(import, &err) : RESULT_OK;
    import->held = import->held || moves;
    if (result != RESULT_OK)
        (void)import_fail(import, result, &err);
}

static bool open_reader(struct import *import)
{
    struct error err = {0};
    import->schema =
        import->detected.input == IMPORT_TWILIO ? &import_schema_twilio : &import_schema_octroi;
    import->reader =
        import->detected.shape == SHAPE_CSV
            ? import_csv_new(import, import->schema)
            : import_json_new(import, import->schema, import->detected.shape == SHAPE_LINES);
    import->progress.input = import->detected.input;
    import->progress.shape = import->detected.shape;
    enum result result = import->reader != NULL ? RESULT_OK : error_no_memory(&err);
    if (result == RESULT_OK && import->saved.reader.data == NULL)
        result = import_note_place(import, &err);
    if (result == RESULT_OK && import->saved.reader.data == NULL)
        result = import_copy_place(&import->saved, &import->progress.place, &err);
    return result == RESULT_OK || import_fail(import, result, &err);
}

/* Holds the first bytes back until they tell what they are of. */
static bool read_head(struct import *import, const char *bytes, size_t length, bool at_end)
{
    struct error err = {0};
    strbuf_add(&import->head, bytes, length);
    if (import->head.failed)
        return import_fail(import, error_no_memory(&err), &err);
    if (!import_detect(&import->settings, import->head.data, import->head.length, at_end,
                       &import->detected))
        return true;
    if (!open_reader(import))
        return false;
    bool went_on =
        import->reader->ops->feed(import->reader, import->head.data, import->head.length);
    strbuf_free(&import->head);
    return went_on;
}

/* What is there of the bytes that an earlier go was done with. used_out: how many were of them. */
static bool compare(struct import *import, const char *bytes, size_t length, size_t *used_out)
{
    struct error err = {0};
    uint64_t left = import->resumes_at - import->taken;
    *used_out = left < length ? (size_t)left : length;
    enum result result = add_to_sum(import, bytes, *used_out, &err);
    if (result == RESULT_OK && import->taken == import->resumes_at) {
        import->resumes_at = 0;
        result = check_place(import, &import->progress.told, &err);
    }
    return result == RESULT_OK || import_fail(import, result, &err);
}

static bool read_bytes(struct import *import, const char *bytes, size_t length)
{
    size_t used = 0;
    if (import->resumes_at > 0 && !compare(import, bytes, length, &used))
        return false;
    if (import->resumes_at > 0)
        return true;
    if (import->reader == NULL)
        return read_head(import, bytes + used, length - used, false);
    return import->reader->ops->feed(import->reader, bytes + used, length - used);
}

static bool read_end(struct import *import)
{
    struct error err = {0};
    if (import->reader == NULL && !read_head(import, "", 0, true))
        return false;
    bool whole = import->resumes_at == 0 && import->reader->ops->finish(import->reader);
    if (import->failure != RESULT_OK ||
        (import->resumes_at == 0 &&
         !(import->replays && import->taken < import->progress.place.bytes)))
        return whole;
    return import_fail(
        import,
        error_set(&err, RESULT_CONFLICT,
                  "this is not the file whose import was interrupted: it is shorter"),
        &err);
}

/* What the last feed or finish came to; more is refused after a failure. */
static enum result settle(struct import *import, bool went_on, bool done, struct error *err)
{
    if (!went_on && import->failure == RESULT_OK) {
        import->failure = RESULT_NO_MEMORY;
        error_no_memory(&import->error);
    }
    import_end_batch(import, done);
    if (import->failure != RESULT_OK && err != NULL)
        *err = import->error;
    return import->failure;
}

enum result import_feed(struct import *import, const char *bytes, size_t length, struct error *err)
{
    bool went_on = import->failure == RESULT_OK && read_bytes(import, bytes, length);
    return settle(import, went_on, false, err);
}

enum result import_finish(struct import *import, struct error *err)
{
    bool went_on = import->failure == RESULT_OK && read_end(import);
    /* First what is left, and telling of it; then the progress goes. */
    return settle(import, went_on, false, err) == RESULT_OK ? settle(import, true, true, err)
                                                            : import->failure;
}

/* ---- going on ---- */

/* Of what would make other events of the same lines. */
static bool settings_digest(const struct import_settings *settings, uint8_t out[SHA256_BYTES])
{
    struct strbuf text = {0};
    strbuf_add_json_field(&text, "region", settings->region);
    strbuf_add_json_field(&text, "form", settings->form_id);
    strbuf_add_json_number(&text, "version", settings->form_version);
    strbuf_add_json_field(&text, "evidence", settings->evidence);
    strbuf_add_json_number(&text, "channels", settings->channels);
    strbuf_add_json_field(&text, "supplier", settings->supplier);
    for (size_t i = 0; i < settings->n_partners; i++)
        strbuf_add_json_field(&text, "partner", settings->partners[i]);
    bool ok = !text.failed && sha256(text.data, text.length, out);
    strbuf_free(&text);
    return ok;
}

enum result import_unfinished(struct import *import, bool *found_out, uint64_t *line_out,
                              struct error *err)
{
    struct import_progress found = {0};
    enum result result = import_progress_load(import->settings.registry, import->settings.origin,
                                              &found, found_out, err);
    *line_out = found.place.line;
    import_progress_free(&found);
    return result;
}

static enum result check_settings(const struct import *import, const struct import_progress *found,
                                  struct error *err)
{
    bool same = memcmp(found->settings, import->progress.settings, SHA256_BYTES) == 0 &&
                (import->settings.input == IMPORT_DETECT || import->settings.input == found->input);
    return same ? RESULT_OK
                : error_set(err, RESULT_CONFLICT,
                            "the interrupted import was begun with other options, or with another "
                            "region in the configuration");
}

/* Reading begins where the last refused line was surely told. */
static enum result go_there(struct import *import, const struct import_progress *found,
                            struct error *err)
{
    import->counts = found->counts;
    import->lines_before = found->counts.lines;
    import->detected = (struct import_detected){found->input, found->shape};
    import->resumes_at = found->told.bytes;
    import->replays = found->told.bytes < found->place.bytes;
    if (!open_reader(import)) {
        *err = import->error;
        return import->failure;
    }
    if (found->told.bytes == 0 ||
        import->reader->ops->restore(import->reader, found->told.line, found->told.reader.data))
        return RESULT_OK;
    return error_set(err, RESULT_DAMAGED, "the progress on record is not readable");
}

enum result import_resume(struct import *import, struct error *err)
{
    bool there = false;
    struct import_progress found = {0};
    enum result result = import_progress_load(import->settings.registry, import->settings.origin,
                                              &found, &there, err);
    if (result == RESULT_OK && !there)
        result =
            error_set(err, RESULT_NOT_FOUND, "no import of a file of this name was interrupted");
    if (result == RESULT_OK)
        result = check_settings(import, &found, err);
    if (result == RESULT_OK)
        result = import_copy_place(&import->saved, &found.place, err);
    if (result == RESULT_OK)
        result = go_there(import, &found, err);
    if (result != RESULT_OK) {
        import_progress_free(&found);
        return result;
    }
    import_progress_free(&import->progress);
    import->progress = found;
    return RESULT_OK;
}

/* ---- the rest of the interface ---- */

struct import *import_new(const struct import_settings *settings)
{
    struct import *import = calloc(1, sizeof(*import));
    if (import == NULL)
        return NULL;
    import->settings = *settings;
    import->event.settings = &import->settings;
    import->now = import->progress.started_at = clock_now();
    import->problems = calloc(IMPORT_PROBLEMS, sizeof(*import->problems));
    import->sum = sha256_stream_new();
    if (import->problems == NULL || import->sum == NULL ||
        !settings_digest(settings, import->progress.settings)) {
        import_free(&import);
        return NULL;
    }
    (void)sql_exec(settings->registry->db, "PRAGMA cache_size = " CACHE_KIB, NULL);
    import_pace_set(import, false);
    return import;
}

void import_free(struct import **import_pointer)
{
    struct import *import = *import_pointer;
    if (import == NULL)
        return;
    if (import->open)
        registry_rollback(import->settings.registry);
    if (import->reader != NULL)
        import->reader->ops->free(import->reader);
    import_event_free(&import->event);
    sha256_stream_free(&import->sum);
    import_progress_free(&import->progress);
    strbuf_free(&import->saved.reader);
    strbuf_free(&import->head);
    strbuf_free(&import->scratch);
    strbuf_free(&import->texts);
    free(import->problems);
    free(import);
    *import_pointer = NULL;
}

const struct import_counts *import_counts(const struct import *import)
{
    return &import->counts;
}

uint64_t import_lines_before(const struct import *import)
{
    return import->lines_before;
}

enum import_input import_input(const struct import *import)
{
    return import->detected.input;
}

bool import_sha256(const struct import *import, uint8_t out[SHA256_BYTES])
{
    return sha256_stream_now(import->sum, out);
}
