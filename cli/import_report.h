/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an import tells: each refused line on standard error, or in a file of rejects; the counts at
 * its end; the same as JSON for a program. Files are private (0600): a refused line, kept on
 * demand, holds clear addresses.
 */
#ifndef OCTROI_CLI_IMPORT_REPORT_H
#define OCTROI_CLI_IMPORT_REPORT_H

#include "cli/progress.h"
#include "store/import.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct import_report {
    const char *name; /* of the input, for messages; borrowed */
    struct progress progress;
    FILE *rejects;            /* owned; NULL: standard error */
    const char *rejects_path; /* borrowed */
    bool with_lines;
    FILE *summary;            /* owned; NULL: none */
    const char *summary_path; /* borrowed */
    int64_t started;          /* clock_monotonic */
};

/* Opens the files that were asked for (paths may be NULL); append: the rejects of an earlier go
 * stay. input is not to be written over. False after having printed why. */
bool import_report_open(struct import_report *report, FILE *input, bool append);
/* An import_problem_fn; arg is the report. */
void import_report_problem(void *arg, const struct import_problem *problem);
/* complete: the input was read to its end. False when a file could not be written, after having
 * printed why. */
bool import_report_end(struct import_report *report, const struct import *import, bool dry_run,
                       bool complete);
/* What is still open after a failure. */
void import_report_close(struct import_report *report);

#endif
