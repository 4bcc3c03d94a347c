/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an SMS, whatever it came in by: SMPP or one of the HTTP shapes hands in a submission
 * and gets one reply. In between the number is normalised, the person's standing looked up, the
 * verdict given, its row made durable, the provider asked, the outcome put on record. A session
 * knows nothing of verdicts, and nothing here knows of PDUs or HTTP.
 */
#ifndef OCTROI_PROXY_SMS_SMS_H
#define OCTROI_PROXY_SMS_SMS_H

#include "adapters/sms.h"
#include "proxy/lane.h"

/* One message to one number. Borrowed until sms_submit returns. */
struct sms_submission {
    struct snapshot *snapshot;            /* the one the session or request began with */
    const struct account_config *account; /* of that snapshot */
    const char *session;                  /* id, for the journal: as record_new_id makes them */
    const char *sender;                   /* sender id; "" when the partner gave none */
    uint8_t sender_ton, sender_npi;       /* as the partner said; HTTP: sms_sender_kind */
    const char *to;                       /* as the partner wrote it */
    bool to_international;                /* its "+" may be missing (SMPP TON 1) */
    const char *text;                     /* UTF-8; NULL: raw is set */
    const struct sms_raw *raw;            /* NULL: text is set */
    bool report;                          /* a delivery report is wanted */
    bool scheduled;                       /* it asks to be sent later: refused */
    int64_t validity;                     /* microseconds; 0: none given */
};

enum sms_end {
    SMS_END_ACCEPTED,     /* the provider took it, or `discard` answers so */
    SMS_END_BLOCKED,      /* by the gate's verdict */
    SMS_END_DEFERRED,     /* outside the hours */
    SMS_END_UNABLE,       /* the gate cannot decide or record now */
    SMS_END_OVER_RATE,    /* the stream's rate */
    SMS_END_BAD_NUMBER,   /* no telephone number */
    SMS_END_BAD_SCHEDULE, /* to be sent later: nothing is queued behind the gate */
    SMS_END_REFUSED,      /* by the provider, for good */
    SMS_END_BUSY,         /* refused by the provider for now, or none could be reached */
    SMS_END_LOST,         /* the provider may have it; its answer was lost */
    SMS_END_COUNT
};

/* Borrowed during the call. */
struct sms_reply {
    enum sms_end end;
    enum reason reason;       /* of a verdict; else REASON_UNABLE */
    const char *ref;          /* the decision's id, and the id of the message; "" without one */
    const char *to;           /* E.164; "" when it was no number */
    const char *provider;     /* name; "" when none was asked */
    const char *provider_id;  /* accepted: the provider's id; "" */
    unsigned parts;           /* accepted: 1 at least */
    enum sms_refusal refusal; /* END_REFUSED and END_BUSY */
    uint32_t smpp_status;     /* the provider's own, when it refused by SMPP; else 0 */
    int64_t retry_after;      /* microseconds until it makes sense to try again; 0: not known */
    const char *text;         /* one English sentence for a person: why not; "" when accepted */
};
typedef void sms_reply_fn(void *owner, struct ticket ticket, const struct sms_reply *reply);

/* On the lane's thread. Replies exactly once on the same thread, perhaps before this returns. The
 * flight goes on, and is journalled, when the one who asked is gone: redeem the ticket. */
void sms_submit(struct lane *lane, const struct sms_submission *submission, sms_reply_fn *reply,
                void *owner, struct ticket ticket);
/* Flights of this lane that are under way: a lane that drains waits until there are none. */
size_t sms_in_flight(const struct lane *lane);

/* The gateway ends: every flight of the lane is given up now, journalled and replied to. */
void sms_abort_all(struct lane *lane);

/* What a partner is told, in the words of its protocol (contract, "Verdicts"). blocked: the
 * command_status for a block (partner setting; 0x45). */
uint32_t sms_smpp_status(const struct sms_reply *reply, uint32_t blocked);

#endif
