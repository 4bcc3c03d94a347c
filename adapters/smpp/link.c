/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One bind: a seat at the provider that is kept filled. Its state machine, its socket, its one
 * timer, and the requests that are out on it, which are answered in any order. It refuses to guess:
 * a request of which a byte was handed to the socket may have been taken.
 */
#include "adapters/smpp/smpp.h"

#include "base/log.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* For the last bytes and the answer to unbind. */
#define FAREWELL_TIME (2 * CLOCK_SECOND)
/* Pauses of a link that was told to slow down. */
#define FIRST_PAUSE (CLOCK_SECOND / 10)
#define LAST_PAUSE  (2 * CLOCK_SECOND)

static const struct {
    const char *name;
    const char *awaited; /* in "no answer in time to …" */
    unsigned next;       /* the states it may go to, DOWN aside */
} states[LINK_STATE_COUNT] = {
#define TO(state) (1u << LINK_##state)
    [LINK_DOWN] = {"down", "nothing", TO(RESOLVING)},
    [LINK_RESOLVING] = {"resolving", "the name lookup", TO(CONNECTING)},
    [LINK_CONNECTING] = {"connecting", "the connection request", TO(HANDSHAKE) | TO(BINDING)},
    [LINK_HANDSHAKE] = {"handshake", "the TLS handshake", TO(BINDING)},
    [LINK_BINDING] = {"binding", "the bind request", TO(READY)},
    [LINK_READY] = {"ready", "a request", TO(CHECKING) | TO(LEAVING)},
    [LINK_CHECKING] = {"checking", "enquire_link", TO(UNBINDING) | TO(LEAVING)},
    [LINK_LEAVING] = {"leaving", "a request", TO(FAREWELL)},
    [LINK_UNBINDING] = {"unbinding", "unbind", TO(LEAVING)},
    [LINK_FAREWELL] = {"farewell", "the last bytes (they are not taken)", 0},
#undef TO
};

static struct loop *loop_of(const struct smpp_link *link)
{
    return link->port->base.loop;
}

static struct provider *provider_of(const struct smpp_link *link)
{
    return link->port->base.provider;
}

static bool is_bound(enum link_state state)
{
    return state == LINK_READY || state == LINK_CHECKING || state == LINK_LEAVING ||
           state == LINK_UNBINDING;
}

void smpp_link_set_state(struct smpp_link *link, enum link_state state)
{
    bool allowed = link->state != state &&
                   (state == LINK_DOWN || (states[link->state].next & (1u << state)) != 0);
    log_event(allowed ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
              allowed ? "smpp state" : "smpp state not allowed",
              LOG_TEXT("provider", smpp_config(link->port)->name),
              LOG_TEXT("from", states[link->state].name), LOG_TEXT("to", states[state].name));
    if (link->trial != NULL)
        smpp_trial_step(link, state, NULL);
    int bound = (is_bound(state) ? 1 : 0) - (is_bound(link->state) ? 1 : 0);
    link->state = state;
    if (bound != 0)
        smpp_places_bound(link->port, bound);
    smpp_link_count(link);
}

static bool is_full(const struct smpp_link *link)
{
    return evbuffer_get_length(bufferevent_get_output(link->bev)) >= SMPP_OUTPUT_FULL;
}

void smpp_link_count(struct smpp_link *link)
{
    bool ready = link->state == LINK_READY && smpp_link_sends(link) && link->trial == NULL;
    /* What the table calls room is room: two loops would pass messages to each other for ever. */
    bool room = ready && link->paused_until == 0 && !is_full(link);
    if (ready != link->is_ready)
        smpp_places_ready(link->port, ready ? 1 : -1);
    if (room != link->has_room)
        smpp_places_room(link->port, room ? 1 : -1);
    link->is_ready = ready;
    link->has_room = room;
}

/* ---- the timer: moved only when it fires, or when something is due earlier ---- */

static void sooner(int64_t *due, int64_t other)
{
    if (other != 0 && (*due == 0 || other < *due))
        *due = other;
}

static int64_t next_due(const struct smpp_link *link)
{
    const struct smpp_work *oldest = TAILQ_FIRST(&link->requests);
    int64_t enquire_every = smpp_config(link->port)->enquire_every;
    int64_t due = link->deadline;
    if (link->state == LINK_DOWN)
        return link->retry_at;
    if (link->state != LINK_READY && link->state != LINK_CHECKING)
        return due;
    sooner(&due, oldest != NULL ? oldest->answer_by : 0);
    sooner(&due, link->paused_until);
    sooner(&due, link->enquiry_until);
    if (link->enquiry_until == 0 && enquire_every > 0)
        sooner(&due, link->heard_at + enquire_every);
    return due;
}

void smpp_link_arm(struct smpp_link *link)
{
    int64_t due = next_due(link);
    if (due == 0 || (link->armed != 0 && link->armed <= due))
        return;
    int64_t wait = due - clock_monotonic();
    if (wait < 0)
        wait = 0;
    struct timeval tv = {.tv_sec = wait / CLOCK_SECOND, .tv_usec = wait % CLOCK_SECOND};
    link->armed = due;
    /* Without memory for a timer: look again at the loop's next turn. */
    if (event_add(link->timer, &tv) != 0)
        event_active(link->timer, EV_TIMEOUT, 0);
}

void smpp_link_set_deadline(struct smpp_link *link, int64_t microseconds)
{
    link->deadline = microseconds > 0 ? clock_monotonic() + microseconds : 0;
    smpp_link_arm(link);
}

/* No answer to the oldest request: what is out may have been taken, and nothing more is said. */
static void fall_silent(struct smpp_link *link)
{
    struct error why;
    error_set(&why, RESULT_UNAVAILABLE, "provider %s: no answer in time to submit_sm",
              smpp_config(link->port)->name);
    if (link->trial == NULL && provider_unanswered(provider_of(link), &why))
        smpp_places_wake(link->port, true);
    smpp_link_lost(link, &why);
}

static void check_ready(struct smpp_link *link, int64_t now)
{
    const struct smpp_work *oldest = TAILQ_FIRST(&link->requests);
    if (oldest != NULL && oldest->answer_by <= now) {
        fall_silent(link);
        return;
    }
    if (link->enquiry_until != 0 && link->enquiry_until <= now) {
        smpp_link_fail(link, "no answer in time to enquire_link");
        return;
    }
    if (link->paused_until != 0 && link->paused_until <= now) {
        link->paused_until = 0;
        smpp_link_count(link);
        smpp_queue_pump(link->port);
    }
    if (link->state == LINK_READY && link->enquiry_until == 0 &&
        smpp_config(link->port)->enquire_every > 0 &&
        link->heard_at + smpp_config(link->port)->enquire_every <= now)
        (void)smpp_link_enquire(link);
}

static void expired(struct smpp_link *link)
{
    link->deadline = 0;
    switch (link->state) {
    case LINK_RESOLVING:
    case LINK_CONNECTING:
        dial_expired(&link->dial);
        break;
    case LINK_LEAVING:
        fall_silent(link);
        break;
    default:
        smpp_link_fail(link, "no answer in time to %s", states[link->state].awaited);
        break;
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct smpp_link *link = arg;
    int64_t now = clock_monotonic();
    link->armed = 0;
    if (link->state == LINK_DOWN) {
        if (link->retry_at != 0 && link->retry_at <= now)
            smpp_link_open(link);
    } else if (link->deadline != 0 && link->deadline <= now) {
        expired(link);
    } else if (link->state == LINK_READY || link->state == LINK_CHECKING) {
        check_ready(link, now);
    }
    smpp_link_arm(link);
}

/* ---- the requests that are out ---- */

static struct smpp_work **bucket_of(const struct smpp_link *link, uint32_t sequence)
{
    return &link->buckets[sequence & (link->n_buckets - 1)];
}

static struct smpp_work **find(const struct smpp_link *link, uint32_t sequence)
{
    struct smpp_work **at = bucket_of(link, sequence);
    while (*at != NULL && (*at)->sequence != sequence)
        at = &(*at)->chain;
    return at;
}

uint32_t smpp_link_next(struct smpp_link *link)
{
    do
        link->sequence = link->sequence >= 0x7fffffff ? 1 : link->sequence + 1;
    while (*find(link, link->sequence) != NULL);
    return link->sequence;
}

static void keep_request(struct smpp_link *link, struct smpp_work *work)
{
    struct smpp_work **bucket = bucket_of(link, work->sequence);
    work->chain = *bucket;
    *bucket = work;
    TAILQ_INSERT_TAIL(&link->requests, work, entry);
    if (link->n_requests++ == 0)
        smpp_places_busy(link->port, 1);
}

struct smpp_work *smpp_link_take(struct smpp_link *link, uint32_t sequence)
{
    struct smpp_work **at = find(link, sequence);
    struct smpp_work *work = *at;
    if (work == NULL)
        return NULL;
    *at = work->chain;
    TAILQ_REMOVE(&link->requests, work, entry);
    if (--link->n_requests == 0)
        smpp_places_busy(link->port, -1);
    return work;
}

bool smpp_link_has_room(const struct smpp_link *link)
{
    return link->has_room && link->n_requests < smpp_config(link->port)->window;
}

void smpp_link_send(struct smpp_link *link, struct smpp_work *work)
{
    struct smpp_port *port = link->port;
    uint32_t sequence = smpp_link_next(link);
    size_t length = smpp_work_write(work, port, sequence);
    if (length == 0) {
        work->refusal = (struct sms_answer){.outcome = OUTCOME_REFUSED,
                                            .refusal = SMS_REFUSED_FOR_GOOD,
                                            .id = "",
                                            .smpp_status = SMPP_RINVMSGLEN,
                                            .text = "the message does not fit an SMPP request"};
        smpp_work_refused(work, true);
        return;
    }
    smpp_places_sent(port);
    work->sequence = sequence;
    work->from = link->given;
    work->answer_by = clock_monotonic() + smpp_config(port)->reply_timeout;
    keep_request(link, work);
    if (smpp_link_write(link, port->out, length))
        smpp_link_arm(link);
}

/* ---- bytes out ---- */

bool smpp_link_write(struct smpp_link *link, const uint8_t *bytes, size_t length)
{
    struct evbuffer *output = bufferevent_get_output(link->bev);
    if (evbuffer_get_length(output) + length > SMPP_OUTPUT_MAX) {
        smpp_link_fail(link, "it does not read what it is sent");
        return false;
    }
    if (evbuffer_add(output, bytes, length) != 0) {
        smpp_link_fail(link, "out of memory");
        return false;
    }
    link->given += length;
    return true;
}

bool smpp_link_say(struct smpp_link *link, uint32_t command, uint32_t status, uint32_t sequence)
{
    uint8_t bytes[SMPP_HEADER_BYTES];
    size_t length = smpp_header_write(bytes, sizeof(bytes), command, status, sequence);
    return smpp_link_write(link, bytes, length);
}

bool smpp_link_enquire(struct smpp_link *link)
{
    link->enquiry = smpp_link_next(link);
    link->enquiry_until = clock_monotonic() + smpp_config(link->port)->reply_timeout;
    if (!smpp_link_say(link, SMPP_ENQUIRE_LINK, SMPP_ROK, link->enquiry))
        return false;
    smpp_link_arm(link);
    return true;
}

static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
    struct smpp_link *link = arg;
    link->gone += info->n_deleted;
    if ((evbuffer_get_length(output) >= SMPP_OUTPUT_FULL) == link->has_room) {
        smpp_link_count(link);
        link->refill = link->has_room;
    }
    if (info->n_added > 0)
        flush_later(loop_of(link), &link->flush);
}

/* All that was said in this turn goes out in one write. */
static struct bufferevent *flush_source(struct flush *flush)
{
    struct smpp_link *link = CONTAINER_OF(flush, struct smpp_link, flush);
    return link->bev;
}

static void all_written(struct smpp_link *link)
{
    link->refill = false;
    if (link->state == LINK_FAREWELL)
        smpp_link_fail(link, "it unbound");
    else if (link->state == LINK_READY)
        smpp_queue_pump(link->port);
}

static void flush_written(struct flush *flush)
{
    struct smpp_link *link = CONTAINER_OF(flush, struct smpp_link, flush);
    if (link->state == LINK_FAREWELL || link->refill)
        all_written(link);
}

static void on_write(struct bufferevent *bev, void *arg)
{
    (void)bev;
    all_written(arg);
}

/* ---- the connection ---- */

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    smpp_input_read(arg);
}

static void on_event(struct bufferevent *bev, short events, void *arg)
{
    struct smpp_link *link = arg;
    int failed = EVUTIL_SOCKET_ERROR();
    if ((events & BEV_EVENT_CONNECTED) != 0) {
        if (link->state == LINK_HANDSHAKE)
            smpp_link_say_bind(link);
        return;
    }
    struct error why;
    char text[160];
    const char *name = smpp_config(link->port)->name;
    bool secure = bufferevent_openssl_get_ssl(bev) != NULL;
    if (link->state == LINK_HANDSHAKE) {
        dial_tls_problem(&link->dial, bev, events, text, sizeof(text));
        error_set(&why, RESULT_UNAVAILABLE, "provider %s: the TLS handshake failed (%s)", name,
                  text);
    } else if ((events & BEV_EVENT_ERROR) != 0 && failed != 0 && !secure) {
        error_errno(&why, RESULT_UNAVAILABLE, failed, "provider %s: the connection broke", name);
    } else {
        error_set(&why, RESULT_UNAVAILABLE, "provider %s: it closed the connection", name);
    }
    smpp_link_lost(link, &why);
}

bool smpp_link_listen(struct smpp_link *link)
{
    link->given = link->gone = 0;
    bufferevent_setcb(link->bev, on_read, on_write, on_event, link);
    /* No mark on what is read: each turn takes out all whole PDUs, so less than one is left. */
    return evbuffer_add_cb(bufferevent_get_output(link->bev), on_output, link) != NULL &&
           bufferevent_enable(link->bev, EV_READ | EV_WRITE) == 0;
}

/* ---- its end ---- */

static void drop_socket(struct smpp_link *link)
{
    dial_forget(&link->dial);
    if (link->bev == NULL)
        return;
    evbuffer_remove_cb(bufferevent_get_output(link->bev), on_output, link);
    bufferevent_setcb(link->bev, NULL, NULL, NULL, NULL);
    flush_forget(loop_of(link), &link->flush);
    bufferevent_free(link->bev);
    link->bev = NULL;
}

/* What TLS was given it may have sent in part, whatever is still in the buffer. */
static bool untouched(const struct smpp_link *link, const struct smpp_work *work, bool secure)
{
    return !secure && work->from >= link->gone;
}

/* Oldest first; those that the socket never saw go another way, in their old order. */
static void settle_requests(struct smpp_link *link, bool secure, const struct error *why)
{
    struct smpp_works again = TAILQ_HEAD_INITIALIZER(again);
    struct smpp_work *work;
    while ((work = TAILQ_FIRST(&link->requests)) != NULL) {
        (void)smpp_link_take(link, work->sequence);
        if (untouched(link, work, secure)) {
            smpp_places_waits(link->port);
            TAILQ_INSERT_TAIL(&again, work, entry);
        } else {
            smpp_work_lost(work, why);
        }
    }
    while ((work = TAILQ_FIRST(&again)) != NULL) {
        TAILQ_REMOVE(&again, work, entry);
        smpp_queue_add(link->port, work);
    }
}

/* Closes at once. */
static void shut(struct smpp_link *link)
{
    drop_socket(link);
    smpp_receive_forget(link);
    link->deadline = link->enquiry_until = link->paused_until = 0;
    link->retry_at = 0;
    smpp_link_set_state(link, LINK_DOWN);
}

void smpp_link_lost(struct smpp_link *link, const struct error *why)
{
    enum link_state state = link->state;
    bool secure = link->bev != NULL && bufferevent_openssl_get_ssl(link->bev) != NULL;
    if (state == LINK_DOWN)
        return;
    if (link->trial != NULL) {
        smpp_trial_step(link, LINK_DOWN, why);
        shut(link);
        smpp_trial_end(link);
        return;
    }
    log_event(state == LINK_FAREWELL ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "smpp bind lost",
              LOG_TEXT("provider", smpp_config(link->port)->name),
              LOG_TEXT("as", smpp_command_name(link->command)),
              LOG_TEXT("state", states[state].name), LOG_TEXT("error", why->text));
    shut(link);
    if (!link->port->closing)
        smpp_link_reopen(link, state, why);
    settle_requests(link, secure, why);
    smpp_queue_pump(link->port);
}

void smpp_link_fail(struct smpp_link *link, const char *format, ...)
{
    struct error why;
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(&why, RESULT_UNAVAILABLE, "provider %s: %s", smpp_config(link->port)->name, text);
    smpp_link_lost(link, &why);
}

void smpp_link_farewell(struct smpp_link *link)
{
    smpp_link_set_state(link, LINK_FAREWELL);
    smpp_link_set_deadline(link, FAREWELL_TIME);
}

void smpp_link_left(struct smpp_link *link)
{
    if (link->state != LINK_LEAVING || link->n_requests > 0)
        return;
    smpp_link_set_state(link, LINK_FAREWELL);
    if (smpp_link_say(link, SMPP_RESP(SMPP_UNBIND), SMPP_ROK, link->asked))
        smpp_link_set_deadline(link, FAREWELL_TIME);
}

void smpp_link_leave(struct smpp_link *link, uint32_t sequence)
{
    link->asked = sequence;
    smpp_link_set_state(link, LINK_LEAVING);
    smpp_link_set_deadline(link, smpp_config(link->port)->reply_timeout);
    smpp_link_left(link);
    smpp_queue_pump(link->port);
}

void smpp_link_throttle(struct smpp_link *link, bool over)
{
    if (over) {
        link->pause = 0;
        return;
    }
    /* Many answers may say so at once. */
    if (link->state != LINK_READY || link->paused_until != 0)
        return;
    link->pause = link->pause == 0 ? FIRST_PAUSE : 2 * link->pause;
    if (link->pause > LAST_PAUSE)
        link->pause = LAST_PAUSE;
    link->paused_until = clock_monotonic() + link->pause;
    smpp_link_count(link);
    smpp_link_arm(link);
}

/* ---- life ---- */

struct smpp_link *smpp_link_new(struct smpp_port *port, uint32_t command)
{
    struct smpp_link *link = calloc(1, sizeof(*link));
    if (link == NULL)
        return NULL;
    link->port = port;
    link->command = command;
    link->n_buckets = 1;
    while (link->n_buckets < smpp_config(port)->window)
        link->n_buckets *= 2;
    link->buckets = calloc(link->n_buckets, sizeof(*link->buckets));
    link->timer = evtimer_new(loop_base(port->base.loop), on_timer, link);
    link->flush = (struct flush){.source = flush_source, .written = flush_written};
    TAILQ_INIT(&link->requests);
    TAILQ_INIT(&link->inbound);
    dial_init(&link->dial, &smpp_dial_ops, port->base.provider, port->base.loop);
    if (link->buckets == NULL || link->timer == NULL)
        smpp_link_free(&link);
    return link;
}

void smpp_link_free(struct smpp_link **link_pointer)
{
    struct smpp_link *link = *link_pointer;
    *link_pointer = NULL;
    dial_end(&link->dial);
    if (link->timer != NULL)
        event_free(link->timer);
    free(link->buckets);
    free(link);
}

/* The loop may never turn again, so unbind is said at once or not at all; its answer would change
 * nothing. */
void smpp_link_cut(struct smpp_link *link)
{
    uint8_t unbind[SMPP_HEADER_BYTES];
    if (link->state == LINK_READY && evbuffer_get_length(bufferevent_get_output(link->bev)) == 0) {
        SSL *ssl = bufferevent_openssl_get_ssl(link->bev);
        size_t length =
            smpp_header_write(unbind, sizeof(unbind), SMPP_UNBIND, SMPP_ROK, smpp_link_next(link));
        if (ssl != NULL) {
            (void)SSL_write(ssl, unbind, (int)length);
            ERR_clear_error();
        } else {
            (void)send(bufferevent_getfd(link->bev), unbind, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
    }
    if (link->probe)
        provider_abandoned(provider_of(link), true);
    link->probe = false;
    if (link->state != LINK_DOWN)
        shut(link);
}

void smpp_link_abandon(struct smpp_link *link, const struct error *why)
{
    bool secure = link->bev != NULL && bufferevent_openssl_get_ssl(link->bev) != NULL;
    if (link->trial != NULL) {
        smpp_link_lost(link, why);
        return;
    }
    smpp_link_cut(link);
    link->retry_at = 0;
    settle_requests(link, secure, why);
}
