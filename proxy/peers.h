/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of the gateway one peer holds right now: connections of an address, connections of a
 * partner, passwords of an address being hashed, submissions of an account unanswered. Shared by
 * all loops and listeners. An entry is there while something is counted in it, so that memory is
 * bounded by what is open; nothing is remembered of who left (guesses.h does that for failed
 * logins).
 */
#ifndef OCTROI_PROXY_PEERS_H
#define OCTROI_PROXY_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peers;
struct sockaddr;

/* Who is counted as one: an IPv4 address (::ffff:a.b.c.d), or an IPv6 /64, which is what one
 * customer of a network is given. */
struct peer_key {
    uint8_t bytes[16];
};

enum peer_kind {
    PEER_ADDRESS, /* connections; the name is a struct peer_key */
    PEER_PARTNER, /* connections; the name is the partner's id */
    PEER_HASHING, /* passwords being hashed; the name is a struct peer_key */
    PEER_WINDOW,  /* messages submitted and unanswered; the name is an account's */
    PEER_LONG,    /* long questions at the desk; the name is a token's id */
    PEER_VIEW,    /* ways out being looked at; the name is a struct peer_key */
    PEER_PRESS,   /* … being pressed */
    PEER_VIEWED,  /* the same of one link; the name is its ref */
    PEER_PRESSED,
    PEER_CONSOLE,   /* requests of the console; the name is a struct peer_key */
    PEER_DOWNLOAD,  /* under way; the name is a user's, hashed */
    PEER_DOWNLOADS, /* … the name is a struct peer_key */
};

void peer_key_of(const struct sockaddr *address, struct peer_key *key_out);

/* NULL: no memory, or no randomness. */
struct peers *peers_new(void);
void peers_free(struct peers **peers);
/* Counts one more. cap 0: any number. False: it has cap already, or there is no memory to count;
 * then nothing was counted. Any thread. */
bool peers_enter(struct peers *peers, enum peer_kind kind, const void *name, size_t length,
                 unsigned cap);
/* Takes back what peers_enter counted. Any thread. */
void peers_leave(struct peers *peers, enum peer_kind kind, const void *name, size_t length);
/* How many are counted: for tests and for what is shown. Any thread. */
unsigned peers_count(struct peers *peers, enum peer_kind kind, const void *name, size_t length);

#endif
