/* SPDX-License-Identifier: Apache-2.0 */
/* The period in numbers and sentences: what an officer reads out, and what the dossier says of
 * rules, forms and suspensions. */
#include "console/dossier.h"

#include "base/clock.h"
#include "console/decisions.h"
#include "console/layout.h"
#include "office/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHART_DAYS 400

struct amount {
    struct strbuf number, share;
};

static void amount_of(const struct visit *visit, uint64_t part, uint64_t whole, struct amount *out)
{
    *out = (struct amount){0};
    language_add_number(&out->number, visit->language, (int64_t)part);
    language_add_share(&out->share, visit->language, part, whole);
}

static void amount_free(struct visit *visit, struct amount *amount)
{
    visit->page.html.failed =
        visit->page.html.failed || amount->number.failed || amount->share.failed;
    strbuf_free(&amount->number);
    strbuf_free(&amount->share);
}

static const char *text_of(const struct strbuf *buf)
{
    return buf->data != NULL ? buf->data : "";
}

/* ---- what was decided ---- */

/* "1,234 (12.3%) were …", translated already; nothing where there is none. */
static void line(struct visit *visit, const char *sentence, uint64_t part, uint64_t whole)
{
    struct amount amount;
    if (part == 0)
        return;
    amount_of(visit, part, whole, &amount);
    part_sentence(visit, "li", sentence, text_of(&amount.number), text_of(&amount.share), NULL);
    amount_free(visit, &amount);
}

static void opening(struct dossier_view *view, const struct tally_counts *totals)
{
    struct visit *visit = view->visit;
    struct strbuf period = {0};
    struct amount all;
    words_period(&period, visit->language, view->period.since, view->period.until);
    amount_of(visit, totals->decisions, totals->decisions, &all);
    if (view->partner == NULL)
        part_sentence(
            visit, "p",
            trn(visit->language,
                "In the period %s, %s message was submitted to the gate, counted once for "
                "each recipient.",
                "In the period %s, %s messages were submitted to the gate, each counted "
                "once for each recipient.",
                totals->decisions),
            text_of(&period), text_of(&all.number), NULL);
    else
        part_sentence(visit, "p",
                      trn(visit->language,
                          "In the period %s, %s message of the partner %s was submitted to the "
                          "gate, counted once for each recipient.",
                          "In the period %s, %s messages of the partner %s were submitted to the "
                          "gate, each counted once for each recipient.",
                          totals->decisions),
                      text_of(&period), text_of(&all.number),
                      dossier_partner_name(&view->dossier, view->partner));
    amount_free(visit, &all);
    visit->page.html.failed = visit->page.html.failed || period.failed;
    strbuf_free(&period);
}

static void erased(struct dossier_view *view)
{
    struct visit *visit = view->visit;
    struct strbuf text = {0};
    words_erased_decisions(&text, visit->language, &view->dossier.erased, view->period.since);
    if (text.length > 0)
        part_notice(visit, "warn", text.data, NULL);
    strbuf_clear(&text);
    words_erased_detail(&text, visit->language, &view->dossier.erased, view->period.since);
    if (text.length > 0)
        part_notice(visit, "info", text.data, NULL);
    visit->page.html.failed = visit->page.html.failed || text.failed;
    strbuf_free(&text);
}

static void list_path(struct strbuf *out, const struct dossier_view *view, const char *verdict)
{
    counts_list_path(out, &view->period, verdict);
    if (view->partner != NULL) {
        strbuf_add_str(out, "&partner=");
        visit_add_encoded(out, view->partner);
    }
}

static void tiles(struct dossier_view *view, const struct tally_counts *totals)
{
    struct visit *visit = view->visit;
    struct strbuf path = {0};
    list_path(&path, view, DECISIONS_STOPPED);
    tiles_begin(visit);
    tile_number(visit, N_("Submitted"), (int64_t)totals->decisions, 0, NULL);
    tile_number(visit, N_("Permitted by the rules"), (int64_t)totals->pass, totals->decisions,
                NULL);
    tile_number(visit, N_("Blocked, not sent"), (int64_t)tally_stopped(totals), totals->decisions,
                path.failed ? NULL : path.data);
    tile_number(visit, N_("Let through under observation"), (int64_t)totals->let_through,
                totals->decisions, totals->let_through > 0 ? "/console/observe" : NULL);
    tile_number(visit, N_("Deferred to later"), (int64_t)totals->defer, totals->decisions, NULL);
    tiles_end(visit);
    strbuf_free(&path);
}

/* What counts as a message where the sender cuts it up. */
static void parts_note(struct dossier_view *view)
{
    const struct tally *channels = view->dossier.tallies[DOSSIER_CHANNELS];
    if (counts_of(channels, channel_name(CHANNEL_SMS)).decisions > 0)
        part_text(view->visit, N_("Of a long SMS that its sender cuts into parts, each part counts "
                                  "as a message."));
}

static void lists(struct dossier_view *view)
{
    struct visit *visit = view->visit;
    const struct tally *channels = view->dossier.tallies[DOSSIER_CHANNELS];
    struct tally_counts rows = {0};
    struct strbuf query = {0};
    for (size_t i = 0; i < tally_count(channels); i++)
        if (strcmp(tally_row(channels, i)->keys[1], purpose_name(PURPOSE_TRANSMISSION)) == 0)
            tally_counts_add(&rows, &tally_row(channels, i)->counts);
    if (view->partner != NULL) {
        strbuf_add_str(&query, "partner=");
        visit_add_encoded(&query, view->partner);
    }
    visit->page.html.failed = visit->page.html.failed || query.failed;
    counts_lists_line(visit, &view->period, &rows, text_of(&query));
    strbuf_free(&query);
}

void dossier_view_summary(struct dossier_view *view)
{
    struct visit *visit = view->visit;
    const struct tally_counts *totals = &view->dossier.totals;
    part_begin(visit, N_("What was submitted, and what was blocked"));
    erased(view);
    if (totals->decisions == 0) {
        part_empty(visit,
                   N_("No message was submitted in this period. Choose another one above, or see "
                      "on the overview what passes through the gate."),
                   "/console", N_("Go to the overview"));
        lists(view);
        part_end(visit);
        return;
    }
    tiles(view, totals);
    opening(view, totals);
    page_raw(&visit->page, "<ul>\n");
    line(visit,
         trn(visit->language, "%s (%s) was permitted: a record of the register matched the rules.",
             "%s (%s) were permitted: a record of the register matched the rules.", totals->pass),
         totals->pass, totals->decisions);
    line(visit,
         trn(visit->language, "%s (%s) was blocked by the rules and did not leave.",
             "%s (%s) were blocked by the rules and did not leave.", tally_stopped(totals)),
         tally_stopped(totals), totals->decisions);
    line(visit,
         trn(visit->language,
             "%s (%s) of these was answered to its partner as if it had been sent.",
             "%s (%s) of these were answered to their partner as if they had been sent.",
             totals->discarded),
         totals->discarded, tally_stopped(totals));
    line(visit,
         trn(visit->language,
             "%s (%s) was let through to the provider although the rules block it, since its "
             "partner was only observed.",
             "%s (%s) were let through to the provider although the rules block them, since their "
             "partner was only observed.",
             totals->let_through),
         totals->let_through, totals->decisions);
    line(visit,
         trn(visit->language, "%s (%s) was deferred: its sender was told to submit it again later.",
             "%s (%s) were deferred: their sender was told to submit them again later.",
             totals->defer),
         totals->defer, totals->decisions);
    page_raw(&visit->page, "</ul>\n");
    parts_note(view);
    lists(view);
    if (view->period.days <= CHART_DAYS)
        counts_by_day(visit, &view->period, view->dossier.tallies[DOSSIER_DAYS]);
    part_end(visit);
}

/* ---- before and after ---- */

static void two_periods(struct dossier_view *view)
{
    struct visit *visit = view->visit;
    const struct dossier *dossier = &view->dossier;
    dossier_compared_sentence(dossier, &visit->page);
    grid_begin(visit, N_("Before and after"), dossier_compared_heads);
    dossier_compared_rows(dossier, &visit->page);
    grid_end(visit);
    grid_begin(visit, N_("Before and after, by partner"), dossier_compared_partner_heads);
    dossier_compared_partner_rows(dossier, &visit->page);
    grid_end(visit);
}

/* A day that cannot be compared is said, never passed over. */
static void not_comparable(struct dossier_view *view)
{
    struct visit *visit = view->visit;
    struct strbuf day = {0};
    language_add_date(&day, visit->language, view->outside);
    part_notice(visit, "warn",
                N_("Nothing is compared: %s is not within the period, after its first day. Choose "
                   "another day, or a period that begins before it and ends after it."),
                text_of(&day));
    visit->page.html.failed = visit->page.html.failed || day.failed;
    strbuf_free(&day);
}

static void regimes(struct dossier_view *view)
{
    static const char *const heads[] = {N_("Partner"),
                                        N_("Regime"),
                                        N_("#Submitted"),
                                        N_("#Permitted"),
                                        N_("#Let through under observation"),
                                        N_("#Blocked"),
                                        N_("#Share the rules block"),
                                        NULL};
    struct visit *visit = view->visit;
    struct page *page = &visit->page;
    const struct tally *phases = view->dossier.tallies[DOSSIER_PHASES];
    part_text(visit,
              N_("A partner that is observed sends as before, and what the rules would block "
                 "is counted; once it is enforced, it is blocked."));
    dossier_discarded_note(&view->dossier, page);
    grid_begin(visit, N_("Partners by regime"), heads);
    for (size_t i = 0; i < tally_count(phases); i++) {
        const struct tally_row *row = tally_row(phases, i);
        page_row(page);
        page_cell(page, dossier_partner_name(&view->dossier, row->keys[0]));
        page_cell(page, word_regime(visit->language, row->keys[1]));
        dossier_counts_cells(page, &row->counts, false);
    }
    grid_end(visit);
}

void dossier_view_before_after(struct dossier_view *view)
{
    struct visit *visit = view->visit;
    if (view->dossier.totals.decisions == 0)
        return;
    part_begin(visit, N_("Before and after"));
    if (view->dossier.change != 0)
        two_periods(view);
    else if (view->outside != 0)
        not_comparable(view);
    else
        part_text(visit,
                  N_("To compare, choose a day within the period under “Compare before and after”: "
                     "the day a partner was enforced, or that of a formal notice."));
    regimes(view);
    part_end(visit);
}

/* ---- why, by whom, from where ---- */

static void partners(struct dossier_view *view)
{
    static const char *const heads[] = {N_("Partner"),
                                        N_("#Submitted"),
                                        N_("#Permitted"),
                                        N_("#Let through under observation"),
                                        N_("#Blocked"),
                                        N_("#Share the rules block"),
                                        NULL};
    struct visit *visit = view->visit;
    const struct tally *tally = view->dossier.tallies[DOSSIER_PARTNERS];
    part_begin(visit, N_("By partner and channel"));
    grid_begin(visit, N_("By partner"), heads);
    for (size_t i = 0; i < tally_count(tally); i++) {
        const struct tally_row *row = tally_row(tally, i);
        struct strbuf path = {0};
        strbuf_add_str(&path, "/console/partners/");
        visit_add_encoded(&path, row->keys[0]);
        page_row(&visit->page);
        cell_link(visit, path.failed ? "/console/partners" : path.data,
                  dossier_partner_name(&view->dossier, row->keys[0]));
        dossier_counts_cells(&visit->page, &row->counts, false);
        strbuf_free(&path);
    }
    grid_end(visit);
}

static void channels(struct dossier_view *view)
{
    static const char *const heads[] = {N_("Channel"),
                                        N_("Act judged"),
                                        N_("#Submitted"),
                                        N_("#Permitted"),
                                        N_("#Let through under observation"),
                                        N_("#Blocked"),
                                        N_("#Deferred"),
                                        N_("#Share the rules block"),
                                        NULL};
    struct visit *visit = view->visit;
    const struct tally *tally = view->dossier.tallies[DOSSIER_CHANNELS];
    grid_begin(visit, N_("By channel"), heads);
    for (size_t i = 0; i < tally_count(tally); i++) {
        const struct tally_row *row = tally_row(tally, i);
        page_row(&visit->page);
        page_cell(&visit->page, word_channel(visit->language, row->keys[0]));
        page_cell(&visit->page, word_purpose(visit->language, row->keys[1]));
        dossier_counts_cells(&visit->page, &row->counts, true);
    }
    grid_end(visit);
    part_end(visit);
}

/* "ID@VERSION", with a way to that version. */
static void form_cell(struct visit *visit, const char *name)
{
    const char *mark = strrchr(name, '@');
    if (mark == NULL) {
        page_cell(&visit->page, word_origin(visit->language, name));
        return;
    }
    struct strbuf path = {0};
    char id[160] = "";
    (void)str_copy_n(id, sizeof(id), name, (size_t)(mark - name));
    strbuf_add_str(&path, "/console/forms/");
    visit_add_encoded(&path, id);
    strbuf_add_char(&path, '/');
    visit_add_encoded(&path, mark + 1);
    cell_link(visit, path.failed ? "/console/forms" : path.data, name);
    strbuf_free(&path);
}

static void origins(struct dossier_view *view)
{
    static const char *const heads[] = {N_("Form of the consent relied on"),
                                        N_("Collector"),
                                        N_("Supplier"),
                                        N_("#Submitted"),
                                        N_("#Permitted"),
                                        N_("#Let through under observation"),
                                        N_("#Blocked"),
                                        N_("#Share the rules block"),
                                        NULL};
    struct visit *visit = view->visit;
    const struct tally *tally = view->dossier.tallies[DOSSIER_ORIGINS];
    part_begin(visit, N_("Where the consents came from"));
    part_text(visit,
              N_("Where the consents came from that the decisions relied on. A decision that "
                 "found no consent relied on none."));
    act_fold_begin(visit, N_("The numbers by form, collector and supplier"));
    grid_begin(visit, N_("By form, collector and supplier"), heads);
    for (size_t i = 0; i < tally_count(tally); i++) {
        const struct tally_row *row = tally_row(tally, i);
        page_row(&visit->page);
        form_cell(visit, row->keys[0]);
        page_cell(&visit->page, word_origin(visit->language, row->keys[1]));
        page_cell(&visit->page, word_origin(visit->language, row->keys[2]));
        dossier_counts_cells(&visit->page, &row->counts, false);
    }
    grid_end(visit);
    act_fold_end(visit);
    part_end(visit);
}

enum result dossier_view_counts(struct dossier_view *view, struct error *err)
{
    static const enum tally_by by[] = {TALLY_VERDICT, TALLY_REASON};
    struct visit *visit = view->visit;
    struct tally *reasons = NULL;
    struct strbuf query = {0};
    if (view->dossier.totals.decisions == 0)
        return RESULT_OK;
    if (view->partner != NULL) {
        strbuf_add_str(&query, "partner=");
        visit_add_encoded(&query, view->partner);
    }
    enum result result =
        query.failed ? error_no_memory(err)
                     : counts_read(visit, &view->period, view->partner, by, 2, &reasons, err);
    if (result == RESULT_OK) {
        part_begin(visit, N_("Why messages were blocked or deferred"));
        counts_by_reason(visit, &view->period, reasons, text_of(&query));
        part_end(visit);
        partners(view);
        channels(view);
        origins(view);
    }
    strbuf_free(&query);
    tally_free(&reasons);
    return result;
}

/* ---- rules, forms, suspensions ---- */

/* The dossier's own sections, written into this page. */
static enum result section(struct dossier_view *view, const char *title,
                           void (*write)(struct dossier *),
                           enum result (*read)(struct dossier *, struct error *), struct error *err)
{
    struct visit *visit = view->visit;
    struct dossier *dossier = &view->dossier;
    enum result result = RESULT_OK;
    dossier_fold_begin(visit, title);
    dossier->page = visit->page;
    if (write != NULL)
        write(dossier);
    else
        result = read(dossier, err);
    visit->page = dossier->page;
    dossier->page = (struct page){0};
    dossier_fold_end(visit);
    return result;
}

enum result dossier_view_record(struct dossier_view *view, struct error *err)
{
    struct visit *visit = view->visit;
    part_begin(visit, N_("Rules, forms and suspensions of the period"));
    part_text(visit, N_("What the gate went by, as the dossier has it. Times in these parts are "
                        "UTC."));
    enum result result = section(view, N_("Rules in force"), dossier_rules, NULL, err);
    if (result == RESULT_OK)
        result =
            section(view, N_("History of the configuration"), dossier_configurations, NULL, err);
    if (result == RESULT_OK)
        result =
            section(view, N_("Collection forms, with their wording"), NULL, dossier_forms, err);
    if (result == RESULT_OK)
        result = section(view, N_("Suspensions"), NULL, dossier_suspensions, err);
    part_end(visit);
    return result;
}
