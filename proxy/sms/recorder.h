/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must not happen on a loop when something comes back from the network: a withdrawal into the
 * registry, and questions to the journal's index. One thread with its own connections takes jobs
 * from a queue with a cap; withdrawals that wait together become durable together.
 */
#ifndef OCTROI_PROXY_SMS_RECORDER_H
#define OCTROI_PROXY_SMS_RECORDER_H

#include "base/loop.h"
#include "base/seal.h"
#include "proxy/sms/sent.h"

struct recorder;

enum recorder_kind {
    RECORDER_WITHDRAW, /* the person wants no more of whoever is meant: on record, durable */
    RECORDER_WHO,      /* the same question without the withdrawal */
    RECORDER_REPORT,   /* whose is the message that the provider reports on */
    RECORDER_KINDS
};

/* Who is meant by what a person sent to a number:
 *   one candidate: that one;
 *   several: those of them whose SMS reached the person lately, through whatever provider;
 *   none: all whose SMS reached her lately through this provider.
 * A withdrawal sent to what is shared (a short code stands behind the names that many send under,
 * whoever lists it as a sender of its own) is for all candidates and all of the latter. When
 * nobody's SMS did, all candidates are meant, and without candidates everybody (n_named 0); when
 * the journal's index cannot say, all candidates, and of what is shared everybody: a withdrawal too
 * many does less harm than one too few. */
struct recorder_job {
    /* run: on home's thread once it is done; without a home on the recorder's. It frees the job,
     * after recorder_job_end. */
    struct loop_task task;
    struct recorder_job *next; /* the recorder's, as those below */
    int64_t due;
    unsigned looks;

    struct loop *home; /* borrowed; NULL: nobody waits */
    enum recorder_kind kind;
    const char *provider; /* borrowed until task.run, as everything below that is not an answer */

    uint8_t key[RECIPIENT_KEY_BYTES]; /* the person */
    const char *address;              /* WITHDRAW: her number, E.164; NULL: not known */
    bool nobody;                      /* REPORT: there is no key, the id alone has to do */
    int64_t at;                       /* when she wrote */
    const char **candidates;          /* partner ids */
    size_t n_candidates;
    bool shared;                   /* WITHDRAW: she wrote to what is no telephone number */
    const char *origin, *evidence; /* WITHDRAW: without addresses */
    /* REPORT: as the provider reports it. WITHDRAW: its id of what she wrote, which is part of the
     * evidence; NULL or "": it gave none. */
    const char *id;

    /* Answers. RESULT_OK: WITHDRAW is durable; REPORT was found, else RESULT_NOT_FOUND. Any other:
     * it cannot be said or done now. */
    enum result result;
    const char **named; /* owned in one piece */
    size_t n_named;
    size_t n_wrote; /* the first of them did write to her, or are the only candidate */
    bool repeated;  /* WITHDRAW: it was on record already, and nothing was added */
    struct sent_ref found;
};
/* Frees the answers. */
void recorder_job_end(struct recorder_job *job);

struct recorder_options {
    const char *registry;    /* there, and of this program's layout */
    const char *index;       /* state_dir/journal.db */
    const char *directory;   /* state_dir/journal */
    struct sent *sent;       /* borrowed; outlives the recorder */
    const struct seal *seal; /* borrowed, likewise; for notices. NULL: there is no key */
};
enum result recorder_start(const struct recorder_options *options, struct recorder **recorder_out,
                           struct error *err);
/* Any thread. False: the queue is full, or the recorder stops; the job was not taken. */
bool recorder_submit(struct recorder *recorder, struct recorder_job *job);
/* Does what was taken, then ends the thread: each job's task is in its home's mailbox by then. */
void recorder_stop(struct recorder **recorder);

#endif
