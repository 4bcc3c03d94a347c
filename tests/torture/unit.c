/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for Check: linked with the sources of a unit test program, it makes each of its tests a
 * subject of torture. A test whose assertion fails because memory is short has not failed: it has
 * been told of an error, and is over. What is looked for is a crash, a finding of the sanitizers,
 * memory lost by a test that got through in spite of a failure, and a test that never ends. The
 * tests' own allocations are spared (spare.h).
 *
 * Every run is a process, since a test that was left half-way leaves things behind.
 */
#include "tests/torture/runs.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/tls.h"

#include <check.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUBJECTS 512
#define TOO_LONG (2 * CLOCK_SECOND) /* a test that takes this is about volume or waiting */
#define SHORT    1                  /* failures a test and mode in make check */
#define PATIENCE 4                  /* seconds; a test that lost what it waits for waits in vain */

/* What Check's structures are to the test programs: nothing. */
struct Suite {
    int unused;
};
struct TCase {
    SFun set_up, tear_down;
};
struct SRunner {
    int failed;
};

struct unit {
    const TTest *test;
    const struct TCase *cases;
    int index;
    char name[100];
    bool too_long;
};

static struct unit units[SUBJECTS];
static struct torture_subject subjects[SUBJECTS];
static size_t n_units;
static struct {
    unsigned long count, failures;
    bool asserted;
} * shared;
static struct {
    int n;
    char **values;
} arguments;

__attribute__((constructor)) static void keep_arguments(int argc, char **argv)
{
    arguments.n = argc;
    arguments.values = argv;
}

/* ---- a run ---- */

static unsigned long armed_for;

static void account(void)
{
    shared->count = torture_disarm();
    shared->failures = torture_failures();
}

void _mark_point(const char *file, int line)
{
    (void)file;
    (void)line;
}

void _ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
    (void)msg;
    account();
    shared->asserted = true;
    if (armed_for == 0 || getenv("TORTURE_TRACE") != NULL)
        fprintf(stderr, "%s:%d: %s\n", file, line, expr);
    /* Where the test has processes of its own, the failure may have been in another. */
    _exit(armed_for > 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Some tests assert so (spare.h). */
void spare_abort(void) __attribute__((noreturn));

void spare_abort(void)
{
    account();
    _exit(armed_for > 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void run_test(const struct unit *unit, unsigned long failing, enum torture_mode mode)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    alarm(failing == 0 ? 10 * PATIENCE : torture_is_short() ? PATIENCE / 2 : PATIENCE);
    /* A test's folders and such, not its subject. */
    if (unit->cases->set_up != NULL)
        unit->cases->set_up();
    armed_for = failing;
    torture_arm(failing, mode);
    unit->test->fn(unit->index);
    account();
    if (unit->cases->tear_down != NULL)
        unit->cases->tear_down();
    if (failing == 0)
        _exit(EXIT_SUCCESS); /* what leaks now leaks in the unit test, too */
    exit(EXIT_SUCCESS);
}

static unsigned long run_unit(void *arg, unsigned long failing, enum torture_mode mode,
                              bool *reached_out)
{
    struct unit *unit = arg;
    *reached_out = false;
    if (unit->too_long)
        return 0;
    memset(shared, 0, sizeof(*shared));
    int64_t began = clock_monotonic();
    pid_t child = fork();
    if (child == 0)
        run_test(unit, failing, mode);
    int status = 0;
    waitpid(child, &status, 0);
    if (failing == 0) {
        unit->too_long = clock_monotonic() - began > (torture_is_short() ? TOO_LONG / 8 : TOO_LONG);
        if (unit->too_long)
            return 0;
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        *reached_out = true;
        fprintf(stderr, "%s waits in vain when %lu fails (%s)\n", unit->name, failing,
                torture_mode_name(mode));
        return shared->count;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS) {
        fprintf(stderr, "%s: %s %d\n", unit->name, WIFSIGNALED(status) ? "signal" : "exit status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        _exit(EXIT_FAILURE);
    }
    *reached_out = shared->failures > 0;
    return shared->count;
}

/* Its readers and writers of keys, too, which only `init` and a start use. */
static bool use_key_files(const struct signing_key *key)
{
    char folder[] = "/tmp/octroi-torture-XXXXXX";
    char secret[sizeof(folder) + 16];
    char open[sizeof(folder) + 16];
    struct signing_key *again = NULL;
    struct error err;
    if (mkdtemp(folder) == NULL)
        return false;
    snprintf(secret, sizeof(secret), "%s/secret", folder);
    snprintf(open, sizeof(open), "%s/public", folder);
    bool ok = signing_key_save(key, secret, open, &err) == RESULT_OK &&
              signing_key_load_private(secret, &again, &err) == RESULT_OK;
    signing_key_free(&again);
    ok = ok && signing_key_load_public(open, &again, &err) == RESULT_OK;
    signing_key_free(&again);
    unlink(secret);
    unlink(open);
    rmdir(folder);
    return ok;
}

/* What OpenSSL makes once a process is made before anything fails (alloc.c says why). */
static void use_openssl(void)
{
    uint8_t bytes[32];
    struct hmac *hmac = hmac_new((const uint8_t *)"key", 3);
    struct signing_key *key = NULL;
    SSL_CTX *tls = NULL;
    struct error err;
    if (hmac == NULL || !random_bytes(bytes, sizeof(bytes)) || !sha256("", 0, bytes) ||
        !sha256_pair("", 0, "", 0, bytes) || signing_key_generate(&key, &err) != RESULT_OK ||
        !signing_key_sign(key, bytes, sizeof(bytes), (uint8_t[SIGNATURE_BYTES]){0}) ||
        !use_key_files(key) || tls_client_context(false, NULL, &tls, &err) != RESULT_OK)
        exit(EXIT_FAILURE);
    hmac_free(&hmac);
    signing_key_free(&key);
    SSL_CTX_free(tls);
}

/* And glibc's list of where names are looked up: it follows a null pointer where it finds no memory
 * for it (nss_database_check_reload_and_get). */
static void use_resolver(void)
{
    struct addrinfo *found = NULL;
    if (getaddrinfo("localhost", "1", NULL, &found) == 0)
        freeaddrinfo(found);
}

static void begin_unit(void *arg)
{
    (void)arg;
    use_openssl();
    use_resolver();
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1));
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        exit(EXIT_FAILURE);
}

/* ---- Check's functions, those the tests call ---- */

Suite *suite_create(const char *name)
{
    static Suite one;
    (void)name;
    return &one;
}

TCase *tcase_create(const char *name)
{
    static TCase cases[64];
    static size_t n;
    (void)name;
    return &cases[n++ % 64];
}

void suite_add_tcase(Suite *suite, TCase *cases)
{
    (void)suite;
    (void)cases;
}

void tcase_set_timeout(TCase *cases, double timeout)
{
    (void)cases;
    (void)timeout;
}

void tcase_add_checked_fixture(TCase *cases, SFun set_up, SFun tear_down)
{
    cases->set_up = set_up;
    cases->tear_down = tear_down;
}

/* Tests that are about other processes, which would wait for one another, whose own work with
 * OpenSSL does not expect to fail, or whose threads fail by turns. */
static bool is_left_out(const char *name)
{
    static const char *const names[] = {
        "a_lock_held_elsewhere_is_unavailable",
        "a_shell_verifies_it_too",
        "a_withdrawal_outlives_its_writer",
        "certificates_are_tried",
        "each_batch_is_answered_once",
        "tls_contexts",
        "what_was_durable_survives_kill",
        "deliveries_cross_threads",
        "threads_share_it",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

void _tcase_add_test(TCase *cases, const TTest *test, int signal, int allowed, int start, int end)
{
    (void)signal;
    (void)allowed;
    for (int i = start; i < end && n_units < SUBJECTS && !is_left_out(test->name); i++) {
        struct unit *unit = &units[n_units];
        *unit = (struct unit){.test = test, .cases = cases, .index = i};
        snprintf(unit->name, sizeof(unit->name), "%s.%d", test->name, i);
        subjects[n_units++] = (struct torture_subject){
            .name = unit->name, .begin = begin_unit, .run = run_unit, .arg = unit, .forks = true};
    }
}

void tcase_fn_start(const char *name, const char *file, int line)
{
    (void)name;
    (void)file;
    (void)line;
}

SRunner *srunner_create(Suite *suite)
{
    static SRunner one;
    (void)suite;
    return &one;
}

void srunner_add_suite(SRunner *runner, Suite *suite)
{
    (void)runner;
    (void)suite;
}

void srunner_run_all(SRunner *runner, enum print_output output)
{
    (void)output;
    runner->failed = torture_main(arguments.n, arguments.values, subjects, n_units, SHORT);
}

int srunner_ntests_failed(SRunner *runner)
{
    return runner->failed;
}

void srunner_free(SRunner *runner)
{
    (void)runner;
}
