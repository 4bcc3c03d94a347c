/* SPDX-License-Identifier: Apache-2.0 */
/* A message under way, shared by flight.c (its steps), judge.c (what is asked of the rules) and
 * rows.c (what goes on record). */
#ifndef OCTROI_PROXY_SMS_INTERNAL_H
#define OCTROI_PROXY_SMS_INTERNAL_H

#include "policy/calendar.h"
#include "policy/judge.h"
#include "proxy/sms/segments.h"
#include "proxy/sms/sent.h"
#include "proxy/sms/sms.h"
#include "store/record.h"

enum flight_state {
    FLIGHT_JUDGING,   /* the store was asked */
    FLIGHT_REFUSING,  /* the row of a refusal becomes durable before it is told */
    FLIGHT_RECORDING, /* the row of a pass becomes durable before the message leaves */
    FLIGHT_SENDING,   /* the provider was asked */
    FLIGHT_MAPPING,   /* it took it; the row with its id becomes durable, for the report to come */
    FLIGHT_ENDED,
    FLIGHT_STATE_COUNT
};

struct sms_flight {
    struct loop_task end_task;
    struct lane *lane;                    /* borrowed */
    struct snapshot *snapshot;            /* owned reference */
    const struct account_config *account; /* of the snapshot */
    enum flight_state state;
    struct ticket ticket;
    sms_reply_fn *reply;
    void *owner;
    struct ticket owner_ticket;
    size_t provider;    /* index into the stream's preference list */
    bool unreached;     /* one before that could not be reached */
    int64_t arrived_at; /* monotonic */
    char id[RECORD_ID];
    char session[RECORD_ID];
    struct recipient who;
    struct judgement judgement;
    enum effect effect;
    char to[20]; /* E.164, clear: goes to the provider, and back to who submitted it */
    char provider_id[SMPP_ID_MAX]; /* for the partner */
    char recorded_id[SMPP_ID_MAX]; /* the same without the person's number */
    unsigned parts;
    struct sms_message message; /* what it points at is in memory, or raw */
    struct sms_raw raw;
    char memory[];
};

const struct provider_config *sms_flight_provider(const struct sms_flight *flight);

/* ---- judge.c ---- */

/* The number as the partner wrote it, to E.164; false: it is none. */
bool sms_read_number(const struct sms_submission *submission, struct address *to_out);
/* Sets the flight's judgement. */
void sms_judge(struct sms_flight *flight, const struct facts *facts);
/* How many parts the message takes, or is. */
unsigned sms_flight_parts(const struct sms_flight *flight);

/* ---- rows.c ---- */

/* Hands the decision's row to the journal; answer comes with the flight's ticket, also when memory
 * is short. */
void sms_record_decision(struct sms_flight *flight, store_durable_fn *answer);
/* The outcome's. answer NULL: nobody waits. reply is scrubbed here. */
void sms_record_outcome(struct sms_flight *flight, enum outcome outcome, enum effect effect,
                        const char *reply, const char *provider_id, store_durable_fn *answer);
/* The provider knows that this person opted out: a withdrawal for this partner. */
void sms_note_opted_out(struct sms_flight *flight);

#endif
