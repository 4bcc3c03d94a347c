/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that the registry holds on one person, in memory: the events, oldest first, and the form
 * versions they name, as they were added. What explains a verdict and what answers a person read
 * the same history, so that they cannot disagree. It owns copies of everything, and knows the
 * person by key only.
 */
#ifndef OCTROI_OFFICE_PAST_H
#define OCTROI_OFFICE_PAST_H

#include "base/arena.h"
#include "store/registry.h"

struct past_form {
    struct form *form;       /* as it was added; owned */
    int64_t effective_until; /* INT64_MAX while current */
    int64_t added_at;
    int64_t invalidated_at; /* 0: valid */
    const char *invalid_reason;
    const char *json; /* the file itself */
};

struct past_event {
    int64_t id;
    enum event_kind kind;
    enum channel channel;
    int64_t occurred_at, recorded_at;
    const char *form_id; /* NULL: none */
    int form_version;
    const struct past_form *form; /* NULL: none, or one that was never registered */
    const char *partners;         /* joined by '|', "" when none */
    enum basis basis;
    const char *supplier, *collector, *evidence, *origin; /* "" when none */
};

struct past {
    struct arena *arena; /* owned; all strings and the events */
    struct past_event *events;
    size_t n_events;
    struct past_form *forms; /* owned; in order of id and version */
    size_t n_forms;
};

enum result past_read(struct registry *registry, const uint8_t key[RECIPIENT_KEY_BYTES],
                      struct past *history_out, struct error *err);
void past_free(struct past *history);

static inline bool past_is_grant(const struct past_event *event)
{
    return event->kind == EVENT_GIVEN || event->kind == EVENT_RENEWED;
}
/* NULL when there is no event with that number. The second is quick. */
const struct past_event *past_event(const struct past *history, int64_t id);
const struct past_event *past_find(const struct past *history, int64_t occurred_at, int64_t id);
/* "jeu-ete@3", or "" when the event names no form. */
#define PAST_FORM 80
const char *past_form_name(const struct past_event *event, char out[PAST_FORM]);

#endif
