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

static void add_names(char *all, size_t size, const char *name)
{
    size_t length = strlen(all);
    snprintf(all + length, size - length, "%s%s", length > 0 ? " " : "", name);
}

#define ALL_NAMES(first, limit, type, name, wanted)     \
    {                                                   \
        char all[1024] = "";                            \
        for (int i = (first); i < (limit); i++)         \
            add_names(all, sizeof(all), name((type)i)); \
        ck_assert_str_eq(all, wanted);                  \
    }

/* They stand in configurations, imports, the registry and journals: for ever, in this order. */
START_TEST(words_stay_as_they_are)
{
    ALL_NAMES(0, CHANNEL_COUNT, enum channel, channel_name, "email sms call autocall post")
    ALL_NAMES(0, PURPOSE_COUNT, enum purpose, purpose_name, "receipt transmission")
    ALL_NAMES(0, BASIS_COUNT, enum basis, basis_name, "consent soft-opt-in professional informed")
    ALL_NAMES(0, EVENT_KIND_COUNT, enum event_kind, event_kind_name,
              "given renewed withdrawn objected active")
    ALL_NAMES(0, CLASS_COUNT, enum stream_class, stream_class_name, "prospecting service")
    ALL_NAMES(0, MODE_COUNT, enum mode, mode_name, "enforce observe discard")
    ALL_NAMES(0, VERDICT_COUNT, enum verdict, verdict_name, "pass block defer")
    ALL_NAMES(0, EFFECT_COUNT, enum effect, effect_name,
              "passed refused deferred discarded abandoned")
    ALL_NAMES(OUTCOME_ACCEPTED, OUTCOME_COUNT, enum outcome, outcome_name,
              "accepted refused unknown")
    ALL_NAMES(0, REASON_COUNT, enum reason, reason_name,
              "SUSPENDED SENDER_NOT_ALLOWED SERVICE SECTOR_BAN OBJECTED WITHDRAWN NO_CONSENT "
              "NOT_INFORMED CHANNEL_MISMATCH PARTNER_NOT_SHOWN PARTNER_ADDED_LATER "
              "PARTNER_NOT_NAMED UNPROVEN FORM_INVALID PURPOSE_MISMATCH STALE BASIS_NOT_ACCEPTED "
              "SOFT_OPTIN_INVALID NOT_PROFESSIONAL OPTOUT_MISSING IDENTITY_MISSING STOP_MISSING "
              "OUTSIDE_HOURS CONSENT SOFT_OPTIN PROFESSIONAL INFORMED MALFORMED UNABLE")
    char text[64];
    channels_text(0, text, sizeof(text));
    ck_assert_str_eq(text, "");
    channels_text(CHANNEL_BIT(CHANNEL_SMS), text, sizeof(text));
    ck_assert_str_eq(text, "sms");
    channels_text(~0u, text, sizeof(text));
    ck_assert_str_eq(text, "email|sms|call|autocall|post");
    purposes_text(PURPOSE_BIT(PURPOSE_TRANSMISSION), text, sizeof(text));
    ck_assert_str_eq(text, "transmission");
    purposes_text(~0u, text, sizeof(text));
    ck_assert_str_eq(text, "receipt|transmission");
    purposes_text(0, text, sizeof(text));
    ck_assert_str_eq(text, "");
    /* What does not fit is cut, and nothing behind is touched. */
    memset(text, 'x', sizeof(text));
    channels_text(~0u, text, 8);
    ck_assert_str_eq(text, "email|s");
    ck_assert_int_eq(text[8], 'x');
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
    /* The empty one is nobody's, even were it listed; one letter is enough, wherever it stands. */
    const char *odd[] = {"", "b", "c"};
    const struct stream strange = {.senders = odd, .n_senders = 3};
    ck_assert(!stream_allows_domain(&strange, "") && !stream_allows_sender_id(&strange, ""));
    ck_assert(stream_allows_domain(&strange, "b") && stream_allows_sender_id(&strange, "b"));
    ck_assert(stream_allows_domain(&strange, "c") && stream_allows_sender_id(&strange, "c"));
    ck_assert(!stream_allows_domain(&strange, "d") && !stream_allows_sender_id(&strange, "d"));
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

static void check_canonical(const struct channel_policy *policy, const char *wanted)
{
    struct strbuf text = {0};
    channel_policy_canonical(&text, policy);
    ck_assert(!text.failed);
    ck_assert_str_eq(text.data, wanted);
    strbuf_free(&text);
}

/* The version in journals of years ago is the hash of this text: it may not change by itself. */
START_TEST(policies_have_one_text)
{
    struct opening hours[] = {{480, 720}, {840, 1290}};
    const char *sectors[] = {"cpf", "energy-renovation"};
    struct channel_policy policy;
    channel_policy_default(CHANNEL_EMAIL, &policy);
    check_canonical(
        &policy, "{\"channel\":\"email\",\"accept\":1,\"partner_naming\":0,\"partner_added_later\":"
                 "0,\"stale_months\":36,\"stale_microseconds\":0,\"always_open\":1,\"days\":127,"
                 "\"holidays\":\"\",\"timezone\":\"Europe/Paris\",\"stop_mention\":0}");
    ck_assert_str_eq(policy.version, "61e009921582");
    ck_assert_int_eq(policy.channel, CHANNEL_EMAIL);
    channel_policy_default(CHANNEL_CALL, &policy);
    policy.partner_naming = NAMING_CATEGORY;
    policy.partner_added_later = ADDED_LATER_PASS;
    policy.stale_after = (struct duration){.months = 1, .microseconds = 2};
    policy.banned_sectors = sectors;
    policy.n_banned_sectors = 2;
    policy.hours = hours;
    policy.n_hours = 2;
    policy.days = 0x1f;
    policy.holidays = "FR";
    policy.timezone = "UTC";
    policy.stop_mention = true;
    check_canonical(
        &policy, "{\"channel\":\"call\",\"accept\":1,\"accept_before\":9,\"accept_since\":"
                 "1786399200000000,\"partner_naming\":1,\"partner_added_later\":1,\"stale_months\":"
                 "1,\"stale_microseconds\":2,\"banned_sector\":\"cpf\",\"banned_sector\":\"energy-"
                 "renovation\",\"always_open\":0,\"from\":480,\"to\":720,\"from\":840,\"to\":1290,"
                 "\"days\":31,\"holidays\":\"FR\",\"timezone\":\"UTC\",\"stop_mention\":1}");
    /* Hours without any opening are not the same as none; bits beyond Sunday say nothing. */
    channel_policy_default(CHANNEL_POST, &policy);
    policy.hours = hours;
    policy.days = 0xff;
    check_canonical(
        &policy, "{\"channel\":\"post\",\"accept\":9,\"partner_naming\":0,\"partner_added_later\":"
                 "0,\"stale_months\":36,\"stale_microseconds\":0,\"always_open\":0,\"days\":127,"
                 "\"holidays\":\"\",\"timezone\":\"Europe/Paris\",\"stop_mention\":0}");
    policy.hours = NULL;
    policy.n_hours = 2;
    check_canonical(
        &policy, "{\"channel\":\"post\",\"accept\":9,\"partner_naming\":0,\"partner_added_later\":"
                 "0,\"stale_months\":36,\"stale_microseconds\":0,\"always_open\":1,\"days\":127,"
                 "\"holidays\":\"\",\"timezone\":\"Europe/Paris\",\"stop_mention\":0}");
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
        ck_assert_uint_eq(policy.accept_before, call ? informed : 0);
        if (!call) /* whatever the instant, before 1970 too */
            ck_assert_uint_eq(channel_policy_accepts(&policy, -since), policy.accept);
    }
    policy.accept_since = 1;
    policy.accept_before = BASIS_BIT(BASIS_PROFESSIONAL);
    ck_assert_uint_eq(channel_policy_accepts(&policy, 0), BASIS_BIT(BASIS_PROFESSIONAL));
    ck_assert_uint_eq(channel_policy_accepts(&policy, 1), policy.accept);
    channel_policy_default(CHANNEL_CALL, &policy);
    ck_assert_uint_eq(policy.accept, BASIS_BIT(BASIS_CONSENT));
    memcpy(version, policy.version, sizeof(version));
    channel_policy_accept(&policy, BASIS_BIT(BASIS_CONSENT));
    ck_assert_uint_eq(channel_policy_accepts(&policy, since - 1), BASIS_BIT(BASIS_CONSENT));
    ck_assert(policy.accept_before == 0 && policy.accept_since == 0);
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
    const struct stream sms = {.channel = CHANNEL_SMS, .unsubscribe = UNSUBSCRIBE_ADD};
    ck_assert(!stream_adds_unsubscribe(&sms));
}
END_TEST

START_TEST(mail_content_is_judged)
{
    const char *senders[] = {"acme.example"};
    const char *own[] = {"acme.example"};
    const char *mixed[] = {"acme.example", "beta.example"};
    const char *turned[] = {"beta.example", "acme.example"};
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
         {turned, 2, 1, false, true, true, false},
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
                                    policies_have_one_text, the_law_of_calls_has_a_date, NULL};
    const TTest *const calendar[] = {paris_follows_the_union, french_holidays, NULL};
    const TTest *const judge[] = {words_are_read_as_written, words_stay_as_they_are,
                                  modes_make_effects,        a_way_out_is_added_where_there_is_room,
                                  mail_content_is_judged,    NULL};
    Suite *const suites[] = {recipient_suite(), unit_suite("partner", partner),
                             unit_suite("calendar", calendar), unit_suite("judge", judge), NULL};
    return unit_run(suites);
}
