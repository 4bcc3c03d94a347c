/* SPDX-License-Identifier: Apache-2.0 */
/* AUTH PLAIN and LOGIN (RFC 4954, RFC 4616): a password makes the session a partner's account. */
#include "proxy/smtp/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define AUTH_FAILURES_MAX 3
#define CREDENTIAL_MAX    512 /* bytes of a name or of a password */

static void welcome(struct smtp_session *session)
{
    session->account = config_account(session->snapshot->config, session->auth_name);
    session->authenticated = true;
    log_event(LOG_LEVEL_INFO, "authenticated", LOG_TEXT("session", session->id),
              LOG_TEXT("peer", session->peer), LOG_TEXT("account", session->account->name));
    smtp_enter(session, SMTP_COMMAND);
    if (!smtp_admit_partner(session))
        return;
    smtp_reply(session, 235, "2.7.0 Welcome");
    smtp_continue(session);
}

void smtp_auth_penalty_over(struct smtp_session *session)
{
    if (session->auth_answer == AUTH_RIGHT) {
        welcome(session);
        return;
    }
    if (session->auth_answer == AUTH_HELD) {
        smtp_reply(session, 421, SMTP_GUESSER);
        smtp_close(session);
        return;
    }
    smtp_enter(session, SMTP_COMMAND);
    if (session->auth_answer == AUTH_BUSY)
        smtp_reply(session, 454, "4.7.0 Authentication is not possible right now, try again later");
    else
        smtp_reply(session, 535, "5.7.8 The name or the password is not right");
    if (session->auth_failures >= AUTH_FAILURES_MAX) {
        smtp_reply(session, 421, "4.7.0 Too many failures, closing");
        smtp_close(session);
    }
    smtp_continue(session);
}

/* The answer is given when the penalty is over: guessing is slow, and nobody else waits. */
static void answer_late(struct smtp_session *session, int answer, int64_t delay)
{
    session->auth_answer = answer;
    session->auth_delay = delay;
    smtp_enter(session, SMTP_PENALTY);
    smtp_continue(session); /* it may have hung up, or the gate drains */
}

static void on_checked(void *lane, struct ticket ticket, bool matches)
{
    struct smtp_session *session = smtp_redeem(lane, ticket);
    if (session == NULL || session->state != SMTP_AUTH_CHECK)
        return;
    struct gate *gate = session->lane->gate;
    const struct account_config *account =
        config_account(session->snapshot->config, session->auth_name);
    /* All of an account's conditions must hold, whatever the password says. */
    const char *fingerprint = connection_fingerprint(session->connection);
    bool right =
        matches && account != NULL && account->password != NULL &&
        account_admits(account, (const struct sockaddr *)connection_client(session->connection),
                       fingerprint);
    int64_t delay = guesses_note(gate->guesses, connection_key(session->connection),
                                 session->auth_name, right, clock_monotonic());
    if (right && delay == 0) {
        welcome(session);
        return;
    }
    if (!right) {
        session->auth_failures++;
        connection_refuse(session->connection, REFUSAL_AUTH_FAILED, NULL);
        if (delay < (int64_t)session->auth_failures * CLOCK_SECOND)
            delay = (int64_t)session->auth_failures * CLOCK_SECOND;
    }
    answer_late(session, right ? AUTH_RIGHT : AUTH_WRONG, delay);
}

void smtp_auth_abandoned(struct smtp_session *session)
{
    struct gate *gate = session->lane->gate;
    const struct peer_key *key = connection_key(session->connection);
    int64_t now = clock_monotonic();
    /* Else whoever cuts the connection in time could have passwords hashed without end. */
    if (session->state == SMTP_AUTH_CHECK) {
        credentials_abandon(gate->credentials, session->lane, session->ticket);
        session->auth_delay = guesses_note(gate->guesses, key, session->auth_name, false, now);
    }
    if (session->state == SMTP_AUTH_CHECK || session->state == SMTP_PENALTY)
        guesses_fled(gate->guesses, key, session->auth_began + session->auth_delay, now);
}

int64_t smtp_auth_patience(const struct smtp_session *session)
{
    if (!connection_was_hung_up(session->connection))
        return INT64_MAX;
    int64_t now = clock_monotonic();
    int64_t left = session->auth_began + GUESS_DELAY_FIRST - now;
    /* A client that closed only its sending side is answered, if that is soon: where nobody has
     * failed and while nobody guesses the helpers look at once. */
    bool soon = guesses_rank(session->lane->gate->guesses, connection_key(session->connection),
                             session->auth_name, now) <= 1;
    return soon && left > 0 ? left : 0;
}

bool smtp_auth_let_go(struct smtp_session *session)
{
    if (!connection_was_hung_up(session->connection))
        return false;
    if (session->state == SMTP_AUTH_CHECK && smtp_auth_patience(session) > 0) {
        smtp_touch(session);
        return false;
    }
    if (session->state != SMTP_AUTH_CHECK && session->state != SMTP_PENALTY)
        return false;
    smtp_end(session, "did not wait for the answer to AUTH");
    return true;
}

/* Told late that it was not looked at. */
static void hold(struct smtp_session *session, int answer)
{
    answer_late(session, answer,
                guesses_unseen(session->lane->gate->guesses, connection_key(session->connection),
                               session->auth_began));
}

/* name and password: NUL-terminated. */
static void check(struct smtp_session *session, const char *name, const char *password)
{
    char *copy = strdup(name);
    free(session->auth_name);
    session->auth_name = copy;
    session->auth_step = AUTH_NONE;
    session->auth_began = clock_monotonic();
    struct gate *gate = session->lane->gate;
    if (copy != NULL && !guesses_admit(gate->guesses, connection_key(session->connection), copy,
                                       session->auth_began)) {
        connection_turn_away(session->connection, REFUSAL_AUTH_HELD, "too many failures");
        hold(session, AUTH_HELD);
        return;
    }
    const struct account_config *account =
        copy != NULL ? config_account(session->snapshot->config, copy) : NULL;
    smtp_enter(session, SMTP_AUTH_CHECK);
    if (copy == NULL ||
        !credentials_check(gate->credentials, connection_key(session->connection), copy,
                           account != NULL ? account->password : NULL, password,
                           session->lane->loop, on_checked, session->lane, session->ticket)) {
        connection_refuse(session->connection, REFUSAL_AUTH_HELD, "no helper is free");
        hold(session, AUTH_BUSY);
    }
}

/* Decodes base64 into out (CREDENTIAL_MAX * 3 bytes and a NUL); the length, or -1. */
static ptrdiff_t decode(const char *text, char *out)
{
    size_t length = strlen(text);
    if (length > (size_t)CREDENTIAL_MAX * 4)
        return -1;
    ptrdiff_t n = base64_decode(text, length, (uint8_t *)out);
    if (n >= 0)
        out[n] = '\0';
    return n;
}

static void bad_exchange(struct smtp_session *session)
{
    session->auth_step = AUTH_NONE;
    if (session->state == SMTP_AUTH)
        smtp_enter(session, SMTP_COMMAND);
    smtp_refuse(session, 501, "5.5.2 That is not a valid AUTH exchange");
}

/* [authzid] NUL authcid NUL password; acting for somebody else is not a thing here. */
static void plain(struct smtp_session *session, const char *text)
{
    char message[CREDENTIAL_MAX * 3 + 1];
    ptrdiff_t n = decode(text, message);
    const char *end = message + (n > 0 ? n : 0);
    const char *name = n > 0 ? memchr(message, '\0', (size_t)n) : NULL;
    const char *password =
        name != NULL && name + 1 < end ? memchr(name + 1, '\0', (size_t)(end - name - 1)) : NULL;
    bool whole = password != NULL && password + 1 + strlen(password + 1) == end;
    if (!whole || name[1] == '\0' || (message[0] != '\0' && strcmp(message, name + 1) != 0))
        bad_exchange(session);
    else
        check(session, name + 1, password + 1);
    wipe(message, sizeof(message));
}

static void login_name(struct smtp_session *session, const char *text)
{
    char name[CREDENTIAL_MAX * 3 + 1];
    ptrdiff_t n = decode(text, name);
    if (n <= 0 || strlen(name) != (size_t)n) {
        bad_exchange(session);
        return;
    }
    free(session->auth_name);
    session->auth_name = strdup(name);
    if (session->auth_name == NULL) {
        bad_exchange(session);
        return;
    }
    session->auth_step = AUTH_LOGIN_PASSWORD;
    smtp_reply(session, 334, "UGFzc3dvcmQ6"); /* "Password:" */
}

static void login_password(struct smtp_session *session, const char *text)
{
    char password[CREDENTIAL_MAX * 3 + 1];
    char name[CREDENTIAL_MAX * 3 + 1];
    ptrdiff_t n = decode(text, password);
    str_copy(name, sizeof(name), session->auth_name);
    if (n < 0 || strlen(password) != (size_t)n)
        bad_exchange(session);
    else
        check(session, name, password);
    wipe(password, sizeof(password));
}

void smtp_auth_line(struct smtp_session *session, const char *line)
{
    if (strcmp(line, "*") == 0) {
        session->auth_step = AUTH_NONE;
        smtp_enter(session, SMTP_COMMAND);
        smtp_reply(session, 501, "5.7.0 Authentication cancelled");
        return;
    }
    switch (session->auth_step) {
    case AUTH_PLAIN:
        plain(session, line);
        break;
    case AUTH_LOGIN_NAME:
        login_name(session, line);
        break;
    case AUTH_LOGIN_PASSWORD:
        login_password(session, line);
        break;
    default:
        bad_exchange(session);
    }
}

void smtp_auth_command(struct smtp_session *session, const char *arguments)
{
    if (!smtp_auth_allowed(session)) {
        smtp_refuse(session, 538, "5.7.11 Start TLS first");
        return;
    }
    if (session->authenticated || session->transaction != NULL) {
        smtp_refuse(session, 503,
                    session->authenticated ? "5.5.1 You are authenticated already"
                                           : "5.5.1 Not during a message");
        return;
    }
    size_t length = strcspn(arguments, " ");
    const char *initial = arguments[length] == ' ' ? arguments + length + 1 : NULL;
    bool is_plain = ascii_equal_n(arguments, length, "PLAIN");
    if (!is_plain && !ascii_equal_n(arguments, length, "LOGIN")) {
        smtp_refuse(session, 504, "5.5.4 Only PLAIN and LOGIN are offered");
        return;
    }
    session->auth_step = is_plain ? AUTH_PLAIN : AUTH_LOGIN_NAME;
    smtp_enter(session, SMTP_AUTH);
    if (initial != NULL)
        smtp_auth_line(session, strcmp(initial, "=") == 0 ? "" : initial);
    else
        smtp_reply(session, 334, is_plain ? "" : "VXNlcm5hbWU6"); /* "Username:" */
}
