/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry's connection: opening, transactions, prepared statements, and what the other files
 * share. Every write transaction is IMMEDIATE, so that a lock is waited for at its start and never
 * half-way through.
 */
#include "store/registry_internal.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

/* For the inner nodes of ten million standings; with SQLite's usual 2 MiB each look-up in a large
 * registry reads its whole way down anew. A small registry does not use it. */
#define READ_CACHE_KIB "-65536"

static enum result prepare_file(struct registry *registry, enum sql_access access,
                                struct error *err)
{
    if (access != SQL_READ) {
        enum result result = registry_migrate(registry, err);
        /* A withdrawal once acknowledged must survive a power cut. */
        return result == RESULT_OK ? sql_exec(registry->db, "PRAGMA synchronous = FULL", err)
                                   : result;
    }
    enum result result = registry_check_schema(registry->db, err);
    int code = sqlite3_errcode(registry->db) & 0xff;
    if (result == RESULT_UNAVAILABLE && (code == SQLITE_CANTOPEN || code == SQLITE_READONLY))
        return error_set(err, RESULT_UNAVAILABLE,
                         "cannot be read: this user must be allowed to write to its folder and to "
                         "the -wal and -shm files beside it, even for reading");
    return result == RESULT_OK ? sql_exec(registry->db, "PRAGMA cache_size = " READ_CACHE_KIB, err)
                               : result;
}

enum result registry_open_as(const char *path, enum sql_access access, int busy_ms,
                             struct registry **registry_out, struct error *err)
{
    if (access != SQL_CREATE && !file_exists(path))
        return error_set(err, RESULT_NOT_FOUND, "%s does not exist", path);
    struct registry *registry = calloc(1, sizeof(*registry));
    if (registry == NULL)
        return error_no_memory(err);
    enum result result = RESULT_OK;
    registry->arena = arena_new(REGISTRY_FACTS_BYTES);
    registry->kept.arena = arena_new(REGISTRY_FACTS_BYTES);
    if (registry->arena == NULL || registry->kept.arena == NULL ||
        !hasher_open(&registry->hasher)) {
        result = error_no_memory(err);
        goto out;
    }
    result = sql_open(path, access, busy_ms, &registry->db, err);
    if (result != RESULT_OK)
        goto out;
    result = prepare_file(registry, access, err);
    if (result != RESULT_OK)
        error_prefix(err, "%s", path);
out:
    if (result == RESULT_OK)
        *registry_out = registry;
    else
        registry_close(&registry);
    return result;
}

enum result registry_open(const char *path, bool create, struct registry **registry_out,
                          struct error *err)
{
    return registry_open_as(path, create ? SQL_CREATE : SQL_WRITE, REGISTRY_BUSY_MS, registry_out,
                            err);
}

enum result registry_open_reader(const char *path, struct registry **registry_out,
                                 struct error *err)
{
    return registry_open_as(path, SQL_READ, REGISTRY_BUSY_MS, registry_out, err);
}

void registry_watch(struct registry *registry, int (*is_over)(void *arg), void *arg)
{
    sql_watch(registry->db, is_over, arg);
}

void registry_close(struct registry **registry_pointer)
{
    struct registry *registry = *registry_pointer;
    if (registry == NULL)
        return;
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(registry->statements[i]);
    sql_close(&registry->db);
    hasher_close(&registry->hasher);
    strbuf_free(&registry->scratch);
    strbuf_free(&registry->masked);
    strbuf_free(&registry->partners);
    strbuf_free(&registry->sealed);
    arena_free(&registry->arena);
    arena_free(&registry->kept.arena);
    free(registry->events);
    free(registry);
    *registry_pointer = NULL;
}

/* ---- statements ---- */

enum result registry_has_moved(struct registry *registry, bool *moved_out, struct error *err)
{
    int moved = 0;
    if (sqlite3_file_control(registry->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK)
        return error_set(err, RESULT_UNAVAILABLE, "the registry's file cannot be looked after");
    *moved_out = moved != 0;
    return RESULT_OK;
}

enum result registry_prepared(struct registry *registry, enum registry_statement slot,
                              const char *sql, sqlite3_stmt **statement_out, struct error *err)
{
    enum result result = RESULT_OK;
    if (registry->statements[slot] == NULL)
        result = sql_prepare(registry->db, sql, &registry->statements[slot], err);
    *statement_out = registry->statements[slot];
    return result;
}

enum result registry_step(struct registry *registry, sqlite3_stmt *statement, bool *row_out,
                          struct error *err)
{
    int code = sqlite3_step(statement);
    *row_out = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? RESULT_OK
                                                     : sql_failure(registry->db, "registry", err);
}

void registry_done(sqlite3_stmt *statement)
{
    if (statement == NULL)
        return;
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

void registry_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

enum result registry_bind_masked(sqlite3_stmt *statement, int index, const char *text,
                                 struct error *err)
{
    if (!text_has_email(text)) {
        registry_bind_text(statement, index, text);
        return RESULT_OK;
    }
    struct strbuf masked = {0};
    text_hide_emails(text, &masked);
    bool bound = !masked.failed && sqlite3_bind_text(statement, index, masked.data, -1,
                                                     SQLITE_TRANSIENT) == SQLITE_OK;
    strbuf_free(&masked);
    return bound ? RESULT_OK : error_no_memory(err);
}

/* ---- transactions ---- */

enum result registry_begin(struct registry *registry, struct error *err)
{
    if (registry->in_transaction)
        return error_set(err, RESULT_CONFLICT, "a transaction is open already");
    enum result result = sql_exec(registry->db, "BEGIN IMMEDIATE", err);
    registry->in_transaction = result == RESULT_OK;
    registry->head.known = false;
    registry->seen = (struct registry_seen){0};
    return result;
}

enum result registry_commit(struct registry *registry, struct error *err)
{
    enum result result = sql_exec(registry->db, "COMMIT", err);
    registry->head.known = false;
    if (result == RESULT_OK)
        registry->in_transaction = false;
    else
        registry_rollback(registry);
    return result;
}

void registry_rollback(struct registry *registry)
{
    registry->in_transaction = false;
    registry->head.known = false;
    registry->seen = (struct registry_seen){0};
    /* A rollback can only fail when SQLite has rolled back already. */
    if (!sqlite3_get_autocommit(registry->db))
        (void)sql_exec(registry->db, "ROLLBACK", NULL);
}

enum result registry_enter(struct registry *registry, bool *own_out, struct error *err)
{
    *own_out = !registry->in_transaction;
    if (*own_out)
        return registry_begin(registry, err);
    /* After a full disk or an I/O error SQLite rolls back by itself. What came before is gone, so
     * what follows must not quietly become a transaction of its own. */
    if (sqlite3_get_autocommit(registry->db))
        return error_set(err, RESULT_UNAVAILABLE, "the transaction was rolled back");
    return RESULT_OK;
}

enum result registry_leave(struct registry *registry, bool own, enum result result,
                           struct error *err)
{
    if (!own)
        return result;
    if (result == RESULT_OK)
        return registry_commit(registry, err);
    registry_rollback(registry);
    return result;
}

/* ---- sets as text ---- */

static void add_word(char *out, const char *word)
{
    size_t used = strlen(out);
    if (used > 0 && used + 1 < REGISTRY_SET_TEXT)
        out[used++] = '|';
    str_copy(out + used, REGISTRY_SET_TEXT - used, word);
}

void registry_channels_text(unsigned channels, char out[REGISTRY_SET_TEXT])
{
    out[0] = '\0';
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if (channels & CHANNEL_BIT(i))
            add_word(out, channel_name((enum channel)i));
}

void registry_purposes_text(unsigned purposes, char out[REGISTRY_SET_TEXT])
{
    out[0] = '\0';
    for (int i = 0; i < PURPOSE_COUNT; i++)
        if (purposes & PURPOSE_BIT(i))
            add_word(out, purpose_name((enum purpose)i));
}

/* Copies the next word of a '|'-joined text; false at the end or when it cannot be a word. */
static bool next_word(const char **text, char out[REGISTRY_SET_TEXT])
{
    size_t length = strcspn(*text, "|");
    if (length == 0 || !str_copy_n(out, REGISTRY_SET_TEXT, *text, length))
        return false;
    *text += length;
    if (**text == '|')
        ++*text;
    return true;
}

bool registry_channels_parse(const char *text, unsigned *channels_out)
{
    char word[REGISTRY_SET_TEXT];
    unsigned channels = 0;
    while (*text != '\0') {
        enum channel channel;
        if (!next_word(&text, word) || !channel_parse(word, &channel))
            return false;
        channels |= CHANNEL_BIT(channel);
    }
    *channels_out = channels;
    return true;
}

bool registry_purposes_parse(const char *text, unsigned *purposes_out)
{
    char word[REGISTRY_SET_TEXT];
    unsigned purposes = 0;
    while (*text != '\0') {
        enum purpose purpose;
        if (!next_word(&text, word) || !purpose_parse(word, &purpose))
            return false;
        purposes |= PURPOSE_BIT(purpose);
    }
    *purposes_out = purposes;
    return true;
}
