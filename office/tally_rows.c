/* SPDX-License-Identifier: Apache-2.0 */
#include "office/tally_rows.h"

#include <string.h>

enum { COUNTS = 6 };

static const char *const count_names[COUNTS] = {"count", "pass",        "block",
                                                "defer", "let_through", "discarded"};

void tally_rows_columns(const struct tally *tally, struct column columns[TALLY_ROWS_COLUMNS])
{
    size_t n = tally_columns(tally);
    for (size_t i = 0; i < n; i++)
        columns[i] = (struct column){tally_by_name(tally_column(tally, i)), CELL_TEXT, false};
    for (size_t i = 0; i < COUNTS; i++)
        columns[n + i] = (struct column){count_names[i], CELL_NUMBER, false};
    columns[n + COUNTS] = (struct column){0};
}

void tally_rows_write(const struct tally *tally, struct output *output)
{
    size_t n = tally_columns(tally);
    for (size_t i = 0; i < tally_count(tally); i++) {
        const struct tally_row *row = tally_row(tally, i);
        const struct tally_counts *counts = &row->counts;
        const uint64_t numbers[COUNTS] = {counts->decisions,   counts->pass,
                                          counts->block,       counts->defer,
                                          counts->let_through, counts->discarded};
        struct cell cells[TALLY_ROWS_COLUMNS];
        for (size_t j = 0; j < n; j++)
            cells[j] = cell_text(row->keys[j]);
        for (size_t j = 0; j < COUNTS; j++)
            cells[n + j] = cell_number((int64_t)numbers[j]);
        if (!output_row(output, cells))
            return;
    }
}
