/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A believable past for a new gateway: people, what they agreed to and took back, and the messages
 * that partners sent them. Every verdict is the policy's own on what the registry held at that
 * moment, so that an explanation given today says what was decided then. The same seed gives the
 * same past. Not part of the gate: for demonstrations, benchmarks and tests.
 */
#ifndef OCTROI_EXAMPLES_HISTORY_H
#define OCTROI_EXAMPLES_HISTORY_H

#include "config/config.h"
#include "policy/recipient.h"
#include "store/registry.h"
#include "store/segment_writer.h"

/* ---- chance (history_people.c) ---- */

struct chance {
    uint64_t state;
};
uint64_t chance_next(struct chance *chance);
uint64_t chance_below(struct chance *chance, uint64_t limit);
double chance_unit(struct chance *chance); /* [0, 1) */
bool chance_is(struct chance *chance, double likely);

/* ---- the cast (history_cast.c) ---- */

/* One version of a collection form; lists are joined by '|'. */
struct cast_form {
    const char *id;
    int version;
    int days; /* before the end: when it began */
    double weight;
    const char *collector, *siren, *display, *url, *wording;
    const char *partners, *categories;
};
extern const struct cast_form cast_forms[];
extern const size_t cast_n_forms;

struct cast_supplier {
    const char *id; /* "": the collector itself */
    double weight;
    double proves; /* how often there is evidence */
    bool formless; /* brings old lists that name no form */
};
extern const struct cast_supplier cast_suppliers[];
extern const size_t cast_n_suppliers;

/* How a partner sends. Shares are from 0 to 1. */
struct cast_partner {
    const char *id;
    double weight;   /* of the traffic */
    double strays;   /* recipients nobody gave it */
    double tidies;   /* of those who would be blocked, how many it had taken off its list */
    double careless; /* messages without the way out that they must have */
    double foreign;  /* messages under another's name */
    double bounces;  /* refused by the recipient's provider */
};
extern const struct cast_partner cast_partners[];
extern const size_t cast_n_partners;

/* A stop, a resumption or an end of a form, so many days before the end. */
struct cast_act {
    double days;
    enum cast_what { CAST_SUSPEND, CAST_RESUME, CAST_INVALIDATE } what;
    enum suspension_kind kind;
    const char *id;
    int version;
    const char *reason;
};
extern const struct cast_act cast_acts[];
extern const size_t cast_n_acts;

/* What providers say when they refuse; the last is not tame and only for who asks for it. */
const char *cast_refusal(struct chance *chance, bool hostile);
enum result cast_add_form(struct registry *registry, const struct cast_form *form, int64_t end,
                          bool hostile, struct error *err);
/* Whether a list joined by '|' has the word. */
bool cast_lists(const char *list, const char *word);

/* ---- people (history_people.c) ---- */

#define NOBODY UINT32_MAX

struct person {
    uint8_t keys[2][RECIPIENT_KEY_BYTES]; /* by enum address_kind */
    char phone[40];                       /* masked; "" until first asked for */
    int64_t since;                        /* of the first grant; INT64_MAX: none */
};

/* Something a person did, as it came to be on record. */
struct deed {
    int64_t recorded_at, occurred_at;
    uint32_t person;
    enum event_kind kind;
    unsigned channels;
    int form;     /* of cast_forms; -1: none */
    int supplier; /* of cast_suppliers */
    int partner;  /* of cast_partners; -1: the form's own list, or all */
    bool proven;
    const char *origin;
};

/* Whom a partner has on its list, by channel. */
struct audience {
    uint32_t *people; /* owned */
    size_t count, capacity;
};

struct population {
    struct person *people; /* owned */
    uint32_t count;
    struct deed *deeds; /* owned; oldest record first */
    size_t n_deeds, capacity;
    struct audience *audiences; /* owned; cast_n_partners × CHANNEL_COUNT */
};

/* begin: of the messages; most of what people did lies before it. */
enum result population_make(struct population *population, uint32_t count, struct hmac *hmac,
                            struct chance *chance, int64_t begin, int64_t end, struct error *err);
void population_free(struct population *population);
void person_address(uint32_t number, enum address_kind kind, struct address *address_out);
/* Puts a deed on record. */
enum result population_record(struct registry *registry, const struct population *population,
                              const struct deed *deed, bool hostile, struct error *err);

/* ---- the past itself (history.c), and its messages (history_traffic.c) ---- */

struct history {
    const struct config *config;
    struct registry *registry;
    struct segment_writer writer;
    struct population population;
    struct chance chance;
    bool hostile;
    int64_t begin, end;
    uint64_t wanted; /* decisions */
    uint64_t made;
    uint64_t ids;
    uint64_t counts[VERDICT_COUNT];
    struct strbuf record;
    struct pending *pending; /* owned; outcomes not written yet, a ring */
    size_t first_pending, n_pending;
    struct traffic *traffic; /* owned */
};

/* What the clock says from now on to all that asks it. */
void history_tell(int64_t instant);
/* A record for the journal, written sooner or later. */
enum result history_add(struct history *history, struct error *err);

/* Weighs all hours. RESULT_NOT_FOUND: the configuration lacks a partner. */
enum result traffic_open(struct history *history, struct error *err);
void traffic_free(struct history *history);
/* The messages of the hour that begins then. */
enum result traffic_hour(struct history *history, int64_t hour, struct error *err);
/* Writes the outcomes that were due by then. */
enum result traffic_settle(struct history *history, int64_t until, struct error *err);

#endif
