/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdicts REGISTRY KEY COUNT ROUNDS: what one verdict costs, as a session comes by it: from the
 * address as it was written, over the recipient's key (under the gateway's, in the file KEY) and
 * the look-up in a read transaction of its own, to the judgement. Asks about COUNT people of the
 * registry, evenly spread over those that registry.py made, in an order that has nothing to do with
 * where they lie, ROUNDS times. Prints a line a round: the nanoseconds of a verdict, and those of
 * look-up and judgement alone. A verdict that does not pass is an error.
 */
#include "base/clock.h"
#include "base/file.h"
#include "policy/judge.h"
#include "store/registry_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct person {
    char address[64];
    uint8_t key[RECIPIENT_KEY_BYTES];
};

struct bench {
    struct registry *registry;
    struct hmac *hmac;
    struct person *people;
    size_t count;
    struct question question;
    struct error *err;
};

static int fail(const struct error *err)
{
    fprintf(stderr, "verdicts: %s\n", err->text);
    return EXIT_FAILURE;
}

/* As registry.py names them: the Nth event is about person N - 1. */
static enum result name_people(struct bench *bench)
{
    uint64_t events = 0;
    enum result result =
        registry_count(bench->registry, "SELECT max(event_id) FROM event", &events, bench->err);
    for (size_t i = 0; result == RESULT_OK && i < bench->count; i++) {
        struct address address;
        uint64_t number = i * events / bench->count;
        snprintf(bench->people[i].address, sizeof(bench->people[i].address),
                 "person%" PRIu64 "@example%" PRIu64 ".org", number, number % 997);
        result = address_parse_email(bench->people[i].address, &address, bench->err);
        if (result == RESULT_OK)
            result = recipient_make_key(bench->hmac, &address, bench->people[i].key, bench->err);
    }
    return result;
}

static enum result ask(struct bench *bench, const uint8_t *key)
{
    const struct facts *facts = NULL;
    struct judgement judgement;
    enum result result =
        registry_facts(bench->registry, key, bench->question.partner->id, NULL, &facts, bench->err);
    if (result != RESULT_OK)
        return result;
    policy_judge(&bench->question, facts, &judgement, NULL);
    return judgement.verdict == VERDICT_PASS
               ? RESULT_OK
               : error_set(bench->err, RESULT_CONFLICT, "a verdict was %s",
                           reason_name(judgement.reason));
}

static enum result ask_from_address(struct bench *bench, const struct person *person)
{
    struct address address;
    struct recipient recipient;
    enum result result = address_parse_email(person->address, &address, bench->err);
    if (result == RESULT_OK)
        result = recipient_make(bench->hmac, &address, &recipient, bench->err);
    return result == RESULT_OK ? ask(bench, recipient.key) : result;
}

static double nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static enum result measure(struct bench *bench, unsigned rounds)
{
    struct channel_policy policy;
    const struct partner partner = {.id = "acme", .name = "ACME", .siren = ""};
    enum result result = RESULT_OK;
    channel_policy_default(CHANNEL_EMAIL, &policy);
    bench->question = (struct question){.partner = &partner,
                                        .channel = CHANNEL_EMAIL,
                                        .purpose = PURPOSE_RECEIPT,
                                        .now = clock_now(),
                                        .policy = &policy};
    for (unsigned round = 0; round <= rounds && result == RESULT_OK; round++) {
        double began = nanoseconds();
        for (size_t i = 0; i < bench->count && result == RESULT_OK; i++)
            result = ask_from_address(bench, &bench->people[i]);
        double between = nanoseconds();
        for (size_t i = 0; i < bench->count && result == RESULT_OK; i++)
            result = ask(bench, bench->people[i].key);
        double ended = nanoseconds();
        if (round > 0 && result == RESULT_OK) /* the first warms */
            printf("%.0f %.0f\n", (between - began) / (double)bench->count,
                   (ended - between) / (double)bench->count);
    }
    return result;
}

static enum result read_key(const char *path, struct hmac **hmac_out, struct error *err)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    struct strbuf text = {0};
    enum result result = file_read_secret(path, &text, err);
    if (result == RESULT_OK && !hex_decode(text.data, text.length, key, sizeof(key)))
        result = error_set(err, RESULT_BAD_INPUT, "%s holds no key", path);
    strbuf_free(&text);
    *hmac_out = result == RESULT_OK ? hmac_new(key, sizeof(key)) : NULL;
    return result == RESULT_OK && *hmac_out == NULL ? error_no_memory(err) : result;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct bench bench = {.err = &err};
    if (argc != 5) {
        fputs("usage: verdicts REGISTRY KEY COUNT ROUNDS\n", stderr);
        return 2;
    }
    bench.count = strtoul(argv[3], NULL, 10);
    bench.people = calloc(bench.count, sizeof(*bench.people));
    if (bench.people == NULL)
        return EXIT_FAILURE;
    enum result result = registry_open_reader(argv[1], &bench.registry, &err);
    if (result == RESULT_OK)
        result = read_key(argv[2], &bench.hmac, &err);
    if (result == RESULT_OK)
        result = name_people(&bench);
    if (result == RESULT_OK)
        result = measure(&bench, (unsigned)strtoul(argv[4], NULL, 10));
    registry_close(&bench.registry);
    hmac_free(&bench.hmac);
    free(bench.people);
    return result == RESULT_OK ? EXIT_SUCCESS : fail(&err);
}
