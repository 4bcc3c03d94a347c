/* SPDX-License-Identifier: Apache-2.0 */
/* What people read: translations, numbers, shares and dates in French and English. */
#include "base/clock.h"
#include "base/language.h"
#include "tests/unit/test_base_parts.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define N            "\u202f" /* narrow no-break space */
#define S            "\u00a0" /* no-break space */

START_TEST(translations)
{
    const char *english = N_("The recipient withdrew consent.");
    ck_assert_ptr_eq(tr(LANGUAGE_EN, english), english);
    ck_assert_str_eq(tr(LANGUAGE_FR, english), "Le destinataire a retiré son consentement.");
    ck_assert_str_eq(tr(LANGUAGE_FR, "never heard of"), "never heard of");
    ck_assert_str_eq(tr(LANGUAGE_FR, ""), "");
    /* Without a translation the English rule for counts holds. */
    ck_assert_str_eq(trn(LANGUAGE_FR, "%d one-x", "%d many-x", 1), "%d one-x");
    ck_assert_str_eq(trn(LANGUAGE_EN, "%d one-x", "%d many-x", 0), "%d many-x");
}
END_TEST

START_TEST(catalogue_is_in_order)
{
    ck_assert_uint_gt(language_fr_count, 20);
    for (size_t i = 0; i < language_fr_count; i++) {
        ck_assert_ptr_nonnull(language_fr[i].one);
        ck_assert_uint_gt(strlen(language_fr[i].one), 0);
        ck_assert_str_eq(tr(LANGUAGE_FR, language_fr[i].id), language_fr[i].one);
        if (i > 0)
            ck_assert_int_lt(strcmp(language_fr[i - 1].id, language_fr[i].id), 0);
        if (language_fr[i].many == NULL)
            continue;
        ck_assert_str_eq(trn(LANGUAGE_FR, language_fr[i].id, "x", 0), language_fr[i].one);
        ck_assert_str_eq(trn(LANGUAGE_FR, language_fr[i].id, "x", 1), language_fr[i].one);
        ck_assert_str_eq(trn(LANGUAGE_FR, language_fr[i].id, "x", 2), language_fr[i].many);
    }
}
END_TEST

START_TEST(numbers)
{
    static const struct {
        int64_t number;
        unsigned decimals;
        const char *english;
        const char *french;
    } rows[] = {
        {0, 0, "0", "0"},
        {999, 0, "999", "999"},
        {1000, 0, "1,000", "1" N "000"},
        {1234567, 0, "1,234,567", "1" N "234" N "567"},
        {-1234, 0, "\u22121,234", "\u22121" N "234"},
        {12345, 1, "1,234.5", "1" N "234,5"},
        {5, 2, "0.05", "0,05"},
        {INT64_MIN, 0, "\u22129,223,372,036,854,775,808",
         "\u22129" N "223" N "372" N "036" N "854" N "775" N "808"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct strbuf out = {0};
        language_add_decimal(&out, LANGUAGE_EN, rows[i].number, rows[i].decimals);
        ck_assert_str_eq(out.data, rows[i].english);
        strbuf_clear(&out);
        language_add_decimal(&out, LANGUAGE_FR, rows[i].number, rows[i].decimals);
        ck_assert_str_eq(out.data, rows[i].french);
        strbuf_free(&out);
    }
}
END_TEST

START_TEST(shares)
{
    static const struct {
        uint64_t part;
        uint64_t whole;
        const char *english;
        const char *french;
    } rows[] = {
        {0, 0, "–", "–"},
        {0, 10, "0.0%", "0,0" S "%"},
        {1, 8, "12.5%", "12,5" S "%"},
        {2, 3, "66.7%", "66,7" S "%"},
        {10, 10, "100.0%", "100,0" S "%"},
        {1, 1000000, "<" S "0.1%", "<" S "0,1" S "%"},
        {999999, 1000000, ">" S "99.9%", ">" S "99,9" S "%"},
        {UINT64_MAX, UINT64_MAX, "100.0%", "100,0" S "%"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct strbuf out = {0};
        language_add_share(&out, LANGUAGE_EN, rows[i].part, rows[i].whole);
        ck_assert_str_eq(out.data, rows[i].english);
        strbuf_clear(&out);
        language_add_share(&out, LANGUAGE_FR, rows[i].part, rows[i].whole);
        ck_assert_str_eq(out.data, rows[i].french);
        strbuf_free(&out);
    }
}
END_TEST

START_TEST(dates)
{
    static const struct {
        const char *instant;
        const char *english;
        const char *french;
    } rows[] = {
        {"2026-03-03T14:05:09Z", "3" S "March" S "2026, 14:05:09" S "UTC",
         "3" S "mars" S "2026 à 14:05:09" S "UTC"},
        {"2026-08-01T00:00:00Z", "1" S "August" S "2026, 00:00:00" S "UTC",
         "1er" S "août" S "2026 à 00:00:00" S "UTC"},
        {"1969-12-31T23:59:59.5Z", "31" S "December" S "1969, 23:59:59" S "UTC",
         "31" S "décembre" S "1969 à 23:59:59" S "UTC"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t instant;
        ck_assert(clock_parse(rows[i].instant, strlen(rows[i].instant), &instant));
        struct strbuf out = {0};
        language_add_time(&out, LANGUAGE_EN, instant);
        ck_assert_str_eq(out.data, rows[i].english);
        strbuf_clear(&out);
        language_add_time(&out, LANGUAGE_FR, instant);
        ck_assert_str_eq(out.data, rows[i].french);
        strbuf_clear(&out);
        language_add_date(&out, LANGUAGE_FR, instant);
        ck_assert_int_eq(strncmp(rows[i].french, out.data, out.length), 0);
        strbuf_free(&out);
    }
}
END_TEST

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

START_TEST(choice)
{
    static const struct {
        const char *all, *messages, *lang;
        enum language want;
    } rows[] = {
        {NULL, NULL, NULL, LANGUAGE_EN},
        {NULL, NULL, "fr_FR.UTF-8", LANGUAGE_FR},
        {NULL, NULL, "fr", LANGUAGE_FR},
        {NULL, "fr_CA", "en_US.UTF-8", LANGUAGE_FR},
        {"C.UTF-8", "fr_FR", "fr_FR", LANGUAGE_EN},
        {"", "", "fr_BE@euro", LANGUAGE_FR},
        {NULL, NULL, "fril_IT", LANGUAGE_EN},
        {NULL, NULL, "de_DE", LANGUAGE_EN},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        /* An environment of our own: what setenv allocates is nobody's to free. */
        char all[40], messages[40], lang[40];
        char *own[4] = {0};
        char **next = own;
        snprintf(all, sizeof(all), "LC_ALL=%s", text_or_empty(rows[i].all));
        snprintf(messages, sizeof(messages), "LC_MESSAGES=%s", text_or_empty(rows[i].messages));
        snprintf(lang, sizeof(lang), "LANG=%s", text_or_empty(rows[i].lang));
        if (rows[i].all != NULL)
            *next++ = all;
        if (rows[i].messages != NULL)
            *next++ = messages;
        if (rows[i].lang != NULL)
            *next++ = lang;
        char **inherited = environ;
        environ = own;
        enum language found = language_of_environment();
        environ = inherited;
        ck_assert_int_eq(found, rows[i].want);
    }
    enum language language = LANGUAGE_EN;
    ck_assert(language_parse("fr", &language) && language == LANGUAGE_FR);
    ck_assert(!language_parse("FR", &language) && !language_parse("", &language));
    ck_assert_str_eq(language_tag(LANGUAGE_FR), "fr");
}
END_TEST

Suite *language_suite(void)
{
    const TTest *const tests[] = {
        translations, catalogue_is_in_order, numbers, shares, dates, choice, NULL};
    return unit_suite("language", tests);
}
