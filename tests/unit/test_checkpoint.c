/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint kept elsewhere: found in all that mail programs make of it, and held against a
 * journal whose end was cut off. */
#include "tests/unit/test_journal.h"

#include "office/checkpoint.h"
#include "store/segment.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct box box;
static struct strbuf line; /* the last checkpoint of the journal, without its line end */

static void setup(void)
{
    struct strbuf text = {0};
    box_new(&box, 1 << 20);
    box_open(&box);
    box_fill(&box, 5);
    box_close(&box);
    box_read(&box, 1, &text);
    const char *found = NULL;
    for (char *at = text.data; (at = strstr(at, "{\"type\":\"checkpoint\"")) != NULL; at++)
        found = at;
    ck_assert_ptr_nonnull(found);
    line = (struct strbuf){0};
    strbuf_add(&line, found, strcspn(found, "\n"));
    strbuf_free(&text);
}

static void teardown(void)
{
    strbuf_free(&line);
    box_free(&box);
}

static enum result find(const struct strbuf *text, struct checkpoint *out, struct error *err)
{
    return checkpoint_find(text->data, text->length, box.key, out, err);
}

static void expect_found(struct strbuf *text)
{
    struct checkpoint checkpoint = {0};
    struct error err = {0};
    enum result result = find(text, &checkpoint, &err);
    if (result != RESULT_OK)
        ck_abort_msg("%s in: %s", err.text, text->data);
    ck_assert_str_eq(checkpoint.line, line.data);
    ck_assert_uint_eq(checkpoint.row, 6); /* the segment's own record, and five */
    strbuf_free(text);
}

START_TEST(however_it_was_kept)
{
    struct strbuf text = {0};
    strbuf_add_str(&text, line.data);
    expect_found(&text);
    strbuf_add_format(&text, "Subject: x\r\n\r\nBonjour,\r\n\r\n    %s\r\n\r\n-- \r\n", line.data);
    expect_found(&text);
    /* Wrapped at 60 and quoted. */
    for (size_t i = 0; i < line.length; i += 60)
        strbuf_add_format(&text, "> %.60s\n", line.data + i);
    expect_found(&text);
    /* Quoted-printable: '=' is encoded, soft line ends. */
    strbuf_add_str(&text, "Content-Transfer-Encoding: quoted-printable\n\n=C3=A9t=C3=A9:\n");
    for (size_t i = 0; i < line.length; i++) {
        if (line.data[i] == '=')
            strbuf_add_str(&text, "=3D");
        else
            strbuf_add_char(&text, line.data[i]);
        if (i % 50 == 49)
            strbuf_add_str(&text, "=\r\n");
    }
    expect_found(&text);
    /* An attachment in base64, between others. */
    char encoded[4096];
    base64_encode((const uint8_t *)line.data, line.length, encoded);
    strbuf_add_str(&text, "--b\r\n\r\nAAAA\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    for (size_t i = 0; i < strlen(encoded); i += 76)
        strbuf_add_format(&text, "%.76s\r\n", encoded + i);
    strbuf_add_str(&text, "--b--");
    expect_found(&text);
    base64_encode((const uint8_t *)line.data, line.length, encoded);
    strbuf_add_str(&text, encoded); /* without a line end */
    expect_found(&text);
}
END_TEST

START_TEST(what_is_none_or_not_good)
{
    struct strbuf text = {0};
    struct checkpoint checkpoint;
    struct error err = {0};
    strbuf_add_str(&text, "Subject: lunch\n\nA=\n{\"type\":\"decision\"}");
    ck_assert_int_eq(find(&text, &checkpoint, &err), RESULT_NOT_FOUND);
    ck_assert_str_eq(err.text, "there is no checkpoint of a journal in it");
    strbuf_clear(&text);
    strbuf_add(&text, line.data, line.length - 1);
    ck_assert_int_eq(find(&text, &checkpoint, &err), RESULT_BAD_INPUT);
    ck_assert_str_eq(err.text, "the checkpoint has no end");
    /* Another row than the one that was signed. */
    strbuf_clear(&text);
    strbuf_add_str(&text, line.data);
    char *row = strstr(text.data, "\"row\":6");
    ck_assert_ptr_nonnull(row);
    row[6] = '5';
    ck_assert_int_eq(find(&text, &checkpoint, &err), RESULT_BAD_INPUT);
    ck_assert_str_eq(err.text, "the checkpoint's signature does not hold");
    /* A bad one before a good one does no harm. */
    strbuf_add_char(&text, '\n');
    strbuf_add_str(&text, line.data);
    expect_found(&text);
}
END_TEST

static enum result verify(const struct checkpoint *checkpoint, struct verify_report *report)
{
    struct verify_known known = {.row = checkpoint->row, .who = "the checkpoint"};
    struct verify_calls calls = {.known = &known};
    memcpy(known.hash, checkpoint->head, sizeof(known.hash));
    return journal_verify(box.directory, box.key, NULL, &calls, report, NULL);
}

START_TEST(a_tail_that_was_cut_off)
{
    struct checkpoint checkpoint;
    struct verify_report report;
    struct strbuf text = {0};
    struct error err;
    ck_assert_int_eq(find(&line, &checkpoint, &err), RESULT_OK);
    ck_assert_int_eq(verify(&checkpoint, &report), RESULT_OK);
    /* Four rows are left, and nobody remembers more. */
    box_read(&box, 1, &text);
    char *end = text.data;
    for (int i = 0; i < 4; i++)
        end = strchr(end, '\n') + 1;
    box_write(&box, 1, text.data, (size_t)(end - text.data));
    unlink(box.index);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
    ck_assert_int_eq(verify(&checkpoint, &report), RESULT_DAMAGED);
    ck_assert_str_eq(report.where, "the journal ends at row 4 but the checkpoint knows row 6: rows "
                                   "were cut off");
    ck_assert(report.complete);
    ck_assert_uint_eq(report.rows, 4);
    /* The gate went on meanwhile: there is a row 6, another one. */
    box_open(&box);
    box_fill(&box, 5);
    box_close(&box);
    ck_assert_int_eq(box_verify(&box, false, &report), RESULT_OK);
    ck_assert_int_eq(verify(&checkpoint, &report), RESULT_DAMAGED);
    ck_assert_str_eq(report.where, "row 6, journal/00000001.seg line 6: the checkpoint remembers "
                                   "another hash for this row: rows were replaced");
    ck_assert(!report.complete);
    strbuf_free(&text);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {however_it_was_kept, what_is_none_or_not_good,
                                  a_tail_that_was_cut_off, NULL};
    Suite *suite = suite_create("checkpoint");
    TCase *cases = tcase_create("checkpoint");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, setup, teardown);
    for (size_t i = 0; tests[i] != NULL; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    Suite *const suites[] = {suite, NULL};
    return unit_run(suites);
}
