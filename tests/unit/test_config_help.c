/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_config_help.h"

#include "base/file.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void sandbox_make(struct sandbox *sandbox)
{
    const char *base = getenv("TMPDIR");
    snprintf(sandbox->folder, sizeof(sandbox->folder), "%s/octroi-config-XXXXXX",
             base != NULL ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(sandbox->folder));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void sandbox_remove(struct sandbox *sandbox)
{
    ck_assert_int_eq(nftw(sandbox->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

const char *sandbox_path(const struct sandbox *sandbox, const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", sandbox->folder, name);
    return path;
}

void sandbox_write(const struct sandbox *sandbox, const char *name, const char *text, unsigned mode)
{
    struct error err = {0};
    const char *path = sandbox_path(sandbox, name);
    ck_assert_msg(file_replace(path, 0600, text, strlen(text), &err) == RESULT_OK, "%s", err.text);
    ck_assert_int_eq(chmod(path, mode), 0);
}

struct gathered {
    const struct sandbox *sandbox;
    struct strbuf *text;
};

static void add_without_folder(const struct gathered *gathered, const char *text)
{
    const char *folder = gathered->sandbox->folder;
    const char *found = NULL;
    while ((found = strstr(text, folder)) != NULL) {
        strbuf_add(gathered->text, text, (size_t)(found - text));
        text = found + strlen(folder) + 1;
    }
    strbuf_add_str(gathered->text, text);
}

static void gather(void *arg, const char *file, int line, const char *message)
{
    const struct gathered *gathered = arg;
    add_without_folder(gathered, file);
    strbuf_add_format(gathered->text, ":%d: ", line);
    add_without_folder(gathered, message);
    strbuf_add_char(gathered->text, '\n');
}

enum result sandbox_load(const struct sandbox *sandbox, struct strbuf *findings,
                         struct config **config_out, struct error *err)
{
    struct gathered gathered = {.sandbox = sandbox, .text = findings};
    char path[512];
    snprintf(path, sizeof(path), "%s/main.conf", sandbox->folder);
    return config_load(path, gather, &gathered, config_out, err);
}

struct config *sandbox_config(const struct sandbox *sandbox, const char *text)
{
    struct strbuf findings = {0};
    struct config *config = NULL;
    struct error err = {0};
    sandbox_write(sandbox, "main.conf", text, 0600);
    enum result result = sandbox_load(sandbox, &findings, &config, &err);
    ck_assert_msg(result == RESULT_OK, "%s: %s", err.text, findings.data ? findings.data : "");
    strbuf_free(&findings);
    return config;
}

void expect_findings(const struct sandbox *sandbox, const char *label, const char *text,
                     const char *findings)
{
    struct strbuf found = {0};
    struct config *config = NULL;
    struct error err = {0};
    sandbox_write(sandbox, "main.conf", text, 0600);
    enum result result = sandbox_load(sandbox, &found, &config, &err);
    ck_assert_msg(strcmp(found.data ? found.data : "", findings) == 0,
                  "%s:\nexpected:\n%sfound:\n%s", label, findings, found.data ? found.data : "");
    ck_assert_int_eq(result, findings[0] == '\0' ? RESULT_OK : RESULT_BAD_INPUT);
    ck_assert_int_eq(config != NULL, findings[0] == '\0');
    config_unref(&config);
    strbuf_free(&found);
}
