/* SPDX-License-Identifier: Apache-2.0 */
/* Text, time, log lines, error texts; the other suites are in test_base_*.c. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "tests/unit/test_base_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* ---- time ---- */

START_TEST(instants)
{
    static const struct {
        const char *text;
        const char *want; /* NULL: refused */
    } rows[] = {
        {"2026-11-23T20:54:37Z", "2026-11-23T20:54:37.000000Z"},
        {"2026-11-23t20:54:37z", "2026-11-23T20:54:37.000000Z"},
        {"2026-11-23 20:54:37Z", "2026-11-23T20:54:37.000000Z"},
        {"2026-11-23T20:54:37.5Z", "2026-11-23T20:54:37.500000Z"},
        {"2026-11-23T20:54:37.123456789Z", "2026-11-23T20:54:37.123456Z"},
        {"2026-11-23T20:54:37+01:00", "2026-11-23T19:54:37.000000Z"},
        {"2026-11-23T20:54:37-11:30", "2026-11-24T08:24:37.000000Z"},
        {"2026-01-01T00:00:00+00:01", "2025-12-31T23:59:00.000000Z"},
        {"2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000000Z"},
        {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"},
        {"2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000Z"},
        {"1969-12-31T23:59:59.75Z", "1969-12-31T23:59:59.750000Z"},
        {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"},
        {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000Z"},
        {"2026-02-29T00:00:00Z", NULL},
        {"1900-02-29T00:00:00Z", NULL},
        {"2026-13-01T00:00:00Z", NULL},
        {"2026-00-01T00:00:00Z", NULL},
        {"2026-04-31T00:00:00Z", NULL},
        {"2026-04-00T00:00:00Z", NULL},
        {"2026-11-23T24:00:00Z", NULL},
        {"2026-11-23T20:60:00Z", NULL},
        {"2026-11-23T20:54:61Z", NULL},
        {"2026-11-23T20:54:37", NULL},
        {"2026-11-23T20:54:37.Z", NULL},
        {"2026-11-23T20:54:37.1234567890Z", NULL},
        {"2026-11-23T20:54:37+0100", NULL},
        {"2026-11-23T20:54:37+24:00", NULL},
        {"2026-11-23T20:54:37+01:60", NULL},
        {"2026-11-23T20:54:37Z ", NULL},
        {" 2026-11-23T20:54:37Z", NULL},
        {"2026-11-23", NULL},
        {"26-11-23T20:54:37Z", NULL},
        {"2026-11-23T20:54Z", NULL},
        {"2026-1a-23T20:54:37Z", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t instant = 42;
        char text[CLOCK_TEXT];
        bool ok = clock_parse(rows[i].text, strlen(rows[i].text), &instant);
        ck_assert_msg(ok == (rows[i].want != NULL), "%s", rows[i].text);
        if (!ok) {
            ck_assert_int_eq(instant, 42);
            continue;
        }
        clock_format(instant, text);
        ck_assert_str_eq(text, rows[i].want);
    }
    char text[32];
    clock_format_seconds(INT64_C(1700000000) * CLOCK_SECOND, text);
    ck_assert_str_eq(text, "2023-11-14T22:13:20Z");
    clock_format_mail(INT64_C(1700000000) * CLOCK_SECOND, text);
    ck_assert_str_eq(text, "Tue, 14 Nov 2023 22:13:20 +0000");
}
END_TEST

START_TEST(durations_follow_the_calendar)
{
    static const struct {
        const char *from, *duration, *later, *earlier;
    } rows[] = {
        {"2024-02-29", "3 years", "2027-02-28", "2021-02-28"},
        {"2024-01-31", "1 month", "2024-02-29", "2023-12-31"},
        {"2023-03-31", "1 month", "2023-04-30", "2023-02-28"},
        {"2023-12-15", "1 month", "2024-01-15", "2023-11-15"},
        {"2024-01-15", "13 months", "2025-02-15", "2022-12-15"},
        {"2000-12-31", "2 months", "2001-02-28", "2000-10-31"},
        {"2024-02-28", "2 days", "2024-03-01", "2024-02-26"},
        {"1970-01-31", "1 month", "1970-02-28", "1969-12-31"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct duration duration;
        char from[32] = "", got[CLOCK_TEXT];
        int64_t instant;
        snprintf(from, sizeof(from), "%sT10:20:30.5Z", rows[i].from);
        ck_assert(clock_parse(from, strlen(from), &instant));
        ck_assert(duration_parse(rows[i].duration, &duration));
        clock_format(clock_add(instant, duration), got);
        ck_assert_str_eq(got + 10, "T10:20:30.500000Z");
        got[10] = '\0';
        ck_assert_str_eq(got, rows[i].later);
        clock_format(clock_subtract(instant, duration), got);
        got[10] = '\0';
        ck_assert_str_eq(got, rows[i].earlier);
    }
    /* Before the year 0 the calendar goes on backwards, and forwards to where it was. */
    struct duration ages;
    int64_t now;
    ck_assert(clock_parse("2026-11-23T00:00:00Z", 20, &now));
    ck_assert(duration_parse("12000 years", &ages));
    ck_assert_int_lt(clock_subtract(now, ages), 0);
    ck_assert_int_eq(clock_add(clock_subtract(now, ages), ages), now);
}
END_TEST

START_TEST(duration_texts)
{
    static const struct {
        const char *text;
        int32_t months; /* -1: refused */
        int64_t microseconds;
    } rows[] = {
        {"250 ms", 0, 250000},
        {"30 s", 0, 30 * CLOCK_SECOND},
        {"30s", 0, 30 * CLOCK_SECOND},
        {"1 second", 0, CLOCK_SECOND},
        {"10 min", 0, 600 * CLOCK_SECOND},
        {"2 h", 0, 7200 * CLOCK_SECOND},
        {"5 days", 0, 5 * CLOCK_DAY},
        {"1 month", 1, 0},
        {"3 years", 36, 0},
        {"999999 days", 0, 999999 * CLOCK_DAY},
        {"", -1, 0},
        {"s", -1, 0},
        {"30", -1, 0},
        {"30 x", -1, 0},
        {"-1 s", -1, 0},
        {"1.5 s", -1, 0},
        {"1 s ", -1, 0},
        {" 1 s", -1, 0},
        {"1000000 s", -1, 0},
        {"99999999999999999999 s", -1, 0},
        {"12001 years", -1, 0},
        {"30 S", -1, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct duration got = {.months = -1};
        bool ok = duration_parse(rows[i].text, &got);
        ck_assert_msg(ok == (rows[i].months >= 0), "%s", rows[i].text);
        ck_assert_int_eq(got.months, rows[i].months);
        if (ok)
            ck_assert_int_eq(got.microseconds, rows[i].microseconds);
    }
}
END_TEST

/* ---- text ---- */

START_TEST(hex)
{
    uint8_t out[4];
    char text[9];
    ck_assert(hex_decode("00fFa1Bc", 8, out, 4));
    hex_encode(out, 4, text);
    ck_assert_str_eq(text, "00ffa1bc");
    static const char *const bad[] = {"",         "00",       "00ffa1b",  "00ffa1bc0",
                                      "00ffa1bg", "00 fa1bc", "0x00ffa1", "+0ffa1bc"};
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_msg(!hex_decode(bad[i], strlen(bad[i]), out, 4), "%s", bad[i]);
}
END_TEST

START_TEST(base64)
{
    static const struct {
        const char *text, *bytes;
    } good[] = {{"", ""},        {"Zg==", "f"},        {"Zm8=", "fo"},
                {"Zm9v", "foo"}, {"Zm9vYg==", "foob"}, {"+/+/", "\xfb\xff\xbf"}};
    static const char *const bad[] = {
        "Z",      "Zg",   "Zg=",      "Zg===", "=Zg=", "Z===", "====",
        "Zm9v\n", "Zm 9", "Zg==Zg==", "Zm9-",  "Zm9_", "Zm=v", "Zm9*"};
    uint8_t out[64];
    char text[64];
    for (size_t i = 0; i < COUNT(good); i++) {
        ck_assert_int_eq(base64_decode(good[i].text, strlen(good[i].text), out),
                         (ptrdiff_t)strlen(good[i].bytes));
        ck_assert_int_eq(memcmp(out, good[i].bytes, strlen(good[i].bytes)), 0);
        base64_encode((const uint8_t *)good[i].bytes, strlen(good[i].bytes), text);
        ck_assert_str_eq(text, good[i].text);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_msg(base64_decode(bad[i], strlen(bad[i]), out) == -1, "%s", bad[i]);
    ck_assert_int_eq(base64_decode("Zm\0v", 4, out), -1);
}
END_TEST

START_TEST(utf8)
{
    static const char *const good[] = {"",
                                       "a",
                                       "\xc2\x80",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xe2\x82",
                                      "a\xc3(",
                                      "\xc3\xa9\xa9"};
    for (size_t i = 0; i < COUNT(good); i++)
        ck_assert_msg(utf8_valid(good[i], strlen(good[i])), "%zu", i);
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_msg(!utf8_valid(bad[i], strlen(bad[i])), "%zu", i);
}
END_TEST

START_TEST(json)
{
    static const struct {
        const char *text;
        size_t length;
        const char *want;
    } rows[] = {
        {"plain", 5, "plain"},
        {"a\"b\\c", 5, "a\\\"b\\\\c"},
        {"\"}\n{\"x\":1", 9, "\\\"}\\u000a{\\\"x\\\":1"},
        {"\x01\x1f\x7f", 3, "\\u0001\\u001f\\u007f"},
        {"a\0b", 3, "a\\u0000b"},
        {"caf\xc3\xa9", 5, "caf\xc3\xa9"},
        {"\xff\xc3", 2, "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe2\x82\"", 3, "\xef\xbf\xbd\xef\xbf\xbd\\\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct strbuf out = {0};
        strbuf_add_json(&out, rows[i].text, rows[i].length);
        ck_assert_str_eq(out.data, rows[i].want);
        strbuf_free(&out);
    }
    /* Whatever the bytes are: no control, no bare quote, valid UTF-8. */
    for (unsigned code = 0; code < 65536; code++) {
        char bytes[2] = {(char)(code >> 8), (char)code};
        struct strbuf out = {0};
        strbuf_add_json(&out, bytes, 2);
        ck_assert(utf8_valid(out.data, out.length));
        for (size_t i = 0; i < out.length; i++)
            if (out.data[i] == '\\')
                i++;
            else
                ck_assert((unsigned char)out.data[i] >= 0x20 && out.data[i] != '"');
        strbuf_free(&out);
    }
    struct strbuf out = {0};
    strbuf_add_char(&out, '{');
    strbuf_add_json_field(&out, "a", NULL);
    strbuf_add_json_field(&out, "b", "{");
    strbuf_add_json_number(&out, "c", INT64_MIN);
    ck_assert_str_eq(out.data, "{\"a\":null,\"b\":\"{\",\"c\":-9223372036854775808");
    char *text = strbuf_take(&out);
    ck_assert_ptr_null(out.data);
    free(text);
}
END_TEST

START_TEST(copies_and_case)
{
    char out[4];
    ck_assert(str_copy(out, sizeof(out), "abc"));
    ck_assert(!str_copy(out, sizeof(out), "abcd"));
    ck_assert_str_eq(out, "abc");
    ck_assert(ascii_equal("MaIl", "mAiL"));
    ck_assert(!ascii_equal("mail", "mailx"));
    ck_assert(!ascii_equal("mailx", "mail"));
    ck_assert(!ascii_equal("\xc9", "\xe9"));
    ck_assert(!ascii_equal("@", "`"));
    ck_assert(ascii_equal_n("FROMx", 4, "from"));
    ck_assert(!ascii_equal_n("FRO", 3, "from"));
    ck_assert(ascii_has_prefix("from:<", "FROM:"));
    ck_assert(!ascii_has_prefix("fro", "FROM:"));
}
END_TEST

/* ---- what goes into logs ---- */

START_TEST(no_value_forges_a_line)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"plain-1.2_3", "plain-1.2_3"},
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"x\n2026-11-23T20:54:37Z info event=forged", "\"x\\x0a2026-11-23T20:54:37Z info "
                                                      "event=forged\""},
        {"\r\x1b[2J\x7f\xff", "\"\\x0d\\x1b[2J\\x7f\\xff\""},
    };
    char out[256];
    for (size_t i = 0; i < COUNT(rows); i++) {
        ck_assert_uint_eq(log_escape(rows[i].text, out, sizeof(out)), strlen(rows[i].want));
        ck_assert_str_eq(out, rows[i].want);
    }
    /* Cut to any size it stays one closed, printable value. */
    for (size_t size = 0; size < 40; size++) {
        char *exact = malloc(size > 0 ? size : 1);
        static const char *const hostile[] = {
            "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"", "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
            "a b\\\\\\\\\\\\\\\\\\\\", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
        for (size_t i = 0; i < COUNT(hostile) && size > 0; i++) {
            size_t length = log_escape(hostile[i], exact, size);
            ck_assert_uint_lt(length, size);
            ck_assert_uint_eq(strlen(exact), length);
            for (size_t j = 0; j < length; j++)
                ck_assert((unsigned char)exact[j] >= 0x20 && (unsigned char)exact[j] < 0x7f);
            if (length > 0) {
                ck_assert(exact[0] == '"' && exact[length - 1] == '"');
                size_t quotes = 0;
                for (size_t j = 0; j < length; j++) {
                    if (exact[j] == '\\')
                        j++;
                    else if (exact[j] == '"')
                        quotes++;
                }
                ck_assert_uint_eq(quotes, 2);
            }
        }
        free(exact);
    }
}
END_TEST

START_TEST(errors)
{
    struct error err;
    ck_assert_int_eq(error_set(&err, RESULT_DENIED, "no %d", 1), RESULT_DENIED);
    ck_assert_str_eq(err.text, "no 1");
    error_prefix(&err, "file %s", "x");
    ck_assert_str_eq(err.text, "file x: no 1");
    ck_assert_int_eq(error_errno(&err, RESULT_SYSTEM, ENOENT, "open"), RESULT_SYSTEM);
    ck_assert_str_eq(err.text, "open: No such file or directory");
    ck_assert_int_eq(error_set(NULL, RESULT_DAMAGED, "x"), RESULT_DAMAGED);
    char big[2000];
    memset(big, 'a', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    error_set(&err, RESULT_SYSTEM, "%s", big);
    error_prefix(&err, "%s", big);
    error_errno(&err, RESULT_SYSTEM, ENOENT, "%s", big);
    ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        instants,        durations_follow_the_calendar, duration_texts, hex, base64, utf8, json,
        copies_and_case, no_value_forges_a_line,        errors,         NULL};
    Suite *const suites[] = {unit_suite("text", tests), csv_suite(),  flat_suite(), flush_suite(),
                             language_suite(),          loop_suite(), net_suite(),  seal_suite(),
                             secrets_suite(),           NULL};
    return unit_run(suites);
}
