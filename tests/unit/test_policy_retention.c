/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has outlived its purpose: each bound just inside and just outside, and the two promises of
 * policy/retention.h over random histories, also when all that was erased is imported again.
 */
#include "base/str.h"
#include "policy/judge.h"
#include "policy/retention.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

enum { MOST_EVENTS = 10, HISTORIES = 200000 };

/* ---- one row a bound ---- */

struct row {
    const char *label;
    const char *events; /* "kind channel date" separated by ';'; '*' behind the kind: of all */
    const char *now;
    const char *fates; /* one letter an event: keep, proof, erase */
};

/* Three years to the end of a consent, five of proof, three of opposition. */
static const struct row rows[] = {
    {"nothing", "", "2026-01-01T00:00:00Z", ""},
    {"fresh", "given email 2020-01-01", "2022-12-31T23:59:59Z", "k"},
    {"ended", "given email 2020-01-01", "2023-01-01T00:00:00Z", "p"},
    {"proof, last day", "given email 2020-01-01", "2027-12-31T23:59:59Z", "p"},
    {"proof over", "given email 2020-01-01", "2028-01-01T00:00:00Z", "e"},
    {"kept fresh by an act", "given email 2020-01-01; active email 2022-12-01",
     "2025-11-30T00:00:00Z", "kk"},
    {"... on another channel", "given email 2020-01-01; active sms 2022-12-01",
     "2025-11-30T00:00:00Z", "kk"},
    {"... until the act is old", "given email 2020-01-01; active email 2022-12-01",
     "2025-12-01T00:00:00Z", "pk"},
    {"grant and act go together", "given email 2020-01-01; active email 2022-12-01",
     "2030-12-01T00:00:00Z", "ee"},
    {"an old act goes alone",
     "given email 2010-01-01; active email 2012-01-01; active email "
     "2019-06-01",
     "2020-01-01T00:00:00Z", "kek"},
    {"withdrawn: proof from then", "given email 2020-01-01; withdrawn* email 2020-06-01",
     "2025-05-31T23:59:59Z", "pk"},
    {"... whichever of the two comes first here",
     "withdrawn* email 2020-06-01; given email 2020-01-01", "2025-05-31T23:59:59Z", "kp"},
    {"... and its proof ends", "withdrawn* email 2020-06-01; given email 2020-01-01",
     "2025-06-01T00:00:00Z", "ee"},
    {"withdrawn twice: proof from the first time",
     "given email 2020-01-01; withdrawn* email 2020-06-01; withdrawn* email 2021-06-01",
     "2025-06-01T00:00:00Z", "eee"},
    {"... in whatever order",
     "withdrawn* email 2021-06-01; withdrawn* email 2020-06-01; given email 2020-01-01",
     "2025-06-01T00:00:00Z", "eee"},
    {"withdrawn: proof over, and then the withdrawal",
     "given email 2020-01-01; withdrawn* email 2020-06-01", "2025-06-01T00:00:00Z", "ee"},
    {"withdrawn from some partners: the rest of the grant stands",
     "given email 2020-01-01; withdrawn email 2020-06-01", "2023-05-31T00:00:00Z", "kk"},
    {"... and ends by silence", "given email 2020-01-01; withdrawn email 2020-06-01",
     "2023-06-01T00:00:00Z", "pk"},
    {"withdrawn elsewhere", "given email 2020-01-01; withdrawn* sms 2020-06-01",
     "2023-05-31T00:00:00Z", "kk"},
    {"a withdrawal before the grant is none of its",
     "withdrawn* email 2019-01-01; given email "
     "2020-01-01",
     "2022-06-01T00:00:00Z", "kk"},
    {"a withdrawal of the same moment is", "given email 2020-01-01; withdrawn* email 2020-01-01",
     "2020-01-01T00:00:00Z", "pk"},
    {"opposition, last day", "objected* email 2020-01-01", "2022-12-31T23:59:59Z", "k"},
    {"opposition over", "objected* email 2020-01-01", "2023-01-01T00:00:00Z", "e"},
    {"... but a grant is still kept as proof", "given email 2019-12-31; objected* email 2020-01-01",
     "2023-01-01T00:00:00Z", "pk"},
    {"... or on another channel", "given sms 2022-01-01; objected* email 2020-01-01",
     "2023-01-01T00:00:00Z", "kk"},
    {"... an act alone does not hold it", "active email 2022-01-01; objected* email 2020-01-01",
     "2023-01-01T00:00:00Z", "ke"},
    {"an objection to come", "objected* email 2030-01-01", "2026-01-01T00:00:00Z", "k"},
    {"an opposition is an own act", "given email 2020-01-01; withdrawn email 2022-06-01",
     "2025-05-31T00:00:00Z", "kk"},
    {"renewed", "given email 2015-01-01; withdrawn* email 2016-01-01; given email 2021-01-01",
     "2022-01-01T00:00:00Z", "ekk"},
};

static void read_event(char *text, struct retention_event *event)
{
    char *rest = NULL;
    char when[32];
    char *kind = strtok_r(text, " ", &rest);
    char *channel = strtok_r(NULL, " ", &rest);
    char *date = strtok_r(NULL, " ", &rest);
    event->of_all = kind[strlen(kind) - 1] == '*';
    if (event->of_all)
        kind[strlen(kind) - 1] = '\0';
    snprintf(when, sizeof(when), "%sT00:00:00Z", date);
    ck_assert(event_kind_parse(kind, &event->kind));
    ck_assert(channel_parse(channel, &event->channel));
    ck_assert(clock_parse(when, strlen(when), &event->occurred_at));
}

static const struct retention_periods periods = {
    .consent = {.months = 36}, .proof = {.months = 60}, .opposition = {.months = 36}};

START_TEST(bounds)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct retention_event events[MOST_EVENTS + 1] = {{0}};
        struct retention_counts counts;
        char text[256];
        char fates[MOST_EVENTS + 1] = "";
        char *rest = NULL;
        size_t n = 0;
        int64_t now;
        str_copy(text, sizeof(text), rows[i].events);
        for (char *at = strtok_r(text, ";", &rest); at != NULL; at = strtok_r(NULL, ";", &rest))
            read_event(at, &events[n++]);
        ck_assert(clock_parse(rows[i].now, strlen(rows[i].now), &now));
        /* What a fate was before does not matter, and behind the last event is somebody else's. */
        for (size_t j = 0; j < n; j++)
            events[j].fate = RETENTION_ERASE;
        events[n] = (struct retention_event){.kind = EVENT_OBJECTED, .occurred_at = 0};
        retention_select(events, n, &periods, now, &counts);
        ck_assert_int_eq(events[n].fate, RETENTION_KEEP);
        for (size_t j = 0; j < n; j++)
            fates[j] = "kpe"[events[j].fate];
        ck_assert_msg(strcmp(fates, rows[i].fates) == 0, "%s: %s, not %s", rows[i].label, fates,
                      rows[i].fates);
    }
}
END_TEST

START_TEST(counted)
{
    struct retention_event events[] = {
        {.kind = EVENT_GIVEN, .channel = CHANNEL_EMAIL, .occurred_at = 1 * CLOCK_DAY},
        {.kind = EVENT_OBJECTED,
         .channel = CHANNEL_EMAIL,
         .occurred_at = 2 * CLOCK_DAY,
         .of_all = true},
        {.kind = EVENT_WITHDRAWN,
         .channel = CHANNEL_EMAIL,
         .occurred_at = 3 * CLOCK_DAY,
         .of_all = true},
    };
    struct retention_counts counts;
    retention_select(events, 3, &periods, clock_add(3 * CLOCK_DAY, periods.proof), &counts);
    ck_assert_uint_eq(counts.proofs, 1);
    ck_assert_int_eq(counts.oldest_proof, 1 * CLOCK_DAY);
    ck_assert_uint_eq(counts.oppositions, 2);
    ck_assert_int_eq(counts.oldest_opposition, 2 * CLOCK_DAY);
    ck_assert_int_eq(counts.horizon, 3 * CLOCK_DAY);
    ck_assert_uint_eq(counts.ended, 0);
    retention_select(events, 1, &periods, clock_add(1 * CLOCK_DAY, periods.consent), &counts);
    ck_assert_uint_eq(counts.ended, 1);
    ck_assert_int_eq(counts.oldest_ended, 1 * CLOCK_DAY);
    ck_assert_int_eq(counts.horizon, INT64_MIN);
}
END_TEST

/* ---- the promises ---- */

static uint64_t state = 1;

static unsigned any(unsigned below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 33) % below;
}

struct history {
    struct form_facts forms[3];
    struct consent_event events[MOST_EVENTS];
    size_t n;
};

static const char *const categories[] = {"travel"};

static void make_history(struct history *history)
{
    *history = (struct history){.n = 1 + any(MOST_EVENTS)};
    for (size_t i = 0; i < 3; i++)
        history->forms[i] = (struct form_facts){
            .id = "form",
            .version = (int)i + 1,
            .collector = any(2) ? "123456782" : "987654321",
            .channels = CHANNEL_BIT(CHANNEL_EMAIL) | (any(2) ? CHANNEL_BIT(CHANNEL_SMS) : 0),
            .purposes = any(4) ? 3 : 1,
            .effective_from = any(4) ? 0 : (int64_t)any(20) * 365 * CLOCK_DAY,
            .effective_until = INT64_MAX,
            .invalidated = any(8) == 0,
            .presence = any(4) ? PRESENCE_LISTED : (enum presence)any(3),
            .categories = (const char **)categories,
            .n_categories = any(2),
        };
    for (size_t i = 0; i < history->n; i++) {
        bool names = any(3) == 0;
        history->events[i] = (struct consent_event){
            .id = (int64_t)i + 1,
            .kind = (enum event_kind)any(EVENT_KIND_COUNT),
            .channel = any(3) ? CHANNEL_EMAIL : CHANNEL_SMS,
            /* Often in months that meet, so that every bound is met. */
            .occurred_at = clock_add(0, (struct duration){.months = (int)any(20 * 12)}),
            .basis = any(4) ? BASIS_CONSENT : (enum basis)any(BASIS_COUNT),
            .names_partners = names,
            .names_this_partner = names && any(2),
            .collector = any(4) ? NULL : "987654321",
            .has_evidence = any(5) != 0,
            .form = any(6) ? &history->forms[any(3)] : NULL,
        };
    }
}

static struct judgement judge(const struct history *history, const enum retention_fate *fates,
                              struct question *question)
{
    struct consent_event kept[MOST_EVENTS];
    struct facts facts = {.events = kept};
    struct judgement judgement = {0};
    for (size_t i = 0; i < history->n; i++)
        if (fates == NULL || fates[i] != RETENTION_ERASE)
            kept[facts.n_events++] = history->events[i];
    policy_judge(question, &facts, &judgement, NULL);
    return judgement;
}

static struct duration any_period(unsigned least, unsigned more)
{
    return (struct duration){.months = (int)(least + any(more))};
}

struct tally {
    unsigned erased, horizons, passes, blocks, refused;
};

static void select_fates(const struct history *history, const struct retention_periods *chosen,
                         int64_t now, enum retention_fate *fates, struct retention_counts *counts)
{
    struct retention_event events[MOST_EVENTS];
    for (size_t i = 0; i < history->n; i++) {
        const struct consent_event *event = &history->events[i];
        events[i] = (struct retention_event){
            .kind = event->kind,
            .channel = event->channel,
            .occurred_at = event->occurred_at,
            .of_all = !event->names_partners && event->collector == NULL,
        };
    }
    retention_select(events, history->n, chosen, now, counts);
    for (size_t i = 0; i < history->n; i++)
        fates[i] = events[i].fate;
}

static void try_history(const struct history *history, struct question *question,
                        const struct retention_periods *chosen, struct tally *tally)
{
    enum retention_fate fates[MOST_EVENTS];
    struct retention_counts counts;
    select_fates(history, chosen, question->now, fates, &counts);
    enum verdict before = judge(history, NULL, question).verdict;
    ck_assert_int_eq(judge(history, fates, question).verdict, before);
    tally->passes += before == VERDICT_PASS;
    tally->blocks += before == VERDICT_BLOCK;
    /* The file that brought all this is imported once more, without its oppositions: what the
     * horizon lets in may not pass either, unless it passed before. */
    for (size_t i = 0; i < history->n; i++) {
        const struct consent_event *event = &history->events[i];
        bool grant = event->kind == EVENT_GIVEN || event->kind == EVENT_RENEWED;
        if (fates[i] != RETENTION_ERASE)
            continue;
        tally->erased++;
        if (grant && event->occurred_at > counts.horizon)
            fates[i] = RETENTION_KEEP;
        else if (event->kind == EVENT_ACTIVE)
            fates[i] = RETENTION_KEEP;
        tally->refused += grant && event->occurred_at <= counts.horizon;
    }
    tally->horizons += counts.horizon != INT64_MIN;
    if (before != VERDICT_PASS)
        ck_assert_int_ne(judge(history, fates, question).verdict, VERDICT_PASS);
}

START_TEST(verdicts_stay)
{
    static const struct partner partner = {.id = "acme", .siren = "123456782"};
    struct tally tally = {0};
    for (unsigned i = 0; i < HISTORIES; i++) {
        struct history history;
        struct channel_policy policy;
        state = i * 2654435761u + 88172645463325252u;
        make_history(&history);
        channel_policy_default(any(2) ? CHANNEL_EMAIL : CHANNEL_SMS, &policy);
        policy.hours = NULL;
        policy.n_hours = 0;
        policy.accept = any(2) ? 15 : policy.accept;
        policy.partner_naming = any(2) ? NAMING_CATEGORY : NAMING_NAMED;
        policy.partner_added_later = any(2) ? ADDED_LATER_PASS : ADDED_LATER_BLOCK;
        struct retention_periods chosen = {.consent = any_period(1, 150),
                                           .proof = any_period(0, 80),
                                           .opposition = any_period(36, 40)};
        /* As the configuration insists. */
        policy.stale_after.months = chosen.consent.months - (int)any(chosen.consent.months);
        struct question question = {
            .partner = &partner,
            .policy = &policy,
            .channel = policy.channel,
            .purpose = (enum purpose)any(PURPOSE_COUNT),
            .now = clock_add(0, any_period(60, 20 * 12)),
        };
        try_history(&history, &question, &chosen, &tally);
    }
    /* That the histories reach what is to be tried. */
    ck_assert_uint_gt(tally.erased, HISTORIES / 10);
    ck_assert_uint_gt(tally.horizons, HISTORIES / 50);
    ck_assert_uint_gt(tally.passes, HISTORIES / 50);
    ck_assert_uint_gt(tally.blocks, HISTORIES / 10);
    ck_assert_uint_gt(tally.refused, HISTORIES / 100);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {bounds, counted, verdicts_stay, NULL};
    Suite *const suites[] = {unit_suite("retention", tests), NULL};
    return unit_run(suites);
}
