/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/listen.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sockaddr.h"
#include "proxy/descriptors.h"
#include "proxy/http/server.h"
#include "proxy/net/admission.h"
#include "proxy/smpp/server.h"
#include "proxy/smtp/server.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 1024
/* When descriptors have run out: clients told so in one turn of the loop, which others wait for,
 * and how long the kernel's queue is left alone after that, doubling. */
#define REFUSED_AT_ONCE 64
#define PAUSE_FIRST     (100 * CLOCK_SECOND / 1000)
#define PAUSE_MOST      (5 * CLOCK_SECOND)
/* A connection is made when the peer's answer to our half of the handshake is here: one turn
 * around the world. */
#define RETIRE_US 250000
#define LOOK_US   10000

struct door {
    struct door *next;             /* the lane's list */
    struct lane *lane;             /* borrowed */
    struct entrance *entrance;     /* borrowed */
    struct evconnlistener *socket; /* owned */
    struct http_door *http;        /* owned; HTTP accepts by itself, the rest here is the same */
    struct event *retry;           /* owned; accepting again after descriptors ran out */
    int64_t pause;                 /* the last one; 0: descriptors did not run out */
    int64_t starved_at;            /* when they last did */
    struct event *leave;           /* owned; retiring: look whether somebody still waits */
    struct snapshot *retiring;     /* owned reference; what those get that still come in */
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

void listen_shut(int fd)
{
    /* The filter sees a packet from its TCP header on: flags are byte 13; SYN without ACK. */
    static struct sock_filter no_syn[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0x40000),
    };
    static const struct sock_fprog program = {
        .len = sizeof(no_syn) / sizeof(no_syn[0]),
        .filter = no_syn,
    };
    (void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

void listen_unshut(int fd)
{
    int unused = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));
}

/* 421, if that can be said before TLS, and the end. Nothing of the connection is kept: whoever is
 * turned away costs as little as can be. */
static void turn_away(const struct door *door, const struct listener_config *listener,
                      evutil_socket_t fd, const struct sockaddr *peer, enum refusal refusal)
{
    const char *busy = refusal == REFUSAL_ADDRESS     ? "421 " SMTP_ADDRESS_FULL "\r\n"
                       : refusal == REFUSAL_AUTH_HELD ? "421 " SMTP_GUESSER "\r\n"
                                                      : "421 4.3.2 Too many connections, try "
                                                        "again later\r\n";
    char text[SOCKADDR_TEXT];
    if (listener->protocol == PROTOCOL_SMTP && listener->tls != TLS_IMPLICIT) {
        /* A fresh socket takes these bytes, or the peer is gone: nothing to wait for. */
        ssize_t ignored = send(fd, busy, strlen(busy), MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)ignored;
    }
    sockaddr_text(peer, text, sizeof(text));
    refusals_add(&door->lane->gate->refusals, refusal, NULL, text, door->entrance->bind);
    close(fd);
}

/* Counts the session that is to begin; false when there is no room for it. A full address, or one
 * that guesses, is only looked at here, so that its crowd takes no room from others even while it
 * is turned away; the session counts itself (smtp_client_known), for it knows better whose
 * connection it is. */
static bool enter(struct door *door, const struct listener_config *listener,
                  const struct sockaddr *peer, struct admission *admission,
                  enum refusal *refusal_out)
{
    struct gate *gate = door->lane->gate;
    struct peer_key key;
    peer_key_of(peer, &key);
    unsigned inside = peers_count(gate->peers, PEER_ADDRESS, &key, sizeof(key));
    *refusal_out = REFUSAL_ADDRESS;
    if (listener->max_connections_per_address > 0 && !listener_trusts(listener, peer) &&
        inside >= listener->max_connections_per_address)
        return false;
    *refusal_out = REFUSAL_AUTH_HELD;
    if (!admission_let_in(gate, door->lane->snapshot->config, listener, peer, inside))
        return false;
    return admission_enter(admission, listener->max_connections, refusal_out);
}

static void end_pausing(struct door *door)
{
    /* One that got in between two others that did not is no end of it. */
    if (door->pause == 0 || clock_monotonic() - door->starved_at < PAUSE_MOST)
        return;
    door->pause = 0;
    log_event(LOG_LEVEL_INFO, "accepting again", LOG_TEXT("bind", door->entrance->bind));
}

/* No descriptor but the one in reserve: told so, and it is put back. */
static void refuse_last(struct door *door, const struct listener_config *listener,
                        evutil_socket_t fd, const struct sockaddr *peer)
{
    turn_away(door, listener, fd, peer, REFUSAL_DESCRIPTORS);
    reserve_return(door->lane->gate->reserve);
    door->starved_at = clock_monotonic();
}

static void take_in(struct door *door, evutil_socket_t fd, struct sockaddr *peer)
{
    struct lane *lane = door->lane;
    struct admission admission = {.gate = lane->gate, .entrance = door->entrance};
    const struct config *config = lane->snapshot->config;
    const struct listener_config *listener = config_listener(config, door->entrance->bind);
    enum refusal refusal;
    if (listener == NULL) {
        close(fd);
        return;
    }
    if (!reserve_allows(lane->gate->reserve)) {
        refuse_last(door, listener, fd, peer);
        return;
    }
    end_pausing(door);
    if (!enter(door, listener, peer, &admission, &refusal)) {
        turn_away(door, listener, fd, peer, refusal);
        return;
    }
    int one = 1;
    /* Replies are small and wanted at once; failing to say so costs time, not correctness. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct bufferevent *bev =
        bufferevent_socket_new(loop_base(lane->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL) {
        admission_leave(&admission);
        close(fd);
        return;
    }
    /* The session is what is counted, from now on. */
    size_t index = (size_t)(listener - config->listeners);
    if (listener->protocol == PROTOCOL_SMPP)
        smpp_serve(lane, door->entrance, index, bev, peer);
    else
        smtp_serve(lane, door->entrance, index, bev, peer);
}

/* There is no descriptor left: with the one in reserve some of those who wait are told so, instead
 * of being left to wait. A thread that does not accept may take it in between; then they wait until
 * a descriptor is free. Another loop that takes it puts it back (take_in). */
static void refuse_waiting(struct door *door)
{
    const struct listener_config *listener =
        config_listener(door->lane->snapshot->config, door->entrance->bind);
    if (listener == NULL)
        return;
    for (int i = 0; i < REFUSED_AT_ONCE; i++) {
        struct sockaddr_storage peer = {0};
        int fd =
            reserve_accept(door->lane->gate->reserve, evconnlistener_get_fd(door->socket), &peer);
        if (fd < 0)
            return;
        refuse_last(door, listener, fd, (struct sockaddr *)&peer);
    }
}

static void on_accept(struct evconnlistener *socket, evutil_socket_t fd, struct sockaddr *peer,
                      int peer_length, void *arg)
{
    (void)socket;
    (void)peer_length;
    struct door *door = arg;
    struct snapshot *current = door->lane->snapshot;
    /* Who came before the reload that removed this listener has what it came for. */
    if (door->retiring != NULL)
        door->lane->snapshot = door->retiring;
    take_in(door, fd, peer);
    door->lane->snapshot = current;
}

static void on_accept_error(struct evconnlistener *socket, void *arg)
{
    struct door *door = arg;
    int code = errno;
    char reason[128];
    if (code == EMFILE || code == ENFILE)
        refuse_waiting(door);
    if (door->pause == 0)
        /* Once, until clients are accepted again. */
        log_event(LOG_LEVEL_ERROR, "cannot accept, pausing", LOG_TEXT("bind", door->entrance->bind),
                  LOG_TEXT("reason", strerror_r(code, reason, sizeof(reason))));
    door->starved_at = clock_monotonic();
    door->pause = door->pause == 0               ? PAUSE_FIRST
                  : door->pause < PAUSE_MOST / 2 ? door->pause * 2
                                                 : PAUSE_MOST;
    struct timeval pause = {.tv_sec = door->pause / CLOCK_SECOND,
                            .tv_usec = door->pause % CLOCK_SECOND};
    evconnlistener_disable(socket);
    event_add(door->retry, &pause);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct door *door = arg;
    reserve_refill(door->lane->gate->reserve);
    evconnlistener_enable(door->socket);
}

static void free_door(struct door *door)
{
    if (door->socket != NULL) {
        /* Others hold duplicates of it. */
        evutil_socket_t fd = evconnlistener_get_fd(door->socket);
        if (door->http != NULL)
            http_door_close(&door->http); /* with its socket: evhttp never gives one back */
        else
            evconnlistener_free(door->socket);
        loop_close(door->lane->loop, fd);
    }
    if (door->retry != NULL)
        event_free(door->retry);
    if (door->leave != NULL)
        event_free(door->leave);
    snapshot_unref(&door->retiring);
    free(door);
}

static void close_door(struct door *door)
{
    struct lane *lane = door->lane;
    struct door **link = &lane->doors;
    while (*link != door)
        link = &(*link)->next;
    *link = door->next;
    free_door(door);
    atomic_fetch_sub(&lane->gate->doors, 1);
}

static void wait_to_leave(struct door *door, long microseconds)
{
    struct timeval wait = {.tv_usec = microseconds};
    event_add(door->leave, &wait);
}

static void on_leave(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct door *door = arg;
    struct pollfd waiting = {.fd = evconnlistener_get_fd(door->socket), .events = POLLIN};
    if (poll(&waiting, 1, 0) == 1)
        wait_to_leave(door, LOOK_US); /* the listener's own event lets them in */
    else
        close_door(door);
}

static bool is_http(const struct lane *lane, const struct entrance *entrance)
{
    const struct listener_config *listener =
        config_listener(lane->snapshot->config, entrance->bind);
    return listener != NULL && listener->protocol == PROTOCOL_HTTP;
}

bool door_open(struct lane *lane, struct entrance *entrance, int fd)
{
    bool ok = false;
    struct door *door = calloc(1, sizeof(*door));
    if (door != NULL) {
        door->lane = lane;
        door->entrance = entrance;
        door->retry = event_new(loop_base(lane->loop), -1, 0, on_retry, door);
        door->leave = event_new(loop_base(lane->loop), -1, 0, on_leave, door);
        if (door->retry != NULL && door->leave != NULL)
            door->socket = evconnlistener_new(loop_base(lane->loop), on_accept, door,
                                              LEV_OPT_CLOSE_ON_EXEC, 0, fd);
        ok = door->socket != NULL;
        if (ok && is_http(lane, entrance)) {
            door->http = http_door_open(lane, entrance, door->socket);
            ok = door->http != NULL;
        }
    }
    if (!ok) {
        if (door == NULL || door->socket == NULL)
            close(fd);
        if (door != NULL)
            free_door(door);
        return false;
    }
    evconnlistener_set_error_cb(door->socket, on_accept_error);
    door->next = lane->doors;
    lane->doors = door;
    atomic_fetch_add(&lane->gate->doors, 1);
    return true;
}

void doors_retire(struct lane *lane, struct snapshot *snapshot,
                  bool (*chosen)(const struct entrance *entrance, const void *arg), const void *arg)
{
    struct door *next;
    for (struct door *door = lane->doors; door != NULL; door = next) {
        next = door->next;
        if (door->retiring != NULL || (chosen != NULL && !chosen(door->entrance, arg)))
            continue;
        if (atomic_load(&door->entrance->held_elsewhere)) {
            close_door(door);
            continue;
        }
        door->retiring = snapshot_ref(snapshot);
        wait_to_leave(door, RETIRE_US);
    }
}

void doors_close(struct lane *lane)
{
    while (lane->doors != NULL) {
        struct door *door = lane->doors;
        lane->doors = door->next;
        free_door(door);
        atomic_fetch_sub(&lane->gate->doors, 1);
    }
}
