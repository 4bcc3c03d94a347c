/* SPDX-License-Identifier: Apache-2.0 */
/* The explanation for programs: one object, or one CSV row. */
#include "cli/command.h"
#include "cli/consent_explain.h"

#include <string.h>

static const struct column columns[] = {
    {"recipient", CELL_TEXT, false}, {"partner", CELL_TEXT, false},
    {"channel", CELL_TEXT, false},   {"purpose", CELL_TEXT, false},
    {"at", CELL_TEXT, false},        {"verdict", CELL_TEXT, false},
    {"reason", CELL_TEXT, false},    {"event", CELL_NUMBER, false},
    {"policy", CELL_TEXT, false},    {"form", CELL_TEXT, false},
    {"rules", CELL_JSON, false},     {"summary", CELL_TEXT, false},
    {"relies_on", CELL_JSON, false}, {"grants", CELL_JSON, false},
    {"history", CELL_JSON, false},   {0}};

static void add_instant(struct strbuf *json, const char *key, int64_t instant)
{
    char text[CLOCK_TEXT];
    clock_format(instant, text);
    strbuf_add_json_field(json, key, text);
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

static const char *filled(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static void add_event(struct strbuf *json, const struct past_event *event)
{
    char form[PAST_FORM];
    strbuf_add_char(json, '{');
    strbuf_add_json_number(json, "id", event->id);
    strbuf_add_json_field(json, "event", event_kind_name(event->kind));
    strbuf_add_json_field(json, "channel", channel_name(event->channel));
    add_instant(json, "occurred_at", event->occurred_at);
    add_instant(json, "recorded_at", event->recorded_at);
    strbuf_add_json_field(json, "form", filled(past_form_name(event, form)));
    strbuf_add_json_field(json, "partners", filled(event->partners));
    strbuf_add_json_field(json, "basis", past_is_grant(event) ? basis_name(event->basis) : NULL);
    strbuf_add_json_field(json, "supplier", filled(event->supplier));
    strbuf_add_json_field(json, "collector", filled(event->collector));
    strbuf_add_json_field(json, "evidence", filled(event->evidence));
    strbuf_add_json_field(json, "origin", filled(event->origin));
    strbuf_add_char(json, '}');
}

static void add_ground(struct strbuf *json, const struct explanation *explanation)
{
    const struct past_event *event = past_event(explanation->history, explanation->judgement.event);
    if (event == NULL) {
        strbuf_add_str(json, "null");
        return;
    }
    strbuf_add_str(json, "{\"event\":");
    add_event(json, event);
    if (event->form == NULL) {
        strbuf_add_str(json, ",\"form\":null}");
        return;
    }
    const struct form *form = event->form->form;
    strbuf_add_str(json, ",\"form\":{");
    strbuf_add_json_field(json, "id", form->id);
    strbuf_add_json_number(json, "version", form->version);
    strbuf_add_json_field(json, "collector", form->collector_name);
    strbuf_add_json_field(json, "language", form->language);
    strbuf_add_json_field(json, "wording", form->wording);
    strbuf_add_json_field(json, "url", filled(form->url));
    strbuf_add_json_field(json, "display", form->display);
    add_instant(json, "effective_from", form->effective_from);
    strbuf_add_str(json, ",\"partners\":[");
    for (size_t i = 0; i < form->n_partners; i++) {
        strbuf_add_str(json, i > 0 ? ",\"" : "\"");
        strbuf_add_json(json, form->partners[i], strlen(form->partners[i]));
        strbuf_add_char(json, '"');
    }
    strbuf_add_str(json, "]}}");
}

static void add_grants(struct strbuf *json, const struct explanation *explanation)
{
    strbuf_add_char(json, '[');
    for (size_t i = 0; i < explanation->n_grants; i++) {
        const struct explained_grant *grant = &explanation->grants[i];
        strbuf_add_str(json, i > 0 ? ",{" : "{");
        strbuf_add_json_number(json, "event", grant->id);
        strbuf_add_str(json, grant->passes ? ",\"passes\":true" : ",\"passes\":false");
        strbuf_add_str(json, grant->decides ? ",\"decides\":true" : ",\"decides\":false");
        strbuf_add_json_field(json, "rule", grant->rule);
        strbuf_add_json_field(json, "reason", reason_name(grant->reason));
        strbuf_add_json_field(json, "note", grant->note);
        strbuf_add_char(json, '}');
    }
    strbuf_add_char(json, ']');
}

static void add_history(struct strbuf *json, const struct past *history)
{
    strbuf_add_char(json, '[');
    for (size_t i = 0; i < history->n_events; i++) {
        if (i > 0)
            strbuf_add_char(json, ',');
        add_event(json, &history->events[i]);
    }
    strbuf_add_char(json, ']');
}

struct parts {
    struct strbuf rules, summary, ground, grants, history;
};

static void parts_free(struct parts *parts)
{
    strbuf_free(&parts->rules);
    strbuf_free(&parts->summary);
    strbuf_free(&parts->ground);
    strbuf_free(&parts->grants);
    strbuf_free(&parts->history);
}

static bool parts_fill(const struct explanation *explanation, struct parts *parts)
{
    add_rules(&parts->rules, &explanation->trace);
    explanation_sentence(explanation, &parts->summary);
    add_ground(&parts->ground, explanation);
    add_grants(&parts->grants, explanation);
    add_history(&parts->history, explanation->history);
    return !(parts->rules.failed || parts->summary.failed || parts->ground.failed ||
             parts->grants.failed || parts->history.failed);
}

static int print(const struct explanation *explanation, enum output_format format,
                 const struct parts *parts)
{
    const struct question *question = explanation->question;
    const struct judgement *judgement = &explanation->judgement;
    char at[CLOCK_TEXT];
    char form[PAST_FORM] = "";
    struct error err = {0};
    clock_format(question->now, at);
    if (judgement->form_id != NULL)
        snprintf(form, sizeof(form), "%.64s@%d", judgement->form_id, judgement->form_version);
    struct output *output = output_new(stdout, format, columns);
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
        cell_text(parts->rules.data),
        cell_text(parts->summary.data),
        cell_text(parts->ground.data),
        cell_text(parts->grants.data),
        cell_text(parts->history.data),
    };
    output_row(output, cells);
    return output_end(&output, &err) == RESULT_OK ? EXIT_DONE : command_failed(&err);
}

int explanation_print_row(const struct explanation *explanation, enum output_format format)
{
    struct parts parts = {0};
    int code = parts_fill(explanation, &parts) ? print(explanation, format, &parts)
                                               : command_failed_text("out of memory");
    parts_free(&parts);
    return code;
}
