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

enum { FILES_MOST = 8 }; /* more than any command writes */

/* Those that are open. The keeper has a copy of its own, from when it was made: nothing else can be
 * asked of it than to put one of these in its place, once. */
static const struct outfile *opened[FILES_MOST]; /* borrowed */

static struct {
    int fd; /* -1: nobody keeps them */
    pid_t child;
} keeper = {.fd = -1};

static void remember(const struct outfile *file)
{
    for (size_t i = 0; i < FILES_MOST; i++)
        if (opened[i] == NULL) {
            opened[i] = file;
            return;
        }
}

static void forget(const struct outfile *file)
{
    for (size_t i = 0; i < FILES_MOST; i++)
        if (opened[i] == file)
            opened[i] = NULL;
}

/* Each request is the place of a file among those opened, and each answer an errno, 0 when it is
 * done. */
static void keep(int fd)
{
    unsigned char place;
    /* Nothing is written here, and no lock is to outlive who writes. */
    for (size_t i = 0; i < FILES_MOST; i++)
        if (opened[i] != NULL)
            close(fileno(opened[i]->stream));
    while (recv(fd, &place, 1, 0) == 1) {
        const struct outfile *file = place < FILES_MOST ? opened[place] : NULL;
        int code = EINVAL;
        if (file != NULL)
            code = rename(file->part, file->path) == 0 ? 0 : errno;
        if (file != NULL)
            opened[place] = NULL;
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
static int move(const struct outfile *file)
{
    unsigned char place = 0;
    int code = EIO;
    if (keeper.fd < 0)
        return rename(file->part, file->path) == 0 ? 0 : errno;
    while (place < FILES_MOST && opened[place] != file)
        place++;
    if (send(keeper.fd, &place, 1, MSG_NOSIGNAL) != 1 ||
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

/* One that stood there already may be somebody else's, or be reached by another name as well: who
 * owns it would read what is written. errno is EEXIST when so. */
static bool is_own(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return false;
    errno = EEXIST;
    return S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_nlink == 1;
}

static const char *why_not(int code)
{
    if (code == EBUSY)
        return "another command is writing it";
    return code == EEXIST ? "it is there already, and not a plain file of your own with one name: "
                            "remove it first"
                          : strerror(code);
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
    int fd = open(file->part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    bool ours = fd >= 0 && is_own(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
                fchmod(fd, 0600) == 0 && ftruncate(fd, 0) == 0;
    if (fd >= 0 && !ours && errno == EWOULDBLOCK)
        errno = EBUSY;
    if (fd < 0 && (errno == ELOOP || errno == ENXIO || errno == EISDIR))
        errno = EEXIST;
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
                            why_not(errno));
        outfile_close(file);
        return false;
    }
    setvbuf(file->stream, NULL, _IOFBF, BUFFER);
    if (file->path != NULL)
        remember(file);
    return true;
}

static enum result end_part(struct outfile *file, struct error *err)
{
    if (fsync(fileno(file->stream)) != 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot write %s", file->part);
    int failed = move(file);
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
    forget(file);
    if (file->stream != NULL && file->stream != stdout)
        fclose(file->stream);
    free(file->path);
    free(file->part);
    *file = (struct outfile){0};
}
