/* SPDX-License-Identifier: Apache-2.0 */
#include "config/tree.h"

#include "base/crypto.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PATH_TEXT 512

struct node *node_child(const struct node *group, const char *name)
{
    for (struct node *child = group->first; child != NULL; child = child->next)
        if (child->name != NULL && strcmp(child->name, name) == 0)
            return child;
    return NULL;
}

struct node *node_new(struct tree *tree, struct node *parent, const char *name, enum node_type type,
                      const struct source *source, int line)
{
    struct node *node = arena_alloc(tree->arena, sizeof(*node));
    if (node == NULL)
        return NULL;
    if (name != NULL && (node->name = arena_str(tree->arena, name)) == NULL)
        return NULL;
    node->type = type;
    node->source = source;
    node->line = line;
    node->parent = parent;
    if (parent == NULL)
        return node;
    if (parent->last != NULL)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    parent->n_children++;
    return node;
}

void node_path(const struct node *node, char *out, size_t size)
{
    /* From the leaf up, so that what is cut of an absurd path is its far end. */
    char path[PATH_TEXT];
    size_t at = sizeof(path) - 1;
    path[at] = '\0';
    for (; node != NULL; node = node->parent) {
        if (node->name == NULL)
            continue;
        size_t length = strlen(node->name);
        bool dot = path[at] != '\0';
        if (length + dot > at)
            break;
        if (dot)
            path[--at] = '.';
        at -= length;
        memcpy(path + at, node->name, length);
    }
    str_copy(out, size, path + at);
}

void node_problem(struct problems *problems, struct node *node, const char *format, ...)
{
    char path[PATH_TEXT];
    char text[PATH_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    node_path(node, path, sizeof(path));
    node->bad = true;
    problem_add(problems, node->source, node->line, "%s: %s", path, text);
}

void node_key_problem(struct problems *problems, const struct node *group, const char *key,
                      const char *format, ...)
{
    char path[PATH_TEXT];
    char text[PATH_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    node_path(group, path, sizeof(path));
    problem_add(problems, group->source, group->line, "%s%s%s: %s", path,
                path[0] != '\0' ? "." : "", key, text);
}

static void wipe_texts(struct node *node)
{
    if (node->text != NULL)
        wipe(node->text, node->text_length);
    for (struct node *child = node->first; child != NULL; child = child->next)
        wipe_texts(child);
}

void tree_free(struct tree *tree)
{
    if (tree->root != NULL)
        wipe_texts(tree->root);
    arena_free(&tree->arena);
    *tree = (struct tree){0};
}
