/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi remediation`: what a company under notice has to do, as lists. Whom to ask again, whose
 * data to delete, which partner to tell about whom.
 */
#ifndef OCTROI_CLI_REMEDIATION_H
#define OCTROI_CLI_REMEDIATION_H

#include "base/csv.h"
#include "cli/context.h"
#include "office/folder.h"
#include "office/output.h"
#include "office/words.h"
#include "store/tally.h"

enum remedy { REMEDY_ASK, REMEDY_DELETE, REMEDY_TELL, REMEDY_COUNT };

/* One file being written. */
struct remedy_sheet {
    struct remedy_sheet *next;
    enum remedy remedy;
    char partner[80]; /* of REMEDY_TELL: one file each, since none may see another's */
    char name[400];
    FILE *file;             /* owned */
    struct output *output;  /* owned */
    struct column *columns; /* owned; the output borrows them */
};

struct remediation {
    struct context *context;
    struct folder *folder;
    enum language language;
    const struct partner *only; /* NULL: all */
    int64_t now;
    /* Of the list being read; without one, of nothing: */
    const char *prefix;        /* folder in the folder, with its slash; "" */
    char **names;              /* its columns */
    const char *const *fields; /* its row */
    size_t n_columns;
    struct remedy_sheet *sheets;        /* owned */
    struct tally *counts[REMEDY_COUNT]; /* owned; by partner, form, supplier, reason */
    uint64_t persons;
    uint64_t unjudged; /* of them: no partner sends on a channel that fits, and none tried */
    uint64_t refused;  /* lines of lists */
};

struct person {
    const uint8_t *key;
    const char *masked; /* NULL: as the journal has it */
    bool kind_known;
    enum address_kind kind;
};

/* What one row of a list says. */
struct remedy_row {
    const char *partner; /* "" in the list of what to delete */
    const char *form, *supplier, *channel;
    const char *reason;
    const char *why;
    const char *recipient; /* masked */
    int64_t last_act;      /* 0: none on record */
    int64_t sent_at;       /* 0: never */
};

/* remediation_person.c: one person onto the lists. */
enum result remediation_person(struct remediation *remediation, const struct person *person,
                               struct error *err);
/* remediation_sheet.c */
enum result remediation_row(struct remediation *remediation, enum remedy remedy,
                            const struct person *person, const struct remedy_row *row,
                            struct error *err);
/* Makes sure that the list is there even if nobody is on it. */
enum result remediation_begin(struct remediation *remediation, struct error *err);
/* Ends the files of this list. */
enum result remediation_end(struct remediation *remediation, struct error *err);
enum result remediation_summary(struct remediation *remediation, struct error *err);
/* remediation_list.c: the persons of a company's own file. */
enum result remediation_list(struct remediation *remediation, FILE *input, const char *name,
                             struct error *err);

#endif
