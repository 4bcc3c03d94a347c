/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which partners can be told something right now: binds that receive, by account. Shared by all
 * lanes. A delivery goes to the loop the bind lives on, through its mailbox, and its answer comes
 * back the same way.
 */
#ifndef OCTROI_PROXY_SMS_BINDS_H
#define OCTROI_PROXY_SMS_BINDS_H

#include "adapters/sms.h"

struct binds;
struct bind_place; /* one bind's, while it is there */

/* What a partner is to be told: a delivery report or a person's message. */
struct sms_delivery {
    enum sms_inbound_kind kind; /* MESSAGE or REPORT */
    char from[21];              /* E.164 without "+": who wrote, or who the message was for */
    char to[21];                /* the partner's sender id */
    uint8_t to_ton, to_npi;
    struct receipt receipt; /* REPORT: the id in it is ours */
    /* MESSAGE: as SMPP had it, or to be encoded from text. */
    uint8_t esm_class, protocol_id, data_coding;
    size_t length;
    uint8_t *body; /* owned by the delivery; with its user data header */
    size_t tlvs_length;
    uint8_t *tlvs; /* owned */
};

/* Frees what what owns, not what itself. */
void sms_delivery_end(struct sms_delivery *what);

struct binds *binds_new(void);
/* How long a session may take for its answer, microseconds; 60 s unless said otherwise. Before
 * anybody enters. */
void binds_set_patience(struct binds *binds, int64_t patience);
/* When the loops' threads have ended and while all who delivered still stand: what is open is
 * answered, on this thread, and from now on everything is SMS_TAKE_LATER at once. */
void binds_shut(struct binds *binds);
/* When the loops are gone and every place was left. */
void binds_free(struct binds **binds);

/* On loop's thread: says that a session takes deliveries for account. take is called on that thread
 * with the delivery borrowed; the session answers by binds_answer, once, unless it leaves before.
 * NULL: no memory. account is copied. */
struct delivery;
typedef void binds_take_fn(void *session, struct delivery *delivery,
                           const struct sms_delivery *what);
struct bind_place *binds_enter(struct binds *binds, struct loop *loop, const char *account,
                               binds_take_fn *take, void *session);
/* On the session's thread. Deliveries it has not answered are answered SMS_TAKE_LATER. */
void binds_leave(struct bind_place **place);
void binds_answer(struct delivery *delivery, enum sms_taken taken);
/* How many binds an account has. Any thread. */
unsigned binds_count(struct binds *binds, const char *account);

/* Any lane's thread: hands what to one of the account's binds, in turn. What *what owns is taken
 * over in any case, and *what left empty: it may stand on the stack. taken is called once on loop's
 * thread, perhaps before this returns: SMS_TAKE_LATER when none is bound, or it did not answer
 * within its time. */
void binds_deliver(struct binds *binds, const char *account, struct sms_delivery *what,
                   struct loop *loop, sms_taken_fn *taken, void *owner, struct ticket ticket);

#endif
