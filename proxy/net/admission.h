/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one connection is counted under: its entrance and the gate, its address, its partner. Each
 * has a cap; what was counted is taken back once, whatever way the connection ends. It knows no
 * protocol: how who is turned away is told so is the protocol's.
 */
#ifndef OCTROI_PROXY_NET_ADMISSION_H
#define OCTROI_PROXY_NET_ADMISSION_H

#include "proxy/lane.h"

/* Part of a connection. All zero but for gate and entrance is how it begins. On the lane's thread.
 */
struct admission {
    struct gate *gate;         /* borrowed */
    struct entrance *entrance; /* borrowed */
    struct peer_key address;   /* whose it is, as addresses are counted; set by admission_address */
    bool inside;               /* counted under the entrance and the gate */
    bool address_counted;
    const char *partner;       /* of snapshot; NULL: counted under none */
    struct snapshot *snapshot; /* owned reference while there is a partner */
};

/* Each is false when it is over its cap, or when there is no memory to count. */

/* Under the entrance, which has room for most, and the gate; *refusal_out is set when false. */
bool admission_enter(struct admission *admission, unsigned most, enum refusal *refusal_out);
/* Under that address, and no other any more. most 0: no limit. */
bool admission_address(struct admission *admission, const struct sockaddr *address, unsigned most);
/* Under the partner of that account (of the snapshot; NULL: under none), and no other any more. Who
 * is counted under it already stays so: only whose word it is changes. */
bool admission_partner(struct admission *admission, struct snapshot *snapshot,
                       const struct account_config *account);
/* Whether an address that guesses passwords may have one more connection than inside. Where many
 * are one address (max_connections_per_address 0, a trusted balancer) and where a network has an
 * account, always. */
bool admission_let_in(struct gate *gate, const struct config *config,
                      const struct listener_config *listener, const struct sockaddr *address,
                      unsigned inside);
/* Takes back all of it. */
void admission_leave(struct admission *admission);

#endif
