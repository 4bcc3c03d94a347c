/* SPDX-License-Identifier: Apache-2.0 */
/* The shapes that take several numbers at a time: OVHcloud's and Kannel's. */
#include "tests/unit/test_proxy_http_shapes.h"

#include <openssl/evp.h>
#include <string.h>

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

Suite *http_lists_suite(void)
{
    const TTest *const tests[] = {
        test_ovh_good,          test_ovh_signatures,   test_ovh_repeated,
        test_ovh_repeated_many, test_ovh_reading,      test_ovh_some,
        test_ovh_none,          test_ovh_malformed,    test_ovh_many,
        test_kannel_texts,      test_kannel_raw,       test_kannel_raw_alphabet,
        test_kannel_ends,       test_kannel_malformed, NULL,
    };
    Suite *suite = suite_create("http lists");
    TCase *cases = tcase_create("http lists");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, stage_make, stage_free);
    for (const TTest *const *test = tests; *test != NULL; test++)
        tcase_add_test(cases, *test);
    suite_add_tcase(suite, cases);
    return suite;
}
