/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers that a database has given to texts, remembered. Forgets all of them when there are too
 * many: who asks then asks the database again.
 */
#ifndef OCTROI_STORE_NUMBERING_H
#define OCTROI_STORE_NUMBERING_H

#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

struct numbered;

/* All zeros: empty. */
struct numbering {
    struct arena *arena;    /* owned; the texts */
    struct numbered *slots; /* owned */
    size_t count;
};

bool numbering_find(const struct numbering *numbering, const char *text, size_t length,
                    int64_t *number_out);
/* The text is not there yet; it may hold any bytes. False when memory is short. */
bool numbering_add(struct numbering *numbering, const char *text, size_t length, int64_t number);
void numbering_free(struct numbering *numbering);

#endif
