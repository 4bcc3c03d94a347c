/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a provider's name to a connected socket, for the adapters that speak a protocol of their
 * own. A numeric host is used as it is; a name is looked up by the provider's helper threads, for
 * getaddrinfo would stop the loop. The addresses are tried in the resolver's order (RFC 6724),
 * until one connects. It has no clock: whoever embeds a dial keeps the time, and says when it is
 * up.
 */
#ifndef OCTROI_ADAPTERS_DIAL_H
#define OCTROI_ADAPTERS_DIAL_H

#include "adapters/certificate.h"
#include "adapters/internal.h"
#include "base/str.h"

#include <netdb.h>

struct bufferevent;
struct event;
struct dial;
struct dial_resolve;

/* All on the dial's loop, perhaps before dial_begin has returned. After connected or failed nothing
 * is called any more. */
struct dial_ops {
    /* The addresses are known. */
    void (*resolved)(struct dial *dial);
    /* One of them is being tried: it has the provider's connect_timeout. */
    void (*trying)(struct dial *dial);
    /* fd is the caller's from here on. */
    void (*connected)(struct dial *dial, int fd);
    void (*failed)(struct dial *dial, const struct error *why);
};

/* Part of a connection; only its loop touches it. */
struct dial {
    const struct dial_ops *ops;
    struct provider *provider;    /* borrowed */
    struct loop *loop;            /* borrowed */
    struct dial_resolve *resolve; /* while the name is looked up; owned by the helper threads */
    struct addrinfo *addresses;   /* owned */
    struct addrinfo *address;     /* the one in use; into addresses */
    int fd;                       /* owned while connecting; -1: none */
    struct event *event;          /* owned; while connecting */
    bool loopback;                /* the address in use does not leave this machine */
};

void dial_init(struct dial *dial, const struct dial_ops *ops, struct provider *provider,
               struct loop *loop);
/* From the start, also of a dial that was used before. */
void dial_begin(struct dial *dial);
/* The time for the look-up, or for the address being tried, is up: the next address, or failure. */
void dial_expired(struct dial *dial);
/* Gives up what is under way; nothing is called any more. The addresses stay readable. */
void dial_forget(struct dial *dial);
/* The same, and frees the addresses. */
void dial_end(struct dial *dial);
/* A connected socket to speak over: plain, or (tls) with a handshake to come, whose certificate is
 * looked at for watch (NULL: nobody asks). The socket goes with it; NULL when memory is short, and
 * the socket is then still the caller's. */
struct bufferevent *dial_wrap(const struct dial *dial, int fd, bool tls,
                              struct certificate_seen *watch);
/* Why the handshake on bev ended with these events, for "(%s)". */
void dial_tls_problem(const struct dial *dial, struct bufferevent *bev, short events, char *out,
                      size_t size);
/* An address as people write it; with all, those behind it, too. */
void dial_describe(const struct addrinfo *address, bool all, struct strbuf *out);

#endif
