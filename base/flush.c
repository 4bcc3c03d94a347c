/* SPDX-License-Identifier: Apache-2.0 */
#include "base/flush.h"

#include "base/loop.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <libaio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

enum {
    TOGETHER = 64, /* writes in one call; more than are ready in a turn of a busy loop */
    PIECES = 8,    /* of one output in one write; a message's body comes in blocks */
    RECORD = SSL3_RT_MAX_PLAIN_LENGTH,
};

TAILQ_HEAD(flush_list, flush);

struct flusher {
    struct flush_list due;
    io_context_t aio; /* owned; NULL before it was first needed */
    bool one_by_one;  /* the kernel gives no AIO */
};

/* One output on its way. */
struct writing {
    struct flush *flush;
    struct bufferevent *bev;
    struct iovec pieces[PIECES];
    struct iocb request;
    SSL *ssl;  /* borrowed; NULL: a plain socket */
    bool done; /* all of it is out */
};

struct flusher *flusher_new(void)
{
    struct flusher *flusher = calloc(1, sizeof(*flusher));
    if (flusher != NULL)
        TAILQ_INIT(&flusher->due);
    return flusher;
}

void flusher_free(struct flusher **flusher)
{
    if (*flusher == NULL)
        return;
    if ((*flusher)->aio != NULL)
        io_destroy((*flusher)->aio);
    free(*flusher);
    *flusher = NULL;
}

void flush_later(struct loop *loop, struct flush *flush)
{
    if (flush->due)
        return;
    flush->due = true;
    TAILQ_INSERT_TAIL(&loop_flusher(loop)->due, flush, entry);
    loop_come_round(loop);
}

void flush_forget(struct loop *loop, struct flush *flush)
{
    if (!flush->due)
        return;
    flush->due = false;
    TAILQ_REMOVE(&loop_flusher(loop)->due, flush, entry);
}

/* ---- writing ---- */

static bool settled(struct bufferevent *bev)
{
    if (evbuffer_get_length(bufferevent_get_output(bev)) > 0)
        return false;
    /* Adding had asked for the write event; under the changelist the kernel never hears of it. */
    event_del(&bev->ev_write);
    return true;
}

static bool may_write(struct bufferevent *bev)
{
    return bufferevent_getfd(bev) >= 0 && (bufferevent_get_enabled(bev) & EV_WRITE) != 0 &&
           evbuffer_get_length(bufferevent_get_output(bev)) > 0;
}

/* Few records, of what lies in many pieces. Blocked or broken it is libevent's to go on with.
 * OpenSSL takes a blocked write up again wherever its bytes lie by then, but only with as many of
 * them or more: so both offer all of the first piece, which only grows. */
static void write_records(struct evbuffer *output, SSL *ssl)
{
    for (size_t length; (length = evbuffer_get_length(output)) > 0;) {
        size_t one = length < RECORD ? length : RECORD;
        const unsigned char *bytes = evbuffer_pullup(output, (ev_ssize_t)one);
        if (bytes == NULL)
            return;
        ERR_clear_error();
        int wrote = SSL_write(ssl, bytes, (int)evbuffer_get_contiguous_space(output));
        ERR_clear_error();
        if (wrote <= 0)
            return;
        evbuffer_drain(output, (size_t)wrote);
    }
}

/* True: all of it is out. */
static bool write_alone(struct bufferevent *bev)
{
    struct evbuffer *output = bufferevent_get_output(bev);
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    if (ssl == NULL) {
        /* A plain bufferevent keeps others from taking out of the front of its output. */
        evbuffer_unfreeze(output, 1);
        (void)evbuffer_write(output, bufferevent_getfd(bev));
        evbuffer_freeze(output, 1);
    } else if (SSL_is_init_finished(ssl) &&
               !SSL_want_write(ssl)) { /* else libevent waits for room */
        write_records(output, ssl);
    }
    return settled(bev);
}

void flush_now(struct bufferevent *bev)
{
    if (may_write(bev))
        (void)write_alone(bev);
}

static void take_result(const struct io_event *event)
{
    struct writing *writing = event->data;
    struct evbuffer *output = bufferevent_get_output(writing->bev);
    long wrote = (long)event->res;
    if (wrote > 0) {
        evbuffer_unfreeze(output, 1);
        evbuffer_drain(output, (size_t)wrote);
        evbuffer_freeze(output, 1);
    }
    writing->done = settled(writing->bev);
}

static bool prepare(struct flusher *flusher)
{
    if (flusher->aio == NULL && !flusher->one_by_one)
        flusher->one_by_one = io_setup(TOGETHER, &flusher->aio) != 0;
    return !flusher->one_by_one;
}

/* Those on plain sockets. False: none was written, and none will be by the kernel. */
static bool write_together(struct flusher *flusher, struct writing *writings, size_t count)
{
    struct iocb *requests[TOGETHER];
    struct io_event events[TOGETHER];
    long ready = 0;
    for (size_t i = 0; i < count; i++) {
        struct writing *writing = &writings[i];
        struct evbuffer_iovec pieces[PIECES];
        if (writing->ssl != NULL)
            continue;
        int n = evbuffer_peek(bufferevent_get_output(writing->bev), -1, NULL, pieces, PIECES);
        n = n > PIECES ? PIECES : n;
        for (int k = 0; k < n; k++)
            writing->pieces[k] = (struct iovec){pieces[k].iov_base, pieces[k].iov_len};
        io_prep_pwritev(&writing->request, bufferevent_getfd(writing->bev), writing->pieces, n, 0);
        writing->request.data = writing;
        requests[ready++] = &writing->request;
    }
    int taken = io_submit(flusher->aio, ready, requests);
    if (taken <= 0)
        return false;
    /* Writes to sockets that do not block end within the call, so none is waited for here. What
     * was not taken is left to its bufferevent. */
    int got = 0;
    while (got < taken) {
        int more = io_getevents(flusher->aio, taken - got, taken - got, events + got, NULL);
        if (more < 0 && more != -EINTR)
            abort(); /* the kernel would still read from memory that is about to go */
        got += more > 0 ? more : 0;
    }
    for (int i = 0; i < got; i++)
        take_result(&events[i]);
    return true;
}

static size_t collect(struct flusher *flusher, struct writing *writings)
{
    size_t count = 0;
    while (count < TOGETHER && !TAILQ_EMPTY(&flusher->due)) {
        struct flush *flush = TAILQ_FIRST(&flusher->due);
        TAILQ_REMOVE(&flusher->due, flush, entry);
        flush->due = false;
        struct bufferevent *bev = flush->source(flush);
        if (bev == NULL || !may_write(bev))
            continue;
        writings[count].flush = flush;
        writings[count].bev = bev;
        writings[count].ssl = bufferevent_openssl_get_ssl(bev);
        writings[count++].done = false;
    }
    return count;
}

void flusher_run(struct flusher *flusher)
{
    while (!TAILQ_EMPTY(&flusher->due)) {
        struct writing writings[TOGETHER];
        size_t count = collect(flusher, writings);
        size_t plain = 0;
        for (size_t i = 0; i < count; i++)
            plain += writings[i].ssl == NULL;
        bool together = plain > 1 && prepare(flusher) && write_together(flusher, writings, count);
        for (size_t i = 0; i < count; i++)
            if (!together || writings[i].ssl != NULL)
                writings[i].done = write_alone(writings[i].bev);
        /* Nobody is told before all buffers are settled: who is told may close another's. */
        for (size_t i = 0; i < count; i++)
            if (writings[i].done && writings[i].flush->written != NULL)
                writings[i].flush->written(writings[i].flush);
    }
}
