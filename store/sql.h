/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry and the journal's index share of SQLite: opening, errors, statements. */
#ifndef OCTROI_STORE_SQL_H
#define OCTROI_STORE_SQL_H

#include "base/error.h"

#include <sqlite3.h>
#include <stdbool.h>

enum sql_access { SQL_READ, SQL_WRITE, SQL_CREATE };

/* WAL, foreign keys on, waits up to busy_ms for another writer. The connection belongs to one
 * thread. New files are made 0600. */
enum result sql_open(const char *path, enum sql_access access, int busy_ms, sqlite3 **db_out,
                     struct error *err);
void sql_close(sqlite3 **db);
/* While a statement works is_over is asked, about every millisecond, on the connection's thread;
 * not 0 ends the statement with RESULT_UNAVAILABLE. */
void sql_watch(sqlite3 *db, int (*is_over)(void *arg), void *arg);
enum result sql_exec(sqlite3 *db, const char *sql, struct error *err);
/* A statement to be kept for the life of the connection. */
enum result sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **statement_out,
                        struct error *err);
/* Steps a statement that returns no row, then resets it. */
enum result sql_run(sqlite3 *db, sqlite3_stmt *statement, struct error *err);
/* What went wrong last on db, as "what: reason": busy, full, read-only and I/O errors are
 * RESULT_UNAVAILABLE; a corrupt or foreign file is RESULT_DAMAGED. */
enum result sql_failure(sqlite3 *db, const char *what, struct error *err);
/* The column's text, or "" for NULL. Valid until the next step. */
const char *sql_text(sqlite3_stmt *statement, int column);

#endif
