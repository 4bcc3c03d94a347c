/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner of the stream behind DATA: the same verdict however the bytes are cut. */
#include "proxy/smtp/content.h"
#include "tests/unit/test_proxy_parts.h"

#include <string.h>

struct result_of {
    enum content_verdict verdict;
    uint64_t bytes, header_bytes;
    size_t settled; /* bytes used, up to and with the final dot */
    bool header_ended, too_long;
};

/* Feeds as the session does: what was not settled comes again with what follows. */
static struct result_of feed(const char *text, size_t length, size_t first, size_t step)
{
    struct content_scan scan;
    struct result_of out = {.verdict = CONTENT_MORE};
    content_start(&scan);
    size_t at = 0;
    size_t end = first < length ? first : length;
    for (;;) {
        size_t used = 0;
        /* A copy of exactly these bytes, so that reading past them is seen. */
        char *chunk = malloc(end - at + 1);
        ck_assert_ptr_nonnull(chunk);
        memcpy(chunk, text + at, end - at);
        out.verdict = content_scan(&scan, chunk, end - at, &used);
        free(chunk);
        ck_assert_uint_le(used, end - at);
        if (out.verdict == CONTENT_MORE)
            ck_assert_uint_le(end - at - used, 2);
        at += used;
        if (out.verdict != CONTENT_MORE || end == length)
            break;
        end = end + step < length ? end + step : length;
    }
    out.bytes = scan.bytes;
    out.header_bytes = scan.header_bytes;
    out.header_ended = scan.header_ended;
    out.too_long = scan.too_long;
    out.settled = out.verdict == CONTENT_END ? at : 0;
    return out;
}

static const struct {
    const char *text;
    enum content_verdict verdict;
    uint64_t bytes;  /* when END */
    uint64_t header; /* when END */
} rows[] = {
    {".\r\n", CONTENT_END, 0, 0},
    {"\r\n.\r\n", CONTENT_END, 2, 2},
    {"A: b\r\n\r\nbody\r\n.\r\n", CONTENT_END, 14, 8},
    {"A: b\r\n\r\nbody\r\n.\r\nMAIL FROM:<x>\r\n", CONTENT_END, 14, 8},
    {"A: b\r\n.\r\n", CONTENT_END, 6, 6},
    {"A: b\r\n\r\n..\r\n.\r\n", CONTENT_END, 12, 8},
    {"A: b\r\n\r\n..\r\n...\r\n..x\r\n.\r\n", CONTENT_END, 22, 8},
    {".A: b\r\n\r\n.x\r\n.\r\n", CONTENT_END, 13, 9},
    {"a\r\n\r\n\r\n.\r\n", CONTENT_END, 7, 5},
    /* Unfinished. */
    {"", CONTENT_MORE, 0, 0},
    {"a\r\n.", CONTENT_MORE, 0, 0},
    {"a\r\n.\r", CONTENT_MORE, 0, 0},
    {"a\r\n..\r\n", CONTENT_MORE, 0, 0},
    {"a\r\n. \r\n", CONTENT_MORE, 0, 0},
    {"a.\r\n", CONTENT_MORE, 0, 0},
    {"a\r", CONTENT_MORE, 0, 0},
    /* What another server might take for the end (CVE-2023-51764 and its kin). */
    {"a\n.\n", CONTENT_BARE, 0, 0},
    {"a\n.\r\n", CONTENT_BARE, 0, 0},
    {"a\r\n.\n", CONTENT_BARE, 0, 0},
    {"a\r.\r\n", CONTENT_BARE, 0, 0},
    {"a\r.\r", CONTENT_BARE, 0, 0},
    {"a\r\n.\rb", CONTENT_BARE, 0, 0},
    {"a\r\n.\r\r\n", CONTENT_BARE, 0, 0},
    {"a\r\r\n.\r\n", CONTENT_BARE, 0, 0},
    {"a\r\n\r.\r\n", CONTENT_BARE, 0, 0},
    {"a\r\n\n.\r\n", CONTENT_BARE, 0, 0},
    {"\n", CONTENT_BARE, 0, 0},
    {".\n", CONTENT_BARE, 0, 0},
    {"\rx", CONTENT_BARE, 0, 0},
};

START_TEST(every_cut_gives_the_same)
{
    const char *text = rows[_i].text;
    size_t length = strlen(text);
    for (size_t first = 0; first <= length; first++)
        for (size_t step = 1; step <= length + 1; step++) {
            struct result_of got = feed(text, length, first, step);
            ck_assert_msg(got.verdict == rows[_i].verdict, "row %d cut at %zu, %zu: %d", _i, first,
                          step, got.verdict);
            if (got.verdict != CONTENT_END)
                continue;
            ck_assert_uint_eq(got.bytes, rows[_i].bytes);
            ck_assert_uint_eq(got.header_bytes, rows[_i].header);
            ck_assert_uint_eq(got.settled, rows[_i].bytes + 3);
        }
}
END_TEST

/* All messages of up to six of these characters: the verdict of the whole is the verdict of every
 * cut, and agrees with a plain reading of the rules. */
static enum content_verdict plainly(const char *text, size_t length)
{
    size_t line = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\r' && i + 1 < length && text[i + 1] != '\n')
            return CONTENT_BARE;
        if (text[i] != '\n')
            continue;
        if (i == 0 || text[i - 1] != '\r')
            return CONTENT_BARE;
        if (i - line == 2 && text[line] == '.')
            return CONTENT_END;
        line = i + 1;
    }
    return CONTENT_MORE;
}

START_TEST(every_short_message)
{
    static const char alphabet[] = {'\r', '\n', '.', 'a'};
    char text[6];
    for (size_t length = 0; length <= sizeof(text); length++)
        for (unsigned code = 0; code < 1u << (2 * length); code++) {
            for (size_t i = 0; i < length; i++)
                text[i] = alphabet[code >> (2 * i) & 3];
            enum content_verdict want = plainly(text, length);
            ck_assert_int_eq(feed(text, length, 0, 1).verdict, want);
            for (size_t first = 0; first <= length; first++)
                ck_assert_int_eq(feed(text, length, first, length + 1).verdict, want);
        }
}
END_TEST

static const struct {
    size_t length; /* of the line, CRLF included */
    const char *start;
    bool too_long;
} lines[] = {
    {1000, "a", false},  {1001, "a", true},  {1001, "..", false}, {1002, "..", true},
    {1001, ".a", false}, {1002, ".a", true}, {5000, "a", true},
};

START_TEST(lines_of_a_thousand)
{
    char text[6000];
    size_t length = lines[_i].length;
    memset(text, 'a', length);
    memcpy(text, lines[_i].start, strlen(lines[_i].start));
    memcpy(text + length - 2, "\r\n.\r\n", 5);
    for (size_t step = 1; step < 1100; step += 7) {
        struct result_of got = feed(text, length + 3, step, step);
        ck_assert_int_eq(got.verdict, CONTENT_END);
        ck_assert_int_eq(got.too_long, lines[_i].too_long);
        ck_assert_uint_eq(got.bytes, length);
    }
}
END_TEST

Suite *content_suite(void)
{
    Suite *suite = suite_create("content");
    TCase *cases = tcase_create("content");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_loop_test(cases, every_cut_gives_the_same, 0, (int)(sizeof(rows) / sizeof(rows[0])));
    tcase_add_loop_test(cases, lines_of_a_thousand, 0, (int)(sizeof(lines) / sizeof(lines[0])));
    tcase_add_test(cases, every_short_message);
    suite_add_tcase(suite, cases);
    return suite;
}
