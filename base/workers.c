/* SPDX-License-Identifier: Apache-2.0 */
#include "base/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct loop_task *first; /* queued jobs, linked through their task */
    struct loop_task **last;
    unsigned queued;
    unsigned cap;
    bool closing;
    unsigned threads;
    pthread_t ids[];
};

static void *work(void *arg)
{
    struct workers *workers = arg;
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        while (workers->first == NULL && !workers->closing)
            pthread_cond_wait(&workers->more, &workers->lock);
        if (workers->first == NULL)
            break;
        struct worker_job *job = (struct worker_job *)workers->first;
        workers->first = job->task.next;
        if (workers->first == NULL)
            workers->last = &workers->first;
        workers->queued--;
        pthread_mutex_unlock(&workers->lock);
        job->work(job);
        loop_post(job->home, &job->task);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

enum result workers_new(unsigned threads, unsigned queue_cap, struct workers **workers_out,
                        struct error *err)
{
    struct workers *workers = calloc(1, sizeof(*workers) + threads * sizeof(pthread_t));
    if (workers == NULL)
        return error_no_memory(err);
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->more, NULL);
    workers->last = &workers->first;
    workers->cap = queue_cap;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    while (workers->threads < threads && failed == 0) {
        failed = pthread_create(&workers->ids[workers->threads], NULL, work, workers);
        if (failed == 0)
            workers->threads++;
    }
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
    pthread_cond_destroy(&workers->more);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
    *workers_pointer = NULL;
}

bool workers_submit(struct workers *workers, struct worker_job *job)
{
    pthread_mutex_lock(&workers->lock);
    bool taken = workers->queued < workers->cap && !workers->closing;
    if (taken) {
        job->task.next = NULL;
        *workers->last = &job->task;
        workers->last = &job->task.next;
        workers->queued++;
        pthread_cond_signal(&workers->more);
    }
    pthread_mutex_unlock(&workers->lock);
    return taken;
}
