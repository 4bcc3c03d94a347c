/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A download from its first piece to its end (stream.h). It belongs to its request, which goes when
 * the connection does; a piece that is at the desk then comes back to find nobody, and what is
 * left of the download goes with it.
 */
#include "proxy/http/stream.h"

#include "base/log.h"
#include "proxy/http/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A desk that takes nothing is asked again, so often and so long. */
#define DESK_AGAIN    (CLOCK_SECOND / 5)
#define DESK_PATIENCE (60 * CLOCK_SECOND)

struct http_stream {
    struct desk_job job;          /* first; the desk's while at_desk */
    struct lane *lane;            /* borrowed */
    struct http_request *request; /* NULL: it is gone */
    struct stream_source source;
    struct strbuf piece; /* owned; the desk's while at_desk */
    bool last;           /* it is the last */
    bool at_desk, leaving;
    bool begun;                  /* the client was answered */
    bool whole;                  /* all of it was given to the connection */
    struct journal_batch *batch; /* owned; until it is begun */
    service_handler *unable;
    int64_t length, given; /* bytes */
    int64_t patience;      /* until when the desk is asked again; 0: it took the last */
    char id[RECORD_ID];
};

static void ask(struct http_stream *stream);

/* ---- the end ---- */

static void record_end(struct http_stream *stream)
{
    if (!stream->begun || stream->source.ended == NULL)
        return;
    struct journal_batch *batch = stream->source.ended(stream->source.own, stream->whole);
    if (batch != NULL)
        store_append(stream->lane->store, batch, NULL, NULL, (struct ticket){0});
    else
        log_event(LOG_LEVEL_ERROR, "the end of a download is not on record",
                  LOG_TEXT("request", stream->id), LOG_TEXT("reason", "no memory"));
}

static void free_stream(struct http_stream *stream)
{
    stream->source.free(stream->source.own);
    journal_batch_free(&stream->batch);
    strbuf_free(&stream->piece);
    free(stream);
}

/* Its request knows it no more. */
static void let_go(struct http_stream *stream)
{
    stream->request->stream = NULL;
    stream->request = NULL;
    if (stream->at_desk)
        return;
    record_end(stream);
    free_stream(stream);
}

void http_stream_gone(struct http_request *request)
{
    struct http_stream *stream = request->stream;
    if (stream == NULL)
        return;
    if (stream->begun)
        log_event(
            LOG_LEVEL_WARN, "a download was broken off", LOG_TEXT("session", request->session),
            LOG_TEXT("request", stream->id), LOG_TEXT("peer", request->client.text),
            LOG_TEXT("route", request->service_route->pattern), LOG_NUMBER("given", stream->given));
    let_go(stream);
}

/* The client is to see that it has not got all. Not from within a callback of evhttp. */
static void cut(struct http_stream *stream, const char *why)
{
    log_event(LOG_LEVEL_ERROR, "a download failed", LOG_TEXT("request", stream->id),
              LOG_TEXT("reason", why));
    http_connection_end(stream->request->connection, "the download failed");
}

/* Nothing was said yet: an answer of another kind is. */
static void answer_unable(struct http_stream *stream, const char *why)
{
    struct service_call *call = &stream->request->service;
    service_handler *unable = stream->unable;
    log_event(LOG_LEVEL_ERROR, "a download could not begin", LOG_TEXT("request", stream->id),
              LOG_TEXT("reason", why));
    let_go(stream);
    strbuf_free(&call->http.answer.body);
    call->http.answer = (struct http_answer){0};
    if (unable != NULL)
        unable(call);
    else
        service_problem(call, 503, "unable", "The gate cannot answer this now",
                        "Journal or registry cannot be read or written now. Try again later.");
}

static void fail(struct http_stream *stream, const char *why)
{
    if (stream->begun)
        cut(stream, why);
    else
        answer_unable(stream, why);
}

/* ---- pieces on their way out ---- */

static void free_bytes(const void *bytes, size_t length, void *arg)
{
    (void)length;
    (void)arg;
    free((void *)(uintptr_t)bytes);
}

/* The piece's bytes; NULL: no memory. */
static struct evbuffer *take_piece(struct http_stream *stream)
{
    struct strbuf *piece = &stream->piece;
    struct evbuffer *bytes = evbuffer_new();
    if (bytes == NULL || piece->length == 0)
        return bytes;
    stream->given += (int64_t)piece->length;
    if (evbuffer_add_reference(bytes, piece->data, piece->length, free_bytes, NULL) != 0) {
        evbuffer_free(bytes);
        return NULL;
    }
    *piece = (struct strbuf){0};
    return bytes;
}

/* The request ends before its last bytes are given: evhttp may end the connection at once. */
static void give_last(struct http_stream *stream, struct evbuffer *bytes)
{
    struct http_request *request = stream->request;
    struct http_connection *connection = request->connection;
    struct evhttp_request *evreq = request->evreq;
    log_event(LOG_LEVEL_INFO, "download", LOG_TEXT("session", request->session),
              LOG_TEXT("request", stream->id), LOG_TEXT("route", request->service_route->pattern),
              LOG_NUMBER("bytes", stream->given));
    stream->whole = true;
    request->evreq = NULL;
    let_go(stream);
    http_request_end(request);
    http_send_last(connection, evreq, bytes);
}

/* What was given has left for the socket. */
static void on_left(struct evhttp_connection *evcon, void *arg)
{
    (void)evcon;
    struct http_connection *connection = arg;
    struct http_stream *stream = connection->request != NULL ? connection->request->stream : NULL;
    if (stream == NULL || !stream->leaving)
        return;
    stream->leaving = false;
    http_connection_enter(connection, HTTP_MAKING);
    ask(stream);
}

static void give(struct http_stream *stream)
{
    struct http_connection *connection = stream->request->connection;
    struct evbuffer *bytes = take_piece(stream);
    bool fits = stream->length == STREAM_ANY_LENGTH ||
                (stream->last ? stream->given == stream->length : stream->given <= stream->length);
    if (bytes == NULL || !fits) {
        cut(stream, bytes == NULL ? "out of memory" : "it is not as long as was said");
        if (bytes != NULL)
            evbuffer_free(bytes);
        return;
    }
    if (stream->last) {
        give_last(stream, bytes);
    } else if (evbuffer_get_length(bytes) > 0) {
        stream->leaving = true;
        http_send_piece(connection, stream->request->evreq, bytes, on_left);
    } else {
        if (connection->state == HTTP_ANSWERING)
            http_connection_enter(connection, HTTP_MAKING);
        ask(stream);
    }
    evbuffer_free(bytes);
}

/* ---- the beginning ---- */

/* False: that was answered. */
static bool send_header(struct http_stream *stream)
{
    struct http_request *request = stream->request;
    const struct http_answer *answer = &request->call.answer;
    if (!http_answer_is_clean(answer)) { /* 500 */
        let_go(stream);
        http_request_answer(request);
        return false;
    }
    http_request_set_stage(request, STAGE_STREAMING);
    http_request_count(request);
    http_send_start(request->connection, request->evreq, answer, stream->length);
    return true;
}

static void begin(struct http_stream *stream)
{
    stream->begun = true;
    if (send_header(stream))
        give(stream);
}

static void on_recorded(void *lane, struct ticket ticket, enum result result)
{
    struct service_call *call = service_redeem(lane, ticket);
    if (call == NULL)
        return;
    struct http_request *request = CONTAINER_OF(call, struct http_request, service);
    struct http_stream *stream = request->stream;
    if (result != RESULT_OK) {
        answer_unable(stream, "it cannot be put on record");
    } else if (request->evreq == NULL) { /* nobody waits any more, though it is on record */
        stream->begun = true;
        http_stream_gone(request);
        http_request_answer(request);
    } else {
        begin(stream);
    }
}

/* The first piece is there: it waits until it is on record who has it. */
static void record(struct http_stream *stream)
{
    struct http_request *request = stream->request;
    struct journal_batch *batch = stream->batch;
    stream->batch = NULL;
    if (request->evreq == NULL) {
        journal_batch_free(&batch);
        let_go(stream);
        http_request_answer(request);
        return;
    }
    store_append(stream->lane->store, batch, on_recorded, stream->lane, request->ticket);
}

/* ---- pieces being made ---- */

static void on_made(struct loop_task *task)
{
    struct desk_job *job = CONTAINER_OF(task, struct desk_job, task);
    struct http_stream *stream = CONTAINER_OF(job, struct http_stream, job);
    stream->at_desk = false;
    if (stream->request == NULL) {
        record_end(stream);
        free_stream(stream);
    } else if (job->result != RESULT_OK) {
        fail(stream, job->err.text);
    } else if (stream->piece.failed) {
        fail(stream, "out of memory");
    } else if (stream->piece.length > STREAM_PIECE_MOST) {
        fail(stream, "a piece is too long");
    } else if (stream->begun) {
        give(stream);
    } else {
        record(stream);
    }
}

static enum result make(struct desk_job *job, struct desk_tools *tools, struct error *err)
{
    struct http_stream *stream = CONTAINER_OF(job, struct http_stream, job);
    strbuf_clear(&stream->piece);
    stream->last = false;
    return stream->source.make(stream->source.own, tools, &stream->piece, &stream->last, err);
}

/* For the next piece. */
static void ask(struct http_stream *stream)
{
    int64_t now = clock_monotonic();
    stream->at_desk = true;
    if (desk_submit(stream->lane->gate->desk, &stream->job)) {
        stream->patience = 0;
        return;
    }
    stream->at_desk = false;
    if (stream->patience == 0)
        stream->patience = now + DESK_PATIENCE;
    http_connection_wake_at(stream->request->connection, now + DESK_AGAIN);
}

void http_stream_timer(struct http_request *request)
{
    struct http_stream *stream = request->stream;
    if (stream == NULL || stream->at_desk || stream->leaving)
        return;
    if (stream->patience != 0 && clock_monotonic() >= stream->patience)
        cut(stream, "the desk takes nothing");
    else
        ask(stream);
}

/* ---- for the services ---- */

bool service_stream_admit(struct service_call *call, const char *user)
{
    uint8_t name[SHA256_BYTES]; /* of any length, it is counted under so many bytes */
    const struct peer_key *address = call->peer_key;
    return sha256(user, strlen(user), name) &&
           service_hold(call, PEER_DOWNLOAD, name, sizeof(name), STREAM_USER_MOST) &&
           service_hold(call, PEER_DOWNLOADS, address, sizeof(*address), STREAM_ADDRESS_MOST);
}

static struct http_stream *new_stream(struct http_request *request,
                                      const struct stream_source *source)
{
    struct http_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return NULL;
    stream->job.pace = DESK_LONG;
    stream->job.home = request->lane->loop;
    stream->job.work = make;
    stream->job.task.run = on_made;
    stream->lane = request->lane;
    stream->request = request;
    stream->source = *source;
    str_copy(stream->id, sizeof(stream->id), request->service.request_id);
    request->stream = stream;
    return stream;
}

void service_stream(struct service_call *call, const struct stream_source *source, int64_t length,
                    struct journal_batch *batch, service_handler *unable)
{
    struct http_request *request = CONTAINER_OF(call, struct http_request, service);
    struct http_stream *stream = new_stream(request, source);
    if (stream == NULL) {
        source->free(source->own);
        journal_batch_free(&batch);
        service_problem(call, 503, "unable", "The gate cannot answer this now",
                        "It is short of memory. Try again later.");
        return;
    }
    stream->batch = batch;
    stream->length = length;
    stream->unable = unable;
    if (call->http.method == HTTP_METHOD_HEAD) {
        if (send_header(stream))
            give_last(stream, NULL);
        return;
    }
    stream->at_desk = batch != NULL && desk_submit(request->lane->gate->desk, &stream->job);
    if (!stream->at_desk)
        answer_unable(stream, batch == NULL ? "out of memory" : "the desk takes nothing");
}

/* ---- a file ---- */

struct file {
    int fd; /* owned */
    int64_t at, length;
};

static void free_file(void *own)
{
    struct file *file = own;
    close(file->fd);
    free(file);
}

static enum result make_of_file(void *own, struct desk_tools *tools, struct strbuf *out,
                                bool *last_out, struct error *err)
{
    struct file *file = own;
    char bytes[16 * 1024];
    (void)tools;
    while (file->at < file->length && out->length < STREAM_PIECE) {
        int64_t left = file->length - file->at;
        size_t most = left < (int64_t)sizeof(bytes) ? (size_t)left : sizeof(bytes);
        ssize_t n = pread(file->fd, bytes, most, (off_t)file->at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, RESULT_SYSTEM, errno, "cannot read a file to be downloaded");
        if (n == 0)
            return error_set(err, RESULT_DAMAGED, "a file to be downloaded was cut short");
        strbuf_add(out, bytes, (size_t)n);
        file->at += n;
    }
    *last_out = file->at == file->length;
    return RESULT_OK;
}

enum result stream_file(int fd, struct stream_source *source_out, int64_t *length_out,
                        struct error *err)
{
    struct stat status;
    struct file *file = NULL;
    enum result result = RESULT_OK;
    if (fstat(fd, &status) != 0)
        result = error_errno(err, RESULT_SYSTEM, errno, "cannot look at a file to be downloaded");
    else if (!S_ISREG(status.st_mode))
        result = error_set(err, RESULT_BAD_INPUT, "what is to be downloaded is no file");
    else if ((file = malloc(sizeof(*file))) == NULL)
        result = error_no_memory(err);
    if (file == NULL) {
        close(fd);
        return result;
    }
    *file = (struct file){.fd = fd, .length = status.st_size};
    *length_out = status.st_size;
    *source_out = (struct stream_source){.own = file, .make = make_of_file, .free = free_file};
    return RESULT_OK;
}
