/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging in by name and password, logging out, and the choice of language, which is there before
 * anybody is known.
 *
 * A login goes from the desk, where the user is found, to the helpers, who hash the password
 * (proxy/credentials.h), and back to the desk for the session. Guessing is as slow as everywhere
 * (proxy/guesses.h), whether a user exists shows neither in words nor in time, and each login is on
 * record: those that fail for users there are, one a minute.
 */
#include "base/clock.h"
#include "base/crypto.h"
#include "console/layout.h"
#include "proxy/console/work.h"
#include "proxy/credentials.h"
#include "proxy/guesses.h"
#include "proxy/rate.h"

#include <stdio.h>
#include <string.h>

#define LANGUAGE_COOKIE_LASTS (365 * 24 * 3600) /* seconds */
#define RECORD_EVERY          (60 * CLOCK_SECOND)
#define WRONG_AT_LEAST        CLOCK_SECOND
/* Before a name, in what failures are remembered under: no account's can hold it. */
#define USER_MARK "user:"
#define NAME_MOST 200

/* In the visit's arena. */
struct login {
    const char *name; /* as it came, lower case */
    char *password;   /* wiped */
    bool known;       /* a user with a password */
    char hash[USER_HASH];
    char account[sizeof(USER_MARK) + NAME_MOST];
    struct peer_key from;
    int64_t began;
    struct gate *gate; /* borrowed */
};

/* ---- the page ---- */

/* sentence: why one is (still) here, NULL for none; kind: part_notice's. */
static void write_login(struct visit *visit, const char *kind, const char *sentence)
{
    const struct layout layout = {.place = PLACE_NONE, .title = N_("Log in")};
    const char *to = visit_field(visit, "to");
    layout_begin(visit, &layout);
    if (sentence != NULL)
        part_notice(visit, kind, sentence, NULL);
    act_begin(visit, "/console/login");
    if (to[0] != '\0')
        hidden_field(visit, "to", guard_way_back(to));
    login_fields(visit, visit->posted ? visit_field(visit, "name") : "");
    act_end(visit, N_("Log in"), "");
    layout_end(visit);
}

/* After a login: not to the login page again. */
static const char *way_on(const struct visit *visit)
{
    const char *to = guard_way_back(visit_field(visit, "to"));
    return strncmp(to, "/console/login", strlen("/console/login")) == 0 ? "/console" : to;
}

enum result login_page(struct visit *visit, struct error *err)
{
    const struct guard_request *request = &console_work_of(visit)->request;
    const char *sentence = NULL;
    if (visit->user[0] != '\0')
        return visit_go(visit, way_on(visit), err);
    if (visit_field(visit, "lost")[0] != '\0')
        sentence = N_("Your session has ended, and what you sent was not done. Log in and send it "
                      "again.");
    else if (visit_field(visit, "out")[0] != '\0')
        sentence = N_("You have logged out.");
    else if (guard_cookie(visit, request->cookie, guard_session_name(request))[0] != '\0')
        sentence = N_("Your session has ended. Log in to go on.");
    write_login(visit, "info", sentence);
    return RESULT_OK;
}

static void write_wrong(struct visit *visit)
{
    visit->status = 403;
    write_login(visit, "bad",
                N_("Name or password is wrong. If you do not know them any more, ask your "
                   "administrator."));
}

/* ---- wrong ---- */

/* On the loop: not looked at, right or wrong, and told so late. */
static void hold(struct console_work *work, struct service_call *call, const char *why)
{
    struct login *login = work->own;
    wipe(login->password, strlen(login->password));
    refusals_add(&login->gate->refusals, REFUSAL_AUTH_HELD, NULL, call->peer, why);
    work->not_before =
        login->began + guesses_unseen(login->gate->guesses, &login->from, login->began);
}

static void hold_back(struct console_work *work, struct service_call *call)
{
    hold(work, call, "too many failures");
    work->visit.status = 429;
    call->http.answer.retry_after = GUESS_DELAY_MOST;
    write_login(&work->visit, "bad",
                N_("Too many wrong passwords came from your address. Wait for 30 seconds, then try "
                   "again."));
    console_finish(work);
}

static void note_failure(struct console_work *work, struct login *login)
{
    struct gate *gate = login->gate;
    if (!login->known ||
        !rates_first(gate->rates, "login", login->name, RECORD_EVERY, clock_monotonic()))
        return;
    snprintf(work->who, sizeof(work->who), "user %s", login->name);
    const struct access failed = {.answer = "refused"};
    if (!visit_note(&work->visit, "user.login", &failed))
        work->visit.page.html.failed = true;
}

/* ---- right ---- */

/* At the desk. A secret of its own for each login: one that was there before is worth nothing. */
static enum result open_session(struct visit *visit, struct error *err)
{
    struct console_work *work = console_work_of(visit);
    const struct login *login = work->own;
    const struct guard_request *request = &work->request;
    const struct access opened = {.answer = "done"};
    char secret[SESSION_SECRET];
    const char *name = guard_session_name(request);
    const char *before = guard_cookie(visit, request->cookie, name);
    enum result result =
        registry_open_session(visit->registry, login->name, visit->now, secret, err);
    if (result == RESULT_NOT_FOUND) { /* removed just now */
        write_wrong(visit);
        return RESULT_OK;
    }
    if (result == RESULT_OK)
        result = registry_close_session(visit->registry, before, err);
    if (result == RESULT_OK) {
        snprintf(work->who, sizeof(work->who), "user %s", login->name);
        if (!guard_set_cookie(visit, request, name, secret, "/", 0) ||
            !visit_note(visit, "user.login", &opened))
            result = error_no_memory(err);
    }
    wipe(secret, sizeof(secret));
    return result == RESULT_OK ? visit_go(visit, way_on(visit), err) : result;
}

/* ---- which of both ---- */

/* On the loop; the helpers have looked at the password. */
static void on_checked(void *owner, struct ticket ticket, bool matches)
{
    struct console_work *work = owner;
    struct login *login = work->own;
    struct gate *gate = login->gate;
    struct service_call *call = service_redeem(work->lane, ticket);
    bool right = matches && login->known;
    int64_t delay =
        guesses_note(gate->guesses, &login->from, login->account, right, clock_monotonic());
    wipe(login->password, strlen(login->password));
    if (!right && delay < WRONG_AT_LEAST)
        delay = WRONG_AT_LEAST;
    /* From when it came, so that it shows nothing of how long the hash took. */
    work->not_before = delay > 0 ? login->began + delay : 0;
    if (right) {
        console_go_on(work, open_session);
        return;
    }
    refusals_add(&gate->refusals, REFUSAL_AUTH_FAILED, NULL, call != NULL ? call->peer : NULL,
                 NULL);
    note_failure(work, login);
    write_wrong(&work->visit);
    console_finish(work);
}

static void check_password(struct console_work *work, struct service_call *call)
{
    struct login *login = work->own;
    /* Without a desk the gateway ends, and its helpers have gone. */
    if (call == NULL || work->lane->gate->desk == NULL) {
        wipe(login->password, strlen(login->password));
        console_drop(work);
        return;
    }
    login->gate = work->lane->gate;
    login->from = *call->peer_key;
    login->began = clock_monotonic();
    if (!guesses_admit(login->gate->guesses, &login->from, login->account, login->began)) {
        hold_back(work, call);
        return;
    }
    if (credentials_check(login->gate->credentials, &login->from, login->account,
                          login->known ? login->hash : NULL, login->password, work->lane->loop,
                          on_checked, work, work->ticket))
        return;
    hold(work, call, "no helper is free");
    work->visit.status = 503;
    write_login(&work->visit, "bad", N_("The gate is busy. Try again in a few seconds."));
    console_finish(work);
}

/* ---- what came ---- */

/* As it was typed: a blank may belong to it. */
static char *password_of(struct visit *visit)
{
    for (const struct visit_field *field = visit->fields; field != NULL; field = field->next)
        if (strcmp(field->name, "password") == 0)
            return (char *)(uintptr_t)field->value; /* the arena's, nobody else's */
    return NULL;
}

static enum result write_incomplete(struct visit *visit)
{
    visit->status = 422;
    write_login(visit, "bad", N_("Type your name and your password."));
    return RESULT_OK;
}

/* At the desk. */
static enum result find_login(struct visit *visit, struct error *err)
{
    struct user user;
    struct console_work *work = console_work_of(visit);
    struct login *login = arena_alloc(visit->arena, sizeof(*login));
    char *name = arena_str(visit->arena, visit_field(visit, "name"));
    if (login == NULL || name == NULL)
        return error_no_memory(err);
    ascii_lower(name);
    *login = (struct login){.name = name, .password = password_of(visit)};
    if (name[0] == '\0' || strlen(name) > NAME_MOST || login->password == NULL ||
        login->password[0] == '\0')
        return write_incomplete(visit);
    snprintf(login->account, sizeof(login->account), USER_MARK "%s", name);
    enum result result = registry_find_user(visit->registry, name, &user, login->hash, err);
    if (result != RESULT_OK && result != RESULT_NOT_FOUND)
        return result;
    login->known = result == RESULT_OK && user.has_password;
    work->own = login;
    work->then = check_password;
    return RESULT_OK;
}

/* What was read of the request keeps no password. */
static void wipe_form(struct http_call *http)
{
    wipe((char *)(uintptr_t)http->body, http->length);
    for (struct http_field *field = http->fields; field != NULL; field = field->next)
        if (strcmp(field->name, "password") == 0)
            wipe((char *)(uintptr_t)field->value, field->length);
}

void console_login(struct service_call *call)
{
    static const struct console_task task = {0, NEED_NOBODY, DESK_SHORT, find_login};
    console_work(call, &task);
    wipe_form(&call->http); /* still there: what was answered goes at the end of the loop's turn */
}

/* ---- logging out ---- */

enum result logout_act(struct visit *visit, struct error *err)
{
    const struct guard_request *request = &console_work_of(visit)->request;
    const struct access done = {.answer = "done"};
    const char *name = guard_session_name(request);
    if (visit->signed_on)
        return visit_refuse(visit, 403, N_("You cannot log out here"),
                            N_("Your company has signed you in: log out there."));
    enum result result =
        registry_close_session(visit->registry, guard_cookie(visit, request->cookie, name), err);
    if (result != RESULT_OK)
        return result;
    if (!guard_set_cookie(visit, request, name, "", "/", -1) ||
        !visit_note(visit, "user.logout", &done))
        return error_no_memory(err);
    return visit_go(visit, "/console/login?out=1", err);
}

/* ---- the language ---- */

enum result language_act(struct visit *visit, struct error *err)
{
    const struct guard_request *request = &console_work_of(visit)->request;
    enum language language = visit->language;
    if (!language_parse(visit_field(visit, "language"), &language))
        return visit_refuse(visit, 422, N_("There is no such language"),
                            N_("The console speaks French and English."));
    if (!guard_set_cookie(visit, request, "octroi_language", language_tag(language), "/console",
                          LANGUAGE_COOKIE_LASTS))
        return error_no_memory(err);
    return visit_go(visit, guard_way_back(visit_field(visit, "to")), err);
}
