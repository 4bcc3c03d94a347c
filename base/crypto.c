/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crypto.h"

#include "base/file.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

/* Threads may outlive main: who is stuck in a library or a look-up is let go of. OpenSSL must not
 * be taken apart under them at exit, where it would free what a thread that ends then frees again.
 * It has to be told before anybody uses it. */
__attribute__((constructor)) static void keep_to_the_end(void)
{
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}

bool sha256(const void *data, size_t length, uint8_t out[SHA256_BYTES])
{
    return SHA256(data, length, out) != NULL;
}

bool sha256_pair(const void *a, size_t a_length, const void *b, size_t b_length,
                 uint8_t out[SHA256_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, a, a_length) == 1 && EVP_DigestUpdate(ctx, b, b_length) == 1 &&
              EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

struct sha256_stream {
    EVP_MD_CTX *sum;  /* owned; of what came so far */
    EVP_MD_CTX *copy; /* owned; ended in its place */
};

struct sha256_stream *sha256_stream_new(void)
{
    struct sha256_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return NULL;
    stream->sum = EVP_MD_CTX_new();
    stream->copy = EVP_MD_CTX_new();
    if (stream->sum == NULL || stream->copy == NULL ||
        EVP_DigestInit_ex(stream->sum, EVP_sha256(), NULL) != 1)
        sha256_stream_free(&stream);
    return stream;
}

void sha256_stream_free(struct sha256_stream **stream)
{
    if (*stream == NULL)
        return;
    EVP_MD_CTX_free((*stream)->sum);
    EVP_MD_CTX_free((*stream)->copy);
    free(*stream);
    *stream = NULL;
}

bool sha256_stream_add(struct sha256_stream *stream, const void *data, size_t length)
{
    return EVP_DigestUpdate(stream->sum, data, length) == 1;
}

bool sha256_stream_now(const struct sha256_stream *stream, uint8_t out[SHA256_BYTES])
{
    return EVP_MD_CTX_copy_ex(stream->copy, stream->sum) == 1 &&
           EVP_DigestFinal_ex(stream->copy, out, NULL) == 1;
}

struct hmac {
    EVP_MAC *mac;          /* owned */
    EVP_MAC_CTX *prepared; /* owned; holds the key schedule */
};

struct hmac *hmac_new(const uint8_t *key, size_t length)
{
    struct hmac *hmac = calloc(1, sizeof(*hmac));
    if (hmac == NULL)
        return NULL;
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    hmac->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    hmac->prepared = hmac->mac ? EVP_MAC_CTX_new(hmac->mac) : NULL;
    if (hmac->prepared == NULL || EVP_MAC_init(hmac->prepared, key, length, params) != 1)
        hmac_free(&hmac);
    return hmac;
}

void hmac_free(struct hmac **hmac)
{
    if (*hmac == NULL)
        return;
    EVP_MAC_CTX_free((*hmac)->prepared);
    EVP_MAC_free((*hmac)->mac);
    free(*hmac);
    *hmac = NULL;
}

bool hmac_compute(struct hmac *hmac, const void *data, size_t length, uint8_t out[SHA256_BYTES])
{
    size_t written = 0;
    return EVP_MAC_init(hmac->prepared, NULL, 0, NULL) == 1 &&
           EVP_MAC_update(hmac->prepared, data, length) == 1 &&
           EVP_MAC_final(hmac->prepared, out, &written, SHA256_BYTES) == 1 &&
           written == SHA256_BYTES;
}

bool random_bytes(void *out, size_t length)
{
    return RAND_bytes(out, (int)length) == 1;
}

void wipe(void *data, size_t length)
{
    OPENSSL_cleanse(data, length);
}

bool equal_constant_time(const void *a, const void *b, size_t length)
{
    return CRYPTO_memcmp(a, b, length) == 0;
}

struct signing_key {
    EVP_PKEY *pkey; /* owned */
};

static enum result wrap_key(EVP_PKEY *pkey, struct signing_key **key_out, struct error *err)
{
    struct signing_key *key = calloc(1, sizeof(*key));
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return error_no_memory(err);
    }
    key->pkey = pkey;
    *key_out = key;
    return RESULT_OK;
}

enum result signing_key_generate(struct signing_key **key_out, struct error *err)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (pkey == NULL)
        return error_set(err, RESULT_SYSTEM, "cannot generate an Ed25519 key");
    return wrap_key(pkey, key_out, err);
}

/* Nobody is there to be asked for one; without this OpenSSL would ask the terminal. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static enum result load_key(const char *path, bool want_private, struct signing_key **key_out,
                            struct error *err)
{
    struct strbuf pem = {0};
    enum result result = file_read(path, 64 * 1024, &pem, err);
    if (result != RESULT_OK)
        return result;
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.length);
    EVP_PKEY *pkey = NULL;
    if (bio != NULL)
        pkey = want_private ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
                            : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (pem.data != NULL)
        wipe(pem.data, pem.length);
    strbuf_free(&pem);
    if (pkey == NULL || EVP_PKEY_get_base_id(pkey) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(pkey);
        return error_set(err, RESULT_DAMAGED, "%s holds no Ed25519 %s key in PEM", path,
                         want_private ? "private" : "public");
    }
    return wrap_key(pkey, key_out, err);
}

enum result signing_key_load_private(const char *path, struct signing_key **key_out,
                                     struct error *err)
{
    return load_key(path, true, key_out, err);
}

enum result signing_key_load_public(const char *path, struct signing_key **key_out,
                                    struct error *err)
{
    return load_key(path, false, key_out, err);
}

static enum result save_pem(const EVP_PKEY *pkey, bool as_private, const char *path,
                            struct error *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int ok =
        bio != NULL && (as_private ? PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
                                   : PEM_write_bio_PUBKEY(bio, pkey));
    char *data = NULL;
    long length = ok == 1 ? BIO_get_mem_data(bio, &data) : 0;
    enum result result =
        length > 0 ? file_create(path, as_private ? 0600 : 0644, data, (size_t)length, err)
                   : error_set(err, RESULT_SYSTEM, "cannot encode the key for %s", path);
    if (length > 0)
        wipe(data, (size_t)length);
    BIO_free(bio);
    return result;
}

bool signing_key_add_public(const struct signing_key *key, struct strbuf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    long length =
        bio != NULL && PEM_write_bio_PUBKEY(bio, key->pkey) == 1 ? BIO_get_mem_data(bio, &data) : 0;
    if (length > 0)
        strbuf_add(out, data, (size_t)length);
    BIO_free(bio);
    return length > 0 && !out->failed;
}

enum result signing_key_save(const struct signing_key *key, const char *private_path,
                             const char *public_path, struct error *err)
{
    enum result result = save_pem(key->pkey, true, private_path, err);
    return result == RESULT_OK ? save_pem(key->pkey, false, public_path, err) : result;
}

void signing_key_free(struct signing_key **key)
{
    if (*key == NULL)
        return;
    EVP_PKEY_free((*key)->pkey);
    free(*key);
    *key = NULL;
}

bool signing_key_sign(const struct signing_key *key, const void *data, size_t length,
                      uint8_t out[SIGNATURE_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t written = SIGNATURE_BYTES;
    bool ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
              EVP_DigestSign(ctx, out, &written, data, length) == 1 && written == SIGNATURE_BYTES;
    EVP_MD_CTX_free(ctx);
    return ok;
}

bool signing_key_verify(const struct signing_key *key, const void *data, size_t length,
                        const uint8_t signature[SIGNATURE_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
              EVP_DigestVerify(ctx, signature, SIGNATURE_BYTES, data, length) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}
