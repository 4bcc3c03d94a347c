/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failed logins, remembered across sessions so that guessing is slow however many connections it
 * is spread over. Hard on the address they come from, mild on the account they are for: nobody can
 * lock an account out by guessing at it, and where it has logged in before it is not held back at
 * all. An account that does not exist is treated as any other.
 *
 * The memory is of fixed size. What has failed little gives way to what has failed more, never the
 * reverse: an address cannot be washed clean by failing from many others.
 */
#ifndef OCTROI_PROXY_GUESSES_H
#define OCTROI_PROXY_GUESSES_H

#include "base/error.h"
#include "proxy/peers.h"

struct guesses;

/* Failures of one address after which a password is looked at only every GUESS_DELAY_MOST. */
#define GUESSES_FREE 10
/* The delay of an answer doubles from GUESS_DELAY_FIRST with each failure of the address. */
#define GUESS_DELAY_FIRST (1 * CLOCK_SECOND)
#define GUESS_DELAY_MOST  (30 * CLOCK_SECOND)
/* Failures for one account, from wherever, after which answers to addresses that have not logged
 * in to it before take GUESS_DELAY_ACCOUNT: a person who is right waits that long, no longer. */
#define GUESSES_ACCOUNT     20
#define GUESS_DELAY_ACCOUNT (4 * CLOCK_SECOND)
/* Where an account has logged in before, so many failures are looked at in any case. */
#define GUESSES_KNOWN 50
/* One failure is forgotten each … */
#define GUESS_FORGOTTEN (60 * CLOCK_SECOND)

enum result guesses_new(struct guesses **guesses_out, struct error *err);
void guesses_free(struct guesses **guesses);
/* Whether a password for this account may be looked at now. now: clock_monotonic. Any thread. */
bool guesses_admit(struct guesses *guesses, const struct peer_key *from, const char *account,
                   int64_t now);
/* How long a password for this account has to wait for others, when many wait: 0 where the account
 * has logged in before, else 1 and the failures of the address. Any thread. */
unsigned guesses_rank(struct guesses *guesses, const struct peer_key *from, const char *account,
                      int64_t now);
/* What came of one that was. Returns how long after it was given its answer may be told. */
int64_t guesses_note(struct guesses *guesses, const struct peer_key *from, const char *account,
                     bool right, int64_t now);

#endif
