/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request from its arrival to its answer. What a shape reads and answers is its own (call.h);
 * here it is recognised, identified, submitted, answered. When its connection goes meanwhile, what
 * is under way goes on, and its end is remembered where that was asked for.
 */
#include "proxy/http/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/tls.h"
#include "proxy/metrics/metrics.h"

#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE      16 /* messages of one request under way */
#define ARENA_BODIES 8  /* times the size of the body */

/* Whether who is kept waiting still waits. */
#define LOOK_EVERY CLOCK_SECOND

#define BIT(stage) (1u << (stage))

static const struct {
    const char *name;
    unsigned next;
} stages[STAGE_COUNT] = {
    [STAGE_ARRIVED] = {"ARRIVED", BIT(STAGE_CHECKING) | BIT(STAGE_PENALTY) | BIT(STAGE_SENDING) |
                                      BIT(STAGE_HOOKED) | BIT(STAGE_SERVING) | BIT(STAGE_ANSWERED)},
    [STAGE_CHECKING] = {"CHECKING", BIT(STAGE_PENALTY) | BIT(STAGE_SENDING) | BIT(STAGE_SERVING) |
                                        BIT(STAGE_ANSWERED)},
    [STAGE_PENALTY] = {"PENALTY", BIT(STAGE_SENDING) | BIT(STAGE_SERVING) | BIT(STAGE_ANSWERED)},
    [STAGE_SENDING] = {"SENDING", BIT(STAGE_ANSWERED)},
    [STAGE_HOOKED] = {"HOOKED", BIT(STAGE_ANSWERED)},
    [STAGE_SERVING] = {"SERVING", BIT(STAGE_PENALTY) | BIT(STAGE_STREAMING) | BIT(STAGE_ANSWERED)},
    [STAGE_STREAMING] = {"STREAMING", BIT(STAGE_ANSWERED)},
    [STAGE_ANSWERED] = {"ANSWERED", 0},
};

void http_request_set_stage(struct http_request *request, enum http_stage stage)
{
    if ((stages[request->stage].next & BIT(stage)) == 0) {
        log_event(LOG_LEVEL_ERROR, "http request stage not allowed",
                  LOG_TEXT("session", request->session),
                  LOG_TEXT("from", stages[request->stage].name),
                  LOG_TEXT("to", stages[stage].name));
        return;
    }
    request->stage = stage;
}

/* ---- the end ---- */

static void free_request(struct loop_task *task)
{
    struct http_request *request = CONTAINER_OF(task, struct http_request, task);
    if (request->call.kept != NULL)
        idempotency_end(request->call.memory, &request->call.kept, 0, "", 0);
    http_stream_gone(request);
    http_service_end(request);
    http_call_end(&request->call);
    arena_free(&request->call.arena);
    snapshot_unref(&request->snapshot);
    free(request);
}

void http_request_end(struct http_request *request)
{
    http_request_set_stage(request, STAGE_ANSWERED);
    if (request->connection != NULL)
        request->connection->request = NULL;
    request->connection = NULL;
    ticket_revoke(request->lane->requests, request->ticket);
    request->task.run = free_request;
    loop_defer(request->lane->loop, &request->task);
}

static void free_one(void *object, void *arg)
{
    (void)arg;
    struct http_request *request = object;
    ticket_revoke(request->lane->requests, request->ticket);
    free_request(&request->task);
}

void http_requests_free(struct lane *lane)
{
    ticket_each(lane->requests, free_one, NULL);
}

/* ---- answering ---- */

static void log_request(const struct http_request *request)
{
    const struct account_config *account = request->call.account;
    /* Of strangers there may be thousands a second, and what went well is in the journal: a line a
     * message would cost more than the message's row. */
    const char *token = request->service_route != NULL && request->service.token.id[0] != '\0'
                            ? request->service.token.name
                            : "-";
    const char *route = request->route != NULL           ? request->route->pattern
                        : request->service_route != NULL ? request->service_route->pattern
                                                         : "-";
    bool noted = (account != NULL || token[0] != '-') && request->call.answer.status / 100 != 2;
    log_event(noted ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "http request",
              LOG_TEXT("session", request->session), LOG_TEXT("peer", request->client.text),
              LOG_TEXT("account", account != NULL ? account->name : "-"), LOG_TEXT("token", token),
              LOG_TEXT("route", route), LOG_NUMBER("status", request->call.answer.status),
              LOG_TEXT("told", request->evreq != NULL ? "yes" : "no"));
}

static enum metrics_service service_of(const struct http_request *request)
{
    if (request->route != NULL)
        return request->route->kind == ROUTE_HOOK ? METRICS_WEBHOOK : METRICS_SMS;
    switch (request->service_route != NULL ? request->service_route->service : 0) {
    case SERVICE_API:
        return METRICS_API;
    case SERVICE_UNSUBSCRIBE:
        return METRICS_UNSUBSCRIBE;
    case SERVICE_METRICS:
        return METRICS_METRICS;
    case SERVICE_CONSOLE:
        return METRICS_CONSOLE;
    default:
        return METRICS_NO_SERVICE;
    }
}

static void count_request(const struct http_request *request)
{
    metrics_count_request(request->lane->gate->metrics, service_of(request),
                          request->call.answer.status, clock_monotonic() - request->began);
}

static void remember(struct http_call *call)
{
    const struct strbuf *body = &call->answer.body;
    if (call->kept == NULL)
        return;
    idempotency_end(call->memory, &call->kept, call->remember ? call->answer.status : 0,
                    body->data != NULL ? body->data : "", body->failed ? 0 : body->length);
}

void http_request_count(struct http_request *request)
{
    log_request(request);
    count_request(request);
}

void http_request_answer(struct http_request *request)
{
    remember(&request->call);
    http_request_count(request);
    struct http_connection *connection = request->connection;
    struct evhttp_request *evreq = request->evreq;
    request->evreq = NULL;
    http_request_end(request); /* freed later: its answer still stands */
    if (evreq != NULL)
        http_send(connection, evreq, &request->call.answer);
}

void http_request_problem(struct http_request *request, int status, const char *allow, bool close)
{
    http_plain_problem(&request->call, status);
    request->call.answer.allow = allow;
    request->call.answer.close = close;
    if (status == 503)
        request->call.answer.retry_after = HTTP_STRAIGHT_AWAY;
    http_request_answer(request);
}

void http_request_refuse(struct http_request *request, enum http_trouble trouble)
{
    struct http_answer *answer = &request->call.answer;
    if (request->route != NULL)
        request->route->shape->refuse(&request->call, trouble);
    else
        http_service_refuse(request, trouble);
    if (trouble == TROUBLE_HELD) {
        answer->retry_after = GUESS_DELAY_MOST;
        answer->close = true;
    }
    if (trouble == TROUBLE_CONNECTION || trouble == TROUBLE_CLEAR)
        answer->close = true;
    http_request_answer(request);
}

void http_request_orphan(struct http_request *request)
{
    /* evhttp keeps what it has not told us of the end of; else it frees it with the connection. */
    if (request->evreq != NULL && evhttp_request_get_connection(request->evreq) == NULL)
        evhttp_request_free(request->evreq);
    request->evreq = NULL;
    request->connection = NULL;
    request->call.headers = NULL;
    http_request_abandon_login(request);
    if (request->stage == STAGE_STREAMING)
        http_stream_gone(request);
    if (request->stage == STAGE_SENDING)
        request->call.n_messages = request->next; /* those not begun stay here */
    else if (request->stage != STAGE_HOOKED && request->stage != STAGE_SERVING)
        http_request_end(request);
}

/* ---- messages ---- */

static const char *keep(struct arena *arena, const char *text)
{
    const char *copy = arena_str(arena, text);
    return copy != NULL ? copy : "";
}

static void keep_reply(struct http_call *call, struct http_message *message,
                       const struct sms_reply *reply)
{
    message->ended = true;
    message->reply = *reply;
    message->reply.ref = keep(call->arena, reply->ref);
    message->reply.to = keep(call->arena, reply->to);
    message->reply.provider = keep(call->arena, reply->provider);
    message->reply.provider_id = keep(call->arena, reply->provider_id);
    message->reply.text = keep(call->arena, reply->text);
}

static void pump(struct http_request *request);

static void on_reply(void *lane_pointer, struct ticket ticket, const struct sms_reply *reply)
{
    struct lane *lane = lane_pointer;
    struct http_request *request = ticket_redeem(lane->requests, ticket);
    if (request == NULL || request->stage != STAGE_SENDING)
        return;
    const char *account = request->call.account->name;
    peers_leave(lane->gate->peers, PEER_WINDOW, account, strlen(account));
    keep_reply(&request->call, &request->call.messages[ticket.item], reply);
    request->under--;
    pump(request);
}

static bool has_room(const struct http_request *request)
{
    const struct account_config *account = request->call.account;
    return request->under < AT_ONCE &&
           peers_enter(request->lane->gate->peers, PEER_WINDOW, account->name,
                       strlen(account->name), account->stream->window);
}

/* The account has so many under way that none of this request is: not now. */
static void give_up_rest(struct http_request *request)
{
    static const struct sms_reply over = {
        .end = SMS_END_OVER_RATE,
        .reason = REASON_UNABLE,
        .ref = "",
        .to = "",
        .provider = "",
        .provider_id = "",
        .text = "Your account has too many messages under way, try again when they are answered.",
    };
    while (request->next < request->call.n_messages)
        keep_reply(&request->call, &request->call.messages[request->next++], &over);
}

static void submit_next(struct http_request *request)
{
    struct ticket ticket = request->ticket;
    ticket.item = (uint32_t)request->next;
    struct sms_submission *what = &request->call.messages[request->next].what;
    what->snapshot = request->snapshot;
    what->account = request->call.account;
    what->session = request->session;
    request->next++;
    request->under++;
    sms_submit(request->lane, what, on_reply, request->lane, ticket);
}

static void pump(struct http_request *request)
{
    if (request->pumping)
        return;
    request->pumping = true;
    while (request->next < request->call.n_messages && has_room(request))
        submit_next(request);
    if (request->under == 0)
        give_up_rest(request);
    request->pumping = false;
    if (request->under > 0)
        return;
    request->route->shape->render(&request->call);
    http_request_answer(request);
}

/* ---- once it is known whose it is ---- */

void http_request_identified(struct http_request *request)
{
    const struct account_config *account = request->call.account;
    struct http_connection *connection = request->connection;
    if (account->stream->terms.channel != CHANNEL_SMS) {
        http_request_refuse(request, TROUBLE_NOT_SMS);
        return;
    }
    connection->identified = true;
    if (!http_connection_admit(connection, request->snapshot, account)) {
        http_request_refuse(request, TROUBLE_CONNECTION);
        return;
    }
    if (request->route->kind == ROUTE_ASK) {
        request->route->answer(&request->call);
        http_request_answer(request);
        return;
    }
    if (!request->route->shape->read(&request->call)) {
        http_request_answer(request);
        return;
    }
    http_request_set_stage(request, STAGE_SENDING);
    pump(request);
}

static void look_again(struct http_request *request)
{
    int64_t next = clock_monotonic() + LOOK_EVERY;
    http_connection_wake_at(request->connection, request->due < next ? request->due : next);
}

void http_request_watch(struct http_request *request, int64_t due)
{
    request->due = due;
    look_again(request);
}

void http_request_wait(struct http_request *request, int64_t due)
{
    http_request_set_stage(request, STAGE_PENALTY);
    http_request_watch(request, due);
}

void http_request_timer(struct http_request *request)
{
    bool waits = request->stage == STAGE_PENALTY || request->stage == STAGE_CHECKING;
    if (waits && http_connection_was_left(request->connection)) {
        http_connection_end(request->connection, "did not wait for the answer");
        return;
    }
    if (waits && clock_monotonic() < request->due) {
        look_again(request);
        return;
    }
    if (request->stage == STAGE_PENALTY)
        http_request_penalty_over(request);
    if (request->stage == STAGE_STREAMING)
        http_stream_timer(request);
}

/* ---- arriving ---- */

static enum http_method method_of(const struct evhttp_request *evreq)
{
    switch ((int)evhttp_request_get_command(evreq)) {
    case EVHTTP_REQ_GET:
        return HTTP_METHOD_GET;
    case EVHTTP_REQ_POST:
        return HTTP_METHOD_POST;
    case EVHTTP_REQ_HEAD:
        return HTTP_METHOD_HEAD;
    default:
        return HTTP_METHOD_OTHER;
    }
}

/* False: no memory. */
static bool take_body(struct http_call *call, struct evbuffer *input)
{
    call->length = evbuffer_get_length(input);
    char *body = arena_alloc(call->arena, call->length + 1);
    call->body = body;
    return body != NULL && (call->length == 0 || evbuffer_copyout(input, body, call->length) ==
                                                     (ev_ssize_t)call->length);
}

/* False: no memory. */
static bool take_call(struct http_request *request)
{
    struct http_call *call = &request->call;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request->evreq);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    const char *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
    call->method = method_of(request->evreq);
    call->headers = evhttp_request_get_input_headers(request->evreq);
    call->path = arena_str(call->arena, path != NULL && path[0] != '\0' ? path : "/");
    call->query = arena_str(call->arena, query != NULL ? query : "");
    call->tails[0] = call->tails[1] = "";
    call->now = clock_monotonic();
    call->config = request->snapshot->config;
    call->memory = request->lane->gate->idempotency;
    call->media = http_media(call);
    return call->path != NULL && call->query != NULL &&
           take_body(call, evhttp_request_get_input_buffer(request->evreq));
}

/* Where it leads to. False: nowhere, and that was answered. */
static bool find_route(struct http_request *request)
{
    struct http_call *call = &request->call;
    unsigned services = request->listener->services;
    unsigned methods = 0;
    if (services & SERVICE_SMS)
        request->route =
            http_find_route(call->method, call->path, call->arena, call->tails, &methods);
    if (request->route == NULL)
        request->service_route = http_find_service(services, call->method, call->path, call->arena,
                                                   call->tails, &methods);
    if (request->route != NULL || request->service_route != NULL)
        return true;
    const char *allow = http_methods_text(methods, call->arena);
    bool odd = call->method != HTTP_METHOD_GET && call->method != HTTP_METHOD_POST;
    http_request_problem(request, methods != 0 ? 405 : 404, allow, odd);
    return false;
}

/* What it is, and what is to be done about it. */
static void take_up(struct http_request *request, bool whole)
{
    struct http_call *call = &request->call;
    if (!whole) {
        http_request_problem(request, 503, NULL, true);
        return;
    }
    if (!http_framing_is_clear(&request->connection->framing) ||
        !http_ends_clearly(call->headers, call->method) || !http_says_one_thing(call->headers) ||
        request->client.unclear) {
        http_request_problem(request, 400, NULL, true);
        return;
    }
    if (!find_route(request))
        return;
    if (request->service_route != NULL) {
        http_request_serve(request);
    } else if (request->route->kind == ROUTE_OPEN) {
        request->route->answer(call);
        http_request_answer(request);
    } else if (request->route->kind == ROUTE_HOOK) {
        http_request_hook(request);
    } else {
        http_request_identify(request);
    }
}

static struct http_request *new_request(struct http_connection *connection,
                                        struct evhttp_request *evreq, size_t listener)
{
    struct lane *lane = connection->door->front->lane;
    struct http_request *request = calloc(1, sizeof(*request));
    if (request == NULL)
        return NULL;
    size_t body = evbuffer_get_length(evhttp_request_get_input_buffer(evreq));
    request->ticket = ticket_issue(lane->requests, request);
    request->call.arena = arena_new(HTTP_CALL_ARENA + ARENA_BODIES * (body + HTTP_HEADERS_MAX));
    if (request->ticket.generation == 0 || request->call.arena == NULL) {
        ticket_revoke(lane->requests, request->ticket);
        arena_free(&request->call.arena);
        free(request);
        return NULL;
    }
    request->lane = lane;
    request->connection = connection;
    request->evreq = evreq;
    request->snapshot = snapshot_ref(lane->snapshot);
    request->listener = &lane->snapshot->config->listeners[listener];
    request->began = clock_monotonic();
    str_copy(request->session, sizeof(request->session), connection->id);
    connection->request = request;
    return request;
}

/* evhttp answers in the version it was asked in, whatever that is, and there are but two; and who
 * asks as of a proxy it leaves without having said so. */
static void straighten(struct evhttp_request *evreq)
{
    evreq->minor = evreq->major > 1 || (evreq->major == 1 && evreq->minor > 0);
    evreq->major = 1;
    evreq->flags &= ~EVHTTP_PROXY_REQUEST;
}

/* Made without us, or with nothing left to work with: said in a few words, and the end. */
static void turn_off(struct evhttp_request *evreq)
{
    http_send_busy(evreq);
}

void http_on_request(struct evhttp_request *evreq, void *arg)
{
    struct http_door *door = arg;
    struct http_connection *connection =
        http_connection_of(door->front, evhttp_request_get_connection(evreq));
    size_t listener;
    straighten(evreq);
    if (connection == NULL || connection->state != HTTP_READING) {
        turn_off(evreq);
        return;
    }
    /* Else what is pipelined behind a GET would find evhttp in a state it ends the process in. */
    bufferevent_disable(connection->bev, EV_READ);
    connection->asked = true;
    http_connection_enter(connection, HTTP_WORKING);
    const struct config *config = door->front->lane->snapshot->config;
    struct http_request *request = http_find_listener(config, door->entrance, &listener)
                                       ? new_request(connection, evreq, listener)
                                       : NULL;
    if (request == NULL) {
        http_connection_enter(connection, HTTP_ANSWERING);
        turn_off(evreq);
        return;
    }
    if (connection->tls && connection->fingerprint[0] == '\0')
        (void)tls_peer_fingerprint(bufferevent_openssl_get_ssl(connection->bev),
                                   connection->fingerprint);
    http_client_find(connection, request->listener, evhttp_request_get_input_headers(evreq),
                     &request->client);
    request->call.secured = request->client.secured;
    request->call.https = request->client.https;
    take_up(request, take_call(request));
}
