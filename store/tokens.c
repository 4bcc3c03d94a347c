/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens. The secret has 256 random bits, so that one hash of it is enough: nothing can be tried.
 * What is kept of it is that hash.
 */
#include "store/tokens.h"
#include "store/registry_internal.h"

#include "base/crypto.h"

#include <stdio.h>
#include <string.h>

#define SECRET_CHARS 52 /* 256 bits */
#define PREFIX       "octroi_"

/* ---- scopes ---- */

static const char *const scope_names[TOKEN_SCOPES] = {
    "check",   "events", "screen",      "decisions", "persons",
    "reports", "forms",  "suspensions", "metrics",
};

const char *token_scope_name(enum token_scope scope)
{
    for (unsigned i = 0; i < TOKEN_SCOPES; i++)
        if ((unsigned)scope == 1u << i)
            return scope_names[i];
    return NULL;
}

static bool scope_parse(const char *text, size_t length, unsigned *scopes)
{
    for (unsigned i = 0; i < TOKEN_SCOPES; i++)
        if (strlen(scope_names[i]) == length && memcmp(scope_names[i], text, length) == 0) {
            *scopes |= 1u << i;
            return true;
        }
    return false;
}

bool token_scopes_parse(const char *text, unsigned *scopes_out, char *unknown_out, size_t size)
{
    *scopes_out = 0;
    for (;;) {
        size_t length = strcspn(text, "|,");
        if (!scope_parse(text, length, scopes_out)) {
            str_copy_n(unknown_out, size, text, length);
            return false;
        }
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

void token_scopes_text(unsigned scopes, char out[TOKEN_SCOPES_TEXT])
{
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < TOKEN_SCOPES; i++)
        if (scopes & 1u << i)
            used += (size_t)snprintf(out + used, TOKEN_SCOPES_TEXT - used, "%s%s",
                                     used > 0 ? "|" : "", scope_names[i]);
}

/* ---- the text ---- */

/* Five bits a character. */
static void spell(const uint8_t *bytes, size_t characters, char *out)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned held = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < characters; i++) {
        if (bits < 5) {
            held = held << 8 | *bytes++;
            bits += 8;
        }
        bits -= 5;
        out[i] = alphabet[held >> bits & 31];
    }
    out[characters] = '\0';
}

/* Made anew: id and text. */
static bool make_text(char id[TOKEN_ID], char text[TOKEN_TEXT])
{
    uint8_t random[(TOKEN_ID - 1) * 5 / 8 + (SECRET_CHARS * 5 + 7) / 8];
    char secret[SECRET_CHARS + 1];
    if (!random_bytes(random, sizeof(random)))
        return false;
    spell(random, TOKEN_ID - 1, id);
    spell(random + (TOKEN_ID - 1) * 5 / 8, SECRET_CHARS, secret);
    snprintf(text, TOKEN_TEXT, PREFIX "%s_%s", id, secret);
    wipe(random, sizeof(random));
    wipe(secret, sizeof(secret));
    return true;
}

/* False: it has not the form of one. */
static bool read_id(const char *text, char id[TOKEN_ID])
{
    size_t prefix = strlen(PREFIX);
    if (strlen(text) != prefix + TOKEN_ID + SECRET_CHARS || strncmp(text, PREFIX, prefix) != 0 ||
        text[prefix + TOKEN_ID - 1] != '_')
        return false;
    return str_copy_n(id, TOKEN_ID, text + prefix, TOKEN_ID - 1);
}

/* ---- in the file ---- */

#define COLUMNS \
    "token_id, name, scopes, partner, rate, created_at, expires_at, coalesce(revoked_at, 0)"
#define GOOD " revoked_at IS NULL AND expires_at > "

static enum result read_row(sqlite3_stmt *statement, struct token *token, struct error *err)
{
    char unknown[TOKEN_NAME];
    *token = (struct token){
        .rate = (unsigned)sqlite3_column_int64(statement, 4),
        .created_at = sqlite3_column_int64(statement, 5),
        .expires_at = sqlite3_column_int64(statement, 6),
        .revoked_at = sqlite3_column_int64(statement, 7),
    };
    bool whole =
        str_copy(token->id, sizeof(token->id), sql_text(statement, 0)) &&
        str_copy(token->name, sizeof(token->name), sql_text(statement, 1)) &&
        str_copy(token->partner, sizeof(token->partner), sql_text(statement, 3)) &&
        token_scopes_parse(sql_text(statement, 2), &token->scopes, unknown, sizeof(unknown));
    return whole ? RESULT_OK : error_set(err, RESULT_DAMAGED, "a token cannot be read");
}

static enum result check_new(const struct token *token, struct error *err)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (token->name[0] == '\0' || token->name[strspn(token->name, plain)] != '\0')
        return error_set(err, RESULT_BAD_INPUT,
                         "a token's name has letters, digits, dots, hyphens and underscores, at "
                         "most %d of them",
                         TOKEN_NAME - 1);
    if (token->scopes == 0)
        return error_set(err, RESULT_BAD_INPUT, "a token without a scope is of no use");
    if (token->partner[0] != '\0' && (token->scopes & ~(unsigned)SCOPES_OF_PARTNERS) != 0)
        return error_set(err, RESULT_BAD_INPUT,
                         "a token of a partner has no scope but check and events: the others show "
                         "whom others write to");
    return RESULT_OK;
}

static enum result check_name_free(struct registry *registry, const char *name, int64_t now,
                                   struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    enum result result = sql_prepare(
        registry->db, "SELECT 1 FROM token WHERE name = ?1 AND" GOOD "?2", &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, name);
    sqlite3_bind_int64(statement, 2, now);
    result = registry_step(registry, statement, &row, err);
    sqlite3_finalize(statement);
    if (result == RESULT_OK && row)
        return error_set(err, RESULT_CONFLICT,
                         "there is a token \"%s\" already; revoke it first, or take another name",
                         name);
    return result;
}

static enum result insert(struct registry *registry, const struct token *token,
                          const uint8_t hash[SHA256_BYTES], struct error *err)
{
    sqlite3_stmt *statement = NULL;
    char scopes[TOKEN_SCOPES_TEXT];
    token_scopes_text(token->scopes, scopes);
    enum result result =
        sql_prepare(registry->db,
                    "INSERT INTO token (token_id, name, hash, scopes, partner, rate, created_at,"
                    " expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                    &statement, err);
    if (result == RESULT_OK) {
        registry_bind_text(statement, 1, token->id);
        registry_bind_text(statement, 2, token->name);
        sqlite3_bind_blob(statement, 3, hash, SHA256_BYTES, SQLITE_STATIC);
        registry_bind_text(statement, 4, scopes);
        registry_bind_text(statement, 5, token->partner);
        sqlite3_bind_int64(statement, 6, token->rate);
        sqlite3_bind_int64(statement, 7, token->created_at);
        sqlite3_bind_int64(statement, 8, token->expires_at);
        result = sql_run(registry->db, statement, err);
    }
    sqlite3_finalize(statement);
    return result;
}

enum result registry_add_token(struct registry *registry, struct token *token,
                               char text_out[TOKEN_TEXT], struct error *err)
{
    bool own;
    uint8_t hash[SHA256_BYTES];
    enum result result = check_new(token, err);
    if (result != RESULT_OK)
        return result;
    token->created_at = clock_now();
    if (!make_text(token->id, text_out) || !sha256(text_out, strlen(text_out), hash))
        return error_set(err, RESULT_SYSTEM, "there is no randomness for a token");
    result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    result = check_name_free(registry, token->name, token->created_at, err);
    if (result == RESULT_OK)
        result = insert(registry, token, hash, err);
    result = registry_leave(registry, own, result, err);
    if (result != RESULT_OK)
        wipe(text_out, TOKEN_TEXT);
    return result;
}

enum result registry_tokens(struct registry *registry, token_fn *on_token, void *arg,
                            struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = true;
    bool go_on = true;
    enum result result =
        sql_prepare(registry->db, "SELECT " COLUMNS " FROM token ORDER BY created_at, token_id",
                    &statement, err);
    while (result == RESULT_OK && row && go_on) {
        struct token token;
        result = registry_step(registry, statement, &row, err);
        if (result == RESULT_OK && row)
            result = read_row(statement, &token, err);
        if (result == RESULT_OK && row)
            go_on = on_token(arg, &token);
    }
    sqlite3_finalize(statement);
    return result;
}

enum result registry_revoke_token(struct registry *registry, const char *name, int64_t at,
                                  struct error *err)
{
    bool own;
    sqlite3_stmt *statement = NULL;
    enum result result = registry_enter(registry, &own, err);
    if (result != RESULT_OK)
        return result;
    result = sql_prepare(registry->db,
                         "UPDATE token SET revoked_at = ?2"
                         " WHERE (name = ?1 OR token_id = ?1) AND" GOOD "?2",
                         &statement, err);
    if (result == RESULT_OK) {
        registry_bind_text(statement, 1, name);
        sqlite3_bind_int64(statement, 2, at);
        result = sql_run(registry->db, statement, err);
    }
    if (result == RESULT_OK && sqlite3_changes(registry->db) == 0)
        result = error_set(err, RESULT_NOT_FOUND, "there is no good token \"%s\"", name);
    sqlite3_finalize(statement);
    return registry_leave(registry, own, result, err);
}

/* *row_out false: there is none of that id. */
static enum result find(struct registry *registry, const char *id, struct token *token,
                        uint8_t hash[SHA256_BYTES], bool *row_out, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    enum result result = registry_prepared(registry, STATEMENT_TOKEN_FIND,
                                           "SELECT " COLUMNS ", hash FROM token"
                                           " WHERE token_id = ?1",
                                           &statement, err);
    if (result != RESULT_OK)
        return result;
    registry_bind_text(statement, 1, id);
    result = registry_step(registry, statement, row_out, err);
    if (result == RESULT_OK && *row_out) {
        const void *kept = sqlite3_column_blob(statement, 8);
        if (kept == NULL || sqlite3_column_bytes(statement, 8) != SHA256_BYTES)
            result = error_set(err, RESULT_DAMAGED, "a token cannot be read");
        else
            memcpy(hash, kept, SHA256_BYTES);
    }
    if (result == RESULT_OK && *row_out)
        result = read_row(statement, token, err);
    registry_done(statement);
    return result;
}

enum result registry_find_token(struct registry *registry, const char *text, int64_t now,
                                struct token *token_out, struct error *err)
{
    char id[TOKEN_ID];
    uint8_t hash[SHA256_BYTES];
    uint8_t kept[SHA256_BYTES] = {0};
    bool row = false;
    if (!read_id(text, id))
        return error_set(err, RESULT_NOT_FOUND, "this is no token");
    if (!sha256(text, strlen(text), hash))
        return error_no_memory(err);
    enum result result = find(registry, id, token_out, kept, &row, err);
    if (result != RESULT_OK)
        return result;
    bool same = equal_constant_time(hash, kept, SHA256_BYTES);
    if (!row || !same || token_out->revoked_at != 0 || token_out->expires_at <= now)
        return error_set(err, RESULT_NOT_FOUND, "this token is not good");
    return RESULT_OK;
}
