/* SPDX-License-Identifier: Apache-2.0 */
/* The journal and the registry at one moment, while both go on. */
#include "base/clock.h"
#include "base/file.h"
#include "cli/backup.h"
#include "store/segment.h"
#include "store/sql.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_NAME "registry-copy-"
enum { COPY_PAGES = 2000, BUSY_MS = 10000 };

/* ---- the journal ---- */

/* Without a writer the file may end in a line that was not finished: it is left out. */
static enum result cut_to_line(struct backup_journal *journal, struct error *err)
{
    char tail[4096];
    while (journal->end_bytes > 0) {
        size_t want = journal->end_bytes < sizeof(tail) ? (size_t)journal->end_bytes : sizeof(tail);
        ssize_t got = pread(journal->end_fd, tail, want, (off_t)(journal->end_bytes - want));
        if (got < 0 && errno == EINTR)
            continue;
        if (got != (ssize_t)want)
            return error_errno(err, RESULT_SYSTEM, got < 0 ? errno : EIO, "cannot read %s",
                               journal->directory);
        const char *found = memrchr(tail, '\n', want);
        if (found != NULL) {
            journal->end_bytes -= want - (size_t)(found + 1 - tail);
            return RESULT_OK;
        }
        journal->end_bytes -= want;
    }
    return RESULT_OK;
}

enum result backup_journal_fix(const char *directory, struct backup_journal *journal,
                               struct error *err)
{
    struct segment_reader reader;
    *journal = (struct backup_journal){.end_fd = -1, .directory = strdup(directory)};
    if (journal->directory == NULL)
        return error_no_memory(err);
    enum result result = segment_last(directory, &journal->last, err);
    if (result == RESULT_OK && journal->last == 0)
        return error_set(err, RESULT_NOT_FOUND, "there is no journal in %s", directory);
    if (result == RESULT_OK)
        result = segment_reader_open(&reader, directory, journal->last, 0, err);
    if (result != RESULT_OK)
        return result;
    journal->end_bytes = reader.limit;
    journal->end_fd = fcntl(reader.fd, F_DUPFD_CLOEXEC, 3);
    int code = errno;
    segment_reader_close(&reader);
    if (journal->end_fd < 0)
        return error_errno(err, RESULT_SYSTEM, code, "cannot keep the journal open");
    return cut_to_line(journal, err);
}

enum result backup_journal_segment(const struct backup_journal *journal, uint64_t number,
                                   int *fd_out, uint64_t *bytes_out, struct error *err)
{
    struct stat st;
    if (number == journal->last) {
        *bytes_out = journal->end_bytes;
        *fd_out = fcntl(journal->end_fd, F_DUPFD_CLOEXEC, 3);
        return *fd_out >= 0 ? RESULT_OK
                            : error_errno(err, RESULT_SYSTEM, errno, "cannot read the journal");
    }
    char *path = segment_path(journal->directory, number, ".seg");
    if (path == NULL)
        return error_no_memory(err);
    enum result result = RESULT_OK;
    *fd_out = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd_out < 0 || fstat(*fd_out, &st) != 0)
        result = error_errno(err, RESULT_SYSTEM, errno, "cannot read %s", path);
    else
        *bytes_out = (uint64_t)st.st_size;
    free(path);
    return result;
}

void backup_journal_end(struct backup_journal *journal)
{
    if (journal->end_fd >= 0)
        close(journal->end_fd);
    free(journal->directory);
    *journal = (struct backup_journal){.end_fd = -1};
}

/* ---- the registry ---- */

/* Copies that a killed backup left: nobody holds a lock on them any more. */
static void remove_leftovers(const char *folder)
{
    DIR *files = opendir(folder);
    struct dirent *entry;
    while (files != NULL && (entry = readdir(files)) != NULL) {
        if (strncmp(entry->d_name, COPY_NAME, strlen(COPY_NAME)) != 0)
            continue;
        int fd = openat(dirfd(files), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            (void)unlinkat(dirfd(files), entry->d_name, 0);
        if (fd >= 0)
            close(fd);
    }
    if (files != NULL)
        closedir(files);
}

/* One read transaction holds the state still over all steps: else each commit of somebody else
 * would make the copy begin anew. */
static enum result copy_pages(sqlite3 *from, sqlite3 *to, struct progress *progress,
                              struct error *err)
{
    sqlite3_backup *backup = NULL;
    int code = SQLITE_OK;
    enum result result = sql_exec(from, "BEGIN; SELECT count(*) FROM sqlite_master", err);
    if (result != RESULT_OK)
        return result;
    backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL)
        return sql_failure(to, "the registry's copy", err);
    do {
        code = sqlite3_backup_step(backup, COPY_PAGES);
        int total = sqlite3_backup_pagecount(backup);
        int done = total - sqlite3_backup_remaining(backup);
        progress_show(progress, (uint64_t)done, (uint64_t)total, (uint64_t)done * 4);
    } while (code == SQLITE_OK);
    if (sqlite3_backup_finish(backup) != SQLITE_OK || code != SQLITE_DONE)
        result = sql_failure(to, "the registry's copy", err);
    (void)sql_exec(from, "COMMIT", NULL);
    return result;
}

static enum result copy_to(const char *registry_path, const char *copy_path,
                           struct progress *progress, struct error *err)
{
    sqlite3 *from = NULL;
    sqlite3 *to = NULL;
    enum result result = sql_open(registry_path, SQL_READ, BUSY_MS, &from, err);
    if (result == RESULT_OK &&
        sqlite3_open_v2(copy_path, &to,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW,
                        NULL) != SQLITE_OK)
        result = sql_failure(to, "the registry's copy", err);
    /* It is read back at once and has no name: nothing of it need survive a crash. */
    if (result == RESULT_OK)
        result = sql_exec(to, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", err);
    if (result == RESULT_OK)
        result = copy_pages(from, to, progress, err);
    sql_close(&to);
    sql_close(&from);
    return result;
}

enum result backup_registry(const char *registry_path, const char *folder,
                            struct progress *progress, int *fd_out, struct error *err)
{
    char *path = file_join(folder, COPY_NAME "XXXXXX");
    if (path == NULL)
        return error_no_memory(err);
    remove_leftovers(folder);
    enum result result = RESULT_OK;
    *fd_out = mkostemp(path, O_CLOEXEC);
    if (*fd_out < 0 || flock(*fd_out, LOCK_EX | LOCK_NB) != 0)
        result = error_errno(err, RESULT_UNAVAILABLE, errno, "cannot create %s", path);
    if (result == RESULT_OK)
        result = copy_to(registry_path, path, progress, err);
    if (*fd_out >= 0)
        (void)unlink(path);
    free(path);
    return result;
}
