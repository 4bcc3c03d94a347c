/* SPDX-License-Identifier: Apache-2.0 */
#include "office/person_words.h"

#include "base/language.h"

#include <string.h>

const char *person_channel(enum channel channel)
{
    static const char *const texts[CHANNEL_COUNT] = {
        [CHANNEL_EMAIL] = N_("e-mail"),        [CHANNEL_SMS] = N_("text message (SMS)"),
        [CHANNEL_CALL] = N_("telephone call"), [CHANNEL_AUTOCALL] = N_("automated call"),
        [CHANNEL_POST] = N_("post"),
    };
    return texts[channel];
}

const char *person_by_channel(enum channel channel)
{
    static const char *const texts[CHANNEL_COUNT] = {
        [CHANNEL_EMAIL] = N_("by e-mail"),   [CHANNEL_SMS] = N_("by text message (SMS)"),
        [CHANNEL_CALL] = N_("by telephone"), [CHANNEL_AUTOCALL] = N_("by automated call"),
        [CHANNEL_POST] = N_("by post"),
    };
    return texts[channel];
}

const char *person_purpose(enum purpose purpose)
{
    return purpose == PURPOSE_TRANSMISSION ? N_("passing your data on to the partner")
                                           : N_("sending you offers");
}

const char *person_event(const struct past_event *event)
{
    static const char *const told[BASIS_COUNT] = {
        [BASIS_SOFT_OPT_IN] = N_("You were told of such offers as a customer"),
        [BASIS_PROFESSIONAL] = N_("You were told of such offers in your professional role"),
        [BASIS_INFORMED] = N_("You were informed, and did not object"),
    };
    switch (event->kind) {
    case EVENT_GIVEN:
        return told[event->basis] != NULL ? told[event->basis] : N_("You gave your consent");
    case EVENT_RENEWED:
        return told[event->basis] != NULL ? told[event->basis] : N_("You renewed your consent");
    case EVENT_WITHDRAWN:
        return N_("You withdrew your consent");
    case EVENT_OBJECTED:
        return N_("You objected to receiving offers");
    case EVENT_ACTIVE:
    case EVENT_KIND_COUNT:
        break;
    }
    return N_("You were in contact with us");
}

const char *person_event_meaning(const struct past_event *event)
{
    switch (event->kind) {
    case EVENT_GIVEN:
    case EVENT_RENEWED:
        if (event->form_id == NULL)
            return N_("It came to us without the form on which it is said to have been given. "
                      "Without that proof, nothing may be sent on the strength of it.");
        if (event->evidence[0] == '\0')
            return N_("It came to us without anything that shows it. Without that proof, nothing "
                      "may be sent on the strength of it.");
        return N_("As long as it is valid, the partners it covers may write to you.");
    case EVENT_WITHDRAWN:
        return N_("From then on, those it concerns may not write to you on this channel, unless "
                  "you agree again yourself.");
    case EVENT_OBJECTED:
        return N_("From then on, those it concerns may not write to you on this channel, unless "
                  "you agree again yourself.");
    case EVENT_ACTIVE:
    case EVENT_KIND_COUNT:
        break;
    }
    return N_("It is no consent. It only keeps one that you gave from growing too old.");
}

const char *person_basis(enum basis basis)
{
    static const char *const texts[BASIS_COUNT] = {
        [BASIS_CONSENT] = N_("consent"),
        [BASIS_SOFT_OPT_IN] = N_("similar products of a company you are a customer of"),
        [BASIS_PROFESSIONAL] = N_("an offer related to your profession"),
        [BASIS_INFORMED] = N_("information, without objection"),
    };
    return texts[basis];
}

static const char *const reason_words[REASON_COUNT] = {
    [REASON_SUSPENDED] =
        N_("The partner, or the form or supplier your data came from, is stopped."),
    [REASON_SENDER_NOT_ALLOWED] = N_("The message claimed to come from somebody else."),
    [REASON_SERVICE] =
        N_("It is a service message, such as a receipt, and no offer: it needs no consent."),
    [REASON_SECTOR_BAN] = N_("Offers of this trade are banned on this channel."),
    [REASON_OBJECTED] = N_("You objected."),
    [REASON_WITHDRAWN] = N_("You withdrew your consent."),
    [REASON_NO_CONSENT] = N_("You never agreed, as far as our record goes."),
    [REASON_NOT_INFORMED] = N_("Nothing shows that you were informed."),
    [REASON_CHANNEL_MISMATCH] = N_("You agreed, but to another channel."),
    [REASON_PARTNER_NOT_SHOWN] = N_("You agreed, but this partner was on no list you saw."),
    [REASON_PARTNER_ADDED_LATER] =
        N_("You agreed before this partner was on the list: it was not shown to you."),
    [REASON_PARTNER_NOT_NAMED] = N_("Only the partner's trade was shown to you, and not its name."),
    [REASON_UNPROVEN] = N_("Your consent is not proven."),
    [REASON_FORM_INVALID] =
        N_("The form on which you agreed, or all that the supplier brought, was declared invalid."),
    [REASON_PURPOSE_MISMATCH] = N_("You agreed to something else than this."),
    [REASON_STALE] = N_("Too much time has gone by since you were last in contact."),
    [REASON_BASIS_NOT_ACCEPTED] = N_("What it rests on in law is not enough on this channel."),
    [REASON_SOFT_OPTIN_INVALID] = N_("You are a customer, but of another company."),
    [REASON_NOT_PROFESSIONAL] = N_("Nothing shows that you were written to in your job."),
    [REASON_OPTOUT_MISSING] = N_("The message offered no simple way to unsubscribe."),
    [REASON_IDENTITY_MISSING] = N_("The message did not say who it came from."),
    [REASON_STOP_MISSING] = N_("The message did not say how to stop it."),
    [REASON_OUTSIDE_HOURS] = N_("Nothing may be sent at such an hour."),
    [REASON_CONSENT] = N_("You agreed, and it is proven."),
    [REASON_SOFT_OPTIN] = N_("You are a customer of this company."),
    [REASON_PROFESSIONAL] = N_("You were written to in your job."),
    [REASON_INFORMED] = N_("You were informed and did not object."),
    [REASON_MALFORMED] = N_("The message was broken."),
    [REASON_UNABLE] = N_("We could not decide at that moment, so nothing was sent."),
};

const char *person_reason(enum reason reason)
{
    return reason_words[reason];
}

struct rule_words {
    const char *rule, *holds, *fails;
};

static const struct rule_words rules[] = {
    {"1", N_("This partner is not stopped."),
     N_("This partner is stopped: nothing of it gets through at the moment.")},
    {"4", N_("Its trade is not banned on this channel."),
     N_("Its trade is banned on this channel.")},
    {"5", N_("No objection of yours stands against it."), N_("You objected.")},
    {"6", N_("No withdrawal of yours stands against it."), N_("You withdrew your consent.")},
    {"7", N_("An agreement of yours is on record."), N_("Nothing on record says that you agreed.")},
    {"8", N_("It is for this channel."), N_("It is for another channel.")},
    {"8a", N_("Neither the form nor the supplier it came from is stopped."),
     N_("The form or the supplier it came from is stopped.")},
    {"9", N_("The partner, or its trade, was on the form's list."),
     N_("The partner is on no list that goes with it.")},
    {"10", N_("It was on the list when you saw it."),
     N_("It joined the list only after you had seen it.")},
    {"11", N_("The list gave its name."), N_("The list gave only its trade, not its name.")},
    {"12", N_("Your agreement is proven."), N_("Your agreement is not proven.")},
    {"13", N_("Neither the form nor what the supplier brought was declared invalid."),
     N_("The form, or all that the supplier brought, was declared invalid.")},
    {"14", N_("The form covers this use."), N_("The form does not cover this use.")},
    {"15", N_("You were last in contact recently enough."),
     N_("You were last in contact too long ago.")},
    {"16", N_("What it rests on in law is enough on this channel."),
     N_("What it rests on in law is not enough on this channel.")},
    {"17", N_("What the law asks besides is met."), N_("What the law asks besides is not met.")},
};

const char *person_rule(const struct trace_step *step)
{
    for (size_t i = 0; step->finding != FINDING_SKIPPED && i < sizeof(rules) / sizeof(rules[0]);
         i++)
        if (strcmp(rules[i].rule, step->rule) == 0)
            return step->finding == FINDING_HOLDS ? rules[i].holds : rules[i].fails;
    return NULL;
}

const char *person_verdict(enum verdict verdict)
{
    static const char *const texts[VERDICT_COUNT] = {
        [VERDICT_PASS] = N_("allowed"),
        [VERDICT_BLOCK] = N_("not allowed"),
        [VERDICT_DEFER] = N_("not now"),
    };
    return texts[verdict];
}

struct word {
    const char *name, *text;
};

static const char *word_of(const struct word *words, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i].name, name) == 0)
            return words[i].text;
    return name;
}

const char *person_effect(const char *effect)
{
    static const struct word words[] = {
        {"passed", N_("let pass")},
        {"refused", N_("refused: nothing was sent")},
        {"deferred", N_("put off, not sent")},
        {"discarded", N_("thrown away: nothing was sent")},
        {"abandoned", N_("given up by the sender: nothing was sent")},
    };
    return word_of(words, sizeof(words) / sizeof(words[0]), effect);
}

const char *person_outcome(const char *outcome)
{
    static const struct word words[] = {
        {"accepted", N_("taken for delivery")},
        {"refused", N_("refused by the delivering provider")},
        {"unknown", N_("whether it was delivered is not known")},
    };
    return word_of(words, sizeof(words) / sizeof(words[0]), outcome);
}

const char *person_stop_kind(const char *kind)
{
    static const struct word words[] = {
        {"partner", N_("Partner stopped")},
        {"stream", N_("One of a partner's series of messages stopped")},
        {"form", N_("Form stopped")},
        {"supplier", N_("Supplier stopped")},
        {"form version", N_("Form declared invalid")},
        {"supplier's consents", N_("All consents a supplier brought declared invalid")},
    };
    return word_of(words, sizeof(words) / sizeof(words[0]), kind);
}

const char *person_act(const char *act)
{
    static const struct word words[] = {
        {"check", N_("asked whether you may be written to")},
        {"person.read", N_("looked at what is held on you")},
        {"person.export", N_("took all that is held on you, as a file")},
        {"event.add", N_("recorded what you said")},
        {"identifier.set", N_("said what a partner calls you")},
        {"decision.read", N_("looked at a decision about you")},
        {"decision.list", N_("looked through decisions about you")},
        {"decision.export", N_("took decisions about you, as a file")},
        {"link.view", N_("opened the page behind an unsubscribe link")},
        {"event.withdraw", N_("withdrew by an unsubscribe link")},
        {"event.object", N_("objected by an unsubscribe link")},
    };
    return word_of(words, sizeof(words) / sizeof(words[0]), act);
}

const char *person_delivery(enum delivery_state state)
{
    static const char *const words[DELIVERY_STATES] = {
        [DELIVERY_WAITING] = N_("not acknowledged yet"),
        [DELIVERY_ACKNOWLEDGED] = N_("acknowledged"),
        [DELIVERY_GIVEN_UP] = N_("never acknowledged"),
        [DELIVERY_UNTOLD] = N_("could not be told by the gateway"),
    };
    return words[state];
}
