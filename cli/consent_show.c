/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi consent show`: the history of one person, or the verdict on one question, explained
 * (consent_explain.c). The person is shown masked only.
 */
#include "base/clock.h"
#include "cli/consent_explain.h"
#include "cli/context.h"
#include "cli/options.h"
#include "store/registry_view.h"

#include <stdlib.h>
#include <string.h>

/* ---- history ---- */

static const struct column event_columns[] = {
    {"recipient", CELL_TEXT, true},    {"id", CELL_NUMBER, false},
    {"occurred_at", CELL_TEXT, false}, {"recorded_at", CELL_TEXT, true},
    {"event", CELL_TEXT, false},       {"channel", CELL_TEXT, false},
    {"form", CELL_TEXT, false},        {"partners", CELL_WORDS, false},
    {"basis", CELL_TEXT, false},       {"supplier", CELL_TEXT, false},
    {"collector", CELL_TEXT, true},    {"evidence", CELL_TEXT, false},
    {"origin", CELL_TEXT, false},      {0}};

struct listing {
    struct output *output;
    enum output_format format;
    const struct recipient *recipient;
};

static bool print_event(void *arg, const struct event_row *row)
{
    const struct listing *listing = arg;
    char occurred[CLOCK_TEXT];
    char recorded[CLOCK_TEXT];
    char form[128] = "";
    bool grant = row->kind == EVENT_GIVEN || row->kind == EVENT_RENEWED;
    void (*format)(int64_t, char *) =
        listing->format == OUTPUT_TABLE ? clock_format_seconds : clock_format;
    format(row->occurred_at, occurred);
    format(row->recorded_at, recorded);
    if (row->form_id != NULL)
        snprintf(form, sizeof(form), "%s@%d", row->form_id, row->form_version);
    const struct cell cells[] = {cell_text(listing->recipient->masked),
                                 cell_number(row->id),
                                 cell_text(occurred),
                                 cell_text(recorded),
                                 cell_text(event_kind_name(row->kind)),
                                 cell_text(channel_name(row->channel)),
                                 cell_filled(form),
                                 cell_text(row->partners != NULL ? row->partners : ""),
                                 grant ? cell_text(basis_name(row->basis)) : cell_none(),
                                 cell_filled(row->supplier),
                                 cell_filled(row->collector),
                                 cell_filled(row->evidence),
                                 cell_filled(row->origin)};
    return output_row(listing->output, cells);
}

static int show_history(struct context *context, const struct recipient *recipient,
                        enum output_format format)
{
    struct error err = {0};
    struct listing listing = {.output = output_new(stdout, format, event_columns),
                              .format = format,
                              .recipient = recipient};
    if (listing.output == NULL)
        return command_failed_text("out of memory");
    if (format == OUTPUT_TABLE)
        printf("%s\n\n", recipient->masked);
    enum result result =
        registry_events(context->registry, recipient->key, print_event, &listing, &err);
    return command_listed(&listing.output, result, &err);
}

/* ---- verdict ---- */

/* Facts and history are of one moment, or the explanation could speak of an event it does not
 * show. */
static int explain(struct context *context, const struct question *question,
                   const struct recipient *recipient, enum output_format format)
{
    const struct facts *facts = NULL;
    struct past history = {0};
    struct explanation explanation = {0};
    struct error err = {0};
    enum result result = registry_view_begin(context->registry, &err);
    if (result != RESULT_OK)
        return command_failed(&err);
    result = past_read(context->registry, recipient->key, &history, &err);
    if (result == RESULT_OK)
        result = registry_facts(context->registry, recipient->key, question->partner->id, NULL,
                                &facts, &err);
    if (result == RESULT_OK)
        result = explanation_make(question, facts, recipient, &history, &explanation, &err);
    registry_view_end(context->registry);
    int code = EXIT_FAILED;
    if (result != RESULT_OK)
        command_failed(&err);
    else if (format == OUTPUT_TABLE)
        code = explanation_print(&explanation);
    else
        code = explanation_print_row(&explanation, format);
    explanation_free(&explanation);
    past_free(&history);
    return code;
}

static int show_verdict(struct context *context, struct question *question, const char *partner,
                        const struct recipient *recipient, enum output_format format)
{
    question->partner = config_partner(context->config, partner);
    question->policy = &context->config->policies[question->channel];
    if (question->partner == NULL)
        return command_failed_text("the configuration knows no partner '%s'", partner);
    return explain(context, question, recipient, format);
}

struct show_options {
    const char *partner, *channel, *purpose, *at, *format;
};

/* EXIT_DONE when the question makes sense. */
static int fill_question(const struct invocation *invocation, const struct show_options *options,
                         struct question *question, enum output_format *format)
{
    if ((options->partner == NULL) != (options->channel == NULL))
        return command_usage(invocation, "--partner and --channel go together");
    if (options->partner == NULL && (options->purpose != NULL || options->at != NULL))
        return command_usage(invocation, "--purpose and --at need --partner and --channel");
    if (options->purpose != NULL && !purpose_parse(options->purpose, &question->purpose))
        return command_usage(invocation, "--purpose is receipt or transmission, not '%s'",
                             options->purpose);
    if (!option_format(invocation, options->format, format) ||
        !option_channel(invocation, options->channel, &question->channel) ||
        !option_instant(invocation, "at", options->at, &question->now))
        return EXIT_USAGE;
    return EXIT_DONE;
}

int cli_consent_show(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    struct show_options options = {0};
    enum output_format format = OUTPUT_TABLE;
    struct question question = {.purpose = PURPOSE_RECEIPT, .now = clock_now()};
    const struct option_spec specs[] = {
        {"partner", OPTION_TEXT, &options.partner}, {"channel", OPTION_TEXT, &options.channel},
        {"purpose", OPTION_TEXT, &options.purpose}, {"at", OPTION_TEXT, &options.at},
        {"format", OPTION_TEXT, &options.format},   {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    code = fill_question(invocation, &options, &question, &format);
    if (code != EXIT_DONE)
        return code;
    struct context context;
    struct address address;
    struct recipient recipient;
    if (!context_open(invocation,
                      CONTEXT_REGISTRY | CONTEXT_RECIPIENT_KEY |
                          (options.partner != NULL ? CONTEXT_STRICT : 0),
                      &context))
        return EXIT_FAILED;
    if (!context_recipient(&context, operands[0], &address, &recipient))
        code = EXIT_FAILED;
    else if (options.partner == NULL)
        code = show_history(&context, &recipient, format);
    else
        code = show_verdict(&context, &question, options.partner, &recipient, format);
    wipe(address.text, sizeof(address.text));
    context_close(&context);
    return code;
}
