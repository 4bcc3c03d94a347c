/* SPDX-License-Identifier: Apache-2.0 */
/*
 * person.json: all that is held on one person, for programs. docs/PERSON.md describes it; its
 * `version` changes when a key changes its meaning or goes, not when one is added.
 */
#include "office/decision.h"
#include "office/person.h"
#include "office/sheet.h"

#include <stdio.h>
#include <string.h>

#define FORMAT_VERSION 1

static const char *filled(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static void instant(struct strbuf *json, const char *key, int64_t at)
{
    char text[CLOCK_TEXT];
    clock_format(at, text);
    strbuf_add_json_field(json, key, text);
}

static void flag(struct strbuf *json, const char *key, bool value)
{
    strbuf_add_format(json, ",\"%s\":%s", key, value ? "true" : "false");
}

/* Begins the items of a list; between two, item_next. */
static void list_begin(struct sheet *sheet, const char *key)
{
    strbuf_add_format(&sheet->buf, ",\n\"%s\":[", key);
}

static void item_next(struct sheet *sheet, size_t i)
{
    strbuf_add_str(&sheet->buf, i > 0 ? ",\n{" : "\n{");
    sheet_turn(sheet);
}

/* Words as a list: an array, or joined by '|'. */
static void texts(struct strbuf *json, const char *key, const char *const *values, size_t count)
{
    strbuf_add_format(json, ",\"%s\":[", key);
    for (size_t i = 0; i < count; i++) {
        strbuf_add_str(json, i > 0 ? ",\"" : "\"");
        strbuf_add_json(json, values[i], strlen(values[i]));
        strbuf_add_char(json, '"');
    }
    strbuf_add_char(json, ']');
}

static void joined(struct strbuf *json, const char *key, const char *values)
{
    strbuf_add_format(json, ",\"%s\":[", key);
    for (bool first = true; *values != '\0'; first = false) {
        size_t length = strcspn(values, "|");
        strbuf_add_str(json, first ? "\"" : ",\"");
        strbuf_add_json(json, values, length);
        strbuf_add_char(json, '"');
        values += length;
        values += *values == '|';
    }
    strbuf_add_char(json, ']');
}

static void head(const struct person *person, struct sheet *sheet)
{
    const struct config *config = person->from.config;
    struct strbuf *json = &sheet->buf;
    char key[2 * RECIPIENT_KEY_BYTES + 1];
    hex_encode(person->recipient->key, RECIPIENT_KEY_BYTES, key);
    strbuf_add_char(json, '{');
    strbuf_add_json_field(json, "format", "octroi-person");
    strbuf_add_json_number(json, "version", FORMAT_VERSION);
    instant(json, "drawn_up_at", person->at);
    strbuf_add_str(json, ",\n\"gateway\":{");
    strbuf_add_json_field(json, "hostname", config->hostname);
    strbuf_add_json_field(json, "public_url", filled(config->public_url));
    strbuf_add_str(json, "},\n\"controller\":{");
    strbuf_add_json_field(json, "name", filled(config->controller_name));
    strbuf_add_json_field(json, "contact", filled(config->controller_contact));
    strbuf_add_str(json, "},\n\"person\":{");
    strbuf_add_json_field(json, "address", person->address->text);
    strbuf_add_json_field(json, "kind", person->address->kind == ADDRESS_EMAIL ? "email" : "phone");
    strbuf_add_json_field(json, "recipient", person->recipient->masked);
    strbuf_add_json_field(json, "recipient_key", key);
    flag(json, "known", !person_is_unknown(person));
    strbuf_add_char(json, '}');
}

static void events(const struct person *person, struct sheet *sheet)
{
    struct strbuf *json = &sheet->buf;
    list_begin(sheet, "events");
    for (size_t i = 0; i < person->history.n_events; i++) {
        const struct past_event *event = &person->history.events[i];
        char form[PAST_FORM];
        item_next(sheet, i);
        strbuf_add_json_number(json, "id", event->id);
        strbuf_add_json_field(json, "event", event_kind_name(event->kind));
        strbuf_add_json_field(json, "channel", channel_name(event->channel));
        instant(json, "occurred_at", event->occurred_at);
        instant(json, "recorded_at", event->recorded_at);
        strbuf_add_json_field(json, "form", filled(past_form_name(event, form)));
        joined(json, "partners", event->partners);
        strbuf_add_json_field(json, "basis",
                              past_is_grant(event) ? basis_name(event->basis) : NULL);
        strbuf_add_json_field(json, "supplier", filled(event->supplier));
        strbuf_add_json_field(json, "collector", filled(event->collector));
        strbuf_add_json_field(json, "evidence", filled(event->evidence));
        strbuf_add_json_field(json, "origin", filled(event->origin));
        strbuf_add_char(json, '}');
    }
    strbuf_add_char(json, ']');
}

static void form_words(struct strbuf *json, const struct form *form)
{
    char text[64];
    const char *names[CHANNEL_COUNT];
    size_t count = 0;
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if (form->channels & CHANNEL_BIT(i))
            names[count++] = channel_name(i);
    texts(json, "channels", names, count);
    purposes_text(form->purposes, text, sizeof(text));
    joined(json, "purposes", text);
    texts(json, "partners", form->partners, form->n_partners);
    texts(json, "partner_categories", form->categories, form->n_categories);
    strbuf_add_str(json, ",\"artefacts\":[");
    for (size_t i = 0; i < form->n_artefacts; i++) {
        strbuf_add_str(json, i > 0 ? ",{" : "{");
        strbuf_add_json_field(json, "name", form->artefacts[i].name);
        strbuf_add_json_field(json, "sha256", form->artefacts[i].sha256);
        strbuf_add_char(json, '}');
    }
    strbuf_add_char(json, ']');
}

static void form_object(const struct person *person, struct strbuf *json,
                        const struct past_form *kept)
{
    const struct form *form = kept->form;
    char name[PAST_FORM];
    char file[PAST_FORM + 16];
    snprintf(name, sizeof(name), "%.64s@%d", form->id, form->version);
    snprintf(file, sizeof(file), "forms/%s.json", name);
    strbuf_add_json_field(json, "form", name);
    strbuf_add_json_field(json, "file", file);
    strbuf_add_json_field(json, "collector", form->collector_name);
    strbuf_add_json_field(json, "collector_siren", filled(form->collector_siren));
    strbuf_add_json_field(json, "language", form->language);
    strbuf_add_json_field(json, "wording", form->wording);
    strbuf_add_json_field(json, "display", form->display);
    strbuf_add_json_field(json, "url", filled(form->url));
    form_words(json, form);
    instant(json, "effective_from", form->effective_from);
    if (kept->effective_until == INT64_MAX)
        strbuf_add_json_field(json, "effective_until", NULL);
    else
        instant(json, "effective_until", kept->effective_until);
    instant(json, "added_at", kept->added_at);
    if (kept->invalidated_at == 0)
        strbuf_add_json_field(json, "invalidated_at", NULL);
    else
        instant(json, "invalidated_at", kept->invalidated_at);
    strbuf_add_json_field(json, "invalid_reason", filled(kept->invalid_reason));
    strbuf_add_str(json, ",\"events\":[");
    bool first = true;
    for (size_t i = 0; i < person->history.n_events; i++)
        if (person->history.events[i].form == kept) {
            strbuf_add_format(json, "%s%lld", first ? "" : ",",
                              (long long)person->history.events[i].id);
            first = false;
        }
    strbuf_add_char(json, ']');
}

static void forms(const struct person *person, struct sheet *sheet)
{
    list_begin(sheet, "forms");
    for (size_t i = 0; i < person->history.n_forms; i++) {
        item_next(sheet, i);
        form_object(person, &sheet->buf, &person->history.forms[i]);
        strbuf_add_char(&sheet->buf, '}');
    }
    strbuf_add_char(&sheet->buf, ']');
}

static void suppliers(const struct person *person, struct sheet *sheet)
{
    struct strbuf *json = &sheet->buf;
    list_begin(sheet, "suppliers");
    for (size_t i = 0; i < person->n_suppliers; i++) {
        const struct person_supplier *supplier = &person->suppliers[i];
        item_next(sheet, i);
        strbuf_add_json_field(json, "supplier", filled(supplier->id));
        strbuf_add_json_number(json, "events", (int64_t)supplier->events);
        instant(json, "first_recorded_at", supplier->first_at);
        instant(json, "last_recorded_at", supplier->last_at);
        strbuf_add_char(json, '}');
    }
    strbuf_add_char(json, ']');
}

static void answer(struct strbuf *json, const struct person_answer *answer)
{
    static const char *const findings[] = {
        [FINDING_HOLDS] = "holds", [FINDING_FAILS] = "fails", [FINDING_SKIPPED] = "skipped"};
    const struct judgement *judgement = &answer->judgement;
    strbuf_add_json_field(json, "partner", answer->partner->id);
    strbuf_add_json_field(json, "name", answer->partner->name);
    strbuf_add_json_field(json, "siren", filled(answer->partner->siren));
    strbuf_add_json_field(json, "channel", channel_name(answer->channel));
    strbuf_add_json_field(json, "purpose", purpose_name(answer->purpose));
    strbuf_add_json_field(json, "verdict", verdict_name(judgement->verdict));
    strbuf_add_json_field(json, "reason", reason_name(judgement->reason));
    if (judgement->event != 0)
        strbuf_add_json_number(json, "event", judgement->event);
    else
        strbuf_add_json_field(json, "event", NULL);
    strbuf_add_str(json, ",\"rules\":[");
    for (size_t i = 0; i < answer->trace->count; i++) {
        const struct trace_step *step = &answer->trace->steps[i];
        strbuf_add_str(json, i > 0 ? ",{" : "{");
        strbuf_add_json_field(json, "rule", step->rule);
        strbuf_add_json_field(json, "finding", findings[step->finding]);
        strbuf_add_json_field(json, "note", step->note);
        strbuf_add_char(json, '}');
    }
    strbuf_add_char(json, ']');
}

static void standing(const struct person *person, struct sheet *sheet)
{
    size_t written = 0;
    list_begin(sheet, "standing");
    for (size_t i = 0; i < person->n_partners; i++)
        for (size_t j = 0; j < person->partners[i].n_answers; j++) {
            item_next(sheet, written++);
            answer(&sheet->buf, &person->partners[i].answers[j]);
            strbuf_add_char(&sheet->buf, '}');
        }
    strbuf_add_char(&sheet->buf, ']');
    strbuf_add_str(&sheet->buf, ",\n\"other_partners\":[");
    for (size_t i = 0; i < person->n_others; i++) {
        strbuf_add_str(&sheet->buf, i > 0 ? ",{" : "{");
        strbuf_add_json_field(&sheet->buf, "partner", person->others[i].partner->id);
        strbuf_add_json_field(&sheet->buf, "name", person->others[i].partner->name);
        strbuf_add_char(&sheet->buf, '}');
        sheet_turn(sheet);
    }
    strbuf_add_char(&sheet->buf, ']');
}

static void stops(const struct person *person, struct sheet *sheet)
{
    struct strbuf *json = &sheet->buf;
    list_begin(sheet, "stops");
    for (size_t i = 0; i < person->n_stops; i++) {
        const struct person_stop *stop = &person->stops[i];
        item_next(sheet, i);
        strbuf_add_json_field(json, "kind", stop->kind);
        strbuf_add_json_field(json, "id", stop->id);
        instant(json, "since", stop->at);
        strbuf_add_json_field(json, "reason", filled(stop->reason));
        if (stop->resumed)
            instant(json, "until", stop->resumed_at);
        else
            strbuf_add_json_field(json, "until", NULL);
        strbuf_add_json_field(json, "end_reason", filled(stop->resume_reason));
        strbuf_add_char(json, '}');
    }
    strbuf_add_char(json, ']');
}

static void sums(const struct person *person, struct sheet *sheet)
{
    struct strbuf *json = &sheet->buf;
    list_begin(sheet, "sums");
    for (size_t i = 0; i < person->n_sums; i++) {
        const struct person_sum *sum = &person->sums[i];
        item_next(sheet, i);
        strbuf_add_json_field(json, "partner", filled(sum->partner));
        strbuf_add_json_field(json, "channel", filled(sum->channel));
        strbuf_add_json_field(json, "purpose", filled(sum->purpose));
        strbuf_add_json_field(json, "verdict", filled(sum->verdict));
        strbuf_add_json_field(json, "effect", filled(sum->effect));
        strbuf_add_json_field(json, "outcome", filled(sum->outcome));
        strbuf_add_json_field(json, "list", filled(sum->list));
        flag(json, "passed_on", person_sum_passed(sum));
        strbuf_add_json_number(json, "count", (int64_t)sum->count);
        instant(json, "first_at", sum->first_at);
        instant(json, "last_at", sum->last_at);
        strbuf_add_char(json, '}');
    }
    strbuf_add_char(json, ']');
}

struct decisions {
    struct sheet *sheet;
    size_t written;
};

static bool write_decision(void *arg, const struct log_entry *entry)
{
    struct decisions *decisions = arg;
    item_next(decisions->sheet, decisions->written++);
    decision_add_json(entry, &decisions->sheet->buf);
    strbuf_add_char(&decisions->sheet->buf, '}');
    return decisions->sheet->result == RESULT_OK;
}

static void all_but_decisions(const struct person *person, struct sheet *sheet)
{
    head(person, sheet);
    events(person, sheet);
    forms(person, sheet);
    suppliers(person, sheet);
    standing(person, sheet);
    stops(person, sheet);
    sums(person, sheet);
}

void person_write_summary(const struct person *person, struct sheet *sheet)
{
    all_but_decisions(person, sheet);
    person_add_notices(person, sheet);
    sheet_put(sheet, "}\n");
}

void person_write_json(const struct person *person, struct sheet *sheet)
{
    struct decisions decisions = {.sheet = sheet};
    all_but_decisions(person, sheet);
    person_add_accesses(person, sheet);
    person_add_notices(person, sheet);
    list_begin(sheet, "decisions");
    enum result result = person_decisions(person, write_decision, &decisions, sheet->err);
    if (result != RESULT_OK && sheet->result == RESULT_OK)
        sheet->result = result;
    sheet_put(sheet, "]}\n");
}
