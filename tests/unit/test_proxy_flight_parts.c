/* SPDX-License-Identifier: Apache-2.0 */
/* The STOP mention, and the parts of a message. */
#include "tests/unit/test_proxy_flight_stage.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void submit_raw(uint8_t esm_class, const char *bytes, size_t length, struct smpp_span tlvs)
{
    const struct sms_raw raw = {
        .esm_class = esm_class,
        .service_type = "",
        .schedule = "",
        .validity = "",
        .body = {(const uint8_t *)bytes, length},
        .tlvs = tlvs,
    };
    struct sms_submission submission = usual();
    submission.text = NULL;
    submission.raw = &raw;
    submit(&submission);
}

static void submit_bytes(uint8_t esm_class, const char *bytes, size_t length)
{
    submit_raw(esm_class, bytes, length, (struct smpp_span){0});
}

/* A part that only SAR TLVs call one. */
static void submit_sar(uint8_t total, uint8_t number, const char *text)
{
    const uint8_t tlvs[] = {0x02, 0x0c, 0,     2,    0,    0x42, 0x02, 0x0e,
                            0,    1,    total, 0x02, 0x0f, 0,    1,    number};
    submit_raw(0, text, strlen(text), (struct smpp_span){tlvs, sizeof(tlvs)});
}

/* A part by its header. */
static void submit_part(uint8_t reference, uint8_t total, uint8_t number, const char *text)
{
    char bytes[64];
    const uint8_t header[] = {5, 0, 3, reference, total, number};
    memcpy(bytes, header, sizeof(header));
    memcpy(bytes + sizeof(header), text, strlen(text));
    submit_bytes(SMPP_ESM_UDHI, bytes, sizeof(header) + strlen(text));
}

static void expect_row(const char *row)
{
    ck_assert_str_eq(stage.rows[stage.n_rows - 1], row);
    sync_rows(RESULT_OK);
    if (stage.job.open)
        provider_says(&taken);
}

START_TEST(stop_mention)
{
    begin((struct setup){.policy = "stop_mention = \"require\""});
    struct sms_submission submission = usual();
    submission.text = "Corse";
    submit(&submission);
    expect_row("block STOP_MISSING refused sms -");
    submit_bytes(0, "Corse", 5);
    expect_row("block STOP_MISSING refused sms -");
    submit_bytes(0, "Corse STOP 36111", 16);
    ck_assert_str_eq(stage.rows[stage.n_rows - 1], "pass CONSENT passed sms first");
    expect_row("pass CONSENT passed sms first");
    finish();
}
END_TEST

#define PART(number, text) "\x05\x00\x03\x42\x02" number text, (sizeof(text) - 1 + 6)

/* The mention is looked for in the last part, with the end of the one before. */
START_TEST(stop_mention_in_parts)
{
    begin((struct setup){.policy = "stop_mention = \"require\""});
    submit_bytes(SMPP_ESM_UDHI, PART("\x01", "Corse ST"));
    expect_row("pass CONSENT passed sms first");
    submit_bytes(SMPP_ESM_UDHI, PART("\x02", "OP 36111"));
    expect_row("pass CONSENT passed sms first");
    submit_bytes(SMPP_ESM_UDHI, PART("\x01", "Corse"));
    expect_row("pass CONSENT passed sms first");
    submit_bytes(SMPP_ESM_UDHI, PART("\x02", " encore"));
    expect_row("block STOP_MISSING refused sms -");
    finish();
}
END_TEST

START_TEST(parts_share_a_verdict)
{
    begin((struct setup){0});
    stage.consents = false;
    submit_bytes(SMPP_ESM_UDHI, PART("\x01", "a"));
    expect_row("block NO_CONSENT refused sms -");
    stage.consents = true; /* meanwhile: half a message is no message */
    submit_bytes(SMPP_ESM_UDHI, PART("\x02", "b"));
    expect_row("block NO_CONSENT refused sms -");
    submit_bytes(SMPP_ESM_UDHI, PART("\x01", "a")); /* seen before: another message */
    expect_row("pass CONSENT passed sms first");
    stage.withdrawn = true; /* a no counts from the next part on */
    submit_bytes(SMPP_ESM_UDHI, PART("\x02", "b"));
    expect_row("block WITHDRAWN refused sms -");
    finish();
}
END_TEST

/* SAR TLVs are advice: whoever ignores them delivers each part as a message. */
START_TEST(stop_mention_with_sar)
{
    begin((struct setup){.policy = "stop_mention = \"require\""});
    submit_sar(2, 1, "Corse");
    expect_row("block STOP_MISSING refused sms -");
    submit_sar(2, 1, "Corse STOP 36111");
    expect_row("pass CONSENT passed sms first");
    submit_sar(2, 2, "encore"); /* the mention before does not count for it */
    expect_row("block STOP_MISSING refused sms -");
    submit_sar(2, 1, "Corse STO");
    expect_row("block STOP_MISSING refused sms -");
    submit_sar(2, 2, "P 36111");
    expect_row("block STOP_MISSING refused sms -");
    finish();
}
END_TEST

/* The hour strikes between the parts: a message that was begun may end, within reason. */
START_TEST(hour_between_parts)
{
    static const struct {
        uint8_t total;
        bool sar, carried;
    } rows[] = {{2, false, true}, {10, false, true}, {11, false, false}, {2, true, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin((struct setup){.policy = "hours = [ \"00:00-00:01\" ] days = \"mon\""});
        struct channel_policy *policy = &stage.config->policies[CHANNEL_SMS];
        struct opening *closed = policy->hours;
        size_t n_closed = policy->n_hours;
        policy->hours = NULL;
        policy->n_hours = 0;
        for (uint8_t part = 1; part <= 2; part++) {
            if (rows[i].sar)
                submit_sar(rows[i].total, part, "a");
            else
                submit_part(0x42, rows[i].total, part, "a");
            policy->hours = closed;
            policy->n_hours = n_closed;
            expect_row(part == 1 || rows[i].carried ? "pass CONSENT passed sms first"
                                                    : "defer OUTSIDE_HOURS deferred sms -");
        }
        finish();
    }
}
END_TEST

/* Of a message whose last part never comes nothing was looked at: the log says so, not each time.
 */
START_TEST(last_part_never_comes)
{
    for (int required = 0; required < 2; required++) {
        begin((struct setup){.policy = required ? "stop_mention = \"require\"" : ""});
        char path[128], log[4096];
        snprintf(path, sizeof(path), "%s/log", stage.folder);
        int before = dup(STDERR_FILENO);
        int file = open(path, O_RDWR | O_CREAT, 0600);
        ck_assert_int_eq(dup2(file, STDERR_FILENO), STDERR_FILENO);
        for (int i = 0; i < 5; i++) /* the same reference again and again: four that never ended */
            submit_part(0x42, 2, 1, "Corse");
        submit_part(0x42, 2, 2, " STOP 36111");
        submit_part(0x42, 2, 1, "Corse"); /* after one that did */
        ck_assert_int_eq(dup2(before, STDERR_FILENO), STDERR_FILENO);
        close(before);
        ssize_t n = pread(file, log, sizeof(log) - 1, 0);
        ck_assert_int_ge(n, 0);
        log[n] = '\0';
        close(file);
        const char *line = strstr(log, "expired without their last part\" partner=acme count=1");
        ck_assert_int_eq(line != NULL, required);
        if (line != NULL)
            ck_assert_ptr_null(strstr(line + 1, "expired"));
        sync_rows(RESULT_OK);
        sms_abort_all(&stage.lane);
        finish();
    }
}
END_TEST

Suite *flight_parts_suite(void)
{
    const TTest *const tests[] = {stop_mention,
                                  stop_mention_in_parts,
                                  parts_share_a_verdict,
                                  stop_mention_with_sar,
                                  hour_between_parts,
                                  last_part_never_comes,
                                  NULL};
    return unit_suite("parts", tests);
}
