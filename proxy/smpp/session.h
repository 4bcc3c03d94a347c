/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One partner's SMPP connection: what the files of this folder share. What is on the other end is
 * in the words of SMPP an ESME, hence the prefix; smpp_ is the codec's. Read them in the order of a
 * session's life: server.c (connection, states), timers.c (deadlines), input.c (PDUs), bind.c (who
 * it is), submit.c and multi.c (what it sends), deliver.c (what it is told).
 */
#ifndef OCTROI_PROXY_SMPP_SESSION_H
#define OCTROI_PROXY_SMPP_SESSION_H

#include "proxy/net/connection.h"
#include "proxy/smpp/server.h"
#include "proxy/sms/binds.h"
#include "proxy/sms/sms.h"
#include "store/record.h"
#include "wire/smpp.h"

enum esme_state {
    ESME_HANDSHAKE,  /* TLS is being set up */
    ESME_OPEN,       /* waits for a bind */
    ESME_AUTH_CHECK, /* the helpers hash a password */
    ESME_PENALTY,    /* a bind is answered late */
    ESME_BOUND_TX,   /* it submits */
    ESME_BOUND_RX,   /* it takes deliveries */
    ESME_BOUND_TRX,  /* both */
    ESME_UNBINDING,  /* one side has said unbind: nothing begins any more */
    ESME_CLOSING,    /* the last PDU is on its way out */
    ESME_STATE_COUNT
};

#define ESME_BIT(state) (1u << (state))
#define ESME_SENDS      (ESME_BIT(ESME_BOUND_TX) | ESME_BIT(ESME_BOUND_TRX))
#define ESME_RECEIVES   (ESME_BIT(ESME_BOUND_RX) | ESME_BIT(ESME_BOUND_TRX))
#define ESME_BOUND      (ESME_SENDS | ESME_RECEIVES)

#define ESME_NEVER DEADLINE_NEVER
/* Bytes the peer does not read: nothing more is taken from it, and nothing delivered. */
#define ESME_OUTPUT_HIGH (256 * 1024)
/* Deliveries of one session that wait for their deliver_sm_resp. */
#define ESME_DELIVERED_MAX 100

/* One number a submission goes to; what a reply's ticket names by its item. */
struct esme_flight {
    uint32_t command; /* what it came as; 0: the slot is free */
    uint32_t sequence;
    uint32_t next_free;
    uint32_t destination;     /* of multi */
    struct esme_multi *multi; /* borrowed; NULL: submit_sm or data_sm */
};

struct esme_delivered {
    uint32_t sequence;
    int64_t deadline; /* monotonic */
    struct delivery *delivery;
};

struct smpp_session {
    struct loop_task end_task;              /* first: frees the session */
    struct lane *lane;                      /* borrowed */
    struct snapshot *snapshot;              /* owned reference; esme_adopt may change it */
    const struct listener_config *listener; /* of the snapshot */
    struct connection *connection;          /* owned; its deadline is the next of these */
    const char *id;                         /* the connection's */
    const char *peer;                       /* the connection's: its address as text */
    /* Deadlines, monotonic; ESME_NEVER: none. */
    int64_t state_deadline;   /* when the state must have been left */
    int64_t login_deadline;   /* while there is no account */
    int64_t partial_deadline; /* the PDU that has begun must be whole */
    int64_t stalled_deadline; /* the output must have been read */
    int64_t enquire_deadline; /* something must have come since our enquire_link */
    int64_t heard_at;         /* when anything came last */
    int64_t busy_at;          /* … anything but enquire_link and what answers it */
    uint32_t sequence;        /* of the last request of ours */
    uint32_t unbind_sequence; /* of the peer's unbind, or of ours */
    struct ticket ticket;
    enum esme_state state;
    bool ended;         /* the connection is over; what is in flight keeps the rest */
    bool released;      /* nothing is in flight any more: marked for the loop's end */
    bool processing;    /* guards against re-entry of the input loop */
    bool input_again;   /* something changed while processing */
    bool unbind_theirs; /* while UNBINDING: whose unbind it is */
    bool tlvs;          /* it speaks 3.4 or later: optional parameters mean something to it */
    unsigned errors;    /* malformed PDUs since the last good submission */
    const char *close_why;
    /* It has no place in the configuration any more, and goes once nothing is under way: why;
     * constant. NULL: it stays. */
    const char *leaving;
    /* A bind that is being answered. */
    uint32_t bind_command;
    uint32_t bind_sequence;
    uint8_t bind_version;
    char bind_name[16];
    /* While in ESME_PENALTY: which answer. */
    enum { AUTH_WRONG, AUTH_RIGHT, AUTH_BUSY, AUTH_HELD } auth_answer;
    unsigned auth_failures;
    int64_t auth_began; /* when the password came: its answer is told no sooner than … */
    int64_t auth_delay; /* … so much later */
    /* Who it is. */
    const struct account_config *account; /* of the snapshot; NULL until bound */
    /* What it submitted. */
    struct esme_flight *flights; /* owned */
    uint32_t n_slots;
    uint32_t first_free;
    unsigned open;             /* submissions unanswered; each is counted in the account's window */
    struct esme_multi *multis; /* owned; those unanswered */
    uint64_t submitted;        /* for the log */
    /* What it is told. */
    struct bind_place *place;         /* while it takes deliveries */
    struct esme_delivered *delivered; /* owned; ESME_DELIVERED_MAX, the oldest first */
    unsigned n_delivered;
};

/* ---- server.c ---- */

static inline bool esme_is(const struct smpp_session *session, unsigned states)
{
    return (ESME_BIT(session->state) & states) != 0;
}
void esme_enter(struct smpp_session *session, enum esme_state state);
const char *esme_state_name(enum esme_state state);
/* Puts a PDU into the output. False: no memory, the session has ended. */
bool esme_write(struct smpp_session *session, const void *pdu, size_t length);
/* The bare header of a response. command: the request's. */
void esme_answer(struct smpp_session *session, uint32_t command, uint32_t status,
                 uint32_t sequence);
uint32_t esme_next_sequence(struct smpp_session *session);
/* Sees to it that the output leaves; to be called by who wrote outside of esme_continue. */
void esme_flush(struct smpp_session *session);
/* Says unbind, and closes once that was answered, or five seconds later. why: for the log,
 * constant.
 */
void esme_unbind(struct smpp_session *session, const char *why);
/* What was waited for may have come: closes who has said unbind, who has closed its end, and who
 * has to go because the gate drains. */
void esme_settle(struct smpp_session *session);
/* The last PDU was given: flush it, then end. why: constant. */
void esme_close(struct smpp_session *session, const char *why);
/* Ends the connection now. Safe from any callback: the memory goes at the loop's end, and not
 * before what is in flight was replied to, so that nobody gets a fresh window by reconnecting. */
void esme_end(struct smpp_session *session, const char *why);
/* The session may have ended: see `ended`. NULL: it is gone altogether. */
struct smpp_session *esme_redeem(void *lane, struct ticket ticket);

/* ---- timers.c ---- */

void esme_arm(struct smpp_session *session);
/* Bytes came. */
void esme_heard(struct smpp_session *session, int64_t now);
/* The connection's deadline has passed. */
void esme_late(void *session);
/* The deadline of a state that is being entered. */
int64_t esme_patience(const struct smpp_session *session, enum esme_state state);

/* ---- input.c ---- */

/* Works on what was read, as far as that can be done now. */
void esme_continue(struct smpp_session *session);
/* Too much of the output is unread. */
bool esme_stalled(const struct smpp_session *session);
/* Answers a request that was not well-formed or not possible now; too many end the session. */
void esme_malformed(struct smpp_session *session, uint32_t command, uint32_t status,
                    uint32_t sequence);

/* ---- bind.c ---- */

/* Counts the session under its peer's address. False: over its cap, the session has ended. */
bool esme_admit_address(struct smpp_session *session);
/* The body may be overwritten: it held a password. */
void esme_bind(struct smpp_session *session, const struct smpp_header *header, uint8_t *body,
               size_t length);
void esme_penalty_over(struct smpp_session *session);
/* Between two messages: takes over the lane's configuration, if it is another one and has a place
 * for the session; else a session that is bound is `leaving`. False: it has none. */
bool esme_adopt(struct smpp_session *session);
/* The session ends: a password that is being looked at counts as wrong, for nobody waits to hear,
 * and an answer that is held back is held against who comes next. */
void esme_bind_abandoned(struct smpp_session *session);
/* Whether a bind is looked at and its answer comes soon. */
bool esme_bind_waits(const struct smpp_session *session);

/* ---- submit.c ---- */

/* submit_sm and data_sm. */
void esme_submit(struct smpp_session *session, const struct smpp_header *header,
                 const uint8_t *body, size_t length);
/* A submission as it goes to sms_submit. */
struct esme_content {
    struct sms_raw raw;
    uint8_t *tlvs; /* owned; NULL when raw.tlvs borrows from the message */
    int64_t validity;
};
/* SMPP_ROK, or what to answer with. message outlives the content. To be freed with
 * esme_content_free, also on failure. */
uint32_t esme_content_make(const struct smpp_session *session, const struct smpp_message *message,
                           struct esme_content *content_out);
void esme_content_free(struct esme_content *content);
/* One more submission, counted in the account's window, or the status to answer with. */
uint32_t esme_open(struct smpp_session *session);
/* The answer is written: it is out of the window. */
void esme_opened_over(struct smpp_session *session);
/* Hands one number to sms_submit. False: no memory, nothing was handed over. */
bool esme_fly(struct smpp_session *session, const struct esme_flight *flight,
              const struct smpp_message *message, const struct esme_content *content,
              const struct smpp_address *to);
uint32_t esme_status(const struct smpp_session *session, const struct sms_reply *reply);
/* Nothing more will be waited for: out of the window, whatever is in flight. */
void esme_forget_flights(struct smpp_session *session);
/* SMPP 3.4, 7.1.1: microseconds from now on; 0 for "". False: that is no time. */
bool esme_period(const char *text, int64_t now, int64_t *period_out);

/* ---- multi.c ---- */

void esme_multi(struct smpp_session *session, const struct smpp_header *header, const uint8_t *body,
                size_t length);
void esme_multi_reply(struct smpp_session *session, const struct esme_flight *flight,
                      const struct sms_reply *reply);
void esme_multi_free_all(struct smpp_session *session);

/* ---- deliver.c ---- */

/* From now on deliveries for the account may come. False: no memory. */
bool esme_receive(struct smpp_session *session);
/* No more; what was not answered is for somebody else. */
void esme_receive_no_more(struct smpp_session *session);
/* deliver_sm_resp, or generic_nack to it. */
void esme_delivered(struct smpp_session *session, uint32_t sequence, uint32_t status);
/* Gives up those whose time is over. */
void esme_deliveries_late(struct smpp_session *session, int64_t now);

#endif
