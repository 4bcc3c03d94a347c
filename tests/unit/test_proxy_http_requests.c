/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused whatever shape it has, and whose a request is. */
#include "tests/unit/test_proxy_http_shapes.h"

#include <string.h>

const char *request(const char *headers, const char *body)
{
    static char text[8192];
    snprintf(text, sizeof(text),
             "POST /v1/messages HTTP/1.1\r\nHost: gate.example\r\n%s%s%sContent-Length: %zu\r\n"
             "\r\n%s",
             basic("acme-sms", "secret"), JSON, headers, strlen(body), body);
    return text;
}

/* ---- what is not a request for anything here ---- */

START_TEST(test_methods)
{
    static const struct {
        const char *line;
        int status;
        const char *allow;
    } rows[] = {
        {"GET /nowhere", 404, ""},
        {"GET /", 404, ""},
        {"GET /v1/messages/", 404, ""},
        {"GET /v1/messages", 405, "POST"},
        {"HEAD /v1/messages", 405, "POST"},
        {"OPTIONS /v1/messages", 405, "POST"},
        {"PUT /v1/messages", 405, "POST"},
        {"DELETE /sms/json", 405, "GET, POST"},
        {"TRACE /1.0/auth/time", 405, "GET"},
        {"PATCH /1.0/sms/x/jobs", 405, "POST"},
        {"BREW /cgi-bin/sendsms", 405, "GET, POST"},
        {"POST /2010-04-01/Accounts/a/b/Messages.json", 404, ""},
        {"POST /2010-04-01/Accounts//Messages.json", 404, ""},
        {"DELETE /2010-04-01/Accounts/a/Messages/SM1.json", 405, "GET"},
        {"POST /hooks/agg/other", 404, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                 rows[i].line);
        struct client client;
        client_open(&client, "web");
        client_say(&client, text);
        if (strncmp(rows[i].line, "HEAD", 4) == 0) {
            /* No body, so that the next answer is not taken for it. */
            client_await_close(&client);
            ck_assert_ptr_nonnull(strstr(client.got.data, "HTTP/1.1 405 "));
            ck_assert_str_eq(strstr(client.got.data, "\r\n\r\n"), "\r\n\r\n");
            client_close(&client);
            continue;
        }
        struct answer answer = client_answer(&client);
        ck_assert_msg(answer.status == rows[i].status, "%s: %d", rows[i].line, answer.status);
        ck_assert_str_eq(answer_header(&answer, "Allow"), rows[i].allow);
        ck_assert_str_eq(answer_header(&answer, "Content-Type"), "application/problem+json");
        ck_assert_ptr_nonnull(strstr(answer.body, "\"title\":"));
        client_close(&client);
    }
}
END_TEST

#define CHUNKED "POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

/* Where another reader could see another end of the request, it is refused, and nothing behind it
 * is read. */
START_TEST(test_unclear_ends)
{
    static const char *const heads[] = {
        "POST /v1/messages HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        "POST /v1/messages HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\n",
        "POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST /v1/messages HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}",
        "POST /v1/messages HTTP/1.1\r\nContent-Length : 2\r\n\r\n{}",
        "POST /v1/messages HTTP/1.1\r\nX: a\rContent-Length: 2\r\n\r\n{}",
        "PO<ST /v1/messages HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        "POST /v1/messages x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        "POST /v1/messages HTTP/1.1x\r\nContent-Length: 2\r\n\r\n{}",
        " /v1/messages HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST  HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        "POST /v1/messages HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        CHUNKED "0x2\r\n{}\r\n0\r\n\r\n",
        CHUNKED "+2\r\n{}\r\n0\r\n\r\n",
        CHUNKED " 2\r\n{}\r\n0\r\n\r\n",
        CHUNKED "2 x\r\n{}\r\n0\r\n\r\n",
        CHUNKED "2\n{}\r\n0\r\n\r\n",
        CHUNKED "2\r\n{}0\r\n\r\n",
        CHUNKED "\r\n2\r\n{}\r\n0\r\n\r\n",
        CHUNKED "2\r\n{}\r\n0\n\r\n",
        "GET /cgi-bin/sendsms HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        "GET /cgi-bin/sendsms HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /v1/messages HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST /v1/messages HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST /v1/messages HTTP/1.1\r\nno colon\r\n\r\n",
        "POST /v1/messages\r\n\r\n",
        "\x16\x03\x01\x02 hello, this is not HTTP at all\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct client client;
        client_open(&client, "web");
        client_say(&client, heads[i]);
        client_say(&client, request("", MESSAGE));
        client_await_close(&client);
        /* A POST without a length evhttp calls too long. */
        ck_assert_msg(client.got.length > 0 && (strstr(client.got.data, " 400 ") != NULL ||
                                                strstr(client.got.data, " 413 ") != NULL),
                      "%zu: %s", i, client.got.data);
        ck_assert_uint_eq(stage.n_messages, 0);
        client_close(&client);
    }
}
END_TEST

/* evhttp ends a line at a NUL; nobody else does. */
START_TEST(test_nul)
{
    static const char *const before[] = {
        "POST /v1/messages HTTP/1.1\r\nX: a",
        "POST /v1/messages HTTP/1.1\r\nContent-Type: application/json",
        "POST /v1/messages",
    };
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        struct client client;
        client_open(&client, "web");
        client_send(&client, before[i], strlen(before[i]) + 1);
        client_say(&client, i < 2 ? "b\r\n" : " HTTP/1.1\r\n");
        client_say(&client, strchr(request("", MESSAGE), '\n') + 1);
        client_await_close(&client);
        ck_assert_msg(strstr(client.got.data, " 400 ") != NULL, "%zu: %s", i, client.got.data);
        ck_assert_uint_eq(stage.n_messages, 0);
        client_close(&client);
    }
}
END_TEST

/* An answer that ends the connection says one thing of it, also to HTTP/1.0. */
START_TEST(test_old_kept_alive)
{
    struct client client;
    client_open(&client, "web");
    /* Asked for once, or twice. */
    static const char *const wishes[] = {"", "Connection: keep-alive\r\n"};
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        client_say(&client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n");
        client_say(&client, wishes[i]);
        client_say(&client, "Content-Length: 2\r\n\r\n{}");
        client_await_close(&client);
        ck_assert_ptr_nonnull(strstr(client.got.data, "Connection: close\r\n"));
        ck_assert_ptr_null(strstr(client.got.data, "keep-alive"));
        client_close(&client);
        client_open(&client, "web");
    }
    client_close(&client);
    client_open(&client, "web");
    for (int i = 0; i < 2; i++) {
        client_say(&client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        struct answer answer = client_answer(&client);
        ck_assert_int_eq(answer.status, 404);
        ck_assert_str_eq(answer_header(&answer, "Connection"), "keep-alive");
    }
    client_close(&client);
}
END_TEST

/* There are two versions to answer in, whatever is asked in; and as of a proxy is no other way. */
START_TEST(test_odd_versions)
{
    static const char *const lines[] = {"GET /x HTTP/0.1", "GET /x HTTP/1.9",
                                        "GET http://x/y HTTP/1.1"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct client client;
        client_open(&client, "web");
        client_say(&client, lines[i]);
        client_say(&client, "\r\nHost: x\r\n\r\n");
        struct answer answer = client_answer(&client);
        ck_assert_int_eq(answer.status, i == 0 ? 400 : 404);
        ck_assert_int_eq(strncmp(answer.headers, i == 0 ? "HTTP/1.0 " : "HTTP/1.1 ", 9), 0);
        if (i > 0) {
            client_say(&client, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
            ck_assert_int_eq(client_answer(&client).status, 404);
        }
        client_close(&client);
    }
}
END_TEST

/* evhttp would go round for ever once its buffer is full of one. */
START_TEST(test_endless_chunk_line)
{
    static const char *const before[] = {CHUNKED "2\r\n{}", CHUNKED "2;",
                                         CHUNKED "0\r\nX: ", CHUNKED "+2\r\n{}"};
    char *text = malloc(90000);
    must(text != NULL);
    memset(text, '0', 90000);
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        struct client client;
        client_open(&client, "web");
        client_say(&client, before[i]);
        client_send(&client, text, 90000);
        client_await_close(&client);
        ck_assert_uint_eq(stage.n_messages, 0);
        client_close(&client);
    }
    free(text);
}
END_TEST

/* What is done as it should be is no reason to refuse. */
START_TEST(test_clear_chunks)
{
    static const char rest[] = "\r\n0\r\nX-Trailer: 1\r\n\r\n";
    struct client client;
    char text[1024];
    for (size_t cut = 1; cut < 200; cut += 13) {
        snprintf(text, sizeof(text),
                 "POST /v1/messages HTTP/1.1\nHost: x\r\n%s%sTRANSFER-encoding: Chunked\r\n"
                 "\r\n%zX\r\n%s%s",
                 basic("acme-sms", "secret"), JSON, strlen(MESSAGE), MESSAGE, rest);
        client_open(&client, "web");
        client_send(&client, text, cut);
        client_say(&client, text + cut);
        ck_assert_int_eq(client_answer(&client).status, 202);
        client_say(&client, request("", MESSAGE));
        ck_assert_int_eq(client_answer(&client).status, 202);
        client_close(&client);
    }
}
END_TEST

START_TEST(test_too_much)
{
    struct client client;
    char *text = malloc(70000);
    must(text != NULL);
    /* A header block that does not end. */
    client_open(&client, "web");
    memset(text, 'a', 70000);
    client_say(&client, "GET /v1/messages HTTP/1.1\r\nX-Long: ");
    client_send(&client, text, 70000);
    client_await_close(&client);
    ck_assert_uint_eq(stage.n_messages, 0);
    client_close(&client);
    /* A body that says so. */
    memset(text, ' ', 70000);
    text[5000] = '\0';
    client_open(&client, "web");
    client_say(&client, request("", text));
    ck_assert_int_eq(client_answer(&client).status, 413);
    client_await_close(&client);
    client_close(&client);
    /* … and one that does not. */
    client_open(&client, "web");
    client_say(&client, "POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 20 && !client.closed; i++) {
        client_say(&client, "400\r\n");
        client_send(&client, text, 0x400);
        client_say(&client, "\r\n");
    }
    client_await_close(&client);
    ck_assert_uint_eq(stage.n_messages, 0);
    client_close(&client);
    free(text);
}
END_TEST

/* ---- TLS ---- */

START_TEST(test_tls)
{
    struct client client;
    client_open(&client, "secure");
    client_secure(&client, NULL);
    for (int i = 0; i < 2; i++) {
        client_say(&client, request("", MESSAGE));
        ck_assert_int_eq(client_answer(&client).status, 202);
    }
    client_close(&client);
    turn_until(stage.gate.sessions == 0);
    ck_assert_uint_eq(stage.gate.refusals.kinds[REFUSAL_HANDSHAKE].count, 0);
}
END_TEST

START_TEST(test_tls_certificate)
{
    static const char text[] =
        "POST /v1/messages HTTP/1.1\r\nHost: x\r\n" JSON "Content-Length: 50\r\n\r\n" MESSAGE;
    ck_assert_uint_eq(strlen(MESSAGE), 50);
    struct client client;
    client_open(&client, "secure");
    client_secure(&client, "client");
    client_say(&client, text);
    ck_assert_int_eq(client_answer(&client).status, 202);
    ck_assert_str_eq(stage.messages[0].account, "acme-cert");
    client_close(&client);
    client_open(&client, "secure");
    client_secure(&client, "tls");
    client_say(&client, text);
    ck_assert_int_eq(client_answer(&client).status, 401);
    client_close(&client);
}
END_TEST

/* Nothing is ever answered in clear where TLS is spoken. */
START_TEST(test_tls_spoken_to_in_clear)
{
    struct client client;
    client_open(&client, "secure");
    client_say(&client, request("", MESSAGE));
    client_await_close(&client);
    ck_assert(client.got.length == 0 || strstr(client.got.data, "HTTP") == NULL);
    ck_assert_uint_eq(stage.n_messages, 0);
    turn_until(stage.gate.sessions == 0);
    ck_assert_uint_eq(stage.gate.refusals.kinds[REFUSAL_HANDSHAKE].count, 1);
    client_close(&client);
}
END_TEST

/* ---- who it is ---- */

START_TEST(test_wrong_password)
{
    struct client client;
    char text[512];
    client_open(&client, "web");
    snprintf(text, sizeof(text), "POST /v1/messages HTTP/1.1\r\n%s%sContent-Length: 2\r\n\r\n{}",
             basic("acme-sms", "wrong"), JSON);
    int64_t began = clock_monotonic();
    client_say(&client, text);
    struct answer answer = client_answer(&client);
    ck_assert_int_eq(answer.status, 401);
    ck_assert_str_eq(answer_header(&answer, "WWW-Authenticate"),
                     "Basic realm=\"octroi\", charset=\"UTF-8\"");
    ck_assert_int_ge(clock_monotonic() - began, 900000);
    ck_assert_uint_eq(stage.gate.refusals.kinds[REFUSAL_AUTH_FAILED].count, 1);
    client_close(&client);
}
END_TEST

START_TEST(test_too_many_wrong_passwords)
{
    struct peer_key key = {{0}};
    struct client client;
    key.bytes[10] = key.bytes[11] = 0xff;
    key.bytes[12] = 127;
    key.bytes[15] = 1;
    for (int i = 0; i < GUESSES_FREE + 1; i++)
        guesses_note(stage.gate.guesses, &key, "nobody", false, clock_monotonic());
    client_open(&client, "web");
    client_say(&client, request("", MESSAGE));
    stage_end_penalty(GUESS_DELAY_MOST - 20 * CLOCK_SECOND);
    struct answer answer = client_answer(&client);
    ck_assert_int_eq(answer.status, 429);
    ck_assert_str_eq(answer_header(&answer, "Retry-After"), "30");
    client_await_close(&client);
    ck_assert_uint_eq(stage.gate.refusals.kinds[REFUSAL_AUTH_HELD].count, 1);
    client_close(&client);
}
END_TEST

/* As a balancer on this machine would send it for a client. */
static struct answer from_client(const char *headers, const char *name)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "POST /v1/messages HTTP/1.1\r\nHost: x\r\n%s%s" JSON "Content-Length: %zu\r\n\r\n%s",
             headers, name != NULL ? basic(name, "secret") : "", strlen(MESSAGE), MESSAGE);
    return ask("balanced", text);
}

START_TEST(test_forwarded)
{
    static const struct {
        const char *headers;
        const char *name;
        int status;
    } rows[] = {
        {"X-Forwarded-For: 192.0.2.10\r\n", NULL, 202},
        {"X-Forwarded-For: 192.0.2.10:4711\r\n", NULL, 202},
        {"X-Forwarded-For: [::ffff:192.0.2.10]:4711\r\n", NULL, 202},
        {"X-Forwarded-For: 192.0.2.10, 192.0.2.200\r\n", NULL, 202},
        {"X-Forwarded-For: 192.0.2.10\r\nX-Forwarded-For: 192.0.2.200\r\n", NULL, 202},
        {"X-Forwarded-For: 192.0.2.10, 192.0.2.11\r\n", NULL, 401},
        {"X-Forwarded-For: 192.0.2.11\r\n", NULL, 401},
        {"X-Forwarded-For: 192.0.2.10, unknown\r\n", NULL, 401},
        {"X-Forwarded-For: 192.0.2.10,\r\n", NULL, 401},
        {"X-Forwarded-For: \r\n", NULL, 401},
        {"", NULL, 401},
        {"", "acme-sms", 202},
        {"X-Forwarded-For: 192.0.2.11\r\n", "acme-sms", 403},
        {"X-Forwarded-For: 192.0.2.11\r\nX-Forwarded-Proto: http\r\n", "acme-sms", 403},
        {"X-Forwarded-For: 192.0.2.11\r\nX-Forwarded-Proto: https\r\n", "acme-sms", 202},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer = from_client(rows[i].headers, rows[i].name);
        ck_assert_msg(answer.status == rows[i].status, "%zu: %d %s", i, answer.status, answer.body);
    }
}
END_TEST

/* Elsewhere the header is anybody's to write. */
START_TEST(test_forwarded_by_anybody)
{
    struct answer answer = post("/v1/messages", "X-Forwarded-For: 192.0.2.10\r\n" JSON, MESSAGE);
    ck_assert_int_eq(answer.status, 401);
    ck_assert_uint_eq(stage.n_messages, 0);
}
END_TEST

static struct answer chunked(const char *headers, const char *trailers)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "POST /v1/messages HTTP/1.1\r\nHost: x\r\n%s" JSON
             "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n%s\r\n",
             headers, strlen(MESSAGE), MESSAGE, trailers);
    return ask("balanced", text);
}

/* Some versions of evhttp put a client's trailer behind what the balancer wrote, others drop it. */
START_TEST(test_forwarded_in_trailer)
{
    ck_assert_int_eq(chunked("X-Forwarded-For: 192.0.2.10\r\n", "").status, 202);
    ck_assert_int_eq(chunked("X-Forwarded-For: 192.0.2.11\r\n", "").status, 401);
    ck_assert_int_eq(chunked("X-Forwarded-For: 192.0.2.10\r\n", "X-Other: 1\r\n").status, 202);
    ck_assert_uint_eq(stage.n_messages, 2);
    int status =
        chunked("X-Forwarded-For: 192.0.2.11\r\n", "X-Forwarded-For: 192.0.2.10\r\n").status;
    ck_assert_msg(status == 400 || status == 401, "%d", status);
    /* Those that put it there show the gate this. */
    static const char *const headers[] = {
        "X-Forwarded-For: 192.0.2.11\r\nx-forwarded-for: 192.0.2.10\r\n",
        "X-Forwarded-For: 192.0.2.10\r\nX-Forwarded-For: 192.0.2.10\r\n",
        "X-Forwarded-For: 192.0.2.10\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n",
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        ck_assert_int_eq(chunked(headers[i], "").status, 400);
    ck_assert_uint_eq(stage.n_messages, 2);
}
END_TEST

/* Two that differ are not none: whoever asks with a key must not be served without. */
START_TEST(test_contradictory_headers)
{
    char twice[512];
    snprintf(twice, sizeof(twice), "%s", basic("acme-sms", "secret"));
    ck_assert_int_eq(
        ask("web", request("Idempotency-Key: a\r\nIdempotency-Key: b\r\n", MESSAGE)).status, 400);
    ck_assert_int_eq(ask("web", request("Authorization: Basic eDp5\r\n", MESSAGE)).status, 400);
    ck_assert_int_eq(ask("web", request("Content-Type: text/plain\r\n", MESSAGE)).status, 400);
    ck_assert_int_eq(ask("web", request("Host: other.example\r\n", MESSAGE)).status, 400);
    ck_assert_uint_eq(stage.n_messages, 0);
    ck_assert_int_eq(
        ask("web", request("Idempotency-Key: a\r\nIdempotency-Key: a\r\n", MESSAGE)).status, 202);
    ck_assert_int_eq(ask("web", request(twice, MESSAGE)).status, 202);
}
END_TEST

Suite *http_requests_suite(void)
{
    const TTest *const tests[] = {
        test_methods,
        test_unclear_ends,
        test_nul,
        test_old_kept_alive,
        test_odd_versions,
        test_endless_chunk_line,
        test_clear_chunks,
        test_too_much,
        test_tls,
        test_tls_certificate,
        test_tls_spoken_to_in_clear,
        test_wrong_password,
        test_too_many_wrong_passwords,
        test_forwarded,
        test_forwarded_by_anybody,
        test_forwarded_in_trailer,
        test_contradictory_headers,
        NULL,
    };
    Suite *suite = suite_create("http requests");
    TCase *cases = tcase_create("http requests");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, stage_make, stage_free);
    for (const TTest *const *test = tests; *test != NULL; test++)
        tcase_add_test(cases, *test);
    suite_add_tcase(suite, cases);
    return suite;
}
