/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration's history, as the journal's `configuration` records tell it: what was in force
 * from when to when, and what each change changed.
 */
#ifndef OCTROI_OFFICE_HISTORY_H
#define OCTROI_OFFICE_HISTORY_H

#include "store/journal.h"

#include <jansson.h>

/* One configuration, all its records put together. */
struct history_entry {
    int64_t at;
    const char *program, *cause, *sha256;  /* borrowed from first */
    json_t *first;                         /* owned; the first record */
    json_t *policies, *partners, *streams; /* owned arrays of objects */
};

struct history {
    struct history_entry *entries; /* owned; oldest first */
    size_t count;
    size_t capacity;
    bool failed; /* memory was short, or a record could not be read */
};

enum result history_read(struct journal_index *index, int64_t since, int64_t until,
                         struct history *history_out, struct error *err);
void history_free(struct history *history);

/* The object of list whose key is that text; NULL: none. */
const json_t *history_find(const json_t *list, const char *key, const char *text);
/* A text of an object; "" when it is not there. */
const char *history_text(const json_t *object, const char *key);
/* Whether entry i differs from the one before in anything but its moment. The first does. */
bool history_changed(const struct history *history, size_t i);
/* The entry from which on, up to and including entry i, that partner's mode (or that channel's
 * policy version) is what it is in i. */
size_t history_mode_since(const struct history *history, size_t i, const char *partner);
size_t history_policy_since(const struct history *history, size_t i, const char *channel);

#endif
