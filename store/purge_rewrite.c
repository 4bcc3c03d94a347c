/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One closed segment with its lines erased: written beside it as NNNNNNNN.new, checked line by
 * line as it is written, synced, then renamed over it while the index is held. A kill leaves the
 * old file or the new one, and perhaps a .new, which the next purge takes away.
 */
#include "store/purge_internal.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WRITE_BYTES (1u << 20)

struct rewrite {
    const struct journal_purge *purge;
    struct chain_walk *walk;
    char *path; /* owned; of the new file */
    int fd;     /* owned */
    struct strbuf out;
    uint64_t erased;
};

static enum result flush(struct rewrite *rewrite, struct error *err)
{
    size_t done = 0;
    if (rewrite->out.failed)
        return error_no_memory(err);
    while (done < rewrite->out.length) {
        ssize_t wrote = write(rewrite->fd, rewrite->out.data + done, rewrite->out.length - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return error_errno(err, RESULT_UNAVAILABLE, wrote < 0 ? errno : EIO, "cannot write %s",
                               rewrite->path);
        done += (size_t)wrote;
    }
    strbuf_clear(&rewrite->out);
    return RESULT_OK;
}

/* HASH SP INNER SP - LF for the line the walk has just taken; head is the hash before it. */
static enum result add_erased(struct rewrite *rewrite, const uint8_t head[SHA256_BYTES],
                              struct error *err)
{
    const struct line *line = &rewrite->walk->line;
    struct line check;
    uint8_t inner[SHA256_BYTES];
    char text[2 * SHA256_BYTES + 1];
    if (!hasher_pair(&rewrite->walk->hasher, line->salt, SALT_BYTES, line->record, line->length,
                     inner))
        return error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
    size_t from = rewrite->out.length;
    hex_encode(line->hash, SHA256_BYTES, text);
    strbuf_add_str(&rewrite->out, text);
    strbuf_add_char(&rewrite->out, ' ');
    hex_encode(inner, SHA256_BYTES, text);
    strbuf_add_str(&rewrite->out, text);
    strbuf_add_str(&rewrite->out, " -");
    if (rewrite->out.failed)
        return error_no_memory(err);
    /* What is written here cannot be written again: it is read as a stranger would. */
    if (!line_parse(rewrite->out.data + from, rewrite->out.length - from, &check) ||
        !check.erased || !line_holds(&rewrite->walk->hasher, head, &check))
        return error_set(err, RESULT_SYSTEM, "an erased line does not hold");
    strbuf_add_char(&rewrite->out, '\n');
    rewrite->erased++;
    return RESULT_OK;
}

static enum result take_line(struct rewrite *rewrite, const char *text, size_t length,
                             struct error *err)
{
    enum purge_fate fate = PURGE_KEEP;
    struct purge_row row;
    uint8_t head[SHA256_BYTES];
    memcpy(head, rewrite->walk->head, sizeof(head));
    const char *fault = chain_step(rewrite->walk, text, length);
    if (fault != NULL) {
        char where[400];
        chain_where(rewrite->walk, rewrite->purge->directory, text, length, fault, where,
                    sizeof(where));
        return error_set(err, RESULT_DAMAGED, "%s", where);
    }
    const struct line *line = &rewrite->walk->line;
    enum result result = line->erased ? RESULT_OK
                                      : purge_fate(rewrite->purge, rewrite->walk->rows,
                                                   line->record, line->length, &fate, &row, err);
    if (result != RESULT_OK)
        return result;
    if (fate != PURGE_KEEP) {
        result = add_erased(rewrite, head, err);
    } else {
        strbuf_add(&rewrite->out, text, length);
        strbuf_add_char(&rewrite->out, '\n');
    }
    if (result == RESULT_OK && rewrite->out.length >= WRITE_BYTES)
        result = flush(rewrite, err);
    return result;
}

static enum result write_new(struct rewrite *rewrite, uint64_t segment, struct error *err)
{
    struct segment_reader reader;
    enum result result = segment_reader_open(&reader, rewrite->purge->directory, segment, 0, err);
    if (result != RESULT_OK)
        return result;
    chain_segment(rewrite->walk, segment);
    enum segment_read read = SEGMENT_LINE;
    while (result == RESULT_OK && (read = segment_reader_next(&reader, err)) == SEGMENT_LINE)
        result = take_line(rewrite, reader.text, reader.length, err);
    if (result == RESULT_OK && read == SEGMENT_FAILED)
        result = RESULT_SYSTEM;
    else if (result == RESULT_OK && (read == SEGMENT_TOO_LONG || reader.length > 0))
        result = error_set(err, RESULT_DAMAGED, "%s: its last line is not ended", reader.path);
    segment_reader_close(&reader);
    if (result == RESULT_OK)
        result = flush(rewrite, err);
    if (result == RESULT_OK && fsync(rewrite->fd) != 0)
        result = error_errno(err, RESULT_UNAVAILABLE, errno, "cannot sync %s", rewrite->path);
    return result;
}

/* The index is held from before the rename until it has forgotten what went. */
static enum result put_in_place(struct rewrite *rewrite, uint64_t segment, uint64_t first_row,
                                struct error *err)
{
    const struct journal_purge *purge = rewrite->purge;
    char *path = segment_path(purge->directory, segment, ".seg");
    if (path == NULL)
        return error_no_memory(err);
    /* Most of it in short transactions: what is due is due, whether the file is replaced or not. */
    enum result result =
        index_forget(purge->index, &purge->limits, first_row, rewrite->walk->rows, err);
    if (result == RESULT_OK)
        result = index_hold(purge->index, segment, err);
    if (result == RESULT_OK) {
        result = index_forget(purge->index, &purge->limits, first_row, rewrite->walk->rows, err);
        if (result == RESULT_OK && rename(rewrite->path, path) != 0)
            result = error_errno(err, RESULT_UNAVAILABLE, errno, "cannot replace %s", path);
        if (result == RESULT_OK)
            result = file_sync_folder(purge->directory, err);
        result = index_release(purge->index, result, err);
    }
    free(path);
    return result;
}

enum result purge_rewrite(const struct journal_purge *purge, struct chain_walk *walk,
                          uint64_t segment, uint64_t rows, struct error *err)
{
    struct rewrite rewrite = {.purge = purge, .walk = walk, .fd = -1};
    uint64_t first_row = walk->rows + 1;
    enum result result = RESULT_OK;
    rewrite.path = segment_path(purge->directory, segment, ".new");
    if (rewrite.path == NULL)
        return error_no_memory(err);
    rewrite.fd = open(rewrite.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (rewrite.fd < 0)
        result = error_errno(err, RESULT_UNAVAILABLE, errno, "cannot create %s", rewrite.path);
    if (result == RESULT_OK)
        result = write_new(&rewrite, segment, err);
    if (result == RESULT_OK && rewrite.erased != rows)
        result =
            error_set(err, RESULT_CONFLICT,
                      "%s changed while it was looked at: is another purge running?", rewrite.path);
    if (result == RESULT_OK)
        result = put_in_place(&rewrite, segment, first_row, err);
    if (rewrite.fd >= 0)
        close(rewrite.fd);
    if (result != RESULT_OK)
        (void)unlink(rewrite.path);
    strbuf_free(&rewrite.out);
    free(rewrite.path);
    return result;
}

enum result purge_clean(const char *directory, uint64_t last, struct error *err)
{
    for (uint64_t segment = 1; segment <= last; segment++) {
        char *path = segment_path(directory, segment, ".new");
        if (path == NULL)
            return error_no_memory(err);
        bool gone = unlink(path) == 0 || errno == ENOENT;
        int code = errno;
        enum result result =
            gone ? RESULT_OK : error_errno(err, RESULT_UNAVAILABLE, code, "cannot remove %s", path);
        free(path);
        if (result != RESULT_OK)
            return result;
    }
    return RESULT_OK;
}
