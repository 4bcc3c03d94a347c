/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions that a thread waits for with a deadline, which is monotonic as all deadlines are: when
 * somebody sets the clock back an hour, nobody sleeps an hour.
 */
#ifndef OCTROI_BASE_WAKE_H
#define OCTROI_BASE_WAKE_H

#include <pthread.h>
#include <stdint.h>

/* To be destroyed by pthread_cond_destroy. */
void wake_init(pthread_cond_t *wake);
/* Under lock; until it is signalled, for that long at most, or for no reason. The condition comes
 * from wake_init. */
void wake_wait(pthread_cond_t *wake, pthread_mutex_t *lock, int64_t microseconds);
/* The same until an instant of clock_monotonic. */
void wake_wait_until(pthread_cond_t *wake, pthread_mutex_t *lock, int64_t instant);

#endif
