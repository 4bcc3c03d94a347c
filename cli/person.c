/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi person`: what is held on one person, in short on the terminal, or all of it as an archive
 * for that person (`--export`).
 *
 * The archive is written by a child process. It becomes the service user, as every command does,
 * while who typed the command keeps the rights to put the file where it was asked for.
 */
#include "office/person.h"
#include "cli/context.h"
#include "cli/export_file.h"
#include "cli/options.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the overview ---- */

static const struct column columns[] = {
    {"partner", CELL_TEXT, false},       {"channel", CELL_TEXT, false},
    {"offers", CELL_TEXT, false},        {"reason", CELL_TEXT, false},
    {"event", CELL_NUMBER, false},       {"transmission", CELL_TEXT, false},
    {"decisions", CELL_NUMBER, false},   {"passed_on", CELL_NUMBER, false},
    {"last_decision", CELL_TEXT, false}, {0}};

struct counts {
    uint64_t decisions, passed;
    int64_t last_at;
};

static struct counts count(const struct person *person, const char *partner, const char *channel)
{
    struct counts counts = {0};
    for (size_t i = 0; i < person->n_sums; i++) {
        const struct person_sum *sum = &person->sums[i];
        if (strcmp(sum->partner, partner) != 0 || strcmp(sum->channel, channel) != 0)
            continue;
        counts.decisions += sum->count;
        counts.passed += person_sum_passed(sum) ? sum->count : 0;
        if (sum->last_at > counts.last_at)
            counts.last_at = sum->last_at;
    }
    return counts;
}

/* Answers come in pairs: receipt, then transmission, of one channel. */
static void print_pair(struct output *output, const struct person *person,
                       const struct person_answer *message, const struct person_answer *transfer)
{
    const struct judgement *judgement = &message->judgement;
    const char *channel = channel_name(message->channel);
    struct counts counts = count(person, message->partner->id, channel);
    char last[CLOCK_TEXT] = "";
    if (counts.decisions > 0)
        clock_format_seconds(counts.last_at, last);
    const struct cell cells[] = {
        cell_text(message->partner->id),
        cell_text(channel),
        cell_text(verdict_name(judgement->verdict)),
        cell_text(reason_name(judgement->reason)),
        judgement->event != 0 ? cell_number(judgement->event) : cell_none(),
        cell_text(verdict_name(transfer->judgement.verdict)),
        cell_number((int64_t)counts.decisions),
        cell_number((int64_t)counts.passed),
        cell_filled(last),
    };
    output_row(output, cells);
}

static void print_head(const struct person *person)
{
    printf("%s\n", person->recipient->masked);
    if (person_is_unknown(person)) {
        printf("Nothing is held on this person.\n");
        return;
    }
    size_t suppliers = 0;
    for (size_t i = 0; i < person->n_suppliers; i++)
        suppliers += person->suppliers[i].id[0] != '\0';
    printf("%zu event%s, %zu form version%s, %zu supplier%s, %" PRIu64 " decision%s; %zu partner%s "
           "of %zu concern%s this person.\n\n",
           person->history.n_events, plural(person->history.n_events), person->history.n_forms,
           plural(person->history.n_forms), suppliers, plural(suppliers), person->n_decisions,
           plural(person->n_decisions), person->n_partners, plural(person->n_partners),
           person->n_partners + person->n_others, person->n_partners == 1 ? "s" : "");
}

static int print_overview(const struct person *person, enum output_format format)
{
    struct error err = {0};
    if (format == OUTPUT_TABLE)
        print_head(person);
    if (format == OUTPUT_TABLE && person_is_unknown(person))
        return EXIT_DONE;
    struct output *output = output_new(stdout, format, columns);
    if (output == NULL)
        return command_failed_text("out of memory");
    for (size_t i = 0; i < person->n_partners; i++)
        for (size_t j = 0; j + 1 < person->partners[i].n_answers; j += PURPOSE_COUNT)
            print_pair(output, person, &person->partners[i].answers[j],
                       &person->partners[i].answers[j + 1]);
    return output_end(&output, &err) == RESULT_OK ? EXIT_DONE : command_failed(&err);
}

/* ---- what both share ---- */

struct person_options {
    const char *export, *lang, *format;
    bool force;
};

/* The moment the archive states, which is all in it that comes from the clock: builds that must be
 * repeatable give theirs in this variable (reproducible-builds.org), and so may who compares two
 * archives. */
static int64_t stated_moment(void)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    char *end;
    if (text == NULL || *text < '0' || *text > '9')
        return clock_now();
    errno = 0;
    long long seconds = strtoll(text, &end, 10);
    bool valid = errno == 0 && *end == '\0' && seconds < INT64_C(253402300800);
    return valid ? seconds * CLOCK_SECOND : clock_now();
}

/* fd -1: the overview. */
static int answer(const struct invocation *invocation, const char *operand, enum language language,
                  enum output_format format, int fd)
{
    struct context context;
    struct address address;
    struct recipient recipient;
    struct person person = {0};
    struct error err = {0};
    int code = EXIT_FAILED;
    if (!context_open(invocation,
                      CONTEXT_REGISTRY | CONTEXT_RECIPIENT_KEY | CONTEXT_INDEX | CONTEXT_STRICT,
                      &context))
        return EXIT_FAILED;
    if (context_recipient(&context, operand, &address, &recipient)) {
        const struct person_sources from = {context.config, context.registry, context.index};
        enum result result =
            person_read(&from, &address, &recipient, stated_moment(), &person, &err);
        person.language = language;
        if (result == RESULT_OK && fd >= 0) {
            result = person_write_archive(&person, fd, &err);
            code = result == RESULT_OK ? EXIT_DONE : EXIT_FAILED;
            if (result == RESULT_OK && context.config->controller_name[0] == '\0')
                fputs("warning: no controller is configured: the page does not say who answers for "
                      "the data\n",
                      stderr);
            if (result == RESULT_OK && person_is_unknown(&person))
                fprintf(stderr, "nothing is held on %s; the archive says so\n", recipient.masked);
        } else if (result == RESULT_OK) {
            code = print_overview(&person, format);
        }
        if (result != RESULT_OK)
            command_failed(&err);
        if (person.read)
            person_free(&person);
        wipe(address.text, sizeof(address.text));
    }
    context_close(&context);
    return code;
}

/* ---- the export ---- */

static int wait_for(pid_t child)
{
    int status = 0;
    pid_t got;
    do
        got = waitpid(child, &status, 0);
    while (got < 0 && errno == EINTR);
    if (got == child && WIFEXITED(status))
        return WEXITSTATUS(status);
    return command_failed_text("the archive was not finished: its process was ended by signal %d",
                               WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static int export_to(const struct invocation *invocation, const char *operand,
                     const struct person_options *options, enum language language)
{
    struct export_file *file = NULL;
    struct error err = {0};
    if (export_file_open(options->export, options->force, &file, &err) != RESULT_OK)
        return command_failed(&err);
    fflush(NULL);
    /* Ctrl-C reaches both: the child ends, and we clear away what it left. */
    void (*before)(int) = signal(SIGINT, SIG_IGN);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGINT, before);
        int code = answer(invocation, operand, language, OUTPUT_TABLE, export_file_fd(file));
        fflush(NULL);
        export_file_forget(&file);
        _exit(code);
    }
    int code = child > 0 ? wait_for(child)
                         : command_failed_text("cannot start a process: %s", strerror(errno));
    signal(SIGINT, before);
    if (code != EXIT_DONE) {
        export_file_abandon(&file);
        return code;
    }
    return export_file_keep(&file, &err) == RESULT_OK ? EXIT_DONE : command_failed(&err);
}

int cli_person(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    struct person_options options = {0};
    enum output_format format = OUTPUT_TABLE;
    enum language language = language_of_environment();
    const struct option_spec specs[] = {{"export", OPTION_TEXT, &options.export},
                                        {"lang", OPTION_TEXT, &options.lang},
                                        {"force", OPTION_FLAG, &options.force},
                                        {"format", OPTION_TEXT, &options.format},
                                        {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (options.export == NULL && (options.lang != NULL || options.force))
        return command_usage(invocation, "--lang and --force need --export");
    if (options.export != NULL && options.format != NULL)
        return command_usage(invocation, "--format does not go with --export");
    if (!option_language(invocation, options.lang, &language) ||
        !option_format(invocation, options.format, &format))
        return EXIT_USAGE;
    if (options.export == NULL)
        return answer(invocation, operands[0], language, format, -1);
    return export_to(invocation, operands[0], &options, language);
}
