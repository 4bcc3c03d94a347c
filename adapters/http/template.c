/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a template: its frame, and what its sections are read with. Every mistake becomes a
 * finding with its line, in the template or, for what the provider lacks, at its beginning.
 */
#include "adapters/http/template.h"

#include "base/crypto.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOOK_TOKEN "hook_token"
/* A shorter one could be guessed. */
#define HOOK_TOKEN_LEAST 16

/* ---- helpers ---- */

void *http_alloc(struct http_reader *reader, size_t size)
{
    void *memory = arena_alloc(reader->template->tree.arena, size);
    if (memory == NULL)
        reader->no_memory = true;
    return memory;
}

void http_check_keys(struct http_reader *reader, struct node *group, const char *const *keys)
{
    for (struct node *child = group->first; child != NULL; child = child->next) {
        const char *const *key = keys;
        while (*key != NULL && strcmp(*key, child->name) != 0)
            key++;
        if (*key == NULL)
            node_problem(reader->problems, child, "is not known: see octroi-template(5)");
    }
}

static const char *type_name(enum node_type type)
{
    static const char *const types[] = {
        [NODE_GROUP] = "a group in braces", [NODE_LIST] = "a list",
        [NODE_TEXT] = "a text in quotes",   [NODE_NUMBER] = "a whole number",
        [NODE_BOOLEAN] = "true or false",   [NODE_FRACTION] = "a number",
    };
    return types[type];
}

struct node *http_child(struct http_reader *reader, struct node *group, const char *name,
                        enum node_type type)
{
    struct node *child = node_child(group, name);
    if (child == NULL)
        return NULL;
    if (child->type != type) {
        node_problem(reader->problems, child, "must be %s", type_name(type));
        return NULL;
    }
    return child;
}

const char *http_child_text(struct http_reader *reader, struct node *group, const char *name,
                            const char *fallback)
{
    const struct node *child = http_child(reader, group, name, NODE_TEXT);
    return child != NULL ? child->text : fallback;
}

int http_child_word(struct http_reader *reader, struct node *group, const char *name,
                    const char *const *words, int fallback)
{
    struct node *child = http_child(reader, group, name, NODE_TEXT);
    char known[200] = "";
    size_t length = 0;
    if (child == NULL)
        return fallback;
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], child->text) == 0)
            return i;
        length += (size_t)snprintf(known + length, sizeof(known) - length, "%s\"%s\"",
                                   i == 0                 ? ""
                                   : words[i + 1] != NULL ? ", "
                                                          : " or ",
                                   words[i]);
        if (length >= sizeof(known))
            length = sizeof(known) - 1;
    }
    node_problem(reader->problems, child, "must be %s", known);
    return fallback;
}

void http_read_text(struct http_reader *reader, struct node *node, unsigned allowed,
                    struct http_text *out)
{
    struct error err;
    enum result result = http_text_parse(&reader->texts, node->text, allowed, out, &err);
    if (result == RESULT_NO_MEMORY)
        reader->no_memory = true;
    else if (result != RESULT_OK)
        node_problem(reader->problems, node, "%s", err.text);
}

bool http_child_path(struct http_reader *reader, struct node *group, const char *name,
                     struct http_path *out)
{
    struct node *child = http_child(reader, group, name, NODE_TEXT);
    struct error err;
    if (child == NULL)
        return false;
    enum result result = http_path_parse(reader->template->tree.arena, child->text, out, &err);
    if (result == RESULT_NO_MEMORY)
        reader->no_memory = true;
    else if (result != RESULT_OK)
        node_problem(reader->problems, child, "%s", err.text);
    return true;
}

static const char *word_of(struct http_reader *reader, struct node *node)
{
    char number[32];
    const char *text = NULL;
    switch (node->type) {
    case NODE_TEXT:
        return node->text;
    case NODE_BOOLEAN:
        return node->number != 0 ? "true" : "false";
    case NODE_NUMBER:
        snprintf(number, sizeof(number), "%lld", (long long)node->number);
        text = arena_str(reader->template->tree.arena, number);
        reader->no_memory = reader->no_memory || text == NULL;
        return text != NULL ? text : "";
    default:
        node_problem(reader->problems, node, "must be a text, a whole number, true or false");
        return "";
    }
}

const char *const *http_read_words(struct http_reader *reader, struct node *node, size_t *n_out)
{
    size_t count = node->type == NODE_LIST ? node->n_children : 1;
    const char **words = http_alloc(reader, (count + 1) * sizeof(*words));
    *n_out = 0;
    if (words == NULL)
        return NULL;
    if (node->type != NODE_LIST) {
        words[(*n_out)++] = word_of(reader, node);
        return words;
    }
    for (struct node *child = node->first; child != NULL; child = child->next)
        words[(*n_out)++] = word_of(reader, child);
    if (count == 0)
        node_problem(reader->problems, node, "is empty");
    return words;
}

const int *http_child_statuses(struct http_reader *reader, struct node *group, const char *name,
                               size_t *n_out)
{
    struct node *list = http_child(reader, group, name, NODE_LIST);
    *n_out = 0;
    if (list == NULL)
        return NULL;
    int *statuses = http_alloc(reader, (list->n_children + 1) * sizeof(*statuses));
    if (statuses == NULL)
        return NULL;
    for (struct node *child = list->first; child != NULL; child = child->next) {
        if (child->type != NODE_NUMBER || child->number < 100 || child->number > 599)
            node_problem(reader->problems, child, "must be a list of HTTP statuses: [ 200, 201 ]");
        else
            statuses[(*n_out)++] = (int)child->number;
    }
    if (list->n_children == 0)
        node_problem(reader->problems, list, "is empty");
    return statuses;
}

void http_read_condition(struct http_reader *reader, struct node *group, bool format_text,
                         struct http_condition *out)
{
    struct node *is = node_child(group, "is");
    struct node *begins = node_child(group, "begins");
    struct error err;
    out->statuses = http_child_statuses(reader, group, "status", &out->n_statuses);
    out->looks = http_child_path(reader, group, "field", &out->path);
    if (is != NULL)
        out->is = http_read_words(reader, is, &out->n_is);
    if (begins != NULL)
        out->begins = http_read_words(reader, begins, &out->n_begins);
    if (!out->looks && (is != NULL || begins != NULL)) {
        out->looks = true;
        if (!format_text)
            node_problem(reader->problems, is != NULL ? is : begins, "stands without field");
        else if (http_path_parse(reader->template->tree.arena, "[0]", &out->path, &err) !=
                 RESULT_OK)
            reader->no_memory = true;
    }
    if (!out->looks && out->n_statuses == 0 && node_child(group, "status") == NULL)
        node_problem(reader->problems, group, "needs status or field");
}

/* ---- settings ---- */

static const char *find_setting(void *arg, const char *name, char *wrong, size_t size)
{
    struct http_reader *reader = arg;
    const struct provider_config *config = reader->config;
    const struct node *root = reader->template->tree.root;
    const struct node *defaults = node_child(root, "defaults");
    for (size_t i = 0; i < config->n_settings; i++)
        if (strcmp(config->settings[i].name, name) == 0) {
            reader->used[i] = 1;
            return config->settings[i].value;
        }
    const struct node *fallback =
        defaults != NULL && defaults->type == NODE_GROUP ? node_child(defaults, name) : NULL;
    if (fallback != NULL && fallback->type == NODE_TEXT)
        return fallback->text;
    snprintf(wrong, size, "the provider needs settings = [ \"%.60s=…\" ]", name);
    return NULL;
}

/* At the beginning of the template: the place in the configuration is not known here. */
static void provider_problem(struct http_reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void provider_problem(struct http_reader *reader, const char *format, ...)
{
    const struct node *root = reader->template->tree.root;
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    problem_add(reader->problems, root->source, root->line, "provider %s: %s", reader->config->name,
                text);
}

static void check_provider(struct http_reader *reader)
{
    const struct provider_config *config = reader->config;
    const struct http_template *template = reader->template;
    for (size_t i = 0; i < config->n_settings; i++) {
        if (strcmp(config->settings[i].name, HOOK_TOKEN) == 0)
            continue;
        if (reader->used[i] == 0)
            provider_problem(reader, "no setting \"%.64s\" is known to this template",
                             config->settings[i].name);
    }
    bool username = (template->named & (1u << HTTP_USERNAME)) != 0;
    bool password = (template->named & (1u << HTTP_PASSWORD)) != 0;
    if ((username || template->auth == HTTP_AUTH_BASIC) && config->username == NULL)
        provider_problem(reader, "username is missing, and the template uses it");
    if ((password || template->auth != HTTP_AUTH_NONE) && config->password == NULL)
        provider_problem(reader, "password is missing, and the template uses it");
}

/* Whoever can guess the address could make people opt out, or back in with a forged reply. */
static void check_hooks(struct http_reader *reader)
{
    struct http_template *template = reader->template;
    const struct provider_config *config = reader->config;
    for (size_t i = 0; i < config->n_settings; i++)
        if (strcmp(config->settings[i].name, HOOK_TOKEN) == 0)
            template->hook_token = config->settings[i].value;
    bool hooks = template->inbound.present || template->report.present;
    if (template->hook_token != NULL && strlen(template->hook_token) < HOOK_TOKEN_LEAST)
        provider_problem(reader, "the setting %s is too short: 16 characters at least", HOOK_TOKEN);
    struct node *root = template->tree.root;
    if (hooks && node_child(root, "verification") == NULL)
        node_key_problem(reader->problems, root, "verification",
                         "is missing: how are the provider's calls known to be its own?");
}

/* ---- the file ---- */

static void read_defaults(struct http_reader *reader, struct node *root)
{
    struct node *defaults = http_child(reader, root, "defaults", NODE_GROUP);
    for (struct node *child = defaults != NULL ? defaults->first : NULL; child != NULL;
         child = child->next)
        if (child->type != NODE_TEXT)
            node_problem(reader->problems, child, "must be a text in quotes");
}

static void read_test(struct http_reader *reader, struct node *root)
{
    struct http_template *template = reader->template;
    struct node *test = http_child(reader, root, "test", NODE_GROUP);
    if (test == NULL)
        return;
    template->has_test = true;
    template->test_statuses =
        http_child_statuses(reader, test, "status", &template->n_test_statuses);
    http_read_request(reader, test, HTTP_OF_PROVIDER | HTTP_OF_TIME, &template->test);
}

static void read_sections(struct http_reader *reader)
{
    static const char *const keys[] = {"about",     "url",     "defaults", "auth", "headers",
                                       "signature", "request", "answer",   "test", "verification",
                                       "inbound",   "report",  NULL};
    static const char *const auths[] = {"none", "basic", "bearer", NULL};
    struct http_template *template = reader->template;
    struct node *root = template->tree.root;
    http_check_keys(reader, root, keys);
    (void)http_child_text(reader, root, "about", NULL);
    const char *own_url = http_child_text(reader, root, "url", NULL);
    template->url = reader->config->url != NULL ? reader->config->url : own_url;
    template->auth = (enum http_auth)http_child_word(reader, root, "auth", auths, HTTP_AUTH_NONE);
    read_defaults(reader, root);
    http_read_headers(reader, root,
                      HTTP_OF_MESSAGE | HTTP_OF_PROVIDER | HTTP_OF_TIME | HTTP_OF_REQUEST |
                          HTTP_OF_SIGNATURE,
                      &template->headers);
    struct node *signature = http_child(reader, root, "signature", NODE_GROUP);
    struct node *request = http_child(reader, root, "request", NODE_GROUP);
    struct node *answer = http_child(reader, root, "answer", NODE_GROUP);
    struct node *verification = http_child(reader, root, "verification", NODE_GROUP);
    struct node *inbound = http_child(reader, root, "inbound", NODE_GROUP);
    struct node *report = http_child(reader, root, "report", NODE_GROUP);
    if (signature != NULL)
        http_read_signature(reader, signature);
    if (request != NULL)
        http_read_request(reader, request, HTTP_OF_MESSAGE | HTTP_OF_PROVIDER | HTTP_OF_TIME,
                          &template->request);
    else
        node_key_problem(reader->problems, root, "request", "is missing");
    if (answer != NULL)
        http_read_answer(reader, answer);
    else
        node_key_problem(reader->problems, root, "answer", "is missing");
    read_test(reader, root);
    if (verification != NULL)
        http_read_verification(reader, verification);
    if (inbound != NULL)
        http_read_hook(reader, inbound, false, &template->inbound);
    if (report != NULL)
        http_read_hook(reader, report, true, &template->report);
    template->named = reader->texts.named;
    if ((template->named & (1u << HTTP_URL)) != 0 && template->url == NULL)
        provider_problem(reader, "url is missing, and the template has none");
    if ((template->named & (1u << HTTP_SIGNATURE)) != 0 && template->signature.algorithm == NULL &&
        signature == NULL)
        node_key_problem(reader->problems, root, "signature",
                         "is missing, and {signature} is used");
}

/* "https://gate.example.fr/hooks/NAME/report?token=…" */
static char *hook_url(const struct http_reader *reader, const char *public_url, const char *hook)
{
    struct strbuf url = {0};
    const char *token = reader->template->hook_token;
    size_t length = strlen(public_url);
    while (length > 0 && public_url[length - 1] == '/')
        length--;
    strbuf_add(&url, public_url, length);
    strbuf_add_format(&url, SMS_HOOK_PATH "%s/%s", reader->config->name, hook);
    if (token != NULL) {
        strbuf_add_str(&url, "?token=");
        http_add_url(&url, token, strlen(token));
    }
    return strbuf_take(&url);
}

/* Without a public URL the places that name one stay empty, and the provider is not told where to
 * report. */
static void make_hook_urls(struct http_reader *reader, const char *public_url)
{
    struct http_template *template = reader->template;
    if (*public_url == '\0')
        return;
    template->report_url = template->report.present ? hook_url(reader, public_url, "report") : NULL;
    template->inbound_url =
        template->inbound.present ? hook_url(reader, public_url, "inbound") : NULL;
    if ((template->report.present && template->report_url == NULL) ||
        (template->inbound.present && template->inbound_url == NULL))
        reader->no_memory = true;
}

enum result http_template_read(const struct provider_config *config, const char *public_url,
                               struct http_template *template, struct problems *problems,
                               struct error *err)
{
    *template = (struct http_template){0};
    enum result result = tree_read(config->template_file, &template->tree, problems, err);
    if (result != RESULT_OK)
        return result;
    struct http_reader reader = {
        .template = template,
        .config = config,
        .problems = problems,
        .texts = {.arena = template->tree.arena, .setting = find_setting},
    };
    reader.texts.arg = &reader;
    reader.used = http_alloc(&reader, config->n_settings + 1);
    /* Whether the provider must be made anew is seen by this one file. */
    if (template->tree.n_sources > 1)
        problem_add(problems, template->tree.root->source, 1,
                    "include is not known here: a template is one file");
    if (reader.used != NULL) {
        read_sections(&reader);
        check_provider(&reader);
        check_hooks(&reader);
        make_hook_urls(&reader, public_url);
    }
    if (reader.no_memory || problems->no_memory)
        return error_no_memory(err);
    if (problems->count > 0)
        return error_set(err, RESULT_BAD_INPUT, "%s has mistakes", config->template_file);
    return RESULT_OK;
}

void http_template_free(struct http_template *template)
{
    if (template->verify.key != NULL)
        wipe(template->verify.key, strlen(template->verify.key));
    free(template->verify.key);
    free(template->report_url);
    free(template->inbound_url);
    tree_free(&template->tree);
    *template = (struct http_template){0};
}
