/* SPDX-License-Identifier: Apache-2.0 */
/* `octroi report`: how many decisions, by whatever they are to be counted by. */
#include "cli/report.h"

#include "cli/options.h"
#include "office/tally_rows.h"

#include <stdlib.h>
#include <string.h>

/* What programs get unless they ask for other columns. */
static const enum tally_by usual[] = {TALLY_PARTNER, TALLY_CHANNEL, TALLY_VERDICT,
                                      TALLY_REASON,  TALLY_FORM,    TALLY_DAY};
struct grouping {
    enum tally_by by[TALLY_BY_COUNT];
    size_t n;
};

static enum result print_rows(const struct tally *tally, enum output_format format,
                              struct error *err)
{
    struct column columns[TALLY_ROWS_COLUMNS];
    tally_rows_columns(tally, columns);
    struct output *output = output_new(stdout, format, columns);
    if (output == NULL)
        return error_no_memory(err);
    tally_rows_write(tally, output);
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
        result = print_rows(tally, format, err);
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
    const char *from, *to, *partner, *by, *lang, *format, *dossier, *compare;
    bool with_journal;
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
    if (options->dossier != NULL && (options->by != NULL || options->format != NULL))
        return command_usage(invocation, "--dossier goes with neither --by nor --format");
    if (options->dossier == NULL && options->with_journal)
        return command_usage(invocation, "--with-journal goes with --dossier");
    if (options->compare != NULL && options->dossier == NULL)
        return command_usage(invocation, "--compare goes with --dossier");
    if (options->compare != NULL &&
        !option_day_or_instant(invocation, "compare", options->compare, false, &report->change))
        return EXIT_USAGE;
    if (options->compare != NULL &&
        (report->change % CLOCK_DAY != 0 || report->change <= report->filter.since ||
         report->change >= report->filter.until))
        return command_usage(invocation, "--compare is a day of the period, after its first");
    report->filter.partner = options->partner;
    return EXIT_DONE;
}

int cli_report(const struct invocation *invocation, int argc, char **argv)
{
    struct report_options options = {0};
    struct report report = {.language = language_of_environment()};
    struct grouping grouping = {0};
    enum output_format format = OUTPUT_TABLE;
    const struct option_spec specs[] = {{"from", OPTION_TEXT, &options.from},
                                        {"to", OPTION_TEXT, &options.to},
                                        {"partner", OPTION_TEXT, &options.partner},
                                        {"by", OPTION_TEXT, &options.by},
                                        {"lang", OPTION_TEXT, &options.lang},
                                        {"format", OPTION_TEXT, &options.format},
                                        {"dossier", OPTION_TEXT, &options.dossier},
                                        {"compare", OPTION_TEXT, &options.compare},
                                        {"with-journal", OPTION_FLAG, &options.with_journal},
                                        {0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, NULL);
    if (code != OPTIONS_GO)
        return code;
    code = fill_report(invocation, &options, &report, &grouping, &format);
    if (code != EXIT_DONE)
        return code;
    if (options.dossier != NULL)
        return report_dossier(invocation, &report, options.dossier, options.with_journal);
    struct context context;
    struct error err = {0};
    if (!context_open(invocation, CONTEXT_INDEX, &context))
        return EXIT_FAILED;
    report.context = &context;
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
