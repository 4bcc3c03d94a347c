/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the person's page share; nobody else includes it. */
#ifndef OCTROI_OFFICE_PERSON_PAGE_H
#define OCTROI_OFFICE_PERSON_PAGE_H

#include "office/person.h"
#include "office/person_words.h"
#include "office/sheet.h"

/* text is English to be translated; others' words go through sheet_text. */
void leaf_heading(struct sheet *sheet, const char *anchor, const char *text);
void leaf_paragraph(struct sheet *sheet, const char *text);
/* A row of a list of names and values; value is written as it is, "" writes no row. */
void leaf_pair(struct sheet *sheet, const char *name, const char *value);
/* Cells of a table's heading row, translated; NULL ends them. */
void leaf_columns(struct sheet *sheet, const char *const *names);
/* A table's cell with text as it is. */
void leaf_cell(struct sheet *sheet, const char *text);

#define LEAF_TIME 96
/* "3 March 2026, 14:05:09 UTC"; and the date alone. */
const char *leaf_time(const struct sheet *sheet, int64_t instant, char out[LEAF_TIME]);
const char *leaf_date(const struct sheet *sheet, int64_t instant, char out[LEAF_TIME]);

/* What of the journal was erased at the end of its retention; nothing where nothing was. */
void leaf_erased(const struct person *person, struct sheet *sheet);

/* ---- the parts, in their order ---- */

void leaf_standing(const struct person *person, struct sheet *sheet);
void leaf_passed(const struct person *person, struct sheet *sheet);
void leaf_uses(const struct person *person, struct sheet *sheet);
void leaf_sources(const struct person *person, struct sheet *sheet);
void leaf_events(const struct person *person, struct sheet *sheet);
void leaf_forms(const struct person *person, struct sheet *sheet);
void leaf_stops(const struct person *person, struct sheet *sheet);
void leaf_notices(const struct person *person, struct sheet *sheet);
void leaf_accesses(const struct person *person, struct sheet *sheet);
void leaf_rights(const struct person *person, struct sheet *sheet);
void leaf_decisions(const struct person *person, struct sheet *sheet);
void leaf_proof(const struct person *person, struct sheet *sheet);

#endif
