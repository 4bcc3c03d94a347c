/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a copy back. The archive may come from anywhere: only the names that `backup` writes are
 * taken, only ordinary files, each once, and nothing is written outside the folder.
 */
#include "cli/backup.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUMS_MAX  (16u * 1024 * 1024)
#define DEPTH_MAX 64

struct reader {
    struct archive *archive; /* owned */
    int folder;              /* borrowed */
    struct strbuf seen;      /* "SUM  NAME" of each file, in their order */
    struct strbuf sums;      /* as the archive says */
    struct progress *progress;
    struct backup_counts *counts;
};

static enum result not_ours(const char *what, struct error *err)
{
    return error_set(err, RESULT_BAD_INPUT, "this is no copy that octroi backup made: %s", what);
}

static enum result tar_failed(struct reader *reader, struct error *err)
{
    const char *why = archive_error_string(reader->archive);
    return error_set(err, RESULT_DAMAGED, "the copy cannot be read: %s",
                     why != NULL ? why : "out of memory");
}

static bool is_plain(const char *name)
{
    size_t parts = 0;
    for (const char *at = name; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    for (const char *at = name;; parts++) {
        size_t length = strcspn(at, "/");
        if (length == 0 || parts > DEPTH_MAX || (length == 1 && at[0] == '.') ||
            (length == 2 && at[0] == '.' && at[1] == '.'))
            return false;
        if (at[length] == '\0')
            return true;
        at += length + 1;
    }
}

static bool is_journal(const char *name)
{
    const char *file = name + strlen("journal/");
    return strspn(file, "0123456789") == 8 && strchr(file, '/') == NULL &&
           (strcmp(file + 8, ".seg") == 0 || strncmp(file + 8, ".torn", 5) == 0);
}

static bool is_known(const char *name)
{
    if (strlen(name) > 4000 || !is_plain(name))
        return false;
    if (strncmp(name, "journal/", 8) == 0)
        return is_journal(name);
    return strcmp(name, "registry.db") == 0 || strcmp(name, BACKUP_ABOUT) == 0 ||
           strncmp(name, "keys/", 5) == 0 || strncmp(name, "configuration/", 14) == 0;
}

/* The folders on the way are made as they are needed. */
static enum result create(struct reader *reader, const char *name, int *fd_out, struct error *err)
{
    char part[4096];
    for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        str_copy_n(part, sizeof(part), name, (size_t)(slash - name));
        if (mkdirat(reader->folder, part, 0700) != 0 && errno != EEXIST)
            return error_errno(err, RESULT_SYSTEM, errno, "cannot make %s", part);
    }
    *fd_out =
        openat(reader->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd_out < 0 && errno == EEXIST)
        return not_ours("a file is in it twice", err);
    return *fd_out >= 0 ? RESULT_OK
                        : error_errno(err, RESULT_SYSTEM, errno, "cannot write %s", name);
}

static enum result write_all(int fd, const char *name, const char *data, size_t length,
                             struct error *err)
{
    while (length > 0) {
        ssize_t wrote = write(fd, data, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return error_errno(err, RESULT_SYSTEM, wrote < 0 ? errno : EIO, "cannot write %s",
                               name);
        data += wrote;
        length -= (size_t)wrote;
    }
    return RESULT_OK;
}

/* fd -1: into sums. */
static enum result take_data(struct reader *reader, const char *name, int fd, EVP_MD_CTX *sum,
                             struct error *err)
{
    for (;;) {
        char chunk[65536];
        la_ssize_t got = archive_read_data(reader->archive, chunk, sizeof(chunk));
        if (got < 0)
            return tar_failed(reader, err);
        if (got == 0)
            return RESULT_OK;
        enum result result = RESULT_OK;
        if (fd >= 0) {
            result = write_all(fd, name, chunk, (size_t)got, err);
            if (result == RESULT_OK && EVP_DigestUpdate(sum, chunk, (size_t)got) != 1)
                result = error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
        } else {
            strbuf_add(&reader->sums, chunk, (size_t)got);
            if (reader->sums.failed || reader->sums.length > SUMS_MAX)
                result = not_ours("its list of sums is too long", err);
        }
        if (result != RESULT_OK)
            return result;
        reader->counts->bytes += (uint64_t)got;
        progress_show(reader->progress, reader->counts->bytes, 0, reader->counts->bytes / 1024);
    }
}

static enum result take_file(struct reader *reader, const char *name, struct error *err)
{
    uint8_t digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    int fd = -1;
    EVP_MD_CTX *sum = EVP_MD_CTX_new();
    enum result result = sum != NULL && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1
                             ? create(reader, name, &fd, err)
                             : error_no_memory(err);
    if (result == RESULT_OK)
        result = take_data(reader, name, fd, sum, err);
    if (result == RESULT_OK && fsync(fd) != 0)
        result = error_errno(err, RESULT_SYSTEM, errno, "cannot sync %s", name);
    if (result == RESULT_OK && EVP_DigestFinal_ex(sum, digest, NULL) != 1)
        result = error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
    if (result == RESULT_OK) {
        hex_encode(digest, sizeof(digest), hex);
        strbuf_add_format(&reader->seen, "%s  %s\n", hex, name);
        reader->counts->files++;
        reader->counts->segments += strncmp(name, "journal/", 8) == 0;
    }
    if (fd >= 0)
        close(fd);
    EVP_MD_CTX_free(sum);
    return result == RESULT_OK && reader->seen.failed ? error_no_memory(err) : result;
}

static enum result take_entry(struct reader *reader, struct archive_entry *entry, struct error *err)
{
    const char *name = archive_entry_pathname(entry);
    if (name == NULL || archive_entry_filetype(entry) != AE_IFREG ||
        archive_entry_hardlink(entry) != NULL)
        return not_ours("it holds something else than files", err);
    if (reader->sums.length > 0)
        return not_ours("something stands behind its sums", err);
    if (strcmp(name, BACKUP_SUMS) == 0)
        return take_data(reader, name, -1, NULL, err);
    if (!is_known(name))
        return not_ours("it holds a file of another name", err);
    return take_file(reader, name, err);
}

/* Both lists are in the order of the archive: the first line that differs names the file. */
static enum result compare_sums(struct reader *reader, struct error *err)
{
    if (reader->sums.length == 0)
        return error_set(err, RESULT_DAMAGED,
                         "the copy has no sums at its end: it was cut off, or is none");
    const char *said = reader->sums.data;
    const char *seen = reader->seen.length > 0 ? reader->seen.data : "";
    while (*said != '\0' || *seen != '\0') {
        size_t length = strcspn(said, "\n");
        size_t other = strcspn(seen, "\n");
        if (length != other || memcmp(said, seen, length) != 0) {
            const char *line = other > 66 ? seen + 66 : length > 66 ? said + 66 : "a file";
            return error_set(err, RESULT_DAMAGED, "%.*s is not what the copy's sums say",
                             (int)strcspn(line, "\n"), line);
        }
        said += length + (said[length] == '\n');
        seen += other + (seen[other] == '\n');
    }
    return RESULT_OK;
}

static enum result read_all(struct reader *reader, FILE *stream, struct error *err)
{
    struct archive_entry *entry;
    int code;
    if (archive_read_support_format_tar(reader->archive) != ARCHIVE_OK ||
        archive_read_open_FILE(reader->archive, stream) != ARCHIVE_OK)
        return tar_failed(reader, err);
    while ((code = archive_read_next_header(reader->archive, &entry)) == ARCHIVE_OK) {
        enum result result = take_entry(reader, entry, err);
        if (result != RESULT_OK)
            return result;
    }
    return code == ARCHIVE_EOF ? compare_sums(reader, err) : tar_failed(reader, err);
}

enum result backup_read(FILE *stream, int folder, struct progress *progress,
                        struct backup_counts *counts_out, struct error *err)
{
    struct reader reader = {.folder = folder, .progress = progress, .counts = counts_out};
    *counts_out = (struct backup_counts){0};
    reader.archive = archive_read_new();
    enum result result =
        reader.archive == NULL ? error_no_memory(err) : read_all(&reader, stream, err);
    if (reader.archive != NULL)
        archive_read_free(reader.archive);
    strbuf_free(&reader.seen);
    strbuf_free(&reader.sums);
    return result;
}
