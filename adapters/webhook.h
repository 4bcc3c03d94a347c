/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests by HTTP to an address of the configuration, for a thread of its own (proxy/notices).
 * Part of the interface of adapter.h: libcurl is nobody's business beyond it. Nothing is tried
 * twice here, and redirects are not followed.
 */
#ifndef OCTROI_ADAPTERS_WEBHOOK_H
#define OCTROI_ADAPTERS_WEBHOOK_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed during webhooks_post. */
struct webhook_call {
    const char *url;
    const char *ca_file;        /* NULL: the system's */
    const char *const *headers; /* "Name: value", ended by NULL */
    const char *body;           /* JSON */
};

/* Borrowed during the call. */
struct webhook_answer {
    int status;          /* of HTTP; 0: there was none */
    int64_t retry_after; /* microseconds, of a header in seconds; 0: it was not given */
    const char *why;     /* without status: in words, one line; never what the other side wrote */
};
typedef void webhook_answer_fn(void *owner, const struct webhook_answer *answer);

/* All of it belongs to the thread that made it, webhooks_wake apart. */
struct webhooks;

enum result webhooks_new(struct webhooks **webhooks_out, struct error *err);
/* What is open is answered with "the gateway ends". */
void webhooks_free(struct webhooks **webhooks);
/* A POST, to be answered within 20 s by webhooks_wait. False: no memory; it is not answered. */
bool webhooks_post(struct webhooks *webhooks, const struct webhook_call *call,
                   webhook_answer_fn *answer, void *owner);
/* Waits until something comes, at most so long, and gives the answers that came. */
void webhooks_wait(struct webhooks *webhooks, int milliseconds);
/* Any thread: the wait ends. */
void webhooks_wake(struct webhooks *webhooks);

#endif
