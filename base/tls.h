/* SPDX-License-Identifier: Apache-2.0 */
/* TLS contexts as the gate wants them: TLS 1.2 at least, no compression, small idle footprint. */
#ifndef OCTROI_BASE_TLS_H
#define OCTROI_BASE_TLS_H

#include "base/error.h"

#include <openssl/ssl.h>
#include <stdbool.h>

/* For a listener. With ask_certificate a client may present any certificate: who it is gets
 * decided by its fingerprint (tls_peer_fingerprint), not by a chain. The result is the caller's
 * (SSL_CTX_free). */
enum result tls_server_context(const char *certificate_file, const char *key_file,
                               bool ask_certificate, SSL_CTX **context_out, struct error *err);
/* For providers. verify: the chain must lead to ca_file, or to the system's store when NULL. */
enum result tls_client_context(bool verify, const char *ca_file, SSL_CTX **context_out,
                               struct error *err);
/* A client-side session towards name: SNI, and with verify the certificate must be for name (a
 * host name or an IP address). NULL when it cannot be made. The result is the caller's. */
SSL *tls_client_session(SSL_CTX *context, const char *name, bool verify);

/* Lower-case hex SHA-256 of the peer's certificate in DER; false when it presented none. */
bool tls_peer_fingerprint(SSL *ssl, char out[65]);
/* "TLSv1.3" and the like. */
const char *tls_version(const SSL *ssl);
/* The newest error of OpenSSL's queue as text; clears the queue. */
const char *tls_last_error(char *out, size_t size);

#endif
