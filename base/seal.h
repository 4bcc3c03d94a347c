/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing: what an address travels in to somebody who has it already (the link of a one-click
 * unsubscription, the notice of a withdrawal), so that it is clear nowhere on the way. AES-256-GCM
 * under a key of its own for each text, HMAC-SHA-256(master key, random salt), so that no nonce can
 * ever be used twice. The master keys are kept apart from the data, in one file: the first line
 * seals, every line opens, so that a key can be followed by a new one and old links still work.
 */
#ifndef OCTROI_BASE_SEAL_H
#define OCTROI_BASE_SEAL_H

#include "base/error.h"
#include "base/str.h"

#include <stdint.h>

struct seal;

#define SEAL_OVERHEAD 37 /* bytes: version 1, key id 4, salt 16, tag 16 */

/* A file of lines of 64 hex digits ("#" begins a comment), which others may not read.
 * RESULT_BAD_INPUT says what is wrong with it, RESULT_NOT_FOUND that it is not there. */
enum result seal_load(const char *path, struct seal **seal_out, struct error *err);
/* A new file with one key, 0600; RESULT_CONFLICT when it exists. */
enum result seal_create(const char *path, struct error *err);
/* Puts a new key before those of the file, whose mode stays; its owner is the process's. */
enum result seal_rotate(const char *path, struct error *err);
/* From now on seal has the keys of fresh, which is taken; whoever borrowed seal follows, and the
 * keys it had are wiped. Any thread; others may be sealing and opening meanwhile. */
void seal_adopt(struct seal *seal, struct seal **fresh);
/* Wiped. */
void seal_free(struct seal **seal);

/* Any thread. purpose keeps what is sealed for one use from being
 * taken for another; a constant. The sealed bytes are appended to out; false: no memory or no
 * randomness, out->failed is set. */
bool seal_close(const struct seal *seal, const char *purpose, const void *data, size_t length,
                struct strbuf *out);
/* Appends what was sealed, or is RESULT_BAD_INPUT: forged, damaged, for another purpose, or under
 * a key that is not here. */
enum result seal_open(const struct seal *seal, const char *purpose, const void *sealed,
                      size_t length, struct strbuf *out, struct error *err);

/* base64url without padding, for URLs and headers. */
void base64url_add(struct strbuf *out, const void *data, size_t length);
/* False: not exactly such a text. */
bool base64url_parse(const char *text, size_t length, struct strbuf *out);

#endif
