/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of sockets, and deadlines that move. */
#include "base/clock.h"
#include "base/deadline.h"
#include "base/loop.h"
#include "base/sockaddr.h"
#include "tests/unit/test_base_parts.h"

#include <event2/event.h>
#include <string.h>

#define MILLISECONDS INT64_C(1000)

static const struct {
    const char *text;
    const char *shown; /* NULL: no address */
    bool loopback;
} addresses[] = {
    {"127.0.0.1", "127.0.0.1", true},
    {"127.255.0.9", "127.255.0.9", true},
    {"128.0.0.1", "128.0.0.1", false},
    {"192.0.2.1", "192.0.2.1", false},
    {"::1", "::1", true},
    {"::2", "::2", false},
    {"::ffff:127.0.0.1", "::ffff:127.0.0.1", true},
    {"::ffff:192.0.2.1", "::ffff:192.0.2.1", false},
    {"2001:DB8:0:0::1", "2001:db8::1", false},
    {"127.example", NULL, false},
    {"[::1]", NULL, false},
    {"127.0.0.1:25", NULL, false},
    {"", NULL, false},
};

START_TEST(addresses_are_what_they_are)
{
    struct sockaddr_storage address, copy;
    const struct sockaddr *shown = (const struct sockaddr *)&copy;
    char text[SOCKADDR_TEXT];
    ck_assert_int_eq(sockaddr_parse(addresses[_i].text, &address), addresses[_i].shown != NULL);
    sockaddr_copy(&copy, (const struct sockaddr *)&address);
    ck_assert_str_eq(sockaddr_text(shown, text, sizeof(text)),
                     addresses[_i].shown != NULL ? addresses[_i].shown : "unknown");
    ck_assert_int_eq(sockaddr_is_loopback(shown), addresses[_i].loopback);
}
END_TEST

struct waiter {
    struct deadline deadline;
    unsigned passed;
    int64_t at;
};

static void on_passed(void *arg)
{
    struct waiter *waiter = arg;
    waiter->passed++;
    waiter->at = clock_monotonic();
}

static void turn_until(struct loop *loop, int64_t until)
{
    while (clock_monotonic() < until)
        loop_turn(loop);
}

START_TEST(deadlines_move)
{
    struct loop *loop;
    struct error err;
    struct waiter waiter = {0};
    ck_assert_int_eq(loop_new(0, &loop, &err), RESULT_OK);
    ck_assert(deadline_begin(&waiter.deadline, loop_base(loop), on_passed, &waiter));
    int64_t now = clock_monotonic();
    int64_t later = now + 150 * MILLISECONDS;
    deadline_set(&waiter.deadline, now + 20 * MILLISECONDS);
    deadline_set(&waiter.deadline, later); /* the timer fires, and finds that it is early */
    for (int64_t guard = now + 60 * CLOCK_SECOND; waiter.passed == 0;) {
        loop_turn(loop);
        ck_assert_int_lt(clock_monotonic(), guard);
    }
    ck_assert_int_ge(waiter.at, later);
    /* A sooner one, in the place of one that is far away. */
    deadline_set(&waiter.deadline, clock_monotonic() + 3600 * CLOCK_SECOND);
    deadline_set(&waiter.deadline, clock_monotonic() - CLOCK_SECOND);
    for (int64_t guard = clock_monotonic() + 60 * CLOCK_SECOND; waiter.passed == 1;) {
        loop_turn(loop);
        ck_assert_int_lt(clock_monotonic(), guard);
    }
    /* None, and one that is stopped. */
    deadline_set(&waiter.deadline, clock_monotonic() + 5 * MILLISECONDS);
    deadline_set(&waiter.deadline, DEADLINE_NEVER);
    turn_until(loop, clock_monotonic() + 30 * MILLISECONDS);
    deadline_set(&waiter.deadline, clock_monotonic() + 5 * MILLISECONDS);
    deadline_stop(&waiter.deadline);
    ck_assert(!event_pending(waiter.deadline.timer, EV_TIMEOUT, NULL));
    turn_until(loop, clock_monotonic() + 30 * MILLISECONDS);
    ck_assert_uint_eq(waiter.passed, 2);
    deadline_end(&waiter.deadline);
    deadline_end(&waiter.deadline);
    loop_free(&loop);
}
END_TEST

Suite *net_suite(void)
{
    const TTest *const tests[] = {deadlines_move, NULL};
    Suite *suite = unit_suite("net", tests);
    TCase *cases = tcase_create("addresses");
    tcase_add_loop_test(cases, addresses_are_what_they_are, 0,
                        (int)(sizeof(addresses) / sizeof(addresses[0])));
    suite_add_tcase(suite, cases);
    return suite;
}
