/* SPDX-License-Identifier: Apache-2.0 */
/* What observed partners would not have been let send, and what happens the day that is enforced.
 */
#include "console/observe.h"
#include "base/clock.h"
#include "console/chooser.h"
#include "console/decisions.h"
#include "console/layout.h"
#include "console/pages.h"
#include "office/words.h"
#include "policy/judge.h"

#include <stdio.h>
#include <string.h>

#define DAYS 30

/* Of one partner, while it was observed. */
struct observed {
    struct tally *reasons, *days, *streams, *forms, *suppliers;
    struct tally_counts sum;
    struct journal_erased erased;
};

static void free_observed(struct observed *observed)
{
    tally_free(&observed->reasons);
    tally_free(&observed->days);
    tally_free(&observed->streams);
    tally_free(&observed->forms);
    tally_free(&observed->suppliers);
}

static enum result read_observed(struct visit *visit, const struct chooser *chooser,
                                 struct observed *observed, struct error *err)
{
    static const enum tally_by firsts[] = {TALLY_REASON, TALLY_DAY, TALLY_STREAM, TALLY_FORM,
                                           TALLY_SUPPLIER};
    const struct tally_filter filter = counts_of_messages(&chooser->period, chooser->partner);
    struct tally *tallies[5];
    enum result result = RESULT_OK;
    for (size_t i = 0; i < 5; i++) {
        const enum tally_by by[] = {firsts[i], TALLY_MODE};
        tallies[i] = tally_new(by, 2);
        if (tallies[i] == NULL)
            result = error_no_memory(err);
    }
    if (result == RESULT_OK)
        result = journal_index_tally(visit->index, &filter, tallies, 5, err);
    for (size_t i = 0; i < 5 && result == RESULT_OK; i++)
        result = counts_narrow(&tallies[i], mode_name(MODE_OBSERVE), false, err);
    *observed = (struct observed){.reasons = tallies[0],
                                  .days = tallies[1],
                                  .streams = tallies[2],
                                  .forms = tallies[3],
                                  .suppliers = tallies[4]};
    if (result == RESULT_OK)
        result = journal_index_erased(visit->index, &observed->erased, err);
    if (result == RESULT_OK)
        observed->sum = counts_sum(observed->reasons);
    return result;
}

/* ---- numbers ---- */

static void number_in(struct strbuf *out, const struct visit *visit, uint64_t value)
{
    language_add_number(out, visit->language, (int64_t)value);
}

/* "jeu@3" has a page, and so has a supplier; "none" and "erased" have none. */
static void name_cell(struct visit *visit, enum tally_by by, const char *key)
{
    struct strbuf path = {0};
    const char *version = strrchr(key, '@');
    char id[256];
    if (by == TALLY_FORM && version != NULL &&
        str_copy_n(id, sizeof(id), key, (size_t)(version - key))) {
        strbuf_add_str(&path, "/console/forms/");
        visit_add_encoded(&path, id);
        strbuf_add_char(&path, '/');
        visit_add_encoded(&path, version + 1);
    } else if (by == TALLY_SUPPLIER && strcmp(key, TALLY_NONE) != 0 &&
               strcmp(key, TALLY_GONE) != 0) {
        strbuf_add_str(&path, "/console/suppliers/");
        visit_add_encoded(&path, key);
    }
    visit->page.html.failed = visit->page.html.failed || path.failed;
    if (!path.failed && path.length > 0)
        cell_link(visit, path.data, key);
    else
        page_cell(&visit->page, word_origin(visit->language, key));
    strbuf_free(&path);
}

/* A table of what would have been blocked, by what the tally counts by. */
static void breakdown(struct visit *visit, const char *caption, const char *head,
                      struct tally *tally)
{
    const char *const heads[] = {head, N_("#Messages"), N_("#Would have been blocked"),
                                 N_("#Share of its messages"), NULL};
    struct page *page = &visit->page;
    page_element_tr(page, "h3", caption);
    tally_sort_by_count(tally);
    grid_begin(visit, caption, heads);
    for (size_t i = 0; i < tally_count(tally); i++) {
        const struct tally_row *row = tally_row(tally, i);
        page_row(page);
        name_cell(visit, tally_column(tally, 0), row->keys[0]);
        page_number(page, (int64_t)row->counts.decisions);
        page_number(page, (int64_t)row->counts.let_through);
        page_share(page, row->counts.let_through, row->counts.decisions);
    }
    grid_end(visit);
}

/* ---- by reason ---- */

/* The rows: let through ones first, or those that are stopped already. */
static void reason_row(struct visit *visit, const struct chooser *chooser,
                       const struct tally_row *row, uint64_t count, uint64_t whole, bool let)
{
    struct page *page = &visit->page;
    struct strbuf path = {0};
    const char *remedy = let ? observe_remedy(row->keys[0]) : NULL;
    chooser_list_path(&path, chooser, let ? DECISIONS_OBSERVED : DECISIONS_STOPPED);
    strbuf_add_str(&path, "&reason=");
    visit_add_encoded(&path, row->keys[0]);
    page->html.failed = page->html.failed || path.failed;
    page_row(page);
    page_raw(page, "<td class=\"words\">");
    part_link_named(visit, path.failed ? "" : path.data,
                    word_reason(visit->language, row->keys[0]));
    page_raw(page, " <code>");
    page_text(page, row->keys[0]);
    page_raw(page, "</code></td>");
    page_number(page, (int64_t)count);
    page_share(page, count, whole);
    if (let)
        page_element(page, "td class=\"words\"", remedy != NULL ? tr(visit->language, remedy) : "");
    strbuf_free(&path);
}

static uint64_t count_of(const struct tally_counts *counts, bool let)
{
    return let ? counts->let_through : counts->block - counts->let_through;
}

static int by_count(const struct tally_row *a, const struct tally_row *b, bool let)
{
    uint64_t left = count_of(&a->counts, let), right = count_of(&b->counts, let);
    return left != right ? (left > right ? -1 : 1) : strcmp(a->keys[0], b->keys[0]);
}

/* The next one in the order of by_count, as the tally holds a few reasons; NULL: none is left. */
static const struct tally_row *next_reason(const struct tally *tally, const struct tally_row *last,
                                           bool let)
{
    const struct tally_row *best = NULL;
    for (size_t i = 0; i < tally_count(tally); i++) {
        const struct tally_row *row = tally_row(tally, i);
        if (count_of(&row->counts, let) > 0 && (last == NULL || by_count(last, row, let) < 0) &&
            (best == NULL || by_count(row, best, let) < 0))
            best = row;
    }
    return best;
}

static void reasons(struct visit *visit, const struct chooser *chooser,
                    const struct observed *observed, bool let)
{
    static const char *const let_heads[] = {N_("Reason"), N_("#Would have been blocked"),
                                            N_("#Share of all"), N_("What helps"), NULL};
    static const char *const stopped_heads[] = {N_("Reason"), N_("#Blocked"), N_("#Share of all"),
                                                NULL};
    const struct tally *tally = observed->reasons;
    const struct tally_row *row = next_reason(tally, NULL, let);
    if (let)
        grid_begin(visit, N_("What would have been blocked, by reason"), let_heads);
    else
        grid_begin(visit, N_("What is blocked already, by reason"), stopped_heads);
    for (; row != NULL; row = next_reason(tally, row, let))
        reason_row(visit, chooser, row, count_of(&row->counts, let), observed->sum.decisions, let);
    grid_end(visit);
}

static void would_be_blocked(struct visit *visit, const struct chooser *chooser,
                             const struct observed *observed)
{
    struct strbuf path = {0};
    part_begin(visit, N_("Why they would have been blocked"));
    if (observed->sum.let_through == 0) {
        part_empty(visit,
                   N_("Nothing: every message of this period would have passed, or was stopped "
                      "already. Enforcing changes nothing for messages like these."),
                   NULL, NULL);
        part_end(visit);
        return;
    }
    reasons(visit, chooser, observed, true);
    chooser_list_path(&path, chooser, DECISIONS_OBSERVED);
    page_raw(&visit->page, "<p>");
    part_link(visit, path.failed ? "/console/blocked" : path.data,
              N_("Look at these messages one by one"));
    page_raw(&visit->page, "</p>\n");
    strbuf_free(&path);
    part_end(visit);
    part_begin(visit, N_("Where they come from"));
    breakdown(visit, N_("By stream"), N_("Stream"), observed->streams);
    breakdown(visit, N_("By form that the person filled in"), N_("Form"), observed->forms);
    breakdown(visit, N_("By supplier of the consent"), N_("Supplier"), observed->suppliers);
    part_text(visit, N_("A message that relied on no consent at all is counted under “none”."));
    part_end(visit);
}

static void enforced_already(struct visit *visit, const struct chooser *chooser,
                             const struct observed *observed)
{
    part_begin(visit, N_("What is stopped although it is only observed"));
    part_text(visit, N_("A person's objection or withdrawal, a suspension, and a sender that is "
                        "not this partner's are never let through, whatever the mode."));
    if (observed->sum.block > observed->sum.let_through)
        reasons(visit, chooser, observed, false);
    else
        part_empty(visit, N_("There was none of these in this period."), NULL, NULL);
    part_end(visit);
}

/* ---- the page's head ---- */

/* "Of 614 messages that were judged while it was observed, 360 (58.6%) would not have left." */
static void sentence(struct visit *visit, const struct observed *observed)
{
    struct strbuf all = {0}, blocked = {0}, share = {0};
    number_in(&all, visit, observed->sum.decisions);
    number_in(&blocked, visit, observed->sum.let_through);
    language_add_share(&share, visit->language, observed->sum.let_through, observed->sum.decisions);
    if (all.failed || blocked.failed || share.failed)
        visit->page.html.failed = true;
    else
        part_sentence(visit, "p",
                      N_("Of %s messages that were judged while it was observed, %s would not have "
                         "left had the rules been enforced: %s."),
                      all.data, blocked.data, share.data);
    strbuf_free(&all);
    strbuf_free(&blocked);
    strbuf_free(&share);
}

static void tiles(struct visit *visit, const struct chooser *chooser,
                  const struct observed *observed)
{
    const struct tally_counts *sum = &observed->sum;
    struct strbuf path = {0};
    chooser_list_path(&path, chooser, DECISIONS_OBSERVED);
    visit->page.html.failed = visit->page.html.failed || path.failed;
    tiles_begin(visit);
    tile_number(visit, N_("Judged while observed"), (int64_t)sum->decisions, 0, NULL);
    tile_number(visit, N_("Would pass as well"), (int64_t)sum->pass, sum->decisions, NULL);
    tile_number(visit, N_("Would have been blocked"), (int64_t)sum->let_through, sum->decisions,
                path.failed ? NULL : path.data);
    tile_number(visit, N_("Blocked already"), (int64_t)tally_stopped(sum), sum->decisions, NULL);
    if (sum->defer > 0)
        tile_number(visit, N_("Messages deferred"), (int64_t)sum->defer, sum->decisions, NULL);
    tiles_end(visit);
    strbuf_free(&path);
}

static void erased(struct visit *visit, const struct chooser *chooser,
                   const struct observed *observed)
{
    struct strbuf text = {0};
    words_erased_detail(&text, visit->language, &observed->erased, chooser->period.since);
    visit->page.html.failed = visit->page.html.failed || text.failed;
    if (!text.failed && text.length > 0) {
        page_element(&visit->page, "p class=\"note\"", text.data);
        part_text(visit, N_("Streams, forms and suppliers of what is erased are not known any "
                            "more: they are counted as erased."));
    }
    strbuf_free(&text);
}

/* ---- the day it is enforced ---- */

static void point(struct visit *visit, const char *sentence_of, const char *one, const char *two)
{
    part_sentence(visit, "li", sentence_of, one, two, NULL);
}

static void what_happens(struct visit *visit, const struct chooser *chooser,
                         const struct observed *observed)
{
    const uint64_t days = (uint64_t)chooser->period.days;
    struct strbuf each = {0}, passed = {0};
    language_add_decimal(&each, visit->language,
                         (int64_t)((observed->sum.let_through * 10 + days / 2) / days), 1);
    number_in(&passed, visit, observed->sum.pass);
    if (each.failed || passed.failed) {
        visit->page.html.failed = true;
    } else {
        page_raw(&visit->page, "<ul>\n");
        point(visit,
              N_("From the next message on, what the rules block is refused before it leaves: "
                 "going by this period, %s messages a day. These people receive nothing."),
              each.data, NULL);
        point(visit,
              N_("The partner is told at once, for each recipient, with the reason and a "
                 "reference; nothing is kept to be sent later."),
              NULL, NULL);
        point(visit, N_("What the rules let pass goes on passing: %s messages of this period."),
              passed.data, NULL);
        point(visit,
              N_("What was let through until then stays on record as let through: it is not "
                 "made good by enforcing."),
              NULL, NULL);
        page_raw(&visit->page, "</ul>\n");
    }
    strbuf_free(&each);
    strbuf_free(&passed);
}

/* The line of the configuration, and how it is taken. */
static void how_to(struct visit *visit, const char *partner, enum mode mode)
{
    struct strbuf line = {0};
    strbuf_add_format(&line, "partners: {\n    %s: {\n        mode = \"%s\"\n    }\n}", partner,
                      mode_name(mode));
    if (visit_may(visit, PERMIT_ADMIN))
        part_sentence(visit, "p",
                      N_("You change the partner's line in %s, or in the file it includes:"),
                      visit->config->file, NULL, NULL);
    else
        part_text(visit, N_("Your administrator changes the partner's line in the gate's "
                            "configuration:"));
    visit->page.html.failed = visit->page.html.failed || line.failed;
    page_element(&visit->page, "pre", line.failed ? "" : line.data);
    part_text(visit, N_("octroi check-config says whether the file is good; systemctl reload "
                        "octroi takes it, without interrupting anything. The journal keeps that "
                        "and when it was changed."));
    strbuf_free(&line);
}

static void the_day(struct visit *visit, const struct chooser *chooser,
                    const struct observed *observed)
{
    part_begin(visit, N_("The day it is enforced"));
    what_happens(visit, chooser, observed);
    how_to(visit, chooser->partner, MODE_ENFORCE);
    part_end(visit);
}

/* ---- one partner ---- */

static void not_observed(struct visit *visit, const struct chooser *chooser,
                         const struct partner *partner)
{
    struct strbuf path = {0};
    chooser_list_path(&path, chooser, DECISIONS_STOPPED);
    visit->page.html.failed = visit->page.html.failed || path.failed;
    part_empty(visit,
               partner != NULL && partner->mode == MODE_OBSERVE
                   ? N_("It is observed, but none of its messages was judged in this period. "
                        "Choose a longer one, or wait until it sends.")
                   : N_("It was not observed in this period: what the rules blocked did not leave, "
                        "and stands on the list of blocked messages."),
               path.failed ? NULL : path.data, N_("Its blocked messages"));
    strbuf_free(&path);
}

static void part_partner(struct visit *visit, const struct chooser *chooser,
                         const struct observed *observed)
{
    struct page *page = &visit->page;
    const struct partner *partner = config_partner(visit->config, chooser->partner);
    page_raw(page, "<section>\n");
    page_element(page, "h2", partner_words(visit, chooser->partner));
    if (partner != NULL) {
        page_raw(page, "<p>");
        badge_add(visit, partner->mode == MODE_OBSERVE ? "warn" : "good",
                  partner->mode == MODE_OBSERVE ? N_("observed now") : N_("enforced now"));
        page_raw(page, "</p>\n");
    }
    chooser_write(visit, chooser, CHOOSE_ONE_PARTNER);
    if (observed->sum.decisions == 0) {
        not_observed(visit, chooser, partner);
        erased(visit, chooser, observed);
        part_end(visit);
        return;
    }
    sentence(visit, observed);
    tiles(visit, chooser, observed);
    counts_by_day(visit, &chooser->period, observed->days);
    erased(visit, chooser, observed);
    part_end(visit);
    would_be_blocked(visit, chooser, observed);
    enforced_already(visit, chooser, observed);
    if (partner != NULL && partner->mode == MODE_OBSERVE)
        the_day(visit, chooser, observed);
}

/* ---- all of them ---- */

static void row_of(struct visit *visit, const struct chooser *chooser,
                   const struct partner *partner, const struct tally *counts)
{
    struct page *page = &visit->page;
    struct strbuf path = {0};
    struct tally_counts sum = counts_of(counts, partner->id);
    strbuf_add_str(&path, "/console/observe?");
    period_add_query(&path, &chooser->period);
    strbuf_add_str(&path, "&partner=");
    visit_add_encoded(&path, partner->id);
    page->html.failed = page->html.failed || path.failed;
    page_row(page);
    cell_link(visit, path.failed ? "" : path.data, partner->name);
    page_number(page, (int64_t)sum.decisions);
    page_number(page, (int64_t)sum.let_through);
    page_share(page, sum.let_through, sum.decisions);
    strbuf_free(&path);
}

static enum result part_all(struct visit *visit, const struct chooser *chooser, size_t n,
                            struct error *err)
{
    static const enum tally_by by[] = {TALLY_PARTNER, TALLY_MODE};
    static const char *const heads[] = {N_("Partner"), N_("#Judged while observed"),
                                        N_("#Would have been blocked"),
                                        N_("#Share of its messages"), NULL};
    struct tally *counts = NULL;
    enum result result = counts_read(visit, &chooser->period, NULL, by, 2, &counts, err);
    if (result == RESULT_OK)
        result = counts_narrow(&counts, mode_name(MODE_OBSERVE), false, err);
    if (result == RESULT_OK && n > 1) {
        part_begin(visit, N_("Partners that are observed now"));
        grid_begin(visit, N_("Partners that are observed now"), heads);
        for (size_t i = 0; i < visit->config->n_partners; i++)
            if (visit->config->partners[i].mode == MODE_OBSERVE)
                row_of(visit, chooser, &visit->config->partners[i], counts);
        grid_end(visit);
        part_end(visit);
    }
    tally_free(&counts);
    return result;
}

static void nobody(struct visit *visit)
{
    const struct config *config = visit->config;
    part_begin(visit, N_("No partner is observed"));
    part_text(visit, N_("The rules are enforced for every partner: what they block does not "
                        "leave. Observing is for a beginning: with a new partner, or a new policy, "
                        "messages are judged and counted for a while without being stopped, so "
                        "that one sees what enforcing would change and can put things right "
                        "first. Objections, withdrawals and suspensions are enforced even then."));
    if (config->n_partners > 0)
        how_to(visit, config->partners[0].id, MODE_OBSERVE);
    part_end(visit);
}

enum result observe_page(struct visit *visit, struct error *err)
{
    const struct layout layout = {
        .place = PLACE_OBSERVE,
        .title = N_("Observed partners"),
        .lead = N_("Messages of a partner that is observed are judged like all others, but what "
                   "the rules would block passes all the same, and is counted here: so one knows "
                   "what enforcing will change before it does."),
    };
    const struct config *config = visit->config;
    struct chooser chooser;
    struct observed observed = {0};
    size_t n = 0;
    chooser_read(visit, DAYS, &chooser);
    chooser.channel = "";
    for (size_t i = 0; i < config->n_partners; i++) {
        if (config->partners[i].mode != MODE_OBSERVE)
            continue;
        if (n++ == 0 && chooser.partner[0] == '\0')
            chooser.partner = config->partners[i].id;
    }
    bool unasked = chooser.partner[0] == '\0';
    if (unasked && config->n_partners > 0)
        chooser.partner = config->partners[0].id;
    enum result result = unasked ? RESULT_OK : read_observed(visit, &chooser, &observed, err);
    if (result == RESULT_OK) {
        layout_begin(visit, &layout);
        if (n == 0)
            nobody(visit);
        result = part_all(visit, &chooser, n, err);
    }
    if (result == RESULT_OK) {
        if (unasked) {
            part_begin(visit, N_("A partner that was observed before"));
            chooser_write(visit, &chooser, CHOOSE_ONE_PARTNER);
            part_end(visit);
        } else {
            part_partner(visit, &chooser, &observed);
        }
        layout_end(visit);
    }
    free_observed(&observed);
    return result;
}
