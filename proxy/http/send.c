/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer's way out: its header fields, and its bytes given to evhttp. What a service made of a
 * caller's words ends no field: an answer with a control character in one is not sent at all.
 */
#include "proxy/http/internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <event2/http_struct.h>
#include <stdio.h>

static void add_header(struct evhttp_request *evreq, const char *name, const char *value)
{
    /* Without memory for one the answer lacks it, and no more than that. */
    if (value != NULL)
        (void)evhttp_add_header(evhttp_request_get_output_headers(evreq), name, value);
}

static bool is_clean(const char *value)
{
    if (value == NULL)
        return true;
    for (; *value != '\0'; value++)
        if ((unsigned char)*value < 0x20 || *value == 0x7f)
            return false;
    return true;
}

bool http_answer_is_clean(const struct http_answer *answer)
{
    const char *values[] = {answer->type,        answer->allow,          answer->authenticate,
                            answer->location,    answer->content_policy, answer->referrer_policy,
                            answer->cookies[0],  answer->cookies[1],     answer->cache,
                            answer->disposition, answer->language};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (!is_clean(values[i]))
            return false;
    return true;
}

/* Nobody else's page shows, opens or reads it. */
static void add_page_headers(struct evhttp_request *evreq, const struct http_answer *answer)
{
    if (answer->content_policy == NULL)
        return;
    add_header(evreq, "Content-Security-Policy", answer->content_policy);
    add_header(evreq, "Referrer-Policy",
               answer->referrer_policy != NULL ? answer->referrer_policy : "no-referrer");
    add_header(evreq, "X-Frame-Options", "DENY");
    add_header(evreq, "X-Robots-Tag", "noindex, nofollow");
    add_header(evreq, "Cross-Origin-Opener-Policy", "same-origin");
    add_header(evreq, "Cross-Origin-Resource-Policy", "same-origin");
}

static void add_headers(struct evhttp_request *evreq, const struct http_answer *answer)
{
    add_header(evreq, "Cache-Control", answer->cache != NULL ? answer->cache : "no-store");
    add_header(evreq, "X-Content-Type-Options", "nosniff");
    add_page_headers(evreq, answer);
    add_header(evreq, "Content-Disposition", answer->disposition);
    add_header(evreq, "Content-Language", answer->language);
    add_header(evreq, "Location", answer->location);
    for (size_t i = 0; i < HTTP_COOKIES; i++)
        add_header(evreq, "Set-Cookie", answer->cookies[i]);
    add_header(evreq, "Allow", answer->allow);
    add_header(evreq, "WWW-Authenticate", answer->authenticate);
    if (answer->retry_after > 0) {
        char seconds[24];
        snprintf(seconds, sizeof(seconds), "%lld",
                 (long long)((answer->retry_after + CLOCK_SECOND - 1) / CLOCK_SECOND));
        add_header(evreq, "Retry-After", seconds);
    }
}

static void say_close(struct evhttp_request *evreq)
{
    /* To HTTP/1.0 that asks for it evhttp would say keep-alive beside it. */
    while (evhttp_remove_header(evhttp_request_get_input_headers(evreq), "Connection") == 0) {
        /* each of them */
    }
    (void)evhttp_remove_header(evhttp_request_get_output_headers(evreq), "Connection");
    add_header(evreq, "Connection", "close");
}

static void on_complete(struct evhttp_request *evreq, void *connection)
{
    (void)evreq;
    http_connection_answered(connection);
}

/* The body in evhttp's hands; NULL: no memory. */
static struct evbuffer *body_of(struct evhttp_request *evreq, const struct http_answer *answer)
{
    struct evbuffer *body = answer->body.failed ? NULL : evbuffer_new();
    /* A body to HEAD would be the beginning of the next answer. */
    if (body == NULL || answer->body.length == 0 ||
        evhttp_request_get_command(evreq) == EVHTTP_REQ_HEAD ||
        evbuffer_add(body, answer->body.data, answer->body.length) == 0)
        return body;
    evbuffer_free(body);
    return NULL;
}

static void prepare(struct http_connection *connection, struct evhttp_request *evreq,
                    const struct http_answer *answer)
{
    add_headers(evreq, answer);
    if (answer->close || connection->door->front->draining)
        say_close(evreq);
    http_connection_enter(connection, HTTP_ANSWERING);
    evhttp_request_set_on_complete_cb(evreq, on_complete, connection);
}

void http_send(struct http_connection *connection, struct evhttp_request *evreq,
               const struct http_answer *answer)
{
    static const struct http_answer unable = {
        .status = 503, .retry_after = HTTP_STRAIGHT_AWAY, .close = true};
    static const struct http_answer unclean = {.status = 500, .close = true};
    struct evbuffer *body = body_of(evreq, answer);
    if (body == NULL)
        answer = &unable;
    if (!http_answer_is_clean(answer)) {
        log_event(LOG_LEVEL_ERROR, "an answer's header would have held a control character",
                  LOG_TEXT("session", connection->id), LOG_NUMBER("status", answer->status));
        answer = &unclean;
        evbuffer_drain(body, evbuffer_get_length(body));
    }
    if (answer->body.length > 0)
        add_header(evreq, "Content-Type", answer->type);
    prepare(connection, evreq, answer);
    evhttp_send_reply(evreq, answer->status, http_phrase(answer->status), body);
    http_connection_flush(connection);
    if (body != NULL)
        evbuffer_free(body);
}

void http_send_start(struct http_connection *connection, struct evhttp_request *evreq,
                     const struct http_answer *answer, int64_t length)
{
    char text[24];
    add_header(evreq, "Content-Type", answer->type);
    if (length >= 0) {
        snprintf(text, sizeof(text), "%lld", (long long)length);
        add_header(evreq, "Content-Length", text);
    }
    /* HTTP/1.0 knows no chunks: there the end of the connection is that of the answer. */
    if (evreq->minor == 0)
        say_close(evreq);
    prepare(connection, evreq, answer);
    http_connection_open_end(connection);
    evhttp_send_reply_start(evreq, answer->status, http_phrase(answer->status));
}

void http_send_piece(struct http_connection *connection, struct evhttp_request *evreq,
                     struct evbuffer *bytes,
                     void (*on_left)(struct evhttp_connection *evcon, void *connection))
{
    if (connection->state == HTTP_MAKING)
        http_connection_enter(connection, HTTP_ANSWERING);
    evhttp_send_reply_chunk_with_cb(evreq, bytes, on_left, connection);
    http_connection_given(connection);
}

void http_send_last(struct http_connection *connection, struct evhttp_request *evreq,
                    struct evbuffer *bytes)
{
    if (connection->state == HTTP_MAKING)
        http_connection_enter(connection, HTTP_ANSWERING);
    if (bytes != NULL)
        evhttp_send_reply_chunk(evreq, bytes);
    http_connection_given(connection);
    if (connection->door->front->draining) /* its header has left, but evhttp goes by that */
        say_close(evreq);
    evhttp_send_reply_end(evreq);
}

void http_send_busy(struct evhttp_request *evreq)
{
    add_header(evreq, "Connection", "close");
    add_header(evreq, "Retry-After", "5");
    evhttp_send_reply(evreq, 503, http_phrase(503), NULL);
}
