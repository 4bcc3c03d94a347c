/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failed logins, remembered across sessions so that guessing is slow however many connections it
 * is spread over. Hard on the address they come from, mild on the account they are for: nobody can
 * lock an account out by guessing at it, and where it has logged in before it is not held back at
 * all. An account that does not exist is treated as any other. A try that is not looked at, for
 * there are too many, counts for how long its answer waits, not as a failure: what goes on trying
 * gets slower, but who was right all along pays nothing for it.
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
/* Connections at a time of an address that guesses: where no account has logged in, and which has
 * failed and tried GUESSES_FREE times in all. */
#define GUESSER_CONNECTIONS 4
/* One failure is forgotten each … in which it did not try in vain. */
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
/* One was not looked at, not admitted or because the helpers were busy. Returns how long after it
 * was given that may be told: as long as if it and all such tries before had been failures. */
int64_t guesses_unseen(struct guesses *guesses, const struct peer_key *from, int64_t now);
/* Who has failed did not wait for the answer that was due then. */
void guesses_fled(struct guesses *guesses, const struct peer_key *from, int64_t due, int64_t now);
/* Whether one more connection of the address may come in, which has so many: an address that
 * guesses has few, and none while the answer it did not wait for would be due. Any thread. */
bool guesses_let_in(struct guesses *guesses, const struct peer_key *from, unsigned inside,
                    int64_t now);

#endif
