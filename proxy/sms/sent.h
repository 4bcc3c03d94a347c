/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which message a provider's id stands for, as far as memory goes: the newest messages that want a
 * report, shared by all lanes. The journal has them all (journal_index_sent); this spares most
 * reports the way there.
 */
#ifndef OCTROI_PROXY_SMS_SENT_H
#define OCTROI_PROXY_SMS_SENT_H

#include "store/journal.h"

struct sent;

/* most: how many are remembered; the oldest make room. 0: the default. NULL: no memory. */
struct sent *sent_new(size_t most);
void sent_free(struct sent **sent);

/* Any thread. The provider took a message to this person under this id, and its partner's account
 * is to get what is reported on it, under ref (the decision's id). To be called once the outcome
 * row that says the same is durable, before the partner is answered. What cannot be remembered, for
 * want of memory or because a name is too long, is found in the journal. An id that comes round
 * again stands for the newer message. */
void sent_note(struct sent *sent, const char *provider, const char *provider_id,
               const uint8_t key[RECIPIENT_KEY_BYTES], const char *ref, const char *account);

struct sent_ref {
    char ref[RECORD_ID];
    char account[SENT_NAME_MAX];
    bool wanted; /* a report is: of all that are in memory */
};
/* Any thread. Under exactly this id, and to this person; key NULL: to whomever. Whether another
 * spelling may be meant (receipt_spellings) is the caller's to try, once the journal was asked for
 * this one: 1000 may be hexadecimal for 4096, and a message of its own. */
bool sent_find(struct sent *sent, const char *provider, const char *id, const uint8_t *key,
               struct sent_ref *ref_out);
size_t sent_count(struct sent *sent);

#endif
