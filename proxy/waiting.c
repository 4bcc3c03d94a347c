/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/waiting.h"

#include "base/clock.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/wake.h"
#include "proxy/http/server.h"
#include "proxy/internal.h"
#include "proxy/smpp/server.h"
#include "proxy/sms/sms.h"
#include "proxy/smtp/server.h"

#include <signal.h>
#include <stdlib.h>

#define SAY_EVERY (5 * CLOCK_SECOND)

/* ---- while it drains ---- */

static const char *words(const struct strbuf *text)
{
    return text->failed ? "?" : text->length > 0 ? text->data : "-";
}

static void run_survey(struct loop_task *task)
{
    struct survey *survey = (struct survey *)task;
    struct lane *lane = &survey->slot->lane;
    struct strbuf smtp = {0}, smpp = {0}, http = {0};
    smtp_survey(lane, &smtp);
    smpp_survey(lane, &smpp);
    http_survey(lane, &http);
    size_t messages = sms_in_flight(lane);
    if (smtp.length + smpp.length + http.length + messages > 0 || lane->doors != NULL)
        log_event(LOG_LEVEL_INFO, "a loop still has", LOG_NUMBER("loop", loop_index(lane->loop)),
                  LOG_TEXT("smtp", words(&smtp)), LOG_TEXT("smpp", words(&smpp)),
                  LOG_TEXT("http", words(&http)), LOG_NUMBER("messages", messages),
                  LOG_TEXT("doors", lane->doors != NULL ? "open" : "closed"));
    strbuf_free(&smtp);
    strbuf_free(&smpp);
    strbuf_free(&http);
    atomic_store(&survey->awaited, false);
}

void waiting_tick(struct gateway *gateway)
{
    int64_t now = clock_monotonic();
    if (gateway->say_at == 0)
        gateway->say_at = now + SAY_EVERY;
    if (now < gateway->say_at)
        return;
    gateway->say_at = now + SAY_EVERY;
    log_event(LOG_LEVEL_INFO, "still draining",
              LOG_NUMBER("doors", atomic_load(&gateway->gate.doors)),
              LOG_NUMBER("sessions", atomic_load(&gateway->gate.sessions)),
              LOG_NUMBER("messages", atomic_load(&gateway->gate.flights)),
              LOG_NUMBER("ends_in_s", (gateway->drain_until - now) / CLOCK_SECOND));
    for (unsigned i = 0; i < gateway->n_lanes; i++) {
        struct survey *survey = &gateway->lanes[i].survey;
        if (atomic_exchange(&survey->awaited, true)) {
            log_event(LOG_LEVEL_WARN, "a loop does not come round", LOG_NUMBER("loop", i));
            continue;
        }
        survey->task.run = run_survey;
        survey->slot = &gateway->lanes[i];
        loop_post(gateway->loops[i], &survey->task);
    }
}

/* ---- on the way down ---- */

struct farewell {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    const char *step; /* all below under lock */
    int64_t since;
    bool over;
};

static void *watch(void *arg)
{
    struct farewell *farewell = arg;
    int64_t until = clock_monotonic();
    pthread_mutex_lock(&farewell->lock);
    while (!farewell->over) {
        until += SAY_EVERY;
        while (!farewell->over && clock_monotonic() < until)
            wake_wait_until(&farewell->wake, &farewell->lock, until);
        int64_t took = clock_monotonic() - farewell->since;
        if (!farewell->over && took >= CLOCK_SECOND)
            log_event(LOG_LEVEL_WARN, "still ending", LOG_TEXT("step", farewell->step),
                      LOG_NUMBER("for_s", took / CLOCK_SECOND));
    }
    pthread_mutex_unlock(&farewell->lock);
    return NULL;
}

static void free_farewell(struct farewell *farewell)
{
    pthread_cond_destroy(&farewell->wake);
    pthread_mutex_destroy(&farewell->lock);
    free(farewell);
}

struct farewell *farewell_begin(void)
{
    struct farewell *farewell = calloc(1, sizeof(*farewell));
    if (farewell == NULL)
        return NULL;
    pthread_mutex_init(&farewell->lock, NULL);
    wake_init(&farewell->wake);
    farewell->step = "begin";
    farewell->since = clock_monotonic();
    sigset_t all, before;
    harden_thread_signals(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&farewell->thread, NULL, watch, farewell);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        free_farewell(farewell);
        return NULL;
    }
    return farewell;
}

void farewell_step(struct farewell *farewell, const char *step)
{
    if (farewell == NULL)
        return;
    pthread_mutex_lock(&farewell->lock);
    farewell->step = step;
    farewell->since = clock_monotonic();
    pthread_mutex_unlock(&farewell->lock);
}

void farewell_end(struct farewell **farewell_pointer)
{
    struct farewell *farewell = *farewell_pointer;
    *farewell_pointer = NULL;
    if (farewell == NULL)
        return;
    pthread_mutex_lock(&farewell->lock);
    farewell->over = true;
    pthread_cond_signal(&farewell->wake);
    pthread_mutex_unlock(&farewell->lock);
    pthread_join(farewell->thread, NULL);
    free_farewell(farewell);
}
