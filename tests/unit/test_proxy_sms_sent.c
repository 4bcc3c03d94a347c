/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of what was sent, and whose a sender id is. */
#include "base/clock.h"
#include "proxy/sms/candidates.h"
#include "proxy/sms/sent.h"
#include "tests/unit/test_proxy_sms.h"
#include "wire/smpp.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const uint8_t she[RECIPIENT_KEY_BYTES] = {1}, he[RECIPIENT_KEY_BYTES] = {2};

static void expect(struct sent *sent, const char *provider, const char *id, const uint8_t *key,
                   const char *ref, const char *account)
{
    struct sent_ref found = {0};
    bool there = sent_find(sent, provider, id, key, &found);
    ck_assert_msg(there == (ref != NULL), "%s %s", provider, id);
    if (ref == NULL)
        return;
    ck_assert_str_eq(found.ref, ref);
    ck_assert_str_eq(found.account, account);
}

START_TEST(an_id_is_found_as_it_is)
{
    struct sent *sent = sent_new(10);
    ck_assert_ptr_nonnull(sent);
    sent_note(sent, "agg", "1A2B", she, "ref-1", "acme-sms");
    sent_note(sent, "agg", "1000", she, "ref-2", "beta-sms");
    sent_note(sent, "agg", "01KB-XY", he, "ref-3", "acme-two");
    expect(sent, "agg", "1A2B", she, "ref-1", "acme-sms");
    expect(sent, "agg", "1A2B", NULL, "ref-1", "acme-sms");
    expect(sent, "agg", "1000", she, "ref-2", "beta-sms");
    expect(sent, "agg", "01KB-XY", he, "ref-3", "acme-two");
    /* Another spelling, another person, another provider: each has its own ids. */
    expect(sent, "agg", "1a2b", she, NULL, NULL);
    expect(sent, "agg", "4096", NULL, NULL, NULL);
    expect(sent, "agg", "1A2B", he, NULL, NULL);
    expect(sent, "other", "1A2B", she, NULL, NULL);
    sent_free(&sent);
    ck_assert_ptr_null(sent);
}
END_TEST

START_TEST(an_id_that_comes_round_is_the_newer)
{
    struct sent *sent = sent_new(10);
    ck_assert_ptr_nonnull(sent);
    sent_note(sent, "agg", "7", she, "ref-1", "acme-sms");
    sent_note(sent, "agg", "7", she, "ref-2", "beta-sms");
    expect(sent, "agg", "7", she, "ref-2", "beta-sms");
    ck_assert_uint_eq(sent_count(sent), 1);
    /* What cannot be remembered must not leave the old one to be found. */
    char name[SENT_NAME_MAX + 1];
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    sent_note(sent, "agg", "7", she, "ref-3", name);
    expect(sent, "agg", "7", she, NULL, NULL);
    sent_free(&sent);
}
END_TEST

START_TEST(the_oldest_make_room)
{
    struct sent *sent = sent_new(100);
    ck_assert_ptr_nonnull(sent);
    char id[16];
    for (int i = 0; i < 250; i++) {
        snprintf(id, sizeof(id), "m-%d", i);
        sent_note(sent, "agg", id, she, id, "acme-sms");
    }
    ck_assert_uint_eq(sent_count(sent), 100);
    for (int i = 0; i < 250; i++) {
        snprintf(id, sizeof(id), "m-%d", i);
        expect(sent, "agg", id, she, i >= 150 ? id : NULL, "acme-sms");
    }
    sent_free(&sent);
}
END_TEST

static void *note_many(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        char id[16];
        struct sent_ref found;
        snprintf(id, sizeof(id), "m-%d", i % 300);
        sent_note(arg, "agg", id, she, id, "acme-sms");
        if (sent_find(arg, "agg", id, she, &found) && strcmp(found.ref, id) != 0)
            return arg;
    }
    return NULL;
}

START_TEST(threads_share_it)
{
    struct sent *sent = sent_new(200);
    ck_assert_ptr_nonnull(sent);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, note_many, sent), 0);
    for (int i = 0; i < 3; i++) {
        void *wrong = sent;
        pthread_join(threads[i], &wrong);
        ck_assert_ptr_null(wrong);
    }
    ck_assert_uint_eq(sent_count(sent), 200);
    sent_free(&sent);
}
END_TEST

START_TEST(sender_ids_compared)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"ACME", "ACME", true},
        {"ACME", "acme", true},
        {"ACME", "ACM", false},
        {"36111", "36111", true},
        {"36111", "+36111", true},
        {"36111", "36112", false},
        {"+33755001234", "33755001234", true},
        {"+33755001234", "0755001234", true},
        {"+33755001234", "0033755001234", true},
        {"0755001234", "33755001234", true},
        {"+33755001234", "33755001235", false},
        {"+33755001234", "+32755001234", false},
        {"5001234", "33755001234", false}, /* the same end is not the same number */
        {"ACME", "", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_msg(sms_same_sender(rows[i].a, rows[i].b, "FR") == rows[i].same, "%s %s",
                      rows[i].a, rows[i].b);
        ck_assert_msg(sms_same_sender(rows[i].b, rows[i].a, "FR") == rows[i].same, "%s %s",
                      rows[i].b, rows[i].a);
    }
}
END_TEST

START_TEST(numbers_that_are_one_subscribers)
{
    static const char *const numbers[] = {"+33755001234", "33755001234", "0755001234"};
    static const char *const others[] = {"36111", "+36111", "386001", "ACME", "ACME1234567", ""};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        ck_assert_msg(sms_is_number(numbers[i], "FR"), "%s", numbers[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        ck_assert_msg(!sms_is_number(others[i], "FR"), "%s", others[i]);
}
END_TEST

START_TEST(numbers_as_providers_write_them)
{
    static const struct {
        const char *text;
        unsigned ton;
        const char *region, *e164; /* NULL: none */
    } rows[] = {
        {"+33612345678", SMPP_TON_UNKNOWN, "FR", "+33612345678"},
        {"33612345678", SMPP_TON_UNKNOWN, "FR", "+33612345678"},
        {"33612345678", SMPP_TON_INTERNATIONAL, "FR", "+33612345678"},
        {"33612345678", SMPP_TON_INTERNATIONAL, "DE", "+33612345678"},
        {"0612345678", SMPP_TON_UNKNOWN, "FR", "+33612345678"},
        {"0612345678", SMPP_TON_NATIONAL, "FR", "+33612345678"},
        {"612345678", SMPP_TON_NATIONAL, "FR", "+33612345678"},
        {"0033612345678", SMPP_TON_UNKNOWN, "FR", "+33612345678"},
        {"32470123456", SMPP_TON_UNKNOWN, "FR", "+32470123456"},
        {"4520123456", SMPP_TON_UNKNOWN, "FR", "+4520123456"}, /* short, and none of here */
        {"4520123456", SMPP_TON_INTERNATIONAL, "FR", "+4520123456"},
        {"2025550123", SMPP_TON_UNKNOWN, "US", "+12025550123"}, /* not Egypt's +20 */
        {"4792221234", SMPP_TON_UNKNOWN, "US", "+14792221234"}, /* Arkansas, not Norway */
        {"4792221234", SMPP_TON_INTERNATIONAL, "US", "+4792221234"},
        {"12025550123", SMPP_TON_UNKNOWN, "US", "+12025550123"},
        {"612345678", SMPP_TON_INTERNATIONAL, "FR", "+33612345678"}, /* it says so, it is not */
        {"36111", SMPP_TON_UNKNOWN, "FR", NULL},
        {"SFR", SMPP_TON_ALPHANUMERIC, "FR", NULL},
        {"", SMPP_TON_UNKNOWN, "FR", NULL},
        {"336123456783361234567833612345678", SMPP_TON_UNKNOWN, "FR", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address address = {0};
        bool read = sms_read_origin(rows[i].text, rows[i].ton, rows[i].region, &address);
        ck_assert_msg(read == (rows[i].e164 != NULL), "%s", rows[i].text);
        if (read)
            ck_assert_str_eq(address.text, rows[i].e164);
    }
}
END_TEST

Suite *sms_sent_suite(void)
{
    const TTest *const tests[] = {an_id_is_found_as_it_is,
                                  an_id_that_comes_round_is_the_newer,
                                  the_oldest_make_room,
                                  threads_share_it,
                                  sender_ids_compared,
                                  numbers_that_are_one_subscribers,
                                  numbers_as_providers_write_them,
                                  NULL};
    return unit_suite("sms_sent", tests);
}
