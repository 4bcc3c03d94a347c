/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partners learn of withdrawals: one thread with its own connections looks for new notices in the
 * registry's outbox, whichever process wrote them, finds out whom they concern, and has the courier
 * deliver them.
 */
#ifndef OCTROI_PROXY_NOTICES_NOTICES_H
#define OCTROI_PROXY_NOTICES_NOTICES_H

#include "config/config.h"
#include "store/journal.h"
#include "store/notices.h"

struct notices;

struct notices_options {
    const char *registry_path, *index_path, *journal_path;
    struct journal *journal; /* borrowed; outlives the thread */
    const struct seal *seal; /* borrowed, likewise; NULL: there is no key */
    struct config *config;   /* a reference is taken */
    unsigned loop_index;     /* of a loop of its own */
};
enum result notices_start(const struct notices_options *options, struct notices **notices_out,
                          struct error *err);
/* Any thread: from now on as this configuration says. */
void notices_follow(struct notices *notices, struct config *config);
/* Waits a moment for what is on its way, then ends the thread; what was not answered by then is
 * tried again at the next start. Before the journal closes. */
void notices_stop(struct notices **notices);

/* As of some seconds ago. */
void notices_counts(struct notices *notices, struct delivery_counts *counts_out);

#endif
