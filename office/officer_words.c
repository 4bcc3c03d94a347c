/* SPDX-License-Identifier: Apache-2.0 */
#include "office/officer_words.h"

#include "base/language.h"

#include <string.h>

struct event_words {
    const char *short_text, *on;
};

static const struct event_words given[BASIS_COUNT] = {
    [BASIS_CONSENT] = {N_("Consent given"), N_("The person consented on %s.")},
    [BASIS_SOFT_OPT_IN] = {N_("Told of offers, as a customer"),
                           N_("The person was told of such offers as a customer, on %s.")},
    [BASIS_PROFESSIONAL] = {N_("Told of offers, in a professional role"),
                            N_("The person was told of such offers in a professional role, on "
                               "%s.")},
    [BASIS_INFORMED] = {N_("Informed, without objecting"),
                        N_("The person was informed on %s and did not object then.")},
};

static const struct event_words others[EVENT_KIND_COUNT] = {
    [EVENT_RENEWED] = {N_("Consent renewed"), N_("The person renewed the consent on %s.")},
    [EVENT_WITHDRAWN] = {N_("Consent withdrawn"), N_("The person withdrew the consent on %s.")},
    [EVENT_OBJECTED] = {N_("Objection"), N_("The person objected on %s.")},
    [EVENT_ACTIVE] = {N_("Sign of life"),
                      N_("The person was active on %s, which keeps a consent fresh.")},
};

static const struct event_words *words_of(const struct past_event *event)
{
    bool consent = event->basis == BASIS_CONSENT;
    if (event->kind == EVENT_GIVEN || (event->kind == EVENT_RENEWED && !consent))
        return &given[event->basis];
    return &others[event->kind];
}

const char *officer_event(const struct past_event *event)
{
    return words_of(event)->short_text;
}

const char *officer_event_on(const struct past_event *event)
{
    return words_of(event)->on;
}

struct rule_words {
    const char *rule, *holds, *fails, *skipped;
};

static const struct rule_words rules[] = {
    {"1", N_("Neither the partner nor the stream is suspended."),
     N_("The partner or the stream is suspended: nothing of it passes."), NULL},
    {"2", N_("The sender belongs to this stream."),
     N_("The sender does not belong to this stream."),
     N_("Who a message is from is looked at when it comes.")},
    {"3", N_("It is a service message: it needs no consent."), NULL,
     N_("It is not taken for a service message: what follows is asked.")},
    {"4", N_("Offers of this sector are not banned on this channel."),
     N_("Offers of this sector are banned on this channel."),
     N_("No sector is declared that could be banned.")},
    {"5", N_("No objection stands against this partner."), N_("The person objected."), NULL},
    {"6", N_("No withdrawal stands against this partner."),
     N_("The person withdrew the consent, and gave none since."), NULL},
    {"7", N_("An agreement of the person is on record."),
     N_("Nothing on record says that the person agreed."), NULL},
    {"8", N_("It is for this channel."), N_("It is for another channel."), NULL},
    {"8a", N_("Neither its form nor its supplier is suspended."),
     N_("Its form or its supplier is suspended."), NULL},
    {"9", N_("The partner, or its trade, was on the form's list."),
     N_("The partner is on no list that goes with it."),
     N_("There is no form whose list could be looked at.")},
    {"10", N_("The partner was on the list when the person saw it."),
     N_("The partner joined the list only after the person had seen it."), NULL},
    {"11", N_("The list gave the partner's name."),
     N_("The list gave only the partner's trade, not its name."), NULL},
    {"12", N_("It is proven: form and evidence are on record."),
     N_("It is not proven: form or evidence is missing, or does not fit."), NULL},
    {"13", N_("Neither its form nor what its supplier brought was declared invalid."),
     N_("Its form, or all that its supplier brought, was declared invalid."), NULL},
    {"14", N_("The form covers this purpose."), N_("The form does not cover this purpose."), NULL},
    {"15", N_("The person's last own act is recent enough."),
     N_("The person's last own act is too old."), NULL},
    {"16", N_("Its legal basis is accepted on this channel."),
     N_("Its legal basis is not accepted on this channel."), NULL},
    {"17", N_("What the law asks of this basis is met."),
     N_("What the law asks of this basis is not met."),
     N_("Its legal basis asks for nothing more.")},
    {"18", N_("The message says who it is from and how to stop it."),
     N_("The message does not say who it is from, or how to stop it."),
     N_("Whether a message says how to stop it is looked at when it comes.")},
    {"19", N_("Messages may be sent at this hour."), N_("Nothing may be sent at this hour."),
     N_("The hour is looked at when a message comes, where hours are to be kept.")},
    {"20", N_("Every rule is met: it may pass."), NULL, NULL},
};

const char *officer_rule(const struct trace_step *step)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (strcmp(rules[i].rule, step->rule) != 0)
            continue;
        switch (step->finding) {
        case FINDING_HOLDS:
            return rules[i].holds;
        case FINDING_FAILS:
            return rules[i].fails;
        case FINDING_SKIPPED:
            return rules[i].skipped;
        }
    }
    return NULL;
}

/* Found in the message itself or in the gate, whatever the person said. */
static bool is_about_message(enum reason reason)
{
    switch (reason) {
    case REASON_SENDER_NOT_ALLOWED:
    case REASON_OPTOUT_MISSING:
    case REASON_IDENTITY_MISSING:
    case REASON_STOP_MISSING:
    case REASON_OUTSIDE_HOURS:
    case REASON_MALFORMED:
    case REASON_UNABLE:
        return true;
    default:
        return false;
    }
}

const char *officer_consent_note(enum reason reason)
{
    if (!is_about_message(reason) || reason == REASON_UNABLE)
        return NULL;
    if (reason == REASON_SENDER_NOT_ALLOWED || reason == REASON_MALFORMED)
        return N_("This is not about the person's consent, which was not asked.");
    return N_("This is not about the person's consent, which is valid.");
}

const char *officer_answer(enum purpose purpose, enum verdict verdict, enum reason reason)
{
    static const char *const answers[PURPOSE_COUNT][VERDICT_COUNT] = {
        [PURPOSE_RECEIPT] =
            {
                [VERDICT_PASS] = N_("%s may write to this person %s."),
                [VERDICT_BLOCK] = N_("%s may not write to this person %s."),
                [VERDICT_DEFER] = N_("%s may not write to this person %s at this moment."),
            },
        [PURPOSE_TRANSMISSION] =
            {
                [VERDICT_PASS] = N_("To %s the person's data may be passed on, for offers %s."),
                [VERDICT_BLOCK] =
                    N_("To %s the person's data may not be passed on, for offers %s."),
                [VERDICT_DEFER] =
                    N_("To %s the person's data may not be passed on at this moment, for offers "
                       "%s."),
            },
    };
    if (purpose == PURPOSE_RECEIPT && is_about_message(reason) && reason != REASON_OUTSIDE_HOURS)
        return N_("This message of %s could not go to the person %s.");
    return answers[purpose][verdict];
}

const char *officer_notice_answer(const char *answer)
{
    static const char *const answers[][2] = {
        {"nothing is configured", N_("no address for notices is set up for this partner")},
        {"the configuration knows no such partner", N_("the configuration knows no such partner")},
        {"the address is not known", N_("the person's address is not known")},
        {"the key that sealed the address is not here",
         N_("the person's address cannot be opened: its key is missing")},
        {"the partner gave no identifier of this person",
         N_("the partner never said what it calls this person")},
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        if (strcmp(answers[i][0], answer) == 0)
            return answers[i][1];
    return answer;
}

void officer_who(struct strbuf *out, enum language language, const char *who)
{
    static const char *const kinds[] = {N_("user"), N_("token"), N_("import")};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t length = strlen(kinds[i]);
        if (strncmp(who, kinds[i], length) != 0 || who[length] != ' ')
            continue;
        strbuf_add_str(out, tr(language, kinds[i]));
        strbuf_add_str(out, who + length);
        return;
    }
    strbuf_add_str(out, strcmp(who, "link") == 0      ? tr(language, N_("unsubscribe link"))
                        : strcmp(who, "command") == 0 ? tr(language, N_("command line"))
                                                      : who);
}

const char *officer_access_answer(const char *answer)
{
    static const char *const answers[][2] = {
        {"told", N_("shown")},          {"nothing held", N_("nothing is held")},
        {"taken", N_("put on record")}, {"there already", N_("it was on record already")},
        {"done", N_("it was done")},    {"unchanged", N_("nothing was changed")},
        {"set", N_("it was put down")}, {"forgotten", N_("it was taken out")},
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        if (strcmp(answers[i][0], answer) == 0)
            return answers[i][1];
    return NULL;
}

const char *officer_act(const char *act)
{
    static const struct {
        const char *act, *text;
    } acts[] = {
        {"check", N_("asked whether the person may be written to")},
        {"person.read", N_("looked at what is held on the person")},
        {"person.export", N_("took all that is held on the person, as a file")},
        {"event.add", N_("recorded what the person said")},
        {"identifier.set", N_("said what a partner calls the person")},
        {"decision.read", N_("looked at a decision about the person")},
        {"decision.list", N_("looked through decisions about the person")},
        {"decision.export", N_("took decisions about the person, as a file")},
        {"link.view", N_("opened the page behind an unsubscribe link")},
        {"event.withdraw", N_("withdrew by an unsubscribe link")},
        {"event.object", N_("objected by an unsubscribe link")},
    };
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
        if (strcmp(acts[i].act, act) == 0)
            return acts[i].text;
    return act;
}
