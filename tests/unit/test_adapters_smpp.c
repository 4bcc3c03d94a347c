/* SPDX-License-Identifier: Apache-2.0 */
/* The SMPP client in good days: what it says for each kind of message, and what it hears. */
#include "base/str.h"
#include "tests/unit/test_adapters_smsc.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define X10  "0123456789"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static struct smpp_stage stage;

static void check_span(struct smpp_span span, const void *bytes, size_t length)
{
    ck_assert_uint_eq(span.length, length);
    ck_assert_mem_eq(span.data, bytes, length);
}

/* ---- out ---- */

START_TEST(one_message)
{
    struct sent sent;
    struct smpp_message message;
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    ck_assert_uint_eq(link->bound, SMPP_BIND_TRANSCEIVER);
    ck_assert_str_eq(stage.smsc.last.system_id, "gate");
    ck_assert_str_eq(stage.smsc.last.password, "secret");
    ck_assert_str_eq(stage.smsc.last.system_type, "vma");
    ck_assert_uint_eq(stage.smsc.last.version, 0x34);

    const struct sms_message said = {.reference = "ref",
                                     .sender = "+33700000000",
                                     .sender_ton = SMPP_TON_INTERNATIONAL,
                                     .sender_npi = SMPP_NPI_E164,
                                     .to = "+33612345678",
                                     .text = "Soldes \xc3\xa0 -10 \xe2\x82\xac",
                                     .report = true,
                                     .validity = 2 * CLOCK_DAY + 1};
    send_message(&stage, 0, &sent, &said);
    struct pdu *pdu = smsc_expect_submit(&stage, link, &message);
    ck_assert_str_eq(message.source.text, "33700000000");
    ck_assert_uint_eq(message.source.ton, SMPP_TON_INTERNATIONAL);
    ck_assert_uint_eq(message.source.npi, SMPP_NPI_E164);
    ck_assert_str_eq(message.destination.text, "33612345678");
    ck_assert_uint_eq(message.destination.ton, SMPP_TON_INTERNATIONAL);
    ck_assert_uint_eq(message.destination.npi, SMPP_NPI_E164);
    ck_assert_uint_eq(message.registered, 1);
    ck_assert_uint_eq(message.data_coding, 0);
    ck_assert_uint_eq(message.esm_class, 0);
    ck_assert_str_eq(message.schedule, "");
    ck_assert_str_eq(message.validity, "000002000001000R");
    check_span(message.text, "Soldes \x7f -10 \x1b\x65", 15);
    ck_assert_uint_eq(message.tlvs.length, 0);
    ck_assert_uint_eq(sent.answers, 0);
    smsc_answer(link, pdu, SMPP_ROK, "abc123");
    free(pdu);
    WAIT_UNTIL(&stage, sent.answers > 0);
    ck_assert_int_eq(sent.outcome, OUTCOME_ACCEPTED);
    ck_assert_str_eq(sent.id, "abc123");
    ck_assert_uint_eq(sent.parts, 1);
    struct provider_state state;
    provider_state(stage.provider, &state);
    ck_assert_uint_eq(state.accepted, 1);
    ck_assert_uint_eq(state.connections, 1);
    ck_assert_uint_eq(state.limit, 1);
    ck_assert_uint_eq(state.busy, 0);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(answers_out_of_order)
{
    struct sent sent[4];
    struct pdu *pdus[4];
    struct provider_state state;
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    for (int i = 0; i < 4; i++)
        send_text(&stage, &sent[i], "hello");
    for (int i = 0; i < 4; i++)
        pdus[i] = smsc_expect(&stage, link, SMPP_SUBMIT_SM);
    provider_state(stage.provider, &state);
    ck_assert_uint_eq(state.busy, 1);
    static const int order[] = {2, 0, 3, 1};
    for (int i = 0; i < 4; i++) {
        char id[8];
        snprintf(id, sizeof(id), "id%d", order[i]);
        smsc_answer(link, pdus[order[i]], SMPP_ROK, id);
        WAIT_UNTIL(&stage, sent[order[i]].answers == 1);
        ck_assert_str_eq(sent[order[i]].id, id);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_eq(sent[i].answers, 1);
        free(pdus[i]);
    }
    smpp_stage_end(&stage);
}
END_TEST

static const struct {
    uint32_t status;
    enum sms_refusal refusal;
    const char *text;
    bool nack;
    bool body;
} refusals[] = {
    {SMPP_RINVDSTADR, SMS_REFUSED_NUMBER, "ESME_RINVDSTADR (0x0000000b)", false, false},
    {SMPP_RSUBMITFAIL, SMS_REFUSED_FOR_GOOD, "ESME_RSUBMITFAIL (0x00000045)", false, false},
    {SMPP_RSUBMITFAIL, SMS_REFUSED_FOR_GOOD, "ESME_RSUBMITFAIL (0x00000045)", false, true},
    {SMPP_RTHROTTLED, SMS_REFUSED_FOR_NOW, "ESME_RTHROTTLED (0x00000058)", false, false},
    {SMPP_RMSGQFUL, SMS_REFUSED_FOR_NOW, "ESME_RMSGQFUL (0x00000014)", false, true},
    {SMPP_RSYSERR, SMS_REFUSED_FOR_NOW, "ESME_RSYSERR (0x00000008)", false, false},
    {SMPP_RX_T_APPN, SMS_REFUSED_FOR_NOW, "ESME_RX_T_APPN (0x00000064)", false, false},
    {0x444, SMS_REFUSED_FOR_GOOD, "reserved (0x00000444)", false, false},
    {SMPP_RINVCMDLEN, SMS_REFUSED_FOR_GOOD, "ESME_RINVCMDLEN (0x00000002)", true, false},
    {SMPP_RSYSERR, SMS_REFUSED_FOR_NOW, "ESME_RSYSERR (0x00000008)", true, false},
};

START_TEST(refused)
{
    struct sent sent;
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    uint32_t status = refusals[_i].status;
    send_text(&stage, &sent, "hello");
    struct pdu *pdu = smsc_expect(&stage, link, SMPP_SUBMIT_SM);
    uint8_t bytes[32];
    size_t length = smpp_header_write(bytes, sizeof(bytes), SMPP_RESP(SMPP_SUBMIT_SM), status,
                                      pdu->header.sequence);
    if (refusals[_i].nack)
        smsc_header(link, (uint32_t)SMPP_GENERIC_NACK, status, pdu->header.sequence);
    else if (refusals[_i].body) {
        bytes[3] = 18; /* "x" and its NUL */
        bytes[length++] = 'x';
        bytes[length++] = '\0';
        smsc_say(link, bytes, length);
    } else
        smsc_say(link, bytes, length);
    free(pdu);
    WAIT_UNTIL(&stage, sent.answers > 0);
    ck_assert_int_eq(sent.outcome, OUTCOME_REFUSED);
    ck_assert_int_eq(sent.refusal, refusals[_i].refusal);
    ck_assert_uint_eq(sent.status, status);
    ck_assert_str_eq(sent.text, refusals[_i].text);
    ck_assert_str_eq(sent.id, "");
    /* The bind goes on. */
    send_text(&stage, &sent, "again");
    smsc_serve_one(&stage, link, SMPP_ROK, "2");
    WAIT_UNTIL(&stage, sent.answers > 0);
    ck_assert_int_eq(sent.outcome, OUTCOME_ACCEPTED);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(raw_as_it_came)
{
    static const uint8_t body[] = {5, 0, 3, 9, 2, 1, 0, 0xff, 'x', 0x80};
    static const uint8_t tlvs[] = {0x14, 0x01, 0, 2,    0xde, 0xad, 0x02, 0x0e,
                                   0,    1,    7, 0x14, 0x01, 0,    0};
    const struct sms_raw raw = {.esm_class = 0x43,
                                .protocol_id = 0x7f,
                                .priority = 2,
                                .registered = 0x1e,
                                .data_coding = 0xf5,
                                .default_message = 9,
                                .service_type = "CMT",
                                .schedule = "990101000000000R",
                                .validity = "000000010000000R",
                                .body = {body, sizeof(body)},
                                .tlvs = {tlvs, sizeof(tlvs)}};
    struct sent sent[2];
    struct smpp_message message;
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_raw(&stage, &sent[0], &raw, true);
    send_raw(&stage, &sent[1], &raw, false);
    for (int i = 0; i < 2; i++) {
        struct pdu *pdu = smsc_expect_submit(&stage, link, &message);
        ck_assert_str_eq(message.service_type, "CMT");
        ck_assert_uint_eq(message.source.ton, SMPP_TON_NETWORK);
        ck_assert_str_eq(message.source.text, "36105");
        ck_assert_str_eq(message.destination.text, "33612345678");
        ck_assert_uint_eq(message.esm_class, 0x43);
        ck_assert_uint_eq(message.protocol_id, 0x7f);
        ck_assert_uint_eq(message.priority, 2);
        ck_assert_uint_eq(message.data_coding, 0xf5);
        ck_assert_uint_eq(message.default_message, 9);
        ck_assert_str_eq(message.schedule, ""); /* judged for now */
        ck_assert_str_eq(message.validity, "000000010000000R");
        ck_assert_uint_eq(message.registered, i == 0 ? 0x1e : 0x0c);
        check_span(message.text, body, sizeof(body));
        check_span(message.tlvs, tlvs, sizeof(tlvs));
        smsc_answer(link, pdu, SMPP_ROK, "1");
        free(pdu);
        WAIT_UNTIL(&stage, sent[i].answers > 0);
        ck_assert_uint_eq(sent[i].parts, 1);
    }
    smpp_stage_end(&stage);
}
END_TEST

/* Asked for as payload, and too long for anything else; the partner's TLVs stay in front. */
START_TEST(raw_payload)
{
    static const uint8_t tlvs[] = {0x14, 0x01, 0, 1, 0xaa};
    static uint8_t body[40000];
    static const size_t lengths[] = {10, 254, 255, sizeof(body)};
    size_t length = lengths[_i];
    struct sent sent;
    struct smpp_message message;
    struct smpp_span payload;
    memset(body, 'y', sizeof(body));
    const struct sms_raw raw = {
        .body = {body, length}, .payload = length == 10, .tlvs = {tlvs, sizeof(tlvs)}};
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_raw(&stage, &sent, &raw, true);
    struct pdu *pdu = smsc_expect_submit(&stage, link, &message);
    ck_assert_mem_eq(message.tlvs.data, tlvs, sizeof(tlvs));
    ck_assert_uint_eq(message.registered, 1);
    if (length == 254) {
        check_span(message.text, body, length);
        ck_assert_uint_eq(message.tlvs.length, sizeof(tlvs));
    } else {
        ck_assert_uint_eq(message.text.length, 0);
        ck_assert(smpp_tlv_find(message.tlvs, SMPP_TAG_MESSAGE_PAYLOAD, &payload));
        check_span(payload, body, length);
    }
    smsc_answer(link, pdu, SMPP_ROK, "1");
    free(pdu);
    WAIT_UNTIL(&stage, sent.answers > 0);
    ck_assert_uint_eq(sent.parts, length == 254 ? 1 : 0);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(cannot_be_said)
{
    static const uint8_t tlvs[] = {0x14, 0x01, 0, 1, 0xaa};
    static uint8_t body[SMPP_PDU_MAX - 10];
    const struct sms_raw raw = {.body = {body, sizeof(body)}, .tlvs = {tlvs, sizeof(tlvs)}};
    const struct sms_message nowhere = {
        .reference = "", .sender = "ACME", .to = "0612345678", .text = "x"};
    const struct sms_message named = {.reference = "",
                                      .sender = "a sender id of more than twenty",
                                      .to = "+33612345678",
                                      .text = "x"};
    struct sent sent[4];
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_raw(&stage, &sent[0], &raw, true);
    send_text(&stage, &sent[1], "\xff not UTF-8");
    send_message(&stage, 0, &sent[2], &nowhere);
    send_message(&stage, 0, &sent[3], &named);
    for (int i = 0; i < 4; i++) {
        WAIT_UNTIL(&stage, sent[i].answers > 0);
        ck_assert_int_eq(sent[i].outcome, OUTCOME_REFUSED);
        ck_assert_uint_ne(sent[i].status, 0);
    }
    ck_assert_int_eq(sent[2].refusal, SMS_REFUSED_NUMBER);
    ck_assert_uint_eq(link->n_pdus, 0);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(long_text_as_payload)
{
    struct sent sent;
    struct smpp_message message;
    struct smpp_span payload;
    smpp_stage_begin(&stage);
    stage.provider_config.alphabet = SMS_ALPHABET_GSM;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_text(&stage, &sent, X100 X100);
    struct pdu *pdu = smsc_expect_submit(&stage, link, &message);
    ck_assert_uint_eq(message.text.length, 0);
    ck_assert_uint_eq(message.esm_class, 0);
    ck_assert(smpp_tlv_find(message.tlvs, SMPP_TAG_MESSAGE_PAYLOAD, &payload));
    check_span(payload, X100 X100, 200);
    smsc_answer(link, pdu, SMPP_ROK, "1");
    free(pdu);
    WAIT_UNTIL(&stage, sent.answers > 0);
    ck_assert_uint_eq(sent.parts, 2);
    ck_assert_str_eq(sent.id, "1");
    smpp_stage_end(&stage);
}
END_TEST

/* In turn, each after the former was taken, with one reference. */
START_TEST(long_text_in_segments)
{
    struct sent sent;
    struct smpp_message message;
    char whole[400] = "";
    uint8_t reference = 0;
    smpp_stage_begin(&stage);
    stage.provider_config.long_messages = LONG_SEGMENTS;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_text(&stage, &sent, X100 X100 X100 X10);
    for (unsigned i = 1; i <= 3; i++) {
        struct pdu *pdu = smsc_expect_submit(&stage, link, &message);
        smpp_stage_idle(&stage, 5 * MILLISECONDS);
        ck_assert_uint_eq(link->n_pdus, 0);
        const uint8_t *header = message.text.data;
        ck_assert_uint_eq(message.esm_class, SMPP_ESM_UDHI);
        ck_assert_mem_eq(header, "\5\0\3", 3);
        reference = i == 1 ? header[3] : reference;
        ck_assert_uint_eq(header[3], reference);
        ck_assert_uint_eq(header[4], 3);
        ck_assert_uint_eq(header[5], i);
        strncat(whole, (const char *)header + 6, message.text.length - 6);
        smsc_answer(link, pdu, SMPP_ROK, i == 1 ? "first" : "other");
        free(pdu);
    }
    WAIT_UNTIL(&stage, sent.answers > 0);
    ck_assert_str_eq(whole, X100 X100 X100 X10);
    ck_assert_int_eq(sent.outcome, OUTCOME_ACCEPTED);
    ck_assert_str_eq(sent.id, "first");
    ck_assert_uint_eq(sent.parts, 3);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(segment_refused)
{
    struct sent sent;
    smpp_stage_begin(&stage);
    stage.provider_config.long_messages = LONG_SEGMENTS;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    for (int taken = 0; taken < 3; taken++) {
        send_text(&stage, &sent, X100 X100 X100 X10);
        for (int i = 0; i < taken; i++)
            smsc_serve_one(&stage, link, SMPP_ROK, "1");
        smsc_serve_one(&stage, link, SMPP_RSUBMITFAIL, "");
        WAIT_UNTIL(&stage, sent.answers > 0);
        char text[100];
        snprintf(text, sizeof(text),
                 "%d of 3 parts were taken; then: ESME_RSUBMITFAIL (0x00000045)", taken);
        ck_assert_int_eq(sent.outcome, taken == 0 ? OUTCOME_REFUSED : OUTCOME_UNKNOWN);
        ck_assert_str_eq(sent.text, taken == 0 ? "ESME_RSUBMITFAIL (0x00000045)" : text);
    }
    smpp_stage_idle(&stage, 5 * MILLISECONDS);
    ck_assert_uint_eq(link->n_pdus, 0);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(window)
{
    struct sent sent[5];
    smpp_stage_begin(&stage);
    stage.provider_config.window = 2;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    for (int i = 0; i < 5; i++)
        send_text(&stage, &sent[i], "hello");
    WAIT_UNTIL(&stage, link->n_pdus == 2);
    smpp_stage_idle(&stage, 20 * MILLISECONDS);
    ck_assert_uint_eq(link->n_pdus, 2);
    for (int i = 0; i < 5; i++) {
        smsc_serve_one(&stage, link, SMPP_ROK, "1");
        ck_assert_uint_le(link->n_pdus, 2);
    }
    for (int i = 0; i < 5; i++)
        WAIT_UNTIL(&stage, sent[i].answers == 1);
    smpp_stage_end(&stage);
}
END_TEST

/* Twenty a second, after what fits a tenth of one. */
START_TEST(rate)
{
    struct sent sent[8];
    smpp_stage_begin(&stage);
    stage.provider_config.rate = 20;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    int64_t begun = clock_monotonic();
    for (int i = 0; i < 8; i++)
        send_text(&stage, &sent[i], "hello");
    for (int i = 0; i < 8; i++)
        smsc_serve_one(&stage, link, SMPP_ROK, "1");
    ck_assert_int_ge(clock_monotonic() - begun, 240 * MILLISECONDS);
    for (int i = 0; i < 8; i++) {
        WAIT_UNTIL(&stage, sent[i].answers == 1);
        ck_assert_int_eq(sent[i].outcome, OUTCOME_ACCEPTED);
    }
    smpp_stage_end(&stage);
}
END_TEST

/* A loop without a bind sends over another's, and is answered on its own. */
START_TEST(another_loops_bind)
{
    struct sent sent[2];
    const struct sms_message message = {
        .reference = "", .sender = "ACME", .to = "+33612345678", .text = "hello"};
    smpp_stage_begin(&stage);
    stage.n_loops = 2;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_message(&stage, 1, &sent[0], &message);
    send_message(&stage, 0, &sent[1], &message);
    smsc_serve_one(&stage, link, SMPP_ROK, "1");
    smsc_serve_one(&stage, link, SMPP_RINVDSTADR, "");
    WAIT_UNTIL(&stage, sent[0].answers == 1 && sent[1].answers == 1);
    ck_assert_int_ne(sent[0].outcome, sent[1].outcome);
    smpp_stage_end(&stage);
}
END_TEST

/* What waits on a loop goes to the other as soon as that has room. */
START_TEST(moves_to_room)
{
    struct sent sent[4];
    smpp_stage_begin(&stage);
    stage.n_loops = 2;
    stage.provider_config.connections = 2;
    stage.provider_config.window = 1;
    smpp_stage_serve(&stage);
    (void)smsc_bound(&stage, 2);
    struct smsc_link *links = stage.smsc.links;
    for (int i = 0; i < 4; i++)
        send_text(&stage, &sent[i], "hello"); /* all on loop 0 */
    WAIT_UNTIL(&stage, links[0].n_pdus == 1 && links[1].n_pdus == 1);
    for (int i = 0; i < 3; i++)
        smsc_serve_one(&stage, &links[1], SMPP_ROK, "1"); /* one bind serves all but one */
    smsc_serve_one(&stage, &links[0], SMPP_ROK, "1");
    for (int i = 0; i < 4; i++) {
        WAIT_UNTIL(&stage, sent[i].answers == 1);
        ck_assert_int_eq(sent[i].outcome, OUTCOME_ACCEPTED);
    }
    smpp_stage_end(&stage);
}
END_TEST

static unsigned count_bound(uint32_t command)
{
    unsigned n = 0;
    for (unsigned i = 0; i < stage.smsc.n_links; i++)
        n += stage.smsc.links[i].bound == command ? 1 : 0;
    return n;
}

START_TEST(kinds_of_binds)
{
    static const struct {
        enum smpp_bind_kind kind;
        bool no_sink;
        unsigned transceivers, transmitters, receivers;
    } rows[] = {
        {SMPP_BINDS_TRANSCEIVER, false, 3, 0, 0}, {SMPP_BINDS_TRANSCEIVER, true, 0, 3, 0},
        {SMPP_BINDS_SEPARATE, false, 0, 3, 1},    {SMPP_BINDS_SEPARATE, true, 0, 3, 0},
        {SMPP_BINDS_TRANSMITTER, false, 0, 3, 0},
    };
    struct provider_state state;
    smpp_stage_begin(&stage);
    stage.n_loops = 2;
    stage.provider_config.connections = 3;
    stage.provider_config.binds = rows[_i].kind;
    stage.no_sink = rows[_i].no_sink;
    smpp_stage_serve(&stage);
    unsigned all = rows[_i].transceivers + rows[_i].transmitters + rows[_i].receivers;
    (void)smsc_bound(&stage, all);
    smpp_stage_idle(&stage, 10 * MILLISECONDS);
    ck_assert_uint_eq(stage.smsc.n_binds, all);
    ck_assert_uint_eq(count_bound(SMPP_BIND_TRANSCEIVER), rows[_i].transceivers);
    ck_assert_uint_eq(count_bound(SMPP_BIND_TRANSMITTER), rows[_i].transmitters);
    ck_assert_uint_eq(count_bound(SMPP_BIND_RECEIVER), rows[_i].receivers);
    provider_state(stage.provider, &state);
    ck_assert_uint_eq(state.connections, all);
    ck_assert_uint_eq(state.limit, all);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(over_tls)
{
    struct sent sent;
    smpp_stage_begin(&stage);
    stage.provider_config.tls = TLS_IMPLICIT;
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    send_text(&stage, &sent, "hello");
    smsc_serve_one(&stage, link, SMPP_ROK, "1");
    WAIT_UNTIL(&stage, sent.answers > 0);
    ck_assert_int_eq(sent.outcome, OUTCOME_ACCEPTED);
    /* What was out when it is lost may have been taken. */
    send_text(&stage, &sent, "hello");
    free(smsc_expect(&stage, link, SMPP_SUBMIT_SM));
    smsc_hang_up(link);
    WAIT_UNTIL(&stage, sent.answers > 0);
    ck_assert_int_eq(sent.outcome, OUTCOME_UNKNOWN);
    smpp_stage_end(&stage);
}
END_TEST

START_TEST(certificate_not_trusted)
{
    struct provider_state state = {0};
    smpp_stage_begin(&stage);
    stage.provider_config.tls = TLS_IMPLICIT;
    stage.provider_config.tls_verify = true;
    smpp_stage_serve(&stage);
    while (state.attempts_failed == 0) {
        smpp_stage_turn(&stage);
        provider_state(stage.provider, &state);
    }
    ck_assert_ptr_nonnull(strstr(state.last_error, "certificate"));
    ck_assert_uint_eq(stage.smsc.n_binds, 0); /* the password stayed here */
    smpp_stage_end(&stage);
}
END_TEST

/* At the end it says unbind. */
START_TEST(says_unbind)
{
    smpp_stage_begin(&stage);
    smpp_stage_serve(&stage);
    struct smsc_link *link = smsc_bound(&stage, 1);
    struct provider *provider = stage.provider;
    provider_unref(&provider);
    free(smsc_expect(&stage, link, SMPP_UNBIND));
    WAIT_UNTIL(&stage, link->left);
    stage.provider = NULL;
    smpp_stage_end(&stage);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smpp");
    TCase *cases = tcase_create("smpp");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_test(cases, one_message);
    tcase_add_test(cases, answers_out_of_order);
    tcase_add_loop_test(cases, refused, 0, sizeof(refusals) / sizeof(refusals[0]));
    tcase_add_test(cases, raw_as_it_came);
    tcase_add_loop_test(cases, raw_payload, 0, 4);
    tcase_add_test(cases, cannot_be_said);
    tcase_add_test(cases, long_text_as_payload);
    tcase_add_test(cases, long_text_in_segments);
    tcase_add_test(cases, segment_refused);
    tcase_add_test(cases, window);
    tcase_add_test(cases, rate);
    tcase_add_test(cases, another_loops_bind);
    tcase_add_test(cases, moves_to_room);
    tcase_add_loop_test(cases, kinds_of_binds, 0, 5);
    tcase_add_test(cases, over_tls);
    tcase_add_test(cases, certificate_not_trusted);
    tcase_add_test(cases, says_unbind);
    suite_add_tcase(suite, cases);
    Suite *suites[] = {suite, NULL};
    return unit_run(suites);
}
