/* SPDX-License-Identifier: Apache-2.0 */
/* The import's CSV reader: a header in any order, then records by it. */
#include "store/import_reader.h"

#include "base/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct csv_reader {
    struct import_reader reader;
    struct import *import;              /* borrowed */
    const struct import_schema *schema; /* borrowed */
    struct csv *csv;                    /* owned */
    bool has_header;
    size_t width;                      /* columns of the header */
    size_t numbers[SCHEMA_VALUES_MAX]; /* where each value stands in a row, from 1; 0: nowhere */
};

static struct csv_reader *self(struct import_reader *reader)
{
    return (struct csv_reader *)reader;
}

/* ---- the header ---- */

static enum result take_name(struct csv_reader *reader, const char *name, size_t number,
                             struct error *err)
{
    const struct import_schema *schema = reader->schema;
    size_t value = 0;
    while (value < schema->count && strcmp(schema->names[value], name) != 0)
        value++;
    /* A file without its header would show an address here: only plain words are repeated. */
    size_t plain = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_ -");
    if (value == schema->count && plain > 0 && plain <= 40 && name[plain] == '\0')
        return error_set(err, RESULT_BAD_INPUT, "unknown column \"%s\"", name);
    if (value == schema->count)
        return error_set(err, RESULT_BAD_INPUT, "column %zu has no known name", number);
    if (reader->numbers[value] != 0)
        return error_set(err, RESULT_BAD_INPUT, "column \"%s\" stands twice", name);
    reader->numbers[value] = number;
    return RESULT_OK;
}

/* The contract's header is all nine columns; Twilio leaves out what it has no values for. */
static enum result check_names(struct csv_reader *reader, struct error *err)
{
    const struct import_schema *schema = reader->schema;
    bool all = schema == &import_schema_octroi;
    for (size_t value = 0; value < schema->count; value++)
        if (reader->numbers[value] == 0 && (all || (schema->required & 1u << value)))
            return error_set(err, RESULT_BAD_INPUT, "column \"%s\" is missing",
                             schema->names[value]);
    return RESULT_OK;
}

/* Evidence may be of several lines, but hardly with as many commas in one as a row has. That finds
 * each row it swallowed only where it is the last column: else the quote that closes it may stand
 * before the last commas. */
static void expect_rows(struct csv_reader *reader)
{
    bool last = reader->schema == &import_schema_octroi &&
                reader->numbers[COLUMN_EVIDENCE] == reader->width;
    csv_expect(reader->csv, reader->width);
    csv_multiline(reader->csv, last ? reader->width - 1 : CSV_NO_FIELD);
    csv_suspect(reader->csv, last ? reader->width - 1 : 0);
}

static bool read_header(struct csv_reader *reader, const struct csv_row *row)
{
    struct error err = {0};
    enum result result = RESULT_OK;
    if (row->problem != NULL)
        result = error_set(&err, RESULT_BAD_INPUT, "%s", row->problem);
    for (size_t i = 0; i < row->count && result == RESULT_OK; i++)
        result = take_name(reader, row->fields[i], i + 1, &err);
    if (result == RESULT_OK)
        result = check_names(reader, &err);
    if (result != RESULT_OK) {
        error_prefix(&err, "%llu", (unsigned long long)row->line);
        return import_fail(reader->import, result, &err);
    }
    reader->has_header = true;
    reader->width = row->count;
    expect_rows(reader);
    return true;
}

/* ---- rows ---- */

/* Two files put together: the second one's header is no person. */
static bool is_header(const struct csv_reader *reader, const struct csv_row *row)
{
    for (size_t value = 0; value < reader->schema->count; value++)
        if (reader->numbers[value] > 0 &&
            strcmp(row->fields[reader->numbers[value] - 1], reader->schema->names[value]) != 0)
            return false;
    return true;
}

static bool refuse_row(struct csv_reader *reader, const struct csv_row *row, enum csv_fault fault,
                       const char *reason)
{
    static const enum import_class classes[] = {
        [CSV_SYNTAX] = IMPORT_SYNTAX,
        [CSV_ENCODING] = IMPORT_ENCODING,
        [CSV_TOO_LONG] = IMPORT_TOO_LONG,
    };
    return import_fault(reader->import, &(struct import_fault){.line = row->line,
                                                               .about = classes[fault],
                                                               .reason = reason,
                                                               .text = row->raw,
                                                               .text_length = row->raw_length});
}

static bool on_row(void *arg, const struct csv_row *row)
{
    struct csv_reader *reader = arg;
    if (!reader->has_header)
        return read_header(reader, row);
    if (row->problem != NULL)
        return refuse_row(reader, row, row->fault, row->problem);
    if (is_header(reader, row))
        return refuse_row(reader, row, CSV_SYNTAX, "the header stands here again");
    struct import_record record = {.line = row->line,
                                   .numbers = reader->numbers,
                                   .text = row->raw,
                                   .text_length = row->raw_length};
    for (size_t value = 0; value < reader->schema->count; value++)
        record.values[value] =
            reader->numbers[value] > 0 ? row->fields[reader->numbers[value] - 1] : "";
    return import_record(reader->import, &record);
}

static void on_taken(void *arg, const char *bytes, size_t length)
{
    const struct csv_reader *reader = arg;
    if (csv_cutting(reader->csv))
        import_hold(reader->import);
    import_taken(reader->import, bytes, length);
}

/* ---- the reader ---- */

static bool feed(struct import_reader *reader, const char *bytes, size_t length)
{
    return csv_feed(self(reader)->csv, bytes, length);
}

static bool finish(struct import_reader *reader)
{
    struct error err = {0};
    if (!csv_finish(self(reader)->csv))
        return false;
    return self(reader)->has_header ||
           import_fail(self(reader)->import,
                       error_set(&err, RESULT_BAD_INPUT, "1: the header is missing"), &err);
}

static uint64_t line(const struct import_reader *reader)
{
    return csv_line(((const struct csv_reader *)reader)->csv);
}

/* The header's columns by their number among the schema's: "0120…", a digit a column. */
static void save(const struct import_reader *base, struct strbuf *out)
{
    const struct csv_reader *reader = (const struct csv_reader *)base;
    for (size_t number = 1; reader->has_header && number <= reader->width; number++)
        for (size_t value = 0; value < reader->schema->count; value++)
            if (reader->numbers[value] == number)
                strbuf_add_char(out, (char)('0' + value));
}

static bool restore(struct import_reader *base, uint64_t at, const char *state)
{
    struct csv_reader *reader = self(base);
    struct error err = {0};
    csv_start_at(reader->csv, at);
    for (size_t i = 0; state[i] != '\0'; i++) {
        size_t value = (size_t)(state[i] - '0');
        if (state[i] < '0' || value >= reader->schema->count || reader->numbers[value] != 0)
            return false;
        reader->numbers[value] = i + 1;
        reader->width = i + 1;
    }
    reader->has_header = check_names(reader, &err) == RESULT_OK;
    expect_rows(reader);
    return reader->has_header;
}

static void free_reader(struct import_reader *reader)
{
    csv_free(&self(reader)->csv);
    free(reader);
}

struct import_reader *import_csv_new(struct import *import, const struct import_schema *schema)
{
    static const struct import_reader_ops ops = {feed, finish, line, save, restore, free_reader};
    struct csv_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        return NULL;
    reader->reader.ops = &ops;
    reader->import = import;
    reader->schema = schema;
    reader->csv = csv_new(on_row, reader);
    if (reader->csv == NULL) {
        free(reader);
        return NULL;
    }
    csv_on_taken(reader->csv, on_taken);
    return &reader->reader;
}
