/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening sockets the gateway holds, whoever opened them: itself, a gateway before it, or the
 * service manager. The main thread's; the lanes accept from duplicates. A socket stays here as long
 * as its listener is configured, so that a successor can have it whatever the lanes are doing. It
 * refuses to accept anything.
 */
#ifndef OCTROI_PROXY_NET_INLET_H
#define OCTROI_PROXY_NET_INLET_H

#include "base/error.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

#define INLET_BIND 128 /* bytes of a listener's bind, as in struct entrance */

struct inlet {
    char bind[INLET_BIND]; /* which listener's */
    int fd;                /* owned */
    bool lent; /* the service manager's: it stays open, and no second one is bound beside it */
};

struct inlets {
    struct inlet *list; /* owned */
    size_t n;
    size_t room;
};

/* Takes fd, also on failure. */
enum result inlets_add(struct inlets *inlets, const char *bind_text, int fd, bool lent,
                       struct error *err);
size_t inlets_count(const struct inlets *inlets, const char *bind_text);
/* The nth of this bind, counted round and round; NULL when there is none. */
const struct inlet *inlets_nth(const struct inlets *inlets, const char *bind_text, size_t nth);
/* Closes all from the nth on. */
void inlets_cut(struct inlets *inlets, size_t nth);
/* Closes those of this bind. */
void inlets_drop(struct inlets *inlets, const char *bind_text);
void inlets_free(struct inlets *inlets);

/* Whether a socket with this address is what the listener asks for. v6_only: of that socket. */
bool inlet_matches(const struct listener_config *listener, const struct sockaddr *address,
                   bool v6_only);

#endif
