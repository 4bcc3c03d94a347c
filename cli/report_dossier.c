/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi report --dossier DIR`: what has to be opened with the rights of whoever typed it (the
 * folder, the private key), then the dossier as the service user.
 */
#include "base/file.h"
#include "cli/report.h"
#include "office/dossier.h"

#include <stdlib.h>
#include <string.h>

#define PUBLIC_KEY_CAP 8192

static enum result read_public_key(const char *private_path, struct strbuf *out, struct error *err)
{
    char *path = context_public_key_path(private_path);
    enum result result =
        path == NULL ? error_no_memory(err) : file_read(path, PUBLIC_KEY_CAP, out, err);
    free(path);
    return result;
}

static int make(const struct invocation *invocation, struct report *report, struct dossier *dossier)
{
    struct context context;
    struct error err = {0};
    if (!context_open(invocation, CONTEXT_INDEX | CONTEXT_REGISTRY | CONTEXT_STRICT, &context))
        return EXIT_FAILED;
    report->context = &context;
    dossier->config = context.config;
    dossier->registry = context.registry;
    dossier->index = context.index;
    dossier->journal_path = context.journal_path;
    dossier->filter = report->filter;
    dossier->change = report->change;
    dossier->language = report->language;
    dossier->made_at = clock_now();
    enum result result = journal_index_catch_up(context.index, 0, NULL, &err);
    if (result == RESULT_OK)
        result = dossier_make(dossier, &err);
    context_close(&context);
    return result == RESULT_OK ? EXIT_DONE : command_failed(&err);
}

int report_dossier(const struct invocation *invocation, struct report *report, const char *path,
                   bool with_journal)
{
    struct config *config = NULL;
    struct error err = {0};
    struct error unsigned_because = {0};
    struct folder folder = {.fd = -1};
    struct strbuf public_key = {0};
    struct signing_key *key = NULL;
    int code = EXIT_FAILED;
    if (!context_load_config(invocation->config_file, &config))
        return EXIT_FAILED;
    enum result result = read_public_key(config->journal_key_file, &public_key, &err);
    if (result == RESULT_OK)
        result = folder_make(path, config->state_dir, &folder, &err);
    if (result == RESULT_OK &&
        signing_key_load_private(config->journal_key_file, &key, &unsigned_because) != RESULT_OK)
        command_warn("the dossier's list of files will not be signed: %s", unsigned_because.text);
    if (result == RESULT_OK) {
        struct dossier dossier = {.folder = &folder,
                                  .key = key,
                                  .public_key = public_key.data,
                                  .with_journal = with_journal};
        code = make(invocation, report, &dossier);
    } else {
        command_failed(&err);
    }
    if (key != NULL)
        signing_key_free(&key);
    folder_close(&folder);
    strbuf_free(&public_key);
    config_unref(&config);
    return code;
}
