/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HAProxy's PROXY protocol, versions 1 and 2: the header a balancer puts before everything else a
 * connection carries, to say whose connection it is. Pure: bytes in, an address out. What is behind
 * the header may be TLS, so the caller is told how much to read and never has to read beyond it.
 *
 * Only addresses are taken from it. The TLVs of version 2 are stepped over, what they say of
 * TLS and names included.
 */
#ifndef OCTROI_PROXY_NET_PROXY_PROTOCOL_H
#define OCTROI_PROXY_NET_PROXY_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* The shortest thing that can be told to be a header: of version 1 "PROXY UNKNOWN" CRLF has 15
 * bytes, of version 2 the fixed part has 16. */
#define PROXY_HEADER_MIN 15
/* Of version 1 by its standard 107 bytes. Of version 2 the addresses take 36 (216 between Unix
 * sockets), and the TLVs of HAProxy and of cloud balancers a few hundred; the largest, a client's
 * certificate, stays below this. The standard's own limit, 64 KiB, is nothing anybody sends. */
#define PROXY_HEADER_MAX 4096

enum proxy_result {
    PROXY_MORE,    /* *length_out bytes are needed at least, more than were given */
    PROXY_LOCAL,   /* the balancer's own connection, such as a health check */
    PROXY_UNKNOWN, /* somebody's connection; the balancer does not say whose */
    PROXY_CLIENT,  /* the client's address was said */
    PROXY_BAD,     /* no such header */
};

/* bytes: what was read so far, from the first byte on. *length_out: with PROXY_MORE as above; else
 * the length of the header (of PROXY_BAD: 0). *client_out is set with PROXY_CLIENT, else zero. */
enum proxy_result proxy_protocol_parse(const uint8_t *bytes, size_t length, size_t *length_out,
                                       struct sockaddr_storage *client_out);

#endif
