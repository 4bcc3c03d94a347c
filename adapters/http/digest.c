/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/http/digest.h"

#include "base/crypto.h"
#include "base/str.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

static const struct http_algorithm algorithms[] = {
    {"md5", "MD5", false},           {"sha1", "SHA1", false},         {"sha256", "SHA256", false},
    {"sha512", "SHA512", false},     {"hmac-md5", "MD5", true},       {"hmac-sha1", "SHA1", true},
    {"hmac-sha256", "SHA256", true}, {"hmac-sha512", "SHA512", true},
};
const char http_algorithm_names[] =
    "md5, sha1, sha256, sha512, hmac-md5, hmac-sha1, hmac-sha256 or hmac-sha512";

const struct http_algorithm *http_algorithm(const char *name)
{
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
        if (strcmp(algorithms[i].name, name) == 0)
            return &algorithms[i];
    return NULL;
}

size_t http_digest(const struct http_algorithm *algorithm, const char *key, const void *data,
                   size_t length, uint8_t out[HTTP_DIGEST_MAX])
{
    const EVP_MD *md = EVP_get_digestbyname(algorithm->openssl);
    unsigned written = 0;
    size_t key_length = key != NULL ? strlen(key) : 0;
    if (md == NULL || key_length > INT_MAX)
        return 0;
    if (!algorithm->keyed)
        return EVP_Digest(data, length, out, &written, md, NULL) == 1 ? written : 0;
    return HMAC(md, key != NULL ? key : "", (int)key_length, data, length, out, &written) != NULL
               ? written
               : 0;
}

bool http_digest_text(const struct http_algorithm *algorithm, bool base64, const char *key,
                      const void *data, size_t length, char out[HTTP_DIGEST_TEXT_MAX])
{
    uint8_t digest[HTTP_DIGEST_MAX];
    size_t bytes = http_digest(algorithm, key, data, length, digest);
    if (bytes == 0)
        return false;
    if (base64)
        base64_encode(digest, bytes, out);
    else
        hex_encode(digest, bytes, out);
    return true;
}

bool http_same(const char *a, const char *b)
{
    /* Of the digests, so that not even the length shows. */
    uint8_t of_a[SHA256_BYTES], of_b[SHA256_BYTES];
    return sha256(a, strlen(a), of_a) && sha256(b, strlen(b), of_b) &&
           equal_constant_time(of_a, of_b, sizeof(of_a));
}
