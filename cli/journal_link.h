/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command's way into the journal, the same whether a gateway runs or not: through its control
 * socket if it does (proxy/intake.h), else by taking state_dir/lock and writing the journal itself
 * until the link is closed. Rows become durable in the order they were sent, and behind one that
 * did not, none does: what the journal holds is always a beginning of what was sent.
 *
 * One thread; nothing of it runs between two calls but the journal's own thread, or the gateway.
 */
#ifndef OCTROI_CLI_JOURNAL_LINK_H
#define OCTROI_CLI_JOURNAL_LINK_H

#include "base/str.h"
#include "cli/context.h"

/* What one call of journal_link_send may carry. */
#define JOURNAL_LINK_ROWS_MAX  10000
#define JOURNAL_LINK_BYTES_MAX (4 * 1024 * 1024)

struct journal_link;

/* claim: what the rows are for, such as "screening …"; among all commands only one at a time may
 * hold it, and when this returns, nobody's earlier rows for it are still on their way. Waits for
 * such a one at most ten seconds, then RESULT_CONFLICT. RESULT_UNAVAILABLE: neither way is open. */
enum result journal_link_open(const struct context *context, const char *claim,
                              struct journal_link **link_out, struct error *err);
/* Sends records, each ended by LF, and takes the text's memory in any case. Waits only while too
 * many of the earlier ones are not durable. When it fails the link is of no use any more: which
 * rows came to be durable, the journal says. */
enum result journal_link_send(struct journal_link *link, struct strbuf *lines, size_t rows,
                              struct error *err);
/* Notes which rows became durable meanwhile, without waiting. */
enum result journal_link_look(struct journal_link *link, struct error *err);
/* Waits until all that was sent is durable. */
enum result journal_link_flush(struct journal_link *link, struct error *err);
/* Rows sent through this link that are durable. */
uint64_t journal_link_durable(const struct journal_link *link);
/* Does not wait for what is not durable yet. */
void journal_link_close(struct journal_link **link);

#endif
