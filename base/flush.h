/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing at once. A bufferevent writes what it was given in the loop's next turn, after asking
 * the kernel whether it may and telling it afterwards that it need not know any more: two system
 * calls and a turn around the one that counts. Short replies nearly always fit the socket.
 */
#ifndef OCTROI_BASE_FLUSH_H
#define OCTROI_BASE_FLUSH_H

#include <stdbool.h>

struct bufferevent;

/* Writes the output of a bufferevent on a plain socket, never of one under TLS. True: all of it is
 * out, and bev's write callback will not be called for it. False: the loop does the rest, and says
 * what is wrong with the socket if something is. Not from within a callback of the output. */
bool flush_now(struct bufferevent *bev);

#endif
