/* SPDX-License-Identifier: Apache-2.0 */
/* The dossier to be handed over, drawn up by the clerk, and the check of the journal, asked for. */
#include "base/clock.h"
#include "console/dossier.h"
#include "console/layout.h"
#include "console/pages.h"
#include "console/send.h"

#include <string.h>
#include <unistd.h>

/* ---- on the page ---- */

static bool is_period_of(const struct dossier_view *view, const struct clerk_order *order)
{
    return order->since == view->period.since && order->until == view->period.until &&
           order->change == view->dossier.change &&
           strcmp(order->partner, view->partner != NULL ? view->partner : "") == 0;
}

/* "1 September 2026 – 30 September 2026", of which partner, with what. */
static void order_facts(struct dossier_view *view)
{
    struct visit *visit = view->visit;
    const struct clerk_order *order = &view->entry.order;
    fact_open(visit, N_("Period"));
    language_add_date(&visit->page.html, visit->language, order->since);
    page_raw(&visit->page, " – ");
    language_add_date(&visit->page.html, visit->language, order->until - CLOCK_DAY);
    fact_close(visit);
    fact(visit, N_("Partner"),
         order->partner[0] != '\0' ? dossier_partner_name(&view->dossier, order->partner)
                                   : tr(visit->language, N_("All partners")));
    if (order->change != 0) {
        fact_open(visit, N_("Compared before and after"));
        language_add_date(&visit->page.html, visit->language, order->change);
        fact_close(visit);
    } else {
        fact_tr(visit, N_("Compared before and after"), N_("nothing"));
    }
    fact_tr(visit, N_("The journal’s own files"),
            order->with_journal ? N_("in it") : N_("not in it"));
}

static void ready(struct dossier_view *view)
{
    struct visit *visit = view->visit;
    const struct clerk_entry *entry = &view->entry;
    part_notice(visit, is_period_of(view, &entry->order) ? "good" : "info",
                N_("A dossier is ready."), NULL);
    facts_begin(visit);
    order_facts(view);
    fact_time(visit, N_("Drawn up"), entry->ended_at);
    fact_time(visit, N_("Kept until"), entry->ended_at + CLERK_KEEP);
    fact_open(visit, N_("Size"));
    language_add_decimal(&visit->page.html, visit->language,
                         (int64_t)((entry->bytes * 10 + 999999) / 1000000), 1);
    page_raw(&visit->page, visit->language == LANGUAGE_FR ? " Mo" : " MB");
    fact_close(visit);
    facts_end(visit);
    if (entry->order.with_journal && !visit_may(visit, PERMIT_PERSONS))
        return;
    page_raw(&visit->page, "<p><a class=\"button\" href=\"/console/dossier/archive\">");
    page_tr(&visit->page, N_("Download the dossier (zip)"));
    page_raw(&visit->page, "</a></p>\n");
}

static void failed(struct visit *visit, enum result why)
{
    part_notice(visit, "bad",
                why == RESULT_BAD_INPUT
                    ? N_("The dossier would be larger than 4 GB. Choose a shorter period, or leave "
                         "the journal’s files out; your administrator can draw it up whole with "
                         "octroi report --dossier.")
                : why == RESULT_UNAVAILABLE
                    ? N_("The dossier was not drawn up: too little room is left on the gate’s "
                         "disk. Leave the journal’s files out, or tell your administrator.")
                    : N_("The dossier could not be drawn up. Your administrator finds the reason "
                         "in the gate’s log."),
                NULL);
}

static void order_form(struct dossier_view *view)
{
    struct visit *visit = view->visit;
    struct page *page = &visit->page;
    act_begin(visit, "/console/dossier/archive");
    dossier_fields(view);
    if (visit_may(visit, PERMIT_PERSONS)) {
        page_raw(page, "<fieldset><legend>");
        page_tr(page, N_("For a check of every entry"));
        page_raw(page, "</legend>\n<label><input type=\"checkbox\" name=\"journal\" value=\"1\"> ");
        page_tr(page, N_("Put the journal’s own files in, too: they hold every decision on every "
                         "recipient, by keyed hash and masked address, which are personal data."));
        page_raw(page, "</label>\n</fieldset>\n");
    }
    act_end(visit, N_("Draw up the dossier"), "");
}

void dossier_view_archive(struct dossier_view *view)
{
    struct visit *visit = view->visit;
    page_raw(&visit->page, "<section id=\"archive\">\n");
    page_element_tr(&visit->page, "h2", N_("Hand it over"));
    part_text(visit,
              N_("The dossier for this period and choice is one zip file: a document to be "
                 "read or printed, the same numbers as tables, the comparison before and after "
                 "a day if one is shown below, the rules and forms in full, "
                 "the signed checkpoints, and what it takes to check them. It names no "
                 "recipient."));
    switch (view->entry.state) {
    case CLERK_WAITING:
    case CLERK_WORKING:
        part_notice(visit, "info",
                    N_("Your dossier is being drawn up. This page looks again by itself; a long "
                       "period with the journal’s files takes some minutes."),
                    NULL);
        break;
    case CLERK_READY:
        ready(view);
        break;
    case CLERK_FAILED:
        failed(visit, view->entry.why);
        break;
    case CLERK_NOTHING:
        break;
    }
    if (visit->clerk != NULL && view->entry.state != CLERK_WAITING &&
        view->entry.state != CLERK_WORKING)
        order_form(view);
    part_end(visit);
}

/* ---- acts ---- */

/* Back to the page, at the part that tells of it. */
static enum result back(struct visit *visit, const struct period *period, const char *partner,
                        const char *done, const char *part, struct error *err)
{
    struct strbuf path = {0};
    dossier_path(&path, period, partner, dossier_change(visit, period));
    enum result result =
        path.failed ? error_no_memory(err) : visit_done(visit, path.data, done, err);
    strbuf_clear(&path);
    if (result == RESULT_OK) {
        strbuf_add_format(&path, "%s#%s", visit->location, part);
        result = path.failed ? error_no_memory(err) : visit_go(visit, path.data, err);
    }
    strbuf_free(&path);
    return result;
}

static bool note(struct visit *visit, const char *act, const struct period *period,
                 const char *partner, const char *answer)
{
    struct strbuf subject = {0};
    strbuf_add_format(&subject, "%.10s/%.10s", period->from, period->to);
    bool noted =
        !subject.failed && visit_note(visit, act,
                                      &(struct access){.partner = partner != NULL ? partner : "",
                                                       .subject = subject.data,
                                                       .answer = answer});
    strbuf_free(&subject);
    return noted;
}

enum result dossier_check_act(struct visit *visit, struct error *err)
{
    struct period period;
    const char *partner;
    if (visit->checker == NULL)
        return error_set(err, RESULT_UNAVAILABLE, "the gate ends");
    dossier_period(visit, &period, &partner);
    bool asked = checker_ask_for(visit->checker, visit->who);
    if (asked && !visit_note(visit, "journal.verify", &(struct access){.subject = ""}))
        return error_no_memory(err);
    return back(visit, &period, partner, asked ? "checking" : "checking-already", "proof", err);
}

static const char *answer_of(bool with_journal)
{
    return with_journal ? "journal" : "";
}

enum result dossier_draw_act(struct visit *visit, struct error *err)
{
    struct period period;
    const char *partner;
    struct clerk_order order = {.language = visit->language};
    bool with_journal = visit_field(visit, "journal")[0] != '\0';
    if (visit->clerk == NULL)
        return error_set(err, RESULT_UNAVAILABLE, "the gate ends");
    if (with_journal && !visit_may(visit, PERMIT_PERSONS))
        return visit_refuse(visit, 403, N_("This is not for your role"),
                            N_("The journal’s files hold decisions on every recipient: only the "
                               "compliance officer may take them."));
    dossier_period(visit, &period, &partner);
    order.since = period.since;
    order.until = period.until;
    order.change = dossier_change(visit, &period);
    order.with_journal = with_journal;
    (void)str_copy(order.partner, sizeof(order.partner), partner != NULL ? partner : "");
    /* Counted, and never changed: the reference is all that is taken of it. */
    enum result result = clerk_ask(visit->clerk, visit->user, &order,
                                   (struct config *)visit->config, visit->now, err);
    if (result == RESULT_CONFLICT || result == RESULT_UNAVAILABLE)
        return back(visit, &period, partner,
                    result == RESULT_CONFLICT ? "drawing-already" : "drawing-crowded", "archive",
                    err);
    if (result != RESULT_OK)
        return result;
    if (!note(visit, "dossier.draw", &period, partner, answer_of(with_journal)))
        return error_no_memory(err);
    return back(visit, &period, partner, "drawing", "archive", err);
}

enum result dossier_archive_page(struct visit *visit, struct error *err)
{
    struct clerk_entry entry = {0};
    struct period period = {0};
    int fd = visit->clerk != NULL ? clerk_open(visit->clerk, visit->user, visit->now, &entry) : -1;
    if (fd < 0)
        return visit_nothing(visit,
                             N_("No dossier is ready for you: each is kept for an hour. Draw "
                                "it up again on the page of the dossier."));
    if (entry.order.with_journal && !visit_may(visit, PERMIT_PERSONS)) {
        close(fd);
        return visit_refuse(visit, 403, N_("This is not for your role"),
                            N_("The journal’s files hold decisions on every recipient: only the "
                               "compliance officer may take them."));
    }
    char day[CLOCK_TEXT];
    clock_format(entry.order.since, day);
    (void)str_copy_n(period.from, sizeof(period.from), day, strlen("2026-01-31"));
    clock_format(entry.order.until - 1, day);
    (void)str_copy_n(period.to, sizeof(period.to), day, strlen("2026-01-31"));
    if (!note(visit, "dossier.export", &period, entry.order.partner,
              answer_of(entry.order.with_journal))) {
        close(fd);
        return error_no_memory(err);
    }
    return visit_send_file(visit, fd, "application/zip", entry.name, err);
}
