/* SPDX-License-Identifier: Apache-2.0 */
/* The tables that tell the many from the few: connections, failed logins, descriptors, log lines.
 */
#include "base/clock.h"
#include "base/workers.h"
#include "proxy/credentials.h"
#include "proxy/descriptors.h"
#include "proxy/guesses.h"
#include "proxy/peers.h"
#include "proxy/refusals.h"
#include "tests/unit/test_proxy_parts.h"

#include <arpa/inet.h>
#include <crypt.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct peer_key key_of(const char *text)
{
    struct sockaddr_storage address = {0};
    struct peer_key key;
    struct sockaddr_in *four = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address;
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1)
        address.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1)
        address.ss_family = AF_INET6;
    else
        ck_abort_msg("no address: %s", text);
    peer_key_of((struct sockaddr *)&address, &key);
    return key;
}

static struct peer_key numbered(unsigned i)
{
    char text[32];
    snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
    return key_of(text);
}

/* ---- peers ---- */

START_TEST(who_counts_as_one)
{
    static const struct {
        const char *a;
        const char *b;
        bool same;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
        {"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
        {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
        {"::1", "127.0.0.1", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct peer_key a = key_of(rows[i].a);
        struct peer_key b = key_of(rows[i].b);
        ck_assert_msg((memcmp(&a, &b, sizeof(a)) == 0) == rows[i].same, "%s %s", rows[i].a,
                      rows[i].b);
    }
}
END_TEST

START_TEST(connections_are_counted)
{
    struct peers *peers = peers_new();
    ck_assert_ptr_nonnull(peers);
    struct peer_key one = key_of("192.0.2.1");
    struct peer_key two = key_of("192.0.2.2");
    ck_assert_ptr_nonnull(peers);
    for (int i = 0; i < 3; i++)
        ck_assert(peers_enter(peers, PEER_ADDRESS, &one, sizeof(one), 3));
    ck_assert(!peers_enter(peers, PEER_ADDRESS, &one, sizeof(one), 3));
    /* Neither another address, nor another count of the same name. */
    ck_assert(peers_enter(peers, PEER_ADDRESS, &two, sizeof(two), 3));
    ck_assert(peers_enter(peers, PEER_HASHING, &one, sizeof(one), 1));
    ck_assert(peers_enter(peers, PEER_PARTNER, "acme", 4, 1));
    ck_assert(!peers_enter(peers, PEER_PARTNER, "acme", 4, 1));
    ck_assert(peers_enter(peers, PEER_PARTNER, "acme2", 5, 1));
    peers_leave(peers, PEER_ADDRESS, &one, sizeof(one));
    ck_assert(peers_enter(peers, PEER_ADDRESS, &one, sizeof(one), 3));
    ck_assert(!peers_enter(peers, PEER_ADDRESS, &one, sizeof(one), 3));
    /* 0 is no limit, and who is refused is not counted. */
    ck_assert(peers_enter(peers, PEER_ADDRESS, &one, sizeof(one), 0));
    ck_assert_uint_eq(peers_count(peers, PEER_ADDRESS, &one, sizeof(one)), 4);
    for (int i = 0; i < 4; i++)
        peers_leave(peers, PEER_ADDRESS, &one, sizeof(one));
    ck_assert_uint_eq(peers_count(peers, PEER_ADDRESS, &one, sizeof(one)), 0);
    /* What was never counted is not taken back. */
    peers_leave(peers, PEER_ADDRESS, &one, sizeof(one));
    ck_assert_uint_eq(peers_count(peers, PEER_ADDRESS, &one, sizeof(one)), 0);
    peers_free(&peers);
}
END_TEST

static void *come_and_go(void *peers)
{
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 1000; i++) {
            struct peer_key key = numbered(i);
            ck_assert(peers_enter(peers, PEER_ADDRESS, &key, sizeof(key), 0));
        }
        for (unsigned i = 0; i < 1000; i++) {
            struct peer_key key = numbered(i);
            peers_leave(peers, PEER_ADDRESS, &key, sizeof(key));
        }
    }
    return NULL;
}

START_TEST(lanes_share_the_count)
{
    struct peers *peers = peers_new();
    ck_assert_ptr_nonnull(peers);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, peers), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < 1000; i++) {
        struct peer_key key = numbered(i);
        ck_assert_uint_eq(peers_count(peers, PEER_ADDRESS, &key, sizeof(key)), 0);
    }
    peers_free(&peers);
}
END_TEST

/* ---- guesses ---- */

static struct guesses *guesses;
static int64_t now;

static void guesses_setup(void)
{
    struct error err;
    ck_assert_int_eq(guesses_new(&guesses, &err), RESULT_OK);
    now = 1000 * CLOCK_SECOND;
}

static void guesses_teardown(void)
{
    guesses_free(&guesses);
}

static int64_t wrong(struct peer_key from, const char *account)
{
    return guesses_note(guesses, &from, account, false, now);
}

static bool admits(struct peer_key from, const char *account)
{
    return guesses_admit(guesses, &from, account, now);
}

START_TEST(delays_double)
{
    static const int seconds[GUESSES_FREE] = {1, 2, 4, 8, 16, 30, 30, 30, 30, 30};
    struct peer_key from = key_of("192.0.2.1");
    for (int i = 0; i < GUESSES_FREE; i++) {
        char account[16];
        snprintf(account, sizeof(account), "a%d", i); /* whoever it is about */
        ck_assert(admits(from, account));
        ck_assert_int_eq(wrong(from, account), seconds[i] * CLOCK_SECOND);
    }
    /* Then nothing is looked at but once in GUESS_DELAY_MOST … */
    ck_assert(!admits(from, "a0"));
    now += GUESS_DELAY_MOST - 1;
    ck_assert(!admits(from, "a0"));
    now += 1;
    ck_assert(admits(from, "a0"));
    /* … by whoever asks first. */
    ck_assert(!admits(from, "a1"));
    /* Nobody else is held. */
    ck_assert(admits(key_of("192.0.2.2"), "a0"));
    ck_assert_int_eq(wrong(key_of("192.0.2.2"), "a0"), CLOCK_SECOND);
}
END_TEST

START_TEST(failures_are_forgotten)
{
    struct peer_key from = key_of("2001:db8::1");
    for (int i = 0; i < GUESSES_FREE; i++)
        wrong(from, "a");
    ck_assert(!admits(key_of("2001:db8::2"), "a")); /* the same /64 */
    now += GUESS_FORGOTTEN;
    ck_assert(admits(from, "a")); /* one less than the limit */
    now += (GUESSES_FREE - 2) * GUESS_FORGOTTEN;
    ck_assert_int_eq(wrong(from, "a"), 2 * CLOCK_SECOND);
    now += 1000 * GUESS_FORGOTTEN;
    ck_assert_int_eq(wrong(from, "a"), CLOCK_SECOND);
}
END_TEST

START_TEST(no_account_is_locked_out)
{
    struct peer_key home = key_of("192.0.2.10");
    ck_assert_int_eq(guesses_note(guesses, &home, "acme", true, now), 0);
    for (unsigned i = 0; i < 500; i++)
        wrong(numbered(i), "acme");
    /* At home nothing changes; elsewhere the right password takes a little longer. */
    ck_assert(admits(home, "acme"));
    ck_assert_int_eq(guesses_note(guesses, &home, "acme", true, now), 0);
    struct peer_key away = key_of("198.51.100.1");
    ck_assert(admits(away, "acme"));
    ck_assert_int_eq(guesses_note(guesses, &away, "acme", true, now), GUESS_DELAY_ACCOUNT);
    ck_assert_int_eq(guesses_note(guesses, &away, "acme", true, now), 0);
    ck_assert_int_eq(guesses_note(guesses, &away, "other", true, now), 0);
    /* A wrong one there takes as long as a right one: nothing shows before. */
    ck_assert_int_eq(wrong(key_of("198.51.100.2"), "acme"), GUESS_DELAY_ACCOUNT);
}
END_TEST

START_TEST(guesser_at_home)
{
    /* Behind the address of one who may log in: his account is held only after many failures. */
    struct peer_key home = key_of("192.0.2.10");
    guesses_note(guesses, &home, "acme", true, now);
    for (unsigned i = 0; i < GUESSES_KNOWN - 1; i++)
        wrong(home, "acme");
    ck_assert(admits(home, "acme"));
    ck_assert(!admits(home, "beta"));
    wrong(home, "acme");
    ck_assert(!admits(home, "acme"));
    /* One's own account buys no guesses at others'. */
    struct peer_key thief = key_of("192.0.2.66");
    for (int i = 0; i < GUESSES_FREE; i++) {
        ck_assert_int_eq(guesses_note(guesses, &thief, "mine", true, now), 0);
        wrong(thief, "yours");
    }
    guesses_note(guesses, &thief, "mine", true, now);
    ck_assert(!admits(thief, "yours"));
    ck_assert(admits(thief, "mine"));
}
END_TEST

START_TEST(long_and_short_names)
{
    /* Each is told from all others: where every second one is at home, the rest are held. */
    struct peer_key home = key_of("192.0.2.10");
    char name[80];
    for (size_t length = 1; length < sizeof(name); length += 2) {
        memset(name, 'a', length);
        name[length] = '\0';
        guesses_note(guesses, &home, name, true, now);
    }
    for (int i = 0; i < GUESSES_FREE; i++)
        wrong(home, "nobody");
    now += GUESS_DELAY_MOST - 1; /* nobody else is looked at until then */
    for (size_t length = 1; length < sizeof(name); length++) {
        memset(name, 'a', length);
        name[length] = '\0';
        ck_assert_int_eq(admits(home, name), length % 2 == 1);
    }
}
END_TEST

START_TEST(nobody_is_washed_clean)
{
    struct peer_key from = key_of("192.0.2.1");
    struct peer_key home = key_of("192.0.2.10");
    for (int i = 0; i < GUESSES_FREE + 5; i++)
        wrong(from, "acme");
    guesses_note(guesses, &home, "acme", true, now);
    /* Far more strangers than the table holds, each failing once. */
    for (unsigned i = 0; i < 40000; i++)
        wrong(numbered(i), "nobody");
    ck_assert(!admits(from, "acme"));
    ck_assert_int_eq(wrong(from, "acme"), GUESS_DELAY_MOST);
    for (int i = 0; i < GUESSES_FREE; i++)
        wrong(home, "acme");
    ck_assert(admits(home, "acme"));
}
END_TEST

/* A try that is not looked at is told later and later, and what goes on trying is remembered; but
 * it is no failure. */
START_TEST(what_is_not_looked_at)
{
    struct peer_key from = key_of("192.0.2.1"), clean = key_of("192.0.2.2");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(guesses_unseen(guesses, &clean, now), CLOCK_SECOND << i);
        ck_assert_uint_eq(guesses_rank(guesses, &clean, "acme", now), 1);
    }
    ck_assert_int_eq(wrong(from, "acme"), CLOCK_SECOND);
    static const int seconds[] = {2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30, 30};
    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        ck_assert_int_eq(guesses_unseen(guesses, &from, now), seconds[i] * CLOCK_SECOND);
        now += GUESS_FORGOTTEN - 1;
    }
    ck_assert_uint_eq(guesses_rank(guesses, &from, "acme", now), 2);
    ck_assert(admits(from, "acme"));
    now += 1;
    ck_assert_uint_eq(guesses_rank(guesses, &from, "acme", now), 1);
    ck_assert_int_eq(guesses_unseen(guesses, &from, now), GUESS_DELAY_FIRST);
    ck_assert_int_eq(wrong(from, "acme"), CLOCK_SECOND);
    ck_assert_int_eq(guesses_unseen(guesses, &from, now), 4 * CLOCK_SECOND); /* the third try */
}
END_TEST

static bool lets_in(struct peer_key from, unsigned inside)
{
    return guesses_let_in(guesses, &from, inside, now);
}

START_TEST(few_connections_for_who_guesses)
{
    struct peer_key from = key_of("192.0.2.1"), neighbour = key_of("192.0.2.2");
    for (int i = 0; i < 2 * GUESSES_FREE; i++) {
        ck_assert(lets_in(neighbour, 1000)); /* who has not failed may come */
        guesses_unseen(guesses, &neighbour, now);
    }
    now += GUESS_FORGOTTEN;
    wrong(from, "acme");
    for (int i = 0; i < GUESSES_FREE - 2; i++) {
        ck_assert(lets_in(from, 1000));
        guesses_unseen(guesses, &from, now);
    }
    ck_assert(lets_in(from, 1000));
    wrong(from, "acme");
    ck_assert(!lets_in(from, GUESSER_CONNECTIONS));
    ck_assert(lets_in(from, GUESSER_CONNECTIONS - 1));
    ck_assert(lets_in(neighbour, 1000));
    /* None before the answer that was not waited for. */
    guesses_fled(guesses, &from, now + 4 * CLOCK_SECOND, now);
    guesses_fled(guesses, &from, now + 2 * CLOCK_SECOND, now);
    now += 4 * CLOCK_SECOND - 1;
    ck_assert(!lets_in(from, 0));
    now += 1;
    ck_assert(lets_in(from, 0));
    /* Fleeing alone shuts nobody out. */
    wrong(neighbour, "acme");
    guesses_fled(guesses, &neighbour, now + GUESS_DELAY_MOST, now);
    ck_assert(lets_in(neighbour, 1000));
    now += 2 * GUESS_FORGOTTEN;
    ck_assert(lets_in(from, 1000));
}
END_TEST

START_TEST(where_somebody_is_at_home_all_may_come)
{
    struct peer_key office = key_of("192.0.2.1");
    for (int i = 0; i < 2 * GUESSES_FREE; i++)
        wrong(office, "acme");
    guesses_fled(guesses, &office, now + GUESS_DELAY_MOST, now);
    ck_assert(!lets_in(office, 0));
    guesses_note(guesses, &office, "beta", true, now);
    ck_assert(lets_in(office, 1000));
    /* The guesser there is as slow as before. */
    ck_assert(!admits(office, "acme"));
    ck_assert_int_eq(wrong(office, "acme"), GUESS_DELAY_MOST);
}
END_TEST

/* ---- credentials: what of it the helpers are given ---- */

static struct {
    struct loop *loop;
    struct workers *workers;
    struct peers *peers;
    struct guesses *guesses;
    struct credentials *credentials;
    char hash[CRYPT_OUTPUT_SIZE];
    unsigned right;
    unsigned wrong;
    char order[1024];
} desk;

static void desk_setup(void)
{
    struct error err;
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    static struct crypt_data scratch;
    memset(&desk, 0, sizeof(desk));
    ck_assert_ptr_nonnull(
        crypt_gensalt_rn("$y$", 1, "0123456789abcdef", 16, setting, sizeof(setting)));
    snprintf(desk.hash, sizeof(desk.hash), "%s", crypt_r("secret", setting, &scratch));
    ck_assert_int_eq(loop_new(0, &desk.loop, &err), RESULT_OK);
    ck_assert_int_eq(workers_new(1, 256, &desk.workers, &err), RESULT_OK);
    desk.peers = peers_new();
    ck_assert_int_eq(guesses_new(&desk.guesses, &err), RESULT_OK);
    ck_assert_int_eq(
        credentials_new(desk.workers, desk.peers, desk.guesses, &desk.credentials, &err),
        RESULT_OK);
}

static void desk_teardown(void)
{
    workers_free(&desk.workers);
    credentials_free(&desk.credentials);
    guesses_free(&desk.guesses);
    peers_free(&desk.peers);
    loop_free(&desk.loop);
}

static void on_checked(void *owner, struct ticket ticket, bool matches)
{
    (void)owner;
    (void)ticket;
    desk.right += matches;
    desk.wrong += !matches;
}

static bool check_one(const char *from, const char *account, const char *hash, const char *password)
{
    struct peer_key key = key_of(from);
    return credentials_check(desk.credentials, &key, account, hash, password, desk.loop, on_checked,
                             NULL, (struct ticket){0});
}

static void wait_answers(unsigned n)
{
    for (int i = 0; i < 20000 && desk.right + desk.wrong < n; i++) {
        loop_turn(desk.loop);
        usleep(1000);
    }
    ck_assert_uint_eq(desk.right + desk.wrong, n);
}

/* The helper stands still while this job runs, so that what comes meanwhile queues up. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;

static void stand_still(struct worker_job *job)
{
    (void)job;
    pthread_mutex_lock(&gate_lock);
    pthread_mutex_unlock(&gate_lock);
}

static void stood(struct loop_task *task)
{
    (void)task;
}

START_TEST(one_address_takes_few_helpers)
{
    static struct worker_job block = {.task.run = stood, .work = stand_still};
    block.home = desk.loop;
    pthread_mutex_lock(&gate_lock);
    ck_assert(workers_submit(desk.workers, &block));
    char guess[32];
    for (int i = 0; i < CREDENTIALS_AT_ONCE; i++) {
        snprintf(guess, sizeof(guess), "guess %d", i);
        ck_assert(
            check_one("192.0.2.1", i % 2 ? "acme" : "nobody", i % 2 ? desk.hash : NULL, guess));
    }
    ck_assert(!check_one("192.0.2.1", "acme", desk.hash, "one more"));
    /* The same question is one question, right or wrong; and others are not held. */
    for (int i = 0; i < 100; i++)
        ck_assert(check_one("192.0.2.1", "acme", desk.hash, "guess 1"));
    for (int i = 0; i < 200; i++)
        ck_assert(check_one("192.0.2.2", "acme", desk.hash, "secret"));
    pthread_mutex_unlock(&gate_lock);
    wait_answers(CREDENTIALS_AT_ONCE + 300);
    ck_assert_uint_eq(desk.right, 200);
    struct peer_key key = key_of("192.0.2.1");
    ck_assert_uint_eq(peers_count(desk.peers, PEER_HASHING, &key, sizeof(key)), 0);
    ck_assert(check_one("192.0.2.1", "acme", desk.hash, "one more"));
    wait_answers(CREDENTIALS_AT_ONCE + 301);
    /* Known by now: it does not take a helper. */
    ck_assert(check_one("192.0.2.3", "acme", desk.hash, "secret"));
    ck_assert_uint_eq(desk.right, 201);
}
END_TEST

START_TEST(full_helpers_take_nothing)
{
    static struct worker_job block = {.task.run = stood, .work = stand_still};
    block.home = desk.loop;
    pthread_mutex_lock(&gate_lock);
    ck_assert(workers_submit(desk.workers, &block));
    char from[32];
    unsigned taken = 0;
    for (int i = 0; i < 200; i++) {
        snprintf(from, sizeof(from), "10.0.0.%d", i);
        taken += check_one(from, "acme", desk.hash, from);
    }
    /* Half of it is kept for where accounts have logged in before; the job that stands still may
     * not have been taken up yet. */
    ck_assert_uint_ge(taken, 127);
    ck_assert_uint_lt(taken, 136);
    struct peer_key key = key_of("10.0.0.199");
    ck_assert_uint_eq(peers_count(desk.peers, PEER_HASHING, &key, sizeof(key)), 0);
    pthread_mutex_unlock(&gate_lock);
    wait_answers(taken);
    ck_assert_uint_eq(desk.wrong, taken);
}
END_TEST

static void on_named(void *owner, struct ticket ticket, bool matches)
{
    (void)ticket;
    (void)matches;
    snprintf(desk.order + strlen(desk.order), sizeof(desk.order) - strlen(desk.order), "%s ",
             (const char *)owner);
}

/* Asks, and later writes down that it was answered. */
static bool ask(const char *from, const char *account, const char *word)
{
    struct peer_key key = key_of(from);
    return credentials_check(desk.credentials, &key, account, desk.hash, word, desk.loop, on_named,
                             (void *)(uintptr_t)word, (struct ticket){0});
}

/* How long it takes, one after the other; of another account each time: what was verified is known.
 */
static int64_t hashing_of(unsigned times, const char *hash, const char *word)
{
    int64_t began = clock_monotonic();
    unsigned before = desk.right + desk.wrong;
    for (unsigned i = 0; i < times; i++) {
        char account[32];
        snprintf(account, sizeof(account), "a%u", i);
        ck_assert(check_one("192.0.2.1", account, hash, word));
        wait_answers(before + i + 1);
    }
    return clock_monotonic() - began;
}

/* Wrong passwords do not keep the helpers busy. */
START_TEST(helpers_rest_after_guesses)
{
    static struct crypt_data scratch;
    char setting[CRYPT_GENSALT_OUTPUT_SIZE], hash[CRYPT_OUTPUT_SIZE];
    struct timespec from, to;
    ck_assert_ptr_nonnull(
        crypt_gensalt_rn("$y$", 5, "0123456789abcdef", 16, setting, sizeof(setting)));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    snprintf(hash, sizeof(hash), "%s", crypt_r("secret", setting, &scratch));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    int64_t one = (to.tv_sec - from.tv_sec) * CLOCK_SECOND + (to.tv_nsec - from.tv_nsec) / 1000;
    ck_assert_int_ge(hashing_of(10, hash, "guess"), 10 * 4 * one);
}
END_TEST

/* Guesses of many addresses wait: who has failed least is looked at first, who is at home before
 * everybody else, and there is room for them however many guess. */
START_TEST(who_has_failed_waits)
{
    static struct worker_job block = {.task.run = stood, .work = stand_still};
    struct peer_key home = key_of("192.0.2.9"), guesser = key_of("192.0.2.66");
    int64_t at = clock_monotonic();
    guesses_note(desk.guesses, &home, "acme", true, at);
    for (int i = 0; i < 3; i++)
        guesses_note(desk.guesses, &guesser, "acme", false, at);
    block.home = desk.loop;
    pthread_mutex_lock(&gate_lock);
    ck_assert(workers_submit(desk.workers, &block));
    ck_assert(ask("192.0.2.66", "acme", "guesser"));
    ck_assert(ask("192.0.2.1", "acme", "clean"));
    ck_assert(ask("192.0.2.1", "acme", "again"));
    ck_assert(ask("192.0.2.2", "acme", "other"));
    ck_assert(ask("192.0.2.9", "acme", "home"));
    ck_assert(ask("192.0.2.9", "acme", "home")); /* the same question: answered with it */
    char from[32], word[100][16];
    unsigned taken = 0;
    for (int i = 0; i < 100; i++) {
        snprintf(from, sizeof(from), "10.0.1.%d", i / 10);
        snprintf(word[i], sizeof(word[i]), "g%d", i);
        taken += ask(from, "acme", word[i]);
    }
    ck_assert_uint_lt(taken, 100);
    ck_assert(ask("192.0.2.9", "acme", "more"));
    pthread_mutex_unlock(&gate_lock);
    for (int i = 0; i < 20000 && strstr(desk.order, "guesser") == NULL; i++) {
        loop_turn(desk.loop);
        usleep(1000);
    }
    ck_assert_msg(strncmp(desk.order, "home home more ", 15) == 0, "%s", desk.order);
    ck_assert_ptr_nonnull(strstr(desk.order, "guesser"));
    ck_assert(strstr(desk.order, "other") < strstr(desk.order, "clean")); /* the last comes first */
    ck_assert(strstr(desk.order, "again") > strstr(desk.order, "clean"));
    ck_assert(strstr(desk.order, "again") < strstr(desk.order, "guesser"));
}
END_TEST

static void await_order(const char *word)
{
    for (int i = 0; i < 20000 && strstr(desk.order, word) == NULL; i++) {
        loop_turn(desk.loop);
        usleep(1000);
    }
    ck_assert_msg(strstr(desk.order, word) != NULL, "%s in %s", word, desk.order);
}

static void fail_before(const char *from, int times)
{
    struct peer_key key = key_of(from);
    for (int i = 0; i < times; i++)
        guesses_note(desk.guesses, &key, "acme", false, clock_monotonic());
}

/* However free the helpers are: who has failed again and again is looked at one password at a time
 * and seldom, and who comes meanwhile does not wait for that. */
START_TEST(helpers_are_slow_for_guessers)
{
    static struct worker_job block = {.task.run = stood, .work = stand_still};
    fail_before("192.0.2.66", 2);
    block.home = desk.loop;
    pthread_mutex_lock(&gate_lock); /* nothing is looked at between the two */
    ck_assert(workers_submit(desk.workers, &block));
    ck_assert(ask("192.0.2.66", "acme", "one"));
    ck_assert(!ask("192.0.2.66", "acme", "more"));
    pthread_mutex_unlock(&gate_lock);
    await_order("one");
    /* As long as this would last, but for the end. */
    workers_rest(desk.workers, 3, 60 * CLOCK_SECOND);
    ck_assert(ask("192.0.2.66", "acme", "two"));
    ck_assert(ask("192.0.2.1", "acme", "clean"));
    await_order("clean");
    usleep(20000);
    loop_turn(desk.loop);
    ck_assert_str_eq(desk.order, "one clean ");
    credentials_hurry(desk.credentials);
    await_order("two");
}
END_TEST

/* The rest after a wrong password is the longer the less is thought of who waits. */
START_TEST(rests_are_longer_for_guessers)
{
    static struct crypt_data scratch;
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct timespec from, to;
    ck_assert_ptr_nonnull(
        crypt_gensalt_rn("$y$", 5, "0123456789abcdef", 16, setting, sizeof(setting)));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    snprintf(desk.hash, sizeof(desk.hash), "%s", crypt_r("secret", setting, &scratch));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    int64_t one = (to.tv_sec - from.tv_sec) * CLOCK_SECOND + (to.tv_nsec - from.tv_nsec) / 1000;
    int64_t began = clock_monotonic();
    fail_before("192.0.2.66", 2);
    ck_assert(ask("192.0.2.66", "acme", "one"));
    await_order("one");
    ck_assert(ask("192.0.2.66", "acme", "two"));
    await_order("two");
    ck_assert_int_ge(clock_monotonic() - began, 30 * one);
}
END_TEST

/* The end of a gateway does not wait for anybody's rest. */
START_TEST(hurry_ends_all_rests)
{
    workers_rest(desk.workers, 1, 3600 * CLOCK_SECOND);
    ck_assert(check_one("192.0.2.1", "acme", desk.hash, "guess"));
    usleep(50000);
    loop_turn(desk.loop);
    ck_assert_uint_eq(desk.wrong, 0);
    credentials_hurry(desk.credentials);
    wait_answers(1);
    workers_rest(desk.workers, 1, 3600 * CLOCK_SECOND); /* as the wrong one does */
    ck_assert(check_one("192.0.2.1", "acme", desk.hash, "another"));
    wait_answers(2);
}
END_TEST

/* Nobody waits: nothing is hashed, but for who asked the same and does wait. */
START_TEST(nothing_is_hashed_for_nobody)
{
    static struct worker_job block = {.task.run = stood, .work = stand_still};
    struct peer_key key = key_of("192.0.2.1");
    struct ticket gone = {.slot = 1, .generation = 1}, here = {.slot = 2, .generation = 1};
    block.home = desk.loop;
    pthread_mutex_lock(&gate_lock);
    ck_assert(workers_submit(desk.workers, &block));
    ck_assert(credentials_check(desk.credentials, &key, "acme", desk.hash, "secret", desk.loop,
                                on_checked, NULL, gone));
    ck_assert(credentials_check(desk.credentials, &key, "beta", desk.hash, "secret", desk.loop,
                                on_checked, NULL, gone));
    ck_assert(credentials_check(desk.credentials, &key, "beta", desk.hash, "secret", desk.loop,
                                on_checked, NULL, here));
    credentials_abandon(desk.credentials, NULL, gone);
    credentials_abandon(desk.credentials, &key, here); /* somebody else's */
    pthread_mutex_unlock(&gate_lock);
    wait_answers(3);
    ck_assert_uint_eq(desk.right, 2); /* both of the same question */
    /* What was hashed is known. */
    ck_assert(check_one("192.0.2.1", "beta", desk.hash, "secret"));
    ck_assert_uint_eq(desk.right, 3);
    ck_assert(check_one("192.0.2.1", "acme", desk.hash, "secret"));
    ck_assert_uint_eq(desk.right, 3);
    wait_answers(5);
    ck_assert_uint_eq(desk.right, 4);
}
END_TEST

/* ---- the rest ---- */

START_TEST(descriptors_are_shared)
{
    /* limit, the gateway's own, providers' connections; 24 are always set aside */
    ck_assert_uint_eq(descriptors_share(20000, 40, 64), 20000 - 40 - 24 - 64);
    ck_assert_uint_eq(descriptors_share(1024, 40, 900), 480);
    ck_assert_uint_eq(descriptors_share(100, 40, 32), 18);
    ck_assert_uint_eq(descriptors_share(65, 40, 32), 1);
    ck_assert_uint_eq(descriptors_share(10, 40, 32), 1);
    ck_assert_uint_eq(descriptors_share(UINT64_MAX, 40, 32), UINT32_MAX);
    unsigned before = descriptors_open();
    int fd = dup(0);
    ck_assert_int_ge(fd, 0);
    ck_assert_uint_eq(descriptors_open(), before + 1);
    close(fd);
}
END_TEST

/* Loops that share a reserve, each with its crowd; all are told, whoever gets what comes free. */
#define CROWD     150
#define ACCEPTERS 3

/* While one lends the reserve to itself the others get their chance to take it. */
static _Thread_local bool lending;

/* In the place of the C library's. */
int accept4(int fd, __SOCKADDR_ARG peer, socklen_t *restrict length, int flags)
{
    int (*real)(int, __SOCKADDR_ARG, socklen_t *, int) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "accept4");
    if (lending)
        usleep(200);
    return real(fd, peer, length, flags);
}

struct accepter {
    struct reserve *reserve;
    int listening;
    unsigned kept, refused;
    pthread_t thread;
};

static void *accept_crowd(void *arg)
{
    struct accepter *accepter = arg;
    int64_t guard = clock_monotonic() + 20 * CLOCK_SECOND;
    while (accepter->kept + accepter->refused < CROWD && clock_monotonic() < guard) {
        struct sockaddr_storage peer;
        int fd = accept4(accepter->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0 && reserve_allows(accepter->reserve)) {
            accepter->kept++;
            continue;
        }
        lending = true;
        if (fd < 0)
            fd = reserve_accept(accepter->reserve, accepter->listening, &peer);
        lending = false;
        if (fd < 0)
            continue;
        close(fd);
        reserve_return(accepter->reserve);
        accepter->refused++;
    }
    return NULL;
}

static int listen_somewhere(struct sockaddr_in *address)
{
    socklen_t length = sizeof(*address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(bind(fd, (struct sockaddr *)address, length), 0);
    ck_assert_int_eq(listen(fd, CROWD), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &length), 0);
    return fd;
}

START_TEST(loops_share_the_reserve)
{
    struct reserve *reserve = reserve_new();
    struct accepter accepters[ACCEPTERS];
    struct rlimit limit, before;
    unsigned kept = 0;
    int highest = 0;
    ck_assert_ptr_nonnull(reserve);
    for (unsigned i = 0; i < ACCEPTERS; i++) {
        struct sockaddr_in address;
        accepters[i] = (struct accepter){reserve, listen_somewhere(&address), 0, 0, 0};
        for (unsigned j = 0; j < CROWD; j++) {
            highest = socket(AF_INET, SOCK_STREAM, 0);
            ck_assert_int_eq(connect(highest, (struct sockaddr *)&address, sizeof(address)), 0);
        }
    }
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)highest + 1 + 4;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (unsigned i = 0; i < ACCEPTERS; i++)
        pthread_create(&accepters[i].thread, NULL, accept_crowd, &accepters[i]);
    for (unsigned i = 0; i < ACCEPTERS; i++)
        pthread_join(accepters[i].thread, NULL);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (unsigned i = 0; i < ACCEPTERS; i++) {
        ck_assert_uint_eq(accepters[i].kept + accepters[i].refused, CROWD);
        kept += accepters[i].kept;
    }
    ck_assert_uint_eq(kept, 4);
    reserve_free(&reserve);
    ck_assert_ptr_null(reserve);
}
END_TEST

static size_t lines_written(const char *path, char *last, size_t size)
{
    FILE *file = fopen(path, "r");
    char line[512];
    size_t lines = 0;
    ck_assert_ptr_nonnull(file);
    for (; fgets(line, sizeof(line), file) != NULL; lines++)
        snprintf(last, size, "%s", line);
    fclose(file);
    return lines;
}

START_TEST(refusals_do_not_flood)
{
    static struct refusals refusals;
    char path[] = "/tmp/octroi-refusals-XXXXXX";
    char last[512] = "";
    int fd = mkstemp(path);
    int before = dup(STDERR_FILENO);
    ck_assert(fd >= 0 && before >= 0);
    fflush(stderr);
    ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
    for (int i = 0; i < 1000; i++)
        refusals_add(&refusals, REFUSAL_ADDRESS, NULL, "192.0.2.1", "submission");
    usleep(1100 * 1000);
    refusals_tick(&refusals);
    refusals_tick(&refusals);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    close(fd);
    size_t lines = lines_written(path, last, sizeof(last));
    unlink(path);
    ck_assert_uint_eq(atomic_load(&refusals.kinds[REFUSAL_ADDRESS].count), 1000);
    /* Two a second, in two seconds at most, and the sum of the others. */
    ck_assert_uint_ge(lines, 3);
    ck_assert_uint_le(lines, 5);
    ck_assert_ptr_nonnull(strstr(last, "more=99"));
    for (int i = 0; i < REFUSAL_COUNT; i++)
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(refusal_name((enum refusal)i), refusal_name((enum refusal)j));
}
END_TEST

Suite *fence_suite(void)
{
    const TTest *const plain[] = {who_counts_as_one,
                                  connections_are_counted,
                                  lanes_share_the_count,
                                  descriptors_are_shared,
                                  loops_share_the_reserve,
                                  refusals_do_not_flood,
                                  NULL};
    Suite *suite = unit_suite("fence", plain);
    TCase *cases = tcase_create("guesses");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, guesses_setup, guesses_teardown);
    tcase_add_test(cases, delays_double);
    tcase_add_test(cases, failures_are_forgotten);
    tcase_add_test(cases, no_account_is_locked_out);
    tcase_add_test(cases, guesser_at_home);
    tcase_add_test(cases, long_and_short_names);
    tcase_add_test(cases, nobody_is_washed_clean);
    tcase_add_test(cases, what_is_not_looked_at);
    tcase_add_test(cases, few_connections_for_who_guesses);
    tcase_add_test(cases, where_somebody_is_at_home_all_may_come);
    suite_add_tcase(suite, cases);
    cases = tcase_create("credentials");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, desk_setup, desk_teardown);
    tcase_add_test(cases, one_address_takes_few_helpers);
    tcase_add_test(cases, full_helpers_take_nothing);
    tcase_add_test(cases, who_has_failed_waits);
    tcase_add_test(cases, helpers_rest_after_guesses);
    tcase_add_test(cases, helpers_are_slow_for_guessers);
    tcase_add_test(cases, rests_are_longer_for_guessers);
    tcase_add_test(cases, hurry_ends_all_rests);
    tcase_add_test(cases, nothing_is_hashed_for_nobody);
    suite_add_tcase(suite, cases);
    return suite;
}
