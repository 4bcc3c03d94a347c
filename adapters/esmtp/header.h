/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libESMTP would do to a letter on its way. It drops some header fields and invents others,
 * and passes a bare LF through, so that "\n.\r\n" could end a message where nobody meant it.
 * This is found out before, and what would be changed is refused.
 */
#ifndef OCTROI_ADAPTERS_ESMTP_HEADER_H
#define OCTROI_ADAPTERS_ESMTP_HEADER_H

#include "adapters/letter.h"

struct letter_shape {
    bool message_id; /* there is a Message-ID */
    bool date;       /* there is a Date */
};

/* RESULT_BAD_INPUT: the letter would not arrive as it is; err says why, for the one who sent it,
 * without quoting it. It reads all of the letter: not for a loop. */
enum result letter_inspect(const struct letter *letter, struct letter_shape *shape_out,
                           struct error *err);

#endif
