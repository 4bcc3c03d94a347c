/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords. A hash such as yescrypt takes milliseconds by design, so it is computed on the helper
 * pool, never on a loop; what was verified is remembered under a keyed digest, so that a partner
 * that connects a thousand times pays once. An unknown account costs the same as a wrong password.
 */
#ifndef OCTROI_PROXY_CREDENTIALS_H
#define OCTROI_PROXY_CREDENTIALS_H

#include "base/loop.h"
#include "base/ticket.h"
#include "base/workers.h"

struct credentials;

/* workers: borrowed. */
enum result credentials_new(struct workers *workers, struct credentials **credentials_out,
                            struct error *err);
void credentials_free(struct credentials **credentials);

/* matches: the password is the one of the hash. Called on home's thread, possibly before
 * credentials_check returns. */
typedef void credentials_fn(void *owner, struct ticket ticket, bool matches);

/* hash: crypt(5), or NULL for an unknown account, which never matches. name, hash and password are
 * copied, and wiped after use. False when the helpers are too busy or memory is short: no answer
 * will come. */
bool credentials_check(struct credentials *credentials, const char *name, const char *hash,
                       const char *password, struct loop *home, credentials_fn *answer, void *owner,
                       struct ticket ticket);

#endif
