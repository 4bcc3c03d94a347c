/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of accounts: reading them, and whether they hold a peer or each other. */
#ifndef OCTROI_CONFIG_NETWORK_H
#define OCTROI_CONFIG_NETWORK_H

#include "config/config.h"

/* "10.1.0.0/16", "2001:db8::/32", or one address without a prefix. Refused: host bits set, and
 * what would let every IPv4 or every IPv6 address in. why holds the reason on failure. */
bool network_parse(const char *text, struct network *network_out, struct error *why);
/* An IPv4 peer is looked at as ::ffff:a.b.c.d; one that is neither is in no network. */
bool network_holds_peer(const struct network *network, const struct sockaddr *peer);
bool networks_overlap(const struct network *a, const struct network *b);

#endif
