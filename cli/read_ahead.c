/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/read_ahead.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP = 4 * 1024 * 1024, PAGE = 4096, SEQUENTIAL_GAIN = 16 };

struct read_ahead {
    pthread_t thread;
    int fd; /* owned */
    off_t size;
    bool runs; /* the thread does */
    atomic_bool stopping;
};

static void *run(void *arg)
{
    struct read_ahead *ahead = arg;
    for (off_t at = 0; at < ahead->size && !atomic_load(&ahead->stopping); at += STEP)
        if (posix_fadvise(ahead->fd, at, STEP, POSIX_FADV_WILLNEED) != 0)
            break;
    return NULL;
}

/* A page fetched in its turn costs a small part of one that is asked for alone. */
static bool pays_off(uint64_t size, uint64_t look_ups)
{
    uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    return size / PAGE / SEQUENTIAL_GAIN < look_ups && size < memory / 2;
}

struct read_ahead *read_ahead_begin(const char *path, uint64_t look_ups)
{
    sigset_t all;
    sigset_t before;
    struct stat st;
    if (stat(path, &st) != 0 || !pays_off((uint64_t)st.st_size, look_ups))
        return NULL;
    struct read_ahead *ahead = calloc(1, sizeof(*ahead));
    if (ahead == NULL)
        return NULL;
    ahead->size = st.st_size;
    ahead->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (ahead->fd >= 0) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        ahead->runs = pthread_create(&ahead->thread, NULL, run, ahead) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return ahead;
}

void read_ahead_end(struct read_ahead **ahead)
{
    if (*ahead == NULL)
        return;
    atomic_store(&(*ahead)->stopping, true);
    if ((*ahead)->runs)
        pthread_join((*ahead)->thread, NULL);
    if ((*ahead)->fd >= 0)
        close((*ahead)->fd);
    free(*ahead);
    *ahead = NULL;
}
