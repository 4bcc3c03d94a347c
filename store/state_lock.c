/* SPDX-License-Identifier: Apache-2.0 */
#include "store/state_lock.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* Only one writer may extend the chain. */
static enum result lock_in_time(int fd, int64_t patience)
{
    int64_t until = clock_monotonic() + patience;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return RESULT_SYSTEM;
        if (clock_monotonic() >= until)
            return RESULT_CONFLICT;
        clock_sleep(CLOCK_SECOND / 50);
    }
    return RESULT_OK;
}

static enum result take(const char *state_dir, const char *name, int64_t patience,
                        const char *holder, int *fd_out, struct error *err)
{
    char *path = file_join(state_dir, name);
    if (path == NULL)
        return error_no_memory(err);
    enum result result = RESULT_OK;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        result = error_errno(err, RESULT_SYSTEM, errno, "cannot open %s", path);
    } else {
        result = lock_in_time(fd, patience);
        if (result == RESULT_CONFLICT)
            error_set(err, result, "%s: %s", state_dir, holder);
        else if (result != RESULT_OK)
            error_errno(err, result, errno, "cannot lock %s", path);
    }
    free(path);
    if (result != RESULT_OK) {
        if (fd >= 0)
            close(fd);
        return result;
    }
    *fd_out = fd;
    return RESULT_OK;
}

enum result state_lock_purge(const char *state_dir, int *fd_out, struct error *err)
{
    return take(state_dir, "purge.lock", 0, "another purge is running", fd_out, err);
}

enum result state_lock_take(const char *state_dir, int64_t patience, int *fd_out, struct error *err)
{
    enum result result =
        take(state_dir, "lock", patience,
             "another gateway serves it, or a command is writing to its journal", fd_out, err);
    if (result != RESULT_OK)
        return result;
    /* flock(2) cannot be asked about without being taken; this one can. It guards
     * nothing, so that it fails is no failure. */
    struct flock shown = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    (void)fcntl(*fd_out, F_OFD_SETLK, &shown);
    return RESULT_OK;
}

bool state_lock_held(const char *state_dir)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char *path = file_join(state_dir, "lock");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    bool held = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (fd >= 0)
        close(fd);
    free(path);
    return held;
}
