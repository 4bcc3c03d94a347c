/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration in the journal: what the gate was told to do, from when on. A decision's row
 * names its mode and its policy's version; these records say what that version was and since when
 * a partner was only observed. They hold no secret and no account.
 */
#ifndef OCTROI_STORE_CONFIGURATION_H
#define OCTROI_STORE_CONFIGURATION_H

#include "config/config.h"
#include "store/journal.h"

/* What a `configuration` record says besides what stands in the configuration. */
struct configuration_note {
    const char *program; /* its version */
    const char *cause;   /* "start", "reload" */
    int64_t at;
};

/* As many records as it takes: a record is bounded and the number of partners is not. NULL when
 * memory is short or a name fills a record alone. */
struct journal_batch *configuration_batch(const struct config *config,
                                          const struct configuration_note *note);

#endif
