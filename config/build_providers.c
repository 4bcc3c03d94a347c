/* SPDX-License-Identifier: Apache-2.0 */
#include "config/build.h"

#include "base/crypto.h"
#include "base/file.h"
#include "base/tls.h"
#include "config/checks.h"

#include <string.h>

/* Keys that mean nothing to an adapter are findings: who wrote them believes in them. */
static void refuse_keys(struct build *build, const struct node *group, const char *const *keys,
                        const char *why)
{
    for (; *keys != NULL; keys++) {
        struct node *node = build_node(group, *keys);
        if (node != NULL)
            node_problem(build->problems, node, "is not used when %s", why);
    }
}

static void check_host(struct build *build, const struct node *group, const char *key)
{
    struct node *node = build_node(group, key);
    if (node != NULL && !host_name_valid(node->text) && !host_address_valid(node->text))
        node_problem(build->problems, node, "\"%.64s\" is neither a host name nor an address",
                     node->text);
}

static void check_tls(struct build *build, const struct node *group, struct provider_config *out)
{
    static const char *const tls_keys[] = {"tls_name", "tls_ca_file", "tls_verify", NULL};
    const struct node *tls = node_child(group, "tls");
    struct node *authority = build_node(group, "tls_ca_file");
    struct error why = {0};
    SSL_CTX *context = NULL;
    if (tls != NULL && tls->bad)
        return;
    if (out->tls == TLS_NONE) {
        refuse_keys(build, group, tls_keys, "tls is \"none\"");
        return;
    }
    check_host(build, group, "tls_name");
    if (authority != NULL && !file_exists(out->tls_ca_file))
        node_problem(build->problems, authority, "%s does not exist", out->tls_ca_file);
    else if (authority != NULL &&
             tls_client_context(true, out->tls_ca_file, &context, &why) != RESULT_OK)
        node_problem(build->problems, authority, "%s", why.text);
    SSL_CTX_free(context);
}

static void read_password(struct build *build, const struct node *group,
                          struct provider_config *out)
{
    struct node *inside = build_node(group, "password");
    struct node *beside = build_node(group, "password_file");
    struct error why = {0};
    struct strbuf secret = {0};
    if (inside != NULL && beside != NULL) {
        node_problem(build->problems, beside,
                     "stands beside password (%s:%d): only one of them can hold",
                     inside->source->path, inside->line);
    } else if (inside != NULL) {
        if (file_check_private(inside->source->path, &why) != RESULT_OK)
            node_problem(build->problems, inside, "%s", why.text);
        out->password = build_copy(build, inside->text);
    } else if (beside != NULL) {
        const char *path = build_path(build, group, "password_file");
        if (file_read_secret(path, &secret, &why) != RESULT_OK)
            node_problem(build->problems, beside, "%s", why.text);
        else if (strlen(secret.data) != strcspn(secret.data, "\r\n") ||
                 strlen(secret.data) != secret.length)
            node_problem(build->problems, beside, "%s holds a NUL byte", path);
        else
            out->password = build_copy(build, secret.data);
        if (secret.data != NULL)
            wipe(secret.data, secret.length);
        strbuf_free(&secret);
    }
}

static void check_credentials(struct build *build, const struct node *group,
                              struct provider_config *out)
{
    struct node *username = node_child(group, "username");
    struct node *password = node_child(group, "password");
    if (password == NULL)
        password = node_child(group, "password_file");
    if (username != NULL && password == NULL)
        node_problem(build->problems, username, "stands without password or password_file");
    else if (username == NULL && password != NULL)
        node_problem(build->problems, password, "stands without username");
    const struct node *host = build_node(group, "host");
    const struct node *tls = build_node(group, "tls");
    if (password != NULL && host != NULL && tls != NULL && out->tls == TLS_NONE &&
        !host_is_loopback(host->text))
        node_problem(build->problems, password,
                     "would cross the network in clear: tls is \"none\" and %s is another machine",
                     host->text);
}

static void build_smtp(struct build *build, const struct node *group, struct provider_config *out)
{
    static const char *const foreign[] = {"directory", NULL};
    refuse_keys(build, group, foreign, "adapter is \"smtp\"");
    if (node_child(group, "host") == NULL)
        node_key_problem(build->problems, group, "host", "is missing (adapter is \"smtp\")");
    check_host(build, group, "host");
    check_tls(build, group, out);
    read_password(build, group, out);
    check_credentials(build, group, out);
}

/* As smtp, without what libESMTP cannot do or does not keep. */
static void build_esmtp(struct build *build, const struct node *group, struct provider_config *out)
{
    static const char *const foreign[] = {"directory", "idle_timeout", NULL};
    struct node *host = build_node(group, "host");
    struct node *tls = build_node(group, "tls");
    refuse_keys(build, group, foreign, "adapter is \"esmtp\"");
    if (node_child(group, "host") == NULL)
        node_key_problem(build->problems, group, "host", "is missing (adapter is \"esmtp\")");
    if (host != NULL && strchr(host->text, ':') != NULL)
        node_problem(
            build->problems, host,
            "is an IPv6 address, and libESMTP takes it for a host and a port: give a name, "
            "or use adapter \"smtp\"");
    else
        check_host(build, group, "host");
    if (tls != NULL && out->tls == TLS_IMPLICIT)
        node_problem(build->problems, tls,
                     "cannot be \"implicit\" when adapter is \"esmtp\": libESMTP knows STARTTLS "
                     "only; use \"required\", or adapter \"smtp\"");
    check_tls(build, group, out);
    read_password(build, group, out);
    check_credentials(build, group, out);
}

static void build_capture(struct build *build, const struct node *group)
{
    static const char *const foreign[] = {
        "host",     "port",     "tls",           "tls_name",        "tls_ca_file",  "tls_verify",
        "username", "password", "password_file", "connect_timeout", "idle_timeout", NULL};
    refuse_keys(build, group, foreign, "adapter is \"capture\"");
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

static void make_digest(struct build *build, struct provider_config *out)
{
    struct strbuf text = {0};
    uint8_t digest[SHA256_BYTES] = {0};
    const char *const fields[] = {out->name,     out->host,     out->tls_name, out->tls_ca_file,
                                  out->username, out->password, out->directory};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        add_field(&text, fields[i]);
    strbuf_add_format(&text, "%d %u %d %d %u %lld %lld %lld %lld", (int)out->adapter,
                      (unsigned)out->port, (int)out->tls, (int)out->tls_verify, out->connections,
                      (long long)out->connect_timeout, (long long)out->reply_timeout,
                      (long long)out->final_timeout, (long long)out->idle_timeout);
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
    if (out->adapter == ADAPTER_CAPTURE)
        build_capture(build, group);
    else if (out->adapter == ADAPTER_ESMTP)
        build_esmtp(build, group, out);
    else
        build_smtp(build, group, out);
    make_digest(build, out);
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
