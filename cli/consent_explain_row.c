/* SPDX-License-Identifier: Apache-2.0 */
/* The explanation for programs: one object, or one CSV row. */
#include "cli/command.h"
#include "cli/consent_explain.h"

#include <stdio.h>

static const struct column columns[] = {
    {"recipient", CELL_TEXT, false}, {"partner", CELL_TEXT, false}, {"channel", CELL_TEXT, false},
    {"purpose", CELL_TEXT, false},   {"at", CELL_TEXT, false},      {"verdict", CELL_TEXT, false},
    {"reason", CELL_TEXT, false},    {"event", CELL_NUMBER, false}, {"policy", CELL_TEXT, false},
    {"form", CELL_TEXT, false},      {"summary", CELL_TEXT, false}, {0}};

static int print_object(const struct explanation *explanation)
{
    struct strbuf json = {0};
    explanation_add_json(explanation, &json);
    bool failed = json.failed;
    if (!failed)
        puts(json.data);
    strbuf_free(&json);
    return failed ? command_failed_text("out of memory") : EXIT_DONE;
}

static int print_row(const struct explanation *explanation, const char *summary)
{
    const struct question *question = explanation->question;
    const struct judgement *judgement = &explanation->judgement;
    char at[CLOCK_TEXT];
    char form[PAST_FORM];
    struct error err = {0};
    clock_format(question->now, at);
    explanation_form(explanation, form);
    struct output *output = output_new(stdout, OUTPUT_CSV, columns);
    if (output == NULL)
        return command_failed_text("out of memory");
    const struct cell cells[] = {
        cell_text(explanation->recipient->masked),
        cell_text(question->partner->id),
        cell_text(channel_name(question->channel)),
        cell_text(purpose_name(question->purpose)),
        cell_text(at),
        cell_text(verdict_name(judgement->verdict)),
        cell_text(reason_name(judgement->reason)),
        judgement->event != 0 ? cell_number(judgement->event) : cell_none(),
        cell_text(question->policy->version),
        cell_filled(form),
        cell_text(summary),
    };
    output_row(output, cells);
    return output_end(&output, &err) == RESULT_OK ? EXIT_DONE : command_failed(&err);
}

int explanation_print_row(const struct explanation *explanation, enum output_format format)
{
    struct strbuf summary = {0};
    if (format == OUTPUT_JSON)
        return print_object(explanation);
    explanation_sentence(explanation, &summary);
    int code = summary.failed ? command_failed_text("out of memory")
                              : print_row(explanation, summary.data);
    strbuf_free(&summary);
    return code;
}
