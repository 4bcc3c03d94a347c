/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal vouches for the registry: soon after the registry's chain of events grew, by whoever,
 * the number and hash of its last event go into the journal (docs/REGISTRY.md). The main thread's.
 */
#ifndef OCTROI_PROXY_ANCHOR_H
#define OCTROI_PROXY_ANCHOR_H

#include "base/loop.h"
#include "store/journal.h"

struct anchor;

/* The registry must be there and of this program's layout. journal and home are borrowed, and
 * outlive it. */
enum result anchor_new(const char *registry_path, const char *gateway, struct journal *journal,
                       struct loop *home, struct anchor **anchor_out, struct error *err);
/* To be called now and then; looks at most every ten seconds. */
void anchor_tick(struct anchor *anchor);
/* Looks now: before the journal is closed. */
void anchor_now(struct anchor *anchor);
void anchor_free(struct anchor **anchor);

#endif
