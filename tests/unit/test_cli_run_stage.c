/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_cli_run_stage.h"

#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

char folder[256];
struct strbuf out, err;

char *path_of(const char *name)
{
    char *path = file_join(folder, name);
    ck_assert_ptr_nonnull(path);
    return path;
}

void write_file(const char *name, const char *text)
{
    char *path = path_of(name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

void slurp(const char *name, struct strbuf *into)
{
    char *path = path_of(name);
    strbuf_clear(into);
    strbuf_add(into, "", 0);
    ck_assert_int_eq(file_read(path, 1 << 24, into, NULL), RESULT_OK);
    if (into->length == 0) {
        strbuf_add_char(into, ' ');
        into->data[0] = '\0';
        into->length = 0;
    }
    free(path);
}

/* Runs octroi in the folder. words: separated by '~'. input: its standard input, or NULL. */
int run_with(const char *input, const char *words)
{
    char line[1024];
    char *argv[40] = {(char *)OCTROI_PROGRAM};
    int argc = 1;
    ck_assert(str_copy(line, sizeof(line), words));
    for (char *rest = line, *word; (word = strsep(&rest, "~")) != NULL;)
        argv[argc++] = word;
    write_file("in", input != NULL ? input : "");
    fflush(NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (chdir(folder) != 0)
            _exit(99);
        int in_fd = open("in", O_RDONLY);
        int out_fd = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        int err_fd = open("err", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (dup2(in_fd, 0) < 0 || dup2(out_fd, 1) < 0 || dup2(err_fd, 2) < 0)
            _exit(99);
        setenv("OCTROI_CONF", "gate/octroi.conf", 1);
        execv(argv[0], argv);
        _exit(99);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "%s: killed by signal %d", words, WTERMSIG(status));
    slurp("out", &out);
    slurp("err", &err);
    return WEXITSTATUS(status);
}

int run(const char *words)
{
    return run_with(NULL, words);
}

void expect(int code, const char *words)
{
    int got = run(words);
    ck_assert_msg(got == code, "%s: exit %d, not %d\n%s%s", words, got, code, out.data, err.data);
}

void ck_has(const struct strbuf *text, const char *part)
{
    ck_assert_msg(strstr(text->data, part) != NULL, "'%s' is not in:\n%s", part, text->data);
}

void make_folder(void)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/octroi-cli-XXXXXX",
             temporary != NULL && *temporary != '\0' ? temporary : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

void remove_folder(void)
{
    pid_t child = fork();
    if (child == 0) {
        execlp("rm", "rm", "-rf", "--", folder, (char *)NULL);
        _exit(99);
    }
    waitpid(child, NULL, 0);
    strbuf_free(&out);
    strbuf_free(&err);
}

void make_gateway(void)
{
    make_folder();
    expect(0, "init~gate");
}
