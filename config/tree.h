/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration as written: one tree over all files, in which every node knows its file and
 * line. Groups of several files merge; a value that stands twice is a finding that names both
 * places. Knows nothing of what the keys mean. libconfig is used in tree_read.c and nowhere else.
 */
#ifndef OCTROI_CONFIG_TREE_H
#define OCTROI_CONFIG_TREE_H

#include "base/arena.h"
#include "config/problem.h"

enum node_type { NODE_GROUP, NODE_LIST, NODE_TEXT, NODE_NUMBER, NODE_BOOLEAN, NODE_FRACTION };

struct node {
    struct node *parent; /* NULL: the root */
    struct node *next;   /* the next child of the same parent */
    struct node *first;
    struct node *last;
    size_t n_children;
    const char *name; /* NULL: the root, or an element of a list */
    const struct source *source;
    int line;
    enum node_type type;
    char *text; /* NODE_TEXT; wiped with the tree, since it may be a secret */
    size_t text_length;
    /* NODE_NUMBER and NODE_BOOLEAN; the check of a text that stands for a number (a size, a time,
     * a word of a choice) puts its meaning here. */
    int64_t number;
    const char *pattern; /* of a group, set by schema_check: "listeners.*" */
    bool bad;            /* a finding was made: what builds on it keeps quiet */
};

struct tree {
    struct arena *arena; /* owned: nodes, sources and their texts */
    struct node *root;
    struct source *first_source;
    struct source *last_source;
    int n_sources;
    char sha256[65];  /* hex, over the bytes of all files */
    char version[13]; /* its first 12 digits */
};

/* Reads path and all it includes. RESULT_OK although findings were made, as long as every file
 * follows the syntax; RESULT_BAD_INPUT after the first syntax error, which is a finding too; what
 * open gave when path itself cannot be read, then without a finding. The tree is to be freed in
 * every case. */
enum result tree_read(const char *path, struct tree *tree, struct problems *problems,
                      struct error *err);
void tree_free(struct tree *tree);

struct node *node_child(const struct node *group, const char *name);
/* A finding at node: "path.of.node: text". */
void node_problem(struct problems *problems, struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a key that group should have: "path.of.group.key: text". */
void node_key_problem(struct problems *problems, const struct node *group, const char *key,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Used by tree_read.c: a new child at the end of parent (NULL: a root). NULL: no memory. */
struct node *node_new(struct tree *tree, struct node *parent, const char *name, enum node_type type,
                      const struct source *source, int line);
/* "listeners.submission.bind"; an element of a list has the list's path. Cut when too long. */
void node_path(const struct node *node, char *out, size_t size);

#endif
