/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process that holds keys owes them: no memory image on disk, and nobody of its own user
 * who reads its memory. It refuses to know which keys.
 */
#ifndef OCTROI_BASE_HARDEN_H
#define OCTROI_BASE_HARDEN_H

#include "base/error.h"

#include <signal.h>

/* No core dumps from now on, whatever limits the process was given and wherever the kernel sends
 * them, and no tracing by processes of the same user. To be called before anything is read, on the
 * only thread. With OCTROI_ALLOW_DUMPS=1 in the environment it does nothing. */
enum result harden_no_dumps(struct error *err);

/* What a thread that is to get no signals blocks: all but SIGSYS, the kernel's answer to a system
 * call that was given up (proxy/syscalls.h), which would end the process without a word. */
void harden_thread_signals(sigset_t *blocked_out);

#endif
