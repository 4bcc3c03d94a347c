/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What faces SMS providers. One message to one number goes out by sms_send and is answered once;
 * what comes back from the network (replies of people, delivery reports) goes to the sink. Part of
 * the interface of adapter.h, apart because an SMS has one step where a mail has many.
 *
 * The promise: OUTCOME_ACCEPTED means that the provider took the message, and what it took is the
 * number that was judged.
 */
#ifndef OCTROI_ADAPTERS_SMS_H
#define OCTROI_ADAPTERS_SMS_H

#include "adapters/adapter.h"
#include "base/ticket.h"
#include "wire/receipt.h"
#include "wire/sms_text.h"

/* ---- out ---- */

/* A message as SMPP has it, to be relayed as it came. */
struct sms_raw {
    uint8_t esm_class;
    uint8_t protocol_id;
    uint8_t priority;
    uint8_t registered; /* registered_delivery as the partner asked; the adapter follows `report` */
    uint8_t data_coding;
    uint8_t default_message;
    const char *service_type; /* "" when not given */
    const char *schedule;     /* "" or 16 characters */
    const char *validity;
    struct smpp_span body; /* with its user data header, if esm_class says so */
    bool payload;          /* it came, and goes, as message_payload */
    /* The partner's other TLVs, as they came, without message_payload. */
    struct smpp_span tlvs;
};

struct sms_message {
    const char *reference;     /* the decision's id, for providers that keep one */
    const char *sender;        /* sender id, as the stream has it */
    uint8_t sender_ton;        /* as the partner said it; of HTTP: what the sender id looks like */
    uint8_t sender_npi;        /* (sms_sender_kind) */
    const char *to;            /* what was judged: E.164 with its "+" */
    const char *text;          /* UTF-8; NULL: raw is set */
    const struct sms_raw *raw; /* NULL: text is set */
    bool prospecting;          /* force what the provider offers for prospecting */
    bool report;               /* a delivery report is wanted */
    int64_t validity;          /* microseconds the provider may try; 0: as it does by itself */
};

/* Bytes that a copy of what message points at takes, and that copy: in room (of so many bytes),
 * with message_out and, if it has one, raw_out pointing into it. */
size_t sms_message_room(const struct sms_message *message);
void sms_message_keep(const struct sms_message *message, char *room,
                      struct sms_message *message_out, struct sms_raw *raw_out);

/* Type of number of a sender id: alphanumeric; a short code of up to 6 digits; international. */
void sms_sender_kind(const char *sender, uint8_t *ton_out, uint8_t *npi_out);

enum sms_refusal {
    SMS_REFUSED_FOR_GOOD,  /* trying again would change nothing */
    SMS_REFUSED_FOR_NOW,   /* throttled, queue full: the partner may try again */
    SMS_REFUSED_OPTED_OUT, /* the provider knows that this person opted out */
    SMS_REFUSED_NUMBER,    /* the provider will not have this number */
};

/* Borrowed during the call. */
struct sms_answer {
    /* accepted, refused, unknown (it may have the message); OUTCOME_NONE: it was surely not taken,
     * nothing was said to the provider, so that another one may be tried. */
    enum outcome outcome;
    enum sms_refusal refusal; /* when refused */
    /* Refused by the adapter and for good, since this provider takes no message of that form:
     * nothing was said to it, and another one may carry it. */
    bool cannot_carry;
    const char *id;       /* accepted: the provider's id of the message (of its first part); "" */
    unsigned parts;       /* accepted: how many it took; 0: not known */
    uint32_t smpp_status; /* refused, by SMPP: its command_status; else 0 */
    const char *text;     /* what it said, or why it could not be asked; for the journal (scrubbed
                           * there). Never NULL */
};
typedef void sms_answer_fn(void *owner, struct ticket ticket, const struct sms_answer *answer);

/* On loop's thread. message and what it points at are copied. Answered exactly once on the same
 * thread, within the provider's deadlines, also when memory is short or the provider cannot carry
 * it; after this call has returned, but for one case: with no memory left even to do that, before
 * it does (OUTCOME_NONE). There is no taking it back. The provider is referenced
 * until the answer. */
void sms_send(struct provider *provider, struct loop *loop, const struct sms_message *message,
              sms_answer_fn *answer, void *owner, struct ticket ticket);

/* On loop's thread, when the gateway ends at once. Messages that live on this loop are answered
 * before it returns: those of which the provider may have seen a byte as unknown, the others as
 * OUTCOME_NONE. Messages may live on another loop than the one that sent them, so the other loops
 * are told, by their mailboxes, to do the same; answers for other loops are posted to them. From
 * then on the provider says nothing to anybody, and a message still sent to it is OUTCOME_NONE.
 * What remains for the caller is to turn all loops until they are quiet, before any is freed. May
 * be called again, from every loop. */
void sms_abandon(struct provider *provider, struct loop *loop);

/* ---- in ---- */

enum sms_inbound_kind {
    SMS_INBOUND_MESSAGE, /* a person wrote */
    SMS_INBOUND_REPORT,  /* what became of a message */
    SMS_INBOUND_OPT_OUT, /* the provider says that a person opted out: as a STOP, without a text */
};

/* Borrowed during the call. */
struct sms_inbound {
    enum sms_inbound_kind kind;
    const char *from; /* the person's number as the provider writes it, clear: never logged */
    const char *to;   /* sender id or short code it went to; "" when not said */
    /* A message: */
    const char *text;                  /* UTF-8; "" when binary */
    const struct smpp_message *as_was; /* as SMPP had it; NULL when it came by HTTP */
    const char *id;                    /* the provider's, for the log; "" */
    /* A report: */
    const struct receipt *receipt; /* the id in it is the provider's */
};

enum sms_taken {
    SMS_TAKEN,      /* acknowledge: it is durable, or its partner has it */
    SMS_TAKE_LATER, /* not now: the provider is to keep it and come again (SMPP 0x08, HTTP 503) */
};
typedef void sms_taken_fn(void *owner, struct ticket ticket, enum sms_taken taken);

/* Where what comes in goes. on_inbound is called on the loop where it arrived; it calls taken once,
 * on that loop, perhaps before it returns. */
struct sms_sink {
    void (*on_inbound)(void *gate, struct provider *provider, struct loop *loop,
                       const struct sms_inbound *inbound, sms_taken_fn *taken, void *owner,
                       struct ticket ticket);
    void *gate;
};
/* Once, right after provider_new and before its loops run anything of it. Without a sink nothing is
 * received: SMPP binds are transmitters. sink is borrowed and outlives the provider. */
void provider_set_sink(struct provider *provider, const struct sms_sink *sink);

/* ---- webhooks: what an HTTP provider sends to us ---- */

/* The path of a provider's webhooks is SMS_HOOK_PATH, the provider's name, "/", the hook's name. */
#define SMS_HOOK_PATH "/hooks/"

struct sms_hook {
    const char *name;   /* last segment of its path: "inbound" or "report" */
    const char *method; /* "POST" or "GET" */
    const char *url;    /* as the provider called it, from public_url: part of some signatures */
    const char *query;  /* undecoded, "" when none */
    const char *body;   /* length bytes, and a NUL */
    size_t length;
    const char *content_type; /* "" when none */
    /* The value of a header, NULL when there is none. */
    const char *(*header)(const void *request, const char *name);
    const void *request;
};
/* What an unverified caller is told, whatever there is or is not under the name it called. */
#define SMS_HOOK_NOT_VERIFIED "This call is not verified.\n"
/* What the provider is answered: 2xx once all in it was taken, 503 to come again, 401 for a wrong
 * signature and when this provider has no such hook, 400 for what cannot be read, 413 when there
 * was more than is read. */
typedef void sms_hooked_fn(void *owner, struct ticket ticket, int status, const char *content_type,
                           const char *body);
/* On loop's thread; answered once, perhaps before this returns. */
void sms_hooked(struct provider *provider, struct loop *loop, const struct sms_hook *hook,
                sms_hooked_fn *answer, void *owner, struct ticket ticket);

/* ---- to partners by HTTP (callbacks.c): who submits by HTTP has no bind to be told on ---- */

struct callbacks;

/* Starts a thread of its own for them. */
enum result callbacks_new(struct callbacks **callbacks_out, struct error *err);
/* Ends the thread; what is open is SMS_TAKE_LATER: its task is in its loop's mailbox by then. */
void callbacks_free(struct callbacks **callbacks);
/* Any loop's thread. Posts the JSON text body to url; both are copied. account is for the log, and
 * for its share: one whose address does not answer is not asked for a while, and takes no room from
 * others. taken is called once on loop's thread, perhaps before this returns: SMS_TAKEN when the
 * address answered 2xx within 20 s. Redirects are not followed. */
void callbacks_post(struct callbacks *callbacks, const char *account, const char *url,
                    const char *body, struct loop *loop, sms_taken_fn *taken, void *owner,
                    struct ticket ticket);

#endif
