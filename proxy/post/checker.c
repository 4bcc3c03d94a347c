/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/post/checker.h"

#include "base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICENESS 15

struct checker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    _Atomic bool stopping;
    uint64_t asked;      /* under lock; the run that is wanted */
    uint64_t begun;      /* likewise */
    struct checked last; /* likewise */
    char *journal_path;  /* owned, as the next */
    char *index_path;
    const struct signing_key *key; /* borrowed */
};

static void check(struct checker *checker, uint64_t run)
{
    struct checked now = {.run = run, .at = clock_now()};
    const struct verify_calls calls = {.stop = &checker->stopping};
    now.result = journal_verify(checker->journal_path, checker->key, checker->index_path, &calls,
                                &now.report, &now.why);
    pthread_mutex_lock(&checker->lock);
    checker->last = now;
    pthread_mutex_unlock(&checker->lock);
}

static void *run(void *arg)
{
    struct checker *checker = arg;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    pthread_mutex_lock(&checker->lock);
    while (!checker->stopping) {
        if (checker->begun >= checker->asked) {
            pthread_cond_wait(&checker->wake, &checker->lock);
            continue;
        }
        uint64_t number = checker->begun = checker->asked;
        pthread_mutex_unlock(&checker->lock);
        check(checker, number);
        pthread_mutex_lock(&checker->lock);
    }
    pthread_mutex_unlock(&checker->lock);
    return NULL;
}

uint64_t checker_ask(struct checker *checker)
{
    pthread_mutex_lock(&checker->lock);
    uint64_t number = ++checker->asked;
    pthread_cond_signal(&checker->wake);
    pthread_mutex_unlock(&checker->lock);
    return number;
}

void checker_last(struct checker *checker, struct checked *out)
{
    pthread_mutex_lock(&checker->lock);
    *out = checker->last;
    out->under_way = checker->asked > checker->last.run;
    pthread_mutex_unlock(&checker->lock);
}

static void free_checker(struct checker *checker)
{
    pthread_cond_destroy(&checker->wake);
    pthread_mutex_destroy(&checker->lock);
    free(checker->journal_path);
    free(checker->index_path);
    free(checker);
}

enum result checker_start(const char *journal_path, const char *index_path,
                          const struct signing_key *key, struct checker **checker_out,
                          struct error *err)
{
    struct checker *checker = calloc(1, sizeof(*checker));
    if (checker == NULL)
        return error_no_memory(err);
    pthread_mutex_init(&checker->lock, NULL);
    pthread_cond_init(&checker->wake, NULL);
    checker->key = key;
    checker->journal_path = strdup(journal_path);
    checker->index_path = strdup(index_path);
    if (checker->journal_path == NULL || checker->index_path == NULL) {
        free_checker(checker);
        return error_no_memory(err);
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&checker->thread, NULL, run, checker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        free_checker(checker);
        return error_errno(err, RESULT_SYSTEM, failed, "cannot start the thread of the check");
    }
    *checker_out = checker;
    return RESULT_OK;
}

void checker_stop(struct checker **checker_pointer)
{
    struct checker *checker = *checker_pointer;
    if (checker == NULL)
        return;
    pthread_mutex_lock(&checker->lock);
    checker->stopping = true;
    pthread_cond_signal(&checker->wake);
    pthread_mutex_unlock(&checker->lock);
    pthread_join(checker->thread, NULL);
    free_checker(checker);
    *checker_pointer = NULL;
}
