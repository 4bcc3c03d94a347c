/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a person's page share; nobody else includes it.
 *
 * A person's page has one of two addresses. /console/persons/KEY is for who has only her key, as
 * everybody has who comes from a decision. /console/persons/TOKEN is for who typed her address:
 * it is sealed in there, for this user and this working day, so that it stands in clear in no URL,
 * log or history.
 */
#ifndef OCTROI_CONSOLE_PERSON_H
#define OCTROI_CONSOLE_PERSON_H

#include "console/visit.h"
#include "office/person.h"

struct person_link {
    bool known;             /* the address is */
    struct address address; /* clear: person_link_wipe */
    struct recipient recipient;
    const char *path; /* of her page; in the visit's arena */
    bool elsewhere;   /* the path asked for is not it: it was another user's, or its time is over */
};
/* What tail names. RESULT_NOT_FOUND: nothing, or what no key of ours sealed. The mask of who is
 * known by key alone is "": person_find_mask. */
enum result person_link_open(struct visit *visit, const char *tail, struct person_link *link_out,
                             struct error *err);
/* The link of who has just typed this address. */
enum result person_link_make(struct visit *visit, const struct address *address,
                             struct person_link *link_out, struct error *err);
void person_link_wipe(struct person_link *link);
/* path + "/" + what, in the visit's arena; NULL: no memory. */
const char *person_link_below(struct visit *visit, const struct person_link *link,
                              const char *what);

/* What a person's page is made of. */
struct person_view {
    struct visit *visit;
    const struct person_link *link;
    const struct person *person;
    struct error *err;
};

/* ---- its parts, in their order: person_parts.c and person_past.c ---- */

void person_summary_part(struct person_view *view);
enum result person_why_part(struct person_view *view);
void person_acts_part(struct person_view *view); /* person_act.c */
/* Behind a "no" of a day gone by that a later consent overcomes; nothing else. */
enum result person_overcome_part(struct person_view *view); /* person_act.c */
void person_pack_part(struct person_view *view);            /* person_pack.c */
void person_events_part(struct person_view *view);
enum result person_decisions_part(struct person_view *view);
enum result person_notices_part(struct person_view *view);
enum result person_accesses_part(struct person_view *view);

/* Whether the person's own "no" is the reason. */
bool person_is_no(const struct judgement *judgement);
/* A page that says why not, with the way back to hers; why is a constant. Nothing was done. */
enum result person_refuse(struct visit *visit, const struct person_link *link, const char *title,
                          const char *why);
/* The configuration's partner with this id, else the id itself. */
const char *person_view_partner(const struct person_view *view, const char *id);

#endif
