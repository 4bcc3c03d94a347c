/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi consent show`: the history of one person, or the verdict on one question with every rule
 * that was tried. The person is shown masked only.
 */
#include "base/clock.h"
#include "cli/context.h"
#include "cli/options.h"
#include "policy/judge.h"

#include <inttypes.h>
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

struct history {
    struct output *output;
    enum output_format format;
    const struct recipient *recipient;
};

static bool print_event(void *arg, const struct event_row *row)
{
    const struct history *history = arg;
    char occurred[CLOCK_TEXT];
    char recorded[CLOCK_TEXT];
    char form[128] = "";
    bool grant = row->kind == EVENT_GIVEN || row->kind == EVENT_RENEWED;
    void (*format)(int64_t, char *) =
        history->format == OUTPUT_TABLE ? clock_format_seconds : clock_format;
    format(row->occurred_at, occurred);
    format(row->recorded_at, recorded);
    if (row->form_id != NULL)
        snprintf(form, sizeof(form), "%s@%d", row->form_id, row->form_version);
    const struct cell cells[] = {cell_text(history->recipient->masked),
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
    return output_row(history->output, cells);
}

static int show_history(struct context *context, const struct recipient *recipient,
                        enum output_format format)
{
    struct error err = {0};
    struct error end = {0};
    struct history history = {.output = output_new(stdout, format, event_columns),
                              .format = format,
                              .recipient = recipient};
    if (history.output == NULL)
        return command_failed_text("out of memory");
    if (format == OUTPUT_TABLE)
        printf("%s\n\n", recipient->masked);
    enum result result =
        registry_events(context->registry, recipient->key, print_event, &history, &err);
    if (output_end(&history.output, &end) != RESULT_OK)
        return command_failed(&end);
    return result == RESULT_OK ? EXIT_DONE : command_failed(&err);
}

/* ---- verdict ---- */

static const char *const finding_names[] = {
    [FINDING_HOLDS] = "holds", [FINDING_FAILS] = "fails", [FINDING_SKIPPED] = "skipped"};

static const struct column verdict_columns[] = {
    {"recipient", CELL_TEXT, false}, {"partner", CELL_TEXT, false}, {"channel", CELL_TEXT, false},
    {"purpose", CELL_TEXT, false},   {"at", CELL_TEXT, false},      {"verdict", CELL_TEXT, false},
    {"reason", CELL_TEXT, false},    {"event", CELL_NUMBER, false}, {"policy", CELL_TEXT, false},
    {"form", CELL_TEXT, false},      {"rules", CELL_JSON, false},   {0}};

static const struct column rule_columns[] = {{"rule", CELL_TEXT, false},
                                             {"finding", CELL_TEXT, false},
                                             {"reason", CELL_TEXT, false},
                                             {"note", CELL_TEXT, false},
                                             {0}};

static int print_explained(const struct question *question, const struct recipient *recipient,
                           const struct judgement *judgement, const struct trace *trace,
                           const char *form)
{
    char at[CLOCK_TEXT];
    struct error err = {0};
    clock_format_seconds(question->now, at);
    printf("%-10s %s\n%-10s %s (%s)\n%-10s %s, %s, at %s\n", "recipient", recipient->masked,
           "partner", question->partner->id, question->partner->name, "asked",
           channel_name(question->channel), purpose_name(question->purpose), at);
    printf("%-10s %s %s: %s\n", "verdict", verdict_name(judgement->verdict),
           reason_name(judgement->reason), reason_text(judgement->reason));
    if (judgement->event != 0)
        printf("%-10s event %" PRId64 "%s%s\n", "rests on", judgement->event,
               form != NULL ? ", form " : "", form != NULL ? form : "");
    printf("%-10s %s\n\n", "policy", question->policy->version);
    struct output *output = output_new(stdout, OUTPUT_TABLE, rule_columns);
    if (output == NULL)
        return command_failed_text("out of memory");
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_step *step = &trace->steps[i];
        /* A code beside a rule that did not decide would read as if it applied. */
        bool spoke = i + 1 == trace->count && step->reason == judgement->reason;
        const struct cell cells[] = {cell_text(step->rule), cell_text(finding_names[step->finding]),
                                     spoke ? cell_text(reason_name(step->reason)) : cell_none(),
                                     cell_filled(step->note)};
        output_row(output, cells);
    }
    return output_end(&output, &err) == RESULT_OK ? EXIT_DONE : command_failed(&err);
}

static void add_rules(struct strbuf *json, const struct trace *trace)
{
    strbuf_add_char(json, '[');
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_step *step = &trace->steps[i];
        strbuf_add_str(json, i > 0 ? ",{" : "{");
        strbuf_add_json_field(json, "rule", step->rule);
        strbuf_add_json_field(json, "finding", finding_names[step->finding]);
        strbuf_add_json_field(json, "reason", reason_name(step->reason));
        strbuf_add_json_field(json, "note", step->note);
        strbuf_add_char(json, '}');
    }
    strbuf_add_char(json, ']');
}

static int print_row(const struct question *question, const struct recipient *recipient,
                     const struct judgement *judgement, const struct trace *trace, const char *form,
                     enum output_format format)
{
    char at[CLOCK_TEXT];
    struct strbuf rules = {0};
    struct error err = {0};
    clock_format(question->now, at);
    add_rules(&rules, trace);
    struct output *output = rules.failed ? NULL : output_new(stdout, format, verdict_columns);
    if (output == NULL) {
        strbuf_free(&rules);
        return command_failed_text("out of memory");
    }
    const struct cell cells[] = {
        cell_text(recipient->masked),
        cell_text(question->partner->id),
        cell_text(channel_name(question->channel)),
        cell_text(purpose_name(question->purpose)),
        cell_text(at),
        cell_text(verdict_name(judgement->verdict)),
        cell_text(reason_name(judgement->reason)),
        judgement->event != 0 ? cell_number(judgement->event) : cell_none(),
        cell_text(question->policy->version),
        cell_text(form),
        cell_text(rules.data),
    };
    output_row(output, cells);
    enum result result = output_end(&output, &err);
    strbuf_free(&rules);
    return result == RESULT_OK ? EXIT_DONE : command_failed(&err);
}

static int show_verdict(struct context *context, struct question *question, const char *partner,
                        const struct recipient *recipient, enum output_format format)
{
    const struct facts *facts = NULL;
    struct judgement judgement = {0};
    struct trace trace = {0};
    struct error err = {0};
    char form[128];
    question->partner = config_partner(context->config, partner);
    question->policy = &context->config->policies[question->channel];
    if (question->partner == NULL)
        return command_failed_text("the configuration knows no partner '%s'", partner);
    if (registry_facts(context->registry, recipient->key, partner, NULL, &facts, &err) != RESULT_OK)
        return command_failed(&err);
    policy_judge(question, facts, &judgement, &trace);
    if (judgement.form_id != NULL)
        snprintf(form, sizeof(form), "%s@%d", judgement.form_id, judgement.form_version);
    const char *form_text = judgement.form_id != NULL ? form : NULL;
    if (format == OUTPUT_TABLE)
        return print_explained(question, recipient, &judgement, &trace, form_text);
    return print_row(question, recipient, &judgement, &trace, form_text, format);
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
