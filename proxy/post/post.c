/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/post/internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/wake.h"
#include "proxy/post/schedule.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICENESS   5
#define TURN_EVERY CLOCK_SECOND /* between two looks at the outbox */
#define STATE_MOST ((size_t)1024 * 1024)

/* ---- what was said before ---- */

static void read_state(struct post *post)
{
    struct strbuf text = {0};
    struct error err = {0};
    enum result result = RESULT_NOT_FOUND;
    if (file_exists(post->state_path)) {
        result = file_read(post->state_path, STATE_MOST, &text, &err);
        if (result == RESULT_OK)
            result =
                lookout_read(&post->lookout, text.data != NULL ? text.data : "", text.length, &err);
        if (result != RESULT_OK)
            log_event(LOG_LEVEL_WARN, "what compliance was told is not known, it may be told again",
                      LOG_TEXT("file", post->state_path), LOG_TEXT("reason", err.text));
    }
    post->has_state = result == RESULT_OK;
    if (post->has_state)
        post->saved = strbuf_take(&text);
    strbuf_free(&text);
}

/* A gate that tells for the first time: the past is the past. */
static void begin_state(struct post *post, const struct config *config, int64_t now)
{
    const struct alerts_config *alerts = &config->alerts;
    if (post->has_state)
        return;
    post->has_state = true;
    post->lookout.suspensions_until = now;
    if (digest_due(alerts->timezone, alerts->digest_minute, now, 0) != 0)
        post->lookout.digest_sent_on = date_at(alerts->timezone, now);
    post_save(post);
}

void post_save(struct post *post)
{
    struct strbuf text = {0};
    struct error err = {0};
    enum result result = RESULT_OK;
    if (!lookout_write(&post->lookout, &text))
        result = error_no_memory(&err);
    else if (post->saved == NULL || strcmp(post->saved, text.data) != 0)
        result = file_replace(post->state_path, 0600, text.data, text.length, &err);
    if (result != RESULT_OK && !post->state_failing)
        log_event(LOG_LEVEL_ERROR, "what compliance was told cannot be kept",
                  LOG_TEXT("reason", err.text));
    post->state_failing = result != RESULT_OK;
    if (result == RESULT_OK) {
        free(post->saved);
        post->saved = strbuf_take(&text);
    }
    strbuf_free(&text);
}

/* ---- the thread ---- */

static void turn(struct post *post, struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    int64_t now = clock_now();
    if (config->alerts.to == NULL)
        return;
    begin_state(post, config, now);
    post_look(post, snapshot, now);
    post_speak(post, config, now);
    post_digest(post, config, now);
    post_dispatch(post, snapshot, now);
}

static void wait_a_turn(struct post *post)
{
    if (!post->answered)
        wake_wait(&post->wake, &post->lock, TURN_EVERY);
}

static void *run(void *arg)
{
    struct post *post = arg;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    outbox_tidy(post->outbox);
    read_state(post);
    pthread_mutex_lock(&post->lock);
    while (!post->stopping) {
        struct snapshot *snapshot = snapshot_ref(post->snapshot);
        pthread_mutex_unlock(&post->lock);
        turn(post, snapshot);
        snapshot_unref(&snapshot);
        pthread_mutex_lock(&post->lock);
        if (!post->stopping)
            wait_a_turn(post);
    }
    pthread_mutex_unlock(&post->lock);
    return NULL;
}

/* ---- life ---- */

static void free_post(struct post *post)
{
    outbox_close(&post->outbox);
    registry_close(&post->registry);
    journal_index_close(&post->index);
    snapshot_unref(&post->snapshot);
    pthread_cond_destroy(&post->wake);
    pthread_mutex_destroy(&post->lock);
    free(post->attempts);
    free(post->saved);
    free(post->state_path);
    free(post->registry_path);
    free(post->index_path);
    free(post->journal_path);
    free(post);
}

static enum result equip(struct post *post, struct error *err)
{
    const char *state_dir = post->options.state_dir;
    char *folder = file_join(state_dir, POST_FOLDER);
    post->state_path = folder != NULL ? file_join(folder, POST_STATE) : NULL;
    post->registry_path = file_join(state_dir, "registry.db");
    post->index_path = file_join(state_dir, "journal.db");
    post->journal_path = file_join(state_dir, "journal");
    enum result result = RESULT_OK;
    if (post->state_path == NULL || post->registry_path == NULL || post->index_path == NULL ||
        post->journal_path == NULL)
        result = error_no_memory(err);
    if (result == RESULT_OK)
        result = outbox_open(folder, &post->outbox, err);
    free(folder);
    return result;
}

enum result post_start(const struct post_options *options, struct snapshot *snapshot,
                       struct post **post_out, struct error *err)
{
    struct post *post = calloc(1, sizeof(*post));
    if (post == NULL)
        return error_no_memory(err);
    pthread_mutex_init(&post->lock, NULL);
    wake_init(&post->wake);
    post->options = *options;
    post->journal = options->journal;
    post->checker = options->checker;
    post->began_at = clock_now();
    post->snapshot = snapshot_ref(snapshot);
    enum result result = equip(post, err);
    post->options.state_dir = NULL;
    if (result == RESULT_OK) {
        sigset_t all, before;
        harden_thread_signals(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int failed = pthread_create(&post->thread, NULL, run, post);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (failed != 0)
            result = error_errno(err, RESULT_SYSTEM, failed, "cannot start the post's thread");
    }
    if (result != RESULT_OK) {
        free_post(post);
        return result;
    }
    *post_out = post;
    return RESULT_OK;
}

void post_follow(struct post *post, struct snapshot *snapshot)
{
    if (post == NULL)
        return;
    struct snapshot *before;
    pthread_mutex_lock(&post->lock);
    before = post->snapshot;
    post->snapshot = snapshot_ref(snapshot);
    pthread_cond_signal(&post->wake);
    pthread_mutex_unlock(&post->lock);
    snapshot_unref(&before);
}

void post_stop(struct post *post)
{
    if (post == NULL)
        return;
    pthread_mutex_lock(&post->lock);
    post->stopping = true;
    pthread_cond_signal(&post->wake);
    pthread_mutex_unlock(&post->lock);
    pthread_join(post->thread, NULL);
    /* Providers must not outlive their loops for us. */
    snapshot_unref(&post->snapshot);
    /* Nothing of ours is asked for the journal any more. */
    post->journal = NULL;
    post->checker = NULL;
}

void post_free(struct post **post_pointer)
{
    struct post *post = *post_pointer;
    if (post == NULL)
        return;
    courier_end(&post->courier);
    /* What was answered when nobody listened any more. */
    if (post->answered && post->accepted)
        outbox_remove(post->outbox, post->sending);
    free_post(post);
    *post_pointer = NULL;
}
