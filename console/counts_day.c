/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions over time: a chart, and the table of the same numbers. */
#include "base/clock.h"
#include "console/counts.h"
#include "console/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAYS_SHOWN 100 /* more are summed up by month: bars and rows nobody can tell apart */

#define LET_THROUGH N_("Blocked, let through while observed")

/* A day or a month of the period. */
struct bucket {
    int64_t since, until; /* as much of it as is in the period */
    char label[12];       /* "2026-01-31", "2026-01" */
    struct tally_counts counts;
};

struct buckets {
    struct bucket *list; /* in the visit's arena */
    size_t n;
    bool months;
    bool observed; /* something was let through while it was observed */
};

/* ---- sums ---- */

/* Each day into its bucket; both are in the order of time. */
static bool fill(struct visit *visit, const struct period *period, const struct tally *by_day,
                 struct buckets *buckets)
{
    const bool months = period->days > DAYS_SHOWN;
    const size_t most = (size_t)(months ? period->days / 28 + 2 : period->days);
    struct bucket *list = arena_alloc(visit->arena, most * sizeof(*list));
    const size_t key = strlen(months ? "2026-01" : "2026-01-31");
    size_t row = 0;
    *buckets = (struct buckets){.list = list, .months = months};
    for (int64_t day = period->since; list != NULL && day < period->until; day += CLOCK_DAY) {
        char text[CLOCK_TEXT];
        clock_format(day, text);
        struct bucket *bucket = &list[buckets->n > 0 ? buckets->n - 1 : 0];
        if (buckets->n == 0 || strncmp(bucket->label, text, key) != 0) {
            bucket = &list[buckets->n++];
            *bucket = (struct bucket){.since = day};
            str_copy_n(bucket->label, sizeof(bucket->label), text, key);
        }
        bucket->until = day + CLOCK_DAY;
        text[strlen("2026-01-31")] = '\0';
        while (row < tally_count(by_day) && strcmp(tally_row(by_day, row)->keys[0], text) < 0)
            row++;
        for (; row < tally_count(by_day) && strcmp(tally_row(by_day, row)->keys[0], text) == 0;
             row++) {
            tally_counts_add(&bucket->counts, &tally_row(by_day, row)->counts);
            buckets->observed = buckets->observed || tally_row(by_day, row)->counts.let_through > 0;
        }
    }
    return list != NULL;
}

/* ---- the chart ---- */

typedef uint64_t count_fn(const struct tally_counts *counts);

static uint64_t passed(const struct tally_counts *counts)
{
    return counts->pass;
}

static uint64_t let_through(const struct tally_counts *counts)
{
    return counts->let_through;
}

static uint64_t deferred(const struct tally_counts *counts)
{
    return counts->defer;
}

static void add_series(struct strbuf *json, const struct visit *visit,
                       const struct buckets *buckets, const char *name, const char *kind,
                       count_fn *count)
{
    strbuf_add_str(json, json->data[json->length - 1] == '[' ? "{" : ",{");
    strbuf_add_json_field(json, "name", tr(visit->language, name));
    strbuf_add_json_field(json, "kind", kind);
    strbuf_add_str(json, ",\"values\":[");
    for (size_t i = 0; i < buckets->n; i++)
        strbuf_add_format(json, i > 0 ? ",%llu" : "%llu",
                          (unsigned long long)count(&buckets->list[i].counts));
    strbuf_add_str(json, "]}");
}

static void add_chart(struct visit *visit, const struct buckets *buckets, const char *caption)
{
    struct strbuf json = {0};
    strbuf_add_str(&json, "{\"type\":\"bar\",\"stacked\":true,\"dates\":true,\"labels\":[");
    for (size_t i = 0; i < buckets->n; i++)
        strbuf_add_format(&json, i > 0 ? ",\"%s\"" : "\"%s\"", buckets->list[i].label);
    strbuf_add_str(&json, "],\"series\":[");
    if (!json.failed) {
        add_series(&json, visit, buckets, N_("Messages passed"), "pass", passed);
        add_series(&json, visit, buckets, N_("Messages deferred"), "defer", deferred);
        if (buckets->observed)
            add_series(&json, visit, buckets, LET_THROUGH, "observe", let_through);
        add_series(&json, visit, buckets,
                   buckets->observed ? N_("Blocked and stopped") : N_("Messages blocked"), "block",
                   tally_stopped);
    }
    strbuf_add_str(&json, "]}");
    if (json.failed)
        visit->page.html.failed = true;
    else
        chart_add(visit, caption, json.data);
    strbuf_free(&json);
}

/* ---- the table ---- */

static void time_cell(struct visit *visit, const struct buckets *buckets,
                      const struct bucket *bucket)
{
    struct page *page = &visit->page;
    page_raw(page, "<td>");
    language_add_date(&page->html, visit->language, bucket->since);
    if (buckets->months && bucket->until - bucket->since > CLOCK_DAY) {
        page_raw(page, " – ");
        language_add_date(&page->html, visit->language, bucket->until - CLOCK_DAY);
    }
    page_raw(page, "</td>");
}

void counts_by_day(struct visit *visit, const struct period *period, const struct tally *by_day)
{
    const char *heads[6] = {NULL, N_("#Passed"), N_("#Blocked"), N_("#Deferred")};
    struct page *page = &visit->page;
    struct buckets buckets;
    if (!fill(visit, period, by_day, &buckets)) {
        page->html.failed = true;
        return;
    }
    const char *caption = buckets.months ? N_("Decisions by month") : N_("Decisions by day");
    heads[0] = buckets.months ? N_("Month") : N_("Day");
    if (buckets.observed)
        heads[2] = N_("#Blocked and stopped");
    if (buckets.observed)
        heads[4] = N_("#Blocked, let through while observed");
    add_chart(visit, &buckets, caption);
    act_fold_begin(visit, buckets.months ? N_("The numbers by month") : N_("The numbers by day"));
    grid_begin(visit, caption, heads);
    for (size_t i = buckets.n; i-- > 0;) {
        const struct bucket *bucket = &buckets.list[i];
        page_row(page);
        time_cell(visit, &buckets, bucket);
        page_number(page, (int64_t)bucket->counts.pass);
        page_number(page, (int64_t)tally_stopped(&bucket->counts));
        page_number(page, (int64_t)bucket->counts.defer);
        if (buckets.observed)
            page_number(page, (int64_t)bucket->counts.let_through);
    }
    grid_end(visit);
    act_fold_end(visit);
}
