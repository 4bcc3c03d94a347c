/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/metrics/process.h"

#include "base/clock.h"
#include "proxy/descriptors.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* The two first numbers of /proc/self/statm, in bytes. */
static bool read_memory(uint64_t *virtual_out, uint64_t *resident_out)
{
    char text[128];
    char *end;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    *virtual_out = strtoull(text, &end, 10) * page;
    *resident_out = strtoull(end, NULL, 10) * page;
    return true;
}

static void add_memory(struct metrics_text *text)
{
    uint64_t mapped, resident;
    if (!read_memory(&mapped, &resident))
        return;
    metrics_family(text, METRICS_GAUGE, "process_resident_memory_bytes", "bytes",
                   "Memory of the process that is in RAM.");
    metrics_number(text, NULL, resident);
    metrics_family(text, METRICS_GAUGE, "process_virtual_memory_bytes", "bytes",
                   "Address space of the process.");
    metrics_number(text, NULL, mapped);
}

static int64_t microseconds_of(struct timeval time)
{
    return (int64_t)time.tv_sec * CLOCK_SECOND + time.tv_usec;
}

static void add_processor(struct metrics_text *text)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    metrics_family(text, METRICS_COUNTER, "process_cpu_seconds", "seconds",
                   "Processor time the process has used, of its own and in the kernel.");
    metrics_duration(text, NULL, microseconds_of(usage.ru_utime) + microseconds_of(usage.ru_stime));
}

static void add_descriptors(struct metrics_text *text)
{
    struct rlimit limit;
    metrics_family(text, METRICS_GAUGE, "process_open_fds", "",
                   "File descriptors in use: each connection takes one.");
    metrics_number(text, NULL, descriptors_open());
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    metrics_family(text, METRICS_GAUGE, "process_max_fds", "",
                   "File descriptors the process may have at most.");
    metrics_number(text, NULL, limit.rlim_cur);
}

void metrics_add_process(struct metrics_text *text, int64_t started_at)
{
    metrics_family(text, METRICS_GAUGE, "process_start_time_seconds", "seconds",
                   "When the gateway started, in seconds since 1970.");
    metrics_duration(text, NULL, started_at);
    add_processor(text);
    add_memory(text);
    add_descriptors(text);
}
