/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every state of an SMPP session against every fault of a peer: it leaves, falls silent, stops in
 * the middle of a PDU, announces an impossible one, says what is not for that state, or garbage.
 */
#include "tests/unit/test_proxy_smpp_parts.h"

#include <string.h>

static void reach(struct client *client, enum esme_state state)
{
    static const uint32_t commands[] = {[ESME_BOUND_TX] = SMPP_BIND_TRANSMITTER,
                                        [ESME_BOUND_RX] = SMPP_BIND_RECEIVER,
                                        [ESME_BOUND_TRX] = SMPP_BIND_TRANSCEIVER};
    switch (state) {
    case ESME_HANDSHAKE:
        client_connect(client, "wrapped", "192.0.2.10");
        break;
    case ESME_OPEN:
        client_connect(client, "plain", "192.0.2.10");
        break;
    case ESME_AUTH_CHECK:
    case ESME_PENALTY:
        stage.hold_passwords = true;
        client_connect(client, "plain", "192.0.2.1");
        say_bind(client, SMPP_BIND_TRANSCEIVER, 1, "acme-sms", "wrong");
        if (state == ESME_PENALTY)
            ck_assert(stage_release_passwords());
        break;
    case ESME_UNBINDING:
        bound(client, SMPP_BIND_TRANSCEIVER);
        say_submit(client, 2, "33612345678");
        say_header(client, SMPP_UNBIND, 0, 3);
        break;
    case ESME_CLOSING:
        bound(client, SMPP_BIND_TRANSCEIVER);
        client->deaf = true;
        /* More than the sockets hold: the last word stays here. */
        for (int i = 0; i < 100 && !esme_stalled(client->session); i++) {
            static uint8_t ask[SMPP_HEADER_BYTES * 4096];
            for (size_t n = 0; n < sizeof(ask); n += SMPP_HEADER_BYTES)
                smpp_header_write(ask + n, SMPP_HEADER_BYTES, SMPP_ENQUIRE_LINK, 0, 7);
            client_send(client, ask, sizeof(ask));
        }
        esme_close(client->session, "as the test has it");
        break;
    default:
        bound(client, commands[state]);
        break;
    }
    ck_assert_int_eq(client->session->state, state);
}

/* Minutes go by, ten seconds at a time, and what was held is answered in the end. */
static void wait_long(struct client *client)
{
    for (int i = 0; i < 60 && !client->ended; i++) {
        stage_advance(client, 10 * CLOCK_SECOND);
        if (i == 30) {
            stage_release_passwords();
            for (size_t j = 0; j < stage.n_staged; j++)
                if (stage.staged[j].held)
                    stage_reply(j, SMS_END_ACCEPTED, 0);
        }
    }
}

static void skip_all(struct client *client)
{
    struct smpp_header header;
    while (client_next(client, &header) != NULL)
        continue;
}

START_TEST(eof)
{
    struct client client;
    reach(&client, (enum esme_state)_i);
    client_close(&client);
    stage_advance(NULL, 0);
    if (_i == ESME_AUTH_CHECK || _i == ESME_PENALTY || _i == ESME_UNBINDING) {
        stage_advance(NULL, 60 * CLOCK_SECOND);
        stage_release_passwords();
        stage_turn(NULL);
        stage_advance(NULL, 60 * CLOCK_SECOND);
        if (_i == ESME_UNBINDING)
            stage_reply(0, SMS_END_ACCEPTED, 0);
    }
    expect_nobody();
    client_free(&client);
}
END_TEST

START_TEST(silence)
{
    struct client client;
    reach(&client, (enum esme_state)_i);
    wait_long(&client);
    client.deaf = false;
    for (int i = 0; i < 100 && !client.ended; i++)
        stage_turn(&client);
    ck_assert_msg(client.ended, "it is still there");
    expect_nobody();
    client_free(&client);
}
END_TEST

START_TEST(half)
{
    struct client client;
    uint8_t pdu[SMPP_HEADER_BYTES];
    reach(&client, (enum esme_state)_i);
    smpp_header_write(pdu, sizeof(pdu), SMPP_ENQUIRE_LINK, 0, 9);
    client_send(&client, pdu, sizeof(pdu) - 1);
    /* Byte by byte it may not gain time either; and what we ask meanwhile changes nothing. */
    for (int i = 0; i < 6 && !client.ended; i++)
        stage_advance(&client, 10 * CLOCK_SECOND);
    if (_i == ESME_AUTH_CHECK || _i == ESME_CLOSING || _i == ESME_UNBINDING)
        wait_long(&client);
    client.deaf = false;
    for (int i = 0; i < 100 && !client.ended; i++)
        stage_turn(&client);
    ck_assert_msg(client.ended, "it is still there");
    if (_i == ESME_UNBINDING && stage.staged[0].held)
        stage_reply(0, SMS_END_ACCEPTED, 0);
    expect_nobody();
    client_free(&client);
}
END_TEST

static const uint32_t lengths[] = {0, 15, 65537, 0x7fffffff, 0xffffffff};

START_TEST(oversize)
{
    enum esme_state state = (enum esme_state)(_i % ESME_STATE_COUNT);
    uint32_t length = lengths[_i / ESME_STATE_COUNT];
    struct client client;
    uint8_t pdu[SMPP_HEADER_BYTES];
    reach(&client, state);
    smpp_header_write(pdu, sizeof(pdu), SMPP_SUBMIT_SM, 0, 9);
    pdu[0] = (uint8_t)(length >> 24);
    pdu[1] = (uint8_t)(length >> 16);
    pdu[2] = (uint8_t)(length >> 8);
    pdu[3] = (uint8_t)length;
    client_send(&client, pdu, sizeof(pdu));
    if (state == ESME_HANDSHAKE || state == ESME_CLOSING) {
        wait_long(&client); /* it is not looked at */
        client.deaf = false;
        for (int i = 0; i < 100 && !client.ended; i++)
            stage_turn(&client);
        ck_assert(client.ended);
    } else {
        expect(&client, (uint32_t)SMPP_GENERIC_NACK, SMPP_RINVCMDLEN, 9);
        expect_end(&client);
        /* Of strangers one line each would fill the disk. */
        bool stranger = state == ESME_OPEN || state == ESME_AUTH_CHECK || state == ESME_PENALTY;
        ck_assert_uint_eq(atomic_load(&stage.gate.refusals.kinds[REFUSAL_NONSENSE].count),
                          stranger);
    }
    if (state == ESME_UNBINDING)
        stage_reply(0, SMS_END_ACCEPTED, 0);
    expect_nobody();
    client_free(&client);
}
END_TEST

/* What each state says to each command without a body: the status, or what is else. */
enum { NOTHING = 0x1000, NACK = 0x2000, LATER = 0x3000 };
static const uint32_t asked[] = {SMPP_BIND_TRANSCEIVER,
                                 SMPP_SUBMIT_SM,
                                 SMPP_SUBMIT_MULTI,
                                 SMPP_DATA_SM,
                                 SMPP_QUERY_SM,
                                 SMPP_CANCEL_SM,
                                 SMPP_REPLACE_SM,
                                 SMPP_DELIVER_SM,
                                 SMPP_ENQUIRE_LINK,
                                 SMPP_OUTBIND,
                                 0x77};
#define ASKED (sizeof(asked) / sizeof(asked[0]))
static const uint32_t told[ESME_STATE_COUNT][ASKED] = {
    /* bind, submit, multi, data, query, cancel, replace, deliver, enquire, outbind, none */
    [ESME_OPEN] = {2, 4, 4, 4, 4, 4, 4, 4, 0, NACK, NACK},
    [ESME_AUTH_CHECK] = {LATER, LATER, LATER, LATER, LATER, LATER, LATER, LATER, 0, LATER, LATER},
    [ESME_PENALTY] = {LATER, LATER, LATER, LATER, LATER, LATER, LATER, LATER, 0, LATER, LATER},
    [ESME_BOUND_TX] = {5, 2, 2, 2, 2, 2, 2, 4, 0, NACK, NACK},
    [ESME_BOUND_RX] = {5, 4, 4, 4, 4, 4, 4, 4, 0, NACK, NACK},
    [ESME_BOUND_TRX] = {5, 2, 2, 2, 2, 2, 2, 4, 0, NACK, NACK},
    [ESME_UNBINDING] = {4, 4, 4, 4, 4, 4, 4, 4, 0, NACK, NACK},
};

START_TEST(wrong_command)
{
    enum esme_state state = (enum esme_state)_i;
    for (size_t i = 0; i < ASKED && state != ESME_HANDSHAKE && state != ESME_CLOSING; i++) {
        struct client client;
        stage.n_staged = 0;
        reach(&client, state);
        say_header(&client, asked[i], 0, 9);
        uint32_t status = told[state][i];
        if (status == NACK)
            expect(&client, (uint32_t)SMPP_GENERIC_NACK, SMPP_RINVCMDID, 9);
        else if (status != LATER)
            expect(&client, SMPP_RESP(asked[i]), status, 9);
        expect_silence(&client);
        ck_assert_int_eq(client.session->state, state);
        client_close(&client);
        stage_release_passwords();
        stage_turn(NULL);
        stage_advance(NULL, 60 * CLOCK_SECOND);
        if (state == ESME_UNBINDING)
            stage_reply(0, SMS_END_ACCEPTED, 0);
        expect_nobody();
        client_free(&client);
        stage_reset();
    }
}
END_TEST

START_TEST(garbage)
{
    uint8_t bytes[4096];
    struct client client;
    uint32_t seed = 12345;
    reach(&client, (enum esme_state)_i);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        seed = seed * 1103515245u + 12345u;
        bytes[i] = (uint8_t)(seed >> 16 | 0x80);
    }
    client_send(&client, bytes, sizeof(bytes));
    wait_long(&client);
    client.deaf = false;
    for (int i = 0; i < 100 && !client.ended; i++)
        stage_turn(&client);
    skip_all(&client);
    ck_assert_msg(client.ended, "it is still there");
    if (_i == ESME_UNBINDING && stage.staged[0].held)
        stage_reply(0, SMS_END_ACCEPTED, 0);
    expect_nobody();
    client_free(&client);
}
END_TEST

/* Bytes one by one keep no connection: being bound, and a PDU, have a time of their own. */
START_TEST(slow_loris)
{
    struct client client;
    uint8_t pdu[64] = {0, 0, 0, 64, 0, 0, 0, 9};
    client_connect(&client, "plain", "192.0.2.1");
    size_t at = 0;
    while (at < sizeof(pdu) && !client.ended) {
        client_send(&client, pdu + at++, 1);
        stage_advance(&client, 2 * CLOCK_SECOND);
    }
    expect_end(&client);
    ck_assert_uint_eq(at, 15); /* login_timeout, 30 s */
    ck_assert_uint_eq(atomic_load(&stage.gate.refusals.kinds[REFUSAL_LOGIN_LATE].count), 1);
    client_free(&client);
    bound(&client, SMPP_BIND_TRANSMITTER);
    for (at = 0; at < sizeof(pdu) && !client.ended;) {
        client_send(&client, pdu + at++, 1);
        stage_advance(&client, 2 * CLOCK_SECOND);
    }
    expect_end(&client);
    ck_assert_uint_eq(at, 30); /* reply_timeout, 60 s */
    ck_assert_uint_eq(atomic_load(&stage.gate.refusals.kinds[REFUSAL_SLOW].count), 1);
    client_free(&client);
    expect_nobody();
}
END_TEST

Suite *matrix_suite(void)
{
    Suite *suite = suite_create("matrix");
    TCase *cases = tcase_create("matrix");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, stage_make, stage_free);
    tcase_add_loop_test(cases, eof, 0, ESME_STATE_COUNT);
    tcase_add_loop_test(cases, silence, 0, ESME_STATE_COUNT);
    tcase_add_loop_test(cases, half, 0, ESME_STATE_COUNT);
    tcase_add_loop_test(cases, oversize, 0,
                        (int)(ESME_STATE_COUNT * (sizeof(lengths) / sizeof(lengths[0]))));
    tcase_add_loop_test(cases, wrong_command, 0, ESME_STATE_COUNT);
    tcase_add_loop_test(cases, garbage, 0, ESME_STATE_COUNT);
    tcase_add_test(cases, slow_loris);
    suite_add_tcase(suite, cases);
    return suite;
}
