/* SPDX-License-Identifier: Apache-2.0 */
/* Under TLS libevent tells late that something was written. What was said meanwhile is not lost. */
#include "proxy/smtp/server.h"
#include "tests/unit/test_proxy_fakes.h"
#include "tests/unit/unit.h"

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

Suite *late_suite(void);

#define ROUNDS 20000

static size_t unsent(void)
{
    return evbuffer_get_length(connection_output(world.session->connection));
}

static void shake_hands(SSL *ssl)
{
    for (int i = 0; i < ROUNDS && SSL_connect(ssl) != 1; i++)
        world_pump();
    ck_assert(SSL_is_init_finished(ssl));
}

/* Reads until the text is there, or the end. */
static void read_until(SSL *ssl, const char *text, char got[512])
{
    size_t length = 0;
    got[0] = '\0';
    for (int i = 0; i < ROUNDS && strstr(got, text) == NULL; i++) {
        int n = SSL_read(ssl, got + length, (int)(511 - length));
        if (n > 0)
            length += (size_t)n;
        else if (SSL_get_error(ssl, n) != SSL_ERROR_WANT_READ)
            break;
        got[length] = '\0';
        world_pump();
    }
}

/* An event that the kernel has ready at once, each time round. */
struct ready {
    struct event *event;
    int fd;
};

static struct ready make_ready(event_callback_fn run, void *arg)
{
    struct ready ready = {.fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)};
    ready.event = event_new(loop_base(world.loop), ready.fd, EV_READ | EV_PERSIST, run, arg);
    ck_assert(ready.fd >= 0 && ready.event != NULL);
    return ready;
}

static void end_ready(struct ready *ready)
{
    event_free(ready->event);
    close(ready->fd);
}

static struct ready watch, drain;
static unsigned rounds;
static bool drained;
static size_t left_unsent;

static void on_drain(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    event_del(drain.event);
    drained = true;
    left_unsent = unsent();
    smtp_drain(&world.lane);
}

/* As soon as the session has something to write, and has asked to: the drain's turn is behind it,
 * and before the session is told that it was written. */
static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    if (unsent() == 0 && ++rounds < ROUNDS)
        return;
    event_del(watch.event);
    if (unsent() > 0)
        ck_assert_int_eq(event_add(drain.event, NULL), 0);
}

/* The gate drains when an answer has just left, before the session was told so. */
START_TEST(the_421_behind_an_answer)
{
    char got[512];
    world_make();
    int fd = world_connect("wrapped", "192.0.2.10");
    SSL_CTX *context = world_client_tls();
    SSL *ssl = SSL_new(context);
    ck_assert(ssl != NULL && SSL_set_fd(ssl, fd) == 1);
    SSL_set_connect_state(ssl);
    shake_hands(ssl);
    read_until(ssl, "220 ", got);
    ck_assert_ptr_nonnull(strstr(got, "220 "));
    watch = make_ready(on_watch, NULL);
    drain = make_ready(on_drain, NULL);
    ck_assert_int_eq(SSL_write(ssl, "NOOP\r\n", 6), 6);
    ck_assert_int_eq(event_add(watch.event, NULL), 0);
    loop_turn(world.loop);
    ck_assert(drained);
    ck_assert_uint_eq(left_unsent, 0); /* the answer had left */
    read_until(ssl, "421 ", got);
    ck_assert_msg(strstr(got, "250 ") != NULL && strstr(got, "421 ") != NULL, "got '%s'", got);
    end_ready(&watch);
    end_ready(&drain);
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
    world_free();
}
END_TEST

Suite *late_suite(void)
{
    static const TTest *tests[2];
    tests[0] = the_421_behind_an_answer;
    return unit_suite("late", tests);
}
