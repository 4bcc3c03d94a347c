/* SPDX-License-Identifier: Apache-2.0 */
/* The full check of the journal: every line, every checkpoint, every file, in constant memory. */
#include "base/file.h"
#include "store/index.h"
#include "store/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PROGRESS_EVERY (UINT64_C(1) << 20)

struct verify {
    const char *directory;
    uint64_t last;
    struct segment_reader end; /* the last segment, opened first: its size then bounds the check */
    struct chain_walk walk;
    uint64_t known_rows; /* the index's last row; 0: none */
    uint8_t known_hash[SHA256_BYTES];
    struct verify_calls calls;
    uint64_t bytes;
    uint64_t shown;
    uint64_t total;
    struct verify_report *report;
};

static enum result damaged_file(struct verify *verify, uint64_t number, const char *what)
{
    char label[SEGMENT_LABEL];
    segment_label(verify->directory, number, label);
    snprintf(verify->report->where, sizeof(verify->report->where), "%s: %s", label, what);
    return RESULT_DAMAGED;
}

static enum result check_hash(struct verify *verify, uint64_t row, const uint8_t hash[SHA256_BYTES],
                              const char *who)
{
    struct chain_walk *walk = &verify->walk;
    if (walk->rows != row || memcmp(walk->head, hash, SHA256_BYTES) == 0)
        return RESULT_OK;
    char label[SEGMENT_LABEL];
    segment_label(verify->directory, walk->segment, label);
    snprintf(verify->report->where, sizeof(verify->report->where),
             "row %" PRIu64 ", %s line %" PRIu64
             ": %s remembers another hash for this row: rows were replaced",
             walk->rows, label, walk->lines, who);
    return RESULT_DAMAGED;
}

static enum result check_known(struct verify *verify)
{
    const struct verify_known *known = verify->calls.known;
    enum result result = check_hash(verify, verify->known_rows, verify->known_hash, "its index");
    return result == RESULT_OK && known != NULL
               ? check_hash(verify, known->row, known->hash, known->who)
               : result;
}

static enum result check_reaches(struct verify *verify, uint64_t row, const char *who)
{
    uint64_t rows = verify->walk.rows;
    if (rows >= row)
        return RESULT_OK;
    snprintf(verify->report->where, sizeof(verify->report->where),
             "the journal ends at row %" PRIu64 " but %s knows row %" PRIu64 ": rows were cut off",
             rows, who, row);
    return RESULT_DAMAGED;
}

static void show_progress(struct verify *verify, bool last)
{
    if (verify->calls.progress == NULL || (!last && verify->bytes - verify->shown < PROGRESS_EVERY))
        return;
    verify->shown = verify->bytes;
    verify->calls.progress(verify->calls.arg, verify->bytes, verify->total);
}

/* The row last read, where it is about the registry. */
static enum result check_anchor(struct verify *verify)
{
    const struct line *line = &verify->walk.line;
    char why[160] = "it does not say which event";
    char label[SEGMENT_LABEL];
    uint8_t hash[SHA256_BYTES];
    int64_t event;
    if (line->erased || record_type(line->record, line->length) != RECORD_REGISTRY)
        return RESULT_OK;
    verify->report->anchors++;
    if (record_registry_parse(line->record, line->length, &event, hash) &&
        (verify->calls.anchor == NULL ||
         verify->calls.anchor(verify->calls.arg, event, hash, why, sizeof(why))))
        return RESULT_OK;
    segment_label(verify->directory, verify->walk.segment, label);
    snprintf(verify->report->where, sizeof(verify->report->where),
             "row %" PRIu64 ", %s line %" PRIu64 ": %s", verify->walk.rows, label,
             verify->walk.lines, why);
    return RESULT_DAMAGED;
}

static enum result check_end(struct verify *verify, const struct segment_reader *reader,
                             uint64_t number)
{
    struct chain_walk *walk = &verify->walk;
    if (number < verify->last) {
        if (reader->length > 0)
            return damaged_file(verify, number, "its last line is not ended");
        if (walk->lines == 0 || walk->since > 0)
            return damaged_file(verify, number,
                                "it does not end with a checkpoint: rows were cut off");
        return RESULT_OK;
    }
    if (reader->length > 0 &&
        !line_is_torn(&walk->hasher, walk->head, reader->text, reader->length))
        return damaged_file(verify, number,
                            "after its last row it holds what no interrupted write leaves");
    verify->report->torn_bytes = reader->length;
    return RESULT_OK;
}

static enum result check_segment(struct verify *verify, struct segment_reader *reader,
                                 uint64_t number, struct error *err)
{
    struct chain_walk *walk = &verify->walk;
    chain_segment(walk, number);
    verify->report->segments++;
    for (;;) {
        switch (segment_reader_next(reader, err)) {
        case SEGMENT_FAILED:
            return RESULT_SYSTEM;
        case SEGMENT_TOO_LONG:
            return damaged_file(verify, number, "a line is longer than any record");
        case SEGMENT_END:
            verify->bytes += reader->length;
            return check_end(verify, reader, number);
        case SEGMENT_LINE:
            break;
        }
        const char *fault = chain_step(walk, reader->text, reader->length);
        if (fault != NULL) {
            chain_where(walk, verify->directory, reader->text, reader->length, fault,
                        verify->report->where, sizeof(verify->report->where));
            return RESULT_DAMAGED;
        }
        if (check_known(verify) != RESULT_OK || check_anchor(verify) != RESULT_OK)
            return RESULT_DAMAGED;
        verify->bytes += reader->length + 1;
        show_progress(verify, false);
        if (verify->calls.stop != NULL && atomic_load(verify->calls.stop))
            return error_set(err, RESULT_UNAVAILABLE, "the check was stopped");
    }
}

static enum result check_number(struct verify *verify, uint64_t number, struct error *err)
{
    struct segment_reader reader;
    if (number == verify->last)
        return check_segment(verify, &verify->end, number, err);
    enum result result = segment_reader_open(&reader, verify->directory, number, 0, err);
    if (result == RESULT_NOT_FOUND)
        return damaged_file(verify, number, "is missing");
    if (result != RESULT_OK)
        return result;
    result = check_segment(verify, &reader, number, err);
    segment_reader_close(&reader);
    return result;
}

static enum result add_sizes(struct verify *verify, struct error *err)
{
    verify->total = verify->last > 0 ? verify->end.limit : 0;
    for (uint64_t number = 1; number < verify->last; number++) {
        struct stat st;
        char *path = segment_path(verify->directory, number, ".seg");
        if (path == NULL)
            return error_no_memory(err);
        if (stat(path, &st) == 0)
            verify->total += (uint64_t)st.st_size;
        free(path);
    }
    return RESULT_OK;
}

static enum result check_all(struct verify *verify, struct error *err)
{
    enum result result = segment_last(verify->directory, &verify->last, err);
    if (result == RESULT_DAMAGED && err != NULL)
        str_copy(verify->report->where, sizeof(verify->report->where), err->text);
    if (result == RESULT_OK && verify->last > 0)
        result = segment_reader_open(&verify->end, verify->directory, verify->last, 0, err);
    if (result == RESULT_OK)
        result = add_sizes(verify, err);
    for (uint64_t number = 1; result == RESULT_OK && number <= verify->last; number++)
        result = check_number(verify, number, err);
    verify->report->complete = result == RESULT_OK;
    if (result == RESULT_OK)
        result = check_reaches(verify, verify->known_rows, "its index");
    if (result == RESULT_OK && verify->calls.known != NULL)
        result = check_reaches(verify, verify->calls.known->row, verify->calls.known->who);
    return result;
}

enum result journal_verify(const char *directory, const struct signing_key *public_key,
                           const char *index_path, const struct verify_calls *calls,
                           struct verify_report *report_out, struct error *err)
{
    struct error local = {0};
    struct verify verify = {.directory = directory, .end = {.fd = -1}, .report = report_out};
    if (calls != NULL)
        verify.calls = *calls;
    *report_out = (struct verify_report){0};
    err = err != NULL ? err : &local;
    /* The index's word first: the journal can only have grown since. */
    enum result result = RESULT_OK;
    if (index_path != NULL)
        result = index_last_row(index_path, &verify.known_rows, verify.known_hash, err);
    if (result != RESULT_OK) {
        /* On a full disk, say: the chain can be checked all the same. */
        report_out->index_unread = true;
        verify.known_rows = 0;
    }
    if (!chain_open(&verify.walk, public_key))
        return error_no_memory(err);
    result = check_all(&verify, err);
    report_out->rows = verify.walk.rows;
    report_out->erased = verify.walk.erased;
    report_out->checkpoints = verify.walk.checkpoints;
    memcpy(report_out->head, verify.walk.head, SHA256_BYTES);
    if (result == RESULT_OK)
        show_progress(&verify, true);
    else if (result == RESULT_DAMAGED)
        error_set(err, RESULT_DAMAGED, "%.470s", report_out->where);
    segment_reader_close(&verify.end);
    chain_close(&verify.walk);
    return result;
}

enum result index_compare_end(const char *index_path, const struct journal_state *state,
                              struct error *err)
{
    uint64_t rows = 0;
    uint8_t hash[SHA256_BYTES];
    if (index_last_row(index_path, &rows, hash, NULL) != RESULT_OK || rows < state->rows)
        return RESULT_OK;
    if (rows > state->rows)
        return error_set(err, RESULT_DAMAGED,
                         "the journal ends at row %" PRIu64 " but its index knows row %" PRIu64
                         ": rows were cut off",
                         state->rows, rows);
    if (rows > 0 && memcmp(hash, state->head, SHA256_BYTES) != 0)
        return error_set(err, RESULT_DAMAGED,
                         "the journal's last row %" PRIu64
                         " is not the one its index knows: rows were replaced",
                         rows);
    return RESULT_OK;
}
