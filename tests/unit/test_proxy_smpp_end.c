/* SPDX-License-Identifier: Apache-2.0 */
/* How sessions end: in order, with messages under way, and when the gate goes. */
#include "tests/unit/test_proxy_smpp_parts.h"

#include <sys/socket.h>

START_TEST(unbind_waits_for_answers)
{
    struct client client;
    bound(&client, SMPP_BIND_TRANSCEIVER);
    say_submit(&client, 2, "33612345678");
    say_submit(&client, 3, "33612345678");
    say_header(&client, SMPP_UNBIND, 0, 4);
    say_submit(&client, 5, "33612345678");
    expect(&client, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_RINVBNDSTS, 5);
    say_header(&client, SMPP_UNBIND, 0, 6);
    expect(&client, SMPP_RESP(SMPP_UNBIND), SMPP_RINVBNDSTS, 6);
    say_header(&client, SMPP_ENQUIRE_LINK, 0, 7);
    expect(&client, SMPP_RESP(SMPP_ENQUIRE_LINK), SMPP_ROK, 7);
    ck_assert_uint_eq(binds_count(stage.gate.binds, "acme-lan"), 0);
    stage_advance(&client, 3600 * CLOCK_SECOND); /* others have the deadlines */
    stage_reply(1, SMS_END_BLOCKED, 0);
    stage_turn(&client);
    expect(&client, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_RSUBMITFAIL, 3);
    expect_silence(&client);
    stage_reply(0, SMS_END_ACCEPTED, 0);
    stage_turn(&client);
    expect_id(&client, SMPP_SUBMIT_SM, 2, stage.staged[0].ref);
    expect(&client, SMPP_RESP(SMPP_UNBIND), SMPP_ROK, 4);
    expect_end(&client);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(half_closed_is_answered)
{
    struct client client;
    bound(&client, SMPP_BIND_TRANSCEIVER);
    say_submit(&client, 2, "33612345678");
    ck_assert_int_eq(shutdown(client.fd, SHUT_WR), 0);
    expect_silence(&client);
    ck_assert_uint_eq(binds_count(stage.gate.binds, "acme-lan"), 0); /* it could not answer */
    stage_advance(&client, 3600 * CLOCK_SECOND);
    expect_silence(&client);
    stage_reply(0, SMS_END_ACCEPTED, 0);
    stage_turn(&client);
    expect_id(&client, SMPP_SUBMIT_SM, 2, stage.staged[0].ref);
    expect_end(&client);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(draining)
{
    struct client busy, idle, unbound;
    bound(&busy, SMPP_BIND_TRANSMITTER);
    bound(&idle, SMPP_BIND_TRANSCEIVER);
    client_connect(&unbound, "plain", "192.0.2.1");
    say_submit(&busy, 2, "33612345678");
    smpp_drain(&stage.lane);
    stage_turn(&idle);
    expect(&idle, SMPP_UNBIND, 0, 1);
    say_header(&idle, SMPP_RESP(SMPP_UNBIND), 0, 1);
    expect_end(&idle);
    expect_end(&unbound);
    say_submit(&busy, 3, "33612345678");
    expect(&busy, SMPP_RESP(SMPP_SUBMIT_SM), SMPP_RSYSERR, 3);
    ck_assert_uint_eq(stage.n_staged, 1);
    stage_reply(0, SMS_END_ACCEPTED, 0);
    stage_turn(&busy);
    expect_id(&busy, SMPP_SUBMIT_SM, 2, stage.staged[0].ref);
    expect(&busy, SMPP_UNBIND, 0, 1);
    if (_i == 0) {
        stage_advance(&busy, 5 * CLOCK_SECOND); /* it does not answer */
    } else if (_i == 1) {
        say_header(&busy, SMPP_UNBIND, 0, 9); /* the two cross */
        expect(&busy, SMPP_RESP(SMPP_UNBIND), SMPP_ROK, 9);
    } else {
        say_header(&busy, (uint32_t)SMPP_GENERIC_NACK, SMPP_RINVCMDID, 1);
    }
    expect_end(&busy);
    client_connect(&unbound, "plain", "192.0.2.1"); /* the listener is on its way out */
    expect_end(&unbound);
    client_free(&busy);
    client_free(&idle);
    client_free(&unbound);
    expect_nobody();
}
END_TEST

START_TEST(draining_during_a_login)
{
    struct client client;
    stage.hold_passwords = true;
    client_connect(&client, "plain", "192.0.2.1");
    say_bind(&client, SMPP_BIND_TRANSCEIVER, 1, "acme-sms", _i == 0 ? "secret" : "wrong");
    smpp_drain(&stage.lane);
    expect_silence(&client);
    ck_assert(stage_release_passwords());
    stage_turn(&client);
    expect(&client, SMPP_RESP(SMPP_BIND_TRANSCEIVER), _i == 0 ? SMPP_ROK : SMPP_RBINDFAIL, 1);
    if (_i == 0) {
        expect(&client, SMPP_UNBIND, 0, 1);
        say_header(&client, SMPP_RESP(SMPP_UNBIND), 0, 1);
    }
    expect_end(&client);
    client_free(&client);
    expect_nobody();
}
END_TEST

/* A submission that was on its way when the gate said unbind may be sent again; it is no mistake.
 */
START_TEST(submissions_cross_our_unbind)
{
    static const uint32_t binds[] = {SMPP_BIND_TRANSMITTER, SMPP_BIND_TRANSCEIVER,
                                     SMPP_BIND_RECEIVER};
    uint32_t status = binds[_i] == SMPP_BIND_RECEIVER ? SMPP_RINVBNDSTS : SMPP_RSYSERR;
    struct client client;
    bound(&client, binds[_i]);
    smpp_drain(&stage.lane);
    stage_turn(&client);
    expect(&client, SMPP_UNBIND, 0, 1);
    uint32_t n = status == SMPP_RSYSERR ? 50 : 3; /* of mistakes, 20 would be the end */
    for (uint32_t i = 0; i < n; i++) {
        say_submit(&client, 10 + i, "33612345678");
        expect(&client, SMPP_RESP(SMPP_SUBMIT_SM), status, 10 + i);
    }
    say_multi(&client, 98, (const char *const[]){"33612345678"}, 1);
    expect(&client, SMPP_RESP(SMPP_SUBMIT_MULTI), status, 98);
    ck_assert_uint_eq(stage.n_staged, 0);
    ck_assert_uint_eq(client.session->errors, status == SMPP_RSYSERR ? 0 : 4);
    say_header(&client, SMPP_UNBIND, 0, 99); /* behind its own unbind there is nothing to say */
    expect(&client, SMPP_RESP(SMPP_UNBIND), SMPP_ROK, 99);
    expect_end(&client);
    client_free(&client);
    expect_nobody();
}
END_TEST

/* Memory is too short for the answer to a submission that was over at once. */
START_TEST(no_memory_for_the_answer)
{
    static const char *const lists[] = {"@a", "@b"};
    struct client client;
    bound(&client, SMPP_BIND_TRANSMITTER);
    ck_assert_int_eq(evbuffer_freeze(connection_output(client.session->connection), 0), 0);
    say_multi(&client, 2, lists, 2);
    expect_end(&client);
    client_free(&client);
    expect_nobody();
}
END_TEST

START_TEST(ends_leave_nothing)
{
    /* Aborted with messages under way: their replies find nobody. */
    struct client client;
    bound(&client, SMPP_BIND_TRANSCEIVER);
    say_submit(&client, 2, "33612345678");
    say_multi(&client, 3, (const char *const[]){"33612345678", "33612345679"}, 2);
    ck_assert_uint_eq(stage.n_staged, 3);
    stage.lane.ending = true;
    smpp_abort_all(&stage.lane);
    expect_end(&client);
    expect_nobody();
    for (size_t i = 0; i < 3; i++)
        stage_reply(i, SMS_END_UNABLE, 0);
    client_free(&client);
    /* The same for a session whose connection broke before. */
    stage.lane.ending = false;
    bound(&client, SMPP_BIND_TRANSCEIVER);
    say_submit(&client, 2, "33612345678");
    cut(&client);
    ck_assert_uint_eq(atomic_load(&stage.gate.sessions), 0);
    ck_assert_uint_eq(ticket_count(stage.lane.binds), 1);
    smpp_abort_all(&stage.lane);
    expect_nobody();
    stage_reply(3, SMS_END_UNABLE, 0);
    client_free(&client);
}
END_TEST

Suite *end_suite(void)
{
    Suite *suite = suite_create("end");
    TCase *cases = tcase_create("end");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, stage_make, stage_free);
    tcase_add_test(cases, unbind_waits_for_answers);
    tcase_add_test(cases, half_closed_is_answered);
    tcase_add_loop_test(cases, draining, 0, 3);
    tcase_add_loop_test(cases, draining_during_a_login, 0, 2);
    tcase_add_loop_test(cases, submissions_cross_our_unbind, 0, 3);
    tcase_add_test(cases, no_memory_for_the_answer);
    tcase_add_test(cases, ends_leave_nothing);
    suite_add_tcase(suite, cases);
    return suite;
}
