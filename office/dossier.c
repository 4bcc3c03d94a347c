/* SPDX-License-Identifier: Apache-2.0 */
#include "office/dossier.h"

#include <stdlib.h>
#include <string.h>

struct grouping {
    enum tally_by by[8];
    size_t n;
};

static const struct grouping groupings[DOSSIER_TALLIES] = {
    [DOSSIER_SERIES] = {{TALLY_DAY, TALLY_PARTNER, TALLY_CHANNEL, TALLY_PURPOSE, TALLY_MODE,
                         TALLY_VERDICT, TALLY_REASON, TALLY_EFFECT},
                        8},
    [DOSSIER_DAYS] = {{TALLY_DAY}, 1},
    [DOSSIER_PARTNER_DAYS] = {{TALLY_PARTNER, TALLY_DAY}, 2},
    [DOSSIER_REASONS] = {{TALLY_REASON, TALLY_MODE}, 2},
    [DOSSIER_PHASES] = {{TALLY_PARTNER, TALLY_MODE}, 2},
    [DOSSIER_PARTNERS] = {{TALLY_PARTNER}, 1},
    [DOSSIER_CHANNELS] = {{TALLY_CHANNEL, TALLY_PURPOSE}, 2},
    [DOSSIER_ORIGINS] = {{TALLY_FORM, TALLY_COLLECTOR, TALLY_SUPPLIER}, 3},
    [DOSSIER_POLICIES] = {{TALLY_CHANNEL, TALLY_POLICY}, 2},
};

/* Print first: the page is handed in on paper or as PDF. */
static const char style[] =
    "<style>\n"
    ":root{--ink:#1a1a1a;--soft:#5b6068;--line:#c9ccd1;--pass:#8fa3b8;--seen:#d9a441;"
    "--stop:#8c2f39}\n"
    "html{font:15px/1.5 Georgia,'Libertinus Serif','Liberation Serif','Times New Roman',serif;"
    "color:var(--ink);background:#fff}\n"
    "body{max-width:52rem;margin:0 auto;padding:3rem 1.5rem 4rem}\n"
    "h1{font-size:2rem;line-height:1.2;font-weight:normal;margin:0 0 .4rem}\n"
    "h2{font-size:1.25rem;margin:2.6rem 0 .6rem;padding-bottom:.25rem;"
    "border-bottom:1px solid var(--line);break-after:avoid}\n"
    "h3{font-size:1rem;margin:1.6rem 0 .4rem;break-after:avoid}\n"
    "p{margin:.5rem 0;max-width:44rem}\n"
    ".sub{color:var(--soft);font-size:1.1rem;margin:0 0 1.6rem}\n"
    ".note{color:var(--soft);font-size:.9rem}\n"
    "dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.5rem;margin:1rem 0}\n"
    "dl.facts dt{color:var(--soft)}dl.facts dd{margin:0}\n"
    "ul{padding-left:1.2rem}li{margin:.25rem 0}\n"
    "table{border-collapse:collapse;width:100%;margin:.8rem 0 1rem;font-size:.87rem;"
    "line-height:1.35}\n"
    "th{text-align:left;font-weight:normal;color:var(--soft);border-bottom:1px solid var(--ink);"
    "vertical-align:bottom;padding:.3rem .6rem .3rem 0}\n"
    "td{padding:.3rem .6rem .3rem 0;border-bottom:1px solid #e6e7ea;vertical-align:top;"
    "overflow-wrap:break-word}\n"
    "th.n,td.n{text-align:right;padding-right:0;padding-left:.8rem;overflow-wrap:normal;"
    "font-variant-numeric:lining-nums tabular-nums}\n"
    "tr.sum td{border-top:1px solid var(--ink);border-bottom:0;font-weight:bold}\n"
    "td.n{white-space:nowrap}th.n{width:4.8rem}\n"
    "thead{display:table-header-group}tr{break-inside:avoid}\n"
    "code,pre{font:.82em/1.45 'Liberation Mono','DejaVu Sans Mono',monospace;"
    "overflow-wrap:anywhere}\n"
    "td code{overflow-wrap:break-word}dd code{white-space:pre-line}\n"
    "pre{white-space:pre-wrap;background:#f6f6f4;padding:.6rem .8rem;margin:.5rem 0}\n"
    "blockquote{margin:.5rem 0;padding:.1rem 0 .1rem 1rem;border-left:2px solid var(--line);"
    "white-space:pre-line}\n"
    "figure{margin:1rem 0}figcaption{color:var(--soft);font-size:.85rem}\n"
    "svg{width:100%;height:auto;display:block}\n"
    "svg .p,.key .p{fill:var(--pass);background:var(--pass)}"
    "svg .o,.key .o{fill:var(--seen);background:var(--seen)}"
    "svg .b,.key .b{fill:var(--stop);background:var(--stop)}\n"
    ".key span{display:inline-block;width:.75em;height:.75em;margin:0 .35em 0 1.1em}\n"
    "svg text{font:11px Georgia,'Liberation Serif',serif;fill:var(--soft)}\n"
    "@page{size:A4;margin:18mm 16mm 20mm;@bottom-center{content:counter(page) \" / \" "
    "counter(pages);font:9pt Georgia,'Liberation Serif',serif;color:#5b6068}}\n"
    "@media print{html{font-size:10.5pt}body,p{max-width:none}body{padding:0}"
    "*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n"
    "</style>\n";

const char *dossier_partner_name(const struct dossier *dossier, const char *id)
{
    for (size_t i = dossier->history.count; i-- > 0;) {
        const json_t *partner = history_find(dossier->history.entries[i].partners, "id", id);
        if (partner != NULL)
            return history_text(partner, "name");
    }
    const struct partner *partner = config_partner(dossier->config, id);
    return partner != NULL && partner->name != NULL ? partner->name : id;
}

void dossier_heading(struct dossier *dossier, const char *msgid)
{
    if (dossier->bare)
        return;
    strbuf_add_format(&dossier->page.html, "<h2>%u. ", ++dossier->headings);
    page_tr(&dossier->page, msgid);
    page_raw(&dossier->page, "</h2>\n");
}

static void begin_page(struct dossier *dossier)
{
    struct page *page = &dossier->page;
    page->language = dossier->language;
    page_raw(page, "<!DOCTYPE html>\n<html lang=\"");
    page_raw(page, language_tag(page->language));
    /* Nothing may be loaded and nothing run, whatever a form's text says. */
    page_raw(page, "\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width\">\n"
                   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                   "style-src 'unsafe-inline'\">\n<title>");
    page_tr(page, N_("Dossier on consent"));
    page_raw(page, "</title>\n");
    page_raw(page, style);
    page_raw(page, "</head>\n<body>\n");
}

static enum result write_page(struct dossier *dossier, struct error *err)
{
    struct page *page = &dossier->page;
    begin_page(dossier);
    dossier_opening(dossier);
    dossier_compared(dossier);
    dossier_before_after(dossier);
    dossier_reasons(dossier);
    dossier_rules(dossier);
    dossier_configurations(dossier);
    enum result result = dossier_forms(dossier, err);
    if (result == RESULT_OK)
        result = dossier_suspensions(dossier, err);
    if (result != RESULT_OK)
        return result;
    dossier_parties(dossier);
    dossier_proof(dossier);
    page_raw(page, "</body>\n</html>\n");
    if (page->html.failed)
        return error_no_memory(err);
    return folder_write(dossier->folder, "dossier.html", page->html.data, page->html.length, err);
}

enum result dossier_gather(struct dossier *dossier, unsigned wanted, struct error *err)
{
    const struct tally_filter *filter = &dossier->filter;
    struct tally_filter any = *filter; /* acts of any purpose: that tally tells them apart */
    struct tally *tallies[DOSSIER_TALLIES];
    struct tally *channels[1];
    size_t n = 0, n_channels = 0;
    any.purpose = NULL;
    enum result result = RESULT_OK;
    for (size_t i = 0; i < DOSSIER_TALLIES; i++) {
        if ((wanted & DOSSIER_TALLY(i)) == 0)
            continue;
        struct tally *tally = dossier->tallies[i] = tally_new(groupings[i].by, groupings[i].n);
        if (tally == NULL)
            return error_no_memory(err);
        if (i == DOSSIER_CHANNELS && filter->purpose != NULL)
            channels[n_channels++] = tally;
        else
            tallies[n++] = tally;
    }
    result = journal_index_tally(dossier->index, filter, tallies, n, err);
    if (result == RESULT_OK && n_channels > 0)
        result = journal_index_tally(dossier->index, &any, channels, n_channels, err);
    if (result == RESULT_OK)
        result = journal_index_erased(dossier->index, &dossier->erased, err);
    if (result == RESULT_OK)
        result = history_read(dossier->index, filter->since, filter->until, &dossier->history, err);
    if (result != RESULT_OK)
        return result;
    for (size_t i = 0; i < n; i++)
        tally_sort(tallies[i]);
    if (n_channels > 0)
        tally_sort(channels[0]);
    const struct tally *days = dossier->tallies[DOSSIER_DAYS];
    for (size_t i = 0; days != NULL && i < tally_count(days); i++)
        tally_counts_add(&dossier->totals, &tally_row(days, i)->counts);
    return RESULT_OK;
}

void dossier_end(struct dossier *dossier)
{
    strbuf_free(&dossier->page.html);
    for (size_t i = 0; i < DOSSIER_TALLIES; i++)
        if (dossier->tallies[i] != NULL)
            tally_free(&dossier->tallies[i]);
    history_free(&dossier->history);
}

enum result dossier_make(struct dossier *dossier, struct error *err)
{
    enum result result = dossier_gather(dossier, DOSSIER_ALL, err);
    if (result == RESULT_OK)
        result = dossier_csv(dossier, err);
    if (result == RESULT_OK)
        result = dossier_chain(dossier, err);
    if (result == RESULT_OK)
        result = write_page(dossier, err);
    if (result == RESULT_OK)
        result = dossier_sums(dossier, err);
    dossier_end(dossier);
    return result;
}
