/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the adapters share behind adapter.h: the provider, its ports (one a loop), and the table of
 * functions an adapter fills in. Nothing here is for the proxy.
 */
#ifndef OCTROI_ADAPTERS_INTERNAL_H
#define OCTROI_ADAPTERS_INTERNAL_H

#include "adapters/adapter.h"
#include "base/workers.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

/* The struct whose member a pointer points at. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* A provider as one loop sees it; only that loop touches it, but for fields marked otherwise. */
struct provider_port {
    struct provider *provider; /* borrowed: outlives its ports */
    struct loop *loop;         /* borrowed */
    struct loop_task close;
};

struct mail_ops {
    unsigned max_recipients;
    /* Once, in provider_new: what all ports share. What it made, provider.c frees. */
    enum result (*start)(struct provider *provider, struct error *err);
    /* NULL when memory is short. provider and loop are set by the caller. */
    struct provider_port *(*port_new)(void);
    /* On the port's loop, when no transaction is left: closes and frees the port, at once or later,
     * and then calls provider_port_gone. */
    void (*port_close)(struct provider_port *port);
    void (*warm)(struct provider_port *port);

    /* The caller fills the common head once begin has returned, so begin calls nothing back. */
    struct mail_transaction *(*begin)(struct provider_port *port,
                                      const struct mail_envelope *envelope, struct error *err);
    void (*recipient)(struct mail_transaction *transaction, unsigned index,
                      const struct mail_rcpt *rcpt);
    void (*content)(struct mail_transaction *transaction, struct evbuffer *from);
    size_t (*pending)(const struct mail_transaction *transaction);
    void (*finish)(struct mail_transaction *transaction);
    void (*abort)(struct mail_transaction *transaction);
};

extern const struct mail_ops smtp_ops;
extern const struct mail_ops capture_ops;

struct provider {
    const struct mail_ops *ops;
    const struct provider_config *config; /* borrowed from owner */
    struct config *owner;                 /* owned: one reference */
    char *capabilities_file;              /* owned; NULL: not kept */
    atomic_uint refs;
    atomic_uint open_ports; /* those whose loop has still to close them */
    atomic_bool closing;    /* the last reference is gone */

    pthread_mutex_t lock;
    struct provider_state state; /* under lock */
    unsigned next_port;          /* under lock: who is looked at first for a free connection */
    pthread_mutex_t save_lock;   /* held while the capabilities file is written */

    struct workers *helpers; /* owned, under lock; smtp: name lookups, the capabilities file */
    SSL_CTX *tls;            /* owned; smtp: NULL when tls is none */
    int64_t content_stall;   /* microseconds without progress on content before giving up */
    unsigned n_ports;
    struct provider_port *ports[]; /* each owned by its loop, indexed by loop_index */
};

/* The common head of every adapter's transaction. */
struct mail_transaction {
    const struct mail_ops *ops;
    struct provider *provider; /* owned: one reference */
    const struct mail_handler *handler;
    void *session; /* the session's */
};

/* One more or one less in the counts that provider_state shows; last_error is set by failed (may
 * be NULL), cleared by an accepted message. */
void provider_count(struct provider *provider, enum outcome outcome);
void provider_count_failed(struct provider *provider, const struct error *why);
void provider_attempt_failed(struct provider *provider, const struct error *why);
/* A connection is ready and offered this: kept, and written to the file when it changed. */
void provider_learned(struct provider *provider, struct loop *loop,
                      const struct capabilities *capabilities);
/* False when the helpers have no room, or the provider is closing. */
bool provider_submit(struct provider *provider, struct worker_job *job);
/* After a port was closed and freed; the last one frees the provider. */
void provider_port_gone(struct provider *provider);

/* capabilities.c: the file state_dir/providers/NAME.json. endpoint: "host:port"; a file of another
 * endpoint counts as absent. Absent or damaged: *out is all zero, and err says why if damaged. */
enum result capabilities_load(const char *path, const char *endpoint, struct capabilities *out,
                              struct error *err);
enum result capabilities_save(const char *path, const char *endpoint,
                              const struct capabilities *capabilities, struct error *err);

#endif
