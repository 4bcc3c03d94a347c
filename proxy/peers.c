/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/peers.h"

#include "base/crypto.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Lists, about one entry long at the default of 20000 connections. Untouched, they cost no memory:
 * the pages of a fresh calloc are not there yet. */
#define LISTS 16384u

struct entry {
    struct entry *next;
    unsigned count;
    enum peer_kind kind;
    size_t length;
    uint8_t name[];
};

struct peers {
    pthread_mutex_t lock;
    uint64_t secret[2]; /* so that nobody can choose addresses that share a list */
    struct entry *lists[LISTS];
};

void peer_key_of(const struct sockaddr *address, struct peer_key *key_out)
{
    memset(key_out, 0, sizeof(*key_out));
    if (address->sa_family == AF_INET) {
        key_out->bytes[10] = key_out->bytes[11] = 0xff;
        memcpy(key_out->bytes + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;
        /* A mapped one is an IPv4 address that came to a socket for both families. */
        memcpy(key_out->bytes, six, IN6_IS_ADDR_V4MAPPED(six) ? 16 : 8);
    }
}

struct peers *peers_new(void)
{
    struct peers *peers = calloc(1, sizeof(*peers));
    if (peers == NULL)
        return NULL;
    if (!random_bytes(peers->secret, sizeof(peers->secret))) {
        free(peers);
        return NULL;
    }
    pthread_mutex_init(&peers->lock, NULL);
    return peers;
}

void peers_free(struct peers **peers)
{
    if (*peers == NULL)
        return;
    for (size_t i = 0; i < LISTS; i++)
        while ((*peers)->lists[i] != NULL) {
            struct entry *entry = (*peers)->lists[i];
            (*peers)->lists[i] = entry->next;
            free(entry);
        }
    pthread_mutex_destroy(&(*peers)->lock);
    free(*peers);
    *peers = NULL;
}

/* Keyed multiply and fold, eight bytes at a time. */
static struct entry **list_of(struct peers *peers, enum peer_kind kind, const void *name,
                              size_t length)
{
    uint64_t hash = peers->secret[0] ^ (uint64_t)kind;
    for (size_t at = 0; at < length; at += 8) {
        uint64_t word = 0;
        memcpy(&word, (const uint8_t *)name + at, length - at < 8 ? length - at : 8);
        __extension__ unsigned __int128 product =
            (unsigned __int128)(hash ^ word) * (peers->secret[1] | 1);
        hash = (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    return &peers->lists[(hash ^ (hash >> 32)) % LISTS];
}

/* Under lock: where the entry hangs, or the end of its list. */
static struct entry **find(struct peers *peers, enum peer_kind kind, const void *name,
                           size_t length)
{
    struct entry **at = list_of(peers, kind, name, length);
    while (*at != NULL && ((*at)->kind != kind || (*at)->length != length ||
                           memcmp((*at)->name, name, length) != 0))
        at = &(*at)->next;
    return at;
}

bool peers_enter(struct peers *peers, enum peer_kind kind, const void *name, size_t length,
                 unsigned cap)
{
    pthread_mutex_lock(&peers->lock);
    struct entry **at = find(peers, kind, name, length);
    if (*at == NULL && (*at = calloc(1, sizeof(**at) + length)) != NULL) {
        (*at)->kind = kind;
        (*at)->length = length;
        memcpy((*at)->name, name, length);
    }
    /* A fresh entry is never over a cap: none is left behind with nothing counted in it. */
    bool entered = *at != NULL && (cap == 0 || (*at)->count < cap);
    if (entered)
        (*at)->count++;
    pthread_mutex_unlock(&peers->lock);
    return entered;
}

void peers_leave(struct peers *peers, enum peer_kind kind, const void *name, size_t length)
{
    pthread_mutex_lock(&peers->lock);
    struct entry **at = find(peers, kind, name, length);
    if (*at != NULL && --(*at)->count == 0) {
        struct entry *gone = *at;
        *at = gone->next;
        free(gone);
    }
    pthread_mutex_unlock(&peers->lock);
}

unsigned peers_count(struct peers *peers, enum peer_kind kind, const void *name, size_t length)
{
    pthread_mutex_lock(&peers->lock);
    struct entry **at = find(peers, kind, name, length);
    unsigned count = *at != NULL ? (*at)->count : 0;
    pthread_mutex_unlock(&peers->lock);
    return count;
}
