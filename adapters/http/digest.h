/* SPDX-License-Identifier: Apache-2.0 */
/* The hashes and keyed hashes that providers sign with, over OpenSSL, and their spellings. Any
 * thread. */
#ifndef OCTROI_ADAPTERS_HTTP_DIGEST_H
#define OCTROI_ADAPTERS_HTTP_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_DIGEST_MAX      64 /* bytes: SHA-512 */
#define HTTP_DIGEST_TEXT_MAX (2 * HTTP_DIGEST_MAX + 1)

struct http_algorithm {
    const char *name;    /* "sha1", "hmac-sha256" */
    const char *openssl; /* "SHA1" */
    bool keyed;
};
/* NULL when there is none of this name. */
const struct http_algorithm *http_algorithm(const char *name);
/* "md5, sha1, …": all names, for messages. */
extern const char http_algorithm_names[];

/* key is used by keyed algorithms alone. Returns the length; 0 when it cannot be computed. */
size_t http_digest(const struct http_algorithm *algorithm, const char *key, const void *data,
                   size_t length, uint8_t out[HTTP_DIGEST_MAX]);
/* The same, spelt in lower-case hex or base64; false when it cannot be computed. */
bool http_digest_text(const struct http_algorithm *algorithm, bool base64, const char *key,
                      const void *data, size_t length, char out[HTTP_DIGEST_TEXT_MAX]);
/* Takes a time that does not depend on where they differ. */
bool http_same(const char *a, const char *b);

#endif
