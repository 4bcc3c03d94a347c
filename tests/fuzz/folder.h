/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of its own for a target that needs files; removed at exit, not after a finding. */
#ifndef OCTROI_TESTS_FUZZ_FOLDER_H
#define OCTROI_TESTS_FUZZ_FOLDER_H

#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char fuzz_folder_made[512];

static inline int fuzz_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void fuzz_folder_remove(void)
{
    nftw(fuzz_folder_made, fuzz_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline const char *fuzz_folder(void)
{
    if (fuzz_folder_made[0] == '\0') {
        const char *base = getenv("TMPDIR");
        snprintf(fuzz_folder_made, sizeof(fuzz_folder_made), "%.400s/octroi-fuzz-XXXXXX",
                 base != NULL ? base : "/tmp");
        must(mkdtemp(fuzz_folder_made) != NULL);
        must(atexit(fuzz_folder_remove) == 0);
    }
    return fuzz_folder_made;
}

static inline void fuzz_write(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    must(close(fd) == 0);
}

#endif
