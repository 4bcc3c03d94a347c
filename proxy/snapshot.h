/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration made ready to serve: its providers, its TLS contexts. Immutable and counted; a
 * session of SMTP keeps the snapshot it started with, one of SMPP goes over to the next between two
 * messages; a reload swaps in a new one.
 */
#ifndef OCTROI_PROXY_SNAPSHOT_H
#define OCTROI_PROXY_SNAPSHOT_H

#include "adapters/adapter.h"
#include "base/tls.h"
#include "config/config.h"

struct snapshot {
    struct config *config;       /* owned reference */
    struct provider **providers; /* owned references, in the order of config->providers */
    SSL_CTX **tls; /* owned, in the order of config->listeners; NULL where tls is none */
    int64_t loaded_at;
};

/* Takes over the caller's reference to config, also on failure. Providers whose digest has not
 * changed are taken from previous (may be NULL), with their warm connections. */
enum result snapshot_new(struct config *config, const struct snapshot *previous,
                         struct loop *const *loops, unsigned n_loops,
                         struct snapshot **snapshot_out, struct error *err);
/* Any thread. */
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot **snapshot);

struct provider *snapshot_provider(const struct snapshot *snapshot,
                                   const struct provider_config *config);
/* What every provider behind the e-mail streams was last seen to carry: CAPABILITY_ bits, and the
 * smallest SIZE (0: none said). A provider never seen counts as carrying nothing. */
struct capabilities snapshot_capabilities(const struct snapshot *snapshot);
/* The same for the providers of one stream. */
struct capabilities snapshot_stream_capabilities(const struct snapshot *snapshot,
                                                 const struct stream_config *stream);

#endif
