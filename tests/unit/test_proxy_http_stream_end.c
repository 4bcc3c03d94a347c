/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads that do not go well: clients that read slowly or leave, pieces that fail, a gate that
 * ends, a desk without room.
 */
#include "tests/unit/test_proxy_http_stream_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* Less than a piece in each idle_timeout, and less than lets the socket take more: it goes on. */
START_TEST(test_slow_reader)
{
    struct client client;
    char bytes[32 * 1024];
    int64_t from = clock_monotonic();
    source.pieces = 4000;
    client_open(&client, "quick");
    client_say(&client, ASK("/t/download"));
    strbuf_free(&client.got);
    while (clock_monotonic() < from + 5 * CLOCK_SECOND) {
        ssize_t n = recv(client.fd, bytes, 6000, 0);
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
    source.pieces = 3;
    fake.hold = _i == 1; /* it is the second piece that takes so long */
    client_open(&client, "quick");
    if (_i == 0)
        pthread_mutex_lock(&source.gate);
    client_say(&client, ASK("/t/download"));
    if (_i == 1) {
        turn_until(fake.waiting);
        pthread_mutex_lock(&source.gate);
        release();
    }
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

Suite *http_stream_end_suite(void)
{
    static const struct stream_test tests[] = {
        {&test_reader_that_waits, 1},   {&test_reader_that_reads_nothing, 1},
        {&test_slow_reader, 1},         {&test_slow_desk, 2},
        {&test_client_leaves, 1},       {&test_client_leaves_the_desk, 1},
        {&test_client_leaves_early, 1}, {&test_client_leaves_at_the_record, 1},
        {&test_piece_fails, 2},         {&test_last_piece_fails, 2},
        {&test_piece_too_long, 1},      {&test_end_without_memory, 1},
        {&test_tls_breaks, 1},          {&test_drain_finishes, 1},
        {&test_drain_cuts, 2},          {&test_lane_ends_during_a_piece, 1},
        {&test_full_desk, 1},           {&test_desk_fills, 1},
        {&test_two_at_a_time, 1},       {0},
    };
    return stream_suite("http downloads that end early", tests);
}
