/* SPDX-License-Identifier: Apache-2.0 */
#include "store/numbering.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES ((size_t)4 * 1024 * 1024)

enum { SLOTS = 1 << 14, MOST = SLOTS / 2 };

struct numbered {
    const char *text; /* NULL: free */
    size_t length;
    int64_t number;
};

/* FNV-1a: the texts come from our own files, nobody aims at the table. */
static size_t hash(const char *text, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ (hash >> 32)) & (SLOTS - 1);
}

/* The one with that text, or the free one where it belongs. */
static struct numbered *find(const struct numbering *numbering, const char *text, size_t length)
{
    size_t slot = hash(text, length);
    for (;;) {
        struct numbered *numbered = &numbering->slots[slot];
        if (numbered->text == NULL ||
            (numbered->length == length && memcmp(numbered->text, text, length) == 0))
            return numbered;
        slot = (slot + 1) & (SLOTS - 1);
    }
}

bool numbering_find(const struct numbering *numbering, const char *text, size_t length,
                    int64_t *number_out)
{
    if (numbering->count == 0)
        return false;
    const struct numbered *numbered = find(numbering, text, length);
    *number_out = numbered->number;
    return numbered->text != NULL;
}

bool numbering_add(struct numbering *numbering, const char *text, size_t length, int64_t number)
{
    if (numbering->arena == NULL)
        numbering->arena = arena_new(TEXT_BYTES);
    if (numbering->slots == NULL)
        numbering->slots = calloc(SLOTS, sizeof(*numbering->slots));
    if (numbering->arena == NULL || numbering->slots == NULL)
        return false;
    const char *copy = numbering->count < MOST ? arena_copy(numbering->arena, text, length) : NULL;
    if (copy == NULL && numbering->count > 0) {
        arena_reset(numbering->arena);
        memset(numbering->slots, 0, SLOTS * sizeof(*numbering->slots));
        numbering->count = 0;
        copy = arena_copy(numbering->arena, text, length);
    }
    if (copy == NULL)
        return false;
    *find(numbering, text, length) =
        (struct numbered){.text = copy, .length = length, .number = number};
    numbering->count++;
    return true;
}

void numbering_free(struct numbering *numbering)
{
    arena_free(&numbering->arena);
    free(numbering->slots);
    *numbering = (struct numbering){0};
}
