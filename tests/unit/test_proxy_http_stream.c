/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads that go well, and that do not begin: pieces made one at a time at the real desk, and
 * what is on record first; and the header fields of pages.
 */
#include "office/folder.h"
#include "tests/unit/test_proxy_http_stream_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

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
    static const struct stream_test tests[] = {
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
        {&test_file, 3},
        {&test_head_of_a_file, 1},
        {&test_file_cut_short, 1},
        {&test_no_file, 1},
        {0},
    };
    return stream_suite("http downloads", tests);
}
