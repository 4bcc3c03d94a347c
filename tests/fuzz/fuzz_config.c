/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration: either it is refused, and each finding is one line with its place, or the
 * snapshot holds what the rest of the gateway takes for granted. Reading it twice gives the same.
 */
#include "config/config.h"
#include "tests/fuzz/folder.h"

/* libconfig 1.5 leaks the text before some syntax errors; see config/tree_read.c. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig";
}

static void on_problem(void *arg, const char *file, int line, const char *message)
{
    unsigned *problems = arg;
    must(file != NULL && *file != '\0' && line >= 0);
    must(fuzz_one_line(message));
    (*problems)++;
}

static void check_accounts(const struct config *config)
{
    for (size_t i = 0; i < config->n_accounts; i++) {
        const struct account_config *account = &config->accounts[i];
        must(i == 0 || strcmp(config->accounts[i - 1].name, account->name) < 0);
        must(config_account(config, account->name) == account);
        /* Nobody is let in without a condition. */
        must(account->password != NULL || account->n_networks > 0 ||
             account->certificate_sha256 != NULL || account->application_key != NULL);
        must((account->application_key == NULL) == (account->application_secret == NULL));
        must((account->application_key == NULL) == (account->consumer_key == NULL));
        must(account->application_key == NULL ||
             config_account_by_application_key(config, account->application_key) == account);
        must(account->stream >= config->streams &&
             account->stream < config->streams + config->n_streams);
        for (size_t n = 0; n < account->n_networks; n++)
            must(account->networks[n].prefix <= 128);
    }
}

static void check_provider(const struct provider_config *provider)
{
    switch (provider->adapter) {
    case ADAPTER_CAPTURE:
        must(provider->directory != NULL);
        break;
    case ADAPTER_HTTP:
        must(provider->template_file != NULL);
        break;
    case ADAPTER_SMPP:
        must(provider->username != NULL && strlen(provider->username) <= 15);
        must(provider->password == NULL || strlen(provider->password) <= 8);
        must(strlen(provider->system_type) <= 12);
        must(provider->connections <= 64 && provider->window > 0);
        must(provider->host != NULL && provider->port > 0);
        must(provider->tls == TLS_NONE || provider->tls == TLS_IMPLICIT);
        break;
    default:
        must(provider->host != NULL && provider->port > 0);
    }
}

static void check_stream(const struct stream_config *stream, size_t index)
{
    must(stream->index == index && stream->n_providers > 0 && stream->terms.n_senders > 0);
    must(stream->smpp_refusal > 0 && stream->smpp_refusal <= 255 && stream->window > 0);
    for (size_t i = 0; i < stream->n_providers; i++) {
        enum adapter_kind adapter = stream->providers[i]->adapter;
        must(adapter == ADAPTER_CAPTURE ||
             (stream->terms.channel == CHANNEL_SMS) ==
                 (adapter == ADAPTER_SMPP || adapter == ADAPTER_HTTP));
    }
}

static void check_snapshot(const struct config *config)
{
    must(strlen(config->version) == 12 && strspn(config->version, "0123456789abcdef") == 12);
    must(config->threads > 0 && config->journal.segment_size > 0);
    must(config->journal.checkpoint_every > 0);
    for (size_t i = 0; i < config->n_listeners; i++) {
        const struct listener_config *listener = &config->listeners[i];
        must(listener->address_length > 0 && listener->max_recipients >= 100);
        must(listener->max_connections > 0 && listener->idle_timeout > 0);
        must((listener->tls == TLS_NONE) == (listener->certificate_file == NULL));
        must((listener->protocol == PROTOCOL_HTTP) == (listener->services != 0));
        must(listener->protocol == PROTOCOL_SMTP || listener->tls == TLS_NONE ||
             listener->tls == TLS_IMPLICIT);
    }
    for (size_t i = 0; i < config->n_providers; i++) {
        const struct provider_config *provider = &config->providers[i];
        must(strlen(provider->digest) == 64 && provider->connections > 0);
        check_provider(provider);
    }
    for (size_t i = 0; i < config->n_streams; i++)
        check_stream(&config->streams[i], i);
    for (size_t i = 0; i < config->n_partners; i++)
        must(config_partner(config, config->partners[i].id) == &config->partners[i]);
    check_accounts(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[600];
    char version[13] = "";
    enum result results[2];
    unsigned problems[2] = {0};
    snprintf(path, sizeof(path), "%s/octroi.conf", fuzz_folder());
    fuzz_write(path, data, size);
    for (int i = 0; i < 2; i++) {
        struct error err = {0};
        struct config *config = NULL;
        results[i] = config_load(path, on_problem, &problems[i], &config, &err);
        if (results[i] != RESULT_OK) {
            must(config == NULL && fuzz_one_line(err.text));
            must(results[i] != RESULT_BAD_INPUT || problems[i] > 0);
            continue;
        }
        must(config != NULL && problems[i] == 0);
        check_snapshot(config);
        must(i == 0 || strcmp(version, config->version) == 0);
        memcpy(version, config->version, sizeof(version));
        config_unref(&config);
    }
    must(results[0] == results[1] && problems[0] == problems[1]);
    return 0;
}
