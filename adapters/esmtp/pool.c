/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers of one provider and the letters that wait for them. The lock is held for a few
 * instructions only. At its end the pool joins the threads that come back and lets go of those that
 * are stuck in the library, so that they never hold up a reload or the end of the process; the last
 * of them frees the pool.
 *
 * What each letter shows of the provider's health is told to its breaker here, and who may try
 * while it is out of service is asked here. The provider's lock may be taken inside the pool's.
 */
#include "adapters/esmtp/esmtp.h"
#include "base/clock.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/wake.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* How often the deadline is looked at: the worker moves it as it gets on. */
#define TICK (CLOCK_SECOND / 5)
/* How long the end of a provider waits for workers that are not stuck for good. */
#define CLOSE_PATIENCE_S 1

struct worker {
    struct esmtp_pool *pool;
    pthread_t id;
    bool ended; /* under lock: it touches nothing of the pool any more */
};

struct esmtp_pool {
    struct esmtp_route route;
    pthread_mutex_t lock;
    pthread_cond_t more;      /* a letter waits, or the pool closes */
    pthread_cond_t fewer;     /* a thread ended */
    struct submission *first; /* those that wait; all below under lock */
    struct submission **last;
    unsigned waiting; /* how many those are */
    unsigned started; /* workers[0 … started-1] */
    unsigned threads; /* of those, not ended */
    unsigned idle;
    unsigned stuck;    /* workers at a letter that was given up */
    unsigned standing; /* letters whose connection may carry mail, given up or not */
    bool closing;
    bool orphan; /* the provider is gone: the last thread frees the pool */
    struct worker workers[];
};

static void submission_free(struct submission *submission)
{
    letter_free(&submission->letter);
    free(submission);
}

static void pool_free(struct esmtp_pool *pool)
{
    SSL_CTX_free(pool->route.tls);
    if (pool->route.owner != NULL)
        config_unref(&pool->route.owner);
    pthread_cond_destroy(&pool->more);
    pthread_cond_destroy(&pool->fewer);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* ---- the workers ---- */

/* With the lock held, before and after. */
static void work_at(struct esmtp_pool *pool, struct submission *submission)
{
    pool->first = submission->next;
    if (pool->first == NULL)
        pool->last = &pool->first;
    pool->waiting--;
    submission->state = ESMTP_RUNNING;
    pthread_mutex_unlock(&pool->lock);
    esmtp_deliver(&pool->route, submission);
    pthread_mutex_lock(&pool->lock);
}

void esmtp_connected(struct submission *submission)
{
    struct esmtp_pool *pool = submission->pool;
    pthread_mutex_lock(&pool->lock);
    submission->standing = true;
    pool->standing++;
    /* While somebody waits the provider is there. It is told at once, not when the message is
     * answered: that may take minutes, and others need not wait for it. */
    if (!submission->given_up)
        provider_connected(submission->provider);
    pthread_mutex_unlock(&pool->lock);
}

void esmtp_report(struct submission *submission)
{
    struct esmtp_pool *pool = submission->pool;
    pthread_mutex_lock(&pool->lock);
    bool given_up = submission->given_up;
    if (submission->standing)
        pool->standing--;
    if (given_up) {
        pool->stuck--;
    } else {
        submission->state = ESMTP_DONE;
        loop_post(submission->home, &submission->task);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!given_up)
        return;
    /* It was answered for already, by its deadline or by nobody. */
    log_event(LOG_LEVEL_INFO, "late answer dropped", LOG_TEXT("provider", pool->route.config->name),
              LOG_NUMBER("outcome", submission->result.outcome),
              LOG_NUMBER("code", submission->result.reply.code));
    submission_free(submission);
}

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    struct esmtp_pool *pool = worker->pool;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->first == NULL && !pool->closing) {
            pool->idle++;
            pthread_cond_wait(&pool->more, &pool->lock);
            pool->idle--;
        }
        if (pool->first == NULL)
            break;
        work_at(pool, pool->first);
    }
    worker->ended = true;
    pool->threads--;
    bool last = pool->threads == 0 && pool->orphan;
    pthread_cond_broadcast(&pool->fewer);
    pthread_mutex_unlock(&pool->lock);
    if (last)
        pool_free(pool);
    return NULL;
}

/* With the lock held, for one letter more. False when there is no thread at all and none can be
 * made. Who is idle may be wanted already by a letter before: it has not come round yet. */
static bool staff(struct esmtp_pool *pool)
{
    if (pool->idle > pool->waiting || pool->started >= pool->route.config->connections)
        return true;
    struct worker *worker = &pool->workers[pool->started];
    sigset_t all, before;
    worker->pool = pool;
    harden_thread_signals(&all); /* SIGPIPE, too: write(2) inside the library raises it */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&worker->id, NULL, run_worker, worker) == 0) {
        pool->started++;
        pool->threads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool->threads > 0;
}

enum result esmtp_pool_new(struct esmtp_route route, struct esmtp_pool **pool_out,
                           struct error *err)
{
    struct esmtp_pool *pool =
        calloc(1, sizeof(*pool) + route.config->connections * sizeof(struct worker));
    if (pool == NULL) {
        SSL_CTX_free(route.tls);
        if (route.owner != NULL)
            config_unref(&route.owner);
        return error_no_memory(err);
    }
    pool->route = route;
    pool->last = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->more, NULL);
    wake_init(&pool->fewer);
    *pool_out = pool;
    return RESULT_OK;
}

void esmtp_pool_close(struct esmtp_pool **pool_pointer)
{
    struct esmtp_pool *pool = *pool_pointer;
    int64_t until = clock_monotonic() + CLOSE_PATIENCE_S * CLOCK_SECOND;
    *pool_pointer = NULL;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->more);
    while (pool->threads > 0 && clock_monotonic() < until)
        wake_wait_until(&pool->fewer, &pool->lock, until);
    bool empty = pool->threads == 0;
    if (!empty)
        log_event(LOG_LEVEL_WARN, "workers left behind",
                  LOG_TEXT("provider", pool->route.config->name),
                  LOG_NUMBER("workers", pool->threads));
    for (unsigned i = 0; i < pool->started; i++) {
        if (pool->workers[i].ended)
            pthread_join(pool->workers[i].id, NULL); /* it has let go of the lock: we hold it */
        else
            pthread_detach(pool->workers[i].id);
    }
    pool->orphan = true;
    pthread_mutex_unlock(&pool->lock);
    if (empty)
        pool_free(pool);
}

/* ---- on the loop ---- */

static void count_busy(struct provider *provider, int change)
{
    pthread_mutex_lock(&provider->lock);
    provider->state.busy += (unsigned)change;
    provider->state.connections += (unsigned)change;
    pthread_mutex_unlock(&provider->lock);
}

/* Nobody waits for it any more. Who frees the rest depends on who has it. */
static void give_up(struct submission *submission)
{
    struct esmtp_pool *pool = submission->pool;
    event_free(submission->timer);
    submission->timer = NULL;
    submission->done = NULL;
    count_busy(submission->provider, -1);
    pthread_mutex_lock(&pool->lock);
    enum esmtp_state state = submission->state;
    if (state == ESMTP_WAITING) {
        struct submission **at = &pool->first;
        while (*at != submission)
            at = &(*at)->next;
        *at = submission->next;
        if (*at == NULL)
            pool->last = at;
        pool->waiting--;
    } else if (state == ESMTP_RUNNING) {
        submission->given_up = true;
        pool->stuck++;
    }
    pthread_mutex_unlock(&pool->lock);
    if (state == ESMTP_WAITING)
        submission_free(submission);
    /* ESMTP_DONE: the task that was posted frees it. */
}

/* It went out of service: nobody waits for it. Who was admitted to it and still waits for a worker
 * is told so at home. */
static void turn_out(struct esmtp_pool *pool, struct provider *provider)
{
    struct submission_result result = {.outcome = OUTCOME_NONE, .nothing_said = true};
    if (!provider_is_out(provider, &result.why))
        return; /* back already */
    pthread_mutex_lock(&pool->lock);
    struct submission *next = pool->first;
    pool->first = NULL;
    pool->last = &pool->first;
    pool->waiting = 0;
    while (next != NULL) {
        struct submission *submission = next;
        next = submission->next;
        submission->result = result;
        submission->state = ESMTP_DONE;
        loop_post(submission->home, &submission->task);
    }
    pthread_mutex_unlock(&pool->lock);
}

static bool others_stand(struct esmtp_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    bool others = pool->standing > 0;
    pthread_mutex_unlock(&pool->lock);
    return others;
}

/* What the end of a letter shows. It may be freed right after. */
static void tell_health(const struct submission *submission, enum esmtp_reach reach,
                        const struct error *why)
{
    struct provider *provider = submission->provider;
    bool opened = false;
    /* It answers, and has others of ours: nothing is wrong with it. */
    if (reach == REACH_AWAY && others_stand(submission->pool))
        reach = REACH_NOWHERE;
    switch (reach) {
    case REACH_NOWHERE:
        provider_abandoned(provider, submission->probe);
        break;
    case REACH_ATTEMPT:
    case REACH_AWAY:
        opened = provider_unconnected(provider, submission->probe, why);
        break;
    case REACH_CONNECTED:
        break; /* told when it was */
    case REACH_SILENCE:
        opened = provider_unanswered(provider, why);
        break;
    case REACH_ANSWER:
        provider_answered(provider);
        break;
    }
    if (opened)
        turn_out(submission->pool, provider);
}

static void run_done(struct loop_task *task)
{
    struct submission *submission = CONTAINER_OF(task, struct submission, task);
    if (submission->done != NULL) {
        event_free(submission->timer);
        count_busy(submission->provider, -1);
        if (submission->offers.bits != 0)
            provider_learned(submission->provider, submission->home, &submission->offers);
        tell_health(submission, submission->reach, &submission->result.why);
        submission->done(submission->arg, &submission->result);
    }
    submission_free(submission);
}

/* The worker is stuck, or none came free. */
static void overrun(struct submission *submission)
{
    struct submission_result result = {.outcome = OUTCOME_NONE};
    struct esmtp_pool *pool = submission->pool;
    const char *name = pool->route.config->name;
    int open = CONTENT_OPEN;
    pthread_mutex_lock(&pool->lock);
    enum esmtp_state state = submission->state;
    enum esmtp_reach reach = state == ESMTP_WAITING ? REACH_NOWHERE
                             : submission->standing ? REACH_SILENCE
                                                    : REACH_ATTEMPT;
    pthread_mutex_unlock(&pool->lock);
    if (state == ESMTP_DONE)
        return; /* the answer is in the mailbox */
    if (atomic_compare_exchange_strong(&submission->content, &open, CONTENT_CANCELLED)) {
        result.nothing_said = !atomic_load(&submission->said);
        error_set(&result.why, RESULT_UNAVAILABLE, "provider %s: %s", name,
                  state == ESMTP_WAITING ? "no connection became free in time"
                                         : "no answer in time");
    } else {
        result.outcome = OUTCOME_UNKNOWN;
        error_set(&result.why, RESULT_UNAVAILABLE, "provider %s: no answer to the message in time",
                  name);
        reply_format(&result.reply, 451, "4.4.2 the answer to the message was lost: %s",
                     result.why.text);
    }
    submission_done_fn *done = submission->done;
    void *arg = submission->arg;
    tell_health(submission, reach, &result.why);
    give_up(submission);
    done(arg, &result);
}

static void arm(struct submission *submission)
{
    int64_t left = atomic_load(&submission->deadline) - clock_monotonic();
    if (left > TICK)
        left = TICK;
    if (left < 1)
        left = 1;
    struct timeval after = {.tv_sec = left / CLOCK_SECOND, .tv_usec = left % CLOCK_SECOND};
    event_add(submission->timer, &after);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct submission *submission = arg;
    (void)fd;
    (void)what;
    if (clock_monotonic() >= atomic_load(&submission->deadline))
        overrun(submission);
    else
        arm(submission);
}

static bool not_stuck(struct esmtp_pool *pool, struct error *err)
{
    pthread_mutex_lock(&pool->lock);
    bool ready = pool->stuck < pool->route.config->connections;
    pthread_mutex_unlock(&pool->lock);
    if (!ready)
        error_set(err, RESULT_UNAVAILABLE, "provider %s: all its connections are stuck",
                  pool->route.config->name);
    return ready;
}

bool esmtp_ready(struct provider_port *port, struct error *err)
{
    return not_stuck(port->provider->own, err) && provider_may_begin(port->provider, err);
}

static bool enqueue(struct esmtp_pool *pool, struct submission *submission)
{
    pthread_mutex_lock(&pool->lock);
    bool taken = staff(pool);
    if (taken) {
        *pool->last = submission;
        pool->last = &submission->next;
        pool->waiting++;
        pthread_cond_signal(&pool->more);
    }
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

struct submission *esmtp_send(struct provider_port *port, struct letter *letter,
                              submission_done_fn *done, void *arg, struct error *err)
{
    struct esmtp_pool *pool = port->provider->own;
    struct submission *submission = calloc(1, sizeof(*submission));
    if (submission == NULL) {
        letter_free(&letter);
        error_no_memory(err);
        return NULL;
    }
    submission->letter = letter;
    submission->timer = evtimer_new(loop_base(port->loop), on_timer, submission);
    if (submission->timer == NULL) {
        submission_free(submission);
        error_no_memory(err);
        return NULL;
    }
    submission->task.run = run_done;
    submission->pool = pool;
    submission->home = port->loop;
    submission->provider = port->provider;
    submission->content_stall = port->provider->content_stall;
    submission->done = done;
    submission->arg = arg;
    atomic_init(&submission->content, CONTENT_OPEN);
    atomic_init(&submission->said, false);
    atomic_init(&submission->deadline, clock_monotonic() + pool->route.config->connect_timeout);
    /* There is no attempt without a message, so none that it should give way to. */
    bool taken =
        not_stuck(pool, err) && provider_admit(port->provider, false, &submission->probe, err);
    if (taken && !enqueue(pool, submission)) {
        provider_abandoned(port->provider, submission->probe);
        error_set(err, RESULT_SYSTEM, "cannot start a worker thread");
        taken = false;
    }
    if (!taken) {
        event_free(submission->timer);
        submission_free(submission);
        return NULL;
    }
    count_busy(port->provider, 1);
    arm(submission);
    return submission;
}

void esmtp_cancel(struct submission **submission_pointer)
{
    struct submission *submission = *submission_pointer;
    int open = CONTENT_OPEN;
    struct esmtp_pool *pool = submission->pool;
    *submission_pointer = NULL;
    atomic_compare_exchange_strong(&submission->content, &open, CONTENT_CANCELLED);
    pthread_mutex_lock(&pool->lock);
    enum esmtp_reach reach = submission->state == ESMTP_DONE ? submission->reach
                             : submission->standing          ? REACH_CONNECTED
                                                             : REACH_NOWHERE;
    pthread_mutex_unlock(&pool->lock);
    tell_health(submission, reach, &submission->result.why);
    give_up(submission);
}
