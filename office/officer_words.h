/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is on record of a person, said about her to an officer (office/person_words.h says it to the
 * person herself). All of it is English to be given to tr(); po/fr.po has the French.
 */
#ifndef OCTROI_OFFICE_OFFICER_WORDS_H
#define OCTROI_OFFICE_OFFICER_WORDS_H

#include "base/language.h"
#include "base/str.h"
#include "office/past.h"
#include "policy/judge.h"

/* What happened, without and with its day: "Consent given"; "The person consented on %s." */
const char *officer_event(const struct past_event *event);
const char *officer_event_on(const struct past_event *event);
/* What a rule found, as a sentence; NULL for a rule that a later version has. */
const char *officer_rule(const struct trace_step *step);
/* "The person's data may be passed on to %s for offers %s.": partner and person_by_channel. */
const char *officer_answer(enum purpose purpose, enum verdict verdict, enum reason reason);
/* Who did it, or by what way an event came ("user claire", "token crm", "link", "command", "import
 * customers.csv"), in words. */
void officer_who(struct strbuf *out, enum language language, const char *who);
/* What came of it, as access records name it; NULL for a word that is none of theirs. */
const char *officer_access_answer(const char *answer);
/* Why a partner was not told of a "no", as the outbox has it; what the partner answered as it is.
 */
const char *officer_notice_answer(const char *answer);
/* Where the message and not the person's consent is why: a sentence on her consent. Else NULL. */
const char *officer_consent_note(enum reason reason);

/* What somebody did about her, as access records name it; the word itself when it is unknown. */
const char *officer_act(const char *act);

#endif
