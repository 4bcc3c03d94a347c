/* SPDX-License-Identifier: Apache-2.0 */
/* What providers say, and which of them is asked. */
#include "tests/unit/test_proxy_flight_stage.h"

#include <string.h>

static const struct {
    struct sms_answer answer;
    enum sms_end end;
    const char *row;
    uint32_t smpp;
} answers[] = {
    {{.outcome = OUTCOME_REFUSED,
      .refusal = SMS_REFUSED_FOR_GOOD,
      .id = "",
      .smpp_status = SMPP_RINVSRCADR,
      .text = "no"},
     SMS_END_REFUSED,
     "refused passed first - no",
     SMPP_RINVSRCADR},
    {{.outcome = OUTCOME_REFUSED,
      .refusal = SMS_REFUSED_FOR_GOOD,
      .id = "",
      .smpp_status = 0,
      .text = "no +33612345678"},
     SMS_END_REFUSED,
     "refused passed first - no +[…]",
     SMPP_RSUBMITFAIL},
    {{.outcome = OUTCOME_REFUSED,
      .refusal = SMS_REFUSED_NUMBER,
      .id = "",
      .smpp_status = SMPP_RINVDSTADR,
      .text = "number"},
     SMS_END_REFUSED,
     "refused passed first - number",
     SMPP_RINVDSTADR},
    {{.outcome = OUTCOME_REFUSED,
      .refusal = SMS_REFUSED_FOR_NOW,
      .id = "",
      .smpp_status = SMPP_RTHROTTLED,
      .text = "slow"},
     SMS_END_BUSY,
     "refused passed first - slow",
     SMPP_RTHROTTLED},
    {{.outcome = OUTCOME_REFUSED,
      .refusal = SMS_REFUSED_FOR_NOW,
      .id = "",
      .smpp_status = SMPP_RSYSERR,
      .text = "ill"},
     SMS_END_BUSY,
     "refused passed first - ill",
     SMPP_RSYSERR},
    {{.outcome = OUTCOME_UNKNOWN, .id = "", .smpp_status = 0, .text = "lost"},
     SMS_END_LOST,
     "unknown passed first - lost",
     SMPP_RSYSERR},
};

START_TEST(provider_answers)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        begin((struct setup){0});
        submit_usual();
        sync_rows(RESULT_OK);
        provider_says(&answers[i].answer);
        ck_assert_int_eq(stage.end, answers[i].end);
        ck_assert_str_eq(stage.rows[1], answers[i].row);
        const struct sms_reply reply = {.end = stage.end,
                                        .smpp_status = answers[i].answer.smpp_status};
        ck_assert_uint_eq(sms_smpp_status(&reply, SMPP_RSUBMITFAIL), answers[i].smpp);
        ck_assert_uint_eq(stage.n_asked, 1); /* who was told something is the only one asked */
        finish();
    }
}
END_TEST

START_TEST(opted_out)
{
    begin((struct setup){0});
    submit_usual();
    sync_rows(RESULT_OK);
    provider_says(&(struct sms_answer){
        .outcome = OUTCOME_REFUSED, .refusal = SMS_REFUSED_OPTED_OUT, .id = "", .text = "21610"});
    ck_assert_int_eq(stage.end, SMS_END_BLOCKED);
    ck_assert_int_eq(stage.reason, REASON_WITHDRAWN);
    ck_assert_uint_eq(stage.opted_out, 1);
    finish();
}
END_TEST

START_TEST(next_provider)
{
    static const struct sms_answer none = {.outcome = OUTCOME_NONE, .id = "", .text = "away"};
    begin((struct setup){0});
    submit_usual();
    sync_rows(RESULT_OK);
    provider_says(&none);
    ck_assert_int_eq(strncmp(stage.asked[1], "second ", 7), 0);
    ck_assert_uint_eq(stage.replies, 0);
    provider_says(&none);
    ck_assert_int_eq(stage.end, SMS_END_BUSY);
    ck_assert_str_eq(stage.rows[1], "null deferred second - away");
    finish();
}
END_TEST

/* Whose form of message it is not is no reason to refuse it as long as another may carry it, now
 * or later. */
START_TEST(cannot_carry)
{
    static const struct sms_answer away = {.outcome = OUTCOME_NONE, .id = "", .text = "away"};
    static const struct sms_answer form = {.outcome = OUTCOME_REFUSED,
                                           .id = "",
                                           .cannot_carry = true,
                                           .smpp_status = SMPP_RINVESMCLASS,
                                           .text = "whole texts only"};
    static const struct {
        const struct sms_answer *first, *second;
        enum sms_end end;
        const char *row;
    } rows[] = {
        {&away, &form, SMS_END_BUSY, "null deferred second - whole texts only"},
        {&form, &away, SMS_END_BUSY, "null deferred second - away"},
        {&form, &form, SMS_END_REFUSED, "refused passed second - whole texts only"},
        {&form, &taken, SMS_END_ACCEPTED, "accepted passed second p1 -"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin((struct setup){0});
        submit_usual();
        sync_rows(RESULT_OK);
        provider_says(rows[i].first);
        ck_assert_uint_eq(stage.replies, 0);
        ck_assert_int_eq(strncmp(stage.asked[1], "second ", 7), 0);
        provider_says(rows[i].second);
        ck_assert_int_eq(stage.end, rows[i].end);
        ck_assert_str_eq(stage.rows[1], rows[i].row);
        finish();
    }
}
END_TEST

Suite *flight_answers_suite(void)
{
    const TTest *const tests[] = {provider_answers, opted_out, next_provider, cannot_carry, NULL};
    return unit_suite("answers", tests);
}
