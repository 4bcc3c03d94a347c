/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test_journal.h"

#include <stdio.h>
#include <string.h>

START_TEST(a_decision_has_the_contracts_fields)
{
    struct recipient recipient = {.masked = "j•••@example.org"};
    struct decision decision = {.id = "01KB3ZQ5M8-7GQX3D",
                                .at = 1,
                                .gateway = "g",
                                .session = "s",
                                .partner = "a\"\n",
                                .stream = "n",
                                .account = "c",
                                .channel = CHANNEL_SMS,
                                .purpose = PURPOSE_RECEIPT,
                                .recipient = &recipient,
                                .verdict = VERDICT_BLOCK,
                                .reason = REASON_WITHDRAWN,
                                .effect = EFFECT_REFUSED,
                                .mode = MODE_OBSERVE,
                                .policy = "p",
                                .event = 7};
    struct strbuf out = {0};
    record_decision(&out, &decision);
    ck_assert_str_eq(
        out.data,
        "{\"type\":\"decision\",\"id\":\"01KB3ZQ5M8-7GQX3D\",\"at\":\"1970-01-01T00:00:"
        "00.000001Z\","
        "\"gateway\":\"g\",\"session\":\"s\",\"partner\":\"a\\\"\\u000a\",\"stream\":\"n\","
        "\"account\":\"c\",\"channel\":\"sms\",\"purpose\":\"receipt\","
        "\"recipient\":\"j•••@example.org\",\"recipient_key\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\","
        "\"verdict\":\"block\",\"reason\":\"WITHDRAWN\",\"effect\":\"refused\","
        "\"mode\":\"observe\",\"policy\":\"p\",\"event\":7,\"provider\":null}");
    strbuf_clear(&out);
    decision.recipient = NULL;
    decision.event = 0;
    record_decision(&out, &decision);
    ck_assert_ptr_nonnull(strstr(out.data, "\"recipient\":null,\"recipient_key\":null,"));
    ck_assert_ptr_nonnull(strstr(out.data, "\"event\":null,"));
    strbuf_free(&out);
}
END_TEST

START_TEST(an_outcome_has_the_contracts_fields)
{
    struct outcome_row row = {.id = "X", .outcome = OUTCOME_UNKNOWN, .effect = EFFECT_DEFERRED};
    struct strbuf out = {0};
    row.size = -1;
    record_outcome(&out, &row);
    ck_assert_str_eq(out.data, "{\"type\":\"outcome\",\"id\":\"X\","
                               "\"at\":\"1970-01-01T00:00:00.000000Z\",\"outcome\":\"unknown\","
                               "\"effect\":\"deferred\",\"provider\":null,"
                               "\"provider_reply\":null,\"queue_id\":null,\"size\":null}");
    strbuf_free(&out);
}
END_TEST

START_TEST(ids_are_unique_and_of_one_form)
{
    char before[RECORD_ID];
    char id[RECORD_ID];
    record_new_id(before);
    for (int i = 0; i < 5000; i++) {
        record_new_id(id);
        ck_assert_uint_eq(strlen(id), 17);
        ck_assert_uint_eq(strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ-"), 17);
        ck_assert_int_eq(id[10], '-');
        ck_assert_str_ne(id, before);
        ck_assert_int_ge(memcmp(id, before, 10), 0);
        memcpy(before, id, sizeof(id));
    }
}
END_TEST

START_TEST(replies_lose_their_addresses)
{
    static const struct {
        const char *reply, *kept;
    } rows[] = {
        {"250 2.0.0 Ok: queued as 4XyZ", "250 2.0.0 Ok: queued as 4XyZ"},
        {"550 5.1.1 <jane@example.org>: unknown", "550 5.1.1 <[…]>: unknown"},
        {"550 5.1.1 jane@example.org", "550 5.1.1 […]"},
        {"550 no \"jane doe\"@example.org here", "550 no […] here"},
        {"550 no jane\\ doe@example.org here", "550 no […] here"},
        {"550 see https://x.example/?a=jane%40example.org now", "550 see […] now"},
        {"550 jane(comment)@example.org", "550 […]"},
        {"rcpt=<a@b>:no", "[…]"},
        {"to +33612345678 failed", "to +[…] failed"},
        {"to 06 12 34 56 78 failed", "to […] failed"},
        {"to +33 (0)6-12.34.56.78, failed", "to +[…], failed"},
        {"1 2 3 4 5 6 7 88jane@example.org", "[…][…]"},
        {"1 2 3 4 5 6 7 8 jane@example.org", "[…] […]"},
        {"12345678jane x@y", "[…]jane […]"},
        {"554 5.7.1 Client host [192.0.2.100] blocked",
         "554 5.7.1 Client host [192.0.2.100] blocked"},
        {"550-5.7.1 12345678", "550-5.7.1 […]"},
        {"421 1234567 ok", "421 1234567 ok"},
        {"é\xff ok", "é? ok"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[200];
        reply_scrub(rows[i].reply, out, sizeof(out));
        ck_assert_str_eq(out, rows[i].kept);
        /* No room is ever overrun, and what is cut is cut between characters. */
        for (size_t size = 1; size <= strlen(rows[i].kept) + 1; size++) {
            char *exact = malloc(size);
            ck_assert_ptr_nonnull(exact);
            reply_scrub(rows[i].reply, exact, size);
            ck_assert_uint_lt(strlen(exact), size);
            ck_assert(utf8_valid(exact, strlen(exact)));
            free(exact);
        }
    }
}
END_TEST

START_TEST(replies_lose_a_name)
{
    static const struct {
        const char *reply, *address, *kept;
    } rows[] = {
        {"550 5.1.1 no mailbox jane here", "jane@example.org", "550 5.1.1 no mailbox […] here"},
        {"550 5.1.1 'JANE': unknown", "jane@example.org", "550 5.1.1 '[…]': unknown"},
        {"550 ?to=jane.doe%40example.org", "jane.doe@example.org", "550 ?to=[…]%40example.org"},
        {"550 no Jane+Tag, no jane", "jane+tag@example.org", "550 no […], no […]"},
        {"550 janet and mary-jane", "jane@example.org", "550 janet and mary-[…]"},
        {"550 éjane jané", "jane@example.org", "550 éjane jané"},
        {"550 5.1.1 1 of 11", "1@example.org", "550 5.1.1 […] of 11"},
        {"550 no", "+@example.org", "550 no"},
        {"jane", "jane@example.org", "[…]"},
        {"", "jane@example.org", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[200];
        reply_hide(rows[i].reply, rows[i].address, out, sizeof(out));
        ck_assert_str_eq(out, rows[i].kept);
        for (size_t size = 1; size <= strlen(rows[i].kept) + 1; size++) {
            char *exact = malloc(size);
            ck_assert_ptr_nonnull(exact);
            reply_hide(rows[i].reply, rows[i].address, exact, size);
            ck_assert_uint_lt(strlen(exact), size);
            ck_assert(utf8_valid(exact, strlen(exact)));
            free(exact);
        }
    }
}
END_TEST

Suite *record_suite(void)
{
    static const TTest *tests[6];
    const TTest *const list[] = {a_decision_has_the_contracts_fields,
                                 an_outcome_has_the_contracts_fields,
                                 ids_are_unique_and_of_one_form,
                                 replies_lose_their_addresses,
                                 replies_lose_a_name,
                                 NULL};
    memcpy(tests, list, sizeof(list));
    return unit_suite("journal records", tests);
}
