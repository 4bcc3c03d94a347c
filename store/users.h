/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may enter the console, in the registry: users with their role and the hash of their password,
 * and their sessions, known by a hash alone. Both are looked up anew with every request, so that a
 * user who is removed is out at once. What a role permits is not known here
 * (proxy/console/guard.h).
 */
#ifndef OCTROI_STORE_USERS_H
#define OCTROI_STORE_USERS_H

#include "store/registry.h"

enum user_role { ROLE_READER, ROLE_COMPLIANCE, ROLE_ADMINISTRATOR, ROLE_COUNT };
/* "reader", "compliance", "administrator" */
const char *user_role_name(enum user_role role);
bool user_role_parse(const char *text, enum user_role *role_out);

#define USER_NAME 65
#define USER_HASH 256 /* of the text crypt(5) makes, with its NUL */

struct user {
    char name[USER_NAME];
    enum user_role role;
    bool has_password;    /* without one: by single sign-on only */
    int64_t created_at;   /* microseconds since 1970, as all instants here */
    int64_t removed_at;   /* 0: not */
    int64_t last_seen_at; /* to a minute; 0: never */
};

/* Lower-case letters, digits, dots, hyphens and underscores, the first a letter or digit. No '@':
 * the journal names users, and holds no address. Who takes a name from outside lowers it first. */
bool user_name_valid(const char *name);

/* name, role and created_at are taken; hash NULL: no password. RESULT_CONFLICT: the name is that of
 * a user, or was that of one who is removed; the journal names him by it for ever. */
enum result registry_add_user(struct registry *registry, const struct user *user, const char *hash,
                              struct error *err);
typedef bool user_fn(void *arg, const struct user *user);
/* By name, the removed too. */
enum result registry_users(struct registry *registry, user_fn *on_user, void *arg,
                           struct error *err);
/* hash_out "": he has no password. RESULT_NOT_FOUND: there is none, or he is removed. */
enum result registry_find_user(struct registry *registry, const char *name, struct user *user_out,
                               char hash_out[USER_HASH], struct error *err);
/* The next three end the user's sessions. RESULT_NOT_FOUND as above. hash NULL: none any more. */
enum result registry_set_user_password(struct registry *registry, const char *name,
                                       const char *hash, struct error *err);
enum result registry_set_user_role(struct registry *registry, const char *name, enum user_role role,
                                   struct error *err);
enum result registry_remove_user(struct registry *registry, const char *name, int64_t at,
                                 struct error *err);
/* ---- sessions ---- */

#define SESSION_SECRET 44 /* 256 random bits as base64url, and a NUL */
/* Longer than this no session lasts, whatever is configured: what is older is swept. */
#define SESSION_MOST (7 * CLOCK_DAY)
/* Of one user at a time; with one more the one seen longest ago ends. */
#define SESSIONS_EACH 16

/* secret_out is the only copy there will ever be. RESULT_NOT_FOUND: there is no such user. */
enum result registry_open_session(struct registry *registry, const char *name, int64_t now,
                                  char secret_out[SESSION_SECRET], struct error *err);
/* Whose session this is. RESULT_NOT_FOUND: nobody's, or not used for idle, or opened longer than
 * most ago (both microseconds). Notes that the user was seen, about once a minute: needs a registry
 * open for writing. */
enum result registry_find_session(struct registry *registry, const char *secret, int64_t now,
                                  int64_t idle, int64_t most, struct user *user_out,
                                  struct error *err);
/* The same for who comes without a session, vouched for by another: RESULT_NOT_FOUND as
 * registry_find_user. anew_out: he was not seen for idle, so that this is as good as a login. */
enum result registry_meet_user(struct registry *registry, const char *name, int64_t now,
                               int64_t idle, struct user *user_out, bool *anew_out,
                               struct error *err);
/* RESULT_OK also when there was none. */
enum result registry_close_session(struct registry *registry, const char *secret,
                                   struct error *err);
/* All of one user. RESULT_NOT_FOUND: there is no such user. */
enum result registry_close_sessions(struct registry *registry, const char *name, struct error *err);

#endif
