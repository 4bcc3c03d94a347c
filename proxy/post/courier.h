/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes one mail to a provider, on that loop: one recipient, one attempt, one answer. It judges
 * nothing: these mails are the gate's own.
 */
#ifndef OCTROI_PROXY_POST_COURIER_H
#define OCTROI_PROXY_POST_COURIER_H

#include "adapters/adapter.h"
#include "proxy/post/outbox.h"

struct courier;

/* accepted: the provider took it. Else why says what was answered, or what failed; it may have been
 * taken all the same when the answer was lost. On the loop's thread. */
typedef void courier_done_fn(void *arg, bool accepted, const char *why);

/* Any thread. Copies mail, takes a reference to provider. NULL: no memory, and done is not called.
 * Else it is called once, and the courier frees itself, unless courier_end comes first. */
struct courier *courier_send(struct provider *provider, struct loop *loop,
                             const struct outbox_mail *mail, courier_done_fn *done, void *arg);
/* One that is not done yet, when its loop's thread has ended and the loop is quiet: nothing is
 * told.
 */
void courier_end(struct courier **courier);

#endif
