/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The desk: threads for work on registry and journal index that must not happen on a loop, asked
 * for over HTTP (the interface for programs, the pages of the one-click link, the console).
 * Each thread has its own writing connection to the registry and its own connection to the index;
 * both follow when the file was replaced under them, as the recorder's do. The queues have a cap.
 */
#ifndef OCTROI_PROXY_DESK_DESK_H
#define OCTROI_PROXY_DESK_DESK_H

#include "base/clock.h"
#include "base/crypto.h"
#include "base/loop.h"
#include "base/seal.h"
#include "store/journal.h"
#include "store/registry.h"

struct desk;
struct desk_job;

/* What a job has to work with, on its thread; borrowed during work. */
struct desk_tools {
    struct registry *registry;   /* open for writing, sealing (store/notices.h) */
    struct journal_index *index; /* NULL before desk_index */
    struct hmac *hmac;           /* recipient keys; this thread's own */
    const struct seal *seal;     /* NULL: there is no key */
    const char *journal_path;    /* state_dir/journal */
    struct desk *desk;
};

/* Each has a queue of its own, taken from in this order. What is urgent, a person's withdrawal or a
 * stop, goes before all else. What is short waits for nothing that reads much. A page that somebody
 * waits for in front of a browser, and what is long, a report say, read much: together they never
 * keep all threads at a time, and what is long leaves one to the pages where there are three; they
 * are cut short when they take more than long_most, and when the desk ends. They must change
 * nothing. */
enum desk_pace { DESK_URGENT, DESK_SHORT, DESK_PAGE, DESK_LONG, DESK_PACES };

struct desk_job {
    enum desk_pace pace;
    struct loop_task task; /* run: on home's thread once the work is done; it frees the job */
    struct desk_job *next; /* the desk's */
    struct loop *home;     /* borrowed */
    /* On a thread of the desk, with the registry there and of that name. What it returns is result,
     * with err. */
    enum result (*work)(struct desk_job *job, struct desk_tools *tools, struct error *err);
    enum result result;
    struct error err;
    bool late; /* it was cut short for its time, with RESULT_UNAVAILABLE */
};

#define DESK_LONG_MOST (15 * CLOCK_SECOND)

struct desk_options {
    unsigned threads;
    const char *registry_path, *index_path, *journal_path;
    const uint8_t *recipient_key; /* copied */
    size_t recipient_key_length;
    const struct seal *seal; /* borrowed; NULL: none */
    int64_t long_most;       /* microseconds; DESK_LONG_MOST but in tests */
};
enum result desk_start(const struct desk_options *options, struct desk **desk_out,
                       struct error *err);
/* Any thread. False: the queue of its pace is full, the desk stops, or it has stopped (NULL); the
 * job was not taken. */
bool desk_submit(struct desk *desk, struct desk_job *job);
/* On a desk thread: the index, brought up to what is durable now. RESULT_UNAVAILABLE while it is
 * being built anew. */
enum result desk_index(struct desk_tools *tools, struct error *err);
/* Does what was taken, then ends the threads: each job's task is in its home's mailbox by then.
 * What is long is not done any more: RESULT_UNAVAILABLE. */
void desk_stop(struct desk **desk);

#endif
