/* SPDX-License-Identifier: Apache-2.0 */
/* `octroi suspend` and `octroi resume`: the immediate stop, and its end. */
#include "base/clock.h"
#include "cli/context.h"
#include "cli/options.h"
#include "office/stops.h"

static int not_known(enum suspension_kind kind, const char *id)
{
    return kind == SUSPEND_PARTNER
               ? command_failed_text("the configuration knows no partner '%s'", id)
               : command_failed_text(
                     "the configuration knows no stream '%s' (written PARTNER/STREAM)", id);
}

static int change(struct context *context, enum suspension_kind kind, const char *id,
                  const char *reason, bool suspend)
{
    struct error err = {0};
    if (suspend && !stop_target_known(context->config, kind, id))
        return not_known(kind, id);
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
