/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/credentials.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/str.h"

#include <crypt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NICENESS   10
#define RESTS      7
#define REMEMBERED 1024 /* verified credentials kept; a gateway has fewer accounts than that */

struct credentials {
    struct workers *workers; /* borrowed */
    struct peers *peers;     /* borrowed */
    struct guesses *guesses; /* borrowed */
    _Atomic bool hurries;
    pthread_mutex_t lock;
    struct check *hashing;                   /* under lock: what the helpers have, linked by next */
    struct hmac *hmac;                       /* owned; under lock; its key dies with the process */
    uint8_t known[REMEMBERED][SHA256_BYTES]; /* under lock */
    size_t n_known;
    size_t oldest;                 /* the slot to be overwritten next once all are used */
    char decoy[CRYPT_OUTPUT_SIZE]; /* a hash that no password has */
};

struct check {
    struct worker_job job; /* first */
    struct credentials *credentials;
    struct check *next;  /* under lock, while hashing */
    struct check *alike; /* owned, under lock: others that asked the same meanwhile */
    struct peer_key from;
    credentials_fn *answer;
    void *owner;
    struct ticket ticket;
    bool known_account;
    bool matches;
    uint8_t digest[SHA256_BYTES];
    char hash[CRYPT_OUTPUT_SIZE];
    char password[CRYPT_MAX_PASSPHRASE_SIZE];
    struct crypt_data scratch;
};

enum result credentials_new(struct workers *workers, struct peers *peers, struct guesses *guesses,
                            struct credentials **credentials_out, struct error *err)
{
    struct credentials *credentials = calloc(1, sizeof(*credentials));
    if (credentials == NULL)
        return error_no_memory(err);
    pthread_mutex_init(&credentials->lock, NULL);
    credentials->workers = workers;
    credentials->peers = peers;
    credentials->guesses = guesses;
    uint8_t key[32];
    uint8_t salt[16];
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    bool ok = random_bytes(key, sizeof(key)) && random_bytes(salt, sizeof(salt)) &&
              crypt_gensalt_rn("$y$", 0, (const char *)salt, sizeof(salt), setting,
                               sizeof(setting)) != NULL;
    if (ok)
        credentials->hmac = hmac_new(key, sizeof(key));
    wipe(key, sizeof(key));
    if (credentials->hmac == NULL) {
        credentials_free(&credentials);
        return error_set(err, RESULT_SYSTEM, "cannot prepare the credentials' memory");
    }
    /* The setting alone: hashing against it takes the usual time and cannot match. */
    str_copy(credentials->decoy, sizeof(credentials->decoy), setting);
    *credentials_out = credentials;
    return RESULT_OK;
}

void credentials_hurry(struct credentials *credentials)
{
    atomic_store(&credentials->hurries, true);
}

void credentials_free(struct credentials **credentials)
{
    if (*credentials == NULL)
        return;
    hmac_free(&(*credentials)->hmac);
    pthread_mutex_destroy(&(*credentials)->lock);
    free(*credentials);
    *credentials = NULL;
}

/* Over name, hash and password, so that a changed hash in the configuration is a new question. */
static bool digest_of(struct credentials *credentials, const char *name, const char *hash,
                      const char *password, uint8_t out[SHA256_BYTES])
{
    struct strbuf text = {0};
    strbuf_add(&text, name, strlen(name) + 1);
    strbuf_add(&text, hash, strlen(hash) + 1);
    strbuf_add(&text, password, strlen(password) + 1);
    bool ok = !text.failed;
    if (ok) {
        pthread_mutex_lock(&credentials->lock);
        ok = hmac_compute(credentials->hmac, text.data, text.length, out);
        pthread_mutex_unlock(&credentials->lock);
    }
    if (text.data != NULL)
        wipe(text.data, text.length);
    strbuf_free(&text);
    return ok;
}

static bool is_known(struct credentials *credentials, const uint8_t digest[SHA256_BYTES])
{
    bool found = false;
    pthread_mutex_lock(&credentials->lock);
    for (size_t i = 0; i < credentials->n_known && !found; i++)
        found = equal_constant_time(credentials->known[i], digest, SHA256_BYTES);
    pthread_mutex_unlock(&credentials->lock);
    return found;
}

static void remember(struct credentials *credentials, const uint8_t digest[SHA256_BYTES])
{
    pthread_mutex_lock(&credentials->lock);
    size_t slot = credentials->n_known;
    if (slot < REMEMBERED) {
        credentials->n_known++;
    } else {
        slot = credentials->oldest;
        credentials->oldest = (slot + 1) % REMEMBERED;
    }
    memcpy(credentials->known[slot], digest, SHA256_BYTES);
    pthread_mutex_unlock(&credentials->lock);
}

static void check_free(struct check *check)
{
    wipe(check, sizeof(*check));
    free(check);
}

/* Joins a check of the same that is being hashed; false when there is none. */
static bool join(struct credentials *credentials, struct check *check)
{
    bool joined = false;
    pthread_mutex_lock(&credentials->lock);
    for (struct check *c = credentials->hashing; c != NULL && !joined; c = c->next)
        if (c->known_account == check->known_account &&
            equal_constant_time(c->digest, check->digest, SHA256_BYTES)) {
            check->alike = c->alike;
            c->alike = check;
            joined = true;
        }
    pthread_mutex_unlock(&credentials->lock);
    return joined;
}

/* Returns those that asked the same meanwhile; from now on nobody joins. */
static struct check *end_hashing(struct credentials *credentials, struct check *check)
{
    pthread_mutex_lock(&credentials->lock);
    struct check **at = &credentials->hashing;
    while (*at != check)
        at = &(*at)->next;
    *at = check->next;
    struct check *alike = check->alike;
    check->alike = NULL;
    pthread_mutex_unlock(&credentials->lock);
    peers_leave(credentials->peers, PEER_HASHING, &check->from, sizeof(check->from));
    return alike;
}

/* Messages come first: a helper would else take a core from them as long as somebody guesses. Where
 * the processor is not short this changes nothing. */
static void give_way(void)
{
    static _Thread_local bool gave_way;
    if (!gave_way)
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    gave_way = true;
}

static int64_t used(void)
{
    struct timespec time = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * CLOCK_SECOND + time.tv_nsec / 1000;
}

/* Of this helper: from a wrong password to when it looks at another. Where an account is at home
 * nobody guesses, and whoever is right is no guesser. */
static _Thread_local int64_t rests_until;

static void rest(const struct check *check)
{
    int64_t pause = rests_until - clock_monotonic();
    struct timespec time = {.tv_sec = pause / CLOCK_SECOND, .tv_nsec = pause % CLOCK_SECOND * 1000};
    if (pause > 0 && check->job.rank > 0 && !atomic_load(&check->credentials->hurries))
        nanosleep(&time, NULL);
}

static void run_check(struct worker_job *job)
{
    give_way();
    struct check *check = (struct check *)job;
    rest(check);
    int64_t began = used();
    const char *result = crypt_r(check->password, check->hash, &check->scratch);
    size_t length = strlen(check->hash);
    check->matches = result != NULL && check->known_account && strlen(result) == length &&
                     equal_constant_time(result, check->hash, length);
    if (check->matches)
        remember(check->credentials, check->digest);
    else if (check->job.rank > 0)
        rests_until = clock_monotonic() + RESTS * (used() - began);
    struct check *alike = end_hashing(check->credentials, check);
    while (alike != NULL) {
        struct check *next = alike->alike;
        alike->matches = check->matches;
        loop_post(alike->job.home, &alike->job.task);
        alike = next;
    }
}

static void finish_check(struct loop_task *task)
{
    struct check *check = (struct check *)task;
    check->answer(check->owner, check->ticket, check->matches);
    check_free(check);
}

/* Hands the check to the helpers; false when they, or this address, have enough to do. name: the
 * account's. What of the address is being hashed may be wrong, too. */
static bool submit(struct credentials *credentials, struct check *check, const char *name)
{
    unsigned rank = guesses_rank(credentials->guesses, &check->from, name, clock_monotonic());
    if (rank > 0)
        rank += peers_count(credentials->peers, PEER_HASHING, &check->from, sizeof(check->from));
    check->job.rank = rank;
    if (!peers_enter(credentials->peers, PEER_HASHING, &check->from, sizeof(check->from),
                     CREDENTIALS_AT_ONCE))
        return false;
    /* Listed only if it was taken, both under the lock: whoever joins it will be answered. */
    pthread_mutex_lock(&credentials->lock);
    bool taken = workers_submit(credentials->workers, &check->job);
    if (taken) {
        check->next = credentials->hashing;
        credentials->hashing = check;
    }
    pthread_mutex_unlock(&credentials->lock);
    if (!taken)
        peers_leave(credentials->peers, PEER_HASHING, &check->from, sizeof(check->from));
    return taken;
}

bool credentials_check(struct credentials *credentials, const struct peer_key *from,
                       const char *name, const char *hash, const char *password, struct loop *home,
                       credentials_fn *answer, void *owner, struct ticket ticket)
{
    uint8_t digest[SHA256_BYTES];
    /* A password longer than crypt takes is compared as cut, and so never matches. */
    bool known_account = hash != NULL && strlen(password) < CRYPT_MAX_PASSPHRASE_SIZE;
    if (hash == NULL)
        hash = credentials->decoy;
    if (!digest_of(credentials, name, hash, password, digest))
        return false;
    /* Before the large memory that a check takes: over HTTP each request asks. */
    if (known_account && is_known(credentials, digest)) {
        answer(owner, ticket, true);
        return true;
    }
    struct check *check = calloc(1, sizeof(*check));
    if (check == NULL)
        return false;
    check->job.task.run = finish_check;
    check->job.work = run_check;
    check->job.home = home;
    check->credentials = credentials;
    check->from = *from;
    check->answer = answer;
    check->owner = owner;
    check->ticket = ticket;
    check->known_account = known_account;
    str_copy(check->password, sizeof(check->password), password);
    str_copy(check->hash, sizeof(check->hash), hash);
    memcpy(check->digest, digest, sizeof(digest));
    if (join(credentials, check))
        return true;
    if (!submit(credentials, check, name)) {
        check_free(check);
        return false;
    }
    return true;
}
