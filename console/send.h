/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A download instead of a page. What is long is a file without a name (folder_nameless), sent in
 * pieces as its reader takes them; what is short is text. The access record goes before the first
 * byte.
 */
#ifndef OCTROI_CONSOLE_SEND_H
#define OCTROI_CONSOLE_SEND_H

#include "console/visit.h"

struct visit_send {
    int fd;           /* owned, with the visit; -1: the page's text is what is sent */
    const char *type; /* "application/zip", a constant */
    const char *name; /* of the file that it becomes; in arena */
};

/* Takes fd, a regular file, also when it fails. name: letters, digits, '-', '_' and '.'; what else
 * there is in it becomes '-'. */
enum result visit_send_file(struct visit *visit, int fd, const char *type, const char *name,
                            struct error *err);
/* What is in visit->page.html, which must be no page by then. */
enum result visit_send_text(struct visit *visit, const char *type, const char *name,
                            struct error *err);
/* Closes what was not sent. */
void visit_send_drop(struct visit *visit);

#endif
