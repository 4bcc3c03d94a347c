/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table with chains, and a ring through all its entries in the order they came, so that the
 * oldest goes first. It owns its entries and never grows past what it was made for.
 */
#include "proxy/sms/sent.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* Some 40 MB when full: at fifty messages a second an hour's worth, and reports come in minutes. */
#define MOST 200000

/* Enough to tell people apart. */
#define KEY_BYTES 16

struct entry {
    struct entry *next; /* of its bucket */
    TAILQ_ENTRY(entry) of_age;
    uint32_t hash;
    char ref[RECORD_ID];
    uint8_t key[KEY_BYTES];              /* of the recipient's, the beginning */
    const char *provider, *id, *account; /* in text */
    char text[];
};

TAILQ_HEAD(entries, entry);

struct sent {
    pthread_mutex_t lock;
    size_t most;
    size_t count;     /* under lock, as those below */
    size_t n_buckets; /* a power of two */
    struct entry **buckets;
    struct entries by_age; /* oldest first */
};

struct sent *sent_new(size_t most)
{
    struct sent *sent = calloc(1, sizeof(*sent));
    if (sent == NULL)
        return NULL;
    sent->most = most > 0 ? most : MOST;
    sent->n_buckets = 16;
    while (sent->n_buckets < sent->most)
        sent->n_buckets *= 2;
    sent->buckets = calloc(sent->n_buckets, sizeof(struct entry *));
    if (sent->buckets == NULL) {
        free(sent);
        return NULL;
    }
    pthread_mutex_init(&sent->lock, NULL);
    TAILQ_INIT(&sent->by_age);
    return sent;
}

static uint32_t add_hash(uint32_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return (hash ^ 0xffu) * 16777619u; /* "ab" "c" is not "a" "bc" */
}

static uint32_t hash_of(const char *provider, const char *id)
{
    uint32_t hash = add_hash(add_hash(2166136261u, provider), id);
    return hash ^ (hash >> 15);
}

static struct entry **link_of(struct sent *sent, uint32_t hash, const char *provider,
                              const char *id)
{
    struct entry **link = &sent->buckets[hash & (sent->n_buckets - 1)];
    while (*link != NULL && ((*link)->hash != hash || strcmp((*link)->id, id) != 0 ||
                             strcmp((*link)->provider, provider) != 0))
        link = &(*link)->next;
    return link;
}

/* Takes what link points at out of the table. */
static struct entry *unlink_entry(struct sent *sent, struct entry **link)
{
    struct entry *entry = *link;
    *link = entry->next;
    TAILQ_REMOVE(&sent->by_age, entry, of_age);
    sent->count--;
    return entry;
}

void sent_free(struct sent **sent_pointer)
{
    struct sent *sent = *sent_pointer;
    struct entry *next;
    if (sent == NULL)
        return;
    for (struct entry *entry = TAILQ_FIRST(&sent->by_age); entry != NULL; entry = next) {
        next = TAILQ_NEXT(entry, of_age);
        free(entry);
    }
    pthread_mutex_destroy(&sent->lock);
    free(sent->buckets);
    free(sent);
    *sent_pointer = NULL;
}

static const char *keep(char **room, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*room, text, size);
    *room += size;
    return copy;
}

static struct entry *new_entry(const char *provider, const char *id, const uint8_t *key,
                               const char *ref, const char *account)
{
    size_t size = strlen(provider) + strlen(id) + strlen(account) + 3;
    struct entry *entry = NULL;
    if (strlen(account) < SENT_NAME_MAX)
        entry = calloc(1, sizeof(*entry) + size);
    if (entry == NULL)
        return NULL;
    if (!str_copy(entry->ref, sizeof(entry->ref), ref)) {
        free(entry);
        return NULL;
    }
    char *room = entry->text;
    memcpy(entry->key, key, sizeof(entry->key));
    entry->hash = hash_of(provider, id);
    entry->provider = keep(&room, provider);
    entry->id = keep(&room, id);
    entry->account = keep(&room, account);
    return entry;
}

void sent_note(struct sent *sent, const char *provider, const char *provider_id,
               const uint8_t key[RECIPIENT_KEY_BYTES], const char *ref, const char *account)
{
    struct entry *replaced = NULL, *oldest = NULL;
    struct entry *entry = new_entry(provider, provider_id, key, ref, account);
    /* Without memory for the new one the old one of that id must go all the same. */
    uint32_t hash = hash_of(provider, provider_id);
    pthread_mutex_lock(&sent->lock);
    struct entry **link = link_of(sent, hash, provider, provider_id);
    if (*link != NULL)
        replaced = unlink_entry(sent, link);
    if (entry != NULL && sent->count == sent->most) {
        const struct entry *first = TAILQ_FIRST(&sent->by_age);
        oldest = unlink_entry(sent, link_of(sent, first->hash, first->provider, first->id));
    }
    if (entry != NULL) {
        struct entry **bucket = &sent->buckets[hash & (sent->n_buckets - 1)];
        entry->next = *bucket;
        *bucket = entry;
        TAILQ_INSERT_TAIL(&sent->by_age, entry, of_age);
        sent->count++;
    }
    pthread_mutex_unlock(&sent->lock);
    free(replaced);
    free(oldest);
}

bool sent_find(struct sent *sent, const char *provider, const char *id, const uint8_t *key,
               struct sent_ref *ref_out)
{
    pthread_mutex_lock(&sent->lock);
    const struct entry *entry = *link_of(sent, hash_of(provider, id), provider, id);
    bool found = entry != NULL && (key == NULL || memcmp(entry->key, key, sizeof(entry->key)) == 0);
    if (found) {
        memcpy(ref_out->ref, entry->ref, sizeof(ref_out->ref));
        str_copy(ref_out->account, sizeof(ref_out->account), entry->account);
        ref_out->wanted = true;
    }
    pthread_mutex_unlock(&sent->lock);
    return found;
}

size_t sent_count(struct sent *sent)
{
    pthread_mutex_lock(&sent->lock);
    size_t count = sent->count;
    pthread_mutex_unlock(&sent->lock);
    return count;
}
