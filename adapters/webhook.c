/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/webhook.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "store/record.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MOST 64
#define ANSWER_MOST      65536 /* bytes, which nobody reads */
#define CONNECT_MS       10000L
#define ANSWER_MS        20000L

struct webhook {
    struct webhook *next;
    CURL *easy;                 /* owned */
    struct curl_slist *headers; /* owned */
    webhook_answer_fn *answer;
    void *owner; /* borrowed */
    size_t received;
    char said[CURL_ERROR_SIZE];
    char *body; /* owned */
};

struct webhooks {
    CURLM *multi; /* owned */
    struct webhook *open;
};

static void prepare(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum result webhooks_new(struct webhooks **webhooks_out, struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct webhooks *webhooks = calloc(1, sizeof(*webhooks));
    if (webhooks == NULL)
        return error_no_memory(err);
    pthread_once(&once, prepare);
    webhooks->multi = curl_multi_init();
    if (webhooks->multi == NULL) {
        free(webhooks);
        return error_no_memory(err);
    }
    (void)curl_multi_setopt(webhooks->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                            (long)CONNECTIONS_MOST);
    *webhooks_out = webhooks;
    return RESULT_OK;
}

static void free_webhook(struct webhook *webhook)
{
    curl_easy_cleanup(webhook->easy);
    curl_slist_free_all(webhook->headers);
    if (webhook->body != NULL)
        wipe(webhook->body, strlen(webhook->body));
    free(webhook->body);
    free(webhook);
}

static void end(struct webhooks *webhooks, struct webhook *webhook,
                const struct webhook_answer *answer)
{
    struct webhook **link = &webhooks->open;
    while (*link != webhook)
        link = &(*link)->next;
    *link = webhook->next;
    (void)curl_multi_remove_handle(webhooks->multi, webhook->easy);
    webhook->answer(webhook->owner, answer);
    free_webhook(webhook);
}

void webhooks_free(struct webhooks **webhooks_pointer)
{
    struct webhooks *webhooks = *webhooks_pointer;
    if (webhooks == NULL)
        return;
    while (webhooks->open != NULL)
        end(webhooks, webhooks->open, &(const struct webhook_answer){.why = "the gateway ends"});
    (void)curl_multi_cleanup(webhooks->multi);
    free(webhooks);
    *webhooks_pointer = NULL;
}

/* ---- a request ---- */

static size_t on_answer(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    struct webhook *webhook = arg;
    webhook->received += size * count;
    return webhook->received <= ANSWER_MOST ? size * count : 0;
}

static bool set_place(struct webhook *webhook, const struct webhook_call *call)
{
    CURL *easy = webhook->easy;
    return curl_easy_setopt(easy, CURLOPT_URL, call->url) == CURLE_OK &&
           (call->ca_file == NULL ||
            curl_easy_setopt(easy, CURLOPT_CAINFO, call->ca_file) == CURLE_OK) &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
}

static bool set_options(struct webhook *webhook)
{
    CURL *easy = webhook->easy;
    return curl_easy_setopt(easy, CURLOPT_PRIVATE, webhook) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, webhook->said) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, webhook) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           /* Else a look-up that takes its time holds up who gives it up. */
           curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "octroi") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, ANSWER_MS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, webhook->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(webhook->body)) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, webhook->body) == CURLE_OK;
}

static bool add_header(struct webhook *webhook, const char *header)
{
    struct curl_slist *longer = curl_slist_append(webhook->headers, header);
    if (longer != NULL)
        webhook->headers = longer;
    return longer != NULL;
}

bool webhooks_post(struct webhooks *webhooks, const struct webhook_call *call,
                   webhook_answer_fn *answer, void *owner)
{
    struct webhook *webhook = calloc(1, sizeof(*webhook));
    if (webhook == NULL)
        return false;
    webhook->answer = answer;
    webhook->owner = owner;
    webhook->body = strdup(call->body);
    webhook->easy = curl_easy_init();
    /* Without it libcurl waits for a "100 Continue" that many servers never say. */
    bool made = webhook->body != NULL && webhook->easy != NULL &&
                add_header(webhook, "Content-Type: application/json") &&
                add_header(webhook, "Expect:");
    for (size_t i = 0; made && call->headers[i] != NULL; i++)
        made = add_header(webhook, call->headers[i]);
    if (!made || !set_place(webhook, call) || !set_options(webhook) ||
        curl_multi_add_handle(webhooks->multi, webhook->easy) != CURLM_OK) {
        free_webhook(webhook);
        return false;
    }
    webhook->next = webhooks->open;
    webhooks->open = webhook;
    return true;
}

/* ---- answers ---- */

/* libcurl's own text may quote what the other side wrote, such as a certificate's subject: it goes
 * to whoever looks for the fault, and on no record. */
static void tell_detail(const struct webhook *webhook)
{
    char said[CURL_ERROR_SIZE];
    if (webhook->said[0] == '\0')
        return;
    reply_scrub(webhook->said, said, sizeof(said));
    log_event(LOG_LEVEL_DEBUG, "a notice was not taken", LOG_TEXT("detail", said));
}

static void take(struct webhooks *webhooks, struct webhook *webhook, CURLcode code)
{
    long status = 0;
    curl_off_t retry_after = 0;
    struct webhook_answer answer = {.why = ""};
    (void)curl_easy_getinfo(webhook->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(webhook->easy, CURLINFO_RETRY_AFTER, &retry_after);
    /* We hung up on an answer that went on and on: its status is what counts. */
    if (code != CURLE_OK && (code != CURLE_WRITE_ERROR || status == 0)) {
        answer.why = curl_easy_strerror(code);
        tell_detail(webhook);
    } else {
        answer.status = (int)status;
    }
    if (retry_after > 0 && retry_after < 366 * (CLOCK_DAY / CLOCK_SECOND))
        answer.retry_after = (int64_t)retry_after * CLOCK_SECOND;
    end(webhooks, webhook, &answer);
}

void webhooks_wait(struct webhooks *webhooks, int milliseconds)
{
    CURLMsg *message;
    int running, left;
    (void)curl_multi_perform(webhooks->multi, &running);
    (void)curl_multi_poll(webhooks->multi, NULL, 0, milliseconds, NULL);
    (void)curl_multi_perform(webhooks->multi, &running);
    while ((message = curl_multi_info_read(webhooks->multi, &left)) != NULL) {
        struct webhook *webhook = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&webhook);
        take(webhooks, webhook, code);
    }
}

void webhooks_wake(struct webhooks *webhooks)
{
    (void)curl_multi_wakeup(webhooks->multi);
}
