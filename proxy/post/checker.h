/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the journal when it is asked to, in a thread of its own that gives way to all others. */
#ifndef OCTROI_PROXY_POST_CHECKER_H
#define OCTROI_PROXY_POST_CHECKER_H

#include "store/journal.h"

struct checker;

struct checked {
    uint64_t run;       /* how many there were; 0: none yet */
    int64_t at;         /* when it began */
    bool under_way;     /* one is, or waits to be: this says what the one before found */
    enum result result; /* OK, DAMAGED, or why it could not be done */
    struct verify_report report;
    struct error why;
};

/* Paths are copied, key is borrowed. */
enum result checker_start(const char *journal_path, const char *index_path,
                          const struct signing_key *key, struct checker **checker_out,
                          struct error *err);
/* The last one under way is given up. */
void checker_stop(struct checker **checker);
/* Any thread. Asks for one more; one that runs already began too early. Returns its number. */
uint64_t checker_ask(struct checker *checker);
void checker_last(struct checker *checker, struct checked *out);

#endif
