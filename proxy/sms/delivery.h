/* SPDX-License-Identifier: Apache-2.0 */
/* What a provider brought, as a partner is to be given it. */
#ifndef OCTROI_PROXY_SMS_DELIVERY_H
#define OCTROI_PROXY_SMS_DELIVERY_H

#include "base/str.h"
#include "proxy/sms/binds.h"

/* A message: its text as SMPP had it, or encoded; a report: its receipt, whose id is the caller's
 * to replace. `from` is the caller's to fill. RESULT_BAD_INPUT: the text cannot be carried by SMPP;
 * RESULT_NO_MEMORY. */
enum result sms_delivery_of(const struct sms_inbound *inbound, struct sms_delivery *what_out);
/* The same as JSON, for those who are told by HTTP. text: UTF-8, "" when it is none (then the bytes
 * follow in hexadecimal). stop: the message was a STOP, and is on record. */
void sms_delivery_json(const struct sms_delivery *what, const char *text, bool stop,
                       struct strbuf *out);
/* False: no memory. */
bool sms_delivery_copy(const struct sms_delivery *what, struct sms_delivery *copy_out);

#endif
