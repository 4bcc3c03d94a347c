/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/handover.h"

#include "base/clock.h"
#include "proxy/control.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define LINE_CAP   (32 * 1024) /* HANDOVER_BINDS binds, each byte escaped, take less */
#define PATIENCE_S 10          /* for each line of the other process */
/* A journal's last segment is read in a second or two, but a large registry may be laid out anew.
 * That the other one died is told by its socket, and at once. */
#define SERVING_US (3720 * CLOCK_SECOND)

struct handover {
    struct event *event; /* owned */
    struct handover_calls calls;
    bool committed;
    int fd;
    size_t length;
    char line[LINE_CAP];
};

/* ---- both ---- */

/* Blocking reads and writes, for so long. Duplicated descriptors share O_NONBLOCK, so poll. */
static void be_patient(int fd)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static bool wait_for(int fd, short events, int milliseconds)
{
    struct pollfd ready = {.fd = fd, .events = events};
    int n;
    do
        n = poll(&ready, 1, milliseconds);
    while (n < 0 && errno == EINTR);
    return n == 1;
}

/* Only processes of our own user, or root's, may have or give sockets. */
static bool peer_is_us(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

/* One line and the descriptors of n inlets. */
static bool send_line(int fd, struct strbuf *line, const struct inlet *list, size_t n)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(HANDOVER_BATCH * sizeof(int))];
    } control = {0};
    strbuf_add_char(line, '\n');
    if (line->failed)
        return false;
    struct iovec piece = {.iov_base = line->data, .iov_len = line->length};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (n > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(n * sizeof(int));
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(n * sizeof(int));
        for (size_t i = 0; i < n; i++)
            memcpy(CMSG_DATA(head) + i * sizeof(int), &list[i].fd, sizeof(int));
    }
    while (piece.iov_len > 0) {
        ssize_t sent = wait_for(fd, POLLOUT, PATIENCE_S * 1000)
                           ? sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT)
                           : -1;
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        /* The descriptors went with the first byte. */
        message.msg_control = NULL;
        message.msg_controllen = 0;
        piece.iov_base = (char *)piece.iov_base + sent;
        piece.iov_len -= (size_t)sent;
    }
    return true;
}

static bool say(int fd, const char *text)
{
    struct strbuf line = {0};
    strbuf_add_str(&line, text);
    bool sent = send_line(fd, &line, NULL, 0);
    strbuf_free(&line);
    return sent;
}

/* ---- the old process ---- */

static void break_off(struct handover *handover, const char *why)
{
    struct handover_calls calls = handover->calls;
    handover_free(&handover);
    calls.broken(calls.arg, why);
}

static void on_line(struct handover *handover)
{
    struct error err;
    struct handover_commit *commit = malloc(sizeof(*commit));
    if (commit == NULL || handover_read_commit(handover->line, commit, &err) != RESULT_OK) {
        free(commit);
        break_off(handover, "it said something else than commit");
        return;
    }
    /* From here on the connection is only looked at again once we have drained. */
    event_del(handover->event);
    handover->committed = true;
    bool agreed = handover->calls.committed(handover->calls.arg, commit);
    free(commit);
    if (agreed)
        (void)say(handover->fd, "{\"committed\":true}"); /* who is gone is noticed later */
    else
        break_off(handover, "this gateway is already ending");
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct handover *handover = arg;
    if ((what & EV_TIMEOUT) != 0) {
        break_off(handover, "it takes too long");
        return;
    }
    size_t room = sizeof(handover->line) - 1 - handover->length;
    ssize_t got = recv(fd, handover->line + handover->length, room, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        break_off(handover, room == 0 ? "its line is too long" : "it went away");
        return;
    }
    handover->length += (size_t)got;
    handover->line[handover->length] = '\0';
    char *end = strchr(handover->line, '\n');
    if (end == NULL)
        return;
    *end = '\0';
    on_line(handover);
}

static bool send_offer(int fd, const struct inlets *inlets, int64_t drain_us)
{
    bool ok = true;
    size_t done = 0;
    do {
        size_t n = inlets->n - done < HANDOVER_BATCH ? inlets->n - done : HANDOVER_BATCH;
        struct strbuf line = {0};
        handover_write_offer(&line, inlets->list + done, n, drain_us, done + n < inlets->n);
        ok = send_line(fd, &line, inlets->list + done, n);
        strbuf_free(&line);
        done += n;
    } while (ok && done < inlets->n);
    return ok;
}

enum result handover_offer(struct loop *loop, int fd, const struct inlets *inlets, int64_t drain_us,
                           const struct handover_calls *calls, struct handover **handover_out,
                           struct error *err)
{
    if (!peer_is_us(fd)) {
        handover_refuse(fd, "it runs as another user");
        return error_set(err, RESULT_DENIED, "the new process runs as another user");
    }
    struct handover *handover = calloc(1, sizeof(*handover));
    if (handover != NULL) {
        handover->fd = fd;
        handover->calls = *calls;
        handover->event =
            event_new(loop_base(loop), fd, EV_READ | EV_PERSIST, on_readable, handover);
    }
    struct timeval patience = {.tv_sec = PATIENCE_S};
    if (handover == NULL || handover->event == NULL || event_add(handover->event, &patience) != 0) {
        if (handover == NULL)
            close(fd);
        handover_free(&handover);
        return error_no_memory(err);
    }
    be_patient(fd);
    if (!send_offer(fd, inlets, drain_us)) {
        enum result result =
            error_errno(err, RESULT_SYSTEM, errno, "cannot send the listening sockets");
        handover_free(&handover);
        return result;
    }
    *handover_out = handover;
    return RESULT_OK;
}

int handover_detach(struct handover **handover)
{
    int fd = (*handover)->fd;
    (*handover)->fd = -1;
    handover_free(handover);
    return fd;
}

void handover_free(struct handover **handover)
{
    if (*handover == NULL)
        return;
    if ((*handover)->event != NULL)
        event_free((*handover)->event);
    if ((*handover)->fd >= 0)
        close((*handover)->fd);
    free(*handover);
    *handover = NULL;
}

bool handover_await(int fd)
{
    static const char wanted[] = "{\"command\":\"serving\"}\n";
    char got[sizeof(wanted)];
    size_t length = 0;
    int64_t until = clock_monotonic() + SERVING_US;
    while (length < sizeof(wanted) - 1) {
        int64_t left = until - clock_monotonic();
        if (left <= 0 || !wait_for(fd, POLLIN, (int)(left / 1000)))
            break;
        ssize_t n = recv(fd, got + length, sizeof(wanted) - 1 - length, MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    close(fd);
    return length == sizeof(wanted) - 1 && memcmp(got, wanted, length) == 0;
}

void handover_refuse(int fd, const char *why)
{
    struct strbuf line = {0};
    strbuf_add_char(&line, '{');
    strbuf_add_json_field(&line, "error", why);
    strbuf_add_char(&line, '}');
    (void)send_line(fd, &line, NULL, 0);
    strbuf_free(&line);
    close(fd);
}

/* ---- the new process ---- */

/* What was received and is not yet understood. */
struct parcel {
    char text[LINE_CAP];
    size_t length;
    int fds[2 * HANDOVER_BATCH];
    size_t n_fds;
};

static void take_descriptors(struct parcel *parcel, struct msghdr *message)
{
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL;
         head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
            if (parcel->n_fds < 2 * HANDOVER_BATCH)
                parcel->fds[parcel->n_fds++] = fd;
            else
                close(fd);
        }
    }
}

/* Receives up to the end of one line. RESULT_NOT_FOUND: the other process is gone. */
static enum result receive_line(int fd, struct parcel *parcel, char **end_out, struct error *err)
{
    for (;;) {
        *end_out = memchr(parcel->text, '\n', parcel->length);
        if (*end_out != NULL)
            return RESULT_OK;
        union {
            struct cmsghdr align;
            char bytes[CMSG_SPACE(HANDOVER_BATCH * sizeof(int))];
        } control;
        struct iovec piece = {.iov_base = parcel->text + parcel->length,
                              .iov_len = sizeof(parcel->text) - parcel->length};
        struct msghdr message = {.msg_iov = &piece,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof(control.bytes)};
        if (piece.iov_len == 0)
            return error_set(err, RESULT_BAD_INPUT, "the gateway's answer is too long");
        ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno != ECONNRESET)
            return error_errno(err, RESULT_UNAVAILABLE, errno, "the gateway does not answer");
        if (got <= 0)
            return error_set(err, RESULT_NOT_FOUND, "the gateway went away");
        take_descriptors(parcel, &message);
        if ((message.msg_flags & MSG_CTRUNC) != 0)
            return error_set(err, RESULT_SYSTEM,
                             "there are too few descriptors to take the sockets over");
        parcel->length += (size_t)got;
    }
}

static enum result take_sockets(struct parcel *parcel, const struct handover_offer *offer,
                                struct inlets *inlets, struct error *err)
{
    if (offer->n > parcel->n_fds)
        return error_set(err, RESULT_SYSTEM, "the gateway sent fewer sockets than it said");
    enum result result = RESULT_OK;
    size_t taken = 0;
    while (taken < offer->n && result == RESULT_OK) {
        result = inlets_add(inlets, offer->sockets[taken].bind, parcel->fds[taken],
                            offer->sockets[taken].lent, err);
        taken++;
    }
    memmove(parcel->fds, parcel->fds + taken, (parcel->n_fds - taken) * sizeof(int));
    parcel->n_fds -= taken;
    return result;
}

static enum result receive_offer(int fd, struct parcel *parcel, struct inlets *inlets,
                                 int64_t *drain_us_out, struct error *err)
{
    struct handover_offer offer;
    do {
        char *end;
        enum result result = receive_line(fd, parcel, &end, err);
        if (result != RESULT_OK)
            return result;
        *end = '\0';
        result = handover_read_offer(parcel->text, &offer, err);
        if (result == RESULT_OK)
            result = take_sockets(parcel, &offer, inlets, err);
        if (result != RESULT_OK)
            return result;
        size_t used = (size_t)(end + 1 - parcel->text);
        parcel->length -= used;
        memmove(parcel->text, end + 1, parcel->length);
    } while (offer.more);
    *drain_us_out = offer.drain_us;
    return RESULT_OK;
}

enum result handover_ask(const char *state_dir, struct inlets *inlets, int *fd_out,
                         int64_t *drain_us_out, struct error *err)
{
    size_t before = inlets->n;
    int fd;
    enum result result = control_connect(state_dir, &fd, err);
    if (result != RESULT_OK)
        return result;
    struct parcel *parcel = calloc(1, sizeof(*parcel));
    be_patient(fd);
    if (parcel == NULL)
        result = error_no_memory(err);
    else if (!peer_is_us(fd))
        result = error_set(err, RESULT_DENIED, "the gateway that runs is another user's");
    else if (!say(fd, HANDOVER_REQUEST))
        result = error_set(err, RESULT_NOT_FOUND, "the gateway went away");
    else
        result = receive_offer(fd, parcel, inlets, drain_us_out, err);
    while (parcel != NULL && parcel->n_fds > 0)
        close(parcel->fds[--parcel->n_fds]);
    free(parcel);
    if (result != RESULT_OK) {
        inlets_cut(inlets, before);
        close(fd);
        return result;
    }
    *fd_out = fd;
    return RESULT_OK;
}

enum result handover_commit(int fd, const struct config *config, struct error *err)
{
    struct strbuf line = {0};
    handover_write_commit(&line, config);
    bool sent = send_line(fd, &line, NULL, 0);
    strbuf_free(&line);
    if (!sent)
        return error_set(err, RESULT_NOT_FOUND, "the gateway went away");
    struct parcel *parcel = calloc(1, sizeof(*parcel));
    if (parcel == NULL)
        return error_no_memory(err);
    char *end;
    enum result result = receive_line(fd, parcel, &end, err);
    if (result == RESULT_OK && strncmp(parcel->text, "{\"committed\":true}\n", 19) != 0)
        result =
            error_set(err, RESULT_UNAVAILABLE, "the gateway that runs takes the handover back");
    free(parcel);
    return result;
}

void handover_serving(int fd)
{
    (void)say(fd, "{\"command\":\"serving\"}");
    close(fd);
}
