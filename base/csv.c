/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows are read from contiguous memory: the caller's own bytes, or `carry` once a row began in an
 * earlier piece. A piece that brings no line end is only carried, so no row is looked at more often
 * than it has lines.
 */
#include "base/csv.h"

#include "base/crypto.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct csv {
    csv_row_fn *on_row;
    csv_taken_fn *on_taken; /* or NULL */
    void *arg;              /* borrowed */
    struct strbuf carry;    /* begins where a row begins; read up to carried */
    size_t carried;
    bool cutting; /* the carried line is too long: its bytes are dropped up to its end */
    bool begun;   /* behind the place of a byte order mark */
    uint64_t line;
    char separator;
    size_t expected;  /* fields of a row; 0: any number */
    size_t suspect;   /* commas of a quoted line that make it a row; 0: no number does */
    size_t multiline; /* the field that may hold line ends, or CSV_ANY_FIELD, CSV_NO_FIELD */

    /* The row being read. */
    struct strbuf text;                /* its fields, NUL-separated */
    size_t starts[CSV_FIELDS_MAX];     /* offsets into text */
    const char *views[CSV_FIELDS_MAX]; /* the same as pointers, for the callback */
    size_t count;
    size_t breaks; /* line ends inside its quotes */
    const char *problem;
    enum csv_fault fault;
    char counted[64]; /* a problem that holds numbers */
};

/* What is left to read of one row. */
struct cursor {
    const char *bytes;
    size_t length;
    size_t at;
    bool at_end; /* nothing follows these bytes */
};

enum reading {
    READ_ROW,
    READ_PROBLEM,
    READ_MORE, /* the row goes on beyond these bytes */
};

struct csv *csv_new(csv_row_fn *on_row, void *arg)
{
    struct csv *csv = calloc(1, sizeof(*csv));
    if (csv == NULL)
        return NULL;
    csv->on_row = on_row;
    csv->arg = arg;
    csv->line = 1;
    csv->separator = ',';
    csv->multiline = CSV_ANY_FIELD;
    return csv;
}

/* Rows are about people. */
static void forget(struct strbuf *text)
{
    if (text->data != NULL)
        wipe(text->data, text->capacity);
    strbuf_free(text);
}

void csv_free(struct csv **csv)
{
    if (*csv == NULL)
        return;
    forget(&(*csv)->carry);
    forget(&(*csv)->text);
    free(*csv);
    *csv = NULL;
}

void csv_set_separator(struct csv *csv, char separator)
{
    csv->separator = separator;
}

void csv_on_taken(struct csv *csv, csv_taken_fn *on_taken)
{
    csv->on_taken = on_taken;
}

void csv_expect(struct csv *csv, size_t count)
{
    csv->expected = count;
}

void csv_suspect(struct csv *csv, size_t commas)
{
    csv->suspect = commas;
}

void csv_multiline(struct csv *csv, size_t field)
{
    csv->multiline = field;
}

void csv_start_at(struct csv *csv, uint64_t line)
{
    csv->line = line;
    csv->begun = true;
}

uint64_t csv_line(const struct csv *csv)
{
    return csv->line;
}

bool csv_cutting(const struct csv *csv)
{
    return csv->cutting;
}

bool csv_out_of_memory(const struct csv *csv)
{
    return csv->text.failed || csv->carry.failed;
}

/* ---- one row ---- */

static enum reading refuse(struct csv *csv, enum csv_fault fault, const char *problem)
{
    csv->problem = problem;
    csv->fault = fault;
    return READ_PROBLEM;
}

/* The bytes ended within a row. */
static enum reading run_out(struct csv *csv, const struct cursor *cursor)
{
    if (cursor->at > CSV_ROW_MAX)
        return refuse(csv, CSV_TOO_LONG,
                      csv->breaks > 0 ? "a quoted field that is not closed within 1 MiB"
                                      : "longer than 1 MiB");
    return READ_MORE;
}

/* Whether the field being read may hold line ends. */
static bool may_break(const struct csv *csv)
{
    return csv->multiline == CSV_ANY_FIELD || csv->multiline == csv->count - 1;
}

/* The rest of a quoted field up to its closing quote. */
static enum reading read_quoted(struct csv *csv, struct cursor *cursor)
{
    size_t run = ++cursor->at;
    size_t commas = 0;
    for (; cursor->at < cursor->length && cursor->at <= CSV_ROW_MAX; cursor->at++) {
        char c = cursor->bytes[cursor->at];
        if (c == '\0')
            return refuse(csv, CSV_ENCODING, "a NUL byte");
        if (c == csv->separator && csv->breaks > 0 && ++commas == csv->suspect)
            return refuse(csv, CSV_SYNTAX, "a quoted field with a whole row in it: an open quote?");
        if (c == '\n' && !may_break(csv))
            return refuse(csv, CSV_SYNTAX,
                          "a quoted field that is not closed on its line: an open quote?");
        if (c == '\n' && ++csv->breaks > CSV_BREAKS_MAX)
            return refuse(csv, CSV_SYNTAX, "a quoted field that is not closed within 100 lines");
        if (c == '\n')
            commas = 0;
        if (c != '"')
            continue;
        bool last = cursor->at + 1 >= cursor->length;
        if (last && !cursor->at_end)
            return READ_MORE;
        bool escaped = !last && cursor->bytes[cursor->at + 1] == '"';
        strbuf_add(&csv->text, cursor->bytes + run, cursor->at - run + escaped);
        if (!escaped) {
            cursor->at++;
            return READ_ROW;
        }
        run = ++cursor->at + 1;
    }
    if (cursor->at_end && cursor->at <= CSV_ROW_MAX)
        return refuse(csv, CSV_SYNTAX, "a quoted field that is never closed");
    return run_out(csv, cursor);
}

static enum reading read_plain(struct csv *csv, struct cursor *cursor)
{
    const char separator = csv->separator;
    const unsigned char highest = separator > '"' ? (unsigned char)separator : '"';
    size_t run = cursor->at;
    for (; cursor->at < cursor->length && cursor->at <= CSV_ROW_MAX; cursor->at++) {
        unsigned char c = (unsigned char)cursor->bytes[cursor->at];
        if (c > highest) /* as most are: no other byte means anything */
            continue;
        if (c == '\0')
            return refuse(csv, CSV_ENCODING, "a NUL byte");
        if (c == '"')
            return refuse(csv, CSV_SYNTAX, "a quote inside a field that does not start with one");
        if (c == (unsigned char)separator || c == '\n' || c == '\r')
            break;
    }
    strbuf_add(&csv->text, cursor->bytes + run, cursor->at - run);
    return READ_ROW;
}

/* Behind a field: a separator, or the row's end. The cursor is left behind it. */
static enum reading read_separator(struct csv *csv, struct cursor *cursor, bool *ended_out)
{
    if (cursor->at >= cursor->length || cursor->at > CSV_ROW_MAX + 1) {
        *ended_out = true;
        return cursor->at_end && cursor->at <= CSV_ROW_MAX ? READ_ROW : run_out(csv, cursor);
    }
    char c = cursor->bytes[cursor->at++];
    *ended_out = c != csv->separator;
    if (c == csv->separator || c == '\n')
        return READ_ROW;
    if (c == '\0')
        return refuse(csv, CSV_ENCODING, "a NUL byte");
    if (c != '\r' && cursor->at > CSV_ROW_MAX)
        return run_out(csv, cursor);
    if (c != '\r')
        return refuse(csv, CSV_SYNTAX, "text after a closing quote");
    if (cursor->at >= cursor->length)
        return cursor->at_end ? READ_ROW : READ_MORE;
    if (cursor->bytes[cursor->at++] != '\n')
        return refuse(csv, CSV_SYNTAX, "a carriage return that is not followed by a line feed");
    return READ_ROW;
}

static enum reading read_fields(struct csv *csv, struct cursor *cursor)
{
    strbuf_clear(&csv->text);
    csv->count = csv->breaks = 0;
    for (bool ended = false; !ended;) {
        if (csv->count == CSV_FIELDS_MAX)
            return refuse(csv, CSV_SYNTAX, "more than 256 fields");
        csv->starts[csv->count++] = csv->text.length;
        bool quoted = cursor->at < cursor->length && cursor->bytes[cursor->at] == '"';
        enum reading reading = quoted ? read_quoted(csv, cursor) : read_plain(csv, cursor);
        if (reading == READ_ROW)
            reading = read_separator(csv, cursor, &ended);
        if (reading != READ_ROW)
            return reading;
        strbuf_add_char(&csv->text, '\0');
    }
    return READ_ROW;
}

/* The first line alone is measured before it is read, so that what a long line is refused for does
 * not depend on the pieces it came in. */
static enum reading read_row(struct csv *csv, struct cursor *cursor)
{
    const char *end = memchr(cursor->bytes, '\n', cursor->length);
    if (end == NULL && !cursor->at_end)
        return READ_MORE;
    if ((end != NULL ? (size_t)(end - cursor->bytes) : cursor->length) > CSV_ROW_MAX)
        return refuse(csv, CSV_TOO_LONG, "longer than 1 MiB");
    enum reading reading = read_fields(csv, cursor);
    if (reading == READ_ROW && csv->expected > 0 && csv->count != csv->expected) {
        snprintf(csv->counted, sizeof(csv->counted), "%zu fields, the header has %zu", csv->count,
                 csv->expected);
        return refuse(csv, CSV_SYNTAX, csv->counted);
    }
    return reading;
}

/* ---- handing rows out ---- */

static void take(struct csv *csv, const char *bytes, size_t length)
{
    if (csv->on_taken != NULL && length > 0)
        csv->on_taken(csv->arg, bytes, length);
}

static bool report_problem(struct csv *csv, const char *raw, size_t raw_length)
{
    struct csv_row row = {.line = csv->line++,
                          .problem = csv->problem,
                          .fault = csv->fault,
                          .raw = raw,
                          .raw_length = raw_length};
    return csv->on_row(csv->arg, &row);
}

static bool report_row(struct csv *csv, const char *raw, size_t raw_length)
{
    struct csv_row row = {.line = csv->line, .raw = raw, .raw_length = raw_length};
    for (size_t i = 0; i < csv->count && row.problem == NULL; i++) {
        size_t end = i + 1 < csv->count ? csv->starts[i + 1] : csv->text.length;
        csv->views[i] = csv->text.data + csv->starts[i];
        if (!utf8_valid(csv->views[i], end - csv->starts[i] - 1))
            row.problem = "not valid UTF-8";
    }
    row.fault = CSV_ENCODING;
    row.count = row.problem == NULL ? csv->count : 0;
    row.fields = csv->views;
    csv->line += csv->breaks + 1;
    return csv->on_row(csv->arg, &row);
}

/* Length of an empty line at the beginning of bytes, its end included; 0 when there is none. */
static size_t empty_line(const char *bytes, size_t length, bool at_end)
{
    if (length > 0 && bytes[0] == '\n')
        return 1;
    if (length > 1 && bytes[0] == '\r' && bytes[1] == '\n')
        return 2;
    return length == 1 && bytes[0] == '\r' && at_end ? 1 : 0;
}

/* Reads one row, or empty line, at the beginning of bytes. used_out 0: the row goes on beyond
 * them. False to stop. */
static bool read_one(struct csv *csv, const char *bytes, size_t length, bool at_end,
                     size_t *used_out)
{
    size_t mark = 0;
    *used_out = 0;
    if (!csv->begun) {
        csv->begun = true;
        if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
            mark = 3;
    }
    size_t empty = empty_line(bytes + mark, length - mark, at_end);
    if (empty > 0 || mark == length) {
        take(csv, bytes, mark + empty);
        *used_out = mark + empty;
        csv->line += empty > 0;
        return true;
    }
    struct cursor cursor = {bytes + mark, length - mark, 0, at_end};
    enum reading reading = read_row(csv, &cursor);
    if (csv->text.failed)
        return false;
    if (reading == READ_MORE) {
        csv->begun = mark == 0;
        return true;
    }
    if (reading == READ_PROBLEM) {
        const char *end = memchr(cursor.bytes, '\n', cursor.length);
        cursor.at = end != NULL ? (size_t)(end - cursor.bytes) + 1 : cursor.length;
    }
    *used_out = mark + cursor.at;
    take(csv, bytes, *used_out);
    return reading == READ_PROBLEM ? report_problem(csv, bytes, *used_out)
                                   : report_row(csv, bytes, *used_out);
}

/* Reads what is carried as far as it goes, and drops it. */
static bool read_carried(struct csv *csv, bool at_end)
{
    while (csv->carried < csv->carry.length) {
        size_t used;
        if (!read_one(csv, csv->carry.data + csv->carried, csv->carry.length - csv->carried, at_end,
                      &used))
            return false;
        if (used == 0)
            break;
        csv->carried += used;
    }
    if (csv->carried == csv->carry.length) {
        strbuf_clear(&csv->carry);
        csv->carried = 0;
    } else if (csv->carried > csv->carry.length / 2) {
        csv->carry.length -= csv->carried;
        memmove(csv->carry.data, csv->carry.data + csv->carried, csv->carry.length);
        csv->carried = 0;
    }
    return true;
}

/* What is carried is the beginning of one line, and already too long: the rest is dropped. */
static void begin_cutting(struct csv *csv)
{
    csv->carry.length -= csv->carried;
    memmove(csv->carry.data, csv->carry.data + csv->carried, csv->carry.length);
    csv->carried = 0;
    csv->begun = csv->cutting = true;
    take(csv, csv->carry.data, csv->carry.length);
}

static bool end_cutting(struct csv *csv)
{
    csv->cutting = false;
    (void)refuse(csv, CSV_TOO_LONG, "longer than 1 MiB");
    bool go_on = report_problem(csv, csv->carry.data, csv->carry.length);
    strbuf_clear(&csv->carry);
    return go_on;
}

/* Carries the piece up to its first line end. */
static bool carry_line(struct csv *csv, const char *bytes, size_t length, size_t *used_out)
{
    const char *end = memchr(bytes, '\n', length);
    *used_out = end != NULL ? (size_t)(end - bytes) + 1 : length;
    if (csv->cutting) {
        take(csv, bytes, *used_out);
        return end == NULL || end_cutting(csv);
    }
    strbuf_add(&csv->carry, bytes, *used_out);
    if (csv->carry.failed)
        return false;
    /* Lines that an open quote had swallowed stand before one that is too long. */
    bool full = csv->carry.length - csv->carried > CSV_ROW_MAX + 3;
    if ((end != NULL || full) && !read_carried(csv, false))
        return false;
    size_t rest = csv->carry.length - csv->carried;
    if (rest > CSV_ROW_MAX + 3 && memchr(csv->carry.data + csv->carried, '\n', rest) == NULL)
        begin_cutting(csv);
    return true;
}

bool csv_feed(struct csv *csv, const char *bytes, size_t length)
{
    while (length > 0) {
        size_t used = 0;
        bool carries = csv->cutting || csv->carry.length > 0;
        if (!carries && memchr(bytes, '\n', length) != NULL &&
            !read_one(csv, bytes, length, false, &used))
            return false;
        if (used == 0 && !carry_line(csv, bytes, length, &used))
            return false;
        bytes += used;
        length -= used;
    }
    return !csv_out_of_memory(csv);
}

bool csv_finish(struct csv *csv)
{
    if (csv->cutting)
        return end_cutting(csv);
    return read_carried(csv, true) && !csv_out_of_memory(csv);
}
