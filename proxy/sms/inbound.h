/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes back from the network, for the whole gate: people who write STOP, other replies,
 * delivery reports. A STOP is acknowledged once it is durable; a report or a reply once its partner
 * has it, and else the provider is to keep it: the gate holds no queue.
 */
#ifndef OCTROI_PROXY_SMS_INBOUND_H
#define OCTROI_PROXY_SMS_INBOUND_H

#include "adapters/sms.h"
#include "base/seal.h"
#include "proxy/lane.h"
#include "proxy/sms/binds.h"
#include "proxy/sms/sent.h"

struct inbox;

/* lanes: by the index of their loop; they, binds and sent are borrowed and outlive the inbox. Until
 * it is started everything is SMS_TAKE_LATER. NULL: no memory. */
struct inbox *inbox_new(struct lane *const *lanes, unsigned n_lanes, struct binds *binds,
                        struct sent *sent);
/* For provider_set_sink; as long as the inbox. */
const struct sms_sink *inbox_sink(const struct inbox *inbox);
/* Before the lanes' threads: opens the registry (there, of this program's layout) for writing and
 * the journal's index, and starts the recorder's thread. */
/* seal: for the notices of withdrawals; borrowed until inbox_stop, NULL without a key. */
enum result inbox_start(struct inbox *inbox, const char *registry_path, const char *index_path,
                        const char *journal_directory, const struct seal *seal, struct error *err);
/* When the lanes' threads have ended, before binds_shut, the journal's last anchor and the end of
 * the providers: what was taken is finished, its answers are in the loops' mailboxes (turn each
 * once), and what comes later is SMS_TAKE_LATER. */
void inbox_stop(struct inbox *inbox);
/* When the loops are gone. */
void inbox_free(struct inbox **inbox);

/* Any lane's thread: a provider refused a message because this person opted out there; a withdrawal
 * for the partner whose message it was. number: hers, E.164; copied. Nobody waits: a failure is
 * logged and counted, and the next message brings it again. */
void inbox_opted_out(struct inbox *inbox, const char *provider, const char *partner,
                     const uint8_t key[RECIPIENT_KEY_BYTES], const char *number);

struct inbox_counts {
    uint64_t stops_recorded;    /* withdrawals that became durable */
    uint64_t stops_failed;      /* told SMS_TAKE_LATER */
    uint64_t stops_unreadable;  /* from what is no telephone number: lost */
    uint64_t reports_delivered; /* to their partners */
    uint64_t reports_later;     /* no bind, or it did not take it */
    uint64_t reports_unknown;   /* of no message on record */
    uint64_t reports_unwanted;  /* not asked for, or of an account that has no way to be told */
    uint64_t messages_delivered;
    uint64_t messages_later;
    uint64_t messages_nobodys;  /* to a number that is no partner's, or from no number */
    uint64_t messages_unwanted; /* no account of their partner has a way to be told */
};
/* Any thread. */
void inbox_counts(const struct inbox *inbox, struct inbox_counts *counts_out);

#endif
