/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/context.h"

#include "base/file.h"
#include "base/harden.h"
#include "store/notices.h"
#include "store/state_lock.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void context_print_problem(void *arg, const char *file, int line, const char *message)
{
    (void)arg;
    if (line > 0)
        fprintf(stderr, "%s:%d: %s\n", file, line, message);
    else
        fprintf(stderr, "%s: %s\n", file, message);
}

bool context_load_config(const char *file, struct config **config_out)
{
    struct error err = {0};
    if (config_load(file, context_print_problem, NULL, config_out, &err) == RESULT_OK)
        return true;
    command_failed(&err);
    return false;
}

/* A mistake anywhere in the file may not stand between an officer and the immediate stop. */
static bool load_essentials(const char *file, struct config **config_out)
{
    struct error err = {0};
    size_t mistakes = 0;
    if (config_load_essentials(file, context_print_problem, NULL, config_out, &mistakes, &err) !=
        RESULT_OK) {
        command_failed(&err);
        return false;
    }
    if (mistakes > 0)
        command_warn("%s has %zu mistake%s (octroi check-config lists them); going on with the "
                     "state directory and the keys it names",
                     file, mistakes, mistakes == 1 ? "" : "s");
    return true;
}

bool context_become_owner(const char *folder)
{
    struct stat st;
    if (geteuid() != 0)
        return true;
    if (stat(folder, &st) != 0) {
        int reason = errno;
        command_failed_text("cannot use %s: %s%s", folder, strerror(reason),
                            reason == ENOENT ? " (octroi init makes a new gateway)" : "");
        return false;
    }
    if (st.st_uid == 0)
        return true;
    /* For good: nothing that follows needs root, and the files that follow are not root's. */
    if (setgroups(1, &st.st_gid) == 0 && setresgid(st.st_gid, st.st_gid, st.st_gid) == 0 &&
        setresuid(st.st_uid, st.st_uid, st.st_uid) == 0) {
        /* With the user the kernel sets anew who may have the memory: fs.suid_dumpable. */
        struct error err;
        if (harden_no_dumps(&err) == RESULT_OK)
            return true;
        command_failed(&err);
        return false;
    }
    command_failed_text("cannot act as the owner of %s: %s", folder, strerror(errno));
    return false;
}

char *context_public_key_path(const char *private_path)
{
    struct strbuf path = {0};
    size_t length = strlen(private_path);
    if (length > 4 && strcmp(private_path + length - 4, ".key") == 0)
        length -= 4;
    strbuf_add(&path, private_path, length);
    strbuf_add_str(&path, ".pub");
    return strbuf_take(&path);
}

static bool make_paths(struct context *context)
{
    const struct {
        char **path;
        const char *name;
    } paths[] = {{&context->registry_path, "registry.db"},
                 {&context->journal_path, "journal"},
                 {&context->index_path, "journal.db"}};
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        *paths[i].path = file_join(context->config->state_dir, paths[i].name);
        if (*paths[i].path == NULL) {
            command_failed_text("out of memory");
            return false;
        }
    }
    return true;
}

static bool load_recipient_key(struct context *context)
{
    const char *path = context->config->recipient_key_file;
    struct strbuf text = {0};
    uint8_t key[RECIPIENT_KEY_BYTES];
    struct error err = {0};
    enum result result = file_read_secret(path, &text, &err);
    if (result == RESULT_OK && !hex_decode(text.data, text.length, key, sizeof(key)))
        result = error_set(&err, RESULT_BAD_INPUT, "%s does not hold 64 hex digits", path);
    if (result == RESULT_OK) {
        context->hmac = hmac_new(key, sizeof(key));
        if (context->hmac == NULL)
            result = error_no_memory(&err);
    }
    wipe(key, sizeof(key));
    if (text.data != NULL)
        wipe(text.data, text.length);
    strbuf_free(&text);
    if (result != RESULT_OK)
        command_failed(&err);
    return result == RESULT_OK;
}

static bool load_public_key(struct context *context)
{
    struct error err = {0};
    char *path = context_public_key_path(context->config->journal_key_file);
    enum result result = path == NULL
                             ? error_no_memory(&err)
                             : signing_key_load_public(path, &context->journal_public, &err);
    free(path);
    if (result != RESULT_OK)
        command_failed(&err);
    return result == RESULT_OK;
}

/* No withdrawal is kept out by a key that is not good: its notice has no address then. */
static void load_seal(struct context *context)
{
    const struct config *config = context->config;
    struct error err = {0};
    char key[256];
    if (config->seal_key_file == NULL)
        return; /* that was warned of */
    enum result result = seal_load(config->seal_key_file, &context->seal, &err);
    if (result == RESULT_OK ||
        (result == RESULT_NOT_FOUND && !config_needs_seal(config, key, sizeof(key))))
        return;
    command_warn("%s; partners can be told of what is recorded now only by their own identifiers",
                 err.text);
}

/* A gateway of the version before reads its own layout only slowly once it is another. */
static enum result leave_to_gateway(const struct context *context, struct error *err)
{
    bool older = false;
    if (!file_exists(context->registry_path) || !state_lock_held(context->config->state_dir))
        return RESULT_OK; /* what else is wrong shows when it is opened */
    enum result result = registry_probe(context->registry_path, &older, err);
    if (result == RESULT_OK && older)
        result =
            error_set(err, RESULT_UNAVAILABLE,
                      "a gateway of an earlier version serves; restart it with this one first");
    return result;
}

static bool open_store(struct context *context, unsigned needs)
{
    struct error err = {0};
    enum result result = RESULT_OK;
    if ((needs & CONTEXT_REGISTRY) != 0)
        result = leave_to_gateway(context, &err);
    if (result == RESULT_OK && (needs & CONTEXT_REGISTRY) != 0)
        result = registry_open(context->registry_path, false, &context->registry, &err);
    if (result == RESULT_OK && (needs & CONTEXT_REGISTRY) != 0)
        registry_seal_with(context->registry, context->seal);
    if (result == RESULT_OK && (needs & CONTEXT_INDEX) != 0)
        result = journal_index_open(context->index_path, context->journal_path,
                                    context->registry_path, &context->index, &err);
    if (result != RESULT_OK)
        command_failed(&err);
    return result == RESULT_OK;
}

bool context_open(const struct invocation *invocation, unsigned needs, struct context *context)
{
    *context = (struct context){0};
    bool loaded = (needs & CONTEXT_STRICT) != 0
                      ? context_load_config(invocation->config_file, &context->config)
                      : load_essentials(invocation->config_file, &context->config);
    bool opened = loaded && make_paths(context) &&
                  ((needs & CONTEXT_RECIPIENT_KEY) == 0 || load_recipient_key(context)) &&
                  ((needs & CONTEXT_JOURNAL_PUBLIC) == 0 || load_public_key(context));
    if (opened && (needs & CONTEXT_REGISTRY) != 0)
        load_seal(context);
    opened =
        opened && context_become_owner(context->config->state_dir) && open_store(context, needs);
    if (!opened)
        context_close(context);
    return opened;
}

void context_close(struct context *context)
{
    if (context->index != NULL)
        journal_index_close(&context->index);
    if (context->registry != NULL)
        registry_close(&context->registry);
    if (context->seal != NULL)
        seal_free(&context->seal);
    if (context->journal_public != NULL)
        signing_key_free(&context->journal_public);
    if (context->hmac != NULL)
        hmac_free(&context->hmac);
    if (context->config != NULL)
        config_unref(&context->config);
    free(context->registry_path);
    free(context->journal_path);
    free(context->index_path);
    *context = (struct context){0};
}

bool context_recipient(struct context *context, const char *text, struct address *address,
                       struct recipient *recipient)
{
    struct error err = {0};
    enum result result = address_parse(text, context->config->region, address, &err);
    if (result == RESULT_OK)
        result = recipient_make(context->hmac, address, recipient, &err);
    if (result != RESULT_OK)
        command_failed(&err);
    return result == RESULT_OK;
}

FILE *input_open(const char *path)
{
    if (strcmp(path, "-") == 0)
        return stdin;
    FILE *input = fopen(path, "re");
    if (input == NULL)
        command_failed_text("cannot open %s: %s", path, strerror(errno));
    return input;
}

const char *input_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

void input_close(FILE **input)
{
    if (*input != NULL && *input != stdin)
        fclose(*input);
    *input = NULL;
}
