/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/credentials.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/str.h"

#include <crypt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NICENESS   10
#define REMEMBERED 1024 /* verified credentials kept; a gateway has fewer accounts than that */

/* What somebody waits with for a helper: where an account is at home nobody guesses. */
enum rank { RANK_HOME, RANK_CLEAN, RANK_DOUBTFUL, RANK_FAILED };

/* How often the time it took to hash a wrong password nothing of a rank is looked at after it: an
 * eighth of a core for all the world's guesses, half of that for doubtful ones, a 64th for those of
 * who has failed again and again. */
static const int rests[] = {[RANK_CLEAN] = 7, [RANK_DOUBTFUL] = 15, [RANK_FAILED] = 63};

struct credentials {
    struct workers *workers; /* borrowed */
    struct peers *peers;     /* borrowed */
    struct guesses *guesses; /* borrowed */
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
    bool abandoned; /* under lock: nobody waits for the answer */
    bool matches;
    uint8_t digest[SHA256_BYTES];
    char hash[CRYPT_OUTPUT_SIZE];
    char password[CRYPT_MAX_PASSPHRASE_SIZE];
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
    workers_hurry(credentials->workers);
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

static enum rank rank_of(const struct check *check)
{
    return (enum rank)check->job.rank;
}

/* Joins a check of the same that is being hashed, or will be no later than this would; false when
 * there is none. */
static bool join(struct credentials *credentials, struct check *check)
{
    bool joined = false;
    pthread_mutex_lock(&credentials->lock);
    for (struct check *c = credentials->hashing; c != NULL && !joined; c = c->next)
        if (c->known_account == check->known_account && rank_of(c) <= rank_of(check) &&
            equal_constant_time(c->digest, check->digest, SHA256_BYTES)) {
            check->alike = c->alike;
            c->alike = check;
            joined = true;
        }
    pthread_mutex_unlock(&credentials->lock);
    return joined;
}

/* Whether anybody waits for the answer: nothing is hashed for nobody. */
static bool is_wanted_locked(const struct check *check)
{
    bool wanted = false;
    for (; check != NULL && !wanted; check = check->alike)
        wanted = !check->abandoned;
    return wanted;
}

/* Returns those that asked the same meanwhile; from now on nobody joins. */
static struct check *unlist_locked(struct credentials *credentials, struct check *check)
{
    struct check **at = &credentials->hashing;
    while (*at != check)
        at = &(*at)->next;
    *at = check->next;
    struct check *alike = check->alike;
    check->alike = NULL;
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

/* Those of who is right have no rest: no guess was made. */
static void rest(const struct check *check, int64_t hashing)
{
    struct workers *workers = check->credentials->workers;
    int64_t before = 0;
    for (unsigned rank = RANK_CLEAN; rank <= RANK_FAILED; rank++) {
        workers_rest(workers, rank, rests[rank] * hashing - before);
        before = rests[rank] * hashing;
    }
}

static bool hash_matches(const struct check *check)
{
    /* Large: a helper's, not that of each who waits for one. */
    static _Thread_local struct crypt_data scratch;
    const char *result = crypt_r(check->password, check->hash, &scratch);
    size_t length = strlen(check->hash);
    bool matches = result != NULL && check->known_account && strlen(result) == length &&
                   equal_constant_time(result, check->hash, length);
    wipe(&scratch, sizeof(scratch));
    return matches;
}

static void look_at(struct check *check)
{
    int64_t began = used();
    check->matches = hash_matches(check);
    if (check->matches)
        remember(check->credentials, check->digest);
    else if (rank_of(check) > RANK_HOME)
        rest(check, used() - began);
}

static void run_check(struct worker_job *job)
{
    give_way();
    struct check *check = (struct check *)job;
    struct credentials *credentials = check->credentials;
    struct check *alike = NULL;
    pthread_mutex_lock(&credentials->lock);
    bool wanted = is_wanted_locked(check);
    if (!wanted) /* in the same breath: who joined now would have no answer */
        alike = unlist_locked(credentials, check);
    pthread_mutex_unlock(&credentials->lock);
    if (wanted) {
        look_at(check);
        pthread_mutex_lock(&credentials->lock);
        alike = unlist_locked(credentials, check);
        pthread_mutex_unlock(&credentials->lock);
    }
    peers_leave(credentials->peers, PEER_HASHING, &check->from, sizeof(check->from));
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

/* name: the account's. What of the address is being hashed may be wrong, too. */
static enum rank find_rank(struct credentials *credentials, const struct peer_key *from,
                           const char *name)
{
    unsigned rank = guesses_rank(credentials->guesses, from, name, clock_monotonic());
    if (rank != RANK_HOME && peers_count(credentials->peers, PEER_HASHING, from, sizeof(*from)) > 0)
        rank++;
    return rank < RANK_FAILED ? (enum rank)rank : RANK_FAILED;
}

/* Hands the check to the helpers; false when they, or this address, have enough to do. */
static bool submit(struct credentials *credentials, struct check *check)
{
    unsigned at_once = rank_of(check) < RANK_FAILED ? CREDENTIALS_AT_ONCE : 1;
    if (!peers_enter(credentials->peers, PEER_HASHING, &check->from, sizeof(check->from), at_once))
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
    /* Over HTTP each request asks. */
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
    check->job.rank = find_rank(credentials, from, name);
    if (join(credentials, check))
        return true;
    if (!submit(credentials, check)) {
        check_free(check);
        return false;
    }
    return true;
}

void credentials_abandon(struct credentials *credentials, const void *owner, struct ticket ticket)
{
    pthread_mutex_lock(&credentials->lock);
    for (struct check *first = credentials->hashing; first != NULL; first = first->next)
        for (struct check *c = first; c != NULL; c = c->alike)
            if (c->owner == owner && c->ticket.slot == ticket.slot &&
                c->ticket.generation == ticket.generation)
                c->abandoned = true;
    pthread_mutex_unlock(&credentials->lock);
}
