/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process's allocator with a fault built in.
 *
 * malloc and its kin are defined here, in the program itself, where the dynamic linker finds them
 * before those of any library; each asks whether it is to fail and else calls the real one. So the
 * failures reach every caller: our code, libevent, OpenSSL, SQLite, Jansson, libidn2, and the C
 * library's own getline, fopen or opendir. The libraries' own hooks (event_set_mem_functions and
 * the like) would reach no further, and --wrap only what is linked statically. Under
 * AddressSanitizer the real ones are its interceptors, so that each run is watched for overruns and
 * leaks all the same; without it they are the C library's, for valgrind.
 *
 * Spared, because what they do with a failed allocation is not ours to answer for:
 * - libconfig 1.5 does not look at what malloc returns, and its scanner exits the process. The
 *   configuration is read by an administrator's command or a reload, not on behalf of a peer.
 * - glob of glibc 2.36, which frees its list twice when it finds no memory for the folder's name in
 *   front of its names (glibc.c). It reads `include`: as above.
 * - libphonenumber, with ICU and protobuf below it: ICU 72 crashes. What they get from C++'s
 * operator new is not caught here in the first place.
 * - OpenSSL's first use in a process, which the tests make before: its initialisation, once failed,
 *   leaves locks that are NULL and names that leak. A gateway has done that before it serves.
 * - the dynamic linker and the unwinder, which allocate on behalf of no code of ours.
 */
#include "tests/torture/alloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#define REAL(name) __interceptor_##name
void *__interceptor_malloc(size_t size);
void *__interceptor_calloc(size_t count, size_t size);
void *__interceptor_realloc(void *old, size_t size);
void *__interceptor_reallocarray(void *old, size_t count, size_t size);
int __interceptor_posix_memalign(void **out, size_t alignment, size_t size);
char *__interceptor_strdup(const char *text);
char *__interceptor_strndup(const char *text, size_t most);
void __sanitizer_print_stack_trace(void);
#else
#define REAL(name) __libc_##name
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
#endif

static atomic_bool armed;
static atomic_ulong counted, failed, fails_at;
static atomic_bool fails_on;
/* A thread begins spared: the sanitizer sets it up. */
static _Thread_local unsigned paused = 1;

/* ---- who is spared ---- */

#define SPARED 16
struct range {
    uintptr_t from, to;
};
static struct range spared[SPARED];
static unsigned n_spared;

static int look_at_library(struct dl_phdr_info *info, size_t size, void *arg)
{
    static const char *const names[] = {"libconfig.",     "ld-linux", "libgcc_s",
                                        "libphonenumber", "libicu",   "libprotobuf"};
    (void)size;
    (void)arg;
    bool is_spared = false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        is_spared |= strstr(info->dlpi_name, names[i]) != NULL;
    for (int i = 0; is_spared && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && (part->p_flags & PF_X) != 0 && n_spared < SPARED) {
            uintptr_t from = (uintptr_t)info->dlpi_addr + part->p_vaddr;
            spared[n_spared++] = (struct range){from, from + part->p_memsz};
        }
    }
    return 0;
}

static bool is_spared(uintptr_t caller)
{
    for (unsigned i = 0; i < n_spared; i++)
        if (caller >= spared[i].from && caller < spared[i].to)
            return true;
    return false;
}

/* ---- whether to fail ---- */

static void trace(unsigned long number)
{
    static int wanted = -1;
    paused++;
    if (wanted < 0)
        wanted = getenv("TORTURE_TRACE") != NULL;
    if (wanted) {
        fprintf(stderr, "allocation %lu fails\n", number);
#ifdef __SANITIZE_ADDRESS__
        __sanitizer_print_stack_trace();
#endif
    }
    paused--;
}

static bool must_fail(uintptr_t caller)
{
    if (!atomic_load_explicit(&armed, memory_order_relaxed) || paused > 0 || is_spared(caller))
        return false;
    unsigned long number = atomic_fetch_add(&counted, 1) + 1;
    unsigned long first = atomic_load(&fails_at);
    if (first == 0 || number < first || (number > first && !atomic_load(&fails_on)))
        return false;
    if (atomic_fetch_add(&failed, 1) == 0)
        trace(number);
    errno = ENOMEM;
    return true;
}

/* ---- threads ---- */

struct start {
    void *(*routine)(void *arg);
    void *arg;
};

static void *begin_thread(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    paused = 0;
    void *result = start.routine(start.arg);
    paused = 1;
    return result;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *),
                   void *arg)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    if (must_fail((uintptr_t)__builtin_return_address(0)))
        return EAGAIN;
    if (paused > 0) /* a spared thread's threads are spared */
        return real(thread, attributes, routine, arg);
    paused++;
    struct start *start = malloc(sizeof(*start));
    *start = (struct start){routine, arg};
    int result = real(thread, attributes, begin_thread, start);
    if (result != 0)
        free(start);
    paused--;
    return result;
}

void torture_arm(unsigned long first, enum torture_mode mode)
{
    paused = 0;
    if (n_spared == 0)
        dl_iterate_phdr(look_at_library, NULL);
    atomic_store(&counted, 0);
    atomic_store(&failed, 0);
    atomic_store(&fails_at, first);
    atomic_store(&fails_on, mode == TORTURE_ALL);
    atomic_store(&armed, true);
}

unsigned long torture_disarm(void)
{
    atomic_store(&armed, false);
    return atomic_load(&counted);
}

unsigned long torture_failures(void)
{
    return atomic_load(&failed);
}

void torture_pause(void)
{
    paused++;
}

void torture_resume(void)
{
    paused--;
}

const char *torture_mode_name(enum torture_mode mode)
{
    return mode == TORTURE_ALL ? "all" : "one";
}

/* ---- the functions ---- */

#define MUST_FAIL must_fail((uintptr_t)__builtin_return_address(0))

void *malloc(size_t size)
{
    return MUST_FAIL ? NULL : REAL(malloc)(size);
}

void *calloc(size_t count, size_t size)
{
    return MUST_FAIL ? NULL : REAL(calloc)(count, size);
}

void *realloc(void *old, size_t size)
{
    return MUST_FAIL ? NULL : REAL(realloc)(old, size);
}

#ifdef __SANITIZE_ADDRESS__
/* These allocate inside the sanitizer; the C library's own call malloc and are caught there. */
void *reallocarray(void *old, size_t count, size_t size)
{
    return MUST_FAIL ? NULL : REAL(reallocarray)(old, count, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    return MUST_FAIL ? ENOMEM : REAL(posix_memalign)(out, alignment, size);
}

char *strdup(const char *text)
{
    return MUST_FAIL ? NULL : REAL(strdup)(text);
}

char *strndup(const char *text, size_t most)
{
    return MUST_FAIL ? NULL : REAL(strndup)(text, most);
}
#endif
