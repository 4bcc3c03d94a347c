/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever waits with a deadline is woken in time, though the clock on the wall stands elsewhere. */
#include "base/clock.h"
#include "base/wake.h"
#include "tests/unit/unit.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WAIT (20 * CLOCK_SECOND / 1000)

static long wall_ahead; /* seconds: what the program is told, not what the kernel counts by */

/* The program's own, in place of the library's. */
int clock_gettime(clockid_t clock, struct timespec *time)
{
    int failed = (int)syscall(SYS_clock_gettime, clock, time);
    if (failed == 0 && clock == CLOCK_REALTIME)
        time->tv_sec += wall_ahead;
    return failed;
}

/* Microseconds that a wait took. */
static int64_t wait_once(int64_t microseconds)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t wake;
    int64_t began = clock_monotonic();
    wake_init(&wake);
    pthread_mutex_lock(&lock);
    while (clock_monotonic() < began + microseconds)
        wake_wait(&wake, &lock, began + microseconds - clock_monotonic());
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&wake);
    return clock_monotonic() - began;
}

START_TEST(clock_on_the_wall)
{
    static const long steps[] = {0, 3600, -3600};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        wall_ahead = steps[i];
        int64_t before = clock_now();
        ck_assert_int_ge(wait_once(WAIT), WAIT);
        ck_assert_int_lt(clock_now() - before, 20 * CLOCK_SECOND);
    }
}
END_TEST

/* An instant that is over, and no time at all, are no reason to sleep. */
START_TEST(over_already)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t wake;
    wake_init(&wake);
    pthread_mutex_lock(&lock);
    wake_wait(&wake, &lock, 0);
    wake_wait_until(&wake, &lock, clock_monotonic() - CLOCK_SECOND);
    wake_wait_until(&wake, &lock, 0);
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&wake);
}
END_TEST

static Suite *wake_suite(void)
{
    Suite *suite = suite_create("wake");
    TCase *tcase = tcase_create("wake");
    tcase_set_timeout(tcase, 20);
    tcase_add_test(tcase, clock_on_the_wall);
    tcase_add_test(tcase, over_already);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    Suite *const suites[] = {wake_suite(), NULL};
    return unit_run(suites);
}
