/* SPDX-License-Identifier: Apache-2.0 */
/* The archive, written in one go: nothing of it is held in memory or gone back to. */
#include "base/clock.h"
#include "base/file.h"
#include "cli/backup.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNK      (256 * 1024)
#define PUBLIC_MAX 65536

struct writer {
    const struct context *context;
    struct archive *archive; /* owned */
    struct strbuf sums;
    char *chunk; /* owned; CHUNK bytes */
    struct progress *progress;
    uint64_t total; /* bytes, about */
    struct backup_counts *counts;
};

static enum result tar_failed(struct writer *writer, struct error *err)
{
    const char *why = archive_error_string(writer->archive);
    return error_set(err, RESULT_SYSTEM, "cannot write the copy: %s",
                     why != NULL ? why : "out of memory");
}

static enum result begin_entry(struct writer *writer, const char *name, uint64_t bytes,
                               struct error *err)
{
    struct archive_entry *entry = archive_entry_new();
    if (entry == NULL)
        return error_no_memory(err);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, (int64_t)bytes);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0600);
    archive_entry_set_mtime(entry, time(NULL), 0);
    int code = archive_write_header(writer->archive, entry);
    archive_entry_free(entry);
    /* A warning: the name is not ASCII, and is kept as it is. */
    return code == ARCHIVE_OK || code == ARCHIVE_WARN ? RESULT_OK : tar_failed(writer, err);
}

/* "SUM  NAME", as sha256sum -c reads it. */
static enum result add_sum(struct writer *writer, const char *name, EVP_MD_CTX *sum,
                           struct error *err)
{
    uint8_t digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    if (EVP_DigestFinal_ex(sum, digest, NULL) != 1)
        return error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
    hex_encode(digest, sizeof(digest), hex);
    strbuf_add_format(&writer->sums, "%s  %s\n", hex, name);
    writer->counts->files++;
    return writer->sums.failed ? error_no_memory(err) : RESULT_OK;
}

static enum result put(struct writer *writer, EVP_MD_CTX *sum, const void *data, size_t length,
                       struct error *err)
{
    if (EVP_DigestUpdate(sum, data, length) != 1)
        return error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
    if (length > 0 && archive_write_data(writer->archive, data, length) != (la_ssize_t)length)
        return tar_failed(writer, err);
    writer->counts->bytes += length;
    progress_show(writer->progress, writer->counts->bytes, writer->total,
                  writer->counts->bytes / 1024);
    return RESULT_OK;
}

/* The first `bytes` of fd, however far the file goes. */
static enum result add_file(struct writer *writer, const char *name, int fd, uint64_t bytes,
                            struct error *err)
{
    EVP_MD_CTX *sum = EVP_MD_CTX_new();
    enum result result = sum != NULL && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1
                             ? begin_entry(writer, name, bytes, err)
                             : error_no_memory(err);
    for (uint64_t at = 0; result == RESULT_OK && at < bytes;) {
        size_t want = bytes - at < CHUNK ? (size_t)(bytes - at) : CHUNK;
        ssize_t got = pread(fd, writer->chunk, want, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            result = error_errno(err, RESULT_SYSTEM, got < 0 ? errno : EIO, "cannot read %s", name);
        else
            result = put(writer, sum, writer->chunk, (size_t)got, err);
        at += (uint64_t)(got > 0 ? got : 0);
    }
    if (result == RESULT_OK)
        result = add_sum(writer, name, sum, err);
    EVP_MD_CTX_free(sum);
    return result;
}

static enum result add_text(struct writer *writer, const char *name, const struct strbuf *text,
                            struct error *err)
{
    EVP_MD_CTX *sum = EVP_MD_CTX_new();
    enum result result = sum != NULL && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1
                             ? begin_entry(writer, name, text->length, err)
                             : error_no_memory(err);
    if (result == RESULT_OK)
        result = put(writer, sum, text->data, text->length, err);
    if (result == RESULT_OK)
        result = add_sum(writer, name, sum, err);
    EVP_MD_CTX_free(sum);
    return result;
}

/* ---- what goes in ---- */

static enum result add_about(struct writer *writer, bool with_keys, struct error *err)
{
    char at[CLOCK_TEXT];
    struct strbuf text = {0};
    clock_format(clock_now(), at);
    strbuf_add_char(&text, '{');
    strbuf_add_json_number(&text, "format", 1);
    strbuf_add_json_field(&text, "at", at);
    strbuf_add_json_field(&text, "gateway", writer->context->config->hostname);
    strbuf_add_json_field(&text, "program", PACKAGE_VERSION);
    strbuf_add_str(&text, with_keys ? ",\"keys\":true}\n" : ",\"keys\":false}\n");
    enum result result =
        text.failed ? error_no_memory(err) : add_text(writer, BACKUP_ABOUT, &text, err);
    strbuf_free(&text);
    return result;
}

static enum result add_public_key(struct writer *writer, struct error *err)
{
    struct strbuf text = {0};
    char *path = context_public_key_path(writer->context->config->journal_key_file);
    enum result result =
        path == NULL ? error_no_memory(err) : file_read(path, PUBLIC_MAX, &text, err);
    if (result == RESULT_OK)
        result = add_text(writer, BACKUP_PUBLIC, &text, err);
    strbuf_free(&text);
    free(path);
    return result;
}

static enum result add_segments(struct writer *writer, const struct backup_journal *journal,
                                struct error *err)
{
    enum result result = RESULT_OK;
    for (uint64_t number = 1; result == RESULT_OK && number <= journal->last; number++) {
        char name[40];
        int fd = -1;
        uint64_t bytes = 0;
        snprintf(name, sizeof(name), "journal/%08" PRIu64 ".seg", number);
        result = backup_journal_segment(journal, number, &fd, &bytes, err);
        /* A last one that has no row yet is made again. */
        if (result == RESULT_OK && (bytes > 0 || number < journal->last)) {
            result = add_file(writer, name, fd, bytes, err);
            writer->counts->segments++;
        }
        if (fd >= 0)
            close(fd);
    }
    return result;
}

/* Lines a machine did not finish, put aside by a start: no part of the chain, but evidence. */
static enum result add_torn(struct writer *writer, struct error *err)
{
    DIR *files = opendir(writer->context->journal_path);
    struct dirent *entry;
    enum result result = RESULT_OK;
    while (files != NULL && result == RESULT_OK && (entry = readdir(files)) != NULL) {
        char name[300];
        struct stat st;
        if (strstr(entry->d_name, ".torn") == NULL)
            continue;
        int fd = openat(dirfd(files), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        snprintf(name, sizeof(name), "journal/%s", entry->d_name);
        if (fd < 0 || fstat(fd, &st) != 0)
            result = error_errno(err, RESULT_SYSTEM, errno, "cannot read %s", name);
        else
            result = add_file(writer, name, fd, (uint64_t)st.st_size, err);
        if (fd >= 0)
            close(fd);
    }
    if (files != NULL)
        closedir(files);
    return result;
}

static enum result add_registry(struct writer *writer, int fd, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot read the registry's copy");
    return add_file(writer, "registry.db", fd, (uint64_t)st.st_size, err);
}

static enum result add_sums(struct writer *writer, struct error *err)
{
    enum result result = begin_entry(writer, BACKUP_SUMS, writer->sums.length, err);
    if (result == RESULT_OK &&
        archive_write_data(writer->archive, writer->sums.data, writer->sums.length) !=
            (la_ssize_t)writer->sums.length)
        result = tar_failed(writer, err);
    if (result == RESULT_OK && archive_write_close(writer->archive) != ARCHIVE_OK)
        result = tar_failed(writer, err);
    return result;
}

static enum result add_all(struct writer *writer, const struct backup_secrets *secrets,
                           const struct backup_journal *journal, int registry, struct error *err)
{
    enum result result = add_about(writer, secrets->count > 0, err);
    if (result == RESULT_OK)
        result = add_public_key(writer, err);
    for (size_t i = 0; result == RESULT_OK && i < secrets->count; i++)
        result = add_text(writer, secrets->list[i].name, &secrets->list[i].text, err);
    if (result == RESULT_OK)
        result = add_segments(writer, journal, err);
    if (result == RESULT_OK)
        result = add_torn(writer, err);
    if (result == RESULT_OK)
        result = add_registry(writer, registry, err);
    return result == RESULT_OK ? add_sums(writer, err) : result;
}

static uint64_t about_bytes(const struct backup_journal *journal, int registry)
{
    struct stat st;
    uint64_t total = 0;
    for (uint64_t number = 1; number <= journal->last; number++) {
        int fd = -1;
        uint64_t bytes = 0;
        if (backup_journal_segment(journal, number, &fd, &bytes, NULL) == RESULT_OK)
            total += bytes;
        if (fd >= 0)
            close(fd);
    }
    return fstat(registry, &st) == 0 ? total + (uint64_t)st.st_size : total;
}

static enum result open_archive(struct writer *writer, FILE *stream, struct error *err)
{
    writer->archive = archive_write_new();
    writer->chunk = malloc(CHUNK);
    if (writer->archive == NULL || writer->chunk == NULL)
        return error_no_memory(err);
    /* pax: names and sizes of any length. No padding to a tape's block. */
    if (archive_write_set_format_pax_restricted(writer->archive) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(writer->archive, 1) != ARCHIVE_OK ||
        archive_write_open_FILE(writer->archive, stream) != ARCHIVE_OK)
        return tar_failed(writer, err);
    return RESULT_OK;
}

enum result backup_write(const struct context *context, const struct backup_secrets *secrets,
                         FILE *stream, struct progress *progress, struct backup_counts *counts_out,
                         struct error *err)
{
    struct writer writer = {.context = context, .progress = progress, .counts = counts_out};
    struct backup_journal journal;
    int registry = -1;
    *counts_out = (struct backup_counts){0};
    enum result result = backup_journal_fix(context->journal_path, &journal, err);
    if (result == RESULT_OK)
        result = backup_registry(context->registry_path, context->config->state_dir, progress,
                                 &registry, err);
    if (result == RESULT_OK)
        result = open_archive(&writer, stream, err);
    if (result == RESULT_OK) {
        writer.total = about_bytes(&journal, registry);
        progress_start(progress, "copying", "KiB");
        result = add_all(&writer, secrets, &journal, registry, err);
    }
    if (writer.archive != NULL)
        archive_write_free(writer.archive);
    if (registry >= 0)
        close(registry);
    backup_journal_end(&journal);
    strbuf_free(&writer.sums);
    free(writer.chunk);
    return result;
}
