/* SPDX-License-Identifier: Apache-2.0 */
/*
 * direct_insert FROM TO: what the import of consents is measured against. Takes the events and
 * standings of the registry FROM, row by row as they are, and puts them into the same tables of a
 * new file TO with the SQLite library and nothing else: prepared statements, 50,000 events a
 * transaction, the import's own settings of the connection. Nothing is parsed, normalised, hashed,
 * checked or looked up. Only the inserting is timed; prints "ROWS SECONDS".
 */
#include "store/registry_internal.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 50000, EVENT_WIDTH = 16, STANDING_WIDTH = 13 /* and a computed column */ };

static sqlite3 *from;
static sqlite3 *to;

static void die(const char *what, sqlite3 *db)
{
    fprintf(stderr, "direct_insert: %s: %s\n", what,
            db != NULL ? sqlite3_errmsg(db) : strerror(errno));
    exit(EXIT_FAILURE);
}

static void run(const char *sql)
{
    if (sqlite3_exec(to, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sql, to);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        die(sql, db);
    return statement;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void copy_layout(void)
{
    sqlite3_stmt *statement = prepare(from, "SELECT sql FROM sqlite_master WHERE tbl_name IN"
                                            " ('event', 'standing') AND type IN ('table', 'index')"
                                            " AND sql IS NOT NULL ORDER BY type DESC");
    while (sqlite3_step(statement) == SQLITE_ROW)
        run((const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
}

static void insert(sqlite3_stmt *statement, sqlite3_value *const *values, int width)
{
    for (int i = 0; i < width; i++)
        sqlite3_bind_value(statement, i + 1, values[i]);
    if (sqlite3_step(statement) != SQLITE_DONE)
        die("insert", to);
    sqlite3_reset(statement);
}

static void keep(sqlite3_stmt *row, int width, sqlite3_value **values)
{
    for (int i = 0; i < width; i++)
        values[i] = sqlite3_value_dup(sqlite3_column_value(row, i));
}

static size_t load(sqlite3_stmt *events, sqlite3_stmt *standing, sqlite3_value **values)
{
    size_t count = 0;
    int code = SQLITE_ROW;
    while (count < BATCH && (code = sqlite3_step(events)) == SQLITE_ROW) {
        keep(events, EVENT_WIDTH, values);
        sqlite3_bind_int64(
            standing, 1,
            standing_id(sqlite3_column_blob(events, 1), sqlite3_column_int64(events, 0)));
        if (sqlite3_step(standing) != SQLITE_ROW)
            die("an event without standing", NULL);
        keep(standing, STANDING_WIDTH, values + EVENT_WIDTH);
        sqlite3_reset(standing);
        values += EVENT_WIDTH + STANDING_WIDTH;
        count++;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        die("read", from);
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: direct_insert FROM TO\n", stderr);
        return 2;
    }
    unlink(argv[2]);
    if (sqlite3_open_v2(argv[1], &from, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        die(argv[1], from);
    if (sqlite3_open(argv[2], &to) != SQLITE_OK)
        die(argv[2], to);
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = FULL; PRAGMA cache_size = -131072; PRAGMA wal_autocheckpoint = "
        "16384");
    copy_layout();
    sqlite3_stmt *events = prepare(from, "SELECT * FROM event ORDER BY event_id");
    sqlite3_stmt *theirs = prepare(from, "SELECT * FROM standing WHERE standing_id = ?1");
    sqlite3_stmt *event = prepare(to, "INSERT INTO event VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    sqlite3_stmt *standing = prepare(to, "INSERT INTO standing VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)");
    const size_t width = EVENT_WIDTH + STANDING_WIDTH;
    sqlite3_value **values = calloc(BATCH * width, sizeof(sqlite3_value *));
    if (values == NULL)
        die("memory", NULL);
    double spent = 0;
    unsigned long long total = 0;
    for (size_t count; (count = load(events, theirs, values)) > 0; total += count) {
        double began = seconds();
        run("BEGIN IMMEDIATE");
        for (size_t i = 0; i < count; i++) {
            insert(event, values + i * width, EVENT_WIDTH);
            insert(standing, values + i * width + EVENT_WIDTH, STANDING_WIDTH);
        }
        run("COMMIT");
        spent += seconds() - began;
        for (size_t i = 0; i < count * width; i++)
            sqlite3_value_free(values[i]);
    }
    printf("%llu %.3f\n", total, spent);
    free(values);
    sqlite3_finalize(events);
    sqlite3_finalize(theirs);
    sqlite3_finalize(event);
    sqlite3_finalize(standing);
    sqlite3_close(from);
    sqlite3_close(to);
    return EXIT_SUCCESS;
}
