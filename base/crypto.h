/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few cryptographic acts the gate needs, over OpenSSL 3: SHA-256, HMAC-SHA-256, random bytes,
 * Ed25519 signatures, wiping. All functions may be called from any thread; a struct hmac belongs
 * to one thread at a time.
 */
#ifndef OCTROI_BASE_CRYPTO_H
#define OCTROI_BASE_CRYPTO_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES    32
#define SIGNATURE_BYTES 64

bool sha256(const void *data, size_t length, uint8_t out[SHA256_BYTES]);
/* SHA-256 of the concatenation of two pieces. */
bool sha256_pair(const void *a, size_t a_length, const void *b, size_t b_length,
                 uint8_t out[SHA256_BYTES]);

/* SHA-256 of what comes in pieces; the hash of what came so far can be asked for at any time. */
struct sha256_stream;
struct sha256_stream *sha256_stream_new(void);
void sha256_stream_free(struct sha256_stream **stream);
bool sha256_stream_add(struct sha256_stream *stream, const void *data, size_t length);
bool sha256_stream_now(const struct sha256_stream *stream, uint8_t out[SHA256_BYTES]);

/* A keyed hash whose key schedule is computed once. */
struct hmac;
struct hmac *hmac_new(const uint8_t *key, size_t length);
void hmac_free(struct hmac **hmac);
bool hmac_compute(struct hmac *hmac, const void *data, size_t length, uint8_t out[SHA256_BYTES]);

bool random_bytes(void *out, size_t length);
void wipe(void *data, size_t length);
bool equal_constant_time(const void *a, const void *b, size_t length);

struct strbuf;

/* An Ed25519 key, private or public only. */
struct signing_key;
enum result signing_key_generate(struct signing_key **key_out, struct error *err);
enum result signing_key_load_private(const char *path, struct signing_key **key_out,
                                     struct error *err);
enum result signing_key_load_public(const char *path, struct signing_key **key_out,
                                    struct error *err);
/* PEM files; private 0600, public 0644; fail when the file exists. */
enum result signing_key_save(const struct signing_key *key, const char *private_path,
                             const char *public_path, struct error *err);
/* Appends the public key as signing_key_save writes it. */
bool signing_key_add_public(const struct signing_key *key, struct strbuf *out);
void signing_key_free(struct signing_key **key);
bool signing_key_sign(const struct signing_key *key, const void *data, size_t length,
                      uint8_t out[SIGNATURE_BYTES]);
bool signing_key_verify(const struct signing_key *key, const void *data, size_t length,
                        const uint8_t signature[SIGNATURE_BYTES]);

#endif
