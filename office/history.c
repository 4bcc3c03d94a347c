/* SPDX-License-Identifier: Apache-2.0 */
#include "office/history.h"

#include <stdlib.h>
#include <string.h>

const char *history_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

const json_t *history_find(const json_t *list, const char *key, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(history_text(json_array_get(list, i), key), text) == 0)
            return json_array_get(list, i);
    return NULL;
}

static bool new_entry(struct history *history, int64_t at, json_t *record)
{
    if (history->count == history->capacity) {
        size_t capacity = history->capacity > 0 ? history->capacity * 2 : 16;
        struct history_entry *entries = reallocarray(history->entries, capacity, sizeof(*entries));
        if (entries == NULL)
            return false;
        history->entries = entries;
        history->capacity = capacity;
    }
    struct history_entry *entry = &history->entries[history->count++];
    *entry = (struct history_entry){.at = at,
                                    .first = json_incref(record),
                                    .program = history_text(record, "program"),
                                    .cause = history_text(record, "cause"),
                                    .sha256 = history_text(record, "sha256"),
                                    .policies = json_array(),
                                    .partners = json_array(),
                                    .streams = json_array()};
    return entry->policies != NULL && entry->partners != NULL && entry->streams != NULL;
}

static bool extend(json_t *list, const json_t *record, const char *key)
{
    json_t *more = json_object_get(record, key);
    return more == NULL || (json_is_array(more) && json_array_extend(list, more) == 0);
}

static bool on_record(void *arg, int64_t at, const char *text, size_t length)
{
    struct history *history = arg;
    json_t *record = json_loadb(text, length, 0, NULL);
    bool ok = record != NULL;
    /* A part that goes on from none: retention took those before. It is a beginning all the same.
     */
    if (ok && (history->count == 0 || json_integer_value(json_object_get(record, "part")) == 1))
        ok = new_entry(history, at, record);
    if (ok) {
        struct history_entry *entry = &history->entries[history->count - 1];
        ok = extend(entry->policies, record, "policies") &&
             extend(entry->partners, record, "partners") &&
             extend(entry->streams, record, "streams");
    }
    json_decref(record);
    history->failed = history->failed || !ok;
    return ok;
}

enum result history_read(struct journal_index *index, int64_t since, int64_t until,
                         struct history *history, struct error *err)
{
    *history = (struct history){0};
    enum result result = journal_index_configurations(index, since, until, on_record, history, err);
    if (result == RESULT_OK && history->failed)
        result =
            error_set(err, RESULT_DAMAGED, "a configuration record of the journal cannot be read");
    if (result != RESULT_OK)
        history_free(history);
    return result;
}

void history_free(struct history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        json_decref(history->entries[i].first);
        json_decref(history->entries[i].policies);
        json_decref(history->entries[i].partners);
        json_decref(history->entries[i].streams);
    }
    free(history->entries);
    *history = (struct history){0};
}

bool history_changed(const struct history *history, size_t i)
{
    const struct history_entry *now = &history->entries[i];
    const struct history_entry *before = now - 1;
    return i == 0 || strcmp(now->sha256, before->sha256) != 0 ||
           strcmp(now->program, before->program) != 0 ||
           !json_equal(now->policies, before->policies);
}

/* The first of the entries before i, without a gap, whose value for that id is the same. */
static size_t same_since(const struct history *history, size_t i, bool partners, const char *id)
{
    const char *key = partners ? "id" : "channel";
    const char *value = partners ? "mode" : "version";
    const struct history_entry *entries = history->entries;
    const char *now = history_text(
        history_find(partners ? entries[i].partners : entries[i].policies, key, id), value);
    while (i > 0) {
        const json_t *object =
            history_find(partners ? entries[i - 1].partners : entries[i - 1].policies, key, id);
        if (object == NULL || strcmp(history_text(object, value), now) != 0)
            break;
        i--;
    }
    return i;
}

size_t history_mode_since(const struct history *history, size_t i, const char *partner)
{
    return same_since(history, i, true, partner);
}

size_t history_policy_since(const struct history *history, size_t i, const char *channel)
{
    return same_since(history, i, false, channel);
}
