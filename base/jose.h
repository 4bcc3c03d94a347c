/* SPDX-License-Identifier: Apache-2.0 */
/* A text sealed so that any JOSE library opens it: a JWE in compact form (RFC 7516, 7518). */
#ifndef OCTROI_BASE_JOSE_H
#define OCTROI_BASE_JOSE_H

#include "base/str.h"

#define JWE_KEY_BYTES 32

/* Appends a JWE with alg "dir", enc "A256GCM", and as kid the first eight characters of the key's
 * SHA-256 in base64url, so that who has several keys knows which. Any thread. False: no memory or
 * no randomness. A key may seal 2^32 texts at most: the nonce is random. */
bool jwe_seal(const uint8_t key[JWE_KEY_BYTES], const char *text, size_t length,
              struct strbuf *out);

#endif
