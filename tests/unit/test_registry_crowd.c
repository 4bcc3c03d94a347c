/* SPDX-License-Identifier: Apache-2.0 */
/* People whose keys begin alike: their standings lie in one range, interleaved in the order of
 * their events, and yet nobody is taken for a neighbour, torn apart or passed over. */
#include "store/registry_purge.h"
#include "store/registry_walk.h"
#include "tests/unit/test_registry.h"

/* More than a read of the walk and than the purge notes at once. */
enum { CROWD = 1300 };

/* All in one range; person 7 follows person 1 in it, as in the order of the keys. */
static void name_person(unsigned number, uint8_t key[RECIPIENT_KEY_BYTES])
{
    memset(key, 0xab, RECIPIENT_KEY_BYTES);
    key[RECIPIENT_KEY_BYTES - 2] = (uint8_t)(number >> 8);
    key[RECIPIENT_KEY_BYTES - 1] = (uint8_t)number;
}

static void act(struct bench *bench, unsigned number, enum event_kind kind, const char *when)
{
    struct event_input event = grant(0, 1, when);
    event.kind = kind;
    name_person(number, event.recipient_key);
    ck_assert_uint_eq(put(bench->registry, &event), 1);
}

/* Everybody's grant, then everybody's second event, and somebody on each side. */
static void crowd(struct bench *bench)
{
    bench_open(bench);
    ck_assert_int_eq(put_form(bench->registry, "jeu-ete", 1, "2000-01-01T00:00:00Z", "\"acme\"", "",
                              &bench->err),
                     RESULT_OK);
    ck_assert_int_eq(registry_begin(bench->registry, &bench->err), RESULT_OK);
    for (unsigned i = 0; i < CROWD; i++)
        act(bench, i, EVENT_GIVEN, "2018-01-01T00:00:00Z");
    for (unsigned i = CROWD; i-- > 0;)
        act(bench, i, i % 2 == 0 ? EVENT_WITHDRAWN : EVENT_RENEWED,
            i % 2 == 0 ? "2018-06-01T00:00:00Z" : "2026-01-01T00:00:00Z");
    struct event_input aside = grant(0xaa, 1, "2026-01-01T00:00:00Z");
    ck_assert_uint_eq(put(bench->registry, &aside), 1);
    aside = grant(0xac, 1, "2026-01-01T00:00:00Z");
    ck_assert_uint_eq(put(bench->registry, &aside), 1);
    ck_assert_int_eq(registry_commit(bench->registry, &bench->err), RESULT_OK);
}

START_TEST(each_is_answered_for_alone)
{
    struct bench bench;
    crowd(&bench);
    for (unsigned i = 0; i < CROWD; i += 97) {
        uint8_t key[RECIPIENT_KEY_BYTES];
        const struct facts *facts;
        name_person(i, key);
        ck_assert_int_eq(registry_facts(bench.registry, key, "acme", NULL, &facts, &bench.err),
                         RESULT_OK);
        ck_assert_uint_eq(facts->n_events, 2);
        bool withdrawn =
            facts->events[0].kind == EVENT_WITHDRAWN || facts->events[1].kind == EVENT_WITHDRAWN;
        ck_assert_int_eq(withdrawn, i % 2 == 0);
    }
    bench_close(&bench);
}
END_TEST

START_TEST(each_says_the_same_once)
{
    struct bench bench;
    unsigned added;
    crowd(&bench);
    for (unsigned i = 0; i < CROWD; i += 97) {
        struct event_input event = grant(0, 1, "2018-01-01T00:00:00Z");
        name_person(i, event.recipient_key);
        ck_assert_uint_eq(put(bench.registry, &event), 0);
        ck_assert_int_eq(registry_check_event(bench.registry, &event, at(NOW), &added, &bench.err),
                         RESULT_OK);
        ck_assert_uint_eq(added, 0);
    }
    bench_close(&bench);
}
END_TEST

static bool is_said(struct bench *bench, enum event_kind kind, const char *partner,
                    const char *when, bool *holds_out)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    struct stop_standing standing;
    const struct stop_scope scope = {kind, CHANNEL_EMAIL, partner};
    memset(key, 7, sizeof(key));
    ck_assert_int_eq(
        registry_find_stop(bench->registry, key, &scope, at(when), &standing, &bench->err),
        RESULT_OK);
    *holds_out = standing.holds;
    return standing.said;
}

static void say(struct bench *bench, enum event_kind kind, const char *partner, const char *when)
{
    struct event_input event = grant(7, 0, when);
    event.kind = kind;
    event.partners = &partner;
    event.n_partners = partner != NULL;
    ck_assert_uint_eq(put(bench->registry, &event), 1);
}

START_TEST(what_was_said_already)
{
    struct bench bench;
    bool holds;
    bench_open(&bench);
    const enum event_kind no = EVENT_WITHDRAWN;
    say(&bench, EVENT_GIVEN, NULL, "2026-01-01T00:00:00Z");
    ck_assert(!is_said(&bench, no, "acme", "2026-01-02T00:00:00Z", &holds) && !holds);
    say(&bench, no, "acme", "2026-01-02T00:00:00Z");
    ck_assert(is_said(&bench, no, "acme", "2026-01-02T12:00:00Z", &holds) && holds);
    ck_assert(is_said(&bench, no, "acme", "2026-01-01T12:00:00Z", &holds));
    ck_assert(!is_said(&bench, no, "beta", "2026-01-02T12:00:00Z", &holds) && !holds);
    ck_assert(!is_said(&bench, no, NULL, "2026-01-02T12:00:00Z", &holds) && !holds);
    ck_assert(!is_said(&bench, EVENT_OBJECTED, "acme", "2026-01-02T12:00:00Z", &holds));
    /* So much later that a grant between may still be told of. */
    ck_assert(!is_said(&bench, no, "acme", "2026-01-04T00:00:00Z", &holds) && holds);
    /* A grant since: before it all is said, after it nothing. */
    say(&bench, EVENT_RENEWED, NULL, "2026-01-02T06:00:00Z");
    ck_assert(is_said(&bench, no, "acme", "2026-01-02T05:00:00Z", &holds) && holds);
    ck_assert(!is_said(&bench, no, "acme", "2026-01-02T07:00:00Z", &holds) && !holds);
    say(&bench, EVENT_OBJECTED, NULL, "2026-01-02T06:00:00Z"); /* of that instant: it wins */
    ck_assert(is_said(&bench, no, "acme", "2026-01-02T07:00:00Z", &holds) && holds);
    ck_assert(is_said(&bench, no, "beta", "2026-01-02T07:00:00Z", &holds));
    bench_close(&bench);
}
END_TEST

/* Each a day and more after the one before, without a grant. */
START_TEST(the_same_no_is_said_so_often_and_no_more)
{
    struct bench bench;
    bool holds;
    char when[CLOCK_TEXT];
    int64_t moment = at("2026-01-01T00:00:00Z");
    unsigned said = 0;
    bench_open(&bench);
    for (; said < 200; said++, moment += 2 * STOP_NEAR) {
        clock_format(moment, when);
        if (is_said(&bench, EVENT_WITHDRAWN, "acme", when, &holds))
            break;
        say(&bench, EVENT_WITHDRAWN, "acme", when);
    }
    ck_assert_uint_eq(said, STOPS_MOST);
    bench_close(&bench);
}
END_TEST

/* A placeholder, not a person: no more grants, but a "no" is taken. */
START_TEST(nobody_has_so_many_grants)
{
    struct bench bench;
    unsigned added = 0;
    crowd(&bench);
    ck_assert_int_eq(registry_begin(bench.registry, &bench.err), RESULT_OK);
    struct event_input event = grant(0x77, 1, "2026-01-01T00:00:00Z");
    for (int i = 0; i < RECIPIENT_EVENTS_MOST; i++) {
        event.occurred_at++;
        ck_assert_uint_eq(put(bench.registry, &event), 1);
    }
    ck_assert_uint_eq(put(bench.registry, &event), 0); /* that one is on record */
    event.occurred_at++;
    ck_assert_int_eq(registry_add_event(bench.registry, &event, at(NOW), &added, &bench.err),
                     RESULT_BAD_INPUT);
    ck_assert_str_eq(bench.registry->refused, "recipient");
    ck_assert_ptr_nonnull(strstr(bench.err.text, "10000 events"));
    ck_assert_int_eq(registry_check_event(bench.registry, &event, at(NOW), &added, &bench.err),
                     RESULT_BAD_INPUT);
    /* Nor of several channels, and nothing of them stays behind; nor a sign of life. */
    uint64_t before = 0, after = 0;
    struct event_input phone = event;
    phone.address_kind = ADDRESS_PHONE;
    phone.channels = CHANNEL_BIT(CHANNEL_SMS) | CHANNEL_BIT(CHANNEL_CALL);
    phone.form_id = NULL;
    phone.supplier = "never heard of";
    static const char counted[] =
        "SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM supplier)";
    ck_assert_int_eq(registry_count(bench.registry, counted, &before, &bench.err), RESULT_OK);
    ck_assert_int_eq(registry_add_event(bench.registry, &phone, at(NOW), &added, &bench.err),
                     RESULT_BAD_INPUT);
    ck_assert_int_eq(registry_count(bench.registry, counted, &after, &bench.err), RESULT_OK);
    ck_assert_uint_eq(after, before);
    event.kind = EVENT_ACTIVE;
    ck_assert_int_eq(registry_add_event(bench.registry, &event, at(NOW), &added, &bench.err),
                     RESULT_BAD_INPUT);
    event.kind = EVENT_WITHDRAWN;
    ck_assert_uint_eq(put(bench.registry, &event), 1);
    event.occurred_at++; /* but not what says nothing new */
    ck_assert_uint_eq(put(bench.registry, &event), 0);
    event.kind = EVENT_OBJECTED;
    ck_assert_uint_eq(put(bench.registry, &event), 1);
    act(&bench, 3, EVENT_ACTIVE, "2026-02-01T00:00:00Z"); /* nobody else minds */
    ck_assert_int_eq(registry_commit(bench.registry, &bench.err), RESULT_OK);
    bench_close(&bench);
}
END_TEST

/* A dry run says what the import would. */
START_TEST(as_many_are_checked)
{
    struct bench bench;
    unsigned added, taken = 0;
    crowd(&bench);
    struct event_input event = grant(0x78, 1, "2026-01-01T00:00:00Z");
    for (int i = 0; i < RECIPIENT_EVENTS_MOST + 50; i++) {
        event.occurred_at++;
        enum result result =
            registry_check_event(bench.registry, &event, at(NOW), &added, &bench.err);
        ck_assert_int_eq(result, i < RECIPIENT_EVENTS_MOST ? RESULT_OK : RESULT_BAD_INPUT);
        taken += result == RESULT_OK ? added : 0;
    }
    ck_assert_uint_eq(taken, RECIPIENT_EVENTS_MOST);
    bench_close(&bench);
}
END_TEST

struct walked {
    uint8_t last[RECIPIENT_KEY_BYTES];
    unsigned count;
};

static bool on_person(void *arg, const uint8_t key[RECIPIENT_KEY_BYTES])
{
    struct walked *walked = arg;
    ck_assert(walked->count == 0 || memcmp(walked->last, key, RECIPIENT_KEY_BYTES) < 0);
    memcpy(walked->last, key, RECIPIENT_KEY_BYTES);
    walked->count++;
    return true;
}

START_TEST(each_is_met_once)
{
    struct bench bench;
    struct walked walked = {.count = 0};
    crowd(&bench);
    ck_assert_int_eq(registry_walk_persons(bench.registry, on_person, &walked, &bench.err),
                     RESULT_OK);
    ck_assert_uint_eq(walked.count, CROWD + 2);
    bench_close(&bench);
}
END_TEST

START_TEST(what_goes_goes_of_each)
{
    static const struct retention_periods periods = {
        .consent = {.months = 36}, .proof = {.months = 60}, .opposition = {.months = 36}};
    struct bench bench;
    struct registry_report report;
    struct registry_purge_counts told, done;
    crowd(&bench);
    ck_assert_int_eq(
        registry_purge(bench.registry, &periods, at(NOW), false, NULL, NULL, &told, &bench.err),
        RESULT_OK);
    ck_assert_int_eq(
        registry_purge(bench.registry, &periods, at(NOW), true, NULL, NULL, &done, &bench.err),
        RESULT_OK);
    /* Of the even ones all, of the odd ones nothing. */
    ck_assert_uint_eq(told.persons, CROWD / 2);
    ck_assert_uint_eq(done.persons, told.persons);
    ck_assert_uint_eq(done.proofs.events, told.proofs.events);
    ck_assert_uint_eq(done.oppositions.events, CROWD / 2);
    ck_assert_msg(registry_check(bench.registry, NULL, NULL, &report, &bench.err) == RESULT_OK,
                  "%s", report.where);
    ck_assert_uint_eq(report.erased, told.proofs.events + told.oppositions.events);
    for (unsigned i = 0; i < CROWD; i++) {
        uint8_t key[RECIPIENT_KEY_BYTES];
        const struct facts *facts;
        name_person(i, key);
        ck_assert_int_eq(registry_facts(bench.registry, key, "acme", NULL, &facts, &bench.err),
                         RESULT_OK);
        ck_assert_uint_eq(facts->n_events, i % 2 == 0 ? 0 : 2);
    }
    bench_close(&bench);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry crowd");
    TCase *cases = tcase_create("registry crowd");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_test(cases, each_is_answered_for_alone);
    tcase_add_test(cases, each_says_the_same_once);
    tcase_add_test(cases, each_is_met_once);
    tcase_add_test(cases, what_was_said_already);
    tcase_add_test(cases, the_same_no_is_said_so_often_and_no_more);
    tcase_add_test(cases, nobody_has_so_many_grants);
    tcase_add_test(cases, as_many_are_checked);
    tcase_add_test(cases, what_goes_goes_of_each);
    suite_add_tcase(suite, cases);
    Suite *suites[] = {suite, NULL};
    return unit_run(suites);
}
