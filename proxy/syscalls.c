/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/syscalls.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZERS 1
#endif
#endif
#ifndef SANITIZERS
#define SANITIZERS 0
#endif

static _Atomic(const char *) state = "off";

/* By name: libseccomp knows the number on this machine, or that there is none. */
static const char *const forbidden[] = {
    /* another program, another process */
    "execve", "execveat", "fork", "vfork",
    /* the memory and the descriptors of others */
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
    "userfaultfd",
    /* the kernel: its code, its parts of large surface that we do not use */
    "bpf", "perf_event_open", "io_uring_setup", "io_uring_enter", "io_uring_register",
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "iopl",
    "ioperm", "add_key", "request_key", "keyctl", "syslog", "lookup_dcookie",
    /* the machine */
    "reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "settimeofday",
    "clock_settime", "sethostname", "setdomainname", "vhangup",
    /* another view of the file system */
    "mount", "umount2", "mount_setattr", "move_mount", "open_tree", "fsopen", "fsmount", "fsconfig",
    "fspick", "pivot_root", "chroot", "setns", "unshare", "mknod", "mknodat", "name_to_handle_at",
    "open_by_handle_at", "fanotify_init", "personality",
    /* other powers: cli/serve.c has given up what it had before */
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid",
    "setgroups", "capset"};

/* Allowed families: the network, the control socket, and what getaddrinfo asks the kernel with. */
static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

static int forbid(scmp_filter_ctx filter, const char *name, const struct scmp_arg_cmp *argument)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number < 0) /* not known, or not on this machine: then nobody can call it either */
        return 0;
    return seccomp_rule_add_array(filter, SCMP_ACT_TRAP, number, argument != NULL ? 1 : 0,
                                  argument);
}

static int forbid_masked(scmp_filter_ctx filter, const char *name, unsigned argument,
                         unsigned long mask, unsigned long value)
{
    const struct scmp_arg_cmp compare = {
        .arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
    return forbid(filter, name, &compare);
}

/* The network's families lie among others: each gap, and what is above the last. */
static int forbid_families(scmp_filter_ctx filter)
{
    const unsigned count = sizeof(families) / sizeof(families[0]);
    int failed = 0;
    for (int family = 0; family < families[count - 1] && failed == 0; family++) {
        bool allowed = false;
        for (unsigned i = 0; i < count; i++)
            allowed = allowed || families[i] == family;
        if (!allowed)
            failed = forbid(filter, "socket", &SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
    }
    if (failed == 0)
        failed = forbid(filter, "socket", &SCMP_A0(SCMP_CMP_GT, (scmp_datum_t)families[count - 1]));
    return failed;
}

/* New memory that could be written and run, and such memory made of what there is. */
static int forbid_code(scmp_filter_ctx filter)
{
    const unsigned long both = PROT_WRITE | PROT_EXEC;
    int failed = forbid_masked(filter, "mmap", 2, both, both);
    if (failed == 0)
        failed = forbid_masked(filter, "mprotect", 2, PROT_EXEC, PROT_EXEC);
    if (failed == 0)
        failed = forbid_masked(filter, "pkey_mprotect", 2, PROT_EXEC, PROT_EXEC);
    return failed;
}

/* A thread is made, a process is not. What clone3 is asked for lies in memory where a filter cannot
 * look: glibc takes clone where there is no clone3. */
static int forbid_processes(scmp_filter_ctx filter)
{
    int failed = forbid_masked(filter, "clone", 0, CLONE_THREAD, 0);
    int clone3 = seccomp_syscall_resolve_name("clone3");
    if (failed == 0 && clone3 >= 0)
        failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), clone3, 0);
    return failed;
}

static int add_rules(scmp_filter_ctx filter)
{
    int failed = 0;
    for (unsigned i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]) && failed == 0; i++)
        failed = forbid(filter, forbidden[i], NULL);
    if (failed == 0)
        failed = forbid_processes(filter);
    if (failed == 0)
        failed = forbid_families(filter);
    if (failed == 0)
        failed = forbid_code(filter);
    return failed;
}

/* Nothing here takes a lock or memory: it runs in the middle of anything. */
static char *put(char *at, const char *text)
{
    size_t length = strlen(text);
    memcpy(at, text, length);
    return at + length;
}

static void on_forbidden(int number, siginfo_t *info, void *context)
{
    (void)context;
    char line[160];
    char digits[8];
    char *digit = digits + sizeof(digits) - 1;
    *digit = '\0';
    unsigned call = (unsigned)info->si_syscall;
    do
        *--digit = (char)('0' + call % 10);
    while ((call /= 10) > 0 && digit > digits);
    clock_format_seconds(clock_now(), line);
    char *end = put(line + strlen(line), " error event=\"a forbidden system call: the gateway "
                                         "ends\" number=");
    end = put(put(end, digit), "\n");
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)(end - line));
    (void)ignored;
    /* The handler is gone (SA_RESETHAND); pending until it returns, before the code goes on. */
    raise(number);
}

static enum result install(struct error *err)
{
    struct sigaction action = {.sa_sigaction = on_forbidden,
                               .sa_flags = SA_SIGINFO | (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) != 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot watch for forbidden system calls");
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL)
        return error_no_memory(err);
    int failed = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (failed == 0)
        failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (failed == 0)
        failed = add_rules(filter);
    if (failed == 0)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    if (failed == -ENOMEM)
        return error_no_memory(err);
    if (failed != 0)
        return error_errno(err, RESULT_UNAVAILABLE, -failed,
                           "cannot give up system calls (to serve all the same: "
                           "OCTROI_SYSCALL_FILTER=off)");
    return RESULT_OK;
}

enum result syscalls_give_up(struct error *err)
{
    const char *wanted = getenv("OCTROI_SYSCALL_FILTER");
    const char *now = "on";
    if (SANITIZERS)
        now = "sanitizers";
    else if (wanted != NULL && strcmp(wanted, "off") == 0)
        now = "off";
    else if (install(err) != RESULT_OK)
        return err->code;
    atomic_store(&state, now);
    log_event(strcmp(now, "on") == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "system call filter",
              LOG_TEXT("state", now));
    return RESULT_OK;
}

const char *syscalls_state(void)
{
    return atomic_load(&state);
}
