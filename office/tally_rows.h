/* SPDX-License-Identifier: Apache-2.0 */
/* A tally as rows for programs: its columns, then six counts. Names and codes are English in any
 * language. */
#ifndef OCTROI_OFFICE_TALLY_ROWS_H
#define OCTROI_OFFICE_TALLY_ROWS_H

#include "office/output.h"
#include "store/tally.h"

enum { TALLY_ROWS_COLUMNS = TALLY_BY_COUNT + 6 + 1 };
void tally_rows_columns(const struct tally *tally, struct column columns_out[TALLY_ROWS_COLUMNS]);
/* What goes wrong, output_end says. */
void tally_rows_write(const struct tally *tally, struct output *output);

#endif
