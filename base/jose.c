/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jose.h"

#include "base/crypto.h"
#include "base/seal.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum { NONCE_BYTES = 12, TAG_BYTES = 16, KID_CHARACTERS = 8 };

/* The protected header, in base64url: it is what the tag covers besides the text. */
static bool add_header(const uint8_t key[JWE_KEY_BYTES], struct strbuf *out)
{
    uint8_t hash[SHA256_BYTES];
    struct strbuf kid = {0}, header = {0};
    bool hashed = sha256(key, JWE_KEY_BYTES, hash);
    base64url_add(&kid, hash, sizeof(hash));
    if (hashed && !kid.failed)
        strbuf_add_format(&header, "{\"alg\":\"dir\",\"enc\":\"A256GCM\",\"kid\":\"%.*s\"}",
                          KID_CHARACTERS, kid.data);
    bool made = hashed && !kid.failed && !header.failed;
    if (made)
        base64url_add(out, header.data, header.length);
    strbuf_free(&kid);
    strbuf_free(&header);
    return made && !out->failed;
}

static bool encrypt(EVP_CIPHER_CTX *context, const uint8_t *key, const uint8_t *nonce,
                    const struct strbuf *header, const char *text, size_t length, uint8_t *sealed,
                    uint8_t tag[TAG_BYTES])
{
    int n = 0;
    return EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
           EVP_EncryptUpdate(context, NULL, &n, (const uint8_t *)header->data,
                             (int)header->length) == 1 &&
           EVP_EncryptUpdate(context, sealed, &n, (const uint8_t *)text, (int)length) == 1 &&
           EVP_EncryptFinal_ex(context, sealed + n, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1;
}

bool jwe_seal(const uint8_t key[JWE_KEY_BYTES], const char *text, size_t length, struct strbuf *out)
{
    uint8_t nonce[NONCE_BYTES], tag[TAG_BYTES];
    struct strbuf header = {0};
    uint8_t *sealed = malloc(length + 1);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool made = sealed != NULL && context != NULL && length < INT32_MAX &&
                add_header(key, &header) && random_bytes(nonce, sizeof(nonce)) &&
                encrypt(context, key, nonce, &header, text, length, sealed, tag);
    if (made) {
        strbuf_add(out, header.data, header.length);
        strbuf_add_str(out, ".."); /* alg "dir": no encrypted key */
        base64url_add(out, nonce, sizeof(nonce));
        strbuf_add_char(out, '.');
        base64url_add(out, sealed, length);
        strbuf_add_char(out, '.');
        base64url_add(out, tag, sizeof(tag));
    }
    EVP_CIPHER_CTX_free(context);
    free(sealed);
    strbuf_free(&header);
    return made && !out->failed;
}
