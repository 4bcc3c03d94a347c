/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi init`: a gateway that works as it is. Looks first, then makes: nothing that exists is
 * overwritten, and when a step fails what was made before it is taken away again.
 */
#include "base/file.h"
#include "base/seal.h"
#include "cli/context.h"
#include "cli/options.h"
#include "config/template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum part {
    PART_ROOT,
    PART_KEYS,
    PART_STATE,
    PART_RECIPIENT_KEY,
    PART_JOURNAL_KEY,
    PART_JOURNAL_PUB,
    PART_SEAL_KEY,
    PART_CONFIG,
    PART_REGISTRY,
    PART_JOURNAL,
    PART_COUNT
};

static const struct {
    const char *name;
    const char *what;
} parts[PART_COUNT] = {
    [PART_ROOT] = {"", "the gateway"},
    [PART_KEYS] = {"keys", "keys, for the service user only"},
    [PART_STATE] = {"state", "registry and journal"},
    [PART_RECIPIENT_KEY] = {"keys/recipient.key", "turns addresses into keys: back it up, apart"},
    [PART_JOURNAL_KEY] = {"keys/journal.key", "signs the journal's checkpoints"},
    [PART_JOURNAL_PUB] = {"keys/journal.pub", "verifies them: give a copy to your auditor"},
    [PART_SEAL_KEY] = {"keys/seal.key", "seals the addresses in links: back it up, apart"},
    [PART_CONFIG] = {"octroi.conf", "the configuration"},
    [PART_REGISTRY] = {"state/registry.db", "forms, consent events, suspensions: empty"},
    [PART_JOURNAL] = {"state/journal", "every decision: empty"}};

struct setup {
    char *paths[PART_COUNT]; /* owned */
    bool made[PART_COUNT];
    struct config *config; /* owned */
};

static bool is_folder(enum part part)
{
    return part == PART_ROOT || part == PART_KEYS || part == PART_STATE;
}

static enum result make_folder(struct setup *setup, enum part part, struct error *err)
{
    mode_t mode = part == PART_ROOT ? 0755 : 0700;
    if (mkdir(setup->paths[part], mode) == 0) {
        setup->made[part] = true;
        return RESULT_OK;
    }
    if (errno == EEXIST)
        return file_make_folder(setup->paths[part], mode, err);
    return error_errno(err, RESULT_SYSTEM, errno, "cannot make %s", setup->paths[part]);
}

static enum result make_recipient_key(const char *path, struct error *err)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    char text[2 * RECIPIENT_KEY_BYTES + 1];
    if (!random_bytes(key, sizeof(key)))
        return error_set(err, RESULT_SYSTEM, "no random bytes are to be had");
    hex_encode(key, sizeof(key), text);
    text[sizeof(text) - 1] = '\n';
    enum result result = file_create(path, 0600, text, sizeof(text), err);
    wipe(key, sizeof(key));
    wipe(text, sizeof(text));
    return result;
}

static enum result make_journal_keys(const char *private_path, const char *public_path,
                                     struct error *err)
{
    struct signing_key *key = NULL;
    enum result result = signing_key_generate(&key, err);
    if (result == RESULT_OK)
        result = signing_key_save(key, private_path, public_path, err);
    signing_key_free(&key);
    return result;
}

static enum result make_registry(const char *path, struct error *err)
{
    struct registry *registry = NULL;
    enum result result = registry_open(path, true, &registry, err);
    if (result == RESULT_OK)
        registry_close(&registry);
    return result;
}

static enum result make_journal(const struct setup *setup, struct error *err)
{
    struct signing_key *key = NULL;
    struct journal *journal = NULL;
    const struct config *config = setup->config;
    enum result result = signing_key_load_private(setup->paths[PART_JOURNAL_KEY], &key, err);
    if (result == RESULT_OK) {
        struct journal_options options = {.directory = setup->paths[PART_JOURNAL],
                                          .gateway = config->hostname,
                                          .key = key,
                                          .segment_size = config->journal.segment_size,
                                          .checkpoint_every = config->journal.checkpoint_every};
        result = journal_open(&options, &journal, err);
    }
    if (result == RESULT_OK)
        journal_close(&journal);
    signing_key_free(&key);
    return result;
}

static enum result make_config(struct setup *setup, struct error *err)
{
    char hostname[256] = "";
    if (gethostname(hostname, sizeof(hostname) - 1) != 0 || *hostname == '\0')
        str_copy(hostname, sizeof(hostname), "localhost");
    enum result result = config_write_template(setup->paths[PART_CONFIG], hostname, err);
    if (result != RESULT_BAD_INPUT)
        return result;
    command_warn("%s; set hostname in %s", err->text, setup->paths[PART_CONFIG]);
    return config_write_template(setup->paths[PART_CONFIG], "localhost", err);
}

/* The keys and folders are there by now, so the file must be good as a whole. */
static enum result load_config(struct setup *setup, struct error *err)
{
    if (!context_load_config(setup->paths[PART_CONFIG], &setup->config))
        return error_set(err, RESULT_BAD_INPUT, "the configuration just written is not accepted");
    return RESULT_OK;
}

static enum result make_part(struct setup *setup, enum part part, struct error *err)
{
    const char *path = setup->paths[part];
    switch (part) {
    case PART_RECIPIENT_KEY:
        return make_recipient_key(path, err);
    case PART_JOURNAL_KEY:
        return make_journal_keys(path, setup->paths[PART_JOURNAL_PUB], err);
    case PART_SEAL_KEY:
        return seal_create(path, err);
    case PART_CONFIG:
        return make_config(setup, err);
    case PART_REGISTRY:
        return make_registry(path, err);
    case PART_JOURNAL:
        return make_journal(setup, err);
    default:
        return RESULT_OK;
    }
}

static enum result make_all(struct setup *setup, struct error *err)
{
    enum result result = RESULT_OK;
    for (enum part part = PART_KEYS; part < PART_COUNT && result == RESULT_OK; part++) {
        if (is_folder(part)) {
            result = make_folder(setup, part, err);
            continue;
        }
        result = make_part(setup, part, err);
        /* Half a file of ours is to go, too; one that somebody else just made is not ours. */
        setup->made[part] = result != RESULT_CONFLICT;
        if (result == RESULT_OK && part == PART_CONFIG)
            result = load_config(setup, err);
    }
    return result;
}

/* remove() takes files and empty folders only: nothing of anybody else's can go. */
static void unmake_all(struct setup *setup)
{
    for (int part = PART_COUNT - 1; part >= 0; part--)
        if (setup->made[part])
            remove(setup->paths[part]);
}

static bool find_existing(const struct setup *setup)
{
    bool found = false;
    for (enum part part = 0; part < PART_COUNT; part++)
        if (!is_folder(part) && file_exists(setup->paths[part])) {
            command_failed_text("%s exists already; nothing was changed", setup->paths[part]);
            found = true;
        }
    return found;
}

static bool make_paths(struct setup *setup, const char *root)
{
    for (enum part part = 0; part < PART_COUNT; part++) {
        setup->paths[part] = part == PART_ROOT ? strdup(root) : file_join(root, parts[part].name);
        if (setup->paths[part] == NULL) {
            command_failed_text("out of memory");
            return false;
        }
    }
    return true;
}

static void print_made(const struct setup *setup)
{
    size_t width = 0;
    for (enum part part = 0; part < PART_COUNT; part++)
        if (!is_folder(part) && strlen(setup->paths[part]) > width)
            width = strlen(setup->paths[part]);
    for (enum part part = 0; part < PART_COUNT; part++)
        if (!is_folder(part))
            printf("made %-*s  %s\n", (int)width, setup->paths[part], parts[part].what);
    printf("\nNext: octroi -c %s serve\n", setup->paths[PART_CONFIG]);
}

static int initialise(struct setup *setup)
{
    struct error err = {0};
    if (find_existing(setup))
        return EXIT_FAILED;
    if (make_folder(setup, PART_ROOT, &err) != RESULT_OK)
        return command_failed(&err);
    if (!context_become_owner(setup->paths[PART_ROOT]))
        return EXIT_FAILED;
    if (make_all(setup, &err) != RESULT_OK) {
        unmake_all(setup);
        return command_failed(&err);
    }
    print_made(setup);
    return EXIT_DONE;
}

int cli_init(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    const struct option_spec specs[] = {{0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (*operands[0] == '\0')
        return command_usage(invocation, "DIR is empty");
    struct setup setup = {0};
    code = make_paths(&setup, operands[0]) ? initialise(&setup) : EXIT_FAILED;
    config_unref(&setup.config);
    for (enum part part = 0; part < PART_COUNT; part++)
        free(setup.paths[part]);
    return code;
}
