/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of Twilio's Messages resource (2010-04-01), as far as its libraries need it to send.
 * StatusCallback is taken as a wish for a report; it is never called: reports go where the
 * administrator said. The account's Sid is its name here.
 */
#include "proxy/http/shape.h"

#include "base/crypto.h"

#include <stdio.h>
#include <string.h>

#define MEDIA "application/json"

enum {
    CODE_AUTHENTICATE = 20003,
    CODE_NOT_FOUND = 20404,
    CODE_TOO_MANY = 20429,
    CODE_INTERNAL = 20500,
    CODE_UNAVAILABLE = 20503,
    CODE_BAD_TO = 21211,
    CODE_BAD_FROM = 21212,
    CODE_NO_BODY = 21602,
    CODE_NO_FROM = 21603,
    CODE_NO_TO = 21604,
    CODE_OPTED_OUT = 21610,
    CODE_TOO_LONG = 21617,
    CODE_BAD_PARAMETER = 21620,
    CODE_SCHEDULE = 35114,
};

static bool fail(struct http_call *call, int status, int code, const char *message, const char *ref)
{
    struct strbuf *body = &call->answer.body;
    http_answer(call, status, MEDIA);
    strbuf_add_str(body, "{");
    strbuf_add_json_number(body, "code", code);
    strbuf_add_json_field(body, "message", message);
    strbuf_add_format(body, ",\"more_info\":\"https://www.twilio.com/docs/errors/%d\"", code);
    strbuf_add_json_number(body, "status", status);
    if (ref[0] != '\0')
        strbuf_add_json_field(body, "ref", ref);
    strbuf_add_str(body, "}");
    return false;
}

static void refuse(struct http_call *call, enum http_trouble trouble)
{
    int status = http_trouble_status(trouble);
    fail(call, status,
         status == 401 || status == 403 ? CODE_AUTHENTICATE
         : status == 429                ? CODE_TOO_MANY
                                        : CODE_UNAVAILABLE,
         http_trouble_text(trouble), "");
    if (status == 401)
        call->answer.authenticate = "Basic realm=\"octroi\", charset=\"UTF-8\"";
    if (status == 503)
        call->answer.retry_after = HTTP_STRAIGHT_AWAY;
}

static void login(struct http_call *call, struct http_login *login_out)
{
    http_authorization(call, false, login_out);
    /* The account that is named twice must be the same one. */
    if (login_out->kind == LOGIN_PASSWORD && strcmp(login_out->name, call->tails[0]) != 0)
        login_out->kind = LOGIN_BAD;
}

static bool other_account(struct http_call *call)
{
    if (strcmp(call->account->name, call->tails[0]) == 0)
        return false;
    refuse(call, TROUBLE_WRONG);
    return true;
}

/* What a sender is when a Messaging Service is to choose: the first of the stream. */
static const char *sender_of(const struct http_call *call)
{
    const struct stream *terms = &call->account->stream->terms;
    const char *from = http_field(call, "From");
    if (from != NULL || http_field(call, "MessagingServiceSid") == NULL)
        return from;
    return terms->n_senders > 0 ? terms->senders[0] : NULL;
}

static bool read_fields(struct http_call *call)
{
    const char *to = http_field(call, "To");
    const char *from = sender_of(call);
    const char *text = http_field(call, "Body");
    const char *validity = http_field(call, "ValidityPeriod");
    int64_t seconds = 0;
    if (to == NULL || to[0] == '\0')
        return fail(call, 400, CODE_NO_TO, "A 'To' phone number is required.", "");
    if (!http_is_plain(to, HTTP_NUMBER_MAX))
        return fail(call, 400, CODE_BAD_TO, "The 'To' number is not a valid phone number.", "");
    if (from == NULL || from[0] == '\0')
        return fail(call, 400, CODE_NO_FROM, "A 'From' sender is required.", "");
    if (!http_is_plain(from, HTTP_SENDER_MAX))
        return fail(call, 400, CODE_BAD_FROM, "The 'From' sender is not valid.", "");
    if (text == NULL || text[0] == '\0')
        return fail(call, 400, CODE_NO_BODY, "Message body is required.", "");
    if (!http_is_text(text))
        return fail(call, 400, CODE_TOO_LONG, "The message body is too long, or not UTF-8.", "");
    if (http_find_field(call, "MediaUrl") != NULL || http_find_field(call, "ContentSid") != NULL)
        return fail(call, 400, CODE_BAD_PARAMETER, "Only a text can be sent.", "");
    if (validity != NULL && (!http_number(validity, 36000, &seconds) || seconds == 0))
        return fail(call, 400, CODE_BAD_PARAMETER, "ValidityPeriod must be 1 to 36000 seconds.",
                    "");
    if (!http_messages(call, 1)) {
        refuse(call, TROUBLE_MEMORY);
        return false;
    }
    struct http_message *message = call->messages;
    http_set_sender(message, from);
    message->what.to = to;
    message->what.text = text;
    message->what.validity = seconds * CLOCK_SECOND;
    message->what.report = http_field(call, "StatusCallback") != NULL;
    return true;
}

static bool read(struct http_call *call)
{
    if (other_account(call))
        return false;
    if (!http_fields(call))
        return fail(call, 400, CODE_BAD_PARAMETER, "The form cannot be read.", "");
    if (http_find_field(call, "SendAt") != NULL || http_find_field(call, "ScheduleType") != NULL)
        return fail(call, 400, CODE_SCHEDULE, "A message cannot be sent later.", "");
    return read_fields(call);
}

/* ---- answering ---- */

/* "SM" and 32 digits that go with the decision. */
static void make_sid(const char *ref, char out[35])
{
    uint8_t digest[SHA256_BYTES] = {0};
    out[0] = 'S';
    out[1] = 'M';
    (void)sha256(ref, strlen(ref), digest); /* without memory: all zero, and no id of anything */
    hex_encode(digest, 16, out + 2);
}

static void created(struct http_call *call, const struct http_message *message)
{
    struct strbuf *body = &call->answer.body;
    char sid[35];
    char date[32];
    char parts[12];
    make_sid(message->reply.ref, sid);
    clock_format_mail(clock_now(), date);
    snprintf(parts, sizeof(parts), "%u", message->reply.parts);
    http_answer(call, 201, MEDIA);
    strbuf_add_str(body, "{");
    strbuf_add_json_field(body, "sid", sid);
    strbuf_add_json_field(body, "account_sid", call->account->name);
    strbuf_add_json_field(body, "messaging_service_sid", http_field(call, "MessagingServiceSid"));
    strbuf_add_json_field(body, "to", message->reply.to);
    strbuf_add_json_field(body, "from", message->what.sender);
    strbuf_add_json_field(body, "body", message->what.text);
    strbuf_add_json_field(body, "status", "queued");
    strbuf_add_json_field(body, "direction", "outbound-api");
    strbuf_add_json_field(body, "api_version", "2010-04-01");
    strbuf_add_json_field(body, "num_segments", parts);
    strbuf_add_json_field(body, "num_media", "0");
    static const char *const nulls[] = {"price", "error_code", "error_message", "date_sent"};
    for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
        strbuf_add_json_field(body, nulls[i], NULL);
    strbuf_add_json_field(body, "price_unit", "EUR");
    strbuf_add_json_field(body, "ref", message->reply.ref); /* of our own: reports name it */
    strbuf_add_json_field(body, "date_created", date);
    strbuf_add_json_field(body, "date_updated", date);
    strbuf_add_str(body, ",\"uri\":\"/2010-04-01/Accounts/");
    strbuf_add_json(body, call->account->name, strlen(call->account->name));
    strbuf_add_format(body, "/Messages/%s.json\",\"subresource_uris\":{}}", sid);
}

static void render(struct http_call *call)
{
    const struct http_message *message = call->messages;
    const struct sms_reply *reply = &message->reply;
    switch (reply->end) {
    case SMS_END_ACCEPTED:
        created(call, message);
        return;
    case SMS_END_BLOCKED:
        fail(call, 400, CODE_OPTED_OUT, reply->text, reply->ref);
        return;
    case SMS_END_BAD_NUMBER:
        fail(call, 400, CODE_BAD_TO, "The 'To' number is not a valid phone number.", reply->ref);
        return;
    case SMS_END_BAD_SCHEDULE:
        fail(call, 400, CODE_SCHEDULE, reply->text, reply->ref);
        return;
    case SMS_END_OVER_RATE:
        fail(call, 429, CODE_TOO_MANY, "Too many messages at a time.", reply->ref);
        break;
    case SMS_END_LOST:
        fail(call, 500, CODE_INTERNAL, reply->text, reply->ref);
        return;
    case SMS_END_REFUSED:
        if (reply->refusal == SMS_REFUSED_OPTED_OUT)
            fail(call, 400, CODE_OPTED_OUT, reply->text, reply->ref);
        else if (reply->refusal == SMS_REFUSED_NUMBER)
            fail(call, 400, CODE_BAD_TO, reply->text, reply->ref);
        else
            fail(call, 502, CODE_INTERNAL, reply->text, reply->ref);
        return;
    default:
        fail(call, 503, CODE_UNAVAILABLE, reply->text, reply->ref);
    }
    call->answer.retry_after = http_retry_after(reply);
}

/* GET of a message: none is kept here. */
void twilio_no_message(struct http_call *call)
{
    fail(call, 404, CODE_NOT_FOUND, "The gate keeps no messages to show.", "");
}

const struct http_shape twilio_shape = {"twilio", login, read, render, refuse};
