/* SPDX-License-Identifier: Apache-2.0 */
/* A stage for downloads: a store that answers as told, the real desk, and routes of the tests' own.
 */
#ifndef OCTROI_TESTS_TEST_PROXY_HTTP_STREAM_PARTS_H
#define OCTROI_TESTS_TEST_PROXY_HTTP_STREAM_PARTS_H

#include "proxy/http/stream.h"
#include "proxy/metrics/metrics.h"
#include "tests/unit/test_proxy_http_shapes.h"

#include <pthread.h>

#define ASK(path)  "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define ASK0(path) "GET " path " HTTP/1.0\r\nHost: x\r\n\r\n"

extern struct fake_store {
    bool hold, waiting;
    enum result durable;
    size_t awaited, unawaited; /* rows */
    store_durable_fn *answer;
    struct ticket ticket;
} fake;
/* Makes known what became of the rows that are held. */
void release(void);

/* What /t/download gives: piece i is its number and a text of so many bytes, so that a lost or
 * doubled one shows. */
extern struct fake_source {
    unsigned pieces;
    size_t size;
    unsigned fails_at, empty_at, long_at; /* the piece of that number, from 1; 0: none */
    bool held;                            /* pieces wait at the gate */
    pthread_mutex_t gate;
    _Atomic unsigned made;
    unsigned at;
    unsigned ended, freed;
    bool whole, no_rows, no_memory;
} source;
void add_piece(struct strbuf *out, unsigned number, size_t size);
/* What a client is to get. */
void add_all(struct strbuf *out);

extern int file_fd; /* what /t/file gives */
extern struct desk *desk;

/* What ends a connection: 0 a clean end, else the errno. */
int read_to_end(struct client *client);
const char *body_of(const struct client *client);
/* Reads a chunked body up to its end, which leaves got with what is behind it; false: it has none
 * yet. */
bool take_chunks(struct client *client, struct strbuf *out);
/* The download comes to its end, and is whole. */
void must_be_all(struct client *client);
/* … is over for the gate, and recorded so. */
void must_be_over(bool whole);

/* Each test on a stage of its own, in so many rounds (_i). */
struct stream_test {
    const TTest *const *test;
    int rounds;
};
Suite *stream_suite(const char *name, const struct stream_test *tests);

#endif
