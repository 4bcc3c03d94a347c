/* SPDX-License-Identifier: Apache-2.0 */
/* The SMPP server: what a partner says, and what it is told. This file: binds, and the talk. */
#include "tests/unit/test_proxy_smpp_parts.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- the talk ---- */

void say_bind(struct client *client, uint32_t command, uint32_t sequence, const char *name,
              const char *password)
{
    uint8_t pdu[128];
    struct smpp_bind bind = {.version = 0x34};
    str_copy(bind.system_id, sizeof(bind.system_id), name);
    str_copy(bind.password, sizeof(bind.password), password);
    client_send(client, pdu, smpp_bind_write(pdu, sizeof(pdu), command, sequence, &bind));
}

void say_header(struct client *client, uint32_t command, uint32_t status, uint32_t sequence)
{
    uint8_t pdu[SMPP_HEADER_BYTES];
    client_send(client, pdu, smpp_header_write(pdu, sizeof(pdu), command, status, sequence));
}

struct smpp_message plain_message(const char *to)
{
    struct smpp_message message = {.source = {.ton = SMPP_TON_ALPHANUMERIC},
                                   .destination = {.ton = SMPP_TON_INTERNATIONAL, .npi = 1},
                                   .text = {(const uint8_t *)"Hello", 5}};
    str_copy(message.source.text, sizeof(message.source.text), "ACME");
    str_copy(message.destination.text, sizeof(message.destination.text), to);
    return message;
}

void say_message(struct client *client, uint32_t command, uint32_t sequence,
                 const struct smpp_message *message)
{
    static uint8_t pdu[SMPP_PDU_MAX];
    size_t length = smpp_message_write(pdu, sizeof(pdu), command, sequence, message);
    ck_assert_uint_gt(length, 0);
    client_send(client, pdu, length);
}

void say_submit(struct client *client, uint32_t sequence, const char *to)
{
    struct smpp_message message = plain_message(to);
    say_message(client, SMPP_SUBMIT_SM, sequence, &message);
}

void say_multi(struct client *client, uint32_t sequence, const char *const *to, size_t n)
{
    static uint8_t pdu[SMPP_PDU_MAX];
    struct smpp_destination destinations[SMPP_MULTI_MAX] = {0};
    struct smpp_message message = plain_message("");
    for (size_t i = 0; i < n; i++) {
        destinations[i].list = to[i][0] == '@';
        destinations[i].address.ton = destinations[i].list ? 0 : 1;
        str_copy(destinations[i].address.text, 21, to[i] + (to[i][0] == '@'));
    }
    size_t length = smpp_multi_write(pdu, sizeof(pdu), sequence, &message, destinations, n);
    ck_assert_uint_gt(length, 0);
    client_send(client, pdu, length);
}

void cut(struct client *client)
{
    client->deaf = true;
    say_header(client, SMPP_ENQUIRE_LINK, 0, 99);
    client_close(client);
}

const uint8_t *expect(struct client *client, uint32_t command, uint32_t status, uint32_t sequence)
{
    struct smpp_header header;
    const uint8_t *pdu = client_next(client, &header);
    ck_assert_msg(pdu != NULL, "nothing came, %s %u was expected", smpp_command_name(command),
                  sequence);
    ck_assert_msg(header.command == command && header.status == status &&
                      header.sequence == sequence,
                  "%s 0x%x %u came, %s 0x%x %u was expected", smpp_command_name(header.command),
                  header.status, header.sequence, smpp_command_name(command), status, sequence);
    /* On errors, the bare header. */
    if ((command & SMPP_RESPONSE) != 0 && status != SMPP_ROK)
        ck_assert_uint_eq(header.length, SMPP_HEADER_BYTES);
    return pdu + SMPP_HEADER_BYTES;
}

void expect_id(struct client *client, uint32_t command, uint32_t sequence, const char *id)
{
    ck_assert_str_eq((const char *)expect(client, SMPP_RESP(command), SMPP_ROK, sequence), id);
}

void expect_silence(struct client *client)
{
    struct smpp_header header;
    stage_turn(client);
    if (client_next(client, &header) != NULL)
        ck_abort_msg("%s 0x%x %u came, silence was expected", smpp_command_name(header.command),
                     header.status, header.sequence);
    ck_assert_uint_eq(client->in.length, client->at);
    ck_assert(!client->ended);
}

void expect_end(struct client *client)
{
    struct smpp_header header;
    stage_turn(client);
    ck_assert_ptr_null(client_next(client, &header));
    ck_assert_msg(client->ended, "the gate has not closed");
}

void expect_nobody(void)
{
    stage_turn(NULL);
    stage_turn(NULL);
    ck_assert_uint_eq(atomic_load(&stage.gate.sessions), 0);
    ck_assert_uint_eq(atomic_load(&stage.entrance.sessions), 0);
    ck_assert_uint_eq(ticket_count(stage.lane.binds), 0);
    ck_assert_uint_eq(peers_count(stage.gate.peers, PEER_PARTNER, "acme", 4), 0);
    ck_assert_uint_eq(peers_count(stage.gate.peers, PEER_WINDOW, "acme-lan", 8), 0);
    ck_assert_uint_eq(binds_count(stage.gate.binds, "acme-lan"), 0);
}

void bound(struct client *client, uint32_t command)
{
    client_connect(client, "plain", "192.0.2.10");
    say_bind(client, command, 1, "acme-lan", "");
    expect(client, SMPP_RESP(command), SMPP_ROK, 1);
}

/* ---- binds ---- */

static const uint32_t kinds[] = {SMPP_BIND_TRANSMITTER, SMPP_BIND_RECEIVER, SMPP_BIND_TRANSCEIVER};

START_TEST(binds)
{
    static const enum esme_state states[] = {ESME_BOUND_TX, ESME_BOUND_RX, ESME_BOUND_TRX};
    struct client client;
    client_connect(&client, "plain", "192.0.2.1");
    say_bind(&client, kinds[_i], 7, "acme-sms", "secret");
    stage_settle_passwords(&client);
    const uint8_t *body = expect(&client, SMPP_RESP(kinds[_i]), SMPP_ROK, 7);
    /* The hostname's first 15 characters, and sc_interface_version 0x34. */
    static const uint8_t answer[] = "gateway-with-a-\0\x02\x10\x00\x01\x34";
    ck_assert_mem_eq(body, answer, sizeof(answer) - 1);
    ck_assert_int_eq(client.session->state, states[_i]);
    ck_assert_str_eq(client.session->account->name, "acme-sms");
    ck_assert_uint_eq(binds_count(stage.gate.binds, "acme-sms"),
                      kinds[_i] != SMPP_BIND_TRANSMITTER);
    ck_assert_uint_eq(peers_count(stage.gate.peers, PEER_PARTNER, "acme", 4), 1);
    /* Once is enough. */
    say_bind(&client, kinds[_i], 8, "acme-sms", "secret");
    expect(&client, SMPP_RESP(kinds[_i]), SMPP_RALYBND, 8);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(older_versions_bind)
{
    struct client client;
    uint8_t pdu[128];
    struct smpp_bind bind = {.system_id = "acme-lan", .version = 0x33};
    client_connect(&client, "plain", "192.0.2.10");
    client_send(&client, pdu, smpp_bind_write(pdu, sizeof(pdu), SMPP_BIND_TRANSCEIVER, 1, &bind));
    const uint8_t *body = expect(&client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_ROK, 1);
    ck_assert_uint_eq(client.in.length, SMPP_HEADER_BYTES + strlen((const char *)body) + 1);
    client_free(&client);
    /* 5.0 as well; it is told that this is 3.4. */
    bind.version = 0x50;
    client_connect(&client, "plain", "192.0.2.10");
    client_send(&client, pdu, smpp_bind_write(pdu, sizeof(pdu), SMPP_BIND_TRANSCEIVER, 1, &bind));
    body = expect(&client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_ROK, 1);
    ck_assert_uint_eq(body[20], 0x34);
    client_free(&client);
}
END_TEST

/* All with one answer, and none sooner than a second. */
static const struct {
    const char *from, *name, *password;
} wrong_logins[] = {
    {"192.0.2.1", "acme-sms", "Secret"},  {"192.0.2.1", "acme-sms", ""},
    {"192.0.2.1", "nobody", "secret"},    {"192.0.2.1", "", ""},
    {"192.0.2.1", "acme-mail", "secret"}, {"192.0.2.1", "acme-lan", ""},
    {"192.0.2.1", "acme-both", "secret"}, {"192.0.2.20", "acme-both", "wrong"},
    {"192.0.2.20", "acme-both", ""},      {"192.0.2.10", "beta-lan", ""},
    {"192.0.2.10", "ACME-LAN", "secret"},
};

START_TEST(wrong_logins_look_alike)
{
    struct client client;
    client_connect(&client, "plain", wrong_logins[_i].from);
    say_bind(&client, SMPP_BIND_TRANSCEIVER, 3, wrong_logins[_i].name, wrong_logins[_i].password);
    stage_settle_passwords(&client);
    ck_assert_int_eq(client.session->state, ESME_PENALTY);
    expect_silence(&client);
    stage_advance(&client, CLOCK_SECOND);
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_RINVPASWD, 3);
    ck_assert_int_eq(client.session->state, ESME_OPEN);
    ck_assert_uint_eq(atomic_load(&stage.gate.refusals.kinds[REFUSAL_AUTH_FAILED].count), 1);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(both_conditions_hold)
{
    struct client client;
    client_connect(&client, "plain", "192.0.2.20");
    say_bind(&client, SMPP_BIND_TRANSMITTER, 1, "acme-both", "secret");
    stage_settle_passwords(&client);
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSMITTER), SMPP_ROK, 1);
    client_free(&client);
}
END_TEST

START_TEST(guessing_is_slow)
{
    struct client client;
    client_connect(&client, "plain", "192.0.2.1");
    for (uint32_t i = 1; i <= 3; i++) {
        say_bind(&client, SMPP_BIND_RECEIVER, i, "acme-sms", "wrong");
        stage_settle_passwords(&client);
        stage_advance(&client, 4 * CLOCK_SECOND);
        expect(&client, SMPP_RESP(SMPP_BIND_RECEIVER), SMPP_RINVPASWD, i);
    }
    expect_end(&client);
    client_free(&client);
    /* From the tenth failure on nothing is looked at. */
    struct peer_key key;
    struct sockaddr_in address = {.sin_family = AF_INET};
    ck_assert_int_eq(inet_pton(AF_INET, "192.0.2.1", &address.sin_addr), 1);
    peer_key_of((struct sockaddr *)&address, &key);
    for (int i = 3; i < GUESSES_FREE; i++)
        guesses_note(stage.gate.guesses, &key, "acme-sms", false, clock_monotonic());
    client_connect(&client, "plain", "192.0.2.1");
    say_bind(&client, SMPP_BIND_RECEIVER, 9, "acme-sms", "secret");
    expect_silence(&client);
    stage_advance(&client, GUESS_DELAY_MOST - CLOCK_SECOND);
    expect_silence(&client);
    stage_advance(&client, CLOCK_SECOND);
    expect(&client, SMPP_RESP(SMPP_BIND_RECEIVER), SMPP_RBINDFAIL, 9);
    expect_end(&client);
    ck_assert_uint_eq(atomic_load(&stage.gate.refusals.kinds[REFUSAL_AUTH_HELD].count), 1);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(right_but_late)
{
    /* An account that others guess at: who is right elsewhere waits, and is then let in. */
    struct peer_key stranger = {{1}};
    for (int i = 0; i < GUESSES_ACCOUNT; i++) {
        stranger.bytes[15] = (uint8_t)i;
        guesses_note(stage.gate.guesses, &stranger, "acme-sms", false, clock_monotonic());
    }
    struct client client;
    client_connect(&client, "plain", "192.0.2.1");
    say_bind(&client, SMPP_BIND_TRANSMITTER, 1, "acme-sms", "secret");
    stage_settle_passwords(&client);
    expect_silence(&client);
    say_header(&client, SMPP_ENQUIRE_LINK, 0, 2); /* is answered meanwhile */
    expect(&client, SMPP_RESP(SMPP_ENQUIRE_LINK), SMPP_ROK, 2);
    stage_advance(&client, GUESS_DELAY_ACCOUNT);
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSMITTER), SMPP_ROK, 1);
    client_free(&client);
}
END_TEST

START_TEST(no_helper_is_free)
{
    struct client client;
    stage.no_helper = true;
    client_connect(&client, "plain", "192.0.2.1");
    say_bind(&client, SMPP_BIND_TRANSMITTER, 1, "acme-sms", "secret");
    expect_silence(&client);
    stage_advance(&client, GUESS_DELAY_FIRST);
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSMITTER), SMPP_RBINDFAIL, 1);
    stage.no_helper = false;
    say_bind(&client, SMPP_BIND_TRANSMITTER, 2, "acme-sms", "secret");
    stage_settle_passwords(&client);
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSMITTER), SMPP_ROK, 2);
    client_free(&client);
}
END_TEST

START_TEST(what_is_sent_ahead_waits)
{
    struct client client;
    stage.hold_passwords = stage.at_once = true;
    client_connect(&client, "plain", "192.0.2.1");
    say_bind(&client, SMPP_BIND_TRANSCEIVER, 1, "acme-sms", "secret");
    say_header(&client, SMPP_ENQUIRE_LINK, 0, 2);
    expect(&client, SMPP_RESP(SMPP_ENQUIRE_LINK), SMPP_ROK, 2);
    say_submit(&client, 3, "33612345678");
    say_header(&client, SMPP_ENQUIRE_LINK, 0, 4);
    expect_silence(&client);
    ck_assert(stage_release_passwords());
    stage_turn(&client);
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_ROK, 1);
    expect_id(&client, SMPP_SUBMIT_SM, 3, stage.staged[0].ref);
    expect(&client, SMPP_RESP(SMPP_ENQUIRE_LINK), SMPP_ROK, 4);
    client_free(&client);
    /* The answer for who has gone. */
    client_connect(&client, "plain", "192.0.2.1");
    say_bind(&client, SMPP_BIND_TRANSCEIVER, 1, "acme-sms", "secret");
    client_free(&client);
    ck_assert(stage_release_passwords());
    expect_nobody();
}
END_TEST

START_TEST(so_many_and_no_more)
{
    struct client clients[7];
    for (int i = 0; i < 4; i++)
        bound(&clients[i], SMPP_BIND_TRANSCEIVER);
    /* A fifth of the partner's, by another account of it. */
    client_connect(&clients[4], "plain", "192.0.2.1");
    say_bind(&clients[4], SMPP_BIND_TRANSMITTER, 1, "acme-sms", "secret");
    stage_settle_passwords(&clients[4]);
    expect(&clients[4], SMPP_RESP(SMPP_BIND_TRANSMITTER), SMPP_RBINDFAIL, 1);
    expect_end(&clients[4]);
    client_free(&clients[4]);
    ck_assert_uint_eq(atomic_load(&stage.gate.refusals.kinds[REFUSAL_PARTNER].count), 1);
    /* A seventh of the address. */
    client_connect(&clients[4], "plain", "192.0.2.10");
    client_connect(&clients[5], "plain", "192.0.2.10");
    client_connect(&clients[6], "plain", "192.0.2.10");
    expect_silence(&clients[5]);
    expect_end(&clients[6]);
    ck_assert_uint_eq(atomic_load(&stage.gate.refusals.kinds[REFUSAL_ADDRESS].count), 1);
    for (int i = 0; i < 7; i++)
        client_free(&clients[i]);
    expect_nobody();
}
END_TEST

START_TEST(a_bind_that_is_none)
{
    static const uint8_t pdus[][40] = {
        /* A system_id of 16 characters; nothing at all; a password without its end. */
        "\0\0\0\x22\0\0\0\x09\0\0\0\0\0\0\0\x05"
        "0123456789abcdef\0",
        "\0\0\0\x10\0\0\0\x09\0\0\0\0\0\0\0\x05",
        "\0\0\0\x1a\0\0\0\x09\0\0\0\0\0\0\0\x05"
        "acme-lan\0s",
    };
    struct client client;
    client_connect(&client, "plain", "192.0.2.10");
    client_send(&client, pdus[_i], pdus[_i][3]);
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_RINVCMDLEN, 5);
    say_bind(&client, SMPP_BIND_TRANSCEIVER, 6, "acme-lan", "");
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_ROK, 6);
    client_free(&client);
}
END_TEST

Suite *bind_suite(void)
{
    Suite *suite = suite_create("bind");
    TCase *cases = tcase_create("bind");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, stage_make, stage_free);
    tcase_add_loop_test(cases, binds, 0, 3);
    tcase_add_test(cases, older_versions_bind);
    tcase_add_loop_test(cases, wrong_logins_look_alike, 0,
                        (int)(sizeof(wrong_logins) / sizeof(wrong_logins[0])));
    tcase_add_test(cases, both_conditions_hold);
    tcase_add_test(cases, guessing_is_slow);
    tcase_add_test(cases, right_but_late);
    tcase_add_test(cases, no_helper_is_free);
    tcase_add_test(cases, what_is_sent_ahead_waits);
    tcase_add_test(cases, so_many_and_no_more);
    tcase_add_loop_test(cases, a_bind_that_is_none, 0, 3);
    suite_add_tcase(suite, cases);
    return suite;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the gateway does */
    Suite *const suites[] = {
        bind_suite(), matrix_suite(), submit_suite(), deliver_suite(), end_suite(), terms_suite(),
        NULL};
    return unit_run(suites);
}
