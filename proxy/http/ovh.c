/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of OVHcloud's SMS API: POST /1.0/sms/{service}/jobs, signed with the application's
 * secret, to several receivers at a time. The service is the account's stream.
 */
#include "proxy/http/shape.h"

#include "base/crypto.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define MEDIA       "application/json; charset=utf-8"
#define CLOCK_DRIFT (300 * CLOCK_SECOND)
#define SHA1_BYTES  20
/* "$1$" and 40 digits. */
#define SIGNATURE_CHARS (3 + 2 * SHA1_BYTES)

static bool fail(struct http_call *call, int status, const char *code, const char *message)
{
    struct strbuf *body = &call->answer.body;
    http_answer(call, status, MEDIA);
    strbuf_add_str(body, "{");
    strbuf_add_json_field(body, "message", message);
    strbuf_add_json_field(body, "errorCode", code);
    strbuf_add_format(body, ",\"httpCode\":\"%d %s\"}", status, http_phrase(status));
    return false;
}

static void refuse(struct http_call *call, enum http_trouble trouble)
{
    static const struct {
        int status;
        const char *code;
    } words[TROUBLE_COUNT] = {
        [TROUBLE_NOBODY] = {401, "NOT_CREDENTIAL"},
        [TROUBLE_WRONG] = {403, "INVALID_CREDENTIAL"},
        [TROUBLE_HELD] = {429, "TOO_MANY_FAILURES"},
        [TROUBLE_UNCHECKED] = {503, "UNABLE"},
        [TROUBLE_CLEAR] = {403, "HTTPS_REQUIRED"},
        [TROUBLE_NOT_SMS] = {403, "NOT_GRANTED_CALL"},
        [TROUBLE_CONNECTION] = {503, "TOO_MANY_CONNECTIONS"},
        [TROUBLE_MEMORY] = {503, "UNABLE"},
    };
    fail(call, words[trouble].status, words[trouble].code,
         trouble == TROUBLE_WRONG
             ? "The keys, the signature or the time of the request are not right."
             : http_trouble_text(trouble));
    if (words[trouble].status == 503)
        call->answer.retry_after = HTTP_STRAIGHT_AWAY;
}

/* ---- signatures ---- */

struct signing {
    const struct http_call *call;
    const struct account_config *account;
    const char *time;
    const char *signature;
};

/* Whether scheme, base and the path are the URL that was signed. */
static bool signs(const struct signing *signing, const char *scheme, const char *base,
                  size_t base_length)
{
    const struct http_call *call = signing->call;
    struct strbuf text = {0};
    unsigned char digest[SHA1_BYTES];
    char expected[SIGNATURE_CHARS + 1] = "$1$";
    strbuf_add_format(&text, "%s+%s+%s+%s", signing->account->application_secret,
                      signing->account->consumer_key,
                      call->method == HTTP_METHOD_POST ? "POST" : "GET", scheme);
    strbuf_add(&text, base, base_length);
    strbuf_add_str(&text, call->path);
    if (call->query[0] != '\0')
        strbuf_add_format(&text, "?%s", call->query);
    strbuf_add_char(&text, '+');
    strbuf_add(&text, call->body, call->length);
    strbuf_add_format(&text, "+%s", signing->time);
    bool right =
        !text.failed && EVP_Q_digest(NULL, "SHA1", NULL, text.data, text.length, digest, NULL) == 1;
    if (right) {
        hex_encode(digest, sizeof(digest), expected + 3);
        right = strlen(signing->signature) == SIGNATURE_CHARS &&
                equal_constant_time(signing->signature, expected, SIGNATURE_CHARS);
    }
    if (text.data != NULL)
        wipe(text.data, text.length);
    strbuf_free(&text);
    return right;
}

/* The length without a port: of [::1]:443 and gate.example:443 alike. */
static size_t without_port(const char *host, size_t length)
{
    size_t end = length;
    while (end > 0 && host[end - 1] >= '0' && host[end - 1] <= '9')
        end--;
    return end > 1 && end < length && host[end - 1] == ':' ? end - 1 : length;
}

static bool signs_either(const struct signing *signing, const char *scheme, const char *base,
                         size_t length)
{
    size_t shorter = without_port(base, length);
    return length > 0 && (signs(signing, scheme, base, length) ||
                          (shorter < length && signs(signing, scheme, base, shorter)));
}

/* The library signs the URL as it was configured, without its port; a balancer may have changed
 * the Host. So the gate's own address and the Host count, each with its port and without. */
static bool signed_some_way(const struct signing *signing)
{
    const char *url = signing->call->config->public_url;
    const char *host = http_header(signing->call, "Host");
    size_t length = strlen(url);
    while (length > 0 && url[length - 1] == '/')
        length--;
    return signs_either(signing, "", url, length) ||
           (host != NULL && signs_either(signing, "https://", host, strlen(host)));
}

static void login(struct http_call *call, struct http_login *login_out)
{
    const char *key = http_header(call, "X-Ovh-Application");
    const char *consumer = http_header(call, "X-Ovh-Consumer");
    const char *signature = http_header(call, "X-Ovh-Signature");
    const char *time = http_header(call, "X-Ovh-Timestamp");
    int64_t seconds;
    login_out->kind = key == NULL ? LOGIN_NONE : LOGIN_BAD;
    if (key == NULL || consumer == NULL || signature == NULL || time == NULL ||
        !str_copy(login_out->name, sizeof(login_out->name), key) || key[0] == '\0' ||
        !http_number(time, INT64_C(1) << 40, &seconds))
        return;
    login_out->kind = LOGIN_SIGNED;
    const struct account_config *account = config_account_by_application_key(call->config, key);
    struct signing signing = {call, account, time, signature};
    login_out->account = account;
    if (account == NULL || account->consumer_key == NULL || account->application_secret == NULL)
        return;
    int64_t drift = clock_now() - seconds * CLOCK_SECOND;
    login_out->right = strlen(consumer) == strlen(account->consumer_key) &&
                       equal_constant_time(consumer, account->consumer_key, strlen(consumer)) &&
                       drift < CLOCK_DRIFT && drift > -CLOCK_DRIFT && signed_some_way(&signing);
}

/* ---- the same again ---- */

/* Who copied a signed request could send it again for as long as its time counts: it is answered as
 * the first time. The library signs each call anew. False: the answer is set. */
static bool begin_once(struct http_call *call)
{
    char name[SIGNATURE_CHARS + 8];
    char body[IDEMPOTENCY_ANSWER + 1];
    int status = 0;
    const char *signature = http_header(call, "X-Ovh-Signature");
    if (call->account->application_key == NULL || signature == NULL)
        return true; /* known by its network, and nothing signed */
    snprintf(name, sizeof(name), "ovh %s", signature);
    enum idempotency_found found =
        call->memory == NULL
            ? IDEMPOTENCY_FULL
            : idempotency_begin(call->memory, call->account->name, name, call->body, call->length,
                                call->now, &call->kept, &status, body);
    switch (found) {
    case IDEMPOTENCY_NEW:
        return true;
    case IDEMPOTENCY_AGAIN:
        http_answer(call, status, MEDIA);
        strbuf_add_str(&call->answer.body, body);
        return false;
    case IDEMPOTENCY_RUNNING:
        return fail(call, 409, "IN_PROGRESS", "This very request is under way.");
    case IDEMPOTENCY_OTHER:
        return fail(call, 403, "INVALID_SIGNATURE",
                    "This signature came with another body before.");
    default:
        refuse(call, TROUBLE_MEMORY);
        return false;
    }
}

/* Every answer: what was not sent the first time is for who signs to try again, not for who
 * copied. */
static void remember(struct http_call *call)
{
    static const char answered[] =
        "{\"message\":\"This very request was answered before, sign it anew.\","
        "\"errorCode\":\"REPEATED_REQUEST\",\"httpCode\":\"409 Conflict\"}";
    struct strbuf *body = &call->answer.body;
    call->remember = true;
    /* Too long to be kept for each: that it was answered is. */
    if (call->kept != NULL && (body->failed || body->length > IDEMPOTENCY_ANSWER))
        idempotency_end(call->memory, &call->kept, 409, answered, sizeof(answered) - 1);
}

/* ---- reading ---- */

static bool invalid(struct http_call *call, const char *message)
{
    return fail(call, 400, "INVALID_ARGUMENT", message);
}

/* What would change the message or its time, and is not carried. */
static bool carried(struct http_call *call)
{
    const json_t *later = json_object_get(call->json, "differedPeriod");
    const char *class = http_member(call, "class");
    if (later != NULL && (!json_is_integer(later) || json_integer_value(later) != 0))
        return invalid(call, "[differedPeriod] A message cannot be sent later");
    if (class != NULL && strcmp(class, "phoneDisplay") != 0 && strcmp(class, "sim") != 0)
        return invalid(call, "[class] Only phoneDisplay and sim are carried");
    if (http_member(call, "receiversDocumentUrl") != NULL ||
        http_member(call, "receiversSlotId") != NULL)
        return invalid(call, "[receivers] The numbers must be in the request");
    return true;
}

static bool read_validity(struct http_call *call, int64_t *validity_out)
{
    const json_t *minutes = json_object_get(call->json, "validityPeriod");
    *validity_out = 0;
    if (minutes == NULL)
        return true;
    if (!json_is_integer(minutes) || json_integer_value(minutes) < 1 ||
        json_integer_value(minutes) > 10080)
        return invalid(call, "[validityPeriod] It must be 1 to 10080 minutes");
    *validity_out = json_integer_value(minutes) * 60 * CLOCK_SECOND;
    return true;
}

static bool read_receivers(struct http_call *call, const char *text, const char *sender)
{
    const json_t *receivers = json_object_get(call->json, "receivers");
    size_t n = json_array_size(receivers);
    int64_t validity;
    if (n == 0 || n > HTTP_RECIPIENTS)
        return invalid(call, "[receivers] There must be 1 to 500 numbers");
    if (!carried(call) || !read_validity(call, &validity))
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *to = json_string_value(json_array_get(receivers, i));
        if (to == NULL || !http_is_plain(to, HTTP_NUMBER_MAX))
            return invalid(call, "[receivers] Each must be a telephone number");
    }
    if (!http_messages(call, n)) {
        refuse(call, TROUBLE_MEMORY);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct http_message *message = &call->messages[i];
        http_set_sender(message, sender);
        message->what.to = json_string_value(json_array_get(receivers, i));
        message->what.text = text;
        message->what.validity = validity;
    }
    return true;
}

static bool other_service(struct http_call *call)
{
    if (strcmp(call->tails[0], call->account->stream->terms.id) == 0)
        return false;
    fail(call, 404, "NOT_FOUND", "This service does not exist");
    return true;
}

static bool read(struct http_call *call)
{
    char why[200];
    if (other_service(call))
        return false;
    if (!http_json(call, why, sizeof(why)))
        return invalid(call, why);
    const char *text = http_member(call, "message");
    const char *sender = http_member(call, "sender");
    if (text == NULL || !http_is_text(text))
        return invalid(call, "[message] It is missing, empty or too long");
    if (sender != NULL && sender[0] != '\0' && !http_is_plain(sender, HTTP_SENDER_MAX))
        return invalid(call, "[sender] It must be a sender of the service");
    return read_receivers(call, text, sender) && begin_once(call);
}

/* ---- answering ---- */

/* Where a number belongs in the answer. The last two are of our own: it may be tried again, and it
 * may have the message. */
enum place { PLACE_VALID, PLACE_INVALID, PLACE_LATER, PLACE_UNKNOWN, PLACE_COUNT };

static enum place place_of(const struct http_message *message)
{
    if (message->reply.end == SMS_END_ACCEPTED)
        return PLACE_VALID;
    if (message->reply.end == SMS_END_LOST)
        return PLACE_UNKNOWN;
    return http_retry_after(&message->reply) == 0 ? PLACE_INVALID : PLACE_LATER;
}

static void add_numbers(struct http_call *call, const char *name, enum place place)
{
    struct strbuf *body = &call->answer.body;
    const char *separator = "";
    strbuf_add_format(body, ",\"%s\":[", name);
    for (size_t i = 0; i < call->n_messages; i++) {
        if (place_of(&call->messages[i]) != place)
            continue;
        strbuf_add_format(body, "%s\"", separator);
        strbuf_add_json(body, call->messages[i].what.to, strlen(call->messages[i].what.to));
        strbuf_add_char(body, '"');
        separator = ",";
    }
    strbuf_add_char(body, ']');
}

static void add_ids(struct http_call *call)
{
    struct strbuf *body = &call->answer.body;
    const char *separator = "";
    strbuf_add_str(body, ",\"ids\":[");
    for (size_t i = 0; i < call->n_messages; i++) {
        if (place_of(&call->messages[i]) != PLACE_VALID)
            continue;
        strbuf_add_str(body, separator);
        strbuf_add_uint(body, (uint64_t)http_stable_number(call->messages[i].reply.ref));
        separator = ",";
    }
    strbuf_add_char(body, ']');
}

/* In the order of ids: what reports and the operator name the messages by. */
static void add_refs(struct http_call *call)
{
    struct strbuf *body = &call->answer.body;
    const char *separator = "";
    strbuf_add_str(body, ",\"refs\":[");
    for (size_t i = 0; i < call->n_messages; i++) {
        if (place_of(&call->messages[i]) != PLACE_VALID)
            continue;
        strbuf_add_format(body, "%s\"", separator);
        strbuf_add_json(body, call->messages[i].reply.ref, strlen(call->messages[i].reply.ref));
        strbuf_add_char(body, '"');
        separator = ",";
    }
    strbuf_add_char(body, ']');
}

/* Each number in its place. */
static void by_number(struct http_call *call, unsigned parts, const size_t counts[PLACE_COUNT])
{
    struct strbuf *body = &call->answer.body;
    http_answer(call, 200, MEDIA);
    strbuf_add_format(body, "{\"totalCreditsRemoved\":%u", parts);
    add_numbers(call, "invalidReceivers", PLACE_INVALID);
    add_ids(call);
    add_numbers(call, "validReceivers", PLACE_VALID);
    add_refs(call);
    if (counts[PLACE_LATER] > 0)
        add_numbers(call, "retryReceivers", PLACE_LATER);
    if (counts[PLACE_UNKNOWN] > 0)
        add_numbers(call, "unknownReceivers", PLACE_UNKNOWN);
    strbuf_add_str(body, ",\"tag\":null}");
}

/* None was: the first that may be tried again speaks, else the first. */
static void none_accepted(struct http_call *call)
{
    const struct sms_reply *reply = &call->messages[0].reply;
    for (size_t i = 0; i < call->n_messages; i++)
        if (place_of(&call->messages[i]) == PLACE_LATER) {
            reply = &call->messages[i].reply;
            break;
        }
    char message[200];
    const char *code = reply->end == SMS_END_BLOCKED     ? reason_name(reply->reason)
                       : reply->end == SMS_END_LOST      ? "UNKNOWN_OUTCOME"
                       : reply->end == SMS_END_OVER_RATE ? "TOO_MANY_REQUESTS"
                       : http_retry_after(reply) != 0    ? "UNABLE"
                                                         : "INVALID_RECEIVERS";
    snprintf(message, sizeof(message), "%.150s%s%s", reply->text, reply->ref[0] ? " ref " : "",
             reply->ref);
    bool for_good = http_retry_after(reply) == 0 && reply->end != SMS_END_LOST;
    fail(call, for_good ? 403 : http_status_of(reply->end), code, message);
    call->answer.retry_after = http_retry_after(reply);
}

static void render(struct http_call *call)
{
    size_t counts[PLACE_COUNT] = {0};
    unsigned parts = 0;
    for (size_t i = 0; i < call->n_messages; i++) {
        enum place place = place_of(&call->messages[i]);
        counts[place]++;
        if (place == PLACE_VALID)
            parts += call->messages[i].reply.parts;
    }
    /* An error is of all of them: beside those that may have the message it would be a lie. */
    bool some_unknown = counts[PLACE_UNKNOWN] > 0 && counts[PLACE_UNKNOWN] < call->n_messages;
    if (counts[PLACE_VALID] > 0 || some_unknown)
        by_number(call, parts, counts);
    else
        none_accepted(call);
    remember(call);
}

/* ---- what the library and its users ask for besides ---- */

void ovh_time(struct http_call *call)
{
    http_answer(call, 200, MEDIA);
    strbuf_add_uint(&call->answer.body, (uint64_t)(clock_now() / CLOCK_SECOND));
}

void ovh_services(struct http_call *call)
{
    const char *id = call->account->stream->terms.id;
    http_answer(call, 200, MEDIA);
    strbuf_add_str(&call->answer.body, "[\"");
    strbuf_add_json(&call->answer.body, id, strlen(id));
    strbuf_add_str(&call->answer.body, "\"]");
}

const struct http_shape ovh_shape = {"ovh", login, read, render, refuse};
