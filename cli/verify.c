/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi verify`: whether the journal is what it was when written. Needs the public key only, so
 * that an auditor with a copy can do the same.
 */
#include "base/file.h"
#include "cli/context.h"
#include "cli/options.h"
#include "cli/progress.h"

#include <inttypes.h>
#include <string.h>

static const struct column verify_columns[] = {{"holds", CELL_FLAG, false},
                                               {"rows", CELL_NUMBER, false},
                                               {"erased", CELL_NUMBER, false},
                                               {"checkpoints", CELL_NUMBER, false},
                                               {"segments", CELL_NUMBER, false},
                                               {"torn_bytes", CELL_NUMBER, false},
                                               {"head", CELL_TEXT, false},
                                               {"problem", CELL_TEXT, false},
                                               {0}};

static void show_progress(void *arg, uint64_t bytes_done, uint64_t bytes_total)
{
    progress_show(arg, bytes_done, bytes_total, bytes_done / 1024);
}

static int print_row(const struct verify_report *report, const char *head, const char *problem,
                     enum output_format format)
{
    struct error err = {0};
    struct output *output = output_new(stdout, format, verify_columns);
    if (output == NULL)
        return command_failed_text("out of memory");
    const struct cell cells[] = {cell_flag(problem == NULL),
                                 cell_number((int64_t)report->rows),
                                 cell_number((int64_t)report->erased),
                                 cell_number((int64_t)report->checkpoints),
                                 cell_number((int64_t)report->segments),
                                 cell_number((int64_t)report->torn_bytes),
                                 problem == NULL ? cell_text(head) : cell_none(),
                                 cell_text(problem)};
    output_row(output, cells);
    if (output_end(&output, &err) != RESULT_OK)
        return command_failed(&err);
    return problem == NULL ? EXIT_DONE : EXIT_FAILED;
}

static int print_sentence(const struct verify_report *report, const char *head, const char *problem)
{
    if (problem != NULL) {
        printf("journal does not hold: %s\n", problem);
        return EXIT_FAILED;
    }
    printf("journal holds: %" PRIu64 " row%s, %" PRIu64 " erased, %" PRIu64
           " signed checkpoint%s, %" PRIu64 " segment%s\nhead %s\n",
           report->rows, plural(report->rows), report->erased, report->checkpoints,
           plural(report->checkpoints), report->segments, plural(report->segments), head);
    if (report->torn_bytes > 0)
        printf("the last line is unfinished (%" PRIu64
               " bytes): no answer relied on it, and the next start sets it aside\n",
               report->torn_bytes);
    return EXIT_DONE;
}

static int verify(struct context *context, enum output_format format)
{
    struct verify_report report = {0};
    struct progress progress;
    struct error err = {0};
    char head[2 * SHA256_BYTES + 1];
    const char *index = file_exists(context->index_path) ? context->index_path : NULL;
    progress_start(&progress, "verifying", "KiB");
    enum result result = journal_verify(context->journal_path, context->journal_public, index,
                                        show_progress, &progress, &report, &err);
    progress_clear(&progress);
    if (result != RESULT_OK && result != RESULT_DAMAGED)
        return command_failed(&err);
    if (report.index_unread)
        command_warn("%s cannot be read: rows cut off at the journal's end would not show",
                     context->index_path);
    const char *problem = NULL;
    if (result == RESULT_DAMAGED)
        problem = *report.where != '\0' ? report.where : err.text;
    hex_encode(report.head, sizeof(report.head), head);
    return format == OUTPUT_TABLE ? print_sentence(&report, head, problem)
                                  : print_row(&report, head, problem, format);
}

int cli_verify(const struct invocation *invocation, int argc, char **argv)
{
    enum output_format format = OUTPUT_TABLE;
    int code = options_read_format(invocation, argc, argv, &format);
    if (code != OPTIONS_GO)
        return code;
    struct context context;
    if (!context_open(invocation, CONTEXT_JOURNAL_PUBLIC, &context))
        return EXIT_FAILED;
    code = verify(&context, format);
    context_close(&context);
    return code;
}
