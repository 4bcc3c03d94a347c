/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the adapters share behind adapter.h: the provider, its ports (one a loop), and the table of
 * functions an adapter fills in. Nothing here is for the proxy.
 */
#ifndef OCTROI_ADAPTERS_INTERNAL_H
#define OCTROI_ADAPTERS_INTERNAL_H

#include "adapters/adapter.h"
#include "adapters/breaker.h"
#include "adapters/sms.h"
#include "base/workers.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

/* A provider as one loop sees it; only that loop touches it, but for fields marked otherwise. */
struct provider_port {
    struct provider *provider; /* borrowed: outlives its ports */
    struct loop *loop;         /* borrowed */
    struct loop_task close;
    struct loop_task abandon; /* posted once; its own reference keeps the provider */
};

struct sms_job;

/* Of an adapter for mail begin … abort are set, of one for SMS send; `capture` has both. */
struct adapter_ops {
    unsigned max_recipients;
    /* The helpers' jobs touch what the provider owns, and end soon: they are waited for before it
     * is freed. Else they are left to themselves, for a name lookup may hang for minutes. */
    bool helpers_touch_it;
    /* Once, in provider_new: what all ports share. What it made, provider.c frees. */
    enum result (*start)(struct provider *provider, struct error *err);
    /* When the last port is gone, also after a start that failed: frees `own`. NULL: it has none */
    void (*stop)(struct provider *provider);
    /* As provider_check says. NULL: the configuration knows all there is. */
    enum result (*check)(const struct provider_config *config, const char *public_url,
                         config_problem_fn *on_problem, void *arg, struct error *err);
    /* NULL when memory is short. provider and loop are set by the caller. */
    struct provider_port *(*port_new)(void);
    /* On the port's loop, when no transaction is left: closes and frees the port, at once or later,
     * and then calls provider_port_gone. */
    void (*port_close)(struct provider_port *port);
    void (*warm)(struct provider_port *port);
    /* As provider_test says. NULL: a provider with a host is tested by smtp_ops (provider.c). */
    void (*test)(struct provider_port *port, provider_finding_fn *report, void *arg);

    /* The caller fills the common head once begin has returned, so begin calls nothing back. */
    struct mail_transaction *(*begin)(struct provider_port *port,
                                      const struct mail_envelope *envelope, struct error *err);
    void (*recipient)(struct mail_transaction *transaction, unsigned index,
                      const struct mail_rcpt *rcpt);
    void (*content)(struct mail_transaction *transaction, struct evbuffer *from);
    size_t (*pending)(const struct mail_transaction *transaction);
    void (*finish)(struct mail_transaction *transaction);
    void (*abort)(struct mail_transaction *transaction);

    /* As sms_send says. The caller has taken a reference to the provider for it, which
     * sms_job_answer gives back. */
    void (*send)(struct provider_port *port, struct sms_job *job);
    /* As sms_abandon says, for one port, on its loop, perhaps more than once: every job that lives
     * here, whatever its home, is answered, and the port begins nothing any more. Set where send
     * is.
     */
    void (*abandon)(struct provider_port *port);
    /* NULL: the adapter has no webhooks. */
    void (*hook)(struct provider_port *port, const struct sms_hook *hook, sms_hooked_fn *answer,
                 void *owner, struct ticket ticket);
};

/* A message on its way to a provider: a copy of what sms_send was given, in one piece of memory. */
struct sms_job {
    struct loop_task task;      /* the adapter's, to change loops or to come round */
    struct sms_job *next;       /* the adapter's lists */
    struct provider *provider;  /* owned: one reference */
    struct loop *home;          /* borrowed: where the answer is due */
    int64_t given_at;           /* monotonic */
    struct sms_message message; /* what it points at is in the job */
    struct sms_raw raw;
    sms_answer_fn *answer;
    void *owner;
    struct ticket ticket;
};
/* NULL when memory is short. */
struct sms_job *sms_job_new(struct provider *provider, struct loop *home,
                            const struct sms_message *message);
/* On home's thread: gives the answer, counts it (provider_count), frees the job. */
void sms_job_answer(struct sms_job **job, const struct sms_answer *answer);
/* The same from the thread of another loop: the strings of answer are copied. */
void sms_job_answer_from(struct sms_job **job, const struct sms_answer *answer);

extern const struct adapter_ops smtp_ops;
extern const struct adapter_ops esmtp_ops;
extern const struct adapter_ops capture_ops;
extern const struct adapter_ops smpp_ops;
extern const struct adapter_ops http_ops;

struct provider {
    const struct adapter_ops *ops;
    const struct provider_config *config; /* borrowed from owner */
    struct config *owner;                 /* owned: one reference */
    struct capability_file *file;         /* owned: one reference; NULL: not kept */
    atomic_uint refs;
    atomic_uint open_ports; /* those whose loop has still to close them */
    atomic_bool abandoned;  /* every port is told to abandon what it has, or will be */

    pthread_mutex_t lock;
    struct provider_state state; /* under lock */
    struct breaker breaker;      /* under lock */
    int64_t next_begin;          /* under lock: of provider_may_begin */
    unsigned next_port;          /* under lock: who is looked at first for a free connection */
    int64_t limit_grows_at;      /* under lock: when state.limit, lowered, is raised by one */
    int64_t limit_pause;         /* between two such raises */

    struct histogram answers;    /* any thread's */
    struct workers *helpers;     /* owned; smtp: name lookups, the capabilities file */
    SSL_CTX *tls;                /* owned; smtp: NULL when tls is none */
    const struct sms_sink *sink; /* borrowed; NULL: nothing is received */
    void *own;                   /* the adapter's, freed by its stop; esmtp: its worker threads */
    int64_t content_stall;       /* microseconds without progress on content before giving up */
    unsigned n_ports;
    struct provider_port *ports[]; /* each owned by its loop, indexed by loop_index */
};

/* The common head of every adapter's transaction. */
struct mail_transaction {
    const struct adapter_ops *ops;
    struct provider *provider; /* owned: one reference */
    const struct mail_handler *handler;
    void *session;       /* the session's */
    int64_t finished_at; /* monotonic; when mail_finish was called; 0: not yet */
};

/* One more or one less in the counts that provider_state shows; last_error is set by failed (may
 * be NULL), cleared by an accepted message. */
void provider_count(struct provider *provider, enum outcome outcome);
/* It answered with this outcome what was whole, or given, at `since` (monotonic; 0: not yet, and
 * nothing is noted). */
void provider_note_answer(struct provider *provider, enum outcome outcome, int64_t since);
void provider_count_failed(struct provider *provider, const struct error *why);
void provider_attempt_failed(struct provider *provider, const struct error *why);

/* health.c: each attempt to connect is admitted first, and its end told. probe: as admit said.
 * gives_way: it risks a partner's message, so a due attempt is left to the background for a while.
 */
bool provider_admit(struct provider *provider, bool gives_way, bool *probe_out, struct error *why);
/* For adapters that connect only when a message is whole, and so have nothing to try in the
 * background: whether one may be begun. While an attempt is due, one a second: the first to be
 * whole will be the attempt, and a slow one holds up no others. */
bool provider_may_begin(struct provider *provider, struct error *why);
/* Any thread that knows the provider to be there. */
void provider_connected(struct provider *provider);
/* These two: whether it went out of service with this, so that the caller's loop has to try again
 * in the background, after provider_retry_in. */
bool provider_unconnected(struct provider *provider, bool probe, const struct error *why);
bool provider_unanswered(struct provider *provider, const struct error *why);
void provider_answered(struct provider *provider);
void provider_abandoned(struct provider *provider, bool probe);
/* Microseconds until the background may try again. */
int64_t provider_retry_in(struct provider *provider);
/* Not tried at the moment, and why. */
bool provider_is_out(struct provider *provider, struct error *why);
/* Out of service because it does not answer: connections that stand are no good either. */
bool provider_is_mute(struct provider *provider);
/* A connection is ready and offered this: kept, and written to the file when it changed. */
void provider_learned(struct provider *provider, struct loop *loop,
                      const struct capabilities *capabilities);
/* False when the helpers have no room. A job must be able to outlive the provider: it touches
 * nothing of it and has a discard; what its task would touch gives it up in time. */
bool provider_submit(struct provider *provider, struct worker_job *job);
/* After a port was closed and freed; the last one frees the provider. */
void provider_port_gone(struct provider *provider);

/* capabilities.c: the file state_dir/providers/NAME.json. endpoint: "host:port"; a file of another
 * endpoint counts as absent. Absent or damaged: *out is all zero, and err says why if damaged. */
enum result capabilities_load(const char *path, const char *endpoint, struct capabilities *out,
                              struct error *err);
enum result capabilities_save(const char *path, const char *endpoint,
                              const struct capabilities *capabilities, struct error *err);

/* The same file, and what it shall hold next, counted: whoever writes it may outlive the provider.
 * Takes path. NULL when memory is short. */
struct capability_file *capability_file_new(char *path, const char *endpoint);
struct capability_file *capability_file_ref(struct capability_file *file);
void capability_file_unref(struct capability_file **file);
/* Never waits. */
void capability_file_set(struct capability_file *file, const struct capabilities *capabilities);
/* Writes what was set last; logs a failure. Not on a loop. */
void capability_file_write(struct capability_file *file);

#endif
