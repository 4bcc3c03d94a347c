/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl on the loop, by its multi_socket interface: it tells which sockets and which instant it
 * waits for, and is called when they come. What is never done here: redirects, proxies, cookies,
 * credentials from files, look-ups, and sending a request twice. libcurl would do the last when a
 * kept connection turns out to be closed; whether the provider read the first is not known then.
 */
#include "adapters/http/http.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A socket that libcurl waits for. */
struct http_watch {
    struct http_watch *next;
    struct http_port *port;
    struct event *event; /* owned */
    curl_socket_t socket;
};

/* ---- the process ---- */

static CURLcode prepared;

static void prepare(void)
{
    prepared = curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum result http_client_prepare(struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare);
    return prepared == CURLE_OK
               ? RESULT_OK
               : error_set(err, RESULT_SYSTEM, "libcurl: %s", curl_easy_strerror(prepared));
}

/* ---- ends ---- */

static void describe(const struct http_transfer *transfer, CURLcode code, struct http_end *end)
{
    const char *name = http_config(transfer->port)->name;
    const char *said = transfer->said[0] != '\0' ? transfer->said : curl_easy_strerror(code);
    if (transfer->too_big)
        said = "its answer is longer than 64 KiB";
    else if (code == CURLE_ABORTED_BY_CALLBACK)
        said = "the connection was closed before an answer came";
    snprintf(end->why, sizeof(end->why), "provider %.64s: %s", name, said);
}

static bool is_of_tls(CURLcode code)
{
    switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return true;
    default:
        return false;
    }
}

/* ---- handles that are used again: making one takes longer than filling it in ---- */

/* They are linked by what libcurl keeps for us. There are never more of them than the port had
 * transfers at once. */
static CURL *take_spare(struct http_port *port)
{
    CURL *easy = port->spare;
    char *next = NULL;
    if (easy == NULL)
        return NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &next);
    port->spare = (CURL *)next;
    return easy;
}

/* What it was told of this transfer goes with the transfer. */
static void keep_spare(struct http_transfer *transfer)
{
    CURL *easy = transfer->easy;
    if (curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, NULL) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_PREREQDATA, NULL) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_RESOLVE, NULL) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer->port->spare) != CURLE_OK)
        return;
    transfer->port->spare = easy;
    transfer->easy = NULL;
}

/* ---- the end of a transfer ---- */

/* From libcurl, and from what runs. */
static void take_back(struct http_transfer *transfer)
{
    (void)curl_multi_remove_handle(transfer->port->multi, transfer->easy);
    TAILQ_REMOVE(&transfer->port->running, transfer, running);
}

/* With what libcurl has to say of it. */
static void finish(struct http_transfer *transfer, CURLcode code)
{
    struct http_end end = {
        .ok = code == CURLE_OK, .connected = transfer->begun > 0, .insecure = is_of_tls(code)};
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &end.status);
    if (end.status < 200)
        end.status = 0;
    end.complete = end.ok && end.status != 0;
    if (!end.complete)
        describe(transfer, code, &end);
    take_back(transfer);
    /* A trial is asked about its handle, and set up like no other; after trouble all is new. */
    if (end.complete && !transfer->trial)
        keep_spare(transfer);
    transfer->done(transfer, &end);
}

void http_client_stop_all(struct http_port *port, const char *why)
{
    struct http_transfer *transfer;
    while ((transfer = TAILQ_FIRST(&port->running)) != NULL) {
        /* An answer that was coming is no answer. */
        struct http_end end = {.connected = transfer->begun > 0, .stopped = true};
        snprintf(end.why, sizeof(end.why), "provider %.64s: %s", http_config(port)->name, why);
        take_back(transfer);
        transfer->done(transfer, &end);
    }
}

/* On the loop, outside of libcurl: what is done here may begin further transfers. */
static void take_ends(struct http_port *port)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(port->multi, &left)) != NULL) {
        struct http_transfer *transfer = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        finish(transfer, code);
    }
}

/* ---- events ---- */

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct http_port *port = ((struct http_watch *)arg)->port;
    int running;
    int bits = ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
               ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
    (void)curl_multi_socket_action(port->multi, fd, bits, &running);
    take_ends(port);
}

static void free_watch(struct http_watch *watch)
{
    if (watch->event != NULL)
        event_free(watch->event);
    free(watch);
}

static void forget_watch(struct http_watch *watch)
{
    struct http_watch **at = &watch->port->watches;
    while (*at != watch)
        at = &(*at)->next;
    *at = watch->next;
    free_watch(watch);
}

/* libcurl takes a failure here as the end of all transfers for ever. When memory is too short to
 * watch a socket, its transfer ends by its deadline. */
static int watch_socket(CURL *easy, curl_socket_t socket, int what, void *arg, void *known)
{
    struct http_port *port = arg;
    struct http_watch *watch = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL)
            forget_watch(watch);
        (void)curl_multi_assign(port->multi, socket, NULL);
        return 0;
    }
    if (watch == NULL) {
        watch = calloc(1, sizeof(*watch));
        if (watch == NULL)
            return 0;
        watch->port = port;
        watch->socket = socket;
        watch->next = port->watches;
        port->watches = watch;
        if (curl_multi_assign(port->multi, socket, watch) != CURLM_OK) {
            forget_watch(watch);
            return 0;
        }
    }
    if (watch->event != NULL)
        event_free(watch->event);
    short bits = (short)(((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
                         ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0) | EV_PERSIST);
    watch->event = event_new(loop_base(port->base.loop), socket, bits, on_socket, watch);
    if (watch->event != NULL)
        (void)event_add(watch->event, NULL);
    return 0;
}

/* Never fails: without memory for a timer it comes at once, and looks at the time itself. What is
 * due, as every new transfer is, does not wait for the loop's next turn. */
static void arm(struct http_port *port)
{
    int64_t left = port->due - clock_monotonic();
    if (port->due < 0) {
        (void)event_del(port->timer);
        return;
    }
    const struct timeval after = {.tv_sec = (time_t)(left / CLOCK_SECOND),
                                  .tv_usec = (suseconds_t)(left % CLOCK_SECOND)};
    if (left <= 0 || event_add(port->timer, &after) != 0)
        event_active(port->timer, EV_TIMEOUT, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct http_port *port = arg;
    int running;
    (void)fd;
    (void)what;
    if (port->due >= 0 && clock_monotonic() < port->due) {
        arm(port);
        return;
    }
    port->due = -1;
    (void)curl_multi_socket_action(port->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_ends(port);
}

static int set_timer(CURLM *multi, long after, void *arg)
{
    struct http_port *port = arg;
    (void)multi;
    port->due = after < 0 ? -1 : clock_monotonic() + (int64_t)after * 1000;
    arm(port);
    return 0;
}

static bool open_multi(struct http_port *port)
{
    if (port->multi != NULL)
        return true;
    const struct provider_config *config = http_config(port);
    port->due = -1;
    port->timer = event_new(loop_base(port->base.loop), -1, 0, on_timer, port);
    CURLM *multi = port->timer != NULL ? curl_multi_init() : NULL;
    if (multi == NULL ||
        curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket) != CURLM_OK ||
        curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, port) != CURLM_OK ||
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer) != CURLM_OK ||
        curl_multi_setopt(multi, CURLMOPT_TIMERDATA, port) != CURLM_OK ||
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)config->connections) != CURLM_OK) {
        if (multi != NULL)
            (void)curl_multi_cleanup(multi);
        if (port->timer != NULL)
            event_free(port->timer);
        port->timer = NULL;
        return false;
    }
    port->multi = multi;
    return true;
}

void http_client_close(struct http_port *port)
{
    for (CURL *easy; (easy = take_spare(port)) != NULL;)
        curl_easy_cleanup(easy);
    if (port->multi != NULL)
        (void)curl_multi_cleanup(port->multi);
    port->multi = NULL;
    for (struct http_watch *watch = port->watches, *next; watch != NULL; watch = next) {
        next = watch->next;
        free_watch(watch);
    }
    port->watches = NULL;
    if (port->timer != NULL)
        event_free(port->timer);
    port->timer = NULL;
}

/* ---- one transfer ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    size_t length = size * count;
    if (transfer->body.length + length > HTTP_ANSWER_CAP) {
        transfer->too_big = true;
        return 0;
    }
    strbuf_add(&transfer->body, bytes, length);
    return transfer->body.failed ? 0 : length;
}

/* Before each request leaves, on a connection that stands. */
static int on_ready(void *arg, char *peer, char *local, int peer_port, int local_port)
{
    struct http_transfer *transfer = arg;
    (void)peer;
    (void)local;
    (void)peer_port;
    (void)local_port;
    return transfer->begun++ == 0 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static long milliseconds(int64_t microseconds)
{
    int64_t rounded = (microseconds + 999) / 1000;
    return rounded > 0 ? (long)rounded : 1;
}

static bool set_tls(CURL *easy, const struct provider_config *config)
{
    long verify = config->tls_verify ? 1 : 0;
    if (curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2 * verify) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) != CURLE_OK)
        return false;
    /* A named authority stands instead of the system's, not beside them. */
    return config->tls_ca_file == NULL ||
           (curl_easy_setopt(easy, CURLOPT_CAINFO, config->tls_ca_file) == CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK);
}

static bool set_manners(CURL *easy, const struct provider_config *config)
{
    long idle = (long)(config->idle_timeout / CLOCK_SECOND);
    return curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "octroi") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                            milliseconds(config->connect_timeout)) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                            milliseconds(config->connect_timeout + config->reply_timeout)) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, idle > 0 ? idle : 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK;
}

static bool set_trial(const struct http_transfer *transfer)
{
    CURL *easy = transfer->easy;
    return !transfer->trial || (curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
                                curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
                                curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L) == CURLE_OK &&
                                curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY,
                                                 transfer->connect_only ? 1L : 0L) == CURLE_OK);
}

static bool set_callbacks(struct http_transfer *transfer)
{
    CURL *easy = transfer->easy;
    return curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->said) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_ready) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer) == CURLE_OK;
}

static bool set_request(struct http_transfer *transfer)
{
    const struct http_built *built = &transfer->built;
    CURL *easy = transfer->easy;
    if (curl_easy_setopt(easy, CURLOPT_URL, built->url.data) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, built->headers) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_RESOLVE, transfer->addresses) != CURLE_OK)
        return false;
    bool get = strcmp(built->method, "GET") == 0;
    if (get)
        return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    return curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)built->body.length) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, built->body.data) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, built->method) == CURLE_OK;
}

static enum result find_easy(struct http_transfer *transfer, struct error *err)
{
    const struct provider_config *config = http_config(transfer->port);
    transfer->easy = transfer->trial ? NULL : take_spare(transfer->port);
    if (transfer->easy != NULL)
        return RESULT_OK;
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL)
        return error_no_memory(err);
    if (!set_manners(transfer->easy, config) || !set_tls(transfer->easy, config))
        return error_set(err, RESULT_SYSTEM, "the provider's settings cannot be given to libcurl");
    return RESULT_OK;
}

enum result http_client_begin(struct http_transfer *transfer, struct error *err)
{
    struct http_port *port = transfer->port;
    if (!open_multi(port))
        return error_no_memory(err);
    enum result result = find_easy(transfer, err);
    if (result != RESULT_OK)
        return result;
    /* libcurl looks at the list when the loop has come round, and the port may have a new one then.
     */
    if (port->addresses != NULL &&
        (transfer->addresses = curl_slist_append(NULL, port->addresses->data)) == NULL)
        return error_no_memory(err);
    if (!set_callbacks(transfer) || !set_trial(transfer) || !set_request(transfer))
        return error_set(err, RESULT_SYSTEM, "the request cannot be given to libcurl");
    CURLMcode code = curl_multi_add_handle(port->multi, transfer->easy);
    if (code != CURLM_OK)
        return error_set(err, RESULT_SYSTEM, "libcurl: %s", curl_multi_strerror(code));
    TAILQ_INSERT_TAIL(&port->running, transfer, running);
    return RESULT_OK;
}

void http_client_release(struct http_transfer *transfer)
{
    if (transfer->easy != NULL)
        curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    curl_slist_free_all(transfer->addresses);
    transfer->addresses = NULL;
    http_built_free(&transfer->built);
    strbuf_free(&transfer->body);
}
