/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP towards partners: connections, their caps and their time; what is evhttp's, so that another
 * version of it that behaves otherwise is noticed. What requests say is in the other files.
 */
#include "tests/unit/test_proxy_http_shapes.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

static unsigned sessions(const char *bind)
{
    for (size_t i = 0; i < stage.n_doors; i++)
        if (strcmp(stage.entrances[i].bind, bind) == 0)
            return stage.entrances[i].sessions;
    must_fail("no entrance %s", bind);
}

/* ---- one request after another ---- */

START_TEST(test_kept_alive)
{
    struct client client;
    client_open(&client, "web");
    for (int i = 0; i < 3; i++) {
        client_say(&client, request("", MESSAGE));
        struct answer answer = client_answer(&client);
        ck_assert_int_eq(answer.status, 202);
        ck_assert_str_eq(answer_header(&answer, "Cache-Control"), "no-store");
        ck_assert_str_eq(answer_header(&answer, "X-Content-Type-Options"), "nosniff");
        ck_assert_str_eq(answer_header(&answer, "Content-Type"), "application/json");
        ck_assert_str_ne(answer_header(&answer, "Date"), "");
        ck_assert_str_eq(answer_header(&answer, "Server"), "");
    }
    ck_assert_uint_eq(stage.n_messages, 3);
    ck_assert(!client.closed);
    client_close(&client);
    turn_until(stage.gate.sessions == 0);
}
END_TEST

/* Each is answered, in order, also while the first is still under way. */
START_TEST(test_pipelined)
{
    struct client client;
    struct strbuf text = {0};
    client_open(&client, "web");
    stage.hold = true;
    strbuf_add_str(&text, request("", MESSAGE));
    strbuf_add_str(&text, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    strbuf_add_str(&text, request("", MESSAGE));
    client_say(&client, text.data);
    turn_until(stage.n_messages == 1);
    for (int i = 0; i < 20; i++)
        client_turn(&client);
    ck_assert_uint_eq(stage.n_messages, 1);
    ck_assert_uint_eq(client.got.length, 0);
    stage.hold = false;
    stage_release();
    ck_assert_int_eq(client_answer(&client).status, 202);
    ck_assert_int_eq(client_answer(&client).status, 404);
    ck_assert_int_eq(client_answer(&client).status, 202);
    strbuf_free(&text);
    client_close(&client);
}
END_TEST

/* A GET without a body leaves evhttp reading; what comes then must wait. */
START_TEST(test_pipelined_behind_get)
{
    static const char ask_kannel[] =
        "GET /cgi-bin/sendsms?username=acme-sms&password=secret&to=%2B33612345670&text=Hi "
        "HTTP/1.1\r\nHost: x\r\n\r\n";
    struct client client;
    client_open(&client, "web");
    stage.hold = true;
    client_say(&client, ask_kannel);
    turn_until(stage.n_messages == 1);
    client_say(&client, ask_kannel);
    client_say(&client, ask_kannel);
    for (int i = 0; i < 20; i++)
        client_turn(&client);
    stage.hold = false;
    stage_release();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(client_answer(&client).status, 202);
    client_close(&client);
}
END_TEST

START_TEST(test_byte_by_byte)
{
    struct client client;
    const char *text = request("", MESSAGE);
    client_open(&client, "web");
    for (size_t i = 0; text[i] != '\0'; i++)
        client_send(&client, text + i, 1);
    ck_assert_int_eq(client_answer(&client).status, 202);
    client_close(&client);
}
END_TEST

START_TEST(test_chunked)
{
    struct client client;
    char text[1024];
    client_open(&client, "web");
    snprintf(text, sizeof(text),
             "POST /v1/messages HTTP/1.1\r\nHost: x\r\n%s%sTransfer-Encoding: chunked\r\n\r\n"
             "5\r\n%.5s\r\n%zx\r\n%s\r\n0\r\n\r\n",
             basic("acme-sms", "secret"), JSON, MESSAGE, strlen(MESSAGE) - 5, MESSAGE + 5);
    client_say(&client, text);
    ck_assert_int_eq(client_answer(&client).status, 202);
    client_say(&client, request("", MESSAGE));
    ck_assert_int_eq(client_answer(&client).status, 202);
    client_close(&client);
}
END_TEST

START_TEST(test_continue)
{
    struct client client;
    char text[1024];
    client_open(&client, "web");
    snprintf(text, sizeof(text),
             "POST /v1/messages HTTP/1.1\r\nHost: x\r\n%s%sExpect: 100-continue\r\n"
             "Content-Length: %zu\r\n\r\n",
             basic("acme-sms", "secret"), JSON, strlen(MESSAGE));
    client_say(&client, text);
    ck_assert_int_eq(client_answer(&client).status, 100);
    client_say(&client, MESSAGE);
    ck_assert_int_eq(client_answer(&client).status, 202);
    client_close(&client);
}
END_TEST

START_TEST(test_close_asked)
{
    struct client client;
    client_open(&client, "web");
    client_say(&client, request("Connection: close\r\n", MESSAGE));
    struct answer answer = client_answer(&client);
    ck_assert_int_eq(answer.status, 202);
    ck_assert_str_eq(answer_header(&answer, "Connection"), "close");
    client_await_close(&client);
    client_close(&client);
}
END_TEST

/* ---- what waits to be whole ---- */

/* Sends so many megabytes of a body that goes on. */
static void weigh(struct client *client, const char *source, size_t megabytes)
{
    char *text = malloc(megabytes * 1000 * 1000);
    must(text != NULL);
    memset(text, ' ', megabytes * 1000 * 1000);
    client_open_from(client, "heavy", source);
    client_say(client, "POST /v1/messages HTTP/1.1\r\nContent-Length: 15900000\r\n\r\n");
    client_send(client, text, megabytes * 1000 * 1000);
    free(text);
}

/* Strangers together may not fill the memory with what is not whole yet: who holds the most goes,
 * not who comes last. */
START_TEST(test_heavy_strangers)
{
    struct client clients[3], fresh;
    stage.lane.http->seed = 1; /* so that no two of them ever share a place */
    weigh(&clients[0], "127.0.0.2", 9);
    weigh(&clients[1], "127.0.0.3", 14);
    weigh(&clients[2], "127.0.0.4", 12);
    client_await_close(&clients[1]);
    ck_assert_uint_eq(stage.gate.refusals.kinds[REFUSAL_SLOW].count, 1);
    turn_until(sessions("127.0.0.1:8086") == 2);
    for (int i = 0; i < 20; i++)
        loop_turn(stage.loop);
    ck_assert(!clients[0].closed && !clients[2].closed);
    ck_assert_uint_eq(sessions("127.0.0.1:8086"), 2);
    client_open(&fresh, "heavy");
    client_say(&fresh, request("", MESSAGE));
    ck_assert_int_eq(client_answer(&fresh).status, 202);
    client_close(&fresh);
    for (int i = 0; i < 3; i++)
        client_close(&clients[i]);
    turn_until(sessions("127.0.0.1:8086") == 0);
    ck_assert_uint_eq(stage.lane.http->strangers, 0);
    for (int i = 0; i < HTTP_HOLDERS; i++)
        ck_assert_uint_eq(stage.lane.http->held[i], 0);
}
END_TEST

/* One address does not hold more than a part of it, over however many connections. */
START_TEST(test_heavy_stranger)
{
    struct client clients[3];
    stage.lane.http->seed = 1;
    weigh(&clients[0], "127.0.0.2", 9);
    weigh(&clients[1], "127.0.0.3", 5);
    weigh(&clients[2], "127.0.0.2", 8);
    client_await_close(&clients[0]);
    turn_until(sessions("127.0.0.1:8086") == 2);
    ck_assert_uint_lt(stage.lane.http->strangers, 14 * 1000 * 1000);
    ck_assert_uint_gt(stage.lane.http->strangers, 13 * 1000 * 1000 - 100000);
    for (int i = 0; i < 3; i++)
        client_close(&clients[i]);
}
END_TEST

/* What fits exactly is taken. */
START_TEST(test_full_body)
{
    struct client client;
    char body[4097];
    size_t limit = stage.lane.snapshot->config->listeners[0].max_body_size;
    must(limit <= 4096);
    memset(body, ' ', sizeof(body));
    memcpy(body, MESSAGE, strlen(MESSAGE));
    body[limit] = '\0';
    client_open(&client, "web");
    client_say(&client, request("", body));
    ck_assert_int_eq(client_answer(&client).status, 202);
    client_close(&client);
}
END_TEST

/* ---- time ---- */

START_TEST(test_silent_connection)
{
    struct client client;
    client_open(&client, "quick");
    int64_t began = clock_monotonic();
    client_await_close(&client);
    ck_assert_int_ge(clock_monotonic() - began, 250000);
    ck_assert_uint_eq(client.got.length, 0);
    ck_assert_uint_eq(stage.gate.refusals.kinds[REFUSAL_LOGIN_LATE].count, 1);
    client_close(&client);
}
END_TEST

START_TEST(test_idle_connection)
{
    struct client client;
    client_open(&client, "quick");
    client_say(&client, request("", MESSAGE));
    int64_t began = clock_monotonic();
    ck_assert_int_eq(client_answer(&client).status, 202);
    client_await_close(&client);
    /* idle_timeout, not the shorter login_timeout: it is an account's. */
    ck_assert_int_ge(clock_monotonic() - began, 800000);
    ck_assert_uint_eq(stage.gate.refusals.kinds[REFUSAL_LOGIN_LATE].count, 0);
    client_close(&client);
}
END_TEST

static void drip(const char *beginning, const char *piece)
{
    struct client client;
    client_open(&client, "quick");
    client_say(&client, request("", MESSAGE)); /* an account, from now on */
    ck_assert_int_eq(client_answer(&client).status, 202);
    client_say(&client, beginning);
    int64_t until = clock_monotonic() + 15 * CLOCK_SECOND;
    while (!client.closed) {
        client_say(&client, piece);
        client_turn(&client);
        struct pollfd none = {.fd = client.fd, .events = 0};
        poll(&none, 1, 20);
        must_say(clock_monotonic() < until, "a byte now and then keeps it open");
    }
    ck_assert_uint_ge(stage.gate.refusals.kinds[REFUSAL_SLOW].count, 1);
    ck_assert_ptr_nonnull(strstr(client.got.data, "HTTP/1.1 408 "));
    client_close(&client);
}

START_TEST(test_slow_header)
{
    drip("POST /v1/messages HTTP/1.1\r\nX-Slow: ", "a");
}
END_TEST

START_TEST(test_slow_body)
{
    drip("POST /v1/messages HTTP/1.1\r\nContent-Length: 100000\r\n\r\n", "a");
}
END_TEST

/* A message under way is nobody's fault: no deadline of the connection ends it. */
START_TEST(test_slow_provider)
{
    struct client client;
    client_open(&client, "quick");
    stage.hold = true;
    client_say(&client, request("", MESSAGE));
    turn_until(stage.n_messages == 1);
    int64_t until = clock_monotonic() + 1500000;
    turn_until(clock_monotonic() > until);
    ck_assert(!client.closed);
    stage_release();
    ck_assert_int_eq(client_answer(&client).status, 202);
    client_close(&client);
}
END_TEST

/* ---- caps ---- */

START_TEST(test_connections_of_listener)
{
    struct client clients[3];
    for (int i = 0; i < 2; i++) {
        client_open(&clients[i], "few");
        turn_until(sessions("127.0.0.1:8082") == (unsigned)i + 1);
    }
    client_open(&clients[2], "few");
    client_await_close(&clients[2]);
    ck_assert_ptr_nonnull(strstr(clients[2].got.data, "HTTP/1.1 503 "));
    ck_assert_ptr_nonnull(strstr(clients[2].got.data, "Connection: close"));
    ck_assert_uint_eq(sessions("127.0.0.1:8082"), 2);
    ck_assert_uint_eq(stage.gate.refusals.kinds[REFUSAL_LISTENER].count, 1);
    client_close(&clients[0]);
    turn_until(sessions("127.0.0.1:8082") == 1);
    client_close(&clients[2]);
    client_open(&clients[2], "few");
    client_say(&clients[2], request("", MESSAGE));
    ck_assert_int_eq(client_answer(&clients[2]).status, 202);
    client_close(&clients[1]);
    client_close(&clients[2]);
    turn_until(stage.gate.sessions == 0);
}
END_TEST

START_TEST(test_connections_of_address)
{
    struct client first, second;
    client_open(&first, "fair");
    turn_until(sessions("127.0.0.1:8083") == 1);
    client_open(&second, "fair");
    client_await_close(&second);
    ck_assert_ptr_nonnull(strstr(second.got.data, "HTTP/1.1 503 "));
    ck_assert_uint_eq(stage.gate.refusals.kinds[REFUSAL_ADDRESS].count, 1);
    client_say(&first, request("", MESSAGE));
    ck_assert_int_eq(client_answer(&first).status, 202);
    client_close(&first);
    client_close(&second);
}
END_TEST

START_TEST(test_connections_of_gate)
{
    struct client first, second;
    stage.gate.sessions_most = 1;
    client_open(&first, "web");
    turn_until(stage.gate.sessions == 1);
    client_open(&second, "few");
    client_await_close(&second);
    ck_assert_ptr_nonnull(strstr(second.got.data, "HTTP/1.1 503 "));
    ck_assert_uint_eq(stage.gate.refusals.kinds[REFUSAL_DESCRIPTORS].count, 1);
    ck_assert_uint_eq(sessions("127.0.0.1:8082"), 0);
    client_close(&first);
    client_close(&second);
}
END_TEST

/* max_connections of the partner is 3, over all listeners. */
START_TEST(test_connections_of_partner)
{
    struct client clients[4];
    struct answer answer;
    for (int i = 0; i < 4; i++) {
        client_open(&clients[i], i % 2 ? "web" : "balanced");
        client_say(&clients[i], request("", MESSAGE));
        answer = client_answer(&clients[i]);
        ck_assert_int_eq(answer.status, i < 3 ? 202 : 503);
    }
    ck_assert_str_eq(answer_header(&answer, "Connection"), "close");
    client_await_close(&clients[3]);
    client_close(&clients[0]);
    turn_until(stage.gate.sessions == 2);
    client_close(&clients[3]);
    client_open(&clients[3], "web");
    client_say(&clients[3], request("", MESSAGE));
    ck_assert_int_eq(client_answer(&clients[3]).status, 202);
    for (int i = 1; i < 4; i++)
        client_close(&clients[i]);
}
END_TEST

/* ---- the client goes ---- */

START_TEST(test_client_leaves_while_sending)
{
    struct client client;
    client_open(&client, "web");
    stage.hold = true;
    client_say(&client, request("Idempotency-Key: \"k1\"\r\n", MESSAGE));
    turn_until(stage.n_messages == 1);
    client_close(&client);
    for (int i = 0; i < 20; i++)
        loop_turn(stage.loop);
    stage_release();
    turn_until(stage.gate.sessions == 0);
    turn_until(ticket_count(stage.lane.requests) == 0);
    /* Who comes again is told what became of it, and nothing is sent twice. */
    struct answer answer = ask("web", request("Idempotency-Key: \"k1\"\r\n", MESSAGE));
    ck_assert_int_eq(answer.status, 202);
    ck_assert_uint_eq(stage.n_messages, 1);
}
END_TEST

/* The gate ends the connection itself; the message is answered after that. */
START_TEST(test_abort_while_sending)
{
    struct client client;
    client_open(&client, "web");
    stage.hold = true;
    client_say(&client, request("", MESSAGE));
    turn_until(stage.n_messages == 1);
    http_abort_all(&stage.lane);
    client_await_close(&client);
    ck_assert_uint_eq(stage.gate.sessions, 0);
    stage_release();
    turn_until(ticket_count(stage.lane.requests) == 0);
    client_close(&client);
}
END_TEST

/* Keeps the one helper busy until it is let go. */
struct plug {
    struct worker_job job;
    _Atomic bool let_go;
    bool done;
};

static void wait_to_be_let_go(struct worker_job *job)
{
    while (!((struct plug *)job)->let_go)
        clock_sleep(1000);
}

static void note_done(struct loop_task *task)
{
    CONTAINER_OF(task, struct plug, job.task)->done = true;
}

START_TEST(test_abort_while_hashing)
{
    struct plug plug = {
        .job = {.task = {.run = note_done}, .work = wait_to_be_let_go, .home = stage.loop}};
    struct client client;
    must(workers_submit(stage.workers, &plug.job));
    client_open(&client, "web");
    client_say(&client, request("", MESSAGE));
    turn_until(ticket_count(stage.lane.requests) == 1);
    http_abort_all(&stage.lane);
    client_await_close(&client);
    turn_until(ticket_count(stage.lane.requests) == 0);
    plug.let_go = true;
    turn_until(plug.done);
    for (int i = 0; i < 20; i++)
        loop_turn(stage.loop);
    ck_assert_uint_eq(stage.n_messages, 0);
    client_close(&client);
}
END_TEST

START_TEST(test_end_with_everything_open)
{
    struct client clients[3];
    client_open(&clients[0], "web");
    client_open(&clients[1], "web");
    client_open(&clients[2], "secure");
    stage.hold = true;
    client_say(&clients[0], request("Idempotency-Key: \"k\"\r\n", MESSAGE));
    turn_until(stage.n_messages == 1);
    client_say(&clients[1], "POST /v1/messages HTTP/1.1\r\nX");
    loop_turn(stage.loop);
    for (int i = 0; i < 3; i++) {
        close(clients[i].fd);
        clients[i].fd = -1;
        client_close(&clients[i]);
    }
    /* stage_free ends the rest, with a message that nobody answers any more. */
}
END_TEST

/* ---- draining ---- */

START_TEST(test_drain)
{
    struct client idle, busy, fresh;
    client_open(&idle, "web");
    client_say(&idle, request("", MESSAGE));
    ck_assert_int_eq(client_answer(&idle).status, 202);
    client_open(&busy, "web");
    stage.hold = true;
    client_say(&busy, request("", MESSAGE));
    turn_until(stage.n_messages == 2);
    client_open(&fresh, "web");
    turn_until(stage.gate.sessions == 3);
    http_drain(&stage.lane);
    client_await_close(&idle);
    ck_assert(!busy.closed);
    stage_release();
    struct answer answer = client_answer(&busy);
    ck_assert_int_eq(answer.status, 202);
    ck_assert_str_eq(answer_header(&answer, "Connection"), "close");
    client_await_close(&busy);
    /* It connected before the gate drained, and has not asked yet. */
    stage.hold = false;
    client_say(&fresh, request("", MESSAGE));
    answer = client_answer(&fresh);
    ck_assert_int_eq(answer.status, 202);
    ck_assert_str_eq(answer_header(&answer, "Connection"), "close");
    client_await_close(&fresh);
    client_close(&idle);
    client_close(&busy);
    client_close(&fresh);
    ck_assert_uint_eq(stage.gate.sessions, 0);
}
END_TEST

START_TEST(test_door_closed)
{
    struct client client;
    client_open(&client, "web");
    turn_until(stage.gate.sessions == 1);
    int fd = stage.fds[0];
    http_door_close(&stage.doors[0]);
    ck_assert_ptr_null(stage.doors[0]);
    client_say(&client, request("", MESSAGE));
    ck_assert_int_eq(client_answer(&client).status, 202);
    client_close(&client);
    turn_until(stage.gate.sessions == 0);
    ck_assert_int_eq(fd, stage.fds[0]); /* the descriptor is still ours */
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_kept_alive,
        test_pipelined,
        test_pipelined_behind_get,
        test_byte_by_byte,
        test_chunked,
        test_continue,
        test_close_asked,
        test_full_body,
        test_heavy_strangers,
        test_heavy_stranger,
        test_silent_connection,
        test_idle_connection,
        test_slow_header,
        test_slow_body,
        test_slow_provider,
        test_connections_of_listener,
        test_connections_of_address,
        test_connections_of_gate,
        test_connections_of_partner,
        test_client_leaves_while_sending,
        test_abort_while_sending,
        test_abort_while_hashing,
        test_end_with_everything_open,
        test_drain,
        test_door_closed,
        NULL,
    };
    Suite *suite = suite_create("http");
    TCase *cases = tcase_create("http");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, stage_make, stage_free);
    for (const TTest *const *test = tests; *test != NULL; test++)
        tcase_add_test(cases, *test);
    suite_add_tcase(suite, cases);
    return unit_run((Suite *[]){suite, http_requests_suite(), http_native_suite(),
                                http_shapes_suite(), http_lists_suite(), http_service_suite(),
                                http_stream_suite(), http_stream_end_suite(), NULL});
}
