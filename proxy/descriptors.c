/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/descriptors.h"

#include "base/log.h"

#include <dirent.h>
#include <sys/resource.h>

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
