/* SPDX-License-Identifier: Apache-2.0 */
/* What an SMPP provider sends by itself, the test of a provider, and the trial provider for SMS. */
#include "base/file.h"
#include "base/str.h"
#include "tests/unit/test_adapters_smsc.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct smpp_stage stage;

/* ---- in ---- */

static void deliver(struct smsc_link *link, uint32_t command, uint32_t sequence,
                    const struct smpp_message *message)
{
    static uint8_t bytes[SMPP_PDU_MAX];
    size_t length = smpp_message_write(bytes, sizeof(bytes), command, sequence, message);
    ck_assert_uint_gt(length, 0);
    smsc_say(link, bytes, length);
}

static struct smpp_message text_message(const char *text)
{
    return (struct smpp_message){
        .source = {.ton = 1, .npi = 1, .text = "33612345678"},
        .destination = {.ton = 3, .text = "36105"},
        .text = {.data = (const uint8_t *)text, .length = strlen(text)},
    };
}

static void expect_answer(struct smsc_link *link, uint32_t command, uint32_t sequence,
                          uint32_t status)
{
    struct pdu *pdu = smsc_expect(&stage, link, SMPP_RESP(command));
    ck_assert_uint_eq(pdu->header.sequence, sequence);
    ck_assert_uint_eq(pdu->header.status, status);
    ck_assert_uint_eq(pdu->length, status == SMPP_ROK ? 1 : 0);
    free(pdu);
}

START_TEST(a_person_writes)
{
    static const uint32_t commands[] = {SMPP_DELIVER_SM, SMPP_DATA_SM};
    struct smpp_message message = text_message("STOP \x05t\x05");
    uint8_t tlvs[100];
    size_t length = 0;
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    if (commands[_i] == SMPP_DATA_SM) {
        ck_assert(smpp_tlv_write(tlvs, sizeof(tlvs), &length, SMPP_TAG_MESSAGE_PAYLOAD,
                                 message.text.data, message.text.length));
        message.text = (struct smpp_span){0};
        message.tlvs = (struct smpp_span){tlvs, length};
    }
    deliver(link, commands[_i], 41, &message);
    expect_answer(link, commands[_i], 41, SMPP_ROK);
    ck_assert_uint_eq(stage.sink_log.n, 1);
    ck_assert_int_eq(stage.sink_log.kind, SMS_INBOUND_MESSAGE);
    ck_assert_str_eq(stage.sink_log.from, "33612345678");
    ck_assert_str_eq(stage.sink_log.to, "36105");
    ck_assert_str_eq(stage.sink_log.text, "STOP \xc3\xa9t\xc3\xa9");
    ck_assert(stage.sink_log.as_was);
    stage.sink_log.later = true;
    deliver(link, commands[_i], 42, &message);
    expect_answer(link, commands[_i], 42, SMPP_RSYSERR);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(forms_of_text)
{
    static const struct {
        uint8_t esm_class, data_coding;
        const char *bytes;
        size_t length;
        const char *text;
    } rows[] = {
        {0x40, 0, "\5\0\3\7\2\1STOP", 10, "STOP"},
        {0, 8, "\0S\0T\0O\0P", 8, "STOP"},
        {0, 8, "\0S\0T\0O\0P\0", 9, "STOP"},            /* half a unit too many */
        {0, 8, "\0S\0T\0O\0P\0 \xd8\x3d", 12, "STOP "}, /* half a pair */
        {0, 8, "\0S\0T\0O\0P\xd8\x3d\xdc", 11, "STOP"},
        {0, 4, "STOP\r\n", 6, "STOP\r\n"}, /* binary, as it says */
        {0x40, 0xf4, "\5\0\3\7\2\1STOP", 10, "STOP"},
        {0, 4, "STOP\x80", 5, ""},
        {0, 4, "\1\2\3", 3, ""},
        {0, 8, "\xd8\x00", 2, ""},
        {0, 0, "", 0, ""},
        {0x40, 0, "\xff", 1, NULL},
    };
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct smpp_message message = text_message("");
        message.esm_class = rows[i].esm_class;
        message.data_coding = rows[i].data_coding;
        message.text = (struct smpp_span){(const uint8_t *)rows[i].bytes, rows[i].length};
        deliver(link, SMPP_DELIVER_SM, i + 1, &message);
        expect_answer(link, SMPP_DELIVER_SM, i + 1, SMPP_ROK);
        if (rows[i].text != NULL)
            ck_assert_str_eq(stage.sink_log.text, rows[i].text);
    }
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(reports)
{
    struct smpp_message message =
        text_message("id:00ABC sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 "
                     "stat:DELIVRD err:000 text:");
    uint8_t tlvs[100];
    size_t length = 0;
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    message.esm_class = SMPP_ESM_REPORT;
    deliver(link, SMPP_DELIVER_SM, 1, &message);
    expect_answer(link, SMPP_DELIVER_SM, 1, SMPP_ROK);
    ck_assert_int_eq(stage.sink_log.kind, SMS_INBOUND_REPORT);
    ck_assert_str_eq(stage.sink_log.id, "00ABC");
    ck_assert_int_eq(stage.sink_log.state, RECEIPT_DELIVERED);
    ck_assert(!stage.sink_log.as_was);
    /* In TLVs alone, and esm_class says nothing. */
    message = text_message("");
    ck_assert(smpp_tlv_write(tlvs, sizeof(tlvs), &length, SMPP_TAG_RECEIPTED_MESSAGE_ID, "x7", 3));
    ck_assert(smpp_tlv_write(tlvs, sizeof(tlvs), &length, SMPP_TAG_MESSAGE_STATE, "\5", 1));
    message.tlvs = (struct smpp_span){tlvs, length};
    deliver(link, SMPP_DELIVER_SM, 2, &message);
    expect_answer(link, SMPP_DELIVER_SM, 2, SMPP_ROK);
    ck_assert_str_eq(stage.sink_log.id, "x7");
    ck_assert_int_eq(stage.sink_log.state, RECEIPT_UNDELIVERABLE);
    /* A report of nothing. */
    message = text_message("hello");
    message.esm_class = SMPP_ESM_REPORT;
    deliver(link, SMPP_DELIVER_SM, 3, &message);
    expect_answer(link, SMPP_DELIVER_SM, 3, SMPP_RX_R_APPN);
    ck_assert_uint_eq(stage.sink_log.n, 2);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(malformed_inbound)
{
    static const uint8_t cut[] = {0, 0, 0, 19, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9, 'a', 'b', 'c'};
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    smsc_say(link, cut, sizeof(cut));
    expect_answer(link, SMPP_DELIVER_SM, 9, SMPP_RINVCMDLEN);
    struct smpp_message message = text_message("both");
    const uint8_t tlvs[] = {0x04, 0x24, 0, 1, 'x'};
    message.tlvs = (struct smpp_span){tlvs, sizeof(tlvs)};
    deliver(link, SMPP_DELIVER_SM, 10, &message);
    expect_answer(link, SMPP_DELIVER_SM, 10, SMPP_RINVMSGLEN);
    ck_assert_uint_eq(stage.sink_log.n, 0);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(without_sink)
{
    const struct smpp_message message = text_message("hello");
    smpp_stage_begin(&stage);
    stage.no_sink = true;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    deliver(link, SMPP_DELIVER_SM, 1, &message);
    expect_answer(link, SMPP_DELIVER_SM, 1, SMPP_RINVBNDSTS);
    smpp_stage_end(&stage);
}
END_TEST

/* The sink answers later, in any order, some after the connection has gone. */
START_TEST(answered_later)
{
    const struct smpp_message message = text_message("hello");
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    stage.sink_log.keep = true;
    struct smsc_link *link = smsc_bound(&stage, 1);
    for (uint32_t i = 1; i <= 3; i++)
        deliver(link, SMPP_DELIVER_SM, i, &message);
    WAIT_UNTIL(&stage, stage.sink_log.n_kept == 3);
    sink_answer(&stage, 1, SMS_TAKEN);
    expect_answer(link, SMPP_DELIVER_SM, 2, SMPP_ROK);
    smsc_hang_up(link);
    link = smsc_bound(&stage, 1);
    sink_answer(&stage, 0, SMS_TAKEN);
    /* The last one outlives the gate's hold on the provider. */
    provider_unref(&stage.provider);
    smpp_stage_idle(&stage, 10 * MILLISECONDS);
    ck_assert_uint_eq(link->n_pdus, 0);
    sink_answer(&stage, 0, SMS_TAKE_LATER);
    free(smsc_expect(&stage, link, SMPP_UNBIND));
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(too_many_inbound)
{
    const struct smpp_message message = text_message("hello");
    enum { MAX = 1000 };
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    stage.sink_log.keep = true;
    struct smsc_link *link = smsc_bound(&stage, 1);
    for (uint32_t i = 1; i <= MAX; i++) {
        deliver(link, SMPP_DELIVER_SM, i, &message);
        smpp_stage_turn(&stage);
    }
    WAIT_UNTIL(&stage, stage.sink_log.n_kept == MAX);
    ck_assert_uint_eq(link->n_pdus, 0);
    deliver(link, SMPP_DELIVER_SM, MAX + 1, &message);
    expect_answer(link, SMPP_DELIVER_SM, MAX + 1, SMPP_RMSGQFUL);
    sink_answer(&stage, 0, SMS_TAKEN);
    expect_answer(link, SMPP_DELIVER_SM, 1, SMPP_ROK);
    while (stage.sink_log.n_kept > 0)
        sink_answer(&stage, 0, SMS_TAKEN);
    smpp_stage_end(&stage);
}
END_TEST

/* ---- the test of a provider ---- */

struct findings {
    char text[4000];
    bool over;
    bool works;
};

static void on_finding(void *arg, const struct provider_finding *finding)
{
    struct findings *findings = arg;
    size_t at = strlen(findings->text);
    ck_assert(!findings->over);
    if (finding->step == NULL) {
        findings->over = true;
        findings->works = finding->ok;
        return;
    }
    snprintf(findings->text + at, sizeof(findings->text) - at, "%s%s %s: %s\n", at > 0 ? "" : "",
             finding->step, finding->ok ? "ok" : "failed", finding->detail);
}

/* A provider made for the test alone, in place of the stage's. */
static void try_provider(struct findings *findings)
{
    struct error err;
    *findings = (struct findings){.text = ""};
    provider_unref(&stage.provider);
    smpp_stage_idle(&stage, 10 * MILLISECONDS);
    ck_assert_int_eq(provider_new_for_test(&stage.provider_config, &stage.config, stage.loops[0],
                                           &stage.provider, &err),
                     RESULT_OK);
    provider_test(stage.provider, stage.loops[0], on_finding, findings);
    ck_assert(!findings->over);
    WAIT_UNTIL(&stage, findings->over);
}

START_TEST(trial_works)
{
    struct findings findings;
    char expected[600];
    static const char *const bind = "; the SMSC is \"smsc\", and it speaks SMPP 3.4\n";
    smpp_stage_begin(&stage);
    stage.provider_config.binds = _i == 0 ? SMPP_BINDS_TRANSCEIVER : SMPP_BINDS_SEPARATE;
    stage.smsc.answers_links = true;
    smpp_stage_serve(&stage);
    try_provider(&findings);
    size_t at = 0;
    static const char *const kinds[2][2] = {{"bind_transceiver", NULL},
                                            {"bind_transmitter", "bind_receiver"}};
    for (int k = 0; k < 2 && kinds[_i][k] != NULL; k++)
        at += (size_t)snprintf(expected + at, sizeof(expected) - at,
                               "resolve ok: 127.0.0.1\nconnect ok: 127.0.0.1 port %u\n"
                               "bind ok: %s%senquire ok: \nunbind ok: \n",
                               stage.smsc.port, kinds[_i][k], bind);
    ck_assert_str_eq(findings.text, expected);
    ck_assert(findings.works);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(trial_of_a_wrong_password)
{
    struct findings findings;
    smpp_stage_begin(&stage);
    stage.smsc.bind_status = SMPP_RINVPASWD;
    smpp_stage_serve(&stage);
    try_provider(&findings);
    ck_assert(!findings.works);
    ck_assert_ptr_nonnull(strstr(
        findings.text, "bind failed: provider fake: it refused bind_transceiver: ESME_RINVPASWD"));
    ck_assert_ptr_null(strstr(findings.text, "secret"));
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(trial_over_tls)
{
    struct findings findings;
    smpp_stage_begin(&stage);
    stage.provider_config.tls = TLS_IMPLICIT;
    stage.provider_config.tls_verify = _i == 1;
    stage.smsc.answers_links = true;
    smpp_stage_serve(&stage);
    try_provider(&findings);
    ck_assert(findings.works == (_i == 0));
    ck_assert_ptr_nonnull(strstr(findings.text, _i == 0 ? "tls ok: TLSv1.3" : "tls failed: "));
    ck_assert_ptr_nonnull(strstr(findings.text, "certificate of CN=smsc.example.org"));
    if (_i == 0)
        ck_assert_ptr_nonnull(strstr(findings.text, "NOT verified"));
    smpp_stage_end(&stage);
}
END_TEST

/* It binds, and then says nothing. */
START_TEST(trial_of_a_mute)
{
    struct findings findings;
    smpp_stage_begin(&stage);
    stage.provider_config.reply_timeout = 200 * MILLISECONDS;
    smpp_stage_serve(&stage);
    try_provider(&findings);
    ck_assert(!findings.works);
    ck_assert_ptr_nonnull(strstr(findings.text, "enquire failed: provider fake: no answer"));
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(trial_of_nobody)
{
    struct findings findings;
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    close(stage.smsc.listener);
    stage.smsc.listener = -1;
    try_provider(&findings);
    ck_assert(!findings.works);
    ck_assert_ptr_nonnull(strstr(findings.text, "connect failed: provider fake: cannot connect"));
    smpp_stage_end(&stage);
}
END_TEST

/* ---- the trial provider ---- */

static json_t *captured(const char *id)
{
    char path[300];
    json_error_t problem;
    snprintf(path, sizeof(path), "%s/captured/sms/%s.json", stage.folder, id);
    json_t *object = json_load_file(path, 0, &problem);
    ck_assert_msg(object != NULL, "%s: %s", path, problem.text);
    unlink(path);
    return object;
}

static void check_text(const json_t *object, const char *key, const char *expected)
{
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(value != NULL, "no %s", key);
    if (expected == NULL)
        ck_assert(json_is_null(value));
    else
        ck_assert_str_eq(json_string_value(value), expected);
}

static void remove_folder(const char *name)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/captured/%s", stage.folder, name);
    ck_assert_int_eq(rmdir(path), 0);
}

START_TEST(captures)
{
    static const uint8_t body[] = {5, 0, 3, 1, 2, 1, 'S', 'T', 'O', 'P'};
    static const uint8_t binary[] = {0xde, 0xad};
    const struct sms_raw raws[] = {
        {.esm_class = 0x40, .body = {body, sizeof(body)}},
        {.data_coding = 4, .body = {binary, sizeof(binary)}},
    };
    struct sent sent[4];
    char directory[120];
    smpp_stage_begin(&stage);
    snprintf(directory, sizeof(directory), "%s/captured", stage.folder);
    stage.provider_config.adapter = ADAPTER_CAPTURE;
    stage.provider_config.directory = directory;
    smpp_stage_serve(&stage);
    send_text(&stage, &sent[0], "Soldes \xc3\xa0 -10 \xe2\x82\xac");
    send_text(&stage, &sent[1], "\xce\xb1");
    send_raw(&stage, &sent[2], &raws[0], true);
    send_raw(&stage, &sent[3], &raws[1], false);
    static const struct {
        const char *text, *hex, *sender;
        int data_coding;
    } rows[] = {{"Soldes \xc3\xa0 -10 \xe2\x82\xac", NULL, "ACME", 0},
                {"\xce\xb1", NULL, "ACME", 8},
                {"STOP", "05000301020153544f50", "36105", 0},
                {NULL, "dead", "36105", 4}};
    for (int i = 0; i < 4; i++) {
        WAIT_UNTIL(&stage, sent[i].answers > 0);
        ck_assert_int_eq(sent[i].outcome, OUTCOME_ACCEPTED);
        json_t *object = captured(sent[i].id);
        check_text(object, "to", "+33612345678");
        check_text(object, "sender", rows[i].sender);
        check_text(object, "reference", "ref");
        check_text(object, "text", rows[i].text);
        check_text(object, "body_hex", rows[i].hex);
        ck_assert_int_eq(json_integer_value(json_object_get(object, "data_coding")),
                         rows[i].data_coding);
        ck_assert_int_eq(json_is_true(json_object_get(object, "report")), i == 2);
        ck_assert_uint_gt(strlen(json_string_value(json_object_get(object, "at"))), 20);
        json_decref(object);
    }
    remove_folder("sms");
    /* It is gone, and so is the place of the folder: nothing is taken. */
    provider_unref(&stage.provider);
    smpp_stage_idle(&stage, 10 * MILLISECONDS);
    remove_folder("tmp");
    remove_folder("new");
    remove_folder("cur");
    remove_folder("");
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(capture_cannot_write)
{
    struct sent sent;
    char directory[120], path[160];
    struct error err;
    smpp_stage_begin(&stage);
    snprintf(directory, sizeof(directory), "%s/captured", stage.folder);
    snprintf(path, sizeof(path), "%s/sms", directory);
    stage.provider_config.adapter = ADAPTER_CAPTURE;
    stage.provider_config.directory = directory;
    smpp_stage_serve(&stage);
    ck_assert_int_eq(file_create(path, 0600, "x", 1, &err),
                     RESULT_OK); /* where a folder should be */
    send_text(&stage, &sent, "hello");
    WAIT_UNTIL(&stage, sent.answers > 0);
    ck_assert_int_eq(sent.outcome, OUTCOME_NONE);
    ck_assert_str_eq(sent.id, "");
    unlink(path);
    provider_unref(&stage.provider);
    smpp_stage_idle(&stage, 10 * MILLISECONDS);
    remove_folder("tmp");
    remove_folder("new");
    remove_folder("cur");
    remove_folder("");
    smpp_stage_end(&stage);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        forms_of_text,   reports,          malformed_inbound,         without_sink,
        answered_later,  too_many_inbound, trial_of_a_wrong_password, trial_of_a_mute,
        trial_of_nobody, captures,         capture_cannot_write,      NULL};
    Suite *suite = unit_suite("smpp inbound", tests);
    TCase *tables = tcase_create("tables");
    tcase_set_timeout(tables, UNIT_SECONDS);
    tcase_add_loop_test(tables, a_person_writes, 0, 2);
    tcase_add_loop_test(tables, trial_works, 0, 2);
    tcase_add_loop_test(tables, trial_over_tls, 0, 2);
    suite_add_tcase(suite, tables);
    Suite *suites[] = {suite, NULL};
    return unit_run(suites);
}
