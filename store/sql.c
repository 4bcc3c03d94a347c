/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sql.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#define WATCH_STEPS 10000 /* of SQLite's machine between two looks */

enum result sql_failure(sqlite3 *db, const char *what, struct error *err)
{
    int code = sqlite3_errcode(db) & 0xff;
    enum result result = RESULT_SYSTEM;
    switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_INTERRUPT: /* sql_watch */
        result = RESULT_UNAVAILABLE;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        result = RESULT_DAMAGED;
        break;
    case SQLITE_NOMEM:
        result = RESULT_NO_MEMORY;
        break;
    default:
        break;
    }
    return error_set(err, result, "%s: %s", what, sqlite3_errmsg(db));
}

/* SQLite counts its memory under one lock for all connections, several times a statement. Nobody
 * asks for the figures. It must be said before the first connection. */
static void configure(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum result sql_open(const char *path, enum sql_access access, int busy_ms, sqlite3 **db_out,
                     struct error *err)
{
    static pthread_once_t configured = PTHREAD_ONCE_INIT;
    int flags = SQLITE_OPEN_NOMUTEX;
    pthread_once(&configured, configure);
    if (access == SQL_CREATE) {
        /* Made here, so that the mode does not depend on the umask of who runs the command. Only if
         * it is not there: to close a file ends every lock this process holds on it, those of its
         * other connections too, and who comes from outside then takes their log away. */
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0)
            close(fd);
        flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    } else {
        flags |= access == SQL_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    }
    sqlite3 *db = NULL;
    enum result result = RESULT_OK;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) {
        if (db == NULL)
            return error_no_memory(err);
        result = sql_failure(db, path, err);
    }
    if (result == RESULT_OK) {
        sqlite3_busy_timeout(db, busy_ms);
        result = sql_exec(db,
                          access == SQL_READ ? "PRAGMA foreign_keys = ON"
                                             : "PRAGMA journal_mode = WAL;"
                                               "PRAGMA foreign_keys = ON",
                          err);
    }
    if (result != RESULT_OK) {
        error_prefix(err, "%s", path);
        sqlite3_close(db);
        return result;
    }
    *db_out = db;
    return RESULT_OK;
}

void sql_close(sqlite3 **db)
{
    if (*db != NULL)
        sqlite3_close(*db);
    *db = NULL;
}

void sql_watch(sqlite3 *db, int (*is_over)(void *arg), void *arg)
{
    sqlite3_progress_handler(db, WATCH_STEPS, is_over, arg);
}

enum result sql_exec(sqlite3 *db, const char *sql, struct error *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sql_failure(db, "database", err);
    return RESULT_OK;
}

enum result sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **statement_out,
                        struct error *err)
{
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement_out, NULL) !=
        SQLITE_OK)
        return sql_failure(db, "database", err);
    return RESULT_OK;
}

enum result sql_run(sqlite3 *db, sqlite3_stmt *statement, struct error *err)
{
    int code = sqlite3_step(statement);
    enum result result =
        code == SQLITE_DONE || code == SQLITE_ROW ? RESULT_OK : sql_failure(db, "database", err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
}

const char *sql_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text != NULL ? (const char *)text : "";
}
