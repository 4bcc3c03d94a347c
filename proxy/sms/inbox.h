/* SPDX-License-Identifier: Apache-2.0 */
/* The inbox inside: inbox.c has its life and what is told to it, inbound.c what arrives. */
#ifndef OCTROI_PROXY_SMS_INBOX_H
#define OCTROI_PROXY_SMS_INBOX_H

#include "proxy/sms/inbound.h"
#include "proxy/sms/recorder.h"

enum inbox_count {
    STOPS_RECORDED,
    STOPS_FAILED,
    STOPS_UNREADABLE,
    REPORTS_DELIVERED,
    REPORTS_LATER,
    REPORTS_UNKNOWN,
    REPORTS_UNWANTED,
    MESSAGES_DELIVERED,
    MESSAGES_LATER,
    MESSAGES_NOBODYS,
    MESSAGES_UNWANTED,
    COUNTS
};

struct inbox {
    struct sms_sink sink;
    struct lane **lanes; /* owned; what it points at is borrowed */
    unsigned n_lanes;
    struct binds *binds; /* borrowed */
    struct sent *sent;   /* borrowed */
    /* Owned; NULL before the lanes' threads begin and once they ended. */
    struct recorder *recorder;
    struct callbacks *callbacks;
    _Atomic uint64_t counts[COUNTS];
    /* What comes in without being anybody's is logged once a minute, with how many there were. */
    struct {
        _Atomic int64_t minute;
        _Atomic unsigned hidden;
    } spared[COUNTS];
};

/* Any thread. */
static inline void inbox_count(struct inbox *inbox, enum inbox_count which)
{
    atomic_fetch_add(&inbox->counts[which], 1);
}

/* The sink's. */
void inbox_on_inbound(void *gate, struct provider *provider, struct loop *loop,
                      const struct sms_inbound *inbound, sms_taken_fn *taken, void *owner,
                      struct ticket ticket);

#endif
