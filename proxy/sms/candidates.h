/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose is the number or name that a person wrote to: the streams that send under it through the
 * provider it came by. Looks at the configuration only.
 */
#ifndef OCTROI_PROXY_SMS_CANDIDATES_H
#define OCTROI_PROXY_SMS_CANDIDATES_H

#include "config/config.h"
#include "policy/recipient.h"

struct candidates {
    const struct stream_config **streams; /* owned; what they point at is the configuration's */
    size_t n_streams;
    const char **partners; /* owned: ids, each once */
    size_t n_partners;
};

/* Whether two sender ids are the same to people: as telephone numbers however written ("+33 …",
 * "0033…", national), else as text without regard to case. region: as address_parse_phone. */
bool sms_same_sender(const char *a, const char *b, const char *region);
/* The SMS streams one of whose providers has this name and one of whose senders is this one; "" is
 * nobody's. False: no memory. */
bool candidates_find(const struct config *config, const char *provider, const char *sender,
                     struct candidates *candidates_out);
/* All SMS streams of this partner that go through the provider. */
bool candidates_of_partner(const struct config *config, const char *provider, const char *partner,
                           struct candidates *candidates_out);
void candidates_end(struct candidates *candidates);

/* A person's number as a provider writes it, to E.164: "+" is often missing. ton: as SMPP said it,
 * SMPP_TON_UNKNOWN when nothing was said. */
bool sms_read_origin(const char *text, unsigned ton, const char *region,
                     struct address *address_out);
/* A whole telephone number, which is one subscriber's; not a name, nor a short code. */
bool sms_is_number(const char *text, const char *region);

#endif
