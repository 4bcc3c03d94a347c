/* SPDX-License-Identifier: Apache-2.0 */
#include "base/csv.h"
#include "base/str.h"
#include "tests/unit/test_base_parts.h"

#include <string.h>

/* Rows as "LINE:field|field;" and refusals as "LINE!;". */
static bool gather(void *arg, const struct csv_row *row)
{
    struct strbuf *out = arg;
    strbuf_add_uint(out, row->line);
    strbuf_add_str(out, row->problem != NULL ? "!" : ":");
    ck_assert_int_eq(row->count == 0, row->problem != NULL);
    for (size_t i = 0; i < row->count; i++) {
        strbuf_add_str(out, i > 0 ? "|" : "");
        strbuf_add_str(out, row->fields[i]);
    }
    strbuf_add_str(out, ";");
    return true;
}

static struct strbuf taken;

static void keep(void *arg, const char *bytes, size_t length)
{
    (void)arg;
    strbuf_add(&taken, bytes, length);
}

static char *read_all(const char *text, size_t length, size_t step)
{
    struct strbuf out = {0};
    struct csv *csv = csv_new(gather, &out);
    ck_assert_ptr_nonnull(csv);
    strbuf_clear(&taken);
    csv_on_taken(csv, keep);
    for (size_t at = 0; at < length; at += step)
        ck_assert(csv_feed(csv, text + at, length - at < step ? length - at : step));
    ck_assert(csv_finish(csv));
    ck_assert(!csv_out_of_memory(csv));
    csv_free(&csv);
    ck_assert_uint_eq(taken.length, length); /* each byte once, in order */
    ck_assert(length == 0 || memcmp(taken.data, text, length) == 0);
    strbuf_add(&out, "", 0);
    return strbuf_take(&out);
}

#define ROW(text, want)              \
    {                                \
        text, sizeof(text) - 1, want \
    }

static const struct {
    const char *text;
    size_t length;
    const char *want;
} rows[] = {
    ROW("", ""),
    ROW("a,b\n", "1:a|b;"),
    ROW("a,b\r\n", "1:a|b;"),
    ROW("a,b", "1:a|b;"),
    ROW("a,b\nc,d\r\ne", "1:a|b;2:c|d;3:e;"),
    ROW("a,\n,\n", "1:a|;2:|;"),
    ROW("a,", "1:a|;"),
    ROW("\n\r\na\n\n", "3:a;"),
    ROW("\xef\xbb\xbf"
        "a\n",
        "1:a;"),
    ROW("\xef\xbb\xbf", ""),
    ROW("\xef\xbb\xbf\xef\xbb\xbf"
        "a\n",
        "1:\xef\xbb\xbf"
        "a;"),
    ROW("\xef\xbb", "1!;"),
    ROW("\xef\xbb"
        "a\nb\n",
        "1!;2:b;"),
    ROW("\xef\xbb\xbe\nb\n", "1:\xef\xbb\xbe;2:b;"),
    ROW("\"\"\n", "1:;"),
    ROW("\"\"", "1:;"),
    ROW("\"a,b\"\"c\",d\n", "1:a,b\"c|d;"),
    ROW("\"a\nb\",c\nd\n", "1:a\nb|c;3:d;"),
    ROW("\"a\r\nb\"\r\nd\n", "1:a\r\nb;3:d;"),
    ROW("\"a\"", "1:a;"),
    ROW("caf\xc3\xa9,x\n", "1:caf\xc3\xa9|x;"),
    /* Refused, and on with the next. */
    ROW("a\"b\"\nc\n", "1!;2:c;"),
    ROW("\"a\"b,c\nd\n", "1!;2:d;"),
    ROW("\"a\" ,c\nd\n", "1!;2:d;"),
    ROW("a\0b\nc\n", "1!;2:c;"),
    ROW("\"a\0b\nc\n", "1!;2:c;"),
    ROW("\xff\nc\n", "1!;2:c;"),
    ROW("a,\xed\xa0\x80\nc\n", "1!;2:c;"),
    ROW("\xc3\nc\n", "1!;2:c;"),
    ROW("\xc3,\xa9\nc\n", "1!;2:c;"),
    ROW("a\rb\nc\n", "1!;2:c;"),
    ROW("a,\rb\nc\n", "1!;2:c;"),
    ROW("a\r\r\nc\n", "1!;2:c;"),
    ROW("\"a\"\rb\nc\n", "1!;2:c;"),
    ROW("a\"b", "1!;"),
    /* A quote that is not closed costs its own line. */
    ROW("a\n\"b\nc\n", "1:a;2!;3:c;"),
    ROW("\"a\nb\n\"c\nd,\"e\n\n", "1!;2:b;3!;4!;"),
    ROW("x,\"a\ny,\"b\"\nz\n", "1!;2:y|b;3:z;"),
    ROW("\"a\r\nb\"\r\n\"c\r\nd", "1:a\r\nb;3!;4:d;"),
    ROW("\"a\nb\"\"", "1!;2!;"),
};

START_TEST(reads_the_same_in_any_pieces)
{
    for (size_t step = 1; step <= rows[_i].length + 1; step++) {
        char *got = read_all(rows[_i].text, rows[_i].length, step);
        ck_assert_msg(strcmp(got, rows[_i].want) == 0, "row %d in pieces of %zu:\n%s\ngot %s", _i,
                      step, rows[_i].want, got);
        free(got);
    }
}
END_TEST

START_TEST(keeps_its_caps)
{
    static const struct {
        size_t length; /* of one field */
        size_t fields;
        const char *want; /* how the answer begins */
    } caps[] = {
        {CSV_ROW_MAX, 1, "1:"},
        {CSV_ROW_MAX + 1, 1, "1!;2:x;"},
        {CSV_ROW_MAX + 2, 1, "1!;2:x;"},
        {3 * CSV_ROW_MAX, 1, "1!;2:x;"},
        {10 * CSV_ROW_MAX, 2, "1!;2:x;"},
        {1, CSV_FIELDS_MAX, "1:a|"},
        {1, CSV_FIELDS_MAX + 1, "1!;2:x;"},
        {0, CSV_FIELDS_MAX, "1:|"},
        {0, CSV_FIELDS_MAX + 1, "1!;2:x;"},
    };
    for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
        struct strbuf text = {0};
        for (size_t f = 0; f < caps[i].fields; f++) {
            if (f > 0)
                strbuf_add_char(&text, ',');
            for (size_t n = 0; n < caps[i].length; n++)
                strbuf_add_char(&text, 'a');
        }
        strbuf_add_str(&text, "\nx\n");
        char *got = read_all(text.data, text.length, 65536);
        ck_assert_msg(strncmp(got, caps[i].want, strlen(caps[i].want)) == 0, "row %zu", i);
        size_t length = strlen(got);
        ck_assert_str_eq(got + length - 4, "2:x;");
        free(got);
        strbuf_free(&text);
    }
}
END_TEST

/* However much an open quote swallowed, each line behind it is a row again. */
START_TEST(an_open_quote_costs_one_line)
{
    static const struct {
        size_t lines, width;
    } cases[] = {{3, 10}, {CSV_BREAKS_MAX + 50, 10}, {60, 30000}, {2, 700000}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct strbuf text = {0};
        struct strbuf want = {0};
        strbuf_add_str(&text, "a,\"b\n");
        strbuf_add_str(&want, "1!;");
        for (size_t n = 0; n < cases[i].lines; n++) {
            strbuf_add_format(&text, "%0*d,x\n", (int)cases[i].width, 7);
            strbuf_add_format(&want, "%zu:%0*d|x;", n + 2, (int)cases[i].width, 7);
        }
        for (size_t step = 4099; step < text.length * 2; step *= 37) {
            char *got = read_all(text.data, text.length, step);
            ck_assert_msg(strcmp(got, want.data) == 0, "case %zu in pieces of %zu", i, step);
            free(got);
        }
        strbuf_free(&text);
        strbuf_free(&want);
    }
}
END_TEST

struct expecting {
    struct strbuf seen;
    struct csv *csv;
};

static bool see_problem(void *arg, const struct csv_row *row)
{
    struct expecting *expecting = arg;
    strbuf_add_format(&expecting->seen, "%llu %s %d %.*s|", (unsigned long long)row->line,
                      row->problem != NULL ? row->problem : row->fields[0], (int)row->fault,
                      (int)row->raw_length, row->raw);
    csv_expect(expecting->csv, 2);
    ck_assert_uint_gt(csv_line(expecting->csv), row->line);
    return true;
}

START_TEST(a_row_of_another_width_gives_back_what_it_swallowed)
{
    static const char text[] = "a,b\nc,\"d\ne,\",f\ng,h\n1\n\"i\nj\",k\n\xff,z";
    struct expecting expecting = {.csv = NULL};
    expecting.csv = csv_new(see_problem, &expecting);
    ck_assert_ptr_nonnull(expecting.csv);
    csv_start_at(expecting.csv, 11);
    ck_assert(csv_feed(expecting.csv, text, sizeof(text) - 1));
    ck_assert(csv_finish(expecting.csv));
    ck_assert_str_eq(expecting.seen.data, "11 a 1 a,b\n|"
                                          "12 3 fields, the header has 2 0 c,\"d\n|"
                                          "13 text after a closing quote 0 e,\",f\n|"
                                          "14 g 1 g,h\n|"
                                          "15 1 fields, the header has 2 0 1\n|"
                                          "16 i\nj 1 \"i\nj\",k\n|"
                                          "18 not valid UTF-8 1 \xff,z|");
    csv_free(&expecting.csv);
    strbuf_free(&expecting.seen);
}
END_TEST

START_TEST(line_ends_stand_only_where_they_may)
{
    static const char text[] = "\"a\nb\",c\nd,\"e\nf,g\nh,\"i\"\nj,k\"\n\"l\",m\r\nn,\"o\r\np\"\n";
    static const struct {
        size_t field;
        const char *want;
    } cases[] = {
        {CSV_ANY_FIELD, "1:a\nb|c;3!;4:f|g;5:h|i;6!;7:l|m;8:n|o\r\np;"},
        {0, "1:a\nb|c;3!;4:f|g;5:h|i;6!;7:l|m;8!;9!;"},
        {1, "1!;2!;3!;4:f|g;5:h|i;6!;7:l|m;8:n|o\r\np;"},
        {2, "1!;2!;3!;4:f|g;5:h|i;6!;7:l|m;8!;9!;"},
        {CSV_NO_FIELD, "1!;2!;3!;4:f|g;5:h|i;6!;7:l|m;8!;9!;"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t step = 1; step <= sizeof(text); step++) {
            struct strbuf out = {0};
            struct csv *csv = csv_new(gather, &out);
            ck_assert_ptr_nonnull(csv);
            csv_multiline(csv, cases[i].field);
            for (size_t at = 0; at < sizeof(text) - 1; at += step) {
                size_t left = sizeof(text) - 1 - at;
                ck_assert(csv_feed(csv, text + at, left < step ? left : step));
            }
            ck_assert(csv_finish(csv));
            ck_assert_str_eq(out.data, cases[i].want);
            strbuf_free(&out);
            csv_free(&csv);
        }
}
END_TEST

static bool stop(void *arg, const struct csv_row *row)
{
    (void)row;
    return ++*(int *)arg < 2;
}

START_TEST(stops_when_asked)
{
    int calls = 0;
    struct csv *csv = csv_new(stop, &calls);
    ck_assert_ptr_nonnull(csv);
    ck_assert(!csv_feed(csv, "a\nb\nc\n", 6));
    ck_assert_int_eq(calls, 2);
    ck_assert(!csv_out_of_memory(csv));
    csv_free(&csv);
}
END_TEST

START_TEST(separates_as_told)
{
    static const struct {
        char separator;
        const char *text;
        const char *want;
    } cases[] = {
        {';', "a;b,c\n\"d;e\";f\n", "1:a|b,c;2:d;e|f;"},
        {';', "a,b\n", "1:a,b;"},
        {';', "a;\n\"b\"x;\nc\n", "1:a|;2!;3:c;"},
        {'\t', "a\tb;c,d\r\n\t\n", "1:a|b;c,d;2:|;"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct strbuf out = {0};
        struct csv *csv = csv_new(gather, &out);
        ck_assert_ptr_nonnull(csv);
        csv_set_separator(csv, cases[i].separator);
        ck_assert(csv_feed(csv, cases[i].text, strlen(cases[i].text)));
        ck_assert(csv_finish(csv));
        ck_assert_str_eq(out.data, cases[i].want);
        strbuf_free(&out);
        csv_free(&csv);
    }
}
END_TEST

/* Each row as it stood, in brackets. */
static bool cut_out(void *arg, const struct csv_row *row)
{
    struct strbuf *out = arg;
    strbuf_add_char(out, '[');
    strbuf_add(out, row->raw, row->raw_length);
    strbuf_add_char(out, ']');
    return true;
}

START_TEST(hands_rows_out_as_they_stood)
{
    static const char text[] = "\xef\xbb\xbf"
                               "a,\"b\nc\"\r\n\n\r\nd\"e\nf,\xff\n\ng,h";
    static const char want[] = "[\xef\xbb\xbf"
                               "a,\"b\nc\"\r\n][d\"e\n][f,\xff\n][g,h]";
    for (size_t step = 1; step < sizeof(text); step++) {
        struct strbuf out = {0};
        struct csv *csv = csv_new(cut_out, &out);
        ck_assert_ptr_nonnull(csv);
        for (size_t at = 0; at < sizeof(text) - 1; at += step) {
            size_t left = sizeof(text) - 1 - at;
            ck_assert(csv_feed(csv, text + at, left < step ? left : step));
        }
        ck_assert(csv_finish(csv));
        ck_assert_str_eq(out.data, want);
        strbuf_free(&out);
        csv_free(&csv);
    }
}
END_TEST

Suite *csv_suite(void)
{
    Suite *suite = suite_create("csv");
    TCase *cases = tcase_create("csv");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_loop_test(cases, reads_the_same_in_any_pieces, 0,
                        (int)(sizeof(rows) / sizeof(rows[0])));
    tcase_add_test(cases, keeps_its_caps);
    tcase_add_test(cases, an_open_quote_costs_one_line);
    tcase_add_test(cases, a_row_of_another_width_gives_back_what_it_swallowed);
    tcase_add_test(cases, line_ends_stand_only_where_they_may);
    tcase_add_test(cases, stops_when_asked);
    tcase_add_test(cases, separates_as_told);
    tcase_add_test(cases, hands_rows_out_as_they_stood);
    suite_add_tcase(suite, cases);
    return suite;
}
