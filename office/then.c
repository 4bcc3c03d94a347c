/* SPDX-License-Identifier: Apache-2.0 */
#include "office/then.h"

#include <stdio.h>
#include <string.h>

/* Something that was stopped at that moment. */
struct stopped {
    struct stopped *next;
    enum suspension_kind kind;
    bool for_good; /* a supplier that was invalid */
    const char *id;
};

struct reading {
    struct registry *registry;
    struct arena *arena;
    int64_t at;
    struct stopped *stopped;
    bool near;   /* as then->near */
    bool failed; /* no memory */
};

static void look_how_near(struct reading *reading, int64_t moment)
{
    if (moment <= reading->at && moment > reading->at - THEN_NEAR)
        reading->near = true;
}

static bool add(struct reading *reading, enum suspension_kind kind, bool for_good, const char *id)
{
    struct stopped *stopped = arena_alloc(reading->arena, sizeof(*stopped));
    const char *copy = arena_str(reading->arena, id);
    reading->failed = stopped == NULL || copy == NULL;
    if (reading->failed)
        return false;
    *stopped = (struct stopped){reading->stopped, kind, for_good, copy};
    reading->stopped = stopped;
    return true;
}

static bool take_suspension(void *arg, const struct suspension_row *row)
{
    struct reading *reading = arg;
    look_how_near(reading, row->suspended_at);
    if (row->resumed)
        look_how_near(reading, row->resumed_at);
    if (row->suspended_at > reading->at || (row->resumed && row->resumed_at <= reading->at))
        return true;
    return add(reading, row->kind, false, row->id);
}

static bool take_supplier(void *arg, const struct supplier_row *row)
{
    struct reading *reading = arg;
    look_how_near(reading, row->invalidated_at);
    return row->invalidated_at > reading->at || add(reading, SUSPEND_SUPPLIER, true, row->id);
}

static bool was_stopped(const struct reading *reading, enum suspension_kind kind, bool for_good,
                        const char *id)
{
    const struct stopped *stopped = reading->stopped;
    while (stopped != NULL &&
           (stopped->kind != kind || stopped->for_good != for_good || strcmp(stopped->id, id) != 0))
        stopped = stopped->next;
    return stopped != NULL;
}

static bool stream_was_stopped(const struct reading *reading, const char *partner,
                               const char *stream)
{
    char id[256];
    return stream != NULL && snprintf(id, sizeof(id), "%s/%s", partner, stream) < (int)sizeof(id) &&
           was_stopped(reading, SUSPEND_STREAM, false, id);
}

/* The event and its form as they were; false: no memory. */
static bool turn_back(struct reading *reading, struct consent_event *event,
                      const struct past_event *past)
{
    if (event->supplier != NULL) {
        event->supplier_suspended = was_stopped(reading, SUSPEND_SUPPLIER, false, event->supplier);
        event->supplier_invalidated = was_stopped(reading, SUSPEND_SUPPLIER, true, event->supplier);
    }
    if (event->form == NULL)
        return true;
    struct form_facts *form = arena_alloc(reading->arena, sizeof(*form));
    if (form == NULL)
        return false;
    *form = *event->form;
    form->suspended = was_stopped(reading, SUSPEND_FORM, false, form->id);
    if (form->invalidated && past != NULL && past->form != NULL)
        look_how_near(reading, past->form->invalidated_at);
    form->invalidated = form->invalidated && past != NULL && past->form != NULL &&
                        past->form->invalidated_at <= reading->at;
    event->form = form;
    return true;
}

static enum result copy_facts(struct reading *reading, const struct facts *now,
                              const struct past *history, struct then *then, struct error *err)
{
    struct consent_event *events =
        arena_alloc(reading->arena, (now->n_events + 1) * sizeof(*events));
    if (events == NULL)
        return error_no_memory(err);
    for (size_t i = 0; i < now->n_events; i++) {
        const struct past_event *past =
            past_find(history, now->events[i].occurred_at, now->events[i].id);
        if (past != NULL)
            look_how_near(reading, past->recorded_at);
        if (past != NULL && past->recorded_at > reading->at) {
            then->later++;
            continue;
        }
        struct consent_event *event = &events[then->facts.n_events++];
        *event = now->events[i];
        if (!turn_back(reading, event, past))
            return error_no_memory(err);
    }
    then->facts.events = events;
    return RESULT_OK;
}

enum result then_read(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                      const char *partner, const char *stream, int64_t at,
                      const struct past *history, struct arena *arena, struct then *then,
                      struct error *err)
{
    struct reading reading = {.registry = registry, .arena = arena, .at = at};
    const struct facts *now = NULL;
    *then = (struct then){0};
    enum result result = registry_suspensions(registry, take_suspension, &reading, err);
    if (result == RESULT_OK)
        result = registry_invalid_suppliers(registry, NULL, 0, take_supplier, &reading, err);
    if (result == RESULT_OK && reading.failed)
        result = error_no_memory(err);
    if (result == RESULT_OK)
        result = registry_facts(registry, key, partner, stream, &now, err);
    if (result != RESULT_OK)
        return result;
    then->facts.partner_suspended = was_stopped(&reading, SUSPEND_PARTNER, false, partner);
    then->facts.stream_suspended = stream_was_stopped(&reading, partner, stream);
    result = copy_facts(&reading, now, history, then, err);
    then->near = reading.near;
    return result;
}
