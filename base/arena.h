/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One arena a transaction: everything a transaction allocates is freed at once with it. An arena
 * has a cap chosen by its owner; past it, and when memory is short, arena_alloc returns NULL.
 */
#ifndef OCTROI_BASE_ARENA_H
#define OCTROI_BASE_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(size_t cap_bytes);
void arena_free(struct arena **arena);
/* Forgets all allocations and keeps the first block for the next use. */
void arena_reset(struct arena *arena);
/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_copy(struct arena *arena, const char *text, size_t length);
char *arena_str(struct arena *arena, const char *text);

#endif
