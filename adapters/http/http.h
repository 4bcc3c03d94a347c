/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The adapter for SMS providers that are spoken to by HTTP: what its files share. One CURLM a port
 * (a provider on one loop), whose sockets and timer are events of the loop; no threads but the
 * provider's helpers, which look names up, because libcurl's own look-ups could stop a loop when
 * they are given up.
 *
 *   start.c     the template and the URL, understood once
 *   adapter.c   the queue of a port, and a message from there to its answer
 *   client.c    libcurl on the loop
 *   lookup.c    the provider's addresses
 *   places.c    `connections`, over all loops
 *   trial.c     the test of a provider
 *   hook.c      what the provider sends to us; verify.c: whether it was the provider
 */
#ifndef OCTROI_ADAPTERS_HTTP_HTTP_H
#define OCTROI_ADAPTERS_HTTP_HTTP_H

#include "adapters/http/request.h"
#include "adapters/internal.h"

#include <event2/event.h>
#include <stdatomic.h>
#include <sys/queue.h>

/* Messages of one port that wait for a connection: a second of the fastest provider. */
#define HTTP_QUEUE_MAX 10000

/* What all ports share: immutable but for `places` and `refused`. */
struct http_own {
    struct http_template template;
    bool https;
    bool numeric; /* host is an address: nothing to look up */
    char *host;   /* owned; of the template's request, an IPv6 address without its brackets */
    char *port;   /* owned */
    unsigned places_free;           /* under the provider's lock */
    unsigned next_port;             /* under the provider's lock: who is looked at first */
    _Atomic int64_t refused_minute; /* of clock_monotonic: when a refused webhook was logged last */
    _Atomic unsigned refused_hidden; /* … that were not, since then */
};

struct http_watch;
struct http_lookup;
struct http_transfer;
struct http_trial;

struct http_port {
    struct provider_port base; /* must stay first */
    /* client.c; made when the first transfer begins. Owned. */
    CURLM *multi;
    struct event *timer;
    int64_t due; /* clock_monotonic: when libcurl wants to be called; -1: not */
    struct http_watch *watches;
    CURL *spare; /* handles that wait for a transfer, each private to the next */
    TAILQ_HEAD(http_running, http_transfer) running;
    bool abandoned; /* as sms_abandon says: nothing is begun any more */
    /* adapter.c */
    struct http_transfer *first; /* waiting, in the order they came */
    struct http_transfer *last;
    unsigned waiting;
    struct event *expiry; /* owned; when the first has waited long enough */
    struct loop_task pump;
    bool pumping; /* pump is deferred, and has not run */
    /* places.c; under the provider's lock, but for the task itself */
    struct loop_task wake;
    bool wake_posted;
    bool wants;
    unsigned granted;
    /* lookup.c */
    struct http_lookup *lookup;   /* under way; NULL: none */
    struct curl_slist *addresses; /* owned; for CURLOPT_RESOLVE; NULL: not known */
    int64_t looked_up_at;         /* clock_monotonic */
    struct http_trial *trials;    /* that wait for it */
};

enum http_state {
    HTTP_WAITING, /* for an address or a place */
    HTTP_RUNNING, /* libcurl has it */
    HTTP_ENDED,
    HTTP_STATE_COUNT
};

/* How a transfer ended. */
struct http_end {
    bool ok;        /* libcurl is content: with connect_only, that the connection stands */
    bool connected; /* a request was about to be sent, if not more */
    bool insecure;  /* the handshake of TLS failed */
    bool complete;  /* the whole answer came */
    bool stopped;   /* by http_client_stop_all: it says nothing of the provider */
    long status;    /* 0: none came */
    char why[400];  /* when it is not complete */
};

/* One exchange with the provider. */
struct http_transfer {
    struct http_transfer *next;         /* waiting */
    TAILQ_ENTRY(http_transfer) running; /* running */
    struct http_port *port;             /* borrowed */
    enum http_state state;
    /* Once, when it has run: may free the transfer. */
    void (*done)(struct http_transfer *transfer, const struct http_end *end);
    /* client.c */
    CURL *easy; /* owned */
    struct http_built built;
    struct curl_slist *addresses; /* owned: its own copy of the port's */
    bool trial; /* on a connection of its own, which is looked at closely and then closed */
    bool connect_only;
    unsigned begun; /* how often a request was about to be sent */
    bool too_big;
    struct strbuf body;
    char said[CURL_ERROR_SIZE]; /* by libcurl, when it failed */
    /* adapter.c */
    struct sms_job *job;      /* owned; NULL: a trial */
    int64_t until;            /* clock_monotonic: when it has waited long enough */
    bool probe;               /* as provider_admit said */
    struct http_facts *facts; /* owned */
};

static inline struct http_own *http_own(const struct http_port *port)
{
    return port->base.provider->own;
}
static inline const struct provider_config *http_config(const struct http_port *port)
{
    return port->base.provider->config;
}

/* ---- client.c ---- */

/* The transfer's `built` goes out; done comes later. On failure nothing was begun. */
enum result http_client_begin(struct http_transfer *transfer, struct error *err);
/* Once, before a process uses libcurl. */
enum result http_client_prepare(struct error *err);
/* Every transfer that runs is taken from libcurl, and done with why. Not from within done. */
void http_client_stop_all(struct http_port *port, const char *why);
/* No transfer runs any more. */
void http_client_close(struct http_port *port);
/* All that client.c gave it. */
void http_client_release(struct http_transfer *transfer);

/* ---- places.c ---- */

/* False: there is none now; http_pump is called on the port's loop once there is. */
bool http_place_take(struct http_port *port);
void http_place_give(struct http_port *port);
/* Nothing waits on this port any more. */
void http_place_forget(struct http_port *port);
void http_place_woken(struct loop_task *task);

/* ---- lookup.c ---- */

enum http_known { HTTP_KNOWN, HTTP_LOOKING, HTTP_LOST };
/* HTTP_LOOKING: http_looked_up is called later, once. HTTP_LOST: err says why. */
enum http_known http_look_up(struct http_port *port, struct error *err);
/* The address did not do: the next transfer looks anew. */
void http_lookup_doubt(struct http_port *port);
/* The one under way is not waited for any more. */
void http_lookup_give_up(struct http_port *port);
void http_lookup_close(struct http_port *port);
/* "192.0.2.1, 192.0.2.2", for people. */
void http_lookup_tell(const struct http_port *port, struct strbuf *out);
/* adapter.c; why: NULL when addresses are known now. */
void http_looked_up(struct http_port *port, const struct error *why);

/* ---- adapter.c ---- */

void http_pump(struct http_port *port);
void http_set_state(struct http_transfer *transfer, enum http_state to);

/* ---- start.c ---- */

enum result http_start(struct provider *provider, struct error *err);
void http_stop(struct provider *provider);
/* As provider_check says. */
enum result http_check(const struct provider_config *config, const char *public_url,
                       config_problem_fn *on_problem, void *arg, struct error *err);

/* ---- trial.c ---- */

void http_trial_begin(struct provider_port *port, provider_finding_fn *report, void *arg);
void http_trial_looked_up(struct http_port *port, const struct error *why);

/* ---- hook.c, verify.c ---- */

void http_hook(struct provider_port *port, const struct sms_hook *hook, sms_hooked_fn *answer,
               void *owner, struct ticket ticket);
/* params: the fields of query and body; NULL: they cannot be read. False: it does not come from the
 * provider, or nothing is configured that could tell; why says which, for the log. */
bool http_verify(const struct http_template *template, const struct sms_hook *hook, json_t *params,
                 int64_t now, const char **why_out);

#endif
