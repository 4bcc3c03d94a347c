/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of `octroi report` share. */
#ifndef OCTROI_CLI_REPORT_H
#define OCTROI_CLI_REPORT_H

#include "base/language.h"
#include "cli/context.h"
#include "office/output.h"
#include "store/tally.h"

struct report {
    struct context *context;
    struct tally_filter filter;
    int64_t change; /* a midnight in the period, for the dossier's comparison; 0: none */
    enum language language;
};

/* report_overview.c: totals and the main groupings, for people, on standard output. */
enum result report_overview(const struct report *report, struct error *err);

/* report_dossier.c: the folder for a regulator; returns the exit code. */
int report_dossier(const struct invocation *invocation, struct report *report, const char *path,
                   bool with_journal);

#endif
