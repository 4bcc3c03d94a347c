/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/export_file.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct export_file {
    const char *path; /* borrowed; NULL: standard output */
    char *temporary;  /* owned; NULL: standard output */
    bool force;
    int fd;
};

static enum result exists(const char *path, struct error *err)
{
    return error_set(err, RESULT_CONFLICT, "%s exists already (--force replaces it)", path);
}

static enum result open_standard(struct export_file *file, struct error *err)
{
    file->fd = STDOUT_FILENO;
    if (isatty(STDOUT_FILENO) == 1)
        return error_set(err, RESULT_BAD_INPUT, "an archive is not for a terminal: name a file");
    return RESULT_OK;
}

static enum result open_file(struct export_file *file, struct error *err)
{
    struct strbuf name = {0};
    struct stat st;
    bool there = lstat(file->path, &st) == 0;
    if (there && !file->force)
        return exists(file->path, err);
    if (there && !S_ISREG(st.st_mode))
        return error_set(err, RESULT_CONFLICT, "%s is no file that could be replaced", file->path);
    strbuf_add_str(&name, file->path);
    strbuf_add_str(&name, ".XXXXXX");
    file->temporary = strbuf_take(&name);
    if (file->temporary == NULL)
        return error_no_memory(err);
    /* 0600, and nobody's file before. */
    file->fd = mkostemp(file->temporary, O_CLOEXEC);
    if (file->fd >= 0)
        return RESULT_OK;
    int reason = errno;
    free(file->temporary);
    file->temporary = NULL;
    return error_errno(err, RESULT_SYSTEM, reason, "cannot create %s", file->path);
}

enum result export_file_open(const char *path, bool force, struct export_file **file_out,
                             struct error *err)
{
    struct export_file *file = calloc(1, sizeof(*file));
    if (file == NULL)
        return error_no_memory(err);
    *file = (struct export_file){.path = path, .force = force, .fd = -1};
    bool standard = strcmp(path, "-") == 0;
    enum result result = standard ? open_standard(file, err) : open_file(file, err);
    if (result != RESULT_OK) {
        free(file);
        return result;
    }
    *file_out = file;
    return RESULT_OK;
}

int export_file_fd(const struct export_file *file)
{
    return file->fd;
}

/* Who made a file of that name meanwhile keeps it. */
static enum result put_in_place(const struct export_file *file, struct error *err)
{
    if (fsync(file->fd) != 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot sync %s", file->path);
    unsigned flags = file->force ? 0 : RENAME_NOREPLACE;
    if (renameat2(AT_FDCWD, file->temporary, AT_FDCWD, file->path, flags) == 0)
        return RESULT_OK;
    if (errno == EEXIST)
        return exists(file->path, err);
    if (errno != EINVAL || file->force)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot rename to %s", file->path);
    /* A file system without RENAME_NOREPLACE has links. */
    if (link(file->temporary, file->path) != 0)
        return errno == EEXIST
                   ? exists(file->path, err)
                   : error_errno(err, RESULT_SYSTEM, errno, "cannot rename to %s", file->path);
    unlink(file->temporary);
    return RESULT_OK;
}

enum result export_file_keep(struct export_file **file_pointer, struct error *err)
{
    const struct export_file *file = *file_pointer;
    enum result result = file->temporary != NULL ? put_in_place(file, err) : RESULT_OK;
    if (result == RESULT_OK)
        export_file_forget(file_pointer);
    else
        export_file_abandon(file_pointer);
    return result;
}

void export_file_abandon(struct export_file **file)
{
    if ((*file)->temporary != NULL)
        unlink((*file)->temporary);
    export_file_forget(file);
}

void export_file_forget(struct export_file **file_pointer)
{
    struct export_file *file = *file_pointer;
    if (file->temporary != NULL)
        close(file->fd);
    free(file->temporary);
    free(file);
    *file_pointer = NULL;
}
