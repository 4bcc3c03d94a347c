/* SPDX-License-Identifier: Apache-2.0 */
#include "config/build_providers.h"

#include "base/crypto.h"
#include "base/file.h"
#include "base/tls.h"
#include "config/checks.h"

#include <string.h>

const char *const provider_smpp_keys[] = {"system_id", "system_type",   "binds",
                                          "window",    "rate",          "enquire_every",
                                          "alphabet",  "long_messages", NULL};
const char *const provider_http_keys[] = {"template", "url", "settings", "secret_files", NULL};

static void refuse_sms_keys(struct build *build, const struct node *group, const char *why)
{
    build_refuse(build, group, provider_smpp_keys, why);
    build_refuse(build, group, provider_http_keys, why);
}

void provider_check_host(struct build *build, const struct node *group, const char *key)
{
    struct node *node = build_node(group, key);
    if (node != NULL && !host_name_valid(node->text) && !host_address_valid(node->text))
        node_problem(build->problems, node, "\"%.64s\" is neither a host name nor an address",
                     node->text);
}

void provider_need_host(struct build *build, const struct node *group, const char *adapter)
{
    if (node_child(group, "host") == NULL)
        node_key_problem(build->problems, group, "host", "is missing (adapter is \"%s\")", adapter);
    provider_check_host(build, group, "host");
}

void provider_check_tls(struct build *build, const struct node *group,
                        const struct provider_config *out, const char *in_clear)
{
    static const char *const tls_keys[] = {"tls_name", "tls_ca_file", "tls_verify", NULL};
    const struct node *tls = node_child(group, "tls");
    struct node *authority = build_node(group, "tls_ca_file");
    struct error why = {0};
    SSL_CTX *context = NULL;
    if (tls != NULL && tls->bad)
        return;
    if (out->tls == TLS_NONE) {
        build_refuse(build, group, tls_keys, in_clear);
        return;
    }
    provider_check_host(build, group, "tls_name");
    if (authority != NULL && !file_exists(out->tls_ca_file))
        node_problem(build->problems, authority, "%s does not exist", out->tls_ca_file);
    else if (authority != NULL &&
             tls_client_context(true, out->tls_ca_file, &context, &why) != RESULT_OK)
        node_problem(build->problems, authority, "%s", why.text);
    SSL_CTX_free(context);
}

struct node *provider_password_node(const struct node *group)
{
    struct node *password = node_child(group, "password");
    return password != NULL ? password : node_child(group, "password_file");
}

void provider_check_clear(struct build *build, const struct node *group,
                          const struct provider_config *out)
{
    struct node *password = provider_password_node(group);
    const struct node *host = build_node(group, "host");
    const struct node *tls = build_node(group, "tls");
    if (password != NULL && host != NULL && tls != NULL && out->tls == TLS_NONE &&
        !host_is_loopback(host->text))
        node_problem(build->problems, password,
                     "would cross the network in clear: tls is \"none\" and %s is another machine",
                     host->text);
}

static void check_credentials(struct build *build, const struct node *group,
                              const struct provider_config *out)
{
    struct node *username = node_child(group, "username");
    struct node *password = provider_password_node(group);
    if (username != NULL && password == NULL)
        node_problem(build->problems, username, "stands without password or password_file");
    else if (username == NULL && password != NULL)
        node_problem(build->problems, password, "stands without username");
    provider_check_clear(build, group, out);
}

static void build_smtp(struct build *build, const struct node *group, struct provider_config *out)
{
    static const char *const foreign[] = {"directory", NULL};
    build_refuse(build, group, foreign, "adapter is \"smtp\"");
    refuse_sms_keys(build, group, "adapter is \"smtp\"");
    provider_need_host(build, group, "smtp");
    provider_check_tls(build, group, out, "tls is \"none\"");
    out->password = build_secret(build, group, "password", "password_file");
    check_credentials(build, group, out);
}

/* As smtp, without what libESMTP cannot do or does not keep. */
static void build_esmtp(struct build *build, const struct node *group, struct provider_config *out)
{
    static const char *const foreign[] = {"directory", "idle_timeout", NULL};
    struct node *host = build_node(group, "host");
    struct node *tls = build_node(group, "tls");
    build_refuse(build, group, foreign, "adapter is \"esmtp\"");
    refuse_sms_keys(build, group, "adapter is \"esmtp\"");
    if (node_child(group, "host") == NULL)
        node_key_problem(build->problems, group, "host", "is missing (adapter is \"esmtp\")");
    if (host != NULL && strchr(host->text, ':') != NULL)
        node_problem(
            build->problems, host,
            "is an IPv6 address, and libESMTP takes it for a host and a port: give a name, "
            "or use adapter \"smtp\"");
    else
        provider_check_host(build, group, "host");
    if (tls != NULL && out->tls == TLS_IMPLICIT)
        node_problem(build->problems, tls,
                     "cannot be \"implicit\" when adapter is \"esmtp\": libESMTP knows STARTTLS "
                     "only; use \"required\", or adapter \"smtp\"");
    provider_check_tls(build, group, out, "tls is \"none\"");
    out->password = build_secret(build, group, "password", "password_file");
    check_credentials(build, group, out);
}

static void build_capture(struct build *build, const struct node *group)
{
    static const char *const foreign[] = {
        "host",     "port",     "tls",           "tls_name",        "tls_ca_file",  "tls_verify",
        "username", "password", "password_file", "connect_timeout", "idle_timeout", NULL};
    build_refuse(build, group, foreign, "adapter is \"capture\"");
    refuse_sms_keys(build, group, "adapter is \"capture\"");
    if (node_child(group, "directory") == NULL)
        node_key_problem(build->problems, group, "directory",
                         "is missing (adapter is \"capture\")");
}

/* NUL stands between the fields, and "no value" differs from an empty one. */
static void add_field(struct strbuf *text, const char *value)
{
    strbuf_add_char(text, value != NULL ? '=' : '-');
    if (value != NULL)
        strbuf_add_str(text, value);
    strbuf_add_char(text, '\0');
}

static void add_number(struct strbuf *text, int64_t number)
{
    strbuf_add_format(text, "%lld", (long long)number);
    strbuf_add_char(text, '\0');
}

/* template_sha256: of what the template holds, "" when there is none. */
static void make_digest(struct build *build, struct provider_config *out,
                        const char *template_sha256)
{
    struct strbuf text = {0};
    uint8_t digest[SHA256_BYTES] = {0};
    const char *const fields[] = {out->name,          out->host,      out->tls_name,
                                  out->tls_ca_file,   out->username,  out->password,
                                  out->directory,     out->url,       out->system_type,
                                  out->template_file, template_sha256};
    const int64_t numbers[] = {out->adapter,       out->port,
                               out->tls,           out->tls_verify,
                               out->connections,   out->connect_timeout,
                               out->reply_timeout, out->final_timeout,
                               out->idle_timeout,  out->binds,
                               out->window,        out->rate,
                               out->enquire_every, out->alphabet,
                               out->long_messages, (int64_t)out->n_settings};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        add_field(&text, fields[i]);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        add_number(&text, numbers[i]);
    for (size_t i = 0; i < out->n_settings; i++) {
        add_field(&text, out->settings[i].name);
        add_field(&text, out->settings[i].value);
    }
    if (text.failed || !sha256(text.data, text.length, digest))
        build->no_memory = true;
    hex_encode(digest, sizeof(digest), out->digest);
    if (text.data != NULL)
        wipe(text.data, text.length);
    strbuf_free(&text);
}

static void build_provider(struct build *build, const struct node *group,
                           struct provider_config *out)
{
    out->name = build_copy(build, group->name);
    out->adapter = (enum adapter_kind)build_number(group, "adapter");
    out->host = build_text(build, group, "host");
    out->port = (uint16_t)build_number(group, "port");
    out->tls = (enum tls_mode)build_number(group, "tls");
    out->tls_name = build_text(build, group, "tls_name");
    if (out->tls_name == NULL)
        out->tls_name = out->host;
    out->tls_ca_file = build_path(build, group, "tls_ca_file");
    out->tls_verify =
        build_boolean(group, "tls_verify", out->tls == TLS_REQUIRED || out->tls == TLS_IMPLICIT);
    out->username = build_text(build, group, "username");
    out->directory = build_path(build, group, "directory");
    out->connections = (unsigned)build_number(group, "connections");
    out->connect_timeout = build_number(group, "connect_timeout");
    out->reply_timeout = build_number(group, "reply_timeout");
    out->final_timeout = build_number(group, "final_timeout");
    out->idle_timeout = build_number(group, "idle_timeout");
    if (build_node(group, "adapter") == NULL)
        return; /* what else it should have depends on it */
    char template_sha256[65] = "";
    switch (out->adapter) {
    case ADAPTER_SMTP:
        build_smtp(build, group, out);
        break;
    case ADAPTER_ESMTP:
        build_esmtp(build, group, out);
        break;
    case ADAPTER_CAPTURE:
        build_capture(build, group);
        break;
    case ADAPTER_SMPP:
        build_smpp(build, group, out);
        break;
    case ADAPTER_HTTP:
        build_http(build, group, out, template_sha256);
        break;
    }
    make_digest(build, out, template_sha256);
}

void build_providers(struct build *build)
{
    const struct node *all = build_group(build, NULL, "providers");
    struct provider_config *providers = build_array(build, all->n_children, sizeof(*providers));
    build->config->providers = providers;
    if (providers == NULL)
        return;
    for (const struct node *group = all->first; group != NULL; group = group->next)
        if (group->type == NODE_GROUP)
            build_provider(build, group, &providers[build->config->n_providers++]);
}
