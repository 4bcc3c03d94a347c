/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate's own shape: POST /v1/messages, JSON in and JSON out, problems as RFC 9457 has them,
 * Idempotency-Key.
 */
#include "proxy/http/shape.h"

#include <stdio.h>
#include <string.h>

#define KEY_MAX      255
#define VALIDITY_MAX (7 * CLOCK_DAY)

/* What every problem of reading is called. */
static bool bad(struct http_call *call, const char *detail)
{
    http_problem(call, 400, "malformed", "The request cannot be read", detail, "", "");
    return false;
}

static void refuse(struct http_call *call, enum http_trouble trouble)
{
    int status = http_trouble_status(trouble);
    http_problem(call, status, http_trouble_name(trouble), http_phrase(status),
                 http_trouble_text(trouble), "", "");
    if (status == 401)
        call->answer.authenticate = "Basic realm=\"octroi\", charset=\"UTF-8\"";
    if (status == 503)
        call->answer.retry_after = HTTP_STRAIGHT_AWAY;
}

static void login(struct http_call *call, struct http_login *login_out)
{
    http_authorization(call, true, login_out);
}

/* ---- reading ---- */

/* A misspelt "form" must not be a message without a sender. */
static bool known_members(struct http_call *call)
{
    static const char *const known[] = {"to", "from", "text", "report", "validity"};
    const char *name;
    json_t *value;
    json_object_foreach(call->json, name, value)
    {
        size_t i = 0;
        while (i < sizeof(known) / sizeof(known[0]) && strcmp(name, known[i]) != 0)
            i++;
        if (i < sizeof(known) / sizeof(known[0]))
            continue;
        char detail[160];
        snprintf(detail, sizeof(detail),
                 "unknown member \"%.40s\": there are to, from, text, "
                 "report and validity",
                 name);
        return bad(call, utf8_valid(name, strlen(name)) && http_is_plain(name, 40)
                             ? detail
                             : "an unknown member: there are to, from, text, report and validity");
    }
    return true;
}

/* A member that must be text, if it is there. */
static bool take_text(struct http_call *call, const char *name, bool required,
                      const char **text_out)
{
    const json_t *value = json_object_get(call->json, name);
    char detail[80];
    *text_out = json_string_value(value);
    if (*text_out != NULL || (value == NULL && !required))
        return true;
    snprintf(detail, sizeof(detail), value == NULL ? "\"%s\" is missing" : "\"%s\" must be text",
             name);
    return bad(call, detail);
}

static bool take_validity(struct http_call *call, const char *text, int64_t *validity_out)
{
    struct duration duration;
    if (text == NULL)
        return true;
    if (!duration_parse(text, &duration) || duration.months != 0 ||
        duration.microseconds < CLOCK_SECOND || duration.microseconds > VALIDITY_MAX)
        return bad(call, "\"validity\" must be a time from \"1 s\" to \"7 days\"");
    *validity_out = duration.microseconds;
    return true;
}

static bool read_message(struct http_call *call)
{
    const char *to, *from, *text, *validity;
    const json_t *report = json_object_get(call->json, "report");
    if (!known_members(call) || !take_text(call, "to", true, &to) ||
        !take_text(call, "from", false, &from) || !take_text(call, "text", true, &text) ||
        !take_text(call, "validity", false, &validity))
        return false;
    if (report != NULL && !json_is_boolean(report))
        return bad(call, "\"report\" must be true or false");
    if (!http_is_plain(to, HTTP_NUMBER_MAX))
        return bad(call, "\"to\" must be one telephone number");
    if (from != NULL && !http_is_plain(from, HTTP_SENDER_MAX))
        return bad(call, "\"from\" must be a sender id of the stream");
    if (!http_is_text(text))
        return bad(call, "\"text\" must not be empty, nor longer than 255 parts");
    if (!http_messages(call, 1)) {
        refuse(call, TROUBLE_MEMORY);
        return false;
    }
    struct http_message *message = call->messages;
    http_set_sender(message, from);
    message->what.to = to;
    message->what.text = text;
    message->what.report = json_is_true(report);
    return take_validity(call, validity, &message->what.validity);
}

/* ---- the same again ---- */

static void answer_again(struct http_call *call, int status, const char *body)
{
    http_answer(call, status, status / 100 == 2 ? "application/json" : "application/problem+json");
    strbuf_add_str(&call->answer.body, body);
}

/* False: the answer is set. */
static bool begin_once(struct http_call *call, const char *key)
{
    char body[IDEMPOTENCY_ANSWER + 1];
    int status = 0;
    if (!http_is_plain(key, KEY_MAX))
        return bad(call, "Idempotency-Key must have 1 to 255 printable characters");
    if (call->memory == NULL) {
        refuse(call, TROUBLE_MEMORY);
        return false;
    }
    switch (idempotency_begin(call->memory, call->account->name, key, call->body, call->length,
                              call->now, &call->kept, &status, body)) {
    case IDEMPOTENCY_NEW:
        return true;
    case IDEMPOTENCY_AGAIN:
        answer_again(call, status, body);
        return false;
    case IDEMPOTENCY_RUNNING:
        http_problem(call, 409, "in-progress", "The first request is not answered yet",
                     "A request with this Idempotency-Key is under way, ask again later.", "", "");
        call->answer.retry_after = CLOCK_SECOND;
        return false;
    case IDEMPOTENCY_OTHER:
        http_problem(call, 422, "key-reused", "The key was used for another request",
                     "This Idempotency-Key came with another body before.", "", "");
        return false;
    default:
        refuse(call, TROUBLE_MEMORY);
        return false;
    }
}

static bool read(struct http_call *call)
{
    char why[200];
    const char *key = http_header(call, "Idempotency-Key");
    if (strcmp(call->media, "application/json") != 0) {
        http_problem(call, 415, "media-type", "JSON is expected",
                     "The Content-Type must be application/json.", "", "");
        return false;
    }
    if (!http_json(call, why, sizeof(why)))
        return bad(call, why);
    return read_message(call) && (key == NULL || begin_once(call, key));
}

/* ---- answering ---- */

static void accepted(struct http_call *call, const struct sms_reply *reply)
{
    struct strbuf *body = &call->answer.body;
    http_answer(call, 202, "application/json");
    strbuf_add_str(body, "{");
    strbuf_add_json_field(body, "id", reply->ref);
    strbuf_add_json_field(body, "provider", reply->provider[0] ? reply->provider : NULL);
    strbuf_add_json_field(body, "provider_id", reply->provider_id[0] ? reply->provider_id : NULL);
    strbuf_add_json_number(body, "parts", reply->parts);
    strbuf_add_str(body, "}\n");
}

static const struct {
    const char *type;
    const char *title;
} ends[SMS_END_COUNT] = {
    [SMS_END_BLOCKED] = {"blocked", "This message may not be sent"},
    [SMS_END_DEFERRED] = {"deferred", "This message may not be sent now"},
    [SMS_END_UNABLE] = {"unable", "The gate cannot decide now"},
    [SMS_END_OVER_RATE] = {"over-rate", "Too many messages at a time"},
    [SMS_END_BAD_NUMBER] = {"bad-number", "This is no telephone number"},
    [SMS_END_BAD_SCHEDULE] = {"bad-schedule", "A message cannot be sent later"},
    [SMS_END_REFUSED] = {"provider-refused", "The provider refused the message"},
    [SMS_END_BUSY] = {"provider-busy", "No provider takes the message now"},
    [SMS_END_LOST] = {"provider-lost", "The provider may have the message; its answer was lost"},
};

static void render(struct http_call *call)
{
    const struct sms_reply *reply = &call->messages[0].reply;
    bool verdict = reply->end == SMS_END_BLOCKED || reply->end == SMS_END_DEFERRED;
    /* What may be different next time is no answer to give again. A lost answer is: nobody who
     * asks with a key wants the message to be sent twice. */
    call->remember = http_retry_after(reply) == 0;
    if (reply->end == SMS_END_ACCEPTED) {
        accepted(call, reply);
        return;
    }
    http_problem(call, http_status_of(reply->end), ends[reply->end].type, ends[reply->end].title,
                 reply->text, verdict ? reason_name(reply->reason) : "", reply->ref);
    call->answer.retry_after = http_retry_after(reply);
}

const struct http_shape native_shape = {"native", login, read, render, refuse};
