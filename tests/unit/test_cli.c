/* SPDX-License-Identifier: Apache-2.0 */
/* The option reader and the row writer of the command line. */
#include "base/clock.h"
#include "base/csv_write.h"
#include "cli/options.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

/* ---- options ---- */

static const struct command fake = {.name = "fake", .usage = "X", .summary = "", .details = ""};
static const struct invocation invocation = {.config_file = "", .command = &fake};

struct values {
    bool flag;
    const char *text;
    struct option_words words;
};

/* line: arguments separated by spaces; "''" is the empty one. */
static int read_line(char *line, struct values *values, int min, int max, char ***operands)
{
    char *argv[16] = {(char *)"fake"};
    static char *kept[16];
    int argc = 1;
    for (char *rest = line, *word; (word = strsep(&rest, " ")) != NULL;)
        if (*word != '\0')
            argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
    memcpy(kept, argv, sizeof(argv));
    const struct option_spec specs[] = {{"flag", OPTION_FLAG, &values->flag},
                                        {"text", OPTION_TEXT, &values->text},
                                        {"word", OPTION_WORDS, &values->words},
                                        {0}};
    *values = (struct values){0};
    return options_read(&invocation, argc, kept, specs, min, max, operands);
}

static const struct {
    const char *line;
    int code;
    const char *text;     /* NULL: none */
    const char *words;    /* joined by ',' */
    const char *operands; /* joined by ',' */
} option_rows[] = {
    {"", OPTIONS_GO, NULL, "", ""},
    {"--text a", OPTIONS_GO, "a", "", ""},
    {"--text=a", OPTIONS_GO, "a", "", ""},
    {"--text --flag", OPTIONS_GO, "--flag", "", ""},
    {"x --text a y", OPTIONS_GO, "a", "", "x,y"},
    {"--text a -- --flag", OPTIONS_GO, "a", "", "--flag"},
    {"-", OPTIONS_GO, NULL, "", "-"},
    {"--word a --word b|c", OPTIONS_GO, NULL, "a,b,c", ""},
    {"--help", EXIT_DONE, NULL, "", ""},
    {"--tex a", EXIT_USAGE, NULL, "", ""},
    {"--tex=a", EXIT_USAGE, NULL, "", ""},
    {"--fl", EXIT_USAGE, NULL, "", ""},
    {"--nothing", EXIT_USAGE, NULL, "", ""},
    {"-c file", EXIT_USAGE, NULL, "", ""},
    {"-x", EXIT_USAGE, NULL, "", ""},
    {"-xy", EXIT_USAGE, NULL, "", ""},
    {"--text", EXIT_USAGE, NULL, "", ""},
    {"--text=", EXIT_USAGE, NULL, "", ""},
    {"--text ''", EXIT_USAGE, NULL, "", ""},
    {"--text a --text a", EXIT_USAGE, NULL, "", ""},
    {"--flag --flag", EXIT_USAGE, NULL, "", ""},
    {"--flag=yes", EXIT_USAGE, NULL, "", ""},
    {"--word a||b", EXIT_USAGE, NULL, "", ""},
    {"--word a|", EXIT_USAGE, NULL, "", ""},
    {"x y z", EXIT_USAGE, NULL, "", ""},
};

START_TEST(test_options)
{
    struct values values;
    char **operands = NULL;
    char line[128];
    struct strbuf seen = {0};
    str_copy(line, sizeof(line), option_rows[_i].line);
    int code = read_line(line, &values, 0, 2, &operands);
    ck_assert_msg(code == option_rows[_i].code, "'%s' gave %d", option_rows[_i].line, code);
    if (code != OPTIONS_GO) {
        ck_assert_ptr_null(values.words.values);
        return;
    }
    ck_assert_pstr_eq(values.text, option_rows[_i].text);
    for (size_t i = 0; i < values.words.count; i++)
        strbuf_add_format(&seen, "%s%s", i > 0 ? "," : "", values.words.values[i]);
    ck_assert_str_eq(seen.data != NULL ? seen.data : "", option_rows[_i].words);
    strbuf_clear(&seen);
    for (int i = 0; operands[i] != NULL; i++)
        strbuf_add_format(&seen, "%s%s", i > 0 ? "," : "", operands[i]);
    ck_assert_str_eq(seen.length > 0 ? seen.data : "", option_rows[_i].operands);
    strbuf_free(&seen);
    option_words_free(&values.words);
}
END_TEST

START_TEST(test_too_few_operands)
{
    struct values values;
    char line[] = "x";
    ck_assert_int_eq(read_line(line, &values, 2, 2, NULL), EXIT_USAGE);
}
END_TEST

START_TEST(test_option_values)
{
    int64_t instant = 0;
    uint64_t count = 7;
    char *id = NULL;
    int version = 0;
    int64_t day;
    ck_assert(clock_parse("2026-01-31T00:00:00Z", 20, &day));
    ck_assert(option_day_or_instant(&invocation, "t", "2026-01-31", false, &instant));
    ck_assert_int_eq(instant, day);
    ck_assert(option_day_or_instant(&invocation, "t", "2026-01-31", true, &instant));
    ck_assert_int_eq(instant, day + CLOCK_DAY);
    ck_assert(option_day_or_instant(&invocation, "t", "2026-01-31T00:00:01Z", true, &instant));
    ck_assert_int_eq(instant, day + CLOCK_SECOND);
    ck_assert(!option_day_or_instant(&invocation, "t", "2026-02-30", false, &instant));
    ck_assert(!option_day_or_instant(&invocation, "t", "yesterday", false, &instant));
    ck_assert(!option_instant(&invocation, "t", "2026-01-31", &instant));
    ck_assert(option_count(&invocation, "n", NULL, &count) && count == 7);
    ck_assert(option_count(&invocation, "n", "18446744073709551615", &count));
    ck_assert(count == UINT64_MAX);
    ck_assert(!option_count(&invocation, "n", "18446744073709551616", &count));
    ck_assert(!option_count(&invocation, "n", "-1", &count));
    ck_assert(!option_count(&invocation, "n", " 1", &count));
    ck_assert(option_form(&invocation, "jeu-ete@3", &id, &version));
    ck_assert_str_eq(id, "jeu-ete");
    ck_assert_int_eq(version, 3);
    free(id);
    ck_assert(!option_form(&invocation, "jeu-ete", &id, &version));
    ck_assert(!option_form(&invocation, "@3", &id, &version));
    ck_assert(!option_form(&invocation, "a@0", &id, &version));
    ck_assert(!option_form(&invocation, "a@4294967299", &id, &version));
}
END_TEST

/* ---- output ---- */

#define BULLET "\xe2\x80\xa2"

static const struct {
    const char *text;
    size_t width;
} width_rows[] = {
    {"", 0},
    {"abc", 3},
    {"j" BULLET BULLET BULLET "@example.org", 16},
    {"caf\xc3\xa9", 4},
    {"cafe\xcc\x81", 4},             /* a combining accent */
    {"\xe6\x97\xa5\xe6\x9c\xac", 4}, /* two wide characters */
};

START_TEST(test_width)
{
    ck_assert_uint_eq(output_width(width_rows[_i].text), width_rows[_i].width);
}
END_TEST

static const struct {
    const char *text, *csv, *plain;
} field_rows[] = {
    {"plain", "plain", "plain"},
    {"", "", ""},
    {"a,b", "\"a,b\"", "a,b"},
    {"say \"no\"", "\"say \"\"no\"\"\"", "say \"no\""},
    {"two\nlines", "\"two\nlines\"", "two\xef\xbf\xbdlines"},
    {"back\rspace", "\"back\rspace\"", "back\xef\xbf\xbdspace"},
    {"esc\x1b[2J", "esc\x1b[2J", "esc\xef\xbf\xbd[2J"},
    {"c1\xc2\x9b", "c1\xc2\x9b", "c1\xef\xbf\xbd"},
    {"bad\xff", "bad\xff", "bad\xef\xbf\xbd"},
    {BULLET, BULLET, BULLET},
};

START_TEST(test_fields)
{
    struct strbuf buf = {0};
    csv_add_field(&buf, field_rows[_i].text);
    ck_assert_str_eq(buf.length > 0 ? buf.data : "", field_rows[_i].csv);
    strbuf_clear(&buf);
    output_add_plain(&buf, field_rows[_i].text);
    ck_assert_str_eq(buf.length > 0 ? buf.data : "", field_rows[_i].plain);
    strbuf_free(&buf);
}
END_TEST

START_TEST(test_formulas)
{
    static const struct {
        const char *text, *csv;
    } rows_of[] = {
        {"=1+1", "'=1+1"},     {"+33 6", "'+33 6"}, {"-x", "'-x"},
        {"@sum", "'@sum"},     {"\tx", "'\tx"},     {"\rx", "\"'\rx\""},
        {"=a,b", "\"'=a,b\""}, {"a=1", "a=1"},      {"", ""},
    };
    for (size_t i = 0; i < sizeof(rows_of) / sizeof(rows_of[0]); i++) {
        struct strbuf buf = {0};
        csv_add_foreign(&buf, rows_of[i].text);
        ck_assert_str_eq(buf.length > 0 ? buf.data : "", rows_of[i].csv);
        strbuf_free(&buf);
    }
}
END_TEST

/* Numbers are none, and programs that read standard output get the text as it is. */
START_TEST(test_guarded_columns)
{
    static const struct column three[] = {
        {"a", CELL_TEXT, false}, {"n", CELL_NUMBER, false}, {"b", CELL_TEXT, false}, {0}};
    static const char *const texts[] = {"a,n,b\r\n=a,-1,=b\r\n", "a,n,b\r\n'=a,-1,=b\r\n"};
    const struct cell row[] = {cell_text("=a"), cell_number(-1), cell_text("=b")};
    for (size_t i = 0; i < 2; i++) {
        char *text = NULL;
        size_t length = 0;
        FILE *stream = open_memstream(&text, &length);
        struct output *output = output_new(stream, OUTPUT_CSV, three);
        if (i == 1)
            output_guard(output, 2);
        ck_assert(output_row(output, row));
        ck_assert_int_eq(output_end(&output, NULL), RESULT_OK);
        fclose(stream);
        ck_assert_str_eq(text, texts[i]);
        free(text);
    }
}
END_TEST

static const struct column columns[] = {{"name", CELL_TEXT, false},
                                        {"rows_left", CELL_NUMBER, false},
                                        {"hidden", CELL_TEXT, true},
                                        {"ok", CELL_FLAG, false},
                                        {"words", CELL_WORDS, false},
                                        {"raw", CELL_JSON, false},
                                        {0}};

static const struct cell rows[2][6] = {{{.text = "j" BULLET "@x", .present = true},
                                        {.number = -3, .present = true},
                                        {.text = "h", .present = true},
                                        {.number = 1, .present = true},
                                        {.text = "a|b", .present = true},
                                        {.text = "[1]", .present = true}},
                                       {{.text = "q\"", .present = true},
                                        {0},
                                        {0},
                                        {.number = 0, .present = true},
                                        {.text = "", .present = true},
                                        {0}}};

static const struct {
    size_t n_rows;
    const char *text;
} output_rows[] = {
    [OUTPUT_TABLE] = {2, "NAME  ROWS LEFT  OK   WORDS\n"
                         "j" BULLET "@x         -3  yes  a,b\n"
                         "q\"            -  no   -\n"},
    [OUTPUT_JSON] = {2, "{\"name\":\"j" BULLET "@x\",\"rows_left\":-3,\"hidden\":\"h\",\"ok\":true,"
                        "\"words\":[\"a\",\"b\"],\"raw\":[1]}\n"
                        "{\"name\":\"q\\\"\",\"rows_left\":null,\"hidden\":null,\"ok\":false,"
                        "\"words\":[],\"raw\":null}\n"},
    [OUTPUT_CSV] = {2, "name,rows_left,hidden,ok,words\r\n"
                       "j" BULLET "@x,-3,h,true,a|b\r\n"
                       "\"q\"\"\",,,false,\r\n"},
    {0, "(none)\n"},
    {0, ""},
    {0, "name,rows_left,hidden,ok,words\r\n"},
};

START_TEST(test_output)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    struct output *output = output_new(stream, (enum output_format)(_i % 3), columns);
    for (size_t i = 0; i < output_rows[_i].n_rows; i++)
        ck_assert(output_row(output, rows[i]));
    ck_assert_int_eq(output_end(&output, NULL), RESULT_OK);
    ck_assert_ptr_null(output);
    fclose(stream);
    ck_assert_str_eq(text, output_rows[_i].text);
    free(text);
}
END_TEST

/* More rows than are held back at once: one header, none lost. */
START_TEST(test_output_blocks)
{
    static const struct column one[] = {{"n", CELL_NUMBER, false}, {0}};
    char *text = NULL;
    size_t length = 0;
    size_t lines = 0;
    FILE *stream = open_memstream(&text, &length);
    struct output *output = output_new(stream, OUTPUT_TABLE, one);
    for (int64_t i = 0; i < 2500; i++)
        ck_assert(output_row(output, &(struct cell){.number = i, .present = true}));
    ck_assert_int_eq(output_end(&output, NULL), RESULT_OK);
    fclose(stream);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    ck_assert_uint_eq(lines, 2501);
    ck_assert_ptr_eq(strstr(text, "N\n"), strstr(text, "N"));
    ck_assert(strstr(text, "2499\n") != NULL);
    free(text);
}
END_TEST

START_TEST(test_channel_words)
{
    char words[64];
    channels_text(CHANNEL_BIT(CHANNEL_EMAIL) | CHANNEL_BIT(CHANNEL_POST), words, sizeof(words));
    ck_assert_str_eq(words, "email|post");
    channels_text((1u << CHANNEL_COUNT) - 1, words, sizeof(words));
    ck_assert_str_eq(words, "email|sms|call|autocall|post");
    channels_text(0, words, sizeof(words));
    ck_assert_str_eq(words, "");
}
END_TEST

/* ---- the table of commands ---- */

START_TEST(test_commands)
{
    int words = 0;
    char *two[] = {(char *)"form", (char *)"add", (char *)"x", NULL};
    char *near[] = {(char *)"form", (char *)"ad", NULL};
    char *one[] = {(char *)"serve", NULL};
    const struct command *command = command_find(3, two, &words);
    ck_assert_ptr_nonnull(command);
    ck_assert_str_eq(command->name, "form add");
    ck_assert_int_eq(words, 2);
    ck_assert_ptr_null(command_find(2, near, &words));
    ck_assert_ptr_null(command_find(1, two, &words));
    command = command_find(1, one, &words);
    ck_assert_ptr_nonnull(command);
    ck_assert_int_eq(words, 1);
    ck_assert_ptr_null(command_find(0, one, &words));
    for (command = commands; command->name != NULL; command++) {
        ck_assert_ptr_nonnull(command->run);
        ck_assert(command->summary[0] != '\0' && strchr(command->summary, '.') == NULL);
    }
}
END_TEST

#define LOOP(cases, test, table) \
    tcase_add_loop_test(cases, test, 0, (int)(sizeof(table) / sizeof(*(table))))

int main(void)
{
    const TTest *const tests[] = {NULL};
    Suite *suite = unit_suite("cli", tests);
    TCase *cases = tcase_create("cli rows");
    LOOP(cases, test_options, option_rows);
    tcase_add_test(cases, test_too_few_operands);
    tcase_add_test(cases, test_option_values);
    LOOP(cases, test_width, width_rows);
    LOOP(cases, test_fields, field_rows);
    tcase_add_test(cases, test_formulas);
    tcase_add_test(cases, test_guarded_columns);
    LOOP(cases, test_output, output_rows);
    tcase_add_test(cases, test_output_blocks);
    tcase_add_test(cases, test_channel_words);
    tcase_add_test(cases, test_commands);
    suite_add_tcase(suite, cases);
    Suite *suites[] = {suite, NULL};
    return unit_run(suites);
}
