/* SPDX-License-Identifier: Apache-2.0 */
/* The report for a supervisory authority: a period on the page, the proof of it, and the dossier to
 * hand over. */
#include "console/dossier.h"

#include "base/clock.h"
#include "console/layout.h"
#include "console/pages.h"

#include <stdio.h>
#include <string.h>

/* ---- what is asked for ---- */

static void put_day(int64_t instant, char out[12])
{
    char text[CLOCK_TEXT];
    clock_format(instant, text);
    str_copy_n(out, 12, text, strlen("2026-01-31"));
}

/* The first moment of the month of an instant. */
static int64_t month_of(int64_t instant)
{
    char text[CLOCK_TEXT];
    int64_t first = instant;
    clock_format(instant, text);
    memcpy(text + strlen("2026-01-"), "01T00:00:00Z", sizeof("01T00:00:00Z"));
    (void)clock_parse(text, strlen(text), &first);
    return first;
}

void dossier_period(const struct visit *visit, struct period *period, const char **partner_out)
{
    const char *partner = visit_id_field(visit, "partner");
    *partner_out = partner[0] != '\0' ? partner : NULL;
    if (visit_field(visit, "from")[0] != '\0' || visit_field(visit, "to")[0] != '\0') {
        period_read(visit, 30, period);
        return;
    }
    int64_t until = month_of(visit->now);
    int64_t since = month_of(until - CLOCK_DAY);
    *period = (struct period){.since = since, .until = until, .days = (until - since) / CLOCK_DAY};
    put_day(since, period->from);
    put_day(until - CLOCK_DAY, period->to);
}

static bool divides(const struct period *period, int64_t day)
{
    return day > period->since && day < period->until;
}

int64_t dossier_change(const struct visit *visit, const struct period *period)
{
    int64_t day;
    return visit_day_field(visit, "change", false, &day) && divides(period, day) ? day : 0;
}

void dossier_path(struct strbuf *out, const struct period *period, const char *partner,
                  int64_t change)
{
    strbuf_add_str(out, "/console/dossier?");
    period_add_query(out, period);
    if (partner != NULL) {
        strbuf_add_str(out, "&partner=");
        visit_add_encoded(out, partner);
    }
    if (change != 0) {
        char day[12];
        put_day(change, day);
        strbuf_add_format(out, "&change=%s", day);
    }
}

void dossier_fields(struct dossier_view *view)
{
    struct visit *visit = view->visit;
    char day[12] = "";
    if (view->dossier.change != 0)
        put_day(view->dossier.change, day);
    hidden_field(visit, "from", view->period.from);
    hidden_field(visit, "to", view->period.to);
    hidden_field(visit, "partner", view->partner != NULL ? view->partner : "");
    hidden_field(visit, "change", day);
}

void dossier_fold_begin(struct visit *visit, const char *title)
{
    act_fold_begin(visit, title);
    page_raw(&visit->page, "<div class=\"grid\" tabindex=\"0\" role=\"region\" aria-label=\"");
    page_tr(&visit->page, title);
    page_raw(&visit->page, "\">\n");
}

void dossier_fold_end(struct visit *visit)
{
    page_raw(&visit->page, "</div>\n");
    act_fold_end(visit);
}

/* ---- the choice ---- */

static void choice(struct dossier_view *view)
{
    struct visit *visit = view->visit;
    const struct config *config = visit->config;
    char change[12] = "";
    struct option *options = arena_alloc(visit->arena, (config->n_partners + 1) * sizeof(*options));
    if (view->dossier.change != 0 || view->outside != 0)
        put_day(view->dossier.change != 0 ? view->dossier.change : view->outside, change);
    filter_begin(visit);
    date_field(visit, "from", N_("From"), view->period.from);
    date_field(visit, "to", N_("To"), view->period.to);
    if (options != NULL) {
        options[0] = (struct option){"", N_("All partners"), true};
        for (size_t i = 0; i < config->n_partners; i++)
            options[i + 1] =
                (struct option){config->partners[i].id, config->partners[i].name, false};
        select_field(visit, "partner", N_("Partner"), options, config->n_partners + 1,
                     view->partner != NULL ? view->partner : "");
    } else {
        visit->page.html.failed = true;
    }
    date_field(visit, "change", N_("Compare before and after"), change);
    filter_end(visit, N_("Show"));
}

/* The first day in the period on which the regime of a partner that is looked at changed. */
static int64_t day_of_change(const struct dossier_view *view)
{
    const struct history *history = &view->dossier.history;
    for (size_t i = 1; i < history->count; i++) {
        const struct history_entry *entry = &history->entries[i];
        for (size_t j = 0; j < json_array_size(entry->partners); j++) {
            const json_t *partner = json_array_get(entry->partners, j);
            const char *id = history_text(partner, "id");
            const json_t *before = history_find(entry[-1].partners, "id", id);
            if ((view->partner != NULL && strcmp(id, view->partner) != 0) || before == NULL ||
                strcmp(history_text(before, "mode"), history_text(partner, "mode")) == 0)
                continue;
            int64_t into = entry->at % CLOCK_DAY;
            int64_t day = entry->at - (into < 0 ? into + CLOCK_DAY : into);
            if (divides(&view->period, day))
                return day;
        }
    }
    return 0;
}

/* ---- the page ---- */

static enum result read(struct dossier_view *view, struct error *err)
{
    struct visit *visit = view->visit;
    const unsigned wanted = DOSSIER_ALL & ~DOSSIER_TALLY(DOSSIER_SERIES);
    dossier_period(visit, &view->period, &view->partner);
    view->dossier = (struct dossier){.config = visit->config,
                                     .registry = visit->registry,
                                     .index = visit->index,
                                     .journal_path = visit->journal_path,
                                     .language = visit->language,
                                     .bare = true,
                                     .made_at = visit->now,
                                     .filter = {.since = view->period.since,
                                                .until = view->period.until,
                                                .partner = view->partner,
                                                .purpose = purpose_name(PURPOSE_RECEIPT)}};
    if (visit->checker != NULL) {
        checker_last(visit->checker, &view->checked);
        checker_now(visit->checker, &view->checking);
    }
    if (visit->clerk != NULL)
        clerk_look(visit->clerk, visit->user, visit->now, &view->entry);
    enum result result = dossier_gather(&view->dossier, wanted, err);
    if (result != RESULT_OK)
        return result;
    int64_t asked = 0;
    if (!visit_day_field(visit, "change", false, &asked))
        asked = day_of_change(view);
    if (divides(&view->period, asked))
        view->dossier.change = asked;
    else
        view->outside = asked;
    return RESULT_OK;
}

static bool is_under_way(const struct dossier_view *view)
{
    return view->checking.wanted || view->checking.running || view->entry.state == CLERK_WAITING ||
           view->entry.state == CLERK_WORKING;
}

static enum result show(struct dossier_view *view, struct error *err)
{
    struct visit *visit = view->visit;
    const struct layout layout = {
        .place = PLACE_DOSSIER,
        .title = N_("Dossier"),
        .lead = N_("What you tell a supervisory authority of a period: how many messages were "
                   "submitted, what was blocked and why, under which rules, and how anybody can "
                   "check that the record was not altered."),
        .refresh = is_under_way(view) ? 5 : 0,
    };
    layout_begin(visit, &layout);
    choice(view);
    dossier_view_summary(view);
    dossier_view_archive(view);
    dossier_view_before_after(view);
    enum result result = dossier_view_counts(view, err);
    if (result == RESULT_OK)
        result = dossier_view_record(view, err);
    if (result == RESULT_OK)
        result = dossier_view_proof(view, err);
    layout_end(visit);
    return result;
}

enum result dossier_page(struct visit *visit, struct error *err)
{
    struct dossier_view view = {.visit = visit};
    enum result result = read(&view, err);
    if (result == RESULT_OK)
        result = show(&view, err);
    dossier_end(&view.dossier);
    return result;
}
