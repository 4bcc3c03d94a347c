/* SPDX-License-Identifier: Apache-2.0 */
/* Flat JSON: what is taken for plain reads as Jansson reads it, the rest is left to Jansson. */
#include "base/flat.h"
#include "tests/unit/test_base_parts.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    bool plain;
} rows[] = {
    {"{\"to\":\"+33612345678\"}", true},
    {" {\t\"to\" : \"+33612345678\" ,\r\n\"text\": \"d\xc3\xa9j\xc3\xa0\" }\n", true},
    {"{\"a\":\"\",\"b\":0,\"c\":999999999999999999,\"d\":true,\"e\":false,\"f\":null}", true},
    {"{\"a\":\"{}[],:\"}", true},
    /* Left to Jansson, whether it takes them or not. */
    {"{}", false},
    {"[]", false},
    {"\"a\"", false},
    {"", false},
    {"{", false},
    {"{\"a\"", false},
    {"{\"a\":", false},
    {"{\"a\":\"", false},
    {"{\"a\":1", false},
    {"{\"a\":1,", false},
    {"{\"a\":1,}", false},
    {"{\"a\":1}}", false},
    {"{\"a\":1} x", false},
    {"{\"a\" 1}", false},
    {"{,\"a\":1}", false},
    {"{\"a\":1 \"b\":2}", false},
    {"{\"a\":1,\"a\":1}", false},
    {"{\"a\":tru}", false},
    {"{\"a\":nullx}", false},
    {"{\"a\":\"\\n\"}", false},
    {"{\"a\":\"\n\"}", false},
    {"{\"a\\u0062\":1}", false},
    {"{\"a\":\"\x80\"}", false},
    {"{\"a\":\"\xed\xa0\x80\"}", false},
    {"{\"\xff\":1}", false},
    {"{\"a\":-1}", false},
    {"{\"a\":01}", false},
    {"{\"a\":1.5}", false},
    {"{\"a\":1e3}", false},
    {"{\"a\":9999999999999999999}", false},
    {"{\"a\":[1]}", false},
    {"{\"a\":{\"b\":1}}", false},
    {"{\"0123456789012345678901234567890123456789012345678901234567890123\":1}", false},
};

START_TEST(flat_objects)
{
    size_t length = strlen(rows[_i].text);
    json_t *flat = flat_json(rows[_i].text, length);
    ck_assert_msg((flat != NULL) == rows[_i].plain, "%s", rows[_i].text);
    if (flat == NULL)
        return;
    json_t *usual = json_loadb(rows[_i].text, length, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(json_equal(flat, usual), "%s", rows[_i].text);
    json_decref(usual);
    json_decref(flat);
}
END_TEST

/* Whatever is cut off: nothing behind the end is looked at. */
START_TEST(flat_cut)
{
    const char *text = rows[2].text;
    for (size_t length = 0; length < strlen(text); length++) {
        char *cut = malloc(length > 0 ? length : 1);
        ck_assert_ptr_nonnull(cut);
        memcpy(cut, text, length);
        ck_assert_ptr_null(flat_json(cut, length));
        free(cut);
    }
    ck_assert_ptr_null(flat_json("{\"a\":\"\0\"}", 9)); /* Jansson has the say on a NUL */
}
END_TEST

Suite *flat_suite(void)
{
    Suite *suite = suite_create("flat");
    TCase *cases = tcase_create("flat");
    tcase_add_loop_test(cases, flat_objects, 0, (int)(sizeof(rows) / sizeof(rows[0])));
    tcase_add_test(cases, flat_cut);
    suite_add_tcase(suite, cases);
    return suite;
}
