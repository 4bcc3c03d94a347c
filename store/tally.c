/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tally.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#define TALLY_BYTES ((size_t)4 * 1024 * 1024 * 1024) /* of one answer; then it is too large */

struct tally {
    enum tally_by by[TALLY_BY_COUNT];
    size_t n_by;
    struct arena *arena;     /* owned; rows and their keys */
    struct tally_row **rows; /* owned; in order of coming, later sorted */
    size_t count;
    size_t capacity;
    uint32_t *slots; /* owned; index into rows + 1; 0: free */
    size_t n_slots;  /* a power of two */
};

static const char *const names[TALLY_BY_COUNT] = {
    [TALLY_PARTNER] = "partner",   [TALLY_STREAM] = "stream",   [TALLY_CHANNEL] = "channel",
    [TALLY_PURPOSE] = "purpose",   [TALLY_VERDICT] = "verdict", [TALLY_REASON] = "reason",
    [TALLY_EFFECT] = "effect",     [TALLY_MODE] = "mode",       [TALLY_POLICY] = "policy",
    [TALLY_DAY] = "day",           [TALLY_FORM] = "form",       [TALLY_COLLECTOR] = "collector",
    [TALLY_SUPPLIER] = "supplier",
};

const char *tally_by_name(enum tally_by by)
{
    return names[by];
}

bool tally_by_parse(const char *text, enum tally_by *by_out)
{
    for (size_t i = 0; i < TALLY_BY_COUNT; i++) {
        if (strcmp(text, names[i]) == 0) {
            *by_out = (enum tally_by)i;
            return true;
        }
    }
    return false;
}

uint64_t tally_stopped(const struct tally_counts *counts)
{
    return counts->block - counts->let_through;
}

void tally_counts_add(struct tally_counts *sum, const struct tally_counts *more)
{
    sum->decisions += more->decisions;
    sum->pass += more->pass;
    sum->block += more->block;
    sum->defer += more->defer;
    sum->let_through += more->let_through;
    sum->discarded += more->discarded;
}

struct tally *tally_new(const enum tally_by *by, size_t n)
{
    struct tally *tally = calloc(1, sizeof(*tally));
    if (tally == NULL)
        return NULL;
    memcpy(tally->by, by, n * sizeof(*by));
    tally->n_by = n;
    tally->n_slots = 256;
    tally->arena = arena_new(TALLY_BYTES);
    tally->slots = calloc(tally->n_slots, sizeof(*tally->slots));
    if (tally->arena == NULL || tally->slots == NULL)
        tally_free(&tally);
    return tally;
}

void tally_free(struct tally **tally)
{
    if (*tally == NULL)
        return;
    arena_free(&(*tally)->arena);
    free((*tally)->rows);
    free((*tally)->slots);
    free(*tally);
    *tally = NULL;
}

size_t tally_columns(const struct tally *tally)
{
    return tally->n_by;
}

enum tally_by tally_column(const struct tally *tally, size_t i)
{
    return tally->by[i];
}

bool tally_has(const struct tally *tally, enum tally_by by)
{
    for (size_t i = 0; i < tally->n_by; i++)
        if (tally->by[i] == by)
            return true;
    return false;
}

/* FNV-1a: the keys come from our own files, nobody aims at the table. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;
    do
        hash = (hash ^ *byte) * UINT64_C(0x100000001b3);
    while (*byte++ != '\0');
    return hash;
}

static uint64_t hash_keys(const struct tally *tally, const char *const *values)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < tally->n_by; i++)
        hash = hash_text(hash, values[tally->by[i]]);
    return hash ^ (hash >> 32);
}

static uint64_t hash_row(const struct tally *tally, const struct tally_row *row)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < tally->n_by; i++)
        hash = hash_text(hash, row->keys[i]);
    return hash ^ (hash >> 32);
}

static bool is_row(const struct tally *tally, const struct tally_row *row,
                   const char *const *values)
{
    for (size_t i = 0; i < tally->n_by; i++)
        if (strcmp(row->keys[i], values[tally->by[i]]) != 0)
            return false;
    return true;
}

/* The slot with that row, or the free one where it belongs. */
static size_t find_slot(const struct tally *tally, uint64_t hash, const char *const *values)
{
    size_t slot = hash & (tally->n_slots - 1);
    while (tally->slots[slot] != 0 && !is_row(tally, tally->rows[tally->slots[slot] - 1], values))
        slot = (slot + 1) & (tally->n_slots - 1);
    return slot;
}

/* At most half full, so that a search is short. */
static bool grow(struct tally *tally)
{
    if (tally->count == tally->capacity) {
        size_t capacity = tally->capacity > 0 ? tally->capacity * 2 : 64;
        struct tally_row **rows = reallocarray(tally->rows, capacity, sizeof(struct tally_row *));
        if (rows == NULL)
            return false;
        tally->rows = rows;
        tally->capacity = capacity;
    }
    if (tally->count * 2 < tally->n_slots)
        return true;
    size_t n_slots = tally->n_slots * 2;
    uint32_t *slots = n_slots > 0 && n_slots <= UINT32_MAX ? calloc(n_slots, sizeof(*slots)) : NULL;
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < tally->count; i++) {
        size_t slot = hash_row(tally, tally->rows[i]) & (n_slots - 1);
        while (slots[slot] != 0)
            slot = (slot + 1) & (n_slots - 1);
        slots[slot] = (uint32_t)(i + 1);
    }
    free(tally->slots);
    tally->slots = slots;
    tally->n_slots = n_slots;
    return true;
}

static struct tally_row *new_row(struct tally *tally, const char *const *values)
{
    struct tally_row *row = arena_alloc(tally->arena, sizeof(*row));
    for (size_t i = 0; row != NULL && i < tally->n_by; i++) {
        row->keys[i] = arena_str(tally->arena, values[tally->by[i]]);
        if (row->keys[i] == NULL)
            row = NULL;
    }
    return row;
}

bool tally_add(struct tally *tally, const char *const *values, const struct tally_counts *counts)
{
    uint64_t hash = hash_keys(tally, values);
    size_t slot = find_slot(tally, hash, values);
    if (tally->slots[slot] == 0) {
        if (!grow(tally))
            return false;
        struct tally_row *row = new_row(tally, values);
        if (row == NULL)
            return false;
        slot = find_slot(tally, hash, values);
        tally->rows[tally->count++] = row;
        tally->slots[slot] = (uint32_t)tally->count;
    }
    tally_counts_add(&tally->rows[tally->slots[slot] - 1]->counts, counts);
    return true;
}

static int compare_keys(const struct tally_row *a, const struct tally_row *b, size_t n)
{
    int order = 0;
    for (size_t i = 0; i < n && order == 0; i++)
        order = strcmp(a->keys[i], b->keys[i]);
    return order;
}

static int by_keys(const void *left, const void *right, void *tally)
{
    const struct tally_row *const *a = left;
    const struct tally_row *const *b = right;
    return compare_keys(*a, *b, ((const struct tally *)tally)->n_by);
}

static int by_count(const void *left, const void *right, void *tally)
{
    const struct tally_row *const *a = left;
    const struct tally_row *const *b = right;
    if ((*a)->counts.decisions != (*b)->counts.decisions)
        return (*a)->counts.decisions > (*b)->counts.decisions ? -1 : 1;
    return compare_keys(*a, *b, ((const struct tally *)tally)->n_by);
}

void tally_sort(struct tally *tally)
{
    if (tally->count > 0)
        qsort_r(tally->rows, tally->count, sizeof(struct tally_row *), by_keys, tally);
}

void tally_sort_by_count(struct tally *tally)
{
    if (tally->count > 0)
        qsort_r(tally->rows, tally->count, sizeof(struct tally_row *), by_count, tally);
}

size_t tally_count(const struct tally *tally)
{
    return tally->count;
}

const struct tally_row *tally_row(const struct tally *tally, size_t i)
{
    return tally->rows[i];
}
