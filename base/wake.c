/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wake.h"

#include "base/clock.h"

#include <time.h>

void wake_init(pthread_cond_t *wake)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void wake_wait_until(pthread_cond_t *wake, pthread_mutex_t *lock, int64_t instant)
{
    const struct timespec until = {.tv_sec = (time_t)(instant / CLOCK_SECOND),
                                   .tv_nsec = (long)(instant % CLOCK_SECOND) * 1000};
    (void)pthread_cond_timedwait(wake, lock, &until);
}

void wake_wait(pthread_cond_t *wake, pthread_mutex_t *lock, int64_t microseconds)
{
    wake_wait_until(wake, lock, clock_monotonic() + microseconds);
}
