/* SPDX-License-Identifier: Apache-2.0 */
/* A decision of the journal as programs see it: the contract's fields, wherever it is shown. */
#ifndef OCTROI_OFFICE_DECISION_H
#define OCTROI_OFFICE_DECISION_H

#include "store/journal.h"

/* The members, without the braces around them. */
void decision_add_json(const struct log_entry *entry, struct strbuf *json);

#endif
