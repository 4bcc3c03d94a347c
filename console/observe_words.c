/* SPDX-License-Identifier: Apache-2.0 */
#include "console/observe.h"

#include "base/language.h"
#include "policy/model.h"

#include <stddef.h>

static const char *const remedies[REASON_COUNT] = {
    [REASON_SECTOR_BAN] =
        N_("Nothing: the law bans such offers on this channel. Do not send them."),
    [REASON_NO_CONSENT] = N_("Bring in the consents, if there are any; else take these people off "
                             "the list."),
    [REASON_NOT_INFORMED] = N_("Inform these people first, with the way to object, and put it on "
                               "record."),
    [REASON_CHANNEL_MISMATCH] = N_("Write on the channel they agreed to, or ask them anew."),
    [REASON_PARTNER_NOT_SHOWN] = N_("A new version of the form that shows this partner, and the "
                                    "people's consent anew."),
    [REASON_PARTNER_ADDED_LATER] = N_("Ask them anew: they agreed before the partner was on the "
                                      "list."),
    [REASON_PARTNER_NOT_NAMED] = N_("A new version of the form that names this partner, and the "
                                    "people's consent anew."),
    [REASON_UNPROVEN] = N_("Ask the supplier for the form and the evidence, and import them; what "
                           "cannot be proven does not count."),
    [REASON_FORM_INVALID] = N_("Nothing heals it: ask these people anew, on a form that is valid."),
    [REASON_PURPOSE_MISMATCH] = N_("Ask them anew, on a form that covers this purpose."),
    [REASON_STALE] = N_("Take them off the list: nothing was heard of them for too long."),
    [REASON_BASIS_NOT_ACCEPTED] = N_("On this channel these people have to consent: ask them."),
    [REASON_SOFT_OPTIN_INVALID] = N_("The exception for one's own customers does not hold here: "
                                     "ask them."),
    [REASON_NOT_PROFESSIONAL] = N_("These are private addresses: ask for their consent."),
    [REASON_OPTOUT_MISSING] = N_("The partner adds a one-click way out, or the gate does "
                                 "(unsubscribe = \"add\")."),
    [REASON_IDENTITY_MISSING] = N_("The partner says in the message who it is."),
    [REASON_STOP_MISSING] = N_("The partner adds “STOP” with the number to the text."),
    [REASON_MALFORMED] = N_("The partner corrects the program that writes its mails."),
};

const char *observe_remedy(const char *reason)
{
    enum reason known;
    return reason_parse(reason, &known) ? remedies[known] : NULL;
}
