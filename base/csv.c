/* SPDX-License-Identifier: Apache-2.0 */
#include "base/csv.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum csv_state {
    CSV_FIELD_START,
    CSV_PLAIN,
    CSV_QUOTED,
    CSV_QUOTE_IN_QUOTED, /* a quote was seen: the field ends, or another quote follows */
    CSV_CR,              /* a CR was seen: LF must follow */
    CSV_SKIP,            /* the row is refused: on to the next line end */
};

struct csv {
    csv_row_fn *on_row;
    void *arg; /* borrowed */
    enum csv_state state;
    struct strbuf text;                /* the row's fields, NUL-separated */
    size_t starts[CSV_FIELDS_MAX];     /* offsets into text */
    const char *views[CSV_FIELDS_MAX]; /* the same as pointers, for the callback */
    size_t count;
    uint64_t line;
    uint64_t row_line;
    const char *problem;
    size_t bom_seen; /* bytes of a byte order mark matched so far; 3 once decided */
    bool row_has_bytes;
    char separator;
    uint64_t fed;       /* bytes, those held back as a byte order mark included */
    uint64_t row_start; /* the same, where the row began */
};

struct csv *csv_new(csv_row_fn *on_row, void *arg)
{
    struct csv *csv = calloc(1, sizeof(*csv));
    if (csv == NULL)
        return NULL;
    csv->on_row = on_row;
    csv->arg = arg;
    csv->line = csv->row_line = 1;
    csv->separator = ',';
    return csv;
}

void csv_free(struct csv **csv)
{
    if (*csv == NULL)
        return;
    strbuf_free(&(*csv)->text);
    free(*csv);
    *csv = NULL;
}

void csv_set_separator(struct csv *csv, char separator)
{
    csv->separator = separator;
}

uint64_t csv_row_offset(const struct csv *csv)
{
    return csv->row_start;
}

bool csv_out_of_memory(const struct csv *csv)
{
    return csv->text.failed;
}

static void refuse(struct csv *csv, const char *problem)
{
    csv->problem = problem;
    csv->state = CSV_SKIP;
}

static void start_field(struct csv *csv)
{
    if (csv->count == CSV_FIELDS_MAX) {
        refuse(csv, "more than 256 fields");
        return;
    }
    csv->starts[csv->count++] = csv->text.length;
}

static void end_field(struct csv *csv)
{
    strbuf_add_char(&csv->text, '\0');
    csv->state = CSV_FIELD_START;
}

static void add_byte(struct csv *csv, char c)
{
    if (csv->text.length >= CSV_ROW_MAX)
        refuse(csv, "longer than 1 MiB");
    else
        strbuf_add_char(&csv->text, c);
}

static bool end_row(struct csv *csv)
{
    bool go_on = true;
    struct csv_row row = {.line = csv->row_line,
                          .problem = csv->problem,
                          .offset = csv->row_start,
                          .length = csv->fed - csv->row_start};
    if (csv->text.failed)
        return false;
    if (row.problem == NULL && csv->count > 0) {
        for (size_t i = 0; i < csv->count && row.problem == NULL; i++) {
            csv->views[i] = csv->text.data + csv->starts[i];
            if (!utf8_valid(csv->views[i], strlen(csv->views[i])))
                row.problem = "not valid UTF-8";
        }
        row.count = row.problem == NULL ? csv->count : 0;
        row.fields = csv->views;
    }
    if (csv->row_has_bytes || row.problem != NULL)
        go_on = csv->on_row(csv->arg, &row);
    strbuf_clear(&csv->text);
    csv->count = 0;
    csv->problem = NULL;
    csv->row_has_bytes = false;
    csv->state = CSV_FIELD_START;
    csv->row_line = csv->line + 1;
    csv->row_start = csv->fed;
    return go_on;
}

static void begin_field(struct csv *csv, char c)
{
    start_field(csv);
    if (csv->state == CSV_SKIP)
        return;
    if (c == '"') {
        csv->state = CSV_QUOTED;
    } else if (c == csv->separator) {
        end_field(csv);
    } else if (c == '\r') {
        strbuf_add_char(&csv->text, '\0');
        csv->state = CSV_CR;
    } else {
        add_byte(csv, c);
        if (csv->state != CSV_SKIP)
            csv->state = CSV_PLAIN;
    }
}

/* One byte that is not a row's end; LF outside quotes is handled by feed_byte. */
static void take_byte(struct csv *csv, char c)
{
    switch (csv->state) {
    case CSV_FIELD_START:
        begin_field(csv, c);
        break;
    case CSV_PLAIN:
        if (c == csv->separator) {
            end_field(csv);
        } else if (c == '\r') {
            strbuf_add_char(&csv->text, '\0');
            csv->state = CSV_CR;
        } else if (c == '"') {
            refuse(csv, "a quote inside a field that does not start with one");
        } else {
            add_byte(csv, c);
        }
        break;
    case CSV_QUOTED:
        if (c == '"')
            csv->state = CSV_QUOTE_IN_QUOTED;
        else
            add_byte(csv, c);
        break;
    case CSV_QUOTE_IN_QUOTED:
        if (c == '"') {
            add_byte(csv, c);
            if (csv->state != CSV_SKIP)
                csv->state = CSV_QUOTED;
        } else if (c == csv->separator) {
            end_field(csv);
        } else if (c == '\r') {
            strbuf_add_char(&csv->text, '\0');
            csv->state = CSV_CR;
        } else {
            refuse(csv, "text after a closing quote");
        }
        break;
    case CSV_CR:
        refuse(csv, "a carriage return that is not followed by a line feed");
        break;
    case CSV_SKIP:
        break;
    }
}

/* A line feed outside quotes. */
static bool take_line_end(struct csv *csv)
{
    if (csv->state == CSV_FIELD_START && csv->count > 0)
        start_field(csv); /* the row ended in a separator: a last empty field */
    if (csv->state == CSV_FIELD_START || csv->state == CSV_PLAIN ||
        csv->state == CSV_QUOTE_IN_QUOTED)
        strbuf_add_char(&csv->text, '\0');
    bool go_on = end_row(csv);
    csv->line++;
    return go_on;
}

static bool feed_byte(struct csv *csv, char c)
{
    if (c == '\n' && csv->state == CSV_QUOTED) {
        add_byte(csv, c);
        csv->line++;
        return !csv->text.failed;
    }
    if (c == '\n')
        return take_line_end(csv);
    if (c != '\r')
        csv->row_has_bytes = true;
    if (c == '\0' && csv->state != CSV_SKIP)
        refuse(csv, "a NUL byte");
    else
        take_byte(csv, c);
    return !csv->text.failed;
}

/* How many of the bytes are nothing but more of the field being read. */
static size_t run_length(const struct csv *csv, const char *bytes, size_t length)
{
    size_t room = CSV_ROW_MAX > csv->text.length ? CSV_ROW_MAX - csv->text.length : 0;
    size_t most = length < room ? length : room;
    size_t n = 0;
    if (csv->state == CSV_PLAIN)
        while (n < most && bytes[n] != csv->separator && bytes[n] != '"' && bytes[n] != '\r' &&
               bytes[n] != '\n' && bytes[n] != '\0')
            n++;
    else if (csv->state == CSV_QUOTED)
        while (n < most && bytes[n] != '"' && bytes[n] != '\n' && bytes[n] != '\0')
            n++;
    return n;
}

bool csv_feed(struct csv *csv, const char *bytes, size_t length)
{
    static const char bom[] = "\xef\xbb\xbf";
    for (size_t i = 0; i < length; i++) {
        size_t run = run_length(csv, bytes + i, length - i);
        if (run > 0) {
            strbuf_add(&csv->text, bytes + i, run);
            if (csv->text.failed)
                return false;
            csv->row_has_bytes = true;
            csv->fed += run;
            i += run - 1;
            continue;
        }
        csv->fed++;
        if (csv->bom_seen < 3) {
            if (bytes[i] == bom[csv->bom_seen]) {
                csv->bom_seen++;
                continue;
            }
            size_t matched = csv->bom_seen;
            csv->bom_seen = 3;
            for (size_t j = 0; j < matched; j++)
                if (!feed_byte(csv, bom[j]))
                    return false;
        }
        if (!feed_byte(csv, bytes[i]))
            return false;
    }
    return true;
}

bool csv_finish(struct csv *csv)
{
    if (csv->bom_seen < 3) {
        /* The beginning of a byte order mark was all there was: these bytes are a row after all. */
        static const char bom[] = "\xef\xbb";
        size_t matched = csv->bom_seen;
        csv->bom_seen = 3;
        for (size_t i = 0; i < matched; i++)
            if (!feed_byte(csv, bom[i]))
                return false;
    }
    if (csv->state == CSV_QUOTED) {
        csv->problem = "a quoted field that is never closed";
    } else if (csv->state == CSV_FIELD_START && csv->count == 0) {
        return true;
    }
    return take_line_end(csv);
}
