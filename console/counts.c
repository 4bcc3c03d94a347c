/* SPDX-License-Identifier: Apache-2.0 */
#include "console/counts.h"

#include "base/clock.h"
#include "console/layout.h"
#include "office/words.h"

#include <stdio.h>
#include <string.h>

#define DAYS_MOST 3660

/* ---- the period ---- */

static int64_t midnight(int64_t instant)
{
    int64_t into = instant % CLOCK_DAY;
    return instant - (into < 0 ? into + CLOCK_DAY : into);
}

static void day_text(int64_t instant, char out[12])
{
    char text[CLOCK_TEXT];
    clock_format(instant, text);
    str_copy_n(out, 12, text, strlen("2026-01-31"));
}

void period_read(const struct visit *visit, int64_t days, struct period *period_out)
{
    int64_t until = midnight(visit->now) + CLOCK_DAY;
    int64_t since = until - days * CLOCK_DAY;
    if (visit_day_field(visit, "to", true, &until))
        since = until - days * CLOCK_DAY;
    (void)visit_day_field(visit, "from", false, &since);
    if (since >= until) {
        int64_t last = until - CLOCK_DAY;
        until = since + CLOCK_DAY;
        since = last;
    }
    if (until - since > DAYS_MOST * CLOCK_DAY)
        since = until - DAYS_MOST * CLOCK_DAY;
    *period_out =
        (struct period){.since = since, .until = until, .days = (until - since) / CLOCK_DAY};
    day_text(since, period_out->from);
    day_text(until - CLOCK_DAY, period_out->to);
}

void period_add_query(struct strbuf *out, const struct period *period)
{
    strbuf_add_format(out, "from=%s&to=%s", period->from, period->to);
}

/* ---- counts ---- */

enum result counts_read(struct visit *visit, const struct period *period, const char *partner,
                        const enum tally_by *by, size_t n, struct tally **tally_out,
                        struct error *err)
{
    const struct tally_filter filter = {.since = period->since,
                                        .until = period->until,
                                        .partner = partner,
                                        .registry_path = visit->registry_path};
    struct tally *tally = tally_new(by, n);
    *tally_out = NULL;
    if (tally == NULL)
        return error_no_memory(err);
    enum result result = journal_index_tally(visit->index, &filter, &tally, 1, err);
    if (result != RESULT_OK) {
        tally_free(&tally);
        return result;
    }
    tally_sort(tally);
    *tally_out = tally;
    return RESULT_OK;
}

struct tally_counts counts_sum(const struct tally *tally)
{
    struct tally_counts sum = {0};
    for (size_t i = 0; i < tally_count(tally); i++)
        tally_counts_add(&sum, &tally_row(tally, i)->counts);
    return sum;
}

struct tally_counts counts_of(const struct tally *tally, const char *value)
{
    struct tally_counts sum = {0};
    for (size_t i = 0; i < tally_count(tally); i++)
        if (strcmp(tally_row(tally, i)->keys[0], value) == 0)
            tally_counts_add(&sum, &tally_row(tally, i)->counts);
    return sum;
}

/* ---- by day ---- */

typedef uint64_t count_fn(const struct tally_counts *counts);

static uint64_t passed(const struct tally_counts *counts)
{
    return counts->pass;
}

static uint64_t blocked(const struct tally_counts *counts)
{
    return counts->block;
}

static uint64_t deferred(const struct tally_counts *counts)
{
    return counts->defer;
}

static struct tally_counts of_day(const struct tally *by_day, int64_t day, char text[12])
{
    day_text(day, text);
    return counts_of(by_day, text);
}

static void add_series(struct strbuf *json, const struct visit *visit, const struct period *period,
                       const struct tally *by_day, const char *name, const char *kind,
                       count_fn *count)
{
    char text[12];
    strbuf_add_str(json, json->data[json->length - 1] == '[' ? "{" : ",{");
    strbuf_add_json_field(json, "name", tr(visit->language, name));
    strbuf_add_json_field(json, "kind", kind);
    strbuf_add_str(json, ",\"values\":[");
    for (int64_t day = period->since; day < period->until; day += CLOCK_DAY) {
        struct tally_counts counts = of_day(by_day, day, text);
        strbuf_add_format(json, day > period->since ? ",%llu" : "%llu",
                          (unsigned long long)count(&counts));
    }
    strbuf_add_str(json, "]}");
}

static void chart_by_day(struct visit *visit, const struct period *period,
                         const struct tally *by_day)
{
    struct strbuf json = {0};
    strbuf_add_str(&json, "{\"type\":\"bar\",\"stacked\":true,\"labels\":[");
    for (int64_t day = period->since; day < period->until; day += CLOCK_DAY) {
        struct strbuf label = {0};
        language_add_date(&label, visit->language, day);
        strbuf_add_str(&json, day > period->since ? ",\"" : "\"");
        strbuf_add_json(&json, label.data != NULL ? label.data : "", label.length);
        strbuf_add_char(&json, '"');
        json.failed = json.failed || label.failed;
        strbuf_free(&label);
    }
    strbuf_add_str(&json, "],\"series\":[");
    if (!json.failed) {
        add_series(&json, visit, period, by_day, N_("Passed"), "pass", passed);
        add_series(&json, visit, period, by_day, N_("Blocked"), "block", blocked);
        add_series(&json, visit, period, by_day, N_("Deferred"), "defer", deferred);
    }
    strbuf_add_str(&json, "]}");
    if (json.failed)
        visit->page.html.failed = true;
    else
        chart_add(visit, N_("Decisions by day"), json.data);
    strbuf_free(&json);
}

void counts_by_day(struct visit *visit, const struct period *period, const struct tally *by_day)
{
    static const char *const heads[] = {N_("Day"), N_("#Passed"), N_("#Blocked"), N_("#Deferred"),
                                        NULL};
    struct page *page = &visit->page;
    chart_by_day(visit, period, by_day);
    act_fold_begin(visit, N_("The numbers by day"));
    grid_begin(visit, N_("Decisions by day"), heads);
    for (int64_t day = period->until - CLOCK_DAY; day >= period->since; day -= CLOCK_DAY) {
        char text[12];
        struct tally_counts counts = of_day(by_day, day, text);
        page_row(page);
        page_date(page, day);
        page_number(page, (int64_t)counts.pass);
        page_number(page, (int64_t)counts.block);
        page_number(page, (int64_t)counts.defer);
    }
    grid_end(visit);
    act_fold_end(visit);
}

/* ---- by reason ---- */

static void reason_row(struct visit *visit, const struct period *period,
                       const struct tally_row *row, uint64_t whole, const char *query)
{
    struct page *page = &visit->page;
    struct strbuf path = {0};
    strbuf_add_str(&path, "/console/blocked?reason=");
    visit_add_encoded(&path, row->keys[1]);
    strbuf_add_char(&path, '&');
    period_add_query(&path, period);
    if (query[0] != '\0')
        strbuf_add_format(&path, "&%s", query);
    page_row(page);
    cell_verdict(visit, row->keys[0]);
    page_raw(page, "<td>");
    part_link_named(visit, path.failed ? "/console/blocked" : path.data,
                    word_reason(visit->language, row->keys[1]));
    page_raw(page, " <code>");
    page_text(page, row->keys[1]);
    page_raw(page, "</code></td>");
    page_number(page, (int64_t)row->counts.decisions);
    page_share(page, row->counts.decisions, whole);
    strbuf_free(&path);
}

/* The one with the most rows below `below` and behind `last` of as many; NULL: there is none. The
 * tally is sorted by its columns, and small. */
static const struct tally_row *next_most(const struct tally *tally, const struct tally_row *last)
{
    const struct tally_row *best = NULL;
    for (size_t i = 0; i < tally_count(tally); i++) {
        const struct tally_row *row = tally_row(tally, i);
        if (strcmp(row->keys[0], verdict_name(VERDICT_PASS)) == 0)
            continue;
        if (last != NULL && (row->counts.decisions > last->counts.decisions ||
                             (row->counts.decisions == last->counts.decisions && row <= last)))
            continue;
        if (best == NULL || row->counts.decisions > best->counts.decisions)
            best = row;
    }
    return best;
}

void counts_by_reason(struct visit *visit, const struct period *period,
                      const struct tally *by_reason, const char *query)
{
    static const char *const heads[] = {N_("Verdict"), N_("Reason"), N_("#Decisions"), N_("#Share"),
                                        NULL};
    struct tally_counts sum = counts_sum(by_reason);
    const struct tally_row *row = next_most(by_reason, NULL);
    if (row == NULL) {
        part_empty(visit, N_("Nothing was blocked or deferred in this period."), NULL, NULL);
        return;
    }
    grid_begin(visit, N_("Blocked and deferred by reason"), heads);
    for (; row != NULL; row = next_most(by_reason, row))
        reason_row(visit, period, row, sum.decisions, query);
    grid_end(visit);
}
