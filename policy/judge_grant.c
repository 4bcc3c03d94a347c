/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules 5 to 17: each grant of the person is judged alone, and any valid one passes. Where none is
 * valid, the nearest miss speaks: the grant that got furthest, and of those the latest.
 *
 * What closes (an objection, a withdrawal) is never ignored, whatever its date; what opens counts
 * only if it had happened by the time the question is about. Every tie is resolved against sending.
 */
#include "base/str.h"
#include "policy/rules.h"

#include <string.h>

/* A rule on one grant. True when it speaks: then reason and event say what. */
typedef bool grant_rule(const struct inquiry *inquiry, struct grant_finding *finding);

static bool is_grant(const struct consent_event *event, int64_t now)
{
    return (event->kind == EVENT_GIVEN || event->kind == EVENT_RENEWED) &&
           event->occurred_at <= now;
}

static bool names_other_partners(const struct consent_event *event)
{
    return event->names_partners && !event->names_this_partner;
}

static int compare_forms(const struct form_facts *a, const struct form_facts *b)
{
    if (a == NULL || b == NULL)
        return (a != NULL) - (b != NULL);
    int order = strcmp(a->id, b->id);
    return order != 0 ? order : a->version - b->version;
}

/* In no given order, the events come; this makes it one order, which what arrived first has no part
 * in: of two acts of one instant the form and the basis decide before the number does. */
static bool later(const struct consent_event *a, const struct consent_event *b)
{
    if (a->occurred_at != b->occurred_at)
        return a->occurred_at > b->occurred_at;
    int order = compare_forms(a->form, b->form);
    if (order != 0)
        return order > 0;
    return a->basis != b->basis ? a->basis < b->basis : a->id > b->id;
}

/* Whether an objection or withdrawal reaches this partner, given how the grant came about. */
static bool covers(const struct consent_event *closing, const struct consent_event *grant)
{
    if (closing->names_partners)
        return closing->names_this_partner;
    if (closing->collector == NULL)
        return true;
    if (grant == NULL || grant->form == NULL)
        return false;
    const char *name = grant->form->collector_name;
    return ascii_equal(closing->collector, grant->form->collector) ||
           (name != NULL && ascii_equal(closing->collector, name));
}

static const char *missing_proof(const struct consent_event *grant)
{
    const struct form_facts *form = grant->form;
    if (form == NULL)
        return "The grant was imported without a form.";
    if (!grant->has_evidence)
        return "The grant names no evidence of an act.";
    if (grant->occurred_at < form->effective_from)
        return "The grant is older than the version of the form it names.";
    if (grant->occurred_at >= form->effective_until)
        return "The grant is later than the life of the version of the form it names.";
    if ((form->channels & CHANNEL_BIT(grant->channel)) == 0)
        return "The form does not ask for this channel.";
    return NULL;
}

/* A later act that consents to this very partner on this channel; nothing less takes back an
 * objection, so that no re-import and no list that grew since can. */
static bool is_later_specific_act(const struct inquiry *inquiry, const struct consent_event *grant,
                                  const struct consent_event *closing)
{
    /* What would not itself be proof of consent does not undo a "no", also not in observe mode. */
    return grant != NULL && grant->occurred_at > closing->occurred_at &&
           missing_proof(grant) == NULL && !grant->form->invalidated &&
           !grant->supplier_invalidated &&
           (grant->form->purposes & PURPOSE_BIT(inquiry->question->purpose)) != 0 &&
           grant->channel == inquiry->question->channel &&
           grant->form->presence == PRESENCE_LISTED && !names_other_partners(grant);
}

/* The latest event of the kind that closes the grant (NULL: any grant there might be). */
static const struct consent_event *closing_event(const struct inquiry *inquiry,
                                                 enum event_kind kind,
                                                 const struct consent_event *grant)
{
    const struct consent_event *found = NULL;
    for (size_t i = 0; i < inquiry->facts->n_events; i++) {
        const struct consent_event *event = &inquiry->facts->events[i];
        if (event->kind == kind && event->channel == inquiry->question->channel &&
            covers(event, grant) && !is_later_specific_act(inquiry, grant, event) &&
            (found == NULL || later(event, found)))
            found = event;
    }
    return found;
}

static bool rule_objected(const struct inquiry *inquiry, struct grant_finding *finding)
{
    char date[NOTE_DATE];
    finding->reason = REASON_OBJECTED;
    finding->event = closing_event(inquiry, EVENT_OBJECTED, finding->grant);
    if (finding->event != NULL) {
        rule_fails(inquiry->trace, "5", REASON_OBJECTED,
                   "The person objected on %s (event %lld), and no later specific act consented.",
                   note_date(finding->event->occurred_at, date), (long long)finding->event->id);
        return true;
    }
    rule_holds(inquiry->trace, "5", REASON_OBJECTED, "No objection stands against this partner.");
    return false;
}

static bool rule_withdrawn(const struct inquiry *inquiry, struct grant_finding *finding)
{
    char date[NOTE_DATE];
    finding->reason = REASON_WITHDRAWN;
    finding->event = closing_event(inquiry, EVENT_WITHDRAWN, finding->grant);
    if (finding->event != NULL) {
        rule_fails(inquiry->trace, "6", REASON_WITHDRAWN,
                   "The person withdrew on %s (event %lld), and no later specific act consented.",
                   note_date(finding->event->occurred_at, date), (long long)finding->event->id);
        return true;
    }
    rule_holds(inquiry->trace, "6", REASON_WITHDRAWN,
               "No withdrawal stands against this partner on this channel.");
    return false;
}

static unsigned accepted_bases(const struct inquiry *inquiry)
{
    return channel_policy_accepts(inquiry->question->policy, inquiry->question->now);
}

static enum reason no_grant_reason(const struct inquiry *inquiry)
{
    return accepted_bases(inquiry) & BASIS_BIT(BASIS_INFORMED) ? REASON_NOT_INFORMED
                                                               : REASON_NO_CONSENT;
}

static bool rule_no_grant(const struct inquiry *inquiry, struct grant_finding *finding)
{
    const struct consent_event *grant = finding->grant;
    enum reason reason = no_grant_reason(inquiry);
    char date[NOTE_DATE];
    finding->reason = reason;
    if (grant == NULL) {
        rule_fails(inquiry->trace, "7", reason, "Nothing on record says that the person %s.",
                   reason == REASON_NOT_INFORMED ? "was informed" : "consented");
        return true;
    }
    if (grant->form != NULL)
        rule_holds(inquiry->trace, "7", reason,
                   "The grant looked at is event %lld of %s, given on form %.64s@%d.",
                   (long long)grant->id, note_date(grant->occurred_at, date), grant->form->id,
                   grant->form->version);
    else
        rule_holds(inquiry->trace, "7", reason,
                   "The grant looked at is event %lld of %s, which names no form.",
                   (long long)grant->id, note_date(grant->occurred_at, date));
    return false;
}

static bool rule_channel(const struct inquiry *inquiry, struct grant_finding *finding)
{
    const char *granted = channel_name(finding->grant->channel);
    finding->reason = REASON_CHANNEL_MISMATCH;
    if (finding->grant->channel != inquiry->question->channel) {
        rule_fails(inquiry->trace, "8", REASON_CHANNEL_MISMATCH, "The grant is for %s, not for %s.",
                   granted, channel_name(inquiry->question->channel));
        return true;
    }
    rule_holds(inquiry->trace, "8", REASON_CHANNEL_MISMATCH, "The grant is for %s.", granted);
    return false;
}

static bool rule_suspended(const struct inquiry *inquiry, struct grant_finding *finding)
{
    const struct consent_event *grant = finding->grant;
    bool form = grant->form != NULL && grant->form->suspended;
    finding->reason = REASON_SUSPENDED;
    if (form || grant->supplier_suspended) {
        rule_fails(inquiry->trace, "8a", REASON_SUSPENDED, "The grant's %s is suspended.",
                   form ? "form" : "supplier");
        return true;
    }
    rule_holds(inquiry->trace, "8a", REASON_SUSPENDED,
               "Neither the grant's form nor its supplier is suspended.");
    return false;
}

static bool category_shown(const struct inquiry *inquiry, const struct form_facts *form)
{
    const struct partner *partner = inquiry->question->partner;
    for (size_t i = 0; i < partner->n_categories; i++)
        if (among(form->categories, form->n_categories, partner->categories[i]))
            return true;
    return false;
}

static bool rule_not_shown(const struct inquiry *inquiry, struct grant_finding *finding)
{
    const struct consent_event *grant = finding->grant;
    const struct form_facts *form = grant->form;
    finding->reason = REASON_PARTNER_NOT_SHOWN;
    if (names_other_partners(grant)) {
        rule_fails(inquiry->trace, "9", REASON_PARTNER_NOT_SHOWN,
                   "The grant names partners, and this one is not among them.");
        return true;
    }
    if (form != NULL && form->presence == PRESENCE_NEVER && !category_shown(inquiry, form)) {
        rule_fails(inquiry->trace, "9", REASON_PARTNER_NOT_SHOWN,
                   "The partner is in no version of the form's list.");
        return true;
    }
    if (form == NULL)
        rule_skipped(inquiry->trace, "9", REASON_PARTNER_NOT_SHOWN,
                     "There is no form whose list could be looked at.");
    else
        rule_holds(inquiry->trace, "9", REASON_PARTNER_NOT_SHOWN,
                   "The form shows the partner, or a category it belongs to.");
    return false;
}

static bool rule_added_later(const struct inquiry *inquiry, struct grant_finding *finding)
{
    const struct form_facts *form = finding->grant->form;
    const struct channel_policy *policy = inquiry->question->policy;
    bool is_later = form != NULL && form->presence == PRESENCE_LATER;
    finding->reason = REASON_PARTNER_ADDED_LATER;
    /* Where a category will do, a name that joined later takes nothing from it; were it otherwise,
     * invalidating the later version would let pass what that version blocks. */
    if (is_later && policy->partner_naming == NAMING_CATEGORY && category_shown(inquiry, form)) {
        rule_holds(inquiry->trace, "10", REASON_PARTNER_ADDED_LATER,
                   "The partner's name joined the list later, its category was shown already.");
        return false;
    }
    if (is_later && policy->partner_added_later == ADDED_LATER_BLOCK) {
        rule_fails(inquiry->trace, "10", REASON_PARTNER_ADDED_LATER,
                   "The partner joined the list only after the version the person saw.");
        return true;
    }
    if (is_later)
        rule_holds(inquiry->trace, "10", REASON_PARTNER_ADDED_LATER,
                   "The partner joined the list later, which the policy lets pass.");
    else
        rule_holds(inquiry->trace, "10", REASON_PARTNER_ADDED_LATER,
                   "The partner was not added to the list later.");
    return false;
}

static bool rule_not_named(const struct inquiry *inquiry, struct grant_finding *finding)
{
    const struct form_facts *form = finding->grant->form;
    /* Rule 9 left only those that were shown by their category. */
    bool category_only = form != NULL && form->presence == PRESENCE_NEVER;
    finding->reason = REASON_PARTNER_NOT_NAMED;
    if (category_only && inquiry->question->policy->partner_naming == NAMING_NAMED) {
        rule_fails(inquiry->trace, "11", REASON_PARTNER_NOT_NAMED,
                   "Only a category the partner belongs to was shown, not its name.");
        return true;
    }
    if (category_only)
        rule_holds(inquiry->trace, "11", REASON_PARTNER_NOT_NAMED,
                   "A category the partner belongs to was shown, which the policy accepts.");
    else
        rule_holds(inquiry->trace, "11", REASON_PARTNER_NOT_NAMED,
                   "The grant does not rest on a category alone.");
    return false;
}

static bool rule_unproven(const struct inquiry *inquiry, struct grant_finding *finding)
{
    const char *missing = missing_proof(finding->grant);
    finding->reason = REASON_UNPROVEN;
    if (missing != NULL) {
        rule_fails(inquiry->trace, "12", REASON_UNPROVEN, "%s", missing);
        return true;
    }
    rule_holds(inquiry->trace, "12", REASON_UNPROVEN,
               "The grant is proven: a form in use at that time, its channel, and evidence.");
    return false;
}

static bool rule_form_invalid(const struct inquiry *inquiry, struct grant_finding *finding)
{
    finding->reason = REASON_FORM_INVALID;
    if (finding->grant->form->invalidated) {
        rule_fails(inquiry->trace, "13", REASON_FORM_INVALID,
                   "The version of the form was invalidated.");
        return true;
    }
    if (finding->grant->supplier_invalidated) {
        rule_fails(inquiry->trace, "13", REASON_FORM_INVALID,
                   "All grants of the supplier that brought this one were invalidated.");
        return true;
    }
    rule_holds(inquiry->trace, "13", REASON_FORM_INVALID,
               "Neither the version of the form nor its supplier's grants were invalidated.");
    return false;
}

static bool rule_purpose(const struct inquiry *inquiry, struct grant_finding *finding)
{
    enum purpose purpose = inquiry->question->purpose;
    const char *wanted =
        purpose == PURPOSE_TRANSMISSION ? "passing on the person's data" : "receiving messages";
    finding->reason = REASON_PURPOSE_MISMATCH;
    if ((finding->grant->form->purposes & PURPOSE_BIT(purpose)) == 0) {
        rule_fails(inquiry->trace, "14", REASON_PURPOSE_MISMATCH, "The form does not cover %s.",
                   wanted);
        return true;
    }
    rule_holds(inquiry->trace, "14", REASON_PURPOSE_MISMATCH, "The form covers %s.", wanted);
    return false;
}

/* The grant itself, or a later contact by the person on this channel that concerns this partner. A
 * contact that only a stopped supplier tells of keeps nothing fresh. */
static int64_t last_own_act(const struct inquiry *inquiry, const struct consent_event *grant)
{
    int64_t last = grant->occurred_at;
    for (size_t i = 0; i < inquiry->facts->n_events; i++) {
        const struct consent_event *event = &inquiry->facts->events[i];
        if (event->kind == EVENT_ACTIVE && event->channel == inquiry->question->channel &&
            !names_other_partners(event) && !event->supplier_suspended &&
            !event->supplier_invalidated && event->occurred_at <= inquiry->question->now &&
            event->occurred_at > last)
            last = event->occurred_at;
    }
    return last;
}

static bool rule_stale(const struct inquiry *inquiry, struct grant_finding *finding)
{
    int64_t last = last_own_act(inquiry, finding->grant);
    int64_t limit = clock_add(last, inquiry->question->policy->stale_after);
    char act[NOTE_DATE];
    char end[NOTE_DATE];
    finding->reason = REASON_STALE;
    if (limit <= inquiry->question->now) {
        rule_fails(inquiry->trace, "15", REASON_STALE,
                   "The person's last own act was on %s and counted until %s.",
                   note_date(last, act), note_date(limit, end));
        return true;
    }
    rule_holds(inquiry->trace, "15", REASON_STALE,
               "The person's last own act was on %s and counts until %s.", note_date(last, act),
               note_date(limit, end));
    return false;
}

static bool rule_basis(const struct inquiry *inquiry, struct grant_finding *finding)
{
    const struct channel_policy *policy = inquiry->question->policy;
    enum basis basis = finding->grant->basis;
    finding->reason = REASON_BASIS_NOT_ACCEPTED;
    if ((accepted_bases(inquiry) & BASIS_BIT(basis)) == 0) {
        bool once = (policy->accept_before & BASIS_BIT(basis)) != 0;
        rule_fails(inquiry->trace, "16", REASON_BASIS_NOT_ACCEPTED,
                   "The grant's basis is %s, which is %s accepted on %s.", basis_name(basis),
                   once ? "since a change of the law no longer" : "not",
                   channel_name(inquiry->question->channel));
        return true;
    }
    rule_holds(inquiry->trace, "16", REASON_BASIS_NOT_ACCEPTED,
               "The grant's basis is %s, which is accepted on %s.", basis_name(basis),
               channel_name(inquiry->question->channel));
    return false;
}

static bool rule_soft_opt_in(const struct inquiry *inquiry, struct grant_finding *finding)
{
    const char *siren = inquiry->question->partner->siren;
    const char *collector = finding->grant->form->collector;
    finding->reason = REASON_SOFT_OPTIN_INVALID;
    if (siren[0] == '\0' || strcmp(siren, collector) != 0) {
        rule_fails(inquiry->trace, "17", REASON_SOFT_OPTIN_INVALID,
                   "The customer exception is the seller's own, and this partner did not run the "
                   "form.");
        return true;
    }
    rule_holds(inquiry->trace, "17", REASON_SOFT_OPTIN_INVALID,
               "The partner itself ran the form, as the customer exception wants.");
    return false;
}

static bool rule_conditions(const struct inquiry *inquiry, struct grant_finding *finding)
{
    switch (finding->grant->basis) {
    case BASIS_SOFT_OPT_IN:
        return rule_soft_opt_in(inquiry, finding);
    case BASIS_PROFESSIONAL:
        finding->reason = REASON_NOT_PROFESSIONAL;
        if (!finding->grant->has_evidence) {
            rule_fails(inquiry->trace, "17", REASON_NOT_PROFESSIONAL,
                       "Nothing attests the person's professional role.");
            return true;
        }
        rule_holds(inquiry->trace, "17", REASON_NOT_PROFESSIONAL,
                   "The evidence attests the person's professional role.");
        return false;
    case BASIS_CONSENT:
    case BASIS_INFORMED:
    case BASIS_COUNT:
        break;
    }
    rule_skipped(inquiry->trace, "17", REASON_SOFT_OPTIN_INVALID,
                 "The basis has no conditions of its own.");
    return false;
}

static enum reason passing_reason(enum basis basis)
{
    static const enum reason reasons[BASIS_COUNT] = {
        [BASIS_CONSENT] = REASON_CONSENT,
        [BASIS_SOFT_OPT_IN] = REASON_SOFT_OPTIN,
        [BASIS_PROFESSIONAL] = REASON_PROFESSIONAL,
        [BASIS_INFORMED] = REASON_INFORMED,
    };
    return reasons[basis];
}

/* In the order of the consent model; a finding's rank is its place here. */
static grant_rule *const grant_rules[] = {
    rule_objected,  rule_withdrawn,   rule_no_grant,  rule_channel,    rule_suspended,
    rule_not_shown, rule_added_later, rule_not_named, rule_unproven,   rule_form_invalid,
    rule_purpose,   rule_stale,       rule_basis,     rule_conditions,
};
#define GRANT_RULES (sizeof(grant_rules) / sizeof(grant_rules[0]))

/* grant may be NULL: then rule 7 speaks at the latest. */
static void judge_grant(const struct inquiry *inquiry, const struct consent_event *grant,
                        struct grant_finding *finding_out)
{
    *finding_out = (struct grant_finding){.grant = grant};
    for (; finding_out->rank < GRANT_RULES; finding_out->rank++) {
        finding_out->event = grant;
        if (grant_rules[finding_out->rank](inquiry, finding_out))
            return;
    }
    if (grant == NULL) {
        /* Rule 7 has spoken by now; should it ever not have, nothing may pass all the same. */
        finding_out->reason = REASON_NO_CONSENT;
        return;
    }
    finding_out->passes = true;
    finding_out->event = grant;
    finding_out->reason = passing_reason(grant->basis);
}

static bool nearer(const struct grant_finding *a, const struct grant_finding *b)
{
    if (a->rank != b->rank)
        return a->rank > b->rank;
    return later(a->grant, b->grant);
}

void find_grant(const struct inquiry *inquiry, struct grant_finding *finding_out)
{
    struct inquiry silent = *inquiry;
    bool found = false;
    silent.trace = NULL;
    for (size_t i = 0; i < inquiry->facts->n_events; i++) {
        const struct consent_event *event = &inquiry->facts->events[i];
        struct grant_finding finding;
        if (!is_grant(event, inquiry->question->now))
            continue;
        judge_grant(&silent, event, &finding);
        if (!found || nearer(&finding, finding_out))
            *finding_out = finding;
        found = true;
    }
    /* Once more for the one that decides, this time aloud. */
    if (!found || inquiry->trace != NULL)
        judge_grant(inquiry, found ? finding_out->grant : NULL, finding_out);
}

void policy_judge_grants(const struct question *question, const struct facts *facts,
                         grant_opinion_fn *on_opinion, void *arg)
{
    struct trace trace;
    struct inquiry silent = {.question = question, .facts = facts};
    struct inquiry aloud = {.question = question, .facts = facts, .trace = &trace};
    struct grant_finding best = {0};
    find_grant(&silent, &best);
    for (size_t i = 0; i < facts->n_events; i++) {
        const struct consent_event *event = &facts->events[i];
        struct grant_finding finding;
        if (!is_grant(event, question->now))
            continue;
        trace.count = 0;
        judge_grant(&aloud, event, &finding);
        const struct grant_opinion opinion = {
            .grant = event,
            .passes = finding.passes,
            .decides = event == best.grant,
            .reason = finding.reason,
            .event = finding.event != NULL ? finding.event->id : 0,
            .trace = &trace,
        };
        on_opinion(arg, &opinion);
    }
}
