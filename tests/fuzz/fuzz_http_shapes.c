/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shapes of HTTP, without a socket: a method, a path, header lines, an empty line, a body. What
 * is read of it is a message that can be submitted, or an answer; whatever comes of the messages is
 * an answer; and every answer is one that can be sent as it is: a status, a body that is JSON where
 * it says so, header fields of one line.
 */
#include "base/clock.h"
#include "proxy/http/internal.h"
#include "tests/fuzz/fuzz.h"

#include <event2/keyvalq_struct.h>

static const char *senders[] = {"ACME", "36105"};
static const struct partner partner = {.id = "acme", .name = "ACME"};
static const struct stream_config stream = {
    .terms = {.id = "promo",
              .partner = &partner,
              .channel = CHANNEL_SMS,
              .senders = senders,
              .n_senders = 2},
    .window = 10,
};
static struct account_config account = {
    .name = "acme",
    .application_key = "AK",
    .application_secret = "AS",
    .consumer_key = "CK",
    .stream = &stream,
};
static const struct account_config *applications[] = {&account};
static struct config config = {
    .public_url = "https://gate.example",
    .hostname = "gate.example",
    .accounts = &account,
    .n_accounts = 1,
    .applications = applications,
    .n_applications = 1,
};

struct text {
    char *at;
};

/* The next line, ended in place; NULL: there is none. */
static char *next_line(struct text *text)
{
    char *line = text->at;
    if (line == NULL)
        return NULL;
    char *end = strchr(line, '\n');
    text->at = end != NULL ? end + 1 : NULL;
    if (end != NULL)
        *end = '\0';
    return line;
}

static void read_headers(struct text *text, struct evkeyvalq *headers)
{
    char *line;
    while ((line = next_line(text)) != NULL && *line != '\0') {
        char *colon = strchr(line, ':');
        if (colon == NULL)
            continue;
        *colon = '\0';
        evhttp_add_header(headers, line, colon + 1 + strspn(colon + 1, " "));
    }
}

/* ---- what must hold ---- */

static void check_answer(const struct http_call *call)
{
    const struct http_answer *answer = &call->answer;
    must(answer->status >= 200 && answer->status <= 599);
    must(strcmp(http_phrase(answer->status), "Unknown") != 0);
    must(!answer->body.failed && answer->body.length > 0);
    must(utf8_valid(answer->body.data, answer->body.length));
    must(fuzz_one_line(answer->type) && answer->retry_after >= 0);
    must(answer->allow == NULL || fuzz_one_line(answer->allow));
    must(answer->authenticate == NULL || fuzz_one_line(answer->authenticate));
    if (strstr(answer->type, "json") != NULL) {
        json_error_t error;
        json_t *json = json_loadb(answer->body.data, answer->body.length,
                                  JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
        must_say(json != NULL, "%s: %s", error.text, answer->body.data);
        json_decref(json);
    }
    /* It is kept under a key as it is. */
    if (call->kept != NULL)
        must(answer->body.length <= IDEMPOTENCY_ANSWER);
}

static void check_message(const struct sms_submission *what)
{
    must(what->to != NULL && http_is_plain(what->to, HTTP_NUMBER_MAX));
    must(what->sender != NULL &&
         (what->sender[0] == '\0' || http_is_plain(what->sender, HTTP_SENDER_MAX)));
    must((what->text != NULL) != (what->raw != NULL));
    must(what->validity >= 0 && what->validity <= 7 * CLOCK_DAY && !what->scheduled);
    if (what->text != NULL) {
        must(http_is_text(what->text));
        return;
    }
    const struct sms_raw *raw = what->raw;
    must(raw->body.length > 0 && raw->body.length <= 64 * 1024);
    must(raw->payload == (raw->body.length > 254));
    if ((raw->esm_class & SMPP_ESM_UDHI) != 0)
        must(sms_header_length(raw->body.data, raw->body.length) > 0);
}

/* ---- what comes of it ---- */

static void end_message(struct http_message *message, uint64_t number)
{
    message->ended = true;
    message->reply = (struct sms_reply){
        .end = (enum sms_end)(number % SMS_END_COUNT),
        .reason = (enum reason)(number / 16 % REASON_COUNT),
        .ref = number % 3 == 0 ? "" : "01M8572YAZ-G4PZ4N",
        .to = number % 5 == 0 ? "" : "+33612345678",
        .provider = number % 7 == 0 ? "" : "agg\"\n",
        .provider_id = number % 11 == 0 ? "" : "\xff\x01\"id",
        .parts = (unsigned)(number / 64 % 4),
        .refusal = (enum sms_refusal)(number / 256 % 4),
        .retry_after = (int64_t)(number % 2 * 1000),
        .text = "It said \"no\",\r\nor nearly: \xc3\xa9\xff.",
    };
}

static void submit(struct http_call *call, const struct http_route *route, uint64_t state)
{
    must(call->n_messages > 0 && call->n_messages <= HTTP_RECIPIENTS);
    for (size_t i = 0; i < call->n_messages; i++) {
        check_message(&call->messages[i].what);
        end_message(&call->messages[i], fuzz_random(&state));
    }
    route->shape->render(call);
}

static void serve(struct http_call *call, const struct http_route *route, uint64_t state)
{
    struct http_login login = {.kind = LOGIN_NONE};
    route->shape->login(call, &login);
    must(strlen(login.name) <= HTTP_CREDENTIAL && strlen(login.password) <= HTTP_CREDENTIAL);
    must(login.kind != LOGIN_PASSWORD || login.name[0] != '\0');
    must(!login.right || (login.kind == LOGIN_SIGNED && login.account == &account));
    call->account = &account;
    if (state % 8 == 0)
        route->shape->refuse(call, (enum http_trouble)(state / 8 % TROUBLE_COUNT));
    else if (route->kind == ROUTE_ASK)
        route->answer(call);
    else if (route->shape->read(call))
        submit(call, route, state);
}

static void answer(struct http_call *call, uint64_t state)
{
    unsigned methods = 0;
    const struct http_route *route =
        http_find_route(call->method, call->path, call->arena, call->tails, &methods);
    const char *allow = route == NULL ? http_methods_text(methods, call->arena) : NULL;
    if (route == NULL)
        http_plain_problem(call, methods != 0 ? 405 : 404);
    else if (route->kind == ROUTE_OPEN)
        route->answer(call);
    else if (route->kind == ROUTE_HOOK)
        return; /* the adapter's */
    else
        serve(call, route, state);
    call->answer.allow = allow;
    check_answer(call);
    if (call->kept != NULL)
        idempotency_end(call->memory, &call->kept, call->remember ? call->answer.status : 0,
                        call->answer.body.data, call->answer.body.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct idempotency *memory;
    if (memory == NULL)
        must(idempotency_hold(&memory));
    char *copy = fuzz_copy(data, size, true);
    struct text text = {copy};
    struct evkeyvalq headers;
    TAILQ_INIT(&headers);
    char *method = next_line(&text);
    char *path = next_line(&text);
    read_headers(&text, &headers);
    if (path == NULL)
        path = copy + size; /* "" */
    char *query = strchr(path, '?');
    struct http_call call = {
        .method = strcmp(method, "POST") == 0  ? HTTP_METHOD_POST
                  : strcmp(method, "GET") == 0 ? HTTP_METHOD_GET
                                               : HTTP_METHOD_OTHER,
        .query = "",
        .tails = {"", ""},
        .headers = &headers,
        .body = text.at != NULL ? text.at : "",
        .now = clock_monotonic(),
        .config = &config,
        .memory = memory,
    };
    if (query != NULL) {
        *query = '\0';
        call.query = query + 1;
    }
    call.path = path;
    /* A NUL ends nothing: the body is as long as it came. */
    call.length = text.at != NULL ? size - (size_t)(text.at - copy) : 0;
    call.arena = arena_new(HTTP_CALL_ARENA + 8 * size);
    must(call.arena != NULL);
    call.media = http_media(&call);
    answer(&call, fuzz_hash(data, size));
    http_call_end(&call);
    arena_free(&call.arena);
    evhttp_clear_headers(&headers);
    free(copy);
    return 0;
}
