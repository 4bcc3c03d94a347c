/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads: pieces made one at a time at the real desk, sent over real sockets to clients that
 * read, read slowly, or leave; and the header fields of pages. The routes are this file's own.
 */
#include "office/folder.h"
#include "proxy/http/stream.h"
#include "proxy/metrics/metrics.h"
#include "tests/unit/test_proxy_http_shapes.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the store ---- */

static struct {
    bool hold, waiting;
    enum result durable;
    size_t awaited, unawaited; /* rows */
    store_durable_fn *answer;
    struct ticket ticket;
} fake;

static void append(struct store *store, struct journal_batch *batch, store_durable_fn *answer,
                   void *owner, struct ticket ticket)
{
    (void)store;
    size_t rows = journal_batch_rows(batch);
    journal_batch_free(&batch);
    if (answer == NULL) {
        fake.unawaited += rows;
        return;
    }
    must(owner == &stage.lane && !fake.waiting);
    fake.awaited += rows;
    fake.answer = answer;
    fake.ticket = ticket;
    fake.waiting = fake.hold;
    if (!fake.hold)
        answer(owner, ticket, fake.durable);
}

static void release(void)
{
    must(fake.waiting);
    fake.waiting = false;
    fake.answer(&stage.lane, fake.ticket, fake.durable);
}

static void close_store(struct store *store)
{
    (void)store;
}

/* ---- what is downloaded ---- */

/* Piece i is its number and a text of so many bytes, so that a lost or doubled one shows. */
static struct {
    unsigned pieces;
    size_t size;
    unsigned fails_at, empty_at, long_at; /* the piece of that number, from 1; 0: none */
    bool held;                            /* pieces wait at the gate */
    pthread_mutex_t gate;
    _Atomic unsigned made;
    unsigned at;
    unsigned ended, freed;
    bool whole, no_rows, no_memory;
} source = {.gate = PTHREAD_MUTEX_INITIALIZER};

static void add_piece(struct strbuf *out, unsigned number, size_t size)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "<%u>", number);
    for (size_t i = 0; i < size; i++)
        strbuf_add_char(out, text[i % (size_t)length]);
}

static enum result make_piece(void *own, struct desk_tools *tools, struct strbuf *out,
                              bool *last_out, struct error *err)
{
    must(own == &source && tools->registry != NULL && out->length == 0);
    pthread_mutex_lock(&source.gate);
    pthread_mutex_unlock(&source.gate);
    unsigned number = ++source.at;
    source.made = number;
    if (number == source.fails_at)
        return error_set(err, RESULT_UNAVAILABLE, "told to fail");
    if (number == source.long_at)
        add_piece(out, number, STREAM_PIECE_MOST + 1);
    else if (number != source.empty_at)
        add_piece(out, number, source.size);
    *last_out = number == source.pieces;
    return RESULT_OK;
}

static struct journal_batch *one_row(void)
{
    static const char row[] = "{\"type\":\"test\"}";
    struct journal_batch *batch = journal_batch_new();
    must(batch != NULL && journal_batch_record(batch, row, strlen(row)));
    return batch;
}

static struct journal_batch *ended(void *own, bool whole)
{
    must(own == &source && source.freed == 0);
    source.ended++;
    source.whole = whole;
    return source.no_rows ? NULL : one_row();
}

static void free_source(void *own)
{
    must(own == &source);
    source.freed++;
}

/* What a client is to get. */
static void add_all(struct strbuf *out)
{
    for (unsigned i = 1; i <= source.pieces; i++)
        if (i != source.empty_at)
            add_piece(out, i, source.size);
}

/* ---- routes ---- */

static void download(struct service_call *call)
{
    static const struct stream_source pieces = {
        .own = &source, .make = make_piece, .ended = ended, .free = free_source};
    const char *user = call->http.query[0] != '\0' ? call->http.query : "ann";
    if (!service_stream_admit(call, user)) {
        service_refuse_crowd(call, "wait");
        return;
    }
    http_answer(&call->http, 200, "text/csv; charset=utf-8");
    call->http.answer.disposition = "attachment; filename=\"a.csv\"";
    service_stream(call, &pieces, STREAM_ANY_LENGTH, source.no_memory ? NULL : one_row(), NULL);
}

static void say_sorry(struct service_call *call)
{
    http_answer(&call->http, 503, "text/plain");
    strbuf_add_str(&call->http.answer.body, "sorry");
    service_answer(call);
}

static void download_or_sorry(struct service_call *call)
{
    static const struct stream_source pieces = {
        .own = &source, .make = make_piece, .ended = ended, .free = free_source};
    http_answer(&call->http, 200, "text/csv\r\nX-Forged: yes");
    if (strcmp(call->http.query, "clean") == 0)
        call->http.answer.type = "text/csv";
    service_stream(call, &pieces, STREAM_ANY_LENGTH, one_row(), say_sorry);
}

static int file_fd;

static void download_file(struct service_call *call)
{
    struct stream_source file;
    struct error err = {0};
    int64_t length;
    must(stream_file(file_fd, &file, &length, &err) == RESULT_OK);
    http_answer(&call->http, 200, "application/zip");
    service_stream(call, &file, length, one_row(), NULL);
}

static void show_page(struct service_call *call)
{
    struct http_answer *answer = &call->http.answer;
    http_answer(&call->http, 200, "text/html; charset=utf-8");
    strbuf_add_str(&answer->body, "<p>secret");
    answer->content_policy = "default-src 'none'";
    answer->cookies[0] = "a=1; HttpOnly";
    answer->cookies[1] = "b=2; HttpOnly";
    answer->language = "fr";
    if (strcmp(call->http.query, "kept") == 0) {
        answer->cache = "private, max-age=60";
        answer->referrer_policy = "same-origin";
    }
    const char **values[] = {&answer->type,         &answer->content_policy, &answer->cookies[0],
                             &answer->cookies[1],   &answer->language,       &answer->cache,
                             &answer->disposition,  &answer->location,       &answer->allow,
                             &answer->authenticate, &answer->referrer_policy};
    static const char *const dirt[] = {"a\r\nSet-Cookie: x=1", "a\nb", "a\tb", "a\x7f", "a\x01"};
    unsigned at = 0;
    if (sscanf(call->http.query, "dirty%u", &at) == 1 && at < sizeof(values) / sizeof(values[0]))
        *values[at] = dirt[at % 5];
    service_answer(call);
}

static void redirect(struct service_call *call)
{
    http_answer(&call->http, 303, "text/plain");
    call->http.answer.location = "/elsewhere";
    service_answer(call);
}

static const struct service_route routes[] = {
    {"/t/download", HTTP_METHOD_GET | HTTP_METHOD_HEAD, SERVICE_API, .handle = download},
    {"/t/sorry", HTTP_METHOD_GET, SERVICE_API, .handle = download_or_sorry},
    {"/t/file", HTTP_METHOD_GET | HTTP_METHOD_HEAD, SERVICE_API, .handle = download_file},
    {"/t/page", HTTP_METHOD_GET, SERVICE_API, .handle = show_page},
    {"/t/redirect", HTTP_METHOD_GET, SERVICE_API, .handle = redirect},
};

const struct service_route *__real_http_find_service(unsigned services, enum http_method method,
                                                     const char *path, struct arena *arena,
                                                     const char **tails_out, unsigned *methods);
const struct service_route *__wrap_http_find_service(unsigned services, enum http_method method,
                                                     const char *path, struct arena *arena,
                                                     const char **tails_out, unsigned *methods);

const struct service_route *__wrap_http_find_service(unsigned services, enum http_method method,
                                                     const char *path, struct arena *arena,
                                                     const char **tails_out, unsigned *methods)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (strcmp(routes[i].pattern, path) == 0 && (routes[i].methods & method) != 0)
            return &routes[i];
    return __real_http_find_service(services, method, path, arena, tails_out, methods);
}

/* ---- beginning and end ---- */

static struct desk *desk;

static void make(void)
{
    static const struct store_ops ops = {.append = append, .close = close_store};
    static struct store store = {&ops};
    static char registry[300], journal[300], index[300];
    static const uint8_t key[32] = {1};
    struct registry *fresh = NULL;
    struct error err = {0};
    stage_make();
    signal(SIGPIPE, SIG_IGN); /* as the gateway does */
    memset(&fake, 0, sizeof(fake));
    source.pieces = 40;
    source.size = 100 * 1024;
    stage.lane.store = &store;
    snprintf(registry, sizeof(registry), "%s/registry.db", stage.folder);
    snprintf(journal, sizeof(journal), "%s/journal", stage.folder);
    snprintf(index, sizeof(index), "%s/journal.db", stage.folder);
    must_say(registry_open(registry, true, &fresh, &err) == RESULT_OK, "%s", err.text);
    registry_close(&fresh);
    const struct desk_options options = {.threads = 2,
                                         .registry_path = registry,
                                         .index_path = index,
                                         .journal_path = journal,
                                         .recipient_key = key,
                                         .recipient_key_length = sizeof(key),
                                         .long_most = 10 * CLOCK_SECOND};
    must_say(desk_start(&options, &desk, &err) == RESULT_OK, "%s", err.text);
    stage.gate.desk = desk;
    stage.gate.metrics = metrics_new(NULL, NULL);
    must(stage.gate.metrics != NULL);
}

static void end(void)
{
    stage.gate.desk = NULL;
    desk_stop(&desk);
    loop_turn(stage.loop);
    stage_free();
    metrics_free(&stage.gate.metrics);
    must(atomic_load(&stage.gate.calls) == 0);
    must(source.freed == 0 || source.freed == 1);
}

/* ---- clients ---- */

#define ASK(path)  "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define ASK0(path) "GET " path " HTTP/1.0\r\nHost: x\r\n\r\n"

/* What ends a connection: 0 a clean end, else the errno. */
static int read_to_end(struct client *client)
{
    static char bytes[256 * 1024];
    int64_t until = clock_monotonic() + 60 * CLOCK_SECOND;
    for (;;) {
        loop_turn(stage.loop);
        ssize_t n = recv(client->fd, bytes, sizeof(bytes), 0);
        if (n > 0)
            strbuf_add(&client->got, bytes, (size_t)n);
        else if (n == 0 || errno != EAGAIN)
            return n == 0 ? 0 : errno;
        must_say(clock_monotonic() < until, "no end of it; got %zu bytes", client->got.length);
    }
}

static const char *body_of(const struct client *client)
{
    const char *end = client->got.length > 0 ? strstr(client->got.data, "\r\n\r\n") : NULL;
    must_say(end != NULL, "no header");
    return end + 4;
}

/* Reads a chunked body up to its end, which leaves got with what is behind it; false: it has none
 * yet. */
static bool take_chunks(struct client *client, struct strbuf *out)
{
    const char *at = client->got.length > 0 ? strstr(client->got.data, "\r\n\r\n") : NULL;
    strbuf_clear(out);
    if (at == NULL)
        return false;
    at += 4;
    for (;;) {
        const char *end = client->got.data + client->got.length;
        char *line;
        unsigned long size = strtoul(at, &line, 16);
        if (line == at || line + 2 > end || (size_t)(end - line) < size + 4)
            return false;
        must(memcmp(line, "\r\n", 2) == 0 && memcmp(line + 2 + size, "\r\n", 2) == 0);
        strbuf_add(out, line + 2, size);
        at = line + size + 4;
        if (size > 0)
            continue;
        size_t left = (size_t)(end - at);
        memmove(client->got.data, at, left + 1);
        client->got.length = left;
        return true;
    }
}

static void must_be_all(struct client *client)
{
    struct strbuf got = {0}, wanted = {0};
    size_t before = 0;
    int64_t until = clock_monotonic() + 60 * CLOCK_SECOND;
    for (;;) {
        client_turn(client);
        /* looked at now and then, for it is read from its beginning */
        if (client->got.length != before && client->got.length > 5 &&
            strstr(client->got.data + client->got.length - 5, "0\r\n\r\n") != NULL &&
            take_chunks(client, &got))
            break;
        before = client->got.length;
        must_say(!client->closed && clock_monotonic() < until, "no end of it");
    }
    add_all(&wanted);
    must_say(got.length == wanted.length &&
                 (got.length == 0 || memcmp(got.data, wanted.data, got.length) == 0),
             "%zu bytes, not %zu", got.length, wanted.length);
    strbuf_free(&got);
    strbuf_free(&wanted);
}

static void must_be_over(bool whole)
{
    turn_until(stage.gate.calls == 0 && source.freed == 1);
    ck_assert_uint_eq(source.ended, 1);
    ck_assert_int_eq(source.whole, whole);
    ck_assert_uint_eq(fake.unawaited, 1);
}

/* ---- the header fields of pages ---- */

START_TEST(test_headers_of_a_page)
{
    struct answer answer = ask("api", ASK("/t/page"));
    static const char *const wanted[][2] = {
        {"Content-Security-Policy", "default-src 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"X-Frame-Options", "DENY"},
        {"Cache-Control", "no-store"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Content-Language", "fr"},
        {"Content-Disposition", ""},
        {"Location", ""},
    };
    ck_assert_int_eq(answer.status, 200);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        ck_assert_str_eq(answer_header(&answer, wanted[i][0]), wanted[i][1]);
    ck_assert_ptr_nonnull(strstr(answer.headers, "\r\nSet-Cookie: a=1; HttpOnly\r\n"));
    ck_assert_ptr_nonnull(strstr(answer.headers, "\r\nSet-Cookie: b=2; HttpOnly\r\n"));
    answer = ask("api", ASK("/t/page?kept"));
    ck_assert_str_eq(answer_header(&answer, "Cache-Control"), "private, max-age=60");
    ck_assert_str_eq(answer_header(&answer, "Referrer-Policy"), "same-origin");
    ck_assert_ptr_null(strstr(answer.headers, "no-store"));
}
END_TEST

START_TEST(test_redirect)
{
    struct answer answer = ask("api", ASK("/t/redirect"));
    ck_assert_ptr_nonnull(strstr(answer.headers, "HTTP/1.1 303 See Other\r\n"));
    ck_assert_str_eq(answer_header(&answer, "Location"), "/elsewhere");
    ck_assert_str_eq(answer_header(&answer, "Content-Length"), "0");
    ck_assert_str_eq(answer_header(&answer, "X-Frame-Options"), ""); /* it is no page */
}
END_TEST

/* Of an answer with a control character in a field not one is sent. */
START_TEST(test_dirty_headers)
{
    for (unsigned i = 0; i < 11; i++) {
        char text[100];
        snprintf(text, sizeof(text), "GET /t/page?dirty%u HTTP/1.1\r\nHost: x\r\n\r\n", i);
        struct answer answer = ask("api", text);
        must_say(answer.status == 500, "field %u: %d", i, answer.status);
        ck_assert_str_eq(answer_header(&answer, "Set-Cookie"), "");
        ck_assert_str_eq(answer.body, "");
        ck_assert_str_eq(answer_header(&answer, "Connection"), "close");
    }
}
END_TEST

/* ---- to the end ---- */

START_TEST(test_download)
{
    struct client client;
    client_open(&client, "api");
    client_say(&client, ASK("/t/download") ASK("/t/page")); /* pipelined */
    turn_until(source.made > 0);
    ck_assert_uint_eq(fake.unawaited, 0);
    struct strbuf head = {0};
    turn_until((client_turn(&client), client.got.length > 2000));
    strbuf_add(&head, client.got.data, (size_t)(body_of(&client) - client.got.data));
    ck_assert_ptr_nonnull(strstr(head.data, "HTTP/1.1 200 OK\r\n"));
    ck_assert_ptr_nonnull(strstr(head.data, "\r\nTransfer-Encoding: chunked\r\n"));
    ck_assert_ptr_nonnull(strstr(head.data, "\r\nContent-Type: text/csv; charset=utf-8\r\n"));
    ck_assert_ptr_nonnull(
        strstr(head.data, "\r\nContent-Disposition: attachment; filename=\"a.csv\"\r\n"));
    ck_assert_ptr_nonnull(strstr(head.data, "\r\nCache-Control: no-store\r\n"));
    ck_assert_ptr_null(strstr(head.data, "Content-Length"));
    strbuf_free(&head);
    turn_until((client_turn(&client), strstr(client.got.data + client.got.length - 9, "secret")));
    struct strbuf got = {0}, wanted = {0};
    ck_assert(take_chunks(&client, &got));
    add_all(&wanted);
    ck_assert(got.length == wanted.length && memcmp(got.data, wanted.data, got.length) == 0);
    struct answer answer = client_answer(&client);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer.body, "<p>secret");
    must_be_over(true);
    ck_assert_uint_eq(fake.awaited, 1);
    ck_assert(!client.closed);
    strbuf_free(&got);
    strbuf_free(&wanted);
    client_close(&client);
}
END_TEST

START_TEST(test_empty_pieces)
{
    struct client client;
    client_open(&client, "api");
    source.pieces = 3;
    source.empty_at = (unsigned)_i;
    client_say(&client, ASK("/t/download"));
    must_be_all(&client);
    must_be_over(true);
    client_close(&client);
}
END_TEST

START_TEST(test_one_empty_piece)
{
    struct client client;
    client_open(&client, "api");
    source.pieces = source.empty_at = 1;
    client_say(&client, ASK("/t/download"));
    must_be_all(&client);
    must_be_over(true);
    client_close(&client);
}
END_TEST

START_TEST(test_http_1_0)
{
    struct client client;
    struct strbuf wanted = {0};
    client_open(&client, "api");
    client_say(&client, "GET /t/download HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    ck_assert_int_eq(read_to_end(&client), 0);
    ck_assert_ptr_nonnull(strstr(client.got.data, "HTTP/1.0 200 OK\r\n"));
    ck_assert_ptr_nonnull(strstr(client.got.data, "\r\nConnection: close\r\n"));
    const char *body = body_of(&client);
    char *head = strndup(client.got.data, (size_t)(body - client.got.data));
    ck_assert_ptr_null(strstr(head, "Transfer-Encoding"));
    ck_assert_ptr_null(strstr(head, "Content-Length"));
    ck_assert_ptr_null(strstr(head, "keep-alive"));
    free(head);
    add_all(&wanted);
    ck_assert_uint_eq(client.got.length - (size_t)(body - client.got.data), wanted.length);
    ck_assert_int_eq(memcmp(body, wanted.data, wanted.length), 0);
    must_be_over(true);
    ck_assert_uint_eq(metrics_requests(stage.gate.metrics, METRICS_API, 2), 1);
    strbuf_free(&wanted);
    client_close(&client);
}
END_TEST

START_TEST(test_head)
{
    struct client client;
    client_open(&client, "api");
    client_say(&client, "HEAD /t/download HTTP/1.1\r\nHost: x\r\n\r\n" ASK("/t/page"));
    struct answer answer = client_answer(&client);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer_header(&answer, "Content-Type"), "text/csv; charset=utf-8");
    answer = client_answer(&client);
    ck_assert_str_eq(answer.body, "<p>secret");
    turn_until(source.freed == 1);
    ck_assert_uint_eq(source.made, 0);
    ck_assert_uint_eq(source.ended, 0);
    ck_assert_uint_eq(fake.awaited + fake.unawaited, 0);
    client_close(&client);
}
END_TEST

START_TEST(test_tls)
{
    struct client client;
    client_open(&client, "secure");
    client_secure(&client, NULL);
    client_say(&client, ASK("/t/download"));
    must_be_all(&client);
    must_be_over(true);
    client_close(&client);
}
END_TEST

/* ---- on record first ---- */

START_TEST(test_recorded_before_the_first_byte)
{
    struct client client;
    fake.hold = true;
    client_open(&client, "api");
    client_say(&client, ASK("/t/download"));
    turn_until(fake.waiting);
    for (int i = 0; i < 50; i++)
        client_turn(&client);
    ck_assert_uint_eq(client.got.length, 0);
    ck_assert_uint_eq(source.made, 1);
    release();
    must_be_all(&client);
    must_be_over(true);
    client_close(&client);
}
END_TEST

START_TEST(test_unrecorded)
{
    fake.durable = RESULT_UNAVAILABLE;
    struct answer answer = ask("api", ASK("/t/download"));
    ck_assert_int_eq(answer.status, 503);
    ck_assert_ptr_null(strstr(answer.body, "<1>"));
    ck_assert_str_eq(answer_header(&answer, "Content-Disposition"), "");
    turn_until(source.freed == 1);
    ck_assert_uint_eq(source.ended, 0);
    ck_assert_uint_eq(fake.unawaited, 0);
}
END_TEST

START_TEST(test_no_memory_for_the_record)
{
    source.no_memory = true;
    struct answer answer = ask("api", ASK("/t/download"));
    ck_assert_int_eq(answer.status, 503);
    ck_assert_uint_eq(source.made, 0);
    ck_assert_uint_eq(source.freed, 1);
}
END_TEST

START_TEST(test_first_piece_fails)
{
    source.fails_at = 1;
    struct answer answer = ask("api", ASK("/t/download"));
    ck_assert_int_eq(answer.status, 503);
    ck_assert_ptr_nonnull(strstr(answer.body, "urn:octroi:problem:unable"));
    ck_assert_uint_eq(fake.awaited, 0);
    ck_assert_uint_eq(source.freed, 1);
}
END_TEST

START_TEST(test_answer_of_the_services_own)
{
    source.fails_at = 1;
    struct answer answer = ask("api", ASK("/t/sorry?clean"));
    ck_assert_int_eq(answer.status, 503);
    ck_assert_str_eq(answer.body, "sorry");
    ck_assert_str_eq(answer_header(&answer, "Content-Type"), "text/plain");
}
END_TEST

START_TEST(test_dirty_download)
{
    struct answer answer = ask("api", ASK("/t/sorry"));
    ck_assert_int_eq(answer.status, 500);
    ck_assert_str_eq(answer_header(&answer, "X-Forged"), "");
    ck_assert_uint_eq(source.freed, 1);
    ck_assert_uint_eq(source.made, 1);
}
END_TEST

/* ---- slow ones ---- */

/* However long it is, no more is made than has left, and what was made waits in the socket. */
START_TEST(test_reader_that_waits)
{
    struct client client;
    unsigned made = 0;
    source.pieces = 4000; /* 400 MB, if it were all made */
    client_open(&client, "api");
    client_say(&client, ASK("/t/download"));
    for (int quiet = 0; quiet < 200; quiet++) {
        usleep(1000);
        loop_turn(stage.loop);
        if (source.made != made)
            quiet = 0;
        made = source.made;
    }
    ck_assert_uint_gt(made, 1);
    ck_assert_uint_lt(made, 300); /* what the kernel holds for both ends */
    size_t waits = 0;
    struct http_connection *connection = TAILQ_FIRST(&stage.lane.http->connections);
    waits = evbuffer_get_length(bufferevent_get_output(connection->bev));
    ck_assert_uint_gt(waits, 0);
    ck_assert_uint_le(waits, STREAM_PIECE_MOST);
    ck_assert_int_eq(connection->state, HTTP_ANSWERING);
    client_close(&client);
    must_be_over(false);
}
END_TEST

START_TEST(test_reader_that_reads_nothing)
{
    struct client client;
    source.pieces = 4000;
    client_open(&client, "quick");
    client_say(&client, ASK("/t/download"));
    int64_t from = clock_monotonic();
    turn_until(source.freed == 1);
    ck_assert_int_gt(clock_monotonic() - from, CLOCK_SECOND / 2);
    must_be_over(false);
    ck_assert_uint_eq(stage.gate.refusals.kinds[REFUSAL_SLOW].count, 1);
    ck_assert_int_eq(read_to_end(&client), ECONNRESET);
    client_close(&client);
}
END_TEST

/* Less than a piece in each idle_timeout, and it goes on. */
START_TEST(test_slow_reader)
{
    struct client client;
    char bytes[32 * 1024];
    int small = 4096;
    int64_t from = clock_monotonic();
    source.pieces = 4000;
    client_open(&client, "quick");
    must(setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
    client_say(&client, ASK("/t/download"));
    strbuf_free(&client.got);
    while (clock_monotonic() < from + 5 * CLOCK_SECOND) {
        ssize_t n = recv(client.fd, bytes, 3000, 0);
        must_say(n > 0 || (n < 0 && errno == EAGAIN), "ended");
        for (int i = 0; i < 20; i++) {
            usleep(1000);
            loop_turn(stage.loop);
        }
    }
    ck_assert_uint_eq(source.freed, 0);
    ck_assert_uint_lt(source.made, 200);
    client_close(&client);
    must_be_over(false);
}
END_TEST

/* The time of the desk is not the client's. */
START_TEST(test_slow_desk)
{
    struct client client;
    source.pieces = 2;
    client_open(&client, "quick");
    pthread_mutex_lock(&source.gate);
    client_say(&client, ASK("/t/download"));
    int64_t until = clock_monotonic() + 2 * CLOCK_SECOND;
    while (clock_monotonic() < until)
        client_turn(&client);
    ck_assert(!client.closed);
    pthread_mutex_unlock(&source.gate);
    must_be_all(&client);
    must_be_over(true);
    client_close(&client);
}
END_TEST

/* ---- broken off ---- */

START_TEST(test_client_leaves)
{
    struct client client;
    source.pieces = 4000;
    client_open(&client, "api");
    client_say(&client, ASK("/t/download"));
    turn_until((client_turn(&client), client.got.length > 300000));
    client_close(&client);
    must_be_over(false);
    ck_assert_uint_lt(source.made, 300);
    turn_until(stage.gate.sessions == 0);
    ck_assert_uint_eq(peers_count(stage.gate.peers, PEER_DOWNLOADS, &(struct peer_key){{0}},
                                  sizeof(struct peer_key)),
                      0);
}
END_TEST

/* A piece is being made meanwhile. */
START_TEST(test_client_leaves_the_desk)
{
    struct client client;
    source.pieces = 4000;
    client_open(&client, "api");
    client_say(&client, ASK("/t/download"));
    turn_until((client_turn(&client), client.got.length > 300000));
    pthread_mutex_lock(&source.gate);
    client_close(&client);
    turn_until(stage.gate.sessions == 0);
    for (int i = 0; i < 20; i++)
        loop_turn(stage.loop);
    unsigned freed = source.freed;
    unsigned made = source.made;
    pthread_mutex_unlock(&source.gate);
    must_be_over(false);
    ck_assert(freed == 0 || made == source.made);
    ck_assert_uint_le(source.made, made + 1);
}
END_TEST

/* Before the first piece: it is not on record, for nobody has had any of it. */
START_TEST(test_client_leaves_early)
{
    struct client client;
    pthread_mutex_lock(&source.gate);
    client_open(&client, "api");
    client_say(&client, ASK("/t/download"));
    turn_until(stage.gate.calls == 1);
    http_abort_all(&stage.lane);
    turn_until(stage.gate.sessions == 0);
    pthread_mutex_unlock(&source.gate);
    turn_until(stage.gate.calls == 0);
    ck_assert_uint_eq(source.freed, 1);
    ck_assert_uint_eq(source.ended, 0);
    ck_assert_uint_eq(fake.awaited + fake.unawaited, 0);
    client_close(&client);
}
END_TEST

/* While it is put on record: what was, is, and so is that it came to nothing. */
START_TEST(test_client_leaves_at_the_record)
{
    struct client client;
    fake.hold = true;
    client_open(&client, "api");
    client_say(&client, ASK("/t/download"));
    turn_until(fake.waiting);
    http_abort_all(&stage.lane);
    turn_until(stage.gate.sessions == 0);
    release();
    must_be_over(false);
    client_close(&client);
}
END_TEST

static void must_break(const char *text, unsigned piece)
{
    struct client client;
    struct strbuf got = {0};
    client_open(&client, "api");
    client_say(&client, text);
    ck_assert_int_eq(read_to_end(&client), ECONNRESET);
    must_be_over(false);
    ck_assert_uint_eq(source.made, piece);
    ck_assert_uint_eq(metrics_requests(stage.gate.metrics, METRICS_API, 2), 1);
    ck_assert(client.got.length == 0 || !take_chunks(&client, &got));
    strbuf_free(&got);
    client_close(&client);
}

START_TEST(test_piece_fails)
{
    source.fails_at = 7;
    must_break(_i == 0 ? ASK("/t/download") : ASK0("/t/download"), 7);
}
END_TEST

START_TEST(test_last_piece_fails)
{
    source.fails_at = 40;
    must_break(_i == 0 ? ASK("/t/download") : ASK0("/t/download"), 40);
}
END_TEST

START_TEST(test_piece_too_long)
{
    source.long_at = 3;
    must_break(ASK("/t/download"), 3);
}
END_TEST

/* Its row is lost, and that is all. */
START_TEST(test_end_without_memory)
{
    struct client client;
    source.no_rows = true;
    client_open(&client, "api");
    client_say(&client, ASK("/t/download"));
    must_be_all(&client);
    turn_until(source.freed == 1);
    ck_assert_uint_eq(fake.unawaited, 0);
    client_close(&client);
}
END_TEST

START_TEST(test_tls_breaks)
{
    struct client client;
    source.fails_at = 7;
    client_open(&client, "secure");
    client_secure(&client, NULL);
    client_say(&client, ASK("/t/download"));
    client_await_close(&client);
    ck_assert_int_eq(SSL_get_shutdown(client.ssl) & SSL_RECEIVED_SHUTDOWN, 0);
    must_be_over(false);
    client_close(&client);
}
END_TEST

/* ---- the gate ends ---- */

START_TEST(test_drain_finishes)
{
    struct client client;
    client_open(&client, "api");
    client_say(&client, ASK("/t/download"));
    turn_until((client_turn(&client), client.got.length > 300000));
    http_drain(&stage.lane);
    must_be_all(&client);
    must_be_over(true);
    client_await_close(&client);
    client_close(&client);
}
END_TEST

START_TEST(test_drain_cuts)
{
    struct client client;
    source.pieces = 4000;
    client_open(&client, "api");
    client_say(&client, _i == 0 ? ASK("/t/download") : ASK0("/t/download"));
    turn_until((client_turn(&client), client.got.length > 300000));
    http_drain(&stage.lane);
    http_abort_all(&stage.lane);
    must_be_over(false);
    ck_assert_int_eq(read_to_end(&client), ECONNRESET);
    client_close(&client);
}
END_TEST

START_TEST(test_lane_ends_during_a_piece)
{
    struct client client;
    source.pieces = 4000;
    client_open(&client, "api");
    client_say(&client, ASK("/t/download"));
    turn_until((client_turn(&client), client.got.length > 300000));
    pthread_mutex_lock(&source.gate);
    http_abort_all(&stage.lane);
    loop_turn(stage.loop);
    http_free(&stage.lane);
    stage.n_doors = 0; /* went with it */
    pthread_mutex_unlock(&source.gate);
    turn_until(source.freed == 1);
    ck_assert_uint_eq(source.ended, 1);
    client_close(&client);
}
END_TEST

/* ---- the desk's room, and the users' ---- */

static pthread_mutex_t fullness = PTHREAD_MUTEX_INITIALIZER;

static void do_nothing(struct loop_task *task)
{
    (void)task;
}

static enum result wait_at_gate(struct desk_job *job, struct desk_tools *tools, struct error *err)
{
    (void)job;
    (void)tools;
    (void)err;
    pthread_mutex_lock(&fullness);
    pthread_mutex_unlock(&fullness);
    return RESULT_OK;
}

static void fill_desk(void)
{
    static struct desk_job jobs[2000];
    size_t n = 0;
    do {
        jobs[n] = (struct desk_job){
            .pace = DESK_LONG, .task.run = do_nothing, .home = stage.loop, .work = wait_at_gate};
    } while (desk_submit(desk, &jobs[n]) && ++n < 2000);
    must(n < 2000);
}

START_TEST(test_full_desk)
{
    pthread_mutex_lock(&fullness);
    fill_desk();
    struct answer answer = ask("api", ASK("/t/download"));
    ck_assert_int_eq(answer.status, 503);
    ck_assert_uint_eq(source.freed, 1);
    pthread_mutex_unlock(&fullness);
}
END_TEST

/* One that has begun waits for room. */
START_TEST(test_desk_fills)
{
    struct client client;
    fake.hold = true;
    client_open(&client, "api");
    client_say(&client, ASK("/t/download"));
    turn_until(fake.waiting);
    pthread_mutex_lock(&fullness);
    fill_desk();
    release();
    int64_t until = clock_monotonic() + CLOCK_SECOND;
    while (clock_monotonic() < until)
        client_turn(&client);
    ck_assert_uint_eq(source.made, 1);
    pthread_mutex_unlock(&fullness);
    must_be_all(&client);
    must_be_over(true);
    client_close(&client);
}
END_TEST

START_TEST(test_two_at_a_time)
{
    struct client clients[3];
    source.pieces = 4000;
    fake.hold = true;
    pthread_mutex_lock(&source.gate);
    for (int i = 0; i < 2; i++) {
        client_open(&clients[i], "api");
        client_say(&clients[i], ASK("/t/download"));
    }
    turn_until(stage.gate.calls == 2);
    struct answer answer = ask("api", ASK("/t/download"));
    ck_assert_int_eq(answer.status, 429);
    /* Somebody else's name is as good as nobody's. */
    client_open(&clients[2], "api");
    client_say(&clients[2], ASK("/t/download?a-name-that-is-longer-than-what-is-counted-under-it"));
    turn_until(stage.gate.calls == 3);
    http_abort_all(&stage.lane);
    turn_until(stage.gate.sessions == 0);
    source.pieces = 1;
    pthread_mutex_unlock(&source.gate);
    turn_until(stage.gate.calls == 0);
    ck_assert_uint_eq(source.freed, 3);
    source.freed = 0;
    source.at = 0;
    fake.hold = false;
    for (int i = 0; i < 3; i++)
        client_close(&clients[i]);
    client_open(&clients[0], "api"); /* they are counted no more */
    client_say(&clients[0], ASK("/t/download"));
    must_be_all(&clients[0]);
    client_close(&clients[0]);
}
END_TEST

/* ---- files ---- */

static void make_file(size_t length)
{
    struct error err = {0};
    struct strbuf text = {0};
    file_fd = folder_nameless(stage.folder, &err);
    must_say(file_fd >= 0, "%s", err.text);
    add_piece(&text, 1, length);
    must(write(file_fd, text.data, length) == (ssize_t)length);
    strbuf_free(&text);
}

START_TEST(test_file)
{
    struct client client;
    struct strbuf wanted = {0};
    size_t length = _i == 0 ? 0 : _i == 1 ? STREAM_PIECE : 1000001;
    make_file(length);
    client_open(&client, "api");
    client_say(&client, "GET /t/file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    ck_assert_int_eq(read_to_end(&client), 0);
    char line[64];
    snprintf(line, sizeof(line), "\r\nContent-Length: %zu\r\n", length);
    ck_assert_ptr_nonnull(strstr(client.got.data, line));
    ck_assert_ptr_null(strstr(client.got.data, "Transfer-Encoding"));
    add_piece(&wanted, 1, length);
    const char *body = body_of(&client);
    ck_assert_uint_eq(client.got.length - (size_t)(body - client.got.data), length);
    ck_assert(length == 0 || memcmp(body, wanted.data, length) == 0);
    strbuf_free(&wanted);
    client_close(&client);
    ck_assert_int_eq(fcntl(file_fd, F_GETFD), -1);
}
END_TEST

START_TEST(test_head_of_a_file)
{
    struct client client;
    make_file(12345);
    client_open(&client, "api");
    client_say(&client, "HEAD /t/file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    ck_assert_int_eq(read_to_end(&client), 0);
    ck_assert_ptr_nonnull(strstr(client.got.data, "\r\nContent-Length: 12345\r\n"));
    ck_assert_str_eq(body_of(&client), "");
    client_close(&client);
}
END_TEST

START_TEST(test_file_cut_short)
{
    struct client client;
    make_file(1000001);
    client_open(&client, "api");
    fake.hold = true;
    client_say(&client, ASK("/t/file"));
    turn_until(fake.waiting);
    must(ftruncate(file_fd, 500000) == 0);
    release();
    ck_assert_int_eq(read_to_end(&client), ECONNRESET);
    ck_assert_uint_lt(client.got.length, 600000);
    client_close(&client);
    ck_assert_int_eq(fcntl(file_fd, F_GETFD), -1);
}
END_TEST

START_TEST(test_no_file)
{
    struct stream_source file;
    struct error err = {0};
    int64_t length;
    int ends[2];
    must(pipe(ends) == 0);
    ck_assert_int_eq(stream_file(ends[0], &file, &length, &err), RESULT_BAD_INPUT);
    ck_assert_int_eq(fcntl(ends[0], F_GETFD), -1);
    close(ends[1]);
}
END_TEST

Suite *http_stream_suite(void)
{
    static const struct {
        const TTest *const *test;
        int rounds;
    } tests[] = {
        {&test_headers_of_a_page, 1},
        {&test_redirect, 1},
        {&test_dirty_headers, 1},
        {&test_download, 1},
        {&test_empty_pieces, 4},
        {&test_one_empty_piece, 1},
        {&test_http_1_0, 1},
        {&test_head, 1},
        {&test_tls, 1},
        {&test_recorded_before_the_first_byte, 1},
        {&test_unrecorded, 1},
        {&test_no_memory_for_the_record, 1},
        {&test_first_piece_fails, 1},
        {&test_answer_of_the_services_own, 1},
        {&test_dirty_download, 1},
        {&test_reader_that_waits, 1},
        {&test_reader_that_reads_nothing, 1},
        {&test_slow_reader, 1},
        {&test_slow_desk, 1},
        {&test_client_leaves, 1},
        {&test_client_leaves_the_desk, 1},
        {&test_client_leaves_early, 1},
        {&test_client_leaves_at_the_record, 1},
        {&test_piece_fails, 2},
        {&test_last_piece_fails, 2},
        {&test_piece_too_long, 1},
        {&test_end_without_memory, 1},
        {&test_tls_breaks, 1},
        {&test_drain_finishes, 1},
        {&test_drain_cuts, 2},
        {&test_lane_ends_during_a_piece, 1},
        {&test_full_desk, 1},
        {&test_desk_fills, 1},
        {&test_two_at_a_time, 1},
        {&test_file, 3},
        {&test_head_of_a_file, 1},
        {&test_file_cut_short, 1},
        {&test_no_file, 1},
    };
    Suite *suite = suite_create("http downloads");
    TCase *cases = tcase_create("http downloads");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, make, end);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_loop_test(cases, *tests[i].test, 0, tests[i].rounds);
    suite_add_tcase(suite, cases);
    return suite;
}
