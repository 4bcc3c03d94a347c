/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a journal and the registry beside it hold, said as `octroi verify` says it. */
#ifndef OCTROI_CLI_VERIFY_H
#define OCTROI_CLI_VERIFY_H

#include "cli/context.h"
#include "office/checkpoint.h"
#include "office/output.h"

/* Of the context: its paths and the journal's public key. checkpoint: kept elsewhere, of good
 * signature; NULL: none. Returns an enum exit_code. */
int verify_state(struct context *context, const struct checkpoint *checkpoint,
                 enum output_format format);

#endif
