/* SPDX-License-Identifier: Apache-2.0 */
/* Twilio's and Vonage's shapes, each over a connection of its own: what is understood, and how each
 * end is told; webhooks. */
#include "tests/unit/test_proxy_http_shapes.h"

#include <string.h>

json_t *parse(const struct answer *answer)
{
    json_error_t error;
    json_t *json = json_loads(answer->body, 0, &error);
    must_say(json != NULL, "%s: %s", error.text, answer->body);
    return json;
}

const char *with_login(const char *more)
{
    static char text[1024];
    snprintf(text, sizeof(text), "%s%s", basic("acme-sms", "secret"), more);
    return text;
}

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
        test_twilio_good,      test_twilio_ends,
        test_twilio_malformed, test_twilio_accounts,
        test_vonage_good,      test_vonage_ends,
        test_vonage_malformed, test_hooks,
        test_hook_abandoned,   NULL,
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
