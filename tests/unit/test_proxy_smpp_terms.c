/* SPDX-License-Identifier: Apache-2.0 */
/* What depends on the account's terms and on the listener's: texts that were not judged, passwords
 * in clear, and a configuration that changes under a session. */
#include "tests/unit/test_proxy_smpp_parts.h"

#include <stdio.h>
#include <string.h>

/* What the SMSC would send is not what was judged; where the text does not matter it may. */
START_TEST(canned_texts)
{
    uint8_t pdu[512];
    const struct smpp_destination to[] = {{.address = {.ton = 1, .text = "33611111111"}}};
    struct client client;
    struct smpp_message message = plain_message("33612345678");
    message.default_message = 3;
    bound(&client, SMPP_BIND_TRANSMITTER);
    say_message(&client, SMPP_SUBMIT_SM, 2, &message);
    expect(&client, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_RINVDFTMSGID, 2);
    client_send(&client, pdu, smpp_multi_write(pdu, sizeof(pdu), 3, &message, to, 1));
    expect(&client, SMPP_RESP(SMPP_SUBMIT_MULTI), SMPP_RINVDFTMSGID, 3);
    ck_assert_uint_eq(stage.n_staged, 0);
    client_free(&client);
    client_connect(&client, "plain", "192.0.2.30");
    say_bind(&client, SMPP_BIND_TRANSMITTER, 1, "beta-lan", "");
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSMITTER), SMPP_ROK, 1);
    say_message(&client, SMPP_SUBMIT_SM, 2, &message);
    ck_assert_uint_eq(stage.n_staged, 1);
    ck_assert_uint_eq(stage.staged[0].default_message, 3);
    stage_reply(0, SMS_END_ACCEPTED, 0);
    client_free(&client);
    expect_nobody();
}
END_TEST

/* A password that others may have read is not looked at, unless the listener says so. */
START_TEST(passwords_in_clear)
{
    struct client client;
    static const char *const names[] = {"acme-sms", "nobody"};
    for (int i = 0; i < 2; i++) {
        client_connect(&client, "open", "192.0.2.1");
        say_bind(&client, SMPP_BIND_TRANSCEIVER, 1, names[i], "secret");
        expect(&client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_RBINDFAIL, 1);
        expect_end(&client);
        client_free(&client);
    }
    ck_assert_uint_eq(atomic_load(&stage.gate.refusals.kinds[REFUSAL_AUTH_HELD].count), 2);
    /* From the machine itself, and of whom no password is asked. */
    client_connect(&client, "open", "127.0.0.2");
    say_bind(&client, SMPP_BIND_TRANSCEIVER, 1, "acme-sms", "secret");
    stage_settle_passwords(&client);
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_ROK, 1);
    client_free(&client);
    client_connect(&client, "open", "192.0.2.10");
    say_bind(&client, SMPP_BIND_TRANSCEIVER, 1, "acme-lan", "whatever");
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_ROK, 1);
    client_free(&client);
    expect_nobody();
}
END_TEST

/* ---- reloads ---- */

static void beta_bound(struct client *client)
{
    client_connect(client, "plain", "192.0.2.30");
    say_bind(client, SMPP_BIND_TRANSCEIVER, 1, "beta-lan", "");
    expect(client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_ROK, 1);
}

/* A bind lasts for weeks: what changes reaches it, and what was under way is answered. */
START_TEST(reload_reaches_the_bound)
{
    struct client client;
    beta_bound(&client);
    say_submit(&client, 2, "33612345678");
    stage_reload("smpp_refusal = 11", "smpp_refusal = 12");
    stage_reload("name = \"BETA\" smpp_refusal = 11", "name = \"BETA\" smpp_refusal = 10 mode = "
                                                      "\"observe\" max_connections = 1");
    ck_assert_ptr_eq(client.session->snapshot, stage.lane.snapshot);
    const struct config *config = stage.lane.snapshot->config;
    ck_assert_ptr_eq(client.session->account, config_account(config, "beta-lan"));
    ck_assert_ptr_eq(client.session->listener, &config->listeners[0]);
    stage_reply(0, SMS_END_BLOCKED, 0);
    stage_turn(&client);
    expect(&client, SMPP_RESP(SMPP_SUBMIT_SM), 10, 2);
    say_submit(&client, 3, "33612345678");
    ck_assert_uint_eq(stage.n_staged, 2);
    stage_reply(1, SMS_END_ACCEPTED, 0);
    stage_turn(&client);
    expect_id(&client, SMPP_SUBMIT_SM, 3, stage.staged[1].ref);
    /* It is still counted once, as its partner's. */
    ck_assert_uint_eq(peers_count(stage.gate.peers, PEER_PARTNER, "beta", 4), 1);
    stage_deliver("beta-lan", SMS_INBOUND_REPORT, 0);
    stage_turn(&client);
    expect(&client, SMPP_DELIVER_SM, 0, 1);
    client_free(&client);
    expect_nobody();
    ck_assert_uint_eq(peers_count(stage.gate.peers, PEER_PARTNER, "beta", 4), 0);
}
END_TEST

static void expect_unbind(struct client *client, uint32_t sequence)
{
    expect(client, SMPP_UNBIND, 0, sequence);
    say_header(client, SMPP_RESP(SMPP_UNBIND), 0, sequence);
    expect_end(client);
}

static const char *hash_of(const char *account)
{
    return config_account(stage.lane.snapshot->config, account)->password;
}

/* What acme-lan bound by and as. */
static const struct {
    const char *from, *to;
} places[] = {
    {"192.0.2.10", "192.0.2.11"},
    {"networks = [ \"192.0.2.10\" ]", "networks = [ \"192.0.2.10\" ] password = \""},
    {"acme-lan", "acme-van"},
    {"127.0.0.1:2775", "127.0.0.1:2785"},
    {"tls = \"none\"", "certificate_file = \"tls.pem\" key_file = \"tls.key\""},
    {"acme: {", "other: {"},
    {"channel = \"sms\" providers = [ \"box\" ] senders = [ \"ACME\" ] window = 5",
     "channel = \"email\" providers = [ \"box\" ] senders = [ \"texts.example\" ]"},
};

START_TEST(reload_without_a_place)
{
    struct client client;
    char to[512];
    bool hash = strstr(places[_i].to, "password") != NULL; /* … = acme-sms's */
    snprintf(to, sizeof(to), "%s%s%s", places[_i].to, hash ? hash_of("acme-sms") : "",
             hash ? "\"" : "");
    bound(&client, SMPP_BIND_TRANSCEIVER);
    say_submit(&client, 2, "33612345678");
    stage_reload(places[_i].from, to);
    expect_silence(&client); /* something is under way */
    say_submit(&client, 3, "33612345678");
    expect(&client, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_RSYSERR, 3);
    ck_assert_uint_eq(stage.n_staged, 1);
    stage_deliver("acme-lan", SMS_INBOUND_REPORT, 0);
    stage_turn(&client);
    ck_assert_uint_eq(stage.later, 1);
    stage_reload("BETA", "Beta"); /* one more changes nothing */
    stage_reply(0, SMS_END_ACCEPTED, 0);
    stage_turn(&client);
    expect_id(&client, SMPP_SUBMIT_SM, 2, stage.staged[0].ref);
    expect_unbind(&client, 2); /* the delivery that was not said had the first */
    client_free(&client);
    expect_nobody();
}
END_TEST

/* Another password means another bind; so does a listener that takes none in clear any more. */
START_TEST(reload_and_passwords)
{
    char before[512], after[512];
    struct client client;
    str_copy(before, sizeof(before), hash_of("acme-sms"));
    str_copy(after, sizeof(after), before);
    char *last = after + strlen(after) - 1;
    *last = *last == '0' ? '1' : '0';
    stage.hold_passwords = _i == 2;
    client_connect(&client, "plain", "192.0.2.1");
    say_bind(&client, SMPP_BIND_TRANSCEIVER, 1, "acme-sms", "secret");
    if (_i != 2) {
        stage_settle_passwords(&client);
        expect(&client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_ROK, 1);
    }
    if (_i == 0)
        stage_reload("plain_passwords = true", "");
    else
        stage_reload(before, _i == 3 ? before : after);
    if (_i == 2) { /* it changed while it was looked at */
        ck_assert(stage_release_passwords());
        stage_turn(&client);
        expect(&client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_ROK, 1);
    }
    stage_turn(&client);
    if (_i == 3)
        expect_silence(&client);
    else
        expect_unbind(&client, 1);
    client_free(&client);
    expect_nobody();
}
END_TEST

/* Who connected before and binds after does so under the new one. */
START_TEST(reload_before_a_bind)
{
    struct client client;
    client_connect(&client, "plain", "192.0.2.10");
    stage_reload("acme-lan", "acme-van");
    say_bind(&client, SMPP_BIND_TRANSCEIVER, 1, "acme-van", "");
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_ROK, 1);
    client_free(&client);
    client_connect(&client, "plain", "192.0.2.10");
    stage_reload("127.0.0.1:2775", "127.0.0.1:2785");
    say_bind(&client, SMPP_BIND_TRANSCEIVER, 1, "acme-lan", "");
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), SMPP_RBINDFAIL, 1);
    expect_end(&client);
    client_free(&client);
    expect_nobody();
}
END_TEST

Suite *terms_suite(void)
{
    Suite *suite = suite_create("terms");
    TCase *cases = tcase_create("terms");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, stage_make, stage_free);
    tcase_add_test(cases, canned_texts);
    tcase_add_test(cases, passwords_in_clear);
    tcase_add_test(cases, reload_reaches_the_bound);
    tcase_add_loop_test(cases, reload_without_a_place, 0,
                        (int)(sizeof(places) / sizeof(places[0])));
    tcase_add_loop_test(cases, reload_and_passwords, 0, 4);
    tcase_add_test(cases, reload_before_a_bind);
    suite_add_tcase(suite, cases);
    return suite;
}
