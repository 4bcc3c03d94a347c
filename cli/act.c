/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/act.h"

#include "base/clock.h"
#include "cli/options.h"
#include "office/access.h"

enum result act_open(const struct context *context, struct journal_link **link_out,
                     struct error *err)
{
    return journal_link_open(context, "act", link_out, err);
}

enum result act_note(struct journal_link *link, const struct context *context, const char *act,
                     const char *subject, const char *partner, struct error *err)
{
    struct strbuf line = {0};
    const char *gateway = context->config->hostname;
    struct access access = {
        .who = "command", .act = act, .partner = partner, .subject = subject, .answer = "done"};
    access_write(&line, &access, gateway != NULL ? gateway : "", clock_now());
    strbuf_add_char(&line, '\n');
    enum result result = line.failed ? error_no_memory(err) : RESULT_OK;
    if (result == RESULT_OK)
        result = journal_link_send(link, &line, 1, err);
    if (result == RESULT_OK)
        result = journal_link_flush(link, err);
    strbuf_free(&line);
    return result;
}

enum result act_note_once(const struct context *context, const char *act, const char *subject,
                          const char *partner, struct error *err)
{
    struct journal_link *link = NULL;
    enum result result = act_open(context, &link, err);
    if (result == RESULT_OK)
        result = act_note(link, context, act, subject, partner, err);
    journal_link_close(&link);
    return result;
}

int act_on_name(const struct invocation *invocation, int argc, char **argv, act_fn *act,
                const void *arg)
{
    char **operands;
    struct context context;
    const struct option_spec specs[] = {{0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (!context_open(invocation, CONTEXT_REGISTRY, &context))
        return EXIT_FAILED;
    code = act(&context, operands[0], arg);
    context_close(&context);
    return code;
}
