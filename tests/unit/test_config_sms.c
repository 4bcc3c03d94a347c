/* SPDX-License-Identifier: Apache-2.0 */
/* What the configuration says of SMS, in the finished snapshot. */
#include "tests/unit/test_config_sms.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct sandbox sms_sandbox;

static void set_up(void)
{
    sandbox_make(&sms_sandbox);
    ck_assert_int_eq(mkdir(sandbox_path(&sms_sandbox, "conf.d"), 0700), 0);
    sandbox_write(&sms_sandbox, "t.conf", "any", 0644);
    sandbox_write(&sms_sandbox, "secret", "whisper\n", 0600);
}

static void tear_down(void)
{
    sandbox_remove(&sms_sandbox);
}

START_TEST(defaults_follow_the_protocol)
{
    struct config *config = sandbox_config(
        &sms_sandbox, TOP
        "listeners: { smtp: { bind = \"*:25\" tls = \"none\" }\n"
        "smpp: { bind = \"*:2775\" protocol = \"smpp\" tls = \"none\" }\n"
        "http: { bind = \"*:80\" protocol = \"http\" tls = \"none\" services = [ \"sms\" ] } }\n");
    const struct listener_config *smtp = &config->listeners[0];
    const struct listener_config *smpp = &config->listeners[1];
    const struct listener_config *http = &config->listeners[2];
    ck_assert_int_eq(smtp->protocol, PROTOCOL_SMTP);
    ck_assert_int_eq(smpp->protocol, PROTOCOL_SMPP);
    ck_assert_int_eq(http->protocol, PROTOCOL_HTTP);
    ck_assert_int_eq(smtp->login_timeout, 60 * CLOCK_SECOND);
    ck_assert_int_eq(smpp->login_timeout, 30 * CLOCK_SECOND);
    ck_assert_int_eq(smpp->idle_timeout, 300 * CLOCK_SECOND);
    ck_assert_int_eq(smpp->enquire_every, 30 * CLOCK_SECOND);
    ck_assert_int_eq(smpp->reply_timeout, 60 * CLOCK_SECOND);
    ck_assert(!smpp->plain_passwords);
    ck_assert_uint_eq(smpp->services, 0);
    ck_assert_uint_eq(http->services, SERVICE_SMS);
    ck_assert_uint_eq(http->max_body_size, 256 << 10);
    config_unref(&config);
}
END_TEST

START_TEST(defaults_follow_the_adapter)
{
    struct config *config = sandbox_config(
        &sms_sandbox, TOP "providers: { smsc: { adapter = \"smpp\" host = \"smsc.example\" "
                          "system_id = \"gate\" }\n"
                          "api: { adapter = \"http\" template = \"./t.conf\" } clear: { "
                          "adapter = \"http\" template = \"./t.conf\" url = "
                          "\"http://127.0.0.1\" } }\n");
    const struct provider_config *smpp = config_provider(config, "smsc");
    const struct provider_config *http = config_provider(config, "api");
    const struct provider_config *clear = config_provider(config, "clear");
    ck_assert_ptr_null(config_provider(config, "other"));
    ck_assert_int_eq(smpp->adapter, ADAPTER_SMPP);
    ck_assert_str_eq(config_adapter_name(smpp->adapter), "smpp");
    ck_assert_uint_eq(smpp->port, 2775);
    ck_assert_int_eq(smpp->tls, TLS_IMPLICIT);
    ck_assert(smpp->tls_verify);
    ck_assert_str_eq(smpp->tls_name, "smsc.example");
    ck_assert_str_eq(smpp->username, "gate");
    ck_assert_ptr_null(smpp->password);
    ck_assert_str_eq(smpp->system_type, "");
    ck_assert_int_eq(smpp->binds, SMPP_BINDS_TRANSCEIVER);
    ck_assert_uint_eq(smpp->connections, 1);
    ck_assert_uint_eq(smpp->window, 10);
    ck_assert_uint_eq(smpp->rate, 0);
    ck_assert_int_eq(smpp->enquire_every, 30 * CLOCK_SECOND);
    ck_assert_int_eq(smpp->alphabet, SMS_ALPHABET_GSM);
    ck_assert_int_eq(smpp->long_messages, LONG_PAYLOAD);
    ck_assert_int_eq(smpp->connect_timeout, 10 * CLOCK_SECOND);
    ck_assert_int_eq(smpp->reply_timeout, 60 * CLOCK_SECOND);
    ck_assert_str_eq(config_adapter_name(http->adapter), "http");
    ck_assert_str_eq(http->template_file, sandbox_path(&sms_sandbox, "./t.conf"));
    ck_assert_ptr_null(http->url);
    ck_assert_ptr_null(http->host);
    ck_assert_int_eq(http->tls, TLS_IMPLICIT);
    ck_assert(http->tls_verify);
    ck_assert_uint_eq(http->n_settings, 0);
    ck_assert_uint_eq(http->connections, 32);
    ck_assert_int_eq(http->reply_timeout, 30 * CLOCK_SECOND);
    ck_assert_int_eq(clear->tls, TLS_NONE);
    ck_assert(!clear->tls_verify);
    config_unref(&config);
}
END_TEST

START_TEST(a_template_by_its_name)
{
    char folder[300];
    char findings[2048];
    snprintf(folder, sizeof(folder), "%s/conf.d", sms_sandbox.folder);
    sandbox_write(&sms_sandbox, "conf.d/octroi-test.conf", "any", 0644);
    snprintf(findings, sizeof(findings),
             "main.conf:3: providers.p.template: there is no template \"octroi-test\": "
             "%s/templates/octroi-test.conf would be it; a file elsewhere is given with its whole "
             "name, such as \"octroi-test.conf\"\n",
             PKGDATADIR);
    ck_assert_int_eq(unsetenv("OCTROI_TEMPLATES"), 0);
    expect_findings(&sms_sandbox, "not installed",
                    PROVIDER("adapter = \"http\" template = \"octroi-test\""), findings);
    ck_assert_int_eq(setenv("OCTROI_TEMPLATES", folder, 1), 0);
    struct config *config =
        sandbox_config(&sms_sandbox, PROVIDER("adapter = \"http\" template = \"octroi-test\""));
    ck_assert_str_eq(config->providers[0].template_file,
                     sandbox_path(&sms_sandbox, "conf.d/octroi-test.conf"));
    config_unref(&config);
    snprintf(
        findings, sizeof(findings),
        "main.conf:3: providers.p.template: there is no template \"octroi-lost\": "
        "conf.d/octroi-lost.conf and %s/templates/octroi-lost.conf would be it; a file elsewhere "
        "is given with its whole name, such as \"octroi-lost.conf\"\n",
        PKGDATADIR);
    expect_findings(&sms_sandbox, "not there",
                    PROVIDER("adapter = \"http\" template = \"octroi-lost\""), findings);
    /* With its ending it is a file beside this one. */
    expect_findings(&sms_sandbox, "a name with its ending",
                    PROVIDER("adapter = \"http\" template = \"octroi-test.conf\""),
                    "main.conf:3: providers.p.template: octroi-test.conf does not exist; the "
                    "template that comes with octroi is called \"octroi-test\"\n");
    expect_findings(&sms_sandbox, "nowhere",
                    PROVIDER("adapter = \"http\" template = \"octroi-lost.conf\""),
                    "main.conf:3: providers.p.template: cannot open octroi-lost.conf: No such file "
                    "or directory\n");
    config = sandbox_config(&sms_sandbox, PROVIDER("adapter = \"http\" template = \"t.conf\""));
    ck_assert_str_eq(config->providers[0].template_file, sandbox_path(&sms_sandbox, "t.conf"));
    config_unref(&config);
    ck_assert_int_eq(unsetenv("OCTROI_TEMPLATES"), 0);
    /* A path is relative to the file that names it. */
    sandbox_write(&sms_sandbox, "conf.d/a.conf", PROVIDER(HTTP_LEAST) + strlen(TOP), 0600);
    expect_findings(&sms_sandbox, "beside the other file", TOP "include = [ \"conf.d/a.conf\" ]\n",
                    "conf.d/a.conf:2: providers.p.template: cannot open conf.d/./t.conf: No such "
                    "file or directory\n");
}
END_TEST

START_TEST(settings_and_secrets_in_one_list)
{
    struct config *config = sandbox_config(
        &sms_sandbox, HTTP("settings = [ \"sid=AC=1 \303\251\", \"none=\" ]\nsecret_files = [ "
                           "\"token=secret\" ]"));
    const struct provider_config *provider = &config->providers[0];
    ck_assert_uint_eq(provider->n_settings, 3);
    ck_assert_str_eq(provider->settings[0].name, "sid");
    ck_assert_str_eq(provider->settings[0].value, "AC=1 \303\251");
    ck_assert_str_eq(provider->settings[1].name, "none");
    ck_assert_str_eq(provider->settings[1].value, "");
    ck_assert_str_eq(provider->settings[2].name, "token");
    ck_assert_str_eq(provider->settings[2].value, "whisper");
    config_unref(&config);
    sandbox_write(&sms_sandbox, "secret", "whisper\n", 0644);
    expect_findings(&sms_sandbox, "open", HTTP("secret_files = [ \"token=secret\" ]"),
                    "main.conf:4: providers.p.secret_files: secret holds a secret and others may "
                    "read it (mode 0644): chmod o= it\n");
    expect_findings(&sms_sandbox, "open",
                    IN_ACCOUNTS "a: { application_key = \"k\" consumer_key = \"c\" "
                                "application_secret_file = \"secret\" }" END_ACCOUNTS,
                    "main.conf:6: " ACCOUNT "a.application_secret_file: secret holds a secret and "
                    "others may read it (mode 0644): chmod o= it\n");
    struct strbuf findings = {0};
    struct error err = {0};
    sandbox_write(&sms_sandbox, "main.conf", IN_ACCOUNTS "a: { " KEYS "}" END_ACCOUNTS, 0644);
    ck_assert_int_eq(sandbox_load(&sms_sandbox, &findings, &config, &err), RESULT_BAD_INPUT);
    ck_assert_str_eq(findings.data,
                     "main.conf:6: " ACCOUNT "a.application_secret: main.conf holds a secret and "
                     "others may read it (mode 0644): chmod o= it\n");
    strbuf_free(&findings);
}
END_TEST

START_TEST(what_a_provider_is_restarted_for)
{
    static const char *const texts[] = {
        SMPP(""),
        SMPP("port = 2776"),
        SMPP("system_type = \"x\""),
        SMPP("binds = \"separate\""),
        SMPP("connections = 2"),
        SMPP("window = 11"),
        SMPP("rate = 1"),
        SMPP("enquire_every = \"31 s\""),
        SMPP("alphabet = \"latin1\""),
        SMPP("long_messages = \"segments\""),
        SMPP("reply_timeout = \"1 s\""),
        SMPP("password = \"x\""),
        HTTP(""),
        HTTP("url = \"https://a.example\""),
        HTTP("url = \"https://a.example/\""),
        HTTP("username = \"x\""),
        HTTP("settings = [ \"a=1\" ]"),
        HTTP("settings = [ \"a=2\" ]"),
        HTTP("settings = [ \"a=1\", \"b=1\" ]"),
        HTTP("settings = [ \"ab=1\" ]"),
        HTTP("settings = [ \"a=\" ]"),
        HTTP("secret_files = [ \"a=secret\" ]"),
    };
    enum { COUNT = sizeof(texts) / sizeof(texts[0]) };
    char digests[COUNT + 2][65];
    for (size_t i = 0; i < COUNT + 2; i++) {
        if (i == COUNT) /* the same files, with something else in them */
            sandbox_write(&sms_sandbox, "t.conf", "other", 0644);
        if (i == COUNT + 1)
            sandbox_write(&sms_sandbox, "secret", "other\n", 0600);
        struct config *config = sandbox_config(&sms_sandbox, i < COUNT    ? texts[i]
                                                             : i == COUNT ? HTTP("")
                                                                          : texts[COUNT - 1]);
        ck_assert(str_copy(digests[i], sizeof(digests[i]), config->providers[0].digest));
        config_unref(&config);
    }
    for (size_t i = 0; i < COUNT + 2; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(strcmp(digests[i], digests[j]) != 0, "%zu and %zu", i, j);
    struct config *same = sandbox_config(&sms_sandbox, texts[COUNT - 1]);
    ck_assert_str_eq(same->providers[0].digest, digests[COUNT + 1]);
    config_unref(&same);
}
END_TEST

START_TEST(streams_and_their_accounts)
{
    struct config *config = sandbox_config(
        &sms_sandbox, TOP
        "providers: { trial: { adapter = \"capture\" directory = \"m\" } }\n"
        "partners: { a: { name = \"A\" smpp_refusal = 0x0B max_connections = 7 streams: {\n"
        "s: { channel = \"sms\" senders = [ \"ACME\", \"36105\" ] providers = [ \"trial\" ] window "
        "= 5 accounts: {\n"
        "zeta: { application_key = \"k1\" application_secret_file = \"secret\" consumer_key = "
        "\"c1\" networks = [ \"10.0.0.0/8\" ] report_url = \"http://127.0.0.1/r?a=b\" }\n"
        "alpha: { application_key = \"k2\" application_secret = \"s2\" consumer_key = \"c2\" "
        "password = \"" HASH "\" } mid: { networks = [ \"11.0.0.0/8\" ] } } } } }\n"
        "b: { name = \"B\" streams: { s: { channel = \"sms\" senders = [ \"B\" ] providers = [ "
        "\"trial\" ] } } } }\n");
    const struct stream_config *stream = &config->streams[0];
    const struct account_config *account = config_account_by_application_key(config, "k1");
    struct sockaddr_in inside = {.sin_family = AF_INET};
    struct sockaddr_in outside = {.sin_family = AF_INET};
    ck_assert_int_eq(stream->terms.channel, CHANNEL_SMS);
    ck_assert(stream_allows_sender_id(&stream->terms, "ACME"));
    ck_assert(!stream_allows_sender_id(&stream->terms, "acme"));
    ck_assert_uint_eq(stream->window, 5);
    ck_assert_uint_eq(stream->smpp_refusal, 0x0b);
    ck_assert_uint_eq(stream->partner_connections, 7);
    ck_assert_uint_eq(config->streams[1].window, 100);
    ck_assert_uint_eq(config->streams[1].smpp_refusal, 0x45);
    ck_assert_uint_eq(config->n_applications, 2);
    ck_assert_ptr_nonnull(account);
    ck_assert_str_eq(account->name, "zeta");
    ck_assert_ptr_eq(account, config_account(config, "zeta"));
    ck_assert_str_eq(account->application_secret, "whisper");
    ck_assert_str_eq(account->consumer_key, "c1");
    ck_assert_str_eq(account->report_url, "http://127.0.0.1/r?a=b");
    ck_assert_ptr_eq(account->stream, stream);
    ck_assert_ptr_eq(config_account_by_application_key(config, "k2"),
                     config_account(config, "alpha"));
    ck_assert_ptr_null(config_account_by_application_key(config, "k3"));
    ck_assert_ptr_null(config_account_by_application_key(config, ""));
    ck_assert_ptr_null(config_account(config, "mid")->report_url);
    /* Where it comes from is one condition of two: it is not enough. */
    ck_assert_int_eq(inet_pton(AF_INET, "10.1.2.3", &inside.sin_addr), 1);
    ck_assert_int_eq(inet_pton(AF_INET, "11.1.2.3", &outside.sin_addr), 1);
    ck_assert(account_logs_in(account));
    ck_assert(account_admits(account, (struct sockaddr *)&inside, NULL));
    ck_assert(!account_admits(account, (struct sockaddr *)&outside, NULL));
    ck_assert_ptr_null(config_account_of_peer(config, (struct sockaddr *)&inside, NULL));
    ck_assert_ptr_eq(config_account_of_peer(config, (struct sockaddr *)&outside, NULL),
                     config_account(config, "mid"));
    config_unref(&config);
    config = sandbox_config(&sms_sandbox, TOP);
    ck_assert_ptr_null(config_account_by_application_key(config, "k1"));
    config_unref(&config);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {defaults_follow_the_protocol,
                                  defaults_follow_the_adapter,
                                  a_template_by_its_name,
                                  settings_and_secrets_in_one_list,
                                  what_a_provider_is_restarted_for,
                                  streams_and_their_accounts,
                                  NULL};
    Suite *suite = suite_create("configuration of SMS");
    TCase *cases = tcase_create("configuration of SMS");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    config_sms_add_rows(cases);
    for (size_t i = 0; tests[i] != NULL; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    Suite *const suites[] = {suite, NULL};
    return unit_run(suites);
}
