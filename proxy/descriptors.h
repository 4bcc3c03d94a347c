/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many sessions the process has descriptors for. A session that got in must be able to reach
 * its provider: so what the providers may need, and a little for the gateway itself, is set aside,
 * and a client that would take one of those is turned away while that can still be said to it.
 *
 * And should all be taken by somebody else, one is in reserve, for all loops together: it is given
 * up to accept a client and tell it so. Whoever accepts in the ordinary way meanwhile may get that
 * one, so while it is given up every loop asks, under one lock, whether it has to be put back
 * first.
 */
#ifndef OCTROI_PROXY_DESCRIPTORS_H
#define OCTROI_PROXY_DESCRIPTORS_H

#include "config/config.h"

#include <stdbool.h>
#include <sys/socket.h>

/* The most sessions at a time, at least one. Says so in the log when that is less than what the
 * listeners may take. own: descriptors_open of a gateway that serves nobody yet. */
unsigned descriptors_for_sessions(const struct config *config, unsigned own);
/* How many are in use now. */
unsigned descriptors_open(void);
/* The same from figures, for tests. limit: RLIMIT_NOFILE; own: the gateway's. */
unsigned descriptors_share(uint64_t limit, uint64_t own, uint64_t providers);

/* Any thread. */
struct reserve;
struct reserve *reserve_new(void); /* NULL when memory is short */
void reserve_free(struct reserve **reserve);
/* Whenever there may be a descriptor again: keeps one if there is none in reserve. */
void reserve_refill(struct reserve *reserve);
/* accept4 with the descriptor in reserve. The caller turns this client away, closes it and calls
 * reserve_return at once: others wait. -1: nobody waits to be accepted, or it was taken in between,
 * or it is not there. */
int reserve_accept(struct reserve *reserve, int listening, struct sockaddr_storage *peer);
/* After an ordinary accept: whether the client may stay. If not, its descriptor is what the reserve
 * lacks: as above. Takes no lock unless the reserve is given up. */
bool reserve_allows(struct reserve *reserve);
void reserve_return(struct reserve *reserve);

#endif
