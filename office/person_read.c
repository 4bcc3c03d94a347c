/* SPDX-License-Identifier: Apache-2.0 */
/* Gathers what is held on one person, from the registry and from the journal's index. */
#include "office/person.h"
#include "store/index_person.h"
#include "store/notices.h"
#include "store/registry_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Partners are the configuration's, sums a handful for each: far beyond what is ever needed. */
#define PERSON_BYTES (64u * 1024 * 1024)

struct reading {
    struct person *person;
    struct error *err;
    enum result result;
};

static const char *keep(struct reading *reading, const char *text)
{
    const char *copy = arena_str(reading->person->arena, text != NULL ? text : "");
    if (copy == NULL)
        reading->result = error_no_memory(reading->err);
    return copy;
}

/* One more of an array in the arena; what it grew out of stays there until the end. */
static void *more(struct reading *reading, void *array, size_t count, size_t size)
{
    bool full = count == 0 || (count >= 8 && (count & (count - 1)) == 0);
    if (!full)
        return array;
    size_t capacity = count < 8 ? 8 : count * 2;
    void *grown = arena_alloc(reading->person->arena, capacity * size);
    if (grown == NULL) {
        reading->result = error_no_memory(reading->err);
        return NULL;
    }
    if (count > 0)
        memcpy(grown, array, count * size);
    return grown;
}

/* ---- suppliers ---- */

static void count_supplier(struct reading *reading, const struct past_event *event)
{
    struct person *person = reading->person;
    for (size_t i = 0; i < person->n_suppliers; i++) {
        struct person_supplier *supplier = &person->suppliers[i];
        if (strcmp(supplier->id, event->supplier) != 0)
            continue;
        supplier->events++;
        if (event->recorded_at < supplier->first_at)
            supplier->first_at = event->recorded_at;
        if (event->recorded_at > supplier->last_at)
            supplier->last_at = event->recorded_at;
        return;
    }
    person->suppliers =
        more(reading, person->suppliers, person->n_suppliers, sizeof(*person->suppliers));
    if (person->suppliers != NULL)
        person->suppliers[person->n_suppliers++] =
            (struct person_supplier){.id = event->supplier,
                                     .events = 1,
                                     .first_at = event->recorded_at,
                                     .last_at = event->recorded_at};
}

/* ---- sums ---- */

static bool keep_sum(void *arg, const struct log_sum *row)
{
    struct reading *reading = arg;
    struct person *person = reading->person;
    person->sums = more(reading, person->sums, person->n_sums, sizeof(*person->sums));
    if (person->sums == NULL)
        return false;
    person->sums[person->n_sums++] = (struct person_sum){
        .partner = keep(reading, row->partner),
        .channel = keep(reading, row->channel),
        .purpose = keep(reading, row->purpose),
        .verdict = keep(reading, row->verdict),
        .effect = keep(reading, row->effect),
        .outcome = keep(reading, row->outcome),
        .list = keep(reading, row->list),
        .count = row->count,
        .first_at = row->first_at,
        .last_at = row->last_at,
    };
    person->n_decisions += row->count;
    return reading->result == RESULT_OK;
}

static bool keep_access(void *arg, const struct log_access_sum *row)
{
    struct reading *reading = arg;
    struct person *person = reading->person;
    person->accesses =
        more(reading, person->accesses, person->n_accesses, sizeof(*person->accesses));
    if (person->accesses == NULL)
        return false;
    person->accesses[person->n_accesses++] = (struct person_access){
        .who = keep(reading, row->who),
        .act = keep(reading, row->act),
        .partner = keep(reading, row->partner),
        .count = row->count,
        .first_at = row->first_at,
        .last_at = row->last_at,
    };
    return reading->result == RESULT_OK;
}

bool person_sum_passed(const struct person_sum *sum)
{
    return strcmp(sum->effect, effect_name(EFFECT_PASSED)) == 0 &&
           strcmp(sum->outcome, outcome_name(OUTCOME_REFUSED)) != 0;
}

/* ---- what can be reached ---- */

bool person_kind(const struct person *person, enum address_kind *kind_out)
{
    const char *masked = person->recipient->masked;
    if (person->address != NULL) {
        *kind_out = person->address->kind;
        return true;
    }
    if (masked[0] != '\0') {
        *kind_out = strchr(masked, '@') != NULL ? ADDRESS_EMAIL : ADDRESS_PHONE;
        return true;
    }
    for (size_t i = 0; i < person->history.n_events; i++) {
        enum channel channel = person->history.events[i].channel;
        bool email = address_fits(ADDRESS_EMAIL, channel);
        if (email && address_fits(ADDRESS_PHONE, channel))
            continue;
        *kind_out = email ? ADDRESS_EMAIL : ADDRESS_PHONE;
        return true;
    }
    return false;
}

/* All of them when nothing says which. */
static unsigned channels_of(const struct person *person)
{
    enum address_kind kind;
    bool known = person_kind(person, &kind);
    unsigned channels = 0;
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if (!known || address_fits(kind, i))
            channels |= CHANNEL_BIT(i);
    return channels;
}

/* ---- partners ---- */

static bool is_listed(const char *partners, const char *id)
{
    size_t length = strlen(id);
    for (const char *at = partners; *at != '\0';) {
        size_t word = strcspn(at, "|");
        if (word == length && memcmp(at, id, length) == 0)
            return true;
        at += word;
        at += *at == '|';
    }
    return false;
}

/* Whether the person was shown the partner, spoke of it, or was asked about by it. */
static bool concerns(const struct person *person, const struct partner *partner)
{
    const struct past *history = &person->history;
    for (size_t i = 0; i < person->n_sums; i++)
        if (strcmp(person->sums[i].partner, partner->id) == 0)
            return true;
    for (size_t i = 0; i < history->n_forms; i++)
        for (size_t j = 0; j < history->forms[i].form->n_partners; j++)
            if (strcmp(history->forms[i].form->partners[j], partner->id) == 0)
                return true;
    for (size_t i = 0; i < history->n_events; i++)
        if (is_listed(history->events[i].partners, partner->id))
            return true;
    return false;
}

static enum result judge(struct reading *reading, const struct facts *facts,
                         struct person_answer *answer)
{
    const struct person *person = reading->person;
    const struct question question = {
        .partner = answer->partner,
        .policy = &person->from.config->policies[answer->channel],
        .channel = answer->channel,
        .purpose = answer->purpose,
        .now = person->at,
    };
    answer->trace = arena_alloc(person->arena, sizeof(*answer->trace));
    if (answer->trace == NULL)
        return error_no_memory(reading->err);
    policy_judge(&question, facts, &answer->judgement, answer->trace);
    answer->judgement.form_id = NULL; /* the facts' own */
    answer->beneath = answer->judgement;
    if (facts->partner_suspended) {
        struct facts resumed = *facts;
        resumed.partner_suspended = false;
        policy_judge(&question, &resumed, &answer->beneath, NULL);
        answer->beneath.form_id = NULL;
    }
    return RESULT_OK;
}

static enum result judge_partner(struct reading *reading, const struct partner *partner)
{
    struct person *person = reading->person;
    struct person_answer answers[CHANNEL_COUNT * PURPOSE_COUNT];
    const struct facts *facts = NULL;
    size_t count = 0;
    bool concerned = concerns(person, partner);
    enum result result = registry_facts(person->from.registry, person->recipient->key, partner->id,
                                        NULL, &facts, reading->err);
    for (int channel = 0; result == RESULT_OK && channel < CHANNEL_COUNT; channel++)
        for (int purpose = 0; result == RESULT_OK && purpose < PURPOSE_COUNT; purpose++) {
            if ((person->channels & CHANNEL_BIT(channel)) == 0)
                continue;
            answers[count] =
                (struct person_answer){.partner = partner, .channel = channel, .purpose = purpose};
            result = judge(reading, facts, &answers[count]);
            concerned = concerned || answers[count].judgement.verdict == VERDICT_PASS;
            count++;
        }
    if (result != RESULT_OK)
        return result;
    struct person_answer *kept = arena_alloc(person->arena, sizeof(answers));
    if (kept == NULL)
        return error_no_memory(reading->err);
    memcpy(kept, answers, count * sizeof(*kept));
    struct person_partner *row =
        concerned ? &person->partners[person->n_partners++] : &person->others[person->n_others++];
    *row = (struct person_partner){.partner = partner, .answers = kept, .n_answers = count};
    return RESULT_OK;
}

static enum result read_partners(struct reading *reading)
{
    struct person *person = reading->person;
    const struct config *config = person->from.config;
    size_t count = config->n_partners > 0 ? config->n_partners : 1;
    person->partners = arena_alloc(person->arena, count * sizeof(*person->partners));
    person->others = arena_alloc(person->arena, count * sizeof(*person->others));
    if (person->partners == NULL || person->others == NULL)
        return error_no_memory(reading->err);
    enum result result = RESULT_OK;
    for (size_t i = 0; result == RESULT_OK && i < config->n_partners; i++)
        result = judge_partner(reading, &config->partners[i]);
    return result;
}

const char *person_partner_name(const struct person *person, const char *id)
{
    const struct partner *partner = config_partner(person->from.config, id);
    return partner != NULL ? partner->name : id;
}

/* ---- stops ---- */

static bool touches(const struct person *person, const struct suspension_row *row)
{
    size_t partner = strcspn(row->id, "/");
    switch (row->kind) {
    case SUSPEND_PARTNER:
    case SUSPEND_STREAM:
        for (size_t i = 0; i < person->n_partners; i++) {
            const char *id = person->partners[i].partner->id;
            if (strlen(id) == partner && memcmp(id, row->id, partner) == 0)
                return true;
        }
        return false;
    case SUSPEND_FORM:
        for (size_t i = 0; i < person->history.n_forms; i++)
            if (strcmp(person->history.forms[i].form->id, row->id) == 0)
                return true;
        return false;
    case SUSPEND_SUPPLIER:
        for (size_t i = 0; i < person->n_suppliers; i++)
            if (strcmp(person->suppliers[i].id, row->id) == 0)
                return true;
        return false;
    case SUSPENSION_KIND_COUNT:
        break;
    }
    return false;
}

static void add_stop(struct reading *reading, const struct person_stop *stop)
{
    struct person *person = reading->person;
    person->stops = more(reading, person->stops, person->n_stops, sizeof(*person->stops));
    if (person->stops != NULL)
        person->stops[person->n_stops++] = *stop;
}

static bool keep_suspension(void *arg, const struct suspension_row *row)
{
    struct reading *reading = arg;
    if (!touches(reading->person, row))
        return true;
    const struct person_stop stop = {
        .kind = suspension_kind_name(row->kind),
        .id = keep(reading, row->id),
        .at = row->suspended_at,
        .reason = keep(reading, row->reason),
        .resumed = row->resumed,
        .resumed_at = row->resumed_at,
        .resume_reason = keep(reading, row->resume_reason),
    };
    if (reading->result == RESULT_OK)
        add_stop(reading, &stop);
    return reading->result == RESULT_OK;
}

static void add_invalidations(struct reading *reading)
{
    struct person *person = reading->person;
    for (size_t i = 0; reading->result == RESULT_OK && i < person->history.n_forms; i++) {
        const struct past_form *form = &person->history.forms[i];
        char name[PAST_FORM];
        if (form->invalidated_at == 0)
            continue;
        snprintf(name, sizeof(name), "%.64s@%d", form->form->id, form->form->version);
        const struct person_stop stop = {.kind = "form version",
                                         .id = keep(reading, name),
                                         .at = form->invalidated_at,
                                         .reason = form->invalid_reason,
                                         .resume_reason = ""};
        if (reading->result == RESULT_OK)
            add_stop(reading, &stop);
    }
}

static bool keep_invalid_supplier(void *arg, const struct supplier_row *row)
{
    struct reading *reading = arg;
    struct person *person = reading->person;
    for (size_t i = 0; i < person->n_suppliers; i++) {
        if (row->id[0] == '\0' || strcmp(person->suppliers[i].id, row->id) != 0)
            continue;
        person->suppliers[i].invalidated_at = row->invalidated_at;
        const struct person_stop stop = {.kind = "supplier's consents",
                                         .id = person->suppliers[i].id,
                                         .at = row->invalidated_at,
                                         .reason = keep(reading, row->invalid_reason),
                                         .resume_reason = ""};
        if (reading->result == RESULT_OK)
            add_stop(reading, &stop);
    }
    return reading->result == RESULT_OK;
}

/* ---- all of it ---- */

static bool count_identifier(void *arg, const char *partner, const char *identifier, int64_t set_at)
{
    struct person *person = arg;
    (void)partner;
    (void)identifier;
    (void)set_at;
    person->n_identifiers++;
    return true;
}

static enum result read_registry(struct reading *reading)
{
    struct person *person = reading->person;
    struct registry *registry = person->from.registry;
    enum result result = registry_view_begin(registry, reading->err);
    if (result != RESULT_OK)
        return result;
    result = past_read(registry, person->recipient->key, &person->history, reading->err);
    for (size_t i = 0; result == RESULT_OK && i < person->history.n_events; i++) {
        count_supplier(reading, &person->history.events[i]);
        result = reading->result;
    }
    person->channels = channels_of(person);
    if (result == RESULT_OK)
        result = read_partners(reading);
    if (result == RESULT_OK)
        add_invalidations(reading);
    if (result == RESULT_OK && reading->result == RESULT_OK)
        result = registry_invalid_suppliers(registry, NULL, 0, keep_invalid_supplier, reading,
                                            reading->err);
    if (result == RESULT_OK && reading->result == RESULT_OK)
        result = registry_suspensions(registry, keep_suspension, reading, reading->err);
    if (result == RESULT_OK && reading->result == RESULT_OK)
        result = registry_identifiers(registry, person->recipient->key, count_identifier, person,
                                      reading->err);
    registry_view_end(registry);
    return result != RESULT_OK ? result : reading->result;
}

static enum result read_index(struct reading *reading)
{
    struct person *person = reading->person;
    struct journal_index *index = person->from.index;
    uint64_t rows = 0;
    enum result result = journal_index_catch_up(index, 0, &rows, reading->err);
    if (result == RESULT_OK)
        result = journal_index_view_begin(index, reading->err);
    if (result != RESULT_OK)
        return result;
    person->viewing = true;
    result = journal_index_erased(index, &person->erased, reading->err);
    if (result != RESULT_OK)
        return result;
    result = journal_index_access_sums(index, person->recipient->key, keep_access, reading,
                                       reading->err);
    if (result != RESULT_OK)
        return result;
    result = journal_index_sums(index, person->recipient->key, keep_sum, reading, reading->err);
    return result != RESULT_OK ? result : reading->result;
}

enum result person_read(const struct person_sources *from, const struct address *address,
                        const struct recipient *recipient, int64_t at, struct person *person,
                        struct error *err)
{
    struct reading reading = {.person = person, .err = err, .result = RESULT_OK};
    *person = (struct person){.from = *from,
                              .read = true,
                              .address = address,
                              .recipient = recipient,
                              .at = at,
                              .arena = arena_new(PERSON_BYTES)};
    if (person->arena == NULL)
        return error_no_memory(err);
    /* The journal first: an event that a decision relies on is then in the registry for certain. */
    enum result result = read_index(&reading);
    if (result == RESULT_OK)
        result = read_registry(&reading);
    if (result != RESULT_OK)
        person_free(person);
    return result;
}

void person_free(struct person *person)
{
    if (person->viewing)
        journal_index_view_end(person->from.index);
    past_free(&person->history);
    arena_free(&person->arena);
    *person = (struct person){0};
}

static bool keep_mask(void *arg, const struct log_entry *entry)
{
    struct recipient *recipient = arg;
    if (entry->recipient != NULL)
        str_copy(recipient->masked, sizeof(recipient->masked), entry->recipient);
    return false;
}

enum result person_find_mask(struct journal_index *index, struct recipient *recipient,
                             struct error *err)
{
    const struct log_filter filter = {
        .since = INT64_MIN, .until = INT64_MAX, .recipient_key = recipient->key, .limit = 1};
    recipient->masked[0] = '\0';
    return journal_index_log(index, &filter, keep_mask, recipient, err);
}

enum result person_accesses(const struct person *person, log_access_fn *on_access, void *arg,
                            struct error *err)
{
    return journal_index_accesses(person->from.index, person->recipient->key, on_access, arg, err);
}

enum result person_decisions(const struct person *person, log_entry_fn *on_entry, void *arg,
                             struct error *err)
{
    const struct log_filter filter = {.since = INT64_MIN,
                                      .until = INT64_MAX,
                                      .recipient_key = person->recipient->key,
                                      .oldest_first = true};
    return journal_index_log(person->from.index, &filter, on_entry, arg, err);
}
