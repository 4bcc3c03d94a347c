/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum result file_read(const char *path, size_t cap, struct strbuf *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno == ENOENT ? RESULT_NOT_FOUND : RESULT_SYSTEM, errno,
                           "cannot open %s", path);
    enum result result = RESULT_OK;
    size_t total = 0;
    for (;;) {
        char chunk[16384];
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            result = error_errno(err, RESULT_SYSTEM, errno, "cannot read %s", path);
        else if (got > 0 && (total += (size_t)got) > cap)
            result = error_set(err, RESULT_BAD_INPUT, "%s is larger than %zu bytes", path, cap);
        else if (got > 0)
            strbuf_add(out, chunk, (size_t)got);
        wipe(chunk, sizeof(chunk));
        if (result != RESULT_OK || got <= 0)
            break;
    }
    close(fd);
    if (result == RESULT_OK && out->failed)
        result = error_no_memory(err);
    return result;
}

enum result file_check_private(const char *path, struct error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return error_errno(err, errno == ENOENT ? RESULT_NOT_FOUND : RESULT_SYSTEM, errno,
                           "cannot open %s", path);
    if ((st.st_mode & 06) != 0)
        return error_set(err, RESULT_DENIED,
                         "%s holds a secret and others may %s it (mode %04o): chmod o= it", path,
                         (st.st_mode & 04) != 0 ? "read" : "write", (unsigned)st.st_mode & 07777);
    return RESULT_OK;
}

enum result file_read_secret(const char *path, struct strbuf *out, struct error *err)
{
    enum result result = file_check_private(path, err);
    if (result == RESULT_OK)
        result = file_read(path, 4096, out, err);
    if (result != RESULT_OK)
        return result;
    size_t length = out->length ? strcspn(out->data, "\r\n") : 0;
    if (length == 0)
        return error_set(err, RESULT_BAD_INPUT, "%s is empty", path);
    wipe(out->data + length, out->length - length);
    out->length = length;
    return RESULT_OK;
}

static enum result write_all(int fd, const char *path, const void *data, size_t length,
                             struct error *err)
{
    const char *at = data;
    while (length > 0) {
        ssize_t wrote = write(fd, at, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return error_errno(err, RESULT_SYSTEM, errno, "cannot write %s", path);
        at += wrote;
        length -= (size_t)wrote;
    }
    if (fsync(fd) != 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot sync %s", path);
    return RESULT_OK;
}

static enum result sync_parent(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return file_sync_folder(".", err);
    char *folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (folder == NULL)
        return error_no_memory(err);
    enum result result = file_sync_folder(folder, err);
    free(folder);
    return result;
}

enum result file_create(const char *path, mode_t mode, const void *data, size_t length,
                        struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0 && errno == EEXIST)
        return error_set(err, RESULT_CONFLICT, "%s exists already", path);
    if (fd < 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot create %s", path);
    enum result result = write_all(fd, path, data, length, err);
    close(fd);
    if (result != RESULT_OK)
        unlink(path);
    return result == RESULT_OK ? sync_parent(path, err) : result;
}

enum result file_replace(const char *path, mode_t mode, const void *data, size_t length,
                         struct error *err)
{
    struct strbuf temporary = {0};
    strbuf_add_str(&temporary, path);
    strbuf_add_str(&temporary, ".tmp");
    if (temporary.failed) {
        strbuf_free(&temporary);
        return error_no_memory(err);
    }
    enum result result;
    int fd = open(temporary.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) {
        result = error_errno(err, RESULT_SYSTEM, errno, "cannot create %s", temporary.data);
    } else {
        result = write_all(fd, temporary.data, data, length, err);
        close(fd);
        if (result == RESULT_OK && rename(temporary.data, path) != 0)
            result = error_errno(err, RESULT_SYSTEM, errno, "cannot rename %s to %s",
                                 temporary.data, path);
        if (result != RESULT_OK)
            unlink(temporary.data);
    }
    strbuf_free(&temporary);
    return result == RESULT_OK ? sync_parent(path, err) : result;
}

enum result file_make_folder(const char *path, mode_t mode, struct error *err)
{
    if (mkdir(path, mode) == 0)
        return RESULT_OK;
    struct stat st;
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return RESULT_OK;
    return error_errno(err, RESULT_SYSTEM, errno, "cannot make the folder %s", path);
}

enum result file_sync_folder(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot open the folder %s", path);
    int failed = fsync(fd) != 0 ? errno : 0;
    close(fd);
    if (failed)
        return error_errno(err, RESULT_SYSTEM, failed, "cannot sync the folder %s", path);
    return RESULT_OK;
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

char *file_resolve(const char *base_file, const char *path)
{
    const char *slash = strrchr(base_file, '/');
    if (path[0] == '/' || slash == NULL)
        return strdup(path);
    struct strbuf out = {0};
    strbuf_add(&out, base_file, (size_t)(slash - base_file) + 1);
    strbuf_add_str(&out, path);
    return strbuf_take(&out);
}

char *file_join(const char *folder, const char *name)
{
    struct strbuf out = {0};
    strbuf_add_str(&out, folder);
    strbuf_add_char(&out, '/');
    strbuf_add_str(&out, name);
    return strbuf_take(&out);
}
