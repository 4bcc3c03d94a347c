/* SPDX-License-Identifier: Apache-2.0 */
#include "console/counts.h"

#include "base/clock.h"
#include "console/decisions.h"
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

static void set_period(struct period *out, int64_t since, int64_t until)
{
    *out = (struct period){.since = since, .until = until, .days = (until - since) / CLOCK_DAY};
    day_text(since, out->from);
    day_text(until - CLOCK_DAY, out->to);
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
    set_period(period_out, since, until);
}

void period_last(const struct visit *visit, int64_t days, struct period *period_out)
{
    int64_t until = midnight(visit->now) + CLOCK_DAY;
    set_period(period_out, until - days * CLOCK_DAY, until);
}

void period_before(const struct period *period, struct period *before_out)
{
    set_period(before_out, period->since - period->days * CLOCK_DAY, period->since);
}

void period_add_query(struct strbuf *out, const struct period *period)
{
    strbuf_add_format(out, "from=%s&to=%s", period->from, period->to);
}

void counts_list_path(struct strbuf *out, const struct period *period, const char *verdict)
{
    strbuf_add_format(out, "/console/blocked?verdict=%s&purpose=%s&", verdict,
                      purpose_name(PURPOSE_RECEIPT));
    period_add_query(out, period);
    strbuf_add_str(out, "&" DECISIONS_ZONE "=" DECISIONS_UTC);
}

/* ---- counts ---- */

struct tally_filter counts_of_messages(const struct period *period, const char *partner)
{
    return (struct tally_filter){.since = period->since,
                                 .until = period->until,
                                 .partner = partner,
                                 .purpose = purpose_name(PURPOSE_RECEIPT)};
}

static enum result read_filtered(struct visit *visit, const struct tally_filter *filter,
                                 const enum tally_by *by, size_t n, struct tally **tally_out,
                                 struct error *err)
{
    struct tally *tally = tally_new(by, n);
    *tally_out = NULL;
    if (tally == NULL)
        return error_no_memory(err);
    enum result result = journal_index_tally(visit->index, filter, &tally, 1, err);
    if (result != RESULT_OK) {
        tally_free(&tally);
        return result;
    }
    tally_sort(tally);
    *tally_out = tally;
    return RESULT_OK;
}

enum result counts_read(struct visit *visit, const struct period *period, const char *partner,
                        const enum tally_by *by, size_t n, struct tally **tally_out,
                        struct error *err)
{
    const struct tally_filter filter = counts_of_messages(period, partner);
    return read_filtered(visit, &filter, by, n, tally_out, err);
}

enum result counts_read_lists(struct visit *visit, const struct period *period, const char *partner,
                              const enum tally_by *by, size_t n, struct tally **tally_out,
                              struct error *err)
{
    struct tally_filter filter = counts_of_messages(period, partner);
    filter.purpose = purpose_name(PURPOSE_TRANSMISSION);
    return read_filtered(visit, &filter, by, n, tally_out, err);
}

void counts_tiles(struct visit *visit, const struct tally_counts *sum)
{
    tiles_begin(visit);
    tile_number(visit, N_("Messages judged"), (int64_t)sum->decisions, 0, NULL);
    tile_number(visit, N_("Messages passed"), (int64_t)sum->pass, sum->decisions, NULL);
    tile_number(visit, N_("Messages blocked"), (int64_t)tally_stopped(sum), sum->decisions, NULL);
    if (sum->let_through > 0)
        tile_number(visit, N_("Let through while observed"), (int64_t)sum->let_through,
                    sum->decisions, NULL);
    tile_number(visit, N_("Messages deferred"), (int64_t)sum->defer, sum->decisions, NULL);
    tiles_end(visit);
}

void counts_lists_line(struct visit *visit, const struct period *period,
                       const struct tally_counts *rows, const char *query)
{
    struct page *page = &visit->page;
    struct strbuf all = {0}, permitted = {0}, path = {0};
    if (rows->decisions == 0)
        return;
    language_add_number(&all, visit->language, (int64_t)rows->decisions);
    language_add_number(&permitted, visit->language, (int64_t)rows->pass);
    strbuf_add_format(&path, "/console/blocked?verdict=%s&purpose=%s&", DECISIONS_ALL,
                      purpose_name(PURPOSE_TRANSMISSION));
    period_add_query(&path, period);
    strbuf_add_str(&path, "&" DECISIONS_ZONE "=" DECISIONS_UTC);
    if (query != NULL && query[0] != '\0')
        strbuf_add_format(&path, "&%s", query);
    page->html.failed = page->html.failed || all.failed || permitted.failed || path.failed;
    if (!page->html.failed) {
        part_sentence(visit, "p class=\"note\"",
                      N_("Rows of lists screened: %s, of which %s permitted. These are no messages "
                         "and are not counted among them."),
                      all.data, permitted.data, NULL);
        if (query != NULL) {
            page_raw(page, "<p>");
            part_link(visit, path.data, N_("Look at these rows"));
            page_raw(page, "</p>\n");
        }
    }
    strbuf_free(&all);
    strbuf_free(&permitted);
    strbuf_free(&path);
}

enum result counts_narrow(struct tally **tally, const char *last_key, bool keep, struct error *err)
{
    const struct tally *from = *tally;
    enum tally_by by[TALLY_BY_COUNT];
    const size_t last = tally_columns(from) - 1;
    for (size_t i = 0; i <= last; i++)
        by[i] = tally_column(from, i);
    struct tally *to = tally_new(by, keep ? last + 1 : last);
    bool whole = to != NULL;
    for (size_t i = 0; whole && i < tally_count(from); i++) {
        const struct tally_row *row = tally_row(from, i);
        const char *values[TALLY_BY_COUNT] = {0};
        for (size_t j = 0; j <= last; j++)
            values[by[j]] = row->keys[j];
        if (last_key[0] == '\0' || strcmp(row->keys[last], last_key) == 0)
            whole = tally_add(to, values, &row->counts);
    }
    if (!whole) {
        tally_free(&to);
        return error_no_memory(err);
    }
    tally_sort(to);
    tally_free(tally);
    *tally = to;
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

/* ---- by reason ---- */

/* Of this row, what was not sent: blocked or deferred. */
static uint64_t held(const struct tally_counts *counts)
{
    return counts->block + counts->defer - counts->let_through;
}

static void reason_path(struct strbuf *out, const struct period *period, const char *verdict,
                        const char *reason, const char *query)
{
    counts_list_path(out, period, verdict);
    strbuf_add_str(out, "&reason=");
    visit_add_encoded(out, reason);
    if (query[0] != '\0')
        strbuf_add_format(out, "&%s", query);
}

static void number_link(struct visit *visit, uint64_t number, const struct strbuf *path)
{
    struct page *page = &visit->page;
    struct strbuf text = {0};
    if (number == 0) {
        page_number(page, 0);
        return;
    }
    language_add_number(&text, visit->language, (int64_t)number);
    page->html.failed = page->html.failed || text.failed || path->failed;
    page_raw(page, "<td class=\"n\">");
    if (!page->html.failed)
        part_link_named(visit, path->data, text.data);
    page_raw(page, "</td>");
    strbuf_free(&text);
}

static void reason_row(struct visit *visit, const struct period *period,
                       const struct tally_row *row, const struct tally_counts *sum,
                       const char *query)
{
    struct page *page = &visit->page;
    struct strbuf path = {0}, observed = {0};
    const char *verdict = strcmp(row->keys[0], verdict_name(VERDICT_BLOCK)) == 0
                              ? (held(&row->counts) > 0 ? DECISIONS_STOPPED : DECISIONS_OBSERVED)
                              : row->keys[0];
    reason_path(&path, period, verdict, row->keys[1], query);
    reason_path(&observed, period, DECISIONS_OBSERVED, row->keys[1], query);
    page_row(page);
    cell_verdict(visit, row->keys[0]);
    page_raw(page, "<td class=\"words\">");
    part_link_named(visit, path.failed ? "/console/blocked" : path.data,
                    word_reason(visit->language, row->keys[1]));
    page_raw(page, " <code>");
    page_text(page, row->keys[1]);
    page_raw(page, "</code></td>");
    page_number(page, (int64_t)held(&row->counts));
    page_share(page, held(&row->counts), sum->decisions);
    if (sum->let_through > 0)
        number_link(visit, row->counts.let_through, &observed);
    strbuf_free(&path);
    strbuf_free(&observed);
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

/* The most frequent alone: the table says the rest. */
#define CHART_ROWS 9

static void chart_by_reason(struct visit *visit, const struct tally *by_reason, bool has_observed)
{
    struct strbuf json = {0}, values = {0}, observed = {0};
    size_t n = 0;
    strbuf_add_str(&json, has_observed ? "{\"type\":\"row\",\"stacked\":true,\"labels\":["
                                       : "{\"type\":\"row\",\"labels\":[");
    for (const struct tally_row *row = next_most(by_reason, NULL); row != NULL && n < CHART_ROWS;
         row = next_most(by_reason, row), n++) {
        const char *words = word_reason(visit->language, row->keys[1]);
        strbuf_add_str(&json, n > 0 ? ",\"" : "\"");
        strbuf_add_json(&json, words, strlen(words));
        strbuf_add_char(&json, '"');
        strbuf_add_format(&values, n > 0 ? ",%llu" : "%llu",
                          (unsigned long long)held(&row->counts));
        strbuf_add_format(&observed, n > 0 ? ",%llu" : "%llu",
                          (unsigned long long)row->counts.let_through);
    }
    strbuf_add_str(&json, "],\"series\":[{");
    strbuf_add_json_field(&json, "name", tr(visit->language, N_("Blocked or deferred")));
    strbuf_add_json_field(&json, "kind", "block");
    strbuf_add_format(&json, ",\"values\":[%s]}", values.failed ? "" : values.data);
    if (has_observed) {
        strbuf_add_str(&json, ",{");
        strbuf_add_json_field(&json, "name",
                              tr(visit->language, N_("Blocked, let through while observed")));
        strbuf_add_json_field(&json, "kind", "observe");
        strbuf_add_format(&json, ",\"values\":[%s]}", observed.failed ? "" : observed.data);
    }
    strbuf_add_str(&json, "]}");
    if (json.failed || values.failed || observed.failed)
        visit->page.html.failed = true;
    else
        chart_add_rows(visit, N_("Blocked and deferred by reason"), json.data, n);
    strbuf_free(&json);
    strbuf_free(&values);
    strbuf_free(&observed);
}

void counts_by_reason(struct visit *visit, const struct period *period,
                      const struct tally *by_reason, const char *query)
{
    static const char *const heads[] = {
        N_("Verdict"), N_("Reason"), N_("#Blocked or deferred"), N_("#Share of all"), NULL, NULL};
    const char *these[sizeof(heads) / sizeof(heads[0])];
    struct tally_counts sum = counts_sum(by_reason);
    const struct tally_row *row = next_most(by_reason, NULL);
    if (row == NULL) {
        part_empty(visit, N_("Nothing was blocked or deferred in this period."), NULL, NULL);
        return;
    }
    memcpy(these, heads, sizeof(heads));
    if (sum.let_through > 0)
        these[4] = N_("#Let through while observed");
    chart_by_reason(visit, by_reason, sum.let_through > 0);
    grid_begin(visit, N_("Blocked and deferred by reason"), these);
    for (; row != NULL; row = next_most(by_reason, row))
        reason_row(visit, period, row, &sum, query);
    grid_end(visit);
}
