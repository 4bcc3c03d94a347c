/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The buffer helper, for adapters that can only submit a whole message. It plays the transaction
 * of adapter.h towards the session: it answers recipients itself, as many as the adapter can
 * answer for as one, collects the content with backpressure, and when the content is complete
 * gives the letter to the adapter, whose one answer becomes the final one.
 *
 * It refuses to guess: its 250 to a recipient says no more than that the message will be tried, so
 * an adapter whose provider may take one recipient and refuse another sets max_recipients to 1.
 */
#ifndef OCTROI_ADAPTERS_BUFFER_H
#define OCTROI_ADAPTERS_BUFFER_H

#include "adapters/internal.h"
#include "adapters/letter.h"
#include "adapters/smtp/reply.h"

/* What became of a letter. */
struct submission_result {
    /* OUTCOME_NONE: it failed before anything could be accepted; why says how. */
    enum outcome outcome;
    bool nothing_said;       /* failed: the provider heard nothing of this letter */
    struct mail_reply reply; /* of all others */
    char queue_id[QUEUE_ID_MAX];
    struct error why; /* failed, and refused by ourselves (code is not RESULT_OK then) */
};

/* On the loop that submitted, never before submit has returned. */
typedef void submission_done_fn(void *arg, const struct submission_result *result);

struct submission; /* the adapter's */

struct buffer_ops {
    unsigned max_recipients;
    /* Whether a message may be begun now; otherwise err says why, and another provider is tried. */
    bool (*ready)(struct provider_port *port, struct error *err);
    /* Takes the letter, also on failure (NULL). done is called once, unless cancelled before. */
    struct submission *(*submit)(struct provider_port *port, struct letter *letter,
                                 submission_done_fn *done, void *arg, struct error *err);
    /* Nobody waits any more; what has not reached the provider never shall. */
    void (*cancel)(struct submission **submission);
};

/* The functions of a struct adapter_ops but begin, which calls this. */
struct mail_transaction *buffer_begin(struct provider_port *port,
                                      const struct mail_envelope *envelope,
                                      const struct buffer_ops *ops, struct error *err);
void buffer_recipient(struct mail_transaction *transaction, unsigned index,
                      const struct mail_rcpt *rcpt);
void buffer_content(struct mail_transaction *transaction, struct evbuffer *from);
size_t buffer_pending(const struct mail_transaction *transaction);
void buffer_finish(struct mail_transaction *transaction);
void buffer_abort(struct mail_transaction *transaction);

/* A port without anything of its own. */
struct provider_port *buffer_port_new(void);
void buffer_port_close(struct provider_port *port);

#endif
