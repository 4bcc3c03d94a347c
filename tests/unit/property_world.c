/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/property_world.h"

#include <stdio.h>
#include <string.h>

static const char *const partner_ids[WORLD_PARTNERS] = {"acme", "beta", "gamma"};
static const char *const collectors[] = {"987654321", "123456782"};
static const char *const supplier_ids[WORLD_SUPPLIERS] = {NULL, "one", "two"};
static const char *const categories[] = {"travel", "insurance"};

/* SplitMix64: every number is a good beginning. */
uint64_t dice_next(struct dice *dice)
{
    uint64_t z = (dice->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

unsigned dice_roll(struct dice *dice, unsigned sides)
{
    return (unsigned)(dice_next(dice) % sides);
}

bool dice_chance(struct dice *dice, unsigned percent)
{
    return dice_roll(dice, 100) < percent;
}

/* The law of calls changes on the tenth tick. */
int64_t world_tick(unsigned ticks)
{
    return CALL_CONSENT_SINCE + ((int64_t)ticks - 10) * WORLD_TICK;
}

static void make_form(struct world_form *form, struct dice *dice, const char *id, int version)
{
    static const unsigned purposes[] = {1, 2, 3, 3};
    *form = (struct world_form){
        .id = id,
        .version = version,
        .collector = collectors[dice_roll(dice, 2)],
        .channels = dice_chance(dice, 75) ? 0x1f : dice_roll(dice, 0x20),
        .purposes = purposes[dice_roll(dice, 4)],
        .until = INT64_MAX,
        .partners = dice_chance(dice, 65) ? 1 | dice_roll(dice, 8) : dice_roll(dice, 8),
        .categories = dice_roll(dice, 4) & dice_roll(dice, 4),
        .invalidated = dice_chance(dice, 12),
        .suspended = dice_chance(dice, 8),
    };
}

static void make_forms(struct world *world, struct dice *dice)
{
    for (int i = 0; i < WORLD_FORMS; i++) {
        struct world_form *form = &world->forms[i];
        bool first = i == 0 || i == 3;
        make_form(form, dice, i < 3 ? "jeu" : "quiz", i < 3 ? i + 1 : i - 2);
        form->from = first ? world_tick(0) : form[-1].from + dice_roll(dice, 8) * WORLD_TICK;
        if (!first)
            form[-1].until = form->from;
    }
    /* A version's life ends where the next begins, also where that one begins at once. */
    world->forms[0].until = world->forms[1].from;
}

static void make_policy(struct world *world, struct dice *dice)
{
    struct channel_policy *policy = &world->policy;
    channel_policy_default(world->channel, policy);
    policy->stale_after = (struct duration){.microseconds = (6 + dice_roll(dice, 20)) * WORLD_TICK};
    if (dice_chance(dice, 50))
        channel_policy_accept(policy, dice_chance(dice, 70) ? 0xf : 1 + dice_roll(dice, 15));
    if (dice_chance(dice, 30))
        policy->partner_naming = NAMING_CATEGORY;
    if (dice_chance(dice, 30))
        policy->partner_added_later = ADDED_LATER_PASS;
}

void world_event_make(const struct world *world, struct dice *dice, struct world_event *event_out)
{
    static const enum event_kind kinds[] = {EVENT_GIVEN,     EVENT_GIVEN,    EVENT_GIVEN,
                                            EVENT_GIVEN,     EVENT_RENEWED,  EVENT_RENEWED,
                                            EVENT_WITHDRAWN, EVENT_OBJECTED, EVENT_ACTIVE};
    enum event_kind kind = kinds[dice_roll(dice, sizeof(kinds) / sizeof(kinds[0]))];
    *event_out = (struct world_event){
        .id = 1 + (int64_t)world->n_events,
        .kind = kind,
        .channel =
            dice_chance(dice, 85) ? world->channel : (enum channel)dice_roll(dice, CHANNEL_COUNT),
        .at = world_tick(dice_roll(dice, 24)),
        .basis = dice_chance(dice, 70) ? BASIS_CONSENT : (enum basis)dice_roll(dice, BASIS_COUNT),
        .partners = dice_chance(dice, 70) ? 0 : 1 + dice_roll(dice, 7),
        .supplier = dice_roll(dice, WORLD_SUPPLIERS),
        .evidence = dice_chance(dice, 88),
        .form = dice_chance(dice, 92) ? (int)dice_roll(dice, WORLD_FORMS) : -1,
    };
    if (kind == EVENT_OBJECTED && event_out->partners == 0 && dice_chance(dice, 30))
        event_out->collector = collectors[dice_roll(dice, 2)];
    /* Most grants name the version that was in use: else hardly any were proven. */
    if (event_out->form >= 0 && dice_chance(dice, 80))
        for (int i = 0; i < WORLD_FORMS; i++) {
            const struct world_form *form = &world->forms[i];
            if (strcmp(form->id, world->forms[event_out->form].id) == 0 &&
                event_out->at >= form->from && event_out->at < form->until)
                event_out->form = i;
        }
}

void world_make(struct world *world, struct dice *dice)
{
    *world = (struct world){
        .channel = (enum channel)dice_roll(dice, CHANNEL_COUNT),
        .purpose = (enum purpose)dice_roll(dice, PURPOSE_COUNT),
        .now = world_tick(4 + dice_roll(dice, 24)),
        .with_stream = dice_chance(dice, 50),
        .partner_suspended = dice_chance(dice, 2),
        .stream_suspended = dice_chance(dice, 2),
    };
    make_forms(world, dice);
    make_policy(world, dice);
    for (int i = 1; i < WORLD_SUPPLIERS; i++) {
        world->suppliers[i].suspended = dice_chance(dice, 10);
        world->suppliers[i].invalidated = dice_chance(dice, 10);
    }
    size_t count = dice_roll(dice, WORLD_EVENTS - 2); /* leaves room for those tests add */
    for (; world->n_events < count; world->n_events++)
        world_event_make(world, dice, &world->events[world->n_events]);
}

/* ---- as the registry would tell it ---- */

static void view_form(const struct world *world, int index, unsigned partner, const char *shown[2],
                      struct form_facts *out)
{
    const struct world_form *form = &world->forms[index];
    unsigned bit = 1u << partner;
    *out = (struct form_facts){
        .id = form->id,
        .version = form->version,
        .collector = form->collector,
        .channels = form->channels,
        .purposes = form->purposes,
        .effective_from = form->from,
        .effective_until = form->until,
        .invalidated = form->invalidated,
        .suspended = form->suspended,
        .presence = form->partners & bit ? PRESENCE_LISTED : PRESENCE_NEVER,
        .categories = shown,
    };
    for (int i = 0; i < 2; i++)
        if (form->categories & (1u << i))
            shown[out->n_categories++] = categories[i];
    for (int i = index + 1; i < WORLD_FORMS && out->presence == PRESENCE_NEVER; i++) {
        const struct world_form *next = &world->forms[i];
        if (strcmp(next->id, form->id) == 0 && !next->invalidated && (next->partners & bit) != 0)
            out->presence = PRESENCE_LATER;
    }
}

static void view_event(const struct world *world, const struct world_event *event, unsigned partner,
                       const struct form_facts *forms, struct consent_event *out)
{
    *out = (struct consent_event){
        .id = event->id,
        .kind = event->kind,
        .channel = event->channel,
        .occurred_at = event->at,
        .basis = event->basis,
        .names_partners = event->partners != 0,
        .names_this_partner = (event->partners & (1u << partner)) != 0,
        .collector = event->collector,
        .supplier = supplier_ids[event->supplier],
        .supplier_suspended = world->suppliers[event->supplier].suspended,
        .supplier_invalidated = world->suppliers[event->supplier].invalidated,
        .has_evidence = event->evidence,
        .form = event->form >= 0 ? &forms[event->form] : NULL,
    };
}

struct judgement world_judge(const struct world *world, unsigned partner, enum stream_class class)
{
    struct form_facts forms[WORLD_FORMS];
    const char *shown[WORLD_FORMS][2];
    struct consent_event events[WORLD_EVENTS];
    const char *own[] = {categories[0]};
    struct partner asked = {.id = partner_ids[partner],
                            .name = "",
                            .siren = partner == 0 ? collectors[1] : "",
                            .categories = own,
                            .n_categories = partner == 0};
    struct stream stream = {
        .id = "news", .partner = &asked, .channel = world->channel, .class = class, .sector = ""};
    struct question question = {.partner = &asked,
                                .stream =
                                    world->with_stream || class == CLASS_SERVICE ? &stream : NULL,
                                .policy = &world->policy,
                                .channel = world->channel,
                                .purpose = world->purpose,
                                .now = world->now};
    struct facts facts = {.partner_suspended = world->partner_suspended,
                          .stream_suspended = world->stream_suspended,
                          .events = events,
                          .n_events = world->n_events};
    struct judgement judgement;
    for (int i = 0; i < WORLD_FORMS; i++)
        view_form(world, i, partner, shown[i], &forms[i]);
    for (size_t i = 0; i < world->n_events; i++)
        view_event(world, &world->events[i], partner, forms, &events[i]);
    policy_judge(&question, &facts, &judgement, NULL);
    return judgement;
}

/* ---- for people ---- */

static int day(int64_t instant)
{
    return (int)((instant - world_tick(0)) / WORLD_TICK);
}

void world_print(const struct world *world)
{
    fprintf(stderr, "  asked: %s, %s, day %d, accept %x (%x before day 10), %s, added later %s\n",
            channel_name(world->channel), purpose_name(world->purpose), day(world->now),
            world->policy.accept, channel_policy_accepts(&world->policy, world_tick(0)),
            world->policy.partner_naming == NAMING_NAMED ? "named" : "category",
            world->policy.partner_added_later == ADDED_LATER_BLOCK ? "blocks" : "passes");
    for (int i = 0; i < WORLD_FORMS; i++) {
        const struct world_form *form = &world->forms[i];
        fprintf(stderr, "  form %s@%d: day %d, partners %x, categories %x, channels %x%s%s\n",
                form->id, form->version, day(form->from), form->partners, form->categories,
                form->channels, form->invalidated ? ", invalidated" : "",
                form->suspended ? ", suspended" : "");
    }
    for (size_t i = 0; i < world->n_events; i++) {
        const struct world_event *event = &world->events[i];
        fprintf(stderr, "  event %d: %s %s, day %d, %s, partners %x, form %d, supplier %u%s%s%s\n",
                (int)event->id, event_kind_name(event->kind), channel_name(event->channel),
                day(event->at), basis_name(event->basis), event->partners, event->form,
                event->supplier, world->suppliers[event->supplier].suspended ? " suspended" : "",
                world->suppliers[event->supplier].invalidated ? " invalidated" : "",
                event->evidence ? ", evidence" : "");
    }
}
