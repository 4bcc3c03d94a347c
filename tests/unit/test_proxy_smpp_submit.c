/* SPDX-License-Identifier: Apache-2.0 */
/* Submissions, and what is refused without asking anybody. */
#include "tests/unit/test_proxy_smpp_parts.h"

#include <stdio.h>
#include <string.h>

START_TEST(carries_what_was_said)
{
    static const uint8_t vendor[] = {0x14, 0x02, 0, 3, 1, 2, 3, 0x02, 0x0c, 0, 2, 0, 9};
    struct client client;
    struct smpp_message message = plain_message("33612345678");
    bound(&client, SMPP_BIND_TRANSMITTER);
    str_copy(message.service_type, sizeof(message.service_type), "CMT");
    message.esm_class = 0x40;
    message.protocol_id = 1;
    message.priority = 2;
    message.registered = 1;
    message.data_coding = 8;
    str_copy(message.validity, sizeof(message.validity), "000001020304000R");
    message.tlvs = (struct smpp_span){vendor, sizeof(vendor)};
    say_message(&client, SMPP_SUBMIT_SM, 2, &message);
    expect_silence(&client);
    ck_assert_uint_eq(stage.n_staged, 1);
    const struct staged *staged = &stage.staged[0];
    ck_assert_str_eq(staged->account, "acme-lan");
    ck_assert_str_eq(staged->sender, "ACME");
    ck_assert_uint_eq(staged->sender_ton, SMPP_TON_ALPHANUMERIC);
    ck_assert_str_eq(staged->to, "33612345678");
    ck_assert(staged->to_international && staged->report && !staged->scheduled && !staged->payload);
    ck_assert_str_eq(staged->service_type, "CMT");
    ck_assert_uint_eq(staged->esm_class, 0x40);
    ck_assert_uint_eq(staged->protocol_id, 1);
    ck_assert_uint_eq(staged->priority, 2);
    ck_assert_uint_eq(staged->registered, 1);
    ck_assert_uint_eq(staged->data_coding, 8);
    ck_assert_uint_eq(staged->default_message, 0);
    ck_assert_str_eq(staged->period, "000001020304000R");
    ck_assert_int_eq(staged->validity, CLOCK_DAY + (2 * 3600 + 3 * 60 + 4) * CLOCK_SECOND);
    ck_assert_uint_eq(staged->body_length, 5);
    ck_assert_mem_eq(staged->body, "Hello", 5);
    ck_assert_uint_eq(staged->tlvs_length, sizeof(vendor));
    ck_assert_mem_eq(staged->tlvs, vendor, sizeof(vendor));
    stage_reply(0, SMS_END_ACCEPTED, 0);
    stage_turn(&client);
    expect_id(&client, SMPP_SUBMIT_SM, 2, staged->ref);
    /* National, later, without a report. */
    message = plain_message("0612345678");
    message.destination.ton = SMPP_TON_NATIONAL;
    message.registered = 0x0c; /* the person's own acknowledgements are not the SMSC's report */
    str_copy(message.schedule, sizeof(message.schedule), "300101000000000+");
    say_message(&client, SMPP_SUBMIT_SM, 3, &message);
    staged = &stage.staged[1];
    ck_assert(!staged->to_international && !staged->report && staged->scheduled);
    ck_assert_str_eq(staged->schedule, "300101000000000+");
    ck_assert_int_eq(staged->validity, 0);
    stage_reply(1, SMS_END_BAD_SCHEDULE, 0);
    stage_turn(&client);
    expect(&client, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_RINVSCHED, 3);
    client_free(&client);
    expect_nobody();
}
END_TEST

/* message_payload among two other TLVs, wherever it stands. */
START_TEST(payload_goes_apart)
{
    static const uint8_t a[] = {0x14, 0x01, 0, 1, 'a'}, b[] = {0x14, 0x02, 0, 2, 'b', 'b'};
    static const uint8_t payload[] = {0x04, 0x24, 0, 4, 'T', 'e', 'x', 't'};
    uint8_t tlvs[64], rest[64];
    size_t length = 0, others = 0;
    struct client client;
    struct smpp_message message = plain_message("33612345678");
    stage.at_once = true;
    for (int i = 0; i < 3; i++) {
        const uint8_t *piece = i == _i ? payload : i == (_i + 1) % 3 ? a : b;
        size_t size = piece == payload ? sizeof(payload) : piece == a ? sizeof(a) : sizeof(b);
        memcpy(tlvs + length, piece, size);
        length += size;
        if (piece == payload)
            continue;
        memcpy(rest + others, piece, size);
        others += size;
    }
    bound(&client, SMPP_BIND_TRANSCEIVER);
    message.text.length = 0;
    message.tlvs = (struct smpp_span){tlvs, length};
    for (uint32_t sequence = 2; sequence < 4; sequence++) {
        uint32_t command = sequence == 2 ? SMPP_SUBMIT_SM : SMPP_DATA_SM;
        say_message(&client, command, sequence, &message);
        const struct staged *staged = &stage.staged[sequence - 2];
        expect_id(&client, command, sequence, staged->ref);
        ck_assert(staged->payload);
        ck_assert_uint_eq(staged->body_length, 4);
        ck_assert_mem_eq(staged->body, "Text", 4);
        ck_assert_uint_eq(staged->tlvs_length, others);
        ck_assert_mem_eq(staged->tlvs, rest, others);
    }
    client_free(&client);
}
END_TEST

static const struct {
    enum sms_end end;
    uint32_t provider, status;
} ends[] = {
    {SMS_END_BLOCKED, 0, SMPP_RSUBMITFAIL},
    {SMS_END_DEFERRED, 0, SMPP_RSYSERR},
    {SMS_END_UNABLE, 0, SMPP_RSYSERR},
    {SMS_END_OVER_RATE, 0, SMPP_RTHROTTLED},
    {SMS_END_BAD_NUMBER, 0, SMPP_RINVDSTADR},
    {SMS_END_BAD_SCHEDULE, 0, SMPP_RINVSCHED},
    {SMS_END_REFUSED, 0xc4, 0xc4},
    {SMS_END_REFUSED, 0, SMPP_RSUBMITFAIL},
    {SMS_END_BUSY, SMPP_RTHROTTLED, SMPP_RTHROTTLED},
    {SMS_END_LOST, 0, SMPP_RSYSERR},
};

START_TEST(refusals_are_bare_headers)
{
    struct client client;
    stage.at_once = true;
    stage.end = ends[_i].end;
    stage.status = ends[_i].provider;
    bound(&client, SMPP_BIND_TRANSMITTER);
    say_submit(&client, 2, "33612345678");
    expect(&client, SMPP_RESP(SMPP_SUBMIT_SM), ends[_i].status, 2);
    expect_silence(&client);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(a_block_in_the_partners_words)
{
    struct client client;
    client_connect(&client, "plain", "192.0.2.30");
    say_bind(&client, SMPP_BIND_TRANSMITTER, 1, "beta-lan", "");
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSMITTER), SMPP_ROK, 1);
    stage.at_once = true;
    stage.end = SMS_END_BLOCKED;
    say_submit(&client, 2, "33612345678");
    expect(&client, SMPP_RESP(SMPP_SUBMIT_SM), 0x0b, 2); /* smpp_refusal = 11 */
    client_free(&client);
}
END_TEST

START_TEST(replies_in_any_order)
{
    struct client client;
    bound(&client, SMPP_BIND_TRANSMITTER);
    for (uint32_t i = 0; i < 5; i++)
        say_submit(&client, 0xfffffff0 + i, "33612345678"); /* whatever numbers it takes */
    expect_silence(&client);
    static const size_t order[] = {3, 0, 4, 2, 1};
    for (size_t i = 0; i < 5; i++) {
        stage_reply(order[i], i == 2 ? SMS_END_BLOCKED : SMS_END_ACCEPTED, 0);
        stage_turn(&client);
        if (i == 2)
            expect(&client, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_RSUBMITFAIL, 0xfffffff0 + 4);
        else
            expect_id(&client, SMPP_SUBMIT_SM, 0xfffffff0 + (uint32_t)order[i],
                      stage.staged[order[i]].ref);
    }
    client_free(&client);
    expect_nobody();
}
END_TEST

/* ---- the window ---- */

START_TEST(window_is_the_accounts)
{
    struct client one, two;
    bound(&one, SMPP_BIND_TRANSMITTER);
    bound(&two, SMPP_BIND_TRANSCEIVER);
    for (uint32_t i = 0; i < 3; i++)
        say_submit(&one, 10 + i, "33612345678");
    for (uint32_t i = 0; i < 3; i++)
        say_submit(&two, 20 + i, "33612345678");
    expect(&two, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_RMSGQFUL, 22);
    ck_assert_uint_eq(stage.n_staged, 5);
    stage_reply(1, SMS_END_ACCEPTED, 0);
    stage_turn(&one);
    expect_id(&one, SMPP_SUBMIT_SM, 11, stage.staged[1].ref);
    say_submit(&two, 23, "33612345678");
    expect_silence(&two);
    say_submit(&one, 13, "33612345678");
    expect(&one, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_RMSGQFUL, 13);
    /* A connection that breaks makes no room: what it submitted is under way. */
    cut(&one);
    client_free(&one);
    ck_assert_uint_eq(peers_count(stage.gate.peers, PEER_WINDOW, "acme-lan", 8), 5);
    ck_assert_uint_eq(atomic_load(&stage.gate.sessions), 1);
    bound(&one, SMPP_BIND_TRANSMITTER);
    say_submit(&one, 2, "33612345678");
    expect(&one, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_RMSGQFUL, 2);
    stage_reply(0, SMS_END_ACCEPTED, 0); /* to nobody */
    say_submit(&one, 3, "33612345678");
    expect_silence(&one);
    for (size_t i = 0; i < stage.n_staged; i++)
        if (stage.staged[i].held)
            stage_reply(i, SMS_END_ACCEPTED, 0);
    client_free(&one);
    client_free(&two);
    expect_nobody();
}
END_TEST

/* ---- submit_multi ---- */

/* number of unsuccess_sme, then ton, npi, address, status each. */
static const uint8_t *expect_refused(const uint8_t *at, uint8_t ton, const char *address,
                                     uint32_t status)
{
    ck_assert_uint_eq(at[0], ton);
    ck_assert_str_eq((const char *)at + 2, address);
    at += 2 + strlen(address) + 1;
    ck_assert_uint_eq((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3],
                      status);
    return at + 4;
}

START_TEST(multi_is_judged_one_by_one)
{
    static const char *const to[] = {"33611111111", "@everybody", "33622222222", "33633333333"};
    struct client client;
    bound(&client, SMPP_BIND_TRANSMITTER);
    say_multi(&client, 2, to, 4);
    ck_assert_uint_eq(stage.n_staged, 3);
    ck_assert_str_eq(stage.staged[0].to, "33611111111");
    ck_assert_str_eq(stage.staged[1].to, "33622222222");
    ck_assert(stage.staged[2].to_international);
    ck_assert_mem_eq(stage.staged[2].body, "Hello", 5);
    stage_reply(2, SMS_END_ACCEPTED, 0);
    stage_reply(0, SMS_END_BLOCKED, 0);
    expect_silence(&client);
    stage_reply(1, SMS_END_ACCEPTED, 0);
    stage_turn(&client);
    const uint8_t *body = expect(&client, SMPP_RESP(SMPP_SUBMIT_MULTI), SMPP_ROK, 2);
    /* The first accepted of the list, whoever was answered first. */
    ck_assert_str_eq((const char *)body, stage.staged[1].ref);
    const uint8_t *at = body + strlen(stage.staged[1].ref) + 1;
    ck_assert_uint_eq(*at++, 2);
    at = expect_refused(at, 1, "33611111111", SMPP_RSUBMITFAIL);
    expect_refused(at, 0, "everybody", SMPP_RCNTSUBDL);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(multi_refused_as_a_whole)
{
    static const char *const to[] = {"33611111111", "33622222222"};
    static const char *const lists[] = {"@a", "@b"};
    struct client client;
    bound(&client, SMPP_BIND_TRANSMITTER);
    say_multi(&client, 2, to, 2);
    stage_reply(0, SMS_END_UNABLE, 0);
    stage_reply(1, SMS_END_UNABLE, 0);
    stage_turn(&client);
    expect(&client, SMPP_RESP(SMPP_SUBMIT_MULTI), SMPP_RSYSERR, 2);
    say_multi(&client, 3, to, 2);
    stage_reply(2, SMS_END_BLOCKED, 0);
    stage_reply(3, SMS_END_BAD_NUMBER, 0);
    stage_turn(&client);
    expect(&client, SMPP_RESP(SMPP_SUBMIT_MULTI), SMPP_RSUBMITFAIL, 3);
    say_multi(&client, 4, lists, 2);
    expect(&client, SMPP_RESP(SMPP_SUBMIT_MULTI), SMPP_RCNTSUBDL, 4);
    ck_assert_uint_eq(stage.n_staged, 4);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(multi_goes_in_steps)
{
    char numbers[SMPP_MULTI_MAX][16];
    const char *to[SMPP_MULTI_MAX];
    struct client client;
    for (size_t i = 0; i < SMPP_MULTI_MAX; i++) {
        snprintf(numbers[i], sizeof(numbers[i]), "33610000%03u", (unsigned)i);
        to[i] = numbers[i];
    }
    bound(&client, SMPP_BIND_TRANSMITTER);
    say_multi(&client, 2, to, SMPP_MULTI_MAX);
    ck_assert_uint_eq(stage.n_staged, 16);
    ck_assert_uint_eq(peers_count(stage.gate.peers, PEER_WINDOW, "acme-lan", 8), 1);
    say_submit(&client, 3, "33612345678"); /* is not held up by it */
    ck_assert_uint_eq(stage.n_staged, 17);
    stage_reply(16, SMS_END_ACCEPTED, 0);
    stage_turn(&client);
    expect_id(&client, SMPP_SUBMIT_SM, 3, stage.staged[16].ref);
    if (_i == 0) { /* each reply makes room for one more */
        for (size_t i = 0; i < SMPP_MULTI_MAX + 1; i++)
            if (stage.staged[i].held)
                stage_reply(i, SMS_END_ACCEPTED, 0);
    } else { /* and when replies come at once, the rest goes in one */
        stage.at_once = true;
        stage_reply(0, SMS_END_ACCEPTED, 0);
        for (size_t i = 1; i < 16; i++)
            stage_reply(i, SMS_END_ACCEPTED, 0);
    }
    ck_assert_uint_eq(stage.n_staged, SMPP_MULTI_MAX + 1);
    ck_assert_str_eq(stage.staged[SMPP_MULTI_MAX].to, numbers[SMPP_MULTI_MAX - 1]);
    stage_turn(&client);
    const uint8_t *body = expect(&client, SMPP_RESP(SMPP_SUBMIT_MULTI), SMPP_ROK, 2);
    ck_assert_str_eq((const char *)body, stage.staged[0].ref);
    ck_assert_uint_eq(body[strlen(stage.staged[0].ref) + 1], 0);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(multi_of_one_who_left)
{
    static const char *to[40];
    struct client client;
    for (size_t i = 0; i < 40; i++)
        to[i] = "33612345678";
    bound(&client, SMPP_BIND_TRANSMITTER);
    say_multi(&client, 2, to, 40);
    cut(&client);
    for (size_t i = 0; i < 16; i++)
        stage_reply(i, SMS_END_ACCEPTED, 0);
    ck_assert_uint_eq(stage.n_staged, 16); /* of the others nobody would hear */
    client_free(&client);
    expect_nobody();
}
END_TEST

/* ---- what is refused here ---- */

/* Changes a well-formed message; the answer. */
START_TEST(content_that_is_none)
{
    static const uint8_t payload[] = {0x04, 0x24, 0, 1, 'x', 0x04, 0x24, 0, 1, 'y'};
    struct client client;
    struct smpp_message message = plain_message("33612345678");
    uint32_t status = SMPP_ROK;
    switch (_i) {
    case 0: /* two texts */
        message.tlvs = (struct smpp_span){payload, 5};
        status = SMPP_RINVMSGLEN;
        break;
    case 1:
        message.text.length = 0;
        message.tlvs = (struct smpp_span){payload, 10};
        status = SMPP_RINVMSGLEN;
        break;
    case 2: /* nothing can be replaced here */
        message.replace = 1;
        status = SMPP_RREPLACEFAIL;
        break;
    case 3:
        str_copy(message.schedule, sizeof(message.schedule), "301301000000000+");
        status = SMPP_RINVSCHED;
        break;
    case 4:
        str_copy(message.validity, sizeof(message.validity), "tomorrow, please");
        status = SMPP_RINVEXPIRY;
        break;
    case 5: /* a TLV beyond the PDU */
        message.tlvs = (struct smpp_span){(const uint8_t *)"\x14\x01\x00\x09x", 5};
        status = SMPP_RINVPARLEN;
        break;
    default:
        break;
    }
    bound(&client, SMPP_BIND_TRANSMITTER);
    say_message(&client, SMPP_SUBMIT_SM, 2, &message);
    expect(&client, SMPP_RESP(SMPP_SUBMIT_SM), status, 2);
    ck_assert_uint_eq(stage.n_staged, 0);
    say_header(&client, SMPP_ENQUIRE_LINK, 0, 3); /* and goes on */
    expect(&client, SMPP_RESP(SMPP_ENQUIRE_LINK), SMPP_ROK, 3);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(nothing_is_queued_here)
{
    static const struct {
        uint32_t command, status;
    } rows[] = {{SMPP_QUERY_SM, SMPP_RQUERYFAIL},
                {SMPP_CANCEL_SM, SMPP_RCANCELFAIL},
                {SMPP_REPLACE_SM, SMPP_RREPLACEFAIL}};
    /* message_id, source, destination or times, text: what each reads of it is well-formed. */
    static const uint8_t query[] = "\0\0\0\x14\0\0\0\x03\0\0\0\0\0\0\0\x02"
                                   "\0\0\0";
    static const uint8_t cancel[] = "\0\0\0\x18\0\0\0\x08\0\0\0\0\0\0\0\x02"
                                    "\0\0\0\0\0\0\0";
    static const uint8_t replace[] = "\0\0\0\x19\0\0\0\x07\0\0\0\0\0\0\0\x02"
                                     "\0\0\0\0\0\0\0\0";
    static const uint8_t *const pdus[] = {query, cancel, replace};
    struct client client;
    bound(&client, SMPP_BIND_TRANSMITTER);
    client_send(&client, pdus[_i], pdus[_i][3]);
    expect(&client, SMPP_RESP(rows[_i].command), rows[_i].status, 2);
    say_header(&client, rows[_i].command, 0, 3); /* without a body */
    expect(&client, SMPP_RESP(rows[_i].command), SMPP_RINVCMDLEN, 3);
    client_free(&client);
}
END_TEST

START_TEST(unknown_commands)
{
    static const uint32_t commands[] = {0, SMPP_OUTBIND, SMPP_ALERT_NOTIFICATION, 0x112,
                                        0x7fffffff};
    struct client client;
    bound(&client, SMPP_BIND_TRANSCEIVER);
    say_header(&client, commands[_i], 0, 2);
    expect(&client, (uint32_t)SMPP_GENERIC_NACK, SMPP_RINVCMDID, 2);
    /* Answers to what was never asked mean nothing. */
    say_header(&client, commands[_i] | SMPP_RESPONSE, 0, 3);
    say_header(&client, SMPP_RESP(SMPP_DELIVER_SM), 0, 4);
    say_header(&client, SMPP_RESP(SMPP_UNBIND), 0, 5);
    say_header(&client, (uint32_t)SMPP_GENERIC_NACK, 3, 6);
    expect_silence(&client);
    client_free(&client);
}
END_TEST

START_TEST(too_much_nonsense)
{
    struct client client;
    bound(&client, SMPP_BIND_TRANSMITTER);
    stage.at_once = true;
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 20; i++) {
            say_header(&client, SMPP_SUBMIT_SM, 0, i);
            expect(&client, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_RINVCMDLEN, i);
        }
        if (round == 0) { /* a good one begins anew */
            say_submit(&client, 99, "33612345678");
            expect_id(&client, SMPP_SUBMIT_SM, 99, stage.staged[0].ref);
        }
    }
    say_header(&client, 0x99, 0, 20);
    expect(&client, (uint32_t)SMPP_GENERIC_NACK, SMPP_RINVCMDID, 20);
    expect_end(&client);
    ck_assert_uint_eq(atomic_load(&stage.gate.refusals.kinds[REFUSAL_CHATTER].count), 1);
    client_free(&client);
    expect_nobody();
}
END_TEST

/* ---- pieces ---- */

START_TEST(any_pieces_come_to_the_same)
{
    uint8_t all[1024];
    size_t length = 0;
    struct client client;
    stage.at_once = true;
    struct smpp_message message = plain_message("33612345678");
    struct smpp_bind bind = {.system_id = "acme-lan", .version = 0x34};
    length += smpp_bind_write(all, sizeof(all), SMPP_BIND_TRANSMITTER, 1, &bind);
    for (uint32_t i = 2; i < 6; i++)
        length +=
            smpp_message_write(all + length, sizeof(all) - length, SMPP_SUBMIT_SM, i, &message);
    length += smpp_header_write(all + length, sizeof(all) - length, SMPP_UNBIND, 0, 6);
    client_connect(&client, "plain", "192.0.2.10");
    size_t piece = _i == 0 ? 1 : _i == 1 ? 7 : _i == 2 ? 17 : length;
    for (size_t at = 0; at < length; at += piece)
        client_send(&client, all + at, piece < length - at ? piece : length - at);
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSMITTER), SMPP_ROK, 1);
    for (uint32_t i = 2; i < 6; i++)
        expect_id(&client, SMPP_SUBMIT_SM, i, stage.staged[i - 2].ref);
    expect(&client, SMPP_RESP(SMPP_UNBIND), SMPP_ROK, 6);
    expect_end(&client);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(the_largest_pdu)
{
    static uint8_t tlvs[SMPP_PDU_MAX];
    struct client client;
    stage.at_once = true;
    bound(&client, SMPP_BIND_TRANSMITTER);
    struct smpp_message message = plain_message("33612345678");
    message.text.length = 0;
    /* Header and fields take 48 bytes here, the TLV's own 4. */
    size_t payload = SMPP_PDU_MAX - 48 - 4;
    memset(tlvs, 'x', sizeof(tlvs));
    memcpy(tlvs, (const uint8_t[]){0x04, 0x24, (uint8_t)(payload >> 8), (uint8_t)payload}, 4);
    message.tlvs = (struct smpp_span){tlvs, payload + 4};
    static uint8_t pdu[SMPP_PDU_MAX];
    size_t length = smpp_message_write(pdu, sizeof(pdu), SMPP_SUBMIT_SM, 2, &message);
    ck_assert_uint_eq(length, SMPP_PDU_MAX);
    client_send(&client, pdu, length);
    expect_id(&client, SMPP_SUBMIT_SM, 2, stage.staged[0].ref);
    ck_assert_uint_eq(stage.staged[0].body_length, payload);
    client_free(&client);
}
END_TEST

/* ---- times ---- */

static const struct {
    const char *text;
    bool good;
    int64_t period; /* seconds; now is 2026-01-01T00:00:00Z */
} periods[] = {
    {"", true, 0},
    {"000000010000000R", true, 3600},
    {"000007000000000R", true, 7 * 86400},
    {"010203040506000R", true, ((365 + 2 * 30 + 3) * 24 + 4) * 3600 + 5 * 60 + 6},
    {"260101000100000+", true, 60},
    {"260101010100004+", true, 60},
    {"251231230100004-", true, 60},
    {"250101000000000+", true, 0}, /* over: a microsecond */
    {"260101000100000", false, 0},
    {"2601010001000000", false, 0},
    {"260101000100049+", false, 0},
    {"261301000000000+", false, 0},
    {"260100000000000+", false, 0},
    {"260101240000000+", false, 0},
    {"26010100010000x+", false, 0},
    {"260101000100x00+", false, 0},
    {"0000000a0000000R", false, 0},
    {"                ", false, 0},
};

START_TEST(times_are_read)
{
    int64_t now = INT64_C(1767225600) * CLOCK_SECOND;
    for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++) {
        int64_t period = -1;
        bool good = esme_period(periods[i].text, now, &period);
        ck_assert_msg(good == periods[i].good, "%s", periods[i].text);
        if (good)
            ck_assert_msg(period / CLOCK_SECOND == periods[i].period &&
                              (period > 0) == (periods[i].text[0] != '\0'),
                          "%s: %lld", periods[i].text, (long long)period);
    }
}
END_TEST

Suite *submit_suite(void)
{
    Suite *suite = suite_create("submit");
    TCase *cases = tcase_create("submit");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, stage_make, stage_free);
    tcase_add_test(cases, carries_what_was_said);
    tcase_add_loop_test(cases, payload_goes_apart, 0, 3);
    tcase_add_loop_test(cases, refusals_are_bare_headers, 0, (int)(sizeof(ends) / sizeof(ends[0])));
    tcase_add_test(cases, a_block_in_the_partners_words);
    tcase_add_test(cases, replies_in_any_order);
    tcase_add_test(cases, window_is_the_accounts);
    tcase_add_test(cases, multi_is_judged_one_by_one);
    tcase_add_test(cases, multi_refused_as_a_whole);
    tcase_add_loop_test(cases, multi_goes_in_steps, 0, 2);
    tcase_add_test(cases, multi_of_one_who_left);
    tcase_add_loop_test(cases, content_that_is_none, 0, 6);
    tcase_add_loop_test(cases, nothing_is_queued_here, 0, 3);
    tcase_add_loop_test(cases, unknown_commands, 0, 5);
    tcase_add_test(cases, too_much_nonsense);
    tcase_add_loop_test(cases, any_pieces_come_to_the_same, 0, 4);
    tcase_add_test(cases, the_largest_pdu);
    tcase_add_test(cases, times_are_read);
    suite_add_tcase(suite, cases);
    return suite;
}
