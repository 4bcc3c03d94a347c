/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/rate.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Lists, so that a look-up is short however many buckets there are. */
#define LISTS 4096u
/* Where more are in use at once, the next is not counted. */
#define BUCKETS_MOST 65536u
/* All lists are walked for room this often at most: whoever filled them may ask for more at any
 * rate, and each would hold up all others for so long. */
#define SWEEP_EVERY (CLOCK_SECOND / 10)

/* Buckets live by name, not by snapshot, so that a reload does not fill them anew. One that is full
 * again says nothing that a new one would not: it goes when its list is walked, which each list is
 * in its turn. */
struct bucket {
    struct bucket *next;
    char *partner;
    char *stream;
    double tokens;
    double most;
    double every; /* microseconds for one more */
    int64_t filled_at;
};

struct rates {
    pthread_mutex_t lock;
    size_t turn;                 /* under lock: the list to be walked next */
    size_t n_buckets;            /* under lock */
    int64_t swept_at;            /* under lock */
    struct bucket *lists[LISTS]; /* owned; under lock */
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
    for (size_t i = 0; i < LISTS; i++)
        while ((*rates)->lists[i] != NULL) {
            struct bucket *next = (*rates)->lists[i]->next;
            bucket_free((*rates)->lists[i]);
            (*rates)->lists[i] = next;
        }
    pthread_mutex_destroy(&(*rates)->lock);
    free(*rates);
    *rates = NULL;
}

size_t rates_count(struct rates *rates)
{
    pthread_mutex_lock(&rates->lock);
    size_t count = rates->n_buckets;
    pthread_mutex_unlock(&rates->lock);
    return count;
}

/* FNV-1a. The names are those of the configuration, of the gateway's tokens and of its own
 * decisions: nobody outside can choose them. */
static struct bucket **list_of(struct rates *rates, const char *partner, const char *stream)
{
    uint32_t hash = 2166136261u;
    for (; *partner != '\0'; partner++)
        hash = (hash ^ (uint8_t)*partner) * 16777619u;
    hash = (hash ^ 0xff) * 16777619u;
    for (; *stream != '\0'; stream++)
        hash = (hash ^ (uint8_t)*stream) * 16777619u;
    return &rates->lists[hash % LISTS];
}

static void fill(struct bucket *bucket, int64_t now)
{
    if (now > bucket->filled_at)
        bucket->tokens += (double)(now - bucket->filled_at) / bucket->every;
    if (bucket->tokens > bucket->most)
        bucket->tokens = bucket->most;
    bucket->filled_at = now;
}

/* Fills those of a list; who is full goes. */
static void tidy(struct rates *rates, struct bucket **at, int64_t now)
{
    while (*at != NULL) {
        struct bucket *bucket = *at;
        fill(bucket, now);
        if (bucket->tokens < bucket->most) {
            at = &bucket->next;
            continue;
        }
        *at = bucket->next;
        bucket_free(bucket);
        rates->n_buckets--;
    }
}

static struct bucket *find(struct bucket *bucket, const char *partner, const char *stream)
{
    while (bucket != NULL &&
           (strcmp(bucket->stream, stream) != 0 || strcmp(bucket->partner, partner) != 0))
        bucket = bucket->next;
    return bucket;
}

static bool has_room(struct rates *rates, int64_t now)
{
    if (rates->n_buckets < BUCKETS_MOST)
        return true;
    if (now < rates->swept_at + SWEEP_EVERY)
        return false;
    rates->swept_at = now;
    for (size_t i = 0; i < LISTS; i++)
        tidy(rates, &rates->lists[i], now);
    return rates->n_buckets < BUCKETS_MOST;
}

static struct bucket *add(struct rates *rates, struct bucket **list, const char *partner,
                          const char *stream, int64_t now)
{
    struct bucket *bucket = has_room(rates, now) ? calloc(1, sizeof(*bucket)) : NULL;
    if (bucket == NULL)
        return NULL;
    bucket->partner = strdup(partner);
    bucket->stream = strdup(stream);
    if (bucket->partner == NULL || bucket->stream == NULL) {
        bucket_free(bucket);
        return NULL;
    }
    bucket->filled_at = now;
    bucket->next = *list;
    *list = bucket;
    rates->n_buckets++;
    return bucket;
}

/* *counted_out: there was a place to count it in. */
static bool admit(struct rates *rates, const char *partner, const char *stream, unsigned most,
                  double every, int64_t now, bool *counted_out)
{
    pthread_mutex_lock(&rates->lock);
    struct bucket **list = list_of(rates, partner, stream);
    tidy(rates, list, now);
    tidy(rates, &rates->lists[rates->turn++ % LISTS], now);
    struct bucket *bucket = find(*list, partner, stream);
    if (bucket == NULL) {
        bucket = add(rates, list, partner, stream, now);
        if (bucket != NULL)
            bucket->tokens = most;
    }
    bool admitted = bucket != NULL && bucket->tokens >= 1;
    if (bucket != NULL) {
        bucket->most = most; /* a reload may have changed it */
        bucket->every = every;
        bucket->tokens -= admitted;
    }
    *counted_out = bucket != NULL;
    pthread_mutex_unlock(&rates->lock);
    return admitted;
}

bool rates_admit(struct rates *rates, const char *partner, const char *stream, unsigned rate,
                 int64_t now)
{
    bool counted;
    return rate == 0 ||
           admit(rates, partner, stream, rate, (double)CLOCK_SECOND / rate, now, &counted);
}

bool rates_first(struct rates *rates, const char *kind, const char *name, int64_t every,
                 int64_t now)
{
    bool counted;
    return admit(rates, kind, name, 1, (double)every, now, &counted) || !counted;
}

void rates_forget(struct rates *rates, const char *kind, const char *name, int64_t now)
{
    pthread_mutex_lock(&rates->lock);
    struct bucket **list = list_of(rates, kind, name);
    struct bucket *bucket = find(*list, kind, name);
    if (bucket != NULL)
        bucket->tokens = bucket->most;
    tidy(rates, list, now);
    pthread_mutex_unlock(&rates->lock);
}
