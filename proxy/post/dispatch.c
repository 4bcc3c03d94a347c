/* SPDX-License-Identifier: Apache-2.0 */
/* Mails leave: one at a time, tried again with growing pauses, for a week. */
#include "proxy/post/internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define PAUSE_FIRST (2 * CLOCK_SECOND)
#define PAUSE_MOST  (3600 * CLOCK_SECOND)
#define TRY_FOR     (7 * CLOCK_DAY)

static struct attempt *find(struct post *post, const char *name)
{
    for (size_t i = 0; i < post->n_attempts; i++)
        if (strcmp(post->attempts[i].name, name) == 0)
            return &post->attempts[i];
    return NULL;
}

static struct attempt *find_or_add(struct post *post, const char *name, int64_t now)
{
    struct attempt *attempt = find(post, name);
    if (attempt != NULL)
        return attempt;
    struct attempt *list =
        realloc(post->attempts, (post->n_attempts + 1) * sizeof(*post->attempts));
    if (list == NULL)
        return NULL;
    post->attempts = list;
    attempt = &list[post->n_attempts++];
    *attempt = (struct attempt){.first_at = now};
    str_copy(attempt->name, sizeof(attempt->name), name);
    return attempt;
}

/* Those that wait no more are forgotten. */
static void forget_gone(struct post *post)
{
    size_t kept = 0;
    for (size_t i = 0; i < post->n_attempts; i++)
        if (post->attempts[i].waits)
            post->attempts[kept++] = post->attempts[i];
    post->n_attempts = kept;
}

static void on_done(void *arg, bool accepted, const char *why)
{
    struct post *post = arg;
    pthread_mutex_lock(&post->lock);
    post->courier = NULL; /* it frees itself */
    post->answered = true;
    post->accepted = accepted;
    reply_scrub(why, post->answer, sizeof(post->answer));
    pthread_cond_signal(&post->wake);
    pthread_mutex_unlock(&post->lock);
}

static void take_answer(struct post *post, int64_t now)
{
    char answer[ANSWER_MOST];
    pthread_mutex_lock(&post->lock);
    bool answered = post->answered, accepted = post->accepted;
    post->answered = false;
    str_copy(answer, sizeof(answer), post->answer);
    pthread_mutex_unlock(&post->lock);
    if (!answered)
        return;
    struct attempt *attempt = find(post, post->sending);
    if (accepted) {
        outbox_remove(post->outbox, post->sending);
        log_event(LOG_LEVEL_INFO, "a mail to compliance was sent", LOG_TEXT("mail", post->sending));
    } else if (attempt != NULL && now - attempt->first_at > TRY_FOR) {
        outbox_set_aside(post->outbox, post->sending);
    } else if (attempt != NULL) {
        int64_t pause = PAUSE_FIRST << (attempt->count < 16 ? attempt->count : 16);
        pause = pause < PAUSE_MOST ? pause : PAUSE_MOST;
        attempt->count++;
        attempt->next_at = now + pause;
        log_event(LOG_LEVEL_WARN, "a mail to compliance waits", LOG_TEXT("mail", post->sending),
                  LOG_TEXT("reason", answer), LOG_NUMBER("again_in", pause / CLOCK_SECOND));
    }
    post->sending[0] = '\0';
}

/* Whether it is under way. */
static bool send_one(struct post *post, const struct snapshot *snapshot, const char *name)
{
    struct outbox_mail mail;
    struct error err = {0};
    enum result result = outbox_read(post->outbox, name, &mail, &err);
    if (result == RESULT_DAMAGED || result == RESULT_BAD_INPUT)
        outbox_set_aside(post->outbox, name);
    if (result != RESULT_OK)
        return false;
    /* Its name first: the answer may be there before this returns. */
    str_copy(post->sending, sizeof(post->sending), name);
    pthread_mutex_lock(&post->lock);
    post->courier = courier_send(snapshot_provider(snapshot, snapshot->config->alerts.provider),
                                 post->options.loop, &mail, on_done, post);
    bool under_way = post->courier != NULL;
    pthread_mutex_unlock(&post->lock);
    outbox_mail_free(&mail);
    if (!under_way)
        post->sending[0] = '\0';
    return under_way;
}

void post_dispatch(struct post *post, const struct snapshot *snapshot, int64_t now)
{
    char **names = NULL;
    size_t n = 0;
    take_answer(post, now);
    if (post->sending[0] != '\0' || outbox_list(post->outbox, &names, &n, NULL) != RESULT_OK)
        return;
    for (size_t i = 0; i < post->n_attempts; i++)
        post->attempts[i].waits = false;
    for (size_t i = 0; i < n; i++) {
        struct attempt *attempt = find_or_add(post, names[i], now);
        if (attempt == NULL)
            break;
        attempt->waits = true;
        bool due = now >= attempt->next_at || attempt->next_at - now > PAUSE_MOST;
        if (due && post->sending[0] == '\0')
            (void)send_one(post, snapshot, names[i]);
    }
    forget_gone(post);
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}
