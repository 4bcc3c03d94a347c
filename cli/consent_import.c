/* SPDX-License-Identifier: Apache-2.0 */
/* `octroi consent import`: a file of consent events in, every refused line named, none skipped. */
#include "base/clock.h"
#include "cli/context.h"
#include "cli/import_report.h"
#include "cli/options.h"
#include "store/state_lock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Large enough for whole transactions, small enough that a bar moves. */
#define CHUNK (1024 * 1024)

struct choices {
    bool dry_run, resume;
    const char *input;
    const char *rejects, *summary;
    bool with_lines;
    /* For Twilio's shape. */
    const char *form, *evidence, *supplier, *occurred_at;
    struct option_words partners, channels;
    char *form_id; /* owned */
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    return length >= strlen(end) && ascii_equal(text + length - strlen(end), end);
}

/* ---- reading ---- */

static enum result feed_all(struct import_report *report, struct import *import, FILE *input,
                            struct error *err)
{
    struct stat st;
    bool regular = fstat(fileno(input), &st) == 0 && S_ISREG(st.st_mode);
    uint64_t total = regular ? (uint64_t)st.st_size : 0;
    uint64_t done = 0;
    uint64_t before = import_lines_before(import);
    char *chunk = malloc(CHUNK);
    if (chunk == NULL)
        return error_no_memory(err);
    enum result result = RESULT_OK;
    size_t got;
    while (result == RESULT_OK && (got = fread(chunk, 1, CHUNK, input)) > 0) {
        result = import_feed(import, chunk, got, err);
        done += got;
        uint64_t lines = import_counts(import)->lines;
        if (lines == before)
            progress_resume(&report->progress, done, lines);
        progress_show(&report->progress, done, total, lines);
    }
    if (result == RESULT_OK && ferror(input))
        result = error_errno(err, RESULT_SYSTEM, errno, "cannot read it");
    wipe(chunk, CHUNK);
    free(chunk);
    return result == RESULT_OK ? import_finish(import, err) : result;
}

/* Goes on with an interrupted import, or says that one could be. */
static enum result take_up(struct import_report *report, struct import *import,
                           const struct import_settings *settings, bool resume, struct error *err)
{
    bool found = false;
    uint64_t line = 0;
    if (!settings->resumable)
        return RESULT_OK;
    enum result result = import_unfinished(import, &found, &line, err);
    if (result == RESULT_OK && resume)
        result = import_resume(import, err);
    if (result == RESULT_OK && resume)
        fprintf(stderr, "%s: going on with line %" PRIu64 "\n", report->name, line);
    else if (result == RESULT_OK && found && !settings->dry_run)
        fprintf(stderr,
                "%s: an import of a file of this name was interrupted before line %" PRIu64
                "; --resume would go on there. This one starts from the beginning.\n",
                report->name, line);
    return result;
}

static int run(struct import_report *report, const struct import_settings *settings, FILE *input,
               bool resume)
{
    struct error err = {0};
    struct import *import = import_new(settings);
    if (import == NULL)
        return command_failed_text("out of memory");
    enum result result = take_up(report, import, settings, resume, &err);
    if (result == RESULT_OK && !settings->dry_run && state_lock_held(settings->state_dir))
        fprintf(stderr,
                "%s: a gateway is serving; the import goes in small steps, so that mail "
                "does not wait\n",
                report->name);
    progress_start(&report->progress, settings->dry_run ? "checking" : "importing", "lines");
    if (result == RESULT_OK)
        result = feed_all(report, import, input, &err);
    progress_clear(&report->progress);
    if (result != RESULT_OK)
        fprintf(stderr, result == RESULT_BAD_INPUT ? "%s:%s\n" : "%s: %s\n", report->name,
                err.text);
    bool good = result == RESULT_OK && import_counts(import)->refused == 0;
    bool written = import_report_end(report, import, settings->dry_run, result == RESULT_OK);
    import_free(&import);
    return good && written ? EXIT_DONE : EXIT_FAILED;
}

/* ---- what was asked for ---- */

static bool stop_row(void *arg, const struct form_row *row)
{
    (void)arg;
    (void)row;
    return false;
}

/* A typing mistake here would be refused once for each line, or leave people written to. */
static bool names_known(struct context *context, const struct import_settings *settings)
{
    struct error err = {0};
    for (size_t i = 0; i < settings->n_partners; i++)
        if (config_partner(context->config, settings->partners[i]) == NULL) {
            command_failed_text("the configuration knows no partner '%s'; nothing was imported",
                                settings->partners[i]);
            return false;
        }
    if (settings->form_id == NULL ||
        registry_forms(context->registry, settings->form_id, settings->form_version, stop_row, NULL,
                       &err) == RESULT_OK)
        return true;
    command_failed(&err);
    return false;
}

static int import_from(const struct invocation *invocation, struct import_report *report,
                       const struct import_settings *chosen, FILE *input, const char *path,
                       bool resume)
{
    struct context context;
    struct import_settings settings = *chosen;
    struct strbuf origin = {0};
    if (!context_open(invocation, CONTEXT_REGISTRY | CONTEXT_RECIPIENT_KEY, &context))
        return EXIT_FAILED;
    strbuf_add_str(&origin, "import ");
    text_hide_addresses(base_name(report->name), context.config->region, &origin);
    settings.registry = context.registry;
    settings.hmac = context.hmac;
    settings.region = context.config->region;
    settings.state_dir = context.config->state_dir;
    settings.origin = origin.data;
    settings.json_name =
        ends_with(path, ".json") || ends_with(path, ".jsonl") || ends_with(path, ".ndjson");
    settings.on_problem = import_report_problem;
    settings.arg = report;
    int code = EXIT_FAILED;
    if (origin.failed)
        command_failed_text("out of memory");
    else if (names_known(&context, &settings))
        code = run(report, &settings, input, resume);
    strbuf_free(&origin);
    context_close(&context);
    return code;
}

/* What only Twilio's shape needs makes the input one. */
static bool take_input(const struct invocation *invocation, const struct choices *choices,
                       struct import_settings *settings)
{
    bool twilio = choices->form != NULL || choices->evidence != NULL || choices->supplier != NULL ||
                  choices->occurred_at != NULL || choices->partners.count > 0 ||
                  choices->channels.count > 0;
    if (choices->input != NULL && !import_input_parse(choices->input, &settings->input)) {
        command_usage(invocation, "--input is csv, jsonl or twilio, not '%s'", choices->input);
        return false;
    }
    if (twilio && settings->input != IMPORT_DETECT && settings->input != IMPORT_TWILIO) {
        command_usage(invocation, "--form, --evidence, --partner, --channel, --supplier and "
                                  "--occurred-at are for --input twilio: other files say it "
                                  "themselves");
        return false;
    }
    if ((choices->form == NULL) != (choices->evidence == NULL)) {
        command_usage(invocation, "--form and --evidence go together: neither proves a consent "
                                  "without the other");
        return false;
    }
    if (twilio)
        settings->input = IMPORT_TWILIO;
    return true;
}

static bool take_choices(const struct invocation *invocation, struct choices *choices,
                         const char *path, FILE *input, struct import_settings *settings)
{
    struct stat st;
    bool regular = strcmp(path, "-") != 0 && fstat(fileno(input), &st) == 0 && S_ISREG(st.st_mode);
    *settings = (struct import_settings){
        .dry_run = choices->dry_run,
        .resumable = regular,
        .keep_texts = choices->with_lines,
        .evidence = choices->evidence != NULL ? choices->evidence : "",
        .supplier = choices->supplier != NULL ? choices->supplier : "twilio",
        .partners = choices->partners.values,
        .n_partners = choices->partners.count,
        .stopped_at = regular ? (int64_t)st.st_mtim.tv_sec * CLOCK_SECOND : clock_now(),
    };
    if (choices->resume && !regular) {
        command_usage(invocation, "--resume needs a file that can be read again");
        return false;
    }
    if (choices->resume && choices->dry_run) {
        command_usage(invocation, "--dry-run keeps nothing that --resume could go on with");
        return false;
    }
    if (choices->with_lines && choices->rejects == NULL) {
        command_usage(invocation, "--rejects-with-lines is for --rejects FILE.csv");
        return false;
    }
    bool read =
        take_input(invocation, choices, settings) &&
        option_form(invocation, choices->form, &choices->form_id, &settings->form_version) &&
        option_channels(invocation, &choices->channels, &settings->channels) &&
        option_instant(invocation, "occurred-at", choices->occurred_at, &settings->given_at);
    settings->form_id = choices->form_id;
    /* Never back: a date made up for an opt-out would let an older grant win. */
    if (settings->given_at > settings->stopped_at)
        settings->stopped_at = settings->given_at;
    return read;
}

static int import_file(const struct invocation *invocation, struct choices *choices,
                       const char *path)
{
    struct import_settings settings;
    FILE *input = input_open(path);
    if (input == NULL)
        return EXIT_FAILED;
    struct import_report report = {.name = input_name(path),
                                   .rejects_path = choices->rejects,
                                   .with_lines = choices->with_lines,
                                   .summary_path = choices->summary};
    int code = EXIT_USAGE;
    if (take_choices(invocation, choices, path, input, &settings))
        code = import_report_open(&report, input, choices->resume)
                   ? import_from(invocation, &report, &settings, input, path, choices->resume)
                   : EXIT_FAILED;
    import_report_close(&report);
    input_close(&input);
    return code;
}

int cli_consent_import(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    struct choices choices = {0};
    const struct option_spec specs[] = {{"dry-run", OPTION_FLAG, &choices.dry_run},
                                        {"input", OPTION_TEXT, &choices.input},
                                        {"resume", OPTION_FLAG, &choices.resume},
                                        {"rejects", OPTION_TEXT, &choices.rejects},
                                        {"rejects-with-lines", OPTION_FLAG, &choices.with_lines},
                                        {"summary", OPTION_TEXT, &choices.summary},
                                        {"form", OPTION_TEXT, &choices.form},
                                        {"evidence", OPTION_TEXT, &choices.evidence},
                                        {"partner", OPTION_WORDS, &choices.partners},
                                        {"channel", OPTION_WORDS, &choices.channels},
                                        {"supplier", OPTION_TEXT, &choices.supplier},
                                        {"occurred-at", OPTION_TEXT, &choices.occurred_at},
                                        {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    code = import_file(invocation, &choices, operands[0]);
    option_words_free(&choices.partners);
    option_words_free(&choices.channels);
    free(choices.form_id);
    return code;
}
