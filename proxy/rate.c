/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/rate.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Buckets live by name, not by snapshot, so that a reload does not fill them anew. Their number is
 * bounded by the streams ever configured; limited streams are few, so a list will do. */
struct bucket {
    struct bucket *next;
    char *partner;
    char *stream;
    double tokens;
    int64_t filled_at;
};

struct rates {
    pthread_mutex_t lock;
    struct bucket *buckets; /* owned; under lock */
};

struct rates *rates_new(void)
{
    struct rates *rates = calloc(1, sizeof(*rates));
    if (rates != NULL)
        pthread_mutex_init(&rates->lock, NULL);
    return rates;
}

static void bucket_free(struct bucket *bucket)
{
    free(bucket->partner);
    free(bucket->stream);
    free(bucket);
}

void rates_free(struct rates **rates)
{
    if (*rates == NULL)
        return;
    while ((*rates)->buckets != NULL) {
        struct bucket *next = (*rates)->buckets->next;
        bucket_free((*rates)->buckets);
        (*rates)->buckets = next;
    }
    pthread_mutex_destroy(&(*rates)->lock);
    free(*rates);
    *rates = NULL;
}

static struct bucket *find(struct rates *rates, const char *partner, const char *stream,
                           unsigned rate, int64_t now)
{
    for (struct bucket *b = rates->buckets; b != NULL; b = b->next)
        if (strcmp(b->stream, stream) == 0 && strcmp(b->partner, partner) == 0)
            return b;
    struct bucket *bucket = calloc(1, sizeof(*bucket));
    if (bucket == NULL)
        return NULL;
    bucket->partner = strdup(partner);
    bucket->stream = strdup(stream);
    if (bucket->partner == NULL || bucket->stream == NULL) {
        bucket_free(bucket);
        return NULL;
    }
    bucket->tokens = rate;
    bucket->filled_at = now;
    bucket->next = rates->buckets;
    rates->buckets = bucket;
    return bucket;
}

bool rates_admit(struct rates *rates, const char *partner, const char *stream, unsigned rate,
                 int64_t now)
{
    if (rate == 0)
        return true;
    bool admitted = false;
    pthread_mutex_lock(&rates->lock);
    struct bucket *bucket = find(rates, partner, stream, rate, now);
    if (bucket != NULL) {
        bucket->tokens += (double)(now - bucket->filled_at) / (double)CLOCK_SECOND * rate;
        if (bucket->tokens > rate)
            bucket->tokens = rate;
        bucket->filled_at = now;
        admitted = bucket->tokens >= 1;
        if (admitted)
            bucket->tokens -= 1;
    }
    pthread_mutex_unlock(&rates->lock);
    return admitted;
}
