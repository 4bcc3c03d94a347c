/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/dial.h"

#include "base/sockaddr.h"
#include "base/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Touches nothing but itself: it may outlive the connection, and the provider, too. */
struct dial_resolve {
    struct worker_job job;
    struct dial *dial;          /* the loop's; NULL when it is gone */
    int failed;                 /* EAI_… */
    struct addrinfo *addresses; /* owned; when failed is 0 and the work was done */
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
    struct dial_resolve *resolve = CONTAINER_OF(job, struct dial_resolve, job);
    resolve->failed = look_up(resolve->host, resolve->service, AI_ADDRCONFIG, &resolve->addresses);
}

static void resolve_discard(struct worker_job *job)
{
    struct dial_resolve *resolve = CONTAINER_OF(job, struct dial_resolve, job);
    if (resolve->failed == 0 && resolve->addresses != NULL)
        freeaddrinfo(resolve->addresses);
    free(resolve);
}

static void fail(struct dial *dial, const char *what)
{
    struct error why;
    error_set(&why, RESULT_UNAVAILABLE, "provider %s: %s", dial->provider->config->name, what);
    dial->ops->failed(dial, &why);
}

static void connect_next(struct dial *dial, struct error *why);

static void begin_with(struct dial *dial, struct addrinfo *addresses)
{
    struct error why;
    error_set(&why, RESULT_UNAVAILABLE, "provider %s: its host name has no address",
              dial->provider->config->name);
    dial->addresses = dial->address = addresses;
    dial->ops->resolved(dial);
    connect_next(dial, &why);
}

static void resolve_done(struct loop_task *task)
{
    struct dial_resolve *resolve = CONTAINER_OF(task, struct dial_resolve, job.task);
    struct dial *dial = resolve->dial;
    if (dial == NULL) {
        resolve_discard(&resolve->job);
        return;
    }
    dial->resolve = NULL;
    int failed = resolve->failed;
    struct addrinfo *addresses = resolve->addresses;
    free(resolve);
    if (failed == 0) {
        begin_with(dial, addresses);
        return;
    }
    char what[160];
    snprintf(what, sizeof(what), "its host name cannot be resolved: %s", gai_strerror(failed));
    fail(dial, what);
}

void dial_init(struct dial *dial, const struct dial_ops *ops, struct provider *provider,
               struct loop *loop)
{
    *dial = (struct dial){.ops = ops, .provider = provider, .loop = loop, .fd = -1};
}

void dial_begin(struct dial *dial)
{
    const struct provider_config *config = dial->provider->config;
    struct addrinfo *addresses = NULL;
    char service[sizeof(((struct dial_resolve *)NULL)->service)];
    dial_end(dial);
    snprintf(service, sizeof(service), "%u", config->port);
    if (look_up(config->host, service, AI_NUMERICHOST, &addresses) == 0) {
        begin_with(dial, addresses);
        return;
    }
    struct dial_resolve *resolve = calloc(1, sizeof(*resolve) + strlen(config->host) + 1);
    if (resolve == NULL) {
        fail(dial, "out of memory");
        return;
    }
    resolve->job.work = resolve_work;
    resolve->job.task.run = resolve_done;
    resolve->job.discard = resolve_discard;
    resolve->job.home = dial->loop;
    resolve->dial = dial;
    memcpy(resolve->host, config->host, strlen(config->host));
    memcpy(resolve->service, service, sizeof(service));
    if (!provider_submit(dial->provider, &resolve->job)) {
        free(resolve);
        fail(dial, "too many name lookups wait already");
        return;
    }
    dial->resolve = resolve;
}

void dial_forget(struct dial *dial)
{
    /* Either the answer is in this loop's mailbox, or the helper keeps it and frees it. */
    if (dial->resolve != NULL && !workers_give_up(dial->provider->helpers, &dial->resolve->job))
        dial->resolve->dial = NULL;
    dial->resolve = NULL;
    if (dial->event != NULL)
        event_free(dial->event);
    dial->event = NULL;
    if (dial->fd >= 0)
        close(dial->fd);
    dial->fd = -1;
}

void dial_end(struct dial *dial)
{
    dial_forget(dial);
    if (dial->addresses != NULL)
        freeaddrinfo(dial->addresses);
    dial->addresses = dial->address = NULL;
}

static void connected(struct dial *dial)
{
    int on = 1, fd = dial->fd;
    dial->fd = -1;
    event_free(dial->event);
    dial->event = NULL;
    /* Commands are small and their answers awaited; of failure nothing depends. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    dial->ops->connected(dial, fd);
}

/* This address did not do. */
static void next_address(struct dial *dial, int failed)
{
    struct error why;
    error_errno(&why, RESULT_UNAVAILABLE, failed, "provider %s: cannot connect",
                dial->provider->config->name);
    dial_forget(dial);
    dial->address = dial->address->ai_next;
    connect_next(dial, &why);
}

static void on_dialled(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct dial *dial = arg;
    int failed = 0;
    socklen_t length = sizeof(failed);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &length) != 0)
        failed = errno;
    if (failed != 0)
        next_address(dial, failed);
    else
        connected(dial);
}

/* 0, or the errno of the first address that could not even be begun with. */
static int begin_connect(struct dial *dial, const struct addrinfo *address)
{
    dial->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial->fd < 0)
        return errno;
    if (connect(dial->fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS)
        return errno;
    dial->event = event_new(loop_base(dial->loop), dial->fd, EV_WRITE, on_dialled, dial);
    if (dial->event == NULL || event_add(dial->event, NULL) != 0)
        return ENOMEM;
    return 0;
}

/* From address on; why: of the address before, when there was one. */
static void connect_next(struct dial *dial, struct error *why)
{
    for (; dial->address != NULL; dial->address = dial->address->ai_next) {
        int failed = begin_connect(dial, dial->address);
        if (failed == 0) {
            dial->loopback = sockaddr_is_loopback(dial->address->ai_addr);
            dial->ops->trying(dial);
            return;
        }
        error_errno(why, RESULT_UNAVAILABLE, failed, "provider %s: cannot connect",
                    dial->provider->config->name);
        dial_forget(dial);
    }
    dial->ops->failed(dial, why);
}

void dial_expired(struct dial *dial)
{
    if (dial->address != NULL)
        next_address(dial, ETIMEDOUT);
    else
        fail(dial, "its host name is not resolved in time");
}

struct bufferevent *dial_wrap(const struct dial *dial, int fd, bool tls,
                              struct certificate_seen *watch)
{
    const struct provider_config *config = dial->provider->config;
    if (!tls)
        return bufferevent_socket_new(loop_base(dial->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    const char *name = config->tls_name != NULL ? config->tls_name : config->host;
    SSL *ssl = tls_client_session(dial->provider->tls, name, config->tls_verify);
    if (ssl == NULL)
        return NULL;
    if (watch != NULL)
        certificate_watch(watch, ssl, config);
    return tls_bufferevent(loop_base(dial->loop), fd, ssl, false);
}

void dial_tls_problem(const struct dial *dial, struct bufferevent *bev, short events, char *out,
                      size_t size)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    long verified = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;
    unsigned long code = bufferevent_get_openssl_error(bev);
    str_copy(out, size, "closed by the peer");
    if (code != 0)
        ERR_error_string_n(code, out, size);
    else if ((events & BEV_EVENT_ERROR) != 0)
        str_copy(out, size, "connection broken");
    if (verified != X509_V_OK && dial->provider->config->tls_verify)
        snprintf(out, size, "certificate: %s", X509_verify_cert_error_string(verified));
}

void dial_describe(const struct addrinfo *address, bool all, struct strbuf *out)
{
    for (const struct addrinfo *each = address; each != NULL; each = each->ai_next) {
        char text[NI_MAXHOST] = "?";
        (void)getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof(text), NULL, 0,
                          NI_NUMERICHOST);
        strbuf_add_format(out, "%s%s", each != address ? ", " : "", text);
        if (!all)
            return;
    }
}
