/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameters of delivery status notifications (RFC 3461, RFC 6533) and the encodings they are
 * written in. Pure: a value in, a checked value or false out. ENVID and ORCPT are information for
 * the provider; nothing here, and nothing that judges, looks at who they name. ORCPT holds a clear
 * address: never logged, never journalled.
 */
#ifndef OCTROI_PROXY_SMTP_DSN_H
#define OCTROI_PROXY_SMTP_DSN_H

#include <stdbool.h>
#include <stddef.h>

/* RFC 3461, 4.2 and 4.4: bytes of the value as it is written. */
#define DSN_ENVID_MAX 100
#define DSN_ORCPT_MAX 500
#define DSN_NOTIFY    sizeof("SUCCESS,FAILURE,DELAY")

/* "xtext" (RFC 3461, 4): printable ASCII, with "+" and two upper-case hex digits for the rest.
 * Every encoded byte has to be printable ASCII or a space, too. */
bool xtext_valid(const char *text);
/* The bytes it stands for; false when text is no xtext, or they do not fit. Equal bytes to
 * xtext_valid: nothing that is decoded here holds a control character. */
bool xtext_decode(const char *text, char *out, size_t size);

/* "FULL" or "HDRS" (static), NULL for anything else. */
const char *dsn_ret(const char *value);
/* out (DSN_NOTIFY bytes): "NEVER", or what is asked for in one order and spelling. */
bool dsn_notify(const char *value, char *out);
bool dsn_envid(const char *value);
/* "type;address". utf8: the mail was announced with SMTPUTF8, so that an address of type utf-8 may
 * be written as it is. */
bool dsn_orcpt(const char *value, bool utf8);

#endif
