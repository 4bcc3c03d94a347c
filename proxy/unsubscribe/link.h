/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link by which one person leaves: who it was written to, for whom and by which decision,
 * sealed (base/seal.h), so that it shows nothing and cannot be made by anybody else. It never
 * expires: a way out stays open for as long as its key is kept. Whoever has the link can act by it:
 * it is a secret, and never logged.
 */
#ifndef OCTROI_PROXY_UNSUBSCRIBE_LINK_H
#define OCTROI_PROXY_UNSUBSCRIBE_LINK_H

#include "base/seal.h"
#include "policy/recipient.h"
#include "store/record.h"

#define LINK_NAME 65 /* bytes of a partner's or stream's id and a NUL */
/* Bytes of what follows "/u/", at most: what is sealed, and four for three of it. */
#define LINK_TOKEN_MAX ((SEAL_OVERHEAD + 3 + 2 * LINK_NAME + RECORD_ID + ADDRESS_MAX) * 4 / 3 + 4)

struct link {
    enum channel channel;
    char partner[LINK_NAME];
    char stream[LINK_NAME];
    char ref[RECORD_ID]; /* of the decision that let the message pass */
    struct address address;
};

/* Appends the link, "https://gate.example.fr/u/…". False: no memory or no randomness. Any thread.
 */
bool link_add(const struct seal *seal, const char *public_url, const struct link *link,
              struct strbuf *out);
/* What stands behind "/u/". The caller wipes link_out, which is zero but for RESULT_OK.
 * RESULT_BAD_INPUT: forged or damaged; RESULT_NO_MEMORY. Any thread. */
enum result link_read(const struct seal *seal, const char *token, struct link *link_out,
                      struct error *err);

#endif
