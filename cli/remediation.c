/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/remediation.h"

#include "cli/options.h"
#include "cli/progress.h"
#include "store/registry_walk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LISTS_MAX 100

/* A list named on the command line, opened with the rights of whoever typed it. */
struct input {
    const char *name;
    FILE *file;
    char prefix[300]; /* "leads.csv/" */
};

struct walk {
    struct remediation *remediation;
    struct progress progress;
    uint64_t events; /* of the registry: more than persons, so that the bar never runs over */
    enum result result;
    struct error *err;
};

static bool on_person(void *arg, const uint8_t key[RECIPIENT_KEY_BYTES])
{
    struct walk *walk = arg;
    const struct person person = {.key = key};
    walk->result = remediation_person(walk->remediation, &person, walk->err);
    progress_show(&walk->progress, walk->remediation->persons, walk->events,
                  walk->remediation->persons);
    return walk->result == RESULT_OK;
}

static enum result walk_registry(struct remediation *remediation, struct error *err)
{
    struct registry *registry = remediation->context->registry;
    struct registry_counts counts;
    struct error end = {0};
    struct walk walk = {.remediation = remediation, .err = err};
    enum result result = registry_counts(registry, &counts, err);
    if (result == RESULT_OK)
        result = remediation_begin(remediation, err);
    if (result != RESULT_OK)
        return result;
    walk.events = counts.events;
    progress_start(&walk.progress, "looking at", "persons");
    result = registry_walk_persons(registry, on_person, &walk, err);
    progress_clear(&walk.progress);
    if (result == RESULT_OK)
        result = walk.result;
    enum result ended = remediation_end(remediation, &end);
    if (result == RESULT_OK && ended != RESULT_OK)
        return error_set(err, ended, "%s", end.text);
    return result;
}

/* Each list has a folder of its own, by its file's name. */
static enum result read_lists(struct remediation *remediation, struct input *inputs, size_t n,
                              struct error *err)
{
    enum result result = RESULT_OK;
    for (size_t i = 0; i < n && result == RESULT_OK; i++) {
        char folder[300];
        const char *slash = strrchr(inputs[i].name, '/');
        const char *base = slash != NULL ? slash + 1 : inputs[i].name;
        if (strcmp(base, "-") == 0)
            base = "standard-input";
        if (!str_copy(folder, sizeof(folder) - 1, base))
            return error_set(err, RESULT_BAD_INPUT, "%s: the name is too long", inputs[i].name);
        for (size_t j = 0; j < i; j++)
            if (strncmp(inputs[j].prefix, folder, strlen(folder)) == 0 &&
                inputs[j].prefix[strlen(folder)] == '/')
                return error_set(err, RESULT_BAD_INPUT, "two lists are named %s", folder);
        snprintf(inputs[i].prefix, sizeof(inputs[i].prefix), "%.298s/", folder);
        remediation->prefix = inputs[i].prefix;
        result = folder_add_folder(remediation->folder, folder, err);
        if (result == RESULT_OK)
            result = remediation_list(remediation, inputs[i].file, input_name(inputs[i].name), err);
    }
    return result;
}

static uint64_t listed(const struct remediation *remediation, enum remedy remedy)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < tally_count(remediation->counts[remedy]); i++)
        sum += tally_row(remediation->counts[remedy], i)->counts.decisions;
    return sum;
}

static enum result make_lists(struct remediation *remediation, struct input *inputs, size_t n,
                              struct error *err)
{
    static const enum tally_by by[] = {TALLY_PARTNER, TALLY_FORM, TALLY_SUPPLIER, TALLY_REASON};
    enum result result = journal_index_catch_up(remediation->context->index, 0, NULL, err);
    for (size_t i = 0; i < REMEDY_COUNT && result == RESULT_OK; i++) {
        remediation->counts[i] = tally_new(by, sizeof(by) / sizeof(by[0]));
        if (remediation->counts[i] == NULL)
            result = error_no_memory(err);
    }
    if (result == RESULT_OK)
        result = n > 0 ? read_lists(remediation, inputs, n, err) : walk_registry(remediation, err);
    if (result == RESULT_OK)
        result = remediation_summary(remediation, err);
    if (result == RESULT_OK)
        printf("%" PRIu64 " person%s looked at: %" PRIu64 " row%s to ask again, %" PRIu64
               " to delete, %" PRIu64 " to tell partners\n",
               remediation->persons, plural(remediation->persons), listed(remediation, REMEDY_ASK),
               plural(listed(remediation, REMEDY_ASK)), listed(remediation, REMEDY_DELETE),
               listed(remediation, REMEDY_TELL));
    if (result == RESULT_OK && remediation->unjudged > 0)
        printf("%" PRIu64 " of them %s not judged: no partner sends on a channel that fits the "
               "address\n",
               remediation->unjudged, remediation->unjudged == 1 ? "was" : "were");
    for (size_t i = 0; i < REMEDY_COUNT; i++)
        if (remediation->counts[i] != NULL)
            tally_free(&remediation->counts[i]);
    return result;
}

static int run(const struct invocation *invocation, struct remediation *remediation,
               const char *partner, struct input *inputs, size_t n)
{
    struct context context;
    struct error err = {0};
    unsigned needs =
        CONTEXT_REGISTRY | CONTEXT_INDEX | CONTEXT_STRICT | (n > 0 ? CONTEXT_RECIPIENT_KEY : 0);
    if (!context_open(invocation, needs, &context))
        return EXIT_FAILED;
    remediation->context = &context;
    enum result result = RESULT_OK;
    if (partner != NULL) {
        remediation->only = config_partner(context.config, partner);
        if (remediation->only == NULL)
            result = error_set(&err, RESULT_NOT_FOUND, "there is no partner %s", partner);
    }
    if (result == RESULT_OK)
        result = make_lists(remediation, inputs, n, &err);
    context_close(&context);
    remediation->context = NULL;
    remediation->only = NULL;
    remediation->prefix = "";
    if (result != RESULT_OK)
        return command_failed(&err);
    return remediation->refused > 0 ? EXIT_FAILED : EXIT_DONE;
}

static int prepare(const struct invocation *invocation, struct remediation *remediation,
                   const char *path, const char *partner, const struct option_words *lists)
{
    struct input inputs[LISTS_MAX] = {0};
    struct folder folder = {.fd = -1};
    struct config *config = NULL;
    struct error err = {0};
    int code = EXIT_FAILED;
    size_t n = 0;
    if (lists->count > LISTS_MAX)
        return command_usage(invocation, "more than %d lists", LISTS_MAX);
    if (!context_load_config(invocation->config_file, &config))
        return EXIT_FAILED;
    for (; n < lists->count; n++) {
        inputs[n].name = lists->values[n];
        inputs[n].file = input_open(lists->values[n]);
        if (inputs[n].file == NULL)
            break;
    }
    if (n < lists->count)
        ; /* input_open said why */
    else if (folder_make(path, config->state_dir, &folder, &err) != RESULT_OK)
        command_failed(&err);
    else {
        remediation->folder = &folder;
        code = run(invocation, remediation, partner, inputs, n);
        remediation->folder = NULL;
    }
    for (size_t i = 0; i < n; i++)
        input_close(&inputs[i].file);
    folder_close(&folder);
    config_unref(&config);
    return code;
}

int cli_remediation(const struct invocation *invocation, int argc, char **argv)
{
    const char *partner = NULL;
    const char *lang = NULL;
    struct option_words lists = {0};
    struct remediation remediation = {.language = language_of_environment(), .prefix = ""};
    char **operands;
    const struct option_spec specs[] = {{"list", OPTION_WORDS, &lists},
                                        {"partner", OPTION_TEXT, &partner},
                                        {"lang", OPTION_TEXT, &lang},
                                        {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    remediation.now = clock_now();
    if (option_language(invocation, lang, &remediation.language))
        code = prepare(invocation, &remediation, operands[0], partner, &lists);
    else
        code = EXIT_USAGE;
    option_words_free(&lists);
    return code;
}
