/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills the journal's index behind the segments, on a thread of its own, twice a second. While the
 * journal grows fast it leaves the processor to the sessions, up to a backlog that takes about a
 * second, which a reader of the log waits for, since it catches up before reading.
 */
#ifndef OCTROI_PROXY_INDEXER_H
#define OCTROI_PROXY_INDEXER_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct indexer;
struct journal;

/* journal: borrowed, until indexer_let_go. */
enum result indexer_start(struct journal *journal, const char *index_path,
                          const char *journal_directory, const char *registry_path,
                          struct indexer **indexer_out, struct error *err);
/* How many of the journal's rows are in the index, at least. False: it was not looked at yet. Any
 * thread. */
bool indexer_rows(const struct indexer *indexer, uint64_t *rows_out);
/* The journal is about to be closed: it is not asked any more how far it is. */
void indexer_let_go(struct indexer *indexer);
/* Catches up a last time. */
void indexer_stop(struct indexer **indexer);

#endif
