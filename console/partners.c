/* SPDX-License-Identifier: Apache-2.0 */
/* Who sends: all partners side by side, and one with its streams, what came of its messages, and
 * the immediate stop. */
#include "console/counts.h"
#include "console/layout.h"
#include "console/pages.h"
#include "console/partner_forms.h"
#include "console/stop.h"
#include "office/words.h"

#include <stdio.h>
#include <string.h>

#define DAYS 30

/* The words of the configuration for a stream's id in suspensions: "PARTNER/STREAM". */
#define STREAM_ID 160

static void stream_id(const struct stream *stream, char out[STREAM_ID])
{
    snprintf(out, STREAM_ID, "%s/%s", stream->partner->id, stream->id);
}

static void partner_path(struct strbuf *out, const char *id)
{
    stop_path(out, SUSPEND_PARTNER, id);
}

/* ---- all ---- */

static void channels_of(struct visit *visit, const struct partner *partner)
{
    unsigned seen = 0;
    struct page *page = &visit->page;
    page_raw(page, "<td>");
    for (size_t i = 0; i < visit->config->n_streams; i++) {
        const struct stream *stream = &visit->config->streams[i].terms;
        if (stream->partner != partner || (seen & CHANNEL_BIT(stream->channel)) != 0)
            continue;
        page_raw(page, seen != 0 ? ", " : "");
        page_text(page, word_channel(visit->language, channel_name(stream->channel)));
        seen |= CHANNEL_BIT(stream->channel);
    }
    page_raw(page, "</td>");
}

static void partner_row(struct visit *visit, const struct partner *partner,
                        const struct tally *counts, const struct stop *stops, bool observed)
{
    struct page *page = &visit->page;
    struct strbuf path = {0};
    struct tally_counts sum = counts_of(counts, partner->id);
    partner_path(&path, partner->id);
    page_row(page);
    page_raw(page, "<td>");
    part_link_named(visit, path.failed ? "" : path.data, partner->name);
    page_raw(page, " ");
    stop_badge(visit, stop_find(stops, SUSPEND_PARTNER, partner->id));
    page_raw(page, "</td>");
    page_cell(page, word_regime(visit->language, mode_name(partner->mode)));
    channels_of(visit, partner);
    page_number(page, (int64_t)sum.pass);
    page_number(page, (int64_t)tally_stopped(&sum));
    page_number(page, (int64_t)sum.defer);
    page_share(page, tally_stopped(&sum), sum.decisions);
    if (observed)
        page_number(page, (int64_t)sum.let_through);
    strbuf_free(&path);
}

static void table(struct visit *visit, const struct tally *counts, const struct stop *stops)
{
    const bool observed = counts_sum(counts).let_through > 0;
    const char *const heads[] = {N_("Partner"),
                                 N_("Regime"),
                                 N_("Channels"),
                                 N_("#Passed"),
                                 N_("#Blocked"),
                                 N_("#Deferred"),
                                 N_("#Share blocked"),
                                 observed ? N_("#Let through while observed") : NULL,
                                 NULL};
    if (visit->config->n_partners == 0) {
        part_empty(visit,
                   N_("No partner is configured yet. Your administrator adds them to the "
                      "configuration, each with its streams and accounts."),
                   NULL, NULL);
        return;
    }
    grid_begin(visit, N_("Partners"), heads);
    for (size_t i = 0; i < visit->config->n_partners; i++)
        partner_row(visit, &visit->config->partners[i], counts, stops, observed);
    grid_end(visit);
}

enum result partners_page(struct visit *visit, struct error *err)
{
    static const enum tally_by by[] = {TALLY_PARTNER};
    const struct layout layout = {
        .place = PLACE_PARTNERS,
        .title = N_("Partners"),
        .lead = N_("The companies whose messages pass through this gate, with what came of them in "
                   "the last 30 days. Choose one to see why it is blocked, or to suspend it."),
    };
    struct period period;
    struct stop *stops;
    struct tally *counts = NULL, *lists = NULL;
    period_read(visit, DAYS, &period);
    enum result result = stops_read(visit, &stops, err);
    if (result == RESULT_OK)
        result = counts_read(visit, &period, NULL, by, 1, &counts, err);
    if (result == RESULT_OK)
        result = counts_read_lists(visit, &period, NULL, by, 1, &lists, err);
    if (result == RESULT_OK) {
        layout_begin(visit, &layout);
        page_raw(&visit->page, "<section>\n");
        const struct tally_counts rows = counts_sum(lists);
        table(visit, counts, stops);
        counts_lists_line(visit, &period, &rows, "");
        part_end(visit);
        layout_end(visit);
    }
    tally_free(&counts);
    tally_free(&lists);
    return result;
}

/* ---- one ---- */

static void joined(struct strbuf *out, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        strbuf_add_str(out, i > 0 ? ", " : "");
        strbuf_add_str(out, texts[i]);
    }
}

static const char *text_of(const struct strbuf *buf)
{
    return buf->data != NULL ? buf->data : "";
}

static void who_part(struct visit *visit, const struct partner *partner)
{
    struct strbuf categories = {0};
    joined(&categories, (const char *const *)partner->categories, partner->n_categories);
    part_begin(visit, N_("Who it is"));
    facts_begin(visit);
    fact(visit, N_("Name"), partner->name);
    fact(visit, N_("Id in the configuration"), partner->id);
    fact(visit, N_("SIREN"), partner->siren);
    fact(visit, N_("Categories"), text_of(&categories));
    fact(visit, N_("Regime"), word_mode(visit->language, mode_name(partner->mode)));
    facts_end(visit);
    part_end(visit);
    strbuf_free(&categories);
}

static void stream_facts(struct visit *visit, const struct stream_config *stream)
{
    const struct stream *terms = &stream->terms;
    struct strbuf senders = {0};
    struct strbuf providers = {0};
    joined(&senders, (const char *const *)terms->senders, terms->n_senders);
    for (size_t i = 0; i < stream->n_providers; i++) {
        strbuf_add_str(&providers, i > 0 ? ", " : "");
        strbuf_add_str(&providers, stream->providers[i]->name);
    }
    facts_begin(visit);
    fact(visit, N_("Channel"), word_channel(visit->language, channel_name(terms->channel)));
    fact(visit, N_("Sends"), word_class(visit->language, stream_class_name(terms->class)));
    fact(visit, N_("Sector"), terms->sector);
    fact(visit, N_("May send as"), text_of(&senders));
    fact(visit, N_("Goes out through"), text_of(&providers));
    if (stream->rate > 0)
        fact_number(visit, N_("Messages a second at most"), stream->rate);
    facts_end(visit);
    strbuf_free(&senders);
    strbuf_free(&providers);
}

static void streams_part(struct visit *visit, const struct partner *partner,
                         const struct stop *stops)
{
    char id[STREAM_ID];
    struct page *page = &visit->page;
    part_begin(visit, N_("Streams"));
    for (size_t i = 0; i < visit->config->n_streams; i++) {
        const struct stream_config *stream = &visit->config->streams[i];
        if (stream->terms.partner != partner)
            continue;
        stream_id(&stream->terms, id);
        const struct stop *stop = stop_find(stops, SUSPEND_STREAM, id);
        page_raw(page, "<h3>");
        page_text(page, stream->terms.id);
        page_raw(page, " ");
        stop_badge(visit, stop);
        page_raw(page, "</h3>\n");
        stream_facts(visit, stream);
        stop_part(visit, SUSPEND_STREAM, id, stop,
                  N_("From now on no message of this stream passes; the partner's other streams go "
                     "on. The partner is told that it is suspended with each message it tries."));
    }
    part_end(visit);
}

/* What a service stream lets through is not judged by consent: a partner that sends nearly all of
 * its messages that way is worth a question. */
static void service_part(struct visit *visit, const struct tally *by_reason,
                         const struct tally_counts *sum)
{
    uint64_t service = 0;
    struct strbuf share = {0};
    for (size_t i = 0; i < tally_count(by_reason); i++)
        if (strcmp(tally_row(by_reason, i)->keys[1], reason_name(REASON_SERVICE)) == 0)
            service += tally_row(by_reason, i)->counts.decisions;
    if (service == 0)
        return;
    language_add_share(&share, visit->language, service, sum->decisions);
    part_sentence(visit, "p",
                  N_("%s of these were service messages, which pass without consent. If that is "
                     "more than its orders and accounts explain, ask the partner what it sends "
                     "that way."),
                  text_of(&share), NULL, NULL);
    strbuf_free(&share);
}

static enum result counts_part(struct visit *visit, const struct partner *partner,
                               struct error *err)
{
    static const enum tally_by days[] = {TALLY_DAY};
    static const enum tally_by reasons[] = {TALLY_VERDICT, TALLY_REASON};
    struct period period;
    struct tally *by_day = NULL;
    struct tally *by_reason = NULL;
    struct tally *lists = NULL;
    struct strbuf query = {0};
    struct strbuf words = {0};
    period_read(visit, DAYS, &period);
    words_period(&words, visit->language, period.since, period.until);
    strbuf_add_str(&query, "partner=");
    visit_add_encoded(&query, partner->id);
    enum result result = counts_read(visit, &period, partner->id, days, 1, &by_day, err);
    if (result == RESULT_OK)
        result = counts_read(visit, &period, partner->id, reasons, 2, &by_reason, err);
    if (result == RESULT_OK)
        result = counts_read_lists(visit, &period, partner->id, days, 1, &lists, err);
    if (result == RESULT_OK) {
        const struct tally_counts sum = counts_sum(by_day);
        const struct tally_counts rows = counts_sum(lists);
        part_begin(visit, N_("What came of its messages"));
        page_element(&visit->page, "p class=\"note\"", text_of(&words));
        counts_tiles(visit, &sum);
        counts_lists_line(visit, &period, &rows, text_of(&query));
        if (sum.decisions > 0) {
            counts_by_day(visit, &period, by_day);
            counts_by_reason(visit, &period, by_reason, text_of(&query));
            service_part(visit, by_reason, &sum);
        } else {
            part_empty(visit, N_("It sent nothing in this period."), NULL, NULL);
        }
        part_end(visit);
    }
    tally_free(&by_day);
    tally_free(&by_reason);
    tally_free(&lists);
    strbuf_free(&query);
    strbuf_free(&words);
    return result;
}

/* Where its consents come from, and how good they are. */
static enum result suppliers_part(struct visit *visit, const struct partner *partner,
                                  struct error *err)
{
    static const enum tally_by by[] = {TALLY_SUPPLIER};
    static const char *const heads[] = {N_("Supplier"), N_("#Messages"), N_("#Blocked"),
                                        N_("#Share blocked"), NULL};
    struct period period;
    struct tally *counts = NULL;
    struct page *page = &visit->page;
    period_read(visit, DAYS, &period);
    enum result result = counts_read(visit, &period, partner->id, by, 1, &counts, err);
    if (result == RESULT_OK && tally_count(counts) > 0) {
        part_begin(visit, N_("Who brought the consents it relies on"));
        grid_begin(visit, N_("Who brought the consents it relies on"), heads);
        for (size_t i = 0; i < tally_count(counts); i++) {
            const struct tally_row *row = tally_row(counts, i);
            struct strbuf path = {0};
            bool known =
                strcmp(row->keys[0], TALLY_NONE) != 0 && strcmp(row->keys[0], TALLY_GONE) != 0;
            stop_path(&path, SUSPEND_SUPPLIER, row->keys[0]);
            page_row(page);
            if (known && !path.failed)
                cell_link(visit, path.data, row->keys[0]);
            else
                page_cell(page, known ? row->keys[0] : word_origin(visit->language, row->keys[0]));
            page_number(page, (int64_t)row->counts.decisions);
            page_number(page, (int64_t)tally_stopped(&row->counts));
            page_share(page, tally_stopped(&row->counts), row->counts.decisions);
            strbuf_free(&path);
        }
        grid_end(visit);
        part_end(visit);
    }
    tally_free(&counts);
    return result;
}

static enum result write_partner(struct visit *visit, const struct partner *partner,
                                 const struct stop *stops, struct error *err)
{
    const struct stop *stop = stop_find(stops, SUSPEND_PARTNER, partner->id);
    const struct layout layout = {
        .place = PLACE_PARTNERS,
        .name = partner->name,
        .up = "/console/partners",
        .up_name = N_("Partners"),
    };
    layout_begin(visit, &layout);
    stop_part(visit, SUSPEND_PARTNER, partner->id, stop,
              N_("From now on no message of this partner passes, on any channel, whatever people "
                 "agreed to. Messages already handed over cannot be called back. The partner is "
                 "told that it is suspended with each message it tries."));
    enum result result = counts_part(visit, partner, err);
    if (result != RESULT_OK)
        return result;
    streams_part(visit, partner, stops);
    result = partner_forms_part(visit, partner, err);
    if (result == RESULT_OK)
        result = suppliers_part(visit, partner, err);
    who_part(visit, partner);
    if (result == RESULT_OK)
        result = stop_history_part(visit, SUSPEND_PARTNER, partner->id, err);
    layout_end(visit);
    return result;
}

enum result partner_page(struct visit *visit, struct error *err)
{
    struct stop *stops;
    const struct partner *partner = config_partner(visit->config, visit->tails[0]);
    if (partner == NULL)
        return visit_nothing(visit, N_("The configuration knows no partner of this name."));
    enum result result = stops_read(visit, &stops, err);
    return result == RESULT_OK ? write_partner(visit, partner, stops, err) : result;
}
