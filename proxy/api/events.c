/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consent events in, one or many in one transaction. Each is taken or refused for itself, with the
 * rules and the words of the import; what was taken is durable when it is answered.
 */
#include "base/clock.h"
#include "office/stops.h"
#include "proxy/api/work.h"
#include "store/import_event.h"

#include <string.h>

#define EVENTS_MOST 1000
#define VALUE_MOST  16384 /* bytes of a list joined, or of evidence */

static const char *const names[COLUMN_COUNT + 1] = {
    [COLUMN_RECIPIENT] = "recipient", [COLUMN_CHANNEL] = "channel",
    [COLUMN_EVENT] = "event",         [COLUMN_OCCURRED_AT] = "occurred_at",
    [COLUMN_FORM] = "form",           [COLUMN_PARTNERS] = "partners",
    [COLUMN_BASIS] = "basis",         [COLUMN_SUPPLIER] = "supplier",
    [COLUMN_EVIDENCE] = "evidence",
};

struct intake_work {
    struct api_work *work;
    struct desk_tools *tools;
    struct import_settings settings;
    struct import_event event;          /* owned */
    struct strbuf joined[COLUMN_COUNT]; /* owned; lists of one event */
    const char *fields[COLUMN_COUNT];
    uint64_t taken, there_already, refused;
    uint8_t key[RECIPIENT_KEY_BYTES]; /* of the last one that was taken */
    char masked[sizeof(((struct recipient *)NULL)->masked)];
    const char *refused_name; /* of the last one that was: NULL: of no one member */
    char why[200];
};

/* ---- one event's members ---- */

static bool join(struct strbuf *out, const json_t *list)
{
    size_t i;
    json_t *item;
    strbuf_clear(out);
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        const char *text = json_string_value(item);
        if (text == NULL || strlen(text) != json_string_length(item) || strchr(text, '|') != NULL)
            return false;
        strbuf_add_str(out, i > 0 ? "|" : "");
        strbuf_add_str(out, text);
    }
    return !out->failed && out->length <= VALUE_MOST;
}

static enum result refuse(struct intake_work *intake, enum import_column column, const char *why,
                          struct error *err)
{
    intake->event.refused = column;
    return error_set(err, RESULT_BAD_INPUT, "%s", why);
}

static enum result read_member(struct intake_work *intake, enum import_column column,
                               const json_t *value, struct error *err)
{
    bool list = column == COLUMN_CHANNEL || column == COLUMN_PARTNERS;
    const char *text = json_string_value(value);
    intake->fields[column] = "";
    if (value == NULL || json_is_null(value))
        return RESULT_OK;
    if (list && json_is_array(value)) {
        if (!join(&intake->joined[column], value))
            return refuse(intake, column, "must be a list of words", err);
        if (intake->joined[column].length > 0)
            intake->fields[column] = intake->joined[column].data;
        return RESULT_OK;
    }
    if (text == NULL || strlen(text) != json_string_length(value) || column == COLUMN_PARTNERS)
        return refuse(intake, column, list ? "must be a list of words" : "must be a text", err);
    if (strlen(text) > VALUE_MOST)
        return refuse(intake, column, "is too long", err);
    intake->fields[column] = text;
    return RESULT_OK;
}

static bool is_known(const char *name)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static enum result read_members(struct intake_work *intake, const json_t *object, struct error *err)
{
    const char *name;
    json_t *value;
    enum result result = RESULT_OK;
    intake->event.refused = COLUMN_COUNT;
    if (!json_is_object(object))
        return error_set(err, RESULT_BAD_INPUT, "an event must be an object");
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (!is_known(name))
            return error_set(err, RESULT_BAD_INPUT, "it has a member that no event has");
    }
    for (size_t i = 0; i < COLUMN_COUNT && result == RESULT_OK; i++)
        result = read_member(intake, (enum import_column)i, json_object_get(object, names[i]), err);
    return result;
}

/* ---- whether it may be taken ---- */

/* In a withdrawal a partner that is misspelt would leave the person written to. */
static enum result check_partners(struct intake_work *intake, struct error *err)
{
    const struct event_input *event = &intake->event.event;
    bool against = event->kind == EVENT_WITHDRAWN || event->kind == EVENT_OBJECTED;
    const char *own = intake->work->token.partner;
    for (size_t i = 0; i < event->n_partners && against; i++)
        if (config_partner(intake->work->config, event->partners[i]) == NULL)
            return refuse(intake, COLUMN_PARTNERS, "the configuration knows no such partner", err);
    if (own[0] == '\0')
        return RESULT_OK;
    if (!against)
        return refuse(intake, COLUMN_EVENT,
                      "this token may hand in withdrawals and objections only", err);
    if (event->form_id != NULL || event->supplier[0] != '\0')
        return refuse(intake, event->form_id != NULL ? COLUMN_FORM : COLUMN_SUPPLIER,
                      "this token may not name one", err);
    if (event->n_partners != 1 || strcmp(event->partners[0], own) != 0)
        return refuse(intake, COLUMN_PARTNERS, "this token may name its own partner only", err);
    return RESULT_OK;
}

/* A partner's token could say the same "no" without end, each at another moment: every one of them
 * would be read before each message to that person. What says something new stays in the event. */
static enum result drop_what_was_said(struct intake_work *intake, struct error *err)
{
    const char *partner = intake->work->token.partner;
    return partner[0] == '\0'
               ? RESULT_OK
               : stop_drop_known(intake->tools->registry, &intake->event.event, partner, err);
}

static enum result take(struct intake_work *intake, const json_t *object, unsigned *added_out,
                        struct error *err)
{
    enum result result = read_members(intake, object, err);
    if (result == RESULT_OK)
        result = import_event_read(&intake->event, intake->fields, err);
    if (result == RESULT_OK)
        result = check_partners(intake, err);
    if (result == RESULT_OK) {
        struct recipient who;
        memcpy(intake->key, intake->event.event.recipient_key, sizeof(intake->key));
        recipient_mask(&intake->event.address, &who);
        str_copy(intake->masked, sizeof(intake->masked), who.masked);
        bool asked = intake->event.event.channels != 0;
        result = drop_what_was_said(intake, err);
        if (result == RESULT_OK && (!asked || intake->event.event.channels != 0))
            result = registry_add_event(intake->tools->registry, &intake->event.event,
                                        intake->work->now, added_out, err);
        if (result == RESULT_BAD_INPUT)
            intake->event.refused = COLUMN_COUNT;
    }
    import_event_wipe(&intake->event);
    return result;
}

/* ---- all of them ---- */

static void add_status(struct intake_work *intake, enum result result, unsigned added,
                       const struct error *why)
{
    struct strbuf *out = &intake->work->out;
    enum import_column column = intake->event.refused;
    strbuf_add_str(out, intake->taken + intake->there_already + intake->refused > 0 ? ",{" : "{");
    if (result == RESULT_OK) {
        strbuf_add_json_field(out, "status", added > 0 ? "taken" : "there-already");
        *(added > 0 ? &intake->taken : &intake->there_already) += 1;
    } else {
        intake->refused++;
        intake->refused_name = column < COLUMN_COUNT ? names[column] : NULL;
        str_copy(intake->why, sizeof(intake->why), why->text);
        strbuf_add_json_field(out, "status", "refused");
        strbuf_add_json_field(out, "member", intake->refused_name);
        strbuf_add_json_field(out, "why", why->text);
    }
    strbuf_add_char(out, '}');
}

static enum result take_all(struct intake_work *intake, const json_t *events, struct error *err)
{
    struct registry *registry = intake->tools->registry;
    size_t count = json_is_array(events) ? json_array_size(events) : 1;
    enum result result = registry_begin(registry, err);
    if (result != RESULT_OK)
        return result;
    for (size_t i = 0; i < count; i++) {
        struct error why = {0};
        unsigned added = 0;
        result =
            take(intake, json_is_array(events) ? json_array_get(events, i) : events, &added, &why);
        if (result != RESULT_OK && result != RESULT_BAD_INPUT) {
            *err = why;
            registry_rollback(registry);
            return result;
        }
        add_status(intake, result, added, &why);
    }
    return registry_commit(registry, err);
}

static void note_act(struct intake_work *intake, bool single)
{
    struct api_work *work = intake->work;
    if (intake->taken + intake->there_already == 0)
        return;
    /* That one is there already tells of a person, too. */
    work->access.act = "event.add";
    work->access.partner = work->token.partner;
    work->access.count = intake->taken;
    work->access.answer = intake->taken > 0 ? "taken" : "there already";
    if (!single)
        return;
    uint8_t *key = arena_alloc(work->arena, sizeof(intake->key));
    const char *masked = arena_str(work->arena, intake->masked);
    if (key == NULL || masked == NULL)
        return; /* it is on record with the event all the same */
    memcpy(key, intake->key, sizeof(intake->key));
    work->access.key = key;
    work->access.masked = masked;
}

static enum result answer(struct intake_work *intake, bool single)
{
    struct api_work *work = intake->work;
    if (single && intake->refused > 0)
        return api_refuse(work, 422, "event", "The event was not taken", "%s%s%s",
                          intake->refused_name != NULL ? intake->refused_name : "",
                          intake->refused_name != NULL ? ": " : "", intake->why);
    strbuf_add_char(&work->out, ']');
    strbuf_add_json_number(&work->out, "taken", (int64_t)intake->taken);
    strbuf_add_json_number(&work->out, "there_already", (int64_t)intake->there_already);
    strbuf_add_json_number(&work->out, "refused", (int64_t)intake->refused);
    strbuf_add_str(&work->out, "}\n");
    return RESULT_OK;
}

static enum result run(struct intake_work *intake, const json_t *events, struct error *err)
{
    bool single = events == intake->work->in;
    strbuf_add_str(&intake->work->out, "{\"events\":[");
    enum result result = take_all(intake, events, err);
    if (result != RESULT_OK)
        return result;
    note_act(intake, single);
    return answer(intake, single);
}

enum result api_events(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    static const char *const batch[] = {"events", NULL};
    const json_t *events = json_object_get(work->in, "events");
    struct intake_work intake = {.work = work, .tools = tools};
    size_t count = json_array_size(events);
    intake.settings = (struct import_settings){
        .hmac = tools->hmac, .region = work->config->region, .origin = work->who};
    intake.event.settings = &intake.settings;
    if (events != NULL && !api_known(work, work->in, batch))
        return RESULT_OK;
    if (events != NULL && (!json_is_array(events) || count == 0 || count > EVENTS_MOST))
        return api_malformed(work, "events", "must be a list of 1 to 1000 events");
    enum result result = run(&intake, events != NULL ? events : work->in, err);
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        strbuf_free(&intake.joined[i]);
    import_event_free(&intake.event);
    return result;
}
