/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/guesses.h"

#include "base/clock.h"
#include "base/crypto.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* 8192 entries, half a megabyte: an attack from more addresses than that is one on the network. */
#define SETS       1024u
#define WAYS       8
#define NAME_BYTES 16
/* More than any limit here, so that who went on guessing is not forgotten at once; and a bound, so
 * that nobody is remembered for longer than half a day. */
#define WEIGHT_MOST 600

enum kind { OF_ADDRESS, OF_ACCOUNT, OF_BOTH };
#define OF_LONG_NAME 0x80u

struct entry {
    uint8_t name[NAME_BYTES]; /* of a keyed hash: nobody can choose whom to share a set with */
    bool used;
    bool good;       /* this account has logged in from this address; OF_ADDRESS: any has */
    unsigned weight; /* failures not yet forgotten, as of `at` */
    unsigned unseen; /* OF_ADDRESS: tries not looked at since `at` */
    int64_t at;
    int64_t next_look;  /* OF_ADDRESS with too many: when a password is looked at again */
    int64_t shut_until; /* OF_ADDRESS: when the last answer was due that nobody waited for */
};

struct guesses {
    pthread_mutex_t lock;
    struct hmac *hmac;        /* owned; under lock; its key dies with the process */
    _Atomic int64_t tried_at; /* the last failure, or try of who has failed */
    struct entry entries[SETS][WAYS];
};

enum result guesses_new(struct guesses **guesses_out, struct error *err)
{
    uint8_t key[32];
    struct guesses *guesses = calloc(1, sizeof(*guesses));
    if (guesses == NULL)
        return error_no_memory(err);
    pthread_mutex_init(&guesses->lock, NULL);
    guesses->tried_at = INT64_MIN / 2;
    if (random_bytes(key, sizeof(key)))
        guesses->hmac = hmac_new(key, sizeof(key));
    wipe(key, sizeof(key));
    if (guesses->hmac == NULL) {
        guesses_free(&guesses);
        return error_set(err, RESULT_SYSTEM, "cannot prepare the memory of failed logins");
    }
    *guesses_out = guesses;
    return RESULT_OK;
}

void guesses_free(struct guesses **guesses)
{
    if (*guesses == NULL)
        return;
    hmac_free(&(*guesses)->hmac);
    pthread_mutex_destroy(&(*guesses)->lock);
    free(*guesses);
    *guesses = NULL;
}

/* ---- the table, under lock ---- */

struct name {
    uint8_t bytes[SHA256_BYTES];
};

/* False when the hash failed: who it is about is then not remembered. An account of a short name
 * stands for itself, any other for its hash; the first byte says which. */
static bool name_of(struct guesses *guesses, enum kind kind, const struct peer_key *from,
                    const char *account, struct name *name_out)
{
    uint8_t text[1 + sizeof(*from) + SHA256_BYTES] = {(uint8_t)kind};
    size_t length = kind != OF_ADDRESS ? strlen(account) : 0;
    if (kind != OF_ACCOUNT)
        memcpy(text + 1, from, sizeof(*from));
    if (length > SHA256_BYTES) {
        text[0] |= OF_LONG_NAME;
        if (!hmac_compute(guesses->hmac, account, length, text + 1 + sizeof(*from)))
            return false;
        length = SHA256_BYTES;
    } else if (length > 0) {
        memcpy(text + 1 + sizeof(*from), account, length);
    }
    return hmac_compute(guesses->hmac, text, 1 + sizeof(*from) + length, name_out->bytes);
}

/* What is left of the weight now. */
static void forget(struct entry *entry, int64_t now)
{
    int64_t gone = (now - entry->at) / GUESS_FORGOTTEN;
    if (gone <= 0)
        return;
    entry->weight = gone < (int64_t)entry->weight ? entry->weight - (unsigned)gone : 0;
    entry->at += gone * GUESS_FORGOTTEN;
    entry->unseen = 0;
}

static struct entry *set_of(struct guesses *guesses, const struct name *name)
{
    uint32_t index;
    memcpy(&index, name->bytes + NAME_BYTES, sizeof(index));
    return guesses->entries[index % SETS];
}

static struct entry *find(struct guesses *guesses, const struct name *name, int64_t now)
{
    struct entry *set = set_of(guesses, name);
    for (int i = 0; i < WAYS; i++)
        if (set[i].used && memcmp(set[i].name, name->bytes, NAME_BYTES) == 0) {
            forget(&set[i], now);
            return &set[i];
        }
    return NULL;
}

/* What an entry is worth keeping. That an account has logged in from somewhere is worth as much as
 * some failures: a crowd of first failures does not push it out. */
static unsigned worth(struct entry *entry, int64_t now)
{
    if (!entry->used)
        return 0;
    forget(entry, now);
    return entry->weight + (entry->good ? 3 : 0);
}

/* The entry of this name, made if there is room or something of no more worth than one failure.
 * NULL when all others of the set are worth more; the least of them then loses one. */
static struct entry *find_or_make(struct guesses *guesses, const struct name *name, int64_t now)
{
    struct entry *entry = find(guesses, name, now);
    if (entry != NULL)
        return entry;
    struct entry *set = set_of(guesses, name);
    struct entry *least = &set[0];
    for (int i = 1; i < WAYS; i++)
        if (worth(&set[i], now) < worth(least, now))
            least = &set[i];
    if (worth(least, now) > 1) {
        if (least->weight > 0)
            least->weight--;
        else
            least->good = false;
        return NULL;
    }
    *least = (struct entry){.used = true, .at = now};
    memcpy(least->name, name->bytes, NAME_BYTES);
    return least;
}

static unsigned add_failure(struct guesses *guesses, enum kind kind, const struct peer_key *from,
                            const char *account, int64_t now)
{
    struct name name;
    struct entry *entry =
        name_of(guesses, kind, from, account, &name) ? find_or_make(guesses, &name, now) : NULL;
    if (entry == NULL)
        return 1;
    if (entry->weight < WEIGHT_MOST)
        entry->weight++;
    return entry->weight;
}

static struct entry *find_named(struct guesses *guesses, enum kind kind,
                                const struct peer_key *from, const char *account, int64_t now)
{
    struct name name;
    return name_of(guesses, kind, from, account, &name) ? find(guesses, &name, now) : NULL;
}

/* The entry is OF_BOTH. */
static bool is_at_home(const struct entry *both)
{
    return both != NULL && both->good && both->weight < GUESSES_KNOWN;
}

/* ---- what is asked ---- */

bool guesses_admit(struct guesses *guesses, const struct peer_key *from, const char *account,
                   int64_t now)
{
    pthread_mutex_lock(&guesses->lock);
    struct entry *address = find_named(guesses, OF_ADDRESS, from, account, now);
    bool admitted = true;
    if (address != NULL && address->weight >= GUESSES_FREE &&
        !is_at_home(find_named(guesses, OF_BOTH, from, account, now))) {
        admitted = now >= address->next_look;
        /* Reserved at once: of many that ask together, one is looked at. */
        if (admitted)
            address->next_look = now + GUESS_DELAY_MOST;
    }
    pthread_mutex_unlock(&guesses->lock);
    return admitted;
}

unsigned guesses_rank(struct guesses *guesses, const struct peer_key *from, const char *account,
                      int64_t now)
{
    pthread_mutex_lock(&guesses->lock);
    const struct entry *address = find_named(guesses, OF_ADDRESS, from, account, now);
    unsigned rank = 1 + (address != NULL ? address->weight : 0);
    if (is_at_home(find_named(guesses, OF_BOTH, from, account, now)))
        rank = 0;
    pthread_mutex_unlock(&guesses->lock);
    return rank;
}

static int64_t delay_of(unsigned failures)
{
    int64_t delay = GUESS_DELAY_FIRST;
    for (unsigned i = 1; i < failures && delay < GUESS_DELAY_MOST; i++)
        delay *= 2;
    return delay < GUESS_DELAY_MOST ? delay : GUESS_DELAY_MOST;
}

/* A right password: here this account is at home from now on. Its address' failures stay: with an
 * account of his own nobody buys guesses at others'. */
static void note_right(struct guesses *guesses, const struct name *both_name,
                       const struct peer_key *from, bool known, int64_t now)
{
    struct name name;
    struct entry *both = find_or_make(guesses, both_name, now);
    if (both != NULL) {
        both->good = true;
        both->weight = 0;
    }
    if (known || !name_of(guesses, OF_ADDRESS, from, NULL, &name))
        return;
    struct entry *address = find_or_make(guesses, &name, now);
    if (address != NULL)
        address->good = true;
}

/* Returns the failures at this account. */
static unsigned note_wrong(struct guesses *guesses, const struct peer_key *from,
                           const char *account, int64_t now, int64_t *delay_out)
{
    unsigned failures = add_failure(guesses, OF_ADDRESS, from, account, now);
    atomic_store(&guesses->tried_at, now);
    struct entry *address = find_named(guesses, OF_ADDRESS, from, account, now);
    *delay_out = delay_of(failures);
    if (address != NULL && failures >= GUESSES_FREE)
        address->next_look = now + GUESS_DELAY_MOST;
    return add_failure(guesses, OF_ACCOUNT, from, account, now);
}

int64_t guesses_note(struct guesses *guesses, const struct peer_key *from, const char *account,
                     bool right, int64_t now)
{
    struct name name;
    int64_t delay = 0;
    unsigned at_account = 0;
    pthread_mutex_lock(&guesses->lock);
    bool named = name_of(guesses, OF_BOTH, from, account, &name);
    bool known = named && is_at_home(find(guesses, &name, now));
    if (right) {
        /* Of one at home, as over HTTP each request is, nothing more is asked. */
        const struct entry *entry =
            known ? NULL : find_named(guesses, OF_ACCOUNT, from, account, now);
        at_account = entry != NULL ? entry->weight : 0;
        if (named)
            note_right(guesses, &name, from, known, now);
    } else {
        at_account = note_wrong(guesses, from, account, now, &delay);
        struct entry *both = named ? find(guesses, &name, now) : NULL;
        if (both != NULL && both->weight < WEIGHT_MOST)
            both->weight++;
    }
    if (!known && at_account >= GUESSES_ACCOUNT && delay < GUESS_DELAY_ACCOUNT)
        delay = GUESS_DELAY_ACCOUNT;
    pthread_mutex_unlock(&guesses->lock);
    return delay;
}

/* The entry of this name, or one that nobody misses: who has failed is not forgotten for who has
 * not. NULL: there is none. */
static struct entry *find_or_spare(struct guesses *guesses, const struct name *name, int64_t now)
{
    struct entry *entry = find(guesses, name, now);
    struct entry *set = set_of(guesses, name);
    for (int i = 0; i < WAYS && entry == NULL; i++)
        if (worth(&set[i], now) == 0) {
            entry = &set[i];
            *entry = (struct entry){.used = true, .at = now};
            memcpy(entry->name, name->bytes, NAME_BYTES);
        }
    return entry;
}

int64_t guesses_unseen(struct guesses *guesses, const struct peer_key *from, int64_t now)
{
    struct name name;
    int64_t delay = GUESS_DELAY_FIRST;
    pthread_mutex_lock(&guesses->lock);
    struct entry *address =
        name_of(guesses, OF_ADDRESS, from, NULL, &name) ? find_or_spare(guesses, &name, now) : NULL;
    if (address != NULL) {
        /* Who goes on trying is not forgotten. */
        address->at = now;
        atomic_store(&guesses->tried_at, now);
        if (address->unseen < WEIGHT_MOST)
            address->unseen++;
        delay = delay_of(address->weight + address->unseen);
    }
    pthread_mutex_unlock(&guesses->lock);
    return delay;
}

void guesses_fled(struct guesses *guesses, const struct peer_key *from, int64_t due, int64_t now)
{
    pthread_mutex_lock(&guesses->lock);
    struct entry *address = find_named(guesses, OF_ADDRESS, from, NULL, now);
    if (address != NULL && address->shut_until < due)
        address->shut_until = due;
    pthread_mutex_unlock(&guesses->lock);
}

bool guesses_let_in(struct guesses *guesses, const struct peer_key *from, unsigned inside,
                    int64_t now)
{
    /* Most of the time nobody guesses, and each connection asks. */
    if (now - atomic_load(&guesses->tried_at) > WEIGHT_MOST * GUESS_FORGOTTEN)
        return true;
    pthread_mutex_lock(&guesses->lock);
    const struct entry *address = find_named(guesses, OF_ADDRESS, from, NULL, now);
    bool guesser = address != NULL && !address->good && address->weight > 0 &&
                   address->weight + address->unseen >= GUESSES_FREE;
    bool let_in = !guesser || (inside < GUESSER_CONNECTIONS && now >= address->shut_until);
    pthread_mutex_unlock(&guesses->lock);
    return let_in;
}
