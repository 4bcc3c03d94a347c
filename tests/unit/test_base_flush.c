/* SPDX-License-Identifier: Apache-2.0 */
/* Output that leaves at the end of a loop's turn. */
#include "base/flush.h"
#include "base/loop.h"
#include "tests/unit/test_base_parts.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket whose output is flushed, and its other end. */
struct outlet {
    struct flush flush;
    struct loop *loop;       /* borrowed */
    struct bufferevent *bev; /* owned; NULL: the source says so */
    struct outlet *closes;   /* borrowed; closed when this one is written */
    unsigned written;
    int peer; /* owned */
};

static struct bufferevent *outlet_source(struct flush *flush)
{
    return CONTAINER_OF(flush, struct outlet, flush)->bev;
}

static void outlet_written(struct flush *flush)
{
    struct outlet *outlet = CONTAINER_OF(flush, struct outlet, flush);
    outlet->written++;
    if (outlet->closes == NULL)
        return;
    flush_forget(outlet->loop, &outlet->closes->flush);
    bufferevent_free(outlet->closes->bev);
    outlet->closes->bev = NULL;
}

static void outlet_open(struct outlet *outlet, struct loop *loop)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    *outlet = (struct outlet){.flush = {.source = outlet_source, .written = outlet_written},
                              .peer = pair[1],
                              .loop = loop};
    outlet->bev = bufferevent_socket_new(loop_base(loop), pair[0], BEV_OPT_CLOSE_ON_FREE);
    ck_assert_ptr_nonnull(outlet->bev);
    ck_assert_int_eq(bufferevent_enable(outlet->bev, EV_WRITE), 0);
    loop_turn(loop); /* enabling asked for the event; with nothing to write it goes */
}

static void outlet_say(struct outlet *outlet, const char *text)
{
    bufferevent_write(outlet->bev, text, strlen(text));
    flush_later(outlet->loop, &outlet->flush);
}

static void outlet_heard(struct outlet *outlet, const char *text)
{
    char got[64];
    ssize_t n = read(outlet->peer, got, sizeof(got));
    ck_assert_int_eq(n, *text != '\0' ? (ssize_t)strlen(text) : -1);
    if (n > 0)
        ck_assert_mem_eq(got, text, (size_t)n);
}

static void outlet_close(struct outlet *outlet)
{
    flush_forget(outlet->loop, &outlet->flush);
    if (outlet->bev != NULL)
        bufferevent_free(outlet->bev);
    close(outlet->peer);
}

static struct loop *new_loop(void)
{
    struct loop *loop = NULL;
    struct error err;
    ck_assert_int_eq(loop_new(0, &loop, &err), RESULT_OK);
    return loop;
}

/* A loop's task that makes several of them speak, as the events of one turn do. */
struct speech {
    struct loop_task task; /* first */
    struct outlet *outlets;
    size_t count;
};

static void speak(struct loop_task *task)
{
    struct speech *speech = (struct speech *)task;
    for (size_t i = 0; i < speech->count; i++) {
        outlet_say(&speech->outlets[i], "250 ");
        outlet_say(&speech->outlets[i], "ok\r\n");
    }
}

START_TEST(flush_writes_all_before_the_turn_ends)
{
    enum { MANY = 150 }; /* more than go in one call */
    static const size_t counts[] = {1, 2, MANY};
    static struct outlet outlets[MANY];
    struct loop *loop = new_loop();
    for (size_t i = 0; i < MANY; i++)
        outlet_open(&outlets[i], loop);
    for (size_t c = 0; c < 3; c++) {
        struct speech speech = {.task.run = speak, .outlets = outlets, .count = counts[c]};
        loop_post(loop, &speech.task);
        loop_turn(loop);
        for (size_t i = 0; i < counts[c]; i++) {
            outlet_heard(&outlets[i], "250 ok\r\n");
            ck_assert_uint_eq(outlets[i].written, 1);
            ck_assert_int_eq(event_pending(&outlets[i].bev->ev_write, EV_WRITE, NULL), 0);
            outlets[i].written = 0;
        }
        loop_turn(loop);
        outlet_heard(&outlets[0], "");
    }
    for (size_t i = 0; i < MANY; i++)
        outlet_close(&outlets[i]);
    loop_free(&loop);
}
END_TEST

START_TEST(flush_now_does_not_wait_for_the_turn)
{
    struct loop *loop = new_loop();
    struct outlet outlet;
    outlet_open(&outlet, loop);
    flush_now(outlet.bev); /* nothing to say */
    outlet_say(&outlet, "250 ok\r\n");
    flush_now(outlet.bev);
    outlet_heard(&outlet, "250 ok\r\n");
    bufferevent_disable(outlet.bev, EV_WRITE);
    bufferevent_write(outlet.bev, "held", 4);
    flush_now(outlet.bev);
    outlet_heard(&outlet, "");
    loop_turn(loop);
    ck_assert_uint_eq(outlet.written, 0); /* what was due had gone already */
    outlet_close(&outlet);
    loop_free(&loop);
}
END_TEST

START_TEST(flush_takes_only_what_may_be_written)
{
    struct loop *loop = new_loop();
    struct outlet outlets[3];
    for (size_t i = 0; i < 3; i++)
        outlet_open(&outlets[i], loop);
    bufferevent_write(outlets[0].bev, "late", 4); /* nobody flushes: the loop still does */
    loop_turn(loop);
    outlet_heard(&outlets[0], "late");
    bufferevent_disable(outlets[0].bev, EV_WRITE);
    outlet_say(&outlets[0], "held");
    struct bufferevent *bev = outlets[1].bev;
    outlet_say(&outlets[1], "left to libevent");
    outlets[1].bev = NULL; /* the source says so */
    outlet_say(&outlets[2], "said");
    for (int turn = 0; turn < 2; turn++)
        loop_turn(loop);
    outlets[1].bev = bev;
    outlet_heard(&outlets[0], "");
    outlet_heard(&outlets[1], "left to libevent");
    outlet_heard(&outlets[2], "said");
    ck_assert_uint_eq(outlets[0].written + outlets[1].written, 0);
    for (size_t i = 0; i < 3; i++)
        outlet_close(&outlets[i]);
    loop_free(&loop);
}
END_TEST

START_TEST(flush_survives_who_left_and_who_closes_another)
{
    struct loop *loop = new_loop();
    struct outlet outlets[4];
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < 4; i++)
        outlet_open(&outlets[i], loop);
    shutdown(outlets[0].peer, SHUT_RDWR);
    outlets[1].closes = &outlets[2];
    for (size_t i = 0; i < 4; i++)
        outlet_say(&outlets[i], "x");
    loop_turn(loop);
    ck_assert_uint_eq(outlets[0].written, 0);
    ck_assert_uint_eq(outlets[1].written, 1);
    outlet_heard(&outlets[3], "x");
    flush_later(loop, &outlets[3].flush);
    flush_later(loop, &outlets[3].flush);
    flush_forget(loop, &outlets[3].flush);
    flush_forget(loop, &outlets[3].flush);
    loop_turn(loop);
    for (size_t i = 0; i < 4; i++)
        outlet_close(&outlets[i]);
    loop_free(&loop);
}
END_TEST

START_TEST(flush_leaves_the_rest_to_the_loop)
{
    enum { TOTAL = 3 * 1024 * 1024 };
    static unsigned char got[65536];
    struct loop *loop = new_loop();
    struct outlet outlets[2];
    unsigned char *sent = malloc(TOTAL);
    for (size_t i = 0; i < TOTAL; i++)
        sent[i] = (unsigned char)(i * 31 >> 7);
    for (size_t i = 0; i < 2; i++) {
        outlet_open(&outlets[i], loop);
        for (size_t at = 0; at < TOTAL; at += 1024) /* in pieces, more than go in one write */
            bufferevent_write(outlets[i].bev, sent + at, 1024);
        flush_later(loop, &outlets[i].flush);
    }
    for (size_t i = 0; i < 2; i++) {
        size_t arrived_bytes = 0;
        bool same = true;
        for (int turns = 0; arrived_bytes < TOTAL && turns < 100000; turns++) {
            loop_turn(loop);
            ssize_t n = read(outlets[i].peer, got, sizeof(got));
            if (n > 0) {
                same &= memcmp(got, sent + arrived_bytes, (size_t)n) == 0;
                arrived_bytes += (size_t)n;
            }
        }
        ck_assert_uint_eq(arrived_bytes, TOTAL);
        ck_assert(same);
        ck_assert_uint_eq(outlets[i].written, 0);
    }
    for (size_t i = 0; i < 2; i++)
        outlet_close(&outlets[i]);
    free(sent);
    loop_free(&loop);
}
END_TEST

Suite *flush_suite(void)
{
    const TTest *const tests[] = {
        flush_writes_all_before_the_turn_ends, flush_now_does_not_wait_for_the_turn,
        flush_takes_only_what_may_be_written,  flush_survives_who_left_and_who_closes_another,
        flush_leaves_the_rest_to_the_loop,     NULL};
    return unit_suite("flush", tests);
}
