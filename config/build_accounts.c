/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts: who a client is must never be a guess, so two accounts that one client could meet
 * equally well are refused here, where both can be named.
 */
#include "config/build_accounts.h"

#include "base/crypto.h"
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

/* The three keys that sign a request in the OVHcloud shape are of use together only. */
static void build_application(struct build *build, struct node *group, struct account_config *out)
{
    static const char together[] =
        "is missing (application_key, application_secret and consumer_key go together)";
    bool key = node_child(group, "application_key") != NULL;
    bool secret = node_child(group, "application_secret") != NULL ||
                  node_child(group, "application_secret_file") != NULL;
    bool consumer = node_child(group, "consumer_key") != NULL;
    out->application_key = build_text(build, group, "application_key");
    out->application_secret =
        build_secret(build, group, "application_secret", "application_secret_file");
    out->consumer_key = build_text(build, group, "consumer_key");
    if (!key && (secret || consumer))
        node_key_problem(build->problems, group, "application_key", together);
    if (!secret && (key || consumer))
        node_key_problem(build->problems, group, "application_secret", together);
    if (!consumer && (key || secret))
        node_key_problem(build->problems, group, "consumer_key", together);
}

static void build_report_url(struct build *build, const struct node *group,
                             const struct stream_config *stream, struct account_config *out)
{
    char host[URL_HOST_MAX + 1];
    bool secure = false;
    struct node *node = build_node(group, "report_url");
    out->report_url = build_text(build, group, "report_url");
    if (node != NULL && !url_parse(node->text, true, &secure, host))
        node_problem(build->problems, node,
                     "is no address such as \"https://acme.example/reports\" (without a login)");
    else if (node != NULL && !secure && !host_is_loopback(host) &&
             stream->terms.channel == CHANNEL_SMS &&
             build_node(group->parent->parent, "channel") != NULL)
        node_problem(build->problems, node,
                     "is http://, and %s is another machine: numbers and texts would cross the "
                     "network in clear",
                     host);
}

/* What an account of SMS may have, and what others may not. */
static void check_sms(struct build *build, struct node *group, const struct stream_config *stream)
{
    static const char *const keys[] = {"application_key", "application_secret",
                                       "application_secret_file", "consumer_key", "report_url"};
    const struct config *config = build->config;
    const struct node *stream_group = group->parent->parent;
    if (build_node(stream_group, "channel") == NULL)
        return; /* that is missing or wrong, and was said */
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct node *node = build_node(group, keys[i]);
        if (node != NULL && stream->terms.channel != CHANNEL_SMS)
            node_problem(build->problems, node, "is for sms only");
    }
    if (stream->terms.channel != CHANNEL_SMS || node_child(group, "password") == NULL ||
        strlen(group->name) <= SMPP_SYSTEM_ID_LENGTH)
        return;
    for (size_t i = 0; i < config->n_listeners; i++)
        if (config->listeners[i].protocol == PROTOCOL_SMPP) {
            node_problem(build->problems, group,
                         "the name has more than the %d characters that SMPP has room for "
                         "(listeners.%s), so nobody could log in by it",
                         SMPP_SYSTEM_ID_LENGTH, config->listeners[i].name);
            return;
        }
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
    build_application(build, group, &out->account);
    build_report_url(build, group, stream, &out->account);
    check_sms(build, group, stream);
    if (node_child(group, "password") == NULL && node_child(group, "networks") == NULL &&
        node_child(group, "certificate_sha256") == NULL &&
        node_child(group, "application_key") == NULL)
        node_problem(build->problems, group,
                     "has no condition: password, networks, certificate_sha256 or "
                     "application_key");
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

/* Whether a client could meet both equally well. What has a login is chosen by it, and of a
 * certificate with and without a network the closer description wins. */
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

/* Also with a bad password, which was found: nothing is to be said of a guess. */
static bool logs_in(const struct node *account)
{
    return node_child(account, "password") != NULL ||
           node_child(account, "application_key") != NULL;
}

static void check_overlaps(struct build *build, struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        struct entry *a = &entries->items[i];
        if (logs_in(a->node))
            continue;
        for (size_t j = i + 1; j < entries->count; j++) {
            struct entry *b = &entries->items[j];
            if (logs_in(b->node) || !ambiguous(&a->account, &b->account))
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

static int compare_keys(const void *left, const void *right)
{
    const struct entry *const *a = left;
    const struct entry *const *b = right;
    int order = strcmp((*a)->account.application_key, (*b)->account.application_key);
    if (order != 0)
        return order;
    return later((*a)->node, (*b)->node) - later((*b)->node, (*a)->node);
}

/* The accounts in order of their application keys, each of which is there once. config->accounts
 * stands in the order of entries. */
static void build_applications(struct build *build, const struct entries *entries)
{
    struct config *config = build->config;
    size_t count = 0;
    const struct entry **sorted = calloc(entries->count, sizeof(struct entry *));
    config->applications = build_array(build, entries->count, sizeof(*config->applications));
    if (sorted == NULL || config->applications == NULL) {
        build->no_memory = true;
        free(sorted);
        return;
    }
    for (size_t i = 0; i < entries->count; i++)
        if (entries->items[i].account.application_key != NULL)
            sorted[count++] = &entries->items[i];
    qsort(sorted, count, sizeof(struct entry *), compare_keys);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 &&
            strcmp(sorted[i - 1]->account.application_key, sorted[i]->account.application_key) == 0)
            node_problem(build->problems, build_node(sorted[i]->node, "application_key"),
                         "is already that of account %s (%s:%d)", sorted[i - 1]->node->name,
                         sorted[i - 1]->node->source->path, sorted[i - 1]->node->line);
        config->applications[config->n_applications++] =
            &config->accounts[sorted[i] - entries->items];
    }
    free(sorted);
}

/* Accounts that did not make it into the snapshot, which wipes its own. */
static void wipe_secrets(const struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        char *secret = (char *)entries->items[i].account.application_secret;
        if (secret != NULL)
            wipe(secret, strlen(secret));
    }
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
        wipe_secrets(&entries);
    } else if (entries.count > 0) {
        qsort(entries.items, entries.count, sizeof(entries.items[0]), compare);
        check_names(build, &entries);
        check_overlaps(build, &entries);
        for (size_t i = 0; i < entries.count; i++)
            config->accounts[config->n_accounts++] = entries.items[i].account;
        build_applications(build, &entries);
    }
    free(entries.items);
}
