/* SPDX-License-Identifier: Apache-2.0 */
/* `octroi consent import`: a CSV of consent events in, every refused line named, none skipped. */
#include "cli/context.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "store/consent_csv.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* Large enough to keep system calls rare, small enough that a bar moves. */
#define CHUNK 65536

struct import {
    const char *name; /* of the input, for messages; borrowed */
    struct progress progress;
};

static void print_problem(void *arg, uint64_t line, const char *reason)
{
    struct import *import = arg;
    progress_clear(&import->progress);
    fprintf(stderr, "%s:%" PRIu64 ": %s\n", import->name, line, reason);
}

/* 0 for a pipe or a terminal. */
static uint64_t size_of(FILE *input)
{
    struct stat st;
    bool regular = fstat(fileno(input), &st) == 0 && S_ISREG(st.st_mode);
    return regular ? (uint64_t)st.st_size : 0;
}

static enum result feed_all(struct import *import, struct consent_csv *csv, FILE *input,
                            struct error *err)
{
    char chunk[CHUNK];
    uint64_t done = 0;
    uint64_t total = size_of(input);
    enum result result = RESULT_OK;
    size_t got;
    while (result == RESULT_OK && (got = fread(chunk, 1, sizeof(chunk), input)) > 0) {
        result = consent_csv_feed(csv, chunk, got, err);
        done += got;
        progress_show(&import->progress, done, total, consent_csv_counts(csv)->lines);
    }
    if (result == RESULT_OK && ferror(input))
        result = error_errno(err, RESULT_SYSTEM, errno, "cannot read it");
    wipe(chunk, sizeof(chunk));
    return result == RESULT_OK ? consent_csv_finish(csv, err) : result;
}

static void print_counts(const struct consent_csv_counts *counts, bool dry_run)
{
    printf("%s%" PRIu64 " line%s: %" PRIu64 " %s (%" PRIu64 " event%s), %" PRIu64
           " already on record, %" PRIu64 " refused\n",
           dry_run ? "nothing kept, as asked. " : "", counts->lines, plural(counts->lines),
           counts->accepted, dry_run ? "would be taken in" : "taken in", counts->events_added,
           plural(counts->events_added), counts->duplicates, counts->refused);
}

static int import_from(struct context *context, FILE *input, const char *path, bool dry_run)
{
    struct import import = {.name = input_name(path)};
    struct error err = {0};
    char origin[300];
    const char *slash = strrchr(import.name, '/');
    snprintf(origin, sizeof(origin), "import %s", slash != NULL ? slash + 1 : import.name);
    struct consent_csv *csv = consent_csv_new(
        context->registry, context->hmac, context->config->region, origin, print_problem, &import);
    if (csv == NULL)
        return command_failed_text("out of memory");
    if (dry_run)
        consent_csv_dry_run(csv);
    progress_start(&import.progress, dry_run ? "checking" : "importing", "lines");
    enum result result = feed_all(&import, csv, input, &err);
    progress_clear(&import.progress);
    struct consent_csv_counts counts = *consent_csv_counts(csv);
    consent_csv_free(&csv);
    if (result != RESULT_OK)
        fprintf(stderr, result == RESULT_BAD_INPUT ? "%s:%s\n" : "%s: %s\n", import.name, err.text);
    if (result == RESULT_OK || counts.lines > 0)
        print_counts(&counts, dry_run);
    return result == RESULT_OK && counts.refused == 0 ? EXIT_DONE : EXIT_FAILED;
}

int cli_consent_import(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    bool dry_run = false;
    const struct option_spec specs[] = {{"dry-run", OPTION_FLAG, &dry_run}, {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    FILE *input = input_open(operands[0]);
    if (input == NULL)
        return EXIT_FAILED;
    struct context context;
    code = EXIT_FAILED;
    if (context_open(invocation, CONTEXT_REGISTRY | CONTEXT_RECIPIENT_KEY, &context)) {
        code = import_from(&context, input, operands[0], dry_run);
        context_close(&context);
    }
    input_close(&input);
    return code;
}
