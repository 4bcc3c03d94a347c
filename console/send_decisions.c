/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The export of decisions: found by key from piece to piece, so that nothing is held open between
 * two, and each looks at a stretch of the journal's index, so that a filter that lets little
 * through does not make one of them long.
 */
#include "base/clock.h"
#include "console/send.h"
#include "office/decision_csv.h"

#include <stdlib.h>
#include <string.h>

/* Of the journal's index, looked at for one piece: whatever the filter, that takes some
 * milliseconds. */
#define PIECE_LOOKED_AT 20000
#define PIECE_ROWS      5000
#define PIECE_BYTES     (96 * 1024)

struct decisions {
    struct log_filter filter; /* its texts and key owned; before_… is where the next piece begins */
    struct arena *arena;      /* owned */
    bool begun;
    uint64_t rows;
    /* Of the piece that is being made. */
    struct strbuf *out;
    unsigned here;
    bool full;
};

static void free_decisions(void *own)
{
    struct decisions *decisions = own;
    arena_free(&decisions->arena);
    free(decisions);
}

static uint64_t count_decisions(const void *own)
{
    return ((const struct decisions *)own)->rows;
}

static bool add_decision(void *arg, const struct log_entry *entry)
{
    struct decisions *decisions = arg;
    decision_csv_row(entry, decisions->out);
    decisions->rows++;
    decisions->here++;
    decisions->filter.before_at = entry->instant;
    decisions->filter.before_seq = entry->seq;
    decisions->full = decisions->here == PIECE_ROWS || decisions->out->length >= PIECE_BYTES;
    return !decisions->full && !decisions->out->failed;
}

/* The newest decisions behind those before, down to an instant behind which there are more. */
static enum result make_decisions(void *own, struct journal_index *index, struct strbuf *out,
                                  bool *last_out, struct error *err)
{
    struct decisions *decisions = own;
    struct log_filter filter = decisions->filter;
    int64_t from = filter.before_seq != 0 ? filter.before_at : filter.until;
    int64_t floor = INT64_MIN;
    decisions->out = out;
    decisions->here = 0;
    decisions->full = false;
    if (!decisions->begun) {
        strbuf_add_str(out, DECISION_CSV_MARK);
        decision_csv_names(out);
    }
    decisions->begun = true;
    enum result result = journal_index_back(index, from, PIECE_LOOKED_AT, &floor, err);
    bool more = result == RESULT_OK && floor > filter.since;
    if (result == RESULT_NOT_FOUND)
        result = RESULT_OK;
    if (more)
        filter.since = floor;
    if (result == RESULT_OK)
        result = journal_index_log(index, &filter, add_decision, decisions, err);
    if (result != RESULT_OK || decisions->full)
        return result;
    decisions->filter.before_at = floor;
    decisions->filter.before_seq = 1; /* no row has a smaller one: all at that instant are done */
    *last_out = !more;
    return RESULT_OK;
}

/* False: no memory. */
static bool copy_filter(struct decisions *decisions, const struct log_filter *filter)
{
    struct log_filter *copy = &decisions->filter;
    *copy = *filter;
    copy->limit = copy->before_seq = 0;
    copy->oldest_first = false;
    if (filter->id != NULL)
        copy->id = arena_str(decisions->arena, filter->id);
    if (filter->partner != NULL)
        copy->partner = arena_str(decisions->arena, filter->partner);
    if (filter->reason != NULL)
        copy->reason = arena_str(decisions->arena, filter->reason);
    if (filter->stream != NULL)
        copy->stream = arena_str(decisions->arena, filter->stream);
    if (filter->effect != NULL)
        copy->effect = arena_str(decisions->arena, filter->effect);
    if (filter->purpose != NULL)
        copy->purpose = arena_str(decisions->arena, filter->purpose);
    if (filter->recipient_key != NULL)
        copy->recipient_key = (const uint8_t *)arena_copy(
            decisions->arena, (const char *)filter->recipient_key, RECIPIENT_KEY_BYTES);
    return (filter->id == NULL) == (copy->id == NULL) &&
           (filter->partner == NULL) == (copy->partner == NULL) &&
           (filter->reason == NULL) == (copy->reason == NULL) &&
           (filter->stream == NULL) == (copy->stream == NULL) &&
           (filter->effect == NULL) == (copy->effect == NULL) &&
           (filter->purpose == NULL) == (copy->purpose == NULL) &&
           (filter->recipient_key == NULL) == (copy->recipient_key == NULL);
}

static struct decisions *new_decisions(const struct log_filter *filter)
{
    struct decisions *decisions = calloc(1, sizeof(*decisions));
    if (decisions == NULL)
        return NULL;
    decisions->arena = arena_new(4096);
    if (decisions->arena != NULL && copy_filter(decisions, filter))
        return decisions;
    free_decisions(decisions);
    return NULL;
}

/* What was asked for, in words that are nobody's: "verdict=block reason=WITHDRAWN since=…". */
static void describe(const struct log_filter *filter, struct strbuf *out)
{
    char at[CLOCK_TEXT];
    if (filter->id != NULL)
        strbuf_add_format(out, " id=%s", filter->id);
    if (filter->has_verdict)
        strbuf_add_format(out, " verdict=%s", verdict_name(filter->verdict));
    if (filter->stopped)
        strbuf_add_str(out, " verdict=block|defer");
    if (filter->effect != NULL)
        strbuf_add_format(out, " effect=%s", filter->effect);
    if (filter->not_sent)
        strbuf_add_str(out, " verdict=block, not sent");
    if (filter->purpose != NULL)
        strbuf_add_format(out, " purpose=%s", filter->purpose);
    if (filter->reason != NULL)
        strbuf_add_format(out, " reason=%s", filter->reason);
    if (filter->stream != NULL)
        strbuf_add_format(out, " stream=%s", filter->stream);
    if (filter->since != INT64_MIN) {
        clock_format(filter->since, at);
        strbuf_add_format(out, " since=%s", at);
    }
    if (filter->until != INT64_MAX) {
        clock_format(filter->until, at);
        strbuf_add_format(out, " until=%s", at);
    }
}

/* False: no memory. */
static bool note_export(struct visit *visit, const struct log_filter *filter)
{
    struct strbuf subject = {0};
    describe(filter, &subject);
    const struct access access = {
        .key = filter->recipient_key,
        .masked = filter->recipient_key != NULL ? "" : NULL,
        .partner = filter->partner != NULL ? filter->partner : "",
        .channel = filter->has_channel ? channel_name(filter->channel) : "",
        .subject = subject.length > 0 ? subject.data + 1 : "",
        .answer = "",
    };
    bool noted = !subject.failed && visit_note(visit, "decision.export", &access);
    strbuf_free(&subject);
    return noted;
}

enum result visit_send_decisions(struct visit *visit, const struct log_filter *filter,
                                 const char *name, struct error *err)
{
    struct decisions *decisions = new_decisions(filter);
    if (decisions == NULL)
        return error_no_memory(err);
    const struct visit_pieces pieces = {
        .own = decisions, .make = make_decisions, .count = count_decisions, .free = free_decisions};
    if (note_export(visit, filter))
        return visit_send_pieces(visit, &pieces, "text/csv; charset=utf-8", name, err);
    free_decisions(decisions);
    return error_no_memory(err);
}
