/* SPDX-License-Identifier: Apache-2.0 */
/* `octroi suspend` and `octroi resume`: the immediate stop, and its end. */
#include "base/clock.h"
#include "cli/context.h"
#include "cli/options.h"

#include <string.h>

/* Forms and suppliers are the registry's to know. A suspension of something that left the
 * configuration can still be ended. */
static bool target_known(const struct config *config, enum suspension_kind kind, const char *id)
{
    if (kind == SUSPEND_PARTNER && config_partner(config, id) == NULL) {
        command_failed_text("the configuration knows no partner '%s'", id);
        return false;
    }
    if (kind == SUSPEND_STREAM && !config_has_stream(config, id)) {
        command_failed_text("the configuration knows no stream '%s' (written PARTNER/STREAM)", id);
        return false;
    }
    return true;
}

static int change(struct context *context, enum suspension_kind kind, const char *id,
                  const char *reason, bool suspend)
{
    struct error err = {0};
    if (suspend && !target_known(context->config, kind, id))
        return EXIT_FAILED;
    enum result result =
        suspend ? registry_suspend(context->registry, kind, id, reason, clock_now(), &err)
                : registry_resume(context->registry, kind, id, reason, clock_now(), &err);
    if (result != RESULT_OK)
        return command_failed(&err);
    printf("%s %s is %s, from the next verdict on\n", suspension_kind_name(kind), id,
           suspend ? "suspended" : "no longer suspended");
    return EXIT_DONE;
}

static int suspend_or_resume(const struct invocation *invocation, int argc, char **argv,
                             bool suspend)
{
    char **operands;
    const char *reason = NULL;
    enum suspension_kind kind;
    const struct option_spec specs[] = {{"reason", OPTION_TEXT, &reason}, {0}};
    int code = options_read(invocation, argc, argv, specs, 2, 2, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (!suspension_kind_parse(operands[0], &kind))
        return command_usage(invocation, "'%s' is none of partner, stream, form, supplier",
                             operands[0]);
    if (*operands[1] == '\0')
        return command_usage(invocation, "the id is empty");
    if (reason == NULL)
        return command_usage(invocation, "--reason is missing");
    struct context context;
    if (!context_open(invocation, CONTEXT_REGISTRY, &context))
        return EXIT_FAILED;
    code = change(&context, kind, operands[1], reason, suspend);
    context_close(&context);
    return code;
}

int cli_suspend(const struct invocation *invocation, int argc, char **argv)
{
    return suspend_or_resume(invocation, argc, argv, true);
}

int cli_resume(const struct invocation *invocation, int argc, char **argv)
{
    return suspend_or_resume(invocation, argc, argv, false);
}
