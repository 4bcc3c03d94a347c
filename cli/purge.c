/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi purge`: erases what the configuration's periods say has outlived its purpose, in the
 * registry and in the journal, and has the journal say that it did. It asks nothing, so
 * `--dry-run` counts first, by the same code, and changes nothing.
 */
#include "cli/context.h"
#include "cli/journal_link.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "store/journal_purge.h"
#include "store/registry_purge.h"
#include "store/state_lock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEND_BYTES (1u << 20)

static const struct column purge_columns[] = {{"what", CELL_TEXT, false},
                                              {"persons", CELL_NUMBER, false},
                                              {"rows", CELL_NUMBER, false},
                                              {"oldest", CELL_TEXT, false},
                                              {"before", CELL_TEXT, false},
                                              {"fate", CELL_TEXT, false},
                                              {0}};

struct purge {
    struct context *context;
    struct journal_link *link; /* owned; NULL in a dry run */
    struct progress progress;
    bool dry_run;
    int64_t now;
    struct retention_periods periods;
    struct journal_purge_limits limits;
    struct registry_purge_counts registry;
    struct journal_purge_counts journal;
};

/* ---- the work ---- */

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    struct purge *purge = arg;
    progress_show(&purge->progress, done, total, done);
}

static void show_bytes(void *arg, uint64_t done, uint64_t total)
{
    struct purge *purge = arg;
    progress_show(&purge->progress, done, total, done / 1024);
}

static size_t count_lines(const char *text, size_t length)
{
    size_t lines = 0;
    for (const char *at = text; (at = memchr(at, '\n', length - (size_t)(at - text))) != NULL; at++)
        lines++;
    return lines;
}

/* In pieces of whole records, and waits until all are durable. */
static enum result append(void *arg, struct strbuf *lines, struct error *err)
{
    struct journal_link *link = ((struct purge *)arg)->link;
    enum result result = lines->failed ? error_no_memory(err) : RESULT_OK;
    for (size_t from = 0, length; result == RESULT_OK && from < lines->length; from += length) {
        struct strbuf piece = {0};
        const char *start = lines->data + from;
        length = lines->length - from;
        if (length > SEND_BYTES)
            length = (size_t)((char *)memrchr(start, '\n', SEND_BYTES) + 1 - start);
        strbuf_add(&piece, start, length);
        if (piece.failed) {
            strbuf_free(&piece);
            return error_no_memory(err);
        }
        result = journal_link_send(link, &piece, count_lines(start, length), err);
        strbuf_free(&piece);
    }
    return result == RESULT_OK ? journal_link_flush(link, err) : result;
}

/* Begins a segment of its own, so that what is in the one before can be erased. */
static enum result append_purging(struct purge *purge, struct error *err)
{
    struct strbuf line = {0};
    record_purging(&line, &purge->limits, clock_now());
    enum result result = append(purge, &line, err);
    strbuf_free(&line);
    return result;
}

static enum result append_purged(struct purge *purge, struct error *err)
{
    const struct purged_registry registry = {.persons = purge->registry.persons,
                                             .proofs = purge->registry.proofs.events,
                                             .oppositions = purge->registry.oppositions.events};
    struct strbuf line = {0};
    record_purged(&line, &purge->limits, &purge->journal, &registry, clock_now());
    enum result result = append(purge, &line, err);
    strbuf_free(&line);
    return result;
}

/* What is erased is chosen by the standings: were one missing, an opposition could go before the
 * grant it closes. */
static enum result compare_registry(struct purge *purge, struct error *err)
{
    struct registry_report report;
    progress_start(&purge->progress, "comparing", "events");
    enum result result =
        registry_compare(purge->context->registry, show_progress, purge, &report, err);
    progress_clear(&purge->progress);
    return result;
}

static enum result purge_registry(struct purge *purge, struct error *err)
{
    progress_start(&purge->progress, purge->dry_run ? "counting consents" : "erasing consents",
                   "events");
    enum result result =
        registry_purge(purge->context->registry, &purge->periods, purge->now, !purge->dry_run,
                       show_progress, purge, &purge->registry, err);
    progress_clear(&purge->progress);
    return result;
}

static enum result purge_journal(struct purge *purge, struct error *err)
{
    const struct journal_purge what = {.directory = purge->context->journal_path,
                                       .index = purge->context->index,
                                       .key = purge->context->journal_public,
                                       .limits = purge->limits,
                                       .append = append,
                                       .append_arg = purge,
                                       .progress = show_bytes,
                                       .progress_arg = purge};
    progress_start(&purge->progress, purge->dry_run ? "counting decisions" : "erasing decisions",
                   "KiB");
    enum result result = purge->dry_run ? journal_purge_count(&what, &purge->journal, err)
                                        : journal_purge_run(&what, &purge->journal, err);
    progress_clear(&purge->progress);
    return result;
}

static enum result run(struct purge *purge, struct error *err)
{
    enum result result = RESULT_OK;
    if (!purge->dry_run)
        result = journal_link_open(purge->context, "purge", &purge->link, err);
    if (result == RESULT_OK && !purge->dry_run)
        result = append_purging(purge, err);
    if (result == RESULT_OK)
        result = purge_registry(purge, err);
    if (result == RESULT_OK)
        result = purge_journal(purge, err);
    if (result == RESULT_OK && !purge->dry_run)
        result = append_purged(purge, err);
    if (purge->link != NULL)
        journal_link_close(&purge->link);
    return result;
}

/* ---- what was done ---- */

static void print_kind(struct output *output, const char *what, const struct purge_tally *tally,
                       bool persons, int64_t before, const char *fate)
{
    char oldest[CLOCK_TEXT];
    char limit[CLOCK_TEXT];
    clock_format_seconds(tally->oldest, oldest);
    clock_format_seconds(before, limit);
    const struct cell cells[] = {cell_text(what),
                                 persons ? cell_number((int64_t)tally->persons) : cell_none(),
                                 cell_number((int64_t)tally->events),
                                 tally->events > 0 ? cell_text(oldest) : cell_none(),
                                 cell_text(limit),
                                 cell_text(fate)};
    output_row(output, cells);
}

static int print_counts(const struct purge *purge, enum output_format format)
{
    const struct journal_purge_counts *journal = &purge->journal;
    const struct purge_tally aged = {.events =
                                         journal->decisions + journal->outcomes + journal->accesses,
                                     .oldest = journal->oldest};
    const struct purge_tally detail = {.events =
                                           journal->detail_decisions + journal->detail_outcomes,
                                       .oldest = journal->oldest_detail};
    const char *fate = purge->dry_run ? "to be erased" : "erased";
    struct error err = {0};
    if (format == OUTPUT_TABLE)
        puts(purge->dry_run ? "nothing is changed, as asked; a purge would do this:" : "purged:");
    struct output *output = output_new(stdout, format, purge_columns);
    if (output == NULL)
        return command_failed_text("out of memory");
    print_kind(output, "consent", &purge->registry.ended, true,
               clock_subtract(purge->now, purge->periods.consent), "ended, kept as proof");
    print_kind(output, "proof", &purge->registry.proofs, true,
               clock_subtract(purge->now, purge->periods.proof), fate);
    print_kind(output, "opposition", &purge->registry.oppositions, true,
               clock_subtract(purge->now, purge->periods.opposition), fate);
    print_kind(output, "identifier", &purge->registry.identifiers, true,
               clock_subtract(purge->now, purge->periods.consent), fate);
    print_kind(output, "journal", &aged, false, purge->limits.journal, fate);
    print_kind(output, "observe_detail", &detail, false, purge->limits.detail, fate);
    return output_end(&output, &err) == RESULT_OK ? EXIT_DONE : command_failed(&err);
}

static int purge_with(struct context *context, bool dry_run, enum output_format format)
{
    const struct retention_config *retention = &context->config->retention;
    struct error err = {0};
    int64_t now = clock_now();
    struct purge purge = {
        .context = context,
        .dry_run = dry_run,
        .now = now,
        .periods = {.consent = retention->consent,
                    .proof = retention->proof,
                    .opposition = retention->opposition},
        .limits = {.journal = journal_purge_limit(now, retention->journal),
                   .detail = journal_purge_limit(now, retention->observe_detail)}};
    int lock_fd = -1;
    enum result result = RESULT_OK;
    if (!dry_run)
        result = state_lock_purge(context->config->state_dir, &lock_fd, &err);
    if (result == RESULT_OK)
        result = compare_registry(&purge, &err);
    if (result == RESULT_OK) {
        result = run(&purge, &err);
        if (result != RESULT_OK && !dry_run)
            error_suffix(&err, ". What was erased is erased; run it again to go on");
    }
    if (lock_fd >= 0)
        close(lock_fd);
    return result == RESULT_OK ? print_counts(&purge, format) : command_failed(&err);
}

int cli_purge(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    bool dry_run = false;
    const char *format_text = NULL;
    enum output_format format = OUTPUT_TABLE;
    const struct option_spec specs[] = {
        {"dry-run", OPTION_FLAG, &dry_run}, {"format", OPTION_TEXT, &format_text}, {0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (!option_format(invocation, format_text, &format))
        return EXIT_USAGE;
    struct context context;
    /* Not to be undone, so by no period that was only half understood. */
    if (!context_open(invocation,
                      CONTEXT_STRICT | CONTEXT_REGISTRY | CONTEXT_INDEX | CONTEXT_JOURNAL_PUBLIC,
                      &context))
        return EXIT_FAILED;
    code = purge_with(&context, dry_run, format);
    context_close(&context);
    return code;
}
