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

/* Nobody new gets in: from now on the kernel drops what would begin a connection, while those
 * begun before may still come to be accepted. Closing a listening socket cuts what waits in it;
 * shutting it first, and accepting until nothing waits, cuts nobody. Of the socket, not the
 * descriptor: whoever else holds it is shut as well. A kernel that cannot do it is no failure. */
void listen_shut(int fd);
void listen_unshut(int fd);

/* One lane's end of an entrance: accepts and starts sessions. */
struct door;

/* On the lane's thread. Takes fd, also on failure (false: no memory). The lane owns the door. */
bool door_open(struct lane *lane, struct entrance *entrance, int fd);
/* Closes the doors that chosen says true of (NULL: all), in a moment, once those whose connection
 * was made before listen_shut have been let in; they get snapshot (what the lane had then). Where
 * somebody else holds the socket it is closed at once: what waits in it is theirs. */
void doors_retire(struct lane *lane, struct snapshot *snapshot,
                  bool (*chosen)(const struct entrance *entrance, const void *arg),
                  const void *arg);
/* At once, also those that retire. */
void doors_close(struct lane *lane);

#endif
