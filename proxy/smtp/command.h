/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMTP command lines (RFC 5321, 4.1) taken apart. Pure: a line in, a structure or a refusal out.
 * Nothing that is not of the grammar gets past here, so that what goes upstream is only ever
 * composed of checked parts.
 */
#ifndef OCTROI_PROXY_SMTP_COMMAND_H
#define OCTROI_PROXY_SMTP_COMMAND_H

#include "proxy/smtp/dsn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 5321, 4.5.3.1, with CRLF; AUTH by RFC 4954, 4. MAIL and RCPT get the room that the parameters
 * add by their standards: SIZE 26, BODY 17, AUTH 500, SMTPUTF8 10, RET 9, ENVID 107; NOTIFY 30,
 * ORCPT 507. XCLIENT has to fit into one line here (see xclient.h). */
#define SMTP_LINE_MAX     512
#define SMTP_ENVELOPE_MAX 2048
#define SMTP_AUTH_MAX     12288
#define SMTP_LONGEST_LINE SMTP_AUTH_MAX

enum smtp_verb {
    VERB_UNKNOWN,
    VERB_EHLO,
    VERB_HELO,
    VERB_STARTTLS,
    VERB_AUTH,
    VERB_MAIL,
    VERB_RCPT,
    VERB_DATA,
    VERB_RSET,
    VERB_NOOP,
    VERB_VRFY,
    VERB_EXPN,
    VERB_BDAT,
    VERB_XCLIENT,
    VERB_HELP,
    VERB_QUIT,
    VERB_COUNT
};

/* The verb of a line without its CRLF; *arguments_out points behind it, past one space. */
enum smtp_verb smtp_verb_of(const char *line, const char **arguments_out);
const char *smtp_verb_name(enum smtp_verb verb);
/* The longest line the verb may have, CRLF included. */
size_t smtp_verb_limit(enum smtp_verb verb);

/* A refusal as an SMTP reply; code 0 means that all went well. */
struct smtp_refusal {
    int code;
    const char *text; /* enhanced status and text; static */
};

/* What the account's route carries: a parameter that needs more is refused. */
struct smtp_route {
    bool eight_bit;
    bool dsn;
    bool utf8;
};

/* A path's domain that was not ASCII is in A-labels here: a provider that turned it into them by
 * other rules would write to somebody else than the one that is judged. */
struct smtp_mail {
    char sender[320]; /* as written but for that, without <>; "" for the empty reverse path */
    char domain[256]; /* normalised; "" for the empty reverse path */
    uint64_t size;    /* 0: not declared */
    bool eight_bit;
    bool utf8;                     /* addresses and header may be UTF-8 */
    const char *ret;               /* static: "FULL", "HDRS" or "" */
    char envid[DSN_ENVID_MAX + 1]; /* "" when not given */
};

struct smtp_rcpt {
    char address[320]; /* as written but for that, without <> */
    char notify[DSN_NOTIFY];
    char orcpt[DSN_ORCPT_MAX + 1]; /* a clear address, as the one above */
};

/* "FROM:<…> [parameters]" and "TO:<…> [parameters]". */
struct smtp_refusal smtp_parse_mail(const char *arguments, const struct smtp_route *route,
                                    struct smtp_mail *mail_out);
/* utf8: the transaction's MAIL said SMTPUTF8. */
struct smtp_refusal smtp_parse_rcpt(const char *arguments, const struct smtp_route *route,
                                    bool utf8, struct smtp_rcpt *rcpt_out);
/* The client's name in HELO or EHLO: a domain, or an address literal; anything else is refused. */
bool smtp_valid_helo(const char *name);

#endif
