/* SPDX-License-Identifier: Apache-2.0 */
/* The first page: what needs attention, what passed and what was stopped in a period, and whether
 * the gate is well. */
#include "base/clock.h"
#include "console/attention.h"
#include "console/chooser.h"
#include "console/decisions.h"
#include "console/layout.h"
#include "console/pages.h"
#include "office/words.h"

#include <inttypes.h>
#include <string.h>

#define DAYS 30

/* What is counted, each narrowed to the channel that was asked for. */
struct sums {
    struct tally *days;     /* by day */
    struct tally *reasons;  /* by verdict and reason */
    struct tally *partners; /* by partner and channel */
    struct tally_counts now, before;
    bool has_before;           /* the journal knows the whole of the period before */
    struct tally_counts lists; /* rows of lists screened */
    struct journal_erased erased;
};

static void free_sums(struct sums *sums)
{
    tally_free(&sums->days);
    tally_free(&sums->reasons);
    tally_free(&sums->partners);
}

/* ---- reading ---- */

/* Whether the journal reaches back over the whole period: it may be younger, or be erased. */
static enum result is_whole(struct visit *visit, const struct period *period, bool *whole_out,
                            struct error *err)
{
    const struct log_filter all = {.since = INT64_MIN, .until = INT64_MAX};
    int64_t oldest, newest;
    enum result result = journal_index_span(visit->index, &all, &oldest, &newest, err);
    *whole_out = result == RESULT_OK && oldest < period->since + CLOCK_DAY;
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result read_before(struct visit *visit, const struct chooser *chooser,
                               struct sums *sums, struct error *err)
{
    static const enum tally_by by[] = {TALLY_CHANNEL};
    struct period before;
    struct tally *tally = NULL;
    period_before(&chooser->period, &before);
    enum result result = is_whole(visit, &before, &sums->has_before, err);
    if (result != RESULT_OK || !sums->has_before)
        return result;
    result = counts_read(visit, &before, chooser->partner[0] != '\0' ? chooser->partner : NULL, by,
                         1, &tally, err);
    if (result == RESULT_OK)
        sums->before =
            chooser->channel[0] != '\0' ? counts_of(tally, chooser->channel) : counts_sum(tally);
    tally_free(&tally);
    sums->has_before = result == RESULT_OK && sums->before.decisions > 0;
    return result;
}

static enum result read_lists(struct visit *visit, const struct chooser *chooser, struct sums *sums,
                              struct error *err)
{
    static const enum tally_by by[] = {TALLY_CHANNEL};
    struct tally *tally = NULL;
    enum result result = counts_read_lists(visit, &chooser->period,
                                           chooser->partner[0] != '\0' ? chooser->partner : NULL,
                                           by, 1, &tally, err);
    if (result == RESULT_OK)
        sums->lists =
            chooser->channel[0] != '\0' ? counts_of(tally, chooser->channel) : counts_sum(tally);
    tally_free(&tally);
    return result;
}

static enum result read_sums(struct visit *visit, const struct chooser *chooser, struct sums *sums,
                             struct error *err)
{
    static const enum tally_by days[] = {TALLY_DAY, TALLY_CHANNEL};
    static const enum tally_by reasons[] = {TALLY_VERDICT, TALLY_REASON, TALLY_CHANNEL};
    static const enum tally_by partners[] = {TALLY_PARTNER, TALLY_CHANNEL};
    const char *partner = chooser->partner[0] != '\0' ? chooser->partner : NULL;
    const struct tally_filter filter = counts_of_messages(&chooser->period, partner);
    struct tally *tallies[] = {tally_new(days, 2), tally_new(reasons, 3), tally_new(partners, 2)};
    enum result result = RESULT_OK;
    if (tallies[0] == NULL || tallies[1] == NULL || tallies[2] == NULL)
        result = error_no_memory(err);
    if (result == RESULT_OK)
        result = journal_index_tally(visit->index, &filter, tallies, 3, err);
    for (size_t i = 0; i < 3 && result == RESULT_OK; i++)
        result = counts_narrow(&tallies[i], chooser->channel, i == 2, err);
    sums->days = tallies[0];
    sums->reasons = tallies[1];
    sums->partners = tallies[2];
    if (result == RESULT_OK)
        result = journal_index_erased(visit->index, &sums->erased, err);
    if (result == RESULT_OK)
        result = read_before(visit, chooser, sums, err);
    if (result == RESULT_OK)
        result = read_lists(visit, chooser, sums, err);
    if (result == RESULT_OK)
        sums->now = counts_sum(sums->partners);
    return result;
}

/* ---- what it comes to ---- */

static void add_number(struct strbuf *out, const struct visit *visit, uint64_t value)
{
    language_add_number(out, visit->language, (int64_t)value);
}

/* "Of 20,000 messages 23.0% were blocked, more than in the period before (19.5%)." */
static void sentence(struct visit *visit, const struct sums *sums)
{
    struct strbuf all = {0}, now = {0}, before = {0};
    const struct tally_counts *is = &sums->now;
    const struct tally_counts *was = &sums->before;
    add_number(&all, visit, is->decisions);
    language_add_share(&now, visit->language, tally_stopped(is), is->decisions);
    language_add_share(&before, visit->language, tally_stopped(was), was->decisions);
    if (all.failed || now.failed || before.failed)
        visit->page.html.failed = true;
    else if (!sums->has_before)
        part_sentence(visit, "p",
                      trn(visit->language, "Of %s message %s was blocked.",
                          "Of %s messages %s were blocked.", is->decisions),
                      all.data, now.data, NULL);
    else if (strcmp(now.data, before.data) == 0)
        part_sentence(
            visit, "p",
            trn(visit->language, "Of %s message %s was blocked, as many as in the period before.",
                "Of %s messages %s were blocked, as many as in the period before.", is->decisions),
            all.data, now.data, NULL);
    else
        part_sentence(visit, "p",
                      (double)tally_stopped(is) * (double)was->decisions >
                              (double)tally_stopped(was) * (double)is->decisions
                          ? trn(visit->language,
                                "Of %s message %s was blocked, more than in the period before "
                                "(%s).",
                                "Of %s messages %s were blocked, more than in the period before "
                                "(%s).",
                                is->decisions)
                          : trn(visit->language,
                                "Of %s message %s was blocked, less than in the period before "
                                "(%s).",
                                "Of %s messages %s were blocked, less than in the period before "
                                "(%s).",
                                is->decisions),
                      all.data, now.data, before.data);
    strbuf_free(&all);
    strbuf_free(&now);
    strbuf_free(&before);
}

/* The list of those, narrowed as this page is. */
static void tile(struct visit *visit, const struct chooser *chooser, const char *label,
                 const char *verdict, uint64_t number, const struct sums *sums, uint64_t before)
{
    struct strbuf path = {0};
    chooser_list_path(&path, chooser, verdict);
    visit->page.html.failed = visit->page.html.failed || path.failed;
    tile_compared(visit, label, (int64_t)number,
                  strcmp(verdict, "all") == 0 ? 0 : sums->now.decisions,
                  path.failed ? NULL : path.data, sums->has_before ? (int64_t)before : -1);
    strbuf_free(&path);
}

static void tiles(struct visit *visit, const struct chooser *chooser, const struct sums *sums)
{
    const struct tally_counts *is = &sums->now;
    const struct tally_counts *was = &sums->before;
    tiles_begin(visit);
    tile(visit, chooser, N_("Messages judged"), "all", is->decisions, sums, was->decisions);
    tile(visit, chooser, N_("Messages passed"), "pass", is->pass, sums, was->pass);
    tile(visit, chooser, N_("Messages blocked"), DECISIONS_STOPPED, tally_stopped(is), sums,
         tally_stopped(was));
    if (is->let_through > 0 || (sums->has_before && was->let_through > 0))
        tile(visit, chooser, N_("Let through while observed"), "observed", is->let_through, sums,
             was->let_through);
    tile(visit, chooser, N_("Messages deferred"), "defer", is->defer, sums, was->defer);
    if (is->discarded > 0)
        tile_compared(visit, N_("Blocked, though answered as sent"), (int64_t)is->discarded,
                      is->decisions, NULL, sums->has_before ? (int64_t)was->discarded : -1);
    tiles_end(visit);
}

/* ---- by partner ---- */

static void partner_row(struct visit *visit, const struct chooser *chooser,
                        const struct tally_row *row, bool observed)
{
    struct page *page = &visit->page;
    struct strbuf path = {0}, blocked = {0};
    const struct chooser narrowed = {
        .period = chooser->period, .partner = row->keys[0], .channel = row->keys[1]};
    strbuf_add_str(&path, "/console/partners/");
    visit_add_encoded(&path, row->keys[0]);
    chooser_list_path(&blocked, &narrowed, DECISIONS_STOPPED);
    page->html.failed = page->html.failed || path.failed || blocked.failed;
    if (page->html.failed)
        goto out;
    page_row(page);
    if (config_partner(visit->config, row->keys[0]) != NULL)
        cell_link(visit, path.data, partner_words(visit, row->keys[0]));
    else
        page_cell(page, row->keys[0]); /* configured no more: it has no page */
    page_cell(page, word_channel(visit->language, row->keys[1]));
    page_number(page, (int64_t)row->counts.decisions);
    page_number(page, (int64_t)row->counts.pass);
    page_raw(page, "<td class=\"n\">");
    if (tally_stopped(&row->counts) > 0) {
        struct strbuf number = {0};
        add_number(&number, visit, tally_stopped(&row->counts));
        part_link_named(visit, blocked.data, number.failed ? "" : number.data);
        strbuf_free(&number);
    } else {
        page_raw(page, "0");
    }
    page_raw(page, "</td>");
    page_share(page, tally_stopped(&row->counts), row->counts.decisions);
    if (observed)
        page_number(page, (int64_t)row->counts.let_through);
out:
    strbuf_free(&path);
    strbuf_free(&blocked);
}

static void partners(struct visit *visit, const struct chooser *chooser, struct sums *sums)
{
    const char *heads[] = {N_("Partner"),
                           N_("Channel"),
                           N_("#Messages"),
                           N_("#Passed"),
                           N_("#Blocked"),
                           N_("#Share of blocks"),
                           NULL,
                           NULL};
    const bool observed = sums->now.let_through > 0;
    if (observed)
        heads[6] = N_("#Let through while observed");
    part_begin(visit, N_("By partner and channel"));
    tally_sort_by_count(sums->partners);
    grid_begin(visit, N_("Messages by partner and channel"), heads);
    for (size_t i = 0; i < tally_count(sums->partners); i++)
        partner_row(visit, chooser, tally_row(sums->partners, i), observed);
    grid_end(visit);
    part_end(visit);
}

/* ---- the page ---- */

static void erased(struct visit *visit, const struct chooser *chooser, const struct sums *sums)
{
    struct strbuf text = {0};
    words_erased_decisions(&text, visit->language, &sums->erased, chooser->period.since);
    if (text.length > 0)
        strbuf_add_char(&text, ' ');
    words_erased_detail(&text, visit->language, &sums->erased, chooser->period.since);
    visit->page.html.failed = visit->page.html.failed || text.failed;
    if (!text.failed && text.length > 0)
        page_element(&visit->page, "p class=\"note\"", text.data);
    strbuf_free(&text);
}

static void nothing(struct visit *visit, const struct chooser *chooser)
{
    if (chooser->partner[0] != '\0' || chooser->channel[0] != '\0')
        part_empty(visit,
                   N_("No message of this partner and channel was judged in this period. Choose a "
                      "longer one, or all partners."),
                   NULL, NULL);
    else
        part_empty(visit,
                   N_("No message was judged in this period. Choose a longer one; if there never "
                      "was any, partners do not send through the gate yet: octroi status says "
                      "where it listens."),
                   NULL, NULL);
}

static void counted(struct visit *visit, const struct chooser *chooser, struct sums *sums)
{
    struct strbuf query = {0};
    part_begin(visit, N_("What passed and what was stopped"));
    chooser_write(visit, chooser, CHOOSE_CHANNEL);
    chooser_narrow_query(&query, chooser);
    visit->page.html.failed = visit->page.html.failed || query.failed;
    if (sums->now.decisions == 0) {
        nothing(visit, chooser);
        counts_lists_line(visit, &chooser->period, &sums->lists,
                          query.length > 0 ? query.data : "");
        erased(visit, chooser, sums);
        part_end(visit);
        strbuf_free(&query);
        return;
    }
    sentence(visit, sums);
    tiles(visit, chooser, sums);
    counts_lists_line(visit, &chooser->period, &sums->lists, query.length > 0 ? query.data : "");
    counts_by_day(visit, &chooser->period, sums->days);
    erased(visit, chooser, sums);
    part_end(visit);
    part_begin(visit, N_("Why messages were blocked or deferred"));
    counts_by_reason(visit, &chooser->period, sums->reasons, query.length > 0 ? query.data : "");
    part_end(visit);
    partners(visit, chooser, sums);
    strbuf_free(&query);
}

enum result overview_page(struct visit *visit, struct error *err)
{
    const struct layout layout = {
        .place = PLACE_OVERVIEW,
        .title = N_("Overview"),
        .lead = N_("What the gate let pass, what it stopped and why, and what somebody has to look "
                   "at. A message passes only if this person's consent for this partner on this "
                   "channel is on record."),
    };
    struct chooser chooser;
    struct sums sums = {0};
    chooser_read(visit, DAYS, &chooser);
    enum result result = read_sums(visit, &chooser, &sums, err);
    if (result == RESULT_OK) {
        layout_begin(visit, &layout);
        result = attention_part(visit, err);
    }
    if (result == RESULT_OK) {
        counted(visit, &chooser, &sums);
        health_part(visit);
        layout_end(visit);
    }
    free_sums(&sums);
    return result;
}
