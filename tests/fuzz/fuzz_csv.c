/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV: however the bytes are cut, the same rows come out; a row is either refused for a reason or
 * valid text; what was read, written out again in quotes, is read the same; and every byte is taken
 * once, in order, so that a reader can be stopped and go on behind any row. Where one field alone
 * may hold line ends, no other does.
 */
#include "base/csv.h"
#include "base/str.h"
#include "tests/fuzz/fuzz.h"

struct rows {
    struct strbuf seen;   /* everything reported */
    struct strbuf fields; /* the accepted rows alone, without line numbers */
    struct strbuf again;  /* the accepted rows as CSV */
    struct strbuf taken;
    uint64_t last_line;
    size_t multiline; /* the field that may hold line ends */
};

static void rows_free(struct rows *rows)
{
    strbuf_free(&rows->seen);
    strbuf_free(&rows->fields);
    strbuf_free(&rows->again);
    strbuf_free(&rows->taken);
}

static void on_taken(void *arg, const char *bytes, size_t length)
{
    struct rows *rows = arg;
    strbuf_add(&rows->taken, bytes, length);
}

static void write_quoted(struct strbuf *out, const char *field)
{
    strbuf_add_char(out, '"');
    for (; *field != '\0'; field++) {
        if (*field == '"')
            strbuf_add_char(out, '"');
        strbuf_add_char(out, *field);
    }
    strbuf_add_char(out, '"');
}

static bool on_row(void *arg, const struct csv_row *row)
{
    struct rows *rows = arg;
    must(row->line > rows->last_line);
    rows->last_line = row->line;
    must(row->raw_length > 0 && rows->taken.length >= row->raw_length &&
         memcmp(rows->taken.data + rows->taken.length - row->raw_length, row->raw,
                row->raw_length) == 0);
    strbuf_add_format(&rows->seen, "%llu:", (unsigned long long)row->line);
    if (row->problem != NULL) {
        must(row->count == 0 && fuzz_one_line(row->problem));
        strbuf_add_str(&rows->seen, row->problem);
    } else {
        must(row->count > 0 && row->count <= CSV_FIELDS_MAX);
    }
    for (size_t i = 0; i < row->count; i++) {
        const char *field = row->fields[i];
        must(utf8_valid(field, strlen(field)));
        must(strchr(field, '\n') == NULL || rows->multiline == CSV_ANY_FIELD ||
             rows->multiline == i);
        strbuf_add_format(&rows->seen, "[%s]", field);
        strbuf_add_format(&rows->fields, "[%s]", field);
        strbuf_add_str(&rows->again, i > 0 ? "," : "");
        write_quoted(&rows->again, field);
    }
    strbuf_add_char(&rows->seen, '\n');
    if (row->count > 0) {
        strbuf_add_char(&rows->fields, '\n');
        strbuf_add_str(&rows->again, "\r\n");
    }
    return true;
}

static void read_in_pieces(const void *data, size_t size, int way, struct rows *rows)
{
    const char *bytes = data;
    uint64_t state = fuzz_hash(data, size);
    struct csv *csv = csv_new(on_row, rows);
    must(csv != NULL);
    csv_on_taken(csv, on_taken);
    csv_multiline(csv, rows->multiline);
    for (size_t given = 0; given < size;) {
        size_t length = fuzz_cut(way, &state, size - given);
        char *piece = fuzz_copy(bytes + given, length, false);
        must(csv_feed(csv, piece, length));
        free(piece);
        given += length;
    }
    must(csv_finish(csv) && !csv_out_of_memory(csv));
    must(!rows->seen.failed && !rows->fields.failed && !rows->again.failed);
    csv_free(&csv);
    must(rows->taken.length == size && (size == 0 || memcmp(rows->taken.data, data, size) == 0));
}

static void must_equal(const struct strbuf *a, const struct strbuf *b)
{
    must(a->length == b->length && (a->length == 0 || memcmp(a->data, b->data, a->length) == 0));
}

static void read_every_way(const uint8_t *data, size_t size, size_t multiline)
{
    struct rows whole = {.multiline = multiline};
    read_in_pieces(data, size, CUT_WHOLE, &whole);
    for (int way = CUT_BYTES; way < CUT_WAYS; way++) {
        struct rows pieces = {.multiline = multiline};
        read_in_pieces(data, size, way, &pieces);
        must_equal(&whole.seen, &pieces.seen);
        rows_free(&pieces);
    }
    if (whole.again.length > 0) {
        struct rows again = {.multiline = multiline};
        read_in_pieces(whole.again.data, whole.again.length, CUT_WHOLE, &again);
        must_equal(&whole.fields, &again.fields);
        rows_free(&again);
    }
    rows_free(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_every_way(data, size, CSV_ANY_FIELD);
    read_every_way(data, size, 1);
    read_every_way(data, size, CSV_NO_FIELD);
    return 0;
}
