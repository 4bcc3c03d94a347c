/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a digest is due, and which day it is about, in local time: one a day whatever the clocks do,
 * and one that was missed is made up for the same day. Pure.
 */
#ifndef OCTROI_PROXY_POST_SCHEDULE_H
#define OCTROI_PROXY_POST_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* A local date is a number that grows with it, 20260131. 0: none. */

int32_t date_at(const char *timezone, int64_t instant);
int32_t date_before(int32_t date, int days); /* negative: after it */
/* Its first moment there. */
int64_t date_begins(const char *timezone, int32_t date);
/* "2026-01-31" */
bool date_parse(const char *text, int32_t *date_out);
/* The day whose digest is due now, which is yesterday; 0: none is. sent_on: the local date on which
 * the last one left. */
int32_t digest_due(const char *timezone, int minute, int64_t now, int32_t sent_on);

#endif
