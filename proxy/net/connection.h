/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A partner's connection, from its acceptance to its end: its socket, TLS, whose it is, what it is
 * counted under, its deadline, its last words. What is said over it is its session's, of SMTP or
 * SMPP, which it knows by its callbacks alone. (evhttp owns the connections of HTTP; those have an
 * admission, a deadline and a flush of their own.)
 *
 * The session owns the connection and outlives it: connection_end marks, and the session frees both
 * when the loop comes round. All of it on the lane's thread.
 */
#ifndef OCTROI_PROXY_NET_CONNECTION_H
#define OCTROI_PROXY_NET_CONNECTION_H

#include "base/clock.h"
#include "base/deadline.h"
#include "base/log.h"
#include "proxy/lane.h"

#include <event2/buffer.h>

#define CONNECTION_HANDSHAKE_US (30 * CLOCK_SECOND) /* what a peer has for TLS */
#define CONNECTION_CLOSING_US   (10 * CLOCK_SECOND) /* … to read what it was told last */

struct bufferevent;
struct connection;

/* From within libevent's callbacks. None comes after connection_end. */
struct connection_calls {
    /* Something was read. */
    void (*heard)(void *session);
    /* All output is out. Called for what libevent wrote, not for what left by connection_flush. */
    void (*written)(void *session);
    /* The handshake is done. */
    void (*secured)(void *session);
    /* The peer closed its sending side: what it said before may be served. */
    void (*hung_up)(void *session);
    /* Broken, or the handshake failed, which was counted as a refusal. why: constant. */
    void (*lost)(void *session, const char *why);
    /* The deadline that connection_set_deadline set. */
    void (*late)(void *session);
    /* Whether `written` must come for what is in the output now: it means more to the session than
     * that there is room again. */
    bool (*awaits_written)(const void *session);
};

/* bev is connected, plain and without callbacks, and owned from now on, also on failure; it is read
 * from connection_open on. peer: the socket's other end. The entrance and the gate count it
 * already, and count it no more when it ends, also on failure. NULL: no memory. */
struct connection *connection_new(struct lane *lane, struct entrance *entrance,
                                  struct bufferevent *bev, const struct sockaddr *peer,
                                  const struct connection_calls *calls, void *session);
/* Nothing more is read, written or called; what it is counted under is left, and its end is logged:
 * of strangers, who have no account (NULL) or were turned away, at debug level only. work: another
 * field of that line, or NULL. Once. */
void connection_end(struct connection *connection, const char *account,
                    const struct log_field *work, const char *why);
/* Closes the socket, saying so to a peer under TLS; not from within a callback. Names, counts and
 * times can still be asked for. Once or twice. */
void connection_shut(struct connection *connection);
bool connection_is_shut(const struct connection *connection);
/* Shuts and frees; takes NULL. */
void connection_free(struct connection **connection);

/* ---- whose it is ---- */

/* Random, for logs and rows; lives as long as the connection. */
const char *connection_id(const struct connection *connection);
/* The client: the peer, or whom a balancer names; of family AF_UNSPEC when the balancer would not
 * say, and then no network is the client's. Known from connection_name_client on. */
const struct sockaddr_storage *connection_client(const struct connection *connection);
const struct sockaddr_storage *connection_peer(const struct connection *connection);
/* The address that is logged and counted: the client's, or its balancer's if that would not say. */
const struct sockaddr_storage *connection_shown(const struct connection *connection);
/* connection_shown as text, "" while the client is not known; lives as long as the connection. */
const char *connection_shown_text(const struct connection *connection);
void connection_name_client(struct connection *connection, const struct sockaddr_storage *client);
/* The client is on this machine, and so is all that lies between. A client that a balancer vouches
 * for is not on this machine because the balancer is. */
bool connection_is_local(const struct connection *connection);
/* Lower-case hex SHA-256 of the client's certificate; NULL: none. */
const char *connection_fingerprint(const struct connection *connection);
/* A certificate on this connection is its balancer's, now and later. */
void connection_disown_certificate(struct connection *connection);

/* ---- what it is counted under ---- */

/* Under connection_shown; most 0: no limit. False: over that. */
bool connection_admit_address(struct connection *connection, unsigned most);
/* Under the account's partner (NULL: none); see admission_partner. False: over the partner's. */
bool connection_admit_partner(struct connection *connection, struct snapshot *snapshot,
                              const struct account_config *account);
/* What connections and failed logins are counted by, from connection_admit_address on. */
const struct peer_key *connection_key(const struct connection *connection);
/* Counts a refusal and logs it as of this connection. why: may be NULL. */
void connection_refuse(struct connection *connection, enum refusal refusal, const char *why);
/* The same of one that is turned away for it: its end is not told of again. */
void connection_turn_away(struct connection *connection, enum refusal refusal, const char *why);

/* ---- TLS ---- */

/* From plain to TLS; the output has been flushed. What the peer sent before is thrown away: nothing
 * read in clear is ever taken for something said under TLS. False: no memory, to be ended. */
bool connection_start_tls(struct connection *connection, SSL_CTX *context);
bool connection_is_secured(const struct connection *connection);

/* ---- input, output, time ---- */

struct evbuffer *connection_input(const struct connection *connection);
struct evbuffer *connection_output(const struct connection *connection);
/* Begins to read and write. */
void connection_open(struct connection *connection);
/* Whether to read on. Not by libevent's high mark: it calls back again and again for an input that
 * has reached it and may be read, so that a peer that sends ahead of an answer would keep the loop
 * busy until that comes; and setting it writes through the entry of a callback that it may have
 * found no memory for. */
void connection_read(struct connection *connection, bool wanted);
bool connection_reads(const struct connection *connection);
/* Bytes taken from the socket at once; 0: libevent's own number. */
void connection_read_at_most(struct connection *connection, size_t bytes);
/* Neither read nor written any more, though not ended yet. */
void connection_silence(struct connection *connection);
bool connection_writes(const struct connection *connection);
/* The peer has closed its sending side, or more. */
bool connection_was_hung_up(const struct connection *connection);
/* What was written leaves at the end of the loop's turn if that is all there is to it, else as
 * libevent writes, which then calls `written`. To be asked for after each change of what
 * awaits_written looks at. */
void connection_flush(struct connection *connection);
/* What leaves at once leaves now: for who is about to end it. */
void connection_flush_now(struct connection *connection);
/* The last was said, and nothing more is read unless connection_read says so. True: it is out
 * already, and `written` will not come for it. */
bool connection_close(struct connection *connection);
/* Monotonic; DEADLINE_NEVER: none. */
void connection_set_deadline(struct connection *connection, int64_t at);
/* To look at. */
const struct deadline *connection_deadline(const struct connection *connection);

#endif
