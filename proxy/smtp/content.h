/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream behind DATA, watched byte by byte: finds the one true end (CRLF . CRLF), and refuses
 * what another server might take for one (RFC 5321, 2.3.8; CVE-2023-51764 and its kin): a bare CR
 * or a bare LF anywhere. Bytes are not changed and not copied: dot-stuffing stays as it came.
 */
#ifndef OCTROI_PROXY_SMTP_CONTENT_H
#define OCTROI_PROXY_SMTP_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evbuffer;

/* RFC 5321, 4.5.3.1.6: 1000 with CRLF; a dot stuffed before it does not count. */
#define CONTENT_LINE_MAX 1000

enum content_verdict {
    CONTENT_MORE, /* all bytes seen belong to the content; more must come */
    CONTENT_END,  /* the final dot was seen */
    CONTENT_BARE, /* a bare CR or LF */
};

struct content_scan {
    size_t column;     /* bytes of the current line so far */
    bool after_cr;     /* the last byte was a CR */
    bool dot_first;    /* the current line starts with a dot */
    bool in_header;    /* the empty line has not come yet */
    bool header_ended; /* the empty line has come; header_bytes is then complete */
    bool too_long;     /* a line was over CONTENT_LINE_MAX; the scan goes on for the final dot */
    uint64_t bytes;    /* of content, the final dot's line not counted */
    uint64_t header_bytes; /* of the header block, its empty line included */
};

void content_start(struct content_scan *scan);
/* Looks at new bytes. *used_out: how many of them are settled. With CONTENT_MORE the others (at
 * most two: a "." or ".\r" that may become the final dot) must be given again with what follows;
 * with CONTENT_END the last three are ".\r\n" and nothing of them was settled before. */
enum content_verdict content_scan(struct content_scan *scan, const char *bytes, size_t length,
                                  size_t *used_out);

#endif
