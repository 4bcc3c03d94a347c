/* SPDX-License-Identifier: Apache-2.0 */
/* How a list is laid out; the list as a file; a file that is written as a whole. */
#include "base/file.h"
#include "cli/outfile.h"
#include "cli/screen_list.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- layouts ---- */

struct layout_case {
    const char *text;
    enum channel channel;
    bool bare; /* no header */
    const char *column;
    char separator;
    const char *want; /* "separator column of columns", or part of what is said */
};

static const struct layout_case layouts[] = {
    {"email\n", CHANNEL_EMAIL, false, NULL, 0, ", 0 of 1"},
    {"email", CHANNEL_EMAIL, false, NULL, 0, ", 0 of 1"},
    {"\n\r\na,EMAIL\n", CHANNEL_EMAIL, false, NULL, 0, ", 1 of 2"},
    {"\xef\xbb\xbf\"E-Mail\";b\n", CHANNEL_EMAIL, false, NULL, 0, "; 0 of 2"},
    {"a\tCourriel \tc\n", CHANNEL_EMAIL, false, NULL, 0, "\t 1 of 3"},
    {"mail,recipient,email\n", CHANNEL_EMAIL, false, NULL, 0, ", 1 of 3"},
    {"telephone,mail\n", CHANNEL_EMAIL, false, NULL, 0, ", 1 of 2"},
    {"email;T\u00c9L\u00c9PHONE\n", CHANNEL_SMS, false, NULL, 0, "; 1 of 2"},
    {"email;te\u0301le\u0301phone\n", CHANNEL_CALL, false, NULL, 0, "; 1 of 2"},
    {"msisdn,tel\n", CHANNEL_AUTOCALL, false, NULL, 0, ", 0 of 2"},
    {"tel,mail\n", CHANNEL_POST, false, NULL, 0, ", 1 of 2"},
    {"tel,nom\n", CHANNEL_POST, false, NULL, 0, ", 0 of 2"},
    {"email,a;b\n", CHANNEL_EMAIL, false, NULL, 0, ", 0 of 2"},
    {"a;b,email\n", CHANNEL_EMAIL, false, NULL, ';', "no column is named"},
    {"a;b,email\n", CHANNEL_EMAIL, false, NULL, ',', ", 1 of 2"},
    {"x,Adresse mail\n", CHANNEL_EMAIL, false, "adresse mail", 0, ", 1 of 2"},
    {"x,y\n", CHANNEL_EMAIL, false, "2", 0, ", 1 of 2"},
    {"2,y\n", CHANNEL_EMAIL, false, "2", 0, ", 0 of 2"},
    {"x,y\n", CHANNEL_EMAIL, false, "3", 0, "there is no such column. The columns are: x, y"},
    {"x,y\n", CHANNEL_EMAIL, false, "email", 0, "no column is called \"email\""},
    {"x,y\n", CHANNEL_EMAIL, false, "a@example.org", 0, "there is no such column"},
    {"nom,a@example.org,b@c\n", CHANNEL_SMS, false, NULL, 0, "are: nom, and 2 with other names"},
    {"a@example.org,nom\n", CHANNEL_EMAIL, false, "1", 0,
     "(column 1 holds an address): say --no-h"},
    {"nom; a@example.org \n", CHANNEL_EMAIL, false, "2", 0, "(column 2 holds an address)"},
    {"nom;06 12 34 56 78\n", CHANNEL_SMS, false, "2", 0, "(column 2 holds an address)"},
    {"06 12 34 56 78\n", CHANNEL_POST, false, "1", 0, "(column 1 holds an address)"},
    {"a@example.org,b\n", CHANNEL_EMAIL, false, "a@example.org", 0, "(column 1 holds an address)"},
    {"email,nom\n", CHANNEL_SMS, false, NULL, 0, "such as telephone or mobile"},
    {"a@example.org,0612345678\n", CHANNEL_SMS, false, NULL, 0, "when the first row is no header"},
    {"email,email\n", CHANNEL_EMAIL, false, NULL, 0, "two columns bear that name"},
    {"email,x;email\n", CHANNEL_EMAIL, false, NULL, 0, "say it with --separator"},
    {"a@example.org\n", CHANNEL_EMAIL, true, NULL, 0, ", 0 of 1"},
    {"a@example.org;x\n", CHANNEL_EMAIL, true, NULL, 0, "which of the 2 columns"},
    {"a@example.org;x\n", CHANNEL_EMAIL, true, "1", 0, "; 0 of 2"},
    {"a@example.org;x\n", CHANNEL_EMAIL, true, "3", 0, "from 1 to 2"},
    {"a@example.org;x\n", CHANNEL_EMAIL, true, "0", 0, "from 1 to 2"},
    {"a@example.org;x\n", CHANNEL_EMAIL, true, "email", 0, "from 1 to 2"},
    {"a@example.org;x,y\n", CHANNEL_EMAIL, true, "1", 0, "say it with --separator"},
    {"", CHANNEL_EMAIL, false, NULL, 0, "empty"},
    {"\r\n\n", CHANNEL_EMAIL, true, "1", 0, "empty"},
    {"\"email\n", CHANNEL_EMAIL, false, NULL, 0, "cannot be read"},
    {"email\xff\n", CHANNEL_EMAIL, false, NULL, 0, "cannot be read"},
};

START_TEST(lays_out)
{
    const struct layout_case *row = &layouts[_i];
    const struct layout_question question = {.channel = row->channel,
                                             .region = "FR",
                                             .header = !row->bare,
                                             .column = row->column,
                                             .separator = row->separator};
    struct layout layout;
    struct error err = {0};
    char got[600];
    enum result result = layout_find(&question, row->text, strlen(row->text), &layout, &err);
    ck_assert(result == RESULT_OK || result == RESULT_BAD_INPUT);
    if (result == RESULT_OK)
        snprintf(got, sizeof(got), "%c %zu of %zu", layout.separator, layout.column,
                 layout.columns);
    else
        str_copy(got, sizeof(got), err.text);
    ck_assert_msg(strstr(got, row->want) != NULL, "row %d: %s, not %s", _i, got, row->want);
    ck_assert_ptr_null(strstr(got, "@example"));
    ck_assert_ptr_null(strstr(got, "0612"));
    ck_assert_ptr_null(strstr(got, "06 12"));
}
END_TEST

START_TEST(separators_have_names)
{
    char separator = 'x';
    ck_assert(layout_separator(";", &separator) && separator == ';');
    ck_assert(layout_separator(",", &separator) && separator == ',');
    ck_assert(layout_separator("tab", &separator) && separator == '\t');
    ck_assert(layout_separator("\t", &separator) && separator == '\t');
    ck_assert(!layout_separator("|", &separator));
    ck_assert(!layout_separator(";;", &separator));
    ck_assert(!layout_separator("\"", &separator));
}
END_TEST

/* ---- files ---- */

static char folder[200];

static void make_folder(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%.150s/octroi-screen-XXXXXX", base != NULL ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(const char *const *names)
{
    for (; *names != NULL; names++) {
        char *path = file_join(folder, *names);
        unlink(path);
        free(path);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}

static void read_both(struct list *list, struct strbuf *out)
{
    char chunk[7];
    size_t got = 1;
    struct error err = {0};
    while (got > 0) {
        ck_assert_int_eq(list_read(list, chunk, sizeof(chunk), &got, &err), RESULT_OK);
        strbuf_add(out, chunk, got);
    }
}

/* A file is read as it is; what comes through a pipe is spooled, and nothing of it stays. */
START_TEST(a_list_is_read_twice)
{
    static const char text[] = "a;email\r\n1;x@example.org\r\n";
    const struct layout_question question = {.channel = CHANNEL_EMAIL, .header = true};
    make_folder();
    char *path = file_join(folder, "list");
    ck_assert_int_eq(file_create(path, 0600, text, strlen(text), NULL), RESULT_OK);
    for (int piped = 0; piped < 2; piped++) {
        struct list list;
        struct error err = {0};
        struct strbuf seen = {0};
        uint8_t digest[SHA256_BYTES];
        int ends[2];
        ck_assert_int_eq(pipe(ends), 0);
        ck_assert_int_eq(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
        close(ends[1]);
        FILE *input = piped ? fdopen(ends[0], "r") : fopen(path, "r");
        ck_assert_int_eq(list_open(&list, input, "list", folder, NULL, NULL, &err), RESULT_OK);
        ck_assert(sha256(text, strlen(text), digest));
        ck_assert_mem_eq(list.sha256, digest, sizeof(digest));
        ck_assert_uint_eq(list.size, strlen(text));
        ck_assert_int_eq(list_layout(&list, &question, &err), RESULT_OK);
        ck_assert_uint_eq(list.layout.column, 1);
        ck_assert_str_eq(list.line_end, "\r\n");
        read_both(&list, &seen);
        ck_assert_str_eq(seen.data, text);
        ck_assert_int_eq(list_unchanged(&list, &err), RESULT_OK);
        list_close(&list);
        strbuf_free(&seen);
        fclose(input);
        if (!piped)
            close(ends[0]);
    }
    free(path);
    remove_folder((const char *const[]){"list", NULL});
}
END_TEST

START_TEST(a_list_that_changes_is_found_out)
{
    struct list list;
    struct error err = {0};
    struct strbuf seen = {0};
    make_folder();
    char *path = file_join(folder, "list");
    ck_assert_int_eq(file_create(path, 0600, "email\na@b.c\n", 12, NULL), RESULT_OK);
    FILE *input = fopen(path, "r+");
    ck_assert_int_eq(list_open(&list, input, "list", folder, NULL, NULL, &err), RESULT_OK);
    ck_assert_int_eq(fseek(input, 0, SEEK_END), 0);
    fputs("x@y.z\n", input);
    fclose(input);
    read_both(&list, &seen);
    ck_assert_int_eq(list_unchanged(&list, &err), RESULT_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "was changed"));
    list_close(&list);
    strbuf_free(&seen);
    free(path);
    remove_folder((const char *const[]){"list", NULL});
}
END_TEST

START_TEST(an_output_appears_when_it_is_whole)
{
    struct outfile file;
    struct outfile other;
    struct error err = {0};
    struct strbuf text = {0};
    make_folder();
    char *path = file_join(folder, "out");
    char *part = file_join(folder, "out.part");
    ck_assert(outfile_open(&file, path));
    ck_assert(!outfile_open(&other, path)); /* one at a time */
    fputs("whole", file.stream);
    ck_assert(!file_exists(path));
    ck_assert_int_eq(outfile_end(&file, &err), RESULT_OK);
    ck_assert(!file_exists(part));
    ck_assert(outfile_open(&file, path));
    fputs("half", file.stream);
    outfile_close(&file);
    ck_assert(file_exists(part));
    ck_assert_int_eq(file_read(path, 100, &text, &err), RESULT_OK);
    ck_assert_str_eq(text.data, "whole");
    /* What is no ordinary file is written as it is. */
    ck_assert(outfile_open(&file, "/dev/full"));
    fputs("x", file.stream);
    ck_assert_int_eq(outfile_end(&file, &err), RESULT_SYSTEM);
    ck_assert_ptr_nonnull(strstr(err.text, "cannot write /dev/full"));
    ck_assert(!outfile_open(&file, "/nonexistent/x"));
    strbuf_free(&text);
    free(path);
    free(part);
    remove_folder((const char *const[]){"out", "out.part", NULL});
}
END_TEST

/* Somebody else's, or one that has another name, would let others read it. */
START_TEST(a_part_of_others_is_not_written)
{
    struct outfile file;
    struct stat st;
    make_folder();
    char *path = file_join(folder, "out");
    char *part = file_join(folder, "out.part");
    char *other = file_join(folder, "other");
    ck_assert_int_eq(file_create(part, 0644, "old", 3, NULL), RESULT_OK);
    ck_assert_int_eq(chmod(part, 0644), 0);
    ck_assert_int_eq(link(part, other), 0);
    ck_assert(!outfile_open(&file, path));
    ck_assert_int_eq(stat(other, &st), 0);
    ck_assert_int_eq(st.st_size, 3);
    unlink(other);
    ck_assert(outfile_open(&file, path));
    ck_assert_int_eq(stat(part, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0600);
    outfile_close(&file);
    if (geteuid() == 0) {
        ck_assert_int_eq(chown(part, 65534, 65534), 0);
        ck_assert(!outfile_open(&file, path));
    }
    unlink(part);
    ck_assert_int_eq(mkfifo(part, 0600), 0);
    ck_assert(!outfile_open(&file, path));
    unlink(part);
    ck_assert_int_eq(symlink(other, part), 0);
    ck_assert(!outfile_open(&file, path));
    ck_assert(!file_exists(other));
    free(path);
    free(part);
    free(other);
    remove_folder((const char *const[]){"out.part", NULL});
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("screen");
    TCase *cases = tcase_create("screen");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_loop_test(cases, lays_out, 0, (int)(sizeof(layouts) / sizeof(layouts[0])));
    tcase_add_test(cases, separators_have_names);
    tcase_add_test(cases, a_list_is_read_twice);
    tcase_add_test(cases, a_list_that_changes_is_found_out);
    tcase_add_test(cases, an_output_appears_when_it_is_whole);
    tcase_add_test(cases, a_part_of_others_is_not_written);
    suite_add_tcase(suite, cases);
    Suite *const suites[] = {suite, NULL};
    return unit_run(suites);
}
