/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of `octroi report` share. */
#ifndef OCTROI_CLI_REPORT_H
#define OCTROI_CLI_REPORT_H

#include "base/language.h"
#include "cli/context.h"
#include "cli/output.h"
#include "store/tally.h"

struct report {
    struct context *context;
    struct tally_filter filter;
    enum language language;
};

/* report_rows.c: a tally as rows for programs: its columns, then six counts. */
enum { REPORT_COLUMNS = TALLY_BY_COUNT + 6 + 1 };
void report_columns(const struct tally *tally, struct column columns_out[REPORT_COLUMNS]);
/* What goes wrong, output_end says. */
void report_write(const struct tally *tally, struct output *output);

/* report_overview.c: totals and the main groupings, for people, on standard output. */
enum result report_overview(const struct report *report, struct error *err);

/* report_dossier.c: the folder for a regulator; returns the exit code. */
int report_dossier(const struct invocation *invocation, struct report *report, const char *path,
                   bool with_journal);

#endif
