/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Providers of SMS: what a bind of SMPP has room for, and where the template of an HTTP provider
 * lies. What stands in a template is not read here: the adapter knows its language.
 */
#include "config/build_providers.h"

#include "base/crypto.h"
#include "base/file.h"
#include "config/checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMPP_PORT            2775
#define SMPP_CONNECTIONS     1
#define SMPP_CONNECTIONS_MAX 64
#define SMPP_REPLY_TIMEOUT   (60 * CLOCK_SECOND)
#define HTTP_REPLY_TIMEOUT   (30 * CLOCK_SECOND)

#define TEMPLATE_END       ".conf"
#define TEMPLATE_BYTES_MAX ((size_t)256 * 1024)
/* For running from a build tree: looked into before the folder of what is installed. */
#define TEMPLATES_VARIABLE "OCTROI_TEMPLATES"
#define TEMPLATES_FOLDER   PKGDATADIR "/templates"

/* ---- SMPP ---- */

static bool is_visible_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static void check_bind_text(struct build *build, const struct node *group, const char *key)
{
    struct node *node = build_node(group, key);
    if (node != NULL && !is_visible_ascii(node->text))
        node_problem(build->problems, node, "may hold letters, digits and signs of ASCII only");
}

static void check_smpp_login(struct build *build, const struct node *group,
                             const struct provider_config *out)
{
    if (node_child(group, "system_id") == NULL)
        node_key_problem(build->problems, group, "system_id", "is missing (adapter is \"smpp\")");
    check_bind_text(build, group, "system_id");
    check_bind_text(build, group, "system_type");
    if (out->password != NULL && strlen(out->password) > SMPP_PASSWORD_LENGTH)
        node_problem(build->problems, provider_password_node(group),
                     "has more than the %d characters that SMPP has room for",
                     SMPP_PASSWORD_LENGTH);
}

static void take_smpp_tls(struct build *build, const struct node *group,
                          struct provider_config *out)
{
    struct node *node = build_node(group, "tls");
    const struct node *there = node_child(group, "tls");
    if (there == NULL) /* as strict as SMTP's default, in the way SMPP can be */
        out->tls = TLS_IMPLICIT;
    else if (node != NULL && out->tls != TLS_NONE && out->tls != TLS_IMPLICIT)
        node_problem(build->problems, node,
                     "\"%s\" begins in clear and goes on with STARTTLS, which SMPP does not have: "
                     "use \"implicit\" or \"none\"",
                     node->text);
    out->tls_verify = build_boolean(group, "tls_verify", out->tls == TLS_IMPLICIT);
}

void build_smpp(struct build *build, const struct node *group, struct provider_config *out)
{
    static const char *const foreign[] = {"username", "directory", "final_timeout", "idle_timeout",
                                          NULL};
    struct node *connections = build_node(group, "connections");
    build_refuse(build, group, foreign, "adapter is \"smpp\"");
    build_refuse(build, group, provider_http_keys, "adapter is \"smpp\"");
    out->port = (uint16_t)build_number_or(group, "port", SMPP_PORT);
    out->username = build_text(build, group, "system_id");
    out->system_type = build_text(build, group, "system_type");
    out->binds = (enum smpp_bind_kind)build_number(group, "binds");
    out->connections = (unsigned)build_number_or(group, "connections", SMPP_CONNECTIONS);
    out->window = (unsigned)build_number(group, "window");
    out->rate = (unsigned)build_number(group, "rate");
    out->enquire_every = build_number(group, "enquire_every");
    out->alphabet = (enum sms_alphabet)build_number(group, "alphabet");
    out->long_messages = (enum long_messages)build_number(group, "long_messages");
    out->reply_timeout = build_number_or(group, "reply_timeout", SMPP_REPLY_TIMEOUT);
    if (connections != NULL && out->connections > SMPP_CONNECTIONS_MAX)
        node_problem(build->problems, connections,
                     "%u is not between 1 and %d (adapter is \"smpp\")", out->connections,
                     SMPP_CONNECTIONS_MAX);
    provider_need_host(build, group, "smpp");
    take_smpp_tls(build, group, out);
    provider_check_tls(build, group, out, "tls is \"none\"");
    out->password = build_secret(build, group, "password", "password_file");
    check_smpp_login(build, group, out);
    provider_check_clear(build, group, out);
}

/* ---- HTTP ---- */

/* Where a template called by its name lies; NULL: nowhere, and why_out says where was looked. The
 * caller frees it. */
static char *find_template(struct build *build, const char *name, struct strbuf *looked_in)
{
    const char *folders[] = {getenv(TEMPLATES_VARIABLE), TEMPLATES_FOLDER};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        struct strbuf path = {0};
        if (folders[i] == NULL || folders[i][0] == '\0')
            continue;
        strbuf_add_format(&path, "%s/%s" TEMPLATE_END, folders[i], name);
        char *found = strbuf_take(&path);
        if (found == NULL) {
            build->no_memory = true;
            return NULL;
        }
        if (file_exists(found))
            return found;
        strbuf_add_format(looked_in, "%s%s", looked_in->length > 0 ? " and " : "", found);
        free(found);
    }
    return NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    return length > strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* A path, relative to the file that names it. */
static char *template_at(struct build *build, struct node *node)
{
    char name[NAME_BYTES_MAX + 1];
    struct strbuf unused = {0};
    char *path = file_resolve(node->source->path, node->text);
    if (path == NULL) {
        build->no_memory = true;
        return NULL;
    }
    if (file_exists(path) || strchr(node->text, '/') != NULL ||
        !str_copy_n(name, sizeof(name), node->text, strlen(node->text) - strlen(TEMPLATE_END)))
        return path; /* what is wrong with it shows when it is read */
    char *known = find_template(build, name, &unused);
    strbuf_free(&unused);
    if (known == NULL)
        return path;
    node_problem(build->problems, node,
                 "%s does not exist; the template that comes with octroi is called \"%s\"", path,
                 name);
    free(known);
    free(path);
    return NULL;
}

static char *resolve_template(struct build *build, struct node *node)
{
    struct strbuf looked_in = {0};
    if (strchr(node->text, '/') != NULL || ends_with(node->text, TEMPLATE_END))
        return template_at(build, node);
    char *path = find_template(build, node->text, &looked_in);
    if (looked_in.failed)
        build->no_memory = true;
    else if (path == NULL && looked_in.data != NULL)
        node_problem(build->problems, node,
                     "there is no template \"%.64s\": %s would be it; a file elsewhere is given "
                     "with its whole name, such as \"%.64s.conf\"",
                     node->text, looked_in.data, node->text);
    strbuf_free(&looked_in);
    return path;
}

static void take_template(struct build *build, const struct node *group,
                          struct provider_config *out, char sha256_out[65])
{
    struct node *node = build_node(group, "template");
    struct strbuf text = {0};
    struct error why = {0};
    uint8_t digest[SHA256_BYTES];
    if (node_child(group, "template") == NULL)
        node_key_problem(build->problems, group, "template", "is missing (adapter is \"http\")");
    char *path = node != NULL ? resolve_template(build, node) : NULL;
    if (path == NULL)
        return;
    out->template_file = build_copy(build, path);
    if (file_read(path, TEMPLATE_BYTES_MAX, &text, &why) != RESULT_OK)
        node_problem(build->problems, node, "%s", why.text);
    else if (!sha256(text.data != NULL ? text.data : "", text.length, digest))
        build->no_memory = true;
    else
        hex_encode(digest, sizeof(digest), sha256_out);
    strbuf_free(&text);
    free(path);
}

/* The name before the "=" of an item; NULL: there is none, and that was found. */
static const char *setting_name(struct build *build, struct node *item)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    char name[NAME_BYTES_MAX + 1];
    size_t length = strspn(item->text, allowed);
    if (length == 0 || item->text[length] != '=' ||
        !str_copy_n(name, sizeof(name), item->text, length)) {
        /* What is written there may be a secret. */
        node_problem(build->problems, item,
                     "must be texts such as \"name=value\"; a name has lower-case letters, digits "
                     "and _ only");
        return NULL;
    }
    return build_copy(build, name);
}

static void add_setting(struct build *build, struct node *item, bool in_file,
                        struct provider_config *out)
{
    const char *name = item->bad ? NULL : setting_name(build, item);
    if (name == NULL)
        return;
    for (size_t i = 0; i < out->n_settings; i++)
        if (strcmp(out->settings[i].name, name) == 0) {
            node_problem(build->problems, item, "\"%s\" is set twice", name);
            return;
        }
    const char *value = item->text + strlen(name) + 1;
    if (!in_file) {
        value = build_copy(build, value);
    } else if (*value == '\0') {
        node_problem(build->problems, item, "\"%s\" names no file", name);
        return;
    } else {
        char *path = file_resolve(item->source->path, value);
        build->no_memory = build->no_memory || path == NULL;
        value = path != NULL ? build_secret_file(build, item, path) : NULL;
        free(path);
    }
    if (value != NULL)
        out->settings[out->n_settings++] = (struct setting){.name = name, .value = value};
}

static void take_settings(struct build *build, const struct node *group,
                          struct provider_config *out)
{
    struct node *plain = build_node(group, "settings");
    struct node *secret = build_node(group, "secret_files");
    size_t count =
        (plain != NULL ? plain->n_children : 0) + (secret != NULL ? secret->n_children : 0);
    if (count == 0)
        return;
    out->settings = build_array(build, count, sizeof(*out->settings));
    if (out->settings == NULL)
        return;
    for (struct node *item = plain != NULL ? plain->first : NULL; item; item = item->next)
        add_setting(build, item, false, out);
    for (struct node *item = secret != NULL ? secret->first : NULL; item; item = item->next)
        add_setting(build, item, true, out);
}

/* The most telling of what would cross the network in clear; texts and numbers always would. */
static void refuse_clear(struct build *build, const struct node *group, const char *host)
{
    static const char *const secrets[] = {"secret_files", "settings"};
    struct node *node = provider_password_node(group);
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]) && node == NULL; i++) {
        node = node_child(group, secrets[i]);
        if (node != NULL && node->n_children == 0)
            node = NULL;
    }
    if (node != NULL)
        node_problem(build->problems, node,
                     "would cross the network in clear: url is http:// and %s is another machine",
                     host);
    else
        node_problem(build->problems, node_child(group, "url"),
                     "is http://, and %s is another machine: texts and numbers would cross the "
                     "network in clear",
                     host);
}

/* Whether TLS is spoken is the address's to say; without one it is the template's. */
static void take_url(struct build *build, const struct node *group, struct provider_config *out)
{
    char host[URL_HOST_MAX + 1];
    bool secure = true;
    struct node *node = build_node(group, "url");
    out->url = build_text(build, group, "url");
    out->tls = TLS_IMPLICIT;
    if (node != NULL && !url_parse(node->text, false, &secure, host)) {
        node_problem(build->problems, node,
                     "is no address such as \"https://api.provider.example\" (without a login, "
                     "a query or a fragment)");
    } else if (node != NULL && !secure) {
        out->tls = TLS_NONE;
        if (!host_is_loopback(host))
            refuse_clear(build, group, host);
    }
    out->tls_verify = build_boolean(group, "tls_verify", out->tls == TLS_IMPLICIT);
    provider_check_tls(build, group, out, "url is http://");
}

void build_http(struct build *build, const struct node *group, struct provider_config *out,
                char template_sha256[65])
{
    static const char *const foreign[] = {"host",      "port",          "tls", "tls_name",
                                          "directory", "final_timeout", NULL};
    build_refuse(build, group, foreign, "adapter is \"http\"");
    build_refuse(build, group, provider_smpp_keys, "adapter is \"http\"");
    out->reply_timeout = build_number_or(group, "reply_timeout", HTTP_REPLY_TIMEOUT);
    out->password = build_secret(build, group, "password", "password_file");
    take_template(build, group, out, template_sha256);
    take_url(build, group, out);
    take_settings(build, group, out);
}
