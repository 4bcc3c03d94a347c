/* SPDX-License-Identifier: Apache-2.0 */
/* A provider's id of a message, as it goes on record: some are made of the person's number. */
#ifndef OCTROI_PROXY_SMS_IDS_H
#define OCTROI_PROXY_SMS_IDS_H

#include "base/crypto.h"
#include "wire/smpp.h"

/* The id itself; when it has the number's last eight digits in it, "#" and 32 hex digits of its
 * keyed hash, the same for the report that names it. number: E.164. "" when the hash fails. */
void sms_id_on_record(struct hmac *hmac, const char *id, const char *number, char out[SMPP_ID_MAX]);

#endif
