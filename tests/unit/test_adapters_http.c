/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP adapter on the wire: what becomes of a message, whatever the server does. */
#include "tests/unit/test_adapters_fake.h"
#include "tests/unit/test_adapters_http_parts.h"
#include "tests/unit/test_adapters_http_stage.h"
#include "tests/unit/unit.h"

#include <event2/http.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- what the provider may answer ---- */

static const struct row {
    const char *name;
    struct scripted scripted;
    const char *heard;
    const char *text; /* it begins so; NULL: not looked at */
} rows[] = {
    {"accepted",
     {.status = 200, .body = "{\"code\":0,\"id\":\"m-1\",\"parts\":2}"},
     "accepted m-1 2",
     "200 0"},
    {"numbers as texts",
     {.status = 200, .body = "{\"code\":\"0\",\"id\":12345678901,\"parts\":\"1\"}"},
     "accepted 12345678901 1",
     NULL},
    {"without an id", {.status = 200, .body = "{\"code\":0}"}, "accepted - 0", NULL},
    {"an id that is none",
     {.status = 200, .body = "{\"code\":0,\"id\":\"a b\",\"parts\":-1}"},
     "accepted - 0",
     NULL},
    {"an id too long",
     {.status = 200,
      .body = "{\"code\":0,\"id\":\"01234567890123456789012345678901234567890123456789012345678901"
              "2345\",\"parts\":256}"},
     "accepted - 0",
     NULL},
    {"opted out",
     {.status = 400, .body = "{\"code\":7,\"error\":\"she said STOP\"}"},
     "refused opted_out",
     "400 7 she said STOP"},
    {"number", {.status = 400, .body = "{\"code\":8}"}, "refused number", "400 8"},
    {"later", {.status = 200, .body = "{\"code\":9}"}, "refused later", "200 9"},
    {"for good", {.status = 500, .body = "{\"code\":10}"}, "refused for_good", "500 10"},
    {"not taken", {.status = 503, .body = "{}"}, "none", "503"},
    {"not taken, without a body", {.status = 503}, "none", "503"},
    {"a code no rule knows", {.status = 200, .body = "{\"code\":99}"}, "unknown", "200 99"},
    {"garbage", {.status = 200, .body = "<html>hm</html>"}, "unknown", "200"},
    {"half of it", {.status = 200, .body = "{\"code\":0,\"id\":"}, "unknown", "200"},
    {"the same key twice", {.status = 200, .body = "{\"code\":1,\"code\":0}"}, "unknown", "200"},
    {"nothing", {.status = 200}, "unknown", "200"},
    {"too long an answer",
     {.status = 200, .body = "{\"code\":0,\"id\":\"m\",\"x\":\"", .filler = (size_t)70 * 1024},
     "unknown",
     "200"},
    {"too long a refusal", {.status = 400, .filler = (size_t)70 * 1024}, "refused for_good", "400"},
    {"status 201", {.status = 201, .body = "{\"code\":0}"}, "unknown", NULL},
    {"status 400", {.status = 400, .body = "{}"}, "refused for_good", NULL},
    {"status 401", {.status = 401, .body = "{}"}, "refused later", NULL},
    {"status 403", {.status = 403, .body = "{}"}, "refused later", NULL},
    {"status 404", {.status = 404, .body = "{}"}, "refused for_good", NULL},
    {"status 429", {.status = 429, .body = "{}"}, "refused later", NULL},
    {"status 500", {.status = 500, .body = "{}"}, "unknown", NULL},
    {"status 502", {.status = 502, .body = "bad gateway"}, "unknown", NULL},
    {"a redirect",
     {.status = 302, .header = "Location", .value = "http://127.0.0.1:1/elsewhere"},
     "unknown",
     "302"},
    {"a redirect that says nothing was done",
     {.status = 308, .header = "Location", .value = "/elsewhere"},
     "refused later",
     "308"},
    {"no answer", {.deed = DEED_CLOSE}, "unknown", "provider fake: "},
    {"our secret in the answer",
     {.status = 400, .body = "{\"code\":8,\"error\":\"key secret-1 says: Hello & bye\\u000a!\"}"},
     "refused number",
     "400 8 key ******** says: *********** !"},
};

START_TEST(answers_are_the_templates)
{
    const struct row *row = &rows[_i];
    struct http_stage stage;
    struct heard heard;
    struct sms_message message = stage_message();
    stage_begin(&stage);
    stage_template(&stage, HTTP_PLAIN);
    stage_script(&stage, row->scripted);
    stage_serve(&stage);
    stage_send(&stage, &message, &heard);
    ck_assert_msg(strcmp(heard_line(&heard), row->heard) == 0, "%s: %s, not %s (%s)", row->name,
                  heard_line(&heard), row->heard, heard.text);
    ck_assert_msg(row->text == NULL || strncmp(heard.text, row->text, strlen(row->text)) == 0,
                  "%s: said \"%s\"", row->name, heard.text);
    ck_assert_ptr_null(strstr(heard.text, "secret-1"));
    ck_assert_uint_eq(stage.n_asked, 1);
    ck_assert_str_eq(stage.asked[0].line, "POST /send");
    ck_assert_str_eq(stage.asked[0].body, "{\"to\":\"+33612345678\",\"text\":\"Hello & bye\"}");
    stage_end(&stage);
}
END_TEST

/* Of who we are, and of what the person would have read, no piece is kept. */
START_TEST(what_is_repeated_is_hidden)
{
    struct http_stage stage;
    struct heard heard;
    struct sms_message message = stage_message();
    message.text = "Votre code est 4711-0815, \xc3\xa9t\xc3\xa9 comme hiver";
    stage_begin(&stage);
    stage.provider_config.username = "login-77";
    stage_template(&stage, HTTP_PLAIN);
    stage_answer(
        &stage, 400,
        "{\"code\":8,\"error\":\"login-77: 'code est 4711-0815, \xc3\xa9t' is bad, 'code est' "
        "is not\"}");
    stage_serve(&stage);
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard.text,
                     "400 8 ********: '***********************' is bad, 'code est' is not");
    stage_end(&stage);
}
END_TEST

/* ---- connections ---- */

START_TEST(connections_are_kept_and_nothing_is_sent_twice)
{
    struct http_stage stage;
    struct heard heard;
    struct sms_message message = stage_message();
    stage_begin(&stage);
    stage_template(&stage, HTTP_PLAIN);
    stage_answer(&stage, 200, "{\"code\":0,\"id\":\"a\"}");
    stage_answer(&stage, 200, "{\"code\":0,\"id\":\"b\"}");
    stage_script(&stage, (struct scripted){.deed = DEED_CLOSE});
    stage_answer(&stage, 200, "{\"code\":0,\"id\":\"d\"}");
    stage_serve(&stage);
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "accepted a 0");
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "accepted b 0");
    ck_assert_str_eq(stage.asked[0].peer, stage.asked[1].peer);
    /* A kept connection on which no answer comes: libcurl would send it again on a new one. */
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "unknown");
    ck_assert_uint_eq(stage.n_asked, 3);
    ck_assert_str_eq(stage.asked[2].peer, stage.asked[0].peer);
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "accepted d 0");
    ck_assert_str_ne(stage.asked[3].peer, stage.asked[0].peer);
    stage_end(&stage);
}
END_TEST

/* The same with a GET, which libcurl thinks even less of repeating. */
START_TEST(a_get_is_not_sent_twice)
{
    struct http_stage stage;
    struct heard heard;
    struct sms_message message = stage_message();
    stage_begin(&stage);
    stage_template(&stage, "request: { method = \"GET\"  url = \"{url}/s\" query: { t = \"{text}\" "
                           "} }\nanswer: { format = \"text\" accepted: { status = [ 200 ] } }\n");
    stage_answer(&stage, 200, "ok");
    stage_script(&stage, (struct scripted){.deed = DEED_CLOSE});
    stage_serve(&stage);
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "accepted - 0");
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "unknown");
    ck_assert_uint_eq(stage.n_asked, 2);
    ck_assert_str_eq(stage.asked[1].line, "GET /s?t=Hello%20%26%20bye");
    stage_end(&stage);
}
END_TEST

START_TEST(a_silence_is_unknown)
{
    struct http_stage stage;
    struct heard heard;
    struct sms_message message = stage_message();
    stage_begin(&stage);
    stage_template(&stage, HTTP_PLAIN);
    stage.provider_config.connect_timeout = 100 * MILLISECONDS;
    stage.provider_config.reply_timeout = 200 * MILLISECONDS;
    stage_script(&stage, (struct scripted){.deed = DEED_HOLD});
    stage_serve(&stage);
    int64_t begun = clock_monotonic();
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "unknown");
    ck_assert_int_ge(clock_monotonic() - begun, 200 * MILLISECONDS);
    stage_end(&stage);
}
END_TEST

/* Three silences in a row, and nobody is made to wait for the fourth. */
START_TEST(silences_open_the_breaker)
{
    struct http_stage stage;
    struct heard heard;
    struct provider_state state;
    struct sms_message message = stage_message();
    stage_begin(&stage);
    stage_template(&stage, HTTP_PLAIN);
    stage.provider_config.connect_timeout = 50 * MILLISECONDS;
    stage.provider_config.reply_timeout = 50 * MILLISECONDS;
    stage_script(&stage, (struct scripted){.deed = DEED_HOLD});
    stage_serve(&stage);
    for (int i = 0; i < BREAKER_THRESHOLD; i++) {
        stage_send(&stage, &message, &heard);
        ck_assert_str_eq(heard_line(&heard), "unknown");
    }
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "none");
    ck_assert_uint_eq(stage.n_asked, BREAKER_THRESHOLD);
    provider_state(stage.provider, &state);
    ck_assert_str_eq(state.breaker, "open");
    ck_assert_uint_eq(state.unknown, BREAKER_THRESHOLD);
    /* It comes back, and so do the messages. */
    stage.script[0] = (struct scripted){.status = 200, .body = "{\"code\":0,\"id\":\"a\"}"};
    int64_t guard = clock_monotonic() + GUARD;
    do {
        ck_assert_int_lt(clock_monotonic(), guard);
        stage_send(&stage, &message, &heard);
    } while (heard.outcome == OUTCOME_NONE);
    ck_assert_str_eq(heard_line(&heard), "accepted a 0");
    provider_state(stage.provider, &state);
    ck_assert_str_eq(state.breaker, "closed");
    stage_end(&stage);
}
END_TEST

START_TEST(nobody_there_is_none)
{
    struct http_stage stage;
    struct heard heard;
    struct provider_state state;
    struct sms_message message = stage_message();
    stage_begin(&stage);
    stage_template(&stage, HTTP_PLAIN);
    stage_answer(&stage, 200, "{}");
    stage_serve(&stage);
    evhttp_free(stage.server);
    stage.server = NULL;
    for (int i = 0; i < BREAKER_THRESHOLD; i++) {
        stage_send(&stage, &message, &heard);
        ck_assert_str_eq(heard_line(&heard), "none");
        ck_assert_ptr_nonnull(strstr(heard.text, "provider fake: "));
    }
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "none");
    ck_assert_ptr_nonnull(strstr(heard.text, "out of service"));
    provider_state(stage.provider, &state);
    ck_assert_str_eq(state.breaker, "open");
    ck_assert_uint_eq(state.failed, BREAKER_THRESHOLD + 1);
    stage_end(&stage);
}
END_TEST

/* ---- many at a time ---- */

START_TEST(connections_are_capped_over_all_loops)
{
    enum { MANY = 12 };
    struct http_stage stage;
    struct heard heard[MANY];
    struct sms_message message = stage_message();
    stage_begin(&stage);
    stage.n_loops = 2;
    stage_template(&stage, HTTP_PLAIN);
    stage.provider_config.connections = 3;
    stage_script(&stage, (struct scripted){.deed = DEED_HOLD});
    stage_serve(&stage);
    for (unsigned i = 0; i < MANY; i++)
        stage_begin_send(&stage, i % 2, &message, &heard[i]);
    for (unsigned done = 0; done < MANY;) {
        WAIT_UNTIL(&stage, stage.held_now == (MANY - done < 3 ? MANY - done : 3));
        for (int i = 0; i < 20; i++)
            stage_turn(&stage);
        ck_assert_uint_le(stage.held_now, 3);
        done += stage.held_now;
        stage_release(&stage, 200, "{\"code\":0,\"id\":\"a\"}");
    }
    for (unsigned i = 0; i < MANY; i++) {
        WAIT_UNTIL(&stage, heard[i].count == 1);
        ck_assert_str_eq(heard_line(&heard[i]), "accepted a 0");
    }
    ck_assert_uint_eq(stage.held_most, 3);
    ck_assert_uint_eq(stage.n_asked, MANY);
    stage_end(&stage);
}
END_TEST

START_TEST(who_waits_too_long_is_told_so)
{
    struct http_stage stage;
    struct heard first, second;
    struct sms_message message = stage_message();
    stage_begin(&stage);
    stage_template(&stage, HTTP_PLAIN);
    stage.provider_config.connections = 1;
    stage.provider_config.connect_timeout = 200 * MILLISECONDS;
    stage_script(&stage, (struct scripted){.deed = DEED_HOLD});
    stage_serve(&stage);
    stage_begin_send(&stage, 0, &message, &first);
    stage_begin_send(&stage, 0, &message, &second);
    WAIT_UNTIL(&stage, second.count == 1);
    ck_assert_str_eq(heard_line(&second), "none");
    ck_assert_ptr_nonnull(strstr(second.text, "busy"));
    ck_assert_uint_eq(stage.n_asked, 1);
    stage_release(&stage, 200, "{\"code\":0,\"id\":\"a\"}");
    WAIT_UNTIL(&stage, first.count == 1);
    ck_assert_str_eq(heard_line(&first), "accepted a 0");
    /* The place is free again. */
    stage_begin_send(&stage, 0, &message, &first);
    WAIT_UNTIL(&stage, stage.held_now == 1);
    stage_release(&stage, 200, "{\"code\":0,\"id\":\"b\"}");
    WAIT_UNTIL(&stage, first.count == 1);
    ck_assert_str_eq(heard_line(&first), "accepted b 0");
    stage_end(&stage);
}
END_TEST

/* The provider may be let go while a message is on its way: the answer still comes. */
START_TEST(a_provider_let_go_answers_what_runs)
{
    struct http_stage stage;
    struct heard running, waiting;
    struct sms_message message = stage_message();
    stage_begin(&stage);
    stage_template(&stage, HTTP_PLAIN);
    stage.provider_config.connections = 1;
    stage_script(&stage, (struct scripted){.deed = DEED_HOLD});
    stage_serve(&stage);
    stage_begin_send(&stage, 0, &message, &running);
    stage_begin_send(&stage, 0, &message, &waiting);
    WAIT_UNTIL(&stage, stage.held_now == 1);
    provider_unref(&stage.provider);
    stage_release(&stage, 200, "{\"code\":0,\"id\":\"a\"}");
    WAIT_UNTIL(&stage, running.count == 1 && stage.held_now == 1);
    stage_release(&stage, 200, "{\"code\":0,\"id\":\"b\"}");
    WAIT_UNTIL(&stage, waiting.count == 1);
    ck_assert_str_eq(heard_line(&running), "accepted a 0");
    ck_assert_str_eq(heard_line(&waiting), "accepted b 0");
    stage_end(&stage);
}
END_TEST

/* ---- names ---- */

/* The provider anew, now that the server's port is known. */
static void stage_restart(struct http_stage *stage, char port[16])
{
    struct error err = {.text = ""};
    provider_unref(&stage->provider);
    for (int i = 0; i < 5; i++)
        stage_turn(stage);
    snprintf(port, 16, "%u", stage->port);
    enum result result = provider_new(&stage->provider_config, &stage->config, stage->loops,
                                      stage->n_loops, &stage->provider, &err);
    ck_assert_msg(result == RESULT_OK, "%s", err.text);
}

START_TEST(a_name_is_looked_up)
{
    struct http_stage stage;
    struct heard heard;
    struct sms_message message = stage_message();
    char port[16] = "1";
    stage_begin(&stage);
    stage_template(&stage, "request: { url = \"http://localhost:{setting.port}/s\" form: { t = "
                           "\"{text}\" } }\nanswer: { accepted: { status = [ 200 ] } }\n");
    stage_answer(&stage, 200, "{}");
    /* The port is known once the server stands. */
    stage_setting(&stage, "port", port);
    stage.provider_config.url = "http://unused.example";
    stage_serve(&stage);
    stage_restart(&stage, port);
    for (int i = 0; i < 2; i++) {
        stage_send(&stage, &message, &heard);
        ck_assert_str_eq(heard_line(&heard), "accepted - 0");
        ck_assert_int_eq(strncmp(stage.asked[i].host, "localhost:", 10), 0);
    }
    ck_assert_str_eq(stage.asked[0].peer, stage.asked[1].peer);
    stage_end(&stage);
}
END_TEST

START_TEST(a_name_that_is_none_is_none)
{
    struct http_stage stage;
    struct heard heard, other;
    struct sms_message message = stage_message();
    stage_begin(&stage);
    stage_template(&stage, HTTP_PLAIN);
    stage.provider_config.url = "https://nobody.invalid";
    stage_answer(&stage, 200, "{}");
    stage_serve(&stage);
    stage_begin_send(&stage, 0, &message, &other);
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "none");
    ck_assert_ptr_nonnull(strstr(heard.text, "resolved"));
    WAIT_UNTIL(&stage, other.count == 1);
    ck_assert_str_eq(heard_line(&other), "none");
    stage_end(&stage);
}
END_TEST

/* ---- TLS ---- */

START_TEST(tls_is_verified)
{
    struct http_stage stage;
    struct heard heard;
    struct sms_message message = stage_message();
    char certificate[160], key[160];
    stage_begin_tls(&stage, certificate, key);
    stage_serve(&stage);
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "none");
    ck_assert_uint_eq(stage.n_asked, 0);
    ck_assert_ptr_nonnull(strstr(heard.text, "ertificate"));
    stage_end(&stage);
}
END_TEST

START_TEST(an_authority_can_be_named)
{
    struct http_stage stage;
    struct heard heard;
    struct provider_state state;
    struct sms_message message = stage_message();
    char certificate[160], key[160], port[16] = "1";
    stage_begin_tls(&stage, certificate, key);
    unlink(certificate);
    unlink(key);
    fake_certificate("localhost", certificate, key);
    stage_template(&stage, "request: { url = \"https://localhost:{setting.port}/s\" }\n"
                           "answer: { accepted: { status = [ 200 ] } }\n");
    stage_setting(&stage, "port", port);
    stage.provider_config.tls_ca_file = certificate;
    stage.provider_config.url = "https://unused.example";
    stage_serve(&stage);
    stage_restart(&stage, port);
    stage_send(&stage, &message, &heard);
    ck_assert_msg(strcmp(heard_line(&heard), "accepted - 0") == 0, "%s", heard.text);
    provider_state(stage.provider, &state);
    ck_assert_uint_eq(state.accepted, 1);
    stage_end(&stage);
}
END_TEST

START_TEST(tls_need_not_be_verified)
{
    struct http_stage stage;
    struct heard heard;
    struct sms_message message = stage_message();
    char certificate[160], key[160];
    stage_begin_tls(&stage, certificate, key);
    stage.provider_config.tls_verify = false;
    stage_serve(&stage);
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "accepted t 0");
    stage_end(&stage);
}
END_TEST

/* ---- messages ---- */

static void check_raw(const struct sms_raw *raw, const char *line, uint32_t status,
                      const char *body)
{
    struct http_stage stage;
    struct heard heard;
    struct sms_message message = stage_message();
    message.text = NULL;
    message.raw = raw;
    stage_begin(&stage);
    stage_template(&stage, HTTP_PLAIN);
    stage_answer(&stage, 200, "{\"code\":0,\"id\":\"r\"}");
    stage_serve(&stage);
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), line);
    ck_assert_uint_eq(heard.smpp_status, status);
    /* Another provider may: it is the form that this one has not. */
    ck_assert_int_eq(heard.cannot_carry, status == SMPP_RINVESMCLASS);
    ck_assert_uint_eq(stage.n_asked, body != NULL ? 1 : 0);
    if (body != NULL)
        ck_assert_str_eq(stage.asked[0].body, body);
    stage_end(&stage);
}

START_TEST(raw_messages)
{
    static const uint8_t gsm[] = {'H', 'i', ' ', 0x05};
    static const uint8_t ucs2[] = {0xd8, 0x3d, 0xde, 0x00};
    static const uint8_t header[] = {5, 0, 3, 1, 2, 1, 'H', 'i'};
    static const uint8_t sar[] = {0x02, 0x0e, 0, 1, 2};
    static const uint8_t alone[] = {0x02, 0x0e, 0, 1, 1};
    struct sms_raw raw = {.service_type = "", .schedule = "", .validity = ""};
    raw.body = (struct smpp_span){gsm, sizeof(gsm)};
    check_raw(&raw, "accepted r 0", 0, "{\"to\":\"+33612345678\",\"text\":\"Hi é\"}");
    raw.tlvs = (struct smpp_span){alone, sizeof(alone)};
    check_raw(&raw, "accepted r 0", 0, "{\"to\":\"+33612345678\",\"text\":\"Hi é\"}");
    raw.tlvs = (struct smpp_span){sar, sizeof(sar)};
    check_raw(&raw, "refused for_good", SMPP_RINVESMCLASS, NULL);
    raw.tlvs = (struct smpp_span){NULL, 0};
    raw.data_coding = 8;
    raw.body = (struct smpp_span){ucs2, sizeof(ucs2)};
    check_raw(&raw, "accepted r 0", 0, "{\"to\":\"+33612345678\",\"text\":\"😀\"}");
    raw.body.length--;
    check_raw(&raw, "refused for_good", SMPP_RINVESMCLASS, NULL);
    raw.data_coding = 4; /* binary */
    raw.body.length = sizeof(ucs2);
    check_raw(&raw, "refused for_good", SMPP_RINVESMCLASS, NULL);
    raw.data_coding = 0;
    raw.esm_class = SMPP_ESM_UDHI;
    raw.body = (struct smpp_span){header, sizeof(header)};
    check_raw(&raw, "refused for_good", SMPP_RINVESMCLASS, NULL);
    raw.esm_class = 0;
    raw.body = (struct smpp_span){gsm, sizeof(gsm)};
    raw.schedule = "261231235959000+";
    check_raw(&raw, "refused for_good", SMPP_RINVSCHED, NULL);
}
END_TEST

/* A sender that would be a second header never leaves. */
START_TEST(headers_cannot_be_forged)
{
    struct http_stage stage;
    struct heard heard;
    struct sms_message message = stage_message();
    message.sender = "A\r\nX-Evil: 1";
    stage_begin(&stage);
    stage_template(&stage, "request: { url = \"{url}/s\"  headers = [ \"X-From: {sender}\" ] }\n"
                           "answer: { accepted: { status = [ 200 ] } }\n");
    stage_answer(&stage, 200, "{}");
    stage_serve(&stage);
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "refused for_good");
    ck_assert_uint_eq(stage.n_asked, 0);
    message.sender = "ACME";
    stage_send(&stage, &message, &heard);
    ck_assert_str_eq(heard_line(&heard), "accepted - 0");
    ck_assert_ptr_nonnull(strstr(stage.asked[0].headers, "X-From: ACME\n"));
    ck_assert_ptr_nonnull(strstr(stage.asked[0].headers, "User-Agent: octroi\n"));
    ck_assert_ptr_null(strstr(stage.asked[0].headers, "Expect"));
    stage_end(&stage);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http");
    TCase *cases = tcase_create("wire");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_loop_test(cases, answers_are_the_templates, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(cases, what_is_repeated_is_hidden);
    tcase_add_test(cases, connections_are_kept_and_nothing_is_sent_twice);
    tcase_add_test(cases, a_get_is_not_sent_twice);
    tcase_add_test(cases, a_silence_is_unknown);
    tcase_add_test(cases, silences_open_the_breaker);
    tcase_add_test(cases, nobody_there_is_none);
    tcase_add_test(cases, connections_are_capped_over_all_loops);
    tcase_add_test(cases, who_waits_too_long_is_told_so);
    tcase_add_test(cases, a_provider_let_go_answers_what_runs);
    tcase_add_test(cases, a_name_is_looked_up);
    tcase_add_test(cases, a_name_that_is_none_is_none);
    tcase_add_test(cases, tls_is_verified);
    tcase_add_test(cases, an_authority_can_be_named);
    tcase_add_test(cases, tls_need_not_be_verified);
    tcase_add_test(cases, raw_messages);
    tcase_add_test(cases, headers_cannot_be_forged);
    suite_add_tcase(suite, cases);
    Suite *suites[] = {suite,
                       http_trial_suite(),
                       http_end_suite(),
                       http_text_suite(),
                       http_template_suite(),
                       http_hook_suite(),
                       NULL};
    return unit_run(suites);
}
