/* SPDX-License-Identifier: Apache-2.0 */
/* Loops, their mailboxes, workers, tickets, arenas. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/ticket.h"
#include "base/workers.h"
#include "tests/unit/test_base_parts.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define POSTERS 4
#define POSTS   20000

struct numbered {
    struct loop_task task;
    unsigned from, number;
};

static unsigned next_of[POSTERS];
static unsigned arrived;
static bool in_order = true;
static struct loop *mailbox;
static pthread_t owner;

static void arrive(struct loop_task *task)
{
    struct numbered *numbered = (struct numbered *)task;
    in_order &= numbered->number == next_of[numbered->from]++;
    in_order &= pthread_equal(pthread_self(), owner) != 0;
    if (++arrived == POSTERS * POSTS)
        loop_stop(mailbox);
    free(task);
}

static void *post_many(void *arg)
{
    for (unsigned i = 0; i < POSTS; i++) {
        struct numbered *numbered = calloc(1, sizeof(*numbered));
        *numbered = (struct numbered){{NULL, arrive}, *(unsigned *)arg, i};
        loop_post(mailbox, &numbered->task);
    }
    return NULL;
}

START_TEST(four_threads_post)
{
    pthread_t threads[POSTERS];
    unsigned numbers[POSTERS];
    struct error err;
    ck_assert_int_eq(loop_new(3, &mailbox, &err), RESULT_OK);
    ck_assert_uint_eq(loop_index(mailbox), 3);
    owner = pthread_self();
    for (unsigned i = 0; i < POSTERS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, post_many, &numbers[i]), 0);
    }
    loop_run(mailbox);
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(arrived, POSTERS * POSTS);
    ck_assert(in_order);
    loop_free(&mailbox);
    ck_assert_ptr_null(mailbox);
}
END_TEST

static char trail[64];
static size_t trail_length;
static struct loop *traced;

static void leave_b(struct loop_task *task)
{
    (void)task;
    trail[trail_length++] = 'b';
}

static struct loop_task task_b = {.run = leave_b};

static void leave_a(struct loop_task *task)
{
    (void)task;
    loop_defer(traced, &task_b);
    trail[trail_length++] = 'a'; /* before b: a deferred task never runs inside its caller */
}

START_TEST(deferred_runs_after)
{
    struct loop_task a = {.run = leave_a};
    struct error err;
    ck_assert_int_eq(loop_new(0, &traced, &err), RESULT_OK);
    loop_post(traced, &a);
    ck_assert_str_eq(trail, "");
    loop_turn(traced);
    loop_turn(traced);
    ck_assert_str_eq(trail, "ab");
    /* What is still posted or deferred when a loop goes is run, not lost. */
    loop_post(traced, &a);
    loop_free(&traced);
    ck_assert_str_eq(trail, "abab");
}
END_TEST

START_TEST(stop_before_run_is_not_forgotten)
{
    struct loop *loop = NULL;
    struct error err;
    ck_assert_int_eq(loop_new(0, &loop, &err), RESULT_OK);
    loop_stop(loop);
    loop_run(loop);
    loop_free(&loop);
}
END_TEST

START_TEST(stop_may_be_said_twice)
{
    struct loop *loop = NULL;
    struct error err;
    ck_assert_int_eq(loop_new(0, &loop, &err), RESULT_OK);
    for (int round = 0; round < 2; round++) {
        loop_stop(loop);
        loop_stop(loop);
        loop_run(loop);
    }
    loop_free(&loop);
}
END_TEST

/* ---- workers ---- */

struct sum_job {
    struct worker_job job;
    unsigned in, out;
    pthread_t ran_on;
};

static unsigned finished;
static struct loop *home;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static atomic_uint begun;

static void double_it(struct worker_job *job)
{
    atomic_fetch_add(&begun, 1);
    struct sum_job *sum = (struct sum_job *)job;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    sum->out = sum->in * 2;
    sum->ran_on = pthread_self();
}

static void done(struct loop_task *task)
{
    struct sum_job *sum = (struct sum_job *)task;
    ck_assert_uint_eq(sum->out, sum->in * 2);
    ck_assert(!pthread_equal(sum->ran_on, pthread_self()));
    if (++finished == 100)
        loop_stop(home);
}

START_TEST(workers_answer_at_home)
{
    static struct sum_job jobs[102];
    struct workers *workers = NULL;
    struct error err;
    ck_assert_int_eq(loop_new(0, &home, &err), RESULT_OK);
    ck_assert_int_eq(workers_new(2, 98, &workers, &err), RESULT_OK);
    pthread_mutex_lock(&gate);
    unsigned taken = 0;
    for (unsigned i = 0; i < 102; i++) {
        jobs[i] = (struct sum_job){
            .job.task.run = done, .job.work = double_it, .job.home = home, .in = i};
        if (workers_submit(workers, &jobs[i].job))
            taken++;
    }
    /* 98 wait, at most two are being worked on: a flood is refused, not hoarded. */
    ck_assert_uint_ge(taken, 98);
    ck_assert_uint_le(taken, 100);
    pthread_mutex_unlock(&gate);
    finished = 100 - taken;
    loop_run(home);
    ck_assert_uint_eq(finished, 100);
    workers_free(&workers);
    loop_free(&home);
}
END_TEST

START_TEST(workers_finish_what_is_queued)
{
    static struct sum_job jobs[50];
    struct workers *workers = NULL;
    struct error err;
    ck_assert_int_eq(loop_new(0, &home, &err), RESULT_OK);
    ck_assert_int_eq(workers_new(1, 50, &workers, &err), RESULT_OK);
    for (unsigned i = 0; i < 50; i++) {
        jobs[i] = (struct sum_job){
            .job.task.run = done, .job.work = double_it, .job.home = home, .in = i};
        ck_assert(workers_submit(workers, &jobs[i].job));
    }
    workers_free(&workers);
    ck_assert_ptr_null(workers);
    loop_turn(home);
    ck_assert_uint_eq(finished, 50);
    loop_free(&home);
}
END_TEST

static char order[128];

static void write_down(struct loop_task *task)
{
    order[strlen(order)] = (char)('0' + ((struct sum_job *)task)->in);
}

static void submit_ranked(struct workers *workers, struct sum_job *job, unsigned in, unsigned rank)
{
    *job = (struct sum_job){.job.task.run = write_down,
                            .job.work = double_it,
                            .job.home = home,
                            .job.rank = rank,
                            .in = in};
    ck_assert(workers_submit(workers, &job->job));
}

static void await_order(size_t length)
{
    for (int i = 0; i < 5000 && strlen(order) < length; i++) {
        loop_turn(home);
        usleep(1000);
    }
}

/* A rank that rests waits with those behind it, others do not; and nothing rests in the end. */
START_TEST(workers_rest_by_rank)
{
    static struct sum_job jobs[8];
    struct workers *workers = NULL;
    struct error err;
    memset(order, 0, sizeof(order));
    ck_assert_int_eq(loop_new(0, &home, &err), RESULT_OK);
    ck_assert_int_eq(workers_new(1, 256, &workers, &err), RESULT_OK);
    workers_rest(workers, 2, 60 * CLOCK_SECOND);
    for (unsigned i = 0; i < 3; i++)
        submit_ranked(workers, &jobs[i], 1 + i, 3);
    submit_ranked(workers, &jobs[3], 4, 2);
    submit_ranked(workers, &jobs[4], 5, 2);
    usleep(20000); /* the helper waits for the end of the rest by now */
    submit_ranked(workers, &jobs[5], 6, 1);
    await_order(1);
    ck_assert_str_eq(order, "6");
    int64_t began = clock_monotonic();
    workers_rest(workers, 1, CLOCK_SECOND / 10);
    workers_rest(workers, 1, CLOCK_SECOND / 10); /* so much longer */
    submit_ranked(workers, &jobs[6], 7, 1);
    await_order(2);
    ck_assert_str_eq(order, "67");
    ck_assert_int_ge(clock_monotonic() - began, CLOCK_SECOND / 5);
    submit_ranked(workers, &jobs[7], 8, 0);
    await_order(3);
    ck_assert_str_eq(order, "678");
    /* The last of rank 2 comes first, of rank 3 the first. */
    workers_hurry(workers);
    await_order(8);
    ck_assert_str_eq(order, "67854123");
    workers_free(&workers);
    loop_free(&home);
}
END_TEST

/* Always room for what matters more: so many of each rank wait beside one that is worked on. */
START_TEST(workers_keep_room)
{
    static const unsigned most[WORKERS_RANKS] = {64, 32, 16, 2};
    static struct sum_job jobs[66];
    struct workers *workers = NULL;
    struct error err;
    ck_assert_int_eq(loop_new(0, &home, &err), RESULT_OK);
    ck_assert_int_eq(workers_new(1, 64, &workers, &err), RESULT_OK);
    workers_rest(workers, 0, 60 * CLOCK_SECOND);
    unsigned taken = 0;
    for (unsigned rank = WORKERS_RANKS; rank-- > 0;) {
        do
            jobs[taken] = (struct sum_job){.job.task.run = write_down,
                                           .job.work = double_it,
                                           .job.home = home,
                                           .job.rank = rank};
        while (workers_submit(workers, &jobs[taken].job) && ++taken < 65);
        ck_assert_uint_eq(taken, most[rank]);
    }
    workers_free(&workers);
    loop_free(&home);
}
END_TEST

/* ---- jobs that nobody waits for ---- */

static atomic_uint discarded;

static void discard(struct worker_job *job)
{
    atomic_fetch_add(&discarded, 1);
    free(job);
}

static void never(struct loop_task *task)
{
    (void)task;
    ck_abort_msg("told at home all the same");
}

static struct sum_job *lone_job(unsigned in)
{
    struct sum_job *sum = calloc(1, sizeof(*sum));
    ck_assert_ptr_nonnull(sum);
    *sum = (struct sum_job){.job.task.run = never,
                            .job.work = double_it,
                            .job.discard = discard,
                            .job.home = home,
                            .in = in};
    return sum;
}

/* The threads sit in their work while the owner and the loop go. */
START_TEST(workers_left_end_by_themselves)
{
    struct workers *workers = NULL;
    struct error err;
    atomic_store(&discarded, 0);
    atomic_store(&begun, 0);
    ck_assert_int_eq(loop_new(0, &home, &err), RESULT_OK);
    ck_assert_int_eq(workers_new(2, 20, &workers, &err), RESULT_OK);
    pthread_mutex_lock(&gate);
    for (unsigned i = 0; i < 20; i++)
        ck_assert(workers_submit(workers, &lone_job(i)->job));
    while (atomic_load(&begun) < 2)
        usleep(1000);
    workers_leave(&workers);
    ck_assert_ptr_null(workers);
    loop_free(&home);
    ck_assert_uint_lt(atomic_load(&discarded), 20);
    pthread_mutex_unlock(&gate);
    for (unsigned i = 0; i < 10000 && atomic_load(&discarded) < 20; i++)
        usleep(1000);
    ck_assert_uint_eq(atomic_load(&discarded), 20);
}
END_TEST

START_TEST(a_job_is_given_up)
{
    struct workers *workers = NULL;
    struct sum_job told = {.job.task.run = done, .job.work = double_it, .in = 1};
    struct error err;
    atomic_store(&discarded, 0);
    finished = 0;
    atomic_store(&begun, 0);
    ck_assert_int_eq(loop_new(0, &home, &err), RESULT_OK);
    ck_assert_int_eq(workers_new(1, 3, &workers, &err), RESULT_OK);
    pthread_mutex_lock(&gate);
    struct sum_job *running = lone_job(1), *queued = lone_job(2);
    told.job.home = home;
    ck_assert(workers_submit(workers, &running->job));
    ck_assert(workers_submit(workers, &queued->job));
    ck_assert(workers_submit(workers, &told.job));
    while (atomic_load(&begun) == 0)
        usleep(1000);
    ck_assert(workers_give_up(workers, &running->job));
    ck_assert(workers_give_up(workers, &queued->job));
    pthread_mutex_unlock(&gate);
    for (unsigned i = 0; i < 10000 && finished == 0; i++) {
        loop_turn(home);
        usleep(1000);
    }
    ck_assert_uint_eq(finished, 1);
    ck_assert_uint_eq(atomic_load(&discarded), 2);
    ck_assert(!workers_give_up(workers, &told.job));
    workers_free(&workers);
    loop_free(&home);
}
END_TEST

/* ---- tickets ---- */

static void revoke_all(void *object, void *arg)
{
    ticket_revoke(arg, *(struct ticket *)object);
}

START_TEST(an_old_ticket_finds_nothing)
{
    struct ticket_table *table = ticket_table_new();
    ck_assert_ptr_nonnull(table);
    int one = 1, two = 2;
    ck_assert_ptr_null(ticket_redeem(table, (struct ticket){0}));
    struct ticket first = ticket_issue(table, &one);
    ck_assert_uint_ne(first.generation, 0);
    ck_assert_ptr_eq(ticket_redeem(table, first), &one);
    struct ticket with_item = first;
    with_item.item = 9;
    ck_assert_ptr_eq(ticket_redeem(table, with_item), &one);
    ticket_revoke(table, first);
    ck_assert_ptr_null(ticket_redeem(table, first));
    struct ticket second = ticket_issue(table, &two);
    ck_assert_uint_eq(second.slot, first.slot); /* reused, and still */
    ck_assert_ptr_null(ticket_redeem(table, first));
    ticket_revoke(table, first); /* a second revoke of an old ticket takes nothing away */
    ck_assert_ptr_eq(ticket_redeem(table, second), &two);
    ck_assert_uint_eq(ticket_count(table), 1);
    ck_assert_ptr_null(ticket_redeem(table, (struct ticket){.slot = 1u << 30, .generation = 1}));
    ticket_table_free(&table);
}
END_TEST

START_TEST(many_tickets)
{
    struct ticket_table *table = ticket_table_new();
    ck_assert_ptr_nonnull(table);
    static struct ticket tickets[1000];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 1000; i++)
            tickets[i] = ticket_issue(table, &tickets[i]);
        for (unsigned i = 0; i < 1000; i++)
            ck_assert_ptr_eq(ticket_redeem(table, tickets[i]), &tickets[i]);
        ck_assert_uint_eq(ticket_count(table), 1000);
        ticket_each(table, revoke_all, table);
        ck_assert_uint_eq(ticket_count(table), 0);
    }
    ticket_table_free(&table);
}
END_TEST

/* ---- arenas ---- */

START_TEST(arena_keeps_its_cap)
{
    for (size_t cap = 100; cap < 20000; cap += 700) {
        struct arena *arena = arena_new(cap);
        ck_assert_ptr_nonnull(arena);
        size_t total = 0;
        unsigned char *got;
        while ((got = arena_alloc(arena, 48)) != NULL) {
            for (int i = 0; i < 48; i++)
                ck_assert_uint_eq(got[i], 0);
            ck_assert_uint_eq((uintptr_t)got % _Alignof(max_align_t), 0);
            memset(got, 0xff, 48);
            total += 48;
        }
        ck_assert_uint_le(total, cap);
        ck_assert_uint_ge(total, cap - cap / 20 - 48); /* and most of it can be used */
        ck_assert_ptr_null(arena_alloc(arena, cap + 1));
        arena_reset(arena);
        ck_assert_ptr_nonnull(arena_alloc(arena, 48));
        arena_free(&arena);
        ck_assert_ptr_null(arena);
    }
}
END_TEST

START_TEST(arena_copies)
{
    struct arena *arena = arena_new(100000);
    ck_assert_ptr_nonnull(arena);
    char *text = arena_copy(arena, "hello world", 5);
    ck_assert_str_eq(text, "hello");
    char *big = arena_alloc(arena, 50000);
    ck_assert_ptr_nonnull(big);
    ck_assert_str_eq(arena_str(arena, ""), "");
    ck_assert_str_eq(text, "hello");
    ck_assert_ptr_null(arena_alloc(arena, 60000));
    ck_assert_ptr_null(arena_alloc(arena, SIZE_MAX));
    arena_free(&arena);
}
END_TEST

Suite *loop_suite(void)
{
    const TTest *const tests[] = {four_threads_post,
                                  deferred_runs_after,
                                  stop_before_run_is_not_forgotten,
                                  stop_may_be_said_twice,
                                  workers_answer_at_home,
                                  workers_finish_what_is_queued,
                                  workers_rest_by_rank,
                                  workers_keep_room,
                                  workers_left_end_by_themselves,
                                  a_job_is_given_up,
                                  an_old_ticket_finds_nothing,
                                  many_tickets,
                                  arena_keeps_its_cap,
                                  arena_copies,
                                  NULL};
    return unit_suite("loop", tests);
}
