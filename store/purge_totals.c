/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What remains of decisions that observe mode let through: how many a day, partner, channel and
 * reason. A record counts the rows of one day in one segment, which is closed, and its erasure is
 * by whole days: so a record (a part of it, where a day has very many kinds) that is there already
 * is right for ever, and a purge that was killed does not count twice.
 */
#include "store/purge_internal.h"

#include <stdlib.h>
#include <string.h>

/* Entries of one record: each takes up to about 150 bytes of the 64 KiB. */
#define PART_ENTRIES 400
#define DAY_TEXT     11
#define NAME_TEXT    72

struct entry {
    int64_t day; /* its midnight */
    char partner[NAME_TEXT], channel[16], reason[32];
    uint64_t rows;
};

struct purge_totals {
    struct entry *entries; /* owned */
    size_t count, capacity;
    size_t last; /* where the last row was counted: the next one is often alike */
};

struct purge_totals *purge_totals_new(void)
{
    return calloc(1, sizeof(struct purge_totals));
}

void purge_totals_free(struct purge_totals **totals)
{
    if (*totals == NULL)
        return;
    free((*totals)->entries);
    free(*totals);
    *totals = NULL;
}

void purge_totals_clear(struct purge_totals *totals)
{
    totals->count = totals->last = 0;
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    if (a->day != b->day)
        return a->day < b->day ? -1 : 1;
    int order = strcmp(a->partner, b->partner);
    if (order == 0)
        order = strcmp(a->channel, b->channel);
    return order != 0 ? order : strcmp(a->reason, b->reason);
}

static void take(char *out, size_t size, struct purge_text text)
{
    /* Names are within the configuration's bounds; what is not is cut, not lost. */
    out[0] = '\0';
    if (text.text != NULL)
        (void)str_copy_n(out, size, text.text, text.length);
}

static struct entry *find(struct purge_totals *totals, const struct entry *wanted)
{
    if (totals->last < totals->count && compare(&totals->entries[totals->last], wanted) == 0)
        return &totals->entries[totals->last];
    for (size_t i = 0; i < totals->count; i++)
        if (compare(&totals->entries[i], wanted) == 0) {
            totals->last = i;
            return &totals->entries[i];
        }
    return NULL;
}

bool purge_totals_add(struct purge_totals *totals, const struct purge_row *row)
{
    struct entry wanted = {
        .day = journal_purge_limit(row->at, (struct duration){0}),
        .rows = 1,
    };
    take(wanted.partner, sizeof(wanted.partner), row->partner);
    take(wanted.channel, sizeof(wanted.channel), row->channel);
    take(wanted.reason, sizeof(wanted.reason), row->reason);
    struct entry *entry = find(totals, &wanted);
    if (entry != NULL) {
        entry->rows++;
        return true;
    }
    if (totals->count == totals->capacity) {
        size_t capacity = totals->capacity > 0 ? totals->capacity * 2 : 64;
        entry = reallocarray(totals->entries, capacity, sizeof(*entry));
        if (entry == NULL)
            return false;
        totals->entries = entry;
        totals->capacity = capacity;
    }
    totals->last = totals->count;
    totals->entries[totals->count++] = wanted;
    return true;
}

static void add_record(struct strbuf *out, const struct entry *entries, size_t n, uint64_t segment,
                       const char *day, unsigned part, int64_t at)
{
    char when[CLOCK_TEXT];
    clock_format(at, when);
    strbuf_add_str(out, "{\"type\":\"totals\"");
    strbuf_add_json_field(out, "at", when);
    strbuf_add_json_number(out, "segment", (int64_t)segment);
    strbuf_add_json_field(out, "day", day);
    strbuf_add_json_number(out, "part", part);
    strbuf_add_json_field(out, "mode", mode_name(MODE_OBSERVE));
    strbuf_add_json_field(out, "verdict", verdict_name(VERDICT_BLOCK));
    strbuf_add_str(out, ",\"counts\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            strbuf_add_char(out, ',');
        strbuf_add_char(out, '{');
        strbuf_add_json_field(out, "partner", entries[i].partner);
        strbuf_add_json_field(out, "channel", entries[i].channel);
        strbuf_add_json_field(out, "reason", entries[i].reason);
        strbuf_add_json_number(out, "rows", (int64_t)entries[i].rows);
        strbuf_add_char(out, '}');
    }
    strbuf_add_str(out, "]}\n");
}

enum result purge_totals_records(struct purge_totals *totals, struct journal_index *index,
                                 uint64_t segment, int64_t at, struct strbuf *lines,
                                 uint64_t *records_out, struct error *err)
{
    unsigned part = 0;
    *records_out = 0;
    if (totals->count > 0)
        qsort(totals->entries, totals->count, sizeof(*totals->entries), compare);
    for (size_t from = 0, n; from < totals->count; from += n) {
        const struct entry *first = &totals->entries[from];
        char day[CLOCK_TEXT];
        bool known = false;
        part = from > 0 && first[-1].day == first->day ? part + 1 : 1;
        for (n = 1; n < PART_ENTRIES && from + n < totals->count && first[n].day == first->day;)
            n++;
        clock_format(first->day, day);
        day[DAY_TEXT - 1] = '\0';
        enum result result = index_total_known(index, segment, day, part, &known, err);
        if (result != RESULT_OK)
            return result;
        if (known)
            continue;
        add_record(lines, first, n, segment, day, part, at);
        ++*records_out;
    }
    return lines->failed ? error_no_memory(err) : RESULT_OK;
}

/* ---- the records around a purge ---- */

static void add_limits(struct strbuf *out, const struct journal_purge_limits *limits)
{
    char when[CLOCK_TEXT];
    clock_format(limits->journal, when);
    strbuf_add_json_field(out, "journal_before", when);
    clock_format(limits->detail, when);
    strbuf_add_json_field(out, "observe_detail_before", when);
}

void record_purging(struct strbuf *out, const struct journal_purge_limits *limits, int64_t at)
{
    char when[CLOCK_TEXT];
    clock_format(at, when);
    strbuf_add_str(out, "{\"type\":\"purging\"");
    strbuf_add_json_field(out, "at", when);
    add_limits(out, limits);
    strbuf_add_str(out, "}\n");
}

void record_purged(struct strbuf *out, const struct journal_purge_limits *limits,
                   const struct journal_purge_counts *journal,
                   const struct purged_registry *registry, int64_t at)
{
    char when[CLOCK_TEXT];
    clock_format(at, when);
    strbuf_add_str(out, "{\"type\":\"purged\"");
    strbuf_add_json_field(out, "at", when);
    add_limits(out, limits);
    strbuf_add_json_number(out, "decisions",
                           (int64_t)(journal->decisions + journal->detail_decisions));
    strbuf_add_json_number(out, "outcomes",
                           (int64_t)(journal->outcomes + journal->detail_outcomes));
    strbuf_add_json_number(out, "accesses", (int64_t)journal->accesses);
    strbuf_add_json_number(out, "observe_detail", (int64_t)journal->detail_decisions);
    strbuf_add_json_number(out, "persons", (int64_t)registry->persons);
    strbuf_add_json_number(out, "proofs", (int64_t)registry->proofs);
    strbuf_add_json_number(out, "oppositions", (int64_t)registry->oppositions);
    strbuf_add_str(out, "}\n");
}
