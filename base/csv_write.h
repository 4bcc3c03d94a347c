/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of CSV on their way out (RFC 4180); a field that could not grow its buffer marks it. */
#ifndef OCTROI_BASE_CSV_WRITE_H
#define OCTROI_BASE_CSV_WRITE_H

#include "base/str.h"

#include <stdbool.h>
#include <string.h>

/* One field as RFC 4180 wants it, quoted when it must be. */
void csv_add_field(struct strbuf *buf, const char *text);
/* A spreadsheet takes such a field for a formula, whoever wrote it. */
static inline bool csv_is_formula(const char *text, size_t length)
{
    return length > 0 && text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL;
}
/* As csv_add_field, with an apostrophe before what a spreadsheet would take for a formula. */
void csv_add_foreign(struct strbuf *buf, const char *text);

#endif
