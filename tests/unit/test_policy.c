/* SPDX-License-Identifier: Apache-2.0 */
/* What the golden cases do not say: words, addresses and masks, senders, calendar, effects. */
#include "base/clock.h"
#include "base/str.h"
#include "policy/calendar.h"
#include "policy/judge.h"
#include "policy/partner.h"
#include "policy/recipient.h"
#include "tests/unit/test_policy_parts.h"

#include <stdio.h>
#include <string.h>

#define SPELLINGS(type, limit, name, parse)                                             \
    for (int i = 0; i < (limit); i++) {                                                 \
        type value;                                                                     \
        ck_assert(parse(name((type)i), &value));                                        \
        ck_assert_int_eq((int)value, i);                                                \
    }                                                                                   \
    ck_assert_ptr_null(name((type)(limit)));                                            \
    {                                                                                   \
        type value = (type)1;                                                           \
        ck_assert(!parse("", &value) && !parse("nothing", &value) && value == (type)1); \
    }

START_TEST(words_are_read_as_written)
{
    SPELLINGS(enum channel, CHANNEL_COUNT, channel_name, channel_parse)
    SPELLINGS(enum purpose, PURPOSE_COUNT, purpose_name, purpose_parse)
    SPELLINGS(enum basis, BASIS_COUNT, basis_name, basis_parse)
    SPELLINGS(enum event_kind, EVENT_KIND_COUNT, event_kind_name, event_kind_parse)
    SPELLINGS(enum stream_class, CLASS_COUNT, stream_class_name, stream_class_parse)
    SPELLINGS(enum mode, MODE_COUNT, mode_name, mode_parse)
    SPELLINGS(enum verdict, VERDICT_COUNT, verdict_name, verdict_parse)
    SPELLINGS(enum reason, REASON_COUNT, reason_name, reason_parse)
    for (int i = 0; i < EFFECT_COUNT; i++)
        ck_assert_ptr_nonnull(effect_name((enum effect)i));
    ck_assert_ptr_null(outcome_name(OUTCOME_NONE));
    ck_assert_str_eq(outcome_name(OUTCOME_UNKNOWN), "unknown");
    ck_assert_str_eq(basis_name(BASIS_SOFT_OPT_IN), "soft-opt-in");
    for (int i = 0; i < REASON_COUNT; i++) {
        const char *text = reason_text((enum reason)i);
        ck_assert_ptr_nonnull(text);
        ck_assert_int_eq(text[strlen(text) - 1], '.');
    }
    enum channel channel;
    ck_assert(!channel_parse("EMAIL", &channel));
}
END_TEST

START_TEST(senders_belong_to_a_stream)
{
    const char *senders[] = {"acme.example", ".mail.acme.example"};
    const struct stream stream = {.senders = senders, .n_senders = 2};
    ck_assert(stream_allows_domain(&stream, "acme.example"));
    ck_assert(stream_allows_domain(&stream, "a.mail.acme.example"));
    ck_assert(!stream_allows_domain(&stream, "mail.acme.example"));
    ck_assert(!stream_allows_domain(&stream, ".mail.acme.example"));
    ck_assert(!stream_allows_domain(&stream, "xacme.example"));
    ck_assert(!stream_allows_domain(&stream, "acme.example.evil.example"));
    ck_assert(!stream_allows_domain(&stream, ""));
    ck_assert(stream_allows_sender_id(&stream, "acme.example"));
    ck_assert(!stream_allows_sender_id(&stream, "ACME.example"));
    ck_assert(!stream_allows_sender_id(&stream, "a.mail.acme.example"));
    ck_assert(!stream_allows_sender_id(&stream, ""));
}
END_TEST

START_TEST(policy_versions_follow_content)
{
    struct channel_policy a, b;
    struct opening hours[] = {{480, 1290}};
    const char *sectors[] = {"cpf"};
    channel_policy_default(CHANNEL_EMAIL, &a);
    channel_policy_default(CHANNEL_EMAIL, &b);
    ck_assert_uint_eq(strlen(a.version), 12);
    ck_assert_str_eq(a.version, b.version);
    ck_assert_uint_eq(a.accept, BASIS_BIT(BASIS_CONSENT));
    ck_assert_int_eq(a.stale_after.months, 36);
    ck_assert_uint_eq(a.days, 0x7f);
    ck_assert_ptr_null(a.hours);
#define CHANGES(change)                            \
    do {                                           \
        channel_policy_default(CHANNEL_EMAIL, &b); \
        change;                                    \
        channel_policy_stamp(&b);                  \
        ck_assert_str_ne(a.version, b.version);    \
    } while (0)
    CHANGES(b.channel = CHANNEL_SMS);
    CHANGES(b.accept |= BASIS_BIT(BASIS_INFORMED));
    CHANGES(b.accept_since = 1);
    CHANGES(b.partner_naming = NAMING_CATEGORY);
    CHANGES(b.partner_added_later = ADDED_LATER_PASS);
    CHANGES(b.stale_after.months = 35);
    CHANGES(b.stale_after.microseconds = 1);
    CHANGES((b.banned_sectors = sectors, b.n_banned_sectors = 1));
    CHANGES((b.hours = hours, b.n_hours = 1));
    CHANGES((b.hours = hours, b.n_hours = 0));
    CHANGES(b.days = 0x3f);
    CHANGES(b.holidays = "FR");
    CHANGES(b.timezone = "UTC");
    CHANGES(b.stop_mention = true);
    channel_policy_default(CHANNEL_POST, &b);
    ck_assert_uint_eq(b.accept, BASIS_BIT(BASIS_INFORMED) | BASIS_BIT(BASIS_CONSENT));
}
END_TEST

static int64_t at(const char *text)
{
    int64_t instant = 0;
    ck_assert_msg(clock_parse(text, strlen(text), &instant), "%s", text);
    return instant;
}

START_TEST(the_law_of_calls_has_a_date)
{
    const unsigned informed = BASIS_BIT(BASIS_INFORMED) | BASIS_BIT(BASIS_CONSENT);
    const int64_t since = at("2026-08-11T00:00:00+02:00");
    struct channel_policy policy;
    char version[sizeof(policy.version)];
    for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
        channel_policy_default((enum channel)channel, &policy);
        bool call = channel == CHANNEL_CALL;
        ck_assert_uint_eq(channel_policy_accepts(&policy, since), policy.accept);
        ck_assert_uint_eq(channel_policy_accepts(&policy, since - 1),
                          call ? informed : policy.accept);
    }
    channel_policy_default(CHANNEL_CALL, &policy);
    ck_assert_uint_eq(policy.accept, BASIS_BIT(BASIS_CONSENT));
    memcpy(version, policy.version, sizeof(version));
    channel_policy_accept(&policy, BASIS_BIT(BASIS_CONSENT));
    ck_assert_uint_eq(channel_policy_accepts(&policy, since - 1), BASIS_BIT(BASIS_CONSENT));
    channel_policy_stamp(&policy);
    ck_assert_str_ne(policy.version, version);
}
END_TEST

START_TEST(paris_follows_the_union)
{
    static const struct {
        const char *utc;
        int month, day, weekday, minute;
    } rows[] = {
        {"2026-01-01T00:00:00Z", 1, 1, 3, 60},       {"2026-03-29T00:59:59Z", 3, 29, 6, 119},
        {"2026-03-29T01:00:00Z", 3, 29, 6, 180},     {"2026-10-25T00:59:59Z", 10, 25, 6, 179},
        {"2026-10-25T01:00:00Z", 10, 25, 6, 120},    {"2024-03-31T01:00:00Z", 3, 31, 6, 180},
        {"2026-12-31T23:00:00Z", 1, 1, 4, 0},        {"2026-06-30T22:00:00Z", 7, 1, 2, 0},
        {"1999-12-31T22:59:59.9Z", 12, 31, 4, 1439},
    };
    struct local_time local;
    for (size_t i = 0; i < COUNT(rows); i++) {
        ck_assert(local_time_at("Europe/Paris", at(rows[i].utc), &local));
        ck_assert_msg(local.month == rows[i].month && local.day == rows[i].day &&
                          local.weekday == rows[i].weekday && local.minute == rows[i].minute,
                      "%s", rows[i].utc);
    }
    ck_assert(local_time_at("UTC", -1, &local));
    ck_assert_int_eq(local.year, 1969);
    ck_assert_int_eq(local.minute, 1439);
    ck_assert(!local_time_at("Europe/London", 0, &local));
    ck_assert(timezone_known("Europe/Paris") && timezone_known("UTC") && !timezone_known(""));
    ck_assert(holidays_known("FR") && holidays_known("") && !holidays_known("fr"));
}
END_TEST

START_TEST(french_holidays)
{
    static const char *const rows[] = {
        "2026-01-01",
        "2026-04-06",
        "2026-05-01",
        "2026-05-08",
        "2026-05-14",
        "2026-05-25",
        "2026-07-14",
        "2026-08-15",
        "2026-11-01",
        "2026-11-11",
        "2026-12-25",
        /* The earliest and the latest Easter of our time, and a leap year. */
        "2008-03-24",
        "2008-05-01",
        "2008-05-12",
        "2038-04-26",
        "2038-06-03",
        "2038-06-14",
        "2024-04-01",
        "2024-05-09",
        "2024-05-20",
    };
    static const char *const ordinary[] = {
        "2026-04-03", "2026-04-05", "2026-04-07", "2026-05-24", "2026-12-26", "2024-03-31",
    };
    struct local_time local = {0};
    for (size_t i = 0; i < COUNT(rows) + COUNT(ordinary); i++) {
        const char *text = i < COUNT(rows) ? rows[i] : ordinary[i - COUNT(rows)];
        ck_assert_int_eq(sscanf(text, "%d-%d-%d", &local.year, &local.month, &local.day), 3);
        ck_assert_msg(holiday_on("FR", &local) == (i < COUNT(rows)), "%s", text);
        ck_assert(!holiday_on("", &local));
    }
    /* A year has eleven, or fewer where two fall on one day (Ascension on 1 May 2008). */
    int count = 0;
    for (int day = 0; day < 365; day++) {
        ck_assert(local_time_at("UTC", at("2026-01-01T12:00:00Z") + day * CLOCK_DAY, &local));
        count += holiday_on("FR", &local);
    }
    ck_assert_int_eq(count, 11);
}
END_TEST

START_TEST(modes_make_effects)
{
    static const struct {
        enum verdict verdict;
        enum reason reason;
        enum effect enforce, observe, discard;
    } rows[] = {
        {VERDICT_PASS, REASON_CONSENT, EFFECT_PASSED, EFFECT_PASSED, EFFECT_PASSED},
        {VERDICT_BLOCK, REASON_NO_CONSENT, EFFECT_REFUSED, EFFECT_PASSED, EFFECT_DISCARDED},
        {VERDICT_BLOCK, REASON_OPTOUT_MISSING, EFFECT_REFUSED, EFFECT_PASSED, EFFECT_DISCARDED},
        {VERDICT_BLOCK, REASON_SUSPENDED, EFFECT_REFUSED, EFFECT_REFUSED, EFFECT_DISCARDED},
        {VERDICT_BLOCK, REASON_SENDER_NOT_ALLOWED, EFFECT_REFUSED, EFFECT_REFUSED,
         EFFECT_DISCARDED},
        {VERDICT_BLOCK, REASON_OBJECTED, EFFECT_REFUSED, EFFECT_REFUSED, EFFECT_DISCARDED},
        {VERDICT_BLOCK, REASON_WITHDRAWN, EFFECT_REFUSED, EFFECT_REFUSED, EFFECT_DISCARDED},
        {VERDICT_DEFER, REASON_OUTSIDE_HOURS, EFFECT_DEFERRED, EFFECT_DEFERRED, EFFECT_DEFERRED},
        {VERDICT_DEFER, REASON_UNABLE, EFFECT_DEFERRED, EFFECT_DEFERRED, EFFECT_DEFERRED},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        ck_assert_int_eq(policy_effect(MODE_ENFORCE, rows[i].verdict, rows[i].reason),
                         rows[i].enforce);
        ck_assert_int_eq(policy_effect(MODE_OBSERVE, rows[i].verdict, rows[i].reason),
                         rows[i].observe);
        ck_assert_int_eq(policy_effect(MODE_DISCARD, rows[i].verdict, rows[i].reason),
                         rows[i].discard);
    }
    int enforced = 0;
    for (int i = 0; i < REASON_COUNT; i++)
        enforced += reason_always_enforced((enum reason)i);
    ck_assert_int_eq(enforced, 4);
}
END_TEST

#define ANY REASON_CONSENT /* stands for: the content holds */

START_TEST(a_way_out_is_added_where_there_is_room)
{
    const char *own[] = {"acme.example"};
    const struct {
        enum stream_class class;
        enum unsubscribe_existing existing;
        bool taken, uri, post;
        enum reason reason;
    } rows[] = {
        {CLASS_PROSPECTING, EXISTING_REFUSE, false, false, false, ANY},
        {CLASS_PROSPECTING, EXISTING_LEAVE, false, false, false, ANY},
        {CLASS_PROSPECTING, EXISTING_REFUSE, true, true, true, REASON_MALFORMED},
        {CLASS_PROSPECTING, EXISTING_REFUSE, true, false, false, REASON_MALFORMED},
        {CLASS_PROSPECTING, EXISTING_LEAVE, true, true, true, ANY},
        {CLASS_PROSPECTING, EXISTING_LEAVE, true, true, false, REASON_OPTOUT_MISSING},
        {CLASS_PROSPECTING, EXISTING_LEAVE, true, false, true, REASON_OPTOUT_MISSING},
        {CLASS_PROSPECTING, EXISTING_LEAVE, true, false, false, REASON_OPTOUT_MISSING},
        {CLASS_SERVICE, EXISTING_REFUSE, true, false, false, ANY},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct stream stream = {.senders = own,
                                      .n_senders = 1,
                                      .class = rows[i].class,
                                      .channel = CHANNEL_EMAIL,
                                      .unsubscribe = UNSUBSCRIBE_ADD,
                                      .existing = rows[i].existing};
        const struct mail_content content = {.from_domains = own,
                                             .n_from_domains = 1,
                                             .from_headers = 1,
                                             .list_unsubscribe = rows[i].uri,
                                             .list_unsubscribe_post = rows[i].post,
                                             .unsubscribe_taken = rows[i].taken};
        struct judgement judgement = {.verdict = VERDICT_PASS, .reason = ANY};
        ck_assert_int_eq(policy_judge_mail(&stream, &content, &judgement), rows[i].reason == ANY);
        ck_assert_msg(judgement.reason == rows[i].reason, "row %zu", i);
        ck_assert_int_eq(stream_adds_unsubscribe(&stream), rows[i].class == CLASS_PROSPECTING);
    }
}
END_TEST

START_TEST(mail_content_is_judged)
{
    const char *senders[] = {"acme.example"};
    const char *own[] = {"acme.example"};
    const char *mixed[] = {"acme.example", "beta.example"};
    const struct {
        enum stream_class class;
        enum unsubscribe unsubscribe;
        struct mail_content content;
        enum reason reason;
    } rows[] = {
        {CLASS_PROSPECTING, UNSUBSCRIBE_OFF, {own, 1, 1, false, false, false, false}, ANY},
        {CLASS_SERVICE, UNSUBSCRIBE_REQUIRE, {own, 1, 1, false, false, false, false}, ANY},
        {CLASS_PROSPECTING, UNSUBSCRIBE_ADD, {own, 1, 1, false, false, false, false}, ANY},
        {CLASS_PROSPECTING, UNSUBSCRIBE_REQUIRE, {own, 1, 1, false, true, true, false}, ANY},
        {CLASS_PROSPECTING,
         UNSUBSCRIBE_REQUIRE,
         {own, 1, 1, false, true, false, false},
         REASON_OPTOUT_MISSING},
        {CLASS_PROSPECTING,
         UNSUBSCRIBE_REQUIRE,
         {own, 1, 1, false, false, true, false},
         REASON_OPTOUT_MISSING},
        {CLASS_PROSPECTING,
         UNSUBSCRIBE_OFF,
         {NULL, 0, 0, false, true, true, false},
         REASON_IDENTITY_MISSING},
        {CLASS_PROSPECTING,
         UNSUBSCRIBE_OFF,
         {NULL, 0, 1, false, true, true, false},
         REASON_SENDER_NOT_ALLOWED},
        {CLASS_PROSPECTING,
         UNSUBSCRIBE_OFF,
         {own, 1, 1, true, true, true, false},
         REASON_SENDER_NOT_ALLOWED},
        {CLASS_PROSPECTING,
         UNSUBSCRIBE_OFF,
         {own, 1, 2, false, true, true, false},
         REASON_SENDER_NOT_ALLOWED},
        {CLASS_SERVICE,
         UNSUBSCRIBE_OFF,
         {mixed, 2, 1, false, true, true, false},
         REASON_SENDER_NOT_ALLOWED},
        {CLASS_SERVICE,
         UNSUBSCRIBE_OFF,
         {own, 1, 2, false, true, true, false},
         REASON_SENDER_NOT_ALLOWED},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct stream stream = {.senders = senders,
                                      .n_senders = 1,
                                      .class = rows[i].class,
                                      .unsubscribe = rows[i].unsubscribe};
        struct judgement judgement = {.verdict = VERDICT_PASS, .reason = ANY, .event = 7};
        bool holds = policy_judge_mail(&stream, &rows[i].content, &judgement);
        ck_assert_msg(holds == (rows[i].reason == ANY), "row %zu", i);
        ck_assert_msg(judgement.reason == rows[i].reason, "row %zu", i);
        ck_assert_int_eq(judgement.verdict, holds ? VERDICT_PASS : VERDICT_BLOCK);
        ck_assert_int_eq(judgement.event, 7);
    }
}
END_TEST

int main(void)
{
    const TTest *const partner[] = {senders_belong_to_a_stream, policy_versions_follow_content,
                                    the_law_of_calls_has_a_date, NULL};
    const TTest *const calendar[] = {paris_follows_the_union, french_holidays, NULL};
    const TTest *const judge[] = {words_are_read_as_written, modes_make_effects,
                                  a_way_out_is_added_where_there_is_room, mail_content_is_judged,
                                  NULL};
    Suite *const suites[] = {recipient_suite(), unit_suite("partner", partner),
                             unit_suite("calendar", calendar), unit_suite("judge", judge), NULL};
    return unit_run(suites);
}
