/* SPDX-License-Identifier: Apache-2.0 */
#include "base/workers.h"

#include "base/clock.h"
#include "base/harden.h"
#include "base/wake.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

/* A rank's share of the room is cap / 2^this. */
static const unsigned shares[WORKERS_RANKS] = {0, 1, 2, 5};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t more;
    pthread_cond_t idle;
    struct queue {
        struct loop_task *first; /* queued jobs of a rank, linked through their task */
        struct loop_task **last;
        int64_t rests_until;
    } queues[WORKERS_RANKS];
    unsigned queued;
    unsigned busy; /* jobs taken from the queue and not completed */
    unsigned cap;
    bool closing;
    bool hurries;     /* nothing rests any more */
    bool left;        /* nobody joins: the thread that ends last frees */
    unsigned running; /* threads that have not ended */
    unsigned threads;
    pthread_t ids[];
};

static void destroy(struct workers *workers)
{
    pthread_cond_destroy(&workers->more);
    pthread_cond_destroy(&workers->idle);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}

/* Under the lock, so that who gives a job up may let its home go right after. */
static void complete_locked(struct workers *workers, struct worker_job *job)
{
    if (job->home != NULL && !job->given_up && !(workers->left && job->discard != NULL)) {
        job->posted = true;
        loop_post(job->home, &job->task);
        return;
    }
    pthread_mutex_unlock(&workers->lock);
    job->discard(job);
    pthread_mutex_lock(&workers->lock);
}

/* Of the kernel's clock, as the condition is: tests have another one. */
static int64_t monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * CLOCK_SECOND + now.tv_nsec / 1000;
}

/* The first rank that has something, if it does not rest: those behind it rest as long at least. */
static struct queue *ready_locked(struct workers *workers)
{
    struct queue *queue = workers->queues;
    if (workers->queued == 0)
        return NULL;
    while (queue->first == NULL)
        queue++;
    bool rests = queue->rests_until > 0 && !workers->closing && !workers->hurries &&
                 queue->rests_until > monotonic();
    return rests ? NULL : queue;
}

/* For something to be ready. */
static void wait_locked(struct workers *workers)
{
    const struct queue *queue = workers->queues;
    if (workers->queued == 0) {
        pthread_cond_wait(&workers->more, &workers->lock);
        return;
    }
    while (queue->first == NULL)
        queue++;
    wake_wait_until(&workers->more, &workers->lock, queue->rests_until);
}

static struct worker_job *take_locked(struct workers *workers, struct queue *queue)
{
    struct worker_job *job = (struct worker_job *)queue->first;
    queue->first = job->task.next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    workers->queued--;
    return job;
}

static void *work(void *arg)
{
    struct workers *workers = arg;
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        struct queue *queue;
        while ((queue = ready_locked(workers)) == NULL && !workers->closing)
            wait_locked(workers);
        if (queue == NULL)
            break;
        struct worker_job *job = take_locked(workers, queue);
        workers->busy++;
        if (!job->given_up && !workers->left) {
            pthread_mutex_unlock(&workers->lock);
            job->work(job);
            pthread_mutex_lock(&workers->lock);
        }
        complete_locked(workers, job);
        workers->busy--;
        if (workers->queued + workers->busy == 0)
            pthread_cond_broadcast(&workers->idle);
    }
    workers->running--;
    bool last = workers->left && workers->running == 0;
    pthread_mutex_unlock(&workers->lock);
    if (last)
        destroy(workers);
    return NULL;
}

enum result workers_new(unsigned threads, unsigned queue_cap, struct workers **workers_out,
                        struct error *err)
{
    struct workers *workers = calloc(1, sizeof(*workers) + threads * sizeof(pthread_t));
    if (workers == NULL)
        return error_no_memory(err);
    pthread_mutex_init(&workers->lock, NULL);
    wake_init(&workers->more);
    pthread_cond_init(&workers->idle, NULL);
    for (int i = 0; i < WORKERS_RANKS; i++)
        workers->queues[i].last = &workers->queues[i].first;
    workers->cap = queue_cap;
    sigset_t all, before;
    harden_thread_signals(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    pthread_mutex_lock(&workers->lock); /* they count themselves down */
    while (workers->threads < threads && failed == 0) {
        failed = pthread_create(&workers->ids[workers->threads], NULL, work, workers);
        if (failed == 0)
            workers->threads++;
    }
    workers->running = workers->threads;
    pthread_mutex_unlock(&workers->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        workers_free(&workers);
        return error_errno(err, RESULT_SYSTEM, failed, "cannot start a worker thread");
    }
    *workers_out = workers;
    return RESULT_OK;
}

void workers_free(struct workers **workers_pointer)
{
    struct workers *workers = *workers_pointer;
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->closing = true;
    pthread_cond_broadcast(&workers->more);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->threads; i++)
        pthread_join(workers->ids[i], NULL);
    destroy(workers);
    *workers_pointer = NULL;
}

void workers_leave(struct workers **workers_pointer)
{
    struct workers *workers = *workers_pointer;
    if (workers == NULL)
        return;
    *workers_pointer = NULL;
    pthread_mutex_lock(&workers->lock);
    workers->closing = true;
    workers->left = true;
    for (unsigned i = 0; i < workers->threads; i++)
        pthread_detach(workers->ids[i]);
    pthread_cond_broadcast(&workers->more);
    bool last = workers->running == 0;
    pthread_mutex_unlock(&workers->lock);
    if (last)
        destroy(workers);
}

bool workers_give_up(struct workers *workers, struct worker_job *job)
{
    pthread_mutex_lock(&workers->lock);
    bool in_time = !job->posted;
    if (in_time)
        job->given_up = true;
    pthread_mutex_unlock(&workers->lock);
    return in_time;
}

void workers_settle(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    while (workers->queued + workers->busy > 0)
        pthread_cond_wait(&workers->idle, &workers->lock);
    pthread_mutex_unlock(&workers->lock);
}

static void put(struct queue *queue, struct loop_task *task, bool in_front)
{
    if (in_front && queue->first != NULL) {
        task->next = queue->first;
        queue->first = task;
        return;
    }
    task->next = NULL;
    *queue->last = task;
    queue->last = &task->next;
}

void workers_rest(struct workers *workers, unsigned rank, int64_t duration)
{
    pthread_mutex_lock(&workers->lock);
    int64_t now = monotonic();
    for (unsigned i = rank; i < WORKERS_RANKS; i++) {
        struct queue *queue = &workers->queues[i];
        queue->rests_until = (queue->rests_until > now ? queue->rests_until : now) + duration;
    }
    pthread_mutex_unlock(&workers->lock);
}

void workers_hurry(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->hurries = true;
    pthread_cond_broadcast(&workers->more);
    pthread_mutex_unlock(&workers->lock);
}

bool workers_submit(struct workers *workers, struct worker_job *job)
{
    const unsigned last = WORKERS_RANKS - 1;
    unsigned rank = job->rank < last ? job->rank : last;
    struct queue *queue = &workers->queues[rank];
    unsigned room = workers->cap >> shares[rank];
    pthread_mutex_lock(&workers->lock);
    bool taken = workers->queued < (room > 0 ? room : 1) && !workers->closing;
    if (taken) {
        job->given_up = false;
        job->posted = false;
        put(queue, &job->task, rank > 0 && rank < last);
        workers->queued++;
        pthread_cond_signal(&workers->more);
    }
    pthread_mutex_unlock(&workers->lock);
    return taken;
}
