/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of Vonage's SMS API: POST /sms/json (and GET, which it also takes). Every answer is
 * 200 with a status in it. `callback` is not called: reports go where the administrator said.
 */
#include "proxy/http/shape.h"

#include <stdio.h>
#include <string.h>

#define MEDIA "application/json"

enum {
    STATUS_OK = 0,
    STATUS_THROTTLED = 1,
    STATUS_MISSING = 2,
    STATUS_INVALID = 3,
    STATUS_CREDENTIALS = 4,
    STATUS_INTERNAL = 5,
    STATUS_UNROUTABLE = 6,
    STATUS_BARRED = 7,
};

static bool fail(struct http_call *call, int status, const char *text)
{
    struct strbuf *body = &call->answer.body;
    http_answer(call, 200, MEDIA);
    strbuf_add_format(body, "{\"message-count\":\"1\",\"messages\":[{\"status\":\"%d\"", status);
    strbuf_add_json_field(body, "error-text", text);
    strbuf_add_str(body, "}]}");
    return false;
}

static void refuse(struct http_call *call, enum http_trouble trouble)
{
    static const int statuses[TROUBLE_COUNT] = {
        [TROUBLE_NOBODY] = STATUS_CREDENTIALS,  [TROUBLE_WRONG] = STATUS_CREDENTIALS,
        [TROUBLE_HELD] = STATUS_THROTTLED,      [TROUBLE_UNCHECKED] = STATUS_INTERNAL,
        [TROUBLE_CLEAR] = STATUS_CREDENTIALS,   [TROUBLE_NOT_SMS] = STATUS_CREDENTIALS,
        [TROUBLE_CONNECTION] = STATUS_INTERNAL, [TROUBLE_MEMORY] = STATUS_INTERNAL,
    };
    fail(call, statuses[trouble], http_trouble_text(trouble));
}

/* A parameter, of a form, a query or a JSON object. Numbers of JSON count as their digits. */
static const char *parameter(const struct http_call *call, const char *name)
{
    const json_t *value = json_object_get(call->json, name);
    if (call->json == NULL)
        return http_field(call, name);
    if (!json_is_integer(value))
        return json_string_value(value);
    char text[24];
    snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return arena_str(call->arena, text);
}

static bool read_parameters(struct http_call *call)
{
    char why[200];
    return strcmp(call->media, "application/json") == 0 ? http_json(call, why, sizeof(why))
                                                        : http_fields(call);
}

static void login(struct http_call *call, struct http_login *login_out)
{
    http_authorization(call, false, login_out);
    if (login_out->kind != LOGIN_NONE || !read_parameters(call))
        return;
    const char *key = parameter(call, "api_key");
    const char *secret = parameter(call, "api_secret");
    if (key != NULL && secret != NULL)
        http_login_set(login_out, key, secret);
    else if (key != NULL || secret != NULL)
        login_out->kind = LOGIN_BAD;
}

/* ttl is in milliseconds; status-report-req is 0 or 1. */
static bool read_options(struct http_call *call, struct http_message *message)
{
    const char *ttl = parameter(call, "ttl");
    const char *report = parameter(call, "status-report-req");
    const json_t *flag = json_object_get(call->json, "status-report-req");
    int64_t milliseconds = 0;
    if (ttl != NULL &&
        (!http_number(ttl, INT64_C(604800000), &milliseconds) || milliseconds < 20000))
        return fail(call, STATUS_INVALID, "ttl must be 20000 to 604800000 milliseconds");
    message->what.validity = milliseconds * 1000;
    message->what.report = json_is_true(flag) || (report != NULL && strcmp(report, "1") == 0);
    return true;
}

static bool read(struct http_call *call)
{
    if (!read_parameters(call))
        return fail(call, STATUS_INVALID, "The parameters cannot be read");
    const char *to = parameter(call, "to");
    const char *from = parameter(call, "from");
    const char *text = parameter(call, "text");
    const char *type = parameter(call, "type");
    if (type != NULL && strcmp(type, "text") != 0 && strcmp(type, "unicode") != 0)
        return fail(call, STATUS_INVALID, "type must be text or unicode");
    if (to == NULL || from == NULL || text == NULL)
        return fail(call, STATUS_MISSING, "Missing to, from or text");
    if (!http_is_plain(to, HTTP_NUMBER_MAX) || !http_is_plain(from, HTTP_SENDER_MAX))
        return fail(call, STATUS_INVALID, "Invalid to or from");
    if (!http_is_text(text))
        return fail(call, STATUS_INVALID, "text is empty, too long, or not UTF-8");
    if (!http_messages(call, 1))
        return fail(call, STATUS_INTERNAL, http_trouble_text(TROUBLE_MEMORY));
    struct http_message *message = call->messages;
    http_set_sender(message, from);
    message->what.to = to;
    message->what.to_international = true;
    message->what.text = text;
    return read_options(call, message);
}

/* ---- answering ---- */

static int status_of(const struct sms_reply *reply)
{
    static const int statuses[SMS_END_COUNT] = {
        [SMS_END_BLOCKED] = STATUS_BARRED,     [SMS_END_DEFERRED] = STATUS_INTERNAL,
        [SMS_END_UNABLE] = STATUS_INTERNAL,    [SMS_END_OVER_RATE] = STATUS_THROTTLED,
        [SMS_END_BAD_NUMBER] = STATUS_INVALID, [SMS_END_BAD_SCHEDULE] = STATUS_INVALID,
        [SMS_END_REFUSED] = STATUS_UNROUTABLE, [SMS_END_BUSY] = STATUS_INTERNAL,
        [SMS_END_LOST] = STATUS_INTERNAL,
    };
    if (reply->end == SMS_END_REFUSED && reply->refusal == SMS_REFUSED_OPTED_OUT)
        return STATUS_BARRED;
    if (reply->end == SMS_END_REFUSED && reply->refusal == SMS_REFUSED_NUMBER)
        return STATUS_INVALID;
    return statuses[reply->end];
}

static void accepted(struct http_call *call, const struct sms_reply *reply)
{
    struct strbuf *body = &call->answer.body;
    const char *digits = reply->to[0] == '+' ? reply->to + 1 : reply->to;
    unsigned parts = reply->parts > 0 ? reply->parts : 1;
    http_answer(call, 200, MEDIA);
    strbuf_add_format(body, "{\"message-count\":\"%u\",\"messages\":[", parts);
    for (unsigned i = 0; i < parts; i++) {
        strbuf_add_str(body, i > 0 ? ",{" : "{");
        strbuf_add_json_field(body, "to", digits);
        strbuf_add_str(body, ",\"message-id\":\"");
        strbuf_add_json(body, reply->ref, strlen(reply->ref));
        /* Vonage numbers its parts; ours is one message, and its report will name the first. */
        if (i > 0)
            strbuf_add_format(body, "-%u", i + 1);
        strbuf_add_str(body, "\",\"status\":\"0\"}");
    }
    strbuf_add_str(body, "]}");
}

static void render(struct http_call *call)
{
    const struct sms_reply *reply = &call->messages[0].reply;
    struct strbuf *body = &call->answer.body;
    if (reply->end == SMS_END_ACCEPTED) {
        accepted(call, reply);
        return;
    }
    http_answer(call, 200, MEDIA);
    strbuf_add_str(body, "{\"message-count\":\"1\",\"messages\":[{");
    strbuf_add_format(body, "\"status\":\"%d\"", status_of(reply));
    strbuf_add_str(body, ",\"error-text\":\"");
    strbuf_add_json(body, reply->text, strlen(reply->text));
    if (reply->ref[0] != '\0')
        strbuf_add_format(body, " (ref %s)", reply->ref);
    strbuf_add_str(body, "\"}]}");
}

const struct http_shape vonage_shape = {"vonage", login, read, render, refuse};
