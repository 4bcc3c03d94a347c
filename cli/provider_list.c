/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi provider list`: what the configuration says of each provider, and how it is: from the
 * running gateway over state_dir/control.sock, or, when none runs, what each was last seen to
 * offer.
 */
#include "adapters/adapter.h"
#include "cli/context.h"
#include "cli/options.h"
#include "proxy/control.h"

#include <jansson.h>
#include <string.h>

static const struct column columns[] = {{"provider", CELL_TEXT, false},
                                        {"adapter", CELL_TEXT, false},
                                        {"endpoint", CELL_TEXT, false},
                                        {"tls", CELL_TEXT, false},
                                        {"username", CELL_TEXT, true},
                                        {"breaker", CELL_TEXT, false},
                                        {"retry_at", CELL_TEXT, false},
                                        {"connections", CELL_NUMBER, false},
                                        {"limit", CELL_NUMBER, false},
                                        {"busy", CELL_NUMBER, true},
                                        {"accepted", CELL_NUMBER, true},
                                        {"refused", CELL_NUMBER, true},
                                        {"unknown", CELL_NUMBER, true},
                                        {"failed", CELL_NUMBER, true},
                                        {"capabilities", CELL_WORDS, false},
                                        {"last_error", CELL_TEXT, false},
                                        {0}};

static const char *tls_name(const struct provider_config *provider)
{
    static const char *const names[] = {"none", "optional", "required", "implicit"};
    return provider->host != NULL || provider->url != NULL ? names[provider->tls] : NULL;
}

/* What the gateway says of this provider; NULL when it does not run, or does not know it yet. */
static const json_t *find(const json_t *status, const char *name)
{
    const json_t *providers = json_object_get(status, "providers");
    for (size_t i = 0; i < json_array_size(providers); i++) {
        const json_t *provider = json_array_get(providers, i);
        const char *known = json_string_value(json_object_get(provider, "name"));
        if (known != NULL && strcmp(known, name) == 0)
            return provider;
    }
    return NULL;
}

static struct cell text_of(const json_t *provider, const char *key)
{
    return cell_text(json_string_value(json_object_get(provider, key)));
}

static struct cell number_of(const json_t *provider, const char *key)
{
    const json_t *number = json_object_get(provider, key);
    return json_is_integer(number) ? cell_number(json_integer_value(number)) : cell_none();
}

static void add_word(struct strbuf *words, const char *word)
{
    if (words->length > 0)
        strbuf_add_char(words, '|');
    strbuf_add_str(words, word);
}

static void list_capabilities(const struct config *config, const struct provider_config *provider,
                              const json_t *running, struct strbuf *words)
{
    if (running != NULL) {
        const json_t *list = json_object_get(running, "capabilities");
        for (size_t i = 0; i < json_array_size(list); i++)
            add_word(words, json_string_value(json_array_get(list, i)));
        return;
    }
    struct capabilities capabilities;
    provider_remembered(provider, config->state_dir, &capabilities);
    for (const struct capability_name *known = capability_names; known->name != NULL; known++)
        if ((capabilities.bits & known->bit) != 0)
            add_word(words, known->name);
}

static void print_provider(struct output *output, const struct config *config,
                           const struct provider_config *provider, const json_t *running)
{
    static const char *const counts[] = {"connections", "limit",   "busy",  "accepted",
                                         "refused",     "unknown", "failed"};
    struct strbuf endpoint = {0}, words = {0};
    if (provider->host != NULL)
        strbuf_add_format(&endpoint, strchr(provider->host, ':') != NULL ? "[%s]:%u" : "%s:%u",
                          provider->host, provider->port);
    else if (provider->adapter == ADAPTER_HTTP)
        strbuf_add_str(&endpoint, provider->url != NULL ? provider->url : provider->template_file);
    else
        strbuf_add_str(&endpoint, provider->directory);
    list_capabilities(config, provider, running, &words);
    struct cell cells[16] = {
        cell_text(provider->name),     cell_text(config_adapter_name(provider->adapter)),
        cell_text(endpoint.data),      cell_text(tls_name(provider)),
        cell_text(provider->username), text_of(running, "breaker"),
        text_of(running, "retry_at")};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        cells[7 + i] = number_of(running, counts[i]);
    if (running == NULL)
        cells[8] = cell_number(provider->connections);
    cells[14] = cell_text(words.data);
    cells[15] = text_of(running, "last_error");
    output_row(output, cells);
    strbuf_free(&endpoint);
    strbuf_free(&words);
}

static int print_list(const struct config *config, const json_t *status, enum output_format format)
{
    struct error err;
    struct output *output = output_new(stdout, format, columns);
    if (output == NULL)
        return command_failed_text("out of memory");
    for (size_t i = 0; i < config->n_providers; i++)
        print_provider(output, config, &config->providers[i],
                       find(status, config->providers[i].name));
    return output_end(&output, &err) == RESULT_OK ? EXIT_DONE : command_failed(&err);
}

static int list(const struct config *config, enum output_format format)
{
    struct strbuf answer = {0};
    struct error err;
    json_t *status = NULL;
    enum result result = control_call(config->state_dir, "{\"command\":\"status\"}", &answer, &err);
    if (result == RESULT_OK)
        status = json_loadb(answer.data, answer.length, 0, NULL);
    strbuf_free(&answer);
    if (result != RESULT_OK && result != RESULT_UNAVAILABLE)
        return command_failed(&err);
    if (result == RESULT_OK && !json_is_array(json_object_get(status, "providers"))) {
        json_decref(status);
        return command_failed_text("the gateway's answer is not to be understood");
    }
    if (result == RESULT_UNAVAILABLE && format == OUTPUT_TABLE)
        command_warn("%s; capabilities are those last seen", err.text);
    int code = print_list(config, status, format);
    json_decref(status);
    return code;
}

int cli_provider_list(const struct invocation *invocation, int argc, char **argv)
{
    enum output_format format = OUTPUT_TABLE;
    int code = options_read_format(invocation, argc, argv, &format);
    if (code != OPTIONS_GO)
        return code;
    struct context context;
    if (!context_open(invocation, CONTEXT_STRICT, &context))
        return EXIT_FAILED;
    code = list(context.config, format);
    context_close(&context);
    return code;
}
