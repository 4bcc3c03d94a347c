/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What partners are told by HTTP. One thread has all transfers in one CURLM, so that a look-up or a
 * handshake that takes its time holds up no loop. It owns each callback from the call to its
 * answer; nothing is tried twice: who brought what is to be told keeps it, and comes again.
 */
#include "adapters/sms.h"
#include "base/clock.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/str.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_MOST         2000 /* of all accounts */
#define OPEN_ACCOUNT_MOST 100  /* of one: five seconds of a busy one */
#define CONNECTIONS_MOST  128
#define HOST_CONNECTIONS  8
#define ANSWER_MOST       65536 /* bytes, which nobody reads */
#define CONNECT_MS        5000L
#define ANSWER_IN         (20 * CLOCK_SECOND) /* providers wait 30 s and more for us */
#define REST              (10 * CLOCK_SECOND) /* of an account whose address does not answer */
#define POLL_MS           500

/* An account that was or is being told something. */
struct listener {
    struct listener *next;
    unsigned open;
    int64_t rests_until; /* monotonic; 0: it answered */
    char account[];
};

struct callback {
    struct loop_task task;
    struct callback *next;
    struct listener *listener; /* borrowed: as long as the callbacks */
    struct loop *home;         /* borrowed */
    sms_taken_fn *taken;
    void *owner; /* borrowed */
    struct ticket ticket;
    enum sms_taken answer;
    int64_t deadline;
    CURL *easy;                 /* owned; the thread's, as those below */
    struct curl_slist *headers; /* owned */
    size_t received;
    char said[CURL_ERROR_SIZE];
    const char *url, *body; /* in text */
    char text[];
};

struct callbacks {
    pthread_t thread;
    CURLM *multi; /* owned; the thread's, but for curl_multi_wakeup */
    pthread_mutex_t lock;
    struct callback *waiting, **last; /* under lock */
    struct listener *listeners;       /* under lock */
    unsigned open;                    /* under lock: waiting or running */
    bool stopping;                    /* under lock */
    struct callback *running;         /* the thread's */
};

/* ---- ends ---- */

static void run_answer(struct loop_task *task)
{
    struct callback *callback = CONTAINER_OF(task, struct callback, task);
    callback->taken(callback->owner, callback->ticket, callback->answer);
    free(callback);
}

/* on: it answered, whatever it said. Said when it changes, without the address, which may hold a
 * secret. */
static void note(struct callbacks *callbacks, struct callback *callback, bool answers,
                 const char *why)
{
    struct listener *listener = callback->listener;
    pthread_mutex_lock(&callbacks->lock);
    bool rested = listener->rests_until != 0;
    listener->rests_until = answers ? 0 : clock_monotonic() + REST;
    pthread_mutex_unlock(&callbacks->lock);
    if (answers && rested)
        log_event(LOG_LEVEL_INFO, "report_url answers again",
                  LOG_TEXT("account", listener->account));
    else if (!answers && !rested)
        log_event(LOG_LEVEL_WARN, "report_url does not answer",
                  LOG_TEXT("account", listener->account), LOG_TEXT("reason", why));
}

static void tell(struct callbacks *callbacks, struct callback *callback, enum sms_taken answer)
{
    pthread_mutex_lock(&callbacks->lock);
    callback->listener->open--;
    callbacks->open--;
    pthread_mutex_unlock(&callbacks->lock);
    curl_easy_cleanup(callback->easy);
    curl_slist_free_all(callback->headers);
    callback->answer = answer;
    callback->task.run = run_answer;
    loop_post(callback->home, &callback->task);
}

/* ---- libcurl ---- */

static void prepare(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t on_answer(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    struct callback *callback = arg;
    callback->received += size * count;
    return callback->received <= ANSWER_MOST ? size * count : 0;
}

static bool set_options(struct callback *callback)
{
    CURL *easy = callback->easy;
    return curl_easy_setopt(easy, CURLOPT_PRIVATE, callback) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, callback->said) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, callback) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_URL, callback->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           /* Else who gives up a transfer whose name is still looked up waits for the look-up, and
            * with it every other callback. */
           curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "octroi") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(ANSWER_IN / 1000)) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, callback->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                            (curl_off_t)strlen(callback->body)) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, callback->body) == CURLE_OK;
}

static void begin(struct callbacks *callbacks, struct callback *callback)
{
    callback->easy = curl_easy_init();
    callback->headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (callback->easy == NULL || callback->headers == NULL || !set_options(callback) ||
        curl_multi_add_handle(callbacks->multi, callback->easy) != CURLM_OK) {
        tell(callbacks, callback, SMS_TAKE_LATER);
        return;
    }
    callback->next = callbacks->running;
    callbacks->running = callback;
}

/* Out of the transfers that run. */
static void take_out(struct callbacks *callbacks, struct callback *callback)
{
    struct callback **link = &callbacks->running;
    while (*link != callback)
        link = &(*link)->next;
    *link = callback->next;
    (void)curl_multi_remove_handle(callbacks->multi, callback->easy);
}

static void end(struct callbacks *callbacks, struct callback *callback, CURLcode code)
{
    long status = 0;
    const char *why = callback->said[0] != '\0' ? callback->said : curl_easy_strerror(code);
    (void)curl_easy_getinfo(callback->easy, CURLINFO_RESPONSE_CODE, &status);
    bool taken = code == CURLE_OK && status >= 200 && status < 300;
    take_out(callbacks, callback);
    note(callbacks, callback, code == CURLE_OK, why);
    if (code == CURLE_OK && !taken)
        log_event(LOG_LEVEL_DEBUG, "report_url refuses",
                  LOG_TEXT("account", callback->listener->account), LOG_NUMBER("status", status));
    tell(callbacks, callback, taken ? SMS_TAKEN : SMS_TAKE_LATER);
}

static void take_ends(struct callbacks *callbacks)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(callbacks->multi, &left)) != NULL) {
        struct callback *callback = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&callback);
        end(callbacks, callback, code);
    }
}

/* Those that libcurl keeps waiting for a connection, too, have only so long; all of them when the
 * thread ends. */
static void give_up(struct callbacks *callbacks, bool all)
{
    int64_t now = clock_monotonic();
    struct callback *next;
    for (struct callback *callback = callbacks->running; callback != NULL; callback = next) {
        next = callback->next;
        if (!all && callback->deadline > now)
            continue;
        take_out(callbacks, callback);
        if (!all)
            note(callbacks, callback, false, "it did not answer in time");
        tell(callbacks, callback, SMS_TAKE_LATER);
    }
}

static struct callback *take_waiting(struct callbacks *callbacks, bool *stopping_out)
{
    pthread_mutex_lock(&callbacks->lock);
    struct callback *first = callbacks->waiting;
    callbacks->waiting = NULL;
    callbacks->last = &callbacks->waiting;
    *stopping_out = callbacks->stopping;
    pthread_mutex_unlock(&callbacks->lock);
    return first;
}

static void *run(void *arg)
{
    struct callbacks *callbacks = arg;
    bool stopping = false;
    while (!stopping) {
        int running;
        struct callback *next;
        for (struct callback *callback = take_waiting(callbacks, &stopping); callback != NULL;
             callback = next) {
            next = callback->next;
            begin(callbacks, callback);
        }
        (void)curl_multi_perform(callbacks->multi, &running);
        take_ends(callbacks);
        give_up(callbacks, stopping);
        if (!stopping)
            (void)curl_multi_poll(callbacks->multi, NULL, 0, POLL_MS, NULL);
    }
    return NULL;
}

/* ---- the loops' side ---- */

/* Under lock. */
static struct listener *find_listener(struct callbacks *callbacks, const char *account)
{
    struct listener *listener = callbacks->listeners;
    while (listener != NULL && strcmp(listener->account, account) != 0)
        listener = listener->next;
    if (listener != NULL)
        return listener;
    size_t size = strlen(account) + 1;
    listener = calloc(1, sizeof(*listener) + size);
    if (listener == NULL)
        return NULL;
    memcpy(listener->account, account, size);
    listener->next = callbacks->listeners;
    callbacks->listeners = listener;
    return listener;
}

static bool enqueue(struct callbacks *callbacks, const char *account, struct callback *callback)
{
    pthread_mutex_lock(&callbacks->lock);
    struct listener *listener = callbacks->stopping ? NULL : find_listener(callbacks, account);
    bool room =
        listener != NULL && callbacks->open < OPEN_MOST && listener->open < OPEN_ACCOUNT_MOST &&
        (listener->rests_until == 0 || listener->rests_until <= callback->deadline - ANSWER_IN);
    if (room) {
        callback->listener = listener;
        listener->open++;
        callbacks->open++;
        *callbacks->last = callback;
        callbacks->last = &callback->next;
    }
    pthread_mutex_unlock(&callbacks->lock);
    return room;
}

void callbacks_post(struct callbacks *callbacks, const char *account, const char *url,
                    const char *body, struct loop *loop, sms_taken_fn *taken, void *owner,
                    struct ticket ticket)
{
    size_t url_size = strlen(url) + 1, body_size = strlen(body) + 1;
    struct callback *callback = calloc(1, sizeof(*callback) + url_size + body_size);
    if (callback != NULL) {
        callback->home = loop;
        callback->taken = taken;
        callback->owner = owner;
        callback->ticket = ticket;
        callback->deadline = clock_monotonic() + ANSWER_IN;
        callback->url = memcpy(callback->text, url, url_size);
        callback->body = memcpy(callback->text + url_size, body, body_size);
    }
    if (callback == NULL || !enqueue(callbacks, account, callback)) {
        free(callback);
        taken(owner, ticket, SMS_TAKE_LATER);
        return;
    }
    (void)curl_multi_wakeup(callbacks->multi);
}

/* ---- life ---- */

static void free_callbacks(struct callbacks *callbacks)
{
    struct listener *next;
    for (struct listener *listener = callbacks->listeners; listener != NULL; listener = next) {
        next = listener->next;
        free(listener);
    }
    if (callbacks->multi != NULL)
        (void)curl_multi_cleanup(callbacks->multi);
    pthread_mutex_destroy(&callbacks->lock);
    free(callbacks);
}

enum result callbacks_new(struct callbacks **callbacks_out, struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct callbacks *callbacks = calloc(1, sizeof(*callbacks));
    if (callbacks == NULL)
        return error_no_memory(err);
    pthread_once(&once, prepare);
    pthread_mutex_init(&callbacks->lock, NULL);
    callbacks->last = &callbacks->waiting;
    callbacks->multi = curl_multi_init();
    int failed = 0;
    if (callbacks->multi != NULL) {
        sigset_t all, before;
        (void)curl_multi_setopt(callbacks->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                                (long)CONNECTIONS_MOST);
        (void)curl_multi_setopt(callbacks->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                                (long)HOST_CONNECTIONS);
        harden_thread_signals(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        failed = pthread_create(&callbacks->thread, NULL, run, callbacks);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (callbacks->multi == NULL || failed != 0) {
        enum result result = failed != 0
                                 ? error_errno(err, RESULT_SYSTEM, failed, "cannot start a thread")
                                 : error_no_memory(err);
        free_callbacks(callbacks);
        return result;
    }
    *callbacks_out = callbacks;
    return RESULT_OK;
}

void callbacks_free(struct callbacks **callbacks_pointer)
{
    struct callbacks *callbacks = *callbacks_pointer;
    if (callbacks == NULL)
        return;
    pthread_mutex_lock(&callbacks->lock);
    callbacks->stopping = true;
    pthread_mutex_unlock(&callbacks->lock);
    (void)curl_multi_wakeup(callbacks->multi);
    pthread_join(callbacks->thread, NULL);
    free_callbacks(callbacks);
    *callbacks_pointer = NULL;
}
