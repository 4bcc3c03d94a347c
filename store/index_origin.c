/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the consent that a decision relied on came from: the form, its collector and the supplier,
 * as the registry's event says. They are looked up while the decision is indexed, over a connection
 * of the index's own that only reads, and never for long in one transaction. Events and forms do
 * not change; what has been erased is gone.
 *
 * A registry that cannot be read must not keep anybody from the journal: what it would say is gone.
 */
#include "base/file.h"
#include "base/log.h"
#include "store/index_kind_internal.h"

#include <inttypes.h>
#include <string.h>

enum { REGISTRY_BUSY_MS = 10000 };

static const char event_sql[] =
    "SELECT form_id || '@' || form_version, collector, supplier, form_id, form_version FROM event"
    " WHERE event_id = ?1 AND recipient_key IS NOT NULL";
static const char form_sql[] = "SELECT collector_name FROM form WHERE id = ?1 AND version = ?2";

enum { EVENT_FORM, EVENT_COLLECTOR, EVENT_SUPPLIER, EVENT_FORM_ID, EVENT_FORM_VERSION };

void index_registry_close(struct index_kinds *kinds)
{
    sqlite3_finalize(kinds->event);
    sqlite3_finalize(kinds->form);
    kinds->event = kinds->form = NULL;
    sql_close(&kinds->registry);
    kinds->reading = false;
}

void index_origin_refresh(struct journal_index *index)
{
    struct index_kinds *kinds = index->kinds;
    if (kinds == NULL)
        return;
    kinds->unreadable = false;
    if (!kinds->reading)
        return;
    kinds->reading = false;
    if (sql_exec(kinds->registry, "ROLLBACK", NULL) != RESULT_OK)
        index_registry_close(kinds);
}

static enum result open_registry(const char *path, struct index_kinds *kinds, struct error *err)
{
    if (!file_exists(path))
        return error_set(err, RESULT_NOT_FOUND, "there is none");
    enum result result = sql_open(path, SQL_READ, REGISTRY_BUSY_MS, &kinds->registry, err);
    if (result == RESULT_OK)
        result = sql_prepare(kinds->registry, event_sql, &kinds->event, err);
    if (result == RESULT_OK)
        result = sql_prepare(kinds->registry, form_sql, &kinds->form, err);
    return result;
}

/* Ready to be asked. A restore may have put another file in its place. */
static enum result begin(const char *path, struct index_kinds *kinds, struct error *err)
{
    int moved = 0;
    enum result result = RESULT_OK;
    if (kinds->reading)
        return RESULT_OK;
    if (kinds->registry != NULL &&
        (sqlite3_file_control(kinds->registry, "main", SQLITE_FCNTL_HAS_MOVED, &moved) !=
             SQLITE_OK ||
         moved))
        index_registry_close(kinds);
    if (kinds->registry == NULL)
        result = open_registry(path, kinds, err);
    if (result == RESULT_OK)
        result = sql_exec(kinds->registry, "BEGIN", err);
    kinds->reading = result == RESULT_OK;
    return result;
}

/* The form's own word on who ran it; the event's when there is no such form. */
static enum result collector_of(struct index_kinds *kinds, struct index_text *collector,
                                struct error *err)
{
    sqlite3_stmt *statement = kinds->form;
    enum result result = RESULT_OK;
    sqlite3_bind_text(statement, 1, sql_text(kinds->event, EVENT_FORM_ID), -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, sqlite3_column_int64(kinds->event, EVENT_FORM_VERSION));
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *collector = (struct index_text){sql_text(statement, 0), strlen(sql_text(statement, 0))};
    else if (code != SQLITE_DONE)
        result = sql_failure(kinds->registry, "registry", err);
    return result;
}

/* Leaves the event's row, if there is one, to be read until the statement is reset. */
static enum result find_event(const char *path, struct index_kinds *kinds, int64_t event,
                              bool *found_out, struct error *err)
{
    enum result result = begin(path, kinds, err);
    *found_out = false;
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_int64(kinds->event, 1, event);
    int code = sqlite3_step(kinds->event);
    *found_out = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE
               ? RESULT_OK
               : sql_failure(kinds->registry, "registry", err);
}

/* What is wrong with the file itself will not pass: until somebody looks after it, its events are
 * gone. */
static enum result excuse(struct index_kinds *kinds, enum result result, struct error *err)
{
    if (result != RESULT_NOT_FOUND && result != RESULT_DAMAGED && result != RESULT_SYSTEM)
        return result;
    if (!kinds->said)
        log_event(LOG_LEVEL_WARN, "the journal is indexed without the forms of the registry",
                  LOG_TEXT("reason", err->text));
    kinds->said = kinds->unreadable = true;
    return RESULT_OK;
}

static void read_event(struct index_kinds *kinds, struct index_text origin[ORIGIN_TEXTS])
{
    struct strbuf *key = &kinds->key;
    strbuf_clear(key);
    for (int i = 0; i < ORIGIN_TEXTS; i++) {
        const char *text = sql_text(kinds->event, i);
        origin[i] = (struct index_text){text, strlen(text)};
        strbuf_add(key, text, origin[i].length + 1);
    }
}

/* Of an event that was found. *number_out is left alone where the registry cannot be read. */
static enum result number_of(struct journal_index *index, int64_t *number_out, struct error *err)
{
    struct index_kinds *kinds = index->kinds;
    struct index_text origin[ORIGIN_TEXTS];
    read_event(kinds, origin);
    if (kinds->key.failed)
        return error_no_memory(err);
    if (numbering_find(&kinds->origins, kinds->key.data, kinds->key.length, number_out))
        return RESULT_OK;
    enum result result = RESULT_OK;
    if (origin[EVENT_FORM].length > 0)
        result = excuse(kinds, collector_of(kinds, &origin[EVENT_COLLECTOR], err), err);
    if (result == RESULT_OK && !kinds->unreadable) {
        result = index_origin_number(index, origin, number_out, err);
        if (result == RESULT_OK &&
            !numbering_add(&kinds->origins, kinds->key.data, kinds->key.length, *number_out))
            result = error_no_memory(err);
    }
    sqlite3_reset(kinds->form);
    return result;
}

enum result index_origin(struct journal_index *index, int64_t event, int64_t *number_out,
                         struct error *err)
{
    struct index_kinds *kinds;
    bool found = false;
    enum result result = index_kinds_get(index, &kinds, err);
    *number_out = ORIGIN_GONE;
    if (result != RESULT_OK || index->registry_path == NULL || kinds->unreadable)
        return result;
    struct error why = {0};
    result = find_event(index->registry_path, kinds, event, &found, &why);
    result = excuse(kinds, result, &why);
    if (result == RESULT_OK && found)
        result = number_of(index, number_out, &why);
    sqlite3_reset(kinds->event);
    if (result != RESULT_OK && err != NULL)
        *err = why;
    return result;
}
