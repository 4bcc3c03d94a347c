/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows for people and for programs: one writer, three formats. `table` is aligned by display width;
 * `json` is one object a line with the right types; `csv` is RFC 4180 with a header. What a peer
 * or a form said may be in a cell: in a table its control characters are shown as U+FFFD, so that
 * no text can drive the terminal.
 */
#ifndef OCTROI_OFFICE_OUTPUT_H
#define OCTROI_OFFICE_OUTPUT_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_CSV };
bool output_format_parse(const char *text, enum output_format *format_out);

enum cell_type {
    CELL_TEXT,
    CELL_NUMBER,
    CELL_FLAG,  /* true and false; yes and no in a table */
    CELL_WORDS, /* separated by '|': an array in JSON */
    CELL_JSON   /* text that is JSON already: json only */
};

struct column {
    const char *name;
    enum cell_type type;
    bool not_in_table;
};

struct cell {
    const char *text; /* borrowed during output_row */
    int64_t number;
    bool present; /* false: null, an empty CSV field, "-" in a table */
};

static inline struct cell cell_text(const char *text)
{
    return (struct cell){.text = text, .present = text != NULL};
}
/* As cell_text, with nothing for an empty text. */
static inline struct cell cell_filled(const char *text)
{
    return (struct cell){.text = text, .present = text != NULL && *text != '\0'};
}
static inline struct cell cell_number(int64_t number)
{
    return (struct cell){.number = number, .present = true};
}
static inline struct cell cell_flag(bool flag)
{
    return (struct cell){.number = flag, .present = true};
}
static inline struct cell cell_none(void)
{
    return (struct cell){0};
}

struct output;

/* stream and columns are borrowed; the columns end with one whose name is NULL. NULL when memory is
 * short. */
struct output *output_new(FILE *stream, enum output_format format, const struct column *columns);
/* One cell a column. False when memory is short (output_end says so, too). */
bool output_row(struct output *output, const struct cell *cells);
/* Writes what is held back and frees. A table without rows is the line "(none)". */
enum result output_end(struct output **output, struct error *err);
/* The CSV is a file for people: text in its first `columns` columns goes through
 * csv_add_foreign. Before the first row. */
void output_guard(struct output *output, size_t columns);

/* Columns a terminal needs for text: wide characters count two, combining ones none. */
size_t output_width(const char *text);
/* As a table shows it: always valid UTF-8, on one line, without control characters. */
void output_add_plain(struct strbuf *buf, const char *text);

#endif
