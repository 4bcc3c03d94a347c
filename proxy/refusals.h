/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients were denied: counted by kind for `octroi status`, and logged a few lines a second
 * only. Whoever can make the gate refuse can do so thousands of times a second; a line each would
 * fill the disk. What is not shown is summed up in one line once the second is over.
 */
#ifndef OCTROI_PROXY_REFUSALS_H
#define OCTROI_PROXY_REFUSALS_H

#include <stdatomic.h>
#include <stdint.h>

enum refusal {
    REFUSAL_LISTENER,    /* a connection over the listener's max_connections */
    REFUSAL_ADDRESS,     /* … over max_connections_per_address */
    REFUSAL_PARTNER,     /* … over the partner's max_connections */
    REFUSAL_DESCRIPTORS, /* … for which there is no descriptor to spare */
    REFUSAL_HANDSHAKE,   /* TLS failed or was not done in time */
    REFUSAL_LOGIN_LATE,  /* no account within login_timeout */
    REFUSAL_SLOW,        /* content below min_rate, or an envelope that did not end */
    REFUSAL_CHATTER,     /* too many commands without a message */
    REFUSAL_NONSENSE,    /* what came is not of the protocol */
    REFUSAL_AUTH_FAILED, /* a login that was wrong */
    REFUSAL_AUTH_HELD,   /* a login not looked at: too many wrong ones from that address */
    REFUSAL_COUNT
};

/* All zero is how it begins. Any thread. */
struct refusals {
    struct {
        _Atomic uint64_t count;
        _Atomic uint64_t second; /* the second of the clock the next two are about */
        _Atomic unsigned lines;  /* logged in it */
        _Atomic unsigned hidden; /* not logged since the last summing-up */
    } kinds[REFUSAL_COUNT];
    _Atomic uint64_t summed; /* the second of the last summing-up */
};

/* Stable: `octroi status --format json` shows it. */
const char *refusal_name(enum refusal refusal);

/* Counts one, and logs it if this second has room. session, peer and why may be NULL. */
void refusals_add(struct refusals *refusals, enum refusal refusal, const char *session,
                  const char *peer, const char *why);
/* Sums up what was not logged; to be called now and then. */
void refusals_tick(struct refusals *refusals);

#endif
