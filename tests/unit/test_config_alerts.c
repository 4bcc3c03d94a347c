/* SPDX-License-Identifier: Apache-2.0 */
/* alerts: what a good one becomes, and each mistake with its place. */
#include "tests/unit/test_config_help.h"

#include <stdio.h>
#include <string.h>

#define TOP                                                                              \
    "hostname = \"gate.example\" state_dir = \"state\"\n"                                \
    "providers: { relay: { adapter = \"esmtp\" host = \"127.0.0.1\" tls = \"none\" } "   \
    "texts: { adapter = \"smpp\" host = \"127.0.0.1\" tls = \"none\" system_id = \"x\" " \
    "password = \"y\" } }\nalerts: {\n"
#define END           "}\n"
#define TO            "to = [ \"dpo@acme.example\" ]\n"
#define FROM          "from = \"octroi@gate.example\"\n"
#define RELAY         "provider = \"relay\"\n"
#define AT(line, key) "main.conf:" line ": alerts." key ": "

static struct sandbox sandbox;

START_TEST(a_good_one)
{
    sandbox_make(&sandbox);
    struct config *config = sandbox_config(
        &sandbox, TOP "to = [ \"dpo@acme.example\", \"two@acme.example\" ]" FROM RELAY
                      "language = \"en\" digest_at = \"06:05\" timezone = \"UTC\" repeat_after = "
                      "\"2 days\" provider_down_after = \"90 s\" verify_every = \"6 h\" "
                      "mails_an_hour = 3" END);
    const struct alerts_config *alerts = &config->alerts;
    ck_assert_uint_eq(alerts->n_to, 2);
    ck_assert_str_eq(alerts->to[1], "two@acme.example");
    ck_assert_str_eq(alerts->from, "octroi@gate.example");
    ck_assert_ptr_eq(alerts->provider, config_provider(config, "relay"));
    ck_assert_int_eq(alerts->language, LANGUAGE_EN);
    ck_assert_int_eq(alerts->digest_minute, 365);
    ck_assert_str_eq(alerts->timezone, "UTC");
    ck_assert_int_eq(alerts->repeat_after, 2 * CLOCK_DAY);
    ck_assert_int_eq(alerts->provider_down_after, 90 * CLOCK_SECOND);
    ck_assert_int_eq(alerts->verify_every, 6 * 3600 * CLOCK_SECOND);
    ck_assert_uint_eq(alerts->mails_an_hour, 3);
    config_unref(&config);
    sandbox_remove(&sandbox);
}
END_TEST

START_TEST(what_it_is_unless_said)
{
    sandbox_make(&sandbox);
    struct config *config = sandbox_config(&sandbox, TOP TO FROM RELAY END);
    const struct alerts_config *alerts = &config->alerts;
    ck_assert_int_eq(alerts->language, LANGUAGE_FR);
    ck_assert_int_eq(alerts->digest_minute, 450);
    ck_assert_str_eq(alerts->timezone, "Europe/Paris");
    ck_assert_int_eq(alerts->repeat_after, CLOCK_DAY);
    ck_assert_int_eq(alerts->provider_down_after, 300 * CLOCK_SECOND);
    ck_assert_int_eq(alerts->verify_every, 3600 * CLOCK_SECOND);
    ck_assert_uint_eq(alerts->mails_an_hour, 12);
    config_unref(&config);
    config = sandbox_config(&sandbox, "hostname = \"gate.example\" state_dir = \"state\"\n");
    ck_assert_ptr_null(config->alerts.to);
    ck_assert_str_eq(config->alerts.timezone, "Europe/Paris");
    config_unref(&config);
    sandbox_remove(&sandbox);
}
END_TEST

static const struct {
    const char *text, *findings;
} rows[] = {
    {TO FROM RELAY, ""},
    {"",
     AT("3", "to") "is missing: who is told\n" AT("3", "from") "is missing: who it comes from\n" AT(
         "3", "provider") "is missing: which provider takes it there\n"},
    {"to = [ ]\n" FROM RELAY, AT("4", "to") "is empty\n"},
    {"to = [ \"dpo\" ]\n" FROM RELAY,
     AT("4", "to") "\"dpo\" is no e-mail address: the address has no '@' after its local part\n"},
    {"to = [ \"é@acme.example\" ]\n" FROM RELAY,
     AT("4", "to") "holds something that is not visible ASCII\n"},
    {TO "from = \"Gate <octroi@gate.example>\"\n" RELAY,
     AT("5", "from") "holds something that is not visible ASCII\n"},
    {TO FROM "provider = \"other\"\n", AT("6", "provider") "there is no provider \"other\"\n"},
    {TO FROM "provider = \"texts\"\n",
     AT("6", "provider") "texts carries text messages, not mail\n"},
    {TO FROM RELAY "digest_at = \"24:00\"\n",
     AT("7", "digest_at") "\"24:00\" is no time of day such as \"07:30\"\n"},
    {TO FROM RELAY "digest_at = \"07:30:00\"\n",
     AT("7", "digest_at") "\"07:30:00\" is no time of day such as \"07:30\"\n"},
    {TO FROM RELAY "language = \"de\"\n",
     AT("7", "language") "\"de\" is none of \"en\" or \"fr\"\n"},
    {TO FROM RELAY "timezone = \"Europe/London\"\n",
     AT("7", "timezone") "\"Europe/London\" is none of \"Europe/Paris\" or \"UTC\"\n"},
    {TO FROM RELAY "repeat_after = \"0 s\"\n",
     AT("7", "repeat_after") "\"0 s\" is no time between \"1 s\" and \"365 d\"\n"},
    {TO FROM RELAY "mails_an_hour = 0\n", AT("7", "mails_an_hour") "0 is not between 1 and 1000\n"},
};

START_TEST(each_mistake)
{
    sandbox_make(&sandbox);
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
    const TTest *const tests[] = {a_good_one, what_it_is_unless_said, each_mistake, NULL};
    Suite *const suites[] = {unit_suite("config alerts", tests), NULL};
    return unit_run(suites);
}
