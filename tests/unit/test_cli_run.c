/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The built program from outside: what an administrator types, what comes out, with which exit
 * code. Each test makes its own gateway in its own folder.
 */
#include "base/file.h"
#include "base/str.h"
#include "tests/unit/test_cli_run_stage.h"

#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

static const char form[] =
    "{ \"id\": \"jeu-ete\", \"version\": 1,\n"
    "  \"collector\": { \"name\": \"Leads SARL\", \"siren\": \"732829320\" },\n"
    "  \"channels\": [\"email\", \"sms\"], \"language\": \"fr\", \"display\": \"inline\",\n"
    "  \"url\": \"https://leads.example/jeu\", \"wording\": \"J'accepte de recevoir\",\n"
    "  \"effective_from\": \"2026-01-01T00:00:00Z\", \"partners\": [\"acme\", \"nobody\"],\n"
    "  \"partner_categories\": [], \"purposes\": [\"receipt\"], \"artefacts\": [] }\n";

#define HEADER "recipient,channel,event,occurred_at,form,partners,basis,supplier,evidence\n"
#define GOOD(who, supplier) \
    who ",email,given,2026-03-01T10:00:00Z,jeu-ete@1,,," supplier ",\"ticked, 192.0.2.7\"\n"

static void load_one_consent(void)
{
    make_gateway();
    write_file("form.json", form);
    expect(0, "form~add~form.json");
    write_file("leads.csv", HEADER GOOD("jeanne@example.org", "leads-co"));
    expect(0, "consent~import~leads.csv");
}

/* The verdict and reason of jeanne for acme, "pass CONSENT". */
static void expect_verdict(const char *expected)
{
    char seen[64];
    expect(0, "consent~show~jeanne@example.org~--partner~acme~--channel~email~--format~json");
    json_t *json = json_loads(out.data, 0, NULL);
    ck_assert_msg(json != NULL, "not JSON: %s", out.data);
    snprintf(seen, sizeof(seen), "%s %s", json_string_value(json_object_get(json, "verdict")),
             json_string_value(json_object_get(json, "reason")));
    ck_assert_str_eq(seen, expected);
    ck_assert(json_array_size(json_object_get(json, "rules")) > 0);
    json_decref(json);
}

/* ---- tests ---- */

START_TEST(test_init)
{
    struct stat st;
    struct strbuf before = {0};
    struct strbuf after = {0};
    make_gateway();
    ck_has(&out, "serve");
    char *key = path_of("gate/keys/recipient.key");
    ck_assert_int_eq(stat(key, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(st.st_size, 65);
    free(key);
    slurp("gate/keys/recipient.key", &before);
    expect(1, "init~gate");
    ck_has(&err, "gate/octroi.conf exists already");
    ck_has(&err, "gate/keys/recipient.key exists already");
    slurp("gate/keys/recipient.key", &after);
    ck_assert_str_eq(before.data, after.data);
    strbuf_free(&before);
    strbuf_free(&after);
    expect(0, "check-config");
    ck_has(&out, "1 listener");
    remove_folder();
}
END_TEST

/* One key there already, and nothing else: it is named, and nothing is added to it. */
START_TEST(test_init_over_a_key)
{
    make_folder();
    char *gate = path_of("gate");
    char *keys = path_of("gate/keys");
    ck_assert_int_eq(mkdir(gate, 0700), 0);
    ck_assert_int_eq(mkdir(keys, 0700), 0);
    write_file("gate/keys/journal.key", "mine\n");
    expect(1, "init~gate");
    ck_has(&err, "gate/keys/journal.key exists already");
    char *conf = path_of("gate/octroi.conf");
    ck_assert(!file_exists(conf));
    slurp("gate/keys/journal.key", &out);
    ck_assert_str_eq(out.data, "mine\n");
    free(conf);
    free(keys);
    free(gate);
    remove_folder();
}
END_TEST

static const char *const wrong_usage[] = {
    "",
    "--nothing",
    "-xy",
    "nothing",
    "form",
    "form~nothing",
    "form~add",
    "form~add~a~b",
    "form~show~jeu-ete",
    "form~invalidate~jeu-ete@1",
    "init",
    "check-config~extra",
    "log~--format~xml",
    "log~--verdict~perhaps",
    "log~--reason~NOTHING",
    "log~--limit~ten",
    "log~--since~yesterday",
    "log~--form~json",
    "consent~show~a@example.org~--partner~acme",
    "consent~show~a@example.org~--at~2026-01-01T00:00:00Z",
    "consent~record~a@example.org~--event~given",
    "consent~record~a@example.org~--event~invalidated~--channel~email",
    "consent~withdraw~a@example.org~--channel~fax",
    "suspend~planet~mars~--reason~x",
    "suspend~partner~acme",
    "token",
    "token~add~crm",
    "token~add~--scope~check",
    "token~add~crm~--scope~chek",
    "token~add~crm~--scope~check~--expires~soon",
    "token~add~crm~--scope~check~--expires~0 s",
    "token~add~crm~--scope~check~--expires~11 years",
    "token~add~crm~--scope~check~--rate~many",
    "token~add~crm~--scope~check~--rate~1000001",
    "token~revoke",
    "user",
    "user~add~marie",
    "user~add~--role~reader",
    "user~add~marie~--role~director",
    "user~add~marie@example.fr~--role~reader",
    "user~add~Marie~--role~reader~--single-sign-on",
    "user~role~marie",
    "user~role~marie~--role~",
    "user~remove",
    "user~log-out",
    "user~list~marie",
    "help~nothing",
    "-c",
};

START_TEST(test_wrong_usage)
{
    make_folder();
    expect(2, wrong_usage[_i]);
    ck_assert_uint_eq(out.length, 0);
    ck_assert_uint_gt(err.length, 0);
    remove_folder();
}
END_TEST

START_TEST(test_help)
{
    make_folder();
    expect(0, "help~--names");
    ck_has(&out, "form add\n");
    ck_has(&out, "verify\n");
    struct strbuf names = {0};
    strbuf_add(&names, out.data, out.length);
    for (char *rest = names.data, *name; (name = strsep(&rest, "\n")) != NULL && *name != '\0';) {
        char words[64];
        char usage[64];
        snprintf(words, sizeof(words), "help~%s", name);
        snprintf(usage, sizeof(usage), "usage: octroi [-c FILE] %s", name);
        for (char *space = words; (space = strchr(space, ' ')) != NULL;)
            *space = '~';
        expect(0, words);
        ck_has(&out, usage);
        memmove(words, words + 5, strlen(words + 5) + 1);
        str_copy(words + strlen(words), sizeof(words) - strlen(words), "~--help");
        expect(0, words);
        ck_has(&out, usage);
    }
    strbuf_free(&names);
    expect(0, "--version");
    ck_has(&out, "octroi " PACKAGE_VERSION "\n");
    expect(0, "--help");
    expect(0, "help~form");
    remove_folder();
}
END_TEST

START_TEST(test_password)
{
    make_folder();
    ck_assert_int_eq(run_with("s3cret\n", "password"), 0);
    ck_assert_int_eq(strncmp(out.data, "$y$", 3), 0);
    ck_assert_ptr_null(strstr(out.data, "s3cret"));
    ck_assert_int_eq(run_with("s3cret89\n", "password"), 0);
    ck_assert_uint_eq(err.length, 0);
    ck_assert_int_eq(run_with("s3cret890\n", "password"), 0);
    ck_assert_int_eq(strncmp(out.data, "$y$", 3), 0);
    ck_has(&err, "more than 8 bytes, which is all that SMPP has room for");
    ck_assert_ptr_null(strstr(err.data, "s3cret"));
    ck_assert_int_eq(run_with("\n", "password"), 1);
    ck_assert_int_eq(run_with("", "password"), 1);
    remove_folder();
}
END_TEST

START_TEST(test_no_gateway)
{
    make_folder();
    expect(1, "check-config");
    expect(1, "form~list");
    expect(0, "init~gate");
    expect(1, "status");
    ck_has(&err, "not running");
    remove_folder();
}
END_TEST

/* A mistake in the file may not stand between an officer and the immediate stop. */
START_TEST(test_mistakes_and_the_stop)
{
    make_folder();
    expect(0, "init~gate");
    char *path = path_of("gate/octroi.conf");
    FILE *file = fopen(path, "a");
    ck_assert_ptr_nonnull(file);
    fputs("\nnonsense = 1\n", file);
    fclose(file);
    free(path);
    expect(1, "check-config");
    ck_has(&err, "nonsense: unknown key");
    expect(0, "suspend~partner~acme~--reason~complaint");
    ck_has(&err, "has 1 mistake");
    ck_has(&out, "partner acme is suspended");
    expect(0, "consent~withdraw~jane.doe@example.org");
    expect(0, "log");
    expect(0, "verify");
    expect(1, "consent~show~jane.doe@example.org~--partner~acme~--channel~email");
    expect(1, "serve");
    remove_folder();
}
END_TEST

START_TEST(test_missing_key)
{
    make_folder();
    expect(0, "init~gate");
    expect(0, "check-config");
    char *path = path_of("gate/keys/recipient.key");
    ck_assert_int_eq(unlink(path), 0);
    free(path);
    expect(1, "check-config");
    ck_has(&err, "recipient_key_file: ");
    ck_has(&err, "recipient.key does not exist");
    remove_folder();
}
END_TEST

START_TEST(test_forms)
{
    make_gateway();
    ck_assert_int_eq(run_with(form, "form~add~-"), 0);
    ck_has(&out, "added form jeu-ete@1");
    ck_has(&err, "'nobody'");
    ck_assert_ptr_null(strstr(err.data, "'acme'"));
    ck_assert_int_eq(run_with(form, "form~add~-"), 0);
    ck_has(&out, "already");
    expect(0, "form~show~jeu-ete@1~--format~json");
    json_t *shown = json_loads(out.data, 0, NULL);
    json_t *given = json_loads(form, 0, NULL);
    ck_assert(json_equal(shown, given));
    json_decref(shown);
    json_decref(given);
    expect(0, "form~show~jeu-ete@1");
    ck_has(&out, "J'accepte");
    expect(1, "form~show~jeu-ete@2");
    expect(0, "form~list~--format~csv");
    ck_has(&out, "jeu-ete,1,Leads SARL,732829320,email|sms,receipt,fr,2026-01-01T00:00:00Z,,2,0,");
    ck_assert_int_eq(run_with("{ \"id\": \"x\", }", "form~add~-"), 1);
    ck_has(&err, "standard input:1:");
    remove_folder();
}
END_TEST

START_TEST(test_import)
{
    load_one_consent();
    expect_verdict("pass CONSENT");
    ck_assert_ptr_null(strstr(out.data, "jeanne"));
    expect(0, "consent~import~leads.csv");
    write_file("more.csv",
               HEADER GOOD("paul@example.org", "") "not an address,email,given,"
                                                   "2026-03-01T10:00:00Z,jeu-ete@1,,,,x\n"
                                                   "anne@example.org,email,given,soon,"
                                                   "jeu-ete@1,,,,x\n");
    expect(1, "consent~import~more.csv~--dry-run");
    expect(0, "consent~show~paul@example.org~--format~json");
    ck_assert_uint_eq(out.length, 0);
    expect(1, "consent~import~more.csv");
    ck_has(&err, "more.csv:3: ");
    ck_has(&err, "more.csv:4: ");
    ck_assert_ptr_null(strstr(err.data, "more.csv:2:"));
    expect(0, "consent~show~paul@example.org~--format~json");
    ck_has(&out, "\"event\":\"given\"");
    ck_assert_ptr_null(strstr(out.data, "paul@"));
    remove_folder();
}
END_TEST

START_TEST(test_withdraw)
{
    load_one_consent();
    expect(1, "consent~withdraw~jeanne@example.org~--partner~acmee");
    ck_has(&err, "acmee");
    expect_verdict("pass CONSENT");
    expect(1, "consent~withdraw~jeanne@example.org~--channel~sms");
    expect(0, "consent~withdraw~jeanne@example.org~--partner~acme");
    ck_assert_ptr_null(strstr(out.data, "jeanne"));
    expect_verdict("block WITHDRAWN");
    expect(0, "consent~record~jeanne@example.org~--event~given~--channel~email~--form~jeu-ete@1"
              "~--evidence~ticked");
    expect_verdict("pass CONSENT");
    expect(0, "consent~withdraw~jeanne@example.org~--objection");
    expect_verdict("block OBJECTED");
    expect(1, "consent~show~jeanne@example.org~--partner~acmee~--channel~email");
    remove_folder();
}
END_TEST

START_TEST(test_suspend)
{
    load_one_consent();
    expect(1, "suspend~partner~acmee~--reason~x");
    expect(1, "suspend~stream~acme/nothing~--reason~x");
    expect(1, "suspend~supplier~nobody~--reason~x");
    expect(0, "suspend~stream~acme/news~--reason~x");
    expect(0, "suspend~partner~acme~--reason~audit");
    ck_has(&out, "next verdict");
    expect_verdict("block SUSPENDED");
    expect(1, "suspend~partner~acme~--reason~audit");
    expect(0, "resume~partner~acme~--reason~done");
    expect_verdict("pass CONSENT");
    expect(0, "suspend~supplier~leads-co~--reason~audit");
    expect_verdict("block SUSPENDED");
    expect(0, "resume~supplier~leads-co~--reason~done");
    expect(0, "form~invalidate~jeu-ete@1~--reason~wrong list");
    expect_verdict("block FORM_INVALID");
    remove_folder();
}
END_TEST

START_TEST(test_token)
{
    make_gateway();
    expect(0, "token~list");
    ck_assert_str_eq(out.data, "(none)\n");
    expect(1, "token~add~crm~--scope~check~--partner~acmee");
    expect(1, "token~add~crm~--scope~persons~--partner~acme");
    expect(1, "token~add~c r m~--scope~check");
    expect(0, "token~add~crm~--scope~check,events~--partner~acme~--rate~5~--expires~90 days");
    ck_assert_uint_eq(out.length, 77); /* the token and a line end, for a script to take */
    ck_assert(strncmp(out.data, "octroi_", 7) == 0);
    ck_has(&err, "only time");
    expect(1, "token~add~crm~--scope~check");
    ck_has(&err, "revoke it first");
    expect(0, "token~list~--format~json");
    ck_has(&out, "\"name\":\"crm\"");
    ck_has(&out,
           "\"state\":\"good\",\"scopes\":[\"check\",\"events\"],\"partner\":\"acme\",\"rate\":5");
    expect(0, "token~revoke~crm");
    ck_has(&out, "next request");
    expect(1, "token~revoke~crm");
    expect(0, "token~list");
    ck_has(&out, "revoked");
    expect(0, "verify");
    remove_folder();
}
END_TEST

START_TEST(test_user)
{
    make_gateway();
    expect(0, "user~list");
    ck_assert_str_eq(out.data, "(none)\n");
    ck_assert_int_eq(run_with("elevenchars\n", "user~add~marie~--role~compliance"), 1);
    ck_has(&err, "at least 12 characters");
    ck_assert_ptr_null(strstr(err.data, "elevenchars"));
    /* Eleven characters, twelve bytes. */
    ck_assert_int_eq(run_with("elev\xc3\xa9nchars\n", "user~add~marie~--role~compliance"), 1);
    ck_assert_int_eq(run_with("", "user~add~marie~--role~compliance"), 1);
    expect(0, "user~list");
    ck_assert_str_eq(out.data, "(none)\n");
    ck_assert_int_eq(run_with("twelve chars\n", "user~add~marie~--role~compliance"), 0);
    ck_has(&out, "marie may enter the console as compliance");
    ck_assert_int_eq(run_with("twelve chars\n", "user~add~marie~--role~reader"), 1);
    ck_has(&err, "already");
    expect(0, "user~add~jean~--role~reader~--single-sign-on");
    expect(0, "user~list~--format~json");
    ck_has(&out, "{\"name\":\"marie\",\"role\":\"compliance\",\"state\":\"good\","
                 "\"sign_in\":\"password\",\"last_seen_at\":null");
    ck_has(&out, "{\"name\":\"jean\",\"role\":\"reader\",\"state\":\"good\","
                 "\"sign_in\":\"single-sign-on\"");
    ck_assert_ptr_null(strstr(out.data, "$y$"));
    expect(0, "user~role~jean~--role~administrator");
    expect(1, "user~role~paul~--role~reader");
    ck_assert_int_eq(run_with("twelve chars\n", "user~password~jean"), 0);
    ck_assert_int_eq(run_with("short\n", "user~password~jean"), 1);
    ck_assert_int_eq(run_with("twelve chars\n", "user~password~paul"), 1);
    expect(0, "user~log-out~jean");
    expect(1, "user~log-out~paul");
    expect(0, "user~remove~marie");
    ck_has(&out, "out at once");
    expect(1, "user~remove~marie");
    expect(1, "user~add~marie~--role~reader~--single-sign-on");
    ck_has(&err, "take another name");
    expect(0, "user~list");
    ck_has(&out, "removed");
    expect(0, "verify");
    remove_folder();
}
END_TEST

/* A gateway that answers once with answer, or hangs up when it is empty. */
static pid_t start_gateway(const char *answer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *path = path_of("gate/state/control.sock");
    unlink(path);
    ck_assert(str_copy(address.sun_path, sizeof(address.sun_path), path));
    free(path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        char request[64] = "";
        int client = accept(listener, NULL, NULL);
        ssize_t got = read(client, request, sizeof(request) - 1);
        bool right = got > 0 && strcmp(request, "{\"command\":\"status\"}\n") == 0;
        if (write(client, answer, strlen(answer)) < 0)
            right = false;
        close(client);
        _exit(right ? 0 : 1);
    }
    close(listener);
    return child;
}

static void expect_status(int code, const char *words, const char *answer)
{
    int status = 0;
    pid_t gateway = start_gateway(answer);
    expect(code, words);
    ck_assert_int_eq(waitpid(gateway, &status, 0), gateway);
    ck_assert_int_eq(status, 0);
}

START_TEST(test_status)
{
    static const char answer[] =
        "{\"pid\":7,\"version\":\"0.1.0\",\"gateway\":\"host\",\"started_at\":\"2026\","
        "\"config\":{\"file\":\"f\",\"version\":\"v\",\"loaded_at\":\"t\","
        "\"last_reload_error\":null},\"loops\":2,\"sessions\":3,\"listeners\":[{\"name\":"
        "\"submission\",\"protocol\":\"smtp\",\"bind\":\"127.0.0.1:2525\",\"tls\":\"none\","
        "\"sessions\":3}],"
        "\"providers\":[],\"journal\":{\"rows\":10,\"segment\":1,\"waiting\":0,"
        "\"head\":\"00\",\"failing\":true,\"last_error\":\"disk full\"},"
        "\"verdicts\":{\"pass\":1,\"block\":2,\"defer\":0}}\n";
    make_gateway();
    expect_status(0, "status", answer);
    ck_has(&out, "1 pass, 2 block, 0 defer");
    ck_has(&out, "FAILING");
    ck_has(&out, "disk full");
    ck_has(&out, "submission  smtp      127.0.0.1:2525  none");
    expect_status(0, "status~--format~json", answer);
    ck_assert_str_eq(out.data, answer);
    expect_status(0, "status~--format~csv", answer);
    ck_has(&out, "listeners.0.bind,127.0.0.1:2525\r\n");
    expect_status(1, "status", "");
    ck_has(&err, "answer was cut off");
    expect_status(1, "status", "nonsense\n");
    ck_assert_uint_eq(out.length, 0);
    expect(1, "status");
    ck_has(&err, "not running");
    remove_folder();
}
END_TEST

static int check_owner(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)type;
    (void)where;
    ck_assert_msg(st->st_uid == NOBODY, "%s belongs to %u", path, (unsigned)st->st_uid);
    return 0;
}

/* Root's commands leave the service user's files to the service user, and still read root's. */
START_TEST(test_ownership)
{
    if (geteuid() != 0)
        return;
    make_folder();
    ck_assert_int_eq(chmod(folder, 0755), 0);
    char *gate = path_of("gate");
    ck_assert_int_eq(mkdir(gate, 0755), 0);
    ck_assert_int_eq(chown(gate, NOBODY, NOBODY), 0);
    expect(0, "init~gate");
    write_file("form.json", form);
    write_file("leads.csv", HEADER GOOD("jeanne@example.org", ""));
    char *leads = path_of("leads.csv");
    ck_assert_int_eq(chmod(leads, 0600), 0);
    expect(0, "form~add~form.json");
    expect(0, "consent~import~leads.csv");
    expect(0, "log");
    expect_verdict("pass CONSENT");
    ck_assert_int_eq(nftw(gate, check_owner, 8, FTW_PHYS), 0);
    free(leads);
    free(gate);
    remove_folder();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_init,        test_init_over_a_key,
                                  test_help,        test_password,
                                  test_no_gateway,  test_forms,
                                  test_import,      test_withdraw,
                                  test_suspend,     test_token,
                                  test_user,        test_status,
                                  test_ownership,   test_mistakes_and_the_stop,
                                  test_missing_key, NULL};
    Suite *suite = unit_suite("cli run", tests);
    TCase *cases = tcase_create("wrong usage");
    tcase_add_loop_test(cases, test_wrong_usage, 0,
                        (int)(sizeof(wrong_usage) / sizeof(*wrong_usage)));
    suite_add_tcase(suite, cases);
    Suite *suites[] = {suite, cli_journal_suite(), NULL};
    return unit_run(suites);
}
