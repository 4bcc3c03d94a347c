/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words for the codes that stand in the journal and the registry, in the reader's language: no
 * report shows a code without one. A code nobody knows (a later version's) is its own word.
 */
#ifndef OCTROI_OFFICE_WORDS_H
#define OCTROI_OFFICE_WORDS_H

#include "base/language.h"

#include <stdint.h>

const char *word_channel(enum language language, const char *code);
const char *word_verdict(enum language language, const char *code);
const char *word_reason(enum language language, const char *code); /* a sentence */
const char *word_mode(enum language language, const char *code);
const char *word_regime(enum language language, const char *code); /* a mode, in a word */
const char *word_purpose(enum language language, const char *code);
const char *word_basis(enum language language, const char *code);
const char *word_role(enum language language, const char *code); /* of a user of the console */
const char *word_class(enum language language, const char *code);
/* "none", "erased": what stands for a form, collector or supplier that is not there. */
const char *word_origin(enum language language, const char *value);
/* The head of a column of `report` (tally_by_name). */
const char *word_column(enum language language, const char *name);

/* "from 1 March 2026 to 31 March 2026 (UTC, both days included)", or with the time of day where
 * the period does not begin and end at midnight. until is exclusive. */
struct journal_erased;
/* What retention took from a report on what happened from since on, a sentence each; nothing where
 * it took nothing. */
void words_erased_decisions(struct strbuf *out, enum language language,
                            const struct journal_erased *erased, int64_t since);
void words_erased_detail(struct strbuf *out, enum language language,
                         const struct journal_erased *erased, int64_t since);
void words_period(struct strbuf *out, enum language language, int64_t since, int64_t until);

#endif
