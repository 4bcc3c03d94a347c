/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi provider test`: connects to one provider as the gateway would, from this process, and
 * prints each step as it ends. It needs no running gateway, sends no message and keeps nothing. The
 * provider's own deadlines end it.
 */
#include "adapters/adapter.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/options.h"

#include <signal.h>

static const struct column columns[] = {{"step", CELL_TEXT, false},
                                        {"ok", CELL_FLAG, false},
                                        {"took_ms", CELL_NUMBER, false},
                                        {"detail", CELL_TEXT, false},
                                        {0}};

struct run {
    struct loop *loop;
    struct output *output; /* NULL: a table, whose lines are not held back */
    bool works;
};

/* A person waits for it: each line is shown when its step has ended. */
static void print_line(const struct provider_finding *finding)
{
    struct strbuf plain = {0};
    output_add_plain(&plain, finding->detail);
    printf("%-10s %-7s %9.1f ms  %s\n", finding->step, finding->ok ? "ok" : "FAILED",
           (double)finding->took / 1000, plain.data != NULL ? plain.data : "");
    fflush(stdout);
    strbuf_free(&plain);
}

static void on_finding(void *arg, const struct provider_finding *finding)
{
    struct run *run = arg;
    if (finding->step == NULL) {
        run->works = finding->ok;
        if (finding->detail[0] != '\0')
            command_failed_text("%s", finding->detail);
        loop_stop(run->loop);
    } else if (run->output == NULL) {
        print_line(finding);
    } else {
        const struct cell cells[] = {cell_text(finding->step), cell_flag(finding->ok),
                                     cell_number(finding->took / 1000),
                                     cell_filled(finding->detail)};
        output_row(run->output, cells);
    }
}

static int test(const struct provider_config *config, struct config *owner, struct output *output)
{
    struct run run = {.output = output};
    struct provider *provider = NULL;
    struct error err;
    enum result result = loop_new(0, &run.loop, &err);
    if (result == RESULT_OK)
        result = provider_new_for_test(config, owner, run.loop, &provider, &err);
    if (result == RESULT_OK) {
        provider_test(provider, run.loop, on_finding, &run);
        loop_run(run.loop);
    }
    provider_unref(&provider);
    loop_free(&run.loop);
    if (result != RESULT_OK)
        return command_failed(&err);
    if (!run.works)
        return command_failed_text("provider %s does not work", config->name);
    if (output == NULL)
        printf("provider %s works\n", config->name);
    return EXIT_DONE;
}

static int test_named(struct config *config, const char *name, enum output_format format)
{
    struct error err;
    struct output *output = NULL;
    const struct provider_config *provider = config_provider(config, name);
    if (provider == NULL)
        return command_failed_text("%s has no provider '%s'; see octroi provider list",
                                   config->file, name);
    if (format != OUTPUT_TABLE) {
        output = output_new(stdout, format, columns);
        if (output == NULL)
            return command_failed_text("out of memory");
    }
    int code = test(provider, config, output);
    if (output != NULL && output_end(&output, &err) != RESULT_OK)
        code = command_failed(&err);
    return code;
}

int cli_provider_test(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    const char *format_text = NULL;
    enum output_format format = OUTPUT_TABLE;
    const struct option_spec specs[] = {{"format", OPTION_TEXT, &format_text}, {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (!option_format(invocation, format_text, &format))
        return EXIT_USAGE;
    struct context context;
    if (!context_open(invocation, CONTEXT_STRICT, &context))
        return EXIT_FAILED;
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR); /* what went wrong is in the findings */
    code = test_named(context.config, operands[0], format);
    context_close(&context);
    return code;
}
