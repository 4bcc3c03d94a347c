/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tickets stand for objects that may be gone when an answer comes back. Who asks hands out a
 * ticket; who gets the answer redeems it and finds the object, or NULL when the object ended or
 * its slot now serves another. One table belongs to one loop thread.
 */
#ifndef OCTROI_BASE_TICKET_H
#define OCTROI_BASE_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ticket {
    uint32_t slot;
    uint32_t generation; /* never 0 in a valid ticket */
    uint32_t item;       /* the asker's own: which recipient, which step */
};

struct ticket_table;

struct ticket_table *ticket_table_new(void);
void ticket_table_free(struct ticket_table **table);
/* A ticket for object (borrowed) with item 0; generation 0 when memory is short. */
struct ticket ticket_issue(struct ticket_table *table, void *object);
void *ticket_redeem(const struct ticket_table *table, struct ticket ticket);
void ticket_revoke(struct ticket_table *table, struct ticket ticket);
size_t ticket_count(const struct ticket_table *table);
/* Calls visit for every object; visit may revoke the ticket of the object it was given. */
void ticket_each(struct ticket_table *table, void (*visit)(void *object, void *arg), void *arg);

#endif
