/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person reads, in French or English: translated text, and numbers, shares and dates in the
 * reader's manner. The language is an argument, never the process's: one command may write a
 * French report on an English server, and threads may write in both at once.
 *
 * The translations are po/NAME.po, compiled in (docs/adr/0018). Text is marked with N_() where it
 * is a constant and with tr() where it is used; `make update-po` collects it.
 */
#ifndef OCTROI_BASE_LANGUAGE_H
#define OCTROI_BASE_LANGUAGE_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum language { LANGUAGE_EN, LANGUAGE_FR, LANGUAGE_COUNT };

/* Marks a constant for translation without translating it. */
#define N_(text) text

/* "en", "fr": also what HTML's lang takes. */
const char *language_tag(enum language language);
/* Exact tags only; false leaves language_out alone. */
bool language_parse(const char *text, enum language *language_out);
/* What the first of LC_ALL, LC_MESSAGES and LANG that is set asks for; English when it is none of
 * ours. Whether such a locale was generated on this machine does not matter. */
enum language language_of_environment(void);

/* What a browser asks for (Accept-Language, RFC 9110); false, and language_out left alone: none of
 * ours. */
bool language_of_accept(const char *accept, enum language *language_out);

/* The text in that language; msgid itself, which is English, where there is no translation. */
const char *tr(enum language language, const char *msgid) __attribute__((format_arg(2)));
/* By the language's rule for count: French says "0 ligne", English "0 lines". */
const char *trn(enum language language, const char *one, const char *many, uint64_t count)
    __attribute__((format_arg(2), format_arg(3)));

/* 1,234,567 · 1 234 567 (with a narrow no-break space). */
void language_add_number(struct strbuf *out, enum language language, int64_t number);
/* number / 10^decimals: 1,234.5 · 1 234,5. decimals is at most 18. */
void language_add_decimal(struct strbuf *out, enum language language, int64_t number,
                          unsigned decimals);
/* part of whole to a tenth, rounded: 12.5% · 12,5 %; a dash when whole is 0. A part that is not
 * nothing is never shown as 0, nor one that is not all as 100. */
void language_add_share(struct strbuf *out, enum language language, uint64_t part, uint64_t whole);
/* In UTC: 3 March 2026 · 3 mars 2026. */
void language_add_date(struct strbuf *out, enum language language, int64_t instant);
/* In UTC: 3 March 2026, 14:05:09 UTC · 3 mars 2026 à 14:05:09 UTC. */
void language_add_time(struct strbuf *out, enum language language, int64_t instant);

/* One row of a compiled-in catalogue (po/catalogue.awk writes them, in strcmp's order of id). */
struct language_message {
    const char *id;
    const char *one;
    const char *many; /* NULL unless the message has plural forms */
};
extern const struct language_message language_fr[];
extern const size_t language_fr_count;

#endif
