/* SPDX-License-Identifier: Apache-2.0 */
#include "store/index_pending.h"

#include <stdlib.h>
#include <string.h>

/* A thousand take some 3 MB. Under load an outcome is seldom farther behind its decision. */
enum { PENDING_MOST = 1024, SLOTS = 2048 };

struct index_pending {
    size_t count;
    struct pending_decision all[PENDING_MOST];
    uint32_t slots[SLOTS]; /* one more than the place of the newest there */
};

/* FNV-1a: the ids are our own. */
static size_t slot_of(const struct field *id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < id->length; i++)
        hash = (hash ^ (unsigned char)id->text[i]) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ (hash >> 32)) & (SLOTS - 1);
}

static bool has_id(const struct pending_decision *decision, const struct field *id)
{
    const struct field *own = &decision->decision->fields.all[0];
    return own->length == id->length && memcmp(own->text, id->text, id->length) == 0;
}

struct record_copy *pending_copy(const struct fields *fields, const char *record, size_t length)
{
    struct record_copy *copy = malloc(sizeof(*copy) + length);
    if (copy == NULL)
        return NULL;
    copy->fields = *fields;
    memcpy(copy->text, record, length);
    for (size_t i = 0; i < fields->count; i++)
        if (fields->all[i].text != NULL)
            copy->fields.all[i].text = copy->text + (fields->all[i].text - record);
    return copy;
}

enum result pending_add(struct journal_index *index, const struct pending_decision *decision,
                        const struct fields *fields, const char *record, size_t length,
                        bool *full_out, struct error *err)
{
    if (index->pending == NULL)
        index->pending = calloc(1, sizeof(*index->pending));
    struct index_pending *pending = index->pending;
    if (pending == NULL)
        return error_no_memory(err);
    *full_out = pending->count == PENDING_MOST;
    if (*full_out)
        return RESULT_OK;
    struct record_copy *copy = pending_copy(fields, record, length);
    if (copy == NULL)
        return error_no_memory(err);
    uint32_t *slot = &pending->slots[slot_of(&copy->fields.all[0])];
    struct pending_decision *added = &pending->all[pending->count++];
    *added = *decision;
    added->decision = copy;
    added->outcome = NULL;
    added->next = *slot;
    *slot = (uint32_t)pending->count;
    return RESULT_OK;
}

static struct pending_decision *find(struct index_pending *pending, uint32_t at,
                                     const struct field *id)
{
    for (; at != 0; at = pending->all[at - 1].next)
        if (has_id(&pending->all[at - 1], id))
            return &pending->all[at - 1];
    return NULL;
}

struct pending_decision *pending_first(struct journal_index *index, const struct field *id)
{
    struct index_pending *pending = index->pending;
    if (pending == NULL || pending->count == 0)
        return NULL;
    return find(pending, pending->slots[slot_of(id)], id);
}

struct pending_decision *pending_next(struct journal_index *index,
                                      const struct pending_decision *decision,
                                      const struct field *id)
{
    return find(index->pending, decision->next, id);
}

size_t pending_count(const struct journal_index *index)
{
    return index->pending != NULL ? index->pending->count : 0;
}

struct pending_decision *pending_at(struct journal_index *index, size_t place)
{
    return &index->pending->all[place];
}

void pending_clear(struct journal_index *index)
{
    struct index_pending *pending = index->pending;
    if (pending == NULL || pending->count == 0)
        return;
    for (size_t i = 0; i < pending->count; i++) {
        free(pending->all[i].decision);
        free(pending->all[i].outcome);
    }
    memset(pending->slots, 0, sizeof(pending->slots));
    pending->count = 0;
}
