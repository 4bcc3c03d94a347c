/* SPDX-License-Identifier: Apache-2.0 */
/* console: what a good one becomes, and each mistake with its place. */
#include "tests/unit/test_config_help.h"

#include <stdio.h>
#include <string.h>

#define TOP "hostname = \"gate.example\" state_dir = \"state\"\n"
#define WEB(rest) \
    "listeners: { web: { protocol = \"http\" services = [ \"sms\", \"console\" ]\n" rest " } }\n"
#define CLEAR        "tls = \"none\" "
#define HERE         "bind = \"127.0.0.1:8080\" "
#define EVERYWHERE   "bind = \"*:8080\" "
#define BALANCED     "trusted = [ \"10.0.0.1\" ] "
#define HEADER(name) "console: { identity_header = \"" name "\" }\n"

static struct sandbox sandbox;

START_TEST(a_good_one)
{
    sandbox_make(&sandbox);
    struct config *config = sandbox_config(
        &sandbox, TOP WEB(CLEAR EVERYWHERE BALANCED) "console: { session_idle = "
                                                     "\"5 min\" session_most = \"7 d\" "
                                                     "identity_header = \"Remote-User\" }\n");
    ck_assert_uint_eq(config->listeners[0].services, SERVICE_SMS | SERVICE_CONSOLE);
    ck_assert_int_eq(config->console.session_idle, 5 * 60 * CLOCK_SECOND);
    ck_assert_int_eq(config->console.session_most, 7 * CLOCK_DAY);
    ck_assert_str_eq(config->console.identity_header, "Remote-User");
    config_unref(&config);
    config = sandbox_config(&sandbox, TOP);
    ck_assert_int_eq(config->console.session_idle, 30 * 60 * CLOCK_SECOND);
    ck_assert_int_eq(config->console.session_most, 12 * 3600 * CLOCK_SECOND);
    ck_assert_str_eq(config->console.identity_header, "");
    config_unref(&config);
    sandbox_remove(&sandbox);
}
END_TEST

#define IN_CLEAR(bind)                                                                             \
    "main.conf:2: listeners.web.services: \"console\" on " bind " with tls = \"none\": passwords " \
    "would cross the network in clear; use \"implicit\", bind it to this machine, or name the "    \
    "balancer that speaks https in trusted\n"
#define AT(line, key) "main.conf:" line ": console." key ": "
#define NOBODY                                                                            \
    "is taken from a balancer in `trusted` of a listener with \"console\", and there is " \
    "none\n"

static const struct {
    const char *text, *findings;
} rows[] = {
    {WEB(CLEAR HERE), ""},
    {WEB(CLEAR "bind = \"[::1]:8080\""), ""},
    {WEB(CLEAR EVERYWHERE), IN_CLEAR("*:8080")},
    {WEB(CLEAR "bind = \"192.0.2.1:80\""), IN_CLEAR("192.0.2.1:80")},
    {WEB(CLEAR EVERYWHERE BALANCED), ""},
    {WEB(CLEAR HERE BALANCED) HEADER("X-Forwarded-Preferred-Username"), ""},
    {WEB(CLEAR HERE) HEADER(""), ""},
    {WEB(CLEAR HERE) HEADER("Remote-User"), AT("4", "identity_header") NOBODY},
    {"listeners: { web: { protocol = \"http\" services = [ \"sms\" ]\n" CLEAR HERE BALANCED
     "} }\n" HEADER("Remote-User"),
     AT("4", "identity_header") NOBODY},
    {WEB(CLEAR HERE BALANCED) HEADER("Remote User"),
     AT("4", "identity_header") "\"Remote User\" is no name of a field such as \"Remote-User\"\n"},
    {WEB(CLEAR HERE BALANCED) HEADER("Remote_User"),
     AT("4", "identity_header") "\"Remote_User\" is no name of a field such as \"Remote-User\"\n"},
    {WEB(CLEAR HERE BALANCED) HEADER("cookie"),
     AT("4", "identity_header") "cookie is sent by browsers themselves\n"},
    {WEB(CLEAR HERE BALANCED) HEADER("Sec-Fetch-Site"),
     AT("4", "identity_header") "Sec-Fetch-Site is sent by browsers themselves\n"},
    {"console: { session_idle = \"999 ms\" session_most = \"8 d\" }\n",
     AT("2", "session_idle") "\"999 ms\" is no time between \"1 s\" and \"1 d\"\n" AT(
         "2", "session_most") "\"8 d\" is no time between \"1 s\" and \"7 d\"\n"},
    {"console: { idle = \"1 s\" }\n", AT("2", "idle") "unknown key\n"},
};

START_TEST(each_mistake)
{
    sandbox_make(&sandbox);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[2000];
        snprintf(text, sizeof(text), "%s%s", TOP, rows[i].text);
        expect_findings(&sandbox, rows[i].text, text, rows[i].findings);
    }
    sandbox_remove(&sandbox);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_good_one, each_mistake, NULL};
    Suite *const suites[] = {unit_suite("config console", tests), NULL};
    return unit_run(suites);
}
