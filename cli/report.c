/* SPDX-License-Identifier: Apache-2.0 */
/* `octroi report`: how many decisions, by whatever they are to be counted by. */
#include "cli/report.h"

#include "cli/options.h"

#include <stdlib.h>
#include <string.h>

/* What programs get unless they ask for other columns. */
static const enum tally_by usual[] = {TALLY_PARTNER, TALLY_CHANNEL, TALLY_VERDICT,
                                      TALLY_REASON,  TALLY_FORM,    TALLY_DAY};
enum { COUNTS = 6 };

static const struct column count_columns[COUNTS] = {
    {"count", CELL_NUMBER, false},       {"pass", CELL_NUMBER, false},
    {"block", CELL_NUMBER, false},       {"defer", CELL_NUMBER, false},
    {"let_through", CELL_NUMBER, false}, {"discarded", CELL_NUMBER, false}};

struct grouping {
    enum tally_by by[TALLY_BY_COUNT];
    size_t n;
};

static enum result print_rows(const struct tally *tally, const struct grouping *grouping,
                              enum output_format format, struct error *err)
{
    struct column columns[TALLY_BY_COUNT + COUNTS + 1] = {0};
    for (size_t i = 0; i < grouping->n; i++)
        columns[i] = (struct column){tally_by_name(grouping->by[i]), CELL_TEXT, false};
    memcpy(columns + grouping->n, count_columns, sizeof(count_columns));
    struct output *output = output_new(stdout, format, columns);
    if (output == NULL)
        return error_no_memory(err);
    for (size_t i = 0; i < tally_count(tally); i++) {
        const struct tally_row *row = tally_row(tally, i);
        const struct tally_counts *counts = &row->counts;
        struct cell cells[TALLY_BY_COUNT + COUNTS];
        for (size_t j = 0; j < grouping->n; j++)
            cells[j] = cell_text(row->keys[j]);
        const uint64_t numbers[COUNTS] = {counts->decisions,   counts->pass,
                                          counts->block,       counts->defer,
                                          counts->let_through, counts->discarded};
        for (size_t j = 0; j < COUNTS; j++)
            cells[grouping->n + j] = cell_number((int64_t)numbers[j]);
        if (!output_row(output, cells))
            break; /* output_end says why */
    }
    return output_end(&output, err);
}

static enum result report_rows(const struct report *report, const struct grouping *grouping,
                               enum output_format format, struct error *err)
{
    struct tally *tally = tally_new(grouping->by, grouping->n);
    if (tally == NULL)
        return error_no_memory(err);
    enum result result =
        journal_index_tally(report->context->index, &report->filter, &tally, 1, err);
    if (result == RESULT_OK) {
        tally_sort(tally);
        result = print_rows(tally, grouping, format, err);
    }
    tally_free(&tally);
    return result;
}

/* "partner,reason" into grouping; prints what is wrong with it. */
static bool parse_by(const struct invocation *invocation, const char *text,
                     struct grouping *grouping)
{
    grouping->n = 0;
    while (text != NULL) {
        char word[32];
        size_t length = strcspn(text, ",");
        enum tally_by by;
        if (!str_copy_n(word, sizeof(word), text, length) || !tally_by_parse(word, &by)) {
            command_usage(invocation, "--by: there is no column '%.*s'", (int)length, text);
            return false;
        }
        for (size_t i = 0; i < grouping->n; i++) {
            if (grouping->by[i] == by) {
                command_usage(invocation, "--by: %s is there twice", word);
                return false;
            }
        }
        grouping->by[grouping->n++] = by;
        text = text[length] == ',' ? text + length + 1 : NULL;
    }
    return true;
}

struct report_options {
    const char *from, *to, *partner, *by, *lang, *format;
};

static int fill_report(const struct invocation *invocation, const struct report_options *options,
                       struct report *report, struct grouping *grouping, enum output_format *format)
{
    if (options->from == NULL || options->to == NULL)
        return command_usage(invocation, "--from and --to say for which days");
    if (!option_format(invocation, options->format, format) ||
        !option_language(invocation, options->lang, &report->language) ||
        !option_day_or_instant(invocation, "from", options->from, false, &report->filter.since) ||
        !option_day_or_instant(invocation, "to", options->to, true, &report->filter.until) ||
        !parse_by(invocation, options->by, grouping))
        return EXIT_USAGE;
    if (report->filter.since >= report->filter.until)
        return command_usage(invocation, "--to is before --from");
    report->filter.partner = options->partner;
    return EXIT_DONE;
}

int cli_report(const struct invocation *invocation, int argc, char **argv)
{
    struct report_options options = {0};
    struct report report = {.language = language_of_environment()};
    struct grouping grouping;
    enum output_format format = OUTPUT_TABLE;
    const struct option_spec specs[] = {{"from", OPTION_TEXT, &options.from},
                                        {"to", OPTION_TEXT, &options.to},
                                        {"partner", OPTION_TEXT, &options.partner},
                                        {"by", OPTION_TEXT, &options.by},
                                        {"lang", OPTION_TEXT, &options.lang},
                                        {"format", OPTION_TEXT, &options.format},
                                        {0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, NULL);
    if (code != OPTIONS_GO)
        return code;
    code = fill_report(invocation, &options, &report, &grouping, &format);
    if (code != EXIT_DONE)
        return code;
    struct context context;
    struct error err = {0};
    if (!context_open(invocation, CONTEXT_INDEX, &context))
        return EXIT_FAILED;
    report.context = &context;
    report.filter.registry_path = context.registry_path;
    bool overview = format == OUTPUT_TABLE && grouping.n == 0;
    if (grouping.n == 0) {
        grouping.n = sizeof(usual) / sizeof(usual[0]);
        memcpy(grouping.by, usual, sizeof(usual));
    }
    enum result result = journal_index_catch_up(context.index, 0, NULL, &err);
    if (result == RESULT_OK)
        result = overview ? report_overview(&report, &err)
                          : report_rows(&report, &grouping, format, &err);
    context_close(&context);
    return result == RESULT_OK ? EXIT_DONE : command_failed(&err);
}
