/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One person, judged for every partner on the channels it uses, and what follows from it. Nobody is
 * to be asked again who withdrew or objected, be it to one partner: an officer would have to
 * explain that. Nobody is to be asked whose last act is past retention: the data may not be used
 * any more.
 */
#include "cli/remediation.h"
#include "policy/judge.h"

#include <stdlib.h>
#include <string.h>

#define CONTACTS_MAX     4096
#define RETENTION_MONTHS 36 /* of a prospect's data, from the last act of the person */

struct contacts {
    struct kept_contact {
        char partner[80];
        enum channel channel;
        int64_t tried_at, passed_at;
    } * list; /* owned */
    size_t count;
    char recipient[ADDRESS_MAX + 16];
    bool failed;
};

/* What is found of a person over all partners. */
struct findings {
    bool pass;     /* somebody may write, or could but for a suspension or the hour */
    bool ask;      /* somebody may ask again */
    bool objected; /* to somebody at least */
    bool withdrawn;
    bool judged;
    int64_t last_act;
    char form[100], supplier[200]; /* of the latest grant */
    int64_t granted_at;
};

struct asked {
    struct remediation *remediation;
    const struct person *person;
    const struct contacts *contacts;
    struct findings *findings;
    bool write_ask; /* the second time round */
    struct error *err;
};

static bool keep_contact(void *arg, const struct contact *contact)
{
    struct contacts *contacts = arg;
    enum channel channel;
    if (contacts->count == CONTACTS_MAX || !channel_parse(contact->channel, &channel))
        return true;
    struct kept_contact *list =
        reallocarray(contacts->list, contacts->count + 1, sizeof(*contacts->list));
    if (list == NULL) {
        contacts->failed = true;
        return false;
    }
    contacts->list = list;
    struct kept_contact *kept = &list[contacts->count++];
    *kept = (struct kept_contact){
        .channel = channel, .tried_at = contact->tried_at, .passed_at = contact->passed_at};
    str_copy(kept->partner, sizeof(kept->partner), contact->partner);
    if (contacts->recipient[0] == '\0')
        str_copy(contacts->recipient, sizeof(contacts->recipient), contact->recipient);
    return true;
}

static const struct kept_contact *contact_of(const struct contacts *contacts, const char *partner,
                                             enum channel channel)
{
    for (size_t i = 0; i < contacts->count; i++)
        if (contacts->list[i].channel == channel && strcmp(contacts->list[i].partner, partner) == 0)
            return &contacts->list[i];
    return NULL;
}

static void name_form(char *out, size_t size, const struct consent_event *event)
{
    if (event != NULL && event->form != NULL)
        snprintf(out, size, "%s@%d", event->form->id, event->form->version);
    else
        str_copy(out, size, TALLY_NONE);
}

/* Whether the person has, since, agreed again on that channel, and that is proven. */
static bool agreed_since(const struct facts *facts, const struct consent_event *stop)
{
    for (size_t i = 0; i < facts->n_events; i++) {
        const struct consent_event *event = &facts->events[i];
        if ((event->kind == EVENT_GIVEN || event->kind == EVENT_RENEWED) &&
            event->channel == stop->channel && event->occurred_at > stop->occurred_at &&
            event->form != NULL && event->has_evidence)
            return true;
    }
    return false;
}

/* An opposition counts by itself, not by what it does to a verdict: on a channel on which no
 * partner sends, nothing is judged, and it must be kept all the same. */
static void note_events(struct findings *findings, const struct facts *facts)
{
    for (size_t i = 0; i < facts->n_events; i++) {
        const struct consent_event *event = &facts->events[i];
        if (event->occurred_at > findings->last_act)
            findings->last_act = event->occurred_at;
        if (event->kind == EVENT_OBJECTED && !agreed_since(facts, event))
            findings->objected = true;
        if (event->kind == EVENT_WITHDRAWN && !agreed_since(facts, event))
            findings->withdrawn = true;
        if ((event->kind != EVENT_GIVEN && event->kind != EVENT_RENEWED) ||
            event->occurred_at < findings->granted_at)
            continue;
        findings->granted_at = event->occurred_at;
        name_form(findings->form, sizeof(findings->form), event);
        str_copy(findings->supplier, sizeof(findings->supplier),
                 event->supplier != NULL ? event->supplier : TALLY_NONE);
    }
}

/* What a new act of the person would mend. Where nothing connects the person and the partner, only
 * if the partner has tried to write: nobody is asked for the sake of a partner who never did. */
static bool may_ask(enum reason reason, bool tried)
{
    switch (reason) {
    case REASON_PARTNER_ADDED_LATER:
    case REASON_PARTNER_NOT_NAMED:
    case REASON_UNPROVEN:
    case REASON_FORM_INVALID:
    case REASON_PURPOSE_MISMATCH:
    case REASON_STALE:
    case REASON_BASIS_NOT_ACCEPTED:
    case REASON_SOFT_OPTIN_INVALID:
    case REASON_NOT_PROFESSIONAL:
        return true;
    case REASON_PARTNER_NOT_SHOWN:
    case REASON_CHANNEL_MISMATCH:
        return tried;
    default:
        return false;
    }
}

static bool must_tell(enum reason reason)
{
    return reason == REASON_WITHDRAWN || reason == REASON_OBJECTED || reason == REASON_FORM_INVALID;
}

static bool past_retention(const struct remediation *remediation, const struct findings *findings)
{
    const struct duration retention = {.months = RETENTION_MONTHS};
    return findings->last_act < clock_subtract(remediation->now, retention);
}

static enum result write_row(struct asked *asked, enum remedy remedy, const struct partner *partner,
                             enum channel channel, const struct judgement *judgement,
                             const struct consent_event *event)
{
    const struct kept_contact *contact = contact_of(asked->contacts, partner->id, channel);
    char form[100];
    name_form(form, sizeof(form), event);
    const struct remedy_row row = {
        .partner = partner->id,
        .form = form,
        .supplier = event != NULL && event->supplier != NULL ? event->supplier : TALLY_NONE,
        .channel = channel_name(channel),
        .reason = reason_name(judgement->reason),
        .why = tr(asked->remediation->language, reason_text(judgement->reason)),
        .recipient =
            asked->person->masked != NULL ? asked->person->masked : asked->contacts->recipient,
        .last_act = asked->findings->last_act,
        .sent_at = contact != NULL ? contact->passed_at : 0,
    };
    return remediation_row(asked->remediation, remedy, asked->person, &row, asked->err);
}

static bool passes(const struct judgement *judgement)
{
    /* A suspension ends some day, and a sector's ban says nothing of the person. */
    return judgement->verdict != VERDICT_BLOCK || judgement->reason == REASON_SUSPENDED ||
           judgement->reason == REASON_SECTOR_BAN;
}

static void note_reason(struct findings *findings, const struct judgement *judgement)
{
    findings->judged = true;
    findings->objected = findings->objected || judgement->reason == REASON_OBJECTED;
    findings->withdrawn = findings->withdrawn || judgement->reason == REASON_WITHDRAWN;
    findings->pass = findings->pass || passes(judgement);
}

static enum result judge(struct asked *asked, const struct partner *partner,
                         const struct facts *facts, enum channel channel)
{
    struct remediation *remediation = asked->remediation;
    const struct consent_event *event = NULL;
    struct judgement judgement, transmission;
    enum result result = RESULT_OK;
    struct question question = {.partner = partner,
                                .policy = &remediation->context->config->policies[channel],
                                .channel = channel,
                                .purpose = PURPOSE_TRANSMISSION,
                                .now = remediation->now};
    policy_judge(&question, facts, &transmission, NULL);
    question.purpose = PURPOSE_RECEIPT;
    policy_judge(&question, facts, &judgement, NULL);
    for (size_t i = 0; i < facts->n_events; i++)
        if (facts->events[i].id == judgement.event)
            event = &facts->events[i];
    const struct kept_contact *contact = contact_of(asked->contacts, partner->id, channel);
    bool ask = judgement.verdict == VERDICT_BLOCK && may_ask(judgement.reason, contact != NULL);
    if (asked->write_ask)
        return ask ? write_row(asked, REMEDY_ASK, partner, channel, &judgement, event) : RESULT_OK;
    note_events(asked->findings, facts);
    note_reason(asked->findings, &judgement);
    /* Who may only be passed on to the partner has given a ground to hold the data, too. */
    asked->findings->pass = asked->findings->pass || passes(&transmission);
    asked->findings->ask = asked->findings->ask || ask;
    if (judgement.verdict == VERDICT_BLOCK && must_tell(judgement.reason) && contact != NULL &&
        contact->passed_at > 0)
        result = write_row(asked, REMEDY_TELL, partner, channel, &judgement, event);
    return result;
}

/* The channels on which the partner sends, or has tried to reach this person, and those the person
 * spoke of: what the gate does not carry (calls, post) may be the only ground there is. */
static unsigned channels_of(const struct asked *asked, const char *partner,
                            const struct facts *facts)
{
    const struct config *config = asked->remediation->context->config;
    unsigned channels = 0;
    for (size_t i = 0; i < config->n_streams; i++)
        if (strcmp(config->streams[i].terms.partner->id, partner) == 0 &&
            config->streams[i].terms.class == CLASS_PROSPECTING)
            channels |= CHANNEL_BIT(config->streams[i].terms.channel);
    for (size_t i = 0; i < facts->n_events; i++)
        channels |= CHANNEL_BIT(facts->events[i].channel);
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        enum channel channel = (enum channel)i;
        if (contact_of(asked->contacts, partner, channel) != NULL)
            channels |= CHANNEL_BIT(channel);
        else if (asked->person->kind_known && !address_fits(asked->person->kind, channel))
            channels &= ~CHANNEL_BIT(channel);
    }
    return channels;
}

static enum result judge_partner(struct asked *asked, const struct partner *partner)
{
    const struct facts *facts;
    enum result result = registry_facts(asked->remediation->context->registry, asked->person->key,
                                        partner->id, NULL, &facts, asked->err);
    if (result != RESULT_OK)
        return result;
    unsigned channels = channels_of(asked, partner->id, facts);
    for (int i = 0; i < CHANNEL_COUNT && result == RESULT_OK; i++)
        if ((channels & CHANNEL_BIT(i)) != 0)
            result = judge(asked, partner, facts, (enum channel)i);
    return result;
}

/* Partners of the configuration, and those of the journal that are no longer in it. */
static enum result judge_all(struct asked *asked)
{
    const struct remediation *remediation = asked->remediation;
    const struct config *config = remediation->context->config;
    enum result result = RESULT_OK;
    if (remediation->only != NULL)
        return judge_partner(asked, remediation->only);
    for (size_t i = 0; i < config->n_partners && result == RESULT_OK; i++)
        result = judge_partner(asked, &config->partners[i]);
    for (size_t i = 0; i < asked->contacts->count && result == RESULT_OK; i++) {
        const char *id = asked->contacts->list[i].partner;
        const struct partner former = {.id = id, .name = id, .siren = ""};
        bool seen = config_partner(config, id) != NULL;
        for (size_t j = 0; j < i && !seen; j++)
            seen = strcmp(asked->contacts->list[j].partner, id) == 0;
        if (!seen)
            result = judge_partner(asked, &former);
    }
    return result;
}

/* Who was judged for nobody may have opposed all the same. */
static enum result note_unjudged(struct asked *asked)
{
    const struct remediation *remediation = asked->remediation;
    const struct facts *facts;
    enum result result = registry_facts(remediation->context->registry, asked->person->key, "",
                                        NULL, &facts, asked->err);
    if (result == RESULT_OK)
        note_events(asked->findings, facts);
    return result;
}

static enum result write_deletion(struct asked *asked, const char *reason, const char *why)
{
    const struct findings *findings = asked->findings;
    const struct remedy_row row = {
        .partner = "",
        .form = findings->form[0] != '\0' ? findings->form : TALLY_NONE,
        .supplier = findings->supplier[0] != '\0' ? findings->supplier : TALLY_NONE,
        .channel = "",
        .reason = reason,
        .why = tr(asked->remediation->language, why),
        .recipient =
            asked->person->masked != NULL ? asked->person->masked : asked->contacts->recipient,
        .last_act = findings->last_act,
    };
    return remediation_row(asked->remediation, REMEDY_DELETE, asked->person, &row, asked->err);
}

static enum result conclude(struct asked *asked)
{
    const struct findings *findings = asked->findings;
    bool whole = asked->remediation->only == NULL; /* deletion is no matter of one partner */
    if (findings->objected || findings->withdrawn) {
        if (!whole || findings->pass)
            return RESULT_OK;
        return findings->objected
                   ? write_deletion(asked, "OBJECTED",
                                    N_("The person objected: keep the opposition, and only it."))
                   : write_deletion(asked, "WITHDRAWN",
                                    N_("The person withdrew consent: keep the opposition, and only "
                                       "it."));
    }
    if (!findings->judged) {
        asked->remediation->unjudged++;
        return RESULT_OK;
    }
    if (past_retention(asked->remediation, findings) && !findings->pass) {
        if (!whole)
            return RESULT_OK;
        return findings->last_act == 0
                   ? write_deletion(asked, "NO_GROUND", N_("Nothing is on record for this person."))
                   : write_deletion(asked, "PAST_RETENTION",
                                    N_("The last act of the person is more than three years old."));
    }
    if (findings->ask) {
        asked->write_ask = true;
        return judge_all(asked);
    }
    if (findings->pass || !whole)
        return RESULT_OK;
    return write_deletion(asked, "NO_GROUND",
                          N_("No partner has a ground to use these data, nor to ask for one."));
}

enum result remediation_person(struct remediation *remediation, const struct person *person,
                               struct error *err)
{
    struct contacts contacts = {0};
    struct findings findings = {0};
    struct asked asked = {.remediation = remediation,
                          .person = person,
                          .contacts = &contacts,
                          .findings = &findings,
                          .err = err};
    enum result result = journal_index_contacts(remediation->context->index, person->key,
                                                keep_contact, &contacts, err);
    if (result == RESULT_OK && contacts.failed)
        result = error_no_memory(err);
    if (result == RESULT_OK)
        result = judge_all(&asked);
    if (result == RESULT_OK && !findings.judged)
        result = note_unjudged(&asked);
    if (result == RESULT_OK)
        result = conclude(&asked);
    remediation->persons++;
    free(contacts.list);
    return result;
}
