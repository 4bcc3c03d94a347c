/* SPDX-License-Identifier: Apache-2.0 */
/* What the test of a provider tells of its TLS certificate, also when nobody asked to verify it. */
#ifndef OCTROI_ADAPTERS_CERTIFICATE_H
#define OCTROI_ADAPTERS_CERTIFICATE_H

#include "base/str.h"
#include "config/config.h"

#include <openssl/ssl.h>

struct certificate_seen {
    char text[600];       /* subject, issuer, expiry; "" before the handshake */
    char unverified[120]; /* "" when it was verified */
};

/* Before the handshake of ssl, which must not outlive seen. */
void certificate_watch(struct certificate_seen *seen, SSL *ssl,
                       const struct provider_config *config);
/* Version and cipher (ssl may be NULL), the certificate, and whether it was verified. */
void certificate_describe(const struct certificate_seen *seen, const SSL *ssl, struct strbuf *out);

#endif
