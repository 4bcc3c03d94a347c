/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The courier takes deliveries from the outbox to partners and writes down what became of them. It
 * has no thread, no clock and no network of its own: who owns it calls courier_turn again and
 * again, and it posts and records by what it was given. An attempt is on its way until what came of
 * it is in the registry: at least once, and of each person in order.
 */
#ifndef OCTROI_PROXY_NOTICES_COURIER_H
#define OCTROI_PROXY_NOTICES_COURIER_H

#include "adapters/webhook.h"
#include "config/config.h"
#include "store/journal.h"
#include "store/notices.h"

struct courier_ops {
    void *arg;
    /* As webhooks_post. */
    bool (*post)(void *arg, const struct webhook_call *call, webhook_answer_fn *answer,
                 void *owner);
    /* Takes the batch; courier_recorded says what came of it, also before this returns. */
    void (*record)(void *arg, struct journal_batch *batch);
};

struct courier;

/* gateway and what ops->arg is are borrowed; so is seal, which may be NULL. NULL: no memory. */
struct courier *courier_new(const struct courier_ops *ops, const char *gateway,
                            const struct seal *seal);
/* What is on its way must have been answered. */
void courier_free(struct courier **courier);
/* Notes what came back, and begins what is due. */
enum result courier_turn(struct courier *courier, struct registry *registry,
                         const struct config *config, int64_t now, struct error *err);
/* Only notes what came back. */
enum result courier_finish(struct courier *courier, struct registry *registry, int64_t now,
                           struct error *err);
void courier_recorded(struct courier *courier, enum result result);
/* Attempts that are not in the registry yet. */
unsigned courier_open(const struct courier *courier);

/* How long until the next attempt, after so many: 5 s, 1 min, 5 min, 30 min, 2 h, 6 h, then 12 h.
 */
int64_t courier_pause(unsigned attempts);
#define COURIER_GIVES_UP_AFTER (30 * CLOCK_DAY)

#endif
