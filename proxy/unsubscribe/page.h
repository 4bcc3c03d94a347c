/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person sees behind the link: the question, what was recorded, or why nothing could be.
 * Pages without scripts, without anything from elsewhere, readable without their styles, and
 * without the clear address. Pure: no sockets, no registry.
 */
#ifndef OCTROI_PROXY_UNSUBSCRIBE_PAGE_H
#define OCTROI_PROXY_UNSUBSCRIBE_PAGE_H

#include "base/html.h"
#include "policy/model.h"

enum leave_page_kind {
    LEAVE_ASK,     /* one press away */
    LEAVE_DONE,    /* it is recorded */
    LEAVE_NO_LINK, /* forged or damaged: 404 */
    LEAVE_UNCLEAR, /* pressed without a choice: 400 */
    LEAVE_LATER,   /* the gate is unable, or too much is asked of it: 503, 429 */
    LEAVE_UNSURE,  /* pressed, and the gate cannot say whether it will stay on record: 503 */
};

/* Why somebody was written to: the consent on record. Texts borrowed. */
struct leave_grant {
    int64_t occurred_at;
    const char *form;                 /* "jeu-ete@3"; "": none */
    const char *wording;              /* "": not known */
    const char *language;             /* of the wording */
    const char *collector, *supplier; /* "" */
};

struct leave_page {
    enum leave_page_kind kind;
    enum language language;
    enum channel channel;
    const char *partner;             /* its name */
    const char *masked;              /* the address */
    bool all;                        /* DONE: for all partners */
    bool already;                    /* it was on record before */
    const char *reference;           /* DONE: of the record */
    const struct leave_grant *grant; /* ASK: NULL: none is on record */
    /* Who answers for the data: "" when not configured. */
    const char *controller, *contact;
};

/* Appends a whole document. */
void leave_page_write(const struct leave_page *page, struct strbuf *out);
/* What a browser may do with it: Content-Security-Policy; appended. False: no memory, or no hash.
 */
bool leave_page_policy(struct strbuf *out);

#endif
