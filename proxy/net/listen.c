/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/listen.h"

#include "base/log.h"
#include "proxy/smtp/server.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 1024

struct door {
    struct lane *lane;             /* borrowed */
    struct entrance *entrance;     /* borrowed */
    struct evconnlistener *socket; /* owned */
    struct event *retry;           /* owned; accepting again after descriptors ran out */
};

enum result listen_open(const struct listener_config *config, int *fd_out, struct error *err)
{
    int one = 1;
    int fd = socket(config->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(err, RESULT_SYSTEM, errno, "listener %s", config->name);
    bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
              setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0;
    /* "*" stands for every address of both families, "[::]" for IPv6 alone. */
    int v6_only = config->bind[0] != '*';
    if (ok && config->address.ss_family == AF_INET6)
        ok = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) == 0;
    if (!ok || bind(fd, (const struct sockaddr *)&config->address, config->address_length) != 0 ||
        listen(fd, BACKLOG) != 0) {
        enum result result =
            error_errno(err, RESULT_SYSTEM, errno, "listener %s cannot listen on %s", config->name,
                        config->bind);
        close(fd);
        return result;
    }
    *fd_out = fd;
    return RESULT_OK;
}

/* Index of the listener the snapshot has for this entrance; false when it is gone. */
static bool find_listener(const struct config *config, const char *bind_text, size_t *index_out)
{
    for (size_t i = 0; i < config->n_listeners; i++)
        if (strcmp(config->listeners[i].bind, bind_text) == 0) {
            *index_out = i;
            return true;
        }
    return false;
}

static void turn_away(const struct listener_config *listener, evutil_socket_t fd)
{
    static const char busy[] = "421 4.3.2 Too many connections, try again later\r\n";
    if (listener->tls != TLS_IMPLICIT) {
        /* A fresh socket takes these bytes, or the peer is gone: nothing to wait for. */
        ssize_t ignored = send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)ignored;
    }
    close(fd);
}

static void on_accept(struct evconnlistener *socket, evutil_socket_t fd, struct sockaddr *peer,
                      int peer_length, void *arg)
{
    (void)socket;
    (void)peer_length;
    struct door *door = arg;
    struct lane *lane = door->lane;
    const struct config *config = lane->snapshot->config;
    size_t index;
    if (!find_listener(config, door->entrance->bind, &index)) {
        close(fd);
        return;
    }
    unsigned sessions = atomic_fetch_add(&door->entrance->sessions, 1);
    if (sessions >= config->listeners[index].max_connections) {
        atomic_fetch_sub(&door->entrance->sessions, 1);
        turn_away(&config->listeners[index], fd);
        return;
    }
    int one = 1;
    /* Replies are small and wanted at once; failing to say so costs time, not correctness. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct bufferevent *bev =
        bufferevent_socket_new(loop_base(lane->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL) {
        atomic_fetch_sub(&door->entrance->sessions, 1);
        close(fd);
        return;
    }
    atomic_fetch_add(&lane->gate->sessions, 1);
    smtp_serve(lane, door->entrance, index, bev, peer);
}

static void on_accept_error(struct evconnlistener *socket, void *arg)
{
    struct door *door = arg;
    int code = errno;
    char reason[128];
    log_event(LOG_LEVEL_ERROR, "cannot accept, pausing", LOG_TEXT("bind", door->entrance->bind),
              LOG_TEXT("reason", strerror_r(code, reason, sizeof(reason))));
    struct timeval pause = {.tv_usec = 200 * 1000};
    evconnlistener_disable(socket);
    event_add(door->retry, &pause);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    evconnlistener_enable(((struct door *)arg)->socket);
}

struct door *door_open(struct lane *lane, struct entrance *entrance, int fd)
{
    struct door *door = calloc(1, sizeof(*door));
    if (door != NULL) {
        door->lane = lane;
        door->entrance = entrance;
        door->retry = event_new(loop_base(lane->loop), -1, 0, on_retry, door);
        if (door->retry != NULL)
            door->socket = evconnlistener_new(loop_base(lane->loop), on_accept, door,
                                              LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    }
    if (door == NULL || door->socket == NULL) {
        close(fd);
        door_close(&door);
        return NULL;
    }
    evconnlistener_set_error_cb(door->socket, on_accept_error);
    return door;
}

void door_close(struct door **door)
{
    if (*door == NULL)
        return;
    if ((*door)->socket != NULL)
        evconnlistener_free((*door)->socket);
    if ((*door)->retry != NULL)
        event_free((*door)->retry);
    free(*door);
    *door = NULL;
}

const struct entrance *door_entrance(const struct door *door)
{
    return door->entrance;
}
