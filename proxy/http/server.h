/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP towards partners and from providers, as the gateway sees it: libevent's evhttp on the lane's
 * loop. evhttp accepts by itself, so a door gives its listening socket away here, and what doors do
 * for others (caps, turning away, draining) is done by proxy/http.
 */
#ifndef OCTROI_PROXY_HTTP_SERVER_H
#define OCTROI_PROXY_HTTP_SERVER_H

#include "proxy/lane.h"

struct evconnlistener;
struct http_door;

/* On the lane's thread: from now on connections of socket are served. The socket is evhttp's: it is
 * freed by http_door_close, its descriptor is left to the caller; its error callback is not
 * touched. The entrance's listener is looked up in the lane's snapshot with each connection and
 * request. NULL: no memory, and nothing was taken. */
struct http_door *http_door_open(struct lane *lane, struct entrance *entrance,
                                 struct evconnlistener *socket);
/* No new connection; those that stand are served on. Frees the socket's listener. */
void http_door_close(struct http_door **door);

/* Connections that wait for a request are closed; the others after their answer. */
void http_drain(struct lane *lane);
/* Appends "STATE COUNT, …" of the connections that have not ended, nothing when there are none. */
void http_survey(struct lane *lane, struct strbuf *out);
/* Ends every connection now. */
void http_abort_all(struct lane *lane);
/* On the lane's thread or after it ended, before the loop is freed; doors that were not closed are
 * closed. */
void http_free(struct lane *lane);

#endif
