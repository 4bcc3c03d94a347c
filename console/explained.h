/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verdict explained on a page, for who never read code: the answer in a sentence, the rules in
 * their order, what it rests on with the words that were shown, and what each other consent of the
 * person's would have come to. The same on a blocked message's page and on a person's.
 */
#ifndef OCTROI_CONSOLE_EXPLAINED_H
#define OCTROI_CONSOLE_EXPLAINED_H

#include "console/visit.h"
#include "office/explain.h"

/* The same answer without its paragraph and badge, of what was judged elsewhere: of the question
 * only partner, channel and purpose are looked at. */
void explained_line(struct visit *visit, const struct question *question,
                    const struct judgement *judgement, const struct past *history);
/* "ACME may not write to this person by e-mail. The person withdrew the consent on 3 March 2026."
 * in one paragraph, the verdict before and the code behind. */
void explained_answer(struct visit *visit, const struct explanation *explanation);
/* The rules that were tried, in order, with what each found; the one that spoke with its code. */
void explained_rules(struct visit *visit, const struct trace *trace);
/* "The person withdrew the consent on 3 March 2026." inside a sentence or cell. */
void explained_event_line(struct visit *visit, const struct past_event *event);
/* What happened once: when and where it was said and recorded, by whom it came, the form with its
 * wording as shown. Sections aside; a list of names and values, and the wording. */
void explained_event(struct visit *visit, const struct past_event *event);
/* What came of each of the person's consents alone, newest first, a hundred at most; nothing where
 * there are none. */
void explained_grants(struct visit *visit, const struct explanation *explanation);

/* "/console/forms/ID/VERSION", in the visit's arena; NULL: the event names none. */
const char *explained_form_path(struct visit *visit, const struct past_event *event);

/* Who did something, in words, as text. */
void explained_who(struct visit *visit, const char *who);

#endif
