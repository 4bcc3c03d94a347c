/* SPDX-License-Identifier: Apache-2.0 */
/* Lines and the hash chain over them; and the segment files' names, locks and reader. */
#include "store/segment.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HASH_HEX = 2 * SHA256_BYTES,
    SALT_HEX = 2 * SALT_BYTES,
    SALT_AT = HASH_HEX + 1,
    RECORD_AT = SALT_AT + SALT_HEX + 1,
    ERASED_AT = SALT_AT + HASH_HEX + 1,
    READ_BYTES = 256 * 1024
};

/* ---- hashing ---- */

bool hasher_open(struct hasher *hasher)
{
    hasher->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    hasher->ctx = EVP_MD_CTX_new();
    if (hasher->md != NULL && hasher->ctx != NULL)
        return true;
    hasher_close(hasher);
    return false;
}

void hasher_close(struct hasher *hasher)
{
    EVP_MD_CTX_free(hasher->ctx);
    EVP_MD_free(hasher->md);
    *hasher = (struct hasher){0};
}

bool hasher_pair(struct hasher *hasher, const void *a, size_t a_length, const void *b,
                 size_t b_length, uint8_t out[SHA256_BYTES])
{
    return EVP_DigestInit_ex2(hasher->ctx, hasher->md, NULL) == 1 &&
           EVP_DigestUpdate(hasher->ctx, a, a_length) == 1 &&
           EVP_DigestUpdate(hasher->ctx, b, b_length) == 1 &&
           EVP_DigestFinal_ex(hasher->ctx, out, NULL) == 1;
}

/* ---- lines ---- */

static bool read_hex(const char *text, uint8_t *out, size_t length)
{
    return hex_decode_lower(text, 2 * length, out, length);
}

bool line_parse(const char *text, size_t length, struct line *line_out)
{
    if (length < RECORD_AT + 1 || text[HASH_HEX] != ' ' ||
        !read_hex(text, line_out->hash, SHA256_BYTES))
        return false;
    line_out->erased = text[RECORD_AT - 1] != ' ';
    if (line_out->erased) {
        line_out->record = text + ERASED_AT;
        line_out->length = 1;
        return length == ERASED_AT + 1 && text[ERASED_AT - 1] == ' ' && text[ERASED_AT] == '-' &&
               read_hex(text + SALT_AT, line_out->inner, SHA256_BYTES);
    }
    line_out->record = text + RECORD_AT;
    line_out->length = length - RECORD_AT;
    return line_out->length <= SEGMENT_RECORD_MAX &&
           read_hex(text + SALT_AT, line_out->salt, SALT_BYTES);
}

bool line_holds(struct hasher *hasher, const uint8_t previous[SHA256_BYTES],
                const struct line *line)
{
    uint8_t inner[SHA256_BYTES];
    uint8_t hash[SHA256_BYTES];
    if (line->erased)
        memcpy(inner, line->inner, sizeof(inner));
    else if (!hasher_pair(hasher, line->salt, SALT_BYTES, line->record, line->length, inner))
        return false;
    return hasher_pair(hasher, previous, SHA256_BYTES, inner, sizeof(inner), hash) &&
           memcmp(hash, line->hash, sizeof(hash)) == 0;
}

bool line_add(struct hasher *hasher, struct strbuf *out, uint8_t head[SHA256_BYTES],
              const uint8_t salt[SALT_BYTES], const char *record, size_t length)
{
    uint8_t inner[SHA256_BYTES];
    uint8_t hash[SHA256_BYTES];
    char prefix[RECORD_AT + 1];
    if (!hasher_pair(hasher, salt, SALT_BYTES, record, length, inner) ||
        !hasher_pair(hasher, head, SHA256_BYTES, inner, sizeof(inner), hash))
        return false;
    hex_encode(hash, sizeof(hash), prefix);
    prefix[HASH_HEX] = ' ';
    hex_encode(salt, SALT_BYTES, prefix + SALT_AT);
    prefix[RECORD_AT - 1] = ' ';
    strbuf_add(out, prefix, RECORD_AT);
    strbuf_add(out, record, length);
    strbuf_add_char(out, '\n');
    memcpy(head, hash, sizeof(hash));
    return !out->failed;
}

static bool is_line_prefix(const char *tail, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = tail[i];
        bool fits = (unsigned char)c >= 0x20;
        if (i == HASH_HEX || i == RECORD_AT - 1)
            fits = c == ' ';
        else if (i < RECORD_AT - 1)
            fits = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        else if (i == RECORD_AT)
            fits = c == '{';
        if (!fits)
            return false;
    }
    return length <= SEGMENT_LINE_MAX;
}

bool line_is_torn(struct hasher *hasher, const uint8_t previous[SHA256_BYTES], const char *tail,
                  size_t length)
{
    struct line line;
    if (!is_line_prefix(tail, length))
        return false;
    /* A whole record whose LF was turned into something else is no accident of writing. */
    for (size_t end = RECORD_AT + 1; end < length; end++)
        if (tail[end - 1] == '}' && line_parse(tail, end, &line) &&
            line_holds(hasher, previous, &line))
            return false;
    return true;
}

/* ---- files ---- */

char *segment_path(const char *directory, uint64_t number, const char *suffix)
{
    struct strbuf path = {0};
    strbuf_add_format(&path, "%s/%08" PRIu64 "%s", directory, number, suffix);
    return strbuf_take(&path);
}

void segment_label(const char *directory, uint64_t number, char out[SEGMENT_LABEL])
{
    size_t end = strlen(directory);
    while (end > 1 && directory[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && directory[start - 1] != '/')
        start--;
    int shown = end - start < 255 ? (int)(end - start) : 255;
    snprintf(out, SEGMENT_LABEL, "%.*s/%08" PRIu64 ".seg", shown, directory + start, number);
}

static uint64_t name_number(const char *name)
{
    uint64_t number = 0;
    size_t digits = 0;
    for (; digits < 8 && name[digits] >= '0' && name[digits] <= '9'; digits++)
        number = number * 10 + (uint64_t)(name[digits] - '0');
    return digits == 8 && strcmp(name + 8, ".seg") == 0 ? number : 0;
}

/* The files are there, but not one for each number. */
static enum result name_missing(const char *directory, uint64_t last, struct error *err)
{
    for (uint64_t number = 1; number <= last; number++) {
        char *path = segment_path(directory, number, ".seg");
        if (path == NULL)
            return error_no_memory(err);
        bool there = file_exists(path);
        free(path);
        if (!there) {
            char label[SEGMENT_LABEL];
            segment_label(directory, number, label);
            return error_set(err, RESULT_DAMAGED, "%s is missing", label);
        }
    }
    return RESULT_OK;
}

enum result segment_last(const char *directory, uint64_t *last_out, struct error *err)
{
    DIR *folder = opendir(directory);
    if (folder == NULL)
        return error_errno(err, errno == ENOENT ? RESULT_NOT_FOUND : RESULT_SYSTEM, errno,
                           "cannot open the folder %s", directory);
    uint64_t last = 0;
    uint64_t count = 0;
    struct dirent *entry;
    while ((errno = 0, entry = readdir(folder)) != NULL) {
        uint64_t number = name_number(entry->d_name);
        count += number > 0;
        last = number > last ? number : last;
    }
    int failed = errno;
    closedir(folder);
    if (failed != 0)
        return error_errno(err, RESULT_SYSTEM, failed, "cannot read the folder %s", directory);
    *last_out = last;
    return count < last ? name_missing(directory, last, err) : RESULT_OK;
}

static struct flock lock_from(short type, uint64_t from, uint64_t length)
{
    return (struct flock){
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)from, .l_len = (off_t)length};
}

enum result segment_lock(int fd, const char *path, uint64_t offset, struct error *err)
{
    struct flock lock = lock_from(F_WRLCK, offset, 0);
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return RESULT_OK;
    if (errno == EAGAIN || errno == EACCES)
        return error_set(err, RESULT_CONFLICT, "%s is being written by another process", path);
    return error_errno(err, RESULT_UNAVAILABLE, errno, "cannot lock %s", path);
}

enum result segment_release(int fd, const char *path, uint64_t offset, struct error *err)
{
    if (offset == 0) /* a length of zero would mean all of it */
        return RESULT_OK;
    struct flock lock = lock_from(F_UNLCK, 0, offset);
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return RESULT_OK;
    return error_errno(err, RESULT_UNAVAILABLE, errno, "cannot unlock %s", path);
}

enum result segment_durable(int fd, const char *path, uint64_t *bytes_out, bool *live_out,
                            struct error *err)
{
    struct stat st;
    struct flock lock = lock_from(F_RDLCK, 0, 0);
    /* The size first: when the writer goes on meanwhile, the lock can only be further. */
    if (fstat(fd, &st) != 0 || fcntl(fd, F_OFD_GETLK, &lock) != 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot read %s", path);
    *bytes_out = (uint64_t)st.st_size;
    *live_out = lock.l_type != F_UNLCK;
    if (*live_out && (uint64_t)lock.l_start < *bytes_out)
        *bytes_out = (uint64_t)lock.l_start;
    return RESULT_OK;
}

/* ---- reading ---- */

enum result segment_reader_open(struct segment_reader *reader, const char *directory,
                                uint64_t number, uint64_t offset, struct error *err)
{
    *reader = (struct segment_reader){.fd = -1, .offset = offset};
    enum result result = RESULT_OK;
    reader->path = segment_path(directory, number, ".seg");
    reader->buffer = malloc(READ_BYTES);
    if (reader->path == NULL || reader->buffer == NULL) {
        result = error_no_memory(err);
        goto out;
    }
    reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0) {
        result = error_errno(err, errno == ENOENT ? RESULT_NOT_FOUND : RESULT_SYSTEM, errno,
                             "cannot open %s", reader->path);
        goto out;
    }
    result = segment_durable(reader->fd, reader->path, &reader->limit, &reader->live, err);
out:
    if (result != RESULT_OK)
        segment_reader_close(reader);
    return result;
}

void segment_reader_close(struct segment_reader *reader)
{
    if (reader->fd >= 0)
        close(reader->fd);
    free(reader->path);
    free(reader->buffer);
    *reader = (struct segment_reader){.fd = -1};
}

static bool fill(struct segment_reader *reader, struct error *err)
{
    memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
    reader->end -= reader->start;
    reader->start = 0;
    while (!reader->ended && reader->end < READ_BYTES) {
        uint64_t at = reader->offset + reader->end;
        size_t want = READ_BYTES - reader->end;
        if (at >= reader->limit) {
            reader->ended = true;
            break;
        }
        if (want > reader->limit - at)
            want = (size_t)(reader->limit - at);
        ssize_t got = pread(reader->fd, reader->buffer + reader->end, want, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            error_errno(err, RESULT_SYSTEM, errno, "cannot read %s", reader->path);
            return false;
        }
        reader->ended = got == 0;
        reader->end += (size_t)got;
    }
    return true;
}

enum segment_read segment_reader_next(struct segment_reader *reader, struct error *err)
{
    char *found = NULL;
    for (int round = 0; found == NULL && round < 2; round++) {
        if (reader->end > reader->start)
            found = memchr(reader->buffer + reader->start, '\n', reader->end - reader->start);
        if (found == NULL && round == 0 && !fill(reader, err))
            return SEGMENT_FAILED;
    }
    reader->text = reader->buffer + reader->start;
    reader->length = found != NULL ? (size_t)(found - reader->text) : reader->end - reader->start;
    if (reader->length > SEGMENT_LINE_MAX)
        return SEGMENT_TOO_LONG;
    if (found == NULL)
        return SEGMENT_END;
    reader->start += reader->length + 1;
    reader->offset += reader->length + 1;
    return SEGMENT_LINE;
}
