/* SPDX-License-Identifier: Apache-2.0 */
/* Handing over: the lines of the conversation, the sockets' list, and what a passed socket is for.
 */
#include "proxy/net/handover.h"
#include "proxy/net/listen.h"
#include "proxy/service.h"
#include "tests/unit/test_proxy_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

START_TEST(an_offer_comes_back)
{
    struct inlet list[HANDOVER_BATCH] = {0};
    struct strbuf line = {0};
    struct handover_offer offer;
    struct error err;
    for (int i = 0; i < HANDOVER_BATCH; i++) {
        snprintf(list[i].bind, sizeof(list[i].bind), "[::%x]:25", i);
        list[i].lent = i % 3 == 0;
    }
    memset(list[1].bind, 'x', sizeof(list[1].bind) - 1);
    ck_assert(str_copy(list[2].bind, sizeof(list[2].bind), "\"\\\t"));
    handover_write_offer(&line, list, HANDOVER_BATCH, 1234567, true);
    ck_assert_int_eq(handover_read_offer(line.data, &offer, &err), RESULT_OK);
    ck_assert_uint_eq(offer.n, HANDOVER_BATCH);
    ck_assert_int_eq(offer.drain_us, 1234567);
    ck_assert(offer.more);
    for (int i = 0; i < HANDOVER_BATCH; i++) {
        ck_assert_str_eq(offer.sockets[i].bind, list[i].bind);
        ck_assert(offer.sockets[i].lent == list[i].lent);
    }
    strbuf_clear(&line);
    handover_write_offer(&line, NULL, 0, 0, false);
    ck_assert_int_eq(handover_read_offer(line.data, &offer, &err), RESULT_OK);
    ck_assert_uint_eq(offer.n, 0);
    ck_assert(!offer.more);
    strbuf_free(&line);
}
END_TEST

#define OFFER "{\"takeover\":1,\"drain_us\":1,\"more\":false,\"sockets\":["

START_TEST(no_other_offer_is_taken)
{
    static const struct {
        const char *line;
        enum result result;
        const char *said;
    } rows[] = {
        {"{\"error\":\"unknown command\"}", RESULT_UNAVAILABLE, "cannot hand over"},
        {"{\"error\":\"busy\"}", RESULT_UNAVAILABLE, "busy"},
        {"", RESULT_BAD_INPUT, "does not know"},
        {"[]", RESULT_BAD_INPUT, NULL},
        {"{}", RESULT_BAD_INPUT, NULL},
        {"{\"takeover\":2,\"drain_us\":1,\"more\":false,\"sockets\":[]}", RESULT_BAD_INPUT, NULL},
        {"{\"takeover\":1,\"drain_us\":-1,\"more\":false,\"sockets\":[]}", RESULT_BAD_INPUT, NULL},
        {"{\"takeover\":1,\"drain_us\":1,\"sockets\":[]}", RESULT_BAD_INPUT, NULL},
        {OFFER "{}]}", RESULT_BAD_INPUT, NULL},
        {OFFER "{\"bind\":\"\",\"lent\":true}]}", RESULT_BAD_INPUT, NULL},
        {OFFER "{\"bind\":\"a\\u0000b\",\"lent\":true}]}", RESULT_BAD_INPUT, NULL},
        {OFFER "{\"bind\":\"a\",\"lent\":1}]}", RESULT_BAD_INPUT, NULL},
        {OFFER "{\"bind\":\"a\",\"lent\":true},3]}", RESULT_BAD_INPUT, NULL},
        {OFFER "{\"bind\":\"a\",\"lent\":true}", RESULT_BAD_INPUT, NULL},
        {OFFER "{\"bind\":\"a\",\"lent\":true}]}", RESULT_OK, NULL},
    };
    struct handover_offer offer;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = {0};
        ck_assert_msg(handover_read_offer(rows[i].line, &offer, &err) == rows[i].result, "%s",
                      rows[i].line);
        ck_assert_msg(rows[i].said == NULL || strstr(err.text, rows[i].said) != NULL, "%s",
                      err.text);
    }
    /* More than one message may carry. */
    struct strbuf line = {0};
    struct error err;
    strbuf_add_str(&line, OFFER);
    for (int i = 0; i <= HANDOVER_BATCH; i++)
        strbuf_add_str(&line, i > 0 ? ",{\"bind\":\"a\",\"lent\":true}"
                                    : "{\"bind\":\"a\",\"lent\":true}");
    strbuf_add_str(&line, "]}");
    ck_assert_int_eq(handover_read_offer(line.data, &offer, &err), RESULT_BAD_INPUT);
    strbuf_free(&line);
}
END_TEST

START_TEST(a_commit_comes_back)
{
    struct listener_config listeners[] = {{.bind = "*:25"}, {.bind = "[::1]:2525"}};
    struct config config = {.listeners = listeners, .n_listeners = 2};
    struct handover_commit *commit = calloc(1, sizeof(*commit));
    struct strbuf line = {0};
    struct error err;
    handover_write_commit(&line, &config);
    ck_assert_int_eq(handover_read_commit(line.data, commit, &err), RESULT_OK);
    ck_assert_uint_eq(commit->n, 2);
    ck_assert_str_eq(commit->binds[0], "*:25");
    ck_assert_str_eq(commit->binds[1], "[::1]:2525");
    static const char *const wrong[] = {"",
                                        "{}",
                                        "{\"command\":\"commit\"}",
                                        "{\"command\":\"serving\",\"binds\":[]}",
                                        "{\"command\":\"commit\",\"binds\":[1]}",
                                        "{\"command\":\"commit\",\"binds\":[\"\"]}"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_int_eq(handover_read_commit(wrong[i], commit, &err), RESULT_BAD_INPUT);
    strbuf_clear(&line);
    strbuf_add_str(&line, "{\"command\":\"commit\",\"binds\":[\"a\"");
    for (int i = 0; i < HANDOVER_BINDS; i++)
        strbuf_add_str(&line, ",\"a\"");
    strbuf_add_str(&line, "]}");
    ck_assert_int_eq(handover_read_commit(line.data, commit, &err), RESULT_BAD_INPUT);
    strbuf_free(&line);
    free(commit);
}
END_TEST

static int some_fd(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

START_TEST(inlets_are_kept_by_bind)
{
    struct inlets inlets = {0};
    struct error err;
    int fds[40];
    for (int i = 0; i < 40; i++) {
        fds[i] = some_fd();
        ck_assert_int_eq(inlets_add(&inlets, i % 4 == 0 ? "a" : "b", fds[i], false, &err),
                         RESULT_OK);
    }
    ck_assert_uint_eq(inlets_count(&inlets, "a"), 10);
    ck_assert_uint_eq(inlets_count(&inlets, "b"), 30);
    ck_assert_uint_eq(inlets_count(&inlets, "c"), 0);
    ck_assert_ptr_null(inlets_nth(&inlets, "c", 0));
    /* Round and round: more lanes than sockets. */
    ck_assert_int_eq(inlets_nth(&inlets, "a", 0)->fd, fds[0]);
    ck_assert_int_eq(inlets_nth(&inlets, "a", 9)->fd, fds[36]);
    ck_assert_int_eq(inlets_nth(&inlets, "a", 10)->fd, fds[0]);
    inlets_cut(&inlets, 38);
    ck_assert_int_eq(fcntl(fds[39], F_GETFD), -1);
    inlets_drop(&inlets, "b");
    ck_assert_uint_eq(inlets.n, 10);
    ck_assert_int_eq(fcntl(fds[1], F_GETFD), -1);
    ck_assert_int_ne(fcntl(fds[4], F_GETFD), -1);
    /* Taken also when it cannot be kept. */
    char long_name[INLET_BIND + 1];
    memset(long_name, 'a', sizeof(long_name));
    long_name[INLET_BIND] = '\0';
    int fd = some_fd();
    ck_assert_int_eq(inlets_add(&inlets, long_name, fd, false, &err), RESULT_BAD_INPUT);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    inlets_free(&inlets);
    ck_assert_int_eq(fcntl(fds[4], F_GETFD), -1);
}
END_TEST

static void set_address(struct sockaddr_storage *out, const char *host, unsigned port)
{
    memset(out, 0, sizeof(*out));
    if (strchr(host, ':') != NULL) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        ck_assert_int_eq(inet_pton(AF_INET6, host, &six->sin6_addr), 1);
    } else {
        struct sockaddr_in *four = (struct sockaddr_in *)out;
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        ck_assert_int_eq(inet_pton(AF_INET, host, &four->sin_addr), 1);
    }
}

START_TEST(a_passed_socket_is_known_by_its_address)
{
    static const struct {
        const char *bind, *host;
        unsigned port;
        const char *passed;
        unsigned passed_port;
        bool v6_only, matches;
    } rows[] = {
        {"127.0.0.1:25", "127.0.0.1", 25, "127.0.0.1", 25, false, true},
        {"127.0.0.1:25", "127.0.0.1", 25, "127.0.0.1", 26, false, false},
        {"127.0.0.1:25", "127.0.0.1", 25, "127.0.0.2", 25, false, false},
        {"127.0.0.1:25", "127.0.0.1", 25, "0.0.0.0", 25, false, false},
        {"127.0.0.1:25", "127.0.0.1", 25, "::1", 25, true, false},
        {"[::1]:25", "::1", 25, "::1", 25, true, true},
        {"[::1]:25", "::1", 25, "::1", 25, false, true},
        {"[::1]:25", "::1", 25, "::2", 25, true, false},
        {"[::]:25", "::", 25, "::", 25, true, true},
        {"[::]:25", "::", 25, "::", 25, false, false},
        {"*:25", "::", 25, "::", 25, false, true},
        {"*:25", "::", 25, "::", 25, true, false},
        {"*:25", "::", 25, "::", 24, false, false},
        {"0.0.0.0:25", "0.0.0.0", 25, "0.0.0.0", 25, false, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct listener_config listener = {.bind = rows[i].bind};
        struct sockaddr_storage passed;
        set_address(&listener.address, rows[i].host, rows[i].port);
        set_address(&passed, rows[i].passed, rows[i].passed_port);
        ck_assert_msg(inlet_matches(&listener, (struct sockaddr *)&passed, rows[i].v6_only) ==
                          rows[i].matches,
                      "row %zu", i);
    }
    struct listener_config listener = {.bind = "127.0.0.1:25"};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    set_address(&listener.address, "127.0.0.1", 25);
    ck_assert(!inlet_matches(&listener, (struct sockaddr *)&local, false));
}
END_TEST

static int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        ck_assert_int_eq(errno, EINPROGRESS);
    return fd;
}

static bool is_connected(int fd)
{
    struct sockaddr_in peer;
    socklen_t length = sizeof(peer);
    return getpeername(fd, (struct sockaddr *)&peer, &length) == 0;
}

/* Loopback: the kernel has answered by the time connect returns. */
START_TEST(a_shut_socket_keeps_who_waits)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    int before = connect_to(&address);
    ck_assert(is_connected(before));
    listen_shut(fd);
    int while_shut = connect_to(&address);
    ck_assert(!is_connected(while_shut));
    int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(accepted, 0);
    char byte = 0;
    ck_assert_int_eq(send(before, "x", 1, 0), 1);
    ck_assert_int_eq(recv(accepted, &byte, 1, 0), 1);
    listen_unshut(fd);
    int after = connect_to(&address);
    ck_assert(is_connected(after));
    close(after);
    close(accepted);
    close(while_shut);
    close(before);
    close(fd);
}
END_TEST

Suite *handover_suite(void)
{
    const TTest *const tests[] = {an_offer_comes_back,
                                  no_other_offer_is_taken,
                                  a_commit_comes_back,
                                  inlets_are_kept_by_bind,
                                  a_passed_socket_is_known_by_its_address,
                                  a_shut_socket_keeps_who_waits,
                                  NULL};
    return unit_suite("handover", tests);
}
