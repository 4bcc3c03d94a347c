/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorder's thread. A withdrawal is told only after its transaction was committed, and the
 * registry's connection syncs with each commit; whatever fails is told as a failure, so that who
 * brought it keeps it. The journal vouches for the registry soon after (anchor.h).
 */
#include "proxy/sms/recorder.h"

#include "base/harden.h"
#include "base/log.h"
#include "base/wake.h"
#include "proxy/sms/withdrawal.h"
#include "store/notices.h"
#include "wire/receipt.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_MOST 10000 /* of each kind: no flood of reports keeps a STOP out */
#define BATCH_MOST 256   /* withdrawals in one transaction: some ten milliseconds */
/* How long a message that was sent makes a partner one of those who are meant by a STOP to a number
 * that several share. Campaigns are weeks apart, and people answer the last text they find. */
#define LATELY (90 * CLOCK_DAY)
/* The index is brought up to date before it is asked, so far in one go: about two seconds' work.
 * Further behind it is being built anew, and cannot say. */
#define CATCH_UP_ROWS 100000
/* A report may come before its message is on record; a few looks more, and it is unknown. */
#define LOOKS         3
#define LOOK_AGAIN_IN (CLOCK_SECOND / 2)

struct job_list {
    struct recorder_job *first;
    struct recorder_job **last;
};

struct recorder {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job_list waiting;     /* under lock */
    size_t held[RECORDER_KINDS]; /* under lock: jobs taken and not done */
    bool stopping;               /* under lock */
    struct sent *sent;           /* borrowed */
    const struct seal *seal;     /* borrowed; NULL: none */
    char *registry_path;         /* owned */
    struct registry *writer;     /* owned; the thread's, as those below */
    char *index_path;            /* owned */
    char *directory;             /* owned */
    struct journal_index *db;    /* owned; NULL: to be opened */
    bool failing;                /* the index did not answer the last question */
    struct job_list later;       /* to be looked at again */
};

static void list_init(struct job_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static void list_push(struct job_list *list, struct recorder_job *job)
{
    job->next = NULL;
    *list->last = job;
    list->last = &job->next;
}

static struct recorder_job *list_pop(struct job_list *list)
{
    struct recorder_job *job = list->first;
    if (job == NULL)
        return NULL;
    list->first = job->next;
    if (list->first == NULL)
        list->last = &list->first;
    return job;
}

void recorder_job_end(struct recorder_job *job)
{
    free(job->named);
    job->named = NULL;
    job->n_named = 0;
}

static void tell(struct recorder *recorder, struct recorder_job *job, enum result result)
{
    struct loop *home = job->home;
    job->result = result;
    pthread_mutex_lock(&recorder->lock);
    recorder->held[job->kind]--;
    pthread_mutex_unlock(&recorder->lock);
    if (home != NULL)
        loop_post(home, &job->task);
    else
        job->task.run(&job->task);
}

/* ---- the journal's index ---- */

/* Up to what is durable now. */
static enum result catch_up(struct recorder *recorder, struct error *err)
{
    uint64_t rows = 0;
    enum result result = RESULT_OK;
    if (recorder->db == NULL)
        result = journal_index_open(recorder->index_path, recorder->directory,
                                    recorder->registry_path, &recorder->db, err);
    if (result == RESULT_OK)
        result = journal_index_catch_up(recorder->db, CATCH_UP_ROWS, &rows, err);
    if (result == RESULT_OK && rows >= CATCH_UP_ROWS)
        return error_set(err, RESULT_UNAVAILABLE, "the journal's index is far behind");
    if (result != RESULT_OK)
        journal_index_close(&recorder->db); /* anew with the next question */
    return result;
}

/* Said once: questions may come by the hundred. */
static void note_index(struct recorder *recorder, bool failed, const struct error *err)
{
    if (failed && !recorder->failing)
        log_event(LOG_LEVEL_ERROR,
                  "the journal's index does not answer: reports wait, a STOP counts for all",
                  LOG_TEXT("reason", err->text));
    recorder->failing = failed;
}

/* ---- who is meant ---- */

struct names {
    const struct recorder_job *job;
    struct strbuf text; /* each ended by NUL */
    size_t count;
};

static void add_name(struct names *names, const char *partner)
{
    const char *at = names->text.data;
    for (size_t i = 0; i < names->count && at != NULL; i++, at += strlen(at) + 1)
        if (strcmp(at, partner) == 0)
            return;
    strbuf_add(&names->text, partner, strlen(partner) + 1);
    if (!names->text.failed)
        names->count++;
}

/* A number that others may use, too, says nothing about who is not meant. */
static bool is_open(const struct recorder_job *job)
{
    return job->n_candidates == 0 || (job->kind == RECORDER_WITHDRAW && job->shared);
}

static bool add_reached(void *arg, const char *partner)
{
    struct names *names = arg;
    const struct recorder_job *job = names->job;
    bool counts = is_open(job);
    for (size_t i = 0; i < job->n_candidates && !counts; i++)
        counts = strcmp(job->candidates[i], partner) == 0;
    if (counts)
        add_name(names, partner);
    return !names->text.failed;
}

/* The array and its texts in one piece. */
static enum result keep_names(struct recorder_job *job, const struct names *names,
                              struct error *err)
{
    size_t pointers = names->count * sizeof(*job->named);
    if (names->text.failed)
        return error_no_memory(err);
    if (names->count == 0)
        return RESULT_OK;
    job->named = malloc(pointers + names->text.length);
    if (job->named == NULL)
        return error_no_memory(err);
    char *text = (char *)job->named + pointers;
    memcpy(text, names->text.data, names->text.length);
    for (size_t i = 0; i < names->count; i++) {
        job->named[i] = text;
        text += strlen(text) + 1;
    }
    job->n_named = names->count;
    return RESULT_OK;
}

static bool ask_index(struct recorder *recorder, struct recorder_job *job, struct names *names)
{
    struct error err = {0};
    enum result result = catch_up(recorder, &err);
    if (result == RESULT_OK)
        result = journal_index_reached(recorder->db, job->key, is_open(job) ? job->provider : NULL,
                                       job->at - LATELY, add_reached, names, &err);
    note_index(recorder, result != RESULT_OK, &err);
    return result == RESULT_OK;
}

static enum result resolve(struct recorder *recorder, struct recorder_job *job, struct error *err)
{
    struct names names = {.job = job};
    bool open = is_open(job);
    bool asked = false;
    if (job->n_candidates == 1)
        add_name(&names, job->candidates[0]);
    if (job->n_candidates != 1 || open) {
        asked = ask_index(recorder, job, &names);
        if (!asked) {
            names.count = 0;
            strbuf_clear(&names.text);
        }
    }
    job->n_wrote = names.count;
    /* Without the journal nobody can be told apart who may have written behind what is shared. */
    if (open ? asked : names.count == 0)
        for (size_t i = 0; i < job->n_candidates; i++)
            add_name(&names, job->candidates[i]);
    enum result result = keep_names(job, &names, err);
    strbuf_free(&names.text);
    return result;
}

/* ---- withdrawals ---- */

/* What is written to a file that another one has replaced, as a restored backup does, is written
 * nowhere. */
static enum result follow(struct recorder *recorder, struct error *err)
{
    bool moved = false;
    struct registry *fresh = NULL;
    enum result result = registry_has_moved(recorder->writer, &moved, err);
    if (result == RESULT_OK && moved)
        result = registry_open(recorder->registry_path, false, &fresh, err);
    if (fresh == NULL)
        return result;
    log_event(LOG_LEVEL_WARN, "registry was replaced, opened anew to record withdrawals");
    registry_close(&recorder->writer);
    recorder->writer = fresh;
    registry_seal_with(fresh, recorder->seal);
    return RESULT_OK;
}

static enum result commit(struct recorder *recorder, struct error *err)
{
    bool moved = false;
    enum result result = registry_commit(recorder->writer, err);
    if (result == RESULT_OK)
        result = registry_has_moved(recorder->writer, &moved, err);
    if (result == RESULT_OK && moved)
        result = error_set(err, RESULT_UNAVAILABLE, "the registry was replaced meanwhile");
    return result;
}

/* One transaction, all or none. */
static enum result record_together(struct recorder *recorder, struct recorder_job *first,
                                   struct error *err)
{
    enum result result = follow(recorder, err);
    if (result == RESULT_OK)
        result = registry_begin(recorder->writer, err);
    if (result != RESULT_OK)
        return result;
    for (struct recorder_job *job = first; job != NULL && result == RESULT_OK; job = job->next)
        result = withdrawal_add(recorder->writer, job, err);
    if (result == RESULT_OK)
        return commit(recorder, err);
    registry_rollback(recorder->writer);
    return result;
}

static void not_recorded(const struct recorder_job *job, const struct error *err)
{
    log_event(LOG_LEVEL_ERROR, "a withdrawal could not be recorded",
              LOG_TEXT("provider", job->provider), LOG_TEXT("reason", err->text));
}

/* One that does not hold must not keep the others out. */
static void record_alone(struct recorder *recorder, struct recorder_job *job)
{
    struct error err = {0};
    struct recorder_job *next = job->next;
    job->next = NULL; /* a transaction of its own */
    enum result result = record_together(recorder, job, &err);
    job->next = next;
    if (result != RESULT_OK)
        not_recorded(job, &err);
    tell(recorder, job, result);
}

static void record(struct recorder *recorder, struct job_list *jobs)
{
    struct error err = {0};
    struct recorder_job *job;
    if (jobs->first == NULL)
        return;
    enum result result = record_together(recorder, jobs->first, &err);
    bool apart = result != RESULT_OK && result != RESULT_UNAVAILABLE && jobs->first->next != NULL;
    if (result != RESULT_OK && !apart)
        not_recorded(jobs->first, &err);
    while ((job = list_pop(jobs)) != NULL) {
        if (apart)
            record_alone(recorder, job);
        else
            tell(recorder, job, result);
    }
}

static void withdraw(struct recorder *recorder, struct job_list *jobs)
{
    struct recorder_job *job;
    while (jobs->first != NULL) {
        struct job_list batch;
        list_init(&batch);
        for (unsigned i = 0; i < BATCH_MOST && (job = list_pop(jobs)) != NULL; i++) {
            struct error err = {0};
            enum result result = resolve(recorder, job, &err);
            if (result == RESULT_OK) {
                list_push(&batch, job);
            } else {
                not_recorded(job, &err);
                tell(recorder, job, result);
            }
        }
        record(recorder, &batch);
    }
}

/* ---- reports ---- */

static enum result find_in_index(struct recorder *recorder, struct recorder_job *job,
                                 const char *id, struct error *err)
{
    struct sent_message sent;
    enum result result = journal_index_sent(recorder->db, job->provider, id,
                                            job->nobody ? NULL : job->key, &sent, err);
    if (result == RESULT_OK) {
        memcpy(job->found.ref, sent.id, sizeof(job->found.ref));
        memcpy(job->found.account, sent.account, sizeof(job->found.account));
        job->found.wanted = sent.report;
    }
    return result;
}

/* The other spellings, for want of the very id, of messages to the same person. */
static enum result find_other(struct recorder *recorder, struct recorder_job *job,
                              struct error *err)
{
    char spellings[RECEIPT_SPELLINGS][SMPP_ID_MAX];
    size_t n = job->nobody ? 0 : receipt_spellings(job->id, spellings);
    enum result result = RESULT_NOT_FOUND;
    for (size_t i = 1; i < n && result == RESULT_NOT_FOUND; i++)
        if (sent_find(recorder->sent, job->provider, spellings[i], job->key, &job->found))
            result = RESULT_OK;
    for (size_t i = 1; i < n && result == RESULT_NOT_FOUND; i++)
        result = find_in_index(recorder, job, spellings[i], err);
    return result;
}

/* caught_up: how bringing the index up to date went. Memory is asked again: the message may have
 * been noted since the loop looked. */
static void find(struct recorder *recorder, struct recorder_job *job, enum result caught_up,
                 struct error *err)
{
    enum result result = caught_up;
    if (sent_find(recorder->sent, job->provider, job->id, job->nobody ? NULL : job->key,
                  &job->found))
        result = RESULT_OK;
    else if (caught_up == RESULT_OK)
        result = find_in_index(recorder, job, job->id, err);
    if (result == RESULT_NOT_FOUND)
        result = find_other(recorder, job, err);
    if (result == RESULT_NOT_FOUND && ++job->looks < LOOKS) {
        job->due = clock_monotonic() + LOOK_AGAIN_IN;
        list_push(&recorder->later, job);
        return;
    }
    note_index(recorder, result != RESULT_OK && result != RESULT_NOT_FOUND, err);
    tell(recorder, job, result);
}

static void look_up(struct recorder *recorder, struct job_list *jobs)
{
    struct error err = {0};
    struct recorder_job *job;
    if (jobs->first == NULL)
        return;
    enum result caught_up = catch_up(recorder, &err);
    while ((job = list_pop(jobs)) != NULL)
        find(recorder, job, caught_up, &err);
}

static void say_who(struct recorder *recorder, struct job_list *jobs)
{
    struct recorder_job *job;
    while ((job = list_pop(jobs)) != NULL) {
        struct error err = {0};
        tell(recorder, job, resolve(recorder, job, &err));
    }
}

/* ---- the thread ---- */

/* Those whose time has come, all of them when nothing more will be taken. */
static void take_due(struct recorder *recorder, bool stopping, struct job_list *out)
{
    int64_t now = clock_monotonic();
    while (recorder->later.first != NULL && (stopping || recorder->later.first->due <= now))
        list_push(out, list_pop(&recorder->later));
}

/* What waits, by kind, once there is something. False: stopping, and nothing is left. */
static bool take(struct recorder *recorder, struct job_list kinds[RECORDER_KINDS])
{
    struct recorder_job *job;
    for (int i = 0; i < RECORDER_KINDS; i++)
        list_init(&kinds[i]);
    pthread_mutex_lock(&recorder->lock);
    while (recorder->waiting.first == NULL && !recorder->stopping) {
        const struct recorder_job *next = recorder->later.first;
        if (next == NULL) {
            pthread_cond_wait(&recorder->wake, &recorder->lock);
            continue;
        }
        if (next->due <= clock_monotonic())
            break;
        wake_wait_until(&recorder->wake, &recorder->lock, next->due);
    }
    bool stopping = recorder->stopping;
    bool some = recorder->waiting.first != NULL || recorder->later.first != NULL;
    while ((job = list_pop(&recorder->waiting)) != NULL)
        list_push(&kinds[job->kind], job);
    pthread_mutex_unlock(&recorder->lock);
    take_due(recorder, stopping, &kinds[RECORDER_REPORT]);
    return some || !stopping;
}

static void *run(void *arg)
{
    struct recorder *recorder = arg;
    struct job_list kinds[RECORDER_KINDS];
    while (take(recorder, kinds)) {
        withdraw(recorder, &kinds[RECORDER_WITHDRAW]);
        say_who(recorder, &kinds[RECORDER_WHO]);
        look_up(recorder, &kinds[RECORDER_REPORT]);
    }
    return NULL;
}

bool recorder_submit(struct recorder *recorder, struct recorder_job *job)
{
    pthread_mutex_lock(&recorder->lock);
    bool taken = !recorder->stopping && recorder->held[job->kind] < QUEUE_MOST;
    if (taken) {
        recorder->held[job->kind]++;
        list_push(&recorder->waiting, job);
        pthread_cond_signal(&recorder->wake);
    }
    pthread_mutex_unlock(&recorder->lock);
    return taken;
}

/* ---- life ---- */

static void free_recorder(struct recorder *recorder)
{
    registry_close(&recorder->writer);
    journal_index_close(&recorder->db);
    pthread_cond_destroy(&recorder->wake);
    pthread_mutex_destroy(&recorder->lock);
    free(recorder->registry_path);
    free(recorder->index_path);
    free(recorder->directory);
    free(recorder);
}

static enum result start_thread(struct recorder *recorder, struct error *err)
{
    sigset_t all, before;
    harden_thread_signals(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&recorder->thread, NULL, run, recorder);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return error_errno(err, RESULT_SYSTEM, failed, "cannot start the recorder's thread");
    return RESULT_OK;
}

enum result recorder_start(const struct recorder_options *options, struct recorder **recorder_out,
                           struct error *err)
{
    struct recorder *recorder = calloc(1, sizeof(*recorder));
    if (recorder == NULL)
        return error_no_memory(err);
    pthread_mutex_init(&recorder->lock, NULL);
    wake_init(&recorder->wake);
    list_init(&recorder->waiting);
    list_init(&recorder->later);
    recorder->sent = options->sent;
    recorder->seal = options->seal;
    recorder->registry_path = strdup(options->registry);
    recorder->index_path = strdup(options->index);
    recorder->directory = strdup(options->directory);
    enum result result = RESULT_OK;
    if (recorder->registry_path == NULL || recorder->index_path == NULL ||
        recorder->directory == NULL)
        result = error_no_memory(err);
    if (result == RESULT_OK)
        result = registry_open(options->registry, false, &recorder->writer, err);
    if (result == RESULT_OK)
        registry_seal_with(recorder->writer, options->seal);
    if (result == RESULT_OK)
        result = journal_index_open(options->index, options->directory, options->registry,
                                    &recorder->db, err);
    if (result == RESULT_OK)
        result = start_thread(recorder, err);
    if (result != RESULT_OK) {
        free_recorder(recorder);
        return result;
    }
    *recorder_out = recorder;
    return RESULT_OK;
}

void recorder_stop(struct recorder **recorder_pointer)
{
    struct recorder *recorder = *recorder_pointer;
    if (recorder == NULL)
        return;
    pthread_mutex_lock(&recorder->lock);
    recorder->stopping = true;
    pthread_cond_signal(&recorder->wake);
    pthread_mutex_unlock(&recorder->lock);
    pthread_join(recorder->thread, NULL);
    free_recorder(recorder);
    *recorder_pointer = NULL;
}
