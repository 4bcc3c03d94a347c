/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What compliance is to know of one day: gathered once, then written in the reader's language, as
 * the text of a mail for who is no engineer. It holds no recipient, not even a masked one.
 */
#ifndef OCTROI_OFFICE_DIGEST_H
#define OCTROI_OFFICE_DIGEST_H

#include "config/config.h"
#include "office/checkpoint.h"
#include "store/journal.h"
#include "store/registry.h"
#include "store/tally.h"

#define DIGEST_PERIOD 7 /* days before it that a day is compared with */

/* Where it is gathered from; all borrowed. */
struct digest_sources {
    const struct config *config;
    struct journal_index *index; /* caught up */
    struct registry *registry;
    const struct signing_key *journal_key; /* public, or private */
};

/* The day, in local time, and its place among instants. */
struct digest_day {
    char text[16];      /* "2026-01-31" */
    int64_t noon;       /* of that date in UTC: to be shown */
    int64_t since;      /* its first moment, inclusive */
    int64_t until;      /* exclusive */
    int64_t week_since; /* DIGEST_PERIOD days before its first moment */
};

struct digest_line {
    const char *partner, *channel; /* codes; of the tallies */
    struct tally_counts day, week;
    bool unusual; /* blocked clearly more than in the week before */
};

struct digest_overdue {
    const char *partner; /* code; of the configuration */
    uint64_t notices;
    int64_t oldest;
};

struct digest_suspension {
    enum suspension_kind kind;
    int64_t since;
    char id[128], reason[512]; /* without addresses */
};

enum digest_check { CHECK_HOLDS, CHECK_BROKEN, CHECK_NOT_DONE };

struct digest {
    struct config *config; /* owned reference */
    struct digest_day day;
    struct tally *reasons; /* owned; by partner, channel, verdict and reason, of the day */
    struct tally *week;    /* owned; by partner and channel, of the days before */
    struct tally_counts total, week_total;
    struct digest_line *lines;      /* owned */
    size_t n_lines, n_unusual;      /* of the latter: partners */
    struct digest_overdue *overdue; /* owned */
    size_t n_overdue;
    struct digest_suspension *suspensions; /* owned */
    size_t n_suspensions;
    bool has_checkpoint;
    struct checkpoint checkpoint;
    /* What the caller found out meanwhile. */
    enum digest_check check;
    struct verify_report verified;
    char check_text[512]; /* what does not hold, or why it was not checked */
    char *notes;          /* owned; more to look at, in the language; NULL: nothing */
};

/* RESULT_OK: to be freed. */
enum result digest_gather(const struct digest_sources *sources, const struct digest_day *day,
                          int64_t now, struct digest **digest_out, struct error *err);
void digest_free(struct digest **digest);
/* More was blocked of the day than the week leads to expect: a share half as high again, by some
 * points, of enough messages to tell. */
bool digest_is_unusual(const struct tally_counts *day, const struct tally_counts *week);
/* Takes over what journal_verify said. */
void digest_checked(struct digest *digest, enum result result, const struct verify_report *report,
                    const struct error *why);
/* One line, and the text. False: no memory. */
bool digest_write(const struct digest *digest, enum language language, struct strbuf *subject,
                  struct strbuf *text);

/* "row 17" of what verify names, or its first words. */
void digest_add_place(struct strbuf *out, enum language language, const char *where);
/* As people call it: "partner ACME Voyages", "form jeu". */
void digest_add_suspended(struct strbuf *out, enum language language, const struct config *config,
                          enum suspension_kind kind, const char *id);

#endif
