/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message's flight: what is asked when, and that nothing is said or sent before what must be
 * durable is. Its suites, and the order of things.
 */
#include "tests/unit/test_proxy_flight_stage.h"

#include <string.h>

/* ---- the order of things ---- */

START_TEST(passes)
{
    begin((struct setup){0});
    submit_usual();
    ck_assert_str_eq(stage.rows[0], "pass CONSENT passed sms first");
    ck_assert_uint_eq(stage.n_asked, 0); /* not before the row is durable */
    sync_rows(RESULT_OK);
    ck_assert_str_eq(stage.asked[0], "first sender=ACME/5 to=+33612345678 text=Corse. STOP 36111 "
                                     "report=0 prospecting=1");
    ck_assert_uint_eq(stage.replies, 0); /* not before the provider took it */
    provider_says(&taken);
    ck_assert_uint_eq(stage.replies, 1);
    ck_assert_int_eq(stage.end, SMS_END_ACCEPTED);
    ck_assert_str_eq(stage.provider_id, "p1");
    ck_assert_uint_eq(stage.parts, 1);
    ck_assert_str_eq(stage.rows[1], "accepted passed first p1 -");
    ck_assert_uint_eq(stage.n_waiting, 0);
    ck_assert_uint_eq(stage.notes, 0);
    finish();
}
END_TEST

START_TEST(blocked)
{
    begin((struct setup){0});
    stage.consents = false;
    submit_usual();
    ck_assert_str_eq(stage.rows[0], "block NO_CONSENT refused sms -");
    ck_assert_uint_eq(stage.replies, 0); /* not before the row is durable */
    sync_rows(RESULT_OK);
    ck_assert_int_eq(stage.end, SMS_END_BLOCKED);
    ck_assert_int_eq(stage.reason, REASON_NO_CONSENT);
    ck_assert_uint_gt(strlen(stage.ref), 0);
    ck_assert_uint_eq(stage.n_asked, 0);
    finish();
}
END_TEST

START_TEST(journal_fails)
{
    for (int consents = 0; consents < 2; consents++) {
        begin((struct setup){0});
        stage.consents = consents == 1;
        submit_usual();
        sync_rows(RESULT_UNAVAILABLE);
        ck_assert_int_eq(stage.end, SMS_END_UNABLE);
        ck_assert_uint_eq(stage.n_asked, 0);
        finish();
    }
}
END_TEST

START_TEST(registry_fails)
{
    begin((struct setup){0});
    stage.registry_fails = true;
    submit_usual();
    ck_assert_str_eq(stage.rows[0], "defer UNABLE deferred sms -");
    sync_rows(RESULT_OK);
    ck_assert_int_eq(stage.end, SMS_END_UNABLE);
    ck_assert_uint_eq(stage.n_asked, 0);
    finish();
}
END_TEST

/* A report that is wanted must find its message: the row with the provider's id comes first. */
START_TEST(report)
{
    for (int durable = 0; durable < 2; durable++) {
        begin((struct setup){0});
        struct sms_submission submission = usual();
        submission.report = true;
        submit(&submission);
        sync_rows(RESULT_OK);
        provider_says(&taken);
        ck_assert_uint_eq(stage.replies, 0);
        ck_assert_uint_eq(stage.notes, 0);
        sync_rows(durable ? RESULT_OK : RESULT_UNAVAILABLE);
        /* It has left: to call that a failure would send it twice. The row is tried again. */
        ck_assert_int_eq(stage.end, SMS_END_ACCEPTED);
        ck_assert_uint_eq(stage.notes, 1);
        ck_assert_uint_eq(stage.n_rows, durable ? 2 : 3);
        ck_assert_str_eq(stage.rows[stage.n_rows - 1], "accepted passed first p1 -");
        finish();
    }
}
END_TEST

/* ---- the end ---- */

START_TEST(given_up)
{
    begin((struct setup){0});
    submit_usual();
    sync_rows(RESULT_OK); /* the first is with the provider, */
    submit_usual();       /* the second waits for its row */
    ck_assert_uint_eq(sms_in_flight(&stage.lane), 2);
    sms_abort_all(&stage.lane);
    loop_turn(stage.loop);
    ck_assert_uint_eq(stage.abandoned, 1);
    ck_assert_uint_eq(stage.replies, 2);
    ck_assert_int_eq(stage.end, SMS_END_UNABLE);
    ck_assert_str_eq(stage.rows[2], "unknown passed first - the gateway ended");
    ck_assert_str_eq(stage.rows[3], "null abandoned first - the gateway ended");
    /* What comes late is nobody's any more. */
    sync_rows(RESULT_OK);
    provider_says(&taken);
    ck_assert_uint_eq(stage.replies, 2);
    ck_assert_uint_eq(stage.n_rows, 4);
    finish();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {passes, blocked,  journal_fails, registry_fails,
                                  report, given_up, NULL};
    Suite *const suites[] = {unit_suite("flight", tests), flight_answers_suite(),
                             flight_rules_suite(), flight_parts_suite(), NULL};
    return unit_run(suites);
}
