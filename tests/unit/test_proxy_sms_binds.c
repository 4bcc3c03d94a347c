/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries between loops: who gets them, who answers, who is late, who leaves, what ends. */
#include "base/clock.h"
#include "proxy/sms/binds.h"
#include "tests/unit/test_proxy_sms.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A session that receives, and what it was given last. */
struct receiver {
    struct bind_place *place;
    struct delivery *held; /* not answered yet */
    char from[21];
    unsigned got;
    bool answers; /* at once */
    enum sms_taken answer;
    bool leaves; /* instead of answering */
};

static void take(void *session, struct delivery *delivery, const struct sms_delivery *what)
{
    struct receiver *receiver = session;
    receiver->got++;
    receiver->held = delivery;
    ck_assert(str_copy(receiver->from, sizeof(receiver->from), what->from));
    if (receiver->answers) {
        receiver->held = NULL;
        binds_answer(delivery, receiver->answer);
    } else if (receiver->leaves) {
        binds_leave(&receiver->place);
    }
}

static void answer(struct delivery *held, enum sms_taken taken)
{
    ck_assert_ptr_nonnull(held);
    binds_answer(held, taken);
}

struct asker {
    unsigned told;
    enum sms_taken taken;
    struct ticket ticket;
};

static void on_taken(void *owner, struct ticket ticket, enum sms_taken taken)
{
    struct asker *asker = owner;
    asker->told++;
    asker->taken = taken;
    asker->ticket = ticket;
}

static struct loop *near_loop, *far_loop;
static struct binds *binds;

static void begin(void)
{
    struct error err;
    ck_assert_int_eq(loop_new(0, &near_loop, &err), RESULT_OK);
    ck_assert_int_eq(loop_new(1, &far_loop, &err), RESULT_OK);
    binds = binds_new();
    ck_assert_ptr_nonnull(binds);
}

static void end(void)
{
    loop_free(&near_loop);
    loop_free(&far_loop);
    binds_free(&binds);
    ck_assert_ptr_null(binds);
}

static void enter(struct receiver *receiver, struct loop *loop, const char *account)
{
    receiver->place = binds_enter(binds, loop, account, take, receiver);
    ck_assert_ptr_nonnull(receiver->place);
}

/* Whatever what owns is on the heap, so that a leak or a second free shows. */
static void deliver(const char *account, const char *from, struct asker *asker)
{
    struct sms_delivery what = {.kind = SMS_INBOUND_MESSAGE, .length = 3};
    *asker = (struct asker){0};
    ck_assert(str_copy(what.from, sizeof(what.from), from));
    what.body = (uint8_t *)strdup("abc");
    what.tlvs = (uint8_t *)strdup("t");
    binds_deliver(binds, account, &what, near_loop, on_taken, asker,
                  (struct ticket){.slot = 5, .generation = 6, .item = 7});
    ck_assert_ptr_null(what.body);
    ck_assert_ptr_null(what.tlvs);
}

static void turn(void)
{
    for (int i = 0; i < 4; i++) {
        loop_turn(far_loop);
        loop_turn(near_loop);
    }
}

START_TEST(nobody_bound_is_later)
{
    struct asker asker;
    begin();
    deliver("acme-sms", "33612345678", &asker);
    ck_assert_uint_eq(asker.told, 1);
    ck_assert_int_eq(asker.taken, SMS_TAKE_LATER);
    ck_assert_uint_eq(binds_count(binds, "acme-sms"), 0);
    end();
}
END_TEST

START_TEST(an_answer_comes_back_as_given)
{
    static const enum sms_taken answers[] = {SMS_TAKEN, SMS_TAKE_LATER};
    for (int at_once = 0; at_once < 2; at_once++)
        for (int i = 0; i < 2; i++) {
            struct asker asker;
            struct receiver receiver = {.answers = at_once, .answer = answers[i]};
            begin();
            enter(&receiver, far_loop, "acme-sms");
            deliver("acme-sms", "33612345678", &asker);
            ck_assert_uint_eq(receiver.got, 0); /* only on its own loop */
            loop_turn(far_loop);
            ck_assert_uint_eq(receiver.got, 1);
            ck_assert_str_eq(receiver.from, "33612345678");
            if (!at_once)
                answer(receiver.held, answers[i]);
            ck_assert_uint_eq(asker.told, 0); /* only on the asker's */
            turn();
            ck_assert_uint_eq(asker.told, 1);
            ck_assert_int_eq(asker.taken, answers[i]);
            ck_assert_uint_eq(asker.ticket.slot, 5);
            ck_assert_uint_eq(asker.ticket.generation, 6);
            ck_assert_uint_eq(asker.ticket.item, 7);
            binds_leave(&receiver.place);
            ck_assert_ptr_null(receiver.place);
            end();
        }
}
END_TEST

START_TEST(binds_of_an_account_take_turns)
{
    struct receiver all[3] = {{.answers = true}, {.answers = true}, {.answers = true}};
    struct receiver other = {.answers = true};
    begin();
    for (int i = 0; i < 3; i++)
        enter(&all[i], i == 1 ? near_loop : far_loop, "acme-sms");
    enter(&other, far_loop, "beta-sms");
    ck_assert_uint_eq(binds_count(binds, "acme-sms"), 3);
    ck_assert_uint_eq(binds_count(binds, "beta-sms"), 1);
    for (int i = 0; i < 6; i++) {
        struct asker asker;
        deliver("acme-sms", "33612345678", &asker);
        turn();
        ck_assert_uint_eq(asker.told, 1);
        ck_assert_int_eq(asker.taken, SMS_TAKEN);
    }
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(all[i].got, 2);
    ck_assert_uint_eq(other.got, 0);
    for (int i = 0; i < 3; i++)
        binds_leave(&all[i].place);
    ck_assert_uint_eq(binds_count(binds, "acme-sms"), 0);
    binds_leave(&other.place);
    end();
}
END_TEST

START_TEST(who_leaves_leaves_it_with_the_sender)
{
    /* With the session, on its way to it, and from within take. */
    for (int when = 0; when < 3; when++) {
        struct asker asker;
        struct receiver receiver = {.leaves = when == 2};
        begin();
        enter(&receiver, far_loop, "acme-sms");
        deliver("acme-sms", "33612345678", &asker);
        if (when == 1)
            binds_leave(&receiver.place);
        loop_turn(far_loop);
        if (when == 0)
            binds_leave(&receiver.place);
        ck_assert_uint_eq(receiver.got, when == 1 ? 0 : 1);
        turn();
        ck_assert_uint_eq(asker.told, 1);
        ck_assert_int_eq(asker.taken, SMS_TAKE_LATER);
        end();
    }
}
END_TEST

/* Turns until asker was told, or for that long. */
static void turn_for(const struct asker *asker, int64_t most)
{
    int64_t until = clock_monotonic() + most;
    while (asker->told == 0 && clock_monotonic() < until) {
        turn();
        clock_sleep(1000);
    }
}

START_TEST(silence_has_an_end)
{
    struct receiver receiver = {0};
    struct asker first, second;
    begin();
    binds_set_patience(binds, 100 * 1000);
    enter(&receiver, far_loop, "acme-sms");
    int64_t began = clock_monotonic();
    deliver("acme-sms", "1", &first);
    loop_turn(far_loop);
    struct delivery *held = receiver.held;
    clock_sleep(20 * 1000);
    deliver("acme-sms", "2", &second);
    loop_turn(far_loop);
    ck_assert_uint_eq(receiver.got, 2);
    turn_for(&first, 20 * CLOCK_SECOND);
    ck_assert_uint_eq(first.told, 1);
    ck_assert_int_eq(first.taken, SMS_TAKE_LATER);
    ck_assert_int_ge(clock_monotonic() - began, 100 * 1000);
    /* Too late: that changes nothing, and frees what it held. */
    answer(held, SMS_TAKEN);
    turn_for(&second, 20 * CLOCK_SECOND);
    ck_assert_int_eq(second.taken, SMS_TAKE_LATER);
    turn();
    ck_assert_uint_eq(first.told, 1);
    ck_assert_uint_eq(second.told, 1);
    binds_leave(&receiver.place); /* which still has the second */
    turn();
    ck_assert_uint_eq(second.told, 1);
    end();
}
END_TEST

/* The timer was set for the first, which is answered; the second must not fall with it. */
START_TEST(each_has_its_own_deadline)
{
    struct receiver receiver = {0};
    struct asker first, second;
    begin();
    binds_set_patience(binds, 400 * 1000);
    enter(&receiver, far_loop, "acme-sms");
    deliver("acme-sms", "1", &first);
    loop_turn(far_loop);
    clock_sleep(200 * 1000);
    answer(receiver.held, SMS_TAKEN);
    int64_t began = clock_monotonic();
    deliver("acme-sms", "2", &second);
    turn_for(&second, 20 * CLOCK_SECOND);
    ck_assert_int_eq(first.taken, SMS_TAKEN);
    ck_assert_int_eq(second.taken, SMS_TAKE_LATER);
    ck_assert_int_ge(clock_monotonic() - began, 400 * 1000);
    binds_leave(&receiver.place);
    end();
}
END_TEST

START_TEST(a_bind_that_lets_lie_is_full)
{
    static struct asker askers[1001];
    struct receiver receiver = {0};
    begin();
    enter(&receiver, far_loop, "acme-sms");
    for (int i = 0; i < 1000; i++)
        deliver("acme-sms", "1", &askers[i]);
    turn();
    ck_assert_uint_eq(receiver.got, 1000);
    deliver("acme-sms", "1", &askers[1000]);
    ck_assert_uint_eq(askers[1000].told, 1);
    ck_assert_int_eq(askers[1000].taken, SMS_TAKE_LATER);
    answer(receiver.held, SMS_TAKEN);
    deliver("acme-sms", "1", &askers[1000]);
    turn();
    ck_assert_uint_eq(receiver.got, 1001);
    binds_leave(&receiver.place);
    turn();
    for (int i = 0; i < 1001; i++)
        ck_assert_uint_eq(askers[i].told, 1);
    end();
}
END_TEST

/* In each state at the end, whatever loop goes first: told once, nothing runs for who is gone. */
START_TEST(shutting_answers_all)
{
    for (int near_first = 0; near_first < 2; near_first++) {
        struct receiver receiver = {0};
        struct asker in_mailbox, with_session, answered, after;
        begin();
        enter(&receiver, far_loop, "acme-sms");
        deliver("acme-sms", "1", &answered);
        loop_turn(far_loop);
        answer(receiver.held, SMS_TAKEN); /* on its way home */
        deliver("acme-sms", "2", &with_session);
        loop_turn(far_loop);
        deliver("acme-sms", "3", &in_mailbox);
        binds_shut(binds);
        ck_assert_uint_eq(answered.told, 1);
        ck_assert_int_eq(answered.taken, SMS_TAKEN);
        ck_assert_uint_eq(with_session.told, 1);
        ck_assert_int_eq(with_session.taken, SMS_TAKE_LATER);
        ck_assert_uint_eq(in_mailbox.told, 1);
        ck_assert_int_eq(in_mailbox.taken, SMS_TAKE_LATER);
        deliver("acme-sms", "4", &after);
        ck_assert_int_eq(after.taken, SMS_TAKE_LATER);
        if (near_first)
            loop_free(&near_loop);
        binds_leave(&receiver.place);
        loop_free(&far_loop);
        loop_free(&near_loop);
        ck_assert_uint_eq(receiver.got, 2); /* not what came by its mailbox afterwards */
        ck_assert_uint_eq(answered.told, 1);
        ck_assert_uint_eq(with_session.told, 1);
        ck_assert_uint_eq(in_mailbox.told, 1);
        binds_free(&binds);
    }
}
END_TEST

/* ---- threads: deliveries of one loop to binds of another that come and go ---- */

#define CROSSINGS 20000

static struct {
    atomic_uint taken, later;
    unsigned sent, waiting;
    struct receiver receiver;
    unsigned rounds;
} crossing;

static void cross_told(void *owner, struct ticket ticket, enum sms_taken taken);

static void cross_send(void)
{
    while (crossing.sent < CROSSINGS && crossing.waiting < 100) {
        struct sms_delivery what = {.kind = SMS_INBOUND_REPORT, .body = malloc(8)};
        crossing.sent++;
        crossing.waiting++;
        binds_deliver(binds, "acme-sms", &what, near_loop, cross_told, NULL, (struct ticket){0});
    }
}

static void cross_told(void *owner, struct ticket ticket, enum sms_taken taken)
{
    (void)owner;
    (void)ticket;
    crossing.waiting--;
    atomic_fetch_add(taken == SMS_TAKEN ? &crossing.taken : &crossing.later, 1);
}

static void cross_take(void *session, struct delivery *delivery, const struct sms_delivery *what)
{
    (void)what;
    struct receiver *receiver = session;
    if (++receiver->got % 7 != 0) {
        binds_answer(delivery, SMS_TAKEN);
    } else { /* gone, and here again */
        binds_leave(&receiver->place);
        receiver->place = binds_enter(binds, far_loop, "acme-sms", cross_take, receiver);
    }
}

static void *run_far(void *arg)
{
    loop_run(far_loop);
    return arg;
}

START_TEST(deliveries_cross_threads)
{
    pthread_t far_thread;
    begin();
    crossing.receiver.place =
        binds_enter(binds, far_loop, "acme-sms", cross_take, &crossing.receiver);
    ck_assert_int_eq(pthread_create(&far_thread, NULL, run_far, NULL), 0);
    while (atomic_load(&crossing.taken) + atomic_load(&crossing.later) < CROSSINGS) {
        cross_send();
        loop_turn(near_loop);
    }
    loop_stop(far_loop);
    pthread_join(far_thread, NULL);
    ck_assert_uint_gt(atomic_load(&crossing.taken), 0);
    ck_assert_uint_gt(atomic_load(&crossing.later), 0);
    ck_assert_uint_eq(crossing.waiting, 0);
    binds_leave(&crossing.receiver.place);
    end();
}
END_TEST

Suite *sms_binds_suite(void)
{
    const TTest *const tests[] = {nobody_bound_is_later,
                                  an_answer_comes_back_as_given,
                                  binds_of_an_account_take_turns,
                                  who_leaves_leaves_it_with_the_sender,
                                  silence_has_an_end,
                                  each_has_its_own_deadline,
                                  a_bind_that_lets_lie_is_full,
                                  shutting_answers_all,
                                  deliveries_cross_threads,
                                  NULL};
    return unit_suite("sms_binds", tests);
}
