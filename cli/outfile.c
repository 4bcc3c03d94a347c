/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/outfile.h"

#include "base/str.h"
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024 };

/* ---- renaming with the rights the command began with ---- */

static struct {
    int fd; /* -1: nobody keeps them */
    pid_t child;
} keeper = {.fd = -1};

/* Each request is two paths, each with its NUL, and each answer an errno, 0 when it is done. */
static void keep(int fd)
{
    char paths[2 * 4096 + 2];
    ssize_t got;
    while ((got = recv(fd, paths, sizeof(paths) - 1, 0)) > 0) {
        paths[got] = '\0';
        size_t first = strlen(paths);
        int code = EINVAL;
        if (first + 1 < (size_t)got)
            code = rename(paths, paths + first + 1) == 0 ? 0 : errno;
        if (send(fd, &code, sizeof(code), MSG_NOSIGNAL) != (ssize_t)sizeof(code))
            break;
    }
    _exit(0);
}

bool outfile_keep_rights(void)
{
    int pair[2];
    if (geteuid() != 0)
        return true;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        command_failed_text("cannot make a socket: %s", strerror(errno));
        return false;
    }
    pid_t child = fork();
    if (child == 0) {
        close(pair[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        keep(pair[1]);
    }
    close(pair[1]);
    if (child < 0) {
        command_failed_text("cannot start a process: %s", strerror(errno));
        close(pair[0]);
        return false;
    }
    keeper.fd = pair[0];
    keeper.child = child;
    return true;
}

void outfile_let_rights_go(void)
{
    if (keeper.fd < 0)
        return;
    close(keeper.fd);
    keeper.fd = -1;
    waitpid(keeper.child, NULL, 0);
}

/* 0, or an errno. */
static int move(const char *from, const char *to)
{
    char paths[2 * 4096];
    size_t first = strlen(from) + 1;
    size_t second = strlen(to) + 1;
    int code = EIO;
    if (keeper.fd < 0)
        return rename(from, to) == 0 ? 0 : errno;
    if (first + second > sizeof(paths))
        return ENAMETOOLONG;
    memcpy(paths, from, first);
    memcpy(paths + first, to, second);
    if (send(keeper.fd, paths, first + second, MSG_NOSIGNAL) != (ssize_t)(first + second) ||
        recv(keeper.fd, &code, sizeof(code), 0) != (ssize_t)sizeof(code))
        return EIO;
    return code;
}

/* ---- files ---- */

static bool is_special(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static FILE *open_part(struct outfile *file, const char *path)
{
    struct strbuf part = {0};
    if (is_special(path))
        return fopen(path, "we");
    strbuf_add_str(&part, path);
    strbuf_add_str(&part, ".part");
    file->path = strdup(path);
    file->part = strbuf_take(&part);
    if (file->path == NULL || file->part == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    /* Emptied only once it is known that no other command is writing it. */
    int fd = open(file->part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ours = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && ftruncate(fd, 0) == 0;
    if (fd >= 0 && !ours && errno == EWOULDBLOCK)
        errno = EBUSY;
    FILE *stream = ours ? fdopen(fd, "w") : NULL;
    if (stream == NULL && fd >= 0)
        close(fd);
    return stream;
}

bool outfile_open(struct outfile *file, const char *path)
{
    *file = (struct outfile){.name = path != NULL ? path : "standard output"};
    file->stream = path != NULL ? open_part(file, path) : stdout;
    if (file->stream == NULL) {
        command_failed_text("cannot write %s: %s", file->part != NULL ? file->part : path,
                            errno == EBUSY ? "another command is writing it" : strerror(errno));
        outfile_close(file);
        return false;
    }
    setvbuf(file->stream, NULL, _IOFBF, BUFFER);
    return true;
}

static enum result end_part(struct outfile *file, struct error *err)
{
    if (fsync(fileno(file->stream)) != 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot write %s", file->part);
    int failed = move(file->part, file->path);
    if (failed != 0)
        return error_errno(err, RESULT_SYSTEM, failed, "the rows are in %s, but cannot be named %s",
                           file->part, file->path);
    return RESULT_OK;
}

enum result outfile_end(struct outfile *file, struct error *err)
{
    enum result result = RESULT_OK;
    if (file->stream == NULL)
        return RESULT_OK;
    if (fflush(file->stream) != 0)
        result = error_errno(err, RESULT_SYSTEM, errno, "cannot write %s", file->name);
    else if (ferror(file->stream))
        result = error_set(err, RESULT_SYSTEM, "cannot write %s", file->name);
    if (result == RESULT_OK && file->path != NULL)
        result = end_part(file, err);
    outfile_close(file);
    return result;
}

void outfile_close(struct outfile *file)
{
    if (file->stream != NULL && file->stream != stdout)
        fclose(file->stream);
    free(file->path);
    free(file->part);
    *file = (struct outfile){0};
}
