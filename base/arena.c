/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 2000

struct block {
    struct block *next; /* owned */
    size_t size;
    size_t used;
    alignas(max_align_t) unsigned char data[];
};

struct arena {
    struct block *blocks; /* owned; the newest first, the first-made last */
    size_t total;
    size_t cap;
};

struct arena *arena_new(size_t cap_bytes)
{
    struct arena *arena = calloc(1, sizeof(*arena));
    if (arena != NULL)
        arena->cap = cap_bytes;
    return arena;
}

static void free_blocks(struct arena *arena, struct block *keep)
{
    while (arena->blocks != NULL && arena->blocks != keep) {
        struct block *next = arena->blocks->next;
        arena->total -= arena->blocks->size;
        free(arena->blocks);
        arena->blocks = next;
    }
}

void arena_free(struct arena **arena)
{
    if (*arena == NULL)
        return;
    free_blocks(*arena, NULL);
    free(*arena);
    *arena = NULL;
}

void arena_reset(struct arena *arena)
{
    struct block *first = arena->blocks;
    while (first != NULL && first->next != NULL)
        first = first->next;
    if (first != NULL && first->size > BLOCK_SIZE)
        first = NULL;
    free_blocks(arena, first);
    if (first != NULL)
        first->used = 0;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > arena->cap)
        return NULL;
    size_t rounded = (size + align - 1) / align * align;
    struct block *block = arena->blocks;
    if (block == NULL || block->size - block->used < rounded) {
        size_t left = arena->cap - arena->total;
        size_t want = rounded > BLOCK_SIZE ? rounded : BLOCK_SIZE;
        if (rounded > left)
            return NULL;
        if (want > left)
            want = left;
        block = malloc(sizeof(*block) + want);
        if (block == NULL)
            return NULL;
        block->size = want;
        block->used = 0;
        block->next = arena->blocks;
        arena->blocks = block;
        arena->total += want;
    }
    void *out = block->data + block->used;
    block->used += rounded;
    memset(out, 0, rounded);
    return out;
}

char *arena_copy(struct arena *arena, const char *text, size_t length)
{
    char *out = arena_alloc(arena, length + 1);
    if (out != NULL && length > 0)
        memcpy(out, text, length);
    return out;
}

char *arena_str(struct arena *arena, const char *text)
{
    return arena_copy(arena, text, strlen(text));
}
