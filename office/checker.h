/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks the journal when asked, in a thread of its own that gives way to all others: by the clock
 * (proxy/post), and for an officer who wants to know now. What came of the last one is kept in a
 * file, so that it can be told after a restart, too. It repairs nothing.
 */
#ifndef OCTROI_OFFICE_CHECKER_H
#define OCTROI_OFFICE_CHECKER_H

#include "store/journal.h"

struct checker;

#define CHECKER_WHO 80

struct checked {
    uint64_t run;       /* how many there were in this process; 0: none yet */
    enum result result; /* OK, DAMAGED, or why it could not be done */
    struct verify_report report;
    struct error why;
    int64_t began_at, ended_at; /* ended_at 0: there was none, nor one before the last start */
    char who[CHECKER_WHO];      /* "user NAME"; "": nobody, it was time */
};

/* One that is wanted and has not ended. */
struct checking {
    bool wanted, running;
    int64_t began_at;
    uint64_t bytes_done, bytes_total; /* 0: not known yet */
    char who[CHECKER_WHO];
};

struct checker_options {
    const char *journal_path, *index_path;
    const char *kept_path; /* of the last result; NULL: it is not kept */
    const struct signing_key *key;
};

/* Paths are copied, key is borrowed. */
enum result checker_start(const struct checker_options *options, struct checker **checker_out,
                          struct error *err);
/* The last one under way is given up. */
void checker_stop(struct checker **checker);
/* All of these from any thread. Asks for one more; one that runs already began too early. Returns
 * its number. */
uint64_t checker_ask(struct checker *checker);
/* For somebody: false when one is wanted or runs already, and this one is not. */
bool checker_ask_for(struct checker *checker, const char *who);
/* The last that ended; with run 0 it was before the last start, and its report's texts are what is
 * left of it. */
void checker_last(struct checker *checker, struct checked *out);
void checker_now(struct checker *checker, struct checking *out);

#endif
