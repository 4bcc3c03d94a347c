/* SPDX-License-Identifier: Apache-2.0 */
/* Output that leaves at the end of a loop's turn. */
#include "base/flush.h"
#include "base/loop.h"
#include "base/tls.h"
#include "tests/unit/test_base_parts.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
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

/* ---- under TLS ---- */

/* Needs no certificate. */
static void make_anonymous(SSL_CTX *context)
{
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    ck_assert_int_eq(SSL_CTX_set_cipher_list(context, "aNULL:@SECLEVEL=0"), 1);
}

/* The outlet speaks TLS as the gate does; its handshake is still to come. */
static SSL *tls_outlet_open(struct outlet *outlet, struct loop *loop)
{
    struct error err;
    SSL_CTX *ours = NULL, *theirs = SSL_CTX_new(TLS_server_method());
    ck_assert_int_eq(tls_client_context(false, NULL, &ours, &err), RESULT_OK);
    make_anonymous(ours);
    make_anonymous(theirs);
    outlet_open(outlet, loop);
    int fd = dup(bufferevent_getfd(outlet->bev));
    bufferevent_free(outlet->bev);
    outlet->bev =
        tls_bufferevent(loop_base(loop), fd, tls_client_session(ours, "gate.test", false), false);
    ck_assert_ptr_nonnull(outlet->bev);
    bufferevent_enable(outlet->bev, EV_READ | EV_WRITE);
    SSL *peer = SSL_new(theirs);
    SSL_set_fd(peer, outlet->peer);
    SSL_CTX_free(ours);
    SSL_CTX_free(theirs);
    return peer;
}

static void shake_hands(struct outlet *outlet, SSL *peer)
{
    for (int turns = 0; turns < 100 && SSL_accept(peer) != 1; turns++)
        loop_turn(outlet->loop);
    for (int turns = 0; turns < 3; turns++)
        loop_turn(outlet->loop);
    ck_assert(SSL_is_init_finished(peer));
    ck_assert(SSL_is_init_finished(bufferevent_openssl_get_ssl(outlet->bev)));
}

START_TEST(flush_writes_one_record_for_all_pieces)
{
    char got[64];
    struct loop *loop = new_loop();
    struct outlet outlets[3];
    SSL *peers[2];
    for (size_t i = 0; i < 2; i++) {
        peers[i] = tls_outlet_open(&outlets[i], loop);
        flush_later(loop, &outlets[i].flush); /* the handshake is not ours */
        shake_hands(&outlets[i], peers[i]);
    }
    outlet_open(&outlets[2], loop);
    for (int again = 0; again < 2; again++) {
        struct speech speech = {.task.run = speak, .outlets = outlets, .count = 3};
        loop_post(loop, &speech.task);
        loop_turn(loop);
        for (size_t i = 0; i < 2; i++) {
            ck_assert_int_eq(SSL_read(peers[i], got, sizeof(got)), 8);
            ck_assert_mem_eq(got, "250 ok\r\n", 8);
            ck_assert_int_eq(SSL_read(peers[i], got, sizeof(got)), -1);
            ck_assert_int_eq(event_pending(&outlets[i].bev->ev_write, EV_WRITE, NULL), 0);
            ck_assert_uint_eq(outlets[i].written, (unsigned)again + 1);
        }
        outlet_heard(&outlets[2], "250 ok\r\n");
    }
    for (size_t i = 0; i < 3; i++)
        outlet_close(&outlets[i]);
    for (size_t i = 0; i < 2; i++)
        SSL_free(peers[i]);
    loop_free(&loop);
}
END_TEST

START_TEST(flush_and_the_loop_take_turns_under_tls)
{
    enum { TOTAL = 3 * 1024 * 1024, PIECE = 700, BLOCK = 40000 };
    static unsigned char got[65536];
    struct loop *loop = new_loop();
    struct outlet outlet;
    unsigned char *sent = malloc(TOTAL);
    for (size_t i = 0; i < TOTAL; i++)
        sent[i] = (unsigned char)(i * 31 >> 7);
    SSL *peer = tls_outlet_open(&outlet, loop);
    shake_hands(&outlet, peer);
    size_t said = 0, heard = 0;
    bool same = true, blocked = false;
    for (int turns = 0; heard < TOTAL && turns < 100000; turns++) {
        /* More is said than is heard: the socket is full most of the time. */
        for (int i = 0; i < 25 && said < TOTAL; i++) {
            size_t one = i == turns % 50 ? BLOCK : PIECE;
            one = said + one < TOTAL ? one : TOTAL - said;
            bufferevent_write(outlet.bev, sent + said, one);
            said += one;
        }
        /* When it has heard something OpenSSL does not tell any more that a write is blocked. */
        if (turns % 5 == 0)
            ck_assert_int_eq(SSL_write(peer, "x", 1), 1);
        if (turns % 5 == 0 || turns % 7 == 0)
            flush_later(loop, &outlet.flush);
        loop_turn(loop);
        blocked |= SSL_want_write(bufferevent_openssl_get_ssl(outlet.bev));
        int n = SSL_read(peer, got, sizeof(got));
        if (n > 0) {
            same &= heard + (size_t)n <= TOTAL && memcmp(got, sent + heard, (size_t)n) == 0;
            ck_assert(same);
            heard += (size_t)n;
        }
    }
    ck_assert(blocked);
    ck_assert_uint_eq(heard, TOTAL);
    ck_assert(same);
    outlet_close(&outlet);
    SSL_free(peer);
    free(sent);
    loop_free(&loop);
}
END_TEST

/* libevent writes large pieces, and is blocked at any of their records; then something is heard,
 * and OpenSSL does not tell any more that a write is blocked. */
START_TEST(flush_goes_on_where_the_loop_was_blocked)
{
    enum { BLOCK = 40000, BLOCKS = 10, LEAD = 2500, LEADS = 16 };
    static unsigned char block[BLOCK], got[BLOCK];
    memset(block, 'x', sizeof(block));
    for (size_t lead = 0; lead < LEADS; lead++) {
        struct loop *loop = new_loop();
        struct outlet outlet;
        SSL *peer = tls_outlet_open(&outlet, loop);
        shake_hands(&outlet, peer);
        SSL *ssl = bufferevent_openssl_get_ssl(outlet.bev);
        size_t total = lead * LEAD + (size_t)BLOCK * BLOCKS, heard = 0;
        bufferevent_write(outlet.bev, block, lead * LEAD);
        for (int i = 0; i < BLOCKS; i++)
            bufferevent_write(outlet.bev, block, BLOCK);
        for (int turns = 0; turns < 3; turns++)
            loop_turn(loop);
        ck_assert(SSL_want_write(ssl));
        ck_assert_int_eq(SSL_write(peer, "y", 1), 1);
        loop_turn(loop);
        ck_assert_uint_eq(evbuffer_get_length(bufferevent_get_input(outlet.bev)), 1);
        ck_assert(!SSL_want_write(ssl));
        flush_later(loop, &outlet.flush);
        loop_turn(loop);
        for (int turns = 0; heard < total && turns < 1000; turns++) {
            int n = SSL_read(peer, got, sizeof(got));
            heard += n > 0 ? (size_t)n : 0;
            loop_turn(loop);
        }
        ck_assert_uint_eq(heard, total);
        outlet_close(&outlet);
        SSL_free(peer);
        loop_free(&loop);
    }
}
END_TEST

Suite *flush_suite(void)
{
    const TTest *const tests[] = {flush_writes_all_before_the_turn_ends,
                                  flush_now_does_not_wait_for_the_turn,
                                  flush_takes_only_what_may_be_written,
                                  flush_survives_who_left_and_who_closes_another,
                                  flush_leaves_the_rest_to_the_loop,
                                  flush_writes_one_record_for_all_pieces,
                                  flush_and_the_loop_take_turns_under_tls,
                                  flush_goes_on_where_the_loop_was_blocked,
                                  NULL};
    return unit_suite("flush", tests);
}
