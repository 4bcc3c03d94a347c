/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi form invalidate`: form versions, all versions of a form, all forms of a collector, and
 * all that a supplier brought count no more, for good. It deletes nothing; `--dry-run` only counts.
 */
#include "base/clock.h"
#include "cli/context.h"
#include "cli/options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct request {
    struct invalidation what;
    struct form_name *forms; /* owned */
    char **ids;              /* owned, and each: those of forms */
    const char *reason;
    bool dry_run;
};

/* "ID" is every version; an id may not hold an '@', so one there begins a version. */
static bool read_form(const struct invocation *invocation, const char *text, char **id,
                      int *version)
{
    if (strchr(text, '@') != NULL || *text == '\0')
        return option_form(invocation, text, id, version);
    *id = strdup(text);
    if (*id == NULL)
        command_failed_text("out of memory");
    return *id != NULL;
}

static int read_forms(const struct invocation *invocation, char **operands, struct request *request)
{
    size_t count = 0;
    while (operands[count] != NULL)
        count++;
    request->forms = calloc(count + 1, sizeof(*request->forms));
    request->ids = calloc(count + 1, sizeof(*request->ids));
    if (request->forms == NULL || request->ids == NULL)
        return command_failed_text("out of memory");
    for (size_t i = 0; i < count; i++) {
        if (!read_form(invocation, operands[i], &request->ids[i], &request->forms[i].version))
            return EXIT_USAGE;
        request->forms[i].id = request->ids[i];
    }
    request->what.forms = request->forms;
    request->what.n_forms = count;
    return EXIT_DONE;
}

static void request_free(struct request *request)
{
    for (char **id = request->ids; id != NULL && *id != NULL; id++)
        free(*id);
    free(request->ids);
    free(request->forms);
}

static bool print_row(void *arg, const struct invalidation_row *row)
{
    (void)arg;
    if (row->form_id != NULL)
        printf("form %s@%d", row->form_id, row->form_version);
    else
        printf("supplier %s", row->supplier);
    printf(": %" PRIu64 " grant%s of %" PRIu64 " person%s\n", row->grants, plural(row->grants),
           row->persons, plural(row->persons));
    return true;
}

static void print_totals(const struct request *request, const struct invalidation_totals *totals)
{
    printf("%s %" PRIu64 " grant%s of %" PRIu64 " person%s %s\n",
           request->dry_run ? "nothing changed, as asked; in all" : "in all", totals->grants,
           plural(totals->grants), totals->persons, plural(totals->persons),
           request->dry_run ? "would count no more, for good" : "count no more");
}

/* The stop first, and said so; then, in its own time, whom it concerns. */
static int invalidate(struct context *context, const struct request *request)
{
    const int64_t at = clock_now();
    struct invalidation_totals totals;
    struct error err = {0};
    if (registry_invalidate(context->registry, &request->what,
                            request->dry_run ? NULL : request->reason, at, &err) != RESULT_OK)
        return command_failed(&err);
    if (!request->dry_run) {
        puts("invalid, from the next verdict on; all events and their evidence are kept");
        fflush(stdout);
    }
    if (registry_count_invalidated(context->registry, &request->what, at, print_row, NULL, &totals,
                                   &err) != RESULT_OK) {
        if (!request->dry_run)
            error_prefix(&err, "it is done, but cannot be counted");
        return command_failed(&err);
    }
    print_totals(request, &totals);
    return EXIT_DONE;
}

int cli_form_invalidate(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    struct request request = {0};
    const struct option_spec specs[] = {{"reason", OPTION_TEXT, &request.reason},
                                        {"collector", OPTION_TEXT, &request.what.collector},
                                        {"supplier", OPTION_TEXT, &request.what.supplier},
                                        {"dry-run", OPTION_FLAG, &request.dry_run},
                                        {0}};
    int code = options_read(invocation, argc, argv, specs, 0, argc, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (*operands == NULL && request.what.collector == NULL && request.what.supplier == NULL)
        return command_usage(invocation, "a form, --collector or --supplier is missing");
    if (request.reason == NULL && !request.dry_run)
        return command_usage(invocation, "--reason is missing");
    code = read_forms(invocation, operands, &request);
    if (code == EXIT_DONE) {
        struct context context;
        code = EXIT_FAILED;
        if (context_open(invocation, CONTEXT_REGISTRY, &context)) {
            code = invalidate(&context, &request);
            context_close(&context);
        }
    }
    request_free(&request);
    return code;
}
