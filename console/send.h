/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A download instead of a page. What is long is a file without a name (folder_nameless), or is made
 * piece by piece long after the page's function has returned; both are sent as their reader takes
 * them. What is short is text. The access record goes before the first byte.
 */
#ifndef OCTROI_CONSOLE_SEND_H
#define OCTROI_CONSOLE_SEND_H

#include "console/visit.h"

/* Where the pieces come from. */
struct visit_pieces {
    void *own; /* owned; NULL: there are none */
    /* At the desk, one piece at a time: adds some 100 KiB at most to out, or nothing; *last_out
     * true: nothing follows. None takes long. */
    enum result (*make)(void *own, struct journal_index *index, struct strbuf *out, bool *last_out,
                        struct error *err);
    uint64_t (*count)(const void *own); /* of rows, so far */
    void (*free)(void *own);
};

struct visit_send {
    int fd; /* owned, with the visit; -1: pieces, or the page's text is what is sent */
    struct visit_pieces pieces; /* owned, with the visit */
    const char *type;           /* "application/zip", a constant */
    const char *name;           /* of the file that it becomes; in arena */
};

/* Takes fd, a regular file, also when it fails. name: letters, digits, '-', '_' and '.'; what else
 * there is in it becomes '-'. */
enum result visit_send_file(struct visit *visit, int fd, const char *type, const char *name,
                            struct error *err);
/* What is in visit->page.html, which must be no page by then. */
enum result visit_send_text(struct visit *visit, const char *type, const char *name,
                            struct error *err);
/* What is made in pieces, which are taken, also when it fails. At their end a second record says
 * how many rows there were, and whether all were sent. */
enum result visit_send_pieces(struct visit *visit, const struct visit_pieces *pieces,
                              const char *type, const char *name, struct error *err);
/* All decisions the filter lets through, newest first, as CSV that spreadsheets read
 * (office/decision_csv.h), and the access record for them. The filter is copied; its limit, order
 * and beginning are not heeded. */
enum result visit_send_decisions(struct visit *visit, const struct log_filter *filter,
                                 const char *name, struct error *err);
/* Frees what was not sent. */
void visit_send_drop(struct visit *visit);

#endif
