/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local time for the opening hours of a channel: two time zones and the public holidays of France,
 * computed, so that a verdict depends on no file of the machine and can be recomputed years later.
 * Other zones are refused by the configuration rather than guessed. All functions are pure.
 */
#ifndef OCTROI_POLICY_CALENDAR_H
#define OCTROI_POLICY_CALENDAR_H

#include "policy/partner.h"

/* "UTC" and "Europe/Paris" (the rule of the European Union since 1996). */
bool timezone_known(const char *name);
/* "" (none) and "FR". */
bool holidays_known(const char *country);

struct local_time {
    int year;
    int month;   /* 1 … 12 */
    int day;     /* 1 … 31 */
    int weekday; /* 0 Monday … 6 Sunday */
    int minute;  /* after midnight, 0 … 1439 */
};

/* False when the zone is not known. */
bool local_time_at(const char *timezone, int64_t instant, struct local_time *local_out);
/* Whether the date is a public holiday of the country: the eleven days of the Code du travail
 * (L.3133-1), without those that only Alsace-Moselle or an overseas territory knows. */
bool holiday_on(const char *country, const struct local_time *local);

/* Without hours a channel is always open; days and holidays only narrow the hours. */
bool policy_has_hours(const struct channel_policy *policy);
/* Whether the channel is open at the instant. A zone or country that is not known is never open. */
bool policy_is_open(const struct channel_policy *policy, int64_t instant);
/* The first instant from now on at which the channel is open: now itself if it is, else the
 * beginning of a minute. 0: not within fifteen days. */
int64_t policy_opens_at(const struct channel_policy *policy, int64_t now);

#endif
