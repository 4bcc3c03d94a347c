/* SPDX-License-Identifier: Apache-2.0 */
/* Files, permissions, the finished snapshot and its life. */
#include "base/file.h"
#include "config/network.h"
#include "config/template.h"
#include "policy/calendar.h"
#include "tests/unit/test_config_help.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TOP         "hostname = \"gate.example\" state_dir = \"state\"\n"
#define PRINT       "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER_PRINT "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HASH        "$y$j9T$DEBQ5UmuRZhkvPdLPgSBT/$nbaNCUNxSYRVBzYGvTv5GbaT9zLUiQzX6sc3Rm2FJD2"

static struct sandbox sandbox;

static void set_up(void)
{
    sandbox_make(&sandbox);
    ck_assert_int_eq(mkdir(sandbox_path(&sandbox, "conf.d"), 0700), 0);
}

static void tear_down(void)
{
    sandbox_remove(&sandbox);
}

/* ---- several files ---- */

START_TEST(files_merge_group_by_group)
{
    sandbox_write(&sandbox, "conf.d/20-b.conf",
                  "partners: { b: { name = \"B\" } a: { siren = \"123456782\" } }\n", 0600);
    sandbox_write(&sandbox, "conf.d/10-a.conf",
                  "partners: { a: { name = \"A\" } }\nproviders: { p: { adapter = \"capture\" "
                  "directory = \"mail\" } }\n",
                  0600);
    struct config *config =
        sandbox_config(&sandbox, TOP "include = [ \"conf.d/*.conf\" ]\nregion = \"BE\"\n");
    ck_assert_uint_eq(config->n_partners, 2);
    ck_assert_str_eq(config->partners[0].id, "a");
    ck_assert_str_eq(config->partners[0].siren, "123456782");
    ck_assert_str_eq(config->partners[1].id, "b");
    /* A path is relative to the file that names it. */
    ck_assert_str_eq(config->providers[0].directory, sandbox_path(&sandbox, "conf.d/mail"));
    ck_assert_str_eq(config->state_dir, sandbox_path(&sandbox, "state"));
    ck_assert_str_eq(config->journal_key_file, sandbox_path(&sandbox, "keys/journal.key"));
    ck_assert_str_eq(config->seal_key_file, sandbox_path(&sandbox, "keys/seal.key"));
    config_unref(&config);
}
END_TEST

START_TEST(a_clash_names_both_places)
{
    sandbox_write(&sandbox, "conf.d/a.conf", "\nregion = \"FR\"\npartners: { a: { name = \"A\" } }",
                  0600);
    sandbox_write(&sandbox, "conf.d/b.conf", "region = \"BE\"\npartners: 1\npartners2: 1", 0600);
    expect_findings(&sandbox, "clash", TOP "include = [ \"conf.d/*.conf\" ]\n",
                    "conf.d/b.conf:1: region: was already set at conf.d/a.conf:2\n"
                    "conf.d/b.conf:2: partners: is a value here and a group at conf.d/a.conf:3\n"
                    "conf.d/b.conf:3: partners2: unknown key; did you mean \"partners\"?\n");
}
END_TEST

START_TEST(includes_that_cannot_be_followed)
{
    expect_findings(&sandbox, "empty folder", TOP "include = [ \"conf.d/*.conf\" ]\n", "");
    expect_findings(&sandbox, "lost file", TOP "include = [ \"lost.conf\" ]\n",
                    "main.conf:2: include: \"lost.conf\" does not exist\n");
    expect_findings(&sandbox, "a folder", TOP "include = [ \"conf.d\" ]\n",
                    "main.conf:2: include: conf.d is not a file\n");
    expect_findings(&sandbox, "itself", TOP "\ninclude = [ \"*.conf\" ]\n",
                    "main.conf:3: include: main.conf was read already\n");
    expect_findings(&sandbox, "no list", TOP "include = \"*.conf\"\n",
                    "main.conf:2: include: must be a list of texts: [ \"conf.d/*.conf\" ]\n");
    sandbox_write(&sandbox, "conf.d/a.conf", "\ninclude = [ \"../main.conf\" ]\n", 0600);
    expect_findings(&sandbox, "a circle", TOP "include = [ \"conf.d/a.conf\" ]\n",
                    "conf.d/a.conf:2: include: conf.d/../main.conf was read already\n");
    for (int i = 0; i < 12; i++) {
        char name[32];
        char text[64];
        snprintf(name, sizeof(name), "chain%d", i);
        snprintf(text, sizeof(text), "include = [ \"chain%d\" ]\n", i + 1);
        sandbox_write(&sandbox, name, text, 0600);
    }
    expect_findings(&sandbox, "too deep", TOP "include = [ \"chain0\" ]\n",
                    "chain7:1: include: more than 8 files include each other\n");
}
END_TEST

START_TEST(a_syntax_error_in_an_included_file_is_named_there)
{
    sandbox_write(&sandbox, "conf.d/a.conf", "\n\npartners = {\n", 0600);
    expect_findings(&sandbox, "syntax", TOP "include = [ \"conf.d/*.conf\" ]\ncolour = 1\n",
                    "conf.d/a.conf:4: syntax error\n");
}
END_TEST

START_TEST(what_cannot_be_read_is_said)
{
    struct strbuf findings = {0};
    struct config *config = NULL;
    struct error err = {0};
    ck_assert_int_eq(sandbox_load(&sandbox, &findings, &config, &err), RESULT_NOT_FOUND);
    ck_assert_ptr_null(config);
    ck_assert_ptr_null(findings.data);
    ck_assert_ptr_nonnull(strstr(err.text, "No such file"));
    ck_assert_int_eq(file_create(sandbox_path(&sandbox, "main.conf"), 0600, "a\0b", 3, &err),
                     RESULT_OK);
    ck_assert_int_eq(sandbox_load(&sandbox, &findings, &config, &err), RESULT_BAD_INPUT);
    ck_assert_str_eq(findings.data, "main.conf:1: the file holds a NUL byte\n");
    strbuf_free(&findings);
}
END_TEST

/* ---- secrets ---- */

#define SMTP "providers: { p: { adapter = \"smtp\" host = \"mx.example\" username = \"u\" "

START_TEST(secrets_are_not_readable_by_others)
{
    struct strbuf findings = {0};
    struct config *config = NULL;
    struct error err = {0};
    sandbox_write(&sandbox, "main.conf", TOP SMTP "password = \"hush\" } }\n", 0644);
    ck_assert_int_eq(sandbox_load(&sandbox, &findings, &config, &err), RESULT_BAD_INPUT);
    ck_assert_str_eq(findings.data,
                     "main.conf:2: providers.p.password: main.conf holds a secret and others may "
                     "read it (mode 0644): chmod o= it\n");
    strbuf_free(&findings);
    config = sandbox_config(&sandbox, TOP SMTP "password = \"hush\" } }\n");
    ck_assert_str_eq(config->providers[0].password, "hush");
    config_unref(&config);

    sandbox_write(&sandbox, "secret", "whisper\n", 0604);
    expect_findings(&sandbox, "secret", TOP SMTP "password_file = \"secret\" } }\n",
                    "main.conf:2: providers.p.password_file: secret holds a secret and others may "
                    "read it (mode 0604): chmod o= it\n");
    sandbox_write(&sandbox, "secret", "whisper\n", 0640);
    config = sandbox_config(&sandbox, TOP SMTP "password_file = \"secret\" } }\n");
    ck_assert_str_eq(config->providers[0].password, "whisper");
    config_unref(&config);

    sandbox_write(&sandbox, "key", "x", 0644);
    expect_findings(&sandbox, "key", TOP "journal_key_file = \"key\"\n",
                    "main.conf:2: journal_key_file: key holds a secret and others may read it "
                    "(mode 0644): chmod o= it\n");
    expect_findings(&sandbox, "seal", TOP "seal_key_file = \"key\"\n",
                    "main.conf:2: seal_key_file: key holds a secret and others may read it "
                    "(mode 0644): chmod o= it\n");
}
END_TEST

static void write_pem(const char *name, EVP_PKEY *key, X509 *certificate, mode_t mode)
{
    const char *path = sandbox_path(&sandbox, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    if (certificate != NULL)
        ck_assert_int_eq(PEM_write_X509(file, certificate), 1);
    else
        ck_assert_int_eq(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    ck_assert_int_eq(chmod(path, mode), 0);
}

static void make_certificate(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *other = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"gate", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    write_pem("tls.pem", NULL, certificate, 0644);
    write_pem("tls.key", key, NULL, 0600);
    write_pem("open.key", key, NULL, 0644);
    write_pem("other.key", other, NULL, 0600);
    X509_free(certificate);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

#define SMTPS(certificate, key)                                                                    \
    TOP "listeners: { a: { bind = \"*:465\" tls = \"implicit\"\ncertificate_file = \"" certificate \
        "\"\nkey_file = \"" key "\" } }\n"

START_TEST(certificates_are_tried)
{
    make_certificate();
    struct config *config = sandbox_config(&sandbox, SMTPS("tls.pem", "tls.key"));
    ck_assert_str_eq(config->listeners[0].key_file, sandbox_path(&sandbox, "tls.key"));
    config_unref(&config);
    expect_findings(&sandbox, "open", SMTPS("tls.pem", "open.key"),
                    "main.conf:4: listeners.a.key_file: open.key holds a secret and others may "
                    "read it (mode 0644): chmod o= it\n");
    expect_findings(&sandbox, "lost", SMTPS("lost.pem", "tls.key"),
                    "main.conf:3: listeners.a.certificate_file: lost.pem does not exist\n");
    expect_findings(&sandbox, "lost key", SMTPS("tls.pem", "lost.key"),
                    "main.conf:4: listeners.a.key_file: cannot open lost.key: No such file or "
                    "directory\n");
    struct strbuf findings = {0};
    struct error err = {0};
    sandbox_write(&sandbox, "main.conf", SMTPS("tls.pem", "other.key"), 0600);
    ck_assert_int_eq(sandbox_load(&sandbox, &findings, &config, &err), RESULT_BAD_INPUT);
    ck_assert_ptr_nonnull(strstr(findings.data, "other.key"));
    strbuf_free(&findings);
}
END_TEST

/* ---- the snapshot ---- */

#define STREAM                                                                                     \
    TOP "providers: { p: { adapter = \"capture\" directory = \"m\" } }\n"                          \
        "partners: { a: { name = \"A\" streams: { s: { channel = \"email\" providers = [ \"p\" ] " \
        "senders = [ \"Acme.Example\", \".Caf\303\251.example\" ] accounts: {\n"
#define END " } } } } }\n"

static struct sockaddr_storage peer_of(const char *text)
{
    struct sockaddr_storage peer = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&peer;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&peer;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
    } else {
        ck_assert_int_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        v6->sin6_family = AF_INET6;
    }
    return peer;
}

START_TEST(a_peer_has_one_account)
{
    static const struct {
        const char *peer;
        const char *print;
        const char *account;
    } rows[] = {
        {"10.1.2.3", NULL, "lan"},
        {"::ffff:10.1.2.3", NULL, "lan"},
        {"10.2.0.0", NULL, NULL},
        {"10.1.255.255", OTHER_PRINT, "lan"},
        {"10.2.0.0", PRINT, "mta"},
        {"10.1.2.3", PRINT, "mta"}, /* the certificate says more than the network */
        {"10.1.9.1", PRINT, "both"},
        {"10.1.9.1", NULL, "lan"},
        {"2001:db8::1", NULL, "six"},
        {"2001:db9::1", NULL, NULL},
        {"192.0.2.1", NULL, NULL}, /* login's network: its password must come first */
    };
    struct config *config = sandbox_config(
        &sandbox,
        STREAM "lan: { networks = [ \"10.1.0.0/16\" ] }\n"
               "six: { networks = [ \"2001:db8::/32\" ] }\n"
               "mta: { certificate_sha256 = \"" PRINT "\" }\n"
               "both: { networks = [ \"10.1.9.0/24\" ] certificate_sha256 = "
               "\"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:"
               "AA:BB:CC:DD:EE:FF\" }\n"
               "login: { password = \"" HASH "\" networks = [ \"192.0.2.0/24\" ] }" END);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sockaddr_storage peer = peer_of(rows[i].peer);
        const struct account_config *account =
            config_account_of_peer(config, (struct sockaddr *)&peer, rows[i].print);
        ck_assert_msg((account == NULL) == (rows[i].account == NULL), "row %zu", i);
        if (account != NULL)
            ck_assert_str_eq(account->name, rows[i].account);
    }
    const struct account_config *login = config_account(config, "login");
    struct sockaddr_storage inside = peer_of("192.0.2.9");
    struct sockaddr_storage outside = peer_of("192.0.3.9");
    ck_assert_ptr_nonnull(login);
    ck_assert(account_admits(login, (struct sockaddr *)&inside, NULL));
    ck_assert(!account_admits(login, (struct sockaddr *)&outside, NULL));
    ck_assert_ptr_null(config_account(config, "Login"));
    ck_assert_ptr_eq(login->stream, &config->streams[0]);
    ck_assert_ptr_eq(config->streams[0].terms.partner, config_partner(config, "a"));
    ck_assert_ptr_null(config_partner(config, "b"));
    ck_assert_uint_eq(config->streams[0].partner_connections, 0);
    ck_assert_str_eq(config->streams[0].terms.senders[0], "acme.example");
    ck_assert_str_eq(config->streams[0].terms.senders[1], ".xn--caf-dma.example");
    config_unref(&config);
}
END_TEST

START_TEST(defaults)
{
    struct config *config = sandbox_config(
        &sandbox, TOP "listeners: { a: { bind = \"[::1]:25\" tls = \"none\" } }\n"
                      "providers: { p: { adapter = \"smtp\" host = \"mx.example\" }\n"
                      "q: { adapter = \"smtp\" host = \"mx.example\" tls = \"optional\" } }\n"
                      "policies: { email: { stale_after = \"1 year\" } }\n");
    const struct listener_config *listener = &config->listeners[0];
    const struct provider_config *provider = &config->providers[0];
    ck_assert_uint_eq(listener->max_message_size, UINT64_C(150) << 20);
    ck_assert_uint_eq(listener->max_recipients, 1000);
    ck_assert_uint_eq(listener->max_connections, 20000);
    ck_assert_uint_eq(listener->max_connections_per_address, 2000);
    ck_assert_int_eq(listener->idle_timeout, 300 * CLOCK_SECOND);
    ck_assert_int_eq(listener->login_timeout, 60 * CLOCK_SECOND);
    ck_assert_uint_eq(listener->min_rate, 1024);
    ck_assert_int_eq(listener->address.ss_family, AF_INET6);
    ck_assert_uint_eq(provider->port, 25);
    ck_assert_int_eq(provider->tls, TLS_REQUIRED);
    ck_assert(provider->tls_verify);
    ck_assert(!config->providers[1].tls_verify);
    ck_assert_str_eq(provider->tls_name, "mx.example");
    ck_assert_uint_eq(provider->connections, 32);
    ck_assert_int_eq(provider->connect_timeout, 10 * CLOCK_SECOND);
    ck_assert_int_eq(provider->final_timeout, 600 * CLOCK_SECOND);
    ck_assert_str_eq(config->region, "FR");
    ck_assert_str_eq(config->public_url, "");
    ck_assert_str_eq(config->controller_name, "");
    ck_assert_str_eq(config->controller_contact, "");
    ck_assert_uint_eq(config->journal.segment_size, 64 << 20);
    ck_assert_int_eq(config->journal.checkpoint_every, 60 * CLOCK_SECOND);
    ck_assert_int_eq(config->drain_timeout, 30 * CLOCK_SECOND);
    ck_assert_uint_ge(config->threads, 1);
    ck_assert_int_eq(config->policies[CHANNEL_EMAIL].stale_after.months, 12);
    ck_assert_str_eq(config->policies[CHANNEL_EMAIL].banned_sectors[0], "cpf");
    ck_assert_str_eq(config->policies[CHANNEL_CALL].banned_sectors[1], "energy-renovation");
    ck_assert_uint_eq(config->policies[CHANNEL_POST].n_banned_sectors, 0);
    ck_assert_uint_eq(strlen(config->policies[CHANNEL_SMS].version), 12);
    config_unref(&config);
}
END_TEST

START_TEST(versions_and_digests_follow_what_changed)
{
    sandbox_write(&sandbox, "secret", "one\n", 0600);
    const char *text = TOP SMTP "password_file = \"secret\" } q: { adapter = \"capture\" directory "
                                "= \"m\" } }\n";
    struct config *first = sandbox_config(&sandbox, text);
    struct config *same = sandbox_config(&sandbox, text);
    sandbox_write(&sandbox, "secret", "two\n", 0600);
    struct config *other = sandbox_config(&sandbox, text);
    struct strbuf longer = {0};
    strbuf_add_str(&longer, text);
    strbuf_add_str(&longer, "# a remark\n");
    struct config *remark = sandbox_config(&sandbox, longer.data);
    strbuf_free(&longer);
    ck_assert_str_eq(first->version, same->version);
    ck_assert_str_ne(first->version, remark->version);
    ck_assert_str_eq(first->providers[0].digest, same->providers[0].digest);
    ck_assert_str_ne(first->providers[0].digest, other->providers[0].digest);
    ck_assert_str_eq(first->providers[1].digest, other->providers[1].digest);
    config_unref(&first);
    config_unref(&same);
    config_unref(&other);
    config_unref(&remark);
}
END_TEST

static void *use(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        struct config *mine = config_ref(arg);
        if (strcmp(mine->hostname, "gate.example") != 0)
            return arg;
        config_unref(&mine);
    }
    struct config *mine = arg;
    config_unref(&mine);
    return NULL;
}

/* The last reference, on whichever thread, frees it: ASan and its leak check are the judges. */
START_TEST(references_are_counted)
{
    pthread_t threads[2];
    struct config *config = sandbox_config(&sandbox, TOP);
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use, config_ref(config)), 0);
    config_unref(&config);
    ck_assert_ptr_null(config);
    config_unref(&config); /* nothing to let go of */
    for (size_t i = 0; i < 2; i++) {
        void *wrong = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
        ck_assert_ptr_null(wrong);
    }
}
END_TEST

static bool calls_open(const struct config *config, const char *when)
{
    int64_t instant = 0;
    ck_assert_msg(clock_parse(when, strlen(when), &instant), "%s", when);
    return policy_is_open(&config->policies[CHANNEL_CALL], instant);
}

START_TEST(the_legal_hours_of_calls_can_be_said)
{
    struct config *config = sandbox_config(
        &sandbox, TOP "policies: { call: { hours = [ \"14:00-20:00\", \"10:00-13:00\" ] days = "
                      "\"mon-fri\" holidays = \"FR\" } }\n");
    struct config *strict =
        sandbox_config(&sandbox, TOP "policies: { call: { accept = [ \"consent\" ] } }\n");
    ck_assert(calls_open(config, "2026-09-01T10:00:00+02:00"));
    ck_assert(calls_open(config, "2026-09-01T12:59:59+02:00"));
    ck_assert(!calls_open(config, "2026-09-01T13:00:00+02:00"));
    ck_assert(!calls_open(config, "2026-09-05T10:00:00+02:00")); /* Saturday */
    ck_assert(!calls_open(config, "2026-11-11T10:00:00+01:00")); /* Armistice Day */
    /* The hours leave alone what the law says of the date; who says what permits, says it of all.
     */
    ck_assert_int_eq(config->policies[CHANNEL_CALL].accept_since, CALL_CONSENT_SINCE);
    ck_assert_int_eq(strict->policies[CHANNEL_CALL].accept_since, 0);
    ck_assert_uint_eq(strict->policies[CHANNEL_CALL].accept, BASIS_BIT(BASIS_CONSENT));
    config_unref(&strict);
    config_unref(&config);
}
END_TEST

START_TEST(the_template_works_as_it_is)
{
    struct strbuf findings = {0};
    struct config *config = NULL;
    struct error err = {0};
    struct stat st;
    const char *path = sandbox_path(&sandbox, "main.conf");
    ck_assert_int_eq(config_write_template(path, "bad_name", &err), RESULT_BAD_INPUT);
    ck_assert_msg(config_write_template(path, "gate.example", &err) == RESULT_OK, "%s", err.text);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777 & ~0640u, 0);
    ck_assert_int_eq(config_write_template(path, "gate.example", &err), RESULT_CONFLICT);
    enum result result = sandbox_load(&sandbox, &findings, &config, &err);
    ck_assert_msg(result == RESULT_OK, "%s", findings.data);
    ck_assert_str_eq(config->hostname, "gate.example");
    struct sockaddr_storage peer = peer_of("127.0.0.1");
    ck_assert_ptr_nonnull(config_account_of_peer(config, (struct sockaddr *)&peer, NULL));
    /* What it writes out are the defaults. */
    struct config *bare = sandbox_config(&sandbox, TOP);
    ck_assert_str_eq(config->policies[CHANNEL_EMAIL].version,
                     bare->policies[CHANNEL_EMAIL].version);
    config_unref(&bare);
    config_unref(&config);
}
END_TEST

/* Whether a comment is a part of an example of several lines, and no prose. */
static bool is_example(const char *text, size_t length)
{
    return length > 0 &&
           (text[0] == '}' || text[length - 1] == '{' || strncmp(text, "    ", 4) == 0);
}

/* The file with its longer examples no longer comments, but for `smtps`, which needs a certificate.
 */
static void uncomment(const char *text, struct strbuf *out)
{
    bool left = false;
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        size_t indent = strspn(text, " ");
        const char *said = text + indent + 2;
        bool comment = length > indent + 2 && strncmp(text + indent, "# ", 2) == 0;
        left = comment && (left || strncmp(said, "smtps", 5) == 0);
        if (comment && !left && is_example(said, length - indent - 2)) {
            const char *hash = strstr(said, "$y$...");
            size_t rest = length - indent - 2;
            if (hash == NULL || hash >= said + rest) {
                strbuf_add(out, said, rest);
            } else {
                strbuf_add(out, said, (size_t)(hash - said));
                strbuf_add_str(out, HASH);
                strbuf_add(out, hash + 6, (size_t)(said + rest - hash - 6));
            }
        } else {
            strbuf_add(out, text, length);
        }
        strbuf_add_char(out, '\n');
        text += length + (text[length] == '\n');
    }
}

START_TEST(the_examples_in_the_template_work)
{
    struct strbuf text = {0};
    struct strbuf shown = {0};
    struct error err = {0};
    const char *path = sandbox_path(&sandbox, "new.conf");
    ck_assert_int_eq(config_write_template(path, "gate.example", &err), RESULT_OK);
    ck_assert_int_eq(file_read(path, 1 << 20, &text, &err), RESULT_OK);
    ck_assert_int_eq(mkdir(sandbox_path(&sandbox, "keys"), 0700), 0);
    sandbox_write(&sandbox, "keys/smarthost.password", "hush\n", 0600);
    sandbox_write(&sandbox, "keys/aggregator.password", "hush\n", 0600);
    sandbox_write(&sandbox, "keys/acme-notices.secret", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\n",
                  0600);
    sandbox_write(&sandbox, "keys/acme-address.key",
                  "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n", 0600);
    strbuf_add_char(&text, '\0');
    uncomment(text.data, &shown);
    ck_assert(!text.failed && !shown.failed);
    struct config *config = sandbox_config(&sandbox, shown.data);
    ck_assert_uint_eq(config->n_listeners, 3);
    ck_assert_uint_eq(config->n_providers, 3);
    ck_assert_uint_eq(config->n_streams, 2);
    ck_assert_int_eq(config->listeners[1].protocol, PROTOCOL_SMPP);
    ck_assert_int_eq(config_provider(config, "aggregator")->adapter, ADAPTER_SMPP);
    ck_assert_ptr_nonnull(config_account(config, "acme-sms"));
    ck_assert_ptr_nonnull(config_notices(config, "acme"));
    ck_assert_uint_eq(config->alerts.n_to, 1);
    ck_assert_uint_eq(config->policies[CHANNEL_SMS].n_hours, 1);
    ck_assert(config->policies[CHANNEL_SMS].stop_mention);
    config_unref(&config);
    strbuf_free(&text);
    strbuf_free(&shown);
}
END_TEST

START_TEST(known_keys_are_told)
{
    size_t count = 0;
    bool found = false;
    const char *const *keys = config_known_keys(&count);
    for (size_t i = 0; i < count; i++)
        found = found || strcmp(keys[i], "listeners.*.bind") == 0;
    ck_assert(found);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {files_merge_group_by_group,
                                  a_clash_names_both_places,
                                  includes_that_cannot_be_followed,
                                  a_syntax_error_in_an_included_file_is_named_there,
                                  what_cannot_be_read_is_said,
                                  secrets_are_not_readable_by_others,
                                  certificates_are_tried,
                                  a_peer_has_one_account,
                                  defaults,
                                  versions_and_digests_follow_what_changed,
                                  references_are_counted,
                                  the_legal_hours_of_calls_can_be_said,
                                  the_template_works_as_it_is,
                                  the_examples_in_the_template_work,
                                  known_keys_are_told,
                                  NULL};
    Suite *suite = suite_create("configuration");
    TCase *cases = tcase_create("configuration");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    for (size_t i = 0; tests[i] != NULL; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    Suite *const suites[] = {suite, NULL};
    return unit_run(suites);
}
