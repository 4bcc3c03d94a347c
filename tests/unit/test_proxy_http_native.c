/* SPDX-License-Identifier: Apache-2.0 */
/* The native shape; its keys, and their memory; the account's window. */
#include "tests/unit/test_proxy_http_shapes.h"

#include <string.h>

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

Suite *http_native_suite(void)
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
        NULL,
    };
    Suite *suite = suite_create("http native");
    TCase *cases = tcase_create("http native");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, stage_make, stage_free);
    for (const TTest *const *test = tests; *test != NULL; test++)
        tcase_add_test(cases, *test);
    suite_add_tcase(suite, cases);
    return suite;
}
