/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mail of the gate's own as text: RFC 5322, MIME, UTF-8 as quoted-printable, so that any provider
 * carries it. Pure but for the random parts of its names.
 */
#ifndef OCTROI_PROXY_POST_LETTER_H
#define OCTROI_PROXY_POST_LETTER_H

#include "base/str.h"

struct letter {
    int64_t at;
    const char *gateway; /* in its name, "octroi gate.example", and its Message-ID */
    const char *from;    /* addresses are of ASCII */
    const char *const *to;
    size_t n_to;
    const char *subject;         /* UTF-8, one line */
    const char *text;            /* UTF-8, lines ended by LF */
    const char *attachment_name; /* of ASCII; NULL: nothing is attached */
    const char *attachment_type; /* "application/json" */
    const char *attachment;
};

/* Appends it in wire form: CRLF, no line begins with a dot. False: no memory, or no random bytes.
 */
bool letter_write(const struct letter *letter, struct strbuf *out);

#endif
