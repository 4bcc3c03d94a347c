/* SPDX-License-Identifier: Apache-2.0 */
/* `octroi consent rebuild`: what is looked up before each message, derived anew from the events. */
#include "cli/context.h"
#include "cli/options.h"
#include "cli/progress.h"

#include <inttypes.h>

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    progress_show(arg, done, total, done);
}

static int rebuild(struct context *context)
{
    struct registry_report report;
    struct progress progress;
    struct error err = {0};
    progress_start(&progress, "rebuilding", "events");
    enum result result =
        registry_rebuild(context->registry, show_progress, &progress, &report, &err);
    progress_clear(&progress);
    if (result != RESULT_OK)
        return command_failed(&err);
    uint64_t live = report.events - report.erased;
    printf("%" PRIu64 " event%s: ", live, plural(live));
    if (report.missing + report.different + report.foreign == 0)
        printf("every standing was right\n");
    else
        printf("%" PRIu64 " standing%s missing, %" PRIu64 " different, %" PRIu64
               " without an event; all are right now\n",
               report.missing, plural(report.missing), report.different, report.foreign);
    return EXIT_DONE;
}

int cli_consent_rebuild(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    const struct option_spec specs[] = {{0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, &operands);
    if (code != OPTIONS_GO)
        return code;
    struct context context;
    if (!context_open(invocation, CONTEXT_REGISTRY, &context))
        return EXIT_FAILED;
    code = rebuild(&context);
    context_close(&context);
    return code;
}
