/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi report` as people read it on a terminal: totals, then by partner, channel, reason, form,
 * supplier and day, with words beside the codes.
 */
#include "cli/report.h"
#include "office/output.h"
#include "office/words.h"

#include <stdlib.h>
#include <string.h>

enum { SECTIONS = 8, NUMBERS = 5, GAP = 2, LABEL = 74 };

struct section {
    enum tally_by by;
    bool by_count; /* most first, else by name: days go by date */
    const char *title;
};

static const struct section sections[SECTIONS] = {
    {TALLY_PARTNER, true, N_("By partner")},
    {TALLY_CHANNEL, true, N_("By channel")},
    {TALLY_VERDICT, true, NULL},
    {TALLY_REASON, true, N_("By reason")},
    {TALLY_FORM, true, N_("By form")},
    {TALLY_COLLECTOR, true, N_("By collector")},
    {TALLY_SUPPLIER, true, N_("By supplier")},
    {TALLY_DAY, false, N_("By day (UTC)")},
};

static const char *const heads[NUMBERS] = {N_("decided"), N_("permitted"), N_("blocked"),
                                           N_("let through"), N_("deferred")};

/* The columns of one section, already as text, to be padded when all are known. */
struct line {
    struct strbuf cells[NUMBERS + 2];
};

static void add_name(struct strbuf *out, const struct report *report, enum tally_by by,
                     const char *key)
{
    const struct partner *partner;
    switch (by) {
    case TALLY_PARTNER:
        output_add_plain(out, key);
        partner = config_partner(report->context->config, key);
        if (partner != NULL && partner->name != NULL && *partner->name != '\0') {
            strbuf_add_str(out, "  ");
            output_add_plain(out, partner->name);
        }
        break;
    case TALLY_CHANNEL:
        strbuf_add_str(out, word_channel(report->language, key));
        break;
    case TALLY_REASON:
        strbuf_add_format(out, "%s  %s", key, word_reason(report->language, key));
        break;
    default:
        output_add_plain(out, word_origin(report->language, key));
        break;
    }
}

static void fill_line(struct line *line, const struct report *report, enum tally_by by,
                      const struct tally_row *row)
{
    const struct tally_counts *counts = &row->counts;
    const uint64_t numbers[NUMBERS] = {counts->decisions, counts->pass, counts->block,
                                       counts->let_through, counts->defer};
    add_name(&line->cells[0], report, by, row->keys[0]);
    for (size_t i = 0; i < NUMBERS; i++)
        language_add_number(&line->cells[1 + i], report->language, (int64_t)numbers[i]);
    language_add_share(&line->cells[1 + NUMBERS], report->language, counts->block,
                       counts->decisions);
}

static void pad(size_t count)
{
    while (count-- > 0)
        fputc(' ', stdout);
}

static void print_line(const struct line *line, const size_t *widths)
{
    pad(GAP);
    for (size_t i = 0; i < NUMBERS + 2; i++) {
        const char *text = line->cells[i].data != NULL ? line->cells[i].data : "";
        size_t missing = widths[i] - output_width(text);
        if (i > 0)
            pad(GAP + missing);
        fputs(text, stdout);
        if (i == 0)
            pad(missing);
    }
    fputc('\n', stdout);
}

static void print_section(const struct report *report, const struct section *section,
                          struct tally *tally, struct line *lines)
{
    size_t widths[NUMBERS + 2] = {0};
    size_t n = tally_count(tally) + 1;
    for (size_t i = 0; i < NUMBERS; i++)
        strbuf_add_str(&lines[0].cells[1 + i], tr(report->language, heads[i]));
    strbuf_add_str(&lines[0].cells[1 + NUMBERS], tr(report->language, N_("share blocked")));
    for (size_t i = 1; i < n; i++)
        fill_line(&lines[i], report, section->by, tally_row(tally, i - 1));
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < NUMBERS + 2; j++) {
            const char *text = lines[i].cells[j].data;
            size_t width = text != NULL ? output_width(text) : 0;
            if (width > widths[j])
                widths[j] = width;
        }
    }
    printf("\n%s\n", tr(report->language, section->title));
    for (size_t i = 0; i < n; i++)
        print_line(&lines[i], widths);
}

static bool show_section(const struct report *report, const struct section *section,
                         struct tally *tally)
{
    size_t n = tally_count(tally) + 1;
    struct line *lines = calloc(n, sizeof(*lines));
    bool ok = lines != NULL;
    if (section->by_count)
        tally_sort_by_count(tally);
    else
        tally_sort(tally);
    if (ok)
        print_section(report, section, tally, lines);
    for (size_t i = 0; ok && i < n; i++)
        for (size_t j = 0; j < NUMBERS + 2; j++)
            strbuf_free(&lines[i].cells[j]);
    free(lines);
    return ok;
}

static void print_number(const struct report *report, size_t indent, const char *label,
                         uint64_t number, uint64_t whole)
{
    struct strbuf text = {0};
    struct strbuf share = {0};
    size_t width = output_width(label) + indent;
    language_add_number(&text, report->language, (int64_t)number);
    language_add_share(&share, report->language, number, whole);
    pad(indent);
    fputs(label, stdout);
    pad(width < LABEL ? LABEL - width : 1);
    if (text.data != NULL && share.data != NULL)
        printf("%12s  %8s\n", text.data, share.data);
    strbuf_free(&text);
    strbuf_free(&share);
}

static void print_totals(const struct report *report, const struct tally *verdicts)
{
    enum language language = report->language;
    struct tally_counts sum = {0};
    struct strbuf period = {0};
    for (size_t i = 0; i < tally_count(verdicts); i++)
        tally_counts_add(&sum, &tally_row(verdicts, i)->counts);
    words_period(&period, language, report->filter.since, report->filter.until);
    printf(tr(language, N_("Decisions of the gate %s")), period.data != NULL ? period.data : "");
    fputs("\n\n", stdout);
    strbuf_free(&period);
    print_number(report, GAP, tr(language, N_("decided")), sum.decisions, sum.decisions);
    print_number(report, GAP, tr(language, N_("permitted")), sum.pass, sum.decisions);
    print_number(report, GAP, tr(language, N_("blocked by the rules")), sum.block, sum.decisions);
    print_number(report, 2 * GAP,
                 tr(language, N_("of these let through, the partner being only observed")),
                 sum.let_through, sum.decisions);
    print_number(report, GAP, tr(language, N_("deferred: to be tried again later")), sum.defer,
                 sum.decisions);
}

static enum result print_erased(const struct report *report, struct error *err)
{
    struct journal_erased erased;
    struct strbuf decisions = {0};
    struct strbuf detail = {0};
    enum result result = journal_index_erased(report->context->index, &erased, err);
    if (result != RESULT_OK)
        return result;
    words_erased_decisions(&decisions, report->language, &erased, report->filter.since);
    words_erased_detail(&detail, report->language, &erased, report->filter.since);
    if (decisions.failed || detail.failed)
        result = error_no_memory(err);
    if (result == RESULT_OK && decisions.length > 0)
        printf("\n%s\n", decisions.data);
    if (result == RESULT_OK && detail.length > 0)
        printf("\n%s\n", detail.data);
    strbuf_free(&decisions);
    strbuf_free(&detail);
    return result;
}

enum result report_overview(const struct report *report, struct error *err)
{
    struct tally *tallies[SECTIONS] = {0};
    enum result result = RESULT_OK;
    for (size_t i = 0; i < SECTIONS && result == RESULT_OK; i++) {
        tallies[i] = tally_new(&sections[i].by, 1);
        if (tallies[i] == NULL)
            result = error_no_memory(err);
    }
    if (result == RESULT_OK)
        result =
            journal_index_tally(report->context->index, &report->filter, tallies, SECTIONS, err);
    for (size_t i = 0; i < SECTIONS && result == RESULT_OK; i++)
        if (sections[i].by == TALLY_VERDICT)
            print_totals(report, tallies[i]);
    if (result == RESULT_OK)
        result = print_erased(report, err);
    for (size_t i = 0; i < SECTIONS && result == RESULT_OK; i++)
        if (sections[i].title != NULL && tally_count(tallies[i]) > 0 &&
            !show_section(report, &sections[i], tallies[i]))
            result = error_no_memory(err);
    for (size_t i = 0; i < SECTIONS; i++)
        if (tallies[i] != NULL)
            tally_free(&tallies[i]);
    if (result == RESULT_OK && (fflush(stdout) != 0 || ferror(stdout)))
        result = error_set(err, RESULT_SYSTEM, "cannot write to standard output");
    return result;
}
