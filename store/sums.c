/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sums.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ENTRIES = 256 };

static uint64_t hash(int64_t day, int64_t kind, int64_t origin)
{
    uint64_t mixed = (uint64_t)day * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (uint64_t)kind) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 29) ^ (uint64_t)origin) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 32);
}

/* The slot with that sum, or the free one where it belongs. */
static size_t find(const struct sums *sums, int64_t day, int64_t kind, int64_t origin)
{
    size_t slot = hash(day, kind, origin) & (sums->n_slots - 1);
    while (sums->slots[slot] != 0) {
        const struct sum *sum = &sums->all[sums->slots[slot] - 1];
        if (sum->day == day && sum->kind == kind && sum->origin == origin)
            break;
        slot = (slot + 1) & (sums->n_slots - 1);
    }
    return slot;
}

/* Half of the slots are free at least, so that a search is short. */
static bool grow(struct sums *sums)
{
    size_t capacity = sums->capacity > 0 ? sums->capacity * 2 : FIRST_ENTRIES;
    if (capacity > UINT32_MAX / 2)
        return false;
    struct sum *all = reallocarray(sums->all, capacity, sizeof(*all));
    if (all == NULL)
        return false;
    sums->all = all;
    uint32_t *slots = calloc(capacity * 2, sizeof(*slots));
    if (slots == NULL)
        return false;
    free(sums->slots);
    sums->slots = slots;
    sums->n_slots = capacity * 2;
    sums->capacity = capacity;
    for (size_t i = 0; i < sums->count; i++)
        slots[find(sums, all[i].day, all[i].kind, all[i].origin)] = (uint32_t)(i + 1);
    return true;
}

bool sums_add(struct sums *sums, int64_t day, int64_t kind, int64_t origin, int64_t rows)
{
    if (sums->count == sums->capacity && !grow(sums))
        return false;
    size_t slot = find(sums, day, kind, origin);
    if (sums->slots[slot] == 0) {
        sums->all[sums->count++] = (struct sum){.day = day, .kind = kind, .origin = origin};
        sums->slots[slot] = (uint32_t)sums->count;
    }
    sums->all[sums->slots[slot] - 1].rows += rows;
    return true;
}

void sums_clear(struct sums *sums)
{
    if (sums->count > 0)
        memset(sums->slots, 0, sums->n_slots * sizeof(*sums->slots));
    sums->count = 0;
}

void sums_free(struct sums *sums)
{
    free(sums->all);
    free(sums->slots);
    *sums = (struct sums){0};
}
