/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/idempotency.h"

#include "base/crypto.h"
#include "base/str.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS 16384 /* a power of two */
#define OWNERS  256   /* … of owners */

struct owner;

/* Neither the key nor the body is kept, only what tells them from others. */
struct kept {
    TAILQ_ENTRY(kept) age; /* in the order they began */
    TAILQ_ENTRY(kept) own; /* … of their owner's */
    struct kept *next;     /* in its bucket */
    struct owner *owner;   /* borrowed */
    uint8_t name[SHA256_BYTES];
    uint8_t content[SHA256_BYTES];
    int64_t ends_at;
    int status; /* 0: not answered yet */
    size_t length;
    char *body; /* owned */
};

TAILQ_HEAD(kept_list, kept);

/* An account with keys; freed with the last of them. */
struct owner {
    struct owner *next;         /* in its bucket */
    uint8_t name[SHA256_BYTES]; /* hash of the account's */
    struct kept_list keys;      /* in the order they began */
    size_t n;
};

struct idempotency {
    unsigned holders; /* under places_lock */
    pthread_mutex_t lock;
    struct kept_list ages;         /* under lock */
    struct kept *buckets[BUCKETS]; /* under lock */
    struct owner *owners[OWNERS];  /* under lock */
    size_t n;                      /* under lock */
};

/* Over all gates of the process: taken when a lane begins or ends, and never else. */
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;

static struct kept **bucket_of(struct idempotency *memory, const uint8_t name[SHA256_BYTES])
{
    unsigned index = (unsigned)name[0] << 8 | name[1];
    return &memory->buckets[index % BUCKETS];
}

static struct owner **owner_of(struct idempotency *memory, const uint8_t name[SHA256_BYTES])
{
    struct owner **at = &memory->owners[name[0] % OWNERS];
    while (*at != NULL && memcmp((*at)->name, name, SHA256_BYTES) != 0)
        at = &(*at)->next;
    return at;
}

static void leave_owner(struct idempotency *memory, struct kept *kept)
{
    struct owner *owner = kept->owner;
    TAILQ_REMOVE(&owner->keys, kept, own);
    if (--owner->n > 0)
        return;
    *owner_of(memory, owner->name) = owner->next;
    free(owner);
}

static void drop(struct idempotency *memory, struct kept *kept)
{
    struct kept **at = bucket_of(memory, kept->name);
    while (*at != kept)
        at = &(*at)->next;
    *at = kept->next;
    TAILQ_REMOVE(&memory->ages, kept, age);
    leave_owner(memory, kept);
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
                    struct kept *out, uint8_t owner_out[SHA256_BYTES])
{
    /* With its NUL, so that no two pairs of account and key are the same text. */
    return sha256_pair(account, strlen(account) + 1, key, strlen(key), out->name) &&
           sha256(body, length, out->content) && sha256(account, strlen(account), owner_out);
}

static void expire(struct idempotency *memory, int64_t now)
{
    /* Those before it that were not answered are few: what is under way. */
    struct kept *next;
    for (struct kept *kept = TAILQ_FIRST(&memory->ages); kept != NULL && kept->ends_at <= now;
         kept = next) {
        next = TAILQ_NEXT(kept, age);
        if (kept->status != 0)
            drop(memory, kept);
    }
}

/* The oldest that was answered gives way. False: none was. */
static bool drop_oldest(struct idempotency *memory, struct owner *owner)
{
    struct kept *kept = TAILQ_FIRST(&owner->keys);
    while (kept != NULL && kept->status == 0)
        kept = TAILQ_NEXT(kept, own);
    if (kept != NULL)
        drop(memory, kept);
    return kept != NULL;
}

static struct owner *largest(const struct idempotency *memory)
{
    struct owner *most = NULL;
    for (size_t i = 0; i < OWNERS; i++)
        for (struct owner *owner = memory->owners[i]; owner != NULL; owner = owner->next)
            if (most == NULL || owner->n > most->n)
                most = owner;
    return most;
}

/* An account takes room from itself once it has its share, else from who has the most. */
static bool make_room(struct idempotency *memory, const uint8_t name[SHA256_BYTES])
{
    struct owner *owner = *owner_of(memory, name);
    if (owner != NULL && owner->n >= IDEMPOTENCY_SHARE)
        return drop_oldest(memory, owner);
    return memory->n < IDEMPOTENCY_KEYS || drop_oldest(memory, largest(memory));
}

/* Takes fresh in. False: no memory. */
static bool enter(struct idempotency *memory, const uint8_t name[SHA256_BYTES], struct kept *fresh)
{
    struct owner **at = owner_of(memory, name);
    if (*at == NULL) {
        struct owner *owner = calloc(1, sizeof(*owner));
        if (owner == NULL)
            return false;
        memcpy(owner->name, name, SHA256_BYTES);
        TAILQ_INIT(&owner->keys);
        *at = owner;
    }
    struct kept **bucket = bucket_of(memory, fresh->name);
    fresh->owner = *at;
    fresh->owner->n++;
    TAILQ_INSERT_TAIL(&fresh->owner->keys, fresh, own);
    fresh->next = *bucket;
    *bucket = fresh;
    TAILQ_INSERT_TAIL(&memory->ages, fresh, age);
    memory->n++;
    return true;
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
    uint8_t owner[SHA256_BYTES];
    /* The answer's room is there from the start: a message that went must not be forgotten. */
    if (fresh != NULL)
        fresh->body = malloc(IDEMPOTENCY_ANSWER + 1);
    enum idempotency_found result = IDEMPOTENCY_FULL;
    if (fresh == NULL || fresh->body == NULL || !digests(account, key, body, length, fresh, owner))
        goto out;
    fresh->ends_at = now + IDEMPOTENCY_TIME;
    pthread_mutex_lock(&memory->lock);
    expire(memory, now);
    struct kept *kept = *bucket_of(memory, fresh->name);
    while (kept != NULL && !equal_constant_time(kept->name, fresh->name, SHA256_BYTES))
        kept = kept->next;
    if (kept != NULL) {
        result = found(kept, fresh, status_out, body_out);
    } else if (make_room(memory, owner) && enter(memory, owner, fresh)) {
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
