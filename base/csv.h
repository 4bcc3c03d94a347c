/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 4180, streamed: bytes go in, rows come out, memory stays constant. Accepts CRLF and LF line
 * ends and a UTF-8 byte order mark; refuses, by line and reason, what would otherwise be guessed
 * at (a quote inside a plain field, text after a closing quote, NUL, invalid UTF-8, a row over
 * the cap), and goes on with the next line. The separator may be another than the comma, as French
 * spreadsheets want it.
 *
 * A quote that is never closed costs one line, not the rest of the file: a row that does not hold
 * is refused by its first line alone, and what it had swallowed is read again as rows of its own.
 */
#ifndef OCTROI_BASE_CSV_H
#define OCTROI_BASE_CSV_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_FIELDS_MAX 256
#define CSV_ROW_MAX    (1024 * 1024) /* bytes of a row, its line end apart */
#define CSV_BREAKS_MAX 100           /* line ends inside a row's quotes */
#define CSV_ANY_FIELD  SIZE_MAX
#define CSV_NO_FIELD   (SIZE_MAX - 1)

enum csv_fault {
    CSV_SYNTAX,   /* quotes, line ends, number of fields */
    CSV_ENCODING, /* NUL, invalid UTF-8 */
    CSV_TOO_LONG,
};

struct csv_row {
    uint64_t line;       /* where the row starts, from 1 */
    size_t count;        /* 0 for a refused row */
    const char **fields; /* NUL-terminated; valid during the callback */
    const char *problem; /* NULL, or why this row is refused; count is then 0 */
    enum csv_fault fault;
    /* The row as it stood, a byte order mark before it and its line end included; of one that is
     * too long, no more than its beginning. Valid during the callback. */
    const char *raw;
    size_t raw_length;
};

/* Return false to stop. Empty lines are not reported. */
typedef bool csv_row_fn(void *arg, const struct csv_row *row);
/* Each byte of the input once, in order, as soon as it will not be read again: those of a row just
 * before the row. */
typedef void csv_taken_fn(void *arg, const char *bytes, size_t length);

struct csv;
struct csv *csv_new(csv_row_fn *on_row, void *arg);
void csv_free(struct csv **csv);
/* Between fields, before the first byte is fed: ',' unless told, else ';' or a tab, say. */
void csv_set_separator(struct csv *csv, char separator);
void csv_on_taken(struct csv *csv, csv_taken_fn *on_taken);
/* From the next row on, another number of fields is a fault: a row that swallowed others through a
 * quote is then found out. */
void csv_expect(struct csv *csv, size_t count);
/* A line inside quotes with so many commas is taken for a row that an open quote swallowed (where
 * the next quote happens to make a row of it all); 0: never. */
void csv_suspect(struct csv *csv, size_t commas);
/* From the next row on, only this field, from 0, may hold line ends in its quotes. Elsewhere two
 * quotes that were never meant can hide the rows between them in one that looks whole.
 * CSV_ANY_FIELD unless told. */
void csv_multiline(struct csv *csv, size_t field);
/* Before the first byte: this is not the beginning of the file but its line `line`. */
void csv_start_at(struct csv *csv, uint64_t line);
/* The line on which the next row will start. */
uint64_t csv_line(const struct csv *csv);
/* Within a line that is too long: what is taken now ends in its middle. */
bool csv_cutting(const struct csv *csv);
/* False when on_row asked to stop or memory ran out (csv_out_of_memory tells which). */
bool csv_feed(struct csv *csv, const char *bytes, size_t length);
bool csv_finish(struct csv *csv);
bool csv_out_of_memory(const struct csv *csv);

#endif
