/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The people of the made-up past: their addresses (domains and numbers that nobody has), what they
 * agreed to through which form, and what some of them took back. Holds no clear address: each is
 * made from the person's number whenever it is wanted.
 */
#include "examples/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR (3600 * CLOCK_SECOND)

/* ---- chance: splitmix64 ---- */

uint64_t chance_next(struct chance *chance)
{
    uint64_t z = chance->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t chance_below(struct chance *chance, uint64_t limit)
{
    return limit > 0 ? chance_next(chance) % limit : 0;
}

double chance_unit(struct chance *chance)
{
    return (double)(chance_next(chance) >> 11) / 9007199254740992.0;
}

bool chance_is(struct chance *chance, double likely)
{
    return chance_unit(chance) < likely;
}

/* ---- addresses ---- */

static const char *const first_names[] = {
    "marie",  "jean",    "camille", "louis",  "lea",      "hugo",    "chloe",   "lucas",
    "manon",  "nathan",  "emma",    "paul",   "sarah",    "antoine", "julie",   "thomas",
    "claire", "nicolas", "sophie",  "pierre", "nadia",    "karim",   "ines",    "mehdi",
    "fatou",  "ibrahim", "agnes",   "gilles", "helene",   "bernard", "odile",   "yannick",
    "solene", "erwan",   "maelle",  "kevin",  "mathilde", "olivier", "pauline", "sebastien"};
static const char *const last_names[] = {
    "martin",  "bernard", "dubois",   "thomas",  "robert",  "richard", "petit",    "durand",
    "leroy",   "moreau",  "simon",    "laurent", "michel",  "garcia",  "david",    "bertrand",
    "roux",    "vincent", "fournier", "morel",   "girard",  "andre",   "mercier",  "dupont",
    "lambert", "bonnet",  "francois", "legrand", "garnier", "faure",   "rousseau", "blanc",
    "guerin",  "muller",  "henry",    "perrin",  "morin",   "nguyen",  "diallo",   "benali"};
static const char *const domains[] = {"courriel.example", "poste.example", "mel.example",
                                      "boite.example", "famille.example"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* 06 39 98 is for fiction; thousands of people go on from there. */
void person_address(uint32_t number, enum address_kind kind, struct address *address)
{
    *address = (struct address){.kind = kind};
    if (kind == ADDRESS_PHONE) {
        snprintf(address->text, sizeof(address->text), "+33%09" PRIu32, 639980000 + number);
        return;
    }
    /* 7 and 1600 have no factor in common: neighbours do not look alike. */
    uint32_t pair = number * 7 % (COUNT(first_names) * COUNT(last_names));
    uint32_t again = number / (uint32_t)(COUNT(first_names) * COUNT(last_names));
    char suffix[12] = "";
    if (again > 0)
        snprintf(suffix, sizeof(suffix), "%" PRIu32, again + 1);
    snprintf(address->text, sizeof(address->text), "%s.%s%s@%s",
             first_names[pair % COUNT(first_names)], last_names[pair / COUNT(first_names)], suffix,
             domains[number % COUNT(domains)]);
}

/* ---- what they do ---- */

static size_t pick_supplier(struct chance *chance)
{
    double total = 0;
    for (size_t i = 0; i < cast_n_suppliers; i++)
        total += cast_suppliers[i].weight;
    double at = chance_unit(chance) * total;
    size_t i = 0;
    while (i + 1 < cast_n_suppliers && (at -= cast_suppliers[i].weight) >= 0)
        i++;
    return i;
}

static int pick_form(struct chance *chance)
{
    double total = 0;
    for (size_t i = 0; i < cast_n_forms; i++)
        total += cast_forms[i].weight;
    double at = chance_unit(chance) * total;
    size_t i = 0;
    while (i + 1 < cast_n_forms && (at -= cast_forms[i].weight) >= 0)
        i++;
    return (int)i;
}

/* Some moment of the form's life, the later the likelier. */
static int64_t moment_of(struct chance *chance, int form, int64_t end)
{
    const struct cast_form *cast = &cast_forms[form];
    bool last = (size_t)form + 1 == cast_n_forms || strcmp(cast[1].id, cast->id) != 0;
    double oldest = cast->days - 1;
    double newest = last ? 0.2 : cast[1].days + 1;
    double share = chance_unit(chance);
    double days = newest + (oldest - newest) * share * (0.4 + 0.6 * share);
    return end - (int64_t)(days * (double)CLOCK_DAY);
}

static enum result add_deed(struct population *population, const struct deed *deed,
                            struct error *err)
{
    if (population->n_deeds == population->capacity) {
        size_t capacity = population->capacity > 0 ? population->capacity * 2 : 1024;
        struct deed *deeds = reallocarray(population->deeds, capacity, sizeof(*deeds));
        if (deeds == NULL)
            return error_no_memory(err);
        population->deeds = deeds;
        population->capacity = capacity;
    }
    population->deeds[population->n_deeds++] = *deed;
    return RESULT_OK;
}

static enum result audience_add(struct audience *audience, uint32_t person, struct error *err)
{
    if (audience->count > 0 && audience->people[audience->count - 1] == person)
        return RESULT_OK;
    if (audience->count == audience->capacity) {
        size_t capacity = audience->capacity > 0 ? audience->capacity * 2 : 256;
        uint32_t *people = reallocarray(audience->people, capacity, sizeof(*people));
        if (people == NULL)
            return error_no_memory(err);
        audience->people = people;
        audience->capacity = capacity;
    }
    audience->people[audience->count++] = person;
    return RESULT_OK;
}

/* The lists that partners work from: whoever is in some version of the form, sometimes of a channel
 * the person did not agree to. */
static enum result join_audiences(struct population *population, uint32_t person, int form,
                                  unsigned channels, struct chance *chance, struct error *err)
{
    enum result result = RESULT_OK;
    for (size_t p = 0; p < cast_n_partners; p++) {
        bool listed = false;
        for (size_t f = 0; f < cast_n_forms && !listed; f++)
            listed = strcmp(cast_forms[f].id, cast_forms[form].id) == 0 &&
                     cast_lists(cast_forms[f].partners, cast_partners[p].id);
        for (int c = CHANNEL_EMAIL; listed && result == RESULT_OK && c <= CHANNEL_SMS; c++)
            if ((channels & CHANNEL_BIT(c)) != 0 || chance_is(chance, 0.03))
                result = audience_add(&population->audiences[p * CHANNEL_COUNT + (size_t)c], person,
                                      err);
    }
    return result;
}

static unsigned pick_channels(struct chance *chance)
{
    double at = chance_unit(chance);
    return at < 0.55   ? CHANNEL_BIT(CHANNEL_EMAIL)
           : at < 0.65 ? CHANNEL_BIT(CHANNEL_SMS)
                       : CHANNEL_BIT(CHANNEL_EMAIL) | CHANNEL_BIT(CHANNEL_SMS);
}

/* Whoever hands events over does so in files, some days later; forms of one's own at once. */
static void hand_over(struct deed *deed, struct chance *chance, int64_t end)
{
    bool own = cast_suppliers[deed->supplier].id[0] == '\0';
    deed->origin = own ? "token formulaire" : "import collecte-hebdomadaire.csv";
    deed->recorded_at =
        deed->occurred_at + (own ? (int64_t)chance_below(chance, 60) * CLOCK_SECOND
                                 : CLOCK_DAY + (int64_t)chance_below(chance, 6 * 24) * HOUR);
    if (deed->recorded_at >= end)
        deed->recorded_at = end - 1 - (int64_t)chance_below(chance, 1000);
    if (deed->recorded_at < deed->occurred_at)
        deed->recorded_at = deed->occurred_at;
}

static enum result agree(struct population *population, uint32_t person, struct chance *chance,
                         int64_t end, struct deed *deed, struct error *err)
{
    int form = pick_form(chance);
    *deed = (struct deed){.person = person,
                          .kind = EVENT_GIVEN,
                          .channels = pick_channels(chance),
                          .form = form,
                          .supplier = (int)pick_supplier(chance),
                          .partner = -1,
                          .occurred_at = moment_of(chance, form, end)};
    const struct cast_supplier *supplier = &cast_suppliers[deed->supplier];
    deed->proven = chance_is(chance, supplier->proves);
    hand_over(deed, chance, end);
    enum result result = join_audiences(population, person, form, deed->channels, chance, err);
    if (supplier->formless)
        deed->form = -1;
    if (population->people[person].since > deed->recorded_at)
        population->people[person].since = deed->recorded_at;
    return result == RESULT_OK ? add_deed(population, deed, err) : result;
}

/* Some later moment; those who were written to while the journal was kept say no the most. */
static int64_t later(struct chance *chance, int64_t after, int64_t begin, int64_t end)
{
    int64_t from = after < begin && chance_is(chance, 0.6) ? begin : after;
    return from + (int64_t)(chance_unit(chance) * (double)(end - from));
}

static enum result take_back(struct population *population, const struct deed *grant,
                             struct chance *chance, int64_t begin, int64_t end, struct error *err)
{
    static const char *const origins[] = {"link", "link", "link", "command", "sms STOP"};
    struct deed deed = *grant;
    deed.kind = chance_is(chance, 0.82) ? EVENT_WITHDRAWN : EVENT_OBJECTED;
    deed.form = -1;
    deed.supplier = 0;
    deed.proven = true;
    deed.occurred_at = deed.recorded_at = later(chance, grant->recorded_at + HOUR, begin, end);
    deed.origin = origins[chance_below(chance, COUNT(origins))];
    if (strcmp(deed.origin, "sms STOP") == 0)
        deed.channels = CHANNEL_BIT(CHANNEL_SMS);
    if (grant->form >= 0 && chance_is(chance, 0.6))
        for (size_t p = 0; p < cast_n_partners; p++)
            if (cast_lists(cast_forms[grant->form].partners, cast_partners[p].id) &&
                (deed.partner < 0 || chance_is(chance, 0.4)))
                deed.partner = (int)p;
    return deed.occurred_at < end ? add_deed(population, &deed, err) : RESULT_OK;
}

static enum result live(struct population *population, uint32_t person, struct chance *chance,
                        int64_t begin, int64_t end, struct error *err)
{
    struct deed grant = {.form = -1};
    enum result result = RESULT_OK;
    population->people[person].since = INT64_MAX;
    if (chance_is(chance, 0.04))
        return RESULT_OK; /* nobody ever asked them */
    unsigned grants = chance_is(chance, 0.2) ? 2 : 1;
    for (unsigned i = 0; i < grants && result == RESULT_OK; i++) {
        result = agree(population, person, chance, end, &grant, err);
        if (result == RESULT_OK && chance_is(chance, 0.09))
            result = take_back(population, &grant, chance, begin, end, err);
    }
    if (result == RESULT_OK && grant.form >= 0 && chance_is(chance, 0.05)) {
        grant.kind = EVENT_ACTIVE;
        grant.origin = "token formulaire";
        grant.occurred_at = grant.recorded_at =
            later(chance, grant.recorded_at + HOUR, begin, end - HOUR);
        if (grant.occurred_at < end)
            result = add_deed(population, &grant, err);
    }
    return result;
}

static int compare_deeds(const void *a, const void *b)
{
    const struct deed *one = a, *other = b;
    if (one->recorded_at != other->recorded_at)
        return one->recorded_at < other->recorded_at ? -1 : 1;
    if (one->person != other->person)
        return one->person < other->person ? -1 : 1;
    return (int)one->kind - (int)other->kind;
}

static enum result name_person(struct person *person, uint32_t number, struct hmac *hmac,
                               struct error *err)
{
    enum result result = RESULT_OK;
    for (int kind = ADDRESS_EMAIL; result == RESULT_OK && kind <= ADDRESS_PHONE; kind++) {
        struct address address;
        person_address(number, (enum address_kind)kind, &address);
        result = recipient_make_key(hmac, &address, person->keys[kind], err);
    }
    return result;
}

enum result population_make(struct population *population, uint32_t count, struct hmac *hmac,
                            struct chance *chance, int64_t begin, int64_t end, struct error *err)
{
    enum result result = RESULT_OK;
    *population = (struct population){.count = count};
    population->people = calloc(count, sizeof(*population->people));
    population->audiences = calloc(cast_n_partners * CHANNEL_COUNT, sizeof(struct audience));
    if (population->people == NULL || population->audiences == NULL)
        result = error_no_memory(err);
    for (uint32_t i = 0; i < count && result == RESULT_OK; i++) {
        result = name_person(&population->people[i], i, hmac, err);
        if (result == RESULT_OK)
            result = live(population, i, chance, begin, end, err);
    }
    if (result == RESULT_OK)
        qsort(population->deeds, population->n_deeds, sizeof(*population->deeds), compare_deeds);
    return result;
}

void population_free(struct population *population)
{
    for (size_t i = 0; population->audiences != NULL && i < cast_n_partners * CHANNEL_COUNT; i++)
        free(population->audiences[i].people);
    free(population->audiences);
    free(population->people);
    free(population->deeds);
    *population = (struct population){0};
}

/* ---- on record ---- */

/* Networks for documentation: 198.51.100.0/24. */
static void write_evidence(const struct deed *deed, bool hostile, char *out, size_t size)
{
    char at[CLOCK_TEXT];
    out[0] = '\0';
    if (!deed->proven || deed->kind == EVENT_WITHDRAWN || deed->kind == EVENT_OBJECTED)
        return;
    clock_format_seconds(deed->occurred_at, at);
    snprintf(out, size, "%s %s, IP 198.51.100.%u, session %06" PRIx32 "%s",
             deed->kind == EVENT_ACTIVE ? "clic" : "double opt-in", at, deed->person % 250 + 1,
             (deed->person * UINT32_C(2654435761)) >> 8,
             hostile ? " <svg onload=alert('evidence')>" : "");
}

static enum result record_side(struct registry *registry, const struct population *population,
                               const struct deed *deed, enum channel channel, bool hostile,
                               struct error *err)
{
    char evidence[200];
    char supplier[80];
    unsigned added;
    const struct cast_form *form = deed->form >= 0 ? &cast_forms[deed->form] : NULL;
    const char *partner = deed->partner >= 0 ? cast_partners[deed->partner].id : NULL;
    enum address_kind kind = channel == CHANNEL_SMS ? ADDRESS_PHONE : ADDRESS_EMAIL;
    write_evidence(deed, hostile, evidence, sizeof(evidence));
    snprintf(supplier, sizeof(supplier), "%s%s", cast_suppliers[deed->supplier].id,
             hostile && cast_suppliers[deed->supplier].formless ? " <script>alert(3)</script>"
                                                                : "");
    struct event_input event = {
        .address_kind = kind,
        .kind = deed->kind,
        .channels = CHANNEL_BIT(channel),
        .occurred_at = deed->occurred_at,
        .form_id = form != NULL ? form->id : NULL,
        .form_version = form != NULL ? form->version : 0,
        .partners = &partner,
        .n_partners = partner != NULL,
        .basis = BASIS_CONSENT,
        .supplier = supplier,
        .collector = "",
        .evidence = evidence,
        .origin = deed->origin,
    };
    memcpy(event.recipient_key, population->people[deed->person].keys[kind], RECIPIENT_KEY_BYTES);
    return registry_add_event(registry, &event, deed->recorded_at, &added, err);
}

enum result population_record(struct registry *registry, const struct population *population,
                              const struct deed *deed, bool hostile, struct error *err)
{
    enum result result = RESULT_OK;
    for (int c = CHANNEL_EMAIL; c <= CHANNEL_SMS && result == RESULT_OK; c++)
        if ((deed->channels & CHANNEL_BIT(c)) != 0)
            result = record_side(registry, population, deed, (enum channel)c, hostile, err);
    return result;
}
