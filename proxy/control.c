/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define REQUEST_MAX (64 * 1024)
#define REPLY_MAX   (16 * 1024 * 1024)
#define PATIENCE_S  10

struct control {
    struct evconnlistener *socket; /* owned */
    struct event *retry;           /* owned */
    control_fn *handle;
    void *arg;  /* borrowed */
    int folder; /* state_dir, open */
};

/* A socket's path may have only 107 bytes, a state directory's more: the way through /proc always
 * fits. */
static void socket_address(int folder, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/control.sock", folder);
}

static int open_folder(const char *state_dir)
{
    return open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)what;
    (void)arg;
    bufferevent_free(bev);
}

static void on_written(struct bufferevent *bev, void *arg)
{
    (void)arg;
    bufferevent_free(bev);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct control *control = arg;
    struct evbuffer *input = bufferevent_get_input(bev);
    char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF);
    if (line == NULL) {
        if (evbuffer_get_length(input) > REQUEST_MAX)
            bufferevent_free(bev);
        return;
    }
    struct strbuf reply = {0};
    control->handle(control->arg, line, &reply);
    strbuf_add_char(&reply, '\n');
    free(line);
    bufferevent_disable(bev, EV_READ);
    bool ok = !reply.failed && bufferevent_write(bev, reply.data, reply.length) == 0;
    strbuf_free(&reply);
    if (ok)
        bufferevent_setcb(bev, NULL, on_written, on_event, control);
    else
        bufferevent_free(bev);
}

static void on_accept(struct evconnlistener *socket, evutil_socket_t fd, struct sockaddr *peer,
                      int length, void *arg)
{
    (void)peer;
    (void)length;
    struct timeval patience = {.tv_sec = PATIENCE_S};
    struct bufferevent *bev =
        bufferevent_socket_new(evconnlistener_get_base(socket), fd, BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL) {
        close(fd);
        return;
    }
    bufferevent_setcb(bev, on_read, NULL, on_event, arg);
    bufferevent_set_timeouts(bev, &patience, &patience);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

/* Descriptors have run out: without a pause the loop would come here again at once. */
static void on_accept_error(struct evconnlistener *socket, void *arg)
{
    struct control *control = arg;
    struct timeval pause = {.tv_sec = 1};
    evconnlistener_disable(socket);
    event_add(control->retry, &pause);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    evconnlistener_enable(((struct control *)arg)->socket);
}

enum result control_new(const char *state_dir, struct loop *loop, control_fn *handle, void *arg,
                        struct control **control_out, struct error *err)
{
    struct control *control = calloc(1, sizeof(*control));
    if (control == NULL)
        return error_no_memory(err);
    control->handle = handle;
    control->arg = arg;
    control->folder = open_folder(state_dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un address;
    socket_address(control->folder, &address);
    unlinkat(control->folder, "control.sock", 0);
    mode_t before = umask(0177);
    bool ok = control->folder >= 0 && fd >= 0 &&
              bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 16) == 0;
    int code = errno;
    umask(before);
    control->retry = event_new(loop_base(loop), -1, 0, on_retry, control);
    if (ok && control->retry != NULL)
        control->socket =
            evconnlistener_new(loop_base(loop), on_accept, control, LEV_OPT_CLOSE_ON_FREE, 0, fd);
    if (control->socket == NULL) {
        if (fd >= 0)
            close(fd);
        control_free(&control);
        return error_errno(err, RESULT_SYSTEM, ok ? ENOMEM : code,
                           "cannot listen on %s/control.sock", state_dir);
    }
    evconnlistener_set_error_cb(control->socket, on_accept_error);
    *control_out = control;
    return RESULT_OK;
}

void control_free(struct control **control)
{
    if (*control == NULL)
        return;
    if ((*control)->socket != NULL) {
        evconnlistener_free((*control)->socket);
        unlinkat((*control)->folder, "control.sock", 0);
    }
    if ((*control)->retry != NULL)
        event_free((*control)->retry);
    if ((*control)->folder >= 0)
        close((*control)->folder);
    free(*control);
    *control = NULL;
}

static enum result exchange(int fd, const char *request, struct strbuf *reply, struct error *err)
{
    /* In one piece, so that a gateway that answers and closes at once is still heard. */
    struct strbuf line = {0};
    strbuf_add_str(&line, request);
    strbuf_add_char(&line, '\n');
    bool composed = !line.failed;
    ssize_t sent = composed ? send(fd, line.data, line.length, MSG_NOSIGNAL) : 0;
    int code = errno;
    bool whole = composed && sent == (ssize_t)line.length;
    strbuf_free(&line);
    if (!composed)
        return error_no_memory(err);
    if (!whole)
        return error_errno(err, RESULT_SYSTEM, code, "cannot ask the gateway");
    while (reply->length == 0 || reply->data[reply->length - 1] != '\n') {
        char chunk[4096];
        ssize_t got = recv(fd, chunk, sizeof(chunk), 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(err, RESULT_UNAVAILABLE, errno, "the gateway does not answer");
        if (got == 0)
            return error_set(err, RESULT_UNAVAILABLE, "the gateway's answer was cut off");
        strbuf_add(reply, chunk, (size_t)got);
        if (reply->failed)
            return error_no_memory(err);
        if (reply->length > REPLY_MAX)
            return error_set(err, RESULT_SYSTEM, "the gateway's answer is too long");
    }
    reply->data[--reply->length] = '\0';
    return RESULT_OK;
}

enum result control_call(const char *state_dir, const char *request, struct strbuf *reply,
                         struct error *err)
{
    int folder = open_folder(state_dir);
    if (folder < 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot open the state directory %s",
                           state_dir);
    enum result result;
    struct sockaddr_un address;
    socket_address(folder, &address);
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        result = error_errno(err, RESULT_SYSTEM, errno, "cannot make a socket");
    } else if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        result =
            errno == ENOENT || errno == ECONNREFUSED
                ? error_set(err, RESULT_UNAVAILABLE, "the gateway is not running (%s)", state_dir)
                : error_errno(err, RESULT_SYSTEM, errno, "cannot reach the gateway");
    } else {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        result = exchange(fd, request, reply, err);
    }
    if (fd >= 0)
        close(fd);
    close(folder);
    return result;
}
