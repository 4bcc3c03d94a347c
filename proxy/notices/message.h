/* SPDX-License-Identifier: Apache-2.0 */
/* What a partner is sent: the body, and the headers that let it know who says so (docs/guides). */
#ifndef OCTROI_PROXY_NOTICES_MESSAGE_H
#define OCTROI_PROXY_NOTICES_MESSAGE_H

#include "config/config.h"
#include "store/notices.h"

#define MESSAGE_ID 40 /* "msg_" and 32 hex digits */

/* The same for each attempt at this delivery, and never that of another one: also when a restored
 * backup gives an event's number a second time. False: no hash to be had. */
bool message_id(const struct delivery *delivery, char out[MESSAGE_ID]);
/* Appends the body to out. RESULT_NOT_FOUND, with why: the partner would not know who is meant.
 * seal may be NULL. */
enum result message_body(const struct notices_config *notices, const struct delivery *delivery,
                         const struct seal *seal, struct strbuf *out, struct error *err);
/* Appends "webhook-signature: v1,…" over id, moment and body. False: it cannot be made. */
bool message_sign(const struct notices_config *notices, const char *id, int64_t at,
                  const char *body, struct strbuf *out);

#endif
