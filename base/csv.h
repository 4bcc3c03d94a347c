/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 4180, streamed: bytes go in, rows come out, memory stays constant. Accepts CRLF and LF line
 * ends and a UTF-8 byte order mark; refuses, by line and reason, what would otherwise be guessed
 * at (a quote inside a plain field, text after a closing quote, NUL, invalid UTF-8, a field over
 * the cap), and goes on with the next line. The separator may be another than the comma, as French
 * spreadsheets want it.
 */
#ifndef OCTROI_BASE_CSV_H
#define OCTROI_BASE_CSV_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_FIELDS_MAX 256
#define CSV_ROW_MAX    (1024 * 1024) /* bytes of all fields of a row */

struct csv_row {
    uint64_t line;       /* where the row starts, from 1 */
    size_t count;        /* 0 for a refused row */
    const char **fields; /* NUL-terminated; valid during the callback */
    const char *problem; /* NULL, or why this row is refused; count is then 0 */
    /* Where it stands among the bytes fed: from a byte order mark, if any, to its line end. */
    uint64_t offset;
    uint64_t length;
};

/* Return false to stop. Empty lines are not reported. */
typedef bool csv_row_fn(void *arg, const struct csv_row *row);

struct csv;
struct csv *csv_new(csv_row_fn *on_row, void *arg);
void csv_free(struct csv **csv);
/* Between fields, before the first byte is fed: ',' unless told, else ';' or a tab, say. */
void csv_set_separator(struct csv *csv, char separator);
/* Where the row begins, among the bytes fed, that is being read. */
uint64_t csv_row_offset(const struct csv *csv);
/* False when on_row asked to stop or memory ran out (csv_out_of_memory tells which). */
bool csv_feed(struct csv *csv, const char *bytes, size_t length);
bool csv_finish(struct csv *csv);
bool csv_out_of_memory(const struct csv *csv);

#endif
