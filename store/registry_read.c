/* SPDX-License-Identifier: Apache-2.0 */
#include "store/registry_read.h"

#include "store/registry_internal.h"

enum result registry_read_begin(struct registry *registry, struct error *err)
{
    int moved = 0;
    if (sqlite3_file_control(registry->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK)
        return error_set(err, RESULT_UNAVAILABLE, "the registry cannot be looked after");
    if (moved)
        return error_set(err, RESULT_UNAVAILABLE, "the registry was replaced by another file");
    enum result result = sql_exec(registry->db, "BEGIN", err);
    if (result == RESULT_OK)
        registry->in_transaction = true;
    return result;
}

enum result registry_read_end(struct registry *registry, struct error *err)
{
    registry->in_transaction = false;
    enum result result = sql_exec(registry->db, "COMMIT", err);
    if (result != RESULT_OK)
        (void)sql_exec(registry->db, "ROLLBACK", NULL);
    return result;
}
