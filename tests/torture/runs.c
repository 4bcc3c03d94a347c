/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/torture/runs.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#else
static int __lsan_do_recoverable_leak_check(void)
{
    return 0;
}
#endif

#define SECONDS_A_RUN 60 /* a run takes milliseconds, with waits for a busy machine */
#define DEATHS_MAX    8  /* of one subject, then it is left alone */

static struct {
    unsigned long most;
    char only[256];
    unsigned long only_failing;
    int only_mode;
    bool leaks;
    long jobs;
    bool is_short;
} options = {.only_mode = -1};

/* Written by the subject's process, read by its parent when it died. */
struct progress {
    unsigned long failing;
    enum torture_mode mode;
    unsigned long runs;
};

/* ---- the subject's process ---- */

static void run_once(const struct torture_subject *subject, struct progress *at, bool *reached)
{
    at->runs++;
    alarm(SECONDS_A_RUN);
    subject->run(subject->arg, at->failing, at->mode, reached);
    if (options.leaks && __lsan_do_recoverable_leak_check() != 0)
        _exit(EXIT_FAILURE);
}

/* From at on. The offset differs between subjects, so that few failures of each still meet many
 * places of what they have in common. */
static void run_from(const struct torture_subject *subject, struct progress *at, size_t offset)
{
    bool reached = false;
    if (subject->begin != NULL)
        subject->begin(subject->arg);
    /* What is made once a process is made now. */
    unsigned long total = subject->run(subject->arg, 0, TORTURE_ONE, &reached);
    if (!subject->forks)
        total = subject->run(subject->arg, 0, TORTURE_ONE, &reached);
    if (options.only_failing > 0) {
        at->failing = options.only_failing;
        at->mode = options.only_mode > 0 ? TORTURE_ALL : TORTURE_ONE;
        run_once(subject, at, &reached);
        printf("%s: %s\n", subject->name, reached ? "survived" : "the failure was not reached");
        return;
    }
    unsigned long step = options.most > 0 ? (total + options.most - 1) / options.most : 1;
    step = step > 0 ? step : 1;
    if (at->failing == 0)
        at->failing = 1 + offset % step;
    /* In short no run whose failure has no turn, unless it is the only one. */
    unsigned long last = !options.is_short ? ULONG_MAX : total > 0 ? total : 1;
    for (; at->mode < TORTURE_MODES; at->mode++, at->failing = 1 + offset % step)
        for (reached = true; reached && at->failing <= last; at->failing += step)
            run_once(subject, at, &reached);
}

static int process(const struct torture_subject *subject, struct progress *at, size_t offset)
{
    run_from(subject, at, offset);
    if (subject->end != NULL)
        subject->end(subject->arg);
    fflush(stdout);
    exit(EXIT_SUCCESS); /* the leak check is an exit handler */
}

/* ---- the parent ---- */

/* One subject to its end; returns how often its process died. */
static int supervise(const struct torture_subject *subject, struct progress *at, size_t offset)
{
    int deaths = 0;
    while (deaths < DEATHS_MAX) {
        pid_t child = fork();
        if (child == 0)
            process(subject, at, offset);
        int status = 0;
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
            return deaths;
        deaths++;
        if (at->mode >= TORTURE_MODES) {
            fprintf(stderr, "FOUND in %s: leaks; find the run with --leaks --only %s\n",
                    subject->name, subject->name);
            return deaths;
        }
        fprintf(stderr, "FOUND in %s: died%s; again: --only %s:%lu:%s\n", subject->name,
                WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? " of old age" : "",
                subject->name, at->failing, torture_mode_name(at->mode));
        if (options.only_failing > 0)
            return deaths;
        at->failing++;
    }
    return deaths;
}

static bool read_options(int argc, char **argv, unsigned long default_most)
{
    options.jobs = sysconf(_SC_NPROCESSORS_ONLN);
    const char *most = getenv("TORTURE_MOST");
    options.is_short = most == NULL && argc == 1;
    options.most = most != NULL ? strtoul(most, NULL, 10) : default_most;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--leaks") == 0) {
            options.leaks = true;
            continue;
        }
        if (value == NULL)
            return false;
        if (strcmp(argv[i], "--most") == 0)
            options.most = strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--jobs") == 0)
            options.jobs = strtol(value, NULL, 10);
        else if (strcmp(argv[i], "--only") == 0) {
            snprintf(options.only, sizeof(options.only), "%s", value);
            char *colon = strchr(options.only, ':');
            if (colon != NULL) {
                *colon = '\0';
                options.only_failing = strtoul(colon + 1, &colon, 10);
                options.only_mode = strcmp(colon, ":all") == 0;
            }
        } else
            return false;
        i++;
    }
    return true;
}

bool torture_is_short(void)
{
    return options.is_short;
}

/* Every jobs-th of the subjects, beginning with the worker's own. */
static int work(const struct torture_subject *subjects, size_t n, size_t worker,
                struct progress *progress)
{
    int bad = 0;
    for (size_t i = worker; i < n; i += (size_t)options.jobs) {
        if (options.only[0] != '\0' && strcmp(options.only, subjects[i].name) != 0)
            continue;
        bad += supervise(&subjects[i], &progress[i], i) > 0;
    }
    return bad;
}

int torture_main(int argc, char **argv, const struct torture_subject *subjects, size_t n,
                 unsigned long most)
{
    if (!read_options(argc, argv, most) || options.jobs < 1) {
        fprintf(stderr,
                "usage: %s [--most N] [--only NAME[:FAILING[:one|all]]] [--leaks]"
                " [--jobs N]\n",
                argv[0]);
        return 2;
    }
    struct progress *progress = mmap(NULL, n * sizeof(*progress), PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED)
        return EXIT_FAILURE;
    for (size_t worker = 0; worker < (size_t)options.jobs; worker++)
        if (fork() == 0)
            _exit(work(subjects, n, worker, progress) & 0x7f);
    int bad = 0;
    for (int status; wait(&status) > 0;)
        bad += WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    unsigned long tried = 0, runs = 0;
    for (size_t i = 0; i < n; i++) {
        tried += progress[i].runs > 0;
        runs += progress[i].runs;
    }
    munmap(progress, n * sizeof(*progress));
    printf("%lu runs\n", runs);
    printf("%lu%%: Checks: %lu, Failures: %d, Errors: 0\n",
           tried > 0 ? 100 * (tried - (unsigned long)bad) / tried : 0, tried, bad);
    return bad == 0 && tried > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
