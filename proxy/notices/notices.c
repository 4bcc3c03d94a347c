/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/notices/notices.h"

#include "adapters/webhook.h"
#include "base/clock.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/loop.h"
#include "proxy/notices/courier.h"
#include "proxy/notices/spread.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS     500 /* how soon a notice of another process is seen */
#define RECORD_MS   5   /* a row of the journal is durable in about that */
#define FAREWELL    (3 * CLOCK_SECOND)
#define COUNT_EVERY (10 * CLOCK_SECOND)
/* The index is brought up to date before it is asked; further behind it is being built anew, and
 * notices that name nobody wait for it. */
#define CATCH_UP_ROWS 100000

struct notices {
    pthread_t thread;
    pthread_mutex_t lock;
    struct config *config;         /* owned reference; under lock */
    struct delivery_counts counts; /* under lock */
    bool stopping;                 /* under lock */
    struct webhooks *webhooks;     /* owned; the thread's, but for webhooks_wake */
    struct journal *journal;       /* borrowed */
    char *registry_path, *index_path, *journal_path, *gateway; /* owned */
    struct registry *registry;   /* owned; the thread's, as those below */
    struct journal_index *index; /* owned; NULL: to be opened */
    struct courier *courier;     /* owned */
    struct loop *loop;           /* owned: the mailbox for the journal's answers */
    struct loop_task durable;
    enum result recorded;
    bool recording;
    bool failing; /* the last turn did not succeed */
    bool overdue; /* and that was said */
    int64_t count_at;
};

/* ---- what the courier is given ---- */

static bool post(void *arg, const struct webhook_call *call, webhook_answer_fn *answer, void *owner)
{
    return webhooks_post(((struct notices *)arg)->webhooks, call, answer, owner);
}

static void on_durable(struct loop_task *task)
{
    struct notices *notices = CONTAINER_OF(task, struct notices, durable);
    notices->recording = false;
    courier_recorded(notices->courier, notices->recorded);
}

static void record(void *arg, struct journal_batch *batch)
{
    struct notices *notices = arg;
    notices->recording = true;
    notices->durable.run = on_durable;
    journal_append(notices->journal, batch, notices->loop, &notices->durable, &notices->recorded);
}

/* ---- a turn ---- */

/* After a restore the file of that name is another one. */
static enum result follow_registry(struct notices *notices, struct error *err)
{
    bool moved = false;
    struct registry *fresh = NULL;
    enum result result = registry_has_moved(notices->registry, &moved, err);
    if (result == RESULT_OK && moved)
        result = registry_open(notices->registry_path, false, &fresh, err);
    if (fresh == NULL)
        return result;
    log_event(LOG_LEVEL_WARN, "registry was replaced, opened anew for notices");
    registry_close(&notices->registry);
    notices->registry = fresh;
    return RESULT_OK;
}

static enum result catch_up(struct notices *notices, bool *there_out, struct error *err)
{
    uint64_t rows = 0;
    enum result result = RESULT_OK;
    if (notices->index == NULL)
        result = journal_index_open(notices->index_path, notices->journal_path,
                                    notices->registry_path, &notices->index, err);
    if (result == RESULT_OK)
        result = journal_index_catch_up(notices->index, CATCH_UP_ROWS, &rows, err);
    if (result != RESULT_OK)
        journal_index_close(&notices->index); /* anew with the next turn */
    *there_out = result == RESULT_OK && rows < CATCH_UP_ROWS;
    return result;
}

/* Notices that name their partners go on their way also while the index cannot say. */
static enum result spread(struct notices *notices, const struct config *config, bool *more_out,
                          struct error *err)
{
    bool wanted = false, there = false;
    struct error why = {0};
    *more_out = false;
    enum result result = spread_wanted(notices->registry, &wanted, err);
    if (!wanted)
        return result;
    enum result caught_up = catch_up(notices, &there, &why);
    result = spread_notices(notices->registry, there ? notices->index : NULL, config, clock_now(),
                            more_out, err);
    if (result == RESULT_OK && caught_up != RESULT_OK) {
        *err = why;
        return caught_up;
    }
    return result;
}

static struct config *take_config(struct notices *notices, bool *stopping_out)
{
    pthread_mutex_lock(&notices->lock);
    struct config *config = config_ref(notices->config);
    *stopping_out = notices->stopping;
    pthread_mutex_unlock(&notices->lock);
    return config;
}

/* Each partner has its own idea of what is overdue. */
static enum result count(struct notices *notices, const struct config *config, struct error *err)
{
    struct delivery_counts all;
    int64_t now = clock_now();
    if (clock_monotonic() < notices->count_at)
        return RESULT_OK;
    notices->count_at = clock_monotonic() + COUNT_EVERY;
    enum result result = registry_delivery_counts(notices->registry, &all, err);
    for (size_t i = 0; i < config->n_notices && result == RESULT_OK; i++) {
        const struct notices_config *partner = &config->notices[i];
        uint64_t own;
        result = registry_overdue_deliveries(notices->registry, partner->partner->id,
                                             now - partner->overdue_after, &own, NULL, err);
        all.overdue += own;
    }
    if (result != RESULT_OK)
        return result;
    if (all.overdue > 0 && !notices->overdue)
        log_event(LOG_LEVEL_ERROR, "partners were told of withdrawals and do not acknowledge them",
                  LOG_NUMBER("overdue", (int64_t)all.overdue));
    notices->overdue = all.overdue > 0;
    pthread_mutex_lock(&notices->lock);
    notices->counts = all;
    pthread_mutex_unlock(&notices->lock);
    return RESULT_OK;
}

static void turn(struct notices *notices, const struct config *config, bool *more_out)
{
    struct error err = {0};
    *more_out = false;
    enum result result = follow_registry(notices, &err);
    if (result == RESULT_OK)
        result = spread(notices, config, more_out, &err);
    /* What is due is delivered also when something new could not be spread. */
    struct error why = {0};
    enum result delivered =
        courier_turn(notices->courier, notices->registry, config, clock_now(), &why);
    if (result == RESULT_OK && delivered != RESULT_OK) {
        result = delivered;
        err = why;
    }
    if (result == RESULT_OK)
        result = count(notices, config, &err);
    if (result != RESULT_OK && !notices->failing)
        log_event(LOG_LEVEL_ERROR, "partners cannot be told of withdrawals now",
                  LOG_TEXT("reason", err.text));
    notices->failing = result != RESULT_OK;
}

static void farewell(struct notices *notices)
{
    struct error err;
    int64_t until = clock_monotonic() + FAREWELL;
    while (courier_open(notices->courier) > 0 && clock_monotonic() < until) {
        webhooks_wait(notices->webhooks, RECORD_MS);
        loop_turn(notices->loop);
        (void)courier_finish(notices->courier, notices->registry, clock_now(), &err);
    }
    while (notices->recording) { /* the journal answers yet */
        clock_sleep(1000);
        loop_turn(notices->loop);
    }
    webhooks_free(&notices->webhooks);
}

static void *run(void *arg)
{
    struct notices *notices = arg;
    for (;;) {
        bool stopping, more;
        struct config *config = take_config(notices, &stopping);
        if (!stopping)
            turn(notices, config, &more);
        config_unref(&config);
        if (stopping)
            break;
        webhooks_wait(notices->webhooks, more ? 0 : notices->recording ? RECORD_MS : LOOK_MS);
        loop_turn(notices->loop);
    }
    farewell(notices);
    return NULL;
}

/* ---- life ---- */

static void free_notices(struct notices *notices)
{
    courier_free(&notices->courier);
    webhooks_free(&notices->webhooks);
    registry_close(&notices->registry);
    if (notices->index != NULL)
        journal_index_close(&notices->index);
    loop_free(&notices->loop);
    config_unref(&notices->config);
    pthread_mutex_destroy(&notices->lock);
    free(notices->registry_path);
    free(notices->index_path);
    free(notices->journal_path);
    free(notices->gateway);
    free(notices);
}

static enum result equip(struct notices *notices, const struct notices_options *options,
                         struct error *err)
{
    const struct courier_ops ops = {.arg = notices, .post = post, .record = record};
    notices->registry_path = strdup(options->registry_path);
    notices->index_path = strdup(options->index_path);
    notices->journal_path = strdup(options->journal_path);
    notices->gateway = strdup(options->config->hostname);
    if (notices->registry_path == NULL || notices->index_path == NULL ||
        notices->journal_path == NULL || notices->gateway == NULL)
        return error_no_memory(err);
    notices->courier = courier_new(&ops, notices->gateway, options->seal);
    if (notices->courier == NULL)
        return error_no_memory(err);
    enum result result = loop_new(options->loop_index, &notices->loop, err);
    if (result == RESULT_OK)
        result = webhooks_new(&notices->webhooks, err);
    if (result == RESULT_OK)
        result = registry_open(notices->registry_path, false, &notices->registry, err);
    return result;
}

static enum result start_thread(struct notices *notices, struct error *err)
{
    sigset_t all, before;
    harden_thread_signals(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&notices->thread, NULL, run, notices);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0 ? RESULT_OK
                       : error_errno(err, RESULT_SYSTEM, failed, "cannot start a thread");
}

enum result notices_start(const struct notices_options *options, struct notices **notices_out,
                          struct error *err)
{
    struct notices *notices = calloc(1, sizeof(*notices));
    if (notices == NULL)
        return error_no_memory(err);
    pthread_mutex_init(&notices->lock, NULL);
    notices->config = config_ref(options->config);
    notices->journal = options->journal;
    enum result result = equip(notices, options, err);
    if (result == RESULT_OK)
        result = start_thread(notices, err);
    if (result == RESULT_OK)
        *notices_out = notices;
    else
        free_notices(notices);
    return result;
}

void notices_follow(struct notices *notices, struct config *config)
{
    if (notices == NULL)
        return;
    pthread_mutex_lock(&notices->lock);
    struct config *before = notices->config;
    notices->config = config_ref(config);
    pthread_mutex_unlock(&notices->lock);
    config_unref(&before);
}

void notices_stop(struct notices **notices_pointer)
{
    struct notices *notices = *notices_pointer;
    if (notices == NULL)
        return;
    pthread_mutex_lock(&notices->lock);
    notices->stopping = true;
    /* Under the lock: once the thread has seen that it is to end, it frees what would be woken. */
    webhooks_wake(notices->webhooks);
    pthread_mutex_unlock(&notices->lock);
    pthread_join(notices->thread, NULL);
    free_notices(notices);
    *notices_pointer = NULL;
}

void notices_counts(struct notices *notices, struct delivery_counts *counts_out)
{
    *counts_out = (struct delivery_counts){0};
    if (notices == NULL)
        return;
    pthread_mutex_lock(&notices->lock);
    *counts_out = notices->counts;
    pthread_mutex_unlock(&notices->lock);
}
