/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold of the judge whatever the events, tried on random worlds. Each world has a number;
 * a property that fails says it, and OCTROI_PROPERTY_SEED=that OCTROI_PROPERTY_RUNS=1 repeats it.
 * OCTROI_PROPERTY_RUNS=10000000 is the long form.
 */
#include "tests/unit/property_world.h"
#include "tests/unit/unit.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RUNS 200000
#define SEED UINT64_C(20220407)

/* Returns false when the property is broken. *tried is set when the world had what it is about. */
typedef bool property_fn(const struct world *world, struct dice *dice, bool *tried);

static struct judgement judge(const struct world *world)
{
    return world_judge(world, 0, CLASS_PROSPECTING);
}

static bool passes(const struct world *world)
{
    return judge(world).verdict == VERDICT_PASS;
}

static bool same(const struct judgement *a, const struct judgement *b)
{
    bool form = (a->form_id == NULL) == (b->form_id == NULL) &&
                (a->form_id == NULL || strcmp(a->form_id, b->form_id) == 0);
    return a->verdict == b->verdict && a->reason == b->reason && form &&
           a->form_version == b->form_version;
}

static bool is_grant(const struct world_event *event)
{
    return event->kind == EVENT_GIVEN || event->kind == EVENT_RENEWED;
}

static bool is_closing(const struct world_event *event)
{
    return event->kind == EVENT_WITHDRAWN || event->kind == EVENT_OBJECTED;
}

static void shuffle(struct world *world, struct dice *dice)
{
    for (size_t i = world->n_events; i > 1; i--) {
        size_t j = dice_roll(dice, (unsigned)i);
        struct world_event kept = world->events[i - 1];
        world->events[i - 1] = world->events[j];
        world->events[j] = kept;
    }
}

static struct world_event *add_event(struct world *world, struct dice *dice)
{
    struct world_event *event = &world->events[world->n_events];
    world_event_make(world, dice, event);
    world->n_events++;
    return event;
}

/* ---- the oracle: when anything may pass, said once more and in another way ---- */

static bool reaches(const struct world *world, const struct world_event *closing,
                    const struct world_event *grant)
{
    if (!is_closing(closing) || closing->channel != world->channel)
        return false;
    if (closing->partners != 0)
        return (closing->partners & 1) != 0;
    if (closing->collector == NULL)
        return true;
    return grant->form >= 0 && strcmp(world->forms[grant->form].collector, closing->collector) == 0;
}

/* Of a grant that names a form. */
static bool proven(const struct world *world, const struct world_event *grant)
{
    const struct world_form *form = &world->forms[grant->form];
    return grant->evidence && grant->at >= form->from && grant->at < form->until &&
           (form->channels & CHANNEL_BIT(grant->channel)) != 0 && !form->invalidated &&
           !world->suppliers[grant->supplier].invalidated &&
           (form->purposes & PURPOSE_BIT(world->purpose)) != 0 &&
           grant->channel == world->channel && (grant->partners == 0 || (grant->partners & 1) != 0);
}

static bool names_acme(const struct world *world, const struct world_event *grant)
{
    return (world->forms[grant->form].partners & 1) != 0;
}

static bool shown(const struct world *world, const struct world_event *grant)
{
    const struct world_form *form = &world->forms[grant->form];
    bool category = world->policy.partner_naming == NAMING_CATEGORY && (form->categories & 1) != 0;
    bool later = false;
    for (const struct world_form *next = form + 1; next < world->forms + WORLD_FORMS; next++)
        later = later || (strcmp(next->id, form->id) == 0 && !next->invalidated &&
                          (next->partners & 1) != 0);
    return names_acme(world, grant) || category ||
           (later && world->policy.partner_added_later == ADDED_LATER_PASS);
}

static bool fresh(const struct world *world, const struct world_event *grant)
{
    int64_t last = grant->at;
    for (size_t i = 0; i < world->n_events; i++) {
        const struct world_event *event = &world->events[i];
        bool counts = event->kind == EVENT_ACTIVE && event->channel == world->channel &&
                      (event->partners == 0 || (event->partners & 1) != 0) &&
                      event->at <= world->now && !world->suppliers[event->supplier].suspended &&
                      !world->suppliers[event->supplier].invalidated;
        if (counts && event->at > last)
            last = event->at;
    }
    return world->now < last + world->policy.stale_after.microseconds;
}

static bool closed(const struct world *world, const struct world_event *grant)
{
    for (size_t i = 0; i < world->n_events; i++) {
        const struct world_event *event = &world->events[i];
        if (reaches(world, event, grant) &&
            !(grant->at > event->at && proven(world, grant) && names_acme(world, grant)))
            return true;
    }
    return false;
}

static bool valid(const struct world *world, const struct world_event *grant)
{
    unsigned accepted = channel_policy_accepts(&world->policy, world->now);
    return is_grant(grant) && grant->at <= world->now && grant->form >= 0 &&
           !closed(world, grant) && proven(world, grant) && shown(world, grant) &&
           !world->forms[grant->form].suspended && !world->suppliers[grant->supplier].suspended &&
           fresh(world, grant) && (accepted & BASIS_BIT(grant->basis)) != 0 &&
           (grant->basis != BASIS_SOFT_OPT_IN ||
            strcmp(world->forms[grant->form].collector, "123456782") == 0);
}

static bool passes_when_a_grant_is_valid(const struct world *world, struct dice *dice, bool *tried)
{
    (void)dice;
    bool any = false;
    for (size_t i = 0; i < world->n_events; i++)
        any = any || valid(world, &world->events[i]);
    *tried = any;
    any = any && !world->partner_suspended && !(world->with_stream && world->stream_suspended);
    return passes(world) == any;
}

/* ---- properties ---- */

static bool order_does_not_matter(const struct world *world, struct dice *dice, bool *tried)
{
    struct world other = *world;
    struct judgement a = judge(world);
    *tried = world->n_events > 1;
    shuffle(&other, dice);
    struct judgement b = judge(&other);
    return same(&a, &b) && a.event == b.event;
}

/* What arrives first is numbered first. */
static bool arrival_does_not_matter(const struct world *world, struct dice *dice, bool *tried)
{
    struct world other = *world;
    *tried = world->n_events > 1;
    shuffle(&other, dice);
    for (size_t i = 0; i < other.n_events; i++)
        other.events[i].id = 1 + (int64_t)i;
    struct judgement a = judge(world);
    struct judgement b = judge(&other);
    return same(&a, &b);
}

static bool no_earlier_grant_overtakes(const struct world *world, struct dice *dice, bool *tried)
{
    (void)dice;
    struct judgement judgement = judge(world);
    if (judgement.verdict != VERDICT_PASS)
        return true;
    for (size_t i = 0; i < world->n_events; i++)
        for (size_t j = 0; j < world->n_events; j++)
            if (world->events[i].id == judgement.event &&
                reaches(world, &world->events[j], &world->events[i])) {
                *tried = true;
                if (world->events[j].at >= world->events[i].at)
                    return false;
            }
    return true;
}

static bool closing_never_opens(const struct world *world, struct dice *dice, bool *tried)
{
    struct world other = *world;
    struct world_event *event = add_event(&other, dice);
    event->kind = dice_chance(dice, 50) ? EVENT_WITHDRAWN : EVENT_OBJECTED;
    if (event->kind == EVENT_WITHDRAWN)
        event->collector = NULL;
    *tried = event->channel == world->channel;
    /* One that reaches everything and is not older than anything closes for certain. */
    bool all = event->channel == world->channel && event->partners == 0 && event->collector == NULL;
    for (size_t i = 0; i < world->n_events; i++)
        all = all && event->at >= world->events[i].at;
    return passes(&other) ? passes(world) && !all : true;
}

static bool reimport_reopens_nothing(const struct world *world, struct dice *dice, bool *tried)
{
    struct world closed_world = *world;
    struct world_event *closing = add_event(&closed_world, dice);
    closing->kind = EVENT_WITHDRAWN;
    closing->channel = world->channel;
    closing->partners &= ~0u << 1;
    closing->partners |= closing->partners != 0;
    closing->collector = NULL;
    if (passes(&closed_world))
        return true;
    *tried = true;
    struct world other = closed_world;
    struct world_event *event = add_event(&other, dice);
    event->kind = EVENT_GIVEN;
    bool specific = event->at > closing->at && event->form >= 0 && proven(&other, event) &&
                    names_acme(&other, event);
    if (specific)
        return true;
    /* Nor does it hide the "no" behind a lesser reason, which observe mode would let pass. */
    bool enforced = reason_always_enforced(judge(&closed_world).reason);
    return !passes(&other) && (!enforced || reason_always_enforced(judge(&other).reason));
}

static bool stopping_never_opens(const struct world *world, struct dice *dice, bool *tried)
{
    struct world other = *world;
    unsigned form = dice_roll(dice, WORLD_FORMS);
    unsigned supplier = 1 + dice_roll(dice, WORLD_SUPPLIERS - 1);
    unsigned what = dice_roll(dice, 6);
    other.forms[form].invalidated |= what == 0;
    for (int i = 0; i < WORLD_FORMS; i++) /* a form is suspended with all its versions */
        other.forms[i].suspended |=
            what == 1 && strcmp(other.forms[i].id, other.forms[form].id) == 0;
    other.suppliers[supplier].suspended |= what == 2;
    other.suppliers[supplier].invalidated |= what == 3;
    other.partner_suspended |= what == 4;
    other.stream_suspended |= what == 5;
    *tried = memcmp(&other, world, sizeof(other)) != 0;
    struct judgement judgement = judge(&other);
    if (judgement.verdict != VERDICT_PASS)
        return true;
    for (size_t i = 0; i < other.n_events; i++) {
        const struct world_event *event = &other.events[i];
        if (event->id == judgement.event &&
            ((what == 0 && event->form == (int)form) ||
             (what == 1 && other.forms[event->form].suspended) ||
             ((what == 2 || what == 3) && event->supplier == supplier)))
            return false;
    }
    return what != 4 && passes(world);
}

static bool time_mends_nothing_stale(const struct world *world, struct dice *dice, bool *tried)
{
    struct world later = *world;
    later.now += 1 + (int64_t)dice_roll(dice, 12) * WORLD_TICK;
    if (judge(world).reason != REASON_STALE)
        return true;
    for (size_t i = 0; i < world->n_events; i++) {
        const struct world_event *event = &world->events[i];
        if (!is_closing(event) && event->at > world->now && event->at <= later.now)
            return true; /* a new act */
    }
    *tried = true;
    return !passes(&later);
}

static bool less_proof_never_opens(const struct world *world, struct dice *dice, bool *tried)
{
    struct world other = *world;
    if (world->n_events == 0)
        return true;
    struct world_event *event = &other.events[dice_roll(dice, (unsigned)world->n_events)];
    *tried = is_grant(event) && (event->evidence || event->form >= 0);
    if (dice_chance(dice, 50))
        event->evidence = false;
    else if (is_grant(event))
        event->form = -1;
    struct judgement judgement = judge(&other);
    if (judgement.verdict != VERDICT_PASS)
        return true;
    return passes(world) && !(is_grant(event) && judgement.event == event->id);
}

static bool other_partners_are_others(const struct world *world, struct dice *dice, bool *tried)
{
    struct world other = *world;
    struct world_event *event = add_event(&other, dice);
    event->partners = (1 + dice_roll(dice, 3)) << 1;
    event->collector = NULL;
    *tried = true;
    struct judgement a = judge(world);
    struct judgement b = judge(&other);
    /* A grant for others may be the nearest miss, and then say so. */
    return a.verdict == b.verdict && ((is_grant(event) && a.verdict == VERDICT_BLOCK) ||
                                      (same(&a, &b) && a.event == b.event));
}

static bool service_needs_no_consent(const struct world *world, struct dice *dice, bool *tried)
{
    (void)dice;
    struct world nobody = *world;
    nobody.n_events = 0;
    *tried = world->n_events > 0;
    struct judgement a = world_judge(world, 0, CLASS_SERVICE);
    struct judgement b = world_judge(&nobody, 0, CLASS_SERVICE);
    bool stopped = world->partner_suspended || world->stream_suspended;
    return same(&a, &b) && a.event == 0 && b.event == 0 &&
           a.reason == (stopped ? REASON_SUSPENDED : REASON_SERVICE);
}

/* Each grant is judged alone: one more never closes. */
static bool granting_never_closes(const struct world *world, struct dice *dice, bool *tried)
{
    struct world other = *world;
    struct world_event *event = add_event(&other, dice);
    if (is_closing(event))
        event->kind = EVENT_RENEWED;
    event->collector = NULL;
    *tried = passes(world);
    return !*tried || passes(&other);
}

static const struct property {
    const char *name;
    property_fn *holds;
    unsigned rare; /* it must have been tried at least once in so many worlds */
} properties[] = {
    {"it passes when a grant is valid, and only then", passes_when_a_grant_is_valid, 20},
    {"the order of events does not matter", order_does_not_matter, 2},
    {"the order of arrival does not matter", arrival_does_not_matter, 2},
    {"no earlier grant overtakes a withdrawal or objection", no_earlier_grant_overtakes, 200},
    {"one more withdrawal or objection never opens", closing_never_opens, 2},
    {"a re-import reopens nothing", reimport_reopens_nothing, 2},
    {"suspending and invalidating never opens", stopping_never_opens, 2},
    {"time mends nothing that is stale", time_mends_nothing_stale, 200},
    {"less proof never opens", less_proof_never_opens, 3},
    {"what names only other partners changes nothing for this one", other_partners_are_others, 1},
    {"a service stream does not depend on consent", service_needs_no_consent, 2},
    {"one more grant or contact never closes", granting_never_closes, 20},
};
#define PROPERTIES (sizeof(properties) / sizeof(properties[0]))

static uint64_t setting(const char *name, uint64_t usual)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtoull(text, NULL, 10) : usual;
}

/* Each property rolls its own dice, so that one more changes nothing for the others. */
static bool try_world(uint64_t seed, uint64_t tried[PROPERTIES], uint64_t reached[REASON_COUNT])
{
    struct dice dice = {seed};
    struct world world;
    bool whole = true;
    world_make(&world, &dice);
    reached[judge(&world).reason]++;
    for (size_t i = 0; i < PROPERTIES; i++) {
        struct dice own = {seed * 31 + i};
        bool looked = false;
        if (!properties[i].holds(&world, &own, &looked)) {
            fprintf(stderr, "world %" PRIu64 ": %s: broken (it is %s)\n", seed, properties[i].name,
                    reason_name(judge(&world).reason));
            world_print(&world);
            whole = false;
        }
        tried[i] += looked;
    }
    return whole;
}

START_TEST(properties_hold_in_random_worlds)
{
    uint64_t runs = setting("OCTROI_PROPERTY_RUNS", RUNS);
    uint64_t seed = setting("OCTROI_PROPERTY_SEED", SEED);
    uint64_t tried[PROPERTIES] = {0};
    uint64_t reached[REASON_COUNT] = {0};
    unsigned broken = 0;
    for (uint64_t i = 0; i < runs && broken < 5; i++)
        broken += !try_world(seed + i, tried, reached);
    ck_assert_msg(broken == 0, "a property is broken in the worlds named above");
    if (runs < 10000)
        return; /* too few to say that anything was tried often enough */
    for (size_t i = 0; i < PROPERTIES; i++)
        ck_assert_msg(tried[i] >= runs / properties[i].rare, "tried %" PRIu64 " times only: %s",
                      tried[i], properties[i].name);
    for (enum reason reason = REASON_OBJECTED; reason <= REASON_SOFT_OPTIN_INVALID; reason++)
        ck_assert_msg(reached[reason] > 0, "no world came to %s", reason_name(reason));
    for (enum reason reason = REASON_CONSENT; reason <= REASON_INFORMED; reason++)
        ck_assert_msg(reached[reason] > 0, "no world came to %s", reason_name(reason));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {properties_hold_in_random_worlds, NULL};
    Suite *const suites[] = {unit_suite("property", tests), NULL};
    return unit_run(suites);
}
