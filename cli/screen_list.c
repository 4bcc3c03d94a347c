/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/screen_list.h"

#include "base/csv.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024, FIRST_MOST = 2 * CSV_ROW_MAX };

static enum result write_all(int fd, const char *data, size_t length, struct error *err)
{
    while (length > 0) {
        ssize_t wrote = write(fd, data, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return error_errno(err, RESULT_SYSTEM, wrote < 0 ? errno : EIO,
                               "cannot keep what comes in beside the gateway's state");
        data += wrote;
        length -= (size_t)wrote;
    }
    return RESULT_OK;
}

/* Where the second reading begins: for a file that file, else the spool. */
static enum result open_source(struct list *list, int input, const char *state_dir, bool *spool_out,
                               struct error *err)
{
    struct stat st;
    bool whole = fstat(input, &st) == 0 && S_ISREG(st.st_mode) && lseek(input, 0, SEEK_CUR) == 0;
    *spool_out = !whole;
    list->size = whole ? (uint64_t)st.st_size : 0;
    list->fd = whole ? fcntl(input, F_DUPFD_CLOEXEC, 3)
                     : open(state_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (list->fd < 0)
        return error_errno(err, RESULT_SYSTEM, errno,
                           whole ? "cannot read %s" : "cannot spool the list in %s",
                           whole ? list->name : state_dir);
    return RESULT_OK;
}

static enum result read_all(struct list *list, int input, bool spool, char *chunk,
                            list_progress_fn *on_bytes, void *arg, struct error *err)
{
    uint64_t total = list->size;
    uint64_t done = 0;
    for (;;) {
        ssize_t got = read(input, chunk, CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(err, RESULT_SYSTEM, errno, "cannot read %s", list->name);
        if (got == 0)
            break;
        if (!sha256_stream_add(list->again, chunk, (size_t)got))
            return error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
        enum result result = spool ? write_all(list->fd, chunk, (size_t)got, err) : RESULT_OK;
        if (result != RESULT_OK)
            return result;
        done += (uint64_t)got;
        if (on_bytes != NULL)
            on_bytes(arg, done, total);
    }
    list->size = done;
    if (!sha256_stream_now(list->again, list->sha256))
        return error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
    sha256_stream_free(&list->again);
    list->again = sha256_stream_new();
    if (list->again == NULL)
        return error_no_memory(err);
    hex_encode(list->sha256, sizeof(list->sha256), list->hex);
    return RESULT_OK;
}

enum result list_open(struct list *list, FILE *input, const char *name, const char *state_dir,
                      list_progress_fn *on_bytes, void *arg, struct error *err)
{
    bool spool = false;
    *list = (struct list){.fd = -1, .name = name};
    char *chunk = malloc(CHUNK);
    list->again = sha256_stream_new();
    enum result result = chunk == NULL || list->again == NULL ? error_no_memory(err) : RESULT_OK;
    if (result == RESULT_OK)
        result = open_source(list, fileno(input), state_dir, &spool, err);
    if (result == RESULT_OK)
        result = read_all(list, fileno(input), spool, chunk, on_bytes, arg, err);
    if (chunk != NULL)
        wipe(chunk, CHUNK);
    free(chunk);
    if (result != RESULT_OK)
        list_close(list);
    return result;
}

/* The descriptor's own offset is where the first reading left it: pread does without. */
static enum result read_at(struct list *list, uint64_t offset, char *out, size_t size,
                           size_t *got_out, struct error *err)
{
    ssize_t got;
    do
        got = pread(list->fd, out, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot read %s", list->name);
    *got_out = (size_t)got;
    return RESULT_OK;
}

enum result list_layout(struct list *list, const struct layout_question *question,
                        struct error *err)
{
    size_t length = 0;
    size_t got = 1;
    enum result result = RESULT_OK;
    char *text = malloc(FIRST_MOST);
    if (text == NULL)
        return error_no_memory(err);
    while (result == RESULT_OK && got > 0 && length < FIRST_MOST) {
        result = read_at(list, length, text + length, FIRST_MOST - length, &got, err);
        length += result == RESULT_OK ? got : 0;
    }
    if (result == RESULT_OK)
        result = layout_find(question, text, length, &list->layout, err);
    const char *end = memchr(text, '\n', length);
    list->line_end = end != NULL && end > text && end[-1] == '\r' ? "\r\n" : "\n";
    wipe(text, length);
    free(text);
    return result;
}

enum result list_read(struct list *list, char *out, size_t size, size_t *got_out, struct error *err)
{
    /* Not more than there was: who appends to it meanwhile is found out all the same. */
    enum result result = read_at(list, list->read, out, size, got_out, err);
    if (result != RESULT_OK)
        return result;
    list->read += *got_out;
    return sha256_stream_add(list->again, out, *got_out)
               ? RESULT_OK
               : error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
}

enum result list_unchanged(struct list *list, struct error *err)
{
    uint8_t now[SHA256_BYTES];
    if (!sha256_stream_now(list->again, now))
        return error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
    if (memcmp(now, list->sha256, sizeof(now)) != 0)
        return error_set(err, RESULT_CONFLICT,
                         "%s was changed while it was screened: do not hand these rows over",
                         list->name);
    return RESULT_OK;
}

void list_close(struct list *list)
{
    if (list->fd >= 0)
        close(list->fd);
    sha256_stream_free(&list->again);
    *list = (struct list){.fd = -1};
}
