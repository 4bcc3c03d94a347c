/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: what is wrong with one, and the exact requests of those that are shipped. */
#include "tests/unit/test_adapters_http_parts.h"
#include "tests/unit/test_adapters_http_stage.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- mistakes ---- */

#define REQUEST "request: { url = \"{url}/s\" }\n"
#define ANSWER  "answer: { accepted: { status = [ 200 ] } }\n"

static const struct mistake {
    const char *template;
    int line;
    const char *says;
} mistakes[] = {
    {"request: {", 1, "syntax error"},
    {"", 1, "request: is missing"},
    {ANSWER, 1, "request: is missing"},
    {REQUEST, 1, "answer: is missing"},
    {REQUEST ANSWER "include = [ \"/dev/../etc/hostname.none\" ]\n", 3, "does not exist"},
    {REQUEST ANSWER "color = 1\n", 3, "color: is not known"},
    {REQUEST ANSWER "auth = \"digest\"\n", 3, "auth: must be \"none\", \"basic\" or \"bearer\""},
    {REQUEST ANSWER "auth = 1\n", 3, "auth: must be a text"},
    {REQUEST ANSWER "url = 12\n", 3, "url: must be a text"},
    {REQUEST ANSWER "defaults: { a = 1 }\n", 3, "defaults.a: must be a text"},
    {REQUEST ANSWER "headers = [ \"nothing\" ]\n", 3, "Name: value"},
    {REQUEST ANSWER "headers = [ \"A b: c\" ]\n", 3, "Name: value"},
    {REQUEST ANSWER "headers = [ \"A: b\\r\\nC: d\" ]\n", 3, "in one line"},
    {REQUEST ANSWER "headers = [ \"Content-Length: 3\" ]\n", 3, "is not a template's to say"},
    {REQUEST ANSWER "headers = [ \"host: a\" ]\n", 3, "is not a template's to say"},
    {REQUEST ANSWER "headers = [ \"A: {nix}\" ]\n", 3, "{nix} is no placeholder"},
    {REQUEST ANSWER "headers = [ \"A: {signature}\" ]\n", 1, "signature: is missing"},
    {REQUEST ANSWER "signature: { text = \"a\" }\n", 3, "signature.algorithm: is missing"},
    {REQUEST ANSWER "signature: { algorithm = \"rot13\"  text = \"a\" }\n", 3, "must be md5"},
    {REQUEST ANSWER "signature: { algorithm = \"sha1\"  text = \"a\"  key = \"b\" }\n", 3,
     "is not used by sha1"},
    {REQUEST ANSWER "signature: { algorithm = \"hmac-sha1\"  text = \"a\" }\n", 3, "is keyed"},
    {REQUEST ANSWER "signature: { algorithm = \"sha1\" }\n", 3, "signature.text: is missing"},
    {"request: { method = \"POST\" }\n" ANSWER, 1, "request.url: is missing"},
    {"request: { url = \"{url}\"  method = \"DELETE\" }\n" ANSWER, 1, "request.method: must be"},
    {"request: { url = \"{url}\"\n form: { a = \"b\" }\n json: { a = \"b\" } }\n" ANSWER, 2,
     "exclude each other"},
    {"request: { url = \"{url}\"  method = \"GET\"\n form: { a = \"b\" } }\n" ANSWER, 2,
     "is not sent with GET"},
    {"request: { url = \"{url}\"\n form: { a: { b = \"c\" } } }\n" ANSWER, 2, "must be a text, a"},
    {"request: { url = \"{url}\"\n json: { a = 1.5 } }\n" ANSWER, 2, "fraction"},
    {"request: { url = \"{url}\"\n json: { a = \"x{parts|literal}\" } }\n" ANSWER, 2,
     "must stand alone"},
    {"request: { url = \"{url}\"\n body_type = \"json\" }\n" ANSWER, 2, "stands without body"},
    {"request: { url = \"{url}\"\n body = \"a\" body_type = \"pdf\" }\n" ANSWER, 2,
     "request.body_type: must be"},
    {"request: { url = \"{url}\"\n query = 3 }\n" ANSWER, 2, "must be a group"},
    {"request: { url = \"{url}/{signature}\" }\n" ANSWER, 1, "no meaning here"},
    {"request: { url = \"nonsense\" }\n" ANSWER, 1, "makes no URL"},
    {"request: { url = \"ftp://127.0.0.1/\" }\n" ANSWER, 1, "must begin with https"},
    {"request: { url = \"http://192.0.2.1/\" }\n" ANSWER, 1, "in clear"},
    {"request: { url = \"https://{to_digits}.example.com/\" }\n" ANSWER, 1, "which host"},
    {"request: { url = \"https://{prospecting?a:b}.example.com/\" }\n" ANSWER, 1, "which host"},
    {REQUEST ANSWER "test: { url = \"https://elsewhere.example.com/\" }\n", 1, "on the host of"},
    {REQUEST ANSWER "test: { url = \"{url}/{to}\" }\n", 3, "no meaning here"},
    {REQUEST ANSWER "test: { url = \"{url}\"  status = [ 99 ] }\n", 3, "HTTP statuses"},
    {REQUEST "answer: { }\n", 2, "answer.accepted: is missing"},
    {REQUEST "answer: { accepted: { } }\n", 2, "needs status or field"},
    {REQUEST "answer: { accepted: { is = [ 1 ] } }\n", 2, "stands without field"},
    {REQUEST "answer: { accepted: { status = [ ] } }\n", 2, "is empty"},
    {REQUEST "answer: { accepted: { status = [ 200 ] }\n id = \"a[\" }\n", 3, "is no path"},
    {REQUEST "answer: { accepted: { status = [ 200 ] }\n id = \"a\" id_text = \"b\" }\n", 3,
     "stands beside id"},
    {REQUEST "answer: { accepted: { status = [ 200 ] }\n separator = \"|\" }\n", 3,
     "\"text\" alone"},
    {REQUEST "answer: { format = \"yaml\" accepted: { status = [ 200 ] } }\n", 2, "answer.format"},
    {REQUEST "answer: { accepted: { status = [ 200 ] }\n otherwise = ( 1 ) }\n", 3,
     "list of groups"},
    {REQUEST "answer: { accepted: { status = [ 200 ] }\n otherwise = ( { status = [ 400 ] } ) }\n",
     3, "means: is missing"},
    {REQUEST "answer: { accepted: { status = [ 200 ] }\n otherwise = ( { status = [ 400 ] "
             "means = \"bad\" } ) }\n",
     3, "means: must be"},
    {REQUEST ANSWER "inbound: { from = \"a\" text = \"b\" }\n", 1, "verification: is missing"},
    {REQUEST ANSWER "verification: { key = \"a\" }\n", 3, "verification.type: is missing"},
    {REQUEST ANSWER "verification: { type = \"twilio\" }\n", 3, "verification.key: is missing"},
    {REQUEST ANSWER "verification: { type = \"hmac\" key = \"a\" }\n", 3, "header: is missing"},
    {REQUEST ANSWER "verification: { type = \"hmac\" header = \"X\" key = \"a\" algorithm = "
                    "\"sha256\" }\n",
     3, "has no key"},
    {REQUEST ANSWER "verification: { type = \"none\" header = \"X\" }\n", 3, "is not used"},
    {REQUEST ANSWER "verification: { type = \"magic\" }\n", 3, "verification.type: must be"},
    {REQUEST ANSWER "verification: { type = \"none\" }\n inbound: { text = \"b\" }\n", 4,
     "inbound.from: is missing"},
    {REQUEST ANSWER "verification: { type = \"none\" }\n report: { id = \"b\" state = \"c\" }\n", 4,
     "report.states: is missing"},
    {REQUEST ANSWER
     "verification: { type = \"none\" }\n report: { id = \"b\" state = \"c\" states: "
     "{ lost = [ 1 ] } }\n",
     4, "is not known"},
    {REQUEST ANSWER "verification: { type = \"none\" }\n inbound: { from = \"a\" text = \"b\" "
                    "reply: { status = 500 } }\n",
     4, "200 … 299"},
    {"request: { url = \"{url}/{setting.missing}\" }\n" ANSWER, 1, "settings = [ \"missing="},
};

struct found {
    unsigned count;
    int line;
    char all[2048];
};

static void on_problem(void *arg, const char *file, int line, const char *message)
{
    struct found *found = arg;
    size_t length = strlen(found->all);
    ck_assert_str_eq(strrchr(file, '/'), "/t.conf");
    if (found->count++ == 0)
        found->line = line;
    snprintf(found->all + length, sizeof(found->all) - length, "%s\n", message);
}

START_TEST(mistakes_have_their_line)
{
    const struct mistake *row = &mistakes[_i];
    struct http_stage stage;
    struct found found = {0};
    struct error err = {.text = ""};
    stage_begin(&stage);
    stage.provider_config.url = "https://127.0.0.1:1";
    stage_template(&stage, row->template);
    ck_assert_msg(provider_check(&stage.provider_config, "", on_problem, &found, &err) ==
                      RESULT_BAD_INPUT,
                  "%s: taken", row->template);
    ck_assert_msg(found.count > 0 && strstr(found.all, row->says) != NULL, "%s: says %s",
                  row->template, found.all);
    ck_assert_msg(found.line == row->line, "%s: line %d", row->template, found.line);
    /* The same keeps the provider from being made, and says the first. */
    struct loop *loop;
    struct provider *provider = NULL;
    char place[200];
    ck_assert_int_eq(loop_new(0, &loop, &err), RESULT_OK);
    ck_assert_int_eq(
        provider_new_for_test(&stage.provider_config, &stage.config, loop, &provider, &err),
        RESULT_BAD_INPUT);
    snprintf(place, sizeof(place), "%s:%d: ", stage.template_path, found.line);
    ck_assert_msg(strncmp(err.text, place, strlen(place)) == 0, "%s", err.text);
    loop_free(&loop);
    stage_end(&stage);
}
END_TEST

static void check_refused(struct http_stage *stage, const char *says)
{
    struct found found = {0};
    struct error err = {.text = ""};
    ck_assert_int_eq(provider_check(&stage->provider_config, "", on_problem, &found, &err),
                     RESULT_BAD_INPUT);
    ck_assert_msg(strstr(found.all, says) != NULL, "%s", found.all);
}

START_TEST(what_the_provider_lacks_is_named)
{
    struct http_stage stage;
    struct error err;
    stage_begin(&stage);
    stage.provider_config.url = "https://127.0.0.1:1";
    stage_template(&stage, "auth = \"basic\"\n" REQUEST ANSWER);
    stage.provider_config.username = NULL;
    check_refused(&stage, "username is missing");
    stage.provider_config.username = "u";
    stage.provider_config.password = NULL;
    check_refused(&stage, "password is missing");
    stage.provider_config.password = "p";
    ck_assert_int_eq(provider_check(&stage.provider_config, "", NULL, NULL, &err), RESULT_OK);
    stage_setting(&stage, "unheard", "1");
    check_refused(&stage, "no setting \"unheard\"");
    stage.settings[0] = (struct setting){.name = "hook_token", .value = "short"};
    check_refused(&stage, "hook_token is too short");
    stage.provider_config.n_settings = 0;
    stage.provider_config.url = NULL;
    check_refused(&stage, "url is missing");
    stage.provider_config.url = "http://192.0.2.1";
    check_refused(&stage, "in clear");
    /* Whatever the configuration made of it, and whatever its name begins with. */
    stage.provider_config.tls = TLS_NONE;
    check_refused(&stage, "in clear");
    stage.provider_config.url = "http://127.0.0.1.example.com";
    check_refused(&stage, "in clear");
    static const char *const here[] = {"http://127.1.2.3", "http://[::1]:1", "http://LOCALHOST"};
    for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++) {
        stage.provider_config.url = here[i];
        ck_assert_int_eq(provider_check(&stage.provider_config, "", NULL, NULL, &err), RESULT_OK);
    }
    stage.provider_config.url = "https://192.0.2.1";
    check_refused(&stage, "provider's url is http://");
    stage.provider_config.url = "http://127.0.0.1";
    stage_template(&stage, "request: { url = \"http://192.0.2.1/\" }\n" ANSWER);
    check_refused(&stage, "in clear");
    stage.provider_config.template_file = "/nonexistent/t.conf";
    ck_assert_int_ne(provider_check(&stage.provider_config, "", NULL, NULL, &err), RESULT_OK);
    ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/t.conf"));
    stage_end(&stage);
}
END_TEST

/* ---- those that are shipped ---- */

struct shipped {
    const char *file;
    const char *settings[4][2];
    bool service; /* not prospecting */
    bool report;
    int64_t validity;
    const char *text;
    const char *line;
    const char *headers[5]; /* among others */
    const char *body;
    int status;
    const char *answer;
    const char *heard;
    const char *said;
};

#define TOKEN       "0123456789abcdef"
#define TWILIO_LINE "POST /2010-04-01/Accounts/user/Messages.json"
#define FORM        "Content-Type: application/x-www-form-urlencoded"
#define OVH         .settings = {{"service", "sms-ab1-1"}, {"consumer_key", "CK"}}
#define OVH_JSON(text, stop)                                                                     \
    "{\"charset\":\"UTF-8\",\"coding\":\"7bit\",\"message\":\"" text "\",\"noStopClause\":" stop \
    ",\"priority\":\"high\","                                                                    \
    "\"receivers\":[\"+33612345678\"],\"sender\":\"ACME\",\"senderForResponse\":false"

static const struct shipped shipped[] = {
    {.file = "twilio.conf",
     .text = "Hé \"you\" & 100%\n",
     .report = true,
     .line = TWILIO_LINE,
     .headers = {FORM, "Authorization: Basic dXNlcjpzZWNyZXQtMQ=="},
     .body = "To=%2B33612345678&From=ACME&Body=H%C3%A9%20%22you%22%20%26%20100%25%0A&"
             "StatusCallback=https%3A%2F%2Fgate.example.org%2Fhooks%2Ffake%2Freport",
     .status = 201,
     .answer = "{\"sid\":\"SM0123456789abcdef0123456789abcdef\",\"status\":\"queued\","
               "\"num_segments\":\"2\",\"error_code\":null}",
     .heard = "accepted SM0123456789abcdef0123456789abcdef 2",
     .said = "201"},
    {.file = "twilio.conf",
     .settings = {{"account_sid", "AC1"}, {"auth_token", "t"}, {"messaging_service", "MG1"}},
     .text = "x",
     .line = "POST /2010-04-01/Accounts/AC1/Messages.json",
     .body = "To=%2B33612345678&From=ACME&MessagingServiceSid=MG1&Body=x",
     .status = 400,
     .answer = "{\"code\":21610,\"message\":\"Attempt to send to unsubscribed recipient\","
               "\"more_info\":\"x\",\"status\":400}",
     .heard = "refused opted_out",
     .said = "400 21610 Attempt to send to unsubscribed recipient"},
    {.file = "twilio.conf",
     .text = "x",
     .line = TWILIO_LINE,
     .status = 400,
     .answer = "{\"code\":21211}",
     .heard = "refused number"},
    {.file = "twilio.conf",
     .text = "x",
     .line = TWILIO_LINE,
     .status = 429,
     .answer = "{\"code\":20429}",
     .heard = "refused later"},
    {.file = "twilio.conf",
     .text = "x",
     .line = TWILIO_LINE,
     .status = 401,
     .answer = "{\"code\":20003}",
     .heard = "refused later"},
    {.file = "twilio.conf",
     .text = "x",
     .line = TWILIO_LINE,
     .status = 400,
     .answer = "{\"code\":21602}",
     .heard = "refused for_good"},
    {.file = "twilio.conf",
     .text = "x",
     .line = TWILIO_LINE,
     .status = 503,
     .answer = "",
     .heard = "unknown"},
    {.file = "vonage.conf",
     .text = "Hello",
     .line = "POST /sms/json",
     .headers = {FORM},
     .body = "api_key=user&api_secret=secret-1&from=ACME&to=33612345678&text=Hello&type=text&"
             "status-report-req=0&client-ref=ref-1",
     .status = 200,
     .answer = "{\"message-count\":\"1\",\"messages\":[{\"to\":\"33612345678\",\"message-id\":"
               "\"0A000000ABCD\",\"status\":\"0\"}]}",
     .heard = "accepted 0A000000ABCD 1",
     .said = "200 0"},
    {.file = "vonage.conf",
     .text = "Привет",
     .report = true,
     .line = "POST /sms/json",
     .body = "api_key=user&api_secret=secret-1&from=ACME&to=33612345678&text="
             "%D0%9F%D1%80%D0%B8%D0%B2%D0%B5%D1%82&type=unicode&status-report-req=1&callback="
             "https%3A%2F%2Fgate.example.org%2Fhooks%2Ffake%2Freport&client-ref=ref-1",
     .status = 200,
     .answer = "{\"message-count\":\"1\",\"messages\":[{\"status\":\"7\",\"error-text\":\"Number "
               "barred\"}]}",
     .heard = "refused number",
     .said = "200 7 Number barred"},
    {.file = "vonage.conf",
     .text = "x",
     .line = "POST /sms/json",
     .status = 200,
     .answer = "{\"messages\":[{\"status\":\"1\"}]}",
     .heard = "refused later"},
    {.file = "vonage.conf",
     .text = "x",
     .line = "POST /sms/json",
     .status = 200,
     .answer = "{\"messages\":[{\"status\":\"4\"}]}",
     .heard = "refused later"},
    {.file = "vonage.conf",
     .text = "x",
     .line = "POST /sms/json",
     .status = 200,
     .answer = "{\"messages\":[{\"status\":\"5\"}]}",
     .heard = "unknown"},
    {.file = "vonage.conf",
     .text = "x",
     .line = "POST /sms/json",
     .status = 200,
     .answer = "{\"messages\":[{\"status\":\"15\"}]}",
     .heard = "refused for_good"},
    {.file = "ovh.conf",
     OVH,
     .text = "Soldes \"-20%\"",
     .line = "POST /sms/sms-ab1-1/jobs",
     .headers = {"X-Ovh-Application: user", "X-Ovh-Consumer: CK", "X-Ovh-Signature: $1$",
                 "Content-Type: application/json"},
     .body = OVH_JSON("Soldes \\\"-20%\\\"", "false") "}",
     .status = 200,
     .answer = "{\"totalCreditsRemoved\":1,\"invalidReceivers\":[],\"ids\":[123456789],"
               "\"validReceivers\":[\"+33612345678\"]}",
     .heard = "accepted 123456789 0",
     .said = "200"},
    {.file = "ovh.conf",
     OVH,
     .service = true,
     .validity = 90 * CLOCK_SECOND,
     .text = "Code 1",
     .line = "POST /sms/sms-ab1-1/jobs",
     .body = OVH_JSON("Code 1", "true") ",\"validityPeriod\":2}",
     .status = 200,
     .answer = "{\"totalCreditsRemoved\":0,\"invalidReceivers\":[\"+33612345678\"],\"ids\":[],"
               "\"validReceivers\":[]}",
     .heard = "refused number"},
    {.file = "ovh.conf",
     OVH,
     .text = "x",
     .line = "POST /sms/sms-ab1-1/jobs",
     .status = 403,
     .answer = "{\"class\":\"Client::Forbidden\",\"message\":\"Invalid signature\"}",
     .heard = "refused later",
     .said = "403 Client::Forbidden Invalid signature"},
    {.file = "brevo.conf",
     .settings = {{"hook_token", TOKEN}},
     .text = "Hé",
     .report = true,
     .line = "POST /v3/transactionalSMS/send",
     .headers = {"api-key: secret-1", "Accept: application/json", "Content-Type: application/json"},
     .body = "{\"sender\":\"ACME\",\"recipient\":\"33612345678\",\"content\":\"Hé\",\"type\":"
             "\"marketing\",\"unicodeEnabled\":false,\"tag\":\"ref-1\",\"webUrl\":"
             "\"https://gate.example.org/hooks/fake/report?token=" TOKEN "\"}",
     .status = 201,
     .answer = "{\"reference\":\"ab1cde\",\"messageId\":1511882900176220,\"smsCount\":2,"
               "\"usedCredits\":0.7,\"remainingCredits\":82.85}",
     .heard = "accepted 1511882900176220 2",
     .said = "201"},
    {.file = "brevo.conf",
     .service = true,
     .text = "Code 1",
     .line = "POST /v3/transactionalSMS/send",
     .body = "{\"sender\":\"ACME\",\"recipient\":\"33612345678\",\"content\":\"Code 1\",\"type\":"
             "\"transactional\",\"unicodeEnabled\":false,\"tag\":\"ref-1\"}",
     .status = 402,
     .answer = "{\"code\":\"not_enough_credits\",\"message\":\"Not enough credits\"}",
     .heard = "refused later",
     .said = "402 not_enough_credits Not enough credits"},
    {.file = "kannel.conf",
     .settings = {{"hook_token", TOKEN}},
     .text = "Hé & 😀",
     .report = true,
     .validity = 3600 * CLOCK_SECOND,
     .line = "GET /cgi-bin/sendsms?username=user&password=secret-1&from=ACME&to=%2B33612345678&"
             "text=H%C3%A9%20%26%20%F0%9F%98%80&charset=UTF-8&coding=2&validity=60&dlr-mask=19&"
             "dlr-url=https%3A%2F%2Fgate.example.org%2Fhooks%2Ffake%2Freport%3Ftoken%3D" TOKEN
             "%26id%3Dref-1%26state%3D%25d",
     .body = "",
     .status = 202,
     .answer = "0: Accepted for delivery",
     .heard = "accepted ref-1 0",
     .said = "202 0: Accepted for delivery"},
    {.file = "kannel.conf",
     .text = "Hi",
     .line = "GET /cgi-bin/sendsms?username=user&password=secret-1&from=ACME&to=%2B33612345678&"
             "text=Hi&charset=UTF-8&coding=0",
     .status = 403,
     .answer = "Authorization failed for sendsms",
     .heard = "refused later",
     .said = "403 Authorization failed for sendsms"},
    {.file = "kannel.conf",
     .text = "Hi",
     .status = 503,
     .answer = "Temporal failure, try again later.",
     .heard = "none"},
    {.file = "kannel.conf",
     .text = "Hi",
     .status = 202,
     .answer = "3: Queued for later delivery",
     .heard = "accepted ref-1 0"},
    {.file = "kannel.conf", .text = "Hi", .status = 202, .answer = "what?", .heard = "unknown"},
    {.file = "generic-example.conf",
     .settings = {{"account", "12/3"}, {"signing_key", "k"}},
     .report = true,
     .validity = 10 * CLOCK_SECOND,
     .text = "Hi",
     .line = "POST /v2/accounts/12%2F3/messages?dry_run=false",
     .headers = {"Authorization: Bearer secret-1", "Accept: application/json",
                 "X-Signature: v1=", "Idempotency-Key: ref-1", "Content-Type: application/json"},
     .body = "{\"from\":\"ACME\",\"to\":[\"+33612345678\"],\"content\":{\"text\":\"Hi\","
             "\"unicode\":false},\"category\":\"marketing\",\"ttl\":10,\"callback\":"
             "\"https://gate.example.org/hooks/fake/report\"}",
     .status = 202,
     .answer = "{\"result\":{\"code\":\"OK\",\"messages\":[{\"id\":\"m1\",\"segments\":1}]}}",
     .heard = "accepted m1 1"},
};

START_TEST(shipped_templates)
{
    const struct shipped *row = &shipped[_i];
    struct http_stage stage;
    struct heard heard;
    struct sms_message message = stage_message();
    message.text = row->text;
    message.prospecting = !row->service;
    message.report = row->report;
    message.validity = row->validity;
    stage_begin(&stage);
    stage_shipped(&stage, row->file);
    for (size_t i = 0; i < 4 && row->settings[i][0] != NULL; i++)
        stage_setting(&stage, row->settings[i][0], row->settings[i][1]);
    stage_answer(&stage, row->status, row->answer);
    stage_serve(&stage);
    stage_send(&stage, &message, &heard);
    const struct asked *asked = &stage.asked[0];
    ck_assert_str_eq(heard_line(&heard), row->heard);
    if (row->said != NULL)
        ck_assert_str_eq(heard.text, row->said);
    if (row->line != NULL)
        ck_assert_str_eq(asked->line, row->line);
    if (row->body != NULL)
        ck_assert_str_eq(asked->body, row->body);
    for (size_t i = 0; i < 5 && row->headers[i] != NULL; i++) {
        char line[256];
        snprintf(line, sizeof(line), "\n%s", row->headers[i]);
        const char *at = strstr(asked->headers, row->headers[i]);
        ck_assert_msg(at != NULL && (at == asked->headers || at[-1] == '\n'), "%s: no %s in %s",
                      row->file, row->headers[i], asked->headers);
    }
    stage_end(&stage);
}
END_TEST

/* The signature is over what was sent, byte for byte. */
START_TEST(signatures_are_over_what_is_sent)
{
    struct http_stage stage;
    struct heard heard;
    struct sms_message message = stage_message();
    char text[8192], expected[HTTP_DIGEST_TEXT_MAX], time[32] = "";
    stage_begin(&stage);
    stage_shipped(&stage, "ovh.conf");
    stage_setting(&stage, "service", "sms-ab1-1");
    stage_setting(&stage, "consumer_key", "CK");
    stage_answer(&stage, 200, "{\"ids\":[1]}");
    stage_serve(&stage);
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "accepted 1 0");
    const char *at = strstr(stage.asked[0].headers, "X-Ovh-Timestamp: ");
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(sscanf(at, "X-Ovh-Timestamp: %30[0-9]", time), 1);
    ck_assert_int_le(llabs(atoll(time) - clock_now() / CLOCK_SECOND), 60);
    snprintf(text, sizeof(text), "secret-1+CK+POST+%s/sms/sms-ab1-1/jobs+%s+%s", stage.url,
             stage.asked[0].body, time);
    ck_assert(http_digest_text(http_algorithm("sha1"), false, NULL, text, strlen(text), expected));
    at = strstr(stage.asked[0].headers, "X-Ovh-Signature: $1$");
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(strncmp(at + strlen("X-Ovh-Signature: $1$"), expected, strlen(expected)), 0);
    stage_end(&stage);
}
END_TEST

START_TEST(bodies_written_by_hand)
{
    static const struct {
        const char *type;
        const char *body;
        const char *content_type;
        const char *out;
    } rows[] = {
        {"json", "{{\\\"t\\\":\\\"{text}\\\"}}", "application/json", "{\"t\":\"a\\\"b<&\"}"},
        {"form", "t={text}&u=1", "application/x-www-form-urlencoded", "t=a%22b%3C%26&u=1"},
        {"xml", "<t>{text}</t>", "application/xml; charset=utf-8", "<t>a&quot;b&lt;&amp;</t>"},
        {"text", "t={text}", "text/plain; charset=utf-8", "t=a\"b<&"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_stage stage;
        struct heard heard;
        struct sms_message message = stage_message();
        char template[512], type[100];
        message.text = "a\"b<&";
        stage_begin(&stage);
        snprintf(template, sizeof(template),
                 "request: { method = \"PUT\"  url = \"{url}/s\"  body = \"%s\"  body_type = "
                 "\"%s\" }\n" ANSWER,
                 rows[i].body, rows[i].type);
        snprintf(type, sizeof(type), "Content-Type: %s\n", rows[i].content_type);
        stage_template(&stage, template);
        stage_answer(&stage, 200, "");
        stage_serve(&stage);
        stage_send(&stage, &message, &heard);
        ck_assert_str_eq(heard_line(&heard), "accepted - 0");
        ck_assert_str_eq(stage.asked[0].line, "PUT /s");
        ck_assert_str_eq(stage.asked[0].body, rows[i].out);
        ck_assert_ptr_nonnull(strstr(stage.asked[0].headers, type));
        stage_end(&stage);
    }
}
END_TEST

Suite *http_template_suite(void)
{
    Suite *suite = suite_create("templates");
    TCase *cases = tcase_create("templates");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_loop_test(cases, mistakes_have_their_line, 0, sizeof(mistakes) / sizeof(mistakes[0]));
    tcase_add_test(cases, what_the_provider_lacks_is_named);
    tcase_add_loop_test(cases, shipped_templates, 0, sizeof(shipped) / sizeof(shipped[0]));
    tcase_add_test(cases, signatures_are_over_what_is_sent);
    tcase_add_test(cases, bodies_written_by_hand);
    suite_add_tcase(suite, cases);
    return suite;
}
