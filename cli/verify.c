/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi verify`: whether the journal is what it was when written, and the registry what the
 * journal says it was. Needs the public key only, so that an auditor with a copy can do the same;
 * also with a copy of the journal alone.
 */
#include "cli/verify.h"
#include "base/file.h"
#include "base/str.h"
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
                                               {"events", CELL_NUMBER, false},
                                               {"events_erased", CELL_NUMBER, false},
                                               {"events_head", CELL_TEXT, false},
                                               {"anchors", CELL_NUMBER, false},
                                               {0}};

/* All that is looked at and found. */
struct verification {
    struct context *context;
    struct registry *registry; /* owned; NULL: there is none to be looked at */
    struct progress progress;
    struct verify_report journal;
    struct registry_report events;
    char head[2 * SHA256_BYTES + 1];
    char events_head[2 * SHA256_BYTES + 1];
    const struct checkpoint *checkpoint; /* borrowed; NULL: none was given */
    char checkpoint_name[64];
    const char *problem; /* NULL: all holds */
    bool in_registry;    /* the problem is */
    bool at_end;         /* the problem is that the journal ends too early */
};

static void show_bytes(void *arg, uint64_t bytes_done, uint64_t bytes_total)
{
    struct verification *verification = arg;
    progress_show(&verification->progress, bytes_done, bytes_total, bytes_done / 1024);
}

static void show_events(void *arg, uint64_t done, uint64_t total)
{
    struct verification *verification = arg;
    progress_show(&verification->progress, done, total, done);
}

static bool compare_anchor(void *arg, int64_t event, const uint8_t hash[SHA256_BYTES],
                           char *why_out, size_t size)
{
    struct verification *verification = arg;
    struct error err = {0};
    uint8_t found[SHA256_BYTES];
    enum result result = registry_event_hash(verification->registry, event, found, &err);
    if (result == RESULT_OK && memcmp(found, hash, SHA256_BYTES) == 0)
        return true;
    if (result == RESULT_OK)
        snprintf(why_out, size,
                 "the registry's event %" PRId64 " is not the one that was noted here: events were"
                 " replaced",
                 event);
    else if (result == RESULT_NOT_FOUND)
        snprintf(why_out, size,
                 "the registry had event %" PRId64 " and has it no more: events were cut off",
                 event);
    else
        str_copy(why_out, size, err.text);
    return false;
}

static int print_row(const struct verification *found, enum output_format format)
{
    const struct verify_report *report = &found->journal;
    bool holds = found->problem == NULL;
    bool events = holds && found->registry != NULL;
    struct error err = {0};
    struct output *output = output_new(stdout, format, verify_columns);
    if (output == NULL)
        return command_failed_text("out of memory");
    const struct cell cells[] = {
        cell_flag(holds),
        cell_number((int64_t)report->rows),
        cell_number((int64_t)report->erased),
        cell_number((int64_t)report->checkpoints),
        cell_number((int64_t)report->segments),
        cell_number((int64_t)report->torn_bytes),
        holds ? cell_text(found->head) : cell_none(),
        cell_text(found->problem),
        events ? cell_number((int64_t)found->events.events) : cell_none(),
        events ? cell_number((int64_t)found->events.erased) : cell_none(),
        events ? cell_text(found->events_head) : cell_none(),
        cell_number((int64_t)report->anchors),
    };
    output_row(output, cells);
    if (output_end(&output, &err) != RESULT_OK)
        return command_failed(&err);
    return holds ? EXIT_DONE : EXIT_FAILED;
}

/* What a checkpoint that was kept elsewhere proves to be gone. */
static void print_missing(const struct verification *found)
{
    uint64_t row = found->checkpoint != NULL ? found->checkpoint->row : 0;
    uint64_t rows = found->journal.rows;
    if (!found->at_end || rows >= row)
        return;
    if (rows + 1 == row)
        printf("missing: row %" PRIu64 ", which was there at %s\n", row, found->checkpoint->at);
    else
        printf("missing: rows %" PRIu64 " to %" PRIu64 ", %" PRIu64
               " in all, which were there at %s\n",
               rows + 1, row, row - rows, found->checkpoint->at);
}

static int print_sentences(const struct verification *found)
{
    const struct verify_report *report = &found->journal;
    const struct registry_report *events = &found->events;
    if (found->problem != NULL && !found->in_registry) {
        printf("journal does not hold: %s\n", found->problem);
        print_missing(found);
        return EXIT_FAILED;
    }
    if (found->checkpoint != NULL)
        printf("%s holds: the journal has row %" PRIu64 " as it was then\n", found->checkpoint_name,
               found->checkpoint->row);
    printf("journal holds: %" PRIu64 " row%s, %" PRIu64 " erased, %" PRIu64
           " signed checkpoint%s, %" PRIu64 " segment%s\nhead %s\n",
           report->rows, plural(report->rows), report->erased, report->checkpoints,
           plural(report->checkpoints), report->segments, plural(report->segments), found->head);
    if (report->torn_bytes > 0)
        printf("the last line is unfinished (%" PRIu64
               " bytes): no answer relied on it, and the next start sets it aside\n",
               report->torn_bytes);
    if (found->problem != NULL) {
        printf("registry does not hold: %s\n", found->problem);
        return EXIT_FAILED;
    }
    if (found->registry != NULL)
        printf("registry holds: %" PRIu64 " event%s, %" PRIu64 " erased, vouched for by %" PRIu64
               " row%s of the journal\nhead %s\n",
               events->events, plural(events->events), events->erased, report->anchors,
               plural(report->anchors), found->events_head);
    else
        printf("there is no registry beside it: its %" PRIu64 " row%s about one not compared\n",
               report->anchors, report->anchors == 1 ? " was" : "s were");
    return EXIT_DONE;
}

static enum result verify_journal(struct verification *found, struct error *err)
{
    const struct context *context = found->context;
    struct verify_known known = {.who = found->checkpoint_name};
    if (found->checkpoint != NULL) {
        known.row = found->checkpoint->row;
        memcpy(known.hash, found->checkpoint->head, sizeof(known.hash));
    }
    const struct verify_calls calls = {.known = found->checkpoint != NULL ? &known : NULL,
                                       .progress = show_bytes,
                                       .anchor = found->registry != NULL ? compare_anchor : NULL,
                                       .arg = found};
    struct verify_report *report = &found->journal;
    const char *index = file_exists(context->index_path) ? context->index_path : NULL;
    progress_start(&found->progress, "verifying", "KiB");
    enum result result =
        journal_verify(context->journal_path, context->journal_public, index, &calls, report, err);
    progress_clear(&found->progress);
    if (result != RESULT_OK && result != RESULT_DAMAGED)
        return result;
    if (report->index_unread)
        command_warn("%s cannot be read: rows cut off at the journal's end would not show",
                     context->index_path);
    if (result == RESULT_DAMAGED)
        found->problem = *report->where != '\0' ? report->where : err->text;
    found->at_end = result == RESULT_DAMAGED && report->complete;
    hex_encode(report->head, sizeof(report->head), found->head);
    return RESULT_OK;
}

/* After the journal, which can only name events that are in the registry by then. */
static enum result verify_registry(struct verification *found, struct error *err)
{
    struct registry_report *report = &found->events;
    progress_start(&found->progress, "verifying", "events");
    enum result result = registry_check(found->registry, show_events, found, report, err);
    progress_clear(&found->progress);
    if (result != RESULT_OK && result != RESULT_DAMAGED)
        return result;
    found->in_registry = result == RESULT_DAMAGED;
    if (found->in_registry)
        found->problem = *report->where != '\0' ? report->where : err->text;
    hex_encode(report->head, sizeof(report->head), found->events_head);
    return RESULT_OK;
}

static int verify(struct verification *found, enum output_format format)
{
    struct error err = {0};
    enum result result = verify_journal(found, &err);
    if (result == RESULT_OK && found->problem == NULL && found->registry != NULL)
        result = verify_registry(found, &err);
    if (result != RESULT_OK)
        return command_failed(&err);
    int code = format == OUTPUT_TABLE ? print_sentences(found) : print_row(found, format);
    found->problem = NULL; /* it may be err's text */
    return code;
}

int verify_state(struct context *context, const struct checkpoint *checkpoint,
                 enum output_format format)
{
    struct verification found = {.context = context, .checkpoint = checkpoint};
    if (checkpoint != NULL)
        snprintf(found.checkpoint_name, sizeof(found.checkpoint_name), "the checkpoint of %.40s",
                 checkpoint->at);
    struct error err = {0};
    enum result result = RESULT_OK;
    if (file_exists(context->registry_path))
        result = registry_open_reader(context->registry_path, &found.registry, &err);
    int code = result == RESULT_OK ? verify(&found, format) : command_failed(&err);
    registry_close(&found.registry);
    return code;
}

/* A mail may have all kinds of things attached. */
#define MAIL_MAX ((size_t)32 * 1024 * 1024)

static enum result read_checkpoint(const struct context *context, FILE *input, const char *name,
                                   struct checkpoint *checkpoint_out, struct error *err)
{
    struct strbuf text = {0};
    char block[65536];
    size_t n;
    while ((n = fread(block, 1, sizeof(block), input)) > 0 && text.length <= MAIL_MAX)
        strbuf_add(&text, block, n);
    enum result result = RESULT_OK;
    if (ferror(input))
        result = error_set(err, RESULT_SYSTEM, "it cannot be read");
    else if (text.failed)
        result = error_no_memory(err);
    else if (text.length > MAIL_MAX)
        result = error_set(err, RESULT_BAD_INPUT, "it is longer than 32 MB");
    else if (text.length == 0)
        result = error_set(err, RESULT_BAD_INPUT, "it is empty");
    else
        result =
            checkpoint_find(text.data, text.length, context->journal_public, checkpoint_out, err);
    strbuf_free(&text);
    if (result == RESULT_OK && strcmp(checkpoint_out->gateway, context->config->hostname) != 0)
        command_warn("the checkpoint is of %s, this gateway is %s", checkpoint_out->gateway,
                     context->config->hostname);
    if (result != RESULT_OK)
        error_prefix(err, "%s", name);
    return result;
}

int cli_verify(const struct invocation *invocation, int argc, char **argv)
{
    const char *file = NULL, *format_text = NULL;
    enum output_format format = OUTPUT_TABLE;
    const struct option_spec specs[] = {
        {"checkpoint", OPTION_TEXT, &file}, {"format", OPTION_TEXT, &format_text}, {0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, NULL);
    if (code != OPTIONS_GO)
        return code;
    if (!option_format(invocation, format_text, &format))
        return EXIT_USAGE;
    struct context context;
    struct checkpoint checkpoint;
    struct error err = {0};
    FILE *input = file != NULL ? input_open(file) : NULL;
    if (file != NULL && input == NULL)
        return EXIT_FAILED;
    bool opened = context_open(invocation, CONTEXT_JOURNAL_PUBLIC, &context);
    code = EXIT_FAILED;
    if (opened && input != NULL &&
        read_checkpoint(&context, input, input_name(file), &checkpoint, &err) != RESULT_OK)
        code = command_failed(&err);
    else if (opened)
        code = verify_state(&context, input != NULL ? &checkpoint : NULL, format);
    if (opened)
        context_close(&context);
    if (input != NULL)
        input_close(&input);
    return code;
}
