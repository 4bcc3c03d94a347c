/* SPDX-License-Identifier: Apache-2.0 */
/* What depends on the account's terms and on the listener's: texts that were not judged, passwords
 * in clear, and a configuration that changes under a session. */
#include "tests/unit/test_proxy_smpp_parts.h"

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

Suite *terms_suite(void)
{
    Suite *suite = suite_create("terms");
    TCase *cases = tcase_create("terms");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, stage_make, stage_free);
    tcase_add_test(cases, canned_texts);
    tcase_add_test(cases, passwords_in_clear);
    suite_add_tcase(suite, cases);
    return suite;
}
