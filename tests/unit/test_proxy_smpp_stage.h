/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane that serves SMPP, with clients on socket pairs, a clock of its own, and a gate behind it
 * that does as told: sms_submit is not the real one. Binds, peers, guesses and the configuration
 * are. Shared by the unit tests and by the fuzz target of whole sessions.
 */
#ifndef OCTROI_TESTS_PROXY_SMPP_STAGE_H
#define OCTROI_TESTS_PROXY_SMPP_STAGE_H

#include "base/clock.h"
#include "base/str.h"
#include "proxy/smpp/session.h"
#include "tests/must.h"

#define STAGE_HELD 4096

/* What the session said of one message; and how it is replied to. */
struct staged {
    bool held; /* not replied to */
    sms_reply_fn *reply;
    void *owner;
    struct ticket ticket;
    char account[64];
    char sender[66];
    char to[66];
    uint8_t sender_ton, sender_npi;
    bool to_international, report, scheduled;
    int64_t validity;
    uint8_t esm_class, data_coding, protocol_id, priority, registered, default_message;
    char service_type[8], schedule[20], period[20];
    bool payload;
    size_t body_length, tlvs_length;
    uint8_t body[512], tlvs[512]; /* the first bytes */
    char ref[RECORD_ID];
    bool accepted; /* it was replied to with END_ACCEPTED */
};

struct stage {
    char folder[256];
    struct loop *loop;
    struct lane lane;
    struct gate gate;
    struct entrance entrance;
    struct workers *workers;
    int64_t time_ahead;
    /* sms_submit: replies at once, with this, or keeps it. */
    bool at_once;
    enum sms_end end;
    uint32_t status; /* the provider's, of END_REFUSED */
    struct staged staged[STAGE_HELD];
    size_t n_staged;
    unsigned refs;
    /* credentials_check. */
    bool hold_passwords;
    bool no_helper;
    /* What binds_deliver's answers were. */
    unsigned taken, later;
};
extern struct stage stage;

struct client {
    int fd; /* -1: closed */
    struct strbuf in;
    size_t at; /* of in, not yet looked at */
    bool ended;
    bool deaf;
    struct ticket ticket;
    struct smpp_session *session; /* as of the last turn; NULL once it has ended */
};

void stage_make(void);
void stage_free(void);
/* Between two runs in one stage. All sessions must be gone. */
void stage_reset(void);

/* The configuration is loaded again with the first from in it replaced by to, and the lane has it.
 */
void stage_reload(const char *from, const char *to);

void client_connect(struct client *client, const char *listener, const char *peer);
void client_send(struct client *client, const void *bytes, size_t length);
/* Everything that is ready happens; what came is read. */
void stage_turn(struct client *client);
void client_close(struct client *client);
void client_free(struct client *client);
/* The next PDU that came; NULL: none is there. header_out is filled. */
const uint8_t *client_next(struct client *client, struct smpp_header *header_out);

/* Seconds go by, a timer at a time. */
void stage_advance(struct client *client, int64_t microseconds);
/* Replies to the i-th message that was submitted. */
void stage_reply(size_t i, enum sms_end end, uint32_t provider_status);
/* Those of passwords that were held; true: there was one. */
bool stage_release_passwords(void);
/* What waits for passwords gets its answer. */
void stage_settle_passwords(struct client *client);
/* A report, or a person's message of length bytes, for the account. */
void stage_deliver(const char *account, enum sms_inbound_kind kind, size_t length);

#endif
