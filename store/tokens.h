/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of the interface for programs, in the registry: made by `octroi token add`, known by their
 * hash alone, looked up anew with every request so that revoking one counts at once.
 */
#ifndef OCTROI_STORE_TOKENS_H
#define OCTROI_STORE_TOKENS_H

#include "store/registry.h"

/* What a token may be used for. */
enum token_scope {
    SCOPE_CHECK = 0x001,       /* ask for a verdict */
    SCOPE_EVENTS = 0x002,      /* hand in consent events */
    SCOPE_SCREEN = 0x004,      /* screen lists */
    SCOPE_DECISIONS = 0x008,   /* read decisions */
    SCOPE_PERSONS = 0x010,     /* read all that is held on a person */
    SCOPE_REPORTS = 0x020,     /* read counts, partners, forms, suspensions, notices */
    SCOPE_FORMS = 0x040,       /* add and invalidate forms */
    SCOPE_SUSPENSIONS = 0x080, /* suspend and resume */
    SCOPE_METRICS = 0x100,     /* read /metrics from elsewhere than this machine */
};
#define TOKEN_SCOPES 9
/* What a token of one partner may have: the log of what was blocked is itself a list of prospects,
 * and no partner's business. */
#define SCOPES_OF_PARTNERS (SCOPE_CHECK | SCOPE_EVENTS)

#define TOKEN_ID   17 /* 16 characters and a NUL */
#define TOKEN_TEXT 80 /* "octroi_ID_SECRET" and a NUL */
#define TOKEN_NAME 65

/* "check", "events", …; NULL for what is none or several. */
const char *token_scope_name(enum token_scope scope);
/* "check|events", or with commas; false and which for an unknown one. */
bool token_scopes_parse(const char *text, unsigned *scopes_out, char *unknown_out, size_t size);

/* All of them, and a NUL. */
#define TOKEN_SCOPES_TEXT 96
/* "check|events" */
void token_scopes_text(unsigned scopes, char out[TOKEN_SCOPES_TEXT]);

struct token {
    char id[TOKEN_ID];
    char name[TOKEN_NAME];
    char partner[TOKEN_NAME]; /* "": of no partner */
    unsigned scopes;
    unsigned rate; /* requests a second; 0: no limit */
    int64_t created_at, expires_at;
    int64_t revoked_at; /* 0: not */
};

/* Makes one; text_out is the only copy of the secret there will ever be. id and created_at of
 * token are filled in. RESULT_CONFLICT: the name stands for a token that is still good. */
enum result registry_add_token(struct registry *registry, struct token *token,
                               char text_out[TOKEN_TEXT], struct error *err);
typedef bool token_fn(void *arg, const struct token *token);
/* Oldest first. */
enum result registry_tokens(struct registry *registry, token_fn *on_token, void *arg,
                            struct error *err);
/* By name or id. RESULT_NOT_FOUND when there is none that is good. */
enum result registry_revoke_token(struct registry *registry, const char *name, int64_t at,
                                  struct error *err);
/* The token this text is. RESULT_NOT_FOUND: of nobody, or revoked, or expired; the time this takes
 * says nothing of the secret. */
enum result registry_find_token(struct registry *registry, const char *text, int64_t now,
                                struct token *token_out, struct error *err);

#endif
