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

struct workers;

struct worker_job {
    struct loop_task task;             /* posted to `home` once done; task.run is the completion */
    void (*work)(struct worker_job *); /* on a worker thread */
    struct loop *home;                 /* borrowed */
};

enum result workers_new(unsigned threads, unsigned queue_cap, struct workers **workers_out,
                        struct error *err);
/* Finishes what is queued, then joins. */
void workers_free(struct workers **workers);
/* False when the queue is full: the job was not taken. */
bool workers_submit(struct workers *workers, struct worker_job *job);

#endif
