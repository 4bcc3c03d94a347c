/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/post/schedule.h"

#include "base/clock.h"
#include "policy/calendar.h"

#include <stdio.h>
#include <string.h>

#define HOUR (3600 * CLOCK_SECOND)

int32_t date_at(const char *timezone, int64_t instant)
{
    struct local_time local;
    if (!local_time_at(timezone, instant, &local))
        return 0;
    return local.year * 10000 + local.month * 100 + local.day;
}

/* Its midnight in UTC. */
static bool to_instant(int32_t date, int64_t *instant_out)
{
    char text[40];
    int length = snprintf(text, sizeof(text), "%04d-%02d-%02dT00:00:00Z", date / 10000,
                          date / 100 % 100, date % 100);
    return length > 0 && clock_parse(text, (size_t)length, instant_out);
}

int32_t date_before(int32_t date, int days)
{
    int64_t instant;
    if (!to_instant(date, &instant))
        return 0;
    return date_at("UTC", instant - (int64_t)days * CLOCK_DAY);
}

int64_t date_begins(const char *timezone, int32_t date)
{
    int64_t midnight;
    if (!to_instant(date, &midnight))
        return 0;
    /* The first hour of the day that is none of the day before, from well before any midnight. */
    for (int64_t at = midnight - 14 * HOUR; at <= midnight + 14 * HOUR; at += HOUR)
        if (date_at(timezone, at) >= date)
            return at;
    return midnight;
}

bool date_parse(const char *text, int32_t *date_out)
{
    char whole[40];
    int64_t instant;
    if (strlen(text) != strlen("2026-01-31"))
        return false;
    snprintf(whole, sizeof(whole), "%sT00:00:00Z", text);
    if (!clock_parse(whole, strlen(whole), &instant))
        return false;
    *date_out = date_at("UTC", instant);
    return true;
}

int32_t digest_due(const char *timezone, int minute, int64_t now, int32_t sent_on)
{
    struct local_time local;
    int32_t today = date_at(timezone, now);
    /* A time of day that a change of the clocks leaves out is over once a later one has come; one
     * that comes twice finds that today's has left. So does a clock that was set back. */
    if (today <= sent_on || !local_time_at(timezone, now, &local) || local.minute < minute)
        return 0;
    return date_before(today, 1);
}
