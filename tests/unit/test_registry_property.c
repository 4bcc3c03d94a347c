/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of arrival, through the registry: the same events, put into two registries in two
 * orders, must give the same verdicts for every partner. A world's number repeats it, as in
 * test_policy_property. What the registry refuses, it must refuse in both.
 */
#include "tests/unit/property_world.h"
#include "tests/unit/test_registry.h"

#include <inttypes.h>

#define WORLDS  40
#define PERSONS 50
#define REFUSED 99
#define SEED    UINT64_C(20220407)

static const char *const partners[WORLD_PARTNERS] = {"acme", "beta", "gamma"};

static void add_names(char *out, size_t size, unsigned set, const char *const *names, int count)
{
    out[0] = '\0';
    for (int i = 0; i < count; i++)
        if (set & (1u << i)) {
            size_t used = strlen(out);
            snprintf(out + used, size - used, "%s\"%s\"", used > 0 ? "," : "", names[i]);
        }
}

static void put_world_form(struct bench *bench, const struct world_form *form)
{
    static const char *const purposes[] = {"receipt", "transmission"};
    static const char *const categories[] = {"travel", "insurance"};
    char listed[64], shown[64], aims[64], channels[96] = "", from[CLOCK_TEXT], json[1024];
    struct form *parsed = NULL;
    bool added;
    add_names(listed, sizeof(listed), form->partners, partners, WORLD_PARTNERS);
    add_names(shown, sizeof(shown), form->categories, categories, 2);
    add_names(aims, sizeof(aims), form->purposes, purposes, 2);
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if (form->channels & CHANNEL_BIT((unsigned)i)) {
            size_t used = strlen(channels);
            snprintf(channels + used, sizeof(channels) - used, "%s\"%s\"", used > 0 ? "," : "",
                     channel_name((enum channel)i));
        }
    clock_format(form->from, from);
    snprintf(json, sizeof(json),
             "{\"id\":\"%s\",\"version\":%d,\"collector\":{\"name\":\"C\",\"siren\":\"%s\"},"
             "\"channels\":[%s],\"language\":\"fr\",\"display\":\"inline\",\"wording\":\"Oui\","
             "\"effective_from\":\"%s\",\"partners\":[%s],\"partner_categories\":[%s],"
             "\"purposes\":[%s]}",
             form->id, form->version, form->collector, channels, from, listed, shown, aims);
    ck_assert_msg(form_parse(json, strlen(json), &parsed, &bench->err) == RESULT_OK, "%s: %s",
                  bench->err.text, json);
    ck_assert_msg(registry_add_form(bench->registry, parsed, &added, &bench->err) == RESULT_OK,
                  "%s", bench->err.text);
    form_free(&parsed);
}

static void person(uint64_t seed, uint8_t key[RECIPIENT_KEY_BYTES])
{
    memset(key, 0, RECIPIENT_KEY_BYTES);
    memcpy(key, &seed, sizeof(seed));
}

/* How many rows it made, or REFUSED. */
static unsigned put_world_event(struct bench *bench, const struct world *world, uint64_t seed,
                                const struct world_event *from)
{
    static const char *const suppliers[WORLD_SUPPLIERS] = {"", "one", "two"};
    const char *named[WORLD_PARTNERS];
    char evidence[32] = "";
    unsigned added = 0;
    struct event_input event = {
        .address_kind = from->channel == CHANNEL_EMAIL ? ADDRESS_EMAIL : ADDRESS_PHONE,
        .kind = from->kind,
        .channels = CHANNEL_BIT(from->channel),
        .occurred_at = from->at,
        .basis = from->basis,
        .partners = named,
        .supplier = suppliers[from->supplier],
        .collector = from->collector != NULL ? from->collector : "",
        .evidence = evidence,
        .origin = "test",
    };
    /* Else two events that are alike are one to the registry. */
    if (from->evidence)
        snprintf(evidence, sizeof(evidence), "act %d", (int)from->id);
    for (int i = 0; i < WORLD_PARTNERS; i++)
        if (from->partners & (1u << i))
            named[event.n_partners++] = partners[i];
    if (from->form >= 0) {
        event.form_id = world->forms[from->form].id;
        event.form_version = world->forms[from->form].version;
    }
    person(seed, event.recipient_key);
    enum result result =
        registry_add_event(bench->registry, &event, world->now, &added, &bench->err);
    ck_assert_msg(result == RESULT_OK || result == RESULT_BAD_INPUT, "%s", bench->err.text);
    return result == RESULT_OK ? added : REFUSED;
}

static void stop(struct bench *bench, const struct world *world, bool all)
{
    for (int i = 0; i < WORLD_FORMS && all; i++)
        if (world->forms[i].invalidated)
            registry_invalidate_form(bench->registry, world->forms[i].id, world->forms[i].version,
                                     "x", world->now, &bench->err);
    if (world->forms[0].suspended)
        registry_suspend(bench->registry, SUSPEND_FORM, "jeu", "x", world->now, &bench->err);
    /* Not there when no event named it; then nothing is to be stopped. */
    if (world->suppliers[1].suspended)
        registry_suspend(bench->registry, SUSPEND_SUPPLIER, "one", "x", world->now, &bench->err);
}

static void invalidate_supplier(struct bench *bench, const struct world *world)
{
    struct invalidation what = {.supplier = "two"};
    struct error err = {0};
    if (!world->suppliers[2].invalidated)
        return;
    enum result result = registry_invalidate(bench->registry, &what, "x", world->now, &err);
    ck_assert_msg(result == RESULT_OK || result == RESULT_NOT_FOUND, "%s", err.text);
}

static struct judgement judge(struct bench *bench, const struct world *world, uint64_t seed,
                              int number)
{
    static const char *own[] = {"travel"};
    struct partner partner = {.id = partners[number],
                              .name = "",
                              .siren = number == 0 ? "123456782" : "",
                              .categories = own,
                              .n_categories = number == 0};
    struct question question = {.partner = &partner,
                                .policy = &world->policy,
                                .channel = world->channel,
                                .purpose = world->purpose,
                                .now = world->now};
    uint8_t key[RECIPIENT_KEY_BYTES];
    const struct facts *facts = NULL;
    struct judgement judgement;
    person(seed, key);
    ck_assert_msg(registry_facts(bench->registry, key, partner.id, NULL, &facts, &bench->err) ==
                      RESULT_OK,
                  "%s", bench->err.text);
    policy_judge(&question, facts, &judgement, NULL);
    return judgement;
}

static void compare(struct bench *const benches[2], const struct world *world, uint64_t seed,
                    unsigned reached[VERDICT_COUNT])
{
    for (int number = 0; number < WORLD_PARTNERS; number++) {
        struct judgement a = judge(benches[0], world, seed, number);
        char form[64] = "";
        if (a.form_id != NULL)
            snprintf(form, sizeof(form), "%s@%d", a.form_id, a.form_version);
        struct judgement b = judge(benches[1], world, seed, number);
        char other[64] = "";
        if (b.form_id != NULL)
            snprintf(other, sizeof(other), "%s@%d", b.form_id, b.form_version);
        if (a.verdict != b.verdict || a.reason != b.reason || strcmp(form, other) != 0)
            world_print(world);
        ck_assert_msg(a.verdict == b.verdict && a.reason == b.reason && strcmp(form, other) == 0,
                      "world %" PRIu64 ", person %d: for %s it is %s %s one way, %s %s the other",
                      seed / PERSONS, (int)(seed % PERSONS), partners[number],
                      reason_name(a.reason), form, reason_name(b.reason), other);
        reached[a.verdict]++;
    }
}

/* The same forms and question, other events of their own. */
static void make_persons(const struct world *world, struct dice *dice, struct world *persons)
{
    for (size_t who = 0; who < PERSONS; who++) {
        struct world *person = &persons[who];
        *person = *world;
        size_t count = dice_roll(dice, WORLD_EVENTS + 1);
        for (person->n_events = 0; person->n_events < count; person->n_events++)
            world_event_make(person, dice, &person->events[person->n_events]);
    }
}

/* In the order in which they were made, or in any other. */
static void put_person(struct bench *bench, const struct world *world, uint64_t seed,
                       struct dice *shuffle, unsigned results[WORLD_EVENTS])
{
    size_t order[WORLD_EVENTS];
    for (size_t i = 0; i < world->n_events; i++)
        order[i] = i;
    for (size_t i = world->n_events; shuffle != NULL && i > 1; i--) {
        size_t other = dice_roll(shuffle, (unsigned)i);
        size_t kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
    for (size_t i = 0; i < world->n_events; i++)
        results[order[i]] = put_world_event(bench, world, seed, &world->events[order[i]]);
}

/* The last version of a form first, or the first. */
static void put_forms(struct bench *bench, const struct world *world, bool last_first)
{
    for (int i = 0; i < WORLD_FORMS; i++)
        put_world_form(bench, &world->forms[last_first ? WORLD_FORMS - 1 - i : i]);
}

static void try_world(uint64_t seed, unsigned reached[VERDICT_COUNT])
{
    static struct world persons[PERSONS];
    static unsigned results[2][PERSONS][WORLD_EVENTS];
    struct dice dice = {seed};
    struct world world;
    struct bench first, second;
    struct bench *const benches[2] = {&first, &second};
    world_make(&world, &dice);
    for (int i = 0; i < WORLD_FORMS; i++)
        world.forms[i].channels |= world.forms[i].channels == 0; /* a form asks for something */
    make_persons(&world, &dice, persons);
    for (size_t side = 0; side < 2; side++) {
        struct bench *bench = benches[side];
        bench_open(bench);
        put_forms(bench, &world, side == 1);
        stop(bench, &world, true);
        ck_assert_int_eq(registry_begin(bench->registry, &bench->err), RESULT_OK);
        for (size_t i = 0; i < PERSONS; i++) {
            size_t who = side == 0 ? i : PERSONS - 1 - i;
            put_person(bench, &persons[who], seed * PERSONS + who, side == 0 ? NULL : &dice,
                       results[side][who]);
        }
        ck_assert_int_eq(registry_commit(bench->registry, &bench->err), RESULT_OK);
        stop(bench, &world, false); /* now that the suppliers are known */
        invalidate_supplier(bench, &world);
    }
    for (size_t who = 0; who < PERSONS; who++) {
        for (size_t i = 0; i < persons[who].n_events; i++)
            ck_assert_msg((results[0][who][i] == REFUSED) == (results[1][who][i] == REFUSED),
                          "world %" PRIu64 ": event %zu is refused in one order only", seed, i + 1);
        compare(benches, &persons[who], seed * PERSONS + who, reached);
    }
    bench_close(&first);
    bench_close(&second);
}

static uint64_t setting(const char *name, uint64_t usual)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtoull(text, NULL, 10) : usual;
}

START_TEST(the_order_of_arrival_does_not_matter)
{
    uint64_t worlds = setting("OCTROI_PROPERTY_WORLDS", WORLDS);
    uint64_t seed = setting("OCTROI_PROPERTY_SEED", SEED);
    unsigned reached[VERDICT_COUNT] = {0};
    for (uint64_t i = 0; i < worlds; i++)
        try_world(seed + i, reached);
    if (worlds >= WORLDS) {
        ck_assert_uint_gt(reached[VERDICT_PASS], worlds * PERSONS / 20);
        ck_assert_uint_gt(reached[VERDICT_BLOCK], worlds * PERSONS / 20);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_order_of_arrival_does_not_matter, NULL};
    Suite *const suites[] = {unit_suite("arrival", tests), NULL};
    return unit_run(suites);
}
