/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PASSED 3    /* SD_LISTEN_FDS_START */
#define PASSED_MAX   4096 /* what a number in the environment may make us look at */

void service_notify(const char *format, ...)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = path != NULL ? strlen(path) : 0;
    if (length < 2 || length >= sizeof(address.sun_path) || (*path != '/' && *path != '@'))
        return;
    memcpy(address.sun_path, path, length);
    if (*path == '@')
        address.sun_path[0] = '\0'; /* the abstract namespace */
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (n > 0 && (size_t)n < sizeof(text) &&
        sendto(fd, text, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
        log_event(LOG_LEVEL_DEBUG, "the service manager does not listen");
    close(fd);
}

void service_notify_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    service_notify("RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)now.tv_sec * CLOCK_SECOND + now.tv_nsec / 1000);
}

/* A number of the environment, meant for this process; 0 when there is none. */
static long asked_of_us(const char *key, const char *key_of_pid)
{
    const char *text = getenv(key);
    const char *pid = getenv(key_of_pid);
    char *end;
    errno = 0;
    if (text == NULL || *text == '\0' || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    long value = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' && value > 0 ? value : 0;
}

int64_t service_watchdog(void)
{
    return asked_of_us("WATCHDOG_USEC", "WATCHDOG_PID") / 2;
}

static void describe(const struct sockaddr_storage *address, char *out, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    bool six = address->ss_family == AF_INET6;
    const struct sockaddr_in *four = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *wide = (const struct sockaddr_in6 *)address;
    if (!six && address->ss_family != AF_INET) {
        str_copy(out, size, "no internet address");
        return;
    }
    inet_ntop(address->ss_family, six ? (const void *)&wide->sin6_addr : &four->sin_addr, host,
              sizeof(host));
    snprintf(out, size, six ? "[%s]:%u" : "%s:%u", host,
             ntohs(six ? wide->sin6_port : four->sin_port));
}

static int option(int fd, int level, int name)
{
    int value = 0;
    socklen_t length = sizeof(value);
    return getsockopt(fd, level, name, &value, &length) == 0 ? value : -1;
}

static const struct listener_config *listener_of(const struct config *config, int fd,
                                                 const struct sockaddr_storage *address)
{
    if (option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
        option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1)
        return NULL;
    bool v6_only = address->ss_family == AF_INET6 && option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 1;
    for (size_t i = 0; i < config->n_listeners; i++)
        if (inlet_matches(&config->listeners[i], (const struct sockaddr *)address, v6_only))
            return &config->listeners[i];
    return NULL;
}

/* The nth name of LISTEN_FDNAMES, for the log. */
static void passed_name(long nth, char *out, size_t size)
{
    const char *names = getenv("LISTEN_FDNAMES");
    while (names != NULL && nth-- > 0) {
        names = strchr(names, ':');
        names = names != NULL ? names + 1 : NULL;
    }
    if (names == NULL || !str_copy_n(out, size, names, strcspn(names, ":")))
        str_copy(out, size, "-");
}

static enum result take_passed(const struct config *config, long nth, struct inlets *inlets,
                               struct error *err)
{
    int fd = FIRST_PASSED + (int)nth;
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    char where[INET6_ADDRSTRLEN + 10] = "no socket", name[64];
    passed_name(nth, name, sizeof(name));
    const struct listener_config *listener = NULL;
    if (getsockname(fd, (struct sockaddr *)&address, &length) == 0) {
        describe(&address, where, sizeof(where));
        listener = listener_of(config, fd, &address);
    }
    if (listener == NULL) {
        log_event(LOG_LEVEL_WARN, "a socket was passed that no listener asks for, closing it",
                  LOG_TEXT("name", name), LOG_TEXT("address", where));
        close(fd);
        return RESULT_OK;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot use the socket passed for %s", where);
    log_event(LOG_LEVEL_INFO, "a socket was passed", LOG_TEXT("listener", listener->name),
              LOG_TEXT("name", name), LOG_TEXT("address", where));
    return inlets_add(inlets, listener->bind, fd, true, err);
}

enum result service_sockets(const struct config *config, struct inlets *inlets, struct error *err)
{
    enum result result = RESULT_OK;
    long n = getenv("LISTEN_PID") != NULL ? asked_of_us("LISTEN_FDS", "LISTEN_PID") : 0;
    for (long i = 0; i < n && i < PASSED_MAX && result == RESULT_OK; i++)
        result = take_passed(config, i, inlets, err);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return result;
}
