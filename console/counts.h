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
/* Appends the way to the list of the messages a number stands for: with that field `verdict`
 * ("stopped"), of that period. What else narrows it is to follow, behind a "&". */
void counts_list_path(struct strbuf *out, const struct period *period, const char *verdict);

/* What counts of messages are to be asked for: without the rows of lists that were screened, which
 * nobody sent. */
struct tally_filter counts_of_messages(const struct period *period, const char *partner);
/* One tally of the period's decisions on messages, sorted by its columns; partner NULL: of all. To
 * be freed with tally_free, also when it fails (then NULL). */
enum result counts_read(struct visit *visit, const struct period *period, const char *partner,
                        const enum tally_by *by, size_t n, struct tally **tally_out,
                        struct error *err);
/* The same of rows of lists that were screened. */
enum result counts_read_lists(struct visit *visit, const struct period *period, const char *partner,
                              const enum tally_by *by, size_t n, struct tally **tally_out,
                              struct error *err);
/* How many there were and how many were permitted, with the way to them; nothing where there were
 * none. query: as counts_by_reason's, NULL: no list has them alone. */
void counts_lists_line(struct visit *visit, const struct period *period,
                       const struct tally_counts *rows, const char *query);
/* Instead of *tally one of those rows alone whose last column is last_key ("": all rows), without
 * that column unless it is to be kept; sorted by its columns. */
enum result counts_narrow(struct tally **tally, const char *last_key, bool keep, struct error *err);
/* Of all rows. */
struct tally_counts counts_sum(const struct tally *tally);
/* Of the rows whose first column is value. */
struct tally_counts counts_of(const struct tally *tally, const char *value);

/* Messages, what passed, was blocked, was let through while observed (where anything was) and was
 * deferred, as tiles. */
void counts_tiles(struct visit *visit, const struct tally_counts *sum);
/* A chart with its table in a fold: what passed, what was blocked, what was let through while
 * observed, what was deferred, of a tally whose first column is the day; by day, or in a long
 * period by month. Where there was nothing it is zero. */
void counts_by_day(struct visit *visit, const struct period *period, const struct tally *by_day);
/* A chart and a table of what was blocked, deferred or let through while observed, by reason, most
 * first, each with a way to those rows: of a tally by verdict and reason. query: what else the list
 * is to be narrowed to
 * ("partner=acme"), "". */
void counts_by_reason(struct visit *visit, const struct period *period,
                      const struct tally *by_reason, const char *query);

#endif
