/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/idempotency.h"

#include "base/crypto.h"
#include "base/str.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS 16384 /* a power of two */

/* Neither the key nor the body is kept, only what tells them from others. */
struct kept {
    TAILQ_ENTRY(kept) age; /* in the order they began */
    struct kept *next;     /* in its bucket */
    uint8_t name[SHA256_BYTES];
    uint8_t content[SHA256_BYTES];
    int64_t ends_at;
    int status; /* 0: not answered yet */
    size_t length;
    char *body; /* owned */
};

TAILQ_HEAD(kept_list, kept);

struct idempotency {
    unsigned holders; /* under places_lock */
    pthread_mutex_t lock;
    struct kept_list ages;         /* under lock */
    struct kept *buckets[BUCKETS]; /* under lock */
    size_t n;                      /* under lock */
};

/* Over all gates of the process: taken when a lane begins or ends, and never else. */
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;

static struct kept **bucket_of(struct idempotency *memory, const uint8_t name[SHA256_BYTES])
{
    unsigned index = (unsigned)name[0] << 8 | name[1];
    return &memory->buckets[index % BUCKETS];
}

static void drop(struct idempotency *memory, struct kept *kept)
{
    struct kept **at = bucket_of(memory, kept->name);
    while (*at != kept)
        at = &(*at)->next;
    *at = kept->next;
    TAILQ_REMOVE(&memory->ages, kept, age);
    memory->n--;
    free(kept->body);
    free(kept);
}

bool idempotency_hold(struct idempotency **place)
{
    pthread_mutex_lock(&places_lock);
    if (*place == NULL) {
        *place = calloc(1, sizeof(**place));
        if (*place != NULL) {
            pthread_mutex_init(&(*place)->lock, NULL);
            TAILQ_INIT(&(*place)->ages);
        }
    }
    bool held = *place != NULL;
    if (held)
        (*place)->holders++;
    pthread_mutex_unlock(&places_lock);
    return held;
}

void idempotency_let_go(struct idempotency **place)
{
    pthread_mutex_lock(&places_lock);
    struct idempotency *memory = *place;
    if (memory != NULL && --memory->holders == 0) {
        *place = NULL;
        while (!TAILQ_EMPTY(&memory->ages))
            drop(memory, TAILQ_FIRST(&memory->ages));
        pthread_mutex_destroy(&memory->lock);
        free(memory);
    }
    pthread_mutex_unlock(&places_lock);
}

static bool digests(const char *account, const char *key, const void *body, size_t length,
                    struct kept *out)
{
    /* With its NUL, so that no two pairs of account and key are the same text. */
    return sha256_pair(account, strlen(account) + 1, key, strlen(key), out->name) &&
           sha256(body, length, out->content);
}

/* The oldest that was answered; NULL: none was. Those before it are few: what is under way. */
static struct kept *oldest(const struct idempotency *memory)
{
    struct kept *kept = TAILQ_FIRST(&memory->ages);
    while (kept != NULL && kept->status == 0)
        kept = TAILQ_NEXT(kept, age);
    return kept;
}

static void expire(struct idempotency *memory, int64_t now)
{
    struct kept *kept;
    while ((kept = oldest(memory)) != NULL && kept->ends_at <= now)
        drop(memory, kept);
}

static bool make_room(struct idempotency *memory)
{
    if (memory->n < IDEMPOTENCY_KEYS)
        return true;
    struct kept *kept = oldest(memory);
    if (kept != NULL)
        drop(memory, kept);
    return kept != NULL;
}

static enum idempotency_found found(const struct kept *kept, const struct kept *asked,
                                    int *status_out, char *body_out)
{
    if (!equal_constant_time(kept->content, asked->content, SHA256_BYTES))
        return IDEMPOTENCY_OTHER;
    if (kept->status == 0)
        return IDEMPOTENCY_RUNNING;
    *status_out = kept->status;
    memcpy(body_out, kept->body, kept->length + 1);
    return IDEMPOTENCY_AGAIN;
}

enum idempotency_found idempotency_begin(struct idempotency *memory, const char *account,
                                         const char *key, const void *body, size_t length,
                                         int64_t now, struct kept **kept_out, int *status_out,
                                         char *body_out)
{
    struct kept *fresh = calloc(1, sizeof(*fresh));
    /* The answer's room is there from the start: a message that went must not be forgotten. */
    if (fresh != NULL)
        fresh->body = malloc(IDEMPOTENCY_ANSWER + 1);
    enum idempotency_found result = IDEMPOTENCY_FULL;
    if (fresh == NULL || fresh->body == NULL || !digests(account, key, body, length, fresh))
        goto out;
    fresh->ends_at = now + IDEMPOTENCY_TIME;
    pthread_mutex_lock(&memory->lock);
    expire(memory, now);
    struct kept **bucket = bucket_of(memory, fresh->name);
    struct kept *kept = *bucket;
    while (kept != NULL && !equal_constant_time(kept->name, fresh->name, SHA256_BYTES))
        kept = kept->next;
    if (kept != NULL) {
        result = found(kept, fresh, status_out, body_out);
    } else if (make_room(memory)) {
        bucket = bucket_of(memory, fresh->name);
        fresh->next = *bucket;
        *bucket = fresh;
        TAILQ_INSERT_TAIL(&memory->ages, fresh, age);
        memory->n++;
        *kept_out = fresh;
        fresh = NULL;
        result = IDEMPOTENCY_NEW;
    }
    pthread_mutex_unlock(&memory->lock);
out:
    if (fresh != NULL)
        free(fresh->body);
    free(fresh);
    return result;
}

void idempotency_end(struct idempotency *memory, struct kept **kept_pointer, int status,
                     const char *body, size_t length)
{
    struct kept *kept = *kept_pointer;
    *kept_pointer = NULL;
    pthread_mutex_lock(&memory->lock);
    if (status == 0) {
        drop(memory, kept);
    } else {
        kept->length = length < IDEMPOTENCY_ANSWER ? length : IDEMPOTENCY_ANSWER;
        memcpy(kept->body, body, kept->length);
        kept->body[kept->length] = '\0';
        kept->status = status;
        char *less = realloc(kept->body, kept->length + 1);
        if (less != NULL)
            kept->body = less;
    }
    pthread_mutex_unlock(&memory->lock);
}
