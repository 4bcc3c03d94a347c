/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many sessions the process has descriptors for. A session that got in must be able to reach
 * its provider: so what the providers may need, and a little for the gateway itself, is set aside,
 * and a client that would take one of those is turned away while that can still be said to it.
 */
#ifndef OCTROI_PROXY_DESCRIPTORS_H
#define OCTROI_PROXY_DESCRIPTORS_H

#include "config/config.h"

/* The most sessions at a time, at least one. Says so in the log when that is less than what the
 * listeners may take. own: descriptors_open of a gateway that serves nobody yet. */
unsigned descriptors_for_sessions(const struct config *config, unsigned own);
/* How many are in use now. */
unsigned descriptors_open(void);
/* The same from figures, for tests. limit: RLIMIT_NOFILE; own: the gateway's. */
unsigned descriptors_share(uint64_t limit, uint64_t own, uint64_t providers);

#endif
