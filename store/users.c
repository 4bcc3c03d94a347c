/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and their sessions. A session's secret has 256 random bits, so that one hash of it is
 * enough, and looking that hash up tells nobody anything: it cannot be steered.
 */
#include "store/users.h"
#include "store/registry_internal.h"

#include "base/crypto.h"

#include <string.h>

#define SEEN_STEP (60 * CLOCK_SECOND)

static const char *const role_names[ROLE_COUNT] = {
    [ROLE_READER] = "reader",
    [ROLE_COMPLIANCE] = "compliance",
    [ROLE_ADMINISTRATOR] = "administrator",
};

const char *user_role_name(enum user_role role)
{
    return role_names[role];
}

bool user_role_parse(const char *text, enum user_role *role_out)
{
    for (int i = 0; i < ROLE_COUNT; i++)
        if (strcmp(role_names[i], text) == 0) {
            *role_out = (enum user_role)i;
            return true;
        }
    return false;
}

bool user_name_valid(const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strspn(name, plain);
    return length > 0 && length < USER_NAME && name[length] == '\0' &&
           strchr("._-", name[0]) == NULL;
}

/* ---- reading ---- */

#define COLUMNS                                                                    \
    "u.name, u.role, u.hash IS NOT NULL, u.created_at, coalesce(u.removed_at, 0)," \
    " coalesce(u.last_seen_at, 0), coalesce(u.hash, '')"
enum { HASH_COLUMN = 6, COLUMN_COUNT = 7 };

static enum result read_user(sqlite3_stmt *statement, struct user *user, struct error *err)
{
    *user = (struct user){
        .has_password = sqlite3_column_int(statement, 2) != 0,
        .created_at = sqlite3_column_int64(statement, 3),
        .removed_at = sqlite3_column_int64(statement, 4),
        .last_seen_at = sqlite3_column_int64(statement, 5),
    };
    bool whole = str_copy(user->name, sizeof(user->name), sql_text(statement, 0)) &&
                 user_role_parse(sql_text(statement, 1), &user->role);
    return whole ? RESULT_OK : error_set(err, RESULT_DAMAGED, "a user cannot be read");
}

static enum result no_user(const char *name, struct error *err)
{
    /* Names come from outside; what is no name is not repeated. */
    return user_name_valid(name)
               ? error_set(err, RESULT_NOT_FOUND, "there is no user \"%s\"", name)
               : error_set(err, RESULT_NOT_FOUND, "there is no user of that name");
}

enum result registry_users(struct registry *registry, user_fn *on_user, void *arg,
                           struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = true;
    bool go_on = true;
    enum result result = sql_prepare(
        registry->db, "SELECT " COLUMNS " FROM console_user u ORDER BY u.name", &statement, err);
    while (result == RESULT_OK && row && go_on) {
        struct user user;
        result = registry_step(registry, statement, &row, err);
        if (result == RESULT_OK && row)
            result = read_user(statement, &user, err);
        if (result == RESULT_OK && row)
            go_on = on_user(arg, &user);
    }
    sqlite3_finalize(statement);
    return result;
}

enum result registry_find_user(struct registry *registry, const char *name, struct user *user_out,
                               char hash_out[USER_HASH], struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    enum result result = registry_prepared(
        registry, STATEMENT_USER_FIND,
        "SELECT " COLUMNS " FROM console_user u WHERE u.name = ?1 AND u.removed_at IS NULL",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, name);
    result = registry_step(registry, statement, &row, err);
    if (result == RESULT_OK && !row)
        result = no_user(name, err);
    else if (result == RESULT_OK)
        result = read_user(statement, user_out, err);
    if (result == RESULT_OK && !str_copy(hash_out, USER_HASH, sql_text(statement, HASH_COLUMN)))
        result = error_set(err, RESULT_DAMAGED, "a user cannot be read");
    registry_done(statement);
    return result;
}

/* ---- changing ---- */

/* One statement with the user's name as ?1, within a write transaction. value: ?2, NULL or text;
 * at: ?3. */
static enum result change(struct registry *registry, const char *sql, const char *name,
                          const char *value, int64_t at, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(registry->db, sql, &statement, err);
    if (result == RESULT_OK) {
        registry_bind_text(statement, 1, name);
        if (value != NULL)
            registry_bind_text(statement, 2, value);
        if (sqlite3_bind_parameter_count(statement) >= 3)
            sqlite3_bind_int64(statement, 3, at);
        result = sql_run(registry->db, statement, err);
    }
    sqlite3_finalize(statement);
    return result;
}

static enum result check_name_free(struct registry *registry, const char *name, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    enum result result =
        sql_prepare(registry->db, "SELECT removed_at IS NOT NULL FROM console_user WHERE name = ?1",
                    &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, name);
    result = registry_step(registry, statement, &row, err);
    if (result == RESULT_OK && row)
        result = sqlite3_column_int(statement, 0) == 0
                     ? error_set(err, RESULT_CONFLICT, "there is a user \"%s\" already", name)
                     : error_set(err, RESULT_CONFLICT,
                                 "\"%s\" was the name of a user who is removed: what was done "
                                 "under it is on record; take another name",
                                 name);
    sqlite3_finalize(statement);
    return result;
}

static enum result check_hash(const char *hash, struct error *err)
{
    if (hash != NULL && (*hash == '\0' || strlen(hash) >= USER_HASH))
        return error_set(err, RESULT_BAD_INPUT, "this is no hash of a password");
    return RESULT_OK;
}

enum result registry_add_user(struct registry *registry, const struct user *user, const char *hash,
                              struct error *err)
{
    bool own;
    if (!user_name_valid(user->name))
        return error_set(err, RESULT_BAD_INPUT,
                         "a user's name has lower-case letters, digits, dots, hyphens and "
                         "underscores, at most %d of them, and begins with a letter or digit",
                         USER_NAME - 1);
    enum result result = check_hash(hash, err);
    if (result == RESULT_OK)
        result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    result = check_name_free(registry, user->name, err);
    if (result == RESULT_OK)
        result = change(registry,
                        "INSERT INTO console_user (name, role, created_at) VALUES (?1, ?2, ?3)",
                        user->name, user_role_name(user->role), user->created_at, err);
    if (result == RESULT_OK && hash != NULL)
        result = change(registry, "UPDATE console_user SET hash = ?2 WHERE name = ?1", user->name,
                        hash, 0, err);
    return registry_leave(registry, own, result, err);
}

static enum result end_sessions(struct registry *registry, const char *name, struct error *err)
{
    return change(registry, "DELETE FROM console_session WHERE name = ?1", name, NULL, 0, err);
}

/* In one transaction: the user is as sql says, and his sessions are over. */
static enum result change_user(struct registry *registry, const char *sql, const char *name,
                               const char *value, int64_t at, struct error *err)
{
    bool own;
    enum result result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    result = change(registry, sql, name, value, at, err);
    if (result == RESULT_OK && sqlite3_changes(registry->db) == 0)
        result = no_user(name, err);
    if (result == RESULT_OK)
        result = end_sessions(registry, name, err);
    return registry_leave(registry, own, result, err);
}

#define OF_USER " WHERE name = ?1 AND removed_at IS NULL"

enum result registry_set_user_password(struct registry *registry, const char *name,
                                       const char *hash, struct error *err)
{
    enum result result = check_hash(hash, err);
    return result == RESULT_OK ? change_user(registry, "UPDATE console_user SET hash = ?2" OF_USER,
                                             name, hash, 0, err)
                               : result;
}

enum result registry_set_user_role(struct registry *registry, const char *name, enum user_role role,
                                   struct error *err)
{
    return change_user(registry, "UPDATE console_user SET role = ?2" OF_USER, name,
                       user_role_name(role), 0, err);
}

enum result registry_remove_user(struct registry *registry, const char *name, int64_t at,
                                 struct error *err)
{
    return change_user(registry, "UPDATE console_user SET removed_at = ?3, hash = ?2" OF_USER, name,
                       NULL, at, err);
}

enum result registry_close_sessions(struct registry *registry, const char *name, struct error *err)
{
    return change_user(registry, "UPDATE console_user SET role = role" OF_USER, name, NULL, 0, err);
}

/* ---- sessions ---- */

static bool make_secret(char out[SESSION_SECRET])
{
    uint8_t random[32];
    char text[4 * ((sizeof(random) + 2) / 3) + 1];
    _Static_assert(sizeof(text) == SESSION_SECRET + 1, "one character of padding");
    if (!random_bytes(random, sizeof(random)))
        return false;
    base64_encode(random, sizeof(random), text);
    text[SESSION_SECRET - 1] = '\0';
    for (char *at = text; *at != '\0'; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    memcpy(out, text, SESSION_SECRET);
    wipe(random, sizeof(random));
    wipe(text, sizeof(text));
    return true;
}

/* Within a write transaction: room for one more. */
static enum result sweep(struct registry *registry, const char *name, int64_t now,
                         struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(registry->db,
                                     "DELETE FROM console_session WHERE opened_at <= ?2 OR hash IN"
                                     " (SELECT hash FROM console_session WHERE name = ?1"
                                     " ORDER BY seen_at DESC, opened_at DESC LIMIT -1 OFFSET ?3)",
                                     &statement, err);
    if (result == RESULT_OK) {
        registry_bind_text(statement, 1, name);
        sqlite3_bind_int64(statement, 2, now - SESSION_MOST);
        sqlite3_bind_int(statement, 3, SESSIONS_EACH - 1);
        result = sql_run(registry->db, statement, err);
    }
    sqlite3_finalize(statement);
    return result;
}

static enum result insert(struct registry *registry, const uint8_t hash[SHA256_BYTES],
                          const char *name, int64_t now, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = sql_prepare(registry->db,
                                     "INSERT INTO console_session (hash, name, opened_at, seen_at)"
                                     " SELECT ?1, name, ?3, ?3 FROM console_user"
                                     " WHERE name = ?2 AND removed_at IS NULL",
                                     &statement, err);
    if (result == RESULT_OK) {
        sqlite3_bind_blob(statement, 1, hash, SHA256_BYTES, SQLITE_STATIC);
        registry_bind_text(statement, 2, name);
        sqlite3_bind_int64(statement, 3, now);
        result = sql_run(registry->db, statement, err);
    }
    if (result == RESULT_OK && sqlite3_changes(registry->db) == 0)
        result = no_user(name, err);
    sqlite3_finalize(statement);
    return result;
}

/* Within a write transaction, or alone. */
static enum result note_seen(struct registry *registry, const char *name, int64_t now,
                             struct error *err)
{
    sqlite3_stmt *statement;
    enum result result =
        registry_prepared(registry, STATEMENT_USER_SEEN,
                          "UPDATE console_user SET last_seen_at = ?2" OF_USER, &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, name);
    sqlite3_bind_int64(statement, 2, now);
    result = sql_run(registry->db, statement, err);
    registry_done(statement);
    return result;
}

enum result registry_open_session(struct registry *registry, const char *name, int64_t now,
                                  char secret_out[SESSION_SECRET], struct error *err)
{
    bool own;
    uint8_t hash[SHA256_BYTES];
    if (!make_secret(secret_out) || !sha256(secret_out, SESSION_SECRET - 1, hash))
        return error_set(err, RESULT_SYSTEM, "there is no randomness for a session");
    enum result result = registry_enter(registry, &own, err);
    if (result == RESULT_OK) {
        result = sweep(registry, name, now, err);
        if (result == RESULT_OK)
            result = insert(registry, hash, name, now, err);
        if (result == RESULT_OK)
            result = note_seen(registry, name, now, err);
        result = registry_leave(registry, own, result, err);
    }
    if (result != RESULT_OK)
        wipe(secret_out, SESSION_SECRET);
    return result;
}

static enum result hash_secret(const char *secret, uint8_t hash[SHA256_BYTES], struct error *err)
{
    if (strlen(secret) != SESSION_SECRET - 1)
        return error_set(err, RESULT_NOT_FOUND, "this is no session");
    return sha256(secret, SESSION_SECRET - 1, hash) ? RESULT_OK : error_no_memory(err);
}

/* A session, and the user whose it is. */
static enum result read_session(struct registry *registry, const uint8_t hash[SHA256_BYTES],
                                int64_t now, int64_t idle, int64_t most, struct user *user_out,
                                int64_t *seen_out, struct error *err)
{
    sqlite3_stmt *statement;
    bool row = false;
    enum result result = registry_prepared(
        registry, STATEMENT_SESSION_FIND,
        "SELECT " COLUMNS ", s.seen_at FROM console_session s JOIN console_user u USING (name)"
        " WHERE s.hash = ?1 AND s.seen_at > ?2 AND s.opened_at > ?3 AND u.removed_at IS NULL",
        &statement, err);
    if (result != RESULT_OK)
        return result;
    sqlite3_bind_blob(statement, 1, hash, SHA256_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, now - idle);
    sqlite3_bind_int64(statement, 3, now - most);
    result = registry_step(registry, statement, &row, err);
    if (result == RESULT_OK && !row)
        result = error_set(err, RESULT_NOT_FOUND, "this session is over");
    else if (result == RESULT_OK)
        result = read_user(statement, user_out, err);
    *seen_out = sqlite3_column_int64(statement, COLUMN_COUNT);
    registry_done(statement);
    return result;
}

static enum result note_session(struct registry *registry, const uint8_t hash[SHA256_BYTES],
                                const char *name, int64_t now, struct error *err)
{
    bool own;
    sqlite3_stmt *statement;
    enum result result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    result = registry_prepared(registry, STATEMENT_SESSION_SEEN,
                               "UPDATE console_session SET seen_at = ?2 WHERE hash = ?1",
                               &statement, err);
    if (result == RESULT_OK) {
        sqlite3_bind_blob(statement, 1, hash, SHA256_BYTES, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 2, now);
        result = sql_run(registry->db, statement, err);
        registry_done(statement);
    }
    if (result == RESULT_OK)
        result = note_seen(registry, name, now, err);
    return registry_leave(registry, own, result, err);
}

/* So that a short idle is not over while somebody is busy. */
static int64_t seen_step(int64_t idle)
{
    return idle / 8 < SEEN_STEP ? idle / 8 : SEEN_STEP;
}

enum result registry_find_session(struct registry *registry, const char *secret, int64_t now,
                                  int64_t idle, int64_t most, struct user *user_out,
                                  struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    int64_t seen = 0;
    most = most < SESSION_MOST ? most : SESSION_MOST;
    enum result result = hash_secret(secret, hash, err);
    if (result == RESULT_OK)
        result = read_session(registry, hash, now, idle, most, user_out, &seen, err);
    if (result == RESULT_OK && now - seen >= seen_step(idle)) {
        result = note_session(registry, hash, user_out->name, now, err);
        user_out->last_seen_at = now;
    }
    return result;
}

enum result registry_meet_user(struct registry *registry, const char *name, int64_t now,
                               int64_t idle, struct user *user_out, bool *anew_out,
                               struct error *err)
{
    char hash[USER_HASH];
    enum result result = registry_find_user(registry, name, user_out, hash, err);
    wipe(hash, sizeof(hash));
    *anew_out = result == RESULT_OK && now - user_out->last_seen_at >= idle;
    if (result == RESULT_OK && now - user_out->last_seen_at >= seen_step(idle)) {
        result = note_seen(registry, name, now, err);
        user_out->last_seen_at = now;
    }
    return result;
}

enum result registry_close_session(struct registry *registry, const char *secret, struct error *err)
{
    bool own;
    uint8_t hash[SHA256_BYTES];
    sqlite3_stmt *statement = NULL;
    enum result result = hash_secret(secret, hash, err);
    if (result == RESULT_NOT_FOUND)
        return RESULT_OK;
    if (result == RESULT_OK)
        result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    result =
        sql_prepare(registry->db, "DELETE FROM console_session WHERE hash = ?1", &statement, err);
    if (result == RESULT_OK) {
        sqlite3_bind_blob(statement, 1, hash, SHA256_BYTES, SQLITE_STATIC);
        result = sql_run(registry->db, statement, err);
    }
    sqlite3_finalize(statement);
    return registry_leave(registry, own, result, err);
}
