/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that is held on one person, gathered once and then written in several shapes: a page for the
 * person, JSON, a consent record, CSV. Everything but the decisions is in memory; decisions are
 * read from the journal's index as they are written, so that a person with a million of them costs
 * no more memory than one with ten. All of it is of one moment.
 *
 * The clear address is here where somebody gave it to ask. It goes into the archive, which is for
 * that very person, and nowhere else; who has only the key learns all the rest.
 */
#ifndef OCTROI_OFFICE_PERSON_H
#define OCTROI_OFFICE_PERSON_H

#include "base/language.h"
#include "config/config.h"
#include "office/past.h"
#include "policy/judge.h"
#include "store/index_person.h"
#include "store/journal.h"
#include "store/registry.h"

#include <stdbool.h>

/* Who handed events over. */
struct person_supplier {
    const char *id; /* "": nobody in between */
    uint64_t events;
    int64_t first_at, last_at; /* when events of theirs were recorded */
    int64_t invalidated_at;    /* all consents it brought, for good; 0: they are not */
};

/* How one question about this person would be answered now. */
struct person_answer {
    const struct partner *partner;
    enum channel channel;
    enum purpose purpose;
    struct judgement judgement; /* its form_id is not kept */
    struct judgement beneath;   /* the same, were the partner not suspended */
    struct trace *trace;        /* owned by the arena */
};

/* A partner somebody could ask about: named on a form, in an event or a decision, or permitted. */
struct person_partner {
    const struct partner *partner;
    const struct person_answer *answers; /* by channel and purpose */
    size_t n_answers;
};

/* A sum over decisions, all strings "" where the journal has null. */
struct person_sum {
    const char *partner, *channel, *purpose, *verdict, *effect, *outcome;
    const char *list; /* SHA-256 of the list a transmission was on */
    uint64_t count;
    int64_t first_at, last_at;
};

/* How often somebody did the same about this person over HTTP; "" where the journal has null. */
struct person_access {
    const char *who, *act, *partner;
    uint64_t count;
    int64_t first_at, last_at;
};

/* A suspension or an invalidation that touches what is on record of this person. */
struct person_stop {
    const char
        *kind; /* "partner", "stream", "form", "supplier", "form version", "supplier's consents" */
    const char *id;
    int64_t at;
    const char *reason;
    bool resumed;
    int64_t resumed_at;
    const char *resume_reason;
};

/* What it is read from; all borrowed. */
struct person_sources {
    const struct config *config;
    struct registry *registry;
    struct journal_index *index;
};

struct person {
    struct person_sources from;
    bool read;                         /* person_free has something to free */
    const struct address *address;     /* borrowed; clear and normalised; NULL: not known */
    const struct recipient *recipient; /* borrowed; key and mask */
    unsigned channels;                 /* on which she can be reached: CHANNEL_BIT */
    enum language language;
    int64_t at;   /* when this was drawn up; answers are as of then */
    bool viewing; /* the index's view is open */
    struct past history;
    struct arena *arena; /* owned; all that follows, strings included */
    struct person_supplier *suppliers;
    size_t n_suppliers;
    struct person_sum *sums;
    size_t n_sums;
    uint64_t n_decisions;
    struct person_access *accesses;
    size_t n_accesses;
    size_t n_identifiers;            /* what partners call her */
    struct journal_erased erased;    /* what of the journal is no longer known */
    struct person_partner *partners; /* those that concern the person */
    size_t n_partners;
    struct person_partner *others; /* the rest of the configuration: none of them may write */
    size_t n_others;
    struct person_stop *stops;
    size_t n_stops;
};

/* Opens the index's view, which stays open until person_free, so that decisions agree with their
 * sums. address NULL: all but the archive and the JSON can be had. */
enum result person_read(const struct person_sources *from, const struct address *address,
                        const struct recipient *recipient, int64_t at, struct person *person_out,
                        struct error *err);
void person_free(struct person *person);
/* The mask that decisions show this key under; "" when there is none. The index is to be up to
 * date, and in no view. */
enum result person_find_mask(struct journal_index *index, struct recipient *recipient,
                             struct error *err);
/* Whether this key is of an e-mail address or of a telephone number, as her mask, or else what is
 * on record of her says. False: nothing does. */
bool person_kind(const struct person *person, enum address_kind *kind_out);

static inline bool person_is_unknown(const struct person *person)
{
    /* A notice is never without its event. */
    return person->history.n_events == 0 && person->n_decisions == 0 && person->n_accesses == 0 &&
           person->n_identifiers == 0;
}
/* Oldest first. */
enum result person_decisions(const struct person *person, log_entry_fn *on_entry, void *arg,
                             struct error *err);
/* Who looked at the person; oldest first. */
enum result person_accesses(const struct person *person, log_access_fn *on_access, void *arg,
                            struct error *err);
/* What the configuration calls the partner; its id when it knows none. */
const char *person_partner_name(const struct person *person, const char *id);
/* Whether the sum is of what reached the partner or its provider. */
bool person_sum_passed(const struct person_sum *sum);

/* ---- the archive: office/person_archive.c ---- */

enum result person_write_archive(const struct person *person, int fd, struct error *err);

/* ---- its parts ---- */

struct sheet;
struct strbuf;

void person_write_page(const struct person *person, struct sheet *sheet);
void person_write_json(const struct person *person, struct sheet *sheet);
/* The same without decisions and accesses, of which there may be any number: the sums of decisions
 * are in it. */
void person_write_summary(const struct person *person, struct sheet *sheet);
void person_write_record(const struct person *person, struct sheet *sheet);
void person_write_events_csv(const struct person *person, struct sheet *sheet);
void person_write_notices_csv(const struct person *person, struct sheet *sheet);
void person_add_notices(const struct person *person, struct sheet *sheet);
void person_write_accesses_csv(const struct person *person, struct sheet *sheet);
/* Of the JSON: "accesses". */
void person_add_accesses(const struct person *person, struct sheet *sheet);
void person_write_decisions_csv(const struct person *person, struct sheet *sheet);
void person_write_readme(const struct person *person, struct sheet *sheet);

#endif
