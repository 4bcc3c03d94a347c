/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One person, one spelling: the numbers of the French plan, at home and overseas, and what stays
 * apart or comes together among e-mail addresses.
 */
#include "policy/phone.h"
#include "policy/recipient.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

START_TEST(french_numbers_have_one_spelling)
{
    static const struct {
        const char *text, *region, *normal; /* normal NULL: refused */
    } rows[] = {
        /* Dialled in metropolitan France. */
        {"06 12 34 56 78", "FR", "+33612345678"},
        {"0758123456", "FR", "+33758123456"},
        {"01 42 68 53 00", "FR", "+33142685300"},
        {"0492345678", "FR", "+33492345678"},
        {"09 72 12 34 56", "FR", "+33972123456"},
        {"0262 16 12 34", "FR", "+262262161234"},
        {"0263001111", "FR", "+262263001111"},
        {"06 92 12 34 56", "FR", "+262692123456"},
        {"0693 00 11 11", "FR", "+262693001111"},
        {"0269 60 12 34", "FR", "+262269601234"},
        {"0639 01 23 45", "FR", "+262639012345"},
        {"05 90 20 12 34", "FR", "+590590201234"},
        {"0690-00-12-34", "FR", "+590690001234"},
        {"0691221089", "FR", "+590691221089"},
        {"0596 30 12 34", "FR", "+596596301234"},
        {"0696 20 12 34", "FR", "+596696201234"},
        {"0697271084", "FR", "+596697271084"},
        {"0594 10 12 34", "FR", "+594594101234"},
        {"0694 20 12 34", "FR", "+594694201234"},
        {"0508 43 01 23", "FR", "+508430123"},
        /* In international form, whoever reads it. */
        {"+262 692 12 34 56", "FR", "+262692123456"},
        {"00262692123456", "FR", "+262692123456"},
        {"+262 (0)692 12 34 56", "FR", "+262692123456"},
        {"+590690001234", "US", "+590690001234"},
        {"+596 696 20 12 34", "RE", "+596696201234"},
        {"+594694201234", "FR", "+594694201234"},
        {"+508430123", "FR", "+508430123"},
        /* France's code before an overseas number: there is nobody else it could be. */
        {"+33 6 92 12 34 56", "FR", "+262692123456"},
        {"0033262161234", "FR", "+262262161234"},
        {"+33 (0)590 20 12 34", "DE", "+590590201234"},
        {"+33508430123", "FR", "+508430123"},
        /* Dialled overseas. */
        {"0692123456", "RE", "+262692123456"},
        {"0692123456", "YT", "+262692123456"},
        {"0692123456", "GP", "+262692123456"},
        {"0639012345", "RE", "+262639012345"},
        {"06 12 34 56 78", "RE", "+33612345678"},
        {"0142685300", "MQ", "+33142685300"},
        {"0690001234", "GF", "+590690001234"},
        {"0696201234", "GP", "+596696201234"},
        {"0508430123", "MQ", "+508430123"},
        {"43 01 23", "PM", "+508430123"},
        {"0612345678", "PM", "+33612345678"},
        {"0508430123", "PM", "+508430123"},
        /* Nobody's. */
        {"0600", "RE", NULL},
        {"00", "RE", NULL},
        {"0092123456", "FR", NULL},
        {"0692 12 34 5", "FR", NULL},
        {"0697 99 99 99", "FR", NULL},
        {"+33 69212345", "FR", NULL},
        {"06 12 34 56 78", "US", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address address;
        struct error err;
        enum result result = address_parse(rows[i].text, rows[i].region, &address, &err);
        ck_assert_msg((result == RESULT_OK) == (rows[i].normal != NULL), "%s in %s: %s",
                      rows[i].text, rows[i].region, result == RESULT_OK ? address.text : err.text);
        ck_assert_msg(result != RESULT_OK || strcmp(address.text, rows[i].normal) == 0,
                      "%s in %s: %s", rows[i].text, rows[i].region, address.text);
    }
}
END_TEST

/* The usual spellings take a way of their own: it must lead to where the others do. */
START_TEST(all_spellings_of_a_number_agree)
{
    static const char *const before[] = {"0", "+33", "0033", "+330", "+33 (0)"};
    size_t read = 0;
    for (unsigned n = 100; n < 1000; n++) {
        struct address first = {.text = ""};
        enum result wanted = RESULT_OK;
        for (size_t i = 0; i < COUNT(before); i++) {
            char text[32];
            struct address address = {.text = ""};
            snprintf(text, sizeof(text), "%s%03u%06u", before[i], n, n * 1009 % 1000000);
            enum result result = address_parse(text, "FR", &address, NULL);
            if (i == 0) {
                wanted = result;
                first = address;
                read += result == RESULT_OK;
            }
            ck_assert_msg(result == wanted, "%s", text);
            ck_assert_msg(result != RESULT_OK || strcmp(address.text, first.text) == 0, "%s: %s",
                          text, address.text);
        }
    }
    ck_assert_uint_gt(read, 300);
}
END_TEST

/* The form for the mask, right after reading the number and after another was read between. */
START_TEST(a_number_remembered_is_shown_as_one_read_anew)
{
    static const char *const numbers[] = {"+33612345678", "+262692123456", "+390669812345",
                                          "+508412345",   "+442071234567", "+3905412345"};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char e164[32], at_once[64], later[64], other[32];
        ck_assert_msg(phone_to_e164(numbers[i], "FR", e164, sizeof(e164)), "%s", numbers[i]);
        ck_assert(phone_to_international(e164, at_once, sizeof(at_once)));
        ck_assert(phone_to_e164("01 42 68 53 00", "FR", other, sizeof(other)));
        ck_assert(phone_to_international(e164, later, sizeof(later)));
        ck_assert_str_eq(at_once, later);
    }
}
END_TEST

/* One answer of a block stands for all of it, and the form for the mask is written here: both must
 * be what the library says, which reads and writes any number that is not plainly spelled. */
START_TEST(plain_numbers_are_what_the_library_says)
{
    unsigned valid = 0;
    unsigned tail = 0;
    for (unsigned block = 10000; block < 100000; block++) {
        char plain[16], parted[16], e164[32], by_library[32], shown[64], shown_by_library[64];
        for (unsigned i = 0; i < 2; i++) { /* the first is asked, the second remembered */
            tail = (tail + 7919) % 10000;
            snprintf(plain, sizeof(plain), "+33%05u%04u", block, tail);
            snprintf(parted, sizeof(parted), "+33-%05u%04u", block, tail);
            bool read = phone_to_e164(plain, "FR", e164, sizeof(e164));
            if (i == 0)
                continue;
            bool known = phone_to_e164(parted, "FR", by_library, sizeof(by_library));
            ck_assert_msg(read == known, "%s", plain);
            if (!read)
                continue;
            ck_assert_str_eq(e164, by_library);
            valid++;
        }
        ck_assert(phone_to_international(plain, shown, sizeof(shown)));
        ck_assert(phone_to_international(parted, shown_by_library, sizeof(shown_by_library)));
        ck_assert_str_eq(shown, shown_by_library);
    }
    ck_assert_uint_gt(valid, 70000);
    ck_assert_uint_lt(valid, 90000);
}
END_TEST

START_TEST(what_was_normalised_stays)
{
    static const char *const numbers[] = {"+33612345678",  "+262692123456", "+262639012345",
                                          "+590690001234", "+596696201234", "+594694201234",
                                          "+508430123",    "+14155552671"};
    static const char *const regions[] = {"FR", "RE", "PM", "US"};
    for (size_t i = 0; i < COUNT(numbers); i++)
        for (size_t r = 0; r < COUNT(regions); r++) {
            struct address address;
            ck_assert_int_eq(address_parse(numbers[i], regions[r], &address, NULL), RESULT_OK);
            ck_assert_str_eq(address.text, numbers[i]);
        }
}
END_TEST

START_TEST(mail_addresses_have_one_spelling)
{
    static const struct {
        const char *text, *normal;
    } rows[] = {
        {"Jean.Dupont@Example.ORG", "jean.dupont@example.org"},
        {"jean+news@example.org", "jean+news@example.org"},
        {"j.e.a.n@example.org", "j.e.a.n@example.org"},
        {"jean@B\u00dcCHER.example", "jean@xn--bcher-kva.example"},
        {"jean@bu\u0308cher.example", "jean@xn--bcher-kva.example"},
        {"jean@XN--BCHER-KVA.example", "jean@xn--bcher-kva.example"},
        {"jean@fa\u00df.example", "jean@xn--fa-hia.example"},
        {"jean@\u4f8b\u3048.\u30c6\u30b9\u30c8", "jean@xn--r8jz45g.xn--zckzah"},
        {"\u00c9LO\u00cfSE@example.org", "\u00e9lo\u00efse@example.org"},
        {"e\u0301lo\u0131se@example.org", "\u00e9lo\u0131se@example.org"},
        {"Stra\u00dfe@example.org", "strasse@example.org"},
        {"\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2@example.org",
         "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3@example.org"},
        {"\"jean\"@example.org", "jean@example.org"},
        {"\"jean dupont\"@example.org", "\"jean dupont\"@example.org"},
        {"o'brien@example.org", "o'brien@example.org"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address address;
        struct error err = {.text = ""};
        ck_assert_msg(address_parse(rows[i].text, "FR", &address, &err) == RESULT_OK, "%s: %s",
                      rows[i].text, err.text);
        ck_assert_str_eq(address.text, rows[i].normal);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {french_numbers_have_one_spelling,
                                  all_spellings_of_a_number_agree,
                                  what_was_normalised_stays,
                                  a_number_remembered_is_shown_as_one_read_anew,
                                  plain_numbers_are_what_the_library_says,
                                  mail_addresses_have_one_spelling,
                                  NULL};
    Suite *const suites[] = {unit_suite("addresses", tests), NULL};
    return unit_run(suites);
}
