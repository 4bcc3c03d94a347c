/* SPDX-License-Identifier: Apache-2.0 */
/* `octroi log`: the journal's decisions with their outcomes, newest first. */
#include "cli/context.h"
#include "cli/options.h"
#include "office/decision.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* What fits a screen that is read from its top. */
#define TERMINAL_LIMIT 50

static bool print_all(void *arg, const struct log_entry *entry)
{
    struct cell cells[DECISION_FIELDS];
    for (size_t i = 0; i < DECISION_FIELDS; i++) {
        int64_t number;
        cells[i] = decision_number(entry, &decision_fields[i], &number)
                       ? cell_number(number)
                       : cell_text(decision_text(entry, &decision_fields[i]));
    }
    return output_row(arg, cells);
}

static const struct column table_columns[] = {
    {"at", CELL_TEXT, false},      {"verdict", CELL_TEXT, false},
    {"reason", CELL_TEXT, false},  {"partner", CELL_TEXT, false},
    {"channel", CELL_TEXT, false}, {"recipient", CELL_TEXT, false},
    {"effect", CELL_TEXT, false},  {"outcome", CELL_TEXT, false},
    {"ref", CELL_TEXT, false},     {0}};

/* To the second: "2026-11-23T20:54:37Z". */
static void shorten_instant(const char *at, char *out, size_t size)
{
    size_t seconds = strcspn(at, ".");
    snprintf(out, size, "%.*s%s", (int)seconds, at, at[seconds] == '.' ? "Z" : "");
}

static bool print_short(void *arg, const struct log_entry *entry)
{
    char at[32];
    shorten_instant(entry->at != NULL ? entry->at : "", at, sizeof(at));
    const struct cell cells[] = {
        cell_filled(at),           cell_text(entry->verdict), cell_text(entry->reason),
        cell_text(entry->partner), cell_text(entry->channel), cell_text(entry->recipient),
        cell_text(entry->effect),  cell_text(entry->outcome), cell_text(entry->id)};
    return output_row(arg, cells);
}

static void name_columns(struct column columns_out[DECISION_FIELDS + 1])
{
    for (size_t i = 0; i < DECISION_FIELDS; i++)
        columns_out[i] = (struct column){
            .name = decision_fields[i].name,
            .type = decision_fields[i].kind == DECISION_TEXT ? CELL_TEXT : CELL_NUMBER};
    columns_out[DECISION_FIELDS] = (struct column){0};
}

static int print_log(struct context *context, const struct log_filter *filter,
                     enum output_format format)
{
    struct error err = {0};
    uint64_t indexed = 0;
    bool table = format == OUTPUT_TABLE;
    enum result result = journal_index_catch_up(context->index, 0, &indexed, &err);
    if (result != RESULT_OK)
        return command_failed(&err);
    struct column all_columns[DECISION_FIELDS + 1];
    name_columns(all_columns);
    struct output *output = output_new(stdout, format, table ? table_columns : all_columns);
    if (output == NULL)
        return command_failed_text("out of memory");
    result =
        journal_index_log(context->index, filter, table ? print_short : print_all, output, &err);
    return command_listed(&output, result, &err);
}

struct log_options {
    const char *ref, *verdict, *partner, *channel, *reason, *recipient, *since, *until, *limit,
        *format;
};

/* EXIT_DONE when filter is filled, the recipient aside. */
static int fill_filter(const struct invocation *invocation, const struct log_options *options,
                       struct log_filter *filter, enum output_format *format)
{
    enum reason reason;
    if (options->verdict != NULL && !verdict_parse(options->verdict, &filter->verdict))
        return command_usage(invocation, "--verdict is pass, block or defer, not '%s'",
                             options->verdict);
    if (options->reason != NULL && !reason_parse(options->reason, &reason))
        return command_usage(invocation, "there is no reason code '%s'", options->reason);
    if (!option_format(invocation, options->format, format) ||
        !option_channel(invocation, options->channel, &filter->channel) ||
        !option_day_or_instant(invocation, "since", options->since, false, &filter->since) ||
        !option_day_or_instant(invocation, "until", options->until, true, &filter->until))
        return EXIT_USAGE;
    filter->limit = *format == OUTPUT_TABLE && isatty(STDOUT_FILENO) == 1 ? TERMINAL_LIMIT : 0;
    if (!option_count(invocation, "limit", options->limit, &filter->limit))
        return EXIT_USAGE;
    filter->has_verdict = options->verdict != NULL;
    filter->has_channel = options->channel != NULL;
    filter->id = options->ref;
    filter->partner = options->partner;
    filter->reason = options->reason;
    return EXIT_DONE;
}

int cli_log(const struct invocation *invocation, int argc, char **argv)
{
    struct log_options options = {0};
    struct log_filter filter = {.since = INT64_MIN, .until = INT64_MAX};
    enum output_format format = OUTPUT_TABLE;
    const struct option_spec specs[] = {{"ref", OPTION_TEXT, &options.ref},
                                        {"verdict", OPTION_TEXT, &options.verdict},
                                        {"partner", OPTION_TEXT, &options.partner},
                                        {"channel", OPTION_TEXT, &options.channel},
                                        {"reason", OPTION_TEXT, &options.reason},
                                        {"recipient", OPTION_TEXT, &options.recipient},
                                        {"since", OPTION_TEXT, &options.since},
                                        {"until", OPTION_TEXT, &options.until},
                                        {"limit", OPTION_TEXT, &options.limit},
                                        {"format", OPTION_TEXT, &options.format},
                                        {0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, NULL);
    if (code != OPTIONS_GO)
        return code;
    code = fill_filter(invocation, &options, &filter, &format);
    if (code != EXIT_DONE)
        return code;
    struct context context;
    struct address address;
    struct recipient recipient;
    unsigned needs = CONTEXT_INDEX | (options.recipient != NULL ? CONTEXT_RECIPIENT_KEY : 0);
    if (!context_open(invocation, needs, &context))
        return EXIT_FAILED;
    code = EXIT_FAILED;
    if (options.recipient == NULL) {
        code = print_log(&context, &filter, format);
    } else if (context_recipient(&context, options.recipient, &address, &recipient)) {
        filter.recipient_key = recipient.key;
        code = print_log(&context, &filter, format);
        wipe(address.text, sizeof(address.text));
    }
    context_close(&context);
    return code;
}
