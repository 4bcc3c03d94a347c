/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows to where they belong. A permitted row leaves byte for byte as it stood. A blocked one gets
 * three more fields; when it was no row at all, or one of another width, its text stands in the
 * first field and the others are empty, so that the file of the blocked stays one that every
 * program reads.
 */
#include "cli/screen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { EXCERPT = 1000 };

bool screen_fail(struct screen *screen, enum result result, const struct error *err)
{
    if (screen->failure == RESULT_OK) {
        screen->failure = result;
        screen->error = *err;
    }
    return false;
}

static bool wrote(struct screen *screen, const struct outfile *file)
{
    struct error err;
    if (!ferror(file->stream))
        return true;
    error_errno(&err, RESULT_SYSTEM, errno, "cannot write %s", file->name);
    return screen_fail(screen, RESULT_SYSTEM, &err);
}

static void put(FILE *stream, const char *data, size_t length)
{
    (void)fwrite_unlocked(data, 1, length, stream); /* ferror is asked in the end */
}

static void put_text(FILE *stream, const char *text)
{
    put(stream, text, strlen(text));
}

static size_t without_line_end(const char *raw, size_t length)
{
    if (length > 0 && raw[length - 1] == '\n')
        length--;
    if (length > 0 && raw[length - 1] == '\r')
        length--;
    return length;
}

/* Quoted when it must be, for whatever separates the fields. */
static void put_field(FILE *stream, char separator, const char *text)
{
    const char special[] = {separator, '"', '\r', '\n', '\0'};
    if (text[strcspn(text, special)] == '\0') {
        put_text(stream, text);
        return;
    }
    putc_unlocked('"', stream);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putc_unlocked('"', stream);
        putc_unlocked(*text, stream);
    }
    putc_unlocked('"', stream);
}

/* As much of it as tells which one it is, as one field. */
static void put_excerpt(FILE *stream, const char *raw, size_t length)
{
    size_t most = length < EXCERPT ? length : EXCERPT;
    putc_unlocked('"', stream);
    for (size_t i = 0; i < most;) {
        size_t step = utf8_sequence((const unsigned char *)raw + i, length - i);
        if (step == 0)
            put_text(stream, "\xef\xbf\xbd");
        else if (raw[i] == '"')
            put_text(stream, "\"\"");
        else if (raw[i] != '\0')
            put(stream, raw + i, step);
        i += step > 0 ? step : 1;
    }
    if (most < length)
        put_text(stream, "…");
    putc_unlocked('"', stream);
}

bool screen_write_header(struct screen *screen, const char *raw, size_t length)
{
    FILE *blocked = screen->blocked.stream;
    char separator = screen->list.layout.separator;
    put(screen->passed.stream, raw, length);
    if (blocked != NULL) {
        static const char *const names[] = {"reason", "explanation", "ref"};
        put(blocked, raw, without_line_end(raw, length));
        for (size_t i = 0; i < 3; i++) {
            putc_unlocked(separator, blocked);
            put_text(blocked, names[i]);
        }
        put_text(blocked, screen->list.line_end);
        if (!wrote(screen, &screen->blocked))
            return false;
    }
    return wrote(screen, &screen->passed);
}

static void put_blocked(struct screen *screen, const struct screen_batch *batch,
                        const struct screen_row *row)
{
    FILE *stream = screen->blocked.stream;
    const struct layout *layout = &screen->list.layout;
    const char *raw = batch->raw.data + row->offset;
    size_t length = without_line_end(raw, row->length);
    if (row->shapeless) {
        put_excerpt(stream, raw, length);
        for (size_t i = 1; i < layout->columns; i++)
            putc_unlocked(layout->separator, stream);
    } else {
        put(stream, raw, length);
    }
    putc_unlocked(layout->separator, stream);
    put_text(stream, reason_name(row->reason));
    putc_unlocked(layout->separator, stream);
    put_field(stream, layout->separator,
              row->reason == REASON_MALFORMED ? batch->notes.data + row->note
                                              : reason_text(row->reason));
    putc_unlocked(layout->separator, stream);
    put_text(stream, row->id);
    if (length < row->length && !row->shapeless)
        put(stream, raw + length, row->length - length);
    else
        put_text(stream, screen->list.line_end);
}

static void name_unreadable(struct screen *screen, const struct screen_batch *batch,
                            const struct screen_row *row)
{
    progress_clear(&screen->progress);
    fprintf(stderr, "%s:%" PRIu64 ": %s\n", screen->name, row->line, batch->notes.data + row->note);
}

bool screen_write_batch(struct screen *screen, const struct screen_batch *batch)
{
    const struct screen_row *end = batch->rows + batch->count;
    for (const struct screen_row *row = batch->rows; row < end;) {
        const struct screen_row *from = row;
        screen->rows++;
        if (!row->passes) {
            screen->blocks[row->reason]++;
            if (row->reason == REASON_MALFORMED)
                name_unreadable(screen, batch, row);
            if (screen->blocked.stream != NULL)
                put_blocked(screen, batch, row);
            row++;
            continue;
        }
        for (row++; row < end && row->passes; row++) /* rows in a row stand behind one another */
            screen->rows++;
        screen->passes += (uint64_t)(row - from);
        put(screen->passed.stream, batch->raw.data + from->offset,
            row[-1].offset + row[-1].length - from->offset);
    }
    if (screen->blocked.stream != NULL && !wrote(screen, &screen->blocked))
        return false;
    return wrote(screen, &screen->passed);
}
