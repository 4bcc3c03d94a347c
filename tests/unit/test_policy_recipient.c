/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and numbers: what is taken for one, what becomes of it, what is shown of it. */
#include "base/str.h"
#include "policy/phone.h"
#include "policy/recipient.h"
#include "tests/unit/test_policy_parts.h"

#include <stdio.h>
#include <string.h>

static void repeat(char *out, const char *piece, size_t times)
{
    *out = '\0';
    while (times-- > 0)
        out = stpcpy(out, piece);
}

START_TEST(emails_are_normalised)
{
    static const struct {
        const char *text, *normal;
    } rows[] = {
        {"John.Doe+News@Example.ORG", "john.doe+news@example.org"},
        {"john@example.org", "john@example.org"},
        {"#$&'*+-/=?^_`{|}~@example.org", "#$&'*+-/=?^_`{|}~@example.org"},
        {"\"john\"@example.org", "john@example.org"},
        {"\"John.Doe\"@example.org", "john.doe@example.org"},
        {"\"j\\ohn\"@example.org", "john@example.org"},
        {"\"john doe\"@example.org", "\"john doe\"@example.org"},
        {"\"john\\ doe\"@example.org", "\"john doe\"@example.org"},
        {"\"a..b\"@example.org", "\"a..b\"@example.org"},
        {"\" \"@example.org", "\" \"@example.org"},
        {"a@b.c.d.example", "a@b.c.d.example"},
        {"a@1.example", "a@1.example"},
        {"\u00c9lo\u00efse@example.org", "\u00e9lo\u00efse@example.org"},
        {"E\u0301lo\u00efse@example.org", "\u00e9lo\u00efse@example.org"},
        {"\u212aelvin@example.org", "kelvin@example.org"},
        {"\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03a3@example.org",
         "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3@example.org"},
        {"a@B\u00dcCHER.de", "a@xn--bcher-kva.de"},
        {"a@bu\u0308cher.de", "a@xn--bcher-kva.de"},
        {"a@XN--bcher-KVA.de", "a@xn--bcher-kva.de"},
        {"a@fa\u00df.de", "a@xn--fa-hia.de"},
        {"a@example\u3002org", "a@example.org"},
        {"a@r3---sn.example", "a@r3---sn.example"},
        {"az09@az09.example", "az09@az09.example"},
        {"AZaz@example.org", "azaz@example.org"},
        {"\u0100n@example.org", "\u0101n@example.org"},
        {"\"\u0100 n\"@example.org", "\"\u0101 n\"@example.org"},
        {"\"a~ b\"@example.org", "\"a~ b\"@example.org"},
        {"\"a\\~ b\"@example.org", "\"a~ b\"@example.org"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address address, again;
        struct error err = {0};
        ck_assert_msg(address_parse_email(rows[i].text, &address, &err) == RESULT_OK, "%s: %s",
                      rows[i].text, err.text);
        ck_assert_int_eq(address.kind, ADDRESS_EMAIL);
        ck_assert_str_eq(address.text, rows[i].normal);
        /* What is normal stays as it is. */
        ck_assert_int_eq(address_parse_email(address.text, &again, &err), RESULT_OK);
        ck_assert_str_eq(again.text, address.text);
    }
}
END_TEST

START_TEST(emails_are_refused)
{
    static const char *const rows[] = {
        "",
        "@",
        "john",
        "@example.org",
        "john@",
        "\"\"@example.org",
        "\"john@example.org",
        "\"jo\\\xc3\\\xa9l\"@example.org",
        "\"john\"doe@example.org",
        "\"john\" @example.org",
        "\"jo\"hn\"@example.org",
        "\"jo\\\"hn\"@example.org",
        "\"jo\\\\hn\"@example.org",
        "\"john\\",
        "\"a@b\"@example.org",
        "\"a\\@b\"@example.org",
        "\"a%b\"@example.org",
        "\"a!b\"@example.org",
        "\"a\tb\"@example.org",
        "a@b@example.org",
        "a%b@example.org",
        "host!a@example.org",
        "@relay.example:a@example.org",
        ".john@example.org",
        "john.@example.org",
        "jo..hn@example.org",
        "jo hn@example.org",
        " john@example.org",
        "john@example.org ",
        "<john@example.org>",
        "john(x)@example.org",
        "jo\x01hn@example.org",
        "jo\x7fhn@example.org",
        "john@example.org\r\n",
        "john@exam\x01ple.org",
        "john@[192.0.2.1]",
        "john@[IPv6:2001:db8::1]",
        "john@192.0.2.1",
        "john@example.org.",
        "john@.example.org",
        "john@example..org",
        "john@-example.org",
        "john@example-.org",
        "john@exa_mple.org",
        "john@localhost",
        "john@xn--a.example",
        "john@xn--.example",
        "john@\u2603\u200d.example",
        /* NFC makes ';' of it, which needs quotes the writer did not give. */
        "jo\u037ehn@example.org",
        "jo\xc2\x85hn@example.org",
        "jo\u200bhn@example.org",
        "jo\u00a0hn@example.org",
        "jo\u202ehn@example.org",
        "jo\xc3@example.org",
        "jo\xed\xa0\x80hn@example.org",
        "john@b\xfc"
        "cher.de",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address address;
        struct error err = {0};
        ck_assert_msg(address_parse_email(rows[i], &address, &err) == RESULT_BAD_INPUT, "%zu: %s",
                      i, rows[i]);
        ck_assert_str_ne(err.text, "");
        ck_assert_ptr_null(strstr(err.text, "john"));
        ck_assert_ptr_null(strstr(err.text, "example"));
    }
}
END_TEST

/* By what it says, so that each check is seen to be the one that speaks. */
START_TEST(what_is_wrong_is_said)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"@example.org", "the local part is empty"},
        {"\"\"@example.org", "the local part is empty"},
        {"\"a\\\xc3\xa9\"@example.org", "a backslash may only stand before an ASCII character"},
        {"\"a", "the quoted local part does not end"},
        {"\"a\\", "the quoted local part does not end"},
        {"\"a\x1f b\"@example.org", "the quoted local part has a character that is not accepted"},
        {"\"a\x7f b\"@example.org", "the quoted local part has a character that is not accepted"},
        {"\"a%b\"@example.org", "the quoted local part has a character that is not accepted"},
        {"\"a!b\"@example.org", "the quoted local part has a character that is not accepted"},
        {"\"a@b\"@example.org", "the quoted local part has a character that is not accepted"},
        {"\"a\\\"b\"@example.org", "the quoted local part has a character that is not accepted"},
        {"\"a\\\\b\"@example.org", "the quoted local part has a character that is not accepted"},
        {"a%b@example.org", "the local part has '%' or '!', which some mail systems route by"},
        {"a!b@example.org", "the local part has '%' or '!', which some mail systems route by"},
        {"a..b@example.org", "the local part is not written as RFC 5321 wants it"},
        {".a@example.org", "the local part is not written as RFC 5321 wants it"},
        {"a.@example.org", "the local part is not written as RFC 5321 wants it"},
        {"a[b@example.org", "the local part is not written as RFC 5321 wants it"},
        {"a:b@example.org", "the local part is not written as RFC 5321 wants it"},
        {"a\x7f@example.org", "the local part is not written as RFC 5321 wants it"},
        {"john", "the address has no '@' after its local part"},
        {"\"a\"b@example.org", "the address has no '@' after its local part"},
        {"a@b@example.org", "the address has more than one '@'"},
        {"a@[192.0.2.1]", "an IP address instead of a domain is not accepted"},
        {"jo\xc3@example.org", "the local part is not UTF-8"},
        {"jo\u200bhn@example.org", "the local part has a character that cannot be seen"},
        {"jo\xc2\x80hn@example.org", "the local part has a character that cannot be seen"},
        {"jo\u00a0hn@example.org", "the local part has a character that cannot be seen"},
        {"jo\u037ehn@example.org", "the local part has a character that is not accepted"},
        {"a@localhost", "the domain has no dot"},
        {"a@", "the domain has an empty label"},
        {"a@.example", "the domain has an empty label"},
        {"a@example..org", "the domain has an empty label"},
        {"a@example.", "the domain has an empty label"},
        {"a@-a.example", "a label of the domain begins or ends with a hyphen"},
        {"a@a-.example", "a label of the domain begins or ends with a hyphen"},
        {"a@-", "a label of the domain begins or ends with a hyphen"},
        {"a@_a.example", "the domain has a character that no host name may have"},
        {"a@a`.example", "the domain has a character that no host name may have"},
        {"a@a{.example", "the domain has a character that no host name may have"},
        {"a@a~b.example", "the domain has a character that no host name may have"},
        {"a@a/.example", "the domain has a character that no host name may have"},
        {"a@a:.example", "the domain has a character that no host name may have"},
        {"a@a\x7f.example", "the domain has a character that no host name may have"},
        {"a@b\u00fccher.09", "the domain ends in a number, as an IP address does"},
        {"a@192.0.2.1", "the domain ends in a number, as an IP address does"},
        {"a@example.09", "the domain ends in a number, as an IP address does"},
        {"a@b\xfc"
         "cher.de",
         "the domain is not UTF-8"},
        {"a@\x80.example", "the domain is not UTF-8"},
        {"a@xn--a.example", "the domain is not a valid internationalised name"},
        {"a@www.xn--a.example", "the domain is not a valid internationalised name"},
        {"a@\u2603\u200d.example", "the domain is not a valid internationalised name"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address address;
        struct error err = {0};
        ck_assert_int_eq(address_parse_email(rows[i].text, &address, &err), RESULT_BAD_INPUT);
        ck_assert_msg(strcmp(err.text, rows[i].says) == 0, "%s: %s", rows[i].text, err.text);
    }
    struct address address;
    struct error err;
    ck_assert_int_eq(address_parse("no~body", "FR", &address, &err), RESULT_BAD_INPUT);
    ck_assert_str_eq(err.text, "neither an e-mail address (no @) nor a phone number (no digit)");
    ck_assert_int_eq(address_parse("1a", "FR", &address, &err), RESULT_BAD_INPUT);
    ck_assert_str_eq(err.text,
                     "not a phone number: only digits, a leading '+' and separators are read");
    ck_assert_int_eq(address_parse("0612", "DE", &address, &err), RESULT_BAD_INPUT);
    ck_assert_str_eq(err.text, "not a valid phone number (read as dialled in DE)");
}
END_TEST

START_TEST(email_lengths_have_limits)
{
    char local[80], label[80], text[512];
    struct address address;
    struct error err;
    for (size_t length = 63; length <= 65; length++) {
        repeat(local, "a", length);
        snprintf(text, sizeof(text), "%s@example.org", local);
        ck_assert_int_eq(address_parse_email(text, &address, &err) == RESULT_OK, length <= 64);
        repeat(local, "a ", length / 2);
        snprintf(text, sizeof(text), "\"%s\"@example.org", local);
        ck_assert_int_eq(address_parse_email(text, &address, &err) == RESULT_OK, length <= 63);
        repeat(label, "b", length);
        snprintf(text, sizeof(text), "a@%s.example", label);
        ck_assert_int_eq(address_parse_email(text, &address, &err) == RESULT_OK, length <= 63);
    }
    /* Quotes that are taken off do not count, quotes that stay do. */
    for (size_t length = 63; length <= 66; length++) {
        struct error why = {0};
        repeat(local, "a", length);
        snprintf(text, sizeof(text), "\"%s\"@example.org", local);
        ck_assert_int_eq(address_parse_email(text, &address, &why) == RESULT_OK, length <= 64);
        ck_assert(length <= 64 || strstr(why.text, "longer than 64 bytes") != NULL);
        snprintf(text, sizeof(text), "\" %s\"@example.org", local + 2);
        ck_assert_int_eq(address_parse_email(text, &address, &why) == RESULT_OK, length <= 63);
    }
    static char endless[2048] = "\"";
    repeat(endless + 1, "a", 1500);
    strcat(endless, "\"@example.org");
    ck_assert_int_eq(address_parse_email(endless, &address, &err), RESULT_BAD_INPUT);
    repeat(local, "\u00e9", 32);
    snprintf(text, sizeof(text), "%s@example.org", local);
    ck_assert_int_eq(address_parse_email(text, &address, &err), RESULT_OK);
    /* Folding can make a local part shorter (U+1E9E becomes ss) or longer (U+0149). */
    repeat(local, "\u1e9e", 21);
    snprintf(text, sizeof(text), "%s@example.org", local);
    ck_assert_int_eq(address_parse_email(text, &address, &err), RESULT_OK);
    repeat(local, "\u0149", 32);
    snprintf(text, sizeof(text), "%s@example.org", local);
    ck_assert_int_eq(address_parse_email(text, &address, &err), RESULT_BAD_INPUT);
    for (size_t last = 60; last <= 63; last++) {
        /* Three labels of 63, their dots, and one of last: 192 + last, whole domain ≤ 255. */
        repeat(label, "b", 63);
        repeat(local, "c", last);
        snprintf(text, sizeof(text), "a@%s.%s.%s.%s", label, label, label, local);
        ck_assert_int_eq(address_parse_email(text, &address, &err), RESULT_OK);
        snprintf(text, sizeof(text), "a@%s.%s.%s.%s.d", label, label, label, local);
        ck_assert_int_eq(address_parse_email(text, &address, &err) == RESULT_OK, last <= 61);
    }
    repeat(local, "a", 64);
    char domain[4 * sizeof(label)];
    repeat(label, "b", 63);
    snprintf(domain, sizeof(domain), "%s.%s.%s.%s", label, label, label, label);
    snprintf(text, sizeof(text), "%s@%s", local, domain);
    ck_assert_int_eq(address_parse_email(text, &address, &err), RESULT_BAD_INPUT);
    snprintf(text, sizeof(text), "%s@%s", local, domain + 1);
    ck_assert_int_eq(address_parse_email(text, &address, &err), RESULT_OK);
    ck_assert_uint_eq(strlen(address.text), ADDRESS_MAX - 1);
}
END_TEST

START_TEST(long_domains_are_refused_unread)
{
    static char text[8192];
    char out[DOMAIN_MAX];
    struct error err;
    repeat(text, "\u00e9", 4000);
    ck_assert_int_eq(domain_normalise(text, out, &err), RESULT_BAD_INPUT);
    ck_assert_str_eq(err.text, "the domain is longer than 255 characters");
    repeat(text, "a", 8000);
    ck_assert_int_eq(domain_normalise(text, out, &err), RESULT_BAD_INPUT);
    ck_assert_str_eq(err.text, "the domain is longer than 255 characters");
    ck_assert_int_eq(domain_normalise("Localhost", out, &err), RESULT_OK);
    ck_assert_str_eq(out, "localhost");
    ck_assert_int_eq(domain_normalise("", out, &err), RESULT_BAD_INPUT);
}
END_TEST

START_TEST(phones_are_normalised)
{
    static const struct {
        const char *text, *region, *normal;
    } rows[] = {
        {"0612345678", "FR", "+33612345678"},
        {"06 12 34 56 78", "FR", "+33612345678"},
        {"06.12.34.56.78", "FR", "+33612345678"},
        {"06\u00a012\u202f34-56/78", "FR", "+33612345678"},
        {"06\u200912\u201034\u201156\u201378", "FR", "+33612345678"},
        {"(06)12/34.56-78", "FR", "+33612345678"},
        {"  0612345678  ", "FR", "+33612345678"},
        {"06//////////////////////////////////12345678", "FR", "+33612345678"},
        {"+33 (0)6 12 34 56 78", "FR", "+33612345678"},
        {"+33612345678", "DE", "+33612345678"},
        {"0033612345678", "FR", "+33612345678"},
        {"(415) 555-2671", "US", "+14155552671"},
        {"0692 12 34 56", "RE", "+262692123456"},
    };
    static const char *const refused[] = {
        "",
        "+",
        "-",
        "112",
        "0012",
        "06123",
        "+336123456789012",
        "06 12 34 56 78 ext. 4",
        "06 12 34 56 7A",
        "tel:+33612345678",
        "+33+612345678",
        "06+12345678",
        "06 12 34 56 78 :",
        "x0612345678",
        "0/6*12345678",
        "0612345678;ext=4",
        "\u0660\u0666",
        "06 12 34 56 78\n",
        "1-800-FLOWERS",
        "+999123456789",
    };
    struct address address;
    struct error err;
    for (size_t i = 0; i < COUNT(rows); i++) {
        ck_assert_msg(address_parse(rows[i].text, rows[i].region, &address, &err) == RESULT_OK,
                      "%s", rows[i].text);
        ck_assert_int_eq(address.kind, ADDRESS_PHONE);
        ck_assert_str_eq(address.text, rows[i].normal);
    }
    for (size_t i = 0; i < COUNT(refused); i++)
        ck_assert_msg(address_parse(refused[i], "FR", &address, &err) == RESULT_BAD_INPUT, "%s",
                      refused[i]);
    ck_assert(phone_region_known("FR") && phone_region_known("RE"));
    ck_assert(!phone_region_known("fr") && !phone_region_known("") && !phone_region_known("XX"));
    static char endless[2048];
    repeat(endless, "1", sizeof(endless) - 1);
    ck_assert_int_eq(address_parse_phone(endless, "FR", &address, &err), RESULT_BAD_INPUT);
    char small[8];
    ck_assert(!phone_to_e164("+33612345678", "FR", small, sizeof(small)));
}
END_TEST

START_TEST(masks_hide)
{
    static const struct {
        const char *text, *masked;
    } rows[] = {
        {"john@example.org", "j•••@example.org"},
        {"jo@example.org", "j•••@example.org"},
        {"j@example.org", "•••@example.org"},
        {"\u00e9lo@example.org", "\u00e9•••@example.org"},
        {"\u00e9@example.org", "•••@example.org"},
        {"\"john doe\"@example.org", "j•••@example.org"},
        {"\" \"@example.org", "•••@example.org"},
        {"\"a \"@example.org", "a•••@example.org"},
        {"+33612345678", "+33 6 •• •• •• 78"},
        {"+14155552671", "+1 4••-•••-••71"},
        {"+4740612345", "+47 4•• •• •45"},
        {"+29022158", "+290 ••••8"},
        {"+6834002", "+683 ••••"},
    };
    static const uint8_t key[32] = {1};
    struct hmac *hmac = hmac_new(key, sizeof(key));
    ck_assert_ptr_nonnull(hmac);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address address;
        struct recipient recipient;
        struct error err = {0};
        uint8_t expected[SHA256_BYTES];
        ck_assert_msg(address_parse(rows[i].text, "FR", &address, &err) == RESULT_OK, "%s: %s",
                      rows[i].text, err.text);
        ck_assert_int_eq(recipient_make(hmac, &address, &recipient, &err), RESULT_OK);
        ck_assert_str_eq(recipient.masked, rows[i].masked);
        ck_assert(hmac_compute(hmac, address.text, strlen(address.text), expected));
        ck_assert_mem_eq(recipient.key, expected, sizeof(expected));
    }
    hmac_free(&hmac);
}
END_TEST

START_TEST(emails_in_texts_are_hidden)
{
    static const struct {
        const char *text, *hidden;
    } rows[] = {
        {"", ""},
        {"entry 4711 of jeu-ete@3, 10.0.0.1", "entry 4711 of jeu-ete@3, 10.0.0.1"},
        {"mail of jean@example.org.", "mail of j•••@example.org."},
        {"<jean.dupont+x@example.org>,<a@b>", "<j•••@example.org>,<•••@b>"},
        {"https://f.example/?email=jean%40example.org&x=1",
         "https://f.example/?email=j•••%40example.org&x=1"},
        {"j•••@example.org", "j•••@example.org"},
        {"\"jean d\"@example.org", "•••@example.org"},
        {"élodie@exemple.fr élodie＠exemple.fr", "é•••@exemple.fr é•••＠exemple.fr"},
        {"jean@[10.0.0.1] jean@163.com", "j•••@[10.0.0.1] j•••@163.com"},
        {"@ @x a @ b jean@", "@ @x a @ b jean@"},
        {"a@b@c.example", "•••@•••@c.example"},
        {"jean%40x.example, paul@y.example", "j•••%40x.example, p•••@y.example"},
        {"zAb@x ZZzb@y ab@1.", "z•••@x Z•••@y ab@1."},
        {"x@1@b.c", "x@•••@b.c"},
        {"ab@1~.x ab@1[x ab@\x80x ab@\x7fx", "ab@1~.x ab@1[x a•••@\x80x ab@\x7fx"},
        {"say \"hi\" to \"bob@x", "say \"hi\" to \"b•••@x"},
        {"ab@x cd@X ef@a.b gh@Z ij@1.a kl@1-2.b",
         "a•••@x c•••@X e•••@a.b g•••@Z i•••@1.a k•••@1-2.b"},
        {"az@z1 AZ@A1 09@y 90@é", "a•••@z1 A•••@A1 0•••@y 9•••@é"},
        {"ab@1 cd@1. ef@- gh@.a ij@1x kl@{ mn@` op@@ qr@\\",
         "ab@1 cd@1. ef@- gh@.a i•••@1x kl@{ mn@` op@@ qr@\\"},
        {"/ab@x =cd@y ?ef@z &gh@x :ij@y ;kl@z [mn@x \x7fop@y (qr@z",
         "/a•••@x =c•••@y ?e•••@z &g•••@x :i•••@y ;k•••@z [m•••@x \x7fo•••@y (q•••@z"},
        {".!#$%'*+-^_`{|}~a@x", ".•••@x"},
        {"a\"@x b \"c\"@y", "a•••@x b •••@y"},
        {"\"@x", "•••@x"},
        {"x\"a\"@y", "x•••@y"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct strbuf out = {0};
        text_hide_emails(rows[i].text, &out);
        ck_assert_str_eq(out.data, rows[i].hidden);
        strbuf_free(&out);
    }
}
END_TEST

START_TEST(nothing_before_a_text_is_looked_at)
{
    static const char *const rows[][2] = {{"xjean@y", "j•••@y"}, {"\"@y", "@y"}, {"x@y", "@y"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct strbuf out = {0};
        text_hide_emails(rows[i][0] + 1, &out);
        ck_assert_str_eq(out.data, rows[i][1]);
        strbuf_free(&out);
    }
}
END_TEST

START_TEST(addresses_in_names_are_hidden)
{
    static const struct {
        const char *text, *hidden;
    } rows[] = {
        {"06 12 34 56 78.csv", "+33 6 •• •• •• 78.csv"},
        {"tel_06-12.34_56 78_jean@example.org", "tel_+33 6 •• •• •• 7•••@example.org"},
        {"jean.0612345678@example.org", "j•••@example.org"},
        {"+33 (0)6 12 34 56 78", "+33 6 •• •• •• 78"},
        {"0033612345678", "+33 6 •• •• •• 78"},
        {"0612345678", "+33 6 •• •• •• 78"},
        {"2026-11-28_06 12 34 56 78.csv", "2026-11-28_+33 6 •• •• •• 78.csv"},
        {"(06)12345678 et 0698765432", "(+33 6 •• •• •• 78 et +33 6 •• •• •• 32"},
        {"consents-2026-11-28.csv", "consents-2026-11-28.csv"},
        {"export 20261128 143052 (2).csv", "export 20261128 143052 (2).csv"},
        {"lot 4711, 12 rue, 75001", "lot 4711, 12 rue, 75001"},
        {"+ ++ 1+1 +", "+ ++ 1+1 +"},
        {"+(33) 6 12 34 56 78.", "+33 6 •• •• •• 78."},
        {"+a0612345678", "+a+33 6 •• •• •• 78"},
        {"0612345678+33698765432", "+33 6 •• •• •• 78+33 6 •• •• •• 32"},
        {"a0612345678b", "a+33 6 •• •• •• 78b"},
        {"06 12 34 56 78 99", "+33 6 •• •• •• 78 99"},
        {"0612345678@example.org", "0•••@example.org"},
        {"06123456789", "06123456789"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct strbuf out = {0};
        text_hide_addresses(rows[i].text, "FR", &out);
        ck_assert_str_eq(out.data != NULL ? out.data : "", rows[i].hidden);
        strbuf_free(&out);
    }
}
END_TEST

/* What the library cannot read has no country code that may be shown. */
START_TEST(numbers_nobody_knows_are_masked)
{
    static const struct {
        const char *text, *masked;
    } rows[] = {
        {"", ""},
        {"1", "•"},
        {"12", "••"},
        {"123", "•••"},
        {"1234", "••••"},
        {"12345", "••••5"},
        {"123456", "••••56"},
        {"1234567", "•••••67"},
        {"+000123456789", "+••••••••••89"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address address = {.kind = ADDRESS_PHONE};
        struct recipient recipient;
        str_copy(address.text, sizeof(address.text), rows[i].text);
        recipient_mask(&address, &recipient);
        ck_assert_str_eq(recipient.masked, rows[i].masked);
    }
}
END_TEST

/* The address itself, as somebody gave it or as it was normalised, whichever comes first. */
START_TEST(an_address_is_found_in_texts)
{
    static const struct {
        const char *text, *hidden;
        int at;
        size_t length;
    } rows[] = {
        {"", "", -1, 0},
        {"nothing", "nothing", -1, 0},
        {"06 12 34 56 78", "M", 0, 14},
        {"x +33612345678 y", "x M y", 2, 12},
        {"+33612345678, 06 12 34 56 78.", "M, M.", 0, 12},
        {"06 12 34 56 78, +33612345678.", "M, M.", 0, 14},
        {"+3361234567", "+3361234567", -1, 0},
    };
    const struct address phone = {.kind = ADDRESS_PHONE, .text = "+33612345678"};
    const struct recipient hidden = {.masked = "M"};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct strbuf out = {0};
        size_t length = 0;
        const char *hit = recipient_find(rows[i].text, "06 12 34 56 78", &phone, &length);
        ck_assert_msg(rows[i].at < 0 ? hit == NULL : hit == rows[i].text + rows[i].at, "row %zu",
                      i);
        ck_assert_uint_eq(length, rows[i].length);
        recipient_hide(rows[i].text, "06 12 34 56 78", &phone, &hidden, &out);
        ck_assert_str_eq(out.data != NULL ? out.data : "", rows[i].hidden);
        strbuf_free(&out);
    }
    const struct address mail = {.text = "jean@example.org"};
    size_t length = 0;
    const char *text = "of JEAN@Example.org";
    ck_assert_ptr_eq(recipient_find(text, "Jean@example.org", &mail, &length), text + 3);
    ck_assert_uint_eq(length, strlen(mail.text));
    ck_assert(text_has_email("a@b") && text_has_email("x%40y") && text_has_email("é＠é"));
    ck_assert(!text_has_email("") && !text_has_email("a%41b at c"));
}
END_TEST

START_TEST(a_phone_is_found_in_texts)
{
    static const struct {
        const char *text;
        int at;
        size_t length;
        const char *number;
    } rows[] = {
        {"", -1, 0, NULL},
        {"call 06 12 34 56 78 now", 5, 14, "+33612345678"},
        {"+33 (0)6.12.34.56.78", 0, 20, "+33612345678"},
        {"+(33)612345678", 0, 14, "+33612345678"},
        {"0033612345678", 0, 13, "+33612345678"},
        {"20261128 and 0612345678", 13, 10, "+33612345678"},
        {"123456 0612345678", 7, 10, "+33612345678"},
        {"0612345678901", -1, 0, NULL},
        {"2026-11-28", -1, 0, NULL},
        {"+ 33612345678", 2, 11, "+33612345678"},
        {"06 12 34 56 7", -1, 0, NULL},
        {"06123+45678", -1, 0, NULL},
        {"00493012345678901", 0, 17, "+493012345678901"},
        {"+49 30 123456 7890123456", 0, 13, "+4930123456"}, /* never within a group */
        {"+29022158", 0, 9, "+29022158"},
        {"+6834002", -1, 0, NULL}, /* so few digits say nothing in a text */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address address = {.text = ""};
        size_t length = 0;
        const char *hit = text_find_phone(rows[i].text, "FR", &address, &length);
        ck_assert_msg(rows[i].at < 0 ? hit == NULL : hit == rows[i].text + rows[i].at, "%s: %s",
                      rows[i].text, hit != NULL ? hit : "nothing");
        if (hit == NULL)
            continue;
        ck_assert_msg(length == rows[i].length, "%s: %zu", rows[i].text, length);
        ck_assert_str_eq(address.text, rows[i].number);
        ck_assert_int_eq(address.kind, ADDRESS_PHONE);
    }
}
END_TEST

START_TEST(longest_address_is_masked_whole)
{
    struct address address = {.kind = ADDRESS_EMAIL};
    struct recipient recipient;
    struct error err;
    char domain[DOMAIN_MAX];
    repeat(domain, "b", 254);
    snprintf(address.text, sizeof(address.text), "ab@%s", domain);
    struct hmac *hmac = hmac_new((const uint8_t *)"key", 3);
    ck_assert_ptr_nonnull(hmac);
    ck_assert_int_eq(recipient_make(hmac, &address, &recipient, &err), RESULT_OK);
    ck_assert_uint_eq(strlen(recipient.masked), strlen("a•••@") + 254);
    hmac_free(&hmac);
}
END_TEST

START_TEST(addresses_fit_channels)
{
    ck_assert(address_fits(ADDRESS_EMAIL, CHANNEL_EMAIL));
    ck_assert(!address_fits(ADDRESS_PHONE, CHANNEL_EMAIL));
    for (enum channel channel = CHANNEL_SMS; channel <= CHANNEL_AUTOCALL; channel++) {
        ck_assert(address_fits(ADDRESS_PHONE, channel));
        ck_assert(!address_fits(ADDRESS_EMAIL, channel));
    }
    ck_assert(address_fits(ADDRESS_PHONE, CHANNEL_POST));
    ck_assert(address_fits(ADDRESS_EMAIL, CHANNEL_POST));
    ck_assert(!address_fits(ADDRESS_EMAIL, CHANNEL_COUNT));
}
END_TEST

Suite *recipient_suite(void)
{
    const TTest *const tests[] = {emails_are_normalised,         emails_are_refused,
                                  email_lengths_have_limits,     long_domains_are_refused_unread,
                                  phones_are_normalised,         masks_hide,
                                  emails_in_texts_are_hidden,    longest_address_is_masked_whole,
                                  what_is_wrong_is_said,         numbers_nobody_knows_are_masked,
                                  an_address_is_found_in_texts,  a_phone_is_found_in_texts,
                                  addresses_in_names_are_hidden, nothing_before_a_text_is_looked_at,
                                  addresses_fit_channels,        NULL};
    return unit_suite("recipient", tests);
}
