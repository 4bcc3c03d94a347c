/* SPDX-License-Identifier: Apache-2.0 */
/* No memory image, and the system calls that a gateway gives up. Each in a process of its own. */
#include "base/harden.h"
#include "proxy/syscalls.h"
#include "tests/unit/unit.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(no_dumps)
{
    const struct rlimit all = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    struct rlimit now;
    struct error err;
    (void)setrlimit(RLIMIT_CORE, &all); /* as far as we may */
    ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1L), 0);
    ck_assert_int_eq(setenv("OCTROI_ALLOW_DUMPS", "1", 1), 0);
    ck_assert_int_eq(harden_no_dumps(&err), RESULT_OK);
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 1);
    ck_assert_int_eq(setenv("OCTROI_ALLOW_DUMPS", "yes", 1), 0); /* only 1 allows */
    ck_assert_int_eq(harden_no_dumps(&err), RESULT_OK);
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &now), 0);
    ck_assert(now.rlim_cur == 0 && now.rlim_max == 0);
}
END_TEST

START_TEST(no_dump_is_made)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const struct rlimit all = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
        struct error err;
        (void)setrlimit(RLIMIT_CORE, &all);
        (void)signal(SIGQUIT, SIG_DFL); /* a shell's background jobs ignore it */
        if (harden_no_dumps(&err) == RESULT_OK)
            raise(SIGQUIT);
        _exit(1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGQUIT);
    ck_assert(!WCOREDUMP(status));
}
END_TEST

/* ---- what is given up ---- */

static char *const nothing[] = {NULL};

static void call_execve(void)
{
    execve("/bin/true", nothing, nothing);
}

static void call_fork(void)
{
    if (fork() == 0)
        _exit(0);
}

static void call_vfork_like(void)
{
    if (syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L) == 0)
        _exit(0);
}

static void call_ptrace(void)
{
    syscall(SYS_ptrace, 0L, 0L, 0L, 0L);
}

static void call_read_memory(void)
{
    syscall(SYS_process_vm_readv, getpid(), NULL, 0L, NULL, 0L, 0L);
}

static void call_keyctl(void)
{
    syscall(SYS_keyctl, 0L, 0L, 0L);
}

static void call_unshare(void)
{
    syscall(SYS_unshare, 0L);
}

static void call_setuid(void)
{
    syscall(SYS_setuid, getuid());
}

static void call_io_uring(void)
{
    syscall(SYS_io_uring_setup, 0L, NULL);
}

static void call_packet_socket(void)
{
    socket(AF_PACKET, SOCK_RAW, 0);
}

static void call_hidden_family(void)
{
    syscall(SYS_socket, 0x100000000L | AF_ALG, SOCK_STREAM, 0L);
}

static void call_low_family(void)
{
    socket(AF_AX25, SOCK_STREAM, 0);
}

static void call_new_code(void)
{
    (void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void call_made_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED)
        mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void *run_quietly(void *call)
{
    sigset_t all;
    harden_thread_signals(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    (*(void (**)(void))call)();
    return NULL;
}

static void call_in_thread(void)
{
    static void (*call)(void) = call_execve;
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_quietly, &call) == 0)
        pthread_join(thread, NULL);
}

static const struct {
    const char *name;
    void (*call)(void);
} calls[] = {
    {"execve", call_execve},
    {"fork", call_fork},
    {"clone", call_vfork_like},
    {"ptrace", call_ptrace},
    {"process_vm_readv", call_read_memory},
    {"keyctl", call_keyctl},
    {"unshare", call_unshare},
    {"setuid", call_setuid},
    {"io_uring_setup", call_io_uring},
    {"AF_PACKET", call_packet_socket},
    {"AF_ALG with high bits", call_hidden_family},
    {"AF_AX25", call_low_family},
    {"mmap", call_new_code},
    {"mprotect", call_made_code},
    {"execve in a thread without signals", call_in_thread},
};
#define N_CALLS ((int)(sizeof(calls) / sizeof(calls[0])))

/* Whether this build gives anything up: with sanitizers there is nothing to see. */
static bool has_filter(void)
{
    struct error err;
    ck_assert_int_eq(syscalls_give_up(&err), RESULT_OK);
    bool on = strcmp(syscalls_state(), "on") == 0;
    if (!on)
        ck_assert_str_eq(syscalls_state(), "sanitizers");
    return on;
}

START_TEST(forbidden_call)
{
    int said[2];
    char text[2000];
    ck_assert_int_eq(pipe(said), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct error err;
        dup2(said[1], STDERR_FILENO);
        if (syscalls_give_up(&err) != RESULT_OK)
            _exit(3);
        if (strcmp(syscalls_state(), "on") != 0)
            _exit(4);
        calls[_i].call();
        _exit(0);
    }
    close(said[1]);
    size_t length = 0;
    ssize_t got;
    while (length < sizeof(text) - 1 &&
           (got = read(said[0], text + length, sizeof(text) - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    close(said[0]);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 4) {
        ck_assert(!has_filter());
        return;
    }
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: status %x",
                  calls[_i].name, (unsigned)status);
    ck_assert_msg(strstr(text, " error event=\"a forbidden system call: the gateway ends\" "
                               "number=") != NULL,
                  "%s: %s", calls[_i].name, text);
    if (calls[_i].call == call_execve) {
        char number[32];
        snprintf(number, sizeof(number), "number=%d\n", (int)SYS_execve);
        ck_assert_msg(strstr(text, number) != NULL, "%s", text);
    }
}
END_TEST

static void *think(void *arg)
{
    return arg;
}

START_TEST(what_goes_on)
{
    struct error err;
    ck_assert_int_eq(syscalls_give_up(&err), RESULT_OK);
    pthread_t thread;
    void *got;
    ck_assert_int_eq(pthread_create(&thread, NULL, think, &err), 0);
    ck_assert_int_eq(pthread_join(thread, &got), 0);
    ck_assert_ptr_eq(got, &err);
    const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        int fd = socket(families[i], families[i] == AF_NETLINK ? SOCK_RAW : SOCK_STREAM, 0);
        ck_assert_msg(fd >= 0 || families[i] == AF_INET6, "family %d", families[i]);
        close(fd);
    }
    struct addrinfo *found = NULL;
    ck_assert_int_eq(getaddrinfo("localhost", "25", NULL, &found), 0);
    freeaddrinfo(found);
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}
END_TEST

START_TEST(switched_off)
{
    struct error err;
    ck_assert_str_eq(syscalls_state(), "off");
    ck_assert_int_eq(setenv("OCTROI_SYSCALL_FILTER", "off", 1), 0);
    ck_assert_int_eq(syscalls_give_up(&err), RESULT_OK);
    ck_assert_str_ne(syscalls_state(), "on");
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    ck_assert_int_ge(child, 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("harden");
    TCase *cases = tcase_create("harden");
    tcase_set_timeout(cases, UNIT_SECONDS);
    tcase_add_test(cases, no_dumps);
    tcase_add_test(cases, no_dump_is_made);
    tcase_add_loop_test(cases, forbidden_call, 0, N_CALLS);
    tcase_add_test(cases, what_goes_on);
    tcase_add_test(cases, switched_off);
    suite_add_tcase(suite, cases);
    return unit_run((Suite *[]){suite, NULL});
}
