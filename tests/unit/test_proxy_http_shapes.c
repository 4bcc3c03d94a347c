/* SPDX-License-Identifier: Apache-2.0 */
/* The shapes, each over a connection of its own: what is understood, and how each end is told. */
#include "tests/unit/test_proxy_http_stage.h"

#include <openssl/evp.h>
#include <string.h>

Suite *http_shapes_suite(void);

#define JSON "Content-Type: application/json\r\n"
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"

static json_t *parse(const struct answer *answer)
{
    json_error_t error;
    json_t *json = json_loads(answer->body, 0, &error);
    must_say(json != NULL, "%s: %s", error.text, answer->body);
    return json;
}

#define must_text(json, name, value)                                      \
    do {                                                                  \
        const char *is_ = json_string_value(json_object_get(json, name)); \
        must_say(is_ != NULL && strcmp(is_, value) == 0, "%s: %s", name,  \
                 is_ != NULL ? is_ : "(none)");                           \
    } while (0)

static char headers_text[1024];

static const char *with_login(const char *more)
{
    snprintf(headers_text, sizeof(headers_text), "%s%s", basic("acme-sms", "secret"), more);
    return headers_text;
}

/* ---- native ---- */

static struct answer native(const char *body)
{
    return post("/v1/messages", with_login(JSON), body);
}

START_TEST(test_native_good)
{
    struct answer answer =
        native("{\"to\":\"06 12 34 56 70\",\"from\":\"ACME\",\"text\":\"H\\u00e9llo\","
               "\"report\":true,\"validity\":\"2 h\"}");
    ck_assert_int_eq(answer.status, 202);
    json_t *json = parse(&answer);
    must_text(json, "id", "01TEST-0");
    must_text(json, "provider", "agg");
    must_text(json, "provider_id", "P-17");
    ck_assert_int_eq(json_integer_value(json_object_get(json, "parts")), 1);
    ck_assert_uint_eq(json_object_size(json), 4);
    json_decref(json);
    const struct stage_message *message = &stage.messages[0];
    ck_assert_str_eq(message->account, "acme-sms");
    ck_assert_str_eq(message->to, "06 12 34 56 70");
    ck_assert_str_eq(message->sender, "ACME");
    ck_assert_uint_eq(message->sender_ton, SMPP_TON_ALPHANUMERIC);
    ck_assert_str_eq(message->text, "H\xc3\xa9llo");
    ck_assert(message->report && !message->international);
    ck_assert_int_eq(message->validity, 7200 * CLOCK_SECOND);
}
END_TEST

START_TEST(test_native_bearer)
{
    struct answer answer = post("/v1/messages", "Authorization: Bearer acme-sms:secret\r\n" JSON,
                                "{\"to\":\"+33612345670\",\"text\":\"x\"}");
    ck_assert_int_eq(answer.status, 202);
    ck_assert_str_eq(stage.messages[0].sender, "");
    answer = post("/v1/messages", "Authorization: Bearer nothing\r\n" JSON, "{}");
    ck_assert_int_eq(answer.status, 401);
    answer = post("/v1/messages", "Authorization: Digest x\r\n" JSON, "{}");
    ck_assert_int_eq(answer.status, 401);
    answer = post("/v1/messages", JSON, "{}");
    ck_assert_int_eq(answer.status, 401);
    ck_assert_str_ne(answer_header(&answer, "WWW-Authenticate"), "");
}
END_TEST

START_TEST(test_native_ends)
{
    static const struct {
        const char *to;
        int status;
        const char *type;
        const char *reason; /* "": none */
        const char *retry;
    } rows[] = {
        {"1", 403, "blocked", "NO_CONSENT", ""}, {"2", 503, "deferred", "OUTSIDE_HOURS", "90"},
        {"3", 503, "unable", "", "5"},           {"4", 429, "over-rate", "", "1"},
        {"5", 422, "bad-number", "", ""},        {"6", 422, "bad-schedule", "", ""},
        {"7", 502, "provider-refused", "", ""},  {"8", 503, "provider-busy", "", "5"},
        {"9", 503, "provider-lost", "", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[128];
        char type[64];
        snprintf(body, sizeof(body), "{\"to\":\"+3361234567%s\",\"text\":\"x\"}", rows[i].to);
        snprintf(type, sizeof(type), "urn:octroi:problem:%s", rows[i].type);
        struct answer answer = native(body);
        ck_assert_int_eq(answer.status, rows[i].status);
        ck_assert_str_eq(answer_header(&answer, "Content-Type"), "application/problem+json");
        ck_assert_str_eq(answer_header(&answer, "Retry-After"), rows[i].retry);
        json_t *json = parse(&answer);
        must_text(json, "type", type);
        must_text(json, "detail", "Because \"so\".");
        ck_assert_int_eq(json_integer_value(json_object_get(json, "status")), rows[i].status);
        if (rows[i].reason[0] != '\0')
            must_text(json, "reason", rows[i].reason);
        else
            ck_assert_ptr_null(json_object_get(json, "reason"));
        ck_assert((json_object_get(json, "ref") != NULL) ==
                  (stage.messages[i].to[11] != '4' && stage.messages[i].to[11] != '5'));
        json_decref(json);
    }
}
END_TEST

START_TEST(test_native_malformed)
{
    static const struct {
        const char *body;
        const char *says;
    } rows[] = {
        {"", "line 1, column 0"},
        {"{\n  \"to\": }", "line 2, column"},
        {"{\"to\":\"+33612345670\",\"to\":\"+33612345671\",\"text\":\"x\"}", "duplicate"},
        {"[]", "an object"},
        {"{\"text\":\"x\"}", "\\\"to\\\" is missing"},
        {"{\"to\":33612345670,\"text\":\"x\"}", "\\\"to\\\" must be text"},
        {"{\"to\":\"+33612345670\"}", "\\\"text\\\" is missing"},
        {"{\"to\":\"+33612345670\",\"text\":\"\"}", "\\\"text\\\" must not be empty"},
        {"{\"to\":\"\",\"text\":\"x\"}", "\\\"to\\\" must be one"},
        {"{\"to\":\"+33612345670\",\"text\":\"x\",\"form\":\"ACME\"}",
         "unknown member \\\"form\\\""},
        {"{\"to\":\"+33612345670\",\"text\":\"x\",\"report\":1}", "\\\"report\\\" must be"},
        {"{\"to\":\"+33612345670\",\"text\":\"x\",\"validity\":\"1 month\"}", "\\\"validity\\\""},
        {"{\"to\":\"+33612345670\",\"text\":\"x\",\"validity\":\"8 days\"}", "\\\"validity\\\""},
        {"{\"to\":\"+33612345670\",\"text\":\"x\",\"from\":\"a\\nb\"}", "\\\"from\\\" must be"},
        {"{\"to\":\"+33612345670\",\"text\":\"\\u0000\"}", "line 1"},
        {"{\"to\":\"+33612345670\",\"text\":\"\xff\"}", "line 1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer = native(rows[i].body);
        ck_assert_msg(answer.status == 400, "%s: %d", rows[i].body, answer.status);
        ck_assert_msg(strstr(answer.body, rows[i].says) != NULL, "%s: %s", rows[i].body,
                      answer.body);
        ck_assert_ptr_null(strstr(answer.body, "336123"));
    }
    ck_assert_int_eq(post("/v1/messages", with_login(FORM), "to=1").status, 415);
    ck_assert_uint_eq(stage.n_messages, 0);
}
END_TEST

START_TEST(test_native_accounts)
{
    char headers[512];
    snprintf(headers, sizeof(headers), "%s" JSON, basic("other-mail", "secret"));
    struct answer answer =
        post("/v1/messages", headers, "{\"to\":\"+33612345670\",\"text\":\"x\"}");
    ck_assert_int_eq(answer.status, 403);
    ck_assert_ptr_nonnull(strstr(answer.body, "not-sms"));
    /* One that is known by its key has no password to guess at. */
    snprintf(headers, sizeof(headers), "%s" JSON, basic("acme-ovh", ""));
    ck_assert_int_eq(post("/v1/messages", headers, "{}").status, 401);
}
END_TEST

/* ---- Idempotency-Key ---- */

static struct answer keyed(const char *name, const char *key, const char *body)
{
    char headers[512];
    snprintf(headers, sizeof(headers), "%s" JSON "Idempotency-Key: %s\r\n", basic(name, "secret"),
             key);
    return post("/v1/messages", headers, body);
}

START_TEST(test_again)
{
    static const char good[] = "{\"to\":\"+33612345670\",\"text\":\"x\"}";
    struct answer first = keyed("acme-sms", "k", good);
    struct answer second = keyed("acme-sms", "k", good);
    ck_assert_int_eq(first.status, 202);
    ck_assert_int_eq(second.status, 202);
    ck_assert_str_eq(first.body, second.body);
    ck_assert_str_eq(answer_header(&second, "Content-Type"), "application/json");
    ck_assert_uint_eq(stage.n_messages, 1);
    struct answer other = keyed("acme-sms", "k", "{\"to\":\"+33612345670\",\"text\":\"y\"}");
    ck_assert_int_eq(other.status, 422);
    ck_assert_ptr_nonnull(strstr(other.body, "key-reused"));
    ck_assert_int_eq(keyed("acme-narrow", "k", good).status, 202);
    ck_assert_uint_eq(stage.n_messages, 2);
    ck_assert_int_eq(keyed("acme-sms", "k2", good).status, 202);
    ck_assert_uint_eq(stage.n_messages, 3);
}
END_TEST

/* What is final is given again, what may pass is tried again, what was lost is not sent twice. */
START_TEST(test_again_after_refusals)
{
    static const struct {
        int end;
        bool again; /* tried */
    } rows[] = {{1, false}, {2, true},  {3, true}, {4, true}, {5, false},
                {6, false}, {7, false}, {8, true}, {9, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[128];
        char key[8];
        size_t before = stage.n_messages;
        snprintf(body, sizeof(body), "{\"to\":\"+3361234567%d\",\"text\":\"x\"}", rows[i].end);
        snprintf(key, sizeof(key), "k%zu", i);
        struct answer first = keyed("acme-sms", key, body);
        struct answer second = keyed("acme-sms", key, body);
        ck_assert_int_eq(first.status, second.status);
        ck_assert_msg(stage.n_messages - before == (rows[i].again ? 2 : 1), "%d", rows[i].end);
        if (!rows[i].again)
            ck_assert_str_eq(first.body, second.body);
    }
}
END_TEST

START_TEST(test_again_while_running)
{
    static const char good[] = "{\"to\":\"+33612345670\",\"text\":\"x\"}";
    struct client client;
    char text[1024];
    snprintf(text, sizeof(text),
             "POST /v1/messages HTTP/1.1\r\n%s" JSON
             "Idempotency-Key: k\r\nContent-Length: %zu\r\n\r\n%s",
             basic("acme-sms", "secret"), strlen(good), good);
    stage.hold = true;
    client_open(&client, "web");
    client_say(&client, text);
    turn_until(stage.n_messages == 1);
    struct answer answer = keyed("acme-sms", "k", good);
    ck_assert_int_eq(answer.status, 409);
    ck_assert_str_eq(answer_header(&answer, "Retry-After"), "1");
    stage_release();
    ck_assert_int_eq(client_answer(&client).status, 202);
    ck_assert_int_eq(keyed("acme-sms", "k", good).status, 202);
    ck_assert_uint_eq(stage.n_messages, 1);
    client_close(&client);
}
END_TEST

START_TEST(test_bad_keys)
{
    char key[300];
    memset(key, 'k', sizeof(key));
    key[255] = '\0';
    ck_assert_int_eq(keyed("acme-sms", key, "{\"to\":\"+33612345670\",\"text\":\"x\"}").status,
                     202);
    key[255] = 'k';
    key[256] = '\0';
    ck_assert_int_eq(keyed("acme-sms", key, "{\"to\":\"+33612345670\",\"text\":\"x\"}").status,
                     400);
    ck_assert_int_eq(keyed("acme-sms", "", "{\"to\":\"+33612345670\",\"text\":\"x\"}").status, 400);
    /* What cannot be read takes no key. */
    ck_assert_int_eq(keyed("acme-sms", "k1", "{").status, 400);
    ck_assert_int_eq(keyed("acme-sms", "k1", "{\"to\":\"+33612345670\",\"text\":\"x\"}").status,
                     202);
}
END_TEST

/* The memory by itself: its time and its room. */
START_TEST(test_memory)
{
    struct idempotency *memory = NULL;
    struct kept *kept = NULL;
    char body[IDEMPOTENCY_ANSWER + 1];
    int status = 0;
    ck_assert(idempotency_hold(&memory) && idempotency_hold(&memory));
    idempotency_let_go(&memory);
    ck_assert_int_eq(idempotency_begin(memory, "a", "k", "x", 1, 0, &kept, &status, body),
                     IDEMPOTENCY_NEW);
    idempotency_end(memory, &kept, 202, "answer", 6);
    ck_assert_ptr_null(kept);
    ck_assert_int_eq(
        idempotency_begin(memory, "a", "k", "x", 1, IDEMPOTENCY_TIME - 1, &kept, &status, body),
        IDEMPOTENCY_AGAIN);
    ck_assert_str_eq(body, "answer");
    ck_assert_int_eq(status, 202);
    ck_assert_int_eq(
        idempotency_begin(memory, "a", "k", "x", 1, IDEMPOTENCY_TIME, &kept, &status, body),
        IDEMPOTENCY_NEW);
    struct kept *pending = kept;
    for (int i = 0; i < IDEMPOTENCY_SHARE; i++) {
        char key[16];
        snprintf(key, sizeof(key), "n%d", i);
        ck_assert_int_eq(
            idempotency_begin(memory, "a", key, "x", 1, IDEMPOTENCY_TIME, &kept, &status, body),
            IDEMPOTENCY_NEW);
        idempotency_end(memory, &kept, 202, "", 0);
    }
    /* The one under way is still there; of the answered ones the oldest gave way. */
    ck_assert_int_eq(
        idempotency_begin(memory, "a", "k", "x", 1, IDEMPOTENCY_TIME, &kept, &status, body),
        IDEMPOTENCY_RUNNING);
    ck_assert_int_eq(
        idempotency_begin(memory, "a", "n1", "x", 1, IDEMPOTENCY_TIME, &kept, &status, body),
        IDEMPOTENCY_AGAIN);
    ck_assert_int_eq(
        idempotency_begin(memory, "a", "n0", "x", 1, IDEMPOTENCY_TIME, &kept, &status, body),
        IDEMPOTENCY_NEW);
    idempotency_end(memory, &kept, 0, "", 0);
    idempotency_end(memory, &pending, 0, "", 0);
    idempotency_let_go(&memory);
    ck_assert_ptr_null(memory);
}
END_TEST

static enum idempotency_found begin_and_end(struct idempotency *memory, const char *account,
                                            int key)
{
    char text[16], body[IDEMPOTENCY_ANSWER + 1];
    struct kept *kept = NULL;
    int status;
    snprintf(text, sizeof(text), "%d", key);
    enum idempotency_found found =
        idempotency_begin(memory, account, text, "x", 1, 0, &kept, &status, body);
    if (found == IDEMPOTENCY_NEW)
        idempotency_end(memory, &kept, 202, "", 0);
    return found;
}

/* However many keys others use, an account's few are not forgotten for them. */
START_TEST(test_memory_of_others)
{
    static const char *const greedy[] = {"a", "b", "c", "d", "e"};
    struct idempotency *memory = NULL;
    ck_assert(idempotency_hold(&memory));
    ck_assert_int_eq(begin_and_end(memory, "modest", 1), IDEMPOTENCY_NEW);
    for (size_t i = 0; i < sizeof(greedy) / sizeof(greedy[0]); i++)
        for (int key = 0; key <= IDEMPOTENCY_SHARE; key++)
            ck_assert_int_eq(begin_and_end(memory, greedy[i], key), IDEMPOTENCY_NEW);
    ck_assert_int_eq(begin_and_end(memory, "modest", 1), IDEMPOTENCY_AGAIN);
    ck_assert_int_eq(begin_and_end(memory, "e", IDEMPOTENCY_SHARE), IDEMPOTENCY_AGAIN);
    ck_assert_int_eq(begin_and_end(memory, "e", 0), IDEMPOTENCY_NEW);
    idempotency_let_go(&memory);
}
END_TEST

/* ---- the account's window ---- */

START_TEST(test_window)
{
    struct client client;
    char text[1024];
    static const char good[] = "{\"to\":\"+33612345670\",\"text\":\"x\"}";
    snprintf(text, sizeof(text),
             "POST /v1/messages HTTP/1.1\r\n%s" JSON "Content-Length: %zu\r\n\r\n%s",
             basic("acme-narrow", "secret"), strlen(good), good);
    stage.hold = true;
    client_open(&client, "web");
    client_say(&client, text);
    turn_until(stage.n_messages == 1);
    struct answer answer = ask("web", text);
    ck_assert_int_eq(answer.status, 429);
    ck_assert_str_eq(answer_header(&answer, "Retry-After"), "1");
    stage_release();
    ck_assert_int_eq(client_answer(&client).status, 202);
    stage.hold = false;
    ck_assert_int_eq(ask("web", text).status, 202);
    client_close(&client);
}
END_TEST

/* ---- Twilio ---- */

static struct answer twilio(const char *body)
{
    return post("/2010-04-01/Accounts/acme-sms/Messages.json", with_login(FORM), body);
}

START_TEST(test_twilio_good)
{
    stage.parts = 2;
    struct answer answer = twilio("To=%2B33612345670&From=ACME&Body=Bonjour+%C3%A0+tous"
                                  "&StatusCallback=http%3A%2F%2Finside&ValidityPeriod=60");
    ck_assert_int_eq(answer.status, 201);
    json_t *json = parse(&answer);
    const char *sid = json_string_value(json_object_get(json, "sid"));
    ck_assert(sid != NULL && strlen(sid) == 34 && strncmp(sid, "SM", 2) == 0 &&
              strspn(sid + 2, "0123456789abcdef") == 32);
    must_text(json, "account_sid", "acme-sms");
    must_text(json, "to", "+33612345670");
    must_text(json, "from", "ACME");
    must_text(json, "body", "Bonjour \xc3\xa0 tous");
    must_text(json, "status", "queued");
    must_text(json, "num_segments", "2");
    must_text(json, "ref", "01TEST-0");
    ck_assert(json_is_null(json_object_get(json, "error_code")));
    ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(json, "uri")), sid));
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(json, "date_created")), "+0000"));
    json_decref(json);
    ck_assert_str_eq(stage.messages[0].text, "Bonjour \xc3\xa0 tous");
    ck_assert(stage.messages[0].report);
    ck_assert_int_eq(stage.messages[0].validity, 60 * CLOCK_SECOND);
    answer = twilio("To=%2B33612345670&MessagingServiceSid=MG1&Body=x");
    ck_assert_int_eq(answer.status, 201);
    ck_assert_str_eq(stage.messages[1].sender, "ACME");
}
END_TEST

static void must_code(const struct answer *answer, int status, int code)
{
    json_t *json = parse(answer);
    must_say(answer->status == status &&
                 json_integer_value(json_object_get(json, "code")) == code &&
                 json_integer_value(json_object_get(json, "status")) == status,
             "%d %s", answer->status, answer->body);
    must(json_string_value(json_object_get(json, "message")) != NULL);
    must(json_string_value(json_object_get(json, "more_info")) != NULL);
    json_decref(json);
}

START_TEST(test_twilio_ends)
{
    static const struct {
        const char *to;
        enum sms_refusal refusal;
        int status;
        int code;
    } rows[] = {
        {"1", SMS_REFUSED_FOR_GOOD, 400, 21610}, {"2", SMS_REFUSED_FOR_GOOD, 503, 20503},
        {"3", SMS_REFUSED_FOR_GOOD, 503, 20503}, {"4", SMS_REFUSED_FOR_GOOD, 429, 20429},
        {"5", SMS_REFUSED_FOR_GOOD, 400, 21211}, {"6", SMS_REFUSED_FOR_GOOD, 400, 35114},
        {"7", SMS_REFUSED_FOR_GOOD, 502, 20500}, {"7", SMS_REFUSED_OPTED_OUT, 400, 21610},
        {"7", SMS_REFUSED_NUMBER, 400, 21211},   {"8", SMS_REFUSED_FOR_NOW, 503, 20503},
        {"9", SMS_REFUSED_FOR_GOOD, 500, 20500},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[128];
        stage.refusal = rows[i].refusal;
        snprintf(body, sizeof(body), "To=%%2B3361234567%s&From=ACME&Body=x", rows[i].to);
        struct answer answer = twilio(body);
        must_code(&answer, rows[i].status, rows[i].code);
        ck_assert((answer_header(&answer, "Retry-After")[0] != '\0') ==
                  (rows[i].status == 503 || rows[i].status == 429));
    }
}
END_TEST

START_TEST(test_twilio_malformed)
{
    static const struct {
        const char *body;
        int code;
    } rows[] = {
        {"From=ACME&Body=x", 21604},
        {"To=&From=ACME&Body=x", 21604},
        {"To=%0a&From=ACME&Body=x", 21211},
        {"To=%2B33612345670&Body=x", 21603},
        {"To=%2B33612345670&From=%01&Body=x", 21212},
        {"To=%2B33612345670&From=ACME", 21602},
        {"To=%2B33612345670&From=ACME&Body=%ff", 21617},
        {"To=%2B33612345670&From=ACME&Body=a%00b", 21602},
        {"To=%2B33612345670&From=ACME&Body=%4", 21620},
        {"To=%2B33612345670&From=ACME&Body=x&SendAt=2030-01-01T00:00:00Z", 35114},
        {"To=%2B33612345670&From=ACME&Body=x&MediaUrl=http://x", 21620},
        {"To=%2B33612345670&From=ACME&Body=x&ValidityPeriod=0", 21620},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer = twilio(rows[i].body);
        must_code(&answer, 400, rows[i].code);
    }
    ck_assert_uint_eq(stage.n_messages, 0);
}
END_TEST

START_TEST(test_twilio_accounts)
{
    struct answer answer = post("/2010-04-01/Accounts/acme-narrow/Messages.json", with_login(FORM),
                                "To=%2B33612345670&From=ACME&Body=x");
    must_code(&answer, 401, 20003);
    answer = post("/2010-04-01/Accounts/acme-sms/Messages.json", FORM, "");
    must_code(&answer, 401, 20003);
    answer = get("/2010-04-01/Accounts/acme-sms/Messages/SM0123.json", with_login(""));
    must_code(&answer, 404, 20404);
    ck_assert_uint_eq(stage.n_messages, 0);
}
END_TEST

/* ---- Vonage ---- */

static void must_status(const struct answer *answer, const char *status)
{
    json_t *json = parse(answer);
    must_say(answer->status == 200, "%d", answer->status);
    json_t *message = json_array_get(json_object_get(json, "messages"), 0);
    must_text(message, "status", status);
    if (strcmp(status, "0") != 0)
        must(json_string_value(json_object_get(message, "error-text")) != NULL);
    json_decref(json);
}

START_TEST(test_vonage_good)
{
    struct answer answer = post("/sms/json", FORM,
                                "api_key=acme-sms&api_secret=secret&from=ACME&to=33612345670"
                                "&text=Salut&ttl=60000&status-report-req=1");
    must_status(&answer, "0");
    json_t *json = parse(&answer);
    must_text(json, "message-count", "1");
    json_t *message = json_array_get(json_object_get(json, "messages"), 0);
    must_text(message, "to", "33612345670");
    must_text(message, "message-id", "01TEST-0");
    json_decref(json);
    ck_assert(stage.messages[0].international && stage.messages[0].report);
    ck_assert_int_eq(stage.messages[0].validity, 60 * CLOCK_SECOND);
    stage.parts = 3;
    answer = post("/sms/json", with_login(JSON),
                  "{\"from\":\"ACME\",\"to\":33612345670,\"text\":\"x\",\"type\":\"unicode\"}");
    must_status(&answer, "0");
    ck_assert_ptr_nonnull(strstr(answer.body, "\"message-count\":\"3\""));
    ck_assert_str_eq(stage.messages[1].to, "33612345670");
    answer =
        get("/sms/json?api_key=acme-sms&api_secret=secret&from=ACME&to=33612345670&text=x", "");
    must_status(&answer, "0");
}
END_TEST

START_TEST(test_vonage_ends)
{
    static const struct {
        const char *to;
        enum sms_refusal refusal;
        const char *status;
    } rows[] = {
        {"1", SMS_REFUSED_FOR_GOOD, "7"}, {"2", SMS_REFUSED_FOR_GOOD, "5"},
        {"3", SMS_REFUSED_FOR_GOOD, "5"}, {"4", SMS_REFUSED_FOR_GOOD, "1"},
        {"5", SMS_REFUSED_FOR_GOOD, "3"}, {"6", SMS_REFUSED_FOR_GOOD, "3"},
        {"7", SMS_REFUSED_FOR_GOOD, "6"}, {"7", SMS_REFUSED_OPTED_OUT, "7"},
        {"7", SMS_REFUSED_NUMBER, "3"},   {"8", SMS_REFUSED_FOR_NOW, "5"},
        {"9", SMS_REFUSED_FOR_GOOD, "5"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[200];
        stage.refusal = rows[i].refusal;
        snprintf(body, sizeof(body),
                 "api_key=acme-sms&api_secret=secret&from=ACME&to=3361234567%s&text=x", rows[i].to);
        struct answer answer = post("/sms/json", FORM, body);
        must_status(&answer, rows[i].status);
    }
}
END_TEST

START_TEST(test_vonage_malformed)
{
    static const struct {
        const char *type;
        const char *body;
        const char *status;
    } rows[] = {
        {FORM, "api_key=acme-sms&api_secret=secret&from=ACME&to=33612345670", "2"},
        {FORM, "api_key=acme-sms&api_secret=secret&from=ACME&text=x", "2"},
        {FORM, "api_key=acme-sms&api_secret=secret&to=33612345670&text=x", "2"},
        {FORM, "api_key=acme-sms&api_secret=secret&from=ACME&to=1&text=", "3"},
        {FORM, "api_key=acme-sms&api_secret=secret&from=ACME&to=1&text=%ff", "3"},
        {FORM, "api_key=acme-sms&api_secret=secret&from=ACME&to=1&text=x&type=binary", "3"},
        {FORM, "api_key=acme-sms&api_secret=secret&from=ACME&to=1&text=x&ttl=1", "3"},
        {FORM, "api_key=acme-sms&from=ACME&to=1&text=x", "4"},
        {FORM, "from=ACME&to=1&text=x", "4"},
        {FORM, "%zz=1", "4"},
        {JSON, "{", "4"},
        {JSON, "{\"api_key\":\"acme-sms\",\"api_secret\":\"secret\"}", "2"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer = post("/sms/json", rows[i].type, rows[i].body);
        must_status(&answer, rows[i].status);
    }
    ck_assert_uint_eq(stage.n_messages, 0);
}
END_TEST

/* ---- OVHcloud ---- */

static int64_t ovh_second; /* when all is signed; 0: now */

/* What goes into the signature as the URL, and when. */
static struct answer ovh(const char *secret, const char *consumer, const char *url, int64_t drift,
                         const char *path, const char *body)
{
    struct strbuf text = {0};
    char headers[512], hex[41], time[24];
    unsigned char digest[20];
    int64_t second = ovh_second != 0 ? ovh_second : clock_now() / CLOCK_SECOND;
    snprintf(time, sizeof(time), "%lld", (long long)(second + drift));
    strbuf_add_format(&text, "%s+%s+%s+%s%s+%s+%s", secret, "CK", body != NULL ? "POST" : "GET",
                      url, path, body != NULL ? body : "", time);
    must(EVP_Q_digest(NULL, "SHA1", NULL, text.data, text.length, digest, NULL) == 1);
    strbuf_free(&text);
    hex_encode(digest, sizeof(digest), hex);
    snprintf(headers, sizeof(headers),
             "X-Ovh-Application: AK\r\nX-Ovh-Consumer: %s\r\nX-Ovh-Timestamp: %s\r\n"
             "X-Ovh-Signature: $1$%s\r\n%s",
             consumer, time, hex, body != NULL ? JSON : "");
    return body != NULL ? post(path, headers, body) : get(path, headers);
}

static struct answer jobs(const char *body)
{
    return ovh("AS", "CK", "https://gate.example", 0, "/1.0/sms/promo/jobs", body);
}

START_TEST(test_ovh_good)
{
    struct answer answer =
        jobs("{\"message\":\"Bonjour\",\"sender\":\"ACME\",\"noStopClause\":true,"
             "\"receivers\":[\"+33612345670\",\"0033612345680\"],"
             "\"validityPeriod\":2880}");
    ck_assert_int_eq(answer.status, 200);
    json_t *json = parse(&answer);
    ck_assert_int_eq(json_integer_value(json_object_get(json, "totalCreditsRemoved")), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "validReceivers")), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "invalidReceivers")), 0);
    const json_t *refs = json_object_get(json, "refs");
    ck_assert_uint_eq(json_array_size(refs), 2);
    ck_assert_str_eq(json_string_value(json_array_get(refs, 1)), "01TEST-1");
    json_t *ids = json_object_get(json, "ids");
    ck_assert_uint_eq(json_array_size(ids), 2);
    ck_assert_int_eq(json_integer_value(json_array_get(ids, 0)), http_stable_number("01TEST-0"));
    ck_assert_int_gt(json_integer_value(json_array_get(ids, 0)), 0);
    ck_assert_int_lt(json_integer_value(json_array_get(ids, 1)), INT64_C(1) << 53);
    json_decref(json);
    ck_assert_str_eq(stage.messages[0].account, "acme-ovh");
    ck_assert_str_eq(stage.messages[1].to, "0033612345680");
    ck_assert_int_eq(stage.messages[0].validity, 2880 * 60 * CLOCK_SECOND);
}
END_TEST

START_TEST(test_ovh_signatures)
{
    static const char body[] = "{\"message\":\"x\",\"receivers\":[\"+33612345670\"]}";
    static const struct {
        const char *secret, *consumer, *url;
        int64_t drift;
        int status;
    } rows[] = {
        {"AS", "CK", "https://gate.example", 0, 200},
        {"AS", "CK", "https://gate.example:8443", 0, 200},
        {"AS", "CK", "https://gate.example", 290, 200},
        {"AS", "CK", "https://gate.example", -290, 200},
        {"AS", "CK", "https://gate.example", 310, 403},
        {"AS", "CK", "https://gate.example", -310, 403},
        {"AS", "CK", "http://gate.example", 0, 403},
        {"AS", "CK", "https://other.example", 0, 403},
        {"AS", "CX", "https://gate.example", 0, 403},
        {"XX", "CK", "https://gate.example", 0, 403},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer = ovh(rows[i].secret, rows[i].consumer, rows[i].url, rows[i].drift,
                                   "/1.0/sms/promo/jobs", body);
        ck_assert_msg(answer.status == rows[i].status, "%zu: %d %s", i, answer.status, answer.body);
        stage_forgive();
        if (answer.status == 403)
            ck_assert_ptr_nonnull(strstr(answer.body, "\"errorCode\":\"INVALID_CREDENTIAL\""));
    }
    struct answer answer = post("/1.0/sms/promo/jobs", JSON, body);
    ck_assert_int_eq(answer.status, 401);
    answer = post("/1.0/sms/promo/jobs", JSON "X-Ovh-Application: AK\r\n", body);
    ck_assert_int_eq(answer.status, 403);
}
END_TEST

/* Who copied a signed request gets the answer of the first time, and nothing is sent. */
START_TEST(test_ovh_repeated)
{
    static const char *const receivers[] = {"\"+0\"", "\"+8\"", "\"+1\""};
    char body[128];
    ovh_second = clock_now() / CLOCK_SECOND - 100;
    for (size_t i = 0; i < 3; i++) {
        snprintf(body, sizeof(body), "{\"message\":\"x\",\"receivers\":[%s]}", receivers[i]);
        struct answer first = jobs(body);
        struct answer again = jobs(body);
        ck_assert_int_eq(first.status, again.status);
        ck_assert_str_eq(first.body, again.body);
        ck_assert_uint_eq(stage.n_messages, i + 1);
    }
    /* Signed anew it is another message. */
    ovh_second++;
    ck_assert_int_eq(jobs(body).status, 403);
    ck_assert_uint_eq(stage.n_messages, 4);
    ovh_second = 0;
}
END_TEST

/* An answer that is too long to be kept: it is known that there was one. */
START_TEST(test_ovh_repeated_many)
{
    struct strbuf body = {0};
    strbuf_add_str(&body, "{\"message\":\"x\",\"receivers\":[\"+0\"");
    for (int i = 1; i < 100; i++)
        strbuf_add_str(&body, ",\"+0\"");
    strbuf_add_str(&body, "]}");
    ovh_second = clock_now() / CLOCK_SECOND;
    ck_assert_int_eq(jobs(body.data).status, 200);
    struct answer answer = jobs(body.data);
    ck_assert_int_eq(answer.status, 409);
    ck_assert_ptr_nonnull(strstr(answer.body, "REPEATED_REQUEST"));
    ck_assert_uint_eq(stage.n_messages, 100);
    ovh_second = 0;
    strbuf_free(&body);
}
END_TEST

START_TEST(test_ovh_reading)
{
    struct answer answer = get("/1.0/auth/time", "");
    ck_assert_int_eq(answer.status, 200);
    int64_t seconds;
    ck_assert(http_number(answer.body, INT64_C(1) << 40, &seconds));
    ck_assert_int_lt(llabs(seconds - clock_now() / CLOCK_SECOND), 5);
    answer = ovh("AS", "CK", "https://gate.example", 0, "/1.0/sms", NULL);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer.body, "[\"promo\"]");
    answer = ovh("AS", "CK", "https://gate.example", 0, "/1.0/sms/other/jobs", "{}");
    ck_assert_int_eq(answer.status, 404);
}
END_TEST

static void must_numbers(const json_t *json, const char *name, const char *const *numbers)
{
    const json_t *list = json_object_get(json, name);
    size_t n = 0;
    for (; numbers[n] != NULL; n++)
        must_say(n < json_array_size(list) &&
                     strcmp(json_string_value(json_array_get(list, n)), numbers[n]) == 0,
                 "%s %zu", name, n);
    must_say(json_array_size(list) == n, "%s: %zu", name, json_array_size(list));
}

START_TEST(test_ovh_some)
{
    struct answer answer =
        jobs("{\"message\":\"x\",\"receivers\":[\"+0\",\"+1\",\"+5\",\"+7\",\"+8\","
             "\"+9\"]}");
    ck_assert_int_eq(answer.status, 200);
    json_t *json = parse(&answer);
    must_numbers(json, "validReceivers", (const char *const[]){"+0", NULL});
    must_numbers(json, "invalidReceivers", (const char *const[]){"+1", "+5", "+7", NULL});
    must_numbers(json, "retryReceivers", (const char *const[]){"+8", NULL});
    must_numbers(json, "unknownReceivers", (const char *const[]){"+9", NULL});
    must_numbers(json, "refs", (const char *const[]){"01TEST-0", NULL});
    ck_assert_uint_eq(json_array_size(json_object_get(json, "ids")), 1);
    json_decref(json);
    /* None was taken for sure, but an error would ask for all of them again. */
    answer = jobs("{\"message\":\"y\",\"receivers\":[\"+8\",\"+9\"]}");
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer_header(&answer, "Retry-After"), "");
    json = parse(&answer);
    must_numbers(json, "validReceivers", (const char *const[]){NULL});
    must_numbers(json, "retryReceivers", (const char *const[]){"+8", NULL});
    must_numbers(json, "unknownReceivers", (const char *const[]){"+9", NULL});
    json_decref(json);
}
END_TEST

START_TEST(test_ovh_none)
{
    static const struct {
        const char *receivers;
        int status;
        const char *code;
        const char *retry;
    } rows[] = {
        {"[\"+1\"]", 403, "NO_CONSENT", ""},
        {"[\"+1\",\"+1\"]", 403, "NO_CONSENT", ""},
        {"[\"+5\"]", 403, "INVALID_RECEIVERS", ""},
        {"[\"+1\",\"+3\"]", 503, "UNABLE", "5"},
        {"[\"+4\"]", 429, "TOO_MANY_REQUESTS", "1"},
        {"[\"+2\"]", 503, "UNABLE", "90"},
        {"[\"+9\"]", 503, "UNKNOWN_OUTCOME", ""},
        {"[\"+9\",\"+9\"]", 503, "UNKNOWN_OUTCOME", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[128];
        snprintf(body, sizeof(body), "{\"message\":\"x\",\"receivers\":%s}", rows[i].receivers);
        struct answer answer = jobs(body);
        ck_assert_msg(answer.status == rows[i].status, "%s: %d", body, answer.status);
        json_t *json = parse(&answer);
        must_text(json, "errorCode", rows[i].code);
        ck_assert_ptr_nonnull(json_string_value(json_object_get(json, "message")));
        ck_assert_str_eq(answer_header(&answer, "Retry-After"), rows[i].retry);
        json_decref(json);
    }
}
END_TEST

START_TEST(test_ovh_malformed)
{
    static const char *const bodies[] = {
        "",
        "{\"receivers\":[\"+0\"]}",
        "{\"message\":\"\",\"receivers\":[\"+0\"]}",
        "{\"message\":\"x\"}",
        "{\"message\":\"x\",\"receivers\":[]}",
        "{\"message\":\"x\",\"receivers\":\"+0\"}",
        "{\"message\":\"x\",\"receivers\":[0]}",
        "{\"message\":\"x\",\"receivers\":[\"+0\",\"\"]}",
        "{\"message\":\"x\",\"receivers\":[\"+0\"],\"differedPeriod\":5}",
        "{\"message\":\"x\",\"receivers\":[\"+0\"],\"class\":\"flash\"}",
        "{\"message\":\"x\",\"receivers\":[\"+0\"],\"receiversDocumentUrl\":\"http://x\"}",
        "{\"message\":\"x\",\"receivers\":[\"+0\"],\"validityPeriod\":0}",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct answer answer = jobs(bodies[i]);
        ck_assert_msg(answer.status == 400, "%s: %d", bodies[i], answer.status);
        ck_assert_ptr_nonnull(strstr(answer.body, "INVALID_ARGUMENT"));
    }
    ck_assert_uint_eq(stage.n_messages, 0);
}
END_TEST

/* Five hundred, sixteen at a time. */
START_TEST(test_ovh_many)
{
    struct strbuf body = {0};
    struct client client;
    strbuf_add_str(&body, "{\"message\":\"x\",\"receivers\":[\"1\"");
    for (int i = 1; i < 400; i++)
        strbuf_add_str(&body, ",\"0\"");
    strbuf_add_str(&body, "]}");
    struct answer answer = jobs(body.data);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_uint_eq(stage.n_messages, 400);
    json_t *json = parse(&answer);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "ids")), 399);
    json_decref(json);
    strbuf_clear(&body);
    strbuf_add_str(&body, "GET /cgi-bin/sendsms?username=acme-sms&password=secret&text=x&to=0");
    for (int i = 1; i < 50; i++)
        strbuf_add_str(&body, "+0");
    strbuf_add_str(&body, " HTTP/1.1\r\n\r\n");
    stage.hold = true;
    client_open(&client, "web");
    client_say(&client, body.data);
    turn_until(stage.n_messages == 416);
    for (int i = 0; i < 10; i++)
        client_turn(&client);
    ck_assert_uint_eq(stage.n_messages, 416);
    stage_reply(400);
    ck_assert_uint_eq(stage.n_messages, 417);
    stage.hold = false;
    stage_release();
    ck_assert_int_eq(client_answer(&client).status, 202);
    ck_assert_uint_eq(stage.n_messages, 450);
    client_close(&client);
    strbuf_free(&body);
}
END_TEST

/* ---- Kannel ---- */

static struct answer kannel(const char *parameters)
{
    char path[1024];
    snprintf(path, sizeof(path), "/cgi-bin/sendsms?username=acme-sms&password=secret&%s",
             parameters);
    return get(path, "");
}

START_TEST(test_kannel_texts)
{
    static const struct {
        const char *parameters;
        const char *text;
    } rows[] = {
        {"to=0&text=Hello+World", "Hello World"},
        {"to=0&text=%C3%A9t%C3%A9", "\xc3\xa9t\xc3\xa9"},
        {"to=0&text=%E9t%E9&charset=iso-8859-1", "\xc3\xa9t\xc3\xa9"},
        {"to=0&text=%80&charset=windows-1252", "\xe2\x82\xac"},
        {"to=0&coding=2&text=%00H%00i%20%AC", "Hi\xe2\x82\xac"},
        {"to=0&coding=2&charset=UTF-8&text=Hi%E2%82%AC", "Hi\xe2\x82\xac"},
        {"to=0&coding=0&text=x&priority=1&account=a", "x"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer = kannel(rows[i].parameters);
        ck_assert_msg(answer.status == 202, "%s: %d %s", rows[i].parameters, answer.status,
                      answer.body);
        char accepted[64];
        snprintf(accepted, sizeof(accepted), "0: Accepted for delivery: 01TEST-%zu", i);
        ck_assert_str_eq(answer.body, accepted);
        ck_assert_str_eq(stage.messages[i].text, rows[i].text);
    }
    struct answer answer = post("/cgi-bin/sendsms", FORM,
                                "user=acme-sms&pass=secret&to=0&from=ACME&text=x&dlr-mask=31"
                                "&dlr-url=http%3A%2F%2Finside&validity=60");
    ck_assert_int_eq(answer.status, 202);
    const struct stage_message *message = &stage.messages[stage.n_messages - 1];
    ck_assert(message->report);
    ck_assert_str_eq(message->sender, "ACME");
    ck_assert_int_eq(message->validity, 3600 * CLOCK_SECOND);
}
END_TEST

START_TEST(test_kannel_raw)
{
    static const struct {
        const char *parameters;
        uint8_t esm_class, data_coding;
        const char *body;
        size_t length;
    } rows[] = {
        {"to=0&coding=1&text=%00%01%ff", 0, 4, "\x00\x01\xff", 3},
        {"to=0&udh=%05%00%03%07%02%01&coding=1&text=ab", 0x40, 4,
         "\x05\x00\x03\x07\x02\x01"
         "ab",
         8},
        {"to=0&udh=%05%00%03%07%02%01&text=ab", 0x40, 4,
         "\x05\x00\x03\x07\x02\x01"
         "ab",
         8},
        {"to=0&udh=%05%00%03%07%02%01&coding=0&text=%40%24", 0x40, 0,
         "\x05\x00\x03\x07\x02\x01\x00\x02", 8},
        {"to=0&udh=%05%00%03%07%02%01&coding=2&text=%00a", 0x40, 8,
         "\x05\x00\x03\x07\x02\x01\x00"
         "a",
         8},
        {"to=0&mclass=0&text=a", 0, 0x10, "a", 1},
        {"to=0&mclass=1&coding=2&text=%20%AC", 0, 0x19, "\x20\xac", 2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer = kannel(rows[i].parameters);
        ck_assert_msg(answer.status == 202, "%s: %d %s", rows[i].parameters, answer.status,
                      answer.body);
        const struct stage_message *message = &stage.messages[i];
        ck_assert(message->is_raw);
        ck_assert_uint_eq(message->raw.esm_class, rows[i].esm_class);
        ck_assert_uint_eq(message->raw.data_coding, rows[i].data_coding);
        ck_assert_uint_eq(message->raw.body.length, rows[i].length);
        ck_assert_mem_eq(message->body, rows[i].body, rows[i].length);
    }
}
END_TEST

/* What is judged is what is sent: data_coding 0 is in the alphabet of the stream's provider. */
START_TEST(test_kannel_raw_alphabet)
{
    struct answer answer = get("/cgi-bin/sendsms?username=acme-latin&password=secret&to=0&mclass=1"
                               "&text=%40_%24%C3%A9",
                               "");
    ck_assert_int_eq(answer.status, 202);
    const struct stage_message *message = &stage.messages[0];
    char text[64];
    ck_assert(message->is_raw);
    ck_assert_uint_eq(message->raw.data_coding, 0x11);
    ck_assert_uint_eq(message->raw.body.length, 4);
    ck_assert_mem_eq(message->body, "@_$\xe9", 4);
    ck_assert(sms_decode(message->raw.data_coding, SMS_ALPHABET_LATIN1, message->body,
                         message->raw.body.length, text, sizeof(text)));
    ck_assert_str_eq(text, "@_$\xc3\xa9");
}
END_TEST

START_TEST(test_kannel_ends)
{
    static const struct {
        const char *to;
        int status;
        const char *body;
    } rows[] = {
        {"1", 403, "NO_CONSENT: Because \"so\". ref 01TEST-0"},
        {"2", 503, "Temporal failure, try again later."},
        {"3", 503, "Temporal failure, try again later."},
        {"4", 503, "Temporal failure, try again later."},
        {"5", 400, "Rejected: Because \"so\"."},
        {"7", 403, "Rejected: Because \"so\". ref 01TEST-5"},
        {"8", 503, "Temporal failure, try again later."},
        {"9", 503,
         "Unknown outcome, the message may have been sent: do not simply send it again, ref "
         "01TEST-7"},
        {"1+3", 503, "Temporal failure, try again later."},
        {"1+0+5", 202, "0: Accepted for delivery: 01TEST-11, failed to: 1 5"},
        {"+0++0+", 202, "0: Accepted for delivery: 01TEST-13 01TEST-14"},
        {"0+8+9", 202,
         "0: Accepted for delivery: 01TEST-15, failed to: 8, may have been sent to: 9"},
        {"8+9", 503,
         "Unknown outcome, the message may have been sent: do not simply send it again, may have "
         "been sent to: 9, failed to: 8"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char parameters[64];
        snprintf(parameters, sizeof(parameters), "to=%s&text=x", rows[i].to);
        struct answer answer = kannel(parameters);
        ck_assert_msg(answer.status == rows[i].status, "%s: %d", rows[i].to, answer.status);
        ck_assert_str_eq(answer.body, rows[i].body);
        ck_assert((answer_header(&answer, "Retry-After")[0] != '\0') ==
                  (strncmp(answer.body, "Temporal", 8) == 0));
    }
}
END_TEST

START_TEST(test_kannel_malformed)
{
    static const char *const rows[] = {
        "text=x",
        "to=&text=x",
        "to=+&text=x",
        "to=0",
        "to=0&text=",
        "to=0&text=%ff",
        "to=0&text=x&coding=3",
        "to=0&text=x&coding=x",
        "to=0&coding=2&text=a",
        "to=0&text=x&charset=klingon",
        "to=0&text=x&udh=%05%00",
        "to=0&text=x&mclass=4",
        "to=0&text=x&deferred=10",
        "to=0&text=x&mwi=1",
        "to=0&text=x&validity=x",
        "to=0&text=x&from=%0a",
        "to=0&text=%zz",
        "to=000000000000000000000000000000000&text=x",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer = kannel(rows[i]);
        bool unread = strstr(rows[i], "%zz") != NULL; /* then its login is not read either */
        ck_assert_msg(answer.status == (unread ? 403 : 400), "%s: %d %s", rows[i], answer.status,
                      answer.body);
    }
    struct answer answer = get("/cgi-bin/sendsms?to=0&text=x", "");
    ck_assert_int_eq(answer.status, 403);
    ck_assert_str_eq(answer.body, "Authorization failed for sendsms");
    ck_assert_uint_eq(stage.n_messages, 0);
}
END_TEST

/* ---- webhooks ---- */

START_TEST(test_hooks)
{
    struct answer answer = post("/hooks/agg/inbound?k=v&x", FORM "X-Signature: abc\r\n", "a=1");
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer.body, "<Response/>");
    ck_assert_str_eq(answer_header(&answer, "Content-Type"), "text/xml");
    ck_assert_str_eq(stage.hook.name, "inbound");
    ck_assert_str_eq(stage.hook.method, "POST");
    ck_assert_str_eq(stage.hook.url, "https://gate.example:8443/hooks/agg/inbound?k=v&x");
    ck_assert_str_eq(stage.hook.query, "k=v&x");
    ck_assert_str_eq(stage.hook.body, "a=1");
    ck_assert_str_eq(stage.hook.type, "application/x-www-form-urlencoded");
    ck_assert_str_eq(stage.hook.header, "abc");
    answer = get("/hooks/agg/report?id=1", "");
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(stage.hook.name, "report");
    ck_assert_str_eq(stage.hook.method, "GET");
    ck_assert_uint_eq(stage.n_hooks, 2);
    /* No name is told from another. */
    static const char *const nobodys[] = {"/hooks/mail/inbound", "/hooks/none/inbound"};
    for (size_t i = 0; i < 2; i++) {
        answer = post(nobodys[i], FORM, "");
        ck_assert_int_eq(answer.status, 401);
        ck_assert_str_eq(answer.body, "This call is not verified.\n");
        ck_assert_str_eq(answer_header(&answer, "Content-Type"), "text/plain");
    }
    ck_assert_uint_eq(stage.n_hooks, 2);
}
END_TEST

/* Its answer comes when the provider's client has gone. */
START_TEST(test_hook_abandoned)
{
    struct client client;
    stage.hook_holds = true;
    client_open(&client, "web");
    client_say(&client, "GET /hooks/agg/report HTTP/1.1\r\n\r\n");
    turn_until(stage.n_hooks == 1);
    http_abort_all(&stage.lane);
    client_await_close(&client);
    ck_assert_uint_eq(ticket_count(stage.lane.requests), 1);
    stage.hook.answer(stage.hook.owner, stage.hook.ticket, 503, NULL, NULL);
    turn_until(ticket_count(stage.lane.requests) == 0);
    client_close(&client);
}
END_TEST

Suite *http_shapes_suite(void)
{
    const TTest *const tests[] = {
        test_native_good,
        test_native_bearer,
        test_native_ends,
        test_native_malformed,
        test_native_accounts,
        test_again,
        test_again_after_refusals,
        test_again_while_running,
        test_bad_keys,
        test_memory,
        test_memory_of_others,
        test_window,
        test_twilio_good,
        test_twilio_ends,
        test_twilio_malformed,
        test_twilio_accounts,
        test_vonage_good,
        test_vonage_ends,
        test_vonage_malformed,
        test_ovh_good,
        test_ovh_signatures,
        test_ovh_repeated,
        test_ovh_repeated_many,
        test_ovh_reading,
        test_ovh_some,
        test_ovh_none,
        test_ovh_malformed,
        test_ovh_many,
        test_kannel_texts,
        test_kannel_raw,
        test_kannel_raw_alphabet,
        test_kannel_ends,
        test_kannel_malformed,
        test_hooks,
        test_hook_abandoned,
        NULL,
    };
    Suite *suite = suite_create("http shapes");
    TCase *cases = tcase_create("http shapes");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, stage_make, stage_free);
    for (const TTest *const *test = tests; *test != NULL; test++)
        tcase_add_test(cases, *test);
    suite_add_tcase(suite, cases);
    return suite;
}
