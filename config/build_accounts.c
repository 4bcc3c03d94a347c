/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts: who a client is must never be a guess, so two accounts that one client could meet
 * equally well are refused here, where both can be named.
 */
#include "config/build_accounts.h"

#include "base/str.h"
#include "config/checks.h"
#include "config/network.h"

#include <stdlib.h>
#include <string.h>

#define FINGERPRINT_DIGITS 64

struct entry {
    struct account_config account;
    struct node *node; /* borrowed */
};

struct entries {
    struct entry *items; /* owned */
    size_t count;
    size_t capacity;
};

static const char *build_fingerprint(struct build *build, const struct node *group)
{
    char digits[FINGERPRINT_DIGITS + 1];
    uint8_t bytes[FINGERPRINT_DIGITS / 2];
    size_t count = 0;
    struct node *node = build_node(group, "certificate_sha256");
    if (node == NULL)
        return NULL;
    for (const char *at = node->text; *at != '\0' && count <= FINGERPRINT_DIGITS; at++)
        if (*at != ':' && count++ < FINGERPRINT_DIGITS)
            digits[count - 1] = *at;
    if (count != FINGERPRINT_DIGITS || !hex_decode(digits, count, bytes, sizeof(bytes))) {
        node_problem(build->problems, node, "is no SHA-256: 64 hexadecimal digits");
        return NULL;
    }
    hex_encode(bytes, sizeof(bytes), digits);
    return build_copy(build, digits);
}

static void build_account(struct build *build, struct node *group,
                          const struct stream_config *stream, struct entry *out)
{
    struct node *password = build_node(group, "password");
    *out = (struct entry){.node = group};
    out->account.name = build_copy(build, group->name);
    out->account.stream = stream;
    if (password != NULL && crypt_hash_valid(password->text))
        out->account.password = build_copy(build, password->text);
    else if (password != NULL)
        node_problem(build->problems, password,
                     "is no password hash: `octroi password` makes one (\"$y$…\")");
    out->account.networks = build_networks(build, group, "networks", &out->account.n_networks);
    out->account.certificate_sha256 = build_fingerprint(build, group);
    if (node_child(group, "password") == NULL && node_child(group, "networks") == NULL &&
        node_child(group, "certificate_sha256") == NULL)
        node_problem(build->problems, group,
                     "has no condition: password, networks or certificate_sha256");
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    int order = strcmp(a->account.name, b->account.name);
    if (order != 0)
        return order;
    /* Of two equal names the later one is told that it is taken. */
    if (a->node->source != b->node->source)
        return a->node->source->order < b->node->source->order ? -1 : 1;
    return a->node->line < b->node->line ? -1 : a->node->line > b->node->line;
}

static void check_names(struct build *build, struct entries *entries)
{
    for (size_t i = 1; i < entries->count; i++) {
        const struct node *first = entries->items[i - 1].node;
        struct node *second = entries->items[i].node;
        if (strcmp(first->name, second->name) == 0)
            node_problem(build->problems, second,
                         "the account name is already used at %s:%d (one name, one account in the "
                         "gateway)",
                         first->source->path, first->line);
    }
}

/* Whether a client could meet both equally well. What has a password is chosen by its login, and
 * of a certificate with and without a network the closer description wins. */
static bool ambiguous(const struct account_config *a, const struct account_config *b)
{
    if (a->certificate_sha256 == NULL
            ? b->certificate_sha256 != NULL
            : b->certificate_sha256 == NULL || strcmp(a->certificate_sha256, b->certificate_sha256))
        return false;
    if (a->n_networks == 0 && b->n_networks == 0)
        return a->certificate_sha256 != NULL;
    for (size_t i = 0; i < a->n_networks; i++)
        for (size_t j = 0; j < b->n_networks; j++)
            if (networks_overlap(&a->networks[i], &b->networks[j]))
                return true;
    return false;
}

static bool later(const struct node *a, const struct node *b)
{
    return a->source != b->source ? a->source->order > b->source->order : a->line > b->line;
}

static void check_overlaps(struct build *build, struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        struct entry *a = &entries->items[i];
        if (node_child(a->node, "password") != NULL)
            continue;
        for (size_t j = i + 1; j < entries->count; j++) {
            struct entry *b = &entries->items[j];
            if (node_child(b->node, "password") != NULL || !ambiguous(&a->account, &b->account))
                continue;
            struct node *second = later(a->node, b->node) ? a->node : b->node;
            const struct node *first = second == a->node ? b->node : a->node;
            node_problem(build->problems, second, "%s account %s (%s:%d)",
                         a->account.n_networks > 0 ? "its networks overlap those of"
                                                   : "has the same certificate as",
                         first->name, first->source->path, first->line);
        }
    }
}

static bool collect(struct build *build, const struct node *accounts,
                    const struct stream_config *stream, struct entries *entries)
{
    for (struct node *group = accounts->first; group != NULL; group = group->next) {
        if (group->type != NODE_GROUP)
            continue;
        if (entries->count == entries->capacity) {
            size_t capacity = entries->capacity ? entries->capacity * 2 : 32;
            struct entry *items = reallocarray(entries->items, capacity, sizeof(*items));
            if (items == NULL)
                return false;
            entries->items = items;
            entries->capacity = capacity;
        }
        build_account(build, group, stream, &entries->items[entries->count++]);
    }
    return true;
}

void build_accounts(struct build *build, const struct node *partners)
{
    struct config *config = build->config;
    struct entries entries = {0};
    size_t index = 0;
    bool room = true;
    for (const struct node *group = partners->first; group != NULL; group = group->next) {
        if (group->type != NODE_GROUP)
            continue;
        const struct node *streams = build_group(build, group, "streams");
        for (const struct node *stream = streams->first; stream; stream = stream->next)
            if (stream->type == NODE_GROUP)
                room = room && collect(build, build_group(build, stream, "accounts"),
                                       &config->streams[index++], &entries);
    }
    config->accounts = build_array(build, entries.count, sizeof(*config->accounts));
    if (!room || config->accounts == NULL) {
        build->no_memory = true;
    } else if (entries.count > 0) {
        qsort(entries.items, entries.count, sizeof(entries.items[0]), compare);
        check_names(build, &entries);
        check_overlaps(build, &entries);
        for (size_t i = 0; i < entries.count; i++)
            config->accounts[config->n_accounts++] = entries.items[i].account;
    }
    free(entries.items);
}
