/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header block of a mail, read for what the rules on content ask: who it says it is from, and
 * whether it offers one-click unsubscription. What different readers might take differently (two
 * From fields, a line that is no field, groups, routes) is never guessed at but reported as such.
 */
#ifndef OCTROI_PROXY_SMTP_HEADER_H
#define OCTROI_PROXY_SMTP_HEADER_H

#include "base/arena.h"
#include "base/error.h"
#include "policy/judge.h"

#define HEADER_CAP (64 * 1024) /* bytes of a header block that is accepted */

/* block: complete, CRLF lines, its empty line included or not. utf8: the mail was announced with
 * SMTPUTF8: the header is UTF-8 (RFC 6532). The domains of content_out are
 * normalised and live in arena. RESULT_BAD_INPUT when the block is not a header by RFC 5322 (err
 * says why); RESULT_NO_MEMORY. */
enum result header_read(const char *block, size_t length, bool utf8, struct arena *arena,
                        struct mail_content *content_out, struct error *err);

#endif
