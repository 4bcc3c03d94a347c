/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi backup` and `octroi restore`. A copy is made while the gateway serves; it is read back
 * into a folder of its own and checked as `verify` does before anything of it takes a place.
 */
#include "cli/backup.h"

#include "base/file.h"
#include "cli/options.h"
#include "cli/outfile.h"
#include "cli/verify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_MAX (8u * 1024 * 1024)
#define PARTIAL    ".restoring"
#define LEFT       "restored"

/* ---- configuration and keys, if asked for ---- */

static void forget_secrets(struct backup_secrets *secrets)
{
    for (size_t i = 0; i < secrets->count; i++) {
        struct backup_secret *secret = &secrets->list[i];
        if (secret->text.data != NULL)
            wipe(secret->text.data, secret->text.length);
        strbuf_free(&secret->text);
        free(secret->name);
    }
    free(secrets->list);
    *secrets = (struct backup_secrets){0};
}

/* name NULL: configuration/ and the file's whole path, so that it is known where it stood. */
static enum result add_secret(struct backup_secrets *secrets, const char *name, const char *path,
                              struct error *err)
{
    struct backup_secret *secret = &secrets->list[secrets->count++];
    struct strbuf composed = {0};
    char *whole = NULL;
    *secret = (struct backup_secret){0};
    if (name != NULL) {
        strbuf_add_str(&composed, name);
    } else {
        whole = realpath(path, NULL);
        if (whole == NULL)
            return error_errno(err, RESULT_SYSTEM, errno, "cannot find %s", path);
        strbuf_add_format(&composed, "configuration%s", whole);
        free(whole);
    }
    secret->name = strbuf_take(&composed);
    return secret->name == NULL ? error_no_memory(err)
                                : file_read(path, SECRET_MAX, &secret->text, err);
}

/* With the rights of who typed the command: keys may be root's. */
static bool read_secrets(const struct invocation *invocation, struct backup_secrets *secrets)
{
    struct config *config = NULL;
    struct error err = {0};
    if (!context_load_config(invocation->config_file, &config))
        return false;
    secrets->list = calloc(config->n_files + 3, sizeof(*secrets->list));
    enum result result = secrets->list != NULL ? RESULT_OK : error_no_memory(&err);
    if (result == RESULT_OK)
        result = add_secret(secrets, "keys/recipient.key", config->recipient_key_file, &err);
    if (result == RESULT_OK)
        result = add_secret(secrets, "keys/journal.key", config->journal_key_file, &err);
    if (result == RESULT_OK && file_exists(config->seal_key_file))
        result = add_secret(secrets, "keys/seal.key", config->seal_key_file, &err);
    for (size_t i = 0; result == RESULT_OK && i < config->n_files; i++)
        result = add_secret(secrets, NULL, config->files[i], &err);
    config_unref(&config);
    if (result != RESULT_OK)
        command_failed(&err);
    return result == RESULT_OK;
}

/* ---- making a copy ---- */

/* On standard error: standard output may be the copy itself. */
static void tell(const struct context *context, const struct backup_counts *counts, bool with_keys)
{
    const struct config *config = context->config;
    fprintf(stderr,
            "copied %" PRIu64 " file%s, %" PRIu64 " MiB: the registry and %" PRIu64
            " segment%s of the journal\n",
            counts->files, plural(counts->files), (counts->bytes + (1 << 20) - 1) >> 20,
            counts->segments, plural(counts->segments));
    if (with_keys) {
        fputs(
            "THE KEYS AND THE CONFIGURATION ARE IN THIS COPY. Whoever has it can recognise every\n"
            "recipient, open what is sealed, write a journal that verifies, and read every\n"
            "password in it. Keep it as you would keep the keys.\n",
            stderr);
        return;
    }
    fprintf(stderr,
            "No key is in this copy. Keep these apart from it; without the first two it is of no "
            "use:\n  %s\n  %s\n",
            config->recipient_key_file, config->journal_key_file);
    if (config->seal_key_file != NULL && file_exists(config->seal_key_file))
        fprintf(stderr, "  %s\n", config->seal_key_file);
    for (size_t i = 0; i < config->n_files; i++)
        fprintf(stderr, "  %s\n", config->files[i]);
}

static enum result write_copy(struct context *context, const struct backup_secrets *secrets,
                              struct outfile *file, struct error *err)
{
    struct progress progress;
    struct backup_counts counts;
    struct stat st;
    /* What a killed backup left in FILE.part is of no use here. */
    if (file->part != NULL && fstat(fileno(file->stream), &st) == 0 && S_ISREG(st.st_mode) &&
        ftruncate(fileno(file->stream), 0) != 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot empty %s", file->part);
    progress_start(&progress, "copying the registry", "KiB");
    enum result result = backup_write(context, secrets, file->stream, &progress, &counts, err);
    progress_clear(&progress);
    if (result == RESULT_OK)
        result = outfile_end(file, err);
    if (result == RESULT_OK)
        tell(context, &counts, secrets->count > 0);
    return result;
}

static int backup(const struct invocation *invocation, const char *path, bool with_keys)
{
    struct backup_secrets secrets = {0};
    struct outfile file = {0};
    struct context context;
    struct error err = {0};
    int code = EXIT_FAILED;
    if (strcmp(path, "-") == 0 && isatty(STDOUT_FILENO) == 1)
        return command_failed_text(
            "a copy is no text for a terminal: name a file, or send standard "
            "output somewhere");
    signal(SIGPIPE, SIG_IGN);
    bool ready = (!with_keys || read_secrets(invocation, &secrets)) &&
                 outfile_open(&file, strcmp(path, "-") == 0 ? NULL : path) && outfile_keep_rights();
    if (ready && context_open(invocation, 0, &context)) {
        code = write_copy(&context, &secrets, &file, &err) == RESULT_OK ? EXIT_DONE
                                                                        : command_failed(&err);
        context_close(&context);
    }
    outfile_close(&file);
    outfile_let_rights_go();
    forget_secrets(&secrets);
    return code;
}

/* ---- reading it back ---- */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st;
    (void)flag;
    (void)at;
    (void)remove(path);
    return 0;
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Paths as context_open makes them, for a folder with the layout of the archive. */
static enum result paths_of(const char *folder, struct context *context, struct error *err)
{
    char *key = file_join(folder, BACKUP_PUBLIC);
    context->registry_path = file_join(folder, "registry.db");
    context->journal_path = file_join(folder, "journal");
    context->index_path = file_join(folder, "journal.db");
    enum result result = RESULT_OK;
    if (key == NULL || context->registry_path == NULL || context->journal_path == NULL ||
        context->index_path == NULL)
        result = error_no_memory(err);
    else if (!file_exists(key) || !file_exists(context->registry_path))
        result = error_set(err, RESULT_DAMAGED, "the copy holds no registry or no public key");
    if (result == RESULT_OK)
        result = signing_key_load_public(key, &context->journal_public, err);
    free(key);
    return result;
}

/* An older program's copy is brought to this one's layout, as its gateway would be. */
static enum result bring_up_to_date(const struct context *context, struct error *err)
{
    struct registry *registry = NULL;
    enum result result = registry_open(context->registry_path, false, &registry, err);
    registry_close(&registry);
    return result;
}

/* Who could put a copy together anew could sign it anew, too, with another key: what holds by the
 * copy's own key says nothing of whose it is. */
static enum result print_key(const char *folder, struct error *err)
{
    struct strbuf text = {0};
    uint8_t digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    char *path = file_join(folder, BACKUP_PUBLIC);
    enum result result = path != NULL ? file_read(path, 65536, &text, err) : error_no_memory(err);
    if (result == RESULT_OK && !sha256(text.data, text.length, digest))
        result = error_set(err, RESULT_SYSTEM, "cannot compute SHA-256");
    if (result == RESULT_OK) {
        hex_encode(digest, sizeof(digest), hex);
        printf("checked with the copy's own key, SHA-256 %s\n"
               "it must be that of your gateway's: sha256sum journal.pub\n",
               hex);
    }
    strbuf_free(&text);
    free(path);
    return result;
}

/* Into folder, which is empty; an enum exit_code. */
static int read_and_check(FILE *input, const char *folder)
{
    struct context context = {0};
    struct backup_counts counts;
    struct progress progress;
    struct error err = {0};
    int code = EXIT_FAILED;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum result result =
        fd >= 0 ? RESULT_OK : error_errno(&err, RESULT_SYSTEM, errno, "cannot open %s", folder);
    progress_start(&progress, "reading the copy", "KiB");
    if (result == RESULT_OK)
        result = backup_read(input, fd, &progress, &counts, &err);
    progress_clear(&progress);
    if (result == RESULT_OK)
        result = paths_of(folder, &context, &err);
    if (result == RESULT_OK)
        result = bring_up_to_date(&context, &err);
    if (result == RESULT_OK) {
        printf("the copy is whole: %" PRIu64 " file%s as its sums say\n", counts.files,
               plural(counts.files));
        code = verify_state(&context, NULL, OUTPUT_TABLE);
        result = print_key(folder, &err);
    }
    if (result == RESULT_OK) {
        /* Once more, so that the registry is one file again: only that is moved. */
        result = bring_up_to_date(&context, &err);
    }
    if (result != RESULT_OK)
        code = command_failed(&err);
    context_close(&context);
    if (fd >= 0)
        close(fd);
    return code;
}

static int check_copy(const char *path)
{
    char folder[PATH_MAX];
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/octroi-copy-XXXXXX",
             base != NULL && *base != '\0' ? base : "/var/tmp");
    FILE *input = input_open(path);
    if (input == NULL)
        return EXIT_FAILED;
    int code = mkdtemp(folder) != NULL
                   ? read_and_check(input, folder)
                   : command_failed_text("cannot make %s: %s", folder, strerror(errno));
    remove_tree(folder);
    input_close(&input);
    return code;
}

int cli_backup(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    bool with_keys = false;
    bool verify = false;
    const struct option_spec specs[] = {
        {"with-keys", OPTION_FLAG, &with_keys}, {"verify", OPTION_FLAG, &verify}, {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (verify && with_keys)
        return command_usage(invocation, "--verify looks at a copy, --with-keys makes one");
    return verify ? check_copy(operands[0]) : backup(invocation, operands[0], with_keys);
}

/* ---- restoring ---- */

/* What a killed restore left does not count. */
static bool is_empty(const char *folder)
{
    DIR *files = opendir(folder);
    struct dirent *entry;
    bool empty = files != NULL;
    if (files == NULL)
        command_failed_text("cannot open %s: %s", folder, strerror(errno));
    while (files != NULL && (entry = readdir(files)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, PARTIAL) != 0 && strcmp(entry->d_name, "lost+found") != 0) {
            command_failed_text("%s is not empty (%s): nothing that exists is overwritten", folder,
                                entry->d_name);
            empty = false;
            break;
        }
    if (files != NULL)
        closedir(files);
    return empty;
}

static enum result move_one(const char *from, const char *to, const char *name, struct error *err)
{
    char *old = file_join(from, name);
    char *new = file_join(to, name);
    enum result result = old != NULL && new != NULL ? RESULT_OK : error_no_memory(err);
    if (result == RESULT_OK && rename(old, new) != 0)
        result = error_errno(err, RESULT_SYSTEM, errno, "cannot put %s in its place", name);
    free(old);
    free(new);
    return result;
}

/* The registry last: no gateway starts without one, so none begins a new journal on what is half in
 * place. */
static enum result put_in_place(const char *partial, const char *folder, bool *keys_out,
                                struct error *err)
{
    char *key = file_join(partial, "keys/recipient.key");
    char *journal = file_join(partial, "journal");
    char *left = file_join(folder, LEFT);
    enum result result =
        key != NULL && journal != NULL && left != NULL ? RESULT_OK : error_no_memory(err);
    if (result == RESULT_OK)
        result = file_sync_folder(journal, err);
    if (result == RESULT_OK)
        result = file_sync_folder(partial, err);
    if (result == RESULT_OK)
        result = move_one(partial, folder, "journal", err);
    if (result == RESULT_OK)
        result = move_one(partial, folder, "registry.db", err);
    *keys_out = result == RESULT_OK && file_exists(key);
    if (*keys_out && rename(partial, left) != 0)
        result = error_errno(err, RESULT_SYSTEM, errno, "cannot rename %s", partial);
    if (result == RESULT_OK)
        result = file_sync_folder(folder, err);
    free(key);
    free(journal);
    free(left);
    return result;
}

static int restore_into(FILE *input, const char *folder)
{
    struct error err = {0};
    bool keys = false;
    char *partial = file_join(folder, PARTIAL);
    if (partial == NULL)
        return command_failed_text("out of memory");
    remove_tree(partial);
    int code = mkdir(partial, 0700) == 0
                   ? read_and_check(input, partial)
                   : command_failed_text("cannot make %s: %s", partial, strerror(errno));
    if (code == EXIT_DONE && put_in_place(partial, folder, &keys, &err) != RESULT_OK)
        code = command_failed(&err);
    if (code == EXIT_DONE && keys)
        printf("restored to %s. Configuration and keys are in %s/" LEFT
               ": put them where they belong, then remove that folder\n",
               folder, folder);
    else if (code == EXIT_DONE)
        printf("restored to %s. It needs the keys it was made with: see octroi.conf(5)\n", folder);
    remove_tree(partial);
    free(partial);
    return code;
}

int cli_restore(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    const struct option_spec specs[] = {{0}};
    int code = options_read(invocation, argc, argv, specs, 2, 2, &operands);
    if (code != OPTIONS_GO)
        return code;
    const char *folder = operands[1];
    FILE *input = input_open(operands[0]);
    if (input == NULL)
        return EXIT_FAILED;
    struct error err = {0};
    code = EXIT_FAILED;
    if (file_make_folder(folder, 0700, &err) != RESULT_OK)
        command_failed(&err);
    else if (context_become_owner(folder) && is_empty(folder))
        code = restore_into(input, folder);
    input_close(&input);
    return code;
}
