/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small random worlds for the property tests: a few partners, forms in versions, suppliers, and the
 * events of one person, all close together in time so that ties and edges are common. A world is
 * made from one number, and the number is all it takes to make it again.
 */
#ifndef OCTROI_TESTS_PROPERTY_WORLD_H
#define OCTROI_TESTS_PROPERTY_WORLD_H

#include "policy/judge.h"

#include <stdint.h>

#define WORLD_PARTNERS  3 /* acme, beta, gamma */
#define WORLD_FORMS     5 /* jeu@1 to jeu@3, quiz@1 and quiz@2 */
#define WORLD_SUPPLIERS 3 /* the first is none */
#define WORLD_EVENTS    12
#define WORLD_TICK      CLOCK_DAY

struct dice {
    uint64_t state;
};
uint64_t dice_next(struct dice *dice);
/* 0 to sides - 1. */
unsigned dice_roll(struct dice *dice, unsigned sides);
/* True so many times in a hundred. */
bool dice_chance(struct dice *dice, unsigned percent);

struct world_form {
    const char *id;
    int version;
    const char *collector;
    unsigned channels, purposes;
    int64_t from, until;
    unsigned partners;   /* bit a partner */
    unsigned categories; /* bit 0: the asked partner's own, bit 1: another one */
    bool invalidated, suspended;
};

struct world_event {
    int64_t id;
    enum event_kind kind;
    enum channel channel;
    int64_t at;
    enum basis basis;
    unsigned partners; /* 0: none named */
    const char *collector;
    unsigned supplier;
    bool evidence;
    int form; /* -1: none */
};

struct world {
    struct world_form forms[WORLD_FORMS];
    struct {
        bool suspended, invalidated;
    } suppliers[WORLD_SUPPLIERS];
    bool partner_suspended, stream_suspended;
    struct world_event events[WORLD_EVENTS];
    size_t n_events;
    /* the question */
    enum channel channel;
    enum purpose purpose;
    int64_t now;
    bool with_stream;
    struct channel_policy policy;
};

void world_make(struct world *world, struct dice *dice);
/* One more event, of any kind. */
void world_event_make(const struct world *world, struct dice *dice, struct world_event *event_out);
int64_t world_tick(unsigned ticks);

/* What the gate says of the world for partner number `partner`, on a prospecting or a service
 * stream where the world has one. */
struct judgement world_judge(const struct world *world, unsigned partner, enum stream_class class);

/* For a message: what makes the world what it is, on standard error. */
void world_print(const struct world *world);

#endif
