/* SPDX-License-Identifier: Apache-2.0 */
/* `octroi check-config`: everything that would keep `serve` or a reload from starting. */
#include "adapters/adapter.h"
#include "base/file.h"
#include "base/seal.h"
#include "cli/context.h"
#include "cli/options.h"

static void print_count(size_t count, const char *one, const char *many, const char *after)
{
    printf("%zu %s%s", count, count == 1 ? one : many, after);
}

/* What `init` made once and no gateway serves without. The configuration itself may be good before
 * they exist, which is when `init` loads it. */
static bool files_are_there(const struct config *config)
{
    const struct {
        const char *key;
        const char *path;
    } files[] = {{"state_dir", config->state_dir},
                 {"recipient_key_file", config->recipient_key_file},
                 {"journal_key_file", config->journal_key_file}};
    bool there = true;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (!file_exists(files[i].path)) {
            fprintf(stderr, "%s: %s: %s does not exist (octroi init makes a new gateway)\n",
                    config->file, files[i].key, files[i].path);
            there = false;
        }
    return there;
}

/* One that is there is good; one that is not may be missed. */
static bool seal_is_good(const struct config *config)
{
    struct seal *seal = NULL;
    struct error err;
    char key[256];
    enum result result = seal_load(config->seal_key_file, &seal, &err);
    seal_free(&seal);
    if (result == RESULT_OK ||
        (result == RESULT_NOT_FOUND && !config_needs_seal(config, key, sizeof(key))))
        return true;
    if (result == RESULT_NOT_FOUND)
        fprintf(stderr, "%s: seal_key_file: %s does not exist, and %s needs it (octroi key add)\n",
                config->file, config->seal_key_file, key);
    else
        fprintf(stderr, "%s: seal_key_file: %s\n", config->file, err.text);
    return false;
}

/* What only a provider's adapter understands, such as the template of one by HTTP. */
static bool providers_are_good(const struct config *config)
{
    bool good = true;
    for (size_t i = 0; i < config->n_providers; i++) {
        struct error err;
        if (provider_check(&config->providers[i], config->public_url, context_print_problem, NULL,
                           &err) != RESULT_OK) {
            command_failed(&err);
            good = false;
        }
    }
    return good;
}

/* Root can read everything; the gateway cannot. So root looks with the eyes of the state
 * directory's owner, as far as the file lets one find out who that is. */
static bool become_service_user(const char *file)
{
    struct config *config = NULL;
    struct error err;
    size_t mistakes;
    if (config_load_essentials(file, NULL, NULL, &config, &mistakes, &err) != RESULT_OK)
        return true; /* the mistakes are told by who loads it in earnest */
    bool become = !file_exists(config->state_dir) || context_become_owner(config->state_dir);
    config_unref(&config);
    return become;
}

int cli_check_config(const struct invocation *invocation, int argc, char **argv)
{
    const struct option_spec specs[] = {{0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, NULL);
    if (code != OPTIONS_GO)
        return code;
    struct config *config = NULL;
    if (!become_service_user(invocation->config_file) ||
        !context_load_config(invocation->config_file, &config))
        return EXIT_FAILED;
    bool there = files_are_there(config);
    there = seal_is_good(config) && there;
    if (!providers_are_good(config) || !there) {
        config_unref(&config);
        return EXIT_FAILED;
    }
    printf("%s is good (version %s): ", config->file, config->version);
    print_count(config->n_listeners, "listener", "listeners", ", ");
    print_count(config->n_providers, "provider", "providers", ", ");
    print_count(config->n_partners, "partner", "partners", ", ");
    print_count(config->n_streams, "stream", "streams", ", ");
    print_count(config->n_accounts, "account", "accounts", "\n");
    config_unref(&config);
    return EXIT_DONE;
}
