/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The desk's threads: a queue a pace, each taken from in order, the urgent first; one thread of two
 * or more is kept from what reads much. A job that cannot be worked on, since the registry is not
 * there, is told so without being run.
 */
#include "proxy/desk/desk.h"

#include "base/harden.h"
#include "base/log.h"
#include "store/notices.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_MOST 1000
/* The index is brought up to date before it is asked, so far in one go: about two seconds' work.
 * Further behind it is being built anew, and cannot say. */
#define CATCH_UP_ROWS 100000
/* So that what was cut short can tidy up. */
#define TIDY_TIME CLOCK_SECOND

struct desk_clerk {
    struct desk_tools tools; /* registry, index and hmac owned */
    pthread_t thread;
    bool started;
    int64_t until; /* clock_monotonic: the job under way is cut short then; INT64_MAX: never */
    bool cut;      /* it was */
};

struct queue {
    struct desk_job *first;
    struct desk_job **last;
    size_t held; /* jobs taken and not done */
    unsigned under_way;
};

struct desk {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct queue queues[DESK_PACES]; /* under lock */
    bool stopping;                   /* under lock */
    _Atomic bool hurried;            /* what is long ends now */
    int64_t long_most;
    char *registry_path; /* owned, as those below */
    char *index_path;
    char *journal_path;
    struct desk_clerk *clerks;
    unsigned n_clerks;
};

/* ---- a job ---- */

static bool reads_much(enum desk_pace pace)
{
    return pace == DESK_PAGE || pace == DESK_LONG;
}

/* SQLite asks every so often. */
static int is_over(void *arg)
{
    struct desk_clerk *clerk = arg;
    if (clerk->until == INT64_MAX)
        return 0;
    int64_t now = clock_monotonic();
    if (now < clerk->until && (clerk->cut || !atomic_load(&clerk->tools.desk->hurried)))
        return 0;
    clerk->cut = true;
    clerk->until = now + TIDY_TIME;
    return 1;
}

/* What is written to a file that another one has replaced, as a restored backup does, is written
 * nowhere. */
static enum result follow(struct desk_tools *tools, struct error *err)
{
    bool moved = false;
    struct registry *fresh = NULL;
    enum result result = registry_has_moved(tools->registry, &moved, err);
    if (result == RESULT_OK && moved)
        result = registry_open(tools->desk->registry_path, false, &fresh, err);
    if (fresh == NULL)
        return result;
    log_event(LOG_LEVEL_WARN, "registry was replaced, opened anew at the desk");
    registry_close(&tools->registry);
    tools->registry = fresh;
    registry_seal_with(fresh, tools->seal);
    registry_watch(fresh, is_over, CONTAINER_OF(tools, struct desk_clerk, tools));
    return RESULT_OK;
}

enum result desk_index(struct desk_tools *tools, struct error *err)
{
    uint64_t rows = 0;
    enum result result = RESULT_OK;
    if (tools->index == NULL)
        result = journal_index_open(tools->desk->index_path, tools->journal_path,
                                    tools->desk->registry_path, &tools->index, err);
    if (result == RESULT_OK)
        journal_index_watch(tools->index, is_over, CONTAINER_OF(tools, struct desk_clerk, tools));
    if (result == RESULT_OK)
        result = journal_index_catch_up(tools->index, CATCH_UP_ROWS, &rows, err);
    if (result == RESULT_OK && rows >= CATCH_UP_ROWS)
        return error_set(err, RESULT_UNAVAILABLE, "the journal's index is far behind");
    if (result != RESULT_OK)
        journal_index_close(&tools->index); /* anew with the next question */
    return result;
}

static void do_job(struct desk_clerk *clerk, struct desk_job *job)
{
    struct desk *desk = clerk->tools.desk;
    job->err = (struct error){0};
    job->late = clerk->cut = false;
    job->result = follow(&clerk->tools, &job->err);
    clerk->until = reads_much(job->pace) ? clock_monotonic() + desk->long_most : INT64_MAX;
    if (job->result == RESULT_OK)
        job->result = job->work(job, &clerk->tools, &job->err);
    clerk->until = INT64_MAX;
    if (job->result == RESULT_OK || !clerk->cut)
        return;
    job->late = !atomic_load(&desk->hurried);
    job->result = error_set(&job->err, RESULT_UNAVAILABLE, "%s",
                            job->late ? "it took too long and was cut short" : "the gate stops");
}

/* ---- the queue ---- */

/* Under lock. NULL: there is nothing that this thread may take now. */
static struct queue *ready(struct desk *desk)
{
    struct queue *pages = &desk->queues[DESK_PAGE];
    struct queue *longs = &desk->queues[DESK_LONG];
    for (int pace = DESK_URGENT; pace < DESK_PAGE; pace++)
        if (desk->queues[pace].first != NULL)
            return &desk->queues[pace];
    unsigned under_way = pages->under_way + longs->under_way;
    if (under_way > 0 && under_way + 1 >= desk->n_clerks)
        return NULL;
    if (pages->first != NULL)
        return pages;
    bool room = longs->under_way == 0 || longs->under_way + 2 < desk->n_clerks;
    return longs->first != NULL && room ? longs : NULL;
}

/* NULL: stopping, and nothing is left for this thread. */
static struct desk_job *take(struct desk *desk)
{
    struct queue *queue;
    struct desk_job *job = NULL;
    pthread_mutex_lock(&desk->lock);
    while ((queue = ready(desk)) == NULL && !desk->stopping)
        pthread_cond_wait(&desk->wake, &desk->lock);
    if (queue != NULL) {
        job = queue->first;
        queue->first = job->next;
        queue->under_way++;
        if (queue->first == NULL)
            queue->last = &queue->first;
    }
    pthread_mutex_unlock(&desk->lock);
    return job;
}

static void done(struct desk *desk, enum desk_pace pace)
{
    pthread_mutex_lock(&desk->lock);
    desk->queues[pace].held--;
    desk->queues[pace].under_way--;
    pthread_cond_signal(&desk->wake); /* another that is long may begin */
    pthread_mutex_unlock(&desk->lock);
}

static void *run(void *arg)
{
    struct desk_clerk *clerk = arg;
    struct desk *desk = clerk->tools.desk;
    struct desk_job *job;
    while ((job = take(desk)) != NULL) {
        do_job(clerk, job);
        done(desk, job->pace);
        loop_post(job->home, &job->task);
    }
    return NULL;
}

bool desk_submit(struct desk *desk, struct desk_job *job)
{
    if (desk == NULL)
        return false;
    struct queue *queue = &desk->queues[job->pace];
    pthread_mutex_lock(&desk->lock);
    bool taken = !desk->stopping && queue->held < QUEUE_MOST;
    if (taken) {
        queue->held++;
        job->next = NULL;
        *queue->last = job;
        queue->last = &job->next;
        pthread_cond_signal(&desk->wake);
    }
    pthread_mutex_unlock(&desk->lock);
    return taken;
}

/* Under lock: what is long and not begun is told that it will not be done. */
static void hand_back(struct queue *queue)
{
    while (queue->first != NULL) {
        struct desk_job *job = queue->first;
        queue->first = job->next;
        queue->held--;
        job->err = (struct error){0};
        job->late = false;
        job->result = error_set(&job->err, RESULT_UNAVAILABLE, "the gate stops");
        loop_post(job->home, &job->task);
    }
    queue->last = &queue->first;
}

/* ---- life ---- */

static void free_desk(struct desk *desk)
{
    for (unsigned i = 0; i < desk->n_clerks; i++) {
        struct desk_tools *tools = &desk->clerks[i].tools;
        registry_close(&tools->registry);
        journal_index_close(&tools->index);
        hmac_free(&tools->hmac);
    }
    free(desk->clerks);
    pthread_cond_destroy(&desk->wake);
    pthread_mutex_destroy(&desk->lock);
    free(desk->registry_path);
    free(desk->index_path);
    free(desk->journal_path);
    free(desk);
}

static enum result equip(struct desk *desk, const struct desk_options *options,
                         struct desk_clerk *clerk, struct error *err)
{
    struct desk_tools *tools = &clerk->tools;
    tools->desk = desk;
    tools->seal = options->seal;
    tools->journal_path = desk->journal_path;
    tools->hmac = hmac_new(options->recipient_key, options->recipient_key_length);
    if (tools->hmac == NULL)
        return error_no_memory(err);
    enum result result = registry_open(desk->registry_path, false, &tools->registry, err);
    if (result != RESULT_OK)
        return result;
    registry_seal_with(tools->registry, tools->seal);
    registry_watch(tools->registry, is_over, clerk);
    clerk->until = INT64_MAX;
    return RESULT_OK;
}

static enum result start_threads(struct desk *desk, struct error *err)
{
    sigset_t all, before;
    int failed = 0;
    harden_thread_signals(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < desk->n_clerks && failed == 0; i++) {
        failed = pthread_create(&desk->clerks[i].thread, NULL, run, &desk->clerks[i]);
        desk->clerks[i].started = failed == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return error_errno(err, RESULT_SYSTEM, failed, "cannot start a thread of the desk");
    return RESULT_OK;
}

void desk_stop(struct desk **desk_pointer)
{
    struct desk *desk = *desk_pointer;
    if (desk == NULL)
        return;
    pthread_mutex_lock(&desk->lock);
    desk->stopping = true;
    atomic_store(&desk->hurried, true);
    hand_back(&desk->queues[DESK_PAGE]);
    hand_back(&desk->queues[DESK_LONG]);
    pthread_cond_broadcast(&desk->wake);
    pthread_mutex_unlock(&desk->lock);
    for (unsigned i = 0; i < desk->n_clerks; i++)
        if (desk->clerks[i].started)
            pthread_join(desk->clerks[i].thread, NULL);
    free_desk(desk);
    *desk_pointer = NULL;
}

enum result desk_start(const struct desk_options *options, struct desk **desk_out,
                       struct error *err)
{
    struct desk *desk = calloc(1, sizeof(*desk));
    if (desk == NULL)
        return error_no_memory(err);
    pthread_mutex_init(&desk->lock, NULL);
    pthread_cond_init(&desk->wake, NULL);
    for (size_t i = 0; i < DESK_PACES; i++)
        desk->queues[i].last = &desk->queues[i].first;
    desk->long_most = options->long_most;
    desk->registry_path = strdup(options->registry_path);
    desk->index_path = strdup(options->index_path);
    desk->journal_path = strdup(options->journal_path);
    desk->clerks = calloc(options->threads, sizeof(*desk->clerks));
    desk->n_clerks = desk->clerks != NULL ? options->threads : 0;
    enum result result = RESULT_OK;
    if (desk->registry_path == NULL || desk->index_path == NULL || desk->journal_path == NULL ||
        desk->clerks == NULL)
        result = error_no_memory(err);
    for (unsigned i = 0; i < desk->n_clerks && result == RESULT_OK; i++)
        result = equip(desk, options, &desk->clerks[i], err);
    if (result == RESULT_OK)
        result = start_threads(desk, err);
    if (result != RESULT_OK) {
        desk_stop(&desk);
        return result;
    }
    *desk_out = desk;
    return RESULT_OK;
}
