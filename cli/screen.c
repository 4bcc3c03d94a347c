/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi screen`: who of a list may be passed on to a partner. The permitted rows go out as they
 * came in, the others with the reason, and every row stands in the journal before it does either.
 * The journal is the authority on how far a screening came: one that was interrupted goes on from
 * there, with its outputs written anew from what was decided.
 */
#include "cli/screen.h"

#include "base/clock.h"
#include "base/file.h"
#include "cli/options.h"
#include "store/registry_read.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A screening is of one moment, as near as it can be: what was blocked then is not judged anew. */
#define RESUME_WITHIN CLOCK_DAY
/* As short as rows are, so that their number is rather guessed too high. */
#define ROW_BYTES 32

struct screen_options {
    const char *partner, *channel, *column, *separator, *output, *blocked, *summary;
    bool no_header, resume;
    const char *path;
};

/* ---- its begin and end in the journal ---- */

static enum result record_begin(struct screen *screen, struct error *err)
{
    const char *slash = strrchr(screen->name, '/');
    struct strbuf name = {0};
    struct strbuf lines = {0};
    text_hide_addresses(slash != NULL ? slash + 1 : screen->name, screen->context->config->region,
                        &name);
    screen->began_at = clock_now();
    record_new_id(screen->id);
    const struct screening screening = {.id = screen->id,
                                        .at = screen->began_at,
                                        .gateway = screen->context->config->hostname,
                                        .partner = screen->partner->id,
                                        .channel = screen->channel,
                                        .purpose = PURPOSE_TRANSMISSION,
                                        .list = screen->list.hex,
                                        .name = name.data != NULL ? name.data : ""};
    record_screening(&lines, &screening);
    strbuf_add_char(&lines, '\n');
    bool composed = !name.failed;
    strbuf_free(&name);
    if (!composed) {
        strbuf_free(&lines);
        return error_no_memory(err);
    }
    enum result result = journal_link_send(screen->link, &lines, 1, err);
    return result == RESULT_OK ? journal_link_flush(screen->link, err) : result;
}

static enum result record_end(struct screen *screen, struct error *err)
{
    struct strbuf lines = {0};
    const struct screened screened = {.id = screen->id,
                                      .at = clock_now(),
                                      .rows = screen->rows,
                                      .passed = screen->passes,
                                      .blocked = screen->blocks};
    record_screened(&lines, &screened);
    strbuf_add_char(&lines, '\n');
    enum result result = journal_link_send(screen->link, &lines, 1, err);
    return result == RESULT_OK ? journal_link_flush(screen->link, err) : result;
}

/* ---- going on where another run stopped ---- */

static enum result catch_up(struct screen *screen, struct error *err)
{
    uint64_t total = 0;
    uint64_t rows;
    enum result result;
    progress_start(&screen->progress, "reading the journal", "rows");
    do {
        result = journal_index_catch_up(screen->context->index, 20000, &rows, err);
        total += rows;
        progress_show(&screen->progress, 0, 0, total);
    } while (result == RESULT_OK && rows > 0);
    progress_clear(&screen->progress);
    return result;
}

/* Also when that one came to its end: who says --resume may not know, and is to have the outputs
 * without a row being decided twice. */
static enum result resume(struct screen *screen, const struct listed_screening *found,
                          struct error *err)
{
    char at[CLOCK_TEXT];
    clock_format_seconds(found->at, at);
    str_copy(screen->id, sizeof(screen->id), found->id);
    screen->began_at = found->at;
    screen->ended = found->ended;
    screen->ended_with = found->passed;
    if (found->ended)
        fprintf(stderr,
                "octroi: screening %s of this list, begun at %s, came to its end: the rows are "
                "written anew as they were decided then, save who may no longer be handed over\n",
                found->id, at);
    else
        fprintf(stderr,
                "octroi: going on with screening %s, begun at %s: %" PRIu64 " row%s %s decided\n",
                found->id, at, found->decisions, plural(found->decisions),
                found->decisions == 1 ? "is" : "are");
    return journal_index_decisions(screen->context->index, found->id, &screen->earlier, err);
}

static enum result begin_resuming(struct screen *screen, const struct listed_screening *found,
                                  struct error *err)
{
    char at[CLOCK_TEXT];
    bool late = found != NULL && clock_now() - found->at > RESUME_WITHIN;
    if (found != NULL && !late)
        return resume(screen, found, err);
    if (found != NULL && !found->ended) {
        clock_format_seconds(found->at, at);
        return error_set(err, RESULT_CONFLICT,
                         "screening %s of this list was begun at %s, more than a day ago: what "
                         "was decided then is too old to go on with. Screen the list afresh, "
                         "without --resume",
                         found->id, at);
    }
    fputs("octroi: no screening of this list was interrupted: it is screened from its first row\n",
          stderr);
    return record_begin(screen, err);
}

static enum result begin(struct screen *screen, bool resuming, struct error *err)
{
    struct listed_screening found;
    char at[CLOCK_TEXT];
    enum result result = catch_up(screen, err);
    if (result != RESULT_OK)
        return result;
    result = journal_index_screening(screen->context->index, screen->list.sha256,
                                     screen->partner->id, screen->channel, &found, err);
    if (result != RESULT_OK && result != RESULT_NOT_FOUND)
        return result;
    if (resuming)
        return begin_resuming(screen, result == RESULT_OK ? &found : NULL, err);
    if (result == RESULT_OK && !found.ended) {
        clock_format_seconds(found.at, at);
        fprintf(stderr,
                "octroi: screening %s of this list, begun at %s, did not end (%" PRIu64
                " row%s decided). --resume goes on with it; this is a new one\n",
                found.id, at, found.decisions, plural(found.decisions));
    }
    return record_begin(screen, err);
}

/* ---- what it came to ---- */

static void print_totals(const struct screen *screen)
{
    uint64_t blocked = screen->rows - screen->passes;
    fprintf(stderr,
            "%s: %" PRIu64 " row%s for %s by %s: %" PRIu64 " permitted, %" PRIu64 " blocked\n",
            screen->name, screen->rows, plural(screen->rows), screen->partner->id,
            channel_name(screen->channel), screen->passes, blocked);
    for (int i = 0; i < REASON_COUNT; i++)
        if (screen->blocks[i] > 0)
            fprintf(stderr, "%10" PRIu64 "  %-20s %s\n", screen->blocks[i],
                    reason_name((enum reason)i),
                    i == REASON_MALFORMED ? "The row could not be read; it is named above."
                                          : reason_text((enum reason)i));
    if (screen->corrected > 0)
        fprintf(stderr,
                "  %" PRIu64 " row%s permitted when first screened and %s not any more: whoever "
                "has the rows of then is to take %s out\n",
                screen->corrected, screen->corrected == 1 ? " was" : "s were",
                screen->corrected == 1 ? "is" : "are", screen->corrected == 1 ? "it" : "them");
    if (!screen->keeps_blocked && blocked > 0)
        fputs("  the blocked rows were not kept (--blocked FILE keeps them, with the reasons)\n",
              stderr);
    fprintf(stderr, "  list       SHA-256 %s\n  screening  %s\n", screen->list.hex, screen->id);
}

static void write_summary(struct screen *screen)
{
    struct strbuf json = {0};
    char at[CLOCK_TEXT];
    strbuf_add_char(&json, '{');
    strbuf_add_json_field(&json, "screening", screen->id);
    strbuf_add_json_field(&json, "list", screen->list.hex);
    strbuf_add_json_field(&json, "partner", screen->partner->id);
    strbuf_add_json_field(&json, "channel", channel_name(screen->channel));
    strbuf_add_json_field(&json, "purpose", purpose_name(PURPOSE_TRANSMISSION));
    strbuf_add_json_field(&json, "policy", screen->policy->version);
    clock_format(screen->began_at, at);
    strbuf_add_json_field(&json, "began_at", at);
    clock_format(clock_now(), at);
    strbuf_add_json_field(&json, "ended_at", at);
    strbuf_add_json_number(&json, "rows", (int64_t)screen->rows);
    strbuf_add_json_number(&json, "resumed", (int64_t)screen->resumed);
    strbuf_add_json_number(&json, "corrected", (int64_t)screen->corrected);
    strbuf_add_json_number(&json, "permitted", (int64_t)screen->passes);
    strbuf_add_json_number(&json, "blocked", (int64_t)(screen->rows - screen->passes));
    strbuf_add_json_number(&json, "unreadable", (int64_t)screen->blocks[REASON_MALFORMED]);
    strbuf_add_str(&json, ",\"reasons\":{");
    for (int i = 0; i < REASON_COUNT; i++)
        if (screen->blocks[i] > 0)
            strbuf_add_json_number(&json, reason_name((enum reason)i), (int64_t)screen->blocks[i]);
    strbuf_add_str(&json, "}}\n");
    if (json.failed || fwrite(json.data, 1, json.length, screen->summary.stream) != json.length)
        command_warn("the summary could not be written");
    strbuf_free(&json);
}

/* The outputs are in their place before the journal says that the list was screened: whoever finds
 * no end there finds all that is needed to write them anew. */
static enum result finish(struct screen *screen, struct error *err)
{
    enum result result = outfile_end(&screen->passed, err);
    if (result == RESULT_OK)
        result = outfile_end(&screen->blocked, err);
    if (result == RESULT_OK && (!screen->ended || screen->passes != screen->ended_with))
        result = record_end(screen, err);
    if (result == RESULT_OK && screen->summary.stream != NULL) {
        write_summary(screen);
        result = outfile_end(&screen->summary, err);
    }
    return result;
}

/* ---- the command ---- */

static void show_hashing(void *arg, uint64_t done, uint64_t total)
{
    progress_show(arg, done, total, done / 1024);
}

static enum result open_list(struct screen *screen, FILE *input,
                             const struct screen_options *options, char separator,
                             struct error *err)
{
    const struct layout_question question = {.channel = screen->channel,
                                             .region = screen->context->config->region,
                                             .header = screen->header,
                                             .column = options->column,
                                             .separator = separator};
    progress_start(&screen->progress, "reading the list", "KiB");
    enum result result =
        list_open(&screen->list, input, screen->name, screen->context->config->state_dir,
                  show_hashing, &screen->progress, err);
    progress_clear(&screen->progress);
    if (result == RESULT_OK) {
        result = list_layout(&screen->list, &question, err);
        if (result == RESULT_BAD_INPUT)
            error_prefix(err, "%s", screen->name);
    }
    return result;
}

static enum result open_link(struct screen *screen, struct error *err)
{
    struct strbuf claim = {0};
    strbuf_add_format(&claim, "screening %s %s %s", screen->list.hex, screen->partner->id,
                      channel_name(screen->channel));
    enum result result = claim.failed
                             ? error_no_memory(err)
                             : journal_link_open(screen->context, claim.data, &screen->link, err);
    strbuf_free(&claim);
    return result;
}

static enum result screen_all(struct screen *screen, FILE *input,
                              const struct screen_options *options, char separator,
                              struct error *err)
{
    enum result result = open_list(screen, input, options, separator, err);
    if (result == RESULT_OK)
        result = registry_open_reader(screen->context->registry_path, &screen->registry, err);
    if (result == RESULT_OK)
        result = open_link(screen, err);
    if (result == RESULT_OK)
        result = begin(screen, options->resume, err);
    if (result != RESULT_OK)
        return result;
    progress_start(&screen->progress, "screening", "rows");
    /* A bar amid the rows themselves helps nobody. */
    if (screen->passed.stream == stdout && isatty(STDOUT_FILENO) == 1)
        screen->progress.terminal = false;
    screen->ahead = read_ahead_begin(screen->context->registry_path, screen->list.size / ROW_BYTES);
    result = screen_run(screen, err);
    progress_clear(&screen->progress);
    if (result != RESULT_OK) {
        error_suffix(err,
                     ". %" PRIu64 " row%s in the journal and written; run it again with "
                     "--resume",
                     screen->rows, screen->rows == 1 ? " is" : "s are");
        return result;
    }
    return finish(screen, err);
}

static int run(struct screen *screen, FILE *input, const struct screen_options *options,
               char separator)
{
    struct error err = {0};
    screen->partner = config_partner(screen->context->config, options->partner);
    screen->policy = &screen->context->config->policies[screen->channel];
    if (screen->partner == NULL)
        return command_failed_text("the configuration knows no partner '%s'", options->partner);
    if (screen->policy->version[0] == '\0')
        return command_failed_text("out of memory");
    screen->keeps_blocked = options->blocked != NULL;
    enum result result = screen_all(screen, input, options, separator, &err);
    if (result != RESULT_OK)
        return command_failed(&err);
    print_totals(screen);
    return screen->blocks[REASON_MALFORMED] == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* With the rights of who typed the command; what follows may be another user's. */
static bool open_files(struct screen *screen, const struct screen_options *options)
{
    bool files = options->output != NULL || options->blocked != NULL || options->summary != NULL;
    return outfile_open(&screen->passed, options->output) &&
           (options->blocked == NULL || outfile_open(&screen->blocked, options->blocked)) &&
           (options->summary == NULL || outfile_open(&screen->summary, options->summary)) &&
           (!files || outfile_keep_rights());
}

static int read_options(const struct invocation *invocation, int argc, char **argv,
                        struct screen_options *options, struct screen *screen, char *separator)
{
    char **operands;
    const struct option_spec specs[] = {{"partner", OPTION_TEXT, &options->partner},
                                        {"channel", OPTION_TEXT, &options->channel},
                                        {"column", OPTION_TEXT, &options->column},
                                        {"separator", OPTION_TEXT, &options->separator},
                                        {"no-header", OPTION_FLAG, &options->no_header},
                                        {"output", OPTION_TEXT, &options->output},
                                        {"blocked", OPTION_TEXT, &options->blocked},
                                        {"summary", OPTION_TEXT, &options->summary},
                                        {"resume", OPTION_FLAG, &options->resume},
                                        {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (options->partner == NULL || options->channel == NULL)
        return command_usage(invocation, "--%s is missing",
                             options->partner == NULL ? "partner" : "channel");
    if (!option_channel(invocation, options->channel, &screen->channel))
        return EXIT_USAGE;
    if (options->separator != NULL && !layout_separator(options->separator, separator))
        return command_usage(invocation, "--separator is \",\", \";\" or tab");
    options->path = operands[0];
    screen->header = !options->no_header;
    screen->name = input_name(options->path);
    return OPTIONS_GO;
}

int cli_screen(const struct invocation *invocation, int argc, char **argv)
{
    struct screen_options options = {0};
    struct screen screen = {.list = {.fd = -1}};
    struct context context;
    char separator = '\0';
    int code = read_options(invocation, argc, argv, &options, &screen, &separator);
    if (code != OPTIONS_GO)
        return code;
    FILE *input = input_open(options.path);
    if (input == NULL)
        return EXIT_FAILED;
    signal(SIGPIPE, SIG_IGN); /* who reads the rows may go: that is said, and can be resumed */
    code = EXIT_FAILED;
    if (open_files(&screen, &options) &&
        context_open(invocation,
                     CONTEXT_REGISTRY | CONTEXT_RECIPIENT_KEY | CONTEXT_INDEX | CONTEXT_STRICT,
                     &context)) {
        registry_close(&context.registry); /* a reader does, now that its layout is today's */
        screen.context = &context;
        code = run(&screen, input, &options, separator);
        screen_release(&screen);
        context_close(&context);
    } else {
        screen_release(&screen);
    }
    outfile_let_rights_go();
    input_close(&input);
    return code;
}
