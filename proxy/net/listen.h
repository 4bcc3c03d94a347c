/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets. Each lane has a socket of its own on each address (SO_REUSEPORT), so that the
 * kernel spreads connections and no accepted socket ever changes threads.
 */
#ifndef OCTROI_PROXY_NET_LISTEN_H
#define OCTROI_PROXY_NET_LISTEN_H

#include "proxy/lane.h"

/* A bound, listening, non-blocking socket. Any thread. */
enum result listen_open(const struct listener_config *config, int *fd_out, struct error *err);

/* One lane's end of an entrance: accepts and starts sessions. */
struct door;

/* On the lane's thread. Takes fd, also on failure (NULL: no memory). */
struct door *door_open(struct lane *lane, struct entrance *entrance, int fd);
void door_close(struct door **door);
const struct entrance *door_entrance(const struct door *door);

#endif
