/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which account a request is of: by its password (proxy/smtp/auth.c is the same over SMTP), by its
 * signature, or by network and certificate. What is wrong, also a token (service.c), is told late,
 * so that guessing is slow.
 */
#include "proxy/http/internal.h"

#include "base/clock.h"
#include "base/crypto.h"

#include <string.h>

#define FAILURES_MAX 3 /* on one connection; then it ends */

void http_request_hold(struct http_request *request, enum http_trouble trouble, const char *why)
{
    struct gate *gate = request->lane->gate;
    refusals_add(&gate->refusals, REFUSAL_AUTH_HELD, request->session, request->client.text, why);
    request->right = false;
    request->trouble = trouble;
    http_request_wait(request, request->began + guesses_unseen(gate->guesses, &request->client.key,
                                                               request->began));
}

static void say(struct http_request *request)
{
    if (request->right && request->service_route != NULL) {
        http_request_admitted(request);
        return;
    }
    if (request->right) {
        http_request_identified(request);
        return;
    }
    if (request->connection->auth_failures >= FAILURES_MAX)
        request->call.answer.close = true;
    http_request_refuse(request, request->trouble);
}

void http_request_penalty_over(struct http_request *request)
{
    if (request->not_before != 0)
        http_request_answer(request);
    else
        say(request);
}

void http_request_judged(struct http_request *request, bool right)
{
    struct http_connection *connection = request->connection;
    struct gate *gate = request->lane->gate;
    request->right = right;
    request->trouble = TROUBLE_WRONG;
    int64_t delay = guesses_note(gate->guesses, &request->client.key, request->login.name,
                                 request->right, clock_monotonic());
    if (request->right && delay == 0) {
        say(request);
        return;
    }
    if (!request->right) {
        connection->auth_failures++;
        refusals_add(&gate->refusals, REFUSAL_AUTH_FAILED, request->session, request->client.text,
                     NULL);
        if (delay < (int64_t)connection->auth_failures * CLOCK_SECOND)
            delay = (int64_t)connection->auth_failures * CLOCK_SECOND;
    }
    /* From when the request came, so that it shows nothing of how long the hash took. */
    http_request_wait(request, request->began + delay);
}

/* matches: the password or the signature is right. All of an account's conditions must hold,
 * whatever those say. */
static void conclude(struct http_request *request, const struct account_config *account,
                     bool matches)
{
    bool right = matches && account != NULL &&
                 account_admits(account, (const struct sockaddr *)&request->client.address,
                                request->client.fingerprint);
    if (right)
        request->call.account = account;
    http_request_judged(request, right);
}

static void on_checked(void *lane, struct ticket ticket, bool matches)
{
    struct http_request *request = ticket_redeem(((struct lane *)lane)->requests, ticket);
    if (request == NULL || request->stage != STAGE_CHECKING)
        return;
    const struct account_config *account =
        config_account(request->snapshot->config, request->login.name);
    conclude(request, account, matches && account != NULL && account->password != NULL);
}

/* Else whoever cuts the connection in time could have passwords hashed without end. */
void http_request_abandon_login(struct http_request *request)
{
    struct gate *gate = request->lane->gate;
    if (request->stage != STAGE_CHECKING)
        return;
    credentials_abandon(gate->credentials, request->lane, request->ticket);
    guesses_note(gate->guesses, &request->client.key, request->login.name, false,
                 clock_monotonic());
}

static void check_password(struct http_request *request)
{
    struct http_login *login = &request->login;
    struct gate *gate = request->lane->gate;
    const struct account_config *account = config_account(request->snapshot->config, login->name);
    http_request_set_stage(request, STAGE_CHECKING);
    bool taken = credentials_check(gate->credentials, &request->client.key, login->name,
                                   account != NULL ? account->password : NULL, login->password,
                                   request->lane->loop, on_checked, request->lane, request->ticket);
    wipe(login->password, sizeof(login->password));
    if (!taken)
        http_request_hold(request, TROUBLE_UNCHECKED, "no helper is free");
    else if (request->stage == STAGE_CHECKING)
        http_request_watch(request, INT64_MAX);
}

static void by_peer(struct http_request *request)
{
    const struct account_config *account = config_account_of_peer(
        request->snapshot->config, (const struct sockaddr *)&request->client.address,
        request->client.fingerprint);
    request->call.account = account;
    if (account != NULL)
        http_request_identified(request);
    else
        http_request_refuse(request, TROUBLE_NOBODY);
}

void http_request_identify(struct http_request *request)
{
    struct http_login *login = &request->login;
    request->route->shape->login(&request->call, login);
    if (login->kind == LOGIN_NONE) {
        by_peer(request);
        return;
    }
    if (login->kind == LOGIN_BAD || !request->client.secured) {
        wipe(login->password, sizeof(login->password));
        http_request_refuse(request, login->kind == LOGIN_BAD ? TROUBLE_WRONG : TROUBLE_CLEAR);
        return;
    }
    if (!guesses_admit(request->lane->gate->guesses, &request->client.key, login->name,
                       request->began)) {
        wipe(login->password, sizeof(login->password));
        http_request_hold(request, TROUBLE_HELD, "too many failures");
        return;
    }
    if (login->kind == LOGIN_SIGNED)
        conclude(request, login->account, login->right);
    else
        check_password(request);
}
