/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a gateway under test: disks that fail or are slow, and a clock that is wrong. What
 * is done to which files is in a shared file that the test writes (tests/integration/faults.py has
 * the same layout); it may change at any moment.
 *
 * The journal calls the C library itself, SQLite by its "unix" VFS: the symbols here come before
 * the C library's for both, so one shim has all files. It takes no lock and no memory.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { RULES = 8, NAME = 64, PATH = 512 };

enum operation {
    OPERATION_OPEN = 1,
    OPERATION_READ = 2,
    OPERATION_WRITE = 4,
    OPERATION_SYNC = 8,
    OPERATION_TRUNCATE = 16,
};

struct rule {
    char name[NAME];             /* what the file's path holds */
    _Atomic uint32_t operations; /* written last; 0: no rule */
    int32_t error;               /* errno; 0: it is only slow */
    uint32_t delay_ms;
    uint16_t half;         /* of a write arrives before it fails */
    uint16_t whole;        /* the path ends with the name */
    uint64_t skip;         /* so many pass first */
    uint64_t most;         /* and so many are hit; 0: all */
    _Atomic uint64_t seen; /* how many there were */
    _Atomic uint64_t hits;
};

struct control {
    struct rule rules[RULES];
    _Atomic int64_t ahead; /* microseconds that CLOCK_REALTIME is wrong by */
};

static struct control *control;

/* A test that believes in faults which are not there would prove nothing. */
__attribute__((constructor)) static void take_control(void)
{
    const char *path = getenv("OCTROI_FAULTS");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED
                       : mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        fprintf(stderr, "the fault shim has no control file in OCTROI_FAULTS\n");
        _exit(99);
    }
    close(fd);
    control = map;
}

static void *next(_Atomic(void *) *kept, const char *name)
{
    void *found = atomic_load(kept);
    if (found == NULL) {
        found = dlsym(RTLD_NEXT, name);
        atomic_store(kept, found);
    }
    return found;
}

/* real: the function of that name behind this one. */
#define NEXT(name)                      \
    static _Atomic(void *) kept_##name; \
    __typeof__(name) *real = (__typeof__(name) *)next(&kept_##name, #name)

static bool hits(struct rule *rule, enum operation operation, const char *path)
{
    if ((atomic_load(&rule->operations) & operation) == 0)
        return false;
    const char *found = strstr(path, rule->name);
    if (found == NULL || (rule->whole != 0 && found[strlen(rule->name)] != '\0'))
        return false;
    uint64_t number = atomic_fetch_add(&rule->seen, 1);
    if (number < rule->skip || (rule->most > 0 && number - rule->skip >= rule->most))
        return false;
    atomic_fetch_add(&rule->hits, 1);
    return true;
}

/* Waits as it is told; the rule that lets it fail, or NULL. */
static const struct rule *fault(enum operation operation, const char *path)
{
    const struct rule *failing = NULL;
    for (int i = 0; i < RULES; i++) {
        struct rule *rule = &control->rules[i];
        if (!hits(rule, operation, path))
            continue;
        struct timespec pause = {.tv_sec = rule->delay_ms / 1000,
                                 .tv_nsec = (long)(rule->delay_ms % 1000) * 1000000};
        while (rule->delay_ms > 0 && nanosleep(&pause, &pause) != 0 && errno == EINTR)
            ;
        if (rule->error != 0 && failing == NULL)
            failing = rule;
    }
    return failing;
}

static bool expects(enum operation operation)
{
    for (int i = 0; control != NULL && i < RULES; i++)
        if ((atomic_load(&control->rules[i].operations) & operation) != 0)
            return true;
    return false;
}

static const struct rule *fault_of(enum operation operation, int fd)
{
    char link[32];
    char path[PATH];
    if (!expects(operation))
        return NULL;
    int before = errno;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    path[length > 0 ? length : 0] = '\0';
    const struct rule *rule = fault(operation, path);
    errno = before;
    return rule;
}

static int failed(const struct rule *rule)
{
    errno = rule->error;
    return -1;
}

/* ---- files ---- */

#define OPEN(name)                                                                              \
    int name(const char *path, int flags, ...)                                                  \
    {                                                                                           \
        NEXT(name);                                                                             \
        va_list arguments;                                                                      \
        va_start(arguments, flags);                                                             \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;     \
        va_end(arguments);                                                                      \
        const struct rule *rule = expects(OPERATION_OPEN) ? fault(OPERATION_OPEN, path) : NULL; \
        return rule != NULL ? failed(rule) : real(path, flags, mode);                           \
    }

#define READ(name)                                                         \
    ssize_t name(int fd, void *data, size_t size, off_t offset)            \
    {                                                                      \
        NEXT(name);                                                        \
        const struct rule *rule = fault_of(OPERATION_READ, fd);            \
        return rule != NULL ? failed(rule) : real(fd, data, size, offset); \
    }

#define WRITE(name)                                                        \
    ssize_t name(int fd, const void *data, size_t size, off_t offset)      \
    {                                                                      \
        NEXT(name);                                                        \
        const struct rule *rule = fault_of(OPERATION_WRITE, fd);           \
        if (rule != NULL && rule->half != 0 && size > 1)                   \
            (void)!real(fd, data, size / 2, offset);                       \
        return rule != NULL ? failed(rule) : real(fd, data, size, offset); \
    }

#define SYNC(name)                                              \
    int name(int fd)                                            \
    {                                                           \
        NEXT(name);                                             \
        const struct rule *rule = fault_of(OPERATION_SYNC, fd); \
        return rule != NULL ? failed(rule) : real(fd);          \
    }

#define TRUNCATE(name)                                              \
    int name(int fd, off_t size)                                    \
    {                                                               \
        NEXT(name);                                                 \
        const struct rule *rule = fault_of(OPERATION_TRUNCATE, fd); \
        return rule != NULL ? failed(rule) : real(fd, size);        \
    }

/* With and without the suffix: off_t has 64 bits either way. */
OPEN(open)
OPEN(open64)
READ(pread)
READ(pread64)
WRITE(pwrite)
WRITE(pwrite64)
SYNC(fsync)
SYNC(fdatasync)
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

/* ---- the clock ---- */

static int64_t ahead(void)
{
    return control != NULL ? atomic_load(&control->ahead) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    NEXT(clock_gettime);
    int result = real(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t all = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + ahead() * 1000;
        now->tv_sec = all / 1000000000;
        now->tv_nsec = all % 1000000000;
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec fine;
    (void)zone;
    int result = clock_gettime(CLOCK_REALTIME, &fine);
    *now = (struct timeval){.tv_sec = fine.tv_sec, .tv_usec = fine.tv_nsec / 1000};
    return result;
}

time_t time(time_t *out)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}
