/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the chain ends, found when the journal is opened. Only the last segment is read in full;
 * of the one before, its last row: a checkpoint, which says how many rows there were. A full check
 * is verify's. Changes nothing until all of that held.
 */
#include "store/segment_writer.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads the end of a finished segment: its last line, LF included. *text_out is owned by the
 * caller. */
static enum result read_end(const char *path, char **text_out, size_t *length_out,
                            struct error *err)
{
    enum result result = RESULT_OK;
    char *text = malloc(SEGMENT_LINE_MAX + 2);
    struct stat st;
    size_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (text == NULL) {
        result = error_no_memory(err);
        goto out;
    }
    if (fd < 0 || fstat(fd, &st) != 0) {
        result = error_errno(err, RESULT_SYSTEM, errno, "cannot read %s", path);
        goto out;
    }
    size_t want = SEGMENT_LINE_MAX + 2;
    if ((uint64_t)st.st_size < want)
        want = (size_t)st.st_size;
    while (got < want) {
        ssize_t n = pread(fd, text + got, want - got, st.st_size - (off_t)(want - got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            result = error_errno(err, RESULT_SYSTEM, n < 0 ? errno : EIO, "cannot read %s", path);
            goto out;
        }
        got += (size_t)n;
    }
    const char *before = got > 1 ? memrchr(text, '\n', got - 1) : NULL;
    size_t start = before != NULL ? (size_t)(before - text) + 1 : 0;
    memmove(text, text + start, got - start);
    *text_out = text;
    *length_out = got - start;
    text = NULL;
out:
    if (fd >= 0)
        close(fd);
    free(text);
    return result;
}

/* Puts the walk at the end of segment number, which must be finished. */
static enum result start_after(struct segment_writer *writer, uint64_t number,
                               struct chain_walk *walk, struct error *err)
{
    char *path = segment_path(writer->directory, number, ".seg");
    char *text = NULL;
    size_t length = 0;
    struct line line;
    uint64_t row = 0;
    uint8_t head[SHA256_BYTES];
    if (path == NULL)
        return error_no_memory(err);
    enum result result = read_end(path, &text, &length, err);
    if (result != RESULT_OK)
        goto out;
    if (length < 2 || text[length - 1] != '\n' || !line_parse(text, length - 1, &line) ||
        record_type(line.record, line.length) != RECORD_CHECKPOINT ||
        !checkpoint_read(line.record, line.length, &row, head) ||
        !line_holds(&walk->hasher, head, &line)) {
        char label[SEGMENT_LABEL];
        segment_label(writer->directory, number, label);
        result =
            error_set(err, RESULT_DAMAGED, "%s does not end with a checkpoint that holds", label);
        goto out;
    }
    walk->rows = row + 1;
    memcpy(walk->head, line.hash, sizeof(walk->head));
out:
    free(text);
    free(path);
    return result;
}

static enum result put_aside(struct segment_writer *writer, const char *bytes, size_t length,
                             struct error *err)
{
    enum result result = RESULT_CONFLICT;
    for (unsigned attempt = 0; result == RESULT_CONFLICT && attempt < 1000; attempt++) {
        char suffix[24] = ".torn";
        if (attempt > 0)
            snprintf(suffix, sizeof(suffix), ".torn.%u", attempt);
        char *path = segment_path(writer->directory, writer->number, suffix);
        if (path == NULL)
            return error_no_memory(err);
        result = file_create(path, 0600, bytes, length, err);
        free(path);
    }
    return result;
}

static enum result damaged(struct segment_writer *writer, const char *what, struct error *err)
{
    char label[SEGMENT_LABEL];
    segment_label(writer->directory, writer->number, label);
    return error_set(err, RESULT_DAMAGED, "%s: %s", label, what);
}

/* Walks the last segment. reader then stands at its end, with the tail in text and length. */
static enum result scan(struct segment_writer *writer, struct chain_walk *walk,
                        struct segment_reader *reader, struct error *err)
{
    for (;;) {
        switch (segment_reader_next(reader, err)) {
        case SEGMENT_FAILED:
            return RESULT_SYSTEM;
        case SEGMENT_TOO_LONG:
            return damaged(writer, "a line is longer than any record", err);
        case SEGMENT_END:
            if (reader->length > 0 &&
                !line_is_torn(&walk->hasher, walk->head, reader->text, reader->length))
                return damaged(writer, "after its last row it holds what no interrupted write left",
                               err);
            return RESULT_OK;
        case SEGMENT_LINE:
            break;
        }
        const char *fault = chain_step(walk, reader->text, reader->length);
        if (fault != NULL) {
            char where[400];
            chain_where(walk, writer->directory, reader->text, reader->length, fault, where,
                        sizeof(where));
            return error_set(err, RESULT_DAMAGED, "%s", where);
        }
    }
}

static enum result open_last(struct segment_writer *writer, uint64_t last, struct error *err)
{
    writer->number = last;
    writer->path = segment_path(writer->directory, last, ".seg");
    if (writer->path == NULL)
        return error_no_memory(err);
    struct stat st;
    writer->fd = open(writer->path, O_RDWR | O_CLOEXEC);
    if (writer->fd < 0 || fstat(writer->fd, &st) != 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot open %s", writer->path);
    /* From the end of the file on: the rows in it stay visible to readers meanwhile. */
    return segment_lock(writer->fd, writer->path, (uint64_t)st.st_size, err);
}

/* What was read becomes durable before anything is built upon it: the last writer may have died
 * between its write and its sync. */
static enum result settle(struct segment_writer *writer, const struct chain_walk *walk,
                          struct segment_reader *reader, struct segment_tail *tail_out,
                          struct error *err)
{
    enum result result = RESULT_OK;
    writer->offset = reader->offset;
    writer->durable.rows = walk->rows;
    writer->durable.since = walk->since;
    memcpy(writer->durable.head, walk->head, sizeof(walk->head));
    if (reader->length > 0) {
        if (!sha256(reader->text, reader->length, tail_out->torn_digest))
            return error_no_memory(err);
        result = put_aside(writer, reader->text, reader->length, err);
        if (result == RESULT_OK)
            result = segment_lock(writer->fd, writer->path, writer->offset, err);
        if (result != RESULT_OK)
            return result;
        if (ftruncate(writer->fd, (off_t)writer->offset) != 0)
            return error_errno(err, RESULT_UNAVAILABLE, errno, "cannot cut %s", writer->path);
        tail_out->torn_bytes = reader->length;
    }
    if (fsync(writer->fd) != 0)
        return error_errno(err, RESULT_UNAVAILABLE, errno, "cannot sync %s", writer->path);
    return file_sync_folder(writer->directory, err);
}

enum result segment_recover(struct segment_writer *writer, struct segment_tail *tail_out,
                            struct error *err)
{
    uint64_t last = 0;
    struct chain_walk walk;
    struct segment_reader reader = {.fd = -1};
    enum result result = segment_last(writer->directory, &last, err);
    if (result != RESULT_OK || last == 0)
        return result;
    if (!chain_open(&walk, NULL))
        return error_no_memory(err);
    result = open_last(writer, last, err);
    if (result == RESULT_OK && last > 1)
        result = start_after(writer, last - 1, &walk, err);
    if (result == RESULT_OK)
        result = segment_reader_open(&reader, writer->directory, last, 0, err);
    if (result == RESULT_OK) {
        chain_segment(&walk, last);
        result = scan(writer, &walk, &reader, err);
    }
    if (result == RESULT_OK)
        result = settle(writer, &walk, &reader, tail_out, err);
    segment_reader_close(&reader);
    chain_close(&walk);
    return result;
}
