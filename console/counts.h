/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts of decisions for a page: the period it is about, in whole days of UTC so that the daily
 * sums answer, and tallies of it.
 */
#ifndef OCTROI_CONSOLE_COUNTS_H
#define OCTROI_CONSOLE_COUNTS_H

#include "console/visit.h"
#include "store/tally.h"

struct period {
    int64_t since, until;  /* midnights; until is exclusive */
    char from[12], to[12]; /* "2026-01-31": its first and last day */
    int64_t days;
};

/* What the fields `from` and `to` say, where they say it, else the last `days` days up to and with
 * today. A period that ends before it begins is turned round; none is longer than ten years. */
void period_read(const struct visit *visit, int64_t days, struct period *period_out);
/* The last days up to and with today. */
void period_last(const struct visit *visit, int64_t days, struct period *period_out);
/* The period of the same length before it. */
void period_before(const struct period *period, struct period *before_out);
/* Appends "from=2026-01-01&to=2026-01-31". */
void period_add_query(struct strbuf *out, const struct period *period);

/* One tally of the period's decisions, sorted by its columns; partner NULL: of all. To be freed
 * with tally_free, also when it fails (then NULL). */
enum result counts_read(struct visit *visit, const struct period *period, const char *partner,
                        const enum tally_by *by, size_t n, struct tally **tally_out,
                        struct error *err);
/* Instead of *tally one of those rows alone whose last column is last_key ("": all rows), without
 * that column unless it is to be kept; sorted by its columns. */
enum result counts_narrow(struct tally **tally, const char *last_key, bool keep, struct error *err);
/* Of all rows. */
struct tally_counts counts_sum(const struct tally *tally);
/* Of the rows whose first column is value. */
struct tally_counts counts_of(const struct tally *tally, const char *value);

/* A chart with its table in a fold: what passed, what was blocked, what was let through while
 * observed, what was deferred, of a tally whose first column is the day; by day, or in a long
 * period by month. Where there was nothing it is zero. */
void counts_by_day(struct visit *visit, const struct period *period, const struct tally *by_day);
/* A chart and a table of blocked and deferred by reason, most first, each with a way to those rows:
 * of a tally by verdict and reason. query: what else the list is to be narrowed to
 * ("partner=acme"), "". */
void counts_by_reason(struct visit *visit, const struct period *period,
                      const struct tally *by_reason, const char *query);

#endif
