/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of services other than SMS (service.h): whether they may come in, by token, and their
 * answers. A token is looked up with every request, so that revoking one counts at once. What a
 * service then does is its own; its call lives until it has answered, with or without a connection.
 */
#include "proxy/http/internal.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "proxy/metrics/metrics.h"

#include <stdio.h>
#include <string.h>

#define KEY_MAX 255
/* Before the names of accounts, which cannot hold it, in what both are counted under. */
#define TOKEN_MARK "token:"

static struct http_request *request_of(struct service_call *call)
{
    return CONTAINER_OF(call, struct http_request, service);
}

/* ---- what goes wrong before it is served ---- */

static const char *detail_of(enum http_trouble trouble)
{
    switch (trouble) {
    case TROUBLE_NOBODY:
        return "Send a token: \"Authorization: Bearer octroi_…\". octroi token add makes one.";
    case TROUBLE_WRONG:
        return "This token is not good: it is unknown, has expired, or was revoked.";
    case TROUBLE_CLEAR:
        return "Tokens are taken over https only. This one was sent in clear: revoke it.";
    case TROUBLE_UNCHECKED:
        return "Tokens cannot be looked up right now, try again.";
    default:
        return http_trouble_text(trouble);
    }
}

static void count_failure(const struct http_request *request, enum metrics_token_failure failure)
{
    metrics_count_token_failure(request->lane->gate->metrics, failure);
}

static void count_trouble(const struct http_request *request, enum http_trouble trouble)
{
    static const int failures[TROUBLE_COUNT] = {
        [TROUBLE_NOBODY] = 1 + METRICS_TOKEN_MISSING,
        [TROUBLE_WRONG] = 1 + METRICS_TOKEN_WRONG,
        [TROUBLE_HELD] = 1 + METRICS_TOKEN_HELD,
        [TROUBLE_CLEAR] = 1 + METRICS_TOKEN_CLEAR,
        [TROUBLE_UNCHECKED] = 1 + METRICS_TOKEN_UNCHECKED,
    };
    if (failures[trouble] != 0)
        count_failure(request, (enum metrics_token_failure)(failures[trouble] - 1));
}

void http_service_refuse(struct http_request *request, enum http_trouble trouble)
{
    struct http_call *call = &request->call;
    int status = http_trouble_status(trouble);
    count_trouble(request, trouble);
    http_problem(call, status, http_trouble_name(trouble), http_phrase(status), detail_of(trouble),
                 "", request->service.request_id);
    if (trouble == TROUBLE_NOBODY)
        call->answer.authenticate = "Bearer realm=\"octroi\"";
    if (trouble == TROUBLE_WRONG)
        call->answer.authenticate = "Bearer realm=\"octroi\", error=\"invalid_token\"";
    if (status == 503)
        call->answer.retry_after = HTTP_STRAIGHT_AWAY;
}

static void refuse(struct http_request *request, int status, const char *type, const char *title,
                   const char *detail)
{
    http_problem(&request->call, status, type, title, detail, "", request->service.request_id);
    http_request_answer(request);
}

/* ---- once for each key ---- */

static void answer_again(struct http_call *call, int status, const char *body)
{
    http_answer(call, status, "application/json");
    strbuf_add_str(&call->answer.body, body);
}

/* What the key stands for: this path of this token. False: no memory. */
static enum idempotency_found begin_key(struct http_request *request, const char *key,
                                        int *status_out, char *body_out)
{
    struct http_call *call = &request->call;
    struct strbuf place = {0};
    enum idempotency_found found = IDEMPOTENCY_FULL;
    strbuf_add_format(&place, "%s?%s ", call->path, call->query);
    strbuf_add_str(&place, key);
    if (!place.failed && call->memory != NULL)
        found = idempotency_begin(call->memory, request->login.name, place.data, call->body,
                                  call->length, call->now, &call->kept, status_out, body_out);
    strbuf_free(&place);
    return found;
}

/* False: the answer was given. */
static bool begin_once(struct http_request *request)
{
    struct http_call *call = &request->call;
    char body[IDEMPOTENCY_ANSWER + 1];
    int status = 0;
    const char *key = http_header(call, "Idempotency-Key");
    if (key == NULL || !request->service_route->once || call->method != HTTP_METHOD_POST)
        return true;
    if (!http_is_plain(key, KEY_MAX)) {
        refuse(request, 400, "malformed", "The request cannot be read",
               "Idempotency-Key must have 1 to 255 printable characters");
        return false;
    }
    switch (begin_key(request, key, &status, body)) {
    case IDEMPOTENCY_NEW:
        return true;
    case IDEMPOTENCY_AGAIN:
        answer_again(call, status, body);
        http_request_answer(request);
        return false;
    case IDEMPOTENCY_RUNNING:
        call->answer.retry_after = CLOCK_SECOND;
        refuse(request, 409, "in-progress", "The first request is not answered yet",
               "A request with this Idempotency-Key is under way, ask again later.");
        return false;
    case IDEMPOTENCY_OTHER:
        refuse(request, 422, "key-reused", "The key was used for another request",
               "This Idempotency-Key came with another body before.");
        return false;
    default:
        http_request_refuse(request, TROUBLE_MEMORY);
        return false;
    }
}

/* ---- serving ---- */

static void serve(struct http_request *request)
{
    http_request_set_stage(request, STAGE_SERVING);
    atomic_fetch_add(&request->lane->gate->calls, 1);
    request->counted = true;
    request->service_route->handle(&request->service);
}

void http_service_end(struct http_request *request)
{
    struct gate *gate = request->lane->gate;
    if (request->windowed)
        peers_leave(gate->peers, PEER_WINDOW, request->login.name, strlen(request->login.name));
    if (request->counted)
        atomic_fetch_sub(&gate->calls, 1);
    while (request->n_holds > 0) {
        const struct http_hold *hold = &request->holds[--request->n_holds];
        peers_leave(gate->peers, hold->kind, hold->name, hold->length);
    }
    request->windowed = request->counted = false;
}

/* False: that was answered. */
static bool enter_window(struct http_request *request)
{
    const char *name = request->login.name;
    request->windowed =
        peers_enter(request->lane->gate->peers, PEER_WINDOW, name, strlen(name), SERVICE_WINDOW);
    if (request->windowed)
        return true;
    request->call.answer.retry_after = CLOCK_SECOND;
    refuse(request, 429, "over-window", "Too many requests at a time",
           "This token has as many requests under way as it may, wait for their answers.");
    return false;
}

static void lacks_scope(struct http_request *request, unsigned missing)
{
    char detail[120];
    unsigned scope = missing & ~(missing - 1);
    snprintf(detail, sizeof(detail), "This token does not have the scope \"%s\".",
             token_scope_name((enum token_scope)scope));
    count_failure(request, METRICS_TOKEN_SCOPE);
    request->call.answer.authenticate = "Bearer realm=\"octroi\", error=\"insufficient_scope\"";
    refuse(request, 403, "scope", "This token is not for that", detail);
}

void http_request_admitted(struct http_request *request)
{
    const struct token *token = &request->service.token;
    unsigned missing = request->service_route->scope & ~token->scopes;
    request->connection->identified = true;
    snprintf(request->login.name, sizeof(request->login.name), TOKEN_MARK "%s", token->id);
    if (!rates_admit(request->lane->gate->rates, "", token->id, token->rate, request->began)) {
        request->call.answer.retry_after = CLOCK_SECOND;
        count_failure(request, METRICS_TOKEN_RATE);
        refuse(request, 429, "over-rate", "Too many requests",
               "This token has had its requests for this second, try again in the next.");
        return;
    }
    if (missing != 0) {
        lacks_scope(request, missing);
        return;
    }
    if (enter_window(request) && begin_once(request))
        serve(request);
}

/* ---- whose it is ---- */

static void on_token(void *lane, struct ticket ticket, enum result result,
                     const struct token *token)
{
    struct http_request *request = ticket_redeem(((struct lane *)lane)->requests, ticket);
    if (request == NULL || request->stage != STAGE_CHECKING)
        return;
    if (result != RESULT_OK && result != RESULT_NOT_FOUND) {
        http_request_refuse(request, TROUBLE_UNCHECKED);
        return;
    }
    if (token != NULL)
        request->service.token = *token;
    http_request_judged(request, token != NULL);
}

/* Failures count under the token that was meant, so far as that can be seen. */
static void name_login(struct http_request *request, const char *text)
{
    const char *id = strchr(text, '_');
    snprintf(request->login.name, sizeof(request->login.name), TOKEN_MARK "%.*s", TOKEN_ID - 1,
             id != NULL ? id + 1 : "");
}

static void look_up(struct http_request *request, const char *text)
{
    struct gate *gate = request->lane->gate;
    name_login(request, text);
    if (!guesses_admit(gate->guesses, &request->client.key, request->login.name, request->began)) {
        http_request_hold(request, TROUBLE_HELD, "too many failures");
        return;
    }
    http_request_set_stage(request, STAGE_CHECKING);
    store_find_token(request->lane->store, text, clock_now(), on_token, request->lane,
                     request->ticket);
}

void http_request_serve(struct http_request *request)
{
    static const char scheme[] = "Bearer ";
    struct service_call *call = &request->service;
    const struct service_route *route = request->service_route;
    const char *header = http_header(&call->http, "Authorization");
    call->lane = request->lane;
    call->peer = request->client.text;
    call->local = request->client.local;
    call->vouched = request->client.vouched;
    call->peer_key = &request->client.key;
    record_new_id(call->request_id);
    if (route->scope == 0 || (route->open_here && call->local))
        serve(request);
    else if (header == NULL || !ascii_has_prefix(header, scheme))
        http_request_refuse(request, TROUBLE_NOBODY);
    else if (!request->client.secured)
        http_request_refuse(request, TROUBLE_CLEAR);
    else
        look_up(request, header + strlen(scheme) + strspn(header + strlen(scheme), " "));
}

/* ---- for the services ---- */

bool service_concerns(struct service_call *call, const char *partner)
{
    if (call->token.partner[0] == '\0' || strcmp(call->token.partner, partner) == 0)
        return true;
    service_problem(call, 403, "other-partner", "This token is not for that",
                    "This token concerns one partner only, and not the one that was named.");
    return false;
}

bool service_hold(struct service_call *call, enum peer_kind kind, const void *name, size_t length,
                  unsigned most)
{
    struct http_request *request = request_of(call);
    struct http_hold *hold = &request->holds[request->n_holds];
    if (request->n_holds == SERVICE_HOLDS || length > sizeof(hold->name) ||
        !peers_enter(request->lane->gate->peers, kind, name, length, most))
        return false;
    hold->kind = kind;
    hold->length = length;
    memcpy(hold->name, name, length);
    request->n_holds++;
    return true;
}

void service_refuse_crowd(struct service_call *call, const char *detail)
{
    call->http.answer.retry_after = CLOCK_SECOND;
    service_problem(call, 429, "over-window", "Too many requests at a time", detail);
}

struct ticket service_ticket(const struct service_call *call)
{
    return request_of((struct service_call *)(uintptr_t)call)->ticket;
}

struct service_call *service_redeem(struct lane *lane, struct ticket ticket)
{
    struct http_request *request = ticket_redeem(lane->requests, ticket);
    return request != NULL && request->stage == STAGE_SERVING ? &request->service : NULL;
}

void service_answer(struct service_call *call)
{
    struct http_request *request = request_of(call);
    const struct http_answer *answer = &call->http.answer;
    if (request->stage != STAGE_SERVING) {
        log_event(LOG_LEVEL_ERROR, "a service answered twice",
                  LOG_TEXT("route", request->service_route->pattern));
        return;
    }
    /* What was refused did nothing, and may be asked again. */
    call->http.remember = answer->status / 100 == 2 && !answer->body.failed &&
                          answer->body.length <= IDEMPOTENCY_ANSWER;
    if (request->connection == NULL || request->not_before <= clock_monotonic()) {
        http_request_answer(request);
        return;
    }
    http_request_wait(request, request->not_before);
}

void service_identified(struct service_call *call)
{
    request_of(call)->connection->identified = true;
}

void service_tell_late(struct service_call *call, int64_t at)
{
    request_of(call)->not_before = at;
}

void service_problem(struct service_call *call, int status, const char *type, const char *title,
                     const char *detail)
{
    http_problem(&call->http, status, type, title, detail, "", call->request_id);
    if (status == 503 && call->http.answer.retry_after == 0)
        call->http.answer.retry_after = HTTP_STRAIGHT_AWAY;
    service_answer(call);
}

/* Nothing of what was to be answered is. An act was done before: a "no" does not wait for the
 * journal, and the registry knows it; the log says whose it was. */
static void answer_unrecorded(struct service_call *call)
{
    const struct service_route *route = request_of(call)->service_route;
    struct strbuf body = call->http.answer.body;
    strbuf_clear(&body);
    body.failed = false;
    call->http.answer = (struct http_answer){.body = body};
    if (request_of(call)->unrecorded != NULL) {
        request_of(call)->unrecorded(call);
        return;
    }
    log_event(LOG_LEVEL_ERROR, "what was asked for is not on record",
              LOG_TEXT("request", call->request_id), LOG_TEXT("token", call->token.name),
              LOG_TEXT("route", route->pattern));
    service_problem(call, 503, "unrecorded", "The gate cannot put this on record",
                    route->once ? "The journal cannot be written now. What was asked for may have "
                                  "been done all the same: ask again later, and it will say so."
                                : "The journal cannot be written now, so nothing is answered. Try "
                                  "again later.");
}

static void on_recorded(void *lane, struct ticket ticket, enum result result)
{
    struct service_call *call = service_redeem(lane, ticket);
    if (call == NULL)
        return;
    if (result == RESULT_OK)
        service_answer(call);
    else
        answer_unrecorded(call);
}

void service_answer_recorded_or(struct service_call *call, struct journal_batch *batch,
                                service_handler *unrecorded)
{
    request_of(call)->unrecorded = unrecorded;
    service_answer_recorded(call, batch);
}

void service_answer_recorded(struct service_call *call, struct journal_batch *batch)
{
    if (batch == NULL)
        answer_unrecorded(call);
    else
        store_append(call->lane->store, batch, on_recorded, call->lane, service_ticket(call));
}
