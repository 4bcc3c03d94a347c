/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of decisions: what the fields of a page narrow them to, a table of the next fifty with the
 * way to further ones, and how many there are in all where the daily sums know it. The same on the
 * list of blocked messages, its download, and a person's page.
 */
#ifndef OCTROI_CONSOLE_DECISIONS_H
#define OCTROI_CONSOLE_DECISIONS_H

#include "console/visit.h"
#include "store/journal.h"

#define DECISIONS_PAGE 50

/* What the field "verdict" may say. Without it: what was blocked or deferred, or whatever "reason"
 * stands for. */
#define DECISIONS_OBSERVED "observed" /* blocked by the rules, let through while only observed */
#define DECISIONS_STOPPED  "stopped"  /* blocked and not sent */
#define DECISIONS_ALL      "all"      /* "block", "defer" and "pass" aside */

/* What the field "zone" says of from and to: whole days of UTC, as counts have them; else they are
 * days of the reader's clock, as the table shows times. */
#define DECISIONS_ZONE "zone"
#define DECISIONS_UTC  "utc"

/* The fields: verdict, purpose, partner, stream (of that partner), channel, reason, from, to, zone,
 * person (a recipient's key in hex) and cursor. What is none of these, or no value of theirs, does
 * not narrow anything. Texts are the visit's. */
struct decision_query {
    struct log_filter filter;         /* limit, and where to begin, included */
    const char *verdict;              /* as in the field; "" */
    bool narrowed;                    /* by anything but verdict */
    bool dated;                       /* by from or to */
    bool utc;                         /* these are days of UTC */
    uint8_t key[RECIPIENT_KEY_BYTES]; /* what filter.recipient_key points to */
};
void decision_query_read(const struct visit *visit, struct decision_query *query_out);

/* How many decisions pass the filter, from the sums. *known_out false: they cannot tell, as for one
 * person. */
enum result decision_query_count(struct visit *visit, const struct decision_query *query,
                                 bool *known_out, uint64_t *count_out, struct error *err);

/* What was shown. */
struct decisions_shown {
    unsigned count;
    char masked[sizeof(((struct recipient *)NULL)->masked)]; /* of the first row; "" */
};
/* A table of the next decisions that pass the filter, and the way to further ones. Without any, it
 * writes nothing. alone: they are all of one person, who has no column then. */
enum result decisions_part(struct visit *visit, const struct log_filter *filter, bool alone,
                           struct decisions_shown *shown_out, struct error *err);

/* "/console/blocked/ID", "/console/persons/KEY", "/console/partners/ID"; appended. */
void decision_path(struct strbuf *out, const char *id);
void decision_person_path(struct strbuf *out, const char *key);
void decision_partner_path(struct strbuf *out, const char *partner);
/* What the configuration calls a partner; its id when it knows none. */
const char *decision_partner_name(const struct visit *visit, const char *id);
/* "Blocked", with what was done of it when that is not what goes with it. */
void decision_verdict_add(struct visit *visit, const struct log_entry *entry);

#endif
