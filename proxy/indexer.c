/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/indexer.h"

#include "base/clock.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/wake.h"
#include "store/journal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define INTERVAL    (CLOCK_SECOND / 2)
#define NICENESS    10
#define BUSY_ROWS   1000  /* in an interval: a thousand messages a second */
#define BEHIND_MOST 50000 /* rows, which take about a second to index */

struct indexer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;               /* under lock */
    struct journal *journal;     /* under lock; borrowed; NULL once let go */
    _Atomic uint64_t indexed;    /* rows, at least */
    _Atomic bool looked;         /* at the index, once */
    uint64_t seen;               /* rows of the journal, when it was last looked at */
    struct journal_index *index; /* owned; the thread's */
    bool failing;
};

/* False once it was let go. */
static bool look(struct indexer *indexer, struct journal_state *state_out)
{
    pthread_mutex_lock(&indexer->lock);
    bool there = indexer->journal != NULL;
    if (there)
        journal_state(indexer->journal, state_out);
    pthread_mutex_unlock(&indexer->lock);
    return there;
}

static bool may_wait(struct indexer *indexer, const struct journal_state *state)
{
    bool busy = state->rows - indexer->seen >= BUSY_ROWS;
    indexer->seen = state->rows;
    return busy && state->rows - indexer->indexed < BEHIND_MOST;
}

static void catch_up(struct indexer *indexer)
{
    uint64_t rows;
    struct error err;
    struct journal_state state = {.rows = indexer->seen};
    bool waits = look(indexer, &state) && may_wait(indexer, &state);
    enum result result = waits ? journal_index_note(indexer->index, &state, &err)
                               : journal_index_catch_up(indexer->index, 0, &rows, &err);
    /* The index can always be rebuilt; the authority is elsewhere. Say it once and go on. */
    if (result != RESULT_OK && !indexer->failing)
        log_event(LOG_LEVEL_ERROR, "the journal's index falls behind",
                  LOG_TEXT("reason", err.text));
    indexer->failing = result != RESULT_OK;
    if (result == RESULT_OK && !waits)
        atomic_store(&indexer->indexed, state.rows);
    if (!waits)
        atomic_store(&indexer->looked, true);
}

/* Sessions come first: nobody waits for the index, and who reads it catches up before. Where the
 * processor is not short this changes nothing. */
static void be_nice(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
}

static void *run(void *arg)
{
    struct indexer *indexer = arg;
    be_nice();
    pthread_mutex_lock(&indexer->lock);
    while (!indexer->stopping) {
        wake_wait(&indexer->wake, &indexer->lock, INTERVAL);
        pthread_mutex_unlock(&indexer->lock);
        catch_up(indexer);
        pthread_mutex_lock(&indexer->lock);
    }
    pthread_mutex_unlock(&indexer->lock);
    return NULL;
}

enum result indexer_start(struct journal *journal, const char *index_path,
                          const char *journal_directory, const char *registry_path,
                          struct indexer **indexer_out, struct error *err)
{
    struct indexer *indexer = calloc(1, sizeof(*indexer));
    if (indexer == NULL)
        return error_no_memory(err);
    indexer->journal = journal;
    pthread_mutex_init(&indexer->lock, NULL);
    wake_init(&indexer->wake);
    enum result result =
        journal_index_open(index_path, journal_directory, registry_path, &indexer->index, err);
    if (result == RESULT_OK) {
        sigset_t all, before;
        harden_thread_signals(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int failed = pthread_create(&indexer->thread, NULL, run, indexer);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (failed != 0)
            result = error_errno(err, RESULT_SYSTEM, failed, "cannot start the indexer's thread");
    }
    if (result != RESULT_OK) {
        journal_index_close(&indexer->index);
        free(indexer);
        return result;
    }
    *indexer_out = indexer;
    return RESULT_OK;
}

bool indexer_rows(const struct indexer *indexer, uint64_t *rows_out)
{
    *rows_out = atomic_load(&indexer->indexed);
    return atomic_load(&indexer->looked);
}

void indexer_let_go(struct indexer *indexer)
{
    if (indexer == NULL)
        return;
    pthread_mutex_lock(&indexer->lock);
    indexer->journal = NULL;
    pthread_mutex_unlock(&indexer->lock);
}

void indexer_stop(struct indexer **indexer_pointer)
{
    struct indexer *indexer = *indexer_pointer;
    if (indexer == NULL)
        return;
    pthread_mutex_lock(&indexer->lock);
    indexer->stopping = true;
    pthread_cond_signal(&indexer->wake);
    pthread_mutex_unlock(&indexer->lock);
    pthread_join(indexer->thread, NULL);
    catch_up(indexer); /* the journal was let go: nothing grows, nothing is put off */
    journal_index_close(&indexer->index);
    pthread_cond_destroy(&indexer->wake);
    pthread_mutex_destroy(&indexer->lock);
    free(indexer);
    *indexer_pointer = NULL;
}
