/* SPDX-License-Identifier: Apache-2.0 */
/* Screenings in the journal and its index, and records that are composed elsewhere. */
#include "tests/unit/test_journal.h"

#include <string.h>

static const char hex[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static uint8_t list[SHA256_BYTES];

static void add_decision(struct strbuf *lines, const char *session, uint64_t row)
{
    char id[RECORD_ID];
    struct recipient recipient = {.masked = "j\u2022\u2022\u2022@example.org"};
    memset(recipient.key, (int)row, sizeof(recipient.key));
    record_new_id(id);
    struct decision decision = {.id = id,
                                .at = clock_now(),
                                .gateway = "gate.example",
                                .session = session,
                                .partner = "acme",
                                .channel = CHANNEL_EMAIL,
                                .purpose = PURPOSE_TRANSMISSION,
                                .recipient = row % 3 != 0 ? &recipient : NULL,
                                .verdict = row % 2 != 0 ? VERDICT_PASS : VERDICT_BLOCK,
                                .reason = row % 2 != 0 ? REASON_CONSENT : REASON_STALE,
                                .effect = row % 2 != 0 ? EFFECT_PASSED : EFFECT_REFUSED,
                                .policy = "0123456789ab",
                                .list = hex,
                                .row = row};
    record_decision(lines, &decision);
    strbuf_add_char(lines, '\n');
}

static void add_begin(struct strbuf *lines, const char *id, const char *partner)
{
    struct screening screening = {.id = id,
                                  .at = clock_now(),
                                  .gateway = "gate.example",
                                  .partner = partner,
                                  .channel = CHANNEL_EMAIL,
                                  .purpose = PURPOSE_TRANSMISSION,
                                  .list = hex,
                                  .name = "a \"list\".csv"};
    record_screening(lines, &screening);
    strbuf_add_char(lines, '\n');
}

static void add_end(struct strbuf *lines, const char *id)
{
    uint64_t blocked[REASON_COUNT] = {[REASON_STALE] = 2, [REASON_NO_CONSENT] = 1};
    struct screened screened = {
        .id = id, .at = clock_now(), .rows = 5, .passed = 2, .blocked = blocked};
    record_screened(lines, &screened);
    strbuf_add_char(lines, '\n');
}

static void append(struct box *box, struct strbuf *lines)
{
    struct journal_batch *batch = NULL;
    struct error err = {0};
    enum result result = journal_batch_of(lines, &batch, &err);
    ck_assert_msg(result == RESULT_OK, "%s", err.text);
    ck_assert_ptr_null(lines->data);
    ck_assert_int_eq(box_append(box, batch), RESULT_OK);
}

static struct journal_index *open_index(const struct box *box)
{
    struct journal_index *index = NULL;
    struct error err = {0};
    ck_assert_int_eq(journal_index_open(box->index, box->directory, NULL, &index, &err), RESULT_OK);
    ck_assert_int_eq(journal_index_catch_up(index, 0, NULL, &err), RESULT_OK);
    return index;
}

START_TEST(an_unfinished_screening_is_found)
{
    struct box box;
    struct strbuf lines = {0};
    struct listed_screening found;
    struct error err = {0};
    hex_decode(hex, strlen(hex), list, sizeof(list));
    box_new(&box, 2000); /* several segments */
    box_open(&box);
    add_begin(&lines, "S1", "acme");
    add_begin(&lines, "S2", "beta");
    for (uint64_t row = 1; row <= 7; row++)
        add_decision(&lines, "S1", row);
    append(&box, &lines);
    struct journal_index *index = open_index(&box);
    ck_assert_int_eq(journal_index_screening(index, list, "acme", CHANNEL_EMAIL, &found, &err),
                     RESULT_OK);
    ck_assert_str_eq(found.id, "S1");
    ck_assert_uint_eq(found.decisions, 7);
    ck_assert(!found.ended);
    ck_assert_int_eq(journal_index_screening(index, list, "beta", CHANNEL_EMAIL, &found, &err),
                     RESULT_OK);
    ck_assert_str_eq(found.id, "S2");
    ck_assert_uint_eq(found.decisions, 0);
    /* Another partner, channel or list. */
    ck_assert_int_eq(journal_index_screening(index, list, "gamma", CHANNEL_EMAIL, &found, &err),
                     RESULT_NOT_FOUND);
    ck_assert_int_eq(journal_index_screening(index, list, "acme", CHANNEL_SMS, &found, &err),
                     RESULT_NOT_FOUND);
    list[0] ^= 1;
    ck_assert_int_eq(journal_index_screening(index, list, "acme", CHANNEL_EMAIL, &found, &err),
                     RESULT_NOT_FOUND);
    list[0] ^= 1;
    add_end(&lines, "S1");
    append(&box, &lines);
    ck_assert_int_eq(journal_index_catch_up(index, 0, NULL, &err), RESULT_OK);
    ck_assert_int_eq(journal_index_screening(index, list, "acme", CHANNEL_EMAIL, &found, &err),
                     RESULT_OK);
    ck_assert(found.ended);
    ck_assert_uint_eq(found.decisions, 7);
    /* One that did not end comes first, whichever is later. */
    add_begin(&lines, "S3", "acme");
    add_begin(&lines, "S4", "acme");
    add_end(&lines, "S4");
    append(&box, &lines);
    ck_assert_int_eq(journal_index_catch_up(index, 0, NULL, &err), RESULT_OK);
    ck_assert_int_eq(journal_index_screening(index, list, "acme", CHANNEL_EMAIL, &found, &err),
                     RESULT_OK);
    ck_assert_str_eq(found.id, "S3");
    ck_assert(!found.ended);
    journal_index_close(&index);
    box_free(&box);
}
END_TEST

static enum result read_back(const struct box *box, uint64_t *rows_out, struct error *err)
{
    struct listed_decisions *decisions = NULL;
    struct listed_decision decision;
    struct journal_index *index = open_index(box);
    bool row = true;
    enum result result = journal_index_decisions(index, "S1", &decisions, err);
    *rows_out = 0;
    while (result == RESULT_OK) {
        result = listed_decisions_next(decisions, &row, &decision, err);
        if (result != RESULT_OK || !row)
            break;
        uint64_t number = ++*rows_out;
        ck_assert_uint_eq(decision.row, number);
        ck_assert_int_eq(decision.recipient_key == NULL, number % 3 == 0);
        if (decision.recipient_key != NULL)
            ck_assert_uint_eq(decision.recipient_key[31], number);
        ck_assert_int_eq(decision.verdict, number % 2 != 0 ? VERDICT_PASS : VERDICT_BLOCK);
        ck_assert_int_eq(decision.reason, number % 2 != 0 ? REASON_CONSENT : REASON_STALE);
        ck_assert_uint_eq(strlen(decision.id), 17);
    }
    listed_decisions_free(&decisions);
    journal_index_close(&index);
    return result;
}

START_TEST(its_decisions_come_in_order)
{
    struct box box;
    struct strbuf lines = {0};
    struct error err = {0};
    uint64_t rows;
    box_new(&box, 1 << 20);
    box_open(&box);
    add_begin(&lines, "S1", "acme");
    for (uint64_t row = 1; row <= 20; row++) {
        add_decision(&lines, "S1", row);
        add_decision(&lines, "S2", 21 - row); /* another one beside it */
    }
    append(&box, &lines);
    box_fill(&box, 3); /* and mail */
    ck_assert_int_eq(read_back(&box, &rows, &err), RESULT_OK);
    ck_assert_uint_eq(rows, 20);
    add_decision(&lines, "S1", 8); /* corrections: each row comes once, as it was decided last */
    add_decision(&lines, "S1", 20);
    append(&box, &lines);
    ck_assert_int_eq(read_back(&box, &rows, &err), RESULT_OK);
    ck_assert_uint_eq(rows, 20);
    add_decision(&lines, "S1", 22); /* row 21 was erased, say */
    append(&box, &lines);
    ck_assert_int_eq(read_back(&box, &rows, &err), RESULT_DAMAGED);
    ck_assert_ptr_nonnull(strstr(err.text, "row 21"));
    box_free(&box);
}
END_TEST

START_TEST(the_records_are_as_documented)
{
    struct box box;
    struct strbuf lines = {0};
    box_new(&box, 1 << 20);
    box_open(&box);
    add_decision(&lines, "S1", 1);
    ck_assert_ptr_nonnull(strstr(lines.data, ",\"list\":\"00112233"));
    ck_assert_ptr_nonnull(strstr(lines.data, ",\"row\":1}"));
    append(&box, &lines);
    add_begin(&lines, "S1", "acme");
    ck_assert_ptr_nonnull(strstr(lines.data, "\"name\":\"a \\\"list\\\".csv\"}"));
    strbuf_free(&lines);
    add_end(&lines, "S1");
    ck_assert_ptr_nonnull(strstr(lines.data,
                                 "\"rows\":5,\"passed\":2,\"blocked\":{\"NO_CONSENT\":1,"
                                 "\"STALE\":2}}"));
    strbuf_free(&lines);
    box_free(&box);
}
END_TEST

static const struct {
    const char *record;
    const char *fault; /* part of it; NULL: taken */
} records[] = {
    {"{\"type\":\"decision\",\"id\":\"A\"}", NULL},
    {"{\"type\":\"x\",\"a\":[1,-2.5,{}],\"b\":{\"c\":null,\"d\":true,\"e\":false},\"f\":[]}", NULL},
    {"{\"type\":\"x\",\"a\":\"\u00e9\\u00e9\\n\\\"\"}", NULL},
    {"{\"type\":\"segment\",\"format\":1}", "only the gateway"},
    {"{\"type\":\"checkpoint\",\"at\":1}", "only the gateway"},
    {"{\"type\":\"recovered\",\"at\":1}", "only the gateway"},
    {"{\"type\":\"configuration\",\"at\":1}", "only the gateway"},
    {"{\"type\":\"\"}", "type"},
    {"{\"id\":\"A\"}", "type"},
    {"{\"type\":1}", "type"},
    {"{}", "type"},
    {"", "not one JSON"},
    {"[]", "not one JSON"},
    {"{\"type\":\"x\"", "not one JSON"},
    {"{\"type\":\"x\"}}", "not one JSON"},
    {"{\"type\":\"x\"} ", "not one JSON"},
    {"{\"type\":\"x\",}", "not one JSON"},
    {"{\"type\":\"x\",\"a\"}", "not one JSON"},
    {"{\"type\":\"x\",\"a\":}", "not one JSON"},
    {"{\"type\":\"x\",\"a\":01}", "not one JSON"},
    {"{\"type\":\"x\",\"a\":1.}", "not one JSON"},
    {"{\"type\":\"x\",\"a\":1234567890123456789}", "not one JSON"},
    {"{\"type\":\"x\",\"a\":tru}", "not one JSON"},
    {"{\"type\":\"x\",\"a\":[[[[[[[[[1]]]]]]]]]}", "not one JSON"},
    {"{\"type\":\"x\",\"a\":\"\\x\"}", "not one JSON"},
    {"{\"type\":\"x\",\"a\":\"\\u12g4\"}", "not one JSON"},
    {"{\"type\":\"x\",\"a\":\"\\u0000\"}", "not one JSON"},
    {"{\"type\":\"x\",\"a\":\"\\ud83d\"}", "not one JSON"},
    {"{\"type\":\"x\",\"a\":\"\xff\"}", "not one JSON"},
    {"{\"type\":\"x\",\"a\":\"\t\"}", "not one JSON"},
    {"{\"type\":\"x\",\"a\":\"", "not one JSON"},
    {"{\"type\":\"x\",\"a\":\"\\", "not one JSON"},
};

START_TEST(records_of_others_are_looked_at)
{
    const char *fault = record_fault(records[_i].record, strlen(records[_i].record));
    if (records[_i].fault == NULL)
        ck_assert_msg(fault == NULL, "row %d: %s", _i, fault);
    else
        ck_assert_msg(fault != NULL && strstr(fault, records[_i].fault) != NULL, "row %d: %s", _i,
                      fault != NULL ? fault : "taken");
}
END_TEST

START_TEST(a_batch_of_others_is_whole_or_nothing)
{
    static const char *const wrong[] = {"{\"type\":\"x\"}\n{\"type\":\"x\"}",
                                        "{\"type\":\"x\"}\n\n",
                                        "{\"type\":\"x\"}\n{\"type\":\"segment\",\"a\":1}\n"};
    struct journal_batch *batch = NULL;
    struct error err = {0};
    struct strbuf lines = {0};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        strbuf_add_str(&lines, wrong[i]);
        ck_assert_int_eq(journal_batch_of(&lines, &batch, &err), RESULT_BAD_INPUT);
        ck_assert_str_eq(lines.data, wrong[i]);
        strbuf_clear(&lines);
    }
    for (size_t i = 0; i < 70000; i++)
        strbuf_add_char(&lines, 'a');
    strbuf_add_char(&lines, '\n');
    ck_assert_int_eq(journal_batch_of(&lines, &batch, &err), RESULT_BAD_INPUT);
    strbuf_free(&lines);
    strbuf_add_str(&lines, "{\"type\":\"x\"}\n{\"type\":\"y\",\"a\":1}\n");
    ck_assert_int_eq(journal_batch_of(&lines, &batch, &err), RESULT_OK);
    ck_assert_uint_eq(journal_batch_rows(batch), 2);
    journal_batch_free(&batch);
    ck_assert_ptr_null(batch);
}
END_TEST

Suite *screening_suite(void)
{
    Suite *suite = suite_create("screening");
    TCase *cases = tcase_create("screening");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_test(cases, an_unfinished_screening_is_found);
    tcase_add_test(cases, its_decisions_come_in_order);
    tcase_add_test(cases, the_records_are_as_documented);
    tcase_add_loop_test(cases, records_of_others_are_looked_at, 0,
                        (int)(sizeof(records) / sizeof(records[0])));
    tcase_add_test(cases, a_batch_of_others_is_whole_or_nothing);
    suite_add_tcase(suite, cases);
    return suite;
}
