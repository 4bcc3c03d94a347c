/* SPDX-License-Identifier: Apache-2.0 */
#include "store/segment_writer.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One huge batch must not hold its memory for ever. */
#define OUT_KEPT (16u * 1024 * 1024)

static bool add_line(struct segment_writer *writer, const char *record, size_t length)
{
    if (writer->salts_left == 0) {
        if (!random_bytes(writer->salts, sizeof(writer->salts)))
            return false;
        writer->salts_left = SALTS_AHEAD;
    }
    const uint8_t *salt = writer->salts[--writer->salts_left];
    struct chain_end *end = &writer->pending;
    if (!line_add(&writer->hasher, &writer->out, end->head, salt, record, length))
        return false;
    end->rows++;
    end->since++;
    return true;
}

bool segment_writer_checkpoint(struct segment_writer *writer)
{
    if (writer->pending.since == 0)
        return true;
    strbuf_clear(&writer->record);
    if (!record_checkpoint(&writer->record, writer->key, writer->gateway, writer->pending.rows,
                           writer->pending.head, clock_now()) ||
        !add_line(writer, writer->record.data, writer->record.length))
        return false;
    writer->pending.since = 0;
    return true;
}

bool segment_writer_add(struct segment_writer *writer, const char *record, size_t length)
{
    if (!add_line(writer, record, length))
        return false;
    return writer->pending.since < CHECKPOINT_ROWS || segment_writer_checkpoint(writer);
}

/* ---- the file ---- */

/* A second descriptor may succeed where the first only fails (a lost network mount, say). The
 * first keeps the lock until the bytes are gone, so that no reader takes them for durable. */
static enum result cut_anew(struct segment_writer *writer, struct error *err)
{
    int fd = open(writer->path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, RESULT_UNAVAILABLE, errno, "cannot open %s", writer->path);
    if (ftruncate(fd, (off_t)writer->offset) != 0) {
        enum result result =
            error_errno(err, RESULT_UNAVAILABLE, errno, "cannot cut %s", writer->path);
        close(fd);
        return result;
    }
    close(writer->fd);
    writer->fd = fd;
    enum result result = segment_lock(fd, writer->path, writer->offset, err);
    writer->uncut = result != RESULT_OK;
    return result != RESULT_OK ? RESULT_UNAVAILABLE : RESULT_OK;
}

static void cut(struct segment_writer *writer)
{
    writer->uncut = ftruncate(writer->fd, (off_t)writer->offset) != 0;
}

/* The next segment, empty. An earlier attempt may have left it there, empty too. */
static enum result next_segment(struct segment_writer *writer, struct error *err)
{
    if (writer->number >= SEGMENT_LAST)
        return error_set(err, RESULT_UNAVAILABLE, "the journal has no segment number left");
    int fd = -1;
    enum result result = RESULT_OK;
    struct stat st;
    char *path = segment_path(writer->directory, writer->number + 1, ".seg");
    if (path == NULL)
        return error_no_memory(err);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        result = error_errno(err, RESULT_UNAVAILABLE, errno, "cannot create %s", path);
    else
        result = segment_lock(fd, path, 0, err);
    if (result == RESULT_OK && (fstat(fd, &st) != 0 || st.st_size != 0))
        result = error_set(err, RESULT_UNAVAILABLE, "%s is not empty", path);
    if (result == RESULT_OK && file_sync_folder(writer->directory, err) != RESULT_OK)
        result = RESULT_UNAVAILABLE;
    if (result != RESULT_OK) {
        if (fd >= 0)
            close(fd);
        free(path);
        return result == RESULT_NO_MEMORY ? result : RESULT_UNAVAILABLE;
    }
    if (writer->fd >= 0)
        close(writer->fd);
    free(writer->path);
    writer->fd = fd;
    writer->path = path;
    writer->number++;
    writer->offset = 0;
    return RESULT_OK;
}

static void forget_pending(struct segment_writer *writer)
{
    if (writer->out.capacity > OUT_KEPT)
        strbuf_free(&writer->out);
    strbuf_clear(&writer->out);
    writer->pending = writer->durable;
}

static enum result crypto_failed(struct segment_writer *writer, struct error *err)
{
    forget_pending(writer);
    return error_set(err, RESULT_UNAVAILABLE, "cannot compose journal rows: no memory or OpenSSL");
}

enum result segment_writer_begin(struct segment_writer *writer, enum writer_rows rows,
                                 struct error *err)
{
    enum result result = RESULT_OK;
    forget_pending(writer);
    if (writer->uncut)
        result = cut_anew(writer, err);
    bool full = writer->offset >= writer->segment_size || rows == WRITER_ROWS_ANEW;
    if (result == RESULT_OK && rows != WRITER_NONE && writer->offset > 0 && full) {
        /* Every finished segment ends with a checkpoint: the next start counts from it. */
        if (!segment_writer_checkpoint(writer))
            return crypto_failed(writer, err);
        result = segment_writer_commit(writer, err);
        if (result == RESULT_OK)
            result = next_segment(writer, err);
    } else if (result == RESULT_OK && writer->number == 0) {
        result = next_segment(writer, err);
    }
    if (result != RESULT_OK || writer->offset > 0)
        return result;
    strbuf_clear(&writer->record);
    record_segment(&writer->record, writer->gateway, writer->number, writer->durable.head,
                   clock_now());
    if (writer->record.failed || !add_line(writer, writer->record.data, writer->record.length))
        return crypto_failed(writer, err);
    return RESULT_OK;
}

static enum result write_out(struct segment_writer *writer, struct error *err)
{
    size_t done = 0;
    while (done < writer->out.length) {
        ssize_t wrote = pwrite(writer->fd, writer->out.data + done, writer->out.length - done,
                               (off_t)(writer->offset + done));
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return error_errno(err, RESULT_UNAVAILABLE, wrote < 0 ? errno : EIO, "cannot write %s",
                               writer->path);
        done += (size_t)wrote;
    }
    if (fdatasync(writer->fd) != 0)
        return error_errno(err, RESULT_UNAVAILABLE, errno, "cannot sync %s", writer->path);
    return RESULT_OK;
}

enum result segment_writer_commit(struct segment_writer *writer, struct error *err)
{
    enum result result = RESULT_OK;
    if (writer->out.failed)
        result = error_no_memory(err);
    else if (writer->out.length > 0)
        result = write_out(writer, err);
    if (result != RESULT_OK) {
        cut(writer);
        forget_pending(writer);
        return result;
    }
    writer->offset += writer->out.length;
    writer->durable = writer->pending;
    strbuf_clear(&writer->out);
    /* Should this fail, readers only see these rows later: nothing was lost, so nobody is told. */
    (void)segment_release(writer->fd, writer->path, writer->offset, NULL);
    return RESULT_OK;
}

/* ---- life ---- */

static enum result note_recovery(struct segment_writer *writer, const struct segment_tail *tail,
                                 struct error *err)
{
    struct strbuf record = {0};
    enum result result =
        segment_writer_begin(writer, tail->torn_bytes > 0 ? WRITER_ROWS : WRITER_NONE, err);
    if (result == RESULT_OK && tail->torn_bytes > 0) {
        record_recovered(&record, writer->number, tail->torn_bytes, tail->torn_digest, clock_now());
        if (record.failed || !segment_writer_add(writer, record.data, record.length))
            result = crypto_failed(writer, err);
    }
    if (result == RESULT_OK)
        result = segment_writer_commit(writer, err);
    strbuf_free(&record);
    return result;
}

enum result segment_writer_open(struct segment_writer *writer, const char *directory,
                                const char *gateway, const struct signing_key *key,
                                uint64_t segment_size, struct error *err)
{
    struct segment_tail tail = {0};
    *writer = (struct segment_writer){.fd = -1, .key = key, .segment_size = segment_size};
    writer->directory = strdup(directory);
    writer->gateway = strdup(gateway);
    enum result result = RESULT_OK;
    if (writer->directory == NULL || writer->gateway == NULL || !hasher_open(&writer->hasher))
        result = error_no_memory(err);
    if (result == RESULT_OK)
        result = file_make_folder(directory, 0700, err);
    if (result == RESULT_OK)
        result = segment_recover(writer, &tail, err);
    if (result == RESULT_OK)
        result = note_recovery(writer, &tail, err);
    if (result != RESULT_OK)
        segment_writer_close(writer);
    return result;
}

void segment_writer_close(struct segment_writer *writer)
{
    if (writer->fd >= 0)
        close(writer->fd);
    writer->fd = -1;
    hasher_close(&writer->hasher);
    strbuf_free(&writer->out);
    strbuf_free(&writer->record);
    free(writer->directory);
    free(writer->gateway);
    free(writer->path);
    writer->directory = writer->gateway = writer->path = NULL;
}
