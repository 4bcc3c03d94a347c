/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMTP command lines (RFC 5321, 4.1) taken apart. Pure: a line in, a structure or a refusal out.
 * Nothing that is not of the grammar gets past here, so that what goes upstream is only ever
 * composed of checked parts.
 */
#ifndef OCTROI_PROXY_SMTP_COMMAND_H
#define OCTROI_PROXY_SMTP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 5321, 4.5.3.1, with the room that parameters need; AUTH by RFC 4954, 4. With CRLF. */
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

struct smtp_mail {
    char sender[320]; /* as written, without <>; "" for the empty reverse path */
    char domain[256]; /* normalised; "" for the empty reverse path */
    uint64_t size;    /* 0: not declared */
    bool eight_bit;
};

/* "FROM:<…> [parameters]" and "TO:<…> [parameters]". */
struct smtp_refusal smtp_parse_mail(const char *arguments, bool eight_bit_offered,
                                    struct smtp_mail *mail_out);
/* address_out: at least 320 bytes; as written, without <>. */
struct smtp_refusal smtp_parse_rcpt(const char *arguments, char *address_out, size_t size);
/* The client's name in HELO or EHLO: a domain, or an address literal; anything else is refused. */
bool smtp_valid_helo(const char *name);

#endif
