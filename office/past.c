/* SPDX-License-Identifier: Apache-2.0 */
#include "office/past.h"

#include "store/registry_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As much as the registry itself would judge of one person. */
#define PAST_BYTES (256u * 1024 * 1024)

struct reading {
    struct past *history;
    size_t capacity;
    struct error *err;
    enum result result;
};

static bool failed(struct reading *reading)
{
    reading->result = error_no_memory(reading->err);
    return false;
}

static const char *keep(struct reading *reading, const char *text)
{
    const char *copy = arena_str(reading->history->arena, text != NULL ? text : "");
    if (copy == NULL)
        failed(reading);
    return copy;
}

/* ---- events ---- */

static bool reserve_event(struct reading *reading)
{
    struct past *history = reading->history;
    if (history->n_events < reading->capacity)
        return true;
    size_t capacity = reading->capacity > 0 ? reading->capacity * 2 : 32;
    struct past_event *events = realloc(history->events, capacity * sizeof(*events));
    if (events == NULL)
        return failed(reading);
    history->events = events;
    reading->capacity = capacity;
    return true;
}

static bool keep_event(void *arg, const struct event_row *row)
{
    struct reading *reading = arg;
    if (!reserve_event(reading))
        return false;
    struct past_event event = {
        .id = row->id,
        .kind = row->kind,
        .channel = row->channel,
        .occurred_at = row->occurred_at,
        .recorded_at = row->recorded_at,
        .form_id = row->form_id != NULL ? keep(reading, row->form_id) : NULL,
        .form_version = row->form_version,
        .partners = keep(reading, row->partners),
        .basis = row->basis,
        .supplier = keep(reading, row->supplier),
        .collector = keep(reading, row->collector),
        .evidence = keep(reading, row->evidence),
        .origin = keep(reading, row->origin),
    };
    if (reading->result != RESULT_OK)
        return false;
    reading->history->events[reading->history->n_events++] = event;
    return true;
}

/* Oldest first, and one order for events of one moment. */
static int compare_events(const void *a, const void *b)
{
    const struct past_event *one = a;
    const struct past_event *other = b;
    if (one->occurred_at != other->occurred_at)
        return one->occurred_at > other->occurred_at ? 1 : -1;
    return (one->id > other->id) - (one->id < other->id);
}

/* ---- forms ---- */

struct named_version {
    const char *id;
    int version;
};

static int compare_names(const void *a, const void *b)
{
    const struct named_version *one = a;
    const struct named_version *other = b;
    int order = strcmp(one->id, other->id);
    return order != 0 ? order : (one->version > other->version) - (one->version < other->version);
}

/* The distinct form versions the events name, in order. */
static size_t list_names(const struct past *history, struct named_version *names)
{
    size_t count = 0;
    size_t distinct = 0;
    for (size_t i = 0; i < history->n_events; i++)
        if (history->events[i].form_id != NULL)
            names[count++] = (struct named_version){.id = history->events[i].form_id,
                                                    .version = history->events[i].form_version};
    if (count > 0)
        qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || compare_names(&names[distinct - 1], &names[i]) != 0)
            names[distinct++] = names[i];
    return distinct;
}

static bool keep_form(void *arg, const struct form_row *row)
{
    struct reading *reading = arg;
    struct past_form *kept = &reading->history->forms[reading->history->n_forms];
    struct form *form = NULL;
    reading->result = form_parse(row->json, strlen(row->json), &form, reading->err);
    if (reading->result != RESULT_OK) {
        error_prefix(reading->err, "form %s@%d", row->id, row->version);
        return false;
    }
    *kept = (struct past_form){
        .form = form,
        .effective_until = row->effective_until,
        .added_at = row->added_at,
        .invalidated_at = row->invalidated_at,
        .invalid_reason = keep(reading, row->invalid_reason),
        .json = form->json,
    };
    reading->history->n_forms++;
    return reading->result == RESULT_OK;
}

/* A withdrawal may name a form that was never registered. */
static enum result read_form(struct registry *registry, const struct named_version *name,
                             struct reading *reading)
{
    enum result result =
        registry_form_versions(registry, name->id, name->version, keep_form, reading, reading->err);
    if (result == RESULT_NOT_FOUND)
        return RESULT_OK;
    return result != RESULT_OK ? result : reading->result;
}

static void join_forms(struct past *history)
{
    for (size_t i = 0; i < history->n_events; i++) {
        struct past_event *event = &history->events[i];
        for (size_t j = 0; event->form_id != NULL && j < history->n_forms; j++) {
            const struct form *form = history->forms[j].form;
            if (form != NULL && form->version == event->form_version &&
                strcmp(form->id, event->form_id) == 0)
                event->form = &history->forms[j];
        }
    }
}

static enum result read_forms(struct registry *registry, struct reading *reading)
{
    struct past *history = reading->history;
    enum result result = RESULT_OK;
    if (history->n_events == 0)
        return RESULT_OK;
    struct named_version *names = calloc(history->n_events, sizeof(*names));
    if (names == NULL)
        return error_no_memory(reading->err);
    size_t count = list_names(history, names);
    history->forms = calloc(count > 0 ? count : 1, sizeof(*history->forms));
    if (history->forms == NULL)
        result = error_no_memory(reading->err);
    for (size_t i = 0; result == RESULT_OK && i < count; i++)
        result = read_form(registry, &names[i], reading);
    free(names);
    if (result == RESULT_OK)
        join_forms(history);
    return result;
}

enum result past_read(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                      struct past *history, struct error *err)
{
    struct reading reading = {.history = history, .err = err, .result = RESULT_OK};
    *history = (struct past){.arena = arena_new(PAST_BYTES)};
    if (history->arena == NULL)
        return error_no_memory(err);
    enum result result = registry_events(registry, key, keep_event, &reading, err);
    if (result == RESULT_OK)
        result = reading.result;
    if (result == RESULT_OK && history->n_events > 0)
        qsort(history->events, history->n_events, sizeof(*history->events), compare_events);
    if (result == RESULT_OK)
        result = read_forms(registry, &reading);
    if (result != RESULT_OK)
        past_free(history);
    return result;
}

void past_free(struct past *history)
{
    for (size_t i = 0; i < history->n_forms; i++)
        form_free(&history->forms[i].form);
    free(history->forms);
    free(history->events);
    arena_free(&history->arena);
    *history = (struct past){0};
}

const struct past_event *past_event(const struct past *history, int64_t id)
{
    for (size_t i = 0; i < history->n_events; i++)
        if (history->events[i].id == id)
            return &history->events[i];
    return NULL;
}

const struct past_event *past_find(const struct past *history, int64_t occurred_at, int64_t id)
{
    const struct past_event key = {.id = id, .occurred_at = occurred_at};
    return history->n_events > 0
               ? bsearch(&key, history->events, history->n_events, sizeof(key), compare_events)
               : NULL;
}

const char *past_form_name(const struct past_event *event, char out[PAST_FORM])
{
    out[0] = '\0';
    if (event->form_id != NULL)
        snprintf(out, PAST_FORM, "%.64s@%d", event->form_id, event->form_version);
    return out;
}
