/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/descriptors.h"

#include "base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* For what comes and goes: name look-ups, a control connection, SQLite's journals, a new segment,
 * the sockets of a reload. */
#define HEADROOM 24

unsigned descriptors_open(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 64; /* about what a gateway with a few listeners holds */
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the folder itself */
}

unsigned descriptors_share(uint64_t limit, uint64_t own, uint64_t providers)
{
    uint64_t taken = own + HEADROOM;
    uint64_t left = limit > taken ? limit - taken : 0;
    /* With few descriptors both sides share the want: a connection to a provider serves a session,
     * so neither is of use without the other. */
    uint64_t sessions = providers < left / 2 ? left - providers : left - left / 2;
    if (sessions == 0)
        return 1;
    return sessions < UINT32_MAX ? (unsigned)sessions : UINT32_MAX;
}

unsigned descriptors_for_sessions(const struct config *config, unsigned own)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT32_MAX;
    uint64_t wanted = 0;
    uint64_t providers = 0;
    for (size_t i = 0; i < config->n_listeners; i++)
        wanted += config->listeners[i].max_connections;
    for (size_t i = 0; i < config->n_providers; i++)
        providers += config->providers[i].connections;
    unsigned sessions = descriptors_share(limit.rlim_cur, own, providers);
    if (sessions < wanted)
        log_event(LOG_LEVEL_WARN,
                  "fewer descriptors than the listeners' max_connections and the providers' "
                  "connections may need, raise the limit of open files",
                  LOG_NUMBER("limit", limit.rlim_cur), LOG_NUMBER("max_connections", wanted),
                  LOG_NUMBER("providers", providers), LOG_NUMBER("sessions", sessions));
    return sessions;
}

/* ---- the one in reserve ---- */

struct reserve {
    pthread_mutex_t lock;
    int fd;           /* under lock; -1: given up, or lost to somebody who does not accept */
    _Atomic bool out; /* fd is -1, or about to be: set before it is closed */
};

static void refill_locked(struct reserve *reserve)
{
    if (reserve->fd < 0)
        reserve->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    atomic_store(&reserve->out, reserve->fd < 0);
}

struct reserve *reserve_new(void)
{
    struct reserve *reserve = calloc(1, sizeof(*reserve));
    if (reserve == NULL)
        return NULL;
    pthread_mutex_init(&reserve->lock, NULL);
    reserve->fd = -1;
    refill_locked(reserve);
    return reserve;
}

void reserve_free(struct reserve **reserve_pointer)
{
    struct reserve *reserve = *reserve_pointer;
    *reserve_pointer = NULL;
    if (reserve == NULL)
        return;
    if (reserve->fd >= 0)
        close(reserve->fd);
    pthread_mutex_destroy(&reserve->lock);
    free(reserve);
}

void reserve_refill(struct reserve *reserve)
{
    if (!atomic_load(&reserve->out))
        return;
    pthread_mutex_lock(&reserve->lock);
    refill_locked(reserve);
    pthread_mutex_unlock(&reserve->lock);
}

int reserve_accept(struct reserve *reserve, int listening, struct sockaddr_storage *peer)
{
    socklen_t length = sizeof(*peer);
    int fd = -1;
    pthread_mutex_lock(&reserve->lock);
    refill_locked(reserve);
    if (reserve->fd >= 0) {
        atomic_store(&reserve->out, true);
        close(reserve->fd);
        reserve->fd = -1;
        fd = accept4(listening, (struct sockaddr *)peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    if (fd < 0)
        reserve_return(reserve);
    return fd;
}

bool reserve_allows(struct reserve *reserve)
{
    if (!atomic_load(&reserve->out))
        return true;
    pthread_mutex_lock(&reserve->lock);
    refill_locked(reserve);
    if (reserve->fd < 0)
        return false;
    pthread_mutex_unlock(&reserve->lock);
    return true;
}

void reserve_return(struct reserve *reserve)
{
    refill_locked(reserve);
    pthread_mutex_unlock(&reserve->lock);
}
