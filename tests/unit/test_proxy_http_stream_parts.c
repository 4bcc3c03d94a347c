/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_proxy_http_stream_parts.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

/* ---- the store ---- */

struct fake_store fake;

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

void release(void)
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

struct fake_source source = {.gate = PTHREAD_MUTEX_INITIALIZER};

void add_piece(struct strbuf *out, unsigned number, size_t size)
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

void add_all(struct strbuf *out)
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

int file_fd;

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

struct desk *desk;

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

Suite *stream_suite(const char *name, const struct stream_test *tests)
{
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, make, end);
    for (; tests->test != NULL; tests++)
        tcase_add_loop_test(cases, *tests->test, 0, tests->rounds);
    suite_add_tcase(suite, cases);
    return suite;
}

/* ---- clients ---- */

int read_to_end(struct client *client)
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

const char *body_of(const struct client *client)
{
    const char *end = client->got.length > 0 ? strstr(client->got.data, "\r\n\r\n") : NULL;
    must_say(end != NULL, "no header");
    return end + 4;
}

bool take_chunks(struct client *client, struct strbuf *out)
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

void must_be_all(struct client *client)
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

void must_be_over(bool whole)
{
    turn_until(stage.gate.calls == 0 && source.freed == 1);
    ck_assert_uint_eq(source.ended, 1);
    ck_assert_int_eq(source.whole, whole);
    ck_assert_uint_eq(fake.unawaited, 1);
}
