/* SPDX-License-Identifier: Apache-2.0 */
/* What providers send to us: who is believed, and what is made of it. */
#include "tests/unit/test_adapters_http_parts.h"
#include "tests/unit/test_adapters_http_stage.h"
#include "tests/unit/unit.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORM  "application/x-www-form-urlencoded"
#define JSON  "application/json"
#define TOKEN "0123456789abcdef"

/* Serves one call after the other; nothing is sent. */
static void begin_shipped(struct http_stage *stage, const char *file)
{
    stage_begin(stage);
    stage_shipped(stage, file);
    stage->provider_config.url = "https://127.0.0.1:1";
}

static void check_told(const struct http_stage *stage, unsigned index, const char *line)
{
    static const char *const kinds[] = {"message", "report", "opt_out"};
    const struct told *told = &stage->told[index];
    char text[600];
    ck_assert_uint_gt(stage->n_told, index);
    if (told->kind == SMS_INBOUND_REPORT)
        snprintf(text, sizeof(text), "report %s %s %s>%s %s", told->receipt_id,
                 receipt_state_name(told->state), told->from, told->to, told->error);
    else
        snprintf(text, sizeof(text), "%s %s>%s %s \"%s\"", kinds[told->kind], told->from, told->to,
                 told->id, told->text);
    ck_assert_str_eq(text, line);
}

/* ---- Twilio ---- */

static const char *sign_twilio(const char *key, const char *text)
{
    static char out[HTTP_DIGEST_TEXT_MAX];
    ck_assert(http_digest_text(http_algorithm("hmac-sha1"), true, key, text, strlen(text), out));
    return out;
}

START_TEST(twilio_replies)
{
    struct http_stage stage;
    static const char url[] = "https://gate.example.org/hooks/fake/inbound";
    static const char body[] = "From=%2B33612345678&To=36180&Body=STOP+%26+merci&MessageSid=SM1";
    char text[512];
    begin_shipped(&stage, "twilio.conf");
    stage_serve(&stage);
    snprintf(text, sizeof(text), "%sBodySTOP & merciFrom+33612345678MessageSidSM1To36180", url);
    stage_header(&stage, "X-Twilio-Signature", sign_twilio("secret-1", text));
    stage_call(&stage, "inbound", FORM, "", body);
    ck_assert_int_eq(stage.hooked, 200);
    ck_assert_str_eq(stage.hooked_type, "text/xml");
    ck_assert_str_eq(stage.hooked_body, "<Response/>");
    ck_assert_uint_eq(stage.n_told, 1);
    check_told(&stage, 0, "message +33612345678>36180 SM1 \"STOP & merci\"");
    /* One byte more or less, another body, another query, no signature: nobody is told. */
    stage_call(&stage, "inbound", FORM, "",
               "From=%2B33612345679&To=36180&Body=STOP&MessageSid=SM1");
    ck_assert_int_eq(stage.hooked, 401);
    stage_call(&stage, "inbound", FORM, "a=b", body);
    ck_assert_int_eq(stage.hooked, 401);
    ck_assert_uint_eq(stage.n_told, 0);
    stage.hook_headers[0][0] = NULL;
    stage_call(&stage, "inbound", FORM, "", body);
    ck_assert_int_eq(stage.hooked, 401);
    /* Not now: Twilio shall come again. */
    stage_header(&stage, "x-twilio-signature", sign_twilio("secret-1", text));
    stage.taken = SMS_TAKE_LATER;
    stage.slow_sink = true;
    stage_call(&stage, "inbound", FORM, "", body);
    ck_assert_int_eq(stage.hooked, 503);
    stage_call(&stage, "elsewhere", FORM, "", body);
    ck_assert_int_eq(stage.hooked, 401); /* as for a name that is nobody's */
    ck_assert_str_eq(stage.hooked_body, SMS_HOOK_NOT_VERIFIED);
    stage_end(&stage);
}
END_TEST

/* "Validating requests" of Twilio's documentation. */
START_TEST(twilio_documented_example)
{
    struct http_stage stage;
    begin_shipped(&stage, "twilio.conf");
    stage_setting(&stage, "auth_token", "12345");
    stage.hook.url = "https://mycompany.com/myapp.php";
    stage_serve(&stage);
    stage_header(&stage, "X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    stage_call(&stage, "inbound", FORM, "foo=1&bar=2",
               "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&"
               "From=%2B14158675309&To=%2B18005551212");
    ck_assert_int_eq(stage.hooked, 200);
    check_told(&stage, 0, "message +14158675309>+18005551212  \"\"");
    stage_end(&stage);
}
END_TEST

START_TEST(twilio_opt_outs_and_reports)
{
    struct http_stage stage;
    char text[512];
    static const char inbound[] = "https://gate.example.org/hooks/fake/inbound";
    static const char report[] = "https://gate.example.org/hooks/fake/report";
    begin_shipped(&stage, "twilio.conf");
    stage_serve(&stage);
    snprintf(text, sizeof(text), "%sBodyStopFrom+33612345678MessageSidSM2OptOutTypeSTOPTo36180",
             inbound);
    stage_header(&stage, "X-Twilio-Signature", sign_twilio("secret-1", text));
    stage_call(&stage, "inbound", FORM, "",
               "OptOutType=STOP&From=%2B33612345678&To=36180&Body=Stop&MessageSid=SM2");
    ck_assert_int_eq(stage.hooked, 200);
    ck_assert_uint_eq(stage.n_told, 1);
    check_told(&stage, 0, "opt_out +33612345678>36180 SM2 \"\"");
    stage.hook_headers[0][0] = NULL;
    snprintf(text, sizeof(text), "%sFromACMEMessageSidSM3MessageStatusdeliveredTo+33612345678",
             report);
    stage_header(&stage, "X-Twilio-Signature", sign_twilio("secret-1", text));
    stage_call(&stage, "report", FORM, "",
               "MessageSid=SM3&MessageStatus=delivered&To=%2B33612345678&From=ACME");
    ck_assert_int_eq(stage.hooked, 204);
    check_told(&stage, 0, "report SM3 DELIVRD +33612345678>ACME ");
    /* Sent, not arrived; and a word nobody knows: taken, and nobody is told. */
    static const char *const early[] = {"sent", "teleported"};
    for (size_t i = 0; i < 2; i++) {
        char body[128];
        stage.hook_headers[0][0] = NULL;
        snprintf(text, sizeof(text), "%sMessageSidSM3MessageStatus%s", report, early[i]);
        stage_header(&stage, "X-Twilio-Signature", sign_twilio("secret-1", text));
        snprintf(body, sizeof(body), "MessageSid=SM3&MessageStatus=%s", early[i]);
        stage_call(&stage, "report", FORM, "", body);
        ck_assert_int_eq(stage.hooked, 204);
        ck_assert_uint_eq(stage.n_told, 0);
    }
    /* The provider found out late that the person opted out. */
    stage.hook_headers[0][0] = NULL;
    snprintf(text, sizeof(text),
             "%sErrorCode21610MessageSidSM4MessageStatusundeliveredTo+33612345678", report);
    stage_header(&stage, "X-Twilio-Signature", sign_twilio("secret-1", text));
    stage_call(&stage, "report", FORM, "",
               "MessageSid=SM4&MessageStatus=undelivered&ErrorCode=21610&To=%2B33612345678");
    ck_assert_int_eq(stage.hooked, 204);
    ck_assert_uint_eq(stage.n_told, 2);
    check_told(&stage, 0, "opt_out +33612345678> SM4 \"\"");
    check_told(&stage, 1, "report SM4 UNDELIV +33612345678> 21610");
    stage_end(&stage);
}
END_TEST

/* ---- Vonage ---- */

static void check_vonage(const char *method, const char *keyed, bool capitals)
{
    struct http_stage stage;
    char digest[HTTP_DIGEST_TEXT_MAX], body[512], json[512];
    char text[256];
    long long now = clock_now() / CLOCK_SECOND;
    snprintf(text, sizeof(text),
             "&messageId=0A1&msisdn=33612345678&text=STOP _a_b_&timestamp=%lld&to=36180%s", now,
             keyed == NULL ? "vonage-secret" : "");
    begin_shipped(&stage, "vonage.conf");
    stage_setting(&stage, "signature_secret", "vonage-secret");
    if (method != NULL)
        stage_setting(&stage, "signature_method", method);
    stage_serve(&stage);
    ck_assert(http_digest_text(http_algorithm(method != NULL ? method : "hmac-sha256"), false,
                               keyed, text, strlen(text), digest));
    for (char *at = digest; capitals && *at != '\0'; at++)
        *at = (char)(*at >= 'a' && *at <= 'f' ? *at - 'a' + 'A' : *at);
    snprintf(body, sizeof(body),
             "msisdn=33612345678&to=36180&messageId=0A1&text=STOP+%%26a%%3Db%%26&timestamp=%lld&"
             "sig=%s",
             now, digest);
    stage_call(&stage, "inbound", FORM, "", body);
    ck_assert_int_eq(stage.hooked, 200);
    check_told(&stage, 0, "message 33612345678>36180 0A1 \"STOP &a=b&\"");
    /* The same as JSON, and as a query. */
    snprintf(json, sizeof(json),
             "{\"msisdn\":\"33612345678\",\"to\":\"36180\",\"messageId\":\"0A1\",\"text\":\"STOP "
             "&a=b&\",\"timestamp\":\"%lld\",\"sig\":\"%s\"}",
             now, digest);
    stage_call(&stage, "inbound", JSON, "", json);
    ck_assert_int_eq(stage.hooked, 200);
    stage_call(&stage, "inbound", "", body, "");
    ck_assert_int_eq(stage.hooked, 200);
    check_told(&stage, 0, "message 33612345678>36180 0A1 \"STOP &a=b&\"");
    body[8] = '4';
    stage_call(&stage, "inbound", FORM, "", body);
    ck_assert_int_eq(stage.hooked, 401);
    stage_call(&stage, "inbound", FORM, "", "msisdn=33612345678&text=STOP");
    ck_assert_int_eq(stage.hooked, 401);
    ck_assert_uint_eq(stage.n_told, 0);
    stage_end(&stage);
}

START_TEST(vonage_replies)
{
    check_vonage(NULL, "vonage-secret", false);
    check_vonage("hmac-sha512", "vonage-secret", true);
    check_vonage("hmac-md5", "vonage-secret", true);
    check_vonage("md5", NULL, false);
}
END_TEST

static int vonage_at(struct http_stage *stage, const char *time)
{
    char text[128], body[256], digest[HTTP_DIGEST_TEXT_MAX];
    snprintf(text, sizeof(text), "&msisdn=33612345678&text=STOP&timestamp=%s", time);
    ck_assert(http_digest_text(http_algorithm("hmac-sha256"), false, "vonage-secret", text,
                               strlen(text), digest));
    snprintf(body, sizeof(body), "msisdn=33612345678&text=STOP&timestamp=%s&sig=%s", time, digest);
    stage_call(stage, "inbound", FORM, "", body);
    return stage->hooked;
}

/* A call that was signed long ago is a copy; one that comes again for a day is not. */
START_TEST(vonage_times)
{
    struct http_stage stage;
    long long now = clock_now() / CLOCK_SECOND;
    const struct {
        long long time;
        int status;
    } rows[] = {{now, 200},         {now - 240, 200}, {now + 240, 200}, {now - 86000, 200},
                {now - 87000, 401}, {now + 360, 401}, {0, 401},         {now * 1000, 401}};
    char time[32];
    begin_shipped(&stage, "vonage.conf");
    stage_setting(&stage, "signature_secret", "vonage-secret");
    stage_serve(&stage);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(time, sizeof(time), "%lld", rows[i].time);
        ck_assert_msg(vonage_at(&stage, time) == rows[i].status, "row %zu: %d", i, stage.hooked);
    }
    ck_assert_int_eq(vonage_at(&stage, ""), 401);
    ck_assert_int_eq(vonage_at(&stage, "yesterday"), 401);
    stage_end(&stage);
}
END_TEST

/* Without a secret nobody can be believed. */
START_TEST(an_empty_key_verifies_nothing)
{
    struct http_stage stage;
    char digest[HTTP_DIGEST_TEXT_MAX], body[256];
    static const char text[] = "&msisdn=33612345678&text=x";
    begin_shipped(&stage, "vonage.conf");
    stage_serve(&stage);
    ck_assert(
        http_digest_text(http_algorithm("hmac-sha256"), false, "", text, strlen(text), digest));
    snprintf(body, sizeof(body), "msisdn=33612345678&text=x&sig=%s", digest);
    stage_call(&stage, "inbound", FORM, "", body);
    ck_assert_int_eq(stage.hooked, 401);
    ck_assert_uint_eq(stage.n_told, 0);
    stage_end(&stage);
}
END_TEST

/* ---- by token ---- */

START_TEST(tokens)
{
    struct http_stage stage;
    begin_shipped(&stage, "kannel.conf");
    stage_setting(&stage, "hook_token", TOKEN);
    stage_serve(&stage);
    stage_call(&stage, "inbound", "",
               "token=" TOKEN "&from=%2B33612345678&to=36180&text=h%C3%A9&id=1", "");
    ck_assert_int_eq(stage.hooked, 200);
    check_told(&stage, 0, "message +33612345678>36180 1 \"hé\"");
    /* UCS-2 as it came; what is none after all. */
    stage_call(&stage, "inbound", "",
               "token=" TOKEN "&from=1&to=36180&id=1&coding=2&text=%00T%00%e9%d8%3d%de%00", "");
    ck_assert_int_eq(stage.hooked, 200);
    check_told(&stage, 0, "message 1>36180 1 \"Té😀\"");
    stage_call(&stage, "inbound", "", "token=" TOKEN "&from=1&to=36180&id=1&coding=2&text=STO", "");
    check_told(&stage, 0, "message 1>36180 1 \"STO\"");
    stage_call(&stage, "inbound", "", "token=" TOKEN "&from=1&to=36180&id=1&coding=0&text=%00S",
               "");
    check_told(&stage, 0, "message 1>36180 1 \"S\"");
    stage_call(&stage, "report", "", "token=" TOKEN "&id=ref-1&state=1", "");
    ck_assert_int_eq(stage.hooked, 200);
    check_told(&stage, 0, "report ref-1 DELIVRD > ");
    static const char *const wrong[] = {
        "from=%2B33612345678&text=x", "token=&from=%2B33612345678&text=x",
        "token=0123456789abcdeg&from=%2B33612345678&text=x", "from=%&text=x"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        stage_call(&stage, "inbound", "", wrong[i], "");
        ck_assert_int_eq(stage.hooked, 401);
        ck_assert_uint_eq(stage.n_told, 0);
    }
    /* A token in the body is none: it would be in the provider's logs of what it sent, too. */
    stage_call(&stage, "inbound", FORM, "", "token=" TOKEN "&from=%2B33612345678&text=x");
    ck_assert_int_eq(stage.hooked, 401);
    /* Who wrote is the least that must be said. */
    stage_call(&stage, "inbound", "", "token=" TOKEN "&text=x", "");
    ck_assert_int_eq(stage.hooked, 400);
    stage_end(&stage);
    begin_shipped(&stage, "kannel.conf");
    stage_serve(&stage);
    stage_call(&stage, "inbound", "", "from=%2B33612345678&text=x", "");
    ck_assert_int_eq(stage.hooked, 401);
    stage_end(&stage);
}
END_TEST

START_TEST(brevo_events)
{
    struct http_stage stage;
    begin_shipped(&stage, "brevo.conf");
    stage_setting(&stage, "hook_token", TOKEN);
    stage_serve(&stage);
    stage_call(&stage, "report", JSON, "token=" TOKEN,
               "{\"messageId\":23,\"msg_status\":\"delivered\",\"to\":\"33612345678\"}");
    ck_assert_int_eq(stage.hooked, 200);
    check_told(&stage, 0, "report 23 DELIVRD 33612345678> ");
    stage_call(&stage, "report", JSON, "token=" TOKEN,
               "{\"messageId\":23,\"msg_status\":\"unsubscribe\",\"to\":\"33612345678\"}");
    ck_assert_int_eq(stage.hooked, 200);
    ck_assert_uint_eq(stage.n_told, 1);
    check_told(&stage, 0, "opt_out 33612345678> 23 \"\"");
    stage_call(&stage, "inbound", JSON, "token=" TOKEN,
               "{\"messageId\":24,\"msg_status\":\"replied\",\"to\":\"33612345678\",\"reply\":"
               "\"stop\"}");
    ck_assert_int_eq(stage.hooked, 200);
    check_told(&stage, 0, "message 33612345678> 24 \"stop\"");
    stage_call(&stage, "inbound", JSON, "token=" TOKEN, "{\"msg_status\":\"sent\"}");
    ck_assert_int_eq(stage.hooked, 200);
    ck_assert_uint_eq(stage.n_told, 0);
    stage_call(&stage, "inbound", JSON, "token=" TOKEN, "{\"msg_status\":");
    ck_assert_int_eq(stage.hooked, 400);
    stage_call(&stage, "inbound", JSON, "token=" TOKEN, "3");
    ck_assert_int_ne(stage.hooked, 200);
    stage_end(&stage);
}
END_TEST

/* A STOP is seen, and those beside it, in whatever bytes they come. */
START_TEST(broken_json)
{
    static const struct {
        const char *text, *read;
    } rows[] = {
        {"STOP\\u0000", "STOP"},
        {"ST\\u0000OP", "STOP"},
        {"STOP \xe9t\xe9", "STOP �t�"},
        {"STOP \x01\n", "STOP   "},
        {"STOP \\ud83d", "STOP �"},
        {"STOP \\ude00\\ud83d", "STOP ��"},
        {"\\ud83d\\ude00", "😀"},
        {"STOP \xed\xa0\xbd", "STOP ���"},
        {"\\\"\\\\u0000\\\\", "\"\\u0000\\"},
        {"\\u00e9", "é"},
    };
    struct http_stage stage;
    char body[256], line[128];
    begin_shipped(&stage, "brevo.conf");
    stage_setting(&stage, "hook_token", TOKEN);
    stage_serve(&stage);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(body, sizeof(body),
                 "{\"messageId\":24,\"msg_status\":\"replied\",\"to\":\"336\",\"reply\":\"%s\"}",
                 rows[i].text);
        snprintf(line, sizeof(line), "message 336> 24 \"%s\"", rows[i].read);
        stage_call(&stage, "inbound", JSON, "token=" TOKEN, body);
        ck_assert_msg(stage.hooked == 200, "row %zu: %d", i, stage.hooked);
        check_told(&stage, 0, line);
    }
    /* What is no JSON in any case. */
    static const char *const wrong[] = {"{\"a\":\"\\", "{\"a\":\"\\ud8", "{\"a\":\"\\x\"}", "\xff"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        stage_call(&stage, "inbound", JSON, "token=" TOKEN, wrong[i]);
        ck_assert_int_eq(stage.hooked, 400);
    }
    stage_end(&stage);
}
END_TEST

/* ---- the general ways ---- */

START_TEST(hmac_of_the_body_and_batches)
{
    struct http_stage stage;
    char digest[HTTP_DIGEST_TEXT_MAX], header[160];
    static const char body[] =
        "{\"messages\":[{\"type\":\"text\",\"sender\":\"+33612345678\",\"recipient\":\"36180\","
        "\"content\":{\"text\":\"un\"},\"id\":\"1\"},{\"type\":\"image\",\"sender\":\"x\"},"
        "{\"type\":\"text\",\"sender\":\"+33612345679\",\"recipient\":\"36180\",\"content\":{"
        "\"text\":\"deux\"},\"id\":\"2\",\"opt_out\":true}]}";
    begin_shipped(&stage, "generic-example.conf");
    stage_setting(&stage, "account", "1");
    stage_setting(&stage, "signing_key", "key");
    stage_serve(&stage);
    ck_assert(
        http_digest_text(http_algorithm("hmac-sha256"), false, "key", body, strlen(body), digest));
    snprintf(header, sizeof(header), "sha256=%s", digest);
    stage_header(&stage, "X-Example-Signature", header);
    stage_call(&stage, "inbound", JSON, "", body);
    ck_assert_int_eq(stage.hooked, 200);
    ck_assert_str_eq(stage.hooked_body, "{}");
    ck_assert_uint_eq(stage.n_told, 2);
    check_told(&stage, 0, "message +33612345678>36180 1 \"un\"");
    check_told(&stage, 1, "opt_out +33612345679>36180 2 \"\"");
    stage.slow_sink = true;
    stage_call(&stage, "inbound", JSON, "", body);
    ck_assert_int_eq(stage.hooked, 200);
    stage.taken = SMS_TAKE_LATER;
    stage_call(&stage, "inbound", JSON, "", body);
    ck_assert_int_eq(stage.hooked, 503);
    stage_call(&stage, "inbound", JSON, "", "{\"messages\":[]}");
    ck_assert_int_eq(stage.hooked, 401);
    stage.hook_headers[0][1] = digest; /* without its prefix */
    stage_call(&stage, "inbound", JSON, "", body);
    ck_assert_int_eq(stage.hooked, 401);
    stage_end(&stage);
}
END_TEST

#define OPEN_TEMPLATE                                                            \
    "request: { url = \"{url}\" }\nanswer: { accepted: { status = [ 200 ] } }\n" \
    "inbound: { from = \"f\"  text = \"t\" }\n"

START_TEST(a_secret_header)
{
    struct http_stage stage;
    stage_begin(&stage);
    stage.provider_config.url = "https://127.0.0.1:1";
    stage_template(&stage, OPEN_TEMPLATE "verification: { type = \"header\"  header = \"X-Key\"  "
                                         "prefix = \"Key \"  key = \"{password}\" }\n");
    stage_serve(&stage);
    stage_header(&stage, "X-Key", "Key secret-1");
    stage_call(&stage, "inbound", FORM, "", "f=1&t=x");
    ck_assert_int_eq(stage.hooked, 200);
    static const char *const wrong[] = {"secret-1", "Key secret-", "Key secret-12", "Key ", ""};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        stage.hook_headers[0][1] = wrong[i];
        stage_call(&stage, "inbound", FORM, "", "f=1&t=x");
        ck_assert_int_eq(stage.hooked, 401);
    }
    stage_end(&stage);
}
END_TEST

/* Of too many at a time the first are taken, and the provider hears that there were more. */
START_TEST(a_batch_that_is_too_long)
{
    struct http_stage stage;
    struct strbuf body = {0};
    stage_begin(&stage);
    stage.provider_config.url = "https://127.0.0.1:1";
    stage_template(
        &stage, "request: { url = \"{url}\" }\nanswer: { accepted: { status = [ 200 ] } }\n"
                "inbound: { each = \"m\"  from = \"f\"  text = \"t\" }\n"
                "verification: { type = \"header\"  header = \"X-Key\"  key = \"{password}\" }\n");
    stage_serve(&stage);
    stage_header(&stage, "X-Key", "secret-1");
    strbuf_add_str(&body, "{\"m\":[{\"f\":\"336\",\"t\":\"STOP\"}");
    for (int i = 1; i < 1000; i++)
        strbuf_add_str(&body, ",{\"f\":\"336\",\"t\":\"x\"}");
    size_t length = body.length;
    strbuf_add_str(&body, "]}");
    stage_call(&stage, "inbound", JSON, "", body.data);
    ck_assert_int_eq(stage.hooked, 200);
    ck_assert_uint_eq(stage.n_told, 1000);
    snprintf(body.data + length, 3, "]}");
    body.length = length;
    strbuf_add_str(&body, ",{\"f\":\"336\",\"t\":\"y\"}]}");
    stage_call(&stage, "inbound", JSON, "", body.data);
    ck_assert_int_eq(stage.hooked, 413);
    ck_assert_uint_eq(stage.n_told, 1000);
    check_told(&stage, 0, "message 336>  \"STOP\"");
    strbuf_free(&body);
    stage_end(&stage);
}
END_TEST

/* Anybody can call: he is told nothing, and the log does not fill. */
START_TEST(strangers)
{
    struct http_stage stage;
    char log[8192];
    int err = dup(STDERR_FILENO);
    FILE *file = tmpfile();
    ck_assert(err >= 0 && file != NULL);
    begin_shipped(&stage, "kannel.conf");
    stage_setting(&stage, "hook_token", TOKEN);
    stage_serve(&stage);
    log_set_level(LOG_LEVEL_WARN);
    (void)dup2(fileno(file), STDERR_FILENO);
    for (int i = 0; i < 50; i++) {
        stage_call(&stage, i % 2 ? "inbound" : "elsewhere", FORM, "", i % 3 ? "f=1" : "%");
        ck_assert_int_eq(stage.hooked, 401);
        ck_assert_str_eq(stage.hooked_body, SMS_HOOK_NOT_VERIFIED);
    }
    (void)dup2(err, STDERR_FILENO);
    close(err);
    rewind(file);
    size_t length = fread(log, 1, sizeof(log) - 1, file);
    log[length] = '\0';
    fclose(file);
    const char *first = strstr(log, "webhook refused");
    ck_assert_msg(first != NULL, "%s", log);
    /* One, or another if a minute passed meanwhile. */
    const char *second = strstr(first + 1, "webhook refused");
    ck_assert_msg(second == NULL || strstr(second + 1, "webhook refused") == NULL, "%s", log);
    stage_end(&stage);
}
END_TEST

static void add_packed(struct strbuf *out, const void *bytes, size_t length)
{
    char *text = malloc(4 * ((length + 2) / 3) + 1);
    ck_assert_ptr_nonnull(text);
    base64_encode(bytes, length, text);
    for (char *at = text; *at != '\0' && *at != '='; at++)
        strbuf_add_char(out, *at == '+' ? '-' : *at == '/' ? '_' : *at);
    free(text);
}

static const char *make_token(const char *head, const char *claims, const char *key)
{
    static char header[2048];
    struct strbuf token = {0};
    uint8_t digest[HTTP_DIGEST_MAX];
    add_packed(&token, head, strlen(head));
    strbuf_add_char(&token, '.');
    add_packed(&token, claims, strlen(claims));
    size_t size = http_digest(http_algorithm("hmac-sha256"), key, token.data, token.length, digest);
    strbuf_add_char(&token, '.');
    add_packed(&token, digest, size);
    snprintf(header, sizeof(header), "Bearer %s", token.data);
    strbuf_free(&token);
    return header;
}

START_TEST(a_signed_token)
{
    struct http_stage stage;
    static const char body[] = "{\"f\":\"33612345678\",\"t\":\"stop\"}";
    static const char hs256[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    char hash[HTTP_DIGEST_TEXT_MAX], good[256], old[256], early[256], other[256];
    long long now = clock_now() / CLOCK_SECOND;
    ck_assert(http_digest_text(http_algorithm("sha256"), false, NULL, body, strlen(body), hash));
    snprintf(good, sizeof(good), "{\"iat\":%lld,\"exp\":%lld,\"payload_hash\":\"%s\"}", now,
             now + 60, hash);
    snprintf(old, sizeof(old), "{\"exp\":%lld,\"payload_hash\":\"%s\"}", now - 3600, hash);
    snprintf(early, sizeof(early), "{\"nbf\":%lld,\"payload_hash\":\"%s\"}", now + 3600, hash);
    hash[0] = hash[0] == 'a' ? 'b' : 'a';
    snprintf(other, sizeof(other), "{\"payload_hash\":\"%s\"}", hash);
    const struct {
        const char *head, *claims, *key;
        int status;
    } rows[] = {
        {hs256, good, "secret-1", 200},
        {hs256, good, "secret-2", 401},
        {hs256, old, "secret-1", 401},
        {hs256, early, "secret-1", 401},
        {hs256, other, "secret-1", 401},
        {hs256, "{}", "secret-1", 401},
        {hs256, "not json", "secret-1", 401},
        {"{\"alg\":\"none\"}", good, "secret-1", 401},
        {"{\"alg\":\"HS512\"}", good, "secret-1", 401},
        {"{}", good, "secret-1", 401},
    };
    stage_begin(&stage);
    stage.provider_config.url = "https://127.0.0.1:1";
    stage_template(&stage,
                   OPEN_TEMPLATE "verification: { type = \"jwt\"  key = \"{password}\" }\n");
    stage_serve(&stage);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        stage.hook_headers[0][0] = NULL;
        stage_header(&stage, "Authorization",
                     make_token(rows[i].head, rows[i].claims, rows[i].key));
        stage_call(&stage, "inbound", JSON, "", body);
        ck_assert_msg(stage.hooked == rows[i].status, "row %zu: %d", i, stage.hooked);
    }
    static const char *const wrong[] = {"",          "Bearer ",      "Bearer a.b", "Bearer a.b.c.d",
                                        "Bearer ..", "Bearer =.=.=", "Basic a.b.c"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        stage.hook_headers[0][1] = wrong[i];
        stage_call(&stage, "inbound", JSON, "", body);
        ck_assert_int_eq(stage.hooked, 401);
    }
    stage_end(&stage);
}
END_TEST

Suite *http_hook_suite(void)
{
    Suite *suite = suite_create("hooks");
    TCase *cases = tcase_create("hooks");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_test(cases, twilio_replies);
    tcase_add_test(cases, twilio_documented_example);
    tcase_add_test(cases, twilio_opt_outs_and_reports);
    tcase_add_test(cases, vonage_replies);
    tcase_add_test(cases, vonage_times);
    tcase_add_test(cases, an_empty_key_verifies_nothing);
    tcase_add_test(cases, tokens);
    tcase_add_test(cases, brevo_events);
    tcase_add_test(cases, broken_json);
    tcase_add_test(cases, hmac_of_the_body_and_batches);
    tcase_add_test(cases, a_batch_that_is_too_long);
    tcase_add_test(cases, strangers);
    tcase_add_test(cases, a_secret_header);
    tcase_add_test(cases, a_signed_token);
    suite_add_tcase(suite, cases);
    return suite;
}
