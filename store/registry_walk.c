/* SPDX-License-Identifier: Apache-2.0 */
#include "store/registry_walk.h"

#include "store/registry_internal.h"

#include <string.h>

enum { WALK_KEYS = 512 }; /* read at once */

struct stretch {
    uint8_t keys[WALK_KEYS][RECIPIENT_KEY_BYTES];
    size_t count;
};

/* The next persons after a key; DISTINCT costs nothing where the table is ordered by it. */
static enum result read_stretch(struct registry *registry, sqlite3_stmt *statement,
                                struct stretch *stretch, const uint8_t *after, size_t after_length,
                                struct error *err)
{
    enum result result = RESULT_OK;
    stretch->count = 0;
    sqlite3_bind_blob(statement, 1, after, (int)after_length, SQLITE_STATIC);
    sqlite3_bind_int(statement, 2, WALK_KEYS);
    while (stretch->count < WALK_KEYS) {
        bool row;
        result = registry_step(registry, statement, &row, err);
        if (result != RESULT_OK || !row)
            break;
        if (sqlite3_column_bytes(statement, 0) != RECIPIENT_KEY_BYTES) {
            result = error_set(err, RESULT_DAMAGED, "the registry holds a key of another length");
            break;
        }
        memcpy(stretch->keys[stretch->count++], sqlite3_column_blob(statement, 0),
               RECIPIENT_KEY_BYTES);
    }
    registry_done(statement);
    return result;
}

enum result registry_walk_persons(struct registry *registry, person_fn *on_person, void *arg,
                                  struct error *err)
{
    struct stretch stretch;
    sqlite3_stmt *statement = NULL;
    uint8_t after[RECIPIENT_KEY_BYTES];
    size_t after_length = 0; /* the empty key precedes all others */
    bool go_on = true;
    enum result result = sql_prepare(registry->db,
                                     "SELECT DISTINCT recipient_key FROM standing"
                                     " WHERE recipient_key > ?1 ORDER BY recipient_key LIMIT ?2",
                                     &statement, err);
    while (result == RESULT_OK && go_on) {
        result = read_stretch(registry, statement, &stretch,
                              after_length > 0 ? after : (const uint8_t *)"", after_length, err);
        if (result != RESULT_OK || stretch.count == 0)
            break;
        for (size_t i = 0; i < stretch.count && go_on; i++)
            go_on = on_person(arg, stretch.keys[i]);
        memcpy(after, stretch.keys[stretch.count - 1], sizeof(after));
        after_length = sizeof(after);
    }
    sqlite3_finalize(statement);
    return result;
}
