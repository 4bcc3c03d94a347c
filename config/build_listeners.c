/* SPDX-License-Identifier: Apache-2.0 */
#include "config/build.h"

#include "base/file.h"
#include "base/sockaddr.h"
#include "base/tls.h"
#include "config/checks.h"

#include <string.h>

#define SMPP_LOGIN_TIMEOUT (30 * CLOCK_SECOND)

static void check_bind(struct build *build, const struct node *group, struct listener_config *out)
{
    struct node *node = build_node(group, "bind");
    const char *why = NULL;
    if (node == NULL)
        return;
    if (!bind_parse(node->text, &out->address, &out->address_length, &why)) {
        node_problem(build->problems, node, "\"%.64s\" %s", node->text, why);
        return;
    }
    for (const struct listener_config *other = build->config->listeners; other < out; other++)
        if (other->address_length == out->address_length &&
            memcmp(&other->address, &out->address, sizeof(out->address)) == 0) {
            node_problem(build->problems, node, "\"%s\" is already bound by listeners.%s",
                         node->text, other->name);
            return;
        }
}

static bool need(struct build *build, const struct node *group, const char *key, const char *tls)
{
    if (node_child(group, key) == NULL)
        node_key_problem(build->problems, group, key, "is missing (tls is \"%s\")", tls);
    return build_node(group, key) != NULL;
}

static void check_certificate(struct build *build, const struct node *group,
                              const struct listener_config *out)
{
    static const char *const keys[] = {"certificate_file", "key_file"};
    static const char *const names[] = {"none", "optional", "required", "implicit"};
    struct error why = {0};
    bool there = true;
    if (out->tls == TLS_NONE) {
        for (size_t i = 0; i < 2; i++) {
            struct node *node = build_node(group, keys[i]);
            if (node != NULL)
                node_problem(build->problems, node, "is not used when tls is \"none\"");
        }
        return;
    }
    for (size_t i = 0; i < 2; i++)
        there = need(build, group, keys[i], names[out->tls]) && there;
    if (!there)
        return;
    struct node *key = build_node(group, "key_file");
    if (file_check_private(out->key_file, &why) != RESULT_OK) {
        node_problem(build->problems, key, "%s", why.text);
        return;
    }
    /* What the daemon will do with them at its start, so that no reload finds out too late. */
    SSL_CTX *context = NULL;
    struct node *certificate = build_node(group, "certificate_file");
    if (!file_exists(out->certificate_file))
        node_problem(build->problems, certificate, "%s does not exist", out->certificate_file);
    else if (tls_server_context(out->certificate_file, out->key_file, false, &context, &why) !=
             RESULT_OK)
        node_problem(build->problems, strstr(why.text, out->key_file) != NULL ? key : certificate,
                     "%s", why.text);
    SSL_CTX_free(context);
}

/* Who may say who the client is. */
static void check_balancers(struct build *build, const struct node *group,
                            const struct listener_config *out)
{
    struct node *node = build_node(group, "proxy_protocol");
    const struct node *trusted = node_child(group, "trusted");
    if (out->proxy_protocol && (trusted == NULL || trusted->n_children == 0))
        node_problem(build->problems, node,
                     "\"required\" needs the balancers' networks in trusted");
}

/* SMPP and HTTP have nothing like STARTTLS, so their default is as strict as SMTP's in the way they
 * can be. False: what tls says cannot be, and was found. */
static bool take_tls(struct build *build, const struct node *group, struct listener_config *out)
{
    const struct node *there = node_child(group, "tls");
    if (there != NULL && there->bad)
        return false;
    out->tls = (enum tls_mode)build_number(group, "tls");
    if (out->protocol == PROTOCOL_SMTP)
        return true;
    struct node *node = build_node(group, "tls");
    if (node == NULL)
        out->tls = TLS_IMPLICIT;
    if (out->tls == TLS_NONE || out->tls == TLS_IMPLICIT)
        return true;
    node_problem(build->problems, node,
                 "\"%s\" begins in clear and goes on with STARTTLS, which %s does not have: use "
                 "\"implicit\" or \"none\"",
                 node->text, out->protocol == PROTOCOL_SMPP ? "SMPP" : "HTTP");
    return false;
}

static void take_services(struct build *build, const struct node *group,
                          struct listener_config *out)
{
    const struct node *node = build_node(group, "services");
    if (out->protocol != PROTOCOL_HTTP)
        return;
    if (node_child(group, "services") == NULL)
        node_key_problem(build->problems, group, "services", "is missing (protocol is \"http\")");
    for (const struct node *item = node != NULL ? node->first : NULL; item; item = item->next)
        if (!item->bad)
            out->services |= (unsigned)item->number;
}

/* Who signs in does so over https, from this machine, or through a balancer that is believed: what
 * nobody could use is a mistake. */
static void check_console(struct build *build, const struct node *group,
                          const struct listener_config *out)
{
    struct node *node = build_node(group, "services");
    if (node == NULL || (out->services & SERVICE_CONSOLE) == 0 || out->tls != TLS_NONE ||
        out->address_length == 0 || out->n_trusted > 0 ||
        sockaddr_is_loopback((const struct sockaddr *)&out->address))
        return;
    node_problem(build->problems, node,
                 "\"console\" on %s with tls = \"none\": passwords would cross the network in "
                 "clear; use \"implicit\", bind it to this machine, or name the balancer that "
                 "speaks https in trusted",
                 out->bind);
}

static void check_foreign(struct build *build, const struct node *group,
                          const struct listener_config *out)
{
    static const char *const smtp[] = {"services",      "max_body_size",   "enquire_every",
                                       "reply_timeout", "plain_passwords", NULL};
    static const char *const smpp[] = {
        "max_message_size", "max_recipients", "min_rate",      "trusted",
        "proxy_protocol",   "services",       "max_body_size", NULL};
    static const char *const http[] = {"max_message_size",
                                       "max_recipients",
                                       "proxy_protocol",
                                       "enquire_every",
                                       "reply_timeout",
                                       "plain_passwords",
                                       NULL};
    static const struct {
        const char *const *keys;
        const char *why;
    } foreign[] = {[PROTOCOL_SMTP] = {smtp, "protocol is \"smtp\""},
                   [PROTOCOL_SMPP] = {smpp, "protocol is \"smpp\""},
                   [PROTOCOL_HTTP] = {http, "protocol is \"http\""}};
    build_refuse(build, group, foreign[out->protocol].keys, foreign[out->protocol].why);
}

static void take_limits(struct build *build, const struct node *group, struct listener_config *out)
{
    bool smpp = out->protocol == PROTOCOL_SMPP;
    out->max_message_size = (uint64_t)build_number(group, "max_message_size");
    out->max_recipients = (unsigned)build_number(group, "max_recipients");
    out->max_connections = (unsigned)build_number(group, "max_connections");
    out->max_connections_per_address = (unsigned)build_number(group, "max_connections_per_address");
    out->idle_timeout = build_number(group, "idle_timeout");
    out->login_timeout = smpp ? build_number_or(group, "login_timeout", SMPP_LOGIN_TIMEOUT)
                              : build_number(group, "login_timeout");
    out->min_rate = (uint64_t)build_number(group, "min_rate");
    out->trusted = build_networks(build, group, "trusted", &out->n_trusted);
    out->proxy_protocol = build_number(group, "proxy_protocol") != 0;
    out->max_body_size = (uint64_t)build_number(group, "max_body_size");
    out->enquire_every = build_number(group, "enquire_every");
    out->reply_timeout = build_number(group, "reply_timeout");
    out->plain_passwords = build_number(group, "plain_passwords") != 0;
}

static void build_listener(struct build *build, const struct node *group,
                           struct listener_config *out)
{
    const struct node *protocol = node_child(group, "protocol");
    out->name = build_copy(build, group->name);
    out->protocol = (enum protocol)build_number(group, "protocol");
    out->bind = build_text(build, group, "bind");
    out->certificate_file = build_path(build, group, "certificate_file");
    out->key_file = build_path(build, group, "key_file");
    check_bind(build, group, out);
    if (protocol != NULL && protocol->bad)
        return; /* what else it should have depends on it */
    take_limits(build, group, out);
    take_services(build, group, out);
    check_foreign(build, group, out);
    if (out->protocol == PROTOCOL_SMTP)
        check_balancers(build, group, out);
    if (take_tls(build, group, out)) {
        check_certificate(build, group, out);
        check_console(build, group, out);
    }
}

void build_listeners(struct build *build)
{
    const struct node *all = build_group(build, NULL, "listeners");
    struct listener_config *listeners = build_array(build, all->n_children, sizeof(*listeners));
    build->config->listeners = listeners;
    if (listeners == NULL)
        return;
    for (const struct node *group = all->first; group != NULL; group = group->next)
        if (group->type == NODE_GROUP)
            build_listener(build, group, &listeners[build->config->n_listeners++]);
}
