/* SPDX-License-Identifier: Apache-2.0 */
/* The SMTP server towards partners, as the gateway sees it. */
#ifndef OCTROI_PROXY_SMTP_SERVER_H
#define OCTROI_PROXY_SMTP_SERVER_H

#include "proxy/lane.h"

struct bufferevent;
struct smtp_session;

/* Begins a session on the lane's thread. bev (owned from now on, also on failure) is connected and
 * without callbacks; for a listener with implicit TLS it is still plain. listener: index into the
 * lane's current snapshot. entrance's counters were already raised and are lowered by the session.
 * NULL when memory is short: the connection is then closed. */
struct smtp_session *smtp_serve(struct lane *lane, struct entrance *entrance, size_t listener,
                                struct bufferevent *bev, const struct sockaddr *peer);
#define SMTP_ADDRESS_FULL "4.7.0 Too many connections from your address, try again later"
#define SMTP_GUESSER      "4.7.0 Too many failed logins from your address, try again later"

/* Ends the sessions that wait for a command with 421; the others end after their transaction. */
void smtp_drain(struct lane *lane);
/* Appends "STATE COUNT, …" of the sessions that have not ended, nothing when there are none. */
void smtp_survey(struct lane *lane, struct strbuf *out);
/* Ends every session now, whatever it is doing. */
void smtp_abort_all(struct lane *lane);

#endif
