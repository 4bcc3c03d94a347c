/* SPDX-License-Identifier: Apache-2.0 */
/* Fills the journal's index behind the segments, on a thread of its own, twice a second. */
#ifndef OCTROI_PROXY_INDEXER_H
#define OCTROI_PROXY_INDEXER_H

#include "base/error.h"

struct indexer;

enum result indexer_start(const char *index_path, const char *journal_directory,
                          struct indexer **indexer_out, struct error *err);
/* Catches up a last time. */
void indexer_stop(struct indexer **indexer);

#endif
