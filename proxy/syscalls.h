/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that a serving gateway gives up (seccomp): those it never makes, and by which
 * whoever had taken it over would go on from there. It owns the list; it refuses to know who calls.
 * Why a list of what is forbidden, and why a call ends the process: docs/adr/0033-seccomp.md.
 */
#ifndef OCTROI_PROXY_SYSCALLS_H
#define OCTROI_PROXY_SYSCALLS_H

#include "base/error.h"

/* For all threads and for good. A forbidden call is not made: it is logged by its name and ends
 * the process with SIGSYS. Without effect in a build with sanitizers, which need such calls, and
 * with OCTROI_SYSCALL_FILTER=off in the environment; both are logged.
 * RESULT_UNAVAILABLE: the kernel has no such filter, and nothing is given up. */
enum result syscalls_give_up(struct error *err);
/* "on", or why it is not: "off", "sanitizers". Any thread. */
const char *syscalls_state(void);

#endif
