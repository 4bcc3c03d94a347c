/* SPDX-License-Identifier: Apache-2.0 */
/* The desk: real threads, registry and index; its queue's cap, its end, a registry that moves. */
#include "proxy/desk/desk.h"

#include "tests/unit/test_registry.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define QUEUE 1000 /* desk.c's cap */

static struct bench bench;
static struct loop *loop;
static struct desk *desk;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned worked;
static unsigned told;

struct job {
    struct desk_job base; /* first */
    enum result seen;     /* of the registry's count */
    uint64_t suspensions;
    enum result indexed;
    bool told;
};

static void on_told(struct loop_task *task)
{
    struct desk_job *base = CONTAINER_OF(task, struct desk_job, task);
    CONTAINER_OF(base, struct job, base)->told = true;
    told++;
}

static enum result work(struct desk_job *base, struct desk_tools *tools, struct error *err)
{
    struct job *job = (struct job *)base;
    struct registry_counts counts;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    job->seen = registry_counts(tools->registry, &counts, err);
    job->suspensions = counts.suspensions;
    job->indexed = desk_index(tools, err);
    atomic_fetch_add(&worked, 1);
    return job->seen;
}

/* A question that has no end. */
static enum result work_for_ever(struct desk_job *base, struct desk_tools *tools, struct error *err)
{
    uint64_t count;
    (void)base;
    atomic_fetch_add(&worked, 1);
    return registry_count(tools->registry,
                          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
                          " SELECT count(*) FROM n",
                          &count, err);
}

static enum result work_at_once(struct desk_job *base, struct desk_tools *tools, struct error *err)
{
    (void)base;
    (void)tools;
    (void)err;
    return RESULT_OK;
}

static void prepare(struct job *job)
{
    *job = (struct job){.base = {.task.run = on_told, .home = loop, .work = work}};
}

static void make_with(int64_t long_most)
{
    static char index[320], journal[320];
    static const uint8_t key[32] = {1};
    bench_open(&bench);
    worked = told = 0;
    snprintf(index, sizeof(index), "%s/journal.db", bench.folder);
    snprintf(journal, sizeof(journal), "%s/journal", bench.folder);
    const struct desk_options options = {.threads = 2,
                                         .registry_path = bench.path,
                                         .index_path = index,
                                         .journal_path = journal,
                                         .recipient_key = key,
                                         .recipient_key_length = sizeof(key),
                                         .long_most = long_most};
    ck_assert_int_eq(loop_new(0, &loop, &bench.err), RESULT_OK);
    ck_assert_msg(desk_start(&options, &desk, &bench.err) == RESULT_OK, "%s", bench.err.text);
}

static void make(void)
{
    make_with(3600 * CLOCK_SECOND);
}

static void make_hasty(void)
{
    make_with(CLOCK_SECOND / 10);
}

static void end(void)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    desk_stop(&desk);
    loop_free(&loop);
    for (size_t i = 0; i < 3; i++) {
        char name[340];
        snprintf(name, sizeof(name), "%s/journal.db%s", bench.folder, ends[i]);
        unlink(name);
    }
    bench_close(&bench);
}

static void turn_until_told(unsigned count)
{
    int64_t until = clock_monotonic() + 20 * CLOCK_SECOND;
    while (told < count) {
        loop_turn(loop);
        ck_assert_msg(clock_monotonic() < until, "told %u of %u", told, count);
    }
}

START_TEST(a_job_is_done_and_told_at_home)
{
    struct job job;
    prepare(&job);
    ck_assert(desk_submit(desk, &job.base));
    turn_until_told(1);
    ck_assert_int_eq(job.base.result, RESULT_OK);
    ck_assert_uint_eq(job.suspensions, 0);
}
END_TEST

START_TEST(the_queue_has_a_cap_and_the_end_does_what_was_taken)
{
    static struct job jobs[QUEUE + 1];
    pthread_mutex_lock(&gate);
    for (size_t i = 0; i <= QUEUE; i++) {
        prepare(&jobs[i]);
        ck_assert_int_eq(desk_submit(desk, &jobs[i].base), i < QUEUE);
    }
    pthread_mutex_unlock(&gate);
    desk_stop(&desk);
    ck_assert_uint_eq(worked, QUEUE);
    turn_until_told(QUEUE);
    ck_assert(!desk_submit(desk, &jobs[0].base)); /* there is none any more */
}
END_TEST

/* However many are long, what is short is done meanwhile. */
START_TEST(what_is_short_waits_for_nothing_that_is_long)
{
    static struct job jobs[QUEUE + 1];
    struct job quick;
    pthread_mutex_lock(&gate); /* the long ones stand before it */
    for (size_t i = 0; i <= QUEUE; i++) {
        prepare(&jobs[i]);
        jobs[i].base.pace = DESK_LONG;
        ck_assert_int_eq(desk_submit(desk, &jobs[i].base), i < QUEUE);
    }
    prepare(&quick);
    quick.base.work = work_at_once;
    ck_assert(desk_submit(desk, &quick.base)); /* it has a queue of its own */
    turn_until_told(1);
    ck_assert_uint_eq(worked, 0);
    pthread_mutex_unlock(&gate);
    turn_until_told(QUEUE + 1);
    ck_assert_uint_eq(worked, QUEUE);
}
END_TEST

START_TEST(what_is_urgent_goes_first)
{
    static struct job jobs[QUEUE];
    struct job urgent;
    pthread_mutex_lock(&gate);
    for (size_t i = 0; i < QUEUE; i++) {
        prepare(&jobs[i]);
        jobs[i].base.pace = DESK_SHORT;
        ck_assert(desk_submit(desk, &jobs[i].base));
    }
    prepare(&urgent);
    ck_assert(desk_submit(desk, &urgent.base));
    pthread_mutex_unlock(&gate);
    while (!urgent.told)
        turn_until_told(told + 1);
    ck_assert_uint_lt(told, QUEUE / 2);
    turn_until_told(QUEUE + 1);
}
END_TEST

START_TEST(what_is_long_is_cut_short)
{
    struct job endless, next;
    prepare(&endless);
    endless.base.work = work_for_ever;
    endless.base.pace = DESK_LONG;
    ck_assert(desk_submit(desk, &endless.base));
    turn_until_told(1);
    ck_assert_int_eq(endless.base.result, RESULT_UNAVAILABLE);
    ck_assert(endless.base.late);
    prepare(&next); /* the connection is good as before */
    next.base.pace = DESK_LONG;
    ck_assert(desk_submit(desk, &next.base));
    turn_until_told(2);
    ck_assert_int_eq(next.base.result, RESULT_OK);
    ck_assert(!next.base.late);
}
END_TEST

/* At the end acts are done; what is long is cut short, or handed back. */
START_TEST(the_end_waits_for_nothing_that_is_long)
{
    struct job endless, waiting, act;
    prepare(&endless);
    endless.base.work = work_for_ever;
    endless.base.pace = DESK_LONG;
    waiting = endless;
    ck_assert(desk_submit(desk, &endless.base));
    while (atomic_load(&worked) == 0)
        ck_assert_int_eq(sched_yield(), 0);
    ck_assert(desk_submit(desk, &waiting.base));
    prepare(&act);
    ck_assert(desk_submit(desk, &act.base));
    int64_t began = clock_monotonic();
    desk_stop(&desk);
    ck_assert_int_lt(clock_monotonic() - began, 10 * CLOCK_SECOND);
    turn_until_told(3);
    ck_assert_uint_eq(worked, 2);
    ck_assert_int_eq(endless.base.result, RESULT_UNAVAILABLE);
    ck_assert_int_eq(waiting.base.result, RESULT_UNAVAILABLE);
    ck_assert(!endless.base.late && !waiting.base.late);
    ck_assert_int_eq(act.base.result, RESULT_OK);
}
END_TEST

/* As a restored backup does. */
START_TEST(a_registry_that_was_replaced_is_followed)
{
    struct job job;
    char other[340], path[340];
    struct registry *fresh = NULL;
    prepare(&job);
    ck_assert(desk_submit(desk, &job.base));
    turn_until_told(1);
    ck_assert_uint_eq(job.suspensions, 0);
    snprintf(other, sizeof(other), "%s/other.db", bench.folder);
    ck_assert_int_eq(registry_open(other, true, &fresh, &bench.err), RESULT_OK);
    ck_assert_int_eq(
        registry_suspend(fresh, SUSPEND_PARTNER, "acme", "a test", clock_now(), &bench.err),
        RESULT_OK);
    registry_close(&fresh);
    registry_close(&bench.registry);
    snprintf(path, sizeof(path), "%s-wal", bench.path);
    unlink(path);
    snprintf(path, sizeof(path), "%s-shm", bench.path);
    unlink(path);
    ck_assert_int_eq(rename(other, bench.path), 0);
    prepare(&job);
    ck_assert(desk_submit(desk, &job.base));
    turn_until_told(2);
    ck_assert_int_eq(job.base.result, RESULT_OK);
    ck_assert_uint_eq(job.suspensions, 1);
}
END_TEST

START_TEST(without_a_registry_nothing_is_worked_on)
{
    struct job job;
    ck_assert_int_eq(unlink(bench.path), 0);
    prepare(&job);
    ck_assert(desk_submit(desk, &job.base));
    turn_until_told(1);
    ck_assert_int_ne(job.base.result, RESULT_OK);
    ck_assert_str_ne(job.base.err.text, "");
    ck_assert_uint_eq(worked, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("desk");
    TCase *cases = tcase_create("desk");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, make, end);
    tcase_add_test(cases, a_job_is_done_and_told_at_home);
    tcase_add_test(cases, the_queue_has_a_cap_and_the_end_does_what_was_taken);
    tcase_add_test(cases, what_is_short_waits_for_nothing_that_is_long);
    tcase_add_test(cases, what_is_urgent_goes_first);
    tcase_add_test(cases, the_end_waits_for_nothing_that_is_long);
    tcase_add_test(cases, a_registry_that_was_replaced_is_followed);
    tcase_add_test(cases, without_a_registry_nothing_is_worked_on);
    suite_add_tcase(suite, cases);
    cases = tcase_create("in a hurry");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, make_hasty, end);
    tcase_add_test(cases, what_is_long_is_cut_short);
    suite_add_tcase(suite, cases);
    return unit_run((Suite *[]){suite, NULL});
}
