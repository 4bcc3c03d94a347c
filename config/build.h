/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the checked tree to the structs of config.h. Each builder takes what the schema left good,
 * adds the findings that need more than one key or a look at a file, and goes on: all findings are
 * wanted, so a bad value becomes its zero and the snapshot is thrown away at the end.
 */
#ifndef OCTROI_CONFIG_BUILD_H
#define OCTROI_CONFIG_BUILD_H

#include "config/schema.h"

struct build {
    struct arena *arena;       /* the snapshot's; all it points to lies there */
    struct config *config;     /* in the arena */
    struct problems *problems; /* borrowed */
    const struct tree *tree;   /* borrowed */
    bool no_memory;            /* one check at the end instead of one at each text */
};

void build_listeners(struct build *build);
void build_providers(struct build *build);
/* After the providers. */
void build_partners(struct build *build);
/* Of one partner, if it has any; config->notices has room. */
void build_notices(struct build *build, const struct node *partner_group,
                   const struct partner *partner);
void build_policies(struct build *build);
/* After the providers. */
void build_alerts(struct build *build);
/* After the listeners. */
void build_console(struct build *build);
/* After the policies. */
void build_retention(struct build *build);

/* The members of the root's group `name`; an empty group when it is not there. */
const struct node *build_group(const struct build *build, const struct node *parent,
                               const char *name);
/* Zeroed; NULL sets no_memory. */
void *build_array(struct build *build, size_t count, size_t size);
const char *build_copy(struct build *build, const char *text);

/* The node of a key when it is there and good, else NULL. */
struct node *build_node(const struct node *group, const char *key);
/* The value of a key, else its fallback (NULL or 0 when it has none). */
const char *build_text(struct build *build, const struct node *group, const char *key);
int64_t build_number(const struct node *group, const char *key);
/* The same with a fallback that depends on more than the key. */
int64_t build_number_or(const struct node *group, const char *key, int64_t fallback);
bool build_boolean(const struct node *group, const char *key, bool fallback);
/* A path, relative to the file that names it; its fallback is relative to the main file. */
const char *build_path(struct build *build, const struct node *group, const char *key);
/* The good texts of a list; count_out 0 when there is none. */
const char **build_texts(struct build *build, const struct node *group, const char *key,
                         size_t *count_out);
/* The networks of a list; NULL, and count_out 0, when there is none. A bad one is a finding. */
struct network *build_networks(struct build *build, const struct node *group, const char *key,
                               size_t *count_out);

/* Keys (ended by NULL) that mean nothing here are findings: who wrote them believes in them. */
void build_refuse(struct build *build, const struct node *group, const char *const *keys,
                  const char *why);
/* The secret that stands in the file under key, or in the file that file_key names; NULL: none, or
 * a finding. To be wiped with the snapshot. */
const char *build_secret(struct build *build, const struct node *group, const char *key,
                         const char *file_key);
/* The first line of a file that others may not read; NULL: a finding at node. */
const char *build_secret_file(struct build *build, struct node *node, const char *path);

#endif
