/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/http_judge.h"

#include "tests/fuzz/fuzz.h"

#include <event2/keyvalq_struct.h>
#include <stdio.h>

#define HELD_MAX 100000

struct judged judged;

struct talk *talk_of(uint16_t port)
{
    size_t i = 0;
    while (i < judged.n_talks && judged.talks[i].port != port)
        i++;
    must_say(i < judged.n_talks, "a connection nobody made");
    return &judged.talks[i];
}

/* ---- what arrives ---- */

static bool same_method(struct evhttp_request *evreq, const char *method)
{
    static const struct {
        const char *name;
        int command;
    } known[] = {{"GET", EVHTTP_REQ_GET},
                 {"POST", EVHTTP_REQ_POST},
                 {"HEAD", EVHTTP_REQ_HEAD},
                 {"PUT", EVHTTP_REQ_PUT}};
    int command = (int)evhttp_request_get_command(evreq);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if ((strcmp(known[i].name, method) == 0) != (command == known[i].command))
            return false;
    return true;
}

/* Some versions of evhttp leave a tab where no value begins, and some drop trailers. */
static bool same_fields(struct evhttp_request *evreq, const struct model_request *request)
{
    const struct evkeyval *header;
    size_t i = 0;
    TAILQ_FOREACH(header, evhttp_request_get_input_headers(evreq), next)
    {
        if (i == request->n_fields || strcmp(header->key, request->fields[i].name) != 0 ||
            strcmp(header->value + strspn(header->value, " \t"), request->fields[i].value) != 0)
            return false;
        i++;
    }
    return i == request->n_fields || i == request->n_fields - request->n_trailers;
}

static bool same_body(struct evhttp_request *evreq, const struct model_request *request)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(evreq);
    size_t length = evbuffer_get_length(input);
    if (length != request->body.length)
        return false;
    return length == 0 || memcmp(evbuffer_pullup(input, -1), request->body.data, length) == 0;
}

static struct talk *talk_of_connection(struct evhttp_connection *evcon)
{
    char *address;
    uint16_t port;
    evhttp_connection_get_peer(evcon, &address, &port);
    return talk_of(port);
}

void __real_http_on_request(struct evhttp_request *evreq, void *door);
void __wrap_http_on_request(struct evhttp_request *evreq, void *door);
void __wrap_http_on_request(struct evhttp_request *evreq, void *door)
{
    struct talk *talk = talk_of_connection(evhttp_request_get_connection(evreq));
    struct model_request *request = &talk->request;
    must_say(talk->n_arrivals == 0 || !talk->arrivals[talk->n_arrivals - 1].doubtful,
             "a request behind one that is not clear");
    if (talk->n_arrivals % 64 == 0) {
        talk->arrivals = realloc(talk->arrivals, (talk->n_arrivals + 64) * sizeof(*talk->arrivals));
        must(talk->arrivals != NULL);
    }
    struct arrival *arrival = &talk->arrivals[talk->n_arrivals++];
    talk->request_at = talk->read_at;
    model_free_request(request);
    enum model_reading reading = model_read_request(&talk->said, talk->read_at, request);
    talk->read_at = request->end;
    bool same = reading == MODEL_CLEAR && same_method(evreq, request->method) &&
                strcmp(evhttp_request_get_uri(evreq), request->target) == 0 &&
                same_fields(evreq, request) && same_body(evreq, request);
    *arrival = (struct arrival){
        .head = evhttp_request_get_command(evreq) == EVHTTP_REQ_HEAD,
        .keyed = same && model_field(request, "Idempotency-Key") != NULL,
        .doubtful = !same,
    };
    __real_http_on_request(evreq, door);
}

/* ---- what is handed in ---- */

static struct {
    struct talk *talk;
    size_t arrival;
    enum sms_end end;
    sms_reply_fn *reply;
    void *owner;
    struct ticket ticket;
} waiting[HELD_MAX];

static void reply_to(size_t i)
{
    char ref[RECORD_ID];
    enum sms_end end = waiting[i].end;
    bool accepted = end == SMS_END_ACCEPTED;
    snprintf(ref, sizeof(ref), "01TEST-%zu", i);
    struct sms_reply reply = {
        .end = end,
        .reason = end == SMS_END_BLOCKED ? REASON_NO_CONSENT : REASON_UNABLE,
        .ref = end == SMS_END_OVER_RATE || end == SMS_END_BAD_NUMBER ? "" : ref,
        .to = end == SMS_END_BAD_NUMBER ? "" : "+33612345670",
        .provider = accepted || end == SMS_END_REFUSED ? "agg" : "",
        .provider_id = accepted ? "P-17" : "",
        .parts = accepted ? 1 : 0,
        .retry_after = end == SMS_END_DEFERRED ? 90 * CLOCK_SECOND : 0,
        .text = accepted ? "" : "Because \"so\".\r\nX: y",
    };
    struct arrival *arrival = &waiting[i].talk->arrivals[waiting[i].arrival];
    sms_reply_fn *tell = waiting[i].reply;
    arrival->waiting--;
    arrival->accepted += accepted;
    waiting[i].reply = NULL;
    tell(waiting[i].owner, waiting[i].ticket, &reply);
}

void judge_release_messages(void)
{
    for (size_t i = 0; i < judged.n_messages; i++) /* more may come meanwhile */
        if (waiting[i].reply != NULL)
            reply_to(i);
}

static bool json_has_text(const json_t *json, const char *text)
{
    const char *name;
    json_t *value;
    size_t i;
    if (json_is_string(json))
        return strcmp(json_string_value(json), text) == 0;
    json_object_foreach((json_t *)(uintptr_t)json, name,
                        value) if (json_has_text(value, text)) return true;
    json_array_foreach(json, i, value) if (json_has_text(value, text)) return true;
    return false;
}

static void check_native(const json_t *json, const struct sms_submission *what)
{
    const char *sender = json_string_value(json_object_get(json, "from"));
    must(strcmp(json_string_value(json_object_get(json, "to")), what->to) == 0);
    must(strcmp(json_string_value(json_object_get(json, "text")), what->text) == 0);
    must(strcmp(sender != NULL ? sender : "", what->sender) == 0);
    must(json_is_true(json_object_get(json, "report")) == what->report);
}

/* What the request says, read once more. */
static void check_message(const struct talk *talk, const char *decoded,
                          const struct sms_submission *what)
{
    const struct model_request *request = &talk->request;
    json_t *json = json_loadb(request->body.data != NULL ? request->body.data : "",
                              request->body.length, 0, NULL);
    must_say(strstr(decoded, what->to) != NULL || json_has_text(json, what->to),
             "to %s, of which nothing is said", what->to);
    if (strcmp(request->target, "/v1/messages") == 0)
        check_native(json, what);
    json_decref(json);
}

/* Of several that say the same the gate takes one. */
static bool has_basic(const struct model_request *request)
{
    bool has = false;
    for (size_t i = 0; i < request->n_fields && !has; i++) {
        const char *space = strchr(request->fields[i].value, ' ');
        if (!ascii_equal(request->fields[i].name, "Authorization") || space == NULL)
            continue;
        space += strspn(space, " ");
        char *plain = calloc(1, strlen(space) + 1);
        must(plain != NULL);
        has = base64_decode(space, strlen(space), (uint8_t *)plain) > 0 &&
              strstr(plain, ":secret") != NULL;
        free(plain);
    }
    return has;
}

static bool was_forwarded(const struct model_request *request)
{
    for (size_t i = 0; i < request->n_fields - request->n_trailers; i++)
        if (ascii_equal(request->fields[i].name, "X-Forwarded-For") &&
            strstr(request->fields[i].value, "192.0.2.10") != NULL)
            return true;
    return false;
}

static void check_account(const struct talk *talk, const char *decoded, const char *account)
{
    const struct model_request *request = &talk->request;
    bool said = strstr(decoded, "secret") != NULL || has_basic(request);
    if (strcmp(account, "acme-lan") == 0)
        must_say(talk->lan || (talk->balanced && was_forwarded(request)), "let in from elsewhere");
    else
        must_say(said && strcmp(account, "acme-cert") != 0 && strcmp(account, "acme-ovh") != 0,
                 "%s let in without its credentials", account);
}

void __wrap_sms_submit(struct lane *lane, const struct sms_submission *submission,
                       sms_reply_fn *reply, void *owner, struct ticket ticket);
void __wrap_sms_submit(struct lane *lane, const struct sms_submission *submission,
                       sms_reply_fn *reply, void *owner, struct ticket ticket)
{
    struct http_request *request = ticket_redeem(lane->requests, ticket);
    must_say(request != NULL && request->connection != NULL, "handed in for nobody");
    struct talk *talk = talk_of_connection(request->connection->evcon);
    struct arrival *arrival = &talk->arrivals[talk->n_arrivals - 1];
    must_say(!arrival->doubtful, "handed in from a request that is not clear");
    char *decoded =
        model_decoded(talk->said.data + talk->request_at, talk->request.end - talk->request_at);
    check_account(talk, decoded, submission->account->name);
    check_message(talk, decoded, submission);
    free(decoded);
    must((submission->text != NULL) != (submission->raw != NULL) && !submission->scheduled);
    arrival->submitted++;
    arrival->waiting++;
    size_t length = strlen(submission->to);
    char last = length > 0 ? submission->to[length - 1] : '7';
    must(judged.n_messages < HELD_MAX);
    waiting[judged.n_messages].talk = talk;
    waiting[judged.n_messages].arrival = talk->n_arrivals - 1;
    waiting[judged.n_messages].end =
        last >= '0' && last <= '9' ? (enum sms_end)(last - '0') : SMS_END_BAD_NUMBER;
    waiting[judged.n_messages].reply = reply;
    waiting[judged.n_messages].owner = owner;
    waiting[judged.n_messages++].ticket = ticket;
    if (!judged.hold)
        reply_to(judged.n_messages - 1);
}

/* ---- webhooks ---- */

static struct {
    sms_hooked_fn *answer;
    void *owner;
    struct ticket ticket;
} hooks[64];
static size_t n_hooks;

void __wrap_sms_hooked(struct provider *provider, struct loop *loop, const struct sms_hook *hook,
                       sms_hooked_fn *answer, void *owner, struct ticket ticket);
void __wrap_sms_hooked(struct provider *provider, struct loop *loop, const struct sms_hook *hook,
                       sms_hooked_fn *answer, void *owner, struct ticket ticket)
{
    struct http_request *request = ticket_redeem(stage.lane.requests, ticket);
    must(provider != NULL && loop == stage.loop && request != NULL);
    struct talk *talk = talk_of_connection(request->connection->evcon);
    must_say(!talk->arrivals[talk->n_arrivals - 1].doubtful, "a webhook that is not clear");
    must(hook->length == talk->request.body.length && hook->body[hook->length] == '\0');
    must(hook->length == 0 || memcmp(hook->body, talk->request.body.data, hook->length) == 0);
    if (!judged.hooks_hold || n_hooks == 64) {
        answer(owner, ticket, 200, "text/xml", "<Response/>");
        return;
    }
    hooks[n_hooks].answer = answer;
    hooks[n_hooks].owner = owner;
    hooks[n_hooks++].ticket = ticket;
}

void judge_release_hooks(void)
{
    for (size_t i = 0; i < n_hooks; i++)
        hooks[i].answer(hooks[i].owner, hooks[i].ticket, i % 3 == 0 ? 503 : 204, NULL, NULL);
    n_hooks = 0;
}

/* ---- what is answered ---- */

static bool closes(const struct model_answer *answer)
{
    char value[64];
    return model_answer_field(answer, "Connection", value, sizeof(value)) &&
           ascii_equal(value, "close");
}

/* evhttp's own word, or the door's, about what never became a request. */
static void check_error(struct talk *talk, const struct model_answer *answer)
{
    int status = answer->status;
    must_say(status == 400 || status == 408 || status == 413 || status == 417 || status == 503,
             "%d to nobody's request", status);
    talk->over = true;
}

static void check_answer(struct talk *talk, const struct model_answer *answer)
{
    const struct arrival *arrival = &talk->arrivals[talk->n_answered];
    int status = answer->status;
    must(answer->known_version);
    must_say(arrival->waiting == 0, "answered before its messages have ended");
    must_say(!arrival->doubtful || status == 400 || status == 503, "%d to what is not clear",
             status);
    must_say(!arrival->doubtful || closes(answer), "read on behind what is not clear: %.*s",
             (int)answer->head_length, answer->head);
    if (status == 202 || status == 201)
        must_say(arrival->accepted > 0 || arrival->keyed, "%d for what nobody accepted", status);
    talk->n_answered++;
    talk->over = closes(answer) || answer->to_the_end;
}

static void check_continue(struct talk *talk)
{
    const char *at = talk->said.data;
    size_t asked = 0;
    while ((at = strcasestr(at, "100-continue")) != NULL) /* NULs end it; then none is said */
        at += 12, asked++;
    must_say(++talk->n_continued <= asked || memchr(talk->said.data, '\0', talk->said.length),
             "told to go on without having asked");
}

void judge_got(struct talk *talk)
{
    struct model_answer answer;
    enum model_reading reading = MODEL_MORE;
    while (talk->got.length > talk->got_at) {
        must_say(!talk->over, "something behind the last answer: %s",
                 talk->got.data + talk->got_at);
        bool arrived = talk->n_answered < talk->n_arrivals;
        reading = model_read_answer(&talk->got, talk->got_at,
                                    arrived && talk->arrivals[talk->n_answered].head, talk->ended,
                                    &answer);
        must_say(reading != MODEL_ILL, "not HTTP: %s", talk->got.data + talk->got_at);
        if (reading == MODEL_MORE)
            break;
        talk->got_at += answer.head_length + answer.length;
        if (answer.status < 200) {
            must(answer.status == 100);
            check_continue(talk);
        } else if (arrived) {
            check_answer(talk, &answer);
        } else {
            check_error(talk, &answer);
        }
    }
}
