/* SPDX-License-Identifier: Apache-2.0 */
#include "office/checker.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/harden.h"
#include "base/log.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICENESS  15
#define KEPT_MOST 8192

struct checker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    _Atomic bool stopping;
    /* Under lock. */
    uint64_t asked; /* the run that is wanted */
    uint64_t begun;
    struct checked last;
    struct checking now;
    char *journal_path; /* owned, as the next */
    char *index_path;
    char *kept_path;               /* NULL: nothing is kept */
    const struct signing_key *key; /* borrowed */
};

/* ---- what is kept ---- */

static const char *result_name(enum result result)
{
    return result == RESULT_OK ? "holds" : result == RESULT_DAMAGED ? "damaged" : "failed";
}

static void keep(const struct checker *checker, const struct checked *checked)
{
    const struct verify_report *report = &checked->report;
    char began[CLOCK_TEXT], ended[CLOCK_TEXT], head[2 * SHA256_BYTES + 1];
    struct error err = {0};
    clock_format(checked->began_at, began);
    clock_format(checked->ended_at, ended);
    hex_encode(report->head, sizeof(report->head), head);
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:s}", "began_at", began, "ended_at",
        ended, "who", checked->who, "outcome", result_name(checked->result), "rows",
        (json_int_t)report->rows, "erased", (json_int_t)report->erased, "checkpoints",
        (json_int_t)report->checkpoints, "segments", (json_int_t)report->segments, "head", head,
        "where", report->where, "why", checked->why.text);
    char *text = json != NULL ? json_dumps(json, JSON_INDENT(1)) : NULL;
    json_decref(json);
    enum result result = text == NULL
                             ? error_no_memory(&err)
                             : file_replace(checker->kept_path, 0600, text, strlen(text), &err);
    if (result != RESULT_OK)
        log_event(LOG_LEVEL_WARN, "the result of the journal's check cannot be kept",
                  LOG_TEXT("reason", err.text));
    free(text);
}

static bool read_kept(const char *text, size_t length, struct checked *out)
{
    const char *began, *ended, *who, *outcome, *head, *where, *why;
    json_int_t rows, erased, checkpoints, segments;
    struct verify_report *report = &out->report;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    bool read =
        json != NULL &&
        json_unpack(json, "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:s}", "began_at",
                    &began, "ended_at", &ended, "who", &who, "outcome", &outcome, "rows", &rows,
                    "erased", &erased, "checkpoints", &checkpoints, "segments", &segments, "head",
                    &head, "where", &where, "why", &why) == 0 &&
        clock_parse(began, strlen(began), &out->began_at) &&
        clock_parse(ended, strlen(ended), &out->ended_at) &&
        str_copy(out->who, sizeof(out->who), who) &&
        hex_decode(head, strlen(head), report->head, sizeof(report->head));
    if (read) {
        report->rows = (uint64_t)rows;
        report->erased = (uint64_t)erased;
        report->checkpoints = (uint64_t)checkpoints;
        report->segments = (uint64_t)segments;
        (void)str_copy(report->where, sizeof(report->where), where);
        (void)str_copy(out->why.text, sizeof(out->why.text), why);
        out->result = strcmp(outcome, "holds") == 0     ? RESULT_OK
                      : strcmp(outcome, "damaged") == 0 ? RESULT_DAMAGED
                                                        : RESULT_SYSTEM;
    }
    json_decref(json);
    return read;
}

static void recall(struct checker *checker)
{
    struct strbuf text = {0};
    struct checked kept = {0};
    struct error err = {0};
    if (checker->kept_path == NULL || !file_exists(checker->kept_path))
        return;
    if (file_read(checker->kept_path, KEPT_MOST, &text, &err) == RESULT_OK &&
        read_kept(text.data, text.length, &kept))
        checker->last = kept;
    else
        log_event(LOG_LEVEL_WARN, "the last result of the journal's check cannot be read",
                  LOG_TEXT("file", checker->kept_path));
    strbuf_free(&text);
}

/* ---- the thread ---- */

static void progress(void *arg, uint64_t bytes_done, uint64_t bytes_total)
{
    struct checker *checker = arg;
    pthread_mutex_lock(&checker->lock);
    checker->now.bytes_done = bytes_done;
    checker->now.bytes_total = bytes_total;
    pthread_mutex_unlock(&checker->lock);
}

static void say(const struct checked *checked)
{
    if (checked->result == RESULT_OK)
        log_event(LOG_LEVEL_INFO, "the journal was checked: it holds",
                  LOG_NUMBER("rows", (int64_t)checked->report.rows), LOG_TEXT("who", checked->who));
    else
        log_event(LOG_LEVEL_ERROR,
                  checked->result == RESULT_DAMAGED ? "the journal was checked: it does not hold"
                                                    : "the journal could not be checked",
                  LOG_TEXT("where", checked->report.where), LOG_TEXT("reason", checked->why.text),
                  LOG_TEXT("who", checked->who));
}

static void check(struct checker *checker, struct checked *now)
{
    const struct verify_calls calls = {
        .stop = &checker->stopping, .progress = progress, .arg = checker};
    now->result = journal_verify(checker->journal_path, checker->key, checker->index_path, &calls,
                                 &now->report, &now->why);
    now->ended_at = clock_now();
    if (now->result == RESULT_UNAVAILABLE && checker->stopping)
        return; /* it was given up, which says nothing */
    say(now);
    if (checker->kept_path != NULL)
        keep(checker, now);
    pthread_mutex_lock(&checker->lock);
    checker->last = *now;
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
        struct checked now = {.run = checker->begun = checker->asked, .began_at = clock_now()};
        (void)str_copy(now.who, sizeof(now.who), checker->now.who);
        checker->now.running = true;
        checker->now.began_at = now.began_at;
        pthread_mutex_unlock(&checker->lock);
        check(checker, &now);
        pthread_mutex_lock(&checker->lock);
        checker->now.running = false;
        checker->now.bytes_done = checker->now.bytes_total = 0;
        checker->now.who[0] = '\0';
    }
    pthread_mutex_unlock(&checker->lock);
    return NULL;
}

/* ---- asking ---- */

uint64_t checker_ask(struct checker *checker)
{
    pthread_mutex_lock(&checker->lock);
    uint64_t number = ++checker->asked;
    pthread_cond_signal(&checker->wake);
    pthread_mutex_unlock(&checker->lock);
    return number;
}

bool checker_ask_for(struct checker *checker, const char *who)
{
    pthread_mutex_lock(&checker->lock);
    bool taken = !checker->now.running && checker->begun >= checker->asked;
    if (taken) {
        checker->asked++;
        (void)str_copy(checker->now.who, sizeof(checker->now.who), who);
        pthread_cond_signal(&checker->wake);
    }
    pthread_mutex_unlock(&checker->lock);
    return taken;
}

void checker_last(struct checker *checker, struct checked *out)
{
    pthread_mutex_lock(&checker->lock);
    *out = checker->last;
    pthread_mutex_unlock(&checker->lock);
}

void checker_now(struct checker *checker, struct checking *out)
{
    pthread_mutex_lock(&checker->lock);
    *out = checker->now;
    out->wanted = checker->begun < checker->asked;
    pthread_mutex_unlock(&checker->lock);
}

/* ---- life ---- */

static void free_checker(struct checker *checker)
{
    pthread_cond_destroy(&checker->wake);
    pthread_mutex_destroy(&checker->lock);
    free(checker->journal_path);
    free(checker->index_path);
    free(checker->kept_path);
    free(checker);
}

enum result checker_start(const struct checker_options *options, struct checker **checker_out,
                          struct error *err)
{
    struct checker *checker = calloc(1, sizeof(*checker));
    if (checker == NULL)
        return error_no_memory(err);
    pthread_mutex_init(&checker->lock, NULL);
    pthread_cond_init(&checker->wake, NULL);
    checker->key = options->key;
    checker->journal_path = strdup(options->journal_path);
    checker->index_path = strdup(options->index_path);
    checker->kept_path = options->kept_path != NULL ? strdup(options->kept_path) : NULL;
    if (checker->journal_path == NULL || checker->index_path == NULL ||
        (options->kept_path != NULL && checker->kept_path == NULL)) {
        free_checker(checker);
        return error_no_memory(err);
    }
    recall(checker);
    sigset_t all, before;
    harden_thread_signals(&all);
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
