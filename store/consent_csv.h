/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consent CSV into the registry, streamed: header
 * recipient,channel,event,occurred_at,form,partners,basis,supplier,evidence in any order, RFC 4180
 * (base/csv.h), one or more events a row. Rows are committed every 1,000 rows or 80 ms, and before
 * each feed returns, so that the registry is never locked while the caller reads or prints.
 *
 * Recipients are keyed at once and wiped; an address that a supplier repeats in its evidence is
 * replaced by its masked form. No reason given to the caller holds a value that could be an
 * address. One thread, the registry's.
 */
#ifndef OCTROI_STORE_CONSENT_CSV_H
#define OCTROI_STORE_CONSENT_CSV_H

#include "base/crypto.h"
#include "store/registry.h"

struct consent_csv;

struct consent_csv_counts {
    uint64_t lines;        /* rows read, the header apart: accepted + duplicates + refused */
    uint64_t accepted;     /* rows that brought at least one new event */
    uint64_t duplicates;   /* rows that said nothing new */
    uint64_t refused;      /* rows reported to on_problem */
    uint64_t events_added; /* one a channel */
};

/* A row that is refused: the line it begins on, and why, as "column: reason". */
typedef void consent_csv_problem_fn(void *arg, uint64_t line, const char *reason);

/* registry, hmac, region ("FR") and origin ("import FILE") are borrowed until consent_csv_free.
 * NULL when memory is short. */
struct consent_csv *consent_csv_new(struct registry *registry, struct hmac *hmac,
                                    const char *region, const char *origin,
                                    consent_csv_problem_fn *on_problem, void *arg);
/* Before the first feed: everything is checked and counted, nothing is written. */
void consent_csv_dry_run(struct consent_csv *csv);
/* RESULT_OK also when rows were refused. Else reading must stop: RESULT_BAD_INPUT for a header
 * that does not hold (the whole file is refused; the text is "line: reason"), or the registry's
 * own failure; what was committed before stays, and the counts say how much that is. */
enum result consent_csv_feed(struct consent_csv *csv, const char *bytes, size_t length,
                             struct error *err);
/* The end of the file: a file without a header is RESULT_BAD_INPUT. */
enum result consent_csv_finish(struct consent_csv *csv, struct error *err);
const struct consent_csv_counts *consent_csv_counts(const struct consent_csv *csv);
void consent_csv_free(struct consent_csv **csv);

#endif
