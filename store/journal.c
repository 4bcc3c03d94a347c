/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches and the writer thread (group commit). The thread owns the segment_writer; the queue and
 * the state are shared under one lock. Nothing here knows the format.
 */
#include "store/journal.h"

#include "base/harden.h"
#include "base/log.h"
#include "base/wake.h"
#include "store/index.h"
#include "store/segment_writer.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    COMMIT_BYTES = 4 * 1024 * 1024, /* of one write, so that the writer's memory stays bounded */
    KEPT_ROWS = 100000,             /* rows nobody waits for, kept while writes fail */
};
#define RETRY_EVERY CLOCK_SECOND
/* Rows nobody waits for go along with the next ones somebody waits for; when there are none, this
 * is how long they may be missing from the disk. A sync of their own would cost as much as all else
 * that is done for a message. */
#define LAZY_AFTER (10 * (CLOCK_SECOND / 1000))

struct journal_batch {
    struct journal_batch *next;
    struct strbuf text; /* the records, one after the other */
    size_t gap;         /* bytes between two of them */
    bool closes;        /* it begins a segment of its own */
    size_t *lengths;    /* owned; of each record */
    size_t rows;
    size_t capacity;
    struct loop *home;      /* borrowed */
    struct loop_task *done; /* borrowed; NULL: nobody waits */
    enum result *result_out;
    int64_t queued_at; /* monotonic; when somebody waits */
};

struct batch_list {
    struct journal_batch *first;
    struct journal_batch **last;
};

struct journal {
    struct segment_writer writer; /* the thread's, once it runs */
    int64_t checkpoint_every;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct batch_list queue;    /* under lock */
    bool urgent;                /* under lock; somebody waits for a row in the queue */
    int64_t lazy_at;            /* under lock; monotonic; when the queue is due all the same */
    int64_t wakes_at;           /* under lock; monotonic; when the thread looks again by itself */
    bool stopping;              /* under lock */
    struct journal_state state; /* under lock */
    struct histogram waits;

    /* The thread's own: */
    struct batch_list work; /* taken from the queue and not yet durable, oldest first */
    int64_t checkpoint_at;  /* monotonic; when the next one is due if there are rows */
    int64_t retry_at;       /* monotonic; while failing */
    int64_t attentive_to;   /* monotonic; outcomes follow decisions: until then it sleeps lightly */
    uint64_t dropped;       /* rows, since writes fail */
    bool failing;
};

/* ---- batches ---- */

struct journal_batch *journal_batch_new(void)
{
    return calloc(1, sizeof(struct journal_batch));
}

void journal_batch_free(struct journal_batch **batch)
{
    if (*batch == NULL)
        return;
    strbuf_free(&(*batch)->text);
    free((*batch)->lengths);
    free(*batch);
    *batch = NULL;
}

static bool batch_reserve(struct journal_batch *batch)
{
    if (batch->rows < batch->capacity)
        return true;
    size_t capacity = batch->capacity > 0 ? batch->capacity * 2 : 4;
    size_t *lengths = reallocarray(batch->lengths, capacity, sizeof(*lengths));
    if (lengths == NULL)
        return false;
    batch->lengths = lengths;
    batch->capacity = capacity;
    return true;
}

static bool batch_took(struct journal_batch *batch, size_t before)
{
    size_t length = batch->text.length - before;
    if (batch->text.failed || length > SEGMENT_RECORD_MAX)
        return false;
    batch->lengths[batch->rows++] = length;
    return true;
}

bool journal_batch_decision(struct journal_batch *batch, const struct decision *decision)
{
    size_t before = batch->text.length;
    if (!batch_reserve(batch))
        return false;
    record_decision(&batch->text, decision);
    return batch_took(batch, before);
}

bool journal_batch_outcome(struct journal_batch *batch, const struct outcome_row *outcome)
{
    size_t before = batch->text.length;
    if (!batch_reserve(batch))
        return false;
    record_outcome(&batch->text, outcome);
    return batch_took(batch, before);
}

bool journal_batch_registry(struct journal_batch *batch, const struct registry_anchor *anchor)
{
    size_t before = batch->text.length;
    if (!batch_reserve(batch))
        return false;
    record_registry(&batch->text, anchor);
    return batch_took(batch, before);
}

enum result journal_batch_of(struct strbuf *lines, struct journal_batch **batch_out,
                             struct error *err)
{
    struct journal_batch *batch = journal_batch_new();
    enum result result = batch == NULL ? error_no_memory(err) : RESULT_OK;
    size_t at = 0;
    while (result == RESULT_OK && at < lines->length) {
        const char *record = lines->data + at;
        const char *end = memchr(record, '\n', lines->length - at);
        size_t length = end != NULL ? (size_t)(end - record) : 0;
        const char *fault =
            end != NULL ? record_fault(record, length) : "the last record does not end";
        if (fault != NULL)
            result = error_set(err, RESULT_BAD_INPUT, "%s", fault);
        else if (!batch_reserve(batch))
            result = error_no_memory(err);
        else
            batch->lengths[batch->rows++] = length;
        if (result == RESULT_OK && at == 0)
            batch->closes = record_type(record, length) == RECORD_PURGING;
        at += length + 1;
    }
    if (result != RESULT_OK) {
        if (batch != NULL)
            journal_batch_free(&batch);
        return result;
    }
    batch->gap = 1;
    batch->text = *lines;
    *lines = (struct strbuf){0};
    *batch_out = batch;
    return RESULT_OK;
}

bool journal_batch_record(struct journal_batch *batch, const char *record, size_t length)
{
    size_t before = batch->text.length;
    if (!batch_reserve(batch))
        return false;
    strbuf_add(&batch->text, record, length);
    return batch_took(batch, before);
}

size_t journal_batch_rows(const struct journal_batch *batch)
{
    return batch->rows;
}

static void list_clear(struct batch_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static void list_push(struct batch_list *list, struct journal_batch *batch)
{
    batch->next = NULL;
    *list->last = batch;
    list->last = &batch->next;
}

static void list_append(struct batch_list *list, struct batch_list *more)
{
    if (more->first == NULL)
        return;
    *list->last = more->first;
    list->last = more->last;
    list_clear(more);
}

static struct journal_batch *list_pop(struct batch_list *list)
{
    struct journal_batch *batch = list->first;
    list->first = batch->next;
    if (list->first == NULL)
        list->last = &list->first;
    return batch;
}

/* ---- the writer thread ---- */

/* Tells whoever waits, and frees the batch. */
static void finish(struct journal_batch *batch, enum result result)
{
    if (batch->done != NULL) {
        *batch->result_out = result;
        loop_post(batch->home, batch->done);
    }
    journal_batch_free(&batch);
}

/* The state must be right before anyone is told that rows are durable. */
static void publish(struct journal *journal, uint64_t settled)
{
    const struct segment_writer *writer = &journal->writer;
    pthread_mutex_lock(&journal->lock);
    journal->state.rows = writer->durable.rows;
    journal->state.segment = writer->number;
    journal->state.waiting -= settled;
    journal->state.failing = journal->failing;
    memcpy(journal->state.head, writer->durable.head, SHA256_BYTES);
    pthread_mutex_unlock(&journal->lock);
}

static void begin_failing(struct journal *journal, const struct error *why)
{
    pthread_mutex_lock(&journal->lock);
    journal->state.last_error = *why;
    pthread_mutex_unlock(&journal->lock);
    journal->retry_at = clock_monotonic() + RETRY_EVERY;
    if (!journal->failing)
        log_event(LOG_LEVEL_ERROR, "journal cannot be written", LOG_TEXT("error", why->text));
    journal->failing = true;
}

static void end_failing(struct journal *journal)
{
    if (!journal->failing)
        return;
    log_event(LOG_LEVEL_WARN, "journal is written again", LOG_NUMBER("dropped", journal->dropped));
    journal->failing = false;
    journal->dropped = 0;
}

/* After a failure: those who wait are told, the other rows are kept as far as there is room. */
static void give_up(struct journal *journal)
{
    struct batch_list told;
    struct batch_list kept;
    uint64_t settled = 0;
    uint64_t rows = 0;
    uint64_t dropped_before = journal->dropped;
    list_clear(&told);
    list_clear(&kept);
    while (journal->work.first != NULL) {
        struct journal_batch *batch = list_pop(&journal->work);
        if (batch->done == NULL && rows + batch->rows <= KEPT_ROWS) {
            rows += batch->rows;
            list_push(&kept, batch);
            continue;
        }
        if (batch->done == NULL)
            journal->dropped += batch->rows;
        settled += batch->rows;
        list_push(&told, batch);
    }
    list_append(&journal->work, &kept);
    if (dropped_before == 0 && journal->dropped > 0)
        log_event(LOG_LEVEL_ERROR, "journal rows dropped: too many wait for the disk",
                  LOG_NUMBER("kept", rows), LOG_NUMBER("dropped", journal->dropped));
    publish(journal, settled);
    while (told.first != NULL)
        finish(list_pop(&told), RESULT_UNAVAILABLE);
}

/* Adds batches from the front of the work, up to COMMIT_BYTES. Returns how many, or -1. */
static long add_batches(struct journal *journal)
{
    struct segment_writer *writer = &journal->writer;
    long count = 0;
    for (struct journal_batch *batch = journal->work.first;
         batch != NULL && writer->out.length < COMMIT_BYTES && !(batch->closes && count > 0);
         batch = batch->next, count++) {
        const char *record = batch->text.data;
        for (size_t i = 0; i < batch->rows; record += batch->lengths[i++] + batch->gap)
            if (!segment_writer_add(writer, record, batch->lengths[i]))
                return -1;
    }
    return count;
}

static bool commit_some(struct journal *journal)
{
    struct segment_writer *writer = &journal->writer;
    struct error err = {0};
    uint64_t settled = 0;
    uint64_t since = writer->durable.since;
    /* While failing, a checkpoint is also what a retry without rows writes. */
    bool due = since > 0 && journal->checkpoint_every > 0 &&
               (journal->checkpoint_at <= clock_monotonic() ||
                (journal->failing && journal->work.first == NULL));
    enum writer_rows rows = WRITER_NONE;
    if (journal->work.first != NULL)
        rows = journal->work.first->closes ? WRITER_ROWS_ANEW : WRITER_ROWS;
    enum result result = segment_writer_begin(writer, rows, &err);
    long count = result == RESULT_OK ? add_batches(journal) : 0;
    if (count < 0)
        result = error_set(&err, RESULT_UNAVAILABLE, "cannot compose journal rows: no memory");
    if (result == RESULT_OK && due && !segment_writer_checkpoint(writer))
        result = error_set(&err, RESULT_UNAVAILABLE, "cannot sign a checkpoint");
    bool writes = writer->out.length > 0;
    if (result == RESULT_OK)
        result = segment_writer_commit(writer, &err);
    if (result != RESULT_OK) {
        begin_failing(journal, &err);
        give_up(journal);
        return false;
    }
    if (writes) {
        end_failing(journal);
        journal->attentive_to = clock_monotonic() + LAZY_AFTER;
    }
    /* The first row after a checkpoint starts the clock for the next one. */
    if (writer->durable.since < since || since == 0)
        journal->checkpoint_at = clock_monotonic() + journal->checkpoint_every;
    struct journal_batch *batch = journal->work.first;
    for (long i = 0; i < count; i++, batch = batch->next)
        settled += batch->rows;
    publish(journal, settled);
    int64_t now = clock_monotonic();
    while (count-- > 0) {
        batch = list_pop(&journal->work);
        if (batch->done != NULL)
            histogram_add(&journal->waits, now - batch->queued_at);
        finish(batch, RESULT_OK);
    }
    return true;
}

/* When to wake without a new batch; INT64_MAX: never. */
static int64_t deadline(const struct journal *journal)
{
    bool rows = journal->writer.durable.since > 0 && journal->checkpoint_every > 0;
    if (journal->failing)
        return journal->work.first != NULL || rows ? journal->retry_at : INT64_MAX;
    return rows ? journal->checkpoint_at : INT64_MAX;
}

/* When to look at the queue, as it is now, should nobody signal. */
static int64_t next_look(const struct journal *journal, int64_t until, int64_t now)
{
    if (journal->queue.first != NULL)
        return journal->lazy_at < until ? journal->lazy_at : until;
    return now < journal->attentive_to && journal->attentive_to < until ? journal->attentive_to
                                                                        : until;
}

/* Moves what was queued to the work; false when the journal is being closed. */
static bool wait_for_work(struct journal *journal)
{
    int64_t until = deadline(journal);
    pthread_mutex_lock(&journal->lock);
    while (!journal->urgent && !journal->stopping) {
        int64_t now = clock_monotonic();
        int64_t at = next_look(journal, until, now);
        if (at <= now)
            break;
        journal->wakes_at = at;
        if (at == INT64_MAX)
            pthread_cond_wait(&journal->wake, &journal->lock);
        else
            wake_wait_until(&journal->wake, &journal->lock, at);
    }
    bool stopping = journal->stopping;
    list_append(&journal->work, &journal->queue);
    journal->urgent = false;
    pthread_mutex_unlock(&journal->lock);
    return !stopping;
}

static void *run_writer(void *arg)
{
    struct journal *journal = arg;
    bool running = true;
    while (running) {
        running = wait_for_work(journal);
        if (!running)
            journal->checkpoint_at = INT64_MAX; /* one last comes below */
        do {
            if (!commit_some(journal))
                break;
        } while (journal->work.first != NULL);
    }
    struct error err = {0};
    struct segment_writer *writer = &journal->writer;
    enum result result = segment_writer_begin(writer, WRITER_NONE, &err);
    if (result == RESULT_OK && !segment_writer_checkpoint(writer))
        result = error_set(&err, RESULT_UNAVAILABLE, "cannot sign a checkpoint");
    if (result == RESULT_OK)
        result = segment_writer_commit(writer, &err);
    if (result != RESULT_OK)
        log_event(LOG_LEVEL_ERROR, "journal closed without a checkpoint",
                  LOG_TEXT("error", err.text));
    return NULL;
}

/* ---- life ---- */

/* The name stands in what the checkpoints sign, line by line, and a shell reads it there. */
static bool is_plain_name(const char *name)
{
    if (*name == '\0' || strlen(name) > 255)
        return false;
    for (; *name != '\0'; name++)
        if (*name < 0x21 || *name > 0x7e || strchr("\"\\,{}", *name) != NULL)
            return false;
    return true;
}

static enum result start_thread(struct journal *journal, struct error *err)
{
    sigset_t all;
    sigset_t old;
    harden_thread_signals(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&journal->thread, NULL, run_writer, journal);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed != 0)
        return error_errno(err, RESULT_SYSTEM, failed, "cannot start the journal's thread");
    return RESULT_OK;
}

static void destroy(struct journal *journal)
{
    segment_writer_close(&journal->writer);
    pthread_cond_destroy(&journal->wake);
    pthread_mutex_destroy(&journal->lock);
    free(journal);
}

/* To go on behind rows that are missing would bury what happened to them. */
static enum result check_end(struct journal *journal, const char *index_path, struct error *err)
{
    struct journal_state state;
    journal_state(journal, &state);
    enum result result =
        index_path != NULL ? index_compare_end(index_path, &state, err) : RESULT_OK;
    if (result != RESULT_OK)
        error_suffix(err,
                     ". Restore them, or, to go on without, keep a copy of the journal and move %s "
                     "away: a new index is made",
                     index_path);
    return result;
}

enum result journal_open(const struct journal_options *options, struct journal **journal_out,
                         struct error *err)
{
    if (!is_plain_name(options->gateway))
        return error_set(
            err, RESULT_BAD_INPUT,
            "the gateway's name must be plain ASCII without spaces, quotes, commas and braces");
    struct journal *journal = calloc(1, sizeof(*journal));
    if (journal == NULL)
        return error_no_memory(err);
    wake_init(&journal->wake);
    pthread_mutex_init(&journal->lock, NULL);
    list_clear(&journal->queue);
    list_clear(&journal->work);
    journal->checkpoint_every = options->checkpoint_every;
    journal->checkpoint_at = clock_monotonic() + options->checkpoint_every;
    enum result result = segment_writer_open(&journal->writer, options->directory, options->gateway,
                                             options->key, options->segment_size, err);
    if (result == RESULT_OK) {
        publish(journal, 0);
        result = check_end(journal, options->index_path, err);
    }
    if (result == RESULT_OK) {
        result = start_thread(journal, err);
    }
    if (result != RESULT_OK) {
        destroy(journal);
        return result;
    }
    *journal_out = journal;
    return RESULT_OK;
}

void journal_close(struct journal **journal_pointer)
{
    struct journal *journal = *journal_pointer;
    if (journal == NULL)
        return;
    pthread_mutex_lock(&journal->lock);
    journal->stopping = true;
    pthread_cond_signal(&journal->wake);
    pthread_mutex_unlock(&journal->lock);
    pthread_join(journal->thread, NULL);
    uint64_t lost = 0;
    while (journal->work.first != NULL) {
        struct journal_batch *batch = list_pop(&journal->work);
        lost += batch->rows;
        finish(batch, RESULT_UNAVAILABLE);
    }
    if (lost > 0)
        log_event(LOG_LEVEL_ERROR, "journal rows lost: they could not be written before the end",
                  LOG_NUMBER("rows", lost));
    destroy(journal);
    *journal_pointer = NULL;
}

void journal_append(struct journal *journal, struct journal_batch *batch, struct loop *home,
                    struct loop_task *done, enum result *result_out)
{
    bool waits = done != NULL && done->run != NULL;
    batch->home = home;
    batch->done = waits ? done : NULL;
    batch->result_out = result_out;
    if (waits)
        batch->queued_at = clock_monotonic();
    pthread_mutex_lock(&journal->lock);
    bool signals = waits && !journal->urgent;
    journal->urgent |= waits;
    if (!waits && journal->queue.first == NULL) {
        journal->lazy_at = clock_monotonic() + LAZY_AFTER;
        signals = journal->wakes_at > journal->lazy_at;
    }
    journal->state.waiting += batch->rows;
    list_push(&journal->queue, batch);
    pthread_mutex_unlock(&journal->lock);
    if (signals)
        pthread_cond_signal(&journal->wake);
}

void journal_state(struct journal *journal, struct journal_state *state_out)
{
    pthread_mutex_lock(&journal->lock);
    *state_out = journal->state;
    pthread_mutex_unlock(&journal->lock);
}

void journal_waits(struct journal *journal, struct histogram_reading *waits_out)
{
    histogram_read(&journal->waits, waits_out);
}
