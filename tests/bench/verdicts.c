/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdicts REGISTRY COUNT ROUNDS: what one verdict costs, from the recipient's key to the reason:
 * the look-up in a read transaction of its own and the judgement, as a session does it. Asks about
 * COUNT people of the registry in an order that is as good as random, ROUNDS times, and prints the
 * nanoseconds a verdict of each round, one a line. A verdict that does not pass is an error.
 */
#include "base/clock.h"
#include "policy/judge.h"
#include "store/registry_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct keys {
    uint8_t (*all)[RECIPIENT_KEY_BYTES];
    size_t count;
};

static int fail(const struct error *err)
{
    fprintf(stderr, "verdicts: %s\n", err->text);
    return EXIT_FAILURE;
}

/* The people of evenly spread events: their keys are hashes, so that their order in the table that
 * is looked up has nothing to do with the order they are asked in. */
static enum result read_keys(struct registry *registry, struct keys *keys, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    uint64_t events = 0;
    size_t found = 0;
    enum result result = registry_count(registry, "SELECT max(event_id) FROM event", &events, err);
    if (result == RESULT_OK)
        result = sql_prepare(registry->db, "SELECT recipient_key FROM event WHERE event_id = ?1",
                             &statement, err);
    for (size_t i = 0; result == RESULT_OK && i < keys->count; i++) {
        bool row;
        sqlite3_bind_int64(statement, 1, (int64_t)(1 + i * events / keys->count));
        result = registry_step(registry, statement, &row, err);
        if (result == RESULT_OK && row)
            memcpy(keys->all[found++], sqlite3_column_blob(statement, 0), RECIPIENT_KEY_BYTES);
        registry_done(statement);
    }
    sqlite3_finalize(statement);
    keys->count = found;
    return result;
}

static enum result ask(struct registry *registry, const struct question *question,
                       const uint8_t *key, struct error *err)
{
    const struct facts *facts = NULL;
    struct judgement judgement;
    enum result result = registry_facts(registry, key, question->partner->id, NULL, &facts, err);
    if (result != RESULT_OK)
        return result;
    policy_judge(question, facts, &judgement, NULL);
    return judgement.verdict == VERDICT_PASS
               ? RESULT_OK
               : error_set(err, RESULT_CONFLICT, "a verdict was %s", reason_name(judgement.reason));
}

static enum result measure(struct registry *registry, const struct keys *keys, unsigned rounds,
                           struct error *err)
{
    struct channel_policy policy;
    const struct partner partner = {.id = "acme", .name = "ACME", .siren = ""};
    enum result result = RESULT_OK;
    channel_policy_default(CHANNEL_EMAIL, &policy);
    const struct question question = {.partner = &partner,
                                      .channel = CHANNEL_EMAIL,
                                      .purpose = PURPOSE_RECEIPT,
                                      .now = clock_now(),
                                      .policy = &policy};
    for (unsigned round = 0; round <= rounds && result == RESULT_OK; round++) {
        struct timespec began, ended;
        clock_gettime(CLOCK_MONOTONIC, &began);
        for (size_t i = 0; i < keys->count && result == RESULT_OK; i++)
            result = ask(registry, &question, keys->all[i], err);
        clock_gettime(CLOCK_MONOTONIC, &ended);
        double ns =
            (double)(ended.tv_sec - began.tv_sec) * 1e9 + (double)(ended.tv_nsec - began.tv_nsec);
        if (round > 0 && result == RESULT_OK) /* the first warms */
            printf("%.0f\n", ns / (double)keys->count);
    }
    return result;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct registry *registry = NULL;
    struct keys keys = {0};
    if (argc != 4) {
        fputs("usage: verdicts REGISTRY COUNT ROUNDS\n", stderr);
        return 2;
    }
    keys.count = strtoul(argv[2], NULL, 10);
    keys.all = calloc(keys.count, sizeof(*keys.all));
    if (keys.all == NULL)
        return EXIT_FAILURE;
    enum result result = registry_open_reader(argv[1], &registry, &err);
    if (result == RESULT_OK)
        result = read_keys(registry, &keys, &err);
    if (result == RESULT_OK)
        result = measure(registry, &keys, (unsigned)strtoul(argv[3], NULL, 10), &err);
    registry_close(&registry);
    free(keys.all);
    return result == RESULT_OK ? EXIT_SUCCESS : fail(&err);
}
