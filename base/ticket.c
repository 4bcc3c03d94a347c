/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ticket.h"

#include <stdlib.h>

struct slot {
    void *object; /* borrowed; NULL when free */
    uint32_t generation;
    uint32_t next_free;
};

#define NO_SLOT UINT32_MAX

struct ticket_table {
    struct slot *slots; /* owned */
    uint32_t capacity;
    uint32_t first_free;
    size_t used;
};

struct ticket_table *ticket_table_new(void)
{
    struct ticket_table *table = calloc(1, sizeof(*table));
    if (table != NULL)
        table->first_free = NO_SLOT;
    return table;
}

void ticket_table_free(struct ticket_table **table)
{
    if (*table == NULL)
        return;
    free((*table)->slots);
    free(*table);
    *table = NULL;
}

static bool grow(struct ticket_table *table)
{
    if (table->capacity > NO_SLOT / 4)
        return false;
    uint32_t capacity = table->capacity ? table->capacity * 2 : 64;
    struct slot *slots = realloc(table->slots, capacity * sizeof(*slots));
    if (slots == NULL)
        return false;
    for (uint32_t i = capacity; i-- > table->capacity;) {
        slots[i] = (struct slot){.generation = 1, .next_free = table->first_free};
        table->first_free = i;
    }
    table->slots = slots;
    table->capacity = capacity;
    return true;
}

struct ticket ticket_issue(struct ticket_table *table, void *object)
{
    if (table->first_free == NO_SLOT && !grow(table))
        return (struct ticket){0};
    uint32_t index = table->first_free;
    struct slot *slot = &table->slots[index];
    table->first_free = slot->next_free;
    slot->object = object;
    table->used++;
    return (struct ticket){.slot = index, .generation = slot->generation};
}

static struct slot *find(const struct ticket_table *table, struct ticket ticket)
{
    if (ticket.slot >= table->capacity || ticket.generation == 0)
        return NULL;
    struct slot *slot = &table->slots[ticket.slot];
    return slot->object != NULL && slot->generation == ticket.generation ? slot : NULL;
}

void *ticket_redeem(const struct ticket_table *table, struct ticket ticket)
{
    struct slot *slot = find(table, ticket);
    return slot != NULL ? slot->object : NULL;
}

void ticket_revoke(struct ticket_table *table, struct ticket ticket)
{
    struct slot *slot = find(table, ticket);
    if (slot == NULL)
        return;
    slot->object = NULL;
    if (++slot->generation == 0)
        slot->generation = 1;
    slot->next_free = table->first_free;
    table->first_free = ticket.slot;
    table->used--;
}

size_t ticket_count(const struct ticket_table *table)
{
    return table->used;
}

void ticket_each(struct ticket_table *table, void (*visit)(void *object, void *arg), void *arg)
{
    for (uint32_t i = 0; i < table->capacity; i++)
        if (table->slots[i].object != NULL)
            visit(table->slots[i].object, arg);
}
