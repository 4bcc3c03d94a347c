/* SPDX-License-Identifier: Apache-2.0 */
/* partners.*.notices: what a good one becomes, and each mistake with its place. */
#include "tests/unit/test_config_help.h"

#include <stdio.h>
#include <string.h>

#define TOP                                                                          \
    "hostname = \"gate.example\" state_dir = \"state\"\npartners: { acme: { name = " \
    "\"ACME\"\nnotices: {"
#define END           "} } }\n"
#define URL           "url = \"https://acme.example/octroi?x=1\"\n"
#define SECRET        "secret = \"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\"\n" /* 24 digits */
#define KEY           "address_key = \"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\"\n"
#define SEALED        "address = \"sealed\"\n"
#define AT(line, key) "main.conf:" line ": partners.acme.notices." key ": "
#define NO_SECRET                                                                             \
    "is not \"whsec_\" and the base64 of 24 to 64 bytes, such as `echo whsec_$(openssl rand " \
    "-base64 32)` makes\n"
#define NO_KEY "is not the base64 of 32 bytes, such as `openssl rand -base64 32` makes\n"

static struct sandbox sandbox;

START_TEST(a_good_one)
{
    sandbox_make(&sandbox);
    sandbox_write(&sandbox, "key", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n", 0600);
    struct config *config = sandbox_config(
        &sandbox, TOP URL SECRET SEALED "address_key_file = \"key\" overdue_after = \"2 h\"" END);
    ck_assert_uint_eq(config->n_notices, 1);
    ck_assert_ptr_null(config_notices(config, "beta"));
    const struct notices_config *notices = config_notices(config, "acme");
    ck_assert_ptr_nonnull(notices);
    ck_assert_ptr_eq(notices->partner, config_partner(config, "acme"));
    ck_assert_str_eq(notices->url, "https://acme.example/octroi?x=1");
    ck_assert_ptr_null(notices->tls_ca_file);
    ck_assert_uint_eq(notices->secret_length, 24);
    ck_assert_mem_eq(notices->secret, "012345678901234567890123", 24);
    ck_assert_int_eq(notices->address, NOTICE_SEALED);
    ck_assert_mem_eq(notices->address_key, "01234567890123456789012345678901", 32);
    ck_assert_int_eq(notices->overdue_after, 7200 * CLOCK_SECOND);
    config_unref(&config);
    config = sandbox_config(&sandbox, TOP "url = \"http://127.0.0.1:9/\"\n" SECRET
                                          "address = \"identifier\"\ntls_ca_file = \"ca.pem\"" END);
    notices = config_notices(config, "acme");
    ck_assert_int_eq(notices->address, NOTICE_IDENTIFIER);
    ck_assert_int_eq(notices->overdue_after, 3 * CLOCK_DAY);
    ck_assert_str_eq(notices->tls_ca_file, sandbox_path(&sandbox, "ca.pem"));
    config_unref(&config);
    sandbox_remove(&sandbox);
}
END_TEST

static const struct {
    const char *text, *findings;
} rows[] = {
    {URL SECRET SEALED KEY, ""},
    {"", AT("3", "url") "is missing\n" AT("3", "address") "is missing\n" AT(
             "3", "secret") "is missing (or secret_file): what the notices are signed with\n"},
    {URL SECRET SEALED, AT("3", "address_key") "is missing (or address_key_file): what addresses "
                                               "are sealed with\n"},
    {URL SECRET "address = \"identifier\"\n" KEY,
     AT("6", "address_key") "is not used when address is \"identifier\"\n"},
    {"url = \"http://acme.example/\"\n" SECRET SEALED KEY,
     AT("3", "url") "is http://, and acme.example is another machine: who withdrew would cross the "
                    "network in clear\n"},
    {"url = \"ftp://acme.example/\"\n" SECRET SEALED KEY,
     AT("3", "url") "is no address such as \"https://acme.example/octroi\" (without a login)\n"},
    {URL SEALED KEY "secret = \"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\"", AT("6", "secret") NO_SECRET},
    {URL SEALED KEY "secret = \"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=\"",
     AT("6", "secret") NO_SECRET},
    {URL SEALED KEY "secret = \"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0"
                    "NTY3ODkwMTIzNDU2Nzg5MDEyMzQ=\"",
     AT("6", "secret") NO_SECRET},
    {URL SEALED KEY "secret = \"whsec_*\"", AT("6", "secret") NO_SECRET},
    {URL SECRET SEALED "address_key = \"MDEyMw==\"", AT("6", "address_key") NO_KEY},
    {URL SECRET SEALED "address_key_file = \"open\"",
     AT("6", "address_key_file") "open holds a secret and others may read it (mode 0644): chmod o= "
                                 "it\n"},
    {URL SECRET SEALED KEY "overdue_after = \"0 s\"",
     AT("7", "overdue_after") "\"0 s\" is no time between \"1 s\" and \"365 d\"\n"},
    {URL SECRET KEY "address = \"clear\"",
     AT("6", "address") "\"clear\" is none of \"sealed\" or \"identifier\"\n"},
};

START_TEST(each_mistake)
{
    sandbox_make(&sandbox);
    sandbox_write(&sandbox, "open", "x\n", 0644);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[2000];
        snprintf(text, sizeof(text), "%s%s%s", TOP, rows[i].text, END);
        expect_findings(&sandbox, rows[i].text, text, rows[i].findings);
    }
    sandbox_remove(&sandbox);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_good_one, each_mistake, NULL};
    Suite *const suites[] = {unit_suite("config notices", tests), NULL};
    return unit_run(suites);
}
