/* SPDX-License-Identifier: Apache-2.0 */
/* A decision of the journal as programs see it: the contract's fields, wherever it is shown. */
#ifndef OCTROI_OFFICE_DECISION_H
#define OCTROI_OFFICE_DECISION_H

#include "store/journal.h"

/* In the contract's order, which is that of CSV. */
#define DECISION_FIELDS 24
struct decision_field {
    const char *name;
    size_t offset; /* in struct log_entry */
    enum decision_kind {
        DECISION_TEXT,  /* NULL: null */
        DECISION_EVENT, /* a number, 0: null */
        DECISION_SIZE,  /* a number, -1: null */
    } kind;
};
extern const struct decision_field decision_fields[DECISION_FIELDS];

/* NULL: null, or a number. */
const char *decision_text(const struct log_entry *entry, const struct decision_field *field);
/* False: null, or a text. */
bool decision_number(const struct log_entry *entry, const struct decision_field *field,
                     int64_t *number_out);

/* The members, without the braces around them. */
void decision_add_json(const struct log_entry *entry, struct strbuf *json);

#endif
