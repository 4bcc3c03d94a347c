/* SPDX-License-Identifier: Apache-2.0 */
/* TLS contexts as the gate wants them: TLS 1.2 at least, no compression, small idle footprint. */
#ifndef OCTROI_BASE_TLS_H
#define OCTROI_BASE_TLS_H

#include "base/error.h"

#include <openssl/ssl.h>
#include <stdbool.h>

struct bufferevent;
struct event_base;

/* For a listener. With ask_certificate a client may present any certificate: who it is gets
 * decided by its fingerprint (tls_peer_fingerprint), not by a chain. The result is the caller's
 * (SSL_CTX_free). */
enum result tls_server_context(const char *certificate_file, const char *key_file,
                               bool ask_certificate, SSL_CTX **context_out, struct error *err);
/* For providers. verify: the chain must lead to ca_file, or to the system's store when NULL. */
enum result tls_client_context(bool verify, const char *ca_file, SSL_CTX **context_out,
                               struct error *err);
/* The peer's certificate must be for name, a host name or an IP address. False: no memory. */
bool tls_expect(X509_VERIFY_PARAM *param, const char *name);
/* A client-side session towards name: SNI, and with verify the certificate must be for name (a
 * host name or an IP address). NULL when it cannot be made. The result is the caller's. */
SSL *tls_client_session(SSL_CTX *context, const char *name, bool verify);

/* Speaks TLS over the socket fd (-1: it gets one later), as the side that accepts or the one that
 * connects; a peer that leaves without close_notify has left. Owns both and closes fd when it is
 * freed. NULL when memory is short: fd is still the caller's, ssl (NULL: the same) is lost. */
struct bufferevent *tls_bufferevent(struct event_base *base, int fd, SSL *ssl, bool accepts);
/* Says close_notify, so that the peer can tell an end from a cut (RFC 8446, 6.1). What the socket
 * does not take at once is not worth waiting for. Of a bufferevent without TLS: nothing. */
void tls_say_goodbye(struct bufferevent *bev);

/* Lower-case hex SHA-256 of the peer's certificate in DER; false when it presented none. */
bool tls_peer_fingerprint(SSL *ssl, char out[65]);
/* "TLSv1.3" and the like. */
const char *tls_version(const SSL *ssl);
/* The newest error of OpenSSL's queue as text; clears the queue. */
const char *tls_last_error(char *out, size_t size);

#endif
