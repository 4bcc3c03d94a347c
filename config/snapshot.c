/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot: one arena that holds the struct config and all it points to, counted. Nothing in
 * it changes after config_load, so readers need no lock; the last reference wipes the secrets and
 * frees the arena.
 */
#include "base/crypto.h"
#include "base/file.h"
#include "base/str.h"
#include "config/build.h"
#include "config/checks.h"
#include "config/network.h"
#include "policy/phone.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SNAPSHOT_CAP ((size_t)1024 * 1024 * 1024)
#define THREADS_MAX  64

struct snapshot {
    struct config config; /* first: a struct config * is a struct snapshot * */
    atomic_uint references;
    struct arena *arena; /* owned; this very struct lies in it */
};

/* The arena's own copy, reached through the pointer everybody else reads by. */
static void wipe_text(const char *text)
{
    if (text != NULL)
        wipe((char *)text, strlen(text));
}

static void snapshot_free(struct snapshot *snapshot)
{
    struct arena *arena = snapshot->arena;
    const struct config *config = &snapshot->config;
    for (size_t i = 0; i < config->n_providers; i++) {
        const struct provider_config *provider = &config->providers[i];
        wipe_text(provider->password);
        for (size_t j = 0; j < provider->n_settings; j++)
            wipe_text(provider->settings[j].value);
    }
    for (size_t i = 0; i < config->n_accounts; i++)
        wipe_text(config->accounts[i].application_secret);
    for (size_t i = 0; i < config->n_notices; i++) {
        wipe(config->notices[i].secret, sizeof(config->notices[i].secret));
        wipe(config->notices[i].address_key, sizeof(config->notices[i].address_key));
    }
    arena_free(&arena);
}

struct config *config_ref(struct config *config)
{
    struct snapshot *snapshot = (struct snapshot *)config;
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return config;
}

void config_unref(struct config **config)
{
    struct snapshot *snapshot = (struct snapshot *)*config;
    *config = NULL;
    /* The last one must see all that the others did before they let go. */
    if (snapshot != NULL &&
        atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) == 1)
        snapshot_free(snapshot);
}

/* ---- loading ---- */

static unsigned resolve_threads(int64_t threads)
{
    if (threads > 0)
        return (unsigned)threads;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (unsigned)cores;
}

/* A key that exists must be private; one that does not is for whoever needs it to report, since
 * `init` writes the configuration first and a check on another machine has no keys. */
static void check_key_file(struct build *build, const char *key, const char *path)
{
    struct node *root = build->tree->root;
    struct node *node = node_child(root, key);
    struct error why = {0};
    if (path == NULL || (node != NULL && node->bad) || !file_exists(path) ||
        file_check_private(path, &why) == RESULT_OK)
        return;
    if (node != NULL)
        node_problem(build->problems, node, "%s", why.text);
    else
        node_key_problem(build->problems, root, key, "%s", why.text);
}

static void take_files(struct build *build)
{
    struct config *config = build->config;
    config->files = build_array(build, (size_t)build->tree->n_sources, sizeof(*config->files));
    for (const struct source *source = build->tree->first_source;
         config->files != NULL && source != NULL; source = source->next)
        config->files[config->n_files++] = build_copy(build, source->path);
}

static void build_top(struct build *build, const char *path)
{
    struct config *config = build->config;
    const struct node *root = build->tree->root;
    static const struct node no_journal = {.type = NODE_GROUP, .pattern = "journal"};
    static const struct node no_controller = {.type = NODE_GROUP, .pattern = "controller"};
    const struct node *journal = node_child(root, "journal");
    const struct node *controller = node_child(root, "controller");
    if (journal == NULL || journal->type != NODE_GROUP)
        journal = &no_journal;
    if (controller == NULL || controller->type != NODE_GROUP)
        controller = &no_controller;
    char host[URL_HOST_MAX + 1];
    bool secure = false;
    struct node *hostname = build_node(root, "hostname");
    struct node *url = build_node(root, "public_url");
    struct node *region = build_node(root, "region");
    config->file = build_copy(build, path);
    take_files(build);
    memcpy(config->sha256, build->tree->sha256, sizeof(config->sha256));
    memcpy(config->version, build->tree->version, sizeof(config->version));
    config->hostname = build_text(build, root, "hostname");
    config->public_url = build_text(build, root, "public_url");
    config->controller_name = build_text(build, controller, "name");
    config->controller_contact = build_text(build, controller, "contact");
    config->state_dir = build_path(build, root, "state_dir");
    config->registry = build_text(build, root, "registry");
    config->region = build_text(build, root, "region");
    config->recipient_key_file = build_path(build, root, "recipient_key_file");
    config->journal_key_file = build_path(build, root, "journal_key_file");
    config->seal_key_file = build_path(build, root, "seal_key_file");
    config->threads = resolve_threads(build_number(root, "threads"));
    config->drain_timeout = build_number(root, "drain_timeout");
    config->journal.segment_size = (uint64_t)build_number(journal, "segment_size");
    config->journal.checkpoint_every = build_number(journal, "checkpoint_every");
    if (hostname != NULL && !host_name_valid(hostname->text))
        node_problem(build->problems, hostname, "\"%s\" is no host name", hostname->text);
    if (url != NULL && url->text[0] != '\0' && !url_parse(url->text, false, &secure, host))
        node_problem(build->problems, url,
                     "is no address such as \"https://gate.example.fr\" (without a login)");
    if (region != NULL && !phone_region_known(region->text))
        node_problem(build->problems, region, "\"%s\" is no region such as \"FR\"", region->text);
    check_key_file(build, "recipient_key_file", config->recipient_key_file);
    check_key_file(build, "journal_key_file", config->journal_key_file);
    check_key_file(build, "seal_key_file", config->seal_key_file);
}

static struct snapshot *snapshot_new(void)
{
    struct arena *arena = arena_new(SNAPSHOT_CAP);
    struct snapshot *snapshot = arena != NULL ? arena_alloc(arena, sizeof(*snapshot)) : NULL;
    if (snapshot == NULL) {
        arena_free(&arena);
        return NULL;
    }
    snapshot->arena = arena;
    atomic_init(&snapshot->references, 1);
    return snapshot;
}

static enum result make_snapshot(const char *path, struct tree *tree, struct problems *problems,
                                 struct snapshot **snapshot_out, struct error *err)
{
    struct snapshot *snapshot = snapshot_new();
    *snapshot_out = snapshot;
    if (snapshot == NULL || schema_check(tree, problems) != RESULT_OK)
        return error_no_memory(err);
    struct build build = {
        .arena = snapshot->arena, .config = &snapshot->config, .problems = problems, .tree = tree};
    build_top(&build, path);
    build_listeners(&build);
    build_providers(&build);
    build_partners(&build);
    build_policies(&build);
    build_retention(&build);
    build_alerts(&build);
    build_console(&build);
    return build.no_memory ? error_no_memory(err) : RESULT_OK;
}

/* What every command needs to find the gateway's files. */
static bool has_essentials(const struct config *config)
{
    return config->state_dir != NULL && config->recipient_key_file != NULL &&
           config->journal_key_file != NULL && config->region != NULL &&
           phone_region_known(config->region);
}

static enum result load(const char *path, bool essentials_do, config_problem_fn *on_problem,
                        void *arg, struct config **config_out, size_t *problems_out,
                        struct error *err)
{
    struct tree tree = {0};
    struct problems problems = {0};
    struct snapshot *snapshot = NULL;
    *config_out = NULL;
    enum result result = tree_read(path, &tree, &problems, err);
    if (result == RESULT_OK)
        result = make_snapshot(path, &tree, &problems, &snapshot, err);
    if (result == RESULT_OK && problems.no_memory)
        result = error_no_memory(err);
    bool usable = result == RESULT_OK &&
                  (problems.count == 0 || (essentials_do && has_essentials(&snapshot->config)));
    if (problems.count > 0 && !usable && (result == RESULT_OK || result == RESULT_BAD_INPUT))
        result = error_set(err, RESULT_BAD_INPUT, "%s: %zu error%s", path, problems.count,
                           problems.count == 1 ? "" : "s");
    if (!usable && on_problem != NULL)
        problems_report(&problems, on_problem, arg);
    *problems_out = problems.count;
    problems_free(&problems);
    tree_free(&tree);
    if (usable)
        *config_out = &snapshot->config;
    else if (snapshot != NULL)
        snapshot_free(snapshot);
    return result;
}

enum result config_load(const char *path, config_problem_fn *on_problem, void *arg,
                        struct config **config_out, struct error *err)
{
    size_t problems;
    return load(path, false, on_problem, arg, config_out, &problems, err);
}

enum result config_load_essentials(const char *path, config_problem_fn *on_problem, void *arg,
                                   struct config **config_out, size_t *problems_out,
                                   struct error *err)
{
    return load(path, true, on_problem, arg, config_out, problems_out, err);
}

/* ---- looking things up ---- */

static int compare_account(const void *name, const void *account)
{
    return strcmp(name, ((const struct account_config *)account)->name);
}

const struct account_config *config_account(const struct config *config, const char *name)
{
    if (config->n_accounts == 0)
        return NULL;
    return bsearch(name, config->accounts, config->n_accounts, sizeof(config->accounts[0]),
                   compare_account);
}

static int compare_application(const void *key, const void *application)
{
    const struct account_config *const *account = application;
    return strcmp(key, (*account)->application_key);
}

const struct account_config *config_account_by_application_key(const struct config *config,
                                                               const char *key)
{
    if (config->n_applications == 0)
        return NULL;
    const struct account_config *const *found =
        bsearch(key, config->applications, config->n_applications, sizeof(config->applications[0]),
                compare_application);
    return found != NULL ? *found : NULL;
}

const struct listener_config *config_listener(const struct config *config, const char *bind_text)
{
    for (size_t i = 0; i < config->n_listeners; i++)
        if (strcmp(config->listeners[i].bind, bind_text) == 0)
            return &config->listeners[i];
    return NULL;
}

const struct provider_config *config_provider(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_providers; i++)
        if (strcmp(config->providers[i].name, name) == 0)
            return &config->providers[i];
    return NULL;
}

const struct partner *config_partner(const struct config *config, const char *id)
{
    for (size_t i = 0; i < config->n_partners; i++)
        if (strcmp(config->partners[i].id, id) == 0)
            return &config->partners[i];
    return NULL;
}

bool config_has_stream(const struct config *config, const char *id)
{
    for (size_t i = 0; i < config->n_streams; i++) {
        const struct stream *stream = &config->streams[i].terms;
        size_t length = strlen(stream->partner->id);
        if (strncmp(id, stream->partner->id, length) == 0 && id[length] == '/' &&
            strcmp(id + length + 1, stream->id) == 0)
            return true;
    }
    return false;
}

bool config_needs_seal(const struct config *config, char *key_out, size_t size)
{
    for (size_t i = 0; i < config->n_streams; i++) {
        const struct stream *stream = &config->streams[i].terms;
        if (!stream_adds_unsubscribe(stream))
            continue;
        snprintf(key_out, size, "partners.%s.streams.%s.unsubscribe", stream->partner->id,
                 stream->id);
        return true;
    }
    for (size_t i = 0; i < config->n_notices; i++) {
        if (config->notices[i].address != NOTICE_SEALED)
            continue;
        snprintf(key_out, size, "partners.%s.notices", config->notices[i].partner->id);
        return true;
    }
    return false;
}

const struct notices_config *config_notices(const struct config *config, const char *partner)
{
    for (size_t i = 0; i < config->n_notices; i++)
        if (strcmp(config->notices[i].partner->id, partner) == 0)
            return &config->notices[i];
    return NULL;
}

const char *config_protocol_name(enum protocol protocol)
{
    static const char *const names[] = {
        [PROTOCOL_SMTP] = "smtp", [PROTOCOL_SMPP] = "smpp", [PROTOCOL_HTTP] = "http"};
    return names[protocol];
}

const char *config_adapter_name(enum adapter_kind adapter)
{
    static const char *const names[] = {
        [ADAPTER_SMTP] = "smtp", [ADAPTER_ESMTP] = "esmtp", [ADAPTER_CAPTURE] = "capture",
        [ADAPTER_SMPP] = "smpp", [ADAPTER_HTTP] = "http",
    };
    return names[adapter];
}

bool listener_trusts(const struct listener_config *listener, const struct sockaddr *peer)
{
    for (size_t i = 0; i < listener->n_trusted; i++)
        if (network_holds_peer(&listener->trusted[i], peer))
            return true;
    return false;
}

bool account_logs_in(const struct account_config *account)
{
    return account->password != NULL || account->application_key != NULL;
}

bool account_admits(const struct account_config *account, const struct sockaddr *peer,
                    const char *fingerprint)
{
    if (account->certificate_sha256 != NULL &&
        (fingerprint == NULL || strcmp(account->certificate_sha256, fingerprint) != 0))
        return false;
    for (size_t i = 0; i < account->n_networks; i++)
        if (network_holds_peer(&account->networks[i], peer))
            return true;
    return account->n_networks == 0;
}

const struct account_config *config_account_of_peer(const struct config *config,
                                                    const struct sockaddr *peer,
                                                    const char *fingerprint)
{
    const struct account_config *best = NULL;
    int best_rank = 0;
    for (size_t i = 0; i < config->n_accounts; i++) {
        const struct account_config *account = &config->accounts[i];
        int rank = (account->certificate_sha256 != NULL ? 2 : 0) + (account->n_networks > 0);
        /* No two accounts of one rank admit the same peer: the load has refused that. */
        if (!account_logs_in(account) && rank > best_rank &&
            account_admits(account, peer, fingerprint)) {
            best = account;
            best_rank = rank;
        }
    }
    return best;
}
