/* SPDX-License-Identifier: Apache-2.0 */
/* Retention of the registry: what is erased and counted, what the chain says afterwards, and that
 * what was erased does not come back by the next import. */
#include "store/registry_purge.h"

#include "store/notices.h"
#include "tests/unit/test_registry.h"

static const struct retention_periods periods = {
    .consent = {.months = 36}, .proof = {.months = 60}, .opposition = {.months = 36}};

static void form(struct bench *bench)
{
    ck_assert_int_eq(put_form(bench->registry, "jeu-ete", 1, "2000-01-01T00:00:00Z", "\"acme\"", "",
                              &bench->err),
                     RESULT_OK);
}

static void put_kind(struct bench *bench, uint8_t who, enum event_kind kind, const char *when)
{
    struct event_input event = grant(who, 1, when);
    event.kind = kind;
    ck_assert_uint_eq(put(bench->registry, &event), 1);
}

static struct registry_purge_counts purge(struct bench *bench, bool erases)
{
    struct registry_purge_counts counts;
    enum result result = registry_purge(bench->registry, &periods, at(NOW), erases, NULL, NULL,
                                        &counts, &bench->err);
    ck_assert_msg(result == RESULT_OK, "%s", bench->err.text);
    return counts;
}

static uint64_t erased(struct bench *bench)
{
    struct registry_report report;
    enum result result = registry_check(bench->registry, NULL, NULL, &report, &bench->err);
    ck_assert_msg(result == RESULT_OK, "%s", report.where);
    return report.erased;
}

static bool count_row(void *arg, const struct event_row *row)
{
    (void)row;
    ++*(unsigned *)arg;
    return true;
}

static unsigned events_of(struct bench *bench, uint8_t who)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    unsigned count = 0;
    memset(key, who, sizeof(key));
    ck_assert_int_eq(registry_events(bench->registry, key, count_row, &count, &bench->err),
                     RESULT_OK);
    return count;
}

/* NOW is 1 June 2026. */
static void four_persons(struct bench *bench)
{
    form(bench);
    put_kind(bench, 1, EVENT_GIVEN, "2015-01-01T00:00:00Z"); /* ended 2018, proof until 2023 */
    put_kind(bench, 1, EVENT_ACTIVE, "2014-01-01T00:00:00Z");
    put_kind(bench, 2, EVENT_GIVEN, "2022-01-01T00:00:00Z"); /* ended 2025, kept as proof */
    put_kind(bench, 3, EVENT_GIVEN, "2025-01-01T00:00:00Z"); /* stands */
    put_kind(bench, 3, EVENT_OBJECTED, "2020-01-01T00:00:00Z");
    put_kind(bench, 4, EVENT_GIVEN, "2018-01-01T00:00:00Z"); /* ended by the next, erased 2025 */
    put_kind(bench, 4, EVENT_WITHDRAWN, "2020-05-01T00:00:00Z");
}

START_TEST(counts_then_erases_the_same)
{
    struct bench bench;
    bench_open(&bench);
    four_persons(&bench);
    for (int erases = 0; erases < 2; erases++) {
        struct registry_purge_counts counts = purge(&bench, erases);
        ck_assert_uint_eq(counts.persons, 2);
        ck_assert_uint_eq(counts.ended.persons, 1);
        ck_assert_uint_eq(counts.ended.events, 1);
        ck_assert_int_eq(counts.ended.oldest, at("2022-01-01T00:00:00Z"));
        ck_assert_uint_eq(counts.proofs.persons, 2);
        ck_assert_uint_eq(counts.proofs.events, 3);
        ck_assert_int_eq(counts.proofs.oldest, at("2014-01-01T00:00:00Z"));
        ck_assert_uint_eq(counts.oppositions.persons, 1);
        ck_assert_uint_eq(counts.oppositions.events, 1);
        ck_assert_int_eq(counts.oppositions.oldest, at("2020-05-01T00:00:00Z"));
        ck_assert_uint_eq(erased(&bench), erases ? 4 : 0);
    }
    ck_assert_uint_eq(events_of(&bench, 1), 0);
    ck_assert_uint_eq(events_of(&bench, 2), 1);
    ck_assert_uint_eq(events_of(&bench, 3), 2);
    ck_assert_uint_eq(events_of(&bench, 4), 0);
    struct registry_purge_counts counts = purge(&bench, true);
    ck_assert_uint_eq(counts.persons, 0);
    ck_assert_uint_eq(counts.ended.persons, 1);
    /* The chain goes on behind erased events. */
    put_kind(&bench, 5, EVENT_GIVEN, "2026-01-01T00:00:00Z");
    ck_assert_uint_eq(erased(&bench), 4);
    bench_close(&bench);
}
END_TEST

static enum result add_at(struct bench *bench, uint8_t who, enum event_kind kind, const char *when,
                          unsigned *added)
{
    struct event_input event = grant(who, 1, when);
    event.kind = kind;
    return registry_add_event(bench->registry, &event, at(NOW), added, &bench->err);
}

START_TEST(what_was_erased_does_not_come_back)
{
    struct bench bench;
    unsigned added;
    bench_open(&bench);
    four_persons(&bench);
    /* Before, an old grant is taken. */
    put_kind(&bench, 6, EVENT_GIVEN, "2019-01-01T00:00:00Z");
    purge(&bench, true);
    /* The grant whose withdrawal is gone; and one of anybody up to then. */
    ck_assert_int_eq(add_at(&bench, 4, EVENT_GIVEN, "2018-01-01T00:00:00Z", &added),
                     RESULT_BAD_INPUT);
    ck_assert_ptr_nonnull(strstr(bench.err.text, "2018-01-01"));
    ck_assert_ptr_nonnull(strstr(bench.err.text, "2020-05-01"));
    ck_assert_str_eq(bench.registry->refused, "occurred_at");
    ck_assert_int_eq(add_at(&bench, 7, EVENT_RENEWED, "2020-05-01T00:00:00Z", &added),
                     RESULT_BAD_INPUT);
    struct event_input event = grant(7, 1, "2020-05-01T00:00:00Z");
    ck_assert_int_eq(registry_check_event(bench.registry, &event, at(NOW), &added, &bench.err),
                     RESULT_BAD_INPUT);
    ck_assert_uint_eq(events_of(&bench, 7), 0);
    /* Just outside; what is on record; what closes. */
    ck_assert_int_eq(add_at(&bench, 7, EVENT_GIVEN, "2020-05-01T00:00:01Z", &added), RESULT_OK);
    ck_assert_uint_eq(added, 1);
    ck_assert_int_eq(add_at(&bench, 6, EVENT_GIVEN, "2019-01-01T00:00:00Z", &added), RESULT_OK);
    ck_assert_uint_eq(added, 0);
    ck_assert_int_eq(add_at(&bench, 4, EVENT_WITHDRAWN, "2010-01-01T00:00:00Z", &added), RESULT_OK);
    ck_assert_uint_eq(added, 1);
    /* An older horizon never takes the place of a later one. */
    purge(&bench, true);
    ck_assert_int_eq(add_at(&bench, 7, EVENT_GIVEN, "2020-05-01T00:00:00Z", &added),
                     RESULT_BAD_INPUT);
    /* Of two channels, one on record: nothing of it is taken. */
    event = grant(6, 1, "2019-01-01T00:00:00Z");
    event.address_kind = ADDRESS_PHONE;
    event.channels = CHANNEL_BIT(CHANNEL_SMS) | CHANNEL_BIT(CHANNEL_CALL);
    ck_assert_int_eq(registry_add_event(bench.registry, &event, at(NOW), &added, &bench.err),
                     RESULT_BAD_INPUT);
    bench_close(&bench);
}
END_TEST

struct meddler {
    struct bench *bench;
    struct registry *other;
    bool done;
};

/* Another process: the person comes back between the look and the erasure. */
static void come_back(void *arg, uint64_t done, uint64_t total)
{
    struct meddler *meddler = arg;
    struct event_input event = grant(4, 1, "2026-05-01T00:00:00Z");
    unsigned added;
    ck_assert_uint_le(done, total);
    if (meddler->done || done < total)
        return;
    meddler->done = true;
    ck_assert_int_eq(
        registry_add_event(meddler->other, &event, at(NOW), &added, &meddler->bench->err),
        RESULT_OK);
}

START_TEST(who_comes_back_meanwhile_keeps_her_no)
{
    struct bench bench;
    struct meddler meddler = {.bench = &bench};
    struct registry_purge_counts counts;
    bench_open(&bench);
    four_persons(&bench);
    ck_assert_int_eq(registry_open(bench.path, false, &meddler.other, &bench.err), RESULT_OK);
    ck_assert_int_eq(registry_purge(bench.registry, &periods, at(NOW), true, come_back, &meddler,
                                    &counts, &bench.err),
                     RESULT_OK);
    ck_assert(meddler.done);
    ck_assert_uint_eq(counts.oppositions.events, 0);
    ck_assert_uint_eq(counts.proofs.events, 3);
    ck_assert_uint_eq(events_of(&bench, 4), 2);
    registry_close(&meddler.other);
    bench_close(&bench);
}
END_TEST

/* More persons than are noted at once. */
START_TEST(a_crowd)
{
    struct bench bench;
    enum { PERSONS = 1500 };
    bench_open(&bench);
    form(&bench);
    ck_assert_int_eq(registry_begin(bench.registry, &bench.err), RESULT_OK);
    for (unsigned i = 0; i < PERSONS; i++) {
        struct event_input event =
            grant(9, 1, i % 3 == 0 ? "2025-01-01T00:00:00Z" : "2010-01-01T00:00:00Z");
        event.recipient_key[0] = (uint8_t)(i >> 8);
        event.recipient_key[1] = (uint8_t)i;
        put(bench.registry, &event);
        event.kind = EVENT_ACTIVE;
        put(bench.registry, &event);
    }
    ck_assert_int_eq(registry_commit(bench.registry, &bench.err), RESULT_OK);
    ck_assert_uint_eq(purge(&bench, false).persons, PERSONS / 3 * 2);
    struct registry_purge_counts counts = purge(&bench, true);
    ck_assert_uint_eq(counts.persons, PERSONS / 3 * 2);
    ck_assert_uint_eq(counts.proofs.events, PERSONS / 3 * 4);
    ck_assert_uint_eq(erased(&bench), PERSONS / 3 * 4);
    ck_assert_uint_eq(purge(&bench, true).persons, 0);
    bench_close(&bench);
}
END_TEST

static void call(struct bench *bench, uint8_t who, const char *identifier, const char *when)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    memset(key, who, sizeof(key));
    ck_assert_int_eq(
        registry_set_identifier(bench->registry, key, "acme", identifier, at(when), &bench->err),
        RESULT_OK);
}

static uint64_t called(struct bench *bench)
{
    uint64_t count;
    ck_assert_int_eq(
        registry_count(bench->registry, "SELECT count(*) FROM identifier", &count, &bench->err),
        RESULT_OK);
    return count;
}

/* What a partner calls somebody of whom nothing is on record: it stays for as long as a consent
 * would, and longer with whoever has an event. */
START_TEST(identifiers_of_nobody_go)
{
    struct bench bench;
    bench_open(&bench);
    form(&bench);
    put_kind(&bench, 1, EVENT_GIVEN, "2025-01-01T00:00:00Z");
    call(&bench, 1, "C-1", "2020-01-01T00:00:00Z");
    call(&bench, 2, "C-2", "2023-07-01T00:00:00Z");
    for (int i = 3; i < 253; i++)
        call(&bench, (uint8_t)i, "old", i == 100 ? "2023-05-30T00:00:00Z" : "2023-05-31T00:00:00Z");
    for (int erases = 0; erases < 2; erases++) {
        ck_assert_uint_eq(called(&bench), 252);
        struct registry_purge_counts counts = purge(&bench, erases);
        ck_assert_uint_eq(counts.identifiers.events, 250);
        ck_assert_int_eq(counts.identifiers.oldest, at("2023-05-30T00:00:00Z"));
        ck_assert_uint_eq(counts.persons, 0);
    }
    ck_assert_uint_eq(called(&bench), 2);
    ck_assert_uint_eq(purge(&bench, true).identifiers.events, 0);
    bench_close(&bench);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {counts_then_erases_the_same,
                                  what_was_erased_does_not_come_back,
                                  who_comes_back_meanwhile_keeps_her_no,
                                  a_crowd,
                                  identifiers_of_nobody_go,
                                  NULL};
    Suite *const suites[] = {unit_suite("registry purge", tests), NULL};
    return unit_run(suites);
}
