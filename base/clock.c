/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * CLOCK_SECOND + now.tv_nsec / 1000;
}

int64_t clock_now(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void clock_sleep(int64_t microseconds)
{
    const struct timespec pause = {.tv_sec = (time_t)(microseconds / CLOCK_SECOND),
                                   .tv_nsec = (long)(microseconds % CLOCK_SECOND) * 1000};
    (void)nanosleep(&pause, NULL);
}

static bool digits(const char **text, const char *end, int count, int *value_out)
{
    int value = 0;
    if (end - *text < count)
        return false;
    for (int i = 0; i < count; i++) {
        char c = (*text)[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *text += count;
    *value_out = value;
    return true;
}

static bool literal(const char **text, const char *end, char c)
{
    if (*text >= end || **text != c)
        return false;
    (*text)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static int64_t from_civil(int year, int month, int day, int hour, int minute, int second)
{
    struct tm tm = {
        .tm_year = year - 1900,
        .tm_mon = month - 1,
        .tm_mday = day,
        .tm_hour = hour,
        .tm_min = minute,
        .tm_sec = second,
    };
    return (int64_t)timegm(&tm) * CLOCK_SECOND;
}

static bool parse_offset(const char **text, const char *end, int *minutes_out)
{
    if (literal(text, end, 'Z') || literal(text, end, 'z')) {
        *minutes_out = 0;
        return true;
    }
    int sign = literal(text, end, '+') ? 1 : literal(text, end, '-') ? -1 : 0;
    int hours;
    int minutes;
    if (sign == 0 || !digits(text, end, 2, &hours) || !literal(text, end, ':') ||
        !digits(text, end, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *minutes_out = sign * (hours * 60 + minutes);
    return true;
}

bool clock_parse(const char *text, size_t length, int64_t *instant_out)
{
    const char *end = text + length;
    int year, month, day, hour, minute, second, offset;
    if (!digits(&text, end, 4, &year) || !literal(&text, end, '-') ||
        !digits(&text, end, 2, &month) || !literal(&text, end, '-') || !digits(&text, end, 2, &day))
        return false;
    if (!literal(&text, end, 'T') && !literal(&text, end, 't') && !literal(&text, end, ' '))
        return false;
    if (!digits(&text, end, 2, &hour) || !literal(&text, end, ':') ||
        !digits(&text, end, 2, &minute) || !literal(&text, end, ':') ||
        !digits(&text, end, 2, &second))
        return false;
    int64_t fraction = 0;
    if (literal(&text, end, '.')) {
        int64_t unit = CLOCK_SECOND;
        int count = 0;
        for (; text < end && *text >= '0' && *text <= '9'; text++, count++) {
            unit /= 10;
            fraction += unit * (*text - '0');
        }
        if (count == 0 || count > 9)
            return false;
    }
    if (!parse_offset(&text, end, &offset) || text != end)
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    if (second == 60)
        second = 59;
    *instant_out = from_civil(year, month, day, hour, minute, second) + fraction -
                   (int64_t)offset * 60 * CLOCK_SECOND;
    return true;
}

static int64_t split(int64_t instant, struct tm *tm_out)
{
    int64_t fraction = instant % CLOCK_SECOND;
    if (fraction < 0)
        fraction += CLOCK_SECOND;
    time_t seconds = (time_t)((instant - fraction) / CLOCK_SECOND);
    gmtime_r(&seconds, tm_out);
    return fraction;
}

/* Two to six digits; printf takes ten times as long, and each message needs several instants. */
static char *put_digits(char *out, int value, int count)
{
    for (int i = count; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
    return out + count;
}

/* Leaves a NUL behind it, for the next to overwrite. */
static char *put_text(char *out, const char *text)
{
    size_t length = strlen(text);
    memcpy(out, text, length + 1);
    return out + length;
}

/* The forms have room for no more. */
static int four_digits(int year)
{
    return year < 0 ? 0 : year > 9999 ? 9999 : year;
}

void clock_format(int64_t instant, char *out)
{
    struct tm tm;
    int64_t fraction = split(instant, &tm);
    char *p = put_digits(out, four_digits(tm.tm_year + 1900), 4);
    *p++ = '-';
    p = put_digits(p, tm.tm_mon + 1, 2);
    *p++ = '-';
    p = put_digits(p, tm.tm_mday, 2);
    *p++ = 'T';
    p = put_digits(p, tm.tm_hour, 2);
    *p++ = ':';
    p = put_digits(p, tm.tm_min, 2);
    *p++ = ':';
    p = put_digits(p, tm.tm_sec, 2);
    *p++ = '.';
    p = put_digits(p, (int)fraction, 6);
    *p++ = 'Z';
    *p = '\0';
}

void clock_format_seconds(int64_t instant, char *out)
{
    clock_format(instant, out);
    out[19] = 'Z';
    out[20] = '\0';
}

void clock_format_mail(int64_t instant, char *out)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;
    split(instant, &tm);
    char *p = put_text(out, days[tm.tm_wday]);
    p = put_digits(put_text(p, ", "), tm.tm_mday, 2);
    p = put_text(put_text(put_text(p, " "), months[tm.tm_mon]), " ");
    p = put_digits(p, four_digits(tm.tm_year + 1900), 4);
    p = put_digits(put_text(p, " "), tm.tm_hour, 2);
    p = put_digits(put_text(p, ":"), tm.tm_min, 2);
    p = put_digits(put_text(p, ":"), tm.tm_sec, 2);
    put_text(p, " +0000");
}

bool duration_parse(const char *text, struct duration *duration_out)
{
    static const struct {
        const char *names[3];
        int32_t months;
        int64_t microseconds;
    } units[] = {
        {{"ms", NULL, NULL}, 0, 1000},
        {{"s", "second", "seconds"}, 0, CLOCK_SECOND},
        {{"min", "minute", "minutes"}, 0, 60 * CLOCK_SECOND},
        {{"h", "hour", "hours"}, 0, 3600 * CLOCK_SECOND},
        {{"d", "day", "days"}, 0, CLOCK_DAY},
        {{"month", "months", NULL}, 1, 0},
        {{"y", "year", "years"}, 12, 0},
    };
    int value = 0;
    int count = 0;
    for (; *text >= '0' && *text <= '9'; text++, count++)
        if (count < 6)
            value = value * 10 + (*text - '0');
    if (count == 0 || count > 6)
        return false;
    while (*text == ' ')
        text++;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        for (size_t j = 0; j < 3 && units[i].names[j] != NULL; j++)
            if (strcmp(text, units[i].names[j]) == 0) {
                if (units[i].months > 0 && value > 12000)
                    return false;
                duration_out->months = units[i].months * value;
                duration_out->microseconds = units[i].microseconds * value;
                return true;
            }
    return false;
}

static int64_t add_months(int64_t instant, int months)
{
    if (months == 0)
        return instant;
    struct tm tm;
    int64_t fraction = split(instant, &tm);
    int total = (tm.tm_year + 1900) * 12 + tm.tm_mon + months;
    /* "12000 years" ago is before the year 0: divide downwards, or the month would be negative. */
    int year = total >= 0 ? total / 12 : (total - 11) / 12;
    int month = total - year * 12 + 1;
    int last = days_in_month(year, month);
    int day = tm.tm_mday < last ? tm.tm_mday : last;
    return from_civil(year, month, day, tm.tm_hour, tm.tm_min, tm.tm_sec) + fraction;
}

int64_t clock_add(int64_t instant, struct duration duration)
{
    return add_months(instant, duration.months) + duration.microseconds;
}

int64_t clock_subtract(int64_t instant, struct duration duration)
{
    return add_months(instant, -duration.months) - duration.microseconds;
}
