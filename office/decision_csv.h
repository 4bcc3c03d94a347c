/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions as CSV for a spreadsheet: RFC 4180, the contract's fields in its order. Others wrote
 * some of them, and a spreadsheet takes a field that begins with = + - or @ for a formula: it gets
 * an apostrophe before it.
 */
#ifndef OCTROI_OFFICE_DECISION_CSV_H
#define OCTROI_OFFICE_DECISION_CSV_H

#include "office/decision.h"

/* Before all else in a file: without it Excel takes UTF-8 for something else. */
#define DECISION_CSV_MARK "\xef\xbb\xbf"

/* The line of names, and that of an entry, each with its CRLF. */
void decision_csv_names(struct strbuf *out);
void decision_csv_row(const struct log_entry *entry, struct strbuf *out);

#endif
