/* SPDX-License-Identifier: Apache-2.0 */
#include "config/build.h"

#include "base/crypto.h"
#include "base/file.h"
#include "config/network.h"

#include <stdlib.h>
#include <string.h>

const struct node *build_group(const struct build *build, const struct node *parent,
                               const char *name)
{
    static const struct node empty = {.type = NODE_GROUP};
    const struct node *group = node_child(parent != NULL ? parent : build->tree->root, name);
    return group != NULL && group->type == NODE_GROUP ? group : &empty;
}

void *build_array(struct build *build, size_t count, size_t size)
{
    void *array = NULL;
    if (size == 0 || count < SIZE_MAX / size)
        array = arena_alloc(build->arena, count * size);
    if (array == NULL)
        build->no_memory = true;
    return array;
}

const char *build_copy(struct build *build, const char *text)
{
    const char *copy = arena_str(build->arena, text);
    if (copy != NULL)
        return copy;
    build->no_memory = true;
    return "";
}

struct node *build_node(const struct node *group, const char *key)
{
    struct node *node = node_child(group, key);
    return node != NULL && !node->bad ? node : NULL;
}

static const struct schema_key *key_of(const struct node *group, const char *key)
{
    return group->pattern != NULL ? schema_find(group->pattern, key) : NULL;
}

const char *build_text(struct build *build, const struct node *group, const char *key)
{
    const struct node *node = build_node(group, key);
    const struct schema_key *schema = key_of(group, key);
    if (node != NULL)
        return build_copy(build, node->text);
    return schema != NULL ? schema->fallback : NULL;
}

int64_t build_number(const struct node *group, const char *key)
{
    const struct node *node = build_node(group, key);
    const struct schema_key *schema = key_of(group, key);
    int64_t number = 0;
    if (node != NULL)
        return node->number;
    if (schema != NULL && schema->fallback != NULL)
        schema_number(schema, schema->fallback, &number);
    return number;
}

int64_t build_number_or(const struct node *group, const char *key, int64_t fallback)
{
    const struct node *node = build_node(group, key);
    return node != NULL ? node->number : fallback;
}

bool build_boolean(const struct node *group, const char *key, bool fallback)
{
    const struct node *node = build_node(group, key);
    return node != NULL ? node->number != 0 : fallback;
}

const char *build_path(struct build *build, const struct node *group, const char *key)
{
    const struct node *node = build_node(group, key);
    const struct schema_key *schema = key_of(group, key);
    const char *base = node != NULL ? node->source->path : build->tree->root->source->path;
    const char *text = node != NULL ? node->text : schema != NULL ? schema->fallback : NULL;
    if (text == NULL)
        return NULL;
    char *path = file_resolve(base, text);
    if (path == NULL) {
        build->no_memory = true;
        return "";
    }
    const char *copy = build_copy(build, path);
    free(path);
    return copy;
}

const char **build_texts(struct build *build, const struct node *group, const char *key,
                         size_t *count_out)
{
    const struct node *node = build_node(group, key);
    *count_out = 0;
    if (node == NULL || node->n_children == 0)
        return NULL;
    const char **texts = build_array(build, node->n_children, sizeof(*texts));
    for (const struct node *item = node->first; texts != NULL && item != NULL; item = item->next)
        if (!item->bad)
            texts[(*count_out)++] = build_copy(build, item->text);
    return texts;
}

struct network *build_networks(struct build *build, const struct node *group, const char *key,
                               size_t *count_out)
{
    const struct node *node = build_node(group, key);
    *count_out = 0;
    if (node == NULL || node->first == NULL)
        return NULL;
    struct network *networks = build_array(build, node->n_children, sizeof(*networks));
    for (struct node *item = node->first; networks != NULL && item != NULL; item = item->next) {
        struct error why = {0};
        if (item->bad)
            continue;
        if (network_parse(item->text, &networks[*count_out], &why))
            (*count_out)++;
        else
            node_problem(build->problems, item, "%s", why.text);
    }
    return networks;
}

void build_refuse(struct build *build, const struct node *group, const char *const *keys,
                  const char *why)
{
    for (; *keys != NULL; keys++) {
        struct node *node = build_node(group, *keys);
        if (node != NULL)
            node_problem(build->problems, node, "is not used when %s", why);
    }
}

const char *build_secret_file(struct build *build, struct node *node, const char *path)
{
    struct error why = {0};
    struct strbuf secret = {0};
    const char *copy = NULL;
    if (file_read_secret(path, &secret, &why) != RESULT_OK)
        node_problem(build->problems, node, "%s", why.text);
    else if (strlen(secret.data) != strcspn(secret.data, "\r\n") ||
             strlen(secret.data) != secret.length)
        node_problem(build->problems, node, "%s holds a NUL byte", path);
    else
        copy = build_copy(build, secret.data);
    if (secret.data != NULL)
        wipe(secret.data, secret.length);
    strbuf_free(&secret);
    return copy;
}

const char *build_secret(struct build *build, const struct node *group, const char *key,
                         const char *file_key)
{
    struct node *inside = build_node(group, key);
    struct node *beside = build_node(group, file_key);
    struct error why = {0};
    if (inside != NULL && beside != NULL) {
        node_problem(build->problems, beside, "stands beside %s (%s:%d): only one of them can hold",
                     key, inside->source->path, inside->line);
        return NULL;
    }
    if (beside != NULL) {
        const char *path = build_path(build, group, file_key);
        return path != NULL ? build_secret_file(build, beside, path) : NULL;
    }
    if (inside == NULL)
        return NULL;
    if (file_check_private(inside->source->path, &why) != RESULT_OK)
        node_problem(build->problems, inside, "%s", why.text);
    return build_copy(build, inside->text);
}
