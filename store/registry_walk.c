/* SPDX-License-Identifier: Apache-2.0 */
#include "store/registry_walk.h"

#include "store/registry_internal.h"

#include <stdlib.h>
#include <string.h>

enum { WALK_ROWS = 512 }; /* read at once, and the rest of the last one's neighbours */

struct stretch {
    uint8_t (*keys)[RECIPIENT_KEY_BYTES]; /* owned */
    size_t count, capacity;
};

static enum result take_key(struct stretch *stretch, sqlite3_stmt *statement, struct error *err)
{
    if (sqlite3_column_bytes(statement, 0) != RECIPIENT_KEY_BYTES)
        return error_set(err, RESULT_DAMAGED, "the registry holds a key of another length");
    if (stretch->count == stretch->capacity) {
        size_t capacity = stretch->capacity > 0 ? stretch->capacity * 2 : WALK_ROWS;
        void *keys = reallocarray(stretch->keys, capacity, sizeof(*stretch->keys));
        if (keys == NULL)
            return error_no_memory(err);
        stretch->keys = keys;
        stretch->capacity = capacity;
    }
    memcpy(stretch->keys[stretch->count++], sqlite3_column_blob(statement, 0), RECIPIENT_KEY_BYTES);
    return RESULT_OK;
}

static enum result read_stretch(struct registry *registry, sqlite3_stmt *statement,
                                const struct standing_range *range, struct stretch *stretch,
                                struct error *err)
{
    enum result result = RESULT_OK;
    stretch->count = 0;
    sqlite3_bind_int64(statement, 1, range->first);
    sqlite3_bind_int64(statement, 2, range->last);
    while (result == RESULT_OK) {
        bool row;
        result = registry_step(registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        result = take_key(stretch, statement, err);
    }
    registry_done(statement);
    return result;
}

enum result registry_walk_persons(struct registry *registry, person_fn *on_person, void *arg,
                                  struct error *err)
{
    struct stretch stretch = {0};
    struct standing_range range = {0, -1};
    sqlite3_stmt *statement = NULL;
    bool go_on = true;
    enum result result = sql_prepare(registry->db,
                                     "SELECT DISTINCT recipient_key FROM standing"
                                     " WHERE standing_id BETWEEN ?1 AND ?2 ORDER BY recipient_key",
                                     &statement, err);
    while (result == RESULT_OK && go_on) {
        result = standing_stretch(registry, range.last, WALK_ROWS, &range, err);
        if (result != RESULT_OK || range.last < range.first)
            break;
        result = read_stretch(registry, statement, &range, &stretch, err);
        for (size_t i = 0; result == RESULT_OK && i < stretch.count && go_on; i++)
            go_on = on_person(arg, stretch.keys[i]);
    }
    sqlite3_finalize(statement);
    free(stretch.keys);
    return result;
}
