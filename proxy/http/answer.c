/* SPDX-License-Identifier: Apache-2.0 */
/* What shapes answer with: statuses, problems (RFC 9457), the words for what goes wrong before a
 * shape comes to speak. */
#include "proxy/http/shape.h"

#include <stdio.h>
#include <string.h>

#define DETAIL_MAX \
    300 /* bytes; so that an answer with all its escapes stays small enough to keep */

void http_answer(struct http_call *call, int status, const char *type)
{
    call->answer.status = status;
    call->answer.type = type;
}

int http_status_of(enum sms_end end)
{
    static const int statuses[SMS_END_COUNT] = {
        [SMS_END_ACCEPTED] = 202,     [SMS_END_BLOCKED] = 403,   [SMS_END_DEFERRED] = 503,
        [SMS_END_UNABLE] = 503,       [SMS_END_OVER_RATE] = 429, [SMS_END_BAD_NUMBER] = 422,
        [SMS_END_BAD_SCHEDULE] = 422, [SMS_END_REFUSED] = 502,   [SMS_END_BUSY] = 503,
        [SMS_END_LOST] = 503,
    };
    return statuses[end];
}

int64_t http_retry_after(const struct sms_reply *reply)
{
    switch (reply->end) {
    case SMS_END_OVER_RATE:
        return reply->retry_after > 0 ? reply->retry_after : CLOCK_SECOND;
    case SMS_END_DEFERRED:
    case SMS_END_UNABLE:
    case SMS_END_BUSY:
        return reply->retry_after > 0 ? reply->retry_after : HTTP_STRAIGHT_AWAY;
    default:
        return 0;
    }
}

const char *http_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Unknown";
}

/* At most DETAIL_MAX bytes, and no half character. */
static size_t cut(const char *text)
{
    size_t length = strlen(text);
    if (length <= DETAIL_MAX)
        return length;
    length = DETAIL_MAX;
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    return length;
}

void http_problem(struct http_call *call, int status, const char *type, const char *title,
                  const char *detail, const char *reason, const char *ref)
{
    struct strbuf *body = &call->answer.body;
    http_answer(call, status, "application/problem+json");
    strbuf_add_format(body, "{\"type\":\"urn:octroi:problem:%s\"", type);
    strbuf_add_json_field(body, "title", title);
    strbuf_add_json_number(body, "status", status);
    if (detail[0] != '\0') {
        strbuf_add_str(body, ",\"detail\":\"");
        strbuf_add_json(body, detail, cut(detail));
        strbuf_add_char(body, '"');
    }
    if (reason[0] != '\0')
        strbuf_add_json_field(body, "reason", reason);
    if (ref[0] != '\0')
        strbuf_add_json_field(body, "ref", ref);
    strbuf_add_str(body, "}\n");
}

void http_plain_problem(struct http_call *call, int status)
{
    char type[32];
    snprintf(type, sizeof(type), "http-%d", status);
    const char *detail = status == 404
                             ? "There is nothing here. The paths are in the guide for partners."
                         : status == 405 ? "This path takes the methods that Allow names."
                         : status == 400 ? "A request of this method cannot have a body, or its "
                                           "length is not clear, or a header "
                                           "that may come once comes again with another value."
                         : status == 503 ? "The gate cannot answer this now, try again later."
                                         : "";
    http_problem(call, status, type, http_phrase(status), detail, "", "");
}

static const struct {
    const char *name;
    int status;
    const char *text;
} troubles[TROUBLE_COUNT] = {
    [TROUBLE_NOBODY] = {"unauthorized", 401, "Say which account you are, with its password."},
    [TROUBLE_WRONG] = {"unauthorized", 401, "The account or its password is not right."},
    [TROUBLE_HELD] = {"too-many-failures", 429,
                      "Too many failed logins from your address, try again later."},
    [TROUBLE_UNCHECKED] = {"unable", 503, "A password cannot be looked at right now, try again."},
    [TROUBLE_CLEAR] =
        {"in-clear", 403,
         "Passwords are taken over https only. This one was sent in clear: change it."},
    [TROUBLE_NOT_SMS] = {"not-sms", 403, "This account is not one for SMS."},
    [TROUBLE_CONNECTION] = {"too-many-connections", 503,
                            "Your company has all the connections it may have, try again later."},
    [TROUBLE_MEMORY] = {"unable", 503, "The gate is short of memory, try again later."},
};

const char *http_trouble_text(enum http_trouble trouble)
{
    return troubles[trouble].text;
}

int http_trouble_status(enum http_trouble trouble)
{
    return troubles[trouble].status;
}

const char *http_trouble_name(enum http_trouble trouble)
{
    return troubles[trouble].name;
}
