/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small pool of threads for work that must not happen on a loop, such as password hashing. Jobs
 * are intrusive; the queue has a cap, so that a flood is refused rather than hoarded.
 */
#ifndef OCTROI_BASE_WORKERS_H
#define OCTROI_BASE_WORKERS_H

#include "base/error.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct workers;

/* A job waits for those of lower ranks. One of rank 1, 2, 3 is taken only while fewer than a half,
 * a fourth, a 32nd of cap wait at all: so there is always room for what matters more. Higher ranks
 * count as 3. Of ranks 1 and 2 who came last is first: behind a flood nobody waits who came after
 * it. Of 0, which no flood has, and of 3, where few wait, who came first: nobody waits for ever.
 */
#define WORKERS_RANKS 4

struct worker_job {
    struct loop_task task;             /* posted to `home` once done; task.run is the completion */
    void (*work)(struct worker_job *); /* on a worker thread */
    struct loop *home;                 /* borrowed; NULL: nobody is told, discard follows work */
    /* Frees a job whose home is not to be told: on any thread. NULL: it is never given up. */
    void (*discard)(struct worker_job *);
    unsigned rank; /* 0 for most */
    bool given_up; /* the workers', under their lock */
    bool posted;
};

enum result workers_new(unsigned threads, unsigned queue_cap, struct workers **workers_out,
                        struct error *err);
/* Finishes what is queued, then joins: it may take as long as the jobs do. */
void workers_free(struct workers **workers);
/* Never waits: for work that may take long and whose jobs touch nothing but themselves. Every job
 * is given up, the threads end by themselves, and the last one frees what they share. */
void workers_leave(struct workers **workers);
/* The job's home may go: task.run never comes, discard comes instead, once. Only while neither of
 * them ran. False: the task is in its home's mailbox already, and comes. */
bool workers_give_up(struct workers *workers, struct worker_job *job);
/* Waits until nothing is queued or under way: what there was is in its home's mailbox then. For the
 * end only, where a loop may wait; jobs take as long as they do. */
void workers_settle(struct workers *workers);
/* Those of this rank and higher ones are left alone for so long, or for so much longer if they are
 * already; lower ones are worked on meanwhile. Any thread. */
void workers_rest(struct workers *workers, unsigned rank, int64_t duration);
/* Nothing rests any more, now or later: the end is waited for. Any thread. */
void workers_hurry(struct workers *workers);
/* False when the queue is full, for this rank at least: the job was not taken. */
bool workers_submit(struct workers *workers, struct worker_job *job);

#endif
