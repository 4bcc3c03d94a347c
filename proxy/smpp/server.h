/* SPDX-License-Identifier: Apache-2.0 */
/* The SMPP server towards partners, as the gateway sees it. */
#ifndef OCTROI_PROXY_SMPP_SERVER_H
#define OCTROI_PROXY_SMPP_SERVER_H

#include "proxy/lane.h"

struct bufferevent;
struct smpp_session;

/* As smtp_serve: begins a session on the lane's thread, owns bev, and lowers entrance's and the
 * gate's counters when it ends. NULL when memory is short: the connection is then closed. */
struct smpp_session *smpp_serve(struct lane *lane, struct entrance *entrance, size_t listener,
                                struct bufferevent *bev, const struct sockaddr *peer);
/* The lane has a new snapshot. Bound sessions go on under it from their next message on; those it
 * has no place for (another password, other conditions, no such account) take nothing any more, and
 * are told unbind once what they submitted is answered. */
void smpp_adopt_all(struct lane *lane);
/* Says unbind to every peer once what it submitted is answered; what it submits meanwhile is
 * answered 0x08. */
void smpp_drain(struct lane *lane);
/* Appends "STATE COUNT, …" of the sessions that have not ended, nothing when there are none. */
void smpp_survey(struct lane *lane, struct strbuf *out);
/* Ends every session now, whatever it is doing. */
void smpp_abort_all(struct lane *lane);

#endif
