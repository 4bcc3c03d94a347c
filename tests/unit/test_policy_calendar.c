/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calendar against other ways to the same answer: another formula of Easter, the last Sunday
 * found by counting, the next opening found by asking minute by minute.
 */
#include "policy/calendar.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MINUTE       (60 * CLOCK_SECOND)

static int64_t at(const char *text)
{
    int64_t instant = 0;
    ck_assert_msg(clock_parse(text, strlen(text), &instant), "%s", text);
    return instant;
}

static int64_t day_of(int year, int month, int day)
{
    char text[32];
    snprintf(text, sizeof(text), "%04d-%02d-%02dT00:00:00Z", year, month, day);
    return at(text);
}

/* Oudin's formula, which shares nothing with Butcher's. */
static int64_t easter_of(int year)
{
    int golden = year % 19;
    int century = year / 100;
    int h = (century - century / 4 - (8 * century + 13) / 25 + 19 * golden + 15) % 30;
    int moon = h - h / 28 * (1 - 29 / (h + 1) * ((21 - golden) / 11));
    int weekday = (year + year / 4 + moon + 2 - century + century / 4) % 7;
    int sunday = moon - weekday;
    int month = 3 + (sunday + 40) / 44;
    return day_of(year, month, sunday + 28 - 31 * (month / 4));
}

START_TEST(easter_in_every_year)
{
    static const int holidays[] = {1, 39, 50};
    static const int ordinary[] = {-2, -1, 0, 2, 38, 40, 49, 51};
    for (int year = 1970; year < 10000; year++) {
        struct local_time local;
        int64_t easter = easter_of(year);
        ck_assert(local_time_at("UTC", easter + CLOCK_DAY, &local));
        ck_assert_msg(holiday_on("FR", &local), "%d", year);
        if (year >= 2400)
            continue;
        for (size_t i = 0; i < COUNT(holidays); i++) {
            ck_assert(local_time_at("UTC", easter + holidays[i] * CLOCK_DAY, &local));
            ck_assert_msg(local.year == year && holiday_on("FR", &local), "%d: %d", year,
                          holidays[i]);
        }
        for (size_t i = 0; i < COUNT(ordinary); i++) {
            ck_assert(local_time_at("UTC", easter + ordinary[i] * CLOCK_DAY, &local));
            bool fixed = local.month == 5 && (local.day == 1 || local.day == 8);
            ck_assert_msg(holiday_on("FR", &local) == fixed, "%d: %d", year, ordinary[i]);
        }
    }
}
END_TEST

static bool on_fixed_day(const struct local_time *local)
{
    static const int fixed[] = {101, 501, 508, 714, 815, 1101, 1111, 1225};
    for (size_t i = 0; i < COUNT(fixed); i++)
        if (local->month * 100 + local->day == fixed[i])
            return true;
    return false;
}

/* Day by day: what is a holiday, and which weekday it is. */
START_TEST(every_day_of_some_years)
{
    for (int year = 2023; year < 2031; year++) {
        int64_t easter = easter_of(year);
        int64_t first = day_of(year, 1, 1);
        for (int64_t day = first; day < day_of(year + 1, 1, 1); day += CLOCK_DAY) {
            struct local_time local;
            int64_t after = (day - easter) / CLOCK_DAY;
            ck_assert(local_time_at("UTC", day + CLOCK_DAY - 1, &local));
            ck_assert_int_eq(local.minute, 24 * 60 - 1);
            /* 1970 began on a Thursday. */
            ck_assert_int_eq(local.weekday, (day / CLOCK_DAY + 3) % 7);
            bool wanted = on_fixed_day(&local) || after == 1 || after == 39 || after == 50;
            ck_assert_msg(holiday_on("FR", &local) == wanted, "%d-%d-%d", local.year, local.month,
                          local.day);
        }
    }
}
END_TEST

/* The last Sunday of a month of 31 days. */
static int64_t change_of(int year, int month)
{
    int64_t day = day_of(year, month, 31);
    while ((day / CLOCK_DAY + 3) % 7 != 6)
        day -= CLOCK_DAY;
    return day + 3600 * CLOCK_SECOND;
}

static int offset_at(int64_t instant)
{
    struct local_time utc;
    struct local_time paris;
    ck_assert(local_time_at("UTC", instant, &utc) &&
              local_time_at("Europe/Paris", instant, &paris));
    return (paris.minute - utc.minute + 24 * 60) % (24 * 60);
}

START_TEST(clocks_change_every_year)
{
    for (int year = 1996; year < 2100; year++) {
        int64_t spring = change_of(year, 3);
        int64_t autumn = change_of(year, 10);
        ck_assert_msg(offset_at(spring - 1) == 60 && offset_at(spring) == 120, "%d", year);
        ck_assert_msg(offset_at(autumn - 1) == 120 && offset_at(autumn) == 60, "%d", year);
        ck_assert_int_eq(offset_at(day_of(year, 1, 1) + 1), 60);
        ck_assert_int_eq(offset_at(day_of(year, 12, 31) + 1), 60);
        ck_assert_int_eq(offset_at(day_of(year, 7, 1)), 120);
    }
}
END_TEST

static struct opening shop[] = {{9 * 60, 12 * 60}, {13 * 60 + 30, 20 * 60}};
static struct opening turned[] = {{13 * 60 + 30, 20 * 60}, {9 * 60, 12 * 60}};
static struct opening night[] = {{0, 1}, {2 * 60 + 30, 2 * 60 + 45}, {23 * 60 + 59, 24 * 60}};
static struct opening morning_of_utc[] = {{0, 60}};
static struct opening morning[] = {{8 * 60, 9 * 60}};

static const struct channel_policy policies[] = {
    {.days = 0x7f, .holidays = "", .timezone = "UTC", .hours = shop, .n_hours = 2},
    {.days = 0x1f, .holidays = "FR", .timezone = "Europe/Paris", .hours = shop, .n_hours = 2},
    {.days = 0x3f, .holidays = "FR", .timezone = "Europe/Paris", .hours = turned, .n_hours = 2},
    {.days = 0x7f, .holidays = "FR", .timezone = "Europe/Paris", .hours = night, .n_hours = 3},
    {.days = 0x60, .holidays = "", .timezone = "Europe/Paris"},
    {.days = 0x7f, .holidays = "FR", .timezone = "UTC"},
    {.days = 0x01, .holidays = "FR", .timezone = "Europe/Paris", .hours = morning, .n_hours = 1},
};

/* What it comes to: minutes between two that begin in it, since openings begin at full ones. */
static int64_t opens_by_asking(const struct channel_policy *policy, int64_t now)
{
    int64_t minute = now - ((now % MINUTE) + MINUTE) % MINUTE;
    if (policy_is_open(policy, now))
        return now;
    for (int i = 0; i < 15 * 24 * 60; i++) {
        minute += MINUTE;
        if (policy_is_open(policy, minute))
            return minute;
    }
    return 0;
}

START_TEST(the_next_opening_is_the_first)
{
    static const char *const instants[] = {
        "2026-03-28T23:10:00Z",        "2026-03-29T00:59:59.999Z",  "2026-03-29T00:00:01Z",
        "2026-10-24T22:00:00Z",        "2026-10-25T00:31:00Z",      "2026-10-25T01:15:00Z",
        "2026-10-25T00:50:00Z",        "2026-05-13T20:30:00Z",      "2026-04-05T08:00:00Z",
        "2026-12-24T19:00:00Z",        "2026-06-12T17:59:59.9999Z", "2026-06-12T18:00:00Z",
        "2026-06-13T18:00:00.000001Z", "2026-06-15T10:00:00Z",      "2026-06-15T06:59:00Z",
        "1970-01-01T00:00:00Z",
    };
    for (size_t p = 0; p < COUNT(policies); p++) {
        for (size_t i = 0; i < COUNT(instants); i++) {
            int64_t now = at(instants[i]);
            ck_assert_msg(policy_opens_at(&policies[p], now) == opens_by_asking(&policies[p], now),
                          "policy %zu at %s", p, instants[i]);
        }
        /* Before 1970, too, and at odd microseconds. */
        for (int64_t now = -3 * CLOCK_DAY - 1; now < 4 * CLOCK_DAY; now += 3671 * CLOCK_SECOND + 7)
            ck_assert_msg(policy_opens_at(&policies[p], now) == opens_by_asking(&policies[p], now),
                          "policy %zu at %lld", p, (long long)now);
    }
}
END_TEST

START_TEST(hours_are_kept_to_the_minute)
{
    static const struct {
        size_t policy;
        const char *instant;
        bool open;
    } rows[] = {
        {0, "2026-06-15T08:59:59.999999Z", false}, {0, "2026-06-15T09:00:00Z", true},
        {0, "2026-06-15T11:59:59.999999Z", true},  {0, "2026-06-15T12:00:00Z", false},
        {0, "2026-06-15T13:29:59Z", false},        {0, "2026-06-15T13:30:00Z", true},
        {0, "2026-06-15T19:59:59Z", true},         {0, "2026-06-15T20:00:00Z", false},
        {0, "2026-06-14T10:00:00Z", true},         {1, "2026-06-14T10:00:00Z", false},
        {1, "2026-06-12T10:00:00Z", false},        {1, "2026-06-12T09:59:59Z", true},
        {2, "2026-06-13T09:59:59Z", true},         {2, "2026-06-14T09:59:59Z", false},
        {1, "2026-07-14T09:00:00Z", false},        {0, "2026-07-14T09:00:00Z", true},
        {4, "2026-06-12T21:59:59Z", false},        {4, "2026-06-12T22:00:00Z", true},
        {4, "2026-06-14T21:59:59Z", true},         {4, "2026-06-14T22:00:00Z", false},
        {5, "2026-07-13T23:59:59Z", true},         {5, "2026-07-14T00:00:00Z", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_msg(policy_is_open(&policies[rows[i].policy], at(rows[i].instant)) ==
                          rows[i].open,
                      "policy %zu at %s", rows[i].policy, rows[i].instant);
    /* Not even a microsecond before midnight is it the next day, also before 1970. */
    const struct channel_policy midnight = {
        .days = 0x7f, .holidays = "", .timezone = "UTC", .hours = morning_of_utc, .n_hours = 1};
    ck_assert_int_eq(policy_opens_at(&midnight, -CLOCK_DAY - 1), -CLOCK_DAY);
    ck_assert(policy_has_hours(&policies[0]) && !policy_has_hours(&policies[4]));
}
END_TEST

/* Fifteen days are looked ahead, no further: two Thursdays in a row are Christmas and New Year. */
START_TEST(no_opening_is_looked_for_for_ever)
{
    const struct channel_policy thursdays = {
        .days = 0x08, .holidays = "FR", .timezone = "Europe/Paris", .hours = morning, .n_hours = 1};
    struct channel_policy never = thursdays;
    int64_t opens = at("2026-01-08T08:00:00+01:00");
    ck_assert_int_eq(policy_opens_at(&thursdays, opens - 15 * CLOCK_DAY), opens);
    ck_assert_int_eq(policy_opens_at(&thursdays, opens - 15 * CLOCK_DAY - 1), 0);
    ck_assert_int_eq(policy_opens_at(&thursdays, at("2025-12-18T09:00:00+01:00")), 0);
    opens = at("1970-01-08T08:00:00+01:00");
    ck_assert_int_eq(policy_opens_at(&thursdays, opens - 15 * CLOCK_DAY), opens);
    never.days = 0;
    ck_assert_int_eq(policy_opens_at(&never, opens), 0);
    never = thursdays;
    never.hours = morning;
    never.n_hours = 0;
    ck_assert_int_eq(policy_opens_at(&never, opens), 0);
    /* What is not known is never open. */
    never = thursdays;
    never.holidays = "XX";
    ck_assert(!policy_is_open(&never, opens));
    never = thursdays;
    never.timezone = "Europe/London";
    ck_assert(!policy_is_open(&never, opens));
    ck_assert_int_eq(policy_opens_at(&never, opens), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {easter_in_every_year,
                                  every_day_of_some_years,
                                  clocks_change_every_year,
                                  the_next_opening_is_the_first,
                                  hours_are_kept_to_the_minute,
                                  no_opening_is_looked_for_for_ever,
                                  NULL};
    Suite *const suites[] = {unit_suite("calendar", tests), NULL};
    return unit_run(suites);
}
