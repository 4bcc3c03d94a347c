/* SPDX-License-Identifier: Apache-2.0 */
/* Modes, rules, and what is no message. */
#include "tests/unit/test_proxy_flight_stage.h"

#include "base/clock.h"

#include <string.h>

START_TEST(modes)
{
    begin((struct setup){.mode = "discard"});
    stage.consents = false;
    submit_usual();
    ck_assert_str_eq(stage.rows[0], "block NO_CONSENT discarded sms -");
    sync_rows(RESULT_OK);
    ck_assert_int_eq(stage.end, SMS_END_ACCEPTED);
    ck_assert_uint_eq(stage.n_asked, 0);
    ck_assert_uint_eq(stage.parts, 1);
    finish();

    begin((struct setup){.mode = "observe"});
    stage.consents = false;
    submit_usual();
    ck_assert_str_eq(stage.rows[0], "block NO_CONSENT passed sms first");
    sync_rows(RESULT_OK);
    provider_says(&taken);
    ck_assert_int_eq(stage.end, SMS_END_ACCEPTED);
    finish();

    begin((struct setup){.mode = "observe"});
    stage.withdrawn = true;
    submit_usual();
    sync_rows(RESULT_OK);
    ck_assert_int_eq(stage.end, SMS_END_BLOCKED);
    finish();
}
END_TEST

START_TEST(outside_hours)
{
    begin((struct setup){.policy = "hours = [ \"00:00-00:01\" ] days = \"mon\""});
    submit_usual();
    ck_assert_str_eq(stage.rows[0], "defer OUTSIDE_HOURS deferred sms -");
    sync_rows(RESULT_OK);
    ck_assert_int_eq(stage.end, SMS_END_DEFERRED);
    ck_assert_int_gt(stage.retry_after, 0);
    ck_assert_int_le(stage.retry_after, 15 * CLOCK_DAY);
    finish();
}
END_TEST

static const struct {
    const char *to;
    bool international;
    const char *e164; /* NULL: it is none */
} numbers[] = {
    {"0612345678", false, "+33612345678"},
    {"+33612345678", false, "+33612345678"},
    {"33612345678", true, "+33612345678"},
    {"33612345678", false, "+33612345678"},
    {"0033612345678", false, "+33612345678"},
    {"06 12 34 56 78", false, "+33612345678"},
    {"0692123456", false, "+262692123456"},
    {"262692123456", true, "+262692123456"},
    {"4915112345678", false, "+4915112345678"},
    {"12345", false, NULL},
    {"", false, NULL},
    {"ACME", false, NULL},
    {"33612345678x", true, NULL},
};

START_TEST(destinations)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        begin((struct setup){0});
        struct sms_submission submission = usual();
        submission.to = numbers[i].to;
        submission.to_international = numbers[i].international;
        submit(&submission);
        if (numbers[i].e164 == NULL) {
            ck_assert_int_eq(stage.end, SMS_END_BAD_NUMBER);
            ck_assert_uint_eq(stage.n_rows, 0);
        } else {
            sync_rows(RESULT_OK);
            ck_assert_ptr_nonnull(strstr(stage.asked[0], numbers[i].e164));
            provider_says(&taken);
            ck_assert_str_eq(stage.to, numbers[i].e164);
        }
        finish();
    }
}
END_TEST

START_TEST(senders)
{
    static const struct {
        const char *sender, *row, *asked;
    } rows[] = {
        {"ACME", "pass CONSENT passed sms first", "first sender=ACME/5"},
        {"36180", "pass CONSENT passed sms first", "first sender=36180/"},
        {"", "pass CONSENT passed sms first", "first sender=ACME/5"}, /* the stream's first */
        {"acme", "block SENDER_NOT_ALLOWED refused sms -", NULL},
        {"OTHER", "block SENDER_NOT_ALLOWED refused sms -", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin((struct setup){0});
        struct sms_submission submission = usual();
        submission.sender = rows[i].sender;
        submit(&submission);
        ck_assert_str_eq(stage.rows[0], rows[i].row);
        sync_rows(RESULT_OK);
        if (rows[i].asked != NULL) {
            ck_assert_int_eq(strncmp(stage.asked[0], rows[i].asked, strlen(rows[i].asked)), 0);
            provider_says(&taken);
        }
        finish();
    }
}
END_TEST

START_TEST(never_later)
{
    static const char *const classes[] = {"prospecting", "service"};
    for (size_t i = 0; i < 2; i++) {
        begin((struct setup){.class = classes[i]});
        struct sms_submission submission = usual();
        submission.scheduled = true;
        submit(&submission);
        ck_assert_int_eq(stage.end, SMS_END_BAD_SCHEDULE);
        ck_assert_uint_eq(stage.n_rows, 0);
        ck_assert_uint_eq(stage.n_asked, 0);
        finish();
    }
}
END_TEST

START_TEST(over_the_rate)
{
    begin((struct setup){.rate = 1});
    submit_usual();
    submit_usual();
    ck_assert_int_eq(stage.end, SMS_END_OVER_RATE);
    ck_assert_int_gt(stage.retry_after, 0);
    ck_assert_uint_eq(stage.n_rows, 1);
    sync_rows(RESULT_OK);
    provider_says(&taken);
    finish();
}
END_TEST

Suite *flight_rules_suite(void)
{
    const TTest *const tests[] = {modes,       outside_hours, destinations, senders,
                                  never_later, over_the_rate, NULL};
    return unit_suite("rules", tests);
}
