/* SPDX-License-Identifier: Apache-2.0 */
/* What a digest is made of. */
#include "office/digest.h"

#include "store/notices.h"

#include <stdlib.h>
#include <string.h>

/* A share is unusual that is half as high again as the week's, by five points at least, of no fewer
 * messages than tell anything. */
#define UNUSUAL_DECISIONS 20
#define UNUSUAL_POINTS    5

bool digest_is_unusual(const struct tally_counts *day, const struct tally_counts *week)
{
    if (day->decisions < UNUSUAL_DECISIONS || week->decisions < UNUSUAL_DECISIONS)
        return false;
    /* In hundredths of a per cent. */
    uint64_t now = tally_stopped(day) * 10000 / day->decisions;
    uint64_t before = tally_stopped(week) * 10000 / week->decisions;
    return now >= before + (uint64_t)UNUSUAL_POINTS * 100 && 2 * now >= 3 * before;
}

/* ---- counts ---- */

static enum result count(const struct digest_sources *sources, struct digest *digest,
                         struct error *err)
{
    static const enum tally_by of_day[] = {TALLY_PARTNER, TALLY_CHANNEL, TALLY_VERDICT,
                                           TALLY_REASON};
    const struct digest_day *day = &digest->day;
    struct tally_filter filter = {
        .since = day->since, .until = day->until, .purpose = purpose_name(PURPOSE_RECEIPT)};
    digest->reasons = tally_new(of_day, 4);
    digest->week = tally_new(of_day, 2);
    if (digest->reasons == NULL || digest->week == NULL)
        return error_no_memory(err);
    enum result result = journal_index_tally(sources->index, &filter, &digest->reasons, 1, err);
    filter.since = day->week_since;
    filter.until = day->since;
    if (result == RESULT_OK)
        result = journal_index_tally(sources->index, &filter, &digest->week, 1, err);
    if (result == RESULT_OK) {
        tally_sort(digest->reasons);
        tally_sort(digest->week);
    }
    return result;
}

static const struct tally_counts *find_week(const struct digest *digest, const char *partner,
                                            const char *channel)
{
    static const struct tally_counts none;
    for (size_t i = 0; i < tally_count(digest->week); i++) {
        const struct tally_row *row = tally_row(digest->week, i);
        if (strcmp(row->keys[0], partner) == 0 && strcmp(row->keys[1], channel) == 0)
            return &row->counts;
    }
    return &none;
}

/* The tally's rows are sorted: those of one partner and channel stand together. */
static enum result make_lines(struct digest *digest, struct error *err)
{
    const char *unusual = NULL, *partner = "", *channel = "";
    size_t n = tally_count(digest->reasons);
    struct digest_line *lines = calloc(n + 1, sizeof(*lines));
    digest->lines = lines;
    if (lines == NULL)
        return error_no_memory(err);
    struct digest_line *line = lines;
    for (size_t i = 0; i < n; i++) {
        const struct tally_row *row = tally_row(digest->reasons, i);
        if (i == 0 || strcmp(partner, row->keys[0]) != 0 || strcmp(channel, row->keys[1]) != 0) {
            line = &lines[digest->n_lines++];
            line->partner = partner = row->keys[0];
            line->channel = channel = row->keys[1];
            line->week = *find_week(digest, partner, channel);
        }
        tally_counts_add(&line->day, &row->counts);
        tally_counts_add(&digest->total, &row->counts);
    }
    for (size_t i = 0; i < tally_count(digest->week); i++)
        tally_counts_add(&digest->week_total, &tally_row(digest->week, i)->counts);
    for (size_t i = 0; i < digest->n_lines; i++) {
        line = &lines[i];
        line->unusual = digest_is_unusual(&line->day, &line->week);
        if (line->unusual && (unusual == NULL || strcmp(unusual, line->partner) != 0))
            digest->n_unusual++;
        unusual = line->unusual ? line->partner : unusual;
    }
    return RESULT_OK;
}

/* ---- the registry ---- */

static enum result find_overdue(const struct digest_sources *sources, struct digest *digest,
                                int64_t now, struct error *err)
{
    const struct config *config = digest->config;
    enum result result = RESULT_OK;
    digest->overdue = calloc(config->n_notices + 1, sizeof(*digest->overdue));
    if (digest->overdue == NULL)
        return error_no_memory(err);
    for (size_t i = 0; i < config->n_notices && result == RESULT_OK; i++) {
        const struct notices_config *notices = &config->notices[i];
        uint64_t overdue;
        int64_t oldest;
        result = registry_overdue_deliveries(sources->registry, notices->partner->id,
                                             now - notices->overdue_after, &overdue, &oldest, err);
        if (result == RESULT_OK && overdue > 0)
            digest->overdue[digest->n_overdue++] =
                (struct digest_overdue){notices->partner->id, overdue, oldest};
    }
    return result;
}

struct suspensions {
    struct digest *digest;
    bool no_memory;
};

static bool on_suspension(void *arg, const struct suspension_row *row)
{
    struct suspensions *suspensions = arg;
    struct digest *digest = suspensions->digest;
    struct strbuf reason = {0};
    if (row->resumed)
        return true;
    struct digest_suspension *list =
        realloc(digest->suspensions, (digest->n_suspensions + 1) * sizeof(*digest->suspensions));
    if (list != NULL) {
        digest->suspensions = list;
        list[digest->n_suspensions] =
            (struct digest_suspension){.kind = row->kind, .since = row->suspended_at};
        text_hide_addresses(row->reason, digest->config->region, &reason);
        str_copy(list[digest->n_suspensions].id, sizeof(list->id), row->id);
        str_copy(list[digest->n_suspensions].reason, sizeof(list->reason),
                 reason.data != NULL ? reason.data : "");
        digest->n_suspensions++;
    }
    suspensions->no_memory = list == NULL || reason.failed;
    strbuf_free(&reason);
    return !suspensions->no_memory;
}

static enum result find_suspensions(const struct digest_sources *sources, struct digest *digest,
                                    struct error *err)
{
    struct suspensions suspensions = {.digest = digest};
    enum result result = registry_suspensions(sources->registry, on_suspension, &suspensions, err);
    return result == RESULT_OK && suspensions.no_memory ? error_no_memory(err) : result;
}

/* ---- the checkpoint ---- */

struct last_checkpoint {
    const struct digest_sources *sources;
    struct digest *digest;
};

static bool on_checkpoint(void *arg, int64_t at, const char *record, size_t length)
{
    struct last_checkpoint *last = arg;
    (void)at;
    /* One that is not signed by us vouches for nothing. */
    if (checkpoint_of(record, length, last->sources->journal_key, &last->digest->checkpoint,
                      NULL) == RESULT_OK)
        last->digest->has_checkpoint = true;
    return true;
}

enum result digest_gather(const struct digest_sources *sources, const struct digest_day *day,
                          int64_t now, struct digest **digest_out, struct error *err)
{
    struct digest *digest = calloc(1, sizeof(*digest));
    if (digest == NULL)
        return error_no_memory(err);
    struct last_checkpoint last = {.sources = sources, .digest = digest};
    digest->config = config_ref((struct config *)sources->config);
    digest->day = *day;
    digest->check = CHECK_NOT_DONE;
    enum result result = count(sources, digest, err);
    if (result == RESULT_OK)
        result = make_lines(digest, err);
    if (result == RESULT_OK)
        result = find_overdue(sources, digest, now, err);
    if (result == RESULT_OK)
        result = find_suspensions(sources, digest, err);
    if (result == RESULT_OK)
        result = journal_index_checkpoints(sources->index, INT64_MAX, INT64_MAX, on_checkpoint,
                                           &last, err);
    if (result == RESULT_OK)
        *digest_out = digest;
    else
        digest_free(&digest);
    return result;
}

void digest_checked(struct digest *digest, enum result result, const struct verify_report *report,
                    const struct error *why)
{
    digest->verified = *report;
    digest->check = result == RESULT_OK        ? CHECK_HOLDS
                    : result == RESULT_DAMAGED ? CHECK_BROKEN
                                               : CHECK_NOT_DONE;
    if (result != RESULT_OK)
        str_copy(digest->check_text, sizeof(digest->check_text),
                 *report->where != '\0' ? report->where : why->text);
}

void digest_free(struct digest **digest_pointer)
{
    struct digest *digest = *digest_pointer;
    if (digest == NULL)
        return;
    if (digest->reasons != NULL)
        tally_free(&digest->reasons);
    if (digest->week != NULL)
        tally_free(&digest->week);
    free(digest->lines);
    free(digest->overdue);
    free(digest->suspensions);
    free(digest->notes);
    config_unref(&digest->config);
    free(digest);
    *digest_pointer = NULL;
}
