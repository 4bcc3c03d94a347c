/* SPDX-License-Identifier: Apache-2.0 */
#include "office/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

struct zip {
    int fd;                       /* borrowed */
    struct archive *archive;      /* owned */
    struct archive_entry *header; /* owned; of the current entry */
    uint64_t written;             /* of the current entry */
    int failed;                   /* errno of the first write that failed */
    bool abandoned;               /* nothing more is written */
};

/* libarchive takes what was written, however little, and comes again with the rest. Of a failure it
 * is not told, but by zip_… through `failed`: an archive that knows that it failed cannot be freed
 * without losing its compressor's memory (3.6). */
static la_ssize_t write_some(struct archive *archive, void *arg, const void *bytes, size_t length)
{
    struct zip *zip = arg;
    (void)archive;
    if (zip->failed != 0 || zip->abandoned)
        return (la_ssize_t)length;
    ssize_t written;
    do
        written = write(zip->fd, bytes, length);
    while (written < 0 && errno == EINTR);
    if (written >= 0)
        return written;
    zip->failed = errno;
    return (la_ssize_t)length;
}

static enum result failure(const struct zip *zip, struct error *err)
{
    const char *text = archive_error_string(zip->archive);
    enum result code = archive_errno(zip->archive) == ENOMEM ? RESULT_NO_MEMORY : RESULT_SYSTEM;
    return error_set(err, code, "%s", text != NULL ? text : "zip failed");
}

/* What came of a call, which libarchive says is good. */
static enum result outcome(const struct zip *zip, bool good, struct error *err)
{
    if (zip->failed != 0)
        return error_errno(err, RESULT_SYSTEM, zip->failed, "cannot be written");
    return good ? RESULT_OK : failure(zip, err);
}

enum result zip_new(int fd, struct zip **zip_out, struct error *err)
{
    struct zip *zip = calloc(1, sizeof(*zip));
    *zip_out = zip;
    if (zip == NULL)
        return error_no_memory(err);
    zip->fd = fd;
    zip->archive = archive_write_new();
    zip->header = archive_entry_new();
    if (zip->archive == NULL || zip->header == NULL) {
        zip_free(zip_out);
        return error_no_memory(err);
    }
    struct archive *archive = zip->archive;
    /* zip64 is what some unpackers still stumble over in a stream; a tape's padding is for tapes.
     */
    if (archive_write_set_format_zip(archive) == ARCHIVE_OK &&
        archive_write_set_format_option(archive, "zip", "compression", "deflate") == ARCHIVE_OK &&
        archive_write_set_format_option(archive, "zip", "zip64", NULL) == ARCHIVE_OK &&
        archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK &&
        archive_write_open(archive, zip, NULL, write_some, NULL) == ARCHIVE_OK)
        return RESULT_OK;
    enum result result = failure(zip, err);
    zip_free(zip_out);
    return result;
}

enum result zip_entry(struct zip *zip, const char *name, struct error *err)
{
    /* No time is set: an entry without one is of 1980-01-01 in every time zone. */
    archive_entry_clear(zip->header);
    archive_entry_set_pathname(zip->header, name);
    archive_entry_set_filetype(zip->header, AE_IFREG);
    archive_entry_set_perm(zip->header, 0600);
    zip->written = 0;
    return outcome(zip, archive_write_header(zip->archive, zip->header) == ARCHIVE_OK, err);
}

enum result zip_write(struct zip *zip, const void *bytes, size_t length, struct error *err)
{
    const char *at = bytes;
    zip->written += length;
    if (zip->written > UINT32_MAX - 1024 * 1024)
        return error_set(err, RESULT_SYSTEM, "an entry of more than 4 GB does not fit");
    while (length > 0) {
        la_ssize_t taken = archive_write_data(zip->archive, at, length);
        enum result result = outcome(zip, taken > 0, err);
        if (result != RESULT_OK)
            return result;
        at += taken;
        length -= (size_t)taken;
    }
    return RESULT_OK;
}

enum result zip_finish(struct zip *zip, struct error *err)
{
    return outcome(zip, archive_write_close(zip->archive) == ARCHIVE_OK, err);
}

void zip_free(struct zip **zip_pointer)
{
    struct zip *zip = *zip_pointer;
    if (zip == NULL)
        return;
    /* Freeing an archive that was not finished finishes it, into nothing. */
    zip->abandoned = true;
    if (zip->archive != NULL)
        archive_write_free(zip->archive);
    if (zip->header != NULL)
        archive_entry_free(zip->header);
    free(zip);
    *zip_pointer = NULL;
}
