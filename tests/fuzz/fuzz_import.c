/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The import's readers: however the bytes are cut, the same records and refusals come out; every
 * byte is taken once, in order; no reason holds what could be an address; and reading may stop
 * behind any record and go on there in a new reader.
 *
 * The input's first line says which reader: csv, lines or items, and "octroi" or "twilio".
 */
#include "store/import_reader.h"
#include "tests/fuzz/fuzz.h"

#define STOPS 4

/* Stands in for store/import.c. */
struct import {
    struct import_reader *reader;
    struct strbuf seen;
    struct strbuf taken;
    uint64_t last_line;
    size_t records;
    size_t stop_after; /* records; 0: do not */
    bool failed;
    bool held;
    uint64_t line; /* where to go on */
    struct strbuf state;
    size_t offset;
};

static void note_place(struct import *import)
{
    import->line = import->reader->ops->line(import->reader);
    strbuf_clear(&import->state);
    import->reader->ops->save(import->reader, &import->state);
    import->offset = import->taken.length;
}

static bool note(struct import *import, uint64_t line)
{
    must(line >= import->last_line && line > 0);
    must(import->reader->ops->line(import->reader) >= line);
    import->last_line = line;
    import->held = false;
    note_place(import);
    return ++import->records != import->stop_after;
}

bool import_record(struct import *import, const struct import_record *record)
{
    strbuf_add_format(&import->seen, "%llu", (unsigned long long)record->line);
    for (size_t i = 0; i < SCHEMA_VALUES_MAX; i++) {
        if (record->values[i] == NULL)
            continue;
        must(utf8_valid(record->values[i], strlen(record->values[i])));
        strbuf_add_format(&import->seen, "[%s]", record->values[i]);
    }
    strbuf_add_char(&import->seen, '\n');
    must(record->text_length > 0);
    return note(import, record->line);
}

bool import_fault(struct import *import, const struct import_fault *fault)
{
    must(fuzz_one_line(fault->reason) && strchr(fault->reason, '@') == NULL);
    must(fault->about >= 0 && fault->about < IMPORT_CLASS_COUNT);
    strbuf_add_format(&import->seen, "%llu!%d %s %s\n", (unsigned long long)fault->line,
                      (int)fault->about, fault->column != NULL ? fault->column : "", fault->reason);
    return note(import, fault->line);
}

bool import_fail(struct import *import, enum result result, const struct error *err)
{
    must(result == RESULT_BAD_INPUT && fuzz_one_line(err->text));
    strbuf_add_format(&import->seen, "failed: %s\n", err->text);
    import->failed = true;
    return false;
}

void import_taken(struct import *import, const char *bytes, size_t length)
{
    strbuf_add(&import->taken, bytes, length);
}

void import_hold(struct import *import)
{
    if (!import->held)
        note_place(import);
    import->held = true;
}

static void release(struct import *import)
{
    import->reader->ops->free(import->reader);
    strbuf_free(&import->seen);
    strbuf_free(&import->taken);
    strbuf_free(&import->state);
}

struct input {
    enum import_shape shape;
    const struct import_schema *schema;
    const char *bytes;
    size_t size;
};

static void begin(struct import *import, const struct input *input)
{
    *import = (struct import){.failed = false};
    import->reader = input->shape == SHAPE_CSV
                         ? import_csv_new(import, input->schema)
                         : import_json_new(import, input->schema, input->shape == SHAPE_LINES);
    must(import->reader != NULL);
}

/* True when it came to its end. */
static bool read_from(struct import *import, const struct input *input, size_t from, int way)
{
    uint64_t state = fuzz_hash((const uint8_t *)input->bytes, input->size);
    bool go_on = true;
    for (size_t given = from; given < input->size && go_on;) {
        size_t length = fuzz_cut(way, &state, input->size - given);
        char *piece = fuzz_copy(input->bytes + given, length, false);
        go_on = import->reader->ops->feed(import->reader, piece, length);
        free(piece);
        given += length;
    }
    if (go_on)
        go_on = import->reader->ops->finish(import->reader);
    must(!import->seen.failed && !import->taken.failed);
    must(import->taken.length <= input->size - from);
    must(import->taken.length == 0 ||
         memcmp(import->taken.data, input->bytes + from, import->taken.length) == 0);
    must(!go_on || import->taken.length == input->size - from);
    return go_on;
}

static void must_equal(const struct strbuf *a, const struct strbuf *b)
{
    must(a->length == b->length && (a->length == 0 || memcmp(a->data, b->data, a->length) == 0));
}

/* What was read before the stop and what a new reader reads behind it are the whole. */
static void stop_and_go_on(const struct input *input, const struct import *whole, size_t after)
{
    struct import first;
    struct import rest;
    begin(&first, input);
    first.stop_after = after;
    (void)read_from(&first, input, 0, CUT_PIECES);
    must(first.records == after);
    begin(&rest, input);
    strbuf_add(&first.state, "", 0);
    must(rest.reader->ops->restore(rest.reader, first.line, first.state.data));
    rest.last_line = first.last_line;
    (void)read_from(&rest, input, first.offset, CUT_PIECES);
    strbuf_add(&first.seen, rest.seen.data, rest.seen.length);
    must_equal(&whole->seen, &first.seen);
    release(&first);
    release(&rest);
}

static bool choose(const uint8_t *data, size_t size, struct input *input)
{
    const char *text = (const char *)data;
    const char *end = size > 0 ? memchr(text, '\n', size) : NULL;
    size_t word = end != NULL ? (size_t)(end - text) : size;
    if (word < 2)
        return false;
    input->shape = text[0] == 'c' ? SHAPE_CSV : text[0] == 'l' ? SHAPE_LINES : SHAPE_ITEMS;
    input->schema = text[word - 1] == 'o' ? &import_schema_twilio : &import_schema_octroi;
    input->bytes = text + word;
    input->size = size - word;
    if (input->size > 0) {
        input->bytes++;
        input->size--;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input;
    struct import whole;
    if (!choose(data, size, &input))
        return 0;
    begin(&whole, &input);
    bool ended = read_from(&whole, &input, 0, CUT_WHOLE);
    must(ended || whole.failed);
    for (int way = CUT_BYTES; way < CUT_WAYS; way++) {
        struct import pieces;
        begin(&pieces, &input);
        must(read_from(&pieces, &input, 0, way) == ended);
        must_equal(&whole.seen, &pieces.seen);
        release(&pieces);
    }
    size_t stops = whole.records < STOPS ? whole.records : STOPS;
    for (size_t i = 0; i < stops; i++)
        stop_and_go_on(&input, &whole, 1 + i * whole.records / STOPS);
    release(&whole);
    return 0;
}
