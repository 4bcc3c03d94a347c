/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going through the segments: what is past the limits is counted, and then, segment by segment,
 * totals made durable and lines erased. Every line on the way is checked as `verify` does, so that
 * damage is found before it is written over.
 */
#include "store/journal_purge.h"

#include "store/purge_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct purger {
    const struct journal_purge *purge;
    bool erases;
    uint64_t last; /* number of the last segment */
    struct chain_walk walk;
    struct purge_totals *totals; /* owned; of the segment being read */
    uint64_t segment_rows;       /* to be erased in it */
    uint64_t bytes, total;
    struct journal_purge_counts *counts;
};

static void note(uint64_t *count, int64_t *oldest, int64_t at)
{
    ++*count;
    if (at < *oldest)
        *oldest = at;
}

static bool count_row(struct purger *purger, enum purge_fate fate, const struct purge_row *row)
{
    struct journal_purge_counts *counts = purger->counts;
    bool outcome = row->type == RECORD_OUTCOME;
    purger->segment_rows++;
    if (row->type == RECORD_ACCESS)
        note(&counts->accesses, &counts->oldest, row->at);
    else if (fate == PURGE_AGED)
        note(outcome ? &counts->outcomes : &counts->decisions, &counts->oldest, row->at);
    else
        note(outcome ? &counts->detail_outcomes : &counts->detail_decisions, &counts->oldest_detail,
             row->at);
    /* Also what is past both limits: the days before were counted when they were past one. */
    return outcome || !row->detail || purge_totals_add(purger->totals, row);
}

static enum result damaged(struct purger *purger, const struct segment_reader *reader,
                           const char *fault, struct error *err)
{
    char where[400];
    chain_where(&purger->walk, purger->purge->directory, reader->text, reader->length, fault, where,
                sizeof(where));
    return error_set(err, RESULT_DAMAGED, "%s: nothing of this segment or a later one is erased",
                     where);
}

static enum result count_line(struct purger *purger, const struct segment_reader *reader,
                              struct error *err)
{
    enum purge_fate fate = PURGE_KEEP;
    struct purge_row row;
    const char *fault = chain_step(&purger->walk, reader->text, reader->length);
    if (fault != NULL)
        return damaged(purger, reader, fault, err);
    const struct line *line = &purger->walk.line;
    if (line->erased)
        return RESULT_OK;
    enum result result =
        purge_fate(purger->purge, purger->walk.rows, line->record, line->length, &fate, &row, err);
    if (result == RESULT_OK && fate != PURGE_KEEP && !count_row(purger, fate, &row))
        result = error_no_memory(err);
    return result;
}

static enum result count_lines(struct purger *purger, struct segment_reader *reader,
                               struct error *err)
{
    enum segment_read read;
    while ((read = segment_reader_next(reader, err)) == SEGMENT_LINE) {
        enum result result = count_line(purger, reader, err);
        if (result != RESULT_OK)
            return result;
        purger->bytes += reader->length + 1;
        if (purger->purge->progress != NULL)
            purger->purge->progress(purger->purge->progress_arg, purger->bytes, purger->total);
    }
    if (read == SEGMENT_FAILED)
        return RESULT_SYSTEM;
    if (read == SEGMENT_TOO_LONG || (reader->length > 0 && purger->walk.segment < purger->last))
        return damaged(purger, reader, "the line has no end", err);
    return RESULT_OK;
}

static enum result count_segment(struct purger *purger, uint64_t segment, struct error *err)
{
    struct segment_reader reader;
    enum result result = segment_reader_open(&reader, purger->purge->directory, segment, 0, err);
    if (result != RESULT_OK)
        return result;
    chain_segment(&purger->walk, segment);
    purge_totals_clear(purger->totals);
    purger->segment_rows = 0;
    result = count_lines(purger, &reader, err);
    segment_reader_close(&reader);
    return result;
}

/* Totals before anything goes, and in the index before it is asked about them again. */
static enum result append_totals(struct purger *purger, uint64_t segment, struct error *err)
{
    const struct journal_purge *purge = purger->purge;
    struct strbuf lines = {0};
    uint64_t records = 0;
    enum result result = purge_totals_records(purger->totals, purge->index, segment, clock_now(),
                                              &lines, &records, err);
    if (result == RESULT_OK && records > 0)
        result = purge->append(purge->append_arg, &lines, err);
    if (result == RESULT_OK)
        purger->counts->totals += records;
    strbuf_free(&lines);
    return result;
}

static enum result erase_segment(struct purger *purger, uint64_t segment, uint64_t rows_before,
                                 const uint8_t head_before[SHA256_BYTES], struct error *err)
{
    enum result result = append_totals(purger, segment, err);
    if (result != RESULT_OK)
        return result;
    purger->walk.rows = rows_before;
    memcpy(purger->walk.head, head_before, SHA256_BYTES);
    return purge_rewrite(purger->purge, &purger->walk, segment, purger->segment_rows, err);
}

static enum result add_sizes(struct purger *purger, struct error *err)
{
    for (uint64_t segment = 1; segment <= purger->last; segment++) {
        struct stat st;
        char *path = segment_path(purger->purge->directory, segment, ".seg");
        if (path == NULL)
            return error_no_memory(err);
        if (stat(path, &st) == 0)
            purger->total += (uint64_t)st.st_size;
        free(path);
    }
    return RESULT_OK;
}

static enum result go_through(struct purger *purger, struct error *err)
{
    uint64_t end = purger->erases ? purger->last - 1 : purger->last;
    enum result result = add_sizes(purger, err);
    for (uint64_t segment = 1; result == RESULT_OK && segment <= end; segment++) {
        uint64_t rows_before = purger->walk.rows;
        uint8_t head_before[SHA256_BYTES];
        memcpy(head_before, purger->walk.head, SHA256_BYTES);
        result = count_segment(purger, segment, err);
        if (result == RESULT_OK && purger->erases && purger->segment_rows > 0)
            result = erase_segment(purger, segment, rows_before, head_before, err);
    }
    /* What a purge that was killed between a file and its rows left in the index. */
    if (result == RESULT_OK && purger->erases)
        result =
            index_forget(purger->purge->index, &purger->purge->limits, 1, purger->walk.rows, err);
    return result;
}

static enum result run(const struct journal_purge *purge, bool erases,
                       struct journal_purge_counts *counts, struct error *err)
{
    struct purger purger = {.purge = purge, .erases = erases, .counts = counts};
    *counts = (struct journal_purge_counts){.oldest = INT64_MAX, .oldest_detail = INT64_MAX};
    enum result result = segment_last(purge->directory, &purger.last, err);
    if (result == RESULT_OK)
        result = journal_index_catch_up(purge->index, 0, NULL, err);
    if (result == RESULT_OK && erases)
        result = purge_clean(purge->directory, purger.last, err);
    if (result != RESULT_OK || purger.last == 0)
        return result;
    purger.totals = purge_totals_new();
    if (purger.totals == NULL || !chain_open(&purger.walk, purge->key))
        result = error_no_memory(err);
    else
        result = go_through(&purger, err);
    if (purger.totals != NULL)
        chain_close(&purger.walk);
    purge_totals_free(&purger.totals);
    return result;
}

enum result journal_purge_count(const struct journal_purge *purge,
                                struct journal_purge_counts *counts_out, struct error *err)
{
    return run(purge, false, counts_out, err);
}

enum result journal_purge_run(const struct journal_purge *purge,
                              struct journal_purge_counts *counts_out, struct error *err)
{
    return run(purge, true, counts_out, err);
}
