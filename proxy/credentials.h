/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords. A hash such as yescrypt takes milliseconds by design, so it is computed on the helper
 * pool, never on a loop; what was verified is remembered under a keyed digest, so that a partner
 * that connects a thousand times pays once; and of those that ask the same at the same time, one is
 * hashed. What one address may have hashed at a time is bounded: it is the helpers' time that a
 * guesser would take from everybody else. Of those that wait, where an account has logged in before
 * comes first, an address that has failed again and again last: guesses of many addresses hold
 * nobody else up. And the helpers give way to the loops, and rest after each wrong password, the
 * longer the less they think of who comes next: all the world's guesses take an eighth of a core,
 * those of who has failed before a 64th. An unknown account costs the same as a wrong password; who
 * hangs up before it was looked at costs nothing.
 */
#ifndef OCTROI_PROXY_CREDENTIALS_H
#define OCTROI_PROXY_CREDENTIALS_H

#include "base/loop.h"
#include "base/ticket.h"
#include "base/workers.h"
#include "proxy/guesses.h"
#include "proxy/peers.h"

struct credentials;

/* Different passwords of one address being hashed at a time; of one that has failed again and again
 * one. A gateway of a partner logs in to a few accounts at once when it starts; the same password
 * asked for many times counts once. */
#define CREDENTIALS_AT_ONCE 16

/* workers, peers, guesses: borrowed. The workers' threads are for this alone. */
enum result credentials_new(struct workers *workers, struct peers *peers, struct guesses *guesses,
                            struct credentials **credentials_out, struct error *err);
void credentials_free(struct credentials **credentials);
/* No rest any more: the end is waited for. Any thread. */
void credentials_hurry(struct credentials *credentials);

/* matches: the password is the one of the hash. Called on home's thread, possibly before
 * credentials_check returns. */
typedef void credentials_fn(void *owner, struct ticket ticket, bool matches);

/* hash: crypt(5), or NULL for an unknown account, which never matches. name, hash and password are
 * copied, and wiped after use. False when the helpers are too busy, with this address or at all, or
 * memory is short: no answer will come. */
bool credentials_check(struct credentials *credentials, const struct peer_key *from,
                       const char *name, const char *hash, const char *password, struct loop *home,
                       credentials_fn *answer, void *owner, struct ticket ticket);
/* Nobody waits for this answer any more. It comes all the same, maybe without a look. */
void credentials_abandon(struct credentials *credentials, const void *owner, struct ticket ticket);

#endif
