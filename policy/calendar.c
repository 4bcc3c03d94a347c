/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/calendar.h"

#include <string.h>
#include <time.h>

bool timezone_known(const char *name)
{
    return strcmp(name, "UTC") == 0 || strcmp(name, "Europe/Paris") == 0;
}

bool holidays_known(const char *country)
{
    return country[0] == '\0' || strcmp(country, "FR") == 0;
}

static int64_t utc_seconds(int year, int month, int day, int hour)
{
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour};
    return (int64_t)timegm(&tm);
}

/* The last Sunday of a month of 31 days at 01:00 UTC: when the clocks of the Union change. */
static int64_t last_sunday(int year, int month)
{
    int64_t last_day = utc_seconds(year, month, 31, 1);
    time_t seconds = (time_t)last_day;
    struct tm tm;
    gmtime_r(&seconds, &tm);
    return last_day - (int64_t)tm.tm_wday * 86400;
}

static int64_t paris_offset(int64_t seconds)
{
    time_t at = (time_t)seconds;
    struct tm tm;
    gmtime_r(&at, &tm);
    int year = tm.tm_year + 1900;
    bool summer = seconds >= last_sunday(year, 3) && seconds < last_sunday(year, 10);
    return summer ? 7200 : 3600;
}

bool local_time_at(const char *timezone, int64_t instant, struct local_time *local_out)
{
    if (!timezone_known(timezone))
        return false;
    int64_t seconds = instant / CLOCK_SECOND - (instant % CLOCK_SECOND < 0);
    if (strcmp(timezone, "Europe/Paris") == 0)
        seconds += paris_offset(seconds);
    time_t at = (time_t)seconds;
    struct tm tm;
    gmtime_r(&at, &tm);
    *local_out = (struct local_time){
        .year = tm.tm_year + 1900,
        .month = tm.tm_mon + 1,
        .day = tm.tm_mday,
        .weekday = (tm.tm_wday + 6) % 7,
        .minute = tm.tm_hour * 60 + tm.tm_min,
    };
    return true;
}

/* Easter Sunday of the Gregorian calendar, as days after 1 March (the Computus of Butcher). */
static int easter_after_march(int year)
{
    int a = year % 19;
    int b = year / 100;
    int c = year % 100;
    int d = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    int e = (32 + 2 * (b % 4) + 2 * (c / 4) - d - c % 4) % 7;
    int f = d + e - 7 * ((a + 11 * d + 22 * e) / 451) + 114;
    int month = f / 31;
    int day = f % 31 + 1;
    return (month - 3) * 31 + day - 1;
}

bool holiday_on(const char *country, const struct local_time *local)
{
    static const struct {
        int month;
        int day;
    } fixed[] = {{1, 1}, {5, 1}, {5, 8}, {7, 14}, {8, 15}, {11, 1}, {11, 11}, {12, 25}};
    if (strcmp(country, "FR") != 0)
        return false;
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (local->month == fixed[i].month && local->day == fixed[i].day)
            return true;
    int64_t march = utc_seconds(local->year, 3, 1, 0) / 86400;
    int64_t today = utc_seconds(local->year, local->month, local->day, 0) / 86400;
    int64_t after_easter = today - march - easter_after_march(local->year);
    /* Easter Monday, Ascension Day, Whit Monday. */
    return after_easter == 1 || after_easter == 39 || after_easter == 50;
}

bool policy_has_hours(const struct channel_policy *policy)
{
    return policy->hours != NULL;
}

bool policy_is_open(const struct channel_policy *policy, int64_t instant)
{
    struct local_time local;
    if (!local_time_at(policy->timezone, instant, &local) || !holidays_known(policy->holidays))
        return false;
    if ((policy->days & (1u << local.weekday)) == 0 || holiday_on(policy->holidays, &local))
        return false;
    if (policy->hours == NULL)
        return true;
    for (size_t i = 0; i < policy->n_hours; i++)
        if (local.minute >= policy->hours[i].from && local.minute < policy->hours[i].to)
            return true;
    return false;
}

/* Seconds from a local time, at a full minute, to the next one at which something may change. */
static int64_t next_change(const struct channel_policy *policy, const struct local_time *local)
{
    int next = 24 * 60;
    for (size_t i = 0; i < policy->n_hours; i++)
        if (policy->hours[i].from > local->minute && policy->hours[i].from < next)
            next = policy->hours[i].from;
    return (int64_t)(next - local->minute) * 60;
}

int64_t policy_opens_at(const struct channel_policy *policy, int64_t now)
{
    struct local_time local;
    if (policy_is_open(policy, now))
        return now;
    int64_t seconds = now / CLOCK_SECOND - (now % CLOCK_SECOND < 0);
    int64_t last = seconds + (int64_t)15 * 86400;
    seconds -= (seconds % 60 + 60) % 60;
    while (local_time_at(policy->timezone, seconds * CLOCK_SECOND, &local)) {
        /* Clocks change at a full hour of UTC, and then local time says nothing of what is next. */
        int64_t hour = 3600 - (seconds % 3600 + 3600) % 3600;
        int64_t change = next_change(policy, &local);
        seconds += change < hour ? change : hour;
        if (seconds > last)
            return 0;
        if (policy_is_open(policy, seconds * CLOCK_SECOND))
            return seconds * CLOCK_SECOND;
    }
    return 0;
}
