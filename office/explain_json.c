/* SPDX-License-Identifier: Apache-2.0 */
/* The explanation for programs: one object, the same for commands and over HTTP. */
#include "office/explain.h"

#include <stdio.h>
#include <string.h>

static const char *const finding_names[] = {
    [FINDING_HOLDS] = "holds", [FINDING_FAILS] = "fails", [FINDING_SKIPPED] = "skipped"};

static void add_instant(struct strbuf *json, const char *key, int64_t instant)
{
    char text[CLOCK_TEXT];
    clock_format(instant, text);
    strbuf_add_json_field(json, key, text);
}

void explanation_add_rules(struct strbuf *json, const struct trace *trace)
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

void explanation_form(const struct explanation *explanation, char out[PAST_FORM])
{
    const struct judgement *judgement = &explanation->judgement;
    *out = '\0';
    if (judgement->form_id != NULL)
        snprintf(out, PAST_FORM, "%.64s@%d", judgement->form_id, judgement->form_version);
}

void explanation_add_json(const struct explanation *explanation, struct strbuf *json)
{
    const struct question *question = explanation->question;
    const struct judgement *judgement = &explanation->judgement;
    struct strbuf summary = {0};
    char form[PAST_FORM];
    explanation_sentence(explanation, &summary);
    explanation_form(explanation, form);
    strbuf_add_char(json, '{');
    strbuf_add_json_field(json, "recipient", explanation->recipient->masked);
    strbuf_add_json_field(json, "partner", question->partner->id);
    strbuf_add_json_field(json, "channel", channel_name(question->channel));
    strbuf_add_json_field(json, "purpose", purpose_name(question->purpose));
    add_instant(json, "at", question->now);
    strbuf_add_json_field(json, "verdict", verdict_name(judgement->verdict));
    strbuf_add_json_field(json, "reason", reason_name(judgement->reason));
    if (judgement->event != 0)
        strbuf_add_json_number(json, "event", judgement->event);
    else
        strbuf_add_json_field(json, "event", NULL);
    strbuf_add_json_field(json, "policy", question->policy->version);
    strbuf_add_json_field(json, "form", filled(form));
    strbuf_add_str(json, ",\"rules\":");
    explanation_add_rules(json, &explanation->trace);
    strbuf_add_json_field(json, "summary", summary.failed ? NULL : summary.data);
    strbuf_add_str(json, ",\"relies_on\":");
    add_ground(json, explanation);
    strbuf_add_str(json, ",\"grants\":");
    add_grants(json, explanation);
    strbuf_add_str(json, ",\"history\":");
    add_history(json, explanation->history);
    strbuf_add_char(json, '}');
    json->failed = json->failed || summary.failed;
    strbuf_free(&summary);
}
