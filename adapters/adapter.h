/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What faces providers. One interface for mail: begin, recipient, content, finish, abort, each
 * answered by callback. A session and its transactions live on one loop; after mail_abort, and
 * after on_finished or on_failed, no callback comes any more.
 *
 * The promise: a recipient is answered only with what the provider itself said of it, and
 * OUTCOME_ACCEPTED means that the provider took the message.
 */
#ifndef OCTROI_ADAPTERS_ADAPTER_H
#define OCTROI_ADAPTERS_ADAPTER_H

#include "base/error.h"
#include "base/histogram.h"
#include "base/loop.h"
#include "config/config.h"
#include "policy/model.h"

struct evbuffer;

/* An SMTP reply (RFC 5321, 4.2). text: the lines after their codes, joined by LF, enhanced status
 * included, printable characters only. */
#define REPLY_TEXT_MAX 1024
struct mail_reply {
    int code; /* 200 … 599 */
    char text[REPLY_TEXT_MAX];
};

struct mail_envelope {
    const char *sender; /* "" for the empty reverse path; grammar already checked */
    uint64_t size;      /* the SIZE the partner declared; 0: none */
    bool eight_bit;     /* BODY=8BITMIME */
    bool utf8;          /* SMTPUTF8 (RFC 6531): addresses or headers are not ASCII */
    const char *ret;    /* DSN (RFC 3461): "FULL" or "HDRS"; "" when not given */
    const char *envid;  /* DSN: xtext as the partner wrote it; "" when not given */
};

/* One recipient as the provider is to be told; grammar already checked. */
struct mail_rcpt {
    const char *address; /* as the partner wrote it */
    const char *notify;  /* DSN: "NEVER", or a list of SUCCESS, FAILURE, DELAY; "" when not given */
    const char *orcpt;   /* DSN: "type;xtext" as the partner wrote it; "" when not given */
};

struct mail_handler {
    /* The provider's answer to one recipient: 2xx, or its refusal (of MAIL, too). */
    void (*on_recipient)(void *session, unsigned index, const struct mail_reply *reply);
    /* The provider refused DATA (or, 4xx and 5xx only, the content half-way): what content is still
     * given is thrown away. If mail_finish was called or is called later, on_finished (refused)
     * follows with the same reply. */
    void (*on_content_refused)(void *session, const struct mail_reply *reply);
    /* mail_pending fell below MAIL_PENDING_LOW after it was above MAIL_PENDING_HIGH. */
    void (*on_drained)(void *session);
    /* After mail_finish: the end. accepted: with the provider's final reply and queue id (NULL
     * when it named none). refused: with its reply. unknown: the answer was lost; reply->text says
     * how. */
    void (*on_finished)(void *session, enum outcome outcome, const struct mail_reply *reply,
                        const char *queue_id);
    /* Before the final dot went out (mail_finish may have been called while DATA was not answered
     * yet): the transaction is dead and nothing was accepted. nothing_said: the
     * provider was not told anything of this transaction, so another one may be tried. */
    void (*on_failed)(void *session, bool nothing_said, const struct error *why);
};

#define MAIL_PENDING_HIGH (64 * 1024)
#define MAIL_PENDING_LOW  (16 * 1024)

/* ---- providers: one a configured provider, counted, shared by all loops ---- */

struct provider;

/* What the provider's last EHLO offered. */
#define CAPABILITY_KNOWN      0x01u
#define CAPABILITY_8BITMIME   0x02u
#define CAPABILITY_PIPELINING 0x04u
#define CAPABILITY_SIZE       0x08u
#define CAPABILITY_STARTTLS   0x10u
#define CAPABILITY_DSN        0x20u
#define CAPABILITY_SMTPUTF8   0x40u

struct capabilities {
    unsigned bits;
    uint64_t max_size; /* 0: not said */
};

/* Their names in EHLO, for files and for people; ends with an entry whose name is NULL. */
struct capability_name {
    unsigned bit;
    const char *name;
};
extern const struct capability_name capability_names[];

struct provider_state {
    unsigned connections; /* open now, over all loops */
    unsigned busy;
    uint64_t accepted, refused, unknown, failed; /* transactions, since the provider was made */
    struct capabilities capabilities;
    char last_error[200]; /* "" when the last attempt went well */

    unsigned limit;           /* of connections: as configured, or fewer when it refused more */
    const char *breaker;      /* "closed", "open": not tried, "half-open": being tried */
    unsigned attempts_failed; /* in a row */
    int64_t retry_at;         /* instant of the next attempt while open; 0: none */
};

/* loops: those the provider will be used from (borrowed, they outlive it). state_dir: where the
 * capabilities last seen are kept over restarts. */
enum result provider_new(const struct provider_config *config, struct config *owner,
                         struct loop *const *loops, unsigned n_loops,
                         struct provider **provider_out, struct error *err);
/* For `check-config`: whether provider_new would take this, without making anything. What only the
 * adapter can find (in the template of an HTTP provider) is reported; on_problem may be NULL.
 * RESULT_BAD_INPUT when there were findings, else as provider_new. */
enum result provider_check(const struct provider_config *config, const char *public_url,
                           config_problem_fn *on_problem, void *arg, struct error *err);
/* Any thread. The last unref closes the connections, each on its own loop. */
struct provider *provider_ref(struct provider *provider);
void provider_unref(struct provider **provider);
const char *provider_name(const struct provider *provider);
const char *provider_digest(const struct provider *provider);
void provider_capabilities(const struct provider *provider, struct capabilities *out);
void provider_state(const struct provider *provider, struct provider_state *out);
/* How long it took to answer, since it was made: to the final dot of a mail, to an SMS. Answers
 * that were lost are not in it. */
void provider_answer_times(const struct provider *provider, struct histogram_reading *times_out);
/* How many recipients one transaction takes. */
unsigned provider_max_recipients(const struct provider *provider);
/* On loop's thread: opens a connection when none is warm, learns what it offers, keeps it warm.
 * One that fails is tried again in the background. */
void provider_warm(struct provider *provider, struct loop *loop);
/* What this provider was last seen to offer, from the file kept for it; all zero when nothing is
 * known. For commands, when no gateway runs. */
void provider_remembered(const struct provider_config *config, const char *state_dir,
                         struct capabilities *out);

/* ---- the test of a provider, for people ---- */

/* One step that ended, or the end of all: step is NULL, and ok says whether the provider works. */
struct provider_finding {
    const char *step; /* "resolve", "connect", "tls", "greeting", "ehlo", "auth", … */
    bool ok;
    int64_t took;       /* microseconds */
    const char *detail; /* what was found, or why it failed; never a secret */
};
typedef void provider_finding_fn(void *arg, const struct provider_finding *finding);

/* On loop's thread: connects anew, step by step, without a message, and reports each step. Nothing
 * is learned from it. No report comes before this call has returned; the last one always comes,
 * within the provider's deadlines. */
void provider_test(struct provider *provider, struct loop *loop, provider_finding_fn *report,
                   void *arg);
/* A provider for that test alone: it keeps no file. */
enum result provider_new_for_test(const struct provider_config *config, struct config *owner,
                                  struct loop *loop, struct provider **provider_out,
                                  struct error *err);

/* ---- transactions: all on the loop given ---- */

struct mail_transaction;

/* A transaction ends with on_finished, on_failed or mail_abort, and is freed when the loop comes
 * round: inside the callback it may still be named (mail_abort then does no more than clear the
 * pointer), afterwards not. It holds a reference to its provider. A process that uses it ignores
 * SIGPIPE. */

/* NULL (err says why) only when memory is short; every other failure comes by on_failed, never
 * before mail_begin has returned. envelope and its strings are copied. */
struct mail_transaction *mail_begin(struct provider *provider, struct loop *loop,
                                    const struct mail_envelope *envelope,
                                    const struct mail_handler *handler, void *session,
                                    struct error *err);
/* rcpt and its strings are copied. index: 0, 1, 2, … Answers come in that order, never before this
 * call has returned. */
void mail_recipient(struct mail_transaction *transaction, unsigned index,
                    const struct mail_rcpt *rcpt);
/* Content in wire form: CRLF lines, dot-stuffed, without the final dot; moved out of from. The
 * first call says DATA upstream, even when from is empty; call it only when every recipient has
 * been answered. */
void mail_content(struct mail_transaction *transaction, struct evbuffer *from);
/* Bytes taken by mail_content and not yet handed to the provider. */
size_t mail_pending(const struct mail_transaction *transaction);
/* The content is complete (it ended in CRLF). */
void mail_finish(struct mail_transaction *transaction);
/* Ends the transaction at any time, without the final dot; *transaction becomes NULL. The
 * connection is kept only if the provider can be left in a known state (RSET). */
void mail_abort(struct mail_transaction **transaction);

#endif
