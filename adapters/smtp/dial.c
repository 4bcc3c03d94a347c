/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a provider's name to a connected socket. A numeric host is used as it is; a name is looked
 * up by the provider's helper threads, for getaddrinfo would stop the loop. The addresses are tried
 * in the resolver's order (RFC 6724), each for connect_timeout, until one connects.
 */
#include "adapters/smtp/smtp.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Touches nothing but itself: it may outlive the connection, and the provider, too. */
struct smtp_resolve {
    struct worker_job job;
    struct smtp_connection *connection; /* the loop's; NULL when it is gone */
    int failed;                         /* EAI_… */
    struct addrinfo *addresses;         /* owned; when failed is 0 and the work was done */
    char service[8];
    char host[];
};

static int look_up(const char *host, const char *service, int flags,
                   struct addrinfo **addresses_out)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    return getaddrinfo(host, service, &hints, addresses_out);
}

static void resolve_work(struct worker_job *job)
{
    struct smtp_resolve *resolve = CONTAINER_OF(job, struct smtp_resolve, job);
    resolve->failed = look_up(resolve->host, resolve->service, AI_ADDRCONFIG, &resolve->addresses);
}

static void resolve_discard(struct worker_job *job)
{
    struct smtp_resolve *resolve = CONTAINER_OF(job, struct smtp_resolve, job);
    if (resolve->failed == 0 && resolve->addresses != NULL)
        freeaddrinfo(resolve->addresses);
    free(resolve);
}

static void connect_next(struct smtp_connection *connection, struct error *why);

static void resolve_done(struct loop_task *task)
{
    struct smtp_resolve *resolve = CONTAINER_OF(task, struct smtp_resolve, job.task);
    struct smtp_connection *connection = resolve->connection;
    if (connection == NULL) {
        resolve_discard(&resolve->job);
        return;
    }
    connection->resolve = NULL;
    if (resolve->failed != 0) {
        smtp_connection_fail(connection, "its host name cannot be resolved: %s",
                             gai_strerror(resolve->failed));
        free(resolve);
        return;
    }
    connection->addresses = connection->address = resolve->addresses;
    free(resolve);
    struct error why = {0};
    smtp_set_state(connection, SMTP_CONNECTING);
    connect_next(connection, &why);
}

void smtp_dial(struct smtp_connection *connection)
{
    struct smtp_port *port = connection->port;
    struct provider *provider = port->base.provider;
    const char *host = smtp_config(port)->host;
    char service[sizeof(((struct smtp_resolve *)NULL)->service)];
    snprintf(service, sizeof(service), "%u", smtp_config(port)->port);
    smtp_set_deadline(connection, smtp_config(port)->connect_timeout);
    if (look_up(host, service, AI_NUMERICHOST, &connection->addresses) == 0) {
        struct error why = {0};
        connection->address = connection->addresses;
        smtp_set_state(connection, SMTP_CONNECTING);
        connect_next(connection, &why);
        return;
    }
    connection->addresses = NULL;
    struct smtp_resolve *resolve = calloc(1, sizeof(*resolve) + strlen(host) + 1);
    if (resolve == NULL) {
        smtp_connection_fail(connection, "out of memory");
        return;
    }
    resolve->job.work = resolve_work;
    resolve->job.task.run = resolve_done;
    resolve->job.discard = resolve_discard;
    resolve->job.home = port->base.loop;
    resolve->connection = connection;
    memcpy(resolve->host, host, strlen(host));
    memcpy(resolve->service, service, sizeof(service));
    if (!provider_submit(provider, &resolve->job)) {
        free(resolve);
        smtp_connection_fail(connection, "too many name lookups wait already");
        return;
    }
    connection->resolve = resolve;
}

void smtp_dial_forget(struct smtp_connection *connection)
{
    struct workers *helpers = connection->port->base.provider->helpers;
    /* Either the answer is in this loop's mailbox, or the helper keeps it and frees it. */
    if (connection->resolve != NULL && !workers_give_up(helpers, &connection->resolve->job))
        connection->resolve->connection = NULL;
    connection->resolve = NULL;
    if (connection->dial != NULL)
        event_free(connection->dial);
    connection->dial = NULL;
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
}

static void connected(struct smtp_connection *connection)
{
    const struct provider_config *config = smtp_config(connection->port);
    bool tls = config->tls == TLS_IMPLICIT;
    int on = 1;
    event_free(connection->dial);
    connection->dial = NULL;
    /* Commands are small and their answers awaited; of failure nothing depends. */
    (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(connection->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (!smtp_connection_wrap(connection, tls)) {
        smtp_connection_fail(connection, "out of memory");
        return;
    }
    smtp_set_deadline(connection, config->connect_timeout);
    smtp_set_state(connection, tls ? SMTP_HANDSHAKE : SMTP_GREETING);
}

/* This address did not do. */
static void next_address(struct smtp_connection *connection, int failed)
{
    struct error why;
    error_errno(&why, RESULT_UNAVAILABLE, failed, "provider %s: cannot connect",
                smtp_config(connection->port)->name);
    smtp_dial_forget(connection);
    connection->address = connection->address->ai_next;
    connect_next(connection, &why);
}

static void on_dialled(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct smtp_connection *connection = arg;
    int failed = 0;
    socklen_t length = sizeof(failed);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &length) != 0)
        failed = errno;
    if (failed != 0)
        next_address(connection, failed);
    else
        connected(connection);
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >>
                24) == 127;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* 0, or the errno of the first address that could not even be begun with. */
static int begin_connect(struct smtp_connection *connection, const struct addrinfo *address)
{
    connection->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        return errno;
    if (connect(connection->fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS)
        return errno;
    connection->dial = event_new(loop_base(connection->port->base.loop), connection->fd, EV_WRITE,
                                 on_dialled, connection);
    if (connection->dial == NULL || event_add(connection->dial, NULL) != 0)
        return ENOMEM;
    return 0;
}

/* From address on; why: of the address before, when there was one. */
static void connect_next(struct smtp_connection *connection, struct error *why)
{
    for (; connection->address != NULL; connection->address = connection->address->ai_next) {
        int failed = begin_connect(connection, connection->address);
        if (failed == 0) {
            connection->loopback = is_loopback(connection->address->ai_addr);
            smtp_set_deadline(connection, smtp_config(connection->port)->connect_timeout);
            return;
        }
        error_errno(why, RESULT_UNAVAILABLE, failed, "provider %s: cannot connect",
                    smtp_config(connection->port)->name);
        smtp_dial_forget(connection);
    }
    smtp_connection_lost(connection, false, why);
}

void smtp_dial_expired(struct smtp_connection *connection)
{
    if (connection->state == SMTP_CONNECTING)
        next_address(connection, ETIMEDOUT);
    else
        smtp_connection_fail(connection, "its host name is not resolved in time");
}
