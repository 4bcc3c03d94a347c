/* SPDX-License-Identifier: Apache-2.0 */
#include "base/harden.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum result harden_no_dumps(struct error *err)
{
    const char *allowed = getenv("OCTROI_ALLOW_DUMPS");
    if (allowed != NULL && strcmp(allowed, "1") == 0)
        return RESULT_OK;
    /* The limit is not heeded where core_pattern is a program, the mark is everywhere; but a
     * program that this one starts would have its mark back, and the limit it keeps. */
    const struct rlimit none = {0};
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot forbid core dumps");
    if (prctl(PR_SET_DUMPABLE, 0L) != 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot keep the memory from being read");
    return RESULT_OK;
}

void harden_thread_signals(sigset_t *blocked_out)
{
    sigfillset(blocked_out);
    sigdelset(blocked_out, SIGSYS);
}
