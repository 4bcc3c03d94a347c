/* SPDX-License-Identifier: Apache-2.0 */
/* What glibc 2.36 does not survive; wrapped by the linker. */
#include "tests/torture/alloc.h"

#include <glob.h>

int __real_glob(const char *pattern, int flags, int (*on_error)(const char *, int), glob_t *found);
int __wrap_glob(const char *pattern, int flags, int (*on_error)(const char *, int), glob_t *found);

/* Its list is freed twice (see alloc.c). */
int __wrap_glob(const char *pattern, int flags, int (*on_error)(const char *, int), glob_t *found)
{
    torture_pause();
    int result = __real_glob(pattern, flags, on_error, found);
    torture_resume();
    return result;
}
