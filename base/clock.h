/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time. An instant is an int64_t: microseconds since 1970-01-01T00:00:00Z. Text is RFC 3339. A
 * duration keeps months apart from microseconds, because "3 years" is a matter of the calendar.
 */
#ifndef OCTROI_BASE_CLOCK_H
#define OCTROI_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_SECOND INT64_C(1000000)
#define CLOCK_DAY    (INT64_C(86400) * CLOCK_SECOND)
/* "2026-11-23T20:54:37.123456Z" and its NUL. */
#define CLOCK_TEXT 28

struct duration {
    int32_t months;
    int64_t microseconds;
};

int64_t clock_now(void);       /* wall clock */
int64_t clock_monotonic(void); /* for deadlines; microseconds since an arbitrary start */

/* Blocks, for commands and threads of their own; never on a loop. A signal may cut it short. */
void clock_sleep(int64_t microseconds);

/* RFC 3339: offset required, fraction of up to nine digits accepted (cut to microseconds), leap
 * second accepted as the second before. */
bool clock_parse(const char *text, size_t length, int64_t *instant_out);
/* Always UTC with six fractional digits. out holds CLOCK_TEXT bytes. */
void clock_format(int64_t instant, char *out);
/* To the second, for humans: "2026-11-23T20:54:37Z". out holds CLOCK_TEXT bytes. */
void clock_format_seconds(int64_t instant, char *out);
/* RFC 5322 date in UTC. out holds 32 bytes. */
void clock_format_mail(int64_t instant, char *out);

/* "250 ms", "30 s", "10 min", "2 h", "5 days", "3 months", "3 years"; singular forms too. */
bool duration_parse(const char *text, struct duration *duration_out);
/* instant + duration; months move the calendar month and clip the day (31 January + 1 month is
 * the last day of February). Negative durations are not a thing here: use clock_subtract. */
int64_t clock_add(int64_t instant, struct duration duration);
int64_t clock_subtract(int64_t instant, struct duration duration);

#endif
