/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the words of the consent model mean to the person they are about, said to that person. All
 * of it is English to be given to tr(); po/fr.po has the French.
 */
#ifndef OCTROI_OFFICE_PERSON_WORDS_H
#define OCTROI_OFFICE_PERSON_WORDS_H

#include "office/past.h"
#include "policy/judge.h"
#include "store/notices.h"

/* "e-mail" and "by e-mail". */
const char *person_channel(enum channel channel);
const char *person_by_channel(enum channel channel);
/* "receiving offers". */
const char *person_purpose(enum purpose purpose);
/* What it is that happened, and what it means. */
const char *person_event(const struct past_event *event);
const char *person_event_meaning(const struct past_event *event);
/* A basis as the ground it is in law. */
const char *person_basis(enum basis basis);
/* Why, as a sentence. */
const char *person_reason(enum reason reason);
/* One rule's finding in short; NULL for one that is of no use to the person. */
const char *person_rule(const struct trace_step *step);
const char *person_verdict(enum verdict verdict);
/* What was done, and what the provider made of it; the word itself when it is unknown. */
const char *person_effect(const char *effect);
const char *person_outcome(const char *outcome);
const char *person_stop_kind(const char *kind);
/* Whether a partner was told of a "no". */
/* What somebody did about her, as access records name it; the word itself where it is not known. */
const char *person_act(const char *act);
const char *person_delivery(enum delivery_state state);

#endif
