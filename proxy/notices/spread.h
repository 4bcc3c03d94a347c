/* SPDX-License-Identifier: Apache-2.0 */
/* Who is to be told of a notice: found out once, right after it was written. */
#ifndef OCTROI_PROXY_NOTICES_SPREAD_H
#define OCTROI_PROXY_NOTICES_SPREAD_H

#include "config/config.h"
#include "store/journal.h"
#include "store/notices.h"

/* Spreads the oldest notices, as many as go into one short transaction. *more_out: there may be
 * others. index must know all that is durable; NULL: it cannot say, and only notices that name
 * their partners are spread. RESULT_DAMAGED: one could not be; the others were. */
enum result spread_notices(struct registry *registry, struct journal_index *index,
                           const struct config *config, int64_t now, bool *more_out,
                           struct error *err);
/* Whether there is anything to spread. */
enum result spread_wanted(struct registry *registry, bool *wanted_out, struct error *err);

#endif
