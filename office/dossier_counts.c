/* SPDX-License-Identifier: Apache-2.0 */
/* The dossier's first sections: what it is, and what was decided before and after the switch. */
#include "office/dossier.h"
#include "office/words.h"

#include <string.h>

/* ---- opening ---- */

static void fact(struct page *page, const char *label, const char *text)
{
    page_element_tr(page, "dt", label);
    page_element(page, "dd", text);
}

static void fact_number(struct page *page, const char *label, uint64_t number, uint64_t whole)
{
    struct strbuf text = {0};
    language_add_number(&text, page->language, (int64_t)number);
    if (whole > 0) {
        strbuf_add_str(&text, " \u2013 ");
        language_add_share(&text, page->language, number, whole);
    }
    fact(page, label, text.data != NULL ? text.data : "");
    strbuf_free(&text);
}

static void add_facts(struct dossier *dossier)
{
    struct page *page = &dossier->page;
    const struct tally_counts *totals = &dossier->totals;
    struct strbuf text = {0};
    page_raw(page, "<dl class=\"facts\">\n");
    fact(page, N_("Gateway"), dossier->config->hostname);
    if (dossier->filter.partner != NULL)
        fact(page, N_("Partner"), dossier_partner_name(dossier, dossier->filter.partner));
    language_add_time(&text, page->language, dossier->made_at);
    fact(page, N_("Drawn up on"), text.data != NULL ? text.data : "");
    strbuf_free(&text);
    fact(page, N_("Program"), "octroi " PACKAGE_VERSION);
    fact_number(page, N_("Decisions in the period"), totals->decisions, 0);
    fact_number(page, N_("of these permitted"), totals->pass, totals->decisions);
    fact_number(page, N_("of these blocked and not sent"), totals->block - totals->let_through,
                totals->decisions);
    if (totals->discarded > 0)
        fact_number(page, N_("of these blocked, though answered to the partner as if sent"),
                    totals->discarded, totals->decisions);
    fact_number(page, N_("of these let through under observation, though the rules block them"),
                totals->let_through, totals->decisions);
    fact_number(page, N_("of these deferred"), totals->defer, totals->decisions);
    page_raw(page, "</dl>\n");
}

/* What retention took: figures that do not say so would mislead. */
static void add_erased(struct dossier *dossier)
{
    struct page *page = &dossier->page;
    struct strbuf text = {0};
    int64_t since = dossier->filter.since;
    words_erased_decisions(&text, page->language, &dossier->erased, since);
    if (text.length > 0)
        page_element(page, "li", text.data);
    strbuf_clear(&text);
    words_erased_detail(&text, page->language, &dossier->erased, since);
    if (text.length > 0)
        page_element(page, "li", text.data);
    page->html.failed = page->html.failed || text.failed;
    strbuf_free(&text);
}

void dossier_opening(struct dossier *dossier)
{
    struct page *page = &dossier->page;
    struct strbuf period = {0};
    page_element_tr(page, "h1", N_("Dossier on the control of consent to prospecting"));
    words_period(&period, page->language, dossier->filter.since, dossier->filter.until);
    page_element(page, "p class=\"sub\"", period.data != NULL ? period.data : "");
    strbuf_free(&period);
    add_facts(dossier);
    dossier_heading(dossier, N_("What this dossier says, and what it does not"));
    page_element_tr(page, "p",
                    N_("octroi is a gateway placed before the providers that send e-mail and SMS. "
                       "Every message that a partner submits is judged for each recipient against "
                       "the register of consents, and leaves only if the rules permit it; while a "
                       "partner is merely observed, what should have been blocked is let through "
                       "and counted. Each decision is written to a journal before it takes effect. "
                       "The entries of the journal are chained to one another by hashes and the "
                       "chain is signed at intervals, so that a later change shows."));
    page_raw(page, "<ul>\n");
    page_element_tr(page, "li",
                    N_("It counts what crossed this gateway, and nothing else. A message sent by "
                       "another way does not appear here."));
    page_element_tr(page, "li",
                    N_("\u201cPermitted\u201d means that at the moment of the decision a record of "
                       "the register matched the rules set out below. It does not mean that the "
                       "consent is valid in law: that depends on the form, on what the person was "
                       "told and on the circumstances, which are for the controller to prove."));
    page_element_tr(page, "li",
                    N_("It names no recipient. The journal holds of each address a keyed hash and "
                       "a masked form; both remain personal data."));
    if (dossier->totals.pass + dossier->totals.let_through > 0)
        page_element_tr(page, "li",
                        N_("What was permitted or let through was to go to the provider, which may "
                           "have refused it: these counts do not say that the provider took a "
                           "message, nor that it reached the person."));
    add_erased(dossier);
    page_element_tr(page, "li", N_("All days and times are in Coordinated Universal Time (UTC)."));
    page_raw(page, "</ul>\n");
}

/* ---- the series ---- */

enum { CHART_DAYS_MAX = 400, CHART_WIDTH = 800, CHART_HEIGHT = 180 };

static void bar(struct page *page, char kind, double x, double width, double bottom, double height)
{
    if (height > 0)
        strbuf_add_format(&page->html,
                          "<rect class=\"%c\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" "
                          "height=\"%.2f\"/>",
                          kind, x, bottom - height, width, height);
}

static void key(struct page *page, const char *class_name, const char *msgid)
{
    strbuf_add_format(&page->html, "<span class=\"%s\"></span>", class_name);
    page_tr(page, msgid);
}

static void day_text(struct page *page, const char *day)
{
    char text[CLOCK_TEXT];
    int64_t instant;
    snprintf(text, sizeof(text), "%.10sT00:00:00Z", day);
    if (clock_parse(text, strlen(text), &instant))
        language_add_date(&page->html, page->language, instant);
    else
        page_text(page, day);
}

/* A column a day, from the bottom: permitted, let through, blocked. */
static void chart(struct page *page, const struct tally *days)
{
    size_t n = tally_count(days);
    uint64_t most = 1;
    for (size_t i = 0; i < n; i++)
        if (tally_row(days, i)->counts.decisions > most)
            most = tally_row(days, i)->counts.decisions;
    double step = (double)CHART_WIDTH / (double)n;
    double scale = (double)CHART_HEIGHT / (double)most;
    step = step > 40 ? 40 : step;
    page_raw(page, "<figure>\n<svg viewBox=\"0 -4 800 206\" role=\"img\" aria-hidden=\"true\">");
    for (size_t i = 0; i < n; i++) {
        const struct tally_counts *counts = &tally_row(days, i)->counts;
        double x = (double)i * step;
        double bottom = CHART_HEIGHT;
        const double heights[] = {(double)counts->pass * scale, (double)counts->let_through * scale,
                                  (double)(counts->block - counts->let_through) * scale};
        for (size_t j = 0; j < 3; j++) {
            bar(page, "pob"[j], x, step * 0.8, bottom, heights[j]);
            bottom -= heights[j];
        }
    }
    page_raw(page, "<path d=\"M0 180.5H800\" stroke=\"#1a1a1a\" fill=\"none\"/>"
                   "<text x=\"0\" y=\"197\">");
    day_text(page, tally_row(days, 0)->keys[0]);
    if (n > 1) {
        double end = (double)n * step;
        strbuf_add_format(&page->html, "</text><text text-anchor=\"end\" x=\"%.0f\" y=\"197\">",
                          end > 200 ? end : 200.0);
        day_text(page, tally_row(days, n - 1)->keys[0]);
    }
    page_raw(page, "</text></svg>\n<figcaption class=\"key\">");
    key(page, "p", N_("permitted"));
    key(page, "o", N_("let through under observation"));
    key(page, "b", N_("blocked"));
    page_raw(page, "</figcaption>\n</figure>\n");
}

void dossier_counts_cells(struct page *page, const struct tally_counts *counts, bool deferred)
{
    page_number(page, (int64_t)counts->decisions);
    page_number(page, (int64_t)counts->pass);
    page_number(page, (int64_t)counts->let_through);
    page_number(page, (int64_t)(counts->block - counts->let_through));
    if (deferred)
        page_number(page, (int64_t)counts->defer);
    page_share(page, counts->block, counts->decisions);
}

static void days_table(struct dossier *dossier)
{
    static const char *const heads[] = {N_("Day"),
                                        N_("#Decisions"),
                                        N_("#Permitted"),
                                        N_("#Let through under observation"),
                                        N_("#Blocked"),
                                        N_("#Deferred"),
                                        N_("#Share the rules block"),
                                        NULL};
    struct page *page = &dossier->page;
    const struct tally *days = dossier->tallies[DOSSIER_DAYS];
    page_table(page, heads);
    for (size_t i = 0; i < tally_count(days); i++) {
        page_row(page);
        page_raw(page, "<td>");
        day_text(page, tally_row(days, i)->keys[0]);
        page_raw(page, "</td>");
        dossier_counts_cells(page, &tally_row(days, i)->counts, true);
    }
    page_raw(page, "\n<tr class=\"sum\">");
    page_cell(page, tr(page->language, N_("Total")));
    dossier_counts_cells(page, &dossier->totals, true);
    page_table_end(page);
}

/* ---- before and after a day ---- */

const char *const dossier_compared_heads[] = {N_("What is compared"), N_("#Before"),
                                              N_("#From that day on"), NULL};
const char *const dossier_compared_partner_heads[] = {N_("Partner"),
                                                      N_("When"),
                                                      N_("#Submitted"),
                                                      N_("#Permitted"),
                                                      N_("#Let through under observation"),
                                                      N_("#Blocked"),
                                                      N_("#Share the rules block"),
                                                      NULL};

/* The day is the key of that column. */
static void add_to_half(const struct dossier *dossier, const struct tally_row *row, size_t column,
                        struct dossier_halves *halves)
{
    char day[CLOCK_TEXT];
    clock_format(dossier->change, day);
    tally_counts_add(strncmp(row->keys[column], day, strlen("2026-01-31")) < 0 ? &halves->before
                                                                               : &halves->after,
                     &row->counts);
}

void dossier_halves(const struct dossier *dossier, struct dossier_halves *out)
{
    const struct tally *days = dossier->tallies[DOSSIER_DAYS];
    *out = (struct dossier_halves){0};
    for (size_t i = 0; i < tally_count(days); i++)
        add_to_half(dossier, tally_row(days, i), 0, out);
}

bool dossier_halves_next(const struct dossier *dossier, size_t *at, const char **partner_out,
                         struct dossier_halves *out)
{
    const struct tally *rows = dossier->tallies[DOSSIER_PARTNER_DAYS];
    *out = (struct dossier_halves){0};
    if (*at >= tally_count(rows))
        return false;
    *partner_out = tally_row(rows, *at)->keys[0];
    for (; *at < tally_count(rows) && strcmp(tally_row(rows, *at)->keys[0], *partner_out) == 0;
         (*at)++)
        add_to_half(dossier, tally_row(rows, *at), 1, out);
    return true;
}

void dossier_compared_sentence(const struct dossier *dossier, struct page *page)
{
    struct dossier_halves halves;
    struct strbuf day = {0};
    struct strbuf before = {0};
    struct strbuf after = {0};
    struct strbuf text = {0};
    dossier_halves(dossier, &halves);
    language_add_date(&day, page->language, dossier->change);
    language_add_share(&before, page->language, halves.before.block, halves.before.decisions);
    language_add_share(&after, page->language, halves.after.block, halves.after.decisions);
    if (!day.failed && !before.failed && !after.failed)
        strbuf_add_format(
            &text,
            tr(page->language, N_("Before %s, the rules did not permit %s of what was submitted; "
                                  "from that day on, %s.")),
            day.data, before.data, after.data);
    page->html.failed =
        page->html.failed || day.failed || before.failed || after.failed || text.failed;
    if (!page->html.failed)
        page_element(page, "p", text.data);
    strbuf_free(&day);
    strbuf_free(&before);
    strbuf_free(&after);
    strbuf_free(&text);
}

static void number_row(struct page *page, const char *label, uint64_t before, uint64_t after)
{
    page_row(page);
    page_cell(page, tr(page->language, label));
    page_number(page, (int64_t)before);
    page_number(page, (int64_t)after);
}

static void share_row(struct page *page, const char *label, uint64_t before, uint64_t of_before,
                      uint64_t after, uint64_t of_after)
{
    page_row(page);
    page_cell(page, tr(page->language, label));
    page_share(page, before, of_before);
    page_share(page, after, of_after);
}

void dossier_compared_rows(const struct dossier *dossier, struct page *page)
{
    const struct tally_filter *filter = &dossier->filter;
    struct dossier_halves halves;
    dossier_halves(dossier, &halves);
    const struct tally_counts *before = &halves.before;
    const struct tally_counts *after = &halves.after;
    number_row(page, N_("Days"),
               (uint64_t)((dossier->change - filter->since + CLOCK_DAY - 1) / CLOCK_DAY),
               (uint64_t)((filter->until - dossier->change + CLOCK_DAY - 1) / CLOCK_DAY));
    number_row(page, N_("Submitted"), before->decisions, after->decisions);
    number_row(page, N_("Permitted by the rules"), before->pass, after->pass);
    number_row(page, N_("Not permitted by the rules"), before->block, after->block);
    number_row(page, N_("of these let through to the provider, under observation"),
               before->let_through, after->let_through);
    number_row(page, N_("of these blocked, not sent"), tally_stopped(before), tally_stopped(after));
    share_row(page, N_("Share not permitted, of what was submitted"), before->block,
              before->decisions, after->block, after->decisions);
    share_row(page,
              N_("Share of messages that the rules do not permit, of what was let through to the "
                 "provider"),
              before->let_through, before->pass + before->let_through, after->let_through,
              after->pass + after->let_through);
}

void dossier_compared_partner_rows(const struct dossier *dossier, struct page *page)
{
    struct dossier_halves halves;
    const char *partner;
    for (size_t at = 0; dossier_halves_next(dossier, &at, &partner, &halves);) {
        const char *name = dossier_partner_name(dossier, partner);
        page_row(page);
        page_cell(page, name);
        page_cell(page, tr(page->language, N_("Before")));
        dossier_counts_cells(page, &halves.before, false);
        page_row(page);
        page_cell(page, name);
        page_cell(page, tr(page->language, N_("From that day on")));
        dossier_counts_cells(page, &halves.after, false);
    }
}

void dossier_compared(struct dossier *dossier)
{
    struct page *page = &dossier->page;
    struct strbuf day = {0};
    struct strbuf text = {0};
    if (dossier->change == 0 || dossier->totals.decisions == 0)
        return;
    language_add_date(&day, page->language, dossier->change);
    strbuf_add_format(&text, tr(page->language, N_("Before and after %s")),
                      day.data != NULL ? day.data : "");
    strbuf_add_format(&page->html, "<h2>%u. ", ++dossier->headings);
    page_text(page, text.data != NULL ? text.data : "");
    page_raw(page, "</h2>\n");
    page->html.failed = page->html.failed || day.failed || text.failed;
    strbuf_free(&day);
    strbuf_free(&text);
    dossier_compared_sentence(dossier, page);
    page_table(page, dossier_compared_heads);
    dossier_compared_rows(dossier, page);
    page_table_end(page);
    page_element_tr(page, "h3", N_("Before and after, by partner"));
    page_table(page, dossier_compared_partner_heads);
    dossier_compared_partner_rows(dossier, page);
    page_table_end(page);
}

/* ---- observed and enforced ---- */

void dossier_discarded_note(const struct dossier *dossier, struct page *page)
{
    struct strbuf number = {0};
    struct strbuf text = {0};
    if (dossier->totals.discarded == 0)
        return;
    language_add_number(&number, page->language, (int64_t)dossier->totals.discarded);
    strbuf_add_format(
        &text,
        trn(page->language,
            "Under the regime “Discarded”, what the rules block is not sent, though the partner’s "
            "system is answered as if it were. %s message of the period was answered so: the "
            "partner may believe that it was sent.",
            "Under the regime “Discarded”, what the rules block is not sent, though the partner’s "
            "system is answered as if it were. %s messages of the period were answered so: the "
            "partner may believe that they were sent.",
            dossier->totals.discarded),
        number.data != NULL ? number.data : "");
    page->html.failed = page->html.failed || number.failed || text.failed;
    page_element(page, "p", text.data != NULL ? text.data : "");
    strbuf_free(&number);
    strbuf_free(&text);
}

/* When that mode of that partner last began, as far as the history tells. */
static void mode_since(struct dossier *dossier, const char *partner, const char *mode)
{
    const struct history *history = &dossier->history;
    struct page *page = &dossier->page;
    for (size_t i = history->count; i-- > 0;) {
        const json_t *object = history_find(history->entries[i].partners, "id", partner);
        if (object == NULL || strcmp(history_text(object, "mode"), mode) != 0)
            continue;
        size_t first = history_mode_since(history, i, partner);
        if (first == 0 && history->entries[0].at <= dossier->filter.since)
            page_cell(page, tr(page->language, N_("before the period")));
        else
            page_time(page, history->entries[first].at);
        return;
    }
    page_cell(page, tr(page->language, N_("not on record")));
}

static void phases_table(struct dossier *dossier)
{
    static const char *const heads[] = {N_("Partner"),
                                        N_("Regime"),
                                        N_("Since"),
                                        N_("#Decisions"),
                                        N_("#Permitted"),
                                        N_("#Let through under observation"),
                                        N_("#Blocked"),
                                        N_("#Share the rules block"),
                                        NULL};
    struct page *page = &dossier->page;
    const struct tally *phases = dossier->tallies[DOSSIER_PHASES];
    page_table(page, heads);
    /* By name of the mode from behind: observe stands before enforce, as it came. */
    for (size_t i = 0; i < tally_count(phases); i++) {
        size_t first = i;
        while (i + 1 < tally_count(phases) &&
               strcmp(tally_row(phases, i + 1)->keys[0], tally_row(phases, i)->keys[0]) == 0)
            i++;
        for (size_t j = i + 1; j-- > first;) {
            const struct tally_row *row = tally_row(phases, j);
            page_row(page);
            page_cell(page, dossier_partner_name(dossier, row->keys[0]));
            page_cell(page, word_regime(page->language, row->keys[1]));
            mode_since(dossier, row->keys[0], row->keys[1]);
            dossier_counts_cells(page, &row->counts, false);
        }
    }
    page_table_end(page);
}

/* A message that was received and a list that was handed over are two acts. */
static void channels_table(struct dossier *dossier)
{
    static const char *const heads[] = {N_("Channel"),
                                        N_("Act judged"),
                                        N_("#Decisions"),
                                        N_("#Permitted"),
                                        N_("#Let through under observation"),
                                        N_("#Blocked"),
                                        N_("#Deferred"),
                                        N_("#Share the rules block"),
                                        NULL};
    struct page *page = &dossier->page;
    const struct tally *channels = dossier->tallies[DOSSIER_CHANNELS];
    page_element_tr(page, "h3", N_("By channel"));
    page_table(page, heads);
    for (size_t i = 0; i < tally_count(channels); i++) {
        const struct tally_row *row = tally_row(channels, i);
        page_row(page);
        page_cell(page, word_channel(page->language, row->keys[0]));
        page_cell(page, word_purpose(page->language, row->keys[1]));
        dossier_counts_cells(page, &row->counts, true);
    }
    page_table_end(page);
}

void dossier_before_after(struct dossier *dossier)
{
    struct page *page = &dossier->page;
    const struct tally *days = dossier->tallies[DOSSIER_DAYS];
    dossier_heading(dossier, N_("Observed and enforced"));
    if (tally_count(days) == 0) {
        page_element_tr(page, "p", N_("No decision was made in the period."));
        return;
    }
    page_element_tr(page, "p",
                    N_("A partner is first observed: its messages are judged and counted, and what "
                       "the rules would block is let through. It is then enforced: what the rules "
                       "block is not sent. Suspensions, withdrawals and objections are enforced "
                       "from the first day. The table compares the two regimes."));
    dossier_discarded_note(dossier, page);
    phases_table(dossier);
    channels_table(dossier);
    page_element_tr(page, "h3", N_("Day by day"));
    if (tally_count(days) <= CHART_DAYS_MAX)
        chart(page, days);
    days_table(dossier);
}

/* ---- reasons ---- */

static void reason_row(struct page *page, const char *reason, const struct tally_counts *counts)
{
    page_row(page);
    page_raw(page, "<td>");
    page_text(page, word_reason(page->language, reason));
    page_raw(page, " <code>");
    page_text(page, reason);
    page_raw(page, "</code></td>");
    page_number(page, (int64_t)counts->pass);
    page_number(page, (int64_t)counts->let_through);
    page_number(page, (int64_t)(counts->block - counts->let_through));
    page_number(page, (int64_t)counts->defer);
}

void dossier_reasons(struct dossier *dossier)
{
    static const char *const heads[] = {N_("Reason, and its code in the journal"),
                                        N_("#Permitted"),
                                        N_("#Let through under observation"),
                                        N_("#Blocked"),
                                        N_("#Deferred"),
                                        NULL};
    struct page *page = &dossier->page;
    const struct tally *reasons = dossier->tallies[DOSSIER_REASONS];
    if (tally_count(reasons) == 0)
        return;
    dossier_heading(dossier, N_("Reasons of the decisions"));
    page_element_tr(page, "p",
                    N_("Each decision carries one reason: that of the rule that decided. Where "
                       "several consents of one person were examined and none sufficed, it is the "
                       "reason of the one that came nearest."));
    page_table(page, heads);
    for (size_t i = 0; i < tally_count(reasons); i++) {
        struct tally_counts sum = tally_row(reasons, i)->counts;
        const char *reason = tally_row(reasons, i)->keys[0];
        while (i + 1 < tally_count(reasons) &&
               strcmp(tally_row(reasons, i + 1)->keys[0], reason) == 0)
            tally_counts_add(&sum, &tally_row(reasons, ++i)->counts);
        reason_row(page, reason, &sum);
    }
    page_table_end(page);
}
